/* SPDX-License-Identifier: MIT
 *
 * pipe_stress.c - connections under load: several senders and receivers at each end,
 * messages longer than the ring, kills.
 */
#include <signal.h>
#include <stdatomic.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <pawl/queue.h>

#include "crowd.h"
#include "pipe_cases.h"

enum { LONGEST = 9000 };

static size_t some_size(uint64_t *random)
{
    return LETTER_HEAD + test_rand_below(random, test_rand_below(random, 6) == 0
                                                     ? LONGEST - LETTER_HEAD
                                                     : 200);
}

/* Send a letter in one of the three ways. */
static int send_somehow(pawl_pipe *p, const void *bytes, size_t n,
                        uint64_t *random)
{
    int err;

    switch (test_rand_below(random, 3)) {
    case 0:
        return pawl_pipe_send(p, bytes, n);
    case 1:
        do
            err = pawl_pipe_send_until(
                p, bytes, n, pawl_after_us(test_rand_below(random, 300)));
        while (err == -ETIMEDOUT || err == -EMSGSIZE);
        return err;
    default:
        err = pawl_pipe_try_send(p, bytes, n);
        return err == -EAGAIN || err == -EMSGSIZE ? pawl_pipe_send(p, bytes, n)
                                                  : err;
    }
}

static int recv_somehow(pawl_pipe *p, unsigned char *bytes, size_t *n,
                        uint64_t *random)
{
    int err;

    do {
        uint32_t way = test_rand_below(random, 3);

        if (way == 0) {
            err = pawl_pipe_recv(p, bytes, LONGEST, n);
        } else if (way == 1) {
            err = pawl_pipe_recv_until(
                p, bytes, LONGEST, n,
                pawl_after_us(test_rand_below(random, 300)));
        } else {
            err = pawl_pipe_poll(p);
            if (err == 0)
                err = pawl_pipe_try_recv(p, bytes, LONGEST, n);
        }
    } while (err == -ETIMEDOUT || err == -EAGAIN);
    return err;
}

/* ---- threads ---------------------------------------------------------------------- */

enum { SENDERS = 4, RECEIVERS = 2 };

struct office {
    pawl_pipe *in[RECEIVERS];
    pawl_pipe *out[SENDERS];
    int letters; /* of each sender */
    atomic_int got[SENDERS];
    atomic_ullong sum[SENDERS];
};

static void work(void *scene, int me)
{
    struct office *o = scene;
    uint64_t random = test_seed((uint64_t)me);
    unsigned char *bytes = malloc(LONGEST);

    if (me < SENDERS) {
        for (int i = 0; i < o->letters; i++) {
            size_t n = some_size(&random);

            letter_write(bytes, n, (uint64_t)me, (uint64_t)i);
            CHECK_OK(send_somehow(o->out[me], bytes, n, &random));
        }
        CHECK_OK(pawl_pipe_close(o->out[me]));
    } else {
        pawl_pipe *p = o->in[me - SENDERS];
        int64_t last[SENDERS];
        size_t n;
        int err;

        for (int i = 0; i < SENDERS; i++)
            last[i] = -1;
        while ((err = recv_somehow(p, bytes, &n, &random)) == 0) {
            uint64_t who;
            uint64_t number;

            letter_read(bytes, n, &who, &number);
            CHECK(who < SENDERS && (int64_t)number > last[who]);
            last[who] = (int64_t)number;
            atomic_fetch_add(&o->got[who], 1);
            atomic_fetch_add(&o->sum[who], number);
        }
        CHECK_ERR(err, -ESHUTDOWN);
    }
    free(bytes);
}

/* N-02, W-54: every message comes once and whole, those of a sender in order; then
 * the end. */
TEST(pipe_stress.messages_of_many_threads)
{
    struct office o = {.letters = test_iterations(8000)};
    struct ends e = ends_make_small(PAWL_PIPE_ONE_WAY);

    TEST_TIMEOUT(120);
    o.in[0] = e.a;
    o.out[0] = e.b;
    for (int i = 1; i < RECEIVERS; i++)
        CHECK_OK(pawl_pipe_dup(&o.in[i], e.a));
    for (int i = 1; i < SENDERS; i++)
        CHECK_OK(pawl_pipe_dup(&o.out[i], e.b));
    crowd(SENDERS + RECEIVERS, work, &o);
    for (int i = 0; i < SENDERS; i++) {
        unsigned long long n = (unsigned long long)o.letters;

        CHECK_EQ(atomic_load(&o.got[i]), o.letters);
        CHECK_EQ(atomic_load(&o.sum[i]), n * (n - 1) / 2);
        pawl_pipe_free(o.out[i]);
    }
    for (int i = 0; i < RECEIVERS; i++)
        pawl_pipe_free(o.in[i]);
}

