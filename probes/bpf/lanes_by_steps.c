// SPDX-License-Identifier: MIT OR Apache-2.0 OR GPL-2.0-only
/* Counting in lanes for the tests, which say at each step who makes the next one, and have few lanes and near turns. */
static __thread void (*gi_step)(void *);
static __thread void *gi_stepper;

#define GI_LANE_STEP() (gi_step ? gi_step(gi_stepper) : (void)0)
#define GI_LANES_LOG 2
#define GI_LEAST_WINDOW 4
#define GI_LEAST_DEALT 2

#include "lanes.h"

gi_u64 goinject_count_by_steps(const struct gi_rule *rule, gi_u64 *counter, struct gi_lane *lanes, gi_u32 *at, int passes,
			       void (*step)(void *), void *stepper)
{
	gi_step = step;
	gi_stepper = stepper;
	return gi_count_in_order(rule, counter, lanes, at, passes);
}

gi_u64 goinject_all_by_steps(const struct gi_rule *rule, const gi_u64 *counter, const struct gi_lane *lanes,
			     void (*step)(void *), void *stepper)
{
	gi_step = step;
	gi_stepper = stepper;
	return gi_count_all(rule, counter, lanes);
}
