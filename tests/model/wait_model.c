/* SPDX-License-Identifier: MIT
 *
 * Scenarios of wait sets and descriptors: the kernel can wait for several words,
 * or cannot, which is known, or found out on the way.
 */
#include <pawl/wait.h>

#include "model.h"

enum { ITEMS = 8 };

static struct {
    pawl_event event;
    pawl_latch latch;
    pawl_sem sem;
    pawl_mutex mutex[2];
    pawl_queue *q;
    pawl_deque *d;
    int fd;
    int arms;
    int data; /* written before the first change to ready */
    int n;    /* under mutex[0] */
    int m;    /* under mutex[1] */
    int put;
    int got[ITEMS];
} s;

static void setup(void)
{
    memset(&s, 0, sizeof s);
    s.latch = (pawl_latch)PAWL_LATCH_INIT(1);
    MODEL_NAME(s.event);
    MODEL_NAME(s.latch);
    MODEL_NAME(s.sem);
    MODEL_NAME(s.mutex);
    MODEL_NAME(s.data);
    MODEL_NAME(s.n);
    MODEL_NAME(s.m);
}

/* The event has been set before, and is not any more. */
static void after_a_pulse(void)
{
    setup();
    pawl_event_set(&s.event);
    pawl_event_clear(&s.event);
}

static void make_queue(enum pawl_queue_kind kind, unsigned flags)
{
    pawl_queue_options o = {.capacity = (flags & PAWL_UNBOUNDED) != 0 ? 0 : 1,
                            .element_size = 8,
                            .flags = flags,
                            .kind = kind};

    setup();
    CHECK_OK(pawl_queue_create(&s.q, &o));
    model_name(s.q, 1 << 12, "q");
}

static void with_queue(void)
{
    make_queue(PAWL_QUEUE_FIFO, 0);
}

static void with_locked_queue(void)
{
    make_queue(PAWL_QUEUE_PRIORITY, 0);
}

static void with_chain(void)
{
    make_queue(PAWL_QUEUE_FIFO, PAWL_UNBOUNDED);
}

static void with_pile(void)
{
    make_queue(PAWL_QUEUE_LIFO, PAWL_UNBOUNDED);
}

static void with_full_locked_queue(void)
{
    uint64_t item = ITEMS - 1;

    with_locked_queue();
    CHECK_OK(pawl_queue_try_put(s.q, &item));
}

static void with_deque(void)
{
    setup();
    CHECK_OK(pawl_deque_create(
        &s.d, &(pawl_deque_options){.capacity = 1, .element_size = 8}));
    model_name(s.d, 1 << 12, "d");
}

static void with_full_deque(void)
{
    with_deque();
    CHECK_OK(pawl_deque_try_push_back(s.d, &(uint64_t){0}));
}

static void with_full_queue(void)
{
    uint64_t item = ITEMS - 1;

    with_queue();
    CHECK_OK(pawl_queue_try_put(s.q, &item));
}

/* ---- what becomes ready ------------------------------------------------------ */

static void set(void)
{
    MODEL_SET(s.data, 1);
    pawl_event_set(&s.event);
}

static void count_down(void)
{
    MODEL_SET(s.data, 1);
    CHECK_OK(pawl_latch_count_down(&s.latch, 1));
}

static void release(void)
{
    MODEL_SET(s.data, 1);
    CHECK_OK(pawl_sem_release(&s.sem));
}

static void release_only(void)
{
    CHECK_OK(pawl_sem_release(&s.sem));
}

static void release_twice(void)
{
    release();
    CHECK_OK(pawl_sem_release(&s.sem));
}

static void release_two(void)
{
    MODEL_SET(s.data, 1);
    CHECK_OK(pawl_sem_release_n(&s.sem, 2));
}

static int put_until(pawl_deadline until)
{
    uint64_t item = 0;
    int err;

    MODEL_SET(s.data, 1);
    err = pawl_queue_put_until(s.q, &item, until);
    s.put += err == 0;
    return err;
}

static void put(void)
{
    CHECK_OK(put_until(PAWL_FOREVER));
}

static void put_second(void)
{
    CHECK_OK(pawl_queue_put(s.q, &(uint64_t){1}));
    s.put++;
}

static void put_two(void)
{
    put();
    put_second();
}

