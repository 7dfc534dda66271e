/* The rules that bind items to one another, and to the machine that reads them. */
#include "job/itemrules.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#define BLOCK 512u

/* The next item of a tar without content, in both steps. */
static int next(struct itemrules *rules, uint8_t type, const char *path,
                const char *link, uint64_t link_offset)
{
    struct err err = {0};
    struct item item = {.type = type,
                        .path = path,
                        .link = link,
                        .link_offset = link_offset,
                        .tar_offset = rules->next_offset,
                        .tar_length = BLOCK};
    int rc = itemrules_path(rules, path, type, &err);
    if (rc == 0)
        rc = itemrules_tile(rules, &item, &err);
    assert_int_equal(err.cls, rc == 0 ? ERR_NONE : ERR_DAMAGED);
    return rc;
}

struct plain {
    uint8_t type;
    const char *path;
};

/* How many of them pass. */
static size_t passing(const struct plain *items, size_t n)
{
    struct itemrules rules = {0};
    size_t i = 0;
    while (i < n && next(&rules, items[i].type, items[i].path, NULL, 0) == 0)
        i++;
    itemrules_free(&rules);
    return i;
}
#define PASSING(...)                                                                   \
    passing((const struct plain[]){__VA_ARGS__},                                       \
            sizeof((const struct plain[]){__VA_ARGS__}) / sizeof(struct plain))

static void test_an_entry_lies_in_a_directory_that_came_before_it(void **state)
{
    (void)state;
    assert_int_equal(PASSING({ITEM_DIR, "."}, {ITEM_DIR, "a"}, {ITEM_DIR, "a/b"},
                             {ITEM_FILE, "a/b/c"}, {ITEM_FILE, "a/b/d"},
                             {ITEM_FILE, "a/c"}, {ITEM_FILE, "a.b"}, {ITEM_FILE, "b"}),
                     8);
    assert_int_equal(PASSING({ITEM_DIR, "."}, {ITEM_FILE, "a/b"}), 1);
    assert_int_equal(PASSING({ITEM_DIR, "."}, {ITEM_DIR, "a"}, {ITEM_FILE, "a/b/c"}),
                     2);
    assert_int_equal(PASSING({ITEM_DIR, "."}, {ITEM_DIR, "a"}, {ITEM_FILE, "ab/c"}), 2);
    assert_int_equal(PASSING({ITEM_DIR, "."}, {ITEM_DIR, "ab"}, {ITEM_FILE, "ac/d"}),
                     2);
    for (uint8_t type = ITEM_FILE; type <= ITEM_BLOCK; type++)
        if (type != ITEM_DIR && type != ITEM_HARDLINK)
            assert_int_equal(PASSING({ITEM_DIR, "."}, {type, "a"}, {ITEM_FILE, "a/b"}),
                             2);
}

static void test_the_first_is_a_directory_and_paths_ascend(void **state)
{
    (void)state;
    assert_int_equal(PASSING({ITEM_FILE, "."}), 0);
    assert_int_equal(PASSING({ITEM_DIR, "a"}), 0);
    assert_int_equal(PASSING({ITEM_DIR, "."}, {ITEM_DIR, "."}), 1);
    assert_int_equal(PASSING({ITEM_DIR, "."}, {ITEM_FILE, "b"}, {ITEM_FILE, "a"}), 2);
    assert_int_equal(PASSING({ITEM_DIR, "."}, {ITEM_FILE, "a"}, {ITEM_FILE, "a"}), 2);
}

static void test_a_directory_of_a_name_that_restores_use_is_refused(void **state)
{
    (void)state;
    assert_int_equal(PASSING({ITEM_DIR, "."}, {ITEM_DIR, ".pmm-seal-old.abcdef"}), 1);
    assert_int_equal(PASSING({ITEM_DIR, "."}, {ITEM_DIR, "a"},
                             {ITEM_DIR, "a/.pmm-seal-trash.abcdef"}),
                     2);
    assert_int_equal(PASSING({ITEM_DIR, "."}, {ITEM_FILE, ".pmm-seal-old.abcdef"}), 2);
}

/* The tar so far: ".", then "dir", "file" and "link" of the types. */
static void before_links(struct itemrules *rules)
{
    assert_int_equal(next(rules, ITEM_DIR, ".", NULL, 0), 0);
    assert_int_equal(next(rules, ITEM_DIR, "dir", NULL, 0), 0);
    assert_int_equal(next(rules, ITEM_FILE, "file", NULL, 0), 0);
    assert_int_equal(next(rules, ITEM_SYMLINK, "link", "file", 0), 0);
}

