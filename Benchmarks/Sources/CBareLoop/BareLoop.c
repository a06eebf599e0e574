// A WebSocket echo that does what no server can leave out, and nothing else.
//
// One receive buffer for all connections. The frames of a read are unmasked where they lie, moved up to each other in
// the same pass, and answered with one system call. A connection keeps bytes only between the parts of a frame; a large
// message is received straight into that store and sent from it. Sockets are watched edge by edge, so that a turn costs
// one wait, one receive and one send.
#define _GNU_SOURCE
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

#include "CBareLoop.h"
#include "Loop.h"
#include "Wire.h"

// The buffer takes two messages of 256 KiB with their headers.
enum { BUFFER = 516 * 1024, ROOM = 16, LARGE = 4096, MESSAGE_LIMIT = 16 << 20, EVENTS = 1024 };

// A frame of which the first part has come: `bytes[ROOM - header..<ROOM]` is the header of the reply.
struct part {
  size_t length, got, header;
  uint8_t key[4];
  uint8_t bytes[];
};

struct connection {
  int fd;
  uint32_t place;
  bool is_open, is_closing;
  // The beginning of a frame, or of the request.
  struct store *in;
  struct part *large;
  // What the socket did not take. Nothing is read meanwhile.
  struct store *out;
};

static uint8_t buffer[BUFFER] __attribute__((aligned(64)));
static struct connection **connections;
static size_t connection_count, connection_capacity;
static struct store *broadcast;
static bool broadcasts;

static void drop(struct connection *c) {
  connections[c->place] = connections[--connection_count];
  connections[c->place]->place = c->place;
  close(c->fd);
  free(c->in);
  free(c->large);
  free(c->out);
  free(c);
}

// Sends, and keeps what the socket does not take. `false`: the connection has failed.
static bool send_all(struct connection *c, struct iovec *parts, int count) {
  struct msghdr message = {.msg_iov = parts, .msg_iovlen = (size_t)count};
  ssize_t sent = count == 1 ? send(c->fd, parts[0].iov_base, parts[0].iov_len, MSG_NOSIGNAL)
                            : sendmsg(c->fd, &message, MSG_NOSIGNAL);
  if (sent < 0 && errno != EAGAIN) return false;
  size_t skip = sent < 0 ? 0 : (size_t)sent;
  for (int i = 0; i < count; i++) {
    size_t taken = skip < parts[i].iov_len ? skip : parts[i].iov_len;
    skip -= taken;
    if (parts[i].iov_len > taken) {
      store_append(&c->out, (uint8_t *)parts[i].iov_base + taken, parts[i].iov_len - taken);
    }
  }
  return true;
}

static bool flush_out(struct connection *c) {
  struct store *out = c->out;
  ssize_t sent = send(c->fd, out->bytes + out->begin, out->end - out->begin, MSG_NOSIGNAL);
  if (sent < 0) return errno == EAGAIN;
  out->begin += (size_t)sent;
  if (out->begin == out->end) {
    free(out);
    c->out = NULL;
  }
  return true;
}

// Answers the request at the start of `bytes`. Returns its length, 0 if it is not whole, or -1.
static ssize_t upgrade(struct connection *c, const uint8_t *bytes, size_t count) {
  const uint8_t *end = memmem(bytes, count, "\r\n\r\n", 4);
  if (end == NULL) return count > 4096 ? -1 : 0;
  static const char name[] = "sec-websocket-key:";
  size_t head = (size_t)(end - bytes) + 4;
  for (const uint8_t *at = bytes; at < end; at++) {
    if (*at != '\n' || strncasecmp((const char *)at + 1, name, sizeof name - 1) != 0) continue;
    at += sizeof name;
    while (*at == ' ') at++;
    size_t length = (size_t)((const uint8_t *)memchr(at, '\r', (size_t)(end - at) + 1) - at);
    char value[32], reply[160];
    accept_value((const char *)at, length, value);
    int size = snprintf(reply, sizeof reply,
                        "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
                        "Sec-WebSocket-Accept: %s\r\n\r\n",
                        value);
    struct iovec part = {reply, (size_t)size};
    c->is_open = true;
    return send_all(c, &part, 1) ? (ssize_t)head : -1;
  }
  return -1;
}

// Takes the first part of a frame into a store of its own.
static void begin_large(struct connection *c, const uint8_t *header, size_t header_length, size_t length,
                        size_t available) {
  struct part *part = malloc(sizeof *part + ROOM + length);
  if (part == NULL) abort();
  part->length = length;
  part->got = available;
  part->header = header_size(length);
  memcpy(part->key, header + header_length - 4, 4);
  put_header(part->bytes + ROOM - part->header, header[0], length);
  unmask_to(part->bytes + ROOM, header + header_length, available, part->key, 0);
  c->large = part;
}

