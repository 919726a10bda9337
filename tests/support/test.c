/* SPDX-License-Identifier: MIT
 *
 * tests/support/test.c - the harness of test.h, with main().
 *
 * Two processes: the supervisor, which never has a thread, prints and keeps the
 * time; and for each test a runner, leader of a process group of its own, which
 * the supervisor kills as a whole when the test has ended or taken too long.
 */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif

#include "futex/sys.h"
#include "test.h"

#include <dirent.h>
#include <fcntl.h>
#include <fnmatch.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <pawl/error.h>

#ifdef __has_feature
#define HAS_FEATURE(x) __has_feature(x)
#else
#define HAS_FEATURE(x) 0
#endif

#if defined(__SANITIZE_THREAD__) || HAS_FEATURE(thread_sanitizer)
enum { UNDER_TSAN = 1, SLOWNESS = 4, ITERATIONS_DIVISOR = 10 };
#elif defined(__SANITIZE_ADDRESS__) || HAS_FEATURE(address_sanitizer)
enum { UNDER_TSAN = 0, SLOWNESS = 2, ITERATIONS_DIVISOR = 2 };
#else
enum { UNDER_TSAN = 0, SLOWNESS = 1, ITERATIONS_DIVISOR = 1 };
#endif

/* Limits are for a machine that has nothing else to do; there is none. */
enum { DEFAULT_TIMEOUT_S = 60, PATIENCE = 4, EXIT_SKIPPED = 77 };

static struct test_case *first_case;
static struct test_case **last_case = &first_case;

/* What the supervisor and the runner of one test tell each other. */
struct board {
    _Atomic int64_t deadline; /* CLOCK_MONOTONIC, ns */
    char skip_reason[256];
};
static struct board *board;

static uint64_t run_seed;
static pid_t runner;           /* the process the test began in */
static const char *running;    /* name of the test */
static _Atomic int has_failed; /* only the first failure is told */

/* Coverage data is written at exit, which _exit leaves out. */
#ifdef PAWL_TEST_COVERAGE
void __gcov_dump(void); // NOLINT(bugprone-reserved-identifier,cert-dcl37-c)
#define write_coverage() __gcov_dump()
#else
#define write_coverage() ((void)0)
#endif

