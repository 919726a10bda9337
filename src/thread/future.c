/* SPDX-License-Identifier: MIT
 *
 * future.c - the future of pawl/future.h, where the word is drawn.
 *
 * I1  A state is left only for a higher one, and a done one never: the word of a
 *     future that is done does not change any more.
 * I2  Somebody sleeps for the end  =>  SLEEPERS is set, or it is done and a wake
 *     of everybody is on its way.  Somebody sleeps for the lock  =>  QUEUED is
 *     set, or the lock was released and a wake is on its way.
 * I3  The outcome and the list of callbacks of a local future are touched only by
 *     who holds LOCKED; the outcome is read by who has seen that it is finished.
 * I4  What makes it done gives up the lock too, and is the last access to *f: the
 *     list was detached before, and a wake needs no more than the address.
 *
 * A thread that holds LOCKED runs a few instructions of this file, and sleeps
 * nowhere.
 *
 * Between processes there is no list, and no lock: who has it may be killed.  Each
 * set is an attempt with a number of its own, and its outcome is written in parts
 * that bear the number.
 *
 *   part         63         32 31                                 0
 *               +-------------+------------------------------------+
 *               |   attempt   |  status, or a half of the value    |
 *               +-------------+------------------------------------+
 *
 * I5  The number of an attempt stands in the word, as long as there is no later one,
 *     before it is in a part.
 * I6  A part that bears the last number does not change any more: who would change
 *     it has looked at it before he saw his own number in the word, so that he has
 *     not seen the last one there, and his compare-and-swap fails.
 * I7  What makes it finished finds the word with the number that all parts bear.
 *
 * An attempt that another one overtakes begins again; one whose process is dead does
 * not, so it has never been.  (An attempt that sleeps between two instructions while
 * there are 2^24 others, of which none comes to its end, may take one for its own.)
 */
#include <pawl/error.h>

#include "atomic/ops.h"
#include "base/compiler.h"
#include "base/tsan.h"
#include "futex/self.h"
#include "futex/spin.h"
#include "futex/sys.h"
#include "futex/waitable.h"
#include "thread/future_core.h"

#define STATE UINT32_C(0x3)
#define DONE UINT32_C(0x2) /* a bit of both states that are done */
#define LOCKED UINT32_C(0x8)
#define SLEEPERS UINT32_C(0x10)
#define QUEUED UINT32_C(0x20)
#define STOP UINT32_C(0x40)
#define LISTED UINT32_C(0x80) /* the list is not empty */
#define FORK_SHIFT 8
#define FORK (PAWL_FORK_MASK << FORK_SHIFT)
#define ATTEMPT_SHIFT 8 /* of a shared one */
#define ATTEMPT (UINT32_MAX << ATTEMPT_SHIFT)

/* Those who wait for the end, and those who wait for the lock. */
#define END_CHANNEL UINT32_C(1)
#define LOCK_CHANNEL UINT32_C(2)

static bool is_done(uint32_t word)
{
    return (word & DONE) != 0;
}

static enum pawl_future_state state_of(uint32_t word)
{
    return (enum pawl_future_state)(word & STATE);
}

static uint32_t fork_mark(void)
{
    return pawl_fork_mark(false) << FORK_SHIFT;
}

/* By a thread that exists. */
static bool is_locked(uint32_t word)
{
    return (word & LOCKED) != 0 && (word & FORK) == fork_mark();
}

/* acquire: pairs with the release in finish, end_unlocked, unlock and request_stop. */
static uint32_t word_of(const pawl_future *f)
{
    uint32_t word = pawl_load_acquire(&f->word_);

    pawl_tsan_acquire(f);
    return word;
}

int pawl_future_init(pawl_future *f, unsigned flags)
{
    if ((flags & ~(unsigned)PAWL_SHARED) != 0)
        return -EINVAL;
    *f = (pawl_future){.mode_ = flags};
    return 0;
}

/* -- The lock, of a local one -------------------------------------------------- */

