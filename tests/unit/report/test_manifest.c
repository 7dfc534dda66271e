#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#include "report/manifest.h"

static struct manifest sample(bool final)
{
    return (struct manifest){
        .tool = "pmm-seal 0.1.0",
        .host = "host",
        .name = "pmm-data",
        .source = "/srv/\xFFodd",
        .created = 1795489644,
        .level = 3,
        .final = final,
        .finished = 1795489700,
        .totals = {.entries = 9,
                   .files = 4,
                   .dirs = 3,
                   .links = 1,
                   .others = 1,
                   .bytes = 1ull << 40,
                   .stored = 5,
                   .disk_bytes = 6,
                   .tar_bytes = 7,
                   .warnings = final ? 2 : 0},
    };
}

static struct report *warned(unsigned n)
{
    struct err err = {0};
    struct report *r;
    assert_int_equal(report_new(&r, &err), 0);
    notice(report_sink(r), NOTICE_NOTE, "a-note", NULL, "not in the archive");
    for (unsigned i = 0; i < n; i++)
        notice(report_sink(r), NOTICE_WARNING, "changed", i % 2 ? "p\xFE" : NULL, "w%u",
               i);
    return r;
}

static void encode(const struct manifest *m, const struct report *r, size_t max,
                   struct buf *out)
{
    struct err err = {0};
    if (manifest_encode(m, r, max, out, &err) != 0)
        fail_msg("%s", err.text);
}

static void test_a_final_manifest_comes_back_whole(void **state)
{
    (void)state;
    struct err err = {0};
    struct buf b = {0};
    struct manifest in = sample(true), m;
    struct report *r = warned(2), *back = warned(0);
    encode(&in, r, 1 << 20, &b);
    assert_int_equal(manifest_parse(b.p, b.len, &m, &err), 0);
    assert_string_equal(m.tool, in.tool);
    assert_string_equal(m.host, in.host);
    assert_string_equal(m.name, in.name);
    assert_string_equal(m.source, in.source);
    assert_int_equal(m.created, in.created);
    assert_int_equal(m.finished, in.finished);
    assert_int_equal(m.level, 3);
    assert_true(m.final);
    assert_memory_equal(&m.totals, &in.totals, sizeof m.totals);
    manifest_carry(&m, back);
    assert_int_equal(report_warnings(back), 2);
    assert_true(report_line(back, 2)->carried);
    assert_string_equal(report_line(back, 1)->text, "w0");
    assert_null(report_line(back, 1)->path);
    assert_string_equal(report_line(back, 2)->path, "p\xFE");
    assert_int_equal(buf_add(&b, "", 1), 0);
    assert_non_null(strstr((char *)b.p, "\"order\":\"depth-first\""));
    assert_non_null(strstr((char *)b.p, "\"result\":\"warnings\""));
    assert_non_null(strstr((char *)b.p, "\"created\":\"2026-11-24T03:07:24Z\""));
    manifest_free(&m);
    manifest_free(&m);
    report_free(r);
    report_free(back);
    buf_free(&b);
}