/* ---- kills -------------------------------------------------------------------------- */

static void send_without_end(void *arg)
{
    struct ends *e = arg;
    uint64_t random = test_seed((uint64_t)getpid());
    unsigned char bytes[LONGEST];

    CHECK_OK(pawl_pipe_close(e->a));
    for (uint64_t i = 0;; i++) {
        size_t n = some_size(&random);

        letter_write(bytes, n, (uint64_t)getpid(), i);
        CHECK_OK(send_somehow(e->b, bytes, n, &random));
    }
}

static void kill_child(pid_t child)
{
    CHECK_EQ(kill(child, SIGKILL), 0);
    CHECK(WIFSIGNALED(test_reap_child(child)));
}

/* N-12: senders are killed at any moment; what comes is whole, and no more messages
 * are cut than senders were killed. */
TEST(pipe_stress.senders_that_are_killed)
{
    enum { AT_ONCE = 3 };
    struct ends e = ends_make_small(0);
    uint64_t random = test_seed(1);
    int rounds = test_iterations(400);
    unsigned char bytes[LONGEST];
    pid_t child[AT_ONCE];
    int cuts = 0;
    size_t n;
    int err = 0;

    TEST_TIMEOUT(120);
    for (int i = 0; i < AT_ONCE; i++)
        child[i] = test_spawn_child(send_without_end, &e);
    for (int i = 0; i < rounds; i++) {
        uint32_t some = test_rand_below(&random, 60);

        for (uint32_t k = 0; k < some; k++) {
            uint64_t who;
            uint64_t number;

            err = recv_somehow(e.a, bytes, &n, &random);
            cuts += err == -ECONNRESET;
            CHECK(err == 0 || err == -ECONNRESET);
            if (err == 0)
                letter_read(bytes, n, &who, &number);
        }
        test_random_moment(&random, 100);
        kill_child(child[i % AT_ONCE]);
        child[i % AT_ONCE] = test_spawn_child(send_without_end, &e);
    }
    for (int i = 0; i < AT_ONCE; i++)
        kill_child(child[i]);
    CHECK_OK(pawl_pipe_close(e.b));
    while ((err = pawl_pipe_recv(e.a, bytes, LONGEST, &n)) != -ESHUTDOWN) {
        CHECK(err == 0 || err == -ECONNRESET);
        cuts += err == -ECONNRESET;
    }
    test_note("%d senders killed, %d messages cut", rounds + AT_ONCE, cuts);
    CHECK(cuts <= rounds + AT_ONCE);
    ends_free(&e);
}

struct ledger {
    struct ends e;
    atomic_uchar got[]; /* times that a message has come */
};

static void receive_without_end(void *arg)
{
    struct ledger *l = arg;
    uint64_t random = test_seed((uint64_t)getpid());
    unsigned char bytes[LONGEST];
    size_t n;
    int err;

    CHECK_OK(pawl_pipe_close(l->e.b));
    while ((err = recv_somehow(l->e.a, bytes, &n, &random)) == 0) {
        uint64_t who;
        uint64_t number;

        letter_read(bytes, n, &who, &number);
        atomic_fetch_add(&l->got[number], 1);
    }
    CHECK_ERR(err, -ESHUTDOWN);
}

/* Receivers are killed: each takes one message with it at most, and no other is
 * lost or comes twice. */
TEST(pipe_stress.receivers_that_are_killed)
{
    enum { AT_ONCE = 3, OF_A_ROUND = 40 };
    int rounds = test_iterations(400);
    int letters = rounds * OF_A_ROUND;
    struct ledger *l =
        test_shared_alloc(sizeof *l + (size_t)letters * sizeof *l->got);
    uint64_t random = test_seed(2);
    unsigned char bytes[LONGEST];
    pid_t child[AT_ONCE];
    int lost = 0;

    TEST_TIMEOUT(120);
    l->e = ends_make_small(0);
    for (int i = 0; i < AT_ONCE; i++)
        child[i] = test_spawn_child(receive_without_end, l);
    for (int i = 0; i < letters; i++) {
        size_t n = some_size(&random);

        letter_write(bytes, n, 0, (uint64_t)i);
        CHECK_OK(send_somehow(l->e.b, bytes, n, &random));
        if (i % OF_A_ROUND == 0) {
            int k = (i / OF_A_ROUND) % AT_ONCE;

            test_random_moment(&random, 100);
            kill_child(child[k]);
            child[k] = test_spawn_child(receive_without_end, l);
        }
    }
    CHECK_OK(pawl_pipe_close(l->e.b));
    for (int i = 0; i < AT_ONCE; i++)
        test_wait_child(child[i]);
    for (int i = 0; i < letters; i++) {
        CHECK(atomic_load(&l->got[i]) <= 1);
        lost += atomic_load(&l->got[i]) == 0;
    }
    test_note("%d receivers killed, %d messages lost", rounds, lost);
    CHECK(lost <= rounds);
    ends_free(&l->e);
}

