/*
 * One thread, for cli's watcher or a scan beside the work; the pipelines of pipe/pipe.h
 * have their own.
 *
 * SIGURG is the signal that means nothing: its handler does nothing, and its arrival
 * makes a blocked read, write or open return EINTR.
 */
#ifndef PIPE_THREAD_H
#define PIPE_THREAD_H

#include "util/err.h"

struct thread;

/* Start a thread that runs fn(ctx), with all signals but SIGURG and SIGPIPE blocked.
 * Returns 0 and *t (thread_join it), or -1 with ERR_FAIL. */
int thread_start(struct thread **t, void (*fn)(void *ctx), void *ctx, struct err *err);

/* Send SIGURG to this thread: a sigtimedwait(2) that waits for it returns. */
void thread_wake(struct thread *t);

/* Send SIGURG to every other thread of the process. */
void thread_wake_others(void);

/* The calling thread yields the CPU to the others: for what is only of help. */
void thread_be_nice(void);

/* Wait for the thread's end and free it. NULL is harmless. */
void thread_join(struct thread *t);

#endif
