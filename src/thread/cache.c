/* SPDX-License-Identifier: MIT
 *
 * cache.c - see cache.h.
 */
#include "thread/cache.h"

#include "atomic/cpu.h"
#include "atomic/ops.h"
#include "base/compiler.h"

/* More threads than that do not start and end again and again at one time on
 * any but the largest machines; each costs a stack and a struct. */
#define PLACES 64

static struct {
    pawl_u64 last;   /* the one that came last */
    pawl_u32 unused; /* of the PLACES */
} __attribute__((aligned(PAWL_CACHE_LINE))) head;
static pawl_u64 places[PLACES - 1] __attribute__((aligned(PAWL_CACHE_LINE)));

static uint32_t in_use(void)
{
    return PLACES - pawl_load_seq(&head.unused); /* seq_cst: pairs with limit */
}

void pawl_cache_expect(void)
{
    pawl_cpu_expect_to_write(&head);
}

bool pawl_cache_is_on(void)
{
    return in_use() != 0;
}

struct pawl_carrier *pawl_cache_put(struct pawl_carrier *c)
{
    uint32_t n = in_use();
    uint64_t other;

    if (n == 0)
        return c;
    /* seq_cst: a release, which pairs with the takes, for all in the carrier;
     * and an acquire of the other one, which is passed on. */
    other = pawl_swap64_seq(&head.last, (uintptr_t)c);
    for (uint32_t i = 0; other != 0 && i < n - 1; i++) {
        uint64_t empty = 0;

        /* relaxed: a hint.  seq_cst: as above. */
        if (pawl_load64_relaxed(&places[i]) == 0 &&
            pawl_cas64_seq(&places[i], &empty, other))
            other = 0;
    }
    return (struct pawl_carrier *)(uintptr_t)other;
}

struct pawl_carrier *pawl_cache_take(void)
{
    uint64_t c = 0;

    /* seq_cst: pairs with put, and with limit: what was put before the cache was
     * switched off is found after that.  The swap is an acquire too. */
    if (pawl_load64_seq(&head.last) != 0)
        c = pawl_swap64_seq(&head.last, 0);
    for (uint32_t i = 0; c == 0 && i < PLACES - 1; i++) {
        uint64_t seen = pawl_load64_seq(&places[i]); /* seq_cst: as above */

        /* acquire: pairs with put. */
        if (seen != 0 && pawl_cas64_acquire(&places[i], &seen, 0))
            c = seen;
    }
    return (struct pawl_carrier *)(uintptr_t)c;
}

bool pawl_cache_take_this(struct pawl_carrier *c)
{
    uint64_t seen = (uintptr_t)c;
    bool taken;

    /* relaxed: nobody has touched it. */
    taken = pawl_cas64_relaxed(&head.last, &seen, 0);
    for (uint32_t i = 0; !taken && i < PLACES - 1; i++) {
        seen = (uintptr_t)c;
        taken =
            pawl_cas64_relaxed(&places[i], &seen, 0); /* relaxed: as above */
    }
    return taken;
}

bool pawl_cache_is_last(const struct pawl_carrier *c)
{
    /* relaxed: a hint. */
    return pawl_load64_relaxed(&head.last) == (uintptr_t)c;
}

uint32_t pawl_cache_limit(uint32_t n)
{
    uint32_t before = in_use();

    /* seq_cst: pairs with in_use and take. */
    pawl_store_seq(&head.unused, PLACES - (n < PLACES ? n : PLACES));
    return before;
}

void pawl_cache_clear(void)
{
    pawl_store64_relaxed(&head.last, 0); /* relaxed: alone */
    for (uint32_t i = 0; i < PLACES - 1; i++)
        pawl_store64_relaxed(&places[i], 0); /* relaxed: alone */
}
