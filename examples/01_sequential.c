/* SPDX-License-Identifier: MIT
 *
 * 01 - two functions, one after the other: what threads will change.
 */
#include "example.h"

static void work(int number, double units)
{
    SAY("start%d", number);
    example_sleep(units);
    SAY("end%d", number);
}

int main(int argc, char **argv)
{
    example_begins(argc, argv);
    work(1, 4);
    work(2, 2);
    AT_LEAST(6);
    BELOW(8);
    SAY("OK %.1f units for 4 + 2", example_elapsed());
    return 0;
}
