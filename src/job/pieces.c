#include "job/pieces.h"

#include <stdlib.h>

#include "format/frame.h"

#define ZEROS (64u * 1024u)

struct pieces {
    struct search *search;
    const struct pieces_sink *sink;
    uint64_t chunk_size;
    uint8_t *zeros;              /* ZEROS of them */
    const struct chunk *held;    /* the last DATA found, or NULL; the search's */
    bool given;                  /* it was handed out */
    uint64_t lowest;             /* number that the next DATA may have */
    bool short_chunk;            /* one under a whole chunk was found: the last one */
    uint64_t next;               /* number of the chunk to hand out next */
    size_t offset;               /* of the piece's first byte in that chunk */
    uint64_t content_end;        /* see pieces_content */
    uint64_t fill_from, fill_to; /* tar bytes given as zeros, the last run */
    bool filled, gap;
    bool expected; /* tar_bytes is known */
    uint64_t tar_bytes;
};

int pieces_open(struct pieces **out, struct reader *r, const struct pieces_sink *sink,
                struct err *err)
{
    struct pieces *p = calloc(1, sizeof *p);
    if (p == NULL)
        return err_nomem(err);
    p->sink = sink;
    p->chunk_size = r->chunk_size;
    p->zeros = calloc(1, ZEROS);
    if (p->zeros == NULL) {
        err_nomem(err);
        goto fail;
    }
    if (search_open(&p->search, r, sink->skipped, sink->ctx, err) != 0)
        goto fail;
    *out = p;
    return 0;
fail:
    pieces_free(p);
    return -1;
}

void pieces_free(struct pieces *p)
{
    if (p == NULL)
        return;
    search_free(p->search);
    free(p->zeros);
    free(p);
}

bool pieces_at_gap(const struct pieces *p)
{
    return p->gap;
}

bool pieces_filled(const struct pieces *p)
{
    return p->filled;
}

void pieces_content(struct pieces *p, uint64_t end)
{
    p->content_end = end;
}

void pieces_expect(struct pieces *p, uint64_t tar_bytes)
{
    p->expected = true;
    p->tar_bytes = tar_bytes;
}

uint64_t pieces_position(const struct pieces *p)
{
    return search_position(p->search);
}

/* Whether a chunk can be where it says: behind the last one, which was a whole one, and
 * within a tar. Authentic records contradict that only if their writer did. */
static bool placed(const struct pieces *p, const struct chunk *c)
{
    return !p->short_chunk && c->head.pos >= p->lowest &&
           c->head.pos < INT64_MAX / p->chunk_size;
}

/* Hold the next DATA. 1; 0: there is no more; -1. */
static int take(struct pieces *p, struct err *err)
{
    const struct chunk *c;
    int more;
    p->held = NULL;
    p->given = false;
    while ((more = search_next(p->search, &c, err)) == 1) {
        if (p->sink->record(p->sink->ctx, c, err) != 0)
            return -1;
        if (c->head.type != REC_DATA || !placed(p, c))
            continue;
        p->held = c;
        p->lowest = c->head.pos + 1;
        p->short_chunk = c->plain.len < p->chunk_size;
        return 1;
    }
    return more;
}

int pieces_next(struct pieces *p, uint64_t floor, uint64_t *at, struct err *err)
{
    p->gap = p->filled = false;
    p->content_end = p->fill_from = p->fill_to = 0;
    for (;;) {
        int more = p->held != NULL ? 1 : take(p, err);
        if (more != 1)
            return more;
        uint64_t start = p->held->head.pos * p->chunk_size;
        uint32_t first = p->held->first_entry;
        if (first != FRAME_NO_ENTRY && start + first >= floor) {
            *at = start + first;
            p->next = p->held->head.pos;
            p->offset = first;
            p->given = false;
            return 1;
        }
        p->held = NULL;
    }
}

static ssize_t lost(struct pieces *p, struct err *err)
{
    p->gap = true;
    return err_set(err, ERR_DAMAGED, "the archive is damaged: chunk %llu is lost",
                   (unsigned long long)p->next);
}

/* Whether all that comes was handed out: by a record that knows the length, or because
 * only the last chunk is short. */
static bool complete(const struct pieces *p)
{
    uint64_t end = p->next * p->chunk_size;
    return p->expected ? end >= p->tar_bytes : p->short_chunk && p->next == p->lowest;
}

/* In place of lost chunks up to the one that is held. */
static ssize_t fill(struct pieces *p, const void **buf)
{
    uint64_t to = p->held->head.pos * p->chunk_size;
    if (p->fill_to < p->next * p->chunk_size)
        p->fill_from = p->fill_to = p->next * p->chunk_size;
    uint64_t n = to - p->fill_to;
    if (n > ZEROS)
        n = ZEROS;
    p->filled = true;
    p->fill_to += n;
    if (p->fill_to == to)
        p->next = p->held->head.pos;
    *buf = p->zeros;
    return (ssize_t)n;
}

ssize_t pieces_read(void *ctx, const void **buf, struct err *err)
{
    struct pieces *p = ctx;
    if ((p->held == NULL || p->given) && take(p, err) < 0)
        return -1;
    if (p->held == NULL)
        return complete(p) ? 0 : lost(p, err);
    const struct chunk *c = p->held;
    if (c->head.pos != p->next)
        return p->content_end > c->head.pos * p->chunk_size ? fill(p, buf)
                                                            : lost(p, err);
    size_t offset = p->offset;
    p->offset = 0;
    p->given = true;
    p->next++;
    *buf = c->plain.p + offset;
    return (ssize_t)(c->plain.len - offset);
}

size_t pieces_stretch(const struct pieces *p, uint64_t at, size_t len, bool *lost)
{
    uint64_t to = at + len;
    *lost = at >= p->fill_from && at < p->fill_to;
    if (*lost && to > p->fill_to)
        to = p->fill_to;
    else if (!*lost && at < p->fill_from && to > p->fill_from)
        to = p->fill_from;
    return (size_t)(to - at);
}
