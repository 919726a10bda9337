/* SPDX-License-Identifier: MIT
 *
 * join.h - what those who wait for threads have to know.
 */
#ifndef PAWL_THREAD_JOIN_H
#define PAWL_THREAD_JOIN_H

#include <pthread.h>

#include <pawl/thread.h>

/* In a forked child: only this thread is left; NULL: it has no handle. */
void pawl_join_in_child(pawl_thread *left);

/* The calling thread has started *t, which may be gone by now, under this serial in
 * an OS thread of its own, which is joinable until its end. */
void pawl_join_remember(const pawl_thread *t, uint64_t serial, pthread_t thread);

#endif /* PAWL_THREAD_JOIN_H */
