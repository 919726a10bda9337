/* SPDX-License-Identifier: MIT
 *
 * carrier.c - the OS threads behind the threads: see carrier.h.
 *
 *   job      of a carrier that pawl has made        leaves it by
 *   NONE     it runs, or is awake and parked        -> ASLEEP, by itself;
 *                                                   -> GO, -> QUIT, by who has
 *                                                   taken it out of the cache
 *   ASLEEP   parked                                 -> GO, -> QUIT, and a wake
 *   GO       has c->thread to run                   -> NONE, by itself
 *   QUIT     is to end
 *
 * I1  carrier->running is that of a thread  =>  that thread is not ENDED.
 * I2  The carrier touches the pawl_thread of the caller's for the last time in
 *     the swap that makes it ENDED.  Before that it has parked itself, so that
 *     who has waited for the end finds it in the cache; so after that swap it
 *     reads of *c only what is its own.
 */
#include "thread/carrier.h"

#include <pawl/error.h>
#include <pawl/mutex.h>
#include <pawl/once.h>

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <unistd.h>

#include "atomic/cpu.h"
#include "atomic/ops.h"
#include "atomic/seqlock.h"
#include "base/compiler.h"
#include "base/tsan.h"
#include "futex/spin.h"
#include "futex/sys.h"
#include "futex/waitable.h"
#include "thread/cache.h"
#include "thread/exit.h"
#include "thread/join.h"
#include "thread/registry.h"
#include "thread/undo.h"

enum {
    NONE,
    ASLEEP,
    GO,
    QUIT,
};

/* Rounds of destructors of pthread keys that an ending thread lets pass, so that
 * others come first; libc makes at least 4. */
#define ROUNDS 3

/* A parked carrier that nobody wants for so long ends. */
#define IDLE_NS INT64_C(5000000000)

_Thread_local struct pawl_carrier *pawl_carrier_self_;

static struct pawl_carrier main_carrier;
/* The carrier of main, or of the thread that forked; NULL in a forked child
 * whose thread has not asked who it is.  Written when alone. */
static struct pawl_carrier *main_now = &main_carrier;
static pawl_once prepared = PAWL_ONCE_INIT;
static pthread_key_t ends;   /* its destructor notices the end of a thread */
static pawl_u64 main_tid;    /* [forks |] the kernel's id of main; 0: unknown */
static pawl_u32 foreigners;  /* named so far */
static pawl_u64 stack_size_; /* the default; 0: the system's */
/* Written by all starters, so in a line that nobody else reads. */
static struct {
    pawl_u64 given;
} __attribute__((aligned(PAWL_CACHE_LINE))) serials;

/* -- Names and numbers ------------------------------------------------------ */

uint64_t pawl_carrier_next_serial(void)
{
    return pawl_add64_relaxed(&serials.given, 1) + 1; /* relaxed: just a number */
}

uint64_t pawl_thread_get_ident(void)
{
    return (uint64_t)(uintptr_t)pthread_self();
}

uint32_t pawl_thread_get_native_id(void)
{
    return pawl_self_shared();
}

bool pawl_carrier_is_main(void)
{
    uint32_t tid = pawl_self_shared(); /* first: it has forks counted */
    uint64_t known = pawl_load64_relaxed(&main_tid); /* relaxed: all there is */

    if (pawl_unlikely(known == 0 || known >> 32 != pawl_fork_count_)) {
        known = (uint64_t)pawl_fork_count_ << 32 | (uint32_t)getpid();
        pawl_store64_relaxed(&main_tid, known); /* relaxed: as above */
    }
    return tid == (uint32_t)known;
}

static void write_comm(uint32_t tid, const char *name)
{
    char path[64];
    int fd;

    snprintf(path, sizeof path, "/proc/self/task/%u/comm", (unsigned)tid);
    fd = open(path, O_WRONLY | O_CLOEXEC);
    if (fd < 0)
        return; /* it has ended, or there is no /proc */
    (void)!write(fd, name, strlen(name));
    close(fd);
}

