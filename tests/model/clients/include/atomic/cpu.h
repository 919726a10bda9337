/* SPDX-License-Identifier: MIT
 *
 * For the clients: no instructions of a certain processor.
 */
#ifndef PAWL_ATOMIC_CPU_H
#define PAWL_ATOMIC_CPU_H

#include <stdbool.h>

static inline void pawl_cpu_relax(void)
{
}

static inline void pawl_cpu_relax_for(unsigned pauses)
{
    (void)pauses;
}

static inline void pawl_cpu_expect_to_write(const void *p)
{
    (void)p;
}

static inline void pawl_cpu_expect_to_read(const void *p)
{
    (void)p;
}

static inline bool pawl_cpu_has_pairs(void)
{
    return false;
}

#endif /* PAWL_ATOMIC_CPU_H */
