/*
 * Two processes, one socket. What one says in a packet is a struct of this file: both
 * are the same program. The end of the main process, of whatever kind, is the end of
 * the socket.
 *
 * The main process knows as well what is to be brought back. Should the guardian be
 * gone, it does it itself.
 */
#include "pmm/guardian.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "pmm/volume.h"
#include "secret/secret.h"
#include "util/child.h"
#include "util/stop.h"

#define GUARD_FD     3
#define HOOK_SECONDS 3600u /* docker stop -t 300 of a big server is far below */
#define GUESSED_FDS  65536 /* closed one by one where /proc cannot tell */

extern char **environ;

enum wish {
    WISH_ARM,
    WISH_BEFORE,
    WISH_FORGET,
    WISH_RELEASE,
    WISH_STOP,
    WISH_START,
    WISH_LOOK,  /* a descriptor comes with it */
    WISH_PROOF, /* one of those that ... */
    WISH_KEEP,  /* ... are kept now, in the directory whose descriptor comes with it */
};

struct wish_packet {
    enum wish wish;
    unsigned seconds;
    struct services s;
    struct proof proof;
    int64_t now;
    char path[1024]; /* for messages */
};

/* To WISH_RELEASE there are two: one before anything is done, and one after. */
struct answer_packet {
    int result;
    struct err err;
    struct live live;
};

union with_fd {
    struct cmsghdr head;
    char room[CMSG_SPACE(sizeof(int))];
};

/* What is to be brought back, and whether. */
struct charge {
    bool armed, done;
    struct services s;
    const char *before, *after; /* or NULL */
    struct proof *proofs;
    size_t nproofs;
};

struct guardian {
    pid_t pid;
    int fd;
    struct charge charge;
    int result; /* of the release, once it is done */
    struct err err;
};

/* A command of the user's, which is not repeated in messages. */
static int run_hook(const char *option, const char *command, struct err *err)
{
    char *argv[] = {(char *)"/bin/sh", (char *)"-c", (char *)command, NULL};
    struct child_result r;
    char line[512];
    if (child_run(argv, HOOK_SECONDS, 0, &r, err) != 0)
        return -1;
    if (r.status == 0)
        return 0;
    if (r.status == -1)
        return err_set(err, ERR_FAIL, "the command of %s has not ended in %u s: killed",
                       option, HOOK_SECONDS);
    return err_set(err, ERR_FAIL, "the command of %s failed with status %d: %s", option,
                   r.status, child_last_line(&r, line, sizeof line));
}

/* Both, also when the first fails. */
static int bring_back(struct charge *c, struct err *err)
{
    struct err second = {0};
    c->done = true;
    int r = services_start(&c->s, err);
    if (c->after == NULL || run_hook("--after", c->after, &second) == 0)
        return r;
    if (r == 0)
        *err = second;
    else {
        size_t n = strlen(err->text);
        snprintf(err->text + n, sizeof err->text - n, "; and %s", second.text);
    }
    return -1;
}

/* ---- the guardian's side ---- */

/* Close all but GUARD_FD and what lies below it. */
static void close_others(void)
{
    DIR *d = opendir("/proc/self/fd");
    if (d == NULL) {
        for (int fd = GUARD_FD + 1; fd < GUESSED_FDS; fd++)
            close(fd);
        return;
    }
    for (struct dirent *e; (e = readdir(d)) != NULL;) {
        int fd = atoi(e->d_name);
        if (fd > GUARD_FD && fd != dirfd(d))
            close(fd);
    }
    closedir(d);
}

/* Hold open nothing that another one waits to be closed: the archive's pipe, the
 * streams of `docker exec`. */
static void let_go(int fd)
{
    if (fd != GUARD_FD)
        dup3(fd, GUARD_FD, O_CLOEXEC);
    close_others();
    int null = open("/dev/null", O_RDWR | O_CLOEXEC);
    for (int i = 0; i <= STDERR_FILENO; i++)
        if (null >= 0)
            dup2(null, i);
        else
            close(i);
    if (null > GUARD_FD)
        close(null);
}

/* Where the values stand, so that they are in no memory of this process. */
static void wipe_environment(void)
{
    if (environ == NULL)
        return;
    for (char **e = environ; *e != NULL;) {
        if (!child_hides(*e)) {
            e++;
            continue;
        }
        secret_wipe(*e, strlen(*e));
        for (char **next = e; *next != NULL; next++)
            next[0] = next[1];
    }
}

/* The main process asks to be killed first when memory is short; its guardian should be
 * there then. */
