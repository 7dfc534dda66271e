/*
 * A command that reads what others made gives up what it does not need, before it
 * decrypts or unpacks anything: see util/confine.h and docs/DESIGN.md, "Least
 * privilege".
 */
#ifndef JOB_CONFINED_H
#define JOB_CONFINED_H

#include "job/job.h"
#include "util/err.h"

/* Confine this process to what job->confine allows by now, and to looking at itself and
 * at the memory there is. To be called when all else is open, the passphrase included;
 * the first call counts. Without job->confine nothing happens. That a kernel cannot is
 * no error. Main thread. Facts: confined, confined_why. Returns 0 or -1 (ERR_FAIL: the
 * other threads cannot go on). */
int confined_enter(const struct job *job, struct err *err);

#endif
