#include "walkworld.h"

#include <sched.h>
#include <signal.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/sysmacros.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <sys/xattr.h>

#include "util/stop.h"

/* Run `body` in a child, which may change what a process has; it returns 0 if all is
 * well. */
static void in_child(int (*body)(void))
{
    int status;
    fflush(NULL);
    pid_t pid = fork();
    if (pid == 0)
        _exit(body());
    assert_int_equal(pid, waitpid(pid, &status, 0));
    if (status == 77 << 8) {
        print_message("skipped: not permitted here\n");
        skip();
    }
    assert_int_equal(0, status);
}

/* ---- what is handed over ---- */

static void test_entries_come_depth_first_in_byte_order(void **state)
{
    (void)state;
    dir("a");
    dir("a/x");
    file("a/x/1", "");
    file("a.b", "1");
    file("a-b", "22");
    file("B", "333");
    file("\xc3\xa4", "");
    file("new\nline", "");
    walked("D- .\nF- B\nD- a\nD- a/x\nF- a/x/1\nF- a-b\nF- a.b\nF- new\nline\n"
           "F- \xc3\xa4\n",
           "");
    assert_int_equal(9, w.counts.entries);
    assert_int_equal(6, w.bytes);
}

static void test_every_type_is_known_and_nothing_special_is_opened(void **state)
{
    (void)state;
    file("file", "");
    assert_int_equal(0, mkfifoat(w.root, "fifo", 0600));
    assert_int_equal(0, symlinkat("/etc/passwd", w.root, "link"));
    assert_int_equal(0, symlinkat("nowhere", w.root, "link2"));
    walked("D- .\nP- fifo\nF- file\nL- link > /etc/passwd\nL- link2 > nowhere\n", "");
}

static int check_metadata(void *ctx, struct entry *e, int fd, struct err *err)
{
    (void)ctx;
    (void)fd;
    (void)err;
    struct item *i = &e->item;
    if (i->type == ITEM_FILE) {
        assert_int_equal(04751, i->mode);
        assert_int_equal(-5, i->mtime);
        assert_int_equal(999999999, i->mtime_ns);
        assert_int_equal(geteuid(), i->uid);
        assert_int_equal(getegid(), i->gid);
        assert_int_equal(3, i->size);
        assert_string_equal(names_user(w.opts.names, geteuid()), i->user);
        w.bytes++;
    } else if (i->type == ITEM_CHAR) {
        assert_int_equal(5, i->dev_major);
        assert_int_equal(1025, i->dev_minor);
        assert_int_equal(0, i->size);
    }
    return 0;
}

static void test_metadata_is_what_stat_says(void **state)
{
    (void)state;
    struct names *names;
    struct err err = {0};
    const struct timespec t[2] = {{.tv_nsec = UTIME_OMIT},
                                  {.tv_sec = -5, .tv_nsec = 999999999}};
    assert_int_equal(0, names_open(&names, NULL, NULL, &err));
    if (names_user(names, geteuid()) == NULL) {
        names_free(names);
        print_message("skipped: this user has no name\n");
        skip();
    }
    w.opts.names = names;
    file("file", "abc");
    assert_int_equal(0, fchmodat(w.root, "file", 04751, 0));
    assert_int_equal(0, utimensat(w.root, "file", t, 0));
    if (mknodat(w.root, "chr", S_IFCHR | 0600, makedev(5, 1025)) != 0)
        print_message("no device made: not permitted here\n");
    assert_int_equal(
        0, walk_tree(w.root, &w.opts, check_metadata, NULL, NULL, &w.counts, &err));
    assert_int_equal(1, w.bytes);
    names_free(names);
}

static int check_xattr(void *ctx, struct entry *e, int fd, struct err *err)
{
    (void)ctx;
    (void)fd;
    (void)err;
    const struct xattr *x = entry_xattr(e, "user.x");
    assert_non_null(x);
    assert_int_equal(1, x->len);
    w.bytes += x->value[0];
    return 0;
}

static void test_attributes_of_files_and_directories_are_read(void **state)
{
    (void)state;
    struct err err = {0};
    file("file", "");
    int fd = openat(w.root, "file", O_RDONLY);
    if (fsetxattr(fd, "user.x", "\1", 1, 0) != 0 ||
        fsetxattr(w.root, "user.x", "\2", 1, 0) != 0) {
        close(fd);
        print_message("skipped: no extended attributes in %s\n", w.dir);
        skip();
    }
    close(fd);
    assert_int_equal(
        0, walk_tree(w.root, &w.opts, check_xattr, NULL, NULL, &w.counts, &err));
    assert_int_equal(3, w.bytes);
}

