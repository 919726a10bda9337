/* SPDX-License-Identifier: MIT
 *
 * pool.c - making, closing, joining and freeing the pools of pawl/procpool.h: see
 * pool_core.h.
 */
#include "process/pool_core.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include "base/place.h"
#include "thread/exit.h"
#include "thread/service.h"

/* Tasks that workers may take, for each; and of how many there are at least.  So
 * many that workers of tiny tasks find another one until the window is filled
 * again, so few that their records stay in a cache. */
#define RECORDS_EACH 16
#define RECORDS_LEAST 256

#define MEMORY ((size_t)4 << 20)
#define FAILURES 5
#define GRACE_NS 1000000000
#define CAPACITY_MAX (UINT32_C(1) << 29)

/* -- All pools ------------------------------------------------------------------- */

static pawl_procpool *pool_at(struct pawl_roll_entry *e)
{
    return pawl_container_of(e, pawl_procpool, on_roll);
}

static bool is_busy(struct pawl_roll_entry *e)
{
    pawl_procpool *p = pool_at(e);

    return p->options.at_exit != PAWL_POOL_ABANDON &&
           p != pawl_procpool_served_ && pawl_procpool_try_drain(p) != 0;
}

static int settle(struct pawl_roll_entry *e, pawl_deadline until)
{
    pawl_procpool *p = pool_at(e);

    if (p->options.at_exit == PAWL_POOL_CANCEL)
        (void)pawl_procpool_terminate(p);
    return pawl_procpool_drain_until(p, until);
}

static struct pawl_roll pools = {.is_busy = is_busy, .settle = settle};

pawl_procpool *pawl_procpool_hold(const pawl_proctask *t)
{
    struct pawl_roll_entry *e;
    pawl_procpool *p = NULL;

    if (t->pool_ == NULL || t->forks_ != pawl_fork_count_)
        return NULL;
    pawl_roll_lock(&pools);
    e = pools.first;
    while (e != NULL && pool_at(e) != t->pool_)
        e = e->next;
    if (e != NULL) {
        p = pool_at(e);
        pawl_lock(&p->lock);
    }
    pawl_roll_unlock(&pools);
    return p;
}

/* Of a pawl_exit_hook. */
static bool await_tasks(pawl_deadline until)
{
    return pawl_roll_settle(&pools, until);
}

/* As those of pawl_pool. */
static struct pawl_exit_hook early = {.run = await_tasks,
                                      .phase = PAWL_EXIT_EXECUTORS};
static struct pawl_exit_hook late = {.run = await_tasks,
                                     .phase = PAWL_EXIT_THREADS};

/* -- Making one -------------------------------------------------------------------- */

static int check(pawl_procpool_options *o)
{
    if ((o->size != 0 && o->size != sizeof *o) || o->workers < 0 ||
        o->workers > PAWL_PROCPOOL_WORKERS_MAX || o->grace_ns < 0 ||
        (unsigned)o->method > PAWL_START_FORKSERVER ||
        (o->flags & ~(unsigned)PAWL_PROCPOOL_FAIL_ALL) != 0 ||
        o->capacity > CAPACITY_MAX ||
        (unsigned)o->at_exit > PAWL_POOL_ABANDON ||
        (o->argument == NULL && o->argument_size > 0) ||
        o->memory > PAWL_REGION_BYTES_MAX / 2)
        return -EINVAL;
    if (o->workers == 0)
        o->workers = pawl_process_cpu_count();
    if (o->workers > PAWL_PROCPOOL_WORKERS_MAX)
        o->workers = PAWL_PROCPOOL_WORKERS_MAX;
    if (o->method == PAWL_START_DEFAULT)
        o->method = pawl_process_start_method();
    if (o->memory == 0)
        o->memory = MEMORY;
    if (o->failures_max == 0)
        o->failures_max = FAILURES;
    if (o->grace_ns == 0)
        o->grace_ns = GRACE_NS;
    return o->argument_size > o->memory ? -EMSGSIZE : 0;
}

static uint32_t records_for(int workers)
{
    uint32_t n = RECORDS_LEAST;

    while (n < RECORDS_EACH * (uint32_t)workers)
        n *= 2;
    return n;
}

/* Frees what there is; the workers are gone, or those of another process. */
static void destroy(pawl_procpool *p)
{
    if (p->watch >= 0)
        close(p->watch);
    if (p->timer >= 0)
        close(p->timer);
    if (p->bell >= 0)
        close(p->bell);
    pawl_region_free(p->region);
    free(p->offers.position);
    free(p->offers.taker);
    free(p->place);
    free(p->free);
    free(p->worker);
    free(p);
}

