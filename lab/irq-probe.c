// SPDX-License-Identifier: GPL-2.0
/*
 * irq-probe - check from inside a kernel what the design says about its IRQs
 *
 * usage: irq-probe CHANNELS
 *
 * In:	CHANNELS, how many event channels to bind through /dev/xen/evtchn; on
 *	a machine without Xen nothing is bound. The boot messages must still be
 *	in the kernel's log buffer. /proc, /sys and /dev must be mounted.
 *
 * Out:	KTAP on standard output. Diagnostic lines "# KEY: VALUE" carry the
 *	figures for the table: domain, nr_irqs, gsi_top, lowest, highest, asked,
 *	bound, errno.
 *
 * Exit:	0 every test passed or was skipped, 1 one failed, 2 a prerequisite
 *	is missing and nothing was tested ("Bail out!" says which).
 */
#include "probe.h"

/* Of x86: arch/x86/include/asm/irq_vectors.h */
#define NR_VECTORS		256

/* Of the two event channel ABIs on 64 bit: xen/interface/event_channel.h */
#define EVTCHN_2L_NR_CHANNELS	4096
#define EVTCHN_FIFO_NR_CHANNELS	131072

#define MAX_IRQS		0x100000
/* Of /proc/interrupts; later kernels have room for names of four letters */
#define MAX_IDLE_WIDTH	4

static char cmdline[4096];

/* What is in /sys/kernel/irq at one moment */
struct irq_survey {
	unsigned int lowest, highest, nr_dynamic, last;
	bool dynamic[MAX_IRQS];
};

/* The number after @key in the boot log, or @otherwise where it is not */
static unsigned int logged(const char *key, unsigned int otherwise)
{
	const char *p = strstr(boot_log(), key);

	return p ? strtoul(p + strlen(key), NULL, 0) : otherwise;
}

/* arch_probe_nr_irqs() without Xen, on a kernel with CONFIG_PCI_MSI=y */
static unsigned int native_nr_irqs(unsigned int top)
{
	unsigned int cpus = logged("nr_cpu_ids:", 1);
	unsigned int limit = logged("NR_IRQS: ", 0);
	unsigned int nr = top + NR_IRQS_LEGACY + 8 * cpus;

	if (limit > NR_VECTORS * cpus)
		limit = NR_VECTORS * cpus;
	nr += top <= NR_IRQS_LEGACY ? 8 * cpus : 16 * top;
	return nr < limit ? nr : limit;
}

static unsigned int abi_channels(void)
{
	const char *p = strstr(cmdline, "xen.fifo_events=");

	if (p && strchr("0nN", p[strlen("xen.fifo_events=")]))
		return EVTCHN_2L_NR_CHANNELS;
	return EVTCHN_FIFO_NR_CHANNELS;
}

static void survey(struct irq_survey *s)
{
	DIR *dir = opendir("/sys/kernel/irq");
	struct dirent *d;

	memset(s, 0, sizeof(*s));
	if (!dir)
		die("/sys/kernel/irq");
	while ((d = readdir(dir))) {
		unsigned int irq;

		if (!isdigit(d->d_name[0]))
			continue;
		irq = strtoul(d->d_name, NULL, 10);
		if (irq >= MAX_IRQS)
			die(d->d_name);
		if (irq > s->last)
			s->last = irq;
		if (!is_dynamic(irq))
			continue;
		if (!s->nr_dynamic || irq < s->lowest)
			s->lowest = irq;
		if (irq > s->highest)
			s->highest = irq;
		s->dynamic[irq] = true;
		s->nr_dynamic++;
	}
	closedir(dir);
}

/* The intr line of /proc/stat; its first number is the sum. The caller frees it. */
static char *intr_line(void)
{
	FILE *f = fopen("/proc/stat", "r");
	char *line = NULL;
	size_t size = 0;

	if (!f)
		die("/proc/stat");
	do {
		if (getline(&line, &size, f) < 0)
			die("the intr line of /proc/stat");
	} while (strncmp(line, "intr ", 5));
	fclose(f);
	return line;
}

