/* SPDX-License-Identifier: MIT
 *
 * timer_test.c - the timer, call by call: the table of states of python-model.md
 * 16.1, and what T-32 and T-33 say.
 *
 * Whether something happened too early is checked, never how late it was.
 */
#include <dirent.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include <pawl/error.h>
#include <pawl/event.h>
#include <pawl/timer.h>
#include <pawl/wait.h>

#include "puppet.h"
#include "test.h"

enum { JOINERS = 4, PERIODS = 20 };

static const pawl_deadline past[] = {0, -1, INT64_MIN, 1};

/* A timer whose function counts its runs and, if told to, stays in one. */
struct probe {
    pawl_timer timer;
    _Atomic int runs;
    _Atomic int early; /* runs before the deadline */
    bool stays;
    pawl_event inside; /* its function has begun */
    pawl_event go;     /* it may return */
};

static void run(pawl_timer *t, void *context)
{
    struct probe *p = context;

    CHECK(t == &p->timer);
    if (pawl_now() < pawl_timer_deadline(t))
        atomic_fetch_add(&p->early, 1);
    atomic_fetch_add(&p->runs, 1);
    if (p->stays) {
        pawl_event_set(&p->inside);
        CHECK_OK(pawl_event_wait(&p->go));
        pawl_event_clear(&p->go);
    }
}

static void probe_init(struct probe *p, bool stays)
{
    memset(p, 0, sizeof *p);
    p->stays = stays;
    CHECK_OK(pawl_timer_init(&p->timer, run, p));
}

/* Return when its function runs; end_run lets it return. */
static void until_running(struct probe *p)
{
    CHECK_OK(pawl_timer_restart(&p->timer, 0));
    CHECK_OK(pawl_event_wait(&p->inside));
    pawl_event_clear(&p->inside);
}

static int end_run(struct probe *p)
{
    pawl_event_set(&p->go);
    return pawl_timer_join(&p->timer);
}

static int join(void *t, pawl_deadline until)
{
    return pawl_timer_join_until(t, until);
}

static int cancel_wait(void *t, pawl_deadline until)
{
    return pawl_timer_cancel_wait_until(t, until);
}

/* How many threads the process has; ThreadSanitizer adds some of its own, when it
 * likes. */
static void check_threads(int want)
{
    DIR *dir = opendir("/proc/self/task");
    int n = -2; /* . and .. */

    CHECK(dir != NULL);
    while (readdir(dir) != NULL)
        n++;
    closedir(dir);
    if (!test_under_tsan())
        CHECK_EQ(n, want);
}

/* ---- starting -------------------------------------------------------------- */

/* T-32: it runs once, not before its deadline. */
TEST(timer.runs_once_and_not_early)
{
    struct probe p;

    probe_init(&p, false);
    CHECK_OK(pawl_timer_start(&p.timer, pawl_after_ms(3)));
    CHECK_OK(pawl_timer_join(&p.timer));
    CHECK_EQ(atomic_load(&p.runs), 1);
    CHECK_EQ(atomic_load(&p.early), 0);
    CHECK(!pawl_timer_is_pending(&p.timer));
}

/* T-32, R-04, R-05: a deadline that has passed means at once. */
TEST(timer.past_deadline_runs_at_once)
{
    for (size_t i = 0; i < sizeof past / sizeof *past; i++) {
        struct probe p;

        probe_init(&p, false);
        CHECK_OK(pawl_timer_start(&p.timer, past[i]));
        CHECK_OK(pawl_timer_join(&p.timer));
        CHECK_EQ(atomic_load(&p.runs), 1);
        CHECK_OK(pawl_timer_restart(&p.timer, pawl_after_ms(-5)));
        CHECK_OK(pawl_timer_join(&p.timer));
        CHECK_EQ(atomic_load(&p.runs), 2);
    }
}

