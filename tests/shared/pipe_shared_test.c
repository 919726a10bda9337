/* SPDX-License-Identifier: MIT
 *
 * pipe_shared_test.c - connections between processes: handed on, closed, and what
 * becomes of them when somebody is killed.
 */
#include <sys/stat.h>

#include "crowd.h"
#include "pipe_cases.h"
#include "process_cases.h"

enum { MUCH = 100 * 1024 };

/* ---- entries ------------------------------------------------------------------ */

/* Send back what comes, until the end. */
static int echo(pawl_pipe *p)
{
    static unsigned char bytes[MUCH];
    size_t n;
    int err;

    while ((err = pawl_pipe_recv(p, bytes, sizeof bytes, &n)) == 0)
        if (pawl_pipe_send(p, bytes, n) != 0)
            return 2;
    return err == -ESHUTDOWN ? 0 : 3;
}

static int entry_echo(const pawl_process_call *call)
{
    return call->n_pipes == 1 ? echo(call->pipes[0]) : 4;
}

/* Send without end, messages of the size in the blob. */
static int entry_flood(const pawl_process_call *call)
{
    size_t n;
    unsigned char *bytes;

    memcpy(&n, call->blob, sizeof n);
    bytes = calloc(1, n);
    while (pawl_pipe_send(call->pipes[0], bytes, n) == 0)
        ;
    return 1;
}

/* Receive a part of a message, or all of it if it comes so fast; say so, and stay. */
static int entry_part(const pawl_process_call *call)
{
    static unsigned char bytes[MUCH];
    int err;

    if (pawl_pipe_poll(call->pipes[0]) != 0)
        return 1;
    err = pawl_pipe_try_recv(call->pipes[0], bytes, sizeof bytes, NULL);
    if (pawl_pipe_send(call->pipes[1], &err, sizeof err) != 0)
        return 2;
    return pawl_pipe_recv(call->pipes[1], bytes, 1, NULL);
}

/* Send a descriptor of something that can be told. */
static int entry_send_fd(const pawl_process_call *call)
{
    return -pawl_pipe_send_fds_until(call->pipes[0], "fd", 2, call->fds, 1,
                                     PAWL_FOREVER);
}

void test_main_begins(int argc, char **argv)
{
    pawl_process_register("echo", entry_echo);
    pawl_process_register("flood", entry_flood);
    pawl_process_register("part", entry_part);
    pawl_process_register("send_fd", entry_send_fd);
    pawl_process_register("stay", entry_stay);
    pawl_process_main(argc, argv);
}

static pawl_process *started_with(const char *entry, const void *blob,
                                  size_t size, pawl_pipe *const *pipes,
                                  size_t n_pipes, const int *fds, size_t n_fds,
                                  enum pawl_start_method method)
{
    pawl_process *p = NULL;

    CHECK_OK(
        pawl_process_create_entry(&p, entry, blob, size,
                                  &(pawl_process_options){.method = method,
                                                          .fds = fds,
                                                          .n_fds = n_fds,
                                                          .pipes = pipes,
                                                          .n_pipes = n_pipes}));
    CHECK_OK(pawl_process_start(p));
    return p;
}

static void expect_end(pawl_process *p, int code)
{
    CHECK_EQ(joined(p), code);
    pawl_process_free(p);
}

/* ---- handed on ------------------------------------------------------------------- */

/* N-01, N-02, N-10: the child's end is the child's alone; it sees the end though
 * the parent made both. */
TEST(pipe_shared.a_dialogue_by_every_start_method)
{
    FOR_EACH_METHOD(method)
    {
        struct ends e = ends_make(NULL);
        pawl_process *p =
            started_with("echo", NULL, 0, &e.b, 1, NULL, 0, method);

        CHECK(pawl_pipe_is_closed(e.b));
        CHECK_ERR(try_recv(e.b), -EBADF);
        CHECK_OK(pawl_pipe_send(e.a, NULL, 0));
        CHECK_OK(pawl_pipe_recv(e.a, NULL, 0, NULL));
        for (size_t n = LETTER_HEAD; n <= MUCH; n = n * 2 + 9) {
            send_letter(e.a, n, n);
            CHECK_OK(recv_letter(e.a, n, n, PAWL_FOREVER));
        }
        CHECK_OK(pawl_pipe_close(e.a));
        expect_end(p, 0);
        ends_free(&e);
    }
}

static int echo_there(void *end)
{
    return echo(end);
}

