/* SPDX-License-Identifier: MIT */
#include <pawl.h>
#include <pthread.h>
#include <stdio.h>

static pawl_mutex lock = PAWL_MUTEX_INIT; /* all zero bytes would do */
static pawl_cond filled = PAWL_COND_INIT;
static int item;

static void *produce(void *arg)
{
    PAWL_MUTEX_GUARD(held, &lock); /* until the end of the block */
    if (held.err == 0) {
        item = 42;
        pawl_cond_notify(&filled, &lock, 1);
    }
    return arg;
}

int main(void)
{
    pthread_t producer;
    pthread_create(&producer, NULL, produce, NULL);

    int err = pawl_mutex_lock(&lock); /* an error is a negative errno */
    if (err == 0) {
        PAWL_COND_WAIT_WHILE(err, &filled, &lock, pawl_after_s(5), item == 0);
        pawl_mutex_unlock(&lock);
    }
    pthread_join(producer, NULL);
    printf("%d (%s)\n", item, pawl_errname(err));
    return item == 42 && err == 0 ? 0 : 1;
}
