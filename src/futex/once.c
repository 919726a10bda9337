/* SPDX-License-Identifier: MIT
 *
 * once.c - the once of pawl/once.h, where the states are listed.
 *
 * I1  Only the thread whose id stands in the word moves it out of RUNNING; for
 *     a dead one, whoever finds it dead.
 * I2  Somebody sleeps  =>  WAITERS is set, or a wake of everybody is coming.
 *
 * In a region the word names the runner's slot there, and who sleeps watches its
 * lifeline too: it is woken if the runner is killed, in the function or between the
 * end and the wake.  A wake that dies with another sleeper is made up for by the end
 * of each sleep after a while (lifeline.h).
 */
#include <pawl/error.h>
#include <pawl/once.h>

#include "atomic/ops.h"
#include "base/tsan.h"
#include "futex/realm.h"
#include "futex/self.h"
#include "futex/spin.h"
#include "futex/sys.h"

#define WAITERS (UINT32_C(1) << 31)
#define DONE (PAWL_ID_SPECIAL + 15)

static bool is_shared(const pawl_once *o)
{
    return (o->mode_ & PAWL_SHARED) != 0;
}

/* What a thread on the slow path is. */
struct caller {
    pawl_once *once;
    struct pawl_participants *table; /* of the region; NULL: it is in none */
    uint32_t id;
    bool shared;
};

static int introduce(struct caller *c)
{
    c->shared = is_shared(c->once);
    if (c->shared)
        return pawl_realm_join(c->once, &c->table, &c->id);
    c->id = pawl_self_local();
    return 0;
}

static bool is_dead(const struct caller *c, uint32_t runner)
{
    if (!c->shared)
        return !pawl_thread_alive(runner);
    return c->table != NULL && !pawl_participant_alive(c->table, runner);
}

/* acquire: pairs with the release in run. */
static bool is_done(const pawl_once *o)
{
    return pawl_load_acquire(&o->word_) == DONE;
}

int pawl_once_init(pawl_once *o, unsigned flags)
{
    if ((flags & ~(unsigned)PAWL_SHARED) != 0)
        return -EINVAL;
    o->mode_ = flags;
    pawl_store_relaxed(&o->word_, 0); /* relaxed: nobody uses it yet */
    return 0;
}

/* The word says that we run it: do. */
static int run(pawl_once *o, pawl_once_fn fn, void *arg)
{
    uint32_t calm = pawl_uninterruptible_begin();
    int err = fn(arg);
    bool shared = is_shared(o);

    pawl_uninterruptible_end(calm);
    pawl_tsan_release(o);
    /* release: pairs with is_done, and with cas_acquire in claim. */
    if ((pawl_swap_release(&o->word_, err < 0 ? 0 : DONE) & WAITERS) != 0)
        pawl_futex_wake(&o->word_, PAWL_WAKE_ALL, shared, PAWL_CHANNEL_ANY);
    return err < 0 ? err : 0;
}

/* The runner died: make the sleepers look. */
static void bury(void *object, uint32_t dead_id)
{
    pawl_once *o = object;
    /* relaxed: a hint; the CAS decides. */
    uint32_t seen = pawl_load_relaxed(&o->word_);

    /* relaxed: publishes nothing. */
    while ((seen & ~WAITERS) == dead_id) {
        if (pawl_cas_relaxed(&o->word_, &seen, seen & ~WAITERS)) {
            pawl_futex_wake(&o->word_, PAWL_WAKE_ALL, false, PAWL_CHANNEL_ANY);
            return;
        }
    }
}

/* Try to become the runner.  Returns whether we are; *seen is fresh if not. */
static bool claim(const struct caller *c, uint32_t *seen)
{
    uint32_t runner = *seen & ~WAITERS;

    if (runner != 0 && !is_dead(c, runner))
        return false;
    /* acquire: pairs with the release of a failed run before ours. */
    if (!pawl_cas_acquire(&c->once->word_, seen, c->id | (*seen & WAITERS)))
        return false;
    if (runner != 0 && c->table != NULL)
        pawl_participant_buried(c->table, runner); /* they shall watch us */
    return true;
}

