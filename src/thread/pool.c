/* SPDX-License-Identifier: MIT
 *
 * pool.c - making, draining and ending the pools of pawl/pool.h: see pool_core.h.
 */
#include <pawl/error.h>

#include <stdlib.h>
#include <string.h>

#include "atomic/ops.h"
#include "base/check.h"
#include "base/compiler.h"
#include "base/place.h"
#include "futex/eventcount.h"
#include "futex/spin.h"
#include "thread/exit.h"
#include "thread/pool_core.h"

#define CAPACITY_MAX (UINT32_C(1) << 29)

/* Python's: some more than there are CPUs, for tasks that wait. */
#define MORE_THAN_CPUS 4
#define MOST_BY_DEFAULT 32

/* -- All pools, for the end of the program ------------------------------------- */

static pawl_pool *pool_at(struct pawl_roll_entry *e)
{
    return pawl_container_of(e, pawl_pool, on_roll);
}

static bool is_busy(struct pawl_roll_entry *e)
{
    pawl_pool *p = pool_at(e);

    return p->options.at_exit != PAWL_POOL_ABANDON &&
           pawl_pool_current() != p && !pawl_pool_is_quiet(p);
}

static int settle(struct pawl_roll_entry *e, pawl_deadline until)
{
    pawl_pool *p = pool_at(e);

    if (p->options.at_exit == PAWL_POOL_CANCEL)
        pawl_line_clear(p, 0);
    return pawl_pool_drain_until(p, until);
}

static struct pawl_roll pools = {.is_busy = is_busy, .settle = settle};

/* Of a pawl_exit_hook. */
static bool await_tasks(pawl_deadline until)
{
    return pawl_roll_settle(&pools, until);
}

/* Once for what was submitted before, and then for what threads submit that the
 * program waits for. */
static struct pawl_exit_hook early = {.run = await_tasks,
                                      .phase = PAWL_EXIT_EXECUTORS};
static struct pawl_exit_hook late = {.run = await_tasks,
                                     .phase = PAWL_EXIT_THREADS};

/* -- Making one ------------------------------------------------------------------ */

static int check(const pawl_pool_options *o)
{
    if ((o->size != 0 && o->size != sizeof *o) || o->max_workers < 0 ||
        o->max_workers > PAWL_POOL_WORKERS_MAX || o->prestart < 0 ||
        o->idle_ns < 0 || o->capacity > CAPACITY_MAX ||
        (unsigned)o->at_exit > PAWL_POOL_ABANDON ||
        (o->caller_runs && o->capacity == 0))
        return -EINVAL;
    return 0;
}

static int usual_workers(void)
{
    uint32_t n = pawl_spin_cpus() + MORE_THAN_CPUS;

    return (int)(n < MOST_BY_DEFAULT ? n : MOST_BY_DEFAULT);
}

static void destroy_worker(struct pawl_worker *w)
{
    pawl_wsdeque_free(w->deque);
    free(w);
}

static void destroy(pawl_pool *p)
{
    struct pawl_worker *next;

    for (uint32_t i = 0; i < pawl_pool_places(p); i++)
        destroy_worker(pawl_worker_at(p, i));
    for (struct pawl_worker *w = p->placeless; w != NULL; w = next) {
        next = w->next;
        destroy_worker(w);
    }
    free(p);
}

static pawl_pool *make(const pawl_pool_options *o)
{
    size_t size = pawl_round_up(sizeof(pawl_pool) +
                                    (size_t)o->max_workers * sizeof(pawl_u64),
                                2 * PAWL_CACHE_LINE);
    pawl_pool *p = aligned_alloc(2 * PAWL_CACHE_LINE, size);

    if (p == NULL)
        return NULL;
    memset(p, 0, size);
    p->options = *o;
    (void)pawl_self_local(); /* from now on forks are counted */
    p->forks = pawl_fork_count_;
    strncpy(p->name, o->name != NULL ? o->name : "pool", sizeof p->name - 1);
    p->options.name = p->name;
    (void)pawl_sem_init(&p->room, (int)o->capacity, 0);
    return p;
}

static int start_some(pawl_pool *p)
{
    int err = 0;

    for (int i = 0; i < p->options.prestart && err == 0; i++) {
        /* A submit waits for the first one, instead of starting another. */
        bool searches = pawl_line_take_token(p);

        err = pawl_pool_start_worker(p, searches);
        if (err != 0 && searches)
            pawl_pool_call_off(p);
    }
    return err;
}

int pawl_pool_create(pawl_pool **pool, const pawl_pool_options *options)
{
    pawl_pool_options o =
        options != NULL ? *options : (pawl_pool_options){.size = sizeof o};
    int err = check(&o);
    pawl_pool *p;

    if (err != 0)
        return err;
    if (o.max_workers == 0)
        o.max_workers = usual_workers();
    if (o.prestart > o.max_workers)
        return -EINVAL;
    err = pawl_exit_add(&early);
    if (err == 0)
        err = pawl_exit_add(&late);
    if (err != 0)
        return err;
    p = make(&o);
    if (p == NULL)
        return -ENOMEM;
    pawl_roll_add(&pools, &p->on_roll);
    err = start_some(p);
    if (err != 0) {
        (void)pawl_pool_end(p);
        return err;
    }
    *pool = p;
    return 0;
}

