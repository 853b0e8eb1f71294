// SPDX-License-Identifier: GPL-2.0
/*
 * pvcalls-guest - a frontend that names to a pvcalls backend what it does not have
 *
 * usage: insmod pvcalls-guest.ko
 *
 * In:	domain 0, whose guest this pretends to be, and /lab/pvcalls-back.ko, the driver
 *	that is the backend. Nothing listens on TCP port 50000 of 127.0.0.1.
 *
 * Out:	KTAP in the kernel's log, each line after "pvcalls_guest: "
 *
 * Exit:	without memory for its pages the module does not load. The backend stays
 *	connected.
 */
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/in.h>
#include <linux/kmod.h>
#include <linux/netdevice.h>
#include <linux/rtnetlink.h>
#include <net/sock.h>
#include <net/tcp_states.h>

#include <xen/grant_table.h>
#include <xen/interface/io/pvcalls.h>
#include <xen/page.h>
#include <xen/xenbus.h>

#include "port.h"

#define BACKEND		"/local/domain/0/backend/pvcalls/0/0"
#define FRONTEND	"/local/domain/0/device/pvcalls/0"
#define DOM0		0

#define WAIT_MS		10000
#define TCP_PORT	50000

/* Far above what Xen has given to this domain */
#define NO_REF		0xfffff
#define NO_PORT		(MAX_PORTS - 1)

/* What the backend connects to */
static struct sockaddr_in address = {
	.sin_family = AF_INET,
	.sin_addr.s_addr = cpu_to_be32(INADDR_LOOPBACK),
	.sin_port = cpu_to_be16(TCP_PORT),
};

static struct xen_pvcalls_front_ring commands;
static struct socket *listener;
static int command_port;

static int grant(void *page)
{
	return gnttab_grant_foreign_access(DOM0, virt_to_gfn(page), 0);
}

static int load_backend(void)
{
	char *argv[] = { "/bin/busybox", "insmod", "/lab/pvcalls-back.ko", NULL };
	char *envp[] = { NULL };

	return call_usermodehelper(argv[0], argv, envp, UMH_WAIT_PROC);
}

static bool connect_backend(int ref)
{
	unsigned int ms;
	int state = 0;

	xenbus_printf(XBT_NIL, FRONTEND, "port", "%d", command_port);
	xenbus_printf(XBT_NIL, FRONTEND, "ring-ref", "%d", ref);
	xenbus_printf(XBT_NIL, FRONTEND, "state", "%d", XenbusStateInitialised);
	xenbus_printf(XBT_NIL, BACKEND, "frontend", "%s", FRONTEND);
	xenbus_printf(XBT_NIL, BACKEND, "frontend-id", "%d", DOM0);
	/* The last: a device is there with its state */
	xenbus_printf(XBT_NIL, BACKEND, "state", "%d", XenbusStateInitialising);
	for (ms = 0; ms < WAIT_MS && state != XenbusStateConnected; ms += 20) {
		xenbus_scanf(XBT_NIL, BACKEND, "state", "%d", &state);
		msleep(20);
	}
	return state == XenbusStateConnected;
}

static int listen_to_it(void)
{
	int err;

	rtnl_lock();
	err = dev_change_flags(init_net.loopback_dev, init_net.loopback_dev->flags | IFF_UP, NULL);
	rtnl_unlock();
	if (!err)
		err = sock_create_kern(&init_net, AF_INET, SOCK_STREAM, 0, &listener);
	/* The type of an address differs from base to base */
	if (!err)
		err = kernel_bind(listener, (void *)&address, sizeof(address));
	return err ?: kernel_listen(listener, 4);
}

/* Whether the other end of the connection that was made last is closed; it can be on its way yet */
static bool closes(void)
{
	struct socket *socket = NULL;
	bool closed = false;
	unsigned int ms;

	for (ms = 0; ms < WAIT_MS && !closed; ms += 20) {
		if (socket || !kernel_accept(listener, &socket, O_NONBLOCK))
			closed = READ_ONCE(socket->sk->sk_state) == TCP_CLOSE_WAIT;
		msleep(20);
	}
	if (socket)
		sock_release(socket);
	return closed;
}

