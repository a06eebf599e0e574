#include <openssl/ssl.h>
#include <stdlib.h>
#include <string.h>

#include "CHandshakePeers.h"

// One end: its certificate, and the key that the other must show.
struct end {
  EVP_PKEY *key;
  X509 *certificate;
  const struct end *peer;
  SSL_CTX *context;
};

static int make_certificate(struct end *end) {
  end->key = EVP_PKEY_Q_keygen(NULL, NULL, "ED25519");
  end->certificate = X509_new();
  if (end->key == NULL || end->certificate == NULL) return 0;
  X509_set_version(end->certificate, X509_VERSION_3);
  ASN1_INTEGER_set(X509_get_serialNumber(end->certificate), 1);
  X509_gmtime_adj(X509_getm_notBefore(end->certificate), -60);
  X509_gmtime_adj(X509_getm_notAfter(end->certificate), 86400);
  X509_NAME *name = X509_get_subject_name(end->certificate);
  X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_ASC, (const unsigned char *)"peer", -1, -1, 0);
  X509_set_issuer_name(end->certificate, name);
  X509_set_pubkey(end->certificate, end->key);
  return X509_sign(end->certificate, end->key, NULL) > 0;
}

// The key is known: no chain is built and no certificate's signature is checked.
static int is_pinned(X509_STORE_CTX *store, void *argument) {
  const struct end *end = argument;
  X509 *shown = X509_STORE_CTX_get0_cert(store);
  return shown != NULL && EVP_PKEY_eq(X509_get0_pubkey(shown), end->peer->key) == 1;
}

static int make_context(struct end *end, const SSL_METHOD *method) {
  SSL_CTX *context = end->context = SSL_CTX_new(method);
  if (context == NULL) return 0;
  SSL_CTX_set_cert_verify_callback(context, is_pinned, end);
  SSL_CTX_set_verify(context, SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT, NULL);
  SSL_CTX_set_session_cache_mode(context, SSL_SESS_CACHE_OFF);
  return SSL_CTX_set_min_proto_version(context, TLS1_3_VERSION) && SSL_CTX_set_num_tickets(context, 0) &&
         SSL_CTX_set1_groups_list(context, "X25519MLKEM768") &&
         SSL_CTX_set_ciphersuites(context, "TLS_AES_256_GCM_SHA384") &&
         SSL_CTX_use_certificate(context, end->certificate) && SSL_CTX_use_PrivateKey(context, end->key);
}

// Lets one side go on, and adds the time that it takes.
static int step(SSL *ssl, double *nanoseconds) {
  double start = cpu_nanoseconds();
  int result = SSL_do_handshake(ssl);
  *nanoseconds += cpu_nanoseconds() - start;
  return result == 1 || SSL_get_error(ssl, result) == SSL_ERROR_WANT_READ;
}

struct tls_pair {
  struct end client, server;
};

int tls_pair_run(struct tls_pair *pair, struct tls_costs *costs) {
  *costs = (struct tls_costs){0};
  double start = cpu_nanoseconds();
  SSL *near = SSL_new(pair->client.context);
  costs->client += cpu_nanoseconds() - start;
  start = cpu_nanoseconds();
  SSL *far = SSL_new(pair->server.context);
  costs->server += cpu_nanoseconds() - start;
  BIO *near_bio = NULL, *far_bio = NULL;
  if (near == NULL || far == NULL || !BIO_new_bio_pair(&near_bio, 65536, &far_bio, 65536)) return __LINE__;
  SSL_set_bio(near, near_bio, near_bio);
  SSL_set_bio(far, far_bio, far_bio);
  SSL_set_connect_state(near);
  SSL_set_accept_state(far);
  for (int i = 0; i < 4 && !(SSL_is_init_finished(near) && SSL_is_init_finished(far)); i++) {
    if (!step(near, &costs->client) || !step(far, &costs->server)) return __LINE__;
  }
  if (!SSL_is_init_finished(near) || !SSL_is_init_finished(far)) return __LINE__;
  if (strcmp(SSL_get0_group_name(near), "X25519MLKEM768") != 0) return __LINE__;
  SSL_free(near);
  SSL_free(far);
  return 0;
}

struct tls_pair *tls_pair_new(void) {
  struct tls_pair *pair = calloc(1, sizeof *pair);
  if (pair == NULL) return NULL;
  pair->client.peer = &pair->server;
  pair->server.peer = &pair->client;
  if (make_certificate(&pair->client) && make_certificate(&pair->server) &&
      make_context(&pair->client, TLS_client_method()) && make_context(&pair->server, TLS_server_method())) {
    return pair;
  }
  tls_pair_free(pair);
  return NULL;
}

void tls_pair_free(struct tls_pair *pair) {
  struct end *ends[] = {&pair->client, &pair->server};
  for (int i = 0; i < 2; i++) {
    SSL_CTX_free(ends[i]->context);
    X509_free(ends[i]->certificate);
    EVP_PKEY_free(ends[i]->key);
  }
  free(pair);
}
