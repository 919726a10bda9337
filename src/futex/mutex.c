/* SPDX-License-Identifier: MIT
 *
 * mutex.c - the mutex of pawl/mutex.h, where the word is drawn.
 *
 * A futex lock (Drepper, "Futexes Are Tricky", 2004) whose holder is named in
 * the word, with one registered spinner, and a reservation for starving
 * waiters instead of a queue.
 *
 * I1  Somebody sleeps on the word  =>  WAITERS is set, or a thread that was
 *     woken has yet to look at the word again.  That thread carries the duty to
 *     set WAITERS, since it cannot know whether it was the last sleeper.
 * I2  Only the holder moves the id field away from its own id; for a dead
 *     holder, whoever finds it dead.
 * I3  SPINNING is set  =>  one thread, awake, is going to take the lock or to
 *     clear the mark, and looks at the id after that.  So a release that finds
 *     the mark may leave the sleepers (and WAITERS) alone.
 * I4  STARVING counts threads that are going to count themselves out, and
 *     sleep, if they do, on a channel of their own, with WAITERS set as well.
 *     Only they take a RESERVED lock, and none of them sleeps while it is.
 * I5  WATCHED is set  =>  WAITERS is set.  Both are set only while the lock
 *     cannot be taken.  Who clears WATCHED frees the lock, or finds it free, and
 *     wakes all wait sets, which sleep on the high half; so one that finds the
 *     high half as it left it may sleep.  A release for a spinner, or for a
 *     starving waiter, leaves both: that thread takes the lock (I3, I4).  Wait
 *     sets consume no wake of a sleeper, so they have no duty.
 *
 * Both marks carry the fork count: a mark from before a fork was left by a
 * thread that the child does not have, and means nothing there.
 *
 * All transitions are compare-and-swaps of the whole word, so each is the one
 * instant at which everything it decides becomes true.
 */
#include "futex/mutex_core.h"

#include "base/tsan.h"
#include "futex/cond_core.h"
#include "futex/spin.h"
#include "futex/waitable.h"

/* A waiter that has slept so long is starving: the lock is handed to it. */
#define STARVING_AFTER_NS 1000000

/* The unit of time in the word is 2^18 ns, a quarter of a millisecond. */
#define TICK_SHIFT 18

/* Pauses between two looks of a spinner. */
#define STEP 2

/* What a thread on the slow path is and has. */
struct contender {
    pawl_mutex *mutex;
    pawl_deadline until;
    uint64_t id;
    uint64_t duty;       /* WAITERS once it has been woken: I1 */
    uint64_t mark;       /* SPINNING or STARVING while it is ours */
    pawl_deadline alarm; /* when it starves; 0: it has not slept yet */
    bool shared;
    bool may_spin; /* once before each sleep */
};

/* -- Reading the word ----------------------------------------------------- */

static uint64_t holder_of(uint64_t word)
{
    return word & PAWL_M_ID;
}

static uint64_t fork_bits(uint64_t word)
{
    return (uint64_t)pawl_fork_mark(pawl_mutex_is_shared(word))
           << PAWL_M_FORK_SHIFT;
}

/* The word without marks that nobody stands behind any more. */
static uint64_t settled(uint64_t word)
{
    if ((word & PAWL_M_FORK) != fork_bits(word))
        word &= ~(PAWL_M_SPINNING | PAWL_M_STARVERS | PAWL_M_FORK);
    if (holder_of(word) == PAWL_M_RESERVED && (word & PAWL_M_STARVERS) == 0)
        word &= ~PAWL_M_ID;
    return word;
}

/* Held, if by a dead thread, or about to be. */
static bool is_locked(uint64_t word)
{
    uint64_t holder = holder_of(settled(word));

    return holder != 0 && holder != PAWL_M_LOST;
}

/* A mark is a bit or one of a count: adding and subtracting serve both. */
static uint64_t without(uint64_t word, uint64_t mark)
{
    return word - mark;
}

static uint64_t with(uint64_t word, uint64_t mark)
{
    return (word + mark) | fork_bits(word);
}

/* -- Death of a holder ---------------------------------------------------- */

static bool holder_is_dead(const struct contender *c, uint64_t word)
{
    return !c->shared && !pawl_thread_alive((uint32_t)holder_of(word));
}

