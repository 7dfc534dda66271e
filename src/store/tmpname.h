/* Names for things that are not finished: a prefix, six random letters or digits, a
 * suffix. */
#ifndef STORE_TMPNAME_H
#define STORE_TMPNAME_H

#include <stddef.h>

#define TMPNAME_RANDOM 6u   /* random characters in a name */
#define TMPNAME_SIZE   300u /* room for any name made here, with its NUL */

/* Write prefix, random characters, suffix into out. Prefix and suffix together are at
 * most 249 bytes, so that the whole fits NAME_MAX. Returns out. */
char *tmpname_make(char out[TMPNAME_SIZE], const char *prefix, const char *suffix);

/* Whether `name` is `prefix` and six such characters. */
int tmpname_is(const char *name, const char *prefix);

#endif
