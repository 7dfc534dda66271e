#include "storeworld.h"

/* A chain of directories far longer than PATH_MAX and deeper than the open levels. */
static void make_deep(const char *top, unsigned depth)
{
    assert_int_equal(mkdir(top, 0700), 0);
    int fd = open(top, O_RDONLY | O_DIRECTORY);
    for (unsigned i = 0; i < depth; i++) {
        assert_int_equal(mkdirat(fd, "a-name-that-is-long-enough", 0700), 0);
        put_at(fd, "file", "x");
        assert_int_equal(mkdirat(fd, "z", 0700), 0);
        int down = openat(fd, "a-name-that-is-long-enough", O_RDONLY | O_DIRECTORY);
        assert_true(down >= 0);
        close(fd);
        fd = down;
    }
    close(fd);
}

static void test_a_tree_deeper_than_any_path_goes(void **state)
{
    (void)state;
    struct err err = {0};
    make_deep("top", 3000);
    put("beside", "b");
    if (rmtree_at(AT_FDCWD, "top", &err) != 0)
        fail_msg("%s", err.text);
    holds(".", "beside ");
}

static void test_a_wide_tree_goes(void **state)
{
    (void)state;
    struct err err = {0};
    char name[64];
    dir("top", 0700);
    for (int i = 0; i < 3000; i++) {
        snprintf(name, sizeof name, "top/%d", i);
        if (i % 3 == 0)
            dir(name, 0700);
        else
            put(name, "x");
    }
    assert_int_equal(rmtree_at(AT_FDCWD, "top", &err), 0);
    holds(".", "");
}

static void test_symlinks_are_not_followed(void **state)
{
    (void)state;
    struct err err = {0};
    dir("top", 0700);
    dir("other", 0700);
    put("other/kept", "k");
    assert_int_equal(symlink("../other", "top/link"), 0);
    assert_int_equal(symlink("other", "toplink"), 0);
    assert_int_equal(mkfifo("top/fifo", 0600), 0);
    assert_int_equal(rmtree_at(AT_FDCWD, "top", &err), 0);
    assert_int_equal(rmtree_at(AT_FDCWD, "toplink", &err), -1);
    is("other/kept", "k");
}

static void test_absent_is_well(void **state)
{
    (void)state;
    struct err err = {0};
    assert_int_equal(rmtree_at(AT_FDCWD, "nothing", &err), 0);
}

static void locked_dirs(struct world *w)
{
    (void)w;
    struct err err = {0};
    CHECK(mkdir("top", 0700) == 0 && mkdir("top/a", 0700) == 0 &&
          mkdir("top/a/b", 0700) == 0 && mkdir("top/c", 0700) == 0);
    put("top/a/b/f", "x");
    put("top/c/f", "x");
    CHECK(chmod("top/a/b", 0) == 0 && chmod("top/a", 0555) == 0 &&
          chmod("top/c", 0300) == 0 && chmod("top", 0500) == 0);
    CHECK(rmtree_at(AT_FDCWD, "top", &err) == 0);
    CHECK(access("top", F_OK) != 0);
}

static void test_an_owner_without_rights_gets_them(void **state)
{
    as_user(state, locked_dirs);
}

static void mounted(struct world *w)
{
    (void)w;
    struct err err = {0};
    CHECK(mkdir("top", 0700) == 0 && mkdir("top/m", 0700) == 0 &&
          mkdir("own", 0700) == 0);
    put("own/kept", "k");
    if (mount("own", "top/m", NULL, MS_BIND, NULL) != 0)
        _exit(77);
    CHECK(rmtree_at(AT_FDCWD, "top", &err) == -1);
    CHECK(access("own/kept", F_OK) == 0);
    CHECK(umount("top/m") == 0);
}

static void test_a_mount_point_is_not_entered(void **state)
{
    in_namespace(state, mounted);
}

int main(void)
{
#define WORLD(t) cmocka_unit_test_setup_teardown(t, world_setup, world_teardown)
    const struct CMUnitTest tests[] = {
        WORLD(test_a_tree_deeper_than_any_path_goes),
        WORLD(test_a_wide_tree_goes),
        WORLD(test_symlinks_are_not_followed),
        WORLD(test_absent_is_well),
        WORLD(test_an_owner_without_rights_gets_them),
        WORLD(test_a_mount_point_is_not_entered),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
