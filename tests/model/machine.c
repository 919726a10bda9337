/* SPDX-License-Identifier: MIT
 *
 * machine.c - threads, memory and kernel of the explorer.
 *
 * Threads are coroutines of one thread of the system.  Each runs until its next
 * atomic operation or futex call; there model_decide says who goes on.
 *
 * Memory is a view machine.  A location keeps its newest stores in modification
 * order, with time stamps.  A view says, for each location, which store must be
 * known at least.  A thread has a view: its loads are of any store that is not
 * older; every load and store of a location moves it on there (coherence).  A
 * releasing store carries the view of its thread, which an acquiring load
 * joins; a read-modify-write passes on what the store that it read carries
 * (release sequence), and nothing ever comes between the two.
 *
 * seq_cst: besides being acquire and release, such a load is not of a store
 * older than the newest seq_cst store of its location, and such a store is
 * newer than that one.  That orders seq_cst operations among each other and
 * nothing else: it is no fence.  It orders them as they are executed, which C11
 * does not ask for; see .free_seq and "The order of seq_cst operations".
 *
 * Not modelled: a load that sees a store which comes later in the order of
 * execution (load buffering).  See docs/verification.md.
 *
 * The first entries of a view are the clocks of the threads: what a view says
 * of them is what happened before.  So they detect data races.
 *
 * The real memory always holds the newest value.
 */
#include "machine.h"

#include <limits.h>
#include <linux/futex.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/rseq.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include <pawl/ring.h>

#include "atomic/ops.h"
#include "atomic/ring_self.h"
#include "coroutine.h"
#include "futex/self.h"
#include "futex/spin.h"
#include "futex/sys.h"
#include "futex/waitable.h"

#define LOCATIONS 300
#define VIEW (MODEL_THREADS + LOCATIONS)
#define HISTORY 16
#define VIEWS (UINT32_C(1) << 24) /* words of what messages carry: a run's */
#define SLOTS 512         /* of the tables of addresses: a power of two */
#define STACK (256 << 10) /* only what is touched takes memory */
#define REGIONS 96
#define KEYS 6
#define HANDLERS 4
#define FDS 4
#define FIRST_FD 100
#define FIRST_TID 1000
#define SEATS 4    /* of a thread at rings */
#define STRONG 256 /* seq_cst operations of a run whose order is free */

/* Of a long run only so many steps at both ends are printed. */
#define TRACED 200

/* The distance between two stores; halved when one comes between. */
#define STRIDE 1024u

/* Time begins here, and is even: an odd deadline is one of the scenario. */
#define BEGINNING (INT64_C(1) << 40)
#define MILLISECOND 1000000

struct view {
    uint32_t width; /* entries in use when it was made; the others are 0 */
    uint32_t at[VIEW];
};

struct message {
    model_value value;
    uint32_t stamp;
    uint32_t carried; /* where its view lies among the carried ones, or 0 */
    uint32_t serial;  /* in the order of execution */
    bool followed;    /* a read-modify-write has read it */
};

struct location {
    const void *word;
    uint8_t size;
    uint8_t count;
    uint32_t strong;                /* stamp of the newest seq_cst store */
    uint32_t used[MODEL_THREADS];   /* when each has accessed it last */
    uint32_t stored[MODEL_THREADS]; /* ... and stored to it */
    struct model_cell *cells[2];    /* of plain accesses, for each four bytes */
    struct message history[HISTORY];
};

/* A seq_cst operation, in a scenario where their order is free. */
struct strong {
    const struct location *location;
    uint32_t stamp; /* of what it has read, or stored */
    uint32_t
        clock; /* of its thread: who knows more knows what comes after it */
    uint8_t thread;
    bool writes;
    uint64_t before[STRONG / 64]; /* bits: those that come before it */
};

struct region {
    const char *from;
    const char *to;
    const char *name;
};

enum state { READY, ASLEEP, ENDED };

/* What an operation does with its word. */
enum access {
    READ,
    WRITE,
    WAKE,    /* those who wait there */
    UNKNOWN, /* or with more than that word */
};

/* How a thread goes on. */
enum event { RUN, TIMEOUT, STRAY, SIGNAL };

struct thread {
    void *stack_pointer;
    char *stack;
    void (*function)(void);
    void *(*start)(void *); /* instead, of one that the library has made */
    void *arg;
    char *locals; /* its thread-local data, while another runs */
    struct pawl_self self;
    struct rseq rseq;
    struct view view;
    enum state state;
    bool given_up; /* joined or detached */
    bool late;     /* has a deadline later than the alarms of the library */
    bool killed;   /* while it slept */
    /* While it sleeps. */
    const void *futex;
    const struct waitv_entry *watch; /* instead, if it waits for several */
    uint32_t watches;
    uint64_t woken_on; /* bits of them */
    bool shared;
    uint32_t channels;
    pawl_deadline until;
    uint64_t since;
    int result;
    const void *values[KEYS];
    /* Its operation: the last one, or that before which it was interrupted. */
    const void *word;
    enum access access;
    uint32_t stores_then; /* M.stores, as it was interrupted */
    uint64_t past;        /* of all that it has read: a hash */
    uint64_t read;        /* ... and what it has read last */
};

/* An entry of a table of addresses is valid if its run is this one. */
struct slot {
    const void *address;
    uint64_t run;
    uint32_t index;
};

static struct machine {
    const struct model_scenario *scenario;
    struct model_outcome *outcome;
    struct thread threads[MODEL_THREADS];
    uint32_t *carried; /* what messages carry: views, as long as they are */
    struct location locations[LOCATIONS];
    struct slot location_slots[SLOTS];
    struct region freed[REGIONS];
    struct region names[REGIONS];
    struct region guarded[REGIONS];
    void *main_stack_pointer;
    jmp_buf outside; /* of the threads: where a failure goes */
    void (*destructors[KEYS])(void *);
    void (*child_handlers[HANDLERS])(void);
    void (*of_self)(void *); /* of these, those that self.c has registered */
    void (*forks_of_self)(void);
    uint64_t run;
    uint64_t sleeps;
    pawl_deadline now;
    struct pawl_self registered[MODEL_THREADS]; /* what threads have at first */
    uint32_t keys;
    uint32_t handlers;
    uint32_t count;       /* threads */
    uint32_t of_scenario; /* of these, the first ones */
    uint32_t current;
    uint32_t ready;  /* bits: can run */
    uint32_t asleep; /* bits: in the kernel */
    uint32_t
        leaving; /* bits: woken on one of several, in the queues of others */
    uint32_t mortal;   /* bits: may be killed */
    uint32_t yielding; /* bits: want another to change something first */
    uint32_t outdated; /* bits: have loaded what is not the newest */
    uint32_t width;    /* entries of a view in use */
    uint32_t widest;   /* ... in the run before */
    uint32_t carriers;
    uint32_t freed_used;
    uint32_t names_used;
    uint32_t guarded_used;
    uint32_t steps;
    struct pawl_ring_seat seats[MODEL_THREADS + 1][SEATS];
    struct pawl_ring_pace paces[MODEL_THREADS + 1][SEATS];
    pawl_u32 fds[FDS]; /* what has been written and not read */
    struct view fd_views[FDS];
    uint32_t fds_used;
    uint32_t creations; /* of threads, till some are refused */
    uint32_t refusals;
    uint32_t rcu_readers;  /* bits */
    struct view rcu_begun; /* what writers knew as they began to wait */
    struct view rcu_left;  /* what readers knew as they left */
    uint32_t stores;
    uint32_t strong_used;
    struct strong strong[STRONG];
    uint64_t strong_before[STRONG / 64]; /* the next one */
    uint32_t held;      /* bits: nothing has changed for what these do next */
    uint32_t refreshed; /* bits: only stores of others to the word of it have */
    bool skipping;      /* steps in the trace */
    bool exploring;     /* threads run: otherwise memory is plain */
} M;

bool model_tracing;
bool model_strong;
uint32_t model_steps_max = 5000;
uint32_t model_steps_expected;
uint32_t model_spin;
uint32_t model_spin_cpus;
bool model_reducing;
bool model_has_learned;
bool model_remembering;

/* The arguments are evaluated only if somebody reads them. */
#define TRACE(...) (model_tracing ? model_trace(__VA_ARGS__) : (void)0)

#define ME (&M.threads[M.current])
#define BIT(i) (UINT32_C(1) << (i))

/* The thread-local data of the library: all that is declared _Thread_local lies in
 * a section of its own, and is that of the running thread. */
extern char __start_model_locals[];
extern char __stop_model_locals[];
#define LOCALS ((size_t)(__stop_model_locals - __start_model_locals))

/* -- Failure and trace ---------------------------------------------------------- */

void model_trace(const char *format, ...)
{
    va_list arguments;

    if (!model_tracing)
        return;
    if (M.exploring && M.steps > TRACED &&
        M.steps + TRACED < model_steps_expected) {
        if (!M.skipping)
            printf("   ...\n");
        M.skipping = true;
        return;
    }
    M.skipping = false;
    va_start(arguments, format);
    if (M.exploring)
        printf("  %4u  T%u  ", M.steps, M.current);
    vprintf(format, arguments);
    va_end(arguments);
    putchar('\n');
}

