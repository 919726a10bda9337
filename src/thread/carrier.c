/* SPDX-License-Identifier: MIT
 *
 * carrier.c - the OS threads behind the threads: see carrier.h.
 *
 * I1  carrier->running is the serial of a thread  =>  that thread is not ENDED.
 * I2  The carrier touches the pawl_thread of the caller's for the last time in
 *     the swap that makes it ENDED.
 */
#include "thread/carrier.h"

#include <pawl/error.h>
#include <pawl/once.h>

#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <unistd.h>

#include "atomic/ops.h"
#include "atomic/seqlock.h"
#include "base/compiler.h"
#include "base/tsan.h"
#include "futex/self.h"
#include "futex/sys.h"
#include "futex/waitable.h"
#include "thread/exit.h"
#include "thread/registry.h"

/* Rounds of destructors of pthread keys that an ending thread lets pass, so that
 * others come first; libc makes at least 4. */
#define ROUNDS 3

_Thread_local struct pawl_carrier *pawl_carrier_self_;

static struct pawl_carrier main_carrier;
/* The carrier of main, or of the thread that forked; NULL in a forked child
 * whose thread has not asked who it is.  Written when alone. */
static struct pawl_carrier *main_now = &main_carrier;
static pawl_once prepared = PAWL_ONCE_INIT;
static pthread_key_t ends;   /* its destructor notices the end of a thread */
static pawl_u64 serials;     /* given so far */
static pawl_u32 foreigners;  /* named so far */
static pawl_u64 stack_size_; /* the default; 0: the system's */

/* -- Names and numbers ------------------------------------------------------ */

uint64_t pawl_carrier_next_serial(void)
{
    return pawl_add64_relaxed(&serials, 1) + 1; /* relaxed: just a number */
}

uint64_t pawl_thread_get_ident(void)
{
    return (uint64_t)(uintptr_t)pthread_self();
}

uint32_t pawl_thread_get_native_id(void)
{
    return pawl_self_shared();
}

bool pawl_carrier_is_main(void)
{
    return pawl_self_shared() == (uint32_t)getpid();
}

void pawl_carrier_set_os_name(const char *name)
{
    enum { OS_NAME_SIZE = 16 };
    char cut[OS_NAME_SIZE];
    size_t n = strnlen(name, OS_NAME_SIZE);

    if (n == OS_NAME_SIZE) {
        n = OS_NAME_SIZE - 1;
        while (n > 0 && ((unsigned char)name[n] & 0xc0) == 0x80)
            n--; /* in the middle of a character of UTF-8 */
    }
    memcpy(cut, name, n);
    cut[n] = '\0';
    prctl(PR_SET_NAME, cut);
}

void pawl_carrier_name(const uint64_t shown[PAWL_SHOWN_WORDS],
                       char name[PAWL_THREAD_NAME_SIZE])
{
    const char *function = (const char *)(uintptr_t)shown[PAWL_SHOWN_FUNCTION];
    unsigned number = (unsigned)shown[PAWL_SHOWN_NUMBER];
    uint32_t flags = (uint32_t)shown[PAWL_SHOWN_FLAGS];

    memcpy(name, &shown[PAWL_SHOWN_NAME], PAWL_THREAD_NAME_SIZE);
    name[PAWL_THREAD_NAME_SIZE - 1] = '\0';
    if (name[0] != '\0')
        return;
    if ((flags & PAWL_T_SERVICE) != 0)
        snprintf(name, PAWL_THREAD_NAME_SIZE, "%s", function);
    else if ((flags & PAWL_T_MAIN) != 0)
        snprintf(name, PAWL_THREAD_NAME_SIZE, "MainThread");
    else if ((flags & PAWL_T_FOREIGN) != 0)
        snprintf(name, PAWL_THREAD_NAME_SIZE, "Dummy-%u", number);
    else if (function != NULL)
        snprintf(name, PAWL_THREAD_NAME_SIZE, "Thread-%u (%s)", number,
                 function);
    else
        snprintf(name, PAWL_THREAD_NAME_SIZE, "Thread-%u", number);
}

