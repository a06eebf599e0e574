// The load: connections that each send `pipeline` messages at once and await all replies before they send again.
#define _GNU_SOURCE
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>

#include "CBareLoop.h"
#include "Client.h"

enum { BUFFER = 512 * 1024, EVENTS = 512, SCRIPTS = 16, SCRIPT_BYTES = 16 << 20 };
static const double patience = 5;

struct peer {
  struct client client;
  const struct script *script;
  size_t sent, received;
  uint32_t turns;
};

struct bare_load {
  struct bare_load_options options;
  char *error;
  SSL_CTX *context;
  struct peer *peers;
  // The publisher of a broadcast stands after the subscribers.
  int peer_count, open_count;
  struct script scripts[SCRIPTS];
  int script_count;
  // Connections that await their turn, a ring; of a broadcast only the count, of those who have it all.
  int *waiting;
  size_t first, waiting_count, active_count;
  // No turn begins any more.
  bool is_ending;
  uint64_t messages, turns_done;
  int epoll;
  uint8_t *buffer;
};

static bool failed(struct bare_load *load, const char *what) {
  if (load->error[0] == 0) snprintf(load->error, 200, "%s after %llu messages", what, (unsigned long long)load->messages);
  return false;
}

static bool push_out(struct bare_load *load, struct peer *peer) {
  const struct script *script = peer->script;
  while (peer->sent < script->sent_count) {
    ssize_t sent = client_send(&peer->client, script->sent + peer->sent, script->sent_count - peer->sent);
    if (sent < 0) return failed(load, "the server closed a connection");
    if (sent == 0) return true;
    peer->sent += (size_t)sent;
  }
  return true;
}

static bool begin_turn(struct bare_load *load, int index) {
  struct peer *peer = &load->peers[index];
  peer->script = &load->scripts[((uint32_t)index * 7 + peer->turns++) % (uint32_t)load->script_count];
  peer->sent = peer->received = 0;
  return push_out(load, peer);
}

static bool begin_next(struct bare_load *load) {
  int index = load->waiting[load->first];
  load->first = (load->first + 1) % (size_t)load->peer_count;
  load->waiting_count--;
  return begin_turn(load, index);
}

static bool take_echo(struct bare_load *load, struct peer *peer, size_t count) {
  const struct script *script = peer->script;
  if (script == NULL || peer->received + count > script->expected_count) return failed(load, "bytes nobody asked for");
  if (memcmp(script->expected + peer->received, load->buffer, count) != 0) return failed(load, "a wrong reply");
  peer->received += count;
  if (peer->received < script->expected_count) return true;
  if (peer->sent < script->sent_count) return failed(load, "a reply before its message");
  load->messages += (uint64_t)load->options.pipeline;
  load->turns_done++;
  peer->script = NULL;
  load->waiting[(load->first + load->waiting_count++) % (size_t)load->peer_count] = (int)(peer - load->peers);
  return load->is_ending || begin_next(load);
}

static bool publish(struct bare_load *load) {
  load->waiting_count = 0;
  for (int i = 0; i < load->peer_count; i++) load->peers[i].received = 0;
  struct peer *publisher = &load->peers[load->peer_count - 1];
  publisher->script = &load->scripts[load->turns_done % (uint64_t)load->script_count];
  publisher->sent = 0;
  return push_out(load, publisher);
}

// Counts what a subscriber got. When all have all of it, the publisher goes on.
static bool take_broadcast(struct bare_load *load, struct peer *peer, size_t count) {
  const struct script *script = &load->scripts[load->turns_done % (uint64_t)load->script_count];
  size_t size = script->expected_count / (size_t)load->options.pipeline;
  if (peer->received + count > script->expected_count) return failed(load, "bytes nobody published");
  if (memcmp(script->expected + peer->received, load->buffer, count) != 0) return failed(load, "a wrong delivery");
  load->messages += (peer->received + count) / size - peer->received / size;
  peer->received += count;
  if (peer->received < script->expected_count || ++load->waiting_count < (size_t)load->peer_count) return true;
  load->turns_done++;
  return load->is_ending || publish(load);
}

static bool read_all(struct bare_load *load, struct peer *peer) {
  while (true) {
    ssize_t got = client_receive(&peer->client, load->buffer, BUFFER);
    if (got < 0) return failed(load, "the server closed a connection");
    if (got == 0) return true;
    bool goes_on = load->options.is_broadcast ? take_broadcast(load, peer, (size_t)got)
                                               : take_echo(load, peer, (size_t)got);
    if (!goes_on) return false;
    // What has come since raises a new event.
    if (got < BUFFER) return true;
  }
}

