/* SPDX-License-Identifier: MIT
 *
 * robust.c - the lock of robust.h.
 *
 * I1  Somebody sleeps on the word  =>  WAITERS is set, or a thread that was woken
 *     has yet to look, which sets WAITERS when it takes the lock; or whoever had
 *     to wake it has died, or a woken one has: then the sleeper wakes by the
 *     lifeline that it watches, or by the clock.
 */
#include "futex/robust.h"

#include <errno.h>

#include "atomic/ops.h"
#include "futex/self.h"

#define WAITERS (UINT32_C(1) << 31)

/* Sleep until the word changes, its holder dies, or it is time to look. */
static void sleep_on(struct pawl_participants *t, pawl_u32 *word, uint32_t seen)
{
    struct pawl_watch watch[2] = {
        {.word = word, .expected = seen, .shared = true}};

    uint32_t calm = pawl_uninterruptible_begin();

    if (pawl_participant_watch(t, seen & PAWL_ID_MASK, &watch[1]) == 0)
        pawl_participant_sleep(watch, 2, PAWL_FOREVER);
    pawl_uninterruptible_end(calm);
}

int pawl_robust_lock(struct pawl_participants *t, pawl_u32 *word, uint32_t me)
{
    uint32_t duty = 0; /* WAITERS once we have slept: I1 */
    uint32_t seen = 0;

    /* acquire: pairs with the release in unlock. */
    if (pawl_cas_acquire(word, &seen, me))
        return 0;
    for (;;) {
        uint32_t holder = seen & PAWL_ID_MASK;
        bool is_dead = holder != 0 && !pawl_participant_alive(t, holder);

        if (holder == me)
            return -EDEADLK;
        if (holder == 0 || is_dead) {
            /* acquire: pairs with the release in unlock; what a dead holder did
             * is ordered by the answer that it is dead. */
            if (!pawl_cas_acquire(word, &seen, me | duty | (seen & WAITERS)))
                continue; /* the failed CAS has refreshed `seen` */
            if (is_dead)
                pawl_participant_buried(t, holder);
            return is_dead ? -EOWNERDEAD : 0;
        }
        /* relaxed: publishes nothing; the kernel compares once more. */
        if ((seen & WAITERS) == 0 &&
            !pawl_cas_relaxed(word, &seen, seen | WAITERS))
            continue; /* as above */
        sleep_on(t, word, seen | WAITERS);
        duty = WAITERS;
        seen = pawl_load_relaxed(word); /* relaxed: a hint; a CAS decides */
    }
}

void pawl_robust_unlock(pawl_u32 *word)
{
    /* release: pairs with the acquire in lock. */
    if ((pawl_swap_release(word, 0) & WAITERS) != 0)
        pawl_futex_wake(word, 1, true, PAWL_CHANNEL_ANY);
}
