/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What the tests of Xen event channels share: /dev/xen/evtchn, and the IRQs
 * that belong to it.
 */
#ifndef SELFTESTS_XEN_H
#define SELFTESTS_XEN_H

#include "../kselftest_harness.h"

#include <ctype.h>
#include <dirent.h>
#include <fcntl.h>
#include <poll.h>
#include <sys/file.h>
#include <sys/ioctl.h>
#include <sys/klog.h>
#include <sys/prctl.h>
#include <time.h>

/* Used by the exported header, but not defined there */
typedef __u16 domid_t;
#include <xen/evtchn.h>

/* Of Xen's public headers, which Linux does not export */
#define DOMID_FIRST_RESERVED	0x7ff0
#define DOMID_SELF		0x7ff0

/* The FIFO ABI's, and no ABI has more */
#define MAX_CHANNELS		131072
#define MAX_IRQS		1048576

/* On x86 the first IRQs are those of the ISA bus, even without one */
#define ISA_IRQS		16

/* No test is about time: whoever waits that long waits in vain */
#define GIVE_UP_SECONDS		25

/* Set in /proc/sys/kernel/tainted by KASAN and others, and by the soft lockup detector */
#define TAINT_BAD_PAGE		0x20
#define TAINT_SOFTLOCKUP	0x4000

/* What the lines of /proc/interrupts say about some IRQs */
struct irq_lines {
	unsigned int nr;
	unsigned long long events;
	unsigned int irq[MAX_CHANNELS];
};

static struct irq_lines lines;

static inline time_t now(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec;
}

/*
 * For what cannot be waited for with poll(2):
 *
 *	for (since = now(); !done && again(since);)
 *		done = look();
 */
static inline bool again(time_t since)
{
	usleep(1000);
	return now() - since < GIVE_UP_SECONDS;
}

/* The content of a small file without its last newline, "" if there is none */
static inline const char *slurp(const char *path, char *buf, size_t size)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	ssize_t n = fd < 0 ? 0 : read(fd, buf, size - 1);

	if (fd >= 0)
		close(fd);
	if (n < 0)
		n = 0;
	if (n && buf[n - 1] == '\n')
		n--;
	buf[n] = 0;
	return buf;
}

static inline bool guest_is(const char *type)
{
	char buf[16];

	return !strcmp(slurp("/sys/hypervisor/guest_type", buf, sizeof(buf)), type);
}

static inline const char *irq_attr(unsigned int irq, const char *attr, char *buf, size_t size)
{
	char path[64];

	snprintf(path, sizeof(path), "/sys/kernel/irq/%u/%s", irq, attr);
	return slurp(path, buf, size);
}

static inline bool irq_exists(unsigned int irq)
{
	char path[64];

	snprintf(path, sizeof(path), "/sys/kernel/irq/%u", irq);
	return !access(path, F_OK);
}

static inline unsigned long number_in(const char *path)
{
	char buf[32];

	return strtoul(slurp(path, buf, sizeof(buf)), NULL, 10);
}

/* Return what a splat changes: the first bad page or soft lockup, each of the others */
static inline unsigned long splats(void)
{
	return number_in("/sys/kernel/warn_count") + number_in("/sys/kernel/oops_count") +
	       (number_in("/proc/sys/kernel/tainted") & (TAINT_BAD_PAGE | TAINT_SOFTLOCKUP));
}

/*
 * The driver names the IRQs of a file after the process that opens it: "evtchn:"
 * and its name. A name of its own for each file tells its IRQs from all others.
 */
struct evtchn {
	int fd;
	char name[16];
};

static inline int evtchn_open(struct evtchn *e, int flags)
{
	static unsigned int nr;

	snprintf(e->name, sizeof(e->name), "xt%d.%u", getpid(), nr++ % 1000);
	prctl(PR_SET_NAME, e->name);
	e->fd = open("/dev/xen/evtchn", flags | O_CLOEXEC);
	return e->fd;
}

static inline int evtchn_ioctl(int fd, unsigned long request, void *arg)
{
	int ret = ioctl(fd, request, arg);

	return ret < 0 ? -errno : ret;
}

