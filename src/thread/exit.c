/* SPDX-License-Identifier: MIT
 *
 * exit.c - the end of the program: the phases of exit.h.
 */
#include "thread/exit.h"

#include <pawl/error.h>
#include <pawl/once.h>

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "atomic/ops.h"
#include "base/compiler.h"
#include "futex/sys.h"
#include "thread/carrier.h"
#include "thread/registry.h"

enum {
    LIVING,
    ENDING, /* the phases */
    FINAL,
};

static pawl_u32 state; /* one of these */
static pawl_once installed = PAWL_ONCE_INIT;
static pawl_u64 hooks;   /* the first of a list */
static pawl_u32 changes; /* threads that began or ended since ENDING */

static pawl_u32 waits_not;    /* pawl_thread_exit_policy */
static pawl_u64 limit_plus_1; /* ns; 0: none */

static _Thread_local bool mine;

bool pawl_exit_is_mine(void)
{
    return mine;
}

void pawl_exit_in_child(void)
{
    if (!mine)
        pawl_store_relaxed(&state, LIVING); /* relaxed: alone */
}

int pawl_exit_gate(void)
{
    /* relaxed: who comes too late to be stopped came before the end. */
    if (pawl_likely(pawl_load_relaxed(&state) != FINAL))
        return 0;
    if (mine)
        return -ESHUTDOWN;
    for (;;)
        pause();
}

/* -- Threads -------------------------------------------------------------- */

/*   a thread that starts another, or ends      exit
 *   shows what is running now       (A)        says that it waits   (C)
 *   does anybody wait?              (B)        who is running?      (D)
 *
 * seq_cst: it cannot be that B misses C and D misses A.  D takes a while, and may
 * have passed the place of one that is started by another whom it then finds ended:
 * so whoever saw C counts a change, before his end, and D is done once more. */

void pawl_exit_notice(void)
{
    /* seq_cst: B of the drawing. */
    if (pawl_likely(pawl_load_seq(&state) == LIVING))
        return;
    /* release: pairs with the acquires in await_threads and run_phases. */
    pawl_add_release(&changes, 1);
    pawl_futex_wake(&changes, PAWL_WAKE_ALL, false, PAWL_CHANNEL_ANY);
}

/* Whether the end has to wait for what this carrier runs: not for daemons, main,
 * and the caller. */
static bool keeps_alive(const struct pawl_carrier *c)
{
    uint64_t running = pawl_load64_seq(&c->running); /* seq_cst: D */

    return running != 0 && (running & 1) == 0 && c != pawl_carrier_self_ &&
           c != pawl_carrier_main();
}

static bool is_anybody_there(void)
{
    const struct pawl_carrier *c = NULL;

    pawl_registry_enter();
    while ((c = pawl_registry_next(c)) != NULL && !keeps_alive(c))
        ;
    pawl_registry_leave();
    return c != NULL;
}

static bool await_threads(pawl_deadline until)
{
    bool any = false;

    for (;;) {
        /* acquire: pairs with the release in pawl_exit_notice. */
        uint32_t seen = pawl_load_acquire(&changes);

        if (!is_anybody_there())
            return any;
        any = true;
        if (pawl_futex_wait(&changes, seen, until, false, PAWL_CHANNEL_ANY) ==
            -ETIMEDOUT)
            return any;
    }
}

static void list_threads(void)
{
    uint64_t shown[PAWL_SHOWN_WORDS];
    char name[PAWL_THREAD_NAME_SIZE];
    const struct pawl_carrier *c = NULL;

    pawl_registry_enter();
    while ((c = pawl_registry_next(c)) != NULL) {
        if (!keeps_alive(c))
            continue;
        pawl_carrier_read(c, shown);
        pawl_carrier_name(shown, name);
        fprintf(stderr, "pawl: still running at exit: %s\n", name);
    }
    pawl_registry_leave();
}

static struct pawl_exit_hook threads = {
    .run = await_threads, .phase = PAWL_EXIT_THREADS, .next_ = NULL};

/* -- Phases --------------------------------------------------------------- */

static struct pawl_exit_hook *first_hook(void)
{
    /* acquire: pairs with the release in pawl_exit_add. */
    return (struct pawl_exit_hook *)(uintptr_t)pawl_load64_acquire(&hooks);
}

static bool run_phase(enum pawl_exit_phase phase, pawl_deadline until)
{
    bool any = false;

    for (struct pawl_exit_hook *h = first_hook(); h != NULL; h = h->next_)
        if (h->phase == phase && h->run(until))
            any = true;
    return any;
}

static void run_phases(pawl_deadline until)
{
    uint32_t seen;
    bool any;

    run_phase(PAWL_EXIT_EXECUTORS, until);
    do {
        /* acquire: pairs with the release in pawl_exit_notice. */
        seen = pawl_load_acquire(&changes);
        any = run_phase(PAWL_EXIT_THREADS, until);
        any = run_phase(PAWL_EXIT_TIMERS, until) || any;
        /* relaxed: whoever was found ended, or at rest, has counted before. */
        any = any || pawl_load_relaxed(&changes) != seen;
    } while (any && (until == PAWL_FOREVER || pawl_now() < until));
    if (any)
        list_threads();
}

void pawl_exit_run(void)
{
    uint64_t limit = pawl_load64_relaxed(&limit_plus_1); /* relaxed: alone */
    pawl_deadline until =
        limit == 0 ? PAWL_FOREVER : pawl_after_ns((int64_t)(limit - 1));

    mine = true;
    /* seq_cst: C of the drawing. */
    pawl_swap_seq(&state, ENDING);
    pawl_carrier_end_main();
    if (pawl_load_relaxed(&waits_not) == 0) /* relaxed: an option */
        run_phases(until);
    /* relaxed: whoever sees it stops. */
    pawl_store_relaxed(&state, FINAL);
    run_phase(PAWL_EXIT_PROCESSES, until);
    run_phase(PAWL_EXIT_REGIONS, until);
}

void pawl_exit_forget(void)
{
    pawl_store_relaxed(&state, LIVING); /* relaxed: alone */
    mine = false;
}

static void enlist(struct pawl_exit_hook *hook)
{
    uint32_t absent = 0;
    /* relaxed: a hint; the CAS decides. */
    uint64_t seen = pawl_load64_relaxed(&hooks);

    /* relaxed: only the first one goes on. */
    if (!pawl_cas_relaxed(&hook->added_, &absent, 1))
        return;
    do
        hook->next_ = (struct pawl_exit_hook *)(uintptr_t)seen;
    /* release: pairs with first_hook. */
    while (!pawl_cas64_release(&hooks, &seen, (uintptr_t)hook));
}

static int install(void *unused)
{
    (void)unused;
    if (atexit(pawl_exit_run) != 0)
        return -ENOMEM;
    enlist(&threads);
    return 0;
}

int pawl_exit_add(struct pawl_exit_hook *hook)
{
    int err = pawl_once_run(&installed, install, NULL);

    if (err == 0 && hook != NULL)
        enlist(hook);
    return err;
}

void pawl_thread_exit_policy(bool wait, int64_t limit_ns)
{
    /* relaxed: read when the program ends. */
    pawl_store_relaxed(&waits_not, !wait);
    pawl_store64_relaxed(&limit_plus_1,
                         limit_ns < 0 ? 0 : (uint64_t)limit_ns + 1);
}
