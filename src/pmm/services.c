#include "pmm/services.h"

#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "util/child.h"
#include "util/clock.h"
#include "util/path.h"

#define CONFIG         "/etc/supervisord.conf"
#define STATUS_SECONDS 60u  /* for an answer of supervisord */
#define START_SECONDS  300u /* for one program to start */
#define SETTLE_MS      30000
#define GIVE_UP_MS     900000 /* supervisord kills after 300 s what does not stop */
#define LOOK_MS        500
#define QUIET          5u /* looks at one that has ended by itself; then it stays so */
#define TRIES          2u /* starts of a program */
#define LOST           5u /* times without an answer in a row */
#define DESCRIPTION    160u
#define LIST           1024u

enum state {
    STATE_NONE, /* not known to supervisord, or a line that is no program's */
    STATE_STOPPED,
    STATE_STARTING,
    STATE_RUNNING,
    STATE_BACKOFF, /* has failed, will be started again */
    STATE_STOPPING,
    STATE_EXITED,
    STATE_FATAL,
    STATE_UNKNOWN,
};

static const char *const state_names[] = {
    [STATE_STOPPED] = "STOPPED",   [STATE_STARTING] = "STARTING",
    [STATE_RUNNING] = "RUNNING",   [STATE_BACKOFF] = "BACKOFF",
    [STATE_STOPPING] = "STOPPING", [STATE_EXITED] = "EXITED",
    [STATE_FATAL] = "FATAL",       [STATE_UNKNOWN] = "UNKNOWN",
};
#define STATES (sizeof state_names / sizeof state_names[0])

struct program {
    char name[SERVICE_NAME];
    enum state state;
    char description[DESCRIPTION]; /* "FATAL Exited too quickly" */
};

struct table {
    size_t n;
    struct program programs[SERVICES_MAX];
};

/* As PMM 2 and 3 configure them; supervisord gives 999 to a program without one. */
static const struct {
    const char *name;
    int priority;
} priorities[] = {
    {"pmm-update-perform-init", -1},
    {"pmm-init", -1},
    {"postgresql", 1},
    {"clickhouse", 2},
    {"grafana", 3},
    {"nginx", 4},
    {"nomad-server", 5},
    {"dbaas-controller", 6},
    {"prometheus", 7},
    {"victoriametrics", 7},
    {"vmalert", 7},
    {"alertmanager", 8},
    {"vmproxy", 9},
    {"qan-api2", 13},
    {"pmm-managed", 14},
    {"pmm-agent", 15},
};

/* Sleep; a signal ends it early, which does no harm. */
static void pause_ms(long ms)
{
    const struct timespec t = {.tv_sec = ms / 1000, .tv_nsec = ms % 1000 * 1000000};
    nanosleep(&t, NULL);
}

/* "GROUP:NAME" without its group. */
static const char *own_name(const char *name)
{
    const char *colon = strrchr(name, ':');
    return colon != NULL ? colon + 1 : name;
}

static int priority(const char *name)
{
    for (size_t i = 0; i < sizeof priorities / sizeof priorities[0]; i++)
        if (strcmp(own_name(name), priorities[i].name) == 0)
            return priorities[i].priority;
    return 999;
}

static bool sets_up(const char *name)
{
    const char *own = own_name(name);
    return strcmp(own, "pmm-init") == 0 ||
           strcmp(own, "pmm-update-perform-init") == 0 ||
           strcmp(own, "pmm-update-perform") == 0;
}

static bool writes(const char *name)
{
    return strcmp(own_name(name), "nginx") != 0;
}

/* Whether it runs or will without being told to. */
static bool up(enum state s)
{
    return s == STATE_RUNNING || s == STATE_STARTING || s == STATE_BACKOFF;
}

static bool down(enum state s)
{
    return s == STATE_NONE || s == STATE_STOPPED || s == STATE_EXITED ||
           s == STATE_FATAL;
}

