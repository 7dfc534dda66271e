/*
 * What was proved of a directory of archives, and when: a small file in it, so that a
 * night may prove a share of them and know which. It is a note to ourselves, not
 * authenticated: whoever can write to the directory can as well delete the archives.
 *
 * Text, a line for each archive: its id in hex, its size, the time as RFC 3339, the
 * name of the file, and a space between each. Of two copies of one archive each has its
 * own. Lines that are something else are dropped.
 */
#ifndef STORE_PROVEN_H
#define STORE_PROVEN_H

#include <stddef.h>
#include <stdint.h>

#include "util/err.h"

#define PROVEN_FILE ".pmm-seal.verified"
#define PROVEN_ID   16u /* bytes of an archive's id */
#define PROVEN_BAD  1   /* in the place of a time: it was found damaged */

#define PROVEN_SLACK 3600 /* seconds by which clocks may differ */

struct proven;

/* Read it from the directory `dirfd`. None there, or none that can be understood (it is
 * then made anew): nothing is proven. `now`: seconds since 1970, for proven_when. At
 * most 4 MiB are read; no symlink is followed. ERR_FAIL: memory, I/O. */
int proven_load(struct proven **p, int dirfd, int64_t now, struct err *err);

/* When the archive of this id and size (bytes) in the file `name` was last proved; 0:
 * never; PROVEN_BAD. Later than now, by more than PROVEN_SLACK, is never: the clock was
 * wrong then, or is now, and the line stays as it is. */
int64_t proven_when(const struct proven *p, const char *name,
                    const uint8_t id[PROVEN_ID], uint64_t bytes);

/* Keep that it was; of a name with a line break nothing is kept. 0, or -1 with ERR_FAIL
 * (memory). */
int proven_set(struct proven *p, const char *name, const uint8_t id[PROVEN_ID],
               uint64_t bytes, int64_t when, struct err *err);

/* Forget a file; one that is not there: nothing. */
void proven_forget(struct proven *p, const char *name);

/* Write it, by a temporary name, synced, 0600. To be called under the directory's lock.
 * ERR_FAIL. */
int proven_save(const struct proven *p, int dirfd, struct err *err);

void proven_free(struct proven *p);

/* What became of the archive in one file. */
struct proof {
    char file[256];
    uint8_t id[PROVEN_ID];
    uint64_t bytes;
    int64_t when; /* or PROVEN_BAD */
};

/* All of it for `n` proofs: lock the directory `dirfd` (borrowed; `path` is for
 * messages), waiting at most `wait` seconds; read what stands there, for others may
 * have written it meanwhile; set, save. As dirlock_take, proven_load, proven_save. */
int proven_keep(int dirfd, const char *path, unsigned wait, const struct proof *proofs,
                size_t n, int64_t now, struct err *err);

#endif
