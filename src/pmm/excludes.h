/*
 * What of a PMM volume is left out by default: what a server makes again by itself or
 * must not find when it starts. Patterns of archive/glob.h; a directory whose content
 * is left out stays, with its mode and owner.
 */
#ifndef PMM_EXCLUDES_H
#define PMM_EXCLUDES_H

#include "archive/glob.h"
#include "report/volumefacts.h"
#include "util/err.h"

/* Told each pattern and why: `why` is a few words ("logs", "a cache"). Both borrowed
 * for the call. Returns 0, or -1 to end. */
typedef int excludes_fn(void *ctx, const char *pattern, const char *why,
                        struct err *err);

/* All patterns for the volume in the directory `rootfd`, in a fixed order:
 *
 *   fixed ones, by layout (what they are for: pmm-seal(1), "Default excludes");
 *   PostgreSQL: volatile files of the cluster v->pgdir; at the top level only, and only
 *     when v->pgdir is a whole cluster: NAME.old and NAME.new of a lower PG_VERSION or
 *     none, and NAME of a lower one if v->version of PMM is known to run v->pgdir and
 *     NAME was not written to later (else a migration was cut short or undone);
 *   ClickHouse: its own log tables, see pmm/chlogs.h.
 *
 * Nothing if v->pmm is false. Returns 0, or -1: fn's error, ERR_FAIL, ERR_SIGNAL. */
int excludes_each(int rootfd, const struct volume_facts *v, excludes_fn *fn, void *ctx,
                  struct err *err);

/* Who is told, for the sources that make patterns. */
struct excludes_to {
    excludes_fn *fn;
    void *ctx;
    struct err *err;
};

/* Tell a pattern made printf-style. fn's result. */
int excludes_tell(const struct excludes_to *to, const char *why, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));

/* excludes_each into a set for the walk. */
int excludes_set(int rootfd, const struct volume_facts *v, struct globset *set,
                 struct err *err);

#endif
