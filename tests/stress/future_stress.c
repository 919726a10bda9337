/* SPDX-License-Identifier: MIT
 *
 * future_stress.c - futures among many threads.
 */
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include <pawl/error.h>
#include <pawl/future.h>

#include "team.h"
#include "test.h"

/* ---- one final state, and everybody learns of it ---------------------------- */

enum { FUTURES = 32, ROLES = 8 };

struct subject {
    pawl_future f;
    pawl_future_callback cb[2];
    int payload;         /* plain: written before the set */
    int seen_by_cb;      /* plain: written by a callback that runs once */
    _Atomic int began;   /* begins that said 0 */
    _Atomic int sets;    /* sets that said 0 */
    _Atomic int cancels; /* cancels that were the first, as far as is known */
    _Atomic int called;
    _Atomic int removed;
};

struct rig {
    struct subject s[FUTURES];
};

static void be_called(pawl_future *f, void *context)
{
    struct subject *s = context;

    CHECK(f == &s->f);
    CHECK(pawl_future_is_done(f));
    atomic_fetch_add(&s->called, 1);
}

static void check_outcome(struct subject *s, int err)
{
    int status = 0;
    void *value = NULL;

    CHECK(pawl_future_is_done(&s->f));
    CHECK_ERR(err, pawl_future_is_cancelled(&s->f) ? -ECANCELED : 0);
    if (err == 0) {
        CHECK_OK(pawl_future_try_result(&s->f, &status, &value));
        CHECK_EQ(status, 3);
        CHECK(value == &s->payload);
        CHECK_EQ(*(int *)value, 8);
    }
}

static void work(struct subject *s)
{
    int err = pawl_future_begin(&s->f);

    if (err == 0) {
        atomic_fetch_add(&s->began, 1);
        s->payload = 8;
        if (pawl_future_set(&s->f, 3, &s->payload) == 0)
            atomic_fetch_add(&s->sets, 1);
    } else {
        CHECK(err == -ECANCELED || err == -EALREADY);
    }
}

static void call_off(struct member *me, struct subject *s)
{
    int err = test_rand_below(&me->random, 2) == 0
                  ? pawl_future_cancel(&s->f)
                  : pawl_future_request_stop(&s->f);

    if (err == 0 && pawl_future_is_cancelled(&s->f))
        atomic_fetch_add(&s->cancels, 1);
}

static void end_for_certain(struct subject *s)
{
    if (pawl_future_cancel(&s->f) == -EBUSY)
        CHECK_OK(pawl_future_result(&s->f, NULL, NULL));
}

static void await_one(struct member *me, struct subject *s)
{
    pawl_wait_item item = PAWL_WAIT_FUTURE(&s->f);
    int err;

    do {
        pawl_deadline until = test_rand_below(&me->random, 2) == 0
                                  ? PAWL_FOREVER
                                  : team_soon(me, 30);

        if (test_rand_below(&me->random, 3) == 0) {
            err = pawl_wait_any_until(&item, 1, until, NULL);
            if (err == 0)
                err = pawl_future_try_result(&s->f, NULL, NULL);
        } else {
            err = pawl_future_result_until(&s->f, NULL, NULL, until);
        }
    } while (err == -ETIMEDOUT);
    check_outcome(s, err);
}

static void register_here(struct member *me, struct subject *s)
{
    pawl_future_callback *cb = &s->cb[me->index % 2];
    int err;

    CHECK_OK(pawl_future_add_callback(&s->f, cb, be_called, s));
    if (test_rand_below(&me->random, 2) == 0)
        return;
    err = pawl_future_remove_callback(&s->f, cb);
    if (err == 0)
        atomic_fetch_add(&s->removed, 1);
    else
        CHECK_ERR(err, -EALREADY);
}

static void fill(pawl_future_entry *e, struct rig *r, int n, int shift)
{
    for (int i = 0; i < n; i++)
        e[i] = (pawl_future_entry){.future = &r->s[(i + shift) % FUTURES].f};
}

static void await_all(struct member *me, struct rig *r)
{
    pawl_future_entry e[FUTURES];
    int shift = (int)test_rand_below(&me->random, FUTURES);
    int err;

    do {
        fill(e, r, FUTURES, shift);
        err = pawl_future_wait_until(
            e, FUTURES, (enum pawl_future_when)test_rand_below(&me->random, 3),
            team_soon(me, 100));
        memset(e, 0xa5, sizeof e);
        CHECK(err == 0 || err == -ETIMEDOUT);
    } while (err != 0);
    fill(e, r, FUTURES, shift);
    CHECK_OK(pawl_future_wait(e, FUTURES, PAWL_FUTURE_ALL_COMPLETED));
}

static void yield_some(struct member *me, struct rig *r)
{
    pawl_future_entry e[FUTURES + 4];
    pawl_as_completed c;
    bool yielded[FUTURES] = {false};
    int most = (int)test_rand_below(&me->random, FUTURES + 1);
    int n = 0;
    size_t which;
    int err = 0;

    fill(e, r, FUTURES + 4, (int)test_rand_below(&me->random, FUTURES));
    CHECK_OK(pawl_as_completed_begin(&c, e, FUTURES + 4));
    while (n < most || most == FUTURES) {
        struct subject *s;

        err = pawl_as_completed_next_until(
            &c, &which, most == FUTURES ? PAWL_FOREVER : team_soon(me, 200));
        if (err != 0)
            break;
        s = (struct subject *)(void *)e[which].future; /* its first member */
        CHECK(!yielded[s - r->s]);
        yielded[s - r->s] = true;
        check_outcome(s, pawl_future_try_result(&s->f, NULL, NULL));
        n++;
    }
    if (err != 0 && err != -ETIMEDOUT) {
        CHECK_ERR(err, -ESHUTDOWN);
        CHECK_EQ(n, FUTURES);
    }
    pawl_as_completed_end(&c);
    memset(e, 0xa5, sizeof e);
}

