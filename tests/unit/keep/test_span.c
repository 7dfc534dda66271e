/* Spans of calendar time: what is taken for one, and where it leads back to. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <string.h>
#include <time.h>

#include "keep/span.h"
#include "util/utc.h"

static int64_t at(const char *text)
{
    int64_t t = 0;
    if (utc_parse(text, &t) != 0)
        fail_msg("no time: %s", text);
    return t;
}

static void test_a_span_is_numbers_with_units_in_order(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        struct span span;
    } good[] = {
        {"2y5m7d3h", {2, 5, 7, 3}},
        {"1y", {1, 0, 0, 0}},
        {"12m", {0, 12, 0, 0}},
        {"30d", {0, 0, 30, 0}},
        {"48h", {0, 0, 0, 48}},
        {"1y1h", {1, 0, 0, 1}},
        {"0y1d", {0, 0, 1, 0}},
        {"007d", {0, 0, 7, 0}},
        {"9999y9999m9999d9999h", {9999, 9999, 9999, 9999}},
    };
    for (size_t i = 0; i < sizeof good / sizeof *good; i++) {
        struct span s = {0};
        if (span_parse(good[i].text, &s) != 0)
            fail_msg("%s", good[i].text);
        assert_int_equal(s.years, good[i].span.years);
        assert_int_equal(s.months, good[i].span.months);
        assert_int_equal(s.days, good[i].span.days);
        assert_int_equal(s.hours, good[i].span.hours);
        assert_true(span_given(&s));
    }
}

static void test_what_is_no_span_is_refused_and_leaves_the_old_one(void **state)
{
    (void)state;
    static const char *const bad[] = {
        "",     "7",         "d",    "0d",   "0y0m0d0h", "7 d",
        " 7d",  "7d ",       "-7d",  "+7d",  "7D",       "1w",
        "7dd",  "1d1d",      "7d1y", "3h2d", "10000d",   "99999999999999999999d",
        "1.5d", "7d3",       "1y2",  "0x1d", "1d\n",     "7d3h1h",
        "1y2y", "\331\247d", "d7",   "1m1y", "1yd",      "4294967297h",
    };
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        struct span s = {1, 2, 3, 4};
        if (span_parse(bad[i], &s) != -1)
            fail_msg("taken for a span: '%s'", bad[i]);
        assert_int_equal(s.years, 1);
        assert_int_equal(s.hours, 4);
    }
    const struct span none = {0};
    assert_false(span_given(&none));
}

static void test_going_back_keeps_to_the_calendar(void **state)
{
    (void)state;
    static const struct {
        const char *from, *span, *to;
    } rows[] = {
        {"2026-11-24T03:07:24Z", "7d", "2026-11-17T03:07:24Z"},
        {"2026-11-24T03:07:24Z", "4h", "2026-11-23T23:07:24Z"},
        {"2026-11-24T03:07:24Z", "2y5m7d3h", "2024-06-17T00:07:24Z"},
        {"2026-01-15T00:00:00Z", "1m", "2025-12-15T00:00:00Z"},
        {"2026-01-15T00:00:00Z", "13m", "2024-12-15T00:00:00Z"},
        {"2026-12-31T23:59:59Z", "12m", "2025-12-31T23:59:59Z"},
        /* a day that the month does not have */
        {"2026-03-31T12:00:00Z", "1m", "2026-02-28T12:00:00Z"},
        {"2028-03-31T12:00:00Z", "1m", "2028-02-29T12:00:00Z"},
        {"2028-03-30T12:00:00Z", "1m", "2028-02-29T12:00:00Z"},
        {"2026-03-29T12:00:00Z", "1m", "2026-02-28T12:00:00Z"},
        {"2026-07-31T00:00:00Z", "1m", "2026-06-30T00:00:00Z"},
        {"2026-08-31T00:00:00Z", "1m", "2026-07-31T00:00:00Z"},
        /* leap days */
        {"2028-02-29T00:00:00Z", "1y", "2027-02-28T00:00:00Z"},
        {"2028-02-29T00:00:00Z", "4y", "2024-02-29T00:00:00Z"},
        {"2028-03-01T00:00:00Z", "1d", "2028-02-29T00:00:00Z"},
        {"2027-03-01T00:00:00Z", "1d", "2027-02-28T00:00:00Z"},
        {"2000-03-01T00:00:00Z", "1d", "2000-02-29T00:00:00Z"},
        {"2100-03-01T00:00:00Z", "1d", "2100-02-28T00:00:00Z"},
        {"2104-02-29T00:00:00Z", "4y", "2100-02-28T00:00:00Z"},
        /* the month first, then the days */
        {"2026-03-31T00:00:00Z", "1m1d", "2026-02-27T00:00:00Z"},
        /* before 1970 */
        {"1970-01-01T00:00:00Z", "1h", "1969-12-31T23:00:00Z"},
        {"1970-03-31T01:00:00Z", "1y1m", "1969-02-28T01:00:00Z"},
        {"1972-02-29T00:00:00Z", "72y", "1900-02-28T00:00:00Z"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct span s;
        char text[UTC_STAMP_SIZE];
        if (sizeof(time_t) <= 4 &&
            (strcmp(rows[i].from, "2038") > 0 || strcmp(rows[i].to, "1902") < 0))
            continue; /* util/utc does not reach it there */
        assert_int_equal(span_parse(rows[i].span, &s), 0);
        utc_rfc3339(text, span_before(&s, at(rows[i].from)));
        if (strcmp(text, rows[i].to) != 0)
            fail_msg("%s before %s: %s, not %s", rows[i].span, rows[i].from, text,
                     rows[i].to);
    }
}

