/* SPDX-License-Identifier: MIT
 *
 * sem.c - the semaphore of pawl/sem.h.
 *
 *      63      62 60 59   54   53    52     51           32
 *   +---------+------+------+------+-------+----------------+
 *   | WATCHED |  0   | fork |  0   | MIXED | waiters        |
 *   +---------+------+------+------+-------+----------------+
 *       31     30                                         0
 *   +---------+--------------------------------------------+
 *   | CLAIMED |  value: free permits                       |
 *   +---------+--------------------------------------------+
 *
 *   waiters  threads that sleep, or are about to, on the low half
 *   MIXED    some of them wants more than one permit: a release cannot know
 *            whom it can satisfy, and wakes them all
 *   CLAIMED  a waiter that has slept for a millisecond; only it may take.  In
 *            the low half, for the end of a claim must stop those who are about
 *            to sleep on account of it, even if the value is the same
 *   WATCHED  wait sets (pawl/wait.h) sleep, or are about to, on the high half;
 *            all are woken when there is a permit to take
 *   fork     the fork count of the process that these three belong to: in a
 *            forked child those of the parent mean nothing
 *
 * I1  A permit is in the value, or taken: every change of the value is the CAS
 *     that gives or takes.
 * I2  Somebody sleeps who could take  =>  a wake for it is on its way.
 * I3  CLAIMED is set  =>  one thread is going to clear it, and wakes those that
 *     the claim held back.
 * I4  WATCHED is set only while no permit can be taken; the change after which
 *     one can clears it, and wakes all wait sets.  So one that finds the high
 *     half as it left it may sleep.
 *
 * In a region a thread may be killed anywhere, and its traces stay.  There whoever is
 * counted, or claims, notes that in its slot before, and takes the note back after; so
 * what is above the number of the living that have notes was left by the dead, and
 * who has slept in vain, or is about to be refused on account of a claim, takes it
 * out: see take_census.  That concerns I2 to I4 only.  If a count were too small in
 * the end, a sleeper would look again by itself a little later (pawl_futex_doze); of
 * the permits, I1, no note says anything.
 */
#include <pawl/error.h>
#include <pawl/sem.h>

#include "atomic/ops.h"
#include "base/tsan.h"
#include "futex/realm.h"
#include "futex/spin.h"
#include "futex/sys.h"
#include "futex/waitable.h"

#define VALUE UINT64_C(0x7fffffff)
#define WAITER (UINT64_C(1) << 32)
#define WAITERS (UINT64_C(0xfffff) << 32)
#define MIXED (UINT64_C(1) << 52)
#define CLAIMED (UINT64_C(1) << 31)
#define FORK_SHIFT 54
#define FORK ((uint64_t)PAWL_FORK_MASK << FORK_SHIFT)
#define WATCHED (UINT64_C(1) << 63)
#define TRACES (WAITERS | MIXED | CLAIMED | FORK)

#define MODE_BOUNDED 0x100u

/* The claimant sleeps on a channel of its own. */
#define CHANNEL_WAITING 1u
#define CHANNEL_CLAIM 2u

/* A waiter that has slept so long claims what comes in. */
#define STARVING_AFTER_NS 1000000

/* How often one looks at all notes to find them unchanged. */
#define LOOKS 8

static bool is_shared(const pawl_sem *s)
{
    return (s->mode_ & PAWL_SHARED) != 0;
}

static uint64_t bound(const pawl_sem *s)
{
    return (s->mode_ & MODE_BOUNDED) != 0 ? s->max_ : PAWL_SEM_MAX;
}

static uint64_t value_of(uint64_t word)
{
    return word & VALUE;
}

static uint64_t waiters_of(uint64_t word)
{
    return (word & WAITERS) / WAITER;
}

static uint64_t fork_bits(bool shared)
{
    return (uint64_t)pawl_fork_mark(shared) << FORK_SHIFT;
}

