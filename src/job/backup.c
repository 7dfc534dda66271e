#include "job/backup.h"

#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "archive/tarout.h"
#include "archive/walk.h"
#include "container/writer.h"
#include "job/key.h"
#include "job/newheader.h"
#include "job/previous.h"
#include "job/source.h"
#include "job/strength.h"
#include "job/verify.h"
#include "pipe/thread.h"
#include "pmm/environ.h"
#include "report/manifest.h"
#include "store/archives.h"
#include "store/dirlock.h"
#include "store/mount.h"
#include "store/output.h"

struct backup {
    const struct job *job;
    const struct backup_opts *opts;
    struct source source;
    struct extras extras;
    struct names *names;
    struct walk_opts walk;
    struct walk_counts counts;
    struct manifest_totals totals;

    struct pause pause;
    struct err restart; /* what went wrong in ending it */
    struct key key;
    struct newheader *header;

    struct output *out;
    struct dirlock *lock; /* of its directory */
    struct verified proven;
    struct writer *writer;
    struct tarout *tar;

    struct thread *estimate;
    atomic_bool estimate_cancel;
    uint64_t previous_bytes; /* of the last archive of the name; 0: none */
};

/* ---- one entry ---- */

static int store_entry(void *ctx, struct entry *e, int fd, struct err *err)
{
    struct backup *b = ctx;
    if (writer_mark(b->writer, err) != 0 || tarout_entry(b->tar, e, fd, err) != 0 ||
        writer_entry(b->writer, &e->item, err) != 0)
        return -1;
    manifest_count(&b->totals, &e->item);
    return 0;
}

static int count_entry(void *ctx, struct entry *e, int fd, struct err *err)
{
    struct backup *b = ctx;
    (void)fd, (void)err;
    bool sparse = (e->item.flags & ITEM_SPARSE) != 0;
    e->item.stored = sparse ? 0 : e->item.size;
    for (size_t i = 0; sparse && i < e->nextents; i++)
        e->item.stored += e->extents[i].len;
    manifest_count(&b->totals, &e->item);
    return 0;
}

/* ---- the pre-scan, beside the reading ---- */

static void estimate(void *ctx)
{
    struct backup *b = ctx;
    struct progress *p = b->job->progress;
    thread_be_nice();
    if (walk_estimate(b->source.fd, &b->walk, &p->total, &b->estimate_cancel) == 0)
        atomic_store(&p->known, true);
}

/* ---- steps ---- */

static int take_files(struct backup *b, const char *const *paths, bool needed,
                      struct err *err)
{
    for (; paths != NULL && *paths != NULL; paths++)
        if (extras_read(&b->extras, *paths, needed, err) != 0)
            return -1;
    return 0;
}

/* What does not lie in SOURCE and a restore needs. */
static int take_extras(struct backup *b, struct err *err)
{
    const struct backup_opts *o = b->opts;
    if (b->source.volume.pmm && environ_take("", o->env_values, &b->extras, err) != 0)
        return -1;
    if (take_files(b, o->add, true, err) != 0)
        return -1;
    return take_files(b, o->attach, false, err);
}

static int open_source(struct backup *b, struct err *err)
{
    const struct backup_opts *o = b->opts;
    struct source *s = &b->source;
    if (source_open(s, o->source, !o->no_defaults, b->job, err) != 0 ||
        take_extras(b, err) != 0 || source_complete(s, o->add, b->job, err) != 0)
        return -1;
    b->walk = (struct walk_opts){.excludes = o->excludes,
                                 .defaults = s->defaults,
                                 .names = b->names,
                                 .one_file_system = o->one_file_system};
    return 0;
}

/* The archives that stand beside the new one: the passphrase is proved against them,
 * and the volume. */
static int check_previous(struct backup *b, struct previous *before, struct err *err)
{
    const struct backup_opts *o = b->opts;
    *before = (struct previous){0};
    if (output_is_stream(b->out))
        return 0;
    if (previous_check(b->job, output_parent(b->out), o->name, b->key.ring,
                       b->key.pass.source, !o->new_passphrase, before, err) != 0 ||
        previous_same_volume(b->job, before, &b->source.volume, err) != 0)
        return -1;
    /* A server is not stopped for an archive that cannot be kept. */
    return pause_wanted(&o->pause) ? previous_fits(before, b->out, err) : 0;
}

