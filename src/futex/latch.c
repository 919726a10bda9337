/* SPDX-License-Identifier: MIT
 *
 * latch.c - the latch of pawl/latch.h, where the word is drawn.
 *
 * I1  Somebody sleeps  =>  SLEEPERS is set, or the word is zero and a wake of
 *     everybody is on its way.
 */
#include <pawl/error.h>
#include <pawl/latch.h>

#include "atomic/ops.h"
#include "base/tsan.h"
#include "futex/spin.h"
#include "futex/sys.h"
#include "futex/waitable.h"

#define SLEEPERS (UINT32_C(1) << 31)

static bool is_shared(const pawl_latch *l)
{
    return (l->mode_ & PAWL_SHARED) != 0;
}

/* acquire: pairs with the release in count_down; those before the last one are
 * seen too, for each was a read-modify-write (release sequence). */
static uint32_t left(const pawl_latch *l)
{
    return pawl_load_acquire(&l->word_) & ~SLEEPERS;
}

int pawl_latch_init(pawl_latch *l, int count, unsigned flags)
{
    if (count < 0 || (flags & ~(unsigned)PAWL_SHARED) != 0)
        return -EINVAL;
    l->mode_ = flags;
    pawl_store_relaxed(&l->word_, (uint32_t)count); /* relaxed: not used yet */
    return 0;
}

int pawl_latch_count_down(pawl_latch *l, int n)
{
    /* relaxed: a hint; the CAS decides. */
    uint32_t seen = pawl_load_relaxed(&l->word_);
    bool shared = is_shared(l); /* before the word: *l may be gone after */
    uint32_t as;

    if (n < 0)
        return -EINVAL;
    pawl_tsan_release(l);
    do {
        uint32_t count = seen & ~SLEEPERS;

        if ((uint32_t)n > count)
            return -EOVERFLOW;
        as = count == (uint32_t)n ? 0 : seen - (uint32_t)n;
        /* release: pairs with left(). */
    } while (!pawl_cas_release(&l->word_, &seen, as));
    if (as == 0 && (seen & SLEEPERS) != 0)
        pawl_watchers_wake(&l->word_, shared);
    return 0;
}

static bool spin(const pawl_latch *l)
{
    struct pawl_spin spin;
    bool open;

    if (!pawl_spin_begins(&spin, PAWL_SPIN_EVENT))
        return false;
    while (!(open = left(l) == 0) && pawl_spin_again(&spin))
        ;
    pawl_spin_ends(&spin, open);
    return open;
}

/* Say in the word that somebody is going to sleep on it as *as; false: open. */
static bool mark(pawl_latch *l, uint32_t *as)
{
    for (;;) {
        /* acquire: as in left(). */
        uint32_t seen = pawl_load_acquire(&l->word_);

        if ((seen & ~SLEEPERS) == 0)
            return false;
        *as = seen | SLEEPERS;
        /* relaxed: publishes nothing.  The kernel compares the word under its
         * queue lock: it sees zero, or who reaches zero sees SLEEPERS. */
        if (*as == seen || pawl_cas_relaxed(&l->word_, &seen, *as))
            return true;
    }
}

static PAWL_COLD int wait_slow(pawl_latch *l, pawl_deadline until)
{
    int err = until <= 0 ? -ETIMEDOUT : 0;
    uint32_t as;

    if (err == 0 && spin(l))
        return 0;
    while (left(l) != 0) {
        if (err == -ETIMEDOUT)
            return err;
        if (mark(l, &as))
            err = pawl_futex_doze(&l->word_, as, until, is_shared(l),
                                  PAWL_CHANNEL_ANY);
    }
    return 0;
}

int pawl_latch_wait_until(pawl_latch *l, pawl_deadline until)
{
    int err = left(l) == 0 ? 0 : wait_slow(l, until);

    if (err == 0)
        pawl_tsan_acquire(l);
    return err;
}

int pawl_latch_wait(pawl_latch *l)
{
    return pawl_latch_wait_until(l, PAWL_FOREVER);
}

int pawl_latch_try_wait(pawl_latch *l)
{
    int err = pawl_latch_wait_until(l, 0);

    return err == -ETIMEDOUT ? -EAGAIN : err;
}

int pawl_latch_arrive_and_wait(pawl_latch *l, pawl_deadline until)
{
    int err = pawl_latch_count_down(l, 1);

    return err < 0 ? err : pawl_latch_wait_until(l, until);
}

int pawl_latch_count(const pawl_latch *l)
{
    /* relaxed: a snapshot. */
    return (int)(pawl_load_relaxed(&l->word_) & ~SLEEPERS);
}

/* -- In a wait set ---------------------------------------------------------- */

static int look(pawl_wait_item *item, bool first)
{
    (void)first;
    return pawl_latch_try_wait(item->object_);
}

static bool watch(const pawl_wait_item *item, struct pawl_watch *w)
{
    pawl_latch *l = item->object_;

    *w = (struct pawl_watch){.word = &l->word_, .shared = is_shared(l)};
    return mark(l, &w->expected);
}

pawl_wait_item pawl_latch_wait_item(pawl_latch *l)
{
    static const struct pawl_waitable how = {.look = look, .watch = watch};

    return pawl_waitable_item(l, &how);
}
