/*
 * From an opened archive to entries and their content: stream, tar and items brought
 * together and held against each other. Restore, verify, diff and list differ only in
 * the sink.
 *
 * What a sink is given is authentic; that the archive is complete is known only when
 * the call has returned 0.
 */
#ifndef JOB_UNPACK_H
#define JOB_UNPACK_H

#include "archive/entry.h"
#include "job/opened.h"
#include "job/select.h"
#include "util/err.h"

/* Where entries go. Any function may be NULL. entry, then data (files; `off` ascends,
 * what is left out is a hole), then end, for each entry, on the caller's thread. */
struct unpack_sink {
    int (*entry)(void *ctx, const struct entry *e, struct err *err);
    int (*data)(void *ctx, const void *buf, size_t len, uint64_t off, struct err *err);
    int (*end)(void *ctx, struct err *err);
    /* unpack_all only: the item of every entry (selected or not), once tar and ENTRIES
     * agree on it; its strings live for the call. */
    int (*item)(void *ctx, const struct item *item, struct err *err);
    void *ctx;
};

/* Everything, in order, from a file or a stream, to an authenticated END; with `select`
 * (or NULL) only those entries reach the sink, but all are checked. A selected hard
 * link whose primary is not selected is ERR_FAIL. Checks that tar and items agree entry
 * by entry, tile the tar without gap, and that only zeros follow. For a stream,
 * o->manifest is set from the first record on. */
int unpack_all(struct opened *o, const struct job *job, struct select *select,
               const struct unpack_sink *sink, struct err *err);

/* Hand the entry `e`, at which `tar` stands, with its content to the sink. job/partial
 * gives it a copy of the tar's entry with another path or link. */
struct tarin;
int unpack_entry(struct tarin *tar, const struct entry *e,
                 const struct unpack_sink *sink, struct err *err);

#endif
