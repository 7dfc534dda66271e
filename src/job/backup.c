#include "job/backup.h"

#include <libgen.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "archive/tarout.h"
#include "archive/walk.h"
#include "container/writer.h"
#include "job/newheader.h"
#include "job/previous.h"
#include "job/source.h"
#include "job/strength.h"
#include "pipe/thread.h"
#include "pmm/environ.h"
#include "pmm/volume.h"
#include "report/manifest.h"
#include "store/archives.h"
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
    struct passphrase pass;
    struct keyring *ring;
    struct newheader *header;

    struct output *out;
    struct writer *writer;
    struct tarout *tar;

    struct thread *estimate;
    atomic_bool estimate_cancel;
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

/* Whether one of the files of --add is PMM's key: by the name it has by default, or by
 * what its container is told. */
static bool adds_key(const struct backup_opts *o)
{
    static const char key[] = "pmm-encryption.key";
    const char *elsewhere = getenv("PMM_ENCRYPTION_KEY_PATH");
    for (const char *const *path = o->add; path != NULL && *path != NULL; path++) {
        const char *slash = strrchr(*path, '/');
        if (strcmp(slash != NULL ? slash + 1 : *path, key) == 0 ||
            (elsewhere != NULL && strcmp(*path, elsewhere) == 0))
            return true;
    }
    return false;
}

static int open_source(struct backup *b, struct err *err)
{
    const struct backup_opts *o = b->opts;
    const struct notice_sink *sink = report_sink(b->job->report);
    struct source *s = &b->source;
    if (source_open(s, o->source, !o->no_defaults, b->job, err) != 0 ||
        take_extras(b, err) != 0 ||
        volume_complete(s->fd, &s->volume, adds_key(o), sink, err) != 0)
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
    char *path = strdup(output_path(b->out));
    if (path == NULL)
        return err_nomem(err);
    int r = previous_check(b->job, dirname(path), o->name, b->ring, b->pass.source,
                           !o->new_passphrase, before, err);
    free(path);
    if (r != 0 || previous_same_volume(b->job, before, &b->source.volume, err) != 0)
        return -1;
    /* A server is not stopped for an archive that cannot be kept. */
    if (!pause_wanted(&o->pause) || output_room(b->out) >= before->bytes)
        return 0;
    err_set(err, ERR_FAIL,
            "not enough space for an archive: the last one has %llu MiB, %llu MiB are "
            "free",
            (unsigned long long)(before->bytes >> 20),
            (unsigned long long)(output_room(b->out) >> 20));
    return err_hint(err, "nothing was stopped; make room, or write to another place "
                         "(-o)");
}

/* The passphrase, proved against earlier archives or, where it is new, for strength. */
static int open_key(struct backup *b, struct err *err)
{
    const struct backup_opts *o = b->opts;
    const struct job *job = b->job;
    struct previous before;

    if (passphrase_get(&job->passphrase, &b->pass, err) != 0 ||
        keyring_new(&b->ring, b->pass.bytes, b->pass.len, &job->kdf_limits, err) != 0 ||
        check_previous(b, &before, err) != 0)
        return -1;
    if (!before.found && strength_check(&b->pass, o->allow_weak, err) != 0)
        return -1;
    const struct unlocked *key = &before.key;
    bool share = before.found &&
                 (!o->cost_chosen || (key->cost.passes == o->cost.passes &&
                                      key->cost.memory_kib == o->cost.memory_kib));
    report_bool(job->report, "slots_shared", share);
    return newheader_make(&b->header, b->ring, share ? key->salt : NULL,
                          share ? &key->cost : &o->cost, job->now, err);
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
    if (rc != 0 || output_commit(b->out, err) != 0)
        return -1;
    report_u64(job->report, "archive_bytes", totals.bytes);
    return 0;
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
    if (open_key(b, err) != 0 || begin(b, err) != 0 || read_source(b, err) != 0 ||
        finish(b, err) != 0)
        return -1;
    facts(b);
    report_text(job->report, "archive", output_path(b->out));
    report_text(job->report, "key_check", newheader_key_check(b->header));
    return b->restart.cls == ERR_NONE ? 0 : not_restarted(b, err);
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
    newheader_free(b->header);
    keyring_free(b->ring);
    passphrase_free(&b->pass);
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
