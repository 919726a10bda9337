/* SPDX-License-Identifier: MIT
 *
 * wait_fd_test.c - queues and events as file descriptors.  The counter of an
 * eventfd tells how often it has been written to since it was last read.
 */
#include <fcntl.h>
#include <poll.h>
#include <sys/epoll.h>
#include <sys/resource.h>

#include "wait_cases.h"

static const int kinds[] = {AN_EVENT, READABLE, WRITABLE};
enum { FD_KINDS = 3 };

static bool is_readable(int fd)
{
    struct pollfd p = {.fd = fd, .events = POLLIN};

    CHECK(poll(&p, 1, 0) >= 0);
    return (p.revents & POLLIN) != 0;
}

/* How often it has been written to since the last look. */
static uint64_t writes(int fd)
{
    uint64_t count = 0;

    if (read(fd, &count, sizeof count) < 0) {
        CHECK_EQ(errno, EAGAIN);
        return 0;
    }
    return count;
}

/* Not ready again. */
static void make_unready(struct world *w, int kind)
{
    int v = 1;

    if (kind == AN_EVENT)
        pawl_event_clear(&w->event);
    else if (kind == READABLE)
        CHECK_OK(pawl_queue_try_get(w->empty, &v));
    else
        CHECK_OK(pawl_queue_try_put(w->full, &v));
}

/* an fd per queue. */
TEST(wait_fd.is_one_per_object_and_end)
{
    struct world *w = world_make(PAWL_LOCAL);
    int fds[FD_KINDS];

    for (int i = 0; i < FD_KINDS; i++) {
        pawl_wait_item item = world_item(w, (enum kind)kinds[i]);
        pawl_wait_item again = world_item(w, (enum kind)kinds[i]);

        CHECK_ERR(pawl_wait_arm(&item), -EBADF);
        CHECK_ERR(pawl_wait_close(&item), -EBADF);
        fds[i] = pawl_wait_fd(&item);
        CHECK(fds[i] >= 0);
        CHECK_EQ(pawl_wait_fd(&again), fds[i]);
        CHECK((fcntl(fds[i], F_GETFD) & FD_CLOEXEC) != 0);
        CHECK(!is_readable(fds[i]));
        for (int k = 0; k < i; k++)
            CHECK(fds[i] != fds[k]);
    }
    for (int i = 0; i < FD_KINDS; i++) {
        pawl_wait_item item = world_item(w, (enum kind)kinds[i]);

        CHECK_OK(pawl_wait_close(&item));
        CHECK_EQ(fcntl(fds[i], F_GETFD), -1);
        CHECK_ERR(pawl_wait_close(&item), -EBADF);
        /* It may be made again, and before that nothing is written anywhere. */
        make_ready(w, kinds[i]);
        CHECK(pawl_wait_fd(&item) >= 0);
        CHECK_OK(pawl_wait_close(&item));
    }
    world_end(w);
}

TEST(wait_fd.is_refused)
{
    struct world *local = world_make(PAWL_LOCAL);
    struct world *shared = world_make(PAWL_SHARED);

    for (int k = 0; k < KINDS; k++) {
        pawl_wait_item item = world_item(local, (enum kind)k);
        pawl_wait_item elsewhere = world_item(shared, (enum kind)k);
        bool has = k == AN_EVENT || k == READABLE || k == WRITABLE;
        int err = has ? -EOPNOTSUPP : -EINVAL;

        if (!has) {
            CHECK_ERR(pawl_wait_fd(&item), -EINVAL);
            CHECK_ERR(pawl_wait_arm(&item), -EINVAL);
            CHECK_ERR(pawl_wait_close(&item), -EINVAL);
        }
        CHECK_ERR(pawl_wait_fd(&elsewhere), err);
        CHECK_ERR(pawl_wait_arm(&elsewhere), err);
        CHECK_ERR(pawl_wait_close(&elsewhere), err);
    }
    world_end(local);
    world_end(shared);
}

TEST(wait_fd.no_descriptor_is_left)
{
    struct world *w = world_make(PAWL_LOCAL);
    pawl_wait_item item = world_item(w, READABLE);
    struct rlimit usual;
    struct rlimit none;

    CHECK_EQ(getrlimit(RLIMIT_NOFILE, &usual), 0);
    none = usual;
    none.rlim_cur = 0;
    CHECK_EQ(setrlimit(RLIMIT_NOFILE, &none), 0);
    errno = 0;
    CHECK_ERR(pawl_wait_fd(&item), -EMFILE);
    CHECK_EQ(errno, 0);
    CHECK_ERR(pawl_wait_arm(&item), -EBADF);
    CHECK_EQ(setrlimit(RLIMIT_NOFILE, &usual), 0);
    CHECK(pawl_wait_fd(&item) >= 0);
    CHECK_OK(pawl_wait_close(&item));
    world_end(w);
}

