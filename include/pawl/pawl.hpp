/* SPDX-License-Identifier: MIT
 *
 * pawl/pawl.hpp - pawl's locks for C++11 and later.
 *
 * Thin: each class is its C object and nothing else, so that it may lie in
 * shared memory as well (say PAWL_SHARED).  They satisfy TimedLockable, and
 * rwlock SharedTimedLockable too: use them with std::lock_guard,
 * std::unique_lock, std::shared_lock and std::scoped_lock.
 *
 *     pawl::mutex m;
 *     std::lock_guard<pawl::mutex> hold(m);
 *
 * An error is thrown as std::system_error with the positive errno, but for two:
 * -EAGAIN and -ETIMEDOUT make a try_ function return false; and -EOWNERDEAD,
 * after which the lock *is* held, makes owner_died() true until consistent().
 *
 * Since 0.1.
 */
#ifndef PAWL_PAWL_HPP
#define PAWL_PAWL_HPP

#include <chrono>
#include <limits>
#include <system_error>

#include <pawl/error.h>
#include <pawl/mutex.h>
#include <pawl/rmutex.h>
#include <pawl/rwlock.h>
#include <pawl/time.h>

namespace pawl
{

namespace detail
{

[[noreturn]] inline void raise(int err, const char *what)
{
    throw std::system_error(-err, std::generic_category(), what);
}

/* For calls that must succeed. */
inline void must(int err, const char *what)
{
    if (err < 0)
        raise(err, what);
}

/* For locks: held, unless this throws. */
inline void must_hold(int err, const char *what)
{
    if (err < 0 && err != -EOWNERDEAD)
        raise(err, what);
}

/* For try_ forms: whether it is held. */
inline bool holds(int err, const char *what)
{
    if (err == -EAGAIN || err == -ETIMEDOUT)
        return false;
    must_hold(err, what);
    return true;
}

/* Nanoseconds, rounded up, so that a wait is never too short; PAWL_FOREVER if
 * there are too many. */
template <class Rep, class Period>
int64_t nanoseconds(const std::chrono::duration<Rep, Period> &d)
{
    using std::chrono::duration_cast;
    typedef std::chrono::duration<double, std::nano> approximate;

    if (duration_cast<approximate>(d).count() >= 9e18)
        return PAWL_FOREVER;
    std::chrono::nanoseconds ns = duration_cast<std::chrono::nanoseconds>(d);
    if (ns < d)
        ns += std::chrono::nanoseconds(1);
    return ns.count();
}

/* steady_clock is CLOCK_MONOTONIC, the clock of pawl's deadlines. */
template <class Duration>
pawl_deadline deadline(
    const std::chrono::time_point<std::chrono::steady_clock, Duration> &t)
{
    return nanoseconds(t.time_since_epoch());
}

/* Other clocks may be set: the time left now is what counts. */
template <class Clock, class Duration>
pawl_deadline deadline(const std::chrono::time_point<Clock, Duration> &t)
{
    return pawl_after_ns(nanoseconds(t - Clock::now()));
}

template <class Rep, class Period>
pawl_deadline after(const std::chrono::duration<Rep, Period> &d)
{
    return pawl_after_ns(nanoseconds(d));
}

} // namespace detail

/* pawl_mutex.  Flags as in pawl_mutex_init. */
class PAWL_CAPABILITY_("mutex") mutex
{
  public:
    typedef pawl_mutex *native_handle_type;

    constexpr mutex() noexcept : mutex_() {}
    explicit mutex(unsigned flags) : mutex_()
    {
        detail::must(pawl_mutex_init(&mutex_, flags), "pawl_mutex_init");
    }
    mutex(const mutex &) = delete;
    mutex &operator=(const mutex &) = delete;

