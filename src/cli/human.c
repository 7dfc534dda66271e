#include "cli/human.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

char *human_bytes(char out[HUMAN_SIZE], uint64_t n)
{
    static const char *const units[] = {"KiB", "MiB", "GiB", "TiB", "PiB", "EiB"};
    if (n < 1024) {
        snprintf(out, HUMAN_SIZE, "%" PRIu64 " B", n);
        return out;
    }
    size_t u = 0;
    double v = (double)n / 1024;
    /* 999.5 would be printed as 1000. */
    for (; v >= 999.5 && u + 1 < sizeof units / sizeof units[0]; u++)
        v /= 1024;
    int decimals = v < 9.995 ? 2 : v < 99.95 ? 1 : 0;
    snprintf(out, HUMAN_SIZE, "%.*f %s", decimals, v, units[u]);
    return out;
}

char *human_seconds(char out[HUMAN_SIZE], double seconds)
{
    if (seconds < 0)
        seconds = 0;
    uint64_t s = (uint64_t)(seconds + 0.5);
    if (seconds < 0.995)
        snprintf(out, HUMAN_SIZE, "%.2f s", seconds);
    else if (seconds < 59.95)
        snprintf(out, HUMAN_SIZE, "%.1f s", seconds);
    else if (s < 3600)
        snprintf(out, HUMAN_SIZE, "%u min %02u s", (unsigned)(s / 60),
                 (unsigned)(s % 60));
    else
        snprintf(out, HUMAN_SIZE, "%" PRIu64 " h %02u min", s / 3600,
                 (unsigned)(s / 60 % 60));
    return out;
}

char *human_age(char out[HUMAN_SIZE], int64_t seconds)
{
    static const struct {
        int64_t upto, unit;
        const char *name;
    } steps[] = {{120, 1, "s"},
                 {7200, 60, "min"},
                 {2 * 86400, 3600, "h"},
                 {730 * (int64_t)86400, 86400, "d"},
                 {INT64_MAX, 365 * (int64_t)86400, "y"}};
    size_t i = 0;
    if (seconds < 0)
        return strcpy(out, "-");
    while (seconds >= steps[i].upto && i + 1 < sizeof steps / sizeof *steps)
        i++;
    snprintf(out, HUMAN_SIZE, "%" PRId64 " %s", seconds / steps[i].unit, steps[i].name);
    return out;
}

char *human_clock(char out[HUMAN_SIZE], uint64_t seconds)
{
    unsigned s = (unsigned)(seconds % 60), m = (unsigned)(seconds / 60 % 60);
    if (seconds < 3600)
        snprintf(out, HUMAN_SIZE, "%u:%02u", m, s);
    else
        snprintf(out, HUMAN_SIZE, "%" PRIu64 ":%02u:%02u", seconds / 3600, m, s);
    return out;
}

char *human_rate(char out[HUMAN_SIZE], uint64_t bytes, double seconds)
{
    char n[HUMAN_SIZE];
    if (seconds < 0.001)
        seconds = 0.001;
    double per_second = (double)bytes / seconds;
    human_bytes(n, per_second < 1e18 ? (uint64_t)per_second : (uint64_t)1e18);
    snprintf(out, HUMAN_SIZE, "%.20s/s", n);
    return out;
}
