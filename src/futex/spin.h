/* SPDX-License-Identifier: MIT
 *
 * spin.h - the one policy of waiting: spin as long as it pays, then sleep.
 *
 * Waking a sleeper costs the waker a system call and the sleeper tens of
 * microseconds; a spinner notices within one cache miss.  So a wait spins
 * first, for at most about what a sleep would cost.  How long is learned per
 * thread and per kind of wait: a spin that paid leaves twice what it took, and
 * half of the full budget at least; one that did not halves the budget, and now
 * and then a wait tries the full budget again.  Nobody spins where only one CPU is
 * allowed to the process; they are counted again, and more are believed, as often
 * as a wait in vain would try the full budget again.
 *
 * Where more threads must run than there are CPUs, as at a barrier, pausing
 * cannot help; there a wait gives its CPU away a few times before it sleeps,
 * which costs half as much as a sleep and a wake.
 *
 * PAWL_SPIN, read once: the full budget in nanoseconds; 0 forbids spinning.
 *
 *     struct pawl_spin spin;
 *
 *     if (pawl_spin_begins(&spin, PAWL_SPIN_EVENT)) {
 *         bool paid;
 *
 *         while (!(paid = is_ready()) && pawl_spin_again(&spin))
 *             ;
 *         pawl_spin_ends(&spin, paid);
 *     }
 */
#ifndef PAWL_FUTEX_SPIN_H
#define PAWL_FUTEX_SPIN_H

#include <sched.h>
#include <stdbool.h>
#include <stdint.h>

#include "atomic/cpu.h"
#include "futex/self.h"

struct pawl_spin {
    uint32_t spent;  /* pauses, or yields, so far */
    uint32_t budget; /* pauses, or yields, allowed */
    uint32_t full;   /* the most that can be allowed */
    uint32_t least;  /* ... and the least, after a spin that paid */
    uint32_t step;   /* pauses before the next look */
    uint32_t patience; /* pauses in which a short section ends: see spin.c */
    bool yields;
    struct pawl_spin_memory *memory;
};

/* CPUs that the process may use: at least 1. */
uint32_t pawl_spin_cpus(void);
/* The same, counted anew. */
uint32_t pawl_spin_count_cpus(void);

/* Whether to spin at all. */
bool pawl_spin_begins(struct pawl_spin *s, enum pawl_spin_kind kind);

/* The same for a thread of pawl's that waits without having to say who it is. */
bool pawl_spin_begins_unnamed(struct pawl_spin *s, enum pawl_spin_kind kind);

/* The same for a wait for one thread, of another process maybe, which is on a CPU
 * that is not the caller's: no matter how many this process may use. */
bool pawl_spin_begins_beside(struct pawl_spin *s, enum pawl_spin_kind kind);

/* The same for a wait that ends only when `threads` threads, the caller
 * included, have run. */
bool pawl_spin_begins_among(struct pawl_spin *s, enum pawl_spin_kind kind,
                            uint32_t threads);

/* Pause once more; false when the budget is spent. */
static inline bool pawl_spin_again(struct pawl_spin *s)
{
    if (s->spent >= s->budget)
        return false;
    if (s->yields)
        sched_yield();
    else
        for (uint32_t i = 0; i < s->step; i++)
            pawl_cpu_relax();
    s->spent += s->step;
    return true;
}

/* Pause once for the length of a short section.  False: do not spin. */
bool pawl_spin_patiently(enum pawl_spin_kind kind);

/* What was waited for came about in time, or not. */
void pawl_spin_ends(struct pawl_spin *s, bool paid);

#endif /* PAWL_FUTEX_SPIN_H */
