/*
 * Memory for keys and passphrases: locked, guarded, left out of core dumps, wiped when
 * freed. Thin over libsodium's allocator.
 */
#ifndef SECRET_SECRET_H
#define SECRET_SECRET_H

#include <stdbool.h>
#include <stddef.h>

#include "util/err.h"

/* Call once, first, from the main thread: starts libsodium, forbids core dumps
 * (RLIMIT_CORE 0 and PR_SET_DUMPABLE 0). Returns 0, or -1 with ERR_FAIL. */
int secret_init(struct err *err);

/* `len` bytes, zeroed. Locked if the limit allows (RLIMIT_MEMLOCK); where it does not,
 * the memory is still guarded and wiped. NULL with ERR_FAIL when memory is short. */
void *secret_alloc(size_t len, struct err *err);

/* Wipe and free. NULL is harmless. */
void secret_free(void *p);

/* Whether both are the same, in a time that does not depend on where they differ. */
bool secret_equal(const void *a, const void *b, size_t len);

/* Wipe `len` bytes that live elsewhere (stack, buffers). */
void secret_wipe(void *p, size_t len);

#endif
