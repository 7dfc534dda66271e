/* Order, bounded memory, and an end to every wait. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <unistd.h>

#include "pipe/pipe.h"
#include "pipe/thread.h"
#include "util/stop.h"

#define BUFFERS 6
#define WORKERS 4

struct box {
    uint64_t number, square;
};

struct world {
    struct box boxes[BUFFERS];
    void *buffers[BUFFERS];
    void *workers[WORKERS];
    struct pipe *pipe;
    uint64_t fail_at;      /* a worker fails on this number */
    uint64_t consume_fail; /* the consumer fails on this number */
    uint64_t seen;
    atomic_int in_flight, most;
};

/* Later numbers are done sooner, so that only the pipe can bring order. */
static int square(void *worker, void *buffer, struct err *err)
{
    struct world *w = worker;
    struct box *b = buffer;
    int now = atomic_fetch_add(&w->in_flight, 1) + 1;
    if (now > atomic_load(&w->most))
        atomic_store(&w->most, now);
    if (b->number % 7 == 0)
        usleep(2000);
    atomic_fetch_sub(&w->in_flight, 1);
    if (b->number == w->fail_at)
        return err_set(err, ERR_DAMAGED, "worker failed at %llu",
                       (unsigned long long)b->number);
    b->square = b->number * b->number;
    return 0;
}

static int consume(void *ctx, struct pipe *p, struct err *err)
{
    struct world *w = ctx;
    struct box *b;
    while ((b = pipe_next(p)) != NULL) {
        if (b->number == w->consume_fail)
            return err_set(err, ERR_FAIL, "consumer failed");
        if (b->number != w->seen || b->square != b->number * b->number)
            return err_set(err, ERR_FAIL, "out of order");
        w->seen++;
        pipe_release(p, b);
    }
    return 0;
}

static void world_start(struct world *w)
{
    struct err err = {0};
    for (size_t i = 0; i < BUFFERS; i++)
        w->buffers[i] = &w->boxes[i];
    for (size_t i = 0; i < WORKERS; i++)
        w->workers[i] = w;
    assert_int_equal(
        pipe_start(&w->pipe, w->buffers, BUFFERS, square, w->workers, WORKERS, &err),
        0);
    assert_int_equal(pipe_spawn(w->pipe, consume, w, &err), 0);
}

static int produce(struct world *w, uint64_t n)
{
    for (uint64_t i = 0; i < n; i++) {
        struct box *b = pipe_get(w->pipe);
        if (b == NULL)
            return -1;
        b->number = i;
        pipe_put(w->pipe, b);
    }
    pipe_close(w->pipe);
    return 0;
}

static void test_buffers_come_out_in_the_order_they_went_in(void **state)
{
    (void)state;
    struct world w = {.fail_at = UINT64_MAX, .consume_fail = UINT64_MAX};
    struct err err = {0};
    world_start(&w);
    assert_int_equal(produce(&w, 2000), 0);
    assert_int_equal(pipe_finish(w.pipe, &err), 0);
    assert_int_equal(w.seen, 2000);
    assert_true(atomic_load(&w.most) > 1);
}

static void test_a_failing_worker_ends_everybody_with_its_error(void **state)
{
    (void)state;
    for (uint64_t at = 0; at < 60; at += 7) {
        struct world w = {.fail_at = at, .consume_fail = UINT64_MAX};
        struct err err = {0};
        world_start(&w);
        assert_int_equal(produce(&w, 100000), -1);
        assert_int_equal(pipe_finish(w.pipe, &err), -1);
        assert_int_equal(err.cls, ERR_DAMAGED);
        assert_true(w.seen <= at);
    }
}

static void test_a_failing_consumer_ends_everybody_with_its_error(void **state)
{
    (void)state;
    struct world w = {.fail_at = UINT64_MAX, .consume_fail = 50};
    struct err err = {0};
    world_start(&w);
    assert_int_equal(produce(&w, 100000), -1);
    assert_int_equal(pipe_finish(w.pipe, &err), -1);
    assert_string_equal(err.text, "consumer failed");
    assert_int_equal(w.seen, 50);
}

/* An owner who gives up has an error of his own; the pipe adds none and does not hang.
 */
static void test_an_owner_may_give_up_in_the_middle(void **state)
{
    (void)state;
    struct world w = {.fail_at = UINT64_MAX, .consume_fail = UINT64_MAX};
    struct err err = {0};
    world_start(&w);
    for (int i = 0; i < 10; i++) {
        struct box *b = pipe_get(w.pipe);
        assert_non_null(b);
        b->number = (uint64_t)i;
        pipe_put(w.pipe, b);
    }
    assert_int_equal(pipe_finish(w.pipe, &err), -1);
    assert_int_equal(err.cls, ERR_NONE);
}

static void beat(void *ctx)
{
    atomic_int *n = ctx;
    thread_be_nice();
    atomic_store(n, 42);
}

static void test_a_thread_beside_runs_and_is_joined(void **state)
{
    (void)state;
    struct thread *t;
    struct err err = {0};
    atomic_int n = 0;
    assert_int_equal(thread_start(&t, beat, &n, &err), 0);
    thread_join(t);
    assert_int_equal(atomic_load(&n), 42);
}

/* Last: the stop flag cannot be taken back. */
static void test_a_stop_signal_ends_a_wait(void **state)
{
    (void)state;
    struct world w = {.fail_at = UINT64_MAX, .consume_fail = UINT64_MAX};
    struct err err = {0};
    world_start(&w);
    stop_set(SIGTERM);
    assert_int_equal(produce(&w, UINT64_MAX), -1);
    assert_int_equal(pipe_finish(w.pipe, &err), -1);
    assert_int_equal(err.cls, ERR_SIGNAL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_buffers_come_out_in_the_order_they_went_in),
        cmocka_unit_test(test_a_failing_worker_ends_everybody_with_its_error),
        cmocka_unit_test(test_a_failing_consumer_ends_everybody_with_its_error),
        cmocka_unit_test(test_an_owner_may_give_up_in_the_middle),
        cmocka_unit_test(test_a_thread_beside_runs_and_is_joined),
        cmocka_unit_test(test_a_stop_signal_ends_a_wait),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
