#include "storeworld.h"

#include "store/content.h"
#include "store/leftover.h"
#include "store/move.h"
#include "store/place.h"
#include "store/rmtree.h"
#include "store/swap.h"

#define OLD "t/.pmm-seal-old.abcdef"
#define SRC "t/.pmm-seal-restore.abcdef"

/* Target t: file a, directory b with b/1, directory r (0555) with r/1; time and mode of
 * its own. Staging: b (a file), r with r/2, new with new/1. */
static void build(void)
{
    dir("t", 0751);
    put("t/a", "old a");
    dir("t/b", 0700);
    put("t/b/1", "old b");
    dir("t/r", 0700);
    put("t/r/1", "old r");
    assert_int_equal(chmod("t/r", 0555), 0);
    dir(SRC, 0700);
    put(SRC "/b", "new b");
    dir(SRC "/r", 0700);
    put(SRC "/r/2", "new r");
    dir(SRC "/new", 0700);
    put(SRC "/new/1", "new");
    set_time("t", 1000);
}

static void is_old(void)
{
    holds("t", "a b r ");
    is("t/a", "old a");
    holds("t/b", "1 ");
    is("t/b/1", "old b");
    holds("t/r", "1 ");
    is("t/r/1", "old r");
    assert_int_equal(look("t/r").st_mode & 07777, 0555);
    assert_int_equal(look("t").st_mode & 07777, 0751);
    assert_int_equal(look("t").st_mtim.tv_sec, 1000);
    assert_int_equal(look("t").st_mtim.tv_nsec, 5);
}

static void plan(struct journal *j)
{
    struct err err = {0};
    static const char *const names[] = {"a", "b", "r", "new"};
    for (size_t i = 0; i < 4; i++) {
        char path[64];
        snprintf(path, sizeof path, "t/%s", names[i]);
        mode_t mode = i < 3 ? look(path).st_mode : 0;
        assert_int_equal(journal_add(j, names[i], i < 3 ? &mode : NULL,
                                     i > 0 ? names[i] : NULL, &err),
                         0);
    }
}

/* What a swap does, move by move; only the first `steps` are done. */
static const char *const moves[][2] = {
    {"t/a", OLD "/0"}, {"t/b", OLD "/1"}, {"t/r", OLD "/2"},
    {SRC "/b", "t/b"}, {SRC "/r", "t/r"}, {SRC "/new", "t/new"},
};
/* What undoing a whole one does. */
static const char *const back[][2] = {
    {OLD "/0", "t/a"},  {"t/b", OLD "/n1"}, {OLD "/1", "t/b"},
    {"t/r", OLD "/n2"}, {OLD "/2", "t/r"},  {"t/new", OLD "/n3"},
};
#define STEPS (sizeof moves / sizeof moves[0])
#define BACK  (sizeof back / sizeof back[0])

/* As mv does it: a directory that its owner may not write to is moved all the same. */
static void shift(const char *from, const char *to)
{
    if (move_forced(AT_FDCWD, from, AT_FDCWD, to) != 0)
        fail_msg("%s to %s: %s", from, to, strerror(errno));
}

/* The disk as a run leaves it that was killed after so many moves, forth and back. */
static void die_after(size_t steps, size_t undone)
{
    struct err err = {0};
    struct journal j = {0};
    build();
    plan(&j);
    dir(OLD, 0700);
    dir(OLD "/.pmm-seal-root", 0751);
    set_time(OLD "/.pmm-seal-root", 1000);
    int fd = open(OLD, O_RDONLY | O_DIRECTORY);
    assert_int_equal(journal_write(fd, &j, &err), 0);
    close(fd);
    journal_free(&j);
    for (size_t i = 0; i < steps; i++)
        shift(moves[i][0], moves[i][1]);
    if (steps == STEPS) {
        assert_int_equal(chmod("t", 0700), 0);
        set_time("t", 2000);
    }
    for (size_t i = 0; i < undone; i++)
        shift(back[i][0], back[i][1]);
}

