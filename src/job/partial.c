#include "job/partial.h"

#include <stdlib.h>
#include <string.h>

#include "archive/tarin.h"
#include "container/stream.h"
#include "job/fetched.h"
#include "job/items.h"
#include "util/path.h"

/* Tar bytes [off, off + len) to be read; neighbours are one range. */
struct range {
    uint64_t off, len;
};

struct partial {
    struct opened *o;
    struct select *select;
    struct range *ranges;
    size_t nranges, ranges_cap;
    struct fetched_set *fetched;
    size_t nfetched;
    struct manifest_totals totals;

    /* While reading: the framing thread. */
    size_t plan_range;
    uint64_t plan_chunk; /* next within plan_range */
    uint64_t plan_last;  /* emitted last, or UINT64_MAX */

    /* While reading: the caller's thread. */
    struct stream *stream;
    struct stream_piece piece; /* current chunk */
    uint64_t chunk;            /* its number, or UINT64_MAX */
    size_t cur;                /* range being delivered */
    uint64_t done;             /* bytes of it delivered */
    bool ended;                /* the closing zero blocks were delivered */
    uint64_t position;         /* of the next entry, in the bytes delivered */
    struct buf own; /* the item of a link whose primary came in its place; its own entry
                       is next */
    const struct unpack_sink *sink;
    struct items items;
};

/* ---- walking the items of an index ---- */

/* The next item that is selected. 1, 0, -1. */
static int next_wanted(struct partial *p, struct item *item, struct err *err)
{
    int more;
    while ((more = items_next(&p->items, item, err)) == 1)
        if (select_wants(p->select, item->path) != SELECT_NO)
            break;
    return more;
}

static bool needs_primary(struct partial *p, const struct item *item)
{
    return item->type == ITEM_HARDLINK &&
           select_wants(p->select, item->link) != SELECT_YES;
}

static int contradicts(const struct item *item, struct err *err)
{
    return err_set(err, ERR_DAMAGED,
                   "the archive contradicts itself: %s is not what its index says",
                   item->path);
}

/* ---- planning ---- */

static int add_range(struct partial *p, uint64_t off, uint64_t len, bool own,
                     struct err *err)
{
    struct range *last = p->nranges > 0 ? &p->ranges[p->nranges - 1] : NULL;
    if (last != NULL && !own && last->len > 0 && last->off + last->len == off) {
        last->len += len;
        return 0;
    }
    if (p->nranges == p->ranges_cap) {
        size_t cap = p->ranges_cap ? 2 * p->ranges_cap : 64;
        struct range *r = realloc(p->ranges, cap * sizeof *r);
        if (r == NULL)
            return err_nomem(err);
        p->ranges = r;
        p->ranges_cap = cap;
    }
    p->ranges[p->nranges++] = (struct range){off, len};
    return 0;
}

/* The primary in front of the link, which is read as well: its entry must be that of
 * its item, or we would fetch what nobody linked to. */
static int add_fetched(struct partial *p, const struct item *link, struct err *err)
{
    if (fetched_add(p->fetched, link, p->nranges, err) != 0)
        return -1;
    p->nfetched++;
    if (add_range(p, link->link_offset, 0, true, err) != 0) /* length: fill_fetched */
        return -1;
    return add_range(p, link->tar_offset, link->tar_length, true, err);
}

/* Add what a selected item needs to be read. */
static int add_item(struct partial *p, const struct item *item, struct err *err)
{
    manifest_count(&p->totals, item);
    if (!needs_primary(p, item))
        return add_range(p, item->tar_offset, item->tar_length, false, err);
    const struct fetched *f = fetched_find(p->fetched, item->link);
    if (f == NULL)
        return add_fetched(p, item, err);
    if (f->offset != item->link_offset)
        return contradicts(item, err);
    return add_range(p, item->tar_offset, item->tar_length, false, err);
}

