/* What is listed and was not seen is lost; what was seen is not, whenever it is listed.
 */
#include "job/lost.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "job/ranges.h"
#include "util/buf.h"

struct world {
    struct lost *l;
    char told[256]; /* " path" of each lost one */
};

static int on_lost(void *ctx, const struct item *item, struct err *err)
{
    struct world *w = ctx;
    (void)err;
    strcat(w->told, " ");
    strcat(w->told, item->path);
    return 0;
}

static int setup(void **state)
{
    static struct world w;
    struct err err = {0};
    memset(&w, 0, sizeof w);
    assert_int_equal(lost_new(&w.l, on_lost, &w, &err), 0);
    *state = &w;
    return 0;
}

static int teardown(void **state)
{
    struct world *w = *state;
    lost_free(w->l);
    return 0;
}

/* Entry number n is called by its letter and takes 1024 bytes of tar. */
static struct item item(unsigned n, char name[2])
{
    name[0] = (char)('a' + n);
    name[1] = '\0';
    return (struct item){
        .type = ITEM_FILE, .path = name, .tar_offset = n * 1024u, .tar_length = 1024};
}

static void see(struct world *w, unsigned n)
{
    char name[2];
    struct err err = {0};
    struct item it = item(n, name);
    it.tar_length = 0; /* which a tar reader does not know */
    assert_int_equal(lost_seen(w->l, &it, &err), 0);
}

/* Those from `from` to `to`, both included. */
static void list(struct world *w, unsigned from, unsigned to)
{
    struct buf b = {0};
    struct err err = {0};
    for (unsigned n = from; n <= to; n++) {
        char name[2];
        struct item it = item(n, name);
        assert_int_equal(item_encode(&it, &b, &err), 0);
    }
    assert_int_equal(lost_items(w->l, b.p, b.len, &err), 0);
    buf_free(&b);
}

static void end(struct world *w, const char *told)
{
    struct err err = {0};
    assert_int_equal(lost_end(w->l, &err), 0);
    assert_string_equal(w->told, told);
    assert_int_equal(lost_counts(w->l)->lost, strlen(told) / 2);
}

static void test_what_is_seen_and_listed_is_not_lost(void **state)
{
    struct world *w = *state;
    see(w, 0);
    see(w, 1);
    list(w, 0, 2); /* before c is seen: the tar reader may lag behind */
    see(w, 2);
    see(w, 3);
    see(w, 4);
    list(w, 3, 4);
    end(w, "");
    assert_int_equal(lost_counts(w->l)->seen, 5);
    assert_int_equal(lost_counts(w->l)->listed, 5);
    assert_int_equal(lost_counts(w->l)->contradictions, 0);
}

static void test_what_is_listed_and_passed_over_is_lost_at_once(void **state)
{
    struct world *w = *state;
    see(w, 0);
    list(w, 0, 3);
    assert_string_equal(w->told, "");
    see(w, 3);
    assert_string_equal(w->told, " b c");
    end(w, " b c");
}

static void test_what_is_listed_late_is_found_seen_or_lost(void **state)
{
    struct world *w = *state;
    see(w, 0);
    see(w, 2);
    see(w, 5);
    list(w, 0, 6);
    assert_string_equal(w->told, " b d e");
    end(w, " b d e g");
}

static void test_without_items_nothing_is_said_to_be_lost(void **state)
{
    struct world *w = *state;
    see(w, 0);
    see(w, 1);
    see(w, 7);
    list(w, 7, 9); /* what listed the others is gone */
    see(w, 9);
    end(w, " i");
    assert_int_equal(lost_counts(w->l)->seen, 4);
    assert_int_equal(lost_counts(w->l)->listed, 3);
}

static void test_an_item_that_says_another_thing_is_a_contradiction(void **state)
{
    struct world *w = *state;
    char name[2];
    struct err err = {0};
    struct item it = item(0, name);
    it.mode = 04755;
    assert_int_equal(lost_seen(w->l, &it, &err), 0);
    list(w, 0, 0);
    end(w, "");
    assert_int_equal(lost_counts(w->l)->contradictions, 1);
    list(w, 0, 0); /* and so is one that comes twice */
    assert_int_equal(lost_counts(w->l)->contradictions, 2);
}

static void test_ranges_are_told_merged_and_not_without_end(void **state)
{
    struct ranges r = {0};
    struct err err = {0};
    const char *text;
    (void)state;
    assert_int_equal(ranges_add(&r, 0, 10, &err), 0);
    assert_int_equal(ranges_add(&r, 10, 10, &err), 0);
    assert_int_equal(ranges_add(&r, 30, 1, &err), 0);
    assert_int_equal(ranges_text(&r, 99, "; why", &text, &err), 0);
    assert_string_equal(text, "bytes 0 to 19, 30 to 30 of 99 are missing; why");
    ranges_free(&r);
    for (uint64_t i = 0; i < 50; i++)
        assert_int_equal(ranges_add(&r, 10 * i, 5, &err), 0);
    assert_int_equal(ranges_text(&r, 500, "", &text, &err), 0);
    assert_string_equal(text, "bytes 0 to 4, 10 to 14, 20 to 24, 30 to 34, 40 to 44, "
                              "50 to 54 and more of 500 are missing");
    ranges_free(&r);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_what_is_seen_and_listed_is_not_lost),
        TEST(test_what_is_listed_and_passed_over_is_lost_at_once),
        TEST(test_what_is_listed_late_is_found_seen_or_lost),
        TEST(test_without_items_nothing_is_said_to_be_lost),
        TEST(test_an_item_that_says_another_thing_is_a_contradiction),
        TEST(test_ranges_are_told_merged_and_not_without_end),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
