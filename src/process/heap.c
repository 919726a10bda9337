/* SPDX-License-Identifier: MIT
 *
 * heap.c - memory in a region; its words are drawn in heap.h.
 *
 * I1  A page or block that a thread is in the middle of taking or giving up bears
 *     its slot, and stands in the notes of that slot; a thread is in the middle
 *     of one thing at a time.
 * I2  Only the thread of the slot, or who repairs in its name, changes a word that
 *     bears the slot in CLAIMED, ALLOCATING, FREEING, RETIRING.  OWNED may be
 *     freed by anybody.
 * I3  A page is divided, or becomes a run, after it was FREE.  A page is FREE only
 *     after its blocks were all RETIRING, or its run was FREEING: so a block that
 *     is in use keeps its page as it is.
 * I4  Pages of a run are claimed and become TAIL from the first on, and are freed
 *     from the last on.  So behind a page that bears our slot, a TAIL is ours.
 *
 * Who takes a block has looked at the page before, and it may be another page by
 * then.  So he looks once more, when he has the block, which by I3 keeps the page:
 * if its word is the same then it was the same page all the time, for versions
 * only grow.
 */
#include "process/heap.h"

#include <string.h>

#include "base/place.h"

const uint16_t pawl_heap_sizes[PAWL_HEAP_CLASSES] = {
    32, 48, 64, 96, 128, 192, 256, 384, 512, 768, 1024, 1360, 2048};

/* Pages that are looked at before a new one is divided: a few cache misses against
 * a page of memory. */
#define LOOKS 32

/* A class number that means whole pages. */
#define WHOLE PAWL_HEAP_CLASSES

/* ---- notes ---------------------------------------------------------------
 *
 *   WHAT   63 .. 61   60 .. 54   53 ......... 0
 *         +---------+----------+---------------+
 *         |   op    |  block   |    pages      |
 *         +---------+----------+---------------+
 */
enum {
    WHAT = PAWL_NOTE_HEAP,
    PAGE,      /* which page */
    WHERE,     /* offset of a pointer in the region, or 0 */
    HAS_OWNED, /* it may own blocks */
    NEXT,      /* of each class: where to look first, block << 32 | page + 1 */
    NOTES_END = NEXT + PAWL_HEAP_CLASSES,
};
_Static_assert((int)NOTES_END <= (int)PAWL_NOTES,
               "there is room for the notes");

enum op { NOTHING, ALLOC, FREE, PUBLISH, RETIRE };

/* Release, all of them, for one who repairs must find them in this order: the op
 * is there only with what belongs to it.  They pair with the kernel's mark of our
 * death, by which he comes. */
static void begin(const struct pawl_heap *h, enum op op, uint32_t page,
                  uint32_t block, uint32_t pages, uint64_t where)
{
    uint64_t what = (uint64_t)op << 61 | (uint64_t)block << 54 | pages;

    /* relaxed: our own notes.  release: pairs as above. */
    if (pawl_load64_relaxed(&h->note[PAGE]) != page ||
        pawl_load64_relaxed(&h->note[WHERE]) != where) {
        pawl_store64_release(&h->note[WHAT], NOTHING);
        /* release: pairs as above. */
        pawl_store64_release(&h->note[PAGE], page);
        pawl_store64_release(&h->note[WHERE], where);
    }
    pawl_store64_release(&h->note[WHAT], what); /* release: pairs as above */
}

static void end(const struct pawl_heap *h)
{
    /* release: pairs as in begin. */
    pawl_store64_release(&h->note[WHAT], NOTHING);
}

/* ---- words --------------------------------------------------------------- */

struct pawl_heap pawl_heap_of(const pawl_region *r, uint32_t slot)
{
    unsigned char *index = r->base + r->map.index;
    struct pawl_heap h = {
        .hints = (void *)index,
        .base = r->base,
        .first = r->map.heap,
        .pages = (uint32_t)r->plan.heap_pages,
        .note = r->table->slot[slot].note,
        .slot = slot,
    };

    h.page = (void *)(index + sizeof(struct pawl_heap_hints));
    h.block = (void *)(h.page + h.pages);
    return h;
}

static uint64_t page_word(enum pawl_page_kind kind, uint32_t argument,
                          uint64_t like)
{
    return (like >> 32 << 32) | (uint64_t)argument << 3 | kind;
}

