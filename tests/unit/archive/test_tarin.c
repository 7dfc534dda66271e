#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <archive.h>
#include <archive_entry.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "archive/acl.h"
#include "archive/tarin.h"
#include "archive/tarout.h"
#include "util/buf.h"
#include "util/le.h"

/* ---- making tars ---- */

static int to_buf(void *ctx, const void *p, size_t len, struct err *err)
{
    (void)err;
    return buf_add(ctx, p, len);
}

static struct tarout *out_open(struct buf *tar)
{
    struct tarout *t;
    struct err err = {0};
    assert_int_equal(tarout_open(&t, to_buf, tar, NULL, NULL, &err), 0);
    return t;
}

static void out_close(struct tarout *t)
{
    struct err err = {0};
    uint64_t bytes;
    assert_int_equal(tarout_finish(t, &bytes, &err), 0);
    tarout_free(t);
}

/* A nameless file of `size` bytes, holes but for the extents, which are 'x'. */
static int make_file(uint64_t size, const struct extent *x, size_t n)
{
    int fd = memfd_create("content", MFD_CLOEXEC);
    assert_true(fd >= 0);
    assert_int_equal(ftruncate(fd, (off_t)size), 0);
    for (size_t i = 0; i < n; i++) {
        char *p = malloc((size_t)x[i].len);
        assert_non_null(p);
        memset(p, 'x', (size_t)x[i].len);
        assert_int_equal(pwrite(fd, p, (size_t)x[i].len, (off_t)x[i].off),
                         (ssize_t)x[i].len);
        free(p);
    }
    return fd;
}

/* A tar by libarchive itself, of one entry that the callback dresses up. */
static void foreign(struct buf *tar, void (*dress)(struct archive_entry *),
                    const char *content)
{
    static char room[1 << 16];
    size_t used = 0;
    struct archive *a = archive_write_new();
    assert_int_equal(archive_write_set_format_pax(a), ARCHIVE_OK);
    assert_int_equal(archive_write_set_format_option(a, "pax", "hdrcharset", "BINARY"),
                     ARCHIVE_OK);
    archive_write_set_bytes_per_block(a, 0);
    assert_int_equal(archive_write_open_memory(a, room, sizeof room, &used),
                     ARCHIVE_OK);
    struct archive_entry *e = archive_entry_new();
    archive_entry_copy_pathname(e, "name");
    archive_entry_set_mode(e, S_IFREG | 0640);
    archive_entry_set_mtime(e, 1000, 0);
    archive_entry_set_size(e, content ? (int64_t)strlen(content) : 0);
    dress(e);
    assert_int_equal(archive_write_header(a, e), ARCHIVE_OK);
    if (content)
        archive_write_data(a, content, strlen(content));
    archive_entry_free(e);
    archive_write_close(a);
    archive_write_free(a);
    assert_int_equal(buf_add(tar, room, used), 0);
}

/* ---- reading them ---- */

struct supply {
    const uint8_t *p;
    size_t left, piece; /* bytes a call */
    bool fail_at_end;
};

static ssize_t from_buf(void *ctx, const void **buf, struct err *err)
{
    struct supply *s = ctx;
    size_t n = s->left < s->piece ? s->left : s->piece;
    if (n == 0 && s->fail_at_end)
        return err_set(err, ERR_KEY, "the supply broke");
    if (n == 0)
        return 0;
    *buf = s->p;
    s->p += n;
    s->left -= n;
    return (ssize_t)n;
}

static struct tarin *in_open(struct supply *s, const struct buf *tar, size_t piece)
{
    struct tarin *t;
    struct err err = {0};
    *s = (struct supply){tar->p, tar->len, piece, false};
    assert_int_equal(tarin_open(&t, from_buf, s, &err), 0);
    return t;
}

/* Read all of a tar. Returns what tarin_next said last, and the error's class. */
static int drain(const struct buf *tar, enum err_class *cls, size_t *entries)
{
    struct supply s;
    struct err err = {0};
    const struct entry *e;
    const void *p;
    size_t len;
    uint64_t off;
    int rc;
    struct tarin *t = in_open(&s, tar, 700);
    *entries = 0;
    while ((rc = tarin_next(t, &e, &err)) == 1) {
        ++*entries;
        while ((rc = tarin_data(t, &p, &len, &off, &err)) == 1)
            ;
        if (rc < 0)
            break;
    }
    tarin_free(t);
    *cls = err.cls;
    return rc;
}

static void expect_damage(const struct buf *tar)
{
    enum err_class cls;
    size_t n;
    assert_int_equal(drain(tar, &cls, &n), -1);
    assert_int_equal(cls, ERR_DAMAGED);
}

