// SPDX-License-Identifier: Apache-2.0
// The spin probe: how long a word takes from one process to another and back, in nanoseconds.
#define _GNU_SOURCE
#include <signal.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { MAX = 1 << 20 };

static int64_t now(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return t.tv_sec * 1000000000LL + t.tv_nsec;
}

static int less(const void *a, const void *b) {
  int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;
  return x < y ? -1 : x > y;
}

int main(void) {
  _Atomic uint64_t *there = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);
  _Atomic uint64_t *back = there + 64;
  int64_t *spans = calloc(MAX, sizeof *spans);
  pid_t child = fork();
  if (child == 0) {
    for (uint64_t seen = 0;;) {
      uint64_t w = atomic_load_explicit(there, memory_order_acquire);
      if (w != seen) {
        seen = w;
        atomic_store_explicit(back, w, memory_order_release);
      }
    }
  }
  int64_t began = now(), last = began;
  long n = 0;
  for (uint64_t i = 1; n < MAX && last - began < 100000000; i++) {
    atomic_store_explicit(there, i, memory_order_release);
    while (atomic_load_explicit(back, memory_order_acquire) != i) {
    }
    int64_t t = now();
    spans[n++] = t - last;
    last = t;
  }
  kill(child, SIGKILL);
  waitpid(child, NULL, 0);
  qsort(spans, n, sizeof *spans, less);
  printf("%lld\n", (long long)spans[n / 2]);
  return 0;
}
