/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What the programs that run in the machines share: KTAP on standard output,
 * small files of /proc and /sys, event channels of /dev/xen/evtchn, and allocations
 * that fail.
 */
#ifndef LAB_PROBE_H
#define LAB_PROBE_H

#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/klog.h>
#include <unistd.h>

/* Used by, but not defined in, the header of Linux */
typedef uint16_t domid_t;
#include <xen/evtchn.h>

#define DOMID_SELF		0x7ff0

#define SETTLE_SECONDS		60
#define QUIET_SECONDS		10
/* What may be left of many cycles: slabs and per-CPU chunks that are not full take some */
#define LOST_KB			256
#define EVENT_SECONDS		60

#define SYSLOG_READ_ALL		3
#define SYSLOG_SIZE_BUFFER	10

#define NR_IRQS_LEGACY		16

#define CPU1_ONLINE		"/sys/devices/system/cpu/cpu1/online"

#define __printf(fmt, args)	__attribute__((format(printf, fmt, args)))

static unsigned int test_nr, failed;

static inline void die(const char *what)
{
	printf("Bail out! %s: %s\n", what, strerror(errno));
	exit(2);
}

/* The number that is the only argument of a program; @what it is, for who calls it otherwise */
static inline unsigned long asked_for(int argc, char **argv, const char *what)
{
	char *end = NULL;
	unsigned long nr = argc == 2 ? strtoul(argv[1], &end, 10) : 0;

	if (!end || end == argv[1] || *end) {
		fprintf(stderr, "usage: %s %s\n", argv[0], what);
		exit(2);
	}
	return nr;
}

static inline void __printf(3, 4) result(bool ok, const char *name, const char *fmt, ...)
{
	va_list ap;

	if (!ok)
		failed++;
	printf("%s %u %s\n# ", ok ? "ok" : "not ok", ++test_nr, name);
	va_start(ap, fmt);
	vprintf(fmt, ap);
	va_end(ap);
	printf("\n");
}

static inline void skip(const char *name, const char *reason)
{
	printf("ok %u %s # SKIP %s\n", ++test_nr, name, reason);
}

/* Print the first lines */
static inline void plan(unsigned int tests)
{
	setvbuf(stdout, NULL, _IOLBF, 0);
	printf("KTAP version 1\n1..%u\n", tests);
}

/* Print the last line, and return what the program exits with */
static inline int summary(void)
{
	printf("# %u failed of %u\n", failed, test_nr);
	return failed ? 1 : 0;
}

/* The content of a small file of /proc or /sys without its last newline */
static inline const char *slurp(const char *path, char *buf, size_t size)
{
	int fd = open(path, O_RDONLY);
	ssize_t n = fd < 0 ? -1 : read(fd, buf, size - 1);

	if (fd >= 0)
		close(fd);
	if (n < 0)
		n = 0;
	buf[n] = 0;
	if (n && buf[n - 1] == '\n')
		buf[n - 1] = 0;
	return buf;
}

/* Write @text to a file of /proc or /sys, and return 0 or what went wrong */
static inline int put(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY), err = 0;

	if (fd < 0 || write(fd, text, strlen(text)) < 0)
		err = errno;
	if (fd >= 0)
		close(fd);
	return err;
}

static inline void take_cpu1_offline(void)
{
	int err = put(CPU1_ONLINE, "0");

	if (err) {
		errno = err;
		die(CPU1_ONLINE);
	}
}

/* What /proc/meminfo says about @key, in kB */
static inline unsigned long meminfo_kb(const char *key)
{
	FILE *f = fopen("/proc/meminfo", "r");
	unsigned long kb, value = 0;
	bool found = false;
	char name[64];

	if (!f)
		die("/proc/meminfo");
	while (fscanf(f, "%63[^:]: %lu%*[^\n]\n", name, &kb) == 2)
		if (!strcmp(name, key)) {
			value = kb;
			found = true;
		}
	fclose(f);
	if (!found) {
		errno = ENODATA;
		die(key);
	}
	return value;
}

/* Memory of the kernel that comes and goes with channels, in kB */
static inline unsigned long kernel_kb(void)
{
	return meminfo_kb("Slab") + meminfo_kb("Percpu") + meminfo_kb("VmallocUsed");
}

/* Let go of what the slab allocator keeps for later: since 7.0, hundreds of kB */
static inline void shrink_slabs(void)
{
	DIR *dir = opendir("/sys/kernel/slab");
	struct dirent *d;
	char path[320];

	if (!dir)
		die("/sys/kernel/slab");
	while ((d = readdir(dir))) {
		snprintf(path, sizeof(path), "/sys/kernel/slab/%s/shrink", d->d_name);
		if (d->d_name[0] != '.')
			put(path, "1");
	}
	closedir(dir);
}

