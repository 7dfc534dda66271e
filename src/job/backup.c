#include "job/backup.h"

#include <fcntl.h>
#include <libgen.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "archive/tarout.h"
#include "archive/walk.h"
#include "container/writer.h"
#include "job/newheader.h"
#include "job/previous.h"
#include "job/strength.h"
#include "pipe/thread.h"
#include "report/manifest.h"
#include "store/archives.h"
#include "store/output.h"
#include "store/place.h"

struct backup {
    const struct job *job;
    const struct backup_opts *opts;
    int source;        /* descriptor, held by flock */
    char *source_path; /* absolute */
    struct names *names;
    struct walk_opts walk;
    struct walk_counts counts;
    struct manifest_totals totals;

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
    e->item.stored = e->item.size;
    manifest_count(&b->totals, &e->item);
    return 0;
}

/* ---- the pre-scan, beside the reading ---- */

static void estimate(void *ctx)
{
    struct backup *b = ctx;
    struct progress *p = b->job->progress;
    thread_be_nice();
    if (walk_estimate(b->source, &b->walk, &p->total, &b->estimate_cancel) == 0)
        atomic_store(&p->known, true);
}

/* ---- steps ---- */

static int open_source(struct backup *b, struct err *err)
{
    const struct backup_opts *o = b->opts;
    b->source = place_source(o->source, err);
    if (b->source < 0)
        return -1;
    b->source_path = realpath(o->source, NULL);
    if (b->source_path == NULL)
        return err_sys(err, ERR_FAIL, "cannot find out the full path of %s", o->source);
    int empty = place_is_empty(b->source, err);
    if (empty < 0)
        return -1;
    if (empty) {
        err_set(err, ERR_REFUSED, "SOURCE is empty: %s", b->source_path);
        return err_hint(err,
                        "is the volume mounted? A mistyped name makes Docker create an "
                        "empty volume");
    }
    b->walk = (struct walk_opts){.excludes = o->excludes,
                                 .names = b->names,
                                 .one_file_system = o->one_file_system};
    return 0;
}

/* The passphrase, proved against earlier archives or, where it is new, for strength. */
static int open_key(struct backup *b, struct err *err)
{
    const struct backup_opts *o = b->opts;
    const struct job *job = b->job;
    struct unlocked before;
    bool found = false;

    if (passphrase_get(&job->passphrase, &b->pass, err) != 0 ||
        keyring_new(&b->ring, b->pass.bytes, b->pass.len, &job->kdf_limits, err) != 0)
        return -1;
    if (!output_is_stream(b->out)) {
        char *path = strdup(output_path(b->out));
        if (path == NULL)
            return err_nomem(err);
        int r = previous_check(job, dirname(path), o->name, b->ring, b->pass.source,
                               !o->new_passphrase, &found, &before, err);
        free(path);
        if (r != 0)
            return -1;
    }
    if (!found && strength_check(&b->pass, o->allow_weak, err) != 0)
        return -1;
    bool share =
        found && (!o->cost_chosen || (before.cost.passes == o->cost.passes &&
                                      before.cost.memory_kib == o->cost.memory_kib));
    report_bool(job->report, "slots_shared", share);
    return newheader_make(&b->header, b->ring, share ? before.salt : NULL,
                          share ? &before.cost : &o->cost, job->now, err);
}

static void fill_manifest(const struct backup *b, struct manifest *m)
{
    *m = (struct manifest){.tool = b->job->tool,
                           .host = b->opts->host,
                           .name = b->opts->name,
                           .source = b->source_path,
                           .created = b->job->now,
                           .level = (uint32_t)b->opts->level};
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
    int rc = walk_tree(b->source, &b->walk, store_entry, b, report_sink(b->job->report),
                       &b->counts, err);
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
    report_u64(r, "level", (uint64_t)b->opts->level);
    report_bool(r, "dry_run", b->opts->dry_run);
}

static int dry_run(struct backup *b, struct err *err)
{
    if (walk_tree(b->source, &b->walk, count_entry, b, report_sink(b->job->report),
                  &b->counts, err) != 0)
        return -1;
    tell_unused_excludes(b);
    facts(b);
    return 0;
}

static int wet_run(struct backup *b, struct err *err)
{
    const struct job *job = b->job;
    const struct backup_opts *o = b->opts;
    char *auto_name = archives_file_name(o->name, job->now, err);
    if (auto_name == NULL)
        return -1;
    int rc = output_open(&b->out, o->output, auto_name, o->force, err);
    free(auto_name);
    if (rc != 0 || open_key(b, err) != 0 || begin(b, err) != 0 ||
        read_tree(b, err) != 0 || finish(b, err) != 0)
        return -1;
    facts(b);
    report_text(job->report, "archive", output_path(b->out));
    report_text(job->report, "key_check", newheader_key_check(b->header));
    return 0;
}

int backup_run(const struct job *job, const struct backup_opts *opts, struct err *err)
{
    struct backup *b = calloc(1, sizeof *b);
    int rc = -1;
    if (b == NULL)
        return err_nomem(err);
    b->job = job;
    b->opts = opts;
    b->source = -1;
    if (names_open(&b->names, NULL, NULL, err) == 0 && open_source(b, err) == 0) {
        report_text(job->report, "source", b->source_path);
        rc = opts->dry_run ? dry_run(b, err) : wet_run(b, err);
    }

    tarout_free(b->tar);
    writer_free(b->writer, err);
    output_free(b->out);
    newheader_free(b->header);
    keyring_free(b->ring);
    passphrase_free(&b->pass);
    names_free(b->names);
    free(b->source_path);
    if (b->source >= 0)
        close(b->source);
    free(b);
    return rc;
}
