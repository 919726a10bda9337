/* SPDX-License-Identifier: MIT
 *
 * thread_stop_test.c - asking a thread to stop (T-34), and the waits that this
 * ends.
 */
#include <poll.h>
#include <sched.h>
#include <stdatomic.h>
#include <unistd.h>

#include <pawl.h>

#include "test.h"

/* -- The request --------------------------------------------------------------- */

static int until_asked(void *looks)
{
    CHECK(!pawl_thread_stop_requested());
    atomic_store((_Atomic int *)looks, 1);
    while (!pawl_thread_stop_requested())
        sched_yield();
    return 5;
}

static int is_asked(void *arg)
{
    (void)arg;
    return pawl_thread_stop_requested();
}

TEST(thread_stop.request_is_seen_by_that_thread_and_by_no_later_one)
{
    _Atomic int looks = 0;
    pawl_thread t;
    int status;

    for (int i = 0; i < 3; i++) {
        CHECK_OK(pawl_thread_init(&t, until_asked, &looks, NULL));
        CHECK_ERR(pawl_thread_request_stop(&t), -ESRCH);
        CHECK_OK(pawl_thread_start(&t));
        while (atomic_load(&looks) != 1)
            sched_yield();
        CHECK_OK(pawl_thread_request_stop(&t));
        CHECK_OK(pawl_thread_request_stop(&t));
        CHECK_OK(pawl_thread_join(&t, &status));
        CHECK_EQ(status, 5);
        CHECK_OK(pawl_thread_request_stop(&t));
        CHECK_OK(pawl_thread_destroy(&t));
        CHECK_ERR(pawl_thread_request_stop(&t), -EBADF);
        CHECK_OK(pawl_thread_init(&t, is_asked, NULL, NULL));
        CHECK_OK(pawl_thread_start(&t));
        CHECK_OK(pawl_thread_join(&t, &status));
        CHECK_EQ(status, 0);
        atomic_store(&looks, 0);
    }
    CHECK(!pawl_thread_stop_requested());
    CHECK_OK(pawl_thread_request_stop(pawl_thread_main()));
    CHECK(pawl_thread_current() == pawl_thread_main());
    CHECK(pawl_thread_stop_requested());
}

struct in_set {
    pawl_event event;
    _Atomic int tried;
};

static int wait_in_set(void *arg)
{
    struct in_set *s = arg;
    pawl_wait_item items[] = {PAWL_WAIT_EVENT(&s->event), PAWL_WAIT_STOP()};
    size_t which = 9;

    CHECK_ERR(pawl_wait_try_any(items, 2, &which), -EAGAIN);
    atomic_store(&s->tried, 1);
    CHECK_OK(pawl_wait_any(items, 2, &which));
    return (int)which;
}

TEST(thread_stop.request_ends_a_wait_set)
{
    for (int i = 0; i < 2; i++) {
        struct in_set s = {.event = PAWL_EVENT_INIT};
        pawl_thread t;
        int status;

        CHECK_OK(pawl_thread_init(&t, wait_in_set, &s, NULL));
        CHECK_OK(pawl_thread_start(&t));
        while (atomic_load(&s.tried) == 0) /* it may sleep before that, too */
            sched_yield();
        test_until_asleep((pid_t)pawl_thread_native_id(&t));
        if (i == 0)
            pawl_event_set(&s.event);
        else
            CHECK_OK(pawl_thread_request_stop(&t));
        CHECK_OK(pawl_thread_join(&t, &status));
        CHECK_EQ(status, i);
    }
}

/* -- Interruptible calls ----------------------------------------------------------- */

/* Everything that one can wait for, so that nobody gets it. */
struct rig {
    pawl_mutex m;
    pawl_mutex m2;
    pawl_rmutex r;
    pawl_rwlock rw;
    pawl_sem s;
    pawl_event e;
    pawl_latch l;
    pawl_barrier b;
    pawl_cond c;
    pawl_mutex cm;
    pawl_once o;
    pawl_eventcount ec;
    pawl_queue *fifo, *lifo, *prio, *ufifo, *ulifo, *uprio, *full;
    pawl_deque *d;
    pawl_thread *sleeper;
    pawl_event once_runs;
    struct test_thread *runner;
};

static int run_once(void *rig)
{
    struct rig *r = rig;

    pawl_event_set(&r->once_runs);
    return pawl_event_wait(&r->e);
}

