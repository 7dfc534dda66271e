/*
 * One command from its options to its exit status.
 */
#ifndef CLI_RUN_H
#define CLI_RUN_H

#include <stdint.h>
#include <stdio.h>

#include "cli/message.h"
#include "cli/options.h"
#include "cli/watch.h"
#include "job/job.h"
#include "report/report.h"
#include "util/err.h"
#include "util/progress.h"

/* What the file of a command works with. */
struct run {
    const struct options *opts;
    struct message *message;
    struct report *report;
    struct progress progress;
    struct job job;
    struct watch *watch;
    double seconds;       /* that the job took; for print */
    uint64_t differences; /* diff's */
    bool directory;       /* the operand is a directory of archives */
    bool headed;          /* the heading of a table is out */
    FILE *out;            /* where reports go: stderr when stdout carries the archive */
};

/* Run the command of `opts` and report it. Returns the exit status: as in pmm-seal(1),
 * or 128 + n for a signal (see watch_die). */
int run_command(const struct options *opts, struct message *message);

/* The exit status of an error's class. */
int run_status(const struct err *err);

#endif
