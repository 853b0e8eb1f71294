/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What all modules have in common: KTAP in the kernel's log.
 */
#ifndef LAB_KTAP_H
#define LAB_KTAP_H

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

#endif
