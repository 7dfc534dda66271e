/* What retention keeps, and why: by examples, by a second way of working it out, and by
 * what must hold whatever the archives are. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "keep/keep.h"
#include "util/utc.h"

#define MANY UINT_MAX
#define ROW  16 /* archives in a row of a table */

static int64_t at(const char *text)
{
    int64_t t = 0;
    if (utc_parse(text, &t) != 0)
        fail_msg("no time: %s", text);
    return t;
}

/* ---- by examples ---- */

/* `is`: blank or any of v verified, l of a live server, w with warnings, f foreign, 2
 * to 9 the number. */
struct example {
    const char *time, *is, *why;
};

struct row {
    const char *what;
    struct keep_rules rules;
    const char *now;
    unsigned max;
    struct example archives[ROW];
};

static struct keep_archive archive_of(const struct example *e)
{
    const char *digit = strpbrk(e->is, "23456789");
    return (struct keep_archive){
        .time = at(e->time),
        .number = digit != NULL ? (unsigned)(*digit - '0') : 1,
        .authenticated = strchr(e->is, 'f') == NULL,
        .consistent = strchr(e->is, 'l') == NULL,
        .clean = strchr(e->is, 'w') == NULL,
        .verified = strchr(e->is, 'v') != NULL,
        .why = UINT_MAX, /* whatever was there */
    };
}

static void text_is(const struct row *row, const char *time, unsigned why,
                    const char *expected)
{
    struct buf text = {0};
    assert_int_equal(keep_why_text(why, &text), 0);
    assert_int_equal(buf_add(&text, "", 1), 0);
    if (strcmp((const char *)text.p, expected) != 0)
        fail_msg("%s: %s: '%s', not '%s'", row->what, time, (const char *)text.p,
                 expected);
    buf_free(&text);
}

static void check(const struct row *row)
{
    struct keep_archive archives[ROW];
    size_t n = 0, deleted = 0;
    for (; n < ROW && row->archives[n].time != NULL; n++) {
        archives[n] = archive_of(&row->archives[n]);
        deleted += strcmp(row->archives[n].why, "-") == 0;
    }
    size_t got = keep_decide(&row->rules, at(row->now), row->max, archives, n);
    for (size_t i = 0; i < n; i++)
        text_is(row, row->archives[i].time, archives[i].why, row->archives[i].why);
    if (got != deleted)
        fail_msg("%s: %zu deleted, not %zu", row->what, got, deleted);
}

#define CHECK_ROWS(rows)                                                               \
    for (size_t row_ = 0; row_ < sizeof(rows) / sizeof *(rows); row_++)                \
    check(&(rows)[row_])

static void test_each_rule_keeps_the_newest_of_each_period_that_has_any(void **state)
{
    (void)state;
    static const struct row rows[] = {
        {"last",
         {.last = 2},
         "2026-11-24T12:00:00Z",
         MANY,
         {{"2026-11-24T03:00:00Z", "", "last, newest consistent"},
          {"2026-11-24T02:00:00Z", "", "last"},
          {"2026-11-23T03:00:00Z", "", "-"},
          {"2026-11-22T03:00:00Z", "", "-"}}},
        {"hourly",
         {.hourly = 3},
         "2026-11-24T12:00:00Z",
         MANY,
         {{"2026-11-24T11:59:59Z", "", "hourly, newest consistent"},
          {"2026-11-24T11:00:00Z", "", "-"},
          {"2026-11-24T10:59:59Z", "", "hourly"},
          {"2026-11-20T10:59:59Z", "", "hourly"},
          {"2026-11-20T09:59:59Z", "", "-"}}},
        {"daily",
         {.daily = 3},
         "2026-11-24T12:00:00Z",
         MANY,
         {{"2026-11-24T03:00:00Z", "", "daily, newest consistent"},
          {"2026-11-24T00:00:00Z", "", "-"},
          {"2026-11-23T23:59:59Z", "", "daily"},
          {"2026-11-01T03:00:00Z", "", "daily"},
          {"2026-10-31T03:00:00Z", "", "-"}}},
        {"monthly",
         {.monthly = 2},
         "2026-11-24T12:00:00Z",
         MANY,
         {{"2026-11-01T00:00:00Z", "", "monthly, newest consistent"},
          {"2026-10-31T23:59:59Z", "", "monthly"},
          {"2026-10-01T00:00:00Z", "", "-"},
          {"2025-11-01T00:00:00Z", "", "-"}}},
        {"the same month of two years",
         {.monthly = 2},
         "2026-11-24T12:00:00Z",
         MANY,
         {{"2026-11-01T00:00:00Z", "", "monthly, newest consistent"},
          {"2025-11-01T00:00:00Z", "", "monthly"}}},
        {"yearly",
         {.yearly = 3},
         "2027-01-02T00:00:00Z",
         MANY,
         {{"2027-01-01T00:00:00Z", "", "yearly, newest consistent"},
          {"2026-12-31T23:59:59Z", "", "yearly"},
          {"2026-01-01T00:00:00Z", "", "-"},
          {"2020-06-01T00:00:00Z", "", "yearly"},
          {"2019-06-01T00:00:00Z", "", "-"}}},
        {"several at once",
         {.last = 1, .daily = 2, .monthly = 2},
         "2026-11-24T12:00:00Z",
         MANY,
         {{"2026-11-24T03:00:00Z", "v",
           "last, daily, monthly, newest consistent, newest verified"},
          {"2026-11-23T03:00:00Z", "", "daily"},
          {"2026-11-22T03:00:00Z", "v", "-"},
          {"2026-10-31T03:00:00Z", "", "monthly"}}},
    };
    CHECK_ROWS(rows);
}

