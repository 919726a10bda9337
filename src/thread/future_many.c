/* SPDX-License-Identifier: MIT
 *
 * future_many.c - waiting for many futures of pawl/future.h.
 *
 * Who waits links a node into each of the futures; who completes one of these
 * delivers to each of its nodes by one compare-and-swap, of a word that belongs
 * to the wait, and does not touch the wait or the node after it.
 *
 * To end a wait early its nodes are unlinked.  Where that is too late, because
 * the future is done, a delivery has come or is about to: the wait lasts until
 * it has seen as many as it could not unlink.  Nodes of waits stand before all
 * callbacks of a future, so no code of the user keeps it waiting.
 */
#include <pawl/error.h>
#include <pawl/future.h>

#include "atomic/ops.h"
#include "base/compiler.h"
#include "base/tsan.h"
#include "futex/self.h"
#include "futex/spin.h"
#include "futex/sys.h"
#include "thread/future_core.h"

static int check(const pawl_future_entry *entries, size_t n)
{
    if (n > INT32_MAX)
        return -EINVAL;
    for (size_t i = 0; i < n; i++) {
        if (entries[i].future == NULL)
            return -EINVAL;
        if (pawl_future_is_shared(entries[i].future))
            return -EOPNOTSUPP;
    }
    return 0;
}

/* Of those that are not done, one for which the caller helps; NULL: none. */
static struct pawl_worker *helper_among(const pawl_future_entry *entries,
                                        size_t n)
{
    struct pawl_worker *helper = NULL;

    for (size_t i = 0; i < n && helper == NULL && pawl_task_may_help(); i++)
        if (!entries[i].done && pawl_future_is_task(entries[i].future))
            helper = pawl_task_helper(entries[i].future);
    return helper;
}

/* A helper runs other tasks instead, as long as there are some. */
static int sleep_on(pawl_u32 *word, uint32_t expected, pawl_deadline until,
                    struct pawl_worker *helper)
{
    struct pawl_watch w = {word, expected, false};

    if (helper != NULL)
        return pawl_help(helper, &w, until);
    return pawl_futex_wait(word, expected, until, false, PAWL_CHANNEL_ANY);
}

/* -- Waiting until enough are done --------------------------------------------
 *
 *    63                          32 31       30                              0
 *   +------------------------------+--------+---------------------------------+
 *   |  wake the waiter when so     | FAILED | how many have been delivered    |
 *   |  many are; 0: it is awake    |        |                                 |
 *   +------------------------------+--------+---------------------------------+
 */

#define FAILED (UINT32_C(1) << 31)

struct tally {
    pawl_u64 word;
    bool heeds_failure; /* constant */
};

static uint32_t delivered(uint64_t word)
{
    return (uint32_t)word & ~FAILED;
}

/* A pawl_future_fn. */
static void count_one(pawl_future *f, void *context)
{
    struct tally *t = context;
    uint32_t failed =
        t->heeds_failure && pawl_future_has_failed(f) ? FAILED : 0;
    /* relaxed: a hint; the CAS decides. */
    uint64_t seen = pawl_load64_relaxed(&t->word);
    bool wakes;
    uint64_t as;

    pawl_tsan_release(t);
    do {
        uint32_t wanted = (uint32_t)(seen >> 32);

        as = ((uint32_t)seen + 1) | failed;
        wakes = wanted != 0 && (failed != 0 || delivered(as) == wanted);
        if (!wakes)
            as |= (uint64_t)wanted << 32;
        /* release: pairs with load64_acquire in has; those before are seen too,
         * for each was a read-modify-write (release sequence). */
    } while (!pawl_cas64_release(&t->word, &seen, as));
    if (wakes)
        pawl_futex_wake(pawl_low_half(&t->word), 1, false, PAWL_CHANNEL_ANY);
}

/* Whether so many were delivered, or one of them, if that is enough, failed. */
static bool has(const struct tally *t, uint32_t wanted, bool or_failure)
{
    /* acquire: pairs with cas64_release in count_one. */
    uint64_t seen = pawl_load64_acquire(&t->word);

    pawl_tsan_acquire(t);
    return delivered(seen) >= wanted ||
           (or_failure && ((uint32_t)seen & FAILED) != 0);
}

