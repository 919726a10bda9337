/* SPDX-License-Identifier: MIT
 *
 * bench_cxx.cc - the opponents that exist in C++ only: the standard library's,
 * and Abseil's when it is installed.  The cases are those of the C files.
 */
#include <atomic>
#include <barrier>
#include <condition_variable>
#include <cstddef>
#include <latch>
#include <mutex>
#include <new>
#include <semaphore>
#include <thread>
#include <shared_mutex>

#include "bench.h"

#ifdef PAWL_BENCH_ABSL
#    include <absl/base/call_once.h>
#    include <absl/synchronization/mutex.h>
#endif

namespace
{

/* -- plain locks ---------------------------------------------------------- */

using lock_t_std = std::mutex;

inline void lock_init_std(lock_t_std *)
{
}

inline void lock_take_std(lock_t_std *l)
{
    l->lock();
}

inline void lock_give_std(lock_t_std *l)
{
    l->unlock();
}

inline bool lock_try_std(lock_t_std *l)
{
    return l->try_lock();
}

#ifdef PAWL_BENCH_ABSL
using lock_t_absl = absl::Mutex;

inline void lock_init_absl(lock_t_absl *)
{
}

inline void lock_take_absl(lock_t_absl *l) ABSL_NO_THREAD_SAFETY_ANALYSIS
{
    l->Lock();
}

inline void lock_give_absl(lock_t_absl *l) ABSL_NO_THREAD_SAFETY_ANALYSIS
{
    l->Unlock();
}

inline bool lock_try_absl(lock_t_absl *l) ABSL_NO_THREAD_SAFETY_ANALYSIS
{
    return l->TryLock();
}
#endif

#define OBJECT mutex
#define IMPL std
#include "mutex_cases.h"
#undef IMPL
#ifdef PAWL_BENCH_ABSL
#    define IMPL absl
#    include "mutex_cases.h"
#    undef IMPL
#endif
#undef OBJECT

/* -- recursive mutex ------------------------------------------------------ */

using lock_t_rmutex_std = std::recursive_mutex;

inline void lock_init_rmutex_std(lock_t_rmutex_std *)
{
}

inline void lock_take_rmutex_std(lock_t_rmutex_std *l)
{
    l->lock();
}

inline void lock_give_rmutex_std(lock_t_rmutex_std *l)
{
    l->unlock();
}

#define OBJECT rmutex
#define IMPL std
#include "rmutex_cases.h"
#undef IMPL
#undef OBJECT

/* -- reader/writer lock --------------------------------------------------- */

using rw_rwlock_std = std::shared_mutex;

inline void rw_init_rwlock_std(rw_rwlock_std *)
{
}

inline void rw_read_rwlock_std(rw_rwlock_std *l)
{
    l->lock_shared();
}

inline void rw_read_end_rwlock_std(rw_rwlock_std *l)
{
    l->unlock_shared();
}

inline void rw_write_rwlock_std(rw_rwlock_std *l)
{
    l->lock();
}

inline void rw_write_end_rwlock_std(rw_rwlock_std *l)
{
    l->unlock();
}

#ifdef PAWL_BENCH_ABSL
using rw_rwlock_absl = absl::Mutex;
#    define rw_init_rwlock_absl lock_init_absl
#    define rw_write_rwlock_absl lock_take_absl
#    define rw_write_end_rwlock_absl lock_give_absl

inline void
rw_read_rwlock_absl(rw_rwlock_absl *l) ABSL_NO_THREAD_SAFETY_ANALYSIS
{
    l->ReaderLock();
}

inline void
rw_read_end_rwlock_absl(rw_rwlock_absl *l) ABSL_NO_THREAD_SAFETY_ANALYSIS
{
    l->ReaderUnlock();
}
#endif

#define OBJECT rwlock
#define IMPL std
#include "rwlock_cases.h"
#undef IMPL
#ifdef PAWL_BENCH_ABSL
#    define IMPL absl
#    include "rwlock_cases.h"
#    undef IMPL
#endif
#undef OBJECT

/* -- condition ------------------------------------------------------------ */

using cond_cond_std = std::condition_variable;

inline void cond_init_cond_std(cond_cond_std *)
{
}

inline void cond_wait_cond_std(cond_cond_std *c, lock_t_std *l)
{
    std::unique_lock<std::mutex> held(*l, std::adopt_lock);
    c->wait(held);
    held.release();
}

inline void cond_give_one_cond_std(cond_cond_std *c, lock_t_std *l)
{
    l->unlock();
    c->notify_one();
}

inline void cond_give_all_cond_std(cond_cond_std *c, lock_t_std *l)
{
    l->unlock();
    c->notify_all();
}

#ifdef PAWL_BENCH_ABSL
using cond_cond_absl = absl::CondVar;

inline void cond_init_cond_absl(cond_cond_absl *)
{
}

inline void cond_wait_cond_absl(cond_cond_absl *c, lock_t_absl *l)
{
    c->Wait(l);
}

inline void cond_give_one_cond_absl(cond_cond_absl *c, lock_t_absl *l)
{
    c->Signal();
    lock_give_absl(l);
}

inline void cond_give_all_cond_absl(cond_cond_absl *c, lock_t_absl *l)
{
    c->SignalAll();
    lock_give_absl(l);
}
#endif

#define OBJECT cond
#define IMPL std
#include "cond_cases.h"
#undef IMPL
#ifdef PAWL_BENCH_ABSL
#    define IMPL absl
#    include "cond_cases.h"
#    undef IMPL
#endif
#undef OBJECT

/* -- semaphore ------------------------------------------------------------ */

/* std::counting_semaphore takes its count when it is made. */
struct signal_sem_std {
    std::counting_semaphore<> permits{0};
};

inline void signal_init_sem_std(signal_sem_std *)
{
}

inline void signal_send_sem_std(signal_sem_std *s)
{
    s->permits.release();
}

inline void signal_await_sem_std(signal_sem_std *s)
{
    s->permits.acquire();
}

inline void signal_clear_sem_std(signal_sem_std *)
{
}

#define OBJECT sem
#define IMPL std
#include "signal_cases.h"

#include "sem_cases.h"
#undef IMPL
#undef OBJECT

/* -- event: wait and notify of an atomic ---------------------------------- */

using signal_event_std = std::atomic<int>;

inline void signal_clear_event_std(signal_event_std *e)
{
    e->store(0);
}

inline void signal_send_event_std(signal_event_std *e)
{
    e->store(1);
    e->notify_all();
}

inline void signal_await_event_std(signal_event_std *e)
{
    e->wait(0);
}

inline bool signal_is_up_event_std(signal_event_std *e)
{
    return e->load(std::memory_order_acquire) != 0;
}

#define signal_init_event_std signal_clear_event_std

#define OBJECT event
#define IMPL std
#include "signal_cases.h"

#include "flag_cases.h"
#undef IMPL
#undef OBJECT

/* -- latch ---------------------------------------------------------------- */

/* A std::latch cannot be used twice, so it is made anew in the same place. */
struct signal_latch_std {
    alignas(std::latch) std::byte place[sizeof(std::latch)];

