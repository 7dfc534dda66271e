/*
 * Patterns of --exclude. Relative to SOURCE, case-sensitive, bytes. Without '/' a
 * pattern matches a name at any depth; with one (a trailing '/' not counted) it is
 * anchored at SOURCE. '*' and '?' stop at '/', "**" does not ("a/ ** /b" also matches
 * "a/b"), [abc], [a-z] and [!a] are classes, '\' quotes. A trailing '/' matches
 * directories only. What is below a matched directory goes with it (the walk does not
 * descend).
 */
#ifndef ARCHIVE_GLOB_H
#define ARCHIVE_GLOB_H

#include <stdbool.h>
#include <stddef.h>

#include "util/err.h"

struct globset;

/* An empty set. Returns 0 and *g (glob_free it), or -1 with ERR_FAIL. */
int glob_new(struct globset **g, struct err *err);
void glob_free(struct globset *g);

/* Add one pattern. A leading "./" or '/' anchors. ERR_USAGE for an empty pattern or an
 * unclosed class. */
int glob_add(struct globset *g, const char *pattern, struct err *err);

/* Add the patterns of a file, one a line; empty lines and lines that begin with '#' are
 * passed over; "\#" begins a pattern with '#'. ERR_USAGE names file and line; ERR_FAIL
 * if unreadable. */
int glob_add_file(struct globset *g, const char *file, struct err *err);

/* Whether `path` (util/path.h) is excluded itself; its parents are not looked at.
 * Counts the match for its pattern. */
bool glob_match(struct globset *g, const char *path, bool is_dir);

/* The same without counting: safe in a second thread while nobody adds patterns. */
bool glob_excludes(const struct globset *g, const char *path, bool is_dir);

/* The first pattern from `*i` on that never matched, advancing *i past it; NULL at the
 * end. */
const char *glob_unused(const struct globset *g, size_t *i);

#endif