/* What the backend answers, or -ETIMEDOUT */
static int ask(struct xen_pvcalls_request *request)
{
	struct xen_pvcalls_response response;
	unsigned int ms;
	int notify;

	*RING_GET_REQUEST(&commands, commands.req_prod_pvt++) = *request;
	RING_PUSH_REQUESTS_AND_CHECK_NOTIFY(&commands, notify);
	if (notify)
		notify_remote_via_evtchn(command_port);
	for (ms = 0; ms < WAIT_MS; ms += 20) {
		if (RING_HAS_UNCONSUMED_RESPONSES(&commands)) {
			RING_COPY_RESPONSE(&commands, commands.rsp_cons++, &response);
			return response.ret;
		}
		msleep(20);
	}
	return -ETIMEDOUT;
}

static int connect_socket(u64 id, grant_ref_t ref, evtchn_port_t port)
{
	struct xen_pvcalls_request request = {
		.cmd = PVCALLS_CONNECT,
		.u.connect = { .id = id, .len = sizeof(address), .ref = ref, .evtchn = port },
	};

	memcpy(request.u.connect.addr, &address, sizeof(address));
	return ask(&request);
}

static int release_socket(u64 id)
{
	struct xen_pvcalls_request request = {
		.cmd = PVCALLS_RELEASE, .u.release.id = id,
	};

	return ask(&request);
}

/* The backend is asked for a socket with @ref or @port, and has only one of them */
static void refuse(const char *what, u64 id, grant_ref_t ref, evtchn_port_t port)
{
	unsigned int irqs = count_irqs();
	char name[32];
	bool same;
	int err;

	err = connect_socket(id, ref, port);
	snprintf(name, sizeof(name), "%s.is_an_error", what);
	result(err == -EFAULT, name, "%d", err);
	same = irqs_become(irqs);
	snprintf(name, sizeof(name), "%s.no_irq_stays", what);
	result(same, name, "%u before, %u now", irqs, count_irqs());
	same = closes();
	snprintf(name, sizeof(name), "%s.socket_is_closed", what);
	result(same, name, "the other end of the connection");
}

static void accept(u64 id, grant_ref_t ref, evtchn_port_t port)
{
	unsigned int irqs = count_irqs();
	int err = connect_socket(id, ref, port);
	bool same = irqs_become(irqs + 1);

	result(!err && same, "both.connects", "%d; %u IRQs before, %u now", err, irqs, count_irqs());
	err = release_socket(id);
	same = irqs_become(irqs);
	result(!err && same, "both.is_released", "%d; %u IRQs now", err, count_irqs());
	same = closes();
	result(same, "both.socket_is_closed", "the other end of the connection");
}

/* The pages of a socket; one that the backend has yet cannot be taken back */
static void ask_for_sockets(struct pvcalls_data_intf *intf, void *data)
{
	int ref, data_ref, port = take_port();

	data_ref = grant(data);
	intf->ref[0] = data_ref;
	ref = grant(intf);

	refuse("port", 1, ref, NO_PORT);
	accept(2, ref, port);
	refuse("ref", 3, NO_REF, port);
	intf->ref[0] = NO_REF;
	refuse("data_ref", 4, ref, port);
	result(gnttab_end_foreign_access_ref(ref) && gnttab_end_foreign_access_ref(data_ref),
	       "end.nothing_is_mapped", "pages %d and %d", ref, data_ref);
}

static int __init pvcalls_guest_init(void)
{
	struct xen_pvcalls_sring *sring = (void *)get_zeroed_page(GFP_KERNEL);
	void *intf = (void *)get_zeroed_page(GFP_KERNEL);
	void *data = (void *)get_zeroed_page(GFP_KERNEL);
	bool connected;
	int err;

	if (!sring || !intf || !data)
		return -ENOMEM;
	SHARED_RING_INIT(sring);
	FRONT_RING_INIT(&commands, sring, PAGE_SIZE);
	command_port = take_port();

	err = load_backend() ?: listen_to_it();
	connected = !err && connect_backend(grant(sring));
	result(connected, "backend.connects", "%d", err);
	if (connected)
		ask_for_sockets(intf, data);
	pr_info("1..%u\n", test_nr);
	return 0;
}
module_init(pvcalls_guest_init);

MODULE_DESCRIPTION("Name to a pvcalls backend what this domain does not have");
MODULE_LICENSE("GPL");
