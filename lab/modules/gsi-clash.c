// SPDX-License-Identifier: GPL-2.0
/*
 * gsi-clash - bind a GSI whose IRQ number is taken, and again when it is free
 *
 * usage: insmod gsi-clash.ko [gsi=N]
 *
 * In:	gsi, see gsi.h. It and the next one below are used as far as nobody else
 *	does, and the highest ISA IRQ that is free. Xen has less than NO_GSI of them.
 *
 * Out:	KTAP in the kernel's log, each line after "gsi_clash: "
 *
 * Exit:	the module always loads.
 */
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/mm.h>

#include "gsi.h"

#define NO_GSI		5000
/* An irq_info is larger than LOST bytes; half of what that makes is no noise any more */
#define TRIES		1000
#define LOST		128

static unsigned long slab_pages(void)
{
	return global_node_page_state_pages(NR_SLAB_UNRECLAIMABLE_B);
}

/* Bind GSI @nr, whose IRQ number is taken, again and again */
static void try_in_vain(int nr)
{
	unsigned long before, after;
	unsigned int i, failed = 0;

	/* Each CPU adds up for a second */
	msleep(2000);
	before = slab_pages();
	for (i = 0; i < TRIES; i++)
		failed += bind(nr) == -EEXIST;
	msleep(2000);
	after = slab_pages();
	result(failed == TRIES && after < before + TRIES * LOST / 2 / PAGE_SIZE,
	       "clash.loses_no_memory", "%lu pages of slabs before, %lu after %u failures",
	       before, after, failed);
}

/* An ISA IRQ is there from the start, and taken when a driver has requested it */
static void isa_clash(void)
{
	static int cookie;
	int nr, clash, left, again;

	for (nr = NR_IRQS_LEGACY - 1; nr > 0; nr--)
		if (xen_irq_from_gsi(nr) == -1 &&
		    !request_irq(nr, not_mine, 0, KBUILD_MODNAME, &cookie))
			break;
	if (!nr) {
		skip("isa.is_an_error", "all ISA GSIs are bound");
		skip("isa.binds", "all ISA GSIs are bound");
		return;
	}

	clash = bind(nr);
	left = xen_irq_from_gsi(nr);
	free_irq(nr, &cookie);
	again = bind(nr);
	result(clash == -EEXIST && left == -1, "isa.is_an_error", "GSI %d: %d, then it has IRQ %d",
	       nr, clash, left);
	result(again == nr && xen_irq_from_gsi(nr) == nr, "isa.binds", "GSI %d: %d", nr, again);
}

static int __init gsi_clash_init(void)
{
	int nr = next_unused(), unused = next_unused();
	int before, taken, first, second, left;

	if (unused < 0) {
		pr_info("Bail out! no two GSIs are unused\n");
		return 0;
	}

	before = next_pirq(unused);
	taken = irq_alloc_desc_at(nr, -1);
	first = bind(nr);
	second = bind(nr);
	left = xen_irq_from_gsi(nr);

	result(taken == nr, "clash.taken", "IRQ %d: %d", nr, taken);
	result(first == -EEXIST, "clash.is_an_error", "GSI %d: %d", nr, first);
	result(second == -EEXIST, "clash.again", "GSI %d: %d", nr, second);
	result(left == -1, "clash.leaves_no_irq_info", "GSI %d has IRQ %d", nr, left);
	result_pirq("clash.leaves_no_pirq", unused, before);

	irq_free_desc(nr);
	first = bind(nr);
	second = bind(nr);
	left = xen_irq_from_gsi(nr);

	result(first == nr, "free.binds", "GSI %d: %d", nr, first);
	result(second == nr, "free.again", "GSI %d: %d", nr, second);
	result(left == nr, "free.is_known", "GSI %d has IRQ %d", nr, left);
	if (left == nr && !unbind(nr) && irq_alloc_desc_at(nr, -1) == nr) {
		try_in_vain(nr);
		irq_free_desc(nr);
	} else {
		result(false, "clash.loses_no_memory", "GSI %d never gets free", nr);
	}
	isa_clash();
	first = bind(NO_GSI);
	left = xen_irq_from_gsi(NO_GSI);
	result(first == -EINVAL && left == -1, "none.is_an_error", "GSI %d: %d, then it has IRQ %d",
	       NO_GSI, first, left);
	pr_info("1..%u\n", test_nr);

	return 0;
}
module_init(gsi_clash_init);

MODULE_DESCRIPTION("Bind a GSI whose IRQ number is taken, and again when it is free");
MODULE_LICENSE("GPL");
