/* SPDX-License-Identifier: MIT
 *
 * future_many_test.c - waiting for many futures: F-08 to F-12.
 */
#include <stdlib.h>
#include <string.h>

#include <pawl/error.h>
#include <pawl/future.h>

#include "puppet.h"
#include "test.h"

enum { N = 5 };

static const enum pawl_future_when whens[] = {PAWL_FUTURE_FIRST_COMPLETED,
                                              PAWL_FUTURE_FIRST_FAILED,
                                              PAWL_FUTURE_ALL_COMPLETED};

struct scene {
    pawl_future f[N];
    pawl_future_entry e[N];
    pawl_as_completed c;
    size_t which;
    enum pawl_future_when when;
};

static void scene_make(struct scene *s)
{
    memset(s, 0, sizeof *s);
    for (int i = 0; i < N; i++)
        s->e[i].future = &s->f[i];
}

static unsigned partition(const struct scene *s)
{
    unsigned set = 0;

    for (int i = 0; i < N; i++)
        set |= (unsigned)s->e[i].done << i;
    return set;
}

/* One of three ends for each future: by the digits of `how` in base 4. */
enum { OPEN, SUCCESS, FAILURE, CANCELLATION };

static int fate(int how, int i)
{
    return how >> (2 * i) & 3;
}

static void end_by(pawl_future *f, int how)
{
    if (how == CANCELLATION)
        CHECK_OK(pawl_future_cancel(f));
    else if (how != OPEN)
        CHECK_OK(pawl_future_set(f, how == FAILURE ? -EIO : 0, NULL));
}

static bool is_enough(enum pawl_future_when when, int how, int n)
{
    int done = 0;
    bool failed = false;

    for (int i = 0; i < n; i++) {
        done += fate(how, i) != OPEN;
        failed = failed || fate(how, i) == FAILURE;
    }
    return done == n || (when == PAWL_FUTURE_FIRST_COMPLETED && done > 0) ||
           (when == PAWL_FUTURE_FIRST_FAILED && failed);
}

/* F-08, F-09, F-10: what is done is told, and what is enough, for every mixture
 * of ends; cancelled is done, and no failure. */
TEST(future_many.partition_is_exact)
{
    enum { M = 3 };

    for (int how = 0; how < 1 << (2 * M); how++)
        for (size_t w = 0; w < 3; w++) {
            struct scene s;
            bool enough = is_enough(whens[w], how, M);

            scene_make(&s);
            for (int i = 0; i < M; i++)
                end_by(&s.f[i], fate(how, i));
            for (int form = 0; form < 3; form++) {
                for (int i = 0; i < N; i++)
                    s.e[i].done = i % 2 == 0;
                if (form == 0)
                    CHECK_ERR(pawl_future_try_wait(s.e, M, whens[w]),
                              enough ? 0 : -EAGAIN);
                else
                    CHECK_ERR(pawl_future_wait_until(
                                  s.e, M, whens[w],
                                  form == 1 ? 0 : pawl_after_us(20)),
                              enough ? 0 : -ETIMEDOUT);
                for (int i = 0; i < M; i++)
                    CHECK_EQ(s.e[i].done, fate(how, i) != OPEN);
            }
            if (enough)
                CHECK_OK(pawl_future_wait(s.e, M, whens[w]));
        }
}

/* F-08: an empty set, and what is refused, whether it would have to wait or
 * not. */
