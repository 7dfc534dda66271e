#include "cli/run.h"

#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "cli/cmd_backup.h"
#include "cli/cmd_check.h"
#include "cli/cmd_diff.h"
#include "cli/cmd_info.h"
#include "cli/cmd_list.h"
#include "cli/cmd_prune.h"
#include "cli/cmd_rekey.h"
#include "cli/cmd_restore.h"
#include "cli/cmd_verify.h"
#include "cli/cpus.h"
#include "cli/metricsfile.h"
#include "cli/prompt.h"
#include "cli/syntax.h"
#include "cli/version.h"
#include "cli/watch.h"
#include "job/directory.h"
#include "util/clock.h"
#include "util/io.h"
#include "util/stop.h"

/* `run` does the work, under the watcher. `print` tells a person what was done: not
 * with --json and not with -q. */
struct command_row {
    int (*run)(struct run *r, struct err *err);
    void (*print)(const struct run *r);
};

static const struct command_row commands[] = {
    [COMMAND_BACKUP] = {cmd_backup_run, cmd_backup_print},
    [COMMAND_VERIFY] = {cmd_verify_run, cmd_verify_print},
    [COMMAND_LIST] = {cmd_list_run, NULL},
    [COMMAND_INFO] = {cmd_info_run, cmd_info_print},
    [COMMAND_RESTORE] = {cmd_restore_run, cmd_restore_print},
    [COMMAND_DIFF] = {cmd_diff_run, cmd_diff_print},
    [COMMAND_REKEY] = {cmd_rekey_run, cmd_rekey_print},
    [COMMAND_PRUNE] = {cmd_prune_run, cmd_prune_print},
    [COMMAND_CHECK_CONFIG] = {cmd_check_run, cmd_check_print},
};

int run_status(const struct err *err)
{
    switch (err->cls) {
    case ERR_NONE:
        return 0;
    case ERR_FAIL:
        return 1;
    case ERR_USAGE:
        return 2;
    case ERR_KEY:
        return 4;
    case ERR_DAMAGED:
        return 5;
    case ERR_BUSY:
        return 6;
    case ERR_REFUSED:
        return 7;
    case ERR_SIGNAL:
        return 128 + stop_signal();
    }
    return 1;
}

/* When memory runs short, this program is to be killed and not the servers beside it.
 * Raising one's own score is always allowed; where it is not, it stays. */
static void go_first(void)
{
    int fd = open("/proc/self/oom_score_adj", O_WRONLY | O_CLOEXEC);
    if (fd < 0)
        return;
    (void)io_write(fd, "900", 3);
    close(fd);
}

/* For what is to be done even if this process is killed, or cannot be done by it once
 * it is confined. */
static bool needs_guardian(const struct options *o)
{
    if (o->dry_run)
        return false;
    return o->stop_services || o->before != NULL || o->after != NULL ||
           o->command == COMMAND_RESTORE ||
           (o->command == COMMAND_VERIFY && directory_is(o->archive));
}

/* Those that read what others made take from themselves what they do not need. */
static int prepare_confine(struct run *r, struct err *err)
{
    const struct options *o = r->opts;
    static const bool confined[] = {[COMMAND_VERIFY] = true,
                                    [COMMAND_LIST] = true,
                                    [COMMAND_INFO] = true,
                                    [COMMAND_DIFF] = true,
                                    [COMMAND_RESTORE] = true};
    if ((size_t)o->command >= sizeof confined || !confined[o->command])
        return 0;
    if (confine_new(&r->job.confine, err) != 0)
        return -1;
    if (o->metrics_file != NULL)
        confine_allow_parent(r->job.confine, o->metrics_file, CONFINE_FILES);
    if (o->stop_services) /* to the guardian */
        confine_allow_signals(r->job.confine);
    return 0;
}

static int prepare(struct run *r, struct err *err)
{
    const struct options *o = r->opts;
    if (report_new(&r->report, err) != 0)
        return -1;
    report_set_live(r->report, message_live, r->message);
    r->job = (struct job){.report = r->report,
                          .progress = &r->progress,
                          .passphrase = o->passphrase,
                          .kdf_limits = o->kdf_limits,
                          .threads = o->threads != 0 ? o->threads : cpus_usable(""),
                          .now = (int64_t)time(NULL),
                          .tool = version_tool()};
    for (size_t i = 0; i < o->naccept; i++)
        if (report_accept(r->report, o->accept[i], err) != 0)
            return -1;
    /* Before there is a second thread, or a passphrase. */
    if (needs_guardian(o) &&
        guardian_start(&r->job.guardian, o->before, o->after, err) != 0)
        return -1;
    if (o->command == COMMAND_BACKUP || o->command == COMMAND_RESTORE)
        go_first();
    if (o->command != COMMAND_REKEY)
        passphrase_forget(&o->new_source);
    if (prepare_confine(r, err) != 0)
        return -1;
    r->job.passphrase.prompt = prompt_ask;
    r->job.passphrase.prompt_ctx = r->message;
    return 0;
}

