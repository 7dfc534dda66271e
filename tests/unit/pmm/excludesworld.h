/* Volumes with a ClickHouse in them, and what the default excludes take of them. */
#ifndef EXCLUDESWORLD_H
#define EXCLUDESWORLD_H

#include "pmmworld.h"

#include "pmm/excludes.h"
#include "pmm/volume.h"

#define DB_SYSTEM "5c5e3b3a-0f5e-4d0b-9c5e-3b3a0f5e4d0b"
#define DB_PMM    "aa0e3b3a-0f5e-4d0b-9c5e-3b3a0f5e4d0b"
#define QUERY_LOG "11111111-0f5e-4d0b-9c5e-3b3a0f5e4d0b"
#define TRACE_0   "22222222-0f5e-4d0b-9c5e-3b3a0f5e4d0b"
#define KEPT      "33333333-0f5e-4d0b-9c5e-3b3a0f5e4d0b"
#define METRICS   "44444444-0f5e-4d0b-9c5e-3b3a0f5e4d0b"

#define STORE_SYSTEM "clickhouse/store/5c5/" DB_SYSTEM "/"
#define STORE_PMM    "clickhouse/store/aa0/" DB_PMM "/"

static inline struct globset *patterns_of(struct world *w, const struct volume_facts *v)
{
    struct err err = {0};
    struct globset *g;
    assert_int_equal(glob_new(&g, &err), 0);
    if (excludes_set(w->root, v, g, &err) != 0)
        fail_msg("%s", err.text);
    return g;
}

static inline struct volume_facts facts(struct world *w)
{
    struct volume_facts v;
    struct err err = {0};
    if (volume_look(w->root, &v, &err) != 0)
        fail_msg("%s", err.text);
    return v;
}

static inline struct globset *patterns(struct world *w)
{
    struct volume_facts v = facts(w);
    return patterns_of(w, &v);
}

/* Whether a walk would leave out the path: it matches itself, or a directory above it
 * does. A '/' at its end says that it is a directory. */
static inline bool gone(const struct globset *g, const char *path)
{
    char b[512];
    snprintf(b, sizeof b, "%s", path);
    for (char *p = strchr(b, '/'); p != NULL; p = strchr(p + 1, '/')) {
        *p = '\0';
        if (glob_excludes(g, b, true))
            return true;
        *p = '/';
    }
    return b[strlen(b) - 1] != '/' && glob_excludes(g, b, false);
}

#define EACH(...)                                                                      \
    (const char *const[])                                                              \
    {                                                                                  \
        __VA_ARGS__, NULL                                                              \
    }

static inline void goes(const struct globset *g, const char *const *paths)
{
    for (; *paths != NULL; paths++)
        if (!gone(g, *paths))
            fail_msg("it stays: %s", *paths);
}

static inline void stays(const struct globset *g, const char *const *paths)
{
    for (; *paths != NULL; paths++)
        if (gone(g, *paths))
            fail_msg("it goes: %s", *paths);
}

static inline void pmm(const char *version)
{
    put("pmm-distribution", "docker\n");
    put("grafana/PERCONA_DASHBOARDS_VERSION", version);
}

static inline void sql(const char *path, const char *what, const char *uuid)
{
    char text[512];
    snprintf(text, sizeof text, "ATTACH %s _ UUID '%s'\n(\n    `a` Date\n)\n", what,
             uuid);
    put(path, text);
}

static inline void database(const char *name, const char *uuid)
{
    char path[256], text[256];
    snprintf(path, sizeof path, "clickhouse/metadata/%s.sql", name);
    snprintf(text, sizeof text, "ATTACH DATABASE _ UUID '%s'\nENGINE = Atomic\n", uuid);
    put(path, text);
    snprintf(path, sizeof path, "clickhouse/store/%.3s/%s", uuid, uuid);
    dir(path);
    snprintf(text, sizeof text, "../store/%.3s/%s/", uuid, uuid);
    snprintf(path, sizeof path, "clickhouse/metadata/%s", name);
    link_to(text, path);
}

/* A table in a database of the store, with data. */
static inline void table(const char *db, const char *db_uuid, const char *name,
                         const char *uuid)
{
    char path[512], target[256];
    snprintf(path, sizeof path, "clickhouse/store/%.3s/%s/%s.sql", db_uuid, db_uuid,
             name);
    sql(path, "TABLE", uuid);
    snprintf(path, sizeof path, "clickhouse/store/%.3s/%s/all_1_1_0/data.bin", uuid,
             uuid);
    put(path, "data");
    snprintf(target, sizeof target, "../../store/%.3s/%s/", uuid, uuid);
    snprintf(path, sizeof path, "clickhouse/data/%s/%s", db, name);
    link_to(target, path);
}

static inline void atomic(void)
{
    database("system", DB_SYSTEM);
    database("pmm", DB_PMM);
    put("clickhouse/metadata/information_schema.sql",
        "ATTACH DATABASE information_schema\nENGINE = Memory\n");
    table("system", DB_SYSTEM, "query_log", QUERY_LOG);
    table("system", DB_SYSTEM, "trace_log_0", TRACE_0);
    table("system", DB_SYSTEM, "user_table", KEPT);
    table("pmm", DB_PMM, "metrics", METRICS);
}

static const char *const query_log[] = {
    STORE_SYSTEM "query_log.sql", "clickhouse/store/111/" QUERY_LOG "/",
    "clickhouse/store/111/" QUERY_LOG "/all_1_1_0/data.bin",
    "clickhouse/data/system/query_log", NULL};

static const char *const trace_log[] = {STORE_SYSTEM "trace_log_0.sql",
                                        "clickhouse/store/222/" TRACE_0 "/",
                                        "clickhouse/data/system/trace_log_0", NULL};

static inline void ordinary_table_at(const char *name, const char *text)
{
    char path[256];
    snprintf(path, sizeof path, "clickhouse/metadata/system/%s.sql", name);
    put(path, text);
    snprintf(path, sizeof path, "clickhouse/data/system/%s/all_1_1_0/data.bin", name);
    put(path, "data");
}

#endif
