/* clang-format off */
/*
 * The swap, step by step. R is the root, O = R/.pmm-seal-old.XXXXXX,
 * T = R/.pmm-seal-trash.XXXXXX.
 *
 *   state          on the disk                           a run that finds it
 *   1 preparing    O without a whole journal             removes O
 *   2 parking      journal whole; some old ones are      puts them back
 *                  O/<i>
 *   3 bringing in  all old ones in O; some new ones      throws those out, puts the old ones
 *                  in R                                  back
 *   4 done         all new ones in R, all synced         the same: not yet committed
 *   5 committed    O is now called T                     removes T: the new ones count
 *
 * The journal, and the root's metadata as those of the empty directory O/.pmm-seal-root, are
 * synced before the first move. The one rename from O to T is the commit; what makes it true
 * is synced before it, and it is synced before anything is deleted.
 *
 * Undoing reads only what is there. For item i, O/<i> is there exactly from the moment the
 * old one was parked until it was put back. So with O/<i> whatever stands at its path is new;
 * without it, what stands at a path that had something is the old one. At a path that had
 * nothing, what stands there is new. New ones are thrown out to O/n<i>: a name in a directory
 * that exists, so that a full disk does not bar the way back. Every step may be cut short and
 * done again.
 */
/* clang-format on */
#include "store/swap.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/file.h>
#include <unistd.h>

#include "store/below.h"
#include "store/dirmeta.h"
#include "store/move.h"
#include "store/rmtree.h"

#define ROOT_META   ".pmm-seal-root"
#define PARKED_SIZE 24u

/* "<i>" or "n<i>": the name of item i in O. */
static char *parked(char out[PARKED_SIZE], const char *prefix, size_t i)
{
    snprintf(out, PARKED_SIZE, "%s%zu", prefix, i);
    return out;
}

/* 1 if there is such a name, 0 if not, -1 on error. */
static int exists(int dirfd, const char *name)
{
    struct stat st;
    if (fstatat(dirfd, name, &st, AT_SYMLINK_NOFOLLOW) == 0)
        return 1;
    return errno == ENOENT ? 0 : -1;
}

/* A directory given u+w for a move that was cut short gets its mode back. */
static int settle_mode(int dirfd, const char *name, mode_t mode)
{
    struct stat st;
    if (!S_ISDIR(mode) || fstatat(dirfd, name, &st, AT_SYMLINK_NOFOLLOW) != 0 ||
        !S_ISDIR(st.st_mode) || st.st_mode == mode)
        return 0;
    return fchmodat(dirfd, name, mode & 07777, AT_SYMLINK_NOFOLLOW);
}

/* Take one item back: idempotent, see above. */
static int undo_item(int root, int old, const struct journal_item *item, size_t i)
{
    char was[PARKED_SIZE], out[PARKED_SIZE];
    parked(was, "", i);
    parked(out, "n", i);
    const char *name;
    int dir = below_parent(root, item->path, &name);
    if (dir < 0)
        return -1;
    int r = -1;
    int there = exists(dir, name), kept = exists(old, was);
    if (there < 0 || kept < 0)
        goto done;
    if (there == 1 && (kept == 1 || !item->had_old) &&
        move_forced(dir, name, old, out) != 0)
        goto done;
    if (kept == 1 && move_forced(old, was, dir, name) != 0)
        goto done;
    if (item->had_old && settle_mode(dir, name, item->old_mode) != 0)
        goto done;
    r = 0;

done:;
    int saved = errno;
    close(dir);
    errno = saved;
    return r;
}