void pawl_carrier_set_os_name(uint32_t tid, const char *name,
                              char cut[PAWL_OS_NAME_SIZE])
{
    size_t n = strnlen(name, PAWL_OS_NAME_SIZE);
    int saved = errno;

    if (n == PAWL_OS_NAME_SIZE) {
        n = PAWL_OS_NAME_SIZE - 1;
        while (n > 0 && ((unsigned char)name[n] & 0xc0) == 0x80)
            n--; /* in the middle of a character of UTF-8 */
    }
    memset(cut, 0, PAWL_OS_NAME_SIZE);
    memcpy(cut, name, n);
    if (tid == 0)
        prctl(PR_SET_NAME, cut);
    else
        write_comm(tid, cut);
    errno = saved;
}

void pawl_carrier_name(const uint64_t shown[PAWL_SHOWN_WORDS],
                       char name[PAWL_THREAD_NAME_SIZE])
{
    const char *function = (const char *)(uintptr_t)shown[PAWL_SHOWN_FUNCTION];
    unsigned number = (unsigned)(shown[PAWL_SHOWN_FLAGS] >> 32);
    uint32_t flags = (uint32_t)shown[PAWL_SHOWN_FLAGS];

    memcpy(name, &shown[PAWL_SHOWN_NAME], PAWL_THREAD_NAME_SIZE);
    name[PAWL_THREAD_NAME_SIZE - 1] = '\0';
    if (name[0] != '\0')
        return;
    if ((flags & PAWL_T_SERVICE) != 0)
        snprintf(name, PAWL_THREAD_NAME_SIZE, "%s", function);
    else if ((flags & PAWL_T_MAIN) != 0)
        snprintf(name, PAWL_THREAD_NAME_SIZE, "MainThread");
    else if ((flags & PAWL_T_FOREIGN) != 0)
        snprintf(name, PAWL_THREAD_NAME_SIZE, "Dummy-%u", number);
    else if (function != NULL)
        snprintf(name, PAWL_THREAD_NAME_SIZE, "Thread-%u (%s)", number,
                 function);
    else
        snprintf(name, PAWL_THREAD_NAME_SIZE, "Thread-%u", number);
}

void pawl_carrier_read(const struct pawl_carrier *c,
                       uint64_t shown[PAWL_SHOWN_WORDS])
{
    while (
        !pawl_seqlock_try_read(&c->showing, c->shown, shown, PAWL_SHOWN_WORDS))
        sched_yield(); /* a few instructions, unless preempted */
}

void pawl_thread_guard(pawl_thread *t)
{
    while (!pawl_seqlock_try_begin(&t->guard_))
        sched_yield(); /* a few instructions, unless preempted */
}

void pawl_thread_unguard(pawl_thread *t)
{
    pawl_seqlock_end(&t->guard_);
}

/* Show that *c runs *t, or, if that is NULL, nothing. */
static void show(struct pawl_carrier *c, pawl_thread *t)
{
    uint64_t running = 0;

    while (!pawl_seqlock_try_begin(&c->showing))
        sched_yield(); /* somebody renames it */
    if (t != NULL) {
        pawl_thread_guard(t);
        t->carrier_ = c;
        for (size_t i = 0; i < PAWL_THREAD_NAME_SIZE / 8; i++) {
            /* relaxed: guarded; both. */
            uint64_t word = pawl_load64_relaxed(&t->name_[i]);
            uint64_t old = pawl_load64_relaxed(&c->shown[PAWL_SHOWN_NAME + i]);

            if (word != old) /* which keeps the line where it is */
                pawl_seqlock_store(&c->shown[PAWL_SHOWN_NAME + i], word);
            if (i == 0 && word == 0)
                break;
        }
        pawl_thread_unguard(t);
        pawl_seqlock_store(&c->shown[PAWL_SHOWN_THREAD], (uintptr_t)t);
        pawl_seqlock_store(&c->shown[PAWL_SHOWN_FLAGS], pawl_shown_flags(t));
        pawl_seqlock_store(&c->shown[PAWL_SHOWN_FUNCTION],
                           (uintptr_t)t->function_);
        running = pawl_thread_serial_of(t) << 1 |
                  ((t->flags_ & PAWL_T_DAEMON) != 0);
    }
    pawl_seqlock_store(&c->shown[PAWL_SHOWN_SERIAL], running >> 1);
    /* seq_cst: A of the drawing in exit.c. */
    pawl_store64_seq(&c->running, running);
    pawl_seqlock_end(&c->showing);
}

