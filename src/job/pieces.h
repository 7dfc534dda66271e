/*
 * What is left of the tar in a damaged archive, as pieces: runs of good chunks, each
 * from a place at which an entry is known to begin.
 *
 * A chunk is placed by its number. After a lost one the tar is only gone on with where
 * a later chunk says, under its seal, that its first entry begins: never at something
 * that looks like a tar header, for a file in the backup may hold a tar of somebody
 * else's. Chunks that are lost within the content of one file are given as zeros, and
 * told apart, so that the rest of that file is not lost with them.
 *
 * The caller's thread only.
 */
#ifndef JOB_PIECES_H
#define JOB_PIECES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "container/reader.h"
#include "container/search.h"
#include "util/err.h"

struct pieces_sink {
    /* Every authentic record, of whatever type, as it passes. 0 or -1. */
    int (*record)(void *ctx, const struct chunk *c, struct err *err);
    search_skipped_fn *skipped;
    void *ctx;
};

struct pieces;

/* `r` is an unlocked file, borrowed as `sink` is. Returns 0 and *p (pieces_free), -1.
 */
int pieces_open(struct pieces **p, struct reader *r, const struct pieces_sink *sink,
                struct err *err);

/* The next piece, at the first sealed offset that is not below `floor`: *at is the
 * offset in the tar of its first byte. Returns 1; 0 when there is none and the archive
 * was read to its end; -1. */
int pieces_next(struct pieces *p, uint64_t floor, uint64_t *at, struct err *err);

/* A tarin_read_fn: the bytes of the piece. 0 at the end of the tar. -1 with ERR_DAMAGED
 * where a chunk is lost: then pieces_at_gap is true until the next piece. */
ssize_t pieces_read(void *p, const void **buf, struct err *err);
bool pieces_at_gap(const struct pieces *p);

/* From now on the content of a file is read, up to offset `end` of the tar. 0: none is.
 */
void pieces_content(struct pieces *p, uint64_t end);

/* Of the bytes last read: how many of the `len` at offset `at` of the tar are of one
 * kind, and whether these are *lost ones, for which zeros were given. */
size_t pieces_stretch(const struct pieces *p, uint64_t at, size_t len, bool *lost);

/* Whether zeros were given in this piece. It is not to be gone on with behind the
 * content they lie in. */
bool pieces_filled(const struct pieces *p);

/* How long the whole tar is, from a record that says so. */
void pieces_expect(struct pieces *p, uint64_t tar_bytes);

/* How far the archive was read, in bytes of the file. */
uint64_t pieces_position(const struct pieces *p);

void pieces_free(struct pieces *p);

#endif