/* T-32: statically made and zeroed ones. */
TEST(timer.needs_a_function)
{
    static pawl_timer zero;
    static struct probe p = {.timer = PAWL_TIMER_INIT(run, &p)};

    CHECK_ERR(pawl_timer_init(&p.timer, NULL, NULL), -EINVAL);
    CHECK_ERR(pawl_timer_start(&zero, 0), -EINVAL);
    CHECK_ERR(pawl_timer_restart(&zero, 0), -EINVAL);
    CHECK_ERR(pawl_timer_start_every(&zero, 0, 1000), -EINVAL);
    CHECK_OK(pawl_timer_start(&p.timer, 0));
    CHECK_OK(pawl_timer_join(&p.timer));
    CHECK_EQ(atomic_load(&p.runs), 1);
}

/* T-33: start, cancel, join in each state. */
TEST(timer.states)
{
    struct probe p;

    probe_init(&p, true);
    CHECK_ERR(pawl_timer_join(&p.timer), -ESRCH);
    CHECK_ERR(pawl_timer_try_join(&p.timer), -ESRCH);

    CHECK_OK(pawl_timer_start(&p.timer, pawl_after_s(1000))); /* armed */
    CHECK_ERR(pawl_timer_start(&p.timer, 0), -EALREADY);
    CHECK_ERR(pawl_timer_start_every(&p.timer, 0, 1000), -EALREADY);
    CHECK_ERR(pawl_timer_try_join(&p.timer), -EAGAIN);
    for (size_t i = 0; i < sizeof past / sizeof *past; i++)
        CHECK_ERR(pawl_timer_join_until(&p.timer, past[i]), -ETIMEDOUT);
    CHECK_ERR(pawl_timer_join_until(&p.timer, pawl_after_ms(1)), -ETIMEDOUT);
    CHECK(pawl_timer_is_pending(&p.timer));
    CHECK(!pawl_timer_is_running(&p.timer));

    until_running(&p); /* running */
    CHECK_ERR(pawl_timer_start(&p.timer, 0), -EALREADY);
    CHECK_ERR(pawl_timer_cancel(&p.timer), -EBUSY);
    CHECK_ERR(pawl_timer_cancel(&p.timer), -EBUSY);
    CHECK_ERR(pawl_timer_try_join(&p.timer), -EAGAIN);
    CHECK(pawl_timer_is_pending(&p.timer));
    CHECK(pawl_timer_is_running(&p.timer));
    CHECK_OK(end_run(&p)); /* once cancelled it was too late for that */

    CHECK_ERR(pawl_timer_start(&p.timer, 0), -EALREADY); /* fired */
    CHECK_ERR(pawl_timer_cancel(&p.timer), -EALREADY);
    CHECK_ERR(pawl_timer_cancel_wait(&p.timer), -EALREADY);
    CHECK_OK(pawl_timer_join(&p.timer));
    CHECK_OK(pawl_timer_try_join(&p.timer));
    CHECK_OK(pawl_timer_join_until(&p.timer, 0));
    CHECK(!pawl_timer_is_pending(&p.timer));

    CHECK_OK(pawl_timer_restart(&p.timer, pawl_after_s(1000)));
    CHECK_OK(pawl_timer_cancel(&p.timer)); /* cancelled */
    CHECK_OK(pawl_timer_cancel(&p.timer));
    CHECK_OK(pawl_timer_cancel_wait(&p.timer));
    CHECK_ERR(pawl_timer_start(&p.timer, 0), -EALREADY);
    CHECK_ERR(pawl_timer_join(&p.timer), -ECANCELED);
    CHECK_ERR(pawl_timer_try_join(&p.timer), -ECANCELED);
    CHECK(!pawl_timer_is_pending(&p.timer));
    CHECK_EQ(atomic_load(&p.runs), 1);
}

