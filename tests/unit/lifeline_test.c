/* SPDX-License-Identifier: MIT
 *
 * lifeline_test.c - R-10: slots of threads, and what is known of their death.
 */
#include <stdatomic.h>
#include <unistd.h>

#include <pawl/error.h>

#include "crowd.h"
#include "participants.h"

TEST(lifeline.a_thread_keeps_its_id)
{
    participants *t = participants_make(2);
    uint32_t id = joined(t);

    CHECK_EQ(joined(t), id);
    CHECK(pawl_participant_alive(t, id));
    CHECK_EQ(pawl_participants_living(t), 1);
}

TEST(lifeline.more_tables_than_seats_change_no_id)
{
    enum { TABLES = 3 * PAWL_SEATS };
    participants *t[TABLES];
    uint32_t id[TABLES];

    for (int i = 0; i < TABLES; i++) {
        t[i] = participants_make(3);
        id[i] = joined(t[i]);
    }
    for (int i = 0; i < TABLES; i++) {
        CHECK_EQ(joined(t[i]), id[i]);
        CHECK_EQ(pawl_participants_living(t[i]), 1);
    }
}

TEST(lifeline.the_end_of_a_thread_is_seen)
{
    participants *t = participants_make(4);
    struct participant p;
    uint32_t id = joined(t);

    participant_begins(&p, t);
    CHECK(p.id > 0 && (uint32_t)p.id != id);
    CHECK(pawl_participant_alive(t, (uint32_t)p.id));
    CHECK_EQ(pawl_participants_living(t), 2);
    participant_ends(&p);
    CHECK(!pawl_participant_alive(t, (uint32_t)p.id));
    CHECK(pawl_participant_alive(t, id));
    CHECK_EQ(pawl_participants_living(t), 1);
}

TEST(lifeline.dead_stays_dead_when_its_slot_is_used_again)
{
    participants *t = participants_make(1);
    struct participant p;
    uint32_t last = 0;

    for (int i = 0; i < 20; i++) {
        participant_begins(&p, t);
        CHECK(p.id > 0);
        CHECK(last == 0 || !pawl_participant_alive(t, last));
        CHECK(pawl_participant_alive(t, (uint32_t)p.id));
        CHECK((uint32_t)p.id != last);
        participant_ends(&p);
        last = (uint32_t)p.id;
        CHECK(!pawl_participant_alive(t, last));
    }
}

TEST(lifeline.generations_begin_again)
{
    participants *t = participants_make(1);
    uint32_t last = (UINT32_C(1) << (30 - PAWL_SLOT_BITS)) - 2;
    uint32_t id = last << PAWL_SLOT_BITS;
    struct participant p;

    t->slot[0].id.v_ = id - (1u << PAWL_SLOT_BITS) + (UINT32_C(1) << 31);
    participant_begins(&p, t);
    CHECK_EQ(p.id, id);
    participant_ends(&p);
    participant_begins(&p, t);
    CHECK_EQ(p.id, 1 << 22); /* no thread id of the kernel's */
    CHECK(!pawl_participant_alive(t, id));
    participant_ends(&p);
}

TEST(lifeline.an_id_that_is_not_yet_in_its_slot_is_alive)
{
    participants *t = participants_make(1);
    uint32_t id = joined(t);

    CHECK(pawl_participant_alive(t, id + (1u << PAWL_SLOT_BITS)));
    CHECK(!pawl_participant_alive(t, 3)); /* there is no such slot */
}

TEST(lifeline.a_full_table_refuses_until_somebody_ends)
{
    participants *t = participants_make(3);
    struct participant p[3];
    struct participant late;

    for (int i = 0; i < 3; i++)
        participant_begins(&p[i], t);
    CHECK_ERR(pawl_participants_join(t), -EAGAIN);
    CHECK_EQ(pawl_participants_recover(t), 0);
    participant_ends(&p[1]);
    participant_begins(&late, t);
    CHECK(late.id > 0);
    CHECK((late.id & (int)PAWL_SLOT_MASK) == (p[1].id & (int)PAWL_SLOT_MASK));
    CHECK_ERR(pawl_participants_join(t), -EAGAIN);
    participant_ends(&late);
    participant_ends(&p[0]);
    participant_ends(&p[2]);
    CHECK(joined(t) > 0);
}

