/* SPDX-License-Identifier: MIT
 *
 * pool_work.c - the workers of a pool: see pool_core.h.
 */
#include <pawl/error.h>

#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/place.h"
#include "base/tsan.h"
#include "futex/eventcount.h"
#include "futex/spin.h"
#include "futex/sys.h"
#include "thread/future_core.h"
#include "thread/pool_core.h"
#include "thread/stop.h"

#define SLEEPER PAWL_POOL_SLEEPER
#define SLEEPERS PAWL_POOL_SLEEPERS
#define WORKER PAWL_POOL_WORKER
#define WORKERS PAWL_POOL_WORKERS

/* pawl_worker.word.  CALLED: it has the token. */
enum { AWAKE, ASLEEP, CALLED };

#define DEQUE_CAPACITY 1024

static _Thread_local struct pawl_worker *self;
static _Thread_local struct pawl_task_frame *top; /* what the thread runs */

struct pawl_worker *pawl_worker_here(const pawl_pool *p)
{
    return self != NULL && self->pool == p ? self : NULL;
}

pawl_pool *pawl_pool_current(void)
{
    return self != NULL ? self->pool : NULL;
}

static uint32_t workers_of(uint32_t state)
{
    return (state & WORKERS) / WORKER;
}

/* How many workers need a CPU. */
static uint32_t awake_of(const pawl_pool *p)
{
    uint32_t state = pawl_load_relaxed(&p->state); /* relaxed: a hint */

    return workers_of(state) - (state & SLEEPERS) / SLEEPER;
}

/* -- Waking ----------------------------------------------------------------------- */

/* Under `beds`, as is the rest. */
static void leave_list(struct pawl_worker *w)
{
    *w->link = w->next;
    if (w->next != NULL)
        w->next->link = w->link;
    w->is_asleep = false;
}

static void leave_bed(pawl_pool *p, struct pawl_worker *w)
{
    leave_list(w);
    /* relaxed: who misses it wakes in vain; and who knows of what it does then
     * knows of this. */
    pawl_add_relaxed(&p->state, 0u - SLEEPER);
}

/* Wake who fell asleep last; false: nobody sleeps. */
static bool call_one(pawl_pool *p, uint32_t as)
{
    struct pawl_worker *w;

    pawl_pool_lock(&p->beds);
    w = p->sleepers;
    if (w != NULL) {
        leave_bed(p, w);
        pawl_store_relaxed(&w->word, as); /* relaxed: it takes the lock too */
    }
    pawl_mutex_unlock(&p->beds);
    if (w != NULL)
        pawl_futex_wake(&w->word, 1, false, PAWL_CHANNEL_ANY);
    return w != NULL;
}

void pawl_pool_call_all(pawl_pool *p)
{
    while (call_one(p, AWAKE))
        ;
}

/* Tell those who drain and join, if there may be something to tell. */
static void tell_changes(pawl_pool *p, uint32_t state)
{
    if ((state & SLEEPERS) == workers_of(state) * SLEEPER)
        pawl_eventcount_signal(&p->changes, UINT32_MAX);
}

/* Give the token up.  Returns the state after that. */
static uint32_t end_search(pawl_pool *p)
{
    uint32_t state;

    pawl_line_drop_token(p);
    /* seq_cst: B, as in may_wake; pairs with C: whoever fell asleep before this, and
     * told it, was perhaps not believed because of the token. */
    state = pawl_load_seq(&p->state);
    tell_changes(p, state);
    return state;
}

void pawl_pool_call_off(pawl_pool *p)
{
    uint32_t state = end_search(p);

    /* Whoever is awake looks before he sleeps. */
    if ((state & SLEEPERS) != 0 && pawl_line_has_work(p))
        pawl_pool_look_after(p, 0);
}

/* Whether there is somebody to be woken or started. */
static bool may_wake(const pawl_pool *p)
{
    /* seq_cst: B at the top of pool_core.h. */
    uint32_t state = pawl_load_seq(&p->state);

    return (state & SLEEPERS) != 0 ||
           workers_of(state) < (uint32_t)p->options.max_workers;
}