/* T-33: cancelled before its start, it accepts that, and does nothing. */
TEST(timer.cancelled_before_start_never_runs)
{
    struct probe p;

    probe_init(&p, false);
    CHECK_OK(pawl_timer_cancel(&p.timer));
    CHECK_OK(pawl_timer_cancel(&p.timer));
    CHECK_ERR(pawl_timer_join(&p.timer), -ECANCELED);
    CHECK_OK(pawl_timer_start(&p.timer, 0));
    CHECK(!pawl_timer_is_pending(&p.timer));
    CHECK_ERR(pawl_timer_start(&p.timer, 0), -EALREADY);
    CHECK_ERR(pawl_timer_join(&p.timer), -ECANCELED);
    check_threads(1); /* nothing was armed */
    CHECK_OK(pawl_timer_restart(&p.timer, 0));
    CHECK_OK(pawl_timer_join(&p.timer));
    CHECK_EQ(atomic_load(&p.runs), 1);
}

/* T-32: what is armed last but is due first is not kept waiting by the thread's
 * sleep. */
TEST(timer.earlier_one_wakes_the_thread)
{
    struct probe far;
    struct probe near;

    probe_init(&far, false);
    probe_init(&near, false);
    CHECK_OK(pawl_timer_start(&far.timer, pawl_after_s(1000)));
    for (int i = 0; i < 100; i++) {
        CHECK_OK(pawl_timer_restart(&near.timer, pawl_after_us(i)));
        CHECK_OK(pawl_timer_join(&near.timer));
    }
    CHECK_EQ(atomic_load(&near.runs), 100);
    CHECK_OK(pawl_timer_cancel(&far.timer));
    CHECK_EQ(atomic_load(&far.runs), 0);
}

/* a timer that never comes is one that waits to be cancelled. */
TEST(timer.forever_never_comes)
{
    struct probe p;

    probe_init(&p, false);
    CHECK_OK(pawl_timer_start(&p.timer, PAWL_FOREVER));
    CHECK_EQ(pawl_timer_deadline(&p.timer), PAWL_FOREVER);
    CHECK_ERR(pawl_timer_join_until(&p.timer, pawl_after_ms(2)), -ETIMEDOUT);
    CHECK_OK(pawl_timer_cancel_wait(&p.timer));
    CHECK_EQ(atomic_load(&p.runs), 0);
}

/* ---- restarting ------------------------------------------------------------ */

/* T-32: what it was armed for before does not happen. */
TEST(timer.restart_replaces)
{
    struct probe busy;
    struct probe p;
    struct probe last;

    probe_init(&busy, true);
    probe_init(&p, false);
    probe_init(&last, false);
    until_running(&busy); /* so that nothing else runs now */
    CHECK_OK(pawl_timer_restart(&p.timer, pawl_after_s(1000)));
    CHECK_OK(pawl_timer_restart(&p.timer, 0));
    CHECK_OK(pawl_timer_restart(&p.timer, pawl_after_s(1000)));
    CHECK_OK(pawl_timer_start(&last.timer, pawl_now()));
    CHECK_OK(end_run(&busy));
    CHECK_OK(pawl_timer_join(&last.timer));
    CHECK_EQ(atomic_load(&p.runs), 0);
    CHECK_OK(pawl_timer_restart(&p.timer, pawl_after_ms(1)));
    CHECK_OK(pawl_timer_join(&p.timer));
    CHECK_EQ(atomic_load(&p.runs), 1);
    CHECK_EQ(atomic_load(&p.early), 0);
}

/* T-32: restarted while its function runs, it runs again; cancelled then, it does
 * not. */
TEST(timer.restart_while_running)
{
    struct probe p;

    probe_init(&p, true);
    until_running(&p);
    CHECK_OK(pawl_timer_restart(&p.timer, 0));
    pawl_event_set(&p.go);
    CHECK_OK(pawl_event_wait(&p.inside)); /* the second run */
    pawl_event_clear(&p.inside);
    CHECK_OK(pawl_timer_restart(&p.timer, 0));
    CHECK_ERR(pawl_timer_cancel(&p.timer), -EBUSY);
    CHECK_ERR(end_run(&p), -ECANCELED);
    CHECK_EQ(atomic_load(&p.runs), 2);
    CHECK_OK(pawl_timer_cancel(&p.timer));

    until_running(&p);
    CHECK_ERR(pawl_timer_cancel(&p.timer), -EBUSY);
    CHECK_OK(pawl_timer_restart(&p.timer, 0)); /* the later call counts */
    pawl_event_set(&p.go);
    CHECK_OK(pawl_event_wait(&p.inside));
    CHECK_OK(end_run(&p));
    CHECK_EQ(atomic_load(&p.runs), 4);
}