    void lock() PAWL_TSA_(acquire_capability()) PAWL_NO_TSA_
    {
        detail::must_hold(pawl_mutex_lock(&mutex_), "pawl_mutex_lock");
    }
    bool try_lock() PAWL_TSA_(try_acquire_capability(true)) PAWL_NO_TSA_
    {
        return detail::holds(pawl_mutex_try_lock(&mutex_),
                             "pawl_mutex_try_lock");
    }
    template <class Rep, class Period>
    bool try_lock_for(const std::chrono::duration<Rep, Period> &d)
        PAWL_TSA_(try_acquire_capability(true)) PAWL_NO_TSA_
    {
        return lock_by(detail::after(d));
    }
    template <class Clock, class Duration>
    bool try_lock_until(const std::chrono::time_point<Clock, Duration> &t)
        PAWL_TSA_(try_acquire_capability(true)) PAWL_NO_TSA_
    {
        return lock_by(detail::deadline(t));
    }
    void unlock() PAWL_TSA_(release_capability()) PAWL_NO_TSA_
    {
        detail::must(pawl_mutex_unlock(&mutex_), "pawl_mutex_unlock");
    }

    /* For the holder: whether the one before died holding it. */
    bool owner_died() const
    {
        return pawl_mutex_is_orphaned(&mutex_);
    }
    /* The data are repaired. */
    void consistent()
    {
        detail::must(pawl_mutex_consistent(&mutex_), "pawl_mutex_consistent");
    }

    /* For the functions of pawl/mutex.h and pawl/cond.h. */
    native_handle_type native_handle()
    {
        return &mutex_;
    }

  private:
    bool lock_by(pawl_deadline until) PAWL_NO_TSA_
    {
        return detail::holds(pawl_mutex_lock_until(&mutex_, until),
                             "pawl_mutex_lock_until");
    }

    pawl_mutex mutex_;
};

/* pawl_rmutex: its holder may lock it again. */
class PAWL_CAPABILITY_("rmutex") rmutex
{
  public:
    typedef pawl_rmutex *native_handle_type;

    constexpr rmutex() noexcept : rmutex_() {}
    explicit rmutex(unsigned flags) : rmutex_()
    {
        detail::must(pawl_rmutex_init(&rmutex_, flags), "pawl_rmutex_init");
    }
    rmutex(const rmutex &) = delete;
    rmutex &operator=(const rmutex &) = delete;

    void lock()
    {
        detail::must_hold(pawl_rmutex_lock(&rmutex_), "pawl_rmutex_lock");
    }
    bool try_lock()
    {
        return detail::holds(pawl_rmutex_try_lock(&rmutex_),
                             "pawl_rmutex_try_lock");
    }
    template <class Rep, class Period>
    bool try_lock_for(const std::chrono::duration<Rep, Period> &d)
    {
        return lock_by(detail::after(d));
    }
    template <class Clock, class Duration>
    bool try_lock_until(const std::chrono::time_point<Clock, Duration> &t)
    {
        return lock_by(detail::deadline(t));
    }
    void unlock()
    {
        detail::must(pawl_rmutex_unlock(&rmutex_), "pawl_rmutex_unlock");
    }

    bool owner_died() const
    {
        return pawl_mutex_is_orphaned(&rmutex_.base);
    }
    void consistent()
    {
        detail::must(pawl_rmutex_consistent(&rmutex_),
                     "pawl_rmutex_consistent");
    }

    native_handle_type native_handle()
    {
        return &rmutex_;
    }

  private:
    bool lock_by(pawl_deadline until)
    {
        return detail::holds(pawl_rmutex_lock_until(&rmutex_, until),
                             "pawl_rmutex_lock_until");
    }

    pawl_rmutex rmutex_;
};

/* pawl_rwlock.  When a writer has died, lock_shared too gets the lock for
 * writing, since repair needs exclusion; unlock_shared releases whatever its
 * caller has. */
class PAWL_CAPABILITY_("rwlock") rwlock
{
  public:
    typedef pawl_rwlock *native_handle_type;

    constexpr rwlock() noexcept : rwlock_(), owner_died_(false) {}
    explicit rwlock(unsigned flags) : rwlock_(), owner_died_(false)
    {
        detail::must(pawl_rwlock_init(&rwlock_, flags), "pawl_rwlock_init");
    }
    rwlock(const rwlock &) = delete;
    rwlock &operator=(const rwlock &) = delete;

