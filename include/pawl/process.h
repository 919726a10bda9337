/* SPDX-License-Identifier: MIT
 *
 * pawl/process.h - processes: start one, wait for its end, learn how it ended.
 *
 *     static int count(const pawl_process_call *call)
 *     {
 *         return work_on(call->blob, call->size);     0..255: the exit code
 *     }
 *
 *     int main(int argc, char **argv)
 *     {
 *         pawl_process *p;
 *         int code;
 *
 *         pawl_process_register("count", count);
 *         pawl_process_main(argc, argv);   a started process does not come back
 *         ...
 *         pawl_process_create_entry(&p, "count", &job, sizeof job, NULL);
 *         pawl_process_start(p);
 *         pawl_process_join(p, &code);
 *         pawl_process_free(p);
 *     }
 *
 * There are three ways to start:
 *
 *   FORK         a copy of the calling process and thread.  Runs a function with a
 *                pointer, or an entry.  The only way for a function.
 *   SPAWN        the same program anew, by vfork and exec: nothing is inherited
 *                but stdout, stderr, the environment, and what is passed.  Runs an
 *                entry that main has registered.
 *   FORKSERVER   a copy of a small process with one thread, which was spawned by
 *                the first start of this kind and ends with its owner.  It has the
 *                environment, folder and output of that moment.  Entries.
 *
 * If nothing is said, a function is forked; an entry is forked if the program has
 * one thread and spawned if it has more, for what the other threads of a program
 * were doing when it forked stays half done in the child.
 *
 *   call                    new      running             ended     closed
 *   start                   0        -EALREADY           -EALREADY -EBADF
 *   join                    -ESRCH   waits, -ETIMEDOUT   0         -EBADF
 *     by the process itself          -EDEADLK
 *   exitcode, result        -ESRCH   -EAGAIN             0         -EBADF
 *   is_alive                0        1                   0         -EBADF
 *   pid                     -ESRCH   its own             kept      -EBADF
 *   terminate, kill, ...    -ESRCH   0                   0, and nothing happens
 *                                                                  -EBADF
 *   sentinel                -ESRCH   a descriptor        readable  -EBADF
 *   set_daemon              0        -EBUSY              -EBUSY    -EBADF
 *   set_name                0        0                   0         -EBADF
 *   close                   0        -EBUSY              0         0
 *
 * A pawl_process is a handle on the heap.  Unlike a pawl_thread it is not made to
 * be embedded: the process goes on, is listed, and is waited for at the end of the
 * program, also when the handle is freed.  An object of the caller's that is a
 * process has a pointer to one as a member, and is itself the argument of a
 * function that is forked.
 *
 * Only the process that created a handle can use it: in the child of a fork,
 * calls return -ECHILD, but that a process knows its own handle: see
 * pawl_process_current.  In a process, any threads may, at the same time.
 *
 * Child       its stdin is /dev/null.  stdout and stderr of the parent are flushed
 *   before it is made, so nothing is printed twice.  It ends when its function
 *   returns, or by pawl_process_exit: that waits for its threads and its children
 *   as the end of a program does, flushes stdout and stderr, and leaves by _exit
 *   if it was forked: exit handlers of the parent do not run in it, unless it calls
 *   exit.  Other streams: close them.
 * Descriptors   all of the library's are close-on-exec.  A forked child has those of
 *   its parent, but for what belongs to processes, and to connections that are not
 *   passed; one that is spawned has 0, 1, 2 and those that are passed.
 * Signals     a forked child has the signal mask of the thread that started it;
 *   others block none.  The library handles no signal, SIGCHLD least of all.
 * Status      whoever waits for a child of this process by other means (a wait for
 *   any child; SIGCHLD ignored) may take its status away: joins then return
 *   -ECHILD, when it has ended, and never a made-up 0.
 * Waiting     is asleep in poll, on a pidfd: no polling at intervals.  Where the
 *   kernel refuses these, a join looks every 2 ms at the latest, a signal goes to
 *   the number of a process that has not been waited for, and a sentinel is
 *   readable when the child has ended or closed all descriptors.  Together with
 *   queues, connections and more: PAWL_WAIT_PROCESS.
 * The end     main's return, or exit(), sends SIGTERM to the daemons among the
 *   children, SIGKILL to those still there 5 seconds later, and waits for all
 *   children.
 *
 * Since 0.1.
 */