static bool valid(const char *name, size_t len)
{
    static const char good[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
                               "0123456789_.:-";
    return len > 0 && len < SERVICE_NAME && name[0] != '-' && strspn(name, good) >= len;
}

static int check_names(const struct services *s, struct err *err)
{
    char shown[4 * SERVICE_NAME];
    for (size_t i = 0; i < s->n; i++) {
        size_t len = strnlen(s->names[i], SERVICE_NAME);
        if (len == SERVICE_NAME)
            return err_set(err, ERR_FAIL, "the name of a PMM service is too long");
        if (!valid(s->names[i], len))
            return err_set(err, ERR_FAIL, "not the name of a PMM service: %s",
                           path_escape(shown, sizeof shown, s->names[i]));
    }
    return 0;
}

/* supervisorctl VERB [NAME]. Without -c it looks for its configuration in the working
 * directory first. */
static int ctl(const char *verb, const char *name, unsigned seconds, bool interruptible,
               struct child_result *r, struct err *err)
{
    char *argv[6] = {(char *)"supervisorctl"};
    size_t n = 1;
    if (access(CONFIG, R_OK) == 0) {
        argv[n++] = (char *)"-c";
        argv[n++] = (char *)CONFIG;
    }
    argv[n++] = (char *)verb;
    argv[n] = (char *)name;
    return child_run(argv, seconds, interruptible, r, err);
}

static enum state parse_state(const char *word, size_t len)
{
    for (size_t i = STATE_NONE + 1; i < STATES; i++)
        if (strlen(state_names[i]) == len && memcmp(word, state_names[i], len) == 0)
            return (enum state)i;
    return STATE_NONE;
}

/* One line of the answer, "NAME   STATE     DESCRIPTION", NUL-terminated. Another one
 * (a warning of Python) is passed over. */
static int parse_line(const char *line, struct table *t, struct err *err)
{
    size_t name = strcspn(line, " ");
    const char *word = line + name + strspn(line + name, " ");
    size_t len = strcspn(word, " ");
    enum state state = parse_state(word, len);
    if (state == STATE_NONE)
        return 0;
    if (!valid(line, name)) {
        char shown[512];
        return err_set(err, ERR_FAIL,
                       "supervisorctl lists a program of an unusable name: %s",
                       path_escape(shown, sizeof shown, line));
    }
    if (t->n == SERVICES_MAX)
        return err_set(err, ERR_FAIL, "supervisorctl lists more than %u programs",
                       SERVICES_MAX);
    struct program *p = &t->programs[t->n++];
    char text[DESCRIPTION];
    const char *rest = word + len + strspn(word + len, " ");
    memcpy(p->name, line, name);
    p->name[name] = '\0';
    p->state = state;
    snprintf(text, sizeof text, "%s%s%.100s", state_names[state], *rest ? " " : "",
             rest);
    path_escape(p->description, sizeof p->description, text);
    return 0;
}

static int parse(struct child_result *r, struct table *t, struct err *err)
{
    if (r->len == sizeof r->out - 1)
        return err_set(err, ERR_FAIL, "supervisorctl status says too much");
    t->n = 0;
    for (char *line = r->out, *next; line != NULL; line = next) {
        next = strchr(line, '\n');
        if (next != NULL)
            *next++ = '\0';
        if (parse_line(line, t, err) != 0)
            return -1;
    }
    return 0;
}

static int not_here(struct err *err, const char *why)
{
    err_set(err, ERR_REFUSED, "cannot find the programs of a PMM Server: %s", why);
    return err_hint(err, "--stop-services works inside a PMM Server container; "
                         "elsewhere stop the container");
}

/* No program was listed: say why. */
static int no_answer(const struct child_result *r, struct err *err)
{
    char why[512];
    child_last_line(r, why, sizeof why);
    if (strstr(r->out, "onfig file") != NULL)
        return not_here(err, "supervisorctl has no configuration");
    if (strstr(r->out, "refused connection") != NULL ||
        strstr(r->out, "no such file") != NULL)
        return not_here(err, why);
    err_set(err, ERR_FAIL, "supervisorctl status failed: %s", why);
    if (strstr(r->out, "Permission denied") != NULL)
        err_hint(err, "run this as the user that supervisord runs as");
    return -1;
}

/* What supervisord says of all programs. -1: ERR_REFUSED, ERR_FAIL, ERR_SIGNAL. */
static int look(struct table *t, bool interruptible, struct err *err)
{
    struct child_result r;
    struct err own = {0};
    if (ctl("status", NULL, STATUS_SECONDS, interruptible, &r, &own) != 0) {
        if (own.cls == ERR_FAIL && own.sys == ENOENT)
            return not_here(err, "there is no supervisorctl");
        if (err->cls == ERR_NONE)
            *err = own;
        return -1;
    }
    if (r.status == -1)
        return err_set(err, ERR_FAIL, "supervisorctl status has not ended in %u s",
                       STATUS_SECONDS);
    struct child_result lines = r;
    if (parse(&lines, t, err) != 0)
        return -1;
    /* 3: not all of them run. */
    bool ended_well = r.status == 0 || r.status == 3;
    return ended_well && (t->n > 0 || r.len == 0) ? 0 : no_answer(&r, err);
}

static const struct program *find(const struct table *t, const char *name)
{
    for (size_t i = 0; i < t->n; i++)
        if (strcmp(t->programs[i].name, name) == 0)
            return &t->programs[i];
    return NULL;
}

static enum state state_of(const struct table *t, const char *name)
{
    const struct program *p = find(t, name);
    return p != NULL ? p->state : STATE_NONE;
}

/* Whether this is a PMM Server's supervisord: nobody else's programs are stopped. */
static bool is_pmm(const struct table *t)
{
    static const char *const marks[] = {"pmm-managed", "qan-api2", "victoriametrics"};
    for (size_t i = 0; i < t->n; i++)
        for (size_t j = 0; j < sizeof marks / sizeof marks[0]; j++)
            if (strcmp(own_name(t->programs[i].name), marks[j]) == 0)
                return true;
    return false;
}

/* Add a name behind those of its priority. */
static void insert(struct services *s, const char *name)
{
    size_t at = s->n++;
    for (; at > 0 && priority(s->names[at - 1]) > priority(name); at--)
        memcpy(s->names[at], s->names[at - 1], SERVICE_NAME);
    snprintf(s->names[at], SERVICE_NAME, "%s", name);
}

int services_running(bool writers, struct services *s, struct err *err)
{
    struct table t;
    *s = (struct services){0};
    if (look(&t, true, err) != 0)
        return -1;
    if (!is_pmm(&t))
        return not_here(err, "supervisord has none of them");
    for (size_t i = 0; i < t.n; i++) {
        const char *name = t.programs[i].name;
        if (!up(t.programs[i].state) || (writers && !writes(name)))
            continue;
        if (writers && sets_up(name)) {
            err_set(err, ERR_REFUSED,
                    "the PMM Server is being set up or updated: %s runs", name);
            return err_hint(err, "wait until it has ended");
        }
        insert(s, name);
    }
    return 0;
}

/* Those of the list that are not down, or with `start` do not run: "a (STOPPING), b".
 */
static void list(const struct services *s, const struct table *t, bool start,
                 char out[LIST])
{
    size_t n = 0;
    out[0] = '\0';
    for (size_t i = 0; i < s->n && n < LIST; i++) {
        const struct program *p = find(t, s->names[i]);
        enum state state = p != NULL ? p->state : STATE_NONE;
        if (start ? state == STATE_RUNNING : down(state))
            continue;
        n += (size_t)snprintf(out + n, LIST - n, "%s%s (%s)", n > 0 ? ", " : "",
                              s->names[i],
                              p != NULL ? p->description : "supervisord has no such");
    }
}

/* Tell all that are up to stop, last started first. One call each: should this process
 * be killed, no more than one stop is under way while the guardian starts them. */
static int stop_each(const struct services *s, const struct table *t, int64_t end,
                     struct err *err)
{
    struct child_result r;
    for (size_t i = s->n; i-- > 0;) {
        int64_t left = end - clock_ms();
        if (left <= 0)
            break;
        if (t != NULL && !up(state_of(t, s->names[i])))
            continue;
        if (ctl("stop", s->names[i], (unsigned)(left / 1000) + 1, true, &r, err) != 0)
            return -1;
    }
    return 0;
}

/* Whether one has ended by itself: supervisord may be about to start it again. */
static bool some_exited(const struct services *s, const struct table *t)
{
    for (size_t i = 0; i < s->n; i++)
        if (state_of(t, s->names[i]) == STATE_EXITED)
            return true;
    return false;
}

int services_stop(const struct services *s, unsigned seconds, struct err *err)
{
    struct table t;
    char still[LIST];
    int64_t end = clock_ms() + (int64_t)seconds * 1000;
    if (check_names(s, err) != 0 || stop_each(s, NULL, end, err) != 0)
        return -1;
    for (unsigned quiet = 0;;) {
        if (look(&t, true, err) != 0)
            return -1;
        list(s, &t, false, still);
        if (still[0] == '\0' && (!some_exited(s, &t) || ++quiet == QUIET))
            return 0;
        if (still[0] != '\0' && clock_ms() >= end)
            break;
        if (stop_each(s, &t, end, err) != 0)
            return -1;
        pause_ms(LOOK_MS);
        if (err_stopped(err) != 0)
            return -1;
    }
    err_set(err, ERR_FAIL, "cannot stop the PMM services: not down after %u s: %s",
            seconds, still);
    return err_hint(err, "supervisorctl status and its logs tell more");
}

struct starting {
    const struct services *s;
    struct table now;
    unsigned tries[SERVICES_MAX];
    int64_t end; /* when to stop waiting */
};

/* Start what is down, in order. Returns whether there is something to wait for. */
static bool start_each(struct starting *g)
{
    struct child_result r;
    struct err none = {0};
    bool pending = false;
    for (size_t i = 0; i < g->s->n; i++) {
        enum state state = state_of(&g->now, g->s->names[i]);
        if (state == STATE_RUNNING)
            continue;
        if (state == STATE_STOPPING) { /* those behind it may need it */
            g->end = clock_ms() + SETTLE_MS;
            return true;
        }
        if (up(state)) {
            pending = true;
        } else if (g->tries[i] < TRIES) {
            g->tries[i]++;
            pending = true;
            /* How it went, the next look tells. */
            (void)ctl("start", g->s->names[i], START_SECONDS, false, &r, &none);
            g->end = clock_ms() + SETTLE_MS;
        }
    }
    return pending;
}

/* -1: supervisord does not answer. */
static int start_all(struct starting *g, struct err *err)
{
    int64_t give_up = clock_ms() + GIVE_UP_MS;
    g->end = clock_ms() + SETTLE_MS;
    for (unsigned lost = 0; lost < LOST;) {
        struct err own = {0};
        if (look(&g->now, false, &own) != 0) {
            if (++lost == LOST)
                *err = own;
        } else {
            lost = 0;
            if (!start_each(g) || clock_ms() >= g->end || clock_ms() >= give_up)
                return 0;
        }
        pause_ms(LOOK_MS);
    }
    return -1;
}

int services_start(const struct services *s, struct err *err)
{
    struct starting g = {.s = s};
    struct err own = {0};
    char failed[LIST];
    if (s->n == 0)
        return 0;
    if (check_names(s, err) != 0)
        return -1;
    if (start_all(&g, &own) != 0)
        err_set(err, ERR_FAIL, "cannot start the PMM services again: %s", own.text);
    else {
        list(s, &g.now, true, failed);
        if (failed[0] == '\0')
            return 0;
        err_set(err, ERR_FAIL, "PMM services that do not run again: %s", failed);
    }
    return err_hint(err, "start them with supervisorctl start NAME; "
                         "supervisorctl status and its logs tell more");
}
