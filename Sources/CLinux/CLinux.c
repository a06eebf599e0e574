#define _GNU_SOURCE 1
#include "CLinux.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
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
  struct epoll_event raw[PARLEY_EPOLL_CAPACITY];
  int count = epoll_wait(epoll, raw, capacity < PARLEY_EPOLL_CAPACITY ? capacity : PARLEY_EPOLL_CAPACITY, timeout_ms);
  for (int i = 0; i < count; i++) {
    events[i].events = raw[i].events;
    events[i].token = raw[i].data.u64;
  }
  return count;
}

ptrdiff_t parley_send_both(int fd, const void *head, size_t head_count, const void *body, size_t body_count) {
  struct iovec parts[2] = {{(void *)head, head_count}, {(void *)body, body_count}};
  struct msghdr message = {.msg_iov = parts, .msg_iovlen = 2};
  return sendmsg(fd, &message, MSG_NOSIGNAL);
}

int parley_eventfd(void) { return eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK); }

int parley_accept(int listener, void *peer, uint32_t *peer_size) {
  return accept4(listener, peer, peer_size, SOCK_CLOEXEC | SOCK_NONBLOCK);
}

// One counter a signal, made once and never closed: a handler may run at any time.
static _Atomic int counters[65];

static void count_signal(int number) {
  int saved = errno;
  uint64_t one = 1;
  ssize_t written = write(counters[number], &one, sizeof one);
  (void)written;
  errno = saved;
}

int parley_signal_counter(int number) {
  if (counters[number] == 0) {
    int made = parley_eventfd();
    if (made < 0) return -1;
    counters[number] = made;
  }
  struct sigaction action = {.sa_handler = count_signal, .sa_flags = SA_RESTART};
  sigemptyset(&action.sa_mask);
  if (sigaction(number, &action, 0) != 0) return -1;
  return fcntl(counters[number], F_DUPFD_CLOEXEC, 0);
}

void parley_signal_admit(int number) {
  sigset_t set;
  sigemptyset(&set);
  sigaddset(&set, number);
  pthread_sigmask(SIG_UNBLOCK, &set, 0);
}

void parley_signal_default(int number) { signal(number, SIG_DFL); }

int64_t parley_peer_user(int fd) {
  struct ucred peer;
  socklen_t size = sizeof peer;
  return getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &size) == 0 ? (int64_t)peer.uid : -1;
}

int parley_queued(int fd) {
  int count;
  return ioctl(fd, TIOCOUTQ, &count) == 0 ? count : 0;
}
