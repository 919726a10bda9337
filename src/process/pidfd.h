/* SPDX-License-Identifier: MIT
 *
 * pidfd.h - processes by descriptor: the system calls, and what to do where the
 * kernel refuses them (ENOSYS, or EPERM from a sandbox).
 *
 * PAWL_FALLBACK with the word "pidfd", read at the first use, refuses them all.
 */
#ifndef PAWL_PROCESS_PIDFD_H
#define PAWL_PROCESS_PIDFD_H

#include <pawl/process.h>

#include <sys/types.h>

/* A pidfd of that process, which must not have been waited for.
 *
 * Returns    a descriptor, close-on-exec;  -EOPNOTSUPP refused: do without;
 *            -ESRCH, -EMFILE, -ENFILE, -ENOMEM. */
int pawl_pidfd_open(pid_t pid);

/* Send a signal; by number if pidfd is -1 or the call is refused, so the caller
 * sees to it that nobody waits for the process meanwhile.  0: also if it has
 * ended;  -EPERM, -EINVAL. */
int pawl_pidfd_signal(int pidfd, pid_t pid, int signal);

/* The same to its group.  Only `pinned`, if it has not been waited for, may go by
 * number. */
int pawl_pidfd_signal_group(int pidfd, pid_t pid, int signal, bool pinned);

/* Wait for a child of this process without sleeping, if it has ended.
 *
 * Returns    0, and how it ended in *end;  -EAGAIN it runs;  -ECHILD it has ended,
 *            and its status was taken by somebody else. */
int pawl_pidfd_reap(int pidfd, pid_t pid, pawl_process_end *end);

#endif /* PAWL_PROCESS_PIDFD_H */
