// SPDX-License-Identifier: GPL-2.0
/*
 * long-name - is the header of /proc/interrupts there, whatever the first line is?
 *
 * usage: insmod long-name.ko
 *
 * In:	nothing is on IRQ 0 and IRQ 1. An interrupt with a name of 4,096 letters on
 *	IRQ 1 stands for the 184 CPUs that make header and first line as long.
 *
 * Out:	KTAP in the kernel's log, each line after "long_name: "
 *
 * Exit:	the module always loads.
 */
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/fs.h>
#include <linux/interrupt.h>
#include <linux/irq.h>
#include <linux/string.h>

#include "ktap.h"

#define FIRST_IRQ	1

/* The first 20 bytes of /proc/interrupts */
static void first_line(char *buf, size_t size)
{
	struct file *file = filp_open("/proc/interrupts", O_RDONLY, 0);
	ssize_t len = 0;
	loff_t pos = 0;

	if (!IS_ERR(file)) {
		len = kernel_read(file, buf, size - 1, &pos);
		filp_close(file, NULL);
	}
	buf[max(len, 0)] = '\0';
}

static int __init long_name_init(void)
{
	static char name[4097], line[21];
	static int cookie;
	int rc;

	/* The descriptor is one of those that x86 has for ISA interrupts */
	irq_set_chip_and_handler_name(FIRST_IRQ, &dummy_irq_chip, handle_simple_irq, "lab");
	memset(name, 'x', sizeof(name) - 1);
	rc = request_irq(FIRST_IRQ, ignore, 0, name, &cookie);
	if (rc) {
		pr_info("Bail out! no IRQ %d: %d\n", FIRST_IRQ, rc);
		return 0;
	}

	first_line(line, sizeof(line));
	result(strstr(line, "CPU0"), "proc.interrupts_header", "it starts with '%s'", line);
	pr_info("1..%u\n", test_nr);

	free_irq(FIRST_IRQ, &cookie);
	return 0;
}
module_init(long_name_init);

MODULE_DESCRIPTION("Is the header of /proc/interrupts always there?");
MODULE_LICENSE("GPL");
