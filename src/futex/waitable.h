/* SPDX-License-Identifier: MIT
 *
 * waitable.h - what an object must offer to be waited for together with others,
 * and what it does for that when it changes.
 *
 * An object that takes part has a mark in its word, a word to sleep on, and a
 * `static const struct pawl_waitable` beside its other functions.  Those who
 * wait together are *watchers*: they leave the mark and sleep on that word; the
 * change that makes the object ready takes the mark away and then wakes all of
 * them.  Unlike a sleeper in a lock or a get, a watcher is never one of those
 * among whom a wake is shared out; so it can leave, or take something else,
 * without having taken a wake from anybody, and there is nothing to undo.  A
 * mark that it leaves behind costs one vain system call.
 */
#ifndef PAWL_FUTEX_WAITABLE_H
#define PAWL_FUTEX_WAITABLE_H

#include <pawl/wait.h>

#include "futex/poll.h"
#include "futex/self.h"
#include "futex/sys.h"

/* What a look before a sleep in poll says. */
enum pawl_bed {
    PAWL_BED_NONE,   /* it is ready, or may be: look again */
    PAWL_BED_EXACT,  /* the kernel wakes who polls */
    PAWL_BED_POLLED, /* it may not: look now and then */
};

struct pawl_waitable {
    /* Is it ready?  What it takes is taken.
     *
     * first    the call that waits begins: from now on what comes and goes
     *          counts too, if the object can tell.
     * Returns  0, or another code as the end of the wait;  -EAGAIN not ready.
     * Order    acquire. */
    int (*look)(pawl_wait_item *item, bool first);

    /* Leave a mark.  The next change to ready wakes all who sleep on *watch, and
     * *watch differs for those who do not sleep yet.
     *
     * Returns  false: it is ready, or may be; look again. */
    bool (*watch)(const pawl_wait_item *item, struct pawl_watch *watch);

    /* Instead of that, for what the kernel wakes by a descriptor: get ready to
     * poll it, and what to poll; and say that it is not polled any more (or
     * NULL). */
    enum pawl_bed (*bed)(const pawl_wait_item *item, struct pollfd *poll);
    void (*leave_bed)(const pawl_wait_item *item);
    bool asks_kernel; /* a look is a system call */

    /* For what takes, else NULL: take it alone, by `until`; undo that. */
    int (*acquire_until)(void *object, pawl_deadline until);
    void (*put_back)(void *object);
    bool is_lock; /* taken after what is not */

    /* For what somebody may die holding, else NULL: bury as in self.h, and
     * whether to look again instead of sleeping. */
    pawl_bury_fn bury;
    bool (*is_decided)(const void *object);

    /* For what a participant of a region may die holding, else NULL: after `watch`,
     * another word that tells of its death.  1;  0 there is none;  -EOWNERDEAD it is
     * dead: look again. */
    int (*watch_holder)(const void *object, struct pawl_watch *watch);

    /* Who changes it may die before he wakes anybody: look now and then. */
    bool wakers_die;

    /* For what has an fd, else NULL: the place of the descriptor + 1, or NULL if
     * the object is shared; and the mark that has pawl_fd_write called by the
     * next change to ready.  Returns false: it is ready, or may be. */
    pawl_u32 *(*fd)(const pawl_wait_item *item);
    bool (*arm)(const pawl_wait_item *item);

    /* For what has one of its own, else NULL: pawl_wait_fd, pawl_wait_arm. */
    int (*own_fd)(const pawl_wait_item *item);
    int (*arm_own_fd)(const pawl_wait_item *item);
};

static inline pawl_wait_item pawl_waitable_item(void *object,
                                                const struct pawl_waitable *how)
{
    return (pawl_wait_item){.object_ = object, .how_ = how};
}

/* The mark was there: wake the watchers that sleep on `word`, which need not
 * exist any more.  In wait.c. */
void pawl_watchers_wake(pawl_u32 *word, bool shared);

/* The mark of `arm` was there: make the fd readable.  In wait_fd.c. */
void pawl_fd_write(uint32_t fd_plus_1);
/* Close it, if there is one. */
void pawl_fd_close(pawl_u32 *place);

#endif /* PAWL_FUTEX_WAITABLE_H */