static void test_what_the_volume_was_and_what_was_taken_along_come_back(void **state)
{
    (void)state;
    struct err err = {0};
    struct buf b = {0};
    struct manifest in = sample(true), m;
    struct report *r = warned(0);
    in.totals.warnings = 0;
    in.state = STATE_CRASHED;
    in.volume = (struct volume_facts){.pmm = true,
                                      .version = "3.7.0",
                                      .distribution = "docker",
                                      .pgdir = "postgres14",
                                      .pg_version = 14,
                                      .system_id = UINT64_MAX - 1,
                                      .victoriametrics = true,
                                      .vm_partition_index = true,
                                      .encryption_key = true};
    in.idmap = (struct idmap){.uid = "0 1000 1, 1 100000 65536", .gid = "0 1000 1"};
    assert_int_equal(extras_env(&in.extras, "PMM_DEBUG", &err), 0);
    assert_int_equal(extras_env(&in.extras, "GF_X=a\xFF", &err), 0);
    assert_int_equal(extras_file(&in.extras, "/etc/key", "secret\n\x80", true, &err),
                     0);
    assert_int_equal(extras_file(&in.extras, "inspect.json", "[{}]\n", false, &err), 0);
    encode(&in, r, 1 << 20, &b);
    assert_int_equal(manifest_parse(b.p, b.len, &m, &err), 0);
    assert_int_equal(m.state, STATE_CRASHED);
    assert_memory_equal(&m.volume, &in.volume, sizeof m.volume);
    assert_string_equal(m.idmap.uid, in.idmap.uid);
    assert_string_equal(m.idmap.gid, in.idmap.gid);
    assert_int_equal(m.extras.nenv, 2);
    assert_string_equal(m.extras.env[0], "PMM_DEBUG");
    assert_string_equal(m.extras.env[1], "GF_X=a\xFF");
    assert_int_equal(m.extras.nfiles, 2);
    const struct extra_file *key = extras_find(&m.extras, "key");
    assert_string_equal(key->path, "/etc/key");
    assert_string_equal(key->text, "secret\n\x80");
    assert_true(key->needed);
    assert_false(extras_find(&m.extras, "inspect.json")->needed);
    assert_null(extras_find(&m.extras, "ey"));
    manifest_free(&m);
    extras_free(&in.extras);
    report_free(r);
    buf_free(&b);
}

static void test_more_is_not_taken_along_than_a_manifest_holds(void **state)
{
    (void)state;
    struct err err = {0};
    struct extras x = {0};
    char *big = test_malloc(EXTRAS_MAX);
    memset(big, 'x', EXTRAS_MAX - 1);
    big[EXTRAS_MAX - 1] = '\0';
    assert_int_equal(extras_file(&x, "f", big, false, &err), -1);
    assert_int_equal(err.cls, ERR_FAIL);
    err = (struct err){0};
    big[EXTRAS_MAX - 4] = '\0';
    assert_int_equal(extras_file(&x, "f", big, false, &err), 0);
    assert_int_equal(extras_env(&x, "A", &err), -1);
    extras_free(&x);
    test_free(big);
}

static void test_the_first_manifest_has_no_totals(void **state)
{
    (void)state;
    struct err err = {0};
    struct buf b = {0};
    struct manifest in = sample(false), m;
    struct report *back = warned(0);
    encode(&in, NULL, 1 << 20, &b);
    assert_null(memmem(b.p, b.len, "totals", 6));
    assert_int_equal(manifest_parse(b.p, b.len, &m, &err), 0);
    assert_false(m.final);
    manifest_carry(&m, back);
    assert_int_equal(report_warnings(back), 0);
    manifest_free(&m);
    report_free(back);
    buf_free(&b);
}

static void test_warnings_are_dropped_from_the_end_to_stay_under_max(void **state)
{
    (void)state;
    struct err err = {0};
    struct manifest in = sample(true), m;
    struct report *r = warned(100);
    in.totals.warnings = 100;
    for (size_t max = 700; max < 4000; max += 37) {
        struct buf b = {0};
        struct report *back = warned(0);
        encode(&in, r, max, &b);
        assert_true(b.len <= max);
        assert_true(b.len + 120 > max);
        assert_int_equal(manifest_parse(b.p, b.len, &m, &err), 0);
        manifest_carry(&m, back);
        assert_true(report_warnings(back) > 0);
        assert_string_equal(report_line(back, 1)->text, "w0");
        /* and that there were more is a warning of its own */
        const struct report_line *last = report_line(back, report_lines(back) - 1);
        assert_string_equal(last->id, "warnings-not-kept");
        manifest_free(&m);
        report_free(back);
        buf_free(&b);
    }
    struct buf b = {0};
    assert_int_equal(manifest_encode(&in, r, 100, &b, &err), -1);
    assert_int_equal(err.cls, ERR_FAIL);
    buf_free(&b);
    report_free(r);
}

