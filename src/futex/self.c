/* SPDX-License-Identifier: MIT
 *
 * self.c - thread ids, the table of records, deaths and forks.
 *
 * A record belongs to the living thread whose id stands in it.  It is never
 * freed, so anybody may look at any record at any time.
 *
 * I1  record->id == x  =>  the thread with local id x has not ended.  Its
 *     generation never goes back, so whoever finds an older one there has not
 *     seen x arrive yet, though it has seen x in a lock: locks are not taken
 *     with release.
 * I2  A thread that ends marks its id first and looks for announcements then.
 * I3  record->cpu is valid memory while it is not 0, and until no record's
 *     `peeking` names this one.
 */
#include "futex/self.h"

#include <limits.h>
#include <pthread.h>
#include <sched.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>
#if defined(__has_include)
#if __has_include(<sys/rseq.h>)
#include <sys/rseq.h>
#define HAVE_RSEQ 1
#endif
#endif

#include "atomic/cpu.h"
#include "atomic/ops.h"
#include "base/tsan.h"
#include "futex/doorbell.h"
#include "futex/realm.h"
#include "futex/record.h"

#define SLOT_BITS 15
#define SLOTS (UINT32_C(1) << SLOT_BITS)
#define GENERATIONS (UINT32_C(1) << 14) /* 0 is not used: an id is never 0 */
#define NO_RECORD (UINT32_C(1) << 29)
/* Smaller where few threads are to come to the end of them. */
#ifndef CHUNK
#    define CHUNK 1024
#    define FIRST_WINDOW 64
#endif

/* Marks beside the id of the thread that had the record last: it has ended, and
 * the record is being filled in for the next. */
#define ENDED (UINT32_C(1) << 31)
#define CLAIMED (UINT32_C(1) << 30)

/* An id may be seen in a lock before it is in its record: so many generations
 * late at most.  Any delay is one of nanoseconds. */
#define LATE_GENERATIONS 64

_Thread_local struct pawl_self pawl_self_;
uint32_t pawl_fork_count_;
pawl_u32 pawl_walking_;

static struct pawl_record first_chunk[CHUNK];
static pawl_u64 chunks[SLOTS / CHUNK]; /* addresses; [0] is first_chunk */
static pawl_u32 cursor;                /* where the last search began */
static pawl_u32 window_;               /* slots in rotation, less FIRST_WINDOW */
static pawl_u32 key_plus_1;            /* the pthread key, once made */
static pawl_u32 forks_watched;         /* the process that knows it was forked;
                                          0: no handler is installed yet */
static pawl_u32 ends;                  /* swapped by every thread that ends */

/* Who looks through the table, having ended (or withdrawn its CPU number: see
 * pawl_thread_is_here), must find everybody who has not seen that.
 *
 *   user of a new record            dying thread
 *   the table has grown   (G)       says that one ended  (E)
 *   announces itself      (A)       looks at the table   (R)
 *   looks who has ended   (F)       looks at records     (D)
 *
 * All are seq_cst, and G, if another thread did it, is acquired by the claim of
 * the record: if F misses E, then G comes before R. */
static uint32_t window(void)
{
    /* seq_cst: R, pairs with the growth in claim. */
    return pawl_load_seq(&window_) + FIRST_WINDOW;
}

/* The record of a slot; NULL if its chunk does not exist (and cannot be made,
 * if `create`). */
static struct pawl_record *record_at(uint32_t slot, bool create)
{
    pawl_u64 *place = &chunks[slot / CHUNK];
    uint64_t chunk;
    void *fresh;

