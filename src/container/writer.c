#include "container/writer.h"

#include <stdlib.h>
#include <string.h>

#include "container/chunk.h"
#include "format/end.h"
#include "format/frame.h"
#include "format/table.h"
#include "pipe/pipe.h"
#include "util/buf.h"
#include "util/le.h"

/* Items that wait are written as an ENTRIES record once they fill this part of a chunk.
 */
#define ENTRIES_PART 16u

struct worker {
    const struct writer *w;
    struct codec *codec;
};

struct writer {
    /* Set in writer_open, then read by all threads. */
    const struct keys *keys;
    uint8_t fixed[HEADER_FIXED];
    uint8_t *raw;
    unsigned units;
    unsigned chunk_log2;
    uint32_t chunk_size;
    writer_sink_fn *sink;
    void *sink_ctx;

    /* The caller's thread. */
    struct pipe *pipe;
    struct chunk *cur;              /* DATA being filled, or NULL */
    struct buf items;               /* encoded, not yet in an ENTRIES */
    uint64_t seq;                   /* of the next record */
    uint64_t pos[REC_TYPE_MAX + 1]; /* of the next record of each type */
    uint64_t entries, tar_bytes;
    uint32_t first_entry; /* for cur */

    /* The writing thread until the pipeline has ended, then the caller's. */
    struct codec *codec;
    struct chunk *own; /* for the records written after the pipeline */
    uint64_t offset;   /* of the next head, from the first byte after the header */
    struct buf table;  /* since the last TABLE */
    struct buf root;   /* one table_root for each TABLE */
    uint64_t table_first_chunk, table_first_offset, chunks_written;
    uint64_t bytes; /* handed to the sink */

    struct worker workers[PIPE_WORKERS_MAX];
    void *worker_ptrs[PIPE_WORKERS_MAX];
    unsigned nworkers;
    struct chunk **chunks;
    size_t nchunks;
};

static int put_bytes(struct writer *w, const void *p, size_t len, struct err *err)
{
    if (w->sink(w->sink_ctx, p, len, err) != 0)
        return -1;
    w->bytes += len;
    return 0;
}

/* ---- the writing thread ---- */

/* Fill a TABLE with what was written since the last one, and note where it stands. */
static int fill_table(struct writer *w, struct chunk *c, struct err *err)
{
    uint8_t raw[TABLE_ROOT_SIZE];
    struct table_root root = {
        .offset = w->offset,
        .seq = c->head.seq,
        .first_chunk = w->table_first_chunk,
        .first_offset = w->table_first_offset,
    };
    table_root_encode(&root, raw);
    c->plain.len = 0;
    if (buf_add(&c->plain, w->table.p, w->table.len) != 0 ||
        buf_add(&w->root, raw, sizeof raw) != 0)
        return err_nomem(err);
    w->table.len = 0;
    return chunk_seal(c, w->codec, w->keys, w->fixed, err);
}

/* Write one sealed record and keep the books. */
static int emit(struct writer *w, struct chunk *c, struct err *err)
{
    uint8_t entry[TABLE_ENTRY_SIZE];
    uint32_t e = table_entry(c->head.body_len, c->head.type);

    if (c->head.type == REC_TABLE && fill_table(w, c, err) != 0)
        return -1;
    if (put_bytes(w, c->record.p, c->record.len, err) != 0)
        return -1;
    w->offset += c->record.len;
    if (c->head.type == REC_DATA)
        w->chunks_written++;
    if (c->head.type == REC_TABLE) {
        w->table_first_chunk = w->chunks_written;
        w->table_first_offset = w->offset;
        return 0;
    }
    le32_put(entry, e);
    return buf_add(&w->table, entry, sizeof entry) == 0 ? 0 : err_nomem(err);
}

static int write_records(void *ctx, struct pipe *pipe, struct err *err)
{
    struct writer *w = ctx;
    struct chunk *c;
    while ((c = pipe_next(pipe)) != NULL) {
        if (emit(w, c, err) != 0)
            return -1;
        pipe_release(pipe, c);
    }
    return 0;
}

/* ---- workers ---- */

static int work(void *ctx, void *buffer, struct err *err)
{
    struct worker *wk = ctx;
    struct chunk *c = buffer;
    if (c->head.type == REC_TABLE)
        return 0; /* what it lists is known only to the writing thread */
    return chunk_seal(c, wk->codec, wk->w->keys, wk->w->fixed, err);
}

/* ---- the caller's thread: the chunker ---- */

/* Give a record its place in the order: type, sequence, position. */
static void number(struct writer *w, struct chunk *c, uint8_t type)
{
    memset(&c->head, 0, sizeof c->head);
    memcpy(c->head.sync, w->fixed + HEADER_OFF_ID, sizeof c->head.sync);
    c->head.type = type;
    c->head.seq = w->seq++;
    c->head.pos = w->pos[type]++;
}