/* The root's own metadata, from O/.pmm-seal-root if that is there. */
static int undo_meta(int root, int old, struct stat *before, bool *known)
{
    *known = false;
    bool denied = false;
    int fd = openat(old, ROOT_META, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (fd < 0)
        return errno == ENOENT ? 0 : -1;
    int r = fstat(fd, before);
    if (r == 0)
        r = dirmeta_copy(fd, before, root, &denied);
    *known = r == 0;
    int saved = errno;
    close(fd);
    errno = saved;
    return r;
}

/* O is of no use any more: it becomes T, and goes. */
static int discard(int root, const char *name, struct err *err)
{
    char trash[TMPNAME_SIZE];
    tmpname_make(trash, SWAP_TRASH, "");
    if (move_noreplace(root, name, root, trash) != 0)
        return err_sys(err, ERR_FAIL, "cannot rename: %s", name);
    return rmtree_at(root, trash, err);
}

static int undo(int root, const char *name, int old, const struct journal *j,
                struct stat *before, bool *known, struct err *err)
{
    for (size_t i = 0; i < j->n; i++)
        if (undo_item(root, old, &j->items[i], i) != 0)
            return err_sys(err, ERR_FAIL, "cannot put back: %s", j->items[i].path);
    if (undo_meta(root, old, before, known) != 0)
        return err_sys(err, ERR_FAIL, "cannot put back the metadata of the target");
    if (syncfs(root) != 0)
        return err_sys(err, ERR_FAIL, "cannot put back: sync");
    return discard(root, name, err);
}

/* O/.pmm-seal-root: the root's metadata of before. An owner that this user could not
 * give back is not taken away either: then the root keeps its metadata. */
static int prepare_meta(int root, int old, struct swap_meta *meta)
{
    bool denied = false;
    struct stat st;
    int r = -1;
    if (mkdirat(old, ROOT_META, 0700) != 0)
        return -1;
    int fd = openat(old, ROOT_META, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (fd < 0 || dirmeta_copy(root, &meta->before, fd, &denied) != 0 ||
        dirmeta_time(fd, &meta->before) != 0 || fstat(fd, &st) != 0 || fsync(fd) != 0)
        goto done;
    r = 0;
    if (st.st_uid != meta->before.st_uid || st.st_gid != meta->before.st_gid) {
        meta->denied = true;
        r = unlinkat(old, ROOT_META, AT_REMOVEDIR);
    }

done:;
    int saved = errno;
    if (fd >= 0)
        close(fd);
    errno = saved;
    return r;
}

/* Make and lock O, with the journal and the metadata in it, on the disk. */
static int prepare(int root, const struct journal *j, struct swap_meta *meta,
                   char name[TMPNAME_SIZE], int *old, struct err *err)
{
    tmpname_make(name, SWAP_OLD, "");
    if (mkdirat(root, name, 0700) != 0)
        return err_sys(err, ERR_FAIL, "cannot make a directory in the target: %s",
                       name);
    *old = openat(root, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (*old < 0 || fchmod(*old, 0700) != 0 || flock(*old, LOCK_EX | LOCK_NB) != 0)
        return err_sys(err, ERR_FAIL, "cannot hold a directory in the target: %s",
                       name);
    if (meta != NULL && prepare_meta(root, *old, meta) != 0)
        return err_sys(err, ERR_FAIL, "cannot write down the metadata of the target");
    if (journal_write(*old, j, err) != 0)
        return -1;
    if (fsync(*old) != 0 || fsync(root) != 0)
        return err_sys(err, ERR_FAIL, "cannot write down the swap");
    return 0;
}

static int move_item(int fromroot, const char *from, int toroot, const char *to)
{
    const char *a, *b;
    int r = -1;
    int f = below_parent(fromroot, from, &a);
    int t = f < 0 ? -1 : below_parent(toroot, to, &b);
    if (t >= 0)
        r = move_forced(f, a, t, b);
    int saved = errno;
    if (t >= 0)
        close(t);
    if (f >= 0)
        close(f);
    errno = saved;
    return r;
}

/* The root's new metadata, all but what would bar its owner from the renames to come.
 */
static int bring_meta(int root, struct swap_meta *meta)
{
    struct stat st = meta->after;
    st.st_mode |= S_IRWXU;
    return dirmeta_copy(meta->from, &st, root, &meta->denied);
}

static int bring_in(int root, int src, const struct journal *j,
                    const struct swap_last *last, struct err *err)
{
    for (size_t i = 0; i < j->n; i++) {
        const struct journal_item *item = &j->items[i];
        if (i + 1 == j->n && last != NULL && last->fn(last->ctx, err) != 0)
            return -1;
        if (item->from != NULL && move_item(src, item->from, root, item->path) != 0)
            return err_sys(err, ERR_FAIL, "cannot move into place: %s", item->path);
    }
    return j->n == 0 && last != NULL ? last->fn(last->ctx, err) : 0;
}

/* States 2 to 5. */
static int go(int root, int src, int old, const char *name, const struct journal *j,
              struct swap_meta *meta, const struct swap_last *last, const char *trash,
              struct err *err)
{
    char was[PARKED_SIZE];
    /* Backwards: what comes last is to be the first to go. */
    for (size_t i = j->n; i-- > 0;)
        if (j->items[i].had_old &&
            move_item(root, j->items[i].path, old, parked(was, "", i)) != 0)
            return err_sys(err, ERR_FAIL, "cannot move aside: %s", j->items[i].path);
    if (bring_in(root, src, j, last, err) != 0)
        return -1;
    if (meta != NULL && !meta->denied && bring_meta(root, meta) != 0)
        return err_sys(err, ERR_FAIL, "cannot set the metadata of the target");
    if (syncfs(root) != 0)
        return err_sys(err, ERR_FAIL, "cannot sync the target");
    if (move_noreplace(root, name, root, trash) != 0)
        return err_sys(err, ERR_FAIL, "cannot rename: %s", name);
    if (fsync(root) != 0) {
        err_sys(err, ERR_FAIL, "cannot sync the target");
        (void)move_noreplace(root, trash, root,
                             name); /* if not, the way back fails too */
        return -1;
    }
    return 0;
}

int swap_run(int root, int src, const struct journal *j, struct swap_meta *meta,
             const struct swap_last *last, char trash[TMPNAME_SIZE], struct err *err)
{
    char name[TMPNAME_SIZE];
    int old = -1;
    struct err second = {0};
    struct stat before;
    bool known;
    tmpname_make(trash, SWAP_TRASH, "");
    if (prepare(root, j, meta, name, &old, err) != 0) {
        (void)rmtree_at(root, name, &second);
    } else if (go(root, src, old, name, j, meta, last, trash, err) == 0) {
        close(old);
        return 0;
    } else if (undo(root, name, old, j, &before, &known, &second) != 0) {
        err_state(
            err,
            "what stood there is not all back in its place (%s); it is kept in %s, and "
            "the next restore to the same target puts it back first",
            second.text, name);
    }
    if (old >= 0)
        close(old);
    return -1;
}

int swap_recover(int root, const char *name, int old, struct stat *before, bool *known,
                 struct err *err)
{
    struct journal j = {0};
    bool whole;
    *known = false;
    int r = journal_read(old, &j, &whole, err);
    if (r == 0 && whole)
        r = undo(root, name, old, &j, before, known, err) == 0 ? 1 : -1;
    else if (r == 0)
        r = discard(root, name, err);
    journal_free(&j);
    return r;
}
