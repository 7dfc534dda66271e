/*
 * The bytes go by read(2) straight into secret memory, never through stdio's buffers.
 * What a command line or an environment holds is in ordinary memory to begin with; from
 * there it is copied once and wiped.
 */
#include "secret/passphrase.h"

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/wait.h>
#include <unistd.h>
#include <zxcvbn.h>

#include "secret/secret.h"
#include "util/child.h"
#include "util/io.h"
#include "util/stop.h"

/* Room for the longest, CR LF, and one byte that shows that there was more. */
#define ROOM (PASSPHRASE_MAX + 3)
#define STRENGTH_OF                                                                    \
    128u /* bytes that zxcvbn looks at; it does not count more than 100 */
#define SECRETS_DIR   "/run/secrets/"
#define VARIABLE_SIZE 64u

/* Take off one line end, and see that what is left is neither nothing nor too much. */
static int finish(const struct passphrase_opts *o, struct passphrase *p,
                  struct err *err)
{
    if (p->len > 0 && p->len < ROOM && p->bytes[p->len - 1] == '\n') {
        p->len--;
        if (p->len > 0 && p->bytes[p->len - 1] == '\r')
            p->len--;
    }
    if (p->len == 0)
        return err_set(err, ERR_KEY, "the %s is empty: %s", o->what, p->source);
    if (p->len > PASSPHRASE_MAX)
        return err_set(err, ERR_KEY, "the %s is longer than %d bytes: %s", o->what,
                       PASSPHRASE_MAX, p->source);
    return 0;
}

static int read_all(const struct passphrase_opts *o, int fd, struct passphrase *p,
                    struct err *err)
{
    ssize_t n = io_read(fd, p->bytes, ROOM);
    if (n < 0)
        return err_sys(err, ERR_KEY, "cannot read the %s: %s", o->what, p->source);
    p->len = (size_t)n;
    return 0;
}

/* Whether a file that all can read is one on purpose: it cannot be changed, or the
 * container engine put it there. */
static bool open_on_purpose(int fd, const char *file)
{
    struct statvfs v;
    if (fstatvfs(fd, &v) == 0 && (v.f_flag & ST_RDONLY) != 0)
        return true;
    char *real = realpath(file, NULL);
    bool secret = real != NULL && strncmp(real, SECRETS_DIR, strlen(SECRETS_DIR)) == 0;
    free(real);
    return secret;
}

static int check_file(const struct passphrase_opts *o, int fd, const char *file,
                      struct err *err)
{
    struct stat st, in;
    if (fstat(fd, &st) != 0)
        return err_sys(err, ERR_KEY, "cannot read the %s: the file %s", o->what, file);
    if (o->stdin_is_archive && fstat(STDIN_FILENO, &in) == 0 &&
        in.st_dev == st.st_dev && in.st_ino == st.st_ino)
        return err_set(err, ERR_USAGE,
                       "standard input is the archive: the %s cannot come from it",
                       o->what);
    if (!S_ISREG(st.st_mode) || (st.st_mode & (S_IROTH | S_IWOTH)) == 0 ||
        o->file_insecure || open_on_purpose(fd, file))
        return 0;
    err_set(err, ERR_REFUSED, "others can %s the file of the %s: %s",
            (st.st_mode & S_IROTH) != 0 ? "read" : "change", o->what, file);
    return err_hint(err, "chmod 600 %s", file);
}

static int from_file(const struct passphrase_opts *o, const char *file,
                     struct passphrase *p, struct err *err)
{
    int fd;
    snprintf(p->source, sizeof p->source, "the file %s", file);
    do
        fd = open(file, O_RDONLY | O_NOCTTY | O_CLOEXEC);
    while (fd < 0 && errno == EINTR && err_stopped(err) == 0);
    if (fd < 0)
        return err_sys(err, ERR_KEY, "cannot read the %s: %s", o->what, p->source);
    int r = check_file(o, fd, file, err);
    if (r == 0)
        r = read_all(o, fd, p, err);
    close(fd);
    return r;
}

static int from_fd(const struct passphrase_opts *o, struct passphrase *p,
                   struct err *err)
{
    snprintf(p->source, sizeof p->source, "file descriptor %d", o->fd);
    if (o->fd == STDIN_FILENO && o->stdin_is_archive)
        return err_set(err, ERR_USAGE,
                       "standard input is the archive: the %s cannot come from it",
                       o->what);
    int r = read_all(o, o->fd, p, err);
    if (o->fd > STDERR_FILENO)
        close(o->fd); /* no child is to find the rest */
    return r;
}

