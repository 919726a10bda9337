/* SPDX-License-Identifier: MIT
 *
 * barrier.c - the barrier of pawl/barrier.h.
 *
 *    63     58 57     52 51    46 45                        32
 *   +---------+---------+--------+----------------------------+
 *   | history | breaks  | fork   | arrived                    |
 *   +---------+---------+--------+----------------------------+
 *    31                         6 5      3 2         1      0
 *   +----------------------------+--------+---------+------+--------+
 *   | generation                 | breaks | RUNNING |BROKEN|SLEEPERS|
 *   +----------------------------+--------+---------+------+--------+
 *
 *   generation  counts generations that have ended, passed or broken
 *   breaks      counts those that broke, modulo 512; its low bits are in the
 *               low half
 *   history     bit i: the i-th generation before this one broke
 *   arrived     threads of this generation
 *   RUNNING     all have arrived; the last of them runs the action
 *   fork        the fork count of the process that arrived belongs to
 *
 * Every end of a generation is one CAS, so it passes or breaks as a whole.  A
 * waiter holds the generation it arrived in, and waits for another one.  It may
 * run late, when further generations have ended; it then asks the history, and
 * beyond its reach the breaks: if all generations since broke, so did its own;
 * if all but one, then that one was its own, for a barrier whose every pass
 * needs the waiter itself cannot have passed since.  With more threads than
 * parties others may pass without it, and no break among 512 generations looks
 * like 512 breaks; but then the history knows a pass.  (Where generations break
 * as well as pass without the waiter, the answer is exact for six of them.)
 */
#include <pawl/barrier.h>
#include <pawl/error.h>

#include <sched.h>

#include "atomic/ops.h"
#include "base/tsan.h"
#include "futex/barrier_core.h"
#include "futex/spin.h"
#include "futex/sys.h"

#define SLEEPERS UINT64_C(1)
#define BROKEN UINT64_C(2)
#define RUNNING UINT64_C(4)
#define GENERATION (UINT64_C(1) << 6)
#define GENERATIONS (UINT64_C(0x3ffffff) << 6)
#define ARRIVED (UINT64_C(1) << 32)
#define ARRIVALS (UINT64_C(0x3fff) << 32)
#define FORK_SHIFT 46
#define FORK ((uint64_t)PAWL_FORK_MASK << FORK_SHIFT)
#define BREAKS_LOW_SHIFT 3
#define BREAKS_LOW (UINT64_C(7) << BREAKS_LOW_SHIFT)
#define BREAKS_HIGH_SHIFT 52
#define BREAKS_HIGH (UINT64_C(0x3f) << BREAKS_HIGH_SHIFT)
#define BREAKS (BREAKS_LOW | BREAKS_HIGH)
#define BREAKS_MASK 0x1ffu
#define BROKE (UINT64_C(1) << 58)
#define HISTORY (UINT64_C(0x3f) << 58)
#define HISTORY_LENGTH 6

/* -- Reading and making words ------------------------------------------------ */

static uint32_t generation_of(uint64_t word)
{
    return (uint32_t)((word & GENERATIONS) / GENERATION);
}

static uint32_t arrived_of(uint64_t word)
{
    return (uint32_t)((word & ARRIVALS) / ARRIVED);
}

static uint32_t breaks_of(uint64_t word)
{
    return (uint32_t)((word & BREAKS_LOW) >> BREAKS_LOW_SHIFT |
                      (word & BREAKS_HIGH) >> BREAKS_HIGH_SHIFT << 3);
}

static uint64_t as_breaks(uint32_t count)
{
    return (uint64_t)(count & 7) << BREAKS_LOW_SHIFT |
           (uint64_t)(count >> 3 & 0x3f) << BREAKS_HIGH_SHIFT;
}

static bool is_shared(const pawl_barrier *b)
{
    return (b->mode_ & PAWL_SHARED) != 0;
}

static uint64_t fork_bits(const pawl_barrier *b)
{
    return (uint64_t)pawl_fork_mark(is_shared(b)) << FORK_SHIFT;
}

/* What the word becomes when its generation ends. */
static uint64_t ended(uint64_t word, bool passed)
{
    uint64_t history = (word & HISTORY) << 1;
    uint64_t generation = (word + GENERATION) & GENERATIONS;
    uint64_t breaks = word & BREAKS;

    if (!passed) {
        history |= BROKE;
        breaks = as_breaks(breaks_of(word) + 1);
    }
    return history | breaks | generation | (word & BROKEN);
}

/* In a forked child the parent's threads will never come: a generation that was
 * filling has ended without them. */