void pawl_mutex_bury(void *object, uint32_t dead_id)
{
    pawl_mutex *m = object;
    /* relaxed: a hint; the CAS decides. */
    uint64_t seen = pawl_load64_relaxed(&m->word_);

    while (holder_of(seen) == dead_id) {
        /* relaxed: publishes nothing; a sleeper about to enter the kernel is
         * stopped there by the change. */
        if (pawl_cas64_relaxed(&m->word_, &seen,
                               seen & ~(PAWL_M_WAITERS | PAWL_M_WATCHED))) {
            pawl_futex_wake(pawl_low_half(&m->word_), PAWL_WAKE_ALL, false,
                            PAWL_CHANNEL_ANY);
            if ((seen & PAWL_M_WATCHED) != 0)
                pawl_watchers_wake(pawl_high_half(&m->word_), false);
            return;
        }
    }
}

/* -- Acquiring ------------------------------------------------------------ */

/* Whether the caller may take the lock as `word` shows it; *as is then what it
 * becomes. */
static bool can_take(const struct contender *c, uint64_t word, uint64_t *as)
{
    uint64_t holder = holder_of(word);

    *as = without((word & ~PAWL_M_ID) | c->id | c->duty, c->mark);
    if (holder == 0)
        return true;
    if (holder == PAWL_M_RESERVED)
        return c->mark == PAWL_M_STARVING;
    if (holder_is_dead(c, word)) {
        *as |= PAWL_M_DIED;
        return true;
    }
    return false;
}

/* One look, and an attempt if it is promising.
 *
 * Returns 0, -EOWNERDEAD or -ENOTRECOVERABLE as the end of the matter; -EAGAIN
 * if somebody holds the lock: *seen is then what the word was. */
static int attempt(const struct contender *c, uint64_t *seen)
{
    for (;;) {
        uint64_t as;

        if (holder_of(*seen) == PAWL_M_LOST)
            return -ENOTRECOVERABLE;
        if (!can_take(c, settled(*seen), &as))
            return -EAGAIN;
        /* acquire: pairs with the release in release_slow and in
         * pawl_mutex_give_back. */
        if (pawl_cas64_acquire(&c->mutex->word_, seen, as))
            return (as & PAWL_M_DIED) != 0 ? -EOWNERDEAD : 0;
        /* The failed CAS has refreshed *seen. */
    }
}

/* Look until the lock is ours, or `spin` has spent `limit`. */
static int look(struct contender *c, uint64_t *seen, struct pawl_spin *spin,
                uint32_t limit)
{
    int err = -EAGAIN;

    while (err == -EAGAIN && spin->spent < limit && pawl_spin_again(spin)) {
        /* relaxed: a hint; the CAS in attempt decides. */
        *seen = pawl_load64_relaxed(&c->mutex->word_);
        err = attempt(c, seen);
    }
    return err;
}

/* Spin: first without a trace, and not at once, for the holder of a short
 * section is faster if nobody touches its cache line; then as the one marked
 * spinner.  Returns as attempt; on -EAGAIN the mark may be ours. */
static int spin(struct contender *c, uint64_t *seen)
{
    struct pawl_spin spin;
    uint64_t marked;
    int err;

    c->may_spin = false;
    if (c->mark != 0 ||
        (settled(*seen) & (PAWL_M_SPINNING | PAWL_M_STARVERS)) != 0)
        return -EAGAIN; /* one is enough, and too many in a crowd */
    if (!c->shared && pawl_thread_is_here((uint32_t)holder_of(*seen)))
        return -EAGAIN; /* it runs when we do not */
    if (!pawl_spin_begins(&spin, PAWL_SPIN_MUTEX))
        return -EAGAIN;
    spin.step = spin.patience;
    err = look(c, seen, &spin, spin.patience);
    spin.step = STEP;
    marked = with(settled(*seen), PAWL_M_SPINNING);
    /* relaxed: publishes nothing. */
    if (err == -EAGAIN && (settled(*seen) & PAWL_M_SPINNING) == 0 &&
        pawl_cas64_relaxed(&c->mutex->word_, seen, marked)) {
        c->mark = PAWL_M_SPINNING;
        *seen = marked;
        err = look(c, seen, &spin, UINT32_MAX);
    }
    pawl_spin_ends(&spin, err == 0);
    if (err != -EAGAIN)
        c->mark = 0; /* attempt has cleared it, or nobody will ask */
    return err;
}

/* Whether it is time to be counted among the starving. */
static bool starves(struct contender *c, uint64_t word)
{
    pawl_deadline now;

    if (c->mark != 0 || c->alarm == 0 || (now = pawl_now()) < c->alarm)
        return false;
    if ((word & PAWL_M_STARVERS) != PAWL_M_STARVERS)
        return true;
    c->alarm = now + STARVING_AFTER_NS; /* no room to count us: later */
    return false;
}