static void be_runner(void *rig)
{
    struct rig *r = rig;

    CHECK_OK(pawl_once_run(&r->o, run_once, r));
}

static int lock_mutex(struct rig *r)
{
    return pawl_mutex_lock(&r->m);
}

static int lock_many(struct rig *r)
{
    int err = pawl_mutex_lock_many((pawl_mutex *const[]){&r->m, &r->m2}, 2);

    if (err != 0)
        CHECK_EQ(pawl_mutex_owner(&r->m2), 0);
    return err;
}

static int lock_rmutex(struct rig *r)
{
    return pawl_rmutex_lock(&r->r);
}

static int read_lock(struct rig *r)
{
    return pawl_rwlock_read_lock(&r->rw);
}

static int write_lock(struct rig *r)
{
    return pawl_rwlock_write_lock(&r->rw);
}

static int acquire(struct rig *r)
{
    return pawl_sem_acquire(&r->s);
}

static int acquire_many(struct rig *r)
{
    return pawl_sem_acquire_n(&r->s, 3);
}

static int wait_event(struct rig *r)
{
    return pawl_event_wait(&r->e);
}

static int wait_latch(struct rig *r)
{
    return pawl_latch_wait(&r->l);
}

static int wait_barrier(struct rig *r)
{
    return pawl_barrier_wait(&r->b);
}

static int wait_cond(struct rig *r)
{
    int err;

    CHECK_OK(pawl_mutex_lock(&r->cm));
    err = pawl_cond_wait(&r->c, &r->cm);
    CHECK(pawl_mutex_is_mine(&r->cm));
    CHECK_OK(pawl_mutex_unlock(&r->cm));
    return err;
}

static int never(void *asked)
{
    ++*(int *)asked;
    return 0;
}

static int wait_cond_for(struct rig *r)
{
    int asked = 0;
    int err;

    CHECK_OK(pawl_mutex_lock(&r->cm));
    err = pawl_cond_wait_for(&r->c, &r->cm, never, &asked, PAWL_FOREVER);
    CHECK(pawl_mutex_is_mine(&r->cm));
    CHECK_OK(pawl_mutex_unlock(&r->cm));
    CHECK(asked >= 1);
    return err;
}

static int wait_once(struct rig *r)
{
    return pawl_once_run(&r->o, run_once, r);
}

static int wait_count(struct rig *r)
{
    return pawl_eventcount_wait(&r->ec, pawl_eventcount_prepare(&r->ec));
}

#define GET(name)                                                              \
    static int get_##name(struct rig *r)                                       \
    {                                                                          \
        uint64_t element;                                                      \
        return pawl_queue_get(r->name, &element);                              \
    }
GET(fifo)
GET(lifo)
GET(prio)
GET(ufifo)
GET(ulifo)
GET(uprio)

static int put_full(struct rig *r)
{
    uint64_t element = 1;

    return pawl_queue_put(r->full, &element);
}

static int join_queue(struct rig *r)
{
    return pawl_queue_join(r->full);
}

static int pop(struct rig *r)
{
    uint64_t element;

    return pawl_deque_pop_front(r->d, &element);
}

static int join_thread(struct rig *r)
{
    return pawl_thread_join(r->sleeper, NULL);
}

static int wait_any(struct rig *r)
{
    pawl_wait_item items[] = {PAWL_WAIT_EVENT(&r->e), PAWL_WAIT_SEM(&r->s),
                              PAWL_WAIT_MUTEX(&r->m)};

    return pawl_wait_any(items, 3, NULL);
}

static int wait_all(struct rig *r)
{
    pawl_wait_item items[] = {PAWL_WAIT_MUTEX(&r->m2), PAWL_WAIT_EVENT(&r->e)};

    return pawl_wait_all(items, 2);
}

static int wait_many(struct rig *r)
{
    pawl_wait_item items[128];

    for (int i = 0; i < 128; i++)
        items[i] = PAWL_WAIT_EVENT(&r->e);
    return pawl_wait_any(items, 128, NULL);
}

