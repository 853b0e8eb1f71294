// SPDX-License-Identifier: GPL-2.0
/*
 * The driver of the kernel under test, for pvcalls-guest
 */
#include <xen/pvcalls-back.c>
