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

#include <stdio.h>
#include <string.h>

#include "atomic/ops.h"
#include "base/compiler.h"
#include "base/tsan.h"
#include "futex/self.h"
#include "futex/spin.h"
#include "futex/sys.h"
#include "futex/waitable.h"
#include "thread/carrier.h"
#include "thread/exit.h"

static pawl_u32 numbers; /* of default names, given so far */
static pawl_u64 error_hook;

static uint32_t phase_of(uint32_t state)
{
    return state & PAWL_T_PHASE;
}

/* acquire: pairs with the swap in publish (carrier.c), for what it has done. */
static uint32_t phase(const pawl_thread *t)
{
    return phase_of(pawl_load_acquire(&t->state_));
}

/* Whether it ran when this process was forked off, and does not exist here. */
static bool stayed_behind(const pawl_thread *t)
{
    return t->fork_ != pawl_fork_count_;
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

static bool is_valid(const pawl_thread_options *o)
{
    return o->size >= sizeof *o && o->copy <= PAWL_THREAD_COPY_MAX &&
           o->daemon <= PAWL_THREAD_NO_DAEMON &&
           (o->name == NULL ||
            strnlen(o->name, PAWL_THREAD_NAME_SIZE) < PAWL_THREAD_NAME_SIZE) &&
           (o->stack == NULL || o->stack_size != 0) &&
           (o->cpus == NULL) == (o->cpus_size == 0) && o->priority >= 0;
}

static void store_name(pawl_thread *t, const char *name)
{
    uint64_t words[PAWL_THREAD_NAME_SIZE / 8] = {0};

    memcpy(words, name, strlen(name));
    for (size_t i = 0; i < PAWL_THREAD_NAME_SIZE / 8; i++)
        /* relaxed: nobody else knows it. */
        pawl_store64_relaxed(&t->name_[i], words[i]);
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
        t->number_ = pawl_add_relaxed(&numbers, 1) + 1; /* relaxed: a number */
    if (o == NULL)
        return 0;
    t->function_ = o->function;
    if (o->name != NULL)
        store_name(t, o->name);
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
    /* release: pairs with phase(). */
    if ((pawl_swap_release(&t->state_, PAWL_T_NEW) & PAWL_T_SLEEPERS) != 0)
        pawl_watchers_wake(&t->state_, false);
    /* release: pairs with native_id, which looks at the state again. */
    if (pawl_swap_release(&t->tid_, 0) != 0)
        pawl_futex_wake(&t->tid_, PAWL_WAKE_ALL, false, PAWL_CHANNEL_ANY);
}

int pawl_thread_start(pawl_thread *t)
{
    uint32_t seen = PAWL_T_NEW;
    int err = pawl_exit_gate();

    if (err != 0)
        return err;
    /* acq_rel: one starts it; pairs with phase(). */
    if (!pawl_cas_acq_rel(&t->state_, &seen, PAWL_T_RUNNING))
        return phase_of(seen) == PAWL_T_CLOSED ? -EBADF : -EALREADY;
    t->fork_ = pawl_fork_count_;
    t->serial_ = pawl_carrier_next_serial();
    err = t->fn_ != NULL ? pawl_carrier_start(t) : -EINVAL;
    if (err != 0)
        withdraw(t);
    return err;
}

/* -- Waiting for the end ---------------------------------------------------------- */

/* Whether it can be waited for: 0 it runs, 1 it has ended; or an error. */
static int look(const pawl_thread *t)
{
    switch (phase(t)) {
    case PAWL_T_ENDED:
        return 1;
    case PAWL_T_NEW:
        return -ESRCH;
    case PAWL_T_CLOSED:
        return -EBADF;
    default:
        if (stayed_behind(t))
            return -ECHILD;
        return (t->flags_ & PAWL_T_FOREIGN) != 0 ? -EINVAL : 0;
    }
}

static bool is_caller(const pawl_thread *t)
{
    const struct pawl_carrier *c = pawl_carrier_self_;

    if (c == NULL)
        return (t->flags_ & PAWL_T_MAIN) != 0 && pawl_carrier_is_main();
    return c->thread == t;
}

static bool spin(const pawl_thread *t)
{
    struct pawl_spin spin;
    bool ended;

    if (!pawl_spin_begins(&spin, PAWL_SPIN_JOIN))
        return false;
    while (!(ended = phase(t) != PAWL_T_RUNNING) && pawl_spin_again(&spin))
        ;
    pawl_spin_ends(&spin, ended);
    return ended;
}

static PAWL_COLD int join_slow(pawl_thread *t, pawl_deadline until)
{
    int err = until <= 0 ? -ETIMEDOUT : 0;

    if (is_caller(t))
        return -EDEADLK;
    if (pawl_exit_gate() != 0)
        return -ESHUTDOWN;
    if (err == 0)
        spin(t);
    for (;;) {
        int seen = look(t);
        /* relaxed: a hint; the CAS, or the kernel, decides. */
        uint32_t state = pawl_load_relaxed(&t->state_);

        if (seen != 0)
            return seen < 0 ? seen : 0;
        if (err == -ETIMEDOUT)
            return err;
        if (phase_of(state) != PAWL_T_RUNNING)
            continue;
        /* relaxed: publishes nothing.  The kernel compares the word under its
         * queue lock: it sees the end, or the end sees SLEEPERS. */
        if ((state & PAWL_T_SLEEPERS) != 0 ||
            pawl_cas_relaxed(&t->state_, &state, state | PAWL_T_SLEEPERS))
            err = pawl_futex_wait(&t->state_, state | PAWL_T_SLEEPERS, until,
                                  false, PAWL_CHANNEL_ANY);
    }
}

int pawl_thread_join_until(pawl_thread *t, pawl_deadline until, int *status)
{
    int err = look(t);

    if (err == 0)
        err = join_slow(t, until);
    if (err < 0)
        return err;
    pawl_tsan_acquire(t);
    if (status != NULL)
        *status = t->status_;
    return 0;
}

int pawl_thread_join(pawl_thread *t, int *status)
{
    return pawl_thread_join_until(t, PAWL_FOREVER, status);
}

int pawl_thread_try_join(pawl_thread *t, int *status)
{
    int err = pawl_thread_join_until(t, 0, status);

    return err == -ETIMEDOUT ? -EAGAIN : err;
}

int pawl_thread_exit_status(pawl_thread *t, int *status)
{
    int err = look(t);

    if (err == 0)
        return -EAGAIN;
    return err < 0 ? err : pawl_thread_try_join(t, status);
}

/* -- Questions ------------------------------------------------------------------- */

bool pawl_thread_is_alive(const pawl_thread *t)
{
    bool alive = phase(t) == PAWL_T_RUNNING && !stayed_behind(t);

    if (!alive)
        pawl_tsan_acquire(t);
    return alive;
}

uint32_t pawl_thread_native_id(const pawl_thread *t)
{
    pawl_u32 *word = (pawl_u32 *)(uintptr_t)&t->tid_;

    for (;;) {
        /* acquire: pairs with the swap in introduce (carrier.c), for the ident. */
        uint32_t tid = pawl_load_acquire(word);

        if (tid != 0 && tid != PAWL_T_ASKED)
            return phase(t) == PAWL_T_CLOSED ? 0 : tid;
        if (phase(t) != PAWL_T_RUNNING || stayed_behind(t))
            return 0;
        /* relaxed: publishes nothing. */
        if (tid == PAWL_T_ASKED || pawl_cas_relaxed(word, &tid, PAWL_T_ASKED))
            pawl_futex_wait(word, PAWL_T_ASKED, PAWL_FOREVER, false,
                            PAWL_CHANNEL_ANY);
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

    return now == PAWL_T_RUNNING || now == PAWL_T_ENDED ? t->serial_ : 0;
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
    uint64_t shown[PAWL_SHOWN_WORDS];
    char name[PAWL_THREAD_NAME_SIZE];

    if ((t->flags_ & (PAWL_T_DAEMON | PAWL_T_DETACHED)) == 0)
        return;
    pawl_carrier_read(t->carrier_, shown);
    pawl_carrier_name(shown, name);
    fprintf(stderr, "pawl: thread %s failed with %d (%s)\n", name, status,
            pawl_errname(status));
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
