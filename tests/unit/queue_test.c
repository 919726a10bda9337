/* SPDX-License-Identifier: MIT
 *
 * queue_test.c - the blocking queue, call by call.
 */
#include <limits.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>

#include <pawl/error.h>
#include <pawl/queue.h>
#include <pawl/ring.h>

#include "puppet.h"
#include "test.h"

static const pawl_deadline past[] = {0, -1, INT64_MIN, 1};

static pawl_queue *make(size_t capacity, size_t element_size)
{
    pawl_queue *q = NULL;

    CHECK_OK(pawl_queue_create(
        &q, &(pawl_queue_options){.capacity = capacity,
                                  .element_size = element_size}));
    return q;
}

static pawl_queue *make_ints(size_t capacity)
{
    return make(capacity, sizeof(int));
}

/* ---- what puppets do: the element is the next of a count ------------------ */

struct scene {
    pawl_queue *q;
    int value; /* to put, or got */
};

static int put_until(void *object, pawl_deadline until)
{
    struct scene *s = object;

    return pawl_queue_put_until(s->q, &s->value, until);
}

static int get_until(void *object, pawl_deadline until)
{
    struct scene *s = object;

    return pawl_queue_get_until(s->q, &s->value, until);
}

static int join_until(void *object, pawl_deadline until)
{
    return pawl_queue_join_until(object, until);
}

static void put(pawl_queue *q, int v)
{
    CHECK_OK(pawl_queue_try_put(q, &v));
}

static int get(pawl_queue *q)
{
    int v = INT_MIN;

    CHECK_OK(pawl_queue_try_get(q, &v));
    return v;
}

static void fill(pawl_queue *q)
{
    for (int i = 0; !pawl_queue_is_full(q); i++)
        put(q, i);
}

/* ---- making one ----------------------------------------------------------- */

/* sizes out of their bounds are refused, and nothing is written. */
TEST(queue.create_refuses_bad_options)
{
    static const pawl_queue_options bad[] = {
        {.capacity = 0, .element_size = 8},
        {.capacity = 8, .element_size = 0},
        {.capacity = (size_t)PAWL_QUEUE_CAPACITY_MAX + 1, .element_size = 8},
        {.capacity = 8, .element_size = (size_t)PAWL_QUEUE_ELEMENT_MAX + 1},
        {.capacity = 8, .element_size = 8, .flags = 2},
        {.capacity = 8, .element_size = 8, .flags = 1u << 31},
        {.capacity = 8,
         .element_size = 16,
         .participants = PAWL_RING_PARTICIPANTS_MAX + 1},
    };
    pawl_queue *q = (pawl_queue *)&q;
    pawl_queue *before = q;

    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        CHECK_EQ(pawl_queue_bytes(&bad[i]), -EINVAL);
        CHECK_ERR(pawl_queue_create(&q, &bad[i]), -EINVAL);
    }
    /* The heap is not shared. */
    CHECK_ERR(pawl_queue_create(&q, &(pawl_queue_options){.capacity = 8,
                                                          .element_size = 8,
                                                          .flags = PAWL_SHARED}),
              -EINVAL);
    CHECK(q == before);
}

TEST(queue.huge_one_is_out_of_memory)
{
    pawl_queue *q = NULL;
    int err;

    if (test_under_tsan())
        TEST_SKIP("the sanitizer ends the program instead");
    err = pawl_queue_create(
        &q, &(pawl_queue_options){.capacity = PAWL_QUEUE_CAPACITY_MAX,
                                  .element_size = PAWL_QUEUE_ELEMENT_MAX});
    CHECK(err == -ENOMEM || err == -EOVERFLOW);
    CHECK(q == NULL);
}