static int make_region(pawl_procpool *p, uint32_t records, uint32_t workers)
{
    size_t window = pawl_window_bytes(records, workers);
    size_t argument = pawl_round_up(p->options.argument_size, 16);
    pawl_region_options o = {
        .heap = p->options.memory, .buffer = window + argument, .names = 1};
    int err = pawl_region_create(&p->region, &o);

    if (err != 0)
        return err;
    p->memory = pawl_round_up(o.heap, PAWL_REGION_PAGE);
    p->window = pawl_region_buffer(p->region, NULL);
    pawl_window_init(p->window, records, workers);
    p->window->limit = p->options.tasks_max;
    p->window->by_address = p->options.method == PAWL_START_FORK;
    p->window->argument = window;
    p->window->argument_size = p->options.argument_size;
    if (p->options.argument_size > 0)
        memcpy((char *)p->window + window, p->options.argument,
               p->options.argument_size);
    return 0;
}

static int watch(const pawl_procpool *p, int fd, uint32_t as)
{
    struct epoll_event e = {.events = EPOLLIN, .data.u32 = as};

    if (fd < 0)
        return fd;
    return epoll_ctl(p->watch, EPOLL_CTL_ADD, fd, &e) == 0 ? 0 : -errno;
}

static int make_descriptors(pawl_procpool *p)
{
    int err = 0;

    p->bell = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (p->bell >= 0)
        p->timer = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK);
    if (p->timer >= 0)
        p->watch = epoll_create1(EPOLL_CLOEXEC);
    if (p->watch < 0)
        return -errno;
    err = watch(p, p->bell, PAWL_WATCH_BELL);
    return err != 0 ? err : watch(p, p->timer, PAWL_WATCH_TIMER);
}

static int make_tables(pawl_procpool *p, uint32_t records, uint32_t workers)
{
    p->offers.window = p->window;
    p->offers.position = calloc(records, sizeof *p->offers.position);
    p->offers.taker = calloc(records, sizeof *p->offers.taker);
    p->place = calloc(records, sizeof *p->place);
    p->free = calloc(records, sizeof *p->free);
    p->worker = calloc(workers, sizeof *p->worker);
    if (p->offers.position == NULL || p->offers.taker == NULL ||
        p->place == NULL || p->free == NULL || p->worker == NULL)
        return -ENOMEM;
    while (p->free_records < records) {
        p->free[p->free_records] = (uint16_t)(records - 1 - p->free_records);
        p->free_records++;
    }
    return 0;
}

static int name_function(pawl_procpool *p, pawl_proc_fn fn, uint64_t *as)
{
    int err = fn != NULL ? pawl_procpool_function(p, fn, as) : 0;

    *as = fn != NULL && err == 0 ? *as + 1 : 0;
    return err;
}

static int fill(pawl_procpool *p)
{
    uint32_t workers = (uint32_t)p->options.workers;
    uint32_t records = records_for(p->options.workers);
    int err = make_region(p, records, workers);

    if (err == 0)
        err = make_descriptors(p);
    if (err == 0)
        err = make_tables(p, records, workers);
    if (err == 0)
        err = name_function(p, p->options.initialise, &p->window->initialise);
    if (err == 0)
        err = name_function(p, p->options.finalise, &p->window->finalise);
    p->options.argument = NULL; /* has been copied */
    return err;
}

static pawl_procpool *make(const pawl_procpool_options *o)
{
    pawl_procpool *p = calloc(1, sizeof *p);

    if (p == NULL)
        return NULL;
    (void)pawl_self_local(); /* from now on forks are counted */
    p->options = *o;
    p->forks = pawl_fork_count_;
    p->refs = 1;
    p->bell = -1;
    p->timer = -1;
    p->watch = -1;
    p->kill_at = PAWL_FOREVER;
    snprintf(p->name, sizeof p->name, "%s",
             o->name != NULL ? o->name : "PoolWorker");
    p->options.name = p->name;
    (void)pawl_sem_init(&p->room, (int)o->capacity, 0);
    return p;
}

static void end_workers(pawl_procpool *p)
{
    for (uint32_t i = 0; i < p->window->workers; i++) {
        pawl_process *worker = p->worker[i].process;

        if (worker == NULL)
            continue;
        (void)pawl_process_kill(worker);
        (void)pawl_process_join(worker, NULL);
        pawl_process_free(worker);
    }
}

