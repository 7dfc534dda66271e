#include "store/archives.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "store/dirlist.h"
#include "util/utc.h"

#define STAMP_LEN      16u /* "20261124T030724Z" */
#define NUMBER_LEN_MAX 6u
#define ALNUM          "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"

bool archives_name_ok(const char *name)
{
    size_t n = strlen(name);
    return n >= 1 && n < ARCHIVES_NAME_SIZE && name[0] != '.' && name[0] != '-' &&
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

/* The time that `s` begins with, as utc_stamp writes it. */
static int parse_stamp(const char *s, int64_t *time)
{
    char text[UTC_STAMP_SIZE];
    if (strnlen(s, STAMP_LEN) < STAMP_LEN)
        return -1;
    snprintf(text, sizeof text, "%.4s-%.2s-%.5s:%.2s:%.3s", s, s + 4, s + 6, s + 11,
             s + 13);
    return utc_parse(text, time);
}

/* "-N" before the suffix: *stem_len becomes shorter by it. 1 without. 0: not as
 * archives_numbered makes it. */
static unsigned parse_number(const char *file, size_t *stem_len)
{
    size_t digits = 0;
    while (digits < *stem_len && isdigit((unsigned char)file[*stem_len - 1 - digits]))
        digits++;
    if (digits == 0)
        return 1; /* a stamp ends in 'Z' */
    size_t at = *stem_len - digits;
    if (digits > NUMBER_LEN_MAX || at == 0 || file[at - 1] != '-' || file[at] == '0')
        return 0;
    *stem_len = at - 1;
    unsigned n = (unsigned)strtoul(file + at, NULL, 10);
    return n >= 2 ? n : 0;
}

bool archives_parse(const char *file, char name[ARCHIVES_NAME_SIZE], int64_t *time,
                    unsigned *number)
{
    size_t len = stem(file);
    if (file[len] == '\0')
        return false;
    *number = parse_number(file, &len);
    if (*number == 0 || len < STAMP_LEN + 2 || file[len - STAMP_LEN - 1] != '-' ||
        parse_stamp(file + len - STAMP_LEN, time) != 0)
        return false;
    len -= STAMP_LEN + 1;
    if (len >= ARCHIVES_NAME_SIZE)
        return false;
    memcpy(name, file, len);
    name[len] = '\0';
    return archives_name_ok(name);
}

bool archives_is(const char *file, const char *name)
{
    char found[ARCHIVES_NAME_SIZE];
    int64_t time;
    unsigned number;
    return archives_parse(file, found, &time, &number) && strcmp(found, name) == 0;
}

static int newest_first(const void *a, const void *b)
{
    char name[ARCHIVES_NAME_SIZE];
    int64_t s = 0, t = 0;
    unsigned x = 0, y = 0;
    archives_parse(*(char *const *)a, name, &s, &x);
    archives_parse(*(char *const *)b, name, &t, &y);
    return s != t ? (t > s) - (t < s) : (y > x) - (y < x);
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
    qsort(out, kept, sizeof *out, newest_first);
    *list = out;
    return 0;
}

void archives_list_free(char **list)
{
    for (size_t i = 0; list != NULL && list[i] != NULL; i++)
        free(list[i]);
    free(list);
}
