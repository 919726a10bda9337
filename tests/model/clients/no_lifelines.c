/* SPDX-License-Identifier: MIT
 *
 * no_lifelines.c - clients have no regions, so nobody takes part in one: what locks
 * ask of lifeline.h there is never reached.
 */
#include <stdlib.h>

#include "futex/lifeline.h"

_Thread_local struct pawl_participant_self pawl_participant_self_;

bool pawl_participant_alive(const struct pawl_participants *t, uint32_t id)
{
    (void)t;
    (void)id;
    abort();
}

uint32_t pawl_participant_in(const struct pawl_participants *t, uint32_t slot)
{
    (void)t;
    (void)slot;
    abort();
}

uint32_t pawl_participant_tid(const struct pawl_participants *t, uint32_t id)
{
    (void)t;
    (void)id;
    abort();
}

int pawl_participants_join(struct pawl_participants *t)
{
    (void)t;
    abort();
}

uint32_t pawl_participants_me(struct pawl_participants *t)
{
    (void)t;
    abort();
}

int pawl_participants_leave(struct pawl_participants *t)
{
    (void)t;
    abort();
}

int pawl_participant_watch(struct pawl_participants *t, uint32_t id,
                           struct pawl_watch *watch)
{
    (void)t;
    (void)id;
    (void)watch;
    abort();
}

void pawl_participant_buried(struct pawl_participants *t, uint32_t id)
{
    (void)t;
    (void)id;
    abort();
}

bool pawl_participant_bury(struct pawl_participants *t, uint32_t id)
{
    (void)t;
    (void)id;
    abort();
}

bool pawl_census_begin(struct pawl_participants *t, uint32_t me,
                       const void *object)
{
    (void)t;
    (void)me;
    (void)object;
    abort();
}

void pawl_census_end(struct pawl_participants *t, const void *object)
{
    (void)t;
    (void)object;
    abort();
}

int pawl_participant_sleep(const struct pawl_watch *watch, size_t n,
                           pawl_deadline until)
{
    (void)watch;
    (void)n;
    (void)until;
    abort();
}

void pawl_participant_lies_down(const pawl_u32 *word)
{
    (void)word;
    abort();
}

void pawl_participant_gets_up(void)
{
    abort();
}

void pawl_repair_with(enum pawl_repair_kind kind, pawl_repair_fn fn)
{
    (void)kind;
    (void)fn;
    abort();
}
