/* SPDX-License-Identifier: MIT
 *
 * exit.h - the end of the program, in order.
 *
 * One atexit handler, installed by the first thread or the first hook, runs the
 * phases below.  In each it calls the hooks of that phase; THREADS and TIMERS are
 * repeated until neither has found anything to wait for, for a thread may arm a
 * timer, and a timer start a thread.  Then the end is final: see pawl_exit_gate.
 *
 *   phase       waits for                             (python-model.md T-29, K-13)
 *   EXECUTORS   pools: tasks that were submitted, by their policy
 *   THREADS     threads that are not daemons; more may be started meanwhile
 *   TIMERS      timers that are not daemons
 *   PROCESSES   children, when the end is final: nobody starts any more
 *   REGIONS     nothing: names of owned ones are removed
 */
#ifndef PAWL_THREAD_EXIT_H
#define PAWL_THREAD_EXIT_H

#include <stdbool.h>

#include <pawl/base.h>
#include <pawl/time.h>

enum pawl_exit_phase {
    PAWL_EXIT_EXECUTORS,
    PAWL_EXIT_THREADS,
    PAWL_EXIT_TIMERS,
    PAWL_EXIT_PROCESSES,
    PAWL_EXIT_REGIONS,
    PAWL_EXIT_PHASES,
};

/* One for each kind of object, static, never removed. */
struct pawl_exit_hook {
    /* Wait, in the thread that ends the program, for what must not be cut off; not
     * for the calling thread itself, and not longer than `until`.  In a forked
     * child what it knows of may not exist.
     *
     * Returns    whether there was anything to wait for. */
    bool (*run)(pawl_deadline until);
    enum pawl_exit_phase phase;
    struct pawl_exit_hook *next_;
    pawl_u32 added_;
};

/* Have the hook called at the end; more than once is as once.  NULL: install the
 * handler, no more.
 *
 * Returns    0;  -ENOMEM the handler cannot be installed. */
int pawl_exit_add(struct pawl_exit_hook *hook);

/* What the handler does, for a process that ends by _exit. */
void pawl_exit_run(void);
/* In a forked child, alone: its own end has not begun. */
void pawl_exit_forget(void);

/* For calls that give work to others or wait for it.
 *
 * Returns    0;  -ESHUTDOWN: the end is final, and the caller is the thread that
 *            makes it.  Any other thread, which will vanish with the process, does
 *            not come back from here then (T-31). */
int pawl_exit_gate(void);

/* Whether the calling thread is ending the program: it waits for all others, and
 * nobody must wait for it. */
bool pawl_exit_is_mine(void);

/* In a forked child: it lives, unless the thread that forked is ending it. */
void pawl_exit_in_child(void);

/* A thread has ended, or the caller has started one: tell who waits in THREADS.  A
 * load, unless the program ends. */
void pawl_exit_notice(void);

#endif /* PAWL_THREAD_EXIT_H */
