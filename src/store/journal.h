/*
 * What a swap is going to move, written down before it moves the first thing, so that
 * whoever finds the swap half done can undo it exactly.
 */
#ifndef STORE_JOURNAL_H
#define STORE_JOURNAL_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#include "util/err.h"

#define JOURNAL_NAME ".pmm-seal-swap"

struct journal_item {
    char *path;      /* below the root of the swap, util/path.h, not "."; owned */
    bool had_old;    /* something stands there before the swap */
    mode_t old_mode; /* its st_mode, if had_old */
    char *from; /* where the new one lies below the source; NULL: nothing new. Owned;
                   not stored */
};

struct journal {
    struct journal_item *items;
    size_t n, cap;
};

/* Append an item; the strings are copied. Returns 0, or -1 with ERR_FAIL. */
int journal_add(struct journal *j, const char *path, const mode_t *old_mode,
                const char *from, struct err *err);

/* Write JOURNAL_NAME into the directory, and sync the file. */
int journal_write(int dirfd, const struct journal *j, struct err *err);

/* Read it back. *whole is false where it is missing or cut: then nothing was moved yet.
 * ERR_FAIL: it is there and is none of ours, or cannot be read. */
int journal_read(int dirfd, struct journal *j, bool *whole, struct err *err);

/* Release the items. */
void journal_free(struct journal *j);

#endif
