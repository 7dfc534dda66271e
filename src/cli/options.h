/*
 * The command line as a struct. Parsing runs nothing and asks nobody; the one thing it
 * reads is the file of --exclude-from.
 */
#ifndef CLI_OPTIONS_H
#define CLI_OPTIONS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "archive/extract.h"
#include "archive/glob.h"
#include "cli/progress.h"
#include "seal/kdf.h"
#include "secret/passphrase.h"
#include "util/err.h"

enum command {
    COMMAND_BACKUP,
    COMMAND_VERIFY,
    COMMAND_LIST,
    COMMAND_INFO,
    COMMAND_RESTORE,
    COMMAND_DIFF,
    COMMAND_REKEY,
    COMMAND_COUNT,
    COMMAND_NONE = COMMAND_COUNT, /* help in general, or the version */
};

/* Strings point into argv. Unless said otherwise a field is 0, false or NULL when the
 * option was not given. */
struct options {
    enum command command;
    bool help, version; /* print that and do nothing */

    /* operands */
    const char *archive; /* "-" is standard input; NULL for backup */
    const char *place;   /* SOURCE, TARGET or DIRECTORY */
    const char *const *paths;
    size_t npaths;

    /* all commands */
    struct passphrase_opts passphrase; /* complete but for prompt, prompt_ctx */
    bool passphrase_given;             /* by an option or an environment variable */
    struct kdf_limits kdf_limits;      /* default: kdf_limits_default */
    unsigned threads;                  /* 0: the CPUs it may use */
    enum progress_mode progress;       /* default: auto, or none with -q or --json */
    const char **accept;               /* naccept lists of ids */
    size_t naccept;
    bool json, quiet, verbose;

    /* backup, rekey */
    const char *output;
    bool force;
    struct kdf_cost cost; /* default: moderate */
    bool cost_given;
    bool allow_weak;

    /* backup */
    const char *name;         /* default "pmm-data" */
    int level;                /* default 3 */
    struct globset *excludes; /* NULL: none; diff has it too */
    bool one_file_system;
    bool new_passphrase; /* --new-passphrase */
    bool dry_run;        /* restore has it too */
    bool show_excludes;
    bool no_default_excludes, allow_live; /* without effect on what is no PMM volume */
    const char **add_files, **attach_files; /* NULL-ended, or NULL */
    size_t nadd, nattach;
    bool env_values;

    /* backup, restore */
    bool stop_services;
    const char *before, *after;
    unsigned stall; /* seconds; default 600 when services are stopped, else 0 */
    bool stall_given;

    /* restore */
    bool replace;
    enum extract_owner owner; /* default numeric */
    bool owner_given;
    uint32_t uid, gid;
    bool no_owner; /* diff: owners are not compared */
    bool no_read_back;
    bool ignore_space;
    const char *target_version;
    bool force_version;

    /* info */
    const char *attached;

    /* list */
    bool list_long, nul;

    /* rekey */
    bool add, remove, heal;
    struct passphrase_opts new_source; /* complete but for prompt, prompt_ctx */
};

/* Fill *o from argv (argv[0] is the program). Returns 0, or -1: ERR_USAGE with a hint,
 * or ERR_FAIL. options_free either way. */
int options_parse(struct options *o, int argc, char **argv, struct err *err);
void options_free(struct options *o);

/* Whether the archive is written to standard output. */
bool options_to_stdout(const struct options *o);

#endif
