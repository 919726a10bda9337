/* SPDX-License-Identifier: MIT
 *
 * self.h - who the calling thread is, and who else is alive.
 *
 * A thread has two ids, both below 2^30 and never 0, cached in thread-local
 * storage so that a lock reads its holder's name with one load:
 *
 *   local id   names a record in a table of this process.  It survives a fork
 *              in the thread that forked, which therefore still holds its local
 *              locks in the child; all other records die there, so that the
 *              locks of vanished threads are found ownerless.
 *   shared id  the kernel's thread id, which other processes see too.  A forked
 *              child gets another, so it does not hold its parent's locks.
 *
 *   local id:   29            28 ........ 15   14 ........ 0
 *              +------------+----------------+--------------+
 *              | no record  |   generation   |     slot     |
 *              +------------+----------------+--------------+
 *
 * A slot is used again with the next generation.  64 slots are kept in rotation
 * at least, so an id comes back after 2^20 threads at the earliest (less 2^12:
 * see LATE_GENERATIONS in self.c): a lock that was abandoned by a dead thread,
 * and not touched since, could then be taken for one held by its namesake.  When
 * the table is full or memory is short, a thread goes without a record and uses
 * its kernel id with the top bit set: it is then taken to be alive for ever.
 */
#ifndef PAWL_FUTEX_SELF_H
#define PAWL_FUTEX_SELF_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <pawl/base.h>

#include "base/compiler.h"

#define PAWL_ID_BITS 30
#define PAWL_ID_MASK ((UINT32_C(1) << PAWL_ID_BITS) - 1)

/* Ids from here up name nobody; locks use them for states of their own. */
#define PAWL_ID_SPECIAL UINT32_C(0x3ffffff0)

enum pawl_spin_kind {
    PAWL_SPIN_MUTEX,
    PAWL_SPIN_COND,
    PAWL_SPIN_SEM,
    PAWL_SPIN_EVENT,
    PAWL_SPIN_BARRIER,
    PAWL_SPIN_RWLOCK,
    PAWL_SPIN_QUEUE,
    PAWL_SPIN_WAIT, /* on several objects */
    PAWL_SPIN_FUTURE,
    PAWL_SPIN_JOIN, /* for the end of a thread */
    PAWL_SPIN_PARK, /* for a thread to run */
    PAWL_SPIN_POOL, /* for a task */
    PAWL_SPIN_PIPE, /* for a message, or room for one */
    PAWL_SPIN_YIELD, /* where threads outnumber CPUs */
    PAWL_SPIN_KINDS,
};

/* What a thread has learned about one kind of wait: see spin.c. */
struct pawl_spin_memory {
    uint16_t budget; /* pauses worth trying, +1; 0 = never waited */
    uint16_t misses; /* waits since the last spin that paid */
};

struct pawl_record;
struct pawl_cond;
struct pawl_mutex;

/* A notify whose wake the unlock of the mutex will make: see cond.c. */
struct pawl_deferred_wake {
    struct pawl_mutex *mutex; /* NULL: none */
    struct pawl_cond *cond;
    uint32_t expected; /* its word */
    int count;         /* sleepers to wake or move */
};

struct pawl_participants;

/* What a thread remembers of where shared objects lie: see realm.h. */
struct pawl_near {
    uintptr_t base; /* a stretch of addresses; none if bytes is 0 */
    size_t bytes;
    struct pawl_participants *table; /* NULL: no realm */
    uint32_t id;                     /* the thread's, there; 0: none yet */
    uint32_t changes;                /* of the list, when that was looked up */
};

/* How somebody can call a thread off its sleep: see pawl_uninterruptible_begin,
 * and sys.c for how it sleeps. */
struct pawl_interrupt {
    pawl_u64 stop; /* PAWL_STOP | something that changes when it is set anew */
    pawl_u64 bed;  /* the word slept on [| PAWL_BED_SHARED]; 0: needs no wake */
};
#define PAWL_STOP UINT64_C(1)
#define PAWL_BED_SHARED UINT64_C(1)

/* A thread inside more actions at once waits for the outer ones in vain instead
 * of being told. */
#define PAWL_ACTIONS_KEPT 4

