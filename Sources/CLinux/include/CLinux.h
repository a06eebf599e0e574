// What Swift's Glibc module leaves out of Linux: epoll, eventfd, signal handlers and accept4.
#pragma once

#include <stddef.h>
#include <stdint.h>

// One readiness report. The kernel's own struct is packed and holds a union.
struct parley_epoll_event {
  uint32_t events;
  uint64_t token;
};

static const int PARLEY_EPOLL_CAPACITY = 1024;
static const uint32_t PARLEY_EPOLL_IN = 0x001;
static const uint32_t PARLEY_EPOLL_OUT = 0x004;
static const uint32_t PARLEY_EPOLL_ERR = 0x008;
static const uint32_t PARLEY_EPOLL_HUP = 0x010;
static const uint32_t PARLEY_EPOLL_RDHUP = 0x2000;

// An epoll instance, closed on exec; -1 and errno on failure.
int parley_epoll_create(void);
// Registers, changes or removes interest in `fd`.
int parley_epoll_add(int epoll, int fd, uint32_t events, uint64_t token);
int parley_epoll_modify(int epoll, int fd, uint32_t events, uint64_t token);
int parley_epoll_remove(int epoll, int fd);
// Waits for at most `capacity` (<= PARLEY_EPOLL_CAPACITY) reports; a negative timeout waits for ever. Returns their number, or -1.
int parley_epoll_wait(int epoll, struct parley_epoll_event *events, int capacity, int timeout_ms);

// Sends `head`, then `body`, in one system call; no signal. As send(2).
ptrdiff_t parley_send_both(int fd, const void *head, size_t head_count, const void *body, size_t body_count);

// A non-blocking counter to wake a loop with.
int parley_eventfd(void);
// Accepts a connection: non-blocking, closed on exec; -1 and errno on failure. `peer` may be null.
int parley_accept(int listener, void *peer, uint32_t *peer_size);
// Has a signal counted, whichever thread it comes to, and gives a descriptor of the count, to read like that of an
// eventfd and to close; -1 and errno on failure. Not for two threads at a time.
int parley_signal_counter(int number);
// Lets a signal come to the calling thread.
void parley_signal_admit(int number);
// Has a signal do again what it does by default.
void parley_signal_default(int number);
// The user ID of the process at the other end of a Unix socket, or -1.
int64_t parley_peer_user(int fd);
// The bytes given to a socket that its peer has not acknowledged.
int parley_queued(int fd);
