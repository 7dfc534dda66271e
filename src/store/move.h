/* Renames that never overwrite. All return 0, or -1 with errno. */
#ifndef STORE_MOVE_H
#define STORE_MOVE_H

/* Rename fromdir/from to todir/to; EEXIST if something is there. RENAME_NOREPLACE, or
 * for a file link and unlink; a file system that can neither is asked first whether the
 * name is free. */
int move_noreplace(int fromdir, const char *from, int todir, const char *to);

/* The same; where a directory cannot change its parent because its owner may not write
 * in it (".." lies in it), it gets that right for the moment of the move. */
int move_forced(int fromdir, const char *from, int todir, const char *to);

/* Exchange two names of one directory. ENOSYS where the file system cannot. */
int move_exchange(int dir, const char *a, const char *b);

#endif