TEST(pipe_shared.a_forked_function_finds_its_end_where_it_was)
{
    struct ends e = ends_make(NULL);
    pawl_process *p;

    CHECK_OK(pawl_process_create(
        &p, echo_there, e.b,
        &(pawl_process_options){.pipes = &e.b, .n_pipes = 1}));
    CHECK_OK(pawl_process_start(p));
    send_text(e.a, "x");
    CHECK_OK(pawl_pipe_poll(e.a));
    expect_text(e.a, "x");
    CHECK_OK(pawl_pipe_close(e.a));
    expect_end(p, 0);
    ends_free(&e);
}

/* N-10: what is not listed is closed in the child: an end is closed when the parent
 * has closed it, though the child lives. */
TEST(pipe_shared.a_child_has_no_end_that_was_not_passed)
{
    FOR_EACH_METHOD(method)
    {
        struct ends e = ends_make(NULL);
        pawl_process *p = started_to_stay(method);

        CHECK_OK(pawl_pipe_close(e.b));
        CHECK_ERR(pawl_pipe_recv(e.a, NULL, 0, NULL), -ESHUTDOWN);
        CHECK_ERR(pawl_pipe_send(e.a, "x", 1), -EPIPE);
        end_by_kill(p);
        ends_free(&e);
    }
}

TEST(pipe_shared.a_dup_is_how_to_keep_an_end)
{
    struct ends e = ends_make(NULL); /* N-10 */
    pawl_pipe *twin;
    pawl_process *p;

    CHECK_OK(pawl_pipe_dup(&twin, e.b));
    p = started_with("echo", NULL, 0, &twin, 1, NULL, 0, PAWL_START_SPAWN);
    CHECK(!pawl_pipe_is_closed(e.b));
    end_by_kill(p);
    CHECK_ERR(try_recv(e.a), -EAGAIN);
    send_text(e.b, "still open");
    expect_text(e.a, "still open");
    pawl_pipe_free(twin);
    ends_free(&e);
}

TEST(pipe_shared.an_end_that_is_closed_cannot_be_passed)
{
    FOR_EACH_METHOD(method)
    {
        struct ends e = ends_make(NULL);
        pawl_process *p = NULL;

        CHECK_OK(pawl_pipe_close(e.b));
        CHECK_OK(pawl_process_create_entry(
            &p, "echo", NULL, 0,
            &(pawl_process_options){
                .method = method, .pipes = &e.b, .n_pipes = 1}));
        CHECK_ERR(pawl_process_start(p), -EBADF);
        pawl_process_free(p);
        ends_free(&e);
    }
}

/* N-10: a start that fails has taken nothing. */
TEST(pipe_shared.an_end_stays_when_nobody_was_started)
{
    for (enum pawl_start_method method = PAWL_START_SPAWN;
         method <= PAWL_START_FORKSERVER; method++) {
        struct ends e = ends_make(NULL);
        pawl_process *p = NULL;

        CHECK_OK(pawl_process_create_entry(
            &p, "echo", NULL, 0,
            &(pawl_process_options){
                .method = method, .pipes = &e.b, .n_pipes = 1}));
        pawl_process_set_executable("/missing/program");
        CHECK_ERR(pawl_process_start(p), -ENOENT);
        pawl_process_set_executable(NULL);
        CHECK(!pawl_pipe_is_closed(e.b));
        send_text(e.b, "mine");
        expect_text(e.a, "mine");
        CHECK_OK(pawl_process_start(p)); /* now it goes */
        CHECK(pawl_pipe_is_closed(e.b));
        CHECK_OK(pawl_pipe_close(e.a));
        expect_end(p, 0);
        ends_free(&e);
    }
}

TEST(pipe_shared.too_many_ends_cannot_be_passed)
{
    pawl_pipe *many[100] = {NULL};
    pawl_process *p = NULL;

    CHECK_ERR(pawl_process_create_entry(
                  &p, "echo", NULL, 0,
                  &(pawl_process_options){.pipes = many, .n_pipes = 100}),
              -EMSGSIZE);
    CHECK(p == NULL);
}

static void send_and_end(void *end)
{
    CHECK_OK(pawl_pipe_send(end, "from the child", 14));
}

TEST(pipe_shared.another_fork_copies_all_ends)
{
    struct ends e = ends_make(NULL);
    char got[20];
    pid_t child = test_spawn_child(send_and_end, e.b);

    CHECK_OK(pawl_pipe_recv(e.a, got, sizeof got, NULL));
    test_wait_child(child);
    CHECK_ERR(try_recv(e.a), -EAGAIN);
    CHECK_OK(pawl_pipe_close(e.b));
    CHECK_ERR(pawl_pipe_recv(e.a, got, sizeof got, NULL), -ESHUTDOWN);
    ends_free(&e);
}