static uint64_t settled(const pawl_barrier *b, uint64_t word)
{
    if ((word & (ARRIVALS | RUNNING)) != 0 && (word & FORK) != fork_bits(b))
        word = ended(word, false);
    return word;
}

/* Whether the generation of `ticket` passed, seen from a later one. */
static bool has_passed(uint64_t ticket, uint64_t now)
{
    uint32_t since = (generation_of(now) - generation_of(ticket)) &
                     (uint32_t)(GENERATIONS / GENERATION);
    uint32_t broken;

    if (since <= HISTORY_LENGTH)
        return (now & (BROKE << (since - 1))) == 0;
    broken = (breaks_of(now) - breaks_of(ticket)) & BREAKS_MASK;
    if (broken != (since & BREAKS_MASK))
        return true;
    return broken == 0 && (now & HISTORY) != HISTORY;
}

static void wake_all(const pawl_barrier *b, uint64_t seen, bool shared)
{
    if ((seen & SLEEPERS) != 0)
        pawl_futex_wake(pawl_low_half(&b->word_), PAWL_WAKE_ALL, shared,
                        PAWL_CHANNEL_ANY);
}

/* -- Ends of a generation ------------------------------------------------------ */

/* Break the generation of `ticket`, if it has not ended.  Returns whether this
 * call did. */
static bool break_generation(pawl_barrier *b, uint64_t ticket, int reason)
{
    /* relaxed: a hint; the CAS decides. */
    uint64_t seen = pawl_load64_relaxed(&b->word_);
    bool shared = is_shared(b);

    pawl_tsan_release(b);
    while (generation_of(settled(b, seen)) == generation_of(ticket)) {
        pawl_store_relaxed(&b->reason_, (uint32_t)reason); /* relaxed: CAS */
        /* release: pairs with the acquire of the waiters, for the reason. */
        if (pawl_cas64_release(&b->word_, &seen,
                               ended(settled(b, seen), false) | BROKEN)) {
            wake_all(b, seen, shared);
            return true;
        }
    }
    return false;
}

/* Whether this thread runs an action of *b, perhaps inside another one's. */
static bool is_acting(const pawl_barrier *b)
{
    for (uint32_t i = 0; i < pawl_self_.actions && i < PAWL_ACTIONS_KEPT; i++) {
        if (pawl_self_.acting[i] == b)
            return true;
    }
    return false;
}

/* We arrived last and the word says RUNNING: run the action, and end the
 * generation as it says.  Returns as wait. */
static int run_action(pawl_barrier *b, uint64_t ticket, pawl_barrier_fn action,
                      void *arg)
{
    bool shared = is_shared(b);
    uint32_t depth = pawl_self_.actions;
    uint32_t calm;
    uint64_t seen;
    int err;

    pawl_tsan_acquire(b);
    if (depth < PAWL_ACTIONS_KEPT)
        pawl_self_.acting[depth] = b;
    pawl_self_.actions = depth + 1;
    calm = pawl_uninterruptible_begin();
    err = action(generation_of(ticket), arg);
    pawl_uninterruptible_end(calm);
    pawl_self_.actions = depth;
    if (err < 0) {
        break_generation(b, ticket, err);
        return err;
    }
    pawl_tsan_release(b);
    seen = pawl_load64_relaxed(&b->word_); /* relaxed: the CAS decides */
    while (generation_of(settled(b, seen)) == generation_of(ticket)) {
        /* release: pairs with the acquire of the waiters, for what the action
         * did, and the parties before it. */
        if (pawl_cas64_release(&b->word_, &seen,
                               ended(settled(b, seen), true))) {
            wake_all(b, seen, shared);
            return (int)b->parties_ - 1;
        }
    }
    return -ECANCELED; /* aborted or reset while the action ran */
}

/* -- Waiting --------------------------------------------------------------------- */

/* acquire: pairs with the release of whoever ended the generation, and through
 * the chain of arrivals, each a read-modify-write, with all the parties. */
static bool is_over(const pawl_barrier *b, uint64_t ticket, uint64_t *now)
{
    *now = pawl_load64_acquire(&b->word_);
    return generation_of(settled(b, *now)) != generation_of(ticket);
}

static bool spin(const pawl_barrier *b, uint64_t ticket)
{
    struct pawl_spin spin;
    uint64_t now;
    bool over;

    if (!pawl_spin_begins_among(&spin, PAWL_SPIN_BARRIER, b->parties_))
        return false;
    while (!(over = is_over(b, ticket, &now)) && pawl_spin_again(&spin))
        ;
    pawl_spin_ends(&spin, over);
    return over;
}

