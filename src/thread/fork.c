/* SPDX-License-Identifier: MIT
 *
 * fork.c - the hooks and the fork of pawl/fork.h.
 */
#include <pawl/error.h>
#include <pawl/fork.h>
#include <pawl/once.h>
#include <pawl/thread.h>

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "atomic/ops.h"
#include "futex/mutex_core.h"

struct hook {
    pawl_fork_fn before, in_parent, in_child;
    void *context;
    struct hook *older;
};

static pawl_u64 newest; /* hook: a list that only grows */
static pawl_once installed = PAWL_ONCE_INIT;
static pawl_u64 warning;

/* Those of the fork that the thread is making, newest and oldest: what is
 * registered meanwhile is for the next. */
static _Thread_local struct hook *from;
static _Thread_local struct hook *to;

static void before(void)
{
    /* acquire: pairs with the release in pawl_at_fork. */
    from = (struct hook *)(uintptr_t)pawl_load64_acquire(&newest);
    to = NULL;
    for (struct hook *h = from; h != NULL; h = h->older) {
        if (h->before != NULL)
            h->before(h->context);
        to = h;
    }
}

/* The one that was registered next after `h`, up to `from`. */
static struct hook *next_after(const struct hook *h)
{
    struct hook *next = from;

    while (next != NULL && next->older != h)
        next = next->older;
    return next;
}

static void in_parent(void)
{
    for (struct hook *h = to; h != NULL; h = h == from ? NULL : next_after(h))
        if (h->in_parent != NULL)
            h->in_parent(h->context);
}

static void in_child(void)
{
    for (struct hook *h = to; h != NULL; h = h == from ? NULL : next_after(h))
        if (h->in_child != NULL)
            h->in_child(h->context);
}

static int install(void *unused)
{
    (void)unused;
    (void)pawl_thread_main(); /* pawl's own handlers are nearer to the fork */
    return pthread_atfork(before, in_parent, in_child) == 0 ? 0 : -ENOMEM;
}

int pawl_at_fork(pawl_fork_fn first, pawl_fork_fn parent, pawl_fork_fn child,
                 void *context)
{
    struct hook *h = malloc(sizeof *h);
    uint64_t seen;
    int err;

    if (h == NULL)
        return -ENOMEM;
    err = pawl_once_run(&installed, install, NULL);
    if (err != 0) {
        free(h);
        return err;
    }
    *h = (struct hook){.before = first,
                       .in_parent = parent,
                       .in_child = child,
                       .context = context};
    seen = pawl_load64_relaxed(&newest); /* relaxed: a hint; the CAS decides */
    do
        h->older = (struct hook *)(uintptr_t)seen;
    /* release: pairs with the load in before. */
    while (!pawl_cas64_release(&newest, &seen, (uintptr_t)h));
    return 0;
}

pawl_fork_warning_fn pawl_fork_set_warning(pawl_fork_warning_fn fn)
{
    /* seq_cst: a release, which pairs with the acquire in pawl_fork. */
    return (pawl_fork_warning_fn)(uintptr_t)pawl_swap64_seq(&warning,
                                                            (uintptr_t)fn);
}

pid_t pawl_fork(void)
{
    /* acquire: pairs with pawl_fork_set_warning. */
    pawl_fork_warning_fn warn =
        (pawl_fork_warning_fn)(uintptr_t)pawl_load64_acquire(&warning);
    size_t n = warn != NULL ? pawl_thread_active_count() : 0;
    int saved = errno;
    pid_t pid;

    if (n > 1)
        warn(n);
    fflush(stdout);
    fflush(stderr);
    pid = fork();
    if (pid < 0)
        pid = -errno;
    errno = saved;
    return pid;
}

/* -- Guarded locks ------------------------------------------------------------ */

struct guarded {
    pawl_mutex *mutex;
    int err; /* of the lock for this fork: under *mutex */
};

PAWL_NO_TSA_ static void take(void *context)
{
    struct guarded *g = context;
    uint32_t calm = pawl_uninterruptible_begin();
    int err = pawl_mutex_lock(g->mutex);

    pawl_uninterruptible_end(calm);
    if (err != -ENOTRECOVERABLE)
        g->err = err;
}

/* In the child too: the thread that forked holds there what it held. */
PAWL_NO_TSA_ static void give(void *context)
{
    const struct guarded *g = context;

    if (!pawl_mutex_is_mine(g->mutex))
        return; /* nobody will ever have it again */
    if (g->err == -EOWNERDEAD)
        pawl_mutex_put_back(g->mutex); /* the next holder is told */
    else if (g->err == 0)
        pawl_mutex_unlock(g->mutex);
}

int pawl_fork_guard(pawl_mutex *m)
{
    /* relaxed: the mode is constant. */
    uint32_t mode = pawl_load_high_relaxed(&m->word_);
    struct guarded *g;
    int err;

    if ((mode & (PAWL_SHARED | PAWL_OWNERLESS)) != 0)
        return -EINVAL;
    g = malloc(sizeof *g);
    if (g == NULL)
        return -ENOMEM;
    *g = (struct guarded){.mutex = m};
    err = pawl_at_fork(take, give, give, g);
    if (err != 0)
        free(g);
    return err;
}
