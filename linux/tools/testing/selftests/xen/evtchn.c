// SPDX-License-Identifier: GPL-2.0
/*
 * Test Xen event channels through /dev/xen/evtchn: what its driver promises, and
 * that each bound channel has an IRQ. A domain can send events to itself, so
 * nobody else is needed. Every kernel passes; irqs.c has what not every one does.
 */
#include "xen.h"

#include <pthread.h>
#include <sched.h>
#include <signal.h>

/* Each domain has a VIRQ_XENOPROF; after 4.17 Xen gives one domain those from VIRQ_ARCH_0 on */
#define VIRQ_XENOPROF		7
#define VIRQ_ARCH_0		16
#define NR_VIRQS		24

#define PAGE_PORTS		(sysconf(_SC_PAGESIZE) / sizeof(unsigned int))

/* The size of the driver's ring when the first channel is bound */
#define FIRST_RING		64

static bool readable(int fd)
{
	struct pollfd pfd = { .fd = fd, .events = POLLIN };

	return poll(&pfd, 1, 0) == 1 && pfd.revents & POLLIN;
}

/* Return the next port that has an event, or what went wrong */
static int next_port(int fd)
{
	struct pollfd pfd = { .fd = fd, .events = POLLIN };
	unsigned int port;
	ssize_t n;

	if (poll(&pfd, 1, GIVE_UP_SECONDS * 1000) != 1)
		return -ETIME;
	n = read(fd, &port, sizeof(port));
	return n < 0 ? -errno : n == sizeof(port) ? (int)port : -EIO;
}

/* Return the same for the last event, before which none has come unnoticed */
static int last_port(int fd)
{
	int port = next_port(fd);

	return readable(fd) ? -EOVERFLOW : port;
}

/* Read @nr events, count them by port, and return how many came */
static unsigned int read_events(int fd, unsigned int nr, unsigned int *seen)
{
	unsigned int ports[64], i, done = 0;
	ssize_t n = 0;

	while (done < nr) {
		struct pollfd pfd = { .fd = fd, .events = POLLIN };

		if (poll(&pfd, 1, GIVE_UP_SECONDS * 1000) != 1)
			break;
		n = read(fd, ports, sizeof(ports));
		if (n <= 0)
			break;
		for (i = 0; i < n / sizeof(*ports); i++)
			if (ports[i] < MAX_CHANNELS)
				seen[ports[i]]++;
		done += i;
	}
	return done;
}

/* Let ports have the next event, which they have not while one is unanswered */
static int unmask(int fd, const unsigned int *ports, unsigned int nr)
{
	while (nr) {
		ssize_t n = write(fd, ports, nr * sizeof(*ports));

		if (n <= 0)
			return n < 0 ? -errno : -EIO;
		ports += n / sizeof(*ports);
		nr -= n / sizeof(*ports);
	}
	return 0;
}

/*
 * Bind two ports to each other. Xen raises the second one then, in case that the
 * first has sent something too early. Take this event, so that both are idle.
 */
static int bind_pair(int fd, unsigned int pair[2])
{
	int port = bind_unbound(fd, DOMID_SELF);

	if (port < 0)
		return port;
	pair[0] = port;
	port = bind_interdomain(fd, DOMID_SELF, pair[0]);
	if (port < 0) {
		unbind(fd, pair[0]);
		return port;
	}
	pair[1] = port;
	port = next_port(fd);
	if (port < 0)
		return port;
	return (unsigned int)port == pair[1] ? unmask(fd, &pair[1], 1) : -EIO;
}

/* Raise each port from its peer: 2n and 2n + 1 are the ends of one channel */
static int notify_all(int fd, const unsigned int *ports, unsigned int nr)
{
	unsigned int i;
	int err = 0;

	for (i = 0; i < nr && !err; i++)
		err = notify(fd, ports[i ^ 1]);
	return err;
}

/* Return how many of the ports have not had @events events */
static unsigned int nr_other(const unsigned int *seen, const unsigned int *ports,
			     unsigned int nr, unsigned int events)
{
	unsigned int i, other = 0;

	for (i = 0; i < nr; i++)
		other += seen[ports[i]] != events;
	return other;
}

/* Return how many IRQs the files of this process have */
static unsigned int nr_bound(void)
{
	find_irqs(getpid(), &lines);
	return lines.nr;
}

FIXTURE(evtchn)
{
	struct evtchn file, other;
	unsigned long splats;
};

FIXTURE_SETUP(evtchn)
{
	self->file.fd = -1;
	self->other.fd = -1;
	self->splats = splats();
	ASSERT_LE(0, evtchn_open(&self->file, O_RDWR | O_NONBLOCK));
	ASSERT_LE(0, evtchn_open(&self->other, O_RDWR | O_NONBLOCK));
}

FIXTURE_TEARDOWN(evtchn)
{
	if (self->file.fd >= 0)
		close(self->file.fd);
	if (self->other.fd >= 0)
		close(self->other.fd);
	expect_no_trace(_metadata, self->splats);
}

TEST_F(evtchn, has_irq_while_bound)
{
	char buf[64], actions[32];
	int port;

	ASSERT_EQ(0, nr_bound());
	port = bind_unbound(self->file.fd, DOMID_SELF);
	ASSERT_LT(0, port);
	ASSERT_EQ(1, nr_bound());

	irq_attr(lines.irq[0], "chip_name", buf, sizeof(buf));
	EXPECT_EQ(0, strncmp(buf, "xen-dyn", 7)) {
		TH_LOG("IRQ %u has the chip '%s'", lines.irq[0], buf);
	}
	snprintf(actions, sizeof(actions), "evtchn:%s", self->file.name);
	EXPECT_STREQ(actions, irq_attr(lines.irq[0], "actions", buf, sizeof(buf)));

	EXPECT_EQ(0, unbind(self->file.fd, port));
	EXPECT_TRUE(irqs_freed(getpid(), &lines));
	EXPECT_EQ(0, nr_bound());
	EXPECT_EQ(-ENOTCONN, unbind(self->file.fd, port));
}

