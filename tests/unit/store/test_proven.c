/* The note of what was proved: kept, forgotten, and of no harm when it is damaged. */
#include "storeworld.h"

#include "store/proven.h"

#define NOON  1795521600 /* 2026-11-24T12:00:00Z */
#define ZEROS "00000000000000000000000000000000"
#define ONES  "11111111111111111111111111111111"
#define MIXED "000102030405060708090a0b0c0d0eff"
#define AT    " 2026-11-24T12:00:00Z"
#define NOW   (NOON + 86400)

static const uint8_t zeros[PROVEN_ID] = {0};
static const uint8_t ones[PROVEN_ID] = {0x11, 0x11, 0x11, 0x11, 0x11, 0x11, 0x11, 0x11,
                                        0x11, 0x11, 0x11, 0x11, 0x11, 0x11, 0x11, 0x11};
static const uint8_t mixed[PROVEN_ID] = {0, 1, 2,  3,  4,  5,  6,  7,
                                         8, 9, 10, 11, 12, 13, 14, 255};

/* Each id has a file of its own. */
static const char *name_of(const uint8_t *id)
{
    return id == zeros ? "z" : id == ones ? "o" : id == mixed ? "m" : NULL;
}

static int64_t when(const struct proven *p, const uint8_t *id, uint64_t bytes)
{
    return proven_when(p, name_of(id), id, bytes);
}

static struct proven *load(void)
{
    struct err err = {0};
    struct proven *p = NULL;
    int fd = open(".", O_RDONLY | O_DIRECTORY);
    if (proven_load(&p, fd, NOW, &err) != 0)
        fail_msg("%s", err.text);
    close(fd);
    return p;
}

static int save(const struct proven *p, struct err *err)
{
    int fd = open(".", O_RDONLY | O_DIRECTORY);
    int r = proven_save(p, fd, err);
    close(fd);
    return r;
}

static void set(struct proven *p, const uint8_t *id, uint64_t bytes, int64_t time)
{
    struct err err = {0};
    assert_int_equal(proven_set(p, name_of(id), id, bytes, time, &err), 0);
}

static void test_what_was_proved_is_known_the_next_time(void **state)
{
    (void)state;
    struct err err = {0};
    struct proven *p = load();
    assert_int_equal(when(p, zeros, 5), 0);
    set(p, zeros, 5, NOON);
    set(p, mixed, UINT64_MAX, NOON + 1);
    assert_int_equal(save(p, &err), 0);
    proven_free(p);
    is(PROVEN_FILE,
       ZEROS " 5" AT " z\n" MIXED " 18446744073709551615 2026-11-24T12:00:01Z m\n");
    assert_int_equal(look(PROVEN_FILE).st_mode & 07777, 0600);
    holds(".", PROVEN_FILE " ");
    p = load();
    assert_int_equal(when(p, zeros, 5), NOON);
    assert_int_equal(when(p, mixed, UINT64_MAX), NOON + 1);
    assert_int_equal(when(p, ones, 5), 0);
    proven_free(p);
}

static void test_another_size_is_another_archive(void **state)
{
    (void)state;
    struct proven *p = load();
    set(p, zeros, 5, NOON);
    assert_int_equal(when(p, zeros, 4), 0);
    set(p, zeros, 4, NOON + 9);
    assert_int_equal(when(p, zeros, 4), NOON + 9);
    assert_int_equal(when(p, zeros, 5), 0);
    proven_free(p);
}

static void test_a_forgotten_archive_is_not_known_any_more(void **state)
{
    (void)state;
    struct err err = {0};
    struct proven *p = load();
    proven_forget(p, "z");
    set(p, zeros, 5, NOON);
    set(p, ones, 6, NOON);
    set(p, mixed, 7, NOON);
    proven_forget(p, "o");
    assert_int_equal(when(p, ones, 6), 0);
    assert_int_equal(save(p, &err), 0);
    proven_free(p);
    is(PROVEN_FILE, ZEROS " 5" AT " z\n" MIXED " 7" AT " m\n");
}

