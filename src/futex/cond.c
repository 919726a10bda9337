/* SPDX-License-Identifier: MIT
 *
 * cond.c - the condition of pawl/cond.h.
 *
 * Waiters draw tickets; a notify moves the `served` mark past the tickets of
 * those it chooses.  Everything is written under the mutex, but for the ASLEEP
 * mark, so what a waiter finds once it has the mutex again is final: it was
 * chosen, or it was not.
 *
 *   word_    31                                              1       0
 *           +-------------------------------------------------+--------+
 *           |  served: tickets below it have been called      | ASLEEP |
 *           +-------------------------------------------------+--------+
 *   next_    the next ticket; tickets are even, so that they compare with
 *            served in place, and wrap around together
 *   count_   31 ... 16: called, those who may return 0 and have not yet;
 *            15 ... 0:  present, all who wait, called or not
 *   mode_    31 ... 16: distance to the mutex, and a bit that says it is set;
 *            15 ... 8: gaps;  7 ... 2: fork count;  1: unlined;  0: SHARED
 *
 * A waiter that times out leaves a gap in the line of tickets.  In the first or
 * the last place the line just gets shorter.  In the middle, those behind move
 * up: their tickets lie in their threads' records (self.h), where the leaver
 * finds them.  That keeps the order exact.  Between processes, and for threads
 * without a record, tickets cannot be reached; there gaps are counted, and a
 * notify calls that many waiters more than it has permits for: who finds no
 * permit goes back to the end of the line.
 *
 * I1  present - called = waiters that a notify may still choose.
 * I2  At least `called` present waiters have tickets below served.
 * I3  A ticket drawn after a notify is not below the served of that notify.
 * I4  Somebody not called sleeps on the word  =>  ASLEEP is set.
 * I5  Gaps in [served, next) are at most `gaps`, and 255 means any number.
 * I6  A waiter that leaves the kernel without having been called passes on the
 *     wake that it may have taken from one that has.
 *
 * Waiters sleep on word_ and are woken by the release of the mutex, or moved to
 * its queue (wait morphing); see pawl_cond_wake_deferred.
 *
 * In a region a thread may be killed anywhere, in the middle of a change under the
 * mutex too.  There each waiter has a note of its condition and ticket, from before
 * it is counted until after it is not.  So under the mutex anybody can count those
 * who live, and those of them who are called; if more permits are out than that, or
 * more waiters present, then whoever finds it corrects the counts and calls all, so
 * that the permits of the dead go to others: see heal.  Who sleeps looks now and
 * then whether that is so.  Nobody is moved to the queue of the mutex, where it
 * would watch no lifeline.
 */
#include <pawl/cond.h>
#include <pawl/rmutex.h>

#include "base/tsan.h"
#include "futex/cond_core.h"
#include "futex/mutex_core.h"
#include "futex/realm.h"
#include "futex/spin.h"

/* Threads that one release wakes at most, on any number of CPUs. */
#define AWAKE_MAX 4

#define ASLEEP 1u
#define STEP 2u /* from one ticket to the next */

#define MODE_UNLINED 2u /* a waiter without a record is, or was, present */
#define MODE_FORK_SHIFT 2
#define MODE_FORK (PAWL_FORK_MASK << MODE_FORK_SHIFT)
#define MODE_GAPS_SHIFT 8
#define MODE_GAPS (0xffu << MODE_GAPS_SHIFT)
#define MODE_BOUND (1u << 16)
#define MODE_TIE_SHIFT 16

/* What the calls share: the condition's numbers, unpacked under the mutex. */
struct line {
    uint32_t served;
    uint32_t next;
    uint32_t called;
    uint32_t present;
    uint32_t gaps;
    uint32_t mode; /* all but gaps */
};

static struct line read_line(const pawl_cond *c)
{
    /* relaxed: all but ASLEEP is written under the mutex, which we hold. */
    uint32_t count = pawl_load_relaxed(&c->count_);
    uint32_t mode = pawl_load_relaxed(&c->mode_);

    return (struct line){
        .served = pawl_load_relaxed(&c->word_) & ~ASLEEP, /* relaxed: above */
        .next = pawl_load_relaxed(&c->next_),
        .called = count >> 16,
        .present = count & 0xffff,
        .gaps = (mode & MODE_GAPS) >> MODE_GAPS_SHIFT,
        .mode = mode & ~MODE_GAPS,
    };
}

