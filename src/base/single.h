/* SPDX-License-Identifier: MIT
 *
 * single.h - whether this process has only ever had one thread.
 *
 * While it has, a local lock needs no locked instruction: nobody can run
 * between a load and a store.  libc clears its flag before the second thread
 * exists and never sets it while others run.  Never ask for shared objects
 * (other processes run) or for operations that a signal handler may interrupt
 * and repeat.
 */
#ifndef PAWL_BASE_SINGLE_H
#define PAWL_BASE_SINGLE_H

#include <stdbool.h>

#include "base/compiler.h"

#if defined(__has_include)
#if __has_include(<sys/single_threaded.h>)
#include <sys/single_threaded.h>
#define PAWL_HAVE_SINGLE_THREADED 1
#endif
#endif

static inline bool pawl_single_threaded(void)
{
#ifdef PAWL_HAVE_SINGLE_THREADED
    return __libc_single_threaded != 0;
#else
    return false;
#endif
}

#endif /* PAWL_BASE_SINGLE_H */