static void test_weeks_are_those_of_iso_8601_over_the_ends_of_years(void **state)
{
    (void)state;
    static const struct row rows[] = {
        {"2026-W53 goes on until Sunday, January 3, 2027",
         {.weekly = 3},
         "2027-01-05T00:00:00Z",
         MANY,
         {{"2027-01-04T00:00:00Z", "", "weekly, newest consistent"}, /* W01 */
          {"2027-01-03T23:59:59Z", "", "weekly"},                    /* W53 */
          {"2027-01-01T00:00:00Z", "", "-"},
          {"2026-12-31T00:00:00Z", "", "-"},
          {"2026-12-28T00:00:00Z", "", "-"},
          {"2026-12-27T23:59:59Z", "", "weekly"}, /* W52 */
          {"2026-12-20T23:59:59Z", "", "-"}}},
        {"2024-12-30 is in 2025-W01",
         {.weekly = 2},
         "2025-01-05T23:59:59Z",
         MANY,
         {{"2025-01-05T00:00:00Z", "", "weekly, newest consistent"},
          {"2024-12-31T00:00:00Z", "", "-"},
          {"2024-12-30T00:00:00Z", "", "-"},
          {"2024-12-29T23:59:59Z", "", "weekly"},
          {"2024-12-23T00:00:00Z", "", "-"}}},
        {"the first week of one year is not that of the other",
         {.weekly = 2},
         "2026-01-02T00:00:00Z",
         MANY,
         {{"2025-12-29T00:00:00Z", "", "weekly, newest consistent"}, /* 2026-W01 */
          {"2025-01-01T00:00:00Z", "", "weekly"}}},                  /* 2025-W01 */
    };
    CHECK_ROWS(rows);
}

static void test_leap_days_are_days(void **state)
{
    (void)state;
    static const struct row rows[] = {
        {"a leap day",
         {.daily = 3},
         "2028-03-01T12:00:00Z",
         MANY,
         {{"2028-03-01T00:00:00Z", "", "daily, newest consistent"},
          {"2028-02-29T23:59:59Z", "", "daily"},
          {"2028-02-29T00:00:00Z", "", "-"},
          {"2028-02-28T23:59:59Z", "", "daily"},
          {"2028-02-27T23:59:59Z", "", "-"}}},
        {"the end of a leap February",
         {.monthly = 2},
         "2028-03-01T12:00:00Z",
         MANY,
         {{"2028-03-01T00:00:00Z", "", "monthly, newest consistent"},
          {"2028-02-29T23:59:59Z", "", "monthly"},
          {"2028-02-28T23:59:59Z", "", "-"}}},
        {"a year before a leap day",
         {.within = {.years = 1}},
         "2028-02-29T12:00:00Z",
         MANY,
         {{"2028-02-29T03:00:00Z", "", "within, newest consistent"},
          {"2028-02-28T03:00:00Z", "", "within"},
          {"2027-02-28T03:00:00Z", "", "within"},
          {"2027-02-28T02:59:59Z", "", "-"}}},
    };
    CHECK_ROWS(rows);
}

static void test_two_of_one_second_are_told_apart_by_their_number(void **state)
{
    (void)state;
    static const struct row rows[] = {
        {"numbers",
         {.last = 2},
         "2026-11-24T12:00:00Z",
         MANY,
         {{"2026-11-24T03:00:00Z", "", "-"},
          {"2026-11-24T03:00:00Z", "3", "last, newest consistent"},
          {"2026-11-24T03:00:00Z", "2", "last"}}},
        {"numbers on a day",
         {.daily = 2},
         "2026-11-24T12:00:00Z",
         MANY,
         {{"2026-11-24T03:00:00Z", "v", "newest verified"},
          {"2026-11-24T03:00:00Z", "2", "daily, newest consistent"}}},
        {"of two that even the number does not tell apart, the better one stays",
         {.last = 1},
         "2026-11-24T12:00:00Z",
         MANY,
         {{"2026-11-24T03:00:00Z", "", "-"},
          {"2026-11-24T03:00:00Z", "v", "last, newest consistent, newest verified"},
          {"2026-11-24T03:00:00Z", "lv", "-"}}},
    };
    CHECK_ROWS(rows);
}

