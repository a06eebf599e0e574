#include <openssl/core_names.h>
#include <openssl/evp.h>
#include <sodium.h>
#include <stdint.h>

#include "CHandshakePeers.h"
#include "Clock.h"

#define CHECK(condition) \
  do {                   \
    if (!(condition)) return __LINE__; \
  } while (0)

enum { CALLS = 20, KEM_CIPHERTEXT = 1088, KEM_KEY = 1184, SECRET = 32 };

// Keys as the protocol handles them: it sends and receives raw bytes.
struct fixture {
  EVP_PKEY_CTX *x25519, *kem;
  EVP_PKEY *own, *kem_key;
  uint8_t peer[32], kem_public[KEM_KEY], ciphertext[KEM_CIPHERTEXT];
  uint8_t sign_public[32], sign_secret[64], message[400], signature[64];
};

static int x25519_keygen(struct fixture *f) {
  EVP_PKEY *key = NULL;
  uint8_t public[32];
  size_t count = sizeof public;
  CHECK(EVP_PKEY_generate(f->x25519, &key) == 1);
  CHECK(EVP_PKEY_get_raw_public_key(key, public, &count) == 1);
  EVP_PKEY_free(key);
  return 0;
}

static int x25519_derive(struct fixture *f) {
  uint8_t secret[SECRET];
  size_t count = sizeof secret;
  EVP_PKEY *peer = EVP_PKEY_new_raw_public_key(EVP_PKEY_X25519, NULL, f->peer, sizeof f->peer);
  EVP_PKEY_CTX *context = EVP_PKEY_CTX_new(f->own, NULL);
  CHECK(peer != NULL && context != NULL && EVP_PKEY_derive_init(context) == 1);
  CHECK(EVP_PKEY_derive_set_peer(context, peer) == 1 && EVP_PKEY_derive(context, secret, &count) == 1);
  EVP_PKEY_CTX_free(context);
  EVP_PKEY_free(peer);
  return 0;
}

static int kem_keygen(struct fixture *f) {
  EVP_PKEY *key = NULL;
  uint8_t public[KEM_KEY];
  size_t count = 0;
  CHECK(EVP_PKEY_generate(f->kem, &key) == 1);
  CHECK(EVP_PKEY_get_octet_string_param(key, OSSL_PKEY_PARAM_PUB_KEY, public, sizeof public, &count) == 1);
  EVP_PKEY_free(key);
  return 0;
}

static int kem_encapsulate(struct fixture *f) {
  uint8_t secret[SECRET];
  size_t secret_count = sizeof secret, count = sizeof f->ciphertext;
  EVP_PKEY *key = EVP_PKEY_new_raw_public_key_ex(NULL, "ML-KEM-768", NULL, f->kem_public, sizeof f->kem_public);
  EVP_PKEY_CTX *context = EVP_PKEY_CTX_new(key, NULL);
  CHECK(key != NULL && context != NULL && EVP_PKEY_encapsulate_init(context, NULL) == 1);
  CHECK(EVP_PKEY_encapsulate(context, f->ciphertext, &count, secret, &secret_count) == 1);
  EVP_PKEY_CTX_free(context);
  EVP_PKEY_free(key);
  return 0;
}

static int kem_decapsulate(struct fixture *f) {
  uint8_t secret[SECRET];
  size_t count = sizeof secret;
  EVP_PKEY_CTX *context = EVP_PKEY_CTX_new(f->kem_key, NULL);
  CHECK(context != NULL && EVP_PKEY_decapsulate_init(context, NULL) == 1);
  CHECK(EVP_PKEY_decapsulate(context, secret, &count, f->ciphertext, sizeof f->ciphertext) == 1);
  EVP_PKEY_CTX_free(context);
  return 0;
}

static int sign(struct fixture *f) {
  CHECK(crypto_sign_detached(f->signature, NULL, f->message, sizeof f->message, f->sign_secret) == 0);
  return 0;
}

static int verify(struct fixture *f) {
  CHECK(crypto_sign_verify_detached(f->signature, f->message, sizeof f->message, f->sign_public) == 0);
  return 0;
}

static int cost(int (*operation)(struct fixture *), struct fixture *f, int rounds, double *result) {
  double samples[MAXIMUM_ROUNDS];
  for (int round = 0; round < rounds; round++) {
    double start = cpu_nanoseconds();
    for (int call = 0; call < CALLS; call++) {
      int line = operation(f);
      if (line != 0) return line;
    }
    samples[round] = (cpu_nanoseconds() - start) / CALLS;
  }
  *result = median(samples, rounds);
  return 0;
}

int measure_primitives(int rounds, struct primitive_costs *costs) {
  struct fixture f = {0};
  CHECK(rounds > 0 && rounds <= MAXIMUM_ROUNDS && sodium_init() >= 0);
  f.x25519 = EVP_PKEY_CTX_new_from_name(NULL, "X25519", NULL);
  f.kem = EVP_PKEY_CTX_new_from_name(NULL, "ML-KEM-768", NULL);
  CHECK(f.x25519 != NULL && f.kem != NULL);
  CHECK(EVP_PKEY_keygen_init(f.x25519) == 1 && EVP_PKEY_keygen_init(f.kem) == 1);
  EVP_PKEY *peer = NULL;
  size_t count = sizeof f.peer;
  CHECK(EVP_PKEY_generate(f.x25519, &f.own) == 1 && EVP_PKEY_generate(f.x25519, &peer) == 1);
  CHECK(EVP_PKEY_get_raw_public_key(peer, f.peer, &count) == 1);
  EVP_PKEY_free(peer);
  CHECK(EVP_PKEY_generate(f.kem, &f.kem_key) == 1);
  CHECK(EVP_PKEY_get_octet_string_param(f.kem_key, OSSL_PKEY_PARAM_PUB_KEY, f.kem_public, sizeof f.kem_public, &count) ==
        1);
  CHECK(crypto_sign_keypair(f.sign_public, f.sign_secret) == 0);
  const struct {
    int (*operation)(struct fixture *);
    double *result;
  } all[] = {{x25519_keygen, &costs->x25519_keygen},     {x25519_derive, &costs->x25519_derive},
             {kem_keygen, &costs->kem_keygen},           {kem_encapsulate, &costs->kem_encapsulate},
             {kem_decapsulate, &costs->kem_decapsulate}, {sign, &costs->sign},
             {verify, &costs->verify}};
  for (size_t i = 0; i < sizeof all / sizeof *all; i++) {
    int line = cost(all[i].operation, &f, rounds, all[i].result);
    if (line != 0) return line;
  }
  EVP_PKEY_free(f.own);
  EVP_PKEY_free(f.kem_key);
  EVP_PKEY_CTX_free(f.x25519);
  EVP_PKEY_CTX_free(f.kem);
  return 0;
}
