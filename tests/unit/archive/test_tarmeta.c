#include "tarworld.h"

#include "archive/acl.h"

/* ---- metadata ---- */

static void test_a_file_comes_back_as_it_was(void **state)
{
    (void)state;
    struct entry e;
    int fd = make_file(&e, "content", 7);
    e.item.mode = 06754;
    string(&e.item.user, "pmm");
    string(&e.item.group, "gr\xfcppe");
    put(&e, fd);
    close(fd);
    finish();
    assert_int_equal(0, e.item.flags);
    assert_int_equal(7, e.item.stored);
    assert_int_equal(7, w.progress.bytes);
    assert_int_equal(1, w.progress.entries);
    assert_string_equal("", w.ids);

    struct archive *a = reader(w.tar.p, w.tar.len);
    struct archive_entry *ae = next(a);
    assert_string_equal("file", archive_entry_pathname(ae));
    assert_int_equal(S_IFREG | 06754, archive_entry_mode(ae));
    assert_int_equal(1000, archive_entry_uid(ae));
    assert_int_equal(1001, archive_entry_gid(ae));
    assert_string_equal("pmm", archive_entry_uname(ae));
    assert_string_equal("gr\xfcppe", archive_entry_gname(ae));
    assert_int_equal(e.item.mtime, archive_entry_mtime(ae));
    assert_int_equal(e.item.mtime_ns, archive_entry_mtime_nsec(ae));
    assert_int_equal(7, archive_entry_size(ae));
    expect_content(a, "content", 7);
    at_end(a);
    entry_clear(&e);
}

static void expect_type(struct archive *a, struct entry *e, mode_t type)
{
    struct archive_entry *ae = next(a);
    assert_int_equal(type, archive_entry_filetype(ae));
    assert_int_equal(e->item.mode, archive_entry_perm(ae));
    assert_int_equal(e->item.uid, archive_entry_uid(ae));
    assert_int_equal(e->item.mtime, archive_entry_mtime(ae));
    assert_int_equal(e->item.mtime_ns, archive_entry_mtime_nsec(ae));
    entry_clear(e);
}

static void test_every_type_comes_back(void **state)
{
    (void)state;
    struct entry root = make(ITEM_DIR, "."), dir = make(ITEM_DIR, "d"),
                 sym = make(ITEM_SYMLINK, "s"), hard = make(ITEM_HARDLINK, "h"),
                 fifo = make(ITEM_FIFO, "p"), chr = make(ITEM_CHAR, "c"),
                 blk = make(ITEM_BLOCK, "b");
    string(&sym.item.link, "../tar\xffget");
    string(&hard.item.link, "d/first");
    root.item.mode = 01777;
    chr.item.dev_major = 4095;
    chr.item.dev_minor = 1048575;
    blk.item.dev_major = 8;
    blk.item.dev_minor = 1;
    blk.item.uid = 4294967294u;
    chr.item.mtime = -2; /* before 1970, and with a fraction */
    fifo.item.mtime = sizeof(time_t) > 4 ? 1ll << 34 : INT32_MAX;
    struct entry *all[] = {&root, &dir, &sym, &hard, &fifo, &chr, &blk};
    for (size_t i = 0; i < 7; i++)
        put(all[i], -1);
    finish();

    struct archive *a = reader(w.tar.p, w.tar.len);
    struct archive_entry *ae = next(a);
    assert_string_equal("./", archive_entry_pathname(ae));
    assert_int_equal(AE_IFDIR | 01777, archive_entry_mode(ae));
    ae = next(a);
    assert_string_equal("d/", archive_entry_pathname(ae));
    ae = next(a);
    assert_int_equal(AE_IFLNK, archive_entry_filetype(ae));
    assert_string_equal("../tar\xffget", archive_entry_symlink(ae));
    ae = next(a);
    assert_string_equal("d/first", archive_entry_hardlink(ae));
    assert_int_equal(0, archive_entry_size(ae));
    expect_type(a, &fifo, AE_IFIFO);
    expect_type(a, &chr, AE_IFCHR);
    ae = next(a);
    assert_int_equal(8, archive_entry_rdevmajor(ae));
    assert_int_equal(1, archive_entry_rdevminor(ae));
    assert_true(archive_entry_uid(ae) == 4294967294ll);
    at_end(a);
    for (size_t i = 0; i < 7; i++)
        entry_clear(all[i]);
}

