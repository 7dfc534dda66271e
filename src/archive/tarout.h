/*
 * Entries into tar bytes, by libarchive's pax writer. The bytes go to a callback as
 * they are made; nothing is kept.
 *
 * Each entry is self-contained (its own pax header, no global one), so the bytes
 * [tar_offset, tar_offset + tar_length) of any entries, put one after another, are a
 * tar.
 */
#ifndef ARCHIVE_TAROUT_H
#define ARCHIVE_TAROUT_H

#include <stddef.h>
#include <stdint.h>

#include "archive/entry.h"
#include "util/err.h"
#include "util/notice.h"
#include "util/progress.h"

struct tarout;

/* Takes tar bytes, all of them or fails with -1. */
typedef int tarout_write_fn(void *ctx, const void *buf, size_t len, struct err *err);

/* Returns 0 and *t (tarout_free it), or -1 with ERR_FAIL. `notices` and `progress` are
 * borrowed; progress (or NULL) gets bytes and entries. */
int tarout_open(struct tarout **t, tarout_write_fn *fn, void *ctx,
                const struct notice_sink *notices, struct progress *progress,
                struct err *err);

/* Write one entry; for ITEM_FILE its content from `fd` (size bytes; with ITEM_SPARSE
 * the extents only). Sets e->item.tar_offset and tar_length, item.stored (bytes of
 * content really in the tar) and mode-neutral flags. Content that does not come out as
 * promised leaves the tar well-formed: a short read is padded with zeros, surplus is
 * not stored. Then, and when size, mtime or ctime differ afterwards, the entry is
 * flagged ITEM_CHANGED and warned of (file-changed); a read error flags ITEM_INCOMPLETE
 * (read-error). Extended attributes that are together too large for a tar header are
 * left out (warning xattr-skipped). Returns 0, or -1 with the callback's error,
 * ERR_SIGNAL or ERR_FAIL. */
int tarout_entry(struct tarout *t, struct entry *e, int fd, struct err *err);

/* Write the two zero blocks. Returns 0 and *bytes (length of the tar), or -1. */
int tarout_finish(struct tarout *t, uint64_t *bytes, struct err *err);

void tarout_free(struct tarout *t);

#endif