static void spin(const pawl_once *o)
{
    struct pawl_spin spin;
    bool moved;

    if (!pawl_spin_begins(&spin, PAWL_SPIN_EVENT))
        return;
    /* relaxed: a hint; the caller looks again. */
    while (!(moved = pawl_load_relaxed(&o->word_) == DONE) &&
           pawl_spin_again(&spin))
        ;
    pawl_spin_ends(&spin, moved);
}

static int sleep_in_region(const struct caller *c, uint32_t word,
                           pawl_deadline until)
{
    struct pawl_watch watch[2] = {{&c->once->word_, word, true}};
    uint32_t runner = word & ~WAITERS;
    int err;

    if (pawl_participant_watch(c->table, runner, &watch[1]) != 0)
        return -EAGAIN;
    err = pawl_participant_sleep(watch, 2, until);
    /* It may have died at its end, when nobody runs it again. */
    if (err == 0)
        pawl_participant_bury(c->table, runner);
    return err;
}

/* Sleep until the runner is done, failed or dead. */
static int sleep_on(const struct caller *c, uint32_t seen, pawl_deadline until)
{
    pawl_once *o = c->once;
    int err;

    /* relaxed: publishes nothing.  The kernel compares the word under its queue
     * lock: it sees the end, or the end sees WAITERS. */
    if ((seen & WAITERS) == 0 &&
        !pawl_cas_relaxed(&o->word_, &seen, seen | WAITERS))
        return -EAGAIN;
    if (c->table != NULL)
        return sleep_in_region(c, seen | WAITERS, until);
    if (c->shared)
        return pawl_futex_wait(&o->word_, seen | WAITERS, until, true,
                               PAWL_CHANNEL_ANY);
    pawl_wait_begins(o, bury);
    err = -EAGAIN;
    if (pawl_thread_alive(seen & ~WAITERS))
        err = pawl_futex_wait(&o->word_, seen | WAITERS, until, false,
                              PAWL_CHANNEL_ANY);
    pawl_wait_ends();
    return err;
}

/* `late` is what to return when another thread still runs it: fn may return
 * anything itself. */
static PAWL_COLD int run_slow(pawl_once *o, pawl_once_fn fn, void *arg,
                              pawl_deadline until, int late)
{
    struct caller c = {.once = o};
    int err = introduce(&c);
    bool spun = false;

    if (err < 0)
        return err;
    err = until <= 0 ? -ETIMEDOUT : 0;
    for (;;) {
        /* acquire: as in is_done. */
        uint32_t seen = pawl_load_acquire(&o->word_);

        if (seen == DONE)
            return 0;
        if ((seen & ~WAITERS) == c.id)
            return -EDEADLK;
        if (claim(&c, &seen))
            return run(o, fn, arg);
        if (seen == DONE || (seen & ~WAITERS) == 0)
            continue; /* it has just ended: look again */
        if (err == -ETIMEDOUT)
            return late;
        if (!spun)
            spin(o);
        else
            err = sleep_on(&c, seen, until);
        spun = true;
    }
}

int pawl_once_run_until(pawl_once *o, pawl_once_fn fn, void *arg,
                        pawl_deadline until)
{
    int err = 0;

    if (pawl_unlikely(!is_done(o)))
        err = run_slow(o, fn, arg, until, -ETIMEDOUT);
    if (err == 0)
        pawl_tsan_acquire(o);
    return err;
}

int pawl_once_run(pawl_once *o, pawl_once_fn fn, void *arg)
{
    if (pawl_likely(is_done(o))) {
        pawl_tsan_acquire(o);
        return 0;
    }
    return pawl_once_run_until(o, fn, arg, PAWL_FOREVER);
}

int pawl_once_try_run(pawl_once *o, pawl_once_fn fn, void *arg)
{
    int err = 0;

    if (!is_done(o))
        err = run_slow(o, fn, arg, 0, -EAGAIN);
    if (err == 0)
        pawl_tsan_acquire(o);
    return err;
}

bool pawl_once_is_done(const pawl_once *o)
{
    bool done = is_done(o);

    if (done)
        pawl_tsan_acquire(o);
    return done;
}