/* The number of interrupts that it has columns for */
static unsigned int stat_columns(void)
{
	char *line = intr_line(), *p;
	unsigned int spaces = 0;

	for (p = line; *p; p++)
		spaces += *p == ' ';
	free(line);
	return spaces - 1;
}

#define NO_ROW		(~0UL)

/* How often each interrupt came, say the rows of /proc/interrupts */
static void read_rows(unsigned long *counts)
{
	FILE *f = fopen("/proc/interrupts", "r");
	char *line = NULL;
	size_t size = 0;

	memset(counts, 0xff, MAX_IRQS * sizeof(*counts));
	if (!f)
		die("/proc/interrupts");
	while (getline(&line, &size, f) > 0) {
		char *p, *end;
		unsigned long irq = strtoul(line, &p, 10), count;

		if (*p != ':' || p == line || irq >= MAX_IRQS)
			continue;
		counts[irq] = 0;
		for (p++; count = strtoul(p, &end, 10), end != p && isspace(*end); p = end)
			counts[irq] += count;
	}
	free(line);
	fclose(f);
}

/*
 * Column n of the intr line of /proc/stat is about interrupt n: it has counted what the
 * row has, read before and after. One that comes or goes meanwhile is left out.
 */
static void test_columns(void)
{
	static unsigned long before[MAX_IRQS], columns[MAX_IRQS], after[MAX_IRQS];
	unsigned int nr = 0, counted = 0, wrong = 0, first = 0, irq;
	char *line, *p, *end;

	read_rows(before);
	line = intr_line();
	read_rows(after);
	strtoul(line + strlen("intr "), &p, 10);
	for (; nr < MAX_IRQS; p = end, nr++) {
		columns[nr] = strtoul(p, &end, 10);
		if (end == p)
			break;
	}
	for (irq = 0; irq < MAX_IRQS; irq++) {
		if (before[irq] == NO_ROW || after[irq] == NO_ROW)
			continue;
		counted += !!columns[irq];
		if (columns[irq] >= before[irq] && columns[irq] <= after[irq])
			continue;
		if (!wrong++)
			first = irq;
	}
	result(counted && !wrong, "proc.stat_columns",
	       "of %u, %u rows are not 0; %u columns are not what they are, first %u: %lu, row %lu",
	       nr, counted, wrong, first, columns[first], after[first]);
	free(line);
}

/* The width of the first column of /proc/interrupts: its header has 8 more */
static unsigned int interrupts_width(void)
{
	char buf[256];

	return strspn(slurp("/proc/interrupts", buf, sizeof(buf)), " ") - 8;
}

static unsigned int digits(unsigned int n)
{
	unsigned int width = 3, limit = 1000;

	for (; limit <= n; limit *= 10)
		width++;
	return width;
}

/* The lines which arch/x86/pci/xen.c prints for each GSI that it registers */
static void test_gsi(void)
{
	const char *name = "gsi.is_irq", *p = boot_log();
	unsigned int irq, gsi, nr = 0, wrong = 0;

	while ((p = next_gsi(p, &gsi, &irq))) {
		nr++;
		wrong += irq != gsi;
	}
	if (nr)
		result(!wrong, name, "%u of %u GSIs have another IRQ number", wrong, nr);
	else
		skip(name, "no GSI goes through an event channel here");
}

