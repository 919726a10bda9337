/* SPDX-License-Identifier: MIT
 *
 * thread.c - the threads of pawl/thread.h.
 *
 *    31          30 ........ 3   2 ... 0
 *   +----------+----------------+-------+
 *   | SLEEPERS |       0        | phase |
 *   +----------+----------------+-------+
 *
 *   phase    leaves it by
 *   NEW      start -> RUNNING;  destroy -> CLOSED
 *   RUNNING  its end -> ENDED;  a start that fails -> NEW
 *   ENDED    destroy -> CLOSED
 *   CLOSED   init
 *
 * I1  Somebody sleeps on the word  =>  SLEEPERS is set, or the phase has changed
 *     and a wake of everybody is on its way.
 */
#include <pawl/error.h>
#include <pawl/thread.h>

#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "atomic/ops.h"
#include "atomic/seqlock.h"
#include "base/compiler.h"
#include "base/tsan.h"
#include "futex/self.h"
#include "futex/sys.h"
#include "futex/waitable.h"
#include "thread/carrier.h"
#include "thread/exit.h"
#include "thread/registry.h"

/* Of default names; as `serials` in carrier.c. */
static struct {
    pawl_u32 given;
} __attribute__((aligned(PAWL_CACHE_LINE))) numbers;
static pawl_u64 error_hook;

static uint32_t phase_of(uint32_t state)
{
    return state & PAWL_T_PHASE;
}

static uint32_t phase(const pawl_thread *t)
{
    return pawl_thread_phase(t);
}

static bool stayed_behind(const pawl_thread *t)
{
    return pawl_thread_stayed_behind(t);
}

/* -- Making one --------------------------------------------------------------- */

static bool is_daemon_by(const pawl_thread_options *o)
{
    const struct pawl_carrier *c;

    if (o != NULL && o->daemon != PAWL_THREAD_INHERIT)
        return o->daemon == PAWL_THREAD_DAEMON;
    c = pawl_carrier_self_;
    if (c == NULL && !pawl_carrier_is_main())
        return true; /* foreign threads are daemons */
    return c != NULL && c->thread != NULL &&
           (c->thread->flags_ & PAWL_T_DAEMON) != 0;
}

static bool is_name(const char *name)
{
    return strnlen(name, PAWL_THREAD_NAME_SIZE) < PAWL_THREAD_NAME_SIZE;
}

/* Into name_, or the words of `shown` behind that; both are guarded. */
static void store_name(pawl_u64 *to, const char *name)
{
    uint64_t words[PAWL_THREAD_NAME_SIZE / 8] = {0};

    memcpy(words, name, strlen(name));
    for (size_t i = 0; i < PAWL_THREAD_NAME_SIZE / 8; i++)
        pawl_seqlock_store(&to[i], words[i]);
}

static bool is_valid(const pawl_thread_options *o)
{
    return o->size >= sizeof *o && o->copy <= PAWL_THREAD_COPY_MAX &&
           o->daemon <= PAWL_THREAD_NO_DAEMON &&
           (o->name == NULL || is_name(o->name)) &&
           (o->stack == NULL || o->stack_size != 0) &&
           (o->cpus == NULL) == (o->cpus_size == 0) && o->priority >= 0;
}

int pawl_thread_init(pawl_thread *t, pawl_thread_fn fn, void *arg,
                     const pawl_thread_options *o)
{
    if (fn == NULL || (o != NULL && !is_valid(o)))
        return -EINVAL;
    if (o != NULL && o->copy != 0 && arg == NULL)
        return -EINVAL;
    memset(t, 0, offsetof(pawl_thread, copy_));
    memset(&t->stack_size_, 0, sizeof *t - offsetof(pawl_thread, stack_size_));
    t->fn_ = fn;
    t->arg_ = arg;
    t->flags_ = is_daemon_by(o) ? PAWL_T_DAEMON : 0;
    if (o == NULL || o->name == NULL || o->name[0] == '\0')
        t->number_ = pawl_add_relaxed(&numbers.given, 1) + 1; /* relaxed: a number */
    if (o == NULL)
        return 0;
    t->function_ = o->function;
    if (o->name != NULL)
        store_name(t->name_, o->name);
    if (o->copy != 0) {
        memcpy(t->copy_, arg, o->copy);
        t->flags_ |= PAWL_T_COPIED;
    }
    t->stack_size_ = o->stack_size;
    t->stack_ = o->stack;
    t->cpus_ = o->cpus;
    t->cpus_size_ = o->cpus_size;
    t->policy_ = o->policy;
    t->priority_ = o->priority;
    if (o->no_cache || o->stack_size != 0 || o->cpus != NULL ||
        o->priority != 0)
        t->flags_ |= PAWL_T_NO_CACHE;
    return 0;
}