TEST(pipe_shared.descriptors_go_to_another_process)
{
    FOR_EACH_METHOD(method)
    { /* P-29 */
        struct ends e = ends_make(&(pawl_pipe_options){.flags = PAWL_PIPE_FDS});
        int fds[2];
        int got = -1;
        size_t n = 1;
        char text[2];
        struct stat a;
        struct stat b;
        pawl_process *p;

        CHECK(pipe(fds) == 0);
        p = started_with("send_fd", NULL, 0, &e.b, 1, fds, 1, method);
        CHECK_OK(pawl_pipe_recv_fds_until(e.a, text, 2, NULL, &got, &n,
                                          PAWL_FOREVER));
        CHECK_EQ(n, 1);
        CHECK(fstat(got, &a) == 0 && fstat(fds[0], &b) == 0 &&
              a.st_ino == b.st_ino);
        expect_end(p, 0);
        close(got);
        close(fds[0]);
        close(fds[1]);
        ends_free(&e);
    }
}

struct fd_sender {
    pawl_pipe *end;
    int err;
};

static void send_fd_for_ever(void *arg)
{
    struct fd_sender *s = arg;

    s->err =
        pawl_pipe_send_fds_until(s->end, "", 0, (int[]){0}, 1, PAWL_FOREVER);
}

/* N-09, P-29: who waits until more descriptors can be under way is woken, too: by the
 * close of its own end, of the other, and by a receiver. */
TEST(pipe_shared.a_sender_of_descriptors_does_not_wait_in_vain)
{
    static const int expected[] = {-EBADF, -EPIPE, 0};

    for (int i = 0; i < 3; i++) {
        struct ends e = ends_make(
            &(pawl_pipe_options){.capacity = 1 << 20, .flags = PAWL_PIPE_FDS});
        struct fd_sender s = {.end = e.a, .err = 1};
        struct test_thread *t;
        int err;

        do /* fill what the kernel holds: the ring has room for more */
            err = pawl_pipe_send_fds_until(e.a, "", 0, (int[]){0}, 1, 0);
        while (err == 0);
        CHECK(err == -ETIMEDOUT || err == -ETOOMANYREFS);
        if (err == -ETOOMANYREFS)
            TEST_SKIP("so few descriptors can be under way");
        CHECK_OK(pawl_pipe_try_send(e.a, "x", 1));
        t = test_thread(send_fd_for_ever, &s);
        while (process_state(test_tid(t), NULL) != 'S')
            sched_yield();
        if (i < 2)
            CHECK_OK(pawl_pipe_close(i == 0 ? e.a : e.b));
        else
            while (try_recv(e.b) == 0)
                ;
        test_join(t);
        CHECK_ERR(s.err, expected[i]);
        ends_free(&e);
    }
}

/* ---- killed ---------------------------------------------------------------------------- */

/* N-12: asleep in a receive when the other process is killed. */
TEST(pipe_shared.a_death_is_the_end)
{
    FOR_EACH_METHOD(method)
    {
        struct ends e = ends_make(NULL);
        pawl_process *p =
            started_with("echo", NULL, 0, &e.b, 1, NULL, 0, method);

        send_text(e.a, "x");
        CHECK_OK(pawl_pipe_poll(e.a));
        CHECK_OK(pawl_process_kill(p));
        expect_text(e.a, "x");
        CHECK_ERR(pawl_pipe_recv(e.a, NULL, 0, NULL), -ESHUTDOWN);
        CHECK_ERR(pawl_pipe_send(e.a, "x", 1), -EPIPE);
        expect_end(p, -SIGKILL);
        ends_free(&e);
    }
}

static void fill(void *end)
{
    static char bytes[1000];
    int err;

    while ((err = pawl_pipe_send(end, bytes, sizeof bytes)) == 0)
        ;
    CHECK_ERR(err, -EPIPE);
}

/* N-12: asleep in a send. */
TEST(pipe_shared.a_death_ends_a_send)
{
    struct ends e = ends_make_small(0);
    pawl_process *p =
        started_with("stay", NULL, 0, &e.b, 1, NULL, 0, PAWL_START_SPAWN);
    struct test_thread *t = test_thread(fill, e.a);

    test_until_asleep(test_tid(t));
    end_by_kill(p);
    test_join(t);
    ends_free(&e);
}

/* So long that no try can take it, however fast the sender is. */
enum { FLOOD = 4 << 20 };
static size_t flood_bytes = FLOOD;