/* The passphrase, proved against earlier archives or, where it is new, for strength. */
static int open_key(struct backup *b, struct err *err)
{
    const struct backup_opts *o = b->opts;
    const struct job *job = b->job;
    struct previous before;

    if (key_get(&b->key, &job->passphrase, job, err) != 0 ||
        check_previous(b, &before, err) != 0)
        return -1;
    b->previous_bytes = before.found ? before.bytes : 0;
    if (!before.found && strength_check(&b->key.pass, o->allow_weak, err) != 0)
        return -1;
    const struct unlocked *key = &before.key;
    bool share = before.found &&
                 (!o->cost_chosen || (key->cost.passes == o->cost.passes &&
                                      key->cost.memory_kib == o->cost.memory_kib));
    report_bool(job->report, "slots_shared", share);
    report_i64(job->report, "passphrase_created", share ? key->created : job->now);
    return newheader_make(&b->header, b->key.ring, share ? key : NULL, &o->cost,
                          job->now, err);
}

static void fill_manifest(const struct backup *b, struct manifest *m)
{
    *m = (struct manifest){.tool = b->job->tool,
                           .host = b->opts->host,
                           .name = b->opts->name,
                           .source = b->source.path,
                           .created = b->job->now,
                           .level = (uint32_t)b->opts->level,
                           .volume = b->source.volume,
                           .extras = b->extras,
                           .state = b->source.state};
    idmap_own("", &m->idmap);
}

static int begin(struct backup *b, struct err *err)
{
    struct manifest m;
    struct buf json = {0};
    const struct writer_opts w = {.level = b->opts->level, .threads = b->job->threads};

    fill_manifest(b, &m);
    int rc = manifest_encode(&m, NULL, MANIFEST_MAX, &json, err);
    if (rc == 0)
        rc = writer_open(&b->writer, newheader_header(b->header),
                         newheader_raw(b->header), newheader_keys(b->header), &w,
                         output_write, b->out, json.p, json.len, err);
    buf_free(&json);
    if (rc != 0)
        return -1;
    return tarout_open(&b->tar, writer_data, b->writer, report_sink(b->job->report),
                       b->job->progress, err);
}

static int read_tree(struct backup *b, struct err *err)
{
    struct progress *p = b->job->progress;
    atomic_store(&p->phase, "reading");
    output_identity(b->out, &b->walk.skip_dev, &b->walk.skip_ino);
    if (b->opts->estimate && thread_start(&b->estimate, estimate, b, err) != 0)
        return -1;
    int rc = walk_tree(b->source.fd, &b->walk, store_entry, b,
                       report_sink(b->job->report), &b->counts, err);
    if (rc == 0)
        rc = tarout_finish(b->tar, &b->totals.tar_bytes, err);
    atomic_store(&b->estimate_cancel, true);
    thread_join(b->estimate);
    b->estimate = NULL;
    return rc;
}

static void tell_unused_excludes(const struct backup *b)
{
    const char *pattern;
    size_t i = 0;
    while (b->opts->excludes != NULL && (pattern = glob_unused(b->opts->excludes, &i)))
        notice(report_sink(b->job->report), NOTICE_NOTE, "exclude-unused", NULL,
               "the exclude pattern '%s' matched nothing", pattern);
}

static bool proves(const struct backup *b)
{
    switch (b->opts->verify) {
    case BACKUP_VERIFY_NEVER:
        return false;
    case BACKUP_VERIFY_ALWAYS:
        return !output_is_stream(b->out);
    case BACKUP_VERIFY_DIRECTORY:
        break;
    }
    return output_directory(b->out) >= 0;
}

/* The archive is read anew from the disk, by what reads it on the day it is needed,
 * before it gets its name. */
static int prove(struct backup *b, struct err *err)
{
    struct verified v;
    char *path = NULL;
    struct err why = {0};
    if (output_settle(b->out, &path, err) != 0)
        return -1;
    int rc = verify_one(b->job, path, &b->key, &v, &why);
    free(path);
    if (rc != 0 && why.cls == ERR_SIGNAL) {
        *err = why;
        return -1;
    }
    if (rc == 0 && v.entries == b->totals.entries &&
        memcmp(v.id, newheader_header(b->header)->id, sizeof v.id) == 0) {
        b->proven = v;
        return 0;
    }
    err_set(err, ERR_FAIL, "the new archive is not what was written: %s",
            rc != 0 ? why.text : "it holds something else");
    return err_hint(err, "look at the disk and the memory of this machine, and at the "
                         "kernel's log (dmesg)");
}