// Serves events until a time has passed and every reply to what was sent has come.
static bool run_for(struct bare_load *load, double seconds) {
  struct epoll_event events[EVENTS];
  double end = now_seconds() + seconds, heard = now_seconds();
  uint64_t messages = load->messages;
  while (load->waiting_count < (size_t)load->peer_count) {
    int count = epoll_wait(load->epoll, events, EVENTS, 0);
    if (count < 0 && errno != EINTR) return failed(load, "epoll_wait failed");
    for (int i = 0; i < count; i++) {
      struct peer *peer = events[i].data.ptr;
      if ((events[i].events & EPOLLOUT) != 0 && peer->script != NULL && !push_out(load, peer)) return false;
      if ((events[i].events & ~(uint32_t)EPOLLOUT) != 0 && !read_all(load, peer)) return false;
    }
    double now = now_seconds();
    load->is_ending = now >= end;
    if (load->messages != messages) {
      messages = load->messages;
      heard = now;
    } else if (now - heard > patience) {
      return failed(load, "the server answers no more");
    }
  }
  return true;
}

static bool open_all(struct bare_load *load) {
  const struct bare_load_options *options = &load->options;
  size_t turn_bytes = options->byte_count * (size_t)options->pipeline;
  size_t count = SCRIPT_BYTES / turn_bytes;
  load->script_count = count < 2 ? 2 : count > SCRIPTS ? SCRIPTS : (int)count;
  for (int i = 0; i < load->script_count; i++) {
    load->scripts[i] = script_make(options, options->pipeline, options->is_broadcast ? 'P' : 'e', (uint64_t)i + 1);
  }
  for (; load->open_count < load->peer_count; load->open_count++) {
    struct peer *peer = &load->peers[load->open_count];
    struct epoll_event event = {.events = EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET, .data.ptr = peer};
    if (!client_open(&peer->client, options, load->context, load->error)) return false;
    if (epoll_ctl(load->epoll, EPOLL_CTL_ADD, peer->client.fd, &event) < 0) return failed(load, "epoll_ctl failed");
  }
  for (int i = 0; i < load->peer_count; i++) load->waiting[i] = i;
  load->waiting_count = (size_t)load->peer_count;
  load->active_count = options->in_flight_limit / turn_bytes;
  if (load->active_count < 1) load->active_count = 1;
  if (load->active_count > (size_t)load->peer_count || options->is_broadcast) {
    load->active_count = (size_t)load->peer_count;
  }
  return true;
}

struct bare_load *bare_load_open(const struct bare_load_options *options, char error[200]) {
  struct bare_load *load = calloc(1, sizeof *load);
  if (load == NULL) abort();
  error[0] = 0;
  load->options = *options;
  load->error = error;
  load->peer_count = options->connection_count + (options->is_broadcast ? 1 : 0);
  load->peers = calloc((size_t)load->peer_count, sizeof *load->peers);
  load->waiting = calloc((size_t)load->peer_count, sizeof *load->waiting);
  load->buffer = malloc(BUFFER);
  load->epoll = epoll_create1(EPOLL_CLOEXEC);
  load->context = client_context(options);
  if (load->peers == NULL || load->waiting == NULL || load->buffer == NULL || load->epoll < 0) abort();
  if (open_all(load)) return load;
  bare_load_close(load);
  return NULL;
}

int bare_load_active_count(const struct bare_load *load) { return (int)load->active_count; }

void bare_load_cipher(const struct bare_load *load, char text[96]) {
  SSL *ssl = load->peers[0].client.ssl;
  text[0] = 0;
  if (ssl != NULL) snprintf(text, 96, "%s %s", SSL_get_version(ssl), SSL_get_cipher(ssl));
}

bool bare_load_run(struct bare_load *load, double seconds, struct bare_load_result *result, char error[200]) {
  error[0] = 0;
  load->error = error;
  load->is_ending = false;
  uint64_t messages = load->messages;
  pid_t server = load->options.server;
  double server_cpu = server > 0 ? bare_process_cpu_seconds(server) : 0, own_cpu = own_cpu_seconds();
  double start = now_seconds();
  bool is_well = true;
  if (load->options.is_broadcast) {
    is_well = publish(load);
  } else {
    for (size_t i = 0; i < load->active_count && is_well; i++) is_well = begin_next(load);
  }
  is_well = is_well && run_for(load, seconds);
  result->seconds = now_seconds() - start;
  result->client_cpu_seconds = own_cpu_seconds() - own_cpu;
  result->server_cpu_seconds = server > 0 ? bare_process_cpu_seconds(server) - server_cpu : 0;
  result->message_count = load->messages - messages;
  return is_well;
}

void bare_load_close(struct bare_load *load) {
  for (int i = 0; i < load->peer_count && i <= load->open_count; i++) client_close(&load->peers[i].client);
  for (int i = 0; i < load->script_count; i++) script_free(&load->scripts[i]);
  if (load->context != NULL) SSL_CTX_free(load->context);
  close(load->epoll);
  free(load->peers);
  free(load->waiting);
  free(load->buffer);
  free(load);
}