/* Announce the sleep in the word: *as is then what it becomes. */
static uint64_t prepare_sleep(struct contender *c, uint64_t word, uint64_t *as)
{
    uint64_t mark = c->mark == PAWL_M_STARVING ? c->mark : 0;

    *as = word | PAWL_M_WAITERS;
    if (c->mark == PAWL_M_SPINNING)
        *as = without(*as, PAWL_M_SPINNING);
    else if (starves(c, word))
        *as = with(*as, mark = PAWL_M_STARVING);
    return mark;
}

/* Sleep until the word changes, or it is time to starve.  Returns what the
 * futex wait returned, or -EAGAIN for "look again". */
static int sleep_on(struct contender *c, uint64_t *seen)
{
    uint64_t word = settled(*seen);
    uint64_t as;
    uint64_t mark = prepare_sleep(c, word, &as);
    /* RESERVED too: the one that it is reserved for may die holding it. */
    bool watched = !c->shared && (word & PAWL_M_OWNERLESS) == 0;
    bool starving = mark != 0;
    pawl_deadline until = c->until;
    int r = -EAGAIN;

    /* relaxed: publishes nothing.  The kernel compares the low half under its
     * queue lock: it sees the release, or the release sees WAITERS. */
    if (as != *seen && !pawl_cas64_relaxed(&c->mutex->word_, seen, as))
        return r;
    c->mark = mark;
    *seen = as;
    /* Counted just now, while the lock is reserved: for us too.  To sleep on
     * that would miss the wake if it is taken and reserved once more before we
     * are in the kernel, which cannot tell the two apart. */
    if (starving && holder_of(as) == PAWL_M_RESERVED)
        return r;
    if (c->alarm == 0)
        c->alarm = pawl_now() + STARVING_AFTER_NS;
    if (!starving && c->alarm < until)
        until = c->alarm;
    if (watched)
        pawl_wait_begins(c->mutex, pawl_mutex_bury);
    if (!watched || pawl_thread_alive((uint32_t)holder_of(as)))
        r = pawl_futex_wait(
            pawl_low_half(&c->mutex->word_), (uint32_t)as, until, c->shared,
            starving ? PAWL_M_CHANNEL_STARVING : PAWL_M_CHANNEL_WAITING);
    if (watched)
        pawl_wait_ends();
    return r == -ETIMEDOUT && until != c->until && !pawl_self_.interrupted
               ? -EAGAIN
               : r;
}

static bool is_past(pawl_deadline until)
{
    return until != PAWL_FOREVER && (until <= 0 || until <= pawl_now());
}

/* The deadline has passed: take the lock if it is ours to take, else leave no
 * mark behind.  A lock that was reserved for us in the meantime is taken. */
static int give_up(struct contender *c, uint64_t *seen)
{
    for (;;) {
        int err = attempt(c, seen);

        if (err != -EAGAIN)
            return err;
        if (c->mark == 0)
            return -ETIMEDOUT;
        /* relaxed: publishes nothing.  If it fails, *seen is fresh. */
        if (pawl_cas64_relaxed(&c->mutex->word_, seen, without(*seen, c->mark)))
            return -ETIMEDOUT;
    }
}

static PAWL_COLD int acquire_slow(pawl_mutex *m, pawl_deadline until,
                                  uint64_t duty)
{
    /* relaxed: a hint; only a CAS decides. */
    uint64_t seen = pawl_load64_relaxed(&m->word_);
    struct contender c = {.mutex = m,
                          .until = until,
                          .id = pawl_mutex_my_id(seen),
                          .duty = duty,
                          .shared = pawl_mutex_is_shared(seen),
                          .may_spin = true};

    for (;;) {
        int err = attempt(&c, &seen);

        if (err == -EAGAIN && pawl_mutex_held_by_me(seen))
            return -EDEADLK;
        if (err == -EAGAIN && c.alarm == 0 && is_past(until))
            return give_up(&c, &seen);
        if (err == -EAGAIN && c.may_spin)
            err = spin(&c, &seen);
        if (err != -EAGAIN)
            return err;
        if (!can_take(&c, settled(seen), &(uint64_t){0})) {
            err = sleep_on(&c, &seen);
            if (err == 0) {
                c.duty = PAWL_M_WAITERS;
                c.may_spin = true;
            }
        }
        /* relaxed: a hint, as above. */
        seen = pawl_load64_relaxed(&m->word_);
        if (err == -ETIMEDOUT)
            return give_up(&c, &seen);
    }
}