TEST(queue.init_and_attach_check_the_memory)
{
    const pawl_queue_options o = {
        .capacity = 3, .element_size = 24, .flags = PAWL_SHARED};
    int64_t bytes = pawl_queue_bytes(&o);
    char *memory = aligned_alloc(PAWL_QUEUE_ALIGN, (size_t)bytes);
    pawl_queue *q = NULL;

    CHECK(memory != NULL);
    memset(memory, 0xff, (size_t)bytes);
    CHECK_ERR(pawl_queue_attach(&q, memory, (size_t)bytes), -EINVAL);
    CHECK_ERR(pawl_queue_init(&q, memory + 8, (size_t)bytes - 8, &o), -EINVAL);
    CHECK_ERR(pawl_queue_init(&q, memory, (size_t)bytes - 1, &o), -ENOSPC);
    CHECK_ERR(pawl_queue_init(&q, NULL, (size_t)bytes, &o), -EINVAL);
    CHECK_ERR(pawl_queue_attach(&q, NULL, (size_t)bytes), -EINVAL);
    CHECK(q == NULL);
    CHECK_OK(pawl_queue_init(&q, memory, (size_t)bytes, &o));
    CHECK((char *)q == memory);
    q = NULL;
    CHECK_ERR(pawl_queue_attach(&q, memory, (size_t)bytes - 1), -EINVAL);
    CHECK_ERR(pawl_queue_attach(&q, memory, 8), -EINVAL);
    CHECK_ERR(pawl_queue_attach(&q, memory + 8, (size_t)bytes), -EINVAL);
    CHECK(q == NULL);
    CHECK_OK(pawl_queue_attach(&q, memory, (size_t)bytes));
    CHECK_EQ(pawl_queue_capacity(q), 3);
    CHECK_EQ(pawl_queue_element_size(q), 24);
    free(memory);
}

/* ---- put and get, size ------------------------------------- */

/* exact capacity, in order, exact in one thread. */
TEST(queue.holds_exactly_its_capacity_in_order)
{
    for (int capacity = 1; capacity <= 9; capacity++) {
        pawl_queue *q = make_ints((size_t)capacity);
        int v = 77;

        CHECK_EQ(pawl_queue_capacity(q), capacity);
        CHECK_EQ(pawl_queue_element_size(q), sizeof(int));
        for (int round = 0; round < 3; round++) {
            CHECK(pawl_queue_is_empty(q));
            CHECK_ERR(pawl_queue_try_get(q, &v), -EAGAIN);
            CHECK_EQ(v, 77);
            for (int i = 0; i < capacity; i++) {
                CHECK(!pawl_queue_is_full(q));
                put(q, i);
                CHECK(!pawl_queue_is_empty(q));
                CHECK_EQ(pawl_queue_size(q), i + 1);
            }
            CHECK(pawl_queue_is_full(q));
            CHECK_ERR(pawl_queue_try_put(q, &v), -EAGAIN);
            for (int i = 0; i < capacity; i++) {
                CHECK_EQ(get(q), i);
                CHECK_EQ(pawl_queue_size(q), capacity - i - 1);
            }
        }
        pawl_queue_free(q);
    }
}

/* elements of any size come out whole. */
TEST(queue.elements_of_any_size)
{
    static const size_t sizes[] = {1, 3, 8, 9, 24, 64, 4096};

    for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
        pawl_queue *q = make(2, sizes[i]);
        unsigned char in[4096];
        unsigned char out[4097];

        for (int round = 1; round < 20; round++) {
            memset(in, round, sizes[i]);
            memset(out, 0, sizeof out);
            CHECK_OK(pawl_queue_put(q, in));
            CHECK_OK(pawl_queue_get(q, out));
            CHECK_EQ(memcmp(in, out, sizes[i]), 0);
            CHECK_EQ(out[sizes[i]], 0);
        }
        pawl_queue_free(q);
    }
}

/* a deadline in the past takes what is there, and gives up
 * otherwise. */
