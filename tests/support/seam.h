/* SPDX-License-Identifier: MIT
 *
 * tests/support/seam.h - stop a thread at the door of the kernel.
 *
 * A lost wake-up happens in a window of a few instructions: a waiter has marked
 * the word and does not sleep yet, or has been woken and has not looked yet.
 * To hold a thread there for as long as a test likes, include this first and
 * then the source of the object:
 *
 *     #include "seam.h"
 *     #include "futex/mutex.c"
 *
 * The program then has its own copy of the object, whose waits pass through
 * here; the library's copy is not linked.  Each switch is thread-local: the
 * thread that is to be stopped sets it.
 */
#ifndef PAWL_TEST_SEAM_H
#define PAWL_TEST_SEAM_H

#include "futex/deadlock.h"
#include "futex/spin.h"
#include "futex/sys.h"
#include "visitor.h"

struct stop {
    struct door reached;
    struct door go;
};

static inline void stop_make(struct stop *s)
{
    door_make(&s->reached);
    door_make(&s->go);
}

/* Wait until somebody stands there. */
static inline void stop_await(struct stop *s)
{
    door_pass(&s->reached);
}

static inline void stop_release(struct stop *s)
{
    door_open(&s->go);
}

/* Where this thread stops, once. */
static _Thread_local struct stop *stop_before_marks;
static _Thread_local struct stop *stop_before_announcement;
static _Thread_local struct stop *stop_before_wait;
static _Thread_local struct stop *stop_after_wait;
static _Thread_local struct stop *stop_in_spin;

/* Until this thread waits on another channel than this one, its waits end at
 * once, as any wait may; so it starves within a millisecond. */
static _Thread_local uint32_t restless_on;

/* This thread, which has no deadline, does not wake up by itself, so it does
 * not starve while it sleeps. */
static _Thread_local bool sleeps_soundly;

static inline void stop_here(struct stop **where)
{
    struct stop *s = *where;

    if (s == NULL)
        return;
    *where = NULL;
    door_open(&s->reached);
    door_pass(&s->go);
}

static inline void seam_wait_begins(void *object, pawl_bury_fn bury)
{
    stop_here(&stop_before_announcement);
    pawl_wait_begins(object, bury);
}

static inline int seam_lock_wait_begins(void *lock,
                                        const struct pawl_lock_kind *kind,
                                        uint32_t holder, pawl_deadline until)
{
    stop_here(&stop_before_announcement);
    return pawl_lock_wait_begins(lock, kind, holder, until);
}

static inline int seam_wait(pawl_u32 *word, uint32_t expected,
                            pawl_deadline until, bool shared, uint32_t channels)
{
    int err;

    if (channels == restless_on)
        return 0;
    stop_here(&stop_before_wait);
    err = pawl_futex_wait(word, expected, sleeps_soundly ? PAWL_FOREVER : until,
                          shared, channels);
    stop_here(&stop_after_wait);
    return err;
}

/* Asked before a wait set leaves its marks. */
static inline bool seam_can_wait_any(void)
{
    stop_here(&stop_before_marks);
    return pawl_futex_can_wait_any();
}

static inline int seam_wait_any(const struct pawl_watch *watch, size_t n,
                                pawl_deadline until)
{
    int err;

    stop_here(&stop_before_wait);
    err = pawl_futex_wait_any(watch, n, sleeps_soundly ? PAWL_FOREVER : until);
    stop_here(&stop_after_wait);
    return err;
}

/* Nobody spins, but who is to be stopped there. */
static inline bool seam_spin_begins(struct pawl_spin *s,
                                    enum pawl_spin_kind kind)
{
    (void)kind;
    *s = (struct pawl_spin){.budget = 1};
    return stop_in_spin != NULL;
}

/* Never on the same CPU, which would forbid to spin. */
static inline bool seam_thread_is_here(uint32_t local_id)
{
    (void)local_id;
    return false;
}

/* Look once more after the stop. */
static inline bool seam_spin_again(struct pawl_spin *s)
{
    bool again = stop_in_spin != NULL;

    (void)s;
    stop_here(&stop_in_spin);
    return again;
}

static inline void seam_spin_ends(struct pawl_spin *s, bool paid)
{
    (void)s;
    (void)paid;
}

#define pawl_futex_wait seam_wait
#define pawl_futex_doze seam_wait
#define pawl_futex_wait_any seam_wait_any
#define pawl_futex_can_wait_any seam_can_wait_any
#define pawl_wait_begins seam_wait_begins
#define pawl_lock_wait_begins seam_lock_wait_begins
#define pawl_thread_is_here seam_thread_is_here
#define pawl_spin_begins seam_spin_begins
#define pawl_spin_again seam_spin_again
#define pawl_spin_ends seam_spin_ends

#endif /* PAWL_TEST_SEAM_H */
