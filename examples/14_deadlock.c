/* SPDX-License-Identifier: MIT
 *
 * 14 - two locks taken in opposite order.  Each thread holds one and waits for the
 * other: with deadlines, one of them gives up; by taking both at once, it cannot
 * happen; with neither, one of them is told that it would be for ever, and the
 * lock-order checker says that it may happen before it does.
 */
#include "example.h"

/* ThreadSanitizer's own checker need not say it too. */
const char *__tsan_default_options(void);
const char *__tsan_default_options(void)
{
    return "detect_deadlocks=0";
}

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

/* -- Without deadlines -------------------------------------------------------- */

static pawl_deadlock_wait circle[2];
static pawl_lock_inversion inversion;
static int deadlocks;
static int inversions;

static void remember_circle(const pawl_deadlock_wait *waits, size_t n,
                            size_t all)
{
    deadlocks++;
    REQUIRE(n == 2 && all == 2);
    memcpy(circle, waits, sizeof circle);
}

static void remember_inversion(const pawl_lock_inversion *found)
{
    inversions++; /* by one thread: the order is known once */
    inversion = *found;
}

/* As lock_with_deadline, for ever. */
static int lock_for_ever(void *arg)
{
    const struct order *o = arg;
    int err;

    MUST(pawl_mutex_lock(o->first));
    REQUIRE(pawl_barrier_wait(&both_hold_one) >= 0);
    err = pawl_mutex_lock(o->second);
    if (err == 0)
        MUST(pawl_mutex_unlock(o->second));
    MUST(pawl_mutex_unlock(o->first));
    SAY("%s: %s", o->name, err == 0 ? "has had both" : pawl_errname(err));
    return err;
}

static bool are_both_names(const char *x, const char *y)
{
    return (strcmp(x, "a") == 0 && strcmp(y, "b") == 0) ||
           (strcmp(x, "b") == 0 && strcmp(y, "a") == 0);
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
    bool has_checker;

    example_begins(argc, argv);
    MUST(pawl_lock_set_name(&a, "a"));
    MUST(pawl_lock_set_name(&b, "b"));
    run_both(lock_with_deadline, status);
    for (int i = 0; i < 2; i++) {
        REQUIRE(status[i] == 0 || status[i] == -ETIMEDOUT);
        gave_up += status[i] == -ETIMEDOUT;
    }
    REQUIRE(gave_up >= 1);
    AT_LEAST(2);
    run_both(lock_both_at_once, status);
    REQUIRE(status[0] == 0 && status[1] == 0);

    has_checker = pawl_lock_order_check(true) == 0; /* else it is left out */
    pawl_lock_order_set_hook(remember_inversion);
    pawl_deadlock_set_hook(remember_circle);
    run_both(lock_for_ever, status);
    REQUIRE((status[0] == -EDEADLK && status[1] == 0) ||
            (status[0] == 0 && status[1] == -EDEADLK));
    REQUIRE(deadlocks == 1 && are_both_names(circle[0].name, circle[1].name));
    SAY("%s is held by who waits for %s", circle[0].name, circle[1].name);
    REQUIRE(inversions == (has_checker ? 1 : 0));
    if (has_checker) {
        REQUIRE(are_both_names(inversion.first_name, inversion.second_name));
        SAY("%s was taken with %s held", inversion.second_name,
            inversion.first_name);
    }
    SAY("OK with deadlines %d gave up, at once nobody in 2 x 1000, for ever "
        "one of two was told",
        gave_up);
    return 0;
}
