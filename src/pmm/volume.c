#include "pmm/volume.h"

#include <ctype.h>
#include <errno.h>
#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "pmm/control.h"
#include "pmm/peek.h"
#include "store/dirlist.h"

#define LINE_READ 256u /* bytes of a text file in which its first line must lie */

/* A look at several paths; the first failure is kept, and ends it. */
struct look {
    int rootfd;
    bool failed;
    struct err *err;
};

static void look_failed(struct look *l, const char *what)
{
    l->failed = true;
    bool denied = errno == EACCES;
    err_sys(l->err, ERR_FAIL, "cannot look at: %s", what);
    if (denied)
        err_hint(l->err, "run it as root, or as the user who owns these files");
}

static bool stat_of(struct look *l, const char *path, struct stat *st)
{
    if (l->failed)
        return false;
    int r = peek_stat(l->rootfd, path, st);
    if (r < 0)
        look_failed(l, path);
    return r > 0;
}

static bool has_dir(struct look *l, const char *path)
{
    struct stat st;
    return stat_of(l, path, &st) && S_ISDIR(st.st_mode);
}

static bool has_file(struct look *l, const char *path)
{
    struct stat st;
    return stat_of(l, path, &st) && S_ISREG(st.st_mode);
}

static bool has_content(struct look *l, const char *path)
{
    struct stat st;
    return stat_of(l, path, &st) && S_ISREG(st.st_mode) && st.st_size > 0;
}

/* The first line of a text file without the blanks around it; "" if there is none, or
 * if it holds a byte that is no printable ASCII. */
static void first_line(struct look *l, const char *path, char out[VOLUME_TEXT])
{
    char text[LINE_READ + 1];
    size_t len;
    out[0] = '\0';
    if (l->failed)
        return;
    int r = peek_file(l->rootfd, path, text, LINE_READ, &len);
    if (r < 0)
        look_failed(l, path);
    if (r <= 0)
        return;
    const char *end = memchr(text, '\n', len);
    size_t from = 0, to = end != NULL ? (size_t)(end - text) : len;
    while (to > 0 && strchr(" \t\r", text[to - 1]) != NULL && text[to - 1] != '\0')
        to--;
    while (from < to && (text[from] == ' ' || text[from] == '\t'))
        from++;
    for (size_t i = from; i < to; i++)
        if (text[i] < ' ' || text[i] > '~')
            return;
    text[to] = '\0';
    snprintf(out, VOLUME_TEXT, "%.*s", (int)VOLUME_TEXT - 1, text + from);
}

struct cluster {
    bool found;
    char name[VOLUME_TEXT];
    uint32_t major;
    int64_t time;
    uint64_t system_id;
};

/* Put the cluster of this name into *best if it is one and counts more. */
static void consider(struct look *l, const char *name, struct cluster *best)
{
    struct cluster c = {.found = true};
    struct control control = {0};
    struct stat st;
    char path[VOLUME_TEXT + sizeof "/global/pg_control"];
    snprintf(path, sizeof path, "%.*s/global/pg_control", (int)VOLUME_TEXT - 1, name);
    if (!has_dir(l, name) || !stat_of(l, path, &st) || !S_ISREG(st.st_mode))
        return;
    int version = control_major(l->rootfd, name, &c.major, l->err);
    int known = version < 0 ? -1 : control_read(l->rootfd, name, &control, l->err);
    if (known < 0) {
        l->failed = true;
        return;
    }
    if (version == 0 || c.major == 0)
        return;
    /* A pg_control that is none leaves time and identity at 0: such a cluster counts
     * only if there is no other. */
    c.time = control.time;
    c.system_id = control.system_id;
    snprintf(c.name, sizeof c.name, "%s", name);
    if (!best->found || c.time > best->time ||
        (c.time == best->time && c.major > best->major))
        *best = c;
}

static void find_cluster(struct look *l, struct cluster *best)
{
    char **names;
    size_t n;
    if (dirlist_read(l->rootfd, &names, &n) != 0) {
        look_failed(l, "the top directory of the volume");
        return;
    }
    for (size_t i = 0; i < n && !l->failed; i++)
        if (control_cluster_name(names[i]))
            consider(l, names[i], best);
    dirlist_free(names, n);
}

