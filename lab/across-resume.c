// SPDX-License-Identifier: GPL-2.0
/*
 * across-resume - what a guest's event channels are after it was saved or migrated
 *
 * usage: across-resume CHANNELS
 *
 * With CHANNELS bound, the guest says that it is ready, and is saved and restored,
 * or migrated, or only saved, by lab/save-restore in domain 0. In the new domain Xen
 * knows none of its channels. The kernel binds its own again; those of
 * /dev/xen/evtchn are gone, and must not be taken for what has their port now. In
 * the same domain all must be as before.
 *
 * In:	CHANNELS, how many to bind. /proc, /sys and /dev must be mounted; xenstore's
 *	program; the node data/resumed, set to N after the Nth time.
 *
 * Out:	KTAP on standard output. "# ready N" says when; nothing comes after it until
 *	it is done.
 *
 * Exit:	0 every test passed, 1 one failed, 2 a prerequisite is missing and nothing
 *	was tested ("Bail out!" says which).
 */
#include "probe.h"

static const char * const ways[] = { "restored", "moved", "saved" };

static struct pair *pairs;
static unsigned int nr_pairs, lowest;

static unsigned int working_pairs(int fd)
{
	unsigned int i, nr = 0;

	for (i = 0; i < nr_pairs; i++)
		nr += works(fd, &pairs[i]);
	return nr;
}

/* Say that it is the @nth time, and wait until the host has done it */
static void wait_for_host(unsigned int nth)
{
	char line[64] = "";

	printf("# ready %u\n", nth);
	while (strtoul(line, NULL, 10) != nth) {
		FILE *f = popen("xenstore-read data/resumed 2>/dev/null", "r");

		if (!f)
			die("xenstore-read");
		if (!fgets(line, sizeof(line), f))
			*line = 0;
		pclose(f);
		usleep(200000);
	}
}

static void __printf(4, 5) test(bool ok, const char *way, const char *what, const char *fmt, ...)
{
	char name[64], text[128];
	va_list ap;

	snprintf(name, sizeof(name), "%s.%s", way, what);
	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	result(ok, name, "%s", text);
}

static void test_new_pair(int fd, struct pair *pair, const char *way, const char *what)
{
	bool ok = bind_pair(fd, pair) && works(fd, pair);

	test(ok, way, what, "ports %d and %d", pair->port, pair->sender);
}

static void go(unsigned int nth)
{
	bool same_domain = nth == 3, same;
	const char *way = ways[nth - 1];
	unsigned int irqs, i, nr, gone = 0;
	unsigned long own, own_after;
	int fd, spare, other, port, port_after;
	struct pair pair;

	irqs = settled_irqs();
	fd = open_evtchn();
	spare = open_evtchn();
	port = lowest_free_port(spare);
	for (i = 0; i < nr_pairs; i++)
		if (!bind_pair(fd, &pairs[i]))
			die("pair of channels");
	misplaced_irqs(lowest, &own);
	wait_for_host(nth);

	/* The new domain's lowest one is another */
	if (!same_domain)
		port = lowest_free_port(spare);
	nr = misplaced_irqs(lowest, &own_after);
	test(!nr, way, "range", "%u IRQs on the wrong side of %u", nr, lowest);
	test(own == own_after, way, "kernels_own", "the sum of their numbers was %lu, is %lu",
	     own, own_after);
	if (same_domain) {
		nr = working_pairs(fd);
		test(nr == nr_pairs, way, "old_events", "%u of %u pairs", nr, nr_pairs);
	} else if (nth == 1) {
		for (i = 0; i < nr_pairs; i++)
			gone += notify(fd, pairs[i].sender) && errno == ENOTCONN;
		test(gone == nr_pairs, way, "old_are_gone", "%u of %u pairs", gone, nr_pairs);
	}

	/* Once all is closed by a file that has not seen anything */
	if (nth == 2) {
		close(fd);
		fd = open_evtchn();
	}
	/* Xen's first free port is one that this file had before */
	test_new_pair(fd, &pair, way, "same_file");
	other = open_evtchn();
	test_new_pair(other, &pair, way, "new_file");
	nr = misplaced_irqs(lowest, &own_after);
	test(!nr, way, "new_range", "%u IRQs on the wrong side of %u", nr, lowest);
	close(fd);
	test(works(other, &pair), way, "others_stay", "ports %d and %d", pair.port, pair.sender);
	close(other);
	same = irqs_become(irqs);
	test(same, way, "closed", "%u IRQs at the start, %u now", irqs, count_irqs());
	fd = open_evtchn();
	port_after = lowest_free_port(fd);
	test(port_after == port, way, "ports", "the lowest free one was %d, is %d", port,
	     port_after);
	close(fd);
	close(spare);
}

int main(int argc, char **argv)
{
	unsigned int nth;

	nr_pairs = asked_for(argc, argv, "CHANNELS") / 2;
	pairs = calloc(nr_pairs + 1, sizeof(*pairs));
	if (!pairs)
		die("memory");
	plan(9 + 8 + 9);
	lowest = first_dynamic();
	for (nth = 1; nth <= 3; nth++)
		go(nth);
	return summary();
}
