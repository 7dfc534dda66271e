/* A temporary directory for each test, and small things to do in it. */
#ifndef STOREWORLD_H
#define STOREWORLD_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <sched.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "store/dirlist.h"
#include "store/rmtree.h"
#include "util/err.h"
#include "util/notice.h"

struct world {
    char dir[64]; /* the current directory while the test runs */
    int home;
    char notices[2048]; /* " id" of each, in order */
};

static inline void world_notice(void *ctx, enum notice_level level, const char *id,
                                const char *path, const char *text)
{
    struct world *w = ctx;
    (void)path;
    (void)text;
    size_t n = strlen(w->notices);
    snprintf(w->notices + n, sizeof w->notices - n, "%s%s ",
             level == NOTICE_WARNING ? "!" : "", id);
}

static inline struct notice_sink world_sink(struct world *w)
{
    return (struct notice_sink){.fn = world_notice, .ctx = w};
}

static inline int world_setup(void **state)
{
    struct world *w = calloc(1, sizeof *w);
    const char *tmp = getenv("TMPDIR");
    snprintf(w->dir, sizeof w->dir, "%.40s/store.XXXXXX", tmp ? tmp : "/tmp");
    w->home = open(".", O_RDONLY | O_DIRECTORY);
    *state = w;
    return mkdtemp(w->dir) != NULL && chdir(w->dir) == 0 ? 0 : -1;
}

static inline int world_teardown(void **state)
{
    struct world *w = *state;
    struct err err = {0};
    int r = fchdir(w->home);
    r |= rmtree_at(AT_FDCWD, w->dir, &err);
    close(w->home);
    free(w);
    return r;
}

/* Make a file with this content. */
static inline void put(const char *path, const char *text)
{
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0644);
    if (fd < 0 || write(fd, text, strlen(text)) != (ssize_t)strlen(text))
        fail_msg("put %s: %s", path, strerror(errno));
    close(fd);
}

static inline void put_at(int dirfd, const char *path, const char *text)
{
    int fd = openat(dirfd, path, O_WRONLY | O_CREAT | O_TRUNC, 0644);
    if (fd < 0 || write(fd, text, strlen(text)) != (ssize_t)strlen(text))
        fail_msg("put %s: %s", path, strerror(errno));
    close(fd);
}

static inline void dir(const char *path, mode_t mode)
{
    if (mkdir(path, 0700) != 0 || chmod(path, mode) != 0)
        fail_msg("dir %s: %s", path, strerror(errno));
}

/* The file has this content; NULL: there is none. */
static inline void is(const char *path, const char *text)
{
    char b[4096];
    int fd = open(path, O_RDONLY | O_NOFOLLOW);
    if (text == NULL) {
        if (fd >= 0 || errno != ENOENT)
            fail_msg("%s is there", path);
        return;
    }
    ssize_t n = fd < 0 ? -1 : read(fd, b, sizeof b - 1);
    if (n < 0)
        fail_msg("%s: %s", path, strerror(errno));
    b[n] = '\0';
    close(fd);
    assert_string_equal(b, text);
}

/* The names in a directory, each followed by a blank, are these. */
static inline void holds(const char *path, const char *expected)
{
    char **names, text[4096] = "";
    size_t n = 0;
    int fd = open(path, O_RDONLY | O_DIRECTORY);
    if (fd < 0 || dirlist_read(fd, &names, &n) != 0)
        fail_msg("%s: %s", path, strerror(errno));
    for (size_t i = 0; i < n; i++) {
        strcat(text, names[i]);
        strcat(text, " ");
    }
    dirlist_free(names, n);
    close(fd);
    assert_string_equal(text, expected);
}

static inline struct stat look(const char *path)
{
    struct stat st;
    if (lstat(path, &st) != 0)
        fail_msg("%s: %s", path, strerror(errno));
    return st;
}

static inline void set_time(const char *path, time_t sec)
{
    const struct timespec t[2] = {{.tv_sec = sec, .tv_nsec = 5},
                                  {.tv_sec = sec, .tv_nsec = 5}};
    assert_int_equal(utimensat(AT_FDCWD, path, t, AT_SYMLINK_NOFOLLOW), 0);
}

/* Run `fn` in a child with a mount namespace of its own. Skips where that is not
 * allowed. */
static inline void in_namespace(void **state, void (*fn)(struct world *))
{
    pid_t pid = fork();
    if (pid == 0) {
        if (unshare(CLONE_NEWNS) != 0 ||
            mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL) != 0)
            _exit(77);
        fn(*state);
        _exit(0);
    }
    int status;
    assert_int_equal(waitpid(pid, &status, 0), pid);
    if (WIFEXITED(status) && WEXITSTATUS(status) == 77) {
        print_message("skipped: no right to a mount namespace\n");
        skip();
    }
    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), 0);
}

/* Run `fn` in a child as user 1000, who owns the world. Skips unless we are root. */
static inline void as_user(void **state, void (*fn)(struct world *))
{
    struct world *w = *state;
    if (geteuid() != 0) {
        print_message("skipped: only root can become another user\n");
        skip();
    }
    assert_int_equal(chown(w->dir, 1000, 1000), 0);
    pid_t pid = fork();
    if (pid == 0) {
        if (setgroups(0, NULL) != 0 || setresgid(1000, 1000, 1000) != 0 ||
            setresuid(1000, 1000, 1000) != 0)
            _exit(78);
        fn(w);
        _exit(0);
    }
    int status;
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), 0);
}

/* In a child of those, where cmocka's longjmp must not be taken: say what failed and
 * end. */
#define CHECK(cond)                                                                    \
    do {                                                                               \
        if (!(cond)) {                                                                 \
            fprintf(stderr, "%s:%d: %s\n", __FILE__, __LINE__, #cond);                 \
            _exit(1);                                                                  \
        }                                                                              \
    } while (0)

#endif
