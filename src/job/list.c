#include "job/list.h"

#include "job/items.h"
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

/* From a file: through its index. */
static int from_index(struct list *l, struct opened *o, struct err *err)
{
    struct items it = {0};
    struct item item;
    int more;

    if (select_bind(l->select, o->manifest.source, err) != 0)
        return -1;
    items_start(&it, o->index, &o->manifest.totals);
    while ((more = items_next(&it, &item, err)) == 1)
        if (one(l, &item, err) != 0)
            break;
    items_free(&it);
    return more != 0 ? -1 : select_check_met(l->select, err);
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