static uint64_t page_at(const struct pawl_heap *h, uint32_t page)
{
    /* acquire: pairs with set_page: the words of its blocks are as they should. */
    return pawl_load64_acquire(&h->page[page]);
}

/* Change the word of a page that is ours (I2). */
static void set_page(const struct pawl_heap *h, uint32_t page,
                     enum pawl_page_kind kind, uint32_t argument)
{
    /* relaxed: ours. */
    uint64_t seen = pawl_load64_relaxed(&h->page[page]);
    uint64_t word = page_word(kind, argument, seen);

    if (kind == PAWL_PAGE_FREE)
        word += UINT64_C(1) << 32;
    /* release: pairs with page_at and with the claim in claim_page. */
    pawl_store64_release(&h->page[page], word);
}

static bool is_claimed(const struct pawl_heap *h, uint32_t page)
{
    uint64_t word = page_at(h, page);

    return PAWL_PAGE_KIND(word) == PAWL_PAGE_CLAIMED &&
           PAWL_PAGE_ARGUMENT(word) == h->slot;
}

static pawl_u16 *block_at(const struct pawl_heap *h, uint32_t page,
                          uint32_t block)
{
    return &h->block[(uint64_t)page * PAWL_HEAP_BLOCKS + block];
}

static uint16_t as_mine(const struct pawl_heap *h, enum pawl_block_state state)
{
    return PAWL_BLOCK(state, h->slot);
}

static bool is_mine(const struct pawl_heap *h, uint32_t page, uint32_t block,
                    enum pawl_block_state state)
{
    /* acquire: pairs with the compare-and-swap that made it so. */
    return pawl_load16_acquire(block_at(h, page, block)) == as_mine(h, state);
}

static bool change_block(const struct pawl_heap *h, uint32_t page,
                         uint32_t block, uint16_t from, uint16_t to)
{
    /* acq_rel: pairs with itself: who takes a block sees what was done to it
     * before it was given up, and to the words of its page. */
    return pawl_cas16_acq_rel(block_at(h, page, block), from, to);
}

static uint32_t blocks_of(uint32_t class)
{
    return PAWL_REGION_PAGE / pawl_heap_sizes[class];
}

static pawl_offset offset_of(const struct pawl_heap *h, uint32_t page,
                             uint32_t block)
{
    uint64_t word = page_at(h, page);
    uint64_t size = PAWL_PAGE_KIND(word) == PAWL_PAGE_SMALL
                        ? pawl_heap_sizes[PAWL_PAGE_ARGUMENT(word)]
                        : 0;

    return h->first + (uint64_t)page * PAWL_REGION_PAGE + block * size;
}

/* ---- whole pages -------------------------------------------------------------- */

/* Free a page that is CLAIMED by us, and the pages behind it that are ours, which
 * are less than `pages` (I4).  May be killed and called again. */
static void give_up_pages(const struct pawl_heap *h, uint32_t page,
                          uint32_t pages)
{
    uint32_t behind = page + 1;

    while (behind < page + pages && behind < h->pages &&
           (PAWL_PAGE_KIND(page_at(h, behind)) == PAWL_PAGE_TAIL ||
            is_claimed(h, behind)))
        behind++;
    while (--behind > page)
        set_page(h, behind, PAWL_PAGE_FREE, 0);
    /* release: pairs with page_at: if the page is FREE, so is this. */
    pawl_store16_release(block_at(h, page, 0), 0);
    set_page(h, page, PAWL_PAGE_FREE, 0);
    /* relaxed: a hint. */
    if (page < pawl_load_relaxed(&h->hints->free_page))
        pawl_store_relaxed(&h->hints->free_page, page); /* relaxed: a hint */
}

static bool claim_page(const struct pawl_heap *h, uint32_t page)
{
    /* relaxed: the CAS acquires. */
    uint64_t seen = pawl_load64_relaxed(&h->page[page]);

    /* acq_rel: pairs with set_page. */
    return PAWL_PAGE_KIND(seen) == PAWL_PAGE_FREE &&
           pawl_cas64_acq_rel(&h->page[page], &seen,
                              page_word(PAWL_PAGE_CLAIMED, h->slot, seen));
}

