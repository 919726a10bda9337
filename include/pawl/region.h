/* SPDX-License-Identifier: MIT
 *
 * pawl/region.h - memory that several processes share, and who takes part in it.
 *
 *     pawl_region *r;
 *
 *     pawl_region_create(&r, &(pawl_region_options){
 *         .name = "orders", .buffer = 1 << 20});
 *     pawl_region_attach(&r, "orders");            another process
 *
 * A region is a file in memory: anonymous (memfd), to be inherited by fork or
 * handed on as a descriptor, or with a name under which others find it.  Each
 * process maps it where there is room, so what lies in it holds no addresses but
 * offsets from its beginning.
 *
 *   +--------+----------+-----------------+---------+-----------------+
 *   | header | slots of | names           | buffer  | heap            |
 *   |        | threads  | (pawl/object.h) | (plain) | (pawl/memory.h) |
 *   +--------+----------+-----------------+---------+-----------------+
 *
 * Threads     A thread that takes part has a slot, with a lifeline that the
 *   kernel marks when the thread ends in whatever way.  So the others know for
 *   certain, without asking twice, whether it lives: a process that is stopped is
 *   never taken for dead.  What it was in the middle of is undone or completed by
 *   the next who needs its slot, or by pawl_region_recover.  The child of a fork
 *   is another participant.
 * Death       a process may be killed at any instruction of any function here:
 *   the others find the region as if the call had not begun, or as if it had
 *   ended.  A region that is killed while it is made never appears.
 * Lifetime    anonymous: until the last process that has it ends.  Named: until
 *   pawl_region_unlink, and then the same.  Owned: the name goes with the process
 *   that made it, however that ends.  Nothing else is removed by itself.
 * Trust       processes that share a region trust each other; what is checked is
 *   that a file is a region, whole, and of a layout that this library knows.  An
 *   anonymous one cannot be truncated; one with a name can, by its owner, and then
 *   touching it is SIGBUS.
 *
 * Functions may be called by several threads at once unless they say otherwise;
 * none in signal handlers.
 *
 * Since 0.1.
 */
#ifndef PAWL_REGION_H
#define PAWL_REGION_H

#include <pawl/base.h>

PAWL_BEGIN_DECLS

/* A process's view of a region: on the heap of the process, inherited by fork. */
typedef struct pawl_region pawl_region;

/* What is not said is 0. */
typedef struct pawl_region_options {
    const char *name; /* NULL: anonymous */
    size_t heap;      /* bytes for pawl/memory.h; rounded up to whole pages */
    size_t buffer;    /* bytes of plain memory: see pawl_region_buffer */
    uint32_t participants; /* threads at one time, at most 4096; 0 means 64 */
    uint32_t names;        /* of pawl/object.h, at most 65536; 0 means 64 */
    unsigned flags;
} pawl_region_options;

enum {
    /* Memory is taken from the system when it is first used, not at once: a
     * machine that has none left then kills the process (SIGBUS). */
    PAWL_REGION_SPARSE = 1 << 0,
    /* The name belongs to the process that makes the region, and goes when that
     * closes it, or ends: also by SIGKILL, and by exec.  Who has the region then
     * keeps it, and with the last of them its memory is free.  Found by processes
     * of the same user in the same PID namespace. */
    PAWL_REGION_OWNED = 1 << 1,
};

/* The greatest sizes, and the longest names, without terminator: of a region, and
 * of an object in it. */
#define PAWL_REGION_BYTES_MAX (UINT64_C(1) << 40)
#define PAWL_REGION_NAME_MAX 200
#define PAWL_REGION_KEY_MAX 63

/* ---- making one, and finding one ------------------------------------------ */

/* Make a region; all its memory is zero.  A name appears when it is complete, and
 * is taken by nobody else: of several who make it at once, one succeeds.
 *
 * Returns    0, and the region in *region;  -EINVAL a size, number or flag out of
 *            its bounds, owned without a name, or an impossible name (empty, with
 *            '/', "." or "..", too long);  -EEXIST the name is taken;  -ENOSPC,
 *            -ENOMEM no memory;  -EMFILE, -ENFILE, -EACCES as the kernel has it;
 *            -EOPNOTSUPP owned, and /proc is not there; named, and /dev/shm is not.
 */
PAWL_API int pawl_region_create(pawl_region **region,
                                const pawl_region_options *options);

