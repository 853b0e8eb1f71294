// SPDX-License-Identifier: GPL-2.0
/*
 * evtchn-stress - bind, notify and close event channels while the machine changes
 *
 * usage: evtchn-stress CHANNELS
 *
 * Processes bind pairs of channels, send events through them, close some, and
 * exit, or are killed. Meanwhile CPUs go offline and come back, IRQs get other
 * CPUs, and network cards lose their driver and get it again. All along, the
 * numbers of GSIs are looked at in /sys/kernel/irq, and what walks over all IRQs is
 * read, which tells of each that is requested where it is. It goes on until each of
 * that was done some times; at the end everything must be as at the start.
 *
 * In:	CHANNELS, how many are bound in all, at least. /proc, /sys and /dev must be
 *	mounted, the boot messages still in the kernel's log buffer. An e1000 is
 *	taken for a card with INTx, an e1000e for one with MSIs.
 *
 * Out:	KTAP on standard output. "# starting" and "# settling" say from when to
 *	when things change, for a host that changes some, too. "# KEY: N" counts what
 *	was done.
 *
 * Exit:	0 every test passed or was skipped, 1 one failed, 2 a prerequisite is
 *	missing and nothing was tested ("Bail out!" says which).
 */
#include <net/if.h>
#include <signal.h>
#include <stdatomic.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>

#include "probe.h"

#define NR_WORKERS		6
#define MAX_PAIRS		64
#define MAX_ROUNDS		8
#define BINDS_A_KILL		100

/* How often the rest is to be done, for which MORE times what was asked for is bound */
#define MIN_LOOKS		10
#define MIN_READS		10
#define MIN_CPUS		10
#define MIN_MOVES		10
#define MIN_CARDS		3
#define MORE			4
#define CPUS_A_CARD		10

/* To see that each has an IRQ of its own */
#define NR_TOGETHER		200

/* What the processes have done, and what they found wrong */
static struct counts {
	atomic_ulong binds, events, killed, cpus, moves, cards;
	atomic_ulong refused, lost, stray, died, cpu_errors, card_errors, gsi_moved, msi_low;
	atomic_ulong looks, misplaced, reads, unordered, taken;
	atomic_bool stop;
	int refused_errno, cpu_errno;
} *counts;

static unsigned int lowest, nr_cpus;
static bool cards;
static uint32_t seed = 1;

static unsigned int below(unsigned int limit)
{
	return next_random(&seed) % limit;
}

/* Without waiting for the event that the sender gets */
static bool bind_one(int fd, struct pair *pair)
{
	if (!bind_ends(fd, pair)) {
		counts->refused_errno = errno;
		counts->refused++;
		return false;
	}
	counts->binds += 2;
	return true;
}

/* Xen also tells a port that it has been connected, once */
static void expect_event(int fd, const struct pair *pairs, unsigned int nr,
			 const struct pair *sent)
{
	for (;;) {
		int port = next_event(fd);
		unsigned int i;

		if (port < 0) {
			counts->lost++;
			return;
		}
		if (port == sent->port) {
			counts->events++;
			return;
		}
		for (i = 0; i < nr && pairs[i].sender != port; i++)
			;
		if (i == nr)
			counts->stray++;
	}
}

/*
 * Who changes CPUs, IRQs or cards goes first, and then the threads of the kernel that he
 * waits for, and who looks; who binds goes last
 */
static void go_by(int increment)
{
	errno = 0;
	if (nice(increment) == -1 && errno)
		die("nice");
}

static void __attribute__((noreturn)) work(void)
{
	unsigned int rounds = 1 + below(MAX_ROUNDS);
	struct pair pairs[MAX_PAIRS];

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	go_by(5);
	while (rounds-- && !counts->stop) {
		unsigned int wanted = 1 + below(MAX_PAIRS), nr = 0, i;
		int fd = open_evtchn();

		while (nr < wanted && bind_one(fd, &pairs[nr]))
			nr++;
		for (i = 0; nr && i < 2 * nr && !counts->lost; i++) {
			const struct pair *pair = &pairs[below(nr)];

			notify(fd, pair->sender);
			expect_event(fd, pairs, nr, pair);
		}
		/* Of some one end only, of others none: closing the file shall do */
		for (i = 0; i < nr; i += 1 + below(4))
			unbind_channel(fd, below(2) ? pairs[i].port : pairs[i].sender);
		if (rounds)
			close(fd);
	}
	_exit(0);
}