    void lock() PAWL_TSA_(acquire_capability()) PAWL_NO_TSA_
    {
        detail::must_hold(noted(pawl_rwlock_write_lock(&rwlock_)),
                          "pawl_rwlock_write_lock");
    }
    bool try_lock() PAWL_TSA_(try_acquire_capability(true)) PAWL_NO_TSA_
    {
        return detail::holds(noted(pawl_rwlock_try_write_lock(&rwlock_)),
                             "pawl_rwlock_try_write_lock");
    }
    template <class Rep, class Period>
    bool try_lock_for(const std::chrono::duration<Rep, Period> &d)
        PAWL_TSA_(try_acquire_capability(true)) PAWL_NO_TSA_
    {
        return lock_by(detail::after(d));
    }
    template <class Clock, class Duration>
    bool try_lock_until(const std::chrono::time_point<Clock, Duration> &t)
        PAWL_TSA_(try_acquire_capability(true)) PAWL_NO_TSA_
    {
        return lock_by(detail::deadline(t));
    }
    void unlock() PAWL_TSA_(release_capability()) PAWL_NO_TSA_
    {
        detail::must(pawl_rwlock_write_unlock(&rwlock_),
                     "pawl_rwlock_write_unlock");
    }

    void lock_shared() PAWL_TSA_(acquire_shared_capability()) PAWL_NO_TSA_
    {
        detail::must_hold(noted(pawl_rwlock_read_lock(&rwlock_)),
                          "pawl_rwlock_read_lock");
    }
    bool try_lock_shared()
        PAWL_TSA_(try_acquire_shared_capability(true)) PAWL_NO_TSA_
    {
        return detail::holds(noted(pawl_rwlock_try_read_lock(&rwlock_)),
                             "pawl_rwlock_try_read_lock");
    }
    template <class Rep, class Period>
    bool try_lock_shared_for(const std::chrono::duration<Rep, Period> &d)
        PAWL_TSA_(try_acquire_shared_capability(true)) PAWL_NO_TSA_
    {
        return lock_shared_by(detail::after(d));
    }
    template <class Clock, class Duration>
    bool
    try_lock_shared_until(const std::chrono::time_point<Clock, Duration> &t)
        PAWL_TSA_(try_acquire_shared_capability(true)) PAWL_NO_TSA_
    {
        return lock_shared_by(detail::deadline(t));
    }
    void unlock_shared() PAWL_TSA_(release_shared_capability()) PAWL_NO_TSA_
    {
        if (pawl_rwlock_is_mine(&rwlock_))
            unlock();
        else
            detail::must(pawl_rwlock_read_unlock(&rwlock_),
                         "pawl_rwlock_read_unlock");
    }

    /* From writer to reader in one step: then unlock_shared is due. */
    void downgrade() PAWL_NO_TSA_
    {
        detail::must(pawl_rwlock_downgrade(&rwlock_), "pawl_rwlock_downgrade");
    }

    /* For the holder: whether the last writer died inside, in which case the
     * caller is the writer now. */
    bool owner_died() const
    {
        return owner_died_;
    }
    void consistent()
    {
        detail::must(pawl_rwlock_consistent(&rwlock_),
                     "pawl_rwlock_consistent");
        owner_died_ = false;
    }

    native_handle_type native_handle()
    {
        return &rwlock_;
    }

  private:
    bool lock_by(pawl_deadline until) PAWL_NO_TSA_
    {
        return detail::holds(
            noted(pawl_rwlock_write_lock_until(&rwlock_, until)),
            "pawl_rwlock_write_lock_until");
    }
    bool lock_shared_by(pawl_deadline until) PAWL_NO_TSA_
    {
        return detail::holds(noted(pawl_rwlock_read_lock_until(&rwlock_, until)),
                             "pawl_rwlock_read_lock_until");
    }
    int noted(int err)
    {
        if (err == -EOWNERDEAD)
            owner_died_ = true;
        return err;
    }

    pawl_rwlock rwlock_;
    bool owner_died_; /* written only while held for writing */
};

} // namespace pawl

#endif /* PAWL_PAWL_HPP */
