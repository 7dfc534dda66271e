#include "job/partial.h"

#include <stdlib.h>
#include <string.h>

#include "archive/tarin.h"
#include "container/stream.h"
#include "util/path.h"

#define BLOCK 4096u

/* Tar bytes [off, off + len) to be read; neighbours are one range. */
struct range {
    uint64_t off, len;
};

/* A primary that was not selected, fetched for a link that was. */
struct fetched {
    uint64_t offset; /* of the primary in the tar */
    char *path;      /* of the first selected link: the name it gets */
    uint8_t *item;   /* the primary's item, encoded */
    size_t item_len;
    size_t range; /* where it stands in ranges[] */
};

struct partial {
    struct opened *o;
    struct select *select;
    struct range *ranges;
    size_t nranges, ranges_cap;
    struct fetched *fetched;
    size_t nfetched, fetched_cap;
    uint64_t entries, stored, disk_bytes;

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
    const uint8_t *items;      /* cursor over ENTRIES */
    size_t items_len, items_off;
};

/* ---- walking the items of an index ---- */

/* The next item in the archive. 1, 0, -1. */
static int next_item(struct partial *p, struct item *item, struct err *err)
{
    size_t used;
    while (p->items_off == p->items_len) {
        int more = index_entries(p->o->index, &p->items, &p->items_len, err);
        if (more != 1)
            return more;
        p->items_off = 0;
    }
    if (item_decode(p->items + p->items_off, p->items_len - p->items_off, item, &used,
                    err))
        return -1;
    p->items_off += used;
    return 1;
}

static void rewind_items(struct partial *p)
{
    index_rewind(p->o->index);
    p->items_len = p->items_off = 0;
}

/* The next item that is selected. 1, 0, -1. */
static int next_wanted(struct partial *p, struct item *item, struct err *err)
{
    int more;
    while ((more = next_item(p, item, err)) == 1)
        if (select_wants(p->select, item->path) != SELECT_NO)
            break;
    return more;
}

static bool needs_primary(struct partial *p, const struct item *item)
{
    return item->type == ITEM_HARDLINK &&
           select_wants(p->select, item->link) != SELECT_YES;
}

