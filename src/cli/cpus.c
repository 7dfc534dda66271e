#include "cli/cpus.h"

#include <errno.h>
#include <limits.h>
#include <sched.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define AFFINITY_MAX (1u << 16) /* CPUs; far above any kernel's */

/* CPUs in our affinity mask. The kernel refuses a mask smaller than its own with
 * EINVAL. */
static unsigned by_affinity(void)
{
    for (size_t n = CPU_SETSIZE; n <= AFFINITY_MAX; n *= 2) {
        cpu_set_t *set = CPU_ALLOC(n);
        if (set == NULL)
            return 1;
        int rc = sched_getaffinity(0, CPU_ALLOC_SIZE(n), set);
        int why = errno;
        int count = rc == 0 ? CPU_COUNT_S(CPU_ALLOC_SIZE(n), set) : 0;
        CPU_FREE(set);
        if (rc == 0)
            return count > 0 ? (unsigned)count : 1;
        if (why != EINVAL)
            return 1;
    }
    return 1;
}

/* The first line of dir/name. */
static bool read_line(const char *dir, const char *name, char *line, size_t cap)
{
    char path[PATH_MAX];
    int n = snprintf(path, sizeof path, "%s/%s", dir, name);
    if (n < 0 || (size_t)n >= sizeof path)
        return false;
    FILE *f = fopen(path, "re");
    if (f == NULL)
        return false;
    bool ok = fgets(line, (int)cap, f) != NULL;
    fclose(f);
    return ok;
}

/* CPUs that `quota` of every `period` microseconds makes, rounded up. */
static unsigned quota_cpus(long long quota, long long period)
{
    if (quota <= 0 || period <= 0)
        return UINT_MAX;
    long long n = (quota - 1) / period + 1;
    return n < UINT_MAX ? (unsigned)n : UINT_MAX;
}

/* The quota of one group; UINT_MAX where it has none ("max", -1, or no such file). */
static unsigned group_cpus(const char *group, bool v2)
{
    char line[128];
    long long quota, period;
    if (v2) {
        if (!read_line(group, "cpu.max", line, sizeof line) ||
            sscanf(line, "%lld %lld", &quota, &period) != 2)
            return UINT_MAX;
        return quota_cpus(quota, period);
    }
    if (!read_line(group, "cpu.cfs_quota_us", line, sizeof line) ||
        sscanf(line, "%lld", &quota) != 1)
        return UINT_MAX;
    if (!read_line(group, "cpu.cfs_period_us", line, sizeof line) ||
        sscanf(line, "%lld", &period) != 1)
        return UINT_MAX;
    return quota_cpus(quota, period);
}

/*
 * The least quota from the group `path` up to the top of the mount. Inside a container
 * the path may be the host's view and lead nowhere here; the top of the mount is then
 * our own group, and it is always among those asked.
 */
static unsigned hierarchy_cpus(const char *root, const char *mount, const char *path,
                               bool v2)
{
    char group[PATH_MAX];
    unsigned least = UINT_MAX;
    int top = snprintf(group, sizeof group, "%s%s", root, mount);
    if (top < 0 || (size_t)top >= sizeof group)
        return UINT_MAX;
    if (strstr(path, "/..") == NULL && (size_t)top + strlen(path) < sizeof group)
        strcpy(group + top, path);

    for (;;) {
        unsigned n = group_cpus(group, v2);
        if (n < least)
            least = n;
        char *slash = strrchr(group, '/');
        if (slash == NULL || slash < group + top)
            return least;
        *slash = '\0';
    }
}

/* Whether the comma-separated `list` holds "cpu". */
static bool has_cpu(const char *list)
{
    for (const char *p = list; p != NULL; p = strchr(p, ',')) {
        p += *p == ',';
        size_t n = strcspn(p, ",");
        if (n == 3 && memcmp(p, "cpu", 3) == 0)
            return true;
    }
    return false;
}

/* A line "id:controllers:path" of /proc/self/cgroup; v2's has no controllers. */
static unsigned line_cpus(const char *root, char *line)
{
    line[strcspn(line, "\n")] = '\0';
    char *list = strchr(line, ':');
    char *path = list != NULL ? strchr(list + 1, ':') : NULL;
    if (path == NULL)
        return UINT_MAX;
    list++;
    *path++ = '\0';
    if (list[0] == '\0')
        return hierarchy_cpus(root, "/sys/fs/cgroup", path, true);
    if (!has_cpu(list))
        return UINT_MAX;

    char mount[PATH_MAX];
    snprintf(mount, sizeof mount, "/sys/fs/cgroup/%s", list);
    unsigned named = hierarchy_cpus(root, mount, path, false);
    unsigned plain = hierarchy_cpus(root, "/sys/fs/cgroup/cpu", path, false);
    return named < plain ? named : plain;
}

unsigned cpus_usable(const char *root)
{
    unsigned n = by_affinity();
    if (n > CPUS_DEFAULT_MAX)
        n = CPUS_DEFAULT_MAX;

    char name[PATH_MAX];
    int len = snprintf(name, sizeof name, "%s/proc/self/cgroup", root);
    FILE *f = len > 0 && (size_t)len < sizeof name ? fopen(name, "re") : NULL;
    if (f == NULL)
        return n;
    char *line = NULL;
    size_t cap = 0;
    while (getline(&line, &cap, f) > 0) {
        unsigned limit = line_cpus(root, line);
        if (limit < n)
            n = limit;
    }
    free(line);
    fclose(f);
    return n > 0 ? n : 1;
}
