/* SPDX-License-Identifier: MIT
 *
 * pipe_sweep.c - N-02, N-12: a process killed, or stopped, at any instruction of
 * sending or receiving.  A message is received whole, or is reported to be cut, or
 * was never begun; what a killed receiver had begun to take is there or is gone; the
 * others go on, and who sleeps at the other end is woken.
 */
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include <pawl/pipe.h>
#include <pawl/wait.h>

#include "participants.h"
#include "process/pipe_lane.h"
#include "sweep.h"
#include "swept.h"

/* A copy of many bytes is many steps: a ring so small that LONG takes pieces. */
enum { SLOTS = 4, RING = 256, SHORT = 20, FULL = 60, LONG = 150, MOST = 200 };

struct scene {
    _Alignas(128) unsigned char table[sizeof(struct pawl_participants) +
                                      SLOTS * sizeof(struct pawl_slot)];
    struct pawl_stream stream;
    unsigned char ring[RING];
    pawl_u32 uses;
    bool has_victim; /* the next one is its heir */
    int err;         /* what the victim's call returned */
    bool returned;
    bool heir_returned;
    unsigned char got[MOST]; /* by the victim */
    uint64_t n;
    int sleepers_err; /* what a sleeper's call returned */
    unsigned char slept[MOST];
    uint64_t slept_n;
};

/* What is swept: set before the fork of those who need it. */
static struct {
    uint64_t bytes; /* of the victim's message */
    bool receives;
    bool others_send_first; /* and receive then */
    bool sleeper;           /* somebody sleeps at the other end */
    sweep_fn heir;          /* who comes after a dead one, and dies as well */
    enum sweep_mode mode;
} plan;

static int links[2]; /* [0]: of the receiving end */

static participants *table_of(struct scene *s)
{
    return (participants *)(void *)s->table;
}

static struct pawl_lane lane_of(struct scene *s, bool receives)
{
    struct pawl_user *sender = &s->stream.sender;
    struct pawl_user *receiver = &s->stream.receiver;

    return (struct pawl_lane){
        .s = &s->stream,
        .ring = s->ring,
        .capacity = RING,
        .table = table_of(s),
        .link = links[receives ? 0 : 1],
        .uses = &s->uses,
        .self = receives ? receiver : sender,
        .peers = {receives ? sender : receiver, receives ? sender : receiver},
    };
}

/* ---- messages ------------------------------------------------------------------ */

/* Message `number` has its number in all bytes, and in its length. */
static int send_number(struct scene *s, uint64_t n, unsigned char number,
                       pawl_deadline until)
{
    struct pawl_lane l = lane_of(s, false);
    unsigned char bytes[MOST];
    uint32_t me = joined(table_of(s));
    const struct pawl_parcel p = {.bytes = bytes, .n = n + number};

    memset(bytes, number, sizeof bytes);
    pawl_lane_use(&l, me);
    return pawl_lane_send(&l, me, &p, until);
}

static int receive_into(struct scene *s, unsigned char *bytes, uint64_t *n,
                        pawl_deadline until)
{
    struct pawl_lane l = lane_of(s, true);
    uint32_t me = joined(table_of(s));
    struct pawl_crate c = {.bytes = bytes, .room = MOST};
    int err;

    pawl_lane_use(&l, me);
    err = pawl_lane_receive(&l, me, &c, until);
    *n = c.n;
    free(l.part.bytes);
    return err;
}

static unsigned char number_of(const unsigned char *bytes, uint64_t n)
{
    CHECK(n > 0 && n <= MOST);
    for (uint64_t i = 0; i < n; i++)
        CHECK_EQ(bytes[i], bytes[0]);
    return bytes[0];
}

/* The number of the next message, after any reports of cuts; 0: none. */
static unsigned char next_number(struct scene *s, int *cuts)
{
    unsigned char bytes[MOST];
    uint64_t n;
    int err;

    while ((err = receive_into(s, bytes, &n, 0)) == -ECONNRESET)
        ++*cuts;
    if (err == -ETIMEDOUT)
        return 0;
    CHECK_OK(err);
    return number_of(bytes, n);
}

