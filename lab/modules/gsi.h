/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What the modules that bind GSIs have in common: the view from inside of what a
 * bind has left behind in Linux and in Xen.
 */
#ifndef LAB_GSI_H
#define LAB_GSI_H

#include <linux/acpi.h>
#include <linux/delay.h>
#include <linux/irq.h>

#include <xen/events.h>
#include <xen/interface/physdev.h>
#include <xen/xen.h>

#include <asm/xen/hypercall.h>

#include "ktap.h"

static unsigned int gsi = 23;
module_param(gsi, uint, 0444);
MODULE_PARM_DESC(gsi, "the highest GSI to use (default: the last of 24)");

/* The next GSI, downwards, which has no descriptor and no irq_info */
static int next_unused(void)
{
	for (; gsi >= NR_IRQS_LEGACY; gsi--)
		if (!irq_get_irq_data(gsi) && xen_irq_from_gsi(gsi) == -1)
			return gsi--;

	return -ENOENT;
}

static int bind(unsigned int nr)
{
	return acpi_register_gsi(NULL, nr, ACPI_LEVEL_SENSITIVE, ACPI_ACTIVE_LOW);
}

static int unmap_pirq(int pirq)
{
	struct physdev_unmap_pirq unmap = {
		.domid = DOMID_SELF,
		.pirq = pirq,
	};

	return HYPERVISOR_physdev_op(PHYSDEVOP_unmap_pirq, &unmap);
}

static irqreturn_t not_mine(int irq, void *data)
{
	return IRQ_NONE;
}

/* Only an IRQ with a handler can be unbound. It goes away after a grace period. */
static int unbind(unsigned int nr)
{
	static int cookie;
	int pirq = xen_pirq_from_irq(nr);
	int rc = request_irq(nr, not_mine, IRQF_SHARED, KBUILD_MODNAME, &cookie);

	if (rc)
		return rc;
	unbind_from_irqhandler(nr, &cookie);
	if (!xen_pv_domain())
		unmap_pirq(pirq);
	while (irq_get_irq_data(nr))
		msleep(20);

	return 0;
}

/* The pirq that Xen gives to the next GSI of an HVM guest; @unused is given back */
static int next_pirq(unsigned int unused)
{
	struct physdev_map_pirq map = {
		.domid = DOMID_SELF,
		.type = MAP_PIRQ_TYPE_GSI,
		.index = unused,
		.pirq = -1,
	};
	int rc;

	if (xen_pv_domain())
		return -EOPNOTSUPP;

	rc = HYPERVISOR_physdev_op(PHYSDEVOP_map_pirq, &map);
	if (rc)
		return rc;

	unmap_pirq(map.pirq);
	return map.pirq;
}

/*
 * Report whether binds that failed have left pirqs mapped: the next one is then not
 * the one it was before.
 */
static void result_pirq(const char *name, unsigned int unused, int before)
{
	int after = next_pirq(unused);

	if (xen_pv_domain())
		skip(name, "a PV domain cannot unmap a GSI and map it again");
	else
		result(before == after, name, "the next pirq is %d, it was %d", after, before);
}

#endif