static void test_large_device_numbers_come_back(void **state)
{
    (void)state;
    struct entry e = make(ITEM_BLOCK, "b");
    e.item.dev_major = 4095;
    e.item.dev_minor = 1048575;
    put(&e, -1);
    finish();
    struct archive *a = reader(w.tar.p, w.tar.len);
    struct archive_entry *ae = next(a);
    assert_int_equal(4095, archive_entry_rdevmajor(ae));
    assert_int_equal(1048575, archive_entry_rdevminor(ae));
    at_end(a);
    entry_clear(&e);
}

static void test_any_name_of_any_length_comes_back(void **state)
{
    (void)state;
    static char names[6][32767 + 1];
    struct entry e[6];
    memset(names[0], 'x', 100);
    memset(names[1], 'x', 101);
    strcpy(names[2], "a\nb\tc\xff\xfe=%\\ \x01");
    for (size_t i = 0; i < 32767; i++)
        names[3][i] = names[4][i] = i % 200 == 199 ? '/' : 'n';
    names[3][300] = '\0';
    memset(names[5], 'y', 32767);
    for (size_t i = 0; i < 6; i++) {
        e[i] = make(i == 4 ? ITEM_SYMLINK : ITEM_DIR, names[i]);
        if (i == 4)
            string(&e[i].item.link, names[5]);
        put(&e[i], -1);
    }
    finish();
    struct archive *a = reader(w.tar.p, w.tar.len);
    for (size_t i = 0; i < 6; i++) {
        struct archive_entry *ae = next(a);
        const char *got = archive_entry_pathname(ae);
        size_t len = strlen(names[i]);
        assert_memory_equal(names[i], got, len);
        assert_string_equal(i == 4 ? "" : "/", got + len);
        if (i == 4)
            assert_string_equal(names[5], archive_entry_symlink(ae));
        entry_clear(&e[i]);
    }
    at_end(a);
}

/* ---- attributes ---- */

static void expect_xattr(struct archive_entry *ae, const char *name, const void *value,
                         size_t len)
{
    const char *n;
    const void *v;
    size_t l;
    archive_entry_xattr_reset(ae);
    while (archive_entry_xattr_next(ae, &n, &v, &l) == ARCHIVE_OK) {
        if (strcmp(n, name) != 0)
            continue;
        assert_int_equal(len, l);
        if (len > 0)
            assert_memory_equal(value, v, len);
        return;
    }
    fail_msg("no attribute %s", name);
}

static void test_attributes_of_any_name_and_value_come_back(void **state)
{
    (void)state;
    static const char *const names[] = {
        "user.plain",
        "user.a=b",
        "user.a%41",
        "user.a b",
        "user.\n",
        "user.t\xc3",
        "user.\x7f",
        ("user.long-long-long-long-long-long-long-long-long-long-long-long-long-long-"
         "long-long-long-long-long-long-long-long-long-long-long-long-long"),
    };
    enum { N = sizeof names / sizeof names[0] };
    static const uint8_t value[] = {0, 1, '\n', '=', 0xff, 0};
    struct err err = {0};
    for (size_t i = 0; i < N; i++) {
        struct entry e = make(ITEM_DIR, "d");
        assert_int_equal(0, entry_add_xattr(&e, names[i], value, sizeof value, &err));
        assert_int_equal(0, entry_add_xattr(&e, "user.empty", "", 0, &err));
        assert_int_equal(0, entry_add_xattr(&e, "user.z", value, 5, &err));
        put(&e, -1);
        entry_clear(&e);
    }
    finish();
    assert_string_equal("", w.ids);
    struct archive *a = reader(w.tar.p, w.tar.len);
    for (size_t i = 0; i < N; i++) {
        struct archive_entry *ae = next(a);
        assert_int_equal(3, archive_entry_xattr_count(ae));
        expect_xattr(ae, names[i], value, sizeof value);
        expect_xattr(ae, "user.empty", "", 0);
        expect_xattr(ae, "user.z", value, 5);
    }
    at_end(a);
}

static void test_too_many_attributes_are_told_and_the_tar_stays_readable(void **state)
{
    (void)state;
    static uint8_t value[60000];
    char name[400];
    struct err err = {0};
    for (int odd = 0; odd < 2; odd++) {
        struct entry e = make(ITEM_DIR, "d");
        for (int i = 0; i < 30; i++) {
            snprintf(name, sizeof name, "user.%s%d", odd ? "=" : "", i);
            assert_int_equal(0, entry_add_xattr(&e, name, value, sizeof value, &err));
        }
        put(&e, -1);
        entry_clear(&e);
    }
    finish();
    assert_non_null(strstr(w.ids, "xattr-skipped "));
    struct archive *a = reader(w.tar.p, w.tar.len);
    assert_true(archive_entry_xattr_count(next(a)) >= 8);
    assert_true(archive_entry_xattr_count(next(a)) >= 8);
    at_end(a);
}

