/* SPDX-License-Identifier: MIT
 *
 * service.h - threads of the library's own, such as the one that runs timers.
 */
#ifndef PAWL_THREAD_SERVICE_H
#define PAWL_THREAD_SERVICE_H

/* Start run(arg) in a thread with this name (also to the kernel) that blocks all
 * signals, is not enumerated, keeps nothing alive and is not to be joined.
 * `name` is kept.  pawl_thread_current() in it is a daemon of that name.
 *
 * It does not exist in the child of a fork: whoever needs it there remembers
 * pawl_fork_count_ (futex/self.h) and starts another.
 *
 * Returns    0;  -EAGAIN, -ENOMEM. */
int pawl_service_start(const char *name, void (*run)(void *arg), void *arg);

#endif /* PAWL_THREAD_SERVICE_H */
