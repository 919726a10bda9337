/* SPDX-License-Identifier: MIT
 *
 * The explorer's place of liburcu, as far as src/thread/registry.c uses it.
 */
#ifndef MODEL_URCU_MEMB_H
#define MODEL_URCU_MEMB_H

#include "machine.h"

/* The scenario's threads have not registered themselves. */
struct model_rcu_reader {
    bool registered;
};

#define URCU_TLS(reader) ((struct model_rcu_reader){false})

#define urcu_memb_register_thread() ((void)0)
#define urcu_memb_unregister_thread() ((void)0)
#define urcu_memb_read_lock model_rcu_enter
#define urcu_memb_read_unlock model_rcu_leave
#define urcu_memb_synchronize_rcu model_rcu_synchronize

#endif /* MODEL_URCU_MEMB_H */
