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
#include <signal.h>

#include "probe.h"

static void on_signal(int sig)
{
	(void)sig;
}

int main(int argc, char **argv)
{
	struct sigaction action = { .sa_handler = on_signal };
	unsigned long asked = asked_for(argc, argv, "CHANNELS"), bound = 0;
	char buf[64];
	int fd;

	fd = open("/dev/xen/evtchn", O_RDWR);
	if (fd < 0) {
		fprintf(stderr, "bind-channels: /dev/xen/evtchn: %s\n", strerror(errno));
		return 2;
	}
	while (bound < asked && bind_channel(fd) >= 0)
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
