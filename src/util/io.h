/*
 * Whole reads and writes on a file descriptor. Short counts and EINTR are handled
 * here and nowhere else. EINTR ends a call only when util/stop.h says that a signal
 * asked us to stop; the call then fails with errno EINTR.
 */
#ifndef UTIL_IO_H
#define UTIL_IO_H

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

/* Read up to `len` bytes, less only at end of file. Returns the count, -1 on error
 * (errno set). */
ssize_t io_read(int fd, void *buf, size_t len);

/* The same from file offset `off`, which must fit off_t. */
ssize_t io_pread(int fd, void *buf, size_t len, uint64_t off);

/* Write all of `len` bytes. Returns 0, or -1 (errno set). */
int io_write(int fd, const void *buf, size_t len);

/* The same at file offset `off`. */
int io_pwrite(int fd, const void *buf, size_t len, uint64_t off);

/* Whether all `len` bytes at `p` are zero. */
int io_is_zero(const void *p, size_t len);

#endif
