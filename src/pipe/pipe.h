/*
 * An ordered parallel pipeline: one producer, N workers, one consumer, and a fixed set
 * of buffers that circulate between them. Who holds a buffer owns it.
 *
 *     free list --get--> producer --put--> workers --(in the order of put)--> consumer
 *         ^                                                                      |
 *         +--------------------------------release-------------------------------+
 *
 * The fixed number of buffers bounds memory and lets the slow end throttle the fast
 * one. The first error wins: it wakes everybody, every call returns failure from then
 * on, and it is what pipe_finish reports. A stop signal (util/stop.h) counts as an
 * error. Exactly one of producer and consumer is the caller's own thread; the other is
 * started with pipe_spawn.
 */
#ifndef PIPE_PIPE_H
#define PIPE_PIPE_H

#include <stddef.h>

#include "util/err.h"

#define PIPE_WORKERS_MAX 64u

struct pipe;

/* A worker's job: work on one buffer. `worker` is the worker's own context. Returns 0,
 * or -1 with *err set, which ends the pipeline. Runs on worker threads, several at
 * once. */
typedef int pipe_work_fn(void *worker, void *buffer, struct err *err);

/* A producer or consumer on a thread of its own. Returns 0 or -1 with *err. */
typedef int pipe_role_fn(void *ctx, struct pipe *p, struct err *err);

/* Start `nworkers` threads (1..PIPE_WORKERS_MAX) with their contexts workers[i].
 * `buffers` are the caller's, borrowed until pipe_finish; nbuffers >= 2. Returns 0 and
 * *p (end with pipe_finish), or -1 with ERR_FAIL. All signals but SIGURG and SIGPIPE
 * are blocked in all threads
 * started here. */
int pipe_start(struct pipe **p, void *const *buffers, size_t nbuffers,
               pipe_work_fn *work, void *const *workers, unsigned nworkers,
               struct err *err);

/* Run `fn` on one more thread. Its error is the pipeline's. At most one per pipe. */
int pipe_spawn(struct pipe *p, pipe_role_fn *fn, void *ctx, struct err *err);

/* Producer: a free buffer, waiting for one. NULL when the pipeline has failed. */
void *pipe_get(struct pipe *p);

/* Producer: hand a buffer over. The order of these calls is the order of the consumer.
 */
void pipe_put(struct pipe *p, void *buffer);

/* Producer: give back a buffer it got and did not use. */
void pipe_unget(struct pipe *p, void *buffer);

/* Producer: nothing more will come. */
void pipe_close(struct pipe *p);

/* Consumer: the next buffer in order, worked on. NULL at the end or when the pipeline
 * has failed: pipe_finish tells which. */
void *pipe_next(struct pipe *p);

/* Consumer: done with the oldest buffer that pipe_next returned; it is free again. */
void pipe_release(struct pipe *p, void *buffer);

/* Any thread: end the pipeline with this error (copied; later ones are ignored). */
void pipe_fail(struct pipe *p, const struct err *err);

/* Any thread, after a call has failed: the pipeline's error, unless *err has one. */
void pipe_error(struct pipe *p, struct err *err);

/* Caller's thread: wait for all threads, free the pipe. Without pipe_close before, the
 * pipeline is cancelled. Returns 0, or -1 with the first error. NULL is harmless. */
int pipe_finish(struct pipe *p, struct err *err);

#endif
