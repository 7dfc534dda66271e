/*
 * Arithmetic of the Gregorian calendar of UTC, in whole numbers: the C library would
 * read its time zone files. Months are counted from January of the year 0, days from
 * 1970-01-01.
 */
#include "keep/span.h"

#define NUMBER_MAX     9999u
#define DAY            86400  /* seconds */
#define HOUR           3600   /* seconds */
#define DAYS_TO_1970   719528 /* from January 1 of the year 0 */
#define DAYS_400_YEARS 146097
#define TIME_FLOOR     (INT64_MIN / 2) /* before it, a span could overflow */

static int64_t floor_div(int64_t a, int64_t b)
{
    return a / b - (a % b < 0);
}

/* The first day of the month. */
static int64_t first_day(int64_t month)
{
    static const int before[] = {0, 31, 59, 90, 120, 151, 181, 212, 243, 273, 304, 334};
    int64_t year = floor_div(month, 12);
    int64_t m = month - year * 12;
    bool leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    int64_t leaps = floor_div(year + 3, 4) - floor_div(year + 99, 100) +
                    floor_div(year + 399, 400); /* in the years before it */
    return year * 365 + leaps + before[m] + (leap && m > 1) - DAYS_TO_1970;
}

static int64_t month_of(int64_t day)
{
    int64_t month = floor_div((day + DAYS_TO_1970) * 4800, DAYS_400_YEARS);
    while (first_day(month) > day)
        month--;
    while (first_day(month + 1) <= day)
        month++;
    return month;
}

/* "NUMBER unit" at *p, if that is what is there. 0, or -1 for a number without end. */
static int take(const char **p, char unit, unsigned *n)
{
    const char *s = *p;
    unsigned v = 0;
    for (; *s >= '0' && *s <= '9'; s++) {
        v = v * 10 + (unsigned)(*s - '0');
        if (v > NUMBER_MAX)
            return -1;
    }
    if (s == *p || *s != unit)
        return 0;
    *n = v;
    *p = s + 1;
    return 0;
}

int span_parse(const char *text, struct span *s)
{
    struct span v = {0};
    const char *p = text;
    if (take(&p, 'y', &v.years) != 0 || take(&p, 'm', &v.months) != 0 ||
        take(&p, 'd', &v.days) != 0 || take(&p, 'h', &v.hours) != 0)
        return -1;
    if (*p != '\0' || !span_given(&v))
        return -1;
    *s = v;
    return 0;
}

bool span_given(const struct span *s)
{
    return s->years != 0 || s->months != 0 || s->days != 0 || s->hours != 0;
}

int64_t span_before(const struct span *s, int64_t time)
{
    if (time < TIME_FLOOR)
        return INT64_MIN;
    int64_t day = floor_div(time, DAY);
    int64_t second = time - day * DAY;
    int64_t month = month_of(day);
    int64_t target = month - (int64_t)s->years * 12 - s->months;
    int64_t of_month = day - first_day(month);
    int64_t last = first_day(target + 1) - first_day(target) - 1;
    if (of_month > last)
        of_month = last;
    return (first_day(target) + of_month - s->days) * DAY + second -
           (int64_t)s->hours * HOUR;
}

int64_t span_month(int64_t time)
{
    return month_of(floor_div(time, DAY));
}
