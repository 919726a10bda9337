/* SPDX-License-Identifier: MIT
 *
 * 02 - the same two functions in threads without an object.  The end of the program
 * does not wait for them, so main waits itself: it looks at a counter.
 */
#include <stdatomic.h>

#include "example.h"

static atomic_int ended;

static int work(void *arg)
{
    int number = *(int *)arg;

    SAY("start%d", number);
    example_sleep(number == 1 ? 4 : 2);
    SAY("end%d", number);
    atomic_fetch_add(&ended, 1); /* the line was printed before */
    return 0;
}

int main(int argc, char **argv)
{
    static int numbers[] = {1, 2};
    int looks = 0;

    example_begins(argc, argv);
    for (int i = 0; i < 2; i++)
        MUST(pawl_thread_start_detached(work, &numbers[i], NULL, NULL));
    while (atomic_load(&ended) < 2) {
        looks++;
        example_sleep(0.1);
    }
    AT_LEAST(4);
    BELOW(6);
    REQUIRE(looks > 0);
    SAY("OK %.1f units for 4 and 2 at once; main waited itself",
        example_elapsed());
    return 0;
}
