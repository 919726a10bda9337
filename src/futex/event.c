/* SPDX-License-Identifier: MIT
 *
 * event.c - the event of pawl/event.h, where the word is drawn.
 *
 * I1  The epoch grows by one each time SET goes from 0 to 1, and only then.
 * I2  Somebody sleeps  =>  SLEEPERS is set, or the epoch is not the sleeper's
 *     and a wake of everybody is on its way.
 *
 * All stores are compare-and-swaps, so whoever reads a later value, cleared or
 * not, still synchronises with every set before it (release sequence).
 */
#include <pawl/error.h>
#include <pawl/event.h>

#include "atomic/ops.h"
#include "base/tsan.h"
#include "futex/spin.h"
#include "futex/sys.h"
#include "futex/waitable.h"

#define SET UINT64_C(1)
#define SLEEPERS UINT64_C(2)
#define POLLED UINT64_C(4)
#define EPOCH UINT64_C(8)

static bool is_released(uint64_t word, uint64_t epoch)
{
    return (word & SET) != 0 || word / EPOCH != epoch;
}

static bool is_shared(const pawl_event *e)
{
    return (e->mode_ & PAWL_SHARED) != 0;
}

int pawl_event_init(pawl_event *e, unsigned flags)
{
    if ((flags & ~(unsigned)PAWL_SHARED) != 0)
        return -EINVAL;
    e->mode_ = flags;
    pawl_store64_relaxed(&e->word_, 0); /* relaxed: nobody uses it yet */
    pawl_store_relaxed(&e->fd_, 0);     /* relaxed: as above */
    return 0;
}

void pawl_event_set(pawl_event *e)
{
    bool shared = is_shared(e); /* before the word: *e may be gone after */
    uint32_t fd = 0;            /* as well */
    uint64_t seen;
    uint64_t as;

    pawl_tsan_release(e);
    do {
        /* acquire: pairs with the CAS in mark, for the fd; a hint otherwise, for
         * the CAS decides. */
        seen = pawl_load64_acquire(&e->word_);
        if (pawl_unlikely((seen & POLLED) != 0))
            fd = pawl_load_relaxed(&e->fd_); /* relaxed: as above */
        /* Already set: stored all the same, for the order. */
        as = (seen & SET) != 0 ? seen
                               : ((seen & ~(SLEEPERS | POLLED)) | SET) + EPOCH;
        /* release: pairs with load64_acquire in the waits and in is_set. */
    } while (!pawl_cas64_release(&e->word_, &seen, as));
    if ((seen & SLEEPERS) != 0)
        pawl_watchers_wake(pawl_low_half(&e->word_), shared);
    if (pawl_unlikely((seen & POLLED) != 0))
        pawl_fd_write(fd);
}

void pawl_event_clear(pawl_event *e)
{
    /* relaxed: a hint; the CAS decides. */
    uint64_t seen = pawl_load64_relaxed(&e->word_);

    /* relaxed: publishes nothing. */
    while ((seen & SET) != 0 &&
           !pawl_cas64_relaxed(&e->word_, &seen, seen & ~SET))
        ;
}

bool pawl_event_is_set(const pawl_event *e)
{
    /* acquire: pairs with the release in pawl_event_set. */
    bool set = (pawl_load64_acquire(&e->word_) & SET) != 0;

    if (set)
        pawl_tsan_acquire(e);
    return set;
}

static bool spin(pawl_event *e, uint64_t epoch)
{
    struct pawl_spin spin;
    bool released;

    if (!pawl_spin_begins(&spin, PAWL_SPIN_EVENT))
        return false;
    /* acquire: pairs with the release in pawl_event_set. */
    while (!(released = is_released(pawl_load64_acquire(&e->word_), epoch)) &&
           pawl_spin_again(&spin))
        ;
    pawl_spin_ends(&spin, released);
    return released;
}

static PAWL_COLD int wait_slow(pawl_event *e, uint64_t epoch,
                               pawl_deadline until)
{
    int err = until <= 0 ? -ETIMEDOUT : 0;

    if (err == 0 && spin(e, epoch))
        return 0;
    for (;;) {
        /* acquire: pairs with the release in pawl_event_set. */
        uint64_t seen = pawl_load64_acquire(&e->word_);

        if (is_released(seen, epoch))
            return 0;
        if (err == -ETIMEDOUT)
            return err;
        /* relaxed: publishes nothing.  The kernel compares the low half under
         * its queue lock: it sees the set, or the set sees SLEEPERS. */
        if ((seen & SLEEPERS) != 0 ||
            pawl_cas64_relaxed(&e->word_, &seen, seen | SLEEPERS))
            err = pawl_futex_doze(pawl_low_half(&e->word_),
                                  (uint32_t)(seen | SLEEPERS), until,
                                  is_shared(e), PAWL_CHANNEL_ANY);
    }
}

int pawl_event_wait_until(pawl_event *e, pawl_deadline until)
{
    /* acquire: pairs with the release in pawl_event_set. */
    uint64_t seen = pawl_load64_acquire(&e->word_);
    int err = 0;

    if ((seen & SET) == 0)
        err = wait_slow(e, seen / EPOCH, until);
    if (err == 0)
        pawl_tsan_acquire(e);
    return err;
}

int pawl_event_wait(pawl_event *e)
{
    return pawl_event_wait_until(e, PAWL_FOREVER);
}

int pawl_event_try_wait(pawl_event *e)
{
    return pawl_event_is_set(e) ? 0 : -EAGAIN;
}

/* -- In a wait set ---------------------------------------------------------- */

/* Leave a mark, unless the event is set or its epoch is another one; *as is what
 * the word is then. */
static bool mark(pawl_event *e, uint64_t epoch, uint64_t bit, uint64_t *as)
{
    for (;;) {
        /* relaxed: a hint; the CAS decides. */
        uint64_t seen = pawl_load64_relaxed(&e->word_);

        if (is_released(seen, epoch))
            return false;
        *as = seen | bit;
        /* release: pairs with load64_acquire in set, for the fd.  The kernel
         * compares the low half, as in wait_slow. */
        if (*as == seen || pawl_cas64_release(&e->word_, &seen, *as))
            return true;
    }
}

static int look(pawl_wait_item *item, bool first)
{
    pawl_event *e = item->object_;
    /* acquire: pairs with the release in pawl_event_set. */
    uint64_t seen = pawl_load64_acquire(&e->word_);

    if (first)
        item->epoch_ = seen / EPOCH;
    if (!is_released(seen, item->epoch_))
        return -EAGAIN;
    pawl_tsan_acquire(e);
    return 0;
}

static bool watch(const pawl_wait_item *item, struct pawl_watch *w)
{
    pawl_event *e = item->object_;
    uint64_t as;

    if (!mark(e, item->epoch_, SLEEPERS, &as))
        return false;
    *w = (struct pawl_watch){pawl_low_half(&e->word_), (uint32_t)as,
                             is_shared(e)};
    return true;
}

static pawl_u32 *fd_of(const pawl_wait_item *item)
{
    pawl_event *e = item->object_;

    return is_shared(e) ? NULL : &e->fd_;
}

static bool arm(const pawl_wait_item *item)
{
    pawl_event *e = item->object_;

    /* relaxed: the epoch; mark looks at the flag. */
    return mark(e, pawl_load64_relaxed(&e->word_) / EPOCH, POLLED,
                &(uint64_t){0});
}

pawl_wait_item pawl_event_wait_item(pawl_event *e)
{
    static const struct pawl_waitable how = {
        .look = look, .watch = watch, .fd = fd_of, .arm = arm};

    return pawl_waitable_item(e, &how);
}
