// SPDX-License-Identifier: GPL-2.0
/*
 * kernel-binds - bind what only the kernel can bind, while one memory allocation after
 *		  the other fails
 *
 * usage: insmod kernel-binds.ko
 *
 * A port of a remote domain (of this one, here) and a VIRQ of CPU 1. Linux and Xen have a
 * page each for the channels from a multiple of 1,024 on, which the first one of them
 * allocates. So before each bind ports are taken until the next one is such a multiple:
 * these allocations fail, too, then.
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

#include "fault.h"
#include "port.h"

#define PORTS_A_PAGE	1024
#define MAX_PORTS	(96 * PORTS_A_PAGE)
#define MAX_FAULTS	100

static struct xenbus_device remote = { .otherend_id = DOMID_SELF };
static int remote_port, cookie;

static unsigned long taken[BITS_TO_LONGS(MAX_PORTS)];

static int bind_interdomain(void)
{
	return bind_interdomain_evtchn_to_irqhandler_lateeoi(&remote, remote_port, ignore, 0,
							     KBUILD_MODNAME, &cookie);
}

static int bind_virq(void)
{
	return bind_virq_to_irqhandler(VIRQ_XENOPROF, 1, ignore, 0, KBUILD_MODNAME, &cookie);
}

/* Take at least one port, until the next one is the first of a page, and return that one */
static int next_page(void)
{
	bool first = true;
	int port;

	while ((port = take_port()) >= 0 && port < MAX_PORTS) {
		if (!first && port % PORTS_A_PAGE == 0) {
			give_port(port);
			return port;
		}
		first = false;
		__set_bit(port, taken);
	}
	if (port >= 0)
		give_port(port);
	return -ENOSPC;
}

static const char *name(const char *kind, const char *what)
{
	static char buf[32];

	snprintf(buf, sizeof(buf), "%s.%s", kind, what);
	return buf;
}

static void walk(const char *kind, int (*bind)(void))
{
	unsigned int errors = 0, tolerated = 0, wrong = 0, irqs_left = 0, ports_left = 0, nth;
	unsigned int irqs = count_irqs();
	int irq = -ENOSPC, port, ms;
	bool hit = true;

	for (nth = 1; hit && nth < MAX_FAULTS; nth++) {
		port = next_page();
		if (port < 0)
			break;
		arm_fault(nth, false);
		irq = bind();
		hit = disarm_fault();
		if (irq >= 0) {
			tolerated += hit;
			unbind_from_irqhandler(irq, &cookie);
		} else {
			errors++;
			wrong += irq != -ENOMEM;
		}
		if (!irqs_become(irqs)) {
			irqs_left++;
			irqs = count_irqs();
		}
		/* Until its event is consumed, Xen does not give a port out again */
		for (ms = 0; ms < SETTLE_MS && lowest_free_port() != port; ms += 20)
			msleep(20);
		ports_left += lowest_free_port() != port;
	}

	result(!hit && irq >= 0, name(kind, "ends"), "after %u faults: port %d, IRQ %d",
	       nth - 2, port, irq);
	result(errors, name(kind, "hits"), "%u allocations fail a bind, %u do not", errors,
	       tolerated);
	result(!wrong, name(kind, "is_an_error"), "%u are not -ENOMEM", wrong);
	result(!irqs_left, name(kind, "leaves_no_irq"), "%u do", irqs_left);
	result(!ports_left, name(kind, "leaves_no_port"), "%u do", ports_left);
}

static int __init kernel_binds_init(void)
{
	unsigned int port;

	if (!cpu_online(1)) {
		pr_info("Bail out! there is no CPU 1\n");
		return 0;
	}
	remote_port = take_port();
	if (remote_port < 0) {
		pr_info("Bail out! there is no port\n");
		return 0;
	}
	walk("interdomain", bind_interdomain);
	walk("virq", bind_virq);
	pr_info("1..%u\n", test_nr);

	for_each_set_bit(port, taken, MAX_PORTS)
		give_port(port);
	give_port(remote_port);
	return 0;
}
module_init(kernel_binds_init);

MODULE_DESCRIPTION("Bind what only the kernel can bind, while allocations fail");
MODULE_LICENSE("GPL");
