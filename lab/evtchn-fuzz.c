// SPDX-License-Identifier: GPL-2.0
/*
 * evtchn-fuzz - what an unprivileged user can do with /dev/xen/evtchn
 *
 * usage: evtchn-fuzz CALLS
 *
 * One process after the other gets an open /dev/xen/evtchn, gives up all its
 * privileges, and makes calls: ioctls, right and wrong ones, reads, writes and
 * more, in two threads on one file. What they are is drawn from a seed, which is
 * the number of the process. Beside them, channels of another file must go on as
 * if nothing were.
 *
 * In:	CALLS, how many in all. /proc, /sys and /dev must be mounted. Nobody else
 *	may bind ports.
 *
 * Out:	KTAP on standard output. "# calls: N"; "# succeeded: N", how many of them
 *	did something; "# bound: N", how many channels that were.
 *
 * Exit:	0 every test passed, 1 one failed, 2 a prerequisite is missing and
 *	nothing was tested ("Bail out!" says which).
 */
#include <grp.h>
#include <limits.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <sys/mman.h>
#include <sys/wait.h>

#include "probe.h"

/* Of Linux 6.7 and later, and not in Debian's header: a port that Xen bound at boot */
#define IOCTL_EVTCHN_BIND_STATIC	_IOC(_IOC_NONE, 'E', 7, sizeof(unsigned int))

#define NOBODY			65534
#define CALLS_EACH		5000
#define NR_THREADS		2
/* Of the fuzzers' own ports; what is forgotten goes when the file is closed */
#define MAX_PORTS		256
#define MAX_VIRQ		32

static struct counts {
	atomic_ulong calls, succeeded, bound, died;
} *counts;

struct fuzzer {
	int fd;
	uint32_t seed;
	unsigned int calls;
	/* Both threads write here, as they like */
	uint32_t *ports;
};

static uint32_t draw(struct fuzzer *f, uint32_t limit)
{
	return next_random(&f->seed) % limit;
}

/* A port: mostly one that it had, else a small one, or any number */
static uint32_t some_port(struct fuzzer *f)
{
	switch (draw(f, 8)) {
	case 0:
		return draw(f, 64);
	case 1:
		return next_random(&f->seed);
	default:
		return f->ports[draw(f, MAX_PORTS)];
	}
}

/* A domain: mostly this one */
static domid_t some_domain(struct fuzzer *f)
{
	static const domid_t domains[] = { 0, 1, 2, 0x7fef, 0x7ff1, 0x7ff2, 0x7ff4, 0xffff };

	return draw(f, 8) ? DOMID_SELF : domains[draw(f, 8)];
}

/* An address that copy_from_user() must refuse, or half of it */
static void *bad_address(struct fuzzer *f, void *page)
{
	switch (draw(f, 4)) {
	case 0:
		return NULL;
	case 1:
		return (void *)(ULONG_MAX - draw(f, 4096));
	case 2:
		return (char *)page + 4096 - 1 - draw(f, 4);
	default:
		return (void *)(0xffff800000000000UL + draw(f, 1 << 30));
	}
}

static void keep(struct fuzzer *f, int port)
{
	if (port < 0)
		return;
	counts->bound++;
	f->ports[draw(f, MAX_PORTS)] = port;
}

static int call(struct fuzzer *f, void *page)
{
	struct ioctl_evtchn_bind_interdomain interdomain = {
		.remote_domain = some_domain(f), .remote_port = some_port(f),
	};
	struct ioctl_evtchn_bind_unbound_port unbound = { .remote_domain = some_domain(f) };
	struct ioctl_evtchn_bind_virq virq = { .virq = draw(f, MAX_VIRQ) };
	struct ioctl_evtchn_restrict_domid restricted = { .domid = some_domain(f) };
	static const unsigned long requests[] = {
		IOCTL_EVTCHN_BIND_VIRQ, IOCTL_EVTCHN_BIND_INTERDOMAIN,
		IOCTL_EVTCHN_BIND_UNBOUND_PORT, IOCTL_EVTCHN_UNBIND, IOCTL_EVTCHN_NOTIFY,
		IOCTL_EVTCHN_RESET, IOCTL_EVTCHN_RESTRICT_DOMID, IOCTL_EVTCHN_BIND_STATIC,
	};
	uint32_t buf[1200], i;
	int ret;

	/* One call in 17 binds a channel: that is what takes the time */
	switch (draw(f, 50)) {
	case 0:
		ret = ioctl(f->fd, IOCTL_EVTCHN_BIND_UNBOUND_PORT, &unbound);
		keep(f, ret);
		return ret;
	case 1:
		ret = ioctl(f->fd, IOCTL_EVTCHN_BIND_INTERDOMAIN, &interdomain);
		keep(f, ret);
		return ret;
	case 2:
		ret = ioctl(f->fd, IOCTL_EVTCHN_BIND_VIRQ, &virq);
		keep(f, ret);
		return ret;
	case 3 ... 7:
		return unbind_channel(f->fd, some_port(f));
	case 8 ... 19:
		return notify(f->fd, some_port(f));
	case 20 ... 21:
		return ioctl(f->fd, IOCTL_EVTCHN_RESET, NULL);
	case 22:
		/* Nothing can be bound any more then */
		if (!draw(f, CALLS_EACH / 16))
			return ioctl(f->fd, IOCTL_EVTCHN_RESTRICT_DOMID, &restricted);
		/* fall through */
	case 23 ... 25:
		return ioctl(f->fd, requests[draw(f, 8)], bad_address(f, page));
	case 26 ... 29:
		/* Another size, direction, number or type */
		return ioctl(f->fd, requests[draw(f, 8)] ^ (1UL << draw(f, 32)), &unbound);
	case 30 ... 31:
		return ioctl(f->fd, next_random(&f->seed), &interdomain);
	case 32 ... 35:
		return read(f->fd, buf, draw(f, sizeof(buf)));
	case 36 ... 38:
		for (i = 0; i < 1200; i++)
			buf[i] = some_port(f);
		return write(f->fd, buf, draw(f, sizeof(buf)));
	case 39 ... 42:
		return draw(f, 2) ? read(f->fd, bad_address(f, page), draw(f, 1 << 20)) :
			write(f->fd, bad_address(f, page), draw(f, 1 << 20));
	case 43 ... 44: {
		struct pollfd poll_fd = { .fd = f->fd, .events = draw(f, 0x10000) };

		return poll(&poll_fd, 1, 0);
	}
	case 45 ... 46:
		return ioctl(f->fd, IOCTL_EVTCHN_BIND_STATIC, &interdomain.remote_port);
	default:
		switch (draw(f, 4)) {
		case 0:
			/* Never without O_NONBLOCK: a read would wait for ever */
			return fcntl(f->fd, F_SETFL, O_NONBLOCK | (draw(f, 2) ? O_ASYNC : 0));
		case 1:
			return lseek(f->fd, next_random(&f->seed), draw(f, 5));
		case 2:
			return mmap(NULL, 4096, draw(f, 8), MAP_SHARED, f->fd,
				    (off_t)draw(f, 4) << 12) == MAP_FAILED ? -1 : 0;
		default:
			return pread(f->fd, buf, draw(f, sizeof(buf)), draw(f, 4096));
		}
	}
}

