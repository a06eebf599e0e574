#include <openssl/core_names.h>
#include <openssl/evp.h>
#include <openssl/rand.h>
#include <sodium.h>
#include <stdlib.h>

#include "CHandshakePeers.h"

#define CHECK(condition) \
  do {                   \
    if (!(condition)) return __LINE__; \
  } while (0)

enum { KEM_CIPHERTEXT = 1088, KEM_KEY = 1184, SECRET = 32, SCRATCH = 16384 };

// Each operation is done by whichever of the two libraries does it faster, with contexts that are made once: what a
// program could do that did nothing else.
struct primitives {
  EVP_PKEY_CTX *kem;
  EVP_PKEY *kem_key;
  EVP_MD_CTX *hash;
  EVP_MAC_CTX *mac;
  EVP_CIPHER_CTX *cipher;
  uint8_t own[32], peer[32], kem_public[KEM_KEY], ciphertext[KEM_CIPHERTEXT];
  uint8_t sign_public[32], sign_secret[64], message[400], signature[64], scratch[SCRATCH];
};

static int x25519_keygen(void) {
  uint8_t secret[SECRET], public[32];
  CHECK(RAND_bytes(secret, sizeof secret) == 1);
  CHECK(crypto_scalarmult_base(public, secret) == 0);
  return 0;
}

static int x25519_derive(struct primitives *p) {
  uint8_t secret[SECRET];
  CHECK(crypto_scalarmult(secret, p->own, p->peer) == 0);
  return 0;
}

static int kem_keygen(struct primitives *p, EVP_PKEY **key) {
  uint8_t public[KEM_KEY];
  size_t count = 0;
  CHECK(EVP_PKEY_generate(p->kem, key) == 1);
  CHECK(EVP_PKEY_get_octet_string_param(*key, OSSL_PKEY_PARAM_PUB_KEY, public, sizeof public, &count) == 1);
  return 0;
}

static int kem_encapsulate(struct primitives *p) {
  uint8_t secret[SECRET];
  size_t secret_count = sizeof secret, count = sizeof p->ciphertext;
  EVP_PKEY *key = EVP_PKEY_new_raw_public_key_ex(NULL, "ML-KEM-768", NULL, p->kem_public, sizeof p->kem_public);
  EVP_PKEY_CTX *context = EVP_PKEY_CTX_new(key, NULL);
  CHECK(key != NULL && context != NULL && EVP_PKEY_encapsulate_init(context, NULL) == 1);
  CHECK(EVP_PKEY_encapsulate(context, p->ciphertext, &count, secret, &secret_count) == 1);
  EVP_PKEY_CTX_free(context);
  EVP_PKEY_free(key);
  return 0;
}

static int kem_decapsulate(struct primitives *p, EVP_PKEY *key) {
  uint8_t secret[SECRET];
  size_t count = sizeof secret;
  EVP_PKEY_CTX *context = EVP_PKEY_CTX_new(key, NULL);
  CHECK(context != NULL && EVP_PKEY_decapsulate_init(context, NULL) == 1);
  CHECK(EVP_PKEY_decapsulate(context, secret, &count, p->ciphertext, sizeof p->ciphertext) == 1);
  EVP_PKEY_CTX_free(context);
  return 0;
}

static int asymmetric(struct primitives *p, int is_initiator) {
  CHECK(x25519_keygen() == 0);
  for (int i = 0; i < 3; i++) CHECK(x25519_derive(p) == 0);
  if (is_initiator) {
    EVP_PKEY *key = NULL;
    CHECK(kem_keygen(p, &key) == 0 && kem_decapsulate(p, key) == 0);
    EVP_PKEY_free(key);
  } else {
    CHECK(kem_encapsulate(p) == 0);
  }
  CHECK(crypto_sign_verify_detached(p->signature, p->message, sizeof p->message, p->sign_public) == 0);
  CHECK(crypto_sign_detached(p->signature, NULL, p->message, sizeof p->message, p->sign_secret) == 0);
  return 0;
}