static PAWL_COLD void wake_one(pawl_pool *p)
{
    do {
        if (!pawl_line_take_token(p) || call_one(p, CALLED))
            return;
        if (pawl_line_has_work(p)) {
            if (pawl_pool_start_worker(p, true) != 0)
                pawl_pool_call_off(p);
            return;
        }
        end_search(p); /* a sleeper that was seen has got up by itself */
    } while (pawl_line_has_work(p) && may_wake(p));
}

void pawl_pool_look_after(pawl_pool *p, uint64_t inbox)
{
    if ((inbox & PAWL_POOL_SEARCHING) == 0 && may_wake(p))
        wake_one(p);
}

/* -- Running a task ------------------------------------------------------------------ */

void pawl_task_let_go(pawl_task *t)
{
    bool on_heap =
        pawl_load_relaxed(&t->refs_) != 0; /* relaxed: ours keeps it */

    pawl_tsan_release(t);
    /* release: pairs with load_acquire in settle. */
    if (pawl_swap_release(&t->held_, 0) == PAWL_TASK_AWAITED)
        pawl_futex_wake(&t->held_, PAWL_WAKE_ALL, false, PAWL_CHANNEL_ANY);
    if (on_heap)
        pawl_task_release(t);
}

/* The worker is about to be busy: leave the search to others, if there is
 * more.  While it had the token nobody was woken, for no deque. */
static void begin_work(struct pawl_worker *w)
{
    pawl_pool *p = w->pool;
    bool has_searched = w->searches || w->has_searched;

    if (w->searches) {
        w->searches = false;
        pawl_line_drop_token(p);
    }
    w->has_searched = false;
    if (has_searched ? pawl_line_has_work(p) : pawl_line_has_more(w))
        /* seq_cst: B. */
        pawl_pool_look_after(p, pawl_load64_seq(&p->inbox));
}

void pawl_pool_run(struct pawl_worker *w, pawl_task *t, bool is_free)
{
    bool on_heap =
        pawl_load_relaxed(&t->refs_) != 0; /* relaxed: ours keeps it */
    struct pawl_task_frame frame = {t, top};
    pawl_future_callback *callbacks;
    int status;

    pawl_tsan_acquire(t);
    if (pawl_future_begin(&t->future) != 0) {
        pawl_task_let_go(t);
        return;
    }
    top = &frame;
    status = t->fn_(t, t->arg_);
    top = frame.below;
    if (w != NULL && is_free && !pawl_line_has_more(w))
        w->searches = pawl_line_take_token_if_empty(w->pool);
    /* release: who settles it then sees that it runs. */
    pawl_store_release(&t->held_, 0);
    callbacks = pawl_future_set_task(&t->future, status, t->value);
    if (pawl_unlikely(callbacks != NULL)) {
        if (w != NULL)
            begin_work(w); /* they may take long */
        pawl_future_call(&t->future, callbacks);
    }
    if (on_heap)
        pawl_task_release(t);
}

void pawl_pool_run_within(struct pawl_worker *w, pawl_task *t)
{
    struct pawl_interrupt *in = pawl_self_.interrupt;
    bool interrupted = pawl_self_.interrupted;
    uint32_t calm = pawl_uninterruptible_begin();

    pawl_pool_run(w, t, false);
    pawl_uninterruptible_end(calm);
    pawl_self_.interrupted = interrupted;
    pawl_self_.interrupt = in;
}

static void take_up(struct pawl_worker *w, pawl_task *t, bool is_free)
{
    begin_work(w);
    pawl_line_left(w->pool);
    if (is_free)
        pawl_pool_run(w, t, true);
    else
        pawl_pool_run_within(w, t);
}

/* -- Looking for one ------------------------------------------------------------------- */

bool pawl_pool_is_closed(const pawl_pool *p)
{
    /* relaxed: what was in line before is found by a look after this, by seq_cst
     * and at the same word. */
    return (pawl_load64_relaxed(&p->inbox) & PAWL_POOL_CLOSED) != 0;
}

