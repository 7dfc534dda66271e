#include "job/pause.h"

#include <unistd.h>

#include "pmm/guardian.h"
#include "util/clock.h"

#define SHELL "/bin/sh"

bool pause_wanted(const struct pause_opts *opts)
{
    return opts->services || opts->before != NULL || opts->after != NULL;
}

int pause_check(struct pause *p, const struct pause_opts *opts, const struct job *job,
                struct err *err)
{
    *p = (struct pause){.opts = opts, .guardian = job->guardian};
    if ((opts->before != NULL || opts->after != NULL) && access(SHELL, X_OK) != 0) {
        err_sys(err, ERR_FAIL, "cannot run --before and --after: %s", SHELL);
        return err_hint(err, "run them outside of this container");
    }
    return opts->services ? services_running(!opts->all, &p->services, err) : 0;
}

int pause_begin(struct pause *p, struct err *err)
{
    if (p->opts == NULL || !pause_wanted(p->opts))
        return 0;
    if (guardian_arm(p->guardian, p->opts->services ? &p->services : NULL, err) != 0)
        return -1;
    p->armed = true;
    p->since = clock_ms();
    if (p->opts->before != NULL && guardian_before(p->guardian, err) != 0)
        return -1;
    if (err_stopped(err) != 0)
        return -1;
    if (!p->opts->services)
        return 0;
    return p->opts->apart
               ? guardian_stop(p->guardian, &p->services, PAUSE_STOP_SECONDS, err)
               : services_stop(&p->services, PAUSE_STOP_SECONDS, err);
}

int pause_hold(struct pause *p, struct err *err)
{
    return p->armed ? guardian_forget_services(p->guardian, err) : 0;
}

int pause_resume(struct pause *p, struct err *err)
{
    if (!p->armed)
        return 0;
    return p->opts->apart ? guardian_restart(p->guardian, &p->services, err)
                          : services_start(&p->services, err);
}

void pause_keep(struct pause *p, const struct job *job)
{
    if (!p->armed)
        return;
    p->armed = false;
    report_u64(job->report, "services", p->services.n);
}

int pause_end(struct pause *p, const struct job *job, struct err *err)
{
    if (!p->armed)
        return 0;
    p->armed = false;
    int rc = guardian_release(p->guardian, err);
    report_double(job->report, "downtime", (double)(clock_ms() - p->since) / 1000);
    report_u64(job->report, "services", p->services.n);
    return rc;
}