#ifndef PAWL_PROCESS_H
#define PAWL_PROCESS_H

#include <pawl/base.h>
#include <pawl/pipe.h>
#include <pawl/time.h>
#include <pawl/wait.h>

PAWL_BEGIN_DECLS

typedef struct pawl_process pawl_process;

/* ---- the program --------------------------------------------------------- */

/* What an entry is called with: a copy of the blob that was passed, the
 * descriptors, under numbers of this process, and the ends of connections.  If it
 * was not forked, the blob is aligned for all types, and the descriptors are
 * close-on-exec. */
typedef struct pawl_process_call {
    const void *blob;
    size_t size;
    const int *fds;
    size_t n_fds;
    pawl_pipe *const *pipes;
    size_t n_pipes;
} pawl_process_call;

/* Return 0..255 to exit with that; of anything else the parent can read all 32
 * bits, see pawl_process_result, and the process exits with 1. */
typedef int (*pawl_process_entry_fn)(const pawl_process_call *call);
typedef int (*pawl_process_fn)(void *arg);

/* Bytes of the name of an entry or a process, the 0 at its end included; longer
 * ones are cut. */
#define PAWL_PROCESS_NAME_SIZE 64

/* Give an entry its name, before pawl_process_main.
 *
 * Returns    0, also for the same once more;  -EEXIST another entry has this name;
 *            -EINVAL NULL, no name, or a name that is too long;  -ENOMEM.
 */
PAWL_API int pawl_process_register(const char *name,
                                   pawl_process_entry_fn entry);

/* To be called early in main, when all entries are registered, with the arguments
 * of main.  In a process that was started it runs the entry and exits.  Without
 * it, SPAWN and FORKSERVER are refused: the new process would be main once more.
 */
PAWL_API void pawl_process_main(int argc, char **argv);

/* The program that is spawned; default: the running one.  It has to be one that
 * registers the entries, with the same version of the library.  Kept, not
 * copied; NULL: the default. */
PAWL_API void pawl_process_set_executable(const char *path);

/* Called in the fork server before it serves: what it makes ready, all its
 * children have.  To be set before pawl_process_main. */
typedef void (*pawl_process_preload_fn)(void);
PAWL_API void pawl_process_set_preload(pawl_process_preload_fn preload);

enum pawl_start_method {
    PAWL_START_DEFAULT,
    PAWL_START_FORK,
    PAWL_START_SPAWN,
    PAWL_START_FORKSERVER,
};

/* Choose what PAWL_START_DEFAULT means from now on, once, or with `force` again.
 * A function is forked all the same.
 *
 * Returns    0;  -EALREADY it has been chosen;  -EINVAL no such method. */
PAWL_API int pawl_process_set_start_method(enum pawl_start_method method,
                                           bool force);
/* What a start of an entry would use now; never PAWL_START_DEFAULT. */
PAWL_API enum pawl_start_method pawl_process_start_method(void);

/* ---- from create to free ------------------------------------------------- */

enum {
    /* The end of the program terminates it instead of waiting for it; and it dies
     * with its parent. */
    PAWL_PROCESS_DAEMON = 1 << 8,
    /* SIGKILL when the parent has ended, however that was: exactly when the kernel
     * closes the parent's descriptors, whichever thread has started it, and also
     * if the parent is process 1.  Not after an exec in the child. */
    PAWL_PROCESS_DIES_WITH_PARENT = 1 << 9,
    /* Leader of a new process group, see pawl_process_signal_group. */
    PAWL_PROCESS_GROUP = 1 << 10,
};

/* Most bytes and descriptors that can be passed to an entry; each end of a
 * connection counts as three. */
#define PAWL_PROCESS_BLOB_MAX (PAWL_CAST_(size_t, 1) << 30)
#define PAWL_PROCESS_FDS_MAX 250

