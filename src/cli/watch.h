/*
 * Signals, heard by one thread of their own while a command runs.
 *
 * SIGINT, SIGTERM, SIGHUP and SIGUSR1 are blocked in all other threads. A stop signal
 * sets the flag of util/stop.h; from then on all threads are sent SIGURG, every 20 ms,
 * so that whatever they wait in returns EINTR: there is no moment in which a signal
 * could be missed. SIGPIPE sets the same flag. What was ignored when the program
 * started stays ignored.
 */
#ifndef CLI_WATCH_H
#define CLI_WATCH_H

#include "util/err.h"

struct watch;

struct watch_calls {
    void (*tick)(void *ctx); /* about four times a second, on the watcher's thread */
    void (*line)(void *ctx); /* at SIGUSR1, the same */
    void *ctx;
};

/* First thing in main: from here on SIGUSR1 does not end the program, whenever it
 * comes. */
void watch_early(void);

/* Main thread, before any other thread starts. Returns 0 and *w (watch_end it), or -1.
 */
int watch_start(struct watch **w, const struct watch_calls *calls, struct err *err);

/* Main thread, when no other thread is left: end the watcher, give signals back the
 * meaning they had before (SIGUSR1 stays blocked). One that arrives from here on ends
 * the program as usual. */
/* Call fn(arg) while the watcher is not there: its thread ends before, and another one
 * begins after. Signals that come meanwhile wait. Main thread. Returns 0, or -1
 * (ERR_FAIL): no other one could be started. */
int watch_alone(struct watch *w, void (*fn)(void *arg), void *arg, struct err *err);

void watch_end(struct watch *w);

/* End the program by `sig`, as a shell expects of one that was stopped by it. Process 1
 * of a container cannot be ended so: then, and only then, it returns. */
void watch_die(int sig);

#endif