static void next_run_puts_back(struct world *w)
{
    struct err err = {0};
    struct place *p;
    struct notice_sink sink = world_sink(w);
    w->notices[0] = '\0';
    if (place_open(&p, "t", true, &sink, &err) != 0)
        fail_msg("%s (%s)", err.text, err.hint);
    is_old();
    assert_string_equal(w->notices, "swap-undone leftover-removed ");
    place_free(p);
    is_old();
}

static void test_a_swap_killed_after_any_move_is_undone(void **state)
{
    for (size_t steps = 0; steps <= STEPS; steps++) {
        struct err err = {0};
        die_after(steps, 0);
        next_run_puts_back(*state);
        assert_int_equal(rmtree_at(AT_FDCWD, "t", &err), 0);
    }
}

static void test_an_undo_killed_after_any_move_is_done_again(void **state)
{
    for (size_t undone = 0; undone <= BACK; undone++) {
        struct err err = {0};
        die_after(STEPS, undone);
        next_run_puts_back(*state);
        assert_int_equal(rmtree_at(AT_FDCWD, "t", &err), 0);
    }
}

static void test_a_mode_left_changed_by_a_killed_move_is_put_back(void **state)
{
    die_after(0, 0);
    assert_int_equal(chmod("t/r", 0755), 0); /* between u+w and the move */
    next_run_puts_back(*state);
}

static void test_a_committed_swap_stays(void **state)
{
    struct world *w = *state;
    struct err err = {0};
    struct place *p;
    struct notice_sink sink = world_sink(w);
    die_after(STEPS, 0);
    assert_int_equal(rename(OLD, "t/.pmm-seal-trash.abcdef"), 0);
    assert_int_equal(place_open(&p, "t", true, &sink, &err), 0);
    holds("t", "b new r ");
    is("t/b", "new b");
    assert_string_equal(w->notices, "leftover-removed leftover-removed ");
    place_free(p);
}

static void test_a_cut_journal_means_nothing_was_moved(void **state)
{
    struct world *w = *state;
    for (int kind = 0; kind < 3; kind++) {
        struct err err = {0};
        struct place *p;
        struct notice_sink sink = world_sink(w);
        w->notices[0] = '\0';
        die_after(0, 0);
        if (kind == 0)
            assert_int_equal(unlink(OLD "/" JOURNAL_NAME), 0);
        else
            assert_int_equal(
                truncate(OLD "/" JOURNAL_NAME,
                         kind == 1 ? 0 : look(OLD "/" JOURNAL_NAME).st_size - 2),
                0);
        set_time("t", 1000);
        assert_int_equal(place_open(&p, "t", true, &sink, &err), 0);
        is_old();
        assert_string_equal(w->notices, "leftover-removed ");
        place_free(p);
        assert_int_equal(rmtree_at(AT_FDCWD, "t", &err), 0);
    }
}

static void test_a_journal_that_leads_out_is_not_obeyed(void **state)
{
    struct world *w = *state;
    static const char bad[][32] = {"N../victim",      "N/etc", "N.",
                                   "Nx/../../victim", "Xa",    "O99999xa"};
    put("victim", "v");
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        struct err err = {0};
        struct place *p;
        struct notice_sink sink = world_sink(w);
        dir("t", 0755);
        dir(OLD, 0700);
        int fd = open(OLD "/" JOURNAL_NAME, O_WRONLY | O_CREAT, 0600);
        assert_true(write(fd, bad[i], strlen(bad[i]) + 1) > 0);
        assert_int_equal(write(fd, "E", 2), 2);
        close(fd);
        assert_int_equal(place_open(&p, "t", true, &sink, &err), -1);
        assert_int_equal(err.cls, ERR_FAIL);
        is("victim", "v");
        assert_int_equal(rmtree_at(AT_FDCWD, "t", &err), 0);
    }
}

