/* SPDX-License-Identifier: MIT
 *
 * One sets, one would cancel, and waits: one outcome.
 */
#include "client.h"

CLIENT_EXECUTIONS(3136);

#include "thread/future.c"

static pawl_future f = PAWL_FUTURE_INIT;
static int made; /* published by the set */
static int cancelled;

/* Of the pool: this future is no task of one. */
int pawl_task_wait_begins(const pawl_future *future, bool *spins)
{
    (void)future;
    (void)spins;
    assert(false && "a task");
    return 0;
}

struct pawl_worker *pawl_task_helper(const pawl_future *future)
{
    (void)future;
    assert(false && "a task");
    return NULL;
}

int pawl_help(struct pawl_worker *helper, const struct pawl_watch *w,
              pawl_deadline until)
{
    (void)helper;
    (void)w;
    (void)until;
    assert(false && "a worker");
    return 0;
}

void pawl_task_stop(pawl_future *future)
{
    (void)future;
    assert(false && "a task");
}

static void set_it(void)
{
    int err = pawl_future_begin(&f);

    if (err != 0)
        return;
    made = 1;
    err = pawl_future_set(&f, 7, &made);
    assert(err == 0);
}

static void cancel_it(void)
{
    cancelled = pawl_future_cancel(&f) == 0;
}

static void await_it(void)
{
    int status = 0;
    void *value = NULL;
    int err = pawl_future_result(&f, &status, &value);

    assert(err == 0 || err == -ECANCELED);
    if (err == 0)
        assert(status == 7 && *(int *)value == 1);
}

static void cancel_and_await_it(void)
{
    cancel_it();
    await_it();
}

int main(void)
{
    CLIENT_RUN(set_it, cancel_and_await_it);
    assert(cancelled != (made == 1));
    return 0;
}