void pawl_carrier_read(const struct pawl_carrier *c,
                       uint64_t shown[PAWL_SHOWN_WORDS])
{
    while (
        !pawl_seqlock_try_read(&c->showing, c->shown, shown, PAWL_SHOWN_WORDS))
        sched_yield(); /* a few instructions, unless preempted */
}

/* Show that *c runs *t, or, if that is NULL, nothing. */
static void show(struct pawl_carrier *c, const pawl_thread *t)
{
    while (!pawl_seqlock_try_begin(&c->showing))
        sched_yield(); /* a few instructions, unless preempted */
    if (t != NULL) {
        pawl_seqlock_store(&c->shown[PAWL_SHOWN_THREAD], (uintptr_t)t);
        pawl_seqlock_store(&c->shown[PAWL_SHOWN_FLAGS], t->flags_);
        pawl_seqlock_store(&c->shown[PAWL_SHOWN_NUMBER], t->number_);
        pawl_seqlock_store(&c->shown[PAWL_SHOWN_FUNCTION],
                           (uintptr_t)t->function_);
        for (size_t i = 0; i < PAWL_THREAD_NAME_SIZE / 8; i++)
            /* relaxed: ours, or not written while it is started. */
            pawl_seqlock_store(&c->shown[PAWL_SHOWN_NAME + i],
                               pawl_load64_relaxed(&t->name_[i]));
        c->daemon = (t->flags_ & PAWL_T_DAEMON) != 0;
    }
    pawl_seqlock_store(&c->shown[PAWL_SHOWN_SERIAL],
                       t != NULL ? t->serial_ : 0);
    /* seq_cst: A of the drawing in exit.c. */
    pawl_store64_seq(&c->running, t != NULL ? t->serial_ : 0);
    pawl_seqlock_end(&c->showing);
}

/* -- The end of a thread ------------------------------------------------------ */

/* Tell all who wait for it. */
static void publish(pawl_thread *t, int status)
{
    pawl_u32 *state = &t->state_;

    t->status_ = status;
    pawl_tsan_release(t);
    /* seq_cst: B of the drawing in exit.c follows; a release, which pairs with
     * the acquire in the joins.  The object may be gone after this. */
    if ((pawl_swap_seq(state, PAWL_T_ENDED) & PAWL_T_SLEEPERS) != 0)
        pawl_watchers_wake(state, false);
    pawl_exit_notice();
}

/* The function of c->thread has ended, and so have its destructors. */
static void finish(struct pawl_carrier *c)
{
    pawl_thread *t = c->thread;

    if (t == NULL)
        return;
    show(c, NULL);
    c->thread = NULL;
    publish(t, c->status);
}

void pawl_carrier_end_main(void)
{
    struct pawl_carrier *c = main_now;

    if (c != NULL && c->thread == &c->own && c == &main_carrier) {
        show(c, NULL);
        publish(&c->own, c->status);
    }
}

static void release(struct pawl_carrier *c)
{
    pawl_carrier_self_ = NULL;
    if (c == &main_carrier)
        return;
    pawl_registry_remove(c);
    free(c);
}

/* The destructor of the key `ends`. */
static void thread_ends(void *round)
{
    struct pawl_carrier *c = pawl_carrier_self_;
    uintptr_t n = (uintptr_t)round;

    if (c == NULL)
        return;
    if (n < ROUNDS && pthread_setspecific(ends, (void *)(n + 1)) == 0)
        return;
    finish(c);
    release(c);
}

/* -- Forks ------------------------------------------------------------------ */

static void child_begins(void)
{
    struct pawl_carrier *c = pawl_carrier_self_;

    pawl_registry_reset(c);
    main_now = c;
    if (c == NULL)
        return;
    /* relaxed: alone. */
    pawl_store_relaxed(&c->tid, pawl_self_shared());
    if (c->thread == NULL)
        return;
    c->thread->fork_ = pawl_fork_count_;
    /* relaxed: alone. */
    pawl_store_relaxed(&c->thread->tid_, pawl_self_shared());
}

