/* SPDX-License-Identifier: MIT
 *
 * timer.c - the timers of pawl/timer.h, where the word and its states are drawn.
 *
 * A timer belongs to one of some shards, by the thread that made it, so that threads
 * with timers of their own do not meet.  The lock of a shard guards its wheel and its
 * timers' words, which are written by plain stores; without the lock a word is only
 * looked at.  One thread serves all shards, in turns, and sleeps on the bell until
 * the next deadline of all.
 *
 * I1  A timer is in the wheel if and only if its word says ARMED.
 * I2  No timer in a shard needs the thread before `looked_for`, or the thread has not
 *     looked at the shard yet since it last read the bell, or the bell has been rung.
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
#define SHARD UINT32_C(64) /* which, in 3 bits; constant after init */
#define SHARDS UINT32_C(8)
#define REST (SHARD * SHARDS)

#define PENDING (ARMED | RUNNING)

/* looked_for while the thread is looking at the shard. */
#define AWAKE INT64_MIN

/* Timers of a shard that run before another has its turn. */
#define TURN 64

static struct shard {
    pawl_mutex lock;
    pawl_deadline looked_for; /* this and all below: under the lock */
    pawl_deadline looked_at;  /* when the thread did last */
    const pawl_timer *running;
    uint32_t fork;   /* the process all this belongs to */
    bool is_served;  /* the thread has been started */
    bool is_awaited; /* somebody sleeps on: */
    pawl_u32 held;   /* timers that keep the program alive */
    struct pawl_wheel wheel;
} __attribute__((aligned(2 * PAWL_CACHE_LINE))) shards[SHARDS];

static struct {
    pawl_u32 bell;   /* rung to have the thread look again */
    pawl_u64 thread; /* its local id; above that, the forks before it */
    pawl_mutex lock;
    uint32_t fork; /* this and all below: under the lock */
    bool is_started;
} service;

/* -- The lock ------------------------------------------------------------------ */

/* What is to be done when the lock is released. */
struct wakes {
    bool thread;
    bool exit;
    pawl_u32 *sleepers; /* of a timer that came to rest */
};

/* In the child of a fork it may be held by somebody who does not exist here. */
static void lock(pawl_mutex *m)
{
    int err = pawl_mutex_lock(m);

    if (pawl_unlikely(err == -EOWNERDEAD))
        err = pawl_mutex_consistent(m);
    PAWL_CHECK(err == 0, m, "the timers' lock cannot be taken");
}

/* In the child of a fork there is no thread, and what is in the wheel is the
 * parent's. */
static void enter(struct shard *s)
{
    lock(&s->lock);
    if (pawl_unlikely(s->fork != pawl_fork_count_)) {
        s->fork = pawl_fork_count_;
        s->is_served = false;
        s->running = NULL;
        pawl_store_relaxed(&s->held, 0); /* relaxed: under the lock */
    }
}

static struct shard *enter_of(const pawl_timer *t)
{
    /* relaxed: constant. */
    struct shard *s = &shards[pawl_load_relaxed(&t->word_) / SHARD % SHARDS];

    enter(s);
    return s;
}

static void leave(struct shard *s, struct wakes wakes)
{
    pawl_mutex_unlock(&s->lock);
    if (wakes.thread) {
        /* relaxed: the shard's lock orders it.  Who hears the ring takes that lock
         * later: had it given it back before, we would have rung after that.  The
         * kernel compares the bell: the thread hears it, or is asleep and woken. */
        pawl_add_relaxed(&service.bell, 1);
        pawl_futex_wake(&service.bell, 1, false, PAWL_CHANNEL_ANY);
    }
    if (wakes.exit)
        pawl_futex_wake(&s->held, 1, false, PAWL_CHANNEL_ANY);
    if (wakes.sleepers != NULL)
        pawl_watchers_wake(wakes.sleepers, false);
}

