#include "pmm/excludes.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "pmm/chlogs.h"
#include "pmm/control.h"
#include "pmm/peek.h"
#include "pmm/volume.h"
#include "store/dirlist.h"

#define PATTERN_SIZE 1024u /* longer than any chlogs makes */

struct fixed {
    const char *pattern, *why;
};

/* VictoriaMetrics: what its own vmbackup leaves out, and nothing inside a partition or
 * an index: until 1.89, tmp/ there holds what an unfinished transaction of txn/ is
 * about to move into place, and its sources are gone already. */
static const struct fixed fixed[] = {
    {"logs/*", "logs"},
    {"dump/*", "exported dumps"},
    {"backup/*", "older backups"},
    {"backups/*", "older backups"},
    {"ha/*", "membership in a cluster"},
    {"pmm-agent/tmp/*", "temporary files"},
    {"nginx/tmp/*", "temporary files"},
    {"grafana/png/*", "rendered pages"},
    {"grafana/csv/*", "rendered pages"},
    {"grafana/pdf/*", "rendered pages"},
    {"/pmm-update.json", "the state of an update"},
    {"/lost+found/", "of the file system"},
    {"victoriametrics/data/cache/*", "a cache"},
    {"victoriametrics/data/tmp/*", "temporary files"},
    {"victoriametrics/data/snapshots/*", "snapshots"},
    {"victoriametrics/data/data/*/snapshots/*", "snapshots"},
    {"victoriametrics/data/indexdb/snapshots/*", "snapshots"},
    {"victoriametrics/data/**/flock.lock", "a lock"},
    {"victoriametrics/data/.vm_app_running", "a mark of a running server"},
    {"prometheus/data/lock", "a lock"},
    {"prometheus/data/queries.active", "a mark of a running server"},
    {"clickhouse/tmp/*", "temporary files"},
    {"clickhouse/shadow/*", "snapshots"},
    {"clickhouse/preprocessed_configs/*", "generated configuration"},
    {"clickhouse/status", "a mark of a running server"},
    {"clickhouse/*.pid", "a mark of a running server"},
    {"postgres*/postmaster.pid", "a mark of a running server"},
    {"postgres*/postmaster.opts", "a mark of a running server"},
};

/* Below the cluster in use: what pg_basebackup leaves out as well (PostgreSQL's manual,
 * "Streaming Replication Protocol", BASE_BACKUP). */
static const struct fixed volatiles[] = {
    {"pg_dynshmem/*", "PostgreSQL's shared memory"},
    {"pg_notify/*", "PostgreSQL's notifications"},
    {"pg_replslot/*", "replication slots"},
    {"pg_serial/*", "PostgreSQL's transactions in flight"},
    {"pg_snapshots/*", "PostgreSQL's transactions in flight"},
    {"pg_stat_tmp/*", "temporary files"},
    {"pg_subtrans/*", "PostgreSQL's transactions in flight"},
    {"base/pgsql_tmp/*", "temporary files"},
    {"pg_tblspc/*/*/pgsql_tmp/*", "temporary files"},
    {"**/pg_internal.init", "a cache"},
};

int excludes_tell(const struct excludes_to *to, const char *why, const char *fmt, ...)
{
    char pattern[PATTERN_SIZE];
    va_list ap;
    va_start(ap, fmt);
    int n = vsnprintf(pattern, sizeof pattern, fmt, ap);
    va_end(ap);
    if (n < 0 || (size_t)n >= sizeof pattern)
        return err_set(to->err, ERR_FAIL, "a default exclude is too long: %s", pattern);
    return to->fn(to->ctx, pattern, why, to->err);
}

/* The directory whose cluster a PMM of this version runs, or "" if that is not known.
 * The version is written at the end of a successful upgrade, so it tells a migration
 * that is done from one that is not. */
static const char *cluster_of(const char *version)
{
    if (version[0] == '\0' || volume_version_cmp(version, "4") >= 0)
        return "";
    if (volume_version_cmp(version, "3.10") >= 0)
        return "postgres18";
    return volume_version_cmp(version, "2.30") >= 0 ? "postgres14" : "postgres";
}

/* A cluster as far as its being older matters. */
struct age {
    int versioned;  /* of control_major: 1, 0 or -1 */
    uint32_t major; /* 0: not known */
    bool started;   /* it has a pg_control, last written at */
    int64_t time;
};