TEST(queue.past_deadline_tries_once)
{
    pawl_queue *q = make_ints(1);

    for (size_t i = 0; i < sizeof past / sizeof past[0]; i++) {
        int v = 77;

        CHECK_ERR(pawl_queue_get_until(q, &v, past[i]), -ETIMEDOUT);
        CHECK_EQ(v, 77);
        CHECK_OK(pawl_queue_put_until(q, &v, past[i]));
        CHECK_ERR(pawl_queue_put_until(q, &v, past[i]), -ETIMEDOUT);
        CHECK_EQ(pawl_queue_size(q), 1);
        v = 0;
        CHECK_OK(pawl_queue_get_until(q, &v, past[i]));
        CHECK_EQ(v, 77);
    }
    pawl_queue_free(q);
}

/* waits end at their deadline, and not before. */
TEST(queue.waits_end_at_their_deadline)
{
    pawl_queue *q = make_ints(1);
    pawl_deadline until = pawl_after_ms(20);
    int v = 1;

    CHECK_ERR(pawl_queue_get_until(q, &v, until), -ETIMEDOUT);
    CHECK(pawl_now() >= until);
    put(q, 1);
    until = pawl_after_ms(20);
    CHECK_ERR(pawl_queue_put_until(q, &v, until), -ETIMEDOUT);
    CHECK(pawl_now() >= until);
    CHECK_EQ(pawl_queue_size(q), 1);
    pawl_queue_free(q);
}

/* a put wakes one who waits to get, in order of their coming. */
TEST(queue.put_wakes_a_getter)
{
    pawl_queue *q = make_ints(4);
    struct puppet p[3];
    struct scene s[3];

    puppets_begin(p, 3);
    for (int i = 0; i < 3; i++) {
        s[i] = (struct scene){.q = q};
        puppet_do(&p[i], get_until, &s[i], PAWL_FOREVER);
        puppet_until_asleep(&p[i]);
    }
    for (int i = 0; i < 3; i++) {
        put(q, 10 + i);
        CHECK_OK(puppet_result(&p[i]));
        CHECK_EQ(s[i].value, 10 + i);
    }
    puppets_end(p, 3);
    pawl_queue_free(q);
}

/* a get wakes one who waits to put. */
TEST(queue.get_wakes_a_putter)
{
    pawl_queue *q = make_ints(2);
    struct puppet p[3];
    struct scene s[3];

    fill(q);
    puppets_begin(p, 3);
    for (int i = 0; i < 3; i++) {
        s[i] = (struct scene){.q = q, .value = 2 + i};
        puppet_do(&p[i], put_until, &s[i], PAWL_FOREVER);
        puppet_until_asleep(&p[i]);
    }
    for (int i = 0; i < 3; i++) {
        CHECK_EQ(get(q), i);
        CHECK_OK(puppet_result(&p[i]));
        CHECK(pawl_queue_is_full(q));
    }
    CHECK_EQ(get(q), 3);
    CHECK_EQ(get(q), 4);
    puppets_end(p, 3);
    pawl_queue_free(q);
}

/* signals do not end a wait. */
TEST(queue.signals_do_not_end_the_wait)
{
    pawl_queue *q = make_ints(1);
    struct scene s = {.q = q};
    struct puppet p;

    allow_interruptions();
    puppet_begin(&p);
    puppet_do(&p, get_until, &s, PAWL_FOREVER);
    for (int i = 0; i < 20; i++) {
        puppet_until_asleep(&p);
        interrupt(test_tid(p.thread));
    }
    CHECK(!puppet_has_result(&p));
    put(q, 5);
    CHECK_OK(puppet_result(&p));
    CHECK_EQ(s.value, 5);
    puppet_end(&p);
    pawl_queue_free(q);
}

/* ---- batches -------------------------------------------------------- */

