/* SPDX-License-Identifier: MIT
 *
 * process.c - handles: their states, the wait for an end, who there is.
 *
 * I1  A child is waited for by one thread, under the lock, and what is known of
 *     its end is there when its state is ENDED: all who join see the same.
 * I2  Its descriptors are valid while it is in the list.  Who sleeps on one is
 *     counted in `joiners`, and close refuses while there are any.
 * I3  While RUNNING, `refs` counts the library, too.
 */
#include "process/record.h"

#include <pawl/mutex.h>
#include <pawl/once.h>

#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "atomic/ops.h"
#include "base/check.h"
#include "futex/waitable.h"
#include "process/pidfd.h"
#include "process/pipe.h"
#include "thread/exit.h"

/* Between looks, where the kernel does not wake who waits for a process. */
#define PAUSE_FIRST_NS 50000
#define PAUSE_MOST_NS 2000000

/* What a daemon gets between SIGTERM and SIGKILL when the program ends. */
#define GRACE_S 5

#define FLAGS                                                                  \
    (PAWL_PROCESS_DAEMON | PAWL_PROCESS_DIES_WITH_PARENT | PAWL_PROCESS_GROUP)

static pawl_mutex lock = PAWL_MUTEX_INIT;
static struct pawl_process *first;
static uint32_t counter; /* of the children of this process */

static struct pawl_process main_process = {.state = PAWL_PROCESS_RUNNING,
                                           .role = PAWL_ROLE_SELF,
                                           .refs = 1,
                                           .pidfd = -1,
                                           .link = -1,
                                           .child_link = -1,
                                           .name = "MainProcess"};
static struct pawl_process parent_process;
static struct pawl_process *self = &main_process;
static struct pawl_process *parent; /* NULL: not known */

static pawl_u64 log_hook; /* a pawl_log_fn */

static _Thread_local pawl_process *kept; /* see pawl_process_keep */

/* This thread forks, and holds both locks: a fork hook of the user's that calls us
 * need not have them. */
static _Thread_local bool forking;

PAWL_NO_TSA_ void pawl_process_lock(pawl_mutex *m)
{
    int err = forking ? 0 : pawl_mutex_lock(m);

    PAWL_CHECK(err == 0, m, "nobody ends while holding this lock");
}

PAWL_NO_TSA_ void pawl_process_unlock(pawl_mutex *m)
{
    if (!forking)
        pawl_mutex_unlock(m);
}

void pawl_children_lock(void)
{
    pawl_process_lock(&lock);
}

void pawl_children_unlock(void)
{
    pawl_process_unlock(&lock);
}

/* -- The log ----------------------------------------------------------------- */

pawl_log_fn pawl_log_set_hook(pawl_log_fn fn)
{
    /* seq_cst: pairs with pawl_process_log, for what the hook uses. */
    return (pawl_log_fn)(uintptr_t)pawl_swap64_seq(&log_hook, (uintptr_t)fn);
}

void pawl_process_log(enum pawl_log_kind kind, const pawl_process *p)
{
    /* acquire: pairs with pawl_log_set_hook. */
    pawl_log_fn fn = (pawl_log_fn)(uintptr_t)pawl_load64_acquire(&log_hook);
    pawl_log_event event = {.kind = kind, .name = p->name, .pid = p->pid};

    if (fn == NULL)
        return;
    if (kind == PAWL_LOG_ENDED) {
        event.err = p->status_lost ? -ECHILD : 0;
        event.code = p->status_lost ? 0 : p->end.code;
    }
    fn(&event);
}

/* -- The list ---------------------------------------------------------------- */

void pawl_process_enlist(pawl_process *p)
{
    p->next = first;
    p->here = &first;
    if (first != NULL)
        first->here = &p->next;
    first = p;
}

static void close_fd(int *fd)
{
    if (*fd >= 0)
        close(*fd);
    *fd = -1;
}

/* Out of the list, and its descriptors with it. */
void pawl_process_delist(pawl_process *p)
{
    close_fd(&p->pidfd);
    close_fd(&p->link);
    close_fd(&p->child_link);
    if (p->here == NULL)
        return;
    *p->here = p->next;
    if (p->next != NULL)
        p->next->here = p->here;
    p->here = NULL;
}

