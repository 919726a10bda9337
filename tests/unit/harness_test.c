/* SPDX-License-Identifier: MIT
 *
 * harness_test.c - the harness itself: a failure must be seen, wherever it
 * happens.  Each test that is about failing runs this program again, with the
 * name of a test that fails on purpose; those do nothing unless the variable
 * HARNESS_TEST is set.
 */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif

#include <linux/futex.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <pawl/error.h>

#include "test.h"

static void only_on_purpose(void)
{
    if (getenv("HARNESS_TEST") == NULL)
        TEST_SKIP("is part of another test");
}

/* What the program prints and how it ends when told to run one test. */
struct result {
    char text[8192];
    int status;
};

static struct result run_self(const char *name)
{
    struct result r = {{0}, 0};
    int ends[2];
    size_t length = 0;
    ssize_t n;
    pid_t pid;

    CHECK_EQ(pipe(ends), 0);
    pid = fork();
    CHECK(pid >= 0);
    if (pid == 0) {
        dup2(ends[1], STDOUT_FILENO);
        dup2(ends[1], STDERR_FILENO);
        close(ends[0]);
        close(ends[1]);
        setenv("HARNESS_TEST", "1", 1);
        execl("/proc/self/exe", "harness_test", name, (char *)NULL);
        _exit(3);
    }
    close(ends[1]);
    while ((n = read(ends[0], r.text + length, sizeof r.text - 1 - length)) > 0)
        length += (size_t)n;
    close(ends[0]);
    r.status = test_reap_child(pid);
    CHECK(WIFEXITED(r.status));
    r.status = WEXITSTATUS(r.status);
    return r;
}

static void expect(const char *name, int status, const char *text,
                   const char *last_line)
{
    struct result r = run_self(name);

    if (strstr(r.text, text) == NULL || strstr(r.text, last_line) == NULL ||
        r.status != status)
        test_fail(__FILE__, __LINE__, "%s: exit %d (want %d), want '%s' in:\n%s",
                  name, r.status, status, text, r.text);
}

/* ---- failures on purpose ----------------------------------------------- */

static void fail_here(void *arg)
{
    (void)arg;
    CHECK(1 + 1 == 3);
}

static void skip_here(void *arg)
{
    (void)arg;
    TEST_SKIP("no reason at all");
}

TEST(purpose.check_in_thread)
{
    only_on_purpose();
    test_join(test_thread(fail_here, NULL));
}

TEST(purpose.check_in_child)
{
    only_on_purpose();
    test_wait_child(test_spawn_child(fail_here, NULL));
}

static void fail_in_thread(void *arg)
{
    (void)arg;
    test_join(test_thread(fail_here, NULL));
}

TEST(purpose.check_in_thread_of_child)
{
    only_on_purpose();
    test_wait_child(test_spawn_child(fail_in_thread, NULL));
}

TEST(purpose.check_eq)
{
    only_on_purpose();
    CHECK_EQ(6 * 7, 43);
}

TEST(purpose.check_err)
{
    only_on_purpose();
    CHECK_ERR(-EPERM, -EOWNERDEAD);
}

TEST(purpose.crash)
{
    only_on_purpose();
    abort();
}

TEST(purpose.hang)
{
    only_on_purpose();
    TEST_TIMEOUT(0);
    for (;;)
        pause();
}

TEST(purpose.skip_in_child)
{
    only_on_purpose();
    test_wait_child(test_spawn_child(skip_here, NULL));
}

/* ---- and that they are seen -------------------------------------------- */

#define ONE_FAILED "\n0 passed, 1 failed, 0 skipped\n"

TEST(harness.check_in_second_thread_fails_the_program)
{
    expect("purpose.check_in_thread", 1, "failed: CHECK(1 + 1 == 3)",
           ONE_FAILED);
    expect("purpose.check_in_thread", 1, "harness_test.c:", ONE_FAILED);
}

TEST(harness.check_in_child_process_fails_the_program)
{
    expect("purpose.check_in_child", 1, "child process", ONE_FAILED);
    expect("purpose.check_in_child", 1, "exited with 1", ONE_FAILED);
    expect("purpose.check_in_thread_of_child", 1, "failed: CHECK(1 + 1 == 3)",
           ONE_FAILED);
}

TEST(harness.check_eq_prints_both_values)
{
    expect("purpose.check_eq", 1, "42 is not 43", ONE_FAILED);
}

TEST(harness.check_err_prints_names)
{
    expect("purpose.check_err", 1, "returned -EPERM (-1), not -EOWNERDEAD",
           ONE_FAILED);
}

TEST(harness.crash_fails_the_program)
{
    expect("purpose.crash", 1, "not ok 1 - purpose.crash # killed by signal 6",
           ONE_FAILED);
}

TEST(harness.hang_is_ended_and_named)
{
    expect("purpose.hang", 1, "purpose.hang hangs", ONE_FAILED);
}

TEST(harness.skip_of_every_test_exits_with_77)
{
    expect("purpose.skip_in_child", 77, "# SKIP no reason at all",
           "\n0 passed, 0 failed, 1 skipped\n");
}

