/*
 * An item: what an archive's ENTRIES records say about one entry of the tar. Items let
 * `list` and partial restore work without reading DATA, and prove at the end of a
 * restore that the tar held exactly what the writer put there.
 *
 * struct item only points to its strings; whoever filled it says how long they live.
 */
#ifndef FORMAT_ITEM_H
#define FORMAT_ITEM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "util/buf.h"
#include "util/err.h"

enum item_type {
    ITEM_FILE = 1,
    ITEM_DIR = 2,
    ITEM_SYMLINK = 3,
    ITEM_HARDLINK = 4, /* another name of an earlier ITEM_FILE */
    ITEM_FIFO = 5,
    ITEM_CHAR = 6,
    ITEM_BLOCK = 7,
};

/* Flags; an unknown one is refused. */
#define ITEM_CHANGED 0x0001u /* content may mix two states: changed while read */
#define ITEM_INCOMPLETE                                                                \
    0x0002u                 /* bytes could not be read; zeros stand in their place */
#define ITEM_SPARSE 0x0004u /* stored with a map of its data extents */

struct item {
    uint8_t type;   /* enum item_type */
    uint16_t flags; /* ITEM_... */
    uint32_t mode;  /* permission bits with setuid, setgid, sticky: 07777 */
    uint32_t uid, gid;
    int64_t mtime;     /* seconds since 1970, may be negative */
    uint32_t mtime_ns; /* 0..999999999, counted forward from mtime */
    uint64_t size;     /* bytes of content (holes included); 0 for all but ITEM_FILE */
    uint64_t stored;   /* bytes of content without holes */
    uint32_t dev_major, dev_minor; /* ITEM_CHAR and ITEM_BLOCK, else 0 */
    uint64_t tar_offset;           /* of the first header block, in the tar stream */
    uint64_t tar_length;           /* bytes up to the next entry, padding included */
    const char *path;              /* see util/path.h; NUL-terminated */
    const char *user, *group;      /* names, NUL-terminated; NULL where unknown */
    const char *link;     /* ITEM_SYMLINK: target. ITEM_HARDLINK: path of the primary */
    uint64_t link_offset; /* ITEM_HARDLINK: tar_offset of the primary */
};

/* Append the encoded item (FORMAT.md, "ENTRIES") to `out`. Returns 0, or -1 with
 * ERR_FAIL when memory is short or a string is over its limit. */
int item_encode(const struct item *item, struct buf *out, struct err *err);

/* Decode the item at p[0..len). On success *used is its encoded size and the strings of
 * *item point into `p` (they are stored NUL-terminated). Refuses, with ERR_DAMAGED: a
 * length outside p or limits, unknown type or flag, invalid path, unknown TLV without
 * bit 15, TLVs out of order or twice, missing link, mtime_ns over range. */
int item_decode(const uint8_t *p, size_t len, struct item *item, size_t *used,
                struct err *err);

/* Whether two items describe the same entry: all fields but tar_length, link_offset and
 * flags other than ITEM_SPARSE (which a tar reader cannot know). */
bool item_equal(const struct item *a, const struct item *b);

#endif