/* Zeroed bytes mean the default. */
typedef struct pawl_process_options {
    size_t size;      /* sizeof (pawl_process_options), or 0 */
    const char *name; /* copied; default: Process-N, in children Process-M:N */
    unsigned flags;   /* PAWL_PROCESS_... */
    enum pawl_start_method method;
    const int *fds; /* to pass to an entry; used by start */
    size_t n_fds;
    /* Ends that the new process gets, used by start, which closes them here when it
     * returns 0.  All other ends are closed there.  A function finds its ends where
     * they were, an entry in its call. */
    pawl_pipe *const *pipes;
    size_t n_pipes;
} pawl_process_options;

/* Make *p a process that will run fn(arg) in a copy of the caller.
 *
 * Returns    0;  -EINVAL no function, an unknown flag, another method than FORK,
 *            descriptors;  -ENOMEM.
 */
PAWL_API int pawl_process_create(pawl_process **p, pawl_process_fn fn,
                                 void *arg,
                                 const pawl_process_options *options);

/* Make *p a process that will run a registered entry.  The blob has so many bytes
 * and is read by start.
 *
 * Returns    0;  -ENOENT no such entry, and no other executable is set;
 *            -EMSGSIZE the blob or the list of descriptors is too long;
 *            -EINVAL no name, an unknown flag or method;  -ENOMEM.
 */
PAWL_API int pawl_process_create_entry(pawl_process **p, const char *entry,
                                       const void *blob, size_t size,
                                       const pawl_process_options *options);

/* Start it, once.  When this returns 0, it runs its function, or will; what has
 * failed until then in the child is the result.  After a failure it is as new.
 *
 * Returns    0;  -EALREADY it has been started;  -EBADF;  -ECHILD another process
 *            has created it;
 *            -EAGAIN the system allows no more processes;  -ENOMEM;
 *            -EMFILE, -ENFILE no more descriptors;  -ESHUTDOWN the program ends;
 *            -EBADF one of the descriptors or ends to pass is none;
 *            SPAWN, FORKSERVER: -EOPNOTSUPP main has not called pawl_process_main;
 *            -ENOENT, -EACCES, -ENOEXEC and what else exec returns;  -ENOENT the
 *            other executable has no such entry;  -ENOEXEC it ended without asking
 *            for one, or is of another version.
 * Order      FORK: release, pairs with the beginning of its function.
 * Progress   FORK: does not wait for the child.  The others wait until the child
 *            has received what is passed.  A main that does not come to
 *            pawl_process_main keeps it waiting until it ends.
 * Cost       bench_process.
 */
PAWL_API int pawl_process_start(pawl_process *p);

/* Wait until it has ended.  By any number of threads, any number of times; all get
 * the same.  The parent's handle (pawl_process_parent) can be joined too; it has
 * no exit code.
 *
 * code       may be NULL; written only when 0 is returned: 0..255, or -N if it was
 *            killed by signal N.
 *
 * Returns    0;  -ETIMEDOUT (until), -EAGAIN (try): it runs;
 *            -EDEADLK   the caller is that process;
 *            -ESRCH     it was not started;  -EBADF it was closed;
 *            -ECHILD    it was created by another process; or it has ended, and
 *                       its status was taken by somebody else.
 * Order      acquire: what the child did to shared memory.
 * Progress   blocking.
 */
PAWL_API PAWL_NODISCARD int
pawl_process_join_until(pawl_process *p, pawl_deadline until, int *code);
PAWL_API int pawl_process_join(pawl_process *p, int *code);
PAWL_API PAWL_NODISCARD int pawl_process_try_join(pawl_process *p, int *code);

/* The handle is not used any more; calls return -EBADF from now on, but for
 * free.  Its descriptors are closed.
 *
 * Returns    0, also when it was closed;  -EBUSY it runs, or somebody joins it;
 *            -EPERM the own process or the parent;  -ECHILD. */
PAWL_API int pawl_process_close(pawl_process *p);

/* Give up a handle that create or active has made; NULL is legal.  A process that
 * runs goes on: it is waited for in the end, and leaves no zombie after the next
 * start or pawl_process_active. */
