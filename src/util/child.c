/*
 * posix_spawn() cannot do what is needed here: a child that gets a signal when we die.
 * If a backup is killed while `supervisorctl stop` runs, that must not go on stopping
 * what the guardian (pmm/guardian.h) starts at the same time. fork() would copy the
 * pages of keys. Therefore vfork(): until exec the child uses our memory while we
 * stand still, and does nothing but system calls.
 */
#include "util/child.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "util/clock.h"
#include "util/path.h"
#include "util/stop.h"

#define TICK_MS  50 /* between two looks whether it has ended, output or not */
#define QUIET_MS 5  /* the same once its output is closed: it is about to end */
#define PIECE    4096u
#define PIECES   64u /* at most at once: more than a pipe holds */

extern char **environ;

struct child {
    char *const *argv;
    char **env;
    int in, out;          /* its stdin, stdout and stderr */
    pid_t parent;         /* this process */
    volatile int refused; /* errno of the exec, set by the child */
    pid_t pid;
    int pipe; /* our end, non-blocking; -1 after its end */
};

bool child_hides(const char *variable)
{
    static const char *const prefix[] = {"PMM_SEAL_PASSPHRASE",
                                         "PMM_SEAL_NEW_PASSPHRASE"};
    for (size_t i = 0; i < sizeof prefix / sizeof prefix[0]; i++)
        if (strncmp(variable, prefix[i], strlen(prefix[i])) == 0)
            return true;
    return false;
}

char **child_environment(void)
{
    size_t n = 0;
    while (environ != NULL && environ[n] != NULL)
        n++;
    char **env = calloc(n + 1, sizeof *env);
    if (env == NULL)
        return NULL;
    size_t kept = 0;
    for (size_t i = 0; i < n; i++)
        if (!child_hides(environ[i]))
            env[kept++] = environ[i];
    return env;
}

/* No handler of ours may run in the child, whose memory is ours. */
static void default_signals(void)
{
    const struct sigaction standard = {.sa_handler = SIG_DFL};
    for (int sig = 1; sig < NSIG; sig++) {
        struct sigaction act;
        if (sigaction(sig, NULL, &act) != 0 || act.sa_handler == SIG_DFL)
            continue;
        if (act.sa_handler != SIG_IGN || sig == SIGPIPE || sig == SIGTERM ||
            sig == SIGCHLD)
            sigaction(sig, &standard, NULL);
    }
}

/* The child, from vfork to exec: in our memory, with all signals blocked. */
static void become(struct child *c) __attribute__((noreturn));

static void become(struct child *c)
{
    sigset_t none;
    sigemptyset(&none);
    setpgid(0, 0);
    prctl(PR_SET_PDEATHSIG, SIGTERM);
    default_signals();
    /* Dead before it was armed: the one that waits for us is gone. */
    if (getppid() == c->parent && dup2(c->in, STDIN_FILENO) >= 0 &&
        dup2(c->out, STDOUT_FILENO) >= 0 && dup2(c->out, STDERR_FILENO) >= 0) {
        sigprocmask(SIG_SETMASK, &none, NULL);
        execvpe(c->argv[0], c->argv, c->env);
    }
    c->refused = errno;
    _exit(127);
}

/* Returns 0 and c->pid, or -1 with errno. */
static int start(struct child *c)
{
    sigset_t all, before;
    sigfillset(&all);
    sigprocmask(SIG_SETMASK, &all, &before);
    c->parent = getpid();
    c->pid = vfork();
    if (c->pid == 0)
        become(c);
    int saved = errno;
    sigprocmask(SIG_SETMASK, &before, NULL);
    if (c->pid > 0 && c->refused != 0) {
        while (waitpid(c->pid, NULL, 0) < 0 && errno == EINTR)
            continue;
        saved = c->refused;
        c->pid = -1;
    }
    errno = saved;
    return c->pid > 0 ? 0 : -1;
}

