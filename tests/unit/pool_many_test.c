/* SPDX-License-Identifier: MIT
 *
 * pool_many_test.c - loops and maps over a pool: X-02.
 */
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include <pawl/error.h>
#include <pawl/event.h>
#include <pawl/pool.h>

#include "test.h"

static pawl_pool *make_of(int workers, size_t capacity)
{
    pawl_pool *p = NULL;

    CHECK_OK(pawl_pool_create(&p, &(pawl_pool_options){.max_workers = workers,
                                                       .capacity = capacity}));
    return p;
}

enum { N = 5000 };

struct field {
    unsigned char times[N]; /* plain: each index belongs to one part */
    size_t grain;
    size_t from;
    size_t end;
    size_t bad; /* the status of this index is 9 */
    _Atomic int parts;
};

static int plough(size_t begin, size_t end, void *context)
{
    struct field *f = context;

    CHECK(begin < end && begin >= f->from && end <= f->end);
    CHECK(end - begin >= f->grain || end == f->end);
    atomic_fetch_add(&f->parts, 1);
    for (size_t i = begin; i < end; i++)
        f->times[i]++;
    return f->bad >= begin && f->bad < end ? 9 : 0;
}

/* each index once, in parts of the grain at least. */
TEST(pool_many.loop_covers_the_range_once)
{
    static const size_t ranges[][2] = {{0, 0}, {5, 5}, {7, 3},    {0, 1},
                                       {3, N}, {0, N}, {N - 1, N}};
    static const size_t grains[] = {0, 1, 7, 64, N, SIZE_MAX};

    for (int workers = 1; workers <= 4; workers++) {
        pawl_pool *pool = make_of(workers, workers == 3 ? 1 : 0);

        for (size_t r = 0; r < sizeof ranges / sizeof *ranges; r++)
            for (size_t g = 0; g < sizeof grains / sizeof *grains; g++) {
                struct field f = {.grain = grains[g] > 0 ? grains[g] : 1,
                                  .from = ranges[r][0],
                                  .end = ranges[r][1],
                                  .bad = SIZE_MAX};
                int status = 77;

                CHECK_OK(pawl_pool_for(pool, ranges[r][0], ranges[r][1],
                                       grains[g], plough, &f, &status));
                CHECK_EQ(status, 0);
                for (size_t i = 0; i < N; i++)
                    CHECK_EQ(f.times[i], i >= ranges[r][0] && i < ranges[r][1]);
            }
        CHECK_OK(pawl_pool_end(pool));
    }
}

static int stay(pawl_task *t, void *events)
{
    (void)t;
    pawl_event_set(events);
    return pawl_event_wait((pawl_event *)events + 1);
}

/* A failure ends it: no index comes twice, and what comes later does not begin. */
TEST(pool_many.loop_ends_at_a_failure)
{
    pawl_pool *pool = make_of(1, 0);
    struct field f = {.grain = 10, .end = N, .bad = 5};
    pawl_event events[2] = {PAWL_EVENT_INIT, PAWL_EVENT_INIT};
    pawl_task plug = PAWL_TASK_INIT(stay, events);
    int status = 0;

    CHECK_OK(pawl_pool_submit(pool, &plug)); /* the caller is alone */
    pawl_event_wait(&events[0]);
    CHECK_OK(pawl_pool_for(pool, 0, N, 10, plough, &f, &status));
    CHECK_EQ(status, 9);
    CHECK_EQ(f.times[5], 1);
    CHECK_EQ(atomic_load(&f.parts), 1);
    CHECK_EQ(f.times[N - 1], 0);
    pawl_event_set(&events[1]);
    for (size_t i = 0; i < N; i++)
        CHECK(f.times[i] <= 1);
    CHECK_OK(pawl_pool_shutdown(pool, false));
    atomic_store(&f.parts, 0);
    CHECK_ERR(pawl_pool_for(pool, 0, N, 10, plough, &f, NULL), -ESHUTDOWN);
    CHECK_EQ(atomic_load(&f.parts), 0);
    CHECK_OK(pawl_pool_end(pool));
}

struct inner {
    pawl_pool *pool;
    _Atomic int sum;
};

static int add(size_t begin, size_t end, void *context)
{
    atomic_fetch_add(&((struct inner *)context)->sum, (int)(end - begin));
    return 0;
}

static int loop_within(size_t begin, size_t end, void *context)
{
    struct inner *in = context;

    for (size_t i = begin; i < end; i++)
        CHECK_OK(pawl_pool_for(in->pool, 0, 100, 3, add, in, NULL));
    return 0;
}

/* loops within loops, even with one worker. */
TEST(pool_many.loops_within_loops)
{
    for (int workers = 1; workers <= 3; workers++) {
        struct inner in = {.pool = make_of(workers, 0)};

        CHECK_OK(pawl_pool_for(in.pool, 0, 50, 1, loop_within, &in, NULL));
        CHECK_EQ(atomic_load(&in.sum), 5000);
        CHECK_OK(pawl_pool_end(in.pool));
    }
}

