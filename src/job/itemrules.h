/*
 * The rules that bind the items of an archive to one another: the first is ".", paths
 * ascend depth first, and the tar bytes of one begin where those of the last ended
 * (docs/FORMAT.md, "Items"). Held by whoever reads them, from the tar or from ENTRIES.
 */
#ifndef JOB_ITEMRULES_H
#define JOB_ITEMRULES_H

#include <stdint.h>

#include "format/end.h"
#include "format/item.h"
#include "util/buf.h"
#include "util/err.h"

/* Zeroed: before the first item. */
struct itemrules {
    uint64_t count, next_offset; /* next_offset: in the tar, behind the last item */
    struct buf last_path;        /* NUL-terminated */
};

/* Before the first item again. */
void itemrules_restart(struct itemrules *rules);

/* The next item, in two steps, since a full read knows an entry's path before its
 * length: its path is in order, and its tar bytes follow on. ERR_DAMAGED, ERR_FAIL. */
int itemrules_path(struct itemrules *rules, const char *path, struct err *err);
int itemrules_tile(struct itemrules *rules, const struct item *item, struct err *err);

/* After the last one: as many as `end` counts, at least one, and behind them room for
 * the tar's end. ERR_DAMAGED. */
int itemrules_end(const struct itemrules *rules, const struct end *end,
                  struct err *err);

void itemrules_free(struct itemrules *rules);

#endif
