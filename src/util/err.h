/*
 * Errors: one value that travels up, one class that becomes the exit status.
 *
 * A function that can fail returns 0 or -1 and takes a `struct err *` last. On -1
 * the struct holds what to say to the user; on 0 it is untouched. Nothing below
 * src/cli prints. The first error of a run is the one reported: err_set() does not
 * overwrite one that is already set.
 */
#ifndef UTIL_ERR_H
#define UTIL_ERR_H

enum err_class {
    ERR_NONE = 0,
    ERR_FAIL,    /* exit 1: I/O, memory, space, anything not below */
    ERR_USAGE,   /* exit 2: the command line makes no sense */
    ERR_KEY,     /* exit 4: wrong passphrase or none at all */
    ERR_DAMAGED, /* exit 5: not an archive, damaged, cut, or of a newer version */
    ERR_BUSY,    /* exit 6: held by another run */
    ERR_REFUSED, /* exit 7: refused for safety */
    ERR_SIGNAL,  /* exit 128+n: ended by signal n, see util/stop.h */
};

struct err {
    enum err_class cls;
    int sys;         /* errno at the failure, 0 if none */
    char text[1536]; /* "what failed: object: why", raw bytes of names included */
    char hint[512];  /* what to do, or empty */
    int state_told;  /* err_state: something was changed, and the hint says what. Else
                        this failure has left everything as it was */
};

/* Set class and text (printf style). Keeps an earlier error. Returns -1 always, so
 * that `return err_set(...)` reads as what it is. `err` may not be NULL. */
int err_set(struct err *err, enum err_class cls, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));

/* As err_set, with ": " and the text of errno appended and errno kept. If a signal
 * asked us to stop and errno is EINTR or EPIPE, the class becomes ERR_SIGNAL. */
int err_sys(struct err *err, enum err_class cls, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));

/* Out of memory, class ERR_FAIL. Returns -1. */
int err_nomem(struct err *err);

/* If a stop signal has arrived: sets ERR_SIGNAL and returns -1. Else returns 0.
 * Long loops that make no interruptible call use it. */
int err_stopped(struct err *err);

/* Set the hint, if the error has none yet. Returns -1 always. */
int err_hint(struct err *err, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));

/* Set the hint, over an earlier one, and say so: something has been changed although
 * this is a failure, and the hint tells what. Returns -1 always. */
int err_state(struct err *err, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));

#endif
