#include "pmm/control.h"

#include <stdio.h>
#include <string.h>

#include "pmm/peek.h"
#include "util/le.h"

#define PATH_SIZE 128u /* room for a cluster's name and a file in it */

/* Where the fields stand in struct ControlFileData. PostgreSQL writes it in the byte
 * order of its machine; no PMM Server has run on a big-endian one. */
#define AT_SYSTEM_ID 0u
#define AT_VERSION   8u
#define AT_STATE     16u
#define AT_TIME      24u

#define VERSION_MIN 900u
#define VERSION_MAX 3000u

bool control_cluster_name(const char *name)
{
    static const char stem[] = "postgres";
    if (strncmp(name, stem, sizeof stem - 1) != 0)
        return false;
    const char *digits = name + sizeof stem - 1;
    return digits[strspn(digits, "0123456789")] == '\0' && strlen(digits) <= 4;
}

/* "14\n", "9.6\n". 0: no version. */
static uint32_t parse_major(const char *s)
{
    static const char digits[] = "0123456789";
    uint32_t major = 0;
    size_t n = strspn(s, digits);
    if (n == 0 || n > 4)
        return 0;
    for (size_t i = 0; i < n; i++)
        major = major * 10 + (uint32_t)(s[i] - '0');
    s += n;
    if (*s == '.')
        s += 1 + strspn(s + 1, digits);
    return s[strspn(s, " \t\r\n")] == '\0' ? major : 0;
}

int control_major(int rootfd, const char *pgdir, uint32_t *major, struct err *err)
{
    char path[PATH_SIZE], text[16];
    size_t len;
    snprintf(path, sizeof path, "%.64s/PG_VERSION", pgdir);
    int r = peek_file(rootfd, path, text, sizeof text - 1, &len);
    if (r < 0)
        return err_sys(err, ERR_FAIL, "cannot read: %s", path);
    if (r == 0)
        return 0;
    text[len] = '\0';
    *major = parse_major(text);
    return 1;
}

int control_read(int rootfd, const char *pgdir, struct control *c, struct err *err)
{
    char path[PATH_SIZE];
    struct control read = {0};
    size_t len;
    snprintf(path, sizeof path, "%.64s/global/pg_control", pgdir);
    int r = peek_file(rootfd, path, read.raw, sizeof read.raw, &len);
    if (r < 0)
        return err_sys(err, ERR_FAIL, "cannot read: %s", path);
    if (r == 0 || len < sizeof read.raw)
        return 0;
    read.system_id = le64_get(read.raw + AT_SYSTEM_ID);
    read.version = le32_get(read.raw + AT_VERSION);
    read.state = le32_get(read.raw + AT_STATE);
    read.time = (int64_t)le64_get(read.raw + AT_TIME);
    if (read.version < VERSION_MIN || read.version > VERSION_MAX)
        return 0;
    *c = read;
    return 1;
}
