#include "job/chunkmarks.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "format/frame.h"

#define NONE FRAME_NO_ENTRY

/* Three chunks of 1000 bytes that name these, and entries at these offsets. */
static int judge(const uint32_t first[3], const uint64_t *offsets, size_t n)
{
    struct chunkmarks m = {.chunk_size = 1000};
    struct err err = {0};
    int rc = 0;
    for (uint64_t c = 0, i = 0; c < 3; c++) {
        assert_int_equal(chunkmarks_chunk(&m, c, first[c], &err), 0);
        for (; rc == 0 && i < n && offsets[i] < 1000 * (c + 1); i++)
            rc = chunkmarks_entry(&m, offsets[i], &err);
    }
    if (rc == 0)
        rc = chunkmarks_end(&m, &err);
    assert_int_equal(err.cls, rc == 0 ? ERR_NONE : ERR_DAMAGED);
    chunkmarks_free(&m);
    return rc;
}
#define JUDGE(a, b, c, ...)                                                            \
    judge((const uint32_t[]){a, b, c}, (const uint64_t[]){__VA_ARGS__},                \
          sizeof((const uint64_t[]){__VA_ARGS__}) / sizeof(uint64_t))

static void test_each_chunk_names_the_first_entry_that_starts_in_it(void **state)
{
    (void)state;
    assert_int_equal(JUDGE(0, 5, 999, 0, 500, 1005, 1999, 2999), 0);
    assert_int_equal(JUDGE(0, NONE, 7, 0, 2007), 0);
    assert_int_equal(JUDGE(0, NONE, NONE, 0, 999), 0);
}

static void test_a_chunk_that_names_another_place_or_none_is_damage(void **state)
{
    (void)state;
    assert_int_equal(JUDGE(500, 5, NONE, 0, 500, 1005), -1);
    assert_int_equal(JUDGE(NONE, 5, NONE, 0, 500, 1005), -1);
    assert_int_equal(JUDGE(0, NONE, NONE, 0, 1005), -1);
    assert_int_equal(JUDGE(0, 5, NONE, 0, 2005), -1);
    assert_int_equal(JUDGE(0, 5, 7, 0, 2007), -1);
    assert_int_equal(JUDGE(0, NONE, 7, 0, 10), -1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_each_chunk_names_the_first_entry_that_starts_in_it),
        cmocka_unit_test(test_a_chunk_that_names_another_place_or_none_is_damage),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
