// An echo of bytes through OpenSSL on one epoll loop: what TLS itself costs, at least.
#define _GNU_SOURCE
#include <errno.h>
#include <openssl/ssl.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <unistd.h>

#include "CBareLoop.h"
#include "Loop.h"

enum { BUFFER = 512 * 1024, READ_AHEAD = 128 * 1024, EVENTS = 1024 };

struct connection {
  int fd;
  SSL *ssl;
  struct store *out;
};

static uint8_t buffer[BUFFER] __attribute__((aligned(64)));

static void drop(struct connection *c) {
  SSL_free(c->ssl);
  close(c->fd);
  free(c->out);
  free(c);
}

static bool wants(SSL *ssl) {
  int error = SSL_get_error(ssl, 0);
  return error == SSL_ERROR_WANT_READ || error == SSL_ERROR_WANT_WRITE;
}

// Writes what the socket takes and returns its length, or -1.
static ssize_t write_some(SSL *ssl, const uint8_t *bytes, size_t count) {
  size_t at = 0, written;
  while (at < count) {
    if (SSL_write_ex(ssl, bytes + at, count - at, &written) != 1) return wants(ssl) ? (ssize_t)at : -1;
    at += written;
  }
  return (ssize_t)at;
}

// Reads what there is and echoes it. `false`: the connection has ended.
static bool turn(struct connection *c) {
  if (!SSL_is_init_finished(c->ssl) && SSL_do_handshake(c->ssl) != 1) return wants(c->ssl);
  while (true) {
    if (c->out != NULL) {
      ssize_t sent = write_some(c->ssl, c->out->bytes + c->out->begin, c->out->end - c->out->begin);
      if (sent < 0) return false;
      c->out->begin += (size_t)sent;
      if (c->out->begin < c->out->end) return true;
      free(c->out);
      c->out = NULL;
    }
    size_t count = 0, got;
    bool is_drained = false;
    while (count < BUFFER) {
      if (SSL_read_ex(c->ssl, buffer + count, BUFFER - count, &got) != 1) {
        if (!wants(c->ssl)) return false;
        is_drained = true;
        break;
      }
      count += got;
    }
    ssize_t sent = write_some(c->ssl, buffer, count);
    if (sent < 0) return false;
    if ((size_t)sent < count) {
      store_append(&c->out, buffer + sent, count - (size_t)sent);
      return true;
    }
    if (is_drained) return true;
  }
}

int bare_loop_serve_tls(uint16_t port, const char *certificate, const char *key, bool polls) {
  SSL_CTX *context = SSL_CTX_new(TLS_server_method());
  if (context == NULL || SSL_CTX_use_certificate_chain_file(context, certificate) != 1 ||
      SSL_CTX_use_PrivateKey_file(context, key, SSL_FILETYPE_PEM) != 1) {
    return EINVAL;
  }
  SSL_CTX_set_min_proto_version(context, TLS1_3_VERSION);
  SSL_CTX_set_session_cache_mode(context, SSL_SESS_CACHE_OFF);
  SSL_CTX_set_read_ahead(context, 1);
  SSL_CTX_set_default_read_buffer_len(context, READ_AHEAD);
  SSL_CTX_set_mode(context, SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
  int epoll, listener;
  int error = loop_open(port, &epoll, &listener);
  if (error != 0) return error;
  static struct epoll_event events[EVENTS];
  while (true) {
    int count = epoll_wait(epoll, events, EVENTS, polls ? 0 : -1);
    if (count < 0 && errno != EINTR) return errno;
    for (int i = 0; i < count; i++) {
      struct connection *c = events[i].data.ptr;
      if (c != NULL) {
        if (!turn(c)) drop(c);
        continue;
      }
      for (int fd; (fd = loop_accept(listener)) >= 0;) {
        c = calloc(1, sizeof *c);
        if (c == NULL || (c->ssl = SSL_new(context)) == NULL || SSL_set_fd(c->ssl, fd) != 1) abort();
        c->fd = fd;
        SSL_set_accept_state(c->ssl);
        if (!loop_watch(epoll, fd, c)) abort();
      }
    }
  }
}