static void test_an_archive_from_the_future_stays_and_displaces_nothing(void **state)
{
    (void)state;
    static const struct row rows[] = {
        {"the future",
         {.last = 1},
         "2026-11-24T12:00:00Z",
         MANY,
         {{"2030-01-01T00:00:00Z", "v", "from the future"},
          {"2026-11-24T13:00:01Z", "", "from the future"},
          {"2026-11-24T13:00:00Z", "",
           "last, newest consistent"}, /* within the slack */
          {"2026-11-24T03:00:00Z", "v", "newest verified"},
          {"2026-11-23T03:00:00Z", "", "-"}}},
        {"the clock was wrong for some nights, and is right again",
         {.daily = 2, .within = {.days = 2}},
         "2026-11-24T12:00:00Z",
         MANY,
         {{"2027-11-21T03:00:00Z", "", "from the future"},
          {"2027-11-22T03:00:00Z", "", "from the future"},
          {"2026-11-24T03:00:00Z", "", "daily, within, newest consistent"},
          {"2026-11-23T03:00:00Z", "", "daily, within"},
          {"2026-11-22T02:00:00Z", "", "-"}}},
        {"the clock went back by a day: the times count, not the order of making",
         {.daily = 2},
         "2026-11-24T12:00:00Z",
         MANY,
         {{"2026-11-22T03:00:00Z", "", "-"},
          {"2026-11-23T03:00:00Z", "", "-"},
          {"2026-11-24T03:00:00Z", "", "daily, newest consistent"},
          {"2026-11-23T04:00:00Z", "", "daily"}}},
        {"the clock is at its beginning: all is from the future",
         {.last = 1},
         "1970-01-01T00:00:10Z",
         MANY,
         {{"2026-11-24T03:00:00Z", "", "from the future"},
          {"2026-11-23T03:00:00Z", "", "from the future"},
          {"1970-01-01T00:00:00Z", "", "last, newest consistent"}}},
    };
    CHECK_ROWS(rows);
}

static void test_archives_of_a_live_server_displace_no_consistent_one(void **state)
{
    (void)state;
    static const struct row rows[] = {
        {"newer inconsistent ones",
         {.last = 2},
         "2026-11-24T12:00:00Z",
         MANY,
         {{"2026-11-24T03:00:00Z", "l", "last"},
          {"2026-11-23T03:00:00Z", "l", "last"},
          {"2026-11-22T03:00:00Z", "l", "-"},
          {"2026-11-21T03:00:00Z", "", "last, newest consistent"},
          {"2026-11-20T03:00:00Z", "", "last"},
          {"2026-11-19T03:00:00Z", "", "-"}}},
        {"on one day, both",
         {.daily = 1},
         "2026-11-24T12:00:00Z",
         MANY,
         {{"2026-11-24T04:00:00Z", "l", "daily"},
          {"2026-11-24T03:00:00Z", "", "daily, newest consistent"}}},
        {"a consistent one takes the place of an older inconsistent one",
         {.daily = 2},
         "2026-11-24T12:00:00Z",
         MANY,
         {{"2026-11-24T04:00:00Z", "", "daily, newest consistent"},
          {"2026-11-24T03:00:00Z", "l", "-"},
          {"2026-11-23T03:00:00Z", "l", "daily"},
          {"2026-11-22T03:00:00Z", "", "daily"}}},
        {"years of inconsistent ones do not pile up",
         {.within = {.days = 2}},
         "2026-11-24T12:00:00Z",
         MANY,
         {{"2026-11-24T03:00:00Z", "l", "within"},
          {"2026-11-23T03:00:00Z", "l", "within"},
          {"2026-11-20T03:00:00Z", "l", "-"},
          {"2025-11-20T03:00:00Z", "", "within, newest consistent"},
          {"2025-11-19T03:00:00Z", "", "within"},
          {"2025-11-17T03:00:00Z", "", "-"}}},
        {"only inconsistent ones, the verified one among them",
         {.last = 1},
         "2026-11-24T12:00:00Z",
         MANY,
         {{"2026-11-24T03:00:00Z", "l", "last"},
          {"2026-11-23T03:00:00Z", "lv", "newest verified"},
          {"2026-11-22T03:00:00Z", "lv", "-"}}},
    };
    CHECK_ROWS(rows);
}

static void test_what_cannot_be_authenticated_stays_and_does_not_count(void **state)
{
    (void)state;
    static const struct row rows[] = {
        {"foreign ones between",
         {.last = 1},
         "2026-11-24T12:00:00Z",
         MANY,
         {{"2030-11-24T03:00:00Z", "f", "not authenticated"},
          {"2026-11-24T03:00:00Z", "fv", "not authenticated"},
          {"2026-11-23T03:00:00Z", "", "last, newest consistent"},
          {"2026-11-22T03:00:00Z", "f", "not authenticated"},
          {"2026-11-21T03:00:00Z", "", "-"}}},
        {"nothing authenticated: nothing goes",
         {.last = 1},
         "2026-11-24T12:00:00Z",
         MANY,
         {{"2026-11-24T03:00:00Z", "f", "not authenticated"},
          {"2026-11-23T03:00:00Z", "fl", "not authenticated"},
          {"2026-11-22T03:00:00Z", "fv", "not authenticated"}}},
        {"nothing at all", {.last = 1}, "2026-11-24T12:00:00Z", MANY, {{NULL, "", ""}}},
    };
    CHECK_ROWS(rows);
}

