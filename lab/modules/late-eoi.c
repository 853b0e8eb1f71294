// SPDX-License-Identifier: GPL-2.0
/*
 * late-eoi - an event comes to another CPU while the handler of the one before still runs
 *
 * usage: insmod late-eoi.ko
 *
 * With a late EOI the handler must not be called again before xen_irq_lateeoi() is. But
 * that can be while the handler runs: a user of /dev/xen/evtchn reads a port, and writes
 * it, as soon as the handler has stored it.
 *
 * In:	two CPUs
 *
 * Out:	KTAP in the kernel's log, each line after "late_eoi: "
 *
 * Exit:	with one CPU, or without a channel, the module does not load.
 */
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include "port.h"

#define HANDLER_MS	10000

static const char *round;
static evtchn_port_t sender;
static unsigned int calls;
static bool leave;

/* The first call lasts until it may leave */
static irqreturn_t handler(int irq, void *data)
{
	unsigned int ms;

	WRITE_ONCE(calls, calls + 1);
	for (ms = 0; calls == 1 && !READ_ONCE(leave) && ms < HANDLER_MS; ms++)
		mdelay(1);
	return IRQ_HANDLED;
}

static void expect(bool ok, const char *what)
{
	char name[32];

	snprintf(name, sizeof(name), "%s.%s", round, what);
	result(ok, name, "%u calls", READ_ONCE(calls));
}

static void expect_call(unsigned int nr, const char *what)
{
	unsigned int ms;

	for (ms = 0; ms < SETTLE_MS && READ_ONCE(calls) < nr; ms += 20)
		msleep(20);
	expect(READ_ONCE(calls) == nr, what);
}

static void expect_no_call(unsigned int nr, const char *what)
{
	msleep(500);
	expect(READ_ONCE(calls) == nr, what);
}

/* Leave with the handler at work on CPU 0, its EOI sent, and the next event here */
static void overtake(int irq)
{
	calls = 0;
	leave = false;
	irq_set_affinity(irq, cpumask_of(0));
	notify_remote_via_evtchn(sender);
	expect_call(1, "first_is_handled");
	xen_irq_lateeoi(irq, 0);
	irq_set_affinity(irq, cpumask_of(1));
	notify_remote_via_evtchn(sender);
}

static void leave_handler(int irq)
{
	WRITE_ONCE(leave, true);
	synchronize_irq(irq);
}

static void go_on(int irq)
{
	expect_call(2, "second_is_handled");
	notify_remote_via_evtchn(sender);
	expect_no_call(2, "third_waits_for_eoi");
	xen_irq_lateeoi(irq, 0);
	expect_call(3, "third_is_handled");
	xen_irq_lateeoi(irq, 0);
}

static int connect_to(evtchn_port_t port)
{
	struct evtchn_bind_interdomain interdomain = {
		.remote_dom = DOMID_SELF, .remote_port = port,
	};
	int rc = HYPERVISOR_event_channel_op(EVTCHNOP_bind_interdomain, &interdomain);

	sender = interdomain.local_port;
	return rc;
}

static int __init late_eoi_init(void)
{
	int port, irq;

	if (num_online_cpus() < 2 || set_cpus_allowed_ptr(current, cpumask_of(1)))
		return -ENODEV;
	port = take_port();
	if (port < 0 || connect_to(port))
		return -ENOSPC;
	irq = bind_evtchn_to_irqhandler_lateeoi(port, handler, 0, KBUILD_MODNAME, &calls);
	if (irq < 0)
		return irq;

	round = "enabled";
	overtake(irq);
	leave_handler(irq);
	go_on(irq);

	/* What came is not lost, and has no EOI yet */
	round = "disabled";
	overtake(irq);
	disable_irq_nosync(irq);
	leave_handler(irq);
	expect_no_call(1, "second_is_not_handled");
	enable_irq(irq);
	go_on(irq);

	unbind_from_irqhandler(irq, &calls);
	give_port(sender);
	pr_info("1..%u\n", test_nr);
	return 0;
}
module_init(late_eoi_init);

MODULE_DESCRIPTION("An event of an IRQ whose handler still runs on another CPU");
MODULE_LICENSE("GPL");