/* The word without the traces of threads that a fork left behind. */
static uint64_t settled(uint64_t word, bool shared)
{
    if ((word & TRACES) != 0 && (word & FORK) != fork_bits(shared))
        word &= ~TRACES;
    return word;
}

/* -- Waking ----------------------------------------------------------------- */

/* Whether a wait set may take a permit, or one that comes by. */
static bool is_open(uint64_t word)
{
    return value_of(word) > 0 && (word & CLAIMED) == 0;
}

/* Wake whom `permits` new permits may serve.  `word` is what they were added
 * to; *s may be gone. */
static void wake(const pawl_sem *s, uint64_t word, uint64_t permits, bool shared)
{
    pawl_u32 *half = pawl_low_half(&s->word_);

    if ((word & WATCHED) != 0 && (word & CLAIMED) == 0)
        pawl_watchers_wake(pawl_high_half(&s->word_), shared);
    if (waiters_of(word) == 0)
        return;
    if ((word & CLAIMED) != 0)
        pawl_futex_wake(half, 1, shared, CHANNEL_CLAIM);
    else if ((word & MIXED) != 0)
        pawl_futex_wake(half, PAWL_WAKE_ALL, shared, PAWL_CHANNEL_ANY);
    else
        pawl_futex_wake(half, (int)permits, shared, PAWL_CHANNEL_ANY);
}

/* The word as it becomes, if wait sets are woken after the change: I4. */
static uint64_t unwatched(uint64_t as)
{
    return is_open(as) ? as & ~WATCHED : as;
}

static PAWL_COLD int release_slow(pawl_sem *s, uint64_t n)
{
    /* relaxed: a hint; the CAS decides. */
    uint64_t seen = pawl_load64_relaxed(&s->word_);
    bool shared = is_shared(s); /* before the word: *s may be gone after */
    uint64_t most = bound(s);
    uint64_t word;
    uint64_t as;

    do {
        word = settled(seen, shared);
        if (value_of(word) + n > most)
            return -EOVERFLOW;
        as = unwatched(word + n);
        /* release: pairs with the acquire in take. */
    } while (!pawl_cas64_release(&s->word_, &seen, as));
    wake(s, word, n, shared);
    return 0;
}

/* n >= 1 */
static inline int release_permits(pawl_sem *s, uint64_t n)
{
    /* relaxed: a hint; the CAS decides. */
    uint64_t seen = pawl_load64_relaxed(&s->word_);

    pawl_tsan_release(s);
    /* release: pairs with the acquire in take; nobody waits. */
    if (pawl_likely(seen + n <= bound(s)) &&
        pawl_likely(pawl_cas64_release(&s->word_, &seen, seen + n)))
        return 0;
    return release_slow(s, n);
}

int pawl_sem_release_n(pawl_sem *s, int n)
{
    return n < 1 ? -EINVAL : release_permits(s, (uint64_t)n);
}

int pawl_sem_release(pawl_sem *s)
{
    return release_permits(s, 1);
}

/* -- Taking ----------------------------------------------------------------- */

/* What a thread on the slow path is and has. */
struct taker {
    pawl_sem *sem;
    struct pawl_participants *table; /* of the region; NULL: it is in none */
    pawl_u64 *note;                  /* ours there */
    uint32_t id;                     /* and by which others know us there */
    uint64_t permits;
    pawl_deadline since; /* when it first fell asleep */
    pawl_deadline look;  /* when it looks for the dead */
    bool shared;
    bool waiting; /* counted in the word */
    bool claims;  /* CLAIMED is ours */
};

/* The word without this thread's traces. */
static uint64_t departed(const struct taker *t, uint64_t word)
{
    if (t->claims)
        word &= ~CLAIMED;
    if (t->waiting && (word & WAITERS) != 0)
        word -= WAITER;
    if ((word & WAITERS) == 0)
        word &= ~TRACES;
    return word;
}

/* Others may take what our claim held back.  `as` is what we leave, but for the
 * mark of the wait sets. */
