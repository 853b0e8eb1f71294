// SPDX-License-Identifier: GPL-2.0
/*
 * Test which IRQ numbers Xen event channels get, and how many: none below the
 * end of the GSIs or where the first IRQs have a meaning of their own, and
 * one for every channel that Xen has. This needs a kernel that counts event
 * channels in nr_irqs; on what every kernel passes, see evtchn.c.
 *
 * EVTCHN_CHANNELS in the environment says how many channels are bound at most.
 */
#include "xen.h"

#include <sys/utsname.h>

/* More than Linux 6.1 had IRQ numbers for, unless it was built for many CPUs */
#define DEFAULT_CHANNELS	16384
#define ROUNDS			3
/* A kernel that keeps books on its memory needs more until these are full */
#define MOST_ROUNDS		6
/* What others may bind meanwhile */
#define OTHER_PORTS		64

/* What a bound channel takes at most */
#define CHANNEL_KB		8

/*
 * What a round may leave: less than a descriptor for each bind. Caches stay half
 * filled, and the workers that free descriptors idle for minutes; but what is lost
 * is lost in every round.
 */
#define LEFT_BYTES		512
#define LEFT_KB			512

static unsigned long meminfo_kb(const char *name)
{
	char buf[8192], *p;

	slurp("/proc/meminfo", buf, sizeof(buf));
	p = strstr(buf, name);
	return p ? strtoul(p + strlen(name), NULL, 10) : 0;
}

/* Nearly all that the kernel keeps of a channel comes from there */
static unsigned long kernel_kb(void)
{
	return meminfo_kb("SUnreclaim:") + meminfo_kb("Percpu:");
}

static unsigned int channels_to_bind(void)
{
	const char *p = getenv("EVTCHN_CHANNELS");
	unsigned long nr = DEFAULT_CHANNELS;
	char *end;

	if (p && *p) {
		nr = strtoul(p, &end, 10);
		if (*end)
			nr = 0;
	}
	if (nr > MAX_CHANNELS)
		nr = MAX_CHANNELS;
	return nr;
}

static bool on_x86(void)
{
	struct utsname name;

	return !uname(&name) && strstr(name.machine, "86");
}

/* IRQ 0 is none */
static unsigned int first_dynamic_irq(void)
{
	unsigned int first = on_x86() ? ISA_IRQS : 1, end = gsi_end();

	if (end > first)
		first = end;
	return first;
}

FIXTURE(irqs)
{
	struct evtchn file;
	unsigned int first;
	unsigned long splats;
};

FIXTURE_SETUP(irqs)
{
	self->file.fd = -1;
	self->splats = splats();
	ASSERT_LE(0, evtchn_open(&self->file, O_RDWR | O_NONBLOCK));
	self->first = first_dynamic_irq();
}

FIXTURE_TEARDOWN(irqs)
{
	if (self->file.fd >= 0)
		close(self->file.fd);
	expect_no_trace(_metadata, self->splats);
}

TEST_F(irqs, nr_irqs_counts_channels)
{
	unsigned long nr_irqs, channels;
	char *log, *p;

	if (!on_x86())
		SKIP(return, "only x86 counts event channels");
	log = kernel_log();
	p = log ? strstr(log, " nr_irqs: ") : NULL;
	if (!p)
		SKIP(return, "needs the boot messages, with nr_irqs");
	nr_irqs = strtoul(p + strlen(" nr_irqs: "), NULL, 10);

	/* The 2-level ABI has the square of the bits of a word; those are 8 a byte */
	channels = MAX_CHANNELS;
	if (strstr(log, "Using 2-level ABI"))
		channels = sizeof(long) * sizeof(long) * 64;
	EXPECT_LT(channels, nr_irqs);
	free(log);
}

TEST_F(irqs, kernel_has_none_below_the_first)
{
	static bool present[MAX_IRQS];
	unsigned int irq, irqs, nr = 0, below = 0;

	irqs = list_irqs(present);
	for (irq = 0; irq < irqs; irq++) {
		if (!present[irq] || !irq_is_dynamic(irq))
			continue;
		nr++;
		if (irq >= self->first)
			continue;
		if (!below++)
			TH_LOG("IRQ %u is an event channel, the first should be %u", irq,
			       self->first);
	}
	EXPECT_LT(0, nr);
	EXPECT_EQ(0, below);
}

