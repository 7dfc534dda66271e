#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "report/metrics.h"

static struct metrics *fresh(void)
{
    struct err err = {0};
    struct metrics *m;
    assert_int_equal(metrics_new(&m, &err), 0);
    return m;
}

static void set(struct metrics *m, enum metric id, const char *name,
                const char *command, double value)
{
    struct err err = {0};
    if (metrics_set(m, id, name, command, value, &err) != 0)
        fail_msg("%s", err.text);
}

static void parse(struct metrics *m, const char *text)
{
    struct err err = {0};
    assert_int_equal(metrics_parse(m, text, strlen(text), &err), 0);
}

/* The whole file as one string, to be freed. */
static char *print(const struct metrics *m)
{
    struct err err = {0};
    struct buf out = {0};
    assert_int_equal(metrics_print(m, &out, &err), 0);
    assert_int_equal(buf_add(&out, "", 1), 0);
    return (char *)out.p;
}

/* The samples alone. */
static void assert_samples(const struct metrics *m, const char *expected)
{
    char *all = print(m), *samples = calloc(1, strlen(all) + 1), *save;
    assert_non_null(samples);
    for (char *l = strtok_r(all, "\n", &save); l != NULL;
         l = strtok_r(NULL, "\n", &save))
        if (l[0] != '#')
            strcat(strcat(samples, l), "\n");
    assert_string_equal(samples, expected);
    free(samples);
    free(all);
}

static void assert_parsed(const char *text, const char *expected)
{
    struct metrics *m = fresh();
    parse(m, text);
    assert_samples(m, expected);
    metrics_free(m);
}

static void test_a_file_is_help_type_and_samples_in_one_order(void **state)
{
    (void)state;
    struct metrics *m = fresh();
    set(m, METRIC_ARCHIVES, "pmm-data", NULL, 7);
    set(m, METRIC_LAST_EXIT, "pmm-data", "verify", 5);
    set(m, METRIC_LAST_EXIT, "pmm-data", "backup", 0);
    set(m, METRIC_LAST_EXIT, "eu", "backup", 143);
    set(m, METRIC_LAST_ATTEMPT, "pmm-data", "backup", 1795500900);
    char *text = print(m);
    assert_string_equal(
        text,
        "# HELP pmm_seal_last_attempt_timestamp_seconds When the last run began, "
        "whatever came of it\n"
        "# TYPE pmm_seal_last_attempt_timestamp_seconds gauge\n"
        "pmm_seal_last_attempt_timestamp_seconds{name=\"pmm-data\",command=\"backup\"} "
        "1795500900\n"
        "# HELP pmm_seal_last_exit_code Exit status of the last run; 0 and 3 are good\n"
        "# TYPE pmm_seal_last_exit_code gauge\n"
        "pmm_seal_last_exit_code{name=\"eu\",command=\"backup\"} 143\n"
        "pmm_seal_last_exit_code{name=\"pmm-data\",command=\"backup\"} 0\n"
        "pmm_seal_last_exit_code{name=\"pmm-data\",command=\"verify\"} 5\n"
        "# HELP pmm_seal_archives Archives of this name in the directory\n"
        "# TYPE pmm_seal_archives gauge\n"
        "pmm_seal_archives{name=\"pmm-data\"} 7\n");
    free(text);
    metrics_free(m);
    metrics_free(NULL);
}

static void test_without_samples_the_file_is_empty(void **state)
{
    (void)state;
    assert_parsed("", "");
    struct err err = {0};
    struct metrics *m = fresh();
    assert_int_equal(metrics_parse(m, NULL, 0, &err), 0);
    char *text = print(m);
    assert_string_equal(text, "");
    free(text);
    metrics_free(m);
}

/* Every metric, with a value no other has: what is printed is read again as it was. */
static void test_what_is_printed_is_read_again(void **state)
{
    (void)state;
    struct err err = {0};
    struct metrics *m = fresh(), *again = fresh();
    for (unsigned id = 0; id < METRIC_COUNT; id++) {
        struct err none = {0};
        double v = 1795500000.0 + id;
        if (metrics_set(m, (enum metric)id, "a.b_C-1", "backup", v, &none) != 0)
            assert_int_equal(metrics_set(m, (enum metric)id, "a.b_C-1", NULL, v, &err),
                             0);
    }
    char *text = print(m);
    parse(again, text);
    char *text2 = print(again);
    assert_string_equal(text, text2);
    size_t samples = 0;
    for (const char *p = text; (p = strstr(p, "} 17955000")) != NULL; p++)
        samples++;
    assert_int_equal(samples, METRIC_COUNT);
    free(text);
    free(text2);
    metrics_free(m);
    metrics_free(again);
}

