#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "archive/compare.h"

static char dir[4096];
static int root;

static int setup(void **state)
{
    (void)state;
    const char *tmp = getenv("TMPDIR");
    snprintf(dir, sizeof dir, "%s/compare-XXXXXX", tmp ? tmp : "/tmp");
    assert_non_null(mkdtemp(dir));
    root = open(dir, O_RDONLY | O_DIRECTORY);
    assert_true(root >= 0);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    char cmd[4300];
    close(root);
    snprintf(cmd, sizeof cmd, "rm -rf '%s'", dir);
    return system(cmd);
}

/* ---- a small tree, on disk and as entries ---- */

#define LONG_HOLE (4 << 20)

struct thing {
    uint8_t type;
    const char *path;
    const char *text; /* content, target, primary */
    mode_t mode;
};

/* In the order of an archive. */
static const struct thing tree[] = {
    {ITEM_DIR, ".", NULL, 0755},           {ITEM_FILE, "a", "text", 0644},
    {ITEM_DIR, "d", NULL, 0700},           {ITEM_FILE, "d/file", "0123456789", 0600},
    {ITEM_DIR, "d/sub", NULL, 0755},       {ITEM_FILE, "d/sub/x", "", 0644},
    {ITEM_FILE, "d-", "after d", 0644},    {ITEM_FILE, "holes", NULL, 0644},
    {ITEM_HARDLINK, "link", "a", 0644},    {ITEM_FIFO, "pipe", NULL, 0600},
    {ITEM_SYMLINK, "sym", "d/file", 0777},
};
#define N (sizeof tree / sizeof tree[0])

static void put(const char *path, const char *text, mode_t mode)
{
    int fd = openat(root, path, O_WRONLY | O_CREAT | O_TRUNC, 0600);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, text, strlen(text)), (ssize_t)strlen(text));
    assert_int_equal(fchmod(fd, mode), 0);
    close(fd);
}

static void touch(const char *path, time_t when)
{
    struct timespec t[2] = {{.tv_nsec = UTIME_OMIT}, {.tv_sec = when}};
    assert_int_equal(utimensat(root, path, t, AT_SYMLINK_NOFOLLOW), 0);
}

static void touch_all(void)
{
    for (size_t i = N; i-- > 0;)
        touch(tree[i].path, 1000);
}

/* Data, a long hole, data. */
static void put_holes(void)
{
    put("holes", "begin", 0644);
    int fd = openat(root, "holes", O_WRONLY);
    assert_true(fd >= 0);
    assert_int_equal(pwrite(fd, "end", 3, LONG_HOLE), 3);
    close(fd);
}

static void build(void)
{
    for (size_t i = 1; i < N; i++) {
        const struct thing *t = &tree[i];
        if (t->type == ITEM_DIR)
            assert_int_equal(mkdirat(root, t->path, 0700), 0);
        else if (t->type == ITEM_FILE && t->text == NULL)
            put_holes();
        else if (t->type == ITEM_FILE)
            put(t->path, t->text, t->mode);
        else if (t->type == ITEM_HARDLINK)
            assert_int_equal(linkat(root, t->text, root, t->path, 0), 0);
        else if (t->type == ITEM_FIFO)
            assert_int_equal(mkfifoat(root, t->path, t->mode), 0);
        else
            assert_int_equal(symlinkat(t->text, root, t->path), 0);
    }
    for (size_t i = 0; i < N; i++) {
        if (tree[i].type == ITEM_DIR)
            assert_int_equal(fchmodat(root, tree[i].path, tree[i].mode, 0), 0);
    }
    touch_all();
}

/* ---- comparing ---- */

struct said {
    char text[4096]; /* " path=what" of each difference */
};

static void hear(void *ctx, const char *path, const char *what)
{
    struct said *s = ctx;
    size_t n = strlen(s->text);
    snprintf(s->text + n, sizeof s->text - n, " %s=%s", path, what);
}

static void text(const char **field, const char *s)
{
    struct err err = {0};
    assert_int_equal(entry_set_string(field, s, strlen(s), &err), 0);
}

static int content(struct compare *c, const struct thing *t, struct err *err)
{
    if (t->text != NULL)
        return *t->text ? compare_data(c, t->text, strlen(t->text), 0, err) : 0;
    if (compare_data(c, "begin", 5, 0, err) != 0)
        return -1;
    return compare_data(c, "end", 3, LONG_HOLE, err);
}

