// SPDX-License-Identifier: GPL-2.0
/*
 * irq-walks - measure the walks over all interrupts that have no file to read, and what
 * grows with their number
 *
 * usage: insmod irq-walks.ko suspend_at=N resume_at=N snapshot_at=N
 *
 * In:	the addresses of suspend_device_irqs(), resume_device_irqs() and
 *	kstat_snapshot_irqs(), which are not exported; 0 for one that this kernel has
 *	not. The time stamp counter counts instructions, see bench.c.
 *
 * Out:	parameters, in instructions, the least of several looks: suspend and resume of the
 *	devices' interrupts; snapshot, for the report of an interrupt storm;
 *	probe_mask and probe_off of autoprobing; desc, a descriptor above the ISA range as
 *	a channel's, and percpu, the counter in it, are allocated; descs and percpus, the
 *	same, the mean of many in a row. 0 is what was not measured.
 *
 * Exit:	the module always loads.
 */
#include <linux/interrupt.h>
#include <linux/irq.h>
#include <linux/irqdesc.h>
#include <linux/module.h>
#include <linux/percpu.h>

#include <asm/tsc.h>

#define LOOKS			20
#define ROW			100

static unsigned long suspend_at, resume_at, snapshot_at;
module_param(suspend_at, ulong, 0);
module_param(resume_at, ulong, 0);
module_param(snapshot_at, ulong, 0);

static unsigned long suspend, resume, snapshot, probe_mask, probe_off;
static unsigned long desc, percpu, descs, percpus;
module_param(suspend, ulong, 0444);
module_param(resume, ulong, 0444);
module_param(snapshot, ulong, 0444);
module_param(probe_mask, ulong, 0444);
module_param(probe_off, ulong, 0444);
module_param(desc, ulong, 0444);
module_param(percpu, ulong, 0444);
module_param(descs, ulong, 0444);
module_param(percpus, ulong, 0444);

static void __percpu *counter[ROW];
static int irqs[ROW];

/* A counter as a descriptor has it, whose size is not that of all kernels */
#define alloc_counter()	({							\
	struct irq_desc *desc_;							\
										\
	__alloc_percpu(sizeof(*desc_->kstat_irqs), __alignof__(*desc_->kstat_irqs)); \
})

#define measure(figure, call) do {					\
	u64 count_ = rdtsc_ordered();					\
									\
	call;								\
	count_ = rdtsc_ordered() - count_;				\
	if (!(figure) || count_ < (figure))				\
		(figure) = count_;					\
} while (0)

static int __init irq_walks_init(void)
{
	void (*suspend_irqs)(void) = (void *)suspend_at;
	void (*resume_irqs)(void) = (void *)resume_at;
	void (*snapshot_irqs)(void) = (void *)snapshot_at;
	unsigned int i, look;
	int irq;

	for (i = 0; i < LOOKS; i++) {
		if (suspend_irqs && resume_irqs) {
			measure(suspend, suspend_irqs());
			measure(resume, resume_irqs());
		}
		if (snapshot_irqs)
			measure(snapshot, snapshot_irqs());
	}

	/* It sleeps before and after the walk that it does itself */
	for (i = 0; i < LOOKS; i++) {
		unsigned long mask = probe_irq_on();

		measure(probe_off, probe_irq_off(mask));
		mask = probe_irq_on();
		measure(probe_mask, probe_irq_mask(mask));
	}

	for (i = 0; i < LOOKS; i++) {
		measure(desc, irq = irq_alloc_desc_from(NR_IRQS_LEGACY, NUMA_NO_NODE));
		if (irq >= 0)
			irq_free_desc(irq);
		measure(percpu, counter[i] = alloc_counter());
	}
	for (i = 0; i < LOOKS; i++)
		free_percpu(counter[i]);

	for (look = 0; look < LOOKS; look++) {
		measure(descs, for (i = 0; i < ROW; i++)
			irqs[i] = irq_alloc_desc_from(NR_IRQS_LEGACY, NUMA_NO_NODE));
		for (i = ROW; i--;)
			if (irqs[i] >= 0)
				irq_free_desc(irqs[i]);
		/* What is in them is freed after a grace period */
		rcu_barrier();
		measure(percpus, for (i = 0; i < ROW; i++)
			counter[i] = alloc_counter());
		for (i = ROW; i--;)
			free_percpu(counter[i]);
	}
	descs /= ROW;
	percpus /= ROW;

	return 0;
}
module_init(irq_walks_init);

static void __exit irq_walks_exit(void)
{
}
module_exit(irq_walks_exit);

MODULE_DESCRIPTION("Measure the walks over all interrupts, and what grows with their number");
MODULE_LICENSE("GPL");
