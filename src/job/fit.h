/*
 * Whether an archive of a PMM volume fits where it is to be restored.
 */
#ifndef JOB_FIT_H
#define JOB_FIT_H

#include <stdbool.h>
#include <stddef.h>

#include "pmm/guardian.h"
#include "report/manifest.h"
#include "report/volumefacts.h"
#include "store/place.h"
#include "util/err.h"
#include "util/idmap.h"
#include "util/notice.h"

/* Where an image of PMM says which version it is. */
#define FIT_IMAGE_VERSION "/usr/share/percona-dashboards/VERSION"

/* PMM upgrades an older volume when it starts; what a newer one wrote it may not read,
 * and does not notice. ERR_REFUSED if the archive's version is above `target` (or, if
 * that is NULL, what the PMM image says in which this runs), unless `force`. */
int fit_version(const struct volume_facts *archive, const char *target, bool force,
                struct err *err);

/* Owners are numbers, and a number stands for another user in another user namespace.
 * Between containers that is as it should be; a rootless container's volume that is
 * looked at from outside has other ones. Warning other-id-map
 * where the two maps differ at all: between two of them the inside may differ, too. */
void fit_owners(const struct idmap *archive, const struct notice_sink *notices);

/* ERR_REFUSED if the servers of the volume in the directory `fd` run; `path` names it.
 * With fd -1 (no target yet) none do. The guardian looks if there is one (NULL: this
 * process): once this one is confined it sees no others. ERR_FAIL: it cannot be told.
 */
int fit_stopped(struct guardian *guardian, int fd, const char *path, struct err *err);

/* ERR_REFUSED if the archive lies in the target that it is to replace, or with `path`
 * in that part of it, and would be removed with it. `target` is resolved; "-" for
 * archive: it does not. */
int fit_outside(const char *target, const char *path, const char *archive,
                struct err *err);

/* ERR_FAIL, with the figures, if what `t` adds up to does not fit where `place` will
 * stand, which is `target` for the user. */
int fit_space(const struct place *place, const char *target,
              const struct manifest_totals *t, struct err *err);

/* Whether any of `paths` (util/path.h, relative to the volume) lies in a store or holds
 * one. */
bool fit_stores(const char *const *paths, size_t n);

/* After ERR_REFUSED for a target with content: if that is a PMM volume, add what may be
 * behind it. Other errors stay as they are. */
void fit_seeded(const char *target, struct err *err);

#endif
