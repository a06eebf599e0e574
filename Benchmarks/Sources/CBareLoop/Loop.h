// What both limits share: a listening socket, an epoll instance, and bytes that wait. Private to this target.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

// Bytes that a connection keeps between two turns of the loop: `bytes[begin..<end]`.
struct store {
  size_t begin, end, capacity;
  uint8_t bytes[];
};

struct store *store_make(size_t capacity);
// Appends; the store may move. `*store` may be null.
void store_append(struct store **store, const uint8_t *bytes, size_t count);

// Listens on 127.0.0.1 without blocking, and watches the socket with a null token. Returns an errno, or 0.
int loop_open(uint16_t port, int *epoll, int *listener);
// Accepts one connection, without delay and without blocking; -1 when there is none.
int loop_accept(int listener);
// Watches both directions of a socket, edge by edge.
bool loop_watch(int epoll, int fd, void *token);
