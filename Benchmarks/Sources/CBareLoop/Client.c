#define _GNU_SOURCE
#include "Client.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "Wire.h"

double now_seconds(void) {
  struct timespec time;
  clock_gettime(CLOCK_MONOTONIC, &time);
  return (double)time.tv_sec + (double)time.tv_nsec * 1e-9;
}

double own_cpu_seconds(void) {
  struct timespec time;
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time);
  return (double)time.tv_sec + (double)time.tv_nsec * 1e-9;
}

SSL_CTX *client_context(const struct bare_load_options *options) {
  if (!options->uses_tls) return NULL;
  SSL_CTX *context = SSL_CTX_new(TLS_client_method());
  if (context == NULL) abort();
  SSL_CTX_set_min_proto_version(context, TLS1_3_VERSION);
  SSL_CTX_set_session_cache_mode(context, SSL_SESS_CACHE_OFF);
  SSL_CTX_set_read_ahead(context, 1);
  SSL_CTX_set_default_read_buffer_len(context, 128 * 1024);
  SSL_CTX_set_mode(context, SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
  return context;
}

static bool write_all(struct client *c, const char *bytes, size_t count) {
  while (count > 0) {
    ssize_t sent = client_send(c, (const uint8_t *)bytes, count);
    if (sent <= 0) return false;
    bytes += sent;
    count -= (size_t)sent;
  }
  return true;
}

// Sends the request and checks the answer: its status, and what the server made of the key.
static bool upgrade(struct client *c, const struct bare_load_options *options, char error[200]) {
  static const char key[] = "dGhlIHNhbXBsZSBub25jZQ==";
  char request[400], reply[4096];
  int size = snprintf(request, sizeof request,
                      "GET / HTTP/1.1\r\nHost: %s:%d\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
                      "Sec-WebSocket-Key: %s\r\nSec-WebSocket-Version: 13\r\n\r\n",
                      options->host, options->port, key);
  if (!write_all(c, request, (size_t)size)) return snprintf(error, 200, "the upgrade request was not taken"), false;
  size_t count = 0;
  while (true) {
    ssize_t got = client_receive(c, (uint8_t *)reply + count, 1);
    if (got <= 0 || ++count == sizeof reply - 1) {
      snprintf(error, 200, "no answer to the upgrade request, %zu bytes of one", count);
      return false;
    }
    reply[count] = 0;
    if (count >= 4 && memcmp(reply + count - 4, "\r\n\r\n", 4) == 0) break;
  }
  char accept[32];
  accept_value(key, sizeof key - 1, accept);
  if (strncmp(reply, "HTTP/1.1 101 ", 13) == 0 && strstr(reply, accept) != NULL) return true;
  reply[strcspn(reply, "\r")] = 0;
  snprintf(error, 200, "the upgrade was answered with: %.100s", reply);
  return false;
}

bool client_open(struct client *client, const struct bare_load_options *options, SSL_CTX *context, char error[200]) {
  client->ssl = NULL;
  client->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(options->port)};
  int on = 1;
  struct timeval patience = {.tv_sec = 5};
  struct linger linger = {1, 0};
  if (client->fd < 0 || inet_pton(AF_INET, options->host, &address.sin_addr) != 1 ||
      connect(client->fd, (struct sockaddr *)&address, sizeof address) < 0) {
    snprintf(error, 200, "cannot connect to %s:%d: %s", options->host, options->port, strerror(errno));
    return false;
  }
  setsockopt(client->fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
  setsockopt(client->fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
  setsockopt(client->fd, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof patience);
  setsockopt(client->fd, SOL_SOCKET, SO_LINGER, &linger, sizeof linger);
  if (context != NULL) {
    client->ssl = SSL_new(context);
    if (client->ssl == NULL || SSL_set_fd(client->ssl, client->fd) != 1) abort();
    SSL_set_tlsext_host_name(client->ssl, "localhost");
    if (SSL_connect(client->ssl) != 1) return snprintf(error, 200, "the TLS handshake failed"), false;
  }
  if (!options->is_raw && !upgrade(client, options, error)) return false;
  fcntl(client->fd, F_SETFL, fcntl(client->fd, F_GETFL) | O_NONBLOCK);
  return true;
}

void client_close(struct client *client) {
  if (client->ssl != NULL) SSL_free(client->ssl);
  if (client->fd >= 0) close(client->fd);
}

static ssize_t tls_result(SSL *ssl, int ok, size_t count) {
  if (ok == 1) return (ssize_t)count;
  int error = SSL_get_error(ssl, ok);
  return error == SSL_ERROR_WANT_READ || error == SSL_ERROR_WANT_WRITE ? 0 : -1;
}

ssize_t client_send(struct client *client, const uint8_t *bytes, size_t count) {
  if (client->ssl == NULL) {
    ssize_t sent = send(client->fd, bytes, count, MSG_NOSIGNAL);
    return sent < 0 && errno == EAGAIN ? 0 : sent;
  }
  size_t sent = 0, total = 0;
  int ok = 1;
  while (total < count && (ok = SSL_write_ex(client->ssl, bytes + total, count - total, &sent)) == 1) total += sent;
  return total > 0 ? (ssize_t)total : tls_result(client->ssl, ok, total);
}

ssize_t client_receive(struct client *client, uint8_t *bytes, size_t count) {
  if (client->ssl == NULL) {
    ssize_t got = recv(client->fd, bytes, count, 0);
    return got < 0 && errno == EAGAIN ? 0 : got == 0 ? -1 : got;
  }
  size_t got = 0, total = 0;
  int ok = 1;
  while (total < count && (ok = SSL_read_ex(client->ssl, bytes + total, count - total, &got)) == 1) total += got;
  return total > 0 ? (ssize_t)total : tls_result(client->ssl, ok, total);
}

static uint64_t next_random(uint64_t *state) {
  uint64_t z = (*state += 0x9E3779B97F4A7C15);
  z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9;
  z = (z ^ (z >> 27)) * 0x94D049BB133111EB;
  return z ^ (z >> 31);
}

struct script script_make(const struct bare_load_options *options, int message_count, uint8_t first, uint64_t seed) {
  size_t n = options->byte_count;
  struct script script = {0};
  script.sent = malloc((size_t)message_count * (n + 14));
  script.expected = malloc((size_t)message_count * (n + 14));
  uint8_t *payload = malloc(n + 8);
  if (script.sent == NULL || script.expected == NULL || payload == NULL) abort();
  uint8_t opcode = 0x80 | (options->is_text ? OPCODE_TEXT : OPCODE_BINARY);
  for (int m = 0; m < message_count; m++) {
    for (size_t i = 0; i < n; i += 8) {
      uint64_t word = next_random(&seed);
      if (options->is_text) word = (word & 0x0F0F0F0F0F0F0F0F) | 0x6060606060606060;
      memcpy(payload + i, &word, 8);
    }
    payload[0] = first;
    uint32_t key = (uint32_t)next_random(&seed);
    uint8_t *to = script.sent + script.sent_count;
    size_t header = put_header(to, opcode, n);
    to[1] |= 0x80;
    memcpy(to + header, &key, 4);
    unmask_to(to + header + 4, payload, n, to + header, 0);
    script.sent_count += header + 4 + n;
    if (options->is_raw) continue;
    to = script.expected + script.expected_count;
    header = put_header(to, opcode, n);
    memcpy(to + header, payload, n);
    script.expected_count += header + n;
  }
  if (options->is_raw) {
    script.expected_count = script.sent_count;
    memcpy(script.expected, script.sent, script.sent_count);
  }
  free(payload);
  return script;
}

void script_free(struct script *script) {
  free(script->sent);
  free(script->expected);
}
