/*
 * What is said on standard error: errors, warnings, notes and progress. Nobody else
 * writes there while a command runs. Every line begins with "pmm-seal: "; control bytes
 * in it are escaped.
 *
 * The main thread speaks; the watcher thread only calls message_progress. The lock
 * between the two is that of stderr (flockfile), and the watcher never waits for it.
 */
#ifndef CLI_MESSAGE_H
#define CLI_MESSAGE_H

#include <stdatomic.h>
#include <stdbool.h>

#include "report/report.h"
#include "util/err.h"

struct message {
    bool quiet;       /* -q: no notes */
    bool journal;     /* standard error goes to systemd's journal: see message_init */
    bool bar;         /* under the lock: a progress bar stands in the last line */
    atomic_bool hold; /* no progress now: a person is being asked */
};

/* Zero *m. Where standard error is the stream that JOURNAL_STREAM names, each line gets
 * its priority in front ("<3>" error, "<4>" warning, "<5>" note, "<6>" progress), as
 * sd-daemon(3) has it, and journalctl -p finds it. */
void message_init(struct message *m);

/* The error, and its hint on a line of its own. */
void message_error(struct message *m, const struct err *err);

/* A line of its own, printf style. message_note is silent with -q. */
void message_say(struct message *m, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));
void message_note(struct message *m, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));

/* A note or warning as it happens: a report_live_fn, ctx is the struct message. */
void message_live(void *ctx, const struct report_line *line);

/* The watcher thread: show progress. A bar overwrites the one before, anything else is
 * a line of its own. Shows nothing when that would have to wait. */
void message_progress(struct message *m, const char *text, bool bar);

/* Take the bar away; with `hold` progress stays silent until the next call without. */
void message_clear(struct message *m, bool hold);

#endif