int volume_look(int rootfd, struct volume_facts *v, struct err *err)
{
    static const char version[] = "grafana/PERCONA_DASHBOARDS_VERSION";
    struct err why = {0};
    struct look l = {.rootfd = rootfd, .err = &why};
    struct volume_facts f = {.pmm = false};
    struct cluster c = {.found = false};

    bool marked = has_file(&l, "pmm-distribution") || has_file(&l, version);
    find_cluster(&l, &c);
    if (c.found) {
        snprintf(f.pgdir, sizeof f.pgdir, "%s", c.name);
        f.pg_version = c.major;
        f.system_id = c.system_id;
    }
    f.victoriametrics = has_dir(&l, "victoriametrics/data");
    f.vm_partition_index = has_dir(&l, "victoriametrics/data/data/indexdb");
    f.clickhouse = has_dir(&l, "clickhouse");
    f.encryption_key = has_content(&l, "pmm-encryption.key");
    f.postgres_password = has_content(&l, ".postgres_password");
    f.certificate_key = has_content(&l, "nginx/certificate.key");
    first_line(&l, "pmm-distribution", f.distribution);
    first_line(&l, version, f.version);
    if (!isdigit((unsigned char)f.version[0]))
        f.version[0] = '\0';
    f.pmm = marked || (c.found && (f.victoriametrics || f.clickhouse ||
                                   has_dir(&l, "prometheus/data")));
    /* A directory of such a name that this user may not read is no PMM volume yet: the
     * backup itself will tell of it. */
    if (l.failed && why.sys == EACCES && !marked) {
        *v = (struct volume_facts){.pmm = false};
        return 0;
    }
    if (l.failed) {
        *err = why;
        return -1;
    }
    *v = f.pmm ? f : (struct volume_facts){.pmm = false};
    return 0;
}

struct line {
    char *buf;
    size_t cap, len;
};

static void add(struct line *l, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));

static void add(struct line *l, const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    int n = vsnprintf(l->buf + l->len, l->cap - l->len, fmt, ap);
    va_end(ap);
    if (n > 0)
        l->len += (size_t)n < l->cap - l->len ? (size_t)n : l->cap - l->len - 1;
}

const char *volume_line(const struct volume_facts *v, char *buf, size_t cap)
{
    struct line l = {.buf = buf, .cap = cap};
    if (cap == 0)
        return buf;
    buf[0] = '\0';
    if (!v->pmm) {
        add(&l, "plain files, no PMM volume");
        return buf;
    }
    add(&l, "PMM %s", v->version[0] != '\0' ? v->version : "of unknown version");
    if (v->distribution[0] != '\0')
        add(&l, " (%s)", v->distribution);
    if (v->pg_version != 0)
        add(&l, ", PostgreSQL %u", (unsigned)v->pg_version);
    if (v->victoriametrics)
        add(&l, ", VictoriaMetrics");
    if (v->clickhouse)
        add(&l, ", ClickHouse");
    return buf;
}

/* The number at *p, at most UINT_MAX, and step to the next one behind a '.', or to the
 * end if there is none. */
static unsigned next_number(const char **p)
{
    unsigned n = 0;
    const char *s = *p;
    for (; isdigit((unsigned char)*s); s++) {
        unsigned digit = (unsigned)(*s - '0');
        n = n > (UINT_MAX - digit) / 10 ? UINT_MAX : n * 10 + digit;
    }
    *p = s[0] == '.' && isdigit((unsigned char)s[1]) ? s + 1 : "";
    return n;
}

unsigned volume_major(const struct volume_facts *v)
{
    const char *p = v->version;
    if (isdigit((unsigned char)*p))
        return next_number(&p);
    return v->encryption_key ? 3 : 0;
}