PAWL_API void pawl_process_free(pawl_process *p);

/* ---- how it ended -------------------------------------------------------- */

/* The code, as by join, without waiting.
 *
 * Returns    0;  -EAGAIN it runs;  -ESRCH, -EBADF, -ECHILD as join. */
PAWL_API PAWL_NODISCARD int pawl_process_exitcode(pawl_process *p, int *code);

/* The last three are not known of a FORKSERVER's child: 0. */
typedef struct pawl_process_end {
    int code;          /* as by join */
    int value;         /* what its function returned, or its exit code */
    bool dumped;       /* killed by a signal that dumped core */
    int64_t user_ns;   /* CPU time, with its children that it waited for */
    int64_t system_ns; /* the same in the kernel */
    int64_t max_rss;   /* KiB at its largest */
} pawl_process_end;

/* Returns    as pawl_process_exitcode. */
PAWL_API PAWL_NODISCARD int pawl_process_result(pawl_process *p,
                                                pawl_process_end *end);

/* The code, as by join, of a status that waitpid has returned.  -EINVAL: this is
 * no end, the process was stopped or continued (signal 22, SIGTTOU, kills nobody).
 */
PAWL_API int pawl_exit_code(int wait_status);

/* ---- signals ------------------------------------------------------------- */

/* Send SIGTERM, SIGKILL, SIGINT, any signal.  By its pidfd: never to another
 * process that has got its number.  Its descendants get nothing.
 *
 * Returns    0, also if it has ended;  -ESRCH it was not started;  -EBADF;
 *            -ECHILD, -EPERM the parent, or the process may not (any more);
 *            -EINVAL no such signal. */
PAWL_API int pawl_process_terminate(pawl_process *p);
PAWL_API int pawl_process_kill(pawl_process *p);
PAWL_API int pawl_process_interrupt(pawl_process *p);
PAWL_API int pawl_process_signal(pawl_process *p, int signal);

/* Send a signal to its whole group: its descendants, but for those that have
 * changed it.  As long as it has not been waited for; after that, and without
 * Linux 6.9, nobody gets it, for the number may have gone to others.
 *
 * Returns    as pawl_process_signal;  -EINVAL started without PAWL_PROCESS_GROUP. */
PAWL_API int pawl_process_signal_group(pawl_process *p, int signal);

/* ---- attributes ----------------------------------------------------------- */

/* Returns    1, 0 (not started, or ended);  -EBADF, -ECHILD. */
PAWL_API int pawl_process_is_alive(pawl_process *p);

/* Its number, which is another process's some time after its end.
 *
 * Returns    > 0;  -ESRCH it was not started;  -EBADF. */
PAWL_API int64_t pawl_process_pid(const pawl_process *p);

/* A descriptor for poll and epoll, readable when it has ended, a pidfd.  Not to be
 * read from, nor closed; it lives until close or free.  FORKSERVER: joins wait for
 * a word from the server, too, which comes at once.
 *
 * Returns    >= 0;  -ESRCH, -EBADF, -ECHILD;  -EINVAL the own process. */
PAWL_API int pawl_process_sentinel(const pawl_process *p);

/* Copies its name to `name`, which has `size` bytes, cut if it must be.
 *
 * Returns    the length of the whole name;  -EBADF;  set_name: 0, -EINVAL NULL. */
PAWL_API int pawl_process_name(const pawl_process *p, char *name, size_t size);
PAWL_API int pawl_process_set_name(pawl_process *p, const char *name);

/* Returns    1, 0;  -EBADF;  set_daemon: 0, -EBUSY started. */
PAWL_API int pawl_process_is_daemon(const pawl_process *p);
PAWL_API int pawl_process_set_daemon(pawl_process *p, bool daemon);

/* ---- who is there ---------------------------------------------------------- */

/* The calling process; never NULL, not to be freed.  MainProcess, or the child's
 * own. */
PAWL_API pawl_process *pawl_process_current(void);

/* The process that started the calling one: its name, its pid, whether it is
 * alive; its end can be joined, and polled.  NULL: this was not started by
 * pawl_process_start.  Not to be freed. */
