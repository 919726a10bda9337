/* SPDX-License-Identifier: MIT
 *
 * bench_ring_cxx.cc - queues that exist in C++ only, when installed: moodycamel's
 * ConcurrentQueue (bounded by what it allocates at first; not in order across
 * producers), oneTBB's concurrent_bounded_queue, Boost.Lockfree's queue.
 */
#include <sched.h>
#include <string.h>

#include <memory>

#include "bench.h"

#ifdef PAWL_BENCH_MOODYCAMEL
#    include <concurrentqueue/concurrentqueue.h>
#endif
#ifdef PAWL_BENCH_TBB
#    include <oneapi/tbb/concurrent_queue.h>
#endif
#ifdef PAWL_BENCH_BOOST
#    include <boost/lockfree/queue.hpp>
#endif

namespace
{

struct item8 {
    uint64_t v;
};

struct nothing {
};

#define OBJECT ring

#ifdef PAWL_BENCH_MOODYCAMEL
using moodycamel_queue = moodycamel::ConcurrentQueue<item8>;

using item_ring_moodycamel = item8;
using queue_ring_moodycamel = std::unique_ptr<moodycamel_queue>;
using seat_ring_moodycamel = nothing;

inline void queue_make_ring_moodycamel(queue_ring_moodycamel *q,
                                       size_t capacity)
{
    *q = std::make_unique<moodycamel_queue>(capacity, 0, 16);
}

inline void queue_free_ring_moodycamel(queue_ring_moodycamel *q)
{
    q->reset();
}

inline void sit_ring_moodycamel(nothing *, queue_ring_moodycamel *, unsigned)
{
}

inline void rise_ring_moodycamel(nothing *, queue_ring_moodycamel *)
{
}

inline bool put_ring_moodycamel(nothing *, queue_ring_moodycamel *q,
                                const item8 *item)
{
    return (*q)->try_enqueue(*item);
}

inline bool get_ring_moodycamel(nothing *, queue_ring_moodycamel *q,
                                item8 *item)
{
    return (*q)->try_dequeue(*item);
}

inline size_t put_many_ring_moodycamel(nothing *, queue_ring_moodycamel *q,
                                       const item8 *items, size_t n)
{
    return (*q)->try_enqueue_bulk(items, n) ? n : 0;
}

inline size_t get_many_ring_moodycamel(nothing *, queue_ring_moodycamel *q,
                                       item8 *items, size_t n)
{
    return (*q)->try_dequeue_bulk(items, n);
}

#    define IMPL moodycamel
#    define RING_MANY
#    include "ring_cases.h"
#    undef IMPL

/* With a token for each thread. */
using item_ring_moodycamel_tokens = item8;
using queue_ring_moodycamel_tokens = std::unique_ptr<moodycamel_queue>;

struct seat_ring_moodycamel_tokens {
    std::unique_ptr<moodycamel::ProducerToken> puts;
    std::unique_ptr<moodycamel::ConsumerToken> gets;
};

inline void queue_make_ring_moodycamel_tokens(queue_ring_moodycamel_tokens *q,
                                              size_t capacity)
{
    *q = std::make_unique<moodycamel_queue>(capacity, 16, 0);
}

inline void queue_free_ring_moodycamel_tokens(queue_ring_moodycamel_tokens *q)
{
    q->reset();
}

inline void sit_ring_moodycamel_tokens(seat_ring_moodycamel_tokens *seat,
                                       queue_ring_moodycamel_tokens *q,
                                       unsigned)
{
    seat->puts = std::make_unique<moodycamel::ProducerToken>(**q);
    seat->gets = std::make_unique<moodycamel::ConsumerToken>(**q);
}

inline void rise_ring_moodycamel_tokens(seat_ring_moodycamel_tokens *seat,
                                        queue_ring_moodycamel_tokens *)
{
    seat->puts.reset();
    seat->gets.reset();
}

inline bool put_ring_moodycamel_tokens(seat_ring_moodycamel_tokens *seat,
                                       queue_ring_moodycamel_tokens *q,
                                       const item8 *item)
{
    return (*q)->try_enqueue(*seat->puts, *item);
}

inline bool get_ring_moodycamel_tokens(seat_ring_moodycamel_tokens *seat,
                                       queue_ring_moodycamel_tokens *q,
                                       item8 *item)
{
    return (*q)->try_dequeue(*seat->gets, *item);
}

inline size_t put_many_ring_moodycamel_tokens(seat_ring_moodycamel_tokens *seat,
                                              queue_ring_moodycamel_tokens *q,
                                              const item8 *items, size_t n)
{
    return (*q)->try_enqueue_bulk(*seat->puts, items, n) ? n : 0;
}

inline size_t get_many_ring_moodycamel_tokens(seat_ring_moodycamel_tokens *seat,
                                              queue_ring_moodycamel_tokens *q,
                                              item8 *items, size_t n)
{
    return (*q)->try_dequeue_bulk(*seat->gets, items, n);
}

#    define IMPL moodycamel_tokens
#    include "ring_cases.h"
#    undef IMPL
#    undef RING_MANY
#endif

#ifdef PAWL_BENCH_TBB
using tbb_queue = tbb::concurrent_bounded_queue<item8>;

using item_ring_tbb = item8;
using queue_ring_tbb = std::unique_ptr<tbb_queue>;
using seat_ring_tbb = nothing;

inline void queue_make_ring_tbb(queue_ring_tbb *q, size_t capacity)
{
    *q = std::make_unique<tbb_queue>();
    (*q)->set_capacity(static_cast<tbb_queue::size_type>(capacity));
}

inline void queue_free_ring_tbb(queue_ring_tbb *q)
{
    q->reset();
}

inline void sit_ring_tbb(nothing *, queue_ring_tbb *, unsigned)
{
}

inline void rise_ring_tbb(nothing *, queue_ring_tbb *)
{
}

inline bool put_ring_tbb(nothing *, queue_ring_tbb *q, const item8 *item)
{
    return (*q)->try_push(*item);
}

inline bool get_ring_tbb(nothing *, queue_ring_tbb *q, item8 *item)
{
    return (*q)->try_pop(*item);
}

#    define IMPL tbb
#    include "ring_cases.h"
#    undef IMPL
#endif

#ifdef PAWL_BENCH_BOOST
/* Its nodes are numbered with 16 bits. */
constexpr size_t boost_most = 65534;
using boost_queue =
    boost::lockfree::queue<item8, boost::lockfree::fixed_sized<true>>;

using item_ring_boost = item8;
using queue_ring_boost = std::unique_ptr<boost_queue>;
using seat_ring_boost = nothing;

inline void queue_make_ring_boost(queue_ring_boost *q, size_t capacity)
{
    *q = std::make_unique<boost_queue>(capacity < boost_most ? capacity
                                                             : boost_most);
}

inline void queue_free_ring_boost(queue_ring_boost *q)
{
    q->reset();
}

inline void sit_ring_boost(nothing *, queue_ring_boost *, unsigned)
{
}

inline void rise_ring_boost(nothing *, queue_ring_boost *)
{
}

inline bool put_ring_boost(nothing *, queue_ring_boost *q, const item8 *item)
{
    return (*q)->bounded_push(*item);
}

inline bool get_ring_boost(nothing *, queue_ring_boost *q, item8 *item)
{
    return (*q)->pop(*item);
}

#    define IMPL boost
#    include "ring_cases.h"
#    undef IMPL
#endif

} // namespace

void bench_ring_cxx(void)
{
#ifdef PAWL_BENCH_MOODYCAMEL
    add_ring_moodycamel();
    add_ring_moodycamel_tokens();
#endif
#ifdef PAWL_BENCH_TBB
    add_ring_tbb();
#endif
#ifdef PAWL_BENCH_BOOST
    add_ring_boost();
#endif
}