static void test_lines_that_are_something_else_are_dropped(void **state)
{
    (void)state;
    static const char *const bad[] = {
        "",
        "hello",
        ZEROS,
        ZEROS " 5",
        ZEROS " 5 ",
        ZEROS AT,
        ZEROS "  5" AT,
        ZEROS " 5 " AT,
        ZEROS " 5" AT "\r",
        " " ZEROS " 5" AT,
        ZEROS "\t5" AT,
        ZEROS " -5" AT,
        ZEROS " +5" AT,
        ZEROS " 5x" AT,
        ZEROS " 0x5" AT,
        ZEROS " x" AT,
        ZEROS " 18446744073709551616" AT,
        ZEROS " 99999999999999999999" AT,
        ZEROS " 999999999999999999999" AT,
        ZEROS "0 5" AT,
        "0000000000000000000000000000000 5" AT,
        "0000000000000000000000000000000g 5" AT,
        "0000000000000000000000000000000A 5" AT,
        ZEROS " 5 2026-11-24T12:00:00",
        ZEROS " 5 2026-11-24 12:00:00Z",
        ZEROS " 5 2026-13-24T12:00:00Z",
        ZEROS " 5 2026-11-24T12:00:00+",
        ZEROS " 5 2026-02-30T12:00:00Z",
        ZEROS " 5 2026-11-24T 2:00:00Z",
        ZEROS " 5 1970-01-01T00:00:00Z",
        ZEROS " 5 1969-12-31T00:00:00Z",
    };
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        char text[400];
        struct err err = {0};
        snprintf(text, sizeof text, ONES " 6" AT " o\n%s z\n" MIXED " 7" AT " m\n",
                 bad[i]);
        put(PROVEN_FILE, text);
        struct proven *p = load();
        assert_int_equal(save(p, &err), 0);
        assert_int_equal(when(p, ones, 6), NOON);
        assert_int_equal(when(p, mixed, 7), NOON);
        proven_free(p);
        is(PROVEN_FILE, ONES " 6" AT " o\n" MIXED " 7" AT " m\n");
    }
}

static void test_a_cut_line_and_zero_bytes_are_dropped(void **state)
{
    (void)state;
    static const char text[] = ZEROS " 5" AT " z\n\0" ONES " 6" AT " o\n" ONES " 6\0" AT
                                     " o\n" ONES " 6" AT " o\0\n" ONES " 6" AT " o";
    int fd = open(PROVEN_FILE, O_WRONLY | O_CREAT, 0600);
    assert_int_equal(write(fd, text, sizeof text - 1), sizeof text - 1);
    close(fd);
    struct proven *p = load();
    assert_int_equal(when(p, zeros, 5), NOON);
    assert_int_equal(when(p, ones, 6), 0);
    proven_free(p);
}

static void test_of_two_lines_of_one_file_the_last_holds(void **state)
{
    (void)state;
    put(PROVEN_FILE, ZEROS " 5" AT " z\n" ZEROS " 6" AT " z\n" ONES " 6" AT " o\n");
    struct proven *p = load();
    assert_int_equal(when(p, zeros, 5), 0);
    assert_int_equal(when(p, zeros, 6), NOON);
    proven_forget(p, "z");
    assert_int_equal(when(p, zeros, 5), 0);
    assert_int_equal(when(p, zeros, 6), 0);
    assert_int_equal(when(p, ones, 6), NOON);
    proven_free(p);
}

static void test_each_copy_of_an_archive_has_a_proof_of_its_own(void **state)
{
    (void)state;
    struct err err = {0};
    struct proven *p = load();
    assert_int_equal(proven_set(p, "a", zeros, 5, NOON, &err), 0);
    assert_int_equal(proven_set(p, "b c", zeros, 5, PROVEN_BAD, &err), 0);
    assert_int_equal(proven_set(p, "line\nbreak", zeros, 5, NOON, &err), 0);
    assert_int_equal(save(p, &err), 0);
    proven_free(p);
    is(PROVEN_FILE, ZEROS " 5" AT " a\n" ZEROS " 5 1970-01-01T00:00:01Z b c\n");
    p = load();
    assert_int_equal(proven_when(p, "a", zeros, 5), NOON);
    assert_int_equal(proven_when(p, "b c", zeros, 5), PROVEN_BAD);
    assert_int_equal(proven_when(p, "c", zeros, 5), 0);
    assert_int_equal(proven_when(p, "a", ones, 5), 0);
    proven_forget(p, "b c");
    assert_int_equal(proven_when(p, "a", zeros, 5), NOON);
    assert_int_equal(proven_when(p, "b c", zeros, 5), 0);
    proven_free(p);
}

/* Or nothing would be looked at until the clock comes to that time again. */
static void test_a_proof_from_the_future_is_none(void **state)
{
    (void)state;
    struct err err = {0};
    struct proven *p = load();
    set(p, zeros, 5, NOW + PROVEN_SLACK);
    set(p, ones, 6, NOW + PROVEN_SLACK + 1);
    assert_int_equal(save(p, &err), 0);
    proven_free(p);
    p = load();
    assert_int_equal(when(p, zeros, 5), NOW + PROVEN_SLACK);
    assert_int_equal(when(p, ones, 6), 0);
    /* It may be this clock that is wrong. */
    assert_int_equal(save(p, &err), 0);
    is(PROVEN_FILE,
       ZEROS " 5 2026-11-25T13:00:00Z z\n" ONES " 6 2026-11-25T13:00:01Z o\n");
    proven_free(p);
}

