/* SPDX-License-Identifier: MIT
 *
 * join.c - waiting for the end of threads; the word is drawn in thread.c.
 *
 * Most of what a thread costs that gets an OS thread of its own is the birth and
 * the death of that.  Who is told of the end by a wake, and then starts the next
 * one, does so beside a thread that is still dying: with one CPU for both, that
 * took twice as long.  So who has started it, and waits for ever, leaves AWAITED
 * and sleeps in pthread_join; without AWAITED the thread detaches itself when it
 * tells its end.
 *
 * I1  t->joining_ is u  =>  t's thread is in a join of u without deadline, and
 *     has not decided to return; so *u is valid.
 */
#include <pawl/error.h>
#include <pawl/thread.h>

#include <stdlib.h>

#include "base/compiler.h"
#include "base/tsan.h"
#include "futex/spin.h"
#include "futex/sys.h"
#include "futex/waitable.h"
#include "thread/carrier.h"
#include "thread/exit.h"
#include "thread/join.h"
#include "thread/lock.h"

/* Guards all joining_. */
static pawl_mutex edges = PAWL_MUTEX_INIT;

/* 0: it runs, 1: it has ended; or why it cannot be waited for. */
static int look(const pawl_thread *t)
{
    switch (pawl_thread_phase(t)) {
    case PAWL_T_ENDED:
        return 1;
    case PAWL_T_NEW:
        return -ESRCH;
    case PAWL_T_CLOSED:
        return -EBADF;
    default:
        if (pawl_thread_stayed_behind(t))
            return -ECHILD;
        return (t->flags_ & (PAWL_T_FOREIGN | PAWL_T_DETACHED)) != 0 ? -EINVAL
                                                                     : 0;
    }
}

static bool is_caller(const pawl_thread *t)
{
    const struct pawl_carrier *c = pawl_carrier_self_;

    if (c == NULL)
        return (t->flags_ & PAWL_T_MAIN) != 0 && pawl_carrier_is_main();
    return c->thread == t;
}

/* -- Cycles ------------------------------------------------------------------ */

void pawl_join_in_child(pawl_thread *left)
{
    pawl_mutex_init(&edges, 0);
    if (left != NULL)
        left->joining_ = NULL;
}

/* The calling thread is going to wait for *t for ever.  False: it would wait for
 * itself. */
static bool add_edge(pawl_thread *me, pawl_thread *t)
{
    bool is_cycle = false;

    pawl_lock(&edges);
    for (const pawl_thread *u = t; u != NULL && !is_cycle; u = u->joining_)
        is_cycle = u == me;
    if (!is_cycle)
        me->joining_ = t;
    pawl_unlock(&edges);
    return !is_cycle;
}

static void remove_edge(pawl_thread *me)
{
    pawl_lock(&edges);
    me->joining_ = NULL;
    pawl_unlock(&edges);
}

/* -- One ----------------------------------------------------------------------- */

static bool spin(const pawl_thread *t)
{
    struct pawl_spin spin;
    bool ended;

    if (!pawl_spin_begins(&spin, PAWL_SPIN_JOIN))
        return false;
    while (!(ended = pawl_thread_phase(t) != PAWL_T_RUNNING) &&
           pawl_spin_again(&spin))
        ;
    pawl_spin_ends(&spin, ended);
    return ended;
}

/* Say in the word that somebody is going to sleep on it as *as; false: it does not
 * run (any more). */
static bool mark(pawl_thread *t, uint32_t *as)
{
    /* relaxed: a hint; the CAS, or the kernel, decides. */
    uint32_t seen = pawl_load_relaxed(&t->state_);

    do {
        if ((seen & PAWL_T_PHASE) != PAWL_T_RUNNING)
            return false;
        *as = seen | PAWL_T_SLEEPERS;
        /* relaxed: publishes nothing.  The kernel compares the word under its
         * queue lock: it sees the end, or the end sees SLEEPERS. */
    } while (*as != seen && !pawl_cas_relaxed(&t->state_, &seen, *as));
    return true;
}

static int sleep_on(pawl_thread *t, pawl_deadline until)
{
    int err = 0;
    int seen;
    uint32_t as;

    while ((seen = look(t)) == 0 && err != -ETIMEDOUT)
        if (mark(t, &as))
            err =
                pawl_futex_wait(&t->state_, as, until, false, PAWL_CHANNEL_ANY);
    return seen != 0 ? seen : err;
}

/* -- The OS thread -------------------------------------------------------------- */

/* The last ones that the calling thread has started. */
#define STARTED 8

static _Thread_local struct started {
    const pawl_thread *t; /* NULL: none */
    uint64_t serial;      /* of *t then */
    pthread_t thread;
} started[STARTED];

void pawl_join_remember(const pawl_thread *t, uint64_t serial, pthread_t thread)
{
    started[serial % STARTED] =
        (struct started){.t = t, .serial = serial, .thread = thread};
}

