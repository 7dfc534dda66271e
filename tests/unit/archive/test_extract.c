#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/wait.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "archive/acl.h"
#include "archive/beneath.h"
#include "archive/extract.h"

#define NOBODY_ELSE 1000 /* uid and gid of the caller without rights */

/* ---- a place to work in ---- */

static char dir[4096];
static int root; /* the empty directory to extract into */

static int setup(void **state)
{
    (void)state;
    const char *tmp = getenv("TMPDIR");
    snprintf(dir, sizeof dir, "%s/extract-XXXXXX", tmp ? tmp : "/tmp");
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
    snprintf(cmd, sizeof cmd, "d='%s'; chmod -R u+rwx \"$d\" && rm -rf \"$d\"", dir);
    return system(cmd);
}

static void need_root(void)
{
    if (geteuid() != 0) {
        print_message("skipped: needs root\n");
        skip();
    }
}

/* ---- what extract says ---- */

struct told {
    unsigned warnings, notes;
    char ids[512];   /* " id:path" of each warning */
    char noted[512]; /* the same of notes */
};

static void listen(void *ctx, enum notice_level level, const char *id, const char *path,
                   const char *text)
{
    struct told *t = ctx;
    char *to = level == NOTICE_WARNING ? t->ids : t->noted;
    size_t n = strlen(to);
    (void)text;
    *(level == NOTICE_WARNING ? &t->warnings : &t->notes) += 1;
    snprintf(to + n, 512 - n, " %s:%s", id, path ? path : "");
}

/* ---- entries ---- */

static void text(const char **field, const char *s)
{
    struct err err = {0};
    assert_int_equal(entry_set_string(field, s, strlen(s), &err), 0);
}

static struct entry entry(uint8_t type, const char *path, uint32_t mode)
{
    struct entry e = {.item = {.type = type, .mode = mode, .mtime = 1000000000}};
    e.item.uid = geteuid();
    e.item.gid = getegid();
    text(&e.item.path, path);
    return e;
}

static void attr(struct entry *e, const char *name, const void *value, size_t len)
{
    struct err err = {0};
    assert_int_equal(entry_add_xattr(e, name, value, len, &err), 0);
}

static void acl(struct entry *e, const char *name, const struct acl_row *rows, size_t n)
{
    struct acl_row copy[8];
    uint8_t *value;
    size_t len;
    struct err err = {0};
    memcpy(copy, rows, n * sizeof *rows);
    assert_int_equal(acl_encode(copy, n, &value, &len, &err), 0);
    attr(e, name, value, len);
    free(value);
}

/* Give an entry with its content, if it has any, and clear it. Returns extract's
 * answer. */
static int put(struct extract *x, struct entry *e, const char *content, struct err *err)
{
    size_t len = content && e->item.type == ITEM_FILE ? strlen(content) : 0;
    if (e->item.type == ITEM_FILE)
        e->item.size = e->item.stored = len;
    int rc = extract_entry(x, e, err);
    if (rc == 0 && len > 0)
        rc = extract_data(x, content, len, 0, err);
    if (rc == 0)
        rc = extract_end(x, err);
    entry_clear(e);
    return rc;
}

static int simple(struct extract *x, uint8_t type, const char *path, struct err *err)
{
    struct entry e = entry(type, path, type == ITEM_DIR ? 0755 : 0644);
    if (type == ITEM_SYMLINK || type == ITEM_HARDLINK)
        text(&e.item.link, "a");
    return put(x, &e, "text", err);
}

static struct extract *start(const struct extract_opts *opts, struct told *told)
{
    static struct notice_sink sink;
    struct extract *x;
    struct err err = {0};
    *told = (struct told){0};
    sink = (struct notice_sink){listen, told};
    assert_int_equal(extract_open(&x, root, opts, &sink, NULL, &err), 0);
    return x;
}

static void finish(struct extract *x)
{
    struct err err = {0};
    int rc = extract_finish(x, &err);
    if (rc != 0)
        print_message("%s\n", err.text);
    assert_int_equal(rc, 0);
}

static void read_back(struct extract *x)
{
    struct err err = {0};
    int rc = extract_read_back(x, &err);
    if (rc != 0)
        print_message("%s\n", err.text);
    assert_int_equal(rc, 0);
}

static struct stat look(const char *path)
{
    struct stat st;
    int fd = beneath_open(root, path, O_PATH, true);
    assert_true(fd >= 0);
    assert_int_equal(fstat(fd, &st), 0);
    close(fd);
    return st;
}

static const struct extract_opts numeric = {.read_back = true};

/* ---- order ---- */

