/* SPDX-License-Identifier: MIT
 *
 * pawl/thread.h - threads: start one, wait for its end, learn what it returned.
 *
 *     static int count_words(void *arg)
 *     {
 *         struct file *f = arg;
 *         return read_and_count(f);       >= 0, or a negative errno
 *     }
 *
 *     pawl_thread t;
 *     int status;
 *
 *     pawl_thread_init(&t, count_words, &file, NULL);
 *     pawl_thread_start(&t);
 *     ...
 *     pawl_thread_join(&t, &status);
 *
 * A pawl_thread is plain memory of the caller: on the stack, static, or a member
 * of a struct of the caller's, which is how a thread gets arguments and gives
 * results (PAWL_THREAD_OF finds the struct).  It owns nothing: one that has ended
 * can be forgotten, whether anybody has joined it or not.
 *
 *   call                 new       running             ended     destroyed
 *   start                0         -EALREADY           -EALREADY -EBADF
 *   join                 -ESRCH    waits, -ETIMEDOUT   0         -EBADF
 *     by itself                    -EDEADLK
 *   exit_status          -ESRCH    -EAGAIN             0         -EBADF
 *   set_daemon           0         -EBUSY              -EBUSY    -EBADF
 *   set_name             0         0                   0         -EBADF
 *   is_alive             false     true                false     false
 *   ident, native_id, serial: 0    its own             kept      0
 *   destroy              0         -EBUSY              0         0
 *
 * Status      what the function returns.  By convention a negative one is a
 *   failure: see pawl_thread_set_error_hook.  It is never mixed with the code of
 *   the call that waits for it.
 * Order       what was done before start is visible in the thread; what the
 *   thread has done, to all who have joined it or found it not alive.
 * Memory      once a join has returned, or is_alive has said no, nobody touches
 *   the object any more: it may be freed.
 * The end     main's return, or exit(), waits for all threads that are not
 *   daemons: see "the end of the program" below.
 * OS threads  one that has run a thread is parked for a while and runs the next,
 *   which makes start and join ten to twenty times as fast as with a new one.  The
 *   next thread finds the signal mask, the CPUs, the scheduling and the name of a
 *   new one, and locks that the last one held are ownerless; pawl_local values
 *   are destroyed.  But plain _Thread_local variables, values of pthread keys,
 *   the floating-point environment and locks in shared memory are those of the
 *   OS thread, and last as long as it.  Who needs them fresh, or destroyed at the
 *   end of each thread (C++ thread_local objects), says no_cache for the thread,
 *   or pawl_thread_cache(0) for all.
 * Fork        in the child, threads other than the one that forked do not exist:
 *   they are not alive, and to join them is -ECHILD.
 *
 * Since 0.1.
 */
#ifndef PAWL_THREAD_H
#define PAWL_THREAD_H

#include <pawl/base.h>
#include <pawl/time.h>
#include <pawl/wait.h>

PAWL_BEGIN_DECLS

/* What a thread runs.  Returns its status. */
typedef int (*pawl_thread_fn)(void *arg);

/* Bytes of a name, the 0 at its end included. */
#define PAWL_THREAD_NAME_SIZE 64
/* Bytes of an argument that is copied. */
#define PAWL_THREAD_COPY_MAX 64

enum pawl_thread_daemon {
    PAWL_THREAD_INHERIT, /* as the thread that calls init; main's is no */
    PAWL_THREAD_DAEMON,
    PAWL_THREAD_NO_DAEMON,
};

/* Zeroed bytes mean the default. */
typedef struct pawl_thread_options {
    size_t size;      /* sizeof (pawl_thread_options) */
    const char *name; /* copied; default: Thread-N (function) */
    const char
        *function; /* for that; kept: a literal, as in PAWL_THREAD_INIT */
    size_t copy;   /* copy so many bytes of *arg: fn gets the copy */
    enum pawl_thread_daemon daemon;
    /* Not from the cache of parked threads, nor into it: fresh _Thread_local
     * variables and pthread keys, destroyed at its end.  Implied by all below. */
    bool no_cache;
    size_t stack_size; /* default: pawl_thread_stack_size */
    void *stack;       /* of the caller, stack_size bytes, until it is ended
                              and its OS thread gone: static, better */
    const void *cpus;  /* a cpu_set_t: used by start */
    size_t cpus_size;  /* its bytes */
    int policy;        /* SCHED_FIFO or SCHED_RR, with ... */
    int priority;      /* ... this priority; 0: as the one that starts it */
} pawl_thread_options;

