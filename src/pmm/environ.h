/*
 * The environment of a PMM Server's container: it is not in the volume, and a restored
 * server needs the same.
 */
#ifndef PMM_ENVIRON_H
#define PMM_ENVIRON_H

#include <stdbool.h>

#include "report/extras.h"
#include "util/err.h"

/* Add the variables PMM_*, GF_*, VM_*, METRICS_*, ENABLE_*, DISABLE_*, PERCONA_* and
 * DATA_RETENTION of process 1 to `x`, in their order: names
 * only, or with `values` "NAME=value" (passwords are among them). Our own PMM_SEAL_*
 * are left out. Outside a container, and where process 1 belongs to somebody else,
 * there are none. `root` is "" or, for tests, a directory that stands for "/". Returns
 * 0, or -1 with ERR_FAIL (too much, memory). */
int environ_take(const char *root, bool values, struct extras *x, struct err *err);

#endif