static uint32_t spin_while_locked(const pawl_future *f)
{
    struct pawl_spin spin;
    uint32_t seen = word_of(f);

    if (pawl_spin_begins(&spin, PAWL_SPIN_MUTEX)) {
        while (is_locked(seen) && pawl_spin_again(&spin))
            seen = word_of(f);
        pawl_spin_ends(&spin, !is_locked(seen));
    }
    return seen;
}

/* Returns the word, in which nobody holds the lock. */
static PAWL_COLD uint32_t await_lock(pawl_future *f)
{
    uint32_t seen = spin_while_locked(f);

    while (is_locked(seen)) {
        /* relaxed: publishes nothing.  The kernel compares the word under its
         * queue lock: it sees the unlock, or the unlock sees QUEUED. */
        if ((seen & QUEUED) != 0 ||
            pawl_cas_relaxed(&f->word_, &seen, seen | QUEUED))
            pawl_futex_wait(&f->word_, seen | QUEUED, PAWL_FOREVER, false,
                            LOCK_CHANNEL);
        seen = word_of(f);
    }
    return seen;
}

/* Returns the word as it was before, without the lock if *f is done. */
static uint32_t lock(pawl_future *f)
{
    uint32_t seen = word_of(f);

    while (!is_done(seen)) {
        if (pawl_unlikely(is_locked(seen))) {
            seen = await_lock(f);
            continue;
        }
        /* acquire: pairs with cas_release in unlock. */
        if (pawl_cas_acquire(&f->word_, &seen,
                             (seen & ~FORK) | LOCKED | fork_mark())) {
            /* What a fork has cut off may be half a list, and lies in the stacks
             * of threads that are gone. */
            if (pawl_unlikely((seen & LOCKED) != 0)) {
                f->u_.local_.first_ = NULL;
                f->u_.local_.links_ = 0;
            }
            pawl_tsan_acquire(f);
            return seen;
        }
        seen = is_done(seen) ? word_of(f) : seen; /* for the order */
    }
    return seen;
}

static void unlock(pawl_future *f)
{
    /* relaxed: a hint; the CAS decides. */
    uint32_t seen = pawl_load_relaxed(&f->word_);
    uint32_t listed = f->u_.local_.first_ != NULL ? LISTED : 0;

    pawl_tsan_release(f);
    /* release: pairs with cas_acquire in lock. */
    while (!pawl_cas_release(&f->word_, &seen,
                             (seen & ~(LOCKED | QUEUED | LISTED)) | listed))
        ;
    if (pawl_unlikely((seen & QUEUED) != 0))
        pawl_futex_wake(&f->word_, PAWL_WAKE_ALL, false, LOCK_CHANNEL);
}

/* -- The end ----------------------------------------------------------------- */

/* Call `most` of them in order, each after the last look at its node; the next
 * one, or NULL. */
static PAWL_COLD pawl_future_callback *
call_some(pawl_future *f, pawl_future_callback *cb, uint32_t most)
{
    while (cb != NULL && most > 0) {
        pawl_future_callback *next = cb->next_;

        cb->fn_(f, cb->context_);
        cb = next;
        most--;
    }
    return cb;
}

void pawl_future_call(pawl_future *f, pawl_future_callback *first)
{
    call_some(f, first, UINT32_MAX);
}

/* Under the lock, which is given up.  Returns the callbacks, which have not been
 * called yet, unlike the links. */
static pawl_future_callback *finish(pawl_future *f,
                                    enum pawl_future_state state)
{
    pawl_future_callback *first = f->u_.local_.first_;
    uint32_t links = f->u_.local_.links_;
    uint32_t seen;

    pawl_tsan_release(f);
    /* release: pairs with word_of. */
    seen = pawl_swap_release(&f->word_, (uint32_t)state);
    if ((seen & (SLEEPERS | QUEUED)) != 0)
        pawl_watchers_wake(&f->word_, false);
    if (pawl_likely(first == NULL))
        return NULL;
    first->prev_->next_ = NULL; /* the list was a ring */
    return call_some(f, first, links);
}

