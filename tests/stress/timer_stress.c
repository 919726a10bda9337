/* SPDX-License-Identifier: MIT
 *
 * timer_stress.c - timers that are armed, cancelled, restarted and joined while
 * they fire.
 */
#include <sched.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include <pawl/error.h>
#include <pawl/timer.h>

#include "team.h"
#include "test.h"

enum { THREADS = 4 };

/* A timer of one thread, which knows for when it has armed it. */
struct own {
    pawl_timer timer;
    pawl_deadline when; /* written when it is not */
    _Atomic int runs;
    _Atomic bool inside;
};

static void run(pawl_timer *t, void *context)
{
    struct own *o = context;

    CHECK(t == &o->timer);
    CHECK(pawl_now() >= o->when);
    CHECK(!atomic_exchange(&o->inside, true)); /* never twice at once */
    atomic_fetch_add(&o->runs, 1);
    CHECK(atomic_exchange(&o->inside, false));
}

static struct own *make_own(void)
{
    struct own *o = calloc(1, sizeof *o);

    CHECK(o != NULL);
    CHECK_OK(pawl_timer_init(&o->timer, run, o));
    return o;
}

static void arm(struct own *o, struct member *me)
{
    o->when = team_soon(me, 100);
    CHECK_OK(pawl_timer_restart(&o->timer, o->when));
}

static void pause_for(struct member *me)
{
    pawl_deadline until = team_soon(me, 60);

    while (pawl_now() < until)
        ;
}

/* ---- ran or cancelled --------------------------------------------------------- */

/* What the code of join or of a cancellation means: it has run. */
static bool end_it(struct own *o, struct member *me)
{
    int err;

    switch (test_rand_below(&me->random, 4)) {
    case 0:
        CHECK_OK(pawl_timer_join(&o->timer));
        return true;
    case 1:
        err = pawl_timer_cancel(&o->timer);
        if (err == -EBUSY) /* too late to be called off */
            CHECK_OK(pawl_timer_join(&o->timer));
        else
            CHECK(err == 0 || err == -EALREADY);
        return err != 0;
    default:
        err = pawl_timer_cancel_wait(&o->timer);
        CHECK(err == 0 || err == -EALREADY);
        return err != 0;
    }
}

static void arm_and_end(struct member *me)
{
    struct own *o = make_own();
    int runs = 0;
    int n = test_iterations(10000);

    for (int i = 0; i < n; i++) {
        bool has_run;

        arm(o, me);
        pause_for(me);
        has_run = end_it(o, me);
        runs += has_run;
        CHECK(!atomic_load(&o->inside));
        CHECK_EQ(atomic_load(&o->runs), runs);
        CHECK_ERR(pawl_timer_try_join(&o->timer), has_run ? 0 : -ECANCELED);
    }
    CHECK(runs > 0);
    free(o);
}

/* T-33: each time it was armed, a timer has either run once or been cancelled, as
 * the codes say: never both, never neither, never before its time. */
TEST(timer_stress.ran_or_cancelled)
{
    team_of_threads(THREADS, arm_and_end, NULL);
}

/* ---- memory ------------------------------------------------------------------- */

static void free_after_cancel_wait(struct member *me)
{
    int n = test_iterations(6000);

    for (int i = 0; i < n; i++) {
        struct own *o = make_own();

        if (test_rand_below(&me->random, 2) == 0) {
            arm(o, me);
        } else {
            o->when = 0;
            CHECK_OK(pawl_timer_restart_every(&o->timer, team_soon(me, 50),
                                              1 + me->index * 1000));
        }
        pause_for(me);
        pawl_timer_cancel_wait(&o->timer);
        memset(o, 0xff, sizeof *o);
        free(o);
    }
}

/* T-33: after cancel-and-wait the memory may go, at once. */
TEST(timer_stress.memory_goes_after_cancel_wait)
{
    team_of_threads(THREADS, free_after_cancel_wait, NULL);
}

static _Atomic int freed;

static void free_itself(pawl_timer *t, void *left)
{
    (void)left;
    CHECK_OK(pawl_timer_destroy(t));
    memset(t, 0xff, sizeof *t);
    free(t);
    atomic_fetch_add(&freed, 1);
}

static void start_and_forget(struct member *me)
{
    int n = test_iterations(20000);

    for (int i = 0; i < n; i++) {
        pawl_timer *t = malloc(sizeof *t);

        CHECK(t != NULL);
        CHECK_OK(pawl_timer_init(t, free_itself, NULL));
        CHECK_OK(pawl_timer_start(t, team_soon(me, 1000)));
    }
}

/* timers that their functions free; all of them run. */
TEST(timer_stress.functions_free_their_timers)
{
    int n = THREADS * test_iterations(20000);

    team_of_threads(THREADS, start_and_forget, NULL);
    while (atomic_load(&freed) < n)
        sched_yield();
}

/* ---- shared timers --------------------------------------------------------------- */

enum { SHARED = 8 };

struct shared {
    pawl_timer timer;
    _Atomic int inside;
    _Atomic int64_t runs;
};