TEST(queue.batches_take_what_fits)
{
    pawl_queue *q = make_ints(5);
    int in[7] = {0, 1, 2, 3, 4, 5, 6};
    int out[7];

    CHECK_EQ(pawl_queue_try_put_many(q, in, 0), 0);
    CHECK_EQ(pawl_queue_try_get_many(q, out, 0), 0);
    CHECK_EQ(pawl_queue_try_get_many(q, out, 7), -EAGAIN);
    CHECK_EQ(pawl_queue_get_many_until(q, out, 7, 0), -ETIMEDOUT);
    CHECK_EQ(pawl_queue_put_many(q, in, 3), 3);
    CHECK_EQ(pawl_queue_put_many(q, in + 3, 4), 2);
    CHECK_EQ(pawl_queue_try_put_many(q, in, 1), -EAGAIN);
    CHECK_EQ(pawl_queue_put_many_until(q, in, 2, 0), -ETIMEDOUT);
    CHECK_EQ(pawl_queue_get_many(q, out, 2), 2);
    CHECK_EQ(pawl_queue_get_many(q, out + 2, 5), 3);
    for (int i = 0; i < 5; i++)
        CHECK_EQ(out[i], i);
    pawl_queue_free(q);
}

/* a batch drains what is there. */
TEST(queue.batch_drains)
{
    pawl_queue *q = make_ints(8);
    int out[8];

    fill(q);
    CHECK_EQ(pawl_queue_try_get_many(q, out, 8), 8);
    for (int i = 0; i < 8; i++)
        CHECK_EQ(out[i], i);
    CHECK(pawl_queue_is_empty(q));
    pawl_queue_free(q);
}

/* one batch serves several who wait. */
TEST(queue.batch_wakes_as_many_as_it_serves)
{
    pawl_queue *q = make_ints(4);
    struct puppet p[3];
    struct scene s[3];
    int in[3] = {7, 7, 7};

    puppets_begin(p, 3);
    for (int i = 0; i < 3; i++) {
        s[i] = (struct scene){.q = q};
        puppet_do(&p[i], get_until, &s[i], PAWL_FOREVER);
        puppet_until_asleep(&p[i]);
    }
    CHECK_EQ(pawl_queue_put_many(q, in, 3), 3);
    for (int i = 0; i < 3; i++) {
        CHECK_OK(puppet_result(&p[i]));
        CHECK_EQ(s[i].value, 7);
    }
    puppets_end(p, 3);
    pawl_queue_free(q);
}

/* ---- tasks --------------------------------------------------- */

/* puts less reports, whether fetched or not; too many are refused. */
TEST(queue.task_done_counts_what_was_put)
{
    pawl_queue *q = make_ints(3);

    CHECK_ERR(pawl_queue_task_done(q), -EOVERFLOW);
    put(q, 1);
    put(q, 2);
    CHECK_EQ(pawl_queue_unfinished(q), 2);
    CHECK_OK(pawl_queue_task_done(q)); /* before it is fetched */
    CHECK_EQ(pawl_queue_unfinished(q), 1);
    CHECK_EQ(get(q), 1);
    CHECK_EQ(get(q), 2);
    CHECK_EQ(pawl_queue_unfinished(q), 1);
    CHECK_OK(pawl_queue_task_done(q));
    for (int i = 0; i < 3; i++) {
        CHECK_ERR(pawl_queue_task_done(q), -EOVERFLOW);
        CHECK_EQ(pawl_queue_unfinished(q), 0);
    }
    pawl_queue_free(q);
}

/* returns at once while nothing is unfinished; has a deadline. */
TEST(queue.join_waits_for_the_unfinished)
{
    pawl_queue *q = make_ints(3);
    pawl_deadline until = pawl_after_ms(10);
    struct puppet p[2];

    CHECK_OK(pawl_queue_join(q));
    CHECK_OK(pawl_queue_try_join(q));
    put(q, 1);
    CHECK_ERR(pawl_queue_try_join(q), -EAGAIN);
    for (size_t i = 0; i < sizeof past / sizeof past[0]; i++)
        CHECK_ERR(pawl_queue_join_until(q, past[i]), -ETIMEDOUT);
    CHECK_ERR(pawl_queue_join_until(q, until), -ETIMEDOUT);
    CHECK(pawl_now() >= until);
    puppets_begin(p, 2);
    for (int i = 0; i < 2; i++) {
        puppet_do(&p[i], join_until, q, PAWL_FOREVER);
        puppet_until_asleep(&p[i]);
    }
    CHECK_EQ(get(q), 1);
    put(q, 2);
    CHECK_OK(pawl_queue_task_done(q));
    CHECK(!puppet_has_result(&p[0]) && !puppet_has_result(&p[1]));
    CHECK_OK(pawl_queue_task_done(q));
    /* zero releases them, whatever comes after it. */
    put(q, 3);
    CHECK_OK(puppet_result(&p[0]));
    CHECK_OK(puppet_result(&p[1]));
    CHECK_ERR(pawl_queue_try_join(q), -EAGAIN);
    puppets_end(p, 2);
    pawl_queue_free(q);
}

