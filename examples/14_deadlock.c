/* SPDX-License-Identifier: MIT
 *
 * 14 - two locks taken in opposite order.  Each thread holds one and waits for the
 * other: with deadlines, one of them gives up; by taking both at once, it cannot
 * happen.
 */
#include "example.h"

static pawl_mutex a = PAWL_MUTEX_INIT;
static pawl_mutex b = PAWL_MUTEX_INIT;
static pawl_barrier both_hold_one = PAWL_BARRIER_INIT(2);

struct order {
    pawl_mutex *first, *second;
    const char *name;
};

/* The status: what the second lock returned. */
static int lock_with_deadline(void *arg)
{
    const struct order *o = arg;
    int err;

    MUST(pawl_mutex_lock(o->first));
    REQUIRE(pawl_barrier_wait(&both_hold_one) >= 0); /* the start gate */
    err = pawl_mutex_lock_until(o->second, example_after(2));
    if (err == 0)
        MUST(pawl_mutex_unlock(o->second));
    MUST(pawl_mutex_unlock(o->first));
    SAY("%s: %s", o->name, err == 0 ? "has had both" : pawl_errname(err));
    return err;
}

static int lock_both_at_once(void *arg)
{
    const struct order *o = arg;
    pawl_mutex *const both[] = {o->first, o->second};

    for (int i = 0; i < 1000; i++) {
        int err = pawl_mutex_lock_many_until(both, 2, example_after(100));

        if (err != 0)
            return err;
        MUST(pawl_mutex_unlock_many(both, 2));
    }
    return 0;
}

static void run_both(pawl_thread_fn fn, int status[2])
{
    static struct order orders[] = {{&a, &b, "a then b"}, {&b, &a, "b then a"}};
    pawl_thread threads[2];

    for (int i = 0; i < 2; i++) {
        MUST(PAWL_THREAD_INIT(&threads[i], fn, &orders[i]));
        MUST(pawl_thread_start(&threads[i]));
    }
    for (int i = 0; i < 2; i++)
        MUST(pawl_thread_join(&threads[i], &status[i]));
}

int main(int argc, char **argv)
{
    int status[2];
    int gave_up = 0;

    example_begins(argc, argv);
    run_both(lock_with_deadline, status);
    for (int i = 0; i < 2; i++) {
        REQUIRE(status[i] == 0 || status[i] == -ETIMEDOUT);
        gave_up += status[i] == -ETIMEDOUT;
    }
    REQUIRE(gave_up >= 1);
    AT_LEAST(2);
    run_both(lock_both_at_once, status);
    REQUIRE(status[0] == 0 && status[1] == 0);
    SAY("OK with deadlines %d gave up, at once nobody in 2 x 1000", gave_up);
    return 0;
}
