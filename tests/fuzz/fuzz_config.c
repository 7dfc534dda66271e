/*
 * A file of options, by --config: the first byte of the input is the command. It is
 * taken or refused with the line that is wrong; nothing it names is run or written.
 */
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "cli/options.h"
#include "fuzz.h"
#include "util/io.h"

static const char *const commands[] = {"backup", "verify",  "list",
                                       "info",   "restore", "diff",
                                       "rekey",  "prune",   "check-config"};

static void write_file(const char *path, const uint8_t *p, size_t len)
{
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    FUZZ_CHECK(fd >= 0 && io_write(fd, p, len) == 0);
    close(fd);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct fuzz_input in = {data, size};
    struct options o;
    struct err err = {0};
    char path[300];
    const char *command = commands[fuzz_u8(&in) % (sizeof commands / sizeof *commands)];
    snprintf(path, sizeof path, "%s/fuzz.conf", fuzz_dir());
    write_file(path, in.p, in.len);
    char *argv[] = {(char *)"pmm-seal",
                    (char *)command,
                    (char *)"--config",
                    path,
                    (char *)"/operand",
                    (char *)"/another",
                    NULL};
    int argc = 6;
    if (strcmp(command, "check-config") == 0) {
        argv[2] = path;
        argc = 3;
    } else if (strcmp(command, "restore") != 0 && strcmp(command, "diff") != 0) {
        argc = 5;
    }
    argv[argc] = NULL;
    int rc = options_parse(&o, argc, argv, &err);
    fuzz_tell(&err);
    FUZZ_CHECK((rc == 0) == (err.cls == ERR_NONE));
    FUZZ_CHECK(rc == 0 || err.cls == ERR_USAGE || err.cls == ERR_FAIL);
    if (rc == 0) {
        FUZZ_CHECK((o.passphrase.file != NULL) + (o.passphrase.fd >= 0) +
                       (o.passphrase.command != NULL) <=
                   1);
        FUZZ_CHECK(o.level >= 1 && o.level <= 19);
        FUZZ_CHECK(strcmp(command, "backup") != 0 || o.name == NULL ||
                   strchr(o.name, '/') == NULL);
    }
    options_free(&o);
    return 0;
}
