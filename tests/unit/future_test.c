/* SPDX-License-Identifier: MIT
 *
 * future_test.c - the future, call by call: F-01 to F-07, and
 * its place in a wait set.
 */
#include <limits.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include <pawl/error.h>
#include <pawl/future.h>

#include "puppet.h"
#include "test.h"

enum { WAITERS = 4 };

static const pawl_deadline past[] = {0, -1, INT64_MIN, 1};

static int marks[2];
#define VALUE ((void *)&marks[0])

static pawl_future future_in(enum pawl_future_state state, unsigned flags)
{
    pawl_future f = PAWL_FUTURE_INIT_FLAGS(flags);

    switch (state) {
    case PAWL_FUTURE_PENDING:
        break;
    case PAWL_FUTURE_RUNNING:
        CHECK_OK(pawl_future_begin(&f));
        break;
    case PAWL_FUTURE_CANCELLED:
        CHECK_OK(pawl_future_cancel(&f));
        break;
    case PAWL_FUTURE_FINISHED:
        CHECK_OK(pawl_future_set(&f, -EIO, VALUE));
        break;
    }
    CHECK_EQ(pawl_future_state(&f), state);
    return f;
}

/* F-01, F-02, F-05, F-06: every call in every state. */
TEST(future.every_call_in_every_state)
{
    static const struct {
        int begin, set, cancel, result;
        bool running, done;
    } want[] = {
        [PAWL_FUTURE_PENDING] = {0, 0, 0, -EAGAIN, false, false},
        [PAWL_FUTURE_RUNNING] = {-EALREADY, 0, -EBUSY, -EAGAIN, true, false},
        [PAWL_FUTURE_CANCELLED] = {-ECANCELED, -EALREADY, 0, -ECANCELED, false,
                                   true},
        [PAWL_FUTURE_FINISHED] = {-EALREADY, -EALREADY, -EALREADY, 0, false,
                                  true},
    };

    for (unsigned flags = PAWL_LOCAL; flags <= PAWL_SHARED; flags++)
        for (int s = PAWL_FUTURE_PENDING; s <= PAWL_FUTURE_FINISHED; s++) {
            enum pawl_future_state state = (enum pawl_future_state)s;
            pawl_future f = future_in(state, flags);

            CHECK_EQ(pawl_future_is_running(&f), want[s].running);
            CHECK_EQ(pawl_future_is_done(&f), want[s].done);
            CHECK_EQ(pawl_future_is_cancelled(&f),
                     state == PAWL_FUTURE_CANCELLED);
            CHECK_ERR(pawl_future_try_result(&f, NULL, NULL), want[s].result);
            CHECK_EQ(pawl_future_state(&f), state);
            CHECK_ERR(pawl_future_begin(&f), want[s].begin);
            CHECK_EQ(pawl_future_state(&f),
                     want[s].begin == 0 ? PAWL_FUTURE_RUNNING : state);

            f = future_in(state, flags);
            CHECK_ERR(pawl_future_set(&f, 5, NULL), want[s].set);
            CHECK_EQ(pawl_future_state(&f),
                     want[s].set == 0 ? PAWL_FUTURE_FINISHED : state);

            f = future_in(state, flags);
            CHECK_ERR(pawl_future_cancel(&f), want[s].cancel);
            CHECK_EQ(pawl_future_state(&f),
                     want[s].cancel == 0 ? PAWL_FUTURE_CANCELLED : state);
        }
}

/* init and both initialisers, and all zero bytes, make the same future. */
TEST(future.zero_is_pending)
{
    pawl_future by_init;
    pawl_future zero;
    pawl_future constant = PAWL_FUTURE_INIT;

    memset(&by_init, 0xff, sizeof by_init);
    CHECK_OK(pawl_future_init(&by_init, PAWL_LOCAL));
    memset(&zero, 0, sizeof zero);
    CHECK_EQ(memcmp(&by_init, &zero, sizeof zero), 0);
    CHECK_EQ(memcmp(&constant, &zero, sizeof zero), 0);
    CHECK_EQ(pawl_future_state(&zero), PAWL_FUTURE_PENDING);
    /* A refused init leaves the memory alone. */
    CHECK_OK(pawl_future_set(&zero, 1, NULL));
    CHECK_ERR(pawl_future_init(&zero, PAWL_OWNERLESS), -EINVAL);
    CHECK_ERR(pawl_future_init(&zero, UINT_MAX), -EINVAL);
    CHECK_EQ(pawl_future_state(&zero), PAWL_FUTURE_FINISHED);
}