TEST_F(evtchn, virq)
{
	static const unsigned int virqs[] = { VIRQ_XENOPROF, VIRQ_ARCH_0 + 1, VIRQ_ARCH_0 + 2 };
	unsigned int virq, i;
	int port = 0;

	for (i = 0; i < ARRAY_SIZE(virqs); i++) {
		virq = virqs[i];
		port = bind_virq(self->file.fd, virq);
		/* It is bound already, for another domain, or there is none */
		if (port != -EEXIST && port != -EBUSY && port != -EPERM && port != -EINVAL)
			break;
	}
	if (i == ARRAY_SIZE(virqs))
		SKIP(return, "Xen lets this domain have no VIRQ that is free");
	ASSERT_LT(0, port);

	EXPECT_EQ(1, nr_bound());
	EXPECT_EQ(-EEXIST, bind_virq(self->file.fd, virq));
	EXPECT_EQ(-EEXIST, bind_virq(self->other.fd, virq));
	EXPECT_EQ(1, nr_bound());

	EXPECT_EQ(0, unbind(self->file.fd, port));
	EXPECT_LT(0, bind_virq(self->other.fd, virq));
}

/*
 * Bind ports, and leave them as a program does that dies: some are unbound, some have
 * an event that is not read, or not answered, with the next one waiting.
 */
static int bind_some(int fd, unsigned int *ports, unsigned int nr)
{
	unsigned int i;
	int port;

	for (i = 0; i < nr; i++) {
		if (i < nr / 2 || i % 2 == 0)
			port = bind_unbound(fd, DOMID_SELF);
		else
			port = bind_interdomain(fd, DOMID_SELF, ports[i - 1]);
		if (port < 0)
			return port;
		ports[i] = port;
		if (i >= nr / 2 && i % 2 && notify(fd, ports[i - 1]))
			return -EIO;
	}
	for (i = 0; i < nr / 8; i++)
		if (next_port(fd) < 0)
			return -EIO;
	return 0;
}

/* Others may bind some, too */
#define OTHER_PORTS		10

/* Xen gives the lowest free ports to the next who asks: are these among them? */
static bool are_free(int fd, const unsigned int *ports, unsigned int nr)
{
	static bool bound[MAX_CHANNELS];
	unsigned int i, freed = 0;

	memset(bound, 0, sizeof(bound));
	for (i = 0; i < nr + OTHER_PORTS; i++) {
		int port = bind_unbound(fd, DOMID_SELF);

		if (port > 0 && port < MAX_CHANNELS)
			bound[port] = true;
	}
	for (i = 0; i < nr; i++)
		freed += bound[ports[i]];
	return freed + OTHER_PORTS >= nr;
}

/* Fork a child that does not outlive this process */
static pid_t fork_child(void)
{
	pid_t child = fork();

	if (!child)
		prctl(PR_SET_PDEATHSIG, SIGKILL);
	return child;
}

TEST_F(evtchn, close_frees_all)
{
	unsigned int ports[100];
	int fd, err;

	err = bind_some(self->file.fd, ports, ARRAY_SIZE(ports));
	if (err == -ENOSPC)
		SKIP(return, "Xen has too few channels for this domain");
	ASSERT_EQ(0, err);
	fd = dup(self->file.fd);
	ASSERT_LE(0, fd);
	close(self->file.fd);
	self->file.fd = -1;
	EXPECT_EQ(ARRAY_SIZE(ports), nr_bound());

	close(fd);
	EXPECT_TRUE(irqs_freed(getpid(), &lines));
	EXPECT_EQ(0, nr_bound());
	EXPECT_TRUE(are_free(self->other.fd, ports, ARRAY_SIZE(ports)));
}

TEST_F(evtchn, kill_frees_all)
{
	unsigned int ports[100];
	int status, to_parent[2];
	pid_t child;

	ASSERT_EQ(0, pipe(to_parent));
	child = fork_child();
	ASSERT_LE(0, child);
	if (!child) {
		struct evtchn file;
		int err = -ENODEV;

		if (evtchn_open(&file, O_RDWR) >= 0)
			err = bind_some(file.fd, ports, ARRAY_SIZE(ports));
		if (!err && write(to_parent[1], ports, sizeof(ports)) == sizeof(ports))
			pause();
		_exit(-err);
	}
	close(to_parent[1]);
	if (read(to_parent[0], ports, sizeof(ports)) != sizeof(ports)) {
		ASSERT_EQ(child, waitpid(child, &status, 0));
		if (WIFEXITED(status) && WEXITSTATUS(status) == ENOSPC)
			SKIP(return, "Xen has too few channels for this domain");
		ASSERT_TRUE(false) {
			TH_LOG("the child ends with %#x", status);
		}
	}
	find_irqs(child, &lines);
	EXPECT_EQ(ARRAY_SIZE(ports), lines.nr);

	ASSERT_EQ(0, kill(child, SIGKILL));
	ASSERT_EQ(child, waitpid(child, &status, 0));
	ASSERT_TRUE(WIFSIGNALED(status));
	close(to_parent[0]);

	EXPECT_TRUE(irqs_freed(child, &lines));
	find_irqs(child, &lines);
	EXPECT_EQ(0, lines.nr);
	EXPECT_TRUE(are_free(self->other.fd, ports, ARRAY_SIZE(ports)));
}

