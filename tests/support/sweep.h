/* SPDX-License-Identifier: MIT
 *
 * tests/support/sweep.h - kill or freeze a process at every instruction of an
 * operation, and see that the others get on.
 *
 *     static const struct sweep_case put = {
 *         .name = "ring put",
 *         .size = sizeof(struct scene),   shared memory, zeroed for each point
 *         .prepare = make_ring,           the others: before the victim begins
 *         .victim = put_one,              what is swept
 *         .others = put_and_get,          the others: after the victim stopped
 *     };
 *
 *     TEST(ring.put_frozen_anywhere_stops_nobody)
 *     {
 *         sweep(&put, SWEEP_FREEZE);
 *     }
 *
 * For k = 0, 1, 2, ... a fresh victim, a forked process, executes k instructions
 * of victim(object), one by one (ptrace), a system call being one instruction.
 * Then it is killed or left where it is; the others must do their part and find
 * everything as documented.  The sweep ends when the victim does.
 *
 * "The others" are one process that lasts for the sweep and calls the functions
 * of the case as it is told.  It may start threads, which a later function
 * joins.  Its CHECKs are the oracle.  It is stuck, which is a bad point like a
 * failed CHECK, when it has used SWEEP_PATIENCE_MS of CPU time in one function or
 * all its threads have slept for as long.  A wait with a deadline that would fail
 * sooner makes a better message.
 *
 * A victim that falls asleep in the kernel is a stop point too.  Killed, it dies
 * in its sleep.  Frozen, it consumes a wake-up if one comes, and does not run.
 * After that `asleep` is called, by the others, to let it go on, and the sweep
 * continues behind the sleep; without `asleep` it ends there.  A sleep of less
 * than two milliseconds is over before it is noticed.  When it is thawed and
 * falls asleep, `asleep` is called too, needed or not.
 *
 * With `second`, two victims are swept: for each k1 of `victim`, each k2 of
 * `second`.
 *
 * If the cost exceeds the budget, fewer points are swept, evenly spread from a
 * random one on; and fewer still if they take too long, because others sleep or the
 * machine is busy.  In long runs all are; of pairs all, up to 50,000, and of more those
 * that 20 times the budget allows for.  PAWL_SWEEP_PART=i/n: in a long run only the points i, i + n, ..., so
 * that n processes share the work, which often is to sleep.
 *
 * What a victim does before it begins, `warm`, is not swept: its first use of a
 * lock allocates its ids, say.
 *
 * PAWL_SWEEP_LIST=1: nothing is stopped; each victim goes the whole way once, and the
 * functions of the library that it enters are told, as tools/check-sweeps wants it.
 *
 * A sweep runs in the main thread of a test.  It is skipped where ptrace is
 * refused.  Spinning makes operations long: set PAWL_SPIN to some nanoseconds,
 * or 0, first.
 */
#ifndef PAWL_TEST_SWEEP_H
#define PAWL_TEST_SWEEP_H

#include "test.h"

enum sweep_mode {
    SWEEP_KILL,   /* SIGKILL */
    SWEEP_FREEZE, /* stopped for good */
    SWEEP_THAW,   /* stopped while the others work; then it finishes, and the
                     others call `after` */
};

/* Much more than anybody needs: what a host takes from a virtual machine is counted as
 * used in it, and who waits until a thread is asleep looks all the time.  But where bad
 * points are expected, less. */
enum { SWEEP_PATIENCE_MS = 2000, SWEEP_PATIENCE_BAD_MS = 300 };

/* Instructions that one sweep steps through, unless the case says otherwise; to
 * fork a victim and to bury it counts as forty.  Some 400 points. */
enum { SWEEP_BUDGET = 20000 };

/* The time that a sweep should take at most; but so many points are swept, and of two
 * victims so many of the first. */
enum { SWEEP_MS = 500, SWEEP_POINTS_MIN = 30, SWEEP_FIRST_MIN = 6 };

/* The same of a known gap, whose bad points take their time, and must be hit. */
enum { SWEEP_GAP_MS = 1500 };

/* An operation that is longer has not been warmed up. */
enum { SWEEP_STEPS_MAX = 100000 };

typedef void (*sweep_fn)(void *object);

struct sweep_case {
    const char *name;
    size_t size;
    sweep_fn prepare; /* may be NULL, as all but victim and others */
    sweep_fn warm;
    sweep_fn armed; /* the others: the victim is about to begin */
    sweep_fn victim;
    sweep_fn second;
    sweep_fn asleep;
    sweep_fn others;
    sweep_fn after; /* SWEEP_THAW */
    bool leftovers; /* the others leave threads behind, so that each point needs
                       a new process of them */
    int budget;     /* 0: SWEEP_BUDGET */
    int patience;   /* ms; 0: SWEEP_PATIENCE_MS */
    int ms;         /* 0: SWEEP_MS */
};

struct sweep_report {
    long points;          /* where a victim was stopped */
    long all;             /* where it could have been */
    long stuck;           /* of these, where the others could not finish */
    long wrong;           /* where they found what they must not find */
    char bad_places[512]; /* source lines of the first of both */
    char details[600];    /* and what was wrong there */
};

/* Whether this is a long run. */
bool sweep_is_long(void);

/* Sweep and tell.  Bad points are no failure here. */
struct sweep_report sweep_run(const struct sweep_case *c, enum sweep_mode mode);

/* Sweep and require that no point is bad. */
void sweep(const struct sweep_case *c, enum sweep_mode mode);

/* Sweep what is known not to work everywhere yet.  Notes how many points are
 * bad and where; fails if none is, so that the gap is forgotten as soon as it is
 * closed.  `why` says what is missing. */
void sweep_known_gap(const struct sweep_case *c, enum sweep_mode mode,
                     const char *why);

#endif /* PAWL_TEST_SWEEP_H */
