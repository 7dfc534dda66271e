#include "storeworld.h"

#include <sys/xattr.h>

#include "store/leftover.h"
#include "store/content.h"
#include "store/place.h"

static struct place *opened(struct world *w, const char *path, bool replace, bool parts)
{
    struct err err = {0};
    struct place *p;
    struct notice_sink sink = world_sink(w);
    int r = parts ? place_open_parts(&p, path, replace, &sink, &err)
                  : place_open(&p, path, replace, &sink, &err);
    if (r != 0)
        fail_msg("%s", err.text);
    return p;
}

static void refuses(struct world *w, const char *path, bool replace, enum err_class cls)
{
    struct err err = {0};
    struct place *p;
    struct notice_sink sink = world_sink(w);
    assert_int_equal(place_open(&p, path, replace, &sink, &err), -1);
    if (err.cls != cls)
        fail_msg("%d: %s", err.cls, err.text);
}

/* Fill the staging directory: file "new", directory "sub" with "deep", time and mode.
 */
static int stage(struct place *p)
{
    struct err err = {0};
    int fd = place_staging(p, &err);
    if (fd < 0)
        fail_msg("%s", err.text);
    put_at(fd, "new", "n");
    assert_int_equal(mkdirat(fd, "sub", 0755), 0);
    put_at(fd, "sub/deep", "d");
    assert_int_equal(fchmod(fd, 0750), 0);
    const struct timespec t[2] = {{.tv_sec = 7000}, {.tv_sec = 7000, .tv_nsec = 9}};
    assert_int_equal(futimens(fd, t), 0);
    return fd;
}

static void commits(struct world *w, struct place *p)
{
    struct err err = {0};
    struct notice_sink sink = world_sink(w);
    if (place_commit(p, NULL, NULL, &sink, &err) != 0)
        fail_msg("%s", err.text);
}

static void fails(struct world *w, struct place *p, enum err_class cls)
{
    struct err err = {0};
    struct notice_sink sink = world_sink(w);
    assert_int_equal(place_commit(p, NULL, NULL, &sink, &err), -1);
    if (err.cls != cls)
        fail_msg("%d: %s", err.cls, err.text);
}

static void is_new(const char *path)
{
    holds(path, "new sub ");
    struct stat st = look(path);
    assert_int_equal(st.st_mode & 07777, 0750);
    assert_int_equal(st.st_mtim.tv_sec, 7000);
    assert_int_equal(st.st_mtim.tv_nsec, 9);
}

static void test_an_absent_target_appears_only_at_commit(void **state)
{
    struct world *w = *state;
    struct place *p = opened(w, "t/", false, false);
    stage(p);
    assert_int_equal(access("t", F_OK), -1);
    commits(w, p);
    is_new("t");
    place_free(p);
    is_new("t");
    holds(".", "t ");
    assert_string_equal(w->notices, "");
}

static void test_nothing_is_left_without_a_commit(void **state)
{
    struct world *w = *state;
    struct place *p = opened(w, "t", false, false);
    stage(p);
    place_free(p);
    place_free(NULL);
    holds(".", "");
    dir("t", 0700);
    put("t/kept", "k");
    set_time("t", 1000);
    p = opened(w, "t", true, false);
    stage(p);
    place_free(p);
    holds(".", "t ");
    is("t/kept", "k");
    p = opened(w, "t", true, true);
    stage(p); /* inside */
    place_free(p);
    holds("t", "kept ");
    assert_int_equal(look("t").st_mtim.tv_sec, 1000);
}

static void test_what_appears_meanwhile_is_not_overwritten(void **state)
{
    struct world *w = *state;
    struct place *p = opened(w, "t", false, false);
    stage(p);
    dir("t", 0700);
    fails(w, p, ERR_REFUSED);
    place_free(p);
    holds("t", "");
    p = opened(w, "t", false, false);
    stage(p);
    put("t/theirs", "x");
    fails(w, p, ERR_REFUSED);
    place_free(p);
    is("t/theirs", "x");
    holds(".", "t ");
}

static void test_an_empty_target_is_replaced(void **state)
{
    struct world *w = *state;
    dir("t", 0700);
    struct place *p = opened(w, "t", false, false);
    stage(p);
    commits(w, p);
    place_free(p);
    is_new("t");
    holds(".", "t ");
}

