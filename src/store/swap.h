/*
 * Put several new things in the place of old ones below one directory, all or none,
 * also when the machine stops on the way.
 */
#ifndef STORE_SWAP_H
#define STORE_SWAP_H

#include <stdbool.h>
#include <sys/stat.h>

#include "store/journal.h"
#include "store/tmpname.h"
#include "util/err.h"

#define SWAP_OLD   ".pmm-seal-old."   /* + 6: what stood there, while a swap runs */
#define SWAP_TRASH ".pmm-seal-trash." /* + 6: what nobody will ask for again */

/* Metadata of the root itself, for a swap of all that is in it; NULL where the root is
 * only the directory in which things are swapped. */
struct swap_meta {
    struct stat before; /* of the root, before anybody changed it: for the way back */
    int from;           /* directory whose attributes the root gets ... */
    struct stat after;  /* ... and whose owner and mode */
    bool denied;        /* set: some of it this user may not set, or not set back */
};

/* What else has to be done before the last of the new things is moved in, and the
 * presence of that tells that all is there. Returns 0, or -1: the swap is undone. */
struct swap_last {
    int (*fn)(void *ctx, struct err *err);
    void *ctx;
};

/* A swap under way. */
struct swap {
    int root;                /* borrowed */
    int old;                 /* what stood there is in this directory, ... */
    char name[TMPNAME_SIZE]; /* ... whose name in root is this */
    const struct journal *j; /* borrowed */
};

/* Move what `j` says from the tree below `src` (same file system) to below `root`,
 * parking what stood there. On return 0 the new content is in its place and on the
 * disk, and what stood there is parked: swap_commit or swap_undo. On -1 everything is
 * as it was; if even the way back failed, the hint says so and a later swap_recover
 * finishes it. Of the root, the owner still has all rights then: its mode, and after
 * all else its modification time, are the caller's to set. `last` may be NULL. With
 * `inner` the swap is part of one of another directory, which decides what becomes of
 * it. */
int swap_begin(struct swap *s, int root, int src, const struct journal *j,
               struct swap_meta *meta, const struct swap_last *last, bool inner,
               struct err *err);

/* The new content counts, and root/trash holds the old: remove it with rmtree_at. On -1
 * the swap is undone as by swap_undo, but for an inner one, which stays as it is. */
int swap_commit(struct swap *s, char trash[TMPNAME_SIZE], struct err *err);

/* Everything is as it was; or -1, and *err, which may hold an earlier error, says that
 * it is not. */
int swap_undo(struct swap *s, struct err *err);

/* What a run that finds the directory root/name of a swap is to know. */
enum swap_state {
    SWAP_NONE,  /* nothing was moved yet */
    SWAP_HALF,  /* what is in root is half old and half new */
    SWAP_WHOLE, /* all new things are in their place: only the end is missing */
    SWAP_BAD,   /* cannot be read */
};

/* `old`: that directory, open. *inner: see swap_begin. */
enum swap_state swap_look(int old, bool *inner);

/* End a swap that is SWAP_WHOLE: root/name becomes trash and is removed. */
int swap_finish(int root, const char *name, struct err *err);

/* Undo the swap that a dead run left as root/name (open and locked by the caller as
 * `old`). Returns 1 if there was something to undo, 0 if it had not begun, -1 on error;
 * the directory is gone on 0 and 1. *before gets the root's metadata of old if *known.
 */
int swap_recover(int root, const char *name, int old, struct stat *before, bool *known,
                 struct err *err);

#endif
