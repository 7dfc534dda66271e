/*
 * The keys of one archive and how a header gives them up. See docs/FORMAT.md, "Keys".
 */
#ifndef SEAL_KEYS_H
#define SEAL_KEYS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "format/header.h"
#include "format/slot.h"
#include "seal/keyring.h"
#include "util/err.h"

#define FILE_KEY_SIZE 32u

/* Subkeys of the master key; in locked memory, read-only once made. Any thread may
 * read. */
struct keys {
    uint8_t file_key[FILE_KEY_SIZE]; /* for rekey only */
    uint8_t check[32];               /* public key check */
    uint8_t mac[32];                 /* header MAC */
    uint8_t data[32];                /* DATA records */
    uint8_t meta[32];                /* all other records */
};

/* A fresh file key: BLAKE2b-256(key = 32 random bytes; archive id, time, kek or
 * nothing). `random` is 32 bytes the caller drew (job/random). */
void keys_make_file_key(const uint8_t random[32], const uint8_t id[16], int64_t time,
                        const uint8_t *kek, uint8_t file_key[FILE_KEY_SIZE]);

/* Derive all subkeys from a file key and the header's bytes 0..95. Returns 0 and *k
 * (keys_free it), or -1 with ERR_FAIL. */
int keys_derive(struct keys **k, const uint8_t file_key[FILE_KEY_SIZE],
                const uint8_t binding[HEADER_BINDING], struct err *err);
void keys_free(struct keys *k);

/* Fill a passphrase slot: wraps file_key under kek. Everything of `p` but commitment
 * and wrapped is set by the caller; `created` goes into the slot head that the
 * commitment binds. */
int keys_wrap(struct slot_passphrase *p, int64_t created, const uint8_t kek[KEK_SIZE],
              const uint8_t binding[HEADER_BINDING],
              const uint8_t file_key[FILE_KEY_SIZE], struct err *err);

/* What unlocking found, for messages and for sharing salt and cost. */
struct unlocked {
    size_t slot_off; /* offset of the slot that opened, as slot_next starts it */
    uint8_t salt[KDF_SALT_SIZE];
    struct kdf_cost cost;
    int64_t created; /* of that slot */
};

/* Try all passphrase slots of a parsed header; `raw` is its bytes. A slot whose
 * commitment does not match is another passphrase's. Then: key check (constant time)
 * and MAC over the raw bytes. Returns 0 and *k (keys_free it), *u (may be NULL).
 * Errors: ERR_KEY "wrong passphrase" when no slot matched; ERR_DAMAGED when a slot
 * matched but wrap, key check or MAC do not; ERR_REFUSED, ERR_FAIL from keyring_kek. */
int keys_unlock(struct keyring *ring, const struct header *h, const uint8_t *raw,
                size_t size, struct keys **k, struct unlocked *u, struct err *err);

/* ---- the two sums at the end of a header ---- */

/* Whether the checksum of raw[0..size) is good. Public; no key. */
bool keys_header_checksum_ok(const uint8_t *raw, size_t size);

/* Whether the MAC of raw[0..size) is good under k: the header is the work of a key
 * holder. */
bool keys_header_mac_ok(const uint8_t *raw, size_t size, const struct keys *k);

/* Write checksum and MAC into raw[size-64 .. size). */
void keys_header_finish(uint8_t *raw, size_t size, const struct keys *k);

#endif
