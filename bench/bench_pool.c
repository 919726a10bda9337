/* SPDX-License-Identifier: MIT
 *
 * bench_pool.c - the thread pool; its twin is a list of jobs under a pthread mutex
 * with a condition, and another pair for those who wait for a result; it signals
 * after the unlock, and only if somebody waits.  GLib's pool, where installed, with
 * such a pair as well.
 */
#include <errno.h>
#include <pthread.h>
#include <string.h>

#include <pawl/pool.h>

#ifdef PAWL_BENCH_GLIB
#    include <glib.h>
#endif

#include "bench.h"
#include "pool_part.h"

#define OBJECT pool

/* So many chunks, each a job, for each CPU, where the chunks are made by hand. */
#define POOL_CHUNKS_EACH 4

#define new_jobs(type, n) ((type *)calloc((n), sizeof(type)))
#define free_jobs(jobs) free(jobs)

/* ---- pawl ---------------------------------------------------------------- */

typedef pawl_pool *pool_pool_pawl;
typedef pawl_task job_pool_pawl;

static int work_pawl(pawl_task *t, void *part)
{
    (void)t;
    pool_do_part(part);
    return 0;
}

static void pool_make_pool_pawl(pawl_pool **p, unsigned workers)
{
    pawl_pool_options o = {.max_workers = (int)workers,
                           .prestart = (int)workers};
    BENCH_CHECK(pawl_pool_create(p, &o) == 0);
}

static void pool_free_pool_pawl(pawl_pool **p)
{
    BENCH_CHECK(pawl_pool_end(*p) == 0);
}

static inline void job_set_pool_pawl(pawl_task *t, const struct pool_part *part)
{
    pawl_task_init(t, work_pawl, (void *)(uintptr_t)part);
}

static inline void submit_pool_pawl(pawl_pool **p, pawl_task *t)
{
    BENCH_CHECK(pawl_pool_submit(*p, t) == 0);
}

static inline void await_pool_pawl(pawl_pool **p, pawl_task *t)
{
    (void)p;
    BENCH_CHECK(pawl_future_result(&t->future, NULL, NULL) == 0);
}

static int do_part_pawl(size_t begin, size_t end, void *all)
{
    struct pool_part part = *(const struct pool_part *)all;

    part.begin = begin;
    part.end = end;
    pool_do_part(&part);
    return 0;
}

static void each_pool_pawl(pawl_pool **p, const struct pool_part *all,
                           size_t chunk)
{
    size_t grain = chunk / 8; /* parts get smaller; no smaller than this */
    int status;

    BENCH_CHECK(pawl_pool_for(*p, all->begin, all->end, grain, do_part_pawl,
                              (void *)(uintptr_t)all, &status) == 0 &&
                status == 0);
}

static int find_value_pawl(size_t i, void **value, void *all)
{
    const struct pool_part *part = all;

    *value = (void *)(uintptr_t)pool_value(part->turns, i);
    return 0;
}

static void map_pool_pawl(pawl_pool **p, const struct pool_part *all,
                          size_t chunk, uint64_t *sum)
{
    pawl_map_options o = {.chunk = chunk};
    pawl_map *m;
    void *value;
    int err;

    BENCH_CHECK(pawl_map_create(&m, *p, all->end, find_value_pawl,
                                (void *)(uintptr_t)all, &o) == 0);
    *sum = 0;
    while ((err = pawl_map_next(m, NULL, &value)) == 0)
        *sum += (uintptr_t)value;
    BENCH_CHECK(err == -ESHUTDOWN);
    pawl_map_free(m);
}

#define IMPL pawl
#include "pool_cases.h"
#undef IMPL

/* ---- pthread ------------------------------------------------------------- */

typedef struct job {
    struct job *next;
    const struct pool_part *part;
    bool done;
} job_pool_pthread;

typedef struct {
    pthread_mutex_t lock;
    pthread_cond_t some;
    struct job *first;
    struct job **end;
    unsigned idle;
    bool stop;
    pthread_mutex_t done_lock BENCH_ALIGNED;
    pthread_cond_t done;
    unsigned waiters;
    unsigned workers;
    pthread_t thread[64];
} pool_pool_pthread;

