/*
 * Where an archive is read: a regular file (random access) or a stream.
 */
#ifndef STORE_INPUT_H
#define STORE_INPUT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "util/err.h"

struct input;

/* `path`, or "-" for stdin. With `writable` a regular file is opened O_RDWR and locked
 * (flock, exclusive, not waiting: ERR_BUSY), else locked shared where possible without
 * waiting (ERR_BUSY if a rekey holds it). A stdin that is a regular file at offset 0
 * counts as a file. A directory is ERR_USAGE. */
int input_open(struct input **in, const char *path, bool writable, struct err *err);
void input_free(struct input *in);

/* Size in bytes at opening, or -1 for a stream. */
int64_t input_size(const struct input *in);
const char *input_path(const struct input *in); /* "-" reads "standard input" */

/* Next bytes in order: up to len, less only at the end. -1 with ERR_FAIL. */
ssize_t input_read(void *in, void *buf, size_t len, struct err *err);

/* Make an input_read of a stream that waits for data, in whatever thread, fail, and all
 * that follow. Any thread. */
void input_cancel(void *in);

/* Bytes at `off`; less only at the end. Regular files only. Any thread. */
ssize_t input_pread(void *in, void *buf, size_t len, uint64_t off, struct err *err);

/* The same of a medium that fails: what it cannot give (EIO) reads as zeros. To be used
 * where every byte is authenticated. */
ssize_t input_pread_damaged(void *in, void *buf, size_t len, uint64_t off,
                            struct err *err);

/* Whether there was such a place. */
bool input_unreadable(const struct input *in);

/* Write at `off`, and fdatasync. Only with `writable`. */
int input_pwrite(void *in, const void *buf, size_t len, uint64_t off, struct err *err);
int input_sync(void *in, struct err *err);

#endif
