#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "store/archives.h"
#include "store/rmtree.h"

static void test_names_are_plain_words(void **state)
{
    (void)state;
    char longest[102];
    memset(longest, 'a', 101);
    longest[101] = '\0';
    assert_true(archives_name_ok("pmm-data"));
    assert_true(archives_name_ok("A.b_c-9"));
    assert_false(archives_name_ok(""));
    assert_false(archives_name_ok(".x"));
    assert_false(archives_name_ok("-x"));
    assert_false(archives_name_ok("a/b"));
    assert_false(archives_name_ok("a b"));
    assert_false(archives_name_ok("\xC3\xA4"));
    assert_false(archives_name_ok(longest));
    longest[100] = '\0';
    assert_true(archives_name_ok(longest));
}

static void test_a_file_name_has_name_and_time(void **state)
{
    (void)state;
    struct err err = {0};
    char *f = archives_file_name("pmm-data", 1795489644, &err);
    assert_string_equal(f, "pmm-data-20261124T030724Z.pmmseal");
    assert_true(archives_is(f, "pmm-data"));
    assert_false(archives_is(f, "pmm"));
    assert_false(archives_is(f, "pmm-dat"));
    char *g = archives_numbered(f, 2, &err);
    assert_string_equal(g, "pmm-data-20261124T030724Z-2.pmmseal");
    assert_true(archives_is(g, "pmm-data"));
    free(f);
    free(g);
}

static void test_look_alikes_are_not_archives(void **state)
{
    (void)state;
    static const char *const bad[] = {
        "a-20261124T030724Z",
        "a-20261124T030724Z.pmmsea",
        "a-20261124T030724Z.pmmseal.tmp",
        ".a-20261124T030724Z.pmmseal.abcdef.tmp",
        "a-20261124T030724.pmmseal",
        "a-2026112T0307244Z.pmmseal",
        "a-20261124T030724Z-.pmmseal",
        "a-20261124T030724Z-1.pmmseal",
        "a-20261124T030724Z-02.pmmseal",
        "a-20261124T030724Z-x.pmmseal",
        "a-20261124T030724Z-2x.pmmseal",
        "a-20261124T030724Z-9999999.pmmseal",
        "a-.pmmseal",
        "a",
        "",
        ".pmmseal",
        "a-b-20261124T030724Z.pmmseal",
        "a-20261124T030724Z-20271124T030724Z.pmmseal",
    };
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
        if (archives_is(bad[i], "a"))
            fail_msg("%s", bad[i]);
}

static void test_a_directory_lists_newest_first(void **state)
{
    (void)state;
    struct err err = {0};
    static const char *const made[] = {
        "a-20260101T000000Z.pmmseal",   "a-20260102T000000Z-10.pmmseal",
        "a-20260102T000000Z.pmmseal",   "a-20260102T000000Z-2.pmmseal",
        "a-b-20270102T000000Z.pmmseal", "other",
        "a-20251231T235959Z.pmmseal",
    };
    static const char *const order[] = {
        "a-20260102T000000Z-10.pmmseal", "a-20260102T000000Z-2.pmmseal",
        "a-20260102T000000Z.pmmseal",    "a-20260101T000000Z.pmmseal",
        "a-20251231T235959Z.pmmseal",
    };
    char dir[] = "/tmp/archives.XXXXXX";
    assert_non_null(mkdtemp(dir));
    int fd = open(dir, O_RDONLY | O_DIRECTORY);
    for (size_t i = 0; i < sizeof made / sizeof made[0]; i++)
        close(openat(fd, made[i], O_WRONLY | O_CREAT, 0600));
    char **list;
    assert_int_equal(archives_list(fd, "a", &list, &err), 0);
    size_t i;
    for (i = 0; list[i] != NULL; i++)
        assert_string_equal(list[i], order[i]);
    assert_int_equal(i, 5);
    archives_list_free(list);
    assert_int_equal(archives_list(fd, "none", &list, &err), 0);
    assert_null(list[0]);
    archives_list_free(list);
    archives_list_free(NULL);
    close(fd);
    assert_int_equal(rmtree_at(AT_FDCWD, dir, &err), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_names_are_plain_words),
        cmocka_unit_test(test_a_file_name_has_name_and_time),
        cmocka_unit_test(test_look_alikes_are_not_archives),
        cmocka_unit_test(test_a_directory_lists_newest_first),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