static bool spin_for(const struct tally *t, uint32_t wanted, bool or_failure)
{
    struct pawl_spin spin;
    bool enough;

    if (!pawl_spin_begins(&spin, PAWL_SPIN_FUTURE))
        return false;
    while (!(enough = has(t, wanted, or_failure)) && pawl_spin_again(&spin))
        ;
    pawl_spin_ends(&spin, enough);
    return enough;
}

static int await(struct tally *t, uint32_t wanted, bool or_failure,
                 pawl_deadline until, struct pawl_worker *helper)
{
    int err = 0;

    if (has(t, wanted, or_failure) ||
        (helper == NULL && spin_for(t, wanted, or_failure)))
        return 0;
    while (err != -ETIMEDOUT) {
        uint64_t seen = pawl_load64_relaxed(&t->word); /* relaxed: a hint */
        uint64_t as = (uint64_t)wanted << 32 | (uint32_t)seen;

        if (delivered(seen) >= wanted || (or_failure && (seen & FAILED) != 0))
            break;
        /* relaxed: publishes nothing.  The kernel compares the low half under
         * its queue lock: it sees another count, or who counts sees `wanted`. */
        if (seen == as || pawl_cas64_relaxed(&t->word, &seen, as))
            err = sleep_on(pawl_low_half(&t->word), (uint32_t)as, until, helper);
    }
    return has(t, wanted, or_failure) ? 0 : -ETIMEDOUT;
}

/* Write down which are done; whether they are enough. */
static bool are_enough(pawl_future_entry *entries, size_t n,
                       enum pawl_future_when when)
{
    size_t done = 0;
    bool failure = false;

    for (size_t i = 0; i < n; i++) {
        pawl_future_entry *e = &entries[i];

        e->linked_ = false;
        e->done = pawl_future_is_done(e->future);
        done += e->done;
        failure = failure || (e->done && pawl_future_has_failed(e->future));
    }
    return done == n || (when == PAWL_FUTURE_FIRST_COMPLETED && done > 0) ||
           (when == PAWL_FUTURE_FIRST_FAILED && failure);
}

/* Link those that are not done; how many.  One that became so meanwhile counts
 * as delivered. */
static uint32_t link_all(struct tally *t, pawl_future_entry *entries, size_t n)
{
    uint32_t linked = 0;

    for (size_t i = 0; i < n; i++) {
        pawl_future_entry *e = &entries[i];

        if (e->done)
            continue;
        linked++;
        e->linked_ = pawl_future_link(e->future, &e->link_, count_one, t);
        if (!e->linked_)
            count_one(e->future, t);
    }
    return linked;
}

/* After this nobody knows of *t any more. */
static void unlink_all(struct tally *t, pawl_future_entry *entries, size_t n,
                       uint32_t linked)
{
    uint32_t calm = pawl_uninterruptible_begin();

    if (!has(t, linked, false)) {
        for (size_t i = 0; i < n; i++) {
            pawl_future_entry *e = &entries[i];

            if (e->linked_ && pawl_future_unlink(e->future, &e->link_))
                linked--;
        }
        await(t, linked, false, PAWL_FOREVER, NULL);
    }
    pawl_uninterruptible_end(calm);
}

int pawl_future_wait_until(pawl_future_entry *entries, size_t n,
                           enum pawl_future_when when, pawl_deadline until)
{
    bool heeds_failure = when == PAWL_FUTURE_FIRST_FAILED;
    struct tally t = {.heeds_failure = heeds_failure};
    int err = check(entries, n);
    struct pawl_worker *helper;
    uint32_t linked;

    if (err != 0)
        return err;
    if (when != PAWL_FUTURE_FIRST_COMPLETED &&
        when != PAWL_FUTURE_FIRST_FAILED && when != PAWL_FUTURE_ALL_COMPLETED)
        return -EINVAL;
    if (are_enough(entries, n, when))
        return 0;
    if (until <= 0)
        return -ETIMEDOUT;
    linked = link_all(&t, entries, n);
    helper = helper_among(entries, n);
    await(&t, when == PAWL_FUTURE_FIRST_COMPLETED ? 1 : linked, heeds_failure,
          until, helper);
    if (helper != NULL)
        pawl_help_ends(helper);
    unlink_all(&t, entries, n, linked);
    return are_enough(entries, n, when) ? 0 : -ETIMEDOUT;
}