TEST(lifeline.who_leaves_is_dead_and_may_come_back)
{
    participants *t = participants_make(1);
    uint32_t id = joined(t);

    CHECK_OK(pawl_participants_leave(t));
    CHECK(!pawl_participant_alive(t, id));
    CHECK_ERR(pawl_participants_leave(t), -ENOENT);
    CHECK(joined(t) != id);
    CHECK(!pawl_participant_alive(t, id));
}

/* ---- repairs -------------------------------------------------------------- */

static int repaired;

static void note_repair(participants *t, uint32_t slot)
{
    repaired += t->slot[slot].note[5].v_ == 77;
    t->slot[slot].note[5].v_ = 0;
}

static void leave_a_note(void *arg)
{
    participants *t = arg;

    t->slot[joined(t) & PAWL_SLOT_MASK].note[5].v_ = 77;
}

TEST(lifeline.what_the_dead_left_is_repaired_once)
{
    participants *t = participants_make(2);

    pawl_repair_with(PAWL_REPAIR_HEAP, note_repair);
    test_join(test_thread(leave_a_note, t));
    CHECK_EQ(pawl_participants_recover(t), 1);
    CHECK_EQ(repaired, 1);
    CHECK_EQ(pawl_participants_recover(t), 0);
    CHECK_EQ(repaired, 1);
    /* By whoever needs the slot. */
    test_join(test_thread(leave_a_note, t));
    test_join(test_thread(leave_a_note, t));
    joined(t);
    joined(t);
    test_join(test_thread(leave_a_note, t));
    test_join(test_thread(leave_a_note, t));
    CHECK_EQ(pawl_participants_recover(t), 1);
    CHECK_EQ(repaired, 5);
    /* By who leaves. */
    leave_a_note(t);
    CHECK_OK(pawl_participants_leave(t));
    CHECK_EQ(repaired, 6);
}

/* Another thread has the lifeline of a dead one, as one that repairs has. */
TEST(lifeline.dead_stays_dead_while_others_hold_its_lifeline)
{
    participants *t = participants_make(1);
    struct participant p;

    participant_begins(&p, t);
    participant_ends(&p);
    CHECK_EQ(pthread_mutex_trylock(&t->slot[0].lifeline.mutex), EOWNERDEAD);
    CHECK(!pawl_participant_alive(t, (uint32_t)p.id));
    CHECK_ERR(
        pawl_participant_watch(t, (uint32_t)p.id, &(struct pawl_watch){0}),
        -EOWNERDEAD);
    CHECK_EQ(pthread_mutex_consistent(&t->slot[0].lifeline.mutex), 0);
    CHECK_EQ(pthread_mutex_unlock(&t->slot[0].lifeline.mutex), 0);
}

static uint32_t namesake;

static void look_at_namesake(participants *t, uint32_t slot)
{
    (void)slot;
    CHECK(!pawl_participant_alive(t, namesake));
    repaired++;
}

/* In another PID namespace the dead thread had the id that we have here. */
TEST(lifeline.dead_stays_dead_while_its_namesake_repairs)
{
    participants *t = participants_make(1);
    struct participant p;

    participant_begins(&p, t);
    participant_ends(&p);
    namesake = (uint32_t)p.id;
    t->slot[0].tid.v_ = (uint32_t)gettid();
    pawl_repair_with(PAWL_REPAIR_HEAP, look_at_namesake);
    CHECK(joined(t) != namesake);
    CHECK_EQ(repaired, 1);
    CHECK(!pawl_participant_alive(t, namesake));
    /* And who leaves is dead before its holdings are repaired. */
    namesake = joined(t);
    CHECK_OK(pawl_participants_leave(t));
    CHECK_EQ(repaired, 2);
}

struct repairing {
    participants *table;
    struct participant dead;
    int recovered;
    int joined;
};

static atomic_bool begun;
static atomic_bool may_end;

static void repair_slowly(participants *t, uint32_t slot)
{
    (void)t;
    (void)slot;
    atomic_store(&begun, true);
    while (!atomic_load(&may_end))
        sched_yield();
}

static void recover_it(void *arg)
{
    struct repairing *r = arg;

    CHECK_EQ(pawl_participants_recover(r->table), 1);
}