typedef struct pawl_thread {
    pawl_u32 state_; /* see thread.c */
    int status_;     /* before state_ says ENDED */
    uint32_t flags_; /* constant after start */
    pawl_u32 fork_;  /* forks before start */
    pawl_thread_fn fn_;
    void *arg_;
    struct pawl_carrier
        *carrier_; /* what runs it; not followed after its end */
    pawl_u64 serial_;
    pawl_u64 ident_;
    pawl_u32 tid_;
    uint32_t number_; /* N of the default name */
    const char *function_;
    struct pawl_thread
        *joining_;   /* what it waits for: under a lock of join.c */
    pawl_u32 guard_; /* odd: carrier_ and name_ are being written */
    uint32_t pad_;
    pawl_u64 name_[PAWL_THREAD_NAME_SIZE / 8];
    unsigned char copy_[PAWL_THREAD_COPY_MAX];
    size_t stack_size_;
    void *stack_;
    const void *cpus_;
    size_t cpus_size_;
    int policy_;
    int priority_;
} pawl_thread;

/* The struct of type `type` whose member `member` is *t. */
#define PAWL_THREAD_OF(t, type, member)                                        \
    ((type *)(void *)((char *)(t)-offsetof(type, member)))

/* ---- from init to destroy ----------------------------------------------- */

/* Make *t a thread that will run fn(arg).
 *
 * options    NULL: the defaults.
 *
 * Returns    0;  -EINVAL fn is NULL, or an option is out of its bounds: *t is as
 *            it was.
 * Cost       no allocation, no system call.
 */
PAWL_API int pawl_thread_init(pawl_thread *t, pawl_thread_fn fn, void *arg,
                              const pawl_thread_options *options);