static void add_acl(struct entry *e, const char *name, struct acl_row *rows, size_t n)
{
    uint8_t *value;
    size_t len;
    struct err err = {0};
    assert_int_equal(0, acl_encode(rows, n, &value, &len, &err));
    assert_int_equal(0, entry_add_xattr(e, name, value, len, &err));
    free(value);
}

static bool has_row(struct archive_entry *ae, int want, int tag, int perm, int id)
{
    int type, permset, t, qual;
    const char *name;
    archive_entry_acl_reset(ae, want);
    while (archive_entry_acl_next(ae, want, &type, &permset, &t, &qual, &name) ==
           ARCHIVE_OK) {
        if (t == tag && permset == perm && (id < 0 || qual == id))
            return true;
    }
    return false;
}

static void test_acls_are_what_other_tars_know(void **state)
{
    (void)state;
    struct entry e = make(ITEM_DIR, "d");
    struct acl_row rows[] = {{1, 7, UINT32_MAX},  {2, 6, 1234},
                             {4, 1, UINT32_MAX},  {8, 4, 2147483647},
                             {16, 6, UINT32_MAX}, {32, 0, UINT32_MAX}};
    struct acl_row base[] = {
        {1, 7, UINT32_MAX}, {4, 5, UINT32_MAX}, {32, 0, UINT32_MAX}};
    e.item.mode = 0760; /* the group bits are the mask */
    add_acl(&e, ACL_XATTR_ACCESS, rows, 6);
    add_acl(&e, ACL_XATTR_DEFAULT, base, 3);
    put(&e, -1);
    finish();
    struct archive *a = reader(w.tar.p, w.tar.len);
    struct archive_entry *ae = next(a);
    assert_int_equal(0, archive_entry_xattr_count(ae));
    int type = ARCHIVE_ENTRY_ACL_TYPE_ACCESS;
    assert_true(has_row(ae, type, ARCHIVE_ENTRY_ACL_USER_OBJ, 7, -1));
    assert_true(has_row(ae, type, ARCHIVE_ENTRY_ACL_USER, 6, 1234));
    assert_true(has_row(ae, type, ARCHIVE_ENTRY_ACL_GROUP_OBJ, 1, -1));
    assert_true(has_row(ae, type, ARCHIVE_ENTRY_ACL_GROUP, 4, 2147483647));
    assert_true(has_row(ae, type, ARCHIVE_ENTRY_ACL_MASK, 6, -1));
    assert_true(has_row(ae, type, ARCHIVE_ENTRY_ACL_OTHER, 0, -1));
    type = ARCHIVE_ENTRY_ACL_TYPE_DEFAULT;
    assert_int_equal(3, archive_entry_acl_reset(ae, type));
    assert_true(has_row(ae, type, ARCHIVE_ENTRY_ACL_GROUP_OBJ, 5, -1));
    at_end(a);
    entry_clear(&e);
}

static void test_an_acl_that_text_cannot_carry_stays_an_attribute(void **state)
{
    (void)state;
    struct entry e = make(ITEM_DIR, "d");
    struct acl_row big[] = {{1, 7, UINT32_MAX},
                            {2, 6, 3000000000u},
                            {4, 1, UINT32_MAX},
                            {16, 6, UINT32_MAX},
                            {32, 0, UINT32_MAX}};
    add_acl(&e, ACL_XATTR_ACCESS, big, 5);
    add_acl(&e, ACL_XATTR_DEFAULT, big + 1, 2);
    put(&e, -1);
    finish();
    struct archive *a = reader(w.tar.p, w.tar.len);
    struct archive_entry *ae = next(a);
    assert_int_equal(2, archive_entry_xattr_count(ae));
    assert_int_equal(0, archive_entry_acl_types(ae));
    assert_int_equal(e.item.mode, archive_entry_perm(ae));
    for (size_t i = 0; i < 2; i++)
        expect_xattr(ae, e.xattrs[i].name, e.xattrs[i].value, e.xattrs[i].len);
    at_end(a);
    entry_clear(&e);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        T(test_a_file_comes_back_as_it_was),
        T(test_every_type_comes_back),
        T(test_large_device_numbers_come_back),
        T(test_any_name_of_any_length_comes_back),
        T(test_attributes_of_any_name_and_value_come_back),
        T(test_too_many_attributes_are_told_and_the_tar_stays_readable),
        T(test_acls_are_what_other_tars_know),
        T(test_an_acl_that_text_cannot_carry_stays_an_attribute),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