static void play(struct member *me)
{
    struct rig *r = me->rig;

    if (me->index == 6) {
        await_all(me, r);
        return;
    }
    if (me->index == 7) {
        yield_some(me, r);
        return;
    }
    for (int i = 0; i < FUTURES; i++) {
        struct subject *s = &r->s[i];

        switch (me->index) {
        case 0:
            if (test_rand_below(&me->random, 4) == 0)
                sched_yield();
            work(s);
            break;
        case 1:
            call_off(me, s);
            break;
        case 2:
            end_for_certain(s);
            break;
        case 3:
            await_one(me, s);
            break;
        default:
            register_here(me, s);
            break;
        }
    }
}

/* Invariant (16.3, 8): one final state; one that was cancelled never began; each
 * callback was called once or removed; every waiting form returns. */
TEST(future_stress.one_outcome_for_all)
{
    int rounds = test_iterations(4000);

    for (int k = 0; k < rounds; k++) {
        struct rig *r = calloc(1, sizeof *r);

        CHECK(r != NULL);
        team_of_threads(ROLES, play, r);
        for (int i = 0; i < FUTURES; i++) {
            struct subject *s = &r->s[i];
            bool cancelled = pawl_future_is_cancelled(&s->f);

            CHECK(pawl_future_is_done(&s->f));
            CHECK(!pawl_future_stop_requested(&s->f));
            CHECK_EQ(atomic_load(&s->began), !cancelled);
            CHECK_EQ(atomic_load(&s->sets), !cancelled);
            CHECK(cancelled || atomic_load(&s->cancels) == 0);
            CHECK_EQ(atomic_load(&s->called) + atomic_load(&s->removed), 2);
        }
        free(r);
    }
}

/* ---- who may free what, and when ----------------------------------------------- */

enum { COMPLETERS = 2 };

struct short_lived {
    pawl_future f;
    pawl_future_callback cb;
};

struct hand_over {
    _Atomic(struct short_lived *) place[COMPLETERS];
    _Atomic int freed;
    int rounds;
};

static struct short_lived *short_lived_make(void)
{
    struct short_lived *s = calloc(1, sizeof *s);

    CHECK(s != NULL);
    return s;
}

static void give(_Atomic(struct short_lived *) *place, struct short_lived *s)
{
    while (atomic_load(place) != NULL)
        sched_yield();
    atomic_store(place, s);
}

static struct short_lived *take(_Atomic(struct short_lived *) *place)
{
    struct short_lived *s;

    while ((s = atomic_exchange(place, NULL)) == NULL)
        sched_yield();
    return s;
}

static void wreck(struct short_lived *s)
{
    memset(s, 0xa5, sizeof *s);
    free(s);
}

static void free_after_wait(struct member *me)
{
    struct hand_over *h = me->rig;

    for (int i = 0; i < h->rounds; i++) {
        if (me->index < COMPLETERS) {
            struct short_lived *s = take(&h->place[me->index]);

            CHECK_OK(me->index == 0 ? pawl_future_set(&s->f, 0, NULL)
                                    : pawl_future_cancel(&s->f));
            continue;
        }
        for (int k = 0; k < COMPLETERS; k++) {
            struct short_lived *s = short_lived_make();
            pawl_future_entry e = {.future = &s->f};
            pawl_wait_item item = PAWL_WAIT_FUTURE(&s->f);
            pawl_as_completed c;
            size_t which;

            give(&h->place[k], s);
            switch (test_rand_below(&me->random, 4)) {
            case 0:
                CHECK_ERR(pawl_future_result(&s->f, NULL, NULL),
                          k == 0 ? 0 : -ECANCELED);
                break;
            case 1:
                CHECK_OK(pawl_future_wait(&e, 1, PAWL_FUTURE_FIRST_COMPLETED));
                break;
            case 2:
                CHECK_OK(pawl_wait_any(&item, 1, NULL));
                break;
            default:
                CHECK_OK(pawl_as_completed_begin(&c, &e, 1));
                CHECK_OK(pawl_as_completed_next(&c, &which));
                break;
            }
            wreck(s);
        }
    }
}

/* Invariant: a thread that has waited, in whatever form, may free it; the
 * sanitizers judge. */
TEST(future_stress.waiter_may_free_it)
{
    struct hand_over h = {.rounds = test_iterations(40000)};

    team_of_threads(COMPLETERS + 1, free_after_wait, &h);
}

static void free_it(pawl_future *f, void *context)
{
    struct short_lived *s = context;

    CHECK(f == &s->f);
    wreck(s);
}

static void free_in_callback(struct member *me)
{
    struct hand_over *h = me->rig;

    for (int i = 0; i < h->rounds; i++) {
        if (me->index < COMPLETERS) {
            struct short_lived *s = take(&h->place[me->index]);

            CHECK_OK(me->index == 0 ? pawl_future_set(&s->f, 0, NULL)
                                    : pawl_future_cancel(&s->f));
            continue;
        }
        for (int k = 0; k < COMPLETERS; k++) {
            struct short_lived *s = short_lived_make();

            give(&h->place[k], s);
            CHECK_OK(pawl_future_add_callback(&s->f, &s->cb, free_it, s));
        }
    }
}

/* Invariant: so may the only callback, in whichever thread it is called. */
TEST(future_stress.callback_may_free_it)
{
    struct hand_over h = {.rounds = test_iterations(60000)};

    team_of_threads(COMPLETERS + 1, free_in_callback, &h);
}
