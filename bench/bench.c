// SPDX-License-Identifier: GPL-2.0
/*
 * bench - what event channels and the walks over all interrupts cost, in instructions
 *
 * usage: bench CHANNELS
 *
 * In:	CHANNELS, how many event channels are bound at most; on a machine without
 *	Xen none. QEMU's -icount shift=0 lets the time stamp counter count
 *	instructions of the machine, Xen's and those of domains that run meanwhile
 *	included: the least of several looks has none of those. /lab/irq-walks.ko;
 *	/dev/xen/privcmd, which a guest must be told to leave open to all hypercalls.
 *
 * Out:	KTAP on standard output. Diagnostic lines "# bench: FIGURE VALUE" carry the
 *	figures, in instructions, bytes, or numbers of channels:
 *	  boot				from the kernel's first clock to init
 *	  read.FILE.STATE		open, read to the end, close
 *	  size.FILE.STATE		bytes that were read
 *	  walk.NAME.STATE		see irq-walks.c
 *	  alloc.NAME.STATE		the same
 *	  bind.N event.N unbind.N	of one channel, when N are bound
 *	  bind-xen.N unbind-xen.N	Xen's part of it: the hypercall alone
 *	  bind-kernel.N unbind-kernel.N	the kernel's share, where Xen finds a port at once
 *	  memory			bytes of the kernel's for a bound channel
 *	  bound, errno			where binding ended
 *	A STATE is "idle", the number of channels that are bound, or "after" that.
 *
 * Exit:	0 every test passed, 1 one failed, 2 a prerequisite is missing ("Bail out!"
 *	says which).
 */
#include <sys/mman.h>
#include <sys/syscall.h>
#include <x86intrin.h>

#include "../lab/probe.h"

/* Of <xen/privcmd.h>, which user space cannot include */
struct privcmd_hypercall {
	uint64_t op, arg[5];
};

#define IOCTL_PRIVCMD_HYPERCALL		_IOC(_IOC_NONE, 'P', 0, sizeof(struct privcmd_hypercall))

/* Of Xen's public headers, which Linux does not export */
#define HYPERCALL_XEN_VERSION		17
#define HYPERCALL_EVENT_CHANNEL_OP	32
#define EVTCHNOP_CLOSE			3
#define EVTCHNOP_ALLOC_UNBOUND		6

#define MAX_CHANNELS		131072
/*
 * The least of several looks counts: it has not had the work of others in it. So many
 * in a row must have brought nothing less.
 */
#define LOOKS			10
/* In a look at channels each does something else, so it is the mean of some */
#define BATCH			100

static int evtchn, privcmd;
static unsigned int ports[MAX_CHANNELS], bound;
static uint64_t overhead;

struct evtchn_alloc_unbound {
	uint16_t dom, remote_dom;
	uint32_t port;
};

/* What a channel costs */
struct cost {
	uint64_t bind, unbind;
};

static uint64_t now(void)
{
	_mm_lfence();
	return __rdtsc();
}

static uint64_t since(uint64_t before)
{
	uint64_t count = now() - before;

	return count > overhead ? count - overhead : 0;
}

/* Whether it is less by more than a per mille */
static bool keep_least(uint64_t *least, uint64_t count)
{
	bool less = !*least || count + count / 1000 < *least;

	if (!*least || count < *least)
		*least = count;
	return less;
}

static void figure(const char *name, const char *state, uint64_t value)
{
	printf("# bench: %s.%s %llu\n", name, state, (unsigned long long)value);
}

static void figure_at(const char *name, unsigned int channels, uint64_t value)
{
	printf("# bench: %s.%u %llu\n", name, channels, (unsigned long long)value);
}

/* What is between two looks at the counter, and whether it counts instructions */
static void calibrate(void)
{
	uint64_t least = 0, count;
	unsigned int i, nr;

	for (i = 0; i < 100; i++) {
		count = now();
		keep_least(&least, now() - count);
	}
	overhead = least;

	/* So short that others do not run in each look */
	least = 0;
	for (i = 0; i < 100; i++) {
		nr = 10000;
		count = now();
		asm volatile("1: dec %0; jnz 1b" : "+r" (nr));
		keep_least(&least, since(count));
	}
	result(least > 19990 && least < 20010, "bench.counts_instructions",
	       "%llu for 20,000", (unsigned long long)least);
}

/* The kernel says when it starts init, in microseconds: a thousand instructions each */
static void boot(void)
{
	const char *log = boot_log(), *p = strstr(log, "Run /init as init process"), *line;
	double seconds = 0;
	bool known;

	for (line = p; line && line > log && line[-1] != '\n'; line--)
		;
	p = line ? strchr(line, '[') : NULL;
	known = p && sscanf(p + 1, "%lf", &seconds) == 1;
	result(known, "bench.boot", "%.6f s", seconds);
	printf("# bench: boot %.0f\n", seconds * 1e9);
}