/* ---- what tarout writes comes back ---- */

static void text(const char **field, const char *s)
{
    struct err err = {0};
    assert_int_equal(entry_set_string(field, s, strlen(s), &err), 0);
}

/* Entry -> tar -> entry; the caller clears *back, a copy without extents. */
static void round_trip(struct entry *e, int fd, struct entry *back, size_t piece)
{
    struct buf tar = {0};
    struct err err = {0};
    struct supply s;
    const struct entry *got;
    struct tarout *o = out_open(&tar);
    assert_int_equal(tarout_entry(o, e, fd, &err), 0);
    out_close(o);

    struct tarin *t = in_open(&s, &tar, piece);
    assert_int_equal(tarin_next(t, &got, &err), 1);
    assert_true(item_equal(&got->item, &e->item));
    assert_int_equal(got->item.stored, e->item.stored);
    assert_int_equal(got->item.flags, e->item.flags & ITEM_SPARSE);
    assert_int_equal(got->nxattrs, e->nxattrs);
    for (size_t i = 0; i < e->nxattrs; i++) {
        assert_string_equal(got->xattrs[i].name, e->xattrs[i].name);
        assert_int_equal(got->xattrs[i].len, e->xattrs[i].len);
        assert_memory_equal(got->xattrs[i].value, e->xattrs[i].value, e->xattrs[i].len);
    }
    assert_int_equal(got->nextents, e->nextents);
    for (size_t i = 0; i < e->nextents; i++) {
        assert_int_equal(got->extents[i].off, e->extents[i].off);
        assert_int_equal(got->extents[i].len, e->extents[i].len);
    }
    *back = (struct entry){.item = got->item};
    back->item.path = back->item.user = back->item.group = back->item.link = NULL;
    const void *p;
    size_t len;
    uint64_t off, sum = 0, last = 0;
    int rc;
    while ((rc = tarin_data(t, &p, &len, &off, &err)) == 1) {
        assert_true(off >= last);
        for (size_t i = 0; i < len; i++)
            assert_int_equal(((const char *)p)[i], 'x');
        last = off + len;
        sum += len;
    }
    assert_int_equal(rc, 0);
    assert_int_equal(sum, e->item.stored);
    assert_int_equal(tarin_next(t, &got, &err), 0);
    assert_int_equal(tarin_next(t, &got, &err), 0);
    tarin_free(t);
    buf_free(&tar);
}

static void base(struct entry *e, uint8_t type, const char *path)
{
    *e = (struct entry){.item = {.type = type, .mode = 0644, .mtime = 1}};
    text(&e->item.path, path);
}

static void test_every_type_comes_back_as_it_was(void **state)
{
    (void)state;
    static const uint8_t types[] = {ITEM_DIR,  ITEM_SYMLINK, ITEM_HARDLINK,
                                    ITEM_FIFO, ITEM_CHAR,    ITEM_BLOCK};
    for (size_t i = 0; i < sizeof types; i++) {
        struct entry e, back;
        base(&e, types[i], "some/name");
        e.item.mode = types[i] == ITEM_SYMLINK ? 0777 : 07641;
        e.item.uid = 4000000000u;
        e.item.gid = 12345678;
        text(&e.item.user, "grafana");
        if (types[i] == ITEM_SYMLINK)
            text(&e.item.link, "../elsewhere/\xff");
        if (types[i] == ITEM_HARDLINK)
            text(&e.item.link, "a/primary");
        if (types[i] == ITEM_CHAR || types[i] == ITEM_BLOCK) {
            e.item.dev_major = 259;
            e.item.dev_minor = 70000;
        }
        round_trip(&e, -1, &back, 512);
        entry_clear(&e);
    }
    struct entry e, back;
    base(&e, ITEM_DIR, ".");
    round_trip(&e, -1, &back, 512);
    entry_clear(&e);
}

static void test_names_are_bytes_of_any_kind_and_length(void **state)
{
    (void)state;
    static char longest[30000];
    memset(longest, 'n', sizeof longest - 1);
    for (size_t i = 250; i < sizeof longest - 1; i += 250)
        longest[i] = '/';
    char component[256];
    memset(component, 'c', 255);
    component[255] = '\0';
    const char *const names[] = {"\xff\xfe\x80",
                                 "gr\xc3\xb6\xc3\x9f"
                                 "e",
                                 "a\nb\\ =%", component, longest};
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        struct entry e, back;
        base(&e, ITEM_DIR, names[i]);
        round_trip(&e, -1, &back, 4096);
        entry_clear(&e);
    }
}

