#include "archive/glob.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct pattern {
    char *given;      /* as the user wrote it */
    const char *glob; /* inside `text`: without what anchors it */
    char *text;       /* without the '/' at the end */
    bool anchored;    /* matched against the whole path, else against its last name */
    bool dir_only;
    bool used;
};

struct globset {
    struct pattern *v;
    size_t n, cap;
};

int glob_new(struct globset **g, struct err *err)
{
    *g = calloc(1, sizeof **g);
    return *g != NULL ? 0 : err_nomem(err);
}

void glob_free(struct globset *g)
{
    if (g == NULL)
        return;
    for (size_t i = 0; i < g->n; i++) {
        free(g->v[i].given);
        free(g->v[i].text);
    }
    free(g->v);
    free(g);
}

/* The byte behind the class that begins at p ("["), or NULL if it is not closed. A ']'
 * that comes first is a member. */
static const char *class_end(const char *p)
{
    p++;
    if (*p == '!')
        p++;
    for (bool first = true; *p != '\0'; first = false) {
        if (*p == ']' && !first)
            return p + 1;
        if (*p == '\\' && p[1] != '\0')
            p++;
        p++;
    }
    return NULL;
}

/* One member of a class: its byte, behind a '\' if there is one. */
static unsigned char class_byte(const char **p)
{
    if (**p == '\\')
        (*p)++;
    return (unsigned char)*(*p)++;
}

/* Whether byte c is in the (closed) class at p. '/' is in none. */
static bool class_has(const char *p, unsigned char c)
{
    const char *end = class_end(p) - 1;
    bool negated = p[1] == '!', found = false;
    p += negated ? 2 : 1;
    while (p < end) {
        unsigned char from = class_byte(&p), to = from;
        if (p + 1 < end && p[0] == '-') {
            p++;
            to = class_byte(&p);
        }
        if (from <= c && c <= to)
            found = true;
    }
    return c != '/' && found != negated;
}

/* If one byte c of a path matches the element of the pattern at *p (no star), step over
 * the element. */
static bool match_one(const char **p, char c)
{
    const char *q = *p;
    if (*q == '[') {
        if (!class_has(q, (unsigned char)c))
            return false;
        *p = class_end(q);
        return true;
    }
    if (*q == '?') {
        *p = q + 1;
        return c != '/';
    }
    if (*q == '\\' && q[1] != '\0')
        q++;
    if (*q != c)
        return false;
    *p = q + 1;
    return true;
}

/*
 * A place to come back to: the pattern behind a star, and how much of the path the star
 * has taken so far. It is enough to remember the last star of each kind: whatever an
 * earlier one could take more, the last one can take as well.
 */
struct retry {
    const char *pattern; /* NULL: none */
    const char *path;
    bool whole; /* a star of the form "**" + '/': takes whole names with their '/' */
};

/* Let "**" take more: one byte, or up to behind the next '/'. */
static bool take_deep(struct retry *r)
{
    if (r->pattern == NULL || *r->path == '\0')
        return false;
    if (r->whole) {
        const char *slash = strchr(r->path, '/');
        if (slash == NULL)
            return false;
        r->path = slash;
    }
    r->path++;
    return true;
}

/* Let '*' take one byte more. */
static bool take_flat(struct retry *r)
{
    if (r->pattern == NULL || *r->path == '\0' || *r->path == '/')
        return false;
    r->path++;
    return true;
}

/* At a star: step over it and note the place. */
static const char *star(const char *begin, const char *p, const char *s,
                        struct retry *flat, struct retry *deep)
{
    const char *after = p + strspn(p, "*");
    if (after - p == 1) {
        *flat = (struct retry){.pattern = after, .path = s};
        return after;
    }
    bool whole = *after == '/' && (p == begin || p[-1] == '/');
    if (whole)
        after++;
    *deep = (struct retry){.pattern = after, .path = s, .whole = whole};
    flat->pattern = NULL;
    return after;
}

static bool match_text(const char *p, const char *s)
{
    const char *begin = p;
    struct retry flat = {.pattern = NULL}, deep = {.pattern = NULL};
    for (;;) {
        if (*p == '*') {
            p = star(begin, p, s, &flat, &deep);
        } else if (*p == '\0' && *s == '\0') {
            return true;
        } else if (*p != '\0' && *s != '\0' && match_one(&p, *s)) {
            s++;
        } else if (take_flat(&flat)) {
            p = flat.pattern;
            s = flat.path;
        } else if (take_deep(&deep)) {
            p = deep.pattern;
            s = deep.path;
            flat.pattern = NULL;
        } else {
            return false;
        }
    }
}