static void pass_on(const struct taker *t, uint64_t as)
{
    if (t->claims && value_of(as) > 0)
        wake(t->sem, as, value_of(as), t->shared);
}

/* -- In a region: notes, and what the dead have left -------------------------- */

/* A note about a semaphore:
 *
 *    63           27 26         1     0
 *   +---------------+------------+--------+
 *   | which, 0:     |    turn    | CLAIMS |
 *   | none          |            |        |
 *   +---------------+------------+--------+
 *
 * The turn is another one each time, so that two looks tell whether there was a
 * change. */
#define NOTE_SHIFT 27
#define NOTE_TURN UINT64_C(2)
#define NOTE_TURNS ((UINT64_C(1) << NOTE_SHIFT) - NOTE_TURN)
#define NOTE_CLAIMS UINT64_C(1)

static uint64_t note_of(const struct pawl_participants *t, const pawl_sem *s)
{
    return ((uint64_t)((uintptr_t)s - (uintptr_t)t) >> 3) << NOTE_SHIFT;
}

static void take_note(pawl_u64 *note, uint64_t what)
{
    uint64_t turn;

    if (note == NULL)
        return;
    turn = pawl_load64_relaxed(note) + NOTE_TURN; /* relaxed: our own */
    /* release: pairs with count_living.  When it is taken back, after the CAS that
     * has taken our traces out; before one that leaves them, that releases it. */
    pawl_store64_release(note, what | (turn & NOTE_TURNS));
}

static void note_wait(const struct taker *t, bool claims)
{
    if (t->note != NULL)
        take_note(t->note,
                  note_of(t->table, t->sem) | (claims ? NOTE_CLAIMS : 0));
}

/* Who has notes about a semaphore, and lives. */
struct census {
    uint64_t waiters;
    uint64_t sum; /* of all notes, of other semaphores and of none too: another one
                     if any has changed, so also if one was there in between */
    bool claimed;
};

static struct census count_living(const struct pawl_participants *t,
                                  const pawl_sem *s)
{
    struct census n = {0};

    for (uint32_t i = 0; i < t->slots; i++) {
        const pawl_u64 *at = &t->slot[i].note[PAWL_NOTE_PERMITS];
        uint64_t note = pawl_load64_acquire(at); /* acquire: with take_note */

        n.sum = (n.sum ^ note) * UINT64_C(0x100000001b3);
        if (note >> NOTE_SHIFT != note_of(t, s) >> NOTE_SHIFT ||
            pawl_participant_in(t, i) == 0)
            continue;
        n.waiters++;
        n.claimed = n.claimed || (note & NOTE_CLAIMS) != 0;
    }
    return n;
}

static uint64_t without_dead(uint64_t word, const struct census *n)
{
    if (waiters_of(word) > n->waiters)
        word = (word & ~WAITERS) | n->waiters * WAITER;
    if (!n->claimed)
        word &= ~CLAIMED;
    if ((word & WAITERS) == 0)
        word &= ~TRACES;
    return word;
}

/* Take out what the dead have left, alone.  Two looks find the same notes, also those
 * of none and of other semaphores: so these were all there were between them, when the
 * word was loaded, and whoever was counted in it is among them. */
static void correct(const struct pawl_participants *t, pawl_sem *s)
{
    for (int i = 0; i < LOOKS; i++) {
        struct census first = count_living(t, s);
        /* acquire: pairs with the CAS of those who are counted, for their notes. */
        uint64_t seen = pawl_load64_acquire(&s->word_);
        struct census n = count_living(t, s);
        uint64_t as = without_dead(seen, &n);

        if (n.sum != first.sum || n.waiters != first.waiters)
            continue;
        if (as == seen)
            return;
        /* relaxed: publishes nothing, and goes on with what releases have. */
        if (!pawl_cas64_relaxed(&s->word_, &seen, unwatched(as)))
            continue;
        if ((seen & CLAIMED) != (as & CLAIMED) && value_of(as) > 0)
            wake(s, as, value_of(as), true); /* I3, for the dead */
        return;
    }
}