TEST(future_many.bad_arguments_are_refused)
{
    struct scene s;
    pawl_future shared = PAWL_FUTURE_INIT_FLAGS(PAWL_SHARED);
    size_t which = 99;

    scene_make(&s);
    for (size_t w = 0; w < 3; w++) {
        CHECK_OK(pawl_future_wait(NULL, 0, whens[w]));
        CHECK_OK(pawl_future_try_wait(NULL, 0, whens[w]));
    }
    for (int ready = 0; ready < 2; ready++) {
        s.e[N - 1].done = true;
        CHECK_ERR(pawl_future_wait(s.e, N, (enum pawl_future_when)3), -EINVAL);
        CHECK_ERR(pawl_future_try_wait(s.e, 0, (enum pawl_future_when)99),
                  -EINVAL);
        s.e[2].future = NULL;
        CHECK_ERR(pawl_future_wait(s.e, N, whens[0]), -EINVAL);
        CHECK_ERR(pawl_as_completed_begin(&s.c, s.e, N), -EINVAL);
        s.e[2].future = &shared;
        CHECK_ERR(pawl_future_try_wait(s.e, N, whens[0]), -EOPNOTSUPP);
        CHECK_ERR(pawl_as_completed_begin(&s.c, s.e, N), -EOPNOTSUPP);
        s.e[2].future = &s.f[2];
        CHECK_EQ(s.e[N - 1].done, true);
        if (ready == 0)
            for (int i = 0; i < N; i++)
                end_by(&s.f[i], SUCCESS);
    }
    CHECK_OK(pawl_as_completed_begin(&s.c, NULL, 0));
    CHECK_ERR(pawl_as_completed_next(&s.c, &which), -ESHUTDOWN);
    CHECK_EQ(which, 99);
    pawl_as_completed_end(&s.c);
}

static int wait_for(void *scene, pawl_deadline until)
{
    struct scene *s = scene;

    return pawl_future_wait_until(s->e, N, s->when, until);
}

static void check_is_not_woken(struct puppet *p, pawl_future *f, int how)
{
    end_by(f, how);
    puppet_until_asleep(p);
    CHECK(!puppet_has_result(p));
}

/* F-08, F-12: a sleeper wakes up at the last one, and not before. */
TEST(future_many.sleeper_is_woken_by_the_last)
{
    static const int ends[N] = {SUCCESS, CANCELLATION, FAILURE, SUCCESS,
                                CANCELLATION};
    struct puppet p;
    struct scene s;

    puppet_begin(&p);
    for (int last = 0; last < N; last++) {
        scene_make(&s);
        s.when = PAWL_FUTURE_ALL_COMPLETED;
        puppet_do(&p, wait_for, &s,
                  last % 2 == 0 ? PAWL_FOREVER : pawl_after_s(1000));
        puppet_until_asleep(&p);
        for (int i = 0; i < N; i++)
            if (i != last)
                check_is_not_woken(&p, &s.f[i], ends[i]);
        end_by(&s.f[last], ends[last]);
        CHECK_OK(puppet_result(&p));
        CHECK_EQ(partition(&s), (1u << N) - 1);
    }
    puppet_end(&p);
}

/* F-09, F-12: by the first one, whatever its end. */
TEST(future_many.sleeper_is_woken_by_the_first)
{
    struct puppet p;
    struct scene s;

    puppet_begin(&p);
    for (int how = SUCCESS; how <= CANCELLATION; how++)
        for (int first = 0; first < N; first++) {
            scene_make(&s);
            s.when = PAWL_FUTURE_FIRST_COMPLETED;
            puppet_do(&p, wait_for, &s, PAWL_FOREVER);
            puppet_until_asleep(&p);
            end_by(&s.f[first], how);
            CHECK_OK(puppet_result(&p));
            CHECK_EQ(partition(&s), 1u << first);
        }
    puppet_end(&p);
}

/* F-10: by the first failure; successes and cancellations do not end it, but for
 * the last. */
