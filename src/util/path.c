#include "util/path.h"

#include <stdio.h>
#include <string.h>

bool path_valid(const char *p, size_t len)
{
    if (len == 1 && p[0] == '.')
        return true;
    if (len == 0 || memchr(p, '\0', len) != NULL)
        return false;
    for (size_t start = 0;;) {
        const char *slash = memchr(p + start, '/', len - start);
        size_t n = slash ? (size_t)(slash - p) - start : len - start;
        const char *c = p + start;
        if (n == 0 || (n == 1 && c[0] == '.') || (n == 2 && c[0] == '.' && c[1] == '.'))
            return false;
        if (slash == NULL)
            return true;
        start += n + 1;
    }
}

/* A byte's place in the order: end of string, then '/', then the bytes. */
static int rank(char c)
{
    return c == '\0' ? 0 : c == '/' ? 1 : (unsigned char)c + 1;
}

int path_cmp(const char *a, const char *b)
{
    bool dot_a = strcmp(a, ".") == 0, dot_b = strcmp(b, ".") == 0;
    if (dot_a || dot_b)
        return dot_b - dot_a;
    while (*a != '\0' && *a == *b) {
        a++;
        b++;
    }
    return rank(*a) - rank(*b);
}

bool path_below(const char *path, const char *dir)
{
    if (strcmp(dir, ".") == 0)
        return true;
    size_t n = strlen(dir);
    return strncmp(path, dir, n) == 0 && (path[n] == '\0' || path[n] == '/');
}

char *path_escape(char *out, size_t cap, const char *path)
{
    size_t n = 0;
    out[0] = '\0';
    for (; *path != '\0'; path++) {
        unsigned char c = (unsigned char)*path;
        char e[9];
        if (c == '\n')
            strcpy(e, "\\n");
        else if (c == '\t')
            strcpy(e, "\\t");
        else if (c == '\r')
            strcpy(e, "\\r");
        else if (c == '\\')
            strcpy(e, "\\\\");
        else if (c == 0xc2 && (unsigned char)path[1] >= 0x80 &&
                 (unsigned char)path[1] < 0xa0) /* U+0080..9F: control codes, to some */
            snprintf(e, sizeof e, "\\%03o\\%03o", c, (unsigned char)*++path);
        else if (c < 32 || c == 127)
            snprintf(e, sizeof e, "\\%03o", c);
        else
            e[0] = (char)c, e[1] = '\0';
        size_t m = strlen(e);
        if (n + m + 1 > cap)
            break;
        memcpy(out + n, e, m + 1);
        n += m;
    }
    return out;
}

bool path_reserved(const char *name)
{
    static const char *const kinds[] = {".pmm-seal-restore.", ".pmm-seal-old.",
                                        ".pmm-seal-trash."};
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++) {
        size_t n = strlen(kinds[i]);
        if (strncmp(name, kinds[i], n) == 0 && strlen(name + n) == 6 &&
            strspn(name + n, "abcdefghijklmnopqrstuvwxyz"
                             "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789") == 6)
            return true;
    }
    return false;
}
