/* SPDX-License-Identifier: MIT
 *
 * The explorer's place of src/atomic/cpu.h.
 */
#ifndef PAWL_ATOMIC_CPU_H
#define PAWL_ATOMIC_CPU_H

#include "seam.h"

static inline void pawl_cpu_relax(void)
{
    model_pause();
}

#endif /* PAWL_ATOMIC_CPU_H */