static void stay_alive(void)
{
    int fd = open("/proc/self/oom_score_adj", O_WRONLY | O_CLOEXEC);
    if (fd < 0)
        return;
    ssize_t n = write(fd, "0", 1);
    (void)n;
    close(fd);
}

static void settle_in(int fd)
{
    setsid();
    prctl(PR_SET_NAME, "pmm-seal-guard");
    stay_alive(); /* before this process is not dumpable, and its /proc root's */
    prctl(PR_SET_DUMPABLE, 0);
    wipe_environment();
    let_go(fd);
}

static void answer(const struct answer_packet *a)
{
    while (send(GUARD_FD, a, sizeof *a, MSG_NOSIGNAL) < 0 && errno == EINTR)
        continue;
}

static void on_urg(int sig)
{
    (void)sig;
    stop_set(SIGTERM);
}

/* SIGURG ends it: from the main process, which was told to stop, or from the kernel,
 * because there is no main process any more. Afterwards nothing looks at the flag. */
static int stop_services(const struct wish_packet *w, struct err *err)
{
    const struct sigaction act = {.sa_handler = on_urg};
    sigset_t urg;
    sigemptyset(&urg);
    sigaddset(&urg, SIGURG);
    sigaction(SIGURG, &act, NULL);
    prctl(PR_SET_PDEATHSIG, SIGURG);
    sigprocmask(SIG_UNBLOCK, &urg, NULL);
    int r = services_stop(&w->s, w->seconds, err);
    sigprocmask(SIG_BLOCK, &urg, NULL);
    return r;
}

static int look(int dirfd, struct live *l, struct err *err)
{
    struct volume_facts v;
    if (dirfd < 0)
        return err_set(err, ERR_FAIL, "the guardian process got no directory");
    return volume_look(dirfd, &v, err) == 0 ? live_look(dirfd, &v, l, err) : -1;
}

static int add_proof(struct charge *c, const struct proof *proof, struct err *err)
{
    struct proof *v = realloc(c->proofs, (c->nproofs + 1) * sizeof *v);
    if (v == NULL)
        return err_nomem(err);
    c->proofs = v;
    v[c->nproofs] = *proof;
    v[c->nproofs++].file[sizeof proof->file - 1] = '\0';
    return 0;
}

static int keep_proofs(struct charge *c, const struct wish_packet *w, int dirfd,
                       struct err *err)
{
    size_t n = c->nproofs;
    c->nproofs = 0;
    if (dirfd < 0)
        return err_set(err, ERR_FAIL, "the guardian process got no directory");
    return proven_keep(dirfd, w->path, w->seconds, c->proofs, n, w->now, err);
}

static void fulfil(struct charge *c, const struct wish_packet *w, int dirfd)
{
    struct answer_packet a = {0};
    switch (w->wish) {
    case WISH_ARM:
        c->armed = true;
        c->s = w->s;
        break;
    case WISH_FORGET:
        c->s.n = 0;
        break;
    case WISH_BEFORE:
        a.result = c->before != NULL ? run_hook("--before", c->before, &a.err) : 0;
        break;
    case WISH_STOP:
        a.result = stop_services(w, &a.err);
        break;
    case WISH_START:
        a.result = services_start(&w->s, &a.err);
        break;
    case WISH_LOOK:
        a.result = look(dirfd, &a.live, &a.err);
        break;
    case WISH_PROOF:
        a.result = add_proof(c, &w->proof, &a.err);
        break;
    case WISH_KEEP:
        a.result = keep_proofs(c, w, dirfd, &a.err);
        break;
    case WISH_RELEASE:
        if (!c->armed || c->done)
            break;
        answer(&a);
        a.result = bring_back(c, &a.err);
        break;
    }
    answer(&a);
}

/* A packet, and what came with it: -1 without. As recv. */
static ssize_t take(struct wish_packet *w, int *dirfd)
{
    union with_fd with;
    struct iovec v = {.iov_base = w, .iov_len = sizeof *w};
    struct msghdr m = {.msg_iov = &v,
                       .msg_iovlen = 1,
                       .msg_control = &with,
                       .msg_controllen = sizeof with};
    *dirfd = -1;
    ssize_t n = recvmsg(GUARD_FD, &m, MSG_CMSG_CLOEXEC);
    const struct cmsghdr *h = n > 0 ? CMSG_FIRSTHDR(&m) : NULL;
    if (h != NULL && h->cmsg_type == SCM_RIGHTS &&
        h->cmsg_len == CMSG_LEN(sizeof *dirfd))
        memcpy(dirfd, CMSG_DATA(h), sizeof *dirfd);
    return n;
}

