#include "job/salvage.h"

#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>

#include "archive/tarin.h"
#include "container/order.h"
#include "job/fit.h"
#include "job/lost.h"
#include "job/opened.h"
#include "job/pieces.h"
#include "job/ranges.h"
#include "job/unpack.h"
#include "store/place.h"
#include "util/confine.h"

struct salvage {
    const struct job *job;
    const struct salvage_opts *opts;
    struct opened o;
    struct place *place;
    struct names *names;
    struct extract *x;
    struct pieces *pieces;
    struct lost *lost;

    struct order order;
    bool indexed;     /* its index leads to all it has to */
    bool whole;       /* nothing is wrong with the archive */
    bool ordered;     /* every record was where it had to be, so far */
    bool unbroken;    /* the tar came from its first byte to its end */
    bool total_known; /* by END or the final manifest: */
    uint64_t total;   /* entries of the archive */
    uint64_t floor;   /* nothing of the tar below it is wanted any more */
    uint64_t damaged_bytes;
    uint64_t saved, partial, spoiled; /* spoiled: seen, and nothing of it to be had */

    struct ranges missing; /* of the file under way, and where its content ... */
    uint64_t kept_to, at;  /* ... was last good, and has come to */
};

static const struct notice_sink *sink(const struct salvage *s)
{
    return report_sink(s->job->report);
}

/* ---- what passes: records, and what is none ---- */

static void on_skipped(void *ctx, uint64_t from, uint64_t to, bool gave_up)
{
    struct salvage *s = ctx;
    s->damaged_bytes += to - from;
    notice(sink(s), NOTICE_WARNING, "damage-found", NULL,
           "bytes %llu to %llu of the archive hold no good record%s",
           (unsigned long long)from, (unsigned long long)to - 1,
           gave_up ? "; the search ended there, for too much in it looks like one and "
                     "is none"
                   : "");
}

static int take_manifest(struct salvage *s, const struct chunk *c, struct err *err)
{
    struct opened *o = &s->o;
    struct manifest m;
    struct err why = {0};
    if (manifest_parse(c->plain.p, c->plain.len, &m, &why) != 0) {
        s->ordered = false;
        if (why.cls == ERR_DAMAGED)
            return 0;
        *err = why;
        return -1;
    }
    if (m.final && !s->total_known) {
        s->total_known = true;
        s->total = m.totals.entries;
        pieces_expect(s->pieces, m.totals.tar_bytes);
    }
    if (o->have_manifest && (o->manifest.final || !m.final)) {
        manifest_free(&m);
        return 0;
    }
    if (o->have_manifest)
        manifest_free(&o->manifest);
    o->manifest = m;
    o->have_manifest = true;
    return 0;
}

static int take_end(struct salvage *s, const struct chunk *c)
{
    struct err why = {0};
    if (c->plain.len != END_SIZE || end_decode(c->plain.p, &s->o.end, &why) != 0) {
        s->ordered = false;
        return 0;
    }
    s->total_known = true;
    s->total = s->o.end.entries;
    pieces_expect(s->pieces, s->o.end.tar_bytes);
    return 0;
}

static int take_items(struct salvage *s, const struct chunk *c, struct err *err)
{
    uint64_t before = lost_counts(s->lost)->listed;
    struct err why = {0};
    int rc = lost_items(s->lost, c->plain.p, c->plain.len, &why);
    order_entries(&s->order, lost_counts(s->lost)->listed - before);
    if (rc == 0)
        return 0;
    s->ordered = false;
    if (why.cls == ERR_DAMAGED)
        return 0;
    *err = why;
    return -1;
}

