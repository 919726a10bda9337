/* SPDX-License-Identifier: MIT
 *
 * carrier.h - what stands behind a thread: one struct for each OS thread that
 * pawl knows of, on the heap, which outlives the pawl_thread of the caller.
 *
 *   main       static; shown from the first question on
 *   foreign    a thread that pawl did not start and that asked for its handle
 *   service    a thread of the library: in no list
 *   others     run one pawl_thread after the other
 */
#ifndef PAWL_THREAD_CARRIER_H
#define PAWL_THREAD_CARRIER_H

#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdbool.h>

#include <pawl/latch.h>
#include <pawl/thread.h>

#include "atomic/ops.h"
#include "base/compiler.h"
#include "futex/self.h"

/* In flags_ of a pawl_thread. */
enum {
    PAWL_T_DAEMON = 1,
    PAWL_T_NO_CACHE = 2,
    PAWL_T_DETACHED = 4, /* lies in its carrier; nobody can join it */
    PAWL_T_FOREIGN = 8,
    PAWL_T_MAIN = 16,
    PAWL_T_SERVICE = 32,
    PAWL_T_COPIED = 64, /* the argument is copy_ */
};

/* In state_ of a pawl_thread. */
enum {
    PAWL_T_NEW,
    PAWL_T_RUNNING,
    PAWL_T_ENDED,
    PAWL_T_CLOSED,
    PAWL_T_PHASE = 7,
};
#define PAWL_T_SLEEPERS (UINT32_C(1) << 31)
#define PAWL_T_AWAITED (UINT32_C(1) << 30) /* see join.c */

/* In tid_ of a pawl_thread: somebody waits until the thread says who it is. */
#define PAWL_T_ASKED (UINT32_C(1) << 31)

/* What others are shown of a thread: the words of `shown`, and then its name. */
enum {
    PAWL_SHOWN_SERIAL, /* 0: no thread */
    PAWL_SHOWN_THREAD, /* its address */
    PAWL_SHOWN_FLAGS,  /* and, above them, the number of the default name */
    PAWL_SHOWN_FUNCTION, /* ... and that */
    PAWL_SHOWN_NAME,     /* if its first byte is not 0 */
    PAWL_SHOWN_WORDS = PAWL_SHOWN_NAME + PAWL_THREAD_NAME_SIZE / 8,
};

static inline uint64_t pawl_shown_flags(const pawl_thread *t)
{
    return (uint64_t)t->number_ << 32 | t->flags_;
}

#define PAWL_OS_NAME_SIZE 16

/* Threads that begin together. */
struct pawl_gate {
    pawl_latch missing; /* have not come to the gate */
    pawl_latch closed;  /* 1 until it opens */
    pawl_u32 users;     /* the last one frees it */
    bool abandoned;     /* before it opens: go home */
};

/* What a thread inherits from the one that starts it, and keeps none of its own
 * changes to when its carrier runs another: see undo.c. */
struct pawl_inheritance {
    uint64_t signals; /* as the kernel knows them */
    cpu_set_t cpus;
    int policy; /* and so on: of sched_getattr; policy < 0: not known */
    int nice;
    unsigned priority;
    bool cpus_known;
};

/* In the order of cache lines, for starter and carrier are on two CPUs if all goes
 * well, and what a start costs then is how many lines go there and back. */
struct pawl_carrier {
    /* What its starter hands over, all at once, for a parked carrier looks at
     * `job` all the time. */
    pawl_u32 job;           /* see carrier.c */
    pawl_thread *thread;    /* the thread it runs, or NULL */
    struct pawl_gate *gate; /* before which that waits, or NULL */
    pawl_thread_fn fn;      /* what that does */
    void *arg;
    const char *os_name_wanted; /* NULL: see `shown` */

    /* What others are shown. */
    pawl_u32 showing __attribute__((aligned(PAWL_CACHE_LINE))); /* version */
    pawl_u64
        running; /* the serial of the thread it runs << 1 | is a daemon; 0 */
    struct pawl_interrupt interrupt;
    pawl_u64 shown[PAWL_SHOWN_WORDS];

