#include "cli/prompt.h"

#include <string.h>

#include <bsd/readpassphrase.h>

#include "cli/message.h"
#include "util/stop.h"

/*
 * A stop signal reaches the watcher, whose SIGURG ends the read inside readpassphrase,
 * which then restores the terminal. Signals that nobody blocks here (SIGTSTP, SIGQUIT,
 * ...) it handles itself.
 */
int prompt_ask(void *ctx, const char *text, char *buf, size_t cap)
{
    struct message *m = ctx;
    message_clear(m, true);
    const char *got = readpassphrase(text, buf, cap, RPP_ECHO_OFF | RPP_REQUIRE_TTY);
    message_clear(m, false);
    if (stop_signal() != 0)
        return -2;
    return got != NULL ? (int)strlen(buf) : -1;
}