static void read_file(const char *name, const char *path, const char *state)
{
	static char buf[1 << 17];
	uint64_t least = 0, count;
	unsigned int vain = 0;
	size_t size = 0;
	ssize_t n;
	char key[32];
	int fd;

	while (vain < LOOKS) {
		size = 0;
		count = now();
		fd = open(path, O_RDONLY);
		while ((n = read(fd, buf, sizeof(buf))) > 0)
			size += n;
		if (n < 0)
			die(path);
		close(fd);
		vain = keep_least(&least, since(count)) ? 0 : vain + 1;
	}
	snprintf(key, sizeof(key), "read.%s", name);
	figure(key, state, least);
	snprintf(key, sizeof(key), "size.%s", name);
	figure(key, state, size);
}

/* The address of a function that is not exported to modules */
static unsigned long address(const char *function)
{
	char line[256], name[128];
	unsigned long addr;
	FILE *f = fopen("/proc/kallsyms", "r");

	while (f && fgets(line, sizeof(line), f)) {
		if (sscanf(line, "%lx %*c %127s", &addr, name) == 2 && !strcmp(name, function)) {
			fclose(f);
			return addr;
		}
	}
	if (f)
		fclose(f);
	return 0;
}

/* The module measures when it is loaded, and shows the figures as its parameters */
static void walks(const char *state)
{
	static const char *const names[] = {
		"walk.suspend", "walk.resume", "walk.snapshot", "walk.probe_mask", "walk.probe_off",
		"alloc.desc", "alloc.percpu", "alloc.descs", "alloc.percpus",
	};
	char args[128], path[80], buf[32];
	int fd = open("/lab/irq-walks.ko", O_RDONLY);
	unsigned int i;
	uint64_t value;

	snprintf(args, sizeof(args), "suspend_at=%lu resume_at=%lu snapshot_at=%lu",
		 address("suspend_device_irqs"), address("resume_device_irqs"),
		 address("kstat_snapshot_irqs"));
	if (fd < 0 || syscall(SYS_finit_module, fd, args, 0))
		die("/lab/irq-walks.ko");
	close(fd);
	for (i = 0; i < sizeof(names) / sizeof(*names); i++) {
		snprintf(path, sizeof(path), "/sys/module/irq_walks/parameters/%s",
			 strchr(names[i], '.') + 1);
		value = strtoull(slurp(path, buf, sizeof(buf)), NULL, 10);
		if (value)
			figure(names[i], state, value);
	}
	if (syscall(SYS_delete_module, "irq_walks", 0))
		die("irq_walks does not unload");
}

static void all_walks(const char *state)
{
	read_file("stat", "/proc/stat", state);
	read_file("interrupts", "/proc/interrupts", state);
	walks(state);
}

static int hypercall(uint64_t op, uint64_t first, void *second)
{
	struct privcmd_hypercall call = { .op = op, .arg = { first, (uintptr_t)second } };

	return ioctl(privcmd, IOCTL_PRIVCMD_HYPERCALL, &call);
}

/* Bind up to @nr channels in all, and return 0 or what went wrong */
static int bind_up_to(unsigned int nr)
{
	while (bound < nr) {
		int port = bind_channel(evtchn);

		if (port < 0)
			return errno;
		ports[bound++] = port;
		if (bound % 10000 == 0)
			fprintf(stderr, "bench: %u channels\n", bound);
	}
	return 0;
}

static void unbind_down_to(unsigned int nr)
{
	while (bound > nr)
		unbind_channel(evtchn, ports[--bound]);
}

/* Take ports from Xen, of which the kernel knows nothing */
static void take_ports(struct evtchn_alloc_unbound alloc[BATCH])
{
	unsigned int i;

	for (i = 0; i < BATCH; i++) {
		alloc[i] = (struct evtchn_alloc_unbound){ DOMID_SELF, DOMID_SELF, 0 };
		if (hypercall(HYPERCALL_EVENT_CHANNEL_OP, EVTCHNOP_ALLOC_UNBOUND, &alloc[i]))
			die("EVTCHNOP_alloc_unbound");
	}
}

static void give_ports_back(struct evtchn_alloc_unbound alloc[BATCH])
{
	unsigned int i;

	for (i = BATCH; i--;)
		if (hypercall(HYPERCALL_EVENT_CHANNEL_OP, EVTCHNOP_CLOSE, &alloc[i].port))
			die("EVTCHNOP_close");
}

/*
 * What Xen does for a bind and an unbind, by the same ioctl with and without work. Its
 * ports are taken from the lowest free one, so these are where a bind's would be.
 */
static struct cost xen_cost(void)
{
	static struct evtchn_alloc_unbound alloc[BATCH];
	uint64_t count, nothing = 0, bind = 0, unbind = 0;
	unsigned int vain = 0, i;

	mlock(alloc, sizeof(alloc));
	while (vain < LOOKS) {
		bool less;

		count = now();
		for (i = 0; i < BATCH; i++)
			hypercall(HYPERCALL_XEN_VERSION, 0, NULL);
		less = keep_least(&nothing, since(count));

		count = now();
		take_ports(alloc);
		less |= keep_least(&bind, since(count));

		count = now();
		give_ports_back(alloc);
		less |= keep_least(&unbind, since(count));
		vain = less ? 0 : vain + 1;
	}
	return (struct cost){ (bind - nothing) / BATCH, (unbind - nothing) / BATCH };
}

