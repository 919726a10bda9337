/* SPDX-License-Identifier: MIT
 *
 * print.c - lines of pawl/print.h.
 */
#include <pawl/print.h>

#include <errno.h>
#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

_Static_assert(PAWL_LINE_MAX <= PIPE_BUF, "a pipe takes a line at once");

static int write_all(int fd, const char *text, size_t size)
{
    while (size > 0) {
        ssize_t n = write(fd, text, size);

        if (n < 0 && errno != EINTR)
            return -errno;
        if (n > 0) {
            text += n;
            size -= (size_t)n;
        }
    }
    return 0;
}

int pawl_print_line(int fd, const char *format, ...)
{
    static const char cut[] = "...\n";
    char line[PAWL_LINE_MAX];
    int before = errno;
    va_list arguments;
    int size;
    int err;

    va_start(arguments, format);
    size = vsnprintf(line, sizeof line, format, arguments);
    va_end(arguments);
    if (size < 0) {
        err = -EINVAL;
    } else if (size < (int)sizeof line) {
        line[size] = '\n'; /* in place of the 0 */
        err = write_all(fd, line, (size_t)size + 1);
    } else {
        memcpy(line + sizeof line - (sizeof cut - 1), cut, sizeof cut - 1);
        err = write_all(fd, line, sizeof line);
    }
    errno = before;
    return err;
}
