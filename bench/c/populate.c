/* Without huge pages: malloc, and the kernel populates all pages in one call; then memset, if they are to be filled.
 * Arguments: length in bytes, and "touch", "zero" or "fill". */

#include "sample.h"

int main(int argc, char **argv) {
  if (argc != 3) return 2;
  size_t length = strtoull(argv[1], NULL, 10);
  uintptr_t page = (uintptr_t)sysconf(_SC_PAGESIZE);
  double start = begin_cold(argv[2]);
  char *block = argv[2][0] == 'z' ? calloc(length, 1) : malloc(length);
  if (!block) return 1;
  uintptr_t first = (uintptr_t)block / page * page;
  uintptr_t end = ((uintptr_t)block + length + page - 1) / page * page;
  if (madvise((void *)first, end - first, MADV_POPULATE_WRITE)) touch(block, length);
  if (argv[2][0] == 'f') memset(block, 'A', length);
  report(nanoseconds() - start);
  return block[length - 1] == 1;
}