/* The same, with the text of `fn` for the default name. */
#define PAWL_THREAD_INIT(t, fn, arg)                                           \
    pawl_thread_init_named((t), (fn), (arg), #fn)
PAWL_API int pawl_thread_init_named(pawl_thread *t, pawl_thread_fn fn,
                                    void *arg, const char *function);

/* Start it, once.  When this returns, it exists, and its ident and serial can be
 * read.
 *
 * Returns    0;  -EALREADY it has been started before;  -EBADF;
 *            -EAGAIN the system allows no more threads, -ENOMEM, -EPERM (the
 *            priority), -EINVAL (the stack, the CPUs): it is not started, and may
 *            be started again;
 *            -ESHUTDOWN the program ends.
 * Order      release: pairs with the beginning of fn.
 */
PAWL_API int pawl_thread_start(pawl_thread *t);

/* Start n threads, or none; they begin together, when all of them are there.
 *
 * Returns    0;  as start, for the first that fails: those before it are not
 *            started either, and can be. */
PAWL_API int pawl_thread_start_many(pawl_thread *const *threads, size_t n);

/* Start fn(arg) in a thread without an object: nobody can join it, and the end of
 * the program does not wait for it.
 *
 * ident      may be NULL.
 * Returns    as init and start. */
PAWL_API int pawl_thread_start_detached(pawl_thread_fn fn, void *arg,
                                        const pawl_thread_options *options,
                                        uint64_t *ident);

/* Wait until it has ended.  By any number of threads, any number of times.
 *
 * status     may be NULL; written only when 0 is returned.
 *
 * Returns    0;  -ETIMEDOUT (until), -EAGAIN (try): it runs;
 *            -EDEADLK   the caller is that thread, or waits for ever for one that
 *                       waits for ever for the caller, directly or not;
 *            -ESRCH     it was not started;  -EBADF it was destroyed;
 *            -EINVAL    a foreign thread: see pawl_thread_current;
 *            -ECHILD    it stayed behind in a fork;
 *            -ESHUTDOWN the program ends, and it cannot any more.
 * Order      acquire: all that the thread did.
 * Progress   blocking; the try form is wait-free.
 */
PAWL_API PAWL_NODISCARD int
pawl_thread_join_until(pawl_thread *t, pawl_deadline until, int *status);
PAWL_API int pawl_thread_join(pawl_thread *t, int *status);
PAWL_API PAWL_NODISCARD int pawl_thread_try_join(pawl_thread *t, int *status);

/* Wait for one of n threads, and say which; or for all of them, by one deadline.
 *
 * which      may be NULL; written if a thread decides the answer.
 *
 * Returns    as join: any: for the one that was found;  all: 0, or of the first
 *            that fails.  any: -EINVAL n is 0, -ENOMEM. */
PAWL_API PAWL_NODISCARD int
pawl_thread_join_any_until(pawl_thread *const *threads, size_t n,
                           pawl_deadline until, size_t *which);
PAWL_API PAWL_NODISCARD int
pawl_thread_join_all_until(pawl_thread *const *threads, size_t n,
                           pawl_deadline until);

/* In a wait set (pawl/wait.h): ready when *t has ended; takes nothing.  An error
 * of join is the end of the wait. */
#define PAWL_WAIT_THREAD(t) pawl_thread_wait_item(t)
PAWL_API pawl_wait_item pawl_thread_wait_item(pawl_thread *t);

/* What it returned, without waiting.
 *
 * Returns    0;  -EAGAIN it runs;  -ESRCH, -EBADF, -EINVAL, -ECHILD as join.
 * Order      acquire. */
PAWL_API PAWL_NODISCARD int pawl_thread_exit_status(pawl_thread *t,
                                                    int *status);

/* Say that *t is not used any more; calls with it return -EBADF from now on.
 * Needed by nobody, for *t owns nothing; it finds mistakes.
 *
 * Returns    0;  -EBUSY it runs. */
PAWL_API int pawl_thread_destroy(pawl_thread *t);

/* End the calling thread with this status, from any depth of calls.
 *
 * The stack is unwound as by pthread_exit: variables with a cleanup attribute are
 * cleaned up in files that are compiled with -fexceptions.  Silent: the error
 * hook is not called.
 *
 * Returns    only on failure: -EPERM the caller is the main thread, or a foreign
 *            one. */
PAWL_API int pawl_thread_exit(int status);

/* ---- asking a thread to stop ---------------------------------------------- */

/* Ask *t to stop.  Nothing is forced: the thread finds out by stop_requested, by
 * PAWL_WAIT_STOP() in a wait set, or by PAWL_INTERRUPTIBLE.  It cannot be taken
 * back.
 *
 * Returns    0, also if it has ended;  -ESRCH not started;  -EBADF;  -ECHILD. */
PAWL_API int pawl_thread_request_stop(pawl_thread *t);

/* Whether the calling thread has been asked to.
 *
 * Order      acquire, if so: what was done before the request.
 * Cost       two loads. */
PAWL_API bool pawl_thread_stop_requested(void);

/* In a wait set of the calling thread: ready when it has been asked to. */
#define PAWL_WAIT_STOP() pawl_thread_stop_wait_item()
PAWL_API pawl_wait_item pawl_thread_stop_wait_item(void);

/* One blocking call of pawl, such as pawl_queue_get(q, &item), that ends with
 * -ECANCELED if it would have to wait, or waits, and the calling thread is asked
 * to stop:
 *
 *     int err = PAWL_INTERRUPTIBLE(pawl_queue_get(q, &item));
 *
 * The object is as after a deadline that has passed: nothing was taken; a
 * condition's mutex is held again; the barrier is broken.  What needs no wait
 * succeeds all the same.  Functions of the caller's that pawl calls within (an
 * action, a predicate) are not interrupted.
 *
 * Cost       the call, and about 2 ns. */
#define PAWL_INTERRUPTIBLE(call)                                               \
    (pawl_thread_interruptible_begin_(), pawl_thread_interruptible_end_(call))
/* The two sides of that. */
PAWL_API void pawl_thread_interruptible_begin_(void);
PAWL_API int pawl_thread_interruptible_end_(int err);

/* Send the main thread a signal, such as SIGINT, as if it had come from outside:
 * if it has a handler, that runs there.
 *
 * Returns    0;  -EINVAL no such signal;  -ESRCH it has ended. */
PAWL_API int pawl_thread_interrupt_main(int signal);

/* ---- questions ----------------------------------------------------------- */

/* Whether it has been started and has not ended, its destructors of thread-local
 * data included.  After false, join does not wait.
 *
 * Order      acquire, if false. */
PAWL_API bool pawl_thread_is_alive(const pawl_thread *t);

/* The identifier of a thread, as pthread_t: another thread may have it after the
 * end of this one.  0: not started. */
PAWL_API uint64_t pawl_thread_ident(const pawl_thread *t);
/* One that no other thread of this process ever has.  0: not started, or another
 * thread is starting it. */
PAWL_API uint64_t pawl_thread_serial(const pawl_thread *t);
/* The kernel's.  Waits a moment if the thread has only just been started. */
PAWL_API uint32_t pawl_thread_native_id(const pawl_thread *t);

/* Of the calling thread, whether pawl has started it or not.
 *
 * Cost       no system call, but for the first native id in a thread.
 * Contexts   ident: any, signal handlers included. */
PAWL_API uint64_t pawl_thread_get_ident(void);
PAWL_API uint32_t pawl_thread_get_native_id(void);

/* Whether it is one that the end of the program does not wait for. */
PAWL_API bool pawl_thread_is_daemon(const pawl_thread *t);
/* Returns 0;  -EBUSY it has been started;  -EBADF. */
PAWL_API int pawl_thread_set_daemon(pawl_thread *t, bool daemon);

/* The calling thread.  One that pawl has not started gets a *foreign* handle at
 * its first call: always alive, a daemon, not to be joined, freed when it ends.
 *
 * Returns    never NULL, unless it is foreign and there is no memory.
 * Cost       a load; the first time in a foreign thread, an allocation. */
PAWL_API pawl_thread *pawl_thread_current(void);

/* The thread that runs main; in the child of a fork, the one that forked.  It can
 * be joined: it ends when exit begins, or by pthread_exit. */
PAWL_API pawl_thread *pawl_thread_main(void);

/* ---- names ---------------------------------------------------------------- */

/* Free text, of no meaning to pawl.  The default is "Thread-N" with N counting
 * the threads of that name, or "Thread-N (function)" after PAWL_THREAD_INIT; of
 * main "MainThread", of foreign threads "Dummy-N".  The kernel is told the first
 * 15 bytes, without half characters of UTF-8; of a default name the function.
 *
 * Returns    name, filled with up to PAWL_THREAD_NAME_SIZE bytes. */
PAWL_API const char *pawl_thread_name(const pawl_thread *t,
                                      char name[PAWL_THREAD_NAME_SIZE]);
/* At any time, by any thread.
 *
 * Returns    0;  -EINVAL NULL, or PAWL_THREAD_NAME_SIZE bytes or more;  -EBADF.
 */
PAWL_API int pawl_thread_set_name(pawl_thread *t, const char *name);

/* ---- all threads ------------------------------------------------------------ */

/* A thread as it was a moment ago. */
typedef struct pawl_thread_info {
    uint64_t serial;
    pawl_thread *thread; /* may have ended, and be gone: compare it, no more */
    uint32_t native_id;  /* 0: it has only just been started */
    bool daemon;
    char name[PAWL_THREAD_NAME_SIZE];
} pawl_thread_info;

/* Those that have been started and have not ended: main, daemons, detached ones,
 * foreign ones that have a handle.
 *
 * infos      room for `room` of them; may be NULL if that is 0.
 * Returns    how many there are, be it more than there is room for.
 * Progress   keeps no thread from starting or ending. */
PAWL_API size_t pawl_thread_enumerate(pawl_thread_info *infos, size_t room);
/* As many as an enumerate would find. */
PAWL_API size_t pawl_thread_active_count(void);

/* ---- failures -------------------------------------------------------------- */

/* Called in a thread whose function has returned a negative status, before it
 * counts as ended.  The default prints one line to stderr for daemons and detached
 * threads, and leaves the others to those who join.  NULL: the default.
 *
 * Returns    the one before. */
typedef void (*pawl_thread_error_fn)(pawl_thread *t, int status);
PAWL_API pawl_thread_error_fn
pawl_thread_set_error_hook(pawl_thread_error_fn fn);

/* ---- the end of the program ------------------------------------------------ */

/* When main returns, or anybody calls exit(), these are waited for, in this order:
 * executors, by their policy; threads that are not daemons, which may start
 * others; timers that are not daemons.  Handlers of atexit run before that, if
 * they were installed after the first thread was started, or else after it.
 * Then nothing can be started any more: -ESHUTDOWN to the thread that ends the
 * program; any other that still runs sleeps for ever in its next call that starts
 * a thread or waits for one.  The thread that calls exit() does not wait for
 * itself.
 *
 * wait       false: for nothing.
 * limit_ns   how long all of that may take; then the threads that still run are
 *            listed on stderr, and the program ends.  Negative: as long as it
 *            takes, which is the default. */
PAWL_API void pawl_thread_exit_policy(bool wait, int64_t limit_ns);

/* ---- options of the process --------------------------------------------------- */

/* Park no more than so many OS threads, at most 64, which is where it begins; 0:
 * none.  Those that are parked now end.
 *
 * Returns    the limit before. */
PAWL_API uint32_t pawl_thread_cache(uint32_t limit);

/* The size of the stacks of threads started after this, in bytes, at least 32 KiB;
 * 0: what the system gives (ulimit -s).
 *
 * previous   may be NULL.
 * Returns    0;  -EINVAL: too small; nothing has changed. */
PAWL_API int pawl_thread_stack_size(size_t size, size_t *previous);

PAWL_END_DECLS

#endif /* PAWL_THREAD_H */
