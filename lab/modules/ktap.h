/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What all modules have in common: KTAP in the kernel's log, and a handler for an
 * interrupt that is only there to be there.
 */
#ifndef LAB_KTAP_H
#define LAB_KTAP_H

#include <linux/interrupt.h>
#include <linux/module.h>
#include <linux/printk.h>

static unsigned int test_nr;

static __printf(3, 4) void result(bool ok, const char *name, const char *fmt, ...)
{
	struct va_format detail = { .fmt = fmt };
	va_list args;

	va_start(args, fmt);
	detail.va = &args;
	pr_info("%s %u %s\n", ok ? "ok" : "not ok", ++test_nr, name);
	pr_info("# %pV\n", &detail);
	va_end(args);
}

static inline void skip(const char *name, const char *reason)
{
	pr_info("ok %u %s # SKIP %s\n", ++test_nr, name, reason);
}

static inline irqreturn_t ignore(int irq, void *data)
{
	return IRQ_HANDLED;
}

#endif