static void test_a_hard_link_names_an_earlier_file_and_its_place(void **state)
{
    (void)state;
    static const struct {
        const char *path;
        uint64_t offset;
        int rc;
    } links[] = {{"file", 2 * BLOCK, 0},      {"file", 1 * BLOCK, -1},
                 {"file", 2 * BLOCK + 1, -1}, {"file", 3 * BLOCK, -1},
                 {"dir", 1 * BLOCK, -1},      {"dir", 2 * BLOCK, -1},
                 {"link", 3 * BLOCK, -1},     {"link", 2 * BLOCK, -1},
                 {"nothing", 2 * BLOCK, -1},  {"file", UINT64_MAX - 1, -1}};
    for (size_t i = 0; i < sizeof links / sizeof *links; i++) {
        struct itemrules rules = {0};
        before_links(&rules);
        assert_int_equal(
            next(&rules, ITEM_HARDLINK, "name", links[i].path, links[i].offset),
            links[i].rc);
        if (links[i].rc == 0) /* and a link is no primary */
            assert_int_equal(next(&rules, ITEM_HARDLINK, "other", "name", 4 * BLOCK),
                             -1);
        itemrules_free(&rules);
    }
}

/* Over many groups, and over a file of terabytes. */
static void test_a_primary_is_found_among_many(void **state)
{
    (void)state;
    enum { N = 3000 };
    struct primaries p = {0};
    struct err err = {0};
    char path[32];
    for (uint64_t round = 0; round < 2; round++) {
        for (uint64_t i = 0; i < N; i++) {
            snprintf(path, sizeof path, "dir/%llu", (unsigned long long)i);
            uint64_t far = i < N / 2 ? 0 : UINT64_C(1) << 50;
            assert_int_equal(primaries_add(&p, path, far + i * 3 * BLOCK, &err), 0);
        }
        for (uint64_t i = 0; i < N; i++) {
            snprintf(path, sizeof path, "dir/%llu", (unsigned long long)i);
            uint64_t at = (i < N / 2 ? 0 : UINT64_C(1) << 50) + i * 3 * BLOCK;
            assert_true(primaries_has(&p, path, at));
            assert_false(primaries_has(&p, path, at + BLOCK));
            assert_false(primaries_has(&p, path, at ^ UINT64_C(1) << 50));
            assert_false(primaries_has(&p, "dir/x", at));
        }
        primaries_clear(&p);
        assert_false(primaries_has(&p, "dir/0", 0));
    }
}

static void test_items_add_up_to_the_totals(void **state)
{
    (void)state;
    struct itemrules rules = {0};
    struct err err = {0};
    before_links(&rules);
    assert_int_equal(next(&rules, ITEM_FIFO, "pipe", NULL, 0), 0);
    struct item file = {.type = ITEM_FILE,
                        .path = "sparse",
                        .size = 9000,
                        .stored = 5000,
                        .tar_offset = rules.next_offset,
                        .tar_length = 12 * BLOCK};
    assert_int_equal(itemrules_path(&rules, file.path, file.type, &err), 0);
    assert_int_equal(itemrules_tile(&rules, &file, &err), 0);
    const struct manifest_totals good = {.entries = 6,
                                         .files = 2,
                                         .dirs = 2,
                                         .links = 1,
                                         .others = 1,
                                         .bytes = 9000,
                                         .stored = 5000,
                                         .disk_bytes = 4 * 4096};
    assert_int_equal(itemrules_totals(&rules, &good, &err), 0);
    for (size_t i = 0; i < 8; i++) {
        struct manifest_totals bad = good;
        ((uint64_t *)&bad)[i]++;
        err = (struct err){0};
        assert_int_equal(itemrules_totals(&rules, &bad, &err), -1);
        assert_int_equal(err.cls, ERR_DAMAGED);
    }
    itemrules_free(&rules);
}

static void test_a_time_that_this_machine_cannot_hold_is_refused(void **state)
{
    (void)state;
    static const int64_t good[] = {0, -1, 1700000000, INT32_MAX, INT32_MIN};
    static const int64_t wide[] = {1ll + INT32_MAX, -1ll + INT32_MIN, 1ll << 34,
                                   -(1ll << 34)};
    struct item item = {.type = ITEM_FILE, .path = "late"};
    for (size_t i = 0; i < sizeof good / sizeof *good; i++) {
        struct err err = {0};
        item.mtime = good[i];
        assert_int_equal(itemrules_time(&item, &err), 0);
    }
    for (size_t i = 0; i < sizeof wide / sizeof *wide; i++) {
        struct err err = {0};
        item.mtime = wide[i];
        assert_int_equal(itemrules_time(&item, &err), sizeof(time_t) > 4 ? 0 : -1);
        if (sizeof(time_t) > 4)
            continue;
        assert_int_equal(err.cls, ERR_FAIL); /* and not that the archive is damaged */
        assert_non_null(strstr(err.text, "late"));
        assert_non_null(strstr(err.hint, "64 bits"));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_an_entry_lies_in_a_directory_that_came_before_it),
        cmocka_unit_test(test_the_first_is_a_directory_and_paths_ascend),
        cmocka_unit_test(test_a_directory_of_a_name_that_restores_use_is_refused),
        cmocka_unit_test(test_a_hard_link_names_an_earlier_file_and_its_place),
        cmocka_unit_test(test_a_primary_is_found_among_many),
        cmocka_unit_test(test_items_add_up_to_the_totals),
        cmocka_unit_test(test_a_time_that_this_machine_cannot_hold_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