static void drop(pawl_process *p)
{
    if (--p->refs > 0)
        return;
    pawl_process_delist(p);
    free(p);
}

/* -- Forks --------------------------------------------------------------------- */

static void before_fork(void)
{
    pawl_forkserver_before_fork();
    pawl_pipes_before_fork();
    pawl_children_lock();
    forking = true;
}

static void parent_goes_on(void)
{
    forking = false;
    pawl_children_unlock();
    pawl_pipes_after_fork(false);
    pawl_forkserver_after_fork(false);
}

void pawl_process_keep(pawl_process *p)
{
    kept = p;
}

/* The children of the parent are none of ours. */
static void child_begins(void)
{
    while (first != NULL) {
        pawl_process *p = first;
        int link = p->child_link;

        if (p == kept)
            p->child_link = -1;
        pawl_process_delist(p);
        if (p == kept)
            p->child_link = link;
        if (p->state == PAWL_PROCESS_RUNNING)
            drop(p);
    }
    if (parent != NULL)
        close_fd(&parent->link);
    parent = NULL;
    forking = false;
    pawl_children_unlock();
    pawl_pipes_after_fork(true);
    pawl_forkserver_after_fork(true);
}

void pawl_process_become(pawl_process *me, int link, pid_t parent_pid,
                         const char *parent_name)
{
    parent_process = (struct pawl_process){.state = PAWL_PROCESS_RUNNING,
                                           .role = PAWL_ROLE_PARENT,
                                           .owner = getpid(),
                                           .refs = 1,
                                           .status_lost = true,
                                           .pid = parent_pid,
                                           .pidfd = -1,
                                           .link = link,
                                           .child_link = -1};
    snprintf(parent_process.name, sizeof parent_process.name, "%s",
             parent_name);
    me->state = PAWL_PROCESS_RUNNING;
    me->role = PAWL_ROLE_SELF;
    me->refs++;
    me->pidfd = -1;
    me->link = -1;
    me->child_link = -1;
    self = me;
    parent = &parent_process;
    counter = 0;
}

/* -- Making one ------------------------------------------------------------------ */

static void choose_name(pawl_process *p, const char *name)
{
    pawl_children_lock();
    counter++;
    /* The last of a line so long that it is cut has no number of its own. */
    if (self->identity[0] == '\0')
        snprintf(p->identity, sizeof p->identity, "%u", counter);
    else
        snprintf(p->identity, sizeof p->identity, "%.110s:%u", self->identity,
                 counter);
    pawl_children_unlock();
    if (name != NULL)
        snprintf(p->name, sizeof p->name, "%s", name);
    else
        snprintf(p->name, sizeof p->name, "Process-%.50s", p->identity);
}

static int create(pawl_process **made, const pawl_process_options *options)
{
    static const pawl_process_options defaults;
    const pawl_process_options *o = options != NULL ? options : &defaults;
    pawl_process *p;

    if ((o->size != 0 && o->size != sizeof *o) ||
        (o->flags & ~(unsigned)(FLAGS)) != 0 ||
        (unsigned)o->method > PAWL_START_FORKSERVER)
        return -EINVAL;
    p = calloc(1, sizeof *p);
    if (p == NULL)
        return -ENOMEM;
    p->owner = getpid();
    p->refs = 1;
    p->flags = o->flags;
    p->method = o->method;
    p->call.fds = o->fds;
    p->call.n_fds = o->n_fds;
    p->call.pipes = o->pipes;
    p->call.n_pipes = o->n_pipes;
    p->pidfd = -1;
    p->link = -1;
    p->child_link = -1;
    choose_name(p, o->name);
    *made = p;
    return 0;
}

int pawl_process_create(pawl_process **p, pawl_process_fn fn, void *arg,
                        const pawl_process_options *options)
{
    int err;

    if (fn == NULL ||
        (options != NULL &&
         (options->n_fds > 0 || (options->method != PAWL_START_DEFAULT &&
                                 options->method != PAWL_START_FORK))))
        return -EINVAL;
    err = create(p, options);
    if (err == 0) {
        (*p)->fn = fn;
        (*p)->arg = arg;
        (*p)->method = PAWL_START_FORK;
    }
    return err;
}