/* Start /bin/sh -c command with its output in the pipe. Returns 0 or an errno. */
static int spawn(const char *command, int out, pid_t *pid)
{
    char *argv[] = {(char *)"sh", (char *)"-c", (char *)command, NULL};
    posix_spawn_file_actions_t actions;
    posix_spawnattr_t attr;
    sigset_t none, pipe_only;
    char **env = child_environment();
    if (env == NULL)
        return ENOMEM;
    int e = posix_spawn_file_actions_init(&actions);
    if (e != 0)
        goto no_actions;
    e = posix_spawnattr_init(&attr);
    if (e != 0)
        goto no_attr;
    /* Signals as a shell expects them, whatever we block or ignore. */
    sigemptyset(&none);
    sigemptyset(&pipe_only);
    sigaddset(&pipe_only, SIGPIPE);
    posix_spawnattr_setsigmask(&attr, &none);
    posix_spawnattr_setsigdefault(&attr, &pipe_only);
    posix_spawnattr_setflags(&attr, POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF);
    e = posix_spawn_file_actions_addopen(&actions, STDIN_FILENO, "/dev/null", O_RDONLY,
                                         0);
    if (e == 0)
        e = posix_spawn_file_actions_adddup2(&actions, out, STDOUT_FILENO);
    if (e == 0)
        e = posix_spawn(pid, "/bin/sh", &actions, &attr, argv, env);
    posix_spawnattr_destroy(&attr);
no_attr:
    posix_spawn_file_actions_destroy(&actions);
no_actions:
    free(env);
    return e;
}

/* Wait for the command; a stop signal is passed on to it. */
static int reap(const struct passphrase_opts *o, pid_t pid, const struct passphrase *p,
                struct err *err)
{
    int status;
    while (waitpid(pid, &status, 0) < 0) {
        if (errno != EINTR)
            return err_sys(err, ERR_KEY, "cannot wait for %s", p->source);
        if (stop_signal() != 0)
            (void)kill(pid, SIGTERM);
    }
    if (err_stopped(err) != 0)
        return -1;
    if (p->len == ROOM) /* it was cut off: how it took that is no matter */
        return 0;
    if (WIFSIGNALED(status))
        return err_set(err, ERR_KEY, "cannot get the %s: %s ended by signal %d",
                       o->what, p->source, WTERMSIG(status));
    if (WEXITSTATUS(status) != 0)
        return err_set(err, ERR_KEY, "cannot get the %s: %s failed with status %d",
                       o->what, p->source, WEXITSTATUS(status));
    return 0;
}

/* The command itself is not repeated in messages: people write secrets into it. */
static int from_command(const struct passphrase_opts *o, const char *command,
                        const char *named, struct passphrase *p, struct err *err)
{
    int fds[2];
    pid_t pid;
    snprintf(p->source, sizeof p->source, "the command of %s", named);
    if (pipe2(fds, O_CLOEXEC) != 0)
        return err_sys(err, ERR_KEY, "cannot get the %s: %s", o->what, p->source);
    int e = spawn(command, fds[1], &pid);
    close(fds[1]);
    if (e != 0) {
        close(fds[0]);
        errno = e;
        return err_sys(err, ERR_KEY, "cannot run %s", p->source);
    }
    int r = read_all(o, fds[0], p, err);
    close(fds[0]);
    if (r != 0)
        (void)kill(pid, SIGTERM);
    return reap(o, pid, p, err) == 0 ? r : -1;
}

static const char *variable(char name[VARIABLE_SIZE], const struct passphrase_opts *o,
                            const char *suffix)
{
    snprintf(name, VARIABLE_SIZE, "%s%s", o->env_prefix, suffix);
    return getenv(name);
}

/* Overwrite the value where it stands, so that /proc/PID/environ no longer shows it. */
static void wipe(const char *name)
{
    char *value = getenv(name);
    if (value != NULL)
        secret_wipe(value, strlen(value));
    unsetenv(name);
}

void passphrase_forget(const struct passphrase_opts *opts)
{
    static const char *const suffixes[] = {"", "_FILE", "_COMMAND"};
    char name[VARIABLE_SIZE];
    for (size_t i = 0; i < sizeof suffixes / sizeof *suffixes; i++)
        if (variable(name, opts, suffixes[i]) != NULL)
            wipe(name);
}

static int from_variable(const char *name, struct passphrase *p)
{
    const char *value = getenv(name);
    size_t n = strnlen(value, ROOM);
    snprintf(p->source, sizeof p->source, "the variable %s", name);
    memcpy(p->bytes, value, n);
    p->len = n;
    wipe(name);
    return 0;
}

/* A variable that says where the passphrase is. */
static int from_pointer(const struct passphrase_opts *o, const char *name, bool command,
                        struct passphrase *p, struct err *err)
{
    char *value = strdup(getenv(name));
    if (value == NULL)
        return err_nomem(err);
    wipe(name);
    int r =
        command ? from_command(o, value, name, p, err) : from_file(o, value, p, err);
    secret_wipe(value, strlen(value));
    free(value);
    return r;
}

