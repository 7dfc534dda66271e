#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

#include <cmocka.h>

#include "archive/xattr.h"

static char dir[4096];
static int dirfd_, fd;

static int setup(void **state)
{
    (void)state;
    const char *tmp = getenv("TMPDIR");
    snprintf(dir, sizeof dir, "%s/pmm-xattr-XXXXXX", tmp != NULL ? tmp : "/tmp");
    if (mkdtemp(dir) == NULL)
        return -1;
    dirfd_ = open(dir, O_RDONLY | O_DIRECTORY);
    fd = openat(dirfd_, "file", O_RDWR | O_CREAT, 0600);
    return dirfd_ < 0 || fd < 0 || symlinkat("file", dirfd_, "link") != 0;
}

static int teardown(void **state)
{
    (void)state;
    close(fd);
    unlinkat(dirfd_, "file", 0);
    unlinkat(dirfd_, "link", 0);
    close(dirfd_);
    return rmdir(dir);
}

static void need_user_attributes(void)
{
    if (fsetxattr(fd, "user.probe", "", 0, 0) != 0) {
        print_message("skipped: no extended attributes in %s\n", dir);
        skip();
    }
    assert_int_equal(0, fremovexattr(fd, "user.probe"));
}

static void expect(const struct entry *e, const char *name, const char *value)
{
    const struct xattr *x = entry_xattr(e, name);
    assert_non_null(x);
    assert_int_equal(strlen(value), x->len);
    assert_memory_equal(value, x->value, x->len);
}

static void test_only_what_can_be_restored_is_wanted(void **state)
{
    (void)state;
    static const char *const yes[] = {
        "user.x",
        "trusted.x",
        "security.capability",
        "system.posix_acl_access",
        "system.posix_acl_default",
    };
    static const char *const no[] = {
        "security.selinux",         "security.ima",     "security.evm",
        "trusted.overlay.opaque",   "system.nfs4_acl",  "security.capability2",
        "btrfs.compression",        "users.x",          "",
        "system.posix_acl_access.", "trusted.overlay.",
    };
    for (size_t i = 0; i < sizeof yes / sizeof yes[0]; i++)
        assert_true(xattr_wanted(yes[i]));
    for (size_t i = 0; i < sizeof no / sizeof no[0]; i++)
        assert_false(xattr_wanted(no[i]));
}

static void test_all_ways_to_a_file_give_the_same(void **state)
{
    (void)state;
    need_user_attributes();
    struct err err = {0};
    assert_int_equal(0, fsetxattr(fd, "user.b", "value", 5, 0));
    assert_int_equal(0, fsetxattr(fd, "user.a", "", 0, 0));
    int pathfd = openat(dirfd_, "file", O_PATH);
    for (int way = 0; way < 3; way++) {
        struct entry e = {0};
        int rc = way == 0   ? xattr_read(fd, -1, NULL, &e, &err)
                 : way == 1 ? xattr_read(pathfd, -1, NULL, &e, &err)
                            : xattr_read(-1, dirfd_, "file", &e, &err);
        assert_int_equal(0, rc);
        assert_int_equal(2, e.nxattrs);
        expect(&e, "user.a", "");
        expect(&e, "user.b", "value");
        entry_clear(&e);
    }
    close(pathfd);
}

static void test_a_symlink_is_not_followed(void **state)
{
    (void)state;
    need_user_attributes();
    struct entry e = {0};
    struct err err = {0};
    struct xattr x = {(char *)(uintptr_t) "user.x", (uint8_t *)(uintptr_t) "1", 1};
    assert_int_equal(0, fsetxattr(fd, "user.a", "1", 1, 0));
    assert_int_equal(0, xattr_read(-1, dirfd_, "link", &e, &err));
    assert_int_equal(0, e.nxattrs);
    assert_int_equal(-1, xattr_set(-1, dirfd_, "link", &x));
    assert_int_equal(-1, xattr_remove(-1, dirfd_, "link", "user.a"));
    char buf[8];
    assert_int_equal(1, fgetxattr(fd, "user.a", buf, sizeof buf));
    assert_int_equal(-1, fgetxattr(fd, "user.x", buf, sizeof buf));
    entry_clear(&e);
}

static void test_long_values_and_many_names_are_read_whole(void **state)
{
    (void)state;
    need_user_attributes();
    struct entry e = {0};
    struct err err = {0};
    char value[2500], name[64];
    memset(value, 'v', sizeof value);
    assert_int_equal(0, fsetxattr(fd, "user.long", value, sizeof value, 0));
    int n = 0;
    while (n < 30) { /* a list of more than 1 KiB */
        snprintf(name, sizeof name, "user.a-name-of-some-length-%020d", n);
        if (fsetxattr(fd, name, "x", 1, 0) != 0)
            break; /* ext4 has room for one block */
        n++;
    }
    assert_int_equal(0, xattr_read(fd, -1, NULL, &e, &err));
    assert_int_equal(n + 1, e.nxattrs);
    const struct xattr *x = entry_xattr(&e, "user.long");
    assert_non_null(x);
    assert_int_equal(sizeof value, x->len);
    assert_memory_equal(value, x->value, x->len);
    entry_clear(&e);
}

static void test_attributes_are_set_and_removed_by_every_way(void **state)
{
    (void)state;
    need_user_attributes();
    char buf[8];
    struct xattr x = {(char *)(uintptr_t) "user.x", (uint8_t *)(uintptr_t) "12", 2};
    int pathfd = openat(dirfd_, "file", O_PATH);
    const int fds[] = {fd, pathfd, -1};
    for (size_t i = 0; i < 3; i++) {
        const char *name = fds[i] < 0 ? "file" : NULL;
        assert_int_equal(0, xattr_set(fds[i], dirfd_, name, &x));
        assert_int_equal(2, fgetxattr(fd, "user.x", buf, sizeof buf));
        assert_int_equal(0, xattr_remove(fds[i], dirfd_, name, "user.x"));
        assert_int_equal(-1, fgetxattr(fd, "user.x", buf, sizeof buf));
    }
    close(pathfd);
}

static void test_a_file_that_is_gone_is_an_error(void **state)
{
    (void)state;
    struct entry e = {0};
    struct err err = {0};
    assert_int_equal(-1, xattr_read(-1, dirfd_, "nothing", &e, &err));
    assert_int_equal(ERR_FAIL, err.cls);
    assert_int_equal(ENOENT, err.sys);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_only_what_can_be_restored_is_wanted),
        cmocka_unit_test_setup_teardown(test_all_ways_to_a_file_give_the_same, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(test_a_symlink_is_not_followed, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(test_long_values_and_many_names_are_read_whole,
                                        setup, teardown),
        cmocka_unit_test_setup_teardown(
            test_attributes_are_set_and_removed_by_every_way, setup, teardown),
        cmocka_unit_test_setup_teardown(test_a_file_that_is_gone_is_an_error, setup,
                                        teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
