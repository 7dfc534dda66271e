#include "report/manifest.h"

#include <errno.h>
#include <jansson.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "format/limits.h"
#include "report/json.h"
#include "util/utc.h"

#define DISK_BLOCK 4096u /* what file systems round up to */

#define MANIFEST_FORMAT 1
#define MANIFEST_ORDER  "depth-first"

/* The totals and their keys, for both directions. */
struct total {
    const char *key;
    size_t offset;
};
#define TOTAL(field)                                                                   \
    {                                                                                  \
#field, offsetof(struct manifest_totals, field)                                \
    }
static const struct total totals[] = {
    TOTAL(entries), TOTAL(files),  TOTAL(dirs),       TOTAL(links),     TOTAL(others),
    TOTAL(bytes),   TOTAL(stored), TOTAL(disk_bytes), TOTAL(tar_bytes), TOTAL(warnings),
};
#define NTOTALS (sizeof totals / sizeof totals[0])

static const char *const states[] = {"unknown", "stopped", "crashed", "live"};
#define NSTATES (sizeof states / sizeof states[0])

const char *manifest_state_name(enum manifest_state state)
{
    return states[state];
}

void manifest_count(struct manifest_totals *t, const struct item *item)
{
    t->entries++;
    t->bytes += item->size;
    t->stored += item->stored;
    t->disk_bytes += (item->stored + DISK_BLOCK - 1) / DISK_BLOCK * DISK_BLOCK;
    switch (item->type) {
    case ITEM_FILE:
        t->files++;
        break;
    case ITEM_DIR:
        t->dirs++;
        t->disk_bytes += DISK_BLOCK;
        break;
    case ITEM_SYMLINK:
    case ITEM_HARDLINK:
        t->links++;
        break;
    default:
        t->others++;
    }
}

static int set_time(json_t *obj, const char *key, int64_t t)
{
    char text[UTC_STAMP_SIZE];
    return json_object_set_new(obj, key, json_string(utc_rfc3339(text, t)));
}

/* Only where the numbers of owners are not everybody's. */
static int put_idmap(json_t *obj, const struct idmap *m)
{
    if (idmap_is_identity(m))
        return 0;
    json_t *sub = json_object();
    int bad = json_object_set_new(obj, "idmap", sub);
    bad = bad || json_object_set_new(sub, "uid", json_string(m->uid)) != 0;
    return bad || json_object_set_new(sub, "gid", json_string(m->gid)) != 0;
}

static int put_start(json_t *obj, const struct manifest *m)
{
    int bad = json_object_set_new(obj, "format", json_integer(MANIFEST_FORMAT));
    bad |= json_set_bytes(obj, "tool", m->tool);
    bad |= set_time(obj, "created", m->created);
    bad |= json_set_bytes(obj, "host", m->host);
    bad |= json_set_bytes(obj, "name", m->name);
    bad |= json_set_bytes(obj, "source", m->source);
    bad |= json_object_set_new(obj, "level", json_integer(m->level));
    bad |= json_object_set_new(obj, "order", json_string(MANIFEST_ORDER));
    if (m->volume.pmm)
        bad |= json_object_set_new(obj, "volume", volumefacts_encode(&m->volume));
    bad |= put_idmap(obj, &m->idmap);
    bad |= extras_encode(&m->extras, obj);
    bad |= json_object_set_new(obj, "final", json_boolean(m->final));
    return bad;
}

static int put_totals(json_t *obj, const struct manifest *m)
{
    json_t *sub = json_object();
    int bad = set_time(obj, "finished", m->finished);
    bad |= json_object_set_new(obj, "totals", sub);
    for (size_t i = 0; i < NTOTALS && !bad; i++) {
        uint64_t v;
        memcpy(&v, (const char *)&m->totals + totals[i].offset, sizeof v);
        bad = v > INT64_MAX ||
              json_object_set_new(sub, totals[i].key, json_integer((json_int_t)v)) != 0;
    }
    const char *result = m->totals.warnings > 0 ? "warnings" : "whole";
    if (m->state != STATE_UNKNOWN)
        bad |= json_object_set_new(obj, "state", json_string(states[m->state]));
    return bad | json_object_set_new(obj, "result", json_string(result));
}