PAWL_API pawl_process *pawl_process_parent(void);

/* Handles of the children that run, up to n of them, each to be freed.  Those that
 * have ended are waited for meanwhile.
 *
 * Returns    how many run, which may be more than n. */
PAWL_API size_t pawl_process_active(pawl_process **list, size_t n);

/* End the calling process as if its function had returned `value`.  In a process
 * that nobody started here: exit. */
PAWL_API __attribute__((noreturn)) void pawl_process_exit(int value);

/* The CPUs that are online, and those that this process may use: by its affinity,
 * and by the CPU quota of its control groups, rounded up.
 *
 * Returns    at least 1.
 * Cost       reads some files. */
PAWL_API int pawl_cpu_count(void);
PAWL_API int pawl_process_cpu_count(void);

/* ---- a log ------------------------------------------------------------------- */

enum pawl_log_kind {
    PAWL_LOG_STARTED,  /* a child of this process runs */
    PAWL_LOG_ENDED,    /* that it has ended, was seen: by a join, say */
    PAWL_LOG_REPLACED, /* it is a worker of a pool, in place of one that ended:
                        * after its STARTED */
};

typedef struct pawl_log_event {
    enum pawl_log_kind kind;
    const char *name; /* of the child, as its pid; valid during the call */
    int64_t pid;
    int code; /* ENDED: how, as pawl_process_join says it */
    int err;  /* ENDED: -ECHILD if its status was lost, else 0 */
} pawl_log_event;

typedef void (*pawl_log_fn)(const pawl_log_event *event);

/* Have a function called for these events; NULL, as at first: none.  One call at a
 * time, in the order of the events, by the thread that caused or saw them, which
 * may be one of the library's and holds locks of the library: so it may do what is
 * allowed in signal handlers, print a line by pawl_print_line, and no more.  A
 * forked child has the hook of its parent.
 *
 * Returns    the hook before.  It may still be running, in another thread.
 * Cost       of an event without a hook: a load.
 */
PAWL_API pawl_log_fn pawl_log_set_hook(pawl_log_fn fn);

/* ---- several ----------------------------------------------------------------- */

/* Wait until one of list[0..n) has ended, and say which.  Those that ended before
 * count.  A list with the parent in it is legal.
 *
 * which      may be NULL; written only when 0 is returned.
 *
 * Returns    0;  -ETIMEDOUT (until), -EAGAIN (try);  -EDEADLK, -ESRCH, -EBADF,
 *            -ECHILD one of them, as join, but that one with a lost status counts
 *            as ended;  -EINVAL n is 0, for ever;  -ENOMEM.
 */
PAWL_API PAWL_NODISCARD int
pawl_process_wait_any_until(pawl_process *const *list, size_t n,
                            pawl_deadline until, size_t *which);
PAWL_API PAWL_NODISCARD int pawl_process_wait_any(pawl_process *const *list,
                                                  size_t n, size_t *which);
PAWL_API PAWL_NODISCARD int pawl_process_wait_try_any(pawl_process *const *list,
                                                      size_t n, size_t *which);

/* A process among others, for pawl/wait.h: ready when it has ended, and then it is
 * joined without waiting.  The wait returns -EDEADLK, -ESRCH, -EBADF, -ECHILD as a
 * join. */
PAWL_API pawl_wait_item pawl_process_wait_item(pawl_process *p);
#define PAWL_WAIT_PROCESS(p) pawl_process_wait_item(p)

/* Wait until all of them have ended.
 *
 * Returns    as above, but 0 if n is 0. */
PAWL_API PAWL_NODISCARD int
pawl_process_wait_all_until(pawl_process *const *list, size_t n,
                            pawl_deadline until);
PAWL_API PAWL_NODISCARD int pawl_process_wait_all(pawl_process *const *list,
                                                  size_t n);
PAWL_API PAWL_NODISCARD int pawl_process_wait_try_all(pawl_process *const *list,
                                                      size_t n);

PAWL_END_DECLS

#endif /* PAWL_PROCESS_H */
