/* What a path of an archive is, and the order that entries have. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <string.h>

#include "util/path.h"
#include "util/utc.h"

static void test_only_relative_paths_without_tricks_are_valid(void **state)
{
    (void)state;
    static const char *const good[] = {".",     "a", "a/b", "a b", "...",
                                       "a/..b", "-", "\n",  "\xff"};
    static const char *const bad[] = {"",     "/",    "/a",    "a/",  "a//b",   "..",
                                      "../a", "a/..", "a/./b", "./a", "a/../b", "./"};
    for (size_t i = 0; i < sizeof good / sizeof *good; i++)
        assert_true(path_valid(good[i], strlen(good[i])));
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        assert_false(path_valid(bad[i], strlen(bad[i])));
    assert_false(path_valid("a\0b", 3));
}

static void
test_a_directory_comes_before_its_content_and_its_content_before_the_rest(void **state)
{
    (void)state;
    static const char *const order[] = {".",  "a",   "a/b", "a/b/c", "a/b-c", "a/z",
                                        "a-", "a.b", "a0",  "b",     "\xff"};
    for (size_t i = 0; i < sizeof order / sizeof *order; i++)
        for (size_t j = 0; j < sizeof order / sizeof *order; j++) {
            int c = path_cmp(order[i], order[j]);
            assert_int_equal((c > 0) - (c < 0), (i > j) - (i < j));
        }
}

static void test_below_means_below_and_not_beside(void **state)
{
    (void)state;
    assert_true(path_below("a/b", "a"));
    assert_true(path_below("a", "a"));
    assert_true(path_below("anything", "."));
    assert_false(path_below("ab", "a"));
    assert_false(path_below("a", "a/b"));
}

static void test_control_bytes_are_escaped_and_the_buffer_is_kept_to(void **state)
{
    (void)state;
    char out[64], small[4];
    assert_string_equal(path_escape(out, sizeof out, "a\nb\\\x1b\x7f\xc3\xa4"),
                        "a\\nb\\\\\\033\\177\xc3\xa4");
    assert_string_equal(path_escape(small, sizeof small, "ab\n"), "ab");
}

static void test_times_are_written_and_read_as_utc(void **state)
{
    (void)state;
    char text[UTC_STAMP_SIZE];
    int64_t t;
    assert_string_equal(utc_stamp(text, 1795489644), "20261124T030724Z");
    assert_string_equal(utc_rfc3339(text, 1795489644), "2026-11-24T03:07:24Z");
    assert_int_equal(utc_parse(text, &t), 0);
    assert_int_equal(t, 1795489644);
    assert_int_equal(utc_parse("2026-11-24 03:07:24", &t), -1);
    assert_int_equal(utc_parse("2026-11-24T03:07:24Zx", &t), -1);
    assert_int_equal(utc_parse("2026-02-30T03:07:24Z", &t), -1);
    assert_int_equal(utc_parse("2026-02-28T23:59:60Z", &t), -1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_only_relative_paths_without_tricks_are_valid),
        cmocka_unit_test(
            test_a_directory_comes_before_its_content_and_its_content_before_the_rest),
        cmocka_unit_test(test_below_means_below_and_not_beside),
        cmocka_unit_test(test_control_bytes_are_escaped_and_the_buffer_is_kept_to),
        cmocka_unit_test(test_times_are_written_and_read_as_utc),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