/* Write back all but `served`, which is call_up_to's. */
static void write_line(pawl_cond *c, const struct line *l)
{
    /* relaxed: under the mutex. */
    pawl_store_relaxed(&c->next_, l->next);
    pawl_store_relaxed(&c->count_, l->called << 16 | l->present);
    pawl_store_relaxed(&c->mode_, l->mode | l->gaps << MODE_GAPS_SHIFT);
}

static bool is_below(uint32_t ticket, uint32_t served)
{
    return (int32_t)(ticket - served) < 0;
}

/* Advance the mark; ASLEEP stays if `others` may sleep that are not called.
 * Returns the word as it was. */
static uint32_t call_up_to(pawl_cond *c, uint32_t served, bool others)
{
    /* relaxed: a hint; the CAS decides. */
    uint32_t seen = pawl_load_relaxed(&c->word_);

    /* release: pairs with load_acquire in wait_called: a spinner that sees its
     * ticket called then reads its renumbered ticket right. */
    while (!pawl_cas_release(&c->word_, &seen,
                             served | (others ? seen & ASLEEP : 0)))
        ;
    return seen;
}

/* -- Is this the right mutex, and is it ours? ------------------------------ */

/* What is kept of the way from the condition to its mutex. */
static uint32_t tie_of(const pawl_cond *c, const pawl_mutex *m)
{
    uint32_t words = (uint32_t)(((uintptr_t)m - (uintptr_t)c) / 4);

    return words << (MODE_TIE_SHIFT + 1) | MODE_BOUND;
}

static uint32_t fork_bits(uint32_t mode)
{
    return pawl_fork_mark((mode & PAWL_SHARED) != 0) << MODE_FORK_SHIFT;
}

static bool is_of_this_process(uint32_t mode)
{
    return pawl_likely((mode & MODE_FORK) == fork_bits(mode));
}

/* In a forked child the parent's waiters are not there: forget them. */
static void forget_vanished(pawl_cond *c)
{
    /* relaxed: under the mutex. */
    uint32_t mode = pawl_load_relaxed(&c->mode_);
    uint32_t fork = fork_bits(mode);

    if (is_of_this_process(mode))
        return;
    mode &= ~(MODE_FORK | MODE_GAPS | MODE_UNLINED);
    /* relaxed: under the mutex. */
    pawl_store_relaxed(&c->mode_, mode | fork);
    pawl_store_relaxed(&c->count_, 0);
    pawl_store_relaxed(&c->next_, 0);
    pawl_store_relaxed(&c->word_, 0); /* relaxed: nobody waits here */
}

static int check(pawl_cond *c, pawl_mutex *m)
{
    /* relaxed: our own store, if it is ours. */
    uint64_t word = pawl_load64_relaxed(&m->word_);
    uint32_t mode;

    if ((word & PAWL_M_OWNERLESS) != 0)
        return -EINVAL;
    if (!pawl_mutex_held_by_me(m, word))
        return -EPERM;
    /* relaxed: under the mutex, if it is the right one. */
    mode = pawl_load_relaxed(&c->mode_);
    if (((mode & PAWL_SHARED) != 0) != pawl_mutex_is_shared(word))
        return -EINVAL;
    if ((mode & MODE_BOUND) == 0)
        pawl_store_relaxed(&c->mode_, mode | tie_of(c, m)); /* relaxed: above */
    else if ((mode >> MODE_TIE_SHIFT) != (tie_of(c, m) >> MODE_TIE_SHIFT))
        return -EINVAL;
    forget_vanished(c);
    return 0;
}

/* -- In a region -------------------------------------------------------------- */

/* Its participants; NULL: it is in none. */
static struct pawl_participants *table_of(const pawl_cond *c)
{
    /* relaxed: the flag is constant. */
    return (pawl_load_relaxed(&c->mode_) & PAWL_SHARED) != 0 ? pawl_realm_of(c)
                                                             : NULL;
}

/* The note of a waiter: the condition, and in the next word the ticket. */
static uint64_t note_of(const struct pawl_participants *t, const pawl_cond *c)
{
    return (uintptr_t)c - (uintptr_t)t;
}

/* Those who wait and live. */
struct living {
    uint32_t present;
    uint32_t called;
};

