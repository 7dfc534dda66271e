#include "job/unpack.h"

#include <string.h>

#include "archive/tarin.h"
#include "container/stream.h"
#include "job/chunkmarks.h"
#include "job/itemrules.h"

/* A queue of encoded items. Items and tar entries come in the same order, but a piece
 * of ENTRIES comes some chunks after the entries it lists, or, at a chunk's edge, just
 * before the tar reader is done with them. */
struct queue {
    struct buf b;
    size_t off; /* of the oldest */
};

struct unpack {
    struct opened *o;
    struct select *select;
    const struct unpack_sink *sink;
    struct stream *stream;
    struct tarin *tar;
    struct queue want;  /* from ENTRIES */
    struct queue seen;  /* from the tar */
    uint64_t tar_bytes; /* pulled so far */
    struct itemrules rules;
    struct chunkmarks marks;
};

/* ---- items against the tar ---- */

static void queue_drop(struct queue *q, size_t n)
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

static int queue_head(const struct queue *q, struct item *item, size_t *used,
                      struct err *err)
{
    if (q->off == q->b.len)
        return 0;
    if (item_decode(q->b.p + q->off, q->b.len - q->off, item, used, err) != 0)
        return -1;
    return 1;
}

/* Compare as many as both sides have. */
static int match(struct unpack *u, struct err *err)
{
    for (;;) {
        struct item want, seen;
        size_t want_len, seen_len;
        int w = queue_head(&u->want, &want, &want_len, err);
        int s = w == 1 ? queue_head(&u->seen, &seen, &seen_len, err) : w;
        if (w < 0 || s < 0)
            return -1;
        if (w != 1 || s != 1)
            return 0;
        if (itemrules_time(&want, err) != 0)
            return -1;
        if (!item_equal(&want, &seen))
            return err_set(
                err, ERR_DAMAGED,
                "the archive contradicts itself: %s is not what its index says",
                seen.path);
        if (itemrules_tile(&u->rules, &want, err) != 0)
            return -1;
        if (u->sink->item != NULL && u->sink->item(u->sink->ctx, &want, err) != 0)
            return -1;
        queue_drop(&u->want, want_len);
        queue_drop(&u->seen, seen_len);
    }
}

/* The items of one ENTRIES record. */
static int add_items(struct unpack *u, const struct stream_piece *piece,
                     struct err *err)
{
    uint64_t n = 0;
    for (size_t off = 0; off < piece->len; n++) {
        struct item item;
        size_t used;
        if (item_decode(piece->p + off, piece->len - off, &item, &used, err) != 0)
            return -1;
        /* What it lists must have passed: so `want` never holds more than a piece and
         * what the tar reader is about to be done with. */
        if (item.tar_length > u->tar_bytes ||
            item.tar_offset > u->tar_bytes - item.tar_length)
            return err_set(
                err, ERR_DAMAGED,
                "the archive contradicts itself: %s is listed before it comes",
                item.path);
        off += used;
    }
    stream_entries(u->stream, n);
    if (buf_add(&u->want.b, piece->p, piece->len) != 0)
        return err_nomem(err);
    return match(u, err);
}

/* ---- the stream as the tar reader sees it ---- */

static int take_manifest(struct unpack *u, const struct stream_piece *piece,
                         struct err *err)
{
    struct opened *o = u->o;
    struct manifest m;
    if (manifest_parse(piece->p, piece->len, &m, err) != 0)
        return -1;
    if (m.final != (piece->pos == 1)) {
        manifest_free(&m);
        return err_set(err, ERR_DAMAGED,
                       "the archive is damaged: its manifests are mixed up");
    }
    if (u->select != NULL && piece->pos == 0 &&
        select_bind(u->select, m.source, err) != 0) {
        manifest_free(&m);
        return -1;
    }
    int rc = 0;
    if (o->index != NULL) { /* the final one is known from the end of the file */
        if (!m.final)
            rc = manifest_agree(&m, &o->manifest, err);
        manifest_free(&m);
        return rc;
    }
    if (o->have_manifest) {
        rc = manifest_agree(&o->manifest, &m, err);
        manifest_free(&o->manifest);
    }
    o->manifest = m;
    o->have_manifest = true;
    return rc;
}

