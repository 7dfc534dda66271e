/* The help, from the tables of cli/syntax.h. */
#ifndef CLI_HELP_H
#define CLI_HELP_H

#include <stdio.h>

#include "cli/options.h"

/* COMMAND_NONE: the commands; else the options of that one. */
void help_print(FILE *out, enum command command);

#endif
