#include "cli/text.h"

#include <errno.h>
#include <stdbool.h>

#include "util/path.h"

/* Whether the byte at `p` needs no escape. */
static bool plain(const unsigned char *p)
{
    return *p >= 32 && *p != 127 && *p != '\\' && *p != 0xc2;
}

int text_escape(struct buf *b, const char *raw)
{
    const unsigned char *p = (const unsigned char *)raw;
    while (*p != '\0') {
        size_t n = 0;
        while (p[n] != '\0' && plain(p + n))
            n++;
        if (buf_add(b, p, n) != 0)
            return -1;
        p += n;
        if (*p == '\0')
            break;
        int rc;
        if (p[0] == 0xc2 && p[1] >= 0x80 && p[1] < 0xa0) {
            rc = buf_printf(b, "\\%03o\\%03o", p[0], p[1]);
            p += 2;
        } else {
            char one[2] = {(char)*p++, '\0'}, escaped[8];
            rc = buf_printf(b, "%s", path_escape(escaped, sizeof escaped, one));
        }
        if (rc != 0)
            return -1;
    }
    return 0;
}

void text_put(FILE *out, const char *raw)
{
    struct buf b = {0};
    if (text_escape(&b, raw) != 0)
        fputs("(not enough memory)", out);
    else if (b.len > 0)
        fwrite(b.p, 1, b.len, out);
    buf_free(&b);
}
