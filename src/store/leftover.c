#include "store/leftover.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "store/dirlist.h"
#include "store/dirmeta.h"
#include "store/journal.h"
#include "store/rmtree.h"
#include "store/swap.h"
#include "store/tmpname.h"
#include "util/path.h"

struct tidy {
    int dir;
    const char *path;
    bool strict;
    enum leftover_inner inner;
    bool changed;
    struct stat self; /* of the directory, as it is to be when all is done */
    const struct notice_sink *notices;
};

/* A swap that began to move things and has not moved all, and whose directory is the
 * work of this user, root, or the owner of the directory it is in: anybody may make
 * such a name. */
static bool half_done(int dirfd, const char *name)
{
    struct stat dir, st;
    bool inner;
    enum swap_state state = SWAP_NONE;
    int fd = openat(dirfd, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (fd < 0)
        return false;
    if (fstat(dirfd, &dir) == 0 && fstat(fd, &st) == 0 && (st.st_mode & 077) == 0 &&
        (st.st_uid == geteuid() || st.st_uid == 0 || st.st_uid == dir.st_uid))
        state = swap_look(fd, &inner);
    close(fd);
    /* A journal that cannot be read: better refuse. */
    return state == SWAP_HALF || state == SWAP_BAD;
}

int leftover_half_swapped(int dirfd)
{
    char **names;
    size_t n;
    if (dirlist_read(dirfd, &names, &n) != 0)
        return -1;
    int found = 0;
    for (size_t i = 0; i < n && !found; i++)
        found = tmpname_is(names[i], SWAP_OLD) && half_done(dirfd, names[i]);
    dirlist_free(names, n);
    return found;
}

/* Open and lock a leftover. -1: gone, alive, or not ours to open (no error), with
 * errno. */
static int take(int dir, const char *name)
{
    int fd = openat(dir, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (fd >= 0 && flock(fd, LOCK_EX | LOCK_NB) != 0) {
        int saved = errno;
        close(fd);
        errno = saved;
        return -1;
    }
    return fd;
}

/* A journal moves things about with our rights, so it must be the work of this user, or
 * of the one whose directory this is; anybody may make such a name in /tmp. */
static bool trusted(const struct tidy *t, int fd)
{
    struct stat st;
    return fstat(fd, &st) == 0 && (st.st_mode & 077) == 0 &&
           (st.st_uid == geteuid() || (t->strict && st.st_uid == t->self.st_uid));
}

static int refuse(const struct tidy *t, const char *name, struct err *err)
{
    err_set(
        err, ERR_REFUSED,
        "an earlier restore stopped half-way, and it cannot be undone: %s/%s: it is "
        "another user's",
        t->path, name);
    return err_hint(err, "run the restore as that user, or as root");
}

static int refuse_inner(const struct tidy *t, struct err *err)
{
    err_set(err, ERR_REFUSED,
            "a restore to the directory in which this one is mounted was stopped: %s",
            t->path);
    return err_hint(err,
                    "run a restore to that directory again: it puts both in order");
}

/* Undo the swap, or end it. *undone: there was something to undo. */
static int settle(struct tidy *t, const char *name, int fd, bool *undone,
                  struct err *err)
{
    struct stat before;
    bool inner, known = false;
    enum swap_state state = swap_look(fd, &inner);
    *undone = false;
    if (inner && t->inner == LEFTOVER_REFUSE)
        return refuse_inner(t, err);
    if (state == SWAP_WHOLE && (!inner || t->inner == LEFTOVER_FINISH)) {
        if (swap_finish(t->dir, name, err) != 0)
            return -1;
        notice(
            t->notices, NOTICE_NOTE, "swap-finished", t->path,
            "an earlier restore had put everything in its place when it was stopped: "
            "that is what counts");
        return 0;
    }
    int r = swap_recover(t->dir, name, fd, &before, &known, err);
    if (known)
        t->self = before;
    *undone = r == 1;
    return r < 0 ? -1 : 0;
}

static int settle_swap(struct tidy *t, const char *name, struct err *err)
{
    struct err why = {0};
    bool undone;
    int fd = take(t->dir, name);
    if (fd < 0 && (errno == EWOULDBLOCK || errno == ENOENT || !t->strict))
        return 0;
    if (fd < 0 && errno != EACCES)
        return err_sys(err, ERR_FAIL, "cannot undo a half-done swap: %s/%s", t->path,
                       name);
    if (fd < 0)
        return refuse(t, name, err);
    int r = 0;
    if (!trusted(t, fd)) {
        r = t->strict ? refuse(t, name, err) : 0;
    } else if (settle(t, name, fd, &undone, &why) != 0 && why.cls == ERR_REFUSED) {
        *err = why;
        r = -1;
    } else if (why.cls != ERR_NONE) {
        err_set(err, why.cls, "cannot undo a half-done swap: %s/%s: %s", t->path, name,
                why.text);
        r = err_hint(
            err, "what stood there is kept in that directory; look at both, and move "
                 "it back by hand");
    } else {
        t->changed = true;
        if (undone)
            notice(
                t->notices, NOTICE_NOTE, "swap-undone", t->path,
                "an earlier restore stopped half-way; what stood there before is back");
    }
    close(fd);
    return r;
}

static void remove_stale(struct tidy *t, const char *name)
{
    int fd = take(t->dir, name);
    if (fd < 0)
        return;
    struct err why = {0};
    char path[4096];
    snprintf(path, sizeof path, "%s/%s", t->path, name);
    if (rmtree_at(t->dir, name, &why) == 0)
        notice(t->notices, NOTICE_NOTE, "leftover-removed", path,
               "left by an earlier restore that was stopped");
    else
        notice(t->notices, NOTICE_WARNING, "leftover-not-removed", path,
               "left by an earlier restore that was stopped: %s", why.text);
    t->changed = true;
    close(fd);
}

int leftover_tidy(int dirfd, const char *path, bool strict, enum leftover_inner inner,
                  const struct notice_sink *notices, struct err *err)
{
    struct tidy t = {.dir = dirfd,
                     .path = path,
                     .strict = strict,
                     .inner = inner,
                     .notices = notices};
    char **names;
    size_t n;
    if (fstat(dirfd, &t.self) != 0 || dirlist_read(dirfd, &names, &n) != 0)
        return err_sys(err, ERR_FAIL, "cannot read the directory: %s", path);
    int r = 0;
    for (size_t i = 0; i < n && r == 0; i++)
        if (tmpname_is(names[i], SWAP_OLD))
            r = settle_swap(&t, names[i], err);
    for (size_t i = 0; i < n && r == 0; i++)
        if (tmpname_is(names[i], LEFTOVER_STAGING) || tmpname_is(names[i], SWAP_TRASH))
            remove_stale(&t, names[i]);
    if (strict && t.changed)
        (void)dirmeta_time(dirfd,
                           &t.self); /* only its owner may; nothing depends on it */
    dirlist_free(names, n);
    return r;
}
