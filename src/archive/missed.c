#include "archive/missed.h"

#include <stdlib.h>
#include <string.h>

static int count(struct missed_tally *t, const char *path, struct err *err)
{
    if (t->n++ == 0 && (t->first = strdup(path)) == NULL)
        return err_nomem(err);
    return 0;
}

int missed_meta(struct missed *t, const struct meta_missed *m, const char *path,
                struct err *err)
{
    if ((m->owner && count(&t->owner, path, err) != 0) ||
        (m->xattr && count(&t->xattr, path, err) != 0) ||
        (m->time && count(&t->time, path, err) != 0))
        return -1;
    return 0;
}

int missed_device(struct missed *t, const char *path, struct err *err)
{
    return count(&t->device, path, err);
}

static void tell(const struct missed_tally *t, const struct notice_sink *notices,
                 const char *id, const char *what)
{
    if (t->n > 0)
        notice(notices, NOTICE_WARNING, id, t->first, "%s: %llu in all", what,
               (unsigned long long)t->n);
}

void missed_tell(const struct missed *t, bool set_owner,
                 const struct notice_sink *notices)
{
    if (!set_owner)
        notice(notices, NOTICE_NOTE, "owner-not-set", NULL,
               "owners were not set, as asked: %llu differ from the archive",
               (unsigned long long)t->owner.n);
    else
        tell(&t->owner, notices, "owner-not-set",
             "entries belong to another owner than in the archive");
    tell(&t->xattr, notices, "xattr-not-set",
         "entries lack an extended attribute or ACL that could not be set");
    tell(&t->time, notices, "time-not-kept",
         "entries have a time that the file system cannot hold exactly");
    tell(&t->device, notices, "device-not-made",
         "device files could not be made without the right to");
}

void missed_free(struct missed *t)
{
    free(t->owner.first);
    free(t->xattr.first);
    free(t->time.first);
    free(t->device.first);
}