TEST_F(evtchn, reset_empties_the_ring)
{
	unsigned int pair[2], port;

	ASSERT_EQ(0, bind_pair(self->file.fd, pair));
	ASSERT_EQ(0, notify(self->file.fd, pair[1]));
	ASSERT_EQ(pair[0], next_port(self->file.fd));
	ASSERT_EQ(0, unmask(self->file.fd, &pair[0], 1));
	ASSERT_EQ(0, notify(self->file.fd, pair[1]));
	ASSERT_EQ(1, poll(&(struct pollfd){ self->file.fd, POLLIN, 0 }, 1, GIVE_UP_SECONDS * 1000));

	EXPECT_EQ(0, evtchn_ioctl(self->file.fd, IOCTL_EVTCHN_RESET, NULL));
	EXPECT_FALSE(readable(self->file.fd));
	EXPECT_EQ(-1, read(self->file.fd, &port, sizeof(port)));
	EXPECT_EQ(EAGAIN, errno);

	/* It is the ring that is reset: the channel is still bound, and unanswered */
	EXPECT_EQ(2, nr_bound());
	EXPECT_EQ(0, notify(self->file.fd, pair[1]));
	EXPECT_FALSE(readable(self->file.fd));
	EXPECT_EQ(0, unmask(self->file.fd, &pair[0], 1));
	EXPECT_EQ(pair[0], last_port(self->file.fd));
}

static bool wait_irqs(unsigned long long events)
{
	time_t since = now();

	do {
		find_irqs(getpid(), &lines);
	} while (lines.events < events && again(since));
	return lines.events >= events;
}

TEST_F(evtchn, ring_resize_loses_nothing)
{
	static unsigned int seen[MAX_CHANNELS];
	unsigned int ports[FIRST_RING + 2], i;
	int fd = self->file.fd, port, err = 0;

	/* Each pair has had an event, so the full ring begins at its middle */
	for (i = 0; i < FIRST_RING && !err; i += 2)
		err = bind_pair(fd, &ports[i]);
	if (err == -ENOSPC)
		SKIP(return, "Xen has too few channels for this domain");
	ASSERT_EQ(0, err);
	ASSERT_EQ(FIRST_RING, nr_bound());
	EXPECT_EQ(FIRST_RING / 2, lines.events);
	ASSERT_EQ(0, notify_all(fd, ports, FIRST_RING));
	ASSERT_TRUE(wait_irqs(FIRST_RING / 2 + FIRST_RING));

	/* One channel more has no room */
	port = bind_unbound(fd, DOMID_SELF);
	ASSERT_LT(0, port);
	ports[FIRST_RING] = port;
	port = bind_interdomain(fd, DOMID_SELF, port);
	ASSERT_LT(0, port);
	ports[FIRST_RING + 1] = port;

	/* Its own event comes with the others */
	ASSERT_EQ(FIRST_RING + 1, read_events(fd, FIRST_RING + 1, seen));
	EXPECT_FALSE(readable(fd));
	EXPECT_EQ(0, nr_other(seen, ports, FIRST_RING, 1));
	EXPECT_EQ(0, seen[ports[FIRST_RING]]);
	EXPECT_EQ(1, seen[ports[FIRST_RING + 1]]);
}

/*
 * The ring has room for one event of each channel. For more, one must be answered
 * without being read. Return how often that was done, or what went wrong.
 */
static int overflow(int fd, const unsigned int pair[2])
{
	struct pollfd pfd = { .fd = fd, .events = POLLIN | POLLOUT };
	time_t since = now();
	int nr, err;

	for (nr = 0; poll(&pfd, 1, 0) == 1 && !(pfd.revents & POLLERR); nr++) {
		err = notify(fd, pair[1]) ?: unmask(fd, &pair[0], 1);
		if (err)
			return err;
		if (now() - since > GIVE_UP_SECONDS)
			return -ETIME;
	}
	return nr;
}

TEST_F(evtchn, ring_overflow)
{
	struct pollfd pfd = { .fd = self->file.fd, .events = POLLIN | POLLOUT };
	unsigned int pair[2], port;
	int fd = self->file.fd;

	ASSERT_EQ(0, bind_pair(fd, pair));
	ASSERT_LT(FIRST_RING, overflow(fd, pair));
	EXPECT_EQ(1, poll(&pfd, 1, 0));
	EXPECT_EQ(POLLERR, pfd.revents);
	EXPECT_EQ(-1, read(fd, &port, sizeof(port)));
	EXPECT_EQ(EFBIG, errno);
	EXPECT_EQ(-1, read(fd, &port, sizeof(port)));
	EXPECT_EQ(EFBIG, errno);

	/* No late event may come after the reset */
	ASSERT_EQ(0, unbind(fd, pair[1]));
	ASSERT_EQ(0, unbind(fd, pair[0]));
	ASSERT_EQ(0, evtchn_ioctl(fd, IOCTL_EVTCHN_RESET, NULL));
	EXPECT_EQ(1, poll(&pfd, 1, 0));
	EXPECT_EQ(POLLOUT, pfd.revents);
	EXPECT_EQ(-1, read(fd, &port, sizeof(port)));
	EXPECT_EQ(EAGAIN, errno);

	ASSERT_EQ(0, bind_pair(fd, pair));
	EXPECT_EQ(0, notify(fd, pair[1]));
	EXPECT_EQ(pair[0], next_port(fd));
}

/* If it does not sleep, this is not what fails */
static void wait_asleep(pid_t pid)
{
	char path[32], buf[256];
	time_t since = now();
	const char *state;

	snprintf(path, sizeof(path), "/proc/%d/stat", pid);
	do {
		state = strrchr(slurp(path, buf, sizeof(buf)), ')');
	} while ((!state || strncmp(state, ") S", 3)) && again(since));
}

TEST_F(evtchn, event_wakes_poll)
{
	unsigned int pair[2];
	int status;
	pid_t child;

	ASSERT_EQ(0, bind_pair(self->file.fd, pair));
	child = fork_child();
	ASSERT_LE(0, child);
	if (!child) {
		struct pollfd pfd = { .fd = self->file.fd, .events = POLLIN };

		_exit(poll(&pfd, 1, -1) != 1 || pfd.revents != POLLIN);
	}
	wait_asleep(child);
	EXPECT_EQ(0, waitpid(child, &status, WNOHANG));
	EXPECT_EQ(0, notify(self->file.fd, pair[1]));
	ASSERT_EQ(child, waitpid(child, &status, 0));
	EXPECT_EQ(0, status);
}

