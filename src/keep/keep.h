/*
 * Which archives of one name stay: retention as a pure function of times and facts. No
 * files, no clock.
 *
 * What no rule can break: an archive that cannot be authenticated, or is from the
 * future, is never deleted and never counts; the newest one that is consistent, the
 * newest one that was verified, the newest one that is both, and the newest consistent
 * one that was made without warnings, are never deleted; those that are not consistent
 * never displace consistent ones.
 *
 * Hours, days, ISO 8601 weeks, months and years are those of UTC. Of each, the newest
 * archive is kept, for as many of them as asked in which there are archives, as
 * restic's forget does.
 */
#ifndef KEEP_KEEP_H
#define KEEP_KEEP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "keep/span.h"
#include "util/buf.h"

/* 0: the rule is not given. */
struct keep_rules {
    unsigned last, hourly, daily, weekly, monthly, yearly;
    struct span within; /* before the newest archive that counts, not before now: a
                           stopped nightly job must not eat what it has left; if that
                           is more than KEEP_APART newer than the one before it, it is
                           counted from that one. One that is exactly so old is kept */
};

bool keep_rules_given(const struct keep_rules *rules);

/* Why an archive stays: bits. */
enum keep_why {
    KEEP_LAST = 1 << 0,
    KEEP_HOURLY = 1 << 1,
    KEEP_DAILY = 1 << 2,
    KEEP_WEEKLY = 1 << 3,
    KEEP_MONTHLY = 1 << 4,
    KEEP_YEARLY = 1 << 5,
    KEEP_WITHIN = 1 << 6,
    KEEP_NEWEST_CONSISTENT = 1 << 7,
    KEEP_NEWEST_VERIFIED = 1 << 8,
    KEEP_FOREIGN = 1 << 9,  /* cannot be authenticated */
    KEEP_FUTURE = 1 << 10,  /* made later than now, by more than KEEP_FUTURE_SLACK */
    KEEP_CAPPED = 1 << 11,  /* enough were deleted in this run */
    KEEP_NO_RULE = 1 << 12, /* no rule is given: that deletes nothing */
    KEEP_NEWEST_CLEAN = 1 << 13,
};

struct keep_archive {
    /* in */
    int64_t time;       /* seconds since 1970, by the manifest */
    unsigned number;    /* tells two of one second apart: the higher is newer */
    bool authenticated; /* with the key: its end and its manifest */
    bool consistent;    /* its servers had been shut down, or it has none */
    bool clean;         /* made without warnings */
    bool verified;      /* all of it was read and proved, at some time */
    /* out */
    unsigned why; /* bits of keep_why; 0: delete */
};

#define KEEP_FUTURE_SLACK 3600        /* seconds by which clocks may differ */
#define KEEP_APART        (7 * 86400) /* seconds, between two nights: a clock jumped */

/* Decide for all `n`, in any order. At most `max_deletes` are to be deleted, the oldest
 * first. Returns how many. Memory: none. */
size_t keep_decide(const struct keep_rules *rules, int64_t now, unsigned max_deletes,
                   struct keep_archive *archives, size_t n);

/* Append the reasons as text, such as "daily, newest verified"; "-" for none. 0 or -1.
 */
int keep_why_text(unsigned why, struct buf *out);

#endif
