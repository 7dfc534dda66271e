/*
 * Notes and warnings on their way up. A note never changes the exit status, a
 * warning makes it 3. Each has a stable id (docs/man/pmm-seal.1 lists them), so that
 * scripts can match it and `--accept ID` can make a warning a note.
 */
#ifndef UTIL_NOTICE_H
#define UTIL_NOTICE_H

enum notice_level { NOTICE_NOTE, NOTICE_WARNING };

struct notice_sink {
    /* `id`: lower-case words with hyphens. `path`: the entry concerned, raw bytes, or
     * NULL. `text`: one sentence without a full stop. All borrowed for the call. Called
     * from the main thread only, unless a function's contract says otherwise. */
    void (*fn)(void *ctx, enum notice_level level, const char *id, const char *path,
               const char *text);
    void *ctx;
};

/* Format and deliver. A NULL sink or fn swallows it. */
void notice(const struct notice_sink *sink, enum notice_level level, const char *id,
            const char *path, const char *fmt, ...)
    __attribute__((format(printf, 5, 6)));

#endif