static void test_the_newest_without_warnings_stays_whatever_the_rules_say(void **state)
{
    (void)state;
    static const struct row rows[] = {
        {"a database that could not be read any more",
         {.daily = 2},
         "2026-11-24T12:00:00Z",
         MANY,
         {{"2026-11-24T03:00:00Z", "w", "daily, newest consistent"},
          {"2026-11-23T03:00:00Z", "w", "daily"},
          {"2026-11-22T03:00:00Z", "w", "-"},
          {"2026-11-21T03:00:00Z", "l", "-"},
          {"2026-11-20T03:00:00Z", "", "newest without warnings"},
          {"2026-11-19T03:00:00Z", "", "-"}}},
    };
    CHECK_ROWS(rows);
}

static void test_one_night_with_a_wrong_clock_costs_no_history(void **state)
{
    (void)state;
    static const struct row rows[] = {
        {"a year ahead",
         {.within = {.days = 2}},
         "2027-11-24T12:00:00Z",
         MANY,
         {{"2027-11-24T03:00:00Z", "", "within, newest consistent"},
          {"2026-11-23T03:00:00Z", "", "within"},
          {"2026-11-22T03:00:00Z", "", "within"},
          {"2026-11-20T03:00:00Z", "", "-"}}},
        {"two nights: it was the job that was off",
         {.within = {.days = 2}},
         "2027-11-24T12:00:00Z",
         MANY,
         {{"2027-11-24T03:00:00Z", "", "within, newest consistent"},
          {"2027-11-23T03:00:00Z", "", "within"},
          {"2026-11-22T03:00:00Z", "", "-"}}},
    };
    CHECK_ROWS(rows);
}

static void test_the_newest_verified_stays_whatever_the_rules_say(void **state)
{
    (void)state;
    static const struct row rows[] = {
        {"an old proof",
         {.daily = 2},
         "2026-11-24T12:00:00Z",
         MANY,
         {{"2026-11-24T03:00:00Z", "", "daily, newest consistent"},
          {"2026-11-23T03:00:00Z", "", "daily"},
          {"2026-11-22T03:00:00Z", "", "-"},
          {"2020-11-21T03:00:00Z", "v", "newest verified"},
          {"2020-11-20T03:00:00Z", "v", "-"}}},
        {"a proof of one that does not count takes no other's place",
         {.last = 1},
         "2026-11-24T12:00:00Z",
         MANY,
         {{"2026-11-24T03:00:00Z", "lv", "last, newest verified"},
          {"2026-11-23T03:00:00Z", "", "last, newest consistent"},
          {"2026-11-22T03:00:00Z", "lv", "-"},
          {"2026-11-21T03:00:00Z", "v", "newest verified"},
          {"2026-11-20T03:00:00Z", "v", "-"}}},
    };
    CHECK_ROWS(rows);
}

static void test_within_counts_from_the_newest_that_counts_not_from_now(void **state)
{
    (void)state;
    static const struct row rows[] = {
        {"a job that has stopped for a year eats nothing",
         {.within = {.days = 7}},
         "2027-11-24T12:00:00Z",
         MANY,
         {{"2026-11-24T03:00:00Z", "", "within, newest consistent"},
          {"2026-11-20T03:00:00Z", "", "within"},
          {"2026-11-17T03:00:00Z", "", "within"}, /* exactly so old */
          {"2026-11-17T02:59:59Z", "", "-"}}},
        {"neither foreign ones nor the future are where it begins",
         {.within = {.days = 7}},
         "2026-11-24T12:00:00Z",
         MANY,
         {{"2027-11-24T03:00:00Z", "", "from the future"},
          {"2026-11-24T03:00:00Z", "f", "not authenticated"},
          {"2026-11-10T03:00:00Z", "", "within, newest consistent"},
          {"2026-11-03T03:00:00Z", "", "within"},
          {"2026-11-02T03:00:00Z", "", "-"}}},
        {"nor is one of a live server, for the consistent ones",
         {.within = {.days = 7}},
         "2026-11-24T12:00:00Z",
         MANY,
         {{"2026-11-24T03:00:00Z", "l", "within"},
          {"2026-11-10T03:00:00Z", "", "within, newest consistent"},
          {"2026-11-03T03:00:00Z", "", "within"}}},
        {"a month back from the 31st",
         {.within = {.months = 1}},
         "2026-03-31T12:00:00Z",
         MANY,
         {{"2026-03-31T03:00:00Z", "", "within, newest consistent"},
          {"2026-03-30T03:00:00Z", "", "within"},
          {"2026-02-28T03:00:00Z", "", "within"},
          {"2026-02-28T02:00:00Z", "", "-"}}},
    };
    CHECK_ROWS(rows);
}

