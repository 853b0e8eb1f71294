// SPDX-License-Identifier: GPL-2.0
/*
 * gsi-shortage - bind GSIs while one memory allocation after the other fails
 *
 * usage: insmod gsi-shortage.ko [gsi=N]
 *
 * In:	gsi, see gsi.h. It and those below are used as far as nobody else does.
 *
 * Out:	KTAP in the kernel's log, each line after "gsi_shortage: "
 *
 * Exit:	the module always loads.
 */
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include "fault.h"
#include "gsi.h"

static unsigned int errors, tolerated, wrong, left;

/*
 * Bind @nr, first while the first allocation fails, then while the second one does,
 * until there is none to fail.
 */
static int bind_short_of_memory(int nr, bool all)
{
	unsigned int nth;
	int irq;

	for (nth = 1; ; nth++) {
		arm_fault(nth, all);
		irq = bind(nr);
		if (!disarm_fault())
			return irq;
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
}

static int __init gsi_shortage_init(void)
{
	int nr = next_unused(), unused = next_unused();
	int before, irq, all, bound = 0;

	if (unused < 0) {
		pr_info("Bail out! no two GSIs are unused\n");
		return 0;
	}

	before = next_pirq(unused);
	for (all = 0; all < 2; all++) {
		irq = bind_short_of_memory(nr, all);
		if (irq != nr)
			break;
		bound++;
		unbind(nr);
	}

	result(bound == 2, "shortage.ends", "GSI %d: %d", nr, irq);
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
