/* SPDX-License-Identifier: MIT
 *
 * region_name.c - the names of region_name.h.
 */
#include "process/region_name.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

enum { TEXT_BYTES = 96, PROC_BYTES = 64 };

/* Who has a descriptor: process numbers count within their namespace. */
struct owner {
    unsigned long long namespace;
    int pid;
    int fd;
};

int pawl_region_name_check(const char *name)
{
    size_t length = name != NULL ? strnlen(name, PAWL_REGION_NAME_MAX + 1) : 0;

    if (length == 0 || length > PAWL_REGION_NAME_MAX ||
        strchr(name, '/') != NULL || strcmp(name, ".") == 0 ||
        strcmp(name, "..") == 0)
        return -EINVAL;
    return 0;
}

static void path_of(const char *name, char path[PAWL_REGION_PATH])
{
    snprintf(path, PAWL_REGION_PATH, PAWL_REGION_FOLDER "%s", name);
}

/* ---- the text of a link ------------------------------------------------------ */

static int describe(int fd, struct owner *o)
{
    struct stat space;

    if (stat("/proc/self/ns/pid", &space) != 0)
        return -EOPNOTSUPP;
    *o = (struct owner){
        .namespace = space.st_ino, .pid = (int)getpid(), .fd = fd};
    return 0;
}

static void write_text(const struct owner *o, char text[TEXT_BYTES])
{
    snprintf(text, TEXT_BYTES, "pawl owned by %llu:%d:%d", o->namespace, o->pid,
             o->fd);
}

/* Returns  0 it is one of ours;  -EINVAL somebody else's;  -ENOENT no link, any more;
 *          as readlink. */
static int read_link(const char *path, struct owner *o)
{
    char text[TEXT_BYTES];
    char again[TEXT_BYTES];
    ssize_t n = readlink(path, text, sizeof text - 1);

    if (n < 0)
        return errno == EINVAL ? -ENOENT : -errno;
    text[n] = '\0';
    if (sscanf(text, "pawl owned by %llu:%d:%d", &o->namespace, &o->pid,
               &o->fd) != 3)
        return -EINVAL;
    write_text(o, again);
    return strcmp(text, again) == 0 ? 0 : -EINVAL;
}

/* Whether a process has ended, waited for or not. */
static bool has_ended(int pid)
{
    char path[PROC_BYTES];
    char text[512];
    const char *end;
    ssize_t n;
    int fd;

    snprintf(path, sizeof path, "/proc/%d/stat", pid);
    fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return errno == ENOENT || errno == ESRCH;
    n = read(fd, text, sizeof text - 1);
    if (n < 0)
        n = errno == ESRCH ? 0 : -1;
    close(fd);
    if (n <= 0)
        return n == 0;
    text[n] = '\0';
    end = strrchr(text, ')'); /* of its name; then the state */
    return end != NULL && (end[1] == '\0' || strchr("ZXx", end[2]) != NULL);
}

/* Why its descriptor cannot be looked at.  While a process ends, the kernel says that
 * this is not allowed. */
static int reason(const struct owner *o, int err)
{
    return (err == -EACCES || err == -ESRCH) && has_ended(o->pid) ? -ENOENT
                                                                  : err;
}

/* The owner's descriptor, once more.
 *
 * Returns    one;  -ENOENT the owner does not have it any more;  -EACCES it cannot
 *            be looked at from here;  as open. */
static int follow(const struct owner *o, const char *name,
                  pawl_region_bears_fn bears)
{
    char path[PROC_BYTES];
    struct owner me;
    struct stat file;
    int fd;

    if (describe(-1, &me) != 0 || me.namespace != o->namespace)
        return -EACCES;
    snprintf(path, sizeof path, "/proc/%d/fd/%d", o->pid, o->fd);
    if (stat(path, &file) != 0)
        return reason(o, -errno);
    if (!S_ISREG(file.st_mode)) /* another process by now; not to be opened */
        return -ENOENT;
    fd = open(path, O_RDWR | O_CLOEXEC | O_NONBLOCK);
    if (fd < 0)
        return reason(o, -errno);
    if (!bears(fd, name)) {
        close(fd);
        return -ENOENT;
    }
    return fd;
}