/* Wait until the generation of `ticket` is over.  Returns 0 or -ETIMEDOUT. */
static int await_end(pawl_barrier *b, uint64_t ticket, pawl_deadline until)
{
    int err = until <= 0 ? -ETIMEDOUT : 0;

    if (err == 0 && spin(b, ticket))
        return 0;
    for (;;) {
        uint64_t seen;

        if (is_over(b, ticket, &seen))
            return 0;
        if (err == -ETIMEDOUT)
            return err;
        /* relaxed: publishes nothing.  The kernel compares the low half under
         * its queue lock: it sees the end, or the end sees SLEEPERS. */
        if ((seen & SLEEPERS) != 0 ||
            pawl_cas64_relaxed(&b->word_, &seen, seen | SLEEPERS))
            err = pawl_futex_doze(pawl_low_half(&b->word_),
                                  (uint32_t)(seen | SLEEPERS), until,
                                  is_shared(b), PAWL_CHANNEL_ANY);
    }
}

/* Returns 0, or -ECANCELED. */
static int outcome(const pawl_barrier *b, uint64_t ticket)
{
    uint64_t now;

    is_over(b, ticket, &now);
    pawl_tsan_acquire(b);
    return has_passed(ticket, settled(b, now)) ? 0 : -ECANCELED;
}

static int finish(pawl_barrier *b, uint64_t ticket, pawl_deadline until)
{
    if (b->parties_ == 0)
        return -EINVAL;
    if (await_end(b, ticket, until) == -ETIMEDOUT &&
        break_generation(b, ticket, -ETIMEDOUT))
        return -ETIMEDOUT;
    return outcome(b, ticket);
}

/* -- Arriving -------------------------------------------------------------------- */

/* May the caller arrive, and what does the word become?  Returns 0, an error,
 * or -EAGAIN while the action of the generation before still runs. */
static int prepare(const pawl_barrier *b, uint64_t seen, bool action,
                   uint64_t *as)
{
    uint64_t word = settled(b, seen);
    uint32_t arrived = arrived_of(word) + 1;

    if (is_acting(b))
        return -EDEADLK;
    if ((word & BROKEN) != 0)
        return -ECANCELED;
    if ((word & RUNNING) != 0)
        return -EAGAIN;
    *as = ((word + ARRIVED) & ~FORK) | fork_bits(b);
    if (arrived == b->parties_)
        *as = action ? *as | RUNNING : ended(word, true);
    return 0;
}

/* Arrive.  Returns the index, or an error; *ticket is then where we arrived.
 * With `only_last`, -EAGAIN instead of arriving before others. */
static int arrive(pawl_barrier *b, pawl_barrier_fn action, void *arg,
                  pawl_deadline until, bool only_last, uint64_t *ticket)
{
    /* relaxed: a hint; the CAS decides. */
    uint64_t seen = pawl_load64_relaxed(&b->word_);
    bool shared = is_shared(b);
    uint32_t parties = b->parties_;
    uint32_t index;
    uint64_t as;

    if (parties == 0)
        return -EINVAL;
    pawl_tsan_release(b);
    for (;;) {
        int err = prepare(b, seen, action != NULL, &as);

        if (err == -EAGAIN && !only_last)
            err = await_end(b, seen, until);
        else if (err == 0) {
            index = arrived_of(settled(b, seen));
            if (only_last && index + 1 < parties)
                return -EAGAIN;
            /* acq_rel: releases what we did to those who pass, and gathers,
             * for the action, what those before us did. */
            if (pawl_cas64_acq_rel(&b->word_, &seen, as))
                break;
            continue;
        }
        if (err < 0)
            return err;
        seen = pawl_load64_relaxed(&b->word_); /* relaxed: as above */
    }
    *ticket = settled(b, seen);
    if (index + 1 < parties)
        return (int)index;
    if (action != NULL)
        return run_action(b, *ticket, action, arg);
    wake_all(b, seen, shared); /* passed; *b may be gone */
    pawl_tsan_acquire(b);
    return (int)index;
}

int pawl_barrier_arrive(pawl_barrier *b, pawl_barrier_fn action, void *arg,
                        pawl_deadline until, pawl_barrier_ticket *ticket)
{
    return arrive(b, action, arg, until, false, &ticket->word_);
}

static int wait(pawl_barrier *b, pawl_barrier_fn action, void *arg,
                pawl_deadline until)
{
    uint64_t ticket;
    uint32_t parties = b->parties_;
    int index = arrive(b, action, arg, until, false, &ticket);
    int err;

    if (index < 0 || (uint32_t)index + 1 == parties)
        return index;
    err = finish(b, ticket, until);
    return err < 0 ? err : index;
}

