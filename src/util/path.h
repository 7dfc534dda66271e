/*
 * Paths as an archive stores them: relative, raw bytes, '/' between components, no
 * empty component, no "." or ".."; the root of the tree is the single path ".".
 */
#ifndef UTIL_PATH_H
#define UTIL_PATH_H

#include <stdbool.h>
#include <stddef.h>

/* Whether the `len` bytes at `p` are such a path (no NUL inside). */
bool path_valid(const char *p, size_t len);

/* The order of entries in an archive: depth first, names of one directory in byte
 * order, a directory before its content, "." before everything. <0, 0, >0. */
int path_cmp(const char *a, const char *b);

/* Whether `path` is `dir` itself or lies below it. Everything lies below ".". */
bool path_below(const char *path, const char *dir);

/* Write `path` into `out` (cap bytes, always NUL-terminated) with control bytes,
 * DEL and backslash as \n, \t, \\ or \ooo, as `tar -t` does. Bytes of 128 and up are
 * kept, but for U+0080..U+009F in UTF-8, which some terminals obey. Returns out. */
char *path_escape(char *out, size_t cap, const char *path);

/* Whether `name`, one component, is a name that restores give to directories of their
 * own:
 * ".pmm-seal-restore.", ".pmm-seal-old." or ".pmm-seal-trash." and six letters or
 * digits. A directory of such a name is never stored and never restored: the next
 * restore would take it for what an earlier one has left, and obey or remove it. */
bool path_reserved(const char *name);

#endif
