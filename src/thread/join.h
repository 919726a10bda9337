/* SPDX-License-Identifier: MIT
 *
 * join.h - what a fork does to those who wait for threads.
 */
#ifndef PAWL_THREAD_JOIN_H
#define PAWL_THREAD_JOIN_H

#include <pawl/thread.h>

/* In a forked child: only this thread is left; NULL: it has no handle. */
void pawl_join_in_child(pawl_thread *left);

#endif /* PAWL_THREAD_JOIN_H */
