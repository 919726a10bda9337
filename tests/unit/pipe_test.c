/* SPDX-License-Identifier: MIT
 *
 * pipe_test.c - connections within one process: directions, messages, ends.
 */
#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <pawl/queue.h>

#include "limit.h"
#include "pipe_cases.h"
#include "process/pipe.h"
#include "process/pipe_lane.h"

/* Much longer than the ring. */
enum { MUCH = 1 << 20 };

/* ---- directions ---------------------------------------------------------------- */

TEST(pipe.both_ends_of_a_duplex_send_and_receive)
{
    struct ends e = ends_make(NULL); /* N-01 */

    send_text(e.a, "to b");
    send_text(e.b, "to a");
    expect_text(e.a, "to a");
    expect_text(e.b, "to b");
    CHECK(pawl_pipe_can_send(e.a) && pawl_pipe_can_recv(e.a));
    CHECK(pawl_pipe_can_send(e.b) && pawl_pipe_can_recv(e.b));
    ends_free(&e);
}

TEST(pipe.the_wrong_direction_is_refused)
{
    struct ends e = ends_make(
        &(pawl_pipe_options){.flags = PAWL_PIPE_ONE_WAY}); /* N-01, N-08 */
    pawl_wait_item item = PAWL_WAIT_PIPE(e.b);
    size_t n;

    CHECK(pawl_pipe_can_recv(e.a) && !pawl_pipe_can_send(e.a));
    CHECK(!pawl_pipe_can_recv(e.b) && pawl_pipe_can_send(e.b));
    CHECK_ERR(pawl_pipe_try_send(e.a, "x", 1), -EPERM);
    CHECK_ERR(try_recv(e.b), -EPERM);
    CHECK_ERR(pawl_pipe_try_poll(e.b), -EPERM);
    CHECK_ERR(pawl_pipe_try_size(e.b, &n), -EPERM);
    CHECK_ERR(pawl_wait_any(&item, 1, NULL), -EPERM);
    CHECK_ERR(pawl_wait_fd(&item), -EPERM);
    CHECK_ERR(pawl_wait_arm(&item), -EPERM);
    send_text(e.b, "forth");
    expect_text(e.a, "forth");
    ends_free(&e);
}

TEST(pipe.options_out_of_their_bounds_are_refused)
{
    pawl_pipe *ends[2] = {NULL, NULL};

    CHECK_ERR(pawl_pipe_create(ends, &(pawl_pipe_options){.flags = 4}),
              -EINVAL);
    CHECK_ERR(pawl_pipe_create(
                  ends, &(pawl_pipe_options){.capacity = (1u << 30) + 1}),
              -EINVAL);
    CHECK_ERR(pawl_pipe_create(ends, &(pawl_pipe_options){.threads = 4097}),
              -EINVAL);
    CHECK(ends[0] == NULL && ends[1] == NULL);
}

static int lowest_free(void)
{
    int fd = dup(0);

    CHECK(fd >= 0);
    close(fd);
    return fd;
}

/* N-01: each descriptor that is needed is refused; nothing is left behind. */
TEST(pipe.too_few_descriptors_are_reported)
{
    const pawl_pipe_options o = {.flags = PAWL_PIPE_FDS};
    struct ends e = ends_make(&o);
    pawl_pipe *ends[2] = {NULL, NULL};
    pawl_pipe *twin = NULL;

    for (int dups = 0; dups < 2; dups++) {
        int low = lowest_free();
        int refused = 0;
        int err;

        do {
            rlim_t before = limit_files((rlim_t)(low + refused));

            err = dups ? pawl_pipe_dup(&twin, e.a) : pawl_pipe_create(ends, &o);
            limit_files(before);
            if (err != 0) {
                CHECK_ERR(err, -EMFILE);
                CHECK(ends[0] == NULL || dups);
                CHECK(twin == NULL);
                CHECK_EQ(lowest_free(), low);
                refused++;
            }
        } while (err != 0);
        CHECK(refused >= PAWL_PIPE_DESCRIPTORS);
    }
    send_text(twin, "x");
    expect_text(e.b, "x");
    pawl_pipe_free(twin);
    pawl_pipe_free(ends[0]);
    pawl_pipe_free(ends[1]);
    ends_free(&e);
}

struct guest {
    pawl_pipe *p;
    pawl_event *used;
    pawl_event *go;
    int err;
};

static void use_and_stay(void *arg)
{
    struct guest *g = arg;

    g->err = pawl_pipe_try_poll(g->p);
    if (g->used != NULL) {
        pawl_event_set(g->used);
        CHECK_OK(pawl_event_wait(g->go));
    }
}

/* So many threads at one time as the options say; then others. */
TEST(pipe.more_threads_than_were_asked_for_are_refused)
{
    struct ends e = ends_make(&(pawl_pipe_options){.threads = 2});
    pawl_event used = PAWL_EVENT_INIT;
    pawl_event go = PAWL_EVENT_INIT;
    struct guest first = {.p = e.b, .used = &used, .go = &go};
    struct guest second = {.p = e.b};
    struct test_thread *t;

    CHECK_ERR(try_recv(e.a), -EAGAIN); /* there is one: this thread */
    send_text(e.a, "x");
    t = test_thread(use_and_stay, &first);
    CHECK_OK(pawl_event_wait(&used));
    CHECK_OK(first.err);
    test_join(test_thread(use_and_stay, &second));
    CHECK_ERR(second.err, -EAGAIN); /* though there is a message */
    pawl_event_set(&go);
    test_join(t);
    test_join(test_thread(use_and_stay, &second));
    CHECK_OK(second.err);
    expect_text(e.b, "x");
    ends_free(&e);
}

