#include "walkworld.h"

static void test_later_names_are_links_to_the_first(void **state)
{
    (void)state;
    dir("d");
    file("d/b", "content");
    hard("d/b", "a");
    hard("d/b", "d/c");
    file("e1", "x");
    hard("e1", "e2");
    walked("D- .\nF- a\nD- d\nH- d/b > a\nH- d/c > a\nF- e1\nH- e2 > e1\n", "");
    assert_int_equal(8, w.bytes);
}

static void test_an_excluded_first_name_is_not_linked_to(void **state)
{
    (void)state;
    struct err err = {0};
    file("a", "content");
    hard("a", "b");
    hard("a", "c");
    assert_int_equal(0, glob_new(&w.opts.excludes, &err));
    assert_int_equal(0, glob_add(w.opts.excludes, "a", &err));
    walked("D- .\nF- b\nH- c > b\n", "");
    glob_free(w.opts.excludes);
}

static void replace_both(void)
{
    assert_int_equal(0, unlinkat(w.root, "a", 0));
    assert_int_equal(0, unlinkat(w.root, "b", 0));
    usleep(20000);
    file("b", "other content");
    hard("b", "c");
}

/* Many file systems give the new file the number of the old one. By then the walk has
 * closed the old one. */
static void test_a_new_file_under_an_old_number_is_no_link(void **state)
{
    (void)state;
    struct stat old, now;
    file("a", "content");
    hard("a", "b");
    file("a2", "");
    assert_int_equal(0, fstatat(w.root, "a", &old, 0));
    w.act_at = "a2";
    w.act = replace_both;
    walked("D- .\nF- a\nF- a2\nF- b\n", "");
    assert_int_equal(0, fstatat(w.root, "b", &now, 0));
    if (old.st_ino != now.st_ino)
        print_message("(the number was not used again here)\n");
    assert_int_equal(20, w.bytes);
}

static void test_many_links_are_all_found(void **state)
{
    (void)state;
    char from[32], to[32];
    struct err err = {0};
    for (int i = 0; i < 1000; i++) {
        snprintf(from, sizeof from, "a%d", i);
        snprintf(to, sizeof to, "z%d", i);
        file(from, "");
        hard(from, to);
    }
    assert_int_equal(0, walk(&err));
    const char *log = text(&w.log);
    for (int i = 0; i < 1000; i++) {
        char line[80];
        snprintf(line, sizeof line, "\nH- z%d > a%d\n", i, i);
        assert_non_null(strstr(log, line));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        T(test_later_names_are_links_to_the_first),
        T(test_an_excluded_first_name_is_not_linked_to),
        T(test_a_new_file_under_an_old_number_is_no_link),
        T(test_many_links_are_all_found),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