/* How many of `pages` pages from there on are free, as it seems. */
static uint32_t free_from(const struct pawl_heap *h, uint32_t page,
                          uint32_t pages)
{
    uint32_t n = 0;

    /* relaxed: a hint; claim_page decides. */
    while (n < pages && PAWL_PAGE_KIND(pawl_load64_relaxed(
                            &h->page[page + n])) == PAWL_PAGE_FREE)
        n++;
    return n;
}

/* Claim the first free pages in from..below that lie side by side.  They stand in
 * the notes then. */
static bool claim_between(const struct pawl_heap *h, uint32_t from,
                          uint32_t below, uint32_t pages, uint32_t *first)
{
    uint32_t page = from;

    while (page < below && pages <= h->pages - page) {
        uint32_t n = free_from(h, page, pages);

        if (n == pages) {
            begin(h, ALLOC, page, 0, pages, 0);
            n = 0;
            while (n < pages && claim_page(h, page + n))
                n++;
            *first = page;
            if (n == pages)
                return true;
            if (n > 0)
                give_up_pages(h, page, n);
            end(h);
        }
        page += n + 1; /* that one is not free */
    }
    return false;
}

static bool claim_pages(const struct pawl_heap *h, uint32_t pages,
                        uint32_t *first)
{
    /* relaxed: a hint. */
    uint32_t hint = pawl_load_relaxed(&h->hints->free_page);

    if (hint >= h->pages)
        hint = 0;
    if (!claim_between(h, hint, h->pages, pages, first) &&
        !claim_between(h, 0, hint, pages, first))
        return false;
    /* relaxed: a hint. */
    if (pages == 1)
        pawl_store_relaxed(&h->hints->free_page, *first + 1);
    return true;
}

/* Make claimed pages one block. */
static void make_run(const struct pawl_heap *h, uint32_t page, uint32_t pages)
{
    for (uint32_t i = 1; i < pages; i++)
        set_page(h, page + i, PAWL_PAGE_TAIL, 0);
    /* release: pairs with page_at, in which it is seen. */
    pawl_store16_release(block_at(h, page, 0),
                         as_mine(h, PAWL_BLOCK_ALLOCATING));
    set_page(h, page, PAWL_PAGE_RUN, pages);
}

/* Divide a claimed page. */
static void make_small(const struct pawl_heap *h, uint32_t page, uint32_t class)
{
    for (uint32_t i = 0; i < PAWL_HEAP_BLOCKS; i++)
        pawl_store16_release(block_at(h, page, i), 0); /* release: as above */
    set_page(h, page, PAWL_PAGE_SMALL, class);
}

/* ---- blocks ---------------------------------------------------------------------- */

/* Take a block of that page, if it is of that class and has one, looking from
 * `from` on. */
static bool take_from(const struct pawl_heap *h, uint32_t page, uint32_t from,
                      uint32_t class, uint32_t *block)
{
    uint64_t word = page_at(h, page);
    uint32_t n = blocks_of(class);

    if (PAWL_PAGE_KIND(word) != PAWL_PAGE_SMALL ||
        PAWL_PAGE_ARGUMENT(word) != class)
        return false;
    for (uint32_t i = 0; i < n; i++) {
        uint32_t b = from + i < n ? from + i : from + i - n;

        /* relaxed: a hint. */
        if (pawl_load16_relaxed(block_at(h, page, b)) != PAWL_BLOCK_FREE)
            continue;
        begin(h, ALLOC, page, b, 0, 0);
        if (!change_block(h, page, b, PAWL_BLOCK_FREE,
                          as_mine(h, PAWL_BLOCK_ALLOCATING)))
            continue;
        *block = b;
        if (page_at(h, page) == word)
            return true;
        /* Somebody who divides it now may have overwritten ours. */
        change_block(h, page, b, as_mine(h, PAWL_BLOCK_ALLOCATING),
                     PAWL_BLOCK_FREE);
        break;
    }
    end(h);
    return false;
}

/* Look at n pages from `start` on. */
static bool take_from_any(const struct pawl_heap *h, uint32_t start, uint32_t n,
                          uint32_t class, uint32_t *page, uint32_t *block)
{
    for (uint32_t i = 0; i < n && i < h->pages; i++) {
        *page = start + i < h->pages ? start + i : start + i - h->pages;
        if (take_from(h, *page, 0, class, block))
            return true;
    }
    return false;
}