/* ---- messages -------------------------------------------------------------------- */

TEST(pipe.messages_keep_their_boundaries)
{
    struct ends e = ends_make(NULL); /* N-02 */

    send_text(e.a, "one");
    send_text(e.a, "");
    send_text(e.a, "three");
    expect_text(e.b, "one");
    expect_text(e.b, "");
    expect_text(e.b, "three");
    CHECK_ERR(try_recv(e.b), -EAGAIN);
    CHECK_OK(pawl_pipe_send(e.a, NULL, 0));
    CHECK_OK(pawl_pipe_recv(e.b, NULL, 0, NULL));
    ends_free(&e);
}

/* N-06: objects are structs, which say themselves which they are. */
TEST(pipe.a_struct_comes_as_it_was)
{
    struct {
        int kind;
        double value;
        char text[9];
    } sent = {.kind = 7, .value = 0.25, .text = "eight..."}, came = {0};
    struct ends e = ends_make(NULL);
    size_t n = 0;

    CHECK_OK(pawl_pipe_send(e.a, &sent, sizeof sent));
    CHECK_OK(pawl_pipe_recv(e.b, &came, sizeof came, &n));
    CHECK_EQ(n, sizeof came);
    CHECK_EQ(came.kind, 7);
    CHECK(came.value == 0.25 && strcmp(came.text, "eight...") == 0);
    CHECK_OK(pawl_pipe_send(e.a, &sent.kind, sizeof sent.kind));
    CHECK_OK(pawl_pipe_recv(e.b, &came, sizeof came, &n));
    CHECK_EQ(n, sizeof came.kind); /* that it is another one, is told */
    ends_free(&e);
}

TEST(pipe.messages_of_all_sizes_come_whole_around_the_ring)
{
    struct ends e = ends_make_small(0);

    for (size_t n = LETTER_HEAD; n < 4000; n += 37)
        for (uint64_t k = 0; k < 3; k++) {
            send_letter(e.a, n, n + k);
            CHECK_OK(recv_letter(e.b, n, n + k, 0));
        }
    ends_free(&e);
}

static void send_long_ones(void *arg)
{
    for (uint64_t i = 1; i <= 20; i++)
        send_letter(arg, i * 5003, i);
}

TEST(pipe.a_message_longer_than_the_ring_goes_through)
{
    struct ends e = ends_make_small(0); /* N-02, N-11 */
    struct test_thread *t = test_thread(send_long_ones, e.a);

    for (uint64_t i = 1; i <= 20; i++)
        CHECK_OK(recv_letter(e.b, i * 5003, i, PAWL_FOREVER));
    test_join(t);
    ends_free(&e);
}

/* N-04, N-05, P-23: it stays where it is, and its size is told. */
TEST(pipe.a_message_too_long_for_the_buffer_stays)
{
    struct ends e = ends_make(NULL);
    char got[4];
    size_t n = 0;

    send_text(e.a, "hello");
    send_text(e.a, "x");
    CHECK_ERR(pawl_pipe_try_recv(e.b, got, sizeof got, &n), -EMSGSIZE);
    CHECK_EQ(n, 5);
    CHECK_ERR(pawl_pipe_recv(e.b, got, sizeof got, NULL), -EMSGSIZE);
    n = 0;
    CHECK_OK(pawl_pipe_try_size(e.b, &n));
    CHECK_EQ(n, 5);
    expect_text(e.b, "hello");
    CHECK_OK(pawl_pipe_try_size(e.b, &n));
    CHECK_EQ(n, 1);
    expect_text(e.b, "x");
    CHECK_ERR(pawl_pipe_try_size(e.b, &n), -EAGAIN);
    CHECK_EQ(n, 1);
    ends_free(&e);
}

static void send_long_one(void *arg)
{
    send_letter(arg, 10000, 7);
}

TEST(pipe.a_long_message_too_long_for_the_buffer_stays)
{
    struct ends e = ends_make_small(0);
    struct test_thread *t = test_thread(send_long_one, e.a);
    char got[4];
    size_t n = 0;

    CHECK_ERR(pawl_pipe_recv(e.b, got, sizeof got, &n), -EMSGSIZE);
    CHECK_EQ(n, 10000);
    CHECK_OK(recv_letter(e.b, 10000, 7, PAWL_FOREVER));
    test_join(t);
    ends_free(&e);
}

/* ---- try, until ------------------------------------------------------------------ */

TEST(pipe.try_and_until_do_not_wait)
{
    struct ends e = ends_make_small(0); /* */
    char bytes[1000] = {0};
    int sent = 0;

    CHECK_ERR(try_recv(e.b), -EAGAIN);
    CHECK_ERR(pawl_pipe_recv_until(e.b, bytes, 1, NULL, 0), -ETIMEDOUT);
    CHECK_ERR(pawl_pipe_recv_until(e.b, bytes, 1, NULL, -5), -ETIMEDOUT);
    CHECK_ERR(pawl_pipe_recv_until(e.b, bytes, 1, NULL, pawl_after_us(100)),
              -ETIMEDOUT);
    while (pawl_pipe_try_send(e.a, bytes, sizeof bytes) == 0)
        sent++;
    CHECK_EQ(sent, 4); /* 4 times 1008, and 8 for the end */
    CHECK_ERR(pawl_pipe_try_send(e.a, bytes, sizeof bytes), -EAGAIN);
    CHECK_ERR(
        pawl_pipe_send_until(e.a, bytes, sizeof bytes, pawl_after_us(100)),
        -ETIMEDOUT);
    CHECK_ERR(pawl_pipe_try_send(e.a, bytes, 100), -EAGAIN);
    CHECK_OK(pawl_pipe_recv_until(e.b, bytes, sizeof bytes, NULL, 0));
    CHECK_OK(pawl_pipe_send_until(e.a, bytes, sizeof bytes, 0));
    ends_free(&e);
}

