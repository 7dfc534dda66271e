#include "util/idmap.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

/* What a process whose maps are these two texts is told. */
static void maps(struct idmap *m, const char *uid, const char *gid)
{
    char root[] = "/tmp/pmm-seal-idmap.XXXXXX", path[64];
    static const char *const dirs[] = {"/proc", "/proc/self"};
    static const char *const files[] = {"/proc/self/uid_map", "/proc/self/gid_map"};
    const char *texts[] = {uid, gid};
    assert_non_null(mkdtemp(root));
    for (int i = 0; i < 2; i++) {
        snprintf(path, sizeof path, "%s%s", root, dirs[i]);
        assert_int_equal(mkdir(path, 0700), 0);
    }
    for (int i = 0; i < 2; i++) {
        snprintf(path, sizeof path, "%s%s", root, files[i]);
        FILE *f = fopen(path, "w");
        assert_non_null(f);
        assert_true(fputs(texts[i], f) >= 0);
        assert_int_equal(fclose(f), 0);
    }
    idmap_own(root, m);
    for (int i = 0; i < 4; i++) {
        snprintf(path, sizeof path, "%s%s", root, i < 2 ? files[i] : dirs[3 - i]);
        assert_int_equal(remove(path), 0);
    }
    assert_int_equal(rmdir(root), 0);
}

#define ALL "         0          0 4294967295\n"

static void test_where_every_number_stands_for_itself_there_is_no_map(void **state)
{
    (void)state;
    struct idmap m;
    maps(&m, ALL, ALL);
    assert_string_equal(m.uid, "");
    assert_true(idmap_is_identity(&m));
}

static void test_a_rootless_map_is_told_line_by_line(void **state)
{
    (void)state;
    struct idmap m;
    maps(&m, "         0       1000          1\n         1     100000      65536\n",
         ALL);
    assert_string_equal(m.uid, "0 1000 1, 1 100000 65536");
    assert_string_equal(m.gid, "");
    assert_false(idmap_is_identity(&m));
}

static void test_a_long_map_is_cut(void **state)
{
    (void)state;
    struct idmap m;
    char text[4096] = "";
    for (int i = 0; i < 60; i++)
        snprintf(text + strlen(text), 32, "%d %d 1\n", i, 100000 + 2 * i);
    maps(&m, text, ALL);
    assert_int_equal(strlen(m.uid), IDMAP_TEXT - 1);
    assert_memory_equal(m.uid, "0 100000 1, 1 100002 1, ", 24);
}

static void test_where_nobody_can_tell_there_is_no_map(void **state)
{
    (void)state;
    struct idmap m;
    idmap_own("/nonexistent", &m);
    assert_true(idmap_is_identity(&m));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_where_every_number_stands_for_itself_there_is_no_map),
        cmocka_unit_test(test_a_rootless_map_is_told_line_by_line),
        cmocka_unit_test(test_a_long_map_is_cut),
        cmocka_unit_test(test_where_nobody_can_tell_there_is_no_map),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
