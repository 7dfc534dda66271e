/*
 * A directory of archives: names and which of them belong together.
 * "<name>-<YYYYMMDDTHHMMSSZ>.pmmseal", or with "-N" before the dot when two fall in one
 * second.
 */
#ifndef STORE_ARCHIVES_H
#define STORE_ARCHIVES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "util/err.h"

#define ARCHIVES_SUFFIX    ".pmmseal"
#define ARCHIVES_NAME_SIZE 101u /* of --name, NUL included */

/* Whether `name` may be used for --name: 1..100 bytes of letters, digits, '.', '_',
 * '-', not beginning with '.' or '-'. */
bool archives_name_ok(const char *name);

/* The file name for a new archive. Allocated. */
char *archives_file_name(const char *name, int64_t time, struct err *err);

/* The same file name with "-N" before the suffix, N from 2: for a second archive of the
 * same second. Allocated. */
char *archives_numbered(const char *file, unsigned n, struct err *err);

/* Take the name of a file apart: `name`, the time it was begun (seconds since 1970),
 * and its number, 1 where none is written. False if it is not of that form. */
bool archives_parse(const char *file, char name[ARCHIVES_NAME_SIZE], int64_t *time,
                    unsigned *number);

/* Whether `file` is an archive of `name`. */
bool archives_is(const char *file, const char *name);

/* File names in the directory `dirfd` that are archives of `name`, newest first by
 * name. Allocated array of allocated strings, NULL-terminated (archives_list_free). */
int archives_list(int dirfd, const char *name, char ***list, struct err *err);
void archives_list_free(char **list);

#endif