static bool search(struct pawl_worker *w)
{
    struct pawl_spin spin;
    bool found;

    if (awake_of(w->pool) > pawl_spin_cpus() ||
        !pawl_spin_begins(&spin, PAWL_SPIN_POOL))
        return false;
    while (!(found = pawl_line_has_work(w->pool)) &&
           !pawl_pool_is_closed(w->pool) && pawl_spin_again(&spin))
        ;
    pawl_spin_ends(&spin, found);
    return found;
}

/* After this somebody may call it. */
static void go_to_bed(struct pawl_worker *w)
{
    pawl_pool *p = w->pool;
    uint32_t state;

    pawl_pool_lock(&p->beds);
    w->next = p->sleepers;
    w->link = &p->sleepers;
    if (w->next != NULL)
        w->next->link = &w->next;
    p->sleepers = w;
    w->is_asleep = true;
    pawl_store_relaxed(&w->word, ASLEEP); /* relaxed: under the lock */
    state = pawl_add_seq(&p->state, SLEEPER) + SLEEPER; /* seq_cst: C, pairs */
    pawl_mutex_unlock(&p->beds);
    if (w->searches) {
        w->searches = false;
        end_search(p);
    } else {
        tell_changes(p, state);
    }
}

/* Out of bed, called or not. */
static void get_up(struct pawl_worker *w)
{
    pawl_pool *p = w->pool;

    pawl_pool_lock(&p->beds);
    if (w->is_asleep)
        leave_bed(p, w);
    /* relaxed: ordered by the lock. */
    if (pawl_load_relaxed(&w->word) == CALLED)
        w->searches = true;
    pawl_store_relaxed(&w->word, AWAKE); /* relaxed: our own */
    pawl_mutex_unlock(&p->beds);
}

/* From bed to where no worker returns from, unless it has been called. */
static bool retire(struct pawl_worker *w, bool may_be_last)
{
    pawl_pool *p = w->pool;
    bool goes;
    uint32_t state;

    pawl_pool_lock(&p->beds);
    state = pawl_load_relaxed(&p->state); /* relaxed: workers under beds */
    goes = w->is_asleep && (may_be_last || workers_of(state) > 1);
    if (goes) {
        leave_list(w);
        /* seq_cst: pairs with is_deserted; both in one step, for B: it was there to
         * be woken, or is not there. */
        state = pawl_add_seq(&p->state, 0u - WORKER - SLEEPER);
        state -= WORKER + SLEEPER;
        w->is_there = false;
    }
    pawl_mutex_unlock(&p->beds);
    if (goes)
        tell_changes(p, state);
    return goes;
}

/* When a worker has been idle for so long that it ends. */
static pawl_deadline idle_until(const pawl_pool *p)
{
    int64_t ns = p->options.idle_ns;

    return ns > 0 ? pawl_after_ns(ns) : PAWL_FOREVER;
}

/* Whether something stands in line, or is just being moved there. */
static bool has_work_anywhere(pawl_pool *p)
{
    bool any;

    pawl_pool_lock(&p->gate);
    any = pawl_line_has_work(p);
    pawl_mutex_unlock(&p->gate);
    return any;
}

/* Sleep until there is work.  False: the worker has retired.
 *
 * Who sees work and nobody who searches gets up as the one who does: a submit
 * that has seen it asleep then starts no other worker in its place.  If somebody
 * searches, or is about to wake this one, that is left to him. */
static bool sleep_well(struct pawl_worker *w)
{
    pawl_pool *p = w->pool;
    pawl_deadline until = idle_until(p);
    int err = 0;

    go_to_bed(w);
    /* relaxed: ordered by the lock in get_up. */
    while (pawl_load_relaxed(&w->word) == ASLEEP) {
        bool closed = pawl_pool_is_closed(p);

        /* Who moves something could not wake the last one that has gone. */
        if (closed ? has_work_anywhere(p) : pawl_line_has_work(p)) {
            w->searches = pawl_line_take_token(p);
            if (w->searches || closed)
                break;
            until = idle_until(p);
        } else if (closed || err == -ETIMEDOUT) {
            if (retire(w, closed))
                return false;
            until = PAWL_FOREVER; /* it is the last, or has been called */
        }
        err = pawl_futex_wait(&w->word, ASLEEP, until, false, PAWL_CHANNEL_ANY);
    }
    get_up(w);
    return true;
}