static int feed(struct compare *c, const struct thing *t, struct err *err)
{
    struct entry e = {.item = {.type = t->type, .mode = t->mode, .mtime = 1000}};
    e.item.uid = geteuid();
    e.item.gid = getegid();
    text(&e.item.path, t->path);
    if (t->type == ITEM_FILE) {
        e.item.size = t->text ? strlen(t->text) : LONG_HOLE + 3;
        e.item.stored = t->text ? e.item.size : 8;
        e.item.flags = t->text ? 0 : ITEM_SPARSE;
    } else if (t->text != NULL) {
        text(&e.item.link, t->text);
    }
    int rc = compare_entry(c, &e, err);
    if (rc == 0 && t->type == ITEM_FILE)
        rc = content(c, t, err);
    if (rc == 0)
        rc = compare_end(c, err);
    entry_clear(&e);
    return rc;
}

/* Compare all of the tree, or its entries from..to; returns what was said. */
static const char *compare(const struct compare_opts *opts, size_t from, size_t to)
{
    static struct said said;
    struct compare *c;
    struct err err = {0};
    said.text[0] = '\0';
    assert_int_equal(compare_open(&c, root, opts, hear, &said, &err), 0);
    for (size_t i = from; i < to; i++)
        assert_int_equal(feed(c, &tree[i], &err), 0);
    assert_int_equal(compare_finish(c, &err), 0);
    size_t marks = 0;
    for (const char *p = said.text; *p; p++)
        marks += *p == '=';
    assert_int_equal(compare_count(c), marks);
    compare_free(c);
    return said.text;
}

static const char *all(void)
{
    static const struct compare_opts none;
    return compare(&none, 0, N);
}

static void test_a_tree_equals_itself(void **state)
{
    (void)state;
    build();
    assert_string_equal(all(), "");
}

static void test_one_byte_in_data_or_in_a_hole_is_found(void **state)
{
    (void)state;
    build();
    put("d/file", "0123456788", 0600);
    int fd = openat(root, "holes", O_WRONLY);
    assert_int_equal(pwrite(fd, "!", 1, LONG_HOLE / 2), 1);
    close(fd);
    touch_all();
    assert_string_equal(all(), " d/file=content holes=content");
    put_holes();
    fd = openat(root, "holes", O_WRONLY);
    static const char zeros[8192];
    assert_int_equal(pwrite(fd, zeros, sizeof zeros, 4096), (ssize_t)sizeof zeros);
    close(fd);
    put("d/file", "0123456789+", 0600);
    touch_all();
    assert_string_equal(all(), " d/file=size");
}

static void test_metadata_is_compared_each_by_name(void **state)
{
    (void)state;
    build();
    assert_int_equal(fchmodat(root, "d", 0711, 0), 0);
    assert_int_equal(fchmodat(root, "a", 04644, 0), 0);
    assert_int_equal(unlinkat(root, "sym", 0) | symlinkat("d/fil", root, "sym"), 0);
    touch_all();
    touch("d/sub", 1001);
    touch("pipe", -5);
    assert_string_equal(all(), " a=mode d=mode d/sub=mtime pipe=mtime sym=link");
}

static void test_the_owner_is_compared_unless_that_is_not_wanted(void **state)
{
    (void)state;
    if (geteuid() != 0) {
        print_message("skipped: needs root\n");
        skip();
    }
    build();
    assert_int_equal(fchownat(root, "sym", 7, 0, AT_SYMLINK_NOFOLLOW), 0);
    assert_int_equal(fchownat(root, "d", 0, 7, 0), 0);
    assert_string_equal(all(), " d=owner sym=owner");
    struct compare_opts opts = {.ignore_owner = true};
    assert_string_equal(compare(&opts, 0, N), "");
}

static void test_attributes_are_compared_by_name(void **state)
{
    (void)state;
    build();
    char path[4200];
    snprintf(path, sizeof path, "%s/d", dir);
    if (setxattr(path, "user.more", "1", 1, 0) != 0) {
        print_message("skipped: no extended attributes here\n");
        skip();
    }
    assert_string_equal(all(), " d=xattr user.more");
}