static void test_a_file_with_holes_is_sparse(void **state)
{
    (void)state;
    file("full", "full");
    file("holes", "x");
    int fd = openat(w.root, "holes", O_WRONLY);
    assert_int_equal(0, ftruncate(fd, 1 << 20));
    close(fd);
    walked("D- .\nF- full\nFs holes\n", "");
    assert_int_equal((1 << 20) + 4, w.bytes); /* the descriptor was at its beginning */
}

/* ---- what is left out ---- */

static void test_excluded_directories_are_not_entered(void **state)
{
    (void)state;
    struct err err = {0};
    dir("keep");
    dir("keep/cache");
    file("keep/cache/x", "");
    dir("cache");
    file("cache/y", "");
    file("x.log", "");
    file("log", "");
    assert_int_equal(0, glob_new(&w.opts.excludes, &err));
    assert_int_equal(0, glob_add(w.opts.excludes, "cache/", &err));
    assert_int_equal(0, glob_add(w.opts.excludes, "*.log", &err));
    walked("D- .\nD- keep\nF- log\n", "");
    assert_int_equal(3, w.counts.excluded);
    glob_free(w.opts.excludes);
}

static void test_sockets_are_counted_and_told_once(void **state)
{
    (void)state;
    for (int i = 0; i < 2; i++) {
        struct sockaddr_un sa = {.sun_family = AF_UNIX};
        int s = socket(AF_UNIX, SOCK_STREAM, 0);
        snprintf(sa.sun_path, sizeof sa.sun_path, "/proc/self/fd/%d/s%d", w.root, i);
        assert_int_equal(0, bind(s, (struct sockaddr *)&sa, sizeof sa));
        close(s);
    }
    walked("D- .\n", "note socket-skipped\n");
    assert_int_equal(2, w.counts.sockets);
}

static void test_the_archive_itself_is_passed_over(void **state)
{
    (void)state;
    struct stat st;
    file("a", "");
    file("archive.tmp", "");
    assert_int_equal(0, fstatat(w.root, "archive.tmp", &st, 0));
    w.opts.skip_dev = st.st_dev;
    w.opts.skip_ino = st.st_ino;
    walked("D- .\nF- a\n", "");
}

/* ---- what cannot be had ---- */

static void remove_b(void)
{
    assert_int_equal(0, unlinkat(w.root, "b", 0));
    assert_int_equal(0, unlinkat(w.root, "d", AT_REMOVEDIR));
}

static void test_what_vanished_is_told(void **state)
{
    (void)state;
    file("a", "");
    file("b", "");
    file("c", "");
    dir("d");
    w.act_at = "a";
    w.act = remove_b;
    walked("D- .\nF- a\nF- c\n", "file-vanished b\nfile-vanished d\n");
}

static int unreadable(void)
{
    if (geteuid() == 0 && seteuid(65534) != 0)
        return 77;
    walked("D- .\nD- a\nF- ok\n", "dir-unreadable a\nfile-unreadable f\n");
    return 0;
}

static void test_what_may_not_be_read_is_told(void **state)
{
    (void)state;
    dir("a");
    file("a/x", "");
    file("f", "");
    file("ok", "");
    assert_int_equal(0, fchmodat(w.root, "a", 0, 0));
    assert_int_equal(0, fchmodat(w.root, "f", 0, 0));
    in_child(unreadable);
    assert_int_equal(0, fchmodat(w.root, "a", 0755, 0));
}

static int unreadable_root(void)
{
    struct err err = {0};
    if (geteuid() == 0 && seteuid(65534) != 0)
        return 77;
    return walk(&err) == -1 && err.cls == ERR_FAIL && w.log.len == 0 ? 0 : 1;
}

static void test_an_unreadable_root_is_an_error(void **state)
{
    (void)state;
    assert_int_equal(0, fchmod(w.root, 0));
    in_child(unreadable_root);
    assert_int_equal(0, fchmod(w.root, 0755));
}

static void test_a_root_that_is_a_file_is_an_error(void **state)
{
    (void)state;
    struct err err = {0};
    file("f", "");
    int root = w.root;
    w.root = openat(root, "f", O_RDONLY);
    assert_int_equal(-1, walk(&err));
    assert_int_equal(ERR_FAIL, err.cls);
    close(w.root);
    w.root = root;
}

/* ---- depth ---- */

