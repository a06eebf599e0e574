// One connection of the load. Private to this target.
#pragma once

#include <openssl/ssl.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "CBareLoop.h"

struct client {
  int fd;
  SSL *ssl;
};

// What is sent, and what must come back, byte by byte: `count` messages of one connection's turn.
struct script {
  uint8_t *sent, *expected;
  size_t sent_count, expected_count;
};

// Connects and upgrades, without blocking afterwards. `false`: see `error`.
bool client_open(struct client *client, const struct bare_load_options *options, SSL_CTX *context, char error[200]);
// Closes with a reset, so that no port stays taken.
void client_close(struct client *client);
// Sends or receives what it can: a number, 0 when it would block, -1 when the connection has ended.
ssize_t client_send(struct client *client, const uint8_t *bytes, size_t count);
ssize_t client_receive(struct client *client, uint8_t *bytes, size_t count);

// Makes messages of random bytes (or letters). The first byte is `first`.
struct script script_make(const struct bare_load_options *options, int message_count, uint8_t first, uint64_t seed);
void script_free(struct script *script);

// A TLS 1.3 context without verification, or null where TLS is off.
SSL_CTX *client_context(const struct bare_load_options *options);

// Seconds of a clock that only moves forward, and of this thread's CPU.
double now_seconds(void);
double own_cpu_seconds(void);
