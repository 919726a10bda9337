/* SPDX-License-Identifier: MIT
 *
 * pool_map.c - maps over a process pool, made of its tasks: each is a chunk of
 * elements.
 */
#include "process/pool_core.h"

#include <stdlib.h>

/* Chunks for each worker, Python's number: fewer make the last one late, more cost
 * more. */
#define CHUNKS_EACH 4

struct pawl_procmap {
    pawl_procpool *pool;
    pawl_procmap_options options;
    pawl_future future;
    uint32_t forks;
    size_t n;
    size_t chunk;
    size_t chunks;
    size_t left; /* chunks: touched by the pool's thread */
    bool called_off;
    int *statuses;
    size_t yielded; /* elements of next, or of the chunk `which` */
    size_t which;
    size_t ended; /* chunks that next_done has left behind */
    bool in_order_of_ends;
    pawl_as_completed completed;
    pawl_future_entry *entries;
    pawl_proctask task[];
};

/* -- Its end ------------------------------------------------------------------- */

static int first_failure(const pawl_procmap *m)
{
    for (size_t i = 0; i < m->n; i++)
        if (m->statuses[i] != 0)
            return m->statuses[i];
    return 0;
}

/* A callback of each chunk. */
static void chunk_done(pawl_proctask *t, int status, void *context)
{
    pawl_procmap *m = context;
    pawl_procmap_done_fn fn;

    (void)status; /* its elements have theirs */
    for (uint32_t i = t->ran_; i < t->n_; i++)
        t->statuses_[i] = -ECANCELED;
    m->called_off = m->called_off || t->ran_ < t->n_;
    if (--m->left > 0)
        return;
    status = first_failure(m);
    fn = status == 0 ? m->options.done : m->options.failed;
    if (fn != NULL)
        fn(m, status, m->options.context);
    (void)pawl_future_set(&m->future, status, NULL);
}

/* -- Making one ------------------------------------------------------------------ */

static size_t chunk_for(const pawl_procpool *p, size_t bytes, size_t n,
                        size_t wish)
{
    uint64_t slack = 64; /* for rounding */
    uint64_t memory = p->memory > 2 * slack ? p->memory - slack : slack;
    uint64_t shares = (uint64_t)p->options.workers * CHUNKS_EACH;
    uint64_t chunk = wish > 0 ? wish : (n + shares - 1) / shares;
    /* All workers are to have one, and another to come. */
    uint64_t most = wish > 0 ? memory / bytes : memory / shares / bytes;

    chunk = chunk < most ? chunk : most;
    chunk = chunk < n ? chunk : n;
    chunk = chunk < UINT32_MAX / 2 ? chunk : UINT32_MAX / 2;
    return chunk > 0 ? (size_t)chunk : 1;
}

static pawl_procmap *make(size_t n, size_t chunk, bool with_statuses)
{
    size_t chunks = n / chunk + (n % chunk != 0);
    uint64_t each = sizeof(pawl_proctask) + sizeof(pawl_future_entry);
    uint64_t bytes;
    pawl_procmap *m;

    if (__builtin_mul_overflow(chunks, each, &bytes) || bytes > SIZE_MAX / 4 ||
        n > SIZE_MAX / 4 / sizeof(int))
        return NULL;
    bytes += sizeof *m + (with_statuses ? n * sizeof(int) : 0);
    m = calloc(1, (size_t)bytes);
    if (m == NULL)
        return NULL;
    m->n = n;
    m->chunk = chunk;
    m->chunks = chunks;
    m->left = chunks;
    m->entries = (pawl_future_entry *)(void *)(m->task + chunks);
    if (with_statuses)
        m->statuses = (int *)(void *)(m->entries + chunks);
    return m;
}

static void make_chunk(pawl_procmap *m, size_t i, pawl_proc_fn fn,
                       const void *arguments, size_t argument_size,
                       void *results, size_t result_size)
{
    size_t first = i * m->chunk;
    size_t n = m->n - first < m->chunk ? m->n - first : m->chunk;
    pawl_proctask *t = &m->task[i];

    pawl_proctask_init(
        t, fn,
        argument_size > 0 ? (const char *)arguments + first * argument_size
                          : NULL,
        argument_size,
        result_size > 0 ? (char *)results + first * result_size : NULL,
        result_size);
    t->n_ = (uint32_t)n;
    t->index_ = first;
    t->statuses_ = m->statuses + first;
    t->retries = m->options.retries;
    t->until = m->options.until != 0 ? m->options.until : PAWL_FOREVER;
    t->done = chunk_done;
    t->failed = chunk_done;
    t->context = m;
    m->entries[i].future = &t->future;
}

