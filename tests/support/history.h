/* SPDX-License-Identifier: MIT
 *
 * tests/support/history.h - record what threads or processes did, each operation
 * with the time at which it began and ended, and ask afterwards whether one
 * thread could have done the same: linearizability.
 *
 *     struct history *h = history_make(MEMBERS, room);      before any fork
 *
 *     in member i:
 *         struct history_op *op = history_begins(h, i, HISTORY_PUT, value);
 *         int err = queue_try_put(q, value);
 *         history_ends(h, op, err == 0 ? HISTORY_PUT : HISTORY_FULL);
 *
 *         op = history_begins(h, i, HISTORY_GET, 0);
 *         err = queue_try_get(q, &value);
 *         op->value = value;
 *         history_ends(h, op, err == 0 ? HISTORY_GET : HISTORY_EMPTY);
 *
 *     when all have ended:
 *         history_check(history_fifo(h, capacity, HISTORY_DRAINED));
 *
 * Every value is put once: history_value() makes them.
 *
 * How much a verdict is worth.  No checker calls a linearizable history wrong.
 * The FIFO checker finds every violation but for a part of the wrong answers
 * "full"; the others find the violations they list, in O(n log n).  A history
 * of up to 64 operations can be decided exactly, by history_search.
 *
 * An operation that never ended (its process was killed) may have happened or
 * not: a value whose put did not end may be got or not, and each unfinished get
 * may have taken one value with it.
 */
#ifndef PAWL_TEST_HISTORY_H
#define PAWL_TEST_HISTORY_H

#include <time.h>

#include "test.h"

enum history_kind {
    /* queues: `value` is the item, `amount` its priority */
    HISTORY_PUT,
    HISTORY_GET,
    HISTORY_FULL,  /* a put that was refused */
    HISTORY_EMPTY, /* a get that was refused */
    /* permits of a semaphore; a lock is one, a writer takes all of a rwlock's:
     * `amount` is how many */
    HISTORY_ACQUIRE,
    HISTORY_RELEASE,
    HISTORY_REFUSED,  /* an attempt without waiting */
    HISTORY_GAVE_UP,  /* waited, in vain: promises nothing */
    HISTORY_OVERFLOW, /* a release that was refused */
};

struct history_op {
    uint64_t begin;
    uint64_t end; /* HISTORY_NEVER: unfinished */
    uint64_t value;
    int32_t kind;
    int32_t amount;
};

#define HISTORY_NEVER UINT64_MAX

struct history_log {
    size_t count;
    struct history_op *ops;
    char pad[48]; /* a cache line for each member */
};

/* In shared memory. */
struct history {
    int members;
    bool tsc; /* stamps come from the CPU's counter */
    size_t room;
    size_t size; /* of the mapping */
    uint64_t made_ns; /* when, by the clock */
    uint64_t made_at; /* and by the stamps */
    struct history_log logs[];
};

/* Room for so many operations of each member. */
struct history *history_make(int members, size_t room);
void history_free(struct history *h);

/* Forget what was recorded. */
void history_clear(struct history *h);

size_t history_count(const struct history *h);

/* The n-th value of a member: unique, and never 0. */
static inline uint64_t history_value(int member, uint64_t n)
{
    return (uint64_t)(member + 1) << 40 | n;
}

/* ---- stamps -------------------------------------------------------------
 *
 * The counter is read before the operation can have any effect, and after all
 * its effects can be seen: so an interval is too long rather than too short.
 * It is the same on all CPUs where the kernel itself uses it as its clock. */

static inline uint64_t history_clock_(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000000000 + (uint64_t)t.tv_nsec;
}

static inline uint64_t history_before_(const struct history *h)
{
#if defined(__x86_64__)
    uint32_t low;
    uint32_t high;

    if (h->tsc) {
        __asm__ volatile("rdtsc\n\tlfence" : "=a"(low), "=d"(high)::"memory");
        return (uint64_t)high << 32 | low;
    }
#elif defined(__aarch64__)
    uint64_t now;

    if (h->tsc) {
        __asm__ volatile("mrs %0, cntvct_el0\n\tisb" : "=r"(now)::"memory");
        return now;
    }
#endif
    (void)h;
    return history_clock_();
}

static inline uint64_t history_after_(const struct history *h)
{
#if defined(__x86_64__)
    uint32_t low;
    uint32_t high;

    __asm__ volatile("mfence" ::: "memory"); /* its stores can be seen */
    if (h->tsc) {
        __asm__ volatile("rdtscp" : "=a"(low), "=d"(high)::"ecx", "memory");
        return (uint64_t)high << 32 | low;
    }
#elif defined(__aarch64__)
    uint64_t now;

    __asm__ volatile("dsb ish\n\tisb" ::: "memory");
    if (h->tsc) {
        __asm__ volatile("mrs %0, cntvct_el0" : "=r"(now)::"memory");
        return now;
    }
#endif
    (void)h;
    return history_clock_();
}