    std::latch *get()
    {
        return std::launder(reinterpret_cast<std::latch *>(place));
    }
};

inline void signal_init_latch_std(signal_latch_std *l)
{
    new (l->place) std::latch(1);
}

inline void signal_send_latch_std(signal_latch_std *l)
{
    l->get()->count_down();
}

inline void signal_await_latch_std(signal_latch_std *l)
{
    l->get()->wait();
}

inline bool signal_is_up_latch_std(signal_latch_std *l)
{
    return l->get()->try_wait();
}

#define signal_clear_latch_std signal_init_latch_std

#define OBJECT latch
#define IMPL std
#include "signal_cases.h"

#include "flag_cases.h"
#undef IMPL
#undef OBJECT

/* -- barrier -------------------------------------------------------------- */

struct gate_barrier_std {
    std::barrier<> *barrier;
};

inline void gate_init_barrier_std(gate_barrier_std *g, unsigned n)
{
    g->barrier = new std::barrier<>(static_cast<std::ptrdiff_t>(n));
}

inline void gate_pass_barrier_std(gate_barrier_std *g)
{
    g->barrier->arrive_and_wait();
}

inline void gate_end_barrier_std(gate_barrier_std *g)
{
    delete g->barrier;
}

#define OBJECT barrier
#define IMPL std
#include "barrier_cases.h"
#undef IMPL
#undef OBJECT

/* -- once ----------------------------------------------------------------- */

int run_count;

void initialise()
{
    run_count++;
}

void once_std(bench_state *b, const bench_spec *)
{
    static std::once_flag once;
    while (bench_batch(b, BENCH_BATCH)) {
        for (int i = 0; i < BENCH_BATCH; i++)
            std::call_once(once, initialise);
    }
}

#ifdef PAWL_BENCH_ABSL
void once_absl(bench_state *b, const bench_spec *)
{
    static absl::once_flag once;
    while (bench_batch(b, BENCH_BATCH)) {
        for (int i = 0; i < BENCH_BATCH; i++)
            absl::call_once(once, initialise);
    }
}
#endif

void start_join_std(bench_state *b, const bench_spec *)
{
    while (bench_batch(b, 16))
        for (int i = 0; i < 16; i++)
            std::thread([] {}).join();
}

void add_start_join(const char *scenario)
{
    bench_spec s = bench_row("thread", scenario, "std", start_join_std);
    s.flags = BENCH_KEY;
    bench_add(&s);
}

void add_once(const char *impl, bench_fn *fn)
{
    bench_spec s = bench_row("once", "done", impl, fn);
    bench_add(&s);
}

} // namespace

void bench_cxx(void)
{
    add_mutex_std(MUTEX_LOOPS);
    add_rmutex_std();
    add_loops_rwlock_std();
    add_cond_std();
    add_sem_std();
    add_event_std();
    add_latch_std();
    add_barrier_std();
    add_once("std", once_std);
    add_start_join("start_join");
    add_start_join("start_join_new");
#ifdef PAWL_BENCH_ABSL
    add_mutex_absl(MUTEX_LOOPS | MUTEX_PINNED);
    add_loops_rwlock_absl();
    add_mixes_rwlock_absl();
    add_cond_absl();
    add_once("absl", once_absl);
#endif
}
