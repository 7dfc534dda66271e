/*
 * pmm-seal: encrypted backup and verified restore of a PMM server's data volume.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cli/help.h"
#include "cli/message.h"
#include "cli/options.h"
#include "cli/run.h"
#include "cli/version.h"
#include "cli/watch.h"
#include "secret/secret.h"

/*
 * No file that we open may become descriptor 0, 1 or 2. What was closed is opened the
 * wrong way round: reading an archive from a closed stdin, or writing one to a closed
 * stdout, is an error then, and not an empty or a lost archive.
 */
static int open_standard(void)
{
    static const int wrong_way[] = {O_WRONLY, O_RDONLY, O_RDONLY};
    for (int fd = 0; fd <= STDERR_FILENO; fd++) {
        if (fcntl(fd, F_GETFD) != -1)
            continue;
        if (open("/dev/null", wrong_way[fd]) != fd)
            return -1;
    }
    return 0;
}

/* Output that could not be written is a failure, also of a run that was good so far. */
static int flush_output(const struct options *o, struct message *m, int status)
{
    errno = 0;
    int bad = fflush(stdout);
    int why = errno;
    bad |= ferror(stdout) != 0;
    if (!bad && fcntl(STDOUT_FILENO, F_GETFL) != -1) {
        bad = fclose(stdout);
        why = errno;
    }
    if (!bad || (status != 0 && status != 3 && status != 8))
        return status;
    struct err err = {0};
    err_set(&err, ERR_FAIL, "cannot write to standard output%s%s", why != 0 ? ": " : "",
            why != 0 ? strerror(why) : "");
    if (o->command == COMMAND_BACKUP || o->command == COMMAND_RESTORE ||
        o->command == COMMAND_REKEY || o->command == COMMAND_PRUNE)
        err_hint(&err,
                 "what was asked for is done all the same: only its report is lost");
    message_error(m, &err);
    return run_status(&err);
}

static int dispatch(const struct options *o, struct message *m)
{
    m->quiet = o->quiet;
    if (o->version) {
        version_print(stdout);
        return 0;
    }
    if (o->help) {
        help_print(stdout, o->command);
        return 0;
    }
    return run_command(o, m);
}

int main(int argc, char **argv)
{
    struct message message;
    struct options options = {0};
    struct err err = {0};

    watch_early();
    message_init(&message);
    if (open_standard() != 0)
        return 1;
    int status;
    if (secret_init(&err) != 0 || options_parse(&options, argc, argv, &err) != 0) {
        message_error(&message, &err);
        status = run_status(&err);
    } else {
        status = dispatch(&options, &message);
    }
    status = flush_output(&options, &message, status);
    options_free(&options);
    if (status > 128)
        watch_die(status - 128);
    return status;
}
