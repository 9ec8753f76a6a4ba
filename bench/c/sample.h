/* What the programs of this folder share: time, and what the system says of huge pages. */

#define _GNU_SOURCE
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#ifndef MADV_POPULATE_WRITE
#define MADV_POPULATE_WRITE 23
#endif

#define HUGE_PAGE ((size_t)2 << 20)

static inline double nanoseconds(void) {
  struct timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return now.tv_sec * 1e9 + now.tv_nsec;
}

/* When a cold sample begins: after a rest as long as that of samples/cold.js. A processor that rested is slower at first.
 * With "warm" nothing is measured. */
static inline double begin_cold(const char *init) {
  if (init[0] != 'w') usleep(100000);
  return nanoseconds();
}

/* AnonHugePages of this process in KiB. */
static inline long huge_kib(void) {
  char line[256];
  long kib = 0;
  FILE *file = fopen("/proc/self/smaps_rollup", "r");
  while (file && fgets(line, sizeof line, file)) sscanf(line, "AnonHugePages: %ld", &kib);
  if (file) fclose(file);
  return kib;
}

/* One write to each page. */
static inline void touch(volatile char *start, size_t length) {
  size_t page = (size_t)sysconf(_SC_PAGESIZE);
  for (size_t offset = 0; offset < length; offset += page) start[offset] = 0;
}

static inline void report(double ns) { printf("{\"ns\":%.0f,\"hugeKib\":%ld}\n", ns, huge_kib()); }