static void *fuzz(void *arg)
{
	struct fuzzer *f = arg;
	char *page = mmap(NULL, 2 * 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS,
			  -1, 0);

	if (page == MAP_FAILED || munmap(page + 4096, 4096))
		abort();
	while (f->calls--) {
		counts->calls++;
		counts->succeeded += call(f, page) >= 0;
	}
	return NULL;
}

/* What the process does that has the file, and nothing else */
static void __attribute__((noreturn)) be_hostile(int fd, uint32_t life)
{
	struct fuzzer f[NR_THREADS];
	uint32_t ports[MAX_PORTS] = { };
	pthread_t thread[NR_THREADS];
	unsigned int i;

	/* Events that O_ASYNC announces */
	signal(SIGIO, SIG_IGN);
	if (setgroups(0, NULL) || setgid(NOBODY) || setuid(NOBODY) || !setuid(0))
		abort();
	for (i = 0; i < NR_THREADS; i++) {
		f[i] = (struct fuzzer){
			.fd = fd, .seed = life * NR_THREADS + i + 1,
			.calls = CALLS_EACH / NR_THREADS, .ports = ports,
		};
		if (pthread_create(&thread[i], NULL, fuzz, &f[i]))
			abort();
	}
	for (i = 0; i < NR_THREADS; i++)
		pthread_join(thread[i], NULL);
	/* That the file is closed is up to the kernel */
	_exit(0);
}

int main(int argc, char **argv)
{
	unsigned int irqs, bystander_irqs, life, events = 0, lost = 0, stray = 0;
	int spare, canary, port, sender, free_port, port_after;
	unsigned long asked;
	bool same;

	asked = asked_for(argc, argv, "CALLS");
	plan(7);
	counts = mmap(NULL, sizeof(*counts), PROT_READ | PROT_WRITE,
		      MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (counts == MAP_FAILED)
		die("memory");
	spare = open_evtchn();
	irqs = settled_irqs();
	free_port = lowest_free_port(spare);

	/* Both ends are bound: there is nothing that another file could connect to */
	canary = open_evtchn();
	port = bind_channel(canary);
	sender = bind_to(canary, port);
	if (sender < 0 || next_event(canary) != sender)
		die("bystander");
	bystander_irqs = settled_irqs();

	for (life = 0; counts->calls < asked; life++) {
		struct pollfd poll_fd = { .fd = canary, .events = POLLIN };
		int fd = open("/dev/xen/evtchn", O_RDWR | O_NONBLOCK), status;
		pid_t pid = fd < 0 ? -1 : fork();

		if (pid < 0)
			die("a process with the device");
		if (!pid) {
			close(canary);
			close(spare);
			be_hostile(fd, life);
		}
		close(fd);
		if (waitpid(pid, &status, 0) != pid || status)
			counts->died++;
		stray += poll(&poll_fd, 1, 0) != 0;
		if (!notify(canary, sender) && next_event(canary) == port)
			events++;
		else
			lost++;
		if ((life + 1) % 10 == 0)
			fprintf(stderr, "evtchn-fuzz: %lu of %lu calls\n", counts->calls, asked);
	}

	printf("# calls: %lu\n# succeeded: %lu\n# bound: %lu\n", counts->calls,
	       counts->succeeded, counts->bound);
	result(counts->calls >= asked && counts->bound, "fuzz.calls",
	       "%lu by %u processes, %lu succeeded, %lu channels bound", counts->calls, life,
	       counts->succeeded, counts->bound);
	result(!counts->died, "fuzz.lives", "%lu processes died", counts->died);
	result(!lost, "bystander.events", "%u came, %u were lost", events, lost);
	result(!stray, "bystander.no_stray_events", "%u times", stray);
	same = irqs_become(bystander_irqs);
	result(same, "end.irqs", "%u before, %u now", bystander_irqs, count_irqs());
	close(canary);
	same = irqs_become(irqs);
	result(same, "bystander.closed", "%u at the start, %u now", irqs, count_irqs());
	port_after = lowest_free_port(spare);
	result(port_after == free_port, "end.ports", "the lowest free one was %d, is %d",
	       free_port, port_after);
	return summary();
}
