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
    *t = (int64_t)timegm(&tm);
    return 0;
}
