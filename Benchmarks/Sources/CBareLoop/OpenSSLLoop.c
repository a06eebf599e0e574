// An echo of bytes through OpenSSL on one epoll loop: what TLS itself costs, at least.
//
// OpenSSL's own socket asks the kernel again after each read and sends each record as a segment of its own. The one here
// takes a short read as the last, and lets the records of a write leave together.
#define _GNU_SOURCE
#include <errno.h>
#include <openssl/ssl.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "CBareLoop.h"
#include "Loop.h"

enum { BUFFER = 512 * 1024, READ_AHEAD = 128 * 1024, EVENTS = 1024 };

struct connection {
  int fd;
  // Nothing is left in the socket; another record follows the one that is written.
  bool is_drained, more_follows;
  SSL *ssl;
  struct store *out;
};

static uint8_t buffer[BUFFER] __attribute__((aligned(64)));

static int socket_read(BIO *bio, char *bytes, int count) {
  struct connection *c = BIO_get_data(bio);
  BIO_clear_retry_flags(bio);
  ssize_t got = -1;
  if (!c->is_drained) {
    got = recv(c->fd, bytes, (size_t)count, 0);
    c->is_drained = got < count;
    if (got >= 0 || errno != EAGAIN) return (int)got;
  }
  BIO_set_retry_read(bio);
  return -1;
}

static int socket_write(BIO *bio, const char *bytes, int count) {
  struct connection *c = BIO_get_data(bio);
  BIO_clear_retry_flags(bio);
  ssize_t sent = send(c->fd, bytes, (size_t)count, MSG_NOSIGNAL | (c->more_follows ? MSG_MORE : 0));
  if (sent < 0 && errno == EAGAIN) BIO_set_retry_write(bio);
  return (int)sent;
}

static long socket_control(BIO *bio, int command, long number, void *pointer) {
  (void)bio, (void)number, (void)pointer;
  return command == BIO_CTRL_FLUSH;
}

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
static ssize_t write_some(struct connection *c, const uint8_t *bytes, size_t count) {
  size_t at = 0, written;
  while (at < count) {
    c->more_follows = count - at > SSL3_RT_MAX_PLAIN_LENGTH;
    if (SSL_write_ex(c->ssl, bytes + at, count - at, &written) != 1) return wants(c->ssl) ? (ssize_t)at : -1;
    at += written;
  }
  return (ssize_t)at;
}

// Reads what there is and echoes it. `false`: the connection has ended.
static bool turn(struct connection *c) {
  c->is_drained = c->more_follows = false;
  if (!SSL_is_init_finished(c->ssl) && SSL_do_handshake(c->ssl) != 1) return wants(c->ssl);
  while (true) {
    if (c->out != NULL) {
      ssize_t sent = write_some(c, c->out->bytes + c->out->begin, c->out->end - c->out->begin);
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
    ssize_t sent = write_some(c, buffer, count);
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
  BIO_METHOD *method = BIO_meth_new(BIO_get_new_index() | BIO_TYPE_SOURCE_SINK, "socket");
  if (method == NULL) return ENOMEM;
  BIO_meth_set_read(method, socket_read);
  BIO_meth_set_write(method, socket_write);
  BIO_meth_set_ctrl(method, socket_control);
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
        BIO *bio = BIO_new(method);
        if (c == NULL || bio == NULL || (c->ssl = SSL_new(context)) == NULL) abort();
        c->fd = fd;
        BIO_set_data(bio, c);
        BIO_set_init(bio, 1);
        SSL_set_bio(c->ssl, bio, bio);
        SSL_set_accept_state(c->ssl);
        if (!loop_watch(epoll, fd, c)) abort();
      }
    }
  }
}