struct pawl_self {
    uint32_t local_id;  /* 0: not known yet */
    uint32_t shared_id; /* 0: not known yet, or forgotten after a fork */
    struct pawl_record *record; /* NULL: none */
    struct pawl_near near;
    struct {
        const void *lock; /* whose last release has woken nobody, ... */
        uint64_t word;    /* ... and left that */
    } vain;
    struct pawl_deferred_wake deferred;
    const void *acting[PAWL_ACTIONS_KEPT]; /* barriers whose action it runs */
    uint32_t actions;                      /* how many those are */
    struct pawl_spin_memory spin[PAWL_SPIN_KINDS];
    uint32_t turn; /* where a wait set begins to look: see wait.c */
    uint32_t interruptible; /* calls that a stop ends, one in another */
    bool interrupted;       /* ... and it has: their sleep reported a time-out */
    bool must_lock;         /* its wait for a lock cannot fail: see deadlock.h */
    struct pawl_interrupt *interrupt; /* not NULL if interruptible */
};

extern _Thread_local struct pawl_self pawl_self_;

PAWL_COLD uint32_t pawl_self_register_local(void);
PAWL_COLD uint32_t pawl_self_register_shared(void);

static inline uint32_t pawl_self_local(void)
{
    uint32_t id = pawl_self_.local_id;

    return pawl_likely(id != 0) ? id : pawl_self_register_local();
}

static inline uint32_t pawl_self_shared(void)
{
    uint32_t id = pawl_self_.shared_id;

    return pawl_likely(id != 0) ? id : pawl_self_register_shared();
}

static inline uint32_t pawl_self_id(bool shared)
{
    return shared ? pawl_self_shared() : pawl_self_local();
}

/* The thread that this OS thread has run has ended, but the OS thread goes on (or
 * comes to its own end): what the thread held is ownerless, as if the OS thread
 * had ended.  If it goes on, it is another from now on. */
void pawl_self_ends(bool goes_on);

/* In calls that a stop ends (pawl/thread.h), a sleep reports a time-out once the
 * thread has been asked to stop.  Between these two it does not: for waits that
 * cannot fail, and for functions of the user's.  Returns what the other takes. */
static inline uint32_t pawl_uninterruptible_begin(void)
{
    uint32_t calm = pawl_self_.interruptible;

    pawl_self_.interruptible = 0;
    return calm;
}

static inline void pawl_uninterruptible_end(uint32_t calm)
{
    pawl_self_.interruptible = calm;
}

/* Make the wake that this thread, which ends, has deferred.  In cond.c. */
void pawl_cond_flush_deferred(void);

/* How many forks lie between the first process and this one, modulo 64.  Marks
 * that a thread leaves in a local object carry it: one with another number was
 * left by a thread that does not exist in this process. */
#define PAWL_FORK_BITS 6
#define PAWL_FORK_MASK ((1u << PAWL_FORK_BITS) - 1)
extern uint32_t pawl_fork_count_; /* written in a fork's child, when alone */

static inline uint32_t pawl_fork_mark(bool shared)
{
    return shared ? 0 : pawl_fork_count_ & PAWL_FORK_MASK;
}

/* Whether the thread with this id can still act.  False is final. */
bool pawl_thread_alive(uint32_t local_id);

/* The kernel id behind a local id, or 0 if it is dead or unknown. */
uint32_t pawl_thread_tid(uint32_t local_id);

/* Whether that thread last ran on the caller's CPU, so that it cannot run while
 * the caller spins.  False when not known. */
bool pawl_thread_is_here(uint32_t local_id);

/* Dying threads look after those who wait for them.  Call before sleeping on a
 * local object that `holder_id` may hold, after marking the object's word with
 * the sleeper; then ask pawl_thread_alive once more.  When a thread dies, it
 * calls bury(object, its id) for every announcement: that must make the
 * sleepers look again if the dead thread is the holder, and do nothing if not.
 * The object is valid then: pawl_wait_ends waits for a bury in progress.
 *
 *   waiter                          dying thread
 *   announces the object  (A)       marks its id ENDED   (C)
 *   looks who has ended   (F)       says that one ended  (E)
 *   is the holder alive?  (B)       looks for waiters    (D)
 *
 * A, F, E, D are seq_cst: it cannot be that F misses E and D misses A.  So if D
 * does not see the waiter, E happens before B: the waiter sees the mark, and all
 * that the dead thread did, its name in a lock among it.
 */
typedef void (*pawl_bury_fn)(void *object, uint32_t dead_id);
void pawl_wait_begins(void *object, pawl_bury_fn bury);
void pawl_wait_ends(void);

/* The line of a condition, kept for renumbering: see cond.c.  All of these are
 * called under the condition's mutex. */
bool pawl_line_enter(const void *line, uint32_t ticket);
uint32_t pawl_line_ticket(void);
void pawl_line_leave(void);
/* Subtract `step` from every ticket behind `ticket` in `line`. */
void pawl_line_close_gap(const void *line, uint32_t ticket, uint32_t step);

#endif /* PAWL_FUTEX_SELF_H */
