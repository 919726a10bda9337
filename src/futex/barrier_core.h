/* SPDX-License-Identifier: MIT
 *
 * barrier_core.h - waiting at a barrier without breaking it.
 */
#ifndef PAWL_FUTEX_BARRIER_CORE_H
#define PAWL_FUTEX_BARRIER_CORE_H

#include <pawl/barrier.h>

/* Wait until the generation of the ticket has ended, by which pawl_barrier_try_finish
 * then says.  0;  -ETIMEDOUT not yet: unchanged. */
int pawl_barrier_await(pawl_barrier *b, pawl_barrier_ticket ticket,
                       pawl_deadline until);

#endif /* PAWL_FUTEX_BARRIER_CORE_H */
