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

static inline bool pawl_cpu_has_pairs(void)
{
    return true;
}

#endif /* PAWL_ATOMIC_CPU_H */
