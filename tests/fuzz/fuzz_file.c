/*
 * An archive as a file, by its end, its tail and its index; all records are authentic.
 * What a full read of it calls whole, its index must lead to as well: the same entries,
 * and the same content for one of them alone.
 */
#include <string.h>

#include "assembly.h"
#include "job/items.h"
#include "job/partial.h"
#include "job/unpack.h"

#define FNV_START 0xcbf29ce484222325u
#define FNV_PRIME 0x100000001b3u

static uint64_t mix(uint64_t h, const void *p, size_t len)
{
    const uint8_t *b = p;
    for (size_t i = 0; i < len; i++)
        h = (h ^ b[i]) * FNV_PRIME;
    return h;
}

/* Of the last file or hard link: its path, and a sum of its content without zeros, as
 * holes may come as such or not. */
struct last {
    char path[PATH_BYTES_MAX + 1];
    bool wanted; /* the entry at hand is a file or a link */
    uint64_t sum, entries;
    bool is_link;
};

static int on_entry(void *ctx, const struct entry *e, struct err *err)
{
    struct last *l = ctx;
    (void)err;
    l->entries++;
    l->wanted = e->item.type == ITEM_FILE || e->item.type == ITEM_HARDLINK;
    if (!l->wanted)
        return 0;
    memcpy(l->path, e->item.path, strlen(e->item.path) + 1);
    l->is_link = e->item.type == ITEM_HARDLINK;
    l->sum = mix(FNV_START, &e->item.size, sizeof e->item.size);
    return 0;
}

static int on_data(void *ctx, const void *buf, size_t len, uint64_t off,
                   struct err *err)
{
    struct last *l = ctx;
    const uint8_t *p = buf;
    (void)err;
    for (size_t i = 0; i < len; i++)
        if (p[i] != 0) {
            uint64_t at = off + i;
            l->sum = mix(mix(l->sum, &at, sizeof at), p + i, 1);
        }
    return 0;
}

static int open_it(struct opened *o, const struct reader_io *io, struct err *err)
{
    *o = (struct opened){.in = NULL};
    if (reader_open(&o->reader, io, err) != 0)
        return -1;
    o->reader->keys = assembly_keys();
    return io->pread != NULL ? opened_index(o, err) : 0;
}

static void close_it(struct opened *o)
{
    if (o->reader != NULL)
        o->reader->keys = NULL;
    opened_close(o);
}

/* Everything, from a file or a stream. */
static int read_all(struct assembly *a, const struct reader_io *io,
                    const struct job *job, struct last *l)
{
    const struct unpack_sink sink = {.entry = on_entry, .data = on_data, .ctx = l};
    struct opened o;
    struct err err = {0};
    a->pos = 0;
    int rc = -1;
    if (open_it(&o, io, &err) == 0 && unpack_all(&o, job, NULL, &sink, &err) == 0)
        rc = opened_spare(&o, job, true, &err);
    fuzz_tell(&err);
    FUZZ_CHECK(rc == 0 || err.cls == ERR_DAMAGED);
    close_it(&o);
    return rc;
}

/* As list reads a file. */
static int list(struct assembly *a, const struct job *job, uint64_t *n)
{
    struct opened o;
    struct items it = {0};
    struct item item;
    struct err err = {0};
    int more = -1;
    *n = 0;
    if (open_it(&o, &a->file, &err) == 0) {
        items_start(&it, o.index, &o.manifest.totals);
        while ((more = items_next(&it, &item, &err)) == 1)
            ++*n;
        if (more == 0)
            more = opened_spare(&o, job, false, &err);
    }
    fuzz_tell(&err);
    FUZZ_CHECK(more == 0 || err.cls == ERR_DAMAGED);
    items_free(&it);
    close_it(&o);
    return more;
}

/* As restore reads one path of a file. */
static int read_part(struct assembly *a, const struct job *job, const char *path,
                     struct last *l)
{
    const struct unpack_sink sink = {.entry = on_entry, .data = on_data, .ctx = l};
    const char *const paths[] = {path};
    struct select *select = NULL;
    struct partial *p = NULL;
    struct opened o;
    struct err err = {0};
    int rc = -1;
    FUZZ_CHECK(select_new(&select, paths, 1, &err) == 0);
    if (open_it(&o, &a->file, &err) == 0 &&
        select_bind(select, o.manifest.source, &err) == 0 &&
        partial_plan(&p, &o, select, &err) == 0)
        rc = partial_unpack(p, job, &sink, &err);
    fuzz_tell(&err);
    FUZZ_CHECK((rc == 0) == (err.cls == ERR_NONE));
    FUZZ_CHECK(rc == 0 || err.cls == ERR_DAMAGED || err.cls == ERR_FAIL);
    partial_free(p);
    select_free(select);
    close_it(&o);
    return rc;
}

static struct last stream, file, part;

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct progress progress = {.known = false};
    struct job job = {.progress = &progress, .threads = 1};
    struct assembly a;
    struct err err = {0};
    uint64_t listed;
    FUZZ_CHECK(report_new(&job.report, &err) == 0);
    stream = file = part = (struct last){.path = "no such path"};
    assembly_make(&a, data, size);

    int as_stream = read_all(&a, &a.piped, &job, &stream);
    int as_file = read_all(&a, &a.file, &job, &file);
    int as_list = list(&a, &job, &listed);
    int as_part = read_part(&a, &job, file.path, &part);

    /* Of one archive all say the same. */
    FUZZ_CHECK(as_stream == as_file);
    if (as_file == 0) {
        FUZZ_CHECK(file.entries == stream.entries && file.sum == stream.sum);
        FUZZ_CHECK(as_list == 0 && listed == file.entries);
        if (strcmp(file.path, "no such path") != 0)
            FUZZ_CHECK(as_part == 0);
        if (as_part == 0 && !file.is_link)
            FUZZ_CHECK(part.sum == file.sum);
    }
    assembly_free(&a);
    report_free(job.report);
    return 0;
}
