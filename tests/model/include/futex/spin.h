/* SPDX-License-Identifier: MIT
 *
 * The explorer's place of src/futex/spin.h: no learning and no clocks.  A spin
 * looks as often as the scenario says, or nobody spins.
 */
#ifndef PAWL_FUTEX_SPIN_H
#define PAWL_FUTEX_SPIN_H

#include <stdbool.h>
#include <stdint.h>

#include "futex/self.h"
#include "seam.h"

struct pawl_spin {
    uint32_t spent;
    uint32_t budget;
    uint32_t step;
    uint32_t patience;
};

extern uint32_t model_spin;      /* looks; 0: nobody spins */
extern uint32_t model_spin_cpus; /* what pawl_spin_cpus says */

static inline uint32_t pawl_spin_cpus(void)
{
    return model_spin_cpus;
}

static inline bool pawl_spin_begins(struct pawl_spin *s,
                                    enum pawl_spin_kind kind)
{
    (void)kind;
    *s = (struct pawl_spin){.budget = model_spin, .step = 1, .patience = 1};
    return model_spin != 0;
}

static inline bool pawl_spin_begins_unnamed(struct pawl_spin *s,
                                            enum pawl_spin_kind kind)
{
    return pawl_spin_begins(s, kind);
}

static inline bool pawl_spin_begins_beside(struct pawl_spin *s,
                                           enum pawl_spin_kind kind)
{
    return pawl_spin_begins(s, kind);
}

static inline bool pawl_spin_begins_among(struct pawl_spin *s,
                                          enum pawl_spin_kind kind,
                                          uint32_t threads)
{
    (void)threads;
    return pawl_spin_begins(s, kind);
}

static inline bool pawl_spin_again(struct pawl_spin *s)
{
    if (s->spent >= s->budget)
        return false;
    model_pause();
    s->spent += s->step;
    return true;
}

static inline bool pawl_spin_patiently(enum pawl_spin_kind kind)
{
    struct pawl_spin s;

    return pawl_spin_begins(&s, kind) && pawl_spin_again(&s);
}

static inline void pawl_spin_ends(struct pawl_spin *s, bool paid)
{
    (void)s;
    (void)paid;
}

#endif /* PAWL_FUTEX_SPIN_H */