/* Q-20, W-14: not one system call while nobody polls, and one per arming however
 * much happens. */
TEST(wait_fd.is_written_on_the_edge_while_armed)
{
    for (int i = 0; i < FD_KINDS; i++) {
        struct world *w = world_make(PAWL_LOCAL);
        pawl_wait_item item = world_item(w, (enum kind)kinds[i]);
        int fd = pawl_wait_fd(&item);

        for (int n = 0; n < 10; n++) {
            make_ready(w, kinds[i]);
            make_unready(w, kinds[i]);
        }
        CHECK_EQ(writes(fd), 0);
        for (int round = 0; round < 3; round++) {
            CHECK_OK(pawl_wait_arm(&item));
            CHECK_OK(pawl_wait_arm(&item));
            CHECK(!is_readable(fd));
            for (int n = 0; n < 10; n++) {
                make_ready(w, kinds[i]);
                CHECK(is_readable(fd));
                make_unready(w, kinds[i]);
            }
            CHECK_EQ(writes(fd), 1);
        }
        /* Ready: arming says so, and does not arm. */
        make_ready(w, kinds[i]);
        CHECK_ERR(pawl_wait_arm(&item), -EALREADY);
        for (int n = 0; n < 10; n++) {
            make_unready(w, kinds[i]);
            make_ready(w, kinds[i]);
        }
        CHECK_EQ(writes(fd), 0);
        /* Arming empties what was written. */
        make_unready(w, kinds[i]);
        CHECK_OK(pawl_wait_arm(&item));
        make_ready(w, kinds[i]);
        make_unready(w, kinds[i]);
        CHECK_OK(pawl_wait_arm(&item));
        CHECK(!is_readable(fd));
        make_ready(w, kinds[i]);
        CHECK_EQ(writes(fd), 1);
        CHECK_OK(pawl_wait_close(&item));
        world_end(w);
    }
}

/* another who polls the same descriptor has yet to see it: who arms it in
 * vain leaves it readable. */
TEST(wait_fd.arming_in_vain_takes_no_edge_from_others)
{
    for (int i = 0; i < FD_KINDS; i++) {
        struct world *w = world_make(PAWL_LOCAL);
        pawl_wait_item item = world_item(w, (enum kind)kinds[i]);
        int fd = pawl_wait_fd(&item);

        CHECK_OK(pawl_wait_arm(&item));
        make_ready(w, kinds[i]);
        CHECK_ERR(pawl_wait_arm(&item), -EALREADY);
        CHECK(is_readable(fd));
        make_unready(w, kinds[i]);
        CHECK_OK(pawl_wait_arm(&item));
        CHECK(!is_readable(fd));
        CHECK_OK(pawl_wait_close(&item));
        world_end(w);
    }
}

/* The mark for the fd and those of wait sets do not stand for each other. */
TEST(wait_fd.and_wait_sets_are_both_told)
{
    for (int i = 0; i < FD_KINDS; i++) {
        struct world *w = world_make(PAWL_LOCAL);
        pawl_wait_item item = world_item(w, (enum kind)kinds[i]);
        int fd = pawl_wait_fd(&item);

        CHECK_ERR(pawl_wait_any_until(&item, 1, pawl_after_us(100), NULL),
                  -ETIMEDOUT);
        make_ready(w, kinds[i]);
        make_unready(w, kinds[i]);
        CHECK_EQ(writes(fd), 0);
        CHECK_ERR(pawl_wait_any_until(&item, 1, pawl_after_us(100), NULL),
                  -ETIMEDOUT);
        CHECK_OK(pawl_wait_arm(&item));
        CHECK_ERR(pawl_wait_any_until(&item, 1, pawl_after_us(100), NULL),
                  -ETIMEDOUT);
        make_ready(w, kinds[i]);
        CHECK_EQ(writes(fd), 1);
        CHECK_OK(pawl_wait_close(&item));
        world_end(w);
    }
}