static void restart_itself(pawl_timer *t, void *context)
{
    int *left = context;

    if (--*left > 0)
        CHECK_OK(pawl_timer_restart(t, *left % 2 == 0 ? 0 : pawl_after_us(50)));
}

/* T-33: a function may arm its own timer; it is joined when it does not. */
TEST(timer.function_restarts_its_timer)
{
    int left = 100;
    pawl_timer t;

    CHECK_OK(pawl_timer_init(&t, restart_itself, &left));
    CHECK_OK(pawl_timer_start(&t, 0));
    CHECK_OK(pawl_timer_join(&t));
    CHECK_EQ(left, 0);
}

/* ---- periods --------------------------------------------------------------- */

struct metronome {
    pawl_timer timer;
    pawl_deadline first;
    int64_t period;
    int runs;
    bool slow; /* the third run takes ten periods */
};

static void tick(pawl_timer *t, void *context)
{
    struct metronome *m = context;
    pawl_deadline when = pawl_timer_deadline(t);
    pawl_deadline end;

    CHECK(pawl_now() >= when);
    if (m->runs == 0)
        m->first = when - (int64_t)pawl_timer_missed(t) * m->period;
    /* Each point in time of the grid was either run for or missed. */
    CHECK_EQ(when,
             m->first + (m->runs + (int64_t)pawl_timer_missed(t)) * m->period);
    m->runs++;
    if (m->slow && m->runs == 3) {
        end = when + 10 * m->period;
        while (pawl_now() < end)
            sched_yield();
    }
    if (m->runs == PERIODS)
        CHECK_ERR(pawl_timer_cancel(t), -EBUSY);
}

/* T-32: a period after period, at a fixed rate; join waits for the end of it. */
TEST(timer.periods_have_a_fixed_rate)
{
    struct metronome m = {.period = 500000};

    CHECK_OK(pawl_timer_init(&m.timer, tick, &m));
    CHECK_OK(pawl_timer_start_every(&m.timer, pawl_after_ms(1), m.period));
    CHECK_ERR(pawl_timer_join(&m.timer), -ECANCELED);
    CHECK_EQ(m.runs, PERIODS);
}

/* T-32: who is late does not make up for it in a burst: what was missed is counted. */
TEST(timer.missed_periods_are_counted)
{
    struct metronome m = {.period = 200000, .slow = true};

    CHECK_OK(pawl_timer_init(&m.timer, tick, &m));
    CHECK_OK(pawl_timer_start_every(&m.timer, pawl_after_ms(1), m.period));
    CHECK_ERR(pawl_timer_join(&m.timer), -ECANCELED);
    CHECK_EQ(m.runs, PERIODS);
    CHECK(pawl_timer_missed(&m.timer) >= 9);
}

/* a first time in the past is now, and nothing is missed before that. */
TEST(timer.periods_begin_now_at_the_earliest)
{
    for (size_t i = 0; i < sizeof past / sizeof *past; i++) {
        pawl_deadline before = pawl_now();
        struct probe p;

        probe_init(&p, true);
        CHECK_OK(pawl_timer_start_every(&p.timer, past[i], INT64_MAX));
        CHECK(pawl_timer_deadline(&p.timer) >= before);
        CHECK_OK(pawl_event_wait(&p.inside));
        CHECK_EQ(pawl_timer_missed(&p.timer), 0);
        pawl_event_set(&p.go);
        /* The next is at the end of time. */
        while (pawl_timer_is_running(&p.timer))
            sched_yield();
        CHECK_EQ(pawl_timer_deadline(&p.timer), PAWL_FOREVER);
        CHECK_OK(pawl_timer_cancel(&p.timer));
        CHECK_EQ(atomic_load(&p.runs), 1);
    }
}

