/*
 * ClickHouse itself goes by the .sql files, so they say what a table's data is; the
 * symlinks in data/ and metadata/ are for people and are never followed. One .sql that
 * names the data of another table would make us leave out that one. ClickHouse does not
 * write such a thing, a hand or a crash might: so all UUIDs of all databases are
 * counted first (a PMM has a few dozen tables), and what is named twice is kept. So are
 * all tables of a database that is named twice, as they are counted twice.
 */
#include "pmm/chlogs.h"

#include <ctype.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "pmm/peek.h"
#include "store/dirlist.h"

#define SQL_MAX    (1u << 20) /* bytes; a longer .sql is none of ClickHouse's own */
#define CLAIMS_MAX 65536u     /* beyond, nothing is left out */
#define TABLES_MAX 512u /* beyond, tables are kept: each costs the walk a pattern */
#define PATH_SIZE  768u /* room for two names and what stands before them */
#define NAME_SIZE  256u
#define UUID_TEXT  36u
#define WHY        "ClickHouse's own logs"

struct claim {
    char uuid[UUID_TEXT + 1];
};

struct logs {
    int rootfd;
    const struct excludes_to *to;
    struct err *err;
    char *sql; /* the .sql that was read last, and its NUL */
    size_t len;
    bool whole; /* all of it is in `sql` */
    struct claim *claims;
    size_t n, cap;
    size_t tables; /* left out so far */
};

/* The name in front of ".sql", into stem. False: the file is none of a table. */
static bool stem_of(const char *file, char stem[NAME_SIZE])
{
    size_t len = strlen(file);
    if (len <= 4 || len - 4 >= NAME_SIZE || strcmp(file + len - 4, ".sql") != 0)
        return false;
    memcpy(stem, file, len - 4);
    stem[len - 4] = '\0';
    return true;
}

