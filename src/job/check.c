#include "job/check.h"

#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "archive/walk.h"
#include "job/key.h"
#include "job/previous.h"
#include "job/source.h"
#include "job/strength.h"
#include "report/extras.h"
#include "report/metrics.h"
#include "store/archives.h"
#include "store/dirlock.h"
#include "store/mount.h"
#include "store/output.h"
#include "store/textfile.h"
#include "util/buf.h"
#include "util/child.h"

#define HOOK_SECONDS 30u             /* a shell that only looks at a command */
#define CRON_PATH    "/usr/bin:/bin" /* cron's, on Debian and RHEL */

struct check {
    const struct job *job;
    const struct check_opts *opts;
    check_fn *fn;
    void *ctx;
    uint64_t tried, not_good;

    struct source source;
    bool source_good;
    struct output *out; /* never committed */
    struct key key;
    struct previous before;
    char found[256];
};

/* Printf into c->found. Returns 0. */
__attribute__((format(printf, 2, 3))) static int found(struct check *c, const char *fmt,
                                                       ...)
{
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(c->found, sizeof c->found, fmt, ap);
    va_end(ap);
    return 0;
}

/* One thing to try. Returns 0, or -1 only when it is time to stop. */
static int try(struct check *c, const char *what,
               int (*fn)(struct check *, struct err *), struct err *err)
{
    struct err why = {0};
    c->found[0] = '\0';
    int rc = fn(c, &why);
    if (why.cls == ERR_SIGNAL || err_stopped(&why) != 0) {
        *err = why;
        return -1;
    }
    c->tried++;
    c->not_good += rc != 0;
    c->fn(c->ctx, what, c->found, rc != 0 ? &why : NULL);
    return 0;
}

/* ---- source ---- */

static int count(void *ctx, struct entry *e, int fd, struct err *err)
{
    uint64_t *bytes = ctx;
    (void)fd, (void)err;
    *bytes += e->item.size;
    return 0;
}

static int source(struct check *c, struct err *err)
{
    const struct backup_opts *o = c->opts->backup;
    struct walk_counts counts = {0};
    uint64_t bytes = 0;
    if (source_open(&c->source, o->source, !o->no_defaults, c->job, err) != 0)
        return -1;
    c->source_good = true;
    if (source_complete(&c->source, o->add, c->job, err) != 0)
        return -1;
    const struct walk_opts walk = {.excludes = o->excludes,
                                   .defaults = c->source.defaults,
                                   .one_file_system = o->one_file_system};
    if (walk_tree(c->source.fd, &walk, count, &bytes, report_sink(c->job->report),
                  &counts, err) != 0)
        return -1;
    found(c, "%s; %llu entries, %llu MiB", report_get_text(c->job->report, "volume"),
          (unsigned long long)counts.entries, (unsigned long long)(bytes >> 20));
    /* Where nothing is stopped first, what runs now is what the night would meet. */
    return pause_wanted(&o->pause)
               ? 0
               : source_check(&c->source, o->allow_live, c->job, err);
}

/* ---- hooks ---- */

/* What the shell calls when it runs `cmd`, if that is a plain word; else NULL. */
static char *first_word(const char *cmd)
{
    const char *start = cmd + strspn(cmd, " \t");
    size_t n = strcspn(start, " \t\n;&|");
    char *word = strndup(start, n);
    if (word != NULL && (n == 0 || strpbrk(word, "\"'\\$`<>()=*?[]#~!{}") != NULL)) {
        free(word);
        return NULL;
    }
    return word;
}

/* Whether a shell finds it: a program, a builtin, a keyword. */
static bool shell_knows(const char *word, const char *path)
{
    /* Of a path some shells see only that it is there. */
    if (strchr(word, '/') != NULL)
        return access(word, X_OK) == 0;
    const char *argv[] = {
        "/bin/sh", "-c", "test -z \"$2\" || PATH=$2; command -v -- \"$1\" >/dev/null",
        "sh",      word, path,
        NULL};
    struct child_result r;
    struct err ignored = {0};
    return child_run((char *const *)argv, HOOK_SECONDS, 1, &r, &ignored) == 0 &&
           r.status == 0;
}

static int hook(struct check *c, const char *option, const char *cmd, struct err *err)
{
    const char *argv[] = {"/bin/sh", "-n", "-c", cmd, NULL};
    struct child_result r;
    char line[200];
    if (cmd == NULL)
        return 0;
    if (child_run((char *const *)argv, HOOK_SECONDS, 1, &r, err) != 0)
        return -1;
    if (r.status != 0)
        return err_set(err, ERR_FAIL, "--%s: the shell does not understand it: %s",
                       option, child_last_line(&r, line, sizeof line));
    char *word = first_word(cmd);
    if (word == NULL)
        return 0;
    int rc = 0;
    if (!shell_knows(word, ""))
        rc = err_set(err, ERR_FAIL, "--%s: no such command, or not executable: %s",
                     option, word);
    else if (!shell_knows(word, CRON_PATH))
        notice(report_sink(c->job->report), NOTICE_WARNING, "hook-path", NULL,
               "--%s: %s is found here, but not in " CRON_PATH
               ", where cron looks: write its full path",
               option, word);
    free(word);
    return rc;
}

static int hooks(struct check *c, struct err *err)
{
    const struct pause_opts *p = &c->opts->backup->pause;
    struct pause pause;
    if (pause_check(&pause, p, c->job, err) != 0)
        return -1;
    return hook(c, "before", p->before, err) == 0 ? hook(c, "after", p->after, err)
                                                  : -1;
}

/* ---- the directory and what is in it ---- */

