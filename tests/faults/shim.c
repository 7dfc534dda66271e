/*
 * LD_PRELOAD: makes one call of a program fail, or the program die at it.
 *
 *   FAULT_KIND   which calls are counted: a name of kinds[] below; "change" is every
 * call that changes something on the disk FAULT_N      the first one that is to fail,
 * from 1 FAULT_TIMES  so many of them in a row; 0: all that follow. Default 1 FAULT_HOW
 * a number: it fails with this errno; "short": it takes a part of the bytes; "kill":
 * SIGKILL instead of the call; "torn": half of a write, then SIGKILL FAULT_COUNTS file:
 * gets a line "kind calls" for each kind when the program exits FAULT_ORDER  file: gets
 * a line "call path" (of a write: "call path offset length") for each call that changed
 * something, in the order in which they returned FAULT_KDF    set: crypto_pwhash of
 * libsodium is a hash of no cost. The program is run some ten thousand times, and
 * Argon2id is not what these tests are about
 *
 * Nothing here allocates. A call that is let through is what the kernel makes of it.
 */
#define _GNU_SOURCE
#include <dirent.h>
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

/* clang-format off */
enum kind {
    READ, PREAD, WRITE, PWRITE, FSYNC, SYNCFS, RENAME, OPEN, MKDIR, LINK, SYMLINK, MKNOD,
    UNLINK, CHOWN, CHMOD, SETXATTR, GETXATTR, STAT, TRUNCATE, UTIMES, LOCK, READDIR, CLOSE,
    STATVFS, MALLOC, THREAD, RANDOM, CHANGE, KINDS
};
static const char *const kinds[KINDS] = {
    "read", "pread", "write", "pwrite", "fsync", "syncfs", "rename", "open", "mkdir", "link",
    "symlink", "mknod", "unlink", "chown", "chmod", "setxattr", "getxattr", "stat",
    "truncate", "utimes", "lock", "readdir", "close", "statvfs", "malloc", "thread",
    "random", "change"};
/* clang-format on */

enum how { PASS, FAIL, SHORT, DIE, TORN };

static atomic_long counts[KINDS];
static int armed = -1, with;
static long first = 1, times = 1;
static enum how how = PASS;
static int counts_fd = -1, order_fd = -1, who_fd = -1;
static int free_kdf, ready;

/* ---- the kernel ---- */

static long raw(long nr, long a, long b, long c, long d, long e, long f)
{
    register long r10 __asm__("r10") = d, r8 __asm__("r8") = e, r9 __asm__("r9") = f;
    long r;
    __asm__ volatile("syscall"
                     : "=a"(r)
                     : "a"(nr), "D"(a), "S"(b), "d"(c), "r"(r10), "r"(r8), "r"(r9)
                     : "rcx", "r11", "memory");
    return r;
}

static long sys(long nr, long a, long b, long c, long d, long e)
{
    long r = raw(nr, a, b, c, d, e, 0);
    if (r >= 0 || r < -4095)
        return r;
    errno = (int)-r;
    return -1;
}

#define SYS(nr, ...) SYS_(SYS_##nr, __VA_ARGS__, 0, 0, 0, 0, 0)
#define SYS_(nr, a, b, c, d, e, ...)                                                   \
    sys(nr, (long)(a), (long)(b), (long)(c), (long)(d), (long)(e))

static void die(void)
{
    raw(SYS_kill, raw(SYS_getpid, 0, 0, 0, 0, 0, 0), SIGKILL, 0, 0, 0, 0);
    for (;;)
        raw(SYS_pause, 0, 0, 0, 0, 0, 0);
}

/* ---- counting ---- */

/* What is to become of this call. Where it fails, errno is set; where the program dies,
 * this does not return. */
static enum how hit(enum kind kind)
{
    long n = atomic_fetch_add(&counts[kind], 1) + 1;
    if (!ready || armed != (int)kind || n < first || (times != 0 && n >= first + times))
        return PASS;
    if (how == DIE)
        die();
    if (how == FAIL)
        errno = with;
    return how;
}

