/*
 * A stream of records that are all authentic: what holds their tags can still be
 * anything that somebody made who knows the passphrase. Read as restore and verify read
 * it, to the end of the archive.
 */
#include <string.h>

#include "assembly.h"
#include "job/unpack.h"
#include "util/path.h"

/* The sink is told of entries as src/job/unpack.h promises. */
struct seen {
    bool open; /* between entry and end */
    bool file;
    uint64_t size, next;
    uint64_t entries, items;
};

static int on_entry(void *ctx, const struct entry *e, struct err *err)
{
    struct seen *s = ctx;
    (void)err;
    FUZZ_CHECK(!s->open);
    FUZZ_CHECK(path_valid(e->item.path, strlen(e->item.path)));
    s->open = true;
    s->file = e->item.type == ITEM_FILE;
    s->size = e->item.size;
    s->next = 0;
    return 0;
}

static int on_data(void *ctx, const void *buf, size_t len, uint64_t off,
                   struct err *err)
{
    struct seen *s = ctx;
    (void)err;
    FUZZ_CHECK(s->open && s->file && buf != NULL);
    FUZZ_CHECK(off >= s->next && off <= s->size && len <= s->size - off);
    s->next = off + len;
    return 0;
}

static int on_end(void *ctx, struct err *err)
{
    struct seen *s = ctx;
    (void)err;
    FUZZ_CHECK(s->open);
    s->open = false;
    s->entries++;
    return 0;
}

static int on_item(void *ctx, const struct item *item, struct err *err)
{
    struct seen *s = ctx;
    (void)item, (void)err;
    s->items++;
    return 0;
}

static void read_stream(struct assembly *a, const struct job *job)
{
    struct seen seen = {.entries = 0};
    const struct unpack_sink sink = {.entry = on_entry,
                                     .data = on_data,
                                     .end = on_end,
                                     .item = on_item,
                                     .ctx = &seen};
    struct opened o = {.in = NULL};
    struct err err = {0};
    if (reader_open(&o.reader, &a->piped, &err) != 0)
        return;
    o.reader->keys = assembly_keys();
    int rc = unpack_all(&o, job, NULL, &sink, &err);
    if (rc == 0) {
        FUZZ_CHECK(!seen.open && seen.entries == o.end.entries);
        FUZZ_CHECK(seen.items == o.end.entries && seen.entries > 0);
        FUZZ_CHECK(o.have_manifest && o.manifest.final);
        rc = opened_spare(&o, job, true, &err);
    }
    if (rc == 0)
        FUZZ_CHECK(o.reader->pos == a->bytes.len);
    FUZZ_CHECK((rc == 0) == (err.cls == ERR_NONE));
    FUZZ_CHECK(err.cls == ERR_NONE || err.cls == ERR_DAMAGED);
    fuzz_tell(&err);
    o.reader->keys = NULL;
    opened_close(&o);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct progress progress = {.known = false};
    struct job job = {.progress = &progress, .threads = 1};
    struct assembly a;
    struct err err = {0};
    FUZZ_CHECK(report_new(&job.report, &err) == 0);
    assembly_make(&a, data, size);
    read_stream(&a, &job);
    assembly_free(&a);
    report_free(job.report);
    return 0;
}