static void test_a_cap_spares_the_newest_of_what_would_go(void **state)
{
    (void)state;
    static const struct row rows[] = {
        {"two of four",
         {.last = 1},
         "2026-11-24T12:00:00Z",
         2,
         {{"2026-11-20T03:00:00Z", "", "-"},
          {"2026-11-24T03:00:00Z", "", "last, newest consistent"},
          {"2026-11-22T03:00:00Z", "", "enough deleted"},
          {"2026-11-23T03:00:00Z", "l", "enough deleted"},
          {"2026-11-21T03:00:00Z", "", "-"},
          {"2026-11-19T03:00:00Z", "f", "not authenticated"}}},
        {"none",
         {.last = 1},
         "2026-11-24T12:00:00Z",
         0,
         {{"2026-11-24T03:00:00Z", "", "last, newest consistent"},
          {"2026-11-23T03:00:00Z", "", "enough deleted"}}},
        {"just enough",
         {.last = 1},
         "2026-11-24T12:00:00Z",
         1,
         {{"2026-11-24T03:00:00Z", "", "last, newest consistent"},
          {"2026-11-23T03:00:00Z", "", "-"}}},
    };
    CHECK_ROWS(rows);
}

static void test_without_a_rule_nothing_goes(void **state)
{
    (void)state;
    static const struct row rows[] = {
        {"no rule",
         {.last = 0},
         "2026-11-24T12:00:00Z",
         MANY,
         {{"2026-11-24T03:00:00Z", "v", "newest consistent, newest verified, no rule"},
          {"2026-11-23T03:00:00Z", "", "no rule"},
          {"2026-11-22T03:00:00Z", "l", "no rule"},
          {"2026-11-21T03:00:00Z", "f", "not authenticated"}}},
    };
    CHECK_ROWS(rows);
    assert_false(keep_rules_given(&rows[0].rules));
    static const struct keep_rules given[] = {
        {.last = 1},    {.hourly = 1}, {.daily = 1},           {.weekly = 1},
        {.monthly = 1}, {.yearly = 1}, {.within = {.days = 1}}};
    for (size_t i = 0; i < sizeof given / sizeof *given; i++)
        assert_true(keep_rules_given(&given[i]));
}

/* ---- night after night ---- */

static void test_forty_nights_leave_seven_days_and_four_weeks(void **state)
{
    (void)state;
    static const struct keep_rules rules = {.daily = 7, .weekly = 4};
    static const char *const left[] = {
        "2026-11-24T03:00:00Z", "2026-11-23T03:00:00Z", "2026-11-22T03:00:00Z",
        "2026-11-21T03:00:00Z", "2026-11-20T03:00:00Z", "2026-11-19T03:00:00Z",
        "2026-11-18T03:00:00Z", "2026-11-15T03:00:00Z", "2026-11-08T03:00:00Z"};
    struct keep_archive a[64];
    size_t n = 0;
    int64_t first = at("2026-10-16T03:00:00Z"), last = at("2026-11-24T03:00:00Z");
    unsigned nights = 0;
    for (int64_t t = first; t <= last; t += 86400, nights++) {
        memmove(a + 1, a, n * sizeof *a);
        a[0] = (struct keep_archive){
            .time = t, .number = 1, .authenticated = true, .consistent = true};
        n++;
        size_t deleted = keep_decide(&rules, t + 600, 10, a, n), kept = 0;
        assert_true(deleted <= 2); /* the day that is over, and a week on Mondays */
        for (size_t i = 0; i < n; i++)
            if (a[i].why != 0)
                a[kept++] = a[i];
        assert_int_equal(kept, n - deleted);
        n = kept;
        for (unsigned day = 0; day < 7 && day <= nights; day++)
            assert_int_equal(a[day].time, t - (int64_t)day * 86400);
    }
    assert_int_equal(nights, 40);
    assert_int_equal(n, sizeof left / sizeof *left);
    for (size_t i = 0; i < n; i++)
        assert_int_equal(a[i].time, at(left[i]));
}

/* ---- whatever the archives are ---- */

#define MOST   24u
#define ROUNDS 4000u

struct luck {
    uint64_t x;
};

static unsigned draw(struct luck *l, unsigned below)
{
    l->x = l->x * 6364136223846793005u + 1442695040888963407u;
    return (unsigned)(l->x >> 33) % below;
}

static size_t draw_archives(struct luck *l, int64_t now, struct keep_archive *a)
{
    static const int64_t spread[] = {1, 600, 7000, 90000, 700000, 3000000, 40000000};
    size_t n = draw(l, MOST + 1);
    int64_t unit = spread[draw(l, sizeof spread / sizeof *spread)];
    for (size_t i = 0; i < n; i++)
        a[i] = (struct keep_archive){
            .time = now - ((int64_t)draw(l, 30) - 2) * unit + (int64_t)draw(l, 3) - 1,
            .number = 1 + draw(l, 3),
            .authenticated = draw(l, 8) != 0,
            .consistent = draw(l, 3) != 0,
            .verified = draw(l, 3) == 0,
            .clean = draw(l, 3) != 0,
            .why = draw(l, 1000),
        };
    return n;
}

static unsigned maybe(struct luck *l)
{
    return draw(l, 3) == 0 ? 1 + draw(l, 5) : 0;
}

static struct keep_rules draw_rules(struct luck *l)
{
    struct keep_rules r = {maybe(l), maybe(l), maybe(l), maybe(l),
                           maybe(l), maybe(l), {0}};
    if (draw(l, 3) == 0)
        r.within = (struct span){maybe(l), maybe(l), maybe(l), maybe(l)};
    if (!keep_rules_given(&r))
        r.last = 1;
    return r;
}