static void test_a_failed_night_keeps_what_it_does_not_know(void **state)
{
    (void)state;
    struct metrics *m = fresh();
    parse(m,
          "pmm_seal_last_success_timestamp_seconds{name=\"a\",command=\"backup\"} 100\n"
          "pmm_seal_last_exit_code{name=\"a\",command=\"backup\"} 0\n"
          "pmm_seal_last_written_bytes{name=\"a\"} 4096\n");
    set(m, METRIC_LAST_ATTEMPT, "a", "backup", 200);
    set(m, METRIC_LAST_EXIT, "a", "backup", 1);
    assert_samples(
        m,
        "pmm_seal_last_attempt_timestamp_seconds{name=\"a\",command=\"backup\"} 200\n"
        "pmm_seal_last_success_timestamp_seconds{name=\"a\",command=\"backup\"} 100\n"
        "pmm_seal_last_exit_code{name=\"a\",command=\"backup\"} 1\n"
        "pmm_seal_last_written_bytes{name=\"a\"} 4096\n");
    metrics_free(m);
}

static void test_other_names_and_other_commands_stay(void **state)
{
    (void)state;
    struct metrics *m = fresh();
    parse(m, "pmm_seal_last_exit_code{name=\"a\",command=\"backup\"} 1\n"
             "pmm_seal_last_exit_code{name=\"a\",command=\"verify\"} 2\n"
             "pmm_seal_last_exit_code{name=\"ab\",command=\"backup\"} 3\n");
    set(m, METRIC_LAST_EXIT, "a", "verify", 0);
    assert_samples(m, "pmm_seal_last_exit_code{name=\"a\",command=\"backup\"} 1\n"
                      "pmm_seal_last_exit_code{name=\"a\",command=\"verify\"} 0\n"
                      "pmm_seal_last_exit_code{name=\"ab\",command=\"backup\"} 3\n");
    metrics_free(m);
}

static void test_the_last_of_two_counts_and_is_alone(void **state)
{
    (void)state;
    struct metrics *m = fresh();
    parse(m, "pmm_seal_archives{name=\"b\"} 1\n"
             "pmm_seal_archives{name=\"a\"} 9\n"
             "pmm_seal_archives{name=\"b\"} 2\n");
    set(m, METRIC_ARCHIVES, "b", NULL, 3);
    for (int i = 0; i < 1000; i++)
        set(m, METRIC_ARCHIVES, "a", NULL, i);
    assert_samples(m, "pmm_seal_archives{name=\"a\"} 999\n"
                      "pmm_seal_archives{name=\"b\"} 3\n");
    metrics_free(m);
}

static void test_what_is_not_of_this_program_is_dropped(void **state)
{
    (void)state;
    static const char *const lines[] = {
        "# HELP pmm_seal_archives Another text",
        "pmm_seal_archives 1",
        "pmm_seal_archives{} 1",
        "pmm_seal_archives{name=\"\"} 1",
        "pmm_seal_archives{name=\"a\"}",
        "pmm_seal_archives{name=\"a\"} ",
        "pmm_seal_archives{name=\"a\"} x",
        "pmm_seal_archives{name=\"a\"} 1 1795500000",
        "pmm_seal_archives{name=\"a\"} 1\r",
        "pmm_seal_archives{name=\"a\"} NaN",
        "pmm_seal_archives{name=\"a\"} +Inf",
        "pmm_seal_archives{name=\"a\"} 1e999",
        "pmm_seal_archives{name=\"a b\"} 1",
        "pmm_seal_archives{name=\"a\\\"\"} 1",
        "pmm_seal_archives{name=\"a\",command=\"backup\"} 1",
        "pmm_seal_last_exit_code{name=\"a\"} 1",
        "pmm_seal_last_exit_code{name=\"a\",command=\"\"} 1",
        "pmm_seal_last_exit_code{name=\"a\",command=\"a-command-too-long\"} 1",
        "pmm_seal_last_exit_code{command=\"backup\",name=\"a\"} 1",
        "pmm_seal_archive{name=\"a\"} 1",
        "pmm_seal_archivess{name=\"a\"} 1",
        " pmm_seal_archives{name=\"a\"} 1",
        "node_load1{name=\"a\"} 1",
        "{name=\"a\"} 1",
        "",
    };
    for (size_t i = 0; i < sizeof lines / sizeof lines[0]; i++) {
        char text[200];
        snprintf(text, sizeof text, "%s\npmm_seal_last_entries{name=\"a\"} 5\n",
                 lines[i]);
        assert_parsed(text, "pmm_seal_last_entries{name=\"a\"} 5\n");
    }
}

