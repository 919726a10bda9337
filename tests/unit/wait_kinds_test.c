/* SPDX-License-Identifier: MIT
 *
 * wait_kinds_test.c - wait sets and descriptors of every kind of queue, and of
 * the deque: both ends, the shutdown, and calls from within callbacks.
 */
#include <poll.h>
#include <stdlib.h>

#include <pawl/error.h>
#include <pawl/wait.h>

#include "puppet.h"
#include "test.h"

enum { CAPACITY = 2, QUEUES = 6, STRUCTURES = 8 };

/* A queue of some kind, or a deque. */
struct subject {
    pawl_queue *queue;
    pawl_deque *deque;
    bool bounded;
};

static void subject_make(struct subject *s, int i)
{
    static const enum pawl_queue_kind kinds[] = {
        PAWL_QUEUE_FIFO, PAWL_QUEUE_LIFO, PAWL_QUEUE_PRIORITY};
    size_t capacity = i % 2 == 0 ? CAPACITY : 0;
    unsigned flags = i % 2 == 0 ? 0 : PAWL_UNBOUNDED;

    *s = (struct subject){.bounded = i % 2 == 0};
    if (i < QUEUES)
        CHECK_OK(pawl_queue_create(
            &s->queue, &(pawl_queue_options){.capacity = capacity,
                                             .element_size = sizeof(uint64_t),
                                             .flags = flags,
                                             .kind = kinds[i / 2]}));
    else
        CHECK_OK(pawl_deque_create(
            &s->deque, &(pawl_deque_options){.capacity = capacity,
                                             .element_size = sizeof(uint64_t),
                                             .flags = flags}));
}

static void subject_free(struct subject *s)
{
    pawl_queue_free(s->queue);
    pawl_deque_free(s->deque);
}

static void put(struct subject *s)
{
    uint64_t v = 7;

    CHECK_OK(s->queue != NULL ? pawl_queue_try_put(s->queue, &v)
                              : pawl_deque_try_push_back(s->deque, &v));
}

static void get(struct subject *s)
{
    uint64_t v = 0;

    CHECK_OK(s->queue != NULL ? pawl_queue_try_get(s->queue, &v)
                              : pawl_deque_try_pop_front(s->deque, &v));
    CHECK_EQ(v, 7);
}

static void fill(struct subject *s)
{
    for (int i = 0; i < CAPACITY; i++)
        put(s);
}

static void shut_down(struct subject *s)
{
    CHECK_OK(s->queue != NULL ? pawl_queue_shutdown(s->queue)
                              : pawl_deque_shutdown(s->deque));
}

static pawl_wait_item readable(struct subject *s)
{
    return s->queue != NULL ? PAWL_WAIT_READABLE(s->queue)
                            : PAWL_WAIT_POPPABLE(s->deque);
}

static pawl_wait_item writable(struct subject *s)
{
    return s->queue != NULL ? PAWL_WAIT_WRITABLE(s->queue)
                            : PAWL_WAIT_PUSHABLE(s->deque);
}

static int wait_until(void *item, pawl_deadline until)
{
    return pawl_wait_any_until(item, 1, until, NULL);
}

/* Somebody sleeps until `change`. */
static void check_is_woken(struct subject *s, pawl_wait_item item,
                           void (*change)(struct subject *s))
{
    struct puppet watcher;

    CHECK_ERR(pawl_wait_try_any(&item, 1, NULL), -EAGAIN);
    puppet_begin(&watcher);
    puppet_do(&watcher, wait_until, &item, PAWL_FOREVER);
    puppet_until_asleep(&watcher);
    change(s);
    CHECK_OK(puppet_result(&watcher));
    puppet_end(&watcher);
    CHECK_OK(pawl_wait_try_any(&item, 1, NULL));
}

TEST(wait_kinds.each_end_is_woken)
{
    for (int i = 0; i < STRUCTURES; i++) {
        struct subject s;

        subject_make(&s, i);
        check_is_woken(&s, readable(&s), put);
        get(&s);
        fill(&s);
        if (s.bounded) {
            check_is_woken(&s, writable(&s), get);
        } else {
            pawl_wait_item item = writable(&s);

            CHECK_OK(pawl_wait_try_any(&item, 1, NULL));
        }
        subject_free(&s);
    }
}

