/*
 * Where a passphrase comes from. Exactly one source; no source is ever guessed, and
 * none is the command line itself.
 */
#ifndef SECRET_PASSPHRASE_H
#define SECRET_PASSPHRASE_H

#include <stdbool.h>
#include <stddef.h>

#include "util/err.h"

#define PASSPHRASE_MAX 1024 /* bytes, after one trailing LF or CR LF is taken off */

struct passphrase {
    char *bytes; /* secret_alloc'd, PASSPHRASE_MAX + 3 bytes of room, not a string */
    size_t len;
    char
        source[256]; /* "the file /etc/pass", "the variable PMM_SEAL_PASSPHRASE", ... */
};

/* How the command line chose; at most one of file, fd >= 0, command. */
struct passphrase_opts {
    const char *file;    /* --passphrase-file */
    int fd;              /* --passphrase-fd, -1 if none */
    const char *command; /* --passphrase-command, run by /bin/sh -c */
    bool file_insecure;  /* --passphrase-file-insecure */
    const char *what; /* "passphrase", "new passphrase": for messages and the prompt */
    const char *
        option_prefix; /* "passphrase" or "new-passphrase": names options in messages */
    const char *env_prefix; /* "PMM_SEAL_PASSPHRASE" or "PMM_SEAL_NEW_PASSPHRASE" */
    bool confirm;           /* ask twice on a terminal */
    bool stdin_is_archive;  /* then fd 0 and the terminal on stdin are not to be read */
    /* Ask a person: fill buf[0..cap) with at most cap - 1 bytes, NUL-terminated.
     * Returns the length, -1 when there is no terminal, -2 when interrupted. Supplied
     * by cli. */
    int (*prompt)(void *ctx, const char *text, char *buf, size_t cap);
    void *prompt_ctx;
};

/* Get the passphrase: the option, else exactly one of <env_prefix>_FILE,
 * <env_prefix>_COMMAND, <env_prefix>, else the prompt. These variables are
 * wiped (their bytes overwritten) and unset, whatever the source was. Errors: ERR_USAGE
 * for two sources at once or fd 0 while stdin is the archive; ERR_KEY for no source at
 * all (the text names those tried), an empty or over-long passphrase, a file that
 * cannot be read, a command that fails; ERR_REFUSED for a regular file that others can
 * read (hint: the chmod), unless it is on a read-only mount, under /run/secrets, or
 * file_insecure. On success *p is filled; passphrase_free() it. */
int passphrase_get(const struct passphrase_opts *opts, struct passphrase *p,
                   struct err *err);

void passphrase_free(struct passphrase *p);

/* Who will not ask for it: wipe and unset the variables that passphrase_get would. */
void passphrase_forget(const struct passphrase_opts *opts);

/* Strength by zxcvbn, in bits (log2 of guesses). */
double passphrase_bits(const struct passphrase *p);

#endif
