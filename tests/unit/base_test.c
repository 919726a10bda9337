/* SPDX-License-Identifier: MIT
 *
 * base_test.c - errors, deadlines, and what they mean to every lock and signal.
 */
#include <limits.h>
#include <time.h>

#include <pawl/barrier.h>
#include <pawl/cond.h>
#include <pawl/error.h>
#include <pawl/event.h>
#include <pawl/latch.h>
#include <pawl/mutex.h>
#include <pawl/once.h>
#include <pawl/rmutex.h>
#include <pawl/rwlock.h>
#include <pawl/sem.h>
#include <pawl/thread.h>
#include <pawl/time.h>

#include "visitor.h"

/* ---- errors (R-01) ------------------------------------------------------ */

static bool is_text(const char *a, const char *b)
{
    while (*a != '\0' && *a == *b) {
        a++;
        b++;
    }
    return *a == *b;
}

/* R-01, F-13, P-23, T-21: what Python has exceptions for. */
TEST(error.every_code_has_its_name)
{
    static const struct {
        int code;
        const char *name;
    } names[] = {
        {0, "0"},
        {EAGAIN, "EAGAIN"},
        {EALREADY, "EALREADY"},
        {EBADF, "EBADF"},
        {EBUSY, "EBUSY"},
        {ECANCELED, "ECANCELED"},
        {EDEADLK, "EDEADLK"},
        {EINVAL, "EINVAL"},
        {EMFILE, "EMFILE"},
        {ENFILE, "ENFILE"},
        {EOPNOTSUPP, "EOPNOTSUPP"},
        {ENOTRECOVERABLE, "ENOTRECOVERABLE"},
        {EOVERFLOW, "EOVERFLOW"},
        {EOWNERDEAD, "EOWNERDEAD"},
        {EPERM, "EPERM"},
        {ETIMEDOUT, "ETIMEDOUT"},
        {ENOENT, "ENOENT"},
        {ENOMEM, "ENOMEM"},
        {ENOSPC, "ENOSPC"},
        {ESHUTDOWN, "ESHUTDOWN"},
        {ECHILD, "ECHILD"},
        {ESRCH, "ESRCH"},
        {EXDEV, "E?"},
        {INT_MAX, "E?"},
    };

    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        CHECK(is_text(pawl_errname(names[i].code), names[i].name));
        CHECK(is_text(pawl_errname(-names[i].code), names[i].name));
    }
    CHECK(is_text(pawl_errname(INT_MIN), "E?"));
}

TEST(version.is_that_of_the_headers)
{
    CHECK_EQ(pawl_version(), PAWL_VERSION_MAJOR * 10000 +
                                 PAWL_VERSION_MINOR * 100 + PAWL_VERSION_PATCH);
}

static int never(void *arg)
{
    (void)arg;
    return -EPERM;
}

static int nothing(void *arg)
{
    (void)arg;
    return 0;
}

/* also where the kernel reports an error to the library. */
TEST(error.errno_is_never_changed)
{
    pawl_mutex m = PAWL_MUTEX_INIT_FLAGS(PAWL_OWNERLESS);
    pawl_sem s = PAWL_SEM_INIT(0);
    pawl_once o = PAWL_ONCE_INIT;
    pawl_event e = PAWL_EVENT_INIT;

    errno = 4711;
    CHECK_OK(pawl_mutex_lock(&m));
    CHECK_ERR(pawl_mutex_lock_until(&m, pawl_after_ms(1)), -ETIMEDOUT);
    CHECK_ERR(pawl_sem_acquire_until(&s, pawl_after_ms(1)), -ETIMEDOUT);
    CHECK_ERR(pawl_event_wait_until(&e, pawl_after_ms(1)), -ETIMEDOUT);
    CHECK_ERR(pawl_once_run(&o, never, NULL), -EPERM);
    CHECK_ERR(pawl_sem_init(&s, -1, 0), -EINVAL);
    CHECK_EQ(errno, 4711);
    for (int i = 0; i < 3; i++) { /* a new OS thread, and a parked one */
        pawl_thread t;

        PAWL_THREAD_INIT(&t, nothing, NULL);
        CHECK_OK(pawl_thread_start(&t));
        CHECK_OK(pawl_thread_join(&t, NULL));
        CHECK_EQ(errno, 4711);
    }
}

/* ---- deadlines (R-04, R-05) --------------------------------------------- */

typedef pawl_deadline (*after_fn)(int64_t count);

static const struct {
    after_fn after;
    int64_t unit; /* ns */
} units[] = {
    {pawl_after_ns, 1},
    {pawl_after_us, 1000},
    {pawl_after_ms, 1000000},
    {pawl_after_s, 1000000000},
};
enum { UNITS = sizeof units / sizeof *units };

TEST(time.now_is_the_monotonic_clock)
{
    struct timespec t;
    pawl_deadline before = pawl_now();
    pawl_deadline now;

    CHECK_EQ(clock_gettime(CLOCK_MONOTONIC, &t), 0);
    now = (pawl_deadline)t.tv_sec * 1000000000 + t.tv_nsec;
    CHECK(before <= now);
    CHECK(now <= pawl_now());
}

