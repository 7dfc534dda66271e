#include "cli/cmd_prune.h"

#include <inttypes.h>

#include "cli/archiverow.h"
#include "cli/human.h"
#include "cli/summary.h"
#include "job/prune.h"

/* A prune_fn: the table goes out as it is decided, before anything is deleted. */
static int show(void *ctx, const struct catalog_entry *e, unsigned why, struct err *err)
{
    struct run *r = ctx;
    const struct options *o = r->opts;
    struct buf text = {0};
    int rc = 0;
    if (o->quiet && !o->dry_run && !o->json)
        return 0;
    if (keep_why_text(why, &text) != 0 || buf_add(&text, "", 1) != 0) {
        rc = err_nomem(err);
    } else if (o->json) {
        rc = archiverow_json(r->out, e, r->job.now, (const char *)text.p, err);
    } else {
        if (!r->headed)
            archiverow_heading(r->out, "KEEP");
        r->headed = true;
        archiverow_text(r->out, e, r->job.now, why != 0 ? "yes" : "DELETE",
                        why != 0 ? (const char *)text.p : NULL);
    }
    buf_free(&text);
    return rc;
}

int cmd_prune_run(struct run *r, struct err *err)
{
    const struct options *o = r->opts;
    const struct prune_opts p = {
        .dir = o->archive,
        .name = o->name,
        .rules = o->keep,
        .max_deletes = o->max_deletes,
        .lock_wait = o->lock_wait,
        .require_mount = o->require_mount,
        .dry_run = o->dry_run,
    };
    return prune_run(&r->job, &p, show, r, err);
}

void cmd_prune_print(const struct run *r)
{
    char size[HUMAN_SIZE];
    uint64_t deleted = report_get_u64(r->report, "deleted");
    fprintf(r->out, "%s%" PRIu64 " %s (%s), %" PRIu64 " %s%s",
            r->opts->dry_run ? "would delete " : "deleted ", deleted,
            deleted == 1 ? "archive" : "archives",
            human_bytes(size, report_get_u64(r->report, "deleted_bytes")),
            report_get_u64(r->report, "kept"), r->opts->dry_run ? "would stay" : "stay",
            report_get_bool(r->report, "capped")
                ? "; more are to go, the next time (--max-deletes)"
                : "");
    summary_warnings(r);
}
