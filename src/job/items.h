/*
 * The items of an archive file, one after another through its index, under the rules of
 * job/itemrules.h. A full read checks them against the tar itself (job/unpack); who
 * reads only a part has these.
 */
#ifndef JOB_ITEMS_H
#define JOB_ITEMS_H

#include "container/index.h"
#include "format/item.h"
#include "job/itemrules.h"
#include "report/manifest.h"
#include "util/err.h"

struct items {
    struct index *index;
    const uint8_t *p; /* the ENTRIES at hand */
    size_t len, off;
    const struct manifest_totals *totals;
    struct itemrules rules;
};

/* Begin, or begin again, at the first item. `index` and the manifest's `totals` are
 * borrowed; nobody else may use the index until the walk is over. A zeroed struct is
 * fit for the first call. */
void items_start(struct items *it, struct index *index,
                 const struct manifest_totals *totals);

/* The next item; its strings live until the next call. Returns 1; 0 after the last one,
 * when all has been as it must be; -1. */
int items_next(struct items *it, struct item *item, struct err *err);

void items_free(struct items *it);

#endif
