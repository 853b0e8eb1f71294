/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What the modules have in common that let the first, second, third... allocation of
 * something fail, until there is none to fail: what went wrong, and what stayed behind.
 */
#ifndef LAB_WALK_H
#define LAB_WALK_H

#include "fault.h"
#include "port.h"

#define MAX_FAULTS	200

struct walk {
	const char *kind;
	/* This fault, counted from 1, whether there was one, and what came of it */
	unsigned int nth;
	bool hit;
	int rc;
	/* How often there was an error, or none in spite of a fault, or another than -ENOMEM */
	unsigned int errors, tolerated, wrong;
	/* How many IRQs there must be afterwards, and how often there were others, or no port */
	unsigned int irqs, irqs_left, ports_left;
};

/* Is there one more allocation that could fail? */
static bool next_fault(struct walk *walk)
{
	if (!walk->nth) {
		walk->irqs = settled_irqs();
		walk->hit = true;
	}
	return walk->hit && ++walk->nth < MAX_FAULTS;
}

/* @rc came of what was done after arm_fault() */
static void count_fault(struct walk *walk, int rc)
{
	walk->hit = disarm_fault();
	walk->rc = rc;
	if (rc >= 0) {
		walk->tolerated += walk->hit;
		return;
	}
	walk->errors++;
	walk->wrong += rc != -ENOMEM;
}

/* All is undone, and @port must be free again */
static void count_left(struct walk *walk, int port)
{
	if (!irqs_become(walk->irqs)) {
		walk->irqs_left++;
		walk->irqs = count_irqs();
	}
	walk->ports_left += !port_becomes_free(port);
}

static void result_of(struct walk *walk, bool ok, const char *what, unsigned int nr,
		      const char *detail)
{
	char name[32];

	snprintf(name, sizeof(name), "%s.%s", walk->kind, what);
	result(ok, name, "%u %s", nr, detail);
}

static void report_walk(struct walk *walk)
{
	result_of(walk, !walk->hit && walk->rc >= 0, "ends", walk->nth - 1, "faults");
	pr_info("# %d is what came of the last try\n", walk->rc);
	result_of(walk, walk->errors, "hits", walk->errors, "allocations are needed");
	pr_info("# %u are not\n", walk->tolerated);
	result_of(walk, !walk->wrong, "is_an_error", walk->wrong, "errors are not -ENOMEM");
	result_of(walk, !walk->irqs_left, "leaves_no_irq", walk->irqs_left, "do");
	result_of(walk, !walk->ports_left, "leaves_no_port", walk->ports_left, "do");
}

#endif
