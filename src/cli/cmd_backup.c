#include "cli/cmd_backup.h"

#include <string.h>
#include <unistd.h>

#include "cli/human.h"
#include "cli/summary.h"
#include "job/backup.h"

int cmd_backup_run(struct run *r, struct err *err)
{
    const struct options *o = r->opts;
    char host[256] = "";
    if (gethostname(host, sizeof host - 1) != 0 || host[0] == '\0')
        strcpy(host, "unknown");
    const struct backup_opts b = {
        .source = o->place,
        .output = o->output,
        .name = o->name,
        .host = host,
        .force = o->force,
        .level = o->level,
        .cost = o->cost,
        .cost_chosen = o->cost_given,
        .excludes = o->excludes,
        .one_file_system = o->one_file_system,
        .new_passphrase = o->new_passphrase,
        .allow_weak = o->allow_weak,
        .estimate = o->progress != PROGRESS_NONE,
        .dry_run = o->dry_run,
    };
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
        {"without holes", "stored", SUMMARY_BYTES},
        {"as a tar", "tar_bytes", SUMMARY_BYTES},
        {"archive", "archive_bytes", SUMMARY_BYTES},
        {"level", "level", SUMMARY_NUMBER},
        {"key shared", "slots_shared", SUMMARY_YES},
        {"key check", "key_check", SUMMARY_TEXT},
    };
    summary_table(r, rows, sizeof rows / sizeof rows[0]);
}

void cmd_backup_print(const struct run *r)
{
    char size[HUMAN_SIZE];
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
    summary_warnings(r);
    if (r->opts->verbose)
        print_table(r);
}