int pawl_process_create_entry(pawl_process **p, const char *entry,
                              const void *blob, size_t size,
                              const pawl_process_options *options)
{
    int err;

    if (entry == NULL || entry[0] == '\0' || (blob == NULL && size > 0))
        return -EINVAL;
    if (strlen(entry) >= PAWL_PROCESS_NAME_SIZE ||
        !pawl_process_may_exist(entry))
        return -ENOENT;
    if (size > PAWL_PROCESS_BLOB_MAX ||
        (options != NULL &&
         (options->n_fds > PAWL_PROCESS_FDS_MAX ||
          options->n_pipes > PAWL_PIPES_PASSED_MAX ||
          options->n_fds + PAWL_PIPE_DESCRIPTORS * options->n_pipes >
              PAWL_PROCESS_FDS_MAX)))
        return -EMSGSIZE;
    err = create(p, options);
    if (err == 0) {
        snprintf((*p)->entry, sizeof(*p)->entry, "%s", entry);
        (*p)->call.blob = blob;
        (*p)->call.size = size;
    }
    return err;
}

void pawl_process_free(pawl_process *p)
{
    if (p == NULL)
        return;
    pawl_children_lock();
    drop(p);
    pawl_children_unlock();
}

/* Whether the handle means anything here: 0, -EBADF, -ECHILD, -ESRCH. */
static int check_started(const pawl_process *p)
{
    if (p->state == PAWL_PROCESS_CLOSED)
        return -EBADF;
    if (p->role != PAWL_ROLE_SELF && p->owner != getpid())
        return -ECHILD;
    return p->state == PAWL_PROCESS_NEW ? -ESRCH : 0;
}

static int close_own(pawl_process *p)
{
    if (p->starting || p->joiners > 0 ||
        (p->state != PAWL_PROCESS_NEW && !pawl_process_settle(p)))
        return -EBUSY;
    pawl_process_delist(p);
    p->state = PAWL_PROCESS_CLOSED;
    return 0;
}

int pawl_process_close(pawl_process *p)
{
    int saved = errno;
    int err;

    pawl_children_lock();
    err = check_started(p);
    if (err == -EBADF)
        err = 0; /* again */
    else if (err == 0 && p->role != PAWL_ROLE_CHILD)
        err = -EPERM;
    else if (err != -ECHILD)
        err = close_own(p);
    pawl_children_unlock();
    errno = saved;
    return err;
}

/* -- The end of one ------------------------------------------------------------- */

/* What came over the link.  True: the server's last word. */
static bool read_link(pawl_process *p)
{
    while (p->link >= 0 && pawl_link_is_readable(p->link)) {
        struct pawl_report report;
        int fd;

        if (pawl_link_next(p->link, &report, &fd) != 0) {
            p->status_lost = true; /* if the server should have told */
            return p->served;
        }
        close_fd(&fd);
        if (report.kind == PAWL_REPORT_VALUE) {
            p->end.value = report.value;
            p->has_value = true;
        } else if (report.kind == PAWL_REPORT_STATUS) {
            p->end.code = pawl_exit_code(report.value);
            p->end.dumped =
                WIFSIGNALED(report.value) && WCOREDUMP(report.value);
            return true;
        }
    }
    return false;
}

/* 0, or -EAGAIN: it runs. */
static int wait_for_child(pawl_process *p)
{
    pawl_process_end end;
    int err;

    if (p->served)
        return read_link(p) ? 0 : -EAGAIN;
    err = pawl_pidfd_reap(p->pidfd, p->pid, &end);
    if (err == -EAGAIN)
        return err;
    (void)read_link(p);
    p->status_lost = err != 0;
    if (err == 0) {
        if (p->has_value)
            end.value = p->end.value;
        p->end = end;
    }
    return 0;
}

bool pawl_process_settle(pawl_process *p)
{
    if (p->state != PAWL_PROCESS_RUNNING)
        return true;
    if (p->role == PAWL_ROLE_PARENT) {
        if (!pawl_link_is_readable(p->link))
            return false;
    } else if (wait_for_child(p) != 0) {
        return false;
    }
    p->state = PAWL_PROCESS_ENDED;
    if (p->served && !p->has_value)
        p->end.value = p->end.code;
    if (p->role != PAWL_ROLE_CHILD)
        return true;
    if (p->served)
        shutdown(p->link,
                 SHUT_RDWR); /* readable for those who will sleep on it,
                                         though we have read what was there */
    else if (p->pidfd >= 0)
        close_fd(&p->link); /* else it is the sentinel */
    pawl_process_log(PAWL_LOG_ENDED, p);
    p->refs--; /* I3.  The caller has one, or is about to drop it. */
    return true;
}

