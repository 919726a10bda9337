/* SPDX-License-Identifier: MIT
 *
 * pool_submit.c - tasks, and how they come to a pool: see pool_core.h.
 */
#include <pawl/error.h>

#include <sched.h>
#include <stdlib.h>

#include "base/tsan.h"
#include "futex/sys.h"
#include "thread/pool_core.h"

/* -- Tasks ------------------------------------------------------------------------ */

void pawl_task_init(pawl_task *task, pawl_task_fn fn, void *arg)
{
    *task = (pawl_task)PAWL_TASK_INIT(fn, arg);
}

void pawl_task_release(pawl_task *task)
{
    pawl_tsan_release(&task->refs_);
    /* acq_rel: pairs with itself: the last one sees what all others did. */
    if (pawl_add_acq_rel(&task->refs_, UINT32_MAX) == 1) {
        pawl_tsan_acquire(&task->refs_);
        free(task);
    }
}

static pawl_pool *pool_of(const pawl_task *t)
{
    /* relaxed: ordered by held_. */
    return (pawl_pool *)(uintptr_t)pawl_load64_relaxed(&t->pool_);
}

/* acquire: pairs with the release in pawl_task_let_go, and of who sets it. */
static uint32_t held(const pawl_task *t)
{
    uint32_t word = pawl_load_acquire(&t->held_);

    pawl_tsan_acquire(t);
    return word;
}

int pawl_task_settle(pawl_task *task)
{
    int err;
    uint32_t seen;

    /* A pool that has let go of one that runs is about to set it. */
    if (held(task) == 0 && !pawl_future_is_running(&task->future))
        return 0;
    if (!pawl_pool_is_of_this_process(pool_of(task)))
        return -ECHILD;
    err = pawl_future_result(&task->future, NULL, NULL);
    if (err != -ECANCELED)
        return err;
    if (held(task) != 0 && pawl_line_purge(pool_of(task)))
        pawl_pool_look_after(pool_of(task), 0);
    while ((seen = held(task)) != 0)
        /* relaxed: publishes nothing; the kernel compares the word. */
        if (seen == PAWL_TASK_AWAITED ||
            pawl_cas_relaxed(&task->held_, &seen, PAWL_TASK_AWAITED))
            pawl_futex_wait(&task->held_, PAWL_TASK_AWAITED, PAWL_FOREVER,
                            false, PAWL_CHANNEL_ANY);
    return 0;
}

/* -- In line ------------------------------------------------------------------------ */

static int refusal(uint64_t inbox)
{
    if ((inbox & PAWL_POOL_BROKEN) != 0)
        return -ENOTRECOVERABLE;
    return (inbox & PAWL_POOL_CLOSED) != 0 ? -ESHUTDOWN : 0;
}

/* There has to be a worker before something is put in line; but none comes after
 * the end, when somebody may have joined the pool. */
static PAWL_COLD int start_first(pawl_pool *p)
{
    int err = 0;

    /* relaxed: it stays. */
    while (err == 0 && pawl_load_relaxed(&p->has_worker) == 0) {
        if (pawl_line_take_token_if_open(p)) {
            err = pawl_pool_start_worker(p, true);
            if (err != 0) {
                pawl_pool_call_off(p);
                /* relaxed: seen under `beds`.  Somebody else has. */
                if (pawl_load_relaxed(&p->has_worker) != 0)
                    err = 0;
            }
        } else {
            sched_yield(); /* somebody else starts one, or is about to */
            pawl_pool_lock(&p->beds);
            pawl_mutex_unlock(&p->beds);
            err = refusal(pawl_load64_relaxed(&p->inbox)); /* relaxed: a hint */
        }
    }
    return err;
}

int pawl_pool_may_submit(pawl_pool *p)
{
    int err;

    if (pawl_unlikely(!pawl_pool_is_of_this_process(p)))
        return -ECHILD;
    err = refusal(pawl_load64_relaxed(&p->inbox)); /* relaxed: a hint */
    /* relaxed: as in start_first. */
    if (err == 0 && pawl_unlikely(pawl_load_relaxed(&p->has_worker) == 0))
        err = start_first(p);
    return err;
}

static int check_task(const pawl_task *t)
{
    if (t->fn_ == NULL)
        return -EINVAL;
    return held(t) != 0 || pawl_future_state(&t->future) != PAWL_FUTURE_PENDING
               ? -EALREADY
               : 0;
}

static void hold(pawl_pool *p, pawl_task *t)
{
    /* relaxed: published by the push; both. */
    pawl_store64_relaxed(&t->pool_, (uintptr_t)p);
    pawl_store_relaxed(&t->held_, PAWL_TASK_HELD);
    pawl_tsan_release(t);
}

static void take_back(pawl_task *t)
{
    pawl_store_relaxed(&t->held_, 0); /* relaxed: nobody has seen it */
}

