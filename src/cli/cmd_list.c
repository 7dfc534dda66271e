#include "cli/cmd_list.h"

#include <inttypes.h>
#include <stdlib.h>

#include "cli/archiverow.h"
#include "cli/lines.h"
#include "job/directory.h"
#include "job/list.h"
#include "report/json.h"

struct listing {
    struct run *run;
    struct lines lines;
    struct buf line; /* reused */
};

static int write_line(const struct listing *l, struct err *err)
{
    if (fwrite(l->line.p, 1, l->line.len, l->run->out) == l->line.len)
        return 0;
    return err_sys(err, ERR_FAIL, "cannot write to standard output");
}

/* A list_fn. */
static int on_entry(void *ctx, const struct item *item, struct err *err)
{
    struct listing *l = ctx;
    l->line.len = 0;
    int rc;
    if (l->run->opts->json) {
        char *text = json_item(item);
        rc = text != NULL ? buf_printf(&l->line, "%s\n", text) : -1;
        free(text);
    } else {
        rc = lines_add(&l->lines, &l->line, item);
    }
    return rc == 0 ? write_line(l, err) : err_nomem(err);
}

/* A directory_fn. */
static int on_archive(void *ctx, const struct catalog_entry *e, struct err *err)
{
    struct run *r = ctx;
    char warnings[24] = "?";
    if (r->opts->json)
        return archiverow_json(r->out, e, r->job.now, NULL, err);
    if (!r->headed)
        archiverow_heading(r->out, "WARNINGS");
    r->headed = true;
    if (e->state == CATALOG_GOOD)
        snprintf(warnings, sizeof warnings, "%" PRIu64, e->totals.warnings);
    archiverow_text(r->out, e, r->job.now, warnings, NULL);
    return 0;
}

static int list_directory(struct run *r, struct err *err)
{
    const struct options *o = r->opts;
    if (o->npaths > 0)
        return err_set(err, ERR_USAGE,
                       "a directory of archives has no PATHs: list one "
                       "of its archives");
    if (!o->passphrase_given)
        passphrase_forget(&o->passphrase);
    if (directory_list(&r->job, o->archive, o->passphrase_given, on_archive, r, err) !=
        0)
        return -1;
    if (!o->json && !r->headed)
        message_note(r->message, "no archives in the directory: %s", o->archive);
    if (!o->json && !o->passphrase_given && r->headed)
        fputs("(not authenticated; with a passphrase option this also tells what is in "
              "them)\n",
              r->out);
    return 0;
}

int cmd_list_run(struct run *r, struct err *err)
{
    const struct options *o = r->opts;
    if (directory_is(o->archive))
        return list_directory(r, err);
    struct listing l = {.run = r, .lines = {.list_long = o->list_long, .nul = o->nul}};
    int rc = list_run(&r->job, o->archive, o->paths, o->npaths, on_entry, &l, err);
    buf_free(&l.line);
    return rc;
}
