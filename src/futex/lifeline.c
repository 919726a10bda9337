/* SPDX-License-Identifier: MIT
 *
 * lifeline.c - slots and lifelines, drawn in lifeline.h.
 *
 * I1  A thread has the lifeline of the slot whose `id` (not ENDED) and `key` are
 *     its own, until it ends or leaves.
 * I2  Nobody takes a lifeline before ENDED stands in the id that he found dead.
 * I3  Whoever holds a lifeline that is not his own alone changes the slot and
 *     its notes.
 * I4  A generation begins after what the one before held was repaired.
 *
 * That "dead" is final rests on the thread id in the lifeline, which is not that
 * in slot->tid when another than the slot's own thread has it, and on I2, since
 * thread ids are used again, and in several PID namespaces at a time.  (Who is slow
 * between ENDED and taking the lifeline may get that of a later thread, of which
 * nobody has said yet that it is dead.  Only if both have the same thread id, in
 * two namespaces, would that one pass for alive until its slot is repaired.)
 */
#include "futex/lifeline.h"

#include <errno.h>
#include <linux/futex.h>
#include <sched.h>
#include <sys/random.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "atomic/ops.h"
#include "base/check.h"
#include "base/tsan.h"
#include "futex/self.h"

#if !defined(__GLIBC__)
#    error "where does this libc keep the futex of a pthread_mutex_t?"
#endif
_Static_assert(offsetof(pthread_mutex_t, __data.__lock) == 0,
               "pawl_slot.lifeline.word is the futex of the mutex");
_Static_assert(sizeof(pthread_mutex_t) <= 48, "there is room for the mutex");
_Static_assert(sizeof(struct pawl_slot) == 512, "the layout is fixed");

#define ENDED PAWL_SLOT_ENDED
#define CLEAN (UINT32_C(1) << 30)
#define GENERATIONS (UINT32_C(1) << (PAWL_ID_BITS - PAWL_SLOT_BITS))
/* The kernel's thread ids are below that of the first one. */
#define FIRST_GENERATION (UINT32_C(1) << (22 - PAWL_SLOT_BITS))

/* The longest sleep without a look. */
#define LOOK_AGAIN_MS 50
/* The same where the kernel cannot watch a lifeline beside the word. */
#define LOOK_OFTEN_MS 2
/* How often one yields to another's census. */
#define CENSUS_YIELDS 8

_Thread_local struct pawl_participant_self pawl_participant_self_;

static pawl_u64 repairs[PAWL_REPAIR_KINDS]; /* addresses of functions, or 0 */

void pawl_participants_init(struct pawl_participants *t, uint32_t slots)
{
    pthread_mutexattr_t attr;

    t->slots = slots;
    pthread_mutexattr_init(&attr);
    pthread_mutexattr_setpshared(&attr, PTHREAD_PROCESS_SHARED);
    pthread_mutexattr_setrobust(&attr, PTHREAD_MUTEX_ROBUST);
    for (uint32_t i = 0; i < slots; i++)
        pthread_mutex_init(&t->slot[i].lifeline.mutex, &attr);
    pthread_mutexattr_destroy(&attr);
}

/* -- Who is alive ------------------------------------------------------------ */

static struct pawl_slot *slot_of(const struct pawl_participants *t, uint32_t id)
{
    uint32_t slot = id & PAWL_SLOT_MASK;

    return slot < t->slots ? (struct pawl_slot *)(uintptr_t)&t->slot[slot]
                           : NULL;
}

/* Whether the thread `id` has ended, by what the slot says.  An older generation
 * means nothing: an id may be seen in a lock before it is seen in its slot, for
 * locks are not taken with release. */
static bool is_over(uint32_t seen, uint32_t id)
{
    uint32_t late =
        ((seen & PAWL_ID_MASK) >> PAWL_SLOT_BITS) - (id >> PAWL_SLOT_BITS);

    late &= GENERATIONS - 1;
    return late == 0 ? (seen & ENDED) != 0 : late < GENERATIONS / 2;
}