static int64_t draw_now(struct luck *l)
{
    return at("2024-12-20T00:00:00Z") + (int64_t)draw(l, 40000000);
}

static bool future(const struct keep_archive *a, int64_t now)
{
    return a->time > now + KEEP_FUTURE_SLACK;
}

static bool is_newer(const struct keep_archive *x, const struct keep_archive *y)
{
    return x->time != y->time ? x->time > y->time : x->number > y->number;
}

static void test_what_the_header_forbids_to_delete_is_never_deleted(void **state)
{
    (void)state;
    struct luck l = {1};
    struct keep_archive a[MOST];
    for (unsigned round = 0; round < ROUNDS; round++) {
        int64_t now = draw_now(&l);
        size_t n = draw_archives(&l, now, a), gone = 0;
        struct keep_rules rules = draw_rules(&l);
        unsigned max = draw(&l, 2) ? MANY : draw(&l, 6);
        size_t deleted = keep_decide(&rules, now, max, a, n);
        const struct keep_archive *consistent = NULL, *verified = NULL, *both = NULL;
        bool consistent_left = false, verified_left = false, both_left = false;
        for (size_t i = 0; i < n; i++) {
            gone += a[i].why == 0;
            if (!a[i].authenticated || future(&a[i], now)) {
                assert_int_not_equal(a[i].why, 0);
                continue;
            }
            if (a[i].consistent && (!consistent || is_newer(&a[i], consistent)))
                consistent = &a[i];
            if (a[i].verified && (!verified || is_newer(&a[i], verified)))
                verified = &a[i];
            if (a[i].consistent && a[i].verified && (!both || is_newer(&a[i], both)))
                both = &a[i];
        }
        assert_int_equal(deleted, gone);
        assert_true(deleted <= max);
        /* Of two of one second and number, one of them. */
        for (size_t i = 0; i < n; i++) {
            if (a[i].why == 0 || !a[i].authenticated)
                continue;
            consistent_left |= consistent != NULL && a[i].consistent &&
                               !is_newer(consistent, &a[i]) && !future(&a[i], now);
            verified_left |= verified != NULL && a[i].verified &&
                             !is_newer(verified, &a[i]) && !future(&a[i], now);
            both_left |= both != NULL && a[i].consistent && a[i].verified &&
                         !is_newer(both, &a[i]) && !future(&a[i], now);
        }
        assert_true(consistent == NULL || consistent_left);
        assert_true(verified == NULL || verified_left);
        assert_true(both == NULL || both_left);
    }
}

static void test_a_second_time_deletes_nothing_more(void **state)
{
    (void)state;
    struct luck l = {2};
    struct keep_archive a[MOST];
    for (unsigned round = 0; round < ROUNDS; round++) {
        int64_t now = draw_now(&l);
        size_t n = draw_archives(&l, now, a), kept = 0;
        struct keep_rules rules = draw_rules(&l);
        size_t deleted = keep_decide(&rules, now, MANY, a, n);
        for (size_t i = 0; i < n; i++)
            if (a[i].why != 0)
                a[kept++] = a[i];
        assert_int_equal(kept, n - deleted);
        assert_int_equal(keep_decide(&rules, now, MANY, a, kept), 0);
    }
}

static bool alike(const struct keep_archive *x, const struct keep_archive *y)
{
    return x->time == y->time && x->number == y->number &&
           x->authenticated == y->authenticated && x->consistent == y->consistent &&
           x->verified == y->verified;
}

static void test_a_cap_only_spreads_the_deletions_over_nights(void **state)
{
    (void)state;
    struct luck l = {3};
    struct keep_archive a[MOST], b[MOST];
    for (unsigned round = 0; round < ROUNDS; round++) {
        int64_t now = draw_now(&l);
        size_t n = draw_archives(&l, now, a), m = n, deleted;
        struct keep_rules rules = draw_rules(&l);
        unsigned max = 1 + draw(&l, 4);
        memcpy(b, a, sizeof b);
        size_t all = keep_decide(&rules, now, MANY, a, n), sum = 0;
        while ((deleted = keep_decide(&rules, now, max, b, m)) > 0) {
            size_t kept = 0;
            for (size_t i = 0; i < m; i++)
                if (b[i].why != 0)
                    b[kept++] = b[i];
            m = kept;
            sum += deleted;
        }
        /* Or fewer: once others are gone, the newest may stand apart. */
        assert_true(sum <= all);
        for (size_t i = 0, j = 0; i < n; i++) {
            if (a[i].why == 0)
                continue;
            while (j < m && !alike(&b[j], &a[i]))
                j++;
            assert_true(j < m);
            assert_int_equal(a[i].why & ~b[j++].why & ~KEEP_NEWEST_CLEAN, 0);
        }
    }
}

