/* SPDX-License-Identifier: MIT
 *
 * link.c - the sockets of link.h.
 */
#include "process/link.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include <pawl/process.h>

/* The kernel takes no more than 253. */
#define FDS_MAX PAWL_PROCESS_FDS_MAX

struct control {
    _Alignas(struct cmsghdr) char bytes[CMSG_SPACE(FDS_MAX * sizeof(int))];
};

/* Not among 0, 1, 2: in the child these are something else. */
static int raise_above_standard(int *fd)
{
    int high;

    if (*fd > STDERR_FILENO)
        return 0;
    high = fcntl(*fd, F_DUPFD_CLOEXEC, STDERR_FILENO + 1);
    if (high < 0)
        return -errno;
    close(*fd);
    *fd = high;
    return 0;
}

static int make(int type, int ends[2])
{
    int err = 0;

    if (socketpair(AF_UNIX, type | SOCK_CLOEXEC, 0, ends) != 0)
        return -errno;
    for (int i = 0; i < 2 && err == 0; i++)
        err = raise_above_standard(&ends[i]);
    if (err != 0) {
        close(ends[0]);
        close(ends[1]);
    }
    return err;
}

int pawl_link_make(int ends[2])
{
    return make(SOCK_STREAM, ends);
}

int pawl_link_make_packets(int ends[2])
{
    return make(SOCK_SEQPACKET, ends);
}

static void enclose(struct msghdr *message, struct control *control,
                    const int *fds, size_t n_fds)
{
    struct cmsghdr *c;

    message->msg_control = control->bytes;
    message->msg_controllen = CMSG_SPACE(n_fds * sizeof(int));
    memset(control->bytes, 0, message->msg_controllen);
    c = CMSG_FIRSTHDR(message);
    c->cmsg_level = SOL_SOCKET;
    c->cmsg_type = SCM_RIGHTS;
    c->cmsg_len = CMSG_LEN(n_fds * sizeof(int));
    memcpy(CMSG_DATA(c), fds, n_fds * sizeof(int));
}

int pawl_link_send(int link, const void *bytes, size_t n, const int *fds,
                   size_t n_fds)
{
    struct control control;
    const char *at = bytes;

    while (n > 0) {
        struct iovec part = {.iov_base = (char *)(uintptr_t)at, .iov_len = n};
        struct msghdr message = {.msg_iov = &part, .msg_iovlen = 1};
        ssize_t r;

        if (n_fds > 0)
            enclose(&message, &control, fds, n_fds);
        r = sendmsg(link, &message, MSG_NOSIGNAL);
        if (r < 0 && errno == EINTR)
            continue;
        if (r < 0)
            return -errno;
        n_fds = 0;
        at += r;
        n -= (size_t)r;
    }
    return 0;
}

int pawl_link_report(int link, enum pawl_report_kind kind, int32_t value,
                     int fd)
{
    struct pawl_report report = {.kind = (int32_t)kind, .value = value};

    return pawl_link_send(link, &report, sizeof report, &fd, fd >= 0);
}

/* Take the descriptors out of a message; those for which there is no room are
 * closed. */
static void take_fds(struct msghdr *message, int *fds, size_t *taken,
                     size_t room)
{
    for (struct cmsghdr *c = CMSG_FIRSTHDR(message); c != NULL;
         c = CMSG_NXTHDR(message, c)) {
        size_t n = (c->cmsg_len - CMSG_LEN(0)) / sizeof(int);

        if (c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_RIGHTS)
            continue;
        for (size_t i = 0; i < n; i++) {
            int fd;

            memcpy(&fd, CMSG_DATA(c) + i * sizeof fd, sizeof fd);
            if (*taken < room)
                fds[(*taken)++] = fd;
            else
                close(fd);
        }
    }
}

int pawl_link_receive(int link, void *bytes, size_t n, int *fds, size_t *n_fds)
{
    size_t room = n_fds != NULL ? *n_fds : 0;
    size_t taken = 0;
    char *at = bytes;

    while (n > 0) {
        struct control control;
        struct iovec part = {.iov_base = at, .iov_len = n};
        struct msghdr message = {.msg_iov = &part,
                                 .msg_iovlen = 1,
                                 .msg_control = control.bytes,
                                 .msg_controllen = sizeof control.bytes};
        ssize_t r = recvmsg(link, &message, MSG_CMSG_CLOEXEC);

        if (r < 0 && errno == EINTR)
            continue;
        if (r < 0)
            return -errno;
        take_fds(&message, fds, &taken, room);
        if (n_fds != NULL)
            *n_fds = taken;
        if (r == 0)
            return -ECONNRESET;
        at += r;
        n -= (size_t)r;
    }
    return 0;
}

int pawl_link_next(int link, struct pawl_report *report, int *fd)
{
    size_t n = 1;

    *fd = -1;
    return pawl_link_receive(link, report, sizeof *report, fd, &n);
}

int pawl_link_send_packet(int link, const void *bytes, size_t n, const int *fds,
                          size_t n_fds)
{
    struct control control;
    struct iovec all = {.iov_base = (char *)(uintptr_t)bytes, .iov_len = n};
    struct msghdr message = {.msg_iov = &all, .msg_iovlen = 1};
    ssize_t r;

    enclose(&message, &control, fds, n_fds);
    do
        r = sendmsg(link, &message, MSG_NOSIGNAL | MSG_DONTWAIT);
    while (r < 0 && errno == EINTR);
    return r < 0 ? -errno : 0;
}

int pawl_link_peek_packet(int link, void *bytes, size_t n)
{
    ssize_t r = recv(link, bytes, n, MSG_PEEK | MSG_DONTWAIT);

    return r < 0 ? -errno : r == 0 ? -ECONNRESET : 0;
}

int pawl_link_take_packet(int link, void *bytes, size_t n, int *fds,
                          size_t *n_fds)
{
    struct control control;
    struct iovec all = {.iov_base = bytes, .iov_len = n};
    struct msghdr message = {.msg_iov = &all,
                             .msg_iovlen = 1,
                             .msg_control = control.bytes,
                             .msg_controllen = sizeof control.bytes};
    size_t room = *n_fds;
    ssize_t r = recvmsg(link, &message, MSG_CMSG_CLOEXEC | MSG_DONTWAIT);

    *n_fds = 0;
    if (r <= 0)
        return r < 0 ? -errno : -ECONNRESET;
    take_fds(&message, fds, n_fds, room);
    return 0;
}

bool pawl_link_is_readable(int link)
{
    struct pollfd p = {.fd = link, .events = POLLIN};

    return pawl_poll_until(&p, 1, 0) > 0;
}

void pawl_link_die_with(int link)
{
    struct pollfd p = {.fd = link, .events = POLLRDHUP};
    int flags = fcntl(link, F_GETFL);

    if (fcntl(link, F_SETOWN, getpid()) == 0 &&
        fcntl(link, F_SETSIG, SIGKILL) == 0)
        (void)fcntl(link, F_SETFL, flags | O_ASYNC);
    /* Closed before that: nobody sends a signal any more. */
    if (poll(&p, 1, 0) > 0)
        (void)raise(SIGKILL);
}