static uint32_t holder_of(const struct pawl_slot *s)
{
    /* acquire: pairs with the kernel's mark: what the thread did is visible. */
    return pawl_load_acquire(&s->lifeline.word) & FUTEX_TID_MASK;
}

bool pawl_participant_alive(const struct pawl_participants *t, uint32_t id)
{
    const struct pawl_slot *s = slot_of(t, id);
    uint32_t seen;
    uint32_t holder;
    uint32_t tid;

    if (s == NULL)
        return false;
    /* acquire: pairs with the release in begin_life, for the tid; and with that
     * in end_life, for all that the thread did. */
    seen = pawl_load_acquire(&s->id);
    if (seen != id)
        return !is_over(seen, id);
    holder = holder_of(s);
    /* acquire: keeps the look below behind this one. */
    tid = pawl_load_acquire(&s->tid);
    /* If the id is still there then the tid was its own.  relaxed: ordered by the
     * acquire before. */
    if (pawl_load_relaxed(&s->id) != id)
        return pawl_participant_alive(t, id);
    return holder == tid;
}

uint32_t pawl_participant_in(const struct pawl_participants *t, uint32_t slot)
{
    uint32_t id;

    if (slot >= t->slots)
        return 0;
    /* acquire: pairs with the release in begin_life. */
    id = pawl_load_acquire(&t->slot[slot].id);
    return id != 0 && (id & ENDED) == 0 && pawl_participant_alive(t, id) ? id
                                                                         : 0;
}

uint32_t pawl_participant_tid(const struct pawl_participants *t, uint32_t id)
{
    const struct pawl_slot *s = slot_of(t, id);
    /* acquire: pairs with the release in begin_life; keeps the look behind. */
    uint32_t tid = s != NULL ? pawl_load_acquire(&s->tid) : 0;

    return pawl_participant_alive(t, id) ? tid : 0;
}

bool pawl_participants_here(const struct pawl_participants *t)
{
    uint32_t pid = (uint32_t)getpid();

    for (uint32_t i = 0; i < t->slots; i++) {
        const struct pawl_slot *s = &t->slot[i];

        /* relaxed: of a thread of ours, which others do not change. */
        if (pawl_load_relaxed(&s->pid) == pid && holder_of(s) != 0)
            return true;
    }
    return false;
}

uint32_t pawl_participants_living(const struct pawl_participants *t)
{
    uint32_t n = 0;

    for (uint32_t i = 0; i < t->slots; i++)
        n += pawl_participant_in(t, i) != 0;
    return n;
}

/* Have *watch tell when whoever holds a lifeline dies or lets go of it.  False:
 * nobody does. */
static bool watch_lifeline(struct pawl_slot *s, struct pawl_watch *watch)
{
    /* relaxed: publishes nothing; the kernel compares once more. */
    uint32_t seen = pawl_load_relaxed(&s->lifeline.word);

    do {
        if ((seen & FUTEX_TID_MASK) == 0)
            return false;
        /* relaxed: as above. */
    } while (!pawl_cas_relaxed(&s->lifeline.word, &seen, seen | FUTEX_WAITERS));
    *watch = (struct pawl_watch){.word = &s->lifeline.word,
                                 .expected = seen | FUTEX_WAITERS,
                                 .shared = true};
    return true;
}

int pawl_participant_watch(struct pawl_participants *t, uint32_t id,
                           struct pawl_watch *watch)
{
    struct pawl_slot *s = slot_of(t, id);

    if (s == NULL || !watch_lifeline(s, watch))
        return -EOWNERDEAD;
    /* Whose lifeline was that?  Once it is found alive, the kernel's comparison
     * fails if it dies. */
    return pawl_participant_alive(t, id) ? 0 : -EOWNERDEAD;
}

void pawl_participant_buried(struct pawl_participants *t, uint32_t id)
{
    struct pawl_slot *s = slot_of(t, id);

    if (s != NULL)
        pawl_futex_wake(&s->lifeline.word, PAWL_WAKE_ALL, true,
                        PAWL_CHANNEL_ANY);
}

bool pawl_participant_bury(struct pawl_participants *t, uint32_t id)
{
    struct pawl_watch unused;

    /* By a compare-and-swap of the lifeline: what the kernel has marked before it
     * woke us is seen. */
    if (pawl_participant_watch(t, id, &unused) == 0)
        return false;
    pawl_participant_buried(t, id);
    return true;
}