void model_fail(const char *format, ...)
{
    va_list arguments;
    void *nowhere;

    va_start(arguments, format);
    vsnprintf(M.outcome->failure, sizeof M.outcome->failure, format, arguments);
    va_end(arguments);
    if (!M.exploring)
        longjmp(M.outside, 1);
    model_switch(&nowhere, M.main_stack_pointer);
    __builtin_unreachable();
}

void model_check_err(const char *file, int line, const char *expr, int got,
                     int want)
{
    if (got != want)
        model_fail("check: %s:%d: %s is %s, not %s", file, line, expr,
                   pawl_errname(got), pawl_errname(want));
}

void model_name(const void *p, size_t size, const char *name)
{
    if (M.names_used < REGIONS)
        M.names[M.names_used++] =
            (struct region){p, (const char *)p + size, name};
}

void model_guarded(const void *p, size_t size)
{
    if (M.guarded_used == REGIONS)
        model_fail("machine: too much guarded memory");
    M.guarded[M.guarded_used++] =
        (struct region){p, (const char *)p + size, NULL};
}

static const char *name_of(const void *word)
{
    static char buffers[2][80];
    static unsigned turn;
    char *buffer = buffers[turn++ & 1];
    const char *name = model_self_name(word, buffer, sizeof *buffers);
    const char *p = word;

    if (name != NULL)
        return name;
    for (uint32_t i = 0; i < M.names_used; i++) {
        if (p >= M.names[i].from && p < M.names[i].to) {
            snprintf(buffer, sizeof *buffers, "%s+%td", M.names[i].name,
                     p - M.names[i].from);
            return buffer;
        }
    }
    for (uint32_t i = 0; i < M.count; i++) {
        if (word == &M.threads[i].rseq.cpu_id) {
            snprintf(buffer, sizeof *buffers, "cpu of T%u", i);
            return buffer;
        }
    }
    snprintf(buffer, sizeof *buffers, "%p", word);
    return buffer;
}

/* -- What need not be tried --------------------------------------------------------

 * Of schedules that differ only in the order of independent operations one is
 * enough: that which interrupts latest.  A thread that is interrupted before an
 * operation could as well be interrupted after it, for no more than that costs,
 * unless another does something in between that it depends on.  So
 *
 * - nobody is interrupted before an operation on a word that is never raced for:
 *   two threads access it, one of them by a write, and neither order is forced
 *   by what they know of each other.  What is raced for is learned: whenever a run
 *   shows one more such word, the search begins again;
 * - who is interrupted is held until another has done something that its next
 *   operation depends on; if nobody else can go on, this run is given up;
 * - and if that operation is a load, it is of a store that was made meanwhile.
 *
 * A death is what the kernel does then: operations on the words of robust mutexes,
 * by the thread that dies.  To die before an operation is a choice of that thread, and
 * whoever could be interrupted between the choice and the first of these can as well
 * be interrupted there.  A sleeper that is killed takes no wake any more.
 *
 * See docs/verification.md.  The first choice at a point is always to go on, so
 * the schedule that takes the place of another comes before it, and of the first
 * in each class nothing is left out. */

enum { RACED = 1, WAITED_FOR = 2, MARKS = 4096 };

/* Of the words, by their addresses; two that share an entry are both marked. */
static uint8_t marks[MARKS];

static uint8_t *mark_of(const void *word)
{
    uintptr_t at = (uintptr_t)word >> 3;

    return &marks[(at ^ at >> 12) % MARKS];
}

static void mark(const void *word, uint8_t what)
{
    uint8_t *m = mark_of(word);

    model_has_learned |= (*m & what) == 0;
    *m |= what;
}

static bool is_independent(const void *word, enum access access)
{
    if (access == UNKNOWN || !model_reducing)
        return false;
    return (*mark_of(word) & (access == WAKE ? WAITED_FOR : RACED)) == 0;
}

static void hold(void)
{
    ME->stores_then = M.stores;
    M.refreshed &= ~BIT(M.current);
    if (ME->access != UNKNOWN)
        M.held |= BIT(M.current);
}

/* Something has happened that may matter to whatever comes next. */
static void release_all(void)
{
    M.held = M.refreshed = 0;
}

/* Who never does its next operation, for others do not go on, can be seen to have
 * stopped before any. */
static void mark_all(void)
{
    for (uint32_t i = 0; i < MARKS; i++) {
        model_has_learned |= marks[i] != (RACED | WAITED_FOR);
        marks[i] = RACED | WAITED_FOR;
    }
}

/* The caller does this. */
static void release(const void *word, enum access access)
{
    if (M.held == 0)
        return;
    for (uint32_t i = 0; i < M.count; i++) {
        const struct thread *t = &M.threads[i];

        if ((M.held & BIT(i)) == 0 ||
            (uintptr_t)t->word >> 3 != (uintptr_t)word >> 3)
            continue;
        if (access == WAKE ? t->access == WAKE
                           : t->access == WRITE ||
                                 (t->access == READ && access == WRITE)) {
            M.held &= ~BIT(i);
            M.refreshed |= BIT(i);
        }
    }
}

/* Somebody wakes without one. */
static void release_wakes(void)
{
    for (uint32_t i = 0; i < M.count; i++) {
        if (M.threads[i].access == WAKE)
            M.held &= ~BIT(i);
    }
}

/* What the caller does next depends on more than its operations tell. */
static void look_around(void)
{
    if (ME->word != NULL && ME->access != UNKNOWN)
        mark(ME->word, ME->access == WAKE ? WAITED_FOR : RACED);
}

void model_looks(void)
{
    if (!M.exploring)
        return;
    look_around();
    release_all();
}

void model_give_up(void)
{
    void *nowhere;

    M.outcome->given_up = true;
    model_switch(&nowhere, M.main_stack_pointer);
    __builtin_unreachable();
}

/* -- Who goes on ----------------------------------------------------------------- */

struct candidate {
    uint8_t thread;
    uint8_t event;
};

/* A deadline of the scenario, in contrast to an alarm of the library.  Services
 * sleep until those. */
static bool is_own_deadline(const struct thread *t)
{
    return t->until != PAWL_FOREVER &&
           ((t->until & 1) != 0 || t->late || M.scenario->looks ||
            (M.scenario->services && t >= &M.threads[M.of_scenario]));
}

static void end_sleep(uint32_t i, int result)
{
    M.threads[i].state = READY;
    M.threads[i].result = result;
    M.asleep &= ~BIT(i);
    M.ready |= BIT(i);
}

static void take_place(struct candidate c)
{
    struct thread *t = &M.threads[c.thread];

    if (c.event != RUN)
        release_wakes();
    switch ((enum event)c.event) {
    case RUN:
        break;
    case TIMEOUT:
        release_all();
        if (M.now < t->until)
            M.now = t->until + (t->until & 1); /* stays even */
        end_sleep(c.thread, -ETIMEDOUT);
        TRACE("the deadline of T%u passes", c.thread);
        break;
    case STRAY:
        end_sleep(c.thread, 0);
        TRACE("T%u wakes for no reason", c.thread);
        break;
    case SIGNAL:
        end_sleep(c.thread, -EINTR);
        TRACE("a signal reaches T%u", c.thread);
        break;
    }
}

/* Everybody sleeps, or waits for a change: only a deadline of the scenario may
 * bring one.  An alarm of the library may save such a wait too, a millisecond
 * late; but then somebody has forgotten to wake it. */
static uint32_t add_own_deadlines(struct candidate *candidates)
{
    uint32_t n = 0;

    for (uint32_t i = 0; i < M.count; i++) {
        if ((M.asleep & BIT(i)) == 0 || !is_own_deadline(&M.threads[i]))
            continue;
        if (n > 0 && M.scenario->looks) /* in the order of the clock */
            n -= M.threads[i].until < M.threads[candidates[0].thread].until;
        if (n == 0 || !M.scenario->looks)
            candidates[n++] = (struct candidate){(uint8_t)i, TIMEOUT};
    }
    return n;
}

/* Whether a thread dies now that may; or could as well do it later. */
static bool is_dying(uint32_t i, bool is_early)
{
    const struct model_options options = {.n = 2,
                                          .free = 1,
                                          .middle = 2,
                                          .cost = MODEL_DEATH,
                                          .needless = is_early ? BIT(1) : 0};

    return (M.mortal & BIT(i)) != 0 && model_decide(&options) != 0;
}

/* Returns whom: bits. */
static uint32_t kill_sleepers(bool is_early)
{
    uint32_t killed = 0;

    for (uint32_t i = 0; i < M.count; i++) {
        if ((M.asleep & BIT(i)) == 0 || !is_dying(i, is_early))
            continue;
        M.threads[i].killed = true;
        killed |= BIT(i);
        release_wakes();
        end_sleep(i, -EINTR);
        TRACE("T%u is killed asleep", i);
    }
    return killed;
}

/* Others are killed asleep; this one could go on before that just as well. */
static bool need_not_wait_for(uint32_t killed, uint32_t i)
{
    enum access next = M.threads[i].access;

    return killed != 0 && (killed & BIT(i)) == 0 &&
           (next == READ || next == WRITE);
}

static bool is_over(void);
static void end_run(void);

/* Why a thread may not go on. */
enum pick {
    STOPS,  /* it cannot */
    PAUSES, /* it may, and the change to another is free */
    COMES,  /* to an operation; the change costs */
    PASSES, /* ... and would change nothing */
};