static int hex(char c)
{
    return c >= '0' && c <= '9' ? c - '0' : c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

static bool word(int c)
{
    return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
           c == '_';
}

/* A table's name from the file name ClickHouse makes of it: all but letters, digits and
 * '_' as %XX. False if it would not have made this one. What passes has no character
 * that a pattern takes for more than itself. */
static bool unescape(const char *s, char out[NAME_SIZE])
{
    size_t n = 0;
    for (; *s != '\0'; s++) {
        int c = (unsigned char)*s;
        if (c == '%') {
            int high = hex(s[1]), low = high < 0 ? -1 : hex(s[2]);
            c = high * 16 + low;
            if (low < 0 || c == 0 || word(c))
                return false;
            s += 2;
        } else if (!word(c)) {
            return false;
        }
        out[n++] = (char)c;
    }
    out[n] = '\0';
    return true;
}

/* Whether this is the (escaped) name of a log: X_log, or X_log_N as an upgrade of
 * ClickHouse leaves it behind. */
static bool is_log(const char *stem)
{
    static const char tail[] = "_log";
    char name[NAME_SIZE];
    if (!unescape(stem, name))
        return false;
    size_t len = strlen(name), digits = 0;
    while (digits < len && isdigit((unsigned char)name[len - 1 - digits]))
        digits++;
    if (digits > 0 && digits < len && name[len - 1 - digits] == '_')
        len -= digits + 1;
    return len > sizeof tail - 1 &&
           memcmp(name + len - (sizeof tail - 1), tail, sizeof tail - 1) == 0;
}

/* Read a .sql. 1; 0: none there; -1: unreadable. */
static int read_sql(struct logs *l, const char *path)
{
    int r = peek_file(l->rootfd, path, l->sql, SQL_MAX, &l->len);
    l->sql[l->len] = '\0';
    l->whole = l->len < SQL_MAX;
    return r;
}

/* A UUID and a closing quote at p, in lower case into out. */
static bool uuid_at(const char *p, char out[UUID_TEXT + 1])
{
    for (size_t i = 0; i < UUID_TEXT; i++) {
        bool dash = i == 8 || i == 13 || i == 18 || i == 23;
        if (dash ? p[i] != '-' : !isxdigit((unsigned char)p[i]))
            return false;
        out[i] = (char)tolower((unsigned char)p[i]);
    }
    out[UUID_TEXT] = '\0';
    return p[UUID_TEXT] == '\'';
}

/* The UUID of what the .sql begins to attach, a DATABASE or a TABLE. */
static bool own_uuid(const struct logs *l, const char *kind, char out[UUID_TEXT + 1])
{
    char begin[64];
    int n = snprintf(begin, sizeof begin, "ATTACH %s _ UUID '", kind);
    return l->whole && strncmp(l->sql, begin, (size_t)n) == 0 &&
           uuid_at(l->sql + n, out);
}

/* Where ClickHouse keeps what has this UUID. */
static void store_path(char path[PATH_SIZE], const char *uuid)
{
    snprintf(path, PATH_SIZE, "clickhouse/store/%.3s/%s", uuid, uuid);
}

/* Note all UUIDs in the .sql. 1: too many. */
static int claim(struct logs *l)
{
    static const char mark[] = "UUID '";
    const char *p = l->sql, *end = l->sql + l->len;
    while ((p = memmem(p, (size_t)(end - p), mark, sizeof mark - 1)) != NULL) {
        struct claim c;
        p += sizeof mark - 1;
        if (!uuid_at(p, c.uuid))
            continue;
        if (l->n == CLAIMS_MAX)
            return 1;
        if (l->n == l->cap) {
            size_t cap = l->cap > 0 ? l->cap * 2 : 64;
            struct claim *v = realloc(l->claims, cap * sizeof *v);
            if (v == NULL)
                return err_nomem(l->err);
            l->claims = v;
            l->cap = cap;
        }
        l->claims[l->n++] = c;
    }
    return 0;
}

/* Note the UUIDs in all .sql of a directory. 1: it cannot be told which there are. */
static int claim_dir(struct logs *l, const char *dir)
{
    char path[PATH_SIZE], stem[NAME_SIZE], **names;
    size_t n;
    int r = peek_dir(l->rootfd, dir, &names, &n);
    if (r <= 0)
        return r == 0 ? 0 : 1;
    r = 0;
    for (size_t i = 0; i < n && r == 0; i++) {
        if (!stem_of(names[i], stem))
            continue;
        snprintf(path, sizeof path, "%s/%s.sql", dir, stem);
        r = err_stopped(l->err);
        if (r == 0)
            r = read_sql(l, path) < 0 ? 1 : claim(l);
    }
    dirlist_free(names, n);
    return r;
}

/* The same of a database and its tables: `name` in metadata/ is its .sql, or its
 * directory if that is not in the store. */
static int claim_database(struct logs *l, const char *name)
{
    char path[PATH_SIZE], stem[NAME_SIZE], uuid[UUID_TEXT + 1];
    snprintf(path, sizeof path, "clickhouse/metadata/%s", name);
    if (!stem_of(name, stem))
        return claim_dir(l, path);
    if (read_sql(l, path) < 0 || !l->whole)
        return 1;
    bool atomic = own_uuid(l, "DATABASE", uuid);
    int r = claim(l);
    if (r != 0 || !atomic)
        return r;
    store_path(path, uuid);
    return claim_dir(l, path);
}

static int by_text(const void *a, const void *b)
{
    return strcmp(a, b);
}

/* Note the UUIDs of everything there is. 1: that cannot be told. */
static int claim_all(struct logs *l)
{
    char **names;
    size_t n;
    int r = peek_dir(l->rootfd, "clickhouse/metadata", &names, &n);
    if (r <= 0)
        return 1;
    r = 0;
    for (size_t i = 0; i < n && r == 0; i++)
        r = claim_database(l, names[i]);
    dirlist_free(names, n);
    if (r == 0 && l->n > 0)
        qsort(l->claims, l->n, sizeof *l->claims, by_text);
    return r;
}

static bool claimed_once(const struct logs *l, const char *uuid)
{
    if (l->n == 0)
        return false;
    const struct claim *c = bsearch(uuid, l->claims, l->n, sizeof *l->claims, by_text);
    if (c == NULL)
        return false;
    return (c == l->claims || strcmp(c[-1].uuid, uuid) != 0) &&
           (c == l->claims + l->n - 1 || strcmp(c[1].uuid, uuid) != 0);
}

/* What is at the path: 0 nothing, its file type, or S_IFMT if that cannot be told. */
static mode_t type_of(const struct logs *l, const char *path)
{
    struct stat st;
    int r = peek_stat(l->rootfd, path, &st);
    return r < 0 ? S_IFMT : r == 0 ? 0 : st.st_mode & S_IFMT;
}

static int ordinary_table(struct logs *l, const char *dir, const char *stem)
{
    static const char begin[] = "ATTACH TABLE ";
    char sql[PATH_SIZE], data[PATH_SIZE];
    snprintf(sql, sizeof sql, "%.512s/%s.sql", dir, stem);
    snprintf(data, sizeof data, "clickhouse/data/system/%s", stem);
    if (read_sql(l, sql) <= 0 || !l->whole ||
        strncmp(l->sql, begin, sizeof begin - 1) != 0 || type_of(l, data) != S_IFDIR)
        return 0;
    l->tables++;
    return excludes_tell(l->to, WHY, "%s", sql) != 0 ||
                   excludes_tell(l->to, WHY, "%s/", data) != 0
               ? -1
               : 0;
}

static int atomic_table(struct logs *l, const char *dir, const char *stem)
{
    char sql[PATH_SIZE], data[PATH_SIZE], link[PATH_SIZE], uuid[UUID_TEXT + 1];
    snprintf(sql, sizeof sql, "%.512s/%s.sql", dir, stem);
    snprintf(link, sizeof link, "clickhouse/data/system/%s", stem);
    if (read_sql(l, sql) <= 0 || !own_uuid(l, "TABLE", uuid) || !claimed_once(l, uuid))
        return 0;
    store_path(data, uuid);
    mode_t type = type_of(l, link);
    if (type_of(l, data) != S_IFDIR || (type != 0 && type != S_IFLNK))
        return 0;
    l->tables++;
    if (excludes_tell(l->to, WHY, "%s", sql) != 0 ||
        excludes_tell(l->to, WHY, "%s/", data) != 0)
        return -1;
    return type == S_IFLNK ? excludes_tell(l->to, WHY, "%s", link) : 0;
}

typedef int table_fn(struct logs *l, const char *dir, const char *stem);

static int each_table(struct logs *l, const char *dir, table_fn *table)
{
    char stem[NAME_SIZE], **names;
    size_t n;
    int r = 0;
    if (peek_dir(l->rootfd, dir, &names, &n) <= 0)
        return 0;
    for (size_t i = 0; i < n && r == 0 && l->tables < TABLES_MAX; i++) {
        if (!stem_of(names[i], stem) || !is_log(stem))
            continue;
        r = err_stopped(l->err);
        if (r == 0)
            r = table(l, dir, stem);
    }
    dirlist_free(names, n);
    return r;
}

/* Whether metadata/system.sql, just read, is of a database whose tables have no UUIDs.
 */
static bool is_ordinary(const struct logs *l)
{
    static const char begin[] = "ATTACH DATABASE ";
    return l->whole && strncmp(l->sql, begin, sizeof begin - 1) == 0 &&
           strstr(l->sql, "UUID") == NULL &&
           strstr(l->sql, "ENGINE = Ordinary") != NULL;
}

/* Tell the layout by metadata/system.sql; an old ClickHouse need not have one. */
static int database(struct logs *l)
{
    char dir[PATH_SIZE], uuid[UUID_TEXT + 1];
    int r = read_sql(l, "clickhouse/metadata/system.sql");
    if (r < 0)
        return 0;
    if (r == 0 || is_ordinary(l))
        return each_table(l, "clickhouse/metadata/system", ordinary_table);
    if (!own_uuid(l, "DATABASE", uuid) || strstr(l->sql, "ENGINE = Atomic") == NULL)
        return 0;
    r = claim_all(l);
    if (r != 0)
        return r < 0 ? -1 : 0;
    store_path(dir, uuid);
    return each_table(l, dir, atomic_table);
}

int chlogs_each(int rootfd, const struct excludes_to *to, struct err *err)
{
    struct logs l = {.rootfd = rootfd, .to = to, .err = err};
    l.sql = malloc(SQL_MAX + 1);
    if (l.sql == NULL)
        return err_nomem(err);
    int r = database(&l);
    free(l.claims);
    free(l.sql);
    return r;
}
