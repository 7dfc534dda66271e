/*
 * The records of an archive in order, opened on all cores: one thread frames them,
 * workers open and unpack, the caller consumes. Either all of them, to the end, under
 * the rules of container/order.h; or chosen chunks of a file.
 *
 * What stream_next returns is authentic, but until the whole stream has ended well it
 * is not known to be complete.
 */
#ifndef CONTAINER_STREAM_H
#define CONTAINER_STREAM_H

#include <stddef.h>
#include <stdint.h>

#include "container/index.h"
#include "container/order.h"
#include "container/reader.h"
#include "util/err.h"

struct stream;

/* A record as the caller sees it; valid until the next stream_next. */
struct stream_piece {
    uint8_t type;         /* REC_DATA, REC_ENTRIES or REC_MANIFEST */
    uint64_t pos;         /* position within its type: for DATA the chunk number */
    uint32_t first_entry; /* DATA: see format/frame.h */
    const uint8_t *p;
    size_t len;
};

/* Names the chunks to read, ascending or not: each call gives the next chunk number.
 * Returns 1, 0 at the end, -1. Called on the framing thread. */
typedef int stream_plan_fn(void *ctx, uint64_t *chunk, struct err *err);

/* All records, from the front, from a file or a stream; r->pos must be behind the
 * header. */
int stream_open_all(struct stream **s, struct reader *r, unsigned threads,
                    struct err *err);

/* Only the DATA records the plan names, located by `index` (which the framing thread
 * uses alone until stream_close). */
int stream_open_chunks(struct stream **s, struct reader *r, struct index *index,
                       stream_plan_fn *plan, void *ctx, unsigned threads,
                       struct err *err);

/* The next piece. Returns 1; 0 after END (all) or the plan's end; -1. TABLE, ROOT and
 * END are checked here and not returned. */
int stream_next(struct stream *s, struct stream_piece *piece, struct err *err);

/* After stream_next returned 0 for "all": END. Items seen must have been told by
 * stream_entries as each ENTRIES piece was read. */
const struct end *stream_end(const struct stream *s);
void stream_entries(struct stream *s, uint64_t n);

/* Cancel if it has not ended, free. A pipeline error goes into *err unless that has
 * one. */
void stream_close(struct stream *s, struct err *err);

#endif
