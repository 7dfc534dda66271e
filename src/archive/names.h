/*
 * User and group names from /etc/passwd and /etc/group, read once, without NSS: a
 * static glibc program that asks NSS for an unknown id may crash (it loads libraries).
 */
#ifndef ARCHIVE_NAMES_H
#define ARCHIVE_NAMES_H

#include <stdbool.h>
#include <stdint.h>

#include "util/err.h"

struct names;

/* Read the files (NULL: /etc/passwd, /etc/group). A missing file is an empty one; lines
 * that do not parse are passed over. Returns 0 and *n (names_free it), or -1 with
 * ERR_FAIL. */
int names_open(struct names **n, const char *passwd, const char *group,
               struct err *err);
void names_free(struct names *n);

/* The first name of an id, or NULL. Owned by n. */
const char *names_user(const struct names *n, uint32_t uid);
const char *names_group(const struct names *n, uint32_t gid);

/* The id of a name. False if unknown. */
bool names_uid(const struct names *n, const char *user, uint32_t *uid);
bool names_gid(const struct names *n, const char *group, uint32_t *gid);

#endif
