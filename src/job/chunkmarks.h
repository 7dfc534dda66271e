/*
 * What chunks say of the first entry that starts in them, held against the entries that
 * the tar has: who reads around damage goes on where they say.
 */
#ifndef JOB_CHUNKMARKS_H
#define JOB_CHUNKMARKS_H

#include <stddef.h>
#include <stdint.h>

#include "util/buf.h"
#include "util/err.h"

/* Zeroed but for chunk_size: before the first chunk. */
struct chunkmarks {
    uint32_t chunk_size; /* bytes */
    struct buf marks;    /* u64: tar offsets that chunks have named */
    size_t met;          /* bytes of them whose entry has been met */
    uint64_t chunks;     /* up to here all are known to be right */
};

/* The next chunk: its number, and its first entry (format/frame.h). ERR_FAIL. */
int chunkmarks_chunk(struct chunkmarks *m, uint64_t number, uint32_t first_entry,
                     struct err *err);

/* The next entry of the tar begins at `offset`, in a chunk that was told. ERR_DAMAGED
 * when it is the first one of its chunk and not what that said, or when a chunk before
 * has named an entry that was not met. */
int chunkmarks_entry(struct chunkmarks *m, uint64_t offset, struct err *err);

/* There are no more entries. ERR_DAMAGED as above. */
int chunkmarks_end(const struct chunkmarks *m, struct err *err);

void chunkmarks_free(struct chunkmarks *m);

#endif