static void test_a_line_that_is_cut_long_or_has_a_nul_is_dropped(void **state)
{
    (void)state;
    assert_parsed("pmm_seal_archives{name=\"a\"} 12", "");
    assert_parsed("pmm_seal_archives{name=\"a\"} 1\npmm_seal_archives{name=\"a\"} 12",
                  "pmm_seal_archives{name=\"a\"} 1\n");

    static const char nul[] = "pmm_seal_archives{name=\"a\"} 1\0002\n";
    struct err err = {0};
    struct metrics *m = fresh();
    assert_int_equal(metrics_parse(m, nul, sizeof nul - 1, &err), 0);
    assert_samples(m, "");
    metrics_free(m);

    for (int n = 0; n < 400; n++) {
        char name[401] = "", text[600];
        memset(name, 'n', (size_t)n);
        snprintf(text, sizeof text, "pmm_seal_archives{name=\"%s\"} 1\n", name);
        assert_parsed(text, n >= 1 && n <= 100 ? text : "");
        snprintf(text, sizeof text, "pmm_seal_archives{name=\"a\"} %0*d\n", n + 1, 1);
        assert_parsed(text,
                      n + 1 <= 255 - 28 ? "pmm_seal_archives{name=\"a\"} 1\n" : "");
    }
}

/* Any bytes: what is read of them is at most what can be printed and read again. */
static void test_rubbish_does_no_harm(void **state)
{
    (void)state;
    static const char seed[] =
        "pmm_seal_last_exit_code{name=\"a\",command=\"backup\"} 1\n"
        "pmm_seal_archives{name=\"a\"} 12.5\n";
    uint32_t x = 1;
    for (int round = 0; round < 20000; round++) {
        char text[sizeof seed];
        memcpy(text, seed, sizeof seed);
        for (int k = 0; k < 3; k++) {
            x = x * 1664525u + 1013904223u;
            text[(x >> 8) % (sizeof seed - 1)] = (char)(x >> 24);
        }
        struct err err = {0};
        struct metrics *m = fresh();
        assert_int_equal(metrics_parse(m, text, sizeof seed - 1, &err), 0);
        char *once = print(m);
        struct metrics *again = fresh();
        parse(again, once);
        char *twice = print(again);
        assert_string_equal(once, twice);
        free(once);
        free(twice);
        metrics_free(m);
        metrics_free(again);
    }
}