/* Get room for one in line.  1: run it here. */
static int get_room(pawl_pool *p, pawl_deadline until)
{
    if (pawl_likely(p->options.capacity == 0) ||
        pawl_sem_try_acquire(&p->room) == 0)
        return 0;
    if (p->options.caller_runs)
        return 1;
    if (until <= 0)
        return -ETIMEDOUT;
    return pawl_worker_here(p) != NULL
               ? 1
               : pawl_sem_acquire_until(&p->room, until);
}

/* Where there is room for them. */
static int put_in_line(pawl_pool *p, pawl_task *newest, pawl_task *oldest)
{
    struct pawl_worker *w = pawl_worker_here(p);
    uint64_t inbox;

    if (w == NULL || newest != oldest || !pawl_line_push_own(w, newest)) {
        inbox = pawl_line_push(p, newest, oldest, 0);
        if (refusal(inbox) != 0)
            return refusal(inbox);
    } else {
        inbox = pawl_load64_seq(&p->inbox); /* seq_cst: B */
    }
    pawl_pool_look_after(p, inbox);
    return 0;
}

/* There is room. */
static int hold_in_line(pawl_pool *p, pawl_task *t)
{
    int err;

    hold(p, t);
    err = put_in_line(p, t, t);
    if (err != 0) {
        take_back(t);
        pawl_line_left(p);
    }
    return err;
}

static int submit(pawl_pool *p, pawl_task *t, pawl_deadline until)
{
    int err = pawl_pool_may_submit(p);

    if (err == 0)
        err = check_task(t);
    if (err == 0)
        err = get_room(p, until);
    if (err < 0)
        return err;
    if (err == 1) {
        hold(p, t);
        pawl_pool_run_within(pawl_worker_here(p), t);
        return 0;
    }
    return hold_in_line(p, t);
}

int pawl_pool_submit_quietly(pawl_pool *p, pawl_task *t)
{
    int err = pawl_pool_may_submit(p);

    if (err != 0)
        return err;
    if (p->options.capacity > 0 && pawl_sem_try_acquire(&p->room) != 0)
        return -EAGAIN;
    return hold_in_line(p, t);
}

static int as_try(int err)
{
    return err == -ETIMEDOUT ? -EAGAIN : err;
}

int pawl_pool_submit_until(pawl_pool *pool, pawl_task *task,
                           pawl_deadline until)
{
    return submit(pool, task, until);
}

int pawl_pool_submit(pawl_pool *pool, pawl_task *task)
{
    return submit(pool, task, PAWL_FOREVER);
}

int pawl_pool_try_submit(pawl_pool *pool, pawl_task *task)
{
    return as_try(submit(pool, task, 0));
}

/* By one step: nobody waits for room. */
static int64_t submit_chain(pawl_pool *p, pawl_task *tasks, size_t n)
{
    int err = pawl_pool_may_submit(p);

    for (size_t i = 0; i < n && err == 0; i++)
        err = check_task(&tasks[i]);
    if (err != 0)
        return err;
    for (size_t i = 0; i < n; i++) {
        hold(p, &tasks[i]);
        tasks[i].next_ = i > 0 ? &tasks[i - 1] : NULL;
    }
    err = put_in_line(p, &tasks[n - 1], &tasks[0]);
    for (size_t i = 0; i < n && err != 0; i++)
        take_back(&tasks[i]);
    return err != 0 ? err : (int64_t)n;
}

int64_t pawl_pool_submit_many_until(pawl_pool *pool, pawl_task *tasks, size_t n,
                                    pawl_deadline until)
{
    int err = 0;
    size_t i = 0;

    if (n > 1 && pool->options.capacity == 0)
        return submit_chain(pool, tasks, n);
    while (i < n && (err = submit(pool, &tasks[i], until)) == 0)
        i++;
    return i > 0 ? (int64_t)i : err;
}

int64_t pawl_pool_submit_many(pawl_pool *pool, pawl_task *tasks, size_t n)
{
    return pawl_pool_submit_many_until(pool, tasks, n, PAWL_FOREVER);
}

int64_t pawl_pool_try_submit_many(pawl_pool *pool, pawl_task *tasks, size_t n)
{
    int64_t done = pawl_pool_submit_many_until(pool, tasks, n, 0);

    return done < 0 ? as_try((int)done) : done;
}

int pawl_pool_call(pawl_pool *pool, pawl_task_fn fn, void *arg,
                   pawl_task **task)
{
    pawl_task *t = malloc(sizeof *t);
    int err;

    if (t == NULL)
        return -ENOMEM;
    pawl_task_init(t, fn, arg);
    /* relaxed: published by the push.  One for the pool, one for the caller. */
    pawl_store_relaxed(&t->refs_, task != NULL ? 2 : 1);
    err = pawl_pool_submit(pool, t);
    if (err != 0)
        free(t);
    else if (task != NULL)
        *task = t;
    return err;
}