/* Correct the count, unless another is at it.  Who has no slot, by which others would
 * see it die, does not keep them out; it may take out one that lives. */
static PAWL_COLD void take_census(const struct taker *t)
{
    bool alone = t->note != NULL;

    if (alone && !pawl_census_begin(t->table, t->id, t->sem))
        return;
    correct(t->table, t->sem);
    if (alone)
        pawl_census_end(t->table, t->sem);
}

/* Find out where we are, and take a slot there: who gets none waits unnoted, and
 * may not be counted. */
static void introduce(struct taker *t)
{
    if (t->shared && pawl_realm_join(t->sem, &t->table, &t->id) == 0 &&
        t->table != NULL)
        t->note =
            &t->table->slot[t->id & PAWL_SLOT_MASK].note[PAWL_NOTE_PERMITS];
    if (t->table != NULL)
        t->look = pawl_after_ms(PAWL_DOZE_MS);
}

/* After a sleep. */
static void look_for_dead(struct taker *t)
{
    if (t->table == NULL || pawl_now() < t->look)
        return;
    take_census(t);
    t->look = pawl_after_ms(PAWL_DOZE_MS);
}

/* The threads that `word` counts, but for those that a fork or a death left there. */
static uint64_t waiters_here(const pawl_sem *s, uint64_t word)
{
    bool shared = is_shared(s);
    uint64_t n = waiters_of(settled(word, shared));
    struct pawl_participants *t = shared && n > 0 ? pawl_realm_of(s) : NULL;
    uint64_t living = t != NULL ? count_living(t, s).waiters : n;

    return living < n ? living : n;
}

/* -- Taking, slowly ----------------------------------------------------------- */

/* Take the permits if they are free; *seen is fresh if not. */
static bool take(struct taker *t, uint64_t *seen)
{
    for (;;) {
        uint64_t word = settled(*seen, t->shared);
        uint64_t as;

        if (value_of(word) < t->permits ||
            ((word & CLAIMED) != 0 && !t->claims))
            return false;
        as = departed(t, word) - t->permits;
        /* acquire: pairs with the release in release_permits. */
        if (pawl_cas64_acquire(&t->sem->word_, seen, unwatched(as))) {
            if (t->waiting)
                take_note(t->note, 0);
            pass_on(t, as);
            return true;
        }
    }
}

/* Refused on account of a claim: of one that lives? */
static bool is_held_back(const struct taker *t, uint64_t seen)
{
    return t->table != NULL && (seen & CLAIMED) != 0 && !t->claims &&
           value_of(seen) >= t->permits;
}

static bool spin(struct taker *t, uint64_t *seen)
{
    struct pawl_spin spin;
    bool taken;

    /* Behind sleepers there is little hope; they are served first. */
    if (waiters_of(settled(*seen, t->shared)) > 0 ||
        !pawl_spin_begins(&spin, PAWL_SPIN_SEM))
        return false;
    while (!(taken = take(t, seen)) && pawl_spin_again(&spin))
        /* relaxed: a hint; the CAS in take decides. */
        *seen = pawl_load64_relaxed(&t->sem->word_);
    pawl_spin_ends(&spin, taken);
    return taken;
}