static struct living count_living(const struct pawl_participants *t,
                                  const pawl_cond *c)
{
    struct living n = {0};
    /* relaxed: under the mutex, or a hint. */
    uint32_t served = pawl_load_relaxed(&c->word_) & ~ASLEEP;

    for (uint32_t i = 0; i < t->slots; i++) {
        const pawl_u64 *note = &t->slot[i].note[PAWL_NOTE_WAIT];

        uint32_t ticket;

        /* relaxed: as above. */
        if (pawl_load64_relaxed(note) != note_of(t, c) ||
            pawl_participant_in(t, i) == 0)
            continue;
        ticket =
            (uint32_t)pawl_load64_relaxed(note + 1); /* relaxed: as above */
        n.present++;
        n.called += is_below(ticket, served);
    }
    return n;
}

/* Whether the dead are counted, or have permits. */
static bool is_ill(const struct line *l, const struct living *n)
{
    return l->present > n->present || l->called > n->called;
}

/* Under the mutex. */
static void heal(struct pawl_participants *t, pawl_cond *c, struct line *l)
{
    struct living n = count_living(t, c);

    if (!is_ill(l, &n))
        return;
    l->present = n.present;
    if (l->called > n.present)
        l->called = n.present;
    l->gaps = 255;
    if (l->called > n.called) {
        l->served = l->next;
        call_up_to(c, l->served, false);
        pawl_futex_wake(&c->word_, PAWL_WAKE_ALL, true, PAWL_CHANNEL_ANY);
    }
    write_line(c, l);
}

/* Without the mutex: whether it is worth while to take it, and look. */
static bool seems_ill(const struct pawl_participants *t, const pawl_cond *c)
{
    struct line l = read_line(c);
    struct living n = count_living(t, c);

    return is_ill(&l, &n);
}

/* -- The mutex, with all its levels ---------------------------------------- */

static pawl_rmutex *as_recursive(pawl_mutex *m)
{
    /* relaxed: set by the holder, which we are. */
    if ((pawl_load64_relaxed(&m->word_) & PAWL_M_RECURSIVE) == 0)
        return NULL;
    return pawl_container_of(m, pawl_rmutex, base);
}

static uint32_t let_go(pawl_mutex *m)
{
    pawl_rmutex *r = as_recursive(m);
    uint32_t depth = 0;
    bool annotate = pawl_tsan_on();

    if (r != NULL) {
        depth = r->depth_;
        pawl_store_relaxed(&r->holder_, 0); /* relaxed: as in rmutex.c */
    }
    if (annotate)
        pawl_tsan_unlocking(m, 0);
    pawl_mutex_release(m);
    if (annotate)
        pawl_tsan_unlocked(m, 0);
    return depth;
}

static int take_back(pawl_mutex *m, uint32_t depth, bool slept)
{
    bool annotate = pawl_tsan_on();
    int err;

    if (annotate)
        pawl_tsan_locking(m, 0);
    err = pawl_mutex_reacquire(m, slept);
    if (annotate)
        pawl_tsan_locked(m, 0, err == 0 || err == -EOWNERDEAD);
    if (depth > 0 && (err == 0 || err == -EOWNERDEAD)) {
        pawl_rmutex *r = pawl_container_of(m, pawl_rmutex, base);

        /* relaxed: as in rmutex.c; our own store, since we hold it. */
        pawl_store_relaxed(&r->holder_,
                           pawl_load_low_relaxed(&m->word_) & PAWL_ID_MASK);
        r->depth_ = depth;
    }
    return err;
}

/* -- Waiting ---------------------------------------------------------------- */

struct waiter {
    pawl_cond *cond;
    pawl_mutex *mutex;
    struct pawl_participants *table; /* of the region, if any */
    pawl_u64 *note;                  /* ours, there */
    uint32_t ticket; /* if not lined; otherwise in the thread's record */
    bool lined;
    bool shared;
    bool alone; /* nobody else waited: may spin */
    bool slept; /* has been in the kernel */
};

static uint32_t ticket_of(const struct waiter *w)
{
    return w->lined ? pawl_line_ticket() : w->ticket;
}