TEST_F(evtchn, event_wakes_read)
{
	unsigned int pair[2], port;
	int status;
	pid_t child;

	ASSERT_EQ(0, bind_pair(self->file.fd, pair));
	ASSERT_EQ(0, fcntl(self->file.fd, F_SETFL, 0));
	child = fork_child();
	ASSERT_LE(0, child);
	if (!child)
		_exit(read(self->file.fd, &port, sizeof(port)) != sizeof(port) || port != pair[0]);
	wait_asleep(child);
	EXPECT_EQ(0, waitpid(child, &status, WNOHANG));
	EXPECT_EQ(0, notify(self->file.fd, pair[1]));
	ASSERT_EQ(child, waitpid(child, &status, 0));
	EXPECT_EQ(0, status);
}

TEST_F(evtchn, event_sends_sigio)
{
	struct timespec timeout = { .tv_sec = GIVE_UP_SECONDS };
	unsigned int pair[2];
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGIO);
	ASSERT_EQ(0, sigprocmask(SIG_BLOCK, &set, NULL));
	ASSERT_EQ(0, bind_pair(self->file.fd, pair));
	ASSERT_EQ(0, fcntl(self->file.fd, F_SETOWN, getpid()));
	ASSERT_EQ(0, fcntl(self->file.fd, F_SETFL, O_NONBLOCK | O_ASYNC));
	EXPECT_EQ(0, notify(self->file.fd, pair[1]));
	EXPECT_EQ(SIGIO, sigtimedwait(&set, NULL, &timeout));
}

