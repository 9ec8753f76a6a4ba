/* malloc, one write to each page and free, over and over: C's own warm heap.
 * Arguments: length in bytes, rounds, and how often in a round. Prints the nanoseconds of a cycle for each round. */

#include "sample.h"

int main(int argc, char **argv) {
  if (argc != 4) return 2;
  size_t length = strtoull(argv[1], NULL, 10);
  int rounds = atoi(argv[2]), cycles = atoi(argv[3]);
  printf("[");
  for (int round = -2; round < rounds; round++) {
    double start = nanoseconds();
    for (int cycle = 0; cycle < cycles; cycle++) {
      char *block = malloc(length);
      if (!block) return 1;
      touch(block, length);
      free(block);
    }
    if (round >= 0) printf("%s%.2f", round ? "," : "", (nanoseconds() - start) / cycles);
  }
  printf("]\n");
}
