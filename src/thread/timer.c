/* SPDX-License-Identifier: MIT
 *
 * timer.c - the timers of pawl/timer.h, where the word and its states are drawn.
 *
 * One lock for all: it guards the wheel and every timer's word, which is written
 * by plain stores; without the lock the word is only looked at.  The thread sleeps
 * on the bell until the next deadline.
 *
 * I1  A timer is in the wheel if and only if its word says ARMED.
 * I2  While the thread sleeps, no timer in the wheel needs it before
 *     `sleeps_until`, or a wake is on its way.
 * I3  When a timer comes to rest, the store of its word is the last access to it:
 *     whoever sees the rest may free it.
 * I4  While a function runs, `running` is its timer, unless the function has
 *     destroyed that; then nothing touches the timer any more.
 */
#include <pawl/timer.h>

#include <errno.h>
#include <stddef.h>
#include <sys/prctl.h>

#include <pawl/mutex.h>

#include "atomic/ops.h"
#include "base/check.h"
#include "base/tsan.h"
#include "futex/self.h"
#include "futex/sys.h"
#include "futex/waitable.h"
#include "thread/exit.h"
#include "thread/service.h"
#include "thread/wheel.h"

#define ARMED UINT32_C(1)
#define RUNNING UINT32_C(2)
#define STARTED UINT32_C(4)
/* Called off: the last time, or, while it runs, for good.  It stays so until it
 * runs again, for those who wait and come too late to see the rest. */
#define CANCELLED UINT32_C(8)
#define SLEEPERS UINT32_C(16)
#define DAEMON UINT32_C(32)
#define REST UINT32_C(64)

#define PENDING (ARMED | RUNNING)

#define AWAKE INT64_MIN /* sleeps_until of a thread that does not sleep */

static struct {
    pawl_mutex lock;
    pawl_u32 bell;              /* rung to have the thread look again */
    pawl_deadline sleeps_until; /* this and all below: under the lock */
    bool is_started;            /* the thread */
    uint32_t thread;            /* its local id, once it runs */
    uint32_t fork;              /* the process all this belongs to */
    const pawl_timer *running;
    pawl_u32 held;   /* timers that keep the program alive */
    bool is_awaited; /* somebody sleeps on that */
    struct pawl_wheel wheel;
} service;

/* -- The lock ------------------------------------------------------------------ */

/* What is to be woken when the lock is released. */
struct wakes {
    bool thread;
    bool exit;
    pawl_u32 *sleepers; /* of a timer that came to rest */
};

/* In the child of a fork there is no thread, and what is in the wheel is the
 * parent's; the lock may be held by somebody who does not exist here. */
static void enter(void)
{
    int err = pawl_mutex_lock(&service.lock);

    if (pawl_unlikely(err == -EOWNERDEAD))
        err = pawl_mutex_consistent(&service.lock);
    PAWL_CHECK(err == 0, &service.lock, "the timers' lock cannot be taken");
    if (pawl_unlikely(service.fork != pawl_fork_count_)) {
        service.fork = pawl_fork_count_;
        service.is_started = false;
        service.thread = 0;
        service.running = NULL;
        pawl_store_relaxed(&service.held, 0); /* relaxed: under the lock */
    }
}

static void leave(struct wakes wakes)
{
    pawl_mutex_unlock(&service.lock);
    if (wakes.thread)
        pawl_futex_wake(&service.bell, 1, false, PAWL_CHANNEL_ANY);
    if (wakes.exit)
        pawl_futex_wake(&service.held, 1, false, PAWL_CHANNEL_ANY);
    if (wakes.sleepers != NULL)
        pawl_watchers_wake(wakes.sleepers, false);
}

/* -- Words --------------------------------------------------------------------- */

static uint32_t word_of(const pawl_timer *t)
{
    /* relaxed: under the lock. */
    return pawl_load_relaxed(&t->word_);
}

static void set_word(pawl_timer *t, uint32_t word)
{
    /* relaxed: under the lock; nothing to see for those without. */
    pawl_store_relaxed(&t->word_, word);
}