static void run_shared(pawl_timer *t, void *context)
{
    struct shared *s = context;

    CHECK_EQ(atomic_fetch_add(&s->inside, 1), 0);
    atomic_fetch_add(&s->runs, 1);
    if (atomic_load(&s->runs) % 16 == 0)
        CHECK_OK(pawl_timer_restart(t, pawl_after_us(20)));
    CHECK_EQ(atomic_fetch_sub(&s->inside, 1), 1);
}

static void do_anything(struct member *me)
{
    struct shared *shared = me->rig;
    int n = test_iterations(15000);

    for (int i = 0; i < n; i++) {
        pawl_timer *t = &shared[test_rand_below(&me->random, SHARED)].timer;
        int err = 0;

        switch (test_rand_below(&me->random, 6)) {
        case 0:
            CHECK_OK(pawl_timer_restart(t, team_soon(me, 200)));
            break;
        case 1:
            CHECK_OK(pawl_timer_restart_every(t, team_soon(me, 200), 30000));
            break;
        case 2:
            err = pawl_timer_cancel(t);
            CHECK(err == 0 || err == -EBUSY || err == -EALREADY);
            break;
        case 3:
            err = pawl_timer_cancel_wait_until(t, team_soon(me, 100));
            CHECK(err == 0 || err == -EALREADY || err == -ETIMEDOUT);
            break;
        case 4:
            err = pawl_timer_cancel_wait(t);
            CHECK(err == 0 || err == -EALREADY);
            break;
        default:
            err = pawl_timer_join_until(t, team_soon(me, 300));
            CHECK(err == 0 || err == -ECANCELED || err == -ETIMEDOUT ||
                  err == -ESRCH);
        }
    }
}

/* T-33: whatever several threads do with the same timers, a function never runs
 * twice at once; and when all is cancelled, nothing runs any more. */
TEST(timer_stress.anything_goes)
{
    struct shared *shared = calloc(SHARED, sizeof *shared);
    int64_t runs = 0;

    CHECK(shared != NULL);
    for (int i = 0; i < SHARED; i++)
        CHECK_OK(pawl_timer_init(&shared[i].timer, run_shared, &shared[i]));
    team_of_threads(THREADS, do_anything, shared);
    for (int i = 0; i < SHARED; i++) {
        pawl_timer_cancel_wait(&shared[i].timer);
        CHECK_EQ(atomic_load(&shared[i].inside), 0);
        CHECK(!pawl_timer_is_pending(&shared[i].timer));
        runs += atomic_load(&shared[i].runs);
    }
    CHECK(runs > 0);
    free(shared);
}

/* ---- joiners ------------------------------------------------------------------ */

struct joined {
    struct own *own;
    _Atomic bool over;
};

static void join_again_and_again(struct member *me)
{
    struct joined *j = me->rig;
    int n = test_iterations(5000);

    if (me->index == 0) {
        for (int i = 0; i < n; i++) {
            arm(j->own, me);
            pause_for(me);
            if (test_rand_below(&me->random, 2) == 0)
                pawl_timer_cancel_wait(&j->own->timer);
            else
                CHECK_OK(pawl_timer_join(&j->own->timer));
        }
        atomic_store(&j->over, true);
        return;
    }
    while (!atomic_load(&j->over)) {
        int err = pawl_timer_join(&j->own->timer);

        CHECK(err == 0 || err == -ECANCELED || err == -ESRCH);
    }
}

/* T-33: every rest releases all who join: nobody is left asleep, though it is armed
 * again at once. */
TEST(timer_stress.every_rest_releases_all)
{
    struct joined j = {.own = make_own()};

    team_of_threads(THREADS, join_again_and_again, &j);
    free(j.own);
}

/* ---- forks -------------------------------------------------------------------- */

static _Atomic bool forked_enough;

static void arm_and_cancel(void *o)
{
    while (!atomic_load(&forked_enough)) {
        ((struct own *)o)->when = 0;
        CHECK_OK(pawl_timer_restart(&((struct own *)o)->timer, 0));
        pawl_timer_cancel_wait(&((struct own *)o)->timer);
    }
}

static void use_timers(void *arg)
{
    struct own *o = make_own();

    (void)arg;
    for (int i = 1; i <= 3; i++) {
        CHECK_OK(pawl_timer_restart(&o->timer, 0));
        CHECK_OK(pawl_timer_join(&o->timer));
        CHECK_EQ(atomic_load(&o->runs), i);
    }
    free(o);
}

/* K-04: whatever the timers and their lock are going through at a fork, the child
 * has timers. */
TEST(timer_stress.children_have_timers)
{
    struct test_thread *threads[2];
    struct own *o[2];

    if (test_under_tsan())
        TEST_SKIP("it allows no threads in such a child");
    for (int i = 0; i < 2; i++) {
        o[i] = make_own();
        threads[i] = test_thread(arm_and_cancel, o[i]);
    }
    for (int i = 0; i < test_iterations(500); i++)
        test_wait_child(test_spawn_child(use_timers, NULL));
    atomic_store(&forked_enough, true);
    for (int i = 0; i < 2; i++) {
        test_join(threads[i]);
        free(o[i]);
    }
}
