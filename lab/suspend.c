// SPDX-License-Identifier: GPL-2.0
/*
 * suspend - suspend the machine with event channels bound, step by step and as a whole
 *
 * usage: suspend CHANNELS
 *
 * The kernel's own test of suspend goes as far as it is told, and back. In the end
 * the machine sleeps, and its clock wakes it.
 *
 * In:	CHANNELS, how many to bind; none without Xen. A kernel with
 *	CONFIG_PM_DEBUG, and CONFIG_RTC_DRV_CMOS; a machine that has ACPI S3. /proc, /sys
 *	and /dev must be mounted.
 *
 * Out:	KTAP on standard output.
 *
 * Exit:	0 every test passed or was skipped, 1 one failed, 2 a prerequisite is
 *	missing and nothing was tested ("Bail out!" says which).
 */
#include "probe.h"

#define SLEEP_SECONDS		"+5"
#define ALARM			"/sys/class/rtc/rtc0/wakealarm"

int main(int argc, char **argv)
{
	static const char * const levels[] = {
		"freezer", "devices", "platform", "processors", "core", "none"
	};
	unsigned int nr_pairs = 0, irqs, cpus, i, j, asked, lowest;
	unsigned long own;
	bool xen = !access("/dev/xen/evtchn", F_OK);
	struct pair *pairs;
	char buf[64];
	int fd = -1;

	asked = asked_for(argc, argv, "CHANNELS") / 2;
	pairs = calloc(asked + 1, sizeof(*pairs));
	if (!pairs)
		die("memory");
	plan(3 * 6);
	if (!strstr(slurp("/sys/power/mem_sleep", buf, sizeof(buf)), "[deep]")) {
		errno = ENODEV;
		die("ACPI S3");
	}
	if (xen) {
		fd = open_evtchn();
		while (nr_pairs < asked && bind_pair(fd, &pairs[nr_pairs]))
			nr_pairs++;
		if (nr_pairs < asked)
			die("pair of channels");
	}
	irqs = settled_irqs();
	lowest = first_dynamic();
	cpus = sysconf(_SC_NPROCESSORS_ONLN);

	for (i = 0; i < 6; i++) {
		unsigned int working = 0, now, misplaced;
		char name[64];
		int err = put("/sys/power/pm_test", levels[i]);

		if (!err && !strcmp(levels[i], "none"))
			err = put(ALARM, SLEEP_SECONDS);
		if (!err)
			err = put("/sys/power/state", "mem");
		snprintf(name, sizeof(name), "%s.suspended", levels[i]);
		result(!err, name, "%s", strerror(err));

		for (j = 0; j < nr_pairs; j++)
			working += works(fd, &pairs[j]);
		snprintf(name, sizeof(name), "%s.events", levels[i]);
		if (xen)
			result(working == nr_pairs, name, "%u of %u pairs", working, nr_pairs);
		else
			skip(name, "no event channels");
		now = settled_irqs();
		snprintf(name, sizeof(name), "%s.irqs", levels[i]);
		/* A CPU that comes back gets other numbers */
		misplaced = misplaced_irqs(lowest, &own);
		result(now == irqs && !misplaced && sysconf(_SC_NPROCESSORS_ONLN) == cpus, name,
		       "%u IRQs at the start, %u now, %u on the wrong side of %u; %ld of %u CPUs",
		       irqs, now, misplaced, lowest, sysconf(_SC_NPROCESSORS_ONLN), cpus);
	}
	return summary();
}