static void test_entries_out_of_order_or_twice_are_refused(void **state)
{
    (void)state;
    static const char *const wrong[][2] = {
        {"b", "a"}, {"a", "a"}, {"d/x", "d"}, {"d", "d"}, {"d-", "d/y"}, {"a", "."},
    };
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        struct told told;
        struct err err = {0};
        struct extract_opts opts = {.make_parents = true};
        struct extract *x = start(&opts, &told);
        assert_int_equal(simple(x, ITEM_DIR, wrong[i][0], &err), 0);
        assert_int_equal(simple(x, ITEM_DIR, wrong[i][1], &err), -1);
        assert_int_equal(err.cls, ERR_DAMAGED);
        extract_free(x);
        teardown(NULL);
        setup(NULL);
    }
}

static void test_an_entry_without_its_directory_is_refused(void **state)
{
    (void)state;
    static const uint8_t types[] = {ITEM_FILE, ITEM_SYMLINK, ITEM_FIFO};
    for (size_t i = 0; i < sizeof types; i++) {
        for (int parents = 0; parents < 2; parents++) {
            struct told told;
            struct err err = {0};
            struct extract_opts opts = {.make_parents = parents != 0};
            char name[2] = {(char)('a' + (char)(2 * i) + parents), '\0'}, below[4];
            snprintf(below, sizeof below, "%s/x", name);
            struct extract *x = start(&opts, &told);
            assert_int_equal(simple(x, types[i], name, &err), 0);
            assert_int_equal(simple(x, ITEM_FILE, below, &err), -1);
            assert_int_equal(err.cls, ERR_DAMAGED);
            extract_free(x);
        }
    }
}

static void test_unsafe_names_are_refused(void **state)
{
    (void)state;
    static const char *const names[] = {"../x", "/x", "a/../../x", "..", "a//b", ""};
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        struct told told;
        struct err err = {0};
        struct extract *x = start(&numeric, &told);
        assert_int_equal(simple(x, ITEM_FILE, names[i], &err), -1);
        assert_int_equal(err.cls, ERR_DAMAGED);
        extract_free(x);
    }
}

static void test_a_symlink_that_stands_there_is_not_written_through(void **state)
{
    (void)state;
    struct told told;
    struct err err = {0};
    assert_int_equal(symlinkat("/tmp", root, "d"), 0);
    assert_int_equal(symlinkat("victim", root, "f"), 0);
    struct extract_opts opts = {.make_parents = true};
    struct extract *x = start(&opts, &told);
    assert_int_equal(simple(x, ITEM_FILE, "d/x", &err), -1);
    extract_free(x);
    x = start(&opts, &told);
    assert_int_equal(simple(x, ITEM_FILE, "f", &(struct err){0}), -1);
    extract_free(x);
    struct stat st;
    assert_int_equal(fstatat(root, "victim", &st, 0), -1);
}

static void test_a_hard_link_leads_to_an_earlier_file_only(void **state)
{
    (void)state;
    static const char *const bad[] = {"dir", "sym", "sym/x", "none", "zz", "../a", "m"};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        struct told told;
        struct err err = {0};
        struct extract *x = start(&numeric, &told);
        assert_int_equal(simple(x, ITEM_FILE, "a", &err), 0);
        assert_int_equal(simple(x, ITEM_DIR, "dir", &err), 0);
        assert_int_equal(simple(x, ITEM_HARDLINK, "good", &err), 0);
        assert_int_equal(look("good").st_ino, look("a").st_ino);
        struct entry e = entry(ITEM_SYMLINK, "h", 0777);
        text(&e.item.link, "a");
        assert_int_equal(put(x, &e, NULL, &err), 0);
        e = entry(ITEM_SYMLINK, "l", 0777);
        text(&e.item.link, "/etc");
        assert_int_equal(put(x, &e, NULL, &err), 0);
        e = entry(ITEM_HARDLINK, "m", 0644);
        text(&e.item.link, i == 1 ? "h" : i == 2 ? "l/passwd" : bad[i]);
        assert_int_equal(put(x, &e, NULL, &err), -1);
        assert_int_equal(err.cls, ERR_DAMAGED);
        extract_free(x);
        teardown(NULL);
        setup(NULL);
    }
}

/* ---- content ---- */

static void test_content_arrives_and_is_proven(void **state)
{
    (void)state;
    struct told told;
    struct err err = {0};
    struct extract *x = start(&numeric, &told);
    assert_int_equal(simple(x, ITEM_DIR, ".", &err), 0);
    assert_int_equal(simple(x, ITEM_FILE, "a", &err), 0);
    assert_int_equal(simple(x, ITEM_DIR, "d", &err), 0);
    struct entry e = entry(ITEM_FILE, "d/empty", 0600);
    assert_int_equal(put(x, &e, NULL, &err), 0);
    assert_int_equal(simple(x, ITEM_HARDLINK, "d/link", &err), 0);
    assert_int_equal(simple(x, ITEM_FIFO, "d/pipe", &err), 0);
    assert_int_equal(simple(x, ITEM_SYMLINK, "d/sym", &err), 0);
    assert_int_equal(simple(x, ITEM_FILE, "d-", &err), 0);
    finish(x);
    read_back(x);
    const struct extract_report *r = extract_report(x);
    assert_int_equal(r->entries, 8);
    assert_int_equal(r->bytes, 8);
    assert_int_equal(r->proven + r->proven_cached, 3);
    assert_int_equal(told.warnings + told.notes, 0);
    assert_int_equal(look("d").st_mtime, 1000000000);
    assert_int_equal(look(".").st_mtime, 1000000000);
    assert_int_equal(look(".").st_mode & 07777, 0755);
    extract_free(x);
}