/* Pending, but in another process. */
static bool is_lost(const pawl_timer *t, uint32_t word)
{
    return (word & PENDING) != 0 && t->fork_ != pawl_fork_count_;
}

/* Whether the caller is the function of a timer. */
static bool is_thread(void)
{
    return service.thread == pawl_self_local();
}

static bool keeps_alive(uint32_t word)
{
    return (word & PENDING) != 0 && (word & DAEMON) == 0;
}

/* The word of a timer goes from one to the other: count what keeps the program
 * alive. */
static void count(uint32_t from, uint32_t to, struct wakes *wakes)
{
    /* relaxed: under the lock.  The kernel compares it: who sleeps on it sees the
     * change, or is woken. */
    uint32_t held = pawl_load_relaxed(&service.held);

    if (keeps_alive(from) == keeps_alive(to))
        return;
    held += keeps_alive(to) ? 1 : UINT32_MAX;
    pawl_store_relaxed(&service.held, held); /* relaxed: as above */
    if (held == 0 && service.is_awaited)
        wakes->exit = true;
}

/* The timer, whose word is `word`, comes to rest: I3. */
static void rest(pawl_timer *t, uint32_t word, struct wakes *wakes)
{
    uint32_t to = (word & ~(PENDING | SLEEPERS)) + REST;

    if ((word & SLEEPERS) != 0)
        wakes->sleepers = &t->word_;
    count(word, to, wakes);
    pawl_tsan_release(t);
    /* release: pairs with load_acquire in the waits and questions. */
    pawl_store_release(&t->word_, to);
}

/* At the end of the program: wait for those that keep it alive, unless their
 * thread is what ends it. */
static bool await_held(pawl_deadline until)
{
    bool any = false;
    int err = 0;

    for (;;) {
        uint32_t held;

        enter();
        /* relaxed: under the lock. */
        held = is_thread() ? 0 : pawl_load_relaxed(&service.held);
        service.is_awaited = held != 0;
        leave((struct wakes){0});
        if (held == 0 || err == -ETIMEDOUT)
            return any;
        any = true;
        err = pawl_futex_wait(&service.held, held, until, false,
                              PAWL_CHANNEL_ANY);
    }
}

/* -- The thread ------------------------------------------------------------------ */

static void put(pawl_timer *t, pawl_deadline when, struct wakes *wakes)
{
    pawl_deadline look;

    t->when_ = when;
    look = pawl_wheel_put(&service.wheel, t);
    if (look >= service.sleeps_until)
        return;
    service.sleeps_until = look; /* later ones need no wake: I2 */
    /* relaxed: under the lock.  The kernel compares it: the thread sees the ring,
     * or is asleep and woken. */
    pawl_store_relaxed(&service.bell, pawl_load_relaxed(&service.bell) + 1);
    wakes->thread = true;
}

/* Count the points in time that a periodic timer has missed, and go to the last
 * that has passed. */
static void catch_up(pawl_timer *t, pawl_deadline now)
{
    int64_t missed = (now - t->when_) / t->period_;

    t->when_ += missed * t->period_;
    t->missed_ += (uint64_t)missed;
}

static pawl_deadline next_period(const pawl_timer *t)
{
    pawl_deadline when;

    return __builtin_add_overflow(t->when_, t->period_, &when) ? PAWL_FOREVER
                                                               : when;
}

/* The function of t has returned. */
static void ran(pawl_timer *t, struct wakes *wakes)
{
    uint32_t word = word_of(t) & ~RUNNING;

    service.running = NULL;
    if ((word & (ARMED | CANCELLED)) == 0 && t->period_ > 0) {
        put(t, next_period(t), wakes);
        word |= ARMED;
    }
    if ((word & ARMED) != 0)
        set_word(t, word);
    else
        rest(t, word | RUNNING, wakes);
}

/* Call the function of a timer that has been taken out of the wheel. */
static void fire(pawl_timer *t, pawl_deadline now)
{
    pawl_timer_fn fn = t->fn_;
    void *context = t->context_;
    struct wakes wakes = {0};

    if (t->period_ > 0)
        catch_up(t, now);
    set_word(t, (word_of(t) & ~(ARMED | CANCELLED)) | RUNNING);
    service.running = t;
    leave(wakes);
    fn(t, context);
    enter();
    if (service.running == t)
        ran(t, &wakes);
    leave(wakes);
}

