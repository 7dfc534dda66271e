/*
 * Small text files that a run keeps for the next one, or for another program: read
 * whole, written whole.
 */
#ifndef STORE_TEXTFILE_H
#define STORE_TEXTFILE_H

#include <stddef.h>
#include <sys/types.h>

#include "util/buf.h"
#include "util/err.h"

/* Append the content of the regular file `name` in the directory `dirfd` (or AT_FDCWD)
 * to `out`, `max` bytes at most. No symlink is followed as the last component. Returns
 * 1, 0 if there is none, -1: ERR_FAIL (no regular file, larger than max, unreadable,
 * memory). */
int textfile_read(int dirfd, const char *name, size_t max, struct buf *out,
                  struct err *err);

/* Put `text` there, in the place of a regular file, a symlink or nothing: by a
 * temporary name beside it, which is removed on failure, with `mode` whatever the
 * umask, synced with its directory. What a killed run has left there is swept.
 * ERR_FAIL. */
int textfile_write(int dirfd, const char *name, mode_t mode, const struct buf *text,
                   struct err *err);

/* Whether textfile_write could: all of it but the last step, and nothing is left. */
int textfile_try(int dirfd, const char *name, struct err *err);

/* Keep others who do the same from changing it between a read and a write: waits at
 * most `seconds` for them. Returns a descriptor to be closed at the end, or -1: nobody
 * was kept away, for the directory cannot be opened or locked. */
int textfile_lock(int dirfd, const char *name, unsigned seconds);

#endif