int pawl_mutex_acquire(pawl_mutex *m, pawl_deadline until)
{
    return pawl_mutex_acquire_fast(m) ? 0 : acquire_slow(m, until, 0);
}

int pawl_mutex_reacquire(pawl_mutex *m, bool slept)
{
    uint32_t calm = pawl_uninterruptible_begin();
    int err = slept ? acquire_slow(m, PAWL_FOREVER, PAWL_M_WAITERS)
                    : pawl_mutex_acquire(m, PAWL_FOREVER);

    pawl_uninterruptible_end(calm);
    return err;
}

static PAWL_COLD int try_acquire_slow(pawl_mutex *m)
{
    /* relaxed: a hint; the CAS decides. */
    uint64_t seen = pawl_load64_relaxed(&m->word_);
    struct contender c = {.mutex = m,
                          .id = pawl_mutex_my_id(seen),
                          .shared = pawl_mutex_is_shared(seen)};

    return attempt(&c, &seen);
}

int pawl_mutex_try_acquire(pawl_mutex *m)
{
    /* No locked instruction on a lock that is visibly held.  relaxed: a hint. */
    if (pawl_load_low_relaxed(&m->word_) == 0 && pawl_mutex_acquire_fast(m))
        return 0;
    return try_acquire_slow(m);
}

/* -- Releasing ------------------------------------------------------------ */

/* Hand-overs cost throughput: the lock is idle until the next holder has woken
 * up.  So there is one per tick at most.  If one is due, *word gets the tick. */
static bool is_hand_over_due(uint64_t *word)
{
    uint64_t tick = ((uint64_t)pawl_now() >> TICK_SHIFT) << PAWL_M_TICK_SHIFT;

    if ((*word & PAWL_M_TICK) == tick)
        return false;
    *word = (*word & ~PAWL_M_TICK) | tick;
    return true;
}

/* Everything but "held by us, and nobody cares".  `unrepaired` hands DIED on to
 * the next holder instead of losing the lock. */
static PAWL_COLD int release_slow(pawl_mutex *m, bool unrepaired)
{
    struct pawl_deferred_wake deferred = {0};
    /* relaxed: if the id is ours we stored it ourselves (I2). */
    uint64_t seen = pawl_load64_relaxed(&m->word_);
    bool shared = pawl_mutex_is_shared(seen);
    uint32_t channels;
    int wake;
    uint64_t as;

    if (holder_of(seen) != pawl_mutex_my_id(seen))
        return -EPERM;
    if (pawl_self_.deferred.mutex == m) {
        deferred = pawl_self_.deferred;
        pawl_self_.deferred.mutex = NULL;
    }
    do {
        uint64_t word = settled(seen);

        wake = 0;
        channels = PAWL_CHANNEL_ANY;
        as = word & ~PAWL_M_ID;
        if ((word & PAWL_M_DIED) != 0 && !unrepaired) {
            as &= ~(PAWL_M_DIED | PAWL_M_WAITERS | PAWL_M_WATCHED);
            as |= PAWL_M_LOST;
            wake = PAWL_WAKE_ALL;
        } else if ((word & PAWL_M_STARVERS) != 0 && is_hand_over_due(&as)) {
            as |= PAWL_M_RESERVED;
            channels = PAWL_M_CHANNEL_STARVING;
            wake = 1;
        } else if ((word & PAWL_M_SPINNING) == 0 &&
                   (word & PAWL_M_WAITERS) != 0) {
            /* The woken one has the duty: I1. */
            as &= ~(PAWL_M_WAITERS | PAWL_M_WATCHED);
            wake = 1;
        }
        /* release: pairs with the acquire in attempt and in
         * pawl_mutex_take_free.  Our last access to *m. */
    } while (!pawl_cas64_release(&m->word_, &seen, as));
    if ((seen & ~as & PAWL_M_WATCHED) != 0)
        pawl_watchers_wake(pawl_high_half(&m->word_), shared);
    if (deferred.mutex != NULL && pawl_cond_wake_deferred(&deferred, shared) &&
        channels == PAWL_CHANNEL_ANY && wake == 1)
        return 0; /* the one that was woken there has the duty */
    if (wake != 0)
        pawl_futex_wake(pawl_low_half(&m->word_), wake, shared, channels);
    return 0;
}

