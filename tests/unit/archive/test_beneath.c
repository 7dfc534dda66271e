#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "archive/beneath.h"

static char dir[4096];
static int root;

static void put(int dirfd, const char *name, const char *text)
{
    int fd = openat(dirfd, name, O_WRONLY | O_CREAT | O_EXCL, 0600);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, text, strlen(text)), (ssize_t)strlen(text));
    close(fd);
}

/* outside (a secret), tree/a/b/file, and in the tree links of all kinds. */
static int setup(void **state)
{
    (void)state;
    const char *tmp = getenv("TMPDIR");
    snprintf(dir, sizeof dir, "%s/beneath-XXXXXX", tmp ? tmp : "/tmp");
    assert_non_null(mkdtemp(dir));
    int top = open(dir, O_RDONLY | O_DIRECTORY);
    assert_true(top >= 0);
    put(top, "secret", "outside");
    assert_int_equal(mkdirat(top, "tree", 0700), 0);
    root = openat(top, "tree", O_RDONLY | O_DIRECTORY);
    close(top);
    assert_true(root >= 0);
    assert_int_equal(mkdirat(root, "a", 0700), 0);
    assert_int_equal(mkdirat(root, "a/b", 0700), 0);
    put(root, "a/b/file", "inside");
    assert_int_equal(symlinkat("a", root, "in"), 0);
    assert_int_equal(symlinkat("..", root, "up"), 0);
    assert_int_equal(symlinkat(dir, root, "abs"), 0);
    assert_int_equal(symlinkat("file", root, "a/b/link"), 0);
    assert_int_equal(symlinkat("../secret", root, "steal"), 0);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    char cmd[4200];
    close(root);
    snprintf(cmd, sizeof cmd, "rm -rf '%s'", dir);
    return system(cmd);
}

static void expect(const char *path, int flags, bool walk, int want)
{
    errno = 0;
    int fd = beneath_open(root, path, flags, walk);
    int sys = errno;
    if (fd >= 0)
        close(fd);
    if (want == 0)
        assert_true(fd >= 0);
    else
        assert_int_equal(fd, -1);
    if (want > 0)
        assert_int_equal(sys, want);
}

static void expect_both(const char *path, int flags, int want)
{
    expect(path, flags, false, want);
    expect(path, flags, true, want);
}

static void test_a_file_and_a_directory_below_the_root_open(void **state)
{
    (void)state;
    expect_both(".", O_RDONLY | O_DIRECTORY, 0);
    expect_both("a/b", O_RDONLY | O_DIRECTORY, 0);
    expect_both("a/b/file", O_RDONLY, 0);
    expect_both("a/b/none", O_RDONLY, ENOENT);
    char text[7] = "";
    int fd = beneath_open(root, "a/b/file", O_RDONLY, true);
    assert_int_equal(read(fd, text, 6), 6);
    assert_string_equal(text, "inside");
    assert_true((fcntl(fd, F_GETFD) & FD_CLOEXEC) != 0);
    close(fd);
}

static void test_no_path_leads_out(void **state)
{
    (void)state;
    static const char *const paths[] = {
        "..", "../secret", "a/../../secret", "/etc/passwd", "/", "", "a//b", "./a",
        "a/", "a/.",       "a/b/..",         "a/b/../file",
    };
    for (size_t i = 0; i < sizeof paths / sizeof paths[0]; i++)
        expect_both(paths[i], O_RDONLY, EXDEV);
    expect_both("up/secret", O_RDONLY, -1);
    expect_both("abs/secret", O_RDONLY, -1);
}

static void test_a_symlink_is_followed_nowhere(void **state)
{
    (void)state;
    expect_both("in/b/file", O_RDONLY, -1);
    expect_both("in", O_RDONLY | O_DIRECTORY, -1);
    expect_both("a/b/link", O_RDONLY, ELOOP);
    expect_both("steal", O_RDONLY, ELOOP);
    for (int walk = 0; walk < 2; walk++) {
        int fd = beneath_open(root, "steal", O_PATH, walk != 0);
        struct stat st;
        assert_true(fd >= 0);
        assert_int_equal(fstat(fd, &st), 0);
        assert_true(S_ISLNK(st.st_mode));
        close(fd);
    }
}

static void test_the_parent_is_found_without_following_a_symlink(void **state)
{
    (void)state;
    for (int walk = 0; walk < 2; walk++) {
        const char *name;
        int fd = beneath_parent(root, "a/b/new", &name, walk != 0);
        assert_true(fd >= 0);
        assert_string_equal(name, "new");
        assert_int_equal(mkdirat(fd, name, 0700), 0);
        assert_int_equal(unlinkat(root, "a/b/new", AT_REMOVEDIR), 0);
        close(fd);
        fd = beneath_parent(root, "top", &name, walk != 0);
        assert_true(fd >= 0);
        assert_string_equal(name, "top");
        close(fd);
        errno = 0;
        assert_int_equal(beneath_parent(root, ".", &name, walk != 0), -1);
        assert_int_equal(errno, EINVAL);
        assert_int_equal(beneath_parent(root, "in/b/x", &name, walk != 0), -1);
        assert_int_equal(beneath_parent(root, "up/secret", &name, walk != 0), -1);
        assert_int_equal(beneath_parent(root, "../secret", &name, walk != 0), -1);
        assert_int_equal(errno, EXDEV);
        assert_int_equal(beneath_parent(root, "a/b/file/x", &name, walk != 0), -1);
        assert_int_equal(errno, ENOTDIR);
    }
}

static void test_a_path_longer_than_path_max_opens(void **state)
{
    (void)state;
    static char path[8192];
    int fd = dup(root);
    size_t n = 0;
    for (int i = 0; i < 25; i++) {
        char name[201];
        memset(name, 'a' + i, 200);
        name[200] = '\0';
        assert_int_equal(mkdirat(fd, name, 0700), 0);
        int next = openat(fd, name, O_RDONLY | O_DIRECTORY);
        assert_true(next >= 0);
        close(fd);
        fd = next;
        n += (size_t)snprintf(path + n, sizeof path - n, "%s/", name);
    }
    put(fd, "deep", "deep");
    close(fd);
    strcpy(path + n, "deep");
    expect_both(path, O_RDONLY, 0);
    const char *name;
    fd = beneath_parent(root, path, &name, false);
    assert_true(fd >= 0);
    assert_string_equal(name, "deep");
    close(fd);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_file_and_a_directory_below_the_root_open),
        cmocka_unit_test(test_no_path_leads_out),
        cmocka_unit_test(test_a_symlink_is_followed_nowhere),
        cmocka_unit_test(test_the_parent_is_found_without_following_a_symlink),
        cmocka_unit_test(test_a_path_longer_than_path_max_opens),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
