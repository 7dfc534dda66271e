/*
 * Preloaded into the program: what code that an archive had smuggled in would try. At
 * the first chunk that is unpacked it does so once, in whatever thread that is, and
 * says on descriptor 9 how each attempt ended, a line each: its name and "done" or the
 * error.
 *
 *   ESCAPE_DIR     the archive's directory, with the files "victim" and "archive"
 *   ESCAPE_OTHER   another directory
 *   ESCAPE_SETUID  a program with the setuid bit
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#define OUT 9

static void told(const char *what, int failed)
{
    dprintf(OUT, "%s %s\n", what, failed ? strerrorname_np(errno) : "done");
}

static void opens(const char *what, const char *path, int flags)
{
    int fd = open(path, flags | O_CLOEXEC, 0600);
    told(what, fd < 0);
    if (fd >= 0)
        close(fd);
}

static const char *in_dir(const char *name)
{
    static _Thread_local char path[4096];
    snprintf(path, sizeof path, "%s/%s", getenv("ESCAPE_DIR"), name);
    return path;
}

static void runs(const char *what, const char *program)
{
    volatile int why = 0;
    pid_t pid = vfork();
    if (pid == 0) {
        execl(program, program, (char *)NULL);
        why = errno;
        _exit(127);
    }
    waitpid(pid, NULL, 0);
    errno = why;
    told(what, why != 0);
}

static void connects(const char *what)
{
    struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons(9)};
    to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    told(what, connect(fd, (struct sockaddr *)&to, sizeof to) != 0);
    close(fd);
}

static void try_all(void)
{
    char parent[64], other[4096];
    snprintf(parent, sizeof parent, "/proc/%d/environ", (int)getppid());
    opens("read-etc-passwd", "/etc/passwd", O_RDONLY);
    opens("read-neighbour", in_dir("victim"), O_RDONLY);
    opens("read-parent-environment", parent, O_RDONLY);
    opens("write-here", "escaped", O_WRONLY | O_CREAT);
    opens("write-beside-archive", in_dir("escaped"), O_WRONLY | O_CREAT);
    opens("write-archive", in_dir("archive"), O_WRONLY);
    snprintf(other, sizeof other, "%s/escaped", getenv("ESCAPE_OTHER"));
    opens("write-elsewhere", other, O_WRONLY | O_CREAT);
    told("truncate", truncate(in_dir("victim"), 0) != 0);
    told("unlink", unlink(in_dir("victim")) != 0);
    told("rename", rename(in_dir("archive"), "archive") != 0);
    told("symlink", symlink("/etc/passwd", "escaped.link") != 0);
    told("link", link(in_dir("victim"), "escaped.hard") != 0);
    told("mkdir", mkdir("escaped.dir", 0700) != 0);
    told("mkfifo", mkfifo("escaped.fifo", 0600) != 0);
    runs("run-setuid", getenv("ESCAPE_SETUID"));
    runs("run-shell", "/bin/sh");
    connects("connect");
    told("kill-parent", kill(getppid(), 0) != 0);
    told("trace-parent", ptrace(PTRACE_SEIZE, getppid(), NULL, NULL) != 0);
    told("new-privileges",
         prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0) == 1 ? (errno = EPERM) : 0);
}

size_t ZSTD_decompressDCtx(void *ctx, void *dst, size_t cap, const void *src,
                           size_t size)
{
    static atomic_flag tried = ATOMIC_FLAG_INIT;
    size_t (*next)(void *, void *, size_t, const void *, size_t) =
        (size_t(*)(void *, void *, size_t, const void *, size_t))dlsym(
            RTLD_NEXT, "ZSTD_decompressDCtx");
    if (!atomic_flag_test_and_set(&tried))
        try_all();
    return next(ctx, dst, cap, src, size);
}
