/*
 * The PATHs of a command line, and which entries they mean. `nginx`, `./nginx/` and
 * `/srv/nginx` (with /srv the recorded SOURCE) are the same; a directory takes its
 * content along.
 */
#ifndef JOB_SELECT_H
#define JOB_SELECT_H

#include <stdbool.h>
#include <stddef.h>

#include "util/err.h"

enum select_want {
    SELECT_NO,
    SELECT_PARENT, /* a directory on the way to something wanted: its metadata is */
    SELECT_YES,
};

struct select;

/* `paths` are borrowed. n == 0 selects everything. */
int select_new(struct select **s, const char *const *paths, size_t n, struct err *err);
void select_free(struct select *s);

/* Make the paths relative to `source`, the SOURCE that the manifest recorded. Before
 * any of the functions below; later calls do nothing. ERR_USAGE for a path with ".." in
 * it, ERR_FAIL. */
int select_bind(struct select *s, const char *source, struct err *err);

/* What an entry is to us. Remembers which paths were met. */
enum select_want select_wants(struct select *s, const char *path);

bool select_everything(const struct select *s);

/* ERR_FAIL naming a path, as given, that met no entry. */
int select_check_met(const struct select *s, struct err *err);

/* The paths after select_bind, none below another, none twice. Owned by s. */
const char *const *select_paths(const struct select *s, size_t *n);

#endif
