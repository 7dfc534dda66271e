/*
 * Entries into a tree below a staging directory that nobody else uses, and the proof
 * that they arrived.
 *
 * Entries must come in the order of path_cmp, each path once: that is how they were
 * written, anything else is damage. So the directories on the way to the current entry
 * are a stack of open descriptors, a new entry is made in the top one with O_EXCL or
 * its like, and no path of more than one component is ever followed, except the source
 * of a hard link (archive/beneath.h). A directory gets its owner, mode, attributes and
 * times when the stack leaves it. Memory is the stack.
 */
#ifndef ARCHIVE_EXTRACT_H
#define ARCHIVE_EXTRACT_H

#include <stdbool.h>
#include <stdint.h>

#include "archive/entry.h"
#include "archive/names.h"
#include "util/err.h"
#include "util/notice.h"
#include "util/progress.h"

enum extract_owner {
    EXTRACT_OWNER_NUMERIC, /* uid and gid as stored */
    EXTRACT_OWNER_NAMES,   /* by name where this system knows it, else numeric */
    EXTRACT_OWNER_FIXED,   /* uid, gid below for everything */
    EXTRACT_OWNER_CALLER,  /* whoever runs: owners are not set */
};

struct extract_opts {
    enum extract_owner owner;
    uint32_t uid, gid;         /* EXTRACT_OWNER_FIXED */
    const struct names *names; /* EXTRACT_OWNER_NAMES */
    bool read_back;            /* keep what extract_read_back needs */
    bool walk_only;            /* never use openat2 (tests) */
    bool make_parents;         /* create missing parents 0755: parts of an archive */
    bool salvage; /* of a damaged archive: missing parents are created 0700 (what theirs
                   * was is not known), hard links to what is not there passed over */
};

struct extract_report {
    uint64_t entries, bytes; /* made whole; bytes of content written */
    uint64_t proven;         /* files read back, all of it from the disk */
    uint64_t proven_cached;  /* further ones, some page of which was in the cache */
};

struct extract;

/* Extract below `rootfd` (an empty directory, borrowed, on the target's file system). A
 * nameless spool file for the read-back is made in it (O_TMPFILE; else a name unlinked
 * at once). Returns 0 and *x (extract_free it), or -1. */
int extract_open(struct extract **x, int rootfd, const struct extract_opts *opts,
                 const struct notice_sink *notices, struct progress *progress,
                 struct err *err);

/* Make the entry: a directory (entered), a link, a special file, or an ITEM_FILE that
 * then gets its content by extract_data and ends with extract_end. "." stands for the
 * root: its metadata is kept for extract_finish. ERR_DAMAGED: out of order, a parent
 * that is missing or no directory, a hard link to what is not an earlier regular file.
 * ERR_FAIL: I/O, space. */
int extract_entry(struct extract *x, const struct entry *e, struct err *err);

/* Content of the current ITEM_FILE; `off` ascends. What is left out is a hole. */
int extract_data(struct extract *x, const void *buf, size_t len, uint64_t off,
                 struct err *err);

/* End of the current entry (every type): size, owner, mode, attributes, times. What the
 * caller had the right to set is read back (fstat, fgetxattr); a file system that took
 * it and did not keep it is ERR_FAIL ("lies"). What he may not set (EPERM on an owner;
 * a setgid bit of a foreign group; trusted.* or capabilities) is counted, and
 * extract_finish says it once: note owner-not-set when everything in the archive
 * belongs to him anyway, else warning owner-not-set; warnings xattr-not-set,
 * device-not-made (mknod without the right) and time-not-kept (a file system whose
 * times are coarser or fewer) name the first path and the count. ERR_DAMAGED: less
 * content than the entry promises. */
int extract_end(struct extract *x, struct err *err);

/* Whether the current entry is a hard link to a file that is not there, or only in part
 * (opts.salvage): it is passed over, and has no extract_end. */
bool extract_link_lost(const struct extract *x);

/* In place of extract_end, for an ITEM_FILE of which only a part has come: it is kept
 * with `size` bytes, what was left out being holes, and gets a name of its own
 * (archive/partials.h), with the warning entry-partial that says `what` is missing.
 * Where nothing of its content has come it is removed, and *kept is false. */
int extract_end_partial(struct extract *x, uint64_t size, const char *what, bool *kept,
                        struct err *err);

/* Leave all directories, the root last, and sync the file system (syncfs). */
int extract_finish(struct extract *x, struct err *err);

/* Read everything back from the disk: each file's pages are dropped
 * (POSIX_FADV_DONTNEED), its content read and compared by XXH3-128 with what was
 * written, and type, size, mode, owner, mtime, xattrs, link target compared with what
 * is expected. ERR_FAIL names the first file that differs. Whether pages stayed in the
 * cache is told by mincore(2). What the caller has no right to open again is counted:
 * warning not-read-back. Adds what it reads to progress->bytes. Without opts.read_back
 * it does nothing. */
int extract_read_back(struct extract *x, struct err *err);

const struct extract_report *extract_report(const struct extract *x);

void extract_free(struct extract *x);

#endif
