/* SPDX-License-Identifier: MIT
 *
 * link.h - the pair of sockets between a process and its parent.
 *
 * Each child has one.  The parent holds its end as long as the child runs, and the
 * child as long as it lives, so each notices the end of the other; nobody else
 * holds an end: see the fork handlers in process.c.
 *
 *   parent                            child
 *   GO                         -->    runs its function                  FORK
 *   struct pawl_letter, ...    -->    receives what is passed            SPAWN,
 *                              <--    READY, or why not                  FORKSERVER
 *                              <--    VALUE, if it is not 0..255
 *                              <--    (server) FORKED, first, with a pidfd;
 *                                     STATUS, when it has waited for the child
 */
#ifndef PAWL_PROCESS_LINK_H
#define PAWL_PROCESS_LINK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <pawl/time.h>

#include "futex/poll.h"

enum pawl_report_kind {
    PAWL_REPORT_GO,
    PAWL_REPORT_READY,  /* 0 or a negative errno */
    PAWL_REPORT_VALUE,  /* what the function returned */
    PAWL_REPORT_FORKED, /* pid, or a negative errno */
    PAWL_REPORT_STATUS, /* as waitpid */
};

struct pawl_report {
    int32_t kind;
    int32_t value;
};

/* Both ends are close-on-exec and not among 0, 1, 2. */
int pawl_link_make(int ends[2]);

/* The same for packets, which come whole. */
int pawl_link_make_packets(int ends[2]);

/* All of it, or an error: -EPIPE the other end is closed, ...  Descriptors go with
 * the first byte. */
int pawl_link_send(int link, const void *bytes, size_t n, const int *fds,
                   size_t n_fds);
int pawl_link_report(int link, enum pawl_report_kind kind, int32_t value,
                     int fd);

/* All of it;  -ECONNRESET the other end is closed.  Up to *n_fds descriptors that
 * came with it are stored in fds, and *n_fds is how many. */
int pawl_link_receive(int link, void *bytes, size_t n, int *fds, size_t *n_fds);
/* The next report; *fd is the descriptor with it, or -1. */
int pawl_link_next(int link, struct pawl_report *report, int *fd);

/* A packet, with descriptors.  None of these waits: -EAGAIN;  -ECONNRESET the other
 * end is closed;  -EPIPE (send). */
int pawl_link_send_packet(int link, const void *bytes, size_t n, const int *fds,
                          size_t n_fds);
int pawl_link_peek_packet(int link, void *bytes, size_t n);
int pawl_link_take_packet(int link, void *bytes, size_t n, int *fds,
                          size_t *n_fds);

/* Whether something is there to be received, an end included; of a pidfd, whether
 * the process has ended. */
bool pawl_link_is_readable(int link);

/* Have the kernel kill this process when the other end is closed.
 *
 * A parent-death signal would come when the *thread* that has made the child ends,
 * and never if the parent had ended before.  A signal of the socket comes when its
 * peer is closed for the last time, which is when the parent process ends; nobody
 * need ask who the parent is (it may be process 1), and no thread has to watch. */
void pawl_link_die_with(int link);

#endif /* PAWL_PROCESS_LINK_H */