static void test_content_that_is_missing_or_too_long_is_refused(void **state)
{
    (void)state;
    for (int i = 0; i < 4; i++) {
        struct told told;
        struct err err = {0};
        char name[2] = {(char)('a' + i), '\0'};
        struct extract *x = start(&numeric, &told);
        struct entry e = entry(ITEM_FILE, name, 0600);
        e.item.size = e.item.stored = 10;
        int rc = extract_entry(x, &e, &err);
        if (rc == 0 && i == 0)
            rc = extract_data(x, "12345", 5, 0, &err); /* the rest never comes */
        if (rc == 0 && i == 1)
            rc = extract_data(x, "12345", 5, 6, &err); /* past the end */
        if (rc == 0 && i == 2) {
            rc = extract_data(x, "12345", 5, 0, &err); /* backwards */
            assert_int_equal(rc, 0);
            rc = extract_data(x, "12345", 5, 4, &err);
        }
        if (rc == 0 && i == 3)
            rc = extract_data(x, "1234", 4, 0,
                              &err); /* a hole in a file without holes */
        if (rc == 0 && i == 3)
            rc = extract_data(x, "56789", 5, 5, &err);
        if (rc == 0)
            rc = extract_end(x, &err);
        assert_int_equal(rc, -1);
        assert_int_equal(err.cls, ERR_DAMAGED);
        entry_clear(&e);
        extract_free(x);
    }
}

static void sparse(struct extract *x, const char *path, uint64_t size,
                   const struct extent *ext, size_t n)
{
    struct err err = {0};
    struct entry e = entry(ITEM_FILE, path, 0600);
    char *p = calloc(1, 1 << 20);
    assert_non_null(p);
    p[0] = 'x';
    e.item.flags = ITEM_SPARSE;
    e.item.size = size;
    e.extents = calloc(n + 1, sizeof *ext);
    for (size_t i = 0; i < n; i++) {
        e.extents[i] = ext[i];
        e.item.stored += ext[i].len;
    }
    e.nextents = n;
    assert_int_equal(extract_entry(x, &e, &err), 0);
    for (size_t i = 0; i < n; i++)
        assert_int_equal(extract_data(x, p, (size_t)ext[i].len, ext[i].off, &err), 0);
    assert_int_equal(extract_end(x, &err), 0);
    entry_clear(&e);
    free(p);
}

static void
test_a_sparse_file_stays_sparse_and_a_terabyte_hole_costs_nothing(void **state)
{
    (void)state;
    const struct extent two[] = {{0, 4096}, {8 << 20, 1 << 20}};
    const struct extent far = {1ull << 40, 4096};
    struct told told;
    struct extract *x = start(&numeric, &told);
    sparse(x, "all-hole", 1ull << 40, NULL, 0);
    sparse(x, "far", (1ull << 40) + 8192, &far, 1);
    sparse(x, "two", 16 << 20, two, 2);
    finish(x);
    read_back(x);
    assert_int_equal(look("all-hole").st_size, 1ll << 40);
    assert_int_equal(look("all-hole").st_blocks, 0);
    assert_true(look("far").st_blocks <= 64);
    /* the zeros within an extent are data */
    assert_true(look("two").st_blocks >= ((1 << 20) + 4096) / 512);
    assert_true(look("two").st_blocks < (2 << 20) / 512);
    extract_free(x);
}

/* ---- read-back ---- */

static void change(const char *path, off_t off, char byte)
{
    struct stat st = look(path);
    struct timespec t[2] = {st.st_atim, st.st_mtim};
    int fd = beneath_open(root, path, O_WRONLY, false);
    assert_true(fd >= 0);
    assert_int_equal(pwrite(fd, &byte, 1, off), 1);
    assert_int_equal(futimens(fd, t), 0);
    close(fd);
}

