#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#include "report/report.h"

static struct report *fresh(void)
{
    struct err err = {0};
    struct report *r;
    assert_int_equal(report_new(&r, &err), 0);
    return r;
}

static void test_notes_and_warnings_are_counted_apart(void **state)
{
    (void)state;
    struct report *r = fresh();
    notice(report_sink(r), NOTICE_NOTE, "a-note", NULL, "n %d", 1);
    notice(report_sink(r), NOTICE_WARNING, "a-warning", "p", "w");
    report_carried(r, "old", NULL, "from the backup");
    assert_int_equal(report_notes(r), 1);
    assert_int_equal(report_warnings(r), 2);
    assert_int_equal(report_lines(r), 3);
    const struct report_line *l = report_line(r, 0);
    assert_string_equal(l->id, "a-note");
    assert_string_equal(l->text, "n 1");
    assert_null(l->path);
    assert_string_equal(report_line(r, 1)->path, "p");
    assert_false(report_line(r, 1)->carried);
    assert_true(report_line(r, 2)->carried);
    report_free(r);
    report_free(NULL);
}

static void test_an_accepted_warning_is_a_note(void **state)
{
    (void)state;
    struct err err = {0};
    struct report *r = fresh();
    assert_int_equal(report_accept(r, "changed,gone-9", &err), 0);
    notice(report_sink(r), NOTICE_WARNING, "changed", NULL, "x");
    report_carried(r, "gone-9", NULL, "x");
    notice(report_sink(r), NOTICE_WARNING, "change", NULL, "x");
    assert_int_equal(report_notes(r), 2);
    assert_int_equal(report_warnings(r), 1);
    static const char *const bad[] = {"", ",", "a,", ",a", "A", "a b", "a,,b"};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        struct err e = {0};
        assert_int_equal(report_accept(r, bad[i], &e), -1);
        assert_int_equal(e.cls, ERR_USAGE);
    }
    report_free(r);
}

static void test_notes_do_not_crowd_out_warnings_and_all_are_counted(void **state)
{
    (void)state;
    struct report *r = fresh();
    for (unsigned i = 0; i < REPORT_KEPT_MAX + 500; i++)
        notice(report_sink(r), NOTICE_NOTE, "n", NULL, "%u", i);
    for (unsigned i = 0; i < REPORT_KEPT_MAX + 7; i++)
        notice(report_sink(r), NOTICE_WARNING, "w", NULL, "%u", i);
    assert_int_equal(report_notes(r), REPORT_KEPT_MAX + 500);
    assert_int_equal(report_warnings(r), REPORT_KEPT_MAX + 7);
    assert_int_equal(report_lines(r), 2 * REPORT_KEPT_MAX);
    assert_string_equal(report_line(r, REPORT_KEPT_MAX)->text, "0");
    report_free(r);
}

static void count(void *ctx, const struct report_line *line)
{
    unsigned *n = ctx;
    n[line->level]++;
}

static void test_each_line_is_told_at_once_also_those_not_kept(void **state)
{
    (void)state;
    unsigned n[2] = {0, 0};
    struct err err = {0};
    struct report *r = fresh();
    report_set_live(r, count, n);
    assert_int_equal(report_accept(r, "ok", &err), 0);
    for (unsigned i = 0; i < REPORT_KEPT_MAX + 5; i++)
        notice(report_sink(r), NOTICE_WARNING, "w", NULL, "x");
    notice(report_sink(r), NOTICE_WARNING, "ok", NULL, "x");
    assert_int_equal(n[NOTICE_WARNING], REPORT_KEPT_MAX + 5);
    assert_int_equal(n[NOTICE_NOTE], 1);
    report_free(r);
}

static void test_facts_read_back_and_replace(void **state)
{
    (void)state;
    struct report *r = fresh();
    report_u64(r, "totals.bytes", 1);
    report_u64(r, "totals.bytes", 7);
    report_bool(r, "yes", true);
    report_text(r, "path", "x");
    report_text(r, "path", "y");
    assert_int_equal(report_get_u64(r, "totals.bytes"), 7);
    assert_true(report_get_bool(r, "yes"));
    assert_string_equal(report_get_text(r, "path"), "y");
    assert_true(report_has(r, "path"));
    assert_false(report_has(r, "none"));
    assert_int_equal(report_get_u64(r, "path"), 0);
    assert_null(report_get_text(r, "yes"));
    report_free(r);
}

static void test_the_json_is_one_stable_line(void **state)
{
    (void)state;
    struct report *r = fresh();
    struct err failure = {.cls = ERR_KEY, .text = "wrong \xFF", .hint = "try"};
    report_text(r, "archive", "a");
    report_u64(r, "totals.bytes", UINT64_MAX);
    report_i64(r, "when", -5);
    report_u64(r, "totals.files", 2);
    report_double(r, "ratio", 0.5);
    report_bool(r, "ok", false);
    notice(report_sink(r), NOTICE_WARNING, "w", "p", "t");
    char *s = report_json(r, "verify", 4, &failure);
    assert_string_equal(
        s,
        "{\"command\":\"verify\",\"exit\":4,\"archive\":\"a\",\"totals\":{\"bytes\":"
        "9223372036854775807,\"files\":2},\"when\":-5,\"ratio\":0.5,\"ok\":false,"
        "\"warnings\":1,\"notes\":0,\"messages\":[{\"level\":\"warning\",\"id\":\"w\","
        "\"path\":\"p\",\"text\":\"t\",\"carried\":false}],\"error\":{\"text\":"
        "\"wrong \xEF\xBF\xBD\",\"text_hex\":\"77726f6e6720ff\",\"hint\":\"try\"}}");
    free(s);
    failure.cls = ERR_NONE;
    s = report_json(r, "verify", 0, &failure);
    json_t *obj = json_loads(s, 0, NULL);
    assert_null(json_object_get(obj, "error"));
    json_decref(obj);
    free(s);
    report_free(r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_notes_and_warnings_are_counted_apart),
        cmocka_unit_test(test_an_accepted_warning_is_a_note),
        cmocka_unit_test(test_notes_do_not_crowd_out_warnings_and_all_are_counted),
        cmocka_unit_test(test_each_line_is_told_at_once_also_those_not_kept),
        cmocka_unit_test(test_facts_read_back_and_replace),
        cmocka_unit_test(test_the_json_is_one_stable_line),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
