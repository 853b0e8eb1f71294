// SPDX-License-Identifier: GPL-2.0
/*
 * broken.c - a kernel that is broken in one way, for tests that shall notice
 *
 * Linked into a program of tools/testing/selftests/xen with ld --wrap, see
 * broken.list. What the program asks the kernel goes through here, and the
 * answer is the one that the named fault would make it be.
 *
 * lab/selftests builds it, and lab/broken-kernel runs it as root in a Xen domain:
 * BROKEN=reset-ignored ./evtchn -t reset_empties_the_ring (-t is there from Linux
 * 6.12 on).
 *
 * In:	BROKEN, the name of a fault of broken.list; unset, nothing is broken.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

typedef uint16_t domid_t;
#include <xen/evtchn.h>

int __real_open(const char *path, int flags, ...);
int __real_close(int fd);
int __real_ioctl(int fd, unsigned long request, ...);
int __real_fcntl(int fd, int cmd, ...);
int __real_kill(pid_t pid, int sig);
int __real_klogctl(int type, char *buf, int len);
int __real_poll(struct pollfd *pfds, nfds_t nr, int timeout);
ssize_t __real_read(int fd, void *buf, size_t count);
ssize_t __real_write(int fd, const void *buf, size_t count);

static bool broken(const char *fault)
{
	const char *name = getenv("BROKEN");

	return name && !strcmp(name, fault);
}

static bool is_evtchn(int fd)
{
	char path[32], target[64] = "";

	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	return readlink(path, target, sizeof(target) - 1) > 0 && !strcmp(target, "/dev/xen/evtchn");
}

static int fail(int err)
{
	errno = err;
	return -1;
}

/* The files that were opened, and the channels that the last one has been asked for */
static unsigned int opened, bound;

int __wrap_open(const char *path, int flags, ...)
{
	if (broken("affinity-ignored") && !strncmp(path, "/proc/irq/", 10))
		path = "/dev/null";
	if (broken("chip-unknown") && strstr(path, "chip_name"))
		path = "/dev/null";
	if (broken("file-mode-ignored") && !strcmp(path, "/dev/xen/evtchn"))
		flags = (flags & ~O_ACCMODE) | O_RDWR;
	if (!strcmp(path, "/dev/xen/evtchn")) {
		opened++;
		bound = 0;
	}
	return __real_open(path, flags);
}

int __wrap_close(int fd)
{
	if (broken("close-keeps") && is_evtchn(fd))
		return 0;
	return __real_close(fd);
}

static int wrong_ioctl(int fd, unsigned long request, void *arg)
{
	static unsigned int count, port;
	struct rlimit limit = { 1 << 20, 1 << 20 };
	static int lost = -1;
	int fds[2], ret;

	count++;
	switch (request) {
	case IOCTL_EVTCHN_BIND_UNBOUND_PORT:
		if (broken("irqs-run-out") && count > 1000)
			return fail(ENOMEM);
		/* The first file had 1,000 of them, and each one after it has less */
		if (broken("no-channel") || (broken("channels-lost") && ++bound + 200 * opened > 1200))
			return fail(ENOSPC);
		if (broken("port-shared") && port)
			return port;
		if (broken("port-lost")) {
			if (lost < 0)
				lost = __real_open("/dev/xen/evtchn", O_RDWR);
			__real_ioctl(lost, request, arg);
		}
		/* Pipes, as this program has no other way to hold memory of the kernel */
		if (broken("memory-lost") && (setrlimit(RLIMIT_NOFILE, &limit) || pipe(fds)))
			return fail(ENFILE);
		break;
	case IOCTL_EVTCHN_BIND_VIRQ:
		if (broken("virq-refused"))
			return fail(ENOMEM);
		break;
	case IOCTL_EVTCHN_UNBIND:
		if (broken("unbind-keeps"))
			return 0;
		break;
	case IOCTL_EVTCHN_NOTIFY:
		if (broken("event-lost") && count % 100 == 0)
			return 0;
		break;
	case IOCTL_EVTCHN_RESET:
		if (broken("reset-ignored"))
			return 0;
		break;
	case IOCTL_EVTCHN_RESTRICT_DOMID:
		if (broken("restrict-ignored") && *(domid_t *)arg)
			return 0;
		break;
	}

	ret = __real_ioctl(fd, request, arg);
	if (ret >= 0) {
		port = ret;
		return ret;
	}
	if ((broken("virq-shared") && errno == EEXIST) ||
	    (broken("unbound-accepted") && errno == ENOTCONN) ||
	    (broken("static-accepted") && errno == EISCONN) ||
	    (broken("pointer-accepted") && errno == EFAULT))
		return 0;
	if (broken("ioctl-einval") && errno == ENOSYS)
		errno = EINVAL;
	if (broken("any-domain") && errno == ESRCH)
		errno = EINVAL;
	return ret;
}