static void test_a_symlink_on_the_way_back_is_not_followed(void **state)
{
    struct world *w = *state;
    struct err err = {0};
    struct place *p;
    struct notice_sink sink = world_sink(w);
    dir("t", 0755);
    dir("out", 0755);
    put("out/x", "victim");
    assert_int_equal(symlink("../out", "t/link"), 0);
    dir(OLD, 0700);
    int fd = open(OLD "/" JOURNAL_NAME, O_WRONLY | O_CREAT, 0600);
    assert_int_equal(write(fd, "Nlink/x\0E", 10), 10);
    close(fd);
    assert_int_equal(place_open(&p, "t", true, &sink, &err), -1);
    is("out/x", "victim");
}

static void test_another_users_journal_is_not_obeyed(void **state)
{
    struct world *w = *state;
    if (geteuid() != 0) {
        print_message("skipped: only root can give files away\n");
        skip();
    }
    struct err err = {0};
    struct place *p;
    struct notice_sink sink = world_sink(w);
    die_after(3, 0);
    assert_int_equal(chown(OLD, 1000, 1000), 0);
    assert_int_equal(place_open(&p, "t", true, &sink, &err), -1);
    assert_int_equal(err.cls, ERR_REFUSED);
    holds(OLD, ".pmm-seal-root .pmm-seal-swap 0 1 2 ");

    /* Beside the target it is nobody's business, and left alone. */
    err = (struct err){0};
    assert_int_equal(place_open(&p, "t/new", true, &sink, &err), 0);
    holds(OLD, ".pmm-seal-root .pmm-seal-swap 0 1 2 ");
    place_free(p);
}

static void test_a_living_run_is_left_alone(void **state)
{
    struct world *w = *state;
    struct err err = {0};
    struct place *p;
    struct notice_sink sink = world_sink(w);
    die_after(3, 0);
    int fd = open(OLD, O_RDONLY | O_DIRECTORY);
    assert_int_equal(flock(fd, LOCK_EX), 0);
    assert_int_equal(place_open(&p, "t/x", true, &sink, &err), 0);
    holds(OLD, ".pmm-seal-root .pmm-seal-swap 0 1 2 ");
    place_free(p);
    close(fd);
}

static void test_a_move_that_fails_undoes_all(void **state)
{
    struct world *w = *state;
    (void)w;
    for (int bad = 0; bad < 3; bad++) {
        struct err err = {0};
        struct journal j = {0};
        struct swap swap;
        build();
        plan(&j);
        struct swap_meta meta = {.before = look("t"), .after = look(SRC)};
        int root = open("t", O_RDONLY | O_DIRECTORY),
            src = open(SRC, O_RDONLY | O_DIRECTORY);
        meta.from = src;
        if (bad == 0) { /* nothing to bring in for the last item */
            assert_int_equal(renameat(src, "new", src, "gone"), 0);
        } else if (bad == 1) { /* something stands where nothing was */
            put("t/new", "theirs");
        } else { /* an old one is not there */
            shift("t/r", "kept");
        }
        assert_int_equal(swap_begin(&swap, root, src, &j, &meta, NULL, false, &err),
                         -1);
        assert_int_equal(err.cls, ERR_FAIL);
        assert_string_equal(err.hint, "");
        if (bad == 2)
            shift("kept", "t/r");
        assert_int_equal(rmtree_at(AT_FDCWD, SRC, &err), 0);
        set_time("t", 1000); /* the caller's part */
        if (bad == 1)
            (void)unlink("t/new");
        is_old();
        close(root);
        close(src);
        journal_free(&j);
        assert_int_equal(rmtree_at(AT_FDCWD, "t", &err), 0);
    }
}

