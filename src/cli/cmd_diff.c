#include "cli/cmd_diff.h"

#include <inttypes.h>
#include <stdlib.h>

#include "cli/summary.h"
#include "cli/text.h"
#include "job/diff.h"
#include "report/json.h"

static void print_json(const struct run *r, const char *path, const char *what)
{
    json_t *obj = json_object();
    char *text = NULL;
    if (json_set_bytes(obj, "what", what) == 0 &&
        json_set_bytes(obj, "path", path) == 0)
        text = json_text(obj);
    if (text != NULL)
        fprintf(r->out, "%s\n", text);
    else
        message_say(r->message, "not enough memory for a line of the report");
    free(text);
    json_decref(obj);
}

/* A compare_fn. Output that fails shows in ferror() at the end. */
static void on_difference(void *ctx, const char *path, const char *what)
{
    const struct run *r = ctx;
    if (r->opts->json) {
        print_json(r, path, what);
        return;
    }
    text_put(r->out, what);
    fputs(": ", r->out);
    text_put(r->out, path);
    fputc('\n', r->out);
}

int cmd_diff_run(struct run *r, struct err *err)
{
    const struct options *o = r->opts;
    const struct diff_opts d = {
        .archive = o->archive,
        .directory = o->place,
        .ignore_owner = o->no_owner,
        .excludes = o->excludes,
        .no_defaults = o->no_default_excludes,
        .fn = on_difference,
        .fn_ctx = r,
    };
    return diff_run(&r->job, &d, &r->differences, err);
}

void cmd_diff_print(const struct run *r)
{
    summary_text(r, "archive");
    fputs(" against ", r->out);
    summary_text(r, "directory");
    if (r->differences == 0)
        fputs(": no difference in ", r->out);
    else
        fprintf(r->out, ": %" PRIu64 " difference%s in ", r->differences,
                r->differences == 1 ? "" : "s");
    summary_amount(r);
    summary_speed(r);
    summary_warnings(r);
}
