/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What the modules that make memory allocations fail have in common. The kernel has
 * CONFIG_FAILSLAB, and lab/init has set it up.
 */
#ifndef LAB_FAULT_H
#define LAB_FAULT_H

#include <linux/sched.h>

/*
 * Allocation number @nth of this task fails, counted from 1. With @all those after it
 * fail, too, but for one in ten: who tries again, mostly does so in vain.
 */
static void arm_fault(unsigned int nth, bool all)
{
	current->make_it_fail = all;
	current->fail_nth = nth;
}

/* No allocation fails any longer: was there one to fail? */
static bool disarm_fault(void)
{
	bool failed = !current->fail_nth;

	current->fail_nth = 0;
	current->make_it_fail = 0;

	return failed;
}

#endif
