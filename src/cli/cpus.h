/* How many threads this process may keep busy. */
#ifndef CLI_CPUS_H
#define CLI_CPUS_H

#define CPUS_DEFAULT_MAX 8u

/* The CPUs of our affinity mask, no more than the CPU quota of our control group and
 * every one above it (v2 cpu.max, v1 cpu.cfs_quota_us, rounded up), at least 1, at most
 * CPUS_DEFAULT_MAX. `root` is prepended to /proc and /sys paths ("" in life, a folder
 * in tests). */
unsigned cpus_usable(const char *root);

#endif
