#include "pmm/environ.h"

#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "secret/secret.h"
#include "util/buf.h"
#include "util/io.h"

#define ENVIRON_MAX 1048576u

/* PMM 2 has names without a prefix of its own. */
static bool wanted(const char *text)
{
    static const char *const begins[] = {
        "PMM_",    "GF_",      "VM_",      "METRICS_",
        "ENABLE_", "DISABLE_", "PERCONA_", "DATA_RETENTION="};
    if (strncmp(text, "PMM_SEAL_", 9) == 0 || strchr(text, '=') == NULL)
        return false;
    for (size_t i = 0; i < sizeof begins / sizeof *begins; i++)
        if (strncmp(text, begins[i], strlen(begins[i])) == 0)
            return true;
    return false;
}

/* `text` is cut at its '=' unless its value is wanted as well. */
static int take(struct extras *x, char *text, bool values, struct err *err)
{
    if (!values)
        *strchrnul(text, '=') = '\0';
    return extras_env(x, text, err);
}

int environ_take(const char *root, bool values, struct extras *x, struct err *err)
{
    char path[PATH_MAX];
    struct buf b = {0};
    int rc = 0;
    snprintf(path, sizeof path, "%s/proc/1/environ", root);
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return 0;
    if (buf_reserve(&b, ENVIRON_MAX + 1) != 0) {
        close(fd);
        return err_nomem(err);
    }
    ssize_t n = io_read(fd, b.p, ENVIRON_MAX);
    close(fd);
    b.len = n > 0 ? (size_t)n : 0;
    b.p[b.len] = '\0'; /* the last one may have been cut */
    for (size_t off = 0; rc == 0 && off < b.len;) {
        char *text = (char *)b.p + off;
        off += strlen(text) + 1;
        if (wanted(text))
            rc = take(x, text, values, err);
    }
    secret_wipe(b.p, b.len);
    buf_free(&b);
    return rc;
}