/* F-03, F-04, R-02: the same answer any number of times; the status is not the
 * code of the wait. */
TEST(future.status_of_the_task_is_no_code_of_the_wait)
{
    static const int statuses[] = {0,       -ETIMEDOUT, -ECANCELED,
                                   -EAGAIN, 1,          INT_MIN};

    for (size_t i = 0; i < sizeof statuses / sizeof *statuses; i++) {
        pawl_future f = PAWL_FUTURE_INIT;

        CHECK_OK(pawl_future_set(&f, statuses[i], VALUE));
        CHECK_ERR(pawl_future_set(&f, 99, NULL), -EALREADY);
        for (int k = 0; k < 3; k++) {
            int status = 77;
            void *value = NULL;

            CHECK_OK(pawl_future_result(&f, &status, &value));
            CHECK_EQ(status, statuses[i]);
            CHECK(value == VALUE);
            status = 77;
            CHECK_OK(pawl_future_try_result(&f, &status, NULL));
            CHECK_EQ(status, statuses[i]);
            CHECK_OK(pawl_future_result_until(&f, NULL, &value, 0));
        }
    }
}

/* what fails writes nothing. */
TEST(future.outcome_is_written_on_success_only)
{
    pawl_future f = PAWL_FUTURE_INIT;
    int status = 77;
    void *value = VALUE;

    CHECK_ERR(pawl_future_try_result(&f, &status, &value), -EAGAIN);
    CHECK_ERR(pawl_future_result_until(&f, &status, &value, 0), -ETIMEDOUT);
    CHECK_OK(pawl_future_cancel(&f));
    CHECK_ERR(pawl_future_result(&f, &status, &value), -ECANCELED);
    CHECK_EQ(status, 77);
    CHECK(value == VALUE);
}

/* */
TEST(future.past_deadline_polls)
{
    for (unsigned flags = PAWL_LOCAL; flags <= PAWL_SHARED; flags++) {
        pawl_future f = PAWL_FUTURE_INIT_FLAGS(flags);
        pawl_deadline until = pawl_after_ms(3);

        for (size_t i = 0; i < sizeof past / sizeof *past; i++)
            CHECK_ERR(pawl_future_result_until(&f, NULL, NULL, past[i]),
                      -ETIMEDOUT);
        CHECK_ERR(pawl_future_result_until(&f, NULL, NULL, until), -ETIMEDOUT);
        CHECK(pawl_now() >= until);
        CHECK_OK(pawl_future_begin(&f)); /* the task goes on */
        CHECK_OK(pawl_future_set(&f, 0, NULL));
        for (size_t i = 0; i < sizeof past / sizeof *past; i++)
            CHECK_OK(pawl_future_result_until(&f, NULL, NULL, past[i]));
    }
}

static int result_until(void *f, pawl_deadline until)
{
    int status = 0;
    int err = pawl_future_result_until(f, &status, NULL, until);

    return err != 0 ? err : status;
}

static int item_until(void *f, pawl_deadline until)
{
    pawl_wait_item items[] = {PAWL_WAIT_FUTURE(f)};

    return pawl_wait_any_until(items, 1, until, NULL);
}

static void sleep_on(struct puppet *p, pawl_future *f, puppet_fn fn)
{
    for (int i = 0; i < WAITERS; i++) {
        puppet_do(&p[i], fn, f, i % 2 == 0 ? PAWL_FOREVER : pawl_after_s(1000));
        puppet_until_asleep(&p[i]);
    }
}

/* F-03, F-12: every sleeper is released, by a set and by a cancellation, and by
 * nothing else. */
