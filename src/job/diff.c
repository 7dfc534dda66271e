#include "job/diff.h"

#include <stdatomic.h>
#include <unistd.h>

#include "job/opened.h"
#include "job/unpack.h"
#include "pmm/excludes.h"
#include "pmm/volume.h"
#include "store/content.h"

struct diff {
    struct compare *compare;
    struct progress *progress;
    uint64_t entries, bytes;
};

static int on_entry(void *ctx, const struct entry *e, struct err *err)
{
    struct diff *d = ctx;
    d->entries++;
    atomic_fetch_add(&d->progress->entries, 1);
    return compare_entry(d->compare, e, err);
}

static int on_data(void *ctx, const void *buf, size_t len, uint64_t off,
                   struct err *err)
{
    struct diff *d = ctx;
    d->bytes += len;
    atomic_fetch_add(&d->progress->bytes, len);
    return compare_data(d->compare, buf, len, off, err);
}

static int on_end(void *ctx, struct err *err)
{
    struct diff *d = ctx;
    return compare_end(d->compare, err);
}

/* What a backup of the directory would leave out is not missed in the archive. */
static int take_defaults(int dir, struct globset **set, struct err *err)
{
    struct volume_facts v;
    if (volume_look(dir, &v, err) != 0 || glob_new(set, err) != 0)
        return -1;
    return excludes_set(dir, &v, *set, err);
}

int diff_run(const struct job *job, const struct diff_opts *opts, uint64_t *count,
             struct err *err)
{
    struct diff d = {.progress = job->progress};
    const struct unpack_sink sink = {
        .entry = on_entry, .data = on_data, .end = on_end, .ctx = &d};
    struct compare_opts c = {.ignore_owner = opts->ignore_owner,
                             .excludes = opts->excludes};
    struct opened o;
    int rc = -1, dir = -1;

    if (opened_open(&o, opts->archive, false, err) != 0)
        goto out;
    dir = content_open(opts->directory, err);
    if (dir >= 0 && job->confine != NULL)
        confine_allow_fd(job->confine, dir, CONFINE_READ);
    if (dir < 0 || opened_unlock(&o, job, err) != 0 || opened_index(&o, err) != 0 ||
        (!opts->no_defaults && take_defaults(dir, &c.defaults, err) != 0) ||
        compare_open(&d.compare, dir, &c, opts->fn, opts->fn_ctx, err) != 0)
        goto out;
    opened_progress(&o, job, "comparing");
    if (unpack_all(&o, job, NULL, &sink, err) != 0 ||
        compare_finish(d.compare, err) != 0 || opened_spare(&o, job, false, err) != 0)
        goto out;
    *count = compare_count(d.compare);
    opened_facts(&o, job);
    report_text(job->report, "directory", opts->directory);
    report_u64(job->report, "entries", d.entries);
    report_u64(job->report, "bytes", d.bytes);
    report_u64(job->report, "differences", *count);
    rc = 0;
out:
    compare_free(d.compare);
    glob_free(c.defaults);
    if (dir >= 0)
        close(dir);
    opened_close(&o);
    return rc;
}
