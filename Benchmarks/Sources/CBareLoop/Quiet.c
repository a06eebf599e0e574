// Connections without load: the time of single messages, and the memory of silence.
#define _GNU_SOURCE
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "CBareLoop.h"
#include "Client.h"

enum { SCRIPTS = 16 };

// Sends one message and awaits its reply. `false`: see `error`.
static bool round_trip(struct client *client, const struct script *script, uint8_t *buffer, bool polls, char error[200]) {
  size_t sent = 0, received = 0;
  double end = 0;
  while (received < script->expected_count) {
    ssize_t count = 0;
    if (sent < script->sent_count) {
      count = client_send(client, script->sent + sent, script->sent_count - sent);
      if (count > 0) sent += (size_t)count;
    }
    ssize_t got = count < 0 ? -1 : client_receive(client, buffer, script->expected_count - received);
    if (got < 0) return snprintf(error, 200, "the server closed the connection"), false;
    if (got == 0) {
      struct pollfd watch = {.fd = client->fd, .events = POLLIN};
      if (!polls && poll(&watch, 1, 5000) == 0) return snprintf(error, 200, "no reply within 5 s"), false;
      if (!polls) continue;
      double now = now_seconds();
      if (end == 0) end = now + 5;
      if (now > end) return snprintf(error, 200, "no reply within 5 s"), false;
      continue;
    }
    if (memcmp(script->expected + received, buffer, (size_t)got) != 0) return snprintf(error, 200, "a wrong reply"), false;
    received += (size_t)got;
  }
  return true;
}

static void wait_for(int microseconds, bool polls) {
  if (!polls) {
    struct timespec time = {.tv_nsec = microseconds * 1000L};
    nanosleep(&time, NULL);
    return;
  }
  double end = now_seconds() + microseconds * 1e-6;
  while (now_seconds() < end) __builtin_ia32_pause();
}

bool bare_latency_run(const struct bare_load_options *options, bool polls, int gap_microseconds, int count,
                      uint32_t *nanoseconds, char error[200]) {
  error[0] = 0;
  SSL_CTX *context = client_context(options);
  struct client client;
  struct script scripts[SCRIPTS];
  for (int i = 0; i < SCRIPTS; i++) scripts[i] = script_make(options, 1, 'e', (uint64_t)i + 1);
  uint8_t *buffer = malloc(scripts[0].expected_count);
  if (buffer == NULL) abort();
  bool is_well = client_open(&client, options, context, error);
  // The first ones warm both ends up.
  for (int i = -count / 10; i < count && is_well; i++) {
    wait_for(gap_microseconds, polls);
    double start = now_seconds();
    is_well = round_trip(&client, &scripts[(unsigned)i % SCRIPTS], buffer, polls, error);
    if (i >= 0) nanoseconds[i] = (uint32_t)((now_seconds() - start) * 1e9);
  }
  client_close(&client);
  if (context != NULL) SSL_CTX_free(context);
  for (int i = 0; i < SCRIPTS; i++) script_free(&scripts[i]);
  free(buffer);
  return is_well;
}

struct bare_idle {
  struct client *clients;
  int count;
  SSL_CTX *context;
};

struct bare_idle *bare_idle_open(const struct bare_load_options *options, bool echoes, char error[200]) {
  error[0] = 0;
  struct bare_idle *idle = calloc(1, sizeof *idle);
  if (idle == NULL) abort();
  idle->clients = calloc((size_t)options->connection_count, sizeof *idle->clients);
  idle->context = client_context(options);
  if (idle->clients == NULL) abort();
  struct script script = script_make(options, 1, 'e', 1);
  uint8_t *buffer = malloc(script.expected_count);
  if (buffer == NULL) abort();
  bool is_well = true;
  while (is_well && idle->count < options->connection_count) {
    struct client *client = &idle->clients[idle->count++];
    is_well = client_open(client, options, idle->context, error) &&
              (!echoes || round_trip(client, &script, buffer, false, error));
  }
  script_free(&script);
  free(buffer);
  if (is_well) return idle;
  bare_idle_close(idle);
  return NULL;
}

void bare_idle_close(struct bare_idle *idle) {
  for (int i = 0; i < idle->count; i++) client_close(&idle->clients[i]);
  if (idle->context != NULL) SSL_CTX_free(idle->context);
  free(idle->clients);
  free(idle);
}
