#include "job/opened.h"

#include <stdatomic.h>

#include "job/confined.h"
#include "job/source.h"
#include "util/buf.h"
#include "util/utc.h"

int opened_open(struct opened *o, const char *path, bool writable, struct err *err)
{
    *o = (struct opened){0};
    if (input_open(&o->in, path, writable, err) != 0)
        return -1;
    struct reader_io io = {
        .read = input_read,
        .pread = input_size(o->in) >= 0 ? input_pread : NULL,
        .cancel = input_cancel,
        .ctx = o->in,
        .size = input_size(o->in),
    };
    return reader_open(&o->reader, &io, err);
}

int opened_open_damaged(struct opened *o, const char *path, struct err *err)
{
    *o = (struct opened){0};
    if (input_open(&o->in, path, false, err) != 0)
        return -1;
    if (input_size(o->in) < 0)
        return err_set(err, ERR_USAGE, "not a file: %s: a damaged archive is searched",
                       input_path(o->in));
    struct reader_io io = {.read = input_read,
                           .pread = input_pread_damaged,
                           .ctx = o->in,
                           .size = input_size(o->in)};
    return reader_open_damaged(&o->reader, &io, err);
}

int opened_unlock(struct opened *o, const struct job *job, struct err *err)
{
    if (key_get(&o->key, &job->passphrase, job, err) != 0 ||
        confined_enter(job, err) != 0)
        return -1;
    return opened_unlock_by(o, &o->key, err);
}

int opened_unlock_by(struct opened *o, const struct key *key, struct err *err)
{
    struct err why = {0};
    if (reader_unlock(o->reader, key->ring, &why) == 0)
        return 0;
    if (why.cls == ERR_KEY) {
        err_set(err, ERR_KEY, "wrong passphrase for %s: it came from %s",
                input_path(o->in), key->pass.source);
        if (o->reader->front == READER_STALE || o->reader->copy == READER_STALE)
            return err_hint(err,
                            "a rekey of this archive was interrupted after its new "
                            "passphrase was written: try that one");
        return err_hint(
            err,
            "its header is not damaged; try the passphrase it was made with, or that "
            "of its last rekey");
    }
    *err = why;
    return -1;
}

int opened_index(struct opened *o, struct err *err)
{
    const uint8_t *json;
    size_t len;
    if (o->reader->io.pread == NULL)
        return 0;
    if (index_open(&o->index, o->reader, err) != 0 ||
        index_manifest(o->index, &json, &len, err) != 0 ||
        manifest_parse(json, len, &o->manifest, err) != 0)
        return -1;
    o->have_manifest = true;
    o->end = o->index->end;
    return opened_check_totals(o, err);
}

int opened_check_totals(const struct opened *o, struct err *err)
{
    const struct manifest_totals *t = &o->manifest.totals;
    if (!o->have_manifest || !o->manifest.final)
        return err_set(err, ERR_DAMAGED,
                       "the archive is damaged: its manifest is not final");
    if (t->entries != o->end.entries || t->tar_bytes != o->end.tar_bytes ||
        t->warnings != o->end.warnings)
        return err_set(
            err, ERR_DAMAGED,
            "the archive contradicts itself: its manifest and its end sum up "
            "different things");
    return 0;
}

struct part {
    enum reader_state state;
    const char *what, *damaged_id, *stale_id;
};

int opened_spare(struct opened *o, const struct job *job, bool strict, struct err *err)
{
    struct reader *r = o->reader;
    if (reader_spare(r, o->end.offset, err) != 0)
        return -1;
    const struct part parts[] = {
        {r->front, "header", "header-damaged", "header-stale"},
        {r->copy, "copy of the header", "header-copy-damaged", "header-copy-stale"},
        {r->tail, "tail", "tail-damaged", "tail-damaged"},
    };
    for (size_t i = 0; i < sizeof parts / sizeof *parts; i++) {
        const struct part *p = &parts[i];
        if (p->state == READER_DAMAGED && strict) {
            err_set(err, ERR_DAMAGED,
                    "the archive is damaged: its %s; the data is whole", p->what);
            return err_hint(err, "`pmm-seal rekey --heal ARCHIVE` repairs it");
        }
        if (p->state == READER_DAMAGED)
            notice(report_sink(job->report), NOTICE_WARNING, p->damaged_id, NULL,
                   "the archive's %s is damaged; the rest of it is used: `pmm-seal "
                   "verify` tells whether the data is whole, `pmm-seal rekey --heal` "
                   "repairs the %s",
                   p->what, p->what);
        if (p->state == READER_STALE)
            notice(report_sink(job->report), NOTICE_WARNING, p->stale_id, NULL,
                   "the archive's %s is from before the last rekey, which was "
                   "interrupted: "
                   "`pmm-seal rekey --heal` repairs it",
                   p->what);
    }
    return 0;
}

/* Names of files, one a line, of those that are needed or not. */
static int file_names(const struct extras *x, bool needed, struct buf *b)
{
    for (size_t i = 0; i < x->nfiles; i++)
        if (x->files[i].needed == needed &&
            buf_printf(b, "%s%s", b->len > 0 ? "\n" : "", x->files[i].path) != 0)
            return -1;
    return buf_add(b, "", 1);
}

static void extras_facts(const struct extras *x, struct report *report)
{
    struct buf env = {0}, needed = {0}, attached = {0};
    int bad = 0;
    for (size_t i = 0; i < x->nenv; i++)
        bad |= buf_printf(&env, "%s%s", i > 0 ? "\n" : "", x->env[i]);
    bad |= buf_add(&env, "", 1) | file_names(x, true, &needed) |
           file_names(x, false, &attached);
    if (!bad && env.len > 1)
        report_text(report, "environment", (const char *)env.p);
    if (!bad && needed.len > 1)
        report_text(report, "needed", (const char *)needed.p);
    if (!bad && attached.len > 1)
        report_text(report, "attached", (const char *)attached.p);
    buf_free(&env);
    buf_free(&needed);
    buf_free(&attached);
}

void opened_facts(const struct opened *o, const struct job *job)
{
    char text[UTC_STAMP_SIZE];
    report_text(job->report, "archive", input_path(o->in));
    if (!o->have_manifest)
        return;
    report_text(job->report, "name", o->manifest.name);
    report_text(job->report, "host", o->manifest.host);
    report_text(job->report, "source", o->manifest.source);
    report_text(job->report, "created", utc_rfc3339(text, o->manifest.created));
    source_facts(&o->manifest.volume, job->report);
    if (o->manifest.final && o->manifest.volume.pmm)
        report_text(job->report, "state", manifest_state_name(o->manifest.state));
    report_text(job->report, "uid_map", o->manifest.idmap.uid);
    report_text(job->report, "gid_map", o->manifest.idmap.gid);
    extras_facts(&o->manifest.extras, job->report);
    uint64_t before = report_warnings(job->report) + report_notes(job->report);
    manifest_carry(&o->manifest, job->report);
    report_u64(job->report, "carried",
               report_warnings(job->report) + report_notes(job->report) - before);
}

void opened_progress(const struct opened *o, const struct job *job, const char *phase)
{
    struct progress *p = job->progress;
    atomic_store(&p->phase, phase);
    atomic_store(&p->bytes, 0);
    if (o->have_manifest && o->manifest.final) {
        atomic_store(&p->total, o->manifest.totals.stored);
        atomic_store(&p->known, true);
    }
}

void opened_close(struct opened *o)
{
    if (o->have_manifest)
        manifest_free(&o->manifest);
    index_free(o->index);
    reader_free(o->reader);
    key_free(&o->key);
    input_free(o->in);
    *o = (struct opened){0};
}