static bool take_small(const struct pawl_heap *h, uint32_t class,
                       uint32_t *page, uint32_t *block)
{
    /* relaxed: hints, all of them; this one is our own. */
    uint64_t next = pawl_load64_relaxed(&h->note[NEXT + class]);
    uint32_t start;

    *page = (uint32_t)next - 1;
    if (*page < h->pages &&
        take_from(h, *page, (uint32_t)(next >> 32), class, block))
        return true;
    /* relaxed: a hint. */
    start = pawl_load_relaxed(&h->hints->page[class]);
    if (start >= h->pages)
        start = 0;
    if (take_from_any(h, start, LOOKS, class, page, block))
        return true;
    if (claim_pages(h, 1, page)) {
        make_small(h, *page, class);
        if (take_from(h, *page, 0, class, block))
            return true;
    }
    return take_from_any(h, start, h->pages, class, page, block);
}

static bool take(const struct pawl_heap *h, uint32_t class, uint32_t pages,
                 uint32_t *page, uint32_t *block)
{
    if (class < WHOLE) {
        if (!take_small(h, class, page, block))
            return false;
        /* relaxed: our own hint. */
        pawl_store64_relaxed(&h->note[NEXT + class],
                             (uint64_t)(*block + 1) << 32 | (*page + 1));
        return true;
    }
    *block = 0;
    if (!claim_pages(h, pages, page))
        return false;
    make_run(h, *page, pages);
    return true;
}

/* What is between FREEING and FREE. */
static void finish_free(const struct pawl_heap *h, uint32_t page,
                        uint32_t block, uint32_t pages)
{
    if (pages > 0) {
        set_page(h, page, PAWL_PAGE_CLAIMED, h->slot);
        give_up_pages(h, page, pages);
        return;
    }
    change_block(h, page, block, as_mine(h, PAWL_BLOCK_FREEING),
                 PAWL_BLOCK_FREE);
}

/* ---- pages of a class that are empty --------------------------------------------- */

static void unretire(const struct pawl_heap *h, uint32_t page)
{
    for (uint32_t i = 0; i < PAWL_HEAP_BLOCKS; i++)
        change_block(h, page, i, as_mine(h, PAWL_BLOCK_RETIRING),
                     PAWL_BLOCK_FREE);
}

/* Make a divided page free if nothing in it is in use. */
static void retire(const struct pawl_heap *h, uint32_t page)
{
    uint64_t word = page_at(h, page);
    uint32_t n = 0;
    uint32_t blocks;

    if (PAWL_PAGE_KIND(word) != PAWL_PAGE_SMALL)
        return;
    blocks = blocks_of(PAWL_PAGE_ARGUMENT(word));
    /* relaxed: a hint. */
    while (n < blocks &&
           pawl_load16_relaxed(block_at(h, page, n)) == PAWL_BLOCK_FREE)
        n++;
    if (n < blocks)
        return;
    begin(h, RETIRE, page, 0, 0, 0);
    n = 0;
    while (n < blocks && change_block(h, page, n, PAWL_BLOCK_FREE,
                                      as_mine(h, PAWL_BLOCK_RETIRING)))
        n++;
    /* It may be another page by now, with more blocks than we have taken. */
    if (n == blocks && page_at(h, page) == word)
        set_page(h, page, PAWL_PAGE_FREE, 0);
    else
        unretire(h, page);
    end(h);
}

static void retire_all(const struct pawl_heap *h)
{
    for (uint32_t i = 0; i < h->pages; i++)
        retire(h, i);
}

/* ---- repairs ------------------------------------------------------------------------ */

/* A pointer in the region, by its offset. */
static pawl_u64 *pointer_at(const struct pawl_heap *h, uint64_t where)
{
    return (pawl_u64 *)(void *)(h->base + where);
}

