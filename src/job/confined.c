#include "job/confined.h"

#include "util/confine.h"

/* While there is no other thread. */
static void enter(void *arg)
{
    const struct job *job = arg;
    char why[CONFINE_WHY];
    bool done = confine_enter(job->confine, why);
    report_bool(job->report, "confined", done);
    if (!done)
        report_text(job->report, "confined_why", why);
}

int confined_enter(const struct job *job, struct err *err)
{
    static const char *const reads[] = {
        "/proc/self",                       /* threads, mounts, maps */
        "/proc/meminfo",  "/sys/fs/cgroup", /* is there memory to derive a key? */
        "/dev/urandom",                     /* jansson's hash tables */
        "/etc/localtime",                   /* libc looks there even for UTC */
    };
    if (job->confine == NULL)
        return 0;
    for (size_t i = 0; i < sizeof reads / sizeof reads[0]; i++)
        confine_allow(job->confine, reads[i], CONFINE_READ);
    if (job->alone != NULL)
        return job->alone(job->alone_ctx, enter, (void *)job, err);
    enter((void *)job);
    return 0;
}