static struct chunk *get(struct writer *w, struct err *err)
{
    struct chunk *c = pipe_get(w->pipe);
    if (c != NULL)
        c->plain.len = 0;
    else
        pipe_error(w->pipe, err);
    return c;
}

/* Hand a filled record over, after the TABLE whose turn it may be. */
static int put(struct writer *w, struct chunk *c, uint8_t type, struct err *err)
{
    if (w->seq % TABLE_PERIOD == TABLE_PERIOD - 1) {
        struct chunk *t = get(w, err);
        if (t == NULL) {
            pipe_unget(w->pipe, c);
            return -1;
        }
        number(w, t, REC_TABLE);
        pipe_put(w->pipe, t);
    }
    number(w, c, type);
    pipe_put(w->pipe, c);
    return 0;
}

/* All waiting items end in DATA that has been handed over: flush_data calls this
 * between two chunks, before any byte of the next one. */
static int flush_items(struct writer *w, struct err *err)
{
    if (w->items.len == 0)
        return 0;
    struct chunk *c = get(w, err);
    if (c == NULL)
        return -1;
    if (buf_add(&c->plain, w->items.p, w->items.len) != 0) {
        pipe_unget(w->pipe, c);
        return err_nomem(err);
    }
    w->items.len = 0;
    return put(w, c, REC_ENTRIES, err);
}

static int flush_data(struct writer *w, struct err *err)
{
    struct chunk *c = w->cur;
    if (c == NULL)
        return 0;
    w->cur = NULL;
    c->first_entry = w->first_entry;
    w->first_entry = FRAME_NO_ENTRY;
    if (put(w, c, REC_DATA, err) != 0)
        return -1;
    return w->items.len >= w->chunk_size / ENTRIES_PART ? flush_items(w, err) : 0;
}

/* A full chunk is handed over only when the next byte comes, so that an entry that ends
 * with it is listed by an ENTRIES that follows it. */
static int room(struct writer *w, struct err *err)
{
    if (w->cur != NULL && w->cur->plain.len == w->chunk_size && flush_data(w, err) != 0)
        return -1;
    if (w->cur == NULL)
        w->cur = get(w, err);
    return w->cur != NULL ? 0 : -1;
}

int writer_mark(struct writer *w, struct err *err)
{
    if (room(w, err) != 0)
        return -1;
    if (w->first_entry == FRAME_NO_ENTRY)
        w->first_entry = (uint32_t)w->cur->plain.len;
    return 0;
}

int writer_data(void *ctx, const void *buf, size_t len, struct err *err)
{
    struct writer *w = ctx;
    const uint8_t *p = buf;
    while (len > 0) {
        if (room(w, err) != 0)
            return -1;
        struct buf *b = &w->cur->plain;
        size_t n = w->chunk_size - b->len;
        if (n > len)
            n = len;
        memcpy(b->p + b->len, p, n);
        b->len += n;
        p += n;
        len -= n;
        w->tar_bytes += n;
    }
    return 0;
}

int writer_entry(struct writer *w, const struct item *item, struct err *err)
{
    w->entries++;
    return item_encode(item, &w->items, err);
}

/* ---- opening and closing ---- */

static int start(struct writer *w, const struct writer_opts *opts, struct err *err)
{
    w->nchunks = 2 * (size_t)opts->threads + 2;
    w->chunks = chunk_new_all(w->nchunks, w->chunk_size, DATA_BODY_MAX(w->chunk_size));
    struct chunk **own = chunk_new_all(1, 4096, 4096);
    if (own != NULL) {
        w->own = own[0];
        free(own);
    }
    if (w->chunks == NULL || w->own == NULL)
        return err_nomem(err);

    if (codec_new(&w->codec, opts->level, w->chunk_log2, err) != 0)
        return -1;
    for (unsigned i = 0; i < opts->threads; i++) {
        w->workers[i].w = w;
        w->worker_ptrs[i] = &w->workers[i];
        if (codec_new(&w->workers[i].codec, opts->level, w->chunk_log2, err) != 0)
            return -1;
        w->nworkers++;
    }
    if (pipe_start(&w->pipe, (void *const *)w->chunks, w->nchunks, work, w->worker_ptrs,
                   w->nworkers, err) != 0)
        return -1;
    return pipe_spawn(w->pipe, write_records, w, err);
}