static const struct {
    const char *name;
    int (*fn)(struct rig *r);
} calls[] = {
    {"mutex", lock_mutex},
    {"lock_many", lock_many},
    {"rmutex", lock_rmutex},
    {"read_lock", read_lock},
    {"write_lock", write_lock},
    {"sem", acquire},
    {"sem n", acquire_many},
    {"event", wait_event},
    {"latch", wait_latch},
    {"barrier", wait_barrier},
    {"cond", wait_cond},
    {"cond for", wait_cond_for},
    {"once", wait_once},
    {"eventcount", wait_count},
    {"fifo", get_fifo},
    {"lifo", get_lifo},
    {"prio", get_prio},
    {"unbounded fifo", get_ufifo},
    {"unbounded lifo", get_ulifo},
    {"unbounded prio", get_uprio},
    {"put", put_full},
    {"queue join", join_queue},
    {"deque", pop},
    {"thread join", join_thread},
    {"wait any", wait_any},
    {"wait all", wait_all},
    {"wait 128", wait_many},
};

enum { CALLS = sizeof calls / sizeof *calls };

static pawl_queue *make_queue(enum pawl_queue_kind kind, bool unbounded)
{
    pawl_queue *q;

    CHECK_OK(pawl_queue_create(
        &q, &(pawl_queue_options){.capacity = unbounded ? 0 : 1,
                                  .element_size = 8,
                                  .kind = kind,
                                  .flags = unbounded ? PAWL_UNBOUNDED : 0}));
    return q;
}

static int sleep_on_event(void *e)
{
    return pawl_event_wait(e);
}

static void set_up(struct rig *r)
{
    static pawl_thread sleeper;
    uint64_t element = 0;

    *r = (struct rig){.m = PAWL_MUTEX_INIT, .sleeper = &sleeper};
    pawl_sem_init(&r->s, 0, 0);
    pawl_latch_init(&r->l, 1, 0);
    pawl_barrier_init(&r->b, 2, PAWL_FOREVER, 0);
    CHECK_OK(pawl_rmutex_lock(&r->r));
    CHECK_OK(pawl_rwlock_write_lock(&r->rw));
    CHECK_OK(pawl_mutex_lock(&r->m));
    r->fifo = make_queue(PAWL_QUEUE_FIFO, false);
    r->lifo = make_queue(PAWL_QUEUE_LIFO, false);
    r->prio = make_queue(PAWL_QUEUE_PRIORITY, false);
    r->ufifo = make_queue(PAWL_QUEUE_FIFO, true);
    r->ulifo = make_queue(PAWL_QUEUE_LIFO, true);
    r->uprio = make_queue(PAWL_QUEUE_PRIORITY, true);
    r->full = make_queue(PAWL_QUEUE_FIFO, false);
    CHECK_OK(pawl_queue_put(r->full, &element));
    CHECK_OK(pawl_deque_create(
        &r->d, &(pawl_deque_options){.capacity = 4, .element_size = 8}));
    CHECK_OK(pawl_thread_init(&sleeper, sleep_on_event, &r->e, NULL));
    CHECK_OK(pawl_thread_start(&sleeper));
    r->runner = test_thread(be_runner, r);
    CHECK_OK(pawl_event_wait(&r->once_runs));
}

static void tear_down(struct rig *r)
{
    uint64_t element;

    pawl_event_set(&r->e);
    CHECK_OK(pawl_thread_join(r->sleeper, NULL));
    test_join(r->runner);
    /* All of it still works. */
    CHECK_OK(pawl_mutex_unlock(&r->m));
    CHECK_OK(pawl_rmutex_unlock(&r->r));
    CHECK_OK(pawl_rwlock_write_unlock(&r->rw));
    CHECK_OK(lock_many(r));
    CHECK_OK(pawl_mutex_unlock_many((pawl_mutex *const[]){&r->m, &r->m2}, 2));
    CHECK_OK(pawl_rwlock_write_lock(&r->rw));
    CHECK_OK(pawl_rwlock_write_unlock(&r->rw));
    CHECK_OK(pawl_rwlock_read_lock(&r->rw));
    CHECK_EQ(pawl_rwlock_readers(&r->rw), 1);
    CHECK_EQ(pawl_sem_waiters(&r->s), 0);
    CHECK_OK(pawl_sem_release(&r->s));
    CHECK_OK(pawl_sem_acquire(&r->s));
    CHECK_EQ(pawl_cond_waiters(&r->c), 0);
    CHECK_OK(pawl_queue_try_get(r->full, &element));
    CHECK_OK(pawl_queue_task_done(r->full));
    CHECK_OK(pawl_queue_join(r->full));
    CHECK_OK(pawl_queue_try_put(r->prio, &element));
    CHECK_OK(pawl_queue_get(r->prio, &element));
    CHECK_OK(wait_once(r));
    pawl_queue_free(r->fifo);
    pawl_queue_free(r->lifo);
    pawl_queue_free(r->prio);
    pawl_queue_free(r->ufifo);
    pawl_queue_free(r->ulifo);
    pawl_queue_free(r->uprio);
    pawl_queue_free(r->full);
    pawl_deque_free(r->d);
}

