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
 * In a region any thread may be killed anywhere, so others must be able to tell
 * whose mark it is.  There is one mark at a time, NAMED, with SPINNING or without:
 * then it starves.  It names the thread's slot, whose notes say which lock it has
 * marked.  What changes (docs/owner-death.md):
 *
 * I1' A release leaves WAITERS, for the thread that it wakes may be killed on its
 *     way.  WAITERS goes when the thread whose wake found nobody comes back and
 *     finds the word as it left it.
 * I3' and I4' hold while the named thread lives.  Its mark is void when it does not.
 * I6  Who sleeps watches the lifeline of the holder that it found, and that of the
 *     one marked; so a release that is killed before its wake is made good, but for
 *     one by a later holder: that takes until the sleep is cut off.
 *
 * All transitions are compare-and-swaps of the whole word, so each is the one
 * instant at which everything it decides becomes true.
 */
#include "futex/mutex_core.h"

#include "base/tsan.h"
#include "futex/cond_core.h"
#include "futex/deadlock.h"
#include "futex/lock_names.h"
#include "futex/spin.h"
#include "futex/waitable.h"

/* A waiter that has slept so long is starving: the lock is handed to it. */
#define STARVING_AFTER_NS 1000000

/* ... unless there is no room for its mark: then it asks again after so long. */
#define CROWDED_NS 50000000

/* The unit of time in the word is 2^18 ns, a quarter of a millisecond. */
#define TICK_SHIFT 18

/* Pauses between two looks of a spinner. */
#define STEP 2

/* The name in a mark: a slot, and a number that changes from mark to mark. */
#define TURN_BITS (16 - PAWL_SLOT_BITS)
#define TURNS ((UINT64_C(1) << TURN_BITS) - 1)

/* All that marks consist of. */
#define MARKS (PAWL_M_SPINNING | PAWL_M_NAMED | PAWL_M_NAME)

