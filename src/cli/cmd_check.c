#include "cli/cmd_check.h"

#include <stdio.h>
#include <stdlib.h>

#include "cli/cmd_backup.h"
#include "cli/summary.h"
#include "cli/text.h"
#include "job/check.h"

static void show_json(const struct run *r, const char *what, const char *found,
                      const struct err *why)
{
    struct report *one = NULL;
    struct err ignored = {0};
    if (report_new(&one, &ignored) != 0)
        return;
    report_text(one, "check", what);
    report_bool(one, "good", why == NULL);
    if (why == NULL && found[0] != '\0')
        report_text(one, "found", found);
    if (why != NULL)
        report_text(one, "error", why->text);
    if (why != NULL && why->hint[0] != '\0')
        report_text(one, "hint", why->hint);
    char *line = report_facts_json(one);
    if (line != NULL)
        fprintf(r->out, "%s\n", line);
    free(line);
    report_free(one);
}

/* A check_fn. */
static void show(void *ctx, const char *what, const char *found, const struct err *why)
{
    const struct run *r = ctx;
    if (r->opts->json) {
        show_json(r, what, found, why);
        return;
    }
    if (r->opts->quiet && why == NULL)
        return;
    fprintf(r->out, "%-12s%s", what, why == NULL ? "OK" : "NOT GOOD: ");
    if (why == NULL && found[0] != '\0')
        fputs(": ", r->out);
    text_put(r->out, why == NULL ? found : why->text);
    if (why != NULL && why->hint[0] != '\0') {
        fprintf(r->out, "\n%-12s", "");
        text_put(r->out, why->hint);
    }
    fputc('\n', r->out);
    fflush(r->out);
}

int cmd_check_run(struct run *r, struct err *err)
{
    const struct options *o = r->opts;
    struct backup_opts b;
    struct prune_opts prune;
    cmd_backup_opts(o, &b, &prune);
    const struct check_opts c = {.backup = &b,
                                 .metrics_file = o->metrics_file,
                                 .passphrase_given = o->passphrase_given};
    return check_run(&r->job, &c, show, r, err);
}

void cmd_check_print(const struct run *r)
{
    text_put(r->out, r->opts->archive);
    fputs(": OK: a backup by it can run", r->out);
    summary_warnings(r);
}
