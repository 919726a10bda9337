/* SPDX-License-Identifier: MIT
 *
 * pipe.h - ends of connections on their way from process to process.
 */
#ifndef PAWL_PROCESS_PIPE_H
#define PAWL_PROCESS_PIPE_H

#include <pawl/pipe.h>
#include <pawl/process.h>

/* What is told about an end, beside its descriptors: the memory, the link, and
 * another link if it has PAWL_PIPE_FDS. */
struct pawl_pipe_ticket {
    uint32_t side; /* 0, 1 */
    uint32_t n_fds;
};

#define PAWL_PIPE_DESCRIPTORS 3
#define PAWL_PIPES_PASSED_MAX (PAWL_PROCESS_FDS_MAX / PAWL_PIPE_DESCRIPTORS)

/* The ticket of an end, and its descriptors, which stay the handle's.
 *
 * Returns    0;  -EBADF it is closed, or was never there. */
int pawl_pipe_export(const pawl_pipe *p, struct pawl_pipe_ticket *ticket,
                     int fds[PAWL_PIPE_DESCRIPTORS]);

/* An end from these.  The descriptors are the handle's, from now on; if it fails,
 * they are closed.
 *
 * Returns    0;  -EINVAL something else;  -EBADF, -EMFILE, -ENOMEM, ... */
int pawl_pipe_import(pawl_pipe **p, const struct pawl_pipe_ticket *ticket,
                     const int fds[PAWL_PIPE_DESCRIPTORS]);

/* In the child that was forked to have these ends: close all others, and be known
 * as a user of these. */
void pawl_pipes_keep(pawl_pipe *const *pipes, size_t n);

/* Around a fork of this process. */
void pawl_pipes_before_fork(void);
void pawl_pipes_after_fork(bool child);

#endif /* PAWL_PROCESS_PIPE_H */
