/*
 * Run another program and wait for it.
 */
#ifndef UTIL_CHILD_H
#define UTIL_CHILD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "util/err.h"

struct child_result {
    int status;      /* exit status; 128 + n if a signal ended it; -1 if it was killed
                        because the time was up */
    char out[16384]; /* the last bytes of stdout and stderr together, NUL-terminated */
    size_t len;
};

/* Whether the variable "NAME=value" is kept from children: it can hold a passphrase, or
 * the command that prints it. */
bool child_hides(const char *variable);

/* The environment without those: an array of its strings, NULL-ended, to be free()d.
 * NULL when memory is short. */
char **child_environment(void);

/* Run argv (argv[0] looked up in PATH; NULL-terminated) with /dev/null as stdin and
 * wait at most `seconds`; then it is killed with its process group. Signals are as a
 * shell expects them, whatever this process blocks or ignores; SIGINT and SIGHUP stay
 * ignored if they are. Variables that can hold a passphrase are kept from it. It gets
 * SIGTERM when the calling thread dies. With `interruptible` a stop signal ends the
 * wait: the child's process group gets SIGTERM, and the child's end is awaited. What
 * descendants do that outlive the child is no matter. Returns 0 and *r when it ran,
 * whatever its status; -1: ERR_FAIL (it could not be started; err->sys says why, ENOENT
 * for no such program), ERR_SIGNAL. Descriptors 0 to 2 must be open. */
int child_run(char *const argv[], unsigned seconds, int interruptible,
              struct child_result *r, struct err *err);

/* The last line of its output that is not blank, escaped for a message (util/path.h),
 * into buf (cap bytes, cut if need be); "no output" if there is none. Returns buf. */
const char *child_last_line(const struct child_result *r, char *buf, size_t cap);

#endif
