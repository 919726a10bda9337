/* SPDX-License-Identifier: MIT
 *
 * pidfd.c - the system calls of pidfd.h.
 */
#include "process/pidfd.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "atomic/ops.h"

/* Of these kernel interfaces, newer than some headers, the library has its own
 * description. */
#ifndef SYS_pidfd_send_signal
#    define SYS_pidfd_send_signal 424
#endif
#ifndef SYS_pidfd_open
#    define SYS_pidfd_open 434
#endif

enum { ID_PIDFD = 3, TO_GROUP = 1 << 2 };

enum {
    KNOWN = 1, /* the environment has been read */
    NO_PIDFD = 2,
};

static pawl_u32 refused;

static bool is_refused(void)
{
    uint32_t seen = pawl_load_relaxed(&refused); /* relaxed: a hint */

    if (seen == 0) {
        const char *list = getenv("PAWL_FALLBACK");

        seen = KNOWN;
        if (list != NULL && strstr(list, "pidfd") != NULL)
            seen |= NO_PIDFD;
        pawl_store_relaxed(&refused, seen); /* relaxed: all store the same */
    }
    return (seen & NO_PIDFD) != 0;
}

static bool is_refusal(int err)
{
    return err == ENOSYS || err == EPERM;
}

int pawl_pidfd_open(pid_t pid)
{
    long fd;

    if (is_refused())
        return -EOPNOTSUPP;
    fd = syscall(SYS_pidfd_open, pid, 0);
    if (fd >= 0)
        return (int)fd;
    return is_refusal(errno) || errno == EINVAL ? -EOPNOTSUPP : -errno;
}

static int sent(long r)
{
    return r == 0 || errno == ESRCH ? 0 : -errno;
}

/* 0, or why not.  -ENOSYS: by number, then. */
static int signal_by_pidfd(int pidfd, int signal, unsigned flags)
{
    if (pidfd < 0)
        return -ENOSYS;
    return sent(syscall(SYS_pidfd_send_signal, pidfd, signal, NULL, flags));
}

int pawl_pidfd_signal(int pidfd, pid_t pid, int signal)
{
    int err = signal_by_pidfd(pidfd, signal, 0);

    /* EPERM of a sandbox cannot be told from that of a process whose user has
     * changed; the second try tells. */
    return is_refusal(-err) ? sent(kill(pid, signal)) : err;
}

int pawl_pidfd_signal_group(int pidfd, pid_t pid, int signal, bool pinned)
{
    if (pinned)
        return sent(kill(-pid, signal));
    /* Before Linux 6.9: -EINVAL. */
    (void)signal_by_pidfd(pidfd, signal, TO_GROUP);
    return 0;
}

static int64_t in_ns(struct timeval t)
{
    return (int64_t)t.tv_sec * 1000000000 + (int64_t)t.tv_usec * 1000;
}

static void tell(pawl_process_end *end, int code, bool dumped,
                 const struct rusage *usage)
{
    end->code = code;
    end->value = code;
    end->dumped = dumped;
    end->user_ns = in_ns(usage->ru_utime);
    end->system_ns = in_ns(usage->ru_stime);
    end->max_rss = usage->ru_maxrss;
}

static int reap_by_number(pid_t pid, pawl_process_end *end)
{
    struct rusage usage;
    int status;
    pid_t found = wait4(pid, &status, WNOHANG, &usage);

    if (found <= 0)
        return found == 0 ? -EAGAIN : -ECHILD;
    tell(end, pawl_exit_code(status), WCOREDUMP(status), &usage);
    return 0;
}

int pawl_pidfd_reap(int pidfd, pid_t pid, pawl_process_end *end)
{
    siginfo_t info = {.si_pid = 0};
    struct rusage usage;
    long r = -1;

    /* libc's waitid has no place for the usage. */
    errno = ENOSYS;
    if (pidfd >= 0)
        r = syscall(SYS_waitid, ID_PIDFD, pidfd, &info, WEXITED | WNOHANG,
                    &usage);
    if (r != 0 && (is_refusal(errno) || errno == EINVAL))
        return reap_by_number(pid, end);
    if (r != 0)
        return -ECHILD;
    if (info.si_pid == 0)
        return -EAGAIN;
    tell(end, info.si_code == CLD_EXITED ? info.si_status : -info.si_status,
         info.si_code == CLD_DUMPED, &usage);
    return 0;
}

int pawl_exit_code(int wait_status)
{
    if (WIFEXITED(wait_status))
        return WEXITSTATUS(wait_status);
    return WIFSIGNALED(wait_status) ? -WTERMSIG(wait_status) : -EINVAL;
}
