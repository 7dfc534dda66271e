#include "report/report.h"

#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#include "report/json.h"

#define KEY_PART_SIZE 64u
#define ID_CHARS      "abcdefghijklmnopqrstuvwxyz0123456789-"

enum fact_type { FACT_U64, FACT_I64, FACT_BOOL, FACT_DOUBLE, FACT_TEXT };

struct fact {
    const char *key; /* static */
    enum fact_type type;
    uint64_t u;
    int64_t i;
    bool b;
    double d;
    char *text; /* owned */
};

struct report {
    struct report_line *lines; /* id, path and text are one block that begins at id */
    size_t nlines, cap_lines;
    uint64_t count[2]; /* by enum notice_level */
    size_t
        kept[2]; /* each level has room of its own: notes do not crowd out warnings */
    struct fact *facts;
    size_t nfacts, cap_facts;
    char **accepted;
    size_t naccepted;
    report_live_fn *live;
    void *live_ctx;
    struct notice_sink sink;
};

static bool accepted(const struct report *r, const char *id)
{
    for (size_t i = 0; i < r->naccepted; i++)
        if (strcmp(r->accepted[i], id) == 0)
            return true;
    return false;
}

/* Keep a copy. Memory that runs short drops the text; the line is counted all the same.
 */
static void keep(struct report *r, const struct report_line *line)
{
    if (r->kept[line->level] == REPORT_KEPT_MAX)
        return;
    if (r->nlines == r->cap_lines) {
        size_t cap = r->cap_lines ? r->cap_lines * 2 : 32;
        struct report_line *v = realloc(r->lines, cap * sizeof *v);
        if (v == NULL)
            return;
        r->lines = v;
        r->cap_lines = cap;
    }
    size_t id = strlen(line->id) + 1, text = strlen(line->text) + 1;
    size_t path = line->path != NULL ? strlen(line->path) + 1 : 0;
    char *block = malloc(id + text + path);
    if (block == NULL)
        return;
    memcpy(block, line->id, id);
    memcpy(block + id, line->text, text);
    if (path > 0)
        memcpy(block + id + text, line->path, path);
    r->lines[r->nlines++] = (struct report_line){
        .level = line->level,
        .carried = line->carried,
        .id = block,
        .text = block + id,
        .path = path > 0 ? block + id + text : NULL,
    };
    r->kept[line->level]++;
}

static void add(struct report *r, enum notice_level level, bool carried, const char *id,
                const char *path, const char *text)
{
    if (level == NOTICE_WARNING && accepted(r, id))
        level = NOTICE_NOTE;
    struct report_line line = {
        .level = level, .carried = carried, .id = id, .path = path, .text = text};
    r->count[level]++;
    keep(r, &line);
    if (r->live != NULL)
        r->live(r->live_ctx, &line);
}

static void from_sink(void *ctx, enum notice_level level, const char *id,
                      const char *path, const char *text)
{
    add(ctx, level, false, id, path, text);
}

int report_new(struct report **out, struct err *err)
{
    struct report *r = calloc(1, sizeof *r);
    if (r == NULL)
        return err_nomem(err);
    r->sink = (struct notice_sink){.fn = from_sink, .ctx = r};
    *out = r;
    return 0;
}

void report_free(struct report *r)
{
    if (r == NULL)
        return;
    for (size_t i = 0; i < r->nlines; i++)
        free((char *)r->lines[i].id);
    for (size_t i = 0; i < r->nfacts; i++)
        free(r->facts[i].text);
    for (size_t i = 0; i < r->naccepted; i++)
        free(r->accepted[i]);
    free(r->lines);
    free(r->facts);
    free(r->accepted);
    free(r);
}