/*
 * While a PCI driver looks at its device, no CPU can go or come: EBUSY. One that the
 * host has taken away has no file, or one that is going: ENOENT, ENODEV.
 */
static void set_cpu(unsigned int cpu, bool online)
{
	char path[64];
	int err;

	snprintf(path, sizeof(path), "/sys/devices/system/cpu/cpu%u/online", cpu);
	while ((err = put(path, online ? "1" : "0")) == EBUSY && !counts->stop)
		usleep(1000);
	if (err == EBUSY || err == ENOENT || err == ENODEV)
		return;
	if (!err) {
		counts->cpus++;
	} else {
		counts->cpu_errno = err;
		counts->cpu_errors++;
	}
}

static unsigned int online_cpus(void)
{
	return sysconf(_SC_NPROCESSORS_ONLN);
}

/* Every CPU is online here, but for one that the host has taken away */
static bool is_taken(unsigned int cpu)
{
	char path[64], buf[8];

	snprintf(path, sizeof(path), "/sys/devices/system/cpu/cpu%u/online", cpu);
	return strcmp(slurp(path, buf, sizeof(buf)), "1");
}

/* A driver that gets a card waits for the CPUs to stay: now and then it shall come to an end */
static void let_cards_keep_up(void)
{
	unsigned int i;

	for (i = 0; i < 20 && cards && counts->cards * CPUS_A_CARD < counts->cpus; i++)
		usleep(100000);
}

static void __attribute__((noreturn)) toggle_cpus(void)
{
	go_by(-10);
	while (!counts->stop) {
		unsigned int cpu = 1 + below(nr_cpus - 1);

		counts->taken += is_taken(cpu);
		set_cpu(cpu, false);
		usleep(below(300000));
		set_cpu(cpu, true);
		usleep(below(300000));
		let_cards_keep_up();
	}
	_exit(0);
}

/* What can go wrong here is an IRQ that is gone, or a CPU that is offline */
static void __attribute__((noreturn)) move_irqs(void)
{
	go_by(-10);
	while (!counts->stop) {
		DIR *dir = opendir("/sys/kernel/irq");
		struct dirent *d;

		while (dir && (d = readdir(dir)) && !counts->stop) {
			char path[300], cpu[16];

			if (!isdigit(d->d_name[0]) || below(4))
				continue;
			snprintf(path, sizeof(path), "/proc/irq/%s/smp_affinity_list", d->d_name);
			snprintf(cpu, sizeof(cpu), "%u", below(nr_cpus));
			if (!put(path, cpu))
				counts->moves++;
			usleep(1000);
		}
		if (dir)
			closedir(dir);
	}
	_exit(0);
}

/* The path below a PCI device with this driver, "" if there is none */
static void find_card(const char *driver, char *address, size_t size)
{
	char path[64];
	DIR *dir;
	struct dirent *d;

	*address = 0;
	snprintf(path, sizeof(path), "/sys/bus/pci/drivers/%s", driver);
	dir = opendir(path);
	if (!dir)
		return;
	while ((d = readdir(dir)))
		if (strchr(d->d_name, ':'))
			snprintf(address, size, "%.*s", (int)size - 1, d->d_name);
	closedir(dir);
}

