#include "store/archives.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "store/dirlist.h"
#include "util/utc.h"

#define NAME_LEN_MAX   100u
#define STAMP_LEN      16u /* "20261124T030724Z" */
#define NUMBER_LEN_MAX 6u
#define ALNUM          "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"

bool archives_name_ok(const char *name)
{
    size_t n = strlen(name);
    return n >= 1 && n <= NAME_LEN_MAX && name[0] != '.' && name[0] != '-' &&
           strspn(name, ALNUM "._-") == n;
}

char *archives_file_name(const char *name, int64_t time, struct err *err)
{
    char stamp[UTC_STAMP_SIZE], *file;
    if (asprintf(&file, "%s-%s" ARCHIVES_SUFFIX, name, utc_stamp(stamp, time)) < 0) {
        err_nomem(err);
        return NULL;
    }
    return file;
}

/* Length of `file` without the suffix, if it has it and something before it; else all
 * of it. */
static size_t stem(const char *file)
{
    size_t n = strlen(file), s = strlen(ARCHIVES_SUFFIX);
    return n > s && strcmp(file + n - s, ARCHIVES_SUFFIX) == 0 ? n - s : n;
}

char *archives_numbered(const char *file, unsigned n, struct err *err)
{
    char *out;
    size_t len = stem(file);
    if (asprintf(&out, "%.*s-%u%s", (int)len, file, n, file + len) < 0) {
        err_nomem(err);
        return NULL;
    }
    return out;
}

/* Whether s begins with a time as utc_stamp writes it. */
static bool is_stamp(const char *s)
{
    for (size_t i = 0; i < STAMP_LEN; i++) {
        bool ok = i == 8    ? s[i] == 'T'
                  : i == 15 ? s[i] == 'Z'
                            : isdigit((unsigned char)s[i]) != 0;
        if (!ok)
            return false;
    }
    return true;
}

/* Take a file name of `name` apart. Returns the stamp, or NULL; *number is 1 without
 * "-N". */
static const char *parse(const char *file, const char *name, unsigned long *number)
{
    size_t n = strlen(name), end = stem(file);
    if (strncmp(file, name, n) != 0 || file[n] != '-' || !is_stamp(file + n + 1) ||
        file[end] == '\0')
        return NULL;
    const char *stamp = file + n + 1, *rest = stamp + STAMP_LEN;
    *number = 1;
    if (rest == file + end)
        return stamp;
    size_t digits = strspn(rest + 1, "0123456789");
    if (rest[0] != '-' || rest[1] == '0' || digits < 1 || digits > NUMBER_LEN_MAX ||
        rest + 1 + digits != file + end)
        return NULL;
    *number = strtoul(rest + 1, NULL, 10);
    return *number >= 2 ? stamp : NULL;
}

bool archives_is(const char *file, const char *name)
{
    unsigned long number;
    return parse(file, name, &number) != NULL;
}

/* Newest first. All are of one name, so that what differs is the stamp and the number.
 */
static int newest_first(const void *a, const void *b, void *name)
{
    unsigned long x = 0, y = 0;
    const char *s = parse(*(char *const *)a, name, &x);
    const char *t = parse(*(char *const *)b, name, &y);
    int c = strncmp(t, s, STAMP_LEN);
    return c != 0 ? c : (y > x) - (y < x);
}

int archives_list(int dirfd, const char *name, char ***list, struct err *err)
{
    char **names;
    size_t n, kept = 0;
    if (dirlist_read(dirfd, &names, &n) != 0)
        return err_sys(err, ERR_FAIL, "cannot read the directory of archives");
    for (size_t i = 0; i < n; i++) {
        if (archives_is(names[i], name))
            names[kept++] = names[i];
        else
            free(names[i]);
    }
    char **out = realloc(names, (kept + 1) * sizeof *out);
    if (out == NULL) {
        dirlist_free(names, kept);
        return err_nomem(err);
    }
    out[kept] = NULL;
    char *key = strdup(name);
    if (key == NULL) {
        archives_list_free(out);
        return err_nomem(err);
    }
    qsort_r(out, kept, sizeof *out, newest_first, key);
    free(key);
    *list = out;
    return 0;
}

void archives_list_free(char **list)
{
    for (size_t i = 0; list != NULL && list[i] != NULL; i++)
        free(list[i]);
    free(list);
}