/* ---- wait sets ------------------------------------------------------------------------- */

enum { WAITERS = 3, SOURCES = 3 };

struct hall {
    struct ends e[SOURCES];
    pawl_queue *q;
    pawl_event stop;
    int messages; /* of each source, and to the queue */
    atomic_int got;
};

static void take_all(struct hall *h)
{
    char byte;
    int seen;

    for (int i = 0; i < SOURCES; i++)
        while (pawl_pipe_try_recv(h->e[i].b, &byte, 1, NULL) == 0)
            atomic_fetch_add(&h->got, 1);
    while (pawl_queue_try_get(h->q, &seen) == 0)
        atomic_fetch_add(&h->got, 1);
}

static void wait_or_send(void *scene, int me)
{
    struct hall *h = scene;
    int all = (SOURCES + 1) * h->messages;

    if (me < SOURCES) {
        for (int i = 0; i < h->messages; i++)
            CHECK_OK(pawl_pipe_send(h->e[me].a, "x", 1));
    } else if (me == SOURCES) {
        for (int i = 0; i < h->messages; i++)
            CHECK_OK(pawl_queue_put(h->q, &i));
    } else {
        while (atomic_load(&h->got) < all) {
            pawl_wait_item items[SOURCES + 2] = {PAWL_WAIT_READABLE(h->q),
                                                 PAWL_WAIT_EVENT(&h->stop)};

            for (int i = 0; i < SOURCES; i++)
                items[2 + i] = PAWL_WAIT_PIPE(h->e[i].b);
            CHECK_OK(pawl_wait_any(items, SOURCES + 2, NULL));
            take_all(h);
            if (atomic_load(&h->got) == all)
                pawl_event_set(&h->stop);
        }
    }
}

/* N-13: several threads wait for connections, a queue and an event at once, and no
 * message is left with all of them asleep. */
TEST(pipe_stress.waits_for_several)
{
    struct hall h = {.messages = test_iterations(5000)};

    TEST_TIMEOUT(120);
    for (int i = 0; i < SOURCES; i++)
        h.e[i] = ends_make_small(0);
    CHECK_OK(pawl_queue_create(
        &h.q,
        &(pawl_queue_options){.capacity = 16, .element_size = sizeof(int)}));
    CHECK_OK(pawl_event_init(&h.stop, 0));
    crowd(SOURCES + 1 + WAITERS, wait_or_send, &h);
    CHECK_EQ(atomic_load(&h.got), (SOURCES + 1) * h.messages);
    for (int i = 0; i < SOURCES; i++)
        ends_free(&h.e[i]);
    pawl_queue_free(h.q);
}

/* ---- descriptors --------------------------------------------------------------- */

enum { FD_SENDERS = 3, FD_RECEIVERS = 2, FD_ROUNDS = 1000 };

struct parcel {
    uint32_t number;
    uint32_t n_fds;
};

struct post {
    struct ends e;
    atomic_int sent;
    atomic_int came;
};

/* A file that can be told from the others: by its size. */
static int file_of(uint32_t number)
{
    int fd = memfd_create("file", MFD_CLOEXEC);

    CHECK(fd >= 0);
    CHECK_EQ(ftruncate(fd, number), 0);
    return fd;
}

static void send_parcels(struct post *post, uint64_t *random, uint32_t who)
{
    for (uint32_t i = 0; i < (uint32_t)test_iterations(FD_ROUNDS); i++) {
        struct parcel m = {.number = i * FD_SENDERS + who + 1,
                           .n_fds = test_rand_below(random, 3)};
        int fds[2];
        int err;

        for (uint32_t k = 0; k < m.n_fds; k++)
            fds[k] = file_of(m.number);
        do
            err = pawl_pipe_send_fds_until(
                post->e.a, &m, sizeof m, fds, m.n_fds,
                test_rand_below(random, 2) == 0
                    ? 0
                    : pawl_after_us(test_rand_below(random, 300)));
        while (err == -ETIMEDOUT);
        CHECK_OK(err);
        atomic_fetch_add(&post->sent, 1);
        for (uint32_t k = 0; k < m.n_fds; k++)
            close(fds[k]);
    }
}

