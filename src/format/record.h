/*
 * What every record has: the head in front of its body.
 * Bytes <-> struct, no crypto, no I/O. Everything is little-endian.
 */
#ifndef FORMAT_RECORD_H
#define FORMAT_RECORD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "format/limits.h"
#include "util/err.h"

enum record_type {
    REC_DATA = 1,
    REC_ENTRIES = 2,
    REC_TABLE = 3,
    REC_MANIFEST = 4,
    REC_ROOT = 5,
    REC_END = 6,
};
#define REC_TYPE_MAX   6u
#define REC_ANCILLARY  0x80u          /* may be skipped when unknown */
#define REC_CLEAR_BODY 0x40u          /* body is authenticated, not encrypted */
#define REC_KIND(type) ((type)&0x3fu) /* of an ancillary type: above REC_TYPE_MAX */

struct record_head {
    uint8_t sync[4];   /* first bytes of the archive id */
    uint8_t type;      /* enum record_type with the bits above */
    uint32_t body_len; /* bytes after the head, tag included */
    uint64_t seq;      /* 0, 1, 2 ... over all records */
    uint64_t pos;      /* 0, 1, 2 ... within its type */
};

void record_head_encode(const struct record_head *h, uint8_t raw[RECORD_HEAD_SIZE]);

/* Whether a body of `len` bytes, tag included, is within the limits of its type, which
 * is a known or an ancillary one. */
bool record_in_bounds(uint8_t type, uint32_t chunk, uint64_t len);

/* Parse and bound an unauthenticated head: sync must be the archive's, flags and
 * reserved bytes zero, the type known or ancillary, body_len within the bound of its
 * type for `chunk` bytes a chunk and at least TAG_SIZE. ERR_DAMAGED otherwise. */
int record_head_parse(const uint8_t raw[RECORD_HEAD_SIZE], const uint8_t sync[4],
                      uint32_t chunk, struct record_head *h, struct err *err);

/* The nonce of a record: type, flags (0), 14 zeros, sequence. */
void record_nonce(const struct record_head *h, uint8_t nonce[24]);

#endif
