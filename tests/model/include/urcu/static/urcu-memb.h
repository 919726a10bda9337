/* SPDX-License-Identifier: MIT
 *
 * The explorer's place of liburcu: see urcu/urcu-memb.h.
 */
#include <urcu/urcu-memb.h>
