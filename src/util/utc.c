#include "util/utc.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

char *utc_stamp(char out[UTC_STAMP_SIZE], int64_t t)
{
    struct tm tm = {0};
    time_t tt = (time_t)t;
    gmtime_r(&tt, &tm);
    if (strftime(out, UTC_STAMP_SIZE, "%Y%m%dT%H%M%SZ", &tm) == 0)
        strcpy(out, "?");
    return out;
}

char *utc_rfc3339(char out[UTC_STAMP_SIZE], int64_t t)
{
    struct tm tm = {0};
    time_t tt = (time_t)t;
    gmtime_r(&tt, &tm);
    if (strftime(out, UTC_STAMP_SIZE, "%Y-%m-%dT%H:%M:%SZ", &tm) == 0)
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