int pawl_thread_init_named(pawl_thread *t, pawl_thread_fn fn, void *arg,
                           const char *function)
{
    int err = pawl_thread_init(t, fn, arg, NULL);

    if (err == 0)
        t->function_ = function;
    return err;
}

int pawl_thread_destroy(pawl_thread *t)
{
    if (phase(t) == PAWL_T_RUNNING && !stayed_behind(t))
        return -EBUSY;
    pawl_store_relaxed(&t->state_, PAWL_T_CLOSED); /* relaxed: nobody uses it */
    return 0;
}

/* -- Starting ------------------------------------------------------------------- */

/* Nothing has come of it. */
static PAWL_COLD void withdraw(pawl_thread *t)
{
    pawl_thread_guard(t);
    t->carrier_ = NULL;
    pawl_thread_unguard(t);
    pawl_store64_relaxed(&t->serial_, 0); /* relaxed: a number */
    /* release: pairs with phase(). */
    if ((pawl_swap_release(&t->state_, PAWL_T_NEW) & PAWL_T_SLEEPERS) != 0)
        pawl_watchers_wake(&t->state_, false);
    /* release: pairs with native_id, which looks at the phase again. */
    if (pawl_swap_release(&t->tid_, 0) != 0)
        pawl_futex_wake(&t->tid_, PAWL_WAKE_ALL, false, PAWL_CHANNEL_ANY);
}

/* From NEW to RUNNING, and a carrier for it; nothing runs yet. */
static int claim(pawl_thread *t, struct pawl_carrier **c)
{
    /* relaxed: a hint; the CAS decides. */
    uint32_t seen = pawl_load_relaxed(&t->state_);
    int err;

    /* Before it RUNS, so that nobody takes it for one that stayed behind; all who
     * start it store the same.  relaxed: released by the CAS. */
    if (seen == PAWL_T_NEW)
        pawl_store_relaxed(&t->fork_, pawl_fork_count_);
    /* acq_rel: one starts it; pairs with phase(). */
    if (seen != PAWL_T_NEW ||
        !pawl_cas_acq_rel(&t->state_, &seen, PAWL_T_RUNNING))
        return phase_of(seen) == PAWL_T_CLOSED ? -EBADF : -EALREADY;
    /* relaxed: who looks before start returns may find none. */
    pawl_store64_relaxed(&t->serial_, pawl_carrier_next_serial());
    err = t->fn_ != NULL ? pawl_carrier_for(t, c) : -EINVAL;
    if (err != 0)
        withdraw(t);
    return err;
}

int pawl_thread_start(pawl_thread *t)
{
    struct pawl_carrier *c;
    int err = pawl_exit_gate();

    if (err == 0)
        err = claim(t, &c);
    if (err != 0)
        return err;
    err = pawl_carrier_go(c, t, NULL, NULL);
    if (err != 0)
        withdraw(t);
    return err;
}

int pawl_thread_start_detached(pawl_thread_fn fn, void *arg,
                               const pawl_thread_options *options,
                               uint64_t *ident)
{
    struct pawl_carrier *c;
    pawl_thread t;
    int err = pawl_exit_gate();

    if (err == 0)
        err = pawl_thread_init(&t, fn, arg, options);
    if (err != 0)
        return err;
    t.flags_ |= PAWL_T_DAEMON | PAWL_T_DETACHED;
    /* relaxed: just ours, down to the third. */
    pawl_store64_relaxed(&t.serial_, pawl_carrier_next_serial());
    pawl_store_relaxed(&t.fork_, pawl_fork_count_);
    pawl_store_relaxed(&t.state_, PAWL_T_RUNNING);
    err = pawl_carrier_for(&t, &c);
    if (err != 0)
        return err;
    c->own = t;
    return pawl_carrier_go(c, &c->own, NULL, ident);
}

/* -- Starting together ------------------------------------------------------------ */

/* Send them to the gate.  Returns how many came, and why not all. */
static size_t send(pawl_thread *const *threads, size_t n, struct pawl_gate *g,
                   int *err)
{
    size_t sent = 0;

    for (*err = 0; sent < n; sent++) {
        struct pawl_carrier *c;

        *err = claim(threads[sent], &c);
        if (*err != 0)
            break;
        *err = pawl_carrier_go(c, threads[sent], g, NULL);
        if (*err != 0) {
            withdraw(threads[sent]);
            break;
        }
    }
    return sent;
}