static void work(struct pawl_worker *w)
{
    for (;;) {
        pawl_task *t = pawl_line_take(w);

        if (t != NULL) {
            take_up(w, t, true);
            continue;
        }
        if (!w->searches)
            w->searches = pawl_line_take_token(w->pool);
        if (!(w->searches && search(w)) && !sleep_well(w))
            return;
    }
}

/* The initialiser has failed. */
static void give_up(struct pawl_worker *w, int status)
{
    pawl_pool *p = w->pool;

    pawl_pool_lock(&p->gate);
    if (p->broken_status == 0)
        p->broken_status = status; /* the first one counts */
    status = p->broken_status;
    pawl_mutex_unlock(&p->gate);
    pawl_pool_close(p, PAWL_POOL_CLOSED | PAWL_POOL_BROKEN);
    pawl_line_clear(p, status);
    while (go_to_bed(w), !retire(w, true))
        get_up(w);
}

static int worker_main(void *arg)
{
    struct pawl_worker *w = arg;
    const pawl_pool_options *o = &w->pool->options;
    int status = o->initialise != NULL ? o->initialise(o->context) : 0;

    self = w;
    if (status != 0) {
        give_up(w, status);
    } else {
        work(w);
        if (o->finalise != NULL)
            o->finalise(o->context);
    }
    self = NULL;
    return 0;
}

/* -- Starting workers ------------------------------------------------------------------- */

static struct pawl_worker *make_worker(pawl_pool *p)
{
    struct pawl_worker *w = aligned_alloc(
        2 * PAWL_CACHE_LINE, pawl_round_up(sizeof *w, 2 * PAWL_CACHE_LINE));

    if (w == NULL)
        return NULL;
    memset(w, 0, sizeof *w);
    w->pool = p;
    if (p->options.max_workers > 1 &&
        pawl_wsdeque_create(&w->deque, DEQUE_CAPACITY) != 0) {
        free(w);
        return NULL;
    }
    return w;
}

/* The thread of one that has retired may take long to come to its end. */
static bool is_free(const struct pawl_worker *w)
{
    return !w->is_there && !pawl_thread_is_alive(&w->thread);
}

/* Under `beds`, as is the rest: out of those that have no place, else a new one. */
static struct pawl_worker *find_placeless(pawl_pool *p)
{
    struct pawl_worker **link = &p->placeless;
    struct pawl_worker *w;

    while (*link != NULL && !is_free(*link))
        link = &(*link)->next;
    w = *link;
    if (w == NULL)
        return make_worker(p);
    *link = w->next;
    return w;
}

static void give_place(pawl_pool *p, uint32_t number, struct pawl_worker *w)
{
    if (number < pawl_pool_places(p)) {
        struct pawl_worker *before = pawl_worker_at(p, number);

        before->next = p->placeless;
        p->placeless = before;
    }
    /* release: pairs with the acquire in pawl_worker_at. */
    pawl_store64_release(&p->worker[number], (uintptr_t)w);
    if (number == pawl_pool_places(p))
        /* release: pairs with the acquire in pawl_pool_places. */
        pawl_store_release(&p->places, number + 1);
}

/* A worker without a thread, and its number: there are fewer than there may be.  One
 * that has retired, and has not come to its end, makes way.  NULL: no memory. */
static struct pawl_worker *place_for(pawl_pool *p, uint32_t *number)
{
    uint32_t places = pawl_pool_places(p);
    struct pawl_worker *w;