TEST(wait_kinds.a_shutdown_wakes_each_end)
{
    for (int i = 0; i < STRUCTURES; i++) {
        struct subject s;

        subject_make(&s, i);
        check_is_woken(&s, readable(&s), shut_down);
        subject_free(&s);
        subject_make(&s, i);
        fill(&s);
        if (s.bounded)
            check_is_woken(&s, writable(&s), shut_down);
        subject_free(&s);
    }
}

/* ---- as a descriptor ------------------------------------------------------ */

static bool is_readable(int fd)
{
    struct pollfd p = {.fd = fd, .events = POLLIN};

    CHECK(poll(&p, 1, 0) >= 0);
    return (p.revents & POLLIN) != 0;
}

static void check_fd(struct subject *s, pawl_wait_item item,
                     void (*change)(struct subject *s))
{
    int fd = pawl_wait_fd(&item);

    CHECK(fd >= 0);
    CHECK_OK(pawl_wait_arm(&item));
    CHECK(!is_readable(fd));
    change(s);
    CHECK(is_readable(fd));
    CHECK_ERR(pawl_wait_arm(&item), -EALREADY);
    CHECK(is_readable(fd));
}

TEST(wait_kinds.each_end_has_a_descriptor)
{
    for (int i = 0; i < STRUCTURES; i++) {
        struct subject s;

        subject_make(&s, i);
        check_fd(&s, readable(&s), put);
        get(&s);
        fill(&s);
        if (s.bounded)
            check_fd(&s, writable(&s), get);
        subject_free(&s); /* closes them */
    }
}

/* ---- what is special ------------------------------------------------------ */

TEST(wait_kinds.a_deque_that_drops_is_pushable)
{
    struct subject s = {0};
    pawl_wait_item item;

    CHECK_OK(pawl_deque_create(
        &s.deque, &(pawl_deque_options){.capacity = CAPACITY,
                                        .element_size = sizeof(uint64_t),
                                        .flags = PAWL_DEQUE_DROP}));
    fill(&s);
    CHECK(pawl_deque_is_full(s.deque));
    item = writable(&s);
    CHECK_OK(pawl_wait_try_any(&item, 1, NULL));
    subject_free(&s);
}

/* The caller has the lock that the answer needs. */
static enum pawl_deque_verdict wait_inside(void *element, void *deque)
{
    pawl_wait_item item = PAWL_WAIT_PUSHABLE((pawl_deque *)deque);

    (void)element;
    CHECK_ERR(pawl_wait_any(&item, 1, NULL), -EDEADLK);
    return PAWL_DEQUE_KEEP;
}

TEST(wait_kinds.within_a_visit_is_a_deadlock)
{
    struct subject s;

    subject_make(&s, QUEUES);
    fill(&s);
    CHECK_EQ(pawl_deque_visit(s.deque, wait_inside, s.deque), 0);
    get(&s);
    subject_free(&s);
}

static int compare(const void *a, const void *b, void *queue)
{
    pawl_wait_item item = PAWL_WAIT_WRITABLE(*(pawl_queue **)queue);

    (void)a;
    (void)b;
    if (pawl_queue_is_full(*(pawl_queue **)queue))
        CHECK_ERR(pawl_wait_any(&item, 1, NULL), -EDEADLK);
    return 0;
}

TEST(wait_kinds.within_a_comparison_is_a_deadlock)
{
    struct subject s = {0};
    uint64_t v = 7;

    CHECK_OK(pawl_queue_create(
        &s.queue, &(pawl_queue_options){.capacity = CAPACITY + 1,
                                        .element_size = sizeof(uint64_t),
                                        .kind = PAWL_QUEUE_PRIORITY,
                                        .compare = compare,
                                        .context = &s.queue}));
    fill(&s);
    CHECK_OK(pawl_queue_try_put(s.queue, &v));
    get(&s);
    subject_free(&s);
}
