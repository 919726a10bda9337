/* SPDX-License-Identifier: MIT
 *
 * 17 - timers: one of six units, during which main counts; one that is cancelled; one
 * that is due at once.  One thread serves them all.
 */
#include <dirent.h>
#include <stdatomic.h>

#include "example.h"

static atomic_int rings;

static void ring(pawl_timer *timer, void *context)
{
    (void)context;
    SAY("%s rings at %.1f", pawl_timer_name(timer), example_elapsed());
    atomic_fetch_add(&rings, 1);
}

static void never(pawl_timer *timer, void *context)
{
    (void)timer;
    (void)context;
    example_fails(__FILE__, __LINE__, "a cancelled timer", " rings");
}

/* How many threads of this process the kernel knows by the name of pawl's. */
static int timer_threads(void)
{
    DIR *dir = opendir("/proc/self/task");
    const struct dirent *entry;
    int n = 0;

    REQUIRE(dir != NULL);
    while ((entry = readdir(dir)) != NULL) {
        char path[300];
        char comm[64] = "";
        FILE *file;

        snprintf(path, sizeof path, "/proc/self/task/%s/comm", entry->d_name);
        file = fopen(path, "r");
        if (file == NULL)
            continue;
        n += fgets(comm, sizeof comm, file) != NULL &&
             strcmp(comm, "pawl-timer\n") == 0;
        fclose(file);
    }
    closedir(dir);
    return n;
}

int main(int argc, char **argv)
{
    static pawl_timer tea = PAWL_TIMER_INIT(ring, NULL);
    static pawl_timer cancelled = PAWL_TIMER_INIT(never, NULL);
    static pawl_timer at_once = PAWL_TIMER_INIT(ring, NULL);

    example_begins(argc, argv);
    REQUIRE(timer_threads() == 0); /* nothing runs before the first start */
    MUST(pawl_timer_set_name(&tea, "tea"));
    MUST(pawl_timer_set_name(&at_once, "at once"));
    MUST(pawl_timer_start(&tea, example_after(6)));
    MUST(pawl_timer_start(&cancelled, PAWL_FOREVER));
    MUST(pawl_timer_start(&at_once, 0));

    MUST(pawl_timer_cancel(&cancelled));
    MUST_BE(-ECANCELED, pawl_timer_join(&cancelled));
    MUST(pawl_timer_join(&at_once));
    MUST_BE(-EALREADY, pawl_timer_cancel(&at_once)); /* it has run */
    REQUIRE(timer_threads() == 1);
    for (int tick = 1; pawl_timer_is_pending(&tea); tick++) {
        example_sleep(3);
        SAY("tick %d at %.1f", tick, example_elapsed());
    }
    MUST(pawl_timer_join(&tea));
    AT_LEAST(6);
    MUST_BE(-EALREADY, pawl_timer_cancel(&tea));
    REQUIRE(atomic_load(&rings) == 2);
    SAY("OK 2 rang, 1 was cancelled, %d thread", timer_threads());
    return 0;
}