// Turns the frames in `buffer[at..<count]` into replies at its start. Returns their length, or -1.
static ssize_t answer(struct connection *c, size_t at, size_t count) {
  size_t out = 0;
  while (count - at >= 6) {
    uint8_t *frame = buffer + at;
    size_t length = frame[1] & 0x7F, header = 6;
    if ((frame[0] & 0x70) != 0 || (frame[1] & 0x80) == 0) return -1;
    if (length == 126) {
      header = 8;
      length = (size_t)frame[2] << 8 | frame[3];
    } else if (length == 127) {
      header = 14;
      if (count - at < header) break;
      length = 0;
      for (int i = 2; i < 10; i++) length = length << 8 | frame[i];
      if (length > MESSAGE_LIMIT) return -1;
    }
    size_t available = count - at;
    if (available < header) break;
    if (available - header < length) {
      if (length < LARGE) break;
      begin_large(c, frame, header, length, available - header);
      return (ssize_t)out;
    }
    uint8_t key[4];
    memcpy(key, frame + header - 4, 4);
    uint8_t first = frame[0];
    at += header + length;
    if ((first & 0x08) != 0) {
      if ((first & 0x0F) == OPCODE_PONG) continue;
      if ((first & 0x0F) == OPCODE_PING) first = 0x80 | OPCODE_PONG;
      if ((first & 0x0F) == OPCODE_CLOSE) c->is_closing = true;
    } else if (broadcasts && length > 0 && (frame[header] ^ key[0]) == 'P') {
      uint8_t head[10];
      size_t size = put_header(head, first, length);
      unmask_to(frame + header, frame + header, length, key, 0);
      store_append(&broadcast, head, size);
      store_append(&broadcast, frame + header, length);
      continue;
    }
    out += put_header(buffer + out, first, length);
    unmask_to(buffer + out, frame + header, length, key, 0);
    out += length;
    if (c->is_closing) return (ssize_t)out;
  }
  if (at < count) store_append(&c->in, buffer + at, count - at);
  return (ssize_t)out;
}

// Receives once and answers. Returns whether there may be more, or -1 when the connection has ended.
static int turn(struct connection *c) {
  struct part *large = c->large;
  size_t kept = 0, wanted, received;
  ssize_t count;
  if (large != NULL) {
    struct iovec parts[2] = {{large->bytes + ROOM + large->got, large->length - large->got}, {buffer, BUFFER}};
    wanted = parts[0].iov_len + BUFFER;
    count = readv(c->fd, parts, 2);
  } else {
    if (c->in != NULL) {
      kept = c->in->end - c->in->begin;
      memcpy(buffer, c->in->bytes + c->in->begin, kept);
    }
    wanted = BUFFER - kept;
    count = recv(c->fd, buffer + kept, wanted, 0);
  }
  if (count < 0) return errno == EAGAIN ? 0 : -1;
  if (count == 0) return -1;
  received = (size_t)count;
  bool has_more = received == wanted;

  struct iovec parts[2];
  int part_count = 0;
  if (large != NULL) {
    size_t rest = large->length - large->got, now = received < rest ? received : rest;
    uint8_t *piece = large->bytes + ROOM + large->got;
    unmask_to(piece, piece, now, large->key, large->got);
    large->got += now;
    if (large->got < large->length) return has_more;
    c->large = NULL;
    parts[part_count++] = (struct iovec){large->bytes + ROOM - large->header, large->header + large->length};
    received -= now;
  } else if (c->in != NULL) {
    free(c->in);
    c->in = NULL;
  }

  size_t at = 0, end = kept + received;
  if (!c->is_open) {
    ssize_t head = upgrade(c, buffer, end);
    if (head < 0) return -1;
    if (head == 0) store_append(&c->in, buffer, end);
    at = head == 0 ? end : (size_t)head;
  }
  ssize_t out = answer(c, at, end);
  if (out > 0) parts[part_count++] = (struct iovec){buffer, (size_t)out};
  bool is_well = out >= 0 && (part_count == 0 || send_all(c, parts, part_count));
  if (large != NULL) free(large);
  if (!is_well || (c->is_closing && c->out == NULL)) return -1;
  return has_more;
}

static void serve(struct connection *c, uint32_t events) {
  if (c->out != NULL && ((events & EPOLLOUT) == 0 || !flush_out(c) || c->out != NULL)) {
    if ((events & (EPOLLERR | EPOLLHUP)) != 0) drop(c);
    return;
  }
  int more = 1;
  while (more == 1 && c->out == NULL) more = turn(c);
  if (more < 0) drop(c);
}

static void accept_all(int epoll, int listener) {
  for (int fd; (fd = loop_accept(listener)) >= 0;) {
    struct connection *c = calloc(1, sizeof *c);
    if (c == NULL || !loop_watch(epoll, fd, c)) abort();
    c->fd = fd;
    c->place = (uint32_t)connection_count;
    if (connection_count == connection_capacity) {
      connection_capacity = connection_capacity ? 2 * connection_capacity : 1024;
      connections = realloc(connections, connection_capacity * sizeof *connections);
      if (connections == NULL) abort();
    }
    connections[connection_count++] = c;
  }
}

static void send_broadcast(void) {
  struct iovec part = {broadcast->bytes, broadcast->end};
  for (size_t i = connection_count; i-- > 0;) {
    struct connection *c = connections[i];
    if (!c->is_open) continue;
    if (c->out != NULL) {
      store_append(&c->out, part.iov_base, part.iov_len);
    } else if (!send_all(c, &part, 1)) {
      drop(c);
    }
  }
  broadcast->begin = broadcast->end = 0;
}

int bare_loop_serve(uint16_t port, bool with_broadcasts, bool polls) {
  int epoll, listener;
  int error = loop_open(port, &epoll, &listener);
  if (error != 0) return error;
  broadcasts = with_broadcasts;
  static struct epoll_event events[EVENTS];
  while (true) {
    int count = epoll_wait(epoll, events, EVENTS, polls ? 0 : -1);
    if (count < 0 && errno != EINTR) return errno;
    for (int i = 0; i < count; i++) {
      if (events[i].data.ptr == NULL) {
        accept_all(epoll, listener);
      } else {
        serve(events[i].data.ptr, events[i].events);
      }
    }
    if (broadcast != NULL && broadcast->end > 0) send_broadcast();
  }
}
