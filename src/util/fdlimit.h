/* How many descriptors the process may hold. */
#ifndef UTIL_FDLIMIT_H
#define UTIL_FDLIMIT_H

/* Raise the soft limit (RLIMIT_NOFILE) to the hard one: a walk keeps a descriptor for
 * each level of the tree. What cannot be raised stays. */
void fdlimit_raise(void);

#endif