/* Who may run next, the caller first if it can. */
static uint32_t pick(enum pick why)
{
    struct candidate c[4 * MODEL_THREADS];
    uint8_t threads[4 * MODEL_THREADS];
    uint32_t ready;
    struct model_options options = {.cost = MODEL_PREEMPTION};
    uint32_t n = 0;
    uint32_t own = 0;
    uint32_t chosen = 0;
    uint32_t killed = 0;
    bool goes_on;

    if (M.ready == 0 && is_over())
        end_run();
    if ((M.asleep & M.mortal) != 0)
        killed = kill_sleepers(why == PASSES);
    ready = M.ready & ~M.yielding;
    if (ready == 0 && (n = own = add_own_deadlines(c)) == 0) {
        /* Let those that yield look once more, in turn. */
        M.yielding &= BIT(M.current);
        ready = M.ready & ~M.yielding;
        if (ready == 0)
            ready = M.ready;
        if (ready == 0)
            model_fail("deadlock: all threads that have not ended sleep");
    }
    goes_on = (ready & BIT(M.current)) != 0;
    if (goes_on)
        c[n++] = (struct candidate){(uint8_t)M.current, RUN};
    for (uint32_t k = 1, i = M.current; k < M.count; k++) {
        i = i + 1 == M.count ? 0 : i + 1;
        if ((ready & BIT(i)) != 0)
            c[n++] = (struct candidate){(uint8_t)i, RUN};
    }
    options.free = (uint8_t)(goes_on && why != PAUSES ? 1 : n);
    options.middle = (uint8_t)n;
    if (ready != 0 || own != 0) {
        for (uint32_t i = 0; i < M.count; i++) {
            if ((M.asleep & BIT(i)) == 0)
                continue;
            if (M.threads[i].until != PAWL_FOREVER &&
                (own == 0 || !is_own_deadline(&M.threads[i])))
                c[n++] = (struct candidate){(uint8_t)i, TIMEOUT};
            if (!M.scenario->no_stray) {
                c[n++] = (struct candidate){(uint8_t)i, STRAY};
                c[n++] = (struct candidate){(uint8_t)i, SIGNAL};
            }
        }
    }
    if (n > 1) {
        for (uint32_t i = 0; i < n; i++) {
            threads[i] = c[i].thread;
            if ((M.held & BIT(c[i].thread)) != 0 ||
                need_not_wait_for(killed, c[i].thread) ||
                (i > 0 && goes_on && why == PASSES))
                options.needless |= BIT(i);
        }
        options.n = (uint8_t)n;
        options.threads = threads;
        chosen = model_decide(&options);
    } else if ((M.held & BIT(c[0].thread)) != 0 && model_reducing) {
        model_give_up();
    }
    if (goes_on && chosen != 0 && why == COMES)
        hold();
    take_place(c[chosen]);
    return c[chosen].thread;
}

/* What is thread-local is that of this thread now. */
static void become(uint32_t next)
{
    /* Most programs have only the pointer. */
    if (LOCALS > sizeof model_self_) {
        memcpy(ME->locals, __start_model_locals, LOCALS);
        memcpy(__start_model_locals, M.threads[next].locals, LOCALS);
    }
    M.current = next;
    model_self_ = &ME->self;
    model_here = (struct model_here){
        .clocks = M.exploring ? ME->view.at : NULL,
        .thread = next,
        .stack = (uintptr_t)ME->stack - STACK,
        .stack_size = STACK,
    };
}

static void go_on_with(uint32_t next)
{
    struct thread *from = ME;

    if (next == M.current)
        return;
    become(next);
    model_switch(&from->stack_pointer, ME->stack_pointer);
}

/* Threads of the library's own that are left need not end. */
static bool is_over(void)
{
    if (!M.scenario->services)
        return false;
    for (uint32_t i = 0; i < M.of_scenario; i++) {
        if (M.threads[i].state != ENDED)
            return false;
    }
    return true;
}

static void end_run(void)
{
    model_switch(&ME->stack_pointer, M.main_stack_pointer);
}

static void count_step(void)
{
    M.steps++;
    if (M.steps >= model_steps_max)
        model_fail("livelock: no end after %u steps", M.steps);
}

/* A point of the schedule: before every step of a thread.  Returns whether
 * others have stored to the word meanwhile, and done nothing else of interest for
 * it. */
static bool come_to(const void *word, enum access access)
{
    bool refreshed = false;

    count_step();
    if (is_dying(M.current, false))
        model_kill();
    ME->word = word;
    ME->access = access;
    if (M.ready != BIT(M.current) || M.asleep != 0) {
        go_on_with(pick(is_independent(word, access) ? PASSES : COMES));
        refreshed = (M.refreshed & BIT(M.current)) != 0;
        M.held &= ~BIT(M.current);
        M.refreshed &= ~BIT(M.current);
    }
    return refreshed;
}

/* Before one that has no word, or several. */
static void point(void)
{
    come_to(NULL, UNKNOWN);
    release_all();
}

void model_point(void)
{
    if (M.exploring)
        point();
}

void model_pause(void)
{
    if (!M.exploring)
        return;
    count_step();
    go_on_with(pick(PAUSES));
}

void model_yield(void)
{
    if (!M.exploring)
        return;
    count_step();
    release_all();
    if ((M.outdated & BIT(M.current)) == 0)
        M.yielding |= BIT(M.current);
    M.outdated &= ~BIT(M.current);
    go_on_with(pick(PAUSES));
}

int model_choose(int n)
{
    struct model_options options = {
        .n = (uint8_t)n, .free = (uint8_t)n, .middle = (uint8_t)n};

    return n > 1 ? (int)model_decide(&options) : 0;
}

int model_self(void)
{
    return (int)M.current;
}

int model_threads(void)
{
    return (int)M.of_scenario;
}

bool model_program_ends(void)
{
    return M.scenario->ends;
}

int model_sleepers(void)
{
    model_looks();
    return __builtin_popcount(M.asleep);
}

/* -- Views ------------------------------------------------------------------------- */

static void join_view(struct view *into, const struct view *from)
{
    for (uint32_t i = 0; i < from->width; i++)
        into->at[i] = into->at[i] < from->at[i] ? from->at[i] : into->at[i];
}

/* All that a run may have set. */
static void clear_view(struct view *v)
{
    memset(v->at, 0, M.widest * sizeof *v->at);
    v->width = 0;
}

/* It has as many entries as its width says. */
static struct view *carried_at(uint32_t at)
{
    return (struct view *)(void *)&M.carried[at];
}

/* What a release of the caller carries: a new view.  Returns where it is. */
static uint32_t carry(uint32_t passed_on)
{
    uint32_t at = M.carriers;
    struct view *v = carried_at(at);

    M.carriers += 1 + M.width;
    if (M.carriers + VIEW >= VIEWS)
        model_fail("machine: too many views");
    v->width = M.width;
    memcpy(v->at, ME->view.at, M.width * sizeof *v->at);
    if (passed_on != 0)
        join_view(v, carried_at(passed_on));
    return at;
}

/* -- Locations --------------------------------------------------------------------- */

static struct slot *slot_of(struct slot *slots, const void *address)
{
    uintptr_t hash = (uintptr_t)address >> 2;

    hash ^= hash >> 8;
    for (uint32_t i = (uint32_t)hash;; i++) {
        struct slot *slot = &slots[i & (SLOTS - 1)];

        if (slot->run != M.run || slot->address == address)
            return slot;
    }
}

/* Whatever the type of the word. */
typedef uint32_t __attribute__((may_alias)) model_half;
typedef uint64_t __attribute__((may_alias)) model_word;

static model_value read_memory(const void *word, uint32_t size)
{
    return size == 4 ? *(const model_half *)word : *(const model_word *)word;
}

static void write_memory(const void *word, uint32_t size, model_value value)
{
    if (size == 4)
        *(model_half *)(uintptr_t)word = (uint32_t)value;
    else
        *(model_word *)(uintptr_t)word = value;
}

static void check_freed(const void *word)
{
    for (uint32_t i = 0; i < M.freed_used; i++) {
        if ((const char *)word >= M.freed[i].from &&
            (const char *)word < M.freed[i].to)
            model_fail("use of freed memory: %s", name_of(word));
    }
}

static uint32_t *seen_by(struct thread *t, const struct location *l)
{
    return &t->view.at[MODEL_THREADS + (l - M.locations)];
}

static struct message *newest(struct location *l)
{
    return &l->history[l->count - 1];
}

/* The memory was used for something else, or again: it has been written by plain
 * stores, and this is all that anybody sees from now on. */
static void make_anew(struct location *l, model_value value)
{
    uint32_t stamp = newest(l)->stamp + STRIDE;

    l->count = 1;
    l->history[0] =
        (struct message){.value = value, .stamp = stamp, .serial = ++M.stores};
    mark(l->word, RACED);
    release_all();
    for (uint32_t i = 0; i < M.count; i++)
        *seen_by(&M.threads[i], l) = stamp;
}

/* Plain accesses by others have come before, for the caller as well. */
static void check_plain(const struct location *l, bool writes)
{
    for (uint32_t i = 0; i < l->size / 4u; i++) {
        const struct model_cell *c = l->cells[i];

        if (c->written != 0 || (writes && c->readers != 0))
            model_check_cell(c, writes);
    }
}