static void test_no_link_is_followed_neither_way(void **state)
{
    (void)state;
    struct err err = {0};
    put("other", ZEROS " 5" AT " z\n");
    assert_int_equal(symlink("other", PROVEN_FILE), 0);
    struct proven *p = load();
    assert_int_equal(when(p, zeros, 5), 0);
    set(p, ones, 6, NOON);
    assert_int_equal(save(p, &err), 0);
    proven_free(p);
    is("other", ZEROS " 5" AT " z\n");
    is(PROVEN_FILE, ONES " 6" AT " o\n");
}

static void test_more_than_four_mib_are_not_read_and_made_anew(void **state)
{
    (void)state;
    struct err err = {0};
    put(PROVEN_FILE, ZEROS " 5" AT " z\n");
    assert_int_equal(truncate(PROVEN_FILE, 4 * 1024 * 1024), 0);
    struct proven *p = load();
    assert_int_equal(when(p, zeros, 5), NOON);
    proven_free(p);
    assert_int_equal(truncate(PROVEN_FILE, 4 * 1024 * 1024 + 1), 0);
    p = load();
    assert_int_equal(when(p, zeros, 5), 0);
    set(p, ones, 6, NOON);
    assert_int_equal(save(p, &err), 0);
    proven_free(p);
    is(PROVEN_FILE, ONES " 6" AT " o\n");
}

static void
test_a_directory_in_its_place_is_nothing_to_read_nor_to_replace(void **state)
{
    (void)state;
    struct err err = {0};
    dir(PROVEN_FILE, 0700);
    struct proven *p = load();
    assert_int_equal(when(p, zeros, 5), 0);
    assert_int_equal(save(p, &err), -1);
    assert_int_equal(err.cls, ERR_FAIL);
    assert_non_null(strstr(err.text, PROVEN_FILE));
    proven_free(p);
    assert_int_equal(rmdir(PROVEN_FILE), 0);
    assert_int_equal(mkfifo(PROVEN_FILE, 0600), 0);
    proven_free(load()); /* does not wait */
}

static void as_reader(struct world *w)
{
    (void)w;
    struct err err = {0};
    struct proven *p = NULL;
    int fd = open(".", O_RDONLY | O_DIRECTORY);
    CHECK(proven_load(&p, fd, NOW, &err) == -1);
    CHECK(err.cls == ERR_FAIL && err.sys == EACCES && p == NULL);
    close(fd);
}

/* Whoever may not read it must not take it that nothing was ever verified. */
static void test_an_unreadable_note_is_an_error(void **state)
{
    put(PROVEN_FILE, ZEROS " 5" AT " z\n");
    assert_int_equal(chmod(PROVEN_FILE, 0), 0);
    as_user(state, as_reader);
}

static void test_thousands_are_kept(void **state)
{
    (void)state;
    struct err err = {0};
    uint8_t id[PROVEN_ID] = {0};
    char name[40];
    struct proven *p = load();
    for (unsigned i = 0; i < 3000; i++) {
        id[3] = (uint8_t)i;
        id[9] = (uint8_t)(i >> 8);
        snprintf(name, sizeof name, "%u.pmmseal", i);
        assert_int_equal(proven_set(p, name, id, i, NOON + i, &err), 0);
    }
    assert_int_equal(save(p, &err), 0);
    proven_free(p);
    p = load();
    for (unsigned i = 0; i < 3000; i++) {
        id[3] = (uint8_t)i;
        id[9] = (uint8_t)(i >> 8);
        snprintf(name, sizeof name, "%u.pmmseal", i);
        assert_int_equal(proven_when(p, name, id, i), NOON + i);
    }
    proven_free(p);
    proven_free(NULL);
}

#define IN_A_WORLD(f) cmocka_unit_test_setup_teardown(f, world_setup, world_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        IN_A_WORLD(test_what_was_proved_is_known_the_next_time),
        IN_A_WORLD(test_another_size_is_another_archive),
        IN_A_WORLD(test_a_forgotten_archive_is_not_known_any_more),
        IN_A_WORLD(test_lines_that_are_something_else_are_dropped),
        IN_A_WORLD(test_a_cut_line_and_zero_bytes_are_dropped),
        IN_A_WORLD(test_each_copy_of_an_archive_has_a_proof_of_its_own),
        IN_A_WORLD(test_a_proof_from_the_future_is_none),
        IN_A_WORLD(test_of_two_lines_of_one_file_the_last_holds),
        IN_A_WORLD(test_no_link_is_followed_neither_way),
        IN_A_WORLD(test_more_than_four_mib_are_not_read_and_made_anew),
        IN_A_WORLD(test_a_directory_in_its_place_is_nothing_to_read_nor_to_replace),
        IN_A_WORLD(test_an_unreadable_note_is_an_error),
        IN_A_WORLD(test_thousands_are_kept),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
