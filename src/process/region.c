/* SPDX-License-Identifier: MIT
 *
 * region.c - the file of a region: made, found, mapped, handed on.
 *
 * A file is complete before anybody can find it: it is made without a name and
 * linked to one by the last step, which the kernel refuses if the name exists.
 *
 * PAWL_FALLBACK, a list of words, forces what is done on systems that refuse:
 *
 *   memfd     memfd_create is refused: an unnamed file in /dev/shm
 *   tmpfile   O_TMPFILE is refused, or of no use, as without /proc: a file with a
 *             name nobody guesses, unlinked once it is open, or linked to the final
 *             name.  A process that is killed in between leaves it behind
 */
#include "process/region.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include <pawl/mutex.h>

#include "base/place.h"
#include "process/directory.h"
#include "process/heap.h"
#include "process/region_name.h"
#include "thread/exit.h"

#define MAGIC UINT64_C(0x6c7761702e6e6765) /* "egn.pawl" */
#define FOLDER PAWL_REGION_FOLDER

/* Number of the layout; another number for each change of anything that lies in
 * a region. */
#define LAYOUT 3

_Static_assert(sizeof(struct pawl_region_header) <= PAWL_REGION_PAGE,
               "the header has a page");

/* ---- layout ------------------------------------------------------------- */

int pawl_region_lay_out(const struct pawl_region_plan *plan,
                        struct pawl_region_map *map)
{
    uint64_t at = PAWL_REGION_PAGE;

    if (plan->participants == 0 || plan->participants > PAWL_SLOTS_MAX ||
        plan->names == 0 || plan->names > PAWL_NAMES_MAX ||
        plan->buffer_bytes > PAWL_REGION_BYTES_MAX ||
        plan->heap_pages > PAWL_REGION_BYTES_MAX / PAWL_REGION_PAGE)
        return -EINVAL;
    map->table = at;
    at += pawl_round_up(pawl_participants_bytes(plan->participants),
                        PAWL_REGION_PAGE);
    map->table_end = map->directory = at;
    at += pawl_directory_bytes(plan->names);
    map->index = at;
    at += pawl_heap_index_bytes(plan->heap_pages);
    map->buffer = at = pawl_round_up(at, PAWL_REGION_PAGE);
    at += pawl_round_up(plan->buffer_bytes, PAWL_REGION_PAGE);
    map->heap = at;
    map->bytes = at + plan->heap_pages * PAWL_REGION_PAGE;
    return 0;
}

int pawl_region_plan_of(const pawl_region_options *o,
                        struct pawl_region_plan *plan)
{
    const unsigned known = PAWL_REGION_SPARSE | PAWL_REGION_OWNED;

    if ((o->flags & ~known) != 0 ||
        ((o->flags & PAWL_REGION_OWNED) != 0 && o->name == NULL) ||
        o->heap > PAWL_REGION_BYTES_MAX)
        return -EINVAL;
    *plan = (struct pawl_region_plan){
        .buffer_bytes = o->buffer,
        .heap_pages =
            pawl_round_up(o->heap, PAWL_REGION_PAGE) / PAWL_REGION_PAGE,
        .participants = o->participants != 0 ? o->participants : 64,
        .names = o->names != 0 ? o->names : 64,
    };
    return 0;
}

static void view_at(pawl_region *r, void *memory,
                    const struct pawl_region_plan *plan)
{
    *r = (pawl_region){.base = memory, .plan = *plan, .fd = -1};
    pawl_region_lay_out(plan, &r->map);
    r->table = (struct pawl_participants *)(void *)(r->base + r->map.table);
    pawl_repair_with(PAWL_REPAIR_HEAP, pawl_heap_repair);
}

void pawl_region_view(pawl_region *r, struct pawl_participants *table)
{
    /* The table comes right behind the header. */
    struct pawl_region_header *h =
        (void *)((unsigned char *)table - PAWL_REGION_PAGE);

    view_at(r, h, &h->plan);
}

/* As FNV-1a, by words: tells a header from one that was damaged, not from one that
 * was made to deceive. */