/* ---- the scene -------------------------------------------------------------------- */

static void prepare(void *object)
{
    struct scene *s = object;

    CHECK(sizeof s->table >= pawl_participants_bytes(SLOTS));
    pawl_participants_init(table_of(s), SLOTS);
    pawl_stream_init(&s->stream);
    joined(table_of(s));
    if (plan.receives && !plan.sleeper) {
        CHECK_OK(send_number(s, plan.bytes, 1, 0));
        CHECK_OK(send_number(s, SHORT, 2, 0));
    }
    if (plan.receives && plan.sleeper)
        for (unsigned char i = 1; i <= 3;
             i++) /* full, as far as the next goes */
            CHECK_OK(send_number(s, FULL, i, 0));
}

/* The linker shall have found what the victim needs. */
static void try_all(void)
{
    static struct scene scratch;
    uint64_t n;

    pawl_participants_init(table_of(&scratch), SLOTS);
    pawl_stream_init(&scratch.stream);
    CHECK_OK(send_number(&scratch, LONG, 1, 0));
    CHECK_OK(receive_into(&scratch, scratch.got, &n, 0));
    CHECK_ERR(receive_into(&scratch, scratch.got, &n, 0), -ETIMEDOUT);
    CHECK_OK(send_number(&scratch, SHORT, 1, 0));
    CHECK_ERR(receive_into(&scratch, scratch.got, &n, pawl_after_us(1)), 0);
    CHECK_ERR(receive_into(&scratch, scratch.got, &n, pawl_after_us(1)),
              -ETIMEDOUT);
    (void)!send(links[0], "", 1, MSG_DONTWAIT | MSG_NOSIGNAL);
    pawl_stream_wake_all(&scratch.stream);
    (void)pawl_futex_wake(&scratch.uses, 1, true, PAWL_CHANNEL_ANY);
}

static void warm(void *object)
{
    struct scene *s = object;
    uint32_t me = joined(table_of(s));
    struct pawl_lane l = lane_of(s, plan.receives);

    try_all();
    if (s->has_victim)
        return;
    s->has_victim = true;
    CHECK_ERR(pawl_lane_await(&l, me, 0), plan.receives ? 0 : -ETIMEDOUT);
    (void)pawl_participant_alive(table_of(s), me);
    pawl_lane_use(&l, me);
}

static void victim(void *object)
{
    struct scene *s = object;

    s->err = plan.receives ? receive_into(s, s->got, &s->n, 0)
                           : send_number(s, plan.bytes, 1, 0);
    s->returned = true;
}

static void heir_sends(void *object)
{
    struct scene *s = object;

    CHECK_OK(send_number(s, plan.bytes, 2, 0));
    s->heir_returned = true;
}

static void heir_receives(void *object)
{
    struct scene *s = object;
    int cuts = 0;

    (void)next_number(s, &cuts);
    s->heir_returned = true;
}

/* Somebody at the other end, who waits. */
static void sleep_there(void *object)
{
    struct scene *s = object;

    s->sleepers_err = plan.receives
                          ? send_number(s, FULL, 4, soon())
                          : receive_into(s, s->slept, &s->slept_n, soon());
}

static void armed(void *object)
{
    if (plan.sleeper)
        sleeper_start(sleep_there, object);
}

/* ---- what the others find ------------------------------------------------------------ */

/* The victim's message, or a report that it was cut, or nothing; then theirs. */
static void check_sent(struct scene *s)
{
    int cuts = 0;
    unsigned char number;

    if (plan.others_send_first)
        CHECK_OK(send_number(s, SHORT, 2, soon()));
    number = next_number(s, &cuts);
    CHECK(cuts <= (plan.bytes == LONG));
    if (s->returned) {
        CHECK_OK(s->err);
        CHECK_EQ(cuts, 0);
        CHECK_EQ(number, 1);
    }
    if (number == 1) {
        CHECK_EQ(cuts, 0);
        number = next_number(s, &cuts);
        CHECK_EQ(cuts, 0);
    }
    CHECK_EQ(number, plan.others_send_first ? 2 : 0);
    CHECK_OK(send_number(s, LONG, 3, soon()));
    CHECK_EQ(next_number(s, &cuts), 3);
    CHECK_EQ(next_number(s, &cuts), 0);
}

