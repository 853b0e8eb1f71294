/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What the modules that bind event channels have in common: the view from inside of what
 * a bind has left behind in Linux and in Xen. Nobody else may bind ports meanwhile.
 */
#ifndef LAB_PORT_H
#define LAB_PORT_H

#include <linux/delay.h>
#include <linux/irq.h>

#include <xen/events.h>
#include <xen/interface/event_channel.h>
#include <xen/interface/xen.h>

#include <asm/xen/hypercall.h>

#include "ktap.h"

/* No machine of the lab has a higher IRQ with so few channels */
#define MAX_IRQS	4096
#define SETTLE_MS	5000

/* Linux and Xen have a page each for so many ports, which the first one of them allocates */
#define PORTS_A_PAGE	1024
#define MAX_PORTS	(128 * PORTS_A_PAGE)

/* A port of which Linux knows nothing, or an error; the lowest one that is free */
static inline int take_port(void)
{
	struct evtchn_alloc_unbound unbound = { .dom = DOMID_SELF, .remote_dom = DOMID_SELF };
	int rc = HYPERVISOR_event_channel_op(EVTCHNOP_alloc_unbound, &unbound);

	return rc ? rc : unbound.port;
}

static inline void give_port(evtchn_port_t port)
{
	struct evtchn_close close = { .port = port };

	HYPERVISOR_event_channel_op(EVTCHNOP_close, &close);
}

static inline int lowest_free_port(void)
{
	int port = take_port();

	if (port >= 0)
		give_port(port);
	return port;
}

/* Until its event is consumed, Xen does not give a port out again */
static inline bool port_becomes_free(int port)
{
	unsigned int ms;

	for (ms = 0; ms < SETTLE_MS && lowest_free_port() != port; ms += 20)
		msleep(20);
	return lowest_free_port() == port;
}

/*
 * Take at least one port, until the next one is the first of a page, and return that one;
 * @taken has MAX_PORTS bits
 */
static inline int next_page(unsigned long *taken)
{
	bool first = true;
	int port;

	while ((port = take_port()) >= 0 && port < MAX_PORTS) {
		if (!first && port % PORTS_A_PAGE == 0) {
			give_port(port);
			return port;
		}
		first = false;
		__set_bit(port, taken);
	}
	if (port >= 0)
		give_port(port);
	return -ENOSPC;
}

static inline void give_ports(const unsigned long *taken)
{
	unsigned int port;

	for_each_set_bit(port, taken, MAX_PORTS)
		give_port(port);
}

static inline unsigned int count_irqs(void)
{
	unsigned int irq, nr = 0;

	for (irq = 0; irq < MAX_IRQS; irq++)
		nr += !!irq_get_irq_data(irq);
	return nr;
}

/* An IRQ goes away after a grace period */
static inline bool irqs_become(unsigned int nr)
{
	unsigned int ms;

	for (ms = 0; ms < SETTLE_MS && count_irqs() != nr; ms += 20)
		msleep(20);
	return count_irqs() == nr;
}

/* The number of IRQs, once it has not changed for a second: those of a process outlive it */
static inline unsigned int settled_irqs(void)
{
	unsigned int nr = count_irqs(), ms, same = 0;

	for (ms = 0; ms < SETTLE_MS && same < 10; ms += 100) {
		unsigned int now;

		msleep(100);
		now = count_irqs();
		same = now == nr ? same + 1 : 0;
		nr = now;
	}
	return nr;
}

#endif
