/* SPDX-License-Identifier: MIT
 *
 * undo.c - see undo.h.
 */
#include "thread/undo.h"

#include <errno.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

/* As in <linux/sched/types.h>, which does not go together with <sched.h>. */
struct attr {
    uint32_t size;
    uint32_t policy;
    uint64_t flags;
    int32_t nice;
    uint32_t priority;
    uint64_t runtime, deadline, period;
};

static uint64_t blocked(void)
{
    sigset_t set;
    uint64_t signals;

    sigemptyset(&set);
    pthread_sigmask(SIG_BLOCK, NULL, &set);
    memcpy(&signals, &set, sizeof signals); /* the bytes that there are */
    return signals;
}

static void look_at_cpus(struct pawl_inheritance *has)
{
    int saved = errno; /* pawl never changes errno */

    CPU_ZERO(&has->cpus);
    /* By the number: libc's answers differ in what is behind the last CPU. */
    has->cpus_known =
        syscall(SYS_sched_getaffinity, 0, sizeof has->cpus, &has->cpus) > 0;
    errno = saved;
}

static void look_at_scheduling(struct pawl_inheritance *has)
{
    struct attr a = {.size = sizeof a};
    int saved = errno; /* as above */

    has->policy = -1;
    if (syscall(SYS_sched_getattr, 0, &a, sizeof a, 0) == 0) {
        has->policy = (int)a.policy;
        has->nice = a.nice;
        has->priority = a.priority;
    }
    errno = saved;
}

static bool other_cpus(const struct pawl_inheritance *has,
                       const struct pawl_inheritance *wants)
{
    return wants->cpus_known && has->cpus_known &&
           !CPU_EQUAL(&wants->cpus, &has->cpus);
}

static bool other_scheduling(const struct pawl_inheritance *has,
                             const struct pawl_inheritance *wants)
{
    return wants->policy >= 0 && has->policy >= 0 &&
           (wants->policy != has->policy || wants->nice != has->nice ||
            wants->priority != has->priority);
}

static bool make_it_so(const struct pawl_inheritance *has,
                       const struct pawl_inheritance *wants)
{
    bool done = true;

    if (other_cpus(has, wants))
        done = sched_setaffinity(0, sizeof wants->cpus, &wants->cpus) == 0;
    if (other_scheduling(has, wants)) {
        struct attr a = {.size = sizeof a,
                         .policy = (uint32_t)wants->policy,
                         .nice = wants->nice,
                         .priority = wants->priority};

        done = syscall(SYS_sched_setattr, 0, &a, 0) == 0 && done;
    }
    return done;
}

void pawl_undo_remember(struct pawl_inheritance *has)
{
    has->signals = blocked();
    look_at_cpus(has);
    look_at_scheduling(has);
}

void pawl_undo_signals(const struct pawl_inheritance *has)
{
    sigset_t set;

    sigemptyset(&set);
    memcpy(&set, &has->signals, sizeof has->signals);
    pthread_sigmask(SIG_SETMASK, &set, NULL);
}

bool pawl_undo_all(const struct pawl_inheritance *has)
{
    struct pawl_inheritance now;

    look_at_cpus(&now);
    look_at_scheduling(&now);
    return make_it_so(&now, has);
}

void pawl_undo_look(struct pawl_inheritance *mine)
{
    mine->signals = blocked();
    look_at_cpus(mine);
    mine->policy = -1;
}

bool pawl_undo_bequeath(const struct pawl_inheritance *has,
                        struct pawl_inheritance *mine, bool all)
{
    if (all)
        look_at_scheduling(mine);
    return mine->signals != has->signals || other_cpus(has, mine) ||
           other_scheduling(has, mine);
}

void pawl_undo_inherit(struct pawl_inheritance *has,
                       const struct pawl_inheritance *wants)
{
    if (has->signals != wants->signals)
        pawl_undo_signals(wants);
    make_it_so(has, wants);
    has->signals = wants->signals;
    if (wants->cpus_known)
        has->cpus = wants->cpus;
    if (wants->policy >= 0) {
        has->policy = wants->policy;
        has->nice = wants->nice;
        has->priority = wants->priority;
    }
}