/* Map the region with that name, or of that descriptor, which stays the caller's.
 *
 * Returns    0;  -ENOENT there is no such name;  -EINVAL an impossible name, or no
 *            region of a layout that this library knows: another file, another
 *            version, truncated, garbage;  -EBADF no descriptor;  -EACCES also: owned by
 *            a process that cannot be looked at from here;  -ENOMEM, -EMFILE,
 *            -ENFILE as the kernel has it.
 */
PAWL_API int pawl_region_attach(pawl_region **region, const char *name);
PAWL_API int pawl_region_attach_fd(pawl_region **region, int fd);

/* Attach the region options->name, or make it if there is none; race-free.  One
 * that is there stays as it is, whatever the options.
 *
 * Returns    0 attached;  1 made;  the errors of both but -ENOENT and -EEXIST.
 */
PAWL_API int pawl_region_open(pawl_region **region,
                              const pawl_region_options *options);

/* Send the region over a Unix socket, and receive it at the other end.
 *
 * Returns    0;  receive: -ESHUTDOWN the other end is closed, -EINVAL what came is
 *            no region, and the errors of attach_fd, of which -EMFILE leaves what
 *            was sent to be received later;  -EBADF the region is closed;  else as
 *            sendmsg and recvmsg have it (-EAGAIN, -EPIPE, ...; there is no
 *            SIGPIPE).
 */
PAWL_API int pawl_region_send(const pawl_region *region, int socket);
PAWL_API int pawl_region_receive(pawl_region **region, int socket);

/* ---- the end --------------------------------------------------------------- */

/* Unmap the region here; other processes, and other mappings of this one, are not
 * affected.  With the last mapping of this process the calling thread leaves the
 * region; what other threads hold in it stays theirs until they end.  Idempotent.
 *
 * Returns    0.
 * Contexts   no thread of this process uses this mapping.
 */
PAWL_API int pawl_region_close(pawl_region *region);
/* Close it if need be, and free the handle; NULL is legal. */
PAWL_API void pawl_region_free(pawl_region *region);

/* Remove the name.  Those who have the region keep it.
 *
 * Returns    0;  -ENOENT there is none;  -EINVAL an impossible name, or a folder has
 *            it;  -EACCES it is another user's.
 */
PAWL_API int pawl_region_unlink(const char *name);

/* ---- what it is ------------------------------------------------------------ */

/* Where the region begins here and how many bytes it has; NULL, 0 when closed. */
PAWL_API void *pawl_region_base(const pawl_region *region);
PAWL_API size_t pawl_region_bytes(const pawl_region *region);

/* The buffer of the options, aligned to a page, with exactly the bytes asked for;
 * NULL, 0 when closed, or if there is none.  *bytes may be NULL. */
PAWL_API void *pawl_region_buffer(const pawl_region *region, size_t *bytes);

/* The name it was made with, "" if anonymous; NULL when closed. */
PAWL_API const char *pawl_region_name(const pawl_region *region);

/* The descriptor, close-on-exec, which belongs to the region.  -EBADF when closed. */
PAWL_API int pawl_region_fd(const pawl_region *region);

/* ---- who takes part -------------------------------------------------------- */

/* The caller's id in this region; takes a slot if it has none.
 *
 * Returns    the id, > 0;  -EAGAIN as many threads as `participants` take part
 *            and live;  -EBADF closed;  -ENOMEM libc is out of memory.
 */
PAWL_API int pawl_region_join(pawl_region *region);

/* Give the caller's slot back before the thread ends; what it holds is repaired as
 * if it had died.  Returns 0;  -ENOENT it has none;  -EBADF closed. */
PAWL_API int pawl_region_leave(pawl_region *region);

/* Whether the participant lives; false is final.  An id comes back after 261,000
 * threads in the same slot.  False when closed.
 *
 * Order      false: all that the thread did is visible.
 * Progress   wait-free.
 */
PAWL_API bool pawl_region_is_alive(const pawl_region *region, int id);

/* How many participants live. */
PAWL_API uint32_t pawl_region_participants(const pawl_region *region);

/* Repair what the dead were in the middle of, and free what was theirs.
 *
 * Returns    how many slots became free by that;  -EBADF closed.
 */
PAWL_API int pawl_region_recover(pawl_region *region);

PAWL_END_DECLS

#endif /* PAWL_REGION_H */