/* Of pieces. The rules of a whole archive are followed as long as they hold. */
static int on_record(void *ctx, const struct chunk *c, struct err *err)
{
    struct salvage *s = ctx;
    struct err why = {0};
    if (s->ordered && order_record(&s->order, c, &why) != 0) {
        s->ordered = false;
        if (why.cls != ERR_DAMAGED) {
            *err = why;
            return -1;
        }
    }
    switch (c->head.type) {
    case REC_ENTRIES:
        return take_items(s, c, err);
    case REC_MANIFEST:
        return take_manifest(s, c, err);
    case REC_END:
        return take_end(s, c);
    default:
        return 0;
    }
}

/* ---- lost entries ---- */

/* A lost_fn: its header did not come. */
static int on_lost(void *ctx, const struct item *item, struct err *err)
{
    struct salvage *s = ctx;
    (void)err;
    notice(sink(s), NOTICE_WARNING, "entry-lost", item->path,
           "lost: %s, with bytes %llu to %llu of the tar",
           item->type == ITEM_DIR ? "owner, mode and times of this directory"
                                  : "its beginning",
           (unsigned long long)item->tar_offset,
           (unsigned long long)(item->tar_offset + item->tar_length - 1));
    return 0;
}

/* Of one that was seen in the tar. */
static void spoil(struct salvage *s, const char *path, const char *why)
{
    s->spoiled++;
    notice(sink(s), NOTICE_WARNING, "entry-lost", path, "lost: %s", why);
}

/* ---- one file ---- */

/* A run of content at offset `at` of the tar and `off` of the file: some of it may be
 * made of zeros that are none of its own. */
static int one_run(struct salvage *s, const uint8_t *p, size_t len, uint64_t off,
                   uint64_t at, struct err *err)
{
    while (len > 0) {
        bool lost;
        size_t n = pieces_stretch(s->pieces, at, len, &lost);
        if (lost ? ranges_add(&s->missing, off, n, err) != 0
                 : extract_data(s->x, p, n, off, err) != 0)
            return -1;
        p += n;
        off += n;
        at += n;
        len -= n;
        s->at = off;
        if (!lost)
            s->kept_to = off;
    }
    return 0;
}

/* All of its content that there is has come; `cut`: up to the place where it broke off.
 */
static int end_partial(struct salvage *s, const struct entry *e, bool cut,
                       struct err *err)
{
    uint64_t size = e->item.size;
    const char *what;
    bool kept;
    if (cut && s->at < size && ranges_add(&s->missing, s->at, size - s->at, err) != 0)
        return -1;
    if (ranges_text(&s->missing, size, cut ? "; it ends there" : "; zeros stand there",
                    &what, err) != 0 ||
        extract_end_partial(s->x, cut ? s->kept_to : size, what, &kept, err) != 0)
        return -1;
    if (kept)
        s->partial++;
    else
        spoil(s, e->item.path, "all of its content is damaged");
    return 0;
}

static int save(struct salvage *s, const struct entry *e, struct err *err)
{
    if (extract_end(s->x, err) != 0)
        return -1;
    s->saved++;
    if (s->opts->name_saved)
        notice(sink(s), NOTICE_NOTE, "entry-saved", e->item.path, "saved");
    return 0;
}

/* Content of the file that was made. 1 if the piece can be gone on with, 0, -1. */
static int content(struct salvage *s, struct tarin *tar, uint64_t base,
                   const struct entry *e, struct err *err)
{
    struct err why = {0};
    const void *buf;
    size_t len;
    uint64_t off, end = base + tarin_position(tar) + e->item.stored;
    int more;

    ranges_free(&s->missing);
    s->kept_to = s->at = 0;
    pieces_content(s->pieces, end);
    while ((more = tarin_data(tar, &buf, &len, &off, &why)) == 1)
        if (one_run(s, buf, len, off, base + tarin_position(tar), err) != 0)
            return -1;
    pieces_content(s->pieces, 0);
    if (more == 0 && !pieces_filled(s->pieces))
        return save(s, e, err) == 0 ? 1 : -1;
    if (more == 0)
        s->floor = end;
    if (more == 0 || why.cls == ERR_DAMAGED)
        return end_partial(s, e, more < 0, err);
    *err = why;
    return -1;
}