static void recover_too(void *arg)
{
    struct repairing *r = arg;

    r->recovered = pawl_participants_recover(r->table);
    CHECK(atomic_load(&may_end));
}

static void join_it(void *arg)
{
    struct repairing *r = arg;

    r->joined = pawl_participants_join(r->table);
    CHECK(atomic_load(&may_end));
}

/* Somebody repairs the slot of a dead one: then others wait for that. */
static struct test_thread *who_repairs(struct repairing *r)
{
    struct test_thread *it;

    participant_begins(&r->dead, r->table);
    participant_ends(&r->dead);
    pawl_repair_with(PAWL_REPAIR_HEAP, repair_slowly);
    it = test_thread(recover_it, r);
    while (!atomic_load(&begun))
        sched_yield();
    return it;
}

TEST(lifeline.recover_waits_for_others_who_repair)
{
    struct repairing r = {.table = participants_make(2), .recovered = -1};
    struct test_thread *it = who_repairs(&r);
    struct test_thread *other = test_thread(recover_too, &r);

    test_until_asleep(test_tid(other));
    CHECK_EQ(r.recovered, -1);
    atomic_store(&may_end, true);
    test_join(it);
    test_join(other);
    CHECK_EQ(r.recovered, 0);
}

TEST(lifeline.join_waits_for_a_slot_that_is_being_repaired)
{
    struct repairing r = {.table = participants_make(1)};
    struct test_thread *it = who_repairs(&r);
    struct test_thread *other = test_thread(join_it, &r);

    test_until_asleep(test_tid(other));
    CHECK_EQ(r.joined, 0);
    atomic_store(&may_end, true);
    test_join(it);
    test_join(other);
    CHECK(r.joined > 0);
}

/* ---- watching --------------------------------------------------------------- */

enum { WATCHERS = 4 };

struct watching {
    participants *table;
    struct participant watched;
    pawl_u32 never; /* changes */
    struct test_thread *threads[WATCHERS];
};

/* Sleep until it is dead, as a lock would. */
static void watch_it(void *arg)
{
    struct watching *w = arg;
    uint32_t id = (uint32_t)w->watched.id;
    struct pawl_watch watch[2] = {{.word = &w->never, .shared = true}};

    while (pawl_participant_watch(w->table, id, &watch[1]) == 0)
        CHECK(pawl_futex_wait_any(watch, 2, pawl_after_s(30)) != -ETIMEDOUT);
    CHECK(!pawl_participant_alive(w->table, id));
    pawl_participant_buried(w->table, id);
}

TEST(lifeline.death_wakes_all_who_watch)
{
    struct watching w = {.table = participants_make(2)};

    if (!can_watch_two())
        TEST_SKIP("no futex_waitv");
    participant_begins(&w.watched, w.table);
    for (int i = 0; i < WATCHERS; i++)
        w.threads[i] = test_thread(watch_it, &w);
    for (int i = 0; i < WATCHERS; i++)
        test_until_asleep(test_tid(w.threads[i]));
    participant_ends(&w.watched);
    for (int i = 0; i < WATCHERS; i++)
        test_join(w.threads[i]);
    CHECK_ERR(pawl_participant_watch(w.table, (uint32_t)w.watched.id,
                                     &(struct pawl_watch){0}),
              -EOWNERDEAD);
}

/* ---- many --------------------------------------------------------------------- */

struct rush {
    participants *table;
    atomic_int inside;
};

/* No slot has two owners. */
static void come_and_go(void *scene, int me)
{
    struct rush *r = scene;

    (void)me;
    for (int i = 0; i < test_iterations(2000); i++) {
        int id = pawl_participants_join(r->table);

        if (id == -EAGAIN) {
            sched_yield();
            continue;
        }
        CHECK(id > 0);
        CHECK(atomic_fetch_add(&r->inside, 1) < 3);
        CHECK(pawl_participant_alive(r->table, (uint32_t)id));
        atomic_fetch_sub(&r->inside, 1);
        CHECK_OK(pawl_participants_leave(r->table));
        CHECK(!pawl_participant_alive(r->table, (uint32_t)id));
    }
}

TEST(lifeline.no_slot_has_two_owners)
{
    struct rush r = {.table = participants_make(3)};

    crowd(6, come_and_go, &r);
    CHECK_EQ(pawl_participants_living(r.table), 0);
}