static void test_content_needs_replace_and_stays_until_commit(void **state)
{
    struct world *w = *state;
    dir("t", 0700);
    dir("t/old", 0700);
    put("t/old/f", "o");
    refuses(w, "t", false, ERR_REFUSED);
    struct place *p = opened(w, "t", true, false);
    stage(p);
    is("t/old/f", "o");
    commits(w, p);
    is_new("t");
    place_free(p);
    is_new("t");
    holds(".", "t ");
}

static void test_a_symlink_to_the_target_is_followed(void **state)
{
    struct world *w = *state;
    dir("real", 0700);
    put("real/old", "o");
    assert_int_equal(symlink("real", "link"), 0);
    struct place *p = opened(w, "link", true, false);
    stage(p);
    commits(w, p);
    place_free(p);
    is_new("real");
    holds(".", "link real ");
    assert_int_equal(symlink("nothing", "dangling"), 0);
    refuses(w, "dangling", true, ERR_FAIL);
}

static void test_a_target_that_makes_no_sense_is_told(void **state)
{
    struct world *w = *state;
    put("file", "f");
    refuses(w, "file", true, ERR_USAGE);
    refuses(w, "", true, ERR_USAGE);
    refuses(w, "no/parent", true, ERR_FAIL);
    refuses(w, "file/x", true, ERR_FAIL);
    is("file", "f");
}

static void test_one_run_at_a_time(void **state)
{
    struct world *w = *state;
    struct err err = {0};
    dir("t", 0700);
    struct place *p = opened(w, "t", true, false);
    refuses(w, "t", true, ERR_BUSY);
    assert_int_equal(content_open("t", &err), -1);
    assert_int_equal(err.cls, ERR_BUSY);
    stage(p);
    commits(w, p);
    refuses(w, "t", true, ERR_BUSY); /* the new one is held until the run ends */
    place_free(p);
    err = (struct err){0};
    int one = content_open("t", &err), two = content_open("t", &err);
    assert_true(one >= 0 && two >= 0);
    refuses(w, "t", true, ERR_BUSY);
    close(one);
    close(two);
    p = opened(w, "t", true, false);
    place_free(p);
    err = (struct err){0};
    put("file", "f");
    assert_int_equal(content_open("file", &err), -1);
    assert_int_equal(err.cls, ERR_USAGE);
    err = (struct err){0};
    assert_int_equal(content_open("none", &err), -1);
    assert_int_equal(err.cls, ERR_FAIL);
}

static void test_leftovers_of_dead_runs_go_and_of_living_ones_stay(void **state)
{
    struct world *w = *state;
    dir(".pmm-seal-restore.deadAA", 0700);
    dir(".pmm-seal-restore.deadAA/x", 0700);
    dir(".pmm-seal-trash.deadBB", 0700);
    dir(".pmm-seal-restore.short", 0700); /* not one of ours */
    dir("t", 0700);
    dir("t/.pmm-seal-restore.deadCC", 0700);
    set_time("t", 1000);
    struct place *one = opened(w, "other", false, false);
    stage(one);
    struct place *p = opened(w, "t", false, false); /* empty but for the dead */
    assert_string_equal(w->notices,
                        "leftover-removed leftover-removed leftover-removed ");
    holds("t", "");
    assert_int_equal(look("t").st_mtim.tv_sec, 1000);
    assert_int_equal(access(".pmm-seal-restore.short", F_OK), 0);
    place_free(p);
    commits(w, one);
    place_free(one);
    is_new("other");
}

static void test_empty_is_judged_without_lost_and_found(void **state)
{
    (void)state;
    struct err err = {0};
    dir("d", 0700);
    int fd = open("d", O_RDONLY | O_DIRECTORY);
    assert_int_equal(content_is_empty(fd, &err), 1);
    dir("d/lost+found", 0700);
    assert_int_equal(content_is_empty(fd, &err), 1);
    put("d/.hidden", "x");
    assert_int_equal(content_is_empty(fd, &err), 0);
    close(fd);
}

static void test_space_is_told(void **state)
{
    struct world *w = *state;
    struct err err = {0};
    uint64_t bytes = 0, inodes = 0;
    struct place *p = opened(w, "t", false, false);
    assert_int_equal(place_space(p, &bytes, &inodes, &err), 0);
    assert_true(bytes > 0 && inodes > 0);
    place_free(p);
}

