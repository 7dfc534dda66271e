#include "job/restore.h"

#include <stdatomic.h>
#include <stdlib.h>

#include "job/opened.h"
#include "job/partial.h"
#include "job/select.h"
#include "job/unpack.h"
#include "store/place.h"

/* Inodes and bytes beyond the content: the staging directory and the list for the
 * read-back. */
#define SPARE_INODES 16u
#define SPARE_BYTES  (4u << 20)
#define ITEM_BYTES   256u /* of that list, about, for each entry */

struct restore {
    const struct job *job;
    const struct restore_opts *opts;
    struct opened o;
    struct select *select;
    struct partial *parts; /* some paths of a file */
    struct place *place;
    struct names *names;
    struct extract *x;
    bool everything;
};

/* ---- the sink: into the staging directory ---- */

static int on_entry(void *ctx, const struct entry *e, struct err *err)
{
    struct restore *r = ctx;
    return extract_entry(r->x, e, err);
}

static int on_data(void *ctx, const void *buf, size_t len, uint64_t off,
                   struct err *err)
{
    struct restore *r = ctx;
    return extract_data(r->x, buf, len, off, err);
}

static int on_end(void *ctx, struct err *err)
{
    struct restore *r = ctx;
    return extract_end(r->x, err);
}

/* ---- steps ---- */

/* Refuse what can be refused before a passphrase is asked for or a byte is written. */
static int open_target(struct restore *r, struct err *err)
{
    const struct restore_opts *o = r->opts;
    const struct notice_sink *sink = report_sink(r->job->report);
    if (o->dry_run)
        return 0;
    return o->npaths > 0 ? place_open_parts(&r->place, o->target, o->replace, sink, err)
                         : place_open(&r->place, o->target, o->replace, sink, err);
}

static int open_archive(struct restore *r, struct err *err)
{
    struct opened *o = &r->o;
    if (opened_unlock(o, r->job, err) != 0 || opened_index(o, err) != 0)
        return -1;
    if (o->index == NULL || r->opts->npaths == 0)
        return 0;
    if (select_bind(r->select, o->manifest.source, err) != 0 ||
        partial_plan(&r->parts, o, r->select, err) != 0)
        return -1;
    size_t n;
    const char *const *paths = select_paths(r->select, &n);
    return r->place == NULL ? 0 : place_check_paths(r->place, paths, n, err);
}

/* What will be written, or NULL for a stream: its totals come at its end. */
static const struct manifest_totals *planned(const struct restore *r)
{
    if (r->parts != NULL)
        return partial_totals(r->parts);
    return r->o.have_manifest ? &r->o.manifest.totals : NULL;
}

static int check_space(struct restore *r, struct err *err)
{
    const struct manifest_totals *t = planned(r);
    uint64_t free_bytes, free_inodes;
    if (r->opts->ignore_space || t == NULL)
        return 0;
    uint64_t bytes = t->disk_bytes + SPARE_BYTES + t->entries * ITEM_BYTES;
    uint64_t inodes = t->entries + SPARE_INODES;
    if (place_space(r->place, &free_bytes, &free_inodes, err) != 0)
        return -1;
    if (bytes > free_bytes)
        err_set(err, ERR_FAIL,
                "not enough space at %s: this needs %llu MiB, %llu MiB are free",
                r->opts->target, (unsigned long long)(bytes >> 20),
                (unsigned long long)(free_bytes >> 20));
    else if (inodes > free_inodes)
        err_set(err, ERR_FAIL,
                "not enough inodes at %s: this needs %llu, %llu are free",
                r->opts->target, (unsigned long long)inodes,
                (unsigned long long)free_inodes);
    else
        return 0;
    return err_hint(err,
                    "make room, choose another TARGET, or say --ignore-space (with "
                    "--replace the old data stays until the new is proved)");
}