int pawl_thread_start_many(pawl_thread *const *threads, size_t n)
{
    struct pawl_gate *g;
    uint32_t calm;
    size_t sent;
    int err = pawl_exit_gate();

    if (err != 0 || n == 0)
        return err;
    if (n > PAWL_LATCH_MAX)
        return -EAGAIN;
    g = malloc(sizeof *g);
    if (g == NULL)
        return -ENOMEM;
    pawl_latch_init(&g->missing, (int)n, 0);
    pawl_latch_init(&g->closed, 1, 0);
    /* relaxed: nobody else knows it. */
    pawl_store_relaxed(&g->users, (uint32_t)n + 1);
    calm = pawl_uninterruptible_begin();
    sent = send(threads, n, g, &err);
    pawl_latch_count_down(&g->missing, (int)(n - sent));
    pawl_latch_wait(&g->missing); /* nobody touches his object from here on */
    pawl_uninterruptible_end(calm);
    g->abandoned = err != 0;
    for (size_t i = 0; err != 0 && i < sent; i++)
        withdraw(threads[i]);
    pawl_latch_count_down(&g->closed, 1);
    /* acq_rel: the last one sees that the others are done with it. */
    if (pawl_add_acq_rel(&g->users, 0u - (uint32_t)(n - sent) - 1) ==
        (uint32_t)(n - sent) + 1)
        free(g);
    return err;
}

/* -- Names ----------------------------------------------------------------------- */

const char *pawl_thread_name(const pawl_thread *t,
                             char name[PAWL_THREAD_NAME_SIZE])
{
    uint64_t shown[PAWL_SHOWN_WORDS];

    shown[PAWL_SHOWN_FLAGS] = pawl_shown_flags(t);
    shown[PAWL_SHOWN_FUNCTION] = (uintptr_t)t->function_;
    while (!pawl_seqlock_try_read(&t->guard_, t->name_, &shown[PAWL_SHOWN_NAME],
                                  PAWL_THREAD_NAME_SIZE / 8))
        sched_yield(); /* a few instructions, unless preempted */
    pawl_carrier_name(shown, name);
    return name;
}

/* Show the new name, if *c still runs *t; the OS thread to be named is *tid. */
static bool rename_carrier(struct pawl_carrier *c, const pawl_thread *t,
                           const char *name, uint32_t *tid)
{
    bool is_its;

    while (!pawl_seqlock_try_begin(&c->showing))
        sched_yield(); /* a few instructions, unless preempted */
    is_its = pawl_thread_serial_of(t) ==
             /* relaxed: guarded. */
             pawl_load64_relaxed(&c->shown[PAWL_SHOWN_SERIAL]);
    if (is_its)
        store_name(&c->shown[PAWL_SHOWN_NAME], name);
    /* relaxed: as above; 0 if it is not known yet. */
    *tid = pawl_load_relaxed(&c->tid);
    pawl_seqlock_end(&c->showing);
    return is_its;
}

/* Tell the kernel, until what it was told is the name of what runs there. */
static void rename_os_thread(struct pawl_carrier *c, uint32_t tid)
{
    uint64_t before[PAWL_SHOWN_WORDS];
    uint64_t shown[PAWL_SHOWN_WORDS];
    char name[PAWL_THREAD_NAME_SIZE];
    char cut[PAWL_OS_NAME_SIZE];

    pawl_carrier_read(c, shown);
    do {
        memcpy(before, shown, sizeof before);
        pawl_carrier_name(shown, name);
        /* relaxed: a hint for the next thread there. */
        pawl_store_relaxed(&c->renamed, 1);
        pawl_carrier_set_os_name(tid == pawl_self_shared() ? 0 : tid, name,
                                 cut);
        pawl_carrier_read(c, shown);
    } while (memcmp(before, shown, sizeof shown) != 0);
}

int pawl_thread_set_name(pawl_thread *t, const char *name)
{
    struct pawl_carrier *c = NULL;
    uint32_t tid = 0;

    if (name == NULL || !is_name(name))
        return -EINVAL;
    if (phase(t) == PAWL_T_CLOSED)
        return -EBADF;
    pawl_registry_enter();
    pawl_thread_guard(t);
    store_name(t->name_, name);
    /* Within enter, so that a carrier that runs it now stays valid. */
    if (phase(t) == PAWL_T_RUNNING && !stayed_behind(t))
        c = t->carrier_;
    if (c != NULL && rename_carrier(c, t, name, &tid) && tid != 0)
        rename_os_thread(c, tid);
    pawl_thread_unguard(t);
    pawl_registry_leave();
    return 0;
}

/* -- All threads ------------------------------------------------------------------- */

static bool look_at(const struct pawl_carrier *c, pawl_thread_info *info)
{
    uint64_t shown[PAWL_SHOWN_WORDS];

    pawl_carrier_read(c, shown);
    if (shown[PAWL_SHOWN_SERIAL] == 0)
        return false;
    if (info == NULL)
        return true;
    info->serial = shown[PAWL_SHOWN_SERIAL];
    info->thread = (pawl_thread *)(uintptr_t)shown[PAWL_SHOWN_THREAD];
    info->native_id = pawl_load_relaxed(&c->tid); /* relaxed: it stays so */
    info->daemon = (shown[PAWL_SHOWN_FLAGS] & PAWL_T_DAEMON) != 0;
    pawl_carrier_name(shown, info->name);
    return true;
}