int report_accept(struct report *r, const char *ids, struct err *err)
{
    for (const char *p = ids;;) {
        size_t n = strcspn(p, ",");
        if (n == 0 || strspn(p, ID_CHARS) != n)
            return err_set(err, ERR_USAGE,
                           "--accept: not the name of a warning: '%.*s'", (int)n, p);
        char **v = realloc(r->accepted, (r->naccepted + 1) * sizeof *v);
        if (v == NULL)
            return err_nomem(err);
        r->accepted = v;
        v[r->naccepted] = strndup(p, n);
        if (v[r->naccepted] == NULL)
            return err_nomem(err);
        r->naccepted++;
        if (p[n] == '\0')
            return 0;
        p += n + 1;
    }
}

void report_set_live(struct report *r, report_live_fn *fn, void *ctx)
{
    r->live = fn;
    r->live_ctx = ctx;
}

const struct notice_sink *report_sink(struct report *r)
{
    return &r->sink;
}

void report_carried(struct report *r, const char *id, const char *path,
                    const char *text)
{
    add(r, NOTICE_WARNING, true, id, path, text);
}

uint64_t report_warnings(const struct report *r)
{
    return r->count[NOTICE_WARNING];
}

uint64_t report_notes(const struct report *r)
{
    return r->count[NOTICE_NOTE];
}

size_t report_lines(const struct report *r)
{
    return r->nlines;
}

const struct report_line *report_line(const struct report *r, size_t i)
{
    return &r->lines[i];
}

static struct fact *find(const struct report *r, const char *key)
{
    for (size_t i = 0; i < r->nfacts; i++)
        if (strcmp(r->facts[i].key, key) == 0)
            return &r->facts[i];
    return NULL;
}

/* Store a fact, which takes over its text. */
static void set(struct report *r, struct fact fact)
{
    struct fact *old = find(r, fact.key);
    if (old != NULL) {
        free(old->text);
        *old = fact;
        return;
    }
    if (r->nfacts == r->cap_facts) {
        size_t cap = r->cap_facts ? r->cap_facts * 2 : 32;
        struct fact *v = realloc(r->facts, cap * sizeof *v);
        if (v == NULL) {
            free(fact.text);
            return;
        }
        r->facts = v;
        r->cap_facts = cap;
    }
    r->facts[r->nfacts++] = fact;
}

void report_u64(struct report *r, const char *key, uint64_t v)
{
    set(r, (struct fact){.key = key, .type = FACT_U64, .u = v});
}

void report_i64(struct report *r, const char *key, int64_t v)
{
    set(r, (struct fact){.key = key, .type = FACT_I64, .i = v});
}

void report_bool(struct report *r, const char *key, bool v)
{
    set(r, (struct fact){.key = key, .type = FACT_BOOL, .b = v});
}

void report_double(struct report *r, const char *key, double v)
{
    set(r, (struct fact){.key = key, .type = FACT_DOUBLE, .d = v});
}

void report_text(struct report *r, const char *key, const char *v)
{
    char *copy = strdup(v);
    if (copy != NULL)
        set(r, (struct fact){.key = key, .type = FACT_TEXT, .text = copy});
}

uint64_t report_get_u64(const struct report *r, const char *key)
{
    const struct fact *f = find(r, key);
    return f != NULL && f->type == FACT_U64 ? f->u : 0;
}

int64_t report_get_i64(const struct report *r, const char *key)
{
    const struct fact *f = find(r, key);
    return f != NULL && f->type == FACT_I64 ? f->i : 0;
}

bool report_get_bool(const struct report *r, const char *key)
{
    const struct fact *f = find(r, key);
    return f != NULL && f->type == FACT_BOOL && f->b;
}

double report_get_double(const struct report *r, const char *key)
{
    const struct fact *f = find(r, key);
    return f != NULL && f->type == FACT_DOUBLE ? f->d : 0;
}

const char *report_get_text(const struct report *r, const char *key)
{
    const struct fact *f = find(r, key);
    return f != NULL && f->type == FACT_TEXT ? f->text : NULL;
}

bool report_has(const struct report *r, const char *key)
{
    return find(r, key) != NULL;
}

static json_int_t clamp(uint64_t v)
{
    return v > INT64_MAX ? INT64_MAX : (json_int_t)v;
}

/* Go down "a.b.c" from obj, making objects on the way; *last is what is left, "c". NULL
 * when memory is short, or "a" is a value. */