/* Make done what nobody has locked, and has no callbacks, if its word is *seen still;
 * or false, and *seen is a hint. */
static bool end_unlocked(pawl_future *f, uint32_t *seen,
                         enum pawl_future_state state)
{
    bool shared = pawl_future_is_shared(f);

    pawl_tsan_release(f);
    /* release: pairs with word_of. */
    if (!pawl_cas_release(&f->word_, seen, (uint32_t)state))
        return false;
    if ((*seen & SLEEPERS) != 0)
        pawl_watchers_wake(&f->word_, shared);
    return true;
}

/* -- Between processes ------------------------------------------------------- */

/* A part of the outcome; false: there is a later attempt, or it is done. */
static bool write_part(pawl_future *f, uint32_t attempt, int n, uint32_t bits)
{
    pawl_u64 *part = &f->u_.shared_[n];
    uint64_t seen;

    do {
        /* acquire: pairs with cas64_release below: if there is a later attempt's part
         * here, its number is seen in the word (I6). */
        seen = pawl_load64_acquire(part);
        /* relaxed: see above. */
        if ((pawl_load_relaxed(&f->word_) & ATTEMPT) != attempt)
            return false;
        /* release: pairs with load64_acquire above (I5). */
    } while (!pawl_cas64_release(part, &seen, (uint64_t)attempt << 32 | bits));
    return true;
}

static uint32_t part_of(const pawl_future *f, int n)
{
    /* relaxed: who has seen that it is finished sees the last one (I6). */
    return (uint32_t)pawl_load64_relaxed(&f->u_.shared_[n]);
}

/* Leave one that is under way a while: it takes a few instructions, or it is dead.
 * Returns the word. */
static uint32_t await_attempt(const pawl_future *f)
{
    uint32_t seen = word_of(f);
    uint32_t attempt = seen & ATTEMPT;
    struct pawl_spin spin;

    if (is_done(seen) || attempt == 0 ||
        !pawl_spin_begins(&spin, PAWL_SPIN_MUTEX))
        return seen;
    while ((seen & ATTEMPT) == attempt && pawl_spin_again(&spin))
        seen = word_of(f);
    pawl_spin_ends(&spin, (seen & ATTEMPT) != attempt);
    return seen;
}

/* An attempt; false: try again, unless it is done. */
static bool attempt(pawl_future *f, uint32_t seen, int status, uint64_t value)
{
    uint32_t mine = (seen & ATTEMPT) + (UINT32_C(1) << ATTEMPT_SHIFT);

    if (mine == 0)
        mine = UINT32_C(1) << ATTEMPT_SHIFT;
    /* relaxed: publishes nothing; write_part says whose it is. */
    if (!pawl_cas_relaxed(&f->word_, &seen, (seen & ~ATTEMPT) | mine))
        return false;
    if (!write_part(f, mine, 0, (uint32_t)status) ||
        !write_part(f, mine, 1, (uint32_t)value) ||
        !write_part(f, mine, 2, (uint32_t)(value >> 32)))
        return false;
    seen = pawl_load_relaxed(&f->word_); /* relaxed: a hint; the CAS decides */
    while ((seen & ATTEMPT) == mine)
        if (end_unlocked(f, &seen, PAWL_FUTURE_FINISHED))
            return true;
    return false;
}

static int set_shared(pawl_future *f, int status, uint64_t value)
{
    uint32_t seen = await_attempt(f);

    while (!is_done(seen)) {
        if (attempt(f, seen, status, value))
            return 0;
        seen = await_attempt(f);
    }
    return -EALREADY;
}

static enum pawl_future_state cancel_shared(pawl_future *f)
{
    uint32_t seen;

    do {
        seen = word_of(f);
        if (state_of(seen) != PAWL_FUTURE_PENDING)
            return state_of(seen);
    } while (!end_unlocked(f, &seen, PAWL_FUTURE_CANCELLED));
    return PAWL_FUTURE_CANCELLED;
}