TEST(future.its_end_releases_every_sleeper)
{
    struct puppet p[WAITERS];

    puppets_begin(p, WAITERS);
    for (unsigned flags = PAWL_LOCAL; flags <= PAWL_SHARED; flags++) {
        pawl_future f = PAWL_FUTURE_INIT_FLAGS(flags);

        sleep_on(p, &f, result_until);
        CHECK_OK(pawl_future_begin(&f));
        CHECK_ERR(pawl_future_cancel(&f), -EBUSY);
        CHECK_OK(pawl_future_request_stop(&f));
        for (int i = 0; i < WAITERS; i++)
            puppet_until_asleep(&p[i]);
        CHECK_OK(pawl_future_set(&f, -EIO, NULL));
        for (int i = 0; i < WAITERS; i++)
            CHECK_ERR(puppet_result(&p[i]), -EIO);

        CHECK_OK(pawl_future_init(&f, flags));
        sleep_on(p, &f, result_until);
        CHECK_OK(pawl_future_cancel(&f));
        for (int i = 0; i < WAITERS; i++)
            CHECK_ERR(puppet_result(&p[i]), -ECANCELED);
    }
    puppets_end(p, WAITERS);
}

/* F-12: a wait set as well. */
TEST(future.its_end_releases_wait_sets)
{
    struct puppet p[WAITERS];

    puppets_begin(p, WAITERS);
    for (unsigned flags = PAWL_LOCAL; flags <= PAWL_SHARED; flags++) {
        pawl_future f = PAWL_FUTURE_INIT_FLAGS(flags);

        sleep_on(p, &f, item_until);
        CHECK_OK(pawl_future_set(&f, 3, NULL));
        for (int i = 0; i < WAITERS; i++)
            CHECK_OK(puppet_result(&p[i]));
        CHECK_OK(pawl_future_init(&f, flags));
        sleep_on(p, &f, item_until);
        CHECK_OK(pawl_future_cancel(&f));
        for (int i = 0; i < WAITERS; i++)
            CHECK_OK(puppet_result(&p[i]));
    }
    puppets_end(p, WAITERS);
}

/* D-15: among other objects; it takes nothing. */
TEST(future.is_one_of_a_wait_set)
{
    pawl_future f[2] = {PAWL_FUTURE_INIT, PAWL_FUTURE_INIT};
    pawl_event e = PAWL_EVENT_INIT;
    pawl_wait_item items[] = {PAWL_WAIT_FUTURE(&f[0]), PAWL_WAIT_EVENT(&e),
                              PAWL_WAIT_FUTURE(&f[1])};
    size_t which = 99;

    CHECK_ERR(pawl_wait_try_any(items, 3, &which), -EAGAIN);
    CHECK_OK(pawl_future_begin(&f[1]));
    CHECK_ERR(pawl_wait_any_until(items, 3, pawl_after_ms(1), &which),
              -ETIMEDOUT);
    CHECK_OK(pawl_future_set(&f[1], 0, NULL));
    CHECK_OK(pawl_wait_any(items, 3, &which));
    CHECK_EQ(which, 2);
    CHECK_OK(pawl_wait_any(items, 3, &which));
    CHECK_ERR(pawl_wait_try_all(items, 3), -EAGAIN);
    CHECK_OK(pawl_future_cancel(&f[0]));
    pawl_event_set(&e);
    CHECK_OK(pawl_wait_all(items, 3));
    CHECK_ERR(pawl_wait_fd(&items[0]), -EINVAL);
}

/* */
TEST(future.wait_outlasts_signals)
{
    pawl_future f = PAWL_FUTURE_INIT;
    struct puppet p;

    allow_interruptions();
    puppet_begin(&p);
    puppet_do(&p, result_until, &f, pawl_after_s(1000));
    for (int i = 0; i < 20; i++) {
        puppet_until_asleep(&p);
        interrupt(test_tid(p.thread));
    }
    puppet_until_asleep(&p);
    CHECK_OK(pawl_future_set(&f, 0, NULL));
    CHECK_OK(puppet_result(&p));
    puppet_end(&p);
}

