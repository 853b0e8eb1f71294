// SPDX-License-Identifier: GPL-2.0
/*
 * gsi-lookup - look up the IRQ of a GSI while event channels come and go
 *
 * usage: insmod gsi-lookup.ko
 *
 * One CPU looks up a GSI that nobody has, which goes through all irq_info, as often
 * as LOOK_UPS says. Meanwhile another one binds and unbinds CHANNELS of them.
 *
 * In:	two CPUs. Where a look-up can meet an irq_info that is gone, it does so within
 *	ENOUGH binds: the kernel crashes.
 *
 * Out:	KTAP in the kernel's log, each line after "gsi_lookup: "
 *
 * Exit:	the module always loads.
 */
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/completion.h>
#include <linux/kthread.h>
#include <linux/sched.h>

#include "port.h"

#define NO_GSI		99999
#define LOOK_UPS	5000000
#define CHANNELS	64
#define ENOUGH		5000

static DECLARE_COMPLETION(looked_up);
static unsigned int found;

static int look_up(void *unused)
{
	unsigned int i;

	for (i = 0; i < LOOK_UPS; i++) {
		if (xen_irq_from_gsi(NO_GSI) != -1)
			found++;
		cond_resched();
	}
	complete(&looked_up);

	return 0;
}

/* The IRQ of a new port, or an error */
static int bind(int *cookie)
{
	int port = take_port(), irq;

	if (port < 0)
		return port;
	irq = bind_evtchn_to_irqhandler(port, ignore, 0, KBUILD_MODNAME, cookie);
	if (irq < 0)
		give_port(port);
	return irq;
}

static int __init gsi_lookup_init(void)
{
	static int irqs[CHANNELS], cookie;
	struct task_struct *reader;
	unsigned int cpu = raw_smp_processor_id(), i, binds = 0;
	int err = 0;

	reader = num_online_cpus() < 2 ? ERR_PTR(-ENODEV) :
		 kthread_create(look_up, NULL, KBUILD_MODNAME);
	if (IS_ERR(reader)) {
		pr_info("Bail out! no second CPU, or no thread: %pe\n", reader);
		return 0;
	}
	set_cpus_allowed_ptr(current, cpumask_of(cpu));
	kthread_bind(reader, cpumask_any_but(cpu_online_mask, cpu));
	wake_up_process(reader);

	while (!completion_done(&looked_up)) {
		for (i = 0; i < CHANNELS; i++) {
			irqs[i] = bind(&cookie);
			if (irqs[i] < 0)
				err = irqs[i];
			else
				binds++;
		}
		for (i = 0; i < CHANNELS; i++)
			if (irqs[i] >= 0)
				unbind_from_irqhandler(irqs[i], &cookie);
		cond_resched();
	}

	result(!found, "lookup.finds_nothing", "%u of %u look-ups of GSI %u", found,
	       LOOK_UPS, NO_GSI);
	result(binds >= ENOUGH && !err, "lookup.binds", "%u binds meanwhile, %d", binds, err);
	pr_info("1..%u\n", test_nr);

	return 0;
}
module_init(gsi_lookup_init);

MODULE_DESCRIPTION("Look up the IRQ of a GSI while event channels come and go");
MODULE_LICENSE("GPL");
