/* What the tests of tarout and tarmeta stand on: a directory, a tar in memory, the
 * warnings. */
#ifndef TESTS_ARCHIVE_TARWORLD_H
#define TESTS_ARCHIVE_TARWORLD_H

#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <archive.h>
#include <archive_entry.h>
#include <cmocka.h>

#include "archive/tarout.h"
#include "util/buf.h"

struct world {
    char dir[4096];
    int dirfd;
    struct buf tar;      /* what came out */
    size_t fail_at;      /* the callback fails from this position on; 0: never */
    int (*during)(void); /* called once when content arrives, or NULL */
    char ids[1024];      /* of the warnings, each followed by a space */
    char text[1024];     /* of the last one */
    struct progress progress;
    struct tarout *t;
};

static struct world w;

static inline int take(void *ctx, const void *buf, size_t len, struct err *err)
{
    (void)ctx;
    if (w.fail_at > 0 && w.tar.len + len > w.fail_at)
        return err_set(err, ERR_REFUSED, "the disk of the test is full");
    if (w.during != NULL && len > 100000) {
        assert_int_equal(0, w.during());
        w.during = NULL;
    }
    return buf_add(&w.tar, buf, len);
}

static inline void hear(void *ctx, enum notice_level level, const char *id,
                        const char *path, const char *text)
{
    (void)ctx;
    (void)path;
    assert_int_equal(NOTICE_WARNING, level);
    strcat(strcat(w.ids, id), " ");
    snprintf(w.text, sizeof w.text, "%s", text);
}

static const struct notice_sink sink = {.fn = hear};

static inline int setup(void **state)
{
    (void)state;
    struct err err = {0};
    memset(&w, 0, sizeof w);
    const char *tmp = getenv("TMPDIR");
    snprintf(w.dir, sizeof w.dir, "%s/pmm-tarout-XXXXXX", tmp != NULL ? tmp : "/tmp");
    if (mkdtemp(w.dir) == NULL)
        return -1;
    w.dirfd = open(w.dir, O_RDONLY | O_DIRECTORY);
    return tarout_open(&w.t, take, NULL, &sink, &w.progress, &err);
}

static inline int teardown(void **state)
{
    (void)state;
    tarout_free(w.t);
    buf_free(&w.tar);
    unlinkat(w.dirfd, "file", 0);
    close(w.dirfd);
    return rmdir(w.dir);
}

static inline void string(const char **field, const char *s)
{
    struct err err = {0};
    assert_int_equal(0, entry_set_string(field, s, strlen(s), &err));
}

static inline struct entry make(uint8_t type, const char *path)
{
    struct entry e = {.item = {.type = type, .mode = 0640, .uid = 1000, .gid = 1001}};
    e.item.mtime = 1700000000;
    e.item.mtime_ns = 123456789;
    string(&e.item.path, path);
    return e;
}

/* A file "file" on disk, and the entry that a walk would make of it. */
static inline int make_file(struct entry *e, const void *content, size_t len)
{
    struct stat st;
    int fd = openat(w.dirfd, "file", O_RDWR | O_CREAT | O_TRUNC, 0600);
    assert_true(fd >= 0);
    assert_int_equal(len, write(fd, content, len));
    assert_int_equal(0, fstat(fd, &st));
    *e = make(ITEM_FILE, "file");
    e->item.size = (uint64_t)st.st_size;
    e->item.mtime = st.st_mtim.tv_sec;
    e->item.mtime_ns = (uint32_t)st.st_mtim.tv_nsec;
    return fd;
}

static inline void put(struct entry *e, int fd)
{
    struct err err = {0};
    if (tarout_entry(w.t, e, fd, &err) != 0)
        fail_msg("%s", err.text);
}

static inline void finish(void)
{
    uint64_t bytes = 0;
    struct err err = {0};
    assert_int_equal(0, tarout_finish(w.t, &bytes, &err));
    assert_int_equal(w.tar.len, bytes);
    assert_int_equal(0, bytes % 512);
    assert_true(bytes >= 1024);
    for (size_t i = 1; i <= 1024; i++)
        assert_int_equal(0, w.tar.p[bytes - i]);
}

/* Read the next entry of a tar with libarchive, and its content if `content` is given.
 */
static inline struct archive *reader(const uint8_t *p, size_t len)
{
    struct archive *a = archive_read_new();
    assert_int_equal(ARCHIVE_OK, archive_read_support_format_tar(a));
    assert_int_equal(ARCHIVE_OK, archive_read_open_memory(a, p, len));
    return a;
}

static inline struct archive_entry *next(struct archive *a)
{
    struct archive_entry *ae;
    int rc = archive_read_next_header(a, &ae);
    if (rc != ARCHIVE_OK)
        fail_msg("%d: %s", rc, archive_error_string(a));
    return ae;
}

static inline void at_end(struct archive *a)
{
    struct archive_entry *ae;
    assert_int_equal(ARCHIVE_EOF, archive_read_next_header(a, &ae));
    archive_read_free(a);
}

static inline void expect_content(struct archive *a, const void *content, size_t len)
{
    char *got = malloc(len + 1);
    assert_non_null(got);
    assert_int_equal(len, archive_read_data(a, got, len + 1));
    assert_memory_equal(content, got, len);
    free(got);
}

#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

#endif
