#include "job/verify.h"

#include <stdatomic.h>
#include <string.h>

#include "job/opened.h"
#include "job/unpack.h"

struct verify {
    struct progress *progress;
    uint64_t entries, bytes;
};

static int count_data(void *ctx, const void *buf, size_t len, uint64_t off,
                      struct err *err)
{
    struct verify *v = ctx;
    (void)buf, (void)off, (void)err;
    v->bytes += len;
    atomic_fetch_add(&v->progress->bytes, len);
    return 0;
}

static int count_entry(void *ctx, struct err *err)
{
    struct verify *v = ctx;
    (void)err;
    v->entries++;
    atomic_fetch_add(&v->progress->entries, 1);
    return 0;
}

/* All of an archive that is unlocked. */
static int verify_opened(const struct job *job, struct opened *o, struct err *err)
{
    struct verify v = {.progress = job->progress};
    const struct unpack_sink sink = {.data = count_data, .end = count_entry, .ctx = &v};
    if (opened_index(o, err) != 0)
        return -1;
    opened_progress(o, job, "verifying");
    if (unpack_all(o, job, NULL, &sink, err) != 0 ||
        opened_spare(o, job, true, err) != 0)
        return -1;
    opened_facts(o, job);
    report_u64(job->report, "entries", v.entries);
    report_u64(job->report, "bytes", o->manifest.totals.bytes);
    report_u64(job->report, "tar_bytes", o->manifest.totals.tar_bytes);
    report_u64(job->report, "archive_bytes", o->reader->pos);
    report_u64(job->report, "generation", o->reader->header.generation);
    return 0;
}

int verify_run(const struct job *job, const char *archive, struct err *err)
{
    struct opened o;
    int rc = -1;
    if (opened_open(&o, archive, false, err) == 0 && opened_unlock(&o, job, err) == 0)
        rc = verify_opened(job, &o, err);
    opened_close(&o);
    return rc;
}

int verify_one(const struct job *job, const char *archive, const struct key *key,
               struct verified *v, struct err *err)
{
    struct opened o;
    struct job quiet = *job;
    int rc = -1;
    *v = (struct verified){.bytes = 0};
    if (report_new(&quiet.report, err) != 0)
        return -1;
    if (opened_open(&o, archive, false, err) == 0 &&
        opened_unlock_by(&o, key, err) == 0 && verify_opened(&quiet, &o, err) == 0) {
        memcpy(v->id, o.reader->header.id, sizeof v->id);
        v->bytes = o.reader->pos;
        v->entries = report_get_u64(quiet.report, "entries");
        v->warnings = report_warnings(quiet.report);
        rc = 0;
    }
    opened_close(&o);
    report_free(quiet.report);
    return rc;
}