static void guard(int fd, struct charge c) __attribute__((noreturn));

static void guard(int fd, struct charge c)
{
    struct wish_packet w;
    struct err none = {0};
    settle_in(fd);
    for (;;) {
        int dirfd;
        ssize_t n = take(&w, &dirfd);
        if (n == (ssize_t)sizeof w)
            fulfil(&c, &w, dirfd);
        else if (n >= 0 || errno != EINTR)
            break;
        if (dirfd >= 0)
            close(dirfd);
    }
    if (c.armed && !c.done) {
        /* A `supervisorctl stop` of the dead process dies with it, but what it has
         * asked for may be on the way. */
        const struct timespec moment = {.tv_sec = 1};
        nanosleep(&moment, NULL);
        (void)bring_back(&c, &none);
    }
    _exit(0);
}

/* ---- the main process's side ---- */

int guardian_start(struct guardian **g, const char *before, const char *after,
                   struct err *err)
{
    int ends[2];
    sigset_t all, mask;
    struct guardian *new = calloc(1, sizeof *new);
    if (new == NULL)
        return err_nomem(err);
    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends) != 0) {
        free(new);
        return err_sys(err, ERR_FAIL, "cannot start the guardian process");
    }
    /* It never opens its signals again: what ends the others is not to end it. Its
     * children get them as a shell would (util/child.h). */
    sigfillset(&all);
    sigprocmask(SIG_SETMASK, &all, &mask);
    new->charge = (struct charge){.before = before, .after = after};
    new->pid = fork();
    if (new->pid == 0)
        guard(ends[1], new->charge);
    int saved = errno;
    sigprocmask(SIG_SETMASK, &mask, NULL);
    close(ends[1]);
    new->fd = ends[0];
    if (new->pid > 0) {
        *g = new;
        return 0;
    }
    close(ends[0]);
    free(new);
    errno = saved;
    return err_sys(err, ERR_FAIL, "cannot start the guardian process");
}

/* Both return 0, or -1 with errno when the guardian is gone. */
static int tell(const struct guardian *g, const struct wish_packet *w)
{
    ssize_t n;
    do
        n = send(g->fd, w, sizeof *w, MSG_NOSIGNAL);
    while (n < 0 && errno == EINTR);
    return n == (ssize_t)sizeof *w ? 0 : -1;
}

static int hear(const struct guardian *g, struct answer_packet *a)
{
    ssize_t n;
    do
        n = recv(g->fd, a, sizeof *a, 0);
    while (n < 0 && errno == EINTR);
    if (n >= 0 && n != (ssize_t)sizeof *a)
        errno = ECONNRESET;
    return n == (ssize_t)sizeof *a ? 0 : -1;
}

static int gone(struct err *err)
{
    return err_sys(err, ERR_FAIL, "the guardian process is gone");
}

int guardian_arm(struct guardian *g, const struct services *s, struct err *err)
{
    struct wish_packet w = {.wish = WISH_ARM};
    struct answer_packet a;
    if (s != NULL)
        w.s = *s;
    if (tell(g, &w) != 0 || hear(g, &a) != 0)
        return gone(err);
    g->charge.armed = true;
    g->charge.s = w.s;
    return 0;
}

int guardian_before(struct guardian *g, struct err *err)
{
    const struct wish_packet w = {.wish = WISH_BEFORE};
    struct answer_packet a;
    if (tell(g, &w) != 0 || hear(g, &a) != 0) {
        /* What --before began may still be at work, and would end after --after. */
        g->charge.after = NULL;
        return err_set(
            err, ERR_FAIL,
            "the guardian process is gone: the command of --before may still "
            "be running, so that of --after was not run");
    }
    if (a.result != 0)
        *err = a.err;
    return a.result;
}

int guardian_forget_services(struct guardian *g, struct err *err)
{
    const struct wish_packet w = {.wish = WISH_FORGET};
    struct answer_packet a;
    if (tell(g, &w) != 0 || hear(g, &a) != 0)
        return gone(err);
    g->charge.s.n = 0;
    return 0;
}

/* A wish that has one answer. */
static int ask(const struct guardian *g, const struct wish_packet *w, struct err *err)
{
    struct answer_packet a;
    if (tell(g, w) != 0 || hear(g, &a) != 0)
        return gone(err);
    if (a.result != 0)
        *err = a.err;
    return a.result;
}

