#define _GNU_SOURCE 1
#include "CLinux.h"

#include <signal.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <unistd.h>

_Static_assert(EPOLLIN == 0x001 && EPOLLOUT == 0x004 && EPOLLERR == 0x008 && EPOLLHUP == 0x010 && EPOLLRDHUP == 0x2000,
               "the header states these as numbers, so that Swift sees constants");

int parley_epoll_create(void) { return epoll_create1(EPOLL_CLOEXEC); }

int parley_epoll_add(int epoll, int fd, uint32_t events, uint64_t token) {
  struct epoll_event event = {.events = events, .data.u64 = token};
  return epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &event);
}

int parley_epoll_modify(int epoll, int fd, uint32_t events, uint64_t token) {
  struct epoll_event event = {.events = events, .data.u64 = token};
  return epoll_ctl(epoll, EPOLL_CTL_MOD, fd, &event);
}

int parley_epoll_remove(int epoll, int fd) { return epoll_ctl(epoll, EPOLL_CTL_DEL, fd, 0); }

int parley_epoll_wait(int epoll, struct parley_epoll_event *events, int capacity, int timeout_ms) {
  struct epoll_event raw[256];
  int count = epoll_wait(epoll, raw, capacity < 256 ? capacity : 256, timeout_ms);
  for (int i = 0; i < count; i++) {
    events[i].events = raw[i].events;
    events[i].token = raw[i].data.u64;
  }
  return count;
}

int parley_eventfd(void) { return eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK); }

int parley_accept(int listener, void *peer, uint32_t *peer_size) {
  return accept4(listener, peer, peer_size, SOCK_CLOEXEC | SOCK_NONBLOCK);
}

static sigset_t set_of(const int *signals, int count) {
  sigset_t set;
  sigemptyset(&set);
  for (int i = 0; i < count; i++) sigaddset(&set, signals[i]);
  return set;
}

int parley_signalfd(const int *signals, int count) {
  sigset_t set = set_of(signals, count);
  return signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
}

int parley_block_signals(const int *signals, int count) {
  sigset_t set = set_of(signals, count);
  return pthread_sigmask(SIG_BLOCK, &set, 0);
}

int parley_signalfd_take(int fd) {
  struct signalfd_siginfo info;
  return read(fd, &info, sizeof info) == (ssize_t)sizeof info ? (int)info.ssi_signo : 0;
}

int64_t parley_peer_user(int fd) {
  struct ucred peer;
  socklen_t size = sizeof peer;
  return getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &size) == 0 ? (int64_t)peer.uid : -1;
}
