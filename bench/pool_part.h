/* SPDX-License-Identifier: MIT
 *
 * pool_part.h - what the jobs of bench_pool.c and bench_pool_cxx.cc do: some of
 * the indices of a loop.
 */
#ifndef PAWL_BENCH_POOL_PART_H
#define PAWL_BENCH_POOL_PART_H

#include <sched.h>

#include "bench.h"

struct pool_part {
    uint64_t turns; /* of work for each index */
    size_t begin;
    size_t end;
    uint64_t *values; /* of the whole loop: the result for index i; or NULL */
};

/* The body of the loops, and its result. */
static inline uint64_t pool_value(uint64_t turns, size_t i)
{
    bench_work(turns);
    return 3 * (uint64_t)i + 1;
}

static inline void pool_do_part(const struct pool_part *part)
{
    for (size_t i = part->begin; i < part->end; i++) {
        uint64_t value = pool_value(part->turns, i);

        if (part->values != NULL)
            part->values[i] = value;
    }
}

/* The sum of all results. */
static inline uint64_t pool_sum(const struct pool_part *all)
{
    uint64_t sum = 0;

    for (size_t i = all->begin; i < all->end; i++)
        sum += all->values[i];
    return sum;
}

/* The calling thread to the n-th of these CPUs. */
static inline void pool_pin(const cpu_set_t *cpus, unsigned n)
{
    cpu_set_t one;
    CPU_ZERO(&one);
    for (unsigned cpu = 0; cpu < CPU_SETSIZE; cpu++)
        if (CPU_ISSET(cpu, cpus) && n-- == 0)
            CPU_SET(cpu, &one);
    BENCH_CHECK(sched_setaffinity(0, sizeof(one), &one) == 0);
}

#endif /* PAWL_BENCH_POOL_PART_H */
