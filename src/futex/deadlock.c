/* SPDX-License-Identifier: MIT
 *
 * deadlock.c - threads that wait for each other.
 *
 * A thread that is going to sleep for ever on a local lock announces that in its
 * record, marked FOR_EVER, and then looks at the holder's record.  Unless the
 * holder waits for a lock for ever too, that is all.  If it does, the thread
 * walks: from each holder to the lock that this awaits, to the holder of that, and
 * so on.  A walk that comes back to its walker has found a deadlock.
 *
 * The walk pins the announcement of each thread that it comes to (as a dying
 * thread does in self.c) and keeps all of them pinned until its end.
 *
 * I1  Who is pinned stands between its announcement and pawl_wait_ends: it
 *     acquires and releases nothing, and what it waits for stays valid memory.
 * I2  The holder of each lock on the way is looked at again when it is pinned:
 *     from then on it holds that lock until it is unpinned, by I1.
 * I3  One walks at a time.  Who has found a deadlock takes its announcement back
 *     before another walks.
 *
 * No false report: at the end of the walk all members of the cycle are pinned but
 * the walker, which is here; so by I1 and I2 all hold and wait at this moment, and
 * none can go on before another does.
 *
 * No missed one: of those who wait for each other let the walker be who announced
 * itself last, in the single order of these announcements.
 *
 *   another member                       the walker
 *   takes a lock           (A)           announces itself          (C)
 *   announces itself       (B)           reads announcements and   (D)
 *                                          the holders of locks
 *
 * B and C are seq_cst swaps and B is before C, so D finds B.  It finds A, too:
 * the holder is read by a read-modify-write of the word that A has swapped.  Were
 * that before A, then A, an acquire, would see it and what came before it, C; and
 * C would be before B.  (A rwlock's writer stores its name after A, with no more
 * than B behind it.  On the machines that pawl runs on a store cannot come after
 * a later seq_cst swap; C11 alone does not say so.)
 *
 * One is told: by I3 who walks next does not come back to himself.
 */
#include "futex/deadlock.h"

#include <sched.h>

#include <pawl/deadlock.h>
#include <pawl/error.h>

#include "base/compiler.h"
#include "futex/record.h"

/* Beside a kind: the wait cannot fail. */
#define MUST UINT64_C(1)

static pawl_u64 hook; /* a pawl_deadlock_fn */

/* -- The walk ------------------------------------------------------------------- */

static void lock_walks(void)
{
    uint32_t nobody = 0;

    /* acquire: pairs with the release in unlock_walks. */
    while (!pawl_cas_acquire(&pawl_walking_, &nobody, 1)) {
        sched_yield(); /* some hundred instructions, unless preempted */
        nobody = 0;
    }
}

static void unlock_walks(void)
{
    /* release: pairs with the acquire in lock_walks. */
    pawl_store_release(&pawl_walking_, 0);
}

static const struct pawl_lock_kind *kind_of(const struct pawl_record *r)
{
    /* relaxed: ordered by the pin. */
    uint64_t kind = pawl_load64_relaxed(&r->kind) & ~MUST;

    return (const struct pawl_lock_kind *)(uintptr_t)kind;
}

static void *lock_of(const struct pawl_record *r)
{
    /* relaxed: pinned. */
    return pawl_announced(pawl_load64_relaxed(&r->waiting));
}

static bool waits_for_ever(const struct pawl_record *r)
{
    /* seq_cst: D of the drawing; pairs with the swap in pawl_announce. */
    return (pawl_load64_seq(&r->waiting) & PAWL_FOR_EVER) != 0;
}

static bool is_of(const struct pawl_record *r, uint32_t id)
{
    /* acquire: pairs with the release in fill (self.c), which came before it
     * announced itself. */
    return pawl_load_acquire(&r->id) == id;
}

static void unpin(struct pawl_record *r)
{
    /* relaxed: pinned. */
    uint64_t seen = pawl_load64_relaxed(&r->waiting);

    r->is_walked = false;
    /* release: pairs with pawl_wait_ends: we are done with the lock. */
    pawl_store64_release(&r->waiting, seen & ~PAWL_PINNED);
}

/* The record of `id`, pinned; NULL: it does not wait for ever, or this walk has
 * come by there before, so it is in a cycle without the walker. */
static struct pawl_record *pin(uint32_t id)
{
    struct pawl_record *r = pawl_record_of(id);
    uint64_t seen;

    if (r == NULL || r->is_walked)
        return NULL;
    do {
        /* seq_cst: D, as in waits_for_ever. */
        while (((seen = pawl_load64_seq(&r->waiting)) & PAWL_PINNED) != 0)
            sched_yield(); /* a dying thread looks at it */
        if ((seen & PAWL_FOR_EVER) == 0)
            return NULL;
        /* acquire: pairs with the swap in pawl_announce, for what stands in the
         * record, and with the walk or the dying thread before. */
    } while (!pawl_cas64_acquire(&r->waiting, &seen, seen | PAWL_PINNED));
    r->is_walked = true;
    if (is_of(r, id))
        return r;
    unpin(r); /* somebody else has the record now */
    return NULL;
}

