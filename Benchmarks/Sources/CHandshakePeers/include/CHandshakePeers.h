// What a handshake of PSC/1 is measured against: the operations that it consists of by themselves, and mutual TLS 1.3.
#pragma once

#include <stddef.h>
#include <stdint.h>

// CPU time of this thread in nanoseconds.
double cpu_nanoseconds(void);

// What one side of a handshake hashes and encrypts: lengths in bytes, and a zero after the last.
struct symmetric_work {
  const size_t *hashes, *macs, *seals;
};

// What one side of a handshake cannot do without, in nanoseconds: operations with keys, and hashing and encrypting.
struct primitive_costs {
  double asymmetric, symmetric;
};

struct primitives;
struct primitives *primitives_new(void);
void primitives_free(struct primitives *);

// Does once what an initiator or a responder does. 0, or the line of the source at which something failed.
int primitives_run(struct primitives *, int is_initiator, const struct symmetric_work *, struct primitive_costs *);

// CPU time in nanoseconds that each side of a handshake takes.
struct tls_costs {
  double client, server;
};

// Mutual TLS 1.3 in memory, X25519MLKEM768, Ed25519 certificates whose keys both sides know beforehand, no tickets.
struct tls_pair;
struct tls_pair *tls_pair_new(void);
void tls_pair_free(struct tls_pair *);

// One handshake. 0, or the line of the source at which something failed.
int tls_pair_run(struct tls_pair *, struct tls_costs *);
