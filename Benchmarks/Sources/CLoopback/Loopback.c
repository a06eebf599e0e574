#define _GNU_SOURCE
#include "CLoopback.h"

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <pthread.h>
#include <stdint.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static double now(void) {
  struct timespec time;
  clock_gettime(CLOCK_MONOTONIC, &time);
  return time.tv_sec * 1e9 + time.tv_nsec;
}

static int watch(int descriptor) {
  int poll = epoll_create1(EPOLL_CLOEXEC);
  struct epoll_event event = {.events = EPOLLIN};
  return poll >= 0 && epoll_ctl(poll, EPOLL_CTL_ADD, descriptor, &event) == 0 ? poll : -1;
}

static int receive(int poll, int descriptor, char *bytes, int byte_count) {
  for (int got = 0; got < byte_count;) {
    struct epoll_event event;
    if (epoll_wait(poll, &event, 1, 10000) <= 0) return -1;
    ssize_t count = recv(descriptor, bytes, byte_count - got, MSG_DONTWAIT);
    if (count <= 0) return -1;
    got += count;
  }
  return 0;
}

int loopback_round_trips(long count, int byte_count, double *times) {
  if (byte_count < 1 || byte_count > 65536) return -1;
  static char bytes[65536];
  struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
  socklen_t length = sizeof address;
  int one = 1, listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (listener < 0 || bind(listener, (struct sockaddr *)&address, length) || listen(listener, 1) ||
      getsockname(listener, (struct sockaddr *)&address, &length))
    return -1;
  pid_t child = fork();
  if (child < 0) return -1;
  if (child == 0) {
    int peer = accept(listener, NULL, NULL);
    setsockopt(peer, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    int poll = watch(peer);
    while (receive(poll, peer, bytes, byte_count) == 0 && send(peer, bytes, byte_count, 0) == byte_count) {
    }
    _exit(0);
  }
  int peer = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), result = -1;
  if (peer >= 0 && connect(peer, (struct sockaddr *)&address, length) == 0) {
    setsockopt(peer, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    int poll = watch(peer);
    result = 0;
    for (long index = 0; index < count && result == 0; index++) {
      double start = now();
      if (send(peer, bytes, byte_count, 0) != byte_count || receive(poll, peer, bytes, byte_count)) result = -1;
      times[index] = now() - start;
    }
    close(poll);
  }
  close(peer);
  close(listener);
  waitpid(child, NULL, 0);
  return result;
}

struct pair {
  int there, back;
};

static void *echo(void *context) {
  struct pair *pair = context;
  uint64_t value;
  while (read(pair->there, &value, sizeof value) == sizeof value && value == 1)
    if (write(pair->back, &value, sizeof value) < 0) break;
  return NULL;
}

int thread_round_trips(long count, double *times) {
  struct pair pair = {eventfd(0, EFD_CLOEXEC), eventfd(0, EFD_CLOEXEC)};
  pthread_t thread;
  if (pair.there < 0 || pair.back < 0 || pthread_create(&thread, NULL, echo, &pair)) return -1;
  uint64_t one = 1, stop = 2, value;
  int result = 0;
  for (long index = 0; index < count && result == 0; index++) {
    double start = now();
    if (write(pair.there, &one, sizeof one) < 0 || read(pair.back, &value, sizeof value) < 0) result = -1;
    times[index] = now() - start;
  }
  if (write(pair.there, &stop, sizeof stop) < 0) result = -1;
  pthread_join(thread, NULL);
  close(pair.there);
  close(pair.back);
  return result;
}
