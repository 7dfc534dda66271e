#include "job/lost.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "archive/digest.h"
#include "util/buf.h"

/* An entry that was seen. */
struct row {
    uint64_t offset;
    uint8_t hash[DIGEST_SIZE]; /* of its item */
};

/* Bytes that wait; `off` is where the oldest begin. */
struct queue {
    struct buf b;
    size_t off;
};

struct lost {
    lost_fn *fn;
    void *ctx;
    struct queue want; /* items */
    struct queue seen; /* struct row */
    uint64_t frontier; /* nothing that begins below it will be seen any more */
    uint64_t next;     /* the lowest offset that the next item may have */
    struct digest *digest;
    struct buf encoded; /* reused */
    struct lost_counts counts;
};

int lost_new(struct lost **out, lost_fn *fn, void *ctx, struct err *err)
{
    struct lost *l = calloc(1, sizeof *l);
    if (l == NULL)
        return err_nomem(err);
    l->fn = fn;
    l->ctx = ctx;
    if (digest_new(&l->digest, err) != 0) {
        free(l);
        return -1;
    }
    *out = l;
    return 0;
}

void lost_free(struct lost *l)
{
    if (l == NULL)
        return;
    digest_free(l->digest);
    buf_free(&l->want.b);
    buf_free(&l->seen.b);
    buf_free(&l->encoded);
    free(l);
}

const struct lost_counts *lost_counts(const struct lost *l)
{
    return &l->counts;
}

static void drop(struct queue *q, size_t n)
{
    q->off += n;
    if (q->off == q->b.len) {
        q->off = q->b.len = 0;
    } else if (q->off > q->b.len / 2) {
        memmove(q->b.p, q->b.p + q->off, q->b.len - q->off);
        q->b.len -= q->off;
        q->off = 0;
    }
}

/* Over what the tar knows as well as the item does. */
static int hash(struct lost *l, const struct item *item, uint8_t out[DIGEST_SIZE],
                struct err *err)
{
    struct item bare = *item;
    bare.flags = 0;
    bare.stored = bare.tar_length = bare.link_offset = 0;
    l->encoded.len = 0;
    if (item_encode(&bare, &l->encoded, err) != 0)
        return -1;
    digest_start(l->digest);
    digest_data(l->digest, l->encoded.p, l->encoded.len);
    digest_end(l->digest, out);
    return 0;
}

/* The oldest entry that was seen, or false. */
static bool oldest(const struct lost *l, struct row *row)
{
    if (l->seen.off == l->seen.b.len)
        return false;
    memcpy(row, l->seen.b.p + l->seen.off, sizeof *row);
    return true;
}

/* What becomes of one item: is there an entry for it? */
static int judge(struct lost *l, const struct item *item, struct err *err)
{
    struct row row;
    uint8_t own[DIGEST_SIZE];
    bool any;
    /* Those before it were listed by an ENTRIES that is lost. */
    while ((any = oldest(l, &row)) && row.offset < item->tar_offset)
        drop(&l->seen, sizeof row);
    if (!any || row.offset != item->tar_offset) {
        l->counts.lost++;
        return l->fn(l->ctx, item, err);
    }
    drop(&l->seen, sizeof row);
    if (hash(l, item, own, err) != 0)
        return -1;
    if (memcmp(own, row.hash, sizeof own) != 0)
        l->counts.contradictions++;
    return 0;
}

static int match(struct lost *l, struct err *err)
{
    while (l->want.off < l->want.b.len) {
        struct item item;
        size_t used;
        if (item_decode(l->want.b.p + l->want.off, l->want.b.len - l->want.off, &item,
                        &used, err) != 0)
            return -1;
        if (item.tar_offset >= l->frontier)
            return 0;
        if (judge(l, &item, err) != 0)
            return -1;
        drop(&l->want, used);
    }
    return 0;
}

int lost_seen(struct lost *l, const struct item *item, struct err *err)
{
    struct row row = {.offset = item->tar_offset};
    if (hash(l, item, row.hash, err) != 0)
        return -1;
    if (buf_add(&l->seen.b, &row, sizeof row) != 0)
        return err_nomem(err);
    l->counts.seen++;
    l->frontier = item->tar_offset + 1;
    return match(l, err);
}

int lost_items(struct lost *l, const uint8_t *p, size_t len, struct err *err)
{
    size_t used;
    for (size_t off = 0; off < len; off += used) {
        struct item item;
        if (item_decode(p + off, len - off, &item, &used, err) != 0)
            return -1;
        l->counts.listed++;
        if (item.tar_offset < l->next) {
            l->counts.contradictions++;
            continue;
        }
        l->next = item.tar_offset + 1;
        if (buf_add(&l->want.b, p + off, used) != 0)
            return err_nomem(err);
    }
    return match(l, err);
}

int lost_end(struct lost *l, struct err *err)
{
    l->frontier = UINT64_MAX;
    return match(l, err);
}
