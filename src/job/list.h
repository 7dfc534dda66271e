/*
 * `pmm-seal list`: the entries of an archive. From a file it reads the index and
 * ENTRIES only, from a stream everything.
 *
 * Facts: entries (listed), those of opened_facts.
 */
#ifndef JOB_LIST_H
#define JOB_LIST_H

#include <stddef.h>

#include "format/item.h"
#include "job/job.h"
#include "util/err.h"

/* Called for each entry in archive order. Returns 0, or -1 with *err (stdout is gone).
 */
typedef int list_fn(void *ctx, const struct item *item, struct err *err);

/* `paths`: npaths == 0 is everything. A path that matches nothing is ERR_FAIL, after
 * the others were listed. */
int list_run(const struct job *job, const char *archive, const char *const *paths,
             size_t npaths, list_fn *fn, void *ctx, struct err *err);

#endif