static json_t *descend(json_t *obj, const char *key, const char **last)
{
    const char *dot;
    for (; (dot = strchr(key, '.')) != NULL; key = dot + 1) {
        char part[KEY_PART_SIZE];
        size_t n = (size_t)(dot - key);
        if (n >= sizeof part)
            return NULL;
        memcpy(part, key, n);
        part[n] = '\0';
        json_t *down = json_object_get(obj, part);
        if (down == NULL) {
            down = json_object();
            if (json_object_set_new(obj, part, down) != 0)
                return NULL;
        }
        if (!json_is_object(down))
            return NULL;
        obj = down;
    }
    *last = key;
    return obj;
}

static int put_fact(json_t *root, const struct fact *f)
{
    const char *key;
    json_t *obj = descend(root, f->key, &key);
    if (obj == NULL)
        return -1;
    switch (f->type) {
    case FACT_U64:
        return json_object_set_new(obj, key, json_integer(clamp(f->u)));
    case FACT_I64:
        return json_object_set_new(obj, key, json_integer(f->i));
    case FACT_BOOL:
        return json_object_set_new(obj, key, json_boolean(f->b));
    case FACT_DOUBLE: {
        json_t *real = json_real(f->d); /* JSON has no infinity and no NaN */
        return json_object_set_new(obj, key, real != NULL ? real : json_null());
    }
    default:
        return json_set_bytes(obj, key, f->text);
    }
}

static int put_line(json_t *array, const struct report_line *line)
{
    json_t *obj = json_object();
    if (json_array_append_new(array, obj) != 0)
        return -1;
    int bad = json_set_bytes(obj, "level",
                             line->level == NOTICE_WARNING ? "warning" : "note");
    bad |= json_set_bytes(obj, "id", line->id);
    if (line->path != NULL)
        bad |= json_set_bytes(obj, "path", line->path);
    bad |= json_set_bytes(obj, "text", line->text);
    bad |= json_object_set_new(obj, "carried", json_boolean(line->carried));
    return bad;
}

static int put_error(json_t *root, const struct err *failure)
{
    json_t *obj = json_object();
    if (json_object_set_new(root, "error", obj) != 0)
        return -1;
    int bad = json_set_bytes(obj, "text", failure->text);
    if (failure->hint[0] != '\0')
        bad |= json_set_bytes(obj, "hint", failure->hint);
    return bad;
}

static int put_all(json_t *root, const struct report *r, const char *command,
                   int exit_status, const struct err *failure)
{
    int bad = json_set_bytes(root, "command", command);
    bad |= json_object_set_new(root, "exit", json_integer(exit_status));
    for (size_t i = 0; i < r->nfacts && !bad; i++)
        bad = put_fact(root, &r->facts[i]);
    bad |= json_object_set_new(root, "warnings",
                               json_integer(clamp(r->count[NOTICE_WARNING])));
    bad |=
        json_object_set_new(root, "notes", json_integer(clamp(r->count[NOTICE_NOTE])));
    json_t *array = json_array();
    bad |= json_object_set_new(root, "messages", array);
    for (size_t i = 0; i < r->nlines && !bad; i++)
        bad = put_line(array, &r->lines[i]);
    if (!bad && failure != NULL && failure->cls != ERR_NONE)
        bad = put_error(root, failure);
    return bad;
}

char *report_facts_json(const struct report *r)
{
    json_t *root = json_object();
    char *text = NULL;
    int bad = root == NULL;
    for (size_t i = 0; i < r->nfacts && !bad; i++)
        bad = put_fact(root, &r->facts[i]);
    if (!bad)
        text = json_text(root);
    json_decref(root);
    return text;
}

char *report_json(const struct report *r, const char *command, int exit_status,
                  const struct err *failure)
{
    json_t *root = json_object();
    char *text = NULL;
    if (root != NULL && put_all(root, r, command, exit_status, failure) == 0)
        text = json_text(root);
    json_decref(root);
    return text;
}