TEST_F(irqs, bound_are_not_below_the_first)
{
	unsigned int i;
	int port;

	port = bind_unbound(self->file.fd, DOMID_SELF);
	ASSERT_LT(0, port);
	ASSERT_LT(0, bind_interdomain(self->file.fd, DOMID_SELF, port));
	find_irqs(getpid(), &lines);
	ASSERT_EQ(2, lines.nr);
	for (i = 0; i < lines.nr; i++)
		EXPECT_LE(self->first, lines.irq[i]);
}

/*
 * Wait until nobody's IRQs are gone, but for those that were @present, and return
 * how many are left. Others get and free IRQs, too, which takes a grace period.
 */
static unsigned int nr_leaked(const bool *present)
{
	static bool left[MAX_IRQS];
	time_t since = now();
	unsigned int nr;

	do {
		unsigned int irq, irqs = list_irqs(left);

		nr = 0;
		for (irq = 0; irq < irqs; irq++)
			nr += left[irq] && !present[irq] && !irq_freed(getpid(), irq);
	} while (nr && again(since));
	return nr;
}

TEST_F_TIMEOUT(irqs, each_channel_has_one, 800)
{
	static bool present[MAX_IRQS], seen[MAX_CHANNELS];
	unsigned int round, bound, first_bound = 0, i, below, twice, highest, first_highest = 0;
	unsigned int nr = channels_to_bind(), grown = 0;
	unsigned long kb, limit;
	time_t since;
	int port = 0;

	ASSERT_LT(0, nr) {
		TH_LOG("EVTCHN_CHANNELS is '%s', not a number from 1", getenv("EVTCHN_CHANNELS"));
	}
	if (meminfo_kb("MemAvailable:") < CHANNEL_KB * (unsigned long)nr)
		SKIP(return, "needs %u kB for %u channels", CHANNEL_KB * nr, nr);
	list_irqs(present);
	kb = kernel_kb();

	for (round = 0; round < ROUNDS || (grown == round - 1 && round < MOST_ROUNDS); round++) {
		highest = 0;
		twice = 0;
		memset(seen, 0, sizeof(seen));
		for (bound = 0; bound < nr; bound++) {
			port = bind_unbound(self->file.fd, DOMID_SELF);
			if (port < 0)
				break;
			ASSERT_GT(MAX_CHANNELS, port);
			twice += seen[port];
			seen[port] = true;
			if ((unsigned int)port > highest)
				highest = port;
		}
		/* Xen may have less than is asked for, but the kernel must not */
		ASSERT_LT(0, bound);
		if (bound < nr) {
			EXPECT_EQ(-ENOSPC, port);
			/* Xen looks for a free port before it looks at the other end */
			EXPECT_EQ(-ENOSPC, bind_interdomain(self->file.fd, DOMID_SELF, 0));
		}
		TH_LOG("round %u: %u of %u channels, up to port %u", round + 1, bound, nr, highest);
		/* Xen has the lowest ones first, so a port that is lost is missing here */
		if (!round) {
			first_highest = highest;
			first_bound = bound;
		}
		EXPECT_GE(first_highest + OTHER_PORTS, highest);
		EXPECT_GE(bound + OTHER_PORTS, first_bound);

		/* One that is shared has one line in /proc/interrupts */
		find_irqs(getpid(), &lines);
		EXPECT_EQ(bound, lines.nr);
		EXPECT_EQ(0, twice);
		below = 0;
		for (i = 0; i < lines.nr; i++) {
			ASSERT_GT(MAX_IRQS, lines.irq[i]);
			below += lines.irq[i] < self->first;
		}
		EXPECT_EQ(0, below);

		close(self->file.fd);
		EXPECT_TRUE(irqs_freed(getpid(), &lines));
		EXPECT_EQ(0, nr_leaked(present));
		limit = kb + LEFT_KB + (unsigned long)bound * LEFT_BYTES / 1024;
		since = now();
		do {
			kb = kernel_kb();
		} while (kb > limit && again(since));
		/* The first may begin while what others had is still being freed */
		grown += round && kb > limit;
		TH_LOG("round %u: %lu kB in use after it, up to %lu is normal", round + 1, kb,
		       limit);
		ASSERT_LE(0, evtchn_open(&self->file, O_RDWR | O_NONBLOCK));
	}
	EXPECT_GT(round - 1, grown) {
		TH_LOG("every round after the first has left memory in use");
	}
}

TEST_HARNESS_MAIN