static void test_every_day_of_eight_centuries_has_its_month(void **state)
{
    (void)state;
    bool wide = sizeof(time_t) > 4; /* else those that the C library knows, too */
    int64_t end = at(wide ? "2400-01-02T00:00:00Z" : "2038-01-01T00:00:00Z");
    int64_t from = at(wide ? "1600-01-01T00:00:00Z" : "1902-01-01T00:00:00Z");
    for (int64_t t = from; t < end; t += 86400) {
        struct tm tm;
        time_t noon = (time_t)t + 43200, last = (time_t)t + 86399;
        int64_t month;
        assert_non_null(gmtime_r(&noon, &tm));
        month = ((int64_t)tm.tm_year + 1900) * 12 + tm.tm_mon;
        if (span_month(t) != month || span_month(noon) != month ||
            span_month(last) != month)
            fail_msg("%lld", (long long)t);
    }
}

static void test_a_longer_span_never_leads_to_a_later_moment(void **state)
{
    (void)state;
    int64_t start = at("2023-12-25T23:30:00Z");
    for (int64_t t = start; t < start + (int64_t)1600 * 86400; t += 5 * 3600 + 7) {
        int64_t before = t;
        for (unsigned m = 1; m < 30; m++) {
            const struct span s = {.months = m}, more = {.months = m, .hours = 1};
            int64_t then = span_before(&s, t);
            assert_true(then < before);
            assert_true(span_before(&more, t) < then);
            before = then;
        }
    }
}

static void test_no_time_and_no_span_is_too_much(void **state)
{
    (void)state;
    const struct span most = {9999, 9999, 9999, 9999}, none = {0};
    assert_int_equal(span_before(&none, INT64_MAX), INT64_MAX);
    assert_true(span_before(&most, INT64_MAX) < INT64_MAX);
    assert_true(span_before(&most, INT64_MIN / 2) < INT64_MIN / 2);
    assert_int_equal(span_before(&most, INT64_MIN), INT64_MIN);
    assert_true(span_month(INT64_MIN) < span_month(INT64_MAX));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_span_is_numbers_with_units_in_order),
        cmocka_unit_test(test_what_is_no_span_is_refused_and_leaves_the_old_one),
        cmocka_unit_test(test_going_back_keeps_to_the_calendar),
        cmocka_unit_test(test_every_day_of_eight_centuries_has_its_month),
        cmocka_unit_test(test_a_longer_span_never_leads_to_a_later_moment),
        cmocka_unit_test(test_no_time_and_no_span_is_too_much),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
