/* SPDX-License-Identifier: MIT
 *
 * The library's own lifeline.c and realm.c, and what they call of libc and of the
 * kernel: robust mutexes.
 *
 * A robust mutex is what futex(2) and get_robust_list(2) say of it.  Its word is the
 * id of the thread that has it.  When that thread ends the kernel puts DIED there
 * instead, in one step, and wakes one that sleeps on it in another if WAITERS is
 * set.  After that it looks at the word that list_op_pending leads to, and wakes one
 * if nobody's id is in it.  A mutex is in its holder's list as soon as it is taken.
 */
#include <linux/futex.h>
#include <pthread.h>
#include <sys/random.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "machine.h"
#include "region.h"

static int robust_trylock(pthread_mutex_t *mutex);
static int robust_unlock(pthread_mutex_t *mutex);
static int robust_consistent(pthread_mutex_t *mutex);
static ssize_t get_key_of_thread(void *to, size_t size, unsigned flags);

#define pthread_mutex_trylock robust_trylock
#define pthread_mutex_unlock robust_unlock
#define pthread_mutex_consistent robust_consistent
#define getrandom get_key_of_thread
#define syscall model_syscall

#include "futex/lifeline.c"
#include "futex/realm.c"

#undef syscall

/* -- libc ---------------------------------------------------------------------- */

static struct robust_list_head lists[MODEL_THREADS];
static pawl_u32 *lifelines[MODEL_THREADS]; /* what is in them: one at most */

static uint32_t my_tid(void)
{
    return (uint32_t)model_syscall(SYS_gettid);
}

static int robust_trylock(pthread_mutex_t *mutex)
{
    pawl_u32 *word = (pawl_u32 *)(void *)mutex;
    uint32_t seen = pawl_load_relaxed(word);

    do {
        if ((seen & FUTEX_TID_MASK) != 0)
            return EBUSY;
    } while (!pawl_cas_acquire(word, &seen, my_tid() | (seen & FUTEX_WAITERS)));
    if (lifelines[model_self()] != NULL)
        model_fail("machine: a thread has two robust mutexes");
    lifelines[model_self()] = word;
    return (seen & FUTEX_OWNER_DIED) != 0 ? EOWNERDEAD : 0;
}

static int robust_consistent(pthread_mutex_t *mutex)
{
    (void)mutex;
    return 0;
}

static int robust_unlock(pthread_mutex_t *mutex)
{
    pawl_u32 *word = (pawl_u32 *)(void *)mutex;

    lifelines[model_self()] = NULL;
    if ((pawl_swap_release(word, 0) & FUTEX_WAITERS) != 0)
        pawl_futex_wake(word, 1, true, PAWL_CHANNEL_ANY);
    return 0;
}

static ssize_t get_key_of_thread(void *to, size_t size, unsigned flags)
{
    uint64_t key = my_tid();

    (void)flags;
    memcpy(to, &key, size);
    return (ssize_t)size;
}

/* -- The kernel ------------------------------------------------------------------ */

struct robust_list_head *model_robust_list(uint32_t thread)
{
    return &lists[thread];
}

void model_robust_exit(void)
{
    uint32_t me = (uint32_t)model_self();
    pawl_u32 *word = lifelines[me];
    const char *pending = (const void *)lists[me].list_op_pending;

    if (word != NULL) {
        /* It keeps WAITERS.  The kernel's own compare-and-swap is in order with all
         * that the thread did. */
        uint32_t seen = pawl_add_acq_rel(word, FUTEX_OWNER_DIED - my_tid());

        if ((seen & FUTEX_TID_MASK) != my_tid())
            model_fail("the kernel does not find its thread in the lifeline");
        if ((seen & FUTEX_WAITERS) != 0)
            pawl_futex_wake(word, 1, true, PAWL_CHANNEL_ANY);
    }
    if (pending != NULL) {
        uint32_t seen;

        word = (pawl_u32 *)(uintptr_t)(pending + lists[me].futex_offset);
        seen = model_kernel_value(word);
        if ((seen & FUTEX_TID_MASK) == my_tid())
            model_fail("a lock names its holder as the kernel does");
        if ((seen & FUTEX_TID_MASK) == 0)
            pawl_futex_wake(word, 1, true, PAWL_CHANNEL_ANY);
    }
}

