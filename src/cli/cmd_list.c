#include "cli/cmd_list.h"

#include <stdlib.h>

#include "cli/lines.h"
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

int cmd_list_run(struct run *r, struct err *err)
{
    const struct options *o = r->opts;
    struct listing l = {.run = r, .lines = {.list_long = o->list_long, .nul = o->nul}};
    int rc = list_run(&r->job, o->archive, o->paths, o->npaths, on_entry, &l, err);
    buf_free(&l.line);
    return rc;
}