static void test_missing_things_and_what_lies_below_them_are_named(void **state)
{
    (void)state;
    build();
    assert_int_equal(unlinkat(root, "d/sub/x", 0), 0);
    assert_int_equal(unlinkat(root, "d/sub", AT_REMOVEDIR), 0);
    assert_int_equal(unlinkat(root, "pipe", 0), 0);
    touch("d", 1000);
    touch(".", 1000);
    assert_string_equal(all(), " d/sub=missing d/sub/x=missing pipe=missing");
    assert_int_equal(symlinkat("/etc", root, "d/sub"), 0);
    touch("d", 1000);
    assert_string_equal(all(), " d/sub=type d/sub/x=missing pipe=missing");
}

static void test_what_only_the_disk_has_is_extra_once_and_sockets_are_not(void **state)
{
    (void)state;
    build();
    put("Z", "", 0600);
    put("aa", "", 0600);
    put("d/file2", "", 0600);
    put("zz", "", 0600);
    assert_int_equal(mkdirat(root, "d/new", 0700), 0);
    put("d/new/inner", "", 0600);
    put("d/sub/y", "", 0600);
    struct sockaddr_un sun = {.sun_family = AF_UNIX};
    snprintf(sun.sun_path, sizeof sun.sun_path, "/proc/self/fd/%d/socket", root);
    int s = socket(AF_UNIX, SOCK_STREAM, 0);
    assert_int_equal(bind(s, (struct sockaddr *)&sun, sizeof sun), 0);
    close(s);
    touch_all();
    assert_string_equal(
        all(), " Z=extra aa=extra d/file2=extra d/new=extra d/sub/y=extra zz=extra");

    struct err err = {0};
    struct compare_opts opts = {0};
    assert_int_equal(glob_new(&opts.excludes, &err), 0);
    assert_int_equal(glob_add(opts.excludes, "new/", &err), 0);
    assert_int_equal(glob_add(opts.excludes, "/zz", &err), 0);
    assert_string_equal(compare(&opts, 0, N),
                        " Z=extra aa=extra d/file2=extra d/sub/y=extra");
    glob_free(opts.excludes);
}

static void test_a_selection_has_no_extras_and_needs_no_parents(void **state)
{
    (void)state;
    build();
    put("d/zz", "", 0600);
    touch_all();
    struct compare_opts opts = {.partial = true};
    assert_string_equal(compare(&opts, 5, 7), "");
    put("d/sub/x", "1", 0644);
    assert_string_equal(compare(&opts, 5, 7), " d/sub/x=mtime d/sub/x=size");
}

static void test_another_type_and_a_copy_instead_of_a_link_are_named(void **state)
{
    (void)state;
    build();
    assert_int_equal(unlinkat(root, "link", 0), 0);
    put("link", "text", 0644);
    assert_int_equal(unlinkat(root, "pipe", 0), 0);
    assert_int_equal(mkdirat(root, "pipe", 0700), 0);
    assert_int_equal(unlinkat(root, "d-", 0), 0);
    assert_int_equal(mkfifoat(root, "d-", 0644), 0); /* must not be waited for */
    touch_all();
    assert_string_equal(all(), " d-=type link=link pipe=type");
}

static void test_entries_out_of_order_are_refused(void **state)
{
    (void)state;
    build();
    static const struct compare_opts none;
    struct said said = {{0}};
    struct compare *c;
    struct err err = {0};
    assert_int_equal(compare_open(&c, root, &none, hear, &said, &err), 0);
    assert_int_equal(feed(c, &tree[0], &err), 0);
    assert_int_equal(feed(c, &tree[2], &err), 0);
    assert_int_equal(feed(c, &tree[1], &err), -1);
    assert_int_equal(err.cls, ERR_DAMAGED);
    compare_free(c);
}

int main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
    const struct CMUnitTest tests[] = {
        T(test_a_tree_equals_itself),
        T(test_one_byte_in_data_or_in_a_hole_is_found),
        T(test_metadata_is_compared_each_by_name),
        T(test_the_owner_is_compared_unless_that_is_not_wanted),
        T(test_attributes_are_compared_by_name),
        T(test_missing_things_and_what_lies_below_them_are_named),
        T(test_what_only_the_disk_has_is_extra_once_and_sockets_are_not),
        T(test_a_selection_has_no_extras_and_needs_no_parents),
        T(test_another_type_and_a_copy_instead_of_a_link_are_named),
        T(test_entries_out_of_order_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
