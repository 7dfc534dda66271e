/*
 * Least privilege for what is left of this process: no new privileges, and by Landlock
 * nothing that is not allowed here is opened, made, changed, removed or executed any
 * more; where the kernel can, no TCP, no abstract Unix socket of others and no signal
 * to them either. Descriptors that are open already stay as they are.
 *
 * Landlock is a thread's own and inherited: to be entered while there is one thread.
 */
#ifndef UTIL_CONFINE_H
#define UTIL_CONFINE_H

#include <stdbool.h>
#include <stddef.h>

#include "util/err.h"

#define CONFINE_READ  1u /* open for reading, list */
#define CONFINE_FILES 2u /* and make, change and remove files, rename them in place */
#define CONFINE_TREES                                                                  \
    4u /* and all else that a tree has; move, link between directories */

#define CONFINE_WHY 160u

struct confine;

/* Nothing is allowed. 0 and *c (confine_free), or -1: ERR_FAIL (memory). */
int confine_new(struct confine **c, struct err *err);

/* Allow it for the file, or for the directory with all that lies below, mounts
 * included. It is the one that has the name now: one that takes its place later is not
 * allowed. What is not there is passed over. */
void confine_allow(struct confine *c, const char *path, unsigned may);
void confine_allow_fd(struct confine *c, int fd, unsigned may);

/* The same for the directory in which the file `path` is, or is to be made. */
void confine_allow_parent(struct confine *c, const char *path, unsigned may);

/* Signals to other processes stay allowed: to a child that was started before. */
void confine_allow_signals(struct confine *c);

/* Confine the calling thread and those that it will start; the first call counts.
 * Returns whether that is done. If not, `why` tells the reason: the kernel has no
 * Landlock or does not offer it, it cannot allow that files are moved, or all there is
 * may be written. What could be taken away is. */
bool confine_enter(struct confine *c, char why[CONFINE_WHY]);

/* What was taken away does not come back. */
void confine_free(struct confine *c);

#endif