static void sleep_until(pawl_deadline until)
{
    /* relaxed: under the lock. */
    uint32_t seen = pawl_load_relaxed(&service.bell);

    service.sleeps_until = until;
    leave((struct wakes){0});
    pawl_futex_wait(&service.bell, seen, until, false, PAWL_CHANNEL_ANY);
}

static void serve(void *arg)
{
    uint32_t fork = pawl_fork_count_;

    (void)arg;
    prctl(PR_SET_TIMERSLACK, 1); /* the kernel would be 50 us late on purpose */
    for (;;) {
        pawl_deadline now;
        pawl_deadline next;
        pawl_deadline asked;
        pawl_timer *t;

        pawl_exit_gate(); /* does not return when the program has ended */
        enter();
        if (service.fork != fork)
            break; /* a function has forked, and returned in the child */
        service.thread = pawl_self_local();
        asked = service.sleeps_until;
        service.sleeps_until = AWAKE;
        now = pawl_now();
        t = pawl_wheel_take(&service.wheel, now, &next);
        /* Woken for a timer that has been cancelled meanwhile: better one vain
         * wake then than one for each that is armed and cancelled. */
        if (asked > now && asked < next)
            next = asked;
        if (t != NULL)
            fire(t, now);
        else if (next > now)
            sleep_until(next);
        else
            leave((struct wakes){0}); /* others first */
    }
    leave((struct wakes){0});
}

static int start_thread(void)
{
    static struct pawl_exit_hook hook = {.run = await_held,
                                         .phase = PAWL_EXIT_TIMERS};
    int err;

    if (service.is_started)
        return 0;
    err = pawl_exit_add(&hook);
    if (err != 0)
        return err;
    pawl_wheel_reset(&service.wheel, pawl_now());
    service.sleeps_until = AWAKE;
    err = pawl_service_start("pawl-timer", serve, NULL);
    service.is_started = err == 0;
    return err;
}

/* -- Starting -------------------------------------------------------------------- */

int pawl_timer_init(pawl_timer *t, pawl_timer_fn fn, void *context)
{
    if (fn == NULL)
        return -EINVAL;
    *t = (pawl_timer)PAWL_TIMER_INIT(fn, context);
    return 0;
}

/* Arm a timer that may be armed, and whose word is `word`. */
static int arm(pawl_timer *t, uint32_t word, pawl_deadline when, int64_t period,
               struct wakes *wakes)
{
    int err = start_thread();

    if (err != 0)
        return err;
    if ((word & ARMED) != 0)
        pawl_wheel_remove(&service.wheel, t);
    t->period_ = period;
    t->fork_ = pawl_fork_count_;
    count(word, word | ARMED, wakes);
    set_word(t, word | ARMED | STARTED);
    put(t, when, wakes);
    return 0;
}

static int start(pawl_timer *t, pawl_deadline when, int64_t period, bool again)
{
    struct wakes wakes = {0};
    uint32_t word;
    int err = t->fn_ == NULL ? -EINVAL : pawl_exit_gate();

    if (err != 0)
        return err;
    enter();
    word = word_of(t);
    if (is_lost(t, word))
        err = -ECHILD;
    else if (!again && (word & STARTED) != 0)
        err = -EALREADY;
    else if (!again && (word & CANCELLED) != 0)
        set_word(t, word | STARTED);
    else
        err = arm(t, word, when, period, &wakes);
    leave(wakes);
    return err;
}

/* The first point in time of a periodic timer is not in the past: those between it
 * and now are not missed. */
static pawl_deadline not_past(pawl_deadline first)
{
    pawl_deadline now = pawl_now();

    return first > now ? first : now;
}

int pawl_timer_start(pawl_timer *t, pawl_deadline when)
{
    return start(t, when, 0, false);
}

int pawl_timer_restart(pawl_timer *t, pawl_deadline when)
{
    return start(t, when, 0, true);
}