TEST(harness.unknown_name_is_refused)
{
    expect("purpose.chekc_eq", 2, "no test is named", "--list");
}

/* ---- the rest ---------------------------------------------------------- */

TEST(harness.seed_repeats_random_numbers)
{
    uint64_t a = test_seed(1);
    uint64_t b = test_seed(1);
    uint64_t c = test_seed(2);

    CHECK(a != c);
    for (int i = 0; i < 100; i++) {
        CHECK_EQ(test_rand(&a), test_rand(&b));
        CHECK(test_rand_below(&c, 7) < 7);
    }
}

static void sleep_on(void *arg)
{
    int *word = arg;

    while (__atomic_load_n(word, __ATOMIC_ACQUIRE) == 0)
        syscall(SYS_futex, word, FUTEX_WAIT, 0, NULL, NULL, 0);
}

static void wake(int *word)
{
    __atomic_store_n(word, 1, __ATOMIC_RELEASE);
    syscall(SYS_futex, word, FUTEX_WAKE, 1, NULL, NULL, 0);
}

TEST(harness.until_asleep_sees_a_thread_in_futex_wait)
{
    int *word = test_shared_alloc(sizeof *word);
    struct test_thread *t = test_thread(sleep_on, word);

    test_until_asleep(test_tid(t));
    CHECK_EQ(*word, 0);
    wake(word);
    test_join(t);
}

static void sleep_long_on(void *arg)
{
    const struct timespec long_time = {.tv_sec = 1000};
    int *word = arg;

    while (__atomic_load_n(word, __ATOMIC_ACQUIRE) == 0)
        syscall(SYS_futex, word, FUTEX_WAIT, 0, &long_time, NULL, 0);
}

/* The kernel has another name for its system call then. */
TEST(harness.until_asleep_sees_who_was_stopped_and_continued)
{
    int *word = test_shared_alloc(sizeof *word);
    pid_t child = test_spawn_child(sleep_long_on, word);
    int status;

    test_until_asleep(child);
    CHECK_EQ(kill(child, SIGSTOP), 0);
    CHECK_EQ(waitpid(child, &status, WUNTRACED), child);
    CHECK(WIFSTOPPED(status));
    CHECK_EQ(kill(child, SIGCONT), 0);
    test_until_asleep(child);
    CHECK_EQ(*word, 0);
    wake(word);
    test_wait_child(child);
}

struct beds {
    int go[2];
    _Atomic int passed;
    int rounds;
};

static void sleep_on_both(void *arg)
{
    struct beds *b = arg;

    for (int i = 0; i < b->rounds; i++) {
        sleep_on(&b->go[0]);
        __atomic_store_n(&b->go[0], 0, __ATOMIC_RELAXED);
        atomic_fetch_add(&b->passed, 1);
        sleep_on(&b->go[1]);
        __atomic_store_n(&b->go[1], 0, __ATOMIC_RELAXED);
    }
}

/* Its CPU, if that idles, hears of it some time later. */
TEST(harness.until_asleep_is_not_deceived_by_who_was_woken)
{
    struct beds b = {.rounds = test_iterations(300)};
    struct test_thread *t = test_thread(sleep_on_both, &b);

    for (int i = 0; i < b.rounds; i++) {
        test_until_asleep(test_tid(t));
        CHECK_EQ(atomic_load(&b.passed), i);
        wake(&b.go[0]);
        test_until_asleep(test_tid(t));
        CHECK_EQ(atomic_load(&b.passed), i + 1);
        wake(&b.go[1]);
    }
    test_join(t);
}

static void nap_and_sleep(void *arg)
{
    const struct timespec nap = {.tv_nsec = 1000000};
    int *words = arg; /* what it sleeps on; and how often it has napped */

    for (int i = 0; i < 30; i++) {
        __atomic_fetch_add(&words[1], 1, __ATOMIC_RELEASE);
        syscall(SYS_futex, &words[0], FUTEX_WAIT, 0, &nap, NULL, 0);
    }
    sleep_on(words);
}

TEST(harness.until_asleep_for_good_lets_naps_go_by)
{
    int *words = test_shared_alloc(2 * sizeof *words);
    struct test_thread *t;

    if (access("/proc/self/syscall", R_OK) != 0)
        TEST_SKIP("the kernel does not tell system calls");
    t = test_thread(nap_and_sleep, words);
    test_until_asleep_for_good(test_tid(t));
    CHECK_EQ(__atomic_load_n(&words[1], __ATOMIC_ACQUIRE), 30);
    wake(words);
    test_join(t);
}

TEST(harness.until_asleep_sees_a_child_process)
{
    int *word = test_shared_alloc(sizeof *word);
    pid_t child = test_spawn_child(sleep_on, word);

    test_until_asleep(child);
    CHECK(!test_is_asleep((pid_t)syscall(SYS_gettid)));
    wake(word);
    test_wait_child(child);
}

TEST(harness.amounts_are_positive)
{
    CHECK(test_iterations(1) >= 1);
    CHECK(test_cpu_count() >= 1);
}
