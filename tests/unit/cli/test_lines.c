#include "cli/lines.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

static const char *line(struct lines *l, const struct item *item)
{
    static char text[512];
    struct buf b = {0};
    assert_int_equal(lines_add(l, &b, item), 0);
    assert_true(b.len < sizeof text);
    memcpy(text, b.p, b.len);
    text[b.len] = '\0';
    buf_free(&b);
    return text;
}

static void test_paths_look_like_those_of_tar(void **state)
{
    struct lines l = {0};
    (void)state;
    assert_string_equal(line(&l, &(struct item){.type = ITEM_DIR, .path = "."}),
                        "./\n");
    assert_string_equal(line(&l, &(struct item){.type = ITEM_DIR, .path = "a/b"}),
                        "a/b/\n");
    assert_string_equal(line(&l, &(struct item){.type = ITEM_FILE, .path = "a/f"}),
                        "a/f\n");
}

static void test_no_control_byte_of_a_name_reaches_the_terminal(void **state)
{
    struct lines l = {.list_long = true};
    (void)state;
    const struct item item = {.type = ITEM_SYMLINK,
                              .path = "a\n\x1b[31m\\\xc2\x9b"
                                      "1m\xc3\xa4",
                              .link = "\r\x7f",
                              .user = "u\x01",
                              .group = "g"};
    const char *text = line(&l, &item);
    for (const char *p = text; p[1] != '\0'; p++) {
        assert_true((unsigned char)*p >= 32 && *p != 127);
        assert_false((unsigned char)p[0] == 0xc2 && (unsigned char)p[1] < 0xa0);
    }
    assert_non_null(strstr(text, "a\\n\\033[31m\\\\\\302\\2331m\xc3\xa4 -> \\r\\177"));
}

static void test_nul_gives_the_bytes_as_they_are(void **state)
{
    struct lines l = {.nul = true};
    struct buf b = {0};
    (void)state;
    assert_int_equal(
        lines_add(&l, &b, &(struct item){.type = ITEM_FILE, .path = "a\n\\b"}), 0);
    assert_int_equal(b.len, 5);
    assert_memory_equal(b.p, "a\n\\b", 5);
    buf_free(&b);
}

static void test_long_lines_show_mode_owner_size_and_time(void **state)
{
    struct lines l = {.list_long = true};
    (void)state;
    assert_string_equal(line(&l, &(struct item){.type = ITEM_FILE,
                                                .mode = 06755,
                                                .user = "root",
                                                .gid = 7,
                                                .size = 3000000,
                                                .mtime = 1795491444,
                                                .path = "f"}),
                        "-rwsr-sr-x root/7      3000000 2026-11-24 03:37:24 f\n");
    assert_string_equal(
        line(&l,
             &(struct item){.type = ITEM_DIR, .mode = 01776, .mtime = -1, .path = "d"}),
        "drwxrwxrwT 0/0               0 1969-12-31 23:59:59 d/\n");
    assert_string_equal(line(&l, &(struct item){.type = ITEM_CHAR,
                                                .mode = 0600,
                                                .dev_major = 1,
                                                .dev_minor = 3,
                                                .path = "null"}),
                        "crw------- 0/0             1,3 1970-01-01 00:00:00 null\n");
    assert_string_equal(
        line(&l,
             &(struct item){
                 .type = ITEM_HARDLINK, .mode = 0644, .path = "h", .link = "f"}),
        "hrw-r--r-- 0/0               0 1970-01-01 00:00:00 h link to f\n");
}

static void test_entries_that_are_not_whole_are_marked(void **state)
{
    struct lines l = {.list_long = true};
    (void)state;
    const char *text = line(&l, &(struct item){.type = ITEM_FILE,
                                               .flags = ITEM_CHANGED | ITEM_INCOMPLETE,
                                               .path = "f"});
    assert_non_null(strstr(text, " f [changed] [incomplete]\n"));
}

static void test_a_time_beyond_all_calendars_is_a_number(void **state)
{
    struct lines l = {.list_long = true};
    (void)state;
    const char *text =
        line(&l, &(struct item){.type = ITEM_FILE, .mtime = INT64_MAX, .path = "f"});
    assert_non_null(strstr(text, " 9223372036854775807 f\n"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_paths_look_like_those_of_tar),
        cmocka_unit_test(test_no_control_byte_of_a_name_reaches_the_terminal),
        cmocka_unit_test(test_nul_gives_the_bytes_as_they_are),
        cmocka_unit_test(test_long_lines_show_mode_owner_size_and_time),
        cmocka_unit_test(test_entries_that_are_not_whole_are_marked),
        cmocka_unit_test(test_a_time_beyond_all_calendars_is_a_number),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