/* F-05: a running task can be asked; a pending one is cancelled. */
TEST(future.stop_is_a_request)
{
    for (unsigned flags = PAWL_LOCAL; flags <= PAWL_SHARED; flags++) {
        pawl_future f = future_in(PAWL_FUTURE_RUNNING, flags);

        CHECK(!pawl_future_stop_requested(&f));
        CHECK_OK(pawl_future_request_stop(&f));
        CHECK_OK(pawl_future_request_stop(&f));
        CHECK(pawl_future_stop_requested(&f));
        CHECK(pawl_future_is_running(&f));
        CHECK_OK(pawl_future_set(&f, 0, NULL));
        CHECK_ERR(pawl_future_request_stop(&f), -EALREADY);
        CHECK(pawl_future_state(&f) == PAWL_FUTURE_FINISHED);

        f = future_in(PAWL_FUTURE_PENDING, flags);
        CHECK_OK(pawl_future_request_stop(&f));
        CHECK(pawl_future_is_cancelled(&f));
        CHECK_OK(pawl_future_request_stop(&f));
        CHECK_ERR(pawl_future_begin(&f), -ECANCELED);
    }
}

static int set_it(void *f, pawl_deadline until)
{
    (void)until;
    marks[1] = 7; /* plain: the future orders it */
    return pawl_future_set(f, 0, &marks[1]);
}

/* R-11, for a waiter, a query, a refused set, and a wait set. */
TEST(future.set_publishes)
{
    struct puppet p;

    puppet_begin(&p);
    for (int how = 0; how < 4; how++) {
        pawl_future f = PAWL_FUTURE_INIT;

        marks[1] = 0;
        puppet_do(&p, set_it, &f, 0);
        if (how == 0)
            CHECK_OK(pawl_future_result(&f, NULL, NULL));
        else if (how == 1)
            CHECK_OK(item_until(&f, PAWL_FOREVER));
        else
            while (how == 2 ? !pawl_future_is_done(&f)
                            : pawl_future_try_result(&f, NULL, NULL) != 0)
                sched_yield();
        CHECK_EQ(marks[1], 7);
        CHECK_OK(puppet_result(&p));
    }
    puppet_end(&p);
}

static int write_and_cancel(void *f, pawl_deadline until)
{
    (void)until;
    marks[1] = 7;
    return pawl_future_cancel(f);
}

/* so does a cancellation, and a request to stop. */
TEST(future.cancel_publishes)
{
    pawl_future f = PAWL_FUTURE_INIT;
    struct puppet p;

    puppet_begin(&p);
    marks[1] = 0;
    puppet_do(&p, write_and_cancel, &f, 0);
    CHECK_ERR(pawl_future_result(&f, NULL, NULL), -ECANCELED);
    CHECK_EQ(marks[1], 7);
    CHECK_OK(puppet_result(&p));
    puppet_end(&p);
}

static int write_and_ask(void *f, pawl_deadline until)
{
    (void)until;
    marks[1] = 7;
    return pawl_future_request_stop(f);
}

TEST(future.request_to_stop_publishes)
{
    pawl_future f = future_in(PAWL_FUTURE_RUNNING, 0);
    struct puppet p;

    puppet_begin(&p);
    marks[1] = 0;
    puppet_do(&p, write_and_ask, &f, 0);
    while (!pawl_future_stop_requested(&f))
        sched_yield();
    CHECK_EQ(marks[1], 7);
    CHECK_OK(puppet_result(&p));
    puppet_end(&p);
}

/* ---- callbacks --------------------------------------------------------------- */

enum { CALLBACKS = 6 };

struct diary {
    int order[CALLBACKS];
    int entries;
    pawl_future *who;
};

struct line {
    struct diary *diary;
    int number;
    pawl_future_callback cb;
};

static void write_down(pawl_future *f, void *context)
{
    struct line *l = context;

    l->diary->order[l->diary->entries++] = l->number;
    l->diary->who = f;
}

static void add_lines(pawl_future *f, struct diary *d, struct line *l, int n)
{
    for (int i = 0; i < n; i++) {
        l[i].diary = d;
        l[i].number = i;
        CHECK_OK(pawl_future_add_callback(f, &l[i].cb, write_down, &l[i]));
    }
}

