#include "job/info.h"

#include <stdio.h>
#include <string.h>

#include "format/slot.h"
#include "job/confined.h"
#include "job/opened.h"
#include "util/utc.h"

static const char *hex(char *out, const uint8_t *p, size_t n)
{
    for (size_t i = 0; i < n; i++)
        snprintf(out + 2 * i, 3, "%02x", p[i]);
    return out;
}

static const char *state_name(enum reader_state s)
{
    static const char *const names[] = {"unknown", "good", "stale", "damaged"};
    return names[s];
}

/* The keys of facts live in the report as static strings, so slots are told as one text
 * each: what a person or a script needs to know is short. */
static int tell_slots(const struct header *h, struct report *r, struct err *err)
{
    static const char *const keys[] = {"slot.0", "slot.1", "slot.2", "slot.3",
                                       "slot.4", "slot.5", "slot.6", "slot.7",
                                       "slot.8", "slot.9"};
    struct slot s;
    size_t off = 0;
    uint64_t n = 0;
    int more;

    while ((more = slot_next(h, &off, &s, err)) == 1) {
        char when[UTC_STAMP_SIZE], text[128];
        struct slot_passphrase p;
        utc_rfc3339(when, s.created);
        if (s.type == SLOT_PASSPHRASE) {
            if (slot_parse_passphrase(&s, &p, err) != 0)
                return -1;
            snprintf(text, sizeof text,
                     "passphrase, created %s, argon2id %u passes %u MiB", when,
                     p.passes, p.memory_kib / 1024);
        } else {
            snprintf(text, sizeof text, "unknown type %u, created %s", s.type, when);
        }
        if (n < sizeof keys / sizeof *keys)
            report_text(r, keys[n], text);
        n++;
    }
    report_u64(r, "slots", n);
    return more;
}

static int tell_header(const struct opened *o, struct report *r, struct err *err)
{
    const struct reader *rd = o->reader;
    const struct header *h = &rd->header;
    char text[33];

    report_text(r, "archive", input_path(o->in));
    report_u64(r, "version", h->version);
    report_u64(r, "suite", h->suite);
    report_u64(r, "chunk_bytes", rd->chunk_size);
    report_text(r, "archive_id", hex(text, h->id, sizeof h->id));
    report_text(r, "key_check", hex(text, h->key_check, 8));
    report_u64(r, "generation", h->generation);
    report_u64(r, "header_bytes", rd->header_size);
    report_u64(r, "archive_bytes", (uint64_t)input_size(o->in));
    report_text(r, "header", state_name(rd->front));
    report_text(r, "header_copy", state_name(rd->copy));
    return tell_slots(h, r, err);
}

static void tell_manifest(const struct opened *o, struct report *r)
{
    const struct manifest *m = &o->manifest;
    const struct manifest_totals *t = &m->totals;
    char text[UTC_STAMP_SIZE];

    report_text(r, "tool", m->tool);
    report_text(r, "finished", utc_rfc3339(text, m->finished));
    report_u64(r, "level", m->level);
    manifest_facts(t, r);
    report_u64(r, "disk_bytes", t->disk_bytes);
    report_u64(r, "records", o->index->end.records);
    report_u64(r, "chunks", o->index->end.chunks);
}

static int take_attached(const struct opened *o, const char *name, struct buf *content,
                         struct err *err)
{
    const struct extra_file *f = extras_find(&o->manifest.extras, name);
    if (f == NULL) {
        err_set(err, ERR_FAIL, "no such file was attached to the archive: %s", name);
        return err_hint(
            err, "pmm-seal info --passphrase-file FILE ARCHIVE names those that were");
    }
    return buf_add(content, f->text, strlen(f->text) + 1) == 0 ? 0 : err_nomem(err);
}

/* With a key: everything. */
static int tell_all(struct opened *o, const struct job *job, const char *attached,
                    struct buf *content, struct err *err)
{
    if (opened_unlock(o, job, err) != 0 || opened_index(o, err) != 0 ||
        opened_spare(o, job, false, err) != 0)
        return -1;
    opened_facts(o, job);
    tell_manifest(o, job->report);
    report_text(job->report, "header", state_name(o->reader->front));
    report_text(job->report, "header_copy", state_name(o->reader->copy));
    return attached == NULL ? 0 : take_attached(o, attached, content, err);
}

int info_run(const struct job *job, const char *archive, bool use_key,
             const char *attached, struct buf *content, struct err *err)
{
    struct opened o;
    int rc = -1;

    if (opened_open(&o, archive, false, err) != 0)
        goto out;
    if (o.reader->io.pread == NULL) {
        err_set(err, ERR_USAGE, "info needs a file, not a stream: %s", archive);
        goto out;
    }
    if ((!use_key && confined_enter(job, err) != 0) ||
        tell_header(&o, job->report, err) != 0)
        goto out;
    report_bool(job->report, "authenticated", use_key);
    rc = use_key ? tell_all(&o, job, attached, content, err) : 0;
out:
    opened_close(&o);
    return rc;
}
