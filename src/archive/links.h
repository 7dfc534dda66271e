/*
 * Files with several names that the walk has met: which entry holds the content, so
 * that the other names become hard links to it.
 */
#ifndef ARCHIVE_LINKS_H
#define ARCHIVE_LINKS_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/stat.h>

#include "util/err.h"

/* What makes a file the same file: an inode's number is used again once its file is
 * gone, its time of birth is not (where the file system keeps one). */
struct links_id {
    uint64_t dev, ino;
    int64_t born; /* seconds; without a time of birth: mtime */
    uint32_t born_ns;
    uint64_t size; /* 0 where there is a time of birth */
};

/* The id of the file `name` in dirfd (of fd itself if name is ""), with what fstat
 * said. */
struct links_id links_id_of(int dirfd, const char *name, const struct stat *st);

struct links;

int links_new(struct links **l, struct err *err);
void links_free(struct links *l);

/* Remember that the entry `path` at tar_offset holds a file that has `names` names.
 * Memory: about 72 bytes and the path. Returns 0, or -1 when memory is short. */
int links_add(struct links *l, const struct links_id *id, uint64_t names,
              const char *path, uint64_t tar_offset, struct err *err);

/* Look for an earlier name. True: *path (valid until the next links_add or links_done)
 * and *tar_offset. */
bool links_find(const struct links *l, const struct links_id *id, const char **path,
                uint64_t *tar_offset);

/* One more name of that file was met; after the last it is forgotten. */
void links_done(struct links *l, const struct links_id *id);

#endif
