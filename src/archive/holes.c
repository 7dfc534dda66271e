#include "archive/holes.h"

#include <errno.h>
#include <sys/stat.h>
#include <unistd.h>

#include "util/io.h"
#include "util/stop.h"

static int data_is_zero(int fd, uint64_t from, uint64_t to, void *buf, size_t cap)
{
    while (from < to) {
        size_t want = to - from < cap ? (size_t)(to - from) : cap;
        if (stop_signal() != 0) {
            errno = EINTR;
            return -1;
        }
        ssize_t n = io_pread(fd, buf, want, from);
        if (n < 0)
            return -1;
        if ((size_t)n != want || !io_is_zero(buf, want))
            return 0;
        from += want;
    }
    return 1;
}

/* Where the data begins at or after `from` (`to` if there is none before it), and where
 * it ends. A file system that cannot tell has data everywhere. */
static int next_data(int fd, uint64_t from, uint64_t to, uint64_t *begin, uint64_t *end)
{
    *begin = from;
    *end = to;
    off_t off = lseek(fd, (off_t)from, SEEK_DATA);
    if (off < 0 && errno == ENXIO) {
        *begin = to;
        return 0;
    }
    if (off < 0)
        return errno == EINVAL ? 0 : -1;
    *begin = (uint64_t)off < to ? (uint64_t)off : to;
    off = lseek(fd, off, SEEK_HOLE);
    if (off < 0)
        return -1;
    if ((uint64_t)off < to)
        *end = (uint64_t)off;
    return 0;
}

int holes_are_zero(int fd, uint64_t from, uint64_t to, void *buf, size_t cap)
{
    struct stat st;
    if (fstat(fd, &st) != 0)
        return -1;
    if ((uint64_t)st.st_size < to)
        return 0;
    while (from < to) {
        uint64_t begin, end;
        if (next_data(fd, from, to, &begin, &end) != 0)
            return -1;
        if (begin >= to)
            return 1;
        int rc = data_is_zero(fd, begin, end, buf, cap);
        if (rc != 1)
            return rc;
        from = end;
    }
    return 1;
}
