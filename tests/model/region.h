/* SPDX-License-Identifier: MIT
 *
 * region.h - memory where threads have lifelines: what locks see of a region.
 *
 *     static struct {
 *         MODEL_REGION_TABLE;
 *         pawl_mutex m;
 *     } s;
 *
 *     static void setup(void)
 *     {
 *         memset(&s, 0, sizeof s);
 *         model_region(&s, sizeof s);
 *     }
 *
 * The threads of the scenario have their slots from the beginning, in their order;
 * one more slot is that of who looks at the end: model_region_at_end.
 */
#ifndef MODEL_REGION_H
#define MODEL_REGION_H

#include "futex/lifeline.h"
#include "model.h"

#define MODEL_REGION_SLOTS 4
#define MODEL_REGION_TABLE                                                     \
    _Alignas(4096) unsigned char                                               \
        table_[sizeof(struct pawl_participants) +                              \
               (MODEL_REGION_SLOTS + 1) * sizeof(struct pawl_slot)]

/* Begin a region in zeroed memory, with its table in front.  One at a time. */
void model_region(void *memory, size_t bytes);

/* Alone: act as a thread of the scenario; in a check, as one that has taken part in
 * nothing. */
void model_as(uint32_t thread, void (*act)(void));
void model_region_at_end(void (*check)(void));

/* Whether the thread has been killed, as its lifeline says.  Nobody is told by that;
 * but who awaits it is. */
bool model_region_died(int thread);
void model_region_await_death(int thread);

#endif /* MODEL_REGION_H */
