/* What a killed backup leaves is removed by the next one; nothing else is. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "store/stale.h"

static char dir[] = "/tmp/test-stale-XXXXXX";
static int dirfd_;

static int make(const char *name)
{
    int fd = openat(dirfd_, name, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    assert_true(fd >= 0);
    return fd;
}

static bool there(const char *name)
{
    struct stat st;
    return fstatat(dirfd_, name, &st, AT_SYMLINK_NOFOLLOW) == 0;
}

static void test_only_abandoned_temporary_archives_are_swept(void **state)
{
    (void)state;
    static const char *const foreign[] = {
        "a.pmmseal",         ".a.pmmseal",           ".a.pmmseal.abc.tmp",
        ".a.abcdef.tmp",     "a.pmmseal.abcdef.tmp", ".a.pmmseal.abcdef",
        ".pmmsealabcdef.tmp"};
    for (size_t i = 0; i < sizeof foreign / sizeof *foreign; i++)
        close(make(foreign[i]));
    int held = make(".b.pmmseal.abcdef.tmp");
    assert_int_equal(stale_hold(held), 1);
    close(make(".c.pmmseal.abcdef.tmp"));

    stale_sweep(dirfd_);
    for (size_t i = 0; i < sizeof foreign / sizeof *foreign; i++)
        assert_true(there(foreign[i]));
    assert_true(there(".b.pmmseal.abcdef.tmp"));
    assert_false(there(".c.pmmseal.abcdef.tmp"));

    close(held); /* as at the death of its process */
    stale_sweep(dirfd_);
    assert_false(there(".b.pmmseal.abcdef.tmp"));
    for (size_t i = 0; i < sizeof foreign / sizeof *foreign; i++)
        assert_int_equal(unlinkat(dirfd_, foreign[i], 0), 0);
}

static void test_a_file_swept_before_it_was_held_is_noticed(void **state)
{
    (void)state;
    int fd = make(".d.pmmseal.abcdef.tmp");
    stale_sweep(dirfd_);
    assert_false(there(".d.pmmseal.abcdef.tmp"));
    assert_int_equal(stale_hold(fd), 0);
    close(fd);
    assert_int_equal(stale_hold(fd), -1); /* not to be looked at: no reason to go on */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_only_abandoned_temporary_archives_are_swept),
        cmocka_unit_test(test_a_file_swept_before_it_was_held_is_noticed),
    };
    if (mkdtemp(dir) == NULL)
        return 1;
    dirfd_ = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    close(dirfd_);
    rmdir(dir);
    return failed;
}
