#include "job/restore.h"

#include <fcntl.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "job/confined.h"
#include "job/fit.h"
#include "job/nested.h"
#include "job/opened.h"
#include "job/partial.h"
#include "job/select.h"
#include "job/unpack.h"
#include "pmm/repair.h"
#include "pmm/volume.h"
#include "store/content.h"
#include "store/place.h"

/* PMM takes a volume that has it for initialised: it comes last. */
#define LAST "pmm-distribution"

struct restore {
    const struct job *job;
    const struct restore_opts *opts;
    struct opened o;
    struct select *select;
    struct partial *parts; /* some paths of a file */
    struct place *place;
    struct names *names;
    struct extract_opts how;
    struct extract *x;
    struct nested *nested;
    struct pause pause;
    bool everything;
    bool version_checked;
    bool stopped; /* services were, and stay so */
};

/* Once, as soon as the manifest is known. */
static int check_version(struct restore *r, struct err *err)
{
    const struct restore_opts *o = r->opts;
    if (r->version_checked || !r->o.have_manifest)
        return 0;
    r->version_checked = true;
    return fit_version(&r->o.manifest.volume, o->target_version, o->force_version, err);
}

/* ---- the sink: into the staging directory ---- */

static int on_entry(void *ctx, const struct entry *e, struct err *err)
{
    struct restore *r = ctx;
    /* Of a stream the manifest has just passed. */
    if (check_version(r, err) != 0)
        return -1;
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
    int rc = o->npaths > 0
                 ? place_open_parts(&r->place, o->target, o->replace, sink, err)
                 : place_open(&r->place, o->target, o->replace, sink, err);
    if (rc != 0) {
        fit_seeded(o->target, err);
        return -1;
    }
    if (o->replace && r->everything &&
        fit_outside(place_path(r->place), NULL, o->archive, err) != 0)
        return -1;
    if (o->pause.services)
        return pause_check(&r->pause, &o->pause, r->job, err);
    return r->everything
               ? fit_stopped(r->job->guardian, place_fd(r->place), o->target, err)
               : 0;
}

/* The PATHs, now that they are those of the archive. */
static int check_paths(const struct restore *r, struct err *err)
{
    size_t n;
    const char *const *paths = select_paths(r->select, &n);
    for (size_t i = 0; i < n && r->opts->replace; i++)
        if (fit_outside(place_path(r->place), paths[i], r->opts->archive, err) != 0)
            return -1;
    return place_check_paths(r->place, paths, n, err);
}

/* Everything by name would come without what makes a volume whole. */
static int some_only(const struct restore *r, struct err *err)
{
    if (r->everything || !select_everything(r->select))
        return 0;
    err_set(err, ERR_USAGE, "the PATH stands for everything");
    return err_hint(err, "leave it out to restore everything");
}

static int open_archive(struct restore *r, const struct job *job, struct err *err)
{
    struct opened *o = &r->o;
    if (opened_unlock(o, job, err) != 0 || opened_index(o, err) != 0 ||
        check_version(r, err) != 0)
        return -1;
    if (o->index == NULL || r->opts->npaths == 0)
        return 0;
    if (select_bind(r->select, o->manifest.source, err) != 0 || some_only(r, err) != 0)
        return -1;
    return partial_plan(&r->parts, o, r->select, err);
}

/* To open the target is to put back what a restore that was killed in its moves has
 * left: not under a server that was started on it meanwhile, and not for an archive
 * that does not open. So this one opens before it is known where to confine to. */