int __wrap_ioctl(int fd, unsigned long request, ...)
{
	va_list ap;
	void *arg;

	va_start(ap, request);
	arg = va_arg(ap, void *);
	va_end(ap);
	return is_evtchn(fd) ? wrong_ioctl(fd, request, arg) : __real_ioctl(fd, request, arg);
}

int __wrap_fcntl(int fd, int cmd, ...)
{
	va_list ap;
	long arg;

	va_start(ap, cmd);
	arg = va_arg(ap, long);
	va_end(ap);
	if (broken("sigio-lost") && cmd == F_SETOWN)
		return 0;
	return __real_fcntl(fd, cmd, arg);
}

/* The file of the process that is killed lives on, here */
int __wrap_kill(pid_t pid, int sig)
{
	int pidfd = broken("kill-keeps") ? syscall(SYS_pidfd_open, pid, 0) : -1, fd;

	for (fd = 3; pidfd >= 0 && fd < 10; fd++)
		syscall(SYS_pidfd_getfd, pidfd, fd, 0);
	return __real_kill(pid, sig);
}

static void replace(char *log, const char *before, const char *after)
{
	char *p = strstr(log, before);

	if (p)
		memcpy(p, after, strlen(after));
}

int __wrap_klogctl(int type, char *buf, int len)
{
	int ret = __real_klogctl(type, buf, len);

	if (!buf)
		return ret;
	if (broken("nr-irqs-small"))
		replace(buf, " nr_irqs: ", " nr_irqs: 440, ");
	if (broken("gsi-elsewhere"))
		replace(buf, "(gsi=9)", "(gsi=8)");
	if (broken("gsi-end-high"))
		replace(buf, ", GSI 0-23", ", GSI 0-99");
	if (broken("gsi-end-low"))
		replace(buf, ", GSI 0-23", ", GSI 0-03");
	return ret;
}

int __wrap_poll(struct pollfd *pfds, nfds_t nr, int timeout)
{
	if (broken("poll-sleeps-on") && timeout == -1)
		return __real_poll(pfds, 0, 1000);
	return __real_poll(pfds, nr, timeout);
}

ssize_t __wrap_read(int fd, void *buf, size_t count)
{
	unsigned int sink[1024];
	ssize_t n;

	if (!is_evtchn(fd))
		return __real_read(fd, buf, count);
	n = __real_read(fd, buf, count);
	if (n < 0) {
		if (broken("overflow-hidden") && errno == EFBIG)
			errno = EAGAIN;
		if (broken("efault-consumes") && errno == EFAULT) {
			__real_read(fd, sink, sizeof(sink));
			errno = EFAULT;
		}
		return n;
	}
	if (broken("answers-itself"))
		__real_write(fd, buf, n);
	if (broken("read-wrong-port") && n)
		++*(unsigned int *)buf;
	if (broken("read-twice") && n >= 8)
		memcpy(buf, (char *)buf + 4, 4);
	if (broken("short-read-padded") && count < 4)
		return count;
	return n;
}

ssize_t __wrap_write(int fd, const void *buf, size_t count)
{
	if (!is_evtchn(fd))
		return __real_write(fd, buf, count);
	if (broken("write-ignored"))
		return count;
	if (broken("short-write-whole") && count < 4)
		return __real_write(fd, buf, 4);
	return __real_write(fd, buf, count);
}