    for (uint32_t i = *number = 0; i < places; i++) {
        w = pawl_worker_at(p, i);
        if (is_free(w)) {
            *number = i;
            return w;
        }
        if (!w->is_there)
            *number = i;
    }
    if (places < (uint32_t)p->options.max_workers)
        *number = places;
    w = find_placeless(p);
    if (w != NULL)
        give_place(p, *number, w);
    return w;
}

/* The CPU of the worker with this number; false: cannot tell. */
static bool choose_cpu(uint32_t number, cpu_set_t *chosen)
{
    cpu_set_t allowed;
    uint32_t left;

    CPU_ZERO(&allowed);
    if (sched_getaffinity(0, sizeof allowed, &allowed) != 0)
        return false;
    left = number % (uint32_t)CPU_COUNT(&allowed);
    CPU_ZERO(chosen);
    for (size_t cpu = 0; cpu < CPU_SETSIZE; cpu++)
        if (CPU_ISSET(cpu, &allowed) && left-- == 0) {
            CPU_SET(cpu, chosen);
            return true;
        }
    return false;
}

static int start_thread(struct pawl_worker *w, uint32_t number)
{
    const pawl_pool_options *o = &w->pool->options;
    char name[PAWL_THREAD_NAME_SIZE];
    cpu_set_t cpus;
    pawl_thread_options to = {
        .size = sizeof to,
        .name = name,
        .daemon = PAWL_THREAD_DAEMON,
        .stack_size = o->stack_size,
    };
    int err;

    snprintf(name, sizeof name, "%.50s_%u", w->pool->name, number);
    if (o->pins && choose_cpu(number, &cpus)) {
        to.cpus = &cpus;
        to.cpus_size = sizeof cpus;
    }
    err = pawl_thread_init(&w->thread, worker_main, w, &to);
    return err != 0 ? err : pawl_thread_start(&w->thread);
}

/* All of it under `beds`.  A worker is counted before it begins: what it does is
 * done by one that is counted. */
int pawl_pool_start_worker(pawl_pool *p, bool searches)
{
    struct pawl_worker *w = NULL;
    uint32_t number = 0;
    int err = -EAGAIN;

    pawl_pool_lock(&p->beds);
    if (workers_of(pawl_load_relaxed(&p->state)) < /* relaxed: under beds */
        (uint32_t)p->options.max_workers) {
        w = place_for(p, &number);
        err = -ENOMEM;
    }
    if (w != NULL) {
        w->searches = searches;
        w->is_there = true;
        /* relaxed: who knows of what it does knows of its beginning; who misses it
         * tries to start one more. */
        pawl_add_relaxed(&p->state, WORKER);
        err = start_thread(w, number);
    }
    if (err == 0) {
        pawl_store_relaxed(&p->has_worker, 1); /* relaxed: it stays */
    } else if (w != NULL) {
        w->is_there = false;
        /* seq_cst: pairs with is_deserted, as in retire; who has the token tells
         * it (call_off), else a worker that is there. */
        pawl_add_seq(&p->state, 0u - WORKER);
    }
    pawl_mutex_unlock(&p->beds);
    return err;
}

/* -- Questions ---------------------------------------------------------------------------- */

int pawl_pool_workers(const pawl_pool *pool)
{
    return (int)workers_of(
        pawl_load_relaxed(&pool->state)); /* relaxed: a hint */
}

bool pawl_pool_is_deserted(const pawl_pool *p)
{
    /* seq_cst: pairs with retire. */
    return (pawl_load_seq(&p->state) & WORKERS) == 0 &&
           (pawl_load64_seq(&p->inbox) & PAWL_POOL_SEARCHING) == 0;
}

bool pawl_pool_is_quiet(pawl_pool *p)
{
    bool quiet = !has_work_anywhere(p) &&
                 /* relaxed: has_work has just loaded it by seq_cst, which pairs
                  * with go_to_bed and end_search. */
                 (pawl_load64_relaxed(&p->inbox) & PAWL_POOL_SEARCHING) == 0;
    uint32_t state = pawl_load_seq(&p->state); /* seq_cst: as above */

    return quiet && (state & SLEEPERS) == workers_of(state) * SLEEPER;
}

