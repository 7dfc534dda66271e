/*
 * The user namespace a process lives in: which of the numbers of users and groups that
 * it sees stand for which outside. See user_namespaces(7).
 */
#ifndef UTIL_IDMAP_H
#define UTIL_IDMAP_H

#include <stdbool.h>

#define IDMAP_TEXT 256u /* bytes, NUL included; of a longer map, its beginning */

/* Each a list "INSIDE OUTSIDE COUNT, ..." as /proc/PID/uid_map has it; "" where every
 * number stands for itself, or nobody can tell. */
struct idmap {
    char uid[IDMAP_TEXT];
    char gid[IDMAP_TEXT];
};

/* That of this process. `root` is "" or, for tests, a directory that stands for "/". */
void idmap_own(const char *root, struct idmap *m);

/* Whether every number stands for itself. */
bool idmap_is_identity(const struct idmap *m);

#endif