TEST(timer.refuses_wrong_periods)
{
    struct probe p;

    probe_init(&p, false);
    CHECK_ERR(pawl_timer_start_every(&p.timer, 0, 0), -EINVAL);
    CHECK_ERR(pawl_timer_start_every(&p.timer, 0, -1), -EINVAL);
    CHECK_ERR(pawl_timer_restart_every(&p.timer, 0, INT64_MIN), -EINVAL);
    CHECK_ERR(pawl_timer_join(&p.timer), -ESRCH); /* unchanged */
}

/* A periodic timer that is restarted for once runs once. */
TEST(timer.restart_ends_periods)
{
    struct probe p;

    probe_init(&p, false);
    CHECK_OK(pawl_timer_start_every(&p.timer, pawl_after_s(1000), 1));
    CHECK_OK(pawl_timer_restart(&p.timer, 0));
    CHECK_OK(pawl_timer_join(&p.timer));
    CHECK_EQ(atomic_load(&p.runs), 1);
}

/* ---- cancelling ------------------------------------------------------------ */

/* T-33: cancel-and-wait returns when the function has returned. */
TEST(timer.cancel_wait_waits_for_the_function)
{
    struct puppet q;
    struct probe p;

    puppet_begin(&q);
    probe_init(&p, true);
    until_running(&p);
    CHECK_ERR(pawl_timer_cancel_wait_until(&p.timer, 0), -ETIMEDOUT);
    CHECK_ERR(pawl_timer_cancel_wait_until(&p.timer, pawl_after_ms(1)),
              -ETIMEDOUT);
    puppet_do(&q, cancel_wait, &p.timer, PAWL_FOREVER);
    puppet_until_asleep(&q);
    pawl_event_set(&p.go);
    CHECK_ERR(puppet_result(&q), -EALREADY);
    CHECK(!pawl_timer_is_running(&p.timer));
    memset(&p, 0xff, sizeof p); /* the memory may go */
    puppet_end(&q);
}

/* T-33: a periodic one does not run again: what is called off is 0. */
TEST(timer.cancel_wait_ends_periods)
{
    struct puppet q;
    struct probe p;

    puppet_begin(&q);
    probe_init(&p, true);
    CHECK_OK(pawl_timer_start_every(&p.timer, 0, 1));
    CHECK_OK(pawl_event_wait(&p.inside));
    CHECK_ERR(pawl_timer_cancel_wait_until(&p.timer, 0), -ETIMEDOUT);
    puppet_do(&q, cancel_wait, &p.timer, PAWL_FOREVER);
    puppet_until_asleep(&q);
    pawl_event_set(&p.go);
    CHECK_OK(puppet_result(&q));
    CHECK_ERR(pawl_timer_join(&p.timer), -ECANCELED);
    CHECK_EQ(atomic_load(&p.runs), 1);
    puppet_end(&q);
}

/* ---- in a function --------------------------------------------------------- */

static void wait_in_function(pawl_timer *t, void *context)
{
    struct probe *other = context;

    /* For itself. */
    CHECK_ERR(pawl_timer_join(t), -EDEADLK);
    CHECK_ERR(pawl_timer_join_until(t, pawl_after_s(1000)), -EDEADLK);
    CHECK_ERR(pawl_timer_try_join(t), -EAGAIN);
    CHECK_ERR(pawl_timer_cancel_wait(t), -EDEADLK);
    CHECK_ERR(pawl_timer_cancel_wait_until(t, 0), -EDEADLK);
    /* For another, which cannot run meanwhile. */
    CHECK_ERR(pawl_timer_join(&other->timer), -EDEADLK);
    CHECK_ERR(pawl_timer_try_join(&other->timer), -EAGAIN);
    CHECK(pawl_timer_is_pending(&other->timer));
    CHECK_OK(pawl_timer_cancel_wait(&other->timer));
    CHECK_ERR(pawl_timer_join(&other->timer), -ECANCELED);
}

