#include "cli/progress.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <time.h>
#include <unistd.h>

#include "cli/human.h"
#include "util/clock.h"

#define SMOOTH_S    10.0 /* seconds over which the rate is smoothed */
#define LINE_MS     60000u
#define CLOCK_MAX_S (100u * 3600u) /* a longer time left is not worth saying */
#define BAR_MIN     8u
#define BAR_MAX     40u

static enum progress_mode choose(void)
{
    const char *term = getenv("TERM");
    if (!isatty(STDERR_FILENO) || term == NULL || strcmp(term, "dumb") == 0)
        return PROGRESS_LINES;
    return PROGRESS_BAR;
}

void progress_init(struct progress_view *v, const struct progress *counters,
                   struct message *message, enum progress_mode mode, uint64_t now)
{
    *v = (struct progress_view){.counters = counters,
                                .message = message,
                                .mode = mode == PROGRESS_AUTO ? choose() : mode,
                                .time_ms = now,
                                .start_ms = now,
                                .next_ms = now + LINE_MS};
}

void progress_sample(struct progress_view *v, uint64_t now)
{
    const char *phase = atomic_load(&v->counters->phase);
    uint64_t bytes = atomic_load(&v->counters->bytes);
    if (phase != v->phase || bytes < v->bytes) {
        v->phase = phase;
        v->rated = false;
        v->rate = 0;
        v->start_ms = now;
        v->time_ms = now;
        v->bytes = bytes;
        return;
    }
    if (now < v->time_ms + 100)
        return;
    double seconds = (double)(now - v->time_ms) / 1000;
    double rate = (double)(bytes - v->bytes) / seconds;
    /* The plain average at first, then one that forgets. */
    double window = (double)(now - v->start_ms) / 1000;
    if (window > SMOOTH_S)
        window = SMOOTH_S;
    v->rate += seconds < window ? (rate - v->rate) * seconds / window : rate - v->rate;
    v->rated = true;
    v->time_ms = now;
    v->bytes = bytes;
}

/* What is known of the whole. 0 to 100, or -1 while the total is not. */
static int percent(const struct progress_view *v, uint64_t *bytes, uint64_t *total)
{
    bool known = atomic_load(&v->counters->known);
    *bytes = atomic_load(&v->counters->bytes);
    *total = atomic_load(&v->counters->total);
    if (!known || *total == 0)
        return -1;
    if (*bytes >= *total)
        return 100;
    return (int)((double)*bytes * 100 / (double)*total);
}

static const char *phase_name(const struct progress_view *v)
{
    return v->phase != NULL ? v->phase : "getting ready";
}

/* ", 330 MiB/s, 0:04 left", as far as it is known. */
static void rate_text(const struct progress_view *v, int done, uint64_t left, char *out,
                      size_t cap)
{
    char rate[HUMAN_SIZE], clock[HUMAN_SIZE];
    out[0] = '\0';
    if (!v->rated || done == 100)
        return;
    human_rate(rate, (uint64_t)(v->rate < 1e18 ? v->rate : 1e18), 1);
    double seconds = v->rate >= 1 ? (double)left / v->rate : CLOCK_MAX_S;
    if (done >= 0 && seconds < CLOCK_MAX_S)
        snprintf(out, cap, ", %s, %s left", rate,
                 human_clock(clock, (uint64_t)seconds + 1));
    else
        snprintf(out, cap, ", %s", rate);
}

char *progress_text(const struct progress_view *v, char *out, size_t cap)
{
    char have[HUMAN_SIZE], all[HUMAN_SIZE], rate[3 * HUMAN_SIZE];
    uint64_t bytes, total;
    int done = percent(v, &bytes, &total);
    human_bytes(have, bytes);
    rate_text(v, done, bytes < total ? total - bytes : 0, rate, sizeof rate);
    if (done >= 0)
        snprintf(out, cap, "%s: %d %%, %s of %s%s", phase_name(v), done, have,
                 human_bytes(all, total), rate);
    else
        snprintf(out, cap, "%s: %s, %" PRIu64 " entries%s", phase_name(v), have,
                 (uint64_t)atomic_load(&v->counters->entries), rate);
    return out;
}

char *progress_bar(const struct progress_view *v, char *out, size_t cap, size_t width)
{
    uint64_t bytes, total;
    int done = percent(v, &bytes, &total);
    progress_text(v, out, cap);
    size_t n = strlen(out);
    if (n > width) {
        out[width] = '\0';
        return out;
    }
    /* " [" and "]" take three columns. */
    size_t room = width - n;
    if (done < 0 || room < BAR_MIN + 3)
        return out;
    size_t bar = room - 3 < BAR_MAX ? room - 3 : BAR_MAX;
    if (n + bar + 4 > cap)
        return out;
    size_t full = bar * (size_t)done / 100;
    out[n++] = ' ';
    out[n++] = '[';
    memset(out + n, '#', full);
    memset(out + n + full, '-', bar - full);
    n += bar;
    out[n++] = ']';
    out[n] = '\0';
    return out;
}

static size_t columns(void)
{
    struct winsize w;
    if (ioctl(STDERR_FILENO, TIOCGWINSZ, &w) != 0 || w.ws_col < 20)
        return 79;
    /* The last column is left free: a terminal may wrap there. */
    return w.ws_col < 200 ? w.ws_col - 1u : 199;
}

void progress_tick(void *ctx)
{
    struct progress_view *v = ctx;
    char text[300];
    uint64_t now = (uint64_t)clock_ms();
    progress_sample(v, now);
    if (v->phase == NULL)
        return;
    if (v->mode == PROGRESS_BAR) {
        message_progress(v->message, progress_bar(v, text, sizeof text, columns()),
                         true);
    } else if (v->mode == PROGRESS_LINES && now >= v->next_ms) {
        message_progress(v->message, progress_text(v, text, sizeof text), false);
        v->next_ms = now + LINE_MS;
    }
}

void progress_line(void *ctx)
{
    struct progress_view *v = ctx;
    char text[300];
    progress_sample(v, (uint64_t)clock_ms());
    message_progress(v->message, progress_text(v, text, sizeof text), false);
}
