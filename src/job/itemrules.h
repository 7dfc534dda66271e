/*
 * The rules that bind the items of an archive to one another: the first is ".", paths
 * ascend depth first, each lies in a directory that came before it, the tar bytes of
 * one begin where those of the last ended, hard links name an earlier file, and all of
 * them add up to the totals (docs/FORMAT.md, "Reading"). Held by whoever reads them,
 * from the tar or from ENTRIES: what breaks them could not be restored, or would be
 * restored as something else than was listed.
 */
#ifndef JOB_ITEMRULES_H
#define JOB_ITEMRULES_H

#include <stdint.h>

#include "format/end.h"
#include "format/item.h"
#include "job/primaries.h"
#include "report/manifest.h"
#include "util/buf.h"
#include "util/err.h"

/* Zeroed: before the first item. */
struct itemrules {
    uint64_t count, next_offset; /* next_offset: in the tar, behind the last item */
    struct buf last_path;        /* NUL-terminated */
    uint8_t last_type;
    struct primaries files;
    struct manifest_totals totals; /* but tar_bytes and warnings */
};

/* Before the first item again. */
void itemrules_restart(struct itemrules *rules);

/* The next item, in two steps, since a full read knows an entry's path before its
 * length: its path and type are in order; its tar bytes follow on and its link leads to
 * a file. ERR_DAMAGED, ERR_FAIL. */
int itemrules_path(struct itemrules *rules, const char *path, uint8_t type,
                   struct err *err);
int itemrules_tile(struct itemrules *rules, const struct item *item, struct err *err);

/* A time beyond what time_t holds where it has 32 bits: it would be read as another
 * one, and a good archive look damaged. ERR_FAIL. */
int itemrules_time(const struct item *item, struct err *err);

/* After the last one: as many as `end` counts, at least one, and behind them room for
 * the tar's end. ERR_DAMAGED. */
int itemrules_end(const struct itemrules *rules, const struct end *end,
                  struct err *err);

/* After the last one: they add up to `totals`. ERR_DAMAGED. */
int itemrules_totals(const struct itemrules *rules,
                     const struct manifest_totals *totals, struct err *err);

void itemrules_free(struct itemrules *rules);

#endif