/*
 * The least of it, once there was no less for QUIET_SECONDS. What is freed comes back late:
 * kfree_rcu() collects for 5 seconds, and the debug kernels free their own records of objects
 * later still.
 */
static inline unsigned long settled_kb(void)
{
	unsigned long least = kernel_kb(), now;
	unsigned int i, quiet = 0;

	for (i = 0; i < SETTLE_SECONDS && quiet < QUIET_SECONDS; i++) {
		sleep(1);
		shrink_slabs();
		now = kernel_kb();
		quiet = now < least ? 0 : quiet + 1;
		if (!quiet)
			least = now;
	}
	return least;
}

static inline unsigned int count_irqs(void)
{
	DIR *dir = opendir("/sys/kernel/irq");
	unsigned int nr = 0;
	struct dirent *d;

	if (!dir)
		die("/sys/kernel/irq");
	while ((d = readdir(dir)))
		nr += !!isdigit(d->d_name[0]);
	closedir(dir);
	return nr;
}

/* Wait until there are @nr IRQs: they are freed after a grace period */
static inline bool irqs_become(unsigned int nr)
{
	unsigned int i;

	for (i = 0; i < SETTLE_SECONDS * 100; i++) {
		if (count_irqs() == nr)
			return true;
		usleep(10000);
	}
	return false;
}

/* The number of IRQs, once it has not changed for a second */
static inline unsigned int settled_irqs(void)
{
	unsigned int nr = count_irqs(), i, same = 0;

	for (i = 0; i < SETTLE_SECONDS * 10 && same < 10; i++) {
		unsigned int now;

		usleep(100000);
		now = count_irqs();
		same = now == nr ? same + 1 : 0;
		nr = now;
	}
	return nr;
}

/* The boot messages, which must still be in the kernel's log buffer */
static inline const char *boot_log(void)
{
	static char *log;
	int size;

	if (log)
		return log;
	size = klogctl(SYSLOG_SIZE_BUFFER, NULL, 0);
	if (size <= 0)
		die("kernel log");
	log = calloc(1, size + 1);
	if (!log || klogctl(SYSLOG_READ_ALL, log, size) < 0)
		die("kernel log");
	if (!strstr(log, "nr_irqs: ")) {
		errno = ENODATA;
		die("kernel log without the line NR_IRQS");
	}
	return log;
}

/* One above the last GSI of any IO-APIC, 0 where there is none */
static inline unsigned int gsi_top(void)
{
	const char *p = boot_log();
	unsigned int top = 0, first, last;

	while ((p = strstr(p, "IOAPIC["))) {
		const char *gsi = strstr(p, "GSI ");

		if (gsi && sscanf(gsi, "GSI %u-%u", &first, &last) == 2 && last >= top)
			top = last + 1;
		p++;
	}
	return top;
}

/*
 * The next GSI that has gone through an event channel by what the boot messages say from @p
 * on, and its IRQ; from where to go on, or NULL if there is none
 */
static inline const char *next_gsi(const char *p, unsigned int *gsi, unsigned int *irq)
{
	while ((p = strstr(p, "--> pirq=")))
		if (sscanf(p++, "--> pirq=%*u -> irq=%u (gsi=%u)", irq, gsi) == 2)
			return p;
	return NULL;
}

/* The first number that a dynamic IRQ may have */
static inline unsigned int first_dynamic(void)
{
	unsigned int top = gsi_top();

	return top > NR_IRQS_LEGACY ? top : NR_IRQS_LEGACY;
}

/* What an IRQ is the event channel of: a GSI; a CPU's IPI or VIRQ; a device, an MSI */
enum channel { NO_CHANNEL, OF_GSI, OF_CPU, OF_OTHER };

static inline enum channel channel_of(unsigned int irq)
{
	char path[64], buf[64];

	snprintf(path, sizeof(path), "/sys/kernel/irq/%u/chip_name", irq);
	slurp(path, buf, sizeof(buf));
	if (!strcmp(buf, "xen-percpu"))
		return OF_CPU;
	if (!strncmp(buf, "xen-dyn", 7))
		return OF_OTHER;
	if (strcmp(buf, "xen-pirq"))
		return NO_CHANNEL;
	snprintf(path, sizeof(path), "/sys/kernel/irq/%u/name", irq);
	return strncmp(slurp(path, buf, sizeof(buf)), "msi", 3) ? OF_GSI : OF_OTHER;
}

static inline bool is_dynamic(unsigned int irq)
{
	return channel_of(irq) > OF_GSI;
}

/*
 * How many IRQs are on the wrong side of @lowest, where GSIs end and dynamic ones begin; in
 * @own the sum of the numbers of those that GSIs and CPUs have
 */