/* A try cannot send what would have to go through the ring; what fits, it sends
 * whole or not at all. */
TEST(pipe.try_send_is_whole_or_nothing)
{
    struct ends e = ends_make_small(0);
    unsigned char bytes[8000];

    CHECK_ERR(pawl_pipe_try_send(e.a, bytes, 5000), -EMSGSIZE);
    CHECK_ERR(pawl_pipe_send_until(e.a, bytes, 5000, 0), -EMSGSIZE);
    send_text(e.a, "some");
    letter_write(bytes, 4040, 0, 1);
    CHECK_ERR(pawl_pipe_try_send(e.a, bytes, 4040), -EAGAIN);
    expect_text(e.b, "some");
    CHECK_ERR(try_recv(e.b), -EAGAIN);
    CHECK_OK(pawl_pipe_try_send(e.a, bytes, 4040));
    CHECK_OK(recv_letter(e.b, 4040, 1, 0));
    ends_free(&e);
}

/* what was not sent by the deadline is not received, though parts of it were
 * in the ring. */
TEST(pipe.what_is_not_sent_in_time_is_not_received)
{
    struct ends e = ends_make_small(0);
    unsigned char *bytes = calloc(1, 20000);

    CHECK_ERR(pawl_pipe_send_until(e.a, bytes, 20000, pawl_after_ms(1)),
              -ETIMEDOUT);
    CHECK_ERR(pawl_pipe_try_send(e.a, bytes, 3000), -EAGAIN);
    /* The rest of the ring is free again, when somebody has looked. */
    CHECK_ERR(pawl_pipe_try_recv(e.b, bytes, 20000, NULL), -EAGAIN);
    send_text(e.a, "next");
    expect_text(e.b, "next");
    CHECK_ERR(pawl_pipe_send_until(e.a, bytes, 20000, pawl_after_ms(1)),
              -ETIMEDOUT);
    CHECK_ERR(pawl_pipe_try_poll(e.b), 0); /* something is there */
    CHECK_ERR(try_recv(e.b), -EMSGSIZE);
    free(bytes);
    ends_free(&e);
}

struct slow_send {
    pawl_pipe *p;
    size_t n;
    uint64_t number;
    pawl_deadline until;
    int err;
};

static void send_slowly(void *arg)
{
    struct slow_send *s = arg;
    unsigned char *letter = malloc(s->n);

    letter_write(letter, s->n, 0, s->number);
    s->err = pawl_pipe_send_until(s->p, letter, s->n, s->until);
    free(letter);
}

/* Start the sender of a long message, and keep a part of it with `to`: by a try
 * that has begun with it.  With a sender that is always faster, such a try takes the
 * whole, however long it is; then the next message has its turn. */
static struct test_thread *keep_part(pawl_pipe *to, struct slow_send *s)
{
    for (;;) {
        struct test_thread *t = test_thread(send_slowly, s);
        int err;

        CHECK_OK(pawl_pipe_poll(to));
        err = recv_letter(to, s->n, s->number, 0);
        if (err == -ETIMEDOUT)
            return t;
        CHECK_OK(err);
        test_join(t);
    }
}

/* N-04: a receive that gives up keeps what has come, and goes on with it. */
TEST(pipe.a_long_message_can_be_received_by_tries)
{
    struct ends e = ends_make_small(0);
    struct slow_send s = {e.a, MUCH, 3, PAWL_FOREVER, 1};
    struct test_thread *t = keep_part(e.b, &s);
    int err;

    while ((err = recv_letter(e.b, MUCH, 3, 0)) == -ETIMEDOUT)
        CHECK_OK(pawl_pipe_poll(e.b));
    CHECK_OK(err);
    test_join(t);
    CHECK_OK(s.err);
    send_text(e.a, "next");
    expect_text(e.b, "next");
    ends_free(&e);
}

/* What a sender takes back is taken from what was kept. */
TEST(pipe.a_kept_part_is_dropped_when_the_sender_gives_up)
{
    struct ends e = ends_make_small(0);
    struct slow_send s = {e.a, MUCH, 3, PAWL_FOREVER, 1};
    struct test_thread *t = keep_part(e.b, &s);
    pawl_pipe *twin;

    CHECK_OK(pawl_pipe_dup(&twin, e.a));
    CHECK_OK(pawl_pipe_close(e.a)); /* as a deadline would, but not too early */
    test_join(t);
    CHECK_ERR(s.err, -EBADF);
    CHECK_ERR(recv_letter(e.b, MUCH, 3, 0), -ETIMEDOUT);
    send_text(twin, "next");
    expect_text(e.b, "next");
    pawl_pipe_free(twin);
    ends_free(&e);
}

static void expect_next(void *arg)
{
    char got[10];
    size_t n;

    CHECK_OK(pawl_pipe_recv(arg, got, sizeof got, &n));
    CHECK(n == 4 && memcmp(got, "next", 4) == 0);
}

