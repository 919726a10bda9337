/* SPDX-License-Identifier: MIT
 *
 * undo.c - see undo.h.
 */
#include "thread/undo.h"

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

static void look_at(pid_t tid, struct pawl_inheritance *has)
{
    struct attr a = {.size = sizeof a};

    CPU_ZERO(&has->cpus);
    /* By the number: libc's answers differ in what is behind the last CPU. */
    has->cpus_known =
        syscall(SYS_sched_getaffinity, tid, sizeof has->cpus, &has->cpus) > 0;
    has->policy = -1;
    if (syscall(SYS_sched_getattr, tid, &a, sizeof a, 0) == 0) {
        has->policy = (int)a.policy;
        has->nice = a.nice;
        has->priority = a.priority;
    }
}

static bool make_it_so(const struct pawl_inheritance *now,
                       const struct pawl_inheritance *want)
{
    bool done = true;

    if (want->cpus_known && now->cpus_known &&
        !CPU_EQUAL(&want->cpus, &now->cpus))
        done = sched_setaffinity(0, sizeof want->cpus, &want->cpus) == 0;
    if (want->policy >= 0 && now->policy >= 0 &&
        (want->policy != now->policy || want->nice != now->nice ||
         want->priority != now->priority)) {
        struct attr a = {.size = sizeof a,
                         .policy = (uint32_t)want->policy,
                         .nice = want->nice,
                         .priority = want->priority};

        done = syscall(SYS_sched_setattr, 0, &a, 0) == 0 && done;
    }
    return done;
}

uint64_t pawl_undo_blocked(void)
{
    sigset_t set;
    uint64_t signals;

    sigemptyset(&set);
    pthread_sigmask(SIG_BLOCK, NULL, &set);
    memcpy(&signals, &set, sizeof signals); /* the bytes that there are */
    return signals;
}

void pawl_undo_remember(struct pawl_inheritance *has)
{
    has->signals = pawl_undo_blocked();
    look_at(0, has);
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

    look_at(0, &now);
    return make_it_so(&now, has);
}

void pawl_undo_inherit(struct pawl_inheritance *has, uint64_t signals,
                       uint32_t starter, bool all)
{
    struct pawl_inheritance want;

    if (has->signals != signals) {
        has->signals = signals;
        pawl_undo_signals(has);
    }
    if (!all)
        return;
    look_at((pid_t)starter, &want);
    make_it_so(has, &want);
    if (want.cpus_known)
        has->cpus = want.cpus;
    if (want.policy >= 0) {
        has->policy = want.policy;
        has->nice = want.nice;
        has->priority = want.priority;
    }
}