int pawl_barrier_wait_action(pawl_barrier *b, pawl_barrier_fn action, void *arg,
                             pawl_deadline until)
{
    return wait(b, action, arg, until);
}

int pawl_barrier_wait_until(pawl_barrier *b, pawl_deadline until)
{
    return wait(b, NULL, NULL, until);
}

int pawl_barrier_wait(pawl_barrier *b)
{
    return wait(b, NULL, NULL,
                b->patience_ == 0 ? PAWL_FOREVER
                                  : pawl_after_ns(b->patience_ - 1));
}

int pawl_barrier_try_wait(pawl_barrier *b)
{
    uint64_t ticket;
    int err = arrive(b, NULL, NULL, 0, true, &ticket);

    return err;
}

int pawl_barrier_await(pawl_barrier *b, pawl_barrier_ticket ticket,
                       pawl_deadline until)
{
    return await_end(b, ticket.word_, until);
}

int pawl_barrier_finish_until(pawl_barrier *b, pawl_barrier_ticket ticket,
                              pawl_deadline until)
{
    return finish(b, ticket.word_, until);
}

int pawl_barrier_finish(pawl_barrier *b, pawl_barrier_ticket ticket)
{
    return finish(b, ticket.word_, PAWL_FOREVER);
}

int pawl_barrier_try_finish(pawl_barrier *b, pawl_barrier_ticket ticket)
{
    uint64_t now;

    if (b->parties_ == 0)
        return -EINVAL;
    return is_over(b, ticket.word_, &now) ? outcome(b, ticket.word_) : -EAGAIN;
}

/* -- The rest ---------------------------------------------------------------------- */

int pawl_barrier_init(pawl_barrier *b, uint32_t parties, int64_t timeout,
                      unsigned flags)
{
    if (parties < 1 || parties > PAWL_BARRIER_PARTIES_MAX ||
        (flags & ~(unsigned)PAWL_SHARED) != 0)
        return -EINVAL;
    b->parties_ = parties;
    b->mode_ = flags;
    /* A negative duration is as past as zero. */
    b->patience_ = timeout == PAWL_FOREVER ? 0 : (timeout > 0 ? timeout : 0) + 1;
    /* relaxed: nobody uses it yet. */
    pawl_store64_relaxed(&b->word_, 0);
    pawl_store_relaxed(&b->reason_, 0);
    return 0;
}

int pawl_barrier_destroy(pawl_barrier *b)
{
    return pawl_barrier_n_waiting(b) > 0 ? -EBUSY : 0;
}

int pawl_barrier_abort(pawl_barrier *b, int reason)
{
    /* relaxed: a hint; the CAS decides. */
    uint64_t seen = pawl_load64_relaxed(&b->word_);

    if (b->parties_ == 0)
        return -EINVAL;
    while ((seen & BROKEN) == 0 &&
           !break_generation(b, settled(b, seen), reason))
        seen = pawl_load64_relaxed(&b->word_); /* relaxed: as above */
    return 0;
}

int pawl_barrier_reset(pawl_barrier *b)
{
    /* relaxed: a hint; the CAS decides. */
    uint64_t seen = pawl_load64_relaxed(&b->word_);
    bool shared = is_shared(b);
    uint64_t as;

    if (b->parties_ == 0)
        return -EINVAL;
    pawl_tsan_release(b);
    do {
        as = settled(b, seen) & ~BROKEN;
        if ((as & (ARRIVALS | RUNNING)) != 0)
            as = ended(as, false);
        /* release: pairs with the acquire of the waiters. */
    } while (!pawl_cas64_release(&b->word_, &seen, as));
    wake_all(b, seen & ~as, shared);
    return 0;
}

uint32_t pawl_barrier_parties(const pawl_barrier *b)
{
    return b->parties_;
}

uint32_t pawl_barrier_n_waiting(const pawl_barrier *b)
{
    /* relaxed: a snapshot. */
    return arrived_of(settled(b, pawl_load64_relaxed(&b->word_)));
}

bool pawl_barrier_broken(const pawl_barrier *b)
{
    /* acquire: pairs with the release of the break, for the reason. */
    return (pawl_load64_acquire(&b->word_) & BROKEN) != 0;
}

int pawl_barrier_reason(const pawl_barrier *b)
{
    /* relaxed: a snapshot; ordered by the word for those who saw the break. */
    return (int)pawl_load_relaxed(&b->reason_);
}

uint32_t pawl_barrier_generation(const pawl_barrier *b)
{
    /* relaxed: a snapshot. */
    return generation_of(settled(b, pawl_load64_relaxed(&b->word_)));
}
