#include "util/notice.h"

#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>

void notice(const struct notice_sink *sink, enum notice_level level, const char *id,
            const char *path, const char *fmt, ...)
{
    if (sink == NULL || sink->fn == NULL)
        return;
    char text[1024];
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(text, sizeof text, fmt, ap);
    va_end(ap);
    sink->fn(sink->ctx, level, id, path, text);
}