/* The sleeper has it, or a report, or waits: then what comes next is for it. */
static void check_sleeping_receiver(struct scene *s)
{
    int cuts = 0;
    unsigned char number;

    CHECK_OK(send_number(s, SHORT, 2, soon()));
    sleeper_join();
    if (s->sleepers_err == -ECONNRESET) {
        CHECK(plan.bytes == LONG && !s->returned);
        CHECK_EQ(next_number(s, &cuts), 2);
        return;
    }
    CHECK_OK(s->sleepers_err);
    number = number_of(s->slept, s->slept_n);
    CHECK(number == 1 || !s->returned);
    CHECK_EQ(next_number(s, &cuts), number == 1 ? 2 : 0);
    CHECK_EQ(cuts, 0);
}

static void check_sleeping_sender(struct scene *s)
{
    int cuts = 0;
    unsigned char number = next_number(s, &cuts);

    CHECK(number == 1 || number == 2);
    CHECK(number == 2 || !s->returned);
    if (number == 1)
        CHECK_EQ(next_number(s, &cuts), 2);
    CHECK_EQ(next_number(s, &cuts), 3);
    sleeper_join();
    CHECK_OK(s->sleepers_err);
    CHECK_EQ(next_number(s, &cuts), 4);
    CHECK_EQ(cuts, 0);
}

static void check_received(struct scene *s)
{
    int cuts = 0;
    unsigned char number = next_number(s, &cuts);

    if (s->returned) {
        CHECK_OK(s->err);
        CHECK_EQ(number_of(s->got, s->n), 1);
    }
    CHECK(number == 2 || (number == 1 && !s->returned));
    if (number == 1)
        CHECK_EQ(next_number(s, &cuts), 2);
    CHECK_EQ(next_number(s, &cuts), 0);
    CHECK_OK(send_number(s, LONG, 3, soon()));
    CHECK_EQ(next_number(s, &cuts), 3);
    CHECK_EQ(cuts, 0);
}

/* Two senders: of each its message, or a report that it was cut, or nothing. */
static void check_two_sent(struct scene *s)
{
    int cuts = 0;
    unsigned char number = next_number(s, &cuts);

    CHECK(number == 1 || !s->returned);
    if (number == 1)
        number = next_number(s, &cuts);
    CHECK(number == 2 || (number == 0 && !s->heir_returned));
    CHECK(cuts <= !s->returned + !s->heir_returned);
    if (number == 2)
        CHECK_EQ(next_number(s, &cuts), 0);
}

/* A sender, or a receiver, and a receiver: what is left of messages 1 and 2. */
static void check_two_received(struct scene *s)
{
    int cuts = 0;
    unsigned char number = next_number(s, &cuts);

    CHECK(number <= (plan.receives ? 2 : 1));
    if (number == 1)
        number = next_number(s, &cuts);
    CHECK(number == 0 || (number == 2 && plan.receives));
    CHECK(cuts <= !plan.receives);
}

static void check_two(struct scene *s)
{
    int cuts = 0;

    if (plan.heir == heir_sends)
        check_two_sent(s);
    else
        check_two_received(s);
    CHECK_OK(send_number(s, LONG, 3, soon()));
    CHECK_EQ(next_number(s, &cuts), 3);
    CHECK_EQ(next_number(s, &cuts), 0);
    CHECK_EQ(cuts, 0);
}