/* The op in the notes of a dead thread: undone, or completed. */
static void repair_op(const struct pawl_heap *h)
{
    /* relaxed: ours now, ordered by the death (see begin). */
    uint64_t what = pawl_load64_relaxed(&h->note[WHAT]);
    uint32_t page = (uint32_t)pawl_load64_relaxed(&h->note[PAGE]);
    uint64_t where = pawl_load64_relaxed(&h->note[WHERE]);
    uint32_t block = (uint32_t)(what >> 54) & (PAWL_HEAP_BLOCKS - 1);
    uint32_t pages = (uint32_t)what;
    enum op op = (enum op)(what >> 61);

    if (op == NOTHING)
        return;
    if (op == RETIRE)
        unretire(h, page);
    else if (op != PUBLISH && is_claimed(h, page))
        give_up_pages(h, page, pages);
    else if (op == ALLOC || op == FREE) {
        /* Either is killed in turn, before it is FREE. */
        if (op == ALLOC)
            change_block(h, page, block, as_mine(h, PAWL_BLOCK_ALLOCATING),
                         as_mine(h, PAWL_BLOCK_FREEING));
        if (is_mine(h, page, block, PAWL_BLOCK_FREEING)) {
            /* release: pairs with who reads the pointer. */
            if (where != 0)
                pawl_store64_release(pointer_at(h, where), 0);
            finish_free(h, page, block, pages);
        }
    } else if (op == PUBLISH && is_mine(h, page, block, PAWL_BLOCK_OWNED) &&
               /* relaxed: nobody else changes it. */
               pawl_load64_relaxed(pointer_at(h, where)) ==
                   offset_of(h, page, block)) {
        change_block(h, page, block, as_mine(h, PAWL_BLOCK_OWNED),
                     PAWL_BLOCK(PAWL_BLOCK_KEPT, 0));
    }
    end(h);
}

/* Free the blocks of a page that a dead thread owns. */
static void free_owned(const struct pawl_heap *h, uint32_t page)
{
    uint64_t word = page_at(h, page);
    bool is_run = PAWL_PAGE_KIND(word) == PAWL_PAGE_RUN;
    uint32_t pages = is_run ? PAWL_PAGE_ARGUMENT(word) : 0;
    uint32_t blocks = is_run ? 1 : 0;

    if (PAWL_PAGE_KIND(word) == PAWL_PAGE_SMALL)
        blocks = blocks_of(PAWL_PAGE_ARGUMENT(word));
    for (uint32_t i = 0; i < blocks; i++) {
        if (!is_mine(h, page, i, PAWL_BLOCK_OWNED))
            continue;
        begin(h, FREE, page, i, pages, 0);
        if (change_block(h, page, i, as_mine(h, PAWL_BLOCK_OWNED),
                         as_mine(h, PAWL_BLOCK_FREEING)))
            finish_free(h, page, i, pages);
        end(h);
    }
}

void pawl_heap_repair(struct pawl_participants *t, uint32_t slot)
{
    struct pawl_heap h;
    pawl_region r;

    pawl_region_view(&r, t);
    h = pawl_heap_of(&r, slot);
    repair_op(&h);
    /* relaxed: ours now. */
    if (pawl_load64_relaxed(&h.note[HAS_OWNED]) != 0) {
        for (uint32_t i = 0; i < h.pages; i++)
            free_owned(&h, i);
    }
    for (int i = WHAT; i < NOTES_END; i++)
        pawl_store64_relaxed(&h.note[i], 0); /* relaxed: as above */
}

/* ---- the functions of pawl/memory.h ---------------------------------------------- */

/* The heap, seen by the caller.  The errors of pawl_region_join. */
static int enter(pawl_region *r, struct pawl_heap *h)
{
    int id = pawl_region_me(r);

    if (id < 0)
        return id;
    *h = pawl_heap_of(r, (uint32_t)id & PAWL_SLOT_MASK);
    return 0;
}

/* The class for such blocks; WHOLE if there is none. */
static uint32_t class_for(size_t bytes, size_t alignment)
{
    uint32_t class = 0;

    while (class < WHOLE && (pawl_heap_sizes[class] < bytes ||
                             pawl_heap_sizes[class] % alignment != 0))
        class ++;
    return class;
}

/* Find the block with that offset; *pages is 0 if it is a small one. */
static bool find(const struct pawl_heap *h, pawl_offset offset, uint32_t *page,
                 uint32_t *block, uint32_t *pages)
{
    uint64_t behind = offset - h->first;
    uint32_t inside = (uint32_t)(behind % PAWL_REGION_PAGE);
    uint64_t word;
    uint32_t size;

    if (offset < h->first || behind / PAWL_REGION_PAGE >= h->pages)
        return false;
    *page = (uint32_t)(behind / PAWL_REGION_PAGE);
    *block = 0;
    word = page_at(h, *page);
    *pages = PAWL_PAGE_ARGUMENT(word);
    if (PAWL_PAGE_KIND(word) == PAWL_PAGE_RUN)
        return inside == 0;
    if (PAWL_PAGE_KIND(word) != PAWL_PAGE_SMALL)
        return false;
    size = pawl_heap_sizes[*pages];
    *block = inside / size;
    *pages = 0;
    return inside % size == 0 && *block < PAWL_REGION_PAGE / size;
}