/* What the kernel is to call a thread whose name is not its own: as a number says
 * little in 15 bytes, and would have to be set each time, its function.  NULL:
 * it has a name. */
static const char *default_os_name(const pawl_thread *t)
{
    if (pawl_load64_relaxed(&t->name_[0]) != 0) /* relaxed: a hint */
        return NULL;
    return t->function_ != NULL ? t->function_ : "Thread";
}

/* Show that *c is going to run *t. */
static void announce(struct pawl_carrier *c, pawl_thread *t)
{
    /* relaxed: who asks for a stop finds it as it finds t->carrier_. */
    pawl_store64_relaxed(&c->interrupt.stop, pawl_thread_serial_of(t) << 1);
    show(c, t);
}

/* Give it *t to run: the line of `job`, in which nothing else is written. */
static void equip(struct pawl_carrier *c, pawl_thread *t,
                  struct pawl_gate *gate)
{
    c->thread = t;
    c->gate = gate;
    c->fn = t->fn_;
    c->arg = (t->flags_ & PAWL_T_COPIED) != 0 ? t->copy_ : t->arg_;
    c->os_name_wanted = default_os_name(t);
}

/* -- The end of a thread ------------------------------------------------------ */

/* Tell all who wait for it.  Returns whether its OS thread will be joined. */
static bool publish(pawl_thread *t, int status)
{
    pawl_u32 *state = &t->state_;
    uint32_t seen;

    t->status_ = status;
    pawl_tsan_release(t);
    /* seq_cst: a release, which pairs with the acquire in the joins.  The object
     * may be gone after this. */
    seen = pawl_swap_seq(state, PAWL_T_ENDED);
    if ((seen & PAWL_T_SLEEPERS) != 0)
        pawl_watchers_wake(state, false);
    return (seen & PAWL_T_AWAITED) != 0;
}

/* A thread has ended: what ends with it.  Not if the program ends and does not
 * wait for it. */
static void close_down(bool goes_on)
{
    (void)pawl_exit_gate();
    pawl_local_thread_ends();
    pawl_self_ends(goes_on);
}

void pawl_carrier_end_main(void)
{
    struct pawl_carrier *c = main_now;

    /* relaxed: only we change it. */
    if (c == &main_carrier && pawl_load64_relaxed(&c->running) != 0) {
        show(c, NULL);
        publish(&c->own, c->status);
    }
}

/* Nobody of this process needs parked threads any more: they would keep it. */
static void main_is_gone(void)
{
    pawl_thread_cache(0);
}

/* The destructor of the key `ends`: an OS thread comes to its end. */
static void thread_ends(void *round)
{
    struct pawl_carrier *c = pawl_carrier_self_;
    uintptr_t n = (uintptr_t)round;
    bool is_awaited = false;
    pawl_thread *t;

    if (c == NULL)
        return;
    if (n < ROUNDS && pthread_setspecific(ends, (void *)(n + 1)) == 0)
        return;
    t = c->thread;
    close_down(false);
    /* relaxed: only we change it. */
    if (pawl_load64_relaxed(&c->running) != 0) {
        show(c, NULL);
        if (t == &c->own && (t->flags_ & PAWL_T_MAIN) == 0)
            /* relaxed: nobody waits for it. */
            pawl_store_relaxed(&t->state_, PAWL_T_ENDED);
        else
            is_awaited = publish(t, c->status);
        pawl_exit_notice();
    }
    if (c->is_joinable && !is_awaited)
        pthread_detach(pthread_self());
    pawl_carrier_self_ = NULL;
    if (c == main_now) /* stays, for who asks for it */
        main_is_gone();
    else
        pawl_registry_remove(c);
}