static struct cost whole_cost(void)
{
	unsigned int before = bound, irqs = count_irqs(), vain = 0;
	uint64_t count, bind = 0, unbind = 0;
	int err;

	while (vain < LOOKS) {
		bool less;

		count = now();
		err = bind_up_to(before + BATCH);
		less = keep_least(&bind, since(count));
		if (err) {
			errno = err;
			die("bind");
		}
		count = now();
		unbind_down_to(before);
		less |= keep_least(&unbind, since(count));
		vain = less ? 0 : vain + 1;
		if (!irqs_become(irqs))
			die("IRQs are not freed");
		/* The memory of their descriptors comes later */
		usleep(100000);
	}
	return (struct cost){ bind / BATCH, unbind / BATCH };
}

/*
 * Xen's search grows to two hundred times the kernel's share, and is so long that timers
 * run in each look. So the share is taken where it is short, with the @first ports of the
 * domain free, but as many channels bound, and as many IRQs.
 */
static void measure_bind(unsigned int channels, struct evtchn_alloc_unbound first[BATCH])
{
	struct cost xen = xen_cost(), whole = whole_cost();

	figure_at("bind-xen", channels, xen.bind);
	figure_at("unbind-xen", channels, xen.unbind);
	figure_at("bind", channels, whole.bind);
	figure_at("unbind", channels, whole.unbind);

	give_ports_back(first);
	xen = xen_cost();
	whole = whole_cost();
	figure_at("bind-kernel", channels, whole.bind - xen.bind);
	figure_at("unbind-kernel", channels, whole.unbind - xen.unbind);
	take_ports(first);
}

/* Send an event to the other end of a channel, and receive it */
static void measure_event(unsigned int channels, struct pair pair)
{
	struct ioctl_evtchn_notify notify = { .port = pair.sender };
	struct pollfd pfd = { .fd = evtchn, .events = POLLIN };
	unsigned int vain = 0, i, port;
	uint64_t count, least = 0;

	while (vain < LOOKS) {
		count = now();
		for (i = 0; i < BATCH; i++) {
			if (ioctl(evtchn, IOCTL_EVTCHN_NOTIFY, &notify) || poll(&pfd, 1, -1) != 1 ||
			    read(evtchn, &port, sizeof(port)) != sizeof(port) || port != (unsigned int)pair.port ||
			    write(evtchn, &port, sizeof(port)) != sizeof(port))
				die("event");
		}
		vain = keep_least(&least, since(count)) ? 0 : vain + 1;
	}
	figure_at("event", channels, least / BATCH);
}

/* What the kernel has of a channel is in slabs and in per-CPU memory */
static uint64_t kernel_bytes(void)
{
	return 1024 * (meminfo_kb("SUnreclaim") + meminfo_kb("Percpu"));
}

int main(int argc, char **argv)
{
	static const unsigned int steps[] = {
		100, 1000, 4000, 10000, 30000, 60000, 90000, 120000,
	};
	static struct evtchn_alloc_unbound first[BATCH];
	unsigned int wanted = asked_for(argc, argv, "CHANNELS"), irqs, i;
	bool on_xen = !access("/dev/xen/evtchn", F_OK), freed;
	struct pair pair;
	uint64_t bytes;
	char state[16];
	int err = 0;

	plan(on_xen ? 4 : 2);
	calibrate();
	boot();
	all_walks("idle");
	if (!on_xen)
		return summary();

	privcmd = open("/dev/xen/privcmd", O_RDWR);
	if (privcmd < 0)
		die("/dev/xen/privcmd");
	irqs = count_irqs();
	bytes = kernel_bytes();
	evtchn = open_evtchn();
	if (!bind_pair(evtchn, &pair))
		die("pair of ports");
	mlock(first, sizeof(first));
	take_ports(first);

	for (i = 0; i < sizeof(steps) / sizeof(*steps) && steps[i] <= wanted; i++) {
		err = bind_up_to(steps[i]);
		if (err)
			break;
		measure_bind(steps[i], first);
		measure_event(steps[i], pair);
		snprintf(state, sizeof(state), "%u", steps[i]);
		if (steps[i] >= 1000 && steps[i] <= 10000)
			all_walks(state);
		else
			walks(state);
		if (steps[i] == 10000)
			printf("# bench: memory %llu\n",
			       (unsigned long long)(kernel_bytes() - bytes) / bound);
	}
	/* The last ones, for the end of what can be bound */
	err = err ?: bind_up_to(wanted);
	if (err) {
		unbind_down_to(bound - BATCH);
		measure_bind(bound, first);
		snprintf(state, sizeof(state), "%u", bound);
		walks(state);
	}

	give_ports_back(first);
	err = bind_up_to(wanted);
	printf("# bench: bound %u\n# bench: errno %d\n", bound, err);
	result(!err || err == ENOSPC, "bench.ends", "%u of %u channels: %s", bound, wanted,
	       strerror(err));

	close(evtchn);
	freed = irqs_become(irqs);
	result(freed, "bench.frees_all", "%u IRQs before, %u after", irqs, count_irqs());
	all_walks("after");
	return summary();
}