/* The same, of a call that changes something. */
static enum how change(enum kind kind)
{
    enum how h = hit(CHANGE);
    if (h == PASS)
        h = hit(kind);
    if (h == TORN && kind != WRITE && kind != PWRITE)
        die();
    return h;
}

static void put(int fd, const char *text, int len)
{
    raw(SYS_write, fd, (long)text, len, 0, 0, 0);
}

/* A line of FAULT_ORDER. `name` may be NULL: then it is the file of dirfd. */
static void note(const char *call, int dirfd, const char *name, long off, long len)
{
    char link[64], dir[3000], line[8192];
    if (order_fd < 0)
        return;
    int saved = errno;
    snprintf(link, sizeof link,
             dirfd == AT_FDCWD ? "/proc/self/cwd" : "/proc/self/fd/%d", dirfd);
    long n = raw(SYS_readlink, (long)link, (long)dir, sizeof dir - 1, 0, 0, 0);
    dir[n > 0 ? n : 0] = '\0';
    if (name != NULL && name[0] == '/')
        dir[0] = '\0';
    int k =
        snprintf(line, sizeof line, "%s %s%s%.3000s", call, dir,
                 name != NULL && dir[0] != '\0' ? "/" : "", name != NULL ? name : "");
    if (len >= 0)
        k += snprintf(line + k, sizeof line - (size_t)k, " %ld %ld", off, len);
    line[k++] = '\n';
    put(order_fd, line, k);
    errno = saved;
}

static long done(long r, const char *call, int dirfd, const char *name)
{
    if (r >= 0)
        note(call, dirfd, name, 0, -1);
    return r;
}

/* ---- bytes ---- */

static size_t part(size_t len)
{
    return len > 1 ? len / 2 : len;
}

ssize_t read(int fd, void *buf, size_t len)
{
    enum how h = hit(READ);
    return h == FAIL ? -1 : SYS(read, fd, buf, h == SHORT ? part(len) : len);
}

ssize_t pread(int fd, void *buf, size_t len, off_t off)
{
    enum how h = hit(PREAD);
    return h == FAIL ? -1 : SYS(pread64, fd, buf, h == SHORT ? part(len) : len, off);
}

ssize_t write(int fd, const void *buf, size_t len)
{
    /* Messages are not what is to fail. */
    enum how h = fd == STDERR_FILENO ? PASS : change(WRITE);
    if (h == FAIL)
        return -1;
    long at = order_fd >= 0 ? raw(SYS_lseek, fd, 0, SEEK_CUR, 0, 0, 0) : 0;
    ssize_t n = SYS(write, fd, buf, h == PASS ? len : part(len));
    if (h == TORN)
        die();
    if (n >= 0)
        note("write", fd, NULL, at, n);
    return n;
}

ssize_t pwrite(int fd, const void *buf, size_t len, off_t off)
{
    enum how h = change(PWRITE);
    if (h == FAIL)
        return -1;
    ssize_t n = SYS(pwrite64, fd, buf, h == PASS ? len : part(len), off);
    if (h == TORN)
        die();
    if (n >= 0)
        note("write", fd, NULL, off, n);
    return n;
}

int ftruncate(int fd, off_t len)
{
    return change(TRUNCATE) != PASS
               ? -1
               : (int)done(SYS(ftruncate, fd, len), "truncate", fd, NULL);
}

int fsync(int fd)
{
    return change(FSYNC) != PASS ? -1 : (int)done(SYS(fsync, fd), "fsync", fd, NULL);
}

int fdatasync(int fd)
{
    return change(FSYNC) != PASS ? -1
                                 : (int)done(SYS(fdatasync, fd), "fsync", fd, NULL);
}

int syncfs(int fd)
{
    return change(SYNCFS) != PASS ? -1 : (int)done(SYS(syncfs, fd), "syncfs", fd, NULL);
}

/* A descriptor is closed also where that is an error. */
int close(int fd)
{
    enum how h = hit(CLOSE);
    int saved = errno;
    int r = (int)SYS(close, fd);
    if (h == PASS)
        return r;
    errno = saved;
    return -1;
}

/* ---- names ---- */