static int start_all(pawl_procpool *p)
{
    int err = 0;

    for (uint32_t i = 0; i < p->window->workers && err == 0; i++)
        err = pawl_procpool_start_worker(p, i);
    if (err == 0) {
        p->refs++;
        err = pawl_service_start("procpool", pawl_procpool_serve, p);
    }
    if (err != 0)
        end_workers(p);
    return err;
}

int pawl_procpool_create(pawl_procpool **pool,
                         const pawl_procpool_options *options)
{
    pawl_procpool_options o =
        options != NULL ? *options : (pawl_procpool_options){.size = sizeof o};
    int err = check(&o);
    pawl_procpool *p;

    if (err == 0)
        err = pawl_worker_register();
    if (err == 0)
        err = pawl_exit_add(&early);
    if (err == 0)
        err = pawl_exit_add(&late);
    if (err != 0)
        return err;
    p = make(&o);
    if (p == NULL)
        return -ENOMEM;
    err = fill(p);
    if (err == 0)
        err = start_all(p);
    if (err != 0) {
        destroy(p);
        return err;
    }
    pawl_roll_add(&pools, &p->on_roll);
    *pool = p;
    return 0;
}

/* -- Workers --------------------------------------------------------------------------- */

static int start(pawl_procpool *p, uint32_t place, pawl_process **worker)
{
    struct pawl_worker_letter letter = {
        .place = place, .of_window = pawl_region_offset(p->region, p->window)};
    const int fds[] = {pawl_region_fd(p->region), p->bell};
    char name[PAWL_PROCESS_NAME_SIZE];
    pawl_process_options o = {.name = name,
                              .flags = PAWL_PROCESS_DAEMON,
                              .method = p->options.method,
                              .fds = fds,
                              .n_fds = 2};
    int err;

    snprintf(name, sizeof name, "%.40s-%llu", p->name,
             (unsigned long long)p->started + 1);
    /* relaxed: its beginning publishes it. */
    pawl_store_relaxed(&pawl_window_worker(p->window, place)->state,
                       PAWL_WORKER_STARTING);
    err = pawl_process_create_entry(worker, PAWL_WORKER_ENTRY, &letter,
                                    sizeof letter, &o);
    if (err != 0)
        return err;
    err = pawl_process_start(*worker);
    if (err != 0)
        pawl_process_free(*worker);
    return err;
}

int pawl_procpool_start_worker(pawl_procpool *p, uint32_t place)
{
    pawl_process *worker;
    int err = start(p, place, &worker);

    if (err != 0)
        return err;
    err = watch(p, pawl_process_sentinel(worker), place);
    if (err != 0) {
        (void)pawl_process_kill(worker);
        (void)pawl_process_join(worker, NULL);
        pawl_process_free(worker);
        return err;
    }
    pawl_lock(&p->lock);
    p->worker[place].process = worker;
    p->worker[place].pid = pawl_process_pid(worker);
    p->started++;
    if (p->state == PAWL_PROCPOOL_TERMINATED)
        (void)pawl_process_kill(worker);
    pawl_unlock(&p->lock);
    return 0;
}

int pawl_procpool_workers(const pawl_procpool *pool)
{
    return pool->options.workers;
}

uint64_t pawl_procpool_started(pawl_procpool *pool)
{
    uint64_t n;

    pawl_lock(&pool->lock);
    n = pool->started;
    pawl_unlock(&pool->lock);
    return n;
}

int64_t pawl_procpool_pids(pawl_procpool *pool, int64_t *pids, size_t n)
{
    size_t living = 0;

    if (!pawl_procpool_is_here(pool))
        return -ECHILD;
    pawl_lock(&pool->lock);
    for (uint32_t i = 0; i < pool->window->workers; i++)
        if (pool->worker[i].process != NULL && living++ < n)
            pids[living - 1] = pool->worker[i].pid;
    pawl_unlock(&pool->lock);
    return (int64_t)living;
}

/* -- Waiting for it ---------------------------------------------------------------------- */

static bool is_drained(const pawl_procpool *p)
{
    return p->outstanding == 0;
}

static bool has_ended(const pawl_procpool *p)
{
    return p->has_ended;
}

static bool ask(pawl_procpool *p, bool (*is_so)(const pawl_procpool *p))
{
    bool so;

    pawl_lock(&p->lock);
    so = is_so(p);
    pawl_unlock(&p->lock);
    return so;
}

