/*
 * Arguments of options: text to value. `name` is the option's, for the error; all
 * errors are ERR_USAGE but those of files and memory. See struct syntax_option.
 */
#ifndef CLI_VALUES_H
#define CLI_VALUES_H

#include "cli/options.h"
#include "util/err.h"

int values_accept(struct options *o, const char *name, const char *arg,
                  struct err *err);
int values_add(struct options *o, const char *name, const char *arg, struct err *err);
int values_archive_name(struct options *o, const char *name, const char *arg,
                        struct err *err);
int values_exclude(struct options *o, const char *name, const char *arg,
                   struct err *err);
int values_exclude_from(struct options *o, const char *name, const char *arg,
                        struct err *err);
int values_keep(struct options *o, const char *name, const char *arg, struct err *err);
int values_keep_within(struct options *o, const char *name, const char *arg,
                       struct err *err);
int values_lock_wait(struct options *o, const char *name, const char *arg,
                     struct err *err);
int values_max_deletes(struct options *o, const char *name, const char *arg,
                       struct err *err);
int values_sample(struct options *o, const char *name, const char *arg,
                  struct err *err);
int values_kdf(struct options *o, const char *name, const char *arg, struct err *err);
int values_kdf_limit(struct options *o, const char *name, const char *arg,
                     struct err *err);
int values_level(struct options *o, const char *name, const char *arg, struct err *err);
int values_metrics_file(struct options *o, const char *name, const char *arg,
                        struct err *err);
int values_owner(struct options *o, const char *name, const char *arg, struct err *err);
int values_progress(struct options *o, const char *name, const char *arg,
                    struct err *err);
int values_stall(struct options *o, const char *name, const char *arg, struct err *err);
int values_threads(struct options *o, const char *name, const char *arg,
                   struct err *err);

/* Sources of the passphrase, and of rekey's new one. The same one given twice is an
 * error. */
int values_file(struct options *o, const char *name, const char *arg, struct err *err);
int values_fd(struct options *o, const char *name, const char *arg, struct err *err);
int values_command(struct options *o, const char *name, const char *arg,
                   struct err *err);

#endif