static int set_affinity(unsigned int irq, unsigned int cpu)
{
	char path[64], list[16];
	int fd, err;

	snprintf(path, sizeof(path), "/proc/irq/%u/smp_affinity_list", irq);
	fd = open(path, O_WRONLY | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	snprintf(list, sizeof(list), "%u", cpu);
	err = write(fd, list, strlen(list)) < 0 ? -errno : 0;
	close(fd);
	return err;
}

/* Return how many events of an IRQ have come to a CPU */
static unsigned long cpu_events(unsigned int irq, unsigned int cpu)
{
	char buf[CPU_SETSIZE * 11], *p = buf;

	for (irq_attr(irq, "per_cpu_count", buf, sizeof(buf)); p && cpu; cpu--) {
		p = strchr(p, ',');
		p += !!p;
	}
	return p ? strtoul(p, NULL, 10) : 0;
}

#define EVENTS			10

/* Send some events, and return how many of them came to @cpu, or what went wrong */
static int events_on(unsigned int irq, unsigned int cpu, int sender, int fd, int receiver)
{
	unsigned long before = cpu_events(irq, cpu);
	unsigned int i, port = receiver;

	for (i = 0; i < EVENTS; i++) {
		int err = notify(fd, sender);

		if (err || next_port(fd) != receiver || unmask(fd, &port, 1))
			return err ?: -EIO;
	}
	return cpu_events(irq, cpu) - before;
}

TEST_F(evtchn, event_follows_affinity)
{
	unsigned int irq, cpu, i, tries, moved = 0;
	int receiver, sender, err, nr;
	cpu_set_t cpus;

	ASSERT_EQ(0, sched_getaffinity(0, sizeof(cpus), &cpus));
	if (CPU_COUNT(&cpus) < 2)
		SKIP(return, "needs two CPUs");

	/* The only IRQ until the other end is bound */
	receiver = bind_unbound(self->file.fd, DOMID_SELF);
	ASSERT_LT(0, receiver);
	ASSERT_EQ(1, nr_bound());
	irq = lines.irq[0];
	sender = bind_interdomain(self->file.fd, DOMID_SELF, receiver);
	ASSERT_LT(0, sender);
	ASSERT_EQ(sender, next_port(self->file.fd));

	/* Up and down again */
	for (i = 0; i < 2 * CPU_SETSIZE; i++) {
		cpu = i < CPU_SETSIZE ? i : 2 * CPU_SETSIZE - 1 - i;
		if (!CPU_ISSET(cpu, &cpus))
			continue;
		/*
		 * While the CPU before is not done with an event, it has the next one, too,
		 * and a daemon may have other ideas
		 */
		nr = 0;
		for (tries = 0; tries < 5 && nr != EVENTS; tries++) {
			err = set_affinity(irq, cpu);
			if (err == -EACCES || err == -EROFS)
				SKIP(return, "needs to write to /proc/irq");
			if (err == -EPERM && !moved && guest_is("HVM"))
				SKIP(return, "the events of this domain come to one CPU only");
			ASSERT_EQ(0, err);
			nr = events_on(irq, cpu, sender, self->file.fd, receiver);
			ASSERT_LE(0, nr);
		}
		EXPECT_EQ(EVENTS, nr) {
			TH_LOG("not all events come to CPU %u", cpu);
		}
		moved++;
	}
}

/* In a PV domain 0 and in HVM guests they are pirqs, of which the kernel tells at boot */
TEST_F(evtchn, gsi_is_irq)
{
	static bool present[MAX_IRQS];
	unsigned int irq, irqs, end = gsi_end(), nr = 0, compared = 0, above = 0;
	char *log = kernel_log(), *p = log;
	int pirq, logged, gsi;

	irqs = list_irqs(present);
	for (irq = 0; irq < irqs; irq++) {
		if (present[irq] && irq_is_gsi(irq)) {
			nr++;
			above += irq >= end && irq_is_pirq_gsi(irq);
		}
	}
	if (!nr)
		SKIP(return, "no GSI in this domain");
	EXPECT_EQ(0, above);

	for (; p && (p = strstr(p, "xen: --> pirq=")); p++) {
		if (sscanf(p, "xen: --> pirq=%d -> irq=%d (gsi=%d)", &pirq, &logged, &gsi) != 3)
			continue;
		EXPECT_EQ(gsi, logged);
		compared++;
	}
	free(log);
	if (!compared && !above)
		SKIP(return, "no GSI goes through Xen, or the boot messages are gone");
}

TEST_F(evtchn, msi_is_above_gsis)
{
	static bool present[MAX_IRQS];
	unsigned int irq, irqs, end = gsi_end(), nr = 0, below = 0;

	irqs = list_irqs(present);
	for (irq = 0; irq < irqs; irq++) {
		if (present[irq] && irq_is_msi(irq)) {
			nr++;
			below += irq < end;
		}
	}
	if (!nr)
		SKIP(return, "no MSI goes through Xen in this domain");
	EXPECT_EQ(0, below);
}

/* The driver has -ENOSYS for an ioctl that it does not know, where -ENOTTY is usual */
static bool means_unknown(int ret)
{
	return (syscall(-1) < 0 && ret == -errno) || ret == -ENOTTY;
}

static bool is_unknown(int fd, unsigned long request)
{
	unsigned int arg[4] = { };

	return means_unknown(evtchn_ioctl(fd, request, arg));
}

TEST_F(evtchn, bad_ioctl)
{
	/* Of the numbers 0 to 7; not every kernel has the last one */
	static const unsigned int sizes[] = { 4, 8, 4, 4, 4, 0, 2, 4 };
	unsigned int nr, size;
	int fd = self->file.fd;

	EXPECT_TRUE(is_unknown(fd, _IOC(_IOC_NONE, 'E', 255, 4)));
	EXPECT_TRUE(is_unknown(fd, _IOC(_IOC_NONE, 'F', 2, 4)));
	EXPECT_TRUE(is_unknown(fd, 0));
	for (nr = 0; nr < ARRAY_SIZE(sizes); nr++) {
		for (size = 0; size <= 16; size++) {
			if (size == sizes[nr])
				continue;
			EXPECT_TRUE(is_unknown(fd, _IOC(_IOC_NONE, 'E', nr, size))) {
				TH_LOG("number %u, size %u", nr, size);
			}
		}
		EXPECT_TRUE(is_unknown(fd, _IOC(_IOC_READ, 'E', nr, sizes[nr])));
	}
	EXPECT_EQ(0, nr_bound());
	/* Not restricted either */
	EXPECT_LT(0, bind_unbound(fd, DOMID_SELF));
}

TEST_F(evtchn, bad_ioctl_pointer)
{
	static const unsigned long requests[] = {
		IOCTL_EVTCHN_BIND_VIRQ,
		IOCTL_EVTCHN_BIND_INTERDOMAIN,
		IOCTL_EVTCHN_BIND_UNBOUND_PORT,
		IOCTL_EVTCHN_UNBIND,
		IOCTL_EVTCHN_NOTIFY,
		IOCTL_EVTCHN_RESTRICT_DOMID,
	};
	unsigned int i;
	void *unmapped;

	unmapped = mmap(NULL, 1, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	ASSERT_NE(MAP_FAILED, unmapped);
	for (i = 0; i < ARRAY_SIZE(requests); i++) {
		EXPECT_EQ(-EFAULT, evtchn_ioctl(self->file.fd, requests[i], NULL));
		EXPECT_EQ(-EFAULT, evtchn_ioctl(self->file.fd, requests[i], unmapped));
	}
	EXPECT_EQ(0, nr_bound());
	/* Not restricted either */
	EXPECT_LT(0, bind_unbound(self->file.fd, DOMID_SELF));
}

/* Return a domain that does not exist: in any other, port 0 is nobody's. 0 is none. */
static unsigned int no_domain(int fd)
{
	unsigned int domain = DOMID_FIRST_RESERVED - 1;

	while (domain && bind_interdomain(fd, domain, 0) != -ESRCH)
		domain--;
	return domain;
}

TEST_F(evtchn, ports_of_nobody)
{
	unsigned int ports[] = { 0, 0, MAX_CHANNELS - 1, MAX_CHANNELS, ~0U };
	int fd = self->file.fd, port;

	/* The second one has been somebody's */
	port = bind_unbound(fd, DOMID_SELF);
	ASSERT_LT(0, port);
	ASSERT_EQ(0, unbind(fd, port));
	ports[1] = port;

	EXPECT_EQ(-ENOTCONN, unbind(fd, 0));
	EXPECT_EQ(-ENOTCONN, unbind(fd, port));
	EXPECT_EQ(-EINVAL, unbind(fd, MAX_CHANNELS));
	EXPECT_EQ(-EINVAL, unbind(fd, ~0U));

	EXPECT_EQ(-ENOTCONN, notify(fd, 0));
	EXPECT_EQ(-ENOTCONN, notify(fd, port));
	EXPECT_EQ(-ENOTCONN, notify(fd, MAX_CHANNELS - 1));
	EXPECT_EQ(-ENOTCONN, notify(fd, MAX_CHANNELS));
	EXPECT_EQ(-ENOTCONN, notify(fd, ~0U));

	/* Those that are not the file's are passed over */
	EXPECT_EQ(sizeof(ports), write(fd, ports, sizeof(ports)));

	EXPECT_EQ(-EINVAL, bind_interdomain(fd, DOMID_SELF, 0));
	EXPECT_EQ(-EINVAL, bind_interdomain(fd, DOMID_SELF, port));
	EXPECT_EQ(-EINVAL, bind_interdomain(fd, DOMID_SELF, MAX_CHANNELS));
	EXPECT_EQ(-EINVAL, bind_interdomain(fd, DOMID_SELF, ~0U));
	EXPECT_NE(0, no_domain(fd));
	EXPECT_EQ(-EINVAL, bind_virq(fd, NR_VIRQS));
	EXPECT_EQ(-EINVAL, bind_virq(fd, ~0U));
	EXPECT_EQ(0, nr_bound());
}

TEST_F(evtchn, ports_of_another_file)
{
	int fd = self->file.fd, other = self->other.fd;
	unsigned int pair[2];

	ASSERT_EQ(0, bind_pair(fd, pair));
	EXPECT_EQ(-ENOTCONN, unbind(other, pair[0]));
	EXPECT_EQ(-ENOTCONN, notify(other, pair[1]));
	EXPECT_FALSE(readable(fd));
	/* An interdomain channel has two ends already */
	EXPECT_EQ(-EINVAL, bind_interdomain(other, DOMID_SELF, pair[0]));
	EXPECT_EQ(-EINVAL, bind_interdomain(other, DOMID_SELF, pair[1]));
	EXPECT_EQ(2, nr_bound());

	/* Nobody else's write answers an event */
	EXPECT_EQ(0, notify(fd, pair[1]));
	EXPECT_EQ(pair[0], last_port(fd));
	EXPECT_EQ(0, notify(fd, pair[1]));
	EXPECT_EQ(0, unmask(other, &pair[0], 1));
	EXPECT_FALSE(readable(fd));
	EXPECT_EQ(0, unmask(fd, &pair[0], 1));
	EXPECT_EQ(pair[0], last_port(fd));
	EXPECT_FALSE(readable(other));
}

TEST_F(evtchn, static_port_that_is_bound)
{
	int port, ret;

	port = bind_unbound(self->file.fd, DOMID_SELF);
	ASSERT_LT(0, port);
	/* IOCTL_EVTCHN_BIND_STATIC, which not every exported header has */
	ret = evtchn_ioctl(self->file.fd, _IOC(_IOC_NONE, 'E', 7, sizeof(port)), &port);
	if (means_unknown(ret))
		SKIP(return, "this kernel knows no static ports");
	EXPECT_EQ(-EISCONN, ret);
	EXPECT_EQ(1, nr_bound());
	EXPECT_EQ(0, unbind(self->file.fd, port));
}

TEST_F(evtchn, short_read_and_write)
{
	unsigned int pair[2], seen[2], *ports;
	char buf[3 * sizeof(unsigned int)];
	int fd = self->file.fd;

	ASSERT_EQ(0, bind_pair(fd, pair));
	ASSERT_EQ(0, notify(fd, pair[0]));
	ASSERT_EQ(0, notify(fd, pair[1]));
	ASSERT_EQ(1, poll(&(struct pollfd){ fd, POLLIN, 0 }, 1, GIVE_UP_SECONDS * 1000));

	/* Whole ports only, and no part of one is lost */
	EXPECT_EQ(0, read(fd, buf, 0));
	EXPECT_EQ(0, read(fd, buf, 3));
	/* The address does not matter */
	EXPECT_EQ(4, read(fd, buf + 1, 7));
	memcpy(&seen[0], buf + 1, sizeof(seen[0]));
	ASSERT_EQ(1, poll(&(struct pollfd){ fd, POLLIN, 0 }, 1, GIVE_UP_SECONDS * 1000));
	EXPECT_EQ(4, read(fd, buf, sizeof(buf)));
	memcpy(&seen[1], buf, sizeof(seen[1]));
	EXPECT_EQ(pair[0] + pair[1], seen[0] + seen[1]);
	EXPECT_TRUE(seen[0] == pair[0] || seen[0] == pair[1]);
	EXPECT_EQ(-1, read(fd, buf, sizeof(buf)));
	EXPECT_EQ(EAGAIN, errno);

	ASSERT_EQ(0, notify(fd, pair[1]));
	EXPECT_EQ(0, write(fd, &pair[0], 0));
	EXPECT_EQ(0, write(fd, &pair[0], 3));
	EXPECT_FALSE(readable(fd));
	memcpy(buf + 1, &pair[0], sizeof(pair[0]));
	EXPECT_EQ(4, write(fd, buf + 1, 7));
	EXPECT_EQ(pair[0], last_port(fd));

	/* A page at most is taken */
	ports = calloc(PAGE_PORTS + 1, sizeof(*ports));
	ASSERT_NE(NULL, ports);
	EXPECT_EQ(PAGE_PORTS * sizeof(*ports),
		  write(fd, ports, (PAGE_PORTS + 1) * sizeof(*ports)));
	free(ports);

	EXPECT_EQ(-1, pread(fd, buf, 4, 0));
	EXPECT_EQ(ESPIPE, errno);
	EXPECT_EQ(-1, pwrite(fd, buf, 4, 0));
	EXPECT_EQ(ESPIPE, errno);
	EXPECT_EQ(-1, lseek(fd, 0, SEEK_SET));
	EXPECT_EQ(ESPIPE, errno);
	EXPECT_EQ(2, nr_bound());
}

TEST_F(evtchn, unmapped_buffer)
{
	long page = sysconf(_SC_PAGESIZE);
	unsigned int pair[2], *edge;
	int fd = self->file.fd;
	char *area;

	/* A page that ends where nothing may be accessed */
	area = mmap(NULL, 2 * page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	ASSERT_NE(MAP_FAILED, area);
	ASSERT_EQ(0, mprotect(area + page, page, PROT_NONE));
	edge = (unsigned int *)(area + page) - 1;

	ASSERT_EQ(0, bind_pair(fd, pair));
	EXPECT_EQ(-1, read(fd, area + page, 4));
	EXPECT_EQ(EAGAIN, errno);
	ASSERT_EQ(0, notify(fd, pair[1]));
	ASSERT_EQ(1, poll(&(struct pollfd){ fd, POLLIN, 0 }, 1, GIVE_UP_SECONDS * 1000));

	/* The event stays */
	EXPECT_EQ(-1, read(fd, area + page, 4));
	EXPECT_EQ(EFAULT, errno);
	EXPECT_EQ(-1, read(fd, area + page - 2, 4));
	EXPECT_EQ(EFAULT, errno);
	EXPECT_EQ(4, read(fd, edge, 8));
	EXPECT_EQ(pair[0], *edge);

	ASSERT_EQ(0, notify(fd, pair[1]));
	EXPECT_EQ(-1, write(fd, area + page, 4));
	EXPECT_EQ(EFAULT, errno);
	/* All or nothing */
	EXPECT_EQ(-1, write(fd, edge, 8));
	EXPECT_EQ(EFAULT, errno);
	EXPECT_FALSE(readable(fd));
	EXPECT_EQ(4, write(fd, edge, 4));
	EXPECT_EQ(pair[0], last_port(fd));
	EXPECT_EQ(0, munmap(area, 2 * page));
}

TEST_F(evtchn, file_mode)
{
	unsigned int port = 0;
	struct evtchn file;

	ASSERT_LE(0, evtchn_open(&file, O_RDONLY | O_NONBLOCK));
	EXPECT_EQ(-1, write(file.fd, &port, sizeof(port)));
	EXPECT_EQ(EBADF, errno);
	close(file.fd);
	ASSERT_LE(0, evtchn_open(&file, O_WRONLY | O_NONBLOCK));
	EXPECT_EQ(-1, read(file.fd, &port, sizeof(port)));
	EXPECT_EQ(EBADF, errno);
	close(file.fd);
}

static int restrict_to(int fd, unsigned int domain)
{
	struct ioctl_evtchn_restrict_domid arg = { .domid = domain };

	return evtchn_ioctl(fd, IOCTL_EVTCHN_RESTRICT_DOMID, &arg);
}

TEST_F(evtchn, restricted_file)
{
	int fd = self->file.fd;
	unsigned int pair[2], none;

	none = no_domain(fd);
	ASSERT_NE(0, none);
	ASSERT_EQ(0, bind_pair(fd, pair));
	EXPECT_EQ(-EINVAL, restrict_to(fd, 0));
	EXPECT_EQ(-EINVAL, restrict_to(fd, DOMID_SELF));
	EXPECT_EQ(-EINVAL, restrict_to(fd, 0xffff));
	EXPECT_EQ(0, restrict_to(fd, none));

	EXPECT_EQ(-EACCES, restrict_to(fd, none));
	EXPECT_EQ(-EACCES, bind_unbound(fd, DOMID_SELF));
	EXPECT_EQ(-EACCES, bind_unbound(fd, none));
	EXPECT_EQ(-EACCES, bind_virq(fd, VIRQ_ARCH_0));
	EXPECT_EQ(-EACCES, bind_interdomain(fd, DOMID_SELF, pair[0]));
	EXPECT_EQ(-EACCES, bind_interdomain(fd, none - 1, 1));
	/* This one is let through to Xen */
	EXPECT_EQ(-ESRCH, bind_interdomain(fd, none, 1));
	EXPECT_EQ(2, nr_bound());

	/* What was bound before works as before, and so do other files */
	EXPECT_EQ(0, notify(fd, pair[1]));
	EXPECT_EQ(pair[0], last_port(fd));
	EXPECT_EQ(0, unmask(fd, &pair[0], 1));
	EXPECT_EQ(0, unbind(fd, pair[0]));
	EXPECT_LT(0, bind_unbound(self->other.fd, DOMID_SELF));
}

/* Events on many channels at once */
FIXTURE(events)
{
	unsigned int ports[4096], nr;
	struct evtchn file;
	unsigned long splats;
};

FIXTURE_VARIANT(events)
{
	unsigned int ports;
};

FIXTURE_VARIANT_ADD(events, on_1) { .ports = 1, };
FIXTURE_VARIANT_ADD(events, on_many) { .ports = 4096, };

FIXTURE_SETUP(events)
{
	static unsigned int seen[MAX_CHANNELS];
	unsigned int nr, i, wrong = 0;
	int port = 0, fd;

	self->file.fd = -1;
	self->splats = splats();
	fd = evtchn_open(&self->file, O_RDWR | O_NONBLOCK);
	ASSERT_LE(0, fd);

	/* Both ends of each channel, as long as Xen has some */
	for (nr = 0; nr < variant->ports; nr += 2) {
		port = bind_unbound(fd, DOMID_SELF);
		if (port < 0)
			break;
		self->ports[nr] = port;
		port = bind_interdomain(fd, DOMID_SELF, port);
		if (port < 0)
			break;
		self->ports[nr + 1] = port;
	}
	ASSERT_TRUE(port > 0 || port == -ENOSPC) {
		TH_LOG("after %u ports: %s", nr, strerror(-port));
	}
	ASSERT_LT(0, nr);
	self->nr = nr < variant->ports ? nr : variant->ports;
	if (self->nr < variant->ports)
		TH_LOG("Xen has but %u ports for this domain", nr);

	/* The ring has grown meanwhile, with the events in it that the binds brought */
	ASSERT_EQ(nr / 2, read_events(fd, nr / 2, seen));
	for (i = 0; i < nr; i++)
		wrong += seen[self->ports[i]] != i % 2;
	ASSERT_EQ(0, wrong);
	ASSERT_EQ(0, unmask(fd, self->ports, nr));
}

FIXTURE_TEARDOWN(events)
{
	if (self->file.fd >= 0)
		close(self->file.fd);
	expect_no_trace(_metadata, self->splats);
}

/* An event too many in one round is noticed in the next one at the latest */
#define ROUNDS			3

TEST_F_TIMEOUT(events, arrive_once_each, 300)
{
	static unsigned int seen[MAX_CHANNELS];
	int fd = self->file.fd;
	unsigned int round;

	ASSERT_EQ(0, notify_all(fd, self->ports, self->nr));
	ASSERT_EQ(self->nr, read_events(fd, self->nr, seen));
	EXPECT_EQ(0, nr_other(seen, self->ports, self->nr, 1));

	/* The next ones wait until these are answered, however many they are */
	for (round = 2; round <= ROUNDS; round++) {
		ASSERT_EQ(0, notify_all(fd, self->ports, self->nr));
		ASSERT_EQ(0, notify_all(fd, self->ports, self->nr));
		EXPECT_FALSE(readable(fd));
		ASSERT_EQ(0, unmask(fd, self->ports, self->nr));
		ASSERT_EQ(self->nr, read_events(fd, self->nr, seen));
		EXPECT_EQ(0, nr_other(seen, self->ports, self->nr, round));
	}
	EXPECT_FALSE(readable(fd));
}

/*
 * Threads that bind, send and unbind, all at the same time, and one that reads
 * what they send.
 */
#define WORKERS			4
#define WORKER_ROUNDS		50
#define WORKER_EVENTS		4

static struct {
	pthread_mutex_t lock;
	pthread_cond_t arrived;
	unsigned int events[MAX_CHANNELS];
} inbox;

struct worker {
	pthread_t thread;
	int fd;
	unsigned int sum;
	int err;
};

struct reader {
	pthread_t thread;
	struct pollfd pfds[WORKERS + 1];
	unsigned int nr, sum;
	int err;
};

static void *read_all(void *arg)
{
	struct reader *reader = arg;
	unsigned int i, port;

	while (poll(reader->pfds, reader->nr + 1, -1) > 0 && !reader->err) {
		/* The last one is told when to end */
		if (reader->pfds[reader->nr].revents)
			return NULL;
		for (i = 0; i < reader->nr; i++) {
			if (!reader->pfds[i].revents)
				continue;
			if (read(reader->pfds[i].fd, &port, sizeof(port)) != sizeof(port)) {
				reader->err = -EIO;
				break;
			}
			reader->err = unmask(reader->pfds[i].fd, &port, 1);
			pthread_mutex_lock(&inbox.lock);
			inbox.events[port]++;
			pthread_cond_broadcast(&inbox.arrived);
			pthread_mutex_unlock(&inbox.lock);
			reader->sum++;
		}
	}
	return NULL;
}

/* Wait until @port has had @nr events since it was bound */
static int wait_events(unsigned int port, unsigned int nr)
{
	struct timespec until;
	int err = 0;

	clock_gettime(CLOCK_MONOTONIC, &until);
	until.tv_sec += GIVE_UP_SECONDS;
	pthread_mutex_lock(&inbox.lock);
	while (inbox.events[port] < nr && !err)
		err = pthread_cond_timedwait(&inbox.arrived, &inbox.lock, &until);
	if (inbox.events[port] > nr)
		err = EOVERFLOW;
	pthread_mutex_unlock(&inbox.lock);
	return -err;
}

/* The next to get @port begins to count at 0 */
static void forget_events(unsigned int port)
{
	pthread_mutex_lock(&inbox.lock);
	inbox.events[port] = 0;
	pthread_mutex_unlock(&inbox.lock);
}

static int work(struct worker *worker)
{
	int ports[2], err;
	unsigned int i;

	ports[0] = bind_unbound(worker->fd, DOMID_SELF);
	if (ports[0] < 0)
		return ports[0];
	ports[1] = bind_interdomain(worker->fd, DOMID_SELF, ports[0]);
	if (ports[1] < 0)
		return ports[1];
	/* The one that the bind brings */
	err = wait_events(ports[1], 1);
	for (i = 1; i <= WORKER_EVENTS && !err; i++) {
		err = notify(worker->fd, ports[0]) ?: notify(worker->fd, ports[1]);
		if (!err)
			err = wait_events(ports[0], i) ?: wait_events(ports[1], i + 1);
	}
	if (err)
		return err;
	worker->sum += 2 * WORKER_EVENTS + 1;
	forget_events(ports[0]);
	forget_events(ports[1]);
	return unbind(worker->fd, ports[0]) ?: unbind(worker->fd, ports[1]);
}

static void *work_all(void *arg)
{
	struct worker *worker = arg;
	unsigned int i;

	for (i = 0; i < WORKER_ROUNDS && !worker->err; i++)
		worker->err = work(worker);
	return NULL;
}

FIXTURE(threads)
{
	struct evtchn files[WORKERS];
	unsigned long splats;
};

FIXTURE_VARIANT(threads)
{
	unsigned int files;
};

FIXTURE_VARIANT_ADD(threads, share_a_file) { .files = 1, };
FIXTURE_VARIANT_ADD(threads, have_a_file_each) { .files = WORKERS, };

FIXTURE_SETUP(threads)
{
	unsigned int i;

	self->splats = splats();
	for (i = 0; i < variant->files; i++) {
		int fd = evtchn_open(&self->files[i], O_RDWR | O_NONBLOCK);

		ASSERT_LE(0, fd);
	}
}

FIXTURE_TEARDOWN(threads)
{
	unsigned int i;

	for (i = 0; i < variant->files; i++)
		close(self->files[i].fd);
	expect_no_trace(_metadata, self->splats);
}

TEST_F_TIMEOUT(threads, bind_send_unbind, 300)
{
	struct reader reader = { .nr = variant->files };
	struct worker workers[WORKERS] = { };
	unsigned int i, sum = 0;
	pthread_condattr_t attr;
	int end[2];

	pthread_condattr_init(&attr);
	pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
	pthread_mutex_init(&inbox.lock, NULL);
	pthread_cond_init(&inbox.arrived, &attr);
	ASSERT_EQ(0, pipe(end));
	for (i = 0; i < reader.nr; i++) {
		reader.pfds[i].fd = self->files[i].fd;
		reader.pfds[i].events = POLLIN;
	}
	reader.pfds[i].fd = end[0];
	reader.pfds[i].events = POLLIN;

	ASSERT_EQ(0, pthread_create(&reader.thread, NULL, read_all, &reader));
	for (i = 0; i < WORKERS; i++) {
		workers[i].fd = self->files[i % variant->files].fd;
		ASSERT_EQ(0, pthread_create(&workers[i].thread, NULL, work_all, &workers[i]));
	}
	for (i = 0; i < WORKERS; i++) {
		ASSERT_EQ(0, pthread_join(workers[i].thread, NULL));
		EXPECT_EQ(0, workers[i].err);
		sum += workers[i].sum;
	}
	close(end[1]);
	ASSERT_EQ(0, pthread_join(reader.thread, NULL));
	close(end[0]);

	EXPECT_EQ(0, reader.err);
	EXPECT_EQ(WORKERS * WORKER_ROUNDS * (2 * WORKER_EVENTS + 1), sum);
	EXPECT_EQ(sum, reader.sum);
	EXPECT_EQ(0, nr_bound());
}

TEST_HARNESS_MAIN