int volume_version_cmp(const char *a, const char *b)
{
    if (!isdigit((unsigned char)*a) || !isdigit((unsigned char)*b))
        return 0;
    while (*a != '\0' || *b != '\0') {
        unsigned x = next_number(&a), y = next_number(&b);
        if (x != y)
            return x < y ? -1 : 1;
    }
    return 0;
}

static void warn_symlink(struct look *l, const char *path,
                         const struct notice_sink *notices)
{
    struct stat st;
    if (stat_of(l, path, &st) && S_ISLNK(st.st_mode))
        notice(notices, NOTICE_WARNING, "store-elsewhere", path,
               "it is a symlink: what it leads to is not in the backup, and was not "
               "looked at");
}

/* PostgreSQL keeps a tablespace as a symlink in pg_tblspc. */
static void warn_cluster(struct look *l, const char *pgdir,
                         const struct notice_sink *notices)
{
    static const char *const parts[] = {"base", "pg_wal", "pg_tblspc"};
    char path[VOLUME_TEXT + 300];
    char **names = NULL;
    size_t n = 0;
    for (size_t i = 0; i < sizeof parts / sizeof *parts; i++) {
        snprintf(path, sizeof path, "%s/%s", pgdir, parts[i]);
        warn_symlink(l, path, notices);
    }
    int there = l->failed ? 0 : peek_dir(l->rootfd, path, &names, &n);
    if (there < 0)
        look_failed(l, path);
    if (there <= 0)
        return;
    for (size_t i = 0; i < n; i++) {
        snprintf(path, sizeof path, "%s/pg_tblspc/%.255s", pgdir, names[i]);
        warn_symlink(l, path, notices);
    }
    dirlist_free(names, n);
}

/* A store behind a symlink is neither looked at nor stored. */
static int warn_elsewhere(struct look *l, const struct volume_facts *v,
                          const struct notice_sink *notices)
{
    static const char *const names[] = {"victoriametrics",
                                        "victoriametrics/data",
                                        "clickhouse",
                                        "postgres",
                                        "postgres11",
                                        "postgres14",
                                        "postgres18",
                                        "grafana",
                                        "prometheus",
                                        "prometheus/data",
                                        "clickhouse/data",
                                        "clickhouse/metadata",
                                        "clickhouse/store",
                                        "victoriametrics/data/data",
                                        "victoriametrics/data/indexdb"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        warn_symlink(l, names[i], notices);
    if (v->pgdir[0] != '\0')
        warn_cluster(l, v->pgdir, notices);
    return l->failed ? -1 : 0;
}

int volume_complete(int rootfd, const struct volume_facts *v, bool key_added,
                    const struct notice_sink *notices, struct err *err)
{
    static const char marker[] = "victoriametrics/data/restore-in-progress";
    struct look l = {.rootfd = rootfd, .err = err};
    if (!v->pmm)
        return 0;
    struct stat st;
    bool unfinished = stat_of(&l, marker, &st);
    if (l.failed)
        return -1;
    if (warn_elsewhere(&l, v, notices) != 0)
        return -1;
    if (volume_major(v) >= 3 && !v->encryption_key && !key_added)
        notice(
            notices, NOTICE_WARNING, "key-missing", "pmm-encryption.key",
            "PMM keeps its credentials encrypted with this key, and it is not in the "
            "volume: without it they cannot be read after a restore");
    if (v->version[0] != '\0' && volume_version_cmp(v->version, "3.7") >= 0 &&
        v->pgdir[0] != '\0' && !v->postgres_password)
        notice(notices, NOTICE_WARNING, "password-missing", ".postgres_password",
               "the password of PostgreSQL's superuser is not in the volume");
    if (v->pgdir[0] == '\0')
        notice(notices, NOTICE_WARNING, "database-external", NULL,
               "there is no PostgreSQL cluster in the volume: the inventory, users and "
               "dashboards of this PMM are elsewhere and not in the backup");
    if (unfinished)
        notice(notices, NOTICE_WARNING, "vm-restore-unfinished", marker,
               "a restore of VictoriaMetrics has not ended: it does not start from "
               "such data");
    return 0;
}
