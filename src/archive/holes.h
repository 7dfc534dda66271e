/* Whether a stretch of a file that ought to be a hole reads as zeros. */
#ifndef ARCHIVE_HOLES_H
#define ARCHIVE_HOLES_H

#include <stddef.h>
#include <stdint.h>

/* Look at the bytes from..to of `fd`, reading only where the file system has data
 * (SEEK_DATA), through buf[0..cap). Returns 1 if all are zero, 0 if one is not or the
 * file ends before `to`, -1 with errno (EINTR when a signal asked us to stop). */
int holes_are_zero(int fd, uint64_t from, uint64_t to, void *buf, size_t cap);

#endif
