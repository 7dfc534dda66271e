/*
 * A supervisorctl that stands first in PATH and keeps its programs in files:
 *
 *   p/NAME       what status says of it, "RUNNING pid 7, uptime 0:01:00"
 *   next/NAME    what it becomes after the next look
 *   broken/NAME  its start fails
 *   stuck/NAME   its stop does nothing
 *   slow/NAME    its stop takes three seconds
 *   answer       what status says instead, with status 4
 *   log          each call but status, a line each
 */
#ifndef TESTS_CTLWORLD_H
#define TESTS_CTLWORLD_H

#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static const char ctl_script[] =
    "#!/bin/sh\n"
    "[ \"$1\" = -c ] && shift 2\n"
    "cd \"$CTLWORLD\" || exit 1\n"
    "[ \"$1\" = status ] || echo \"$@\" >>log\n"
    "case $1 in\n"
    "status)\n"
    "    [ -f answer ] && { cat answer; exit 4; }\n"
    "    echo 'x.py:1: UserWarning: pkg_resources is deprecated' >&2\n"
    "    for f in p/*; do\n"
    "        [ -f \"$f\" ] || continue\n"
    "        read -r state rest <\"$f\"\n"
    "        printf '%-33s   %-10s%s\\n' \"${f#p/}\" \"$state\" \"$rest\"\n"
    "        [ -f \"next/${f#p/}\" ] && mv \"next/${f#p/}\" \"$f\"\n"
    "    done\n"
    "    exit 3 ;;\n"
    "stop)\n"
    "    [ -f \"slow/$2\" ] && sleep 3\n"
    "    [ -f \"stuck/$2\" ] || echo STOPPED >\"p/$2\" ;;\n"
    "start)\n"
    "    [ -f \"broken/$2\" ] || { echo 'RUNNING pid 7' >\"p/$2\"; exit 0; }\n"
    "    echo 'FATAL Exited too quickly' >\"p/$2\"\n"
    "    echo \"$2: ERROR (spawn error)\"\n"
    "    exit 7 ;;\n"
    "esac\n";

struct ctlworld {
    char dir[32];
    char *path; /* before */
};

static inline void ctl_write(const struct ctlworld *w, const char *name,
                             const char *text)
{
    char path[256];
    snprintf(path, sizeof path, "%s/%s", w->dir, name);
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0700);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, text, strlen(text)), strlen(text));
    close(fd);
}

/* The content of a file, "" without one; valid until the next call. */
static inline const char *ctl_read(const struct ctlworld *w, const char *name)
{
    static char text[4096];
    char path[256];
    snprintf(path, sizeof path, "%s/%s", w->dir, name);
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    ssize_t n = fd >= 0 ? read(fd, text, sizeof text - 1) : 0;
    text[n > 0 ? n : 0] = '\0';
    if (fd >= 0)
        close(fd);
    return text;
}

static inline bool ctl_runs(const struct ctlworld *w, const char *name)
{
    char path[128];
    snprintf(path, sizeof path, "p/%s", name);
    return strncmp(ctl_read(w, path), "RUNNING", 7) == 0;
}

static inline void ctl_make(struct ctlworld *w)
{
    static const char *const dirs[] = {"p", "next", "broken", "stuck", "slow", "bin"};
    char path[4096];
    snprintf(w->dir, sizeof w->dir, "/tmp/test-ctl-XXXXXX");
    assert_non_null(mkdtemp(w->dir));
    for (size_t i = 0; i < sizeof dirs / sizeof dirs[0]; i++) {
        snprintf(path, sizeof path, "%s/%s", w->dir, dirs[i]);
        assert_int_equal(mkdir(path, 0700), 0);
    }
    ctl_write(w, "bin/supervisorctl", ctl_script);
    w->path = strdup(getenv("PATH"));
    snprintf(path, sizeof path, "%s/bin:%s", w->dir, w->path);
    setenv("PATH", path, 1);
    setenv("CTLWORLD", w->dir, 1);
    ctl_write(w, "p/postgresql", "RUNNING pid 1, uptime 0:01:00");
    ctl_write(w, "p/clickhouse", "RUNNING pid 2, uptime 0:01:00");
    ctl_write(w, "p/nginx", "RUNNING pid 3, uptime 0:01:00");
    ctl_write(w, "p/victoriametrics", "RUNNING pid 4, uptime 0:01:00");
    ctl_write(w, "p/pmm-managed", "RUNNING pid 5, uptime 0:01:00");
    ctl_write(w, "p/pmm-init", "EXITED Nov 24 08:00 AM");
}

static inline void ctl_remove(struct ctlworld *w)
{
    char command[64];
    setenv("PATH", w->path, 1);
    free(w->path);
    snprintf(command, sizeof command, "rm -rf %s", w->dir);
    assert_int_equal(system(command), 0);
}

#endif
