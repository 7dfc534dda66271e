#include "pipe/thread.h"

#include <dirent.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

struct thread {
    pthread_t id;
    void (*fn)(void *ctx);
    void *ctx;
};

static void *run(void *p)
{
    struct thread *t = p;
    t->fn(t->ctx);
    return NULL;
}

int thread_start(struct thread **t, void (*fn)(void *ctx), void *ctx, struct err *err)
{
    struct thread *new = malloc(sizeof *new);
    if (new == NULL)
        return err_nomem(err);
    new->fn = fn;
    new->ctx = ctx;

    sigset_t all, old;
    sigfillset(&all);
    sigdelset(&all, SIGURG);
    sigdelset(&all, SIGPIPE);
    pthread_sigmask(SIG_SETMASK, &all, &old);
    int rc = pthread_create(&new->id, NULL, run, new);
    pthread_sigmask(SIG_SETMASK, &old, NULL);
    if (rc != 0) {
        free(new);
        return err_set(err, ERR_FAIL, "cannot start a thread: %s", strerror(rc));
    }
    *t = new;
    return 0;
}

void thread_wake(struct thread *t)
{
    pthread_kill(t->id, SIGURG);
}

static void wake(pid_t tid)
{
    if (tid > 0 && tid != gettid())
        syscall(SYS_tgkill, getpid(), tid, SIGURG);
}

/* The kernel's list of threads is the one that is always complete. Without /proc the
 * main thread, the one that waits for terminals and slow reads, is still reached. */
void thread_wake_others(void)
{
    DIR *dir = opendir("/proc/self/task");
    if (dir == NULL) {
        wake(getpid());
        return;
    }
    for (const struct dirent *d; (d = readdir(dir)) != NULL;)
        wake((pid_t)strtol(d->d_name, NULL, 10));
    closedir(dir);
}

/* On Linux the nice value is a thread's own. */
void thread_be_nice(void)
{
    setpriority(PRIO_PROCESS, (id_t)gettid(), 10);
}

void thread_join(struct thread *t)
{
    if (t == NULL)
        return;
    pthread_join(t->id, NULL);
    free(t);
}