/* ---- entries ---- */

/* The entry at which `tar` stands. 1 if the piece can be gone on with, 0, -1. */
static int one_entry(struct salvage *s, struct tarin *tar, uint64_t base,
                     const struct entry *e, struct err *err)
{
    struct item item = e->item;
    struct err why = {0};
    item.tar_offset += base;
    s->floor = item.tar_offset + 1;
    if (lost_seen(s->lost, &item, err) != 0)
        return -1;
    if (extract_entry(s->x, e, &why) != 0) {
        if (why.cls == ERR_DAMAGED) {
            spoil(s, item.path, why.text);
            return 1;
        }
        *err = why;
        return -1;
    }
    if (extract_link_lost(s->x)) {
        spoil(s, item.path, "the file that it is a hard link to is not there whole");
        return 1;
    }
    if (item.type == ITEM_FILE)
        return content(s, tar, base, e, err);
    return save(s, e, err) == 0 ? 1 : -1;
}

/* The piece that begins at `base`. */
static int one_piece(struct salvage *s, uint64_t base, struct err *err)
{
    struct tarin *tar = NULL;
    const struct entry *e;
    struct err why = {0};
    int more = 0, rc = 1;

    s->floor = base + 1;
    if (err_stopped(err) != 0 || tarin_open(&tar, pieces_read, s->pieces, err) != 0)
        return -1;
    while (rc == 1 && (more = tarin_next(tar, &e, &why)) == 1)
        rc = one_entry(s, tar, base, e, err);
    if (rc == 1 && more < 0 && why.cls != ERR_DAMAGED) {
        *err = why;
        rc = -1;
    } else if (rc == 1 && more < 0 && !pieces_at_gap(s->pieces)) {
        notice(sink(s), NOTICE_WARNING, "damage-found", NULL, "%s", why.text);
    }
    s->unbroken = base == 0 && rc == 1 && more == 0;
    tarin_free(tar);
    return rc < 0 ? -1 : 0;
}

static int all_pieces(struct salvage *s, struct err *err)
{
    const struct pieces_sink to = {
        .record = on_record, .skipped = on_skipped, .ctx = s};
    uint64_t base;
    int more, rc = -1;

    if (lost_new(&s->lost, on_lost, s, err) != 0 ||
        pieces_open(&s->pieces, s->o.reader, &to, err) != 0)
        return -1;
    s->ordered = true;
    order_init(&s->order, s->o.reader->chunk_size);
    while ((more = pieces_next(s->pieces, s->floor, &base, err)) == 1)
        if (one_piece(s, base, err) != 0)
            goto out;
    if (more == 0)
        rc = lost_end(s->lost, err);
out:
    pieces_free(s->pieces);
    s->pieces = NULL;
    return rc;
}

/* ---- the ends of the archive ---- */

/* What is known of both headers, and of what follows END. */
static void tell_headers(struct salvage *s)
{
    const struct reader *r = s->o.reader;
    struct err why = {0};
    if (s->ordered && s->order.ended) {
        if (opened_spare(&s->o, s->job, false, &why) == 0)
            return;
        s->ordered = false;
        notice(sink(s), NOTICE_WARNING, "damage-found", NULL, "%s", why.text);
        return;
    }
    if (r->front == READER_DAMAGED)
        notice(sink(s), NOTICE_WARNING, "header-damaged", NULL,
               "the archive's header is damaged; its copy was used");
    if (r->copy == READER_DAMAGED)
        notice(sink(s), NOTICE_WARNING, "header-copy-damaged", NULL,
               "the archive's copy of the header is damaged or missing");
}