/* -- Main and foreign threads -------------------------------------------------- */

/* A carrier for a thread that runs already. */
static void adopt(struct pawl_carrier *c, uint32_t flags)
{
    pawl_thread *t = &c->own;

    t->flags_ = flags;
    t->carrier_ = c;
    t->fork_ = pawl_fork_count_;
    t->serial_ = pawl_carrier_next_serial();
    c->thread = t;
    show(c, t);
    pawl_registry_add(c);
}

/* Tell who it is, in the thread itself. */
static void introduce(struct pawl_carrier *c)
{
    pawl_thread *t = c->thread;
    uint32_t tid = pawl_self_shared();

    /* relaxed: published by the store of the tid. */
    pawl_store_relaxed(&c->tid, tid);
    pawl_store64_relaxed(&t->ident_, pawl_thread_get_ident());
    /* release: pairs with load_acquire in thread.c, for the ident. */
    if ((pawl_swap_release(&t->tid_, tid) & PAWL_T_ASKED) != 0)
        pawl_futex_wake(&t->tid_, PAWL_WAKE_ALL, false, PAWL_CHANNEL_ANY);
}

static int prepare(void *unused)
{
    (void)unused;
    (void)pawl_self_local(); /* its fork handler comes before ours */
    if (pthread_key_create(&ends, thread_ends) != 0)
        return -ENOMEM;
    if (pthread_atfork(NULL, NULL, child_begins) != 0) {
        pthread_key_delete(ends);
        return -ENOMEM;
    }
    adopt(&main_carrier, PAWL_T_MAIN);
    /* relaxed: published by the once. */
    pawl_store_relaxed(&main_carrier.own.state_, PAWL_T_RUNNING);
    pawl_store_relaxed(&main_carrier.own.tid_, (uint32_t)getpid());
    pawl_store_relaxed(&main_carrier.tid, (uint32_t)getpid());
    return 0;
}

static PAWL_COLD struct pawl_carrier *make_self(void)
{
    struct pawl_carrier *c = &main_carrier;

    if (pawl_once_run(&prepared, prepare, NULL) != 0)
        return NULL;
    if (!pawl_carrier_is_main() || main_now != &main_carrier) {
        c = calloc(1, sizeof *c);
        if (c == NULL)
            return NULL;
        /* relaxed: just a number. */
        c->own.number_ = pawl_add_relaxed(&foreigners, 1) + 1;
        /* relaxed: nobody else knows it. */
        pawl_store_relaxed(&c->own.state_, PAWL_T_RUNNING);
        adopt(c, PAWL_T_FOREIGN | PAWL_T_DAEMON);
        if (main_now == NULL && pawl_carrier_is_main()) {
            c->own.flags_ = PAWL_T_MAIN;
            main_now = c;
        }
    }
    if (pthread_setspecific(ends, (void *)1) != 0) {
        if (c != &main_carrier)
            release(c);
        return NULL;
    }
    pawl_carrier_self_ = c;
    introduce(c);
    return c;
}

struct pawl_carrier *pawl_carrier_self(void)
{
    struct pawl_carrier *c = pawl_carrier_self_;

    return pawl_likely(c != NULL) ? c : make_self();
}

pawl_thread *pawl_thread_current(void)
{
    struct pawl_carrier *c = pawl_carrier_self();

    return c != NULL ? c->thread : NULL;
}

pawl_thread *pawl_thread_main(void)
{
    if (pawl_once_run(&prepared, prepare, NULL) != 0)
        return NULL;
    if (main_now == NULL)
        (void)pawl_carrier_self(); /* only the thread that forked is there */
    return main_now != NULL ? main_now->thread : NULL;
}

/* -- Starting ------------------------------------------------------------------ */