/* Each has its interrupts as long as it is up */
static void bring_up(const char *address)
{
	struct ifreq req = { .ifr_flags = IFF_UP };
	int sock = socket(AF_INET, SOCK_DGRAM, 0);
	char path[64];
	DIR *dir;
	struct dirent *d;

	snprintf(path, sizeof(path), "/sys/bus/pci/devices/%s/net", address);
	dir = opendir(path);
	while (dir && (d = readdir(dir)))
		if (d->d_name[0] != '.')
			snprintf(req.ifr_name, sizeof(req.ifr_name), "%.15s", d->d_name);
	if (dir)
		closedir(dir);
	if (!dir || ioctl(sock, SIOCSIFFLAGS, &req))
		counts->card_errors++;
	close(sock);
}

static unsigned int card_irq(const char *address)
{
	char path[64], buf[16];

	snprintf(path, sizeof(path), "/sys/bus/pci/devices/%s/irq", address);
	return strtoul(slurp(path, buf, sizeof(buf)), NULL, 10);
}

/* The GSI that has this IRQ, or -1 */
static int gsi_of(unsigned int irq)
{
	const char *p = boot_log();
	unsigned int gsi, its_irq;

	while ((p = next_gsi(p, &gsi, &its_irq)))
		if (its_irq == irq)
			return gsi;
	return -1;
}

static void check_msis(const char *address)
{
	char path[64];
	DIR *dir;
	struct dirent *d;
	unsigned int nr = 0;

	snprintf(path, sizeof(path), "/sys/bus/pci/devices/%s/msi_irqs", address);
	dir = opendir(path);
	while (dir && (d = readdir(dir))) {
		if (!isdigit(d->d_name[0]))
			continue;
		nr++;
		if (strtoul(d->d_name, NULL, 10) < lowest)
			counts->msi_low++;
	}
	if (dir)
		closedir(dir);
	if (!nr)
		counts->card_errors++;
}

static void __attribute__((noreturn)) rebind_cards(const char *intx, const char *msi)
{
	unsigned int irq = card_irq(intx);

	go_by(-10);
	while (!counts->stop) {
		if (put("/sys/bus/pci/drivers/e1000/unbind", intx) ||
		    put("/sys/bus/pci/drivers/e1000e/unbind", msi) ||
		    put("/sys/bus/pci/drivers/e1000/bind", intx) ||
		    put("/sys/bus/pci/drivers/e1000e/bind", msi))
			counts->card_errors++;
		bring_up(intx);
		bring_up(msi);
		counts->gsi_moved += card_irq(intx) != irq;
		check_msis(msi);
		counts->cards++;
		usleep(below(300000));
	}
	_exit(0);
}

/* Is the IRQ of a line of /proc/interrupts on the wrong side of where GSIs end? */
static bool is_misplaced(unsigned int irq, const char *line)
{
	bool pirq = strstr(line, " xen-pirq"), gsi = pirq && !strstr(line, " -msi");

	if (irq >= lowest)
		return gsi;
	return (pirq && !gsi) || strstr(line, " xen-dyn") || strstr(line, " xen-percpu");
}

/* A number that is printed comes from an IRQ which may be freed at that moment */
static void __attribute__((noreturn)) read_walks(void)
{
	while (!counts->stop) {
		FILE *stat = fopen("/proc/stat", "r"), *interrupts = fopen("/proc/interrupts", "r");
		unsigned int irq, next = 0;
		char *line = NULL;
		size_t size = 0;

		if (!stat || !interrupts)
			die("/proc/stat, /proc/interrupts");
		while (getline(&line, &size, stat) > 0)
			;
		while (getline(&line, &size, interrupts) > 0) {
			if (sscanf(line, "%u:", &irq) != 1)
				continue;
			counts->unordered += irq < next;
			counts->misplaced += is_misplaced(irq, line);
			next = irq + 1;
		}
		counts->reads++;
		free(line);
		fclose(stat);
		fclose(interrupts);
	}
	_exit(0);
}

static void __attribute__((noreturn)) look_below(void)
{
	unsigned int irq;

	while (!counts->stop) {
		for (irq = 0; irq < lowest; irq++)
			counts->misplaced += is_dynamic(irq);
		counts->looks++;
		usleep(10000);
	}
	_exit(0);
}

