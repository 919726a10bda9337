/* SPDX-License-Identifier: MIT
 *
 * cpus.c - how many CPUs there are.
 */
#include <pawl/process.h>

#include <unistd.h>

#include "futex/spin.h"

int pawl_cpu_count(void)
{
    long n = sysconf(_SC_NPROCESSORS_ONLN);

    return n > 0 ? (int)n : 1;
}

int pawl_process_cpu_count(void)
{
    return (int)pawl_spin_count_cpus();
}