static void test_times_before_1970_keep_their_nanoseconds(void **state)
{
    (void)state;
    static const int64_t seconds[] = {-1, -2, -2000000000, 0, 1, 5000000000};
    static const uint32_t ns[] = {0, 1, 500000000, 999999999};
    for (size_t i = 0; i < sizeof seconds / sizeof seconds[0]; i++) {
        if ((int64_t)(time_t)seconds[i] != seconds[i])
            continue;
        for (size_t j = 0; j < sizeof ns / sizeof ns[0]; j++) {
            struct entry e, back;
            base(&e, ITEM_DIR, "d");
            e.item.mtime = seconds[i];
            e.item.mtime_ns = ns[j];
            round_trip(&e, -1, &back, 4096);
            assert_int_equal(back.item.mtime, seconds[i]);
            assert_int_equal(back.item.mtime_ns, ns[j]);
            entry_clear(&e);
        }
    }
}

static void file_trip(uint64_t size, const struct extent *x, size_t n, bool sparse)
{
    struct entry e, back;
    base(&e, ITEM_FILE, "file");
    e.item.size = size;
    if (sparse) {
        e.item.flags = ITEM_SPARSE;
        e.extents = calloc(n + 1, sizeof *x);
        for (size_t i = 0; i < n; i++)
            e.extents[i] = x[i];
        e.nextents = n;
    }
    int fd = make_file(size, x, n);
    round_trip(&e, fd, &back, 10000);
    close(fd);
    entry_clear(&e);
}

static void test_files_come_back_with_their_holes_and_no_others(void **state)
{
    (void)state;
    const struct extent all = {0, 300000}, one = {0, 1};
    const struct extent middle[] = {{4096, 8192}, {1 << 20, 4096}};
    const struct extent edges[] = {{0, 4096}, {(1 << 20) - 4096, 4096}};
    const struct extent late = {1ull << 40, 1};
    file_trip(0, NULL, 0, false);
    file_trip(1, &one, 1, false);
    file_trip(300000, &all, 1, false);
    file_trip(2 << 20, middle, 2, true);
    file_trip(1 << 20, edges, 2, true);
    file_trip((1ull << 40) + 1, &late, 1, true);
    file_trip(1, NULL, 0, true);
    file_trip(1ull << 40, NULL, 0, true);
}

static void add_acl(struct entry *e, const char *name, const struct acl_row *rows,
                    size_t n)
{
    struct acl_row copy[8];
    uint8_t *value;
    size_t len;
    struct err err = {0};
    memcpy(copy, rows, n * sizeof *rows);
    assert_int_equal(acl_encode(copy, n, &value, &len, &err), 0);
    assert_int_equal(entry_add_xattr(e, name, value, len, &err), 0);
    free(value);
}

static void test_attributes_and_acls_come_back_and_the_mask_is_the_group(void **state)
{
    (void)state;
    const uint32_t none = UINT32_MAX;
    const struct acl_row access[] = {{1, 7, none}, {2, 6, 1000}, {2, 4, 20},
                                     {4, 0, none}, {8, 5, 77},   {16, 6, none},
                                     {32, 0, none}};
    const struct acl_row inherit[] = {{1, 7, none}, {4, 5, none}, {32, 0, none}};
    const struct acl_row mask_only[] = {
        {1, 6, none}, {4, 4, none}, {16, 0, none}, {32, 0, none}};
    struct err err = {0};
    struct entry e, back;
    base(&e, ITEM_DIR, "d");
    e.item.mode = 02760; /* the group bits are the mask */
    add_acl(&e, ACL_XATTR_ACCESS, access, 7);
    add_acl(&e, ACL_XATTR_DEFAULT, inherit, 3);
    assert_int_equal(entry_add_xattr(&e, "user.plain", "v", 1, &err), 0);
    assert_int_equal(entry_add_xattr(&e, "user.empty", "", 0, &err), 0);
    assert_int_equal(entry_add_xattr(&e, "user.odd =%\xff", "\0\n\xff", 3, &err), 0);
    assert_int_equal(entry_add_xattr(&e, "trusted.t", "0123456789", 10, &err), 0);
    round_trip(&e, -1, &back, 512);
    assert_int_equal(back.item.mode, 02760);
    entry_clear(&e);

    base(&e, ITEM_DIR, "d");
    e.item.mode = 0600;
    add_acl(&e, ACL_XATTR_ACCESS, mask_only, 4);
    round_trip(&e, -1, &back, 512);
    assert_int_equal(back.item.mode, 0600);
    entry_clear(&e);
}

