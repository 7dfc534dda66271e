/*
 * The archives are gone through from the newest to the oldest, by looking for the next
 * older one each time: some thousand at most, and nothing to allocate that could fail.
 *
 * The rules are applied twice: to the archives that count, then to these together with
 * the inconsistent ones, of which alone the second result is used. So an inconsistent
 * archive can be kept, but never in the place of a consistent one.
 */
#include "keep/keep.h"

#include <string.h>

#define HOUR 3600
#define DAY  86400

/* Which archives a walk sees. */
enum set {
    SET_CONSISTENT = 1 << 0, /* these count */
    SET_INCONSISTENT = 1 << 1,
    SET_KNOWN = SET_CONSISTENT | SET_INCONSISTENT,
    SET_DOOMED = 1 << 2, /* nothing keeps them */
};

struct walk {
    const struct keep_archive *archives;
    size_t n;
    enum set set;
    size_t at; /* n: before the newest, and after the oldest */
};

static int64_t floor_div(int64_t a, int64_t b)
{
    return a / b - (a % b < 0);
}

static int64_t hour_of(int64_t time)
{
    return floor_div(time, HOUR);
}

static int64_t day_of(int64_t time)
{
    return floor_div(time, DAY);
}

/* ISO 8601 weeks begin on a Monday, also those over the end of a year: 1970-01-01 was a
 * Thursday. */
static int64_t week_of(int64_t time)
{
    return floor_div(day_of(time) + 3, 7);
}

static int64_t year_of(int64_t time)
{
    return floor_div(span_month(time), 12);
}

/* One for which nothing can be proved has no time either that could be believed. */
static unsigned unchangeable(const struct keep_archive *a, int64_t now)
{
    if (!a->authenticated)
        return KEEP_FOREIGN;
    bool future =
        a->time > now && (uint64_t)a->time - (uint64_t)now > KEEP_FUTURE_SLACK;
    return future ? KEEP_FUTURE : 0;
}

static bool sees(enum set set, const struct keep_archive *a)
{
    if ((a->why & (KEEP_FOREIGN | KEEP_FUTURE)) != 0)
        return false;
    if ((set & SET_DOOMED) != 0)
        return a->why == 0;
    return (set & (a->consistent ? SET_CONSISTENT : SET_INCONSISTENT)) != 0;
}

/* Whether x is newer than y. Where the times do not tell, the better one is; then the
 * earlier in the list, and these two are alike in all that is decided by. */
static bool newer(const struct keep_archive *x, const struct keep_archive *y)
{
    if (x->time != y->time)
        return x->time > y->time;
    if (x->number != y->number)
        return x->number > y->number;
    if (x->consistent != y->consistent)
        return x->consistent;
    if (x->verified != y->verified)
        return x->verified;
    if (x->clean != y->clean)
        return x->clean;
    return x < y;
}

/* Go on to the next older one. False after the oldest. */
static bool next(struct walk *w)
{
    const struct keep_archive *a = w->archives;
    size_t best = w->n;
    for (size_t i = 0; i < w->n; i++)
        if (sees(w->set, &a[i]) && (w->at == w->n || newer(&a[w->at], &a[i])) &&
            (best == w->n || newer(&a[i], &a[best])))
            best = i;
    w->at = best;
    return best < w->n;
}

/* A rule that keeps the newest of a period, in the `left` newest periods that have
 * any. */
struct rule {
    unsigned left;
    enum keep_why why;
    int64_t (*of)(int64_t time); /* NULL: every archive is a period */
    int64_t current;
    bool begun;
};

static bool keeps(struct rule *r, int64_t time)
{
    int64_t period = r->of != NULL ? r->of(time) : 0;
    if (r->left == 0 || (r->of != NULL && r->begun && period == r->current))
        return false;
    r->begun = true;
    r->current = period;
    r->left--;
    return true;
}

/* Apply the rules to those in `set`; mark only those in `mark`. */
static void apply(const struct keep_rules *rules, enum set set, enum set mark,
                  struct keep_archive *archives, size_t n)
{
    struct rule by[] = {
        {.left = rules->last, .why = KEEP_LAST},
        {.left = rules->hourly, .why = KEEP_HOURLY, .of = hour_of},
        {.left = rules->daily, .why = KEEP_DAILY, .of = day_of},
        {.left = rules->weekly, .why = KEEP_WEEKLY, .of = week_of},
        {.left = rules->monthly, .why = KEEP_MONTHLY, .of = span_month},
        {.left = rules->yearly, .why = KEEP_YEARLY, .of = year_of},
    };
    bool within = span_given(&rules->within);
    int64_t oldest = 0, newest = 0;
    size_t seen = 0;
    for (struct walk w = {archives, n, set, n}; next(&w); seen++) {
        struct keep_archive *a = &archives[w.at];
        unsigned why = 0;
        for (size_t i = 0; i < sizeof by / sizeof *by; i++)
            why |= keeps(&by[i], a->time) ? by[i].why : 0;
        newest = seen == 0 ? a->time : newest;
        /* If the newest stands apart, the clock may have been wrong for one night. */
        if (within && (seen == 0 || (seen == 1 && (uint64_t)newest - (uint64_t)a->time >
                                                      KEEP_APART)))
            oldest = span_before(&rules->within, a->time);
        if (within && a->time >= oldest)
            why |= KEEP_WITHIN;
        if (sees(mark, a))
            a->why |= why;
    }
}