TEST(future_many.sleeper_is_woken_by_a_failure)
{
    struct puppet p;
    struct scene s;

    puppet_begin(&p);
    for (int failing = 0; failing < 2; failing++) {
        scene_make(&s);
        s.when = PAWL_FUTURE_FIRST_FAILED;
        puppet_do(&p, wait_for, &s, PAWL_FOREVER);
        puppet_until_asleep(&p);
        check_is_not_woken(&p, &s.f[0], SUCCESS);
        check_is_not_woken(&p, &s.f[4], CANCELLATION);
        if (failing) {
            end_by(&s.f[2], FAILURE);
            CHECK_OK(puppet_result(&p));
            CHECK_EQ(partition(&s), 0x15);
            continue;
        }
        check_is_not_woken(&p, &s.f[2], SUCCESS);
        check_is_not_woken(&p, &s.f[1], SUCCESS);
        end_by(&s.f[3], CANCELLATION);
        CHECK_OK(puppet_result(&p));
        CHECK_EQ(partition(&s), (1u << N) - 1);
    }
    puppet_end(&p);
}

/* F-08: in time or late, the futures do not remember who waited. */
TEST(future_many.time_out_leaves_no_trace)
{
    struct scene s;
    pawl_deadline until = pawl_after_ms(3);

    scene_make(&s);
    end_by(&s.f[1], CANCELLATION);
    CHECK_ERR(pawl_future_wait_until(s.e, N, PAWL_FUTURE_ALL_COMPLETED, until),
              -ETIMEDOUT);
    CHECK(pawl_now() >= until);
    CHECK_EQ(partition(&s), 2);
    memset(s.e, 0xa5, sizeof s.e); /* who still points there, falls over it */
    for (int i = 0; i < N; i++)
        if (i != 1)
            end_by(&s.f[i], FAILURE);
}

/* F-08: duplicates count once. */
TEST(future_many.duplicates_are_one)
{
    struct puppet p;
    struct scene s;

    puppet_begin(&p);
    for (size_t w = 0; w < 3; w++) {
        scene_make(&s);
        for (int i = 0; i < N; i++)
            s.e[i].future = &s.f[i % 2]; /* 0 1 0 1 0 */
        s.when = whens[w];
        puppet_do(&p, wait_for, &s, PAWL_FOREVER);
        puppet_until_asleep(&p);
        if (whens[w] == PAWL_FUTURE_ALL_COMPLETED)
            check_is_not_woken(&p, &s.f[1], FAILURE);
        end_by(&s.f[0], FAILURE);
        CHECK_OK(puppet_result(&p));
        CHECK_EQ(partition(&s),
                 whens[w] == PAWL_FUTURE_ALL_COMPLETED ? 0x1f : 0x15);
        CHECK_EQ(pawl_future_is_done(&s.f[1]),
                 whens[w] == PAWL_FUTURE_ALL_COMPLETED);
    }
    puppet_end(&p);
}

/* Several wait for the same futures at once, beside callbacks. */
static void count_call(pawl_future *f, void *context)
{
    (void)f;
    ++*(int *)context;
}

TEST(future_many.waits_of_several_do_not_meet)
{
    enum { SLEEPERS = 3 };
    struct puppet p[SLEEPERS];
    struct scene s[SLEEPERS];
    pawl_future_callback cb[N];
    int called = 0;

    puppets_begin(p, SLEEPERS);
    for (int k = 0; k < SLEEPERS; k++) {
        scene_make(&s[k]);
        for (int i = 0; i < N; i++)
            s[k].e[i].future = &s[0].f[i];
        s[k].when = whens[k];
        if (k == 1)
            for (int i = 0; i < N; i++)
                CHECK_OK(pawl_future_add_callback(&s[0].f[i], &cb[i],
                                                  count_call, &called));
        puppet_do(&p[k], wait_for, &s[k], PAWL_FOREVER);
        puppet_until_asleep(&p[k]);
    }
    end_by(&s[0].f[3], SUCCESS);
    CHECK_OK(puppet_result(&p[0]));
    puppet_until_asleep(&p[1]);
    end_by(&s[0].f[1], FAILURE);
    CHECK_OK(puppet_result(&p[1]));
    puppet_until_asleep(&p[2]);
    CHECK_EQ(called, 2);
    end_by(&s[0].f[0], SUCCESS);
    end_by(&s[0].f[2], SUCCESS);
    end_by(&s[0].f[4], SUCCESS);
    CHECK_OK(puppet_result(&p[2]));
    CHECK_EQ(called, N);
    puppets_end(p, SLEEPERS);
}