static void make_deep(const char *name, int levels)
{
    int fd = dup(w.root);
    for (int i = 0; i < levels; i++) {
        assert_int_equal(0, mkdirat(fd, name, 0755));
        int below = openat(fd, name, O_RDONLY | O_DIRECTORY);
        assert_true(below >= 0);
        close(fd);
        fd = below;
    }
    close(fd);
}

static void test_paths_may_be_longer_than_the_kernel_takes(void **state)
{
    (void)state;
    char name[201];
    struct err err = {0};
    memset(name, 'n', 200);
    name[200] = '\0';
    make_deep(name, 163); /* 163 * 201 - 1 = 32762 bytes */
    assert_int_equal(0, walk(&err));
    assert_int_equal(164, w.counts.entries);
    assert_string_equal("", text(&w.said));
}

static void test_a_path_over_the_limit_is_told(void **state)
{
    (void)state;
    char name[201];
    struct err err = {0};
    memset(name, 'n', 200);
    name[200] = '\0';
    make_deep(name, 165);
    assert_int_equal(0, walk(&err));
    assert_int_equal(164, w.counts.entries);
    assert_string_equal("name-too-long\n", text(&w.said));
}

static int few_descriptors(void)
{
    const struct rlimit few = {20, 64};
    struct err err = {0};
    if (setrlimit(RLIMIT_NOFILE, &few) != 0)
        return 77;
    assert_int_equal(-1, walk(&err));
    assert_int_equal(ERR_FAIL, err.cls);
    assert_true(w.counts.entries > 40); /* the soft limit was raised */
    assert_true(w.counts.entries < 100);
    return 0;
}

static void test_a_tree_too_deep_for_our_descriptors_is_an_error(void **state)
{
    (void)state;
    make_deep("d", 100);
    in_child(few_descriptors);
}

static void test_thousands_of_levels_are_walked(void **state)
{
    (void)state;
    struct rlimit r;
    struct err err = {0};
    assert_int_equal(0, getrlimit(RLIMIT_NOFILE, &r));
    if (r.rlim_max < 4200) {
        print_message("skipped: at most %lu descriptors\n", (unsigned long)r.rlim_max);
        skip();
    }
    make_deep("d", 4000);
    assert_int_equal(0, walk(&err));
    assert_int_equal(4001, w.counts.entries);
}

/* ---- an enemy in the tree ---- */

/* Swap a directory and a symlink that leads out of the tree, for ever. */
static pid_t swapper(void)
{
    fflush(NULL);
    pid_t parent = getpid(), pid = fork();
    if (pid == 0) {
        while (getppid() == parent &&
               renameat2(w.root, "in/d", w.root, "in/e", RENAME_EXCHANGE) == 0)
            ;
        _exit(0);
    }
    return pid;
}

static void test_a_symlink_swapped_in_is_never_followed(void **state)
{
    (void)state;
    struct err err = {0};
    dir("in");
    dir("out");
    file("out/secret", "secret");
    dir("in/d");
    file("in/d/mine", "");
    assert_int_equal(0, symlinkat("../out", w.root, "in/e"));
    int root = w.root;
    pid_t pid = swapper();
    w.root = openat(root, "in", O_RDONLY | O_DIRECTORY);
    for (int i = 0; i < 2000; i++) {
        free(w.last_path);
        w.last_path = NULL;
        assert_int_equal(0, walk(&err));
    }
    kill(pid, SIGKILL);
    waitpid(pid, NULL, 0);
    close(w.root);
    w.root = root;
    assert_null(strstr(text(&w.log), "secret"));
    assert_non_null(strstr(text(&w.log), "/mine"));
}

/* ---- mounts ---- */

static int mounted(void)
{
    char at[4200], bound[4200], from[4200];
    snprintf(at, sizeof at, "%s/m", w.dir);
    snprintf(from, sizeof from, "%s/a", w.dir);
    snprintf(bound, sizeof bound, "%s/n", w.dir);
    if (unshare(CLONE_NEWNS) != 0 ||
        mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) != 0 ||
        mount("none", at, "tmpfs", 0, NULL) != 0 ||
        mount(from, bound, NULL, MS_BIND, NULL) != 0)
        return 77;
    close(w.root);
    w.root = open(w.dir, O_RDONLY | O_DIRECTORY);
    file("m/inside", "inside");
    if (w.opts.one_file_system)
        walked("D- .\nD- a\nF- a/x\nD- m\nD- n\nF- z\n", "");
    else
        walked("D- .\nD- a\nF- a/x\nD- m\nF- m/inside\nD- n\nF- n/x\nF- z\n",
               "note mount-included m\nnote mount-included n\n");
    assert_int_equal(2, w.counts.mounts);
    atomic_uint_least64_t bytes = 0;
    atomic_bool cancel = false;
    assert_int_equal(0, walk_estimate(w.root, &w.opts, &bytes, &cancel));
    assert_int_equal(w.bytes, bytes);
    return 0;
}

