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
 *   4 done         all new ones in R; O has a mark that  goes on to 5: a server may have been
 *                  says so; being synced                 started on them
 *   5 committed    O is now called T                     removes T: the new ones count
 *
 * An inner swap is one in a mount inside of R, begun in state 3 of the outer one, before the
 * last thing is moved in. O of the inner one says so by a mark, too. As long as the outer
 * one is in states 1 to 3 the inner one is undone, first; in all others it is finished.
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
#define MARK_DONE   ".pmm-seal-done"
#define MARK_INNER  ".pmm-seal-inner"
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

static int make_mark(int old, const char *mark)
{
    int fd =
        openat(old, mark, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
    if (fd >= 0)
        close(fd);
    return fd >= 0 ? 0 : -1;
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
    /* No longer done: whoever finds it from here on is to go on with the undoing. */
    if ((unlinkat(old, MARK_DONE, 0) != 0 && errno != ENOENT) || fsync(old) != 0)
        return err_sys(err, ERR_FAIL, "cannot put back: %s", name);
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
static int prepare(struct swap *s, struct swap_meta *meta, bool inner, struct err *err)
{
    tmpname_make(s->name, SWAP_OLD, "");
    if (mkdirat(s->root, s->name, 0700) != 0)
        return err_sys(err, ERR_FAIL, "cannot make a directory in the target: %s",
                       s->name);
    s->old = openat(s->root, s->name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (s->old < 0 || fchmod(s->old, 0700) != 0 ||
        flock(s->old, LOCK_EX | LOCK_NB) != 0)
        return err_sys(err, ERR_FAIL, "cannot hold a directory in the target: %s",
                       s->name);
    if (meta != NULL && prepare_meta(s->root, s->old, meta) != 0)
        return err_sys(err, ERR_FAIL, "cannot write down the metadata of the target");
    if (inner && make_mark(s->old, MARK_INNER) != 0)
        return err_sys(err, ERR_FAIL, "cannot write down the swap");
    if (journal_write(s->old, s->j, err) != 0)
        return -1;
    if (fsync(s->old) != 0 || fsync(s->root) != 0)
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

static void swap_close(struct swap *s)
{
    if (s->old >= 0)
        close(s->old);
    s->old = -1;
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

/* States 2 to 4. */
static int go(const struct swap *s, int src, struct swap_meta *meta,
              const struct swap_last *last, struct err *err)
{
    char was[PARKED_SIZE];
    const struct journal *j = s->j;
    /* Backwards: what comes last is to be the first to go. */
    for (size_t i = j->n; i-- > 0;)
        if (j->items[i].had_old &&
            move_item(s->root, j->items[i].path, s->old, parked(was, "", i)) != 0)
            return err_sys(err, ERR_FAIL, "cannot move aside: %s", j->items[i].path);
    if (bring_in(s->root, src, j, last, err) != 0)
        return -1;
    /* Before the mark: who finds that ends the swap, and knows nothing of metadata. */
    if (meta != NULL && !meta->denied && bring_meta(s->root, meta) != 0)
        return err_sys(err, ERR_FAIL, "cannot set the metadata of the target");
    if (make_mark(s->old, MARK_DONE) != 0)
        return err_sys(err, ERR_FAIL, "cannot write down the swap");
    if (syncfs(s->root) != 0)
        return err_sys(err, ERR_FAIL, "cannot sync the target");
    return 0;
}

int swap_begin(struct swap *s, int root, int src, const struct journal *j,
               struct swap_meta *meta, const struct swap_last *last, bool inner,
               struct err *err)
{
    struct err second = {0};
    *s = (struct swap){.root = root, .old = -1, .j = j};
    if (prepare(s, meta, inner, err) != 0) {
        (void)rmtree_at(root, s->name, &second);
        swap_close(s);
        return -1;
    }
    if (go(s, src, meta, last, err) == 0)
        return 0;
    (void)swap_undo(s, err);
    return -1;
}

int swap_undo(struct swap *s, struct err *err)
{
    struct err second = {0};
    struct stat before;
    bool known;
    int r = undo(s->root, s->name, s->old, s->j, &before, &known, &second);
    if (r != 0) {
        err_set(err, second.cls, "%s", second.text);
        err_state(
            err,
            "what stood there is not all back in its place (%s); it is kept in %s, and "
            "the next restore to the same target puts it back first",
            second.text, s->name);
    }
    swap_close(s);
    return r;
}

int swap_commit(struct swap *s, char trash[TMPNAME_SIZE], struct err *err)
{
    bool inner;
    (void)swap_look(s->old, &inner);
    tmpname_make(trash, SWAP_TRASH, "");
    int r = move_noreplace(s->root, s->name, s->root, trash);
    if (r != 0)
        err_sys(err, ERR_FAIL, "cannot rename: %s", s->name);
    if (r == 0 && fsync(s->root) != 0) {
        r = err_sys(err, ERR_FAIL, "cannot sync the target");
        (void)move_noreplace(s->root, trash, s->root,
                             s->name); /* if not, the way back fails too */
    }
    if (r != 0 && !inner)
        (void)swap_undo(s, err);
    swap_close(s);
    return r;
}

enum swap_state swap_look(int old, bool *inner)
{
    struct journal j = {0};
    struct err ignored = {0};
    bool whole = false;
    *inner = exists(old, MARK_INNER) == 1;
    int r = journal_read(old, &j, &whole, &ignored);
    journal_free(&j);
    if (r != 0)
        return SWAP_BAD;
    if (!whole)
        return SWAP_NONE;
    int done = exists(old, MARK_DONE);
    return done < 0 ? SWAP_BAD : done == 1 ? SWAP_WHOLE : SWAP_HALF;
}

int swap_finish(int root, const char *name, struct err *err)
{
    return discard(root, name, err);
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