/* ---- taking away ---------------------------------------------------------------- */

static int lock_folder(void)
{
    int folder = open(PAWL_REGION_FOLDER, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

    while (folder >= 0 && flock(folder, LOCK_EX) != 0 && errno == EINTR)
        ;
    return folder; /* without it, those who collide are those who raced */
}

static void unlock_folder(int folder)
{
    if (folder >= 0)
        close(folder);
}

/* Take the link away if it names nothing.  Whether there is a place now. */
static bool clear(const char *path, const char *name,
                  pawl_region_bears_fn bears)
{
    int folder = lock_folder();
    struct owner o;
    int fd = -EACCES;

    if (read_link(path, &o) == 0)
        fd = follow(&o, name, bears);
    if (fd >= 0)
        close(fd);
    if (fd == -ENOENT && unlink(path) != 0 && errno != ENOENT)
        fd = -EACCES;
    unlock_folder(folder);
    return fd == -ENOENT;
}

int pawl_region_name_remove(const char *name)
{
    char path[PAWL_REGION_PATH];
    int folder;
    int err;

    path_of(name, path);
    folder = lock_folder();
    err = unlink(path) == 0 ? 0 : -errno;
    unlock_folder(folder);
    if (err == -EISDIR)
        return -EINVAL;
    /* Of another user: what a folder like this one says. */
    return err == -EPERM ? -EACCES : err;
}

void pawl_region_name_disown(int fd, const char *name)
{
    char path[PAWL_REGION_PATH];
    struct owner me;
    struct owner o;
    int folder;

    if (describe(fd, &me) != 0)
        return;
    path_of(name, path);
    folder = lock_folder();
    if (read_link(path, &o) == 0 && o.namespace == me.namespace &&
        o.pid == me.pid && o.fd == me.fd)
        (void)unlink(path);
    unlock_folder(folder);
}

/* ---- giving ------------------------------------------------------------------------ */

int pawl_region_name_file(int fd, const char *name, const char *hidden,
                          pawl_region_bears_fn bears)
{
    char path[PAWL_REGION_PATH];
    char self[PROC_BYTES];
    int err;

    path_of(name, path);
    snprintf(self, sizeof self, "/proc/self/fd/%d", fd);
    do {
        if (hidden[0] != '\0')
            err = link(hidden, path);
        else
            err = linkat(AT_FDCWD, self, AT_FDCWD, path, AT_SYMLINK_FOLLOW);
        err = err == 0 ? 0 : -errno;
    } while (err == -EEXIST && clear(path, name, bears));
    return err;
}

int pawl_region_name_own(int fd, const char *name, pawl_region_bears_fn bears)
{
    char path[PAWL_REGION_PATH];
    char text[TEXT_BYTES];
    struct owner me;
    int err = describe(fd, &me);

    if (err != 0)
        return err;
    path_of(name, path);
    write_text(&me, text);
    do
        err = symlink(text, path) == 0 ? 0 : -errno;
    while (err == -EEXIST && clear(path, name, bears));
    return err;
}

/* ---- finding ----------------------------------------------------------------------- */

int pawl_region_name_open(const char *name, pawl_region_bears_fn bears)
{
    char path[PAWL_REGION_PATH];
    struct owner o;
    int fd;
    int err;

    path_of(name, path);
    for (;;) {
        /* Not waiting for whoever opens a pipe of that name. */
        fd = open(path, O_RDWR | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
        err = -errno;
        if (fd >= 0)
            return fd;
        if (err == -EISDIR || err == -ENXIO)
            return -EINVAL;
        if (err != -ELOOP)
            return err;
        err = read_link(path, &o);
        if (err == -ENOENT)
            continue;
        if (err != 0)
            return err;
        fd = follow(&o, name, bears);
        if (fd == -ENOENT)
            (void)clear(path, name, bears);
        return fd;
    }
}
