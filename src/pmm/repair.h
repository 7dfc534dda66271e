/*
 * What keeps a restored PMM volume from starting although every byte of it is right,
 * and what a running server leaves in a volume that a new one must not find.
 */
#ifndef PMM_REPAIR_H
#define PMM_REPAIR_H

#include "report/volumefacts.h"
#include "util/err.h"
#include "util/notice.h"

/* In the tree below `rootfd`, which is the caller's alone:
 *
 *   PostgreSQL's postmaster.pid goes: it would name a process of another container
 *   its directory is 0700, or 0750 where the group could read it: it starts with no
 *     other mode (note pg-mode-set)
 *   logs/ is there, 0775, of the owner of victoriametrics/ (note logs-made)
 *
 * Nothing if v->pmm is false. Returns 0, or -1 with ERR_FAIL. */
int repair_volume(int rootfd, const struct volume_facts *v,
                  const struct notice_sink *notices, struct err *err);

#endif
