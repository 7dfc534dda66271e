/* For tests in which each allocation fails in turn, each time in a process of its own.
 */
#ifndef TESTS_NOMEMORY_H
#define TESTS_NOMEMORY_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include "util/err.h"

void *__libc_malloc(size_t);
void *__libc_calloc(size_t, size_t);
void *__libc_realloc(void *, size_t);

static long calls, failing; /* that one fails; 0: none */

static bool refused(void)
{
    if (failing == 0 || ++calls != failing)
        return false;
    errno = ENOMEM;
    return true;
}

void *malloc(size_t len)
{
    return refused() ? NULL : __libc_malloc(len);
}

void *calloc(size_t n, size_t len)
{
    return refused() ? NULL : __libc_calloc(n, len);
}

void *realloc(void *p, size_t len)
{
    return refused() ? NULL : __libc_realloc(p, len);
}

enum { SAID = 10, RIGHT, WRONG, NOT_REACHED };

/* An error is no blame for the archive; without one the result is the right one. */
static int judge(int rc, bool right, const struct err *err)
{
    if (rc != 0)
        return err->cls == ERR_FAIL ? SAID : WRONG;
    if (!right)
        return WRONG;
    return calls < failing ? NOT_REACHED : RIGHT;
}

/* `fn` sets `failing` and returns what judge says. A library that does not look whether
 * it got memory, or that ends the process by exit(1), is no success either. */
static void try_each(int (*fn)(const void *ctx, long n), const void *ctx,
                     const char *what)
{
    int status, said = 0;
    for (long n = 1;; n++) {
        pid_t pid = fork();
        assert_true(pid >= 0);
        if (pid == 0) {
            signal(SIGSEGV, SIG_DFL); /* not cmocka's */
            signal(SIGABRT, SIG_DFL);
            fclose(stderr);
            _exit(fn(ctx, n));
        }
        assert_int_equal(waitpid(pid, &status, 0), pid);
        bool crashed = WIFSIGNALED(status) || WEXITSTATUS(status) == 1;
        if (!crashed && (WEXITSTATUS(status) < SAID || WEXITSTATUS(status) == WRONG))
            fail_msg("%s: without allocation %ld: wrong, and not told", what, n);
        said += !crashed && WEXITSTATUS(status) == SAID;
        if (!crashed && WEXITSTATUS(status) == NOT_REACHED)
            break;
    }
    assert_in_range(said, 5, 1000);
}

#endif
