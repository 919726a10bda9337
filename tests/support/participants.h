/* SPDX-License-Identifier: MIT
 *
 * tests/support/participants.h - a table of participants without a region, and
 * threads that take part for as long as they are told.
 */
#ifndef PAWL_TEST_PARTICIPANTS_H
#define PAWL_TEST_PARTICIPANTS_H

#include <pawl/event.h>

#include "futex/lifeline.h"
#include "test.h"

typedef struct pawl_participants participants;

static inline participants *participants_make(uint32_t slots)
{
    participants *t = test_shared_alloc(pawl_participants_bytes(slots));

    pawl_participants_init(t, slots);
    return t;
}

static inline uint32_t joined(participants *t)
{
    int id = pawl_participants_join(t);

    CHECK(id > 0);
    return (uint32_t)id;
}

/* Whether the kernel can watch a lifeline beside a word: one has to try. */
static inline bool can_watch_two(void)
{
    pawl_u32 word = {1};
    const struct pawl_watch differs = {.word = &word, .shared = true};

    return pawl_futex_can_wait_any() &&
           pawl_futex_wait_any(&differs, 1, PAWL_FOREVER) != -ENOSYS;
}

/* A thread that has joined. */
struct participant {
    participants *table;
    struct test_thread *thread;
    int id; /* what join returned */
    pawl_event has_joined;
    pawl_event may_end;
};

static inline void participant_main_(void *arg)
{
    struct participant *p = arg;

    p->id = pawl_participants_join(p->table);
    pawl_event_set(&p->has_joined);
    CHECK_OK(pawl_event_wait(&p->may_end));
}

static inline void participant_begins(struct participant *p, participants *t)
{
    *p = (struct participant){.table = t};
    p->thread = test_thread(participant_main_, p);
    CHECK_OK(pawl_event_wait(&p->has_joined));
}

static inline void participant_ends(struct participant *p)
{
    pawl_event_set(&p->may_end);
    test_join(p->thread);
}

#endif /* PAWL_TEST_PARTICIPANTS_H */
