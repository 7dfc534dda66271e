/*
 * An archive open for reading: which header counts, the keys it gives up, and single
 * records by place. Nothing is believed before it is authenticated; until then only the
 * fixed-size structures of format/ are parsed.
 *
 * The caller's thread only, except where a function says otherwise.
 */
#ifndef CONTAINER_READER_H
#define CONTAINER_READER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "container/chunk.h"
#include "format/end.h"
#include "format/header.h"
#include "seal/keys.h"
#include "util/err.h"

/* Where the bytes come from. */
struct reader_io {
    /* The next bytes in order: less than len only at the end, -1 on error. */
    ssize_t (*read)(void *ctx, void *buf, size_t len, struct err *err);
    /* Bytes at an offset, any thread; NULL for a stream. */
    ssize_t (*pread)(void *ctx, void *buf, size_t len, uint64_t off, struct err *err);
    /* Make a read that waits in another thread give up, for good; or NULL. */
    void (*cancel)(void *ctx);
    void *ctx;
    int64_t size; /* bytes, -1 for a stream */
};

/* What is known of one of the two headers and of the tail. */
enum reader_state {
    READER_UNSEEN, /* not looked at yet (a stream's end) */
    READER_GOOD,
    READER_STALE, /* valid, but of an earlier generation than the other */
    READER_DAMAGED,
};

struct reader {
    struct reader_io io;
    struct header header; /* the one that counts */
    uint8_t *raw;         /* its bytes */
    size_t header_size;
    uint32_t chunk_size;
    struct keys *keys; /* after reader_unlock */
    struct unlocked unlocked;
    enum reader_state front, copy, tail;
    bool foreign; /* the copy is a good header of something else */
    size_t spare_size;
    uint8_t *spare; /* the other header, when it passed its checksum; else NULL */
    uint64_t pos;   /* of reader_take, from the start of the archive */
};

/* Room to open single records in; each thread that does so has one of its own. */
struct reader_scratch {
    struct codec *codec;
    struct chunk *chunk;
};

int reader_scratch_new(const struct reader *r, struct reader_scratch *sc,
                       struct err *err);
void reader_scratch_free(struct reader_scratch *sc);

/* Read the header(s) and decide which counts: the highest generation among those whose
 * checksum is good. A stream shows only the front one. Returns 0 and *r (reader_free),
 * or -1: ERR_DAMAGED (not an archive, mangled, damaged, needs a newer version) or
 * ERR_FAIL. Keyless facts are in r->header from here on. */
int reader_open(struct reader **r, const struct reader_io *io, struct err *err);
/* The same of a file that is known to be damaged: if its header and the copy are not
 * where they belong, the last good header anywhere in it counts, and both are
 * READER_DAMAGED. If there is none, the error is that of reader_open. */
int reader_open_damaged(struct reader **r, const struct reader_io *io, struct err *err);
void reader_free(struct reader *r);

/* Open a slot and check the MAC. If the header that counts does not open, or opens and
 * turns out not to be as it was sealed, and the other one opens and proves that, the
 * other one counts. ERR_KEY, ERR_DAMAGED, ERR_REFUSED, ERR_FAIL. */
int reader_unlock(struct reader *r, struct keyring *ring, struct err *err);

/* In order: `len` bytes, all of them, or -1 (ERR_DAMAGED "cut short" at the end of the
 * data). Starts behind the front header. From one thread at a time. */
int reader_take(struct reader *r, void *buf, size_t len, struct err *err);

/* In order: the next record as it stands, head parsed, nothing opened, into c->head and
 * c->record. c->offset is the caller's to set. ERR_DAMAGED, ERR_FAIL. */
int reader_frame(struct reader *r, struct chunk *c, struct err *err);

/* Whether all bytes were taken (a stream is read once more). 1, 0, -1. */
int reader_at_end(struct reader *r, struct err *err);

/* What the index says of a record. */
struct reader_place {
    uint64_t offset;   /* of its head, from the first byte after the header */
    uint64_t seq, pos; /* as in its head */
    uint32_t body_len; /* 0: not known */
    uint8_t type;
};

/* By place (files only): as reader_frame, and c->offset is set; the record must be what
 * `place` says, else ERR_DAMAGED. Any thread, with a chunk of its own. */
int reader_frame_at(const struct reader *r, struct chunk *c,
                    const struct reader_place *place, struct err *err);

/* As reader_frame_at, and opened. Its plaintext is in sc->chunk->plain until sc is used
 * again. Any thread. */
int reader_record(const struct reader *r, struct reader_scratch *sc,
                  const struct reader_place *place, struct err *err);

/* The authenticated END of a file, found from the back; its own offset must be where it
 * is. ERR_DAMAGED if there is none: the archive is cut or damaged. */
int reader_end(const struct reader *r, struct reader_scratch *sc, struct end *end,
               struct err *err);

/* After END (at `end_offset`, as it says itself) was authenticated, by stream or by
 * file: look at the header copy and the tail that must follow it, set r->copy and
 * r->tail. Bytes missing or after the tail are ERR_DAMAGED. For a stream the next bytes
 * taken must be the copy. */
int reader_spare(struct reader *r, uint64_t end_offset, struct err *err);

#endif
