/*
 * An archive from its first byte to its last: tar bytes and items in, sealed records
 * out.
 *
 * The caller's thread is the chunker: it cuts the tar into chunks and hands them over.
 * Workers pack and seal; one thread writes records in order and keeps the TABLE. The
 * order on the medium is docs/FORMAT.md's: header, MANIFEST, DATA/ENTRIES/TABLE...,
 * MANIFEST, TABLE, ROOT, END, header copy, tail. No sequence number is ever sealed
 * twice.
 */
#ifndef CONTAINER_WRITER_H
#define CONTAINER_WRITER_H

#include <stddef.h>
#include <stdint.h>

#include "format/header.h"
#include "format/item.h"
#include "seal/keys.h"
#include "util/err.h"

struct writer;

/* Takes the archive's bytes in order. Called from one thread at a time: the caller's or
 * the writer's own. */
typedef int writer_sink_fn(void *ctx, const void *buf, size_t len, struct err *err);

struct writer_opts {
    int level;        /* zstd, 1..19 */
    unsigned threads; /* workers, 1..PIPE_WORKERS_MAX */
};

/* Write the header and the first MANIFEST and start the pipeline. `raw` is the complete
 * encoded header (copied); `keys` is borrowed until writer_free. */
int writer_open(struct writer **w, const struct header *h, const uint8_t *raw,
                const struct keys *keys, const struct writer_opts *opts,
                writer_sink_fn *sink, void *ctx, const void *manifest,
                size_t manifest_len, struct err *err);

/* The next tar bytes begin a new entry. */
int writer_mark(struct writer *w, struct err *err);

/* Tar bytes. A tarout_write_fn. */
int writer_data(void *w, const void *buf, size_t len, struct err *err);

/* The entry whose last tar byte was just written, complete with offset and length. */
int writer_entry(struct writer *w, const struct item *item, struct err *err);

struct writer_totals {
    uint64_t entries, tar_bytes;
    uint64_t bytes; /* of the whole archive */
};

/* After the tar's end: flush, wait for the pipeline, write everything that follows
 * DATA. `warnings` goes into END. */
int writer_finish(struct writer *w, const void *manifest, size_t manifest_len,
                  uint64_t warnings, struct writer_totals *totals, struct err *err);

/* End the pipeline (cancelling it if writer_finish was not reached) and free. If the
 * pipeline failed by itself, its error is the one in *err afterwards (unless err has
 * one). */
void writer_free(struct writer *w, struct err *err);

#endif
