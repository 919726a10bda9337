/* SPDX-License-Identifier: MIT
 *
 * bench_pool.c - the thread pool; its twin is a list of jobs under a pthread mutex
 * with a condition, and another pair for those who wait for a result; it signals
 * after the unlock, and only if somebody waits.  GLib's pool, where installed, with
 * such a pair as well.
 */
#include <pthread.h>
#include <string.h>

#include <pawl/pool.h>

#ifdef PAWL_BENCH_GLIB
#    include <glib.h>
#endif

#include "bench.h"

#define OBJECT pool

#define new_jobs(type, n) ((type *)calloc((n), sizeof(type)))
#define free_jobs(jobs) free(jobs)

/* ---- pawl ---------------------------------------------------------------- */

typedef pawl_pool *pool_pool_pawl;
typedef pawl_task job_pool_pawl;

static int work_pawl(pawl_task *t, void *turns)
{
    (void)t;
    bench_work((uint64_t)(uintptr_t)turns);
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

static inline void job_set_pool_pawl(pawl_task *t, uint64_t turns)
{
    pawl_task_init(t, work_pawl, (void *)(uintptr_t)turns);
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

#define IMPL pawl
#include "pool_cases.h"
#undef IMPL

/* ---- pthread ------------------------------------------------------------- */

typedef struct job {
    struct job *next;
    uint64_t turns;
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
        bench_work(j->turns);
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

static inline void job_set_pool_pthread(struct job *j, uint64_t turns)
{
    j->turns = turns;
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

    bench_work(j->turns);
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

static inline void job_set_pool_glib(struct job *j, uint64_t turns)
{
    job_set_pool_pthread(j, turns);
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
