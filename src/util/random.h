/* The one place where random bytes are drawn (getrandom(2)). */
#ifndef UTIL_RANDOM_H
#define UTIL_RANDOM_H

#include <stddef.h>

#include "util/err.h"

/* Fill buf with `len` bytes. Returns 0, or -1 with ERR_FAIL. */
int random_bytes(void *buf, size_t len, struct err *err);

#endif