/* ---- maps ----------------------------------------------------------------------- */

struct rows {
    _Atomic size_t begun;
    pawl_event *gate; /* computed only when it is set */
};

static int square(size_t i, void **value, void *context)
{
    struct rows *r = context;

    if (r->gate != NULL)
        pawl_event_wait(r->gate);
    atomic_fetch_add(&r->begun, 1);
    CHECK(*value == NULL);
    if (i % 5 == 3)
        return -EIO;
    *value = (void *)(i * i);
    return (int)i;
}

/* results in the order of the input, a failure in its turn, then on; with
 * any chunk and buffer. */
TEST(pool_many.map_yields_in_the_order_of_the_input)
{
    static const size_t sizes[] = {0, 1, 2, 37, 200};

    for (size_t s = 0; s < sizeof sizes / sizeof *sizes; s++)
        for (size_t chunk = 0; chunk < 40; chunk += chunk < 3 ? 1 : 18)
            for (size_t buffer = 0; buffer < 50; buffer += 7) {
                pawl_pool *pool = make_of(2, buffer % 2);
                struct rows r = {.begun = 0};
                pawl_map *m = NULL;
                int status = 77;
                void *value = NULL;

                CHECK_OK(pawl_map_create(
                    &m, pool, sizes[s], square, &r,
                    &(pawl_map_options){.chunk = chunk, .buffer = buffer}));
                for (size_t i = 0; i < sizes[s]; i++) {
                    size_t ahead = buffer > chunk ? buffer : chunk;

                    CHECK_OK(pawl_map_next(m, &status, &value));
                    CHECK_ERR(status, i % 5 == 3 ? -EIO : (int)i);
                    CHECK_EQ((size_t)value, i % 5 == 3 ? 0 : i * i);
                    if (buffer > 0)
                        CHECK(atomic_load(&r.begun) <= i + 1 + ahead + 1);
                }
                CHECK_ERR(pawl_map_next(m, &status, &value), -ESHUTDOWN);
                CHECK_ERR(pawl_map_try_next(m, NULL, NULL), -ESHUTDOWN);
                CHECK_EQ(atomic_load(&r.begun), sizes[s]);
                pawl_map_free(m);
                CHECK_OK(pawl_pool_end(pool));
            }
}

/* a deadline, and an early end, which cancels what has not begun. */
TEST(pool_many.map_may_end_early)
{
    pawl_pool *pool = make_of(1, 0);
    pawl_event gate = PAWL_EVENT_INIT;
    struct rows r = {.gate = &gate};
    pawl_map *m = NULL;
    pawl_deadline until = pawl_after_ms(2);
    int status = 77;

    CHECK_ERR(pawl_map_create(&m, pool, 10, NULL, NULL, NULL), -EINVAL);
    CHECK_ERR(pawl_map_create(&m, pool, 10, square, &r,
                              &(pawl_map_options){.size = 1}),
              -EINVAL);
    CHECK_ERR(pawl_map_create(&m, pool, SIZE_MAX, square, &r, NULL), -ENOMEM);
    pawl_map_free(NULL);
    CHECK_OK(pawl_map_create(&m, pool, 100, square, &r, NULL));
    CHECK_ERR(pawl_map_try_next(m, &status, NULL), -EAGAIN);
    CHECK_ERR(pawl_map_next_until(m, &status, NULL, until), -ETIMEDOUT);
    CHECK(pawl_now() >= until);
    CHECK_EQ(status, 77);
    pawl_event_set(&gate);
    CHECK_OK(pawl_map_next(m, &status, NULL));
    CHECK_EQ(status, 0);
    pawl_event_clear(&gate);
    pawl_event_set(&gate);
    pawl_map_free(m);
    CHECK_OK(pawl_pool_drain(pool));

    /* What a shutdown has cancelled is told in its turn. */
    pawl_event_clear(&gate);
    atomic_store(&r.begun, 0);
    CHECK_OK(pawl_map_create(&m, pool, 10, square, &r,
                             &(pawl_map_options){.buffer = 4}));
    while (pawl_pool_workers(pool) == 0)
        ;
    CHECK_OK(pawl_pool_shutdown(pool, true));
    pawl_event_set(&gate);
    for (int i = 0; i < 10; i++) {
        int err = pawl_map_next(m, &status, NULL);

        CHECK(err == -ECANCELED || (i == 0 && err == 0));
    }
    CHECK_ERR(pawl_map_next(m, &status, NULL), -ESHUTDOWN);
    pawl_map_free(m);
    CHECK_ERR(pawl_map_create(&m, pool, 10, square, &r, NULL), -ESHUTDOWN);
    CHECK(atomic_load(&r.begun) <= 1);
    CHECK_OK(pawl_pool_end(pool));
}