static void use(struct location *l)
{
    l->used[M.current] = ME->view.at[M.current];
    check_plain(l, false);
}

static struct location *location_of(const void *word, uint32_t size)
{
    struct slot *slot = slot_of(M.location_slots, word);
    struct location *l;
    model_value value;

    if (M.freed_used != 0)
        check_freed(word);
    if (slot->run == M.run) {
        l = &M.locations[slot->index];
        if (l->size != size)
            model_fail("sizes of %s differ: %u and %u", name_of(word), l->size,
                       size);
        value = read_memory(word, size);
        if (newest(l)->value != value)
            make_anew(l, value);
        use(l);
        return l;
    }
    if (M.width == VIEW)
        model_fail("machine: too many locations");
    *slot = (struct slot){word, M.run, M.width - MODEL_THREADS};
    l = &M.locations[slot->index];
    M.width++;
    l->word = word;
    l->size = (uint8_t)size;
    l->count = 1;
    l->strong = 0;
    memset(l->used, 0, sizeof l->used);
    memset(l->stored, 0, sizeof l->stored);
    for (uint32_t i = 0; i < 2; i++)
        l->cells[i] = model_cell_at((const char *)word + i * (size - 4),
                                    M.width - 1 - MODEL_THREADS);
    use(l);
    l->history[0] = (struct message){.value = read_memory(word, size)};
    return l;
}

/* The caller accesses it, and has not yet learned anything by that. */
static void note_access(struct location *l, enum access access)
{
    const uint32_t *by = access == WRITE ? l->used : l->stored;

    if (!model_reducing)
        return;
    for (uint32_t i = 0; i < M.count; i++) {
        if (by[i] > ME->view.at[i] && i != M.current)
            mark(l->word, RACED);
    }
    release(l->word, access);
}

static model_value part_of(model_value word, struct model_part part)
{
    return part.bits == 64 ? word : word >> part.shift & UINT32_MAX;
}

static model_value with_part(model_value word, struct model_part part,
                             model_value value)
{
    model_value mask;

    if (part.bits == 64)
        return value;
    mask = (model_value)UINT32_MAX << part.shift;
    return (word & ~mask) | (value << part.shift & mask);
}

static uint64_t mix(uint64_t a, uint64_t b)
{
    a = (a ^ b) * UINT64_C(0x9e3779b97f4a7c15);
    return a ^ a >> 29;
}

/* What the caller reads; reading the same once more, in a loop, is no news. */
static void remember(uint64_t read)
{
    if (!model_remembering || ME->read == read)
        return;
    ME->read = read;
    ME->past = mix(ME->past, read);
}

/* Choose one of n messages; 0 is the one that costs nothing. */
static uint32_t choose_message(uint32_t n, uint32_t needless)
{
    struct model_options options = {.n = (uint8_t)n,
                                    .free = 1,
                                    .middle = (uint8_t)n,
                                    .cost = MODEL_STALE,
                                    .needless = needless};

    if (n > 1 && !model_strong)
        return model_decide(&options);
    if ((needless & 1) != 0 && model_reducing)
        model_give_up();
    return 0;
}

/* Of the n newest messages, newest first, those that were there as the caller
 * was interrupted. */
static uint32_t seen_before(struct location *l, uint32_t n)
{
    uint32_t bits = 0;

    for (uint32_t i = 0; i < n; i++) {
        if ((newest(l) - i)->serial <= ME->stores_then)
            bits |= BIT(i);
    }
    return bits;
}

/* -- The order of seq_cst operations ------------------------------------------------
 *
 * There is one order of them all.  One is before another if it is so by what C++20
 * calls *strongly happens before*: in the same thread, or if something after the
 * one happens before something before the other; or by *coherence*: it has read, or
 * stored, what is older in the order of their location, or has stored what the other
 * has read.  All this together has no cycle, and that is all that is asked for.  So
 * one that is executed late may come early, if no thread can know better. */

static bool is_in(const uint64_t *bits, uint32_t i)
{
    return (bits[i / 64] >> i % 64 & 1) != 0;
}

/* One of them, and all before it. */
static void add_with_past(uint64_t *bits, uint32_t i)
{
    for (uint32_t k = 0; k < STRONG / 64; k++)
        bits[k] |= M.strong[i].before[k];
    bits[i / 64] |= UINT64_C(1) << i % 64;
}

/* What comes before the caller's next one, wherever that is. */
static void strong_past(void)
{
    memset(M.strong_before, 0, sizeof M.strong_before);
    for (uint32_t i = 0; i < M.strong_used; i++) {
        const struct strong *s = &M.strong[i];

        if (s->thread == M.current || s->clock <= ME->view.at[s->thread])
            add_with_past(M.strong_before, i);
    }
}

/* The newest stamp that one of these has read or stored: the caller's may not be of
 * an older one. */
static uint32_t strong_stamp(const struct location *l)
{
    uint32_t stamp = 0;

    for (uint32_t i = 0; i < M.strong_used; i++) {
        const struct strong *s = &M.strong[i];

        if (s->location == l && s->stamp > stamp && is_in(M.strong_before, i))
            stamp = s->stamp;
    }
    return stamp;
}

/* The caller has done it. */
static void note_strong(const struct location *l, uint32_t stamp, bool writes)
{
    uint64_t after[STRONG / 64] = {0};
    uint32_t me = M.strong_used;
    struct strong *s = &M.strong[me];

    if (!M.scenario->free_seq)
        return;
    if (me == STRONG)
        model_fail("machine: too many seq_cst operations");
    for (uint32_t i = 0; i < me; i++) {
        const struct strong *other = &M.strong[i];

        if (other->location != l)
            continue;
        if (other->stamp > stamp)
            after[i / 64] |= UINT64_C(1) << i % 64;
        else if (other->stamp < stamp || (other->writes && !writes))
            add_with_past(M.strong_before, i);
    }
    *s = (struct strong){.location = l,
                         .stamp = stamp,
                         .clock = ME->view.at[M.current],
                         .thread = (uint8_t)M.current,
                         .writes = writes};
    memcpy(s->before, M.strong_before, sizeof s->before);
    M.strong_used++;
    add_with_past(M.strong_before, me); /* of a second word at once */
    for (uint32_t i = 0; i < me; i++) {
        bool follows = is_in(after, i);

        for (uint32_t k = 0; k < STRONG / 64; k++)
            follows |= (M.strong[i].before[k] & after[k]) != 0;
        if (follows)
            add_with_past(M.strong[i].before, me);
    }
}

/* The oldest stamp that the caller may read. */
static uint32_t oldest_for(const struct location *l, enum model_order order)
{
    uint32_t oldest = *seen_by(ME, l);
    uint32_t strong = l->strong;

    if (order != MODEL_SEQ)
        return oldest;
    if (M.scenario->free_seq) {
        strong_past();
        strong = strong_stamp(l);
    }
    return strong > oldest ? strong : oldest;
}

static void read_message(struct location *l, const struct message *m,
                         enum model_order order)
{
    uint32_t *seen = seen_by(ME, l);

    remember(mix((uintptr_t)l->word, m->value));
    if (*seen < m->stamp)
        *seen = m->stamp;
    if ((order & MODEL_ACQUIRE) != 0 && m->carried != 0)
        join_view(&ME->view, carried_at(m->carried));
}

/* Put a store after history[i].  Returns its message. */
static struct message *insert(struct location *l, uint32_t i)
{
    uint32_t before = l->history[i].stamp;
    uint32_t stamp = i + 1 == l->count
                         ? before + STRIDE
                         : before + (l->history[i + 1].stamp - before) / 2;

    if (l->count == HISTORY) { /* forget the oldest */
        memmove(l->history, l->history + 1, (HISTORY - 1) * sizeof *l->history);
        l->count--;
        i--;
    }
    memmove(l->history + i + 2, l->history + i + 1,
            (l->count - i - 1) * sizeof *l->history);
    l->count++;
    l->history[i + 1] = (struct message){.stamp = stamp, .serial = ++M.stores};
    return &l->history[i + 1];
}

static bool has_room_after(const struct location *l, uint32_t i)
{
    return !l->history[i].followed &&
           (i + 1 == l->count ||
            l->history[i + 1].stamp - l->history[i].stamp >= 2);
}

/* Fill in a store of the caller; `passed_on` is what the message that it read
 * carries, for a read-modify-write. */
static void write_message(struct location *l, struct message *m,
                          model_value value, enum model_order order,
                          uint32_t passed_on)
{
    uint32_t me = M.current;

    check_plain(l, true);
    l->stored[me] = ME->view.at[me];
    M.yielding = 0;
    m->value = value;
    m->carried = passed_on;
    *seen_by(ME, l) = m->stamp;
    if (order == MODEL_SEQ && l->strong < m->stamp)
        l->strong = m->stamp;
    if ((order & MODEL_RELEASE) != 0) {
        m->carried = carry(passed_on);
        ME->view.at[me]++; /* what comes next is not released */
    }
    if (order == MODEL_SEQ)
        note_strong(l, m->stamp, true);
    if (m == newest(l))
        write_memory(l->word, l->size, value);
}

