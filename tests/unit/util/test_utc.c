/* Times as text, and back. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <time.h>

#include "util/utc.h"

static void test_a_time_is_written_and_read_back(void **state)
{
    (void)state;
    char text[UTC_STAMP_SIZE];
    int64_t t = 0;
    assert_string_equal(utc_rfc3339(text, 1795489644), "2026-11-24T03:07:24Z");
    assert_int_equal(utc_parse(text, &t), 0);
    assert_int_equal(t, 1795489644);
    assert_string_equal(utc_stamp(text, 1795489644), "20261124T030724Z");
    assert_string_equal(utc_rfc3339(text, -1), "1969-12-31T23:59:59Z");
    assert_int_equal(utc_parse("2026-02-30T00:00:00Z", &t), -1);
    assert_int_equal(utc_parse("2026-02-28T00:00:00", &t), -1);
    assert_int_equal(t, 1795489644);
}

/* The time of a slot is read before anything is authentic: it may be any number. */
static void test_a_time_beyond_the_calendar_is_no_other_time(void **state)
{
    (void)state;
    static const int64_t beyond[] = {INT64_MAX, INT64_MIN, 1ll << 62};
    char text[UTC_STAMP_SIZE];
    for (size_t i = 0; i < sizeof beyond / sizeof *beyond; i++) {
        assert_string_equal(utc_rfc3339(text, beyond[i]), "?");
        assert_string_equal(utc_stamp(text, beyond[i]), "?");
    }
    assert_string_equal(utc_rfc3339(text, 1ll << 32),
                        sizeof(time_t) > 4 ? "2106-02-07T06:28:16Z" : "?");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_time_is_written_and_read_back),
        cmocka_unit_test(test_a_time_beyond_the_calendar_is_no_other_time),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