/* job.alone */
static int alone(void *ctx, void (*fn)(void *arg), void *arg, struct err *err)
{
    return watch_alone(((struct run *)ctx)->watch, fn, arg, err);
}

static void tell_confined(const struct run *r)
{
    if (!r->opts->verbose || !report_has(r->report, "confined"))
        return;
    const char *why = report_get_text(r->report, "confined_why");
    if (report_get_bool(r->report, "confined"))
        message_note(r->message, "confined: it could open nothing but what it needed");
    else
        message_note(r->message, "not confined: %s", why != NULL ? why : "?");
}

/* The job itself, with the watcher beside it. */
static int work(struct run *r, struct err *err)
{
    struct progress_view view;
    const struct watch_calls calls = {
        .tick = progress_tick, .line = progress_line, .ctx = &view};

    int64_t start = clock_ms();
    progress_init(&view, &r->progress, r->message, r->opts->progress, (uint64_t)start);
    if (watch_start(&r->watch, &calls, err) != 0)
        return -1;
    r->job.alone = alone;
    r->job.alone_ctx = r;
    int rc = commands[r->opts->command].run(r, err);
    watch_end(r->watch);
    message_clear(r->message, true);
    r->seconds = (double)(clock_ms() - start) / 1000;
    report_double(r->report, "seconds", r->seconds);
    tell_confined(r);
    return rc;
}

/* A call that a signal cut short may fail under any name: the signal is why. */
static void name_signal(struct err *err)
{
    if (err->cls != ERR_FAIL || stop_signal() == 0 || err->state_told)
        return;
    *err = (struct err){0};
    err_stopped(err);
}

static int status_of(const struct run *r, const struct err *err)
{
    if (err->cls != ERR_NONE)
        return run_status(err);
    if (r->differences > 0)
        return 8;
    return report_warnings(r->report) > 0 ? 3 : 0;
}

/* What became of things, in a line of its own; unless the error says it itself. */
static void tell_state(const struct run *r, const struct err *err)
{
    const struct options *o = r->opts;
    if (err->cls == ERR_USAGE || err->state_told)
        return;
    if (options_to_stdout(o))
        message_say(r->message, "what went to standard output, if anything, is not a "
                                "whole archive: throw it away");
    else if (o->command == COMMAND_BACKUP && !o->dry_run)
        message_say(r->message, "no archive was written");
    else if (o->command == COMMAND_RESTORE && !o->dry_run)
        message_say(r->message, "nothing was restored: TARGET is as it was");
}

static void tell_failure(const struct run *r, const struct err *err)
{
    /* Whoever closed the pipe has seen what he wanted; but a backup is lost. */
    if (err->cls != ERR_SIGNAL || stop_signal() != SIGPIPE)
        message_error(r->message, err);
    else if (options_to_stdout(r->opts))
        message_say(r->message, "cannot write to standard output: its reader is gone");
    else
        return;
    tell_state(r, err);
}

static void print_json(const struct run *r, int status, const struct err *err)
{
    if (err->cls == ERR_SIGNAL && stop_signal() == SIGPIPE)
        return;
    const char *name = syntax_commands[r->opts->command].name;
    char *text = report_json(r->report, name, status, err);
    if (text != NULL)
        fprintf(r->out, "%s\n", text);
    else
        message_say(r->message, "not enough memory for the report");
    free(text);
}

/* That the monitoring was not told is a warning: what was asked for is done. */
static int tell_metrics(struct run *r, int status)
{
    const struct options *o = r->opts;
    struct err err = {0};
    bool nothing_done = o->dry_run || o->show_excludes;
    if (o->metrics_file == NULL || nothing_done || r->report == NULL ||
        metricsfile_update(r, status, &err) == 0)
        return status;
    notice(report_sink(r->report), NOTICE_WARNING, "metrics-not-written",
           o->metrics_file, "%s", err.text);
    return status == 0 && report_warnings(r->report) > 0 ? 3 : status;
}

int run_command(const struct options *opts, struct message *message)
{
    struct run r = {.opts = opts, .message = message};
    struct err err = {0};

    r.out = options_to_stdout(opts) ? stderr : stdout;
    int rc = prepare(&r, &err);
    if (rc == 0)
        rc = work(&r, &err);
    name_signal(&err);
    int status = tell_metrics(&r, status_of(&r, &err));
    if (rc != 0)
        tell_failure(&r, &err);
    if (opts->json && r.report != NULL)
        print_json(&r, status, &err);
    else if (rc == 0 && (!opts->quiet || opts->command == COMMAND_INFO) &&
             commands[opts->command].print != NULL)
        commands[opts->command].print(&r);
    guardian_free(r.job.guardian);
    confine_free(r.job.confine);
    report_free(r.report);
    return status;
}
