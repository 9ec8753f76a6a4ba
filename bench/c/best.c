/* The best that we know how to do with the same system calls: memory on the boundary of a huge page, huge pages
 * advised, populated by as many threads as there are processors; what is filled is filled while it is in the cache.
 * Arguments: length in bytes, and "touch", "zero", "fill" or "warm", which
 * is "touch" at once. */

#include "sample.h"
#include <pthread.h>

#define SHARE ((size_t)16 << 20)
#define MOST_THREADS 8

struct part {
  char *start;
  size_t length;
  int fill;
};

static void *make_resident(void *argument) {
  struct part *part = argument;
  size_t chunk = HUGE_PAGE;
  for (size_t done = 0; done < part->length; done += chunk) {
    size_t length = part->length - done < chunk ? part->length - done : chunk;
    if (madvise(part->start + done, length, MADV_POPULATE_WRITE)) touch(part->start + done, length);
    if (part->fill) memset(part->start + done, 'A', length);
  }
  return NULL;
}

int main(int argc, char **argv) {
  if (argc != 3) return 2;
  size_t length = strtoull(argv[1], NULL, 10);
  int fill = argv[2][0] == 'f';
  double start = begin_cold(argv[2]);
  void *memory;
  if (length < HUGE_PAGE) memory = malloc(length);
  else if (posix_memalign(&memory, HUGE_PAGE, length)) return 1;
  char *block = memory;
  if (length < HUGE_PAGE) {
    if (fill) memset(block, 'A', length);
    else touch(block, length);
  } else {
    madvise(block, length, MADV_HUGEPAGE);
    size_t processors = (size_t)sysconf(_SC_NPROCESSORS_ONLN);
    size_t threads = length / SHARE < processors ? length / SHARE : processors;
    if (threads > MOST_THREADS) threads = MOST_THREADS;
    if (threads < 1) threads = 1;
    size_t share = length / threads / HUGE_PAGE * HUGE_PAGE;
    pthread_t others[MOST_THREADS];
    struct part parts[MOST_THREADS];
    for (size_t index = 0; index < threads; index++) {
      size_t end = index + 1 == threads ? length : share * (index + 1);
      parts[index] = (struct part){block + share * index, end - share * index, fill};
      if (index > 0) pthread_create(&others[index], NULL, make_resident, &parts[index]);
    }
    make_resident(&parts[0]);
    for (size_t index = 1; index < threads; index++) pthread_join(others[index], NULL);
  }
  report(nanoseconds() - start);
  return block[length - 1] == 1;
}
