/* SPDX-License-Identifier: MIT
 *
 * A dispatcher hands out numbers at an uneven pace; five consumers wait on a
 * condition.  With notify one of them wakes for each number, and no more; then all
 * are woken for a whole batch; at last they are told that it is over.
 */
#include "example.h"

enum { CONSUMERS = 5, SINGLE = 40, BATCH = 60, ITEMS = SINGLE + BATCH };

static pawl_mutex mutex = PAWL_MUTEX_INIT;
static pawl_cond changed = PAWL_COND_INIT;
static struct {
    int items[ITEMS];
    int published, taken;
    int consumed[ITEMS]; /* how often each was taken */
    int wakes;
    bool over;
} board PAWL_GUARDED_BY(mutex);

static int consume(void *arg)
{
    (void)arg;
    for (;;) {
        PAWL_MUTEX_GUARD(held, &mutex);
        MUST(held.err);
        while (board.taken == board.published && !board.over) {
            MUST(pawl_cond_wait(&changed, &mutex));
            board.wakes++;
        }
        if (board.taken == board.published)
            return 0;
        board.consumed[board.items[board.taken++]]++;
    }
}

static void publish(int n, bool all)
{
    PAWL_MUTEX_GUARD(held, &mutex);
    MUST(held.err);
    for (int i = 0; i < n; i++, board.published++)
        board.items[board.published] = board.published;
    REQUIRE((all ? pawl_cond_notify_all(&changed, &mutex)
                 : pawl_cond_notify(&changed, &mutex, n)) >= 0);
}

static int wakes(void)
{
    PAWL_MUTEX_GUARD(held, &mutex);
    MUST(held.err);
    return board.wakes;
}

static bool is_all_taken(void)
{
    PAWL_MUTEX_GUARD(held, &mutex);
    MUST(held.err);
    return board.taken == board.published;
}

int main(int argc, char **argv)
{
    pawl_thread threads[CONSUMERS];
    int single;

    example_begins(argc, argv);
    for (int i = 0; i < CONSUMERS; i++) {
        MUST(PAWL_THREAD_INIT(&threads[i], consume, NULL));
        MUST(pawl_thread_start(&threads[i]));
    }
    for (int i = 0; i < SINGLE; i++) {
        publish(1, false);
        if (i % 7 == 0)
            example_sleep(0.05);
    }
    while (!is_all_taken())
        example_sleep(0.05);
    single = wakes();
    SAY("%d numbers, %d wakes", SINGLE, single);
    REQUIRE(single <= SINGLE + CONSUMERS); /* nobody polls */
    publish(BATCH, true);
    while (!is_all_taken())
        example_sleep(0.05);
    {
        PAWL_MUTEX_GUARD(held, &mutex);
        board.over = true;
        REQUIRE(pawl_cond_notify_all(&changed, &mutex) >= 0);
    }
    for (int i = 0; i < CONSUMERS; i++)
        MUST(pawl_thread_join(&threads[i], NULL));
    for (int i = 0; i < ITEMS; i++)
        REQUIRE(board.consumed[i] == 1);
    SAY("OK %d numbers, each once; %d wakes for the first %d", ITEMS, single,
        SINGLE);
    return 0;
}
