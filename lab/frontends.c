// SPDX-License-Identifier: GPL-2.0
/*
 * frontends - let each allocation fail that a frontend driver needs to start
 *
 * usage: frontends CHANNELS
 *
 * Each driver is bound to its device with the first, second, third... allocation
 * failing, until none is left that could, and unbound again. Whatever the driver
 * makes of it, its event channel must be closed in the end, and only once. When xenbus
 * cannot make its directory of a device that the driver has taken, this is the end, too.
 *
 * In:	CHANNELS has no meaning here. The guest has the devices that frontend-nodes
 *	makes, and the drivers as modules in /lab. The kernel has CONFIG_FAILSLAB and
 *	CONFIG_FAIL_PAGE_ALLOC, with ignore-gfp-wait off. /proc, /sys and /dev must be
 *	mounted. Nobody else may bind ports.
 *
 * Out:	KTAP on standard output: "# loaded", when frontend-nodes may make the devices,
 *	and for each DEVICE "# DEVICE.faults: N", how many allocations failed.
 *
 * Exit:	0 every test passed, 1 one failed, 2 a prerequisite is missing and
 *	nothing was tested ("Bail out!" says which).
 */
#include <sys/syscall.h>

#include "probe.h"

#define MAX_FAULTS	500
#define DEVICE_SECONDS	60

/* What Linux says when Xen refuses to close a port */
#define CLOSED_TWICE	"freeing event channel"

static const struct frontend {
	const char *device, *module, *driver;
} frontends[] = {
	{ "pvcalls", "pvcalls-front", "pvcalls" },
	{ "pci", "xen-pcifront", "pcifront" },
};

#define NR_FRONTENDS	(sizeof(frontends) / sizeof(frontends[0]))

static int evtchn, kmsg;

/* Whether the kernel has said CLOSED_TWICE since it was asked last */
static bool closed_twice(void)
{
	bool said = false;
	char buf[4096];
	ssize_t len;

	for (;;) {
		len = read(kmsg, buf, sizeof(buf) - 1);
		if (len < 0 && errno == EAGAIN)
			return said;
		/* EPIPE is for messages that are gone */
		if (len < 0 && errno != EPIPE)
			die("/dev/kmsg");
		if (len < 0)
			continue;
		buf[len] = 0;
		said |= !!strstr(buf, CLOSED_TWICE);
	}
}

/* The driver takes the device as soon as it is there */
static void wait_for_device(const struct frontend *f)
{
	char path[64];
	int i;

	snprintf(path, sizeof(path), "/sys/bus/xen/drivers/%s/%s-0", f->driver, f->device);
	for (i = 0; i < DEVICE_SECONDS * 10; i++) {
		if (!access(path, F_OK))
			return;
		usleep(100000);
	}
	die(path);
}

static void load(const struct frontend *f)
{
	char path[64];
	int fd;

	snprintf(path, sizeof(path), "/lab/%s.ko", f->module);
	fd = open(path, O_RDONLY);
	if (fd < 0 || syscall(SYS_finit_module, fd, "", 0))
		die(path);
	close(fd);
}

static void unbind_device(const struct frontend *f)
{
	char path[64], device[16];

	snprintf(path, sizeof(path), "/sys/bus/xen/drivers/%s/unbind", f->driver);
	snprintf(device, sizeof(device), "%s-0", f->device);
	errno = put(path, device);
	if (errno)
		die(path);
}

static void test(const struct frontend *f)
{
	unsigned int nr_irqs = settled_irqs(), faults = 0, failed_binds = 0, nth;
	bool hit = true, bound = false, past = false, settled;
	unsigned int moved_at = 0, closed_at = 0;
	char device[16], name[64], path[64];
	int bind, free_port = lowest_free_port(evtchn);

	snprintf(device, sizeof(device), "%s-0", f->device);
	snprintf(path, sizeof(path), "/sys/bus/xen/drivers/%s/bind", f->driver);
	bind = open(path, O_WRONLY);
	if (bind < 0)
		die(path);
	snprintf(path, sizeof(path), "/sys/bus/xen/devices/%s/xenbus", device);

	for (nth = 1; hit && nth < MAX_FAULTS; nth++) {
		int port;

		inject(nth);
		bound = write(bind, device, strlen(device)) > 0;
		hit = injected();
		inject(0);

		faults += hit;
		failed_binds += !bound;
		/* The driver has started; who unbinds such a device is warned */
		past = bound && access(path, F_OK);
		if (past)
			break;
		if (bound)
			unbind_device(f);
		if (closed_twice() && !closed_at)
			closed_at = nth;
		port = lowest_free_port(evtchn);
		if (port != free_port && !moved_at)
			moved_at = nth;
		free_port = port;
	}
	/* What is past that stays bound */
	settled = irqs_become(nr_irqs + past);
	close(bind);

	printf("# %s.faults: %u\n", f->device, faults);
	snprintf(name, sizeof(name), "%s.walked", f->device);
	result((past || (bound && !hit)) && failed_binds, name, "%u faults, %u failed binds",
	       faults, failed_binds);
	snprintf(name, sizeof(name), "%s.port", f->device);
	result(!moved_at, name, "the lowest free port moves first at fault %u", moved_at);
	snprintf(name, sizeof(name), "%s.closed_once", f->device);
	result(!closed_at, name, "\"%s\" comes first at fault %u", CLOSED_TWICE, closed_at);
	snprintf(name, sizeof(name), "%s.irqs", f->device);
	result(settled, name, "%u IRQs before, %u after", nr_irqs, count_irqs());
}

int main(int argc, char **argv)
{
	unsigned int i;

	asked_for(argc, argv, "CHANNELS");
	plan(NR_FRONTENDS * 4);
	evtchn = open_evtchn();
	kmsg = open("/dev/kmsg", O_RDONLY | O_NONBLOCK);
	if (kmsg < 0 || lseek(kmsg, 0, SEEK_END) < 0)
		die("/dev/kmsg");
	/* While devices are there, a driver waits minutes for their backends */
	for (i = 0; i < NR_FRONTENDS; i++)
		load(&frontends[i]);
	printf("# loaded\n");
	for (i = 0; i < NR_FRONTENDS; i++) {
		wait_for_device(&frontends[i]);
		unbind_device(&frontends[i]);
	}
	closed_twice();
	for (i = 0; i < NR_FRONTENDS; i++)
		test(&frontends[i]);
	return summary();
}