static void test_lost_and_found_stays_where_it_is(void **state)
{
    struct world *w = *state;
    dir("t", 0700);
    dir("t/lost+found", 0700);
    put("t/lost+found/#1", "recovered");
    ino_t ino = look("t").st_ino;
    struct place *p = opened(w, "t", false, false);
    int fd = stage(p);
    assert_int_equal(mkdirat(fd, "lost+found", 0700), 0);
    put_at(fd, "lost+found/#2", "x");
    const struct timespec t[2] = {{.tv_sec = 7000}, {.tv_sec = 7000, .tv_nsec = 9}};
    assert_int_equal(futimens(fd, t), 0);
    commits(w, p);
    place_free(p);
    holds("t", "lost+found new sub ");
    holds("t/lost+found", "#1 ");
    assert_int_equal(look("t").st_ino, ino);
    assert_int_equal(look("t").st_mtim.tv_sec, 7000);
    assert_string_equal(w->notices, "!lost-found-kept ");
}

static void on_mount_point(struct world *w)
{
    struct err err = {0};
    struct place *p;
    struct notice_sink sink = world_sink(w);
    CHECK(mkdir("m", 0700) == 0);
    if (mount("tmpfs", "m", "tmpfs", 0, "size=10m") != 0)
        _exit(77);
    put("m/old", "o");
    CHECK(mkdir("m/sub", 0700) == 0);
    put("m/sub/old", "o");
    CHECK(place_open(&p, "m", false, &sink, &err) == -1 && err.cls == ERR_REFUSED);
    err = (struct err){0};
    CHECK(place_open(&p, "m", true, &sink, &err) == 0);
    int fd = place_staging(p, &err);
    struct stat st, mst;
    CHECK(fd >= 0 && fstat(fd, &st) == 0 && stat("m", &mst) == 0);
    CHECK(st.st_dev == mst.st_dev);
    put_at(fd, "new", "n");
    CHECK(mkdirat(fd, "sub", 0755) == 0);
    put_at(fd, "sub/deep", "d");
    CHECK(fchmod(fd, 0551) == 0 && fchown(fd, 12, 13) == 0);
    const struct timespec t[2] = {{.tv_sec = 7000}, {.tv_sec = 7000, .tv_nsec = 9}};
    CHECK(futimens(fd, t) == 0);
    CHECK(place_commit(p, NULL, NULL, &sink, &err) == 0);
    place_free(p);
    holds("m", "new sub ");
    holds("m/sub", "deep ");
    CHECK(stat("m", &st) == 0);
    CHECK((st.st_mode & 07777) == 0551 && st.st_uid == 12 && st.st_gid == 13);
    CHECK(st.st_mtim.tv_sec == 7000 && st.st_mtim.tv_nsec == 9);
    CHECK(strcmp(w->notices, "") == 0);
}

static void test_a_mount_point_is_filled_from_inside(void **state)
{
    in_namespace(state, on_mount_point);
}

static void nested_mount(struct world *w)
{
    struct err err = {0};
    struct place *p;
    struct notice_sink sink = world_sink(w);
    CHECK(mkdir("t", 0700) == 0 && mkdir("t/a", 0700) == 0 &&
          mkdir("t/a/b c", 0700) == 0);
    put("t/f", "x");
    if (mount("tmpfs", "t/a/b c", "tmpfs", 0, "size=1m") != 0)
        _exit(77);
    CHECK(place_open(&p, "t", true, &sink, &err) == -1);
    CHECK(err.cls == ERR_REFUSED && strstr(err.text, "t/a/b c:") != NULL);
    const char *one = "a", *two = "f", *three = "a/b c/x";
    err = (struct err){0};
    CHECK(place_open_parts(&p, "t", true, &sink, &err) == 0);
    CHECK(place_check_paths(p, &one, 1, &err) == -1 && err.cls == ERR_REFUSED);
    err = (struct err){0};
    CHECK(place_check_paths(p, &two, 1, &err) == 0);
    CHECK(place_check_paths(p, &three, 1, &err) == -1 && err.cls == ERR_REFUSED);
    place_free(p);
}

static void test_a_volume_inside_the_target_is_not_moved(void **state)
{
    in_namespace(state, nested_mount);
}

