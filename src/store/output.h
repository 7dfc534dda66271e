/*
 * Where an archive is written: a new file that gets its name only when it is whole, or
 * a stream. A file is written under a temporary name (".NAME.pmmseal.XXXXXX.tmp") in
 * the same directory, mode 0600, synced, renamed, and its directory synced. Writer
 * thread writes; open, commit and free are the main thread's.
 */
#ifndef STORE_OUTPUT_H
#define STORE_OUTPUT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "util/err.h"

struct output;

/* `target`: a path, or "-" for stdout. An existing directory, or a path that ends in
 * '/', gets `auto_name` in it (a missing directory is ERR_FAIL with a hint to create
 * it); where that name is taken, by then or at commit, the next of archives_numbered,
 * with `force` too. With `force` an existing regular file may be replaced at commit,
 * else ERR_REFUSED. An existing FIFO or device (not a block device) is written to
 * directly. A terminal as stdout is ERR_REFUSED (hint: -o FILE, and "in docker exec,
 * leave out -t"). Symlinks as target are followed, so that the link stays. Returns 0
 * and *o (output_free it). */
int output_open(struct output **o, const char *target, const char *auto_name,
                bool force, struct err *err);

/* The final path ("-" for stdout); a numbered one may change at commit. Owned by o. */
const char *output_path(const struct output *o);

/* The directory in which the archive will stand, as the user wrote it; NULL for a
 * stream. Owned by o. */
const char *output_parent(const struct output *o);

/* The directory, open (owned by o), if the name in it is ours to choose; else -1. */
int output_directory(const struct output *o);

/* Whether the bytes go to a stream or device, which keeps no archives side by side. */
bool output_is_stream(const struct output *o);

/* Device and inode of the file being written, so that a walk can pass over it (stdout
 * too, if that is a regular file); 0,0 for a stream. */
void output_identity(const struct output *o, dev_t *dev, ino_t *ino);

/* Free bytes where the archive will stand; UINT64_MAX for a stream or if not known. */
uint64_t output_room(const struct output *o);

/* A stream that takes no byte for `seconds` is an error of output_write: whoever read
 * it may be gone without a sign (docker exec does not tell). 0, the default: wait. */
void output_stall(struct output *o, unsigned seconds);

/* Append. ERR_FAIL for a full disk ("no space left", hint) and the like. */
int output_write(void *o, const void *buf, size_t len, struct err *err);

/* All has been written: sync, and let go of what the page cache holds of it, so that
 * who reads it reads the disk. A file only. Its temporary path is in *path (allocated),
 * to be read until it is committed. ERR_FAIL. */
int output_settle(struct output *o, char **path, struct err *err);

/* Make it final: sync, rename (link-like: without `force`, a file that appeared
 * meanwhile is not overwritten: renameat2 RENAME_NOREPLACE, or link+unlink), sync the
 * directory. For a stream: nothing but an error check (fsync is tried, EINVAL ignored).
 * After -1 the temporary file is gone, and the archive
 * has its name only if the error says so (its directory could not be synced). */
int output_commit(struct output *o, struct err *err);

/* Close; an uncommitted temporary file is removed. */
void output_free(struct output *o);

#endif