/* -- Operations ---------------------------------------------------------------------- */

static bool is_guarded(const void *word)
{
    for (uint32_t i = 0; i < M.guarded_used; i++) {
        if ((const char *)word >= M.guarded[i].from &&
            (const char *)word < M.guarded[i].to)
            return true;
    }
    return false;
}

/* Whether the caller's operation is an ordinary one on plain memory. */
static bool is_plain(const void *word, bool writes)
{
    if (M.exploring && M.guarded_used != 0 && is_guarded(word)) {
        if (writes)
            model_write(word);
        else
            model_read(word);
        return true;
    }
    return !M.exploring || word == model_sys_hint ||
           model_self_is_idle(word,
                              M.scenario->births ? MODEL_THREADS : M.count);
}

static void trace_read(const char *what, const struct location *l,
                       const struct message *m, model_value got)
{
    TRACE("%-22s %s -> %#llx%s", what, name_of(l->word),
          (unsigned long long)got,
          m->stamp == newest((struct location *)(uintptr_t)l)->stamp
              ? ""
              : "  (stale)");
}

static void trace_write(const char *what, const struct location *l,
                        model_value from, model_value to)
{
    TRACE("%-22s %s: %#llx -> %#llx", what, name_of(l->word),
          (unsigned long long)from, (unsigned long long)to);
}

model_value model_load(const void *word, struct model_part part,
                       enum model_order order, const char *what)
{
    struct location *l;
    const struct message *m;
    uint32_t oldest;
    uint32_t first;
    bool refreshed;

    if (is_plain(word, false))
        return part_of(read_memory(word, part.size), part);
    refreshed = come_to(word, READ);
    l = location_of(word, part.size);
    note_access(l, READ);
    oldest = oldest_for(l, order);
    first = l->count - 1u;
    while (first > 0 && l->history[first].stamp > oldest)
        first--;
    if (l->history[first].stamp < oldest)
        first++; /* forgotten, or between two */
    first = l->count - first;
    m = newest(l) -
        choose_message(first, refreshed ? seen_before(l, first) : 0);
    if (m != newest(l))
        M.outdated |= BIT(M.current);
    read_message(l, m, order);
    if (order == MODEL_SEQ)
        note_strong(l, m->stamp, false);
    trace_read(what, l, m, part_of(m->value, part));
    return part_of(m->value, part);
}

void model_store(void *word, struct model_part part, model_value value,
                 enum model_order order, const char *what)
{
    struct location *l;
    uint32_t oldest;
    uint8_t places[HISTORY];
    uint32_t n = 0;
    uint32_t carried = 0;
    struct message *m;
    model_value under;

    if (is_plain(word, true)) {
        write_memory(word, part.size,
                     with_part(read_memory(word, part.size), part, value));
        return;
    }
    come_to(word, WRITE);
    l = location_of(word, part.size);
    note_access(l, WRITE);
    oldest = oldest_for(l, order);
    for (uint32_t i = l->count; i-- > 0 && l->history[i].stamp >= oldest;) {
        if (has_room_after(l, i))
            places[n++] = (uint8_t)i;
    }
    n = places[choose_message(n, 0)];
    under = l->history[n].value;
    if (part.bits < 8 * part.size) { /* keeps the rest: nothing comes between */
        l->history[n].followed = true;
        carried = l->history[n].carried;
    }
    m = insert(l, n);
    write_message(l, m, with_part(under, part, value), order, carried);
    TRACE("%-22s %s: %#llx%s", what, name_of(word), (unsigned long long)value,
          m == newest(l) ? "" : "  (not the newest)");
}

/* The messages that a read-modify-write may read, newest first. */
static uint32_t sources(struct location *l, enum model_order order,
                        uint8_t *places)
{
    uint32_t oldest = oldest_for(l, order);
    uint32_t n = 0;

    for (uint32_t i = l->count; i-- > 0 && l->history[i].stamp >= oldest;) {
        if (has_room_after(l, i))
            places[n++] = (uint8_t)i;
    }
    return n;
}

/* Read history[i] and store after it, in one step. */
static void modify(struct location *l, uint32_t i, model_value value,
                   enum model_order order)
{
    struct message *read = &l->history[i];
    uint32_t carried = read->carried;

    read->followed = true;
    read_message(l, read, order);
    write_message(l, insert(l, i), value, order, carried);
}

static model_value change(void *word, struct model_part part, model_value value,
                          enum model_order order, const char *what, bool add)
{
    struct location *l;
    uint8_t places[HISTORY];
    uint32_t i;
    model_value old;

    if (is_plain(word, true)) {
        old = read_memory(word, part.size);
        write_memory(
            word, part.size,
            with_part(old, part, add ? part_of(old, part) + value : value));
        return part_of(old, part);
    }
    come_to(word, WRITE);
    l = location_of(word, part.size);
    note_access(l, WRITE);
    i = places[choose_message(sources(l, order, places), 0)];
    old = l->history[i].value;
    value = with_part(old, part, add ? part_of(old, part) + value : value);
    modify(l, i, value, order);
    trace_write(what, l, old, value);
    return part_of(old, part);
}

model_value model_swap(void *word, struct model_part part, model_value value,
                       enum model_order order, const char *what)
{
    return change(word, part, value, order, what, false);
}

model_value model_add(void *word, struct model_part part, model_value value,
                      enum model_order order, const char *what)
{
    return change(word, part, value, order, what, true);
}

bool model_cas(void *word, struct model_part part, model_value *seen,
               model_value value, enum model_order order, const char *what)
{
    struct location *l;
    uint8_t places[HISTORY];
    uint32_t n = 0;
    uint32_t strong;
    uint32_t loose;
    uint32_t i;
    model_value old;
    enum model_order failing =
        order == MODEL_SEQ_ALWAYS ? MODEL_SEQ : MODEL_RELAXED;

    if (order == MODEL_SEQ_ALWAYS)
        order = MODEL_SEQ;
    if (is_plain(word, true)) {
        old = read_memory(word, part.size);
        if (part_of(old, part) != *seen) {
            *seen = part_of(old, part);
            return false;
        }
        write_memory(word, part.size, with_part(old, part, value));
        return true;
    }
    come_to(word, WRITE);
    l = location_of(word, part.size);
    loose = oldest_for(l, failing);
    strong = oldest_for(l, order);
    /* It succeeds on a message with the value, or fails on one without. */
    for (i = l->count; i-- > 0 && l->history[i].stamp >= loose;) {
        if (part_of(l->history[i].value, part) != *seen ||
            (l->history[i].stamp >= strong && has_room_after(l, i)))
            places[n++] = (uint8_t)i;
    }
    i = places[choose_message(n, 0)];
    old = l->history[i].value;
    if (part_of(old, part) != *seen) {
        note_access(l, READ);
        if (i + 1u < l->count)
            M.outdated |= BIT(M.current);
        read_message(l, &l->history[i], failing);
        if (failing == MODEL_SEQ)
            note_strong(l, l->history[i].stamp, false);
        trace_read(what, l, &l->history[i], part_of(old, part));
        *seen = part_of(old, part);
        return false;
    }
    note_access(l, WRITE);
    value = with_part(old, part, value);
    modify(l, i, value, order);
    trace_write(what, l, old, value);
    return true;
}

/* It finds the newest stores, as the swaps of the ring do, which are all
 * seq_cst. */
bool model_cas_pair(void *first, void *second, const model_value seen[2],
                    const model_value values[2], const char *what)
{
    void *words[2] = {first, second};
    struct location *l[2];
    struct message *m[2];
    uint32_t carried;

    if (is_plain(first, true)) {
        if (read_memory(first, 8) != seen[0] ||
            read_memory(second, 8) != seen[1])
            return false;
        write_memory(first, 8, values[0]);
        write_memory(second, 8, values[1]);
        return true;
    }
    come_to(NULL, UNKNOWN);
    for (int i = 0; i < 2; i++)
        l[i] = location_of(words[i], 8);
    for (int i = 0; i < 2; i++) {
        if (newest(l[i])->value != seen[i]) {
            note_access(l[0], READ);
            note_access(l[1], READ);
            read_message(l[i], newest(l[i]), MODEL_RELAXED);
            trace_read(what, l[i], newest(l[i]), newest(l[i])->value);
            return false;
        }
    }
    for (int i = 0; i < 2; i++)
        note_access(l[i], WRITE);
    strong_past();
    for (int i = 0; i < 2; i++) {
        newest(l[i])->followed = true;
        read_message(l[i], newest(l[i]), MODEL_ACQUIRE);
    }
    carried = carry(newest(l[0])->carried);
    if (newest(l[1])->carried != 0)
        join_view(carried_at(carried), carried_at(newest(l[1])->carried));
    for (int i = 0; i < 2; i++) {
        model_value old = newest(l[i])->value;

        m[i] = insert(l[i], l[i]->count - 1u);
        write_message(l[i], m[i], values[i], MODEL_RELAXED, carried);
        l[i]->strong = m[i]->stamp;
        trace_write(what, l[i], old, values[i]);
    }
    /* What each carries shows both. */
    for (int i = 0; i < 2; i++)
        carried_at(carried)->at[MODEL_THREADS + (l[i] - M.locations)] =
            m[i]->stamp;
    ME->view.at[M.current]++; /* what comes next is not released */
    for (int i = 0; i < 2; i++)
        note_strong(l[i], m[i]->stamp, true);
    return true;
}

