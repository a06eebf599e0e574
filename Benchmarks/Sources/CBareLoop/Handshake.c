#include <openssl/evp.h>
#include <openssl/sha.h>

#include "Wire.h"

void accept_value(const char *key, size_t key_length, char out[32]) {
  static const char guid[] = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11";
  char text[128];
  if (key_length > 64) key_length = 64;
  memcpy(text, key, key_length);
  memcpy(text + key_length, guid, sizeof guid - 1);
  unsigned char digest[EVP_MAX_MD_SIZE];
  unsigned size = 0;
  EVP_Digest(text, key_length + sizeof guid - 1, digest, &size, EVP_sha1(), NULL);
  EVP_EncodeBlock((unsigned char *)out, digest, 20);
}