static void keep_newest_verified(enum set set, struct keep_archive *archives, size_t n)
{
    struct walk w = {archives, n, set, n};
    while (next(&w)) {
        if (archives[w.at].verified) {
            archives[w.at].why |= KEEP_NEWEST_VERIFIED;
            return;
        }
    }
}

/* Where something could not be read for as many nights as the rules go back, this one
 * still has it. Told only where nothing else keeps it. */
static void keep_newest_clean(struct keep_archive *archives, size_t n)
{
    struct walk w = {archives, n, SET_CONSISTENT, n};
    while (next(&w)) {
        if (!archives[w.at].clean)
            continue;
        if (archives[w.at].why == 0)
            archives[w.at].why = KEEP_NEWEST_CLEAN;
        return;
    }
}

/* Whatever the rules say: the last state that is good for sure, and the last proved.
 * The last proved of those that count, too: a proof is of bytes, and does not make an
 * archive of a running server one that can take its place. */
static void keep_newest(struct keep_archive *archives, size_t n)
{
    struct walk consistent = {archives, n, SET_CONSISTENT, n};
    if (next(&consistent))
        archives[consistent.at].why |= KEEP_NEWEST_CONSISTENT;
    keep_newest_verified(SET_CONSISTENT, archives, n);
    keep_newest_verified(SET_KNOWN, archives, n);
    keep_newest_clean(archives, n);
}

/* Of those that nothing keeps, spare the newest, so that at most `max` go. */
static size_t cap(unsigned max, struct keep_archive *archives, size_t n)
{
    size_t doomed = 0;
    for (size_t i = 0; i < n; i++)
        doomed += archives[i].why == 0;
    for (; doomed > max; doomed--) {
        struct walk w = {archives, n, SET_DOOMED, n};
        (void)next(&w);
        archives[w.at].why = KEEP_CAPPED;
    }
    return doomed;
}

bool keep_rules_given(const struct keep_rules *rules)
{
    return rules->last != 0 || rules->hourly != 0 || rules->daily != 0 ||
           rules->weekly != 0 || rules->monthly != 0 || rules->yearly != 0 ||
           span_given(&rules->within);
}

size_t keep_decide(const struct keep_rules *rules, int64_t now, unsigned max_deletes,
                   struct keep_archive *archives, size_t n)
{
    bool given = keep_rules_given(rules);
    for (size_t i = 0; i < n; i++) {
        archives[i].why = unchangeable(&archives[i], now);
        if (archives[i].why == 0 && !given)
            archives[i].why = KEEP_NO_RULE;
    }
    apply(rules, SET_CONSISTENT, SET_CONSISTENT, archives, n);
    apply(rules, SET_KNOWN, SET_INCONSISTENT, archives, n);
    keep_newest(archives, n);
    return cap(max_deletes, archives, n);
}

int keep_why_text(unsigned why, struct buf *out)
{
    static const struct {
        enum keep_why why;
        const char *text;
    } names[] = {
        {KEEP_LAST, "last"},
        {KEEP_HOURLY, "hourly"},
        {KEEP_DAILY, "daily"},
        {KEEP_WEEKLY, "weekly"},
        {KEEP_MONTHLY, "monthly"},
        {KEEP_YEARLY, "yearly"},
        {KEEP_WITHIN, "within"},
        {KEEP_NEWEST_CONSISTENT, "newest consistent"},
        {KEEP_NEWEST_VERIFIED, "newest verified"},
        {KEEP_NEWEST_CLEAN, "newest without warnings"},
        {KEEP_FOREIGN, "not authenticated"},
        {KEEP_FUTURE, "from the future"},
        {KEEP_CAPPED, "enough deleted"},
        {KEEP_NO_RULE, "no rule"},
    };
    const char *before = "";
    if (why == 0)
        return buf_add(out, "-", 1);
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        if ((why & names[i].why) == 0)
            continue;
        if (buf_printf(out, "%s%s", before, names[i].text) != 0)
            return -1;
        before = ", ";
    }
    return 0;
}