/* Another handle of the same end waits for who has begun. */
TEST(pipe.a_part_that_another_handle_keeps_is_waited_for)
{
    struct ends e = ends_make_small(0);
    struct slow_send s = {e.a, MUCH, 3, PAWL_FOREVER, 1};
    struct test_thread *t = keep_part(e.b, &s);
    struct test_thread *other;
    pawl_pipe *twin;
    int err;

    CHECK_OK(pawl_pipe_dup(&twin, e.b));
    other = test_thread(expect_next, twin);
    test_until_asleep(test_tid(other));
    while ((err = recv_letter(e.b, MUCH, 3, 0)) == -ETIMEDOUT)
        CHECK_OK(pawl_pipe_poll(e.b));
    CHECK_OK(err);
    test_join(t);
    send_text(e.a, "next");
    test_join(other);
    pawl_pipe_free(twin);
    ends_free(&e);
}

/* If that handle is closed, the message is lost, and no other. */
TEST(pipe.a_part_that_was_kept_goes_with_its_handle)
{
    struct ends e = ends_make_small(0);
    struct slow_send s = {e.a, MUCH, 3, PAWL_FOREVER, 1};
    struct test_thread *t = keep_part(e.b, &s);
    struct test_thread *other;
    pawl_pipe *twin;

    CHECK_OK(pawl_pipe_dup(&twin, e.b));
    CHECK_OK(pawl_pipe_close(e.b));
    other = test_thread(expect_next, twin);
    test_join(t);
    CHECK_OK(s.err);
    send_text(e.a, "next");
    test_join(other);
    pawl_pipe_free(twin);
    ends_free(&e);
}

/* ---- poll -------------------------------------------------------------------------- */

TEST(pipe.poll_tells_of_messages_and_of_the_end)
{
    struct ends e = ends_make(NULL); /* N-07 */

    CHECK_ERR(pawl_pipe_try_poll(e.b), -EAGAIN);
    CHECK_ERR(pawl_pipe_poll_until(e.b, -1), -ETIMEDOUT);
    CHECK_ERR(pawl_pipe_poll_until(e.b, pawl_after_us(50)), -ETIMEDOUT);
    send_text(e.a, "m");
    CHECK_OK(pawl_pipe_try_poll(e.b));
    CHECK_OK(pawl_pipe_poll(e.b));
    expect_text(e.b, "m");
    CHECK_ERR(pawl_pipe_try_poll(e.b), -EAGAIN);
    CHECK_OK(pawl_pipe_close(e.a));
    CHECK_OK(pawl_pipe_try_poll(e.b));
    CHECK_OK(pawl_pipe_poll(e.b));
    CHECK_ERR(try_recv(e.b), -ESHUTDOWN);
    ends_free(&e);
}

/* ---- the end ------------------------------------------------------------------------ */

TEST(pipe.what_was_sent_comes_before_the_end)
{
    struct ends e = ends_make(NULL); /* N-04, N-12 */

    send_text(e.a, "last");
    CHECK_OK(pawl_pipe_close(e.a));
    CHECK_ERR(pawl_pipe_try_send(e.b, "x", 1), -EPIPE); /* and no SIGPIPE */
    CHECK_ERR(pawl_pipe_send(e.b, "x", 1), -EPIPE);
    expect_text(e.b, "last");
    CHECK_ERR(try_recv(e.b), -ESHUTDOWN);
    CHECK_ERR(try_recv(e.b), -ESHUTDOWN);
    ends_free(&e);
}

TEST(pipe.close_is_idempotent_and_ends_all_calls)
{
    struct ends e = ends_make(NULL); /* N-08, N-09 */
    pawl_wait_item item = PAWL_WAIT_PIPE(e.a);
    pawl_pipe *copy = NULL;
    size_t n;

    CHECK(!pawl_pipe_is_closed(e.a));
    CHECK_OK(pawl_pipe_close(e.a));
    CHECK_OK(pawl_pipe_close(e.a));
    CHECK(pawl_pipe_is_closed(e.a));
    CHECK_ERR(pawl_pipe_try_send(e.a, "x", 1), -EBADF);
    CHECK_ERR(try_recv(e.a), -EBADF);
    CHECK_ERR(pawl_pipe_try_poll(e.a), -EBADF);
    CHECK_ERR(pawl_pipe_try_size(e.a, &n), -EBADF);
    CHECK_ERR(pawl_pipe_dup(&copy, e.a), -EBADF);
    CHECK_ERR(pawl_wait_fd(&item), -EBADF);
    CHECK_ERR(pawl_wait_arm(&item), -EBADF);
    CHECK_ERR(pawl_wait_any(&item, 1, NULL), -EBADF);
    CHECK(copy == NULL);
    ends_free(&e);
    pawl_pipe_free(NULL);
}

struct blocked {
    pawl_pipe *p;
    int err;
};

static void receive_for_ever(void *arg)
{
    struct blocked *b = arg;

    b->err = pawl_pipe_recv(b->p, NULL, 0, NULL);
}

static void send_for_ever(void *arg)
{
    struct blocked *b = arg;
    char bytes[900] = {0};

    do
        b->err = pawl_pipe_send(b->p, bytes, sizeof bytes);
    while (b->err == 0);
}

static struct test_thread *asleep(test_fn fn, struct blocked *b)
{
    struct test_thread *t = test_thread(fn, b);

    test_until_asleep(test_tid(t));
    return t;
}

/* N-09: receivers, a sender that waits for room, one that waits for its turn. */
TEST(pipe.close_wakes_all_who_wait_on_that_handle)
{
    struct ends e = ends_make_small(0);
    struct blocked b[4] = {{e.a, 1}, {e.a, 1}, {e.a, 1}, {e.a, 1}};
    struct test_thread *t[4];

    for (int i = 0; i < 4; i++)
        t[i] = asleep(i < 2 ? receive_for_ever : send_for_ever, &b[i]);
    CHECK_OK(pawl_pipe_close(e.a));
    for (int i = 0; i < 4; i++) {
        test_join(t[i]);
        CHECK_ERR(b[i].err, -EBADF);
    }
    ends_free(&e);
}

