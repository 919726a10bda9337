/* SPDX-License-Identifier: MIT
 *
 * pawl/error.h - how pawl reports errors.
 *
 * A function that can fail returns 0, or a documented value >= 0, on success,
 * and a negative errno constant on failure.  `errno` is neither read nor set.
 * A failed call leaves the object as it was.  The same number means the same
 * thing everywhere:
 *
 *   -EAGAIN           a try_ form would have had to wait
 *   -ETIMEDOUT        the deadline has passed; nothing happened
 *   -EDEADLK          the caller would wait for itself
 *   -EPERM            the caller does not hold what it releases or waits on
 *   -EOVERFLOW        a counter would leave its bound; nothing was added
 *   -ECANCELED        what was waited for was called off
 *   -EOWNERDEAD       acquired; the last holder died holding it
 *   -ENOTRECOVERABLE  nobody repaired it after -EOWNERDEAD; init it again
 *   -EBUSY            somebody holds it or waits on it
 *   -EALREADY         it has happened already
 *   -EBADF            there is no such descriptor, or none any more
 *   -EMFILE, -ENFILE  the process, the system has too many descriptors
 *   -EOPNOTSUPP       this object, kernel or build cannot do that
 *   -ESRCH            it was never started
 *   -ECHILD           it stayed behind in a fork, or is no child of the caller;
 *                     or its status was taken by somebody else
 *   -EEXIST           there is one of this name
 *   -EMSGSIZE         more than can be passed
 *   -EACCES, -ENOEXEC the program may not, or cannot, be executed
 *   -ESHUTDOWN        orderly end: nothing more is accepted, or will come
 *   -ENOENT           it is not there
 *   -ENOMEM           no memory, or no block of it, is left
 *   -ENOSPC           the memory that was given is too small
 *   -EINVAL           an argument is outside its domain
 *
 * A system call that a kernel lacks or a sandbox forbids is replaced by another.  Where
 * none can take its place, what needs it returns -ENOSYS, or -EPERM as the sandbox says.
 *
 * Since 0.1.
 */
#ifndef PAWL_ERROR_H
#define PAWL_ERROR_H

#include <errno.h>

#include <pawl/base.h>

PAWL_BEGIN_DECLS

/* The symbolic name of a code, of either sign: "EOWNERDEAD" for -EOWNERDEAD.
 *
 * Returns    a string that lives for ever; "0" for 0, "E?" for a number that
 *            no function of pawl returns by itself.
 * Contexts   any, signal handlers included.
 */
PAWL_API const char *pawl_errname(int err);

PAWL_END_DECLS

#endif /* PAWL_ERROR_H */