static int open_at(int dirfd, const char *path, int flags, mode_t mode)
{
    bool creates = (flags & O_CREAT) != 0;
    if ((creates ? change(OPEN) : hit(OPEN)) != PASS)
        return -1;
    int fd = (int)SYS(openat, dirfd, path, flags, mode);
    if (creates && fd >= 0)
        note("create", fd, NULL, 0, -1);
    return fd;
}

static mode_t mode_of(int flags, va_list ap)
{
    return (flags & O_CREAT) != 0 || (flags & O_TMPFILE) == O_TMPFILE
               ? va_arg(ap, mode_t)
               : 0;
}

int open(const char *path, int flags, ...)
{
    va_list ap;
    va_start(ap, flags);
    mode_t mode = mode_of(flags, ap);
    va_end(ap);
    return open_at(AT_FDCWD, path, flags, mode);
}

int openat(int dirfd, const char *path, int flags, ...)
{
    va_list ap;
    va_start(ap, flags);
    mode_t mode = mode_of(flags, ap);
    va_end(ap);
    return open_at(dirfd, path, flags, mode);
}

int __open_2(const char *path, int flags)
{
    return open_at(AT_FDCWD, path, flags, 0);
}

int __openat_2(int dirfd, const char *path, int flags)
{
    return open_at(dirfd, path, flags, 0);
}

/* openat2(2), which has no name in the C library. */
long syscall(long nr, ...)
{
    long a[6];
    va_list ap;
    va_start(ap, nr);
    for (int i = 0; i < 6; i++)
        a[i] = va_arg(ap, long);
    va_end(ap);
    if (nr == SYS_openat2 && hit(OPEN) != PASS)
        return -1;
    long r = raw(nr, a[0], a[1], a[2], a[3], a[4], a[5]);
    if (r >= 0 || r < -4095)
        return r;
    errno = (int)-r;
    return -1;
}

static int rename_at(int from, const char *a, int to, const char *b, unsigned flags)
{
    if (change(RENAME) != PASS)
        return -1;
    note("rename-from", from, a, 0, -1);
    return (int)done(SYS(renameat2, from, a, to, b, flags), "rename-to", to, b);
}

int rename(const char *a, const char *b)
{
    return rename_at(AT_FDCWD, a, AT_FDCWD, b, 0);
}

int renameat(int from, const char *a, int to, const char *b)
{
    return rename_at(from, a, to, b, 0);
}

int renameat2(int from, const char *a, int to, const char *b, unsigned flags)
{
    return rename_at(from, a, to, b, flags);
}

int mkdirat(int dirfd, const char *path, mode_t mode)
{
    return change(MKDIR) != PASS
               ? -1
               : (int)done(SYS(mkdirat, dirfd, path, mode), "mkdir", dirfd, path);
}

int linkat(int from, const char *a, int to, const char *b, int flags)
{
    return change(LINK) != PASS
               ? -1
               : (int)done(SYS(linkat, from, a, to, b, flags), "link", to, b);
}

int symlinkat(const char *target, int dirfd, const char *path)
{
    return change(SYMLINK) != PASS
               ? -1
               : (int)done(SYS(symlinkat, target, dirfd, path), "symlink", dirfd, path);
}

int mknodat(int dirfd, const char *path, mode_t mode, dev_t dev)
{
    return change(MKNOD) != PASS
               ? -1
               : (int)done(SYS(mknodat, dirfd, path, mode, dev), "mknod", dirfd, path);
}

int unlinkat(int dirfd, const char *path, int flags)
{
    return change(UNLINK) != PASS
               ? -1
               : (int)done(SYS(unlinkat, dirfd, path, flags), "unlink", dirfd, path);
}

/* ---- metadata ---- */

int fchown(int fd, uid_t uid, gid_t gid)
{
    return change(CHOWN) != PASS ? -1 : (int)SYS(fchown, fd, uid, gid);
}

int fchownat(int dirfd, const char *path, uid_t uid, gid_t gid, int flags)
{
    return change(CHOWN) != PASS ? -1
                                 : (int)SYS(fchownat, dirfd, path, uid, gid, flags);
}

