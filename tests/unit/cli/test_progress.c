#include "cli/progress.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#define MIB (1024u * 1024u)

struct world {
    struct progress counters;
    struct message message;
    struct progress_view view;
    char text[300];
};

static struct world fresh(void)
{
    return (struct world){.message = {.quiet = false}};
}

static void begin(struct world *w, const char *phase)
{
    progress_init(&w->view, &w->counters, &w->message, PROGRESS_NONE, 0);
    atomic_store(&w->counters.phase, phase);
    progress_sample(&w->view, 1000);
}

static const char *text(struct world *w)
{
    return progress_text(&w->view, w->text, sizeof w->text);
}

static void test_without_a_total_bytes_and_rate_are_told(void **state)
{
    struct world w = fresh();
    (void)state;
    begin(&w, "reading");
    assert_string_equal(text(&w), "reading: 0 B, 0 entries");
    atomic_store(&w.counters.bytes, 10 * MIB);
    atomic_store(&w.counters.entries, 3);
    progress_sample(&w.view, 2000);
    assert_string_equal(text(&w), "reading: 10.0 MiB, 3 entries, 10.0 MiB/s");
}

static void test_with_a_total_percentage_and_time_left_are_told(void **state)
{
    struct world w = fresh();
    (void)state;
    begin(&w, "reading");
    atomic_store(&w.counters.total, 40 * MIB);
    atomic_store(&w.counters.bytes, 10 * MIB);
    progress_sample(&w.view, 2000);
    assert_null(strstr(text(&w), "%")); /* a lower bound is no total */
    atomic_store(&w.counters.known, true);
    assert_string_equal(text(&w),
                        "reading: 25 %, 10.0 MiB of 40.0 MiB, 10.0 MiB/s, 0:04 left");
}

static void test_more_than_the_total_is_a_hundred_percent(void **state)
{
    struct world w = fresh();
    (void)state;
    begin(&w, "reading");
    atomic_store(&w.counters.total, 5 * MIB);
    atomic_store(&w.counters.known, true);
    atomic_store(&w.counters.bytes, 9 * MIB);
    progress_sample(&w.view, 2000);
    assert_string_equal(text(&w), "reading: 100 %, 9.00 MiB of 5.00 MiB");
}

static void test_a_stalled_run_promises_no_time(void **state)
{
    struct world w = fresh();
    (void)state;
    begin(&w, "reading");
    atomic_store(&w.counters.total, 5 * MIB);
    atomic_store(&w.counters.known, true);
    progress_sample(&w.view, 2000);
    assert_null(strstr(text(&w), "left"));
}

static void test_a_new_phase_starts_its_rate_anew(void **state)
{
    struct world w = fresh();
    (void)state;
    begin(&w, "restoring");
    atomic_store(&w.counters.bytes, 100 * MIB);
    progress_sample(&w.view, 2000);
    atomic_store(&w.counters.phase, "reading back");
    atomic_store(&w.counters.bytes, 0);
    progress_sample(&w.view, 3000);
    assert_string_equal(text(&w), "reading back: 0 B, 0 entries");
    atomic_store(&w.counters.bytes, 1 * MIB);
    progress_sample(&w.view, 4000);
    assert_string_equal(text(&w), "reading back: 1.00 MiB, 0 entries, 1.00 MiB/s");
}

static void test_counters_set_back_within_a_phase_make_no_absurd_rate(void **state)
{
    struct world w = fresh();
    (void)state;
    begin(&w, "reading back");
    atomic_store(&w.counters.bytes, 100 * MIB);
    progress_sample(&w.view, 2000);
    atomic_store(&w.counters.bytes, 0);
    progress_sample(&w.view, 3000);
    assert_string_equal(text(&w), "reading back: 0 B, 0 entries");
}

static void test_an_old_rate_is_forgotten(void **state)
{
    struct world w = fresh();
    uint64_t now = 1000, bytes = 0;
    (void)state;
    begin(&w, "reading");
    for (int i = 0; i < 60; i++) {
        atomic_store(&w.counters.bytes, bytes += 100 * MIB);
        progress_sample(&w.view, now += 1000);
    }
    assert_non_null(strstr(text(&w), ", 100 MiB/s"));
    for (int i = 0; i < 120; i++) {
        atomic_store(&w.counters.bytes, bytes += 1 * MIB);
        progress_sample(&w.view, now += 1000);
    }
    assert_non_null(strstr(text(&w), ", 1.00 MiB/s"));
}

static void test_the_bar_fits_every_width(void **state)
{
    struct world w = fresh();
    (void)state;
    begin(&w, "reading");
    atomic_store(&w.counters.total, 40 * MIB);
    atomic_store(&w.counters.known, true);
    atomic_store(&w.counters.bytes, 20 * MIB);
    progress_sample(&w.view, 2000);
    for (size_t width = 1; width < sizeof w.text - 1; width++) {
        progress_bar(&w.view, w.text, sizeof w.text, width);
        assert_true(strlen(w.text) <= width);
    }
    progress_bar(&w.view, w.text, sizeof w.text, 80);
    assert_non_null(strstr(w.text, "[#"));
    assert_non_null(strstr(w.text, "-]"));
}

static void test_before_the_first_phase_there_is_a_text_all_the_same(void **state)
{
    struct world w = fresh();
    (void)state;
    progress_init(&w.view, &w.counters, &w.message, PROGRESS_NONE, 0);
    progress_sample(&w.view, 500);
    assert_non_null(strstr(text(&w), "getting ready"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_without_a_total_bytes_and_rate_are_told),
        cmocka_unit_test(test_with_a_total_percentage_and_time_left_are_told),
        cmocka_unit_test(test_more_than_the_total_is_a_hundred_percent),
        cmocka_unit_test(test_a_stalled_run_promises_no_time),
        cmocka_unit_test(test_a_new_phase_starts_its_rate_anew),
        cmocka_unit_test(test_counters_set_back_within_a_phase_make_no_absurd_rate),
        cmocka_unit_test(test_an_old_rate_is_forgotten),
        cmocka_unit_test(test_the_bar_fits_every_width),
        cmocka_unit_test(test_before_the_first_phase_there_is_a_text_all_the_same),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