static int finish(struct backup *b, struct err *err)
{
    const struct job *job = b->job;
    struct writer_totals totals;
    struct manifest m;
    struct buf json = {0};

    tell_unused_excludes(b);
    atomic_store(&job->progress->phase, "finishing");
    fill_manifest(b, &m);
    m.final = true;
    m.finished = (int64_t)time(NULL);
    m.totals = b->totals;
    m.totals.warnings = report_warnings(job->report);
    int rc = manifest_encode(&m, job->report, MANIFEST_MAX, &json, err);
    if (rc == 0)
        rc =
            writer_finish(b->writer, json.p, json.len, m.totals.warnings, &totals, err);
    buf_free(&json);
    writer_free(b->writer, err); /* its memory is needed for the proof */
    b->writer = NULL;
    if (rc != 0 || (proves(b) && prove(b, err) != 0) || output_commit(b->out, err) != 0)
        return -1;
    report_u64(job->report, "archive_bytes", totals.bytes);
    report_bool(job->report, "verified", proves(b));
    return 0;
}

/* ---- the directory afterwards ---- */

/* That it was proved is worth knowing for the share of every night; not knowing it
 * costs a second proof, and no archive. */
static void keep_proof(const struct backup *b)
{
    struct proven *p = NULL;
    struct err why = {0};
    int dir = output_directory(b->out);
    const char *path = output_path(b->out), *slash = strrchr(path, '/');
    if (proven_load(&p, dir, b->job->now, &why) != 0 ||
        proven_set(p, slash != NULL ? slash + 1 : path, b->proven.id, b->proven.bytes,
                   b->job->now, &why) != 0 ||
        proven_save(p, dir, &why) != 0)
        notice(report_sink(b->job->report), NOTICE_NOTE, "proof-not-kept", NULL,
               "that the archive was verified could not be written down: %s", why.text);
    proven_free(p);
}

/* A proof says that an archive is whole, and not that it is of the right SOURCE: of a
 * path that was mistyped, or whose disk is not mounted, somebody is to hear before
 * anything goes for it. */
static bool has_shrunk(const struct backup *b)
{
    uint64_t bytes = report_get_u64(b->job->report, "archive_bytes");
    if (bytes >= b->previous_bytes / 2)
        return false;
    notice(report_sink(b->job->report), NOTICE_WARNING, "archive-shrunk",
           output_path(b->out),
           "%llu bytes, and the last one has %llu: is SOURCE the right one, and all of "
           "it there? Nothing was deleted this time",
           (unsigned long long)bytes, (unsigned long long)b->previous_bytes);
    return true;
}

/* The archive is there. What goes wrong now says so. */
static int prune(const struct backup *b, struct err *err)
{
    struct prune_opts o = *b->opts->prune;
    if (has_shrunk(b))
        return 0;
    o.dir = output_parent(b->out);
    o.name = b->opts->name;
    int rc = prune_with(b->job, &o, output_directory(b->out), &b->key, NULL, NULL, err);
    return rc == 0
               ? 0
               : err_state(err, "the new archive is whole: %s", output_path(b->out));
}

static void facts(const struct backup *b)
{
    struct report *r = b->job->report;
    manifest_facts(&b->totals, r);
    report_u64(r, "excluded", b->counts.excluded);
    report_u64(r, "default_excluded", b->counts.defaults);
    report_u64(r, "default_excluded_bytes", b->counts.saved);
    if (b->source.volume.pmm)
        report_text(r, "state", manifest_state_name(b->source.state));
    report_u64(r, "level", (uint64_t)b->opts->level);
    report_bool(r, "dry_run", b->opts->dry_run);
}

static int dry_run(struct backup *b, struct err *err)
{
    if (walk_tree(b->source.fd, &b->walk, count_entry, b, report_sink(b->job->report),
                  &b->counts, err) != 0)
        return -1;
    tell_unused_excludes(b);
    facts(b);
    return 0;
}

