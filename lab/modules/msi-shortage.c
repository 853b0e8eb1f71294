// SPDX-License-Identifier: GPL-2.0
/*
 * msi-shortage - set up the MSI and the MSI-X of a card, and request an MSI, while one
 *		  memory allocation after the other fails
 *
 * usage: insmod msi-shortage.ko
 *
 * An MSI that is requested gets the first port of a page of the table of ports, so that
 * the allocation of that page is one of those that fail. A request that goes through has
 * the port, also if it leaves the MSI disabled (IRQF_NO_AUTOEN); when it is freed, the
 * port is closed. An MSI that comes while it is disabled is there when it is enabled.
 *
 * In:	QEMU's e1000e, which its driver loses. The kernel has CONFIG_FAILSLAB and
 *	CONFIG_FAIL_PAGE_ALLOC, as lab/init sets them up.
 *
 * Out:	KTAP in the kernel's log, each line after "msi_shortage: "
 *
 * Exit:	the module always loads.
 */
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/pci.h>

#include "walk.h"

#define E1000E		0x10d3
#define VECTORS		3

/* Registers of the e1000e, and the one of its interrupts that is raised */
#define ICR		0xc0
#define ICS		0xc8
#define IMS		0xd0
#define IMC		0xd8
#define LSC		BIT(2)

static DECLARE_BITMAP(taken, MAX_PORTS);

/* The pirq that Xen gives to the next MSI of @card, or an error */
static int next_pirq(struct pci_dev *card)
{
	unsigned int irqs = count_irqs();
	int pirq, rc = pci_alloc_irq_vectors(card, 1, 1, PCI_IRQ_MSI);

	if (rc < 0)
		return rc;
	pirq = xen_pirq_from_irq(pci_irq_vector(card, 0));
	pci_free_irq_vectors(card);
	irqs_become(irqs);
	return pirq;
}

static void walk_setups(struct pci_dev *card, const char *kind, int vectors, unsigned int flags)
{
	struct walk walk = { .kind = kind };
	int before = next_pirq(card), after, port = lowest_free_port(), rc;
	char name[32];

	while (next_fault(&walk)) {
		arm_fault(walk.nth, false);
		rc = pci_alloc_irq_vectors(card, vectors, vectors, flags);
		count_fault(&walk, rc);
		if (rc >= 0)
			pci_free_irq_vectors(card);
		count_left(&walk, port);
	}
	report_walk(&walk);

	after = next_pirq(card);
	snprintf(name, sizeof(name), "%s.leaves_no_pirq", kind);
	result(before > 0 && before == after, name, "the next pirq is %d, it was %d", after,
	       before);
}

static void walk_requests(struct pci_dev *card, const char *kind, unsigned long flags)
{
	struct walk walk = { .kind = kind };
	unsigned int portless = 0;
	static int cookie;

	while (next_fault(&walk)) {
		int port = next_page(taken), irq, rc;

		if (port < 0 || pci_alloc_irq_vectors(card, 1, 1, PCI_IRQ_MSI) < 0)
			break;
		irq = pci_irq_vector(card, 0);
		arm_fault(walk.nth, false);
		rc = request_irq(irq, ignore, flags, KBUILD_MODNAME, &cookie);
		count_fault(&walk, rc);
		if (!rc) {
			portless += lowest_free_port() == port;
			free_irq(irq, &cookie);
		}
		pci_free_irq_vectors(card);
		count_left(&walk, port);
	}
	report_walk(&walk);
	result_of(&walk, !portless, "has_its_port", portless, "have not");
}

static irqreturn_t count(int irq, void *came)
{
	WRITE_ONCE(*(unsigned int *)came, *(unsigned int *)came + 1);
	return IRQ_HANDLED;
}

static void raise_disabled(struct pci_dev *card)
{
	void __iomem *regs = pci_iomap(card, 0, 0);
	unsigned int came = 0, early = 0, ms;
	int irq, rc = -ENOMEM;

	if (!regs)
		goto out;
	rc = pci_alloc_irq_vectors(card, 1, 1, PCI_IRQ_MSI);
	if (rc < 0)
		goto unmap;
	irq = pci_irq_vector(card, 0);
	rc = request_irq(irq, count, IRQF_NO_AUTOEN, KBUILD_MODNAME, &came);
	if (rc)
		goto free_vectors;

	writel(LSC, regs + IMS);
	writel(LSC, regs + ICS);
	msleep(100);
	early = READ_ONCE(came);
	enable_irq(irq);
	for (ms = 0; ms < SETTLE_MS && !READ_ONCE(came); ms += 20)
		msleep(20);
	writel(~0, regs + IMC);
	readl(regs + ICR);
	free_irq(irq, &came);

free_vectors:
	pci_free_irq_vectors(card);
unmap:
	pci_iounmap(card, regs);
out:
	result(!early && came, "disabled.keeps_an_msi", "%u came before it was enabled, %u in all: %d",
	       early, came, rc);
}

static int __init msi_shortage_init(void)
{
	struct pci_dev *card = pci_get_device(PCI_VENDOR_ID_INTEL, E1000E, NULL);
	int rc;

	if (!card) {
		pr_info("Bail out! there is no e1000e\n");
		return 0;
	}
	device_release_driver(&card->dev);
	/* The IRQs of the driver go away, too */
	msleep(SETTLE_MS);
	rc = pci_enable_device(card);
	if (rc) {
		pr_info("Bail out! cannot enable the e1000e: %d\n", rc);
		goto put;
	}
	pci_set_master(card);

	walk_setups(card, "msi", 1, PCI_IRQ_MSI);
	walk_setups(card, "msix", VECTORS, PCI_IRQ_MSIX);
	walk_requests(card, "request", 0);
	walk_requests(card, "disabled", IRQF_NO_AUTOEN);
	raise_disabled(card);
	give_ports(taken);
	pr_info("1..%u\n", test_nr);

	pci_disable_device(card);
put:
	pci_dev_put(card);
	return 0;
}
module_init(msi_shortage_init);

MODULE_DESCRIPTION("Set up and request MSIs while one memory allocation after the other fails");
MODULE_LICENSE("GPL");