/* -- Plain data ------------------------------------------------------------------------ */

const char *model_name_of(const void *word)
{
    return name_of(word);
}

void model_check_freed(const void *word)
{
    check_freed(word);
}

uint32_t model_value_of(const pawl_u32 *word)
{
    return (uint32_t)read_memory(word, sizeof word->v_);
}

/* Who has used the location so that a plain access of the caller, which need not
 * know of that, would race with it; or MODEL_THREADS. */
uint32_t model_user_unknown(uint32_t location, bool writes)
{
    const struct location *l = &M.locations[location];
    const uint32_t *when = writes ? l->used : l->stored;
    uint32_t i = 0;

    while (i < MODEL_THREADS && (i == M.current || when[i] <= ME->view.at[i]))
        i++;
    return i;
}

const char *model_code(const void *code, char *buffer, size_t size)
{
    extern const char __executable_start[];

    if (code == NULL)
        return "";
    snprintf(buffer, size, " (code at %#tx)",
             (const char *)code - __executable_start);
    return buffer;
}

/* All accesses by others have come before, for the caller as well. */
static void check_users(const struct location *l)
{
    for (uint32_t i = 0; i < M.count; i++) {
        if (i != M.current && l->used[i] > ME->view.at[i])
            model_fail("T%u frees %s, and has not seen that T%u is done",
                       M.current, name_of(l->word), i);
    }
}

void model_free(const void *p, size_t size)
{
    if (M.freed_used == REGIONS)
        model_fail("machine: too much freed memory");
    model_plain_free(p, size);
    for (uint32_t i = 0; i < M.width - MODEL_THREADS && M.exploring; i++) {
        const char *word = M.locations[i].word;

        if (word >= (const char *)p && word < (const char *)p + size)
            check_users(&M.locations[i]);
    }
    M.freed[M.freed_used++] = (struct region){p, (const char *)p + size, NULL};
    release_all();
    TRACE("frees %s", name_of(p));
}

/* -- The kernel ------------------------------------------------------------------------- */

/* The newest value of the futex at `word`, as the kernel compares it under the
 * lock of its queue. */
static uint32_t kernel_look(const pawl_u32 *word)
{
    struct slot *slot = slot_of(M.location_slots, word);

    if (M.freed_used != 0)
        check_freed(word);
    mark(word, RACED | WAITED_FOR);
    release(word, READ);
    release(word, WAKE);
    if (slot->run == M.run) {
        struct location *l = &M.locations[slot->index];

        *seen_by(ME, l) = newest(l)->stamp;
    }
    return (uint32_t)read_memory(word, sizeof word->v_);
}

uint32_t model_kernel_value(const pawl_u32 *word)
{
    come_to(NULL, UNKNOWN);
    return kernel_look(word);
}

/* The system call of futex_waitv, whose interface newer headers have. */
struct waitv_entry {
    uint64_t expected;
    uint64_t word;
    uint32_t flags;
    uint32_t reserved;
};

#define SYSTEM_CALL_WAITV 449

static const pawl_u32 *word_of(const struct waitv_entry *w)
{
    return (const pawl_u32 *)(uintptr_t)w->word;
}

static void fall_asleep(pawl_deadline until)
{
    struct thread *me = ME;

    if (until != PAWL_FOREVER)
        release_all(); /* it has looked at the time */
    me->state = ASLEEP;
    me->until = until;
    me->since = ++M.sleeps;
    M.ready &= ~BIT(M.current);
    M.asleep |= BIT(M.current);
    M.yielding = 0;
    go_on_with(pick(STOPS));
    M.leaving &= ~BIT(M.current);
    if (me->killed || is_dying(M.current, false)) /* it had been woken */
        model_kill();
}

static int kernel_wait(const pawl_u32 *word, uint32_t expected,
                       pawl_deadline until, bool shared, uint32_t channels)
{
    struct thread *me = ME;

    if (!M.exploring)
        model_fail("futex wait outside of the threads");
    come_to(NULL, UNKNOWN);
    if (kernel_look(word) != expected) {
        TRACE("futex wait %s: not %#x", name_of(word), expected);
        return -EAGAIN;
    }
    if (until <= M.now) {
        TRACE("futex wait %s: too late", name_of(word));
        return -ETIMEDOUT;
    }
    TRACE("futex wait %s == %#x%s", name_of(word), expected,
          until == PAWL_FOREVER ? "" : ", with a deadline");
    me->futex = word;
    me->watches = 0;
    me->shared = shared;
    me->channels = channels;
    fall_asleep(until);
    return me->result;
}

static int kernel_wait_any(const struct waitv_entry *watch, uint32_t n,
                           pawl_deadline until)
{
    struct thread *me = ME;

    if (!M.exploring)
        model_fail("futex wait outside of the threads");
    come_to(NULL, UNKNOWN);
    if (M.scenario->waitv != MODEL_WAITV) {
        TRACE("futex waitv: there is none");
        return -ENOSYS;
    }
    for (uint32_t i = 0; i < n; i++) {
        if (kernel_look(word_of(&watch[i])) != watch[i].expected) {
            TRACE("futex waitv %s: not %#x", name_of(word_of(&watch[i])),
                  (uint32_t)watch[i].expected);
            return -EAGAIN;
        }
    }
    if (until <= M.now) {
        TRACE("futex waitv: too late");
        return -ETIMEDOUT;
    }
    TRACE("futex waitv for %u%s", n,
          until == PAWL_FOREVER ? "" : ", with a deadline");
    me->futex = NULL;
    me->watch = watch;
    me->watches = n;
    me->woken_on = 0;
    fall_asleep(until);
    return me->result;
}

/* Which of the words that t waits for, + 1; or 0. */
static uint32_t waits_for(const struct thread *t, const pawl_u32 *word,
                          bool shared, uint32_t channels)
{
    if (t->watches == 0)
        return t->futex == word && t->shared == shared &&
               (t->channels & channels) != 0;
    for (uint32_t i = 0; i < t->watches; i++) {
        if (word_of(&t->watch[i]) == word &&
            ((t->watch[i].flags & FUTEX_PRIVATE_FLAG) == 0) == shared &&
            (t->woken_on >> i & 1) == 0)
            return i + 1;
    }
    return 0;
}

/* The one that has slept longest there, or NULL. */
static struct thread *first_sleeper(const pawl_u32 *word, bool shared,
                                    uint32_t channels)
{
    struct thread *first = NULL;

    for (uint32_t i = 0; i < M.count; i++) {
        struct thread *t = &M.threads[i];

        if (((M.asleep | M.leaving) & BIT(i)) != 0 &&
            waits_for(t, word, shared, channels) != 0 &&
            (first == NULL || t->since < first->since))
            first = t;
    }
    return first;
}

/* Who waits for several words and is woken on one stays in the queues of the
 * others until it runs, and takes wakes there. */
static int wake(const pawl_u32 *word, int count, bool shared, uint32_t channels)
{
    struct thread *t;
    int woken = 0;

    while (woken < count &&
           (t = first_sleeper(word, shared, channels)) != NULL) {
        uint32_t i = (uint32_t)(t - M.threads);

        if (t->watches != 0) {
            t->woken_on |= UINT64_C(1)
                           << (waits_for(t, word, shared, channels) - 1);
            M.leaving |= BIT(i);
        }
        if ((M.asleep & BIT(i)) != 0)
            end_sleep(i, 0);
        TRACE("wakes T%u", i);
        woken++;
    }
    return woken;
}

static int kernel_wake(const pawl_u32 *word, int count, bool shared,
                       uint32_t channels)
{
    if (!M.exploring)
        return 0;
    come_to(word, WAKE);
    release(word, WAKE);
    TRACE("futex wake %s, %d", name_of(word), count);
    return wake(word, count, shared, channels);
}

static int kernel_requeue(const pawl_u32 *from, uint32_t expected, int wakes,
                          const pawl_u32 *to, int moves, bool shared)
{
    struct thread *t;
    int woken;

    if (!M.exploring)
        return 0;
    point();
    TRACE("futex requeue %s, %d and %d to %s", name_of(from), wakes, moves,
          name_of(to));
    if (kernel_look(from) != expected)
        return -EAGAIN;
    woken = wake(from, wakes, shared, PAWL_CHANNEL_ANY);
    while (moves-- > 0 &&
           (t = first_sleeper(from, shared, PAWL_CHANNEL_ANY)) != NULL) {
        if (t->watches != 0)
            model_fail("machine: requeue of one that waits for several");
        t->futex = to;
        t->since = ++M.sleeps;
        TRACE("moves T%td", t - M.threads);
    }
    return woken;
}

static pawl_deadline deadline_of(const struct timespec *ts)
{
    return ts == NULL ? PAWL_FOREVER
                      : ts->tv_sec * INT64_C(1000000000) + ts->tv_nsec;
}

/* The calls that sys.c and self.c make: what they are given is described in
 * futex(2). */