/* A second pass for the primaries: their items are somewhere before the links. */
static int fill_fetched(struct partial *p, struct err *err)
{
    struct item item;
    int more = 1;
    size_t missing = p->nfetched;

    items_start(&p->items, p->o->index, &p->o->manifest.totals);
    while (missing > 0 && (more = items_next(&p->items, &item, err)) == 1) {
        struct fetched *f = fetched_find(p->fetched, item.path);
        struct buf b = {0};
        if (f == NULL || f->item != NULL)
            continue;
        if (item.type != ITEM_FILE || item.tar_offset != f->offset)
            return contradicts(&item, err);
        if (item_encode(&item, &b, err) != 0) {
            buf_free(&b);
            return -1;
        }
        f->item = b.p;
        f->item_len = b.len;
        p->ranges[f->range].len = item.tar_length;
        manifest_count(&p->totals, &item);
        missing--;
    }
    if (more < 0)
        return -1;
    return missing == 0
               ? 0
               : err_set(err, ERR_DAMAGED,
                         "the archive contradicts itself: a hard link leads nowhere");
}

int partial_plan(struct partial **out, struct opened *o, struct select *select,
                 struct err *err)
{
    struct partial *p = calloc(1, sizeof *p);
    struct item item;
    int more;
    if (p == NULL)
        return err_nomem(err);
    if (fetched_new(&p->fetched, err) != 0) {
        free(p);
        return -1;
    }
    p->o = o;
    p->select = select;
    p->plan_last = p->chunk = UINT64_MAX;
    items_start(&p->items, o->index, &o->manifest.totals);
    while ((more = next_wanted(p, &item, err)) == 1)
        if (add_item(p, &item, err) != 0)
            goto fail;
    if (more < 0 || select_check_met(select, err) != 0 || fill_fetched(p, err) != 0)
        goto fail;
    *out = p;
    return 0;
fail:
    partial_free(p);
    return -1;
}

const struct manifest_totals *partial_totals(const struct partial *p)
{
    return &p->totals;
}

void partial_free(struct partial *p)
{
    if (p == NULL)
        return;
    fetched_free(p->fetched);
    items_free(&p->items);
    buf_free(&p->own);
    free(p->ranges);
    free(p);
}

/* ---- reading: which chunks (framing thread) ---- */

static int plan_next(void *ctx, uint64_t *chunk, struct err *err)
{
    struct partial *p = ctx;
    uint64_t size = p->o->reader->chunk_size;
    (void)err;
    while (p->plan_range < p->nranges) {
        const struct range *r = &p->ranges[p->plan_range];
        uint64_t first = r->off / size, last = (r->off + r->len - 1) / size;
        if (p->plan_chunk < first)
            p->plan_chunk = first;
        if (p->plan_chunk > last || r->len == 0) {
            p->plan_range++;
            p->plan_chunk = 0;
            continue;
        }
        *chunk = p->plan_chunk++;
        if (*chunk == p->plan_last)
            continue; /* the caller still has it */
        p->plan_last = *chunk;
        return 1;
    }
    return 0;
}

/* ---- reading: the bytes of the ranges, one after another ---- */

static ssize_t pull(void *ctx, const void **buf, struct err *err)
{
    static const uint8_t zeros[TAR_END_SIZE];
    struct partial *p = ctx;
    uint64_t size = p->o->reader->chunk_size;

    while (p->cur < p->nranges && p->done == p->ranges[p->cur].len) {
        p->cur++;
        p->done = 0;
    }
    if (p->cur == p->nranges) {
        if (p->ended)
            return 0;
        p->ended = true;
        *buf = zeros;
        return sizeof zeros;
    }
    uint64_t at = p->ranges[p->cur].off + p->done, number = at / size;
    if (p->chunk != number) {
        int more = stream_next(p->stream, &p->piece, err);
        if (more < 0)
            return -1;
        if (more == 0 || p->piece.pos != number)
            return err_set(err, ERR_DAMAGED,
                           "the archive is damaged: a chunk is missing");
        p->chunk = number;
    }
    uint64_t in = at - number * size, n = p->ranges[p->cur].len - p->done;
    if (in >= p->piece.len)
        return err_set(err, ERR_DAMAGED,
                       "the archive is damaged: an entry lies outside it");
    if (n > p->piece.len - in)
        n = p->piece.len - in;
    p->done += n;
    *buf = p->piece.p + in;
    return (ssize_t)n;
}

/* ---- reading: entries against items ---- */

