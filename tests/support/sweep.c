/* SPDX-License-Identifier: MIT
 *
 * tests/support/sweep.c - the sweeps of sweep.h.
 *
 * Three kinds of processes: the driver (the test itself), which steps; the
 * others, forked once; the victims, forked for each point, because the state at
 * instruction k cannot be had in another way than by running to it.  A step costs
 * two context switches, forking and burying a victim as much as forty steps.
 *
 * The first victim is stepped all the way, and its route is noted.  Those that
 * follow run, at full speed, to a landmark on it, a breakpoint of the processor that
 * is reached for the n-th time, and are stepped from there on.  So the cost is about
 * linear in the length of the operation, but for loops.  One that takes another way
 * than the first, because a clock or somebody else did, and misses its landmark, is
 * replaced by one that is stepped all the way.
 */
#ifndef _GNU_SOURCE
#    define _GNU_SOURCE
#endif

#include "sweep.h"

#include <dirent.h>
#include <dlfcn.h>
#include <elf.h>
#include <fcntl.h>
#include <link.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/user.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define PTRACE_REFUSED 99

/* A stop at a system call: its signal. */
#define SYSCALL_STOP (SIGTRAP | 0x80)

/* To fork a victim and to bury it costs as much as so many steps. */
enum { POINT_STEPS = 40 };

/* Where a victim is, written by the victim. */
enum stage { BEFORE, INSIDE, BEHIND };

struct victim {
    pid_t pid;
    sweep_fn fn;
    _Atomic int *stage; /* shared with the victim */
    bool stopped;       /* by ptrace: can be stepped */
    bool asleep;        /* in the kernel, in the middle of a step */
    bool woken;         /* the others have been told of this sleep */
    bool ended;
    int status; /* of waitpid */
};

/* The process of the others. */
struct others {
    pid_t pid;
    int orders[2];  /* pipes: a byte says which function, */
    int replies[2]; /* a byte says that it has returned */
    int words;      /* a file for what it writes to stderr */
};

/* Where a victim stood after k instructions. */
struct mark {
    uintptr_t pc; /* 0: asleep */
    long nth;     /* time that it was there, k = 0 apart */
};

struct route {
    struct mark *at; /* of SWEEP_STEPS_MAX + 1 */
    long length;     /* the last k */
};

struct sweeping {
    const struct sweep_case *c;
    enum sweep_mode mode;
    void *object;
    _Atomic int *stages;
    struct others others;
    struct sweep_report report;
    cpu_set_t cpus;         /* of the others */
    struct route routes[2]; /* of the first victim and of the second */
    int64_t ready;          /* the first point; ms */
    bool landmarks;         /* there are breakpoints, and they are of use */
    int misses;
};

enum order { PREPARE, ARMED, ASLEEP, OTHERS, AFTER };