int guardian_stop(struct guardian *g, const struct services *s, unsigned seconds,
                  struct err *err)
{
    const struct wish_packet w = {.wish = WISH_STOP, .seconds = seconds, .s = *s};
    struct answer_packet a;
    ssize_t n;
    if (tell(g, &w) != 0)
        return gone(err);
    while ((n = recv(g->fd, &a, sizeof a, 0)) < 0 && errno == EINTR)
        if (stop_signal() != 0)
            (void)kill(g->pid, SIGURG);
    if (n != (ssize_t)sizeof a)
        return gone(err);
    if (err_stopped(err) != 0)
        return -1;
    if (a.result != 0)
        *err = a.err;
    /* Who sent it a signal, if not we? */
    if (err->cls == ERR_SIGNAL)
        err->cls = ERR_FAIL;
    return a.result;
}

int guardian_restart(struct guardian *g, const struct services *s, struct err *err)
{
    const struct wish_packet w = {.wish = WISH_START, .s = *s};
    return ask(g, &w, err);
}

/* The same with a descriptor; *a is the answer. */
static int ask_of(const struct guardian *g, const struct wish_packet *w, int dirfd,
                  struct answer_packet *a, struct err *err)
{
    union with_fd with = {.head = {.cmsg_len = CMSG_LEN(sizeof dirfd),
                                   .cmsg_level = SOL_SOCKET,
                                   .cmsg_type = SCM_RIGHTS}};
    struct iovec v = {.iov_base = (void *)w, .iov_len = sizeof *w};
    const struct msghdr m = {.msg_iov = &v,
                             .msg_iovlen = 1,
                             .msg_control = &with,
                             .msg_controllen = sizeof with};
    ssize_t n;
    memcpy(CMSG_DATA(&with.head), &dirfd, sizeof dirfd);
    do
        n = sendmsg(g->fd, &m, MSG_NOSIGNAL);
    while (n < 0 && errno == EINTR);
    if (n != (ssize_t)sizeof *w || hear(g, a) != 0)
        return gone(err);
    if (a->result != 0)
        *err = a->err;
    return a->result;
}

int guardian_look(struct guardian *g, int dirfd, struct live *l, struct err *err)
{
    const struct wish_packet w = {.wish = WISH_LOOK};
    struct answer_packet a;
    int r = ask_of(g, &w, dirfd, &a, err);
    if (r == 0)
        *l = a.live;
    return r;
}

int guardian_keep(struct guardian *g, int dirfd, const char *path, unsigned wait,
                  const struct proof *proofs, size_t n, int64_t now, struct err *err)
{
    struct wish_packet w = {.wish = WISH_PROOF, .seconds = wait, .now = now};
    struct answer_packet a;
    for (size_t i = 0; i < n; i++) {
        w.proof = proofs[i];
        if (ask(g, &w, err) != 0)
            return -1;
    }
    w.wish = WISH_KEEP;
    snprintf(w.path, sizeof w.path, "%s", path);
    return ask_of(g, &w, dirfd, &a, err);
}

/* The guardian is gone. `begun`: it had begun to bring back. Starting a service twice
 * does no harm; a command may. */
static int do_it_ourselves(struct guardian *g, bool begun, struct err *err)
{
    const char *after = g->charge.after;
    if (begun)
        g->charge.after = NULL;
    int r = bring_back(&g->charge, err);
    if (r != 0 || !begun || after == NULL)
        return r;
    return err_set(err, ERR_FAIL,
                   "the guardian process is gone: perhaps the command of --after has "
                   "not run, or not to its end");
}

static int release(struct guardian *g, struct err *err)
{
    const struct wish_packet w = {.wish = WISH_RELEASE};
    struct answer_packet a;
    if (tell(g, &w) != 0 || hear(g, &a) != 0)
        return do_it_ourselves(g, false, err);
    if (hear(g, &a) != 0)
        return do_it_ourselves(g, true, err);
    g->charge.done = true;
    if (a.result != 0)
        *err = a.err;
    return a.result;
}

int guardian_release(struct guardian *g, struct err *err)
{
    if (g->charge.armed && !g->charge.done)
        g->result = release(g, &g->err);
    if (g->result != 0 && err->cls == ERR_NONE)
        *err = g->err;
    return g->result;
}

void guardian_free(struct guardian *g)
{
    struct err lost = {0};
    if (g == NULL)
        return;
    (void)guardian_release(g, &lost);
    close(g->fd);
    while (waitpid(g->pid, NULL, 0) < 0 && errno == EINTR)
        continue;
    free(g);
}
