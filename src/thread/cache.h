/* SPDX-License-Identifier: MIT
 *
 * cache.h - parked carriers.
 *
 * A set of places, each 0 or the address of a carrier, which belongs to whoever
 * takes it out by a compare-and-swap; nothing else is known of it, so it does not
 * matter how often one has come and gone in between.  The one that came last has
 * the first place to itself: it is the one that still spins, and the first to be
 * taken.
 */
#ifndef PAWL_THREAD_CACHE_H
#define PAWL_THREAD_CACHE_H

#include "thread/carrier.h"

/* Park it.  Returns one that found no place, perhaps itself, or NULL. */
struct pawl_carrier *pawl_cache_put(struct pawl_carrier *c);
/* The next two are going to be called: have the head of the cache brought. */
void pawl_cache_expect(void);
/* Take one; NULL: there is none. */
struct pawl_carrier *pawl_cache_take(void);
/* Take this one.  False: somebody else has, or is moving it. */
bool pawl_cache_take_this(struct pawl_carrier *c);
/* Whether it came last, and so may spin. */
bool pawl_cache_is_last(const struct pawl_carrier *c);
/* Places in use; returns how many were.  0: park none; who has put one meanwhile
 * asks again whether it is on. */
uint32_t pawl_cache_limit(uint32_t places);
bool pawl_cache_is_on(void);
/* In a forked child: there are none. */
void pawl_cache_clear(void);

#endif /* PAWL_THREAD_CACHE_H */