static int no_directory(struct err *err)
{
    err_set(err, ERR_FAIL, "no directory of archives is named");
    return err_hint(err, "say directory = /WHERE in the file");
}

/* As a night opens it: with a temporary file, which output_free takes away. */
static int directory(struct check *c, struct err *err)
{
    const struct backup_opts *o = c->opts->backup;
    struct dirlock *lock = NULL;
    struct err busy = {0};
    if (o->output == NULL)
        return no_directory(err);
    char *name = archives_file_name(o->name, c->job->now, err);
    if (name == NULL)
        return -1;
    int rc = output_open(&c->out, o->output, name, o->force, err);
    free(name);
    int dir = rc == 0 ? output_directory(c->out) : -1;
    if (rc == 0 && dir < 0)
        rc = o->prune != NULL || o->require_mount ? no_directory(err) : 0;
    if (rc != 0 || dir < 0)
        return rc;
    if (c->source_good && source_outside(&c->source, o->excludes, o->one_file_system,
                                         o->output, err) != 0)
        return -1;
    if (o->require_mount && mount_require(dir, o->output, err) != 0)
        return -1;
    rc = dirlock_take(&lock, dir, o->output, 0, &busy);
    dirlock_free(lock);
    if (rc != 0 && busy.cls == ERR_BUSY)
        return found(c, "%s", busy.text); /* a run of now is none of the night */
    *err = busy;
    return rc;
}

static int files(struct check *c, struct err *err)
{
    const struct backup_opts *o = c->opts->backup;
    const char *const *const lists[] = {o->add, o->attach};
    struct extras x = {0};
    int rc = 0;
    for (size_t i = 0; i < 2; i++)
        for (const char *const *f = lists[i]; f != NULL && *f != NULL && rc == 0; f++)
            rc = extras_read(&x, *f, i == 0, err);
    if (rc == 0)
        found(c, "%zu", x.nfiles);
    extras_free(&x);
    return rc;
}

static int passphrase(struct check *c, struct err *err)
{
    const struct backup_opts *o = c->opts->backup;
    const struct passphrase_opts *p = &c->job->passphrase;
    if (!c->opts->passphrase_given) {
        err_set(err, ERR_KEY,
                "no source of the passphrase: at night nobody can be asked");
        return err_hint(err, "say passphrase-file or passphrase-command");
    }
    if (key_get(&c->key, p, c->job, err) != 0)
        return -1;
    if (p->file == NULL && p->fd < 0 && p->command == NULL)
        notice(report_sink(c->job->report), NOTICE_WARNING, "passphrase-environment",
               NULL,
               "the passphrase comes from %s, which cron and systemd do not know: say "
               "passphrase-file in the file",
               c->key.pass.source);
    if (c->out == NULL)
        return found(c,
                     "there is one; not known whether it opens the earlier archives: "
                     "see directory");
    if (output_is_stream(c->out))
        return 0;
    if (previous_check(c->job, output_parent(c->out), o->name, c->key.ring,
                       c->key.pass.source, !o->new_passphrase, &c->before, err) != 0)
        return -1;
    if (!c->before.found)
        return strength_check(&c->key.pass, o->allow_weak, err) == 0
                   ? found(c, "no earlier archive of the name %s", o->name)
                   : -1;
    return found(c, "opens %s", c->before.have_volume ? c->before.path : "the last");
}

static int volume(struct check *c, struct err *err)
{
    return previous_same_volume(c->job, &c->before, &c->source.volume, err);
}

static int space(struct check *c, struct err *err)
{
    found(c, "%llu MiB free", (unsigned long long)(output_room(c->out) >> 20));
    return previous_fits(&c->before, c->out, err);
}

/* As a night does it: what is there is read before it is written. */
static int metrics(struct check *c, struct err *err)
{
    const char *file = c->opts->metrics_file;
    struct buf old = {0};
    int rc = textfile_read(AT_FDCWD, file, METRICS_FILE_MAX, &old, err);
    buf_free(&old);
    return rc >= 0 ? textfile_try(AT_FDCWD, file, err) : -1;
}

/* ---- all of it ---- */

static int each(struct check *c, struct err *err)
{
    const struct backup_opts *o = c->opts->backup;
    if (try(c, "source", source, err) != 0 ||
        (pause_wanted(&o->pause) && try(c, "hooks", hooks, err) != 0) ||
        try(c, "directory", directory, err) != 0 ||
        ((o->add != NULL || o->attach != NULL) && try(c, "files", files, err) != 0) ||
        try(c, "passphrase", passphrase, err) != 0)
        return -1;
    if (c->source_good && c->before.have_volume && try(c, "volume", volume, err) != 0)
        return -1;
    if (c->out != NULL && !output_is_stream(c->out) && try(c, "space", space, err) != 0)
        return -1;
    return c->opts->metrics_file != NULL ? try(c, "metrics", metrics, err) : 0;
}

int check_run(const struct job *job, const struct check_opts *opts, check_fn *fn,
              void *ctx, struct err *err)
{
    struct check c = {.job = job, .opts = opts, .fn = fn, .ctx = ctx};
    c.source.fd = -1;
    int rc = each(&c, err);
    report_u64(job->report, "checks", c.tried);
    report_u64(job->report, "not_good", c.not_good);
    if (rc == 0 && c.not_good > 0)
        rc = err_set(err, ERR_FAIL, "%llu of %llu things are not as a night needs them",
                     (unsigned long long)c.not_good, (unsigned long long)c.tried);
    output_free(c.out);
    key_free(&c.key);
    source_close(&c.source);
    return rc;
}