int pawl_participant_sleep(const struct pawl_watch *watch, size_t n,
                           pawl_deadline until)
{
    bool can = pawl_futex_can_wait_any();
    pawl_deadline look_at = pawl_after_ms(can ? LOOK_AGAIN_MS : LOOK_OFTEN_MS);
    pawl_deadline end = look_at < until ? look_at : until;
    int err = can ? pawl_futex_wait_any(watch, n, end) : -ENOSYS;

    if (err == -ENOSYS)
        err = pawl_futex_wait(watch[0].word, watch[0].expected, end,
                              watch[0].shared, PAWL_CHANNEL_ANY);
    return err == -ETIMEDOUT && end != until && !pawl_self_.interrupted ? -EINTR
                                                                        : err;
}

static pawl_u32 *census_of(struct pawl_participants *t, const void *object)
{
    return &t->census[((uintptr_t)object - (uintptr_t)t) / 16 % PAWL_CENSUSES];
}

bool pawl_census_begin(struct pawl_participants *t, uint32_t me,
                       const void *object)
{
    pawl_u32 *who = census_of(t, object);

    for (int i = 0; i < CENSUS_YIELDS; i++) {
        uint32_t seen = pawl_load_relaxed(who); /* relaxed: the CAS decides */

        /* acquire: pairs with pawl_census_end, and with the look at the lifeline of
         * one that died: our look at the count is behind its correction. */
        if ((seen == 0 || !pawl_participant_alive(t, seen)) &&
            pawl_cas_acquire(who, &seen, me))
            return true;
        sched_yield();
    }
    return false;
}

void pawl_census_end(struct pawl_participants *t, const void *object)
{
    /* release: pairs with pawl_census_begin. */
    pawl_store_release(census_of(t, object), 0);
}

/* The list of robust mutexes that libc keeps for the calling thread.  Of it only
 * list_op_pending is touched: libc uses it inside a call about a robust mutex, where
 * we are not. */
static _Thread_local struct robust_list_head *list_;

static PAWL_COLD bool find_list(void)
{
    size_t size;
    int saved = errno;

    if (syscall(SYS_get_robust_list, 0, &list_, &size) != 0)
        list_ = NULL; /* refused: do without */
    errno = saved;
    return list_ != NULL;
}

static void set_pending(void *at)
{
    pawl_order_for_signals();
    *(void *volatile *)&list_->list_op_pending = at;
    pawl_order_for_signals();
}

void pawl_participant_lies_down(const pawl_u32 *word)
{
    if (list_ != NULL || find_list())
        set_pending((void *)((uintptr_t)word - (uintptr_t)list_->futex_offset));
}

void pawl_participant_gets_up(void)
{
    if (list_ != NULL)
        set_pending(NULL);
}

/* -- Taking a slot ------------------------------------------------------------ */

void pawl_repair_with(enum pawl_repair_kind kind, pawl_repair_fn fn)
{
    /* relaxed: the same value whoever stores it, before the table is used. */
    pawl_store64_relaxed(&repairs[kind], (uintptr_t)fn);
}

/* What is said of a slot by who holds its lifeline, to those who wait for it too:
 * see await_change. */
static void set_id(struct pawl_slot *s, uint32_t id)
{
    /* release: pairs with the loads of `id`: what the one before held is repaired,
     * and who the next one is. */
    pawl_store_release(&s->id, id);
    pawl_futex_wake(&s->id, PAWL_WAKE_ALL, true, PAWL_CHANNEL_ANY);
}

static void repair(struct pawl_participants *t, struct pawl_slot *s)
{
    /* relaxed: ours, while we hold the lifeline (I3). */
    uint32_t id = pawl_load_relaxed(&s->id);

    for (int i = 0; i < PAWL_REPAIR_KINDS && (id & CLEAN) == 0; i++) {
        /* relaxed: see pawl_repair_with. */
        uint64_t fn = pawl_load64_relaxed(&repairs[i]);

        if (fn != 0)
            ((pawl_repair_fn)(uintptr_t)fn)(t, (uint32_t)(s - t->slot));
    }
    set_id(s, id | ENDED | CLEAN);
}