/* -- Forks ------------------------------------------------------------------ */

static void fork_begins(void)
{
    pawl_registry_before_fork();
}

static void parent_goes_on(void)
{
    pawl_registry_after_fork();
}

static void child_begins(void)
{
    struct pawl_carrier *c = pawl_carrier_self_;

    pawl_registry_in_child(c);
    pawl_join_in_child(c != NULL ? c->thread : NULL);
    pawl_exit_in_child();
    pawl_cache_clear();
    main_now = c;
    if (c == NULL)
        return;
    /* relaxed: alone. */
    pawl_store_relaxed(&c->tid, pawl_self_shared());
    if (c->thread == NULL)
        return;
    /* relaxed: alone. */
    pawl_store_relaxed(&c->thread->fork_, pawl_fork_count_);
    pawl_store_relaxed(&c->thread->tid_, pawl_self_shared());
}

/* -- Main and foreign threads -------------------------------------------------- */

/* A carrier for a thread that runs already. */
static void adopt(struct pawl_carrier *c, uint32_t flags)
{
    pawl_thread *t = &c->own;

    t->flags_ = flags;
    /* relaxed: nobody else knows it, down to the third. */
    pawl_store64_relaxed(&t->serial_, pawl_carrier_next_serial());
    pawl_store_relaxed(&t->fork_, pawl_fork_count_);
    pawl_store_relaxed(&t->state_, PAWL_T_RUNNING);
    c->thread = t;
    announce(c, t);
    pawl_registry_add(c);
}

/* Tell who it is, in the thread itself. */
static void introduce(struct pawl_carrier *c)
{
    pawl_thread *t = c->thread;
    uint32_t tid = pawl_self_shared();

    /* relaxed: published by the swap of the thread's, or a hint. */
    pawl_store_relaxed(&c->tid, tid);
    c->ident = pawl_thread_get_ident();
    pawl_store64_relaxed(&t->ident_, c->ident);
    /* release: pairs with load_acquire in native_id, for the ident. */
    if ((pawl_swap_release(&t->tid_, tid) & PAWL_T_ASKED) != 0)
        pawl_futex_wake(&t->tid_, PAWL_WAKE_ALL, false, PAWL_CHANNEL_ANY);
}

static int prepare(void *unused)
{
    uint32_t pid = (uint32_t)getpid();

    (void)unused;
    (void)pawl_self_local(); /* its fork handler comes before ours */
    if (pthread_key_create(&ends, thread_ends) != 0)
        return -ENOMEM;
    if (pthread_atfork(fork_begins, parent_goes_on, child_begins) != 0) {
        pthread_key_delete(ends);
        return -ENOMEM;
    }
    adopt(&main_carrier, PAWL_T_MAIN);
    /* relaxed: published by the once. */
    pawl_store_relaxed(&main_carrier.own.tid_, pid);
    pawl_store_relaxed(&main_carrier.tid, pid);
    return 0;
}

static bool is_prepared(void)
{
    uint32_t calm = pawl_uninterruptible_begin();
    int err = pawl_once_run(&prepared, prepare, NULL);

    pawl_uninterruptible_end(calm);
    return err == 0;
}

/* A carrier for the calling thread, which pawl has not started. */
static struct pawl_carrier *adopt_foreigner(void)
{
    struct pawl_carrier *c = pawl_carrier_make();
    bool is_main = main_now == NULL && pawl_carrier_is_main();