int pawl_mutex_release(pawl_mutex *m)
{
    return pawl_mutex_release_fast(m) ? 0 : release_slow(m, false);
}

int pawl_mutex_release_unrepaired(pawl_mutex *m)
{
    return release_slow(m, true);
}

void pawl_mutex_mark_waiters(pawl_mutex *m)
{
    /* relaxed: the holder's; publishes nothing. */
    uint64_t seen = pawl_load64_relaxed(&m->word_);

    /* relaxed: as above. */
    while ((seen & PAWL_M_WAITERS) == 0 &&
           !pawl_cas64_relaxed(&m->word_, &seen, seen | PAWL_M_WAITERS))
        ;
}

/* -- The public face ------------------------------------------------------ */

int pawl_mutex_init(pawl_mutex *m, unsigned flags)
{
    if ((flags & ~(unsigned)(PAWL_SHARED | PAWL_OWNERLESS)) != 0)
        return -EINVAL;
    /* relaxed: nobody else uses it yet; how the others learn of it orders. */
    pawl_store64_relaxed(&m->word_, (uint64_t)flags << 32);
    if (pawl_tsan_on() && (flags & PAWL_OWNERLESS) == 0)
        pawl_tsan_created(m);
    return 0;
}

int pawl_mutex_destroy(pawl_mutex *m)
{
    /* acquire: pairs with the release of the last unlock, so that the caller
     * may free what the mutex guarded. */
    uint64_t seen = pawl_load64_acquire(&m->word_);

    if (is_locked(seen))
        return -EBUSY;
    if (pawl_tsan_on() && (seen & PAWL_M_OWNERLESS) == 0)
        pawl_tsan_destroyed(m);
    return 0;
}

/* The annotated forms.  An ownerless mutex is no lock to the sanitizer, which
 * would not accept that another thread releases it: only its order is told. */

static bool is_ownerless(const pawl_mutex *m)
{
    /* relaxed: constant. */
    return (pawl_load64_relaxed(&m->word_) & PAWL_M_OWNERLESS) != 0;
}

static PAWL_COLD int lock_annotated(pawl_mutex *m, pawl_deadline until,
                                    bool try_only)
{
    bool ownerless = is_ownerless(m);
    bool may_fail =
        try_only || until != PAWL_FOREVER || pawl_self_.interruptible != 0;
    unsigned flags = may_fail ? PAWL_TSAN_TRY : 0;
    int err;
    bool got;

    if (!ownerless)
        pawl_tsan_locking(m, flags);
    err = try_only ? pawl_mutex_try_acquire(m) : pawl_mutex_acquire(m, until);
    got = err == 0 || err == -EOWNERDEAD;
    if (!ownerless)
        pawl_tsan_locked(m, flags, got);
    else if (got)
        pawl_tsan_acquire(m);
    return err;
}

static PAWL_COLD int unlock_annotated(pawl_mutex *m)
{
    int err;

    if (is_ownerless(m)) {
        pawl_tsan_release(m);
        return pawl_mutex_release(m);
    }
    if (!pawl_mutex_is_mine(m)) {
        pawl_tsan_wrong_unlock(m);
        return -EPERM;
    }
    pawl_tsan_unlocking(m, 0);
    err = pawl_mutex_release(m);
    pawl_tsan_unlocked(m, 0);
    return err;
}

int pawl_mutex_unlock_unrepaired(pawl_mutex *m)
{
    bool annotate = pawl_tsan_on() && !is_ownerless(m);
    int err;

    if (annotate)
        pawl_tsan_unlocking(m, 0);
    err = pawl_mutex_release_unrepaired(m);
    if (annotate)
        pawl_tsan_unlocked(m, 0);
    return err;
}

int pawl_mutex_lock_until(pawl_mutex *m, pawl_deadline until)
{
    if (pawl_tsan_on())
        return lock_annotated(m, until, false);
    return pawl_mutex_acquire(m, until);
}

int pawl_mutex_lock(pawl_mutex *m)
{
    return pawl_mutex_lock_until(m, PAWL_FOREVER);
}

int pawl_mutex_try_lock(pawl_mutex *m)
{
    if (pawl_tsan_on())
        return lock_annotated(m, 0, true);
    return pawl_mutex_try_acquire(m);
}

int pawl_mutex_unlock(pawl_mutex *m)
{
    if (pawl_tsan_on())
        return unlock_annotated(m);
    return pawl_mutex_release(m);
}