static json_t *warning(const struct report_line *line)
{
    json_t *obj = json_object();
    int bad = obj == NULL || json_set_bytes(obj, "id", line->id) != 0;
    if (line->path != NULL)
        bad = bad || json_set_bytes(obj, "path", line->path) != 0;
    bad = bad || json_set_bytes(obj, "text", line->text) != 0;
    if (!bad)
        return obj;
    json_decref(obj);
    return NULL;
}

/* Length of the compact text, 0 when memory is short. */
static size_t text_len(const json_t *json)
{
    return json_dumpb(json, NULL, 0, JSON_COMPACT);
}

/* Append warnings to obj's array as long as the whole stays within max bytes. */
static int put_warnings(json_t *obj, const struct report *report, size_t max)
{
    json_t *array = json_array();
    if (json_object_set_new(obj, "warnings", array) != 0)
        return -1;
    size_t len = text_len(obj);
    for (size_t i = 0; i < report_lines(report); i++) {
        const struct report_line *line = report_line(report, i);
        if (line->level != NOTICE_WARNING || line->carried)
            continue;
        json_t *one = warning(line);
        if (one == NULL)
            return -1;
        len += text_len(one) + 1; /* its comma */
        if (len > max) {
            json_decref(one);
            return 0;
        }
        if (json_array_append_new(array, one) != 0)
            return -1;
    }
    return 0;
}

int manifest_encode(const struct manifest *m, const struct report *report, size_t max,
                    struct buf *out, struct err *err)
{
    int r = -1;
    char *text = NULL;
    json_t *obj = json_object();
    if (obj == NULL || put_start(obj, m) != 0 ||
        (m->final && (put_totals(obj, m) != 0 || put_warnings(obj, report, max) != 0)))
        goto done;
    text = json_text(obj);
    if (text == NULL)
        goto done;
    if (strlen(text) > max) {
        err_set(err, ERR_FAIL, "the description of the archive is too long");
        goto done;
    }
    r = buf_add(out, text, strlen(text));

done:
    if (r != 0)
        err_nomem(err);
    free(text);
    json_decref(obj);
    return r;
}

/* errno is cleared before parsing: without memory jansson fails like with bad JSON. */
static int damaged(struct err *err, const char *what)
{
    if (errno == ENOMEM)
        return err_nomem(err);
    return err_set(err, ERR_DAMAGED, "the archive's description is damaged: %s", what);
}

static int contradicts(const char *key, struct err *err)
{
    return err_set(err, ERR_DAMAGED,
                   "the archive contradicts itself: its two manifests differ in %s",
                   key);
}

/* Each getter fails unless the key is there with its type. */
static int get_text(const json_t *obj, const char *key, const char **out,
                    struct err *err)
{
    *out = json_get_bytes(obj, key);
    return *out != NULL ? 0 : damaged(err, key);
}

static int get_int(const json_t *obj, const char *key, int64_t max, int64_t *out,
                   struct err *err)
{
    const json_t *v = json_object_get(obj, key);
    if (!json_is_integer(v) || json_integer_value(v) < 0 || json_integer_value(v) > max)
        return damaged(err, key);
    *out = json_integer_value(v);
    return 0;
}

static int get_time(const json_t *obj, const char *key, int64_t *out, struct err *err)
{
    const json_t *v = json_object_get(obj, key);
    if (!json_is_string(v) || utc_parse(json_string_value(v), out) != 0)
        return damaged(err, key);
    return 0;
}

