/* SPDX-License-Identifier: MIT
 *
 * future_shared_test.c - the future between processes: the value is a number.
 */
#include <pawl/error.h>
#include <pawl/future.h>

#include "team.h"
#include "test.h"

enum { FUTURES = 400, MEMBERS = 4 };

struct rig {
    pawl_future f[FUTURES];
    int payload[FUTURES]; /* plain: the future orders it */
    _Atomic int began;
    _Atomic int cancelled;
};

static void race(struct member *me)
{
    struct rig *r = me->rig;

    for (int i = 0; i < FUTURES; i++) {
        pawl_future *f = &r->f[i];
        pawl_wait_item item = PAWL_WAIT_FUTURE(f);
        int status = 0;
        void *value = NULL;
        int err =
            me->index % 2 == 0 ? pawl_future_begin(f) : pawl_future_cancel(f);

        if (err == 0 && me->index % 2 == 0) {
            r->payload[i] = i;
            atomic_fetch_add(&r->began, 1);
            CHECK_OK(pawl_future_set(f, -i, (void *)(uintptr_t)i));
        }
        if (test_rand_below(&me->random, 2) == 0)
            CHECK_OK(pawl_wait_any(&item, 1, NULL));
        while ((err = pawl_future_result_until(
                    f, &status, &value, team_soon(me, 50))) == -ETIMEDOUT)
            ;
        if (err == -ECANCELED) {
            if (me->index == 0)
                atomic_fetch_add(&r->cancelled, 1);
            continue;
        }
        CHECK_OK(err);
        CHECK_EQ(status, -i);
        CHECK_EQ((uintptr_t)value, i);
        CHECK_EQ(r->payload[i], i);
    }
}

/* Invariant: each is begun once or cancelled, and all processes learn which. */
TEST(future_shared.processes_agree_on_the_outcome)
{
    int rounds = test_iterations(20);

    for (int k = 0; k < rounds; k++) {
        struct rig *r = test_shared_alloc(sizeof *r);

        for (int i = 0; i < FUTURES; i++)
            CHECK_OK(pawl_future_init(&r->f[i], PAWL_SHARED));
        team_of_processes(MEMBERS, race, r);
        CHECK_EQ(atomic_load(&r->began) + atomic_load(&r->cancelled), FUTURES);
    }
}

static void set_it(void *f)
{
    CHECK_OK(pawl_future_set(f, 2, NULL));
}

static void await_it(void *f)
{
    int status = 0;

    CHECK_OK(pawl_future_result(f, &status, NULL));
    CHECK_EQ(status, 2);
}

/* A sleeper in another process, which has it at another address, is woken. */
TEST(future_shared.set_wakes_another_process)
{
    struct view v = view_make(sizeof(pawl_future));
    pid_t waiter;

    CHECK_OK(pawl_future_init(v.at, PAWL_SHARED));
    waiter = test_spawn_child(await_it, v.at);
    test_until_asleep(waiter);
    set_it(view_again(&v, false));
    test_wait_child(waiter);
}