TEST(wait_fd.a_shutdown_is_an_edge)
{
    struct world *w = world_make(PAWL_LOCAL);
    pawl_wait_item get = world_item(w, READABLE);
    pawl_wait_item put = world_item(w, WRITABLE);
    int get_fd = pawl_wait_fd(&get);
    int put_fd = pawl_wait_fd(&put);

    CHECK_OK(pawl_wait_arm(&get));
    CHECK_OK(pawl_wait_arm(&put));
    CHECK_OK(pawl_queue_shutdown(w->empty));
    CHECK_EQ(writes(get_fd), 1);
    CHECK_OK(pawl_queue_shutdown(w->full));
    CHECK_EQ(writes(put_fd), 1);
    CHECK_ERR(pawl_wait_arm(&get), -EALREADY);
    CHECK_ERR(pawl_wait_arm(&put), -EALREADY);
    CHECK_OK(pawl_wait_close(&get));
    CHECK_OK(pawl_wait_close(&put));
    world_end(w);
}

TEST(wait_fd.goes_with_the_queue)
{
    pawl_queue *q = NULL;
    pawl_wait_item items[2];
    int fds[2];

    CHECK_OK(pawl_queue_create(
        &q, &(pawl_queue_options){.capacity = 1, .element_size = 4}));
    items[0] = PAWL_WAIT_READABLE(q);
    items[1] = PAWL_WAIT_WRITABLE(q);
    for (int i = 0; i < 2; i++)
        fds[i] = pawl_wait_fd(&items[i]);
    pawl_queue_free(q);
    for (int i = 0; i < 2; i++)
        CHECK_EQ(fcntl(fds[i], F_GETFD), -1);
    pawl_queue_free(NULL);
}

/* ---- a loop ------------------------------------------------------------------ */

enum { PRODUCERS = 3 };

struct loop {
    pawl_queue *in;
    pawl_event stop;
    int each;
    _Atomic int left;
};

static void produce(void *arg)
{
    struct loop *l = arg;
    uint64_t random = test_seed((uint64_t)gettid());

    for (int i = 1; i <= l->each; i++) {
        CHECK_OK(pawl_queue_put(l->in, &i));
        while (test_rand_below(&random, 4) == 0)
            sched_yield();
    }
    if (atomic_fetch_sub(&l->left, 1) == 1)
        pawl_event_set(&l->stop);
}

/* Everything that three producers put arrives in a loop that sleeps in epoll
 * alone, which is woken at most as often as it asked for. */
TEST(wait_fd.serves_an_epoll_loop)
{
    struct loop l = {.stop = PAWL_EVENT_INIT,
                     .each = test_iterations(20000),
                     .left = PRODUCERS};
    struct test_thread *producers[PRODUCERS];
    pawl_wait_item items[2];
    int epoll = epoll_create1(EPOLL_CLOEXEC);
    int64_t sum = 0;
    uint64_t armed = 0;
    uint64_t written = 0;
    int fds[2];
    int v;

    CHECK_OK(pawl_queue_create(
        &l.in, &(pawl_queue_options){.capacity = 8, .element_size = sizeof v}));
    items[0] = PAWL_WAIT_READABLE(l.in);
    items[1] = PAWL_WAIT_EVENT(&l.stop);
    for (int i = 0; i < 2; i++) {
        struct epoll_event e = {.events = EPOLLIN};

        fds[i] = pawl_wait_fd(&items[i]);
        CHECK_EQ(epoll_ctl(epoll, EPOLL_CTL_ADD, fds[i], &e), 0);
    }
    for (int i = 0; i < PRODUCERS; i++)
        producers[i] = test_thread(produce, &l);
    for (bool stopping = false; !stopping;) {
        struct epoll_event e;
        bool ready = false;

        stopping = pawl_event_is_set(&l.stop); /* before the last look */
        while (pawl_queue_try_get(l.in, &v) == 0)
            sum += v;
        for (int i = 0; i < 2; i++) {
            armed++;
            written += writes(fds[i]);
            ready = pawl_wait_arm(&items[i]) != 0 || ready;
        }
        if (!ready && !stopping)
            CHECK(epoll_wait(epoll, &e, 1, -1) == 1 || errno == EINTR);
    }
    for (int i = 0; i < PRODUCERS; i++)
        test_join(producers[i]);
    CHECK_EQ(sum, (int64_t)PRODUCERS * l.each * (l.each + 1) / 2);
    for (int i = 0; i < 2; i++)
        written += writes(fds[i]);
    CHECK(written <= armed);
    CHECK_OK(pawl_wait_close(&items[1]));
    pawl_queue_free(l.in);
    close(epoll);
}
