#include "cli/metricsfile.h"

#include <fcntl.h>
#include <unistd.h>

#include "cli/syntax.h"
#include "job/directory.h"
#include "report/metrics.h"
#include "store/textfile.h"

#define LOCK_SECONDS 10u /* at most, for others in the same directory */

struct update {
    const struct run *run;
    struct metrics *m;
    const char *command;
    struct err *err;
};

static int set(const struct update *u, enum metric id, double value)
{
    return metrics_set(u->m, id, u->run->opts->name, NULL, value, u->err);
}

static int set_of_command(const struct update *u, enum metric id, double value)
{
    return metrics_set(u->m, id, u->run->opts->name, u->command, value, u->err);
}

static int set_fact(const struct update *u, enum metric id, const char *key)
{
    const struct report *rep = u->run->report;
    if (!report_has(rep, key))
        return 0;
    double d = report_get_double(rep, key);
    return set(u, id, d != 0 ? d : (double)report_get_u64(rep, key));
}

/* Exit status 3 is a success, with warnings. */
static bool good(int status)
{
    return status == 0 || status == 3;
}

static int run_itself(const struct update *u, int status)
{
    const struct run *r = u->run;
    double start = (double)r->job.now;
    int bad = set_of_command(u, METRIC_LAST_ATTEMPT, start);
    bad |= set_of_command(u, METRIC_LAST_EXIT, status);
    bad |= set_of_command(u, METRIC_LAST_DURATION, r->seconds);
    if (!good(status))
        return bad;
    bad |= set_of_command(u, METRIC_LAST_SUCCESS, start + r->seconds);
    return bad |
           set_of_command(u, METRIC_LAST_WARNINGS, (double)report_warnings(r->report));
}

static int backup(const struct update *u)
{
    int bad = set_fact(u, METRIC_DOWNTIME, "downtime");
    bad |= set_fact(u, METRIC_READ_BYTES, "bytes");
    bad |= set_fact(u, METRIC_WRITTEN_BYTES, "archive_bytes");
    bad |= set_fact(u, METRIC_ENTRIES, "entries");
    if (!report_has(u->run->report, "passphrase_created"))
        return bad;
    return bad | set(u, METRIC_SLOT_CREATED,
                     (double)report_get_i64(u->run->report, "passphrase_created"));
}

/* What can be seen of the archives without a key. */
static int archives(const struct update *u, const char *dir)
{
    struct catalog *c;
    int64_t newest_proof = 0, oldest_proof = INT64_MAX;
    const struct catalog_entry *newest = NULL, *oldest = NULL;
    if (catalog_read(&c, dir, u->run->opts->name, NULL, u->run->job.now, u->err) != 0)
        return -1;
    for (size_t i = 0; i < c->n; i++) {
        const struct catalog_entry *e = &c->entries[i];
        newest_proof = e->proven > newest_proof ? e->proven : newest_proof;
        /* One that was never proved counts from its making. */
        int64_t since = e->proven != 0 ? e->proven : e->created;
        oldest_proof = since < oldest_proof ? since : oldest_proof;
        /* The name of what is no archive tells no time. */
        if (e->have_id) {
            newest = newest != NULL ? newest : e;
            oldest = e;
        }
    }
    int bad = set(u, METRIC_ARCHIVES, (double)c->n);
    if (newest != NULL) {
        bad |= set(u, METRIC_NEWEST, (double)newest->created);
        bad |= set(u, METRIC_OLDEST, (double)oldest->created);
    }
    if (c->n > 0)
        bad |= set(u, METRIC_OLDEST_PROOF, (double)oldest_proof);
    if (newest_proof > 0)
        bad |= set(u, METRIC_VERIFIED, (double)newest_proof);
    catalog_free(c);
    return bad;
}

static int update(const struct update *u, int status)
{
    const struct options *o = u->run->opts;
    const char *dir = o->command == COMMAND_BACKUP ? o->output : o->archive;
    int bad = run_itself(u, status);
    if (o->command == COMMAND_BACKUP && good(status))
        bad |= backup(u);
    /* A disk that is not mounted must not make the archives look gone for good: what
     * cannot be read keeps its values. */
    if (bad == 0 && dir != NULL && directory_is(dir) && good(status))
        bad = archives(u, dir);
    return bad;
}

int metricsfile_update(const struct run *r, int status, struct err *err)
{
    const char *path = r->opts->metrics_file;
    struct update u = {
        .run = r, .command = syntax_commands[r->opts->command].name, .err = err};
    struct buf text = {0};
    int rc = -1;
    /* Another command may have something to tell in the same file. */
    int lock = textfile_lock(AT_FDCWD, path, LOCK_SECONDS);
    if (metrics_new(&u.m, err) == 0 &&
        textfile_read(AT_FDCWD, path, METRICS_FILE_MAX, &text, err) >= 0 &&
        metrics_parse(u.m, (const char *)text.p, text.len, err) == 0 &&
        update(&u, status) == 0) {
        text.len = 0;
        rc = metrics_print(u.m, &text, err);
    }
    if (rc == 0)
        rc = textfile_write(AT_FDCWD, path, 0644, &text, err);
    buf_free(&text);
    metrics_free(u.m);
    if (lock >= 0)
        close(lock);
    return rc;
}
