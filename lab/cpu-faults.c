// SPDX-License-Identifier: GPL-2.0
/*
 * cpu-faults - bring a CPU online while one memory allocation after the other fails
 *
 * usage: cpu-faults CHANNELS
 *
 * CPU 1 is taken offline, and is to come online again with the first, second, third...
 * allocation of that failing, until none is left that could. It may do without; then
 * it must have its timer. Or it must stay offline, with all that it had got given back.
 * The walk ends with the first fault that goes wrong. With a CPU that has no timer, a
 * machine may not end after that, and stands still until the limit of its row.
 *
 * In:	CHANNELS has no meaning here. The kernel has CONFIG_FAILSLAB and
 *	CONFIG_FAIL_PAGE_ALLOC, with ignore-gfp-wait off. Two CPUs, the second one with
 *	isolcpus=1: if it has no timer, what was running there would be waited for for
 *	ever. /proc, /sys and /dev must be mounted. Nobody else may bind ports.
 *
 * Out:	KTAP on standard output. "# faults: N", how many allocations failed.
 *
 * Exit:	0 every test passed, 1 one failed, 2 a prerequisite is missing or the tests
 *	could not go on ("Bail out!" says why).
 */
#include "probe.h"

#define CPU1_TIMER	"timer1"

#define MAX_FAULTS	1000

static bool has_timer(void)
{
	FILE *f = fopen("/proc/interrupts", "r");
	bool found = false;
	char *line = NULL;
	size_t size = 0;

	if (!f)
		die("/proc/interrupts");
	while (getline(&line, &size, f) > 0)
		found = found || strstr(line, " " CPU1_TIMER "\n");
	free(line);
	fclose(f);
	return found;
}

int main(int argc, char **argv)
{
	unsigned int offline_irqs, nth, refused = 0;
	bool hit = true, right_errno = true, no_irq = true, no_port = true, timer = true;
	int fd, online, err = 0, offline_port, port = 0;

	asked_for(argc, argv, "CHANNELS");
	plan(6);
	fd = open_evtchn();
	online = open(CPU1_ONLINE, O_WRONLY);
	if (online < 0)
		die(CPU1_ONLINE);

	take_cpu1_offline();
	offline_irqs = settled_irqs();
	offline_port = lowest_free_port(fd);

	for (nth = 1; nth < MAX_FAULTS; nth++) {
		inject(nth);
		err = pwrite(online, "1", 1, 0) < 0 ? errno : 0;
		hit = injected();
		inject(0);
		if (err) {
			refused++;
			right_errno = err == ENOMEM;
			no_irq = irqs_become(offline_irqs);
			port = lowest_free_port(fd);
			no_port = port == offline_port;
		} else {
			timer = has_timer();
			if (hit && timer) {
				take_cpu1_offline();
				no_irq = irqs_become(offline_irqs);
			}
		}
		if (!hit || !right_errno || !no_irq || !no_port || !timer)
			break;
		if (nth % 10 == 0)
			fprintf(stderr, "cpu-faults: fault %u, %u refused\n", nth, refused);
	}
	printf("# faults: %u\n", nth - 1);
	result(timer, "faults.timer", "fault %u", nth);
	result(right_errno, "faults.errno", "fault %u: %s", nth, strerror(err));
	result(no_irq, "faults.irqs", "fault %u: %u IRQs, %u before", nth, count_irqs(),
	       offline_irqs);
	result(no_port, "faults.ports", "fault %u: the lowest port %d, %d before", nth, port,
	       offline_port);
	result(!hit && !err, "faults.ends", "after %u faults: %s", nth - 1, strerror(err));
	result(refused, "faults.refused", "%u times", refused);
	return summary();
}