/* A final manifest with one key changed (NULL: removed). */
static enum err_class parse_with(const char *key, json_t *value)
{
    struct err err = {0};
    struct buf b = {0};
    struct manifest in = sample(true), m;
    struct report *r = warned(1);
    encode(&in, r, 1 << 20, &b);
    json_t *obj = json_loadb((const char *)b.p, b.len, 0, NULL);
    if (value == NULL)
        json_object_del(obj, key);
    else
        json_object_set_new(obj, key, value);
    char *text = json_dumps(obj, 0);
    int rc = manifest_parse((const uint8_t *)text, strlen(text), &m, &err);
    assert_int_equal(rc == 0, err.cls == ERR_NONE);
    assert_null(rc == 0 ? NULL : m.priv);
    manifest_free(&m);
    free(text);
    json_decref(obj);
    report_free(r);
    buf_free(&b);
    return err.cls;
}

/* Two manifests of one archive, the second with one key changed (NULL: removed). */
static enum err_class agree_with(bool volume, const char *key, json_t *value)
{
    struct err err = {0};
    struct buf a = {0}, b = {0};
    struct manifest in = sample(false), first, final;
    struct report *r = warned(2);
    in.volume.pmm = volume;
    encode(&in, NULL, 1 << 20, &a);
    assert_int_equal(manifest_parse(a.p, a.len, &first, &err), 0);
    in.final = true;
    in.totals.warnings = 2;
    encode(&in, r, 1 << 20, &b);
    json_t *obj = json_loadb((const char *)b.p, b.len, 0, NULL);
    if (value != NULL)
        json_object_set_new(obj, key, value);
    else if (key != NULL)
        json_object_del(obj, key);
    char *text = json_dumps(obj, 0);
    assert_int_equal(manifest_parse((const uint8_t *)text, strlen(text), &final, &err),
                     0);
    int rc = manifest_agree(&first, &final, &err);
    assert_int_equal(rc == 0, err.cls == ERR_NONE);
    manifest_free(&first);
    manifest_free(&final);
    free(text);
    json_decref(obj);
    report_free(r);
    buf_free(&a);
    buf_free(&b);
    return err.cls;
}

static void test_two_manifests_that_differ_are_damage(void **state)
{
    (void)state;
    for (int volume = 0; volume < 2; volume++) {
        assert_int_equal(agree_with(volume, NULL, NULL), ERR_NONE);
        assert_int_equal(agree_with(volume, "unknown", json_true()), ERR_NONE);
        assert_int_equal(agree_with(volume, "host", json_string("b")), ERR_DAMAGED);
        assert_int_equal(agree_with(volume, "source", json_string("/x")), ERR_DAMAGED);
        assert_int_equal(agree_with(volume, "level", json_integer(4)), ERR_DAMAGED);
        assert_int_equal(agree_with(volume, "environment", json_array()), ERR_DAMAGED);
        assert_int_equal(
            agree_with(volume, "created", json_string("2026-11-24T00:00:00Z")),
            ERR_DAMAGED);
    }
    assert_int_equal(agree_with(true, "volume", NULL), ERR_DAMAGED);
    assert_int_equal(agree_with(false, "idmap",
                                json_pack("{s:s,s:s}", "uid", "0 1 1", "gid", "0 1 1")),
                     ERR_DAMAGED);
}

static void test_unknown_keys_are_passed_over(void **state)
{
    (void)state;
    assert_int_equal(parse_with("pmm", json_pack("{s:s}", "version", "3.4")), ERR_NONE);
}