/* These return the port, or what went wrong as a negative number */
static inline int bind_unbound(int fd, unsigned int domain)
{
	struct ioctl_evtchn_bind_unbound_port bind = { .remote_domain = domain };

	return evtchn_ioctl(fd, IOCTL_EVTCHN_BIND_UNBOUND_PORT, &bind);
}

static inline int bind_interdomain(int fd, unsigned int domain, unsigned int port)
{
	struct ioctl_evtchn_bind_interdomain bind = {
		.remote_domain = domain,
		.remote_port = port,
	};

	return evtchn_ioctl(fd, IOCTL_EVTCHN_BIND_INTERDOMAIN, &bind);
}

static inline int bind_virq(int fd, unsigned int virq)
{
	struct ioctl_evtchn_bind_virq bind = { .virq = virq };

	return evtchn_ioctl(fd, IOCTL_EVTCHN_BIND_VIRQ, &bind);
}

static inline int unbind(int fd, unsigned int port)
{
	struct ioctl_evtchn_unbind arg = { .port = port };

	return evtchn_ioctl(fd, IOCTL_EVTCHN_UNBIND, &arg);
}

static inline int notify(int fd, unsigned int port)
{
	struct ioctl_evtchn_notify arg = { .port = port };

	return evtchn_ioctl(fd, IOCTL_EVTCHN_NOTIFY, &arg);
}

/* Find the IRQs of the files that process @pid opened */
static inline void find_irqs(pid_t pid, struct irq_lines *lines)
{
	FILE *f = fopen("/proc/interrupts", "re");
	char name[32], *line = NULL, *p;
	size_t size = 0;

	lines->nr = 0;
	lines->events = 0;
	if (!f)
		return;
	snprintf(name, sizeof(name), " evtchn:xt%d.", pid);
	while (getline(&line, &size, f) > 0) {
		if (!strstr(line, name) || lines->nr == MAX_CHANNELS)
			continue;
		lines->irq[lines->nr++] = strtoul(line, &p, 10);
		/* One column a CPU, then the name of the chip */
		for (p++; isdigit(p[strspn(p, " ")]);)
			lines->events += strtoul(p, &p, 10);
	}
	free(line);
	fclose(f);
}

/* Another may have got the number since */
static inline bool irq_freed(pid_t pid, unsigned int irq)
{
	char buf[64], name[32];

	snprintf(name, sizeof(name), "evtchn:xt%d.", pid);
	irq_attr(irq, "actions", buf, sizeof(buf));
	return !irq_exists(irq) || (buf[0] && strncmp(buf, name, strlen(name)));
}

/* Wait until these IRQs are freed, which takes a grace period */
static inline bool irqs_freed(pid_t pid, const struct irq_lines *lines)
{
	unsigned int i;

	for (i = 0; i < lines->nr; i++) {
		time_t since = now();

		while (!irq_freed(pid, lines->irq[i]))
			if (!again(since))
				return false;
	}
	return true;
}

/* The kernel's messages, NULL if they cannot be read */
static inline char *kernel_log(void)
{
	/* SYSLOG_ACTION_SIZE_BUFFER and SYSLOG_ACTION_READ_ALL */
	int size = klogctl(10, NULL, 0);
	char *log = size > 0 ? calloc(1, size + 1) : NULL;

	if (log && klogctl(3, log, size) <= 0) {
		free(log);
		log = NULL;
	}
	return log;
}

static inline bool irq_attr_begins(unsigned int irq, const char *attr, const char *with)
{
	char buf[64];

	return !strncmp(irq_attr(irq, attr, buf, sizeof(buf)), with, strlen(with));
}

/* Those of an IO-APIC that is not the first may have any number */
static inline bool irq_is_pin(unsigned int irq)
{
	char buf[64];

	return (irq_attr_begins(irq, "chip_name", "IO-APIC") ||
		irq_attr_begins(irq, "chip_name", "IR-IO-APIC")) &&
	       strtoul(irq_attr(irq, "hwirq", buf, sizeof(buf)), NULL, 10) == irq;
}

/* Physical IRQs that Xen delivers as events are GSIs or MSIs */
static inline bool irq_is_msi(unsigned int irq)
{
	char buf[64];

	return irq_attr_begins(irq, "chip_name", "xen-pirq") &&
	       strstr(irq_attr(irq, "name", buf, sizeof(buf)), "msi");
}

