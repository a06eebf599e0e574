// The bytes of RFC 6455 that both the bare loop and the load know. Private to this target.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

enum { OPCODE_TEXT = 1, OPCODE_BINARY = 2, OPCODE_CLOSE = 8, OPCODE_PING = 9, OPCODE_PONG = 10 };

// 64 bytes: as many registers as the machine needs for them.
typedef uint64_t Words __attribute__((vector_size(64), aligned(1)));

// Writes `src` masked with `key` to `dst`, which may be `src` or lie before it. `phase`: bytes of the message before.
static inline void unmask_to(uint8_t *dst, const uint8_t *src, size_t count, const uint8_t key[4], size_t phase) {
  uint32_t half;
  memcpy(&half, key, 4);
  unsigned turn = 8 * (phase & 3);
  // Little-endian: the key's first byte is the lowest.
  if (turn != 0) half = half >> turn | half << (32 - turn);
  uint64_t word = (uint64_t)half << 32 | half;
  Words words = {word, word, word, word, word, word, word, word};
  size_t at = 0;
  for (; at + sizeof words <= count; at += sizeof words) {
    Words block;
    memcpy(&block, src + at, sizeof block);
    block ^= words;
    memcpy(dst + at, &block, sizeof block);
  }
  for (; at + 8 <= count; at += 8) {
    uint64_t x;
    memcpy(&x, src + at, 8);
    x ^= word;
    memcpy(dst + at, &x, 8);
  }
  for (; at < count; at++) dst[at] = src[at] ^ (uint8_t)(half >> 8 * (at & 3));
}

// Writes a header without a mask and returns its length: 2, 4 or 10.
static inline size_t put_header(uint8_t *to, uint8_t first, uint64_t length) {
  to[0] = first;
  if (length < 126) {
    to[1] = (uint8_t)length;
    return 2;
  }
  if (length < 65536) {
    to[1] = 126;
    to[2] = (uint8_t)(length >> 8);
    to[3] = (uint8_t)length;
    return 4;
  }
  to[1] = 127;
  for (int i = 0; i < 8; i++) to[2 + i] = (uint8_t)(length >> (56 - 8 * i));
  return 10;
}

static inline size_t header_size(uint64_t length) { return length < 126 ? 2 : length < 65536 ? 4 : 10; }

// `Sec-WebSocket-Accept` of a key: 28 characters and a null.
void accept_value(const char *key, size_t key_length, char out[32]);