/* T-33: waiting in a function is refused, and has cancelled nothing. */
TEST(timer.does_not_wait_for_itself)
{
    struct probe other;
    pawl_timer t;

    probe_init(&other, false);
    CHECK_OK(pawl_timer_init(&t, wait_in_function, &other));
    CHECK_OK(pawl_timer_start(&other.timer, pawl_after_s(1000)));
    CHECK_OK(pawl_timer_start(&t, 0));
    CHECK_OK(pawl_timer_join(&t));
}

static void free_itself(pawl_timer *t, void *context)
{
    CHECK_OK(pawl_timer_destroy(t));
    free(t);
    pawl_event_set(context);
}

/* a function may destroy its timer, and free it. */
TEST(timer.function_frees_its_timer)
{
    pawl_event done = PAWL_EVENT_INIT;

    for (int i = 0; i < 100; i++) {
        pawl_timer *t = malloc(sizeof *t);

        CHECK(t != NULL);
        CHECK_OK(pawl_timer_init(t, free_itself, &done));
        CHECK_OK(pawl_timer_start_every(t, 0, 1));
        CHECK_OK(pawl_event_wait(&done));
        pawl_event_clear(&done);
    }
}

static void destroy_twice(pawl_timer *t, void *context)
{
    CHECK_OK(pawl_timer_restart(t, pawl_after_s(1000)));
    CHECK_ERR(pawl_timer_destroy(t), -EBUSY);
    CHECK_ERR(pawl_timer_cancel(t), -EBUSY);
    CHECK_OK(pawl_timer_destroy(t));
    CHECK_OK(pawl_timer_start(t, pawl_after_s(1000))); /* as new */
    CHECK_OK(pawl_timer_cancel(t));
    pawl_event_set(context);
}

/* what is in use is not destroyed. */
TEST(timer.destroy_refuses_what_is_pending)
{
    pawl_event done = PAWL_EVENT_INIT;
    struct probe p;
    pawl_timer t;

    probe_init(&p, true);
    CHECK_OK(pawl_timer_destroy(&p.timer));
    CHECK_OK(pawl_timer_start(&p.timer, pawl_after_s(1000)));
    CHECK_ERR(pawl_timer_destroy(&p.timer), -EBUSY);
    until_running(&p);
    CHECK_ERR(pawl_timer_destroy(&p.timer), -EBUSY);
    CHECK_OK(end_run(&p));
    CHECK_OK(pawl_timer_destroy(&p.timer));
    CHECK_ERR(pawl_timer_join(&p.timer), -ESRCH);

    CHECK_OK(pawl_timer_init(&t, destroy_twice, &done));
    CHECK_OK(pawl_timer_start(&t, 0));
    CHECK_OK(pawl_event_wait(&done));
    while (pawl_timer_is_pending(&t))
        sched_yield();
}

/* ---- waiting --------------------------------------------------------------- */

/* T-33: all who join are released by the return of the function, not before. */
TEST(timer.joiners_wait_for_the_function)
{
    struct puppet q[JOINERS];
    struct probe p;

    puppets_begin(q, JOINERS);
    probe_init(&p, true);
    until_running(&p);
    for (int i = 0; i < JOINERS; i++) {
        puppet_do(&q[i], join, &p.timer, PAWL_FOREVER);
        puppet_until_asleep(&q[i]);
    }
    pawl_event_set(&p.go);
    for (int i = 0; i < JOINERS; i++)
        CHECK_OK(puppet_result(&q[i]));
    puppets_end(q, JOINERS);
}