/* Returns 0, or -1 with errno. */
static int launch(struct child *c, char *const argv[])
{
    int ends[2];
    int r = -1;
    *c = (struct child){.argv = argv, .pipe = -1};
    c->env = child_environment();
    c->in = open("/dev/null", O_RDONLY | O_CLOEXEC);
    if (c->env != NULL && c->in >= 0 && pipe2(ends, O_CLOEXEC) == 0) {
        c->out = ends[1];
        r = fcntl(ends[0], F_SETFL, O_NONBLOCK) == 0 ? start(c) : -1;
        int saved = errno;
        close(ends[1]);
        if (r == 0)
            c->pipe = ends[0];
        else
            close(ends[0]);
        errno = saved;
    }
    int saved = errno;
    if (c->in >= 0)
        close(c->in);
    free(c->env);
    errno = saved;
    return r;
}

/* Append, and let the first bytes go when there is no room. */
static void keep(struct child_result *r, const char *bytes, size_t n)
{
    const size_t room = sizeof r->out - 1;
    if (r->len + n > room) {
        size_t drop = r->len + n - room;
        memmove(r->out, r->out + drop, r->len - drop);
        r->len -= drop;
    }
    memcpy(r->out + r->len, bytes, n);
    r->len += n;
    r->out[r->len] = '\0';
}

/* Take what is in the pipe, without waiting. */
static void take(struct child *c, struct child_result *r)
{
    char piece[PIECE];
    for (unsigned i = 0; i < PIECES && c->pipe >= 0; i++) {
        ssize_t n = read(c->pipe, piece, sizeof piece);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0 && errno == EAGAIN)
            return;
        if (n > 0) {
            keep(r, piece, (size_t)n);
            continue;
        }
        close(c->pipe);
        c->pipe = -1;
    }
}

/* Wait for its end. Whoever else holds the pipe open is not waited for: what the child
 * itself has written is in the pipe when it is gone. Returns 0 and *status, or -1 with
 * errno. */
static int await(struct child *c, int64_t deadline, int interruptible,
                 struct child_result *r, int *status)
{
    bool killed = false, told = false;
    pid_t pid;
    while ((pid = waitpid(c->pid, status, WNOHANG)) != c->pid) {
        if (pid < 0 && errno != EINTR)
            return -1;
        if (!killed && clock_ms() >= deadline) {
            kill(-c->pid, SIGKILL);
            killed = true;
        }
        if (interruptible && !told && stop_signal() != 0) {
            kill(-c->pid, SIGTERM);
            told = true;
        }
        struct pollfd p = {.fd = c->pipe, .events = POLLIN};
        poll(&p, c->pipe >= 0, c->pipe >= 0 ? TICK_MS : QUIET_MS);
        take(c, r);
    }
    take(c, r);
    r->status = WIFEXITED(*status)                       ? WEXITSTATUS(*status)
                : killed && WTERMSIG(*status) == SIGKILL ? -1
                                                         : 128 + WTERMSIG(*status);
    return 0;
}

int child_run(char *const argv[], unsigned seconds, int interruptible,
              struct child_result *r, struct err *err)
{
    struct child c;
    int status;
    *r = (struct child_result){0};
    int64_t deadline = clock_ms() + (int64_t)seconds * 1000;
    if (launch(&c, argv) != 0)
        return err_sys(err, ERR_FAIL, "cannot run %s", argv[0]);
    int done = await(&c, deadline, interruptible, r, &status);
    int saved = errno;
    if (c.pipe >= 0)
        close(c.pipe);
    errno = saved;
    if (done != 0)
        return err_sys(err, ERR_FAIL, "cannot wait for %s", argv[0]);
    return interruptible ? err_stopped(err) : 0;
}

const char *child_last_line(const struct child_result *r, char *buf, size_t cap)
{
    static const char blank[] = " \t\r\n";
    char line[512];
    size_t end = r->len;
    while (end > 0 && strchr(blank, r->out[end - 1]) != NULL)
        end--; /* a NUL is a blank too */
    size_t begin = end;
    while (begin > 0 && r->out[begin - 1] != '\n')
        begin--;
    size_t n = end - begin < sizeof line - 1 ? end - begin : sizeof line - 1;
    memcpy(line, r->out + begin, n);
    line[n] = '\0';
    return path_escape(buf, cap, n > 0 ? line : "no output");
}