TEST(time.a_duration_is_added_to_now)
{
    static const int64_t counts[] = {0, 1, 2, 1000, 86400 * INT64_C(365)};

    for (int u = 0; u < UNITS; u++) {
        for (size_t i = 0; i < sizeof counts / sizeof *counts; i++) {
            pawl_deadline before = pawl_now();
            pawl_deadline got = units[u].after(counts[i]);

            CHECK(got >= before + counts[i] * units[u].unit);
            CHECK(got <= pawl_now() + counts[i] * units[u].unit);
        }
    }
}

/* a negative duration has passed, and never means for ever. */
TEST(time.a_negative_duration_has_passed)
{
    static const int64_t counts[] = {-1, -2, -1000000, INT64_MIN,
                                     INT64_MIN + 1};

    for (int u = 0; u < UNITS; u++) {
        for (size_t i = 0; i < sizeof counts / sizeof *counts; i++)
            CHECK(units[u].after(counts[i]) <= pawl_now());
    }
}

/* R-04, T-24: saturating, no overflow ever. */
TEST(time.a_duration_that_cannot_be_represented_is_for_ever)
{
    for (int u = 0; u < UNITS; u++) {
        int64_t most = INT64_MAX / units[u].unit;

        CHECK_EQ(units[u].after(INT64_MAX), PAWL_FOREVER);
        CHECK_EQ(units[u].after(most), PAWL_FOREVER);
        if (units[u].unit > 1)
            CHECK_EQ(units[u].after(most + 1), PAWL_FOREVER);
        /* An hour less than "now" is representable, and not for ever. */
        most -= (pawl_now() + 3600 * INT64_C(1000000000)) / units[u].unit;
        CHECK(units[u].after(most - 1) < PAWL_FOREVER);
        CHECK(units[u].after(most - 1) > pawl_now());
    }
}

/* ---- every object (R-03, R-04, R-06) ------------------------------------ */

struct objects {
    pawl_mutex mutex;
    pawl_mutex ownerless;
    pawl_rmutex rmutex;
    pawl_sem sem;
    pawl_sem bounded;
    pawl_once once;
};

static int mutex_until(struct objects *o, pawl_deadline until)
{
    return pawl_mutex_lock_until(&o->mutex, until);
}

static int mutex_try(struct objects *o)
{
    return pawl_mutex_try_lock(&o->mutex);
}

static int ownerless_until(struct objects *o, pawl_deadline until)
{
    return pawl_mutex_lock_until(&o->ownerless, until);
}

static int ownerless_try(struct objects *o)
{
    return pawl_mutex_try_lock(&o->ownerless);
}

static int many_until(struct objects *o, pawl_deadline until)
{
    pawl_mutex *const both[] = {&o->mutex, &o->ownerless};

    return pawl_mutex_lock_many_until(both, 2, until);
}

static int many_try(struct objects *o)
{
    pawl_mutex *const both[] = {&o->mutex, &o->ownerless};

    return pawl_mutex_try_lock_many(both, 2);
}

static int rmutex_until(struct objects *o, pawl_deadline until)
{
    return pawl_rmutex_lock_until(&o->rmutex, until);
}

static int rmutex_try(struct objects *o)
{
    return pawl_rmutex_try_lock(&o->rmutex);
}

static int sem_until(struct objects *o, pawl_deadline until)
{
    return pawl_sem_acquire_until(&o->sem, until);
}

static int sem_try(struct objects *o)
{
    return pawl_sem_try_acquire(&o->sem);
}

static int bounded_until(struct objects *o, pawl_deadline until)
{
    return pawl_sem_acquire_n_until(&o->bounded, 3, until);
}

static int bounded_try(struct objects *o)
{
    return pawl_sem_try_acquire_n(&o->bounded, 3);
}

static int succeed(void *arg)
{
    (void)arg;
    return 0;
}

static int once_until(struct objects *o, pawl_deadline until)
{
    return pawl_once_run_until(&o->once, succeed, NULL, until);
}

static int once_try(struct objects *o)
{
    return pawl_once_try_run(&o->once, succeed, NULL);
}

static const struct form {
    const char *name;
    int (*until)(struct objects *o, pawl_deadline until);
    int (*try_once)(struct objects *o);
} forms[] = {
    {"mutex", mutex_until, mutex_try},
    {"ownerless mutex", ownerless_until, ownerless_try},
    {"mutexes", many_until, many_try},
    {"rmutex", rmutex_until, rmutex_try},
    {"sem", sem_until, sem_try},
    {"bounded sem", bounded_until, bounded_try},
    {"once", once_until, once_try},
};
enum { FORMS = sizeof forms / sizeof *forms };

/* Memory of their own: the sanitizer knows locks by address, and those of the
 * last round are still held. */
static struct objects *make(unsigned flags)
{
    struct objects *o = test_shared_alloc(sizeof *o);

