/*
 * The file of --config: "KEY = VALUE" lines, where the keys are the long options and
 * two more for the operands.
 *
 * Lines are cut here and not by a library for ini files. In inih, what stands behind
 * " ;" is a comment, what is behind 200 bytes of a line is read as a line of its own,
 * and an indented line is another value of the key before; whether that can be turned
 * off is decided when the library is built, and by most distributions it is not. With
 * it, `before = a ; b` runs "a". Here a value is its whole line, or the file is wrong.
 */
#ifndef CLI_CONFIG_H
#define CLI_CONFIG_H

#include "cli/options.h"
#include "util/err.h"

#define CONFIG_DIR "/etc/pmm-seal"
#define CONFIG_MAX 65536u /* bytes of the file */

/* What the fields of struct options that were set from a file point into. */
struct config;

/* Give *o, whose command is known, what the file says: `which` if it has a '/', else
 * `dir`/`which`.conf. check-config takes what backup does. The default of --name
 * becomes that of the file without ".conf"; o->name is NULL if that cannot be one.
 *
 *   - Keys that this command does not take, but another one does, are passed over. So
 *     are, unless it is a backup: output, force, add and stop-services, which other
 *     commands have in another sense.
 *   - `source` becomes o->source, `directory` o->directory and a backup's o->output.
 *   - Paths are absolute: one run begins here, the next one elsewhere.
 *   - A key that no command has, one that says what a single run does (dry-run, json),
 *     one given twice that cannot be repeated: ERR_USAGE, as all that is wrong in the
 *     file. Texts begin with FILE:LINE and never show a value under an unknown key.
 *
 * ERR_REFUSED if others than root and the caller can change it: it names commands to
 * run. ERR_FAIL if it cannot be read. Returns 0 or -1; *c is to be freed either way,
 * after the last use of *o. */
int config_read(struct config **c, const char *dir, const char *which,
                struct options *o, struct err *err);

void config_free(struct config *c);

#endif