/* ---- in the order of completion ------------------------------------------------ */

/* F-11: those that are done first, then the others as they come; each once. */
TEST(future_many.as_completed_yields_in_order)
{
    static const int order[N] = {3, 0, 4, 2, 1};

    for (int before = 0; before <= N; before++) {
        struct scene s;

        scene_make(&s);
        for (int k = 0; k < before; k++)
            end_by(&s.f[order[k]], 1 + k % 3);
        CHECK_OK(pawl_as_completed_begin(&s.c, s.e, N));
        CHECK_EQ(partition(&s), 0);
        for (int k = 0; k < before; k++) { /* any order among them */
            CHECK_OK(pawl_as_completed_next(&s.c, &s.which));
            CHECK(pawl_future_is_done(&s.f[s.which]));
        }
        CHECK_EQ(__builtin_popcount(partition(&s)), before);
        for (int k = before; k < N;) { /* one, or two at once */
            int end = k + 1 + (k % 2 == 0 && k + 1 < N);

            CHECK_ERR(pawl_as_completed_try_next(&s.c, &s.which), -EAGAIN);
            for (int i = k; i < end; i++)
                end_by(&s.f[order[i]], 1 + i % 3);
            for (; k < end; k++) {
                CHECK_OK(pawl_as_completed_try_next(&s.c, &s.which));
                CHECK_EQ(s.which, order[k]);
                CHECK(s.e[s.which].done);
            }
        }
        CHECK_ERR(pawl_as_completed_next(&s.c, &s.which), -ESHUTDOWN);
        CHECK_ERR(pawl_as_completed_try_next(&s.c, &s.which), -ESHUTDOWN);
        CHECK_ERR(pawl_as_completed_next_until(&s.c, &s.which, 0), -ESHUTDOWN);
        pawl_as_completed_end(&s.c);
    }
}

static int next(void *scene, pawl_deadline until)
{
    struct scene *s = scene;

    return pawl_as_completed_next_until(&s->c, &s->which, until);
}

/* F-11, F-12: a sleeper is woken by each. */
TEST(future_many.as_completed_sleeps_for_the_next)
{
    struct puppet p;
    struct scene s;

    puppet_begin(&p);
    scene_make(&s);
    CHECK_OK(pawl_as_completed_begin(&s.c, s.e, N));
    for (int i = N - 1; i >= 0; i--) {
        puppet_do(&p, next, &s, i % 2 == 0 ? PAWL_FOREVER : pawl_after_s(1000));
        puppet_until_asleep(&p);
        end_by(&s.f[i], 1 + i % 3);
        CHECK_OK(puppet_result(&p));
        CHECK_EQ(s.which, i);
    }
    CHECK_ERR(pawl_as_completed_next(&s.c, &s.which), -ESHUTDOWN);
    puppet_end(&p);
}

/* F-11: one deadline for the whole; it may go on after it. */
TEST(future_many.as_completed_deadline)
{
    struct scene s;
    pawl_deadline until = pawl_after_ms(3);

    scene_make(&s);
    CHECK_OK(pawl_as_completed_begin(&s.c, s.e, N));
    end_by(&s.f[2], SUCCESS);
    CHECK_OK(pawl_as_completed_next_until(&s.c, &s.which, until));
    CHECK_EQ(s.which, 2);
    s.which = 99;
    CHECK_ERR(pawl_as_completed_next_until(&s.c, &s.which, until), -ETIMEDOUT);
    CHECK(pawl_now() >= until);
    CHECK_ERR(pawl_as_completed_next_until(&s.c, &s.which, until), -ETIMEDOUT);
    CHECK_EQ(s.which, 99);
    end_by(&s.f[4], SUCCESS);
    CHECK_OK(pawl_as_completed_next_until(&s.c, &s.which, until)); /* */
    CHECK_EQ(s.which, 4);
    pawl_as_completed_end(&s.c);
    CHECK_EQ(pawl_future_state(&s.f[0]), PAWL_FUTURE_PENDING);
}

