#ifndef RAW_GCM_H
#define RAW_GCM_H
#include <stddef.h>
#include <stdint.h>

// OpenSSL's AES-256-GCM as directly as a program can call it: what any record layer over it costs at least.

typedef struct raw_gcm raw_gcm;

raw_gcm *raw_gcm_new(void);
void raw_gcm_free(raw_gcm *gcm);

// Encrypts `size` bytes where they are, with 13 bytes of additional data and the number in the nonce, and writes the tag
// behind them; `count` times over, each buffer of `buffers` in turn.
void raw_gcm_seal(raw_gcm *gcm, uint8_t *bytes, size_t size, size_t stride, size_t buffers, uint64_t count);

// Decrypts the buffers that `raw_gcm_seal` made, once each; the number of those that did not open.
int raw_gcm_open(raw_gcm *gcm, uint8_t *bytes, size_t size, size_t stride, size_t buffers);

// Processor time of this thread, in nanoseconds.
uint64_t raw_gcm_cpu_time(void);

// How often this program has allocated memory.
uint64_t raw_gcm_allocations(void);

#endif