/* 1: a variable gave it. 0: none is set. -1. */
static int from_environment(const struct passphrase_opts *o, struct passphrase *p,
                            struct err *err)
{
    char file[VARIABLE_SIZE], command[VARIABLE_SIZE], plain[VARIABLE_SIZE];
    bool f = variable(file, o, "_FILE") != NULL;
    bool c = variable(command, o, "_COMMAND") != NULL;
    bool v = variable(plain, o, "") != NULL;
    if (f + c + v > 1)
        return err_set(err, ERR_USAGE, "two sources for the %s: %s and %s", o->what,
                       f ? file : command, v ? plain : command);
    if (f + c + v == 0)
        return 0;
    int r = v   ? from_variable(plain, p)
            : c ? from_pointer(o, command, true, p, err)
                : from_pointer(o, file, false, p, err);
    return r == 0 ? 1 : -1;
}

static int no_source(const struct passphrase_opts *o, struct err *err)
{
    err_set(
        err, ERR_KEY,
        "no %s: no --%s-file, --%s-fd or --%s-command, no variable %s_FILE, %s_COMMAND "
        "or %s, and no terminal to ask on",
        o->what, o->option_prefix, o->option_prefix, o->option_prefix, o->env_prefix,
        o->env_prefix, o->env_prefix);
    return err_hint(err, "give one of them");
}

/* Ask once. Returns the length or -1. */
static int ask(const struct passphrase_opts *o, const char *text, char *buf,
               struct err *err)
{
    int n = o->prompt != NULL ? o->prompt(o->prompt_ctx, text, buf, ROOM) : -1;
    if (n == -1)
        return no_source(o, err);
    if (n < 0 && err_stopped(err) == 0)
        return err_set(err, ERR_KEY, "no %s was given", o->what);
    return n < 0 ? -1 : n;
}

static int from_terminal(const struct passphrase_opts *o, struct passphrase *p,
                         struct err *err)
{
    char text[128];
    snprintf(p->source, sizeof p->source, "the terminal");
    snprintf(text, sizeof text, "%c%s: ", toupper((unsigned char)o->what[0]),
             o->what + 1);
    int n = ask(o, text, p->bytes, err);
    if (n < 0)
        return -1;
    p->len = (size_t)n;
    if (!o->confirm || n == 0)
        return 0;
    char *second = secret_alloc(ROOM, err);
    if (second == NULL)
        return -1;
    snprintf(text, sizeof text, "Repeat the %s: ", o->what);
    int m = ask(o, text, second, err);
    int r = m < 0 ? -1 : 0;
    if (r == 0 && (m != n || !secret_equal(p->bytes, second, p->len)))
        r = err_set(err, ERR_KEY, "the two are not the same: nothing was done");
    secret_free(second);
    return r;
}

static int from_any(const struct passphrase_opts *o, struct passphrase *p,
                    struct err *err)
{
    const char *option = o->option_prefix;
    char named[VARIABLE_SIZE];
    bool f = o->file != NULL, c = o->command != NULL, d = o->fd >= 0;
    if (f + c + d > 1)
        return err_set(err, ERR_USAGE, "two sources for the %s: --%s-%s and --%s-%s",
                       o->what, option, f ? "file" : "fd", option,
                       c ? "command" : "fd");
    if (f)
        return from_file(o, o->file, p, err);
    if (d)
        return from_fd(o, p, err);
    if (c) {
        snprintf(named, sizeof named, "--%s-command", option);
        return from_command(o, o->command, named, p, err);
    }
    int r = from_environment(o, p, err);
    if (r == 0)
        return from_terminal(o, p, err);
    return r < 0 ? -1 : 0;
}

int passphrase_get(const struct passphrase_opts *opts, struct passphrase *p,
                   struct err *err)
{
    *p = (struct passphrase){0};
    p->bytes = secret_alloc(ROOM, err);
    if (p->bytes == NULL)
        return -1;
    int rc = from_any(opts, p, err);
    passphrase_forget(opts); /* an option may have gone before them */
    if (rc == 0 && finish(opts, p, err) == 0)
        return 0;
    passphrase_free(p);
    return -1;
}

void passphrase_free(struct passphrase *p)
{
    if (p == NULL)
        return;
    secret_free(p->bytes);
    *p = (struct passphrase){0};
}

double passphrase_bits(const struct passphrase *p)
{
    struct err none = {0};
    char *text = secret_alloc(STRENGTH_OF + 1, &none);
    if (text == NULL)
        return 0;
    /* zxcvbn takes a string: leave NUL bytes out, which can only make it weaker. */
    size_t n = 0;
    for (size_t i = 0; i < p->len && n < STRENGTH_OF; i++)
        if (p->bytes[i] != '\0')
            text[n++] = p->bytes[i];
    double bits = ZxcvbnMatch(text, NULL, NULL);
    secret_free(text);
    return bits;
}