uint64_t pawl_region_sum(const struct pawl_region_header *h)
{
    uint64_t word[offsetof(struct pawl_region_header, check) / 8];
    uint64_t sum = UINT64_C(0xcbf29ce484222325);

    memcpy(word, h, sizeof word);
    for (size_t i = 0; i < sizeof word / sizeof *word; i++)
        sum = (sum ^ word[i]) * UINT64_C(0x100000001b3);
    return sum;
}

int pawl_region_make_at(pawl_region *r, void *memory, size_t bytes,
                        const struct pawl_region_plan *plan, const char *name)
{
    struct pawl_region_header *h = memory;
    struct pawl_region_map map;
    int err = pawl_region_lay_out(plan, &map);

    if (err == 0)
        err = pawl_check_place(memory, PAWL_REGION_PAGE, bytes,
                               (int64_t)map.bytes);
    if (err != 0)
        return err;
    view_at(r, memory, plan);
    pawl_participants_init(r->table, plan->participants);
    h->layout = LAYOUT;
    h->bytes = map.bytes;
    h->plan = *plan;
    if (name != NULL)
        strcpy(h->name, name);
    h->magic = MAGIC;
    h->check = pawl_region_sum(h);
    return 0;
}

/* Whether a header describes a region of so many bytes. */
static bool is_region(const struct pawl_region_header *h, uint64_t bytes)
{
    struct pawl_region_map map;

    return h->magic == MAGIC && h->layout == LAYOUT &&
           h->check == pawl_region_sum(h) &&
           pawl_region_lay_out(&h->plan, &map) == 0 && h->bytes == map.bytes &&
           bytes == map.bytes && memchr(h->name, '\0', sizeof h->name) != NULL;
}

int pawl_region_find_at(pawl_region *r, void *memory, size_t bytes)
{
    if (!pawl_is_place(memory, PAWL_REGION_PAGE, bytes, PAWL_REGION_PAGE) ||
        !is_region(memory, bytes))
        return -EINVAL;
    view_at(r, memory, &((struct pawl_region_header *)memory)->plan);
    return 0;
}

/* ---- the regions of this process ---------------------------------------- */

/* The kernel, and libc, follow the lifelines of a thread until it ends.  So when
 * a mapping is closed, its table of participants stays as long as a thread of
 * this process that lives may have its lifeline there. */
struct relic {
    struct relic *next;
    unsigned char *base;
    size_t bytes;
    struct pawl_realm realm; /* without objects, but with who takes part */
};

static pawl_mutex list_lock; /* of both lists */
static pawl_region *regions;
static struct relic *relics;

static void lock_lists(void)
{
    /* A fork may have left it behind.  Both lists are whole after each store. */
    if (pawl_mutex_lock(&list_lock) == -EOWNERDEAD)
        pawl_mutex_consistent(&list_lock);
}

static void enlist(pawl_region *r)
{
    lock_lists();
    r->next = regions;
    regions = r;
    pawl_mutex_unlock(&list_lock);
    r->realm = (struct pawl_realm){.base = (uintptr_t)r->base,
                                   .bytes = (size_t)r->map.bytes,
                                   .table = r->table};
    pawl_realm_begin(&r->realm);
}

/* Whether that was the last mapping of this region. */
static bool delist(pawl_region *r)
{
    bool last = true;
    pawl_region **x = &regions;

    pawl_realm_end(&r->realm);
    lock_lists();
    while (*x != NULL) {
        if (*x == r) {
            *x = r->next;
            continue;
        }
        last = last && ((*x)->device != r->device || (*x)->number != r->number);
        x = &(*x)->next;
    }
    pawl_mutex_unlock(&list_lock);
    return last;
}

/* ---- owned ones --------------------------------------------------------------- */

/* In the child of a fork the name is its parent's, and stays. */
static void disown(pawl_region *r)
{
    if (r->owned)
        pawl_region_name_disown(r->fd, pawl_region_name(r));
    r->owned = false;
}

/* At the end of the program; a process that is killed leaves a link that names
 * nothing. */
static bool disown_all(pawl_deadline until)
{
    (void)until;
    lock_lists();
    for (pawl_region *r = regions; r != NULL; r = r->next)
        disown(r);
    pawl_mutex_unlock(&list_lock);
    return false;
}