/* Run the function.  It may not return: see pawl_thread_exit. */
static void run(struct pawl_carrier *c, pawl_thread *t)
{
    c->status = 0;
    c->status = t->fn_((t->flags_ & PAWL_T_COPIED) != 0 ? t->copy_ : t->arg_);
    if (c->status < 0)
        pawl_thread_report(t, c->status);
}

static void *carrier_main(void *arg)
{
    struct pawl_carrier *c = arg;
    pawl_thread *t = c->thread;
    char name[PAWL_THREAD_NAME_SIZE];
    uint64_t shown[PAWL_SHOWN_WORDS];

    pawl_carrier_self_ = c;
    introduce(c);
    pawl_carrier_read(c, shown);
    pawl_carrier_name(shown, name);
    pawl_carrier_set_os_name(name);
    pawl_tsan_acquire(c);
    c->is_noticed = pthread_setspecific(ends, (void *)1) == 0;
    run(c, t);
    if (!c->is_noticed) {
        finish(c);
        release(c);
    }
    return NULL; /* thread_ends does the rest */
}

int pawl_thread_exit(int status)
{
    struct pawl_carrier *c = pawl_carrier_self_;

    if (c == NULL || c->thread == NULL ||
        (c->thread->flags_ & (PAWL_T_FOREIGN | PAWL_T_MAIN)) != 0)
        return -EPERM;
    c->status = status;
    if (!c->is_noticed) {
        finish(c);
        release(c);
    }
    pthread_exit(NULL);
}

static int make_attr(pthread_attr_t *attr, const pawl_thread *t)
{
    struct sched_param param = {.sched_priority = t->priority_};
    uint64_t size = t->stack_size_;
    int err = pthread_attr_init(attr);

    if (err != 0)
        return err;
    if (size == 0)
        size = pawl_load64_relaxed(&stack_size_); /* relaxed: an option */
    pthread_attr_setdetachstate(attr, PTHREAD_CREATE_DETACHED);
    if (t->stack_ != NULL)
        err = pthread_attr_setstack(attr, t->stack_, size);
    else if (size != 0)
        err = pthread_attr_setstacksize(attr, size);
    if (err == 0 && t->cpus_ != NULL)
        err = pthread_attr_setaffinity_np(attr, t->cpus_size_, t->cpus_);
    if (err == 0 && t->priority_ != 0) {
        err = pthread_attr_setinheritsched(attr, PTHREAD_EXPLICIT_SCHED);
        if (err == 0)
            err = pthread_attr_setschedpolicy(attr, t->policy_);
        if (err == 0)
            err = pthread_attr_setschedparam(attr, &param);
    }
    if (err != 0)
        pthread_attr_destroy(attr);
    return err;
}

int pawl_carrier_start(pawl_thread *t)
{
    struct pawl_carrier *c;
    pthread_attr_t attr;
    pthread_t thread;
    int err = pawl_exit_add(NULL);

    if (err == 0)
        err = pawl_once_run(&prepared, prepare, NULL);
    if (err != 0)
        return err;
    c = calloc(1, sizeof *c);
    if (c == NULL)
        return -ENOMEM;
    c->thread = t;
    t->carrier_ = c;
    show(c, t);
    pawl_registry_add(c);
    pawl_tsan_release(c);
    err = make_attr(&attr, t);
    if (err == 0) {
        err = pthread_create(&thread, &attr, carrier_main, c);
        pthread_attr_destroy(&attr);
    }
    if (err != 0) {
        pawl_registry_remove(c);
        free(c);
    }
    return -err;
}

int pawl_thread_stack_size(size_t size, size_t *previous)
{
    enum { LEAST = 32768 };
    uint64_t before =
        pawl_load64_relaxed(&stack_size_); /* relaxed: an option */

    if (size != 0 && size < LEAST)
        return -EINVAL;
    /* relaxed: as above. */
    while (!pawl_cas64_relaxed(&stack_size_, &before, size))
        ;
    if (previous != NULL)
        *previous = (size_t)before;
    return 0;
}
