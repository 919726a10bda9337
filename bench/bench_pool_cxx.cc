/* SPDX-License-Identifier: MIT
 *
 * bench_pool_cxx.cc - thread pools of C++: oneTBB's task_arena::enqueue and
 * parallel_for, when installed, and std::async, which starts a thread for each
 * task; results by std::atomic's wait and by std::future.
 */
#include <atomic>
#include <cstdlib>
#include <future>
#include <memory>

#include "bench.h"
#include "pool_part.h"

#ifdef PAWL_BENCH_TBB
#    include <oneapi/tbb/blocked_range.h>
#    include <oneapi/tbb/global_control.h>
#    include <oneapi/tbb/parallel_for.h>
#    include <oneapi/tbb/task_arena.h>
#    include <oneapi/tbb/task_scheduler_observer.h>
#endif

namespace
{

#define OBJECT pool
#define new_jobs(type, n) (new type[n])
#define free_jobs(jobs) (delete[] (jobs))

#ifdef PAWL_BENCH_TBB
/* oneTBB counts the CPUs of whichever thread comes first, and keeps its threads
 * from one arena to the next.  So the number of its workers is set here, and they
 * are told their CPUs as they come: those of the thread that has made the pool. */
class tbb_guide : public oneapi::tbb::task_scheduler_observer
{
  public:
    explicit tbb_guide(oneapi::tbb::task_arena &arena)
        : task_scheduler_observer(arena)
    {
        BENCH_CHECK(sched_getaffinity(0, sizeof(cpus), &cpus) == 0);
        observe(true);
    }

    ~tbb_guide() override
    {
        observe(false);
    }

    void on_scheduler_entry(bool is_worker) override
    {
        static thread_local cpu_set_t at{};

        if (is_worker && !CPU_EQUAL(&at, &cpus)) {
            at = cpus;
            BENCH_CHECK(sched_setaffinity(0, sizeof(at), &at) == 0);
        }
    }

  private:
    cpu_set_t cpus;
};

struct tbb_pool {
    /* The calling thread has a place of its own. */
    explicit tbb_pool(unsigned workers)
        : limit(oneapi::tbb::global_control::max_allowed_parallelism,
                workers + 1),
          arena(static_cast<int>(workers) + 1, 1), guide(arena)
    {
    }

    oneapi::tbb::global_control limit;
    oneapi::tbb::task_arena arena;
    tbb_guide guide;
};

using pool_pool_tbb = std::unique_ptr<tbb_pool>;

struct job_pool_tbb {
    const pool_part *part;
    std::atomic<bool> done;
};

void pool_make_pool_tbb(pool_pool_tbb *p, unsigned workers)
{
    *p = std::make_unique<tbb_pool>(workers);
}

void pool_free_pool_tbb(pool_pool_tbb *p)
{
    p->reset();
}

inline void job_set_pool_tbb(job_pool_tbb *j, const pool_part *part)
{
    j->part = part;
    j->done.store(false, std::memory_order_relaxed);
}

inline void submit_pool_tbb(pool_pool_tbb *p, job_pool_tbb *j)
{
    (*p)->arena.enqueue([j] {
        pool_do_part(j->part);
        j->done.store(true, std::memory_order_release);
        j->done.notify_one();
    });
}

inline void await_pool_tbb(pool_pool_tbb *, job_pool_tbb *j)
{
    j->done.wait(false, std::memory_order_acquire);
}

/* The chunks are oneTBB's own. */
void each_pool_tbb(pool_pool_tbb *p, const pool_part *all, size_t)
{
    (*p)->arena.execute([all] {
        oneapi::tbb::parallel_for(
            oneapi::tbb::blocked_range<size_t>(all->begin, all->end),
            [all](const oneapi::tbb::blocked_range<size_t> &r) {
                pool_part part = *all;
                part.begin = r.begin();
                part.end = r.end();
                pool_do_part(&part);
            });
    });
}

void map_pool_tbb(pool_pool_tbb *p, const pool_part *all, size_t chunk,
                  uint64_t *sum)
{
    each_pool_tbb(p, all, chunk);
    *sum = pool_sum(all);
}

#    define POOL_CHUNKS_EACH 4
#    define IMPL tbb
#    include "pool_cases.h"
#    undef IMPL
#    undef POOL_CHUNKS_EACH
#endif

struct nothing {
};
using pool_pool_async = nothing;

struct job_pool_async {
    const pool_part *part;
    std::future<void> done;
};

void pool_make_pool_async(nothing *, unsigned)
{
}

void pool_free_pool_async(nothing *)
{
}

inline void job_set_pool_async(job_pool_async *j, const pool_part *part)
{
    j->part = part;
}

inline void submit_pool_async(nothing *, job_pool_async *j)
{
    j->done = std::async(std::launch::async, [j] { pool_do_part(j->part); });
}

inline void await_pool_async(nothing *, job_pool_async *j)
{
    j->done.get();
}

#define POOL_CHUNKS_EACH 1 /* each starts a thread */
#define IMPL async
#include "pool_by_hand.h"
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
    add_loops_pool_async();
}