static void others(void *object)
{
    struct scene *s = object;
    uint64_t n;
    unsigned char bytes[MOST];

    if (plan.mode == SWEEP_THAW) {
        /* It stands where it is: tries do not wait for it. */
        int err = send_number(s, 10, 9, 0);

        CHECK(err == 0 || err == -ETIMEDOUT);
        err = receive_into(s, bytes, &n, 0);
        CHECK(err == 0 || err == -ETIMEDOUT);
        CHECK(err != 0 || number_of(bytes, n) > 0);
    } else if (plan.heir != NULL) {
        check_two(s);
    } else if (plan.sleeper && plan.receives) {
        check_sleeping_sender(s);
    } else if (plan.sleeper) {
        check_sleeping_receiver(s);
    } else if (plan.receives) {
        check_received(s);
    } else {
        check_sent(s);
    }
}

/* The victim has finished, after the others. */
static void after(void *object)
{
    struct scene *s = object;
    int cuts = 0;

    CHECK(s->returned);
    CHECK(s->err == 0 || s->err == -ETIMEDOUT);
    while (next_number(s, &cuts) != 0)
        ;
    CHECK_EQ(cuts, 0);
    CHECK_OK(send_number(s, LONG, 3, 0));
    CHECK_EQ(next_number(s, &cuts), 3);
}

static void sweep_it(const char *name, enum sweep_mode mode)
{
    const struct sweep_case c = {
        .name = name,
        .size = sizeof(struct scene),
        .prepare = prepare,
        .warm = warm,
        .armed = armed,
        .victim = victim,
        .second = plan.heir,
        .others = others,
        .after = after,
        .leftovers = true, /* their lifelines lie in memory that is wiped */
        .budget = 100000,
    };

    TEST_TIMEOUT(300);
    spin_for("0");
    CHECK(socketpair(AF_UNIX, SOCK_STREAM, 0, links) == 0);
    plan.mode = mode;
    sweep(&c, mode);
}

TEST(pipe.send_killed_anywhere)
{
    plan.bytes = SHORT;
    sweep_it("send", SWEEP_KILL);
}

TEST(pipe.send_in_pieces_killed_anywhere)
{
    plan.bytes = LONG;
    sweep_it("send, in pieces", SWEEP_KILL);
}

TEST(pipe.send_in_pieces_killed_before_another_sends)
{
    plan.bytes = LONG;
    plan.others_send_first = true;
    sweep_it("send, in pieces, and another sends", SWEEP_KILL);
}

TEST(pipe.send_to_a_sleeper_killed_anywhere)
{
    plan.bytes = SHORT;
    plan.sleeper = true;
    sweep_it("send, to a sleeper", SWEEP_KILL);
}

TEST(pipe.send_in_pieces_to_a_sleeper_killed_anywhere)
{
    plan.bytes = LONG;
    plan.sleeper = true;
    sweep_it("send, in pieces, to a sleeper", SWEEP_KILL);
}

TEST(pipe.receive_killed_anywhere)
{
    plan.bytes = SHORT;
    plan.receives = true;
    sweep_it("receive", SWEEP_KILL);
}

TEST(pipe.receive_of_pieces_killed_anywhere)
{
    plan.bytes = LONG;
    plan.receives = true;
    sweep_it("receive, of pieces", SWEEP_KILL);
}

TEST(pipe.receive_from_a_sleeper_killed_anywhere)
{
    plan.bytes = FULL;
    plan.receives = true;
    plan.sleeper = true;
    sweep_it("receive, from a sleeper", SWEEP_KILL);
}

TEST(pipe.send_stopped_anywhere)
{
    plan.bytes = LONG;
    sweep_it("send, in pieces", SWEEP_THAW);
}

TEST(pipe.receive_stopped_anywhere)
{
    plan.bytes = LONG;
    plan.receives = true;
    sweep_it("receive, of pieces", SWEEP_THAW);
}

/* After a sender that dies another sends, or somebody receives, and dies; after a
 * receiver, another receiver. */