TEST(pipe.close_wakes_who_waits_at_the_other_end)
{
    struct ends e = ends_make_small(0); /* N-12 */
    struct blocked b[3] = {{e.a, 1}, {e.a, 1}, {e.a, 1}};
    struct test_thread *t[3];

    for (int i = 0; i < 3; i++)
        t[i] = asleep(i < 1 ? receive_for_ever : send_for_ever, &b[i]);
    CHECK_OK(pawl_pipe_close(e.b));
    for (int i = 0; i < 3; i++) {
        test_join(t[i]);
        CHECK_ERR(b[i].err, i < 1 ? -ESHUTDOWN : -EPIPE);
    }
    ends_free(&e);
}

/* The sender is closed in the middle of a message: nothing of it is received. */
TEST(pipe.a_message_that_close_interrupts_is_not_received)
{
    struct ends e = ends_make_small(0);
    pawl_pipe *twin;
    struct slow_send s = {e.a, MUCH, 3, PAWL_FOREVER, 1};
    struct test_thread *t = test_thread(send_slowly, &s);

    CHECK_OK(pawl_pipe_dup(&twin, e.a));
    CHECK_OK(pawl_pipe_poll(e.b));
    CHECK_OK(pawl_pipe_close(e.a));
    test_join(t);
    CHECK_ERR(s.err, -EBADF);
    CHECK_ERR(recv_letter(e.b, MUCH, 3, 0), -ETIMEDOUT);
    send_text(twin, "next");
    expect_text(e.b, "next");
    pawl_pipe_free(twin);
    CHECK_ERR(try_recv(e.b), -ESHUTDOWN);
    ends_free(&e);
}

TEST(pipe.an_end_is_closed_with_its_last_handle)
{
    struct ends e = ends_make(NULL); /* N-10 */
    pawl_pipe *twin;

    CHECK_OK(pawl_pipe_dup(&twin, e.a));
    CHECK_OK(pawl_pipe_close(e.a));
    CHECK_ERR(try_recv(e.b), -EAGAIN);
    send_text(twin, "from the other");
    expect_text(e.b, "from the other");
    send_text(e.b, "back");
    expect_text(twin, "back");
    pawl_pipe_free(twin);
    CHECK_ERR(try_recv(e.b), -ESHUTDOWN);
    CHECK_ERR(pawl_pipe_try_send(e.b, "x", 1), -EPIPE);
    ends_free(&e);
}

static void touch_and_end(void *arg)
{
    struct ends *e = arg;

    send_text(e->a, "t");
    expect_text(e->b, "t");
}

/* The threads that used an end have ended, the process has not: it is open. */
TEST(pipe.the_end_of_a_thread_is_not_the_end)
{
    struct ends e = ends_make(NULL);

    test_join(test_thread(touch_and_end, &e));
    CHECK_ERR(try_recv(e.b), -EAGAIN);
    CHECK_ERR(try_recv(e.a), -EAGAIN);
    send_text(e.b, "x");
    expect_text(e.a, "x");
    ends_free(&e);
}

TEST(pipe.a_guard_closes)
{
    struct ends e = ends_make(NULL); /* N-14, R-16 */

    {
        PAWL_PIPE_GUARD(end, e.a);
        send_text(end, "x");
    }
    CHECK(pawl_pipe_is_closed(e.a));
    ends_free(&e);
}

/* ---- descriptors ----------------------------------------------------------------------- */

static bool same_file(int a, int b)
{
    struct stat x;
    struct stat y;

    return fstat(a, &x) == 0 && fstat(b, &y) == 0 && x.st_ino == y.st_ino &&
           x.st_dev == y.st_dev;
}

TEST(pipe.descriptors_come_with_their_message)
{
    struct ends e = ends_make(
        &(pawl_pipe_options){.flags = PAWL_PIPE_FDS}); /* P-29, N-03 */
    int p[2];
    int got[3] = {-1, -1, -1};
    char text[10];
    size_t n = 3;
    size_t size;

    CHECK(pipe(p) == 0);
    send_text(e.a, "first");
    CHECK_OK(pawl_pipe_send_fds_until(e.a, "two", 3, p, 2, 0));
    CHECK_OK(pawl_pipe_recv_fds_until(e.b, text, 10, &size, got, &n, 0));
    CHECK_EQ(n, 0);
    CHECK_EQ(size, 5);
    n = 1;
    CHECK_ERR(pawl_pipe_recv_fds_until(e.b, text, 10, &size, got, &n, 0),
              -EMSGSIZE);
    CHECK_EQ(n, 2);
    n = 3;
    CHECK_OK(pawl_pipe_recv_fds_until(e.b, text, 10, &size, got, &n, 0));
    CHECK_EQ(n, 2);
    CHECK_EQ(size, 3);
    CHECK(got[0] != p[0] && same_file(got[0], p[0]) && same_file(got[1], p[1]));
    CHECK_EQ(fcntl(got[0], F_GETFD), FD_CLOEXEC); /* P-27 */
    close(got[0]);
    close(got[1]);
    close(p[0]);
    close(p[1]);
    ends_free(&e);
}

