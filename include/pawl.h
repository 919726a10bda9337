/* SPDX-License-Identifier: MIT
 *
 * pawl.h - everything.
 *
 * Since 0.1.
 */
#ifndef PAWL_H
#define PAWL_H

#include <pawl/barrier.h>
#include <pawl/base.h>
#include <pawl/cond.h>
#include <pawl/deadlock.h>
#include <pawl/deque.h>
#include <pawl/error.h>
#include <pawl/event.h>
#include <pawl/eventcount.h>
#include <pawl/future.h>
#include <pawl/fork.h>
#include <pawl/latch.h>
#include <pawl/ledger.h>
#include <pawl/list.h>
#include <pawl/local.h>
#include <pawl/memory.h>
#include <pawl/mutex.h>
#include <pawl/object.h>
#include <pawl/once.h>
#include <pawl/pipe.h>
#include <pawl/print.h>
#include <pawl/process.h>
#include <pawl/parties.h>
#include <pawl/pool.h>
#include <pawl/procpool.h>
#include <pawl/queue.h>
#include <pawl/region.h>
#include <pawl/ring.h>
#include <pawl/rmutex.h>
#include <pawl/rwlock.h>
#include <pawl/sem.h>
#include <pawl/shared_queue.h>
#include <pawl/spsc.h>
#include <pawl/stack.h>
#include <pawl/thread.h>
#include <pawl/time.h>
#include <pawl/timer.h>
#include <pawl/value.h>
#include <pawl/wait.h>
#include <pawl/wsdeque.h>

#endif /* PAWL_H */
