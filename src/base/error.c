/* SPDX-License-Identifier: MIT
 *
 * error.c - names of error codes, and the version.
 */
#include <pawl/error.h>

/* Every code that some function of pawl returns, and no other. */
#define ERRORS(X)                                                              \
    X(EACCES)                                                                  \
    X(EAGAIN)                                                                  \
    X(EALREADY)                                                                \
    X(EBADF)                                                                   \
    X(EBUSY)                                                                   \
    X(ECANCELED)                                                               \
    X(ECHILD)                                                                  \
    X(EDEADLK)                                                                 \
    X(EEXIST)                                                                  \
    X(EINVAL)                                                                  \
    X(EMFILE)                                                                  \
    X(EMSGSIZE)                                                                \
    X(ENFILE)                                                                  \
    X(ENOENT)                                                                  \
    X(ENOEXEC)                                                                 \
    X(ENOMEM)                                                                  \
    X(ENOSPC)                                                                  \
    X(ENOTRECOVERABLE)                                                         \
    X(EOPNOTSUPP)                                                              \
    X(EOVERFLOW)                                                               \
    X(EOWNERDEAD)                                                              \
    X(EPERM)                                                                   \
    X(EPIPE)                                                                   \
    X(ERANGE)                                                                  \
    X(ESHUTDOWN)                                                               \
    X(ESRCH)                                                                   \
    X(ETIMEDOUT)

const char *pawl_errname(int err)
{
    switch (err < 0 ? err : -err) {
    case 0:
        return "0";
#define NAME(code)                                                             \
    case -code:                                                                \
        return #code;
        ERRORS(NAME)
#undef NAME
    default:
        return "E?";
    }
}

unsigned pawl_version(void)
{
    return PAWL_VERSION_MAJOR * 10000 + PAWL_VERSION_MINOR * 100 +
           PAWL_VERSION_PATCH;
}