static inline bool irq_is_pirq_gsi(unsigned int irq)
{
	return irq_attr_begins(irq, "chip_name", "xen-pirq") &&
	       irq_attr_begins(irq, "name", "ioapic-");
}

static inline bool irq_is_gsi(unsigned int irq)
{
	return irq_is_pin(irq) || irq_is_pirq_gsi(irq);
}

/* The Xen IRQs that are no GSI, whose number is for the kernel to choose */
static inline bool irq_is_dynamic(unsigned int irq)
{
	return irq_attr_begins(irq, "chip_name", "xen-dyn") ||
	       irq_attr_begins(irq, "chip_name", "xen-percpu") ||
	       (irq_attr_begins(irq, "chip_name", "xen-pirq") && !irq_is_pirq_gsi(irq));
}

/* Set @present[] for all IRQs, and return one more than the last */
static inline unsigned int list_irqs(bool present[MAX_IRQS])
{
	DIR *dir = opendir("/sys/kernel/irq");
	unsigned int end = 0;
	struct dirent *d;

	memset(present, 0, MAX_IRQS);
	while (dir && (d = readdir(dir))) {
		unsigned int irq = strtoul(d->d_name, NULL, 10);

		if (!isdigit(d->d_name[0]) || irq >= MAX_IRQS)
			continue;
		present[irq] = true;
		if (irq >= end)
			end = irq + 1;
	}
	if (dir)
		closedir(dir);
	return end;
}

/*
 * Return one more than the last GSI that is an IRQ of the same number. In a PV domain
 * all are, in others those of the IO-APIC that has the ISA interrupts. The kernel says
 * at boot where each IO-APIC ends; when that is no longer in its log, it is beyond the
 * last GSI in use.
 */
static inline unsigned int gsi_end(void)
{
	static bool present[MAX_IRQS];
	unsigned int end = 0, first, last, irq, irqs;
	char *log = kernel_log(), *p = log;
	bool pv = !guest_is("HVM") && !guest_is("PVH");

	while (p && (p = strstr(p, "IOAPIC["))) {
		const char *gsi = strstr(p++, ", GSI ");

		if (gsi && sscanf(gsi, ", GSI %u-%u", &first, &last) == 2 &&
		    (pv || first < ISA_IRQS) && last >= end)
			end = last + 1;
	}
	free(log);
	if (end)
		return end;

	irqs = list_irqs(present);
	for (irq = 0; irq < irqs; irq++)
		if (present[irq] && irq_is_gsi(irq))
			end = irq + 1;
	return end;
}

/* To be called when all is closed again; @before is what splats() was */
static inline void expect_no_trace(struct __test_metadata *_metadata, unsigned long before)
{
	find_irqs(getpid(), &lines);
	EXPECT_EQ(0, lines.nr);
	EXPECT_EQ(before, splats()) {
		TH_LOG("the kernel has a splat in its log");
	}
}

/* Return why there are no event channels to test, NULL if there are */
static inline const char *missing(void)
{
	if (access("/dev/xen/evtchn", F_OK))
		return "no /dev/xen/evtchn: not on Xen, or no CONFIG_XEN_DEV_EVTCHN";
	if (access("/dev/xen/evtchn", R_OK | W_OK))
		return "needs root, to open /dev/xen/evtchn";
	if (access("/proc/interrupts", R_OK) || access("/sys/kernel/irq", R_OK))
		return "needs /proc/interrupts and /sys/kernel/irq";
	return NULL;
}

/* Before main(), which is the harness's */
static void __attribute__((constructor)) set_up_program(void)
{
	int fd = open("/dev/xen/evtchn", O_RDWR | O_CLOEXEC);
	const char *why = missing();

	if (!why && evtchn_ioctl(fd, IOCTL_EVTCHN_RESET, NULL) == -ENOTTY)
		why = "/dev/xen/evtchn needs a program of the kernel's word size";
	if (why) {
		ksft_print_header();
		ksft_exit_skip("%s\n", why);
	}
	/* Two programs at a time would take each other's channels for lost ones */
	if (flock(fd, LOCK_EX | LOCK_NB) && errno == EWOULDBLOCK) {
		fprintf(stderr, "# waiting until another program has tested event channels\n");
		flock(fd, LOCK_EX);
	}
}

#endif