static void receive_parcels(struct post *post, uint64_t *random)
{
    for (;;) {
        struct parcel m;
        struct stat is;
        int fds[2];
        size_t n = 2;
        bool asks = test_rand_below(random, 4) > 0;
        int err = asks ? pawl_pipe_recv_fds_until(post->e.b, &m, sizeof m, NULL,
                                                  fds, &n, PAWL_FOREVER)
                       : pawl_pipe_recv(post->e.b, &m, sizeof m, NULL);

        if (err == -ESHUTDOWN)
            return;
        CHECK_OK(err);
        atomic_fetch_add(&post->came, 1);
        CHECK(!asks || n == m.n_fds);
        for (size_t k = 0; asks && k < n; k++) {
            CHECK_EQ(fstat(fds[k], &is), 0);
            CHECK_EQ(is.st_size, m.number);
            close(fds[k]);
        }
    }
}

static void send_or_receive(void *scene, int me)
{
    struct post *post = scene;
    uint64_t random = test_seed((uint64_t)me);

    if (me >= FD_SENDERS) {
        receive_parcels(post, &random);
        return;
    }
    send_parcels(post, &random, (uint32_t)me);
    if (atomic_load(&post->sent) == FD_SENDERS * test_iterations(FD_ROUNDS))
        CHECK_OK(pawl_pipe_close(post->e.a));
}

/* P-29: they come with their own message, whoever gives up before it is sent, or takes
 * it without them; and none stays open. */
TEST(pipe_stress.descriptors_stay_with_their_message)
{
    struct post post = {.e = ends_make_small(PAWL_PIPE_FDS)};
    int before = dup(0);
    int after;

    TEST_TIMEOUT(120);
    crowd(FD_SENDERS + FD_RECEIVERS, send_or_receive, &post);
    test_note("%d messages", atomic_load(&post.came));
    CHECK_EQ(atomic_load(&post.came), FD_SENDERS * test_iterations(FD_ROUNDS));
    after = dup(0);
    CHECK(after <= before + 1);
    close(before);
    close(after);
    ends_free(&post.e);
}

/* ---- very long ones -------------------------------------------------------------- */

enum { UNIT = 1 << 20 };

struct huge {
    pawl_pipe *p;
    unsigned char *bytes;
    size_t n;
};

/* So many bytes of address space, over and over the same UNIT of memory. */
static unsigned char *map_often(size_t units)
{
    int memory = memfd_create("unit", MFD_CLOEXEC);
    char *at =
        mmap(NULL, units * UNIT, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

    CHECK(memory >= 0 && at != MAP_FAILED);
    CHECK_EQ(ftruncate(memory, UNIT), 0);
    for (size_t i = 0; i < units; i++)
        CHECK(mmap(at + i * UNIT, UNIT, PROT_READ | PROT_WRITE,
                   MAP_SHARED | MAP_FIXED, memory, 0) != MAP_FAILED);
    close(memory);
    return (unsigned char *)at;
}

static void send_huge(void *arg)
{
    const struct huge *h = arg;

    CHECK_OK(pawl_pipe_send(h->p, h->bytes, h->n));
}

/* N-11: its length has 64 bits. */
TEST(pipe_stress.a_message_may_be_longer_than_an_int)
{
    enum { UNITS = 4097 };
    struct ends e = ends_make(NULL);
    struct huge h = {.p = e.a, .n = (size_t)UNITS * UNIT - 5};
    unsigned char *got;
    struct test_thread *t;
    size_t n = 0;

    if (test_under_tsan())
        TEST_SKIP("ThreadSanitizer remembers every byte");
    TEST_TIMEOUT(200);
    h.bytes = map_often(UNITS);
    got = map_often(UNITS);
    for (size_t i = 0; i < UNIT; i++)
        h.bytes[i] = (unsigned char)(i * 31 + (i >> 10));
    t = test_thread(send_huge, &h);
    CHECK_ERR(pawl_pipe_recv(e.b, got, 100, &n), -EMSGSIZE);
    CHECK_EQ(n, h.n);
    n = 0;
    CHECK_OK(pawl_pipe_recv(e.b, got, h.n, &n));
    CHECK_EQ(n, h.n);
    CHECK(memcmp(got, h.bytes, UNIT) == 0);
    test_join(t);
    send_text(e.a, "next");
    expect_text(e.b, "next");
    ends_free(&e);
}
