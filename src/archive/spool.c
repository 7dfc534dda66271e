#include "archive/spool.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "util/buf.h"
#include "util/io.h"
#include "util/le.h"

#define NAME      ".pmm-seal-spool"
#define FLUSH_AT  (256u * 1024u)
#define HEAD_SIZE 8u /* u64: bytes of the record that follow */

/*
 * Record: u64 length; hash; the encoded item; u64 attributes, each u64 name length,
 * name, u64 value length, value; u64 extents, each u64 offset, u64 length. It never
 * leaves this process, so there is no version and no check beyond its own lengths.
 */
struct spool {
    int fd;
    struct buf buf; /* writing: not yet in the file; reading: the record at hand */
    uint64_t at;    /* place in the file of what comes next */
    uint64_t size;
};

int spool_open(struct spool **out, int dirfd, struct err *err)
{
    struct spool *s = calloc(1, sizeof *s);
    if (s == NULL)
        return err_nomem(err);
    s->fd = openat(dirfd, ".", O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
    if (s->fd < 0 && (errno == EOPNOTSUPP || errno == EISDIR || errno == ENOENT)) {
        s->fd = openat(dirfd, NAME, O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC,
                       0600);
        if (s->fd >= 0 && unlinkat(dirfd, NAME, 0) != 0) {
            err_sys(err, ERR_FAIL, "cannot remove a temporary file of the target: %s",
                    NAME);
            goto fail;
        }
    }
    if (s->fd < 0) {
        err_sys(err, ERR_FAIL, "cannot make a temporary file in the target");
        goto fail;
    }
    *out = s;
    return 0;

fail:
    spool_free(s);
    return -1;
}

void spool_free(struct spool *s)
{
    if (s == NULL)
        return;
    if (s->fd >= 0)
        close(s->fd);
    buf_free(&s->buf);
    free(s);
}

/* ---- writing ---- */

static int flush(struct spool *s, struct err *err)
{
    if (io_pwrite(s->fd, s->buf.p, s->buf.len, s->size) != 0)
        return err_sys(err, ERR_FAIL, "cannot write a temporary file of the target");
    s->size += s->buf.len;
    s->buf.len = 0;
    return 0;
}

static int add_u64(struct buf *b, uint64_t v)
{
    uint8_t raw[8];
    le64_put(raw, v);
    return buf_add(b, raw, sizeof raw);
}

static int add_bytes(struct buf *b, const void *p, size_t len)
{
    return add_u64(b, len) != 0 ? -1 : buf_add(b, p, len);
}

static int add_lists(struct buf *b, const struct entry *e)
{
    if (add_u64(b, e->nxattrs) != 0)
        return -1;
    for (size_t i = 0; i < e->nxattrs; i++) {
        const struct xattr *x = &e->xattrs[i];
        if (add_bytes(b, x->name, strlen(x->name)) != 0 ||
            add_bytes(b, x->value, x->len) != 0)
            return -1;
    }
    if (add_u64(b, e->nextents) != 0)
        return -1;
    for (size_t i = 0; i < e->nextents; i++) {
        if (add_u64(b, e->extents[i].off) != 0 || add_u64(b, e->extents[i].len) != 0)
            return -1;
    }
    return 0;
}

int spool_add(struct spool *s, const struct entry *e,
              const uint8_t hash[SPOOL_HASH_SIZE], struct err *err)
{
    struct item item = e->item;
    item.user = item.group = NULL;
    item.tar_offset = 1; /* a hard link's primary comes before it */
    item.tar_length = item.link_offset = 0;

    size_t start = s->buf.len;
    if (add_u64(&s->buf, 0) != 0 || buf_add(&s->buf, hash, SPOOL_HASH_SIZE) != 0)
        return err_nomem(err);
    if (item_encode(&item, &s->buf, err) != 0)
        return -1;
    if (add_lists(&s->buf, e) != 0)
        return err_nomem(err);
    le64_put(s->buf.p + start, s->buf.len - start - HEAD_SIZE);
    return s->buf.len >= FLUSH_AT ? flush(s, err) : 0;
}

/* ---- reading ---- */

int spool_rewind(struct spool *s, struct err *err)
{
    if (flush(s, err) != 0)
        return -1;
    s->at = 0;
    return 0;
}

/* What is left of a record. */
struct cursor {
    const uint8_t *p;
    size_t left;
};

static int take(struct cursor *c, size_t len, const uint8_t **p)
{
    if (len > c->left)
        return -1;
    *p = c->p;
    c->p += len;
    c->left -= len;
    return 0;
}

static int take_u64(struct cursor *c, uint64_t *v)
{
    const uint8_t *p;
    if (take(c, 8, &p) != 0)
        return -1;
    *v = le64_get(p);
    return 0;
}

static int take_bytes(struct cursor *c, const uint8_t **p, size_t *len)
{
    uint64_t n;
    if (take_u64(c, &n) != 0 || n > c->left)
        return -1;
    *len = (size_t)n;
    return take(c, *len, p);
}

static int torn(struct err *err)
{
    return err_set(err, ERR_FAIL,
                   "cannot read back: a temporary file of the target has changed");
}

static int get_xattrs(struct cursor *c, struct entry *e, struct err *err)
{
    uint64_t n;
    if (take_u64(c, &n) != 0)
        return torn(err);
    for (; n > 0; n--) {
        const uint8_t *name, *value;
        size_t name_len, len;
        char *text;
        if (take_bytes(c, &name, &name_len) != 0 || take_bytes(c, &value, &len) != 0)
            return torn(err);
        text = strndup((const char *)name, name_len);
        if (text == NULL)
            return err_nomem(err);
        int rc = entry_add_xattr(e, text, value, len, err);
        free(text);
        if (rc != 0)
            return -1;
    }
    return 0;
}

static int get_extents(struct cursor *c, struct entry *e, struct err *err)
{
    uint64_t n;
    if (take_u64(c, &n) != 0 || n != c->left / 16)
        return torn(err);
    e->extents = calloc(n > 0 ? (size_t)n : 1, sizeof *e->extents);
    if (e->extents == NULL)
        return err_nomem(err);
    for (; e->nextents < n; e->nextents++) {
        struct extent *x = &e->extents[e->nextents];
        if (take_u64(c, &x->off) != 0 || take_u64(c, &x->len) != 0)
            return torn(err);
    }
    return 0;
}

/* The item with strings of its own. */
static int get_item(struct cursor *c, struct entry *e, struct err *err)
{
    struct item item;
    size_t used;
    const uint8_t *raw;
    struct err why = {0};
    if (item_decode(c->p, c->left, &item, &used, &why) != 0 || take(c, used, &raw) != 0)
        return torn(err);
    e->item = item;
    e->item.path = e->item.link = NULL;
    if (entry_set_string(&e->item.path, item.path, strlen(item.path), err) != 0)
        return -1;
    if (item.link == NULL)
        return 0;
    return entry_set_string(&e->item.link, item.link, strlen(item.link), err);
}

/* Read `len` bytes at the place where the spool stands into its buffer. */
static int load(struct spool *s, uint64_t len, struct err *err)
{
    s->buf.len = 0;
    if (len > s->size - s->at)
        return torn(err);
    if (buf_reserve(&s->buf, (size_t)len) != 0)
        return err_nomem(err);
    ssize_t n = io_pread(s->fd, s->buf.p, (size_t)len, s->at);
    if (n < 0)
        return err_sys(err, ERR_FAIL, "cannot read a temporary file of the target");
    if ((uint64_t)n != len)
        return torn(err);
    s->buf.len = (size_t)n;
    s->at += len;
    return 0;
}

int spool_next(struct spool *s, struct entry *e, uint8_t hash[SPOOL_HASH_SIZE],
               struct err *err)
{
    entry_clear(e);
    if (s->at == s->size)
        return 0;
    if (load(s, HEAD_SIZE, err) != 0 || load(s, le64_get(s->buf.p), err) != 0)
        return -1;
    struct cursor c = {s->buf.p, s->buf.len};
    const uint8_t *p;
    if (take(&c, SPOOL_HASH_SIZE, &p) != 0)
        return torn(err);
    memcpy(hash, p, SPOOL_HASH_SIZE);
    if (get_item(&c, e, err) != 0 || get_xattrs(&c, e, err) != 0 ||
        get_extents(&c, e, err) != 0)
        return -1;
    return 1;
}
