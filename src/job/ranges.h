/*
 * Which bytes of a file are missing, as they turn up, and in words.
 */
#ifndef JOB_RANGES_H
#define JOB_RANGES_H

#include <stdint.h>

#include "util/buf.h"
#include "util/err.h"

#define RANGES_TOLD 6u /* one by one; of further ones only that there are some */

/* Zeroed: none yet. */
struct ranges {
    uint64_t from, to; /* the last one, which may still grow; empty: none */
    unsigned n;        /* those before it */
    struct buf text;
};

/* `len` bytes at `off`, not below what was added before. 0, or -1 when memory is short.
 */
int ranges_add(struct ranges *r, uint64_t off, uint64_t len, struct err *err);

/* No more come. *text, owned by r: "bytes 0 to 4095, 8192 to 12287 of 20000 are
 * missing", `size` being that of the file; then `then`. */
int ranges_text(struct ranges *r, uint64_t size, const char *then, const char **text,
                struct err *err);

void ranges_free(struct ranges *r);

#endif
