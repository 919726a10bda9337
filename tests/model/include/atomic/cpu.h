/* SPDX-License-Identifier: MIT
 *
 * The explorer's place of src/atomic/cpu.h.
 */
#ifndef PAWL_ATOMIC_CPU_H
#define PAWL_ATOMIC_CPU_H

#include <stdbool.h>

#include "seam.h"

static inline void pawl_cpu_relax(void)
{
    model_pause();
}

/* Others may go on; how long it takes means nothing here. */
static inline void pawl_cpu_relax_for(unsigned pauses)
{
    (void)pauses;
    model_pause();
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
    return true;
}

#endif /* PAWL_ATOMIC_CPU_H */
