/* The tar is written and read by libarchive, which leaves out what it has no memory
 * for. Here each allocation fails in turn. */
#include <stdio.h>

#ifndef __SANITIZE_ADDRESS__

#include <string.h>

#include "../nomemory.h"
#include "archive/acl.h"
#include "archive/tarin.h"
#include "archive/tarout.h"
#include "util/buf.h"

/* ---- an entry with all that an entry can have ---- */

static uint8_t acl[] = {2,   0,   0,   0,   1,   0,    6,  0,   255, 255, 255,
                        255, 2,   0,   4,   0,   0xe8, 3,  0,   0,   4,   0,
                        4,   0,   255, 255, 255, 255,  16, 0,   4,   0,   255,
                        255, 255, 255, 32,  0,   4,    0,  255, 255, 255, 255};

static void fill(struct entry *e)
{
    static char long_value[3000];
    struct err err = {0};
    memset(long_value, 'v', sizeof long_value);
    *e = (struct entry){.item = {.type = ITEM_DIR, .mode = 0755, .mtime = 1700000000}};
    assert_int_equal(entry_set_string(&e->item.path, "dir \xc3\xa4", 6, &err), 0);
    assert_int_equal(entry_set_string(&e->item.user, "nobody", 6, &err), 0);
    assert_int_equal(entry_set_string(&e->item.group, "nogroup", 7, &err), 0);
    assert_int_equal(entry_add_xattr(e, "user.one", "1", 1, &err), 0);
    assert_int_equal(
        entry_add_xattr(e, "user.two", long_value, sizeof long_value, &err), 0);
    assert_int_equal(entry_add_xattr(e, ACL_XATTR_ACCESS, acl, sizeof acl, &err), 0);
    e->item.mode = 0644;
}

static bool same(const struct entry *a, const struct entry *b)
{
    if (strcmp(a->item.path, b->item.path) != 0 || a->item.mode != b->item.mode ||
        a->item.user == NULL || b->item.user == NULL || a->item.group == NULL ||
        b->item.group == NULL || strcmp(a->item.user, b->item.user) != 0 ||
        strcmp(a->item.group, b->item.group) != 0 || a->nxattrs != b->nxattrs)
        return false;
    for (size_t i = 0; i < a->nxattrs; i++)
        if (strcmp(a->xattrs[i].name, b->xattrs[i].name) != 0 ||
            a->xattrs[i].len != b->xattrs[i].len ||
            memcmp(a->xattrs[i].value, b->xattrs[i].value, a->xattrs[i].len) != 0)
            return false;
    return true;
}

/* ---- writing and reading ---- */

static int to_buf(void *ctx, const void *p, size_t len, struct err *err)
{
    return buf_add(ctx, p, len) == 0 ? 0 : err_nomem(err);
}

static int write_tar(struct buf *tar, struct err *err)
{
    struct tarout *t;
    struct entry e;
    uint64_t bytes;
    long armed = failing;
    failing = 0;
    fill(&e);
    failing = armed;
    int rc = tarout_open(&t, to_buf, tar, NULL, NULL, err);
    if (rc != 0)
        return rc;
    rc = tarout_entry(t, &e, -1, err) == 0 ? tarout_finish(t, &bytes, err) : -1;
    tarout_free(t);
    entry_clear(&e);
    return rc;
}

struct supply {
    const struct buf *tar;
    bool given;
};

static ssize_t from_buf(void *ctx, const void **buf, struct err *err)
{
    struct supply *s = ctx;
    (void)err;
    if (s->given)
        return 0;
    s->given = true;
    *buf = s->tar->p;
    return (ssize_t)s->tar->len;
}

/* 0 and *right whether the entry is what was written. */
static int read_tar(const struct buf *tar, bool *right, struct err *err)
{
    struct supply s = {.tar = tar};
    struct tarin *t;
    struct entry want;
    const struct entry *e;
    long armed = failing;
    failing = 0;
    fill(&want);
    failing = armed;
    if (tarin_open(&t, from_buf, &s, err) != 0)
        return -1;
    int rc = tarin_next(t, &e, err);
    *right = rc == 1 && same(&want, e);
    if (rc == 1)
        rc = tarin_next(t, &e, err);
    tarin_free(t);
    entry_clear(&want);
    return rc;
}

static int write_with_a_failure(const void *ctx, long n)
{
    const struct buf *whole = ctx;
    struct buf tar = {0};
    struct err err = {0};
    failing = n;
    int rc = write_tar(&tar, &err);
    return judge(rc, tar.len == whole->len && memcmp(tar.p, whole->p, tar.len) == 0,
                 &err);
}

static int read_with_a_failure(const void *ctx, long n)
{
    struct err err = {0};
    bool right = false;
    failing = n;
    int rc = read_tar(ctx, &right, &err);
    return judge(rc, right, &err);
}

static void whole_tar(struct buf *whole)
{
    struct err err = {0};
    assert_int_equal(write_tar(whole, &err), 0);
}

static void test_without_memory_the_tar_is_whole_or_an_error(void **state)
{
    (void)state;
    struct buf whole = {0};
    whole_tar(&whole);
    try_each(write_with_a_failure, &whole, "writing");
    buf_free(&whole);
}

static void test_without_memory_an_entry_is_whole_or_an_error(void **state)
{
    (void)state;
    struct buf whole = {0};
    whole_tar(&whole);
    try_each(read_with_a_failure, &whole, "reading");
    buf_free(&whole);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_without_memory_the_tar_is_whole_or_an_error),
        cmocka_unit_test(test_without_memory_an_entry_is_whole_or_an_error),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

#else

int main(void)
{
    puts("skipped: the address sanitizer's malloc is not to be replaced");
    return 77;
}

#endif
