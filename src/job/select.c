#include "job/select.h"

#include <stdlib.h>
#include <string.h>

#include "util/path.h"

struct select {
    size_t n;                 /* as given */
    const char *const *given; /* borrowed */
    char **path;              /* relative; "." is everything; NULL until bound */
    bool *met;
    const char **top; /* those of path[] that lie below no other */
    size_t ntop;
};

int select_new(struct select **out, const char *const *paths, size_t n, struct err *err)
{
    struct select *s = calloc(1, sizeof *s);
    if (s == NULL)
        return err_nomem(err);
    s->n = n;
    s->given = paths;
    s->path = calloc(n + 1, sizeof *s->path);
    s->met = calloc(n + 1, sizeof *s->met);
    s->top = calloc(n + 1, sizeof *s->top);
    if (s->path == NULL || s->met == NULL || s->top == NULL) {
        select_free(s);
        return err_nomem(err);
    }
    *out = s;
    return 0;
}

void select_free(struct select *s)
{
    if (s == NULL)
        return;
    for (size_t i = 0; s->path != NULL && i < s->n; i++)
        free(s->path[i]);
    free(s->path);
    free(s->met);
    free(s->top);
    free(s);
}

/* Without empty components, "." and trailing slashes; "." if nothing is left. In place.
 */
static void tidy(char *p)
{
    char *out = p, *in = p;
    while (*in != '\0') {
        size_t len = strcspn(in, "/");
        if (len > 0 && !(len == 1 && in[0] == '.')) {
            if (out != p)
                *out++ = '/';
            memmove(out, in, len);
            out += len;
        }
        in += len;
        in += strspn(in, "/");
    }
    if (out == p)
        *out++ = '.';
    *out = '\0';
}

/* A copy that tidy() may work on: it can need one byte more, for ".". */
static char *copy(const char *s)
{
    char *p = malloc(strlen(s) + 2);
    return p != NULL ? strcpy(p, s) : NULL;
}

/* One PATH made relative to SOURCE. An absolute one elsewhere is taken without its '/':
 * "/nginx" means "nginx", and what then meets nothing select_check_met names. */
static char *relative(const char *given, const char *source)
{
    char *p = copy(given), *src = copy(source);
    if (p != NULL && src != NULL) {
        tidy(p);
        tidy(src);
        size_t n = strlen(src);
        if (given[0] == '/' && path_below(p, src) && strcmp(src, ".") != 0) {
            if (p[n] == '\0')
                strcpy(p, ".");
            else
                memmove(p, p + n + 1, strlen(p + n + 1) + 1);
        }
    } else {
        free(p);
        p = NULL;
    }
    free(src);
    return p;
}

/* Keep in top[] what lies below no other path; of equal ones the first. */
static void find_top(struct select *s)
{
    for (size_t i = 0; i < s->n; i++) {
        bool below = false;
        for (size_t j = 0; j < s->n && !below; j++)
            if (j != i && path_below(s->path[i], s->path[j]))
                below = strcmp(s->path[i], s->path[j]) != 0 || j < i;
        if (!below)
            s->top[s->ntop++] = s->path[i];
    }
}

int select_bind(struct select *s, const char *source, struct err *err)
{
    if (s->ntop > 0)
        return 0;
    for (size_t i = 0; i < s->n; i++) {
        s->path[i] = relative(s->given[i], source);
        if (s->path[i] == NULL)
            return err_nomem(err);
        if (!path_valid(s->path[i], strlen(s->path[i])))
            return err_set(err, ERR_USAGE, "not a path of an archive: %s", s->given[i]);
    }
    find_top(s);
    return 0;
}

enum select_want select_wants(struct select *s, const char *path)
{
    enum select_want want = s->n == 0 ? SELECT_YES : SELECT_NO;
    for (size_t i = 0; i < s->n; i++) {
        if (path_below(path, s->path[i])) {
            s->met[i] = true;
            want = SELECT_YES;
        } else if (want == SELECT_NO && strcmp(path, ".") != 0 &&
                   path_below(s->path[i], path)) {
            want = SELECT_PARENT;
        }
    }
    return want;
}

bool select_everything(const struct select *s)
{
    return s->n == 0 || (s->ntop == 1 && strcmp(s->top[0], ".") == 0);
}

int select_check_met(const struct select *s, struct err *err)
{
    for (size_t i = 0; i < s->n; i++) {
        if (s->met[i])
            continue;
        err_set(err, ERR_FAIL, "the archive has no such path: %s", s->given[i]);
        return err_hint(err, "`pmm-seal list ARCHIVE` shows what it holds");
    }
    return 0;
}

const char *const *select_paths(const struct select *s, size_t *n)
{
    *n = s->ntop;
    return s->top;
}