/* Sleep until the value changes.  -EAGAIN: look again. */
static int sleep_on(struct taker *t, uint64_t seen, bool lost,
                    pawl_deadline until)
{
    uint64_t as = settled(seen, t->shared);
    bool claim = t->claims;

    if (!t->waiting)
        as += WAITER;
    if (t->permits > 1)
        as |= MIXED;
    if (lost && (as & CLAIMED) == 0 &&
        pawl_now() - t->since >= STARVING_AFTER_NS) {
        as |= CLAIMED;
        claim = true;
    }
    as = (as & ~FORK) | fork_bits(t->shared);
    if (!t->waiting || claim != t->claims)
        note_wait(t, claim);
    /* release: pairs with take_census, for the note.  The kernel compares the value
     * under its queue lock: it sees the release, or the release sees the waiter. */
    if (as != seen && !pawl_cas64_release(&t->sem->word_, &seen, as)) {
        if (!t->waiting)
            take_note(t->note, 0);
        else if (claim != t->claims)
            note_wait(t, t->claims);
        return -EAGAIN;
    }
    t->waiting = true;
    t->claims = claim;
    if (t->since == 0)
        t->since = pawl_now();
    return pawl_futex_doze(pawl_low_half(&t->sem->word_), (uint32_t)as, until,
                           t->shared,
                           claim ? CHANNEL_CLAIM : CHANNEL_WAITING);
}

/* The deadline has passed: take the permits if they are there, else leave. */
static int give_up(struct taker *t, uint64_t seen)
{
    bool looked = false;

    for (;;) {
        uint64_t as;

        if (take(t, &seen))
            return 0;
        if (!looked && is_held_back(t, seen)) {
            looked = true;
            take_census(t);
            /* relaxed: a hint, as above. */
            seen = pawl_load64_relaxed(&t->sem->word_);
            continue;
        }
        as = departed(t, settled(seen, t->shared));
        /* relaxed: publishes nothing. */
        if (!t->waiting ||
            pawl_cas64_relaxed(&t->sem->word_, &seen, unwatched(as))) {
            if (t->waiting)
                take_note(t->note, 0);
            pass_on(t, as);
            return -ETIMEDOUT;
        }
    }
}

static PAWL_COLD int acquire_slow(pawl_sem *s, uint64_t n, pawl_deadline until)
{
    struct taker t = {.sem = s, .permits = n, .shared = is_shared(s)};
    /* relaxed: a hint; a CAS decides. */
    uint64_t seen = pawl_load64_relaxed(&s->word_);
    bool lost = false; /* woken, and too late */
    int err = until <= 0 ? -ETIMEDOUT : 0;

    pawl_self_local(); /* so that a fork is noticed */
    introduce(&t);
    while (err != -ETIMEDOUT) {
        if (take(&t, &seen) || (!t.waiting && spin(&t, &seen))) {
            pawl_tsan_acquire(s);
            return 0;
        }
        err = sleep_on(&t, seen, lost, until);
        lost = lost || err == 0;
        look_for_dead(&t);
        /* relaxed: a hint, as above. */
        seen = pawl_load64_relaxed(&s->word_);
    }
    err = give_up(&t, seen);
    if (err == 0)
        pawl_tsan_acquire(s);
    return err;
}

/* n >= 1 */
static inline int acquire_permits(pawl_sem *s, uint64_t n, pawl_deadline until)
{
    /* relaxed: a hint; the CAS decides. */
    uint64_t seen = pawl_load64_relaxed(&s->word_);

    /* acquire: pairs with the release in release_permits; nobody waits. */
    if (pawl_likely((seen & ~VALUE) == 0 && seen >= n) &&
        pawl_likely(pawl_cas64_acquire(&s->word_, &seen, seen - n))) {
        pawl_tsan_acquire(s);
        return 0;
    }
    return acquire_slow(s, n, until);
}

int pawl_sem_acquire_n_until(pawl_sem *s, int n, pawl_deadline until)
{
    if (n < 1 || (n > 1 && (uint64_t)n > bound(s)))
        return -EINVAL;
    return acquire_permits(s, (uint64_t)n, until);
}

int pawl_sem_acquire_n(pawl_sem *s, int n)
{
    return pawl_sem_acquire_n_until(s, n, PAWL_FOREVER);
}

int pawl_sem_try_acquire_n(pawl_sem *s, int n)
{
    int err = pawl_sem_acquire_n_until(s, n, 0);

    return err == -ETIMEDOUT ? -EAGAIN : err;
}

int pawl_sem_acquire_until(pawl_sem *s, pawl_deadline until)
{
    return acquire_permits(s, 1, until);
}