static bool is_in_use(uint16_t word)
{
    return PAWL_BLOCK_STATE(word) == PAWL_BLOCK_OWNED ||
           PAWL_BLOCK_STATE(word) == PAWL_BLOCK_KEPT;
}

int pawl_memory_alloc(pawl_region *r, size_t bytes, size_t alignment,
                      unsigned flags, pawl_offset *offset)
{
    uint32_t class = class_for(bytes, alignment != 0 ? alignment : 16);
    uint64_t pages = pawl_round_up(bytes, PAWL_REGION_PAGE) / PAWL_REGION_PAGE;
    struct pawl_heap h;
    pawl_offset found;
    uint32_t page;
    uint32_t block;
    int err;

    if (bytes == 0 || bytes > PAWL_REGION_BYTES_MAX ||
        alignment > PAWL_REGION_PAGE || (alignment & (alignment - 1)) != 0 ||
        (flags & ~(unsigned)(PAWL_MEMORY_ZERO | PAWL_MEMORY_KEPT)) != 0)
        return -EINVAL;
    err = enter(r, &h);
    if (err != 0)
        return err;
    if (pages > h.pages)
        return -ENOSPC;
    if (!take(&h, class, (uint32_t)pages, &page, &block)) {
        pawl_participants_recover(r->table);
        retire_all(&h);
        if (!take(&h, class, (uint32_t)pages, &page, &block))
            return -ENOSPC;
    }
    found = offset_of(&h, page, block);
    if ((flags & PAWL_MEMORY_ZERO) != 0)
        memset(h.base + found, 0, bytes);
    /* release: pairs as the notes in begin: it is there before the block is. */
    if ((flags & PAWL_MEMORY_KEPT) == 0)
        pawl_store64_release(&h.note[HAS_OWNED], 1);
    change_block(&h, page, block, as_mine(&h, PAWL_BLOCK_ALLOCATING),
                 (flags & PAWL_MEMORY_KEPT) != 0
                     ? PAWL_BLOCK(PAWL_BLOCK_KEPT, 0)
                     : as_mine(&h, PAWL_BLOCK_OWNED));
    end(&h);
    *offset = found;
    return 0;
}

/* From the caller's to the region's; with a pointer if `where` is not 0. */
static int give(pawl_region *r, pawl_offset offset, uint64_t where)
{
    struct pawl_heap h;
    uint32_t page;
    uint32_t block;
    uint32_t pages;
    uint16_t word;
    int err = enter(r, &h);

    if (err != 0)
        return err;
    if (!find(&h, offset, &page, &block, &pages))
        return -EINVAL;
    /* relaxed: if it is ours nobody but a wrong free changes it. */
    word = pawl_load16_relaxed(block_at(&h, page, block));
    if (word != as_mine(&h, PAWL_BLOCK_OWNED))
        return is_in_use(word) ? -EPERM : -EINVAL;
    if (where != 0) {
        begin(&h, PUBLISH, page, block, pages, where);
        /* release: pairs with who reads the pointer with acquire. */
        pawl_store64_release(pointer_at(&h, where), offset);
    }
    change_block(&h, page, block, word, PAWL_BLOCK(PAWL_BLOCK_KEPT, 0));
    end(&h);
    return 0;
}

/* The offset of a pointer that lies in the region; 0 if it does not. */
static uint64_t where_of(const pawl_region *r, const pawl_offset *where)
{
    uint64_t at = pawl_region_offset(r, where);

    return at % sizeof *where == 0 && at + sizeof *where <= r->map.bytes ? at
                                                                         : 0;
}

int pawl_memory_publish(pawl_region *r, pawl_offset offset, pawl_offset *where)
{
    uint64_t at = where_of(r, where);

    if (r->base == NULL)
        return -EBADF;
    return at != 0 ? give(r, offset, at) : -EINVAL;
}

int pawl_memory_keep(pawl_region *r, pawl_offset offset)
{
    return give(r, offset, 0);
}