static void shut_down(void)
{
    MODEL_SET(s.data, 1);
    CHECK_OK(pawl_queue_shutdown(s.q));
}

static bool try_get(void)
{
    uint64_t item;
    int err = pawl_queue_try_get(s.q, &item);

    CHECK(err == 0 || err == -EAGAIN);
    if (err == 0)
        s.got[item]++;
    return err == 0;
}

static void get(void)
{
    uint64_t item;

    CHECK_OK(pawl_queue_get(s.q, &item));
    s.got[item]++;
}

static void section(int i)
{
    model_section(i == 0 ? &s.n : &s.m);
}

static void lock_and_unlock(void)
{
    int err = pawl_mutex_lock(&s.mutex[0]);

    if (err == -EOWNERDEAD)
        CHECK_OK(pawl_mutex_consistent(&s.mutex[0]));
    else
        CHECK_OK(err);
    section(0);
    CHECK_OK(pawl_mutex_unlock(&s.mutex[0]));
}

static void lock_and_die(void)
{
    CHECK_OK(pawl_mutex_lock(&s.mutex[0]));
    section(0);
    model_die();
}

/* ---- any --------------------------------------------------------------------- */

/* Something, with something else that never comes. */
#define ANY(...)                                                               \
    any((pawl_wait_item[]){__VA_ARGS__},                                       \
        sizeof((pawl_wait_item[]){__VA_ARGS__}) / sizeof(pawl_wait_item))

static size_t any(pawl_wait_item *items, size_t n)
{
    size_t which = n;

    CHECK_OK(pawl_wait_any(items, n, &which));
    CHECK(which < n);
    return which;
}

static void await_event(void)
{
    CHECK(ANY(PAWL_WAIT_SEM(&s.sem), PAWL_WAIT_EVENT(&s.event)) == 1);
    CHECK(MODEL_GET(s.data) == 1);
}

static void await_event_alone(void)
{
    ANY(PAWL_WAIT_EVENT(&s.event));
    CHECK(MODEL_GET(s.data) == 1);
}

static void await_latch(void)
{
    CHECK(ANY(PAWL_WAIT_LATCH(&s.latch), PAWL_WAIT_SEM(&s.sem)) == 0);
    CHECK(MODEL_GET(s.data) == 1);
}

static void await_permit(void)
{
    CHECK(ANY(PAWL_WAIT_SEM(&s.sem), PAWL_WAIT_EVENT(&s.event)) == 0);
    CHECK(MODEL_GET(s.data) == 1);
}

static void await_permit_or_give_up(void)
{
    pawl_wait_item items[] = {PAWL_WAIT_SEM(&s.sem), PAWL_WAIT_EVENT(&s.event)};
    int err = pawl_wait_any_until(items, 2, model_soon(), NULL);

    CHECK(err == 0 || err == -ETIMEDOUT);
    if (err == 0)
        CHECK_OK(pawl_sem_release(&s.sem));
}

static void await_either(void)
{
    ANY(PAWL_WAIT_EVENT(&s.event), PAWL_WAIT_SEM(&s.sem));
}

static void acquire(void)
{
    CHECK_OK(pawl_sem_acquire(&s.sem));
    CHECK(MODEL_GET(s.data) == 1);
}

static void await_mutex(void)
{
    pawl_wait_item items[] = {PAWL_WAIT_MUTEX(&s.mutex[0]),
                              PAWL_WAIT_EVENT(&s.event)};
    size_t which = 2;
    int err = pawl_wait_any(items, 2, &which);

    CHECK(which == 0);
    if (err == -EOWNERDEAD)
        CHECK_OK(pawl_mutex_consistent(&s.mutex[0]));
    else
        CHECK_OK(err);
    section(0);
    CHECK_OK(pawl_mutex_unlock(&s.mutex[0]));
}

static void await_element(void)
{
    do {
        CHECK(ANY(PAWL_WAIT_READABLE(s.q), PAWL_WAIT_EVENT(&s.event)) == 0);
        CHECK(MODEL_GET(s.data) == 1);
    } while (!try_get());
}

static void await_element_or_give_up(void)
{
    pawl_wait_item items[] = {PAWL_WAIT_READABLE(s.q),
                              PAWL_WAIT_EVENT(&s.event)};
    int err = pawl_wait_any_until(items, 2, model_soon(), NULL);

    CHECK(err == 0 || err == -ETIMEDOUT);
    try_get();
}