static struct pawl_exit_hook owned_hook = {.run = disown_all,
                                           .phase = PAWL_EXIT_REGIONS};

/* ---- mappings ------------------------------------------------------------------ */

/* Unmap the relics that are no longer needed. */
static void clear_relics(void)
{
    struct relic **x = &relics;

    lock_lists();
    while (*x != NULL) {
        struct relic *gone = *x;

        if (pawl_participants_here((void *)(gone->base + PAWL_REGION_PAGE))) {
            x = &gone->next;
            continue;
        }
        *x = gone->next;
        pawl_realm_end(&gone->realm);
        munmap(gone->base, gone->bytes);
        free(gone);
    }
    pawl_mutex_unlock(&list_lock);
}

static void unmap(pawl_region *r)
{
    size_t kept = 0;

    if (pawl_participants_here(r->table)) {
        struct relic *x = malloc(sizeof *x);

        kept = (size_t)r->map.table_end;
        if (x != NULL) { /* else it stays mapped, unremembered */
            *x = (struct relic){
                .base = r->base, .bytes = kept, .realm.table = r->table};
            pawl_realm_begin(&x->realm);
            lock_lists();
            x->next = relics;
            relics = x;
            pawl_mutex_unlock(&list_lock);
        }
    }
    if (kept < r->map.bytes)
        munmap(r->base + kept, (size_t)r->map.bytes - kept);
    clear_relics();
}

/* ---- files ------------------------------------------------------------------- */

static bool is_forced(const char *word)
{
    const char *list = getenv("PAWL_FALLBACK");

    return list != NULL && strstr(list, word) != NULL;
}

/* A file that nobody else knows.  *path is where it is, until the caller unlinks
 * it, or "" if it is nowhere. */
static int open_unnamed(char path[PAWL_REGION_PATH])
{
    const int mode = O_RDWR | O_CLOEXEC;
    /* By way of /proc it gets a name later. */
    bool can = !is_forced("tmpfile") && access("/proc/self/fd", F_OK) == 0;
    int fd = can ? open(FOLDER, mode | O_TMPFILE, 0600) : -1;

    path[0] = '\0';
    /* What file systems and kernels say that do not know it. */
    if (fd >= 0 || (can && errno != EOPNOTSUPP && errno != EISDIR &&
                    errno != ENOENT && errno != EINVAL && errno != ENOSYS &&
                    errno != EPERM))
        return fd >= 0 ? fd : -errno;
    for (;;) {
        struct timespec now;
        uint64_t random = 0;

        clock_gettime(CLOCK_MONOTONIC, &now);
        if (getrandom(&random, sizeof random, GRND_NONBLOCK) < 0)
            random = (uint64_t)now.tv_nsec << 32 ^ (uint64_t)getpid();
        snprintf(path, PAWL_REGION_PATH, FOLDER ".pawl-%d-%016llx", (int)getpid(),
                 (unsigned long long)random);
        fd = open(path, mode | O_CREAT | O_EXCL | O_NOFOLLOW, 0600);
        if (fd < 0 && errno == ENOENT)
            return -EOPNOTSUPP; /* no such folder */
        if (fd >= 0 || errno != EEXIST)
            return fd >= 0 ? fd : -errno;
    }
}

static int open_anonymous(char path[PAWL_REGION_PATH])
{
    int fd = -1;

    path[0] = '\0';
    errno = ENOSYS;
    if (!is_forced("memfd"))
        fd = memfd_create("pawl", MFD_CLOEXEC | MFD_ALLOW_SEALING);
    if (fd >= 0)
        return fd;
    if (errno != ENOSYS && errno != EPERM)
        return -errno;
    fd = open_unnamed(path);
    if (fd >= 0 && path[0] != '\0') {
        unlink(path);
        path[0] = '\0';
    }
    return fd;
}

/* The memory of each page, where the kernel does not give it at once. */
static int touch(int fd, uint64_t bytes)
{
    const uint64_t page = (uint64_t)sysconf(_SC_PAGESIZE);

    for (uint64_t at = 0; at < bytes; at += page)
        while (pwrite(fd, "", 1, (off_t)at) != 1)
            if (errno != EINTR)
                return -errno;
    return 0;
}