/* -- The region of a scenario ------------------------------------------------------ */

static struct pawl_realm realm;
static const unsigned watcher = MODEL_THREADS - 1; /* who looks at the end */

static void restore(void)
{
    realms = NULL;
    memset(&list_lock, 0, sizeof list_lock);
    memset(&pawl_realm_changes_, 0, sizeof pawl_realm_changes_);
    memset(repairs, 0, sizeof repairs);
    memset(lists, 0, sizeof lists);
    memset(lifelines, 0, sizeof lifelines);
}

MODEL_RESTORED_BY(restore)

static void join(void)
{
    struct pawl_participants *t;
    uint32_t id;

    pawl_participant_self_ = (struct pawl_participant_self){0};
    pawl_self_.near = (struct pawl_near){0};
    CHECK_OK(pawl_realm_join(realm.table, &t, &id));
}

static void name_words(uint32_t i, struct pawl_slot *s)
{
    static const char *const fields[] = {
        "lifeline", "bell", "mark", "reads", "waits", "ticket", "permits"};
    static char names[MODEL_REGION_SLOTS + 1][7][24];
    const void *words[] = {
        &s->lifeline.word,          &s->bell,
        &s->note[PAWL_NOTE_MARK],   &s->note[PAWL_NOTE_READS],
        &s->note[PAWL_NOTE_WAIT],   &s->note[PAWL_NOTE_WAIT + 1],
        &s->note[PAWL_NOTE_PERMITS]};

    for (int k = 0; k < 7; k++) {
        snprintf(names[i][k], sizeof names[i][k], "slot%u.%s", i, fields[k]);
        model_name(words[k], 4, names[i][k]);
    }
}

/* What nobody changes while the threads run, if none takes a slot or is repaired:
 * not a point of the schedule, and a race if somebody does. */
static void guard_constants(struct pawl_slot *s)
{
    model_guarded(&s->id, offsetof(struct pawl_slot, bell) -
                              offsetof(struct pawl_slot, id));
    model_guarded(&s->key, offsetof(struct pawl_slot, note) -
                               offsetof(struct pawl_slot, key));
    model_guarded(s->note, PAWL_NOTE_MARK * sizeof *s->note);
    model_guarded(&s->note[PAWL_NOTE_READS + 1],
                  (PAWL_READS - 1) * sizeof *s->note);
}

void model_region(void *memory, size_t bytes)
{
    struct pawl_participants *t = memory;
    uint32_t threads = (uint32_t)model_threads();

    if (threads > MODEL_REGION_SLOTS)
        model_fail("machine: too many threads for a region");
    pawl_participants_init(t, threads + 1);
    realm = (struct pawl_realm){
        .base = (uintptr_t)memory, .bytes = bytes, .table = t};
    pawl_realm_begin(&realm);
    for (uint32_t i = 0; i < threads; i++)
        model_as(i, join);
    model_as(watcher, join);
    MODEL_GUARDED(pawl_realm_changes_);
    for (uint32_t i = 0; i <= threads; i++) {
        name_words(i, &t->slot[i]);
        guard_constants(&t->slot[i]);
    }
    /* He does nothing, and does not die. */
    model_guarded(&t->slot[threads], sizeof t->slot[threads]);
}

void model_region_at_end(void (*check)(void))
{
    model_as(watcher, check);
}

bool model_region_died(int thread)
{
    const struct pawl_slot *s = &realm.table->slot[thread];

    model_looks();
    return (model_value_of(&s->lifeline.word) & FUTEX_OWNER_DIED) != 0;
}

void model_region_await_death(int thread)
{
    const struct pawl_slot *s = &realm.table->slot[thread];

    while ((pawl_load_acquire(&s->lifeline.word) & FUTEX_OWNER_DIED) == 0)
        model_yield();
}