/* ---- the end ------------------------------------------------- */

/* state table of the queue, "shut down" columns. */
TEST(queue.shutdown_delivers_what_is_left)
{
    pawl_queue *q = make_ints(3);
    int v = 9;

    put(q, 1);
    put(q, 2);
    CHECK(!pawl_queue_is_shutdown(q));
    for (int i = 0; i < 2; i++) { /* idempotent */
        CHECK_OK(pawl_queue_shutdown(q));
        CHECK(pawl_queue_is_shutdown(q));
    }
    CHECK_ERR(pawl_queue_try_put(q, &v), -ESHUTDOWN);
    CHECK_ERR(pawl_queue_put(q, &v), -ESHUTDOWN);
    CHECK_ERR(pawl_queue_put_until(q, &v, pawl_after_s(60)), -ESHUTDOWN);
    CHECK_EQ(pawl_queue_put_many(q, &v, 1), -ESHUTDOWN);
    CHECK_EQ(pawl_queue_size(q), 2);
    CHECK_EQ(get(q), 1);
    CHECK_OK(pawl_queue_get(q, &v));
    CHECK_EQ(v, 2);
    CHECK_ERR(pawl_queue_try_get(q, &v), -ESHUTDOWN);
    CHECK_ERR(pawl_queue_get(q, &v), -ESHUTDOWN);
    CHECK_ERR(pawl_queue_get_until(q, &v, 0), -ESHUTDOWN);
    CHECK_EQ(pawl_queue_get_many(q, &v, 1), -ESHUTDOWN);
    CHECK_EQ(v, 2);
    /* task_done and join stay legal. */
    CHECK_ERR(pawl_queue_try_join(q), -EAGAIN);
    CHECK_OK(pawl_queue_task_done(q));
    CHECK_OK(pawl_queue_task_done(q));
    CHECK_ERR(pawl_queue_task_done(q), -EOVERFLOW);
    CHECK_OK(pawl_queue_join(q));
    pawl_queue_free(q);
}

/* those who wait are released; what they would have put is not there. */
TEST(queue.shutdown_releases_who_waits)
{
    pawl_queue *full = make_ints(1);
    pawl_queue *empty = make_ints(1);
    struct puppet p[4];
    struct scene s[4];

    put(full, 1);
    puppets_begin(p, 4);
    for (int i = 0; i < 4; i++) {
        s[i] = (struct scene){.q = i < 2 ? full : empty, .value = 100 + i};
        puppet_do(&p[i], i < 2 ? put_until : get_until, &s[i], PAWL_FOREVER);
        puppet_until_asleep(&p[i]);
    }
    CHECK_OK(pawl_queue_shutdown(full));
    CHECK_OK(pawl_queue_shutdown(empty));
    for (int i = 0; i < 4; i++) {
        CHECK_ERR(puppet_result(&p[i]), -ESHUTDOWN);
        CHECK_EQ(s[i].value, 100 + i);
    }
    CHECK_EQ(get(full), 1);
    CHECK(pawl_queue_is_empty(full));
    puppets_end(p, 4);
    pawl_queue_free(full);
    pawl_queue_free(empty);
}

struct discards {
    int n;
    int values[8];
};

