#include "cli/cmd_backup.h"

#include <inttypes.h>
#include <string.h>
#include <unistd.h>

#include "cli/human.h"
#include "cli/summary.h"
#include "cli/text.h"
#include "job/backup.h"

/* An excludes_fn. */
static int show_exclude(void *ctx, const char *pattern, const char *why,
                        struct err *err)
{
    const struct run *r = ctx;
    (void)err;
    fprintf(r->out, "%-46s ", pattern);
    text_put(r->out, why);
    fputc('\n', r->out);
    return 0;
}

void cmd_backup_opts(const struct options *o, struct backup_opts *b,
                     struct prune_opts *prune)
{
    *prune = (struct prune_opts){.rules = o->keep, .max_deletes = o->max_deletes};
    *b = (struct backup_opts){
        .source = o->place,
        .output = o->output,
        .name = o->name,
        .force = o->force,
        .level = o->level,
        .cost = o->cost,
        .cost_chosen = o->cost_given,
        .excludes = o->excludes,
        .no_defaults = o->no_default_excludes,
        .one_file_system = o->one_file_system,
        .allow_live = o->allow_live,
        .pause = {.services = o->stop_services, .before = o->before, .after = o->after},
        .stall = o->stall,
        .add = o->add_files,
        .attach = o->attach_files,
        .env_values = o->env_values,
        .new_passphrase = o->new_passphrase,
        .allow_weak = o->allow_weak,
        .estimate = o->progress != PROGRESS_NONE,
        .dry_run = o->dry_run,
        .verify = o->verify      ? BACKUP_VERIFY_ALWAYS
                  : o->no_verify ? BACKUP_VERIFY_NEVER
                                 : BACKUP_VERIFY_DIRECTORY,
        .require_mount = o->require_mount,
        .lock_wait = o->lock_wait,
        .prune = keep_rules_given(&o->keep) ? prune : NULL,
    };
}

int cmd_backup_run(struct run *r, struct err *err)
{
    const struct options *o = r->opts;
    if (o->show_excludes)
        return backup_show_excludes(&r->job, o->place, show_exclude, r, err);
    struct backup_opts b;
    struct prune_opts prune;
    char host[256] = "";
    if (gethostname(host, sizeof host - 1) != 0 || host[0] == '\0')
        strcpy(host, "unknown");
    cmd_backup_opts(o, &b, &prune);
    b.host = host;
    return backup_run(&r->job, &b, err);
}

static void print_table(const struct run *r)
{
    static const struct summary_row rows[] = {
        {"files", "files", SUMMARY_NUMBER},
        {"directories", "dirs", SUMMARY_NUMBER},
        {"links", "links", SUMMARY_NUMBER},
        {"others", "others", SUMMARY_NUMBER},
        {"excluded", "excluded", SUMMARY_NUMBER},
        {"by default", "default_excluded", SUMMARY_NUMBER},
        {"without holes", "stored", SUMMARY_BYTES},
        {"as a tar", "tar_bytes", SUMMARY_BYTES},
        {"archive", "archive_bytes", SUMMARY_BYTES},
        {"level", "level", SUMMARY_NUMBER},
        {"key shared", "slots_shared", SUMMARY_YES},
        {"key check", "key_check", SUMMARY_TEXT},
    };
    summary_table(r, rows, sizeof rows / sizeof rows[0]);
}

/* What it was, what was left out of it, how long it stood still. */
static void print_volume(const struct run *r)
{
    char text[HUMAN_SIZE];
    uint64_t n = report_get_u64(r->report, "default_excluded");
    summary_text(r, "volume");
    if (report_has(r->report, "state")) {
        fputs(", ", r->out);
        summary_text(r, "state");
    }
    if (n > 0 && report_get_u64(r->report, "default_excluded_bytes") > 0)
        fprintf(r->out, "; %s of logs, caches and the like left out",
                human_bytes(text, report_get_u64(r->report, "default_excluded_bytes")));
    if (report_has(r->report, "downtime"))
        fprintf(r->out, "; stood still for %s",
                human_seconds(text, report_get_double(r->report, "downtime")));
    fputc('\n', r->out);
}

void cmd_backup_print(const struct run *r)
{
    char size[HUMAN_SIZE];
    if (r->opts->show_excludes)
        return;
    fputs(r->opts->dry_run ? "would back up " : "backup of ", r->out);
    summary_text(r, "source");
    fputs(": ", r->out);
    summary_amount(r);
    if (!r->opts->dry_run) {
        summary_speed(r);
        fputs(" -> ", r->out);
        if (options_to_stdout(r->opts))
            fputs("standard output", r->out);
        else
            summary_text(r, "archive");
        fprintf(r->out, " (%s)",
                human_bytes(size, report_get_u64(r->report, "archive_bytes")));
    }
    if (report_get_bool(r->report, "verified"))
        fputs(", verified", r->out);
    if (report_get_u64(r->report, "deleted") > 0)
        fprintf(r->out, ", %" PRIu64 " older deleted",
                report_get_u64(r->report, "deleted"));
    if (report_get_bool(r->report, "capped"))
        fputs(" (more are to go, the next time)", r->out);
    summary_warnings(r);
    print_volume(r);
    if (r->opts->verbose)
        print_table(r);
}