/* N-12: a message that is cut is told of once, then what follows. */
TEST(pipe_shared.a_cut_message_is_reported)
{
    FOR_EACH_METHOD(method)
    {
        struct ends e = ends_make_small(0);
        pawl_process *p =
            started_with("flood", &flood_bytes, sizeof flood_bytes, &e.b, 1,
                         NULL, 0, method);
        static unsigned char bytes[FLOOD];
        size_t n;

        CHECK_OK(pawl_pipe_poll(e.a));
        CHECK_ERR(pawl_pipe_try_recv(e.a, bytes, 10, &n), -EMSGSIZE);
        CHECK_EQ(n, flood_bytes);
        CHECK_OK(pawl_process_kill(p));
        CHECK_ERR(pawl_pipe_recv(e.a, bytes, sizeof bytes, &n), -ECONNRESET);
        CHECK_ERR(pawl_pipe_recv(e.a, bytes, sizeof bytes, &n), -ESHUTDOWN);
        expect_end(p, -SIGKILL);
        ends_free(&e);
    }
}

/* ... while another process has the sending end: asleep in the middle of it. */
TEST(pipe_shared.a_cut_message_is_reported_when_others_can_send)
{
    struct ends e = ends_make_small(0);
    pawl_pipe *twin;
    pawl_process *p;
    static unsigned char bytes[FLOOD];

    CHECK_OK(pawl_pipe_dup(&twin, e.b));
    p = started_with("flood", &flood_bytes, sizeof flood_bytes, &twin, 1, NULL,
                     0, PAWL_START_SPAWN);
    CHECK_OK(pawl_pipe_poll(e.a));
    CHECK_ERR(pawl_pipe_try_recv(e.a, bytes, sizeof bytes, NULL), -EAGAIN);
    CHECK_ERR(pawl_pipe_try_send(e.b, "x", 1), -EAGAIN); /* his turn */
    end_by_kill(p);
    CHECK_ERR(pawl_pipe_recv(e.a, bytes, sizeof bytes, NULL), -ECONNRESET);
    CHECK_ERR(try_recv(e.a), -EAGAIN);
    send_text(e.b, "next");
    expect_text(e.a, "next");
    pawl_pipe_free(twin);
    ends_free(&e);
}

/* The next sender takes the turn of the dead, and says that his message is cut. */
TEST(pipe_shared.a_sender_goes_on_behind_a_cut_message)
{
    struct ends e = ends_make_small(0);
    pawl_pipe *twin;
    pawl_process *p;
    static unsigned char bytes[FLOOD];

    CHECK_OK(pawl_pipe_dup(&twin, e.b));
    p = started_with("flood", &flood_bytes, sizeof flood_bytes, &twin, 1, NULL,
                     0, PAWL_START_SPAWN);
    CHECK_OK(pawl_pipe_poll(e.a));
    end_by_kill(p);
    CHECK_ERR(pawl_pipe_try_recv(e.a, bytes, 10, NULL), -EMSGSIZE);
    CHECK_ERR(pawl_pipe_send_until(e.b, bytes, 4000, 0), -ETIMEDOUT);
    CHECK_ERR(pawl_pipe_recv(e.a, bytes, sizeof bytes, NULL), -ECONNRESET);
    send_text(e.b, "next");
    expect_text(e.a, "next");
    pawl_pipe_free(twin);
    ends_free(&e);
}

static void send_much_and_next(void *end)
{
    send_letter(end, MUCH, 1);
    send_letter(end, 100, 2);
}

/* Whether it was killed in the middle. */
static bool kill_a_receiver(void)
{
    struct ends e = ends_make_small(0);
    struct ends control = ends_make(NULL);
    pawl_pipe *theirs[2] = {NULL, control.b};
    struct test_thread *t;
    pawl_process *p;
    int err;

    CHECK_OK(pawl_pipe_dup(&theirs[0], e.b));
    p = started_with("part", NULL, 0, theirs, 2, NULL, 0, PAWL_START_SPAWN);
    t = test_thread(send_much_and_next, e.a);
    CHECK_OK(pawl_pipe_recv(control.a, &err, sizeof err, NULL));
    if (err == -EAGAIN)
        CHECK_ERR(try_recv(e.b), -EAGAIN); /* the rest is another's */
    end_by_kill(p);
    CHECK_OK(recv_letter(e.b, 100, 2, PAWL_FOREVER));
    test_join(t);
    pawl_pipe_free(theirs[0]);
    ends_free(&control);
    ends_free(&e);
    return err == -EAGAIN;
}

