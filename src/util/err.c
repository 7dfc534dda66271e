#include "util/err.h"

#include <errno.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "util/stop.h"

static void set(struct err *err, enum err_class cls, int sys, const char *fmt,
                va_list ap) __attribute__((format(printf, 4, 0)));

static void set(struct err *err, enum err_class cls, int sys, const char *fmt,
                va_list ap)
{
    if (err->cls != ERR_NONE)
        return;
    err->cls = cls;
    err->sys = sys;
    err->hint[0] = '\0';
    vsnprintf(err->text, sizeof err->text, fmt, ap);
}

int err_set(struct err *err, enum err_class cls, const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    set(err, cls, 0, fmt, ap);
    va_end(ap);
    return -1;
}

int err_sys(struct err *err, enum err_class cls, const char *fmt, ...)
{
    int sys = errno;
    if (err->cls != ERR_NONE)
        return -1;
    if (stop_signal() != 0 && (sys == EINTR || sys == EPIPE))
        return err_stopped(err);

    va_list ap;
    va_start(ap, fmt);
    set(err, cls, sys, fmt, ap);
    va_end(ap);
    size_t n = strlen(err->text);
    snprintf(err->text + n, sizeof err->text - n, ": %s", strerror(sys));
    errno = sys;
    return -1;
}

int err_nomem(struct err *err)
{
    return err_set(err, ERR_FAIL, "not enough memory");
}

int err_stopped(struct err *err)
{
    int sig = stop_signal();
    if (sig == 0)
        return 0;
    return err_set(err, ERR_SIGNAL, "stopped by signal %d (%s)", sig, strsignal(sig));
}

int err_hint(struct err *err, const char *fmt, ...)
{
    if (err->hint[0] == '\0') {
        va_list ap;
        va_start(ap, fmt);
        vsnprintf(err->hint, sizeof err->hint, fmt, ap);
        va_end(ap);
    }
    return -1;
}

int err_state(struct err *err, const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(err->hint, sizeof err->hint, fmt, ap);
    va_end(ap);
    err->state_told = 1;
    return -1;
}
