// SPDX-License-Identifier: GPL-2.0
/*
 * kernel-binds - bind what only the kernel can bind, while one memory allocation after
 *		  the other fails
 *
 * usage: insmod kernel-binds.ko
 *
 * A port of a remote domain (of this one, here) and a VIRQ of CPU 1. Each bind gets the
 * first port of a page of the table of ports, so that the allocation of that page is one
 * of those that fail.
 *
 * In:	the kernel has CONFIG_FAILSLAB and CONFIG_FAIL_PAGE_ALLOC, as lab/init sets them up.
 *	Two CPUs.
 *
 * Out:	KTAP in the kernel's log, each line after "kernel_binds: "
 *
 * Exit:	the module always loads.
 */
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/cpu.h>

#include <xen/xenbus.h>

#include "walk.h"

static struct xenbus_device remote = { .otherend_id = DOMID_SELF };
static int remote_port, cookie;

static DECLARE_BITMAP(taken, MAX_PORTS);

static int bind_interdomain(void)
{
	return bind_interdomain_evtchn_to_irqhandler_lateeoi(&remote, remote_port, ignore, 0,
							     KBUILD_MODNAME, &cookie);
}

static int bind_virq(void)
{
	return bind_virq_to_irqhandler(VIRQ_XENOPROF, 1, ignore, 0, KBUILD_MODNAME, &cookie);
}

static void walk_binds(const char *kind, int (*bind)(void))
{
	struct walk walk = { .kind = kind };

	while (next_fault(&walk)) {
		int port = next_page(taken), irq;

		if (port < 0)
			break;
		arm_fault(walk.nth, false);
		irq = bind();
		count_fault(&walk, irq);
		if (irq >= 0)
			unbind_from_irqhandler(irq, &cookie);
		count_left(&walk, port);
	}
	report_walk(&walk);
}

static int __init kernel_binds_init(void)
{
	if (!cpu_online(1)) {
		pr_info("Bail out! there is no CPU 1\n");
		return 0;
	}
	remote_port = take_port();
	if (remote_port < 0) {
		pr_info("Bail out! there is no port\n");
		return 0;
	}
	walk_binds("interdomain", bind_interdomain);
	walk_binds("virq", bind_virq);
	pr_info("1..%u\n", test_nr);

	give_ports(taken);
	give_port(remote_port);
	return 0;
}
module_init(kernel_binds_init);

MODULE_DESCRIPTION("Bind what only the kernel can bind, while allocations fail");
MODULE_LICENSE("GPL");