static void *work_pthread(void *arg)
{
    pool_pool_pthread *p = arg;
    for (;;) {
        pthread_mutex_lock(&p->lock);
        while (p->first == NULL && !p->stop) {
            p->idle++;
            pthread_cond_wait(&p->some, &p->lock);
            p->idle--;
        }
        struct job *j = p->first;
        if (j == NULL) {
            pthread_mutex_unlock(&p->lock);
            return NULL;
        }
        p->first = j->next;
        if (p->first == NULL)
            p->end = &p->first;
        pthread_mutex_unlock(&p->lock);
        pool_do_part(j->part);
        pthread_mutex_lock(&p->done_lock);
        j->done = true;
        bool wake = p->waiters != 0;
        pthread_mutex_unlock(&p->done_lock);
        if (wake)
            pthread_cond_broadcast(&p->done);
    }
}

static void pool_make_pool_pthread(pool_pool_pthread *p, unsigned workers)
{
    memset(p, 0, sizeof(*p));
    BENCH_CHECK(workers <= 64);
    BENCH_CHECK(pthread_mutex_init(&p->lock, NULL) == 0);
    BENCH_CHECK(pthread_cond_init(&p->some, NULL) == 0);
    BENCH_CHECK(pthread_mutex_init(&p->done_lock, NULL) == 0);
    BENCH_CHECK(pthread_cond_init(&p->done, NULL) == 0);
    p->end = &p->first;
    p->workers = workers;
    for (unsigned i = 0; i < workers; i++)
        BENCH_CHECK(pthread_create(&p->thread[i], NULL, work_pthread, p) == 0);
}

static void pool_free_pool_pthread(pool_pool_pthread *p)
{
    pthread_mutex_lock(&p->lock);
    p->stop = true;
    pthread_mutex_unlock(&p->lock);
    pthread_cond_broadcast(&p->some);
    for (unsigned i = 0; i < p->workers; i++)
        pthread_join(p->thread[i], NULL);
}

static inline void job_set_pool_pthread(struct job *j,
                                        const struct pool_part *part)
{
    j->part = part;
    j->done = false;
}

static inline void submit_pool_pthread(pool_pool_pthread *p, struct job *j)
{
    j->next = NULL;
    pthread_mutex_lock(&p->lock);
    *p->end = j;
    p->end = &j->next;
    bool wake = p->idle != 0;
    pthread_mutex_unlock(&p->lock);
    if (wake)
        pthread_cond_signal(&p->some);
}

static inline void await_pool_pthread(pool_pool_pthread *p, struct job *j)
{
    pthread_mutex_lock(&p->done_lock);
    p->waiters++;
    while (!j->done)
        pthread_cond_wait(&p->done, &p->done_lock);
    p->waiters--;
    pthread_mutex_unlock(&p->done_lock);
}

#define IMPL pthread
#include "pool_by_hand.h"
#include "pool_cases.h"
#undef IMPL

/* ---- GLib ------------------------------------------------------------------ */

#ifdef PAWL_BENCH_GLIB
typedef struct job job_pool_glib;

typedef struct {
    GThreadPool *pool;
    GMutex lock;
    GCond done;
    unsigned waiters;
} pool_pool_glib;

static void work_glib(gpointer job, gpointer pool)
{
    pool_pool_glib *p = pool;
    struct job *j = job;

    pool_do_part(j->part);
    g_mutex_lock(&p->lock);
    j->done = true;
    bool wake = p->waiters != 0;
    g_mutex_unlock(&p->lock);
    if (wake)
        g_cond_broadcast(&p->done);
}

static void pool_make_pool_glib(pool_pool_glib *p, unsigned workers)
{
    memset(p, 0, sizeof(*p));
    g_mutex_init(&p->lock);
    g_cond_init(&p->done);
    p->pool = g_thread_pool_new(work_glib, p, (gint)workers, TRUE, NULL);
    BENCH_CHECK(p->pool != NULL);
}

static void pool_free_pool_glib(pool_pool_glib *p)
{
    g_thread_pool_free(p->pool, FALSE, TRUE);
}

static inline void job_set_pool_glib(struct job *j,
                                     const struct pool_part *part)
{
    job_set_pool_pthread(j, part);
}

static inline void submit_pool_glib(pool_pool_glib *p, struct job *j)
{
    BENCH_CHECK(g_thread_pool_push(p->pool, j, NULL));
}

static inline void await_pool_glib(pool_pool_glib *p, struct job *j)
{
    g_mutex_lock(&p->lock);
    p->waiters++;
    while (!j->done)
        g_cond_wait(&p->done, &p->lock);
    p->waiters--;
    g_mutex_unlock(&p->lock);
}

#    define IMPL glib
#    include "pool_by_hand.h"
#    include "pool_cases.h"
#    undef IMPL
#endif

void bench_pool(void)
{
    add_pool_pawl();
    add_pool_pthread();
#ifdef PAWL_BENCH_GLIB
    add_pool_glib();
#endif
    bench_pool_cxx();
}
