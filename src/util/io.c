#include "util/io.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "util/stop.h"

/* Whether a call that returned -1 is to be made again. */
static int again(void)
{
    return errno == EINTR && stop_signal() == 0;
}

ssize_t io_read(int fd, void *buf, size_t len)
{
    size_t have = 0;
    while (have < len) {
        ssize_t n = read(fd, (char *)buf + have, len - have);
        if (n == 0)
            break;
        if (n > 0)
            have += (size_t)n;
        else if (!again())
            return -1;
    }
    return (ssize_t)have;
}

ssize_t io_pread(int fd, void *buf, size_t len, uint64_t off)
{
    size_t have = 0;
    while (have < len) {
        ssize_t n = pread(fd, (char *)buf + have, len - have, (off_t)(off + have));
        if (n == 0)
            break;
        if (n > 0)
            have += (size_t)n;
        else if (!again())
            return -1;
    }
    return (ssize_t)have;
}

int io_write(int fd, const void *buf, size_t len)
{
    const char *p = buf;
    while (len > 0) {
        ssize_t n = write(fd, p, len);
        if (n >= 0) {
            p += n;
            len -= (size_t)n;
        } else if (!again()) {
            return -1;
        }
    }
    return 0;
}

int io_pwrite(int fd, const void *buf, size_t len, uint64_t off)
{
    const char *p = buf;
    while (len > 0) {
        ssize_t n = pwrite(fd, p, len, (off_t)off);
        if (n >= 0) {
            p += n;
            off += (uint64_t)n;
            len -= (size_t)n;
        } else if (!again()) {
            return -1;
        }
    }
    return 0;
}

int io_is_zero(const void *p, size_t len)
{
    const char *s = p;
    return len == 0 || (s[0] == 0 && memcmp(s, s + 1, len - 1) == 0);
}