static void await_room(void)
{
    do {
        CHECK(ANY(PAWL_WAIT_WRITABLE(s.q), PAWL_WAIT_EVENT(&s.event)) == 0);
    } while (put_until(0) != 0);
}

static void await_end(void)
{
    uint64_t item;

    ANY(PAWL_WAIT_READABLE(s.q), PAWL_WAIT_EVENT(&s.event));
    CHECK(MODEL_GET(s.data) == 1);
    CHECK_ERR(pawl_queue_try_get(s.q, &item), -ESHUTDOWN);
}

/* The same at a deque. */
static void push(void)
{
    MODEL_SET(s.data, 1);
    CHECK_OK(pawl_deque_push_back(s.d, &(uint64_t){0}));
}

static void pop(void)
{
    uint64_t item;

    MODEL_SET(s.data, 1);
    CHECK_OK(pawl_deque_pop_front(s.d, &item));
}

static void await_pop(void)
{
    uint64_t item;

    ANY(PAWL_WAIT_POPPABLE(s.d), PAWL_WAIT_EVENT(&s.event));
    CHECK(MODEL_GET(s.data) == 1);
    CHECK_OK(pawl_deque_try_pop_back(s.d, &item));
}

static void await_push(void)
{
    ANY(PAWL_WAIT_PUSHABLE(s.d), PAWL_WAIT_EVENT(&s.event));
    CHECK(MODEL_GET(s.data) == 1);
    CHECK_OK(pawl_deque_try_push_back(s.d, &(uint64_t){0}));
}

static void end_deque(void)
{
    MODEL_SET(s.data, 1);
    CHECK_OK(pawl_deque_shutdown(s.d));
}

static void await_end_of_deque(void)
{
    uint64_t item;

    ANY(PAWL_WAIT_POPPABLE(s.d), PAWL_WAIT_EVENT(&s.event));
    CHECK(MODEL_GET(s.data) == 1);
    CHECK_ERR(pawl_deque_try_pop_back(s.d, &item), -ESHUTDOWN);
}

/* ---- what is true afterwards ---------------------------------------------------- */

static void nothing_is_left(void)
{
    CHECK(pawl_sem_value(&s.sem) == 0);
}

static void two_were_inside(void)
{
    CHECK(s.n == 2);
}

static void both_were_inside(void)
{
    two_were_inside();
    CHECK(!pawl_mutex_is_locked(&s.mutex[0]));
}

static void three_were_inside(void)
{
    CHECK(s.n == 3);
    CHECK(!pawl_mutex_is_locked(&s.mutex[0]));
}

/* The others' items were put once and came once, or are there. */
static void all_was_got(void)
{
    while (try_get())
        ;
    for (int i = 0; i < s.put; i++)
        CHECK(s.got[i] == 1);
    pawl_queue_free(s.q);
}

/* ---- scenarios ------------------------------------------------------------------- */