/* P-29: if the process may have no more, fewer come, and the rest are closed. */
TEST(pipe.fewer_descriptors_come_where_no_more_may_be)
{
    struct ends e = ends_make(&(pawl_pipe_options){.flags = PAWL_PIPE_FDS});
    int got[3] = {-1, -1, -1};
    size_t n = 3;
    rlim_t before;
    char byte;
    int p[2];

    CHECK(pipe(p) == 0);
    CHECK_OK(
        pawl_pipe_send_fds_until(e.a, "w", 1, (int[]){p[1], p[1], p[1]}, 3, 0));
    before = limit_files((rlim_t)lowest_free() + 1);
    CHECK_OK(pawl_pipe_recv_fds_until(e.b, &byte, 1, NULL, got, &n, 0));
    limit_files(before);
    CHECK_EQ(n, 1);
    CHECK(same_file(got[0], p[1]));
    close(p[1]);
    close(got[0]);
    CHECK_EQ(read(p[0], &byte, 1), 0);
    close(p[0]);
    ends_free(&e);
}

static void send_too_many(void *unused)
{
    struct ends e = ends_make(
        &(pawl_pipe_options){.capacity = 1 << 20, .flags = PAWL_PIPE_FDS});
    int fds[8] = {0};
    int sent = 0;
    int came = 0;
    int err;

    (void)unused;
    if (getuid() == 0 && setresuid(65534, 65534, 65534) != 0)
        TEST_SKIP("root has no limit");
    limit_files((rlim_t)lowest_free() + 8);
    while ((err = pawl_pipe_send_fds_until(e.a, "f", 1, fds, 8, 0)) == 0)
        sent++;
    CHECK_ERR(err, -ETOOMANYREFS);
    send_text(e.a, "p");
    while (try_recv(e.b) == 0)
        came++;
    CHECK_EQ(came, sent + 1); /* it was not sent in parts either */
    CHECK_OK(pawl_pipe_send_fds_until(e.a, "f", 1, fds, 1, 0));
    expect_text(e.b, "f");
    ends_free(&e);
}

/* P-29: what the kernel refuses to carry is told, and not sent. */
TEST(pipe.too_many_descriptors_under_way_are_refused)
{
    test_wait_child(test_spawn_child(send_too_many, NULL));
}

TEST(pipe.descriptors_nobody_asks_for_are_closed)
{
    struct ends e =
        ends_make(&(pawl_pipe_options){.flags = PAWL_PIPE_FDS}); /* P-29 */
    int p[2];
    char byte;

    CHECK(pipe(p) == 0);
    CHECK_OK(pawl_pipe_send_fds_until(e.a, "w", 1, &p[1], 1, 0));
    close(p[1]);
    expect_text(e.b, "w");
    CHECK_EQ(read(p[0], &byte, 1), 0); /* nobody has the other end */
    close(p[0]);
    ends_free(&e);
}

/* P-29: what is not sent is not kept either: neither for a receiver, nor open, nor in
 * the way of what is sent later. */
TEST(pipe.descriptors_that_are_not_sent_are_not_kept)
{
    struct ends e = ends_make_small(PAWL_PIPE_FDS);
    char bytes[1000] = {0};
    char byte;
    int got = -1;
    size_t n = 1;
    int p[2];

    CHECK(pipe2(p, O_NONBLOCK) == 0);
    for (size_t room = sizeof bytes; room > 0; room /= 10)
        while (pawl_pipe_try_send(e.a, bytes, room) == 0)
            ;
    for (int i = 0; i < 1000; i++)
        CHECK_ERR(pawl_pipe_send_fds_until(e.a, "late", 4, &p[1], 1, 0),
                  -ETIMEDOUT);
    close(p[1]);
    CHECK_EQ(read(p[0], &byte, 1), 0); /* nobody has the other end */
    while (pawl_pipe_try_recv(e.b, bytes, sizeof bytes, NULL) == 0)
        ;
    CHECK_OK(pawl_pipe_send_fds_until(e.a, "fd", 2, p, 1, pawl_after_s(10)));
    CHECK_OK(pawl_pipe_recv_fds_until(e.b, bytes, 10, NULL, &got, &n, 0));
    CHECK_EQ(n, 1);
    CHECK(same_file(got, p[0]));
    close(got);
    close(p[0]);
    ends_free(&e);
}

TEST(pipe.descriptors_need_a_connection_that_takes_them)
{
    struct ends plain = ends_make(NULL); /* P-29 */
    struct ends e = ends_make(&(pawl_pipe_options){.flags = PAWL_PIPE_FDS});
    char bytes[PAWL_PIPE_FDS_BYTES_MAX + 1] = {0};
    int fds[PAWL_PIPE_FDS_MAX + 1] = {0};
    int bad = 12345;
    size_t n = 1;

    CHECK_ERR(pawl_pipe_send_fds_until(plain.a, "x", 1, fds, 1, 0),
              -EOPNOTSUPP);
    CHECK_ERR(pawl_pipe_recv_fds_until(plain.a, bytes, 1, NULL, fds, &n, 0),
              -EOPNOTSUPP);
    CHECK_ERR(pawl_pipe_send_fds_until(e.a, bytes, sizeof bytes, fds, 1, 0),
              -EMSGSIZE);
    CHECK_ERR(
        pawl_pipe_send_fds_until(e.a, "x", 1, fds, PAWL_PIPE_FDS_MAX + 1, 0),
        -EMSGSIZE);
    CHECK_ERR(pawl_pipe_send_fds_until(e.a, "x", 1, &bad, 1, 0), -EBADF);
    CHECK_ERR(try_recv(e.b), -EAGAIN);
    ends_free(&plain);
    ends_free(&e);
}

/* ---- an end from garbage ------------------------------------------------------------------ */

static int import(int memory, int link, uint32_t side)
{
    struct pawl_pipe_ticket ticket = {side, 2};
    int fds[PAWL_PIPE_DESCRIPTORS] = {dup(memory), dup(link), -1};
    pawl_pipe *p = NULL;
    int err = pawl_pipe_import(&p, &ticket, fds);

    pawl_pipe_free(p);
    return err;
}

