#include "cli/human.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

static void test_sizes_have_three_digits_that_count(void **state)
{
    (void)state;
    static const struct {
        uint64_t n;
        const char *text;
    } cases[] = {
        {0, "0 B"},
        {1023, "1023 B"},
        {1024, "1.00 KiB"},
        {10239, "10.0 KiB"},
        {1024 * 1024 - 1, "1.00 MiB"},
        {290ull << 20, "290 MiB"},
        {1181116006, "1.10 GiB"},
        {UINT64_MAX, "16.0 EiB"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        char out[HUMAN_SIZE];
        assert_string_equal(human_bytes(out, cases[i].n), cases[i].text);
    }
}

static void test_durations_read_like_a_person_says_them(void **state)
{
    (void)state;
    static const struct {
        double s;
        const char *text;
    } cases[] = {
        {-1, "0.00 s"},         {0.04, "0.04 s"},      {0.999, "1.0 s"},
        {3.42, "3.4 s"},        {59.96, "1 min 00 s"}, {125, "2 min 05 s"},
        {3599.7, "1 h 00 min"}, {3720, "1 h 02 min"},  {90000, "25 h 00 min"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        char out[HUMAN_SIZE];
        assert_string_equal(human_seconds(out, cases[i].s), cases[i].text);
    }
}

static void test_clocks_run_down_in_minutes_then_hours(void **state)
{
    char out[HUMAN_SIZE];
    (void)state;
    assert_string_equal(human_clock(out, 7), "0:07");
    assert_string_equal(human_clock(out, 754), "12:34");
    assert_string_equal(human_clock(out, 3723), "1:02:03");
    assert_string_equal(human_clock(out, 360000), "100:00:00");
}

static void test_a_rate_over_no_time_is_still_a_number(void **state)
{
    char out[HUMAN_SIZE];
    (void)state;
    assert_string_equal(human_rate(out, 330ull << 20, 1), "330 MiB/s");
    assert_string_equal(human_rate(out, 0, 0), "0 B/s");
    assert_non_null(strstr(human_rate(out, UINT64_MAX, 0), "/s"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_sizes_have_three_digits_that_count),
        cmocka_unit_test(test_durations_read_like_a_person_says_them),
        cmocka_unit_test(test_clocks_run_down_in_minutes_then_hours),
        cmocka_unit_test(test_a_rate_over_no_time_is_still_a_number),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