#define start(function, ...) ({				\
	pid_t pid = fork();				\
							\
	if (pid < 0)					\
		die("fork");				\
	seed += 0x9e3779b9;				\
	if (!pid)					\
		function(__VA_ARGS__);			\
	pid;						\
})

static void bury(int status)
{
	if (WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL)
		counts->killed++;
	else
		counts->died += !!status;
}

/* Was the rest done often enough? */
static bool enough(void)
{
	return counts->looks >= MIN_LOOKS && counts->reads >= MIN_READS &&
	       (nr_cpus == 1 || (counts->cpus >= MIN_CPUS && counts->moves >= MIN_MOVES)) &&
	       (!cards || counts->cards >= MIN_CARDS);
}

static void let_work(unsigned long asked)
{
	unsigned long next_kill = 0;
	pid_t workers[NR_WORKERS];
	unsigned int i;
	int status;

	for (i = 0; i < NR_WORKERS; i++)
		workers[i] = start(work);
	while ((counts->binds < asked || (!enough() && counts->binds < MORE * asked)) &&
	       !counts->refused && !counts->lost) {
		usleep(1000);
		if (counts->binds >= next_kill) {
			kill(workers[below(NR_WORKERS)], SIGKILL);
			next_kill = counts->binds + 1 + below(2 * BINDS_A_KILL);
		}
		for (i = 0; i < NR_WORKERS; i++) {
			if (waitpid(workers[i], &status, WNOHANG) != workers[i])
				continue;
			bury(status);
			workers[i] = start(work);
		}
	}
	counts->stop = true;
	for (i = 0; i < NR_WORKERS; i++)
		if (waitpid(workers[i], &status, 0) == workers[i])
			bury(status);
}

/*
 * How many ports below @limit are free. Which ones, changes: a CPU that comes back
 * gets others.
 */
static unsigned int free_ports(int limit)
{
	int fd = open_evtchn(), port;
	unsigned int nr = 0;

	while ((port = bind_channel(fd)) >= 0 && port < limit)
		nr++;
	close(fd);
	return nr;
}

/* How many IRQs there are more with NR_TOGETHER channels at a time */
static unsigned int irqs_of_channels(void)
{
	unsigned int irqs = settled_irqs(), i;
	int fd = open_evtchn();

	for (i = 0; i < NR_TOGETHER; i++)
		bind_channel(fd);
	irqs = count_irqs() - irqs;
	close(fd);
	return irqs;
}

/* The host may still be at it: all CPUs shall be there for a while */
static void bring_cpus_back(void)
{
	unsigned int i, cpu, same = 0;

	for (i = 0; i < SETTLE_SECONDS && same < 5; i++) {
		for (cpu = 1; online_cpus() < nr_cpus && cpu < nr_cpus; cpu++)
			set_cpu(cpu, true);
		same = online_cpus() == nr_cpus ? same + 1 : 0;
		sleep(1);
	}
}