/* T-33: or by a cancellation, even if it is armed again before they look. */
TEST(timer.joiners_are_told_of_a_cancellation)
{
    struct puppet q[JOINERS];
    struct probe p;

    puppets_begin(q, JOINERS);
    probe_init(&p, false);
    for (int round = 0; round < PERIODS; round++) {
        CHECK_OK(pawl_timer_restart(&p.timer, pawl_after_s(1000)));
        for (int i = 0; i < JOINERS; i++) {
            puppet_do(&q[i], join, &p.timer, PAWL_FOREVER);
            puppet_until_asleep(&q[i]);
        }
        CHECK_OK(
            pawl_timer_restart(&p.timer, pawl_after_s(2000))); /* no rest */
        for (int i = 0; i < JOINERS; i++)
            puppet_until_asleep(&q[i]);
        CHECK_OK(pawl_timer_cancel(&p.timer));
        CHECK_OK(pawl_timer_restart(&p.timer, pawl_after_s(1000)));
        for (int i = 0; i < JOINERS; i++)
            CHECK_ERR(puppet_result(&q[i]), -ECANCELED);
    }
    CHECK_OK(pawl_timer_cancel(&p.timer));
    puppets_end(q, JOINERS);
}

static int wait_for_two(void *items, pawl_deadline until)
{
    size_t which = 9;
    int err = pawl_wait_any_until(items, 2, until, &which);

    return err == 0 ? (int)which : err;
}

/* PAWL_WAIT_TIMER: ready when it has run or was cancelled. */
TEST(timer.in_a_wait_set)
{
    pawl_event e = PAWL_EVENT_INIT;
    struct puppet q;
    struct probe p;

    puppet_begin(&q);
    probe_init(&p, true);
    pawl_wait_item items[] = {PAWL_WAIT_EVENT(&e), PAWL_WAIT_TIMER(&p.timer)};

    CHECK_ERR(wait_for_two(items, 0), -ETIMEDOUT); /* not started */
    puppet_do(&q, wait_for_two, items, PAWL_FOREVER);
    puppet_until_asleep(&q);
    until_running(&p);
    puppet_until_asleep(&q);
    pawl_event_set(&p.go);
    CHECK_EQ(puppet_result(&q), 1);
    CHECK_EQ(wait_for_two(items, 0), 1);

    CHECK_OK(pawl_timer_restart(&p.timer, pawl_after_s(1000)));
    CHECK_ERR(wait_for_two(items, 0), -ETIMEDOUT);
    puppet_do(&q, wait_for_two, items, PAWL_FOREVER);
    puppet_until_asleep(&q);
    CHECK_OK(pawl_timer_cancel(&p.timer));
    CHECK_OK(pawl_timer_restart(&p.timer, pawl_after_s(1000)));
    CHECK_EQ(puppet_result(&q), 1);
    CHECK_OK(pawl_timer_cancel(&p.timer));
    puppet_end(&q);
}

/* ---- the thread ------------------------------------------------------------ */

struct line_up {
    int order[8];
    int n;
};

struct in_line {
    pawl_timer timer;
    struct line_up *line;
    int me;
};

static void line_up(pawl_timer *t, void *context)
{
    struct in_line *i = context;

    (void)t;
    i->line->order[i->line->n++] = i->me;
}

/* T-32: in the order of their deadlines, whatever the order of the starts. */
TEST(timer.run_in_the_order_of_their_deadlines)
{
    static const int starts[] = {3, 0, 7, 5, 1, 6, 2, 4};
    struct line_up line = {.n = 0};
    struct in_line in_line[8];
    struct probe p;
    pawl_deadline now;

    probe_init(&p, true);
    until_running(&p); /* the others have to wait */
    now = pawl_now();
    for (int i = 0; i < 8; i++) {
        struct in_line *l = &in_line[starts[i]];

        l->me = starts[i];
        l->line = &line;
        CHECK_OK(pawl_timer_init(&l->timer, line_up, l));
        CHECK_OK(pawl_timer_start(&l->timer, now + l->me));
    }
    CHECK_OK(end_run(&p));
    CHECK_OK(pawl_timer_join(&in_line[7].timer));
    for (int i = 0; i < 8; i++)
        CHECK_EQ(line.order[i], i);
}