int pawl_process_joinable(const pawl_process *p)
{
    int err = check_started(p);

    return err == 0 && p->role == PAWL_ROLE_SELF ? -EDEADLK : err;
}

bool pawl_process_bed(const pawl_process *p, struct pollfd *bed)
{
    bool by_link = p->served || p->role == PAWL_ROLE_PARENT;

    if (by_link || p->pidfd >= 0) {
        *bed = (struct pollfd){.fd = by_link ? p->link : p->pidfd,
                               .events = POLLIN};
        return true;
    }
    *bed = (struct pollfd){.fd = p->link, .events = POLLRDHUP};
    if (pawl_poll_until(bed, 1, 0) > 0)
        bed->fd = -1; /* closed a moment before its end, or much earlier */
    return false;
}

pawl_deadline pawl_process_next_look(int64_t *pause, pawl_deadline until)
{
    pawl_deadline next;

    *pause = *pause == 0 ? PAUSE_FIRST_NS : 2 * *pause;
    if (*pause > PAUSE_MOST_NS)
        *pause = PAUSE_MOST_NS;
    next = pawl_after_ns(*pause);
    return next < until ? next : until;
}

bool pawl_process_is_being_told(const pawl_process *p)
{
    return p->served && p->pidfd >= 0 && pawl_link_is_readable(p->pidfd);
}

int pawl_process_await(pawl_process *p, pawl_deadline until)
{
    int64_t pause = 0;
    int err;

    while ((err = pawl_process_joinable(p)) == 0 && !pawl_process_settle(p)) {
        struct pollfd bed;
        bool exact = pawl_process_bed(p, &bed);
        pawl_deadline end =
            pawl_process_is_being_told(p) ? PAWL_FOREVER : until;

        if (end != PAWL_FOREVER && (end <= 0 || end <= pawl_now()))
            return -ETIMEDOUT;
        if (!exact)
            end = pawl_process_next_look(&pause, end);
        p->joiners++;
        pawl_children_unlock();
        err = pawl_poll_until(&bed, 1, end);
        pawl_children_lock();
        p->joiners--;
        if (err < 0)
            return err;
    }
    return err;
}

/* Of one that has ended. */
static int report(const pawl_process *p, pawl_process_end *end)
{
    if (p->status_lost)
        return -ECHILD;
    if (end != NULL)
        *end = p->end;
    return 0;
}

static int join(pawl_process *p, pawl_deadline until, pawl_process_end *end)
{
    int saved = errno;
    int err;

    pawl_children_lock();
    err = pawl_process_await(p, until);
    if (err == 0 && (p->role == PAWL_ROLE_CHILD || end != NULL))
        err = report(p, end);
    pawl_children_unlock();
    errno = saved;
    return err;
}

int pawl_process_join_until(pawl_process *p, pawl_deadline until, int *code)
{
    pawl_process_end end;
    int err = join(p, until, code != NULL ? &end : NULL);

    if (err == 0 && code != NULL)
        *code = end.code;
    return err;
}

int pawl_process_join(pawl_process *p, int *code)
{
    return pawl_process_join_until(p, PAWL_FOREVER, code);
}

static int or_again(int err)
{
    return err == -ETIMEDOUT ? -EAGAIN : err;
}

int pawl_process_try_join(pawl_process *p, int *code)
{
    return or_again(pawl_process_join_until(p, 0, code));
}

int pawl_process_result(pawl_process *p, pawl_process_end *end)
{
    int err = or_again(join(p, 0, end));

    return err == -EDEADLK ? -EAGAIN : err; /* it runs, indeed */
}

int pawl_process_exitcode(pawl_process *p, int *code)
{
    pawl_process_end end;
    int err = pawl_process_result(p, &end);

    if (err == 0)
        *code = end.code;
    return err;
}