TEST(pipe.two_senders_killed_anywhere)
{
    plan.bytes = LONG / 2;
    plan.heir = heir_sends;
    sweep_it("send and send, two victims", SWEEP_KILL);
}

TEST(pipe.a_sender_and_a_receiver_killed_anywhere)
{
    plan.bytes = LONG;
    plan.heir = heir_receives;
    sweep_it("send and receive, two victims", SWEEP_KILL);
}

TEST(pipe.two_receivers_killed_anywhere)
{
    plan.bytes = SHORT;
    plan.receives = true;
    plan.heir = heir_receives;
    sweep_it("receive and receive, two victims", SWEEP_KILL);
}

/* ---- by the public calls ---------------------------------------------------------------- */

/* A connection that all have inherited: it goes on from point to point. */
static pawl_pipe *ends[2];

/* Messages that are there, whole; what was cut is reported once. */
static void drain(void)
{
    unsigned char bytes[MOST];
    size_t n;
    int cuts = 0;
    int err;

    while ((err = pawl_pipe_try_recv(ends[1], bytes, sizeof bytes, &n)) == 0 ||
           err == -ECONNRESET) {
        if (err == 0)
            CHECK_EQ(number_of(bytes, n), n);
        else
            cuts++;
    }
    CHECK_ERR(err, -EAGAIN);
    CHECK(cuts <= 1);
}

static void calls_prepare(void *object)
{
    (void)object;
    drain();
}

/* Messages of n bytes n. */
static void calls_send(unsigned char n, bool tries)
{
    unsigned char bytes[MOST];

    memset(bytes, n, sizeof bytes);
    CHECK_OK(tries ? pawl_pipe_try_send(ends[0], bytes, n)
                   : pawl_pipe_send_until(ends[0], bytes, n, soon()));
}

static void calls_victim(void *object)
{
    unsigned char bytes[MOST];
    pawl_wait_item item = pawl_pipe_wait_item(ends[1]);
    pawl_pipe *copy;
    size_t n;

    (void)object;
    calls_send(SHORT, false);
    CHECK_OK(pawl_pipe_try_poll(ends[1]));
    CHECK_OK(pawl_wait_any_until(&item, 1, soon(), NULL));
    CHECK_OK(pawl_pipe_try_size(ends[1], &n));
    CHECK_OK(pawl_pipe_recv(ends[1], bytes, sizeof bytes, &n));
    CHECK_EQ(n, SHORT);
    calls_send(FULL, true);
    CHECK_OK(pawl_pipe_poll(ends[1]));
    CHECK_OK(pawl_pipe_dup(&copy, ends[1]));
    CHECK_OK(pawl_pipe_try_recv(copy, bytes, sizeof bytes, &n));
    CHECK_EQ(n, FULL);
    CHECK_OK(pawl_pipe_close(copy));
    pawl_pipe_free(copy);
}

/* Nothing is torn of what was sent, and what is sent now is received. */
static void calls_use(void *object)
{
    unsigned char bytes[MOST];
    size_t n;

    (void)object;
    drain();
    for (unsigned char i = 1; i < MOST; i += 50) {
        calls_send(i, false);
        CHECK_OK(
            pawl_pipe_recv_until(ends[1], bytes, sizeof bytes, &n, soon()));
        CHECK(n == i && number_of(bytes, n) == i);
    }
    CHECK_ERR(pawl_pipe_try_recv(ends[1], bytes, sizeof bytes, &n), -EAGAIN);
}

TEST(pipe.calls_killed_anywhere)
{
    static const struct sweep_case c = {.name = "connection, all calls",
                                        .size = 1,
                                        .prepare = calls_prepare,
                                        .warm = calls_victim,
                                        .victim = calls_victim,
                                        .others = calls_use,
                                        .leftovers = true};

    TEST_TIMEOUT(300);
    spin_for("0");
    CHECK_OK(pawl_pipe_create(ends, NULL));
    sweep(&c, SWEEP_KILL);
    pawl_pipe_free(ends[0]);
    pawl_pipe_free(ends[1]);
}