    if (c == NULL)
        return NULL;
    /* relaxed: just a number. */
    c->own.number_ = pawl_add_relaxed(&foreigners, 1) + 1;
    adopt(c, is_main ? PAWL_T_MAIN : PAWL_T_FOREIGN | PAWL_T_DAEMON);
    if (is_main)
        main_now = c;
    return c;
}

static PAWL_COLD struct pawl_carrier *make_self(void)
{
    struct pawl_carrier *c = &main_carrier;

    /* First, for without it the carrier would be lost. */
    if (!is_prepared() || pthread_setspecific(ends, (void *)1) != 0)
        return NULL;
    if (main_now != &main_carrier || !pawl_carrier_is_main())
        c = adopt_foreigner();
    if (c == NULL)
        return NULL;
    pawl_carrier_self_ = c;
    introduce(c);
    return c;
}

struct pawl_carrier *pawl_carrier_self(void)
{
    struct pawl_carrier *c = pawl_carrier_self_;

    return pawl_likely(c != NULL) ? c : make_self();
}

pawl_thread *pawl_thread_current(void)
{
    struct pawl_carrier *c = pawl_carrier_self();

    if (pawl_unlikely(c == NULL))
        return NULL;
    return pawl_likely(c->thread != NULL) ? c->thread : &c->own;
}

struct pawl_carrier *pawl_carrier_main(void)
{
    return main_now;
}

pawl_thread *pawl_thread_main(void)
{
    if (!is_prepared())
        return NULL;
    if (main_now == NULL)
        (void)pawl_carrier_self(); /* only the thread that forked is there */
    return main_now != NULL ? main_now->thread : NULL;
}

/* -- Running ------------------------------------------------------------------- */

/* What the kernel calls it. */
static void set_os_name(struct pawl_carrier *c)
{
    uint64_t shown[PAWL_SHOWN_WORDS];
    char name[PAWL_THREAD_NAME_SIZE];
    const char *want = c->os_name_wanted;
    /* relaxed: a hint, from who renames the thread, or has renamed the last. */
    bool is_renamed = pawl_load_relaxed(&c->renamed) != 0;

    if (want == NULL || is_renamed) {
        pawl_carrier_read(c, shown);
        pawl_carrier_name(shown, name);
        if (want == NULL || (char)shown[PAWL_SHOWN_NAME] != '\0')
            want = name;
    }
    if (is_renamed || c->os_name[0] == '\0' ||
        strncmp(c->os_name, want, PAWL_OS_NAME_SIZE - 1) != 0) {
        pawl_store_relaxed(&c->renamed, 0); /* relaxed: as above */
        pawl_carrier_set_os_name(0, want, c->os_name);
    }
}

/* The thread may have named itself by a system call of its own. */
static void forget_changed_name(struct pawl_carrier *c)
{
    char name[PAWL_OS_NAME_SIZE];

    if (prctl(PR_GET_NAME, name) != 0 ||
        strncmp(name, c->os_name, PAWL_OS_NAME_SIZE) != 0)
        c->os_name[0] = '\0';
}

/* False: it was not to begin after all, and *c->thread must not be touched. */
static bool pass_gate(struct pawl_carrier *c)
{
    struct pawl_gate *g = c->gate;
    bool open;

    if (pawl_likely(g == NULL))
        return true;
    c->gate = NULL;
    pawl_latch_count_down(&g->missing, 1);
    pawl_latch_wait(&g->closed);
    open = !g->abandoned;
    /* acq_rel: the last one sees that the others are done with it. */
    if (pawl_add_acq_rel(&g->users, (uint32_t)-1) == 1)
        free(g);
    return open;
}

/* Run the function.  It may not return: see pawl_thread_exit. */
static void run(struct pawl_carrier *c)
{
    c->status = 0;
    set_os_name(c);
    pawl_tsan_acquire(c);
    c->status = c->fn(c->arg);
    if (c->status < 0)
        pawl_thread_report(c->thread, c->status);
}