/* A longer file would be a signal that kills. */
static bool is_allowed(uint64_t bytes)
{
    struct rlimit limit;

    return getrlimit(RLIMIT_FSIZE, &limit) != 0 || bytes <= limit.rlim_cur;
}

/* So many zero bytes.  The memory itself, unless sparse: then there is no SIGBUS
 * when the machine has none left.  An anonymous file has no bound of its own, and
 * asking for more than there is would have the kernel kill somebody. */
static int set_size(int fd, uint64_t bytes, bool sparse)
{
    if (!sparse && bytes / (uint64_t)sysconf(_SC_PAGESIZE) >
                       (uint64_t)sysconf(_SC_PHYS_PAGES))
        return -ENOMEM;
    if (!is_allowed(bytes))
        return -ENOSPC;
    if (ftruncate(fd, (off_t)bytes) != 0)
        return errno == EFBIG ? -ENOSPC : -errno;
    if (sparse)
        return 0;
    while (fallocate(fd, 0, 0, (off_t)bytes) != 0) {
        if (errno == EOPNOTSUPP || errno == ENOSYS || errno == EPERM)
            return touch(fd, bytes);
        if (errno != EINTR)
            return -errno;
    }
    return 0;
}

/* For a name that may be the region's. */
static bool bears(int fd, const char *name)
{
    struct pawl_region_header h;
    struct stat file;

    return fstat(fd, &file) == 0 &&
           pread(fd, &h, sizeof h, 0) == (ssize_t)sizeof h &&
           is_region(&h, (uint64_t)file.st_size) && strcmp(h.name, name) == 0;
}

static int map_file(int fd, uint64_t bytes, void **memory)
{
    *memory =
        mmap(NULL, (size_t)bytes, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    return *memory != MAP_FAILED ? 0 : -errno;
}

/* A region that is mapped gets its file. */
static int take_over(pawl_region *r, int fd)
{
    struct stat file;

    if (fstat(fd, &file) != 0)
        return -errno;
    r->fd = fd;
    r->device = file.st_dev;
    r->number = file.st_ino;
    enlist(r);
    return 0;
}

static bool is_owned(const pawl_region_options *o)
{
    return (o->flags & PAWL_REGION_OWNED) != 0;
}

/* Make a region of a fresh file, and name it.  Takes the descriptor over if that
 * succeeds. */
static int make_in(pawl_region *r, int fd, const pawl_region_options *o,
                   const struct pawl_region_plan *plan, const char *hidden)
{
    struct pawl_region_map map;
    void *memory = NULL;
    int err = pawl_region_lay_out(plan, &map);

    if (err == 0)
        err = set_size(fd, map.bytes, (o->flags & PAWL_REGION_SPARSE) != 0);
    if (err == 0)
        err = map_file(fd, map.bytes, &memory);
    if (err != 0)
        return err;
    err = pawl_region_make_at(r, memory, (size_t)map.bytes, plan, o->name);
    /* Refused where it is no memfd. */
    fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL);
    if (err == 0)
        err = take_over(r, fd);
    if (err == 0 && o->name != NULL) {
        err = is_owned(o) ? pawl_region_name_own(fd, o->name, bears)
                          : pawl_region_name_file(fd, o->name, hidden, bears);
        if (err != 0)
            delist(r);
        else
            r->owned = is_owned(o);
    }
    if (err != 0)
        munmap(memory, (size_t)map.bytes);
    return err;
}

int pawl_region_create(pawl_region **region, const pawl_region_options *options)
{
    struct pawl_region_plan plan;
    struct pawl_region_map map;
    char hidden[PAWL_REGION_PATH] = "";
    int saved = errno; /* pawl never changes errno */
    pawl_region *r;
    int fd;
    int err = pawl_region_plan_of(options, &plan);

    if (err == 0)
        err = pawl_region_lay_out(&plan, &map);
    if (err == 0 && options->name != NULL)
        err = pawl_region_name_check(options->name);
    if (err == 0 && is_owned(options))
        err = pawl_exit_add(&owned_hook);
    if (err != 0)
        return err;
    r = malloc(sizeof *r);
    fd = options->name != NULL && !is_owned(options) ? open_unnamed(hidden)
                                                     : open_anonymous(hidden);
    if (r == NULL)
        err = -ENOMEM;
    else if (fd < 0)
        err = fd;
    else
        err = make_in(r, fd, options, &plan, hidden);
    if (hidden[0] != '\0' && fd >= 0)
        unlink(hidden);
    if (err == 0) {
        *region = r;
    } else {
        free(r);
        if (fd >= 0)
            close(fd);
    }
    errno = saved;
    return err;
}