static void harm(int what)
{
    struct timespec t[2] = {{.tv_nsec = UTIME_OMIT}, {.tv_sec = 5}};
    if (what == 0)
        change("a", 3, 'T');
    else if (what == 1)
        change("holes", 100, '!'); /* in a long hole */
    else if (what == 2)
        change("holes", (3 << 20) + 5000, '!'); /* in a short one */
    else if (what == 3)
        assert_int_equal(fchmodat(root, "a", 0666, 0), 0);
    else if (what == 4)
        assert_int_equal(utimensat(root, "d", t, 0), 0);
    else if (what == 5)
        assert_int_equal(utimensat(root, "sym", t, AT_SYMLINK_NOFOLLOW), 0);
    else if (what == 6)
        assert_int_equal(unlinkat(root, "d/file", 0), 0);
    else if (what == 7)
        assert_int_equal(renameat(root, "a", root, "b"), 0);
    else if (what == 8)
        assert_int_equal(ftruncate(beneath_open(root, "a", O_WRONLY, false), 3), 0);
    else if (what == 9)
        assert_int_equal(unlinkat(root, "sym", 0) | symlinkat("b", root, "sym"), 0);
    else if (what == 10) {
        struct stat st = look("link");
        struct timespec keep[2] = {st.st_atim, st.st_mtim};
        assert_int_equal(unlinkat(root, "link", 0), 0);
        int fd = openat(root, "link", O_CREAT | O_WRONLY | O_EXCL, 0644);
        assert_int_equal(write(fd, "text", 4), 4);
        assert_int_equal(futimens(fd, keep), 0);
        close(fd);
    } else if (what == 11) {
        int fd = beneath_open(root, "a", O_WRONLY, false);
        assert_true(fd >= 0);
        if (fsetxattr(fd, "user.more", "x", 1, 0) != 0)
            change("a", 3, 'T'); /* no attributes here */
        close(fd);
    }
}

static void test_read_back_notices_every_change_on_the_disk(void **state)
{
    (void)state;
    static const char *const named[] = {
        "a", "holes", "holes", "a", "d", "sym", "d/file", "a", "a", "sym", "link", "a"};
    const struct extent ext[] = {{3 << 20, 4096}, {(3 << 20) + 16384, 4096}};
    for (int what = -1; what < (int)(sizeof named / sizeof named[0]); what++) {
        struct told told;
        struct err err = {0};
        struct extract *x = start(&numeric, &told);
        assert_int_equal(simple(x, ITEM_FILE, "a", &err), 0);
        assert_int_equal(simple(x, ITEM_DIR, "d", &err), 0);
        assert_int_equal(simple(x, ITEM_FILE, "d/file", &err), 0);
        sparse(x, "holes", 4 << 20, ext, 2);
        assert_int_equal(simple(x, ITEM_HARDLINK, "link", &err), 0);
        assert_int_equal(simple(x, ITEM_SYMLINK, "sym", &err), 0);
        finish(x);
        harm(what);
        if (what < 0) {
            read_back(x);
        } else {
            assert_int_equal(extract_read_back(x, &err), -1);
            assert_int_equal(err.cls, ERR_FAIL);
            assert_non_null(strstr(err.text, named[what]));
        }
        extract_free(x);
        teardown(NULL);
        setup(NULL);
    }
}

/* ---- metadata ---- */

static void test_times_before_1970_and_long_names_and_paths_arrive(void **state)
{
    (void)state;
    static char path[20 * 256];
    struct told told;
    struct err err = {0};
    struct extract *x = start(&numeric, &told);
    size_t n = 0;
    for (int i = 0; i < 18; i++) {
        memset(path + n, 'n', 255);
        n += 255;
        path[n] = '\0';
        struct entry e = entry(ITEM_DIR, path, 0750);
        e.item.mtime = -i - 1;
        e.item.mtime_ns = 999999999;
        assert_int_equal(put(x, &e, NULL, &err), 0);
        path[n++] = '/';
    }
    strcpy(path + n, "\xff file\n");
    struct entry e = entry(ITEM_FILE, path, 0600);
    e.item.mtime = -1000000000;
    e.item.mtime_ns = 1;
    assert_int_equal(put(x, &e, "deep", &err), 0);
    finish(x);
    read_back(x);
    assert_int_equal(look(path).st_mtim.tv_sec, -1000000000);
    assert_int_equal(look(path).st_mtim.tv_nsec, 1);
    path[n - 1] = '\0';
    assert_int_equal(look(path).st_mtim.tv_sec, -18);
    assert_int_equal(told.warnings, 0);
    extract_free(x);
}

