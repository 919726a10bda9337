/* SPDX-License-Identifier: MIT
 *
 * 07 - a daemon: the end of the program does not wait for it, and it goes without a
 * word.  It would sleep for a hundred units; observe.py sees that its last line never
 * comes.
 */
#include "example.h"

static int work(void *arg)
{
    (void)arg;
    SAY("start");
    example_sleep(100);
    SAY("end");
    return 0;
}

int main(int argc, char **argv)
{
    static pawl_thread thread;

    example_begins(argc, argv);
    MUST(PAWL_THREAD_INIT(&thread, work, NULL));
    MUST(pawl_thread_set_daemon(&thread, true));
    MUST(pawl_thread_start(&thread));
    MUST_BE(-EBUSY, pawl_thread_set_daemon(&thread, false)); /* too late */
    example_sleep(1);
    BELOW(2);
    SAY("OK main returns at %.1f; the daemon wants 100", example_elapsed());
    return 0;
}