/* A receiver that is killed takes the message with it that it has begun. */
TEST(pipe_shared.a_killed_receiver_takes_one_message_at_most)
{
    while (!kill_a_receiver())
        ;
}

/* ---- among others ------------------------------------------------------------------------- */

/* N-13, W-14: one wait for a connection, a process, an event. */
TEST(pipe_shared.a_wait_tells_of_a_process_and_a_connection)
{
    FOR_EACH_METHOD(method)
    {
        struct ends e = ends_make(NULL);
        pawl_event event = PAWL_EVENT_INIT;
        pawl_process *p =
            started_with("echo", NULL, 0, &e.b, 1, NULL, 0, method);
        pawl_wait_item items[] = {PAWL_WAIT_EVENT(&event), PAWL_WAIT_PROCESS(p),
                                  PAWL_WAIT_PIPE(e.a)};
        size_t which = 9;
        int code;

        CHECK_ERR(pawl_wait_any_until(items, 3, pawl_after_ms(1), &which),
                  -ETIMEDOUT);
        send_text(e.a, "x");
        CHECK_OK(pawl_wait_any(items, 3, &which));
        CHECK_EQ(which, 2);
        expect_text(e.a, "x");
        CHECK_OK(pawl_process_kill(p));
        CHECK_OK(pawl_wait_any(items, 2, &which));
        CHECK_EQ(which, 1);
        CHECK_OK(pawl_process_try_join(p, &code));
        CHECK_EQ(code, -SIGKILL);
        CHECK_OK(pawl_wait_any(items + 2, 1, &which));
        CHECK_ERR(try_recv(e.a), -ESHUTDOWN);
        CHECK_OK(pawl_wait_all(items + 1, 2));
        CHECK_OK(pawl_process_close(p));
        CHECK_ERR(pawl_wait_any(items + 1, 1, &which), -EBADF);
        pawl_process_free(p);
        ends_free(&e);
    }
}

TEST(pipe_shared.a_wait_for_a_process_says_what_a_join_says)
{
    pawl_process *p = create_with("stay", NULL, 0, NULL, 0, PAWL_START_FORK, 0);
    pawl_wait_item item = PAWL_WAIT_PROCESS(p);

    CHECK_ERR(pawl_wait_any(&item, 1, NULL), -ESRCH);
    pawl_process_free(p);
    item = PAWL_WAIT_PROCESS(pawl_process_current());
    CHECK_ERR(pawl_wait_any(&item, 1, NULL), -EDEADLK);
}

/* ---- several senders ---------------------------------------------------------------------- */

enum { SENDERS = 4, LETTERS = 300 };

static void send_numbered(pawl_pipe *p, uint64_t who, int n)
{
    static _Thread_local unsigned char bytes[12000];
    uint64_t random = test_seed(who);

    for (int i = 0; i < n; i++) {
        size_t size =
            LETTER_HEAD + test_rand_below(&random, i % 8 == 0 ? 11000 : 300);

        letter_write(bytes, size, who, (uint64_t)i);
        CHECK_OK(pawl_pipe_send(p, bytes, size));
    }
}

static void send_as(void *arg)
{
    struct ends *e = arg;

    CHECK_OK(pawl_pipe_close(e->a));
    send_numbered(e->b, (uint64_t)getpid(), test_iterations(LETTERS));
}

/* N-02, W-54: messages of several processes, longer than the ring some of them, come
 * whole, and those of each in order. */
TEST(pipe_shared.senders_do_not_mix)
{
    struct ends e = ends_make_small(0);
    pid_t child[SENDERS];
    uint64_t next[SENDERS] = {0};
    static unsigned char bytes[12000];
    size_t n;
    int err;

    for (int i = 0; i < SENDERS; i++)
        child[i] = test_spawn_child(send_as, &e);
    CHECK_OK(pawl_pipe_close(e.b));
    while ((err = pawl_pipe_recv(e.a, bytes, sizeof bytes, &n)) == 0) {
        uint64_t who;
        uint64_t number;
        int i = 0;

        letter_read(bytes, n, &who, &number);
        while (i < SENDERS && child[i] != (pid_t)who)
            i++;
        CHECK(i < SENDERS);
        CHECK_EQ(number, next[i]++);
    }
    CHECK_ERR(err, -ESHUTDOWN);
    for (int i = 0; i < SENDERS; i++) {
        test_wait_child(child[i]);
        CHECK_EQ(next[i], test_iterations(LETTERS));
    }
    ends_free(&e);
}
