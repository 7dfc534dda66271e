/*
 * The buffer that circulates in a pipeline: the plain side and the record side of one
 * record. Whoever holds it owns all of it.
 */
#ifndef CONTAINER_CHUNK_H
#define CONTAINER_CHUNK_H

#include <stddef.h>
#include <stdint.h>

#include "codec/codec.h"
#include "format/record.h"
#include "seal/keys.h"
#include "util/buf.h"
#include "util/err.h"

struct chunk {
    struct record_head head;
    uint64_t offset;      /* of the head, from the first byte after the header */
    uint32_t first_entry; /* DATA: see format/frame.h */
    struct buf plain;     /* content: tar bytes, items, JSON, ... */
    struct buf record;    /* head, body, tag: as in the archive */
};

/* Make `n` chunks with room for `plain_cap` and `record_cap` bytes. Returns an array of
 * pointers (chunk_free_all), or NULL when memory is short. */
struct chunk **chunk_new_all(size_t n, size_t plain_cap, size_t record_cap);
void chunk_free(struct chunk *c);
void chunk_free_all(struct chunk **c, size_t n);

/* plain -> record: frame, pack, seal. Fills head.body_len and writes the head. END is
 * not packed. `fixed` is the header's bytes 0..127. Any thread, with a codec of its
 * own. */
int chunk_seal(struct chunk *c, struct codec *codec, const struct keys *keys,
               const uint8_t *fixed, struct err *err);

/* record -> plain: open, then unpack. The plain size is bounded by `chunk_size` for
 * DATA and by META_PLAIN_MAX for the rest. A wrong tag or a frame that is not as it
 * must be is ERR_DAMAGED. Any thread, with a codec of its own. */
int chunk_open(struct chunk *c, struct codec *codec, const struct keys *keys,
               const uint8_t *fixed, uint32_t chunk_size, struct err *err);

#endif
