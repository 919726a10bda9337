/* SPDX-License-Identifier: MIT
 *
 * tests/support/visitor.h - a thread that enters something (takes a lock, waits
 * for a permit), stays there until it is told to go, and leaves.
 *
 *     struct visitor other;
 *
 *     visitor_start(&other, lock, unlock, &m);
 *     CHECK_OK(visitor_enters(&other));
 *     CHECK_ERR(pawl_mutex_try_lock(&m), -EAGAIN);
 *     CHECK_OK(visitor_leaves(&other));
 */
#ifndef PAWL_TEST_VISITOR_H
#define PAWL_TEST_VISITOR_H

#include <semaphore.h>

#include "test.h"

/* Closed; each opening lets one thread or process pass. */
struct door {
    sem_t sem;
};

static inline void door_make(struct door *d)
{
    CHECK_EQ(sem_init(&d->sem, 1, 0), 0);
}

static inline void door_open(struct door *d)
{
    CHECK_EQ(sem_post(&d->sem), 0);
}

static inline void door_pass(struct door *d)
{
    while (sem_wait(&d->sem) != 0)
        CHECK_EQ(errno, EINTR);
}

typedef int (*visitor_fn)(void *object);

struct visitor {
    visitor_fn enter;
    visitor_fn leave; /* NULL: the thread ends inside */
    void *object;
    int entered; /* what `enter` returned */
    int left;    /* what `leave` returned */
    struct door inside;
    struct door go;
    struct test_thread *thread;
};

static inline void visitor_main_(void *arg)
{
    struct visitor *v = arg;

    v->entered = v->enter(v->object);
    door_open(&v->inside);
    door_pass(&v->go);
    if (v->leave != NULL)
        v->left = v->leave(v->object);
}

static inline void visitor_start(struct visitor *v, visitor_fn enter,
                                 visitor_fn leave, void *object)
{
    *v = (struct visitor){.enter = enter, .leave = leave, .object = object};
    door_make(&v->inside);
    door_make(&v->go);
    v->thread = test_thread(visitor_main_, v);
}

/* Start one and return when it sleeps on its way in. */
static inline void visitor_start_asleep(struct visitor *v, visitor_fn enter,
                                        visitor_fn leave, void *object)
{
    visitor_start(v, enter, leave, object);
    test_until_asleep(test_tid(v->thread));
}

/* Wait until it is inside: what `enter` returned. */
static inline int visitor_enters(struct visitor *v)
{
    door_pass(&v->inside);
    return v->entered;
}

/* Send it away and wait for its end: what `leave` returned. */
static inline int visitor_leaves(struct visitor *v)
{
    door_open(&v->go);
    test_join(v->thread);
    return v->left;
}

/* Both: what `enter` returned.  It leaves without an error. */
static inline int visitor_passes(struct visitor *v)
{
    int entered = visitor_enters(v);

    CHECK_OK(visitor_leaves(v));
    return entered;
}

/* One that enters and ends inside. */
static inline int visitor_dies_inside(visitor_fn enter, void *object)
{
    struct visitor v;
    int entered;

    visitor_start(&v, enter, NULL, object);
    entered = visitor_enters(&v);
    visitor_leaves(&v);
    return entered;
}

#endif /* PAWL_TEST_VISITOR_H */
