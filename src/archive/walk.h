/*
 * Walk a tree and hand over its entries, depth first, names in byte order. Everything
 * is opened relative to its directory's descriptor with O_NOFOLLOW, so that a tree that
 * is changed meanwhile cannot lead the walk elsewhere, and paths may be longer than
 * PATH_MAX.
 *
 * Memory: the names of the directories on the way down (about 8 bytes + its length a
 * name), and about 80 bytes + its path for each file with several links that has links
 * outstanding.
 */
#ifndef ARCHIVE_WALK_H
#define ARCHIVE_WALK_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "archive/entry.h"
#include "archive/glob.h"
#include "archive/names.h"
#include "util/err.h"
#include "util/notice.h"

struct walk_opts {
    struct globset *excludes;  /* or NULL */
    struct globset *defaults;  /* left out as well, and what that saves is counted; or
                                  NULL */
    const struct names *names; /* for item.user and item.group; or NULL */
    bool one_file_system; /* -x: the mount point's directory is kept, its content not */
    dev_t skip_dev;       /* the archive being written: passed over silently */
    ino_t skip_ino;       /* 0: none */
};

struct walk_counts {
    uint64_t entries;  /* handed over */
    uint64_t excluded; /* matched one of `excludes` (what lies below not counted) */
    uint64_t defaults; /* matched one of `defaults` only ... */
    uint64_t saved;    /* ... and bytes of the files among them and below them */
    uint64_t sockets;  /* skipped */
    uint64_t mounts;   /* directories below the root on which something is mounted */
};

/* Called for each entry; the first is "." itself. `e` is complete but for tar_offset
 * and tar_length, which the callee sets before it returns (the walk needs tar_offset
 * for later links). `fd` is open for reading at offset 0 for ITEM_FILE, else -1; the
 * walk closes it. For ITEM_FILE the callee may set ITEM_CHANGED or ITEM_INCOMPLETE in
 * e->item.flags. Returns 0, or -1 to end the walk with that error. */
typedef int walk_entry_fn(void *ctx, struct entry *e, int fd, struct err *err);

/* Walk from the directory `rootfd` (borrowed). What cannot be had is not handed over
 * but warned of, by id: file-unreadable, dir-unreadable (the directory itself is handed
 * over, its content is missing), file-vanished, name-too-long (path over
 * PATH_BYTES_MAX), xattr-unreadable, type-unknown, name-reserved (a directory, see
 * path_reserved). Notes: socket-skipped (one in sum: "N sockets"), mount-included (each
 * mount point). An unreadable root is an error. Returns 0; -1 with an error of the
 * callee, ERR_SIGNAL, or ERR_FAIL. */
int walk_tree(int rootfd, const struct walk_opts *opts, walk_entry_fn *fn, void *ctx,
              const struct notice_sink *notices, struct walk_counts *counts,
              struct err *err);

/* Add up what walk_tree would hand over without opening files: sizes (st_size, or
 * allocated size if less) into *bytes as it goes. For progress; silent about errors;
 * ends early when *cancel becomes true or a stop signal arrives. Any thread. Excludes
 * are matched without counting. Returns 0 when it saw everything, -1 otherwise. */
int walk_estimate(int rootfd, const struct walk_opts *opts,
                  atomic_uint_least64_t *bytes, const atomic_bool *cancel);

#endif
