/* SPDX-License-Identifier: MIT
 *
 * bench_pool_cxx.cc - thread pools of C++: oneTBB's task_arena::enqueue, when
 * installed, and std::async, which starts a thread for each task; results by
 * std::atomic's wait and by std::future.
 */
#include <atomic>
#include <cstdlib>
#include <future>
#include <memory>

#include "bench.h"

#ifdef PAWL_BENCH_TBB
#    include <oneapi/tbb/task_arena.h>
#endif

namespace
{

#define OBJECT pool
#define new_jobs(type, n) (new type[n])
#define free_jobs(jobs) (delete[] (jobs))

#ifdef PAWL_BENCH_TBB
using pool_pool_tbb = std::unique_ptr<oneapi::tbb::task_arena>;

struct job_pool_tbb {
    uint64_t turns;
    std::atomic<bool> done;
};

void pool_make_pool_tbb(pool_pool_tbb *p, unsigned workers)
{
    /* The calling thread has a place of its own, which it does not take. */
    *p = std::make_unique<oneapi::tbb::task_arena>(
        static_cast<int>(workers) + 1, 1);
}

void pool_free_pool_tbb(pool_pool_tbb *p)
{
    p->reset();
}

inline void job_set_pool_tbb(job_pool_tbb *j, uint64_t turns)
{
    j->turns = turns;
    j->done.store(false, std::memory_order_relaxed);
}

inline void submit_pool_tbb(pool_pool_tbb *p, job_pool_tbb *j)
{
    (*p)->enqueue([j] {
        bench_work(j->turns);
        j->done.store(true, std::memory_order_release);
        j->done.notify_one();
    });
}

inline void await_pool_tbb(pool_pool_tbb *, job_pool_tbb *j)
{
    j->done.wait(false, std::memory_order_acquire);
}

#    define IMPL tbb
#    include "pool_cases.h"
#    undef IMPL
#endif

struct nothing {
};
using pool_pool_async = nothing;

struct job_pool_async {
    uint64_t turns;
    std::future<void> done;
};

void pool_make_pool_async(nothing *, unsigned)
{
}

void pool_free_pool_async(nothing *)
{
}

inline void job_set_pool_async(job_pool_async *j, uint64_t turns)
{
    j->turns = turns;
}

inline void submit_pool_async(nothing *, job_pool_async *j)
{
    j->done = std::async(std::launch::async, [j] { bench_work(j->turns); });
}

inline void await_pool_async(nothing *, job_pool_async *j)
{
    j->done.get();
}

#define IMPL async
#include "pool_cases.h"
#undef IMPL

} // namespace

extern "C" void bench_pool_cxx(void)
{
#ifdef PAWL_BENCH_TBB
    add_pool_tbb();
#endif
    struct bench_spec s =
        bench_row("pool", "round_trip", "async", round_trips_pool_async);
    s.flags = BENCH_CELL | BENCH_KEY;
    bench_add(&s);
}
