#include "job/previous.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "job/opened.h"
#include "store/archives.h"
#include "util/buf.h"

/* Try one archive. Its error, if any, says which kind of failure it was. */
static int try_one(const char *path, struct keyring *ring, struct unlocked *u,
                   struct err *err)
{
    struct opened o;
    int rc = -1;
    if (opened_open(&o, path, false, err) == 0 &&
        reader_unlock(o.reader, ring, err) == 0) {
        *u = o.reader->unlocked;
        rc = 0;
    }
    opened_close(&o);
    return rc;
}

static int wrong_key(const char *path, const char *source, struct err *err)
{
    err_set(
        err, ERR_KEY,
        "this passphrase (from %s) does not open the last archive of the same name: %s",
        source, path);
    return err_hint(err, "use the passphrase of the earlier archives, or say "
                         "--new-passphrase if it has been changed on purpose");
}

/* *done: this archive has decided. */
static int judge(const struct job *job, const char *path, const char *source,
                 bool must_open, const struct err *why, bool *done, struct err *err)
{
    if (why->cls == ERR_KEY) {
        *done = true;
        return must_open ? wrong_key(path, source, err) : 0;
    }
    if (why->cls == ERR_DAMAGED || why->cls == ERR_BUSY || why->cls == ERR_REFUSED ||
        why->sys == ENOENT || why->sys == EACCES) {
        notice(report_sink(job->report), NOTICE_WARNING, "previous-unusable", path,
               "an earlier archive cannot be used: %s", why->text);
        return 0;
    }
    *err = *why;
    return -1;
}

int previous_check(const struct job *job, const char *dir, const char *name,
                   struct keyring *ring, const char *source, bool must_open,
                   bool *found, struct unlocked *u, struct err *err)
{
    char **list = NULL;
    int rc = -1;
    int fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

    *found = false;
    if (fd < 0)
        return err_sys(err, ERR_FAIL, "cannot open the directory %s", dir);
    if (archives_list(fd, name, &list, err) != 0)
        goto out;
    bool done = false;
    for (char **f = list; *f != NULL && !done; f++) {
        struct err why = {0};
        struct buf path = {0};
        struct stat st;
        if (fstatat(fd, *f, &st, 0) != 0 || !S_ISREG(st.st_mode))
            continue; /* named like an archive, and none: opening it might wait for ever
                       */
        if (buf_printf(&path, "%s/%s", dir, *f) != 0) {
            err_nomem(err);
            goto out;
        }
        path.p[path.len] = '\0';
        int r = 0;
        if (try_one((char *)path.p, ring, u, &why) == 0)
            *found = done = true;
        else
            r = judge(job, (char *)path.p, source, must_open, &why, &done, err);
        buf_free(&path);
        if (r != 0)
            goto out;
    }
    rc = 0;
out:
    archives_list_free(list);
    close(fd);
    return rc;
}