/* `e` must be what `want` says, at our position in the bytes delivered. */
static int check(struct partial *p, const struct item *want, const struct entry *e,
                 struct err *err)
{
    struct item here = *want;
    here.tar_offset = p->position;
    p->position += want->tar_length;
    return item_equal(&here, &e->item) ? 0 : contradicts(want, err);
}

/* Content, unless it is made of the zeros that we put behind the last range: the item
 * of that entry promised less than there is. */
static int pass_data(void *ctx, const void *buf, size_t len, uint64_t off,
                     struct err *err)
{
    struct partial *p = ctx;
    if (p->ended)
        return err_set(
            err, ERR_DAMAGED,
            "the archive contradicts itself: an entry is longer than its index "
            "says");
    return p->sink->data == NULL ? 0 : p->sink->data(p->sink->ctx, buf, len, off, err);
}

static int pass_entry(void *ctx, const struct entry *e, struct err *err)
{
    struct partial *p = ctx;
    return p->sink->entry == NULL ? 0 : p->sink->entry(p->sink->ctx, e, err);
}

static int pass_end(void *ctx, struct err *err)
{
    struct partial *p = ctx;
    return p->sink->end == NULL ? 0 : p->sink->end(p->sink->ctx, err);
}

/* The entry of a link whose primary has been given to the sink under its name. */
static int own_entry(struct partial *p, const struct entry *e, struct err *err)
{
    struct item item;
    size_t used;
    if (item_decode(p->own.p, p->own.len, &item, &used, err) != 0 ||
        check(p, &item, e, err) != 0)
        return -1;
    p->own.len = 0;
    return 0;
}

/* The next selected item, and the entry that belongs to it, as the sink shall see it.
 */
static int one_entry(struct partial *p, struct tarin *tar, const struct entry *e,
                     struct err *err)
{
    const struct unpack_sink pass = {
        .entry = pass_entry, .data = pass_data, .end = pass_end, .ctx = p};
    struct item item, primary;
    struct entry seen = *e;
    size_t used;

    if (err_stopped(err) != 0)
        return -1;
    if (p->own.len > 0)
        return own_entry(p, e, err);
    int more = next_wanted(p, &item, err);
    if (more != 1)
        return more < 0 ? -1 : contradicts(&e->item, err);
    struct fetched *f =
        needs_primary(p, &item) ? fetched_find(p->fetched, item.link) : NULL;
    if (f != NULL && strcmp(f->path, item.path) == 0) {
        if (item_decode(f->item, f->item_len, &primary, &used, err) != 0 ||
            check(p, &primary, e, err) != 0 || item_encode(&item, &p->own, err) != 0)
            return -1;
        seen.item.path = f->path;
    } else {
        if (check(p, &item, e, err) != 0)
            return -1;
        if (f != NULL)
            seen.item.link = f->path;
    }
    return unpack_entry(tar, &seen, &pass, err);
}

int partial_unpack(struct partial *p, const struct job *job,
                   const struct unpack_sink *sink, struct err *err)
{
    struct index *own = NULL; /* the framing thread's */
    struct tarin *tar = NULL;
    const struct entry *e;
    struct item left;
    int more, rc = -1;

    p->sink = sink;
    items_start(&p->items, p->o->index, &p->o->manifest.totals);
    if (index_open(&own, p->o->reader, err) != 0 ||
        stream_open_chunks(&p->stream, p->o->reader, own, plan_next, p, job->threads,
                           err) != 0 ||
        tarin_open(&tar, pull, p, err) != 0)
        goto out;
    while ((more = tarin_next(tar, &e, err)) == 1)
        if (one_entry(p, tar, e, err) != 0)
            goto out;
    if (more != 0)
        goto out;
    more = next_wanted(p, &left, err);
    if (more == 1)
        contradicts(&left, err);
    if (more == 0 && p->own.len > 0)
        more = err_set(
            err, ERR_DAMAGED,
            "the archive contradicts itself: a hard link is missing in its tar");
    rc = more == 0 ? 0 : -1;
out:
    tarin_free(tar);
    stream_close(p->stream, err);
    p->stream = NULL;
    index_free(own);
    return rc;
}