/* Whether the holder of *lock, or who it waits for, and so on, waits for the
 * caller.  *last is the last one that was pinned on the way, or NULL. */
static bool comes_back(void *lock, const struct pawl_lock_kind *kind,
                       struct pawl_record **last)
{
    uint32_t holder = kind->holder(lock);

    *last = NULL;
    while (holder != pawl_self_.local_id) {
        struct pawl_record *r = pin(holder);
        uint32_t now;

        if (r == NULL)
            return false;
        now = kind->holder(lock); /* I2 */
        if (now == holder) {
            r->before = *last;
            *last = r;
            lock = lock_of(r);
            kind = kind_of(r);
            now = kind->holder(lock);
        } else {
            unpin(r); /* it has released the lock before it waited */
        }
        holder = now;
    }
    return true;
}

/* -- Who is told ------------------------------------------------------------------ */

/* The caller's wait cannot fail: have somebody else look again who can, and will
 * then walk himself. */
static void tell_another(struct pawl_record *last)
{
    struct pawl_record *r = last;

    /* relaxed: ordered by the pin. */
    while (r != NULL && (pawl_load64_relaxed(&r->kind) & MUST) != 0)
        r = r->before;
    if (r != NULL)
        kind_of(r)->bury(lock_of(r), kind_of(r)->holder(lock_of(r)));
}

struct cycle {
    pawl_deadlock_wait wait[PAWL_DEADLOCK_SHOWN];
    size_t n;
};

static uint32_t tid_of(const struct pawl_record *r)
{
    return pawl_load_relaxed(&r->tid); /* relaxed: it stays while it waits */
}

/* Beginning with the caller, who waits for *lock. */
static void describe(struct cycle *c, const void *lock, struct pawl_record *me,
                     struct pawl_record *last)
{
    uint32_t holder = tid_of(me);
    size_t at = 1;

    for (struct pawl_record *r = last; r != NULL; r = r->before)
        at++;
    c->n = at;
    for (struct pawl_record *r = last; at-- > 0; r = r->before) {
        struct pawl_record *waiter = r != NULL ? r : me;

        if (at < PAWL_DEADLOCK_SHOWN)
            c->wait[at] = (pawl_deadlock_wait){
                .lock = r != NULL ? lock_of(r) : lock,
                .waiter = tid_of(waiter),
                .holder = holder,
            };
        holder = tid_of(waiter);
        if (r == NULL)
            break;
    }
}

static void report(struct cycle *c)
{
    /* acquire: pairs with pawl_deadlock_set_hook, for what the hook uses. */
    pawl_deadlock_fn fn =
        (pawl_deadlock_fn)(uintptr_t)pawl_load64_acquire(&hook);
    size_t shown = c->n < PAWL_DEADLOCK_SHOWN ? c->n : PAWL_DEADLOCK_SHOWN;

    if (fn == NULL)
        return;
    for (size_t i = 0; i < shown; i++)
        pawl_lock_name(c->wait[i].lock, c->wait[i].name);
    fn(c->wait, shown, c->n);
}

/* The holder of *lock waits for ever too. */
static PAWL_COLD int walk(void *lock, const struct pawl_lock_kind *kind)
{
    struct pawl_record *me = pawl_self_.record;
    struct pawl_record *last;
    struct cycle cycle;
    bool is_deadlock;

    lock_walks();
    is_deadlock = comes_back(lock, kind, &last);
    if (is_deadlock && pawl_self_.must_lock) {
        tell_another(last);
        is_deadlock = false;
    }
    if (is_deadlock)
        describe(&cycle, lock, me, last);
    while (last != NULL) {
        struct pawl_record *before = last->before;

        unpin(last);
        last = before;
    }
    if (is_deadlock)
        pawl_wait_ends(); /* I3 */
    unlock_walks();
    if (!is_deadlock)
        return 0;
    report(&cycle);
    return -EDEADLK;
}

int pawl_lock_wait_begins(void *lock, const struct pawl_lock_kind *kind,
                          uint32_t holder, pawl_deadline until)
{
    struct pawl_record *me = pawl_self_.record;
    const struct pawl_record *theirs;

    if (until != PAWL_FOREVER || pawl_self_.interruptible != 0 || me == NULL) {
        pawl_wait_begins(lock, kind->bury);
        return 0;
    }
    /* relaxed: published by the swap in pawl_announce. */
    pawl_store64_relaxed(&me->kind, (uintptr_t)kind |
                                        (pawl_self_.must_lock ? MUST : 0));
    pawl_announce((uintptr_t)lock | PAWL_FOR_EVER, kind->bury);
    theirs = pawl_record_of(holder);
    if (pawl_likely(theirs == NULL || !waits_for_ever(theirs)))
        return 0;
    return walk(lock, kind);
}

/* -- The public face --------------------------------------------------------------- */

pawl_deadlock_fn pawl_deadlock_set_hook(pawl_deadlock_fn fn)
{
    /* seq_cst: pairs with report, for what the hook uses. */
    return (pawl_deadlock_fn)(uintptr_t)pawl_swap64_seq(&hook, (uintptr_t)fn);
}