/* -- Parking ------------------------------------------------------------------- */

static bool may_park(const struct pawl_carrier *c)
{
    return !c->is_special && c->is_noticed && c != main_now &&
           pawl_cache_is_on();
}

/* Give a job to one that was taken out of the cache. */
static void post(struct pawl_carrier *c, uint32_t job)
{
    pawl_u32 *word = &c->job;

    /* release: pairs with load_acquire in await_job. */
    if (pawl_swap_release(word, job) == ASLEEP)
        pawl_futex_wake(word, 1, false, PAWL_CHANNEL_ANY);
}

static void quit(struct pawl_carrier *c)
{
    post(c, QUIT);
}

static bool spin(struct pawl_carrier *c)
{
    enum { LOOK_EVERY = 8 }; /* at the cache, which starters write */
    struct pawl_spin spin;
    unsigned looks = 0;
    bool found;

    if (!pawl_spin_begins_unnamed(&spin, PAWL_SPIN_PARK))
        return false;
    /* acquire: pairs with the swap in post. */
    while (!(found = pawl_load_acquire(&c->job) != NONE) &&
           (++looks % LOOK_EVERY != 0 || pawl_cache_is_last(c)) &&
           pawl_spin_again(&spin))
        ;
    pawl_spin_ends(&spin, found);
    return found;
}

/* Until it has one.  Returns GO or QUIT. */
static uint32_t await_job(struct pawl_carrier *c)
{
    uint32_t seen;
    pawl_deadline until;
    int err = 0;

    if (spin(c))
        return pawl_load_acquire(&c->job); /* acquire: pairs with post */
    until = pawl_after_ns(IDLE_NS);
    for (;;) {
        /* relaxed: publishes nothing; the kernel compares the word: it sees the
         * job, or post sees ASLEEP. */
        seen = NONE;
        (void)pawl_cas_relaxed(&c->job, &seen, ASLEEP);
        seen = pawl_load_acquire(&c->job); /* acquire: pairs with post */
        if (seen >= GO)
            return seen;
        if (err == -ETIMEDOUT) {
            if (pawl_cache_take_this(c))
                return QUIT;
            until = pawl_after_ns(IDLE_NS); /* it is being moved, or posted */
        }
        err = pawl_futex_wait(&c->job, ASLEEP, until, false, PAWL_CHANNEL_ANY);
    }
}

/* The cache may have been switched off while *c was put there: then take out all.
 * True: *c among them. */
static bool is_switched_off(const struct pawl_carrier *c)
{
    struct pawl_carrier *other;
    bool taken = false;

    while (pawl_unlikely(!pawl_cache_is_on()) &&
           (other = pawl_cache_take()) != NULL) {
        if (other == c)
            taken = true;
        else
            quit(other);
    }
    return taken;
}

/* Have all that the thread that has ended may have changed as it was.  After its
 * end was told, for these are system calls.  False: it is not allowed to. */
static bool undo(struct pawl_carrier *c)
{
    pawl_undo_signals(&c->has);
    forget_changed_name(c);
    return pawl_undo_all(&c->has);
}

/* The thread of *c has ended.  Park, tell those who wait for it, and wait for
 * another one; false: there is none. */
static bool park(struct pawl_carrier *c)
{
    pawl_thread *t = c->thread;
    int status = c->status;
    bool own = t == &c->own;
    struct pawl_carrier *surplus;

    show(c, NULL);
    c->thread = NULL;
    if (own)
        /* relaxed: nobody waits for it. */
        pawl_store_relaxed(&t->state_, PAWL_T_ENDED);
    pawl_store_relaxed(&c->job, NONE); /* relaxed: published by put */
    surplus = pawl_cache_put(c);
    if (!own)
        publish(t, status); /* I2 */
    pawl_exit_notice();
    if (surplus == c)
        return false;
    if (surplus != NULL)
        quit(surplus);
    if (is_switched_off(c))
        return false;
    if (!undo(c) && pawl_cache_take_this(c))
        return false;
    if (await_job(c) != GO)
        return false;
    /* For the end of the thread. */
    pawl_cpu_expect_to_write(&c->showing);
    pawl_cache_expect();
    if (c->inherits)
        pawl_undo_inherit(&c->has, &c->wants);
    return true;
}