static void draw_ticket(struct waiter *w, struct line *l)
{
    w->ticket = l->next;
    l->next += STEP;
    w->lined = !w->shared && pawl_line_enter(w->cond, w->ticket);
    if (!w->lined)
        l->mode |= MODE_UNLINED;
    if (w->note != NULL) {
        /* relaxed: under the mutex.  The ticket first: who is killed in between
         * does not wait, or is found with the one that it had. */
        pawl_store64_relaxed(w->note + 1, w->ticket);
        pawl_store64_release(w->note,
                             note_of(w->table, w->cond)); /* release: so */
    }
}

/* No longer counted. */
static void take_note_back(const struct waiter *w)
{
    if (w->note != NULL)
        pawl_store64_release(w->note, 0); /* release: after that */
}

/* Whether our ticket has been called: a hint without the mutex. */
static bool is_called(const struct waiter *w, uint32_t *seen)
{
    /* acquire: pairs with the release in call_up_to. */
    *seen = pawl_load_acquire(&w->cond->word_);
    return is_below(ticket_of(w), *seen & ~ASLEEP);
}

/* Sleep on the condition in a region: until the word changes, or something is wrong
 * with it. */
static int sleep_in_region(const struct waiter *w, uint32_t word,
                           pawl_deadline until)
{
    struct pawl_watch watch = {&w->cond->word_, word, true};
    int r;

    pawl_participant_lies_down(pawl_low_half(&w->mutex->word_));
    do
        r = pawl_participant_sleep(&watch, 1, until);
    while (r == -EINTR && !seems_ill(w->table, w->cond));
    pawl_participant_gets_up();
    return r;
}

static bool spin(struct waiter *w)
{
    struct pawl_spin spin;
    uint32_t seen;
    bool called;

    if (!w->alone || !pawl_spin_begins(&spin, PAWL_SPIN_COND))
        return false;
    while (!(called = is_called(w, &seen)) && pawl_spin_again(&spin))
        ;
    pawl_spin_ends(&spin, called);
    w->alone = false;
    return called;
}

/* Wait, without the mutex, until called, woken or late.  Returns -ETIMEDOUT if
 * the deadline has passed. */
static int wait_called(struct waiter *w, pawl_deadline until)
{
    if (until <= 0)
        return -ETIMEDOUT;
    if (spin(w))
        return 0;
    for (;;) {
        uint32_t seen;
        int r;

        if (is_called(w, &seen))
            return 0;
        /* relaxed: publishes nothing.  The kernel compares the word under its
         * queue lock: it sees the call, or the caller sees ASLEEP (I4). */
        if ((seen & ASLEEP) == 0 &&
            !pawl_cas_relaxed(&w->cond->word_, &seen, seen | ASLEEP))
            continue; /* the word has moved: look again */
        /* We may be moved to the mutex, whose holder may die then. */
        if (!w->shared)
            pawl_wait_begins(w->mutex, pawl_mutex_bury);
        r = w->table != NULL
                ? sleep_in_region(w, seen | ASLEEP, until)
                : pawl_futex_wait(&w->cond->word_, seen | ASLEEP, until,
                                  w->shared, PAWL_M_CHANNEL_WAITING);
        if (!w->shared)
            pawl_wait_ends();
        if (r != -EAGAIN) {
            /* Woken, perhaps in place of another, or late, or interrupted
             * after having been moved: only the mutex can tell. */
            w->slept = true;
            return r;
        }
    }
}

/* Under the mutex: our ticket is not called, and we stop waiting. */
static void leave_line(struct waiter *w, struct line *l)
{
    uint32_t ticket = ticket_of(w);

    l->present--;
    if (is_below(ticket, l->served))
        return; /* called in vain for want of a permit: leaves no gap */
    if (ticket == l->served) {
        call_up_to(w->cond, l->served + STEP, true);
    } else if (ticket == l->next - STEP) {
        l->next -= STEP;
    } else if ((l->mode & MODE_UNLINED) == 0) {
        pawl_line_close_gap(w->cond, ticket, STEP);
        l->next -= STEP;
    } else if (l->gaps < 255) {
        l->gaps++;
    }
    if (l->present == 0) {
        /* Nobody is left: no ticket is out, so the line may start afresh. */
        call_up_to(w->cond, l->next, false);
        l->gaps = 0;
        l->mode &= ~MODE_UNLINED;
    }
}

