#include "pipe/pipe.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "util/stop.h"

/* How long a wait lasts before the stop flag is looked at again. */
#define WAIT_MS 100

enum state {
    FREE,    /* on the free list, or with the producer */
    QUEUED,  /* waiting for a worker */
    WORKING, /* with a worker */
    DONE,    /* waiting for, or with, the consumer */
};

struct place {
    void *buffer;
    enum state state;
};

struct worker {
    struct pipe *pipe;
    void *ctx;
    pthread_t thread;
};

/*
 * All fields but `work` are guarded by `lock`. `ring` holds the buffers in flight in
 * the order of pipe_put: ring[head] is the oldest, `count` are in flight, `next` of
 * them have been taken by a worker. Contention is no concern: a buffer is some MiB of
 * work.
 */
struct pipe {
    pthread_mutex_t lock;
    pthread_cond_t freed;  /* a buffer is free, or failure */
    pthread_cond_t queued; /* a buffer waits for a worker, or closed, or failure */
    pthread_cond_t done;   /* the oldest buffer may be done, or closed, or failure */

    void **free;
    size_t nfree, nbuffers;
    struct place *ring;
    size_t head, count, next;
    bool closed, failed;
    struct err err;

    pipe_work_fn *work;
    struct worker *workers;
    unsigned nworkers;

    pthread_t role_thread;
    bool has_role;
    pipe_role_fn *role;
    void *role_ctx;
};

static void fail_locked(struct pipe *p, const struct err *err)
{
    if (!p->failed) {
        p->failed = true;
        p->err = *err;
    }
    pthread_cond_broadcast(&p->freed);
    pthread_cond_broadcast(&p->queued);
    pthread_cond_broadcast(&p->done);
}

/* Wait a while on `cond`; a stop signal that came becomes the pipeline's error. */
static void wait_locked(struct pipe *p, pthread_cond_t *cond)
{
    struct err err = {0};
    if (err_stopped(&err) != 0) {
        fail_locked(p, &err);
        return;
    }
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    t.tv_nsec += WAIT_MS * 1000000L;
    if (t.tv_nsec >= 1000000000L) {
        t.tv_sec++;
        t.tv_nsec -= 1000000000L;
    }
    pthread_cond_timedwait(cond, &p->lock, &t);
}

static struct place *ring_at(struct pipe *p, size_t i)
{
    return &p->ring[(p->head + i) % p->nbuffers];
}

static void *worker_main(void *arg)
{
    struct worker *w = arg;
    struct pipe *p = w->pipe;

    pthread_mutex_lock(&p->lock);
    for (;;) {
        while (!p->failed && p->next == p->count && !p->closed)
            wait_locked(p, &p->queued);
        if (p->failed || p->next == p->count)
            break;
        struct place *pl = ring_at(p, p->next++);
        pl->state = WORKING;
        void *buffer = pl->buffer;
        pthread_mutex_unlock(&p->lock);

        struct err err = {0};
        int r = p->work(w->ctx, buffer, &err);

        pthread_mutex_lock(&p->lock);
        if (r != 0) {
            fail_locked(p, &err);
            break;
        }
        /* The ring does not move under a WORKING buffer: it leaves only when DONE. */
        pl->state = DONE;
        pthread_cond_signal(&p->done);
    }
    pthread_mutex_unlock(&p->lock);
    return NULL;
}

static void *role_main(void *arg)
{
    struct pipe *p = arg;
    struct err err = {0};
    if (p->role(p->role_ctx, p, &err) != 0)
        pipe_fail(p, &err);
    return NULL;
}

/* Threads of ours take no signals: the main thread and cli's watcher do. SIGURG stays
 * open: the watcher wakes blocked system calls with it. So does SIGPIPE, which comes to
 * the thread that writes. */
static int start_thread(pthread_t *t, void *(*fn)(void *), void *arg)
{
    sigset_t all, old;
    sigfillset(&all);
    sigdelset(&all, SIGURG);
    sigdelset(&all, SIGPIPE);
    pthread_sigmask(SIG_SETMASK, &all, &old);
    int r = pthread_create(t, NULL, fn, arg);
    pthread_sigmask(SIG_SETMASK, &old, NULL);
    return r;
}

static struct pipe *pipe_alloc(size_t nbuffers, unsigned nworkers)
{
    struct pipe *p = calloc(1, sizeof *p);
    if (p == NULL)
        return NULL;
    p->free = calloc(nbuffers, sizeof *p->free);
    p->ring = calloc(nbuffers, sizeof *p->ring);
    p->workers = calloc(nworkers, sizeof *p->workers);
    if (p->free == NULL || p->ring == NULL || p->workers == NULL) {
        free(p->free);
        free(p->ring);
        free(p->workers);
        free(p);
        return NULL;
    }
    pthread_condattr_t mono;
    pthread_condattr_init(&mono);
    pthread_condattr_setclock(&mono, CLOCK_MONOTONIC);
    pthread_mutex_init(&p->lock, NULL);
    pthread_cond_init(&p->freed, &mono);
    pthread_cond_init(&p->queued, &mono);
    pthread_cond_init(&p->done, &mono);
    pthread_condattr_destroy(&mono);
    return p;
}

