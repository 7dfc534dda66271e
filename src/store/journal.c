/*
 * The file is a run of NUL-terminated texts: "O" with six octal digits (st_mode) and
 * the path for an item that had something before, "N" and the path for one that had
 * not; last "E", which shows that it is whole.
 */
#include "store/journal.h"

#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "util/buf.h"
#include "util/io.h"
#include "util/path.h"

#define JOURNAL_MAX                                                                    \
    (256u * 1024u * 1024u) /* bytes; far more than any directory has names */
#define MODE_DIGITS 6u

int journal_add(struct journal *j, const char *path, const mode_t *old_mode,
                const char *from, struct err *err)
{
    if (j->n == j->cap) {
        size_t cap = j->cap ? j->cap * 2 : 32;
        struct journal_item *v = realloc(j->items, cap * sizeof *v);
        if (v == NULL)
            return err_nomem(err);
        j->items = v;
        j->cap = cap;
    }
    struct journal_item item = {.had_old = old_mode != NULL};
    if (old_mode != NULL)
        item.old_mode = *old_mode;
    item.path = strdup(path);
    item.from = from != NULL ? strdup(from) : NULL;
    if (item.path == NULL || (from != NULL && item.from == NULL)) {
        free(item.path);
        free(item.from);
        return err_nomem(err);
    }
    j->items[j->n++] = item;
    return 0;
}

static int encode(const struct journal *j, struct buf *b)
{
    for (size_t i = 0; i < j->n; i++) {
        const struct journal_item *item = &j->items[i];
        int r = item->had_old
                    ? buf_printf(b, "O%06o%s", (unsigned)item->old_mode, item->path)
                    : buf_printf(b, "N%s", item->path);
        if (r != 0 || buf_add(b, "", 1) != 0)
            return -1;
    }
    return buf_add(b, "E", 2);
}

int journal_write(int dirfd, const struct journal *j, struct err *err)
{
    int r = -1;
    struct buf b = {0};
    int fd = openat(dirfd, JOURNAL_NAME,
                    O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
    if (fd < 0)
        goto done;
    if (encode(j, &b) != 0) {
        errno = ENOMEM;
        goto done;
    }
    if (io_write(fd, b.p, b.len) == 0 && fsync(fd) == 0)
        r = 0;

done:
    if (r != 0)
        err_sys(err, ERR_FAIL, "cannot write down the swap");
    if (fd >= 0)
        close(fd);
    buf_free(&b);
    return r;
}

/* One text, without its NUL. Returns 1 for an item, 0 for the end, -1 if it is neither.
 */
static int decode_one(const char *s, struct journal *j, struct err *err)
{
    if (strcmp(s, "E") == 0)
        return 0;
    mode_t mode = 0;
    const char *path = s + 1;
    if (s[0] == 'O') {
        for (unsigned i = 0; i < MODE_DIGITS; i++, path++) {
            if (*path < '0' || *path > '7')
                return err_set(err, ERR_FAIL, "not a record of a swap");
            mode = mode << 3 | (mode_t)(*path - '0');
        }
    } else if (s[0] != 'N') {
        return err_set(err, ERR_FAIL, "not a record of a swap");
    }
    if (!path_valid(path, strlen(path)) || strcmp(path, ".") == 0)
        return err_set(err, ERR_FAIL, "not a record of a swap");
    return journal_add(j, path, s[0] == 'O' ? &mode : NULL, NULL, err) == 0 ? 1 : -1;
}

static int decode(const char *p, size_t len, struct journal *j, bool *whole,
                  struct err *err)
{
    while (len > 0) {
        const char *end = memchr(p, '\0', len);
        if (end == NULL)
            return 0;
        int r = decode_one(p, j, err);
        if (r < 0)
            return -1;
        len -= (size_t)(end + 1 - p);
        p = end + 1;
        if (r == 0) {
            *whole = len == 0;
            return len == 0 ? 0 : err_set(err, ERR_FAIL, "not a record of a swap");
        }
    }
    return 0;
}

int journal_read(int dirfd, struct journal *j, bool *whole, struct err *err)
{
    *whole = false;
    int r = -1;
    char *p = NULL;
    struct stat st;
    int fd =
        openat(dirfd, JOURNAL_NAME, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
    if (fd < 0 && errno == ENOENT)
        return 0;
    if (fd < 0 || fstat(fd, &st) != 0) {
        err_sys(err, ERR_FAIL, "cannot read the record of a swap");
        goto done;
    }
    if (!S_ISREG(st.st_mode) || st.st_size > JOURNAL_MAX) {
        err_set(err, ERR_FAIL, "not a record of a swap");
        goto done;
    }
    p = malloc((size_t)st.st_size + 1);
    if (p == NULL) {
        err_nomem(err);
        goto done;
    }
    ssize_t n = io_read(fd, p, (size_t)st.st_size);
    if (n < 0) {
        err_sys(err, ERR_FAIL, "cannot read the record of a swap");
        goto done;
    }
    r = decode(p, (size_t)n, j, whole, err);

done:
    free(p);
    if (fd >= 0)
        close(fd);
    return r;
}

void journal_free(struct journal *j)
{
    for (size_t i = 0; i < j->n; i++) {
        free(j->items[i].path);
        free(j->items[i].from);
    }
    free(j->items);
    *j = (struct journal){0};
}