static void test_channels(unsigned int asked)
{
	static struct irq_survey idle, peak, after;
	unsigned int bound = 0, fresh = 0, stray = 0, top = gsi_top(), irq, i;
	unsigned int idle_columns, idle_width, width, last_port = 0;
	int fd = open_evtchn(), port, err = 0;

	survey(&idle);
	idle_columns = stat_columns();
	idle_width = interrupts_width();
	result(idle_width >= digits(idle.last) && idle_width <= MAX_IDLE_WIDTH,
	       "proc.interrupts_idle", "column of %u for IRQ %u", idle_width, idle.last);

	while (bound < asked) {
		port = bind_channel(fd);
		if (port < 0) {
			err = errno;
			break;
		}
		last_port = port;
		if (++bound % 1000 == 0)
			fprintf(stderr, "irq-probe: %u of %u channels bound\n", bound, asked);
	}

	survey(&peak);
	for (irq = 0; irq <= peak.last; irq++)
		fresh += peak.dynamic[irq] && !idle.dynamic[irq];
	for (irq = 0; irq < NR_IRQS_LEGACY; irq++)
		stray += peak.dynamic[irq];

	printf("# lowest: %u\n# highest: %u\n", peak.lowest, peak.highest);
	printf("# asked: %u\n# bound: %u\n# errno: %s\n", asked, bound,
	       err ? strerrorname_np(err) : "0");

	result(bound == asked, "bind.all", "%u of %u channels, %s", bound, asked,
	       err ? strerror(err) : "no error");
	result(fresh == bound, "bind.distinct", "%u channels have %u IRQs", bound, fresh);
	if (top)
		result(peak.lowest >= top, "range.above_gsi",
		       "lowest dynamic IRQ is %u, GSIs end at %u", peak.lowest, top);
	else
		skip("range.above_gsi", "no GSI in this domain");
	result(!stray, "range.above_isa", "%u dynamic IRQs below %u", stray, NR_IRQS_LEGACY);
	width = digits(peak.last) > idle_width ? digits(peak.last) : idle_width;
	result(interrupts_width() == width, "proc.interrupts_peak",
	       "column of %u for IRQ %u", interrupts_width(), peak.last);
	result(last_port && deliver(fd, last_port), "event.delivered",
	       "port %u, IRQs up to %u", last_port, peak.highest);
	test_columns();
	close(fd);

	/* The IRQs are freed after a grace period: wait until no more go away */
	for (i = 0; i < SETTLE_SECONDS; i++) {
		survey(&after);
		if (after.nr_dynamic == idle.nr_dynamic)
			break;
		sleep(1);
	}
	result(!memcmp(after.dynamic, idle.dynamic, sizeof(idle.dynamic)), "close.returns",
	       "%u dynamic IRQs before, %u after", idle.nr_dynamic, after.nr_dynamic);
	result(stat_columns() == idle_columns, "proc.stat_after_peak",
	       "%u columns before, %u after", idle_columns, stat_columns());
	result(interrupts_width() == idle_width, "proc.interrupts_after_peak",
	       "column of %u before, %u after", idle_width, interrupts_width());
}

int main(int argc, char **argv)
{
	static struct irq_survey idle;
	unsigned int asked = asked_for(argc, argv, "CHANNELS"), nr_irqs, native, channels, top;
	char type[16];
	bool xen;

	slurp("/proc/cmdline", cmdline, sizeof(cmdline));
	xen = !strcmp(slurp("/sys/hypervisor/type", type, sizeof(type)), "xen");
	if (xen)
		slurp("/sys/hypervisor/guest_type", type, sizeof(type));
	plan(xen ? 14 : 4);

	top = gsi_top();
	nr_irqs = logged(" nr_irqs: ", 0);
	native = native_nr_irqs(top);
	channels = xen ? abi_channels() : 0;
	printf("# domain: %s\n# nr_irqs: %u\n# gsi_top: %u\n", xen ? type : "none", nr_irqs, top);
	result(nr_irqs == native + channels, "nr_irqs.is_the_sum",
	       "%u; CPUs and GSIs make %u, the ABI has %u channels", nr_irqs, native, channels);

	survey(&idle);
	result(stat_columns() == idle.last + 1, "proc.stat_ends_at_last",
	       "%u columns, last IRQ is %u", stat_columns(), idle.last);
	test_gsi();

	if (xen)
		test_channels(asked);
	else
		test_columns();
	return summary();
}