int pawl_sem_acquire(pawl_sem *s)
{
    return acquire_permits(s, 1, PAWL_FOREVER);
}

int pawl_sem_try_acquire(pawl_sem *s)
{
    int err = acquire_permits(s, 1, 0);

    return err == -ETIMEDOUT ? -EAGAIN : err;
}

/* -- The rest ----------------------------------------------------------------- */

static int init(pawl_sem *s, int value, int max, uint32_t mode, unsigned flags)
{
    if (max < 0 || value < 0 || value > max ||
        (flags & ~(unsigned)PAWL_SHARED) != 0)
        return -EINVAL;
    s->max_ = (uint32_t)max;
    s->mode_ = mode | flags;
    pawl_store64_relaxed(&s->word_, (uint64_t)value); /* relaxed: not used yet */
    return 0;
}

int pawl_sem_init(pawl_sem *s, int value, unsigned flags)
{
    return init(s, value, PAWL_SEM_MAX, 0, flags);
}

int pawl_sem_init_bounded(pawl_sem *s, int value, int max, unsigned flags)
{
    return init(s, value, max, MODE_BOUNDED, flags);
}

int pawl_sem_destroy(pawl_sem *s)
{
    /* relaxed: the caller knows that nobody comes any more. */
    uint64_t seen = pawl_load64_relaxed(&s->word_);

    return waiters_here(s, seen) > 0 ? -EBUSY : 0;
}

int pawl_sem_value(const pawl_sem *s)
{
    return (int)value_of(pawl_load64_relaxed(&s->word_)); /* relaxed: snapshot */
}

int pawl_sem_waiters(const pawl_sem *s)
{
    /* relaxed: a snapshot. */
    return (int)waiters_here(s, pawl_load64_relaxed(&s->word_));
}

/* -- In a wait set ---------------------------------------------------------- */

static int look(pawl_wait_item *item, bool first)
{
    pawl_sem *s = item->object_;

    (void)first;
    /* relaxed: a hint, so that an empty one costs one load. */
    if (value_of(pawl_load64_relaxed(&s->word_)) == 0)
        return -EAGAIN;
    return pawl_sem_try_acquire(s);
}

static bool watch(const pawl_wait_item *item, struct pawl_watch *w)
{
    pawl_sem *s = item->object_;
    bool shared = is_shared(s);
    /* relaxed: a hint; the CAS decides. */
    uint64_t seen = pawl_load64_relaxed(&s->word_);
    uint64_t as;

    pawl_self_local(); /* so that a fork is noticed */
    do {
        as = settled(seen, shared);
        if (is_open(as))
            return false;
        as |= WATCHED;
        /* relaxed: publishes nothing.  The kernel compares the high half under
         * its queue lock: it sees what I4 changes, or that sees WATCHED. */
    } while (as != seen && !pawl_cas64_relaxed(&s->word_, &seen, as));
    *w = (struct pawl_watch){pawl_high_half(&s->word_), (uint32_t)(as >> 32),
                             shared};
    return true;
}

static int acquire_until(void *s, pawl_deadline until)
{
    return pawl_sem_acquire_until(s, until);
}

static void put_back(void *s)
{
    pawl_sem_release(s);
}

pawl_wait_item pawl_sem_wait_item(pawl_sem *s)
{
    static const struct pawl_waitable how = {.look = look,
                                             .watch = watch,
                                             .acquire_until = acquire_until,
                                             .put_back = put_back};

    return pawl_waitable_item(s, &how);
}

pawl_sem_guard pawl_sem_guard_make(pawl_sem *s, pawl_deadline until)
{
    pawl_sem_guard g = {s, pawl_sem_acquire_until(s, until)};

    if (g.err < 0)
        g.sem = NULL;
    return g;
}

void pawl_sem_guard_end(pawl_sem_guard *g)
{
    if (g->sem != NULL)
        pawl_sem_release(g->sem);
    g->sem = NULL;
}