static void test_numbers_are_exact_and_short(void **state)
{
    (void)state;
    static const struct {
        double value;
        const char *text;
    } rows[] = {
        {0, "0"},
        {3, "3"},
        {0.1, "0.1"},
        {1234.567, "1234.567"},
        {1795500900, "1795500900"},
        {1795500900.25, "1795500900.25"},
        {123456789012345, "123456789012345"},
        {9007199254740991, "9007199254740991"}, /* 2^53 - 1 */
        {1.0 / 3, "0.3333333333333333"},
        {0.1 + 0.2, "0.30000000000000004"},
        {-1, "-1"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        char expected[100];
        struct metrics *m = fresh();
        set(m, METRIC_READ_BYTES, "a", NULL, rows[i].value);
        snprintf(expected, sizeof expected, "pmm_seal_last_read_bytes{name=\"a\"} %s\n",
                 rows[i].text);
        assert_samples(m, expected);
        assert_parsed(expected, expected);
        metrics_free(m);
    }
}

static void test_no_label_or_value_that_would_break_the_file_is_set(void **state)
{
    (void)state;
    char longest[102];
    memset(longest, 'n', 101);
    longest[101] = '\0';
    const struct {
        enum metric id;
        const char *name, *command;
        double value;
    } rows[] = {
        {METRIC_ARCHIVES, "", NULL, 1},
        {METRIC_ARCHIVES, "a\"", NULL, 1},
        {METRIC_ARCHIVES, "a\nb", NULL, 1},
        {METRIC_ARCHIVES, "a\\", NULL, 1},
        {METRIC_ARCHIVES, "\xc3\xa4", NULL, 1},
        {METRIC_ARCHIVES, "\xff", NULL, 1},
        {METRIC_ARCHIVES, longest, NULL, 1},
        {METRIC_ARCHIVES, "a", "backup", 1},
        {METRIC_ARCHIVES, "a", NULL, NAN},
        {METRIC_ARCHIVES, "a", NULL, INFINITY},
        {METRIC_LAST_EXIT, "a", NULL, 1},
        {METRIC_LAST_EXIT, "a", "", 1},
        {METRIC_LAST_EXIT, "a", "back up", 1},
        {METRIC_LAST_EXIT, "a", "a-command-too-long", 1},
    };
    struct metrics *m = fresh();
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct err err = {0};
        assert_int_equal(metrics_set(m, rows[i].id, rows[i].name, rows[i].command,
                                     rows[i].value, &err),
                         -1);
        assert_int_equal(err.cls, ERR_FAIL);
    }
    assert_samples(m, "");
    set(m, METRIC_ARCHIVES, longest + 1, NULL, 1);
    metrics_free(m);
}

/* docs/METRICS.md has a row "| `metric` | text of HELP | ..." for each. */
static void test_every_metric_is_in_the_manual_with_its_help(void **state)
{
    (void)state;
    char path[4096], line[1024];
    const char *srcdir = getenv("srcdir");
    snprintf(path, sizeof path, "%s/docs/METRICS.md", srcdir != NULL ? srcdir : ".");
    FILE *f = fopen(path, "r");
    if (f == NULL && srcdir == NULL) {
        print_message("no docs/METRICS.md here, and no $srcdir\n");
        skip();
    }
    assert_non_null(f);
    struct metrics *m = fresh();
    struct err err = {0};
    for (unsigned id = 0; id < METRIC_COUNT; id++) {
        struct err none = {0};
        if (metrics_set(m, (enum metric)id, "a", "backup", 1, &none) != 0)
            assert_int_equal(metrics_set(m, (enum metric)id, "a", NULL, 1, &err), 0);
    }
    char *text = print(m);
    size_t rows = 0;
    while (fgets(line, sizeof line, f) != NULL) {
        char name[100], help[200], expected[400];
        if (sscanf(line, "| `%99[a-z_]` | %199[^|]", name, help) != 2)
            continue;
        for (size_t n = strlen(help); n > 0 && help[n - 1] == ' '; n--)
            help[n - 1] = '\0';
        snprintf(expected, sizeof expected, "# HELP %s %s\n", name, help);
        if (strstr(text, expected) == NULL)
            fail_msg("not as in docs/METRICS.md: %s", expected);
        rows++;
    }
    assert_int_equal(rows, METRIC_COUNT);
    fclose(f);
    free(text);
    metrics_free(m);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_file_is_help_type_and_samples_in_one_order),
        cmocka_unit_test(test_without_samples_the_file_is_empty),
        cmocka_unit_test(test_what_is_printed_is_read_again),
        cmocka_unit_test(test_a_failed_night_keeps_what_it_does_not_know),
        cmocka_unit_test(test_other_names_and_other_commands_stay),
        cmocka_unit_test(test_the_last_of_two_counts_and_is_alone),
        cmocka_unit_test(test_what_is_not_of_this_program_is_dropped),
        cmocka_unit_test(test_a_line_that_is_cut_long_or_has_a_nul_is_dropped),
        cmocka_unit_test(test_rubbish_does_no_harm),
        cmocka_unit_test(test_numbers_are_exact_and_short),
        cmocka_unit_test(test_no_label_or_value_that_would_break_the_file_is_set),
        cmocka_unit_test(test_every_metric_is_in_the_manual_with_its_help),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
