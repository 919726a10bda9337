/* SPDX-License-Identifier: MIT
 *
 * tests/support/crowd.h - several threads that do the same, starting together.
 *
 *     static void work(void *scene, int me) { ... }
 *
 *     crowd(8, work, &scene);      returns when all have ended
 */
#ifndef PAWL_TEST_CROWD_H
#define PAWL_TEST_CROWD_H

#include <sched.h>
#include <stdatomic.h>

#include "test.h"

enum { CROWD_MAX = 64 };

typedef void (*crowd_fn)(void *scene, int me);

struct crowd {
    crowd_fn fn;
    void *scene;
    int size;
    atomic_int arrived; /* they begin when all are here */
    struct crowd_member {
        struct crowd *crowd;
        int me;
        struct test_thread *thread;
    } members[CROWD_MAX];
};

static inline void crowd_member_(void *arg)
{
    struct crowd_member *m = arg;
    struct crowd *c = m->crowd;

    /* relaxed: must not order what the test is about. */
    atomic_fetch_add_explicit(&c->arrived, 1, memory_order_relaxed);
    while (atomic_load_explicit(&c->arrived, memory_order_relaxed) < c->size)
        sched_yield();
    c->fn(c->scene, m->me);
}

static inline void crowd_begins(struct crowd *c, int size, crowd_fn fn,
                                void *scene)
{
    CHECK(size <= CROWD_MAX);
    c->fn = fn;
    c->scene = scene;
    c->size = size;
    atomic_init(&c->arrived, 0);
    for (int i = 0; i < size; i++) {
        struct crowd_member *m = &c->members[i];

        m->crowd = c;
        m->me = i;
        m->thread = test_thread(crowd_member_, m);
    }
}

static inline void crowd_ends(struct crowd *c)
{
    for (int i = 0; i < c->size; i++)
        test_join(c->members[i].thread);
}

static inline void crowd(int size, crowd_fn fn, void *scene)
{
    struct crowd c;

    crowd_begins(&c, size, fn, scene);
    crowd_ends(&c);
}

/* A pause of random length, mostly none: so that others come in between. */
static inline void loiter(uint64_t *random)
{
    uint32_t r = test_rand_below(random, 64);

    if (r == 0)
        sched_yield();
    for (uint32_t i = 0; r < 8 && i < r * 20; i++)
        __asm__ volatile("" ::: "memory");
}

#endif /* PAWL_TEST_CROWD_H */
