// What a handshake of PSC/1 is measured against: its asymmetric operations by themselves, and mutual TLS 1.3.
#pragma once

#include <stdint.h>

// CPU time in nanoseconds of one call of each, by OpenSSL and (Ed25519) libsodium: the median of rounds.
struct primitive_costs {
  double x25519_keygen, x25519_derive, kem_keygen, kem_encapsulate, kem_decapsulate, sign, verify;
};

// CPU time in nanoseconds that each side of a handshake takes: the median of rounds.
struct tls_costs {
  double client, server;
};

// 0, or the line of the source at which something failed.
int measure_primitives(int rounds, struct primitive_costs *costs);

// Mutual TLS 1.3 in memory, X25519MLKEM768, Ed25519 certificates whose keys both sides know beforehand, no tickets.
int measure_tls(int rounds, struct tls_costs *costs);