static void test_more_rules_never_delete_more(void **state)
{
    (void)state;
    struct luck l = {4};
    struct keep_archive a[MOST], b[MOST];
    for (unsigned round = 0; round < ROUNDS; round++) {
        int64_t now = draw_now(&l);
        size_t n = draw_archives(&l, now, a);
        struct keep_rules less = draw_rules(&l), more = less;
        more.last += maybe(&l);
        more.hourly += maybe(&l);
        more.daily += maybe(&l);
        more.weekly += maybe(&l);
        more.monthly += maybe(&l);
        more.yearly += maybe(&l);
        more.within.years += maybe(&l);
        more.within.months += maybe(&l);
        more.within.days += maybe(&l);
        more.within.hours += maybe(&l);
        memcpy(b, a, sizeof b);
        size_t by_less = keep_decide(&less, now, MANY, a, n);
        assert_true(keep_decide(&more, now, MANY, b, n) <= by_less);
        for (size_t i = 0; i < n; i++)
            assert_int_equal(a[i].why & ~b[i].why & ~KEEP_NEWEST_CLEAN, 0);
    }
}

/* ---- by a second way of working it out: definitions, and the C library's calendar
 * ---- */

static void period(char *out, size_t cap, unsigned rule, int64_t time)
{
    time_t t = (time_t)time;
    struct tm tm;
    gmtime_r(&t, &tm);
    size_t n = rule == 0   ? strftime(out, cap, "%Y-%m-%d %H", &tm)
               : rule == 1 ? strftime(out, cap, "%Y-%m-%d", &tm)
               : rule == 2 ? strftime(out, cap, "%G-W%V", &tm)
               : rule == 3 ? strftime(out, cap, "%Y-%m", &tm)
                           : strftime(out, cap, "%Y", &tm);
    assert_int_not_equal(n, 0);
}

/* a[i] is the newest of its period, and there are fewer than `count` newer ones, of
 * those in `in`. */
static bool kept_by(const struct keep_archive *a, const bool *in, size_t n, size_t i,
                    unsigned rule, unsigned count)
{
    char mine[32], theirs[MOST][32];
    size_t newer = 0;
    period(mine, sizeof mine, rule, a[i].time);
    for (size_t j = 0; j < n; j++) {
        if (!in[j] || !is_newer(&a[j], &a[i]))
            continue;
        period(theirs[newer], sizeof *theirs, rule, a[j].time);
        if (strcmp(theirs[newer], mine) == 0)
            return false;
        size_t k = 0;
        while (strcmp(theirs[k], theirs[newer]) != 0)
            k++;
        newer += k == newer;
    }
    return newer < count;
}

static unsigned expected(const struct keep_rules *r, const struct keep_archive *a,
                         const bool *in, size_t n, size_t i)
{
    const unsigned counts[] = {r->hourly, r->daily, r->weekly, r->monthly, r->yearly};
    unsigned why = 0, newer = 0;
    int64_t newest = a[i].time, second = INT64_MIN / 2;
    for (size_t j = 0; j < n; j++) {
        newer += in[j] && is_newer(&a[j], &a[i]);
        if (j == i || !in[j])
            continue;
        second = a[j].time > newest ? newest : a[j].time > second ? a[j].time : second;
        newest = a[j].time > newest ? a[j].time : newest;
    }
    second = second == INT64_MIN / 2 ? newest : second;
    why |= newer < r->last ? KEEP_LAST : 0;
    for (unsigned rule = 0; rule < 5; rule++)
        if (kept_by(a, in, n, i, rule, counts[rule]))
            why |= (unsigned)KEEP_HOURLY << rule;
    if (newest - second > KEEP_APART)
        newest = second;
    if (span_given(&r->within) && a[i].time >= span_before(&r->within, newest))
        why |= KEEP_WITHIN;
    return why;
}

static void test_the_rules_are_what_their_definitions_say(void **state)
{
    (void)state;
    struct luck l = {5};
    struct keep_archive a[MOST];
    bool counts[MOST], known[MOST];
    for (unsigned round = 0; round < ROUNDS; round++) {
        int64_t now = draw_now(&l);
        size_t n = draw_archives(&l, now, a);
        struct keep_rules rules = draw_rules(&l);
        for (size_t i = 0; i < n; i++) { /* no two alike: the definitions tell them */
            a[i].number = (unsigned)i + 1;
            known[i] = a[i].authenticated && !future(&a[i], now);
            counts[i] = known[i] && a[i].consistent;
        }
        keep_decide(&rules, now, MANY, a, n);
        for (size_t i = 0; i < n; i++) {
            unsigned why = a[i].why & ~(KEEP_NEWEST_CONSISTENT | KEEP_NEWEST_VERIFIED |
                                        KEEP_NEWEST_CLEAN);
            unsigned want = !a[i].authenticated ? KEEP_FOREIGN
                            : !known[i]
                                ? KEEP_FUTURE
                                : expected(&rules, a, counts[i] ? counts : known, n, i);
            if (why != want)
                fail_msg("round %u, archive %zu: %x, not %x", round, i, why, want);
        }
    }
}

static int by_all(const void *x, const void *y)
{
    const struct keep_archive *a = x, *b = y;
    if (a->time != b->time)
        return a->time < b->time ? -1 : 1;
    if (a->number != b->number)
        return a->number < b->number ? -1 : 1;
    unsigned p =
        a->authenticated * 8u + a->consistent * 4u + a->verified * 2u + a->clean;
    unsigned q =
        b->authenticated * 8u + b->consistent * 4u + b->verified * 2u + b->clean;
    if (p != q)
        return p < q ? -1 : 1;
    return (a->why > b->why) - (a->why < b->why);
}