/* Nothing was found wrong on the way. */
static bool unharmed(const struct salvage *s)
{
    const struct reader *r = s->o.reader;
    const struct lost_counts *c = lost_counts(s->lost);
    struct err why = {0};
    return s->indexed && s->ordered && s->order.ended && s->unbroken &&
           s->damaged_bytes == 0 && r->front == READER_GOOD && r->copy == READER_GOOD &&
           r->tail == READER_GOOD && !input_unreadable(s->o.in) && s->partial == 0 &&
           s->spoiled == 0 && c->lost == 0 && c->contradictions == 0 &&
           c->listed == c->seen && c->seen == s->o.end.entries &&
           opened_check_totals(&s->o, &why) == 0;
}

/* Is it whole after all? Only if it is by all the rules of a restore, too, which are
 * more: it is read once more for them. */
static int judge(struct salvage *s, struct err *err)
{
    static const struct unpack_sink nowhere;
    struct err why = {0};
    if (!unharmed(s))
        return 0;
    opened_progress(&s->o, s->job, "verifying");
    s->o.reader->pos = s->o.reader->header_size;
    s->whole = unpack_all(&s->o, s->job, NULL, &nowhere, &why) == 0;
    if (s->whole)
        return 0;
    if (why.cls == ERR_DAMAGED) {
        notice(sink(s), NOTICE_WARNING, "damage-found", NULL, "%s", why.text);
        return 0;
    }
    *err = why;
    return -1;
}

/* ---- the command ---- */

static int open_target(struct salvage *s, struct err *err)
{
    struct err why = {0};
    int rc = place_open(&s->place, s->opts->target, false, sink(s), &why);
    char *const *mounts = rc == 0 ? place_mounts(s->place) : NULL;
    if (mounts != NULL && mounts[0] != NULL)
        rc = err_set(&why, ERR_REFUSED, "something is mounted in the target: %s/%s",
                     place_path(s->place), mounts[0]);
    if (rc == 0)
        return 0;
    if (why.cls == ERR_REFUSED) {
        why.hint[0] = '\0';
        err_hint(&why, "what is salvaged goes into a directory of its own: name one "
                       "that does not exist");
    }
    *err = why;
    return -1;
}

/* Nothing but the target is to be written from here on. */
static void allow(const struct salvage *s)
{
    if (s->job->confine != NULL)
        confine_allow_fd(s->job->confine, place_base(s->place), CONFINE_TREES);
}

/* The index, where it is whole, knows beforehand how much there was. */
static int look_ahead(struct salvage *s, struct err *err)
{
    struct err why = {0};
    s->indexed = opened_index(&s->o, &why) == 0;
    if (!s->indexed && why.cls != ERR_DAMAGED) {
        *err = why;
        return -1;
    }
    opened_progress(&s->o, s->job, "salvaging");
    if (s->opts->ignore_space || !s->o.have_manifest)
        return 0;
    return fit_space(s->place, s->opts->target, &s->o.manifest.totals, err);
}

static int open_extract(struct salvage *s, struct err *err)
{
    const struct salvage_opts *o = s->opts;
    int fd = place_staging(s->place, err);
    if (fd < 0)
        return -1;
    const struct extract_opts how = {.owner = o->owner,
                                     .uid = o->uid,
                                     .gid = o->gid,
                                     .names = s->names,
                                     .read_back = o->read_back,
                                     .make_parents = true,
                                     .salvage = true};
    return extract_open(&s->x, fd, &how, sink(s), s->job->progress, err);
}

/* What was saved is as it was written, and gets its name. */
static int put_in_place(struct salvage *s, struct err *err)
{
    if (s->saved + s->partial == 0)
        return err_set(err, ERR_DAMAGED,
                       "the archive is damaged: nothing in it can be saved");
    atomic_store(&s->job->progress->phase, "syncing");
    if (extract_finish(s->x, err) != 0)
        return -1;
    if (s->opts->read_back) {
        opened_progress(&s->o, s->job, "reading back");
        if (extract_read_back(s->x, err) != 0)
            return -1;
    }
    if (err_stopped(err) != 0)
        return -1;
    return place_commit(s->place, NULL, NULL, sink(s), err);
}