/* Take a descriptor over, and map what it is. */
static int attach_own(pawl_region **region, int fd)
{
    struct pawl_region_header h;
    struct stat file;
    pawl_region *r;
    void *memory;
    int err = 0;

    /* By reading: a file that is shorter than it says must not be touched. */
    if (fstat(fd, &file) != 0)
        err = -errno;
    else if (!S_ISREG(file.st_mode) ||
             pread(fd, &h, sizeof h, 0) != (ssize_t)sizeof h ||
             !is_region(&h, (uint64_t)file.st_size))
        err = -EINVAL;
    if (err == 0)
        err = map_file(fd, h.bytes, &memory);
    if (err != 0)
        return err;
    r = malloc(sizeof *r);
    if (r == NULL) {
        munmap(memory, (size_t)h.bytes);
        return -ENOMEM;
    }
    view_at(r, memory, &h.plan);
    err = take_over(r, fd);
    if (err != 0) {
        munmap(memory, (size_t)h.bytes);
        free(r);
        return err;
    }
    *region = r;
    return 0;
}

static int attach_or_close(pawl_region **region, int fd)
{
    int err = fd >= 0 ? attach_own(region, fd) : fd;

    if (err != 0 && fd >= 0)
        close(fd);
    return err;
}

int pawl_region_attach(pawl_region **region, const char *name)
{
    int saved = errno;
    int err = pawl_region_name_check(name);

    if (err != 0)
        return err;
    err = attach_or_close(region, pawl_region_name_open(name, bears));
    errno = saved;
    return err;
}

int pawl_region_attach_fd(pawl_region **region, int fd)
{
    int saved = errno;
    int own = fcntl(fd, F_DUPFD_CLOEXEC, 0);
    int err = attach_or_close(region, own >= 0 ? own : -errno);

    errno = saved;
    return err;
}

int pawl_region_open(pawl_region **region, const pawl_region_options *options)
{
    int err;

    /* The name may be removed between the two. */
    do {
        err = pawl_region_attach(region, options->name);
        if (err != -ENOENT)
            return err;
        err = pawl_region_create(region, options);
    } while (err == -EEXIST);
    return err == 0 ? 1 : err;
}

/* ---- over a socket ------------------------------------------------------------ */

/* One byte goes with the descriptor: nothing cannot be sent. */
#define TOKEN 'R'

union control {
    char bytes[CMSG_SPACE(sizeof(int))];
    struct cmsghdr align;
};

int pawl_region_send(const pawl_region *region, int socket)
{
    union control control = {{0}};
    char token = TOKEN;
    struct iovec data = {.iov_base = &token, .iov_len = 1};
    struct msghdr message = {.msg_iov = &data,
                             .msg_iovlen = 1,
                             .msg_control = control.bytes,
                             .msg_controllen = sizeof control.bytes};
    struct cmsghdr *c = CMSG_FIRSTHDR(&message);
    int saved = errno;
    ssize_t n;

    if (region->fd < 0)
        return -EBADF;
    c->cmsg_level = SOL_SOCKET;
    c->cmsg_type = SCM_RIGHTS;
    c->cmsg_len = CMSG_LEN(sizeof(int));
    memcpy(CMSG_DATA(c), &region->fd, sizeof(int));
    do {
        n = sendmsg(socket, &message, MSG_NOSIGNAL);
    } while (n < 0 && errno == EINTR);
    n = n < 0 ? -errno : 0;
    errno = saved;
    return (int)n;
}

/* The descriptor that came with a message;  -EINVAL none;  -EMFILE one that the
 * kernel could not give us. */