/* What cannot be read stays unknown, and then keeps what it is about. */
static struct age age_of(int rootfd, const char *dir)
{
    struct age a = {.versioned = 0};
    struct err unsaid = {0};
    struct control c;
    a.versioned = control_major(rootfd, dir, &a.major, &unsaid);
    a.started = control_read(rootfd, dir, &c, &unsaid) == 1;
    a.time = a.started ? c.time : 0;
    return a;
}

/* A name that an upgrade has given: NAME.old, or NAME.new while it was being made. Cuts
 * off what it added. */
static bool set_aside(char name[VOLUME_TEXT])
{
    size_t len = strlen(name);
    if (len <= 4 ||
        (strcmp(name + len - 4, ".old") != 0 && strcmp(name + len - 4, ".new") != 0))
        return false;
    name[len - 4] = '\0';
    return true;
}

/* Whether the directory `dir` is of a cluster that the one in use (`now`) has replaced.
 * What an upgrade has set aside needs only be older, or not even a cluster. Beside
 * that, the name alone does not tell who replaced whom: a migration may have been cut
 * short or undone. So the version of PMM must call for the one in use, and the other
 * must not have run since. */
static bool replaced(int rootfd, const struct volume_facts *v, const char *dir,
                     const struct age *now)
{
    char name[VOLUME_TEXT];
    struct stat st;
    if (strlen(dir) >= sizeof name || strcmp(dir, v->pgdir) == 0)
        return false;
    snprintf(name, sizeof name, "%s", dir);
    bool aside = set_aside(name);
    if (!control_cluster_name(name) || peek_stat(rootfd, dir, &st) != 1 ||
        !S_ISDIR(st.st_mode))
        return false;
    struct age a = age_of(rootfd, dir);
    if (a.versioned == 0)
        return aside;
    if (a.versioned < 0 || a.major == 0 || a.major >= now->major)
        return false;
    return aside || (a.started && a.time <= now->time &&
                     strcmp(cluster_of(v->version), v->pgdir) == 0);
}

static int older_clusters(int rootfd, const struct volume_facts *v,
                          const struct excludes_to *to)
{
    char **names;
    size_t n;
    struct age now = age_of(rootfd, v->pgdir);
    if (now.versioned != 1 || now.major == 0 || !now.started)
        return 0;
    if (dirlist_read(rootfd, &names, &n) != 0)
        return err_sys(to->err, ERR_FAIL,
                       "cannot read the top directory of the volume");
    int r = 0;
    for (size_t i = 0; i < n && r == 0; i++)
        if (replaced(rootfd, v, names[i], &now))
            r = excludes_tell(to, "an older PostgreSQL cluster", "/%s/", names[i]);
    dirlist_free(names, n);
    return r;
}

static int postgresql(int rootfd, const struct volume_facts *v,
                      const struct excludes_to *to)
{
    if (!control_cluster_name(v->pgdir))
        return 0;
    for (size_t i = 0; i < sizeof volatiles / sizeof *volatiles; i++)
        if (excludes_tell(to, volatiles[i].why, "%s/%s", v->pgdir,
                          volatiles[i].pattern) != 0)
            return -1;
    return older_clusters(rootfd, v, to);
}

int excludes_each(int rootfd, const struct volume_facts *v, excludes_fn *fn, void *ctx,
                  struct err *err)
{
    struct excludes_to to = {.fn = fn, .ctx = ctx, .err = err};
    if (!v->pmm)
        return 0;
    for (size_t i = 0; i < sizeof fixed / sizeof *fixed; i++)
        if (fn(ctx, fixed[i].pattern, fixed[i].why, err) != 0)
            return -1;
    if (postgresql(rootfd, v, &to) != 0)
        return -1;
    return v->clickhouse ? chlogs_each(rootfd, &to, err) : 0;
}

static int add_pattern(void *ctx, const char *pattern, const char *why, struct err *err)
{
    (void)why;
    return glob_add(ctx, pattern, err);
}

int excludes_set(int rootfd, const struct volume_facts *v, struct globset *set,
                 struct err *err)
{
    return excludes_each(rootfd, v, add_pattern, set, err);
}