static void test_owner_setuid_capability_and_device_arrive_for_root(void **state)
{
    (void)state;
    need_root();
    static const uint8_t cap[20] = {1, 0, 0,
                                    2, 0, 4}; /* version 2, effective, net_bind */
    struct told told;
    struct err err = {0};
    struct extract *x = start(&numeric, &told);
    struct entry e = entry(ITEM_FILE, "bin", 06755);
    e.item.uid = 1234;
    e.item.gid = 4321;
    attr(&e, "security.capability", cap, sizeof cap);
    attr(&e, "trusted.t", "v", 1);
    assert_int_equal(put(x, &e, "elf", &err), 0);
    e = entry(ITEM_DIR, "dir", 03770);
    e.item.gid = 4321;
    assert_int_equal(put(x, &e, NULL, &err), 0);
    e = entry(ITEM_CHAR, "null", 0666);
    e.item.dev_major = 1;
    e.item.dev_minor = 3;
    e.item.uid = 7;
    assert_int_equal(put(x, &e, NULL, &err), 0);
    e = entry(ITEM_SYMLINK, "sym", 0777);
    text(&e.item.link, "/nowhere");
    e.item.uid = 99;
    attr(&e, "trusted.s", "on the link", 11);
    assert_int_equal(put(x, &e, NULL, &err), 0);
    finish(x);
    read_back(x);
    if (told.warnings > 0) {
        print_message("skipped: not all rights of root here:%s\n", told.ids);
        extract_free(x);
        skip();
    }
    struct stat st = look("bin");
    assert_int_equal(st.st_mode & 07777, 06755);
    assert_int_equal(st.st_uid, 1234);
    assert_int_equal(st.st_gid, 4321);
    st = look("dir");
    assert_int_equal(st.st_mode & 07777, 03770);
    st = look("null");
    assert_true(S_ISCHR(st.st_mode) && st.st_rdev == makedev(1, 3));
    assert_int_equal(st.st_mode & 07777, 0666);
    assert_int_equal(st.st_uid, 7);
    assert_int_equal(look("sym").st_uid, 99);
    uint8_t got[20];
    char path[4200];
    snprintf(path, sizeof path, "%s/bin", dir);
    assert_int_equal(getxattr(path, "security.capability", got, sizeof got), 20);
    assert_memory_equal(got, cap, 20);
    extract_free(x);
}

static void test_acls_arrive_and_a_default_acl_goes_down_to_nothing_else(void **state)
{
    (void)state;
    const uint32_t none = UINT32_MAX;
    const struct acl_row rows[] = {
        {1, 7, none}, {2, 6, 1000}, {4, 0, none}, {16, 6, none}, {32, 0, none}};
    struct told told;
    struct err err = {0};
    struct entry tmp = {0};
    acl(&tmp, ACL_XATTR_DEFAULT, rows, 5);
    if (fsetxattr(root, ACL_XATTR_DEFAULT, tmp.xattrs[0].value, tmp.xattrs[0].len, 0) !=
        0) {
        entry_clear(&tmp);
        print_message("skipped: no ACLs here\n");
        skip();
    }
    struct extract *x = start(&numeric, &told);
    struct entry e = entry(ITEM_DIR, "d", 0760);
    acl(&e, ACL_XATTR_ACCESS, rows, 5);
    acl(&e, ACL_XATTR_DEFAULT, rows, 5);
    assert_int_equal(put(x, &e, NULL, &err), 0);
    assert_int_equal(simple(x, ITEM_FILE, "d/plain", &err), 0);
    assert_int_equal(simple(x, ITEM_DIR, "d/sub", &err), 0);
    e = entry(ITEM_FILE, "f", 0760);
    acl(&e, ACL_XATTR_ACCESS, rows, 5);
    assert_int_equal(put(x, &e, "text", &err), 0);
    finish(x);
    read_back(x);
    assert_int_equal(told.warnings, 0);
    char path[4200], value[128];
    snprintf(path, sizeof path, "%s/d/plain", dir);
    assert_int_equal(getxattr(path, ACL_XATTR_ACCESS, value, sizeof value), -1);
    snprintf(path, sizeof path, "%s/d/sub", dir);
    assert_int_equal(getxattr(path, ACL_XATTR_DEFAULT, value, sizeof value), -1);
    snprintf(path, sizeof path, "%s/d", dir);
    assert_int_equal(getxattr(path, ACL_XATTR_DEFAULT, value, sizeof value),
                     (ssize_t)tmp.xattrs[0].len);
    assert_memory_equal(value, tmp.xattrs[0].value, tmp.xattrs[0].len);
    assert_int_equal(look("d").st_mode & 07777, 0760);
    assert_int_equal(look("f").st_mode & 07777, 0760);
    entry_clear(&tmp);
    extract_free(x);
}

static void
test_the_mask_of_an_acl_that_cannot_be_set_is_not_given_to_the_group(void **state)
{
    (void)state;
    const uint32_t none = UINT32_MAX;
    /* without a row for others the kernel takes none of it */
    const struct acl_row rows[] = {
        {1, 6, none}, {2, 6, 7}, {4, 0, none}, {16, 6, none}};
    struct told told;
    struct err err = {0};
    struct extract *x = start(&numeric, &told);
    struct entry e = entry(ITEM_FILE, "a", 0660);
    acl(&e, ACL_XATTR_ACCESS, rows, 4);
    assert_int_equal(put(x, &e, "text", &err), 0);
    finish(x);
    read_back(x);
    assert_int_equal(look("a").st_mode & 07777, 0600);
    assert_string_equal(told.ids, " xattr-not-set:a");
    extract_free(x);
}