static void parent_not_ours(struct world *w)
{
    struct err err = {0};
    struct place *p;
    struct stat st;
    struct notice_sink sink = world_sink(w);
    CHECK(mkdir("p", 0700) == 0 && mkdir("p/t", 0700) == 0 &&
          mkdir("p/t/ro", 0700) == 0);
    put("p/t/ro/f", "old");
    CHECK(chmod("p/t/ro", 0555) == 0 && chmod("p", 0555) == 0);
    CHECK(place_open(&p, "p/absent", true, &sink, &err) == -1 && err.cls == ERR_FAIL);
    err = (struct err){0};
    CHECK(place_open(&p, "p/t", true, &sink, &err) == 0);
    int fd = place_staging(p, &err);
    CHECK(fd >= 0 && mkdirat(fd, "ro", 0700) == 0);
    put_at(fd, "ro/g", "new");
    CHECK(fchmodat(fd, "ro", 0511, 0) == 0 && fchmod(fd, 0555) == 0);
    if (place_commit(p, NULL, NULL, &sink, &err) != 0)
        fprintf(stderr, "%s\n", err.text);
    CHECK(err.cls == ERR_NONE);
    place_free(p);
    CHECK(access("p/t/ro/f", F_OK) != 0 && access("p/t/ro/g", F_OK) == 0);
    CHECK(stat("p/t/ro", &st) == 0 && (st.st_mode & 07777) == 0511);
    CHECK(stat("p/t", &st) == 0 && (st.st_mode & 07777) == 0555);
    holds("p/t", "ro ");
    CHECK(strcmp(w->notices, "") == 0);
}

static void test_where_the_parent_is_not_ours_it_is_done_inside(void **state)
{
    as_user(state, parent_not_ours);
}

static void not_readable(struct world *w)
{
    struct err err = {0};
    (void)w;
    CHECK(mkdir("d", 0300) == 0);
    CHECK(content_open("d", &err) == -1 && err.cls == ERR_FAIL && err.hint[0] != '\0');
}

static void test_a_source_without_the_right_is_told(void **state)
{
    as_user(state, not_readable);
}

static void test_staging_inherits_no_acl(void **state)
{
    struct world *w = *state;
    static const unsigned char acl[] = {2,   0,   0, 0, 1,   0,   7,   0,   255, 255,
                                        255, 255, 4, 0, 7,   0,   255, 255, 255, 255,
                                        32,  0,   7, 0, 255, 255, 255, 255};
    if (setxattr(".", "system.posix_acl_default", acl, sizeof acl, 0) != 0) {
        print_message("skipped: no ACLs on this file system\n");
        skip();
    }
    struct place *p = opened(w, "t", false, false);
    struct err err = {0};
    struct stat st;
    int fd = place_staging(p, &err);
    assert_int_equal(fgetxattr(fd, "system.posix_acl_default", NULL, 0), -1);
    assert_int_equal(fstat(fd, &st), 0);
    assert_int_equal(st.st_mode & 07777, 0700);
    assert_int_equal(place_staging(p, &err), fd);
    place_free(p);
}

static void parts(struct world *w, struct place *p, const char *const *paths, size_t n,
                  enum err_class cls)
{
    struct err err = {0};
    struct notice_sink sink = world_sink(w);
    assert_int_equal(place_commit_paths(p, paths, n, &sink, &err),
                     cls == ERR_NONE ? 0 : -1);
    if (err.cls != cls)
        fail_msg("%d: %s", err.cls, err.text);
}

static void test_parts_come_with_their_missing_parents(void **state)
{
    struct world *w = *state;
    static const char *const paths[] = {"a/b/c/one", "a/b/c/two", "top", "a/x"};
    dir("t", 0751);
    dir("t/a", 0700);
    put("t/kept", "k");
    put("t/a/kept", "k");
    struct place *p = opened(w, "t", false, true);
    struct err err = {0};
    int fd = place_staging(p, &err);
    assert_int_equal(mkdirat(fd, "a", 0755), 0);
    assert_int_equal(mkdirat(fd, "a/b", 0711), 0);
    assert_int_equal(mkdirat(fd, "a/b/c", 0755), 0);
    put_at(fd, "a/b/c/one", "1");
    put_at(fd, "a/b/c/two", "2");
    put_at(fd, "a/x", "x");
    put_at(fd, "top", "t");
    assert_int_equal(place_check_paths(p, paths, 4, &err), 0);
    parts(w, p, paths, 4, ERR_NONE);
    place_free(p);
    holds("t", "a kept top ");
    holds("t/a", "b kept x ");
    holds("t/a/b/c", "one two ");
    assert_int_equal(look("t/a/b").st_mode & 07777, 0711);
    assert_int_equal(look("t/a").st_mode & 07777,
                     0700); /* what was there keeps its own */
    assert_int_equal(look("t").st_mode & 07777, 0751);
}