/* The thread of the pool tells `changes`, under the lock, after the change. */
static int await(pawl_procpool *p, bool (*is_so)(const pawl_procpool *p),
                 pawl_deadline until)
{
    int err = 0;

    if (p == pawl_procpool_served_)
        return -EDEADLK;
    while (!ask(p, is_so)) {
        uint32_t key;

        if (err == -ETIMEDOUT || until <= 0)
            return -ETIMEDOUT;
        key = pawl_eventcount_prepare(&p->changes);
        if (ask(p, is_so)) {
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

int pawl_procpool_drain_until(pawl_procpool *pool, pawl_deadline until)
{
    return pawl_procpool_is_here(pool) ? await(pool, is_drained, until)
                                       : -ECHILD;
}

int pawl_procpool_drain(pawl_procpool *pool)
{
    return pawl_procpool_drain_until(pool, PAWL_FOREVER);
}

int pawl_procpool_try_drain(pawl_procpool *pool)
{
    return as_try(pawl_procpool_drain_until(pool, 0));
}

static bool is_open(const pawl_procpool *p)
{
    return p->state == PAWL_PROCPOOL_OPEN;
}

int pawl_procpool_join_until(pawl_procpool *pool, pawl_deadline until)
{
    if (!pawl_procpool_is_here(pool))
        return -ECHILD;
    if (ask(pool, is_open))
        return -EBUSY;
    return await(pool, has_ended, until);
}

int pawl_procpool_join(pawl_procpool *pool)
{
    return pawl_procpool_join_until(pool, PAWL_FOREVER);
}

int pawl_procpool_try_join(pawl_procpool *pool)
{
    return as_try(pawl_procpool_join_until(pool, 0));
}

/* -- Ending it ------------------------------------------------------------------------------ */

static void signal_all(pawl_procpool *p, bool kill)
{
    for (uint32_t i = 0; i < p->window->workers; i++)
        if (p->worker[i].process != NULL && kill)
            (void)pawl_process_kill(p->worker[i].process);
        else if (p->worker[i].process != NULL)
            (void)pawl_process_terminate(p->worker[i].process);
}

static int shut(pawl_procpool *p, enum pawl_procpool_state state,
                int64_t grace_ns)
{
    if (!pawl_procpool_is_here(p))
        return -ECHILD;
    pawl_lock(&p->lock);
    /* All who wait for room come, and are refused. */
    if (p->state == PAWL_PROCPOOL_OPEN && p->options.capacity > 0)
        pawl_sem_release_n(&p->room, PAWL_SEM_MAX / 2);
    if (p->state < state && p->state != PAWL_PROCPOOL_BROKEN)
        p->state = state;
    if (state == PAWL_PROCPOOL_TERMINATED && !p->has_ended) {
        pawl_deadline at = pawl_after_ns(grace_ns);

        p->kill_at = at < p->kill_at ? at : p->kill_at;
        signal_all(p, grace_ns == 0);
    }
    pawl_unlock(&p->lock);
    pawl_procpool_poke(p);
    return 0;
}

int pawl_procpool_close(pawl_procpool *pool)
{
    return shut(pool, PAWL_PROCPOOL_CLOSED, 0);
}

int pawl_procpool_terminate(pawl_procpool *pool)
{
    return shut(pool, PAWL_PROCPOOL_TERMINATED, pool->options.grace_ns);
}

int pawl_procpool_kill(pawl_procpool *pool)
{
    return shut(pool, PAWL_PROCPOOL_TERMINATED, 0);
}

void pawl_procpool_drop(pawl_procpool *p)
{
    bool is_last = --p->refs == 0;

    pawl_unlock(&p->lock);
    if (is_last)
        destroy(p);
}

int pawl_procpool_free(pawl_procpool *pool)
{
    if (pool == NULL)
        return 0;
    if (!pawl_procpool_is_here(pool)) {
        destroy(pool);
        return 0;
    }
    if (!ask(pool, has_ended))
        return -EBUSY;
    pawl_roll_remove(&pools, &pool->on_roll);
    pawl_lock(&pool->lock);
    pawl_procpool_drop(pool);
    return 0;
}

int pawl_procpool_end(pawl_procpool *pool)
{
    int err;

    if (pool == NULL)
        return 0;
    if (pawl_procpool_is_mine(pool))
        return -EDEADLK;
    err = pawl_procpool_close(pool);
    if (err == 0)
        err = pawl_procpool_join(pool);
    return err == 0 || err == -ECHILD ? pawl_procpool_free(pool) : err;
}

void pawl_procpool_guard_end(pawl_procpool **pool)
{
    (void)pawl_procpool_end(*pool);
}

void pawl_procpool_guard_terminate(pawl_procpool **pool)
{
    if (*pool != NULL)
        (void)pawl_procpool_terminate(*pool);
    (void)pawl_procpool_end(*pool);
}
