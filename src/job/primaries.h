/*
 * The files of an archive as its items pass by, so that each hard link can be held
 * against the file that it names: 8 bytes a file, whatever its path is.
 */
#ifndef JOB_PRIMARIES_H
#define JOB_PRIMARIES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "util/err.h"

struct primaries_group;

/* Zeroed: empty. */
struct primaries {
    struct primaries_group **groups;
    size_t n, cap;
    uint64_t seed; /* of the paths' hashes: nobody can choose paths that look alike */
};

/* A file at tar_offset, a multiple of 512 above that of the last one added. Returns 0,
 * or -1 with ERR_FAIL. */
int primaries_add(struct primaries *p, const char *path, uint64_t tar_offset,
                  struct err *err);

/* Whether a file of this path was added with this offset. Of paths that differ, one in
 * 2^32 is taken for the right one. */
bool primaries_has(const struct primaries *p, const char *path, uint64_t tar_offset);

/* Empty again. */
void primaries_clear(struct primaries *p);

#endif
