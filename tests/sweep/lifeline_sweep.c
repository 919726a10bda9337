/* SPDX-License-Identifier: MIT
 *
 * lifeline_sweep.c - R-10: a process killed at any instruction of taking a slot,
 * of giving it back, or of repairing another's, costs no slot; what it noted is
 * repaired before the slot is used again; and those who know its id know that it
 * is dead.
 */
#include <string.h>

#include "participants.h"
#include "sweep.h"

enum { SLOTS = 2, NOTED = 77 };

struct scene {
    _Alignas(128) unsigned char table[128 + SLOTS * sizeof(struct pawl_slot)];
    uint32_t id;       /* the victim's */
    uint32_t other;    /* of one that has died */
    uint32_t repaired; /* times that a note was found */
};

static participants *table_of(struct scene *s)
{
    return (participants *)(void *)s->table;
}

static struct scene *scene_of(participants *t)
{
    return pawl_container_of((unsigned char *)t, struct scene, table);
}

/* Removes the note first, as something that may be done once only would. */
static void repair(participants *t, uint32_t slot)
{
    if (t->slot[slot].note[0].v_ != NOTED)
        return;
    scene_of(t)->repaired++;
    t->slot[slot].note[0].v_ = 0;
}

static void prepare(void *object)
{
    struct scene *s = object;

    pawl_repair_with(PAWL_REPAIR_HEAP, repair);
    CHECK(sizeof s->table >= pawl_participants_bytes(SLOTS));
    pawl_participants_init(table_of(s), SLOTS);
    joined(table_of(s));
}

static void note_and_end(void *object)
{
    struct scene *s = object;

    s->other = joined(table_of(s));
    table_of(s)->slot[s->other & PAWL_SLOT_MASK].note[0].v_ = NOTED;
}

static void prepare_with_a_dead_one(void *object)
{
    prepare(object);
    test_join(test_thread(note_and_end, object));
}

static void take_the_slot(void *object)
{
    struct scene *s = object;
    uint32_t id = joined(table_of(s));

    CHECK(id != s->id && id != s->other);
    CHECK(pawl_participant_alive(table_of(s), id));
    CHECK_EQ(table_of(s)->slot[id & PAWL_SLOT_MASK].note[0].v_, 0);
    CHECK_EQ(pawl_participants_living(table_of(s)), SLOTS);
}

static void others(void *object)
{
    struct scene *s = object;
    participants *t = table_of(s);

    CHECK(s->id == 0 || !pawl_participant_alive(t, s->id));
    CHECK(s->other == 0 || !pawl_participant_alive(t, s->other));
    CHECK_EQ(pawl_participants_living(t), 1);
    pawl_participants_recover(t);
    CHECK_EQ(pawl_participants_recover(t), 0);
    test_join(test_thread(take_the_slot, s));
    test_join(test_thread(take_the_slot, s));
    /* The repair of the dead one's note may have been killed behind its count,
     * which this repair cannot undo: then it was made twice. */
    CHECK(s->other == 0 || s->repaired == 1 || s->repaired == 2);
}

static void others_at_once(void *object)
{
    struct scene *s = object;

    test_join(test_thread(take_the_slot, s));
    others(object);
}

static void warm(void *object)
{
    struct scene *s = object;

    pawl_repair_with(PAWL_REPAIR_HEAP, repair);
    joined(table_of(s));
    CHECK_OK(pawl_participants_leave(table_of(s)));
    s->id = 0;
}

/* Without touching the slot of the dead one. */
static void warm_elsewhere(void *object)
{
    struct scene *s = object;

    pawl_repair_with(PAWL_REPAIR_HEAP, repair);
    (void)pawl_participants_recover(participants_make(1));
    joined(participants_make(1));
    s->id = 0;
}

static void victim_joins(void *object)
{
    struct scene *s = object;

    s->id = joined(table_of(s));
}

static void victim_leaves(void *object)
{
    CHECK_OK(pawl_participants_leave(table_of(object)));
}

static void warm_and_join(void *object)
{
    warm(object);
    victim_joins(object);
    table_of(object)
        ->slot[scene_of(table_of(object))->id & PAWL_SLOT_MASK]
        .note[0]
        .v_ = NOTED;
}

static void victim_recovers(void *object)
{
    CHECK_EQ(pawl_participants_recover(table_of(object)), 1);
}

static void sweep_each(struct sweep_case c, sweep_fn with)
{
    TEST_TIMEOUT(300);
    c.size = sizeof(struct scene);
    c.leftovers = true; /* lifelines of the others, in memory that is wiped */
    c.budget = 100000;
    c.others = with;
    sweep(&c, SWEEP_KILL);
}

TEST(lifeline.join_killed_anywhere)
{
    sweep_each((struct sweep_case){.name = "join",
                                   .prepare = prepare,
                                   .warm = warm,
                                   .victim = victim_joins},
               others);
}

TEST(lifeline.join_of_a_dead_ones_slot_killed_anywhere)
{
    sweep_each((struct sweep_case){.name = "join, with a repair",
                                   .prepare = prepare_with_a_dead_one,
                                   .warm = warm_elsewhere,
                                   .victim = victim_joins},
               others_at_once);
}

TEST(lifeline.leave_killed_anywhere)
{
    sweep_each((struct sweep_case){.name = "leave",
                                   .prepare = prepare,
                                   .warm = warm_and_join,
                                   .victim = victim_leaves},
               others_at_once);
}

TEST(lifeline.recover_killed_anywhere)
{
    sweep_each((struct sweep_case){.name = "recover",
                                   .prepare = prepare_with_a_dead_one,
                                   .warm = warm_elsewhere,
                                   .victim = victim_recovers},
               others);
}
