/* SPDX-License-Identifier: MIT
 *
 * pawl/local.h - a value of each thread's own, with an initialiser and a
 * destructor.
 *
 *     static pawl_local buffers = PAWL_LOCAL_INIT(make_buffer, free_buffer, NULL);
 *
 *     void *buffer;
 *
 *     if (pawl_local_get(&buffers, &buffer) == 0)
 *         use(buffer);
 *
 * For data of the program, `_Thread_local` does; this is for libraries and for
 * many instances, and for what has to be destroyed when a thread ends.  Threads
 * that pawl did not start have values too.
 *
 * Destructors run when the thread ends, before it counts as ended: in reverse
 * order of the first use of the values.  Values that they make are destroyed in
 * another round, at most four rounds in all.  They do not run for the main thread
 * when the program ends, nor for threads that it does not wait for.
 *
 * Fork        the child has the values of the thread that forked, and no others;
 *   those of other threads are not destroyed.
 *
 * Since 0.1.
 */
#ifndef PAWL_LOCAL_H
#define PAWL_LOCAL_H

#include <pawl/base.h>

PAWL_BEGIN_DECLS

/* Make the value of the calling thread.  Returns 0, or a negative errno, which
 * pawl_local_get returns then. */
typedef int (*pawl_local_make_fn)(void **value, void *context);
/* Destroy a value, in its thread. */
typedef void (*pawl_local_destroy_fn)(void *value, void *context);

/* All zero bytes is a valid local without either. */
typedef struct pawl_local {
    pawl_u64 key_; /* given by the first set; 0: none */
    pawl_local_make_fn make_;
    pawl_local_destroy_fn destroy_;
    void *context_;
} pawl_local;

#define PAWL_LOCAL_INIT(make, destroy, context)                                \
    {                                                                          \
        {0}, make, destroy, context                                            \
    }

/* Locals that have a value in any thread, at one time. */
#define PAWL_LOCAL_MAX 1024

/* make, destroy: may be NULL. */
PAWL_API void pawl_local_init(pawl_local *l, pawl_local_make_fn make,
                              pawl_local_destroy_fn destroy, void *context);

/* Forget it, and all values of it, without destroying them: whoever ends a local
 * sees to that first.  Nobody uses it meanwhile. */
PAWL_API void pawl_local_destroy(pawl_local *l);

/* The calling thread's value; if it has none, the initialiser makes it.
 *
 * Returns    0;  -ENOENT there is none, and no initialiser;  what that returns;
 *            -EAGAIN PAWL_LOCAL_MAX locals;  -ENOMEM.
 * Cost       a few loads, if there is one. */
PAWL_API PAWL_NODISCARD int pawl_local_get(pawl_local *l, void **value);

/* Make this the calling thread's value; one from before is not destroyed.
 *
 * Returns    0;  -EAGAIN, -ENOMEM as get. */
PAWL_API int pawl_local_set(pawl_local *l, void *value);

/* The calling thread has none any more; it is not destroyed.  Returns 0;  -ENOENT
 * there was none. */
PAWL_API int pawl_local_clear(pawl_local *l);

PAWL_END_DECLS

#endif /* PAWL_LOCAL_H */