int fchmod(int fd, mode_t mode)
{
    return change(CHMOD) != PASS ? -1 : (int)SYS(fchmod, fd, mode);
}

int fsetxattr(int fd, const char *name, const void *value, size_t len, int flags)
{
    return change(SETXATTR) != PASS ? -1
                                    : (int)SYS(fsetxattr, fd, name, value, len, flags);
}

int lsetxattr(const char *path, const char *name, const void *value, size_t len,
              int flags)
{
    return change(SETXATTR) != PASS
               ? -1
               : (int)SYS(lsetxattr, path, name, value, len, flags);
}

int setxattr(const char *path, const char *name, const void *value, size_t len,
             int flags)
{
    return change(SETXATTR) != PASS ? -1
                                    : (int)SYS(setxattr, path, name, value, len, flags);
}

ssize_t fgetxattr(int fd, const char *name, void *value, size_t len)
{
    return hit(GETXATTR) != PASS ? -1 : SYS(fgetxattr, fd, name, value, len);
}

ssize_t flistxattr(int fd, char *list, size_t len)
{
    return hit(GETXATTR) != PASS ? -1 : SYS(flistxattr, fd, list, len);
}

int futimens(int fd, const struct timespec t[2])
{
    return change(UTIMES) != PASS
               ? -1
               : (int)done(SYS(utimensat, fd, 0, t, 0), "utimes", fd, NULL);
}

int utimensat(int dirfd, const char *path, const struct timespec t[2], int flags)
{
    return change(UTIMES) != PASS ? -1 : (int)SYS(utimensat, dirfd, path, t, flags);
}

struct stat;
struct statvfs;

int fstat(int fd, struct stat *st)
{
    return hit(STAT) != PASS ? -1 : (int)SYS(fstat, fd, st);
}

int fstatat(int dirfd, const char *path, struct stat *st, int flags)
{
    return hit(STAT) != PASS ? -1 : (int)SYS(newfstatat, dirfd, path, st, flags);
}

int stat(const char *path, struct stat *st)
{
    return hit(STAT) != PASS ? -1 : (int)SYS(stat, path, st);
}

int lstat(const char *path, struct stat *st)
{
    return hit(STAT) != PASS ? -1 : (int)SYS(lstat, path, st);
}

int flock(int fd, int op)
{
    return hit(LOCK) != PASS ? -1 : (int)SYS(flock, fd, op);
}

/* ---- what the C library does itself ---- */

static int (*real_thread)(pthread_t *, const pthread_attr_t *, void *(*)(void *),
                          void *);
static struct dirent *(*real_readdir)(DIR *);
static int (*real_statvfs)(int, struct statvfs *);
static int (*real_hash)(unsigned char *, size_t, const unsigned char *,
                        unsigned long long, const unsigned char *, size_t);
static int (*real_kdf)(unsigned char *, unsigned long long, const char *,
                       unsigned long long, const unsigned char *, unsigned long long,
                       size_t, int);

int pthread_create(pthread_t *t, const pthread_attr_t *attr, void *(*fn)(void *),
                   void *arg)
{
    return hit(THREAD) != PASS ? with : real_thread(t, attr, fn, arg);
}

struct dirent *readdir(DIR *d)
{
    return hit(READDIR) != PASS ? NULL : real_readdir(d);
}

int fstatvfs(int fd, struct statvfs *v)
{
    return hit(STATVFS) != PASS ? -1 : real_statvfs(fd, v);
}

ssize_t getrandom(void *buf, size_t len, unsigned flags)
{
    return hit(RANDOM) != PASS ? -1 : SYS(getrandom, buf, len, flags);
}

int crypto_pwhash(unsigned char *out, unsigned long long outlen, const char *passphrase,
                  unsigned long long len, const unsigned char *salt,
                  unsigned long long passes, size_t memory, int alg)
{
    if (!free_kdf)
        return real_kdf(out, outlen, passphrase, len, salt, passes, memory, alg);
    if (hit(MALLOC) != PASS)
        return -1;
    return real_hash(out, outlen, (const unsigned char *)passphrase, len, salt, 16);
}

/* ---- memory ---- */