long model_syscall(long number, ...)
{
    va_list arguments;
    long result;

    va_start(arguments, number);
    if (number == SYSTEM_CALL_WAITV) {
        const struct waitv_entry *watch =
            va_arg(arguments, const struct waitv_entry *);
        size_t n = va_arg(arguments, size_t);

        (void)va_arg(arguments, long);
        result = kernel_wait_any(
            watch, (uint32_t)n,
            deadline_of(va_arg(arguments, const struct timespec *)));
    } else if (number == SYS_futex) {
        pawl_u32 *word = va_arg(arguments, pawl_u32 *);
        int op = va_arg(arguments, int);
        uint32_t value = va_arg(arguments, uint32_t);
        const void *time = va_arg(arguments, const void *);
        pawl_u32 *to = va_arg(arguments, pawl_u32 *);
        uint32_t last = va_arg(arguments, uint32_t);
        bool shared = (op & FUTEX_PRIVATE_FLAG) == 0;

        op &= ~FUTEX_PRIVATE_FLAG;
        if (op == FUTEX_WAIT_BITSET)
            result = kernel_wait(word, value, deadline_of(time), shared, last);
        else if (op == FUTEX_WAKE || op == FUTEX_WAKE_BITSET)
            result = kernel_wake(word, (int)value, shared,
                                 op == FUTEX_WAKE ? PAWL_CHANNEL_ANY : last);
        else if (op == FUTEX_CMP_REQUEUE)
            result = kernel_requeue(word, last, (int)value, to,
                                    (int)(uintptr_t)time, shared);
        else
            model_fail("machine: futex operation %d", op);
    } else if (number == SYS_gettid) {
        result = FIRST_TID + (long)M.current;
    } else if (number == SYS_get_robust_list) {
        (void)va_arg(arguments, long);
        *va_arg(arguments, struct robust_list_head **) =
            model_robust_list(M.current);
        result = 0;
    } else {
        model_fail("machine: system call %ld", number);
    }
    va_end(arguments);
    if (result >= 0)
        return result;
    errno = (int)-result;
    return -1;
}

/* T0 is the main thread. */
pid_t model_getpid(void)
{
    return FIRST_TID;
}

/* -- Event descriptors ------------------------------------------------------------------- */

/* The kernel has a lock for each, so they order memory as a lock does; and who is
 * woken from a poll knows what was done before the write. */
static void pass_fd(int fd)
{
    struct view *v = &M.fd_views[fd - FIRST_FD];

    if (!M.exploring)
        return;
    ME->view.width = v->width = M.width;
    join_view(v, &ME->view);
    ME->view.at[M.current]++; /* what comes next is not released */
    join_view(&ME->view, v);
}

static pawl_u32 *fd_at(int fd)
{
    if (fd < FIRST_FD || (uint32_t)(fd - FIRST_FD) >= M.fds_used)
        model_fail("use of a descriptor that is not open: %d", fd);
    return &M.fds[fd - FIRST_FD];
}

int model_eventfd(unsigned count, int flags)
{
    (void)flags;
    if (M.fds_used == FDS) {
        errno = EMFILE;
        return -1;
    }
    M.fds[M.fds_used].v_ = count;
    memset(&M.fd_views[M.fds_used], 0, sizeof M.fd_views[0]);
    return FIRST_FD + (int)M.fds_used++;
}

ssize_t model_fd_write(int fd, const void *from, size_t size)
{
    pawl_u32 *count = fd_at(fd);

    (void)from;
    if (M.exploring)
        point();
    pass_fd(fd);
    count->v_++;
    TRACE("writes to fd %d", fd);
    wake(count, INT_MAX, false, PAWL_CHANNEL_ANY);
    return (ssize_t)size;
}

ssize_t model_fd_read(int fd, void *to, size_t size)
{
    pawl_u32 *count = fd_at(fd);

    (void)to;
    if (M.exploring)
        point();
    pass_fd(fd);
    TRACE("reads from fd %d: %u", fd, count->v_);
    if (count->v_ == 0) {
        errno = EAGAIN;
        return -1;
    }
    count->v_ = 0;
    return (ssize_t)size;
}

int model_fd_close(int fd)
{
    fd_at(fd);
    return 0;
}

uint32_t model_fd_written(int fd)
{
    return fd_at(fd)->v_;
}

void model_poll(int fd)
{
    while (model_fd_written(fd) == 0)
        pawl_futex_wait(fd_at(fd), 0, PAWL_FOREVER, false, PAWL_CHANNEL_ANY);
    pass_fd(fd);
}

/* -- Rings ------------------------------------------------------------------------------- */

static uint32_t participant(void)
{
    return M.exploring ? M.current : MODEL_THREADS;
}

uint64_t pawl_ring_identity(void)
{
    return participant() + 1;
}

int pawl_ring_identify(uint64_t id)
{
    (void)id;
    return 0;
}

struct pawl_ring_seat *pawl_ring_seat(const void *ring)
{
    struct pawl_ring_seat *seats = M.seats[participant()];

    for (uint32_t i = 0; i < SEATS; i++) {
        if (seats[i].ring == ring || seats[i].ring == NULL)
            return &seats[i];
    }
    return &seats[0];
}

struct pawl_ring_pace *pawl_ring_pace(const void *ring)
{
    return &M.paces[participant()]
                   [pawl_ring_seat(ring) - M.seats[participant()]];
}

/* -- Time -------------------------------------------------------------------------------- */

pawl_deadline pawl_now(void)
{
    struct model_options options = {
        .n = 2, .free = 1, .middle = 1, .cost = MODEL_EVENT};

    model_looks();
    if (M.exploring && model_decide(&options) != 0) {
        M.now += MILLISECOND;
        TRACE("a millisecond passes");
    }
    return M.now;
}

pawl_deadline pawl_after_ns(int64_t ns)
{
    return pawl_now() + ns;
}

pawl_deadline pawl_after_ms(int64_t ms)
{
    return pawl_after_ns(ms * MILLISECOND);
}

pawl_deadline model_soon(void)
{
    model_looks();
    return M.now + MILLISECOND / 2 + 1;
}

pawl_deadline model_late(void)
{
    model_looks();
    ME->late = true;
    return M.now + 5 * MILLISECOND + 1;
}

void model_late_ends(void)
{
    ME->late = false;
}

/* -- libc ---------------------------------------------------------------------------------- */

struct rseq *model_rseq(void)
{
    return &ME->rseq;
}

int model_key_create(pthread_key_t *key, void (*destructor)(void *))
{
    if (M.exploring)
        point();
    if (M.keys == KEYS)
        return EAGAIN;
    M.destructors[M.keys] = destructor;
    *key = M.keys++;
    return 0;
}

int model_key_delete(pthread_key_t key)
{
    M.destructors[key] = NULL;
    return 0;
}

int model_setspecific(pthread_key_t key, const void *value)
{
    ME->values[key] = value;
    return 0;
}

int model_atfork(void (*prepare)(void), void (*parent)(void),
                 void (*child)(void))
{
    (void)prepare;
    (void)parent;
    if (M.handlers == HANDLERS)
        return ENOMEM;
    M.child_handlers[M.handlers++] = child;
    return 0;
}

int model_sched_yield(void)
{
    model_yield();
    return 0;
}

int model_prctl(int option, ...)
{
    (void)option;
    return 0;
}

int model_sigmask(int how, const sigset_t *set, sigset_t *before)
{
    (void)how;
    (void)set;
    if (before != NULL)
        sigemptyset(before);
    return 0;
}

/* -- Reading without locks -------------------------------------------------------------------- */

/* As liburcu promises: whoever begins to read after a writer has begun to wait
 * knows what that knew; and the writer goes on when those who read before have
 * left, and knows what they knew. */

void model_rcu_enter(void)
{
    if (!M.exploring)
        return;
    point();
    M.rcu_readers |= BIT(M.current);
    join_view(&ME->view, &M.rcu_begun);
    TRACE("begins to read");
}

static void add_to(struct view *v)
{
    v->width = ME->view.width = M.width;
    join_view(v, &ME->view);
    ME->view.at[M.current]++; /* what comes next is not released */
}

void model_rcu_leave(void)
{
    if (!M.exploring)
        return;
    point();
    M.rcu_readers &= ~BIT(M.current);
    M.yielding = 0;
    add_to(&M.rcu_left);
    TRACE("has read");
}

void model_rcu_synchronize(void)
{
    uint32_t before;

    if (!M.exploring)
        return;
    point();
    add_to(&M.rcu_begun);
    before = M.rcu_readers;
    while ((before &= M.rcu_readers) != 0)
        model_yield();
    join_view(&ME->view, &M.rcu_left);
    TRACE("a grace period is over");
}

/* -- The lives of threads -------------------------------------------------------------------- */

static _Noreturn void end_thread(void)
{
    ME->state = ENDED;
    M.ready &= ~BIT(M.current);
    M.yielding = 0;
    if (M.ready == 0 && M.asleep == 0)
        end_run();
    go_on_with(pick(STOPS));
    abort(); /* nobody switches to a thread that has ended */
}

void model_die(void)
{
    bool again = true;

    TRACE("dies");
    while (again) {
        again = false;
        for (uint32_t key = 0; key < M.keys; key++) {
            const void *value = ME->values[key];

            if (value == NULL || M.destructors[key] == NULL)
                continue;
            ME->values[key] = NULL;
            M.destructors[key]((void *)(uintptr_t)value);
            again = true;
        }
    }
    model_free(&ME->rseq, sizeof ME->rseq); /* and all of its local storage */
    end_thread();
}