int pawl_process_is_alive(pawl_process *p)
{
    int err = or_again(join(p, 0, NULL));

    if (err == -EAGAIN || err == -EDEADLK)
        return 1;
    /* Whose status was lost has ended; whose owner is another is not known. */
    if (err == -ECHILD && p->owner == getpid())
        return 0;
    return err == -ESRCH ? 0 : err;
}

/* -- In a wait set ----------------------------------------------------------------- */

static int look(pawl_wait_item *item, bool begins)
{
    pawl_process *p = item->object_;
    int saved = errno;
    int err;

    (void)begins;
    pawl_children_lock();
    err = pawl_process_joinable(p);
    if (err == 0 && !pawl_process_settle(p))
        err = -EAGAIN;
    pawl_children_unlock();
    errno = saved;
    return err;
}

/* Counts as a joiner (I2). */
static enum pawl_bed make_bed(const pawl_wait_item *item, struct pollfd *poll)
{
    pawl_process *p = item->object_;
    enum pawl_bed bed = PAWL_BED_NONE;

    pawl_children_lock();
    if (pawl_process_joinable(p) == 0 && !pawl_process_settle(p)) {
        bed = pawl_process_bed(p, poll) ? PAWL_BED_EXACT : PAWL_BED_POLLED;
        p->joiners++;
    }
    pawl_children_unlock();
    return bed;
}

static void leave_bed(const pawl_wait_item *item)
{
    pawl_process *p = item->object_;

    pawl_children_lock();
    p->joiners--;
    pawl_children_unlock();
}

pawl_wait_item pawl_process_wait_item(pawl_process *p)
{
    static const struct pawl_waitable how = {.look = look,
                                             .bed = make_bed,
                                             .leave_bed = leave_bed,
                                             .asks_kernel = true};

    return pawl_waitable_item(p, &how);
}

/* -- Signals --------------------------------------------------------------------- */

static int send_signal(pawl_process *p, int signal, bool to_group)
{
    int saved = errno;
    int err;

    pawl_children_lock();
    err = check_started(p);
    if (err == 0 && p->role != PAWL_ROLE_CHILD)
        err = -EPERM;
    if (err == 0 && to_group && (p->flags & PAWL_PROCESS_GROUP) == 0)
        err = -EINVAL;
    /* RUNNING: it has not been waited for, so its number is its own (served: if
     * the server has not). */
    if (err == 0 && to_group)
        err = pawl_pidfd_signal_group(p->pidfd, p->pid, signal,
                                      p->state == PAWL_PROCESS_RUNNING);
    else if (err == 0 && p->state == PAWL_PROCESS_RUNNING)
        err = pawl_pidfd_signal(p->pidfd, p->pid, signal);
    pawl_children_unlock();
    errno = saved;
    return err;
}

int pawl_process_signal(pawl_process *p, int signal)
{
    return send_signal(p, signal, false);
}

int pawl_process_terminate(pawl_process *p)
{
    return send_signal(p, SIGTERM, false);
}

int pawl_process_kill(pawl_process *p)
{
    return send_signal(p, SIGKILL, false);
}

int pawl_process_interrupt(pawl_process *p)
{
    return send_signal(p, SIGINT, false);
}

int pawl_process_signal_group(pawl_process *p, int signal)
{
    return send_signal(p, signal, true);
}

/* -- Attributes -------------------------------------------------------------------- */

int64_t pawl_process_pid(const pawl_process *p)
{
    int64_t pid;

    if (p->role == PAWL_ROLE_SELF)
        return getpid();
    pawl_children_lock();
    pid = p->pid;
    if (p->state == PAWL_PROCESS_CLOSED)
        pid = -EBADF;
    else if (p->state == PAWL_PROCESS_NEW)
        pid = -ESRCH;
    pawl_children_unlock();
    return pid;
}

int pawl_process_sentinel(const pawl_process *p)
{
    int err;

    pawl_children_lock();
    err = check_started(p);
    if (err == 0 && p->role == PAWL_ROLE_SELF)
        err = -EINVAL;
    if (err == 0)
        err = p->pidfd >= 0 ? p->pidfd : p->link;
    pawl_children_unlock();
    return err;
}