struct order {
    struct rig *rig;
    int call;
    bool soon; /* with the stop asked for already */
    _Atomic int ready;
};

static int obey(void *arg)
{
    struct order *o = arg;

    if (o->soon)
        while (!pawl_thread_stop_requested())
            sched_yield();
    return PAWL_INTERRUPTIBLE(calls[o->call].fn(o->rig));
}

static void interrupt_all(bool soon)
{
    struct rig r;

    set_up(&r);
    for (int i = 0; i < CALLS; i++) {
        struct order o = {.rig = &r, .call = i, .soon = soon};
        pawl_thread t;
        int status;

        if (calls[i].fn == wait_barrier)
            pawl_barrier_reset(&r.b);
        CHECK_OK(pawl_thread_init(&t, obey, &o, NULL));
        CHECK_OK(pawl_thread_start(&t));
        if (!soon)
            test_until_asleep((pid_t)pawl_thread_native_id(&t));
        CHECK_OK(pawl_thread_request_stop(&t));
        CHECK_OK(pawl_thread_join(&t, &status));
        if (status != -ECANCELED)
            test_fail(__FILE__, __LINE__, "%s: %d (%s)", calls[i].name, status,
                      pawl_errname(status));
    }
    tear_down(&r);
}

struct polled {
    pawl_event event;
    int fd;
    _Atomic int begins;
};

static int wait_for_descriptor(void *arg)
{
    struct polled *p = arg;
    pawl_wait_item items[] = {PAWL_WAIT_EVENT(&p->event),
                              PAWL_WAIT_FD(p->fd, POLLIN)};

    atomic_store(&p->begins, 1);
    return PAWL_INTERRUPTIBLE(pawl_wait_any(items, 2, NULL));
}

/* With a descriptor it sleeps in poll, and a stop has to ring there; whenever it comes. */
TEST(thread_stop.request_ends_a_wait_for_a_descriptor)
{
    int fds[2];

    CHECK_EQ(pipe(fds), 0);
    for (int i = 0; i < 100; i++) {
        struct polled p = {.event = PAWL_EVENT_INIT, .fd = fds[0]};
        pawl_thread t;
        int status;

        CHECK_OK(pawl_thread_init(&t, wait_for_descriptor, &p, NULL));
        CHECK_OK(pawl_thread_start(&t));
        while (atomic_load(&p.begins) == 0)
            sched_yield();
        for (int k = 0; k < 4 * i; k++)
            sched_yield();
        CHECK_OK(pawl_thread_request_stop(&t));
        CHECK_OK(pawl_thread_join(&t, &status));
        CHECK_ERR(status, -ECANCELED);
    }
    close(fds[0]);
    close(fds[1]);
}

TEST(thread_stop.request_ends_every_interruptible_wait)
{
    interrupt_all(false);
}

TEST(thread_stop.interruptible_call_does_not_wait_after_the_request)
{
    interrupt_all(true);
}

static int call_what_needs_no_wait(void *rig)
{
    struct rig *r = rig;
    uint64_t element;

    while (!pawl_thread_stop_requested())
        sched_yield();
    CHECK_OK(PAWL_INTERRUPTIBLE(pawl_mutex_lock(&r->m2)));
    CHECK_OK(pawl_mutex_unlock(&r->m2));
    CHECK_OK(PAWL_INTERRUPTIBLE(pawl_queue_get(r->full, &element)));
    CHECK_OK(PAWL_INTERRUPTIBLE(pawl_queue_put(r->full, &element)));
    CHECK_OK(pawl_queue_task_done(r->full));
    /* A deadline is still one, and a call that is not wrapped is not ended. */
    CHECK_ERR(PAWL_INTERRUPTIBLE(pawl_mutex_lock_until(&r->m, 1)), -ETIMEDOUT);
    CHECK_ERR(PAWL_INTERRUPTIBLE(pawl_event_wait_until(&r->e, 0)), -ETIMEDOUT);
    CHECK_ERR(PAWL_INTERRUPTIBLE(pawl_mutex_try_lock(&r->m)), -EAGAIN);
    CHECK_ERR(pawl_event_wait_until(&r->e, pawl_after_ms(2)), -ETIMEDOUT);
    CHECK_ERR(
        PAWL_INTERRUPTIBLE(pawl_event_wait_until(&r->e, pawl_after_s(100))),
        -ECANCELED);
    return 0;
}

