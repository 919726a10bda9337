/* SPDX-License-Identifier: MIT
 *
 * queue_windows_test.c - the unbounded FIFO, in which something happens in the
 * middle of a call: a put and a shutdown between any two of its atomic accesses.
 */
#include "atomic/ops.h"
#include "queue/store.h"
#include "test.h"

static int countdown; /* accesses to go; 0: nothing happens */
static void (*happens)(void);

static void step(void)
{
    if (countdown > 0 && --countdown == 0)
        happens();
}

static uint32_t stepping_load(const pawl_u32 *w)
{
    step();
    return pawl_load_seq(w);
}

static uint64_t stepping_load64(const pawl_u64 *w)
{
    step();
    return pawl_load64_seq(w);
}

static void stepping_store64(pawl_u64 *w, uint64_t v)
{
    step();
    pawl_store64_seq(w, v);
}

#define pawl_load_seq stepping_load
#define pawl_load64_seq stepping_load64
#define pawl_store64_seq stepping_store64
#define pawl_store_unbounded_fifo its_own_copy
#include "queue/unbounded_fifo.c" // NOLINT: its own copy, with the steps

static struct chain chain;

static void begin(int access, void (*what)(void))
{
    const pawl_queue_options o = {.element_size = sizeof(int)};

    chain_destroy(&chain);
    chain_init(&chain, sizeof chain, &o);
    countdown = access;
    happens = what;
}

static void put_and_close(void)
{
    int v = 7;

    countdown = 0;
    CHECK_EQ(chain_push(&chain, &v, 1), 1);
    CHECK_OK(chain_close(&chain));
}

/* an element that was put before the end is delivered before the end, in
 * whatever moment of a get both come. */
TEST(queue_window.put_and_shutdown_in_the_middle_of_a_get)
{
    for (int access = 1; access <= 2; access++) {
        int v = 0;
        int64_t n;

        begin(access, put_and_close);
        n = chain_pop(&chain, &v, 1);
        CHECK_EQ(countdown, 0);
        CHECK(n == 1 || n == -EAGAIN);
        CHECK_EQ(v, n == 1 ? 7 : 0);
        if (n != 1)
            CHECK_EQ(chain_pop(&chain, &v, 1), 1);
        CHECK_EQ(chain_pop(&chain, &v, 1), -ESHUTDOWN);
    }
    chain_destroy(&chain);
}

static void close_and_get(void)
{
    int v = 0;

    countdown = 0;
    /* The put holds the lock that a shutdown takes: from another thread this
     * would wait. */
    CHECK_ERR(chain_close(&chain), -EDEADLK);
    CHECK_EQ(chain_pop(&chain, &v, 1), -EAGAIN);
}

/* a shutdown comes before a put or after it. */
TEST(queue_window.shutdown_in_the_middle_of_a_put)
{
    int v = 7;

    begin(1, close_and_get);
    CHECK_EQ(chain_push(&chain, &v, 1), 1);
    CHECK_EQ(countdown, 0);
    CHECK_EQ(chain_size(&chain), 1);
    chain_destroy(&chain);
}

static void get(void)
{
    int v = 0;

    countdown = 0;
    CHECK_EQ(chain_pop(&chain, &v, 1), 1);
}

/* the size is that of one instant, never below 0. */
TEST(queue_window.get_in_the_middle_of_size)
{
    for (int access = 1; access <= 3; access++) {
        int v = 7;
        size_t size;

        begin(0, get);
        CHECK_EQ(chain_push(&chain, &v, 1), 1);
        countdown = access;
        size = chain_size(&chain);
        CHECK_EQ(countdown, 0);
        CHECK_EQ(size, 0);
    }
    chain_destroy(&chain);
}