/* Under the mutex again.  Returns 0 if this wait is over as notified,
 * -ETIMEDOUT if it is over without, -EAGAIN if it goes on. */
static int decide(struct waiter *w, bool late)
{
    struct line l = read_line(w->cond);
    bool called;
    int result = -EAGAIN;

    if (w->table != NULL)
        heal(w->table, w->cond, &l);
    called = is_below(ticket_of(w), l.served);
    if (called && l.called > 0) {
        l.called--;
        l.present--;
        if (l.present == 0)
            l.mode &= ~MODE_UNLINED;
        result = 0;
    } else if (late) {
        leave_line(w, &l);
        result = -ETIMEDOUT;
    } else if (called) {
        draw_ticket(w, &l); /* called in vain: to the end of the line */
    }
    if (result != -EAGAIN)
        pawl_line_leave();
    write_line(w->cond, &l);
    if (result != -EAGAIN)
        take_note_back(w);
    if (result != 0 && w->slept && l.called > 0)
        pawl_futex_wake(&w->cond->word_, 1, w->shared,
                        PAWL_CHANNEL_ANY); /* I6 */
    return result;
}

int pawl_cond_wait_until(pawl_cond *c, pawl_mutex *m, pawl_deadline until)
{
    int err = check(c, m);
    struct line l;
    struct waiter w;

    if (err < 0)
        return err;
    l = read_line(c);
    if (l.present == PAWL_COND_WAITERS_MAX)
        return -EOVERFLOW;
    w = (struct waiter){.cond = c,
                        .mutex = m,
                        .table = table_of(c),
                        .shared = (l.mode & PAWL_SHARED) != 0,
                        .alone = l.present == l.called};
    if (w.table != NULL)
        /* We hold the mutex, so we have a slot. */
        w.note = &w.table->slot[pawl_realm_me(c) & PAWL_SLOT_MASK]
                      .note[PAWL_NOTE_WAIT];
    l.present++;
    draw_ticket(&w, &l);
    write_line(c, &l);
    for (;;) {
        uint32_t depth = let_go(m);
        bool late = wait_called(&w, until) == -ETIMEDOUT;
        int result;

        err = take_back(m, depth, w.slept);
        if (err == -ENOTRECOVERABLE) {
            pawl_line_leave(); /* nobody will ever read the line again */
            take_note_back(&w);
            if (w.slept) /* I6 */
                pawl_futex_wake(&c->word_, PAWL_WAKE_ALL, w.shared,
                                PAWL_CHANNEL_ANY);
            return err;
        }
        result = decide(&w, late || err == -EOWNERDEAD);
        if (result != -EAGAIN)
            return err < 0 ? err : result;
    }
}

int pawl_cond_wait(pawl_cond *c, pawl_mutex *m)
{
    return pawl_cond_wait_until(c, m, PAWL_FOREVER);
}

int pawl_cond_try_wait(pawl_cond *c, pawl_mutex *m)
{
    int err = pawl_cond_wait_until(c, m, 0);

    return err == -ETIMEDOUT ? -EAGAIN : err;
}

/* Whether a stop is asked for is no matter of the predicate's. */
static int ask(pawl_predicate_fn pred, void *arg)
{
    uint32_t calm = pawl_uninterruptible_begin();
    int value = pred(arg);

    pawl_uninterruptible_end(calm);
    return value;
}

int pawl_cond_wait_for(pawl_cond *c, pawl_mutex *m, pawl_predicate_fn pred,
                       void *arg, pawl_deadline until)
{
    int err = check(c, m);

    while (err == 0) {
        int value = ask(pred, arg);

        if (value != 0)
            return value > 0 ? 0 : value;
        err = pawl_cond_wait_until(c, m, until);
    }
    if (err == -ETIMEDOUT) {
        int value = ask(pred, arg);

        if (value != 0)
            return value > 0 ? 0 : value;
    }
    return err;
}

/* -- Notifying --------------------------------------------------------------- */

