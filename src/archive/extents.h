/*
 * Where a file has data and where it has holes, as its file system tells
 * (SEEK_DATA, SEEK_HOLE of lseek(2)).
 */
#ifndef ARCHIVE_EXTENTS_H
#define ARCHIVE_EXTENTS_H

#include "archive/entry.h"
#include "util/err.h"

/* If the first e->item.size bytes of fd hold at least one hole, set ITEM_SPARSE and
 * e->extents. A file system that cannot tell, or a map of absurd length, makes it a
 * file without holes. The offset of fd is 0 afterwards. Returns 0, or -1 when memory is
 * short. */
int extents_find(int fd, struct entry *e, struct err *err);

#endif
