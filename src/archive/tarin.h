/*
 * Tar bytes into entries, by libarchive's tar reader. The inverse of tarout, and as
 * strict as authenticated input allows: what tarout never writes is refused.
 */
#ifndef ARCHIVE_TARIN_H
#define ARCHIVE_TARIN_H

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "archive/entry.h"
#include "util/err.h"

struct tarin;

/* Supplies tar bytes: sets *buf to the next run (valid until the next call) and returns
 * its length, 0 at the end, -1 on error. */
typedef ssize_t tarin_read_fn(void *ctx, const void **buf, struct err *err);

/* Returns 0 and *t (tarin_free it), or -1 with ERR_FAIL. Reads nothing yet. */
int tarin_open(struct tarin **t, tarin_read_fn *fn, void *ctx, struct err *err);
void tarin_free(struct tarin *t);

/* The next entry, after skipping what is left of the last one's content. *e is owned by
 * t and valid until the next call. item.tar_offset is the position in the bytes
 * supplied (first pax block); tar_length, link_offset are 0 and flags only ITEM_SPARSE.
 * Directory paths come without trailing '/', "./" is ".". Mode is st_mode as it was on
 * disk: with an access ACL its group bits are the mask. Returns 1; 0 at the end of the
 * tar, once the callback has given all it has and that was zeros; -1: the read
 * callback's error, or ERR_DAMAGED for what is no tar, bytes behind its end, or an
 * entry that tarout would not write (invalid path, unknown type, absolute name, "..",
 * oversized name, a size on something that is no file, an unwanted attribute). */
int tarin_next(struct tarin *t, const struct entry **e, struct err *err);

/* Once tarin_next has returned 0: where the last entry with its padding ends, in the
 * bytes supplied. */
uint64_t tarin_end(const struct tarin *t);

/* The next run of the current file's content: *off is its place in the file. Runs
 * ascend; what lies between them is a hole (or, in a file that is not sparse, cannot
 * be). Returns 1, 0 at the end of the file, -1. */
int tarin_data(struct tarin *t, const void **buf, size_t *len, uint64_t *off,
               struct err *err);

/* A place in the bytes supplied: after tarin_next that of the entry's first stored
 * content byte, after tarin_data that of the run. */
uint64_t tarin_position(const struct tarin *t);

#endif
