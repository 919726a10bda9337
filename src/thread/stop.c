/* SPDX-License-Identifier: MIT
 *
 * stop.c - asking a thread to stop.
 *
 * The word is in the carrier: serial << 1 | PAWL_STOP.  A request swaps that bit
 * in for one serial only, so it cannot reach the next thread there.  A task of a
 * pool has a word of its own, which the thread heeds while it runs the task.
 */
#include <pawl/error.h>
#include <pawl/thread.h>

#include <sched.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/compiler.h"
#include "base/tsan.h"
#include "futex/sys.h"
#include "futex/waitable.h"
#include "thread/carrier.h"
#include "thread/registry.h"
#include "thread/stop.h"

/* Attempts to wake somebody who is just going to sleep; after that he finds out by
 * himself, a little later: see sys.c. */
#define ATTEMPTS 20

/*   who asks                        who sleeps (sys.c)
 *   stop is set           (A)       says where it sleeps  (C)
 *   where does it sleep?  (B)       is stop set?          (D)
 *
 * seq_cst: it cannot be that B misses C and D misses A.  But from D it may be a
 * while to the sleep itself. */
static void wake(struct pawl_interrupt *in)
{
    for (int i = 0; i < ATTEMPTS; i++) {
        uint64_t bed =
            pawl_load64_seq(&in->bed); /* seq_cst: B of the drawing */

        if (bed == 0)
            return;
        if (pawl_futex_wake((pawl_u32 *)(uintptr_t)(bed & ~PAWL_BED_SHARED),
                            PAWL_WAKE_ALL, (bed & PAWL_BED_SHARED) != 0,
                            PAWL_CHANNEL_ANY) == 0)
            sched_yield();
    }
}

void pawl_interrupt_raise(struct pawl_interrupt *in, uint64_t calm)
{
    uint64_t seen = calm;

    pawl_tsan_release(in);
    /* seq_cst: A of the drawing; a release, which pairs with the acquire in
     * is_asked. */
    if (!pawl_cas64_seq(&in->stop, &seen, seen | PAWL_STOP))
        return; /* it has been asked, or has ended */
    pawl_watchers_wake(pawl_low_half(&in->stop), false);
    wake(in);
}

int pawl_thread_request_stop(pawl_thread *t)
{
    struct pawl_carrier *c = NULL;
    int err = 0;

    pawl_registry_enter();
    switch (pawl_thread_phase(t)) {
    case PAWL_T_NEW:
        err = -ESRCH;
        break;
    case PAWL_T_CLOSED:
        err = -EBADF;
        break;
    case PAWL_T_RUNNING:
        if (pawl_thread_stayed_behind(t)) {
            err = -ECHILD;
            break;
        }
        pawl_thread_guard(t);
        c = t->carrier_;
        pawl_thread_unguard(t);
        break;
    default:
        break;
    }
    if (c != NULL)
        pawl_interrupt_raise(&c->interrupt, pawl_thread_serial_of(t) << 1);
    pawl_registry_leave();
    return err;
}

/* The requests that count for the calling thread; NULL: without a handle, nobody
 * can ask. */
static struct pawl_interrupt *heeded(void)
{
    struct pawl_interrupt *in = pawl_task_heeds();
    struct pawl_carrier *c = pawl_carrier_self_;

    if (in == NULL && c != NULL)
        in = &c->interrupt;
    return in;
}

bool pawl_thread_stop_requested(void)
{
    const struct pawl_interrupt *in = heeded();

    /* acquire: pairs with the CAS in pawl_interrupt_raise. */
    if (in == NULL || (pawl_load64_acquire(&in->stop) & PAWL_STOP) == 0)
        return false;
    pawl_tsan_acquire(in);
    return true;
}

int pawl_thread_interrupt_main(int signal)
{
    int saved = errno; /* pawl never changes errno */
    int err = 0;

    if (signal <= 0) /* 0 is none: it would only ask whether there is somebody */
        return -EINVAL;
    if (syscall(SYS_tgkill, getpid(), getpid(), signal) != 0)
        err = -errno;
    errno = saved;
    return err;
}

/* -- In a wait set ------------------------------------------------------------ */

static int look(pawl_wait_item *item, bool first)
{
    (void)first;
    if (item->object_ == NULL || item->object_ != heeded())
        return -EINVAL; /* no memory for a handle, or another thread's item */
    return pawl_thread_stop_requested() ? 0 : -EAGAIN;
}

static bool watch(const pawl_wait_item *item, struct pawl_watch *w)
{
    struct pawl_interrupt *in = item->object_;
    /* relaxed: the kernel compares it again. */
    uint64_t seen = pawl_load64_relaxed(&in->stop);

    *w = (struct pawl_watch){pawl_low_half(&in->stop), (uint32_t)seen, false};
    return (seen & PAWL_STOP) == 0;
}

pawl_wait_item pawl_thread_stop_wait_item(void)
{
    static const struct pawl_waitable how = {.look = look, .watch = watch};

    (void)pawl_carrier_self();
    return pawl_waitable_item(heeded(), &how);
}

/* -- One call -------------------------------------------------------------------- */

void pawl_thread_interruptible_begin_(void)
{
    struct pawl_interrupt *in = heeded();

    pawl_self_.interrupted = false;
    if (in == NULL)
        return;
    pawl_self_.interrupt = in;
    pawl_self_.interruptible++;
}

int pawl_thread_interruptible_end_(int err)
{
    if (pawl_self_.interruptible != 0)
        pawl_self_.interruptible--;
    if (!pawl_self_.interrupted)
        return err;
    pawl_self_.interrupted = false;
    return err == -ETIMEDOUT ? -ECANCELED : err;
}
