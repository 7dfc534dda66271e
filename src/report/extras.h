/*
 * What belongs to a backup and does not lie in the volume: the environment a server was
 * started with, and files from elsewhere. Kept in the manifest, so sealed.
 */
#ifndef REPORT_EXTRAS_H
#define REPORT_EXTRAS_H

#include <stdbool.h>
#include <stddef.h>

#include "util/err.h"

#define EXTRAS_MAX 262144u /* bytes of everything together */

struct extra_file {
    char *path;  /* as given: absolute or not, any bytes */
    char *text;  /* any bytes but NUL */
    bool needed; /* a restored server needs it, where it was */
};

/* Zero-initialise. Owns all it holds. */
struct extras {
    char **env; /* "NAME", or "NAME=value" */
    size_t nenv;
    struct extra_file *files;
    size_t nfiles;
    size_t bytes; /* of text in all */
};

/* Add a copy. ERR_FAIL when there is more than EXTRAS_MAX, or memory is short. */
int extras_env(struct extras *x, const char *text, struct err *err);
int extras_file(struct extras *x, const char *path, const char *text, bool needed,
                struct err *err);

/* Read the file at `path` and add it. ERR_FAIL: unreadable, too large, or not text (it
 * has a NUL byte). */
int extras_read(struct extras *x, const char *path, bool needed, struct err *err);

/* The file whose path is `name`, or ends in "/name"; NULL if there is none. */
const struct extra_file *extras_find(const struct extras *x, const char *name);

void extras_free(struct extras *x);

struct json_t; /* jansson's */

/* Set "environment" and "attached" of `obj` where there are any. Returns 0 or -1
 * (memory).
 */
int extras_encode(const struct extras *x, struct json_t *obj);

/* Back again; what is absent is empty. Returns 0, -1 if it is not as it must be. */
int extras_decode(const struct json_t *obj, struct extras *x);

#endif
