/* SPDX-License-Identifier: MIT
 *
 * pawl/base.h - what every other header needs: export and attribute macros,
 * flags, and the two word types that all shared state is made of.
 *
 * Since 0.1.
 */
#ifndef PAWL_BASE_H
#define PAWL_BASE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define PAWL_VERSION_MAJOR 0
#define PAWL_VERSION_MINOR 1
#define PAWL_VERSION_PATCH 0

#ifdef __cplusplus
#define PAWL_BEGIN_DECLS extern "C" {
#define PAWL_END_DECLS }
#else
#define PAWL_BEGIN_DECLS
#define PAWL_END_DECLS
#endif

/* For the initialisers: a cast that -Wold-style-cast accepts. */
#ifdef __cplusplus
#define PAWL_CAST_(type, value) static_cast<type>(value)
#else
#define PAWL_CAST_(type, value) ((type)(value))
#endif

/* Visible outside the library.  The library is compiled with hidden
 * visibility, and cmake/pawl.map lists the same names once more. */
#define PAWL_API __attribute__((visibility("default")))

/* The result decides whether a lock is held or a permit was taken. */
#define PAWL_NODISCARD __attribute__((warn_unused_result))

/* Clang's -Wthread-safety.  A lock function that returns 0 or -EOWNERDEAD has
 * acquired: the analysis can only express "0", so the annotation stands on the
 * types and on the unlock side, and `PAWL_TRY_ACQUIRE_` on the lock side. */
#if defined(__clang__)
#define PAWL_TSA_(x) __attribute__((x))
#else
#define PAWL_TSA_(x)
#endif
#define PAWL_CAPABILITY_(name) PAWL_TSA_(capability(name))
#define PAWL_ACQUIRE_IF_ZERO_(...)                                             \
    PAWL_TSA_(try_acquire_capability(0, __VA_ARGS__))
#define PAWL_ACQUIRE_SHARED_IF_ZERO_(...)                                      \
    PAWL_TSA_(try_acquire_shared_capability(0, __VA_ARGS__))
#define PAWL_RELEASE_(...) PAWL_TSA_(release_capability(__VA_ARGS__))
#define PAWL_RELEASE_SHARED_(...)                                              \
    PAWL_TSA_(release_shared_capability(__VA_ARGS__))
#define PAWL_REQUIRES_(...) PAWL_TSA_(requires_capability(__VA_ARGS__))
#define PAWL_NO_TSA_ PAWL_TSA_(no_thread_safety_analysis)

/* For the user's own data: `int balance PAWL_GUARDED_BY(lock);`.  Naming a
 * sibling member is an error in clang before 19. */
#if defined(__clang__) && (__clang_major__ >= 19 || defined(__cplusplus))
#define PAWL_GUARDED_BY(lock) __attribute__((guarded_by(lock)))
#else
#define PAWL_GUARDED_BY(lock)
#endif

/* Flags of every init function; an unknown bit is -EINVAL. */
enum {
    PAWL_LOCAL = 0,     /* used by the threads of one process (the default) */
    PAWL_SHARED = 1,    /* lies in memory that several processes map */
    PAWL_OWNERLESS = 2, /* mutex only: any thread may release it */
    PAWL_UNBOUNDED = 4, /* queue and deque only: grows on the heap */
};

/* All shared state is made of these.  They are structs, so that `if (m->word)`
 * and `m->word = 0` do not compile: every access goes through a named operation
 * of the library, which states its memory order. */
typedef struct pawl_u32 {
    uint32_t v_;
} pawl_u32;

typedef struct pawl_u64 {
    uint64_t v_;
} pawl_u64;

PAWL_BEGIN_DECLS

/* The version of the library that is running, as major * 10000 + minor * 100 +
 * patch; compare with the PAWL_VERSION_ macros it was compiled against. */
PAWL_API unsigned pawl_version(void);

PAWL_END_DECLS

#endif /* PAWL_BASE_H */