void model_mortal(bool is_so)
{
    M.mortal = is_so ? M.mortal | BIT(M.current) : M.mortal & ~BIT(M.current);
}

void model_kill(void)
{
    model_mortal(false);
    TRACE("is killed");
    model_robust_exit();
    model_looks(); /* that it has ended can be seen */
    end_thread();
}

void model_as(uint32_t thread, void (*act)(void))
{
    uint32_t me = M.current;

    become(thread);
    act();
    become(me);
}

static void thread_begins(void);

static void begin_thread(uint32_t i, bool births)
{
    struct thread *t = &M.threads[i];

    t->function = i < M.of_scenario ? M.scenario->threads[i] : NULL;
    t->start = NULL;
    t->given_up = false;
    t->state = READY;
    t->word = NULL;
    t->past = t->read = 0;
    t->late = t->killed = false;
    memset(t->locals, 0, LOCALS);
    memset(t->values, 0, sizeof t->values);
    t->view.at[i] = 1;
    if (births) {
        memset(&t->self, 0, sizeof t->self);
    } else {
        t->self = M.registered[i];
        t->values[0] = (void *)1; /* as registration sets it */
    }
    t->rseq.cpu_id = M.scenario->one_cpu ? 0 : i;
    t->stack_pointer = model_first_frame(t->stack, thread_begins);
}

static void thread_begins(void)
{
    if (ME->start == NULL) {
        ME->function();
        end_thread();
    }
    (void)ME->start(ME->arg);
    model_die();
}

void model_pthread_exit(void *value)
{
    (void)value;
    model_die();
}

pthread_t model_pthread_self(void)
{
    return 1 + M.current;
}

void model_refuse_threads(uint32_t after, uint32_t n)
{
    M.creations = after;
    M.refusals = n;
}

static bool is_refused(void)
{
    if (M.creations > 0) {
        M.creations--;
        return false;
    }
    if (M.refusals == 0)
        return false;
    M.refusals--;
    return true;
}

/* What the creator knows, the new thread knows. */
int model_pthread_create(pthread_t *thread, const pthread_attr_t *attr,
                         void *(*start)(void *), void *arg)
{
    uint32_t i;

    (void)attr;
    if (M.exploring)
        point();
    if (is_refused()) {
        TRACE("is refused a thread");
        return EAGAIN;
    }
    i = M.count;
    if (i == MODEL_THREADS)
        model_fail("machine: too many threads");
    begin_thread(i, M.scenario->births);
    M.threads[i].start = start;
    M.threads[i].arg = arg;
    ME->view.width = M.width;
    join_view(&M.threads[i].view, &ME->view);
    ME->view.at[M.current]++; /* what comes next is not released */
    M.count++;
    M.ready |= BIT(i);
    M.yielding = 0;
    *thread = 1 + i;
    TRACE("creates T%u", i);
    return 0;
}

/* Each OS thread is detached, or joined, once. */
static void give_up_on(struct thread *t)
{
    if (t->given_up)
        model_fail("machine: an OS thread is joined or detached twice");
    t->given_up = true;
}

int model_pthread_detach(pthread_t thread)
{
    give_up_on(&M.threads[thread - 1]);
    return 0;
}

int model_pthread_join(pthread_t thread, void **value)
{
    struct thread *t = &M.threads[thread - 1];

    (void)value;
    give_up_on(t);
    point();
    while (t->state != ENDED)
        model_yield();
    join_view(&ME->view, &t->view);
    TRACE("has joined T%u", (uint32_t)thread - 1);
    return 0;
}

void model_fork(void)
{
    point();
    TRACE("forks");
    mark_all();
    for (uint32_t i = 0; i < M.count; i++) {
        if (i != M.current)
            M.threads[i].state = ENDED;
    }
    M.ready = BIT(M.current);
    M.asleep = M.leaving = 0;
    /* Copying the pages orders them. */
    for (uint32_t i = MODEL_THREADS; i < M.width; i++)
        ME->view.at[i] = newest(&M.locations[i - MODEL_THREADS])->stamp;
    for (uint32_t i = 0; i < M.count; i++)
        ME->view.at[i] = UINT32_MAX / 2;
    for (uint32_t i = 0; i < M.handlers; i++) {
        if (M.child_handlers[i] != NULL)
            M.child_handlers[i]();
    }
}

/* -- A run ------------------------------------------------------------------------------------ */

/* In files that hold static data of the library. */
static void (*restorers[8])(void);
static uint32_t restorers_used;

void model_restored_by(void (*restore)(void))
{
    if (restorers_used == sizeof restorers / sizeof *restorers)
        abort();
    restorers[restorers_used++] = restore;
}

static void allocate_once(void)
{
    if (M.carried != NULL)
        return;
    M.carried = mmap(NULL, VIEWS * sizeof *M.carried, PROT_READ | PROT_WRITE,
                     MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    for (uint32_t i = 0; i < MODEL_THREADS; i++) {
        char *stack = mmap(NULL, STACK, PROT_READ | PROT_WRITE,
                           MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

        if (stack == MAP_FAILED || (void *)M.carried == MAP_FAILED) {
            perror("mmap");
            exit(2);
        }
        mprotect(stack, 4096, PROT_NONE);
        M.threads[i].stack = stack + STACK;
        M.threads[i].locals = calloc(1, LOCALS);
        if (M.threads[i].locals == NULL) {
            perror("calloc");
            exit(2);
        }
    }
    /* Every thread registers once, the first time alone; later runs begin
     * with what that left. */
    model_self_restore(MODEL_UNUSED);
    for (M.current = 0; M.current < MODEL_THREADS; M.current++) {
        model_self_ = &ME->self;
        pawl_self_register_local();
        pawl_self_register_shared();
        M.registered[M.current] = ME->self;
    }
    M.current = 0;
    M.of_self = M.destructors[0];
    M.forks_of_self = M.child_handlers[0];
    model_self_keep();
}

/* Whatever the runs before have left is forgotten. */
static void begin(const struct model_scenario *scenario)
{
    allocate_once();
    if (M.scenario != scenario)
        memset(marks, 0, sizeof marks);
    M.scenario = scenario;
    M.exploring = false;
    M.run++;
    M.now = BEGINNING;
    M.sleeps = 0;
    M.current = 0;
    M.widest = M.width;
    M.width = MODEL_THREADS;
    for (uint32_t i = 0; i < MODEL_THREADS; i++)
        clear_view(&M.threads[i].view);
    M.carriers = 1; /* 0 is none */
    M.freed_used = M.names_used = M.guarded_used = 0;
    M.steps = 0;
    M.yielding = M.outdated = M.asleep = M.leaving = M.mortal = 0;
    M.stores = M.held = M.refreshed = 0;
    M.strong_used = 0;
    M.fds_used = 0;
    M.creations = M.refusals = 0;
    M.rcu_readers = 0;
    clear_view(&M.rcu_begun);
    clear_view(&M.rcu_left);
    memset(M.seats, 0, sizeof M.seats);
    memset(M.paces, 0, sizeof M.paces);
    model_heap_restore();
    model_plain_begin();
    model_sys_restore(scenario->waitv);
    M.keys = M.handlers = scenario->births ? 0 : 1;
    M.destructors[0] = M.of_self;
    M.child_handlers[0] = M.forks_of_self;
    model_spin = scenario->spin;
    model_spin_cpus = scenario->cpus == 0 ? 2 : scenario->cpus - 1;
    model_self_restore(scenario->births ? MODEL_USED : MODEL_REGISTERED);
    M.of_scenario = 0;
    while (M.of_scenario < MODEL_THREADS &&
           scenario->threads[M.of_scenario] != NULL)
        M.of_scenario++;
    for (M.count = 0; M.count < M.of_scenario; M.count++)
        begin_thread(M.count, scenario->births);
    M.ready = BIT(M.count) - 1;
    memset(__start_model_locals, 0, LOCALS);
    model_self_ = &ME->self;
    for (uint32_t i = 0; i < restorers_used; i++)
        restorers[i]();
}

/* What all words hold, and what each thread has read. */
static uint64_t end_of_run(void)
{
    uint64_t end = 0;

    for (uint32_t i = 0; i < M.count; i++)
        end += mix(M.threads[i].past, i + 1);
    for (uint32_t i = 0; i < M.width - MODEL_THREADS; i++)
        end +=
            mix((uintptr_t)M.locations[i].word, newest(&M.locations[i])->value);
    return end;
}

void model_run(const struct model_scenario *scenario,
               struct model_outcome *outcome)
{
    M.outcome = outcome;
    outcome->failure[0] = '\0';
    outcome->given_up = false;
    outcome->steps = 0;
    begin(scenario);
    if (setjmp(M.outside) != 0)
        return;
    if (scenario->setup != NULL)
        scenario->setup();
    M.exploring = true;
    become(pick(PAUSES));
    model_switch(&M.main_stack_pointer, ME->stack_pointer);
    M.exploring = false;
    model_here.clocks = NULL;
    outcome->steps = M.steps;
    if (outcome->failure[0] != '\0' || outcome->given_up)
        return;
    M.freed_used = 0;
    if (scenario->check != NULL)
        scenario->check();
    outcome->end = end_of_run();
}
