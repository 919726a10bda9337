/* SPDX-License-Identifier: MIT
 *
 * parties_test.c - B-13: a barrier that breaks when a party dies, by the threads of one
 * process.
 */
#include <pawl/error.h>
#include <pawl/parties.h>

#include "test.h"

static pawl_region *region;
static pawl_parties *parties;

static void make(size_t n)
{
    size_t bytes;
    void *memory;

    CHECK_OK(
        pawl_region_create(&region, &(pawl_region_options){.buffer = 4096}));
    memory = pawl_region_buffer(region, &bytes);
    CHECK_OK(pawl_parties_init(&parties, memory, bytes, n));
}

static void pass(void *arg)
{
    int *index = arg;

    *index = pawl_parties_wait(parties, region);
    CHECK_OK(pawl_parties_leave(parties, region));
}

static void pass_together(void)
{
    int other = -1;
    struct test_thread *t = test_thread(pass, &other);
    int mine = pawl_parties_wait(parties, region);

    test_join(t);
    CHECK(mine >= 0 && other >= 0 && mine + other == 1);
}

TEST(parties.pass_together)
{
    make(2);
    CHECK_ERR(pawl_parties_try_wait(parties, region), -EAGAIN);
    for (int i = 0; i < 100; i++)
        pass_together();
    CHECK_EQ(pawl_barrier_generation(pawl_parties_barrier(parties)), 100);
    CHECK_OK(pawl_parties_leave(parties, region));
    CHECK_ERR(pawl_parties_leave(parties, region), -ENOENT);
}

TEST(parties.a_deadline_breaks_it_until_reset)
{
    make(2);
    CHECK_ERR(pawl_parties_wait_until(parties, region, 0), -ETIMEDOUT);
    CHECK_ERR(pawl_parties_wait(parties, region), -ECANCELED);
    CHECK_EQ(pawl_barrier_reason(pawl_parties_barrier(parties)), -ETIMEDOUT);
    CHECK_OK(pawl_parties_reset(parties, region));
    pass_together();
}

static void wait_and_end(void *unused)
{
    (void)unused;
    CHECK(pawl_parties_wait(parties, region) >= 0);
}

TEST(parties.break_when_one_has_died)
{
    struct test_thread *t;

    make(2);
    t = test_thread(wait_and_end, NULL);
    CHECK(pawl_parties_wait(parties, region) >= 0);
    test_join(t); /* it has not left */
    CHECK_ERR(pawl_parties_wait(parties, region), -ECANCELED);
    CHECK_EQ(pawl_barrier_reason(pawl_parties_barrier(parties)), -EOWNERDEAD);
    CHECK_OK(pawl_parties_reset(parties, region));
    pass_together();
}

TEST(parties.refuse_what_cannot_be)
{
    pawl_parties *again;
    size_t bytes;
    char *memory;

    make(1);
    memory = pawl_region_buffer(region, &bytes);
    CHECK_EQ(pawl_parties_wait(parties, region), 0);
    CHECK_EQ(pawl_parties_try_wait(parties, region), 0);
    CHECK_ERR((int)pawl_parties_bytes(0), -EINVAL);
    CHECK_ERR((int)pawl_parties_bytes(PAWL_BARRIER_PARTIES_MAX + 1), -EINVAL);
    CHECK_ERR(pawl_parties_init(&again, memory + 8, bytes, 1), -EINVAL);
    CHECK_ERR(pawl_parties_init(&again, memory, 128, 1), -ENOSPC);
    CHECK_OK(pawl_parties_attach(&again, memory, bytes));
    CHECK_ERR(pawl_parties_attach(&again, memory, 255), -EINVAL);
    CHECK_ERR(pawl_parties_attach(&again, memory + 256, bytes), -EINVAL);
    for (int i = 0; i < 2; i++) { /* what it is, and of which layout */
        ((uint32_t *)(void *)memory)[i]++;
        CHECK_ERR(pawl_parties_attach(&again, memory, bytes), -EINVAL);
        ((uint32_t *)(void *)memory)[i]--;
    }
    CHECK_OK(pawl_parties_attach(&again, memory, bytes));
    CHECK_OK(pawl_region_close(region));
    CHECK_ERR(pawl_parties_wait(parties, region), -EBADF);
    CHECK_ERR(pawl_parties_try_wait(parties, region), -EBADF);
    CHECK_ERR(pawl_parties_leave(parties, region), -EBADF);
    CHECK_ERR(pawl_parties_reset(parties, region), -EBADF);
}