static void test_owners_are_chosen_as_asked(void **state)
{
    (void)state;
    need_root();
    struct names *names;
    struct err err = {0};
    struct told told;
    char passwd[4200];
    snprintf(passwd, sizeof passwd, "%s/passwd", dir);
    FILE *f = fopen(passwd, "w");
    assert_non_null(f);
    fputs("known:x:555:666::/:/bin/sh\n", f);
    fclose(f);
    assert_int_equal(names_open(&names, passwd, "/dev/null", &err), 0);
    unlink(passwd);
    struct extract_opts opts[] = {
        {.owner = EXTRACT_OWNER_NAMES, .names = names, .read_back = true},
        {.owner = EXTRACT_OWNER_FIXED, .uid = 11, .gid = 12, .read_back = true},
        {.owner = EXTRACT_OWNER_CALLER, .read_back = true},
    };
    const uint32_t want[3][2] = {{555, 4321}, {11, 12}, {0, 0}};
    for (size_t i = 0; i < 3; i++) {
        char name[2] = {(char)('a' + (char)i), '\0'};
        struct extract *x = start(&opts[i], &told);
        struct entry e = entry(ITEM_FILE, name, 04755);
        e.item.uid = 1234;
        e.item.gid = 4321;
        text(&e.item.user, "known");
        text(&e.item.group, "unknown");
        assert_int_equal(put(x, &e, "text", &err), 0);
        finish(x);
        read_back(x);
        assert_int_equal(look(name).st_uid, want[i][0]);
        assert_int_equal(look(name).st_gid, want[i][1]);
        /* no setuid for whoever was not meant; by name it is the same user */
        assert_int_equal(look(name).st_mode & 07777, i == 0 ? 04755 : 0755);
        assert_string_equal(told.noted, i == 2 ? " owner-not-set:" : "");
        assert_int_equal(told.warnings, 0);
        extract_free(x);
    }
    struct extract *x = start(&opts[2], &told);
    assert_int_equal(simple(x, ITEM_DIR, ".pmm-seal-old.abcdef", &err), -1);
    assert_int_equal(err.cls, ERR_DAMAGED); /* a later restore would obey it */
    extract_free(x);
    err = (struct err){0};
    x = start(&opts[2], &told);
    assert_int_equal(simple(x, ITEM_FILE, "own", &err), 0);
    finish(x);
    assert_string_equal(told.noted, " owner-not-set:");
    assert_int_equal(told.warnings, 0);
    extract_free(x);
    names_free(names);
}

static void test_missing_parents_are_made_for_a_selection(void **state)
{
    (void)state;
    struct told told;
    struct err err = {0};
    struct extract_opts opts = {.make_parents = true, .read_back = true};
    struct extract *x = start(&opts, &told);
    assert_int_equal(simple(x, ITEM_FILE, "a/b/c", &err), 0);
    assert_int_equal(simple(x, ITEM_FILE, "a/d/e", &err), 0);
    assert_int_equal(simple(x, ITEM_FILE, "f", &err), 0);
    finish(x);
    read_back(x);
    assert_int_equal(look("a/d").st_mode & 07777, 0755);
    assert_int_equal(look("a/b/c").st_size, 4);
    extract_free(x);
}

/* ---- without rights ---- */

/* Become another, run, and tell by exit status; cmocka's own asserts stay with the
 * parent. */
static int as_nobody(int (*run)(struct told *))
{
    assert_int_equal(fchown(root, NOBODY_ELSE, NOBODY_ELSE), 0);
    pid_t pid = fork();
    assert_true(pid >= 0);
    if (pid == 0) {
        struct told told;
        if (setgroups(0, NULL) != 0 || setgid(NOBODY_ELSE) != 0 ||
            setuid(NOBODY_ELSE) != 0)
            _exit(99);
        _exit(run(&told));
    }
    int status;
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_true(WIFEXITED(status));
    return WEXITSTATUS(status);
}

static int run_foreign(struct told *told)
{
    struct err err = {0};
    struct stat st;
    struct extract *x = start(&numeric, told);
    struct entry e = entry(ITEM_FILE, "a", 06755);
    e.item.uid = 0;
    e.item.gid = 0;
    attr(&e, "trusted.t", "v", 1);
    if (put(x, &e, "text", &err) != 0)
        return 1;
    e = entry(ITEM_FILE, "b", 0644);
    e.item.uid = 0;
    e.item.gid = 0;
    if (put(x, &e, "text", &err) != 0)
        return 2;
    e = entry(ITEM_BLOCK, "c", 0600);
    e.item.dev_major = 7;
    if (put(x, &e, NULL, &err) != 0)
        return 3;
    e = entry(ITEM_FILE, "d", 0400); /* his own, not writable: its attribute arrives */
    attr(&e, "user.u", "v", 1);
    if (put(x, &e, "text", &err) != 0)
        return 4;
    if (extract_finish(x, &err) != 0 || extract_read_back(x, &err) != 0)
        return 5;
    if (strcmp(told->ids, " owner-not-set:a xattr-not-set:a device-not-made:c") != 0)
        return 6;
    if (fstatat(root, "a", &st, 0) != 0 || (st.st_mode & 07777) != 0755)
        return 7;
    if (extract_report(x)->entries != 3 || told->warnings != 3)
        return 8;
    extract_free(x);
    return 0;
}