static ssize_t pull(void *ctx, const void **buf, struct err *err)
{
    struct unpack *u = ctx;
    struct stream_piece piece;
    int more;
    while ((more = stream_next(u->stream, &piece, err)) == 1) {
        if (piece.type == REC_DATA) {
            u->tar_bytes += piece.len;
            if (chunkmarks_chunk(&u->marks, piece.pos, piece.first_entry, err) != 0)
                return -1;
            *buf = piece.p;
            return (ssize_t)piece.len;
        }
        int r = piece.type == REC_ENTRIES ? add_items(u, &piece, err)
                                          : take_manifest(u, &piece, err);
        if (r != 0)
            return -1;
    }
    return more;
}

/* ---- entries ---- */

int unpack_entry(struct tarin *tar, const struct entry *e,
                 const struct unpack_sink *sink, struct err *err)
{
    const void *buf;
    size_t len;
    uint64_t off;
    int more = 0;

    if (sink->entry != NULL && sink->entry(sink->ctx, e, err) != 0)
        return -1;
    while (e->item.type == ITEM_FILE &&
           (more = tarin_data(tar, &buf, &len, &off, err)) == 1)
        if (sink->data != NULL && sink->data(sink->ctx, buf, len, off, err) != 0)
            return -1;
    if (more != 0)
        return -1;
    return sink->end != NULL ? sink->end(sink->ctx, err) : 0;
}

static int wanted(struct unpack *u, const struct entry *e, bool *yes, struct err *err)
{
    *yes = true;
    if (u->select == NULL || u->sink->entry == NULL)
        return 0;
    *yes = select_wants(u->select, e->item.path) != SELECT_NO;
    if (*yes && e->item.type == ITEM_HARDLINK &&
        select_wants(u->select, e->item.link) != SELECT_YES) {
        err_set(
            err, ERR_FAIL,
            "%s is a hard link to %s, which was not asked for and has already passed",
            e->item.path, e->item.link);
        return err_hint(err, "ask for %s as well, or give the archive as a file",
                        e->item.link);
    }
    return 0;
}

static int one_entry(struct unpack *u, const struct entry *e, struct err *err)
{
    static const struct unpack_sink nowhere;
    bool yes;
    if (err_stopped(err) != 0 ||
        itemrules_path(&u->rules, e->item.path, e->item.type, err) != 0 ||
        wanted(u, e, &yes, err) != 0)
        return -1;
    if (chunkmarks_entry(&u->marks, e->item.tar_offset, err) != 0 ||
        item_encode(&e->item, &u->seen.b, err) != 0 || match(u, err) != 0)
        return -1;
    return unpack_entry(u->tar, e, yes ? u->sink : &nowhere, err);
}

/* The tar has ended for libarchive; now for us. */
static int finish(struct unpack *u, struct err *err)
{
    const void *buf;
    ssize_t n;
    while ((n = pull(u, &buf, err)) > 0)
        if (err_stopped(err) != 0)
            return -1;
    if (n < 0)
        return -1;
    if (u->want.b.len != u->want.off || u->seen.b.len != u->seen.off)
        return err_set(
            err, ERR_DAMAGED,
            "the archive contradicts itself: its tar and its index do not list "
            "the same entries");
    if (chunkmarks_end(&u->marks, err) != 0)
        return -1;
    if (tarin_end(u->tar) != u->rules.next_offset)
        return err_set(
            err, ERR_DAMAGED,
            "the archive contradicts itself: its tar does not end where it should");
    return 0;
}

int unpack_all(struct opened *o, const struct job *job, struct select *select,
               const struct unpack_sink *sink, struct err *err)
{
    struct unpack u = {.o = o,
                       .select = select,
                       .sink = sink,
                       .marks.chunk_size = o->reader->chunk_size};
    const struct entry *e;
    int more, rc = -1;

    if (stream_open_all(&u.stream, o->reader, job->threads, err) != 0 ||
        tarin_open(&u.tar, pull, &u, err) != 0)
        goto out;
    while ((more = tarin_next(u.tar, &e, err)) == 1)
        if (one_entry(&u, e, err) != 0)
            goto out;
    if (more != 0 || finish(&u, err) != 0)
        goto out;
    o->end = *stream_end(u.stream);
    if (itemrules_end(&u.rules, &o->end, err) != 0 ||
        opened_check_totals(o, err) != 0 ||
        itemrules_totals(&u.rules, &o->manifest.totals, err) != 0)
        goto out;
    if (select != NULL && select_check_met(select, err) != 0)
        goto out;
    rc = 0;
out:
    tarin_free(u.tar);
    stream_close(u.stream, err);
    buf_free(&u.want.b);
    buf_free(&u.seen.b);
    itemrules_free(&u.rules);
    chunkmarks_free(&u.marks);
    return rc;
}