/* What was done, and what was wrong with it; @intx: the card with INTx, if there are cards */
static void report(const char *intx)
{
	printf("# binds: %lu\n# events: %lu\n# killed: %lu\n", counts->binds, counts->events,
	       counts->killed);
	printf("# cpus: %lu\n# taken: %lu\n# moves: %lu\n# cards: %lu\n# looks: %lu\n# reads: %lu\n",
	       counts->cpus, counts->taken, counts->moves, counts->cards, counts->looks,
	       counts->reads);
	result(!counts->refused, "stress.binds", "%lu refused of %lu, the last: %s",
	       counts->refused, counts->binds, strerror(counts->refused_errno));
	result(counts->events && !counts->lost, "stress.events", "%lu came, %lu were lost",
	       counts->events, counts->lost);
	result(!counts->stray, "stress.no_stray_events", "%lu of nobody's port", counts->stray);
	result(counts->killed && !counts->died, "stress.lives", "%lu killed, %lu died otherwise",
	       counts->killed, counts->died);
	result(counts->looks >= MIN_LOOKS && !counts->misplaced, "stress.above_the_gsis",
	       "%lu looks below, %lu reads of all, %lu times one on the wrong side of %u",
	       counts->looks, counts->reads, counts->misplaced, lowest);
	result(counts->reads >= MIN_READS && !counts->unordered, "stress.walks",
	       "%lu reads, %lu numbers not above the one before", counts->reads,
	       counts->unordered);
	if (nr_cpus > 1) {
		result(counts->cpus >= MIN_CPUS && !counts->cpu_errors, "stress.cpus",
		       "%lu changes, %lu refused, the last: %s", counts->cpus,
		       counts->cpu_errors, strerror(counts->cpu_errno));
		result(counts->moves >= MIN_MOVES, "stress.affinity", "%lu IRQs moved",
		       counts->moves);
	} else {
		skip("stress.cpus", "one CPU");
		skip("stress.affinity", "one CPU");
	}
	if (intx) {
		unsigned int irq = card_irq(intx);
		int gsi = gsi_of(irq);

		result(counts->cards >= MIN_CARDS && !counts->card_errors, "stress.cards",
		       "bound %lu times, %lu errors", counts->cards, counts->card_errors);
		result(gsi == (int)irq && !counts->gsi_moved, "stress.gsi_is_irq",
		       "IRQ %u is GSI %d, and was %lu times another", irq, gsi,
		       counts->gsi_moved);
		result(!counts->msi_low, "stress.msis_above_the_gsis", "%lu below %u",
		       counts->msi_low, lowest);
	} else {
		skip("stress.cards", "no e1000 and e1000e");
		skip("stress.gsi_is_irq", "no e1000 and e1000e");
		skip("stress.msis_above_the_gsis", "no e1000 and e1000e");
	}
}

int main(int argc, char **argv)
{
	unsigned int irqs, ports, ports_after, together, misplaced;
	unsigned long own, asked = asked_for(argc, argv, "CHANNELS");
	char intx[32], msi[32];
	bool same;
	int fd, limit, status;

	plan(17);
	counts = mmap(NULL, sizeof(*counts), PROT_READ | PROT_WRITE,
		      MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (counts == MAP_FAILED)
		die("memory");
	lowest = first_dynamic();
	nr_cpus = online_cpus();
	find_card("e1000", intx, sizeof(intx));
	find_card("e1000e", msi, sizeof(msi));
	cards = *intx && *msi;
	if (cards) {
		bring_up(intx);
		bring_up(msi);
	}
	fd = open_evtchn();
	irqs = settled_irqs();
	/* Twice what the workers can have at once: no CPU that comes back gets a port above */
	limit = lowest_free_port(fd) + 2 * NR_WORKERS * 2 * MAX_PAIRS;
	ports = free_ports(limit);

	printf("# starting\n");
	if (nr_cpus > 1) {
		start(toggle_cpus);
		start(move_irqs);
	}
	if (cards)
		start(rebind_cards, intx, msi);
	start(look_below);
	start(read_walks);
	let_work(asked);
	/* Who changed the machine, and who looked */
	while (wait(&status) > 0)
		counts->died += !!status;
	printf("# settling\n");
	bring_cpus_back();

	report(cards ? intx : NULL);
	result(online_cpus() == nr_cpus, "end.cpus", "%u of %u", online_cpus(), nr_cpus);
	same = irqs_become(irqs);
	result(same, "end.irqs", "%u at the start, %u now", irqs, count_irqs());
	ports_after = free_ports(limit);
	result(ports_after == ports, "end.ports", "%u below %d were free, %u are", ports, limit,
	       ports_after);
	result(deliver(fd, bind_channel(fd)), "end.event", "to a new channel");
	misplaced = misplaced_irqs(lowest, &own);
	result(!misplaced, "end.above_the_gsis", "%u on the wrong side of %u", misplaced, lowest);
	together = irqs_of_channels();
	result(together == NR_TOGETHER, "end.one_irq_each", "%u of %d channels", together,
	       NR_TOGETHER);
	return summary();
}
