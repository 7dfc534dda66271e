#include "container/stream.h"

#include <stdbool.h>
#include <stdlib.h>

#include "pipe/pipe.h"

struct worker {
    const struct stream *s;
    struct codec *codec;
};

struct stream {
    /* Set at opening, then read by all threads. */
    struct reader *r;
    struct index *index; /* NULL: all records */
    stream_plan_fn *plan;
    void *plan_ctx;

    /* The framing thread. */
    uint64_t offset; /* of the next head */

    /* The caller's thread. */
    struct order order;
    struct chunk *held; /* behind the piece last returned */
    struct pipe *pipe;  /* NULL once it has ended */
    bool failed;

    struct worker workers[PIPE_WORKERS_MAX];
    void *worker_ptrs[PIPE_WORKERS_MAX];
    unsigned nworkers;
    struct chunk **chunks;
    size_t nchunks;
};

/* ---- the framing thread ---- */

static int frame_all(void *ctx, struct pipe *pipe, struct err *err)
{
    struct stream *s = ctx;
    for (bool end = false; !end;) {
        struct chunk *c = pipe_get(pipe);
        if (c == NULL)
            return 0;
        if (reader_frame(s->r, c, err) != 0)
            return -1;
        c->offset = s->offset;
        s->offset += c->record.len;
        end = c->head.type == REC_END; /* or claims to be: order_record will tell */
        pipe_put(pipe, c);
    }
    pipe_close(pipe);
    return 0;
}

/* One DATA record by its number. */
static int frame_chunk(struct stream *s, struct chunk *c, uint64_t number,
                       struct err *err)
{
    struct reader_place place;
    if (index_chunk(s->index, number, &place, err) != 0)
        return -1;
    return reader_frame_at(s->r, c, &place, err);
}

static int frame_plan(void *ctx, struct pipe *pipe, struct err *err)
{
    struct stream *s = ctx;
    uint64_t number;
    int more;
    while ((more = s->plan(s->plan_ctx, &number, err)) == 1) {
        struct chunk *c = pipe_get(pipe);
        if (c == NULL)
            return 0;
        if (frame_chunk(s, c, number, err) != 0)
            return -1;
        pipe_put(pipe, c);
    }
    if (more == 0)
        pipe_close(pipe);
    return more;
}

/* ---- workers ---- */

static int work(void *ctx, void *buffer, struct err *err)
{
    struct worker *w = ctx;
    struct reader *r = w->s->r;
    return chunk_open(buffer, w->codec, r->keys, r->raw, r->chunk_size, err);
}

/* ---- the caller's thread ---- */

static int start(struct stream *s, unsigned threads, pipe_role_fn *role,
                 struct err *err)
{
    s->nchunks = 2 * (size_t)threads + 2;
    s->chunks =
        chunk_new_all(s->nchunks, s->r->chunk_size, DATA_BODY_MAX(s->r->chunk_size));
    if (s->chunks == NULL)
        return err_nomem(err);
    for (unsigned i = 0; i < threads; i++) {
        s->workers[i].s = s;
        s->worker_ptrs[i] = &s->workers[i];
        if (codec_new(&s->workers[i].codec, 0, s->r->header.chunk_log2, err) != 0)
            return -1;
        s->nworkers++;
    }
    if (pipe_start(&s->pipe, (void *const *)s->chunks, s->nchunks, work, s->worker_ptrs,
                   s->nworkers, err) != 0)
        return -1;
    return pipe_spawn(s->pipe, role, s, err);
}

static int open_stream(struct stream **out, struct reader *r, struct index *index,
                       stream_plan_fn *plan, void *ctx, unsigned threads,
                       struct err *err)
{
    struct stream *s = calloc(1, sizeof *s);
    if (s == NULL)
        return err_nomem(err);
    s->r = r;
    s->index = index;
    s->plan = plan;
    s->plan_ctx = ctx;
    order_init(&s->order, r->chunk_size);
    if (start(s, threads, plan == NULL ? frame_all : frame_plan, err) != 0) {
        stream_close(s, err);
        return -1;
    }
    *out = s;
    return 0;
}

int stream_open_all(struct stream **s, struct reader *r, unsigned threads,
                    struct err *err)
{
    return open_stream(s, r, NULL, NULL, NULL, threads, err);
}

int stream_open_chunks(struct stream **s, struct reader *r, struct index *index,
                       stream_plan_fn *plan, void *ctx, unsigned threads,
                       struct err *err)
{
    return open_stream(s, r, index, plan, ctx, threads, err);
}

static void release_held(struct stream *s)
{
    if (s->held != NULL)
        pipe_release(s->pipe, s->held);
    s->held = NULL;
}

/* Wait for the threads. After a failure the framing thread may sit in a read from
 * somebody who sends nothing more: the error must not wait for him. */
static int finish(struct stream *s, struct err *err)
{
    struct err failure = {0};
    pipe_error(s->pipe, &failure);
    if (failure.cls != ERR_NONE && s->r->io.cancel != NULL)
        s->r->io.cancel(s->r->io.ctx);
    int rc = pipe_finish(s->pipe, err);
    s->pipe = NULL;
    return rc;
}

int stream_next(struct stream *s, struct stream_piece *piece, struct err *err)
{
    if (s->pipe == NULL)
        return s->failed ? -1 : 0;
    for (;;) {
        release_held(s);
        struct chunk *c = pipe_next(s->pipe);
        if (c == NULL) {
            int rc = finish(s, err);
            s->failed = rc != 0 || (s->plan == NULL && !s->order.ended);
            if (rc == 0 && s->failed)
                return err_set(err, ERR_DAMAGED,
                               "the archive is damaged: it has no end");
            return rc;
        }
        s->held = c;
        if (s->plan == NULL && order_record(&s->order, c, err) != 0)
            return -1;
        uint8_t type = c->head.type;
        if (type == REC_DATA || type == REC_ENTRIES || type == REC_MANIFEST) {
            *piece = (struct stream_piece){.type = type,
                                           .pos = c->head.pos,
                                           .first_entry = c->first_entry,
                                           .p = c->plain.p,
                                           .len = c->plain.len};
            return 1;
        }
    }
}

const struct end *stream_end(const struct stream *s)
{
    return &s->order.end;
}

void stream_entries(struct stream *s, uint64_t n)
{
    order_entries(&s->order, n);
}

void stream_close(struct stream *s, struct err *err)
{
    if (s == NULL)
        return;
    if (s->pipe != NULL) {
        pipe_fail(s->pipe,
                  err); /* given up by its owner, who has an error of his own */
        finish(s, err);
    }
    for (unsigned i = 0; i < s->nworkers; i++)
        codec_free(s->workers[i].codec);
    chunk_free_all(s->chunks, s->nchunks);
    order_free(&s->order);
    free(s);
}
