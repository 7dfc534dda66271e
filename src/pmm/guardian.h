/*
 * A process that brings back what a backup has stopped, also when the backup is killed.
 *
 * It is forked before there is any key material and before any thread, wipes the
 * passphrase from its environment, leaves the session, lets go of all descriptors, and
 * waits; no signal but SIGKILL ends it. When the main process asks, or has died (its
 * end of a socket is closed), it starts the services again and then runs the command of
 * --after, once. Should it be gone when it is asked, the main process does the same.
 * The command of --before runs in it as well: whatever becomes of the main process, it
 * has ended before --after begins.
 *
 * It is no part of what the main process is confined to (util/confine.h), which can
 * neither run a program any more nor see other processes: a restore has services
 * stopped and servers looked for by it, verify of a directory has what it proved
 * written down.
 */
#ifndef PMM_GUARDIAN_H
#define PMM_GUARDIAN_H

#include "pmm/live.h"
#include "pmm/services.h"
#include "store/proven.h"
#include "util/err.h"

struct guardian;

/* Fork it. `before` and `after` are commands for /bin/sh -c, or NULL; borrowed until
 * guardian_free. They run in the present working directory, each for an hour at most.
 * Returns 0 and *g, or -1 with ERR_FAIL. */
int guardian_start(struct guardian **g, const char *before, const char *after,
                   struct err *err);

/* From now on there is something to bring back: these services (or NULL: none), and
 * `after`. Returns 0 when the guardian has confirmed, -1 with ERR_FAIL if it is gone.
 * To be called before the first is stopped. A second call replaces the services; after
 * guardian_release there must be none. */
int guardian_arm(struct guardian *g, const struct services *s, struct err *err);

/* Run `before` and wait for it. Not interruptible: what it has begun (docker stop)
 * would end after `after`. After guardian_arm. Returns 0, or -1 with ERR_FAIL; if the
 * guardian is gone, `after` does not run any more. */
int guardian_before(struct guardian *g, struct err *err);

/* Bring it back now and wait for the result; once, later calls return the same. Without
 * guardian_arm: nothing to do, and `after` does not run. Not interruptible. Returns 0,
 * or -1 with ERR_FAIL naming what could not be restarted, or how --after failed. */
int guardian_release(struct guardian *g, struct err *err);

/* The services are not to be started any more (a restore moves its tree: what they
 * would find is neither old nor new); `after` still runs at guardian_release. Returns 0
 * when the guardian has confirmed, -1 with ERR_FAIL if it is gone. */
int guardian_forget_services(struct guardian *g, struct err *err);

/* services_stop and services_start, made by the guardian. Stopping can be interrupted:
 * ERR_SIGNAL; it also ends with the main process, and what was stopped is brought back
 * as far as the guardian is armed. ERR_FAIL also if the guardian is gone. */
int guardian_stop(struct guardian *g, const struct services *s, unsigned seconds,
                  struct err *err);
int guardian_restart(struct guardian *g, const struct services *s, struct err *err);

/* volume_look and live_look, made by the guardian, of the open directory `dirfd`.
 * Returns 0, or -1: ERR_FAIL also if the guardian is gone. */
int guardian_look(struct guardian *g, int dirfd, struct live *l, struct err *err);

/* proven_keep, made by the guardian. Not interruptible: `wait` bounds it. ERR_FAIL also
 * if the guardian is gone. */
int guardian_keep(struct guardian *g, int dirfd, const char *path, unsigned wait,
                  const struct proof *proofs, size_t n, int64_t now, struct err *err);

/* Release if that was not done (errors are lost: call it before), end the process. */
void guardian_free(struct guardian *g);

#endif
