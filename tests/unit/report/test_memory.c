/* JSON is written and parsed by jansson, which goes on without a key that it has no
 * memory for, and takes a lack of memory for bad JSON. Here each allocation fails in
 * turn. */
#include <stdio.h>

#ifndef __SANITIZE_ADDRESS__

#include <string.h>

#include "../nomemory.h"
#include "format/limits.h"
#include "report/manifest.h"

static const struct manifest sample = {
    .tool = "pmm-seal 0.1.0",
    .host = "host",
    .name = "pmm-data",
    .source = "/srv/\xFFodd",
    .created = 1795489644,
    .level = 3,
    .final = true,
    .finished = 1795489700,
    .volume = {.pmm = true, .version = "3.7.0", .pgdir = "postgres14", .system_id = 7},
    .state = STATE_STOPPED,
    .totals = {.entries = 9, .files = 4, .dirs = 3, .warnings = 1},
};

struct world {
    struct report *report;
    struct buf text;
};

static void set_up(struct world *w)
{
    struct err err = {0};
    *w = (struct world){.report = NULL};
    assert_int_equal(report_new(&w->report, &err), 0);
    notice(report_sink(w->report), NOTICE_WARNING, "file-changed", "some/path",
           "a text");
    assert_int_equal(manifest_encode(&sample, w->report, MANIFEST_MAX, &w->text, &err),
                     0);
}

static void tear_down(struct world *w)
{
    report_free(w->report);
    buf_free(&w->text);
}

static int encode_with_a_failure(const void *ctx, long n)
{
    const struct world *w = ctx;
    struct buf text = {0};
    struct err err = {0};
    failing = n;
    int rc = manifest_encode(&sample, w->report, MANIFEST_MAX, &text, &err);
    return judge(
        rc, text.len == w->text.len && memcmp(text.p, w->text.p, text.len) == 0, &err);
}

static int parse_with_a_failure(const void *ctx, long n)
{
    const struct world *w = ctx;
    struct manifest m;
    struct err err = {0};
    failing = n;
    int rc = manifest_parse(w->text.p, w->text.len, &m, &err);
    return judge(rc,
                 rc == 0 && strcmp(m.source, sample.source) == 0 &&
                     strcmp(m.name, sample.name) == 0 && m.volume.system_id == 7,
                 &err);
}

static void test_without_memory_a_manifest_is_whole_or_an_error(void **state)
{
    struct world w;
    (void)state;
    set_up(&w);
    try_each(encode_with_a_failure, &w, "encoding");
    tear_down(&w);
}

static void test_without_memory_a_manifest_is_not_called_damaged(void **state)
{
    struct world w;
    (void)state;
    set_up(&w);
    try_each(parse_with_a_failure, &w, "parsing");
    tear_down(&w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_without_memory_a_manifest_is_whole_or_an_error),
        cmocka_unit_test(test_without_memory_a_manifest_is_not_called_damaged),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

#else

int main(void)
{
    puts("skipped: the address sanitizer's malloc is not to be replaced");
    return 77;
}

#endif