static void test_every_known_key_must_be_there_with_its_type(void **state)
{
    (void)state;
    static const char *const keys[] = {
        "format", "tool",  "created",  "host",   "name",     "source", "level",
        "order",  "final", "finished", "totals", "warnings", "result"};
    for (size_t i = 0; i < sizeof keys / sizeof keys[0]; i++) {
        assert_int_equal(parse_with(keys[i], NULL), ERR_DAMAGED);
        assert_int_equal(parse_with(keys[i], json_real(1.5)), ERR_DAMAGED);
        assert_int_equal(parse_with(keys[i], json_null()), ERR_DAMAGED);
    }
    assert_int_equal(parse_with("format", json_integer(2)), ERR_DAMAGED);
    assert_int_equal(parse_with("order", json_string("random")), ERR_DAMAGED);
    assert_int_equal(parse_with("result", json_string("whole")), ERR_DAMAGED);
    assert_int_equal(parse_with("level", json_integer(-1)), ERR_DAMAGED);
    assert_int_equal(parse_with("created", json_string("2026-11-24")), ERR_DAMAGED);
    assert_int_equal(parse_with("warnings", json_pack("[{s:s}]", "id", "x")),
                     ERR_DAMAGED);
    assert_int_equal(parse_with("warnings", json_pack("[i]", 1)), ERR_DAMAGED);
    json_t *one = json_pack("{s:s,s:s}", "id", "x", "text", "y");
    assert_int_equal(parse_with("warnings", json_pack("[O,O]", one, one)), ERR_NONE);
    assert_int_equal(parse_with("warnings", json_pack("[O,O,O]", one, one, one)),
                     ERR_DAMAGED);
    json_decref(one);
    assert_int_equal(parse_with("totals", json_pack("{s:i}", "entries", 1)),
                     ERR_DAMAGED);
}

static void test_a_key_given_twice_is_damage(void **state)
{
    (void)state;
    struct err err = {0};
    struct buf b = {0}, twice = {0};
    struct manifest in = sample(false), m;
    encode(&in, NULL, 1 << 20, &b);
    assert_int_equal(buf_printf(&twice, "{\"name\":\"other\",%.*s", (int)b.len - 1,
                                (const char *)b.p + 1),
                     0);
    assert_int_equal(manifest_parse(twice.p, twice.len, &m, &err), -1);
    assert_int_equal(err.cls, ERR_DAMAGED);
    buf_free(&b);
    buf_free(&twice);
}

static void test_what_is_no_json_is_damage(void **state)
{
    (void)state;
    static char deep[100000];
    memset(deep, '[', sizeof deep);
    static const char *const bad[] = {"",
                                      "null",
                                      "[]",
                                      "{",
                                      "{}x",
                                      "{\"format\":1}",
                                      "{\"format\":1,\"format\":1}",
                                      "\xFF"};
    struct manifest m;
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        struct err err = {0};
        assert_int_equal(
            manifest_parse((const uint8_t *)bad[i], strlen(bad[i]), &m, &err), -1);
        assert_int_equal(err.cls, ERR_DAMAGED);
    }
    struct err err = {0};
    assert_int_equal(manifest_parse((const uint8_t *)deep, sizeof deep, &m, &err), -1);
    assert_int_equal(err.cls, ERR_DAMAGED);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_final_manifest_comes_back_whole),
        cmocka_unit_test(test_what_the_volume_was_and_what_was_taken_along_come_back),
        cmocka_unit_test(test_more_is_not_taken_along_than_a_manifest_holds),
        cmocka_unit_test(test_the_first_manifest_has_no_totals),
        cmocka_unit_test(test_warnings_are_dropped_from_the_end_to_stay_under_max),
        cmocka_unit_test(test_two_manifests_that_differ_are_damage),
        cmocka_unit_test(test_unknown_keys_are_passed_over),
        cmocka_unit_test(test_every_known_key_must_be_there_with_its_type),
        cmocka_unit_test(test_a_key_given_twice_is_damage),
        cmocka_unit_test(test_what_is_no_json_is_damage),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