/* Take the lifeline of a slot that no living thread has (I2).  False: somebody
 * has it. */
static bool claim(struct pawl_slot *s)
{
    /* acquire: pairs with the release in begin_life: if the id is seen then the
     * lifeline is seen held by that thread, or later. */
    uint32_t seen = pawl_load_acquire(&s->id);
    int err;

    if (holder_of(s) != 0)
        return false;
    /* release: pairs with pawl_participant_alive: the thread that had it has
     * ended, and what it did is visible to us (holder_of). */
    if (seen != 0 && (seen & ENDED) == 0 &&
        !pawl_cas_release(&s->id, &seen, seen | ENDED))
        return false;
    err = pthread_mutex_trylock(&s->lifeline.mutex);
    if (err == EBUSY)
        return false;
    if (err == EOWNERDEAD)
        err = pthread_mutex_consistent(&s->lifeline.mutex);
    PAWL_CHECK(err == 0, s, "a lifeline that can neither be held nor taken");
    pawl_tsan_hides(&s->lifeline.mutex);
    s->home = (uintptr_t)s;
    return true;
}

/* Whether somebody who holds the lifeline of a slot is not its thread: he repairs
 * or begins.  *seen is what the id was. */
static bool is_changing(const struct pawl_participants *t,
                        const struct pawl_slot *s, uint32_t *seen)
{
    /* acquire: pairs with set_id. */
    *seen = pawl_load_acquire(&s->id);
    return *seen == 0 || (*seen & ENDED) != 0 ||
           !pawl_participant_alive(t, *seen);
}

/* Sleep until he is done with it, or dead. */
static void await_change(struct pawl_slot *s, uint32_t seen)
{
    struct pawl_watch watch[2] = {
        {.word = &s->id, .expected = seen, .shared = true}};
    uint32_t calm = pawl_uninterruptible_begin();

    if (watch_lifeline(s, &watch[1]))
        pawl_participant_sleep(watch, 2, PAWL_FOREVER);
    pawl_uninterruptible_end(calm);
}

/* Let go of a slot that was repaired.  At the address where it was taken, as libc and
 * ThreadSanitizer know it: the region may be mapped several times. */
static void release(struct pawl_slot *s)
{
    struct pawl_slot *home = (struct pawl_slot *)(uintptr_t)s->home;

    pawl_tsan_shows(&home->lifeline.mutex);
    pthread_mutex_unlock(&home->lifeline.mutex);
    pawl_futex_wake(&s->lifeline.word, PAWL_WAKE_ALL, true, PAWL_CHANNEL_ANY);
}

static int begin_life(struct pawl_participants *t, struct pawl_slot *s)
{
    struct pawl_participant_self *me = &pawl_participant_self_;
    uint32_t slot = (uint32_t)(s - t->slot);
    uint32_t generation;

    repair(t, s);
    /* relaxed: all ours (I3), and published by the release below. */
    generation = (pawl_load_relaxed(&s->id) & PAWL_ID_MASK) >> PAWL_SLOT_BITS;
    if (++generation < FIRST_GENERATION || generation >= GENERATIONS - 1)
        generation = FIRST_GENERATION;
    pawl_store_relaxed(&s->tid, holder_of(s));
    pawl_store_relaxed(&s->pid, (uint32_t)getpid()); /* relaxed: as above */
    pawl_store64_relaxed(&s->key, me->key);
    set_id(s, generation << PAWL_SLOT_BITS | slot);
    return (int)(generation << PAWL_SLOT_BITS | slot);
}

/* -- The caller --------------------------------------------------------------- */

/* In the child of a fork: the slots are those of the parent's thread. */
static void forget(void)
{
    pawl_participant_self_ = (struct pawl_participant_self){0};
    pawl_self_.near = (struct pawl_near){0};
    list_ = NULL;
}

