/* SPDX-License-Identifier: MIT
 *
 * pawl/pipe.h - connections: messages between processes, or threads.
 *
 *     pawl_pipe *ends[2];
 *
 *     pawl_pipe_create(ends, NULL);
 *     pawl_process_create(&p, serve, ends[1], &(pawl_process_options){
 *         .pipes = &ends[1], .n_pipes = 1});
 *     pawl_process_start(p);                 ends[1] is the child's now
 *     pawl_pipe_send(ends[0], "ping", 4);
 *     pawl_pipe_recv(ends[0], answer, sizeof answer, &n);
 *
 * A connection has two ends.  What is sent at one end is received at the other,
 * message by message; both directions, or one.  Messages lie in rings that the
 * processes share, so sending one is a copy, and no system call unless somebody
 * sleeps.  An end may be used by several threads, and, after a fork or a dup, by
 * several processes: a message is never mixed with another, and is received by one
 * of those who receive.
 *
 *   call               open           other end closed            this end closed
 *   send               0, waits       -EPIPE, no SIGPIPE          -EBADF
 *   recv               0, waits       what was sent, then         -EBADF
 *                                     -ESHUTDOWN
 *   poll               0, waits       0                           -EBADF
 *   close              0              0                           0
 *
 * Closed      An end is closed when all who had it have closed it or have ended,
 *   in whatever way; the kernel counts them.  Who waits for it is woken by that.
 * Handed on   A process that is started gets the ends that its options list, and
 *   no other: these are closed in the starting process when it has been started,
 *   and all others in the child.  To keep one, pass a dup.  Any other fork copies
 *   all ends, as it does with descriptors; exec closes them.
 * Killed      A message that fits into a quarter of the ring, or 16 KiB, is sent
 *   in one step.  A longer one goes through the ring in pieces: the receiver may
 *   have some of them when the sender is killed.  Then recv returns -ECONNRESET
 *   once, in the place of the message, and goes on with what others sent.  A
 *   receiver that is killed in a call takes the message with it at most.
 *   What is received is always whole.
 * Trust       as in a region: who has an end can write to the memory.
 * Kernel      with futex_waitv (Linux 5.16) a death wakes at once; without, or if
 *   all threads that used the other end have ended while their process lives,
 *   those who wait look now and then, every 2 ms at most.
 *
 * Functions may be called by several threads at once unless they say otherwise;
 * none in signal handlers.
 *
 * Since 0.1.
 */
#ifndef PAWL_PIPE_H
#define PAWL_PIPE_H

#include <pawl/base.h>
#include <pawl/time.h>
#include <pawl/wait.h>

PAWL_BEGIN_DECLS

/* One end, as a process has it: on its heap. */
typedef struct pawl_pipe pawl_pipe;

enum {
    /* ends[0] receives, ends[1] sends. */
    PAWL_PIPE_ONE_WAY = 1 << 0,
    /* Descriptors can be sent: see pawl_pipe_send_fds. */
    PAWL_PIPE_FDS = 1 << 1,
};

/* What is not said is 0. */
typedef struct pawl_pipe_options {
    /* Bytes under way in each direction, rounded up to a power of 2, 4096 to 1 GiB;
     * 0 means 256 KiB. */
    size_t capacity;
    uint32_t threads; /* that use it at one time, at most 4096; 0 means 64 */
    unsigned flags;
} pawl_pipe_options;

/* ---- from create to free -------------------------------------------------- */

/* Make a connection, and both its ends.
 *
 * Returns    0;  -EINVAL a size, number or flag out of its bounds;  -EMFILE,
 *            -ENFILE, -ENOMEM, -ENOSPC. */
PAWL_API int pawl_pipe_create(pawl_pipe *ends[2],
                              const pawl_pipe_options *options);

/* Another handle of the same end: it is closed when both are.
 *
 * Returns    0;  -EBADF;  -EMFILE, -ENFILE, -ENOMEM. */
PAWL_API int pawl_pipe_dup(pawl_pipe **copy, pawl_pipe *p);

/* Close the end as far as this handle goes.  Calls that wait for it, by other
 * threads, return -EBADF; this returns when they have.  Idempotent.  A part of a
 * long message that this handle has received is lost.
 *
 * Returns    0.
 * Order      release: pairs with the acquire of a recv that returns -ESHUTDOWN. */
PAWL_API int pawl_pipe_close(pawl_pipe *p);

/* Close it if need be, and free the handle; NULL is legal.  Nobody uses it. */
PAWL_API void pawl_pipe_free(pawl_pipe *p);

/* ---- sending ----------------------------------------------------------------- */

/* Send a message of n bytes; 0 is legal.
 *
 * A message that is not sent, for whatever reason, is not received, not in parts
 * either.
 *
 * Returns    0;
 *            -EPIPE      the other end is closed;
 *            -EBADF      this one is;
 *            -EPERM      this end only receives;
 *            -ETIMEDOUT  (until), -EAGAIN (try): there was no room, or somebody else
 *                        was sending;
 *            -EMSGSIZE   (try, or a deadline that has passed) longer than the ring:
 *                        only while the receiver receives can it be sent;
 *            -EAGAIN     also: more threads use the connection than its options
 *                        say;  -ENOMEM libc is out of memory.
 * Order      release: pairs with the acquire of the recv that gets it.
 * Progress   blocking.
 * Cost       one copy, five locked instructions; a system call if somebody sleeps
 *            at the other end.
 */
PAWL_API PAWL_NODISCARD int pawl_pipe_send_until(pawl_pipe *p,
                                                 const void *bytes, size_t n,
                                                 pawl_deadline until);