static inline unsigned int misplaced_irqs(unsigned int lowest, unsigned long *own)
{
	DIR *dir = opendir("/sys/kernel/irq");
	unsigned int nr = 0;
	struct dirent *d;

	*own = 0;
	if (!dir)
		die("/sys/kernel/irq");
	while ((d = readdir(dir))) {
		unsigned int irq = strtoul(d->d_name, NULL, 10);
		enum channel channel;

		if (!isdigit(d->d_name[0]))
			continue;
		channel = channel_of(irq);
		if (channel == NO_CHANNEL)
			continue;
		nr += (irq < lowest) != (channel == OF_GSI);
		if (channel != OF_OTHER)
			*own += irq;
	}
	closedir(dir);
	return nr;
}

static inline int open_evtchn(void)
{
	int fd = open("/dev/xen/evtchn", O_RDWR);

	if (fd < 0)
		die("/dev/xen/evtchn");
	return fd;
}

static inline int bind_channel(int fd)
{
	struct ioctl_evtchn_bind_unbound_port bind = { .remote_domain = DOMID_SELF };

	return ioctl(fd, IOCTL_EVTCHN_BIND_UNBOUND_PORT, &bind);
}

static inline int unbind_channel(int fd, unsigned int port)
{
	struct ioctl_evtchn_unbind unbind = { .port = port };

	return ioctl(fd, IOCTL_EVTCHN_UNBIND, &unbind);
}

/* Bind a channel to @port of this domain: its other end */
static inline int bind_to(int fd, unsigned int port)
{
	struct ioctl_evtchn_bind_interdomain bind = {
		.remote_domain = DOMID_SELF, .remote_port = port,
	};

	return ioctl(fd, IOCTL_EVTCHN_BIND_INTERDOMAIN, &bind);
}

static inline int notify(int fd, unsigned int port)
{
	struct ioctl_evtchn_notify notify = { .port = port };

	return ioctl(fd, IOCTL_EVTCHN_NOTIFY, &notify);
}

/* Wait for an event, and answer it; its port, or -1 if none comes */
static inline int next_event(int fd)
{
	struct pollfd poll_fd = { .fd = fd, .events = POLLIN };
	uint32_t port;

	if (poll(&poll_fd, 1, EVENT_SECONDS * 1000) != 1 ||
	    read(fd, &port, sizeof(port)) != sizeof(port) ||
	    write(fd, &port, sizeof(port)) != sizeof(port))
		return -1;
	return port;
}

/* A channel from this domain to itself */
struct pair {
	int port, sender;
};

/* Bind both ends; the sender gets an event by that, once */
static inline bool bind_ends(int fd, struct pair *pair)
{
	pair->port = bind_channel(fd);
	pair->sender = pair->port < 0 ? -1 : bind_to(fd, pair->port);
	return pair->sender >= 0;
}

/* The same on a file without events, and take that one */
static inline bool bind_pair(int fd, struct pair *pair)
{
	return bind_ends(fd, pair) && next_event(fd) == pair->sender;
}

/* Does an event come through, on a file that has no other? */
static inline bool works(int fd, const struct pair *pair)
{
	return !notify(fd, pair->sender) && next_event(fd) == pair->port;
}

/* Send an event to @port from another port of this domain, and wait for it */
static inline bool deliver(int fd, unsigned int port)
{
	int sender = bind_to(fd, port), seen = -1;

	if (sender < 0)
		return false;
	/* An interdomain bind raises its own end once */
	if (!notify(fd, sender))
		do
			seen = next_event(fd);
		while (seen >= 0 && (unsigned int)seen != port);
	unbind_channel(fd, sender);
	return seen >= 0;
}

/* Xen gives out the lowest one */
static inline int lowest_free_port(int fd)
{
	int port = bind_channel(fd);

	if (port >= 0)
		unbind_channel(fd, port);
	return port;
}

static inline int fail_nth(void)
{
	static int fd = -1;

	if (fd < 0)
		fd = open("/proc/thread-self/fail-nth", O_RDWR);
	if (fd < 0)
		die("fail-nth");
	return fd;
}

/* Let the @nth allocation of this thread fail, or none any more if it is 0 */
static inline void inject(unsigned int nth)
{
	if (dprintf(fail_nth(), "%u", nth) < 0)
		die("fail-nth");
}

/* Has it failed? */
static inline bool injected(void)
{
	char buf[16] = "";

	if (pread(fail_nth(), buf, sizeof(buf) - 1, 0) <= 0)
		die("fail-nth");
	return !atoi(buf);
}

/* A sequence that is the same each time: xorshift */
static inline uint32_t next_random(uint32_t *seed)
{
	*seed ^= *seed << 13;
	*seed ^= *seed >> 17;
	*seed ^= *seed << 5;
	return *seed;
}

#endif
