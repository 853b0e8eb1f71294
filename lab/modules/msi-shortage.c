// SPDX-License-Identifier: GPL-2.0
/*
 * msi-shortage - set up the MSI and the MSI-X of a card while one memory allocation
 *		  after the other fails
 *
 * usage: insmod msi-shortage.ko
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

#include "fault.h"
#include "port.h"

#define E1000E		0x10d3
#define MAX_VECTORS	3
#define MAX_FAULTS	200

static const char *name(const char *kind, const char *what)
{
	static char buf[32];

	snprintf(buf, sizeof(buf), "%s.%s", kind, what);
	return buf;
}

/* The pirq that Xen gives to the next MSI of @card, or an error */
static int next_pirq(struct pci_dev *card)
{
	int pirq, rc = pci_alloc_irq_vectors(card, 1, 1, PCI_IRQ_MSI);

	if (rc < 0)
		return rc;
	pirq = xen_pirq_from_irq(pci_irq_vector(card, 0));
	pci_free_irq_vectors(card);
	return pirq;
}

static void walk(struct pci_dev *card, const char *kind, unsigned int vectors,
		 unsigned int flags)
{
	unsigned int errors = 0, tolerated = 0, wrong = 0, irqs_left = 0, nth;
	unsigned int irqs = count_irqs();
	int before = next_pirq(card), after, rc = 0;
	bool hit = true;

	for (nth = 1; hit && nth < MAX_FAULTS; nth++) {
		arm_fault(nth, false);
		rc = pci_alloc_irq_vectors(card, vectors, vectors, flags);
		hit = disarm_fault();
		if (rc < 0) {
			errors++;
			wrong += rc != -ENOMEM;
		} else {
			tolerated += hit;
			pci_free_irq_vectors(card);
		}
		if (!irqs_become(irqs)) {
			irqs_left++;
			irqs = count_irqs();
		}
	}
	after = next_pirq(card);

	result(!hit && rc == vectors, name(kind, "ends"), "after %u faults: %d", nth - 2, rc);
	result(errors, name(kind, "hits"), "%u allocations fail a set-up, %u do not", errors,
	       tolerated);
	result(!wrong, name(kind, "is_an_error"), "%u are not -ENOMEM", wrong);
	result(!irqs_left, name(kind, "leaves_no_irq"), "%u do", irqs_left);
	result(before > 0 && before == after, name(kind, "leaves_no_pirq"),
	       "the next pirq is %d, it was %d", after, before);
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
	rc = pci_enable_device(card);
	if (rc) {
		pr_info("Bail out! cannot enable the e1000e: %d\n", rc);
		goto put;
	}
	pci_set_master(card);

	walk(card, "msi", 1, PCI_IRQ_MSI);
	walk(card, "msix", MAX_VECTORS, PCI_IRQ_MSIX);
	pr_info("1..%u\n", test_nr);

	pci_disable_device(card);
put:
	pci_dev_put(card);
	return 0;
}
module_init(msi_shortage_init);

MODULE_DESCRIPTION("Set up MSIs while one memory allocation after the other fails");
MODULE_LICENSE("GPL");