static void test_what_the_caller_may_not_set_is_told_once_and_not_fatal(void **state)
{
    (void)state;
    need_root();
    assert_int_equal(as_nobody(run_foreign), 0);
}

static int run_closed(struct told *told)
{
    struct err err = {0};
    struct extract *x = start(&numeric, told);
    struct entry e = entry(ITEM_FILE, "a", 0);
    if (put(x, &e, "text", &err) != 0)
        return 1;
    e = entry(ITEM_DIR, "b", 0);
    if (put(x, &e, NULL, &err) != 0 || simple(x, ITEM_FILE, "b/c", &err) != 0)
        return 2;
    if (simple(x, ITEM_FILE, "d", &err) != 0)
        return 3;
    if (extract_finish(x, &err) != 0 || extract_read_back(x, &err) != 0)
        return 4;
    if (strcmp(told->ids, " not-read-back:a") != 0)
        return 5;
    const struct extract_report *r = extract_report(x);
    if (r->proven + r->proven_cached != 1)
        return 6;
    extract_free(x);
    return 0;
}

static void test_what_the_caller_may_not_open_is_told_as_not_read_back(void **state)
{
    (void)state;
    need_root();
    assert_int_equal(as_nobody(run_closed), 0);
}

static int run_twin(struct told *told)
{
    struct err err = {0};
    struct stat st;
    const uint32_t none = UINT32_MAX;
    const struct acl_row rows[] = {
        {1, 6, none}, {2, 6, 7}, {4, 0, none}, {16, 6, none}, {32, 0, none}};
    struct extract *x = start(&numeric, told);
    struct entry e = entry(ITEM_FILE, "a", 02770); /* a group that he is not in */
    e.item.gid = 0;
    if (put(x, &e, "text", &err) != 0)
        return 1;
    e = entry(ITEM_FILE, "b", 0660);
    acl(&e, ACL_XATTR_ACCESS, rows, 5);
    if (put(x, &e, "text", &err) != 0)
        return 2;
    if (extract_finish(x, &err) != 0 || extract_read_back(x, &err) != 0)
        return 3;
    if (fstatat(root, "a", &st, 0) != 0 || (st.st_mode & 07777) != 0770)
        return 4;
    extract_free(x);
    return strcmp(told->ids, " owner-not-set:a") == 0 ? 0 : 5;
}

static void test_a_setgid_bit_of_a_foreign_group_is_not_kept(void **state)
{
    (void)state;
    need_root();
    assert_int_equal(as_nobody(run_twin), 0);
}

/* ---- salvage ---- */

static const struct extract_opts salvage = {
    .read_back = true, .make_parents = true, .salvage = true};

/* A file of `size` bytes of which `text` is there, at `off`. */
static void in_part(struct extract *x, const char *path, size_t size,
                    const char *content, uint64_t off, bool cut)
{
    struct err err = {0};
    bool kept;
    size_t len = strlen(content);
    struct entry e = entry(ITEM_FILE, path, 0640);
    e.item.size = e.item.stored = size;
    assert_int_equal(extract_entry(x, &e, &err), 0);
    assert_int_equal(extract_data(x, content, len, off, &err), 0);
    assert_int_equal(extract_end_partial(x, cut ? off + len : size, "why", &kept, &err),
                     0);
    assert_int_equal(kept, len > 0);
    entry_clear(&e);
}

static bool holds(const char *path, const char *content, size_t len)
{
    char buf[64] = {0};
    int fd = beneath_open(root, path, O_RDONLY, true);
    if (fd < 0)
        return false;
    ssize_t n = read(fd, buf, sizeof buf);
    close(fd);
    return n == (ssize_t)len && memcmp(buf, content, len) == 0;
}

static bool missing(const char *path)
{
    struct stat st;
    return fstatat(root, path, &st, AT_SYMLINK_NOFOLLOW) != 0 && errno == ENOENT;
}

