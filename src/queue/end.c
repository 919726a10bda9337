/* SPDX-License-Identifier: MIT
 *
 * end.c - one end of a queue or a deque.
 */
#include "queue/end.h"

#include <pawl/error.h>

#include "atomic/ops.h"

void pawl_end_init(struct pawl_end *end, unsigned flags)
{
    pawl_eventcount_init(&end->waiters, flags);
    pawl_store_relaxed(&end->fd, 0); /* relaxed: nobody uses it yet */
}

void pawl_end_destroy(struct pawl_end *end)
{
    pawl_fd_close(&end->fd);
}

void pawl_end_wake(struct pawl_end *end, uint64_t seen, uint32_t n)
{
    uint64_t marks = pawl_eventcount_wake(&end->waiters, seen, n);

    if ((marks & PAWL_EVENTCOUNT_POLLED) != 0)
        /* relaxed: stored before the mark, which wake has acquired. */
        pawl_fd_write(pawl_load_relaxed(&end->fd));
}

/* Leave a mark, and look. */
static bool leave(const pawl_wait_item *item, uint64_t mark,
                  struct pawl_watch *watch)
{
    struct pawl_end *end = item->object_;
    pawl_wait_item copy = *item;

    pawl_eventcount_watch(&end->waiters, mark, watch);
    return item->how_->look(&copy, false) == -EAGAIN;
}

bool pawl_end_watch(const pawl_wait_item *item, struct pawl_watch *watch)
{
    return leave(item, PAWL_EVENTCOUNT_WATCHED, watch);
}

bool pawl_end_arm(const pawl_wait_item *item)
{
    struct pawl_watch unused;

    return leave(item, PAWL_EVENTCOUNT_POLLED, &unused);
}

pawl_u32 *pawl_end_fd(const pawl_wait_item *item)
{
    struct pawl_end *end = item->object_;

    return (end->waiters.mode_ & PAWL_SHARED) != 0 ? NULL : &end->fd;
}