/* What an OS thread that pawl has made does. */
static void *carrier_main(void *arg)
{
    struct pawl_carrier *c = arg;
    bool goes_on = true;

    pawl_carrier_self_ = c;
    c->is_noticed = pthread_setspecific(ends, (void *)1) == 0;
    if (!c->is_special)
        pawl_undo_remember(&c->has);
    introduce(c);
    while (goes_on) {
        if (pass_gate(c))
            run(c);
        else
            c->thread = &c->own; /* there is nobody to be told */
        goes_on = may_park(c);
        if (goes_on) {
            close_down(true);
            goes_on = park(c);
        }
    }
    if (!c->is_noticed)
        thread_ends((void *)ROUNDS);
    return NULL; /* thread_ends does the rest */
}

int pawl_thread_exit(int status)
{
    struct pawl_carrier *c = pawl_carrier_self_;

    if (c == NULL || c->thread == NULL ||
        (c->thread->flags_ & (PAWL_T_FOREIGN | PAWL_T_MAIN)) != 0)
        return -EPERM;
    c->status = status;
    if (!c->is_noticed)
        thread_ends((void *)ROUNDS);
    pthread_exit(NULL);
}

/* -- Starting ------------------------------------------------------------------ */

static int make_attr(pthread_attr_t *attr, const pawl_thread *t, size_t size,
                     bool is_joinable)
{
    struct sched_param param = {.sched_priority = t->priority_};
    int err = pthread_attr_init(attr);

    if (err != 0)
        return err;
    if (!is_joinable)
        pthread_attr_setdetachstate(attr, PTHREAD_CREATE_DETACHED);
    if (t->stack_ != NULL)
        err = pthread_attr_setstack(attr, t->stack_, size);
    else if (size != 0)
        err = pthread_attr_setstacksize(attr, size);
    if (err == 0 && t->cpus_ != NULL)
        err = pthread_attr_setaffinity_np(attr, t->cpus_size_, t->cpus_);
    if (err == 0 && t->priority_ != 0) {
        err = pthread_attr_setinheritsched(attr, PTHREAD_EXPLICIT_SCHED);
        if (err == 0)
            err = pthread_attr_setschedpolicy(attr, t->policy_);
        if (err == 0)
            err = pthread_attr_setschedparam(attr, &param);
    }
    if (err != 0)
        pthread_attr_destroy(attr);
    return err;
}

static size_t default_stack(void)
{
    return (size_t)pawl_load64_relaxed(&stack_size_); /* relaxed: an option */
}

/* One from the cache with a stack of the size that is the default now, which is to
 * have what the caller has. */
static struct pawl_carrier *take_parked(void)
{
    struct pawl_inheritance mine;
    struct pawl_carrier *c;
    bool inherits;

    /* Now, for the caller may be about to change it; and first, as who was taken
     * and spins does not do so for long. */
    pawl_undo_look(&mine);
    while ((c = pawl_cache_take()) != NULL && c->stack_size != default_stack())
        quit(c);
    if (c == NULL)
        return NULL;
    inherits = pawl_undo_bequeath(
        &c->has, &mine,
        pawl_load_relaxed(&c->job) == ASLEEP); /* relaxed: a hint */
    if (inherits)
        c->wants = mine;
    if (inherits != c->inherits) /* or else the line stays where it is */
        c->inherits = inherits;
    return c;
}