TEST(thread_stop.what_needs_no_wait_succeeds)
{
    struct rig r;
    pawl_thread t;
    int status;

    set_up(&r);
    CHECK_OK(pawl_thread_init(&t, call_what_needs_no_wait, &r, NULL));
    CHECK_OK(pawl_thread_start(&t));
    CHECK_OK(pawl_thread_request_stop(&t));
    CHECK_OK(pawl_thread_join(&t, &status));
    CHECK_EQ(status, 0);
    tear_down(&r);
}

/* -- Nobody else is disturbed --------------------------------------------------------- */

static int lock_and_unlock(void *m)
{
    int err = pawl_mutex_lock(m);

    return err != 0 ? err : pawl_mutex_unlock(m);
}

static int listen_and_unlock(void *m)
{
    int err = PAWL_INTERRUPTIBLE(pawl_mutex_lock(m));

    return err != 0 ? err : pawl_mutex_unlock(m);
}

/* Those who wait for the same lock without being asked, or without listening,
 * wait on, and get it. */
TEST(thread_stop.others_wait_on)
{
    enum { N = 4 };
    struct rig r;
    pawl_thread t[N];
    int status;

    set_up(&r);
    for (int round = 0; round < 5; round++) {
        for (int i = 0; i < N; i++) {
            CHECK_OK(pawl_thread_init(
                &t[i], i % 2 == 0 ? lock_and_unlock : listen_and_unlock, &r.m,
                NULL));
            CHECK_OK(pawl_thread_start(&t[i]));
            test_until_asleep((pid_t)pawl_thread_native_id(&t[i]));
        }
        CHECK_OK(pawl_thread_request_stop(&t[0]));
        CHECK_OK(pawl_thread_request_stop(&t[1]));
        CHECK_OK(pawl_thread_join(&t[1], &status));
        CHECK_EQ(status, -ECANCELED);
        CHECK(pawl_thread_is_alive(&t[0]) && pawl_thread_is_alive(&t[2]) &&
              pawl_thread_is_alive(&t[3]));
        CHECK_OK(pawl_mutex_unlock(&r.m));
        CHECK_OK(pawl_thread_join(&t[0], &status));
        CHECK_EQ(status, 0);
        CHECK_OK(pawl_thread_join(&t[2], &status));
        CHECK_EQ(status, 0);
        CHECK_OK(pawl_thread_join(&t[3], &status));
        CHECK_EQ(status, 0);
        CHECK_OK(pawl_mutex_lock(&r.m));
    }
    tear_down(&r);
}

static int call_in_callback(void *rig)
{
    struct rig *r = rig;

    /* Not interrupted: this wait would end at once otherwise. */
    CHECK_ERR(pawl_event_wait_until(&r->e, pawl_after_ms(2)), -ETIMEDOUT);
    return 0;
}

static int run_callback(void *rig)
{
    pawl_once once = PAWL_ONCE_INIT;

    while (!pawl_thread_stop_requested())
        sched_yield();
    return PAWL_INTERRUPTIBLE(pawl_once_run(&once, call_in_callback, rig));
}

TEST(thread_stop.functions_of_the_caller_are_not_interrupted)
{
    struct rig r;
    pawl_thread t;
    int status;

    set_up(&r);
    CHECK_OK(pawl_thread_init(&t, run_callback, &r, NULL));
    CHECK_OK(pawl_thread_start(&t));
    CHECK_OK(pawl_thread_request_stop(&t));
    CHECK_OK(pawl_thread_join(&t, &status));
    CHECK_EQ(status, 0);
    tear_down(&r);
}
