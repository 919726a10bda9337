/* SPDX-License-Identifier: MIT
 *
 * For the clients: nobody spins.
 */
#ifndef PAWL_FUTEX_SPIN_H
#define PAWL_FUTEX_SPIN_H

#include <stdbool.h>
#include <stdint.h>

#include "futex/self.h"

struct pawl_spin {
    uint32_t spent;
    uint32_t step;
    uint32_t patience;
};

static inline uint32_t pawl_spin_cpus(void)
{
    return 1;
}

static inline bool pawl_spin_begins(struct pawl_spin *s,
                                    enum pawl_spin_kind kind)
{
    *s = (struct pawl_spin){.step = (uint32_t)kind};
    return false;
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

static inline bool pawl_spin_again(const struct pawl_spin *s)
{
    (void)s;
    return false;
}

static inline bool pawl_spin_patiently(enum pawl_spin_kind kind)
{
    (void)kind;
    return false;
}

static inline void pawl_spin_ends(const struct pawl_spin *s, bool paid)
{
    (void)s;
    (void)paid;
}

#endif /* PAWL_FUTEX_SPIN_H */
