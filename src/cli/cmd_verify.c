#include "cli/cmd_verify.h"

#include "cli/summary.h"
#include "job/verify.h"

int cmd_verify_run(struct run *r, struct err *err)
{
    return verify_run(&r->job, r->opts->archive, err);
}

void cmd_verify_print(const struct run *r)
{
    static const struct summary_row rows[] = {
        {"name", "name", SUMMARY_TEXT},
        {"as a tar", "tar_bytes", SUMMARY_BYTES},
        {"archive", "archive_bytes", SUMMARY_BYTES},
        {"generation", "generation", SUMMARY_NUMBER},
    };
    summary_text(r, "archive");
    fputs(": OK: ", r->out);
    summary_origin(r);
    summary_amount(r);
    summary_speed(r);
    summary_warnings(r);
    if (r->opts->verbose)
        summary_table(r, rows, sizeof rows / sizeof rows[0]);
}
