// SPDX-License-Identifier: GPL-2.0
/*
 * exhaust - bind all event channels that there are, again and again
 *
 * usage: exhaust CHANNELS
 *
 * In:	CHANNELS, at least as many as the domain may have: what its ABI has, or
 *	max_event_channels. /proc, /sys and /dev must be mounted. Nobody else may
 *	bind ports.
 *
 * Out:	KTAP on standard output. "# cycles: N"; "# bound: N", how many channels
 *	each cycle bound; "# memory: N kB", what the second half of the cycles left.
 *
 * Exit:	0 every test passed, 1 one failed, 2 a prerequisite is missing and
 *	nothing was tested ("Bail out!" says which).
 */
#include <sys/wait.h>

#include "probe.h"

#define CYCLES			100
/* All channels of the FIFO ABI take minutes */
#define MANY_CHANNELS		10000
#define CYCLES_OF_MANY		2
/* What the kernel and the toolstack may have more for other reasons */
#define MORE_THREADS		16

/* All threads of the machine, those of the kernel, too */
static unsigned int count_threads(void)
{
	FILE *f = fopen("/proc/loadavg", "r");
	unsigned int nr;

	if (!f || fscanf(f, "%*f %*f %*f %*u/%u", &nr) != 1)
		die("/proc/loadavg");
	fclose(f);
	return nr;
}

/* Can a process be started while no channel is left? */
static bool usable(void)
{
	int status;
	pid_t pid = fork();

	if (!pid)
		_exit(put("/dev/null", "x"));
	return pid > 0 && waitpid(pid, &status, 0) == pid && !status;
}

int main(int argc, char **argv)
{
	unsigned int asked, cycle, cycles = CYCLES, irqs, bound = 0, errno_wrong = 0;
	unsigned int nr_wrong = 0, irqs_left = 0, unusable = 0, others = 0, silent = 0;
	unsigned int threads, threads_after;
	unsigned long memory = 0;
	int other, port, port_after, err_seen = 0;
	long lost;

	asked = asked_for(argc, argv, "CHANNELS");
	plan(9);
	other = open_evtchn();
	port = lowest_free_port(other);
	irqs = settled_irqs();
	threads = count_threads();

	for (cycle = 0; cycle < cycles; cycle++) {
		unsigned int nr = 0;
		int fd = open_evtchn(), last = -1, next;

		while (nr <= asked && (next = bind_channel(fd)) >= 0) {
			last = next;
			nr++;
		}
		if (nr > asked || errno != ENOSPC) {
			err_seen = errno;
			errno_wrong++;
		}
		if (!cycle) {
			bound = nr;
			if (bound > MANY_CHANNELS)
				cycles = CYCLES_OF_MANY;
		}
		nr_wrong += nr != bound;
		unusable += !usable();
		if (bind_channel(other) >= 0 || errno != ENOSPC)
			others++;
		/* One given back can be had again */
		if (nr < 2 || unbind_channel(fd, last) || (last = bind_channel(fd)) < 0)
			silent++;
		close(fd);

		/* What once stays is not waited for again */
		irqs_left += irqs_left || !irqs_become(irqs);
		if (cycle == cycles / 2 - 1)
			memory = settled_kb();
		if ((cycle + 1) % 10 == 0 || cycles < 10)
			fprintf(stderr, "exhaust: %u of %u cycles, %u channels, %lu kB\n",
				cycle + 1, cycles, nr, kernel_kb());
	}
	lost = settled_kb() - memory;
	threads_after = count_threads();
	port_after = lowest_free_port(other);

	printf("# cycles: %u\n# bound: %u\n# memory: %ld kB\n", cycles, bound, lost);
	result(!errno_wrong, "full.errno", "%u of %u not ENOSPC, the last: %s", errno_wrong,
	       cycles, strerror(err_seen));
	result(bound && !nr_wrong, "full.as_many_each_time", "%u at first, %u times not", bound,
	       nr_wrong);
	result(!others, "full.for_other_files", "%u times not ENOSPC", others);
	result(!unusable, "full.usable", "%u times no process could be started", unusable);
	result(!silent, "full.again", "%u times a channel given back was not to be had", silent);
	result(!irqs_left, "end.irqs", "%u at the start, %u times others", irqs, irqs_left);
	result(port_after == port, "end.ports", "the lowest free one was %d, is %d", port,
	       port_after);
	result(threads_after <= threads + MORE_THREADS, "end.threads", "%u at the start, %u now",
	       threads, threads_after);
	result(lost < LOST_KB, "end.memory", "%ld kB left by %u cycles, of %d", lost,
	       cycles / 2, LOST_KB);
	return summary();
}