static int fd_of(struct msghdr *message)
{
    struct cmsghdr *c = CMSG_FIRSTHDR(message);
    int fd;

    if (c == NULL && (message->msg_flags & MSG_CTRUNC) != 0)
        return -EMFILE;
    if (c == NULL || c->cmsg_level != SOL_SOCKET ||
        c->cmsg_type != SCM_RIGHTS || c->cmsg_len != CMSG_LEN(sizeof(int)))
        return -EINVAL;
    memcpy(&fd, CMSG_DATA(c), sizeof fd);
    return fd;
}

int pawl_region_receive(pawl_region **region, int socket)
{
    union control control;
    char token = 0;
    struct iovec data = {.iov_base = &token, .iov_len = 1};
    struct msghdr message = {.msg_iov = &data,
                             .msg_iovlen = 1,
                             .msg_control = control.bytes,
                             /* A second one would fit into what aligns this. */
                             .msg_controllen = CMSG_LEN(sizeof(int))};
    int saved = errno;
    ssize_t n = -1;
    int fd = fcntl(socket, F_DUPFD_CLOEXEC, 0);
    int err;

    /* Without a place for it, it stays where it is: the kernel would drop it. */
    if (fd >= 0) {
        close(fd);
        do {
            n = recvmsg(socket, &message, MSG_CMSG_CLOEXEC);
        } while (n < 0 && errno == EINTR);
    }
    if (n <= 0) {
        err = n == 0 ? -ESHUTDOWN : -errno;
        errno = saved;
        return err;
    }
    fd = fd_of(&message);
    err = fd < 0 ? fd : token != TOKEN ? -EINVAL : attach_own(region, fd);
    if (err != 0 && fd >= 0)
        close(fd);
    errno = saved;
    return err;
}

/* ---- the end ---------------------------------------------------------------- */

int pawl_region_close(pawl_region *r)
{
    int saved = errno;

    if (r->base == NULL)
        return 0;
    if (delist(r))
        pawl_participants_leave(r->table);
    disown(r);
    if (r->fd >= 0) {
        unmap(r);
        close(r->fd);
    }
    *r = (pawl_region){.fd = -1};
    errno = saved;
    return 0;
}

void pawl_region_free(pawl_region *r)
{
    if (r == NULL)
        return;
    pawl_region_close(r);
    free(r);
}

int pawl_region_unlink(const char *name)
{
    int saved = errno;
    int err = pawl_region_name_check(name);

    if (err != 0)
        return err;
    err = pawl_region_name_remove(name);
    errno = saved;
    return err;
}

/* ---- what it is -------------------------------------------------------------- */

void *pawl_region_base(const pawl_region *r)
{
    return r->base;
}

size_t pawl_region_bytes(const pawl_region *r)
{
    return (size_t)r->map.bytes;
}

void *pawl_region_buffer(const pawl_region *r, size_t *bytes)
{
    if (bytes != NULL)
        *bytes = (size_t)r->plan.buffer_bytes;
    return r->base != NULL && r->plan.buffer_bytes != 0
               ? r->base + r->map.buffer
               : NULL;
}

const char *pawl_region_name(const pawl_region *r)
{
    const struct pawl_region_header *h = (const void *)r->base;

    return h != NULL ? h->name : NULL;
}

int pawl_region_fd(const pawl_region *r)
{
    return r->fd >= 0 ? r->fd : -EBADF;
}

/* ---- who takes part ------------------------------------------------------------ */

int pawl_region_join(pawl_region *r)
{
    return pawl_region_me(r);
}

int pawl_region_leave(pawl_region *r)
{
    return r->base == NULL ? -EBADF : pawl_participants_leave(r->table);
}

bool pawl_region_is_alive(const pawl_region *r, int id)
{
    return r->base != NULL && id > 0 &&
           pawl_participant_alive(r->table, (uint32_t)id);
}

uint32_t pawl_region_participants(const pawl_region *r)
{
    return r->base != NULL ? pawl_participants_living(r->table) : 0;
}

int pawl_region_recover(pawl_region *r)
{
    return r->base == NULL ? -EBADF : pawl_participants_recover(r->table);
}