static int open_extract(struct restore *r, struct err *err)
{
    const struct restore_opts *o = r->opts;
    int fd = place_staging(r->place, err);
    if (fd < 0 || names_open(&r->names, NULL, NULL, err) != 0)
        return -1;
    const struct extract_opts x = {.owner = o->owner,
                                   .uid = o->uid,
                                   .gid = o->gid,
                                   .names = r->names,
                                   .read_back = o->read_back,
                                   .make_parents = !r->everything};
    return extract_open(&r->x, fd, &x, report_sink(r->job->report), r->job->progress,
                        err);
}

static void progress(struct restore *r, const char *phase)
{
    opened_progress(&r->o, r->job, phase);
    if (r->parts != NULL)
        atomic_store(&r->job->progress->total, partial_totals(r->parts)->stored);
}

static int unpack(struct restore *r, const struct unpack_sink *sink, struct err *err)
{
    progress(r, "restoring");
    int rc = r->parts != NULL ? partial_unpack(r->parts, r->job, sink, err)
                              : unpack_all(&r->o, r->job,
                                           r->everything ? NULL : r->select, sink, err);
    return rc != 0 ? -1 : opened_spare(&r->o, r->job, false, err);
}

/* Everything is there and authentic. Is it on the disk? Then it may take its place. */
static int prove_and_commit(struct restore *r, struct err *err)
{
    const struct notice_sink *sink = report_sink(r->job->report);
    atomic_store(&r->job->progress->phase, "syncing");
    if (extract_finish(r->x, err) != 0)
        return -1;
    if (r->opts->read_back) {
        progress(r, "reading back");
        if (extract_read_back(r->x, err) != 0)
            return -1;
    }
    if (err_stopped(err) != 0)
        return -1;
    if (r->opts->npaths == 0)
        return place_commit(r->place, sink, err);
    size_t n;
    const char *const *paths = select_paths(r->select, &n);
    return place_commit_paths(r->place, paths, n, sink, err);
}

static void facts(const struct restore *r)
{
    struct report *rep = r->job->report;
    report_text(rep, "target", r->opts->target);
    report_bool(rep, "partial", !r->everything);
    report_bool(rep, "read_back", r->opts->read_back);
    report_bool(rep, "dry_run", r->opts->dry_run);
    if (r->x != NULL) {
        const struct extract_report *x = extract_report(r->x);
        report_u64(rep, "entries", x->entries);
        report_u64(rep, "bytes", x->bytes);
        report_u64(rep, "proven", x->proven);
        report_u64(rep, "proven_cached", x->proven_cached);
    } else {
        const struct manifest_totals *t = planned(r);
        report_u64(rep, "entries", t->entries);
        report_u64(rep, "bytes", t->stored);
    }
}

static int run(struct restore *r, struct err *err)
{
    static const struct unpack_sink nowhere;
    const struct unpack_sink sink = {
        .entry = on_entry, .data = on_data, .end = on_end, .ctx = r};

    if (opened_open(&r->o, r->opts->archive, false, err) != 0 ||
        select_new(&r->select, r->opts->paths, r->opts->npaths, err) != 0 ||
        open_target(r, err) != 0 || open_archive(r, err) != 0)
        return -1;
    if (r->opts->dry_run) {
        if (unpack(r, &nowhere, err) != 0)
            return -1;
    } else if (check_space(r, err) != 0 || open_extract(r, err) != 0 ||
               unpack(r, &sink, err) != 0 || prove_and_commit(r, err) != 0) {
        return -1;
    }
    opened_facts(&r->o, r->job);
    facts(r);
    return 0;
}

int restore_run(const struct job *job, const struct restore_opts *opts, struct err *err)
{
    struct restore *r = calloc(1, sizeof *r);
    if (r == NULL)
        return err_nomem(err);
    r->job = job;
    r->opts = opts;
    r->everything = opts->npaths == 0;
    int rc = run(r, err);
    extract_free(r->x);
    names_free(r->names);
    place_free(r->place);
    partial_free(r->parts);
    select_free(r->select);
    opened_close(&r->o);
    free(r);
    return rc;
}
