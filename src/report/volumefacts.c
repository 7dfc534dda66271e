#include "report/volumefacts.h"

#include <errno.h>
#include <jansson.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* The keys, for both directions. */
struct field {
    const char *key;
    size_t offset;
};
#define FIELD(key, member)                                                             \
    {                                                                                  \
        key, offsetof(struct volume_facts, member)                                     \
    }
static const struct field texts[] = {
    FIELD("version", version),
    FIELD("distribution", distribution),
    FIELD("postgresql_directory", pgdir),
};
static const struct field flags[] = {
    FIELD("pmm", pmm),
    FIELD("victoriametrics", victoriametrics),
    FIELD("victoriametrics_partition_index", vm_partition_index),
    FIELD("clickhouse", clickhouse),
    FIELD("encryption_key", encryption_key),
    FIELD("postgres_password", postgres_password),
    FIELD("certificate_key", certificate_key),
};
#define KEY_PG_VERSION "postgresql_version"
#define KEY_SYSTEM_ID  "postgresql_system_id" /* text: it may be above 2^63 */
#define COUNT(array)   (sizeof(array) / sizeof(array)[0])

json_t *volumefacts_encode(const struct volume_facts *v)
{
    json_t *obj = json_object();
    const char *base = (const char *)v;
    char id[24];
    int bad = 0;
    for (size_t i = 0; i < COUNT(flags); i++)
        bad |= json_object_set_new(
            obj, flags[i].key, json_boolean(*(const bool *)(base + flags[i].offset)));
    for (size_t i = 0; i < COUNT(texts); i++)
        bad |=
            json_object_set_new(obj, texts[i].key, json_string(base + texts[i].offset));
    snprintf(id, sizeof id, "%llu", (unsigned long long)v->system_id);
    bad |= json_object_set_new(obj, KEY_PG_VERSION, json_integer(v->pg_version));
    bad |= json_object_set_new(obj, KEY_SYSTEM_ID, json_string(id));
    if (!bad)
        return obj;
    json_decref(obj);
    return NULL;
}

static int get_text(const json_t *json, char out[VOLUME_TEXT])
{
    const char *s = json_string_value(json);
    if (s == NULL || strlen(s) >= VOLUME_TEXT)
        return -1;
    strcpy(out, s);
    return 0;
}

static int get_number(const json_t *json, uint64_t *out)
{
    char *end;
    const char *s = json_string_value(json);
    if (s == NULL || s[0] < '0' || s[0] > '9')
        return -1;
    errno = 0;
    *out = strtoull(s, &end, 10);
    return errno == 0 && *end == '\0' ? 0 : -1;
}

int volumefacts_decode(const json_t *json, struct volume_facts *v)
{
    char *base = (char *)v;
    *v = (struct volume_facts){0};
    if (json == NULL)
        return 0;
    for (size_t i = 0; i < COUNT(flags); i++) {
        const json_t *flag = json_object_get(json, flags[i].key);
        if (!json_is_boolean(flag))
            return -1;
        *(bool *)(base + flags[i].offset) = json_is_true(flag);
    }
    for (size_t i = 0; i < COUNT(texts); i++)
        if (get_text(json_object_get(json, texts[i].key), base + texts[i].offset) != 0)
            return -1;
    const json_t *version = json_object_get(json, KEY_PG_VERSION);
    if (!json_is_integer(version) || json_integer_value(version) < 0 ||
        json_integer_value(version) > UINT32_MAX)
        return -1;
    v->pg_version = (uint32_t)json_integer_value(version);
    return get_number(json_object_get(json, KEY_SYSTEM_ID), &v->system_id);
}