int pawl_future_wait(pawl_future_entry *entries, size_t n,
                     enum pawl_future_when when)
{
    return pawl_future_wait_until(entries, n, when, PAWL_FOREVER);
}

int pawl_future_try_wait(pawl_future_entry *entries, size_t n,
                         enum pawl_future_when when)
{
    int err = pawl_future_wait_until(entries, n, when, 0);

    return err == -ETIMEDOUT ? -EAGAIN : err;
}

/* -- In the order of completion -----------------------------------------------
 *
 * arrived_ is the newest of those that were delivered and not taken yet, 0 if
 * there is none, or ASLEEP if somebody sleeps until there is.  Entries are
 * aligned, so its low half, the futex, is ASLEEP only then. */

#define ASLEEP 1

static pawl_future_entry *entry_at(uint64_t address)
{
    return (pawl_future_entry *)(uintptr_t)address;
}

/* A pawl_future_fn. */
static void arrive(pawl_future *f, void *context)
{
    pawl_future_entry *e = context;
    pawl_as_completed *c = e->owner_;
    /* relaxed: a hint; the CAS decides. */
    uint64_t seen = pawl_load64_relaxed(&c->arrived_);

    (void)f;
    pawl_tsan_release(c);
    do {
        e->next_ = seen == ASLEEP ? NULL : entry_at(seen);
        /* release: pairs with cas64_acquire in take_arrived; those below it are
         * seen too (release sequence). */
    } while (!pawl_cas64_release(&c->arrived_, &seen, (uintptr_t)e));
    if (seen == ASLEEP)
        pawl_futex_wake(pawl_low_half(&c->arrived_), 1, false,
                        PAWL_CHANNEL_ANY);
}

/* Take what has arrived, oldest first; NULL: nothing. */
static pawl_future_entry *take_arrived(pawl_as_completed *c)
{
    /* relaxed: a hint; the CAS decides. */
    uint64_t seen = pawl_load64_relaxed(&c->arrived_);
    pawl_future_entry *oldest = NULL;
    pawl_future_entry *e;

    do {
        if (seen == 0 || seen == ASLEEP)
            return NULL;
        /* acquire: pairs with cas64_release in arrive. */
    } while (!pawl_cas64_acquire(&c->arrived_, &seen, 0));
    pawl_tsan_acquire(c);
    for (e = entry_at(seen); e != NULL;) {
        pawl_future_entry *older = e->next_;

        e->linked_ = false;
        e->next_ = oldest;
        oldest = e;
        e = older;
    }
    return oldest;
}

static bool spin_for_arrival(const pawl_as_completed *c)
{
    struct pawl_spin spin;
    bool some;

    if (!pawl_spin_begins(&spin, PAWL_SPIN_FUTURE))
        return false;
    /* relaxed: take_arrived orders. */
    while (!(some = pawl_load64_relaxed(&c->arrived_) > ASLEEP) &&
           pawl_spin_again(&spin))
        ;
    pawl_spin_ends(&spin, some);
    return some;
}

/* As take_arrived, but wait until there is something.  NULL: time is up. */
static pawl_future_entry *await_arrival(pawl_as_completed *c,
                                        pawl_deadline until,
                                        struct pawl_worker *helper)
{
    int err = until <= 0 ? -ETIMEDOUT : 0;
    pawl_future_entry *e = take_arrived(c);

    if (e == NULL && err == 0 && helper == NULL && spin_for_arrival(c))
        e = take_arrived(c);
    while (e == NULL && err != -ETIMEDOUT) {
        uint64_t seen = 0;

        /* relaxed: publishes nothing.  The kernel compares the low half under
         * its queue lock: it sees an arrival, or the arrival sees ASLEEP. */
        if (pawl_cas64_relaxed(&c->arrived_, &seen, ASLEEP) || seen == ASLEEP)
            err =
                sleep_on(pawl_low_half(&c->arrived_), ASLEEP, until, helper);
        e = take_arrived(c);
    }
    return e;
}

/* Merge two lists that are in order of the futures' addresses; of equals, those
 * of the first one come first. */