#define WAIT(what, ...)                                                        \
    MODEL_AT__("wait." #what, what, __VA_ARGS__)                               \
    MODEL_AT__("wait_bell." #what, bell_##what, __VA_ARGS__,                   \
               .waitv = MODEL_WAITV_MISSES)
#define THREADS(...) .threads = {__VA_ARGS__}
#define WITHIN(...) .bounds = {__VA_ARGS__}

WAIT(event, .setup = setup, THREADS(await_event, set))
WAIT(event_spinning, .setup = setup, THREADS(await_event, set), .spin = 2)
WAIT(event_alone, .setup = setup, THREADS(await_event_alone, set))
WAIT(event_after_a_pulse, .setup = after_a_pulse, THREADS(await_event, set))
WAIT(event_for_two, .setup = setup, THREADS(await_event, await_event, set),
     WITHIN(2, 1, 0))
WAIT(latch, .setup = setup, THREADS(await_latch, count_down))
WAIT(permit, .setup = setup, THREADS(await_permit, release),
     .check = nothing_is_left)
WAIT(permit_for_each, .setup = setup,
     THREADS(await_permit, await_permit, release_twice),
     .check = nothing_is_left, WITHIN(2, 0, 0))
WAIT(permit_beside_a_sleeper, .setup = setup,
     THREADS(await_permit, acquire, release_twice), .check = nothing_is_left,
     WITHIN(2, 0, 1))
WAIT(two_permits_at_once, .setup = setup,
     THREADS(await_permit, acquire, release_two), .check = nothing_is_left,
     WITHIN(2, 0, 1))
WAIT(giving_up_takes_no_permit, .setup = setup,
     THREADS(await_permit_or_give_up, acquire, release), WITHIN(2, 0, 1),
     .check = nothing_is_left)
WAIT(either, .setup = setup, THREADS(await_either, set, release_only),
     WITHIN(2, 1, 0))
WAIT(mutex, .setup = setup, THREADS(await_mutex, lock_and_unlock),
     .check = both_were_inside)
WAIT(mutex_beside_a_sleeper, .setup = setup,
     THREADS(await_mutex, lock_and_unlock, lock_and_unlock),
     .check = three_were_inside, WITHIN(2, 0, 0))
WAIT(mutex_for_two, .setup = setup,
     THREADS(await_mutex, await_mutex, lock_and_unlock),
     .check = three_were_inside, WITHIN(2, 0, 0))
WAIT(death, .setup = setup, THREADS(await_mutex, lock_and_die),
     .check = two_were_inside, WITHIN(2, 1, 0))
WAIT(element, .setup = with_queue, THREADS(await_element, put),
     .check = all_was_got)
WAIT(element_of_a_locked_queue, .setup = with_locked_queue,
     THREADS(await_element, put), .check = all_was_got, WITHIN(2, 1, 0))
WAIT(element_of_a_chain, .setup = with_chain, THREADS(await_element, put),
     .check = all_was_got, WITHIN(2, 1, 0))
WAIT(element_of_a_pile, .setup = with_pile, THREADS(await_element, put),
     .check = all_was_got, WITHIN(2, 1, 0))
WAIT(element_of_a_deque, .setup = with_deque, THREADS(await_pop, push),
     WITHIN(2, 1, 0))
WAIT(element_for_two, .setup = with_queue,
     THREADS(await_element, await_element, put_two), .check = all_was_got,
     WITHIN(2, 0, 0))
WAIT(element_beside_a_sleeper, .setup = with_queue,
     THREADS(await_element, get, put_two), .check = all_was_got,
     WITHIN(2, 0, 0))
WAIT(giving_up_takes_no_element, .setup = with_queue,
     THREADS(await_element_or_give_up, get, put_two), .check = all_was_got,
     WITHIN(2, 0, 0))
WAIT(room, .setup = with_full_queue, THREADS(await_room, get),
     .check = all_was_got)
WAIT(room_in_a_locked_queue, .setup = with_full_locked_queue,
     THREADS(await_room, get), .check = all_was_got, WITHIN(2, 1, 0))
WAIT(room_in_a_deque, .setup = with_full_deque, THREADS(await_push, pop),
     WITHIN(2, 1, 0))
WAIT(end, .setup = with_queue, THREADS(await_end, shut_down))
WAIT(end_of_a_locked_queue, .setup = with_locked_queue,
     THREADS(await_end, shut_down), WITHIN(2, 1, 0))

WAIT(end_of_a_chain, .setup = with_chain, THREADS(await_end, shut_down),
     WITHIN(2, 1, 0))
WAIT(end_of_a_pile, .setup = with_pile, THREADS(await_end, shut_down),
     WITHIN(2, 1, 0))
WAIT(end_of_a_deque, .setup = with_deque,
     THREADS(await_end_of_deque, end_deque), WITHIN(2, 1, 0))

/* The first to sleep finds out that it cannot be done that way. */
MODEL(wait.kernel_refuses, .setup = setup,
      .threads = {await_event, await_event, set}, .waitv = MODEL_WAITV_FAILS,
      .bounds = {2, 0, 0})

/* ---- all ------------------------------------------------------------------------------ */

static void all_of_three(void)
{
    pawl_wait_item items[] = {PAWL_WAIT_MUTEX(&s.mutex[0]),
                              PAWL_WAIT_EVENT(&s.event), PAWL_WAIT_SEM(&s.sem)};

    CHECK_OK(pawl_wait_all(items, 3));
    CHECK(MODEL_GET(s.data) == 1);
    section(0);
    CHECK_OK(pawl_mutex_unlock(&s.mutex[0]));
}

static void both_locks(pawl_mutex *first, pawl_mutex *second)
{
    pawl_wait_item items[] = {PAWL_WAIT_MUTEX(first), PAWL_WAIT_MUTEX(second)};

    CHECK_OK(pawl_wait_all(items, 2));
    section(0);
    section(1);
    CHECK_OK(pawl_mutex_unlock(&s.mutex[0]));
    CHECK_OK(pawl_mutex_unlock(&s.mutex[1]));
}

static void lock_both(void)
{
    both_locks(&s.mutex[0], &s.mutex[1]);
}

static void lock_both_the_other_way(void)
{
    both_locks(&s.mutex[1], &s.mutex[0]);
}

static void event_and_permit(void)
{
    pawl_wait_item items[] = {PAWL_WAIT_EVENT(&s.event), PAWL_WAIT_SEM(&s.sem)};

    CHECK_OK(pawl_wait_all(items, 2));
    CHECK(MODEL_GET(s.data) == 1);
}

static void release_and_set(void)
{
    release_only();
    set();
}

/* Elements come and go under the lock only: who has it, and an element, has
 * both. */
static void element_under_the_lock(void)
{
    pawl_wait_item items[] = {PAWL_WAIT_READABLE(s.q),
                              PAWL_WAIT_MUTEX(&s.mutex[0])};

    CHECK_OK(pawl_wait_all(items, 2));
    CHECK(try_get());
    CHECK_OK(pawl_mutex_unlock(&s.mutex[0]));
}

/* Takes it, and puts the next one later. */
static void get_and_put_under_the_lock(void)
{
    bool got;

    CHECK_OK(pawl_mutex_lock(&s.mutex[0]));
    put();
    CHECK_OK(pawl_mutex_unlock(&s.mutex[0]));
    CHECK_OK(pawl_mutex_lock(&s.mutex[0]));
    got = try_get();
    CHECK_OK(pawl_mutex_unlock(&s.mutex[0]));
    CHECK_OK(pawl_mutex_lock(&s.mutex[0]));
    if (got)
        put_second();
    CHECK_OK(pawl_mutex_unlock(&s.mutex[0]));
}

/* An element is there at the end, though others may take one. */
static void element_and_lock(void)
{
    pawl_wait_item items[] = {PAWL_WAIT_READABLE(s.q),
                              PAWL_WAIT_MUTEX(&s.mutex[0])};

    CHECK_OK(pawl_wait_all(items, 2));
    section(0);
    CHECK_OK(pawl_mutex_unlock(&s.mutex[0]));
}

static void put_get_put(void)
{
    put();
    try_get();
    put_second();
}

static void all_or_give_up(void)
{
    pawl_wait_item items[] = {PAWL_WAIT_SEM(&s.sem),
                              PAWL_WAIT_MUTEX(&s.mutex[0])};
    int err = pawl_wait_all_until(items, 2, model_soon());

    CHECK(err == 0 || err == -ETIMEDOUT);
    if (err == 0) {
        section(0);
        CHECK_OK(pawl_mutex_unlock(&s.mutex[0]));
        CHECK_OK(pawl_sem_release(&s.sem));
    }
}

static void set_and_release(void)
{
    release();
    pawl_event_set(&s.event);
}

static void both_sections(void)
{
    CHECK(s.n == 2 && s.m == 2);
    CHECK(!pawl_mutex_is_locked(&s.mutex[0]));
    CHECK(!pawl_mutex_is_locked(&s.mutex[1]));
}

static void one_permit_is_left(void)
{
    CHECK(!pawl_mutex_is_locked(&s.mutex[0]));
    CHECK(pawl_sem_value(&s.sem) == 1);
}

WAIT(all, .setup = setup,
     THREADS(all_of_three, set_and_release, lock_and_unlock),
     .check = both_were_inside, WITHIN(2, 0, 0))
WAIT(all_in_any_order, .setup = setup,
     THREADS(lock_both, lock_both_the_other_way), .check = both_sections,
     WITHIN(2, 1, 0))
WAIT(all_after_a_pulse, .setup = after_a_pulse,
     THREADS(event_and_permit, release_and_set), WITHIN(2, 1, 0))
WAIT(all_under_the_lock, .setup = with_queue,
     THREADS(element_under_the_lock, get_and_put_under_the_lock),
     .check = all_was_got, WITHIN(2, 1, 0))
WAIT(all_with_an_element, .setup = with_queue,
     THREADS(element_and_lock, put_get_put, lock_and_unlock),
     .check = both_were_inside, WITHIN(2, 0, 0))
WAIT(all_or_none, .setup = setup,
     THREADS(all_or_give_up, release, lock_and_unlock),
     .check = one_permit_is_left, WITHIN(2, 0, 1))

/* ---- descriptors ------------------------------------------------------------------------ */

static pawl_wait_item readable(void)
{
    return PAWL_WAIT_READABLE(s.q);
}

static void with_fd(void)
{
    pawl_wait_item item;

    with_queue();
    item = readable();
    s.fd = pawl_wait_fd(&item);
    CHECK(s.fd >= 0);
}

/* The descriptor is made while others put. */
static void poll_for(int elements)
{
    pawl_wait_item item = readable();
    int fd = pawl_wait_fd(&item);

    CHECK(fd >= 0);
    while (elements > 0) {
        int err;

        while (elements > 0 && try_get())
            elements--;
        if (elements == 0)
            break;
        err = pawl_wait_arm(&item);
        CHECK(err == 0 || err == -EALREADY);
        if (err == 0) {
            s.arms++;
            model_poll(fd);
        }
    }
}

static void poll_for_one(void)
{
    poll_for(1);
}

static void poll_for_two(void)
{
    poll_for(2);
}

static void poll_until_the_end(void)
{
    pawl_wait_item item = readable();
    int fd = pawl_wait_fd(&item);

    while (!pawl_queue_is_shutdown(s.q))
        if (pawl_wait_arm(&item) == 0)
            model_poll(fd);
}

static void poll_event(void)
{
    pawl_wait_item item = PAWL_WAIT_EVENT(&s.event);
    int fd = pawl_wait_fd(&item);

    CHECK(fd >= 0);
    if (pawl_wait_arm(&item) == 0)
        model_poll(fd);
    CHECK(pawl_event_is_set(&s.event));
    CHECK(MODEL_GET(s.data) == 1);
}

/* Armed once, and told of at most once, however much comes. */
static void arm_once(void)
{
    pawl_wait_item item = readable();

    int err = pawl_wait_arm(&item);

    CHECK(err == 0 || err == -EALREADY);
}

static void told_once(void)
{
    CHECK(model_fd_written(s.fd) <= 1);
    all_was_got();
}

MODEL(wait_fd.one, .setup = with_fd, .threads = {poll_for_one, put},
      .check = all_was_got)
MODEL(wait_fd.two, .setup = with_fd, .threads = {poll_for_two, put_two},
      .check = all_was_got)
MODEL(wait_fd.from_two, .setup = with_fd,
      .threads = {poll_for_two, put, put_second}, .check = all_was_got,
      .bounds = {2, 0, 0})
MODEL(wait_fd.made_by_two, .setup = with_queue,
      .threads = {poll_for_one, poll_for_one, put_two}, .check = all_was_got,
      .bounds = {2, 0, 0})
MODEL(wait_fd.made_on_the_way, .setup = with_queue,
      .threads = {poll_for_one, put}, .check = all_was_got)
MODEL(wait_fd.made_beside_a_sleeper, .setup = with_queue,
      .threads = {poll_for_one, get, put_two}, .check = all_was_got,
      .bounds = {2, 1, 0})
MODEL(wait_fd.beside_a_wait_set, .setup = with_fd,
      .threads = {poll_for_one, await_element, put_two}, .check = all_was_got,
      .bounds = {2, 0, 0})
MODEL(wait_fd.beside_a_sleeper, .setup = with_fd,
      .threads = {poll_for_one, get, put_two}, .check = all_was_got,
      .bounds = {2, 0, 0})
MODEL(wait_fd.end, .setup = with_fd, .threads = {poll_until_the_end, shut_down})
MODEL(wait_fd.event, .setup = setup, .threads = {poll_event, set})
MODEL(wait_fd.event_for_two, .setup = setup,
      .threads = {poll_event, await_event, set}, .bounds = {2, 1, 0})
MODEL(wait_fd.told_once, .setup = with_fd, .threads = {arm_once, put_two, get},
      .check = told_once, .bounds = {2, 1, 0})
