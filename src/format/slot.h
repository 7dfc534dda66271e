/*
 * Key slots: the packed list in a header's mutable part, one way each to the file key.
 * Bytes <-> struct only.
 */
#ifndef FORMAT_SLOT_H
#define FORMAT_SLOT_H

#include <stddef.h>
#include <stdint.h>

#include "format/header.h"
#include "util/err.h"

#define SLOT_HEAD_SIZE       16u /* type u16, length u16, flags u32, created u64 */
#define SLOT_PASSPHRASE      1u
#define SLOT_PASSPHRASE_SIZE (SLOT_HEAD_SIZE + 16u + 4u + 4u + 32u + 48u)
#define SLOT_COMMIT_OFF                                                                \
    (SLOT_HEAD_SIZE + 16u + 4u + 4u) /* bytes bound by the commitment */

struct slot {
    uint16_t type;
    uint16_t length;    /* whole slot, head included, bytes */
    uint32_t flags;     /* zero in version 1 */
    int64_t created;    /* seconds since 1970 */
    const uint8_t *raw; /* the slot's bytes, borrowed from the header */
};

struct slot_passphrase {
    uint8_t salt[KDF_SALT_SIZE];
    uint32_t passes, memory_kib;
    uint8_t commitment[32];
    uint8_t wrapped[48];
};

/* Walk the slots: start with *off = 0. Returns 1 and *s, 0 at the end, -1 with
 * ERR_DAMAGED when a slot overruns. Unknown types are returned too (carried byte for
 * byte). */
int slot_next(const struct header *h, size_t *off, struct slot *s, struct err *err);

/* Fields of a SLOT_PASSPHRASE. ERR_DAMAGED when length or flags are not as they must
 * be. */
int slot_parse_passphrase(const struct slot *s, struct slot_passphrase *p,
                          struct err *err);

/* Write a passphrase slot into raw[SLOT_PASSPHRASE_SIZE]. */
void slot_encode_passphrase(const struct slot_passphrase *p, int64_t created,
                            uint8_t raw[SLOT_PASSPHRASE_SIZE]);

/* Append or remove a slot. slot_add returns -1 with ERR_REFUSED when it does not
 * fit; slot_remove takes the offset that slot_next started from. */
int slot_add(struct header *h, const uint8_t *raw, size_t len, struct err *err);
void slot_remove(struct header *h, size_t off);

#endif
