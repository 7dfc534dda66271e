/* A span of calendar time, as `--keep-within` takes it: "2y5m7d3h". */
#ifndef KEEP_SPAN_H
#define KEEP_SPAN_H

#include <stdbool.h>
#include <stdint.h>

struct span {
    unsigned years, months, days, hours;
};

/* One or more of NUMBER and y, m, d or h, each at most once, in this order; not zero in
 * all, each number at most 9999. Returns 0, or -1 if `text` is something else. */
int span_parse(const char *text, struct span *s);

bool span_given(const struct span *s);

/* The moment `s` before `time` (seconds since 1970), in UTC. A day that the month does
 * not have is its last one: a month before March 31 is February 28 or 29. */
int64_t span_before(const struct span *s, int64_t time);

/* The month in which `time` lies, in UTC: 12 * year + 0 for January to 11. */
int64_t span_month(int64_t time);

#endif
