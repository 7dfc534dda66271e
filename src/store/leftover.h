/* What restores that were killed have left in a directory; of backups: store/stale.h.
 */
#ifndef STORE_LEFTOVER_H
#define STORE_LEFTOVER_H

#include <stdbool.h>

#include "util/err.h"
#include "util/notice.h"

#define LEFTOVER_STAGING ".pmm-seal-restore." /* + 6: where a restore extracts to */

/* Whether a restore stopped in the middle of its moves in this directory (1), so that
 * what is in it is half old and half new. 0: no. -1 with errno. */
int leftover_half_swapped(int dirfd);

/* What to do with a swap that is part of one of the directory in which this one is
 * mounted (store/swap.h, "inner"). */
enum leftover_inner {
    LEFTOVER_REFUSE, /* ERR_REFUSED: that directory is not looked at here */
    LEFTOVER_UNDO,   /* the outer swap is about to be undone */
    LEFTOVER_FINISH, /* there is none any more, or it is whole */
};

/* Undo half-done swaps in the directory, end those that were whole, then remove what
 * else dead runs left: whatever is locked belongs to a run that lives and is passed
 * over. `path` names the directory in messages. With `strict` (the target itself, or a
 * mount in it) a half-done swap that cannot be undone is an error, and the directory's
 * own modification time is kept; else (the directory beside the target) what is not
 * this user's is passed over. Notes: swap-undone, swap-finished, leftover-removed;
 * warning leftover-not-removed. */
int leftover_tidy(int dirfd, const char *path, bool strict, enum leftover_inner inner,
                  const struct notice_sink *notices, struct err *err);

#endif