static void test_the_offset_is_that_of_the_first_pax_block(void **state)
{
    (void)state;
    struct buf tar = {0};
    struct err err = {0};
    struct supply s;
    const struct entry *got;
    struct tarout *o = out_open(&tar);
    uint64_t at[5];
    for (int i = 0; i < 5; i++) {
        struct entry e;
        char name[300];
        memset(name, 'a' + i, sizeof name);
        name[50 * i + 1] = '\0';
        const struct extent x = {0, (uint64_t)i * 1000};
        base(&e, ITEM_FILE, name);
        e.item.size = x.len;
        e.item.mtime_ns = (uint32_t)i;
        int fd = make_file(x.len, &x, 1);
        assert_int_equal(tarout_entry(o, &e, fd, &err), 0);
        at[i] = e.item.tar_offset;
        close(fd);
        entry_clear(&e);
    }
    out_close(o);
    struct tarin *t = in_open(&s, &tar, 999);
    for (int i = 0; i < 5; i++) {
        assert_int_equal(tarin_next(t, &got, &err), 1);
        assert_int_equal(got->item.tar_offset, at[i]);
    }
    assert_int_equal(tarin_next(t, &got, &err), 0);
    tarin_free(t);
    buf_free(&tar);
}

static void test_no_byte_at_all_is_a_tar_without_entries(void **state)
{
    (void)state;
    struct buf tar = {0};
    enum err_class cls;
    size_t n;
    assert_int_equal(drain(&tar, &cls, &n), 0);
    assert_int_equal(n, 0);
    uint8_t zeros[5000] = {0};
    assert_int_equal(buf_add(&tar, zeros, sizeof zeros), 0);
    assert_int_equal(drain(&tar, &cls, &n), 0);
    buf_free(&tar);
}

/* ---- what tarout never writes is damage ---- */

static void dress_dotdot(struct archive_entry *e)
{
    archive_entry_copy_pathname(e, "a/../../b");
}
static void dress_absolute(struct archive_entry *e)
{
    archive_entry_copy_pathname(e, "/etc/passwd");
}
static void dress_dot(struct archive_entry *e)
{
    archive_entry_copy_pathname(e, "./a");
}
static void dress_root_file(struct archive_entry *e)
{
    archive_entry_copy_pathname(e, ".");
}
static void dress_hardlink_out(struct archive_entry *e)
{
    archive_entry_copy_hardlink(e, "../b");
}
static void dress_attr(struct archive_entry *e)
{
    archive_entry_xattr_add_entry(e, "security.selinux", "x", 1);
}
static void dress_owner(struct archive_entry *e)
{
    archive_entry_set_uid(e, UINT32_MAX);
}
static void dress_owner_wide(struct archive_entry *e)
{
    archive_entry_set_gid(e, 1ll << 33);
}
static void dress_user(struct archive_entry *e)
{
    char name[300];
    memset(name, 'u', 299);
    name[299] = '\0';
    archive_entry_copy_uname(e, name);
}
static void dress_path(struct archive_entry *e)
{
    static char name[33000];
    memset(name, 'u', sizeof name - 1);
    archive_entry_copy_pathname(e, name);
}
static void dress_nfs4(struct archive_entry *e)
{
    archive_entry_acl_add_entry(e, ARCHIVE_ENTRY_ACL_TYPE_ALLOW,
                                ARCHIVE_ENTRY_ACL_READ_DATA, ARCHIVE_ENTRY_ACL_EVERYONE,
                                -1, NULL);
}
static void dress_nothing(struct archive_entry *e)
{
    (void)e;
}

static void test_entries_that_are_never_written_are_damage(void **state)
{
    (void)state;
    static void (*const dresses[])(struct archive_entry *) = {
        dress_dotdot,       dress_absolute, dress_dot,        dress_root_file,
        dress_hardlink_out, dress_attr,     dress_owner_wide, dress_user,
        dress_path,         dress_nfs4,     dress_owner};
    for (size_t i = 0; i < sizeof dresses / sizeof dresses[0]; i++) {
        struct buf tar = {0};
        foreign(&tar, dresses[i], NULL);
        expect_damage(&tar);
        buf_free(&tar);
    }
    struct buf tar = {0};
    enum err_class cls;
    size_t n;
    foreign(&tar, dress_nothing, "text");
    assert_int_equal(drain(&tar, &cls, &n), 0);
    assert_int_equal(n, 1);
    buf_free(&tar);
}

static void test_bytes_that_are_no_tar_are_damage(void **state)
{
    (void)state;
    struct buf tar = {0};
    for (int i = 0; i < 2000; i++)
        assert_int_equal(buf_add(&tar, "\xa5", 1), 0);
    expect_damage(&tar);
    buf_free(&tar);
}