static void discard(void *element, void *context)
{
    struct discards *d = context;

    d->values[d->n++] = *(int *)element;
}

/* what is left goes to the callback and counts as done; what was fetched
 * still counts. */
TEST(queue.shutdown_now_discards)
{
    pawl_queue *q = make_ints(4);
    struct discards d = {0};
    int v = 9;

    put(q, 1);
    put(q, 2);
    put(q, 3);
    CHECK_EQ(get(q), 1);
    CHECK_EQ(pawl_queue_shutdown_now(q, discard, &d), 2);
    CHECK_EQ(d.n, 2);
    CHECK_EQ(d.values[0], 2);
    CHECK_EQ(d.values[1], 3);
    CHECK_ERR(pawl_queue_try_get(q, &v), -ESHUTDOWN);
    CHECK_ERR(pawl_queue_try_put(q, &v), -ESHUTDOWN);
    CHECK_EQ(pawl_queue_unfinished(q), 1);
    CHECK_ERR(pawl_queue_try_join(q), -EAGAIN);
    CHECK_OK(pawl_queue_task_done(q));
    CHECK_OK(pawl_queue_join(q));
    CHECK_EQ(pawl_queue_shutdown_now(q, discard, &d), 0);
    pawl_queue_free(q);
}

/* after a plain one it discards what that has left, large elements too. */
TEST(queue.shutdown_now_after_shutdown)
{
    pawl_queue *q = make(2, 100);
    char e[100] = {3};
    struct discards d = {0};

    CHECK_OK(pawl_queue_put(q, e));
    CHECK_OK(pawl_queue_put(q, e));
    CHECK_OK(pawl_queue_shutdown(q));
    CHECK_EQ(pawl_queue_shutdown_now(q, NULL, NULL), 2);
    CHECK_OK(pawl_queue_join(q));
    CHECK_EQ(d.n, 0);
    pawl_queue_free(q);
}

/* a joiner is released by the discarding; if something was fetched and not
 * reported, by the report. */
TEST(queue.shutdown_now_releases_joiners)
{
    struct puppet p;

    puppet_begin(&p);
    for (int fetched = 0; fetched <= 1; fetched++) {
        pawl_queue *q = make_ints(2);

        put(q, 1);
        put(q, 2);
        if (fetched)
            CHECK_EQ(get(q), 1);
        puppet_do(&p, join_until, q, PAWL_FOREVER);
        puppet_until_asleep(&p);
        CHECK_EQ(pawl_queue_shutdown_now(q, NULL, NULL), 2 - fetched);
        if (fetched) {
            puppet_until_asleep(&p);
            CHECK(!puppet_has_result(&p));
            CHECK_OK(pawl_queue_task_done(q));
        }
        CHECK_OK(puppet_result(&p));
        pawl_queue_free(q);
    }
    puppet_end(&p);
}

/* ---- signal handlers ------------------------------------------------- */

static pawl_queue *handled;

static void put_from_handler(int number)
{
    CHECK_OK(pawl_queue_try_put(handled, &number));
}

/* a handler may try to put, into the queue that its thread waits on. */
TEST(queue.handler_may_put)
{
    struct sigaction action;
    struct puppet p;
    struct scene s;

    memset(&action, 0, sizeof action);
    action.sa_handler = put_from_handler;
    CHECK_EQ(sigaction(SIGUSR1, &action, NULL), 0);
    handled = make_ints(2);
    s = (struct scene){.q = handled};
    puppet_begin(&p);
    for (int i = 0; i < 10; i++) {
        puppet_do(&p, get_until, &s, PAWL_FOREVER);
        puppet_until_asleep(&p);
        CHECK_EQ(syscall(SYS_tgkill, getpid(), test_tid(p.thread), SIGUSR1), 0);
        CHECK_OK(puppet_result(&p));
        CHECK_EQ(s.value, SIGUSR1);
    }
    puppet_end(&p);
    pawl_queue_free(handled);
}