int pawl_timer_start_every(pawl_timer *t, pawl_deadline first, int64_t period)
{
    return period < 1 ? -EINVAL : start(t, not_past(first), period, false);
}

int pawl_timer_restart_every(pawl_timer *t, pawl_deadline first, int64_t period)
{
    return period < 1 ? -EINVAL : start(t, not_past(first), period, true);
}

/* -- Cancelling ------------------------------------------------------------------ */

static int call_off(pawl_timer *t, struct wakes *wakes)
{
    uint32_t word = word_of(t);

    if (is_lost(t, word))
        return -ECHILD;
    if ((word & ARMED) != 0)
        pawl_wheel_remove(&service.wheel, t);
    if ((word & RUNNING) != 0) {
        if ((word & ARMED) != 0 || t->period_ > 0)
            word |= CANCELLED;
        set_word(t, word & ~ARMED);
        return -EBUSY;
    }
    if ((word & ARMED) != 0)
        rest(t, word | CANCELLED, wakes);
    else if ((word & STARTED) == 0)
        set_word(t, word | CANCELLED);
    else if ((word & CANCELLED) == 0)
        return -EALREADY;
    return 0;
}

int pawl_timer_cancel(pawl_timer *t)
{
    struct wakes wakes = {0};
    int err;

    enter();
    err = call_off(t, &wakes);
    leave(wakes);
    return err;
}

/* Sleep until the timer changes, of which the caller, who has the lock, wants to
 * be told.  Releases the lock. */
static int await_change(pawl_timer *t, pawl_deadline until)
{
    uint32_t word = word_of(t) | SLEEPERS;

    set_word(t, word);
    leave((struct wakes){0});
    return pawl_futex_wait(&t->word_, word, until, false, PAWL_CHANNEL_ANY);
}

int pawl_timer_cancel_wait_until(pawl_timer *t, pawl_deadline until)
{
    for (;;) {
        struct wakes wakes = {0};
        int err = -EDEADLK;

        enter();
        if (service.running != t || !is_thread())
            err = call_off(t, &wakes);
        if (err != -EBUSY || until <= 0) {
            leave(wakes);
            return err == -EBUSY ? -ETIMEDOUT : err;
        }
        if (await_change(t, until) == -ETIMEDOUT)
            until = 0; /* look once more */
    }
}

int pawl_timer_cancel_wait(pawl_timer *t)
{
    return pawl_timer_cancel_wait_until(t, PAWL_FOREVER);
}

/* -- Waiting --------------------------------------------------------------------- */

/* How it was when a timer with this word was at rest last. */
static int outcome(uint32_t word)
{
    if ((word & CANCELLED) != 0)
        return -ECANCELED;
    return (word & STARTED) != 0 ? 0 : -ESRCH;
}

/* Whether it is at rest, or has been since there were so many rests. */
static bool has_rested(uint32_t word, uint32_t rests)
{
    return (word & PENDING) == 0 || word / REST != rests;
}

static PAWL_COLD int join_slow(pawl_timer *t, uint32_t rests,
                               pawl_deadline until)
{
    for (;;) {
        uint32_t word;
        int err;

        enter();
        word = word_of(t);
        if (has_rested(word, rests))
            err = outcome(word);
        else if (is_lost(t, word))
            err = -ECHILD;
        else if (is_thread())
            err = -EDEADLK;
        else if (until <= 0)
            err = -ETIMEDOUT;
        else if (await_change(t, until) == -ETIMEDOUT) {
            until = 0; /* look once more */
            continue;
        } else
            continue;
        leave((struct wakes){0});
        return err;
    }
}

int pawl_timer_join_until(pawl_timer *t, pawl_deadline until)
{
    /* acquire: pairs with store_release in rest. */
    uint32_t word = pawl_load_acquire(&t->word_);
    int err = has_rested(word, word / REST) ? outcome(word)
                                            : join_slow(t, word / REST, until);

    if (err == 0 || err == -ECANCELED)
        pawl_tsan_acquire(t);
    return err;
}

int pawl_timer_join(pawl_timer *t)
{
    return pawl_timer_join_until(t, PAWL_FOREVER);
}