static bool matches(const struct pattern *p, const char *path, bool is_dir)
{
    if ((p->dir_only && !is_dir) || strcmp(path, ".") == 0)
        return false;
    const char *slash = p->anchored ? NULL : strrchr(path, '/');
    return match_text(p->glob, slash != NULL ? slash + 1 : path);
}

bool glob_match(struct globset *g, const char *path, bool is_dir)
{
    bool any = false;
    for (size_t i = 0; i < g->n; i++) {
        if (matches(&g->v[i], path, is_dir))
            any = g->v[i].used = true;
    }
    return any;
}

bool glob_excludes(const struct globset *g, const char *path, bool is_dir)
{
    for (size_t i = 0; i < g->n; i++) {
        if (matches(&g->v[i], path, is_dir))
            return true;
    }
    return false;
}

const char *glob_unused(const struct globset *g, size_t *i)
{
    while (*i < g->n) {
        const struct pattern *p = &g->v[(*i)++];
        if (!p->used)
            return p->given;
    }
    return NULL;
}

/* Find out whether the pattern holds a '/' outside a class. -1: unclosed class. */
static int has_slash(const char *p)
{
    int found = 0;
    while (*p != '\0') {
        if (*p == '[') {
            p = class_end(p);
            if (p == NULL)
                return -1;
            continue;
        }
        if (*p == '\\' && p[1] != '\0')
            p++;
        if (*p == '/')
            found = 1;
        p++;
    }
    return found;
}

/* Fill *p from its `text`, which gets its trailing '/' cut off. */
static int parse(struct pattern *p, struct err *err)
{
    size_t len = strlen(p->text);
    while (len > 0 && p->text[len - 1] == '/') {
        p->dir_only = true;
        p->text[--len] = '\0';
    }
    p->glob = p->text;
    if (strncmp(p->glob, "./", 2) == 0 || p->glob[0] == '/') {
        p->anchored = true;
        p->glob = strchrnul(p->glob, '/');
        p->glob += strspn(p->glob, "/");
    }
    if (p->glob[0] == '\0' || strcmp(p->glob, ".") == 0)
        return err_set(err, ERR_USAGE, "exclude pattern matches nothing: \"%s\"",
                       p->given);
    int slash = has_slash(p->glob);
    if (slash < 0) {
        err_set(err, ERR_USAGE, "exclude pattern has a [ without its ]: \"%s\"",
                p->given);
        return err_hint(err, "write \\[ for the character itself");
    }
    p->anchored = p->anchored || slash == 1;
    return 0;
}

int glob_add(struct globset *g, const char *pattern, struct err *err)
{
    if (g->n == g->cap) {
        size_t cap = g->cap > 0 ? 2 * g->cap : 16;
        struct pattern *v = realloc(g->v, cap * sizeof *v);
        if (v == NULL)
            return err_nomem(err);
        g->v = v;
        g->cap = cap;
    }
    struct pattern p = {.given = strdup(pattern), .text = strdup(pattern)};
    if (p.given == NULL || p.text == NULL)
        err_nomem(err);
    else if (parse(&p, err) == 0) {
        g->v[g->n++] = p;
        return 0;
    }
    free(p.given);
    free(p.text);
    return -1;
}

static int add_line(struct globset *g, char *line, size_t len, const char *file,
                    size_t number, struct err *err)
{
    struct err why = {.cls = ERR_NONE};
    if (len > 0 && line[len - 1] == '\n')
        line[--len] = '\0';
    if (len == 0 || line[0] == '#')
        return 0;
    if (strlen(line) != len)
        return err_set(err, ERR_USAGE, "exclude file holds a zero byte: %s, line %zu",
                       file, number);
    if (glob_add(g, line, &why) == 0)
        return 0;
    err_set(err, why.cls, "%s, line %zu: %s", file, number, why.text);
    return why.hint[0] != '\0' ? err_hint(err, "%s", why.hint) : -1;
}

int glob_add_file(struct globset *g, const char *file, struct err *err)
{
    FILE *f = fopen(file, "re");
    if (f == NULL)
        return err_sys(err, ERR_FAIL, "cannot open the exclude file: %s", file);
    char *line = NULL;
    size_t cap = 0;
    int rc = 0;
    errno = 0;
    for (size_t number = 1; rc == 0; number++) {
        ssize_t len = getline(&line, &cap, f);
        if (len < 0) {
            if (!feof(f))
                rc = err_sys(err, ERR_FAIL, "cannot read the exclude file: %s", file);
            break;
        }
        rc = add_line(g, line, (size_t)len, file, number, err);
    }
    free(line);
    fclose(f);
    return rc;
}
