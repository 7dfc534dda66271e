/*
 * One writer in a directory of archives: flock on a file of its own, so that readers
 * need nothing, and a crash leaves nothing locked.
 *
 * The file, DIRLOCK_FILE, stays when the lock is released: a lock file that is removed
 * can be held twice. It says who holds it.
 */
#ifndef STORE_DIRLOCK_H
#define STORE_DIRLOCK_H

#include "util/err.h"

#define DIRLOCK_FILE ".pmm-seal.lock"

struct dirlock;

/* Lock the directory `dirfd` (borrowed; `path` is for messages), waiting at most `wait`
 * seconds. ERR_BUSY names the holder: pid, host, since when. ERR_SIGNAL while waiting;
 * ERR_FAIL (not writable, a symlink or no regular file in its place). */
int dirlock_take(struct dirlock **l, int dirfd, const char *path, unsigned wait,
                 struct err *err);

/* NULL is allowed. */
void dirlock_free(struct dirlock *l);

#endif