/* NULL: the calling thread has not started *t, or many others since. */
static struct started *recall(const pawl_thread *t)
{
    for (int i = 0; i < STARTED; i++)
        /* Only of one that it has started: others may just be starting *t. */
        if (started[i].t == t &&
            started[i].serial == pawl_thread_serial_of(t))
            return &started[i];
    return NULL;
}

/* Say in the word that the OS thread will be joined; false: it does not run. */
static bool mark_awaited(pawl_thread *t)
{
    /* relaxed: a hint; the CAS decides. */
    uint32_t seen = pawl_load_relaxed(&t->state_);

    do
        if ((seen & PAWL_T_PHASE) != PAWL_T_RUNNING)
            return false;
    /* relaxed: publishes nothing; the thread looks at it when it ends. */
    while (!pawl_cas_relaxed(&t->state_, &seen, seen | PAWL_T_AWAITED));
    return true;
}

/* Sleep until *t's OS thread is gone, if that is known and can be waited for. */
static void await_os_thread(pawl_thread *t)
{
    struct started *s = recall(t);
    int cancel;

    if (s == NULL || pawl_self_.interruptible != 0 || !mark_awaited(t))
        return;
    s->t = NULL;
    pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, &cancel);
    pthread_join(s->thread, NULL);
    pthread_setcancelstate(cancel, NULL);
}

static PAWL_COLD int join_slow(pawl_thread *t, pawl_deadline until)
{
    struct pawl_carrier *c;
    bool has_edge = false;
    int err;

    if (is_caller(t))
        return -EDEADLK;
    if (pawl_exit_gate() != 0)
        return -ESHUTDOWN;
    if (until <= 0)
        return -ETIMEDOUT;
    if (spin(t))
        return look(t);
    c = until == PAWL_FOREVER ? pawl_carrier_self_ : NULL;
    if (c != NULL && c->thread != NULL) {
        has_edge = add_edge(c->thread, t);
        if (!has_edge)
            return -EDEADLK;
    }
    if (until == PAWL_FOREVER)
        await_os_thread(t);
    err = sleep_on(t, until);
    if (has_edge)
        remove_edge(c->thread);
    return err;
}

int pawl_thread_join_until(pawl_thread *t, pawl_deadline until, int *status)
{
    int err = look(t);

    if (err == 0)
        err = join_slow(t, until);
    if (err < 0)
        return err;
    pawl_tsan_acquire(t);
    if (status != NULL)
        *status = t->status_;
    return 0;
}

int pawl_thread_join(pawl_thread *t, int *status)
{
    return pawl_thread_join_until(t, PAWL_FOREVER, status);
}

int pawl_thread_try_join(pawl_thread *t, int *status)
{
    int err = pawl_thread_join_until(t, 0, status);

    return err == -ETIMEDOUT ? -EAGAIN : err;
}

int pawl_thread_exit_status(pawl_thread *t, int *status)
{
    int err = look(t);

    if (err == 0)
        return -EAGAIN;
    return err < 0 ? err : pawl_thread_try_join(t, status);
}

/* -- Several ------------------------------------------------------------------- */

static int look_at_item(pawl_wait_item *item, bool first)
{
    pawl_thread *t = item->object_;
    int seen = look(t);

    (void)first;
    if (seen == 0)
        return is_caller(t) ? -EDEADLK : -EAGAIN;
    if (seen > 0)
        pawl_tsan_acquire(t);
    return seen > 0 ? 0 : seen;
}

static bool watch(const pawl_wait_item *item, struct pawl_watch *w)
{
    pawl_thread *t = item->object_;
    uint32_t as;

    if (!mark(t, &as))
        return false;
    *w = (struct pawl_watch){&t->state_, as, false};
    return true;
}

pawl_wait_item pawl_thread_wait_item(pawl_thread *t)
{
    static const struct pawl_waitable how = {.look = look_at_item,
                                             .watch = watch};

    return pawl_waitable_item(t, &how);
}

int pawl_thread_join_any_until(pawl_thread *const *threads, size_t n,
                               pawl_deadline until, size_t *which)
{
    enum { FEW = 16 };
    pawl_wait_item few[FEW];
    pawl_wait_item *items = few;
    int err;

    if (n == 0)
        return -EINVAL;
    if (n > FEW)
        items = calloc(n, sizeof *items);
    if (items == NULL)
        return -ENOMEM;
    for (size_t i = 0; i < n; i++)
        items[i] = pawl_thread_wait_item(threads[i]);
    err = pawl_wait_any_until(items, n, until, which);
    if (items != few)
        free(items);
    return err;
}

int pawl_thread_join_all_until(pawl_thread *const *threads, size_t n,
                               pawl_deadline until)
{
    int err = 0;

    for (size_t i = 0; i < n && err == 0; i++)
        err = pawl_thread_join_until(threads[i], until, NULL);
    return err;
}
