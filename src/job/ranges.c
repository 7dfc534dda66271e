#include "job/ranges.h"

/* Put the last one into words. */
static int settle(struct ranges *r, struct err *err)
{
    if (r->from == r->to)
        return 0;
    if (r->n++ < RANGES_TOLD &&
        buf_printf(&r->text, "%s%llu to %llu", r->n > 1 ? ", " : "bytes ",
                   (unsigned long long)r->from, (unsigned long long)r->to - 1) != 0)
        return err_nomem(err);
    r->from = r->to = 0;
    return 0;
}

int ranges_add(struct ranges *r, uint64_t off, uint64_t len, struct err *err)
{
    if (r->from != r->to && r->to == off) {
        r->to += len;
        return 0;
    }
    if (settle(r, err) != 0)
        return -1;
    r->from = off;
    r->to = off + len;
    return 0;
}

int ranges_text(struct ranges *r, uint64_t size, const char *then, const char **text,
                struct err *err)
{
    if (settle(r, err) != 0)
        return -1;
    const char *more = r->n > RANGES_TOLD ? " and more" : r->n == 0 ? "some" : "";
    if (buf_printf(&r->text, "%s of %llu are missing%s", more, (unsigned long long)size,
                   then) != 0 ||
        buf_add(&r->text, "", 1) != 0)
        return err_nomem(err);
    *text = (const char *)r->text.p;
    return 0;
}

void ranges_free(struct ranges *r)
{
    buf_free(&r->text);
    *r = (struct ranges){0};
}