int pawl_procmap_create(pawl_procmap **map, pawl_procpool *pool,
                        pawl_proc_fn fn, const void *arguments,
                        size_t argument_size, void *results, size_t result_size,
                        size_t n, int *statuses,
                        const pawl_procmap_options *options)
{
    pawl_procmap_options o =
        options != NULL ? *options : (pawl_procmap_options){0};
    pawl_procmap *m;
    size_t chunk;
    int err;

    if (!pawl_procpool_is_here(pool))
        return -ECHILD;
    if (fn == NULL || (o.size != 0 && o.size != sizeof o) || o.retries < 0)
        return -EINVAL;
    if (argument_size > pool->memory || result_size > pool->memory)
        return -EMSGSIZE;
    chunk =
        chunk_for(pool, argument_size + result_size + sizeof(int), n, o.chunk);
    m = make(n, chunk, statuses == NULL);
    if (m == NULL)
        return -ENOMEM;
    m->pool = pool;
    m->options = o;
    m->forks = pool->forks;
    if (statuses != NULL)
        m->statuses = statuses;
    for (size_t i = 0; i < m->chunks; i++)
        make_chunk(m, i, fn, arguments, argument_size, results, result_size);
    if (n == 0)
        (void)pawl_future_set(&m->future, 0, NULL);
    *map = m; /* a callback may come before we return */
    err = pawl_procpool_submit_now(pool, m->task, m->chunks, false);
    if (err != 0) {
        *map = NULL;
        free(m);
    }
    return err;
}

/* -- Its elements -------------------------------------------------------------------- */

/* The next element of a chunk that is done, of which so many were yielded. */
static int yield(pawl_procmap *m, size_t chunk, size_t at, size_t *index,
                 int *status)
{
    const pawl_proctask *t = &m->task[chunk];

    if (index != NULL)
        *index = chunk * m->chunk + at;
    if (at >= t->ran_)
        return -ECANCELED;
    if (status != NULL)
        *status = t->statuses_[at];
    return 0;
}

int pawl_procmap_next_until(pawl_procmap *map, size_t *index, int *status,
                            pawl_deadline until)
{
    size_t chunk = map->yielded / map->chunk;
    int err;

    if (map->yielded == map->n)
        return -ESHUTDOWN;
    err = pawl_future_result_until(&map->task[chunk].future, NULL, NULL, until);
    if (err != 0 && err != -ECANCELED)
        return err;
    return yield(map, chunk, map->yielded++ % map->chunk, index, status);
}

int pawl_procmap_next(pawl_procmap *map, size_t *index, int *status)
{
    return pawl_procmap_next_until(map, index, status, PAWL_FOREVER);
}

static int as_try(int err)
{
    return err == -ETIMEDOUT ? -EAGAIN : err;
}

int pawl_procmap_try_next(pawl_procmap *map, size_t *index, int *status)
{
    return as_try(pawl_procmap_next_until(map, index, status, 0));
}

/* Wait for another chunk, of which nothing was yielded. */
static int next_chunk(pawl_procmap *m, pawl_deadline until)
{
    bool in_callback = m->pool == pawl_procpool_served_;
    int err = 0;

    if (m->forks != pawl_fork_count_)
        return -ECHILD;
    if (!m->in_order_of_ends)
        err = pawl_as_completed_begin(&m->completed, m->entries, m->chunks);
    if (err != 0)
        return err;
    m->in_order_of_ends = true;
    err = pawl_as_completed_next_until(&m->completed, &m->which,
                                       in_callback ? 0 : until);
    return err == -ETIMEDOUT && in_callback && until > 0 ? -EDEADLK : err;
}

int pawl_procmap_next_done_until(pawl_procmap *map, size_t *index, int *status,
                                 pawl_deadline until)
{
    int err;

    if (map->ended == map->chunks)
        return -ESHUTDOWN;
    if (map->yielded == 0) {
        err = next_chunk(map, until);
        if (err != 0)
            return err;
    }
    err = yield(map, map->which, map->yielded++, index, status);
    if (map->yielded == map->task[map->which].n_) {
        map->yielded = 0;
        map->ended++;
    }
    return err;
}

int pawl_procmap_next_done(pawl_procmap *map, size_t *index, int *status)
{
    return pawl_procmap_next_done_until(map, index, status, PAWL_FOREVER);
}

int pawl_procmap_try_next_done(pawl_procmap *map, size_t *index, int *status)
{
    return as_try(pawl_procmap_next_done_until(map, index, status, 0));
}

pawl_future *pawl_procmap_future(pawl_procmap *map)
{
    return &map->future;
}

/* -- All at once ------------------------------------------------------------------------ */

void pawl_procmap_free(pawl_procmap *map)
{
    if (map == NULL)
        return;
    if (map->in_order_of_ends)
        pawl_as_completed_end(&map->completed);
    /* The last first: those in front are about to begin. */
    for (size_t i = map->chunks; i > 0; i--)
        (void)pawl_future_cancel(&map->task[i - 1].future);
    for (size_t i = 0; i < map->chunks; i++)
        (void)pawl_future_result(&map->task[i].future, NULL, NULL);
    free(map);
}

int pawl_procpool_map(pawl_procpool *pool, pawl_proc_fn fn,
                      const void *arguments, size_t argument_size,
                      void *results, size_t result_size, size_t n,
                      int *statuses, const pawl_procmap_options *options,
                      int *status)
{
    pawl_procmap *m;
    int err;

    if (pawl_procpool_is_mine(pool))
        return -EDEADLK;
    err = pawl_procmap_create(&m, pool, fn, arguments, argument_size, results,
                              result_size, n, statuses, options);
    if (err != 0)
        return err;
    (void)pawl_future_result(&m->future, status, NULL);
    err = m->called_off ? -ECANCELED : 0;
    pawl_procmap_free(m);
    return err;
}