int pawl_timer_try_join(pawl_timer *t)
{
    int err = pawl_timer_join_until(t, 0);

    return err == -ETIMEDOUT || err == -EDEADLK ? -EAGAIN : err;
}

/* -- In a wait set --------------------------------------------------------------- */

/* One that was not started is not ready. */
static bool is_ready(uint32_t word, const pawl_wait_item *item)
{
    return has_rested(word, (uint32_t)item->epoch_) && outcome(word) != -ESRCH;
}

static int look(pawl_wait_item *item, bool first)
{
    pawl_timer *t = item->object_;
    /* acquire: pairs with store_release in rest. */
    uint32_t word = pawl_load_acquire(&t->word_);
    bool lost = false;

    if (first) {
        item->epoch_ = word / REST;
        if ((word & PENDING) != 0) {
            enter();
            lost = is_lost(t, word_of(t));
            leave((struct wakes){0});
        }
    }
    if (!is_ready(word, item))
        return lost ? -ECHILD : -EAGAIN;
    pawl_tsan_acquire(t);
    return 0;
}

static bool watch(const pawl_wait_item *item, struct pawl_watch *w)
{
    pawl_timer *t = item->object_;
    uint32_t word;
    bool ready;

    enter();
    word = word_of(t) | SLEEPERS;
    ready = is_ready(word, item);
    if (!ready)
        set_word(t, word);
    leave((struct wakes){0});
    *w = (struct pawl_watch){&t->word_, word, false};
    return !ready;
}

pawl_wait_item pawl_timer_wait_item(pawl_timer *t)
{
    static const struct pawl_waitable how = {.look = look, .watch = watch};

    return pawl_waitable_item(t, &how);
}

/* -- Properties ------------------------------------------------------------------ */

int pawl_timer_destroy(pawl_timer *t)
{
    struct wakes wakes = {0};
    uint32_t word;
    int err = 0;

    enter();
    word = word_of(t);
    if (is_lost(t, word))
        err = -ECHILD;
    else if ((word & ARMED) != 0)
        err = -EBUSY;
    else if ((word & RUNNING) != 0 &&
             (!is_thread() || service.running != t || (word & SLEEPERS) != 0))
        err = -EBUSY;
    else {
        count(word, 0, &wakes);
        if ((word & RUNNING) != 0)
            service.running = NULL;
        *t = (pawl_timer)PAWL_TIMER_INIT(t->fn_, t->context_);
    }
    leave(wakes);
    return err;
}

int pawl_timer_set_daemon(pawl_timer *t, bool daemon)
{
    uint32_t word;

    enter();
    word = word_of(t);
    if ((word & STARTED) == 0)
        set_word(t, daemon ? word | DAEMON : word & ~DAEMON);
    leave((struct wakes){0});
    return (word & STARTED) != 0 ? -EBUSY : 0;
}

bool pawl_timer_is_daemon(const pawl_timer *t)
{
    /* relaxed: constant once started. */
    return (pawl_load_relaxed(&t->word_) & DAEMON) != 0;
}

int pawl_timer_set_name(pawl_timer *t, const char *name)
{
    if (name == NULL)
        return -EINVAL;
    t->name_ = name;
    return 0;
}

const char *pawl_timer_name(const pawl_timer *t)
{
    return t->name_ != NULL ? t->name_ : "";
}

static bool is_now(const pawl_timer *t, uint32_t bits)
{
    uint32_t word;
    bool lost;

    enter();
    word = word_of(t);
    lost = is_lost(t, word);
    leave((struct wakes){0});
    return (word & bits) != 0 && !lost;
}

bool pawl_timer_is_pending(const pawl_timer *t)
{
    return is_now(t, PENDING);
}

bool pawl_timer_is_running(const pawl_timer *t)
{
    return is_now(t, RUNNING);
}

uint64_t pawl_timer_missed(const pawl_timer *t)
{
    uint64_t missed;

    enter();
    missed = t->missed_;
    leave((struct wakes){0});
    return missed;
}

pawl_deadline pawl_timer_deadline(const pawl_timer *t)
{
    pawl_deadline when;

    enter();
    when = t->when_;
    leave((struct wakes){0});
    return when;
}
