/*
 * Progress as people see it. The counters are util/progress.h's; the watcher thread
 * draws.
 */
#ifndef CLI_PROGRESS_H
#define CLI_PROGRESS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "cli/message.h"
#include "util/progress.h"

enum progress_mode {
    PROGRESS_AUTO, /* a bar on a terminal, else lines */
    PROGRESS_BAR,
    PROGRESS_LINES, /* one a minute */
    PROGRESS_NONE,
};

/* The watcher thread's own, between progress_init and its end. */
struct progress_view {
    const struct progress *counters;
    struct message *message;
    enum progress_mode mode; /* never PROGRESS_AUTO */
    const char *phase;       /* of the sample before */
    uint64_t time_ms, bytes; /* of the sample before */
    uint64_t start_ms;       /* of the phase */
    double rate;             /* bytes a second, smoothed */
    bool rated;              /* `rate` is known */
    uint64_t next_ms;        /* when the next line is due */
};

/* `mode` AUTO is decided here: by stderr and TERM. */
void progress_init(struct progress_view *v, const struct progress *counters,
                   struct message *message, enum progress_mode mode, uint64_t now_ms);

/* Take a sample; call it every quarter of a second or so. */
void progress_sample(struct progress_view *v, uint64_t now_ms);

/* What the counters and the last sample say, without a line end: "reading: 43 %, 1.10
 * GiB of 2.56 GiB, 330 MiB/s, 0:04 left". Returns out. */
char *progress_text(const struct progress_view *v, char *out, size_t cap);

/* The same with a bar, in at most `width` columns. Returns out. */
char *progress_bar(const struct progress_view *v, char *out, size_t cap, size_t width);

/* For the watcher, ctx is the view: sample and draw what is due; print one line now. */
void progress_tick(void *ctx);
void progress_line(void *ctx);

#endif
