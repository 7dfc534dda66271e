#include "job/previous.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "job/opened.h"
#include "store/archives.h"
#include "util/buf.h"

static void unusable(const struct job *job, const char *path, const struct err *why)
{
    notice(report_sink(job->report), NOTICE_WARNING, "previous-unusable", path,
           "an earlier archive cannot be used: %s", why->text);
}

/* Try one archive. Its error, if any, says which kind of failure it was. The key is
 * that of the newest that opens, the volume that of the newest that also is whole. */
static int try_one(const struct job *job, const char *path, struct keyring *ring,
                   struct previous *p, struct err *err)
{
    struct opened o;
    struct err why = {0};
    int rc = -1;
    if (opened_open(&o, path, false, err) == 0 &&
        reader_unlock(o.reader, ring, err) == 0) {
        if (!p->found)
            p->key = o.reader->unlocked;
        p->found = true;
        if (opened_index(&o, &why) == 0) {
            p->volume = o.manifest.volume;
            p->bytes = (uint64_t)input_size(o.in);
            p->have_volume = true;
            snprintf(p->path, sizeof p->path, "%s", path);
        } else {
            unusable(job, path, &why);
        }
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
        unusable(job, path, why);
        return 0;
    }
    *err = *why;
    return -1;
}

int previous_check(const struct job *job, const char *dir, const char *name,
                   struct keyring *ring, const char *source, bool must_open,
                   struct previous *p, struct err *err)
{
    char **list = NULL;
    int rc = -1;
    int fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

    *p = (struct previous){0};
    if (fd < 0)
        return err_sys(err, ERR_FAIL, "cannot open the directory %s", dir);
    if (archives_list(fd, name, &list, err) != 0)
        goto out;
    bool done = false;
    for (char **f = list; *f != NULL && !done; f++) {
        struct err why = {0};
        struct buf path = {0};
        struct stat st;
        if (fstatat(fd, *f, &st, AT_SYMLINK_NOFOLLOW) != 0 || !S_ISREG(st.st_mode))
            continue; /* named like an archive, and none: opening it might wait for ever
                       */
        if (buf_printf(&path, "%s/%s", dir, *f) != 0) {
            err_nomem(err);
            goto out;
        }
        path.p[path.len] = '\0';
        int r = 0;
        if (try_one(job, (char *)path.p, ring, p, &why) == 0)
            done = p->have_volume;
        else if (!p->found)
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

int previous_same_volume(const struct job *job, const struct previous *p,
                         const struct volume_facts *now, struct err *err)
{
    const struct volume_facts *then = &p->volume;
    if (!p->have_volume || !then->pmm)
        return 0;
    if (!now->pmm) {
        err_set(err, ERR_REFUSED,
                "SOURCE is no PMM volume, but the last archive of this name is of one: "
                "%s",
                p->path);
        return err_hint(err, "is the right volume mounted? A mistyped name makes "
                             "Docker create an empty one. For something else, say "
                             "--name");
    }
    if (then->system_id == 0 || then->system_id == now->system_id)
        return 0;
    if (now->pg_version > then->pg_version) {
        notice(report_sink(job->report), NOTICE_NOTE, "volume-upgraded", NULL,
               "PostgreSQL was %u in the last archive and is %u now: taken for the "
               "same server, upgraded",
               then->pg_version, now->pg_version);
        return 0;
    }
    err_set(err, ERR_REFUSED,
            "SOURCE is another PMM volume than that of the last archive of this name: "
            "%s",
            p->path);
    return err_hint(err, "each server needs a name of its own: say --name");
}

int previous_fits(const struct previous *p, const struct output *out, struct err *err)
{
    uint64_t room = output_room(out);
    if (room >= p->bytes)
        return 0;
    err_set(err, ERR_FAIL,
            "not enough space for one more archive: the last one has %llu MiB, %llu "
            "MiB are free",
            (unsigned long long)(p->bytes >> 20), (unsigned long long)(room >> 20));
    return err_hint(err, "make room, or write to another place (-o): older archives "
                         "are deleted only after a new one is there");
}