    CHECK_OK(pawl_mutex_init(&o->mutex, flags));
    CHECK_OK(pawl_mutex_init(&o->ownerless, flags | PAWL_OWNERLESS));
    CHECK_OK(pawl_rmutex_init(&o->rmutex, flags));
    CHECK_OK(pawl_sem_init(&o->sem, 1, flags));
    CHECK_OK(pawl_sem_init_bounded(&o->bounded, 3, 5, flags));
    CHECK_OK(pawl_once_init(&o->once, flags));
    return o;
}

static struct door once_entered;
static struct door once_leave;

static int occupy_once(void *arg)
{
    (void)arg;
    door_open(&once_entered);
    door_pass(&once_leave);
    return 0;
}

static void occupy(void *arg)
{
    struct objects *o = arg;

    CHECK_OK(pawl_mutex_lock(&o->mutex));
    CHECK_OK(pawl_mutex_lock(&o->ownerless));
    CHECK_OK(pawl_rmutex_lock(&o->rmutex));
    CHECK_OK(pawl_sem_acquire(&o->sem));
    CHECK_OK(pawl_sem_acquire_n(&o->bounded, 2));
    CHECK_OK(pawl_once_run(&o->once, occupy_once, NULL));
    CHECK_OK(pawl_mutex_unlock(&o->mutex));
    CHECK_OK(pawl_mutex_unlock(&o->ownerless));
    CHECK_OK(pawl_rmutex_unlock(&o->rmutex));
}

static const unsigned modes[] = {PAWL_LOCAL, PAWL_SHARED};

/* R-06, L-04, S-04: what is free is taken, however long ago the deadline. */
TEST(deadline.one_that_has_passed_still_tries)
{
    for (int mode = 0; mode < 2; mode++) {
        for (int f = 0; f < FORMS; f++) {
            const pawl_deadline past[] = {0, -1, INT64_MIN, 1, pawl_now()};

            for (size_t i = 0; i < sizeof past / sizeof *past; i++) {
                CHECK_OK(forms[f].until(make(modes[mode]), past[i]));
            }
        }
    }
}

/* the try form takes what is free. */
TEST(deadline.the_try_form_takes_what_is_free)
{
    for (int mode = 0; mode < 2; mode++) {
        for (int f = 0; f < FORMS; f++)
            CHECK_OK(forms[f].try_once(make(modes[mode])));
    }
}

static void check_all_waiting_forms(struct objects *o)
{
    for (int f = 0; f < FORMS; f++) {
        const pawl_deadline past[] = {0, -1, INT64_MIN, 1, pawl_now()};
        pawl_deadline until;

        CHECK_ERR(forms[f].try_once(o), -EAGAIN);
        for (size_t i = 0; i < sizeof past / sizeof *past; i++)
            CHECK_ERR(forms[f].until(o, past[i]), -ETIMEDOUT);
        until = pawl_after_ms(3);
        CHECK_ERR(forms[f].until(o, until), -ETIMEDOUT);
        if (pawl_now() < until)
            test_fail(__FILE__, __LINE__, "%s: %lld ns too early",
                      forms[f].name, (long long)(until - pawl_now()));
    }
}

/* R-03, R-04: -EAGAIN and -ETIMEDOUT of every form; no wait ends before its
 * deadline, and none has left anything behind. */
TEST(deadline.no_wait_ends_early)
{
    for (int mode = 0; mode < 2; mode++) {
        struct objects *o = make(modes[mode]);
        struct test_thread *t;

        door_make(&once_entered);
        door_make(&once_leave);
        t = test_thread(occupy, o);
        door_pass(&once_entered);
        check_all_waiting_forms(o);
        door_open(&once_leave);
        test_join(t);
        CHECK_OK(pawl_sem_release(&o->sem));
        CHECK_OK(pawl_sem_release_n(&o->bounded, 2));
        CHECK_EQ(pawl_sem_value(&o->sem), 1);
        CHECK_EQ(pawl_sem_value(&o->bounded), 3);
        for (int f = 0; f < FORMS; f++) {
            if (forms[f].try_once == many_try) {
                CHECK_OK(pawl_mutex_unlock(&o->mutex));
                CHECK_OK(pawl_mutex_unlock(&o->ownerless));
            }
            CHECK_OK(forms[f].try_once(o));
        }
    }
}

/* A deadline near the end of time must not wrap round in the kernel. */
static int acquire_nearly_for_ever(void *s)
{
    return pawl_sem_acquire_until(s, PAWL_FOREVER - 1);
}

TEST(deadline.the_last_one_before_for_ever_is_a_long_wait)
{
    pawl_sem s = PAWL_SEM_INIT(0);
    struct visitor waiter;

    visitor_start_asleep(&waiter, acquire_nearly_for_ever, NULL, &s);
    CHECK_OK(pawl_sem_release(&s));
    CHECK_OK(visitor_passes(&waiter));
}

/* L-01, S-01: small, and of fixed size. */
TEST(size.objects_are_small)
{
    CHECK(sizeof(pawl_mutex) <= 16);
    CHECK(sizeof(pawl_rmutex) <= 16);
    CHECK(sizeof(pawl_sem) <= 16);
    CHECK(sizeof(pawl_once) <= 16);
}