static int symmetric(struct primitives *p, const struct symmetric_work *work) {
  unsigned int length;
  int written;
  size_t count;
  for (const size_t *bytes = work->hashes; *bytes != 0; bytes++) {
    CHECK(*bytes <= SCRATCH && EVP_DigestInit_ex2(p->hash, NULL, NULL) == 1);
    CHECK(EVP_DigestUpdate(p->hash, p->scratch, *bytes) == 1 && EVP_DigestFinal_ex(p->hash, p->own, &length) == 1);
  }
  for (const size_t *bytes = work->macs; *bytes != 0; bytes++) {
    CHECK(*bytes <= SCRATCH && EVP_MAC_init(p->mac, p->own, sizeof p->own, NULL) == 1);
    CHECK(EVP_MAC_update(p->mac, p->scratch, *bytes) == 1);
    CHECK(EVP_MAC_final(p->mac, p->own, &count, sizeof p->own) == 1);
  }
  for (const size_t *bytes = work->seals; *bytes != 0; bytes++) {
    CHECK(*bytes <= SCRATCH && EVP_CipherInit_ex2(p->cipher, NULL, p->own, p->peer, 1, NULL) == 1);
    CHECK(EVP_CipherUpdate(p->cipher, NULL, &written, p->own, sizeof p->own) == 1);
    CHECK(EVP_CipherUpdate(p->cipher, p->scratch, &written, p->scratch, (int)*bytes) == 1);
    CHECK(EVP_CipherFinal_ex(p->cipher, p->scratch, &written) == 1);
    CHECK(EVP_CIPHER_CTX_ctrl(p->cipher, EVP_CTRL_AEAD_GET_TAG, 16, p->scratch) == 1);
  }
  return 0;
}

int primitives_run(
    struct primitives *p, int is_initiator, const struct symmetric_work *work, struct primitive_costs *costs) {
  double start = cpu_nanoseconds();
  int line = asymmetric(p, is_initiator);
  double middle = cpu_nanoseconds();
  if (line == 0) line = symmetric(p, work);
  costs->asymmetric = middle - start;
  costs->symmetric = cpu_nanoseconds() - middle;
  return line;
}

static int prepare(struct primitives *p) {
  CHECK(sodium_init() >= 0);
  uint8_t secret[SECRET];
  size_t count;
  randombytes_buf(p->own, sizeof p->own);
  randombytes_buf(secret, sizeof secret);
  CHECK(crypto_scalarmult_base(p->peer, secret) == 0);
  p->kem = EVP_PKEY_CTX_new_from_name(NULL, "ML-KEM-768", NULL);
  CHECK(p->kem != NULL && EVP_PKEY_keygen_init(p->kem) == 1 && EVP_PKEY_generate(p->kem, &p->kem_key) == 1);
  CHECK(EVP_PKEY_get_octet_string_param(
            p->kem_key, OSSL_PKEY_PARAM_PUB_KEY, p->kem_public, sizeof p->kem_public, &count) == 1);
  CHECK(kem_encapsulate(p) == 0);
  CHECK(crypto_sign_keypair(p->sign_public, p->sign_secret) == 0);
  CHECK(crypto_sign_detached(p->signature, NULL, p->message, sizeof p->message, p->sign_secret) == 0);
  EVP_MD *md = EVP_MD_fetch(NULL, "SHA256", NULL);
  EVP_MAC *mac = EVP_MAC_fetch(NULL, "HMAC", NULL);
  EVP_CIPHER *cipher = EVP_CIPHER_fetch(NULL, "AES-256-GCM", NULL);
  p->hash = EVP_MD_CTX_new();
  p->mac = EVP_MAC_CTX_new(mac);
  p->cipher = EVP_CIPHER_CTX_new();
  OSSL_PARAM parameters[] = {OSSL_PARAM_construct_utf8_string(OSSL_MAC_PARAM_DIGEST, "SHA256", 0),
                             OSSL_PARAM_construct_end()};
  CHECK(EVP_DigestInit_ex2(p->hash, md, NULL) == 1);
  CHECK(EVP_MAC_init(p->mac, p->own, sizeof p->own, parameters) == 1);
  CHECK(EVP_CipherInit_ex2(p->cipher, cipher, p->own, p->own, 1, NULL) == 1);
  EVP_MD_free(md);
  EVP_MAC_free(mac);
  EVP_CIPHER_free(cipher);
  return 0;
}

struct primitives *primitives_new(void) {
  struct primitives *p = calloc(1, sizeof *p);
  if (p == NULL || prepare(p) == 0) return p;
  primitives_free(p);
  return NULL;
}

void primitives_free(struct primitives *p) {
  EVP_PKEY_CTX_free(p->kem);
  EVP_PKEY_free(p->kem_key);
  EVP_MD_CTX_free(p->hash);
  EVP_MAC_CTX_free(p->mac);
  EVP_CIPHER_CTX_free(p->cipher);
  free(p);
}
