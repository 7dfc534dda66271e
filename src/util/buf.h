/* A growing byte buffer. Zero-initialise it; buf_free() leaves it empty again. */
#ifndef UTIL_BUF_H
#define UTIL_BUF_H

#include <stddef.h>
#include <stdint.h>

struct buf {
    uint8_t *p;
    size_t len, cap;
};

/* Make room for `more` bytes past len. Returns 0, or -1 when memory is short. */
int buf_reserve(struct buf *b, size_t more);

/* Append `len` bytes. Returns 0, or -1 when memory is short (nothing appended). */
int buf_add(struct buf *b, const void *bytes, size_t len);

/* Append printf output without its NUL. Returns 0 or -1. */
int buf_printf(struct buf *b, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));

void buf_free(struct buf *b);

#endif