void *__libc_malloc(size_t);
void *__libc_calloc(size_t, size_t);
void *__libc_realloc(void *, size_t);
void *__libc_memalign(size_t, size_t);

static void who(void *caller)
{
    Dl_info info;
    int fd = who_fd;
    if (fd < 0 || dladdr(caller, &info) == 0)
        return;
    who_fd = -1;
    put(fd, info.dli_fname, (int)strlen(info.dli_fname));
    raw(SYS_close, fd, 0, 0, 0, 0, 0);
}

static bool refused(void *caller)
{
    if (hit(MALLOC) == PASS)
        return false;
    who(caller);
    errno = with;
    return true;
}

#define REFUSED refused(__builtin_return_address(0))

void *malloc(size_t len)
{
    return REFUSED ? NULL : __libc_malloc(len);
}

void *calloc(size_t n, size_t len)
{
    return REFUSED ? NULL : __libc_calloc(n, len);
}

void *realloc(void *p, size_t len)
{
    return len > 0 && REFUSED ? NULL : __libc_realloc(p, len);
}

void *reallocarray(void *p, size_t n, size_t len)
{
    size_t bytes;
    if (__builtin_mul_overflow(n, len, &bytes)) {
        errno = ENOMEM;
        return NULL;
    }
    return bytes > 0 && REFUSED ? NULL : __libc_realloc(p, bytes);
}

int posix_memalign(void **p, size_t align, size_t len)
{
    if (hit(MALLOC) != PASS)
        return ENOMEM;
    *p = __libc_memalign(align, len);
    return *p != NULL ? 0 : ENOMEM;
}

/* ---- begin and end ---- */

static int log_file(const char *name)
{
    const char *path = getenv(name);
    if (path == NULL)
        return -1;
    long fd = raw(SYS_openat, AT_FDCWD, (long)path,
                  O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600, 0, 0);
    /* Out of the way of the descriptors that the program expects. */
    long high = raw(SYS_fcntl, fd, F_DUPFD_CLOEXEC, 900, 0, 0, 0);
    raw(SYS_close, fd, 0, 0, 0, 0, 0);
    return (int)high;
}

__attribute__((constructor)) static void begin(void)
{
    const char *kind = getenv("FAULT_KIND"), *s = getenv("FAULT_HOW");
    *(void **)&real_thread = dlsym(RTLD_NEXT, "pthread_create");
    *(void **)&real_readdir = dlsym(RTLD_NEXT, "readdir");
    *(void **)&real_statvfs = dlsym(RTLD_NEXT, "fstatvfs");
    *(void **)&real_hash = dlsym(RTLD_NEXT, "crypto_generichash");
    *(void **)&real_kdf = dlsym(RTLD_NEXT, "crypto_pwhash");
    free_kdf = getenv("FAULT_KDF") != NULL;
    counts_fd = log_file("FAULT_COUNTS");
    order_fd = log_file("FAULT_ORDER");
    who_fd = log_file("FAULT_WHO");
    for (int i = 0; kind != NULL && i < KINDS; i++)
        if (strcmp(kind, kinds[i]) == 0)
            armed = i;
    if (s != NULL) {
        with = atoi(s);
        how = strcmp(s, "short") == 0  ? SHORT
              : strcmp(s, "kill") == 0 ? DIE
              : strcmp(s, "torn") == 0 ? TORN
                                       : FAIL;
    }
    if ((s = getenv("FAULT_N")) != NULL)
        first = atol(s);
    if ((s = getenv("FAULT_TIMES")) != NULL)
        times = atol(s);
    if (kind != NULL && armed < 0) {
        static const char text[] = "shim: unknown FAULT_KIND\n";
        put(2, text, sizeof text - 1);
        die();
    }
    for (int i = 0; i < KINDS; i++)
        atomic_store(&counts[i], 0);
    ready = 1;
}

__attribute__((destructor)) static void end(void)
{
    char line[64];
    ready = 0;
    for (int i = 0; i < KINDS && counts_fd >= 0; i++)
        put(counts_fd, line,
            snprintf(line, sizeof line, "%s %ld\n", kinds[i], atomic_load(&counts[i])));
}
