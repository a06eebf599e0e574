#define _GNU_SOURCE
#include "Loop.h"

#include <arpa/inet.h>
#include <errno.h>
#include <malloc.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

struct store *store_make(size_t capacity) {
  struct store *store = malloc(sizeof *store + capacity);
  if (store == NULL) abort();
  store->begin = store->end = 0;
  store->capacity = capacity;
  return store;
}

void store_append(struct store **store, const uint8_t *bytes, size_t count) {
  struct store *old = *store;
  if (old == NULL || old->capacity - old->end < count) {
    size_t kept = old ? old->end - old->begin : 0;
    struct store *grown = store_make(kept + count);
    if (old) memcpy(grown->bytes, old->bytes + old->begin, kept);
    grown->end = kept;
    free(old);
    *store = old = grown;
  }
  memcpy(old->bytes + old->end, bytes, count);
  old->end += count;
}

int loop_open(uint16_t port, int *epoll, int *listener) {
  // Large messages come and go: their memory stays in the process.
  mallopt(M_MMAP_THRESHOLD, 1 << 30);
  mallopt(M_TRIM_THRESHOLD, 1 << 30);
  *epoll = epoll_create1(EPOLL_CLOEXEC);
  *listener = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  if (*epoll < 0 || *listener < 0) return errno;
  int on = 1;
  setsockopt(*listener, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
  struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(port)};
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  if (bind(*listener, (struct sockaddr *)&address, sizeof address) < 0 || listen(*listener, 4096) < 0) return errno;
  struct epoll_event event = {.events = EPOLLIN, .data.ptr = NULL};
  return epoll_ctl(*epoll, EPOLL_CTL_ADD, *listener, &event) < 0 ? errno : 0;
}

int loop_accept(int listener) {
  int fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
  int on = 1;
  if (fd >= 0) setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
  return fd;
}

bool loop_watch(int epoll, int fd, void *token) {
  struct epoll_event event = {.events = EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET, .data.ptr = token};
  return epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &event) == 0;
}
