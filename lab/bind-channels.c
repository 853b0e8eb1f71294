// SPDX-License-Identifier: GPL-2.0
/*
 * bind-channels - hold event channels while something else is looked at
 *
 * usage: bind-channels CHANNELS
 *
 * In:	CHANNELS, how many event channels to bind through /dev/xen/evtchn;
 *	standard input, whose end lets go of them. So does SIGTERM.
 *
 * Out:	one line on standard output as soon as no more will be bound: how many
 *	are held. Why there are fewer than asked for goes to standard error.
 *
 * Exit:	0 all were held, 1 fewer were, 2 called wrongly or /dev/xen/evtchn
 *	cannot be opened.
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

/* Used by, but not defined in, the header of Linux */
typedef uint16_t domid_t;
#include <xen/evtchn.h>

#define DOMID_SELF	0x7ff0

static void on_signal(int sig)
{
	(void)sig;
}

int main(int argc, char **argv)
{
	struct ioctl_evtchn_bind_unbound_port bind = { .remote_domain = DOMID_SELF };
	struct sigaction action = { .sa_handler = on_signal };
	unsigned long asked, bound = 0;
	char buf[64];
	int fd;

	if (argc != 2) {
		fprintf(stderr, "usage: bind-channels CHANNELS\n");
		return 2;
	}
	asked = strtoul(argv[1], NULL, 10);
	fd = open("/dev/xen/evtchn", O_RDWR);
	if (fd < 0) {
		fprintf(stderr, "bind-channels: /dev/xen/evtchn: %s\n", strerror(errno));
		return 2;
	}
	while (bound < asked && ioctl(fd, IOCTL_EVTCHN_BIND_UNBOUND_PORT, &bind) >= 0)
		bound++;
	if (bound < asked)
		fprintf(stderr, "bind-channels: %lu of %lu: %s\n", bound, asked, strerror(errno));

	/* The signal shall end the read, and not come before it unseen */
	sigaction(SIGTERM, &action, NULL);
	printf("%lu\n", bound);
	fflush(stdout);
	while (read(STDIN_FILENO, buf, sizeof(buf)) > 0)
		;
	return bound == asked ? 0 : 1;
}
