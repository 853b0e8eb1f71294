// SPDX-License-Identifier: GPL-2.0
/*
 * bind-twice - bind a port or a VIRQ that is bound already, by the kernel or by a user
 *
 * usage: insmod bind-twice.ko
 *
 * Out:	KTAP in the kernel's log, each line after "bind_twice: "
 *
 * Exit:	the module always loads. What has lost its port to somebody else is left as
 *	it is.
 */
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include "port.h"

static int first, second;

/* Unbind @irq, if the first owner still has it; then there are as many IRQs as before */
static void result_freed(const char *name, bool same, int irq, unsigned int before)
{
	if (same)
		unbind_from_irqhandler(irq, &first);
	same = same && irqs_become(before);
	result(same, name, "%u IRQs before, %u now", before, count_irqs());
}

static void a_port(void)
{
	unsigned int irqs = count_irqs();
	int port = take_port();
	int irq = bind_evtchn_to_irqhandler(port, ignore, 0, "first", &first);
	int again = bind_evtchn_to_irqhandler(port, ignore, 0, "second", &second);
	bool same;

	result(irq >= 0, "port.binds", "port %d: %d", port, irq);
	result(again == -EBUSY, "port.is_an_error", "%d", again);
	same = irqs_become(irqs + 1) && irq_from_evtchn(port) == irq;
	result(same, "port.irq_stays", "%u IRQs before, %u now", irqs, count_irqs());
	result_freed("port.all_is_freed", same, irq, irqs);
}

static int bind(int *cookie)
{
	return bind_virq_to_irqhandler(VIRQ_XENOPROF, 0, ignore, 0, KBUILD_MODNAME, cookie);
}

static bool is_bound(int port)
{
	struct evtchn_status status = { .dom = DOMID_SELF, .port = port };

	return !HYPERVISOR_event_channel_op(EVTCHNOP_status, &status) &&
		status.status == EVTCHNSTAT_virq;
}

static void by_the_kernel(void)
{
	unsigned int irqs = count_irqs();
	int port = lowest_free_port();
	int irq = bind(&first), again = bind(&second);
	bool same;

	result(irq >= 0, "kernel.binds", "%d", irq);
	result(again == -EBUSY, "kernel.is_an_error", "%d", again);
	same = is_bound(port);
	result(same, "kernel.port_stays", "port %d", port);
	same = irqs_become(irqs + 1) && irq_from_evtchn(port) == irq;
	result(same, "kernel.irq_stays", "%u IRQs before, %u now", irqs, count_irqs());
	result_freed("kernel.all_is_freed", same, irq, irqs);
}

/* As /dev/xen/evtchn does it */
static void by_a_user(void)
{
	struct evtchn_bind_virq virq = { .virq = VIRQ_XENOPROF };
	unsigned int irqs = count_irqs();
	int rc = HYPERVISOR_event_channel_op(EVTCHNOP_bind_virq, &virq);
	int irq = rc ? rc : bind_evtchn_to_irqhandler(virq.port, ignore, 0, "user", &first);
	int again = bind(&second);
	bool same;

	result(irq >= 0, "user.binds", "%d", irq);
	result(again == -EBUSY, "user.is_an_error", "%d", again);
	same = irq_from_evtchn(virq.port) == irq;
	result(same, "user.keeps_the_port", "port %u, IRQ %d", virq.port, irq);
	result_freed("user.all_is_freed", same, irq, irqs);
}

static int __init bind_twice_init(void)
{
	a_port();
	by_the_kernel();
	by_a_user();
	pr_info("1..%u\n", test_nr);

	return 0;
}
module_init(bind_twice_init);

MODULE_DESCRIPTION("Bind a port or a VIRQ that is bound already");
MODULE_LICENSE("GPL");