/* F-07: in order of registration, once, in who completes it. */
TEST(future.callbacks_run_in_order_of_registration)
{
    for (int n = 1; n <= CALLBACKS; n++)
        for (int cancelled = 0; cancelled < 2; cancelled++) {
            struct line l[CALLBACKS];
            struct diary d = {.entries = 0};
            pawl_future f = PAWL_FUTURE_INIT;

            add_lines(&f, &d, l, n);
            if (!cancelled)
                CHECK_OK(pawl_future_begin(&f));
            CHECK_EQ(d.entries, 0);
            CHECK_OK(cancelled ? pawl_future_cancel(&f)
                               : pawl_future_set(&f, 1, NULL));
            CHECK_EQ(d.entries, n);
            CHECK(d.who == &f);
            for (int i = 0; i < n; i++)
                CHECK_EQ(d.order[i], i);
            if (cancelled) /* again: not called again */
                CHECK_OK(pawl_future_cancel(&f));
            else
                CHECK_ERR(pawl_future_set(&f, 1, NULL), -EALREADY);
            CHECK_EQ(d.entries, n);
        }
}

/* F-07: at once, in the caller, if it is done. */
TEST(future.late_callback_is_called_at_once)
{
    for (int s = PAWL_FUTURE_CANCELLED; s <= PAWL_FUTURE_FINISHED; s++) {
        pawl_future f = future_in((enum pawl_future_state)s, 0);
        struct diary d = {.entries = 0};
        struct line l[2];

        add_lines(&f, &d, l, 2);
        CHECK_EQ(d.entries, 2);
        CHECK_EQ(d.order[1], 1);
        CHECK_ERR(pawl_future_remove_callback(&f, &l[0].cb), -EALREADY);
    }
}

/* Each subset of them is removed, in two orders; the others run in theirs. */
TEST(future.removed_callback_is_not_called)
{
    for (int set = 0; set < 1 << CALLBACKS; set++)
        for (int backwards = 0; backwards < 2; backwards++) {
            struct line l[CALLBACKS];
            struct diary d = {.entries = 0};
            pawl_future f = PAWL_FUTURE_INIT;
            int next = 0;

            add_lines(&f, &d, l, CALLBACKS);
            for (int k = 0; k < CALLBACKS; k++) {
                int i = backwards ? CALLBACKS - 1 - k : k;

                if ((set >> i & 1) == 0)
                    continue;
                CHECK_OK(pawl_future_remove_callback(&f, &l[i].cb));
                CHECK_ERR(pawl_future_remove_callback(&f, &l[i].cb), -ENOENT);
            }
            CHECK_OK(pawl_future_set(&f, 0, NULL));
            for (int i = 0; i < CALLBACKS; i++)
                if ((set >> i & 1) == 0)
                    CHECK_EQ(d.order[next++], i);
            CHECK_EQ(d.entries, next);
        }
}

/* A removed one may be added again, and then comes last. */
TEST(future.removed_callback_may_be_added_again)
{
    struct line l[3];
    struct diary d = {.entries = 0};
    pawl_future f = PAWL_FUTURE_INIT;

    add_lines(&f, &d, l, 3);
    CHECK_OK(pawl_future_remove_callback(&f, &l[0].cb));
    CHECK_OK(pawl_future_add_callback(&f, &l[0].cb, write_down, &l[0]));
    CHECK_OK(pawl_future_set(&f, 0, NULL));
    CHECK_EQ(d.entries, 3);
    CHECK_EQ(d.order[0], 1);
    CHECK_EQ(d.order[1], 2);
    CHECK_EQ(d.order[2], 0);
}

TEST(future.shared_one_has_no_callbacks)
{
    pawl_future f = PAWL_FUTURE_INIT_FLAGS(PAWL_SHARED);
    struct line l;

    CHECK_ERR(pawl_future_add_callback(&f, &l.cb, write_down, &l), -EOPNOTSUPP);
    CHECK_OK(pawl_future_set(&f, 0, NULL));
    CHECK_ERR(pawl_future_add_callback(&f, &l.cb, write_down, &l), -EOPNOTSUPP);
}