TEST(pipe.garbage_is_no_end)
{
    struct ends e = ends_make(NULL);
    struct pawl_pipe_ticket ticket;
    int fds[PAWL_PIPE_DESCRIPTORS];
    int p[2];

    CHECK(pipe(p) == 0);
    CHECK_OK(pawl_pipe_export(e.a, &ticket, fds));
    CHECK_EQ(ticket.n_fds, 2);
    CHECK_OK(import(fds[0], fds[1], 0));
    CHECK_ERR(import(p[0], fds[1], 0), -EINVAL);
    CHECK_ERR(import(fds[1], fds[1], 0), -EINVAL);
    CHECK_ERR(import(fds[0], p[0], 0), -EINVAL);
    CHECK_ERR(import(fds[0], fds[1], 2), -EINVAL);
    CHECK_ERR(import(-1, fds[1], 0), -EBADF);
    CHECK_ERR(import(fds[0], -1, 0), -EBADF);
    send_text(e.a, "still here");
    expect_text(e.b, "still here");
    close(p[0]);
    close(p[1]);
    ends_free(&e);
}

/* ---- among others ----------------------------------------------------------------------------- */

static bool is_readable(int fd)
{
    struct pollfd p = {.fd = fd, .events = POLLIN};

    return poll(&p, 1, 0) == 1;
}

TEST(pipe.its_descriptor_tells_of_messages_and_of_the_end)
{
    struct ends e = ends_make(NULL); /* N-08, W-14 */
    pawl_wait_item item = PAWL_WAIT_PIPE(e.b);
    int fd = pawl_wait_fd(&item);

    CHECK(fd >= 0 && pawl_wait_fd(&item) == fd);
    CHECK_OK(pawl_wait_arm(&item));
    CHECK(!is_readable(fd));
    send_text(e.a, "1");
    CHECK(is_readable(fd));
    send_text(e.a, "2");
    CHECK_ERR(pawl_wait_arm(&item), -EALREADY);
    expect_text(e.b, "1");
    expect_text(e.b, "2");
    CHECK_OK(pawl_wait_arm(&item));
    CHECK(!is_readable(fd));
    CHECK_OK(pawl_wait_arm(&item));
    CHECK(!is_readable(fd));
    send_text(e.a, "3");
    CHECK(is_readable(fd));
    expect_text(e.b, "3");
    CHECK_OK(pawl_wait_arm(&item));
    CHECK_OK(pawl_pipe_close(e.a));
    CHECK(is_readable(fd));
    CHECK_ERR(pawl_wait_arm(&item), -EALREADY);
    CHECK_ERR(pawl_wait_close(&item), -EINVAL);
    ends_free(&e);
}

enum { SOURCES = 3, ROUNDS = 300 };

static void send_to_any(void *arg)
{
    struct ends *e = arg;
    uint64_t random = test_seed(3);

    for (int i = 0; i < SOURCES * ROUNDS; i++) {
        CHECK_OK(pawl_pipe_send(e[i % SOURCES].a, "x", 1));
        if (test_rand_below(&random, 8) == 0)
            sched_yield();
    }
    for (int i = 0; i < SOURCES; i++)
        CHECK_OK(pawl_pipe_close(e[i].a));
}

/* Receive what is there, and get ready to poll again: whether it is the end. */
static bool empty_and_arm(pawl_pipe *p, int *came)
{
    pawl_wait_item item = PAWL_WAIT_PIPE(p);
    int err;

    do {
        while ((err = try_recv(p)) == 0)
            ++*came;
        if (err == -ESHUTDOWN)
            return true;
        CHECK_ERR(err, -EAGAIN);
        err = pawl_wait_arm(&item);
    } while (err == -EALREADY);
    CHECK_OK(err);
    return false;
}

/* N-08, P-12: many in one epoll, of either kind; nothing is missed, nor the end. */
TEST(pipe.epoll_tells_of_each_of_many)
{
    for (int edge = 0; edge < 2; edge++) {
        int epoll = epoll_create1(EPOLL_CLOEXEC);
        struct ends e[SOURCES];
        struct test_thread *t;
        int came = 0;
        int open = SOURCES;

        CHECK(epoll >= 0);
        for (uint32_t i = 0; i < SOURCES; i++) {
            pawl_wait_item item;
            struct epoll_event event = {
                .events = edge ? EPOLLIN | EPOLLET : EPOLLIN, .data.u32 = i};

            e[i] = ends_make(NULL);
            item = PAWL_WAIT_PIPE(e[i].b);
            CHECK_EQ(
                epoll_ctl(epoll, EPOLL_CTL_ADD, pawl_wait_fd(&item), &event),
                0);
            CHECK(!empty_and_arm(e[i].b, &came));
        }
        t = test_thread(send_to_any, e);
        while (open > 0) {
            struct epoll_event told[SOURCES];
            int n = epoll_wait(epoll, told, SOURCES, -1);

            for (int i = 0; i < n; i++) {
                pawl_pipe *p = e[told[i].data.u32].b;

                if (empty_and_arm(p, &came)) {
                    open--;
                    CHECK_OK(pawl_pipe_close(p)); /* and epoll forgets it */
                }
            }
        }
        CHECK_EQ(came, SOURCES * ROUNDS);
        test_join(t);
        for (int i = 0; i < SOURCES; i++)
            ends_free(&e[i]);
        close(epoll);
    }
}