/* -- The steps --------------------------------------------------------------- */

int pawl_future_begin(pawl_future *f)
{
    uint32_t seen = word_of(f);

    for (;;) {
        if (state_of(seen) != PAWL_FUTURE_PENDING)
            return state_of(seen) == PAWL_FUTURE_CANCELLED ? -ECANCELED
                                                           : -EALREADY;
        if (pawl_unlikely(is_locked(seen)))
            seen = await_lock(f);
        /* acquire: as in word_of. */
        else if (pawl_cas_acquire(&f->word_, &seen, seen | PAWL_FUTURE_RUNNING))
            return 0;
    }
}

static int set(pawl_future *f, int status, void *value,
               pawl_future_callback **callbacks)
{
    if (is_done(lock(f)))
        return -EALREADY;
    f->u_.local_.status_ = status;
    f->u_.local_.value_ = value;
    *callbacks = finish(f, PAWL_FUTURE_FINISHED);
    return 0;
}

int pawl_future_set(pawl_future *f, int status, void *value)
{
    pawl_future_callback *callbacks = NULL;
    int err = -EPERM;

    if (pawl_future_is_shared(f))
        return set_shared(f, status, (uintptr_t)value);
    if (!pawl_future_is_task(f) && !pawl_future_is_owned(f))
        err = set(f, status, value, &callbacks);
    pawl_future_call(f, callbacks);
    return err;
}

pawl_future_callback *pawl_future_set_task(pawl_future *f, int status,
                                           void *value)
{
    uint32_t seen = pawl_load_relaxed(&f->word_); /* relaxed: a hint */
    pawl_future_callback *callbacks = NULL;

    /* Nobody else sets it, and it is not finished yet. */
    f->u_.local_.status_ = status;
    f->u_.local_.value_ = value;
    while ((seen & (LOCKED | LISTED)) == 0)
        if (end_unlocked(f, &seen, PAWL_FUTURE_FINISHED))
            return NULL;
    (void)set(f, status, value, &callbacks);
    return callbacks;
}

/* Cancel it, or say in which state it is. */
static enum pawl_future_state try_cancel(pawl_future *f)
{
    const struct pawl_future_owner *owner = pawl_future_owner_of(f);
    bool is_free =
        owner != NULL && !is_done(word_of(f)) && owner->call_off(f) == 0;
    bool is_pending;
    uint32_t seen;

    if (pawl_future_is_shared(f))
        return cancel_shared(f);
    seen = lock(f);
    is_pending = owner != NULL ? is_free && !is_done(seen)
                               : state_of(seen) == PAWL_FUTURE_PENDING;
    if (is_pending) {
        pawl_future_call(f, finish(f, PAWL_FUTURE_CANCELLED));
        return PAWL_FUTURE_CANCELLED;
    }
    if (is_done(seen))
        return state_of(seen);
    unlock(f);
    return PAWL_FUTURE_RUNNING;
}

void pawl_future_call_off(pawl_future *f)
{
    if (!is_done(lock(f)))
        pawl_future_call(f, finish(f, PAWL_FUTURE_CANCELLED));
}

int pawl_future_cancel(pawl_future *f)
{
    switch (try_cancel(f)) {
    case PAWL_FUTURE_RUNNING:
        return -EBUSY;
    case PAWL_FUTURE_FINISHED:
        return -EALREADY;
    default:
        return 0;
    }
}

int pawl_future_request_stop(pawl_future *f)
{
    enum pawl_future_state state = try_cancel(f);
    uint32_t seen;

    if (state == PAWL_FUTURE_RUNNING) {
        pawl_tsan_release(f);
        do {
            seen = word_of(f);
            state = state_of(seen);
            /* release: pairs with word_of in stop_requested. */
        } while (!is_done(seen) &&
                 !pawl_cas_release(&f->word_, &seen, seen | STOP));
        if (pawl_future_owner_of(f) != NULL)
            pawl_future_owner_of(f)->stop(f);
        if (state == PAWL_FUTURE_RUNNING && pawl_future_is_task(f))
            pawl_task_stop(f);
    }
    return state == PAWL_FUTURE_FINISHED ? -EALREADY : 0;
}

