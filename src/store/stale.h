/*
 * Temporary files of backups that were killed: found by their name and by a lock that
 * nobody holds any more.
 */
#ifndef STORE_STALE_H
#define STORE_STALE_H

#define STALE_SUFFIX ".tmp"

/* Mark a new temporary file as in use, for as long as fd is open (flock); to be open
 * for reading and writing, or NFS locks it for nobody. 1; 0 if stale_sweep of another
 * run has removed it meanwhile: make another one; -1 with errno, and it may be there.
 */
int stale_hold(int fd);

/* Remove from the directory `dirfd` what ended runs have left:
 * ".NAME.pmmseal.XXXXXX.tmp", regular, and not held. What cannot be looked at or
 * removed is left; nothing else is touched. */
void stale_sweep(int dirfd);

#endif
