/* clang-format off */
/*
 * How the target becomes new, and what holds at each moment:
 *
 *   beside   staging is PARENT/.pmm-seal-restore.XXXXXX.
 *            Absent target: one rename that never overwrites.
 *            Empty target: one rename over it, which the kernel does only while it is empty.
 *            Target with content: one exchange of the two names; what is then called staging
 *            is the old tree, which any later run may remove.
 *            All three are atomic. A file system that cannot exchange: a swap of one name in
 *            PARENT (store/swap.c).
 *   inside   staging is TARGET/.pmm-seal-restore.XXXXXX: a mount point cannot be renamed.
 *            A swap of all names in TARGET, and the root's metadata.
 *
 * The staging directory is locked while its run lives, so a free one is nobody's. An
 * exchange is on the disk before the old tree is touched.
 */
/* clang-format on */
#include "store/place.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "store/content.h"
#include "store/leftover.h"
#include "store/dirmeta.h"
#include "store/mount.h"
#include "store/move.h"
#include "store/parts.h"
#include "store/rmtree.h"
#include "store/swap.h"
#include "store/target.h"
#include "store/tmpname.h"

struct place {
    struct target t;
    bool replace, parts, inside;
    bool staged;          /* stage_name exists and is to be removed */
    bool touched;         /* something was made in the target; its times have changed */
    bool committed;       /* the target is new */
    char **mounts;        /* see place_mounts; NULL: not looked for */
    struct stat *mounted; /* what they were when the target was opened */
    int stage;
    char stage_name[TMPNAME_SIZE];
    struct stat before;     /* of an existing target */
    struct journal journal; /* of a swap in it */
    struct swap_meta meta;
    struct swap swap;
};

/* For commit. */
static int keep_mounts(struct place *p, struct err *err)
{
    size_t n = 0;
    if (mount_names(p->t.fd, p->t.path, &p->mounts, err) != 0)
        return -1;
    while (p->mounts[n] != NULL)
        n++;
    p->mounted = calloc(n + 1, sizeof *p->mounted);
    if (p->mounted == NULL)
        return err_nomem(err);
    for (size_t i = 0; i < n; i++)
        if (fstatat(p->t.fd, p->mounts[i], &p->mounted[i], AT_SYMLINK_NOFOLLOW) != 0)
            return err_sys(err, ERR_FAIL, "cannot look at what is mounted: %s",
                           p->mounts[i]);
    return 0;
}

/* An existing target, held and in order: may it be used, and how. */
static int judge(struct place *p, struct err *err)
{
    bool lost;
    if (!p->parts && keep_mounts(p, err) != 0)
        return -1;
    int content = parts_has_content(p->t.fd, p->mounts, &lost);
    if (content < 0 || fstat(p->t.fd, &p->before) != 0)
        return err_sys(err, ERR_FAIL, "cannot read the directory: %s", p->t.path);
    p->inside = p->parts || lost || mount_is_root(p->t.fd) ||
                !target_parent_writable(&p->t) ||
                (p->mounts != NULL && p->mounts[0] != NULL);
    if (!p->parts && content == 1 && !p->replace) {
        err_set(err, ERR_REFUSED, "the target is not empty: %s", p->t.path);
        err->sys = ENOTEMPTY;
        return err_hint(err,
                        "--replace puts what is restored in its place, once all of it "
                        "has proved good");
    }
    return 0;
}

/* What an earlier run has left in a mount in the target: its fate is that of the
 * target's. */