size_t pawl_thread_enumerate(pawl_thread_info *infos, size_t room)
{
    size_t n = 0;

    if (pawl_thread_main() == NULL)
        return 0; /* no memory */
    pawl_registry_enter();
    for (const struct pawl_carrier *c = pawl_registry_next(NULL); c != NULL;
         c = pawl_registry_next(c))
        n += look_at(c, n < room ? &infos[n] : NULL);
    pawl_registry_leave();
    return n;
}

size_t pawl_thread_active_count(void)
{
    return pawl_thread_enumerate(NULL, 0);
}

/* -- Questions ------------------------------------------------------------------- */

bool pawl_thread_is_alive(const pawl_thread *t)
{
    bool alive = phase(t) == PAWL_T_RUNNING && !stayed_behind(t);

    if (!alive)
        pawl_tsan_acquire(t);
    return alive;
}

/* Whoever changes the word from ASKED wakes all: in time, or by a look at the phase
 * after ASKED is there, who asks finds that nobody will answer. */
uint32_t pawl_thread_native_id(const pawl_thread *t)
{
    pawl_u32 *word = (pawl_u32 *)(uintptr_t)&t->tid_;

    for (;;) {
        /* acquire: pairs with the swap in introduce (carrier.c), for the ident;
         * and in withdraw, for the phase. */
        uint32_t tid = pawl_load_acquire(word);

        if (tid != 0 && tid != PAWL_T_ASKED)
            return phase(t) == PAWL_T_CLOSED ? 0 : tid;
        if (phase(t) != PAWL_T_RUNNING || stayed_behind(t)) {
            /* acquire: as above, of a thread that has said so and ended since. */
            tid = pawl_load_acquire(word);
            if (tid != PAWL_T_ASKED)
                return phase(t) != PAWL_T_CLOSED ? tid : 0;
            /* relaxed: publishes nothing. */
            if (pawl_cas_relaxed(word, &tid, 0))
                pawl_futex_wake(word, PAWL_WAKE_ALL, false, PAWL_CHANNEL_ANY);
            return 0;
        }
        if (tid == PAWL_T_ASKED)
            pawl_futex_wait(word, PAWL_T_ASKED, PAWL_FOREVER, false,
                            PAWL_CHANNEL_ANY);
        else
            /* relaxed: the next load acquires, by way of this, what has been
             * withdrawn before; and then the phase is looked at again. */
            (void)pawl_cas_relaxed(word, &tid, PAWL_T_ASKED);
    }
}

uint64_t pawl_thread_ident(const pawl_thread *t)
{
    if (pawl_thread_native_id(t) == 0)
        return 0;
    return pawl_load64_relaxed(&t->ident_); /* relaxed: the tid is acquired */
}

uint64_t pawl_thread_serial(const pawl_thread *t)
{
    uint32_t now = phase(t);

    if (now != PAWL_T_RUNNING && now != PAWL_T_ENDED)
        return 0;
    return pawl_thread_serial_of(t);
}

bool pawl_thread_is_daemon(const pawl_thread *t)
{
    return (t->flags_ & PAWL_T_DAEMON) != 0;
}

int pawl_thread_set_daemon(pawl_thread *t, bool daemon)
{
    uint32_t now = phase(t);

    if (now != PAWL_T_NEW)
        return now == PAWL_T_CLOSED ? -EBADF : -EBUSY;
    t->flags_ = daemon ? t->flags_ | PAWL_T_DAEMON
                       : t->flags_ & ~(uint32_t)PAWL_T_DAEMON;
    return 0;
}

/* -- Failures ---------------------------------------------------------------------- */

static void print_failure(pawl_thread *t, int status)
{
    char name[PAWL_THREAD_NAME_SIZE];

    if ((t->flags_ & (PAWL_T_DAEMON | PAWL_T_DETACHED)) == 0)
        return;
    fprintf(stderr, "pawl: thread %s failed with %d (%s)\n",
            pawl_thread_name(t, name), status, pawl_errname(status));
}

pawl_thread_error_fn pawl_thread_set_error_hook(pawl_thread_error_fn fn)
{
    /* seq_cst: pairs with pawl_thread_report, for what the hook uses. */
    return (pawl_thread_error_fn)(uintptr_t)pawl_swap64_seq(&error_hook,
                                                            (uintptr_t)fn);
}

void pawl_thread_report(pawl_thread *t, int status)
{
    /* acquire: pairs with pawl_thread_set_error_hook. */
    pawl_thread_error_fn fn =
        (pawl_thread_error_fn)(uintptr_t)pawl_load64_acquire(&error_hook);

    (fn != NULL ? fn : print_failure)(t, status);
}
