/* SPDX-License-Identifier: MIT
 *
 * A pool with one worker, which looks for work, and goes to bed when it finds none,
 * while another submits a task: it is run.
 */
#include "client_lock.h"

CLIENT_EXECUTIONS(1324);

#include "atomic/wsdeque.c"
#include "futex/eventcount.c"
#include "thread/future.c"
#undef SLEEPERS
#include "thread/pool_line.c"
#define pool_of submit_pool_of
#include "thread/pool_submit.c"
#undef pool_of
#include "thread/pool_work.c"

#include "no_starts.c"

static pawl_pool *p;
static struct pawl_worker w;
static pawl_task task;
static _Alignas(2 * PAWL_CACHE_LINE) char memory[4096];
static int made; /* published by the submit */
static int runs; /* ... and by the task's outcome */

static int run(pawl_task *t, void *arg)
{
    assert(t == &task && *(int *)arg == 1);
    runs++;
    return 7;
}

/* As work() of pool_work.c, for one task. */
static void work_once(void)
{
    pawl_task *t;

    self = &w;
    while ((t = pawl_line_take(&w)) == NULL) {
        bool goes_on;

        if (!w.searches)
            w.searches = pawl_line_take_token(p);
        goes_on = sleep_well(&w);
        assert(goes_on);
    }
    take_up(&w, t, true);
}

static void submit_it(void)
{
    int err;

    made = 1;
    err = pawl_pool_submit(p, &task);
    assert(err == 0);
}

/* The pool as it is when its worker has been started and called. */
static void make_pool(void)
{
    p = (pawl_pool *)(void *)memory;
    p->options.max_workers = 1;
    pawl_mutex_init(&p->gate, 0);
    pawl_mutex_init(&p->beds, 0);
    w.pool = p;
    w.is_there = true;
    /* relaxed: there are no threads yet. */
    pawl_store64_relaxed(&p->worker[0], (uintptr_t)&w);
    pawl_store_relaxed(&p->places, 1);
    pawl_store_relaxed(&p->state, WORKER);
    pawl_store_relaxed(&p->has_worker, 1);
}

int main(void)
{
    int status = 0;

    make_pool();
    pawl_task_init(&task, run, &made);
    CLIENT_RUN(work_once, submit_it);
    assert(runs == 1);
    assert(pawl_future_result(&task.future, &status, NULL) == 0 && status == 7);
    return 0;
}