/* F-11: it may end at any point: the futures go on, and nothing points back. */
TEST(future_many.as_completed_may_end_early)
{
    for (int done = 0; done <= N; done++)
        for (int yielded = 0; yielded <= done; yielded++) {
            struct scene s;

            scene_make(&s);
            if (done > 0)
                end_by(&s.f[0], SUCCESS);
            CHECK_OK(pawl_as_completed_begin(&s.c, s.e, N));
            for (int i = 1; i < done; i++)
                end_by(&s.f[i], SUCCESS);
            for (int i = 0; i < yielded; i++)
                CHECK_OK(pawl_as_completed_next(&s.c, &s.which));
            /* What was yielded need not exist any more. */
            for (int i = 0; i < yielded; i++)
                s.e[i].future = NULL;
            pawl_as_completed_end(&s.c);
            pawl_as_completed_end(&s.c);
            CHECK_ERR(pawl_as_completed_next(&s.c, &s.which), -ESHUTDOWN);
            memset(s.e, 0xa5, sizeof s.e);
            memset(&s.c, 0xa5, sizeof s.c);
            for (int i = done; i < N; i++)
                end_by(&s.f[i], CANCELLATION);
        }
}

/* F-11: each once, in whatever order of address they are given, and however
 * often. */
TEST(future_many.as_completed_yields_duplicates_once)
{
    enum { FUTURES = 40, ENTRIES = 100 };
    uint64_t random = test_seed(0);

    for (int round = 0; round < 50; round++) {
        static pawl_future f[FUTURES];
        static pawl_future_entry e[ENTRIES];
        pawl_as_completed c;
        size_t n = test_rand_below(&random, ENTRIES);
        bool given[FUTURES] = {false};
        int first[FUTURES];
        int left = 0;
        size_t which;

        memset(f, 0, sizeof f);
        for (size_t i = 0; i < n; i++) {
            uint32_t k = test_rand_below(&random, FUTURES);

            e[i].future = &f[k];
            left += !given[k];
            first[k] = given[k] ? first[k] : (int)i;
            given[k] = true;
        }
        for (int k = 0; k < FUTURES / 2; k++)
            end_by(&f[k], SUCCESS);
        CHECK_OK(pawl_as_completed_begin(&c, e, n));
        for (int k = FUTURES / 2; k < FUTURES; k++)
            end_by(&f[k], CANCELLATION);
        while (pawl_as_completed_next(&c, &which) == 0) {
            size_t k = (size_t)(e[which].future - f);

            CHECK(given[k]);
            CHECK_EQ(which, first[k]);
            given[k] = false;
            left--;
        }
        CHECK_EQ(left, 0);
        pawl_as_completed_end(&c);
    }
}

/* Its entries are linked before all callbacks: no user's code keeps it waiting,
 * so it may end within one. */
static void end_it(pawl_future *f, void *context)
{
    struct scene *s = context;

    (void)f;
    CHECK_OK(pawl_as_completed_try_next(&s->c, &s->which));
    pawl_as_completed_end(&s->c);
}

TEST(future_many.as_completed_comes_before_callbacks)
{
    struct scene s;
    pawl_future_callback cb;

    scene_make(&s);
    CHECK_OK(pawl_future_add_callback(&s.f[1], &cb, end_it, &s));
    CHECK_OK(pawl_as_completed_begin(&s.c, s.e, N));
    end_by(&s.f[1], SUCCESS);
    CHECK_EQ(s.which, 1);
    CHECK_EQ(s.c.n_, 0);
}