static void test_a_swap_brings_all_and_parks_all(void **state)
{
    (void)state;
    struct err err = {0};
    struct journal j = {0};
    char trash[TMPNAME_SIZE];
    build();
    plan(&j);
    assert_int_equal(chmod(SRC, 0510), 0);
    struct swap_meta meta = {.before = look("t"), .after = look(SRC)};
    assert_int_equal(chmod(SRC, 0700), 0);
    int root = open("t", O_RDONLY | O_DIRECTORY),
        src = open(SRC, O_RDONLY | O_DIRECTORY);
    meta.from = src;
    struct swap swap;
    if (swap_begin(&swap, root, src, &j, &meta, NULL, false, &err) != 0 ||
        swap_commit(&swap, trash, &err) != 0)
        fail_msg("%s", err.text);
    is("t/a", NULL);
    is("t/b", "new b");
    holds("t/r", "2 ");
    is("t/new/1", "new");
    assert_int_equal(look("t").st_mode & 07777, 0710);
    holds(SRC, "");
    int fd = openat(root, trash, O_RDONLY | O_DIRECTORY);
    assert_true(fd >= 0);
    assert_int_equal(faccessat(fd, "1/1", F_OK, 0), 0);
    close(fd);
    close(root);
    close(src);
    journal_free(&j);
}

static void test_a_whole_directory_parked_beside_comes_back(void **state)
{
    struct world *w = *state;
    struct err err = {0};
    struct journal j = {0};
    struct place *p;
    struct notice_sink sink = world_sink(w);
    dir("t", 0755);
    put("t/kept", "k");
    mode_t mode = look("t").st_mode;
    dir(".pmm-seal-old.abcdef", 0700);
    assert_int_equal(journal_add(&j, "t", &mode, NULL, &err), 0);
    int fd = open(".pmm-seal-old.abcdef", O_RDONLY | O_DIRECTORY);
    assert_int_equal(journal_write(fd, &j, &err), 0);
    close(fd);
    journal_free(&j);
    assert_int_equal(rename("t", ".pmm-seal-old.abcdef/0"), 0);
    assert_int_equal(place_open(&p, "t", false, &sink, &err), -1);
    assert_int_equal(err.cls, ERR_REFUSED); /* for it is back, and not empty */
    assert_string_equal(w->notices, "swap-undone ");
    is("t/kept", "k");
    holds(".", "t ");
}

/* Killed while all that was moved is being synced: a server may run on it by now. */
static void test_a_swap_that_was_whole_is_ended_and_not_undone(void **state)
{
    struct world *w = *state;
    struct err err = {0};
    struct place *p;
    struct notice_sink sink = world_sink(w);
    die_after(STEPS, 0);
    put(OLD "/.pmm-seal-done", "");
    put("t/week", "a week of work");
    int fd = content_open("t", &err);
    assert_true(fd >= 0); /* may be backed up as it is */
    close(fd);
    assert_int_equal(place_open(&p, "t", true, &sink, &err), 0);
    assert_non_null(strstr(w->notices, "swap-finished"));
    is("t/week", "a week of work");
    is("t/b", "new b");
    is("t/a", NULL);
    assert_int_equal(access(OLD, F_OK), -1);
    place_free(p);
}

/* A mount in the target is only seen by who looks at the target. */
static void test_an_inner_swap_is_not_decided_from_inside(void **state)
{
    struct world *w = *state;
    struct place *p;
    struct notice_sink sink = world_sink(w);
    for (int done = 0; done < 2; done++) {
        struct err err = {0};
        die_after(done ? STEPS : 2, 0);
        put(OLD "/.pmm-seal-inner", "");
        if (done)
            put(OLD "/.pmm-seal-done", "");
        assert_int_equal(place_open(&p, "t", true, &sink, &err), -1);
        assert_int_equal(err.cls, ERR_REFUSED);
        assert_int_equal(access(OLD, F_OK), 0);
        assert_int_equal(rmtree_at(AT_FDCWD, "t", &err), 0);
    }
}

