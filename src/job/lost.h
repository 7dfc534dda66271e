/*
 * Which entries of a damaged archive did not come out of its tar: those of which an
 * item is left in ENTRIES, and nothing was seen. Items and entries come in the order of
 * the tar, but not in step, and either may be missing.
 *
 * Memory: the items of the ENTRIES at hand, and 24 bytes for each entry whose item has
 * not come.
 */
#ifndef JOB_LOST_H
#define JOB_LOST_H

#include <stddef.h>
#include <stdint.h>

#include "format/item.h"
#include "util/err.h"

/* Told of each lost one; the item's strings live for the call. 0 or -1. */
typedef int lost_fn(void *ctx, const struct item *item, struct err *err);

struct lost_counts {
    uint64_t seen, listed;   /* entries; items */
    uint64_t lost;           /* items without an entry */
    uint64_t contradictions; /* items that say another thing than the entry, or that are
                                out of order */
};

struct lost;

int lost_new(struct lost **l, lost_fn *fn, void *ctx, struct err *err);
void lost_free(struct lost *l);

/* The header of an entry has come, whole; item->tar_offset is that in the archive's
 * tar, and above that of the entry before. What lies below and was not seen, is lost.
 */
int lost_seen(struct lost *l, const struct item *item, struct err *err);

/* The content of an ENTRIES record. ERR_DAMAGED if it holds no items. */
int lost_items(struct lost *l, const uint8_t *p, size_t len, struct err *err);

/* Nothing more will be seen or listed. */
int lost_end(struct lost *l, struct err *err);

const struct lost_counts *lost_counts(const struct lost *l);

#endif