int pawl_mutex_consistent(pawl_mutex *m)
{
    /* relaxed: our own store, if it is ours (I2). */
    uint64_t seen = pawl_load64_relaxed(&m->word_);

    if (!pawl_mutex_held_by_me(seen))
        return -EPERM;
    if ((seen & PAWL_M_DIED) == 0)
        return -EINVAL;
    /* relaxed: the unlock publishes it. */
    while (!pawl_cas64_relaxed(&m->word_, &seen, seen & ~PAWL_M_DIED))
        ;
    return 0;
}

bool pawl_mutex_is_locked(const pawl_mutex *m)
{
    /* relaxed: a snapshot promises nothing. */
    return is_locked(pawl_load64_relaxed(&m->word_));
}

bool pawl_mutex_is_mine(const pawl_mutex *m)
{
    /* relaxed: our own store, if it is ours (I2). */
    return pawl_mutex_held_by_me(pawl_load64_relaxed(&m->word_));
}

bool pawl_mutex_is_orphaned(const pawl_mutex *m)
{
    /* relaxed: our own store, if it is ours (I2). */
    uint64_t seen = pawl_load64_relaxed(&m->word_);

    return pawl_mutex_held_by_me(seen) && (seen & PAWL_M_DIED) != 0;
}

int pawl_mutex_owner(const pawl_mutex *m)
{
    /* relaxed: a snapshot promises nothing. */
    uint64_t seen = pawl_load64_relaxed(&m->word_);
    uint32_t holder = (uint32_t)holder_of(seen);

    if (holder == 0 || holder >= PAWL_ID_SPECIAL)
        return 0;
    return (int)(pawl_mutex_is_shared(seen) ? holder : pawl_thread_tid(holder));
}

/* -- In a wait set ---------------------------------------------------------- */

static int look_at(pawl_wait_item *item, bool first)
{
    int err = pawl_mutex_try_lock(item->object_);

    (void)first;
    return err == -EAGAIN && pawl_mutex_is_mine(item->object_) ? -EDEADLK : err;
}

/* Whether there is nothing to wait for: free, orphaned or lost. */
static bool is_decided(uint64_t word)
{
    struct contender c = {.shared = pawl_mutex_is_shared(word)};

    return holder_of(word) == PAWL_M_LOST || can_take(&c, settled(word), &word);
}

static bool watch(const pawl_wait_item *item, struct pawl_watch *w)
{
    pawl_mutex *m = item->object_;
    /* relaxed: a hint; the CAS decides. */
    uint64_t seen = pawl_load64_relaxed(&m->word_);
    uint64_t as;

    do {
        if (is_decided(seen))
            return false;
        as = settled(seen) | PAWL_M_WAITERS | PAWL_M_WATCHED;
        /* relaxed: publishes nothing.  The kernel compares the high half under
         * its queue lock: it sees the release, or that sees WATCHED. */
    } while (as != seen && !pawl_cas64_relaxed(&m->word_, &seen, as));
    *w = (struct pawl_watch){pawl_high_half(&m->word_), (uint32_t)(as >> 32),
                             pawl_mutex_is_shared(as)};
    return true;
}

static bool need_not_wait(const void *object)
{
    const pawl_mutex *m = object;

    /* relaxed: if it is another holder by now, the high half differs. */
    return is_decided(pawl_load64_relaxed(&m->word_));
}

static int lock_until(void *m, pawl_deadline until)
{
    return pawl_mutex_lock_until(m, until);
}

static void put_back(void *m)
{
    pawl_mutex_put_back(m);
}

pawl_wait_item pawl_mutex_wait_item(pawl_mutex *m)
{
    static const struct pawl_waitable how = {.look = look_at,
                                             .watch = watch,
                                             .acquire_until = lock_until,
                                             .put_back = put_back,
                                             .is_lock = true,
                                             .is_decided = need_not_wait,
                                             .bury = pawl_mutex_bury};

    return pawl_waitable_item(m, &how);
}

pawl_mutex_guard pawl_mutex_guard_make(pawl_mutex *m, pawl_deadline until)
{
    pawl_mutex_guard g = {m, pawl_mutex_lock_until(m, until)};

    if (g.err < 0 && g.err != -EOWNERDEAD)
        g.mutex = NULL;
    return g;
}

void pawl_mutex_guard_end(pawl_mutex_guard *g)
{
    if (g->mutex != NULL)
        pawl_mutex_unlock(g->mutex);
    g->mutex = NULL;
}
