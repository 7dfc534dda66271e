#include "cli/cmd_verify.h"

#include <inttypes.h>

#include "cli/summary.h"
#include "cli/text.h"
#include "job/directory.h"
#include "job/verify.h"

/* A directory_done_fn: as they are done, for it may take hours. With -q those that
 * are not good: the error at the end names only the worst. */
static void show(void *ctx, const char *file, const struct err *why, uint64_t warnings)
{
    const struct run *r = ctx;
    if (r->opts->json || (r->opts->quiet && why == NULL))
        return;
    text_put(r->out, file);
    fputs(why == NULL ? ": OK" : ": NOT GOOD: ", r->out);
    if (why != NULL)
        text_put(r->out, why->text);
    else if (warnings > 0)
        fprintf(r->out, ", %" PRIu64 " %s", warnings,
                warnings == 1 ? "warning" : "warnings");
    fputc('\n', r->out);
    fflush(r->out);
}

int cmd_verify_run(struct run *r, struct err *err)
{
    const struct options *o = r->opts;
    if (!directory_is(o->archive))
        return o->sample_of == 0 || o->config != NULL
                   ? verify_run(&r->job, o->archive, err)
                   : err_set(err, ERR_USAGE,
                             "--sample is for a directory of archives: %s", o->archive);
    r->directory = true;
    const struct directory_verify d = {.dir = o->archive,
                                       .share = o->sample_share,
                                       .of = o->sample_of,
                                       .lock_wait = o->lock_wait};
    return directory_verify(&r->job, &d, show, r, err);
}

static void print_directory(const struct run *r)
{
    uint64_t n = report_get_u64(r->report, "archives");
    summary_text(r, "archive");
    fprintf(r->out, ": OK: %" PRIu64 " %s verified", n,
            n == 1 ? "archive" : "archives");
    if (report_get_u64(r->report, "skipped") > 0)
        fprintf(r->out, ", %" PRIu64 " left for another time",
                report_get_u64(r->report, "skipped"));
    summary_warnings(r);
}

void cmd_verify_print(const struct run *r)
{
    static const struct summary_row rows[] = {
        {"name", "name", SUMMARY_TEXT},
        {"as a tar", "tar_bytes", SUMMARY_BYTES},
        {"archive", "archive_bytes", SUMMARY_BYTES},
        {"generation", "generation", SUMMARY_NUMBER},
    };
    if (r->directory) {
        print_directory(r);
        return;
    }
    summary_text(r, "archive");
    fputs(": OK: ", r->out);
    summary_origin(r);
    summary_amount(r);
    summary_speed(r);
    summary_warnings(r);
    if (r->opts->verbose)
        summary_table(r, rows, sizeof rows / sizeof rows[0]);
}