static void test_bytes_behind_the_end_are_damage(void **state)
{
    (void)state;
    for (int where = 0; where < 3; where++) {
        struct buf tar = {0};
        uint8_t zeros[4096] = {0};
        foreign(&tar, dress_nothing, "text");
        size_t plain = tar.len;
        assert_int_equal(buf_add(&tar, zeros, sizeof zeros), 0);
        enum err_class cls;
        size_t n;
        assert_int_equal(drain(&tar, &cls, &n), 0);
        tar.p[where == 0 ? plain : where == 1 ? plain + 700 : tar.len - 1] = 1;
        expect_damage(&tar);
        buf_free(&tar);
    }
}

static void test_a_cut_within_an_entry_is_damage(void **state)
{
    (void)state;
    struct buf tar = {0};
    foreign(&tar, dress_nothing, "text");
    /* ... header, one block of content, two blocks of zeros */
    size_t whole = tar.len;
    assert_int_equal(whole % 512, 0);
    tar.len = whole - 3 * 512;
    expect_damage(&tar);
    tar.len = whole - 3 * 512 + 2;
    expect_damage(&tar);
    tar.len = whole - 3 * 512 - 100;
    expect_damage(&tar);
    buf_free(&tar);
}

static void test_the_error_of_the_supply_is_the_one_reported(void **state)
{
    (void)state;
    struct buf tar = {0};
    foreign(&tar, dress_nothing, "text");
    for (size_t len = 0; len <= tar.len; len += 100) {
        struct supply s = {tar.p, len, 64, true};
        struct tarin *t = NULL;
        struct err err = {0};
        const struct entry *e;
        const void *p;
        size_t n;
        uint64_t off;
        int rc = tarin_open(&t, from_buf, &s, &err);
        while (rc == 0 && (rc = tarin_next(t, &e, &err)) == 1)
            rc = tarin_data(t, &p, &n, &off, &err) < 0 ? -1 : 0;
        assert_int_equal(rc, -1);
        assert_int_equal(err.cls, ERR_KEY);
        assert_string_equal(err.text, "the supply broke");
        tarin_free(t);
    }
    buf_free(&tar);
}

static void test_content_that_is_not_read_is_passed_over(void **state)
{
    (void)state;
    struct buf tar = {0};
    struct err err = {0};
    struct supply s;
    const struct entry *got;
    const struct extent x = {0, 100000};
    struct tarout *o = out_open(&tar);
    for (int i = 0; i < 3; i++) {
        struct entry e;
        base(&e, ITEM_FILE, i == 0 ? "a" : i == 1 ? "b" : "c");
        e.item.size = x.len;
        int fd = make_file(x.len, &x, 1);
        assert_int_equal(tarout_entry(o, &e, fd, &err), 0);
        close(fd);
        entry_clear(&e);
    }
    out_close(o);
    struct tarin *t = in_open(&s, &tar, 777);
    const void *p;
    size_t len;
    uint64_t off;
    assert_int_equal(tarin_next(t, &got, &err), 1);
    assert_int_equal(tarin_data(t, &p, &len, &off, &err), 1);
    assert_int_equal(tarin_next(t, &got, &err), 1);
    assert_string_equal(got->item.path, "b");
    assert_int_equal(tarin_next(t, &got, &err), 1);
    assert_string_equal(got->item.path, "c");
    assert_int_equal(tarin_next(t, &got, &err), 0);
    tarin_free(t);
    buf_free(&tar);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_every_type_comes_back_as_it_was),
        cmocka_unit_test(test_names_are_bytes_of_any_kind_and_length),
        cmocka_unit_test(test_times_before_1970_keep_their_nanoseconds),
        cmocka_unit_test(test_files_come_back_with_their_holes_and_no_others),
        cmocka_unit_test(test_attributes_and_acls_come_back_and_the_mask_is_the_group),
        cmocka_unit_test(test_the_offset_is_that_of_the_first_pax_block),
        cmocka_unit_test(test_no_byte_at_all_is_a_tar_without_entries),
        cmocka_unit_test(test_entries_that_are_never_written_are_damage),
        cmocka_unit_test(test_bytes_that_are_no_tar_are_damage),
        cmocka_unit_test(test_bytes_behind_the_end_are_damage),
        cmocka_unit_test(test_a_cut_within_an_entry_is_damage),
        cmocka_unit_test(test_the_error_of_the_supply_is_the_one_reported),
        cmocka_unit_test(test_content_that_is_not_read_is_passed_over),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
