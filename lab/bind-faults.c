// SPDX-License-Identifier: GPL-2.0
/*
 * bind-faults - let each allocation fail that binding an event channel needs
 *
 * usage: bind-faults CHANNELS
 *
 * A port, a port of a remote domain (of this one, here) and a VIRQ are bound
 * through /dev/xen/evtchn, each with its first, second, third... allocation
 * failing, until none is left that could. Whatever the kernel answers, nothing
 * may stay behind, and the same bind must work the next time. The kernel also
 * may do without what it could not allocate, and bind the channel.
 *
 * In:	CHANNELS has no meaning here. The kernel has CONFIG_FAILSLAB and
 *	CONFIG_FAIL_PAGE_ALLOC, with ignore-gfp-wait off. /proc, /sys and /dev must be
 *	mounted. Nobody else may bind ports.
 *
 * Out:	KTAP on standard output. For each KIND of bind "# KIND.points: N", how many
 *	allocations a bind has that can fail, "# KIND.faults: N", how often one of
 *	them did, and "# KIND.binds_failed: N", how often that made the bind fail.
 *
 * Exit:	0 every test passed, 1 one failed, 2 a prerequisite is missing and
 *	nothing was tested ("Bail out!" says which).
 */
#include "probe.h"

/* The first VIRQ that no driver of Linux binds: xen/interface/xen.h */
#define VIRQ_ARCH_0		16
#define NR_VIRQS		24

#define MAX_FAULTS		200

/*
 * Now and then a bind needs one allocation more, such as a node for the next
 * numbers of sysfs inodes, and what follows gets another number. A second try meets it.
 */
#define TRIES			3

struct kind {
	const char *name;
	unsigned long request;
	union {
		struct ioctl_evtchn_bind_unbound_port unbound;
		struct ioctl_evtchn_bind_interdomain interdomain;
		struct ioctl_evtchn_bind_virq virq;
	} arg;
};

/* What can be wrong after a fault, and the number of the first one with which it was */
enum { ERRNO, IRQS, PORT, AGAIN, WALKED, NR_FLAWS };
struct flaw {
	unsigned int fault;
	char what[64];
};

/* What a failed bind must leave as it was */
static unsigned int nr_irqs;
static int free_port;

static int spare;

static int bind(int fd, struct kind *kind)
{
	return ioctl(fd, kind->request, &kind->arg);
}

static void __printf(3, 4) note(struct flaw *flaw, unsigned int fault, const char *fmt, ...)
{
	va_list ap;

	if (flaw->fault)
		return;
	flaw->fault = fault;
	va_start(ap, fmt);
	vsnprintf(flaw->what, sizeof(flaw->what), fmt, ap);
	va_end(ap);
}

/* Bind with the @nth allocation failing, and return whether there was one */
static bool bind_with_fault(struct kind *kind, unsigned int nth, struct flaw *flaws,
			    unsigned int *binds_failed)
{
	int fd = open_evtchn(), port, err;
	bool hit;

	inject(nth);
	port = bind(fd, kind);
	err = errno;
	hit = injected();
	inject(0);

	if (port >= 0) {
		unbind_channel(fd, port);
	} else {
		++*binds_failed;
		if (!hit || err != ENOMEM)
			note(&flaws[ERRNO], nth, "%s", strerror(err));
	}

	if (!irqs_become(nr_irqs)) {
		note(&flaws[IRQS], nth, "%u IRQs before, %u after", nr_irqs, count_irqs());
		nr_irqs = count_irqs();
	}
	port = lowest_free_port(spare);
	if (port != free_port) {
		note(&flaws[PORT], nth, "lowest port %d before, %d after", free_port, port);
		free_port = port;
	}
	if (bind(fd, kind) < 0)
		note(&flaws[AGAIN], nth, "%s", strerror(errno));
	close(fd);
	return hit;
}

static void walk(struct kind *kind)
{
	static const char * const names[NR_FLAWS] = { "errno", "irqs", "port", "again", "walked" };
	struct flaw flaws[NR_FLAWS] = { };
	unsigned int points = 0, faults = 0, binds_failed = 0, nth, i;
	bool hit = true;

	for (nth = 1; hit && !flaws[WALKED].fault; nth++) {
		hit = false;
		for (i = 0; i < TRIES && !flaws[WALKED].fault; i++) {
			if (bind_with_fault(kind, nth, flaws, &binds_failed)) {
				hit = true;
				faults++;
			}
			/* A lost port is one less; these would fail each time */
			if (flaws[IRQS].fault || flaws[AGAIN].fault)
				note(&flaws[WALKED], nth, "not gone on");
			else if (nth == MAX_FAULTS)
				note(&flaws[WALKED], nth, "and no end");
		}
		points += hit;
	}
	if (!binds_failed)
		note(&flaws[WALKED], nth, "and no bind has failed");

	printf("# %s.points: %u\n# %s.faults: %u\n# %s.binds_failed: %u\n", kind->name, points,
	       kind->name, faults, kind->name, binds_failed);
	for (i = 0; i < NR_FLAWS; i++) {
		char name[64];

		snprintf(name, sizeof(name), "%s.%s", kind->name, names[i]);
		if (flaws[i].fault)
			result(false, name, "fault %u: %s", flaws[i].fault, flaws[i].what);
		else
			result(true, name, "%u points, %u faults, %u failed binds", points,
			       faults, binds_failed);
	}
}

static void find_virq(struct kind *kind)
{
	unsigned int virq;

	for (virq = VIRQ_ARCH_0; virq < NR_VIRQS; virq++) {
		int port;

		kind->arg.virq.virq = virq;
		port = bind(spare, kind);
		if (port >= 0) {
			unbind_channel(spare, port);
			printf("# virq: %u\n", virq);
			return;
		}
	}
	die("a free VIRQ");
}

int main(int argc, char **argv)
{
	struct kind unbound = {
		.name = "unbound",
		.request = IOCTL_EVTCHN_BIND_UNBOUND_PORT,
		.arg.unbound.remote_domain = DOMID_SELF,
	};
	struct kind interdomain = {
		.name = "interdomain",
		.request = IOCTL_EVTCHN_BIND_INTERDOMAIN,
		.arg.interdomain.remote_domain = DOMID_SELF,
	};
	struct kind virq = {
		.name = "virq",
		.request = IOCTL_EVTCHN_BIND_VIRQ,
	};
	int remote;

	asked_for(argc, argv, "CHANNELS");
	plan(3 * NR_FLAWS);
	spare = open_evtchn();

	/* Stays bound, so it counts; the VIRQ's IRQ does not */
	nr_irqs = settled_irqs() + 1;
	remote = bind_channel(spare);
	if (remote < 0)
		die("remote port");
	interdomain.arg.interdomain.remote_port = remote;
	find_virq(&virq);
	free_port = lowest_free_port(spare);

	walk(&unbound);
	walk(&interdomain);
	walk(&virq);
	return summary();
}