static void facts(struct salvage *s)
{
    struct report *r = s->job->report;
    const struct lost_counts *c = lost_counts(s->lost);
    const struct extract_report *x = extract_report(s->x);
    opened_facts(&s->o, s->job);
    report_text(r, "target", s->opts->target);
    report_bool(r, "partial", true);
    report_bool(r, "read_back", s->opts->read_back);
    report_bool(r, "dry_run", false);
    report_u64(r, "entries", x->entries);
    report_u64(r, "bytes", x->bytes);
    report_u64(r, "proven", x->proven);
    report_u64(r, "proven_cached", x->proven_cached);
    report_u64(r, "salvage.saved", s->saved);
    report_u64(r, "salvage.partial", s->partial);
    report_u64(r, "salvage.lost", c->lost + s->spoiled);
    report_u64(r, "salvage.damaged_bytes", s->damaged_bytes);
    if (s->o.have_manifest && s->opts->owner == EXTRACT_OWNER_NUMERIC)
        fit_owners(&s->o.manifest.idmap, sink(s));
    if (!s->total_known)
        return;
    uint64_t named = c->seen + c->lost;
    report_u64(r, "salvage.total", s->total);
    report_u64(r, "salvage.unknown", s->total > named ? s->total - named : 0);
}

/* What to say of it. 0 only if nothing was wrong. */
static int verdict(struct salvage *s, struct err *err)
{
    struct report *r = s->job->report;
    uint64_t unknown = report_get_u64(r, "salvage.unknown");
    char more[64] = ", how many there were is not known";
    if (s->whole) {
        notice(sink(s), NOTICE_NOTE, "not-damaged", NULL,
               "the archive is not damaged: a restore without --salvage does more");
        return 0;
    }
    if (s->total_known)
        snprintf(more, sizeof more, ", %llu without a trace",
                 (unsigned long long)unknown);
    if (unknown > 0 || !s->total_known)
        notice(sink(s), NOTICE_WARNING, "entries-unknown", NULL, "%s",
               s->total_known
                   ? "of some entries neither content nor name is left"
                   : "whether entries are missing of which not even the name "
                     "is left is not known");
    err_set(err, ERR_DAMAGED,
            "the archive is damaged: %llu entries saved, %llu in part, %llu lost%s",
            (unsigned long long)s->saved, (unsigned long long)s->partial,
            (unsigned long long)report_get_u64(r, "salvage.lost"), more);
    return err_state(err,
                     "what was saved is in %s, files of which a part is missing under "
                     "NAME.damaged; it is no volume to start a server on",
                     s->opts->target);
}

static int run(struct salvage *s, struct err *err)
{
    if (opened_open_damaged(&s->o, s->opts->archive, err) != 0 ||
        names_open(&s->names, NULL, NULL, err) != 0 || open_target(s, err) != 0)
        return -1;
    allow(s);
    if (opened_unlock(&s->o, s->job, err) != 0 || look_ahead(s, err) != 0 ||
        open_extract(s, err) != 0 || all_pieces(s, err) != 0)
        return -1;
    tell_headers(s);
    if (judge(s, err) != 0 || put_in_place(s, err) != 0)
        return -1;
    facts(s);
    return verdict(s, err);
}

int salvage_run(const struct job *job, const struct salvage_opts *opts, struct err *err)
{
    struct salvage *s = calloc(1, sizeof *s);
    if (s == NULL)
        return err_nomem(err);
    s->job = job;
    s->opts = opts;
    int rc = run(s, err);
    extract_free(s->x);
    place_free(s->place);
    names_free(s->names);
    pieces_free(s->pieces);
    lost_free(s->lost);
    order_free(&s->order);
    ranges_free(&s->missing);
    opened_close(&s->o);
    free(s);
    return rc;
}
