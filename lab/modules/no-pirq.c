// SPDX-License-Identifier: GPL-2.0
/*
 * no-pirq - ask for the pirq of IRQs that have none
 *
 * usage: insmod no-pirq.ko
 *
 * Out:	KTAP in the kernel's log, each line after "no_pirq: "
 *
 * Exit:	the module always loads.
 */
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <xen/events.h>
#include <xen/interface/xen.h>

#include "ktap.h"

/* No machine of the lab has this many IRQs */
#define UNUSED_IRQ	99999

static int __init no_pirq_init(void)
{
	static int cookie;
	int irq = bind_virq_to_irqhandler(VIRQ_XENOPROF, 0, ignore, 0, "no-pirq", &cookie);
	int pirq = xen_pirq_from_irq(UNUSED_IRQ), not_shared;

	result(!pirq, "pirq.of_no_irq", "IRQ %u has pirq %d", UNUSED_IRQ, pirq);

	pirq = irq < 0 ? irq : xen_pirq_from_irq(irq);
	result(!pirq, "pirq.of_a_virq", "IRQ %d has pirq %d", irq, pirq);

	/* "No", or nobody knows */
	not_shared = xen_test_irq_shared(UNUSED_IRQ);
	result(!not_shared, "shared.of_no_irq", "IRQ %u: %d", UNUSED_IRQ, not_shared);
	pr_info("1..%u\n", test_nr);

	if (irq >= 0)
		unbind_from_irqhandler(irq, &cookie);
	return 0;
}
module_init(no_pirq_init);

MODULE_DESCRIPTION("Ask for the pirq of IRQs that have none");
MODULE_LICENSE("GPL");
