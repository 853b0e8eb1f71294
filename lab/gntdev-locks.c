// SPDX-License-Identifier: GPL-2.0
/*
 * gntdev-locks - ask gntdev for a grant and map it, as the toolstack does
 *
 * usage: gntdev-locks CHANNELS
 *
 * The reproducer of a bug of Linux that does not concern the series: gntdev takes its lock
 * and the one of the process's memory in both orders (docs/reliability.md).
 *
 * In:	CHANNELS has no meaning here. /dev and /proc must be mounted; a kernel with lockdep.
 *
 * Out:	KTAP on standard output; what lockdep says is on the console.
 *
 * Exit:	0 the locks were taken, 1 they were not, 2 a prerequisite is missing ("Bail out!"
 *	says which).
 */
#include <sys/mman.h>

#include "probe.h"

/* Used by, but not defined in, the header of Linux */
typedef uint32_t grant_ref_t;
#include <xen/gntdev.h>

int main(int argc, char **argv)
{
	struct ioctl_gntdev_map_grant_ref map = { .count = 1, .refs[0].domid = DOMID_SELF };
	size_t page = sysconf(_SC_PAGESIZE);
	int fd;

	asked_for(argc, argv, "CHANNELS");
	plan(1);
	fd = open("/dev/xen/gntdev", O_RDWR);
	if (fd < 0)
		die("/dev/xen/gntdev");
	result(!ioctl(fd, IOCTL_GNTDEV_MAP_GRANT_REF, &map), "gntdev.asked", "%s",
	       strerror(errno));
	/* Nobody has granted anything, and it is refused, but not before the lock is taken */
	mmap(NULL, page, PROT_READ | PROT_WRITE, MAP_SHARED, fd, map.index);
	return summary();
}
