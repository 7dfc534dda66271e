/*
 * One record, sealed and opened: XChaCha20-Poly1305 (draft-irtf-cfrg-xchacha-03,
 * libsodium) with nonce and AAD as docs/FORMAT.md says. Any thread; keys are read only.
 */
#ifndef SEAL_AEAD_H
#define SEAL_AEAD_H

#include <stddef.h>
#include <stdint.h>

#include "format/record.h"
#include "seal/keys.h"

/* Seal `len` bytes at body[0..len) in place; the tag goes to body[len..len+16).
 * head->body_len must be len + 16 already. `fixed` is the header's bytes 0..127. DATA
 * is sealed under keys->data, all else under keys->meta. With REC_CLEAR_BODY the bytes
 * stay as they are. */
void aead_seal(const struct keys *keys, const uint8_t fixed[HEADER_FIXED],
               const struct record_head *head, uint8_t *body, size_t len);

/* Open body[0..head->body_len) in place; the plaintext is body[0..body_len-16). Returns
 * 0, or -1 if the tag is wrong, and then the body has been wiped. */
int aead_open(const struct keys *keys, const uint8_t fixed[HEADER_FIXED],
              const struct record_head *head, uint8_t *body);

#endif