static void mounts(bool one_file_system)
{
    dir("a");
    file("a/x", "xx");
    dir("m");
    file("m/hidden", "");
    dir("n");
    file("z", "z");
    w.opts.one_file_system = one_file_system;
    in_child(mounted);
}

static void test_mounts_are_included_and_noted(void **state)
{
    (void)state;
    mounts(false);
}

static void test_one_file_system_keeps_only_the_mount_point(void **state)
{
    (void)state;
    mounts(true);
}

/* ---- the ends ---- */

static void test_the_error_of_the_callee_ends_the_walk(void **state)
{
    (void)state;
    struct err err = {0};
    file("a", "");
    file("b", "");
    file("c", "");
    w.stop_at = "b";
    assert_int_equal(-1, walk(&err));
    assert_int_equal(ERR_REFUSED, err.cls);
    assert_string_equal("D- .\nF- a\n", text(&w.log));
}

static int stopped(void)
{
    struct err err = {0};
    atomic_uint_least64_t bytes = 0;
    atomic_bool cancel = false;
    stop_set(SIGINT);
    return walk(&err) == -1 && err.cls == ERR_SIGNAL &&
                   walk_estimate(w.root, &w.opts, &bytes, &cancel) == -1
               ? 0
               : 1;
}

static void test_a_signal_ends_the_walk(void **state)
{
    (void)state;
    file("a", "");
    in_child(stopped);
}

static void test_the_root_may_be_walked_twice(void **state)
{
    (void)state;
    struct err err = {0};
    file("a", "");
    assert_int_equal(0, walk(&err));
    free(w.last_path);
    w.last_path = NULL;
    w.log.len = 0;
    walked("D- .\nF- a\n", "");
}

/* ---- the estimate ---- */

static void test_the_estimate_is_what_the_walk_reads(void **state)
{
    (void)state;
    struct err err = {0};
    size_t i = 0;
    atomic_uint_least64_t bytes = 0;
    atomic_bool cancel = false;
    dir("d");
    file("d/a", "12345");
    hard("d/a", "d/b");
    file("x.log", "excluded");
    dir("cache");
    file("cache/x", "excluded");
    file("z", "123");
    file("hole", "");
    int fd = openat(w.root, "hole", O_WRONLY);
    assert_int_equal(0, ftruncate(fd, 1 << 30));
    close(fd);
    assert_int_equal(0, glob_new(&w.opts.excludes, &err));
    assert_int_equal(0, glob_add(w.opts.excludes, "*.log", &err));
    assert_int_equal(0, glob_add(w.opts.excludes, "cache/", &err));
    assert_int_equal(0, walk_estimate(w.root, &w.opts, &bytes, &cancel));
    assert_int_equal(8, bytes);
    assert_string_equal("*.log", glob_unused(w.opts.excludes, &i));
    cancel = true;
    assert_int_equal(-1, walk_estimate(w.root, &w.opts, &bytes, &cancel));
    glob_free(w.opts.excludes);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        T(test_entries_come_depth_first_in_byte_order),
        T(test_every_type_is_known_and_nothing_special_is_opened),
        T(test_metadata_is_what_stat_says),
        T(test_attributes_of_files_and_directories_are_read),
        T(test_a_file_with_holes_is_sparse),
        T(test_excluded_directories_are_not_entered),
        T(test_sockets_are_counted_and_told_once),
        T(test_the_archive_itself_is_passed_over),
        T(test_what_vanished_is_told),
        T(test_what_may_not_be_read_is_told),
        T(test_an_unreadable_root_is_an_error),
        T(test_a_root_that_is_a_file_is_an_error),
        T(test_paths_may_be_longer_than_the_kernel_takes),
        T(test_a_path_over_the_limit_is_told),
        T(test_a_tree_too_deep_for_our_descriptors_is_an_error),
        T(test_thousands_of_levels_are_walked),
        T(test_a_symlink_swapped_in_is_never_followed),
        T(test_mounts_are_included_and_noted),
        T(test_one_file_system_keeps_only_the_mount_point),
        T(test_the_error_of_the_callee_ends_the_walk),
        T(test_a_signal_ends_the_walk),
        T(test_the_root_may_be_walked_twice),
        T(test_the_estimate_is_what_the_walk_reads),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
