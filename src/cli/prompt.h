/* Ask a person for a passphrase on the controlling terminal, without echo. */
#ifndef CLI_PROMPT_H
#define CLI_PROMPT_H

#include <stddef.h>

/* The `prompt` of struct passphrase_opts; ctx is the struct message. Fills buf[0..cap)
 * with at most cap - 1 bytes and a NUL. Returns the length, -1 when there is no
 * terminal, -2 when a signal asked us to stop: the terminal's echo is on again in every
 * case. */
int prompt_ask(void *ctx, const char *text, char *buf, size_t cap);

#endif
