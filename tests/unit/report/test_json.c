#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdlib.h>
#include <string.h>

#include "report/json.h"

static void round_trip(const char *bytes, bool clean)
{
    json_t *obj = json_object();
    assert_int_equal(json_set_bytes(obj, "path", bytes), 0);
    assert_int_equal(json_object_get(obj, "path_hex") == NULL, clean);
    if (clean)
        assert_string_equal(json_string_value(json_object_get(obj, "path")), bytes);
    char *text = json_dumps(obj, 0);
    json_t *again = json_loads(text, 0, NULL);
    assert_non_null(again);
    char *back = json_get_bytes(again, "path");
    assert_non_null(back);
    assert_string_equal(back, bytes);
    free(back);
    free(text);
    json_decref(again);
    json_decref(obj);
}

static void test_utf8_goes_in_as_it_is(void **state)
{
    (void)state;
    round_trip("", true);
    round_trip("plain/\"name\"\\\n\t\x01", true);
    round_trip("\xC3\xA4\xE2\x82\xAC\xF0\x9F\x98\x80", true);
    round_trip("\xED\x9F\xBF\xEE\x80\x80\xF4\x8F\xBF\xBF", true);
}

static void test_other_bytes_come_back_exactly(void **state)
{
    (void)state;
    round_trip("caf\xE9", false);
    round_trip("\xFF\xFE", false);
    round_trip("\xC0\xAF", false);         /* overlong */
    round_trip("\xE0\x80\xAF", false);     /* overlong */
    round_trip("\xED\xA0\x80", false);     /* surrogate */
    round_trip("\xF4\x90\x80\x80", false); /* past the end */
    round_trip("\xF0\x9F\x98", false);     /* cut */
    round_trip("\x80", false);
}

static void test_each_bad_byte_is_shown_as_one_replacement(void **state)
{
    (void)state;
    json_t *obj = json_object();
    assert_int_equal(json_set_bytes(obj, "k", "a\xE9\xFFz"), 0);
    assert_string_equal(json_string_value(json_object_get(obj, "k")),
                        "a\xEF\xBF\xBD\xEF\xBF\xBDz");
    assert_string_equal(json_string_value(json_object_get(obj, "k_hex")), "61e9ff7a");
    assert_int_equal(json_set_bytes(obj, "k", "clean"), 0);
    assert_null(json_object_get(obj, "k_hex"));
    json_decref(obj);
}

static void test_a_bad_hex_text_gives_nothing(void **state)
{
    (void)state;
    static const char *const bad[] = {"6", "6g", "00", "6100", "6G"};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        json_t *obj = json_pack("{s:s,s:s}", "k", "a", "k_hex", bad[i]);
        assert_null(json_get_bytes(obj, "k"));
        json_decref(obj);
    }
    json_t *obj = json_pack("{s:i,s:s,s:i}", "n", 1, "k", "a", "k_hex", 1);
    assert_null(json_get_bytes(obj, "n"));
    assert_null(json_get_bytes(obj, "k"));
    assert_null(json_get_bytes(obj, "absent"));
    json_decref(obj);
}

static void line_is(const struct item *item, const char *expected)
{
    char *line = json_item(item);
    assert_non_null(line);
    assert_string_equal(line, expected);
    free(line);
}

static void test_an_item_is_one_line(void **state)
{
    (void)state;
    struct item it = {.type = ITEM_FILE,
                      .mode = 04644,
                      .uid = 1,
                      .gid = 4294967294u,
                      .mtime = -1,
                      .mtime_ns = 5,
                      .size = 10,
                      .stored = 4,
                      .flags = ITEM_CHANGED | ITEM_SPARSE,
                      .path = "a\nb",
                      .user = "root"};
    line_is(&it, "{\"path\":\"a\\nb\",\"type\":\"file\",\"mode\":\"4644\",\"uid\":1,"
                 "\"gid\":4294967294,\"user\":\"root\",\"size\":10,\"stored\":4,"
                 "\"mtime\":\"1969-12-31T23:59:59.000000005Z\",\"changed\":true}");
    it = (struct item){
        .type = ITEM_CHAR, .path = "null", .dev_major = 1, .dev_minor = 3};
    line_is(&it, "{\"path\":\"null\",\"type\":\"char\",\"mode\":\"0000\",\"uid\":0,"
                 "\"gid\":0,\"size\":0,\"stored\":0,"
                 "\"mtime\":\"1970-01-01T00:00:00.000000000Z\",\"device\":\"1:3\"}");
    it = (struct item){
        .type = ITEM_SYMLINK, .path = "l", .link = "t\xFF", .flags = ITEM_INCOMPLETE};
    line_is(&it,
            "{\"path\":\"l\",\"type\":\"symlink\",\"mode\":\"0000\",\"uid\":0,"
            "\"gid\":0,\"size\":0,\"stored\":0,"
            "\"mtime\":\"1970-01-01T00:00:00.000000000Z\","
            "\"link\":\"t\xEF\xBF\xBD\",\"link_hex\":\"74ff\",\"incomplete\":true}");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_utf8_goes_in_as_it_is),
        cmocka_unit_test(test_other_bytes_come_back_exactly),
        cmocka_unit_test(test_each_bad_byte_is_shown_as_one_replacement),
        cmocka_unit_test(test_a_bad_hex_text_gives_nothing),
        cmocka_unit_test(test_an_item_is_one_line),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
