/* SPDX-License-Identifier: MIT
 *
 * 08 - what can be known of threads: names, how many there are, which are alive.
 */
#include "example.h"

enum { THREADS = 5 };

static pawl_latch running = PAWL_LATCH_INIT(THREADS);
static pawl_event looked = PAWL_EVENT_INIT; /* main has */

static int work(void *arg)
{
    MUST(pawl_latch_count_down(&running, 1));
    example_sleep(*(int *)arg);
    return pawl_event_wait(&looked);
}

/* What the kernel calls a thread of this process: ps and top show it. */
static void read_comm(const pawl_thread *t, char comm[64])
{
    char path[64];
    FILE *file;

    snprintf(path, sizeof path, "/proc/self/task/%u/comm",
             pawl_thread_native_id(t));
    file = fopen(path, "r");
    REQUIRE(file != NULL && fgets(comm, 64, file) != NULL);
    comm[strcspn(comm, "\n")] = 0;
    fclose(file);
}

static bool is_listed(const pawl_thread_info *infos, size_t n, const char *name)
{
    for (size_t i = 0; i < n; i++)
        if (strcmp(infos[i].name, name) == 0)
            return true;
    return false;
}

int main(int argc, char **argv)
{
    static pawl_thread threads[THREADS];
    static int units[THREADS];
    pawl_thread_info infos[THREADS + 1];
    char name[PAWL_THREAD_NAME_SIZE];
    char comm[64];
    size_t n;

    example_begins(argc, argv);
    for (int i = 0; i < THREADS; i++) {
        units[i] = i + 1;
        snprintf(name, sizeof name, "sleeper-%d", units[i]);
        MUST(pawl_thread_init(
            &threads[i], work, &units[i],
            &(pawl_thread_options){.size = sizeof(pawl_thread_options),
                                   .name = name}));
        REQUIRE(!pawl_thread_is_alive(&threads[i]));
        REQUIRE(pawl_thread_ident(&threads[i]) == 0);
        MUST(pawl_thread_start(&threads[i]));
        REQUIRE(pawl_thread_ident(&threads[i]) != 0);
    }
    MUST(pawl_thread_set_name(&threads[0], "renamed while it runs"));

    MUST(pawl_latch_wait(&running));
    n = pawl_thread_enumerate(infos, THREADS + 1);
    REQUIRE(n == THREADS + 1 && pawl_thread_active_count() == n);
    for (size_t i = 0; i < n; i++)
        SAY("%s, native id %u", infos[i].name, infos[i].native_id);
    REQUIRE(is_listed(infos, n, "MainThread"));
    REQUIRE(is_listed(infos, n, "renamed while it runs"));
    REQUIRE(!is_listed(infos, n, "sleeper-1"));
    REQUIRE(is_listed(infos, n, "sleeper-5"));
    read_comm(&threads[4], comm);
    REQUIRE(strcmp(comm, "sleeper-5") == 0);
    pawl_event_set(&looked);
    for (int i = 0; i < THREADS; i++) {
        MUST(pawl_thread_join(&threads[i], NULL));
        REQUIRE(!pawl_thread_is_alive(&threads[i]));
    }
    REQUIRE(pawl_thread_active_count() == 1);
    AT_LEAST(THREADS);
    SAY("OK %zu threads with main, 1 after the joins", n);
    return 0;
}
