/*
 * The SOURCE of a backup: opened, held, recognised; what of it is left out by default;
 * whether its servers stand still, before the first byte is read and after the last.
 */
#ifndef JOB_SOURCE_H
#define JOB_SOURCE_H

#include <stdbool.h>

#include "archive/glob.h"
#include "job/job.h"
#include "pmm/live.h"
#include "report/manifest.h"
#include "util/err.h"

struct source {
    int fd;     /* held by a shared flock */
    char *path; /* absolute, no symlinks */
    struct volume_facts volume;
    struct globset *defaults; /* what is left out by default */
    struct live before;
    enum manifest_state state;
};

/* Open and look. Refuses an empty directory (ERR_REFUSED). With `defaults` the default
 * excludes are collected. Facts: source and those of
 * source_facts. Returns 0, or -1; source_close either way. */
int source_open(struct source *s, const char *path, bool defaults,
                const struct job *job, struct err *err);

/* Warn of what the volume lacks, as volume_complete does; `add` are the files of --add
 * (NULL-ended, or NULL), of which one may be its key. ERR_FAIL. */
int source_complete(const struct source *s, const char *const *add,
                    const struct job *job, struct err *err);

/* To be called when nothing is expected to run any more: ERR_REFUSED if a server does,
 * naming the ways out, unless `allow_live` (warning live-server). A server that had
 * crashed is a warning (store-crashed). Sets s->state. */
int source_check(struct source *s, bool allow_live, const struct job *job,
                 struct err *err);

/* The same question after the last byte was read: a server that runs now, or has run
 * meanwhile, makes the archive not consistent: warning store-started. */
int source_recheck(struct source *s, const struct job *job, struct err *err);

/* ERR_REFUSED if the directory of archives `dir` lies in SOURCE and is read with it
 * (neither left out by default nor by `excludes`, which may be NULL, nor by
 * `one_file_system`): each archive would hold all earlier ones. */
int source_outside(const struct source *s, const struct globset *excludes,
                   bool one_file_system, const char *dir, struct err *err);

void source_close(struct source *s);

/* Facts about a volume: volume (a line for people), pmm (bool), pmm_version,
 * pmm_distribution, postgresql_directory, postgresql_version, postgresql_system_id
 * (text). */
void source_facts(const struct volume_facts *v, struct report *report);

#endif