bool pawl_future_stop_requested(const pawl_future *f)
{
    return (word_of(f) & STOP) != 0;
}

/* -- Queries ------------------------------------------------------------------ */

enum pawl_future_state pawl_future_state(const pawl_future *f)
{
    enum pawl_future_state state = state_of(word_of(f));
    const struct pawl_future_owner *owner = pawl_future_owner_of(f);

    if (pawl_likely(owner == NULL || state != PAWL_FUTURE_PENDING))
        return state;
    owner->look((pawl_future *)(uintptr_t)f);
    return state_of(word_of(f));
}

bool pawl_future_is_done(const pawl_future *f)
{
    return is_done(word_of(f));
}

bool pawl_future_is_running(const pawl_future *f)
{
    return pawl_future_state(f) == PAWL_FUTURE_RUNNING;
}

bool pawl_future_is_cancelled(const pawl_future *f)
{
    return pawl_future_state(f) == PAWL_FUTURE_CANCELLED;
}

/* -- Waiting ------------------------------------------------------------------ */

/* Say in the word that somebody is going to sleep on it as *as; false: done. */
static bool mark(pawl_future *f, uint32_t *as)
{
    for (;;) {
        uint32_t seen = word_of(f);

        if (is_done(seen))
            return false;
        *as = seen | SLEEPERS;
        /* relaxed: publishes nothing.  The kernel compares the word under its
         * queue lock: it sees the end, or the end sees SLEEPERS. */
        if (*as == seen || pawl_cas_relaxed(&f->word_, &seen, *as))
            return true;
    }
}

static bool spin(const pawl_future *f)
{
    struct pawl_spin spin;
    bool done;

    if (!pawl_spin_begins(&spin, PAWL_SPIN_FUTURE))
        return false;
    /* No task is done at once; and as long as nobody looks, its worker has its cache
     * lines to itself.  bench_pool, round_trip_pinned. */
    if (pawl_future_is_task(f)) {
        spin.step = spin.patience / 2;
        (void)pawl_spin_again(&spin);
        spin.step = 1;
    }
    while (!(done = pawl_future_is_done(f)) && pawl_spin_again(&spin))
        ;
    pawl_spin_ends(&spin, done);
    return done;
}

static PAWL_COLD int wait_slow(pawl_future *f, pawl_deadline until)
{
    int err = until <= 0 ? -ETIMEDOUT : 0;
    bool spins = err == 0;
    struct pawl_worker *helper = NULL;
    uint32_t as;

    if (spins && pawl_future_is_task(f)) {
        err = pawl_task_wait_begins(f, &spins);
        if (err != 0)
            return pawl_future_is_done(f) ? 0 : err;
        helper = pawl_task_helper(f);
    } else if (spins && pawl_future_owner_of(f) != NULL) {
        err = pawl_future_owner_of(f)->wait_begins(f, &spins);
        if (err != 0)
            return pawl_future_is_done(f) ? 0 : err;
    }
    if (spins && helper == NULL && spin(f))
        return 0;
    while (!pawl_future_is_done(f) && err != -ETIMEDOUT) {
        if (!mark(f, &as))
            continue;
        if (helper != NULL)
            err = pawl_help(helper, &(struct pawl_watch){&f->word_, as, false},
                            until);
        else
            err = pawl_futex_doze(&f->word_, as, until,
                                  pawl_future_is_shared(f), END_CHANNEL);
    }
    if (helper != NULL)
        pawl_help_ends(helper);
    return pawl_future_is_done(f) ? 0 : -ETIMEDOUT;
}

static int status_of(const pawl_future *f)
{
    return pawl_future_is_shared(f) ? (int)part_of(f, 0) : f->u_.local_.status_;
}

