/* SPDX-License-Identifier: MIT
 *
 * no_starts.c - the pool of a client has its worker, no limit, and no end: what a pool
 * asks of others to start one, to keep a limit, or to help is never reached.
 */
#include <stdlib.h>

#include <pawl/sem.h>
#include <pawl/thread.h>
#include <pawl/wsdeque.h>

#include "base/check.h"
#include "thread/pool_core.h"
#include "thread/stop.h"

int pawl_thread_init(pawl_thread *t, pawl_thread_fn fn, void *arg,
                     const pawl_thread_options *options)
{
    (void)t;
    (void)fn;
    (void)arg;
    (void)options;
    abort();
}

int pawl_thread_start(pawl_thread *t)
{
    (void)t;
    abort();
}

bool pawl_thread_is_alive(const pawl_thread *t)
{
    (void)t;
    abort();
}

bool pawl_thread_stop_requested(void)
{
    abort();
}

void pawl_interrupt_raise(struct pawl_interrupt *in, uint64_t calm)
{
    (void)in;
    (void)calm;
    abort();
}

int pawl_sem_try_acquire(pawl_sem *s)
{
    (void)s;
    abort();
}

int pawl_sem_acquire_until(pawl_sem *s, pawl_deadline until)
{
    (void)s;
    (void)until;
    abort();
}

int pawl_sem_release_n(pawl_sem *s, int n)
{
    (void)s;
    (void)n;
    abort();
}

void pawl_pool_close(pawl_pool *p, uint64_t flags)
{
    (void)p;
    (void)flags;
    abort();
}

int pawl_wsdeque_create(pawl_wsdeque **deque, size_t capacity)
{
    (void)deque;
    (void)capacity;
    abort();
}

bool pawl_futex_can_wait_any(void)
{
    abort();
}

int pawl_futex_wait_any(const struct pawl_watch *watch, size_t n,
                        pawl_deadline until)
{
    (void)watch;
    (void)n;
    (void)until;
    abort();
}

_Noreturn void pawl_check_failed(const char *what, const void *object,
                                 const char *file, int line)
{
    (void)what;
    (void)object;
    (void)file;
    (void)line;
    abort();
}