/* One of the two texts: nothing that a terminal could take for more than text. */
static int get_map(const json_t *json, char out[IDMAP_TEXT])
{
    const char *s = json_string_value(json);
    if (s == NULL || strlen(s) >= IDMAP_TEXT || s[strspn(s, "0123456789, ")] != '\0')
        return -1;
    strcpy(out, s);
    return 0;
}

static int get_idmap(const json_t *json, struct idmap *m)
{
    *m = (struct idmap){.uid = ""};
    if (json == NULL)
        return 0;
    if (get_map(json_object_get(json, "uid"), m->uid) != 0)
        return -1;
    return get_map(json_object_get(json, "gid"), m->gid);
}

static int get_start(const json_t *obj, struct manifest *m, struct err *err)
{
    int64_t level;
    if (get_text(obj, "tool", &m->tool, err) != 0 ||
        get_time(obj, "created", &m->created, err) != 0 ||
        get_text(obj, "host", &m->host, err) != 0 ||
        get_text(obj, "name", &m->name, err) != 0 ||
        get_text(obj, "source", &m->source, err) != 0 ||
        get_int(obj, "level", INT_MAX, &level, err) != 0)
        return -1;
    if (m->source[0] != '/')
        return damaged(err, "source");
    m->level = (uint32_t)level;
    const char *order = json_string_value(json_object_get(obj, "order"));
    if (order == NULL || strcmp(order, MANIFEST_ORDER) != 0)
        return damaged(err, "order");
    if (!json_is_boolean(json_object_get(obj, "final")))
        return damaged(err, "final");
    m->final = json_is_true(json_object_get(obj, "final"));
    if (volumefacts_decode(json_object_get(obj, "volume"), &m->volume) != 0)
        return damaged(err, "volume");
    if (get_idmap(json_object_get(obj, "idmap"), &m->idmap) != 0)
        return damaged(err, "idmap");
    return extras_decode(obj, &m->extras) == 0 ? 0 : damaged(err, "attached");
}

/* The first ones of as many as the totals count. */
static int check_warnings(const json_t *array, uint64_t count, struct err *err)
{
    size_t i;
    json_t *one;
    if (!json_is_array(array) || json_array_size(array) > count)
        return damaged(err, "warnings");
    json_array_foreach(array, i, one)
    {
        const json_t *path = json_object_get(one, "path");
        if (!json_is_string(json_object_get(one, "id")) ||
            !json_is_string(json_object_get(one, "text")) ||
            (path != NULL && !json_is_string(path)))
            return damaged(err, "warnings");
    }
    return 0;
}

/* Archives of other things than PMM volumes have none. */
static int get_state(const json_t *json, enum manifest_state *out)
{
    *out = STATE_UNKNOWN;
    if (json == NULL)
        return 0;
    for (size_t i = 0; i < NSTATES; i++)
        if (json_is_string(json) && strcmp(json_string_value(json), states[i]) == 0) {
            *out = (enum manifest_state)i;
            return 0;
        }
    return -1;
}

static int get_final(const json_t *obj, struct manifest *m, struct err *err)
{
    const json_t *sub = json_object_get(obj, "totals");
    if (get_time(obj, "finished", &m->finished, err) != 0)
        return -1;
    if (!json_is_object(sub))
        return damaged(err, "totals");
    for (size_t i = 0; i < NTOTALS; i++) {
        int64_t v;
        if (get_int(sub, totals[i].key, INT64_MAX, &v, err) != 0)
            return -1;
        memcpy((char *)&m->totals + totals[i].offset, &v, sizeof v);
    }
    if (get_state(json_object_get(obj, "state"), &m->state) != 0)
        return damaged(err, "state");
    const char *result = json_string_value(json_object_get(obj, "result"));
    const char *expected = m->totals.warnings > 0 ? "warnings" : "whole";
    if (result == NULL || strcmp(result, expected) != 0)
        return damaged(err, "result");
    return check_warnings(json_object_get(obj, "warnings"), m->totals.warnings, err);
}

/* Without memory jansson may leave out a key and go on without a word; not twice the
 * same one. */