static void test_a_file_in_part_takes_no_name_that_another_entry_has(void **state)
{
    (void)state;
    struct told told;
    struct err err = {0};
    char name[256];
    struct extract *x = start(&salvage, &told);
    memset(name, 'n', 255);
    name[255] = '\0';
    assert_int_equal(simple(x, ITEM_DIR, "d", &err), 0);
    in_part(x, "d/f", 9, "abc", 2, false);
    assert_int_equal(simple(x, ITEM_FILE, "d/f.damaged", &err), 0);
    assert_int_equal(simple(x, ITEM_FIFO, "d/f.damaged.2", &err), 0);
    in_part(x, "g", 9, "abc", 0, true);
    in_part(x, name, 9, "abc", 0, true);
    finish(x);
    read_back(x);
    assert_true(missing("d/f") && missing("g") && missing(name));
    assert_true(holds("d/f.damaged", "text", 4));
    assert_true(holds("d/f.damaged.3", "\0\0abc\0\0\0\0", 9));
    assert_true(holds("g.damaged", "abc", 3));
    memcpy(name + 255 - 8, ".damaged", 8);
    assert_true(holds(name, "abc", 3));
    assert_int_equal(look("d/f.damaged.3").st_mode & 07777, 0640);
    assert_int_equal(look("d/f.damaged.3").st_mtime, 1000000000);
    assert_int_equal(look("d").st_mtime, 1000000000); /* not that of the rename */
    assert_int_equal(told.warnings, 3);
    assert_non_null(strstr(told.ids, "entry-partial:d/f"));
    assert_int_equal(extract_report(x)->entries, 3);
    extract_free(x);
}

static void test_a_file_of_which_nothing_came_is_not_there(void **state)
{
    (void)state;
    struct told told;
    struct extract *x = start(&salvage, &told);
    in_part(x, "f", 9, "", 0, true);
    finish(x);
    read_back(x);
    assert_true(missing("f") && missing("f.damaged"));
    assert_int_equal(told.warnings, 0);
    extract_free(x);
}

/* Neither under the name that a file in part had, nor under the one it was given. */
static void test_a_hard_link_to_what_is_not_there_whole_is_passed_over(void **state)
{
    (void)state;
    static const char *const links[] = {"gone", "a/f", "a/f.damaged", "a"};
    struct told told;
    struct err err = {0};
    struct extract *x = start(&salvage, &told);
    assert_int_equal(simple(x, ITEM_DIR, "a", &err), 0);
    in_part(x, "a/f", 9, "abc", 0, true);
    assert_int_equal(simple(x, ITEM_FILE, "a/good", &err), 0);
    for (size_t i = 0; i < 4; i++) {
        char name[3] = {'h', (char)('0' + (char)i), '\0'};
        struct entry e = entry(ITEM_HARDLINK, name, 0644);
        text(&e.item.link, links[i]);
        assert_int_equal(extract_entry(x, &e, &err), 0);
        assert_true(extract_link_lost(x));
        assert_true(missing(name));
        entry_clear(&e);
    }
    struct entry e = entry(ITEM_HARDLINK, "hz", 0644);
    text(&e.item.link, "a/good");
    assert_int_equal(put(x, &e, NULL, &err), 0);
    assert_false(extract_link_lost(x));
    finish(x);
    read_back(x);
    assert_int_equal(look("hz").st_nlink, 2);
    extract_free(x);
}

static void test_a_directory_that_is_lost_is_made_for_its_owner_alone(void **state)
{
    (void)state;
    struct told told;
    struct err err = {0};
    struct extract *x = start(&salvage, &told);
    assert_int_equal(simple(x, ITEM_FILE, "p/q/f", &err), 0);
    finish(x);
    assert_int_equal(look("p").st_mode & 07777, 0700);
    assert_int_equal(look("p/q").st_mode & 07777, 0700);
    extract_free(x);
}

int main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
    const struct CMUnitTest tests[] = {
        T(test_entries_out_of_order_or_twice_are_refused),
        T(test_an_entry_without_its_directory_is_refused),
        T(test_unsafe_names_are_refused),
        T(test_a_symlink_that_stands_there_is_not_written_through),
        T(test_a_hard_link_leads_to_an_earlier_file_only),
        T(test_content_arrives_and_is_proven),
        T(test_content_that_is_missing_or_too_long_is_refused),
        T(test_a_sparse_file_stays_sparse_and_a_terabyte_hole_costs_nothing),
        T(test_read_back_notices_every_change_on_the_disk),
        T(test_times_before_1970_and_long_names_and_paths_arrive),
        T(test_owner_setuid_capability_and_device_arrive_for_root),
        T(test_acls_arrive_and_a_default_acl_goes_down_to_nothing_else),
        T(test_the_mask_of_an_acl_that_cannot_be_set_is_not_given_to_the_group),
        T(test_owners_are_chosen_as_asked),
        T(test_missing_parents_are_made_for_a_selection),
        T(test_what_the_caller_may_not_set_is_told_once_and_not_fatal),
        T(test_what_the_caller_may_not_open_is_told_as_not_read_back),
        T(test_a_setgid_bit_of_a_foreign_group_is_not_kept),
        T(test_a_file_in_part_takes_no_name_that_another_entry_has),
        T(test_a_file_of_which_nothing_came_is_not_there),
        T(test_a_hard_link_to_what_is_not_there_whole_is_passed_over),
        T(test_a_directory_that_is_lost_is_made_for_its_owner_alone),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
