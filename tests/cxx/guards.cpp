/* SPDX-License-Identifier: MIT
 *
 * guards.cpp - the C API from C++: initialisers as member initialisers, sizes
 * as in C, scope guards; and the classes of pawl.hpp with the standard ones.
 *
 * Must compile from C++11 on.
 */
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <mutex>
#if __cplusplus >= 201402L
#include <shared_mutex>
#endif
#include <thread>
#include <type_traits>

#include <pawl.h>
#include <pawl/pawl.hpp>

#define CHECK(cond)                                                            \
    do {                                                                       \
        if (!(cond)) {                                                         \
            std::fprintf(stderr, "%s:%d: failed: %s\n", __FILE__, __LINE__,    \
                         #cond);                                               \
            std::exit(1);                                                      \
        }                                                                      \
    } while (0)

#define OBJECT(type, size, alignment)                                          \
    static_assert(sizeof(type) == (size), #type " has another size in C");     \
    static_assert(alignof(type) == (alignment), #type " is aligned unlike C"); \
    static_assert(std::is_standard_layout<type>::value, #type);
#include "../abi/layout.inc"
#undef OBJECT

static_assert(sizeof(pawl::mutex) == sizeof(pawl_mutex), "thin");
static_assert(sizeof(pawl::rmutex) == sizeof(pawl_rmutex), "thin");
static_assert(!std::is_copy_constructible<pawl::mutex>::value, "no copies");
static_assert(!std::is_move_constructible<pawl::rwlock>::value, "no moves");

namespace
{

struct every_initialiser {
    pawl_mutex mutex = PAWL_MUTEX_INIT;
    pawl_mutex ownerless = PAWL_MUTEX_INIT_FLAGS(PAWL_OWNERLESS);
    pawl_rmutex rmutex = PAWL_RMUTEX_INIT;
    pawl_rwlock rwlock = PAWL_RWLOCK_INIT;
    pawl_cond cond = PAWL_COND_INIT;
    pawl_sem sem = PAWL_SEM_INIT(2);
    pawl_event event = PAWL_EVENT_INIT;
    pawl_barrier barrier = PAWL_BARRIER_INIT(1);
    pawl_once once = PAWL_ONCE_INIT;
    pawl_latch latch = PAWL_LATCH_INIT(1);
};

every_initialiser global; /* constant initialisation: no code runs */
pawl::mutex global_mutex;

int nothing(void *)
{
    return 0;
}

void c_functions(every_initialiser *o)
{
    {
        PAWL_MUTEX_GUARD(held, &o->mutex);
        CHECK(held.err == 0);
        CHECK(pawl_mutex_is_mine(&o->mutex));
    }
    CHECK(!pawl_mutex_is_locked(&o->mutex));
    CHECK(pawl_mutex_try_lock(&o->ownerless) == 0);
    CHECK(pawl_mutex_try_lock(&o->ownerless) == -EAGAIN);
    CHECK(pawl_mutex_unlock(&o->ownerless) == 0);
    CHECK(pawl_rmutex_try_lock(&o->rmutex) == 0);
    CHECK(pawl_rmutex_unlock(&o->rmutex) == 0);
    CHECK(pawl_rwlock_try_read_lock(&o->rwlock) == 0);
    CHECK(pawl_rwlock_read_unlock(&o->rwlock) == 0);
    CHECK(pawl_cond_destroy(&o->cond) == 0);
    CHECK(pawl_sem_value(&o->sem) == 2);
    pawl_event_set(&o->event);
    CHECK(pawl_event_wait(&o->event) == 0);
    CHECK(pawl_barrier_try_wait(&o->barrier) == 0);
    CHECK(pawl_once_run(&o->once, nothing, nullptr) == 0);
    CHECK(pawl_latch_count_down(&o->latch, 1) == 0);
    CHECK(pawl_latch_wait(&o->latch) == 0);
}

template <class Lock> void excludes()
{
    Lock lock;
    int counter = 0;
    auto work = [&] {
        for (int i = 0; i < 10000; i++) {
            std::lock_guard<Lock> hold(lock);
            counter++;
        }
    };
    std::thread other(work);
    work();
    other.join();
    CHECK(counter == 20000);
}

/* What try_ forms return while another thread holds the lock. */
template <class Lock> void refuses_others()
{
    using std::chrono::milliseconds;
    Lock lock;
    std::unique_lock<Lock> hold(lock);
    std::thread([&] {
        CHECK(!lock.try_lock());
        CHECK(!lock.try_lock_for(milliseconds(1)));
        CHECK(!lock.try_lock_until(std::chrono::steady_clock::now() +
                                   milliseconds(1)));
        CHECK(!lock.try_lock_until(std::chrono::system_clock::now() +
                                   milliseconds(1)));
    }).join();
    hold.unlock();
    CHECK(lock.try_lock_for(std::chrono::hours::max()));
    lock.unlock();
}

template <class Function> int thrown_by(Function f)
{
    try {
        f();
    } catch (const std::system_error &e) {
        return e.code().value();
    }
    return 0;
}

void errors_are_thrown()
{
    pawl::mutex m;
    CHECK(thrown_by([&] { m.unlock(); }) == EPERM);
    m.lock();
    CHECK(thrown_by([&] { m.lock(); }) == EDEADLK);
    CHECK(thrown_by([&] { m.consistent(); }) == EINVAL);
    CHECK(!m.owner_died());
    m.unlock();
    CHECK(thrown_by([] { pawl::rmutex r(PAWL_OWNERLESS); }) == EINVAL);
}

/* A thread that ends holding the lock. */
template <class Lock> void death_is_reported()
{
    Lock lock;
    std::thread([&] { lock.lock(); }).join();
    lock.lock();
    CHECK(lock.owner_died());
    lock.consistent();
    CHECK(!lock.owner_died());
    lock.unlock();
    lock.lock();
    CHECK(!lock.owner_died());
    lock.unlock();
}

void recursion()
{
    pawl::rmutex r;
    std::lock_guard<pawl::rmutex> outer(r);
    std::lock_guard<pawl::rmutex> inner(r);
    CHECK(pawl_rmutex_depth(r.native_handle()) == 2);
}

void readers_share()
{
    pawl::rwlock rw;
    rw.lock_shared();
    std::thread([&] {
        CHECK(rw.try_lock_shared());
        rw.unlock_shared();
        CHECK(!rw.try_lock());
    }).join();
    rw.unlock_shared();
    rw.lock();
    rw.downgrade();
    rw.unlock_shared();
#if __cplusplus >= 201402L
    std::shared_lock<pawl::rwlock> reader(rw, std::chrono::seconds(1));
    CHECK(reader.owns_lock());
#endif
}

void dead_writer_makes_reader_a_writer()
{
    pawl::rwlock rw;
    std::thread([&] { rw.lock(); }).join();
    rw.lock_shared();
    CHECK(rw.owner_died());
    CHECK(pawl_rwlock_is_mine(rw.native_handle()));
    rw.consistent();
    rw.unlock_shared();
    CHECK(rw.try_lock());
    rw.unlock();
}

void several_at_once()
{
    pawl::mutex a;
    pawl::rmutex b;
    pawl::rwlock c;
    std::lock(a, b, c);
    a.unlock();
    b.unlock();
    c.unlock();
#if __cplusplus >= 201703L
    std::scoped_lock hold(a, b, c);
#endif
}

} // namespace

int main()
{
    every_initialiser local;

    c_functions(&global);
    c_functions(&local);
    excludes<pawl::mutex>();
    excludes<pawl::rmutex>();
    excludes<pawl::rwlock>();
    refuses_others<pawl::mutex>();
    refuses_others<pawl::rmutex>();
    refuses_others<pawl::rwlock>();
    errors_are_thrown();
    death_is_reported<pawl::mutex>();
    death_is_reported<pawl::rmutex>();
    death_is_reported<pawl::rwlock>();
    recursion();
    readers_share();
    dead_writer_makes_reader_a_writer();
    several_at_once();
    std::lock_guard<pawl::mutex> hold(global_mutex);
    return 0;
}
