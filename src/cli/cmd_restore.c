#include "cli/cmd_restore.h"

#include <inttypes.h>

#include "cli/nextsteps.h"
#include "cli/summary.h"
#include "job/restore.h"
#include "job/salvage.h"

static int salvage(struct run *r, struct err *err)
{
    const struct options *o = r->opts;
    const struct salvage_opts job = {
        .archive = o->archive,
        .target = o->place,
        .owner = o->owner,
        .uid = o->uid,
        .gid = o->gid,
        .read_back = !o->no_read_back,
        .ignore_space = o->ignore_space,
        .name_saved = o->verbose,
    };
    return salvage_run(&r->job, &job, err);
}

int cmd_restore_run(struct run *r, struct err *err)
{
    const struct options *o = r->opts;
    if (o->salvage)
        return salvage(r, err);
    const struct restore_opts job = {
        .archive = o->archive,
        .target = o->place,
        .paths = o->paths,
        .npaths = o->npaths,
        .replace = o->replace,
        .owner = o->owner,
        .uid = o->uid,
        .gid = o->gid,
        .read_back = !o->no_read_back,
        .ignore_space = o->ignore_space,
        .target_version = o->target_version,
        .force_version = o->force_version,
        .pause = {.services = o->stop_services, .apart = true, .all = true},
        .dry_run = o->dry_run,
    };
    return restore_run(&r->job, &job, err);
}

static void print_proof(const struct run *r)
{
    uint64_t disk = report_get_u64(r->report, "proven");
    uint64_t cache = report_get_u64(r->report, "proven_cached");
    if (!report_get_bool(r->report, "read_back")) {
        fputs("the files were not read back (--no-read-back)\n", r->out);
        return;
    }
    fprintf(r->out, "read back and found as written: %" PRIu64 " %s from the disk",
            disk, disk == 1 ? "file" : "files");
    if (cache > 0)
        fprintf(r->out, ", %" PRIu64 " from the cache", cache);
    fputc('\n', r->out);
}

void cmd_restore_print(const struct run *r)
{
    bool dry = r->opts->dry_run;
    fputs(dry ? "would restore " : "restored ", r->out);
    summary_text(r, "archive");
    fputs(" -> ", r->out);
    summary_text(r, "target");
    fputs(": ", r->out);
    summary_origin(r);
    summary_amount(r);
    summary_speed(r);
    summary_warnings(r);
    if (dry) {
        fputs("checked, nothing written; TARGET was not looked at\n", r->out);
        return;
    }
    print_proof(r);
    nextsteps_print(r);
}
