/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What the programs that run in the machines share: KTAP on standard output,
 * small files of /proc and /sys, and event channels of /dev/xen/evtchn.
 */
#ifndef LAB_PROBE_H
#define LAB_PROBE_H

#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

/* Used by, but not defined in, the header of Linux */
typedef uint16_t domid_t;
#include <xen/evtchn.h>

#define DOMID_SELF		0x7ff0

#define SETTLE_SECONDS		60

#define __printf(fmt, args)	__attribute__((format(printf, fmt, args)))

static unsigned int test_nr, failed;

static inline void die(const char *what)
{
	printf("Bail out! %s: %s\n", what, strerror(errno));
	exit(2);
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

#endif
