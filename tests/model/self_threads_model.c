/* SPDX-License-Identifier: MIT
 *
 * Scenarios of births and deaths: records, ids, and the number of the CPU.
 */
#include "model.h"

#include "atomic/ops.h"
#include "futex/self.h"
#include "machine.h"

static struct {
    pawl_u32 id[3];
    pawl_u32 buried;
    pawl_u32 told;
    int word; /* what a sleeper is told about */
} s;

static void setup(void)
{
    memset(&s, 0, sizeof s);
    MODEL_NAME(s.id);
    MODEL_NAME(s.buried);
    MODEL_NAME(s.told);
}

static void be_born(void)
{
    uint32_t id = pawl_self_local();

    CHECK(id != 0 && id < PAWL_ID_SPECIAL);
    CHECK(pawl_thread_alive(id));
    CHECK(pawl_thread_tid(id) == 1000 + (uint32_t)model_self());
    s.id[model_self()].v_ = id;
}

static void all_differ(void)
{
    CHECK(s.id[0].v_ != s.id[1].v_);
    CHECK(s.id[0].v_ != s.id[2].v_ && s.id[1].v_ != s.id[2].v_);
}

MODEL(self.births_of_two, .setup = setup, .threads = {be_born, be_born},
      .check = all_differ, .births = true)
MODEL(self.births_of_three, .setup = setup,
      .threads = {be_born, be_born, be_born}, .check = all_differ,
      .births = true)

/* A name that was seen is that of a living thread until it dies, and of nobody
 * after that. */
static void tell_name_and_die(void)
{
    pawl_store_relaxed(&s.id[0], pawl_self_local());
    model_point();
    pawl_store_release(&s.told, 1);
    model_die();
}

static void ask(void)
{
    uint32_t id = pawl_load_relaxed(&s.id[0]);
    uint32_t tid;
    bool alive;

    if (id == 0)
        return;
    tid = pawl_thread_tid(id);
    CHECK(tid == 1000 || tid == 0);
    alive = pawl_thread_alive(id);
    CHECK(alive || pawl_load_acquire(&s.told) == 1);
    if (!alive) {
        CHECK(!pawl_thread_alive(id));
        CHECK(pawl_thread_tid(id) == 0);
    }
    pawl_thread_is_here(id);
}

MODEL(self.death_is_final, .setup = setup, .threads = {tell_name_and_die, ask})
MODEL(self.new_thread_is_alive, .setup = setup,
      .threads = {tell_name_and_die, ask}, .births = true)

/* Its CPU number is not read once it has gone. */
static void die_at_once(void)
{
    model_die();
}

static void ask_where(void)
{
    pawl_thread_is_here((UINT32_C(1) << 15) | 0); /* the first thread's id */
}

static void ask_where_twice(void)
{
    ask_where();
    ask_where();
}

MODEL(self.cpu_is_not_read_after_death, .setup = setup,
      .threads = {die_at_once, ask_where_twice})
MODEL(self.cpu_is_not_read_after_death_by_two, .setup = setup,
      .threads = {die_at_once, ask_where, ask_where})

static void is_here(void)
{
    if (pawl_thread_is_here(UINT32_C(1) << 15))
        pawl_store_relaxed(&s.told, 1);
}

static void idle(void)
{
    model_point();
}

static void was_here(void)
{
    CHECK(s.told.v_ == 1);
}

static void was_not_here(void)
{
    CHECK(s.told.v_ == 0);
}

MODEL(self.same_cpu, .setup = setup, .threads = {idle, is_here},
      .check = was_here, .one_cpu = true)
MODEL(self.other_cpu, .setup = setup, .threads = {idle, is_here},
      .check = was_not_here)

/* Who announces itself and finds the other alive is buried by its death. */
static void bury(void *object, uint32_t dead)
{
    (void)object;
    CHECK(dead == UINT32_C(1) << 15);
    pawl_add_relaxed(&s.buried, 1);
}

static void announce_and_ask(void)
{
    int *mine = &s.word;

    pawl_wait_begins(mine, bury);
    if (pawl_thread_alive(UINT32_C(1) << 15)) {
        while (pawl_load_acquire(&s.buried) == 0)
            model_yield();
    }
    pawl_wait_ends();
    model_free(mine, sizeof *mine); /* nobody looks at it any more */
}

MODEL(self.announcement_against_death, .setup = setup,
      .threads = {die_at_once, announce_and_ask})

static void bury_reads(void *object, uint32_t dead)
{
    (void)dead;
    model_read(object);
}

static void announce_and_free(void)
{
    pawl_wait_begins(&s.word, bury_reads);
    model_point();
    pawl_wait_ends();
    model_write(&s.word);
}

/* The object is valid while a dying thread looks at it. */
MODEL(self.object_is_valid_while_burying, .setup = setup,
      .threads = {die_at_once, announce_and_free})
MODEL(self.two_bury_at_once, .setup = setup,
      .threads = {die_at_once, announce_and_free, die_at_once})

/* The same of one for whom the table of records had to grow. */
static void setup_crowded(void)
{
    setup();
    model_self_crowd(0);
}

static void announce_and_ask_anew(void)
{
    model_self_forget();
    CHECK(pawl_thread_alive(pawl_self_local()));
    announce_and_ask();
}

static void be_born_anew(void)
{
    model_self_forget();
    be_born();
}

MODEL(self.announcement_in_a_table_that_grows, .setup = setup_crowded,
      .threads = {die_at_once, announce_and_ask_anew}, .bounds = {2, 1, 0})
/* Who dies asks for each record how many there are. */
MODEL(self.announcement_in_a_table_that_seems_small, .setup = setup_crowded,
      .threads = {die_at_once, announce_and_ask_anew}, .bounds = {1, 9, 0},
      .also = {2, 0, 0})
MODEL(self.announcement_in_a_table_that_another_grows, .setup = setup_crowded,
      .threads = {die_at_once, announce_and_ask_anew, be_born_anew},
      .bounds = {2, 1, 0})

static void two_differ(void)
{
    CHECK(s.id[0].v_ != s.id[1].v_);
}

MODEL(self.two_that_let_the_table_grow, .setup = setup_crowded,
      .threads = {be_born_anew, be_born_anew}, .check = two_differ)

/* What a thread had that has died is another's. */
static void setup_one_record(void)
{
    setup();
    model_self_crowd(1);
}

static void be_born_and_die(void)
{
    be_born_anew();
    model_die();
}

MODEL(self.record_used_again, .setup = setup_one_record,
      .threads = {be_born_and_die, be_born_anew}, .check = two_differ)

/* A child of a fork has only the thread that forked. */
static void fork_and_ask(void)
{
    uint32_t me = pawl_self_local();

    model_fork();
    CHECK(pawl_self_local() == me && pawl_thread_alive(me));
    CHECK(!pawl_thread_alive(UINT32_C(1) << 15));
    CHECK(pawl_fork_mark(false) == 1 && pawl_fork_mark(true) == 0);
}

MODEL(self.fork, .setup = setup, .threads = {be_born, fork_and_ask})
