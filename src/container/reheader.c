#include "container/reheader.h"

#include <stdlib.h>
#include <string.h>

#include "format/end.h"

static uint64_t copy_at(const struct reader *r)
{
    return (uint64_t)r->io.size - TAIL_SIZE - r->header_size;
}

/* Write and sync, so that nothing later reaches the disk before it. */
static int put(const struct reheader_io *io, const void *buf, size_t len, uint64_t off,
               struct err *err)
{
    if (io->pwrite(io->ctx, buf, len, off, err) != 0)
        return -1;
    return io->sync(io->ctx, err);
}

int reheader_heal(struct reader *r, const struct reheader_io *io, bool *healed,
                  struct err *err)
{
    *healed = false;
    if (r->copy != READER_GOOD) {
        if (put(io, r->raw, r->header_size, copy_at(r), err) != 0)
            return -1;
        r->copy = READER_GOOD;
        *healed = true;
    }
    if (r->front != READER_GOOD) {
        if (put(io, r->raw, r->header_size, 0, err) != 0)
            return -1;
        r->front = READER_GOOD;
        *healed = true;
    }
    if (r->tail != READER_GOOD) {
        uint8_t tail[TAIL_SIZE];
        end_tail_encode(r->header.units, (uint64_t)r->io.size, tail);
        if (put(io, tail, sizeof tail, (uint64_t)r->io.size - TAIL_SIZE, err) != 0)
            return -1;
        r->tail = READER_GOOD;
        *healed = true;
    }
    return 0;
}

static int read_back(struct reader *r, const uint8_t *raw, uint64_t off,
                     struct err *err)
{
    uint8_t *now = malloc(r->header_size);
    if (now == NULL)
        return err_nomem(err);
    ssize_t n = r->io.pread(r->io.ctx, now, r->header_size, off, err);
    int rc = 0;
    if (n < 0)
        rc = -1;
    else if ((size_t)n != r->header_size || memcmp(now, raw, r->header_size) != 0)
        rc = err_set(err, ERR_FAIL,
                     "the new header does not read back as it was written");
    free(now);
    return rc;
}

int reheader_in_place(struct reader *r, const struct reheader_io *io,
                      const uint8_t *raw, struct err *err)
{
    if (put(io, raw, r->header_size, copy_at(r), err) != 0 ||
        put(io, raw, r->header_size, 0, err) != 0 ||
        read_back(r, raw, copy_at(r), err) != 0)
        return -1;
    return read_back(r, raw, 0, err);
}

/* ---- a copy ---- */

/* Open the record in `c` for its own sake; the copy gets the bytes as they were. */
static int authenticate(const struct reader *r, struct reader_scratch *sc,
                        const struct chunk *c, struct err *err)
{
    struct chunk *own = sc->chunk;
    own->record.len = 0;
    if (buf_add(&own->record, c->record.p, c->record.len) != 0)
        return err_nomem(err);
    own->head = c->head;
    own->offset = c->offset;
    return chunk_open(own, sc->codec, r->keys, r->raw, r->chunk_size, err);
}

static int check_end(const struct chunk *end, const struct chunk *c, uint64_t records,
                     struct err *err)
{
    struct end e;
    if (end->plain.len != END_SIZE || end_decode(end->plain.p, &e, err) != 0 ||
        e.offset != c->offset || e.records != records)
        return err_set(err, ERR_DAMAGED,
                       "the archive is damaged: its end is out of place");
    return 0;
}

static int copy_records(struct reader *r, struct chunk *c, struct reader_scratch *sc,
                        reheader_sink_fn *sink, void *ctx, struct err *err)
{
    c->offset = 0;
    for (uint64_t seq = 0;; seq++) {
        bool end;
        if (err_stopped(err) != 0 || reader_frame(r, c, err) != 0)
            return -1;
        if (c->head.seq != seq)
            return err_set(err, ERR_DAMAGED,
                           "the archive is damaged: record %llu is missing",
                           (unsigned long long)seq);
        end = c->head.type == REC_END;
        if ((seq == 0 || end) && authenticate(r, sc, c, err) != 0)
            return -1;
        if (end && check_end(sc->chunk, c, seq + 1, err) != 0)
            return -1;
        if (sink(ctx, c->record.p, c->record.len, err) != 0)
            return -1;
        if (end)
            return 0; /* c->offset is END's */
        c->offset += c->record.len;
    }
}

int reheader_copy(struct reader *r, const uint8_t *raw, reheader_sink_fn *sink,
                  void *ctx, struct err *err)
{
    struct reader_scratch sc = {0};
    struct chunk **c = chunk_new_all(1, 0, DATA_BODY_MAX(r->chunk_size));
    uint8_t tail[TAIL_SIZE];
    int rc = -1;

    if (c == NULL) {
        err_nomem(err);
        goto out;
    }
    if (reader_scratch_new(r, &sc, err) != 0 ||
        sink(ctx, raw, r->header_size, err) != 0 ||
        copy_records(r, c[0], &sc, sink, ctx, err) != 0 ||
        reader_spare(r, c[0]->offset, err) != 0)
        goto out;
    end_tail_encode(r->header.units, r->pos, tail);
    rc = sink(ctx, raw, r->header_size, err);
    if (rc == 0)
        rc = sink(ctx, tail, sizeof tail, err);
out:
    reader_scratch_free(&sc);
    chunk_free_all(c, 1);
    return rc;
}
