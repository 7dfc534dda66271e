/*
 * What a restored tree must look like, entry by entry, kept in a nameless file on the
 * target's file system until it is read back. Written once, then read once, in
 * sequence.
 */
#ifndef ARCHIVE_SPOOL_H
#define ARCHIVE_SPOOL_H

#include <stdint.h>

#include "archive/entry.h"
#include "util/err.h"

#define SPOOL_HASH_SIZE 16u

struct spool;

/* Make the file in the directory `dirfd`: O_TMPFILE, else a name that is unlinked at
 * once. Returns 0 and *s (spool_free it), or -1 with ERR_FAIL. */
int spool_open(struct spool **s, int dirfd, struct err *err);
void spool_free(struct spool *s);

/* Add one entry: item (user, group, tar_offset, tar_length and link_offset are not
 * kept), xattrs, extents, and the hash of its content. 0, or -1 with ERR_FAIL. */
int spool_add(struct spool *s, const struct entry *e,
              const uint8_t hash[SPOOL_HASH_SIZE], struct err *err);

/* Go back to the first entry; nothing can be added any more. 0, or -1 with ERR_FAIL. */
int spool_rewind(struct spool *s, struct err *err);

/* The next entry in place of what *e holds (zero it before the first call, entry_clear
 * it after the last). Returns 1; 0 after the last; -1 with ERR_FAIL. */
int spool_next(struct spool *s, struct entry *e, uint8_t hash[SPOOL_HASH_SIZE],
               struct err *err);

#endif