static void test_an_inner_swap_ends_as_the_outer_one_does(void **state)
{
    struct world *w = *state;
    struct notice_sink sink = world_sink(w);
    for (int undo = 0; undo < 2; undo++) {
        struct err err = {0};
        die_after(STEPS, 0);
        put(OLD "/.pmm-seal-inner", "");
        put(OLD "/.pmm-seal-done", "");
        int fd = open("t", O_RDONLY | O_DIRECTORY);
        if (leftover_tidy(fd, "t", true, undo ? LEFTOVER_UNDO : LEFTOVER_FINISH, &sink,
                          &err) != 0)
            fail_msg("%s", err.text);
        close(fd);
        if (undo) {
            is_old();
        } else {
            is("t/b", "new b");
            is("t/a", NULL);
        }
        assert_int_equal(rmtree_at(AT_FDCWD, "t", &err), 0);
    }
}

static void test_a_begun_swap_can_be_put_back(void **state)
{
    (void)state;
    struct err err = {0};
    struct journal j = {0};
    struct swap swap;
    build();
    plan(&j);
    struct swap_meta meta = {.before = look("t"), .after = look(SRC)};
    int root = open("t", O_RDONLY | O_DIRECTORY),
        src = open(SRC, O_RDONLY | O_DIRECTORY);
    meta.from = src;
    if (swap_begin(&swap, root, src, &j, &meta, NULL, true, &err) != 0)
        fail_msg("%s", err.text);
    is("t/b", "new b");
    if (swap_undo(&swap, &err) != 0)
        fail_msg("%s (%s)", err.text, err.hint);
    assert_int_equal(rmtree_at(AT_FDCWD, SRC, &err), 0);
    set_time("t", 1000);
    is_old();
    close(root);
    close(src);
    journal_free(&j);
}

static void test_a_half_swapped_source_is_not_backed_up(void **state)
{
    (void)state;
    struct err err = {0};
    die_after(2, 0);
    assert_int_equal(content_open("t", &err), -1);
    assert_int_equal(err.cls, ERR_REFUSED);
    assert_non_null(strstr(err.hint, "run the restore"));
}

static void test_a_move_never_overwrites(void **state)
{
    (void)state;
    put("a", "a");
    put("b", "b");
    assert_int_equal(move_noreplace(AT_FDCWD, "a", AT_FDCWD, "b"), -1);
    assert_int_equal(errno, EEXIST);
    assert_int_equal(move_noreplace(AT_FDCWD, "a", AT_FDCWD, "c"), 0);
    is("b", "b");
    is("c", "a");
    assert_int_equal(move_exchange(AT_FDCWD, "b", "c"), 0);
    is("b", "a");
    is("c", "b");
}

int main(void)
{
#define WORLD(t) cmocka_unit_test_setup_teardown(t, world_setup, world_teardown)
    const struct CMUnitTest tests[] = {
        WORLD(test_a_swap_killed_after_any_move_is_undone),
        WORLD(test_an_undo_killed_after_any_move_is_done_again),
        WORLD(test_a_mode_left_changed_by_a_killed_move_is_put_back),
        WORLD(test_a_committed_swap_stays),
        WORLD(test_a_cut_journal_means_nothing_was_moved),
        WORLD(test_a_journal_that_leads_out_is_not_obeyed),
        WORLD(test_a_symlink_on_the_way_back_is_not_followed),
        WORLD(test_another_users_journal_is_not_obeyed),
        WORLD(test_a_living_run_is_left_alone),
        WORLD(test_a_move_that_fails_undoes_all),
        WORLD(test_a_swap_brings_all_and_parks_all),
        WORLD(test_a_whole_directory_parked_beside_comes_back),
        WORLD(test_a_swap_that_was_whole_is_ended_and_not_undone),
        WORLD(test_an_inner_swap_is_not_decided_from_inside),
        WORLD(test_an_inner_swap_ends_as_the_outer_one_does),
        WORLD(test_a_begun_swap_can_be_put_back),
        WORLD(test_a_half_swapped_source_is_not_backed_up),
        WORLD(test_a_move_never_overwrites),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