/* What a thread on the slow path is and has. */
struct contender {
    pawl_mutex *mutex;
    struct pawl_participants *table; /* of the region; NULL: it is in none */
    pawl_deadline until;
    uint64_t id;
    uint32_t slot;       /* ours in the region */
    uint64_t duty;       /* WAITERS once it has been woken: I1 */
    uint64_t mark;       /* SPINNING or STARVING while it is ours */
    pawl_deadline alarm; /* when it starves; 0: it has not slept yet */
    bool shared;
    bool may_spin; /* once before each sleep */
    bool crowded;  /* it starves, and there is no room for its mark */
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

static uint32_t slot_of_mark(uint64_t word)
{
    return (uint32_t)(word >> (PAWL_M_NAME_SHIFT + TURN_BITS)) & PAWL_SLOT_MASK;
}

/* What the notes of a slot say while its thread has marked *m. */
static uint64_t note_of(const struct pawl_participants *t, const pawl_mutex *m,
                        uint64_t turn)
{
    return ((uintptr_t)m - (uintptr_t)t) << TURN_BITS | turn;
}

/* Whether a thread that lives stands behind the mark in a word.  True also if that
 * is not the word any more. */
static bool mark_stands(const struct pawl_participants *t, const pawl_mutex *m,
                        uint64_t word)
{
    uint32_t slot = slot_of_mark(word);
    uint64_t turn = word >> PAWL_M_NAME_SHIFT & TURNS;

    /* acquire: pairs with the release that has left the mark, for the note. */
    if (t == NULL || pawl_load64_acquire(&m->word_) != word)
        return true;
    return pawl_participant_in(t, slot) != 0 &&
           /* relaxed: ordered by the acquire before. */
           pawl_load64_relaxed(&t->slot[slot].note[PAWL_NOTE_MARK]) ==
               note_of(t, m, turn);
}

/* Whether somebody starves who is counted, or named. */
static bool is_starved(uint64_t word)
{
    if (pawl_unlikely((word & PAWL_M_NAMED) != 0))
        return (word & PAWL_M_SPINNING) == 0;
    return (word & PAWL_M_STARVERS) != 0;
}

/* The word of *m, which is in the region of `t`, if any, without marks that nobody
 * stands behind any more. */
static uint64_t settled(const struct pawl_participants *t, const pawl_mutex *m,
                        uint64_t word)
{
    if (pawl_unlikely((word & PAWL_M_NAMED) != 0)) {
        if (!mark_stands(t, m, word))
            word &= ~MARKS;
    } else if ((word & PAWL_M_FORK) != fork_bits(word)) {
        word &= ~(PAWL_M_SPINNING | PAWL_M_STARVERS | PAWL_M_FORK);
    }
    if (holder_of(word) == PAWL_M_RESERVED && !is_starved(word))
        word &= ~PAWL_M_ID;
    return word;
}

static uint64_t settled_for(const struct contender *c, uint64_t word)
{
    return settled(c->table, c->mutex, word);
}

/* Held, if by a dead thread, or about to be. */
static bool is_locked(const pawl_mutex *m, uint64_t word)
{
    uint64_t holder;

    word =
        settled(pawl_mutex_is_shared(word) ? pawl_realm_of(m) : NULL, m, word);
    holder = holder_of(word);
    return holder != 0 && holder != PAWL_M_LOST;
}

/* A mark is a bit or one of a count, where adding and subtracting serve both; or
 * it is named, and all there is. */
static uint64_t without(uint64_t word, uint64_t mark)
{
    if (pawl_unlikely((mark & PAWL_M_NAMED) != 0))
        return (word & MARKS) == mark ? word & ~MARKS : word;
    return word - mark;
}

static uint64_t with(uint64_t word, uint64_t mark)
{
    if (pawl_unlikely((mark & PAWL_M_NAMED) != 0))
        return word | mark;
    return (word + mark) | fork_bits(word);
}

static bool is_starving(uint64_t mark)
{
    return mark != 0 && (mark & PAWL_M_SPINNING) == 0;
}

/* A mark to be left: SPINNING or STARVING, or what stands for it in a region. */
static uint64_t new_mark(const struct contender *c, uint64_t kind)
{
    pawl_u64 *note;
    uint64_t turn;

    if (c->table == NULL)
        return kind;
    note = &c->table->slot[c->slot].note[PAWL_NOTE_MARK];
    turn = (pawl_load64_relaxed(note) + 1) & TURNS; /* relaxed: our own */
    /* release: after the mark before it is gone. */
    pawl_store64_release(note, note_of(c->table, c->mutex, turn));
    return (kind & PAWL_M_SPINNING) | PAWL_M_NAMED |
           ((uint64_t)c->slot << TURN_BITS | turn) << PAWL_M_NAME_SHIFT;
}

/* Whether another mark can be left beside those in the word. */
static bool has_room(const struct contender *c, uint64_t word)
{
    return c->table == NULL ? (word & PAWL_M_STARVERS) != PAWL_M_STARVERS
                            : (word & MARKS) == 0;
}

/* -- Death of a holder ---------------------------------------------------- */

static bool holder_is_dead(const struct contender *c, uint64_t word)
{
    uint32_t holder = (uint32_t)holder_of(word);

    if (!c->shared)
        return !pawl_thread_alive(holder);
    return c->table != NULL && holder < PAWL_ID_SPECIAL &&
           !pawl_participant_alive(c->table, holder);
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

/* For the walk of deadlock.c. */
static uint32_t newest_holder(void *m)
{
    /* seq_cst: pairs with the acquire in attempt: see deadlock.c. */
    return (uint32_t)holder_of(pawl_add64_seq(&((pawl_mutex *)m)->word_, 0));
}

static const struct pawl_lock_kind lock_kind = {pawl_mutex_bury, newest_holder};

/* -- Acquiring ------------------------------------------------------------ */

/* Whether the caller may take the lock as `word` shows it; *as is then what it
 * becomes. */
static bool can_take(const struct contender *c, uint64_t word, uint64_t *as)
{
    uint64_t holder = holder_of(word);

    *as = without((word & ~PAWL_M_ID) | c->id | c->duty, c->mark);
    if (holder == 0)
        return true;
    if (holder == PAWL_M_RESERVED && c->table != NULL)
        /* The one that it is reserved for may have been stopped. */
        return c->crowded || (c->mark != 0 && (word & MARKS) == c->mark);
    if (holder == PAWL_M_RESERVED)
        return is_starving(c->mark);
    if (holder_is_dead(c, word)) {
        *as |= PAWL_M_DIED;
        return true;
    }
    return false;
}

/* The lock is as our last release left it, which woke nobody: so WAITERS, which that
 * left in a region, says nothing (I1'). */
static bool was_vain(const struct contender *c, uint64_t word)
{
    return c->table != NULL && c->duty == 0 &&
           pawl_self_.vain.lock == c->mutex && pawl_self_.vain.word == word;
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
        if (!can_take(c, settled_for(c, *seen), &as))
            return -EAGAIN;
        if (was_vain(c, *seen))
            as &= ~PAWL_M_WAITERS;
        /* acquire: pairs with the release in release_slow and in
         * pawl_mutex_give_back. */
        if (pawl_cas64_acquire(&c->mutex->word_, seen, as)) {
            if (c->table != NULL && (as & PAWL_M_DIED) != 0)
                pawl_participant_buried(c->table, (uint32_t)holder_of(*seen));
            return (as & PAWL_M_DIED) != 0 ? -EOWNERDEAD : 0;
        }
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

/* Whether nobody else spins, nor starves by name. */
static bool is_unmarked(const struct contender *c, uint64_t word)
{
    return (settled_for(c, word) & (PAWL_M_SPINNING | PAWL_M_NAMED)) == 0;
}

static bool mark_spinning(struct contender *c, uint64_t *seen)
{
    uint64_t mark = new_mark(c, PAWL_M_SPINNING);
    uint64_t as = with(settled_for(c, *seen), mark);

    /* release: pairs with mark_stands, for the note. */
    if (!pawl_cas64_release(&c->mutex->word_, seen, as))
        return false;
    c->mark = mark;
    *seen = as;
    return true;
}

/* Spin: first without a trace, and not at once, for the holder of a short
 * section is faster if nobody touches its cache line; then as the one marked
 * spinner.  Returns as attempt; on -EAGAIN the mark may be ours. */
static int spin(struct contender *c, uint64_t *seen)
{
    struct pawl_spin spin;
    int err;

    c->may_spin = false;
    if (c->mark != 0 || (settled_for(c, *seen) & MARKS & ~PAWL_M_FORK) != 0)
        return -EAGAIN; /* one is enough, and too many in a crowd */
    if (!c->shared && pawl_thread_is_here((uint32_t)holder_of(*seen)))
        return -EAGAIN; /* it runs when we do not */
    if (!pawl_spin_begins(&spin, PAWL_SPIN_MUTEX))
        return -EAGAIN;
    spin.step = spin.patience;
    err = look(c, seen, &spin, spin.patience);
    spin.step = STEP;
    if (err == -EAGAIN && is_unmarked(c, *seen) && mark_spinning(c, seen)) {
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
    if (has_room(c, word))
        return true;
    c->alarm = now + CROWDED_NS;
    c->crowded = true;
    return false;
}

/* Announce the sleep in the word: *as is then what it becomes. */
static uint64_t prepare_sleep(struct contender *c, uint64_t word, uint64_t *as)
{
    uint64_t mark = is_starving(c->mark) ? c->mark : 0;

    *as = word | PAWL_M_WAITERS;
    if (mark != c->mark)
        *as = without(*as, c->mark); /* we have spun */
    else if (starves(c, word))
        *as = with(*as, mark = new_mark(c, PAWL_M_STARVING));
    return mark;
}

/* In a region: sleep on the word, on our own bell if we starve, and on the lifelines
 * of those who are to wake us (I6). */
static int sleep_in_region(const struct contender *c, uint64_t word,
                           pawl_deadline until)
{
    pawl_u32 *half = pawl_low_half(&c->mutex->word_);
    struct pawl_watch watch[4] = {
        {.word = half, .expected = (uint32_t)word, .shared = true}};
    uint32_t holder = (uint32_t)holder_of(word);
    size_t n = 1;
    int r;

    if (is_starving(c->mark)) {
        pawl_u32 *bell = &c->table->slot[c->slot].bell;

        /* relaxed: if it rings before, for us, the word has changed. */
        watch[n++] = (struct pawl_watch){bell, pawl_load_relaxed(bell), true};
    } else if ((word & PAWL_M_NAMED) != 0) {
        uint32_t other = pawl_participant_in(c->table, slot_of_mark(word));

        if (pawl_participant_watch(c->table, other, &watch[n++]) != 0)
            return -EAGAIN;
    }
    if (holder < PAWL_ID_SPECIAL &&
        pawl_participant_watch(c->table, holder, &watch[n++]) != 0)
        return -EAGAIN;
    pawl_participant_lies_down(half);
    r = pawl_participant_sleep(watch, n, until);
    pawl_participant_gets_up();
    /* Another may be whom the dead has handed the lock to. */
    if (r == 0 && holder < PAWL_ID_SPECIAL)
        pawl_participant_bury(c->table, holder);
    return r;
}

/* Sleep until the word changes, or it is time to starve.  Returns what the
 * futex wait returned, or -EAGAIN for "look again". */
static int sleep_on(struct contender *c, uint64_t *seen)
{
    uint64_t word = settled_for(c, *seen);
    uint64_t as;
    uint64_t mark = prepare_sleep(c, word, &as);
    /* RESERVED too: the one that it is reserved for may die holding it. */
    bool watched = !c->shared && (word & PAWL_M_OWNERLESS) == 0;
    bool starving = mark != 0;
    bool is_deadlock = false;
    pawl_deadline until = c->until;
    int r = -EAGAIN;

    /* release: pairs with mark_stands, for the note.  The kernel compares the low
     * half under its queue lock: it sees the release, or the release sees
     * WAITERS. */
    if (as != *seen && !pawl_cas64_release(&c->mutex->word_, seen, as))
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
        is_deadlock =
            pawl_lock_wait_begins(c->mutex, &lock_kind,
                                  (uint32_t)holder_of(as), c->until) != 0;
    if (is_deadlock)
        r = -EDEADLK;
    else if (c->table != NULL)
        r = sleep_in_region(c, as, until);
    else if (!watched || pawl_thread_alive((uint32_t)holder_of(as)))
        /* Between processes who was to wake us may have been killed before. */
        r = pawl_futex_doze(
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

/* The wait is over, for this reason: take the lock if it is ours to take, else
 * leave no mark behind.  A lock that was reserved for us in the meantime is
 * taken. */
static int give_up(struct contender *c, uint64_t *seen, int reason)
{
    for (;;) {
        int err = attempt(c, seen);

        if (err != -EAGAIN)
            return err;
        if (c->mark == 0)
            return reason;
        /* relaxed: publishes nothing.  If it fails, *seen is fresh. */
        if (pawl_cas64_relaxed(&c->mutex->word_, seen, without(*seen, c->mark)))
            return reason;
    }
}

/* Find out who we are to the mutex, whose word is `seen`.  0, or why that cannot
 * be. */
static int introduce(struct contender *c, uint64_t seen)
{
    uint32_t me;

    c->shared = pawl_mutex_is_shared(seen);
    if (c->shared) {
        int err = pawl_realm_join(c->mutex, &c->table, &me);

        if (err != 0)
            return err;
        c->slot = me & PAWL_SLOT_MASK;
    }
    c->id = pawl_mutex_my_id(c->mutex, seen);
    return 0;
}

static PAWL_COLD int acquire_slow(pawl_mutex *m, pawl_deadline until,
                                  uint64_t duty)
{
    /* relaxed: a hint; only a CAS decides. */
    uint64_t seen = pawl_load64_relaxed(&m->word_);
    struct contender c = {
        .mutex = m, .until = until, .duty = duty, .may_spin = true};
    int err = introduce(&c, seen);

    if (err != 0)
        return err;
    for (;;) {
        err = attempt(&c, &seen);
        if (err == -EAGAIN && pawl_mutex_held_by_me(m, seen))
            return -EDEADLK;
        if (err == -EAGAIN && c.alarm == 0 && is_past(until))
            return give_up(&c, &seen, -ETIMEDOUT);
        if (err == -EAGAIN && c.may_spin)
            err = spin(&c, &seen);
        if (err != -EAGAIN)
            return err;
        if (!can_take(&c, settled_for(&c, seen), &(uint64_t){0})) {
            err = sleep_on(&c, &seen);
            if (err == 0) {
                c.duty = PAWL_M_WAITERS;
                c.may_spin = true;
            }
        }
        /* relaxed: a hint, as above. */
        seen = pawl_load64_relaxed(&m->word_);
        if (err == -ETIMEDOUT || err == -EDEADLK)
            return give_up(&c, &seen, err);
    }
}

int pawl_mutex_acquire(pawl_mutex *m, pawl_deadline until)
{
    return pawl_mutex_acquire_fast(m) ? 0 : acquire_slow(m, until, 0);
}

int pawl_mutex_reacquire(pawl_mutex *m, bool slept)
{
    uint32_t calm = pawl_uninterruptible_begin();
    bool must = pawl_must_lock_begin();
    int err = slept ? acquire_slow(m, PAWL_FOREVER, PAWL_M_WAITERS)
                    : pawl_mutex_acquire(m, PAWL_FOREVER);

    pawl_must_lock_end(must);
    pawl_uninterruptible_end(calm);
    return err;
}

static PAWL_COLD int try_acquire_slow(pawl_mutex *m)
{
    /* relaxed: a hint; the CAS decides. */
    uint64_t seen = pawl_load64_relaxed(&m->word_);
    struct contender c = {.mutex = m};
    int err = introduce(&c, seen);

    return err == 0 ? attempt(&c, &seen) : err;
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

/* A sleeper on several words cannot be woken on a channel: what is handed to one
 * thread of a region it is told by its bell. */
static void ring(struct pawl_participants *t, uint32_t slot)
{
    pawl_u32 *bell = &t->slot[slot].bell;

    pawl_add_relaxed(bell, 1); /* relaxed: publishes nothing */
    pawl_futex_wake(bell, PAWL_WAKE_ALL, true, PAWL_CHANNEL_ANY);
}

/* Everything but "held by us, and nobody cares".  `unrepaired` hands DIED on to
 * the next holder instead of losing the lock. */
static PAWL_COLD int release_slow(pawl_mutex *m, bool unrepaired)
{
    struct pawl_deferred_wake deferred = {0};
    /* relaxed: if the id is ours we stored it ourselves (I2). */
    uint64_t seen = pawl_load64_relaxed(&m->word_);
    bool shared = pawl_mutex_is_shared(seen);
    struct pawl_participants *t = shared ? pawl_realm_of(m) : NULL;
    uint32_t channels;
    int wake;
    uint64_t as;

    if (!pawl_mutex_is_held(m, seen))
        return -EPERM;
    if (pawl_self_.deferred.mutex == m) {
        deferred = pawl_self_.deferred;
        pawl_self_.deferred.mutex = NULL;
    }
    do {
        uint64_t word = settled(t, m, seen);

        wake = 0;
        channels = PAWL_CHANNEL_ANY;
        as = word & ~PAWL_M_ID;
        if ((word & PAWL_M_DIED) != 0 && !unrepaired) {
            as &= ~(PAWL_M_DIED | PAWL_M_WAITERS | PAWL_M_WATCHED);
            as |= PAWL_M_LOST;
            wake = PAWL_WAKE_ALL;
        } else if (is_starved(word) && is_hand_over_due(&as)) {
            as |= PAWL_M_RESERVED;
            channels = PAWL_M_CHANNEL_STARVING;
            wake = 1;
        } else if ((word & PAWL_M_SPINNING) == 0 &&
                   (word & PAWL_M_WAITERS) != 0) {
            /* The woken one has the duty: I1. */
            as &= t == NULL ? ~(PAWL_M_WAITERS | PAWL_M_WATCHED)
                            : ~PAWL_M_WATCHED;
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
    if (t != NULL && channels != PAWL_CHANNEL_ANY)
        ring(t, slot_of_mark(as));
    else if (wake != 0 && pawl_futex_wake(pawl_low_half(&m->word_), wake,
                                          shared, channels) == 0) {
        pawl_self_.vain.lock = m; /* I1' */
        pawl_self_.vain.word = as;
    }
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
    pawl_lock_changes(m);
    if (pawl_tsan_on() && (flags & PAWL_OWNERLESS) == 0)
        pawl_tsan_created(m);
    return 0;
}

int pawl_mutex_destroy(pawl_mutex *m)
{
    /* acquire: pairs with the release of the last unlock, so that the caller
     * may free what the mutex guarded. */
    uint64_t seen = pawl_load64_acquire(&m->word_);

    if (is_locked(m, seen))
        return -EBUSY;
    pawl_lock_changes(m);
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

    if (!pawl_mutex_held_by_me(m, seen))
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
    return is_locked(m, pawl_load64_relaxed(&m->word_));
}

bool pawl_mutex_is_mine(const pawl_mutex *m)
{
    /* relaxed: our own store, if it is ours (I2). */
    return pawl_mutex_held_by_me(m, pawl_load64_relaxed(&m->word_));
}

bool pawl_mutex_is_orphaned(const pawl_mutex *m)
{
    /* relaxed: our own store, if it is ours (I2). */
    uint64_t seen = pawl_load64_relaxed(&m->word_);

    return pawl_mutex_held_by_me(m, seen) && (seen & PAWL_M_DIED) != 0;
}

int pawl_mutex_owner(const pawl_mutex *m)
{
    /* relaxed: a snapshot promises nothing. */
    uint64_t seen = pawl_load64_relaxed(&m->word_);
    uint32_t holder = (uint32_t)holder_of(seen);

    struct pawl_participants *t;

    if (holder == 0 || holder >= PAWL_ID_SPECIAL)
        return 0;
    if (!pawl_mutex_is_shared(seen))
        return (int)pawl_thread_tid(holder);
    t = pawl_realm_of(m);
    return (int)(t != NULL ? pawl_participant_tid(t, holder) : holder);
}

/* -- In a wait set ---------------------------------------------------------- */

static int look_at(pawl_wait_item *item, bool first)
{
    int err = pawl_mutex_try_lock(item->object_);

    (void)first;
    return err == -EAGAIN && pawl_mutex_is_mine(item->object_) ? -EDEADLK : err;
}

/* Whether there is nothing to wait for: free, orphaned or lost. */
static bool is_decided(const struct contender *c, uint64_t word)
{
    return holder_of(word) == PAWL_M_LOST ||
           can_take(c, settled_for(c, word), &word);
}

/* One that only looks. */
static struct contender onlooker(pawl_mutex *m, uint64_t word)
{
    bool shared = pawl_mutex_is_shared(word);

    return (struct contender){.mutex = m,
                              .table = shared ? pawl_realm_of(m) : NULL,
                              .shared = shared};
}

static bool watch(const pawl_wait_item *item, struct pawl_watch *w)
{
    pawl_mutex *m = item->object_;
    /* relaxed: a hint; the CAS decides. */
    uint64_t seen = pawl_load64_relaxed(&m->word_);
    struct contender c = onlooker(m, seen);
    uint64_t as;

    do {
        if (is_decided(&c, seen))
            return false;
        as = settled_for(&c, seen) | PAWL_M_WAITERS | PAWL_M_WATCHED;
        /* relaxed: publishes nothing.  The kernel compares the high half under
         * its queue lock: it sees the release, or that sees WATCHED. */
    } while (as != seen && !pawl_cas64_relaxed(&m->word_, &seen, as));
    *w = (struct pawl_watch){pawl_high_half(&m->word_), (uint32_t)(as >> 32),
                             pawl_mutex_is_shared(as)};
    return true;
}

/* In a region: the holder, or who is about to be. */
static int watch_holder(const void *object, struct pawl_watch *w)
{
    const pawl_mutex *m = object;
    struct pawl_participants *t = pawl_realm_of(m);
    /* relaxed: a hint.  If it is another one by now the high half differs. */
    uint64_t seen = pawl_load64_relaxed(&m->word_);
    uint32_t holder = (uint32_t)holder_of(seen);

    if (t != NULL && holder == PAWL_M_RESERVED && (seen & PAWL_M_NAMED) != 0)
        holder = pawl_participant_in(t, slot_of_mark(seen));
    else if (t == NULL || holder >= PAWL_ID_SPECIAL)
        return 0;
    return pawl_participant_watch(t, holder, w) == 0 ? 1 : -EOWNERDEAD;
}

static bool need_not_wait(const void *object)
{
    pawl_mutex *m = (pawl_mutex *)(uintptr_t)object;
    /* relaxed: if it is another holder by now, the high half differs. */
    uint64_t seen = pawl_load64_relaxed(&m->word_);
    struct contender c = onlooker(m, seen);

    return is_decided(&c, seen);
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
                                             .watch_holder = watch_holder,
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