/* Free a block, and the pointer to it if there is one. */
static int give_back(pawl_region *r, pawl_offset offset, uint64_t where)
{
    struct pawl_heap h;
    uint32_t page;
    uint32_t block;
    uint32_t pages;
    uint16_t word;
    int err = enter(r, &h);

    if (err != 0)
        return err;
    if (!find(&h, offset, &page, &block, &pages))
        return -EINVAL;
    begin(&h, FREE, page, block, pages, where);
    /* relaxed: the compare-and-swap decides. */
    word = pawl_load16_relaxed(block_at(&h, page, block));
    if (!is_in_use(word) ||
        !change_block(&h, page, block, word, as_mine(&h, PAWL_BLOCK_FREEING))) {
        end(&h);
        return -EINVAL;
    }
    if (where != 0)
        /* release: pairs with who reads the pointer. */
        pawl_store64_release(pointer_at(&h, where), 0);
    if (pages == 0) {
        uint32_t class = PAWL_PAGE_ARGUMENT(page_at(&h, page));

        /* relaxed: hints: we use it next, others look there. */
        pawl_store64_relaxed(&h.note[NEXT + class],
                             (uint64_t)block << 32 | (page + 1));
        pawl_store_relaxed(&h.hints->page[class], page); /* relaxed: a hint */
    }
    finish_free(&h, page, block, pages);
    end(&h);
    return 0;
}

int pawl_memory_free(pawl_region *r, pawl_offset offset)
{
    return offset == 0 ? 0 : give_back(r, offset, 0);
}

int pawl_memory_free_at(pawl_region *r, pawl_offset *where)
{
    uint64_t at = where_of(r, where);
    pawl_offset offset;

    if (r->base == NULL)
        return -EBADF;
    if (at == 0)
        return -EINVAL;
    /* acquire: pairs with give: what its publisher did to the block. */
    offset = pawl_load64_acquire((pawl_u64 *)(void *)where);
    return offset == 0 ? 0 : give_back(r, offset, at);
}

int64_t pawl_memory_size(const pawl_region *r, pawl_offset offset)
{
    struct pawl_heap h;
    uint32_t page;
    uint32_t block;
    uint32_t pages;

    if (r->base == NULL)
        return -EINVAL;
    h = pawl_heap_of(r, 0);
    if (!find(&h, offset, &page, &block, &pages) ||
        /* relaxed: a snapshot. */
        !is_in_use(pawl_load16_relaxed(block_at(&h, page, block))))
        return -EINVAL;
    return pages != 0 ? (int64_t)pages * PAWL_REGION_PAGE
                      : pawl_heap_sizes[PAWL_PAGE_ARGUMENT(page_at(&h, page))];
}

void *pawl_region_at(const pawl_region *r, pawl_offset offset)
{
    return offset != 0 && offset < r->map.bytes ? r->base + offset : NULL;
}

pawl_offset pawl_region_offset(const pawl_region *r, const void *address)
{
    uintptr_t offset = (uintptr_t)address - (uintptr_t)r->base;

    return address != NULL && r->base != NULL && offset < r->map.bytes ? offset
                                                                       : 0;
}

int pawl_memory_get_stats(const pawl_region *r, pawl_memory_stats *stats)
{
    struct pawl_heap h;
    pawl_memory_stats s = {0};

    if (r->base == NULL)
        return -EBADF;
    h = pawl_heap_of(r, 0);
    s.pages = h.pages;
    for (uint32_t i = 0; i < h.pages; i++) {
        uint64_t word = page_at(&h, i);
        uint32_t argument = PAWL_PAGE_ARGUMENT(word);
        bool is_small = PAWL_PAGE_KIND(word) == PAWL_PAGE_SMALL;
        uint32_t blocks = PAWL_PAGE_KIND(word) == PAWL_PAGE_RUN;

        if (is_small)
            blocks = blocks_of(argument);
        s.free_pages += PAWL_PAGE_KIND(word) == PAWL_PAGE_FREE;
        s.small_pages += is_small;
        for (uint32_t b = 0; b < blocks; b++) {
            /* relaxed: a snapshot. */
            uint16_t block = pawl_load16_relaxed(block_at(&h, i, b));

            if (!is_in_use(block))
                continue;
            s.blocks++;
            s.owned += PAWL_BLOCK_STATE(block) == PAWL_BLOCK_OWNED;
            s.bytes += is_small ? pawl_heap_sizes[argument]
                                : (uint64_t)argument * PAWL_REGION_PAGE;
        }
    }
    *stats = s;
    return 0;
}