static int64_t now_ms(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

/* ---- is it stuck? ------------------------------------------------------ */

/* CPU time that a process has used, in milliseconds. */
static int64_t cpu_ms(pid_t pid)
{
    struct timespec t = {0};
    clockid_t clock;

    if (clock_getcpuclockid(pid, &clock) != 0)
        return 0;
    clock_gettime(clock, &t);
    return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

static char state_of(pid_t pid, const char *task)
{
    char path[96];
    char text[256] = "";
    const char *end;
    FILE *f;

    snprintf(path, sizeof path, "/proc/%d/task/%.16s/stat", (int)pid, task);
    f = fopen(path, "re");
    if (f == NULL)
        return 0;
    if (fgets(text, sizeof text, f) == NULL)
        text[0] = '\0';
    fclose(f);
    end = strrchr(text, ')');
    return end != NULL ? end[2] : 0;
}

/* Whether no thread of it runs or could run. */
static bool all_sleep(pid_t pid)
{
    char path[64];
    struct dirent *entry;
    bool all = true;
    DIR *tasks;

    snprintf(path, sizeof path, "/proc/%d/task", (int)pid);
    tasks = opendir(path);
    if (tasks == NULL)
        return false;
    while ((entry = readdir(tasks)) != NULL) {
        char state =
            entry->d_name[0] == '.' ? 'S' : state_of(pid, entry->d_name);
        all = all && state != 'R' && state != 'D';
    }
    closedir(tasks);
    return all;
}

/* A thread that is stopped right behind its futex call is not. */
static bool is_asleep(pid_t pid)
{
    char task[16];

    snprintf(task, sizeof task, "%d", (int)pid);
    return test_is_asleep(pid) && state_of(pid, task) == 'S';
}

/* How long somebody is waited for, and what it has done meanwhile. */
struct patience {
    pid_t pid;
    int64_t most; /* ms, awake or asleep */
    int64_t cpu_at_start;
    int64_t cpu;    /* when it fell asleep */
    int64_t asleep; /* ms, since then */
    int64_t looked; /* the last time */
};

static struct patience patience_with(const struct sweep_case *c, pid_t pid)
{
    int64_t cpu = cpu_ms(pid);

    return (struct patience){
        .pid = pid,
        .most = c->patience != 0 ? c->patience : SWEEP_PATIENCE_MS,
        .cpu_at_start = cpu,
        .cpu = cpu,
        .looked = now_ms()};
}

/* Measured in what it does, not in time, so that a busy machine is no reason.  Nor is
 * one that stands still: no look counts for more than it would last otherwise.  Who
 * gets up now and then, and lies down again, has slept. */
static bool is_stuck(struct patience *p)
{
    enum { LOOK_MS = 100 };
    int64_t cpu = cpu_ms(p->pid);
    int64_t now = now_ms();
    int64_t passed = now - p->looked;

    p->looked = now;
    if (cpu - p->cpu_at_start > p->most)
        return true;
    if (cpu - p->cpu > p->most / 100 || !all_sleep(p->pid)) {
        p->cpu = cpu;
        p->asleep = 0;
        return false;
    }
    p->asleep += passed < LOOK_MS ? passed : LOOK_MS;
    return p->asleep > p->most;
}

/* ---- the others -------------------------------------------------------- */

static void call(sweep_fn fn, void *object)
{
    if (fn != NULL)
        fn(object);
}

static void obey(void *arg)
{
    struct sweeping *s = arg;
    const struct sweep_case *c = s->c;
    char order;

    dup2(s->others.words, STDERR_FILENO);
    sched_setaffinity(0, sizeof s->cpus, &s->cpus);
    close(s->others.orders[1]);
    close(s->others.replies[0]);
    while (read(s->others.orders[0], &order, 1) == 1) {
        switch ((enum order)order) {
        case PREPARE:
            call(c->prepare, s->object);
            break;
        case ARMED:
            call(c->armed, s->object);
            break;
        case ASLEEP:
            call(c->asleep, s->object);
            break;
        case OTHERS:
            call(c->others, s->object);
            break;
        case AFTER:
            call(c->after, s->object);
            break;
        }
        if (write(s->others.replies[1], &order, 1) != 1)
            return;
    }
}

static void others_begin(struct sweeping *s)
{
    struct others *o = &s->others;

    CHECK_EQ(pipe(o->orders), 0);
    CHECK_EQ(pipe(o->replies), 0);
    o->words = memfd_create("words", MFD_CLOEXEC);
    CHECK(o->words >= 0);
    CHECK_EQ(fcntl(o->words, F_SETFL, O_APPEND), 0);
    o->pid = test_spawn_child(obey, s);
    close(o->orders[0]);
    close(o->replies[1]);
}

/* End the process, which may have failed already. */
static void others_end(struct others *o)
{
    close(o->orders[1]);
    kill(o->pid, SIGKILL);
    test_reap_child(o->pid);
    close(o->replies[0]);
    close(o->words);
}

/* The first line of what it wrote since the point began. */
static void last_words(struct others *o, char *text, size_t size)
{
    ssize_t n = pread(o->words, text, size - 1, 0);

    text[n > 0 ? n : 0] = '\0';
    text[strcspn(text, "\n[")] = '\0';
}

enum outcome { FINE, STUCK, WRONG };

/* Have them call a function, and wait until it returns. */
static enum outcome tell_others(struct sweeping *s, enum order order)
{
    struct others *o = &s->others;
    struct pollfd reply = {.fd = o->replies[0], .events = POLLIN};
    struct patience p;
    char byte = (char)order;

    if (write(o->orders[1], &byte, 1) != 1)
        return WRONG; /* a thread of theirs has failed meanwhile */
    if (poll(&reply, 1, 50) == 0) {
        p = patience_with(s->c, o->pid);
        while (poll(&reply, 1, 50) == 0) {
            if (is_stuck(&p))
                return STUCK;
        }
    }
    return read(o->replies[0], &byte, 1) == 1 ? FINE : WRONG;
}

/* ---- victims ----------------------------------------------------------- */

struct victim_start {
    struct sweeping *s;
    struct victim *v;
};

static void be_victim(void *arg)
{
    struct victim_start *start = arg;
    const struct sweep_case *c = start->s->c;
    struct victim *v = start->v;
    sigset_t none;

    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, NULL);
    call(c->warm, start->s->object);
    if (ptrace(PTRACE_TRACEME, 0, NULL, NULL) != 0)
        _exit(PTRACE_REFUSED);
    syscall(SYS_tgkill, getpid(), syscall(SYS_gettid), SIGSTOP);
    atomic_store_explicit(v->stage, INSIDE, memory_order_relaxed);
    v->fn(start->s->object);
    atomic_store_explicit(v->stage, BEHIND, memory_order_relaxed);
    _exit(0);
}

/* Take note of what waitpid says. */
static void notice(struct victim *v, int status)
{
    v->status = status;
    v->stopped = WIFSTOPPED(status);
    v->ended = !v->stopped;
    v->asleep = false;
    v->woken = false;
}

/* Wait until the victim stops, ends or falls asleep; if it sleeps already, until
 * it leaves that sleep.  False if it gets stuck. */
static bool await(const struct sweeping *s, struct victim *v)
{
    static const struct timespec moment = {0, 2000000};
    struct patience p = {0};
    sigset_t child;
    int status;

    sigemptyset(&child);
    sigaddset(&child, SIGCHLD);
    for (;;) {
        /* Blocked by the driver, so a stop that comes early is not missed. */
        int sig = sigtimedwait(&child, NULL, &moment);

        if (waitpid(v->pid, &status, WNOHANG | __WALL) == v->pid) {
            notice(v, status);
            return true;
        }
        if (sig >= 0)
            continue; /* another child's */
        if (!v->asleep && is_asleep(v->pid)) {
            v->asleep = true;
            return true;
        }
        if (p.pid == 0)
            p = patience_with(s->c, v->pid);
        else if (is_stuck(&p))
            return false;
    }
}

static void resume(struct victim *v, enum __ptrace_request how)
{
    int sig = WSTOPSIG(v->status);

    /* What it is told by signal stays with it; the stops are ours. */
    if (sig == SIGTRAP || sig == SYSCALL_STOP || sig == SIGSTOP)
        sig = 0;
    v->stopped = false;
    CHECK_EQ(ptrace(how, v->pid, NULL, (void *)(intptr_t)sig), 0);
}

static void check_alive(const struct sweeping *s, const struct victim *v)
{
    if (!v->ended)
        return;
    if (WIFEXITED(v->status) && WEXITSTATUS(v->status) == PTRACE_REFUSED)
        TEST_SKIP("ptrace is refused here: nothing was swept");
    test_fail(__FILE__, __LINE__, "%s: the victim ended by itself, status 0x%x",
              s->c->name, (unsigned)v->status);
}

/* One instruction; or the rest of the one that it fell asleep in. */
static void step(struct sweeping *s, struct victim *v)
{
    if (v->stopped)
        resume(v, PTRACE_SINGLESTEP);
    if (!await(s, v))
        test_fail(__FILE__, __LINE__, "%s: the victim is stuck in one step%s",
                  s->c->name, v->asleep ? ", asleep" : "");
    check_alive(s, v);
}

static void victim_begin(struct sweeping *s, struct victim *v, sweep_fn fn,
                         _Atomic int *stage)
{
    struct victim_start start = {s, v};

    *v = (struct victim){.fn = fn, .stage = stage};
    atomic_store(stage, BEFORE);
    v->pid = test_spawn_child(be_victim, &start);
    do {
        if (!await(s, v))
            test_fail(__FILE__, __LINE__, "%s: the victim does not begin",
                      s->c->name);
    } while (v->asleep); /* in what it does first */
    check_alive(s, v);
    while (atomic_load(stage) == BEFORE)
        step(s, v);
}

static void prepare(struct sweeping *s)
{
    char words[256];

    memset(s->object, 0, s->c->size);
    CHECK_EQ(ftruncate(s->others.words, 0), 0);
    if (tell_others(s, PREPARE) == FINE)
        return;
    last_words(&s->others, words, sizeof words);
    test_fail(__FILE__, __LINE__, "%s: cannot be prepared: %s", s->c->name,
              words);
}

/* The victim that the others are told about. */
static void first_victim_begin(struct sweeping *s, struct victim *v,
                               sweep_fn fn)
{
    prepare(s);
    victim_begin(s, v, fn, &s->stages[0]);
    if (s->c->armed != NULL && tell_others(s, ARMED) != FINE)
        test_fail(__FILE__, __LINE__, "%s: cannot be armed", s->c->name);
}

static void victim_kill(struct victim *v)
{
    if (v->ended)
        return;
    kill(v->pid, SIGKILL);
    do
        v->status = test_reap_child(v->pid);
    while (WIFSTOPPED(v->status));
    v->ended = true;
    v->stopped = false;
}

/* Have the others let a sleeping victim go on.  False: they would not. */
static bool wake(struct sweeping *s, struct victim *v)
{
    if (v->woken || s->c->asleep == NULL)
        return false;
    v->woken = true;
    if (tell_others(s, ASLEEP) != FINE)
        test_fail(__FILE__, __LINE__, "%s: the victim cannot be woken",
                  s->c->name);
    return true;
}

/* Execute k instructions.  False: its operation has ended before that, or it
 * sleeps and nobody wakes it. */
static bool walk(struct sweeping *s, struct victim *v, long k)
{
    for (long i = 0; i < k; i++) {
        if (v->asleep && !wake(s, v))
            return false;
        step(s, v);
        if (atomic_load(v->stage) == BEHIND)
            return false;
    }
    return true;
}

/* ---- landmarks ----------------------------------------------------------- */

/* 0: it sleeps. */
static uintptr_t program_counter(const struct victim *v)
{
    struct user_regs_struct regs;
    struct iovec io = {&regs, sizeof regs};

    if (!v->stopped ||
        ptrace(PTRACE_GETREGSET, v->pid, (void *)NT_PRSTATUS, &io) != 0)
        return 0;
#if defined(__x86_64__)
    return regs.rip;
#else
    return regs.pc;
#endif
}

/* Stop it, when it runs, before it executes what is at `pc`. */
static bool set_breakpoint(const struct victim *v, uintptr_t pc)
{
#if defined(__x86_64__)
    static const size_t place = offsetof(struct user, u_debugreg);
    const size_t control = place + 7 * sizeof(long);

    return ptrace(PTRACE_SETOPTIONS, v->pid, NULL,
                  (void *)PTRACE_O_TRACESYSGOOD) == 0 &&
           ptrace(PTRACE_POKEUSER, v->pid, (void *)place, (void *)pc) == 0 &&
           ptrace(PTRACE_POKEUSER, v->pid, (void *)control, (void *)1) == 0;
#else
    (void)v;
    (void)pc;
    return false;
#endif
}

static void clear_breakpoint(const struct victim *v)
{
#if defined(__x86_64__)
    const size_t control = offsetof(struct user, u_debugreg) + 7 * sizeof(long);

    ptrace(PTRACE_POKEUSER, v->pid, (void *)control, NULL);
#else
    (void)v;
#endif
}

/* At a system call it is not yet, or still in it. */
static bool stands_at(const struct victim *v, uintptr_t pc)
{
    return v->stopped && WSTOPSIG(v->status) != SYSCALL_STOP &&
           program_counter(v) == pc;
}

/* Run until it stands there again.  False: it does not. */
static bool run_to(struct sweeping *s, struct victim *v, uintptr_t pc)
{
    /* Where it stands the breakpoint would stop it at once. */
    if (stands_at(v, pc))
        step(s, v);
    while (!stands_at(v, pc)) {
        if (atomic_load(v->stage) == BEHIND || (v->asleep && !wake(s, v)))
            return false;
        if (v->stopped)
            resume(v, PTRACE_SYSCALL); /* so that each sleep has an end */
        if (!await(s, v))
            test_fail(__FILE__, __LINE__, "%s: the victim is stuck",
                      s->c->name);
        check_alive(s, v);
    }
    return true;
}

static bool run_to_mark(struct sweeping *s, struct victim *v,
                        const struct mark *m)
{
    long n;

    /* To begin at the place is not to arrive there. */
    step(s, v);
    if (!set_breakpoint(v, m->pc))
        return false;
    n = stands_at(v, m->pc);
    while (n < m->nth && run_to(s, v, m->pc))
        n++;
    clear_breakpoint(v);
    return n == m->nth;
}

/* About how many steps it costs to get there. */
static long cost_of(const struct mark *m)
{
    return 2 + 2 * m->nth;
}

/* The k from where it is cheapest to step on; 0: from the beginning. */
static long landmark_before(const struct sweeping *s, const struct route *r,
                            long k)
{
    long last = k < r->length ? k : r->length;
    long best = 0;
    long least = k; /* steps */

    for (long j = last; s->landmarks && j > 0 && k - j < least; j--) {
        const struct mark *m = &r->at[j];

        if (m->pc != 0 && k - j + cost_of(m) < least) {
            least = k - j + cost_of(m);
            best = j;
        }
    }
    return best;
}

/* To the k-th instruction, as the route says.  False: it did not come by. */
static bool go(struct sweeping *s, struct victim *v, const struct route *r,
               long k)
{
    long j = landmark_before(s, r, k);

    return (j == 0 || run_to_mark(s, v, &r->at[j])) && walk(s, v, k - j);
}

/* Step all the way, and take note of it.  False: it has no end, perhaps because one
 * that is stepped is so slow that its deadline always passes before it sleeps. */
static bool explore(struct sweeping *s, struct victim *v, struct route *r)
{
    long k = 0;

    r->at[0] = (struct mark){program_counter(v), 0};
    while (k < SWEEP_STEPS_MAX && walk(s, v, 1)) {
        struct mark *m = &r->at[++k];

        *m = (struct mark){program_counter(v), 1};
        for (long j = k - 1; j > 0; j--) {
            if (r->at[j].pc == m->pc) {
                m->nth += r->at[j].nth;
                break;
            }
        }
    }
    r->length = k;
    return k < SWEEP_STEPS_MAX;
}

/* Let it run to its end. */
static enum outcome victim_thaw(struct sweeping *s, struct victim *v)
{
    while (!v->ended) {
        if (v->stopped)
            resume(v, PTRACE_CONT);
        if (!await(s, v))
            return STUCK;
        if (v->asleep)
            wake(s, v); /* if it can; perhaps somebody else does */
    }
    return WIFEXITED(v->status) && WEXITSTATUS(v->status) == 0 ? FINE : WRONG;
}

/* ---- where it stands ---------------------------------------------------- */

static int first_object(struct dl_phdr_info *info, size_t size, void *base)
{
    (void)size;
    *(uintptr_t *)base = info->dlpi_addr;
    return 1; /* the program itself comes first */
}

/* Function and line of a place in this program, if addr2line knows. */
static void describe(uintptr_t pc, char *text, size_t size)
{
    char command[128];
    uintptr_t base = 0;
    FILE *f;

    if (pc == 0) {
        snprintf(text, size, "asleep");
        return;
    }
    dl_iterate_phdr(first_object, &base);
    snprintf(text, size, "%#lx", (unsigned long)(pc - base));
    snprintf(command, sizeof command,
             "addr2line -s -e /proc/%d/exe %#lx 2>/dev/null", (int)getpid(),
             (unsigned long)(pc - base));
    f = popen(command, "re");
    if (f == NULL)
        return;
    if (fgets(text, (int)size, f) == NULL)
        snprintf(text, size, "%#lx", (unsigned long)(pc - base));
    pclose(f);
    text[strcspn(text, "\n (")] = '\0';
}

static const char *mode_name(enum sweep_mode mode)
{
    static const char *const names[] = {"killed", "frozen", "thawed"};

    return names[mode];
}

/* Append to a text, as far as there is room. */
__attribute__((format(printf, 3, 4))) static void
append(char *text, size_t size, const char *format, ...)
{
    size_t length = strlen(text);
    va_list args;

    va_start(args, format);
    vsnprintf(text + length, size - length, format, args);
    va_end(args);
}

/* Count a bad point; the first ones are remembered. */
static void bad_point(struct sweeping *s, enum outcome o, const long *k,
                      const uintptr_t *pc)
{
    enum { REMEMBERED = 12 };
    struct sweep_report *r = &s->report;
    int victims = s->c->second != NULL ? 2 : 1;
    char words[256];

    if (o == STUCK)
        r->stuck++;
    else
        r->wrong++;
    if (r->stuck + r->wrong > REMEMBERED)
        return;
    append(r->bad_places, sizeof r->bad_places, "%s",
           r->bad_places[0] != '\0' ? ", " : "");
    append(r->details, sizeof r->details, "\n#  ");
    for (int i = 0; i < victims; i++) {
        char place[128];

        describe(pc[i], place, sizeof place);
        append(r->bad_places, sizeof r->bad_places, "%s%s", i > 0 ? "+" : "",
               place);
        append(r->details, sizeof r->details, " after %ld at %s%s", k[i], place,
               i + 1 < victims ? "," : ": ");
    }
    last_words(&s->others, words, sizeof words);
    append(r->details, sizeof r->details, "%s",
           o == STUCK         ? "stuck"
           : words[0] != '\0' ? words
                              : "wrong");
}

/* ---- what is swept ------------------------------------------------------ */

static bool only_lists(void)
{
    return getenv("PAWL_SWEEP_LIST") != NULL;
}

/* Tell which of the library's functions a victim enters: what is swept. */
static void list_route(const struct sweeping *s, const struct route *r)
{
    for (long k = 1; k <= r->length; k++) {
        const struct mark *m = &r->at[k];
        Dl_info at;

        if (m->nth == 1 && m->pc != 0 && dladdr((void *)m->pc, &at) != 0 &&
            at.dli_sname != NULL && at.dli_saddr == (void *)m->pc &&
            strncmp(at.dli_sname, "pawl_", 5) == 0)
            test_note("swept: %s; %s; %s", at.dli_sname, mode_name(s->mode),
                      s->c->name);
    }
}

/* ---- sweeping ----------------------------------------------------------- */

/* All that follows once the victims stand where they should. */
static enum outcome try_others(struct sweeping *s, struct victim *v, int n)
{
    enum outcome o;

    if (s->mode == SWEEP_KILL) {
        for (int i = 0; i < n; i++)
            victim_kill(&v[i]);
    }
    o = tell_others(s, OTHERS);
    if (s->mode == SWEEP_THAW) {
        for (int i = 0; o == FINE && i < n; i++)
            o = victim_thaw(s, &v[i]);
        if (o == FINE)
            o = tell_others(s, AFTER);
    }
    return o;
}

/* Threads may wait for what does not come, or hold what they should not: begin
 * afresh. */
static void others_anew(struct sweeping *s)
{
    others_end(&s->others);
    others_begin(s);
}

/* A victim has missed its landmark.  Where that is the rule they are of no use. */
static void missed(struct sweeping *s)
{
    s->misses++;
    s->landmarks = s->misses < 20 + s->report.points / 2;
    others_anew(s);
}

/* Have a first victim stand at k1.  False: it does not get there. */
static bool first_at(struct sweeping *s, struct victim *v, long k1)
{
    const struct route *r = &s->routes[0];
    bool has_landmark = landmark_before(s, r, k1) != 0;

    first_victim_begin(s, v, s->c->victim);
    if (go(s, v, r, k1))
        return true;
    if (!has_landmark)
        return false;
    victim_kill(v);
    missed(s);
    first_victim_begin(s, v, s->c->victim);
    return walk(s, v, k1);
}

static void second_begins(struct sweeping *s, struct victim *v)
{
    if (s->mode == SWEEP_KILL)
        victim_kill(&v[0]);
    victim_begin(s, &v[1], s->c->second, &s->stages[1]);
}

/* Have a second one stand at k2, the first being at k1.  If it misses its landmark
 * both begin again. */
static bool second_at(struct sweeping *s, struct victim *v, long k1, long k2)
{
    const struct route *r = &s->routes[1];
    bool has_landmark = landmark_before(s, r, k2) != 0;

    second_begins(s, v);
    if (go(s, &v[1], r, k2))
        return true;
    if (!has_landmark)
        return false;
    victim_kill(&v[0]);
    victim_kill(&v[1]);
    missed(s);
    if (!first_at(s, &v[0], k1))
        return false;
    second_begins(s, v);
    return walk(s, &v[1], k2);
}

/* One point.  False: the (last) victim has not reached it. */
static bool point(struct sweeping *s, long k1, long k2)
{
    const long k[2] = {k1, k2};
    const struct sweep_case *c = s->c;
    int n = c->second != NULL ? 2 : 1;
    struct victim v[2] = {0};
    uintptr_t pc[2] = {0, 0};
    enum outcome o = FINE;
    bool reached;

    reached = first_at(s, &v[0], k1);
    pc[0] = program_counter(&v[0]);
    if (reached && n == 2) {
        reached = second_at(s, v, k1, k2);
        pc[1] = program_counter(&v[1]);
    }
    if (reached) {
        s->report.points++;
        o = try_others(s, v, n);
        if (o != FINE)
            bad_point(s, o, k, pc);
    }
    for (int i = 0; i < n; i++) {
        if (v[i].pid != 0)
            victim_kill(&v[i]);
    }
    if (o != FINE || !reached || c->leftovers)
        others_anew(s);
    return reached;
}

/* Have the second victim, or the first, go the whole way; a second one after a first
 * one that was stopped at k1.  False: that one does not get there. */
static bool find_route(struct sweeping *s, bool second, long k1)
{
    bool reached = true;
    bool explored = false;

    for (int tries = 0; reached && !explored && tries < 5; tries++) {
        struct victim v[2] = {0};

        if (second) {
            reached = first_at(s, &v[0], k1);
        } else {
            first_victim_begin(s, &v[0], s->c->victim);
            s->landmarks = set_breakpoint(&v[0], 0);
            clear_breakpoint(&v[0]);
        }
        if (reached && second)
            second_begins(s, v);
        if (reached)
            explored = explore(s, &v[second], &s->routes[second]);
        for (int i = 0; i < 2; i++) {
            if (v[i].pid != 0)
                victim_kill(&v[i]);
        }
        others_anew(s);
    }
    if (reached && !explored)
        test_fail(__FILE__, __LINE__,
                  "%s: more than %d instructions: endless, or not warmed up",
                  s->c->name, SWEEP_STEPS_MAX);
    return reached;
}

/* What it costs, in steps, to try all points of a route. */
static long cost_of_all(const struct sweeping *s, const struct route *r)
{
    long cost = r->length * (s->c->leftovers ? 3 * POINT_STEPS : POINT_STEPS);

    for (long k = 1; k <= r->length; k++) {
        long j = landmark_before(s, r, k);

        cost += k - j + (j == 0 ? 0 : cost_of(&r->at[j]));
    }
    return cost;
}

bool sweep_is_long(void)
{
    return test_iterations(1) > 1;
}

/* Which part of a long run: part i of n has the points i, i + n, ... */
static void part_of(long *i, long *n)
{
    const char *text = getenv("PAWL_SWEEP_PART");

    if (text == NULL || sscanf(text, "%ld/%ld", i, n) != 2 || *i < 0 ||
        *i >= *n) {
        *i = 0;
        *n = 1;
    }
}

static long budget_of(const struct sweep_case *c)
{
    return test_iterations(c->budget != 0 ? c->budget : SWEEP_BUDGET);
}

/* What is left, of so many points, takes longer than the time that is. */
static bool is_late(const struct sweeping *s, long left)
{
    int64_t most = s->c->ms != 0 ? s->c->ms : SWEEP_MS;
    int64_t spent = now_ms() - s->ready;

    return s->report.points >= 8 &&
           left * spent > (most - spent) * s->report.points;
}

static void sweep_one(struct sweeping *s, uint64_t *random)
{
    const struct route *r = &s->routes[0];
    long most = r->length / SWEEP_POINTS_MIN;
    long stride;
    long k;

    if (sweep_is_long()) {
        part_of(&k, &stride);
    } else {
        stride = cost_of_all(s, r) / budget_of(s->c) + 1;
        k = test_rand_below(random, (uint32_t)stride);
    }
    s->report.all = r->length + 1;
    s->ready = now_ms();
    /* One that is longer than the first one was is followed to its end. */
    for (; point(s, k, 0) || k < r->length; k += stride) {
        while (!sweep_is_long() && stride < most &&
               is_late(s, (r->length - k) / stride))
            stride++;
    }
}

/* From one point of the first victim to the next, so that as many of each are swept as
 * the budget allows for.  Each costs the route of a second one as well. */
static long stride_of_first(struct sweeping *s)
{
    const struct route *r = s->routes;
    long all = (r[1].length + 1) * cost_of_all(s, &r[0]) +
               (r[0].length + 1) * cost_of_all(s, &r[1]);
    long stride = 1;

    while (all / stride / stride +
               2 * (r[0].length + 1) / stride * r[1].length >
           budget_of(s->c))
        stride++;
    return stride;
}

/* Of pairs a long run takes all, if there are no more than this. */
enum { PAIRS_MAX = 50000 };

static void sweep_two(struct sweeping *s, uint64_t *random)
{
    const struct route *r1 = &s->routes[0];
    const struct route *r2 = &s->routes[1];
    bool all;
    long stride;
    long k1;

    CHECK(find_route(s, true, 0));
    all = sweep_is_long() && (r1->length + 1) * (r2->length + 1) <= PAIRS_MAX;
    stride = all ? 1 : stride_of_first(s);
    if (stride > r1->length / SWEEP_FIRST_MIN + 1)
        stride = r1->length / SWEEP_FIRST_MIN + 1;
    s->ready = now_ms();
    for (k1 = test_rand_below(random, (uint32_t)stride);; k1 += stride) {
        long budget = budget_of(s->c) * stride / (r1->length + 1);
        long second;
        long k2;

        if (!find_route(s, true, k1)) {
            if (k1 < r1->length)
                continue;
            break;
        }
        second = all ? 1 : cost_of_all(s, r2) / (budget + 1) + 1;
        k2 = test_rand_below(random, (uint32_t)second);
        while (point(s, k1, k2) || k2 < r2->length)
            k2 += second;
        s->report.all += stride * (r2->length + 1);
        if (!sweep_is_long() && stride < r1->length / SWEEP_FIRST_MIN &&
            is_late(s, s->report.points * (r1->length - k1) / (k1 + 1)))
            stride += stride / 2 + 1;
    }
}

/* The driver and its victims take turns: on one CPU that is cheaper. */
static void stay_on_one_cpu(void)
{
    unsigned cpu = 0;
    cpu_set_t set;

    syscall(SYS_getcpu, &cpu, NULL, NULL);
    CPU_ZERO(&set);
    CPU_SET(cpu, &set);
    sched_setaffinity(0, sizeof set, &set);
}

struct sweep_report sweep_run(const struct sweep_case *c, enum sweep_mode mode)
{
    struct sweeping s = {.c = c, .mode = mode};
    uint64_t random = test_seed((uint64_t)mode);
    int64_t began = now_ms();
    sigset_t child;

    TEST_TIMEOUT(300); /* each sweep has a limit of its own, and a test has several */
    sigemptyset(&child);
    sigaddset(&child, SIGCHLD);
    sigprocmask(SIG_BLOCK, &child, NULL); /* for await() */
    signal(SIGPIPE, SIG_IGN);             /* for tell_others() */
    s.object = test_shared_alloc(c->size);
    s.stages = test_shared_alloc(2 * sizeof *s.stages);
    for (int i = 0; i < 2; i++) {
        s.routes[i].at = calloc(SWEEP_STEPS_MAX + 1, sizeof *s.routes[i].at);
        CHECK(s.routes[i].at != NULL);
    }
    sched_getaffinity(0, sizeof s.cpus, &s.cpus);
    stay_on_one_cpu();
    others_begin(&s);
    CHECK(find_route(&s, false, 0));
    if (only_lists() && c->second != NULL)
        CHECK(find_route(&s, true, 0));
    if (only_lists())
        for (int i = 0; i < 2; i++)
            list_route(&s, &s.routes[i]);
    else if (c->second == NULL)
        sweep_one(&s, &random);
    else
        sweep_two(&s, &random);
    others_end(&s.others);
    sched_setaffinity(0, sizeof s.cpus, &s.cpus);
    munmap(s.object, c->size);
    for (int i = 0; i < 2; i++)
        free(s.routes[i].at);
    if (only_lists())
        return s.report;
    test_note("%s, %s: %ld of %ld points in %.2f s, %ld stuck, %ld wrong",
              c->name, mode_name(mode), s.report.points, s.report.all,
              (double)(now_ms() - began) / 1000, s.report.stuck,
              s.report.wrong);
    return s.report;
}

void sweep(const struct sweep_case *c, enum sweep_mode mode)
{
    struct sweep_report r = sweep_run(c, mode);

    if (only_lists())
        return;
    CHECK(r.points > 1);
    if (r.stuck + r.wrong > 0)
        test_fail(__FILE__, __LINE__, "%s, %s: %ld of %ld points are bad:%s",
                  c->name, mode_name(mode), r.stuck + r.wrong, r.points,
                  r.details);
}

void sweep_known_gap(const struct sweep_case *c, enum sweep_mode mode,
                     const char *why)
{
    struct sweep_case some = *c;
    struct sweep_report r;

    /* Its bad points take their time. */
    if (c->budget == 0)
        some.budget = SWEEP_BUDGET / 2;
    some.patience = SWEEP_PATIENCE_BAD_MS;
    if (c->ms == 0)
        some.ms = SWEEP_GAP_MS;
    r = sweep_run(&some, mode);
    if (only_lists())
        return;
    if (r.stuck + r.wrong == 0)
        test_fail(__FILE__, __LINE__, "%s, %s: no bad point, the gap is closed",
                  c->name, mode_name(mode));
    test_note("KNOWN GAP %s, %s: %ld of %ld points are bad (%s); %s", c->name,
              mode_name(mode), r.stuck + r.wrong, r.points, r.bad_places, why);
}
