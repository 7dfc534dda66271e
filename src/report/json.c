#include "report/json.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "util/buf.h"
#include "util/utc.h"

#define KEY_SIZE 64u
#define BAD_BYTE "\xEF\xBF\xBD" /* U+FFFD */

/* Length of the well-formed UTF-8 sequence (RFC 3629) at s, 0 if there is none. */
static size_t utf8_len(const unsigned char *s)
{
    unsigned char lo = 0x80, hi = 0xBF;
    size_t n;
    if (s[0] < 0x80)
        return 1;
    if (s[0] < 0xC2 || s[0] > 0xF4)
        return 0;
    if (s[0] < 0xE0)
        n = 2;
    else if (s[0] < 0xF0)
        n = 3;
    else
        n = 4;
    if (s[0] == 0xE0)
        lo = 0xA0; /* no overlong form */
    else if (s[0] == 0xED)
        hi = 0x9F; /* no surrogate */
    else if (s[0] == 0xF0)
        lo = 0x90;
    else if (s[0] == 0xF4)
        hi = 0x8F; /* nothing past U+10FFFF */
    if (s[1] < lo || s[1] > hi)
        return 0;
    for (size_t i = 2; i < n; i++)
        if (s[i] < 0x80 || s[i] > 0xBF)
            return 0;
    return n;
}

/* `s` with U+FFFD for each bad byte into `text`, its bytes in hex into `hex`. Returns 1
 * if any byte was bad, 0 if none, -1 when memory is short. */
static int convert(const char *s, struct buf *text, struct buf *hex)
{
    int bad = 0;
    for (const char *p = s; *p != '\0';) {
        size_t n = utf8_len((const unsigned char *)p);
        int r = n > 0 ? buf_add(text, p, n) : buf_add(text, BAD_BYTE, 3);
        if (r != 0)
            return -1;
        bad |= n == 0;
        p += n > 0 ? n : 1;
    }
    for (const char *p = s; bad && *p != '\0'; p++)
        if (buf_printf(hex, "%02x", (unsigned char)*p) != 0)
            return -1;
    return buf_add(text, "", 1) == 0 && buf_add(hex, "", 1) == 0 ? bad : -1;
}

int json_set_bytes(json_t *obj, const char *key, const char *s)
{
    struct buf text = {0}, hex = {0};
    char hexkey[KEY_SIZE];
    snprintf(hexkey, sizeof hexkey, "%s_hex", key);
    int r = -1;
    int bad = convert(s, &text, &hex);
    if (bad < 0 ||
        json_object_set_new(obj, key, json_string((const char *)text.p)) != 0)
        goto done;
    (void)json_object_del(obj, hexkey); /* of an earlier value */
    if (bad && json_object_set_new(obj, hexkey, json_string((const char *)hex.p)) != 0)
        goto done;
    r = 0;

done:
    buf_free(&text);
    buf_free(&hex);
    return r;
}

static int digit(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

static char *unhex(const char *hex)
{
    size_t n = strlen(hex);
    char *out = n % 2 == 0 ? malloc(n / 2 + 1) : NULL;
    if (out == NULL)
        return NULL;
    for (size_t i = 0; i < n; i += 2) {
        int hi = digit(hex[i]), lo = digit(hex[i + 1]);
        if (hi < 0 || lo < 0 || hi + lo == 0) {
            free(out);
            return NULL;
        }
        out[i / 2] = (char)(hi << 4 | lo);
    }
    out[n / 2] = '\0';
    return out;
}

char *json_get_bytes(const json_t *obj, const char *key)
{
    char hexkey[KEY_SIZE];
    snprintf(hexkey, sizeof hexkey, "%s_hex", key);
    const json_t *text = json_object_get(obj, key), *hex = json_object_get(obj, hexkey);
    if (!json_is_string(text))
        return NULL;
    if (hex == NULL)
        return strdup(json_string_value(text));
    return json_is_string(hex) ? unhex(json_string_value(hex)) : NULL;
}

static const char *type_name(uint8_t type)
{
    switch (type) {
    case ITEM_FILE:
        return "file";
    case ITEM_DIR:
        return "dir";
    case ITEM_SYMLINK:
        return "symlink";
    case ITEM_HARDLINK:
        return "hardlink";
    case ITEM_FIFO:
        return "fifo";
    case ITEM_CHAR:
        return "char";
    case ITEM_BLOCK:
        return "block";
    default:
        return "unknown";
    }
}

/* "2026-11-24T03:07:24.000000001Z" */
static char *time_text(char out[48], int64_t t, uint32_t ns)
{
    char utc[UTC_STAMP_SIZE];
    utc_rfc3339(utc, t);
    size_t n = strlen(utc);
    if (n > 0 && utc[n - 1] == 'Z')
        snprintf(out, 48, "%.*s.%09uZ", (int)n - 1, utc, ns);
    else
        snprintf(out, 48, "%s", utc);
    return out;
}

static int set_int(json_t *obj, const char *key, uint64_t v)
{
    return json_object_set_new(obj, key, json_integer((json_int_t)v));
}

static int set_optional(json_t *obj, const char *key, const char *s)
{
    return s != NULL ? json_set_bytes(obj, key, s) : 0;
}

static int set_flag(json_t *obj, const char *key, bool set)
{
    return set ? json_object_set_new(obj, key, json_true()) : 0;
}

static int fill(json_t *obj, const struct item *it)
{
    char mode[16], time[48], device[32];
    snprintf(mode, sizeof mode, "%04o", it->mode);
    snprintf(device, sizeof device, "%u:%u", it->dev_major, it->dev_minor);
    bool dev = it->type == ITEM_CHAR || it->type == ITEM_BLOCK;
    int bad = json_set_bytes(obj, "path", it->path);
    bad |= json_set_bytes(obj, "type", type_name(it->type));
    bad |= json_set_bytes(obj, "mode", mode);
    bad |= set_int(obj, "uid", it->uid);
    bad |= set_int(obj, "gid", it->gid);
    bad |= set_optional(obj, "user", it->user);
    bad |= set_optional(obj, "group", it->group);
    bad |= set_int(obj, "size", it->size);
    bad |= set_int(obj, "stored", it->stored);
    bad |= json_set_bytes(obj, "mtime", time_text(time, it->mtime, it->mtime_ns));
    bad |= set_optional(obj, "link", it->link);
    bad |= set_optional(obj, "device", dev ? device : NULL);
    bad |= set_flag(obj, "changed", (it->flags & ITEM_CHANGED) != 0);
    bad |= set_flag(obj, "incomplete", (it->flags & ITEM_INCOMPLETE) != 0);
    return bad;
}

/* jansson does not look whether it had memory for a key, and goes on without; but
 * malloc tells by errno. */
char *json_text(const json_t *json)
{
    errno = 0;
    char *text = json_dumps(json, JSON_COMPACT);
    if (errno != ENOMEM)
        return text;
    free(text);
    return NULL;
}

char *json_item(const struct item *item)
{
    json_t *obj = json_object();
    char *line = NULL;
    if (obj != NULL && fill(obj, item) == 0)
        line = json_text(obj);
    json_decref(obj);
    return line;
}
