#include "job/list.h"

#include "job/opened.h"
#include "job/select.h"
#include "job/unpack.h"

struct list {
    list_fn *fn;
    void *ctx;
    struct select *select;
    uint64_t listed;
};

static int one(void *ctx, const struct item *item, struct err *err)
{
    struct list *l = ctx;
    if (select_wants(l->select, item->path) != SELECT_YES)
        return 0;
    l->listed++;
    return l->fn(l->ctx, item, err);
}

/* From a file: the items of all ENTRIES, as many as END says. */
static int from_index(struct list *l, struct opened *o, struct err *err)
{
    const uint8_t *p;
    size_t len, used;
    uint64_t n = 0;
    int more;

    if (select_bind(l->select, o->manifest.source, err) != 0)
        return -1;
    while ((more = index_entries(o->index, &p, &len, err)) == 1) {
        for (size_t off = 0; off < len; off += used, n++) {
            struct item item;
            if (item_decode(p + off, len - off, &item, &used, err) != 0 ||
                one(l, &item, err) != 0)
                return -1;
        }
    }
    if (more == 0 && n != o->index->end.entries)
        return err_set(
            err, ERR_DAMAGED,
            "the archive contradicts itself: its end counts %llu entries, its "
            "index %llu",
            (unsigned long long)o->index->end.entries, (unsigned long long)n);
    return more < 0 ? -1 : select_check_met(l->select, err);
}

int list_run(const struct job *job, const char *archive, const char *const *paths,
             size_t npaths, list_fn *fn, void *ctx, struct err *err)
{
    struct list l = {.fn = fn, .ctx = ctx};
    const struct unpack_sink sink = {.item = one, .ctx = &l};
    struct opened o;
    int rc = -1;

    if (opened_open(&o, archive, false, err) != 0 ||
        select_new(&l.select, paths, npaths, err) != 0 ||
        opened_unlock(&o, job, err) != 0 || opened_index(&o, err) != 0)
        goto out;
    rc = o.index != NULL ? from_index(&l, &o, err)
                         : unpack_all(&o, job, l.select, &sink, err);
    if (rc == 0)
        rc = opened_spare(&o, job, false, err);
    if (rc == 0)
        opened_facts(&o, job);
    report_u64(job->report, "entries", l.listed);
out:
    select_free(l.select);
    opened_close(&o);
    return rc;
}
