// SPDX-License-Identifier: GPL-2.0
/*
 * memory-short - bind event channels until the machine has no memory left
 *
 * usage: memory-short CHANNELS
 *
 * A process takes the memory but for a rest, another binds channels. It gets
 * ENOMEM, or the kernel kills it, which is what it is there for.
 *
 * In:	CHANNELS, more than fit into REST_KB of memory. /proc, /sys and /dev must be
 *	mounted. Nobody else may bind ports. Its oom_score_adj is -1000, as lab/init has it.
 *
 * Out:	KTAP on standard output. For each cycle, how many channels were bound and
 *	what ended it; "# memory: N kB", what the second half of the cycles left.
 *
 * Exit:	0 every test passed, 1 one failed, 2 a prerequisite is missing and
 *	nothing was tested ("Bail out!" says which).
 */
#include <signal.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>

#include "probe.h"

#define CYCLES			10
#define REST_KB			16384
#define CHUNK			(256 * 1024)

/* Take memory until REST_KB are left, say so, and keep it */
static void __attribute__((noreturn)) take_memory(int ready)
{
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	while (meminfo_kb("MemAvailable") > REST_KB) {
		char *p = mmap(NULL, CHUNK, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS,
			       -1, 0);

		if (p == MAP_FAILED)
			break;
		memset(p, 1, CHUNK);
	}
	if (write(ready, "", 1) != 1)
		_exit(1);
	for (;;)
		pause();
}

struct binding {
	unsigned int bound;
	int err;
};

static void __attribute__((noreturn)) bind_all(unsigned int asked, struct binding *binding)
{
	int fd;

	put("/proc/self/oom_score_adj", "1000");
	fd = open_evtchn();
	while (binding->bound < asked && bind_channel(fd) >= 0)
		binding->bound++;
	binding->err = binding->bound < asked ? errno : 0;
	_exit(0);
}

int main(int argc, char **argv)
{
	unsigned int asked, cycle, irqs, wrong_end = 0, irqs_left = 0, not_again = 0, killed = 0;
	unsigned int none = 0;
	char cycles[CYCLES][64];
	struct binding *binding;
	unsigned long memory = 0;
	int spare, port, port_after;
	long lost;

	asked = asked_for(argc, argv, "CHANNELS");
	plan(5);
	binding = mmap(NULL, sizeof(*binding), PROT_READ | PROT_WRITE,
		       MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (binding == MAP_FAILED)
		die("memory");
	/* Nobody reads the list of all processes, and the console is slow */
	put("/proc/sys/vm/oom_dump_tasks", "0");
	spare = open_evtchn();
	port = lowest_free_port(spare);
	irqs = settled_irqs();

	for (cycle = 0; cycle < CYCLES; cycle++) {
		int pipe_fd[2], status;
		pid_t taker, binder;
		char c;

		memset(binding, 0, sizeof(*binding));
		if (pipe(pipe_fd))
			die("pipe");
		taker = fork();
		if (!taker)
			take_memory(pipe_fd[1]);
		if (taker < 0 || read(pipe_fd[0], &c, 1) != 1)
			die("a process that takes memory");
		binder = fork();
		if (!binder)
			bind_all(asked, binding);
		if (binder < 0 || waitpid(binder, &status, 0) != binder)
			die("a process that binds");
		if (WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL)
			killed++;
		else if (status || binding->err != ENOMEM)
			wrong_end++;
		none += !binding->bound;
		/* Who reads it needs memory, too: it is said in the end */
		snprintf(cycles[cycle], sizeof(cycles[cycle]), "%u channels, %s", binding->bound,
			 WIFSIGNALED(status) ? "killed" : strerror(binding->err));
		kill(taker, SIGKILL);
		waitpid(taker, NULL, 0);
		close(pipe_fd[0]);
		close(pipe_fd[1]);

		/* What once stays, or does not come, is not waited for again */
		irqs_left += irqs_left || !irqs_become(irqs);
		not_again += not_again || !deliver(spare, bind_channel(spare));
		close(spare);
		spare = open_evtchn();
		irqs_left += irqs_left || !irqs_become(irqs);
		if (cycle == CYCLES / 2 - 1)
			memory = settled_kb();
	}
	lost = settled_kb() - memory;
	port_after = lowest_free_port(spare);

	for (cycle = 0; cycle < CYCLES; cycle++)
		printf("# cycle %u: %s\n", cycle + 1, cycles[cycle]);
	printf("# memory: %ld kB\n", lost);
	result(!wrong_end && !none, "short.ends",
	       "%u of %u neither ENOMEM nor killed, %u killed, %u without a channel",
	       wrong_end, CYCLES, killed, none);
	result(!not_again, "short.again", "%u times no event to a new channel", not_again);
	result(!irqs_left, "end.irqs", "%u at the start, %u times others", irqs, irqs_left);
	result(port_after == port, "end.ports", "the lowest free one was %d, is %d", port,
	       port_after);
	result(lost < LOST_KB, "end.memory", "%ld kB left by %u cycles, of %d", lost, CYCLES / 2,
	       LOST_KB);
	return summary();
}
