// SPDX-License-Identifier: GPL-2.0
/*
 * gsi-shortage - bind GSIs while one memory allocation after the other fails
 *
 * usage: insmod gsi-shortage.ko [gsi=N]
 *
 * In:	gsi, see gsi.h. It and those below are used as far as nobody else does.
 *	The kernel has CONFIG_FAILSLAB, with ignore-gfp-wait off.
 *
 * Out:	KTAP in the kernel's log, each line after "gsi_shortage: "
 *
 * Exit:	the module always loads.
 */
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/sched.h>

#include "gsi.h"

/* Bind @nr while the allocation number @nth fails: was there one to fail? */
static bool bind_without(unsigned int nth, unsigned int nr, int *irq)
{
	bool failed;

	current->fail_nth = nth;
	*irq = bind(nr);
	failed = !current->fail_nth;
	current->fail_nth = 0;

	return failed;
}

static int __init gsi_shortage_init(void)
{
	unsigned int nth, errors = 0, tolerated = 0, wrong = 0, left = 0;
	int nr = next_unused(), unused = next_unused();
	int before, irq = -ENOENT;

	if (unused < 0) {
		pr_info("Bail out! no two GSIs are unused\n");
		return 0;
	}

	before = next_pirq(unused);
	for (nth = 1; bind_without(nth, nr, &irq); nth++) {
		if (irq == nr) {
			/* It can do without, for instance without sysfs */
			tolerated++;
			unbind(nr);
			continue;
		}
		errors++;
		wrong += irq != -ENOMEM;
		left += xen_irq_from_gsi(nr) != -1;
	}
	result(irq == nr, "shortage.ends", "GSI %d: %d", nr, irq);
	if (irq == nr)
		unbind(nr);

	result(errors, "shortage.hits", "%u allocations fail a bind, %u do not", errors, tolerated);
	result(!wrong, "shortage.is_an_error", "%u are not -ENOMEM", wrong);
	result(!left, "shortage.leaves_no_irq_info", "%u do", left);
	result_pirq("shortage.leaves_no_pirq", unused, before);
	pr_info("1..%u\n", test_nr);

	return 0;
}
module_init(gsi_shortage_init);

MODULE_DESCRIPTION("Bind GSIs while one memory allocation after the other fails");
MODULE_LICENSE("GPL");