/* ---- recording ---------------------------------------------------------- */

/* An operation begins; `kind` and `value` are what is intended. */
static inline struct history_op *history_begins(struct history *h, int member,
                                                enum history_kind kind,
                                                uint64_t value)
{
    struct history_log *log = &h->logs[member];
    struct history_op *op = &log->ops[log->count];

    if (log->count == h->room)
        test_fail(__FILE__, __LINE__, "no room for more than %zu operations",
                  h->room);
    *op = (struct history_op){.end = HISTORY_NEVER,
                              .value = value,
                              .kind = (int32_t)kind,
                              .amount = 1};
    /* One who is killed leaves nothing half recorded. */
    __atomic_store_n(&log->count, log->count + 1, __ATOMIC_RELEASE);
    op->begin = history_before_(h);
    return op;
}

/* It has ended, and this is what came of it. */
static inline void history_ends(const struct history *h, struct history_op *op,
                                enum history_kind kind)
{
    op->end = history_after_(h);
    op->kind = (int32_t)kind;
}

/* ---- verdicts ----------------------------------------------------------- */

enum history_fault {
    HISTORY_FROM_NOWHERE,  /* got, but never put */
    HISTORY_TOO_EARLY,     /* got before it was put */
    HISTORY_TWICE,         /* got twice, or put twice */
    HISTORY_LOST,          /* put, never got, and nothing is left */
    HISTORY_ORDER,         /* got out of order */
    HISTORY_WRONG_EMPTY,   /* something was inside all the time */
    HISTORY_WRONG_FULL,    /* there was room all the time */
    HISTORY_TOO_MANY,      /* more inside, or more holders, than may be */
    HISTORY_WRONG_REFUSAL, /* enough permits were free all the time */
    HISTORY_WRONG_COUNT,   /* at the end */
    HISTORY_FAULTS
};

struct history_verdict {
    size_t operations;
    size_t faults[HISTORY_FAULTS];
    size_t total;
    double seconds;  /* that the checker took */
    char first[256]; /* the first fault found, in words */
};

/* Whether what was put last is still inside when the recording ends. */
enum history_end { HISTORY_DRAINED, HISTORY_NOT_DRAINED };

/* Queues.  `capacity` 0: unbounded.  Of a priority queue the lowest amount
 * leaves first, equals in order. */
struct history_verdict history_fifo(const struct history *h, size_t capacity,
                                    enum history_end end);
struct history_verdict history_lifo(const struct history *h, size_t capacity,
                                    enum history_end end);
struct history_verdict history_priority(const struct history *h,
                                        size_t capacity, enum history_end end);

typedef struct history_verdict (*history_checker)(const struct history *h,
                                                  size_t capacity,
                                                  enum history_end end);

/* A semaphore that begins with so many permits, ends with `left`, and never has
 * more than `most` (0: no bound).  A lock is one with 1 permit, 1 at the end; a
 * rwlock with READERS permits one whose writers take all.  While somebody has
 * waited for a millisecond, others may be refused what is free. */
struct history_verdict history_permits(const struct history *h, int64_t permits,
                                       int64_t left, int64_t most);

/* Fail the test if there is a fault. */
void history_check(struct history_verdict v);

/* The name of a fault, for messages. */
const char *history_fault_name(enum history_fault fault);

/* ---- the exact decision, for few operations ----------------------------- */

enum { HISTORY_SEARCH_MAX = 64 };

/* What one thread would do. */
struct history_model {
    /* All zero at the beginning; the queue's items in their order. */
    struct history_state {
        int64_t count;
        struct {
            uint64_t value;
            int64_t amount;
        } item[HISTORY_SEARCH_MAX];
    } start;
    int64_t capacity; /* 0: unbounded; for permits: the most there may be */
    /* Whether `op` may happen in this state with this result; if so, do it. */
    bool (*step)(const struct history_model *m, struct history_state *s,
                 const struct history_op *op);
};

struct history_model history_fifo_model(size_t capacity);
struct history_model history_lifo_model(size_t capacity);
struct history_model history_priority_model(size_t capacity);
struct history_model history_permits_model(int64_t permits, int64_t most);

/* Whether the history, of finished operations, is linearizable. */
bool history_search(const struct history *h, const struct history_model *m);

#endif /* PAWL_TEST_HISTORY_H */