    if (pawl_likely(slot < CHUNK))
        return &first_chunk[slot];
    /* seq_cst: R, pairs with the compare-and-swap below; the chunk is zeroed. */
    chunk = pawl_load64_seq(place);
    if (chunk == 0 && create) {
        fresh = mmap(NULL, CHUNK * sizeof(struct pawl_record),
                     PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        if (fresh == MAP_FAILED)
            return NULL;
        /* seq_cst: G, pairs with the load above. */
        if (!pawl_cas64_seq(place, &chunk, (uintptr_t)fresh))
            munmap(fresh, CHUNK * sizeof(struct pawl_record));
        chunk = pawl_load64_seq(place); /* seq_cst: as above */
    }
    if (chunk == 0)
        return NULL;
    return (struct pawl_record *)(uintptr_t)chunk + slot % CHUNK;
}

struct pawl_record *pawl_record_of(uint32_t local_id)
{
    if ((local_id & NO_RECORD) != 0)
        return NULL;
    return record_at(local_id & (SLOTS - 1), false);
}

static bool is_free(uint32_t id)
{
    return id == 0 || (id & (ENDED | CLAIMED)) == ENDED;
}

/* -- Death ------------------------------------------------------------- */

/* After this nobody reads our thread-local storage through `r`. */
static void withdraw_cpu(struct pawl_record *r)
{
    /* seq_cst: pairs with pawl_thread_is_here, drawn there. */
    pawl_swap64_seq(&r->cpu, 0);
    for (uint32_t i = 0; i < window(); i++) {
        struct pawl_record *other = record_at(i, false);

        if (other == NULL)
            continue;
        /* seq_cst: pairs with the swap of `peeking` there. */
        while (pawl_load64_seq(&other->peeking) == (uintptr_t)r)
            sched_yield(); /* a few instructions, unless preempted */
    }
}

static void bury_holdings(uint32_t id)
{
    for (uint32_t i = 0; i < window(); i++) {
        struct pawl_record *r = record_at(i, false);
        uint64_t seen = 0;
        uint64_t bury;
        void *object;

        if (r != NULL)
            /* seq_cst: D of the drawing in self.h. */
            seen = pawl_load64_seq(&r->waiting);
        /* acquire: pairs with the swap in pawl_wait_begins, for `bury`. */
        while (seen != 0 &&
               ((seen & PAWL_PINNED) != 0 ||
                !pawl_cas64_acquire(&r->waiting, &seen, seen | PAWL_PINNED))) {
            if ((seen & PAWL_PINNED) != 0)
                sched_yield(); /* another thread dies too, or walks */
            /* relaxed: the CAS acquires; what is announced after D sees E. */
            seen = pawl_load64_relaxed(&r->waiting);
        }
        if (seen == 0)
            continue;
        object = pawl_announced(seen);
        /* relaxed: ordered by the pin. */
        bury = pawl_load64_relaxed(&r->bury);
        pawl_tsan_signalling(object, true);
        ((pawl_bury_fn)(uintptr_t)bury)(object, id);
        pawl_tsan_signalling(object, false);
        /* release: pairs with pawl_wait_ends: we are done with the object. */
        pawl_store64_release(&r->waiting, seen);
    }
}

/* The thread with our record and id is dead. */
static void die(struct pawl_record *r, uint32_t id)
{
    pawl_tsan_thread_ends();
    pawl_cond_flush_deferred();
    pawl_self_.record = NULL;
    /* What still runs in this thread has an id without a record. */
    pawl_self_.local_id = NO_RECORD | pawl_self_shared();
    /* release: pairs with pawl_thread_alive, for all that the thread did; C of
     * the drawing in self.h. */
    pawl_store_release(&r->id, id | ENDED);
    pawl_swap_seq(&ends, 1); /* seq_cst: E of the drawing */
    bury_holdings(id);
}

/* The key's destructor.  The first time round only the CPU number is withdrawn,
 * so that destructors of other keys may still use locks; the second time the
 * thread is dead. */
static void thread_ends(void *round)
{
    struct pawl_record *r = pawl_self_.record;
    /* relaxed: made before this thread had a value for it. */
    pthread_key_t key = pawl_load_relaxed(&key_plus_1) - 1;

    if (r == NULL)
        return;
    if (round == (void *)1) {
        withdraw_cpu(r);
        if (pthread_setspecific(key, (void *)2) == 0)
            return;
    }
    die(r, pawl_self_.local_id);
}

void pawl_self_ends(bool goes_on)
{
    struct pawl_record *r = pawl_self_.record;

    pawl_self_.actions = 0;
    pawl_self_.interruptible = 0;
    if (r != NULL) {
        withdraw_cpu(r);
        die(r, pawl_self_.local_id);
    }
    if (goes_on) {
        pawl_realm_leave_all(); /* no death tells of it */
        pawl_self_.local_id = 0;
    } else {
        pawl_self_.local_id = NO_RECORD | pawl_self_shared();
    }
}

/* -- Forks ------------------------------------------------------------- */

static uint32_t own_pid(void)
{
    return (uint32_t)getpid();
}

/* In the child only the calling thread is left.  Nothing here can race. */
static void child_begins(void)
{
    struct pawl_record *me = pawl_self_.record;

    pawl_fork_count_++;
    pawl_doorbells_forget();
    pawl_store_relaxed(&forks_watched, own_pid()); /* relaxed: alone */
    for (uint32_t i = 0; i < window(); i++) {
        struct pawl_record *r = record_at(i, false);

        if (r == NULL)
            continue;
        /* relaxed: alone. */
        pawl_store64_relaxed(&r->waiting, 0);
        pawl_store64_relaxed(&r->peeking, 0);
        pawl_store64_relaxed(&r->line, 0);
        r->is_walked = false;
        if (r != me) {
            uint32_t id = pawl_load_relaxed(&r->id); /* relaxed: alone */

            if (!is_free(id))
                pawl_tsan_muted_ = true;
            pawl_store64_relaxed(&r->cpu, 0); /* relaxed: alone */
            if (id != 0)
                pawl_store_relaxed(&r->id, (id | ENDED) & ~CLAIMED);
        }
    }
    pawl_store_relaxed(&pawl_walking_, 0); /* relaxed: alone */
    pawl_self_.shared_id = 0;
    pawl_self_.near = (struct pawl_near){0};
    pawl_self_.deferred.mutex = NULL;
    if (me != NULL)
        pawl_store_relaxed(&me->tid, pawl_self_shared()); /* relaxed: alone */
}

/* -- Birth ------------------------------------------------------------- */

/* Install the fork handler.  Two threads that meet here install it twice, which
 * does no harm. */
static bool watch_forks(void)
{
    /* relaxed: our own store, or another thread's whose call has returned. */
    if (pawl_load_relaxed(&forks_watched) != 0)
        return true;
    if (pthread_atfork(NULL, NULL, child_begins) != 0)
        return false;
    pawl_store_relaxed(&forks_watched, own_pid()); /* relaxed: as above */
    return true;
}

/* libc chooses what to run in the child when a fork begins; if another thread
 * has used pawl for the first time after that, our handler is not among it.  Then
 * the thread that forked is a stranger here, and this is its first use. */
static void notice_missed_fork(void)
{
    /* relaxed: as in watch_forks. */
    uint32_t pid = pawl_load_relaxed(&forks_watched);

    if (pid != 0 && pid != own_pid())
        child_begins();
}

/* The key whose destructor notices the end of a thread, plus 1; 0 if there is
 * none to be had.  Made at the first use, after the fork handler: without that
 * there is no key, and without a key no record, so no fork finds a record
 * without the handler. */
static uint32_t key(void)
{
    pthread_key_t made;
    /* relaxed: the key itself is libc's, which orders its use. */
    uint32_t seen = pawl_load_relaxed(&key_plus_1);

    if (seen != 0 || !watch_forks() ||
        pthread_key_create(&made, thread_ends) != 0)
        return seen;
    /* relaxed: as above. */
    if (pawl_cas_relaxed(&key_plus_1, &seen, made + 1))
        return made + 1;
    pthread_key_delete(made);
    return seen;
}

static uintptr_t own_cpu_address(void)
{
#ifdef HAVE_RSEQ
    char *thread;

    if (__rseq_size == 0)
        return 0; /* libc did not register it */
#if defined(__x86_64__)
    thread = (char *)pthread_self(); /* glibc: the thread pointer */
#else
    thread = __builtin_thread_pointer();
#endif
    return (uintptr_t)(thread + __rseq_offset +
                       offsetof(struct rseq, cpu_id));
#else
    return 0;
#endif
}

static uint32_t own_tid(void)
{
    if (pawl_self_.shared_id == 0)
        pawl_self_.shared_id = (uint32_t)syscall(SYS_gettid);
    return pawl_self_.shared_id;
}

/* Make a claimed record ours. */
static uint32_t fill(struct pawl_record *r, uint32_t slot)
{
    uint32_t generation = r->generation + 1;
    uint32_t id;

    if (generation == GENERATIONS)
        generation = 1;
    r->generation = generation;
    id = generation << SLOT_BITS | slot;
    /* relaxed: all published by the release below. */
    pawl_store_relaxed(&r->tid, own_tid());
    pawl_store64_relaxed(&r->cpu, own_cpu_address());
    /* release: pairs with the acquire loads of `id`. */
    pawl_store_release(&r->id, id);
    pawl_self_.record = r;
    pawl_self_.local_id = id;
    return id;
}

/* A free record in the rotation, claimed; NULL if there is none. */
static struct pawl_record *claim(uint32_t *slot)
{
    for (;;) {
        uint32_t slots = window();
        uint32_t grown = slots - FIRST_WINDOW;
        /* relaxed: only spreads the searches. */
        uint32_t start = pawl_add_relaxed(&cursor, 1);

        for (uint32_t i = 0; i < slots; i++) {
            struct pawl_record *r;
            uint32_t seen;

            *slot = (start + i) % slots;
            r = record_at(*slot, true);
            if (r == NULL)
                return NULL;
            /* relaxed: a hint.  acquire: pairs with the end of the dead thread;
             * we overwrite what the dead thread wrote. */
            seen = pawl_load_relaxed(&r->id);
            if (is_free(seen) &&
                pawl_cas_acquire(&r->id, &seen, seen | CLAIMED))
                return r;
        }
        if (slots >= SLOTS)
            return NULL;
        /* seq_cst: G, pairs with window().  If it fails, somebody else has grown
         * it, which the next look acquires. */
        pawl_cas_seq(&window_, &grown, 2 * slots - FIRST_WINDOW);
    }
}

uint32_t pawl_self_register_local(void)
{
    uint32_t k = key();
    uint32_t slot = 0;
    struct pawl_record *r = NULL;

    notice_missed_fork();
    if (k != 0 && pthread_setspecific(k - 1, (void *)1) == 0)
        r = claim(&slot);
    if (r != NULL)
        return fill(r, slot);
    pawl_self_.local_id = NO_RECORD | own_tid();
    return pawl_self_.local_id;
}

uint32_t pawl_self_register_shared(void)
{
    key(); /* for the fork handler, which forgets what is cached here */
    if (pawl_tsan_on())
        pawl_self_local(); /* a record, so that it knows of us */
    return own_tid();
}

/* -- Questions about others --------------------------------------------- */

/* Whether the thread `id` has ended, by what its record says. */
static bool is_over(uint32_t seen, uint32_t id)
{
    uint32_t late = (id >> SLOT_BITS) - (seen >> SLOT_BITS);

    if (seen == id)
        return false;
    /* Otherwise it, or one after it, has ended. */
    late &= GENERATIONS - 1;
    return late == 0 || late > LATE_GENERATIONS;
}

bool pawl_thread_alive(uint32_t local_id)
{
    const struct pawl_record *r;

    if (local_id >= PAWL_ID_SPECIAL || (local_id & NO_RECORD) != 0)
        return true;
    r = pawl_record_of(local_id);
    /* No chunk yet: as with an older generation.  acquire: pairs with the
     * release in thread_ends; B of the drawing in self.h. */
    return r == NULL || !is_over(pawl_load_acquire(&r->id), local_id);
}

uint32_t pawl_thread_tid(uint32_t local_id)
{
    const struct pawl_record *r = pawl_record_of(local_id);
    uint32_t tid;

    if (r == NULL)
        return local_id < PAWL_ID_SPECIAL ? local_id & ~NO_RECORD : 0;
    /* acquire: pairs with the release in fill, for the tid; relaxed: if the
     * second look still finds the id, the tid in between was its own. */
    if (pawl_load_acquire(&r->id) != local_id)
        return 0;
    tid = pawl_load_relaxed(&r->tid);
    return pawl_load_relaxed(&r->id) == local_id ? tid : 0; /* relaxed: above */
}

bool pawl_thread_is_here(uint32_t local_id)
{
    struct pawl_record *me = pawl_self_.record;
    struct pawl_record *r;
    const pawl_u32 *theirs;
    const pawl_u32 *mine;
    bool here = false;

    if (me == NULL || local_id >= PAWL_ID_SPECIAL)
        return false;
    r = pawl_record_of(local_id);
    /* acquire: pairs with the release in fill: the thread and its CPU number
     * exist.  Also false for 0, a holder that is not known yet. */
    if (r == NULL || pawl_load_acquire(&r->id) != local_id)
        return false;
    /*   reader                          dying thread
     *   peeking = r        (A)          r->cpu = 0          (C)
     *   read r->cpu        (B)          read peeking        (D)
     *
     * seq_cst: it cannot be that B finds the address and D does not find the
     * reader, so the address stays valid until peeking is 0 again (I3). */
    pawl_swap64_seq(&me->peeking, (uintptr_t)r);
    theirs = (const pawl_u32 *)(uintptr_t)pawl_load64_seq(&r->cpu);
    /* relaxed: our own. */
    mine = (const pawl_u32 *)(uintptr_t)pawl_load64_relaxed(&me->cpu);
    /* relaxed: the kernel writes these; a stale number is only a bad guess. */
    if (theirs != NULL && mine != NULL)
        here = pawl_load_relaxed(theirs) == pawl_load_relaxed(mine);
    /* release: pairs with D: we are done with the address. */
    pawl_store64_release(&me->peeking, 0);
    return here;
}

void pawl_announce(uint64_t waiting, pawl_bury_fn bury)
{
    struct pawl_record *me = pawl_self_.record;

    if (me == NULL)
        return;
    /* relaxed: published by the swap. */
    pawl_store64_relaxed(&me->bury, (uintptr_t)bury);
    /* seq_cst: A and F of the drawing in self.h; pairs with bury_holdings, and
     * with the walks of deadlock.c. */
    pawl_swap64_seq(&me->waiting, waiting);
    (void)pawl_load_seq(&ends);
}

void pawl_wait_begins(void *object, pawl_bury_fn bury)
{
    pawl_announce((uintptr_t)object, bury);
}

void pawl_wait_ends(void)
{
    struct pawl_record *me = pawl_self_.record;
    uint64_t seen;

    if (me == NULL)
        return;
    /* relaxed: our own announcement, but for the pin, which the CAS sees. */
    seen = pawl_load64_relaxed(&me->waiting) & ~PAWL_PINNED;
    /* acquire: pairs with the release in bury_holdings. */
    while (!pawl_cas64_acquire(&me->waiting, &seen, 0)) {
        sched_yield(); /* pinned: a few instructions, unless preempted */
        seen &= ~PAWL_PINNED;
    }
}

/* -- Lines of conditions ------------------------------------------------- */

bool pawl_line_enter(const void *line, uint32_t ticket)
{
    struct pawl_record *me = pawl_self_.record;

    if (me == NULL)
        return false;
    /* relaxed: under the mutex of the line; others only compare `line`. */
    pawl_store_relaxed(&me->ticket, ticket);
    pawl_store64_relaxed(&me->line, (uintptr_t)line);
    return true;
}

uint32_t pawl_line_ticket(void)
{
    /* relaxed: under the mutex, or a hint. */
    return pawl_load_relaxed(&pawl_self_.record->ticket);
}

void pawl_line_leave(void)
{
    if (pawl_self_.record != NULL)
        /* relaxed: under the mutex. */
        pawl_store64_relaxed(&pawl_self_.record->line, 0);
}

void pawl_line_close_gap(const void *line, uint32_t ticket, uint32_t step)
{
    for (uint32_t i = 0; i < window(); i++) {
        struct pawl_record *r = record_at(i, false);
        uint32_t theirs;

        /* relaxed: equal only if entered, and not left, under our mutex. */
        if (r == NULL || pawl_load64_relaxed(&r->line) != (uintptr_t)line)
            continue;
        theirs = pawl_load_relaxed(&r->ticket); /* relaxed: as above */
        if ((int32_t)(theirs - ticket) > 0)
            pawl_store_relaxed(&r->ticket, theirs - step); /* relaxed: above */
    }
}
