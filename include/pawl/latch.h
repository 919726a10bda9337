/* SPDX-License-Identifier: MIT
 *
 * pawl/latch.h - the latch: a count that goes down to zero once, and threads
 * that wait for that.
 *
 *    31         30                                                0
 *   +----------+---------------------------------------------------+
 *   | SLEEPERS |  what is still to be counted                       |
 *   +----------+---------------------------------------------------+
 *
 * Memory: count_down touches *l for the last time in its atomic operation, so
 * a thread that has waited may free it.
 *
 * Since 0.1.
 */
#ifndef PAWL_LATCH_H
#define PAWL_LATCH_H

#include <pawl/base.h>
#include <pawl/time.h>

PAWL_BEGIN_DECLS

/* All zero bytes is a valid local latch that is already open. */
typedef struct pawl_latch {
    pawl_u32 word_;
    uint32_t mode_; /* constant after init */
} pawl_latch;

#define PAWL_LATCH_MAX INT32_MAX

/* `count` must be 0..PAWL_LATCH_MAX. */
#define PAWL_LATCH_INIT(count) PAWL_LATCH_INIT_FLAGS(count, 0)
/* The same with PAWL_SHARED as a flag. */
#define PAWL_LATCH_INIT_FLAGS(count, flags)                                    \
    {                                                                          \
        {PAWL_CAST_(uint32_t, count)}, PAWL_CAST_(uint32_t, flags)                                 \
    }

/* Returns 0;  -EINVAL count outside 0..PAWL_LATCH_MAX, or unknown flags. */
PAWL_API int pawl_latch_init(pawl_latch *l, int count, unsigned flags);

/* Subtract n; who reaches zero releases everybody.
 *
 * Returns    0;  -EINVAL n < 0;  -EOVERFLOW fewer than n are left: unchanged.
 * Order      release: pairs with the acquire of wait.
 * Progress   lock-free, but for one futex wake at zero if somebody sleeps.
 * Contexts   any, signal handlers included.
 */
PAWL_API int pawl_latch_count_down(pawl_latch *l, int n);

/* Wait until the count is zero.
 *
 * Returns    0;  -ETIMEDOUT.
 * Order      acquire.
 * Progress   blocking.
 */
PAWL_API PAWL_NODISCARD int pawl_latch_wait_until(pawl_latch *l,
                                                  pawl_deadline until);
PAWL_API int pawl_latch_wait(pawl_latch *l);
/* -EAGAIN while the count is not zero. */
PAWL_API PAWL_NODISCARD int pawl_latch_try_wait(pawl_latch *l);

/* count_down(l, 1), then wait.  Returns as both; on -EOVERFLOW no waiting. */
PAWL_API PAWL_NODISCARD int pawl_latch_arrive_and_wait(pawl_latch *l,
                                                       pawl_deadline until);

/* What is left: a snapshot. */
PAWL_API int pawl_latch_count(const pawl_latch *l);

PAWL_END_DECLS

#endif /* PAWL_LATCH_H */