struct pawl_carrier *pawl_carrier_make(void)
{
    struct pawl_carrier *c = aligned_alloc(PAWL_CACHE_LINE, sizeof *c);

    if (c != NULL)
        memset(c, 0, sizeof *c);
    return c;
}

int pawl_carrier_for(const pawl_thread *t, struct pawl_carrier **found)
{
    bool is_special =
        (t->flags_ & PAWL_T_NO_CACHE) != 0 || !pawl_cache_is_on();
    struct pawl_carrier *c;

    if (!is_prepared() || pawl_exit_add(NULL) != 0)
        return -ENOMEM;
    c = is_special ? NULL : take_parked();
    if (c == NULL) {
        c = pawl_carrier_make();
        if (c == NULL)
            return -ENOMEM;
        c->stack_size = t->stack_size_ != 0 ? t->stack_size_ : default_stack();
        c->is_special = is_special;
    }
    *found = c;
    return 0;
}

static void go_parked(struct pawl_carrier *c, pawl_thread *t,
                      struct pawl_gate *gate, uint64_t *ident)
{
    uint64_t its_ident = c->ident;

    /* relaxed: published by post, and to others with the object. */
    pawl_store64_relaxed(&t->ident_, its_ident);
    /* release: pairs with load_acquire in native_id. */
    if (pawl_swap_release(&t->tid_, pawl_load_relaxed(&c->tid)) != 0)
        pawl_futex_wake(&t->tid_, PAWL_WAKE_ALL, false, PAWL_CHANNEL_ANY);
    announce(c, t);
    equip(c, t, gate);
    pawl_tsan_release(c);
    post(c, GO);
    if (ident != NULL)
        *ident = its_ident;
}

static int go_fresh(struct pawl_carrier *c, pawl_thread *t,
                    struct pawl_gate *gate, uint64_t *ident)
{
    bool is_joinable = c->is_special && (t->flags_ & PAWL_T_DAEMON) == 0;
    uint64_t serial = pawl_thread_serial_of(t);
    pthread_attr_t attr;
    pthread_t thread;
    int err;

    c->is_joinable = is_joinable;
    announce(c, t);
    equip(c, t, gate);
    pawl_registry_add(c);
    pawl_tsan_release(c);
    err = make_attr(&attr, t, c->stack_size, is_joinable);
    if (err == 0) {
        err = pthread_create(&thread, &attr, carrier_main, c);
        pthread_attr_destroy(&attr);
    }
    if (err == 0 && is_joinable)
        pawl_join_remember(t, serial, thread);
    if (err == 0 && ident != NULL)
        *ident = (uint64_t)(uintptr_t)thread;
    if (err != 0) {
        show(c, NULL);
        pawl_registry_remove(c);
    }
    return -err;
}

int pawl_carrier_go(struct pawl_carrier *c, pawl_thread *t,
                    struct pawl_gate *gate, uint64_t *ident)
{
    int err = 0;

    /* relaxed: it is ours. */
    if (pawl_load_relaxed(&c->tid) == 0)
        err = go_fresh(c, t, gate, ident);
    else
        go_parked(c, t, gate, ident);
    pawl_exit_notice();
    return err;
}

/* -- Options ------------------------------------------------------------------- */

int pawl_thread_stack_size(size_t size, size_t *previous)
{
    enum { LEAST = 32768 };
    uint64_t before =
        pawl_load64_relaxed(&stack_size_); /* relaxed: an option */

    if (size != 0 && size < LEAST)
        return -EINVAL;
    /* relaxed: as above. */
    while (!pawl_cas64_relaxed(&stack_size_, &before, size))
        ;
    if (previous != NULL)
        *previous = (size_t)before;
    return 0;
}

uint32_t pawl_thread_cache(uint32_t limit)
{
    uint32_t before = pawl_cache_limit(limit);
    struct pawl_carrier *c;

    while ((c = pawl_cache_take()) != NULL)
        quit(c);
    return before;
}