static pawl_future_entry *merge(pawl_future_entry *a, pawl_future_entry *b)
{
    pawl_future_entry *first = NULL;
    pawl_future_entry **end = &first;

    while (a != NULL && b != NULL) {
        pawl_future_entry **less =
            (uintptr_t)b->future < (uintptr_t)a->future ? &b : &a;

        *end = *less;
        end = &(*less)->next_;
        *less = *end;
    }
    *end = a != NULL ? a : b;
    return first;
}

/* All of them, in order of the futures' addresses. */
static pawl_future_entry *sort(pawl_future_entry *entries, size_t n)
{
    enum { LEVELS = 32 };                   /* n <= INT32_MAX */
    pawl_future_entry *level[LEVELS] = {0}; /* each of 2^index, or none */
    pawl_future_entry *list = NULL;

    for (size_t i = 0; i < n; i++) {
        size_t k = 0;

        list = &entries[i];
        list->next_ = NULL;
        for (; level[k] != NULL; level[k++] = NULL)
            list = merge(level[k], list);
        level[k] = list;
    }
    list = NULL;
    for (size_t k = 0; k < LEVELS; k++)
        list = merge(level[k], list);
    return list;
}

/* Set linked_ where no entry before has the same future. */
static void find_originals(pawl_future_entry *entries, size_t n)
{
    bool in_order = true;

    for (size_t i = 0; i < n; i++) {
        in_order = in_order && (i == 0 || (uintptr_t)entries[i - 1].future <
                                              (uintptr_t)entries[i].future);
        entries[i].linked_ = true;
    }
    if (in_order)
        return;
    for (pawl_future_entry *e = sort(entries, n); e->next_ != NULL;
         e = e->next_)
        e->next_->linked_ = e->next_->future != e->future;
}

int pawl_as_completed_begin(pawl_as_completed *c, pawl_future_entry *entries,
                            size_t n)
{
    int err = check(entries, n);
    pawl_future_entry **end = &c->ready_;

    if (err != 0)
        return err;
    *c = (pawl_as_completed){.entries_ = entries, .n_ = n};
    find_originals(entries, n);
    for (size_t i = 0; i < n; i++) {
        pawl_future_entry *e = &entries[i];

        e->done = false;
        e->owner_ = c;
        c->left_ += e->linked_;
        if (e->linked_ && !pawl_future_link(e->future, &e->link_, arrive, e)) {
            e->linked_ = false;
            e->next_ = NULL;
            *end = e;
            end = &e->next_;
        }
    }
    return 0;
}

int pawl_as_completed_next_until(pawl_as_completed *c, size_t *which,
                                 pawl_deadline until)
{
    struct pawl_worker *helper;
    pawl_future_entry *e;

    if (c->left_ == 0)
        return -ESHUTDOWN;
    if (c->ready_ == NULL) {
        helper = until > 0 ? helper_among(c->entries_, c->n_) : NULL;
        c->ready_ = await_arrival(c, until, helper);
        if (helper != NULL)
            pawl_help_ends(helper);
    }
    e = c->ready_;
    if (e == NULL)
        return -ETIMEDOUT;
    c->ready_ = e->next_;
    c->left_--;
    e->done = true;
    *which = (size_t)(e - c->entries_);
    return 0;
}

int pawl_as_completed_next(pawl_as_completed *c, size_t *which)
{
    return pawl_as_completed_next_until(c, which, PAWL_FOREVER);
}

int pawl_as_completed_try_next(pawl_as_completed *c, size_t *which)
{
    int err = pawl_as_completed_next_until(c, which, 0);

    return err == -ETIMEDOUT ? -EAGAIN : err;
}

void pawl_as_completed_end(pawl_as_completed *c)
{
    size_t coming = 0;

    for (size_t i = 0; i < c->n_; i++) {
        pawl_future_entry *e = &c->entries_[i];

        if (e->linked_ && !pawl_future_unlink(e->future, &e->link_))
            coming++;
    }
    while (coming > 0)
        for (pawl_future_entry *e = await_arrival(c, PAWL_FOREVER, NULL);
             e != NULL;
             e = e->next_)
            coming--;
    *c = (pawl_as_completed){0};
}