static void test_the_order_of_the_list_changes_nothing(void **state)
{
    (void)state;
    struct luck l = {6};
    struct keep_archive a[MOST], b[MOST];
    for (unsigned round = 0; round < ROUNDS; round++) {
        int64_t now = draw_now(&l);
        size_t n = draw_archives(&l, now, a);
        struct keep_rules rules = draw_rules(&l);
        unsigned max = draw(&l, 2) ? MANY : draw(&l, 6);
        memcpy(b, a, sizeof b);
        for (size_t i = n; i > 1; i--) {
            size_t j = draw(&l, (unsigned)i);
            struct keep_archive swap = b[i - 1];
            b[i - 1] = b[j];
            b[j] = swap;
        }
        assert_int_equal(keep_decide(&rules, now, max, a, n),
                         keep_decide(&rules, now, max, b, n));
        qsort(a, n, sizeof *a, by_all);
        qsort(b, n, sizeof *b, by_all);
        for (size_t i = 0; i < n; i++)
            if (by_all(&a[i], &b[i]) != 0)
                fail_msg("round %u, archive %zu", round, i);
    }
}

static void test_times_at_the_ends_of_the_range_are_harmless(void **state)
{
    (void)state;
    static const struct keep_rules rules = {1, 1, 1, 1, 1, 1, {1, 1, 1, 1}};
    struct keep_archive a[] = {
        {.time = INT64_MIN, .authenticated = true, .consistent = true},
        {.time = INT64_MAX, .authenticated = true, .consistent = true},
        {.time = 0, .authenticated = true, .consistent = true},
    };
    keep_decide(&rules, 0, MANY, a, 3);
    assert_int_equal(a[1].why, KEEP_FUTURE);
    assert_true(a[2].why & KEEP_NEWEST_CONSISTENT);
    keep_decide(&rules, INT64_MIN, MANY, a, 3);
    assert_int_equal(a[1].why, KEEP_FUTURE);
    assert_int_equal(a[2].why, KEEP_FUTURE);
    assert_true(a[0].why & KEEP_NEWEST_CONSISTENT);
    keep_decide(&rules, INT64_MAX, MANY, a, 3);
    assert_true(a[1].why & KEEP_NEWEST_CONSISTENT);
}

static void test_reasons_are_words(void **state)
{
    (void)state;
    static const char all[] = "last, hourly, daily, weekly, monthly, yearly, within, "
                              "newest consistent, newest verified, not authenticated, "
                              "from the future, enough deleted, no rule";
    struct buf b = {0};
    assert_int_equal(buf_add(&b, "x=", 2), 0);
    assert_int_equal(keep_why_text((KEEP_NO_RULE << 1) - 1, &b), 0);
    assert_int_equal(b.len, 2 + strlen(all));
    assert_memory_equal(b.p + 2, all, strlen(all));
    buf_free(&b);
    assert_int_equal(keep_why_text(0, &b), 0);
    assert_int_equal(b.len, 1);
    assert_memory_equal(b.p, "-", 1);
    buf_free(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_each_rule_keeps_the_newest_of_each_period_that_has_any),
        cmocka_unit_test(test_weeks_are_those_of_iso_8601_over_the_ends_of_years),
        cmocka_unit_test(test_leap_days_are_days),
        cmocka_unit_test(test_two_of_one_second_are_told_apart_by_their_number),
        cmocka_unit_test(test_an_archive_from_the_future_stays_and_displaces_nothing),
        cmocka_unit_test(test_archives_of_a_live_server_displace_no_consistent_one),
        cmocka_unit_test(test_what_cannot_be_authenticated_stays_and_does_not_count),
        cmocka_unit_test(test_the_newest_without_warnings_stays_whatever_the_rules_say),
        cmocka_unit_test(test_one_night_with_a_wrong_clock_costs_no_history),
        cmocka_unit_test(test_the_newest_verified_stays_whatever_the_rules_say),
        cmocka_unit_test(test_within_counts_from_the_newest_that_counts_not_from_now),
        cmocka_unit_test(test_a_cap_spares_the_newest_of_what_would_go),
        cmocka_unit_test(test_without_a_rule_nothing_goes),
        cmocka_unit_test(test_forty_nights_leave_seven_days_and_four_weeks),
        cmocka_unit_test(test_what_the_header_forbids_to_delete_is_never_deleted),
        cmocka_unit_test(test_a_second_time_deletes_nothing_more),
        cmocka_unit_test(test_a_cap_only_spreads_the_deletions_over_nights),
        cmocka_unit_test(test_more_rules_never_delete_more),
        cmocka_unit_test(test_the_rules_are_what_their_definitions_say),
        cmocka_unit_test(test_the_order_of_the_list_changes_nothing),
        cmocka_unit_test(test_times_at_the_ends_of_the_range_are_harmless),
        cmocka_unit_test(test_reasons_are_words),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