bool pawl_cond_wake_deferred(const struct pawl_deferred_wake *d, bool shared)
{
    /* As many as can run, and one to follow: the others would only queue up for
     * the mutex, so they are moved to it.  With fewer awake a CPU idles between
     * any two (bench_cond, broadcast: 33 us with one, 21 with three). */
    int awake = (int)pawl_spin_cpus() + 1;

    if (awake > AWAKE_MAX)
        awake = AWAKE_MAX;
    if (d->count <= awake || (shared && pawl_realm_of(d->mutex) != NULL))
        return pawl_futex_wake(&d->cond->word_, d->count, shared,
                               PAWL_CHANNEL_ANY) > 0;
    return pawl_futex_requeue(&d->cond->word_, d->expected, awake,
                              pawl_low_half(&d->mutex->word_), d->count - awake,
                              shared);
}

void pawl_cond_flush_deferred(void)
{
    struct pawl_deferred_wake *d = &pawl_self_.deferred;

    if (d->mutex != NULL)
        /* relaxed: the mutex is ours, and its mode constant. */
        pawl_cond_wake_deferred(
            d, pawl_mutex_is_shared(pawl_load64_relaxed(&d->mutex->word_)));
    d->mutex = NULL;
}

/* Leave the wake to the release of *m, which is ours. */
static void defer_wake(pawl_cond *c, pawl_mutex *m, uint32_t count)
{
    struct pawl_deferred_wake *d = &pawl_self_.deferred;

    if (d->mutex == m && d->cond == c) {
        count += (uint32_t)d->count;
    } else if (d->mutex != NULL) {
        pawl_cond_flush_deferred(); /* room for one: the older one is early */
    }
    *d = (struct pawl_deferred_wake){
        .mutex = m,
        .cond = c,
        /* relaxed: only compared by the kernel, which copes with a change. */
        .expected = pawl_load_relaxed(&c->word_),
        .count = (int)count,
    };
    pawl_mutex_mark_waiters(m);
}

static void notify(pawl_cond *c, pawl_mutex *m, uint32_t n)
{
    struct line l = read_line(c);
    struct pawl_participants *t = table_of(c);
    uint32_t waiting;
    uint32_t tickets;
    uint32_t seen;

    if (t != NULL)
        heal(t, c, &l);
    waiting = l.present - l.called;
    tickets = (l.next - l.served) / STEP;

    if (n > waiting)
        n = waiting;
    if (n == 0)
        return;
    l.called += n;
    if (n == waiting || l.gaps == 255 || n + l.gaps >= tickets) {
        l.served = l.next;
        l.gaps = 0;
    } else {
        l.served += (n + l.gaps) * STEP;
    }
    write_line(c, &l);
    seen = call_up_to(c, l.served, l.present > l.called);
    if ((seen & ASLEEP) != 0)
        defer_wake(c, m, n);
}

int pawl_cond_notify(pawl_cond *c, pawl_mutex *m, int n)
{
    int err;

    if (n < 0)
        return -EINVAL;
    err = check(c, m);
    if (err == 0)
        notify(c, m, (uint32_t)n);
    return err;
}

int pawl_cond_notify_all(pawl_cond *c, pawl_mutex *m)
{
    return pawl_cond_notify(c, m, INT_MAX);
}

/* -- The rest ----------------------------------------------------------------- */

int pawl_cond_init(pawl_cond *c, unsigned flags)
{
    if ((flags & ~(unsigned)PAWL_SHARED) != 0)
        return -EINVAL;
    /* relaxed: nobody else uses it yet. */
    pawl_store_relaxed(&c->word_, 0);
    pawl_store_relaxed(&c->next_, 0);
    pawl_store_relaxed(&c->count_, 0);
    pawl_store_relaxed(&c->mode_, flags); /* relaxed: as above */
    return 0;
}

/* The count of present and called, without those that a fork or a death left
 * behind. */
static uint32_t count_here(const pawl_cond *c)
{
    struct pawl_participants *t = table_of(c);
    /* relaxed: a snapshot. */
    uint32_t mode = pawl_load_relaxed(&c->mode_);
    uint32_t count = pawl_load_relaxed(&c->count_);

    if (t != NULL) {
        uint32_t present = count_living(t, c).present;
        uint32_t called = count >> 16;

        return (called < present ? called : present) << 16 | present;
    }
    return is_of_this_process(mode) ? count : 0;
}

int pawl_cond_destroy(pawl_cond *c)
{
    return count_here(c) != 0 ? -EBUSY : 0;
}

uint32_t pawl_cond_waiters(const pawl_cond *c)
{
    uint32_t count = count_here(c);

    return (count & 0xffff) - (count >> 16);
}
