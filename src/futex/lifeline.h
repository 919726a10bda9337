/* SPDX-License-Identifier: MIT
 *
 * lifeline.h - the threads that take part in a shared region, and which of them
 * are dead.
 *
 * A region has a table of slots.  A thread takes one when it first uses the
 * region.  In it lies its lifeline: a robust mutex of libc, shared between
 * processes, that the thread holds for as long as it lives.  When it ends, by
 * SIGKILL or by execve too, the kernel marks the word of the mutex and wakes a
 * sleeper.  docs/owner-death.md tells the whole story.
 *
 *   lifeline     31        30     29                                0
 *               +---------+------+-----------------------------------+
 *               | WAITERS | DIED |  the kernel's thread id, 0: nobody |
 *               +---------+------+-----------------------------------+
 *
 *   id           31      30     29 ............. 12   11 ......... 0
 *               +-------+-------+------------------+----------------+
 *               | ENDED | CLEAN |    generation    |      slot      |
 *               +-------+-------+------------------+----------------+
 *
 *   slot state   id                lifeline    leaves it by
 *   NEW          0                 0           join -> CLAIMED
 *   ALIVE        id                tid         death -> DEAD; leave -> CLAIMED
 *   DEAD         id                DIED        anybody who looks -> ENDED
 *   ENDED        id, ENDED         DIED or 0   join, recover -> CLAIMED
 *   CLAIMED      id, ENDED         tid         repaired -> CLEAN, or ALIVE with
 *                                              the next generation; death -> ENDED
 *   CLEAN        id, ENDED, CLEAN  0           join -> CLAIMED
 *
 * A slot is used again only after what its last thread held is repaired.
 *
 * No id is a kernel's thread id, which are below 2^22: the kernel, asked to look at
 * a lock's word when a thread ends, must not find that thread there.  So a slot has
 * 2^18 - 2^10 generations, and an id comes back after that many threads in one
 * slot: what was abandoned under that id, and not looked at since, would be taken
 * for held by its namesake.
 */
#ifndef PAWL_FUTEX_LIFELINE_H
#define PAWL_FUTEX_LIFELINE_H

#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <pawl/base.h>

#include "atomic/ops.h"
#include "base/compiler.h"
#include "futex/sys.h"

#define PAWL_SLOT_ENDED (UINT32_C(1) << 31)
#define PAWL_SLOT_BITS 12
#define PAWL_SLOTS_MAX (UINT32_C(1) << PAWL_SLOT_BITS)
#define PAWL_SLOT_MASK (PAWL_SLOTS_MAX - 1)

/* Words of a slot in which its thread notes what it is in the middle of, for
 * those who repair.  Whoever keeps such notes has a range of its own. */
enum {
    PAWL_NOTE_HEAP = 0,   /* process/heap.c: up to 19 words */
    PAWL_NOTE_MARK = 19,  /* the mark left in a lock: mutex.c, rwlock.c */
    PAWL_NOTE_WAIT = 20,  /* the condition waited for: cond.c; 2 words */
    PAWL_NOTE_READS = 22, /* locks held for reading: rwlock.c */
    PAWL_READS = 16,
    PAWL_NOTE_PERMITS = PAWL_NOTE_READS + PAWL_READS, /* waited for: sem.c */
    PAWL_NOTE_FREE, /* not used, up to the end */
    PAWL_NOTES = 54,
};

struct pawl_slot {
    union {
        pthread_mutex_t mutex;
        pawl_u32 word;
        unsigned char room[48]; /* it is larger on some machines */
    } lifeline;
    pawl_u32 id;
    pawl_u32 tid; /* as it stands in the lifeline of the thread `id` */
    pawl_u32 pid;
    pawl_u32 bell; /* changes when something is handed to the thread */
    pawl_u64 key;  /* by which the thread knows its slot again */
    uint64_t home; /* where this is for who holds the lifeline, as he took it */
    pawl_u64 note[PAWL_NOTES];
} __attribute__((aligned(2 * PAWL_CACHE_LINE)));

/* Objects share a word that says who takes a census. */
enum { PAWL_CENSUSES = 16 };

struct pawl_participants {
    uint32_t slots;  /* constant */
    pawl_u32 cursor; /* where the last search began: a hint */
    pawl_u32 census[PAWL_CENSUSES]; /* id of who takes one, 0: nobody */
    struct pawl_slot slot[];
};

/* The bytes of a table of 1 to PAWL_SLOTS_MAX slots. */
static inline size_t pawl_participants_bytes(uint32_t slots)
{
    return sizeof(struct pawl_participants) + slots * sizeof(struct pawl_slot);
}

/* Make a table in zeroed memory. */
void pawl_participants_init(struct pawl_participants *t, uint32_t slots);

/* -- The caller ------------------------------------------------------------- */

/* What the calling thread remembers.  A seat says where to look first, and may
 * be wrong. */
enum { PAWL_SEATS = 4 };

struct pawl_participant_self {
    uint64_t key; /* random; 0: none yet */
    struct {
        const struct pawl_participants *table;
        uint32_t slot;
    } seat[PAWL_SEATS];
};

extern _Thread_local struct pawl_participant_self pawl_participant_self_;

static inline size_t pawl_participants_place_(const struct pawl_participants *t)
{
    return ((uintptr_t)t >> 12) % PAWL_SEATS;
}