int pawl_process_name(const pawl_process *p, char *name, size_t size)
{
    int length;

    pawl_children_lock();
    length = snprintf(name, size, "%s", p->name);
    if (p->state == PAWL_PROCESS_CLOSED)
        length = -EBADF;
    pawl_children_unlock();
    return length;
}

int pawl_process_set_name(pawl_process *p, const char *name)
{
    int err = 0;

    if (name == NULL)
        return -EINVAL;
    pawl_children_lock();
    if (p->state == PAWL_PROCESS_CLOSED)
        err = -EBADF;
    else
        snprintf(p->name, sizeof p->name, "%s", name);
    pawl_children_unlock();
    return err;
}

int pawl_process_is_daemon(const pawl_process *p)
{
    int result;

    pawl_children_lock();
    result = (p->flags & PAWL_PROCESS_DAEMON) != 0;
    if (p->state == PAWL_PROCESS_CLOSED)
        result = -EBADF;
    pawl_children_unlock();
    return result;
}

int pawl_process_set_daemon(pawl_process *p, bool daemon)
{
    int err = 0;

    pawl_children_lock();
    if (p->state == PAWL_PROCESS_CLOSED)
        err = -EBADF;
    else if (p->state != PAWL_PROCESS_NEW || p->starting)
        err = -EBUSY;
    else if (daemon)
        p->flags |= PAWL_PROCESS_DAEMON;
    else
        p->flags &= ~(unsigned)PAWL_PROCESS_DAEMON;
    pawl_children_unlock();
    return err;
}

/* -- Who is there -------------------------------------------------------------------- */

pawl_process *pawl_process_current(void)
{
    return self;
}

pawl_process *pawl_process_parent(void)
{
    return parent;
}

/* Settle all; of those that run, hand out the first n, with a reference. */
static size_t look_at_all(pawl_process **list, size_t n)
{
    size_t running = 0;
    pawl_process *next;

    pawl_children_lock();
    for (pawl_process *p = first; p != NULL; p = next) {
        next = p->next;
        if (p->state != PAWL_PROCESS_RUNNING)
            continue;
        p->refs++;
        if (!pawl_process_settle(p) && running++ < n)
            list[running - 1] = p;
        else
            drop(p);
    }
    pawl_children_unlock();
    return running;
}

size_t pawl_process_active(pawl_process **list, size_t n)
{
    int saved = errno;
    size_t running = look_at_all(list, n);

    errno = saved;
    return running;
}

void pawl_children_reap(void)
{
    (void)look_at_all(NULL, 0);
}

/* -- The end of this process ---------------------------------------------------------- */

/* A child that runs, with a reference; NULL: none. */
static pawl_process *any_child(void)
{
    pawl_process *p = NULL;

    return look_at_all(&p, 1) > 0 ? p : NULL;
}

static void terminate_daemons(void)
{
    pawl_children_lock();
    for (pawl_process *p = first; p != NULL; p = p->next)
        if (p->state == PAWL_PROCESS_RUNNING &&
            (p->flags & PAWL_PROCESS_DAEMON) != 0)
            (void)pawl_pidfd_signal(p->pidfd, p->pid, SIGTERM);
    pawl_children_unlock();
}

/* The daemons are told to go, all are joined. */
static bool end_children(pawl_deadline until)
{
    pawl_deadline grace = pawl_after_s(GRACE_S);
    pawl_process *p;
    int err = 0;

    terminate_daemons();
    while (err != -ETIMEDOUT && (p = any_child()) != NULL) {
        if ((p->flags & PAWL_PROCESS_DAEMON) != 0 &&
            join(p, grace, NULL) == -ETIMEDOUT)
            (void)pawl_process_kill(p);
        err = join(p, until, NULL);
        pawl_process_free(p);
    }
    pawl_forkserver_end();
    return true;
}

static int watch_once(void *unused)
{
    (void)unused;
    return -pthread_atfork(before_fork, parent_goes_on, child_begins);
}

int pawl_children_watch(void)
{
    static pawl_once once = PAWL_ONCE_INIT;
    static struct pawl_exit_hook hook = {.run = end_children,
                                         .phase = PAWL_EXIT_PROCESSES};
    int err = pawl_once_run(&once, watch_once, NULL);

    return err == 0 ? pawl_exit_add(&hook) : err;
}