/* From the first thing stopped to the last thing running again. */
static int read_source(struct backup *b, struct err *err)
{
    const struct backup_opts *o = b->opts;
    if (pause_begin(&b->pause, err) != 0 ||
        (pause_wanted(&o->pause) &&
         source_check(&b->source, o->allow_live, b->job, err) != 0) ||
        read_tree(b, err) != 0 || source_recheck(&b->source, b->job, err) != 0)
        return -1;
    /* What fails now must not cost the archive. */
    (void)pause_end(&b->pause, b->job, &b->restart);
    return 0;
}

/* The archive is there, but what was stopped for it is not all running. */
static int not_restarted(const struct backup *b, struct err *err)
{
    *err = b->restart;
    return err_state(
        err,
        "the archive is whole: %s; what was stopped for it may stand still: "
        "start it yourself",
        output_is_stream(b->out) ? "on standard output" : output_path(b->out));
}

/* One writer a directory. */
static int hold_directory(struct backup *b, struct err *err)
{
    const struct backup_opts *o = b->opts;
    int dir = output_directory(b->out);
    if (dir < 0 && (o->prune != NULL || o->require_mount))
        return err_set(err, ERR_USAGE,
                       "--keep-* and --require-mount go with -o DIRECTORY/ only");
    if (dir < 0)
        return 0;
    if (source_outside(&b->source, o->excludes, o->one_file_system, o->output, err) !=
        0)
        return -1;
    if (o->require_mount && mount_require(dir, o->output, err) != 0)
        return -1;
    return dirlock_take(&b->lock, dir, o->output, o->lock_wait, err);
}

static int wet_run(struct backup *b, struct err *err)
{
    const struct job *job = b->job;
    const struct backup_opts *o = b->opts;
    if (!pause_wanted(&o->pause) &&
        source_check(&b->source, o->allow_live, job, err) != 0)
        return -1;
    char *auto_name = archives_file_name(o->name, job->now, err);
    if (auto_name == NULL)
        return -1;
    int rc = output_open(&b->out, o->output, auto_name, o->force, err);
    free(auto_name);
    if (rc != 0 || pause_check(&b->pause, &o->pause, job, err) != 0)
        return -1;
    output_stall(b->out, o->stall);
    if (hold_directory(b, err) != 0 || open_key(b, err) != 0 || begin(b, err) != 0 ||
        read_source(b, err) != 0 || finish(b, err) != 0)
        return -1;
    facts(b);
    report_text(job->report, "archive", output_path(b->out));
    report_text(job->report, "key_check", newheader_key_check(b->header));
    if (proves(b) && output_directory(b->out) >= 0)
        keep_proof(b);
    if (b->restart.cls != ERR_NONE)
        return not_restarted(b, err);
    return o->prune != NULL ? prune(b, err) : 0;
}

/* After a failure: what was stopped runs again, or a warning names it. */
static void resume(struct backup *b, const struct err *failure)
{
    if (b->restart.cls == ERR_NONE)
        (void)pause_end(&b->pause, b->job, &b->restart);
    /* Unless that is the failure. */
    if (b->restart.cls != ERR_NONE && strcmp(b->restart.text, failure->text) != 0)
        notice(report_sink(b->job->report), NOTICE_WARNING, "services-not-restarted",
               NULL, "%s", b->restart.text);
}

int backup_run(const struct job *job, const struct backup_opts *opts, struct err *err)
{
    struct backup *b = calloc(1, sizeof *b);
    int rc = -1;
    if (b == NULL)
        return err_nomem(err);
    b->job = job;
    b->opts = opts;
    b->source.fd = -1;
    if (names_open(&b->names, NULL, NULL, err) == 0 && open_source(b, err) == 0)
        rc = opts->dry_run ? dry_run(b, err) : wet_run(b, err);

    if (rc != 0)
        resume(b, err);
    tarout_free(b->tar);
    writer_free(b->writer, err);
    output_free(b->out);
    dirlock_free(b->lock);
    newheader_free(b->header);
    key_free(&b->key);
    names_free(b->names);
    extras_free(&b->extras);
    source_close(&b->source);
    free(b);
    return rc;
}

int backup_show_excludes(const struct job *job, const char *source, excludes_fn *fn,
                         void *ctx, struct err *err)
{
    struct source s;
    int rc = source_open(&s, source, false, job, err);
    if (rc == 0)
        rc = excludes_each(s.fd, &s.volume, fn, ctx, err);
    source_close(&s);
    return rc;
}
