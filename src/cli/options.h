/*
 * The command line, and the file of --config below it, as a struct. Parsing runs
 * nothing and asks nobody; what it reads are the files of --config and --exclude-from.
 */
#ifndef CLI_OPTIONS_H
#define CLI_OPTIONS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "archive/extract.h"
#include "archive/glob.h"
#include "cli/progress.h"
#include "keep/keep.h"
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
    COMMAND_PRUNE,
    COMMAND_CHECK_CONFIG,
    COMMAND_COUNT,
    COMMAND_NONE = COMMAND_COUNT, /* help in general, or the version */
};

struct config;

/* Strings point into argv, or into config_file. Unless said otherwise a field is 0,
 * false or NULL when the option was not given. */
struct options {
    enum command command;
    bool help, version; /* print that and do nothing */

    /* operands */
    const char *archive; /* or a directory of them; "-" is standard input; NULL for
                            backup; check-config's file */
    const char *place;   /* SOURCE, TARGET or DIRECTORY */
    const char *const *paths;
    size_t npaths;

    /* --config */
    const char *config;             /* its argument */
    struct config *config_file;     /* owned */
    const char *source, *directory; /* operands by the file, for where none is given */

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
    const char *name;         /* default that of the file of --config, else "pmm-data";
                                 prune and verify have it too */
    int level;                /* default 3 */
    struct globset *excludes; /* NULL: none; diff has it too */
    bool one_file_system;
    bool new_passphrase; /* --new-passphrase */
    bool dry_run;        /* restore and prune have it too; check-config is one */
    bool show_excludes;
    bool no_default_excludes, allow_live; /* without effect on what is no PMM volume */
    const char **add_files, **attach_files; /* NULL-ended, or NULL */
    size_t nadd, nattach;
    bool env_values;

    bool verify, no_verify; /* neither: as the output calls for */

    /* a directory of archives: backup, prune; some of it verify and rekey */
    struct keep_rules keep;
    unsigned max_deletes; /* default 10 */
    unsigned lock_wait;   /* seconds */
    bool require_mount;
    const char *metrics_file;
    unsigned sample_share, sample_of; /* verify --sample SHARE/OF; 0: all */

    /* backup, restore */
    bool stop_services;
    const char *before, *after;
    unsigned stall; /* seconds; default 600 when services are stopped, else 0 */
    bool stall_given;

    /* restore */
    bool replace;
    bool salvage;
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

/* Fill *o from argv (argv[0] is the program), and first from the file of --config, if
 * there is one: what both say is as the command line has it, what can be repeated
 * counts from both. Returns 0, or -1: ERR_USAGE with a hint, ERR_FAIL, or ERR_REFUSED
 * for a file that others can change. options_free either way. */
int options_parse(struct options *o, int argc, char **argv, struct err *err);
void options_free(struct options *o);

/* Whether the archive is written to standard output. */
bool options_to_stdout(const struct options *o);

#endif