static void *value_of(const pawl_future *f)
{
    uint64_t value;

    if (!pawl_future_is_shared(f))
        return f->u_.local_.value_;
    value = (uint64_t)part_of(f, 2) << 32 | part_of(f, 1);
    return (void *)(uintptr_t)value;
}

int pawl_future_result_until(pawl_future *f, int *status, void **value,
                             pawl_deadline until)
{
    int err = pawl_likely(pawl_future_is_done(f)) ? 0 : wait_slow(f, until);

    if (err != 0)
        return err;
    if (pawl_future_is_cancelled(f))
        return -ECANCELED;
    if (status != NULL)
        *status = status_of(f);
    if (value != NULL)
        *value = value_of(f);
    return 0;
}

int pawl_future_result(pawl_future *f, int *status, void **value)
{
    return pawl_future_result_until(f, status, value, PAWL_FOREVER);
}

int pawl_future_try_result(pawl_future *f, int *status, void **value)
{
    int err = pawl_future_result_until(f, status, value, 0);

    return err == -ETIMEDOUT ? -EAGAIN : err;
}

/* -- Callbacks ----------------------------------------------------------------- */

/* Put cb into the ring, as the first or the last; false: *f is done. */
static bool enlist(pawl_future *f, pawl_future_callback *cb, pawl_future_fn fn,
                   void *context, bool as_link)
{
    if (is_done(lock(f)))
        return false;
    *cb = (pawl_future_callback){cb, cb, fn, context};
    if (f->u_.local_.first_ != NULL) {
        cb->next_ = f->u_.local_.first_;
        cb->prev_ = f->u_.local_.first_->prev_;
        cb->next_->prev_ = cb;
        cb->prev_->next_ = cb;
    }
    if (as_link || f->u_.local_.first_ == NULL)
        f->u_.local_.first_ = cb;
    f->u_.local_.links_ += as_link;
    unlock(f);
    return true;
}

static int unlist(pawl_future *f, pawl_future_callback *cb, bool as_link)
{
    int err = 0;

    if (is_done(lock(f)))
        return -EALREADY;
    if (cb->next_ == NULL) {
        err = -ENOENT;
    } else {
        cb->next_->prev_ = cb->prev_;
        cb->prev_->next_ = cb->next_;
        if (f->u_.local_.first_ == cb)
            f->u_.local_.first_ = cb->next_ != cb ? cb->next_ : NULL;
        f->u_.local_.links_ -= as_link;
        cb->next_ = NULL;
    }
    unlock(f);
    return err;
}

bool pawl_future_link(pawl_future *f, pawl_future_callback *cb,
                      pawl_future_fn fn, void *context)
{
    return enlist(f, cb, fn, context, true);
}

bool pawl_future_unlink(pawl_future *f, pawl_future_callback *cb)
{
    return unlist(f, cb, true) == 0;
}

int pawl_future_add_callback(pawl_future *f, pawl_future_callback *cb,
                             pawl_future_fn fn, void *context)
{
    if (pawl_future_is_shared(f))
        return -EOPNOTSUPP;
    if (!enlist(f, cb, fn, context, false))
        fn(f, context);
    return 0;
}

int pawl_future_remove_callback(pawl_future *f, pawl_future_callback *cb)
{
    return pawl_future_is_shared(f) ? -ENOENT : unlist(f, cb, false);
}

/* -- In a wait set ------------------------------------------------------------- */

static int look(pawl_wait_item *item, bool first)
{
    (void)first;
    return pawl_future_is_done(item->object_) ? 0 : -EAGAIN;
}

static bool watch(const pawl_wait_item *item, struct pawl_watch *w)
{
    pawl_future *f = item->object_;

    *w = (struct pawl_watch){.word = &f->word_,
                             .shared = pawl_future_is_shared(f)};
    return mark(f, &w->expected);
}

pawl_wait_item pawl_future_wait_item(pawl_future *f)
{
    static const struct pawl_waitable how = {.look = look, .watch = watch};

    return pawl_waitable_item(f, &how);
}