PAWL_API PAWL_NODISCARD int pawl_pipe_send(pawl_pipe *p, const void *bytes,
                                           size_t n);
PAWL_API PAWL_NODISCARD int pawl_pipe_try_send(pawl_pipe *p, const void *bytes,
                                               size_t n);

/* ---- receiving --------------------------------------------------------------- */

/* Receive a message into a buffer with so much room.  *size is its length: written
 * if 0 or -EMSGSIZE is returned; may be NULL.
 *
 * Of a message longer than the ring, what has come by the deadline is kept in this
 * handle, and the next recv goes on with it; meanwhile, those who receive by other
 * handles wait.
 *
 * Returns    0;
 *            -EMSGSIZE    it is longer, and stays where it is;
 *            -ESHUTDOWN   the other end is closed, and all is received;
 *            -ECONNRESET  whoever sent the message has died in the middle of it;
 *            -EBADF       this end is closed;
 *            -EPERM       this end only sends;
 *            -ETIMEDOUT   (until), -EAGAIN (try): nothing was there;
 *            -EAGAIN      also as send;  -ENOMEM no memory to keep a part.
 * Order      acquire.
 * Progress   blocking.
 * Cost       as send.
 */
PAWL_API PAWL_NODISCARD int pawl_pipe_recv_until(pawl_pipe *p, void *buffer,
                                                 size_t room, size_t *size,
                                                 pawl_deadline until);
PAWL_API PAWL_NODISCARD int pawl_pipe_recv(pawl_pipe *p, void *buffer,
                                           size_t room, size_t *size);
PAWL_API PAWL_NODISCARD int pawl_pipe_try_recv(pawl_pipe *p, void *buffer,
                                               size_t room, size_t *size);

/* Wait until a recv would find something: a message, a part of one, or the end.
 *
 * Returns    0;  -ETIMEDOUT (until), -EAGAIN (try);  -EBADF, -EPERM, -ENOMEM as
 *            recv. */
PAWL_API PAWL_NODISCARD int pawl_pipe_poll_until(pawl_pipe *p,
                                                 pawl_deadline until);
PAWL_API PAWL_NODISCARD int pawl_pipe_poll(pawl_pipe *p);
PAWL_API PAWL_NODISCARD int pawl_pipe_try_poll(pawl_pipe *p);

/* The length of the next message, without taking it or waiting for it.
 *
 * Returns    0, and *size;  as pawl_pipe_try_recv, but for -EMSGSIZE. */
PAWL_API PAWL_NODISCARD int pawl_pipe_try_size(pawl_pipe *p, size_t *size);

/* ---- descriptors ----------------------------------------------------------- */

/* Most descriptors with a message, and most bytes of such a message. */
#define PAWL_PIPE_FDS_MAX 250
#define PAWL_PIPE_FDS_BYTES_MAX 1024

/* Send a message with descriptors; they stay the caller's, too.
 *
 * Returns    as send;  -EOPNOTSUPP the connection was made without PAWL_PIPE_FDS;
 *            -EMSGSIZE more descriptors or bytes than above;  -EBADF one of them is
 *            none;  -ETOOMANYREFS too many are under way. */
PAWL_API PAWL_NODISCARD int
pawl_pipe_send_fds_until(pawl_pipe *p, const void *bytes, size_t n,
                         const int *fds, size_t n_fds, pawl_deadline until);

/* Receive a message and the descriptors with it: *n_fds is how many there is room
 * for, and then how many have come, fewer if the process may have no more; written
 * if 0 or -EMSGSIZE is returned.  They are close-on-exec.  By pawl_pipe_recv, they
 * are closed.
 *
 * Returns    as recv;  -EMSGSIZE also: there is no room for so many;  -EOPNOTSUPP
 *            as above. */
PAWL_API PAWL_NODISCARD int pawl_pipe_recv_fds_until(pawl_pipe *p, void *buffer,
                                                     size_t room, size_t *size,
                                                     int *fds, size_t *n_fds,
                                                     pawl_deadline until);

/* ---- what it is ------------------------------------------------------------- */

PAWL_API bool pawl_pipe_is_closed(const pawl_pipe *p);
PAWL_API bool pawl_pipe_can_send(const pawl_pipe *p);
PAWL_API bool pawl_pipe_can_recv(const pawl_pipe *p);

/* ---- among others ------------------------------------------------------------ */

/* For pawl/wait.h: ready when pawl_pipe_try_poll returns anything but -EAGAIN; if
 * that is an error, the wait returns it.  Takes nothing.
 *
 * pawl_wait_fd(&item) is a descriptor for poll and epoll, which belongs to the
 * handle, and pawl_wait_arm(&item) says that the caller is about to poll it, as for
 * a queue; it is readable at the end, too.  Of several who poll it, each receives
 * until there is nothing more before it arms it again. */
PAWL_API pawl_wait_item pawl_pipe_wait_item(pawl_pipe *p);
#define PAWL_WAIT_PIPE(p) pawl_pipe_wait_item(p)

/* ---- scope guard --------------------------------------------------------------- */

/* Python's `with connection:`.  Closes the end when the scope is left:
 *
 *     PAWL_PIPE_GUARD(end, ends[0]);
 */
PAWL_API void pawl_pipe_guard_end(pawl_pipe **p);
#define PAWL_PIPE_GUARD(name, p)                                               \
    __attribute__((cleanup(pawl_pipe_guard_end), unused)) pawl_pipe *name = (p)

PAWL_END_DECLS

#endif /* PAWL_PIPE_H */
