// SPDX-License-Identifier: GPL-2.0
/*
 * cpu-starved - bring a CPU online while Xen has too few event channels for it
 *
 * usage: cpu-starved CHANNELS
 *
 * CPU 1 is taken offline, and all event channels of the domain are bound through
 * /dev/xen/evtchn. CPU 1 cannot come online then. Channels are given back one by
 * one until it can, so that each step of its set-up is the one that fails once.
 *
 * In:	CHANNELS, more than the domain may have (max_event_channels of a guest).
 *	Two CPUs. /proc, /sys and /dev must be mounted. Nobody else may bind ports.
 *
 * Out:	KTAP on standard output. "# bound: N", how many channels there were;
 *	"# needed: N", how many of them CPU 1 needs.
 *
 * Exit:	0 every test passed, 1 one failed, 2 a prerequisite is missing or the
 *	tests could not go on ("Bail out!" says why).
 */
#include <linux/membarrier.h>
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <sys/syscall.h>
#include <time.h>

#include "probe.h"

/* More than any domain binds for one CPU */
#define MAX_NEEDED		32
#define ALIVE_SECONDS		60

static int evtchn;
static int *ports;
static unsigned int nr_ports;

/* Bind up to @limit channels, and return what ended it */
static int fill(unsigned int limit)
{
	while (nr_ports < limit) {
		int port = bind_channel(evtchn);

		if (port < 0)
			return errno;
		ports[nr_ports++] = port;
	}
	return 0;
}

static void release(unsigned int nr)
{
	while (nr-- && nr_ports)
		unbind_channel(evtchn, ports[--nr_ports]);
}

/*
 * How often CPU @cpu was interrupted, says the line of /proc/interrupts that
 * starts or ends with @name. All CPUs are online: each has its column.
 */
static unsigned long irq_count(const char *name, unsigned int cpu)
{
	FILE *f = fopen("/proc/interrupts", "r");
	unsigned long count = 0;
	char *line = NULL;
	size_t size = 0;

	if (!f)
		die("/proc/interrupts");
	while (getline(&line, &size, f) > 0) {
		char *label = strtok(line, "\n "), *word, *last = NULL;
		unsigned long here = 0;
		unsigned int column = 0;

		while ((word = strtok(NULL, "\n "))) {
			if (column++ == cpu)
				here = strtoul(word, NULL, 10);
			last = word;
		}
		if (last && (!strcmp(label, name) || !strcmp(last, name)))
			count = here;
	}
	free(line);
	fclose(f);
	return count;
}

static void pin(unsigned int cpu)
{
	cpu_set_t set;

	CPU_ZERO(&set);
	CPU_SET(cpu, &set);
	if (sched_setaffinity(0, sizeof(set), &set))
		die("sched_setaffinity");
}

struct spinner {
	unsigned int cpu;
	atomic_bool stop;
};

static void *spin(void *arg)
{
	struct spinner *spinner = arg;

	pin(spinner->cpu);
	while (!spinner->stop)
		;
	return NULL;
}

static time_t seconds(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec;
}

/*
 * Test that CPU @cpu gets timer interrupts and IPIs. It must have work for both:
 * membarrier() interrupts each CPU where another thread of the process runs.
 */
static void test_alive(const char *when, unsigned int cpu)
{
	struct spinner spinner = { .cpu = cpu };
	time_t start = seconds();
	unsigned long timer, ipi, timer_was, ipi_was;
	char timer_name[16], name[64];
	pthread_t thread;

	snprintf(timer_name, sizeof(timer_name), "timer%u", cpu);
	timer_was = irq_count(timer_name, cpu);
	ipi_was = irq_count("CAL:", cpu);

	pin(!cpu);
	if (pthread_create(&thread, NULL, spin, &spinner))
		die("pthread_create");
	do {
		if (syscall(SYS_membarrier, MEMBARRIER_CMD_PRIVATE_EXPEDITED, 0))
			die("membarrier");
		timer = irq_count(timer_name, cpu);
		ipi = irq_count("CAL:", cpu);
	} while ((timer == timer_was || ipi == ipi_was) && seconds() - start < ALIVE_SECONDS);
	spinner.stop = true;
	pthread_join(thread, NULL);

	snprintf(name, sizeof(name), "%s.cpu%u_timer", when, cpu);
	result(timer > timer_was, name, "%lu interrupts, then %lu", timer_was, timer);
	snprintf(name, sizeof(name), "%s.cpu%u_ipi", when, cpu);
	result(ipi > ipi_was, name, "%lu interrupts, then %lu", ipi_was, ipi);
}

/* Give back one channel more each time, until CPU 1 comes online */
static void test_starved(unsigned int offline_irqs)
{
	unsigned int full = nr_ports, spare, refused = 0;
	unsigned int wrong_errno = 0, wrong_irqs = 0, wrong_ports = 0;
	int err = 0;

	for (spare = 0; spare <= MAX_NEEDED; spare++) {
		release(spare);
		err = put(CPU1_ONLINE, "1");
		if (!err)
			break;

		refused++;
		wrong_errno += err != ENOSPC;
		wrong_irqs += !irqs_become(offline_irqs + nr_ports);
		fill(full);
		wrong_ports += nr_ports != full;
		printf("# %u spare: %s, %u IRQs too many, %u channels lost\n", spare, strerror(err),
		       count_irqs() - offline_irqs - nr_ports, full - nr_ports);
	}
	printf("# needed: %u\n", spare);
	result(refused, "starved.refused", "%u times", refused);
	result(!wrong_errno, "starved.errno", "%u of %u not %s", wrong_errno, refused,
	       strerror(ENOSPC));
	result(!wrong_irqs, "starved.irqs", "left behind %u of %u times", wrong_irqs, refused);
	result(!wrong_ports, "starved.ports", "left behind %u of %u times", wrong_ports, refused);
	result(!err, "starved.ends", "with %u channels", spare);
}

int main(int argc, char **argv)
{
	unsigned int start_irqs, offline_irqs, limit, irqs;
	int err;

	limit = asked_for(argc, argv, "CHANNELS");
	ports = calloc(limit + 1, sizeof(*ports));
	if (!ports)
		die("memory");
	plan(17);
	evtchn = open_evtchn();
	if (syscall(SYS_membarrier, MEMBARRIER_CMD_REGISTER_PRIVATE_EXPEDITED, 0))
		die("membarrier");

	start_irqs = settled_irqs();
	take_cpu1_offline();
	offline_irqs = settled_irqs();

	err = fill(limit);
	printf("# bound: %u\n", nr_ports);
	result(err == ENOSPC, "fill.errno", "%u of %u channels, %s", nr_ports, limit,
	       strerror(err));

	test_starved(offline_irqs);
	test_alive("starved", 0);
	test_alive("starved", 1);

	release(nr_ports);
	err = put(CPU1_ONLINE, "0");
	result(!err, "released.offline", "%s", strerror(err));
	err = put(CPU1_ONLINE, "1");
	result(!err, "released.online", "%s", strerror(err));
	irqs = settled_irqs();
	result(irqs == start_irqs, "released.irqs", "%u IRQs at the start, %u now", start_irqs,
	       irqs);
	test_alive("released", 0);
	test_alive("released", 1);
	return summary();
}