static struct fetched *find_fetched(struct partial *p, uint64_t offset)
{
    for (size_t i = 0; i < p->nfetched; i++)
        if (p->fetched[i].offset == offset)
            return &p->fetched[i];
    return NULL;
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

static int add_fetched(struct partial *p, const struct item *link, struct err *err)
{
    if (p->nfetched == p->fetched_cap) {
        size_t cap = p->fetched_cap ? 2 * p->fetched_cap : 16;
        struct fetched *f = realloc(p->fetched, cap * sizeof *f);
        if (f == NULL)
            return err_nomem(err);
        p->fetched = f;
        p->fetched_cap = cap;
    }
    struct fetched *f = &p->fetched[p->nfetched];
    *f = (struct fetched){.offset = link->link_offset, .range = p->nranges};
    f->path = strdup(link->path);
    if (f->path == NULL)
        return err_nomem(err);
    p->nfetched++;
    return add_range(p, link->link_offset, 0, true, err); /* length: fill_fetched */
}

static void count(struct partial *p, const struct item *item)
{
    p->entries++;
    p->stored += item->stored;
    p->disk_bytes += (item->stored + BLOCK - 1) / BLOCK * BLOCK;
    if (item->type == ITEM_DIR)
        p->disk_bytes += BLOCK;
}

static int check_primary(const struct item *item, struct err *err)
{
    return item->type == ITEM_FILE
               ? 0
               : err_set(
                     err, ERR_DAMAGED,
                     "the archive contradicts itself: %s is linked to and is no file",
                     item->path);
}

/* A second pass for the primaries: their items are somewhere before the links. */
static int fill_fetched(struct partial *p, struct err *err)
{
    struct item item;
    int more = 1;
    size_t missing = p->nfetched;

    rewind_items(p);
    while (missing > 0 && (more = next_item(p, &item, err)) == 1) {
        struct fetched *f = find_fetched(p, item.tar_offset);
        struct buf b = {0};
        if (f == NULL || f->item != NULL)
            continue;
        if (check_primary(&item, err) != 0)
            return -1;
        if (item_encode(&item, &b, err) != 0) {
            buf_free(&b);
            return -1;
        }
        f->item = b.p;
        f->item_len = b.len;
        p->ranges[f->range].len = item.tar_length;
        count(p, &item);
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
    p->o = o;
    p->select = select;
    p->plan_last = p->chunk = UINT64_MAX;
    rewind_items(p);
    while ((more = next_wanted(p, &item, err)) == 1) {
        bool primary = needs_primary(p, &item);
        int r = 0;
        if (primary && find_fetched(p, item.link_offset) == NULL)
            r = add_fetched(p, &item, err);
        else
            r = add_range(p, item.tar_offset, item.tar_length, false, err);
        if (r != 0)
            goto fail;
        count(p, &item);
    }
    if (more < 0 || select_check_met(select, err) != 0 || fill_fetched(p, err) != 0)
        goto fail;
    *out = p;
    return 0;
fail:
    partial_free(p);
    return -1;
}

void partial_totals(const struct partial *p, uint64_t *entries, uint64_t *stored,
                    uint64_t *disk_bytes)
{
    *entries = p->entries;
    *stored = p->stored;
    *disk_bytes = p->disk_bytes;
}

void partial_free(struct partial *p)
{
    if (p == NULL)
        return;
    for (size_t i = 0; i < p->nfetched; i++) {
        free(p->fetched[i].path);
        free(p->fetched[i].item);
    }
    free(p->fetched);
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
    static const uint8_t zeros[1024];
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

static int contradicts(const struct item *item, struct err *err)
{
    return err_set(err, ERR_DAMAGED,
                   "the archive contradicts itself: %s is not what its index says",
                   item->path);
}

/* `e` must be what `want` says, at our position in the bytes delivered. */
static int check(struct partial *p, const struct item *want, const struct entry *e,
                 struct err *err)
{
    struct item here = *want;
    here.tar_offset = p->position;
    p->position += want->tar_length;
    return item_equal(&here, &e->item) ? 0 : contradicts(want, err);
}

/* The next selected item, and the entry that belongs to it, as the sink shall see it.
 */
static int one_entry(struct partial *p, struct tarin *tar, const struct entry *e,
                     const struct unpack_sink *sink, struct err *err)
{
    struct item item, primary;
    struct entry seen = *e;
    size_t used;

    if (err_stopped(err) != 0)
        return -1;
    if (next_wanted(p, &item, err) != 1)
        return contradicts(&e->item, err);
    struct fetched *f =
        needs_primary(p, &item) ? find_fetched(p, item.link_offset) : NULL;
    if (f != NULL && strcmp(f->path, item.path) == 0) {
        if (item_decode(f->item, f->item_len, &primary, &used, err) != 0 ||
            check(p, &primary, e, err) != 0)
            return -1;
        if (strcmp(primary.path, item.link) != 0)
            return contradicts(&item, err);
        seen.item.path = f->path;
    } else {
        if (check(p, &item, e, err) != 0)
            return -1;
        if (f != NULL)
            seen.item.link = f->path;
    }
    return unpack_entry(tar, &seen, sink, err);
}

int partial_unpack(struct partial *p, const struct job *job,
                   const struct unpack_sink *sink, struct err *err)
{
    struct index *own = NULL; /* the framing thread's */
    struct tarin *tar = NULL;
    const struct entry *e;
    struct item left;
    int more, rc = -1;

    rewind_items(p);
    if (index_open(&own, p->o->reader, err) != 0 ||
        stream_open_chunks(&p->stream, p->o->reader, own, plan_next, p, job->threads,
                           err) != 0 ||
        tarin_open(&tar, pull, p, err) != 0)
        goto out;
    while ((more = tarin_next(tar, &e, err)) == 1)
        if (one_entry(p, tar, e, sink, err) != 0)
            goto out;
    if (more != 0)
        goto out;
    more = next_wanted(p, &left, err);
    if (more == 1)
        contradicts(&left, err);
    rc = more == 0 ? 0 : -1;
out:
    tarin_free(tar);
    stream_close(p->stream, err);
    p->stream = NULL;
    index_free(own);
    return rc;
}
