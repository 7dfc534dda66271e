/*
 * src/pipe/pipe.h without threads, for the fuzz targets: linked before the library, it
 * stands in its place. The producer runs to its end in pipe_spawn, with as many buffers
 * as it asks for; the worker works in pipe_put; the consumer gets what came before the
 * first error, and then that. An input has one outcome and takes no time slices.
 */
#include <stdbool.h>
#include <stdlib.h>

#include "container/chunk.h"
#include "fuzz.h"
#include "pipe/pipe.h"

#define CHUNKS_MAX 512u /* more than an input of assembly.h has records */

/* Buffers that stay from input to input: their memory is what takes most time. */
struct pool {
    struct chunk *chunks[CHUNKS_MAX];
    size_t n;
};

struct pipe {
    struct pool *pool;
    struct chunk *ready[CHUNKS_MAX];
    size_t used, nready, next;
    pipe_work_fn *work;
    void *worker;
    bool closed;
    struct err err;
};

int pipe_start(struct pipe **out, void *const *buffers, size_t nbuffers,
               pipe_work_fn *work, void *const *workers, unsigned nworkers,
               struct err *err)
{
    static struct pool pool;
    struct pipe *p = calloc(1, sizeof *p);
    (void)buffers, (void)err;
    FUZZ_CHECK(p != NULL && nbuffers >= 2 && nworkers >= 1);
    p->pool = &pool;
    p->work = work;
    p->worker = workers[0];
    *out = p;
    return 0;
}

int pipe_spawn(struct pipe *p, pipe_role_fn *fn, void *ctx, struct err *err)
{
    struct err why = {0};
    (void)err;
    if (fn(ctx, p, &why) != 0)
        pipe_fail(p, &why);
    return 0;
}

void *pipe_get(struct pipe *p)
{
    if (p->err.cls != ERR_NONE)
        return NULL;
    struct pool *pool = p->pool;
    if (p->used == pool->n) {
        struct chunk **one = chunk_new_all(1, 4096, 4096);
        FUZZ_CHECK(one != NULL && pool->n < CHUNKS_MAX);
        pool->chunks[pool->n++] = one[0];
        free(one);
    }
    return pool->chunks[p->used++];
}

void pipe_put(struct pipe *p, void *buffer)
{
    struct err why = {0};
    FUZZ_CHECK(!p->closed && p->nready < CHUNKS_MAX);
    if (p->work(p->worker, buffer, &why) != 0)
        pipe_fail(p, &why);
    else
        p->ready[p->nready++] = buffer;
}

void pipe_unget(struct pipe *p, void *buffer)
{
    FUZZ_CHECK(p->used > 0 && p->pool->chunks[p->used - 1] == buffer);
    p->used--;
}

void pipe_close(struct pipe *p)
{
    p->closed = true;
}

void *pipe_next(struct pipe *p)
{
    return p->next < p->nready ? p->ready[p->next++] : NULL;
}

void pipe_release(struct pipe *p, void *buffer)
{
    FUZZ_CHECK(p->next > 0 && p->ready[p->next - 1] == buffer);
}

void pipe_fail(struct pipe *p, const struct err *err)
{
    if (p->err.cls == ERR_NONE)
        p->err = *err;
}

void pipe_error(struct pipe *p, struct err *err)
{
    if (err->cls == ERR_NONE)
        *err = p->err;
}

int pipe_finish(struct pipe *p, struct err *err)
{
    if (p == NULL)
        return 0;
    int rc = p->err.cls == ERR_NONE ? 0 : -1;
    pipe_error(p, err);
    free(p);
    return rc;
}
