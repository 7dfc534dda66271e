/*
 * New slots for an archive: in place, so that at every moment one of its two headers
 * opens it, or into a copy. The records are never touched.
 */
#ifndef CONTAINER_REHEADER_H
#define CONTAINER_REHEADER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "container/reader.h"
#include "util/err.h"

/* Where the bytes go. */
struct reheader_io {
    int (*pwrite)(void *ctx, const void *buf, size_t len, uint64_t off,
                  struct err *err);
    int (*sync)(void *ctx, struct err *err);
    void *ctx;
};

/* `r` is an unlocked file whose END was authenticated and whose spare was looked at.
 * Bring the header that does not count, and the tail, to the state of the one that
 * counts: each written and synced. *healed tells whether anything had to be. */
int reheader_heal(struct reader *r, const struct reheader_io *io, bool *healed,
                  struct err *err);

/* After reheader_heal: write `raw` (a finished header of the same size and fixed part,
 * with a higher generation) first over the copy, sync, then over the front, sync; read
 * both back. If it is interrupted, the archive opens with the old or the new header. */
int reheader_in_place(struct reader *r, const struct reheader_io *io,
                      const uint8_t *raw, struct err *err);

/* Takes bytes in order. */
typedef int reheader_sink_fn(void *ctx, const void *buf, size_t len, struct err *err);

/* `r` is unlocked and stands behind its header, file or stream. Write raw, all records
 * as they are, raw, tail. The frame of every record is checked, record 0 and END are
 * authenticated; what follows END too. */
int reheader_copy(struct reader *r, const uint8_t *raw, reheader_sink_fn *sink,
                  void *ctx, struct err *err);

#endif