struct chain {
    pawl_future f;
    pawl_future_callback cb;
    pawl_future_callback late;
    struct chain *next;
    int called;
};

static void count_call(pawl_future *f, void *context)
{
    (void)f;
    ++*(int *)context;
}

/* Calls everything on its own future, and then ends the next one. */
static void meddle(pawl_future *f, void *context)
{
    struct chain *c = context;
    int status = 0;

    CHECK(f == &c->f);
    CHECK_OK(pawl_future_result(f, &status, NULL));
    CHECK_ERR(pawl_future_set(f, 0, NULL), -EALREADY);
    CHECK_ERR(pawl_future_cancel(f), -EALREADY);
    CHECK_ERR(pawl_future_begin(f), -EALREADY);
    CHECK_ERR(pawl_future_remove_callback(f, &c->cb), -EALREADY);
    CHECK_OK(pawl_future_add_callback(f, &c->late, count_call, &c->called));
    if (c->next != NULL)
        CHECK_OK(pawl_future_set(&c->next->f, status + 1, NULL));
}

/* a callback may call everything on the same future, and end others. */
TEST(future.callback_may_call_anything)
{
    struct chain c[CALLBACKS];
    int status = 0;

    memset(c, 0, sizeof c);
    for (int i = 0; i < CALLBACKS; i++) {
        c[i].next = i + 1 < CALLBACKS ? &c[i + 1] : NULL;
        CHECK_OK(pawl_future_add_callback(&c[i].f, &c[i].cb, meddle, &c[i]));
    }
    CHECK_OK(pawl_future_set(&c[0].f, 0, NULL));
    for (int i = 0; i < CALLBACKS; i++) {
        CHECK_EQ(c[i].called, 1);
        CHECK_OK(pawl_future_try_result(&c[i].f, &status, NULL));
        CHECK_EQ(status, i);
    }
}

struct mortal {
    pawl_future f;
    struct mortal_cb {
        pawl_future_callback cb;
        struct mortal *m;
    } cb[2];
    int left;
};

/* Each frees its own node first; the last one the future. */
static void bury(pawl_future *f, void *context)
{
    struct mortal_cb *cb = context;
    struct mortal *m = cb->m;

    CHECK(f == &m->f);
    memset(&cb->cb, 0xa5, sizeof cb->cb);
    if (--m->left == 0) {
        memset(m, 0xa5, sizeof *m);
        free(m);
    }
}

/* Memory: the last callback may free the future, and all of the nodes. */
TEST(future.callback_may_free_it)
{
    struct mortal *m = calloc(1, sizeof *m);

    CHECK(m != NULL);
    m->left = 2;
    for (int i = 0; i < 2; i++) {
        m->cb[i].m = m;
        CHECK_OK(
            pawl_future_add_callback(&m->f, &m->cb[i].cb, bury, &m->cb[i]));
    }
    CHECK_OK(pawl_future_set(&m->f, 0, NULL));
}

struct released {
    pawl_future *f;
    struct puppet *sleeper;
    bool was_released;
};

static void see_that_it_was_released(pawl_future *f, void *context)
{
    struct released *r = context;

    (void)f;
    CHECK_ERR(puppet_result(r->sleeper), 9); /* or hangs */
    r->was_released = true;
}

/* F-07: those who wait are released before the callbacks run. */
TEST(future.waiters_are_released_before_callbacks_run)
{
    pawl_future f = PAWL_FUTURE_INIT;
    struct puppet p;
    struct released r = {.f = &f, .sleeper = &p};
    pawl_future_callback cb;

    puppet_begin(&p);
    CHECK_OK(pawl_future_add_callback(&f, &cb, see_that_it_was_released, &r));
    puppet_do(&p, result_until, &f, PAWL_FOREVER);
    puppet_until_asleep(&p);
    CHECK_OK(pawl_future_set(&f, 9, NULL));
    CHECK(r.was_released);
    puppet_end(&p);
}
