/* SPDX-License-Identifier: MIT
 *
 * pawl/object.h - objects in a region that are found by name.
 *
 *     struct tally {
 *         pawl_mutex lock;
 *         long count;
 *     };
 *     pawl_object o = {.name = "tally", .type = 0x74616c79, .version = 1,
 *                      .bytes = sizeof(struct tally)};
 *     struct tally *t;
 *
 *     pawl_object_open(region, &o, init_tally, NULL, (void **)&t);
 *
 * The type is a number of the user's, the version that of its layout: both must be
 * the same when an object is found, so that programs that do not fit together
 * notice.
 *
 * Death       a process killed at any instruction of these functions leaves the name
 *   there, with an object that is whole, or not there, and then without memory.
 * Progress    find: lock-free.  The others: blocking, under a lock of the directory;
 *   one whose holder died is taken over, one whose holder is stopped is waited for.
 * Cost        a comparison for each name of the region.
 * Errors      all: -EINVAL no name, an empty one, or one of more than
 *   PAWL_REGION_KEY_MAX bytes;  -EBADF the region is closed;  -EAGAIN, -ENOMEM as
 *   pawl_region_join (not find).
 *
 * Since 0.1.
 */
#ifndef PAWL_OBJECT_H
#define PAWL_OBJECT_H

#include <pawl/base.h>
#include <pawl/region.h>

PAWL_BEGIN_DECLS

typedef struct pawl_object {
    const char *name;
    uint32_t type;
    uint32_t version;
    size_t bytes; /* find: written */
} pawl_object;

/* Objects begin at a multiple of this, as rings and queues demand. */
#define PAWL_OBJECT_ALIGN 128

/* Initialise an object, whose bytes are zero: return 0, or an error that ends its
 * creation.  Called under the directory's lock: may find, but create and remove are
 * -EDEADLK.  Nobody sees the object before it has returned. */
typedef int (*pawl_object_init_fn)(void *memory, size_t bytes, void *context);

/* Make an object; init may be NULL.
 *
 * Returns    0, and its address in *memory;  -EEXIST there is that name;  -ENOSPC
 *            too many names, or no memory;  -EINVAL also for bytes that are 0 or
 *            more than PAWL_REGION_BYTES_MAX;  -EDEADLK from an init function;
 *            what init returned.
 * Order      release.
 */
PAWL_API int pawl_object_create(pawl_region *region, const pawl_object *object,
                                pawl_object_init_fn init, void *context,
                                void **memory);

/* Find an object: name, type and version are the caller's.
 *
 * Returns    0, its address in *memory and object->bytes;  -ENOENT there is none;
 *            -EINVAL also for one of another type or version.
 * Order      acquire: sees all that init did.
 */
PAWL_API int pawl_object_find(pawl_region *region, pawl_object *object,
                              void **memory);

/* Find it, or make it; race-free.  Returns 0 found;  1 made;  the errors of both
 * but -ENOENT and -EEXIST. */
PAWL_API int pawl_object_open(pawl_region *region, pawl_object *object,
                              pawl_object_init_fn init, void *context,
                              void **memory);

/* Remove the name and free the object.  Nobody may use it any more.
 *
 * Returns    0;  -ENOENT there is none;  -EDEADLK from an init function.
 */
PAWL_API int pawl_object_remove(pawl_region *region, const char *name);

PAWL_END_DECLS

#endif /* PAWL_OBJECT_H */