static int tidy_mount(const struct place *p, const char *name, bool undo,
                      const struct notice_sink *notices, struct err *err)
{
    char *path;
    int fd = openat(p->t.fd, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (fd < 0) /* a file */
        return 0;
    if (asprintf(&path, "%s/%s", p->t.path, name) < 0) {
        close(fd);
        return err_nomem(err);
    }
    int r = leftover_tidy(fd, path, true, undo ? LEFTOVER_UNDO : LEFTOVER_FINISH,
                          notices, err);
    free(path);
    close(fd);
    return r;
}

/* Inner swaps are undone before the outer one: as long as that is there, a run that is
 * killed here is followed by one that knows what to do. */
static int tidy_target(const struct place *p, const struct notice_sink *notices,
                       struct err *err)
{
    char **mounts = NULL;
    int r = 0;
    int half = leftover_half_swapped(p->t.fd);
    if (half < 0)
        return err_sys(err, ERR_FAIL, "cannot read the directory: %s", p->t.path);
    if ((!p->parts || half) && mount_names(p->t.fd, p->t.path, &mounts, err) != 0)
        return -1;
    for (char **name = mounts; name != NULL && *name != NULL && r == 0; name++)
        r = tidy_mount(p, *name, half, notices, err);
    mount_names_free(mounts);
    return r != 0
               ? -1
               : leftover_tidy(p->t.fd, p->t.path, true, LEFTOVER_REFUSE, notices, err);
}

static int open_place(struct place *p, const char *path,
                      const struct notice_sink *notices, struct err *err)
{
    if (target_resolve(&p->t, path, err) != 0)
        return -1;
    bool writable = p->t.parent != NULL && target_parent_writable(&p->t);
    if (writable && leftover_tidy(p->t.parentfd, p->t.parent, false, LEFTOVER_REFUSE,
                                  notices, err) != 0)
        return -1;
    int there = target_hold(&p->t, LOCK_EX, err);
    if (there < 0)
        return -1;
    if (there == 0) {
        if (writable)
            return 0;
        err_set(err, ERR_FAIL, "cannot make %s: no right to write in %s", path,
                p->t.parent);
        return err_hint(err, "make it first, or run as root");
    }
    if (tidy_target(p, notices, err) != 0)
        return -1;
    return judge(p, err);
}

static int open_as(struct place **out, const char *path, bool replace, bool parts,
                   const struct notice_sink *notices, struct err *err)
{
    struct place *p = calloc(1, sizeof *p);
    if (p == NULL)
        return err_nomem(err);
    p->t.fd = p->t.parentfd = p->stage = -1;
    p->replace = replace;
    p->parts = parts;
    if (open_place(p, path, notices, err) != 0) {
        place_free(p);
        return -1;
    }
    *out = p;
    return 0;
}

int place_open(struct place **p, const char *path, bool replace,
               const struct notice_sink *notices, struct err *err)
{
    return open_as(p, path, replace, false, notices, err);
}

int place_open_parts(struct place **p, const char *path, bool replace,
                     const struct notice_sink *notices, struct err *err)
{
    return open_as(p, path, replace, true, notices, err);
}

char *const *place_mounts(const struct place *p)
{
    return p->mounts;
}

int place_fd(const struct place *p)
{
    return p->t.fd;
}

const char *place_path(const struct place *p)
{
    return p->t.path;
}

int place_base(const struct place *p)
{
    return p->inside ? p->t.fd : p->t.parentfd;
}

/* The path of place_base. */
static const char *base_path(const struct place *p)
{
    return p->inside ? p->t.path : p->t.parent;
}

/* Make and lock staging. A run that tidies up may take it for a dead one in the moment
 * before it is locked: 0 then, and another name is to be tried. */
static int make_stage(struct place *p, struct err *err)
{
    struct stat st;
    tmpname_make(p->stage_name, LEFTOVER_STAGING, "");
    if (mkdirat(place_base(p), p->stage_name, 0700) != 0) {
        if (errno == EEXIST)
            return 0;
        return err_sys(err, ERR_FAIL, "cannot make a directory in: %s", base_path(p));
    }
    p->stage = openat(place_base(p), p->stage_name,
                      O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (p->stage < 0 && errno == ENOENT)
        return 0;
    p->staged = true;
    if (p->stage < 0)
        return err_sys(err, ERR_FAIL, "cannot open: %s/%s", base_path(p),
                       p->stage_name);
    bool ours = flock(p->stage, LOCK_EX | LOCK_NB) == 0;
    if (!ours && errno != EWOULDBLOCK)
        return err_sys(err, ERR_FAIL, "cannot lock: %s/%s", base_path(p),
                       p->stage_name);
    if (ours && fstatat(place_base(p), p->stage_name, &st, AT_SYMLINK_NOFOLLOW) == 0)
        return 1;
    if (ours && errno != ENOENT)
        return err_sys(err, ERR_FAIL, "cannot look at: %s/%s", base_path(p),
                       p->stage_name);
    p->staged = false; /* the other run has removed it, or is about to */
    close(p->stage);
    p->stage = -1;
    return 0;
}

int place_staging(struct place *p, struct err *err)
{
    if (p->staged)
        return p->stage;
    p->touched = true;
    for (int tries = 0; !p->staged; tries++) {
        if (tries == 100)
            return err_set(err, ERR_BUSY, "in use by another run: %s", base_path(p));
        if (make_stage(p, err) < 0)
            return -1;
    }
    /* What the directory above passes on (default ACLs, the setgid bit) is no part of
     * the tree. Without ACLs there is nothing to remove. */
    (void)fremovexattr(p->stage, "system.posix_acl_default");
    (void)fremovexattr(p->stage, "system.posix_acl_access");
    if (fchmod(p->stage, 0700) != 0)
        return err_sys(err, ERR_FAIL, "cannot set rights: %s/%s", base_path(p),
                       p->stage_name);
    return p->stage;
}

int place_space(const struct place *p, uint64_t *bytes, uint64_t *inodes,
                struct err *err)
{
    struct statvfs v;
    if (fstatvfs(place_base(p), &v) != 0)
        return err_sys(err, ERR_FAIL, "cannot tell the free space: %s", base_path(p));
    *bytes = (uint64_t)v.f_bavail * v.f_frsize;
    *inodes = v.f_files == 0 ? UINT64_MAX : (uint64_t)v.f_favail;
    return 0;
}

/* The new tree counts, and the old one may go. */
static void remove_old(const struct place *p, const char *name,
                       const struct notice_sink *notices)
{
    struct err why = {0};
    if (rmtree_at(place_base(p), name, &why) != 0)
        notice(notices, NOTICE_WARNING, "old-not-removed", p->t.path,
               "the old content is still in %s/%s: %s", base_path(p), name, why.text);
}

/* Whether the target is still what we hold. */
static int same_target(const struct place *p, struct err *err)
{
    struct stat st;
    if (lstat(p->t.path, &st) != 0)
        return err_sys(err, ERR_FAIL, "cannot look at: %s", p->t.path);
    if (st.st_dev != p->before.st_dev || st.st_ino != p->before.st_ino)
        return err_set(err, ERR_FAIL, "the target was replaced meanwhile: %s",
                       p->t.path);
    return 0;
}

/* The new tree has its name and cannot be taken back: nothing of it is to be removed.
 */
static int in_place(struct place *p, struct err *err)
{
    p->staged = false;
    return err_state(err,
                     "the new tree is whole and in its place; only a loss of power "
                     "now could undo that");
}

/* The empty directory that was renamed over, with the metadata it had: it is still
 * open. */
static bool make_again(const struct place *p)
{
    bool denied = false;
    if (mkdirat(p->t.parentfd, p->t.name, 0700) != 0)
        return false;
    int fd = openat(p->t.parentfd, p->t.name,
                    O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (fd < 0)
        return false;
    bool done = dirmeta_copy(p->t.fd, &p->before, fd, &denied) == 0 && !denied &&
                dirmeta_time(fd, &p->before) == 0;
    close(fd);
    return done;
}

/* One rename of staging to the target, which is absent or empty. */
static int commit_rename(struct place *p, struct err *err)
{
    int r = p->t.fd < 0
                ? move_noreplace(p->t.parentfd, p->stage_name, p->t.parentfd, p->t.name)
                : renameat(p->t.parentfd, p->stage_name, p->t.parentfd, p->t.name);
    if (r != 0 && (errno == EEXIST || errno == ENOTEMPTY || errno == ENOTDIR))
        return err_set(err, ERR_REFUSED, "something has appeared meanwhile in: %s",
                       p->t.path);
    if (r != 0)
        return err_sys(err, ERR_FAIL, "cannot rename to: %s", p->t.path);
    if (fsync(p->t.parentfd) == 0)
        return 0;
    err_sys(err, ERR_FAIL, "cannot sync: %s", p->t.parent);
    if (renameat(p->t.parentfd, p->t.name, p->t.parentfd, p->stage_name) != 0)
        return in_place(p, err);
    if (p->t.fd >= 0 && !make_again(p))
        err_state(err,
                  "nothing was restored; the empty directory %s could not be made "
                  "again as it was",
                  p->t.path);
    return -1;
}

/* A swap of one name, where names cannot be exchanged. */
static int commit_swap(struct place *p, const struct notice_sink *notices,
                       struct err *err)
{
    struct journal j = {0};
    char trash[TMPNAME_SIZE];
    int r = journal_add(&j, p->t.name, &p->before.st_mode, p->stage_name, err);
    if (r == 0)
        r = swap_begin(&p->swap, p->t.parentfd, p->t.parentfd, &j, NULL, NULL, false,
                       err);
    if (r == 0)
        r = swap_commit(&p->swap, trash, err);
    journal_free(&j);
    if (r == 0)
        remove_old(p, trash, notices);
    return r;
}

static int commit_exchange(struct place *p, const struct notice_sink *notices,
                           struct err *err)
{
    if (move_exchange(p->t.parentfd, p->stage_name, p->t.name) != 0) {
        if (errno == ENOSYS)
            return commit_swap(p, notices, err);
        return err_sys(err, ERR_FAIL, "cannot put the new tree in the place of: %s",
                       p->t.path);
    }
    if (fsync(p->t.parentfd) != 0) {
        err_sys(err, ERR_FAIL, "cannot sync: %s", p->t.parent);
        if (move_exchange(p->t.parentfd, p->stage_name, p->t.name) == 0)
            return -1;
        /* What is called staging is the old tree now: it is not ours to remove. */
        p->staged = false;
        return err_state(err, "the new tree is in its place; the old one is %s/%s",
                         base_path(p), p->stage_name);
    }
    remove_old(p, p->stage_name, notices);
    return 0;
}

/* What is left to do in a target that keeps its place. `meta` is NULL where only parts
 * came. The time is set before, too: removing takes long, and may be killed. */
static void settle(struct place *p, const char *trash, const struct swap_meta *meta,
                   const struct notice_sink *notices)
{
    if (meta != NULL)
        (void)dirmeta_time(p->t.fd, &meta->after);
    remove_old(p, trash, notices);
    remove_old(p, p->stage_name, notices);
    if (meta != NULL) {
        bool set = !meta->denied && fchmod(p->t.fd, meta->after.st_mode & 07777) == 0;
        if (dirmeta_time(p->t.fd, &meta->after) != 0 || !set)
            notice(notices, NOTICE_WARNING, "target-metadata-not-set", p->t.path,
                   "owner, mode or time of the target directory could not be set");
    }
    (void)fsync(p->t.fd); /* the content is; this is its time and the clearing up */
}

/* A swap of all that is in the target, up to its commit. */
static int swap_inside(struct place *p, const char *last,
                       const struct swap_last *mounts, bool inner,
                       const struct notice_sink *notices, struct err *err)
{
    bool kept = false;
    struct swap_meta *meta = &p->meta;
    *meta = (struct swap_meta){.before = p->before, .from = p->stage};
    if (fstat(p->stage, &meta->after) != 0 ||
        ((meta->after.st_mode & S_IRWXU) != S_IRWXU &&
         fchmod(p->stage, (meta->after.st_mode & 07777) | S_IRWXU) != 0))
        return err_sys(err, ERR_FAIL, "cannot use: %s/%s", p->t.path, p->stage_name);
    const struct parts_rules rules = {
        .replace = p->replace, .mounts = p->mounts, .last = last};
    if (parts_plan_all(p->t.fd, p->t.path, p->stage, &rules, &p->journal, &kept, err) !=
            0 ||
        swap_begin(&p->swap, p->t.fd, p->stage, &p->journal, meta, mounts, inner,
                   err) != 0)
        return -1;
    if (kept)
        notice(notices, NOTICE_WARNING, "lost-found-kept", p->t.path,
               "lost+found of the target stays; that of the archive is not restored");
    return 0;
}

static int commit_inside(struct place *p, const char *last,
                         const struct swap_last *mounts,
                         const struct notice_sink *notices, struct err *err)
{
    char trash[TMPNAME_SIZE];
    if (swap_inside(p, last, mounts, false, notices, err) != 0 ||
        swap_commit(&p->swap, trash, err) != 0)
        return -1;
    settle(p, trash, &p->meta, notices);
    return 0;
}

/* What is mounted in the target must be what it was when that was opened: what has come
 * would be moved aside, and what has gone has been compared with for nothing. */
static int same_mounts(const struct place *p, struct err *err)
{
    char **now;
    struct stat st;
    const char *other = NULL;
    if (mount_names(p->t.fd, p->t.path, &now, err) != 0)
        return -1;
    for (char **name = now; *name != NULL; name++)
        if (!mount_has(p->mounts, *name))
            other = *name;
    for (size_t i = 0; p->mounts != NULL && p->mounts[i] != NULL; i++)
        if (!mount_has(now, p->mounts[i]) ||
            fstatat(p->t.fd, p->mounts[i], &st, AT_SYMLINK_NOFOLLOW) != 0 ||
            st.st_dev != p->mounted[i].st_dev || st.st_ino != p->mounted[i].st_ino)
            other = p->mounts[i];
    if (other != NULL)
        err_set(err, ERR_REFUSED,
                "something was mounted in the target, or unmounted, meanwhile: %s/%s",
                p->t.path, other);
    mount_names_free(now);
    return other != NULL ? -1 : 0;
}

/* What must hold when the moves begin. */
static int ready(const struct place *p, struct err *err)
{
    if (!p->staged)
        return err_set(err, ERR_FAIL, "nothing was restored to: %s", p->t.path);
    if (syncfs(p->stage) != 0)
        return err_sys(err, ERR_FAIL, "cannot sync: %s", base_path(p));
    if (p->t.fd < 0)
        return 0;
    return same_target(p, err) != 0 ? -1 : same_mounts(p, err);
}

int place_begin(struct place *p, const struct notice_sink *notices, struct err *err)
{
    if (ready(p, err) != 0)
        return -1;
    return swap_inside(p, NULL, NULL, true, notices, err);
}

void place_end(struct place *p, const struct notice_sink *notices)
{
    struct err why = {0};
    char trash[TMPNAME_SIZE];
    p->committed = true;
    p->staged = false;
    if (swap_commit(&p->swap, trash, &why) == 0)
        settle(p, trash, &p->meta, notices);
    else
        notice(notices, NOTICE_WARNING, "old-not-removed", p->t.path,
               "the new content is in its place; what was there before is still in %s, "
               "until the next restore: %s",
               p->swap.name, why.text);
}

int place_undo(struct place *p, struct err *err)
{
    return swap_undo(&p->swap, err);
}

int place_commit(struct place *p, const char *last, const struct swap_last *mounts,
                 const struct notice_sink *notices, struct err *err)
{
    int r;
    if (ready(p, err) != 0)
        return -1;
    if (p->inside)
        r = commit_inside(p, last, mounts, notices, err);
    else if (p->t.fd >= 0 && p->replace)
        r = commit_exchange(p, notices, err);
    else
        r = commit_rename(p, err);
    if (r != 0)
        return -1;
    p->staged = false;
    p->committed = true;
    return 0;
}

int place_check_paths(struct place *p, const char *const *paths, size_t n,
                      struct err *err)
{
    struct journal j = {0};
    int r =
        p->t.fd < 0 ? 0 : parts_plan(p->t.fd, p->t.path, paths, n, p->replace, &j, err);
    journal_free(&j);
    return r;
}

static int commit_parts(struct place *p, const char *const *paths, size_t n,
                        const struct notice_sink *notices, struct err *err)
{
    struct journal j = {0};
    char trash[TMPNAME_SIZE];
    int r = parts_plan(p->t.fd, p->t.path, paths, n, p->replace, &j, err);
    if (r == 0)
        r = swap_begin(&p->swap, p->t.fd, p->stage, &j, NULL, NULL, false, err);
    if (r == 0)
        r = swap_commit(&p->swap, trash, err);
    journal_free(&j);
    if (r == 0)
        settle(p, trash, NULL, notices);
    return r;
}

int place_commit_paths(struct place *p, const char *const *paths, size_t n,
                       const struct notice_sink *notices, struct err *err)
{
    if (!p->staged)
        return err_set(err, ERR_FAIL, "nothing was restored to: %s", p->t.path);
    if (p->t.fd < 0) {
        /* All that is in staging was asked for. The root was not, so it is as mkdir
         * makes it. */
        if (fchmod(p->stage, 0755) != 0)
            return err_sys(err, ERR_FAIL, "cannot set rights: %s", p->t.path);
        return place_commit(p, NULL, NULL, notices, err);
    }
    if (syncfs(p->stage) != 0)
        return err_sys(err, ERR_FAIL, "cannot sync: %s", p->t.path);
    if (same_target(p, err) != 0)
        return -1;
    if (commit_parts(p, paths, n, notices, err) != 0)
        return -1;
    p->staged = false;
    p->committed = true;
    return 0;
}

void place_free(struct place *p)
{
    if (p == NULL)
        return;
    struct err ignored = {0};
    if (p->staged)
        (void)rmtree_at(place_base(p), p->stage_name, &ignored);
    if (p->inside && p->touched && !p->committed)
        (void)dirmeta_time(p->t.fd, &p->before);
    if (p->stage >= 0)
        close(p->stage);
    journal_free(&p->journal);
    mount_names_free(p->mounts);
    free(p->mounted);
    target_close(&p->t);
    free(p);
}
