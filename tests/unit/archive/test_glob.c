#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "archive/glob.h"

static bool match(const char *pattern, const char *path, bool is_dir)
{
    struct globset *g;
    struct err err = {0};
    assert_int_equal(0, glob_new(&g, &err));
    if (glob_add(g, pattern, &err) != 0)
        fail_msg("%s: %s", pattern, err.text);
    bool pure = glob_excludes(g, path, is_dir), counted = glob_match(g, path, is_dir);
    assert_int_equal(pure, counted);
    glob_free(g);
    return counted;
}

struct row {
    const char *pattern, *path;
};

static void all(const struct row *rows, size_t n, bool expected)
{
    for (size_t i = 0; i < n; i++) {
        if (match(rows[i].pattern, rows[i].path, false) != expected)
            fail_msg("\"%s\" %s \"%s\"", rows[i].pattern,
                     expected ? "does not match" : "matches", rows[i].path);
    }
}
#define YES(r) all(r, sizeof r / sizeof r[0], true)
#define NO(r)  all(r, sizeof r / sizeof r[0], false)

static void test_without_slash_a_name_matches_at_any_depth(void **state)
{
    (void)state;
    static const struct row yes[] = {
        {"*.log", "a.log"}, {"*.log", "x/y/a.log"}, {"a", "x/a"},     {"a*", "x/abc"},
        {"**", "x/y"},      {"*", "x/y"},           {"a?c", "d/abc"},
    };
    static const struct row no[] = {
        {"a", "a/b"}, {"a", "ab"}, {"*.log", "a.log/b"}, {"?", "ab"}, {"a?c", "ac"},
    };
    YES(yes);
    NO(no);
}

static void test_with_slash_a_pattern_is_anchored(void **state)
{
    (void)state;
    static const struct row yes[] = {
        {"a/b", "a/b"},     {"/a", "a"},    {"./a", "a"}, {"a/*", "a/b"},
        {"a/*/c", "a/b/c"}, {"//a", "a"},   {"/*", "x"},  {"a/b*d", "a/bcd"},
        {"./a/b", "a/b"},   {"a/?", "a/x"},
    };
    static const struct row no[] = {
        {"a/b", "x/a/b"}, {"/a", "x/a"},      {"a/*", "a/b/c"}, {"a/b", "a/bc"},
        {"/*", "x/y"},    {"a?b/c", "a/b/c"}, {"a/*/c", "a/c"}, {"./a", "x/a"},
    };
    YES(yes);
    NO(no);
}

static void test_two_stars_go_over_slashes(void **state)
{
    (void)state;
    static const struct row yes[] = {
        {"a/**/b", "a/b"},
        {"a/**/b", "a/x/b"},
        {"a/**/b", "a/x/y/b"},
        {"**/b", "b"},
        {"**/b", "x/y/b"},
        {"a/**", "a/x/y"},
        {"a**z/q", "a/b/z/q"},
        {"**/a/*/c", "a/a/b/c"},
        {"a/**/b/*.x", "a/b/b/b/c.x"},
        {"**/*a*/**/b", "q/xax/b"},
        {"a/***/b", "a/x/y/b"},
        {"/**/*.tmp", "x/y/z.tmp"},
    };
    static const struct row no[] = {
        {"a/**/b", "a/xb"}, {"a/**", "a"},       {"**/b", "xb"},
        {"a/**/b", "ab"},   {"a/**/b", "a/b/c"}, {"**/a/*/c", "a/b/d/c"},
        {"a/**", "b/a/x"},
    };
    YES(yes);
    NO(no);
}

static void test_classes_are_bytes_and_never_a_slash(void **state)
{
    (void)state;
    static const struct row yes[] = {
        {"[abc]", "b"},    {"x[0-9]", "x7"},        {"[!a]", "b"},  {"[]]", "]"},
        {"[!]]", "a"},     {"[a-]", "-"},           {"[\\]]", "]"}, {"[\\-z]", "-"},
        {"[a-cx-z]", "y"}, {"[\x80-\xff]", "\xc3"},
    };
    static const struct row no[] = {
        {"[abc]", "d"},          {"[!a]", "a"}, {"[a-c]", "-"}, {"a[/]b", "a/b"},
        {"a/[!x]b/c", "a//b/c"}, {"[^a]", "b"}, {"[z-a]", "m"}, {"/a[!x]b", "a/b"},
    };
    YES(yes);
    NO(no);
}

static void test_a_backslash_quotes(void **state)
{
    (void)state;
    static const struct row yes[] = {
        {"\\*", "*"},   {"a\\?", "a?"}, {"\\[a]", "[a]"}, {"\\#x", "#x"},
        {"\\\\", "\\"}, {"a\\", "a\\"}, {"\\a", "a"},
    };
    static const struct row no[] = {
        {"\\*", "x"},
        {"a\\?", "ab"},
        {"\\[a]", "a"},
        {"\\\\", "x"},
    };
    YES(yes);
    NO(no);
}

static void test_a_trailing_slash_means_directories_only(void **state)
{
    (void)state;
    assert_true(match("cache/", "x/cache", true));
    assert_false(match("cache/", "x/cache", false));
    assert_true(match("a/b/", "a/b", true));
    assert_false(match("a/b/", "x/a/b", true));
    assert_true(match("/a/", "a", true));
    assert_false(match("/a/", "x/a", true));
    assert_true(match("cache", "cache", true));
}