static json_t *load(const uint8_t *p, size_t len, struct err *err)
{
    json_error_t why;
    const char *text = (const char *)p;
    json_t *obj = json_loadb(text, len, JSON_REJECT_DUPLICATES, &why);
    if (obj == NULL) {
        damaged(err, why.text);
        return NULL;
    }
    json_t *again = json_loadb(text, len, JSON_REJECT_DUPLICATES, NULL);
    bool same = again != NULL && json_equal(obj, again);
    json_decref(again);
    if (same)
        return obj;
    err_nomem(err);
    json_decref(obj);
    return NULL;
}

int manifest_parse(const uint8_t *p, size_t len, struct manifest *m, struct err *err)
{
    *m = (struct manifest){0};
    errno = 0;
    if (len > MANIFEST_MAX)
        return damaged(err, "too long");
    json_t *obj = load(p, len, err);
    if (obj == NULL)
        return -1;
    m->priv = obj;
    const json_t *format = json_object_get(obj, "format");
    if (!json_is_integer(format)) {
        damaged(err, "format");
    } else if (json_integer_value(format) != MANIFEST_FORMAT) {
        err_set(err, ERR_DAMAGED,
                "the archive's description is of an unknown kind (%lld)",
                (long long)json_integer_value(format));
        err_hint(err, "a newer pmm-seal may read it");
    } else if (get_start(obj, m, err) == 0 &&
               (!m->final || get_final(obj, m, err) == 0)) {
        return 0;
    }
    manifest_free(m);
    return -1;
}

int manifest_agree(const struct manifest *first, const struct manifest *final,
                   struct err *err)
{
    /* Those that may be absent; the others are known to be in both. */
    static const char *const optional[] = {"volume", "idmap", "environment",
                                           "attached"};
    const char *key;
    json_t *value;
    json_object_foreach((json_t *)first->priv, key, value)
    {
        if (strcmp(key, "final") != 0 &&
            !json_equal(value, json_object_get(final->priv, key)))
            return contradicts(key, err);
    }
    for (size_t i = 0; i < sizeof optional / sizeof *optional; i++)
        if (json_object_get(first->priv, optional[i]) == NULL &&
            json_object_get(final->priv, optional[i]) != NULL)
            return contradicts(optional[i], err);
    return 0;
}

void manifest_carry(const struct manifest *m, struct report *report)
{
    size_t i;
    json_t *one;
    if (!m->final)
        return;
    json_array_foreach(json_object_get(m->priv, "warnings"), i, one)
    {
        char *path = json_get_bytes(one, "path");
        report_carried(report, json_string_value(json_object_get(one, "id")), path,
                       json_string_value(json_object_get(one, "text")));
        free(path);
    }
    size_t kept = json_array_size(json_object_get(m->priv, "warnings"));
    if (m->totals.warnings > kept) {
        char text[128];
        snprintf(text, sizeof text,
                 "%llu further warnings of the backup are not kept in the archive",
                 (unsigned long long)(m->totals.warnings - kept));
        report_carried(report, "warnings-not-kept", NULL, text);
    }
}

void manifest_facts(const struct manifest_totals *t, struct report *report)
{
    report_u64(report, "entries", t->entries);
    report_u64(report, "files", t->files);
    report_u64(report, "dirs", t->dirs);
    report_u64(report, "links", t->links);
    report_u64(report, "others", t->others);
    report_u64(report, "bytes", t->bytes);
    report_u64(report, "stored", t->stored);
    report_u64(report, "tar_bytes", t->tar_bytes);
}

void manifest_free(struct manifest *m)
{
    if (m == NULL)
        return;
    if (m->priv != NULL) {
        free((char *)m->tool);
        free((char *)m->host);
        free((char *)m->name);
        free((char *)m->source);
        extras_free(&m->extras);
        json_decref(m->priv);
    }
    *m = (struct manifest){0};
}
