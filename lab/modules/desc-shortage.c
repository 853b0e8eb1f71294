// SPDX-License-Identifier: GPL-2.0
/*
 * desc-shortage - allocate IRQs while one memory allocation after the other fails
 *
 * usage: insmod desc-shortage.ko
 *
 * Out:	KTAP in the kernel's log, each line after "desc_shortage: "
 *
 * Exit:	the module always loads.
 */
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/irq.h>

#include "fault.h"
#include "ktap.h"

/* More than a node of the radix tree holds, and many times one of the maple tree */
#define NR_NUMBERS		72

static unsigned int errors, tolerated, wrong, without;

/*
 * Allocate an IRQ, first while the first allocation fails, then while the second one
 * does, until there is none to fail.
 */
static int alloc_short_of_memory(bool all)
{
	unsigned int nth;
	int irq;

	for (nth = 1; ; nth++) {
		arm_fault(nth, all);
		irq = irq_alloc_desc_from(NR_IRQS_LEGACY, -1);
		if (!disarm_fault())
			return irq;
		if (irq < 0) {
			errors++;
			wrong += irq != -ENOMEM;
		} else if (!irq_get_irq_data(irq)) {
			/* Freeing it would be a crash */
			without++;
		} else {
			/* It can do without, for instance without sysfs */
			tolerated++;
			irq_free_desc(irq);
		}
	}
}

static int __init desc_shortage_init(void)
{
	int numbers[NR_NUMBERS];
	unsigned int nr;

	for (nr = 0; nr < NR_NUMBERS; nr++) {
		numbers[nr] = alloc_short_of_memory(nr % 2);
		if (numbers[nr] < 0)
			break;
	}
	result(nr == NR_NUMBERS, "shortage.ends", "%u of %u numbers", nr, NR_NUMBERS);
	result(errors, "shortage.hits", "%u allocations fail, %u do not", errors, tolerated);
	result(!wrong, "shortage.is_an_error", "%u are not -ENOMEM", wrong);
	result(!without, "shortage.has_descriptor", "%u numbers have none", without);
	pr_info("1..%u\n", test_nr);

	while (nr)
		irq_free_desc(numbers[--nr]);

	return 0;
}
module_init(desc_shortage_init);

MODULE_DESCRIPTION("Allocate IRQs while one memory allocation after the other fails");
MODULE_LICENSE("GPL");