static void test_parts_replace_only_when_asked_and_only_themselves(void **state)
{
    struct world *w = *state;
    static const char *const paths[] = {"sub", "new"};
    struct err err = {0};
    dir("t", 0755);
    dir("t/sub", 0700);
    put("t/sub/old", "o");
    put("t/kept", "k");
    struct place *p = opened(w, "t", false, true);
    stage(p);
    assert_int_equal(place_check_paths(p, paths, 2, &err), -1);
    assert_int_equal(err.cls, ERR_REFUSED);
    parts(w, p, paths, 2, ERR_REFUSED);
    place_free(p);
    holds("t", "kept sub ");
    is("t/sub/old", "o");
    p = opened(w, "t", true, true);
    stage(p);
    parts(w, p, paths, 2, ERR_NONE);
    place_free(p);
    holds("t", "kept new sub ");
    holds("t/sub", "deep ");
}

static void test_a_symlink_in_the_target_does_not_redirect_parts(void **state)
{
    struct world *w = *state;
    static const char *const paths[] = {"sub/deep"};
    dir("t", 0755);
    dir("out", 0755);
    assert_int_equal(symlink("../out", "t/sub"), 0);
    struct place *p = opened(w, "t", true, true);
    stage(p);
    parts(w, p, paths, 1, ERR_REFUSED);
    place_free(p);
    holds("out", "");
    holds("t", "sub ");
    assert_int_equal(unlink("t/sub"), 0);
    put("t/sub", "a file");
    p = opened(w, "t", true, true);
    stage(p);
    parts(w, p, paths, 1, ERR_REFUSED);
    place_free(p);
    is("t/sub", "a file");
}

static void test_parts_that_fail_half_way_change_nothing(void **state)
{
    struct world *w = *state;
    static const char *const paths[] = {"new", "sub/deep", "absent"};
    dir("t", 0755);
    put("t/new", "old");
    dir("t/sub", 0755);
    struct place *p = opened(w, "t", true, true);
    stage(p);
    parts(w, p, paths, 3, ERR_FAIL);
    place_free(p);
    holds("t", "new sub ");
    is("t/new", "old");
    holds("t/sub", "");
}

static void test_parts_into_an_absent_target_make_it(void **state)
{
    struct world *w = *state;
    static const char *const paths[] = {"sub/deep", "new"};
    struct place *p = opened(w, "t", false, true);
    stage(p);
    parts(w, p, paths, 2, ERR_NONE);
    place_free(p);
    holds("t", "new sub ");
    assert_int_equal(look("t").st_mode & 07777, 0755);
    holds(".", "t ");
}

int main(void)
{
#define WORLD(t) cmocka_unit_test_setup_teardown(t, world_setup, world_teardown)
    const struct CMUnitTest tests[] = {
        WORLD(test_an_absent_target_appears_only_at_commit),
        WORLD(test_nothing_is_left_without_a_commit),
        WORLD(test_what_appears_meanwhile_is_not_overwritten),
        WORLD(test_an_empty_target_is_replaced),
        WORLD(test_content_needs_replace_and_stays_until_commit),
        WORLD(test_a_symlink_to_the_target_is_followed),
        WORLD(test_a_target_that_makes_no_sense_is_told),
        WORLD(test_one_run_at_a_time),
        WORLD(test_leftovers_of_dead_runs_go_and_of_living_ones_stay),
        WORLD(test_empty_is_judged_without_lost_and_found),
        WORLD(test_space_is_told),
        WORLD(test_lost_and_found_stays_where_it_is),
        WORLD(test_a_mount_point_is_filled_from_inside),
        WORLD(test_a_volume_inside_the_target_is_not_moved),
        WORLD(test_where_the_parent_is_not_ours_it_is_done_inside),
        WORLD(test_a_source_without_the_right_is_told),
        WORLD(test_staging_inherits_no_acl),
        WORLD(test_parts_come_with_their_missing_parents),
        WORLD(test_parts_replace_only_when_asked_and_only_themselves),
        WORLD(test_a_symlink_in_the_target_does_not_redirect_parts),
        WORLD(test_parts_that_fail_half_way_change_nothing),
        WORLD(test_parts_into_an_absent_target_make_it),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
