/*
 * From a passphrase to key-encrypting keys, derived once per (salt, cost) and
 * remembered, so that a hundred archives of one directory cost one derivation.
 */
#ifndef SEAL_KEYRING_H
#define SEAL_KEYRING_H

#include <stddef.h>
#include <stdint.h>

#include "seal/kdf.h"
#include "util/err.h"

struct keyring;

/* Copies the passphrase into locked memory. Returns 0 and *k (keyring_free it), or -1.
 */
int keyring_new(struct keyring **k, const char *passphrase, size_t len,
                const struct kdf_limits *limits, struct err *err);
void keyring_free(struct keyring *k);

/* The next keys are for another archive: what deriving them may cost in sum counts
 * anew. */
void keyring_archive(struct keyring *k);

/* The key for (salt, cost), derived now or remembered; owned by k. Errors: ERR_REFUSED
 * for a cost below the floor or over a ceiling (the text names figures and
 * --kdf-limit); ERR_FAIL when its memory need is over what is available, naming both
 * figures and the way out (`--kdf interactive` when creating, more memory when
 * opening). */
int keyring_kek(struct keyring *k, const uint8_t salt[KDF_SALT_SIZE],
                const struct kdf_cost *cost, const uint8_t **kek, struct err *err);

#endif