static int64_t now_ns(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

static void nap_us(long us)
{
    struct timespec t = {us / 1000000, us % 1000000 * 1000};

    nanosleep(&t, NULL);
}

void test_random_moment(uint64_t *state, uint32_t us)
{
    nap_us(test_rand_below(state, us));
}

/* The value of an environment variable that is a factor; 1 if it is not set. */
static int factor(const char *variable, int if_not_a_number)
{
    const char *text = getenv(variable);
    long value;

    if (text == NULL)
        return 1;
    value = strtol(text, NULL, 10);
    return value >= 1 && value <= 100000 ? (int)value : if_not_a_number;
}

__attribute__((noreturn)) static void leave(int status)
{
    write_coverage();
    /* ThreadSanitizer knows _exit: it would report the threads that nobody joins
     * any more, and make another status of it. */
    if (status != 0)
        syscall(SYS_exit_group, status);
    _exit(status);
}

/* ---- messages ---------------------------------------------------------- */

/* One write, so that lines of several threads do not mix. */
__attribute__((format(printf, 1, 0))) static void
vnote(const char *format, va_list args)
{
    char line[1024];
    int n = snprintf(line, sizeof line, "# ");

    n += vsnprintf(line + n, sizeof line - (size_t)n - 1, format, args);
    if (n > (int)sizeof line - 2)
        n = (int)sizeof line - 2;
    line[n++] = '\n';
    if (write(STDERR_FILENO, line, (size_t)n) < 0)
        return; /* nobody to tell */
}

void test_note(const char *format, ...)
{
    va_list args;

    va_start(args, format);
    vnote(format, args);
    va_end(args);
}

void test_fail(const char *file, int line, const char *format, ...)
{
    char what[768];
    va_list args;

    while (atomic_exchange(&has_failed, 1) != 0)
        pause(); /* the first to fail ends the process */
    va_start(args, format);
    vsnprintf(what, sizeof what, format, args);
    va_end(args);
    test_note("%s:%d: failed: %s  [%s%s, thread %d]", file, line, what,
              running != NULL ? running : "?",
              getpid() == runner ? "" : ", child process",
              (int)syscall(SYS_gettid));
    leave(1);
}

void test_check_eq_(const char *file, int line, const char *a_text,
                    const char *b_text, long long a, long long b)
{
    if (a != b)
        test_fail(file, line, "CHECK_EQ(%s, %s): %lld is not %lld", a_text,
                  b_text, a, b);
}

static const char *err_text(int err, char buffer[static 48])
{
    if (err < 0)
        snprintf(buffer, 48, "-%s (%d)", pawl_errname(err), err);
    else
        snprintf(buffer, 48, "%d", err);
    return buffer;
}

void test_check_err_(const char *file, int line, const char *text,
                     const char *want_text, int got, int want)
{
    char got_name[48];
    char want_name[48];

    (void)want_text;
    if (got != want)
        test_fail(file, line, "%s returned %s, not %s", text,
                  err_text(got, got_name), err_text(want, want_name));
}

void test_skip_(const char *reason)
{
    snprintf(board->skip_reason, sizeof board->skip_reason, "%s", reason);
    leave(EXIT_SKIPPED);
}

/* ---- amounts ----------------------------------------------------------- */

void test_timeout_(int seconds)
{
    int64_t limit = (int64_t)seconds * PATIENCE * SLOWNESS *
                    factor("PAWL_TEST_SLOW", 4) * factor("PAWL_TEST_LONG", 20);

    atomic_store(&board->deadline, now_ns() + limit * 1000000000);
}

int test_iterations(int n)
{
    int64_t amount = (int64_t)n * factor("PAWL_TEST_LONG", 20);

    amount /= ITERATIONS_DIVISOR * factor("PAWL_TEST_PART", 1);
    if (amount > INT32_MAX)
        return INT32_MAX;
    return amount > 0 ? (int)amount : 1;
}

int test_cpu_count(void)
{
    cpu_set_t set;

    if (sched_getaffinity(0, sizeof set, &set) != 0)
        return 1;
    return CPU_COUNT(&set);
}

bool test_can_ask_for_cpus(void)
{
    cpu_set_t set;

    return sched_getaffinity(0, sizeof set, &set) == 0;
}

bool test_under_tsan(void)
{
    return UNDER_TSAN;
}

uint64_t test_seed(uint64_t salt)
{
    /* splitmix64: neighbouring salts give unrelated states. */
    uint64_t x = run_seed + (salt + 1) * UINT64_C(0x9e3779b97f4a7c15);

    x = (x ^ (x >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    x = (x ^ (x >> 27)) * UINT64_C(0x94d049bb133111eb);
    x ^= x >> 31;
    return x != 0 ? x : 1;
}

/* ---- threads and processes --------------------------------------------- */

struct test_thread {
    pthread_t thread;
    test_fn fn;
    void *arg;
    _Atomic pid_t tid; /* 0 until it has started */
};

static void *thread_main(void *arg)
{
    struct test_thread *t = arg;

    atomic_store(&t->tid, (pid_t)syscall(SYS_gettid));
    t->fn(t->arg);
    return NULL;
}

struct test_thread *test_thread(test_fn fn, void *arg)
{
    struct test_thread *t = calloc(1, sizeof *t);

    CHECK(t != NULL);
    t->fn = fn;
    t->arg = arg;
    CHECK_EQ(pthread_create(&t->thread, NULL, thread_main, t), 0);
    return t;
}

void test_join(struct test_thread *t)
{
    CHECK_EQ(pthread_join(t->thread, NULL), 0);
    free(t);
}

pid_t test_tid(struct test_thread *t)
{
    pid_t tid;

    while ((tid = atomic_load(&t->tid)) == 0)
        sched_yield();
    return tid;
}

pid_t test_spawn_child(test_fn fn, void *arg)
{
    /* The kernel sends the death signal when the *thread* that forked ends, so
     * only children of the main thread can have one. */
    bool from_main = syscall(SYS_gettid) == getpid();
    pid_t parent = getpid();
    pid_t pid;

    fflush(NULL);
    pid = fork();
    CHECK(pid >= 0);
    if (pid != 0)
        return pid;
    if (from_main && prctl(PR_SET_PDEATHSIG, SIGKILL) == 0 &&
        getppid() != parent)
        _exit(1);
    fn(arg);
    fflush(NULL);
    leave(0);
}

int test_reap_child(pid_t pid)
{
    int status = 0;
    pid_t got;

    do
        got = waitpid(pid, &status, 0);
    while (got < 0 && errno == EINTR);
    CHECK_EQ(got, pid);
    return status;
}

void test_wait_child(pid_t pid)
{
    int status = test_reap_child(pid);

    if (WIFEXITED(status) && WEXITSTATUS(status) == EXIT_SKIPPED)
        leave(EXIT_SKIPPED); /* the child has put its reason on the board */
    if (WIFSIGNALED(status))
        test_fail(__FILE__, __LINE__, "child %d was killed by signal %d (%s)",
                  (int)pid, WTERMSIG(status), strsignal(WTERMSIG(status)));
    if (!WIFEXITED(status) || WEXITSTATUS(status) != 0)
        test_fail(__FILE__, __LINE__, "child %d exited with %d", (int)pid,
                  WEXITSTATUS(status));
}

void *test_shared_alloc(size_t size)
{
    void *p = mmap(NULL, size, PROT_READ | PROT_WRITE,
                   MAP_SHARED | MAP_ANONYMOUS, -1, 0);

    CHECK(p != MAP_FAILED);
    return p;
}

/* ---- who sleeps -------------------------------------------------------- */

/* The first line of /proc/<tid>/<name>.  /proc lists processes only, but opens
 * the id of any thread. */
static bool read_proc(pid_t tid, const char *name, char *text, size_t size)
{
    char path[64];
    ssize_t n;
    int fd;

    snprintf(path, sizeof path, "/proc/%d/%s", (int)tid, name);
    fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return false;
    n = read(fd, text, size - 1);
    close(fd);
    if (n < 0)
        return false;
    text[n] = '\0';
    text[strcspn(text, "\n")] = '\0';
    return true;
}

/* The state letter of the third field of stat; 0 if there is no such thread. */
static char thread_state(pid_t tid)
{
    char stat[512];
    const char *end_of_name;

    if (!read_proc(tid, "stat", stat, sizeof stat))
        return 0;
    end_of_name = strrchr(stat, ')');
    return end_of_name != NULL ? end_of_name[2] : 0;
}

/* Whether a line of /proc/<tid>/syscall shows a futex wait, and if so, whether one
 * without a time-out.  The kernel names the call only when the thread is off the
 * CPU and its run queue. */
static bool is_futex_wait(const char *line, bool *for_good)
{
    long number;
    unsigned long word;
    unsigned long op;
    unsigned long value;
    unsigned long timeout;
    unsigned long later;
    int fields = sscanf(line, "%ld %lx %lx %lx %lx %lx", &number, &word, &op,
                        &value, &timeout, &later);

    if (fields < 6)
        return false; /* "running", or not in a call: "-1 ..." */
    *for_good = timeout == 0;
    if (number == 449)
        return true; /* futex_waitv: the same on every machine */
    if (number == 455) { /* futex_wait */
        *for_good = later == 0;
        return true;
    }
    /* Who was stopped and continued goes on under another name. */
    if (number != SYS_futex && number != SYS_restart_syscall)
        return false;
    switch (op & ~(128UL | 256UL)) { /* FUTEX_PRIVATE_FLAG, ...CLOCK_REALTIME */
    case 0:  /* FUTEX_WAIT */
    case 6:  /* FUTEX_LOCK_PI */
    case 9:  /* FUTEX_WAIT_BITSET */
    case 11: /* FUTEX_WAIT_REQUEUE_PI */
    case 13: /* FUTEX_LOCK_PI2 */
        return true;
    default:
        return false;
    }
}

static bool is_asleep(pid_t tid, bool for_good)
{
    bool is_for_good;
    char line[256];

    /* First: one that was woken on another CPU, which has not taken note of it yet,
     * still stands in its system call and is in no run queue. */
    if (thread_state(tid) != 'S')
        return false;
    if (read_proc(tid, "syscall", line, sizeof line))
        return is_futex_wait(line, &is_for_good) && (is_for_good || !for_good);

    /* Not built into the kernel, or not allowed (a container, a hardened
     * kernel).  Take a thread for asleep that is seen so ten times over ten
     * milliseconds: it could be another sleep, but tests have few others. */
    for (int i = 0; i < 10; i++) {
        if (thread_state(tid) != 'S')
            return false;
        nap_us(1000);
    }
    return true;
}

bool test_is_asleep(pid_t tid)
{
    return is_asleep(tid, false);
}

static void until_asleep(pid_t tid, bool for_good)
{
    for (unsigned i = 0; !is_asleep(tid, for_good); i++) {
        char state = thread_state(tid);

        if (state == 0 || state == 'Z' || state == 'X')
            test_fail(__FILE__, __LINE__,
                      "thread %d ended instead of going to sleep", (int)tid);
        /* Yielding to an equal does not let a thread of lower priority run. */
        if (i % 64 == 63)
            nap_us(100);
        else
            sched_yield();
    }
}

void test_until_asleep(pid_t tid)
{
    until_asleep(tid, false);
}

void test_until_asleep_for_good(pid_t tid)
{
    until_asleep(tid, true);
}

/* ---- the supervisor ---------------------------------------------------- */

void test_register_(struct test_case *t)
{
    *last_case = t;
    last_case = &t->next;
}

static void print_threads(pid_t pid)
{
    char path[64];
    DIR *tasks;
    struct dirent *entry;

    snprintf(path, sizeof path, "/proc/%d/task", (int)pid);
    tasks = opendir(path);
    if (tasks == NULL)
        return;
    while ((entry = readdir(tasks)) != NULL) {
        char call[256] = "?";
        char name[64] = "?";
        bool for_good;
        pid_t tid = (pid_t)strtol(entry->d_name, NULL, 10);

        if (tid == 0)
            continue;
        read_proc(tid, "syscall", call, sizeof call);
        read_proc(tid, "comm", name, sizeof name);
        test_note("  process %d thread %d (%s) state %c%s, system call %s",
                  (int)pid, (int)tid, name, thread_state(tid),
                  is_futex_wait(call, &for_good) ? ", futex wait" : "", call);
    }
    closedir(tasks);
}

/* Where everybody in the group of a hung test is. */
static void print_group(pid_t group)
{
    DIR *proc = opendir("/proc");
    struct dirent *entry;

    if (proc == NULL)
        return;
    while ((entry = readdir(proc)) != NULL) {
        pid_t pid = (pid_t)strtol(entry->d_name, NULL, 10);

        if (pid > 0 && getpgid(pid) == group)
            print_threads(pid);
    }
    closedir(proc);
}

/* Wait until the runner has ended, or some time has gone by. */
static bool has_ended(pid_t pid, int *status)
{
    int fd = (int)syscall(SYS_pidfd_open, pid, 0);
    struct pollfd p = {.fd = fd, .events = POLLIN};

    if (fd >= 0) {
        poll(&p, 1, 200);
        close(fd);
    } else {
        nap_us(1000);
    }
    return waitpid(pid, status, WNOHANG) == pid;
}

/* The status of the runner of a test, which is gone with all its children when
 * this returns; *hung if it had to be killed. */
static int supervise(pid_t pid, bool *hung)
{
    int status = 0;

    *hung = false;
    while (!has_ended(pid, &status)) {
        if (now_ns() < atomic_load(&board->deadline))
            continue;
        *hung = true;
        test_note("%s hangs:", running);
        print_group(pid);
        kill(pid, SIGABRT);
        if (!has_ended(pid, &status)) {
            kill(-pid, SIGKILL);
            while (!has_ended(pid, &status))
                ;
        }
        break;
    }
    kill(-pid, SIGKILL); /* what it left behind */
    return status;
}

__attribute__((noreturn)) static void run_in_child(const struct test_case *t,
                                                   pid_t supervisor)
{
    setpgid(0, 0);
    if (prctl(PR_SET_PDEATHSIG, SIGKILL) == 0 && getppid() != supervisor)
        _exit(1);
    runner = getpid();
    t->run();
    exit(0); /* not _exit: leak check and coverage run at exit */
}

enum outcome { PASSED, FAILED, SKIPPED, OUTCOMES };

static enum outcome run_one(const struct test_case *t, int number)
{
    pid_t supervisor = getpid();
    int64_t began = now_ns();
    bool hung;
    int status;
    pid_t pid;

    running = t->name;
    board->skip_reason[0] = '\0';
    test_timeout_(DEFAULT_TIMEOUT_S);
    fflush(NULL);
    pid = fork();
    if (pid < 0) {
        perror("fork");
        exit(1);
    }
    if (pid == 0)
        run_in_child(t, supervisor);
    setpgid(pid, pid); /* whoever is first; the other one fails harmlessly */
    status = supervise(pid, &hung);

    if (hung) {
        printf("not ok %d - %s # hung for %lld s\n", number, t->name,
               (long long)((now_ns() - began) / 1000000000));
        return FAILED;
    }
    if (WIFEXITED(status) && WEXITSTATUS(status) == 0) {
        printf("ok %d - %s\n", number, t->name);
        return PASSED;
    }
    if (WIFEXITED(status) && WEXITSTATUS(status) == EXIT_SKIPPED) {
        printf("ok %d - %s # SKIP %s\n", number, t->name, board->skip_reason);
        return SKIPPED;
    }
    if (WIFSIGNALED(status))
        printf("not ok %d - %s # killed by signal %d (%s)\n", number, t->name,
               WTERMSIG(status), strsignal(WTERMSIG(status)));
    else
        printf("not ok %d - %s # exit status %d\n", number, t->name,
               WEXITSTATUS(status));
    return FAILED;
}

/* The same in this process: ends it if the test fails. */
static enum outcome run_here(const struct test_case *t, int number)
{
    running = t->name;
    runner = getpid();
    t->run();
    printf("ok %d - %s\n", number, t->name);
    return PASSED;
}

static bool is_selected(const struct test_case *t, char **patterns, int n)
{
    for (int i = 0; i < n; i++) {
        if (fnmatch(patterns[i], t->name, 0) == 0)
            return true;
    }
    return n == 0;
}

static int count_selected(char **patterns, int n)
{
    int count = 0;

    for (const struct test_case *t = first_case; t != NULL; t = t->next)
        count += is_selected(t, patterns, n);
    return count;
}

/* Exit if a pattern matches no test: a misspelt name must not pass. */
static void check_patterns(char **patterns, int n)
{
    for (int i = 0; i < n; i++) {
        if (count_selected(&patterns[i], 1) == 0) {
            fprintf(stderr, "no test is named %s; try --list\n", patterns[i]);
            exit(2);
        }
    }
}

static void choose_seed(void)
{
    const char *text = getenv("PAWL_TEST_SEED");

    run_seed = text != NULL ? strtoull(text, NULL, 0)
                            : (uint64_t)now_ns() ^ ((uint64_t)getpid() << 40);
    printf("# PAWL_TEST_SEED=%llu\n", (unsigned long long)run_seed);
}

int main(int argc, char **argv)
{
    bool here = getenv("PAWL_TEST_NOFORK") != NULL;
    char **patterns = argv + 1;
    int count[OUTCOMES] = {0};
    int number = 0;
    int n = argc - 1;

    if (test_main_begins != NULL)
        test_main_begins(argc, argv);
    if (n == 1 && strcmp(argv[1], "--list") == 0) {
        for (const struct test_case *t = first_case; t != NULL; t = t->next)
            puts(t->name);
        return 0;
    }
    check_patterns(patterns, n);
    /* Also those who never wait must know what is forced. */
    pawl_futex_read_environment();
    board = test_shared_alloc(sizeof *board);
    choose_seed();
    printf("1..%d\n", count_selected(patterns, n));
    for (const struct test_case *t = first_case; t != NULL; t = t->next) {
        if (is_selected(t, patterns, n)) {
            number++;
            count[here ? run_here(t, number) : run_one(t, number)]++;
        }
    }
    printf("%d passed, %d failed, %d skipped\n", count[PASSED], count[FAILED],
           count[SKIPPED]);
    if (count[FAILED] > 0)
        return 1;
    return count[SKIPPED] > 0 && count[PASSED] == 0 ? EXIT_SKIPPED : 0;
}