int pipe_start(struct pipe **out, void *const *buffers, size_t nbuffers,
               pipe_work_fn *work, void *const *workers, unsigned nworkers,
               struct err *err)
{
    struct pipe *p = pipe_alloc(nbuffers, nworkers);
    if (p == NULL)
        return err_nomem(err);
    p->nbuffers = p->nfree = nbuffers;
    memcpy(p->free, buffers, nbuffers * sizeof *buffers);
    p->work = work;
    for (unsigned i = 0; i < nworkers; i++) {
        struct worker *w = &p->workers[i];
        *w = (struct worker){.pipe = p, .ctx = workers[i]};
        int r = start_thread(&w->thread, worker_main, w);
        if (r != 0) {
            errno = r;
            err_sys(err, ERR_FAIL, "cannot start a thread");
            pipe_fail(p, err);
            pipe_finish(p, err);
            return -1;
        }
        p->nworkers++;
    }
    *out = p;
    return 0;
}

int pipe_spawn(struct pipe *p, pipe_role_fn *fn, void *ctx, struct err *err)
{
    p->role = fn;
    p->role_ctx = ctx;
    int r = start_thread(&p->role_thread, role_main, p);
    if (r != 0) {
        errno = r;
        return err_sys(err, ERR_FAIL, "cannot start a thread");
    }
    p->has_role = true;
    return 0;
}

void *pipe_get(struct pipe *p)
{
    void *buffer = NULL;
    pthread_mutex_lock(&p->lock);
    while (!p->failed && p->nfree == 0)
        wait_locked(p, &p->freed);
    if (!p->failed)
        buffer = p->free[--p->nfree];
    pthread_mutex_unlock(&p->lock);
    return buffer;
}

void pipe_put(struct pipe *p, void *buffer)
{
    pthread_mutex_lock(&p->lock);
    *ring_at(p, p->count++) = (struct place){.buffer = buffer, .state = QUEUED};
    pthread_cond_signal(&p->queued);
    pthread_mutex_unlock(&p->lock);
}

void pipe_unget(struct pipe *p, void *buffer)
{
    pthread_mutex_lock(&p->lock);
    p->free[p->nfree++] = buffer;
    pthread_mutex_unlock(&p->lock);
}

void pipe_close(struct pipe *p)
{
    pthread_mutex_lock(&p->lock);
    p->closed = true;
    pthread_cond_broadcast(&p->queued);
    pthread_cond_broadcast(&p->done);
    pthread_mutex_unlock(&p->lock);
}

void *pipe_next(struct pipe *p)
{
    void *buffer = NULL;
    pthread_mutex_lock(&p->lock);
    while (!p->failed && !(p->count > 0 && ring_at(p, 0)->state == DONE) &&
           !(p->count == 0 && p->closed))
        wait_locked(p, &p->done);
    if (!p->failed && p->count > 0)
        buffer = ring_at(p, 0)->buffer;
    pthread_mutex_unlock(&p->lock);
    return buffer;
}

void pipe_release(struct pipe *p, void *buffer)
{
    pthread_mutex_lock(&p->lock);
    p->head = (p->head + 1) % p->nbuffers;
    p->count--;
    p->next--;
    p->free[p->nfree++] = buffer;
    pthread_cond_signal(&p->freed);
    if (p->count > 0 && ring_at(p, 0)->state == DONE)
        pthread_cond_signal(&p->done);
    pthread_mutex_unlock(&p->lock);
}

void pipe_fail(struct pipe *p, const struct err *err)
{
    pthread_mutex_lock(&p->lock);
    fail_locked(p, err);
    pthread_mutex_unlock(&p->lock);
}

void pipe_error(struct pipe *p, struct err *err)
{
    pthread_mutex_lock(&p->lock);
    if (p->failed && err->cls == ERR_NONE)
        *err = p->err;
    pthread_mutex_unlock(&p->lock);
}

int pipe_finish(struct pipe *p, struct err *err)
{
    if (p == NULL)
        return 0;
    pthread_mutex_lock(&p->lock);
    if (!p->closed && !p->failed) {
        p->closed = true;
        p->failed = true; /* cancelled by its owner, who has an error of his own */
    }
    if (p->failed)
        fail_locked(p, &p->err);
    pthread_mutex_unlock(&p->lock);

    for (unsigned i = 0; i < p->nworkers; i++)
        pthread_join(p->workers[i].thread, NULL);
    if (p->has_role)
        pthread_join(p->role_thread, NULL);

    int r = p->failed ? -1 : 0;
    if (r != 0 && err->cls == ERR_NONE)
        *err = p->err;
    pthread_cond_destroy(&p->freed);
    pthread_cond_destroy(&p->queued);
    pthread_cond_destroy(&p->done);
    pthread_mutex_destroy(&p->lock);
    free(p->free);
    free(p->ring);
    free(p->workers);
    free(p);
    return r;
}
