/* SPDX-License-Identifier: MIT
 *
 * ledger_test.c - S-10, S-11: permits that know their holders, by the threads of one
 * process.
 */
#include <pawl/error.h>
#include <pawl/ledger.h>
#include <pawl/region.h>

#include "test.h"

static pawl_region *region;
static pawl_ledger *ledger;

static void make(size_t permits)
{
    size_t bytes;
    void *memory;

    CHECK_OK(pawl_region_create(
        &region, &(pawl_region_options){.buffer = 4096, .participants = 3}));
    memory = pawl_region_buffer(region, &bytes);
    CHECK_OK(pawl_ledger_init(&ledger, memory, bytes, permits));
}

TEST(ledger.gives_as_many_as_there_are)
{
    make(2);
    CHECK_EQ(pawl_ledger_permits(ledger), 2);
    CHECK_OK(pawl_ledger_acquire(ledger, region));
    CHECK_EQ(pawl_ledger_value(ledger, region), 1);
    CHECK_OK(pawl_ledger_acquire_until(ledger, region, 0));
    CHECK_ERR(pawl_ledger_try_acquire(ledger, region), -EAGAIN);
    CHECK_ERR(pawl_ledger_acquire_until(ledger, region, 0), -ETIMEDOUT);
    CHECK_EQ(pawl_ledger_held(ledger, region), 2);
    CHECK_OK(pawl_ledger_release(ledger, region));
    CHECK_OK(pawl_ledger_try_acquire(ledger, region));
    CHECK_OK(pawl_ledger_release(ledger, region));
    CHECK_OK(pawl_ledger_release(ledger, region));
    CHECK_ERR(pawl_ledger_release(ledger, region), -EPERM);
    CHECK_EQ(pawl_ledger_value(ledger, region), 2);
}

TEST(ledger.refuses_what_cannot_be)
{
    pawl_ledger *again;
    size_t bytes;
    char *memory;

    make(1);
    memory = pawl_region_buffer(region, &bytes);
    CHECK_ERR((int)pawl_ledger_bytes(0), -EINVAL);
    CHECK_ERR((int)pawl_ledger_bytes(PAWL_LEDGER_PERMITS_MAX + 1), -EINVAL);
    CHECK_ERR(pawl_ledger_init(&again, memory + 8, bytes, 1), -EINVAL);
    CHECK_ERR(pawl_ledger_init(&again, memory, 128, 1), -ENOSPC);
    CHECK_OK(pawl_ledger_attach(&again, memory, bytes));
    CHECK_ERR(pawl_ledger_attach(&again, memory, 255), -EINVAL);
    CHECK_ERR(pawl_ledger_attach(&again, memory + 256, bytes), -EINVAL);
    for (int i = 0; i < 2; i++) { /* what it is, and of which layout */
        ((uint32_t *)(void *)memory)[i]++;
        CHECK_ERR(pawl_ledger_attach(&again, memory, bytes), -EINVAL);
        ((uint32_t *)(void *)memory)[i]--;
    }
    CHECK_OK(pawl_ledger_attach(&again, memory, bytes));
    CHECK_OK(pawl_region_close(region));
    CHECK_ERR(pawl_ledger_try_acquire(ledger, region), -EBADF);
    CHECK_ERR(pawl_ledger_acquire(ledger, region), -EBADF);
    CHECK_ERR(pawl_ledger_release(ledger, region), -EBADF);
}

static void acquire_and_end(void *err)
{
    CHECK_ERR(pawl_ledger_try_acquire(ledger, region), *(int *)err);
}

TEST(ledger.permits_of_the_dead_come_back)
{
    int first = 0;
    int later = -EOWNERDEAD;

    make(1);
    test_join(test_thread(acquire_and_end, &first));
    CHECK_EQ(pawl_ledger_value(ledger, region), 1);
    for (int i = 0; i < 50; i++)
        test_join(test_thread(acquire_and_end, &later));
    CHECK_ERR(pawl_ledger_acquire(ledger, region), -EOWNERDEAD);
    CHECK_OK(pawl_ledger_release(ledger, region));
    CHECK_OK(pawl_ledger_acquire(ledger, region));
}

static void release_others(void *unused)
{
    (void)unused;
    CHECK_ERR(pawl_ledger_release(ledger, region), -EPERM);
}

TEST(ledger.a_permit_is_its_holders)
{
    make(1);
    CHECK_OK(pawl_ledger_acquire(ledger, region));
    test_join(test_thread(release_others, NULL));
    CHECK_OK(pawl_ledger_release(ledger, region));
}

static void wait_for_one(void *unused)
{
    (void)unused;
    CHECK_OK(pawl_ledger_acquire(ledger, region));
    CHECK_OK(pawl_ledger_release(ledger, region));
}

TEST(ledger.acquire_waits_for_a_release)
{
    struct test_thread *t;

    make(1);
    CHECK_OK(pawl_ledger_acquire(ledger, region));
    t = test_thread(wait_for_one, NULL);
    test_until_asleep(test_tid(t));
    CHECK_OK(pawl_ledger_release(ledger, region));
    test_join(t);
}
