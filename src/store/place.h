/*
 * The directory a tree goes to: opened, locked, measured; the staging directory of a
 * restore and the moves that make it the target. See docs/DESIGN.md,
 * "Restore".
 */
#ifndef STORE_PLACE_H
#define STORE_PLACE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "store/swap.h"
#include "util/err.h"
#include "util/notice.h"

struct place;

/* clang-format off */
/* Prepare the target of a restore.
 *
 *   absent                        made at commit: staging, made beside it, is renamed; its
 *                                 parent must exist
 *   empty directory               replaced likewise
 *   mount point, lost+found or    staging is inside, its children are moved at commit
 *   a mount in it, or a parent
 *   that cannot be written
 *
 * A target with content is ERR_REFUSED without `replace`; with it, the content is kept until
 * commit. It is held by flock (exclusive; ERR_BUSY). What an earlier run that was killed has
 * left is first put in order: its staging directories (recognised by name and by a free
 * flock) are removed, its half-done swap is undone; each is a note (leftover-removed,
 * swap-undone). Symlinks as the last component of path are followed. Returns 0 and *p
 * (place_free). */
/* clang-format on */
int place_open(struct place **p, const char *path, bool replace,
               const struct notice_sink *notices, struct err *err);

/* For parts of an archive into a target that may have content: the staging directory is
 * inside if the target exists, else beside; commit is place_commit_paths. */
int place_open_parts(struct place **p, const char *path, bool replace,
                     const struct notice_sink *notices, struct err *err);

/* The names directly in the target on which something is mounted, which commit leaves
 * as they are (a mount further down is ERR_REFUSED by place_open). Ends with NULL; NULL
 * if the target is absent or was opened for parts. Owned by p. */
char *const *place_mounts(const struct place *p);

/* The target itself, held; -1 if it is absent. Its resolved path. Both owned by p. */
int place_fd(const struct place *p);
const char *place_path(const struct place *p);

/* The directory in which all of this happens, staging and moves: the target's parent,
 * or the target itself where staging is inside. Owned by p. */
int place_base(const struct place *p);

/* The staging directory to extract into (0700, made by the first call), on the file
 * system of the target. Returns its descriptor, owned by p, or -1: ERR_FAIL, ERR_BUSY.
 */
int place_staging(struct place *p, struct err *err);

/* Free bytes and inodes where the tree will stand. UINT64_MAX inodes: no limit. */
int place_space(const struct place *p, uint64_t *bytes, uint64_t *inodes,
                struct err *err);

/* Make staging the target. Whole tree: renameat2 EXCHANGE or rename, or child by child
 * for a mount point with roll-back on failure, the child `last` (or NULL) after all
 * others, so that its presence tells that all are there; stop signals are held off
 * meanwhile by not being looked at. `mounts` (or NULL) is done just before that `last`;
 * only where place_mounts has any. The metadata of the staging root is put on the
 * target root where that stays (mount point). Then the old content is removed (failure:
 * warning old-not-removed). All synced. After -1 the target is as before, unless the
 * error says what it is (err_state). */
int place_commit(struct place *p, const char *last, const struct swap_last *mounts,
                 const struct notice_sink *notices, struct err *err);

/* A mount in the target of another place: its new content takes its place just before
 * the last thing of that one does, and what becomes of it is decided there. place_begin
 * puts it in its place (-1: it is as before, unless err_state); then either place_end,
 * after which the old content is gone (warning old-not-removed), or place_undo, after
 * which it is back (-1: err_state). */
int place_begin(struct place *p, const struct notice_sink *notices, struct err *err);
void place_end(struct place *p, const struct notice_sink *notices);
int place_undo(struct place *p, struct err *err);

/* Move parts: each of `paths` (util/path.h, none below another) from staging to the
 * same path below the target, making parents as they are in staging; what stands there
 * is ERR_REFUSED without replace (found before anything moves), else swapped and
 * removed after all has moved. After -1 as with place_commit. */
int place_commit_paths(struct place *p, const char *const *paths, size_t n,
                       const struct notice_sink *notices, struct err *err);

/* The conflicts that place_commit_paths would find, looked for before anything is
 * extracted: ERR_REFUSED naming the path. */
int place_check_paths(struct place *p, const char *const *paths, size_t n,
                      struct err *err);

/* Remove the staging directory if it is still there; unlock, close. */
void place_free(struct place *p);

#endif