/* The id in a slot if it is the caller's, else 0. */
static inline uint32_t pawl_participant_mine_(const struct pawl_slot *s)
{
    /* relaxed: our own stores, or not our key. */
    uint32_t id = pawl_load_relaxed(&s->id);

    return (id & PAWL_SLOT_ENDED) == 0 && id != 0 &&
                   pawl_load64_relaxed(&s->key) == pawl_participant_self_.key
               ? id
               : 0;
}

/* The caller's id, if it is where the caller's seat says, else 0. */
static inline uint32_t
pawl_participants_seated(const struct pawl_participants *t)
{
    const struct pawl_participant_self *me = &pawl_participant_self_;
    size_t n = pawl_participants_place_(t);

    return pawl_likely(me->seat[n].table == t && me->seat[n].slot < t->slots)
               ? pawl_participant_mine_(&t->slot[me->seat[n].slot])
               : 0;
}

/* Find the caller's slot, or take one, after repairing what its last owner left.
 * While others repair, and nothing else is free, it waits for them.
 *
 * Returns    the caller's id, > 0;  -EAGAIN all slots are taken by threads that
 *            live;  -ENOMEM libc is out of memory.
 */
PAWL_COLD int pawl_participants_join(struct pawl_participants *t);

/* The caller's id, 0 if it has no slot. */
uint32_t pawl_participants_me(struct pawl_participants *t);

/* Give the caller's slot back, with what it holds.  Returns 0;  -ENOENT it has
 * none. */
int pawl_participants_leave(struct pawl_participants *t);

/* -- Others ------------------------------------------------------------------ */

/* Whether the thread `id` can still act.  False is final. */
bool pawl_participant_alive(const struct pawl_participants *t, uint32_t id);

/* The living thread in a slot; 0 if there is none. */
uint32_t pawl_participant_in(const struct pawl_participants *t, uint32_t slot);

/* The kernel's id of the thread `id`; 0 if it is dead. */
uint32_t pawl_participant_tid(const struct pawl_participants *t, uint32_t id);

/* Whether a thread of this process that lives has a slot there. */
bool pawl_participants_here(const struct pawl_participants *t);

/* How many live. */
uint32_t pawl_participants_living(const struct pawl_participants *t);

/* Have *watch tell of the death of `id`: a sleep on it, together with what else
 * is waited for, ends then.  Only one of those who sleep on a lifeline is woken
 * by the kernel, so whoever finds `id` dead calls pawl_participant_buried.
 *
 * Returns    0;  -EOWNERDEAD it is dead.
 */
int pawl_participant_watch(struct pawl_participants *t, uint32_t id,
                           struct pawl_watch *watch);

/* Wake the others who watch `id`. */
void pawl_participant_buried(struct pawl_participants *t, uint32_t id);

/* After a sleep that watched `id`: if it is dead, wake the others, one of whom the
 * dead may have owed a wake.  Returns whether it is. */
bool pawl_participant_bury(struct pawl_participants *t, uint32_t id);

/* Sleep on words that participants change, lifelines among them, for a while at
 * most: what is left is a wake that died with one who had it, which nobody's
 * lifeline tells.  Where the kernel cannot watch several words, on the first one,
 * for a shorter while.
 *
 * Returns    as pawl_futex_wait_any;  -EINTR also when it is time to look again.
 */
int pawl_participant_sleep(const struct pawl_watch *watch, size_t n,
                           pawl_deadline until);

/* Who corrects a count by what the notes of the living say, does so alone: else it
 * could act on the count as it was before another had corrected it.  The caller, whose
 * id is `me`, is the one until pawl_census_end, or until it dies.
 *
 * Returns    whether it is; if not, another is, after some yields too, for this object
 *            or for one that shares its word.
 */
bool pawl_census_begin(struct pawl_participants *t, uint32_t me,
                       const void *object);
void pawl_census_end(struct pawl_participants *t, const void *object);

/* The caller is about to sleep on the word of a lock, or has.  If it is killed in
 * between, having been woken, the kernel wakes one more, provided that bits 0 to 29
 * of the word are 0 then: nobody holds the lock. */
void pawl_participant_lies_down(const pawl_u32 *word);
void pawl_participant_gets_up(void);

/* -- Repairs ------------------------------------------------------------------ */

/* Undo, or complete, what the dead thread of a slot left half done: its notes say
 * what.  Called with the slot CLAIMED, so by one at a time; may be killed and
 * called again. */
typedef void (*pawl_repair_fn)(struct pawl_participants *t, uint32_t slot);

enum pawl_repair_kind {
    PAWL_REPAIR_HEAP,
    PAWL_REPAIR_LOCKS,
    PAWL_REPAIR_COUNTS, /* of what has no owner */
    PAWL_REPAIR_KINDS
};

/* Each process says, before it uses a table, how it repairs. */
void pawl_repair_with(enum pawl_repair_kind kind, pawl_repair_fn fn);

/* Repair what the dead have left, and wait for those who do.  When it returns, what
 * was dead at the call is repaired.  Not in a repair.  Returns how many slots became
 * free by that. */
int pawl_participants_recover(struct pawl_participants *t);

#endif /* PAWL_FUTEX_LIFELINE_H */