static int check_half_done(struct restore *r, struct err *err)
{
    int fd = open(r->opts->target, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    int rc = fit_stopped(r->job->guardian, fd, r->opts->target, err);
    if (fd >= 0)
        close(fd);
    struct job free_yet = *r->job;
    free_yet.confine = NULL;
    if (rc == 0)
        return open_archive(r, &free_yet, err);
    if (err->cls == ERR_REFUSED) {
        err->hint[0] = '\0';
        err_hint(err,
                 "stop it first: an earlier restore to it was stopped half-way, and "
                 "this one puts back what stood there before");
    }
    return -1;
}

/* Nothing but the target is to be written from here on. */
static void allow(const struct restore *r)
{
    struct confine *c = r->job->confine;
    if (c == NULL)
        return;
    confine_allow(c, FIT_IMAGE_VERSION, CONFINE_READ);
    if (r->place != NULL)
        confine_allow_fd(c, place_base(r->place), CONFINE_TREES);
}

static int open_both(struct restore *r, struct err *err)
{
    bool half = !r->opts->dry_run && content_half_done(r->opts->target);
    if (half && check_half_done(r, err) != 0)
        return -1;
    if (open_target(r, err) != 0)
        return -1;
    allow(r);
    if (half ? confined_enter(r->job, err) != 0 : open_archive(r, r->job, err) != 0)
        return -1;
    return r->place != NULL && r->parts != NULL ? check_paths(r, err) : 0;
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
    if (r->opts->ignore_space || t == NULL)
        return 0;
    return fit_space(r->place, r->opts->target, t, err);
}

static int open_extract(struct restore *r, struct err *err)
{
    const struct restore_opts *o = r->opts;
    int fd = place_staging(r->place, err);
    if (fd < 0)
        return -1;
    r->how = (struct extract_opts){.owner = o->owner,
                                   .uid = o->uid,
                                   .gid = o->gid,
                                   .names = r->names,
                                   .read_back = o->read_back,
                                   .make_parents = !r->everything};
    return extract_open(&r->x, fd, &r->how, report_sink(r->job->report),
                        r->job->progress, err);
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

/* Everything is there and authentic. Is it on the disk? */
static int prove(struct restore *r, struct err *err)
{
    atomic_store(&r->job->progress->phase, "syncing");
    if (extract_finish(r->x, err) != 0)
        return -1;
    if (r->opts->read_back) {
        progress(r, "reading back");
        if (extract_read_back(r->x, err) != 0)
            return -1;
    }
    return err_stopped(err);
}

/* What a whole volume needs besides its bytes, and what is mounted in the target. */
static int fit_out(struct restore *r, struct err *err)
{
    struct volume_facts v;
    int staging = place_staging(r->place, err);
    if (staging < 0 || volume_look(staging, &v, err) != 0 ||
        repair_volume(staging, &v, report_sink(r->job->report), err) != 0)
        return -1;
    return nested_prepare(&r->nested, r->place, r->opts->replace, &r->how, r->job, err);
}

static int begin_mounts(void *ctx, struct err *err)
{
    struct restore *r = ctx;
    return nested_begin(r->nested, r->job, err);
}

static int commit(struct restore *r, struct err *err)
{
    const struct notice_sink *sink = report_sink(r->job->report);
    const struct swap_last mounts = {.fn = begin_mounts, .ctx = r};
    if (r->everything) {
        int rc = place_commit(r->place, LAST, &mounts, sink, err);
        if (rc == 0)
            nested_end(r->nested, r->job);
        else
            nested_undo(r->nested, err);
        return rc;
    }
    size_t n;
    const char *const *paths = select_paths(r->select, &n);
    return place_commit_paths(r->place, paths, n, sink, err);
}

/* Whether what moves is anything that a server holds open. */
static bool moves_stores(const struct restore *r)
{
    size_t n;
    if (r->everything)
        return true;
    const char *const *paths = select_paths(r->select, &n);
    return fit_stores(paths, n);
}

/* The moves. What stands half in its place is not to be started; what is all back
 * again, is. */
static int move(struct restore *r, struct err *err)
{
    struct err restart = {0};
    if (pause_hold(&r->pause, err) != 0)
        return -1;
    if (commit(r, err) == 0)
        return 0;
    if (err->state_told)
        err_set(&restart, ERR_FAIL,
                "what is in the target is not for them to start on");
    else if (pause_resume(&r->pause, &restart) == 0)
        return -1;
    if (r->opts->pause.services)
        notice(report_sink(r->job->report), NOTICE_WARNING, "services-not-restarted",
               NULL, "the services stay stopped: %s", restart.text);
    return -1;
}

/* Servers stand still for the moves only. They stay so afterwards if what they hold in
 * memory is of the old volume. */
static int put_in_place(struct restore *r, struct err *err)
{
    const struct restore_opts *o = r->opts;
    bool stores = moves_stores(r);
    if (stores && pause_begin(&r->pause, err) != 0)
        return -1;
    if ((stores &&
         fit_stopped(r->job->guardian, place_fd(r->place), o->target, err) != 0) ||
        move(r, err) != 0)
        return -1;
    r->stopped = stores && o->pause.services;
    pause_keep(&r->pause, r->job);
    return 0;
}

static void facts(const struct restore *r)
{
    struct report *rep = r->job->report;
    report_text(rep, "target", r->opts->target);
    report_bool(rep, "partial", !r->everything);
    report_bool(rep, "read_back", r->opts->read_back);
    report_bool(rep, "dry_run", r->opts->dry_run);
    report_bool(rep, "stopped", r->stopped);
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
        some_only(r, err) != 0 || names_open(&r->names, NULL, NULL, err) != 0 ||
        open_both(r, err) != 0)
        return -1;
    if (r->opts->dry_run) {
        if (unpack(r, &nowhere, err) != 0)
            return -1;
    } else if (check_space(r, err) != 0 || open_extract(r, err) != 0 ||
               unpack(r, &sink, err) != 0 || prove(r, err) != 0 ||
               (r->everything && fit_out(r, err) != 0) || put_in_place(r, err) != 0) {
        return -1;
    }
    opened_facts(&r->o, r->job);
    facts(r);
    if (!r->opts->dry_run && r->opts->owner == EXTRACT_OWNER_NUMERIC)
        fit_owners(&r->o.manifest.idmap, report_sink(r->job->report));
    return 0;
}

/* What was stopped starts again, unless that was decided already: it stays stopped
 * after a success (pause_keep), and where the volume is half old, half new
 * (pause_hold). */
static void resume(struct restore *r)
{
    struct err restart = {0};
    if (pause_end(&r->pause, r->job, &restart) != 0)
        notice(report_sink(r->job->report), NOTICE_WARNING, "services-not-restarted",
               NULL, "%s", restart.text);
}

/* The archive opens, and something in it is damaged. */
static void hint_salvage(const struct restore *r, struct err *err)
{
    const struct reader *reader = r->o.reader;
    char first[sizeof err->hint];
    if (err->cls != ERR_DAMAGED || err->state_told || reader == NULL ||
        reader->keys == NULL || reader->io.pread == NULL)
        return;
    snprintf(first, sizeof first, "%s", err->hint);
    err->hint[0] = '\0';
    err_hint(err,
             "%.300s; if there is no other, `pmm-seal restore --salvage ARCHIVE "
             "NEWDIR` saves what is whole in this one",
             first[0] != '\0' ? first : "take another copy of it");
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
    if (rc != 0)
        hint_salvage(r, err);
    extract_free(r->x);
    nested_free(r->nested);
    place_free(r->place);
    resume(r);
    names_free(r->names);
    partial_free(r->parts);
    select_free(r->select);
    opened_close(&r->o);
    free(r);
    return rc;
}
