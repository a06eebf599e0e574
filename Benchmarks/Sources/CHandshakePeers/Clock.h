#pragma once

#include <stdlib.h>
#include <time.h>

enum { MAXIMUM_ROUNDS = 1000 };

static inline double cpu_nanoseconds(void) {
  struct timespec time;
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time);
  return (double)time.tv_sec * 1e9 + (double)time.tv_nsec;
}

static inline int compare_doubles(const void *left, const void *right) {
  double a = *(const double *)left, b = *(const double *)right;
  return (a > b) - (a < b);
}

static inline double median(double *samples, int count) {
  qsort(samples, (size_t)count, sizeof *samples, compare_doubles);
  return samples[count / 2];
}