static void just_leave(struct shard *s)
{
    leave(s, (struct wakes){0});
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

/* Which thread serves, if it is the caller. */
static uint64_t own_name(void)
{
    return (uint64_t)pawl_fork_count_ << 32 | pawl_self_local();
}

/* Whether the caller is the function of a timer. */
static bool is_thread(void)
{
    /* relaxed: the thread's own store, or another's name. */
    return pawl_load64_relaxed(&service.thread) == own_name();
}

static bool keeps_alive(uint32_t word)
{
    return (word & PENDING) != 0 && (word & DAEMON) == 0;
}

/* The word of a timer goes from one to the other: count what keeps the program
 * alive. */
static void count(struct shard *s, uint32_t from, uint32_t to,
                  struct wakes *wakes)
{
    /* relaxed: under the lock.  The kernel compares it: who sleeps on it sees the
     * change, or is woken. */
    uint32_t held = pawl_load_relaxed(&s->held);

    if (keeps_alive(from) == keeps_alive(to))
        return;
    held += keeps_alive(to) ? 1 : UINT32_MAX;
    pawl_store_relaxed(&s->held, held); /* relaxed: as above */
    if (held == 0 && s->is_awaited)
        wakes->exit = true;
}

/* The timer, whose word is `word`, comes to rest: I3. */
static void rest(struct shard *s, pawl_timer *t, uint32_t word,
                 struct wakes *wakes)
{
    uint32_t to = (word & ~(PENDING | SLEEPERS)) + REST;

    if ((word & SLEEPERS) != 0)
        wakes->sleepers = &t->word_;
    count(s, word, to, wakes);
    pawl_tsan_release(t);
    /* release: pairs with load_acquire in the waits and questions. */
    pawl_store_release(&t->word_, to);
}

static bool await_shard(struct shard *s, pawl_deadline until)
{
    bool any = false;
    int err = 0;

    for (;;) {
        uint32_t held;

        enter(s);
        held = pawl_load_relaxed(&s->held); /* relaxed: under the lock */
        s->is_awaited = held != 0;
        just_leave(s);
        if (held == 0 || err == -ETIMEDOUT)
            return any;
        any = true;
        err = pawl_futex_wait(&s->held, held, until, false, PAWL_CHANNEL_ANY);
    }
}

/* At the end of the program: wait for those that keep it alive, unless their
 * thread is what ends it. */
static bool await_held(pawl_deadline until)
{
    bool any = false;

    for (uint32_t i = 0; i < SHARDS && !is_thread(); i++)
        if (await_shard(&shards[i], until))
            any = true;
    return any;
}

/* -- The thread ------------------------------------------------------------------ */

static void put(struct shard *s, pawl_timer *t, pawl_deadline when,
                struct wakes *wakes)
{
    pawl_deadline look;

    /* What is due at once comes after what is due: a timer that starts itself again
     * and again leaves the others their turn. */
    t->when_ = when > s->looked_at ? when : s->looked_at;
    look = pawl_wheel_put(&s->wheel, t);
    if (look >= s->looked_for)
        return;
    s->looked_for = look; /* later ones need no wake: I2 */
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
static void ran(struct shard *s, pawl_timer *t, struct wakes *wakes)
{
    uint32_t word = word_of(t) & ~RUNNING;

    s->running = NULL;
    if ((word & (ARMED | CANCELLED)) == 0 && t->period_ > 0) {
        put(s, t, next_period(t), wakes);
        word |= ARMED;
    }
    if ((word & ARMED) != 0)
        set_word(t, word);
    else
        rest(s, t, word | RUNNING, wakes);
}

/* Call the function of a timer that has been taken out of the wheel. */
static void fire(struct shard *s, pawl_timer *t, pawl_deadline now)
{
    pawl_timer_fn fn = t->fn_;
    void *context = t->context_;
    struct wakes wakes = {0};

    if (t->period_ > 0)
        catch_up(t, now);
    set_word(t, (word_of(t) & ~(ARMED | CANCELLED)) | RUNNING);
    s->running = t;
    leave(s, wakes);
    fn(t, context);
    enter(s);
    if (s->running == t)
        ran(s, t, &wakes);
    leave(s, wakes);
}

/* Call the functions that are due in a shard, for one turn.
 *
 * Returns  when the shard has to be looked at again. */
static pawl_deadline serve_shard(struct shard *s)
{
    pawl_deadline asked = AWAKE;

    for (int i = 0; i < TURN && is_thread(); i++) {
        pawl_deadline now;
        pawl_deadline next;
        pawl_timer *t;

        pawl_exit_gate(); /* does not return when the program has ended */
        enter(s);
        if (!s->is_served) { /* nothing has been armed in this process */
            just_leave(s);
            return PAWL_FOREVER;
        }
        if (s->looked_for > asked)
            asked = s->looked_for;
        s->looked_for = AWAKE;
        s->looked_at = now = pawl_now();
        t = pawl_wheel_take(&s->wheel, now, &next);
        if (t != NULL) {
            fire(s, t, now);
            continue;
        }
        if (next > now) {
            /* Asked for a timer that has been cancelled meanwhile: better one vain
             * look then than one for each that is armed and cancelled. */
            if (asked > now && asked < next)
                next = asked;
            s->looked_for = next;
            just_leave(s);
            return next;
        }
        just_leave(s); /* others first */
    }
    return 0;
}

static void serve(void *arg)
{
    (void)arg;
    prctl(PR_SET_TIMERSLACK, 1); /* the kernel would be 50 us late on purpose */
    /* relaxed: only this thread looks for its own name. */
    pawl_store64_relaxed(&service.thread, own_name());
    for (;;) {
        /* relaxed: as in leave.  What was armed before the ring is found, what is
         * armed later rings again. */
        uint32_t seen = pawl_load_relaxed(&service.bell);
        pawl_deadline next = PAWL_FOREVER;

        for (uint32_t i = 0; i < SHARDS; i++) {
            pawl_deadline look = serve_shard(&shards[i]);

            if (!is_thread())
                return; /* a function has forked, and returned in the child */
            if (look < next)
                next = look;
        }
        if (next > 0)
            pawl_futex_wait(&service.bell, seen, next, false, PAWL_CHANNEL_ANY);
    }
}

static int start_thread(void)
{
    static struct pawl_exit_hook hook = {.run = await_held,
                                         .phase = PAWL_EXIT_TIMERS};
    int err = pawl_exit_add(&hook);

    if (err != 0)
        return err;
    lock(&service.lock);
    if (!service.is_started || service.fork != pawl_fork_count_) {
        err = pawl_service_start("pawl-timer", serve, NULL);
        service.is_started = err == 0;
        service.fork = pawl_fork_count_;
    }
    pawl_mutex_unlock(&service.lock);
    return err;
}

/* Have the shard served, from the first timer on. */
static int open_shard(struct shard *s)
{
    int err;

    if (pawl_likely(s->is_served))
        return 0;
    err = start_thread();
    if (err != 0)
        return err;
    s->looked_at = pawl_now();
    pawl_wheel_reset(&s->wheel, s->looked_at);
    s->looked_for = PAWL_FOREVER;
    s->is_served = true;
    return 0;
}

/* -- Starting -------------------------------------------------------------------- */

int pawl_timer_init(pawl_timer *t, pawl_timer_fn fn, void *context)
{
    if (fn == NULL)
        return -EINVAL;
    *t = (pawl_timer)PAWL_TIMER_INIT(fn, context);
    set_word(t, pawl_self_local() % SHARDS * SHARD);
    return 0;
}

/* Arm a timer that may be armed. */
static int arm(struct shard *s, pawl_timer *t, pawl_deadline when,
               int64_t period, struct wakes *wakes)
{
    uint32_t word = word_of(t);
    int err = open_shard(s);

    if (err != 0)
        return err;
    if ((word & ARMED) != 0)
        pawl_wheel_remove(&s->wheel, t);
    t->period_ = period;
    t->fork_ = pawl_fork_count_;
    count(s, word, word | ARMED, wakes);
    set_word(t, word | ARMED | STARTED);
    put(s, t, when, wakes);
    return 0;
}

static int start(pawl_timer *t, pawl_deadline when, int64_t period, bool again)
{
    struct wakes wakes = {0};
    struct shard *s;
    uint32_t word;
    int err = t->fn_ == NULL ? -EINVAL : pawl_exit_gate();

    if (err != 0)
        return err;
    s = enter_of(t);
    word = word_of(t);
    if (is_lost(t, word))
        err = -ECHILD;
    else if (!again && (word & STARTED) != 0)
        err = -EALREADY;
    else if (!again && (word & CANCELLED) != 0)
        set_word(t, word | STARTED);
    else
        err = arm(s, t, when, period, &wakes);
    leave(s, wakes);
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

static int call_off(struct shard *s, pawl_timer *t, struct wakes *wakes)
{
    uint32_t word = word_of(t);

    if (is_lost(t, word))
        return -ECHILD;
    if ((word & ARMED) != 0)
        pawl_wheel_remove(&s->wheel, t);
    if ((word & RUNNING) != 0) {
        if ((word & ARMED) != 0 || t->period_ > 0)
            word |= CANCELLED;
        set_word(t, word & ~ARMED);
        return -EBUSY;
    }
    if ((word & ARMED) != 0)
        rest(s, t, word | CANCELLED, wakes);
    else if ((word & STARTED) == 0)
        set_word(t, word | CANCELLED);
    else if ((word & CANCELLED) == 0)
        return -EALREADY;
    return 0;
}

int pawl_timer_cancel(pawl_timer *t)
{
    struct wakes wakes = {0};
    struct shard *s = enter_of(t);
    int err = call_off(s, t, &wakes);

    leave(s, wakes);
    return err;
}

/* Sleep until the timer changes, of which the caller, who has the lock, wants to
 * be told.  Releases the lock. */
static int await_change(struct shard *s, pawl_timer *t, pawl_deadline until)
{
    uint32_t word = word_of(t) | SLEEPERS;

    set_word(t, word);
    just_leave(s);
    return pawl_futex_wait(&t->word_, word, until, false, PAWL_CHANNEL_ANY);
}

int pawl_timer_cancel_wait_until(pawl_timer *t, pawl_deadline until)
{
    for (;;) {
        struct wakes wakes = {0};
        struct shard *s = enter_of(t);
        int err = -EDEADLK;

        if (s->running != t || !is_thread())
            err = call_off(s, t, &wakes);
        if (err != -EBUSY || until <= 0) {
            leave(s, wakes);
            return err == -EBUSY ? -ETIMEDOUT : err;
        }
        if (await_change(s, t, until) == -ETIMEDOUT)
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
        struct shard *s = enter_of(t);
        uint32_t word = word_of(t);
        int err;

        if (has_rested(word, rests))
            err = outcome(word);
        else if (is_lost(t, word))
            err = -ECHILD;
        else if (is_thread())
            err = -EDEADLK;
        else if (until <= 0)
            err = -ETIMEDOUT;
        else if (await_change(s, t, until) == -ETIMEDOUT) {
            until = 0; /* look once more */
            continue;
        } else
            continue;
        just_leave(s);
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
            struct shard *s = enter_of(t);

            lost = is_lost(t, word_of(t));
            just_leave(s);
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
    struct shard *s = enter_of(t);
    uint32_t word = word_of(t) | SLEEPERS;
    bool ready = is_ready(word, item);

    if (!ready)
        set_word(t, word);
    just_leave(s);
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
    struct shard *s = enter_of(t);
    uint32_t word = word_of(t);
    int err = 0;

    if (is_lost(t, word))
        err = -ECHILD;
    else if ((word & ARMED) != 0)
        err = -EBUSY;
    else if ((word & RUNNING) != 0 &&
             (!is_thread() || s->running != t || (word & SLEEPERS) != 0))
        err = -EBUSY;
    else {
        count(s, word, 0, &wakes);
        if ((word & RUNNING) != 0)
            s->running = NULL;
        *t = (pawl_timer)PAWL_TIMER_INIT(t->fn_, t->context_);
        set_word(t, word & SHARD * (SHARDS - 1));
    }
    leave(s, wakes);
    return err;
}

int pawl_timer_set_daemon(pawl_timer *t, bool daemon)
{
    struct shard *s = enter_of(t);
    uint32_t word = word_of(t);

    if ((word & STARTED) == 0)
        set_word(t, daemon ? word | DAEMON : word & ~DAEMON);
    just_leave(s);
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
    struct shard *s = enter_of(t);
    uint32_t word = word_of(t);
    bool lost = is_lost(t, word);

    just_leave(s);
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
    struct shard *s = enter_of(t);
    uint64_t missed = t->missed_;

    just_leave(s);
    return missed;
}

pawl_deadline pawl_timer_deadline(const pawl_timer *t)
{
    struct shard *s = enter_of(t);
    pawl_deadline when = t->when_;

    just_leave(s);
    return when;
}
