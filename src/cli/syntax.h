/*
 * The commands and the options as tables: what the parser takes and what the help says
 * are the same rows.
 */
#ifndef CLI_SYNTAX_H
#define CLI_SYNTAX_H

#include <stddef.h>

#include "cli/options.h"
#include "util/err.h"

struct syntax_command {
    const char *name;
    const char *operands; /* as the synopsis shows them */
    const char *what;     /* half a sentence */
    int min, max;         /* number of operands; max -1: any */
};

/* Indexed by enum command; COMMAND_COUNT rows. */
extern const struct syntax_command syntax_commands[];

enum syntax_kind {
    SYNTAX_FLAG,  /* no argument: sets the bool at `field` */
    SYNTAX_TEXT,  /* sets the const char * at `field` */
    SYNTAX_VALUE, /* its argument goes to `set` */
};

struct syntax_option {
    const char *name; /* without "--" */
    char letter;      /* 0: none */
    enum syntax_kind kind;
    unsigned commands; /* bit 1 << enum command */
    size_t field;      /* offset in struct options */
    int (*set)(struct options *o, const char *name, const char *arg, struct err *err);
    const char *arg;  /* what the help calls the argument */
    const char *help; /* half a sentence */
};

extern const struct syntax_option syntax_options[];
extern const size_t syntax_options_count;

/* Give the option of `row` its argument (NULL for a flag, which is set). `arg` must
 * live as long as *o. Returns 0, or -1 as options_parse. */
int syntax_apply(struct options *o, const struct syntax_option *row, const char *arg,
                 struct err *err);

/* The command of that name, or COMMAND_NONE. */
enum command syntax_find(const char *name);

#endif