static void test_the_root_is_never_excluded(void **state)
{
    (void)state;
    assert_false(match("*", ".", true));
    assert_false(match("**", ".", true));
    assert_false(match("/**", ".", true));
    assert_false(match("?", ".", true));
}

static void test_nonsense_is_a_usage_error(void **state)
{
    (void)state;
    static const char *const bad[] = {"",    "/",     "./",   "//",   "[", "[abc",
                                      "a[]", "x/[!]", "[\\]", "a[b/", "."};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        struct globset *g;
        struct err err = {0};
        assert_int_equal(0, glob_new(&g, &err));
        if (glob_add(g, bad[i], &err) == 0)
            fail_msg("\"%s\" was taken", bad[i]);
        assert_int_equal(ERR_USAGE, err.cls);
        glob_free(g);
    }
}

static void test_many_stars_do_not_take_for_ever(void **state)
{
    (void)state;
    char path[4001];
    memset(path, 'a', 4000);
    path[4000] = '\0';
    assert_false(match("*a*a*a*a*a*a*a*a*a*a*a*a*a*a*b", path, false));
    assert_false(match("/**a**a**a**a**a**a**a**a**a**b", path, false));
    for (size_t i = 1; i < 4000; i += 2)
        path[i] = '/';
    assert_false(match("**/*a*/**/*a*/**/*a*/**/*a*/**/b", path, false));
}

static void test_unused_patterns_are_told_and_all_matches_count(void **state)
{
    (void)state;
    struct globset *g;
    struct err err = {0};
    size_t i = 0;
    assert_int_equal(0, glob_new(&g, &err));
    assert_int_equal(0, glob_add(g, "*.log", &err));
    assert_int_equal(0, glob_add(g, "./never/", &err));
    assert_int_equal(0, glob_add(g, "a.log", &err));
    assert_int_equal(0, glob_add(g, "other", &err));
    assert_true(glob_match(g, "a.log", false));
    assert_true(glob_excludes(g, "other", false));
    assert_string_equal("./never/", glob_unused(g, &i));
    assert_string_equal("other", glob_unused(g, &i));
    assert_null(glob_unused(g, &i));
    glob_free(g);
    glob_free(NULL);
}

static void with_file(const char *text, size_t len, struct globset **g, struct err *err,
                      int expected)
{
    char name[4096];
    const char *tmp = getenv("TMPDIR");
    snprintf(name, sizeof name, "%s/pmm-glob-XXXXXX", tmp != NULL ? tmp : "/tmp");
    int fd = mkstemp(name);
    assert_true(fd >= 0);
    assert_int_equal(len, write(fd, text, len));
    close(fd);
    assert_int_equal(0, glob_new(g, err));
    int rc = glob_add_file(*g, name, err);
    unlink(name);
    assert_int_equal(expected, rc);
    if (expected != 0)
        assert_non_null(strstr(err->text, name));
}

static void test_a_file_gives_one_pattern_a_line(void **state)
{
    (void)state;
    struct globset *g;
    struct err err = {0};
    static const char text[] = "# comment\n\n*.log\n\\#file\n/top\nlast without end";
    with_file(text, sizeof text - 1, &g, &err, 0);
    assert_true(glob_match(g, "x/a.log", false));
    assert_true(glob_match(g, "#file", false));
    assert_true(glob_match(g, "last without end", false));
    assert_false(glob_match(g, "# comment", false));
    assert_false(glob_match(g, "x/top", false));
    glob_free(g);
}

static void test_a_bad_line_is_named(void **state)
{
    (void)state;
    struct globset *g;
    struct err err = {0};
    with_file("ok\n\n[bad\n", 9, &g, &err, -1);
    assert_int_equal(ERR_USAGE, err.cls);
    assert_non_null(strstr(err.text, "line 3"));
    glob_free(g);
    err = (struct err){0};
    with_file("a\0b\n", 4, &g, &err, -1);
    assert_int_equal(ERR_USAGE, err.cls);
    glob_free(g);
}

static void test_an_unreadable_file_is_a_failure(void **state)
{
    (void)state;
    struct globset *g;
    struct err err = {0};
    assert_int_equal(0, glob_new(&g, &err));
    assert_int_equal(-1, glob_add_file(g, "/nonexistent/file", &err));
    assert_int_equal(ERR_FAIL, err.cls);
    err = (struct err){0};
    assert_int_equal(-1, glob_add_file(g, "/", &err));
    assert_int_equal(ERR_FAIL, err.cls);
    glob_free(g);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_without_slash_a_name_matches_at_any_depth),
        cmocka_unit_test(test_with_slash_a_pattern_is_anchored),
        cmocka_unit_test(test_two_stars_go_over_slashes),
        cmocka_unit_test(test_classes_are_bytes_and_never_a_slash),
        cmocka_unit_test(test_a_backslash_quotes),
        cmocka_unit_test(test_a_trailing_slash_means_directories_only),
        cmocka_unit_test(test_the_root_is_never_excluded),
        cmocka_unit_test(test_nonsense_is_a_usage_error),
        cmocka_unit_test(test_many_stars_do_not_take_for_ever),
        cmocka_unit_test(test_unused_patterns_are_told_and_all_matches_count),
        cmocka_unit_test(test_a_file_gives_one_pattern_a_line),
        cmocka_unit_test(test_a_bad_line_is_named),
        cmocka_unit_test(test_an_unreadable_file_is_a_failure),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