int writer_open(struct writer **out, const struct header *h, const uint8_t *raw,
                const struct keys *keys, const struct writer_opts *opts,
                writer_sink_fn *sink, void *ctx, const void *manifest,
                size_t manifest_len, struct err *err)
{
    struct writer *w = calloc(1, sizeof *w);
    if (w == NULL)
        return err_nomem(err);
    size_t size = h->units * (size_t)HEADER_UNIT;
    w->keys = keys;
    w->units = h->units;
    w->chunk_log2 = h->chunk_log2;
    w->chunk_size = 1u << h->chunk_log2;
    w->sink = sink;
    w->sink_ctx = ctx;
    w->first_entry = FRAME_NO_ENTRY;
    memcpy(w->fixed, raw, sizeof w->fixed);
    w->raw = malloc(size);
    if (w->raw == NULL) {
        err_nomem(err);
        goto fail;
    }
    memcpy(w->raw, raw, size);
    if (put_bytes(w, w->raw, size, err) != 0 || start(w, opts, err) != 0)
        goto fail;

    struct chunk *c = get(w, err);
    if (c == NULL)
        goto fail;
    if (buf_add(&c->plain, manifest, manifest_len) != 0) {
        pipe_unget(w->pipe, c);
        err_nomem(err);
        goto fail;
    }
    if (put(w, c, REC_MANIFEST, err) != 0)
        goto fail;
    *out = w;
    return 0;
fail:
    writer_free(w, err);
    return -1;
}

/* Seal and write w->own as the next record, on the caller's thread. */
static int own_record(struct writer *w, uint8_t type, const void *p, size_t len,
                      struct err *err)
{
    struct chunk *c = w->own;
    c->plain.len = 0;
    if (len > 0 && buf_add(&c->plain, p, len) != 0)
        return err_nomem(err);
    number(w, c, type);
    if (type != REC_TABLE && chunk_seal(c, w->codec, w->keys, w->fixed, err) != 0)
        return -1;
    return emit(w, c, err);
}

static int own_table(struct writer *w, struct err *err)
{
    return own_record(w, REC_TABLE, NULL, 0, err);
}

/* MANIFEST, TABLE, ROOT, END, header copy, tail. */
static int write_ending(struct writer *w, const void *manifest, size_t manifest_len,
                        uint64_t warnings, struct err *err)
{
    struct end end = {.warnings = warnings};
    uint8_t raw[END_SIZE], tail[TAIL_SIZE];

    if (w->seq % TABLE_PERIOD == TABLE_PERIOD - 1 && own_table(w, err) != 0)
        return -1;
    end.manifest_offset = w->offset;
    end.manifest_seq = w->seq;
    if (own_record(w, REC_MANIFEST, manifest, manifest_len, err) != 0)
        return -1;
    end.manifest_len = w->own->head.body_len;
    if (own_table(w, err) != 0)
        return -1;

    end.root_offset = w->offset;
    end.root_seq = w->seq;
    if (own_record(w, REC_ROOT, w->root.p, w->root.len, err) != 0)
        return -1;
    end.root_len = w->own->head.body_len;
    end.records = w->seq + 1;
    end.chunks = w->chunks_written;
    end.tar_bytes = w->tar_bytes;
    end.offset = w->offset;
    end.entries = w->entries;
    end_encode(&end, raw);
    if (own_record(w, REC_END, raw, sizeof raw, err) != 0)
        return -1;

    size_t size = w->units * (size_t)HEADER_UNIT;
    end_tail_encode(w->units, size + w->offset + size + TAIL_SIZE, tail);
    if (put_bytes(w, w->raw, size, err) != 0)
        return -1;
    return put_bytes(w, tail, sizeof tail, err);
}

int writer_finish(struct writer *w, const void *manifest, size_t manifest_len,
                  uint64_t warnings, struct writer_totals *totals, struct err *err)
{
    if (flush_data(w, err) != 0 || flush_items(w, err) != 0)
        return -1;
    pipe_close(w->pipe);
    int r = pipe_finish(w->pipe, err);
    w->pipe = NULL;
    if (r != 0 || write_ending(w, manifest, manifest_len, warnings, err) != 0)
        return -1;
    *totals = (struct writer_totals){
        .entries = w->entries,
        .tar_bytes = w->tar_bytes,
        .bytes = w->bytes,
    };
    return 0;
}

void writer_free(struct writer *w, struct err *err)
{
    if (w == NULL)
        return;
    pipe_finish(w->pipe, err);
    for (unsigned i = 0; i < w->nworkers; i++)
        codec_free(w->workers[i].codec);
    codec_free(w->codec);
    chunk_free_all(w->chunks, w->nchunks);
    chunk_free(w->own);
    buf_free(&w->items);
    buf_free(&w->table);
    buf_free(&w->root);
    free(w->raw);
    free(w);
}