int pawl_pool_max_workers(const pawl_pool *pool)
{
    return pool->options.max_workers;
}

/* -- Waiting for it ---------------------------------------------------------------- */

static bool has_ended(pawl_pool *p)
{
    return pawl_pool_is_closed(p) && pawl_pool_is_deserted(p);
}

static int await(pawl_pool *p, bool (*is_so)(pawl_pool *p), pawl_deadline until)
{
    int err = 0;

    if (!pawl_pool_is_of_this_process(p))
        return -ECHILD;
    if (pawl_pool_current() == p)
        return -EDEADLK;
    while (!is_so(p)) {
        uint32_t key;

        if (err == -ETIMEDOUT || until <= 0)
            return -ETIMEDOUT;
        key = pawl_eventcount_prepare(&p->changes);
        if (is_so(p)) {
            pawl_eventcount_cancel(&p->changes, key);
            return 0;
        }
        err = pawl_eventcount_wait_until(&p->changes, key, until);
    }
    return 0;
}

static int as_try(int err)
{
    return err == -ETIMEDOUT ? -EAGAIN : err;
}

int pawl_pool_drain_until(pawl_pool *pool, pawl_deadline until)
{
    return await(pool, pawl_pool_is_quiet, until);
}

int pawl_pool_drain(pawl_pool *pool)
{
    return pawl_pool_drain_until(pool, PAWL_FOREVER);
}

int pawl_pool_try_drain(pawl_pool *pool)
{
    return as_try(pawl_pool_drain_until(pool, 0));
}

static int join_worker(struct pawl_worker *w, pawl_deadline until)
{
    int err = pawl_thread_join_until(&w->thread, until, NULL);

    return err == -ESRCH ? 0 : err; /* never started */
}

static int join_threads(pawl_pool *p, pawl_deadline until)
{
    struct pawl_worker *w;
    uint32_t places;
    int err = 0;

    /* Who starts one holds `beds` until it runs: it may have shown its place only,
     * so far.  No other is started, for the pool has ended. */
    pawl_pool_lock(&p->beds);
    places = pawl_pool_places(p);
    w = p->placeless;
    pawl_mutex_unlock(&p->beds);
    for (uint32_t i = 0; i < places && err == 0; i++)
        err = join_worker(pawl_worker_at(p, i), until);
    for (; w != NULL && err == 0; w = w->next)
        err = join_worker(w, until);
    return err;
}

int pawl_pool_join_until(pawl_pool *pool, pawl_deadline until)
{
    int err;

    if (pawl_pool_is_of_this_process(pool) && !pawl_pool_is_closed(pool))
        return -EBUSY;
    err = await(pool, has_ended, until);
    return err != 0 ? err : join_threads(pool, until);
}

int pawl_pool_join(pawl_pool *pool)
{
    return pawl_pool_join_until(pool, PAWL_FOREVER);
}

int pawl_pool_try_join(pawl_pool *pool)
{
    return as_try(pawl_pool_join_until(pool, 0));
}

/* -- Ending it ----------------------------------------------------------------------- */

void pawl_pool_close(pawl_pool *p, uint64_t flags)
{
    uint64_t seen = pawl_line_push(p, NULL, NULL, flags);

    /* All who wait for room come, and are refused. */
    if (p->options.capacity > 0 && (seen & PAWL_POOL_CLOSED) == 0)
        pawl_sem_release_n(&p->room, PAWL_SEM_MAX / 2);
    pawl_pool_call_all(p);
}

int pawl_pool_shutdown(pawl_pool *pool, bool cancel_pending)
{
    if (!pawl_pool_is_of_this_process(pool))
        return -ECHILD;
    pawl_pool_close(pool, PAWL_POOL_CLOSED);
    if (cancel_pending)
        pawl_line_clear(pool, 0);
    return 0;
}

int pawl_pool_free(pawl_pool *pool)
{
    if (pool == NULL)
        return 0;
    if (pawl_pool_is_of_this_process(pool)) {
        if (pawl_pool_try_join(pool) != 0)
            return -EBUSY;
        pawl_roll_remove(&pools, &pool->on_roll);
    }
    destroy(pool);
    return 0;
}

int pawl_pool_end(pawl_pool *pool)
{
    int err;

    if (pool == NULL)
        return 0;
    if (pawl_pool_current() == pool)
        return -EDEADLK;
    err = pawl_pool_shutdown(pool, false);
    if (err == 0)
        err = pawl_pool_join(pool);
    return err == 0 || err == -ECHILD ? pawl_pool_free(pool) : err;
}

void pawl_pool_guard_end(pawl_pool **pool)
{
    (void)pawl_pool_end(*pool);
}
