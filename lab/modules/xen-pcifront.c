// SPDX-License-Identifier: GPL-2.0
/*
 * The driver of the kernel under test, for lab/frontends.c
 */
#include <pci/xen-pcifront.c>
