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

#endif
