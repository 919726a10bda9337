/* SPDX-License-Identifier: MIT
 *
 * tests/support/test.h - the harness of all tests.
 *
 *     TEST(mutex.unlock_by_other_thread_is_refused)
 *     {
 *         pawl_mutex m = PAWL_MUTEX_INIT;
 *         struct test_thread *t = test_thread(take_and_keep, &m);
 *         test_join(t);
 *         CHECK_ERR(pawl_mutex_unlock(&m), -EPERM);
 *     }
 *
 * Linked with test.c, which has main(), a file of such tests is a program:
 *
 *     mutex_test                  runs every test
 *     mutex_test --list           prints their names
 *     mutex_test mutex.try_lock*  runs those that match (names or patterns)
 *
 * It prints TAP, and as its last line "N passed, N failed, N skipped".  It
 * exits with 0; 1 if a test failed; 2 for a wrong name; 77 if every selected
 * test was skipped.
 *
 * Each test runs in a process of its own, forked from the one that prints: so
 * it starts with one thread, a failure or a hang does not keep the others from
 * running, and the watchdog needs neither a thread nor a signal in it.  Within
 * a test, everything here may be called from any thread and, CHECKs included,
 * from forked children; a child's failure counts when test_wait_child sees it.
 *
 * Environment
 *   PAWL_TEST_SEED=n    repeat the random choices of the run that printed n
 *   PAWL_TEST_SLOW=n    the machine is n times slower: longer time limits
 *   PAWL_TEST_LONG=n    n times the iterations and time limits (empty or not a
 *                       number: 20)
 *   PAWL_TEST_PART=n    the nth part of the iterations
 *   PAWL_TEST_NOFORK=1  run in this process and without time limit, for a
 *                       debugger; the first failure ends the run
 *
 * ThreadSanitizer refuses new threads in the child of a process that already
 * has threads.  So spawn children first, threads later.
 */
#ifndef PAWL_TEST_H
#define PAWL_TEST_H

#include <errno.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

/* ---- tests ------------------------------------------------------------- */

/* Define a test.  The name says what must hold; dots and underscores. */
#define TEST(name) TEST_AT_(#name, __LINE__)

/* Give the running test so many seconds from now instead of 60 from its start, on a
 * machine that has nothing else to do; any has four times as long.  Multiplied under
 * a sanitizer and by PAWL_TEST_SLOW and PAWL_TEST_LONG. */
#define TEST_TIMEOUT(seconds) test_timeout_(seconds)

/* End the test here, neither passed nor failed. */
#define TEST_SKIP(reason) test_skip_(reason)

/* ---- checks ------------------------------------------------------------ */

/* A check that fails prints file, line and expression, and ends the process
 * that made it, whichever thread it is in. */
#define CHECK(cond)                                                            \
    ((cond) ? (void)0 : test_fail(__FILE__, __LINE__, "CHECK(%s)", #cond))

/* Integers (or pointers); both values are printed. */
#define CHECK_EQ(a, b)                                                         \
    test_check_eq_(__FILE__, __LINE__, #a, #b, (long long)(a), (long long)(b))

/* Error codes: 0 or negative errno; their names are printed. */
#define CHECK_ERR(expr, want)                                                  \
    test_check_err_(__FILE__, __LINE__, #expr, #want, (expr), (want))
#define CHECK_OK(expr) CHECK_ERR(expr, 0)

/* Fail with a message of one's own. */
__attribute__((noreturn, format(printf, 3, 4))) void
test_fail(const char *file, int line, const char *format, ...);

/* A line of TAP comment on stderr, in one piece. */
__attribute__((format(printf, 1, 2))) void test_note(const char *format, ...);

/* ---- threads and processes --------------------------------------------- */

typedef void (*test_fn)(void *arg);

/* Start fn(arg) in a new thread.  join waits for its end and frees t. */
struct test_thread *test_thread(test_fn fn, void *arg);
void test_join(struct test_thread *t);

/* The kernel id of a thread; waits until the thread has started. */
pid_t test_tid(struct test_thread *t);

/* Run fn(arg) in a forked child, which then exits with 0.  When the test ends,
 * what is left of its children is killed. */
pid_t test_spawn_child(test_fn fn, void *arg);

/* Wait for the end of a child, and require that it exited with 0.  A child that
 * called TEST_SKIP skips the test. */
void test_wait_child(pid_t pid);

/* Wait for the end of a child, however it comes: the status of waitpid. */
int test_reap_child(pid_t pid);

/* Zeroed memory that children share; never freed. */
void *test_shared_alloc(size_t size);

/* Return when this thread (of this or another process, by its kernel id) is
 * asleep in a futex wait.  So a test knows that somebody waits without sleeping
 * itself.  Fails if the thread ends instead. */
void test_until_asleep(pid_t tid);

/* The same in a wait without a time-out.  Who waits for a mutex sleeps for a
 * millisecond at first: such a thread will be up again, whatever others do. */
void test_until_asleep_for_good(pid_t tid);

/* Whether it is asleep in a futex wait now. */
bool test_is_asleep(pid_t tid);

/* Defined by a program of tests whose processes execute it anew: the first thing
 * that main calls. */
__attribute__((weak)) void test_main_begins(int argc, char **argv);

/* ---- amounts ----------------------------------------------------------- */

/* n, made smaller under a sanitizer and by PAWL_TEST_PART (at least 1), and larger
 * by PAWL_TEST_LONG. */
int test_iterations(int n);

/* CPUs that this thread may run on; 1 where a sandbox does not tell. */
int test_cpu_count(void);
bool test_can_ask_for_cpus(void);

/* Whether the program is built with ThreadSanitizer. */
bool test_under_tsan(void);

/* A start state for test_rand: another one for each salt (say, the number of
 * the thread), the same in every run with the same PAWL_TEST_SEED. */
uint64_t test_seed(uint64_t salt);

/* The next random number of *state (xorshift64*). */
static inline uint64_t test_rand(uint64_t *state)
{
    uint64_t x = *state;

    x ^= x >> 12;
    x ^= x << 25;
    x ^= x >> 27;
    *state = x;
    return x * UINT64_C(0x2545f4914f6cdd1d);
}

/* A random number in 0..n-1, n > 0. */
static inline uint32_t test_rand_below(uint64_t *state, uint32_t n)
{
    return (uint32_t)(((test_rand(state) >> 32) * n) >> 32);
}

/* Let up to `us` microseconds pass, so that what follows happens to others at a
 * random moment.  Nothing may depend on how long it was. */
void test_random_moment(uint64_t *state, uint32_t us);

/* ---- behind the macros ------------------------------------------------- */

struct test_case {
    const char *name;
    void (*run)(void);
    struct test_case *next;
};

void test_register_(struct test_case *t);
void test_timeout_(int seconds);
__attribute__((noreturn)) void test_skip_(const char *reason);
void test_check_eq_(const char *file, int line, const char *a_text,
                    const char *b_text, long long a, long long b);
void test_check_err_(const char *file, int line, const char *text,
                     const char *want_text, int got, int want);

#define TEST_AT_(name, line) TEST_PASTE_(name, line)
#define TEST_PASTE_(name, line)                                                \
    static void test_body_##line(void);                                        \
    static struct test_case test_case_##line = {name, test_body_##line, NULL}; \
    __attribute__((constructor)) static void test_enlist_##line(void)          \
    {                                                                          \
        test_register_(&test_case_##line);                                     \
    }                                                                          \
    static void test_body_##line(void)

#endif /* PAWL_TEST_H */
