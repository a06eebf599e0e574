// The processor's own clock, for operations of a few nanoseconds.
#pragma once

#include <stdint.h>

#if defined(__x86_64__)
#include <x86intrin.h>

static inline uint64_t cycles(void) {
  // Neither what came before nor what comes after may be moved across.
  _mm_mfence();
  _mm_lfence();
  uint64_t now = __rdtsc();
  _mm_lfence();
  return now;
}
#elif defined(__aarch64__)
static inline uint64_t cycles(void) {
  uint64_t now;
  __asm__ volatile("isb; mrs %0, cntvct_el0; isb" : "=r"(now)::"memory");
  return now;
}
#else
#include <time.h>

static inline uint64_t cycles(void) {
  struct timespec time;
  clock_gettime(CLOCK_MONOTONIC, &time);
  return (uint64_t)time.tv_sec * 1000000000u + (uint64_t)time.tv_nsec;
}
#endif
