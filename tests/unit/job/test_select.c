/* Which entries the PATHs of a command line mean. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "job/select.h"

static struct select *make(const char *const *paths, size_t n)
{
    struct select *s = NULL;
    struct err err = {0};
    assert_int_equal(select_new(&s, paths, n, &err), 0);
    assert_int_equal(select_bind(s, "/srv", &err), 0);
    return s;
}

static void test_every_form_of_a_path_is_the_same(void **state)
{
    (void)state;
    static const char *const forms[] = {"nginx",     "./nginx",    "nginx/",
                                        "./nginx//", "/srv/nginx", "/srv//nginx/"};
    for (size_t i = 0; i < sizeof forms / sizeof *forms; i++) {
        struct select *s = make(&forms[i], 1);
        struct err err = {0};
        assert_int_equal(select_wants(s, "nginx"), SELECT_YES);
        assert_int_equal(select_wants(s, "nginx/certificate.key"), SELECT_YES);
        assert_int_equal(select_wants(s, "nginx-old"), SELECT_NO);
        assert_int_equal(select_wants(s, "."), SELECT_NO);
        assert_int_equal(select_check_met(s, &err), 0);
        select_free(s);
    }
}

static void test_directories_on_the_way_are_wanted_as_parents(void **state)
{
    (void)state;
    static const char *const paths[] = {"a/b/c"};
    struct select *s = make(paths, 1);
    assert_int_equal(select_wants(s, "a"), SELECT_PARENT);
    assert_int_equal(select_wants(s, "a/b"), SELECT_PARENT);
    assert_int_equal(select_wants(s, "a/bc"), SELECT_NO);
    assert_int_equal(select_wants(s, "a/b/c"), SELECT_YES);
    select_free(s);
}

static void test_a_path_that_meets_nothing_is_named_as_it_was_given(void **state)
{
    (void)state;
    static const char *const paths[] = {"./a/", "/etc/passwd"};
    struct select *s = make(paths, 2);
    struct err err = {0};
    select_wants(s, "a");
    select_wants(s, "etc");
    assert_int_equal(select_check_met(s, &err), -1);
    assert_string_equal(err.text, "the archive has no such path: /etc/passwd");
    select_free(s);
}

static void test_paths_below_others_are_dropped_from_the_list_to_move(void **state)
{
    (void)state;
    static const char *const paths[] = {"a/b", "a", "c", "./a/", "c"};
    struct select *s = make(paths, 5);
    size_t n;
    const char *const *top = select_paths(s, &n);
    assert_int_equal(n, 2);
    assert_string_equal(top[0], "a");
    assert_string_equal(top[1], "c");
    select_free(s);
}

static void test_the_source_itself_means_everything(void **state)
{
    (void)state;
    static const char *const forms[] = {".", "/srv", "./", "/srv/"};
    for (size_t i = 0; i < sizeof forms / sizeof *forms; i++) {
        struct select *s = make(&forms[i], 1);
        assert_true(select_everything(s));
        assert_int_equal(select_wants(s, "."), SELECT_YES);
        select_free(s);
    }
}

static void test_a_path_with_dots_is_refused(void **state)
{
    (void)state;
    static const char *const paths[] = {"../etc"};
    struct select *s = NULL;
    struct err err = {0};
    assert_int_equal(select_new(&s, paths, 1, &err), 0);
    assert_int_equal(select_bind(s, "/srv", &err), -1);
    assert_int_equal(err.cls, ERR_USAGE);
    select_free(s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_every_form_of_a_path_is_the_same),
        cmocka_unit_test(test_directories_on_the_way_are_wanted_as_parents),
        cmocka_unit_test(test_a_path_that_meets_nothing_is_named_as_it_was_given),
        cmocka_unit_test(test_paths_below_others_are_dropped_from_the_list_to_move),
        cmocka_unit_test(test_the_source_itself_means_everything),
        cmocka_unit_test(test_a_path_with_dots_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