/* -- Waiting within a task -------------------------------------------------------------- */

/* Where the kernel cannot wait for two words: so often the other one is looked
 * at. */
#define LOOK_OFTEN_MS 2

bool pawl_task_may_help(void)
{
    return self != NULL && self->pool->options.helps;
}

static const pawl_pool *pool_of(const pawl_future *f)
{
    /* The first member of a pawl_task. */
    const pawl_task *t = (const pawl_task *)(const void *)f;

    /* relaxed: whose worker has submitted it finds it. */
    return (const pawl_pool *)(uintptr_t)pawl_load64_relaxed(&t->pool_);
}

struct pawl_worker *pawl_task_helper(const pawl_future *f)
{
    return pawl_task_may_help() && pool_of(f) == self->pool ? self : NULL;
}

/* Sleep until there is work, or it is time to look at *watch. */
static int doze(struct pawl_worker *w, const struct pawl_watch *watch,
                pawl_deadline until)
{
    struct pawl_watch both[2] = {{&w->word, ASLEEP, false}, *watch};
    pawl_deadline look_at = pawl_after_ms(LOOK_OFTEN_MS);
    int err = -ENOSYS;

    if (pawl_futex_can_wait_any())
        err = pawl_futex_wait_any(both, 2, until);
    if (err != -ENOSYS)
        return err;
    err = pawl_futex_wait(&w->word, ASLEEP, look_at < until ? look_at : until,
                          false, PAWL_CHANNEL_ANY);
    return err == -ETIMEDOUT && look_at < until && !pawl_self_.interrupted
               ? 0
               : err;
}

/* Whether the caller of the call for which *w helps wants it back. */
static bool is_called_off(pawl_deadline until)
{
    if (pawl_self_.interruptible != 0 && pawl_thread_stop_requested()) {
        pawl_self_.interrupted = true;
        return true;
    }
    return until != PAWL_FOREVER && until <= pawl_now();
}

int pawl_help(struct pawl_worker *w, const struct pawl_watch *watch,
              pawl_deadline until)
{
    pawl_task *t;
    int err = 0;

    if (is_called_off(until))
        return -ETIMEDOUT;
    t = pawl_line_take(w);
    if (t != NULL) {
        take_up(w, t, false);
        return 0;
    }
    go_to_bed(w);
    /* relaxed: ordered by the lock in get_up. */
    if (pawl_load_relaxed(&w->word) == ASLEEP && !pawl_line_has_work(w->pool))
        err = doze(w, watch, until);
    get_up(w);
    return err;
}

void pawl_help_ends(struct pawl_worker *w)
{
    begin_work(w); /* the caller's */
}

int pawl_task_wait_begins(const pawl_future *f, bool *spins)
{
    const pawl_pool *p = pool_of(f);

    if (p == NULL)
        return 0;
    if (!pawl_pool_is_of_this_process(p))
        return -ECHILD;
    for (const struct pawl_task_frame *frame = top; frame != NULL;
         frame = frame->below)
        if (&frame->task->future == f)
            return -EDEADLK;
    if (pawl_worker_here(p) == NULL) {
        if (awake_of(p) >= pawl_spin_cpus())
            *spins = false;
        return 0;
    }
    return p->options.helps || p->options.max_workers > 1 ? 0 : -EDEADLK;
}

/* -- Being asked to stop ---------------------------------------------------------------- */

_Static_assert(sizeof(struct pawl_interrupt) ==
                   sizeof(((pawl_task *)NULL)->interrupt_),
               "interrupt_ is a pawl_interrupt, whose members are words");

static struct pawl_interrupt *interrupt_of(pawl_task *t)
{
    return (struct pawl_interrupt *)(void *)t->interrupt_;
}

struct pawl_interrupt *pawl_task_heeds(void)
{
    return top != NULL ? interrupt_of(top->task) : NULL;
}

void pawl_task_stop(pawl_future *f)
{
    pawl_interrupt_raise(interrupt_of((pawl_task *)(void *)f), 0);
}
