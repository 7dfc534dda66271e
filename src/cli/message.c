#include "cli/message.h"

#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cli/text.h"
#include "util/buf.h"
#include "util/io.h"
#include "util/stop.h"

#define PREFIX    "pmm-seal: "
#define ERASE_BAR "\r\033[K"

/* Whether standard error takes a line without making us wait. */
static bool ready(void)
{
    struct pollfd out = {.fd = STDERR_FILENO, .events = POLLOUT};
    return poll(&out, 1, 0) == 1 && (out.revents & POLLOUT) != 0;
}

/* Once we are asked to stop, a log that nobody reads must not keep us. */
static void put(const void *p, size_t len)
{
    if (stop_signal() == 0 || ready())
        io_write(STDERR_FILENO, p, len);
}

/* As syslog(3) numbers them. */
enum priority {
    PRIORITY_ERROR = 3,
    PRIORITY_WARNING = 4,
    PRIORITY_NOTE = 5, /* 6: progress */
};

/* systemd tells a service's children which stream its journal is; one of them may have
 * been given another. */
void message_init(struct message *m)
{
    const char *text = getenv("JOURNAL_STREAM");
    unsigned long long dev, ino;
    struct stat st;
    *m = (struct message){0};
    m->journal = text != NULL && sscanf(text, "%llu:%llu", &dev, &ino) == 2 &&
                 fstat(STDERR_FILENO, &st) == 0 && st.st_dev == dev && st.st_ino == ino;
}

/* One line in one write, so that lines of several processes in one log stay whole.
 * There is nobody to tell if standard error itself fails. */
static void emit(struct message *m, enum priority priority, const char *before,
                 const char *raw)
{
    struct buf b = {0};
    char level[8] = "";
    if (m->journal)
        snprintf(level, sizeof level, "<%d>", (int)priority);
    flockfile(stderr);
    if (m->bar)
        buf_printf(&b, "%s", ERASE_BAR);
    m->bar = false;
    if (buf_printf(&b, "%s%s%s", level, PREFIX, before) == 0 &&
        text_escape(&b, raw) == 0 && buf_add(&b, "\n", 1) == 0)
        put(b.p, b.len);
    else
        put(PREFIX "not enough memory\n", sizeof PREFIX "not enough memory\n" - 1);
    funlockfile(stderr);
    buf_free(&b);
}

void message_error(struct message *m, const struct err *err)
{
    emit(m, PRIORITY_ERROR, "", err->text);
    if (err->hint[0] != '\0')
        emit(m, PRIORITY_ERROR, "", err->hint);
}

__attribute__((format(printf, 4, 0))) static void say(struct message *m,
                                                      enum priority priority,
                                                      const char *before,
                                                      const char *fmt, va_list ap)
{
    char text[2048];
    vsnprintf(text, sizeof text, fmt, ap);
    emit(m, priority, before, text);
}

void message_say(struct message *m, const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    say(m, PRIORITY_ERROR, "", fmt, ap);
    va_end(ap);
}

void message_note(struct message *m, const char *fmt, ...)
{
    if (m->quiet)
        return;
    va_list ap;
    va_start(ap, fmt);
    say(m, PRIORITY_NOTE, "note: ", fmt, ap);
    va_end(ap);
}

void message_live(void *ctx, const struct report_line *line)
{
    struct message *m = ctx;
    bool warning = line->level == NOTICE_WARNING;
    if (m->quiet && !warning)
        return;

    struct buf b = {0};
    int rc = 0;
    if (line->path != NULL)
        rc = buf_printf(&b, "%s: ", line->path);
    if (rc == 0)
        rc = buf_printf(&b, "%s [%s]", line->text, line->id);
    if (rc == 0)
        rc = buf_add(&b, "", 1);
    const char *before = warning ? "warning: " : "note: ";
    if (line->carried)
        before = warning ? "warning of the backup: " : "note of the backup: ";
    emit(m, warning ? PRIORITY_WARNING : PRIORITY_NOTE, before,
         rc == 0 ? (const char *)b.p : line->text);
    buf_free(&b);
}

/*
 * The watcher is the thread that hears the signals: it must not be held up by a
 * terminal that was stopped with Ctrl-S or by a log that nobody reads.
 */
void message_progress(struct message *m, const char *text, bool bar)
{
    char line[600];
    if (atomic_load(&m->hold) || ftrylockfile(stderr) != 0)
        return;
    if (!atomic_load(&m->hold) && ready()) {
        int n = bar ? snprintf(line, sizeof line, "\r%s\033[K", text)
                    : snprintf(line, sizeof line, "%s%s%s%s\n", m->journal ? "<6>" : "",
                               m->bar ? ERASE_BAR : "", PREFIX, text);
        if (n > 0 && (size_t)n < sizeof line &&
            write(STDERR_FILENO, line, (size_t)n) == n)
            m->bar = bar;
    }
    funlockfile(stderr);
}

void message_clear(struct message *m, bool hold)
{
    flockfile(stderr);
    atomic_store(&m->hold, hold);
    if (m->bar)
        put(ERASE_BAR, sizeof ERASE_BAR - 1);
    m->bar = false;
    funlockfile(stderr);
}
