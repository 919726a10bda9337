/* SPDX-License-Identifier: MIT
 *
 * end.h - one end of a queue or a deque: those who wait there, by its own
 * functions (wait.h), by a wait set, or by an fd (futex/waitable.h).
 */
#ifndef PAWL_QUEUE_END_H
#define PAWL_QUEUE_END_H

#include "base/compiler.h"
#include "futex/eventcount.h"
#include "futex/spin.h"
#include "futex/waitable.h"

struct pawl_end {
    pawl_eventcount waiters;
    pawl_u32 fd; /* of pawl/wait.h, + 1; 0: none */
    /* Where it was, + 1, who woke somebody here last, of a shared one: a hint. */
    pawl_u32 cpu;
};

void pawl_end_init(struct pawl_end *end, unsigned flags);
void pawl_end_destroy(struct pawl_end *end);

PAWL_COLD void pawl_end_wake(struct pawl_end *end, uint64_t seen, uint32_t n);

/* Whether to spin before sleeping here. */
PAWL_COLD bool pawl_end_spins(const struct pawl_end *end,
                              struct pawl_spin *spin);

/* The structure has changed: n at this end can go on, and whoever watches it. */
static inline void pawl_end_tell(struct pawl_end *end, uint32_t n)
{
    uint64_t seen;

    if (pawl_unlikely(pawl_eventcount_is_heeded(&end->waiters, &seen)))
        pawl_end_wake(end, seen, n);
}

/* What a wait set does at an end, which is the object of the item; but for the
 * look, which is seq_cst, or under a lock, as in wait.h. */
#define PAWL_END_WAITABLE(look_)                                               \
    {                                                                          \
        .look = look_, .watch = pawl_end_watch, .fd = pawl_end_fd,             \
        .arm = pawl_end_arm                                                    \
    }
bool pawl_end_watch(const pawl_wait_item *item, struct pawl_watch *watch);
/* Leave a mark at an end, and look: whether the item is not ready. */
bool pawl_end_leave(struct pawl_end *end, const pawl_wait_item *item,
                    uint64_t mark, struct pawl_watch *watch);
pawl_u32 *pawl_end_fd(const pawl_wait_item *item);
bool pawl_end_arm(const pawl_wait_item *item);

#endif /* PAWL_QUEUE_END_H */