static _Atomic int waiting; /* timers that have not had their turn */

static void start_again(pawl_timer *t, void *unused)
{
    (void)unused;
    if (atomic_load(&waiting) > 0)
        CHECK_OK(pawl_timer_restart(t, 0));
}

static void have_turn(pawl_timer *t, void *unused)
{
    (void)t;
    (void)unused;
    atomic_fetch_sub(&waiting, 1);
}

static void init_by_another_thread(void *t)
{
    CHECK_OK(pawl_timer_init(t, have_turn, NULL));
}

/* T-32: a timer that is due again and again leaves the others their turn, those of
 * this thread and those of others. */
TEST(timer.all_have_their_turn)
{
    struct test_thread *threads[JOINERS];
    pawl_timer others[JOINERS + 1];
    pawl_timer t;

    for (int i = 0; i < JOINERS; i++)
        threads[i] = test_thread(init_by_another_thread, &others[i]);
    for (int i = 0; i < JOINERS; i++)
        test_join(threads[i]);
    init_by_another_thread(&others[JOINERS]);
    CHECK_OK(pawl_timer_init(&t, start_again, NULL));
    atomic_store(&waiting, JOINERS + 1);
    CHECK_OK(pawl_timer_start(&t, 0));
    for (int i = 0; i <= JOINERS; i++)
        CHECK_OK(pawl_timer_start(&others[i], pawl_after_us(100)));
    for (int i = 0; i <= JOINERS; i++)
        CHECK_OK(pawl_timer_join(&others[i]));
    CHECK_OK(pawl_timer_join(&t));
    CHECK_EQ(atomic_load(&waiting), 0);
}

/* W-32, D-17: no thread before the first start; one for any number of timers. */
TEST(timer.one_thread_for_all)
{
    enum { N = 100000 };
    struct probe *p = calloc(N, sizeof *p);

    CHECK(p != NULL);
    for (int i = 0; i < N; i++)
        probe_init(&p[i], false);
    CHECK_OK(pawl_timer_cancel(&p[0].timer));
    check_threads(1);
    for (int i = 0; i < N; i++)
        CHECK_OK(pawl_timer_restart(&p[i].timer, pawl_after_us(i % 5000)));
    check_threads(2);
    for (int i = 0; i < N; i++) {
        CHECK_OK(pawl_timer_join(&p[i].timer));
        CHECK_EQ(atomic_load(&p[i].runs), 1);
        CHECK_EQ(atomic_load(&p[i].early), 0);
    }
    check_threads(2);
    free(p);
}

/* ---- properties ------------------------------------------------------------ */

/* T-33: name and daemon flag. */
TEST(timer.has_a_name_and_a_daemon_flag)
{
    struct probe p;

    probe_init(&p, false);
    CHECK_EQ(strcmp(pawl_timer_name(&p.timer), ""), 0);
    CHECK_OK(pawl_timer_set_name(&p.timer, "tea"));
    CHECK_ERR(pawl_timer_set_name(&p.timer, NULL), -EINVAL);
    CHECK_EQ(strcmp(pawl_timer_name(&p.timer), "tea"), 0);
    CHECK(!pawl_timer_is_daemon(&p.timer));
    CHECK_OK(pawl_timer_set_daemon(&p.timer, true));
    CHECK(pawl_timer_is_daemon(&p.timer));
    CHECK_OK(pawl_timer_start(&p.timer, 0));
    CHECK_OK(pawl_timer_join(&p.timer));
    CHECK_ERR(pawl_timer_set_daemon(&p.timer, false), -EBUSY);
    CHECK(pawl_timer_is_daemon(&p.timer));
    CHECK_OK(pawl_timer_destroy(&p.timer));
    CHECK(!pawl_timer_is_daemon(&p.timer));
}
