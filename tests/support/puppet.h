/* SPDX-License-Identifier: MIT
 *
 * tests/support/puppet.h - threads that do one call at a time, as they are
 * told, so that a test can lay down who comes when.
 *
 *     struct puppet p;
 *
 *     puppet_begin(&p);
 *     puppet_do(&p, write_lock, &rw, PAWL_FOREVER);
 *     puppet_until_asleep(&p);            it waits for the lock
 *     CHECK_OK(pawl_rwlock_read_unlock(&rw));
 *     CHECK_OK(puppet_result(&p));        it has got it
 *     puppet_end(&p);
 *
 * A puppet that is ended ends its thread, whatever it holds: so threads die.
 * Between two calls it sleeps in a read, never in a futex wait.
 */
#ifndef PAWL_TEST_PUPPET_H
#define PAWL_TEST_PUPPET_H

#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <pawl/time.h>

#include "test.h"

#define PUPPET_INLINE __attribute__((unused)) static

/* What a puppet is told to do. */
typedef int (*puppet_fn)(void *object, pawl_deadline until);

struct puppet {
    struct test_thread *thread;
    int orders[2];  /* pipes: one byte per order, */
    int reports[2]; /* one per result */
    puppet_fn fn;
    void *object;
    pawl_deadline until;
    int result;
    _Atomic int state; /* of its call */
};

enum { PUPPET_IDLE, PUPPET_CALLS, PUPPET_HAS_RESULT };

PUPPET_INLINE void puppet_main_(void *arg)
{
    struct puppet *p = arg;
    char byte = 0;

    while (read(p->orders[0], &byte, 1) == 1 && p->fn != NULL) {
        atomic_store(&p->state, PUPPET_CALLS);
        p->result = p->fn(p->object, p->until);
        atomic_store(&p->state, PUPPET_HAS_RESULT);
        CHECK_EQ(write(p->reports[1], &byte, 1), 1);
    }
}

PUPPET_INLINE void puppet_begin(struct puppet *p)
{
    memset(p, 0, sizeof *p);
    CHECK_EQ(pipe(p->orders), 0);
    CHECK_EQ(pipe(p->reports), 0);
    p->thread = test_thread(puppet_main_, p);
}

/* Have it call fn(object, until); returns when it has begun. */
PUPPET_INLINE void puppet_do(struct puppet *p, puppet_fn fn, void *object,
                             pawl_deadline until)
{
    char byte = 0;

    p->fn = fn;
    p->object = object;
    p->until = until;
    atomic_store(&p->state, PUPPET_IDLE);
    CHECK_EQ(write(p->orders[1], &byte, 1), 1);
    /* relaxed: must not order what the test is about. */
    while (fn != NULL &&
           atomic_load_explicit(&p->state, memory_order_relaxed) == PUPPET_IDLE)
        sched_yield();
}

/* Return when its call is asleep in a futex wait. */
PUPPET_INLINE void puppet_until_asleep(struct puppet *p)
{
    test_until_asleep(test_tid(p->thread));
}

/* What its call returned; waits for that. */
PUPPET_INLINE int puppet_result(struct puppet *p)
{
    char byte = 0;

    CHECK_EQ(read(p->reports[0], &byte, 1), 1);
    atomic_store(&p->state, PUPPET_IDLE);
    return p->result;
}

/* Whether its call has returned, and nobody has asked for the result yet. */
PUPPET_INLINE bool puppet_has_result(struct puppet *p)
{
    /* relaxed: as in puppet_do; puppet_result orders. */
    return atomic_load_explicit(&p->state, memory_order_relaxed) ==
           PUPPET_HAS_RESULT;
}

/* One of n puppets that has a result; waits until there is one. */
PUPPET_INLINE int puppets_first(struct puppet *ps, int n)
{
    for (int i = 0;; i = (i + 1) % n) {
        if (puppet_has_result(&ps[i]))
            return i;
        sched_yield();
    }
}

PUPPET_INLINE int puppet_call(struct puppet *p, puppet_fn fn, void *object)
{
    puppet_do(p, fn, object, PAWL_FOREVER);
    return puppet_result(p);
}

/* End its thread. */
PUPPET_INLINE void puppet_end(struct puppet *p)
{
    puppet_do(p, NULL, NULL, 0);
    test_join(p->thread);
    for (int i = 0; i < 2; i++) {
        close(p->orders[i]);
        close(p->reports[i]);
    }
}

PUPPET_INLINE void puppets_begin(struct puppet *ps, int n)
{
    for (int i = 0; i < n; i++)
        puppet_begin(&ps[i]);
}

PUPPET_INLINE void puppets_end(struct puppet *ps, int n)
{
    for (int i = 0; i < n; i++)
        puppet_end(&ps[i]);
}

/* ---- signals that interrupt waits ---------------------------------------- */

PUPPET_INLINE _Atomic int interruptions_;

PUPPET_INLINE void count_interruption_(int number)
{
    (void)number;
    atomic_fetch_add(&interruptions_, 1);
}

/* Have SIGUSR1 do nothing but interrupt system calls. */
PUPPET_INLINE void allow_interruptions(void)
{
    struct sigaction action;

    memset(&action, 0, sizeof action);
    action.sa_handler = count_interruption_; /* and no SA_RESTART */
    CHECK_EQ(sigaction(SIGUSR1, &action, NULL), 0);
}

/* Interrupt the sleep of a thread of this process; returns when its handler
 * has run. */
PUPPET_INLINE void interrupt(pid_t tid)
{
    int before = atomic_load(&interruptions_);

    CHECK_EQ(syscall(SYS_tgkill, getpid(), tid, SIGUSR1), 0);
    while (atomic_load(&interruptions_) == before)
        sched_yield();
}

#endif /* PAWL_TEST_PUPPET_H */