TEST(pipe.only_those_who_armed_are_rung)
{
    struct ends e = ends_make(NULL);
    pawl_wait_item item = PAWL_WAIT_PIPE(e.b);
    int fd = pawl_wait_fd(&item);
    char bells[10];

    CHECK_OK(pawl_wait_arm(&item));
    for (int i = 0; i < 5; i++)
        send_text(e.a, "x");
    CHECK_EQ(recv(fd, bells, sizeof bells, MSG_DONTWAIT), 1);
    ends_free(&e);
}

static void set_event(void *arg)
{
    pawl_event_set(arg);
}

static void send_x(void *arg)
{
    CHECK_OK(pawl_pipe_send(arg, "x", 1));
}

static void close_it(void *arg)
{
    CHECK_OK(pawl_pipe_close(arg));
}

static void write_byte(void *arg)
{
    CHECK_EQ(write(*(int *)arg, "x", 1), 1);
}

/* N-13: each of the sources wakes a wait for all of them. */
TEST(pipe.a_wait_for_different_things_is_woken_by_each)
{
    struct ends e = ends_make(NULL);
    pawl_event event = PAWL_EVENT_INIT;
    int p[2];
    size_t which = 9;

    CHECK(pipe(p) == 0);
    for (int round = 0; round < 10; round++) {
        pawl_wait_item items[] = {PAWL_WAIT_PIPE(e.b), PAWL_WAIT_EVENT(&event),
                                  PAWL_WAIT_FD(p[0], POLLIN)};
        struct {
            test_fn fn;
            void *arg;
        } sources[] = {{send_x, e.a}, {set_event, &event}, {write_byte, &p[1]}};
        char byte;

        CHECK_ERR(pawl_wait_try_any(items, 3, &which), -EAGAIN);
        CHECK_ERR(pawl_wait_any_until(items, 3, pawl_after_ms(1), &which),
                  -ETIMEDOUT);
        for (size_t i = 0; i < 3; i++) {
            struct test_thread *t = test_thread(sources[i].fn, sources[i].arg);

            CHECK_OK(pawl_wait_any(items, 3, &which));
            CHECK_EQ(which, i);
            test_join(t);
            if (i == 0)
                CHECK_OK(try_recv(e.b));
            else if (i == 1)
                pawl_event_clear(&event);
            else
                CHECK_EQ(read(p[0], &byte, 1), 1);
        }
    }
    ends_free(&e);
}

TEST(pipe.a_wait_for_several_ends_when_one_is_closed)
{
    struct ends e = ends_make(NULL); /* N-09 */
    pawl_event event = PAWL_EVENT_INIT;
    pawl_wait_item items[] = {PAWL_WAIT_EVENT(&event), PAWL_WAIT_PIPE(e.b)};
    size_t which = 9;
    struct test_thread *t = test_thread(close_it, e.b);

    CHECK_ERR(pawl_wait_any(items, 2, &which), -EBADF);
    CHECK_EQ(which, 1);
    test_join(t);
    ends_free(&e);

    e = ends_make(NULL);
    items[1] = PAWL_WAIT_PIPE(e.b);
    t = test_thread(close_it, e.a);
    CHECK_OK(pawl_wait_any(items, 2, &which));
    CHECK_EQ(which, 1);
    CHECK_ERR(try_recv(e.b), -ESHUTDOWN);
    test_join(t);
    ends_free(&e);
}

TEST(pipe.a_descriptor_that_is_none_ends_the_wait)
{
    pawl_wait_item item = PAWL_WAIT_FD(12345, POLLIN);

    CHECK_ERR(pawl_wait_any(&item, 1, NULL), -EBADF);
}

TEST(pipe.all_of_several_are_waited_for)
{
    struct ends e = ends_make(NULL); /* N-13 */
    struct ends f = ends_make(NULL);
    pawl_wait_item items[] = {PAWL_WAIT_PIPE(e.b), PAWL_WAIT_PIPE(f.b)};
    struct test_thread *t = test_thread(send_x, e.a);

    CHECK_ERR(pawl_wait_all_until(items, 2, pawl_after_ms(1)), -ETIMEDOUT);
    test_join(t);
    t = test_thread(send_x, f.a);
    CHECK_OK(pawl_wait_all(items, 2));
    test_join(t);
    ends_free(&e);
    ends_free(&f);
}

/* ---- manners -------------------------------------------------------------------------------------- */

TEST(pipe.errno_is_left_alone)
{
    struct ends e = ends_make(&(pawl_pipe_options){.flags = PAWL_PIPE_FDS});
    pawl_wait_item item = PAWL_WAIT_PIPE(e.b);

    errno = 77;
    CHECK_ERR(try_recv(e.b), -EAGAIN);
    CHECK_OK(pawl_wait_arm(&item));
    send_text(e.a, "x");
    expect_text(e.b, "x");
    CHECK_ERR(pawl_pipe_send_fds_until(e.a, "x", 1, (int[]){12345}, 1, 0),
              -EBADF);
    CHECK_OK(pawl_pipe_close(e.a));
    CHECK_ERR(try_recv(e.b), -ESHUTDOWN);
    CHECK_EQ(errno, 77);
    ends_free(&e);
}

/* R-14, D-17: an end leaves nothing behind. */
TEST(pipe.no_descriptor_is_left)
{
    struct ends e = ends_make(NULL);
    int before = dup(0);
    int after;

    ends_free(&e);
    for (int i = 0; i < 20; i++) {
        e = ends_make(&(pawl_pipe_options){.flags = PAWL_PIPE_FDS});
        send_text(e.a, "x");
        ends_free(&e);
    }
    after = dup(0);
    CHECK(after <= before);
    close(before);
    close(after);
}
