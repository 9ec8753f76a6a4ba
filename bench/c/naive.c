/* The plain way to resident memory: malloc and one write to each page; or malloc, and memset with a byte.
 * Arguments: length in bytes, and "touch", "zero" (calloc, then one write to each page) or "fill". */

#include "sample.h"

int main(int argc, char **argv) {
  if (argc != 3) return 2;
  size_t length = strtoull(argv[1], NULL, 10);
  double start = begin_cold(argv[2]);
  char *block = argv[2][0] == 'z' ? calloc(length, 1) : malloc(length);
  if (!block) return 1;
  if (argv[2][0] == 'f') memset(block, 'A', length);
  else touch(block, length);
  report(nanoseconds() - start);
  return block[length - 1] == 1;
}
