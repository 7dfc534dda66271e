/* What the tests of the walk stand on: a tree, and what the walk says of it. */
#ifndef TESTS_ARCHIVE_WALKWORLD_H
#define TESTS_ARCHIVE_WALKWORLD_H

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

#include <cmocka.h>

#include "archive/walk.h"
#include "util/buf.h"
#include "util/path.h"

struct world {
    char dir[4096];
    int root;
    struct walk_opts opts;
    struct walk_counts counts;
    struct buf log;  /* "TYPE path\n" of every entry, " > link" behind links */
    struct buf said; /* "id path\n" of every notice */
    char *last_path; /* of the entry before */
    uint64_t bytes;  /* of content that could be read from the descriptors */
    uint64_t offset; /* a tar offset for each entry */
    const char *stop_at;
    const char *act_at;
    void (*act)(void);
};

static struct world w;

static inline void add_text(struct buf *b, const char *s)
{
    assert_int_equal(0, buf_add(b, s, strlen(s)));
}

static const char *text(struct buf *b)
{
    assert_int_equal(0, buf_reserve(b, 1));
    b->p[b->len] = '\0';
    return (const char *)b->p;
}

static inline int meet(void *ctx, struct entry *e, int fd, struct err *err)
{
    (void)ctx;
    struct item *i = &e->item;
    char type[] = "?- ", block[4096];
    type[0] = "?FDLHPCB"[i->type];
    type[1] = (i->flags & ITEM_SPARSE) != 0 ? 's' : '-';
    if (w.stop_at != NULL && strcmp(i->path, w.stop_at) == 0)
        return err_set(err, ERR_REFUSED, "stopped here");
    assert_true(path_valid(i->path, strlen(i->path)));
    if (w.last_path != NULL)
        assert_true(path_cmp(w.last_path, i->path) < 0);
    free(w.last_path);
    w.last_path = strdup(i->path);
    add_text(&w.log, type);
    add_text(&w.log, i->path);
    if (i->link != NULL) {
        add_text(&w.log, " > ");
        add_text(&w.log, i->link);
    }
    add_text(&w.log, "\n");
    assert_int_equal(i->type == ITEM_FILE, fd >= 0);
    for (ssize_t n; fd >= 0 && (n = read(fd, block, sizeof block)) > 0;)
        w.bytes += (uint64_t)n;
    i->tar_offset = w.offset += 512;
    if (i->type == ITEM_HARDLINK)
        assert_true(i->link_offset > 0 && i->link_offset < i->tar_offset);
    if (w.act_at != NULL && strcmp(i->path, w.act_at) == 0)
        w.act();
    return 0;
}

static inline void hear(void *ctx, enum notice_level level, const char *id,
                        const char *path, const char *words)
{
    (void)ctx;
    assert_true(words[0] != '\0');
    add_text(&w.said, level == NOTICE_NOTE ? "note " : "");
    add_text(&w.said, id);
    if (path != NULL && strlen(path) < 1000) {
        add_text(&w.said, " ");
        add_text(&w.said, path);
    }
    add_text(&w.said, "\n");
}

static inline int walk(struct err *err)
{
    const struct notice_sink sink = {.fn = hear};
    return walk_tree(w.root, &w.opts, meet, NULL, &sink, &w.counts, err);
}

static inline void walked(const char *entries, const char *notices)
{
    struct err err = {0};
    if (walk(&err) != 0)
        fail_msg("%s", err.text);
    assert_string_equal(entries, text(&w.log));
    assert_string_equal(notices, text(&w.said));
}

static inline int setup(void **state)
{
    (void)state;
    memset(&w, 0, sizeof w);
    const char *tmp = getenv("TMPDIR");
    snprintf(w.dir, sizeof w.dir, "%s/pmm-walk-XXXXXX", tmp != NULL ? tmp : "/tmp");
    if (mkdtemp(w.dir) == NULL || chmod(w.dir, 0755) != 0)
        return -1;
    w.root = open(w.dir, O_RDONLY | O_DIRECTORY);
    return w.root < 0;
}

static inline int teardown(void **state)
{
    (void)state;
    char cmd[4200];
    close(w.root);
    buf_free(&w.log);
    buf_free(&w.said);
    free(w.last_path);
    snprintf(cmd, sizeof cmd, "rm -rf '%s'", w.dir); /* it knows deep trees */
    return system(cmd);
}

static inline void file(const char *path, const char *content)
{
    int fd = openat(w.root, path, O_WRONLY | O_CREAT | O_TRUNC, 0644);
    assert_true(fd >= 0);
    assert_int_equal(strlen(content), write(fd, content, strlen(content)));
    close(fd);
}

static inline void dir(const char *path)
{
    assert_int_equal(0, mkdirat(w.root, path, 0755));
}

static inline void hard(const char *from, const char *to)
{
    assert_int_equal(0, linkat(w.root, from, w.root, to, 0));
}

#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

#endif