static int get_key(void)
{
    static pawl_u32 prepared;
    struct pawl_participant_self *me = &pawl_participant_self_;

    /* relaxed: preparing twice does no harm. */
    if (pawl_load_relaxed(&prepared) == 0) {
        if (pthread_atfork(NULL, NULL, forget) != 0)
            return -ENOMEM;
        pawl_store_relaxed(&prepared, 1); /* relaxed: as above */
    }
    while (me->key == 0) {
        struct timespec now;

        if (getrandom(&me->key, sizeof me->key, GRND_NONBLOCK) ==
            (ssize_t)sizeof me->key)
            continue;
        /* Early at boot: no two threads of one machine have these in common. */
        clock_gettime(CLOCK_MONOTONIC, &now);
        me->key = (uint64_t)syscall(SYS_gettid) << 32 ^
                  (uint64_t)now.tv_sec << 30 ^ (uint64_t)now.tv_nsec;
    }
    return 0;
}

static void sit_down(const struct pawl_participants *t, uint32_t slot)
{
    size_t n = pawl_participants_place_(t);

    pawl_participant_self_.seat[n].table = t;
    pawl_participant_self_.seat[n].slot = slot;
}

/* The caller's slot; NULL if it has none.  It may have been taken through another
 * mapping. */
static struct pawl_slot *find_mine(struct pawl_participants *t)
{
    size_t n = pawl_participants_place_(t);

    if (pawl_participant_self_.key == 0)
        return NULL;
    if (pawl_participants_seated(t) != 0)
        return &t->slot[pawl_participant_self_.seat[n].slot];
    for (uint32_t i = 0; i < t->slots; i++) {
        if (pawl_participant_mine_(&t->slot[i]) != 0) {
            sit_down(t, i);
            return &t->slot[i];
        }
    }
    return NULL;
}

uint32_t pawl_participants_me(struct pawl_participants *t)
{
    struct pawl_slot *s = find_mine(t);

    return s != NULL ? pawl_participant_mine_(s) : 0;
}

/* Take the lifeline of a slot that has none; NULL if all have.  *changing is the
 * last one that may soon have none, and *seen its id; else NULL. */
static struct pawl_slot *claim_any(struct pawl_participants *t,
                                   struct pawl_slot **changing, uint32_t *seen)
{
    /* relaxed: only spreads the searches, so that ids come back late. */
    uint32_t start = pawl_add_relaxed(&t->cursor, 1);

    *changing = NULL;
    for (uint32_t i = 0; i < t->slots; i++) {
        struct pawl_slot *s = &t->slot[(start + i) % t->slots];
        uint32_t id;

        if (claim(s))
            return s;
        if (is_changing(t, s, &id)) {
            *changing = s;
            *seen = id;
        }
    }
    return NULL;
}

int pawl_participants_join(struct pawl_participants *t)
{
    struct pawl_slot *s = find_mine(t);
    struct pawl_slot *changing;
    uint32_t seen;
    int err;

    if (s != NULL)
        return (int)pawl_participant_mine_(s);
    err = get_key();
    if (err != 0)
        return err;
    while ((s = claim_any(t, &changing, &seen)) == NULL) {
        if (changing == NULL)
            return -EAGAIN;
        await_change(changing, seen);
    }
    sit_down(t, (uint32_t)(s - t->slot));
    return begin_life(t, s);
}

int pawl_participants_leave(struct pawl_participants *t)
{
    struct pawl_slot *s = find_mine(t);

    if (s == NULL)
        return -ENOENT;
    /* release: pairs with pawl_participant_alive: all that the thread did. */
    pawl_store_release(&s->id, pawl_participant_mine_(s) | ENDED);
    repair(t, s);
    release(s);
    pawl_self_.near = (struct pawl_near){0};
    return 0;
}

int pawl_participants_recover(struct pawl_participants *t)
{
    int n = 0;

    for (uint32_t i = 0; i < t->slots; i++) {
        struct pawl_slot *s = &t->slot[i];
        uint32_t seen;

        while (is_changing(t, s, &seen) && seen != 0 && (seen & CLEAN) == 0) {
            if (claim(s)) {
                repair(t, s);
                release(s);
                n++;
                break;
            }
            await_change(s, seen);
        }
    }
    return n;
}
