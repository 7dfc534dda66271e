#include "job/source.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "pmm/excludes.h"
#include "pmm/volume.h"
#include "store/archives.h"
#include "store/content.h"
#include "util/path.h"

void source_facts(const struct volume_facts *v, struct report *report)
{
    char line[VOLUME_LINE], id[24];
    report_text(report, "volume", volume_line(v, line, sizeof line));
    report_bool(report, "pmm", v->pmm);
    if (!v->pmm)
        return;
    snprintf(id, sizeof id, "%llu", (unsigned long long)v->system_id);
    report_text(report, "pmm_version", v->version);
    report_text(report, "pmm_distribution", v->distribution);
    report_text(report, "postgresql_directory", v->pgdir);
    report_u64(report, "postgresql_version", v->pg_version);
    report_text(report, "postgresql_system_id", id);
}

static int check_empty(const struct source *s, struct err *err)
{
    int empty = content_is_empty(s->fd, err);
    if (empty <= 0)
        return empty;
    err_set(err, ERR_REFUSED, "SOURCE is empty: %s", s->path);
    return err_hint(err,
                    "is the volume mounted? A mistyped name makes Docker create an "
                    "empty volume");
}

int source_open(struct source *s, const char *path, bool defaults,
                const struct job *job, struct err *err)
{
    *s = (struct source){.fd = -1};
    s->fd = content_open(path, err);
    if (s->fd < 0)
        return -1;
    s->path = realpath(path, NULL);
    if (s->path == NULL)
        return err_sys(err, ERR_FAIL, "cannot find out the full path of %s", path);
    report_text(job->report, "source", s->path);
    if (check_empty(s, err) != 0 || volume_look(s->fd, &s->volume, err) != 0 ||
        glob_new(&s->defaults, err) != 0)
        return -1;
    source_facts(&s->volume, job->report);
    return defaults ? excludes_set(s->fd, &s->volume, s->defaults, err) : 0;
}

/* Whether one of the files of --add is PMM's key: by the name it has by default, or by
 * what its container is told. */
static bool adds_key(const char *const *add)
{
    static const char key[] = "pmm-encryption.key";
    const char *elsewhere = getenv("PMM_ENCRYPTION_KEY_PATH");
    for (const char *const *path = add; path != NULL && *path != NULL; path++) {
        const char *slash = strrchr(*path, '/');
        if (strcmp(slash != NULL ? slash + 1 : *path, key) == 0 ||
            (elsewhere != NULL && strcmp(*path, elsewhere) == 0))
            return true;
    }
    return false;
}

int source_complete(const struct source *s, const char *const *add,
                    const struct job *job, struct err *err)
{
    return volume_complete(s->fd, &s->volume, adds_key(add), report_sink(job->report),
                           err);
}

int source_check(struct source *s, bool allow_live, const struct job *job,
                 struct err *err)
{
    const struct notice_sink *sink = report_sink(job->report);
    if (!s->volume.pmm)
        return 0;
    if (live_look(s->fd, &s->volume, &s->before, err) != 0)
        return -1;
    switch (s->before.state) {
    case LIVE_STOPPED:
        s->state = STATE_STOPPED;
        return 0;
    case LIVE_CRASHED:
        s->state = STATE_CRASHED;
        notice(sink, NOTICE_WARNING, "store-crashed", NULL,
               "%s was not shut down before: it will recover when it starts, as after "
               "a loss of power",
               s->before.who);
        return 0;
    case LIVE_RUNNING:
        break;
    }
    s->state = STATE_LIVE;
    if (allow_live) {
        notice(sink, NOTICE_WARNING, "live-server", NULL,
               "%s ran while the files were read: this archive is not consistent",
               s->before.who);
        return 0;
    }
    err_set(err, ERR_REFUSED, "this PMM Server is running (%s): %s", s->before.who,
            s->path);
    return err_hint(
        err, "a copy of a running server can be corrupt without a sign. Stop "
             "the container first (docker stop -t 300 pmm-server), or inside it "
             "say --stop-services, or say --allow-live and know that the archive "
             "may not be usable");
}

int source_recheck(struct source *s, const struct job *job, struct err *err)
{
    struct live after;
    if (!s->volume.pmm || s->state == STATE_LIVE)
        return 0;
    if (live_look(s->fd, &s->volume, &after, err) != 0)
        return -1;
    if (after.state != LIVE_RUNNING && !live_changed(&s->before, &after))
        return 0;
    s->state = STATE_LIVE;
    notice(report_sink(job->report), NOTICE_WARNING, "store-started", NULL,
           "%s was started while the files were read: this archive is not consistent",
           after.state == LIVE_RUNNING ? after.who : "a server of this volume");
    return 0;
}

static bool matches(const struct source *s, const struct globset *excludes,
                    const char *path, bool is_dir)
{
    return glob_excludes(s->defaults, path, is_dir) ||
           (excludes != NULL && glob_excludes(excludes, path, is_dir));
}

/* Whether the walk passes over the file `path`, or a directory above it. */
static bool left_out(const struct source *s, const struct globset *excludes, char *path)
{
    for (char *slash = strchr(path, '/'); slash != NULL; slash = strchr(slash, '/')) {
        *slash = '\0';
        bool out = matches(s, excludes, path, true);
        *slash++ = '/';
        if (out)
            return true;
    }
    return matches(s, excludes, path, false);
}

static bool other_mount(const struct source *s, const char *dir)
{
    struct stat a, b;
    return fstat(s->fd, &a) == 0 && stat(dir, &b) == 0 && a.st_dev != b.st_dev;
}

int source_outside(const struct source *s, const struct globset *excludes,
                   bool one_file_system, const char *dir, struct err *err)
{
    char *real = realpath(dir, NULL), *file = NULL;
    if (real == NULL)
        return err_sys(err, ERR_FAIL, "cannot find out the full path of %s", dir);
    bool inside = path_below(real, s->path);
    /* Patterns may leave out the directory, or only what is in it. */
    int n =
        asprintf(&file, "%s/a" ARCHIVES_SUFFIX, inside ? real + strlen(s->path) : real);
    inside = inside && !(one_file_system && other_mount(s, real));
    free(real);
    if (n < 0)
        return err_nomem(err);
    inside = inside && !left_out(s, excludes, file + strspn(file, "/"));
    free(file);
    if (!inside)
        return 0;
    err_set(err, ERR_REFUSED,
            "the directory of archives lies in SOURCE: each archive would hold all "
            "earlier ones: %s",
            dir);
    return err_hint(err, "write to a place outside of SOURCE, or leave that directory "
                         "out with --exclude");
}

void source_close(struct source *s)
{
    glob_free(s->defaults);
    free(s->path);
    if (s->fd >= 0)
        close(s->fd);
    *s = (struct source){.fd = -1};
}
