#include "cli/watch.h"

#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include "pipe/thread.h"
#include "util/stop.h"

#define TICK_MS 250 /* between two looks at the progress */
#define WAKE_MS 20  /* between two calls to stop */

struct watch {
    struct thread *thread;
    struct watch_calls calls;
    atomic_bool done;
    sigset_t wait;              /* what the watcher waits for, SIGURG included */
    sigset_t mask;              /* of the main thread, before */
    struct sigaction pipe, urg; /* before */
};

static void on_pipe(int sig)
{
    stop_set(sig);
}

static void on_urg(int sig)
{
    (void)sig;
}

static void watcher(void *ctx)
{
    struct watch *w = ctx;
    /* SIGURG is to end the wait, not to run the handler. */
    sigprocmask(SIG_BLOCK, &w->wait, NULL);
    while (!atomic_load(&w->done)) {
        long ms = stop_signal() != 0 ? WAKE_MS : TICK_MS;
        const struct timespec time = {.tv_nsec = ms * 1000000};
        int sig = sigtimedwait(&w->wait, NULL, &time);
        if (sig == SIGUSR1)
            w->calls.line(w->calls.ctx);
        else if (sig > 0 && sig != SIGURG)
            stop_set(sig);

        if (atomic_load(&w->done))
            break;
        if (stop_signal() != 0)
            thread_wake_others();
        else
            w->calls.tick(w->calls.ctx);
    }
}

static bool ignored(int sig)
{
    struct sigaction now;
    return sigaction(sig, NULL, &now) == 0 && now.sa_handler == SIG_IGN;
}

static void handle(int sig, void (*fn)(int), struct sigaction *before)
{
    struct sigaction act = {.sa_handler = fn}; /* no SA_RESTART: EINTR is the point */
    sigemptyset(&act.sa_mask);
    sigaction(sig, &act, before);
}

/* Set masks and handlers; undone by restore(). */
static void prepare(struct watch *w)
{
    static const int heard[] = {SIGINT, SIGTERM, SIGHUP, SIGUSR1};
    sigset_t open;
    sigemptyset(&w->wait);
    for (size_t i = 0; i < sizeof heard / sizeof heard[0]; i++)
        if (!ignored(heard[i]))
            sigaddset(&w->wait, heard[i]);
    sigprocmask(SIG_BLOCK, &w->wait, &w->mask);
    sigaddset(&w->wait, SIGURG);

    handle(SIGURG, on_urg, &w->urg);
    if (ignored(SIGPIPE))
        sigaction(SIGPIPE, NULL, &w->pipe);
    else
        handle(SIGPIPE, on_pipe, &w->pipe);
    sigemptyset(&open);
    sigaddset(&open, SIGURG);
    sigaddset(&open, SIGPIPE);
    sigprocmask(SIG_UNBLOCK, &open, NULL);
}

static void restore(const struct watch *w)
{
    sigaction(SIGPIPE, &w->pipe, NULL);
    sigaction(SIGURG, &w->urg, NULL);
    sigprocmask(SIG_SETMASK, &w->mask, NULL);
}

void watch_early(void)
{
    sigset_t one;
    sigemptyset(&one);
    sigaddset(&one, SIGUSR1);
    sigprocmask(SIG_BLOCK, &one, NULL);
    /* Inherited as ignored, it would keep us from learning how a child ended. */
    signal(SIGCHLD, SIG_DFL);
}

int watch_start(struct watch **w, const struct watch_calls *calls, struct err *err)
{
    struct watch *new = calloc(1, sizeof *new);
    if (new == NULL)
        return err_nomem(err);
    new->calls = *calls;
    prepare(new);
    if (thread_start(&new->thread, watcher, new, err) != 0) {
        restore(new);
        free(new);
        return -1;
    }
    *w = new;
    return 0;
}

static void end_thread(struct watch *w)
{
    if (w->thread == NULL)
        return;
    atomic_store(&w->done, true);
    thread_wake(w->thread);
    thread_join(w->thread);
    w->thread = NULL;
    atomic_store(&w->done, false);
}

int watch_alone(struct watch *w, void (*fn)(void *arg), void *arg, struct err *err)
{
    end_thread(w);
    fn(arg);
    return thread_start(&w->thread, watcher, w, err);
}

void watch_end(struct watch *w)
{
    if (w == NULL)
        return;
    end_thread(w);
    restore(w);
    free(w);
}

void watch_die(int sig)
{
    if (getpid() == 1)
        return;
    struct sigaction act = {.sa_handler = SIG_DFL};
    sigset_t open;
    sigemptyset(&act.sa_mask);
    sigaction(sig, &act, NULL);
    sigemptyset(&open);
    sigaddset(&open, sig);
    sigprocmask(SIG_UNBLOCK, &open, NULL);
    raise(sig);
}
