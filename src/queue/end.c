/* SPDX-License-Identifier: MIT
 *
 * end.c - one end of a queue or a deque.
 */
#include "queue/end.h"

#include <sched.h>

#include <pawl/error.h>

#include "atomic/ops.h"

void pawl_end_init(struct pawl_end *end, unsigned flags)
{
    pawl_eventcount_init(&end->waiters, flags);
    /* relaxed: nobody uses it yet. */
    pawl_store_relaxed(&end->fd, 0);
    pawl_store_relaxed(&end->cpu, 0);
}

void pawl_end_destroy(struct pawl_end *end)
{
    pawl_fd_close(&end->fd);
}

static bool is_shared(const struct pawl_end *end)
{
    return (end->waiters.mode_ & PAWL_SHARED) != 0;
}

/* For those who are about to wait: whoever wakes them is on another CPU, though their
 * process may use one only.  Who wakes nobody, because they spin, need not say. */
static void say_where(struct pawl_end *end)
{
    uint32_t here = (uint32_t)sched_getcpu() + 1;

    /* relaxed: a hint. */
    if (pawl_load_relaxed(&end->cpu) != here)
        pawl_store_relaxed(&end->cpu, here); /* relaxed: as above */
}

static bool is_woken_from_elsewhere(const struct pawl_end *end)
{
    uint32_t cpu = pawl_load_relaxed(&end->cpu); /* relaxed: a hint */

    return cpu != 0 && cpu != (uint32_t)sched_getcpu() + 1;
}

bool pawl_end_spins(const struct pawl_end *end, struct pawl_spin *spin)
{
    return is_shared(end) && is_woken_from_elsewhere(end)
               ? pawl_spin_begins_beside(spin, PAWL_SPIN_QUEUE)
               : pawl_spin_begins(spin, PAWL_SPIN_QUEUE);
}

void pawl_end_wake(struct pawl_end *end, uint64_t seen, uint32_t n)
{
    uint64_t marks;

    if (is_shared(end))
        say_where(end);
    marks = pawl_eventcount_wake(&end->waiters, seen, n);
    if ((marks & PAWL_EVENTCOUNT_POLLED) != 0)
        /* relaxed: stored before the mark, which wake has acquired. */
        pawl_fd_write(pawl_load_relaxed(&end->fd));
}

bool pawl_end_leave(struct pawl_end *end, const pawl_wait_item *item,
                    uint64_t mark, struct pawl_watch *watch)
{
    pawl_wait_item copy = *item;

    pawl_eventcount_watch(&end->waiters, mark, watch);
    return item->how_->look(&copy, false) == -EAGAIN;
}

bool pawl_end_watch(const pawl_wait_item *item, struct pawl_watch *watch)
{
    return pawl_end_leave(item->object_, item, PAWL_EVENTCOUNT_WATCHED, watch);
}

bool pawl_end_arm(const pawl_wait_item *item)
{
    struct pawl_watch unused;

    return pawl_end_leave(item->object_, item, PAWL_EVENTCOUNT_POLLED, &unused);
}

pawl_u32 *pawl_end_fd(const pawl_wait_item *item)
{
    struct pawl_end *end = item->object_;

    return is_shared(end) ? NULL : &end->fd;
}