    /* What seldom changes. */
    pawl_u32 tid __attribute__((aligned(PAWL_CACHE_LINE))); /* 0: is new */
    pawl_u32 renamed; /* its OS name is not os_name any more */
    uint64_t ident;
    size_t stack_size; /* as it was asked for; 0: default */
    pawl_u64 next;     /* the list of registry.c */
    struct pawl_carrier *prev;
    bool is_noticed; /* a pthread key notices its end */
    bool is_special; /* not to be parked */
    bool is_joinable; /* as a pthread, until it has said that it has ended */

    /* Its own. */
    int status __attribute__((
        aligned(PAWL_CACHE_LINE))); /* what the thread returns */
    char os_name[PAWL_OS_NAME_SIZE];
    void (*serve)(void *arg); /* of a service */
    pawl_thread own; /* of a thread that has no object of the caller's */

    /* Read at each start, and hardly ever written: the first one by the carrier,
     * the others by starters. */
    struct pawl_inheritance has __attribute__((aligned(PAWL_CACHE_LINE)));
    bool inherits; /* ... has to have what follows */
    struct pawl_inheritance wants;
};

/* A new one, all zero; NULL: no memory. */
struct pawl_carrier *pawl_carrier_make(void);

/* The carrier of the calling thread; NULL: it has none (yet). */
extern _Thread_local struct pawl_carrier *pawl_carrier_self_;

/* The same, made if need be.  NULL: no memory. */
struct pawl_carrier *pawl_carrier_self(void);

/* The carrier of the main thread; NULL: it has none (yet). */
struct pawl_carrier *pawl_carrier_main(void);

/* Whether the calling thread is the one that runs main. */
bool pawl_carrier_is_main(void);

/* A carrier for a thread like *t.  Nothing runs yet.
 *
 * Returns    0;  -ENOMEM. */
int pawl_carrier_for(const pawl_thread *t, struct pawl_carrier **found);
/* Have it run *t, which is initialised and RUNNING, behind the gate, if that is
 * not NULL.  None of them may be touched after success; after a failure the
 * carrier is gone.  *ident may be NULL.
 *
 * Returns    0;  as pawl_thread_start. */
int pawl_carrier_go(struct pawl_carrier *c, pawl_thread *t,
                    struct pawl_gate *gate, uint64_t *ident);

/* main has come to its end. */
void pawl_carrier_end_main(void);

/* The name that these words of `shown` stand for. */
void pawl_carrier_name(const uint64_t shown[PAWL_SHOWN_WORDS],
                       char name[PAWL_THREAD_NAME_SIZE]);
/* Read them together. */
void pawl_carrier_read(const struct pawl_carrier *c,
                       uint64_t shown[PAWL_SHOWN_WORDS]);

static inline uint32_t pawl_thread_phase(const pawl_thread *t)
{
    /* acquire: pairs with the swap in publish, for what it has done. */
    return pawl_load_acquire(&t->state_) & PAWL_T_PHASE;
}

/* Whether it was there when this process was forked off, and is not here. */
static inline bool pawl_thread_stayed_behind(const pawl_thread *t)
{
    /* relaxed: it is stored before the phase says RUNNING. */
    return pawl_load_relaxed(&t->fork_) != pawl_fork_count_;
}

/* Of its start, or 0.  relaxed: a number. */
static inline uint64_t pawl_thread_serial_of(const pawl_thread *t)
{
    return pawl_load64_relaxed(&t->serial_);
}

/* To write what guard_ guards. */
void pawl_thread_guard(pawl_thread *t);
void pawl_thread_unguard(pawl_thread *t);

/* Name an OS thread, the calling one if tid is 0: the first 15 bytes, no half
 * characters.  What was set goes to `cut`. */
void pawl_carrier_set_os_name(uint32_t tid, const char *name,
                              char cut[PAWL_OS_NAME_SIZE]);

/* The serial of the next thread. */
uint64_t pawl_carrier_next_serial(void);

/* The function of *t has returned a negative status.  In thread.c. */
void pawl_thread_report(pawl_thread *t, int status);

/* Destroy the thread-local data of the calling thread.  In local.c. */
void pawl_local_thread_ends(void);

#endif /* PAWL_THREAD_CARRIER_H */
