#include "util/utc.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

/* Where time_t has 32 bits, a later time would become an earlier one. */
static int split(int64_t t, struct tm *tm)
{
    time_t tt = (time_t)t;
    return (int64_t)tt == t && gmtime_r(&tt, tm) != NULL ? 0 : -1;
}

char *utc_stamp(char out[UTC_STAMP_SIZE], int64_t t)
{
    struct tm tm;
    if (split(t, &tm) != 0 || strftime(out, UTC_STAMP_SIZE, "%Y%m%dT%H%M%SZ", &tm) == 0)
        strcpy(out, "?");
    return out;
}

char *utc_rfc3339(char out[UTC_STAMP_SIZE], int64_t t)
{
    struct tm tm;
    if (split(t, &tm) != 0 ||
        strftime(out, UTC_STAMP_SIZE, "%Y-%m-%dT%H:%M:%SZ", &tm) == 0)
        strcpy(out, "?");
    return out;
}

int utc_parse(const char *s, int64_t *t)
{
    struct tm tm = {0};
    const char *end = strptime(s, "%Y-%m-%dT%H:%M:%SZ", &tm);
    if (end == NULL || *end != '\0' || strlen(s) != 20)
        return -1;
    int64_t v = (int64_t)timegm(&tm);
    /* timegm makes another day of one that the month does not have. */
    char again[UTC_STAMP_SIZE];
    if (strcmp(utc_rfc3339(again, v), s) != 0)
        return -1;
    *t = v;
    return 0;
}
