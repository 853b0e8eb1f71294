# SPDX-License-Identifier: GPL-2.0
#
# The verbs. Each calls programs of lab/ in the order of the data's way:
# bases -> tarball -> tree -> kernel -> boot -> KTAP -> table.

SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := all
.DELETE_ON_ERROR:
MAKEFLAGS += --no-print-directory
$(if $(V),,$(eval .SILENT:))

BASE ?= 6.1
SIDE ?= patched
ENV ?= dom0-pv
CACHE ?= $(or $(XDG_CACHE_HOME),$(HOME)/.cache)/xen-irqs
# A tree of the user's own has its results beside those of the base
OUT := $(CURDIR)/build/$(BASE)$(if $(LINUX),-$(notdir $(abspath $(LINUX))))
export BASE SIDE ENV CACHE OUT LINUX XEN ACCEL V VCPUS ASK KARGS MIRROR

ROOTFS := build/xen/guest.cpio.gz
# environment, or environment-Nvcpu where N is not the row's first
BOOTS := $(shell awk '!/^\#/ && NF { n = split($$4, v, ","); print $$1; \
	for (i = 2; i <= n; i++) print $$1 "-" v[i] "vcpu" }' lab/environments)

.PHONY: all test both help deps fetch tree absorb series kernel rootfs boots boot shell report \
	clean distclean

all: ## boot both sides of BASE everywhere, and print one table
all: both
	lab/report

test: ## everything that must hold; prove's summary comes last
test: both
	prove --timer tests/

# Every kernel built and booted
both: deps
	$(MAKE) kernel SIDE=base
	$(MAKE) kernel SIDE=patched
	$(MAKE) boots SIDE=base
	$(MAKE) boots SIDE=patched

help: ## this text
	sed -n 's/^\([a-z]*\): ## /\1	/p' Makefile | column -t -s '	'
	echo
	echo 'BASE=6.1 SIDE=base|patched ENV=dom0-pv VCPUS=n  what to build and boot ($(BASE) $(SIDE) $(ENV))'
	echo 'ASK=n KARGS="..."      channels to bind, more arguments for the kernel under test'
	echo 'LINUX=/path XEN=/path  a kernel tree, a hypervisor (ELF) of your own'
	echo 'V=1                    show the commands and their output'
	echo 'ACCEL=kvm              another accelerator than tcg'
	echo 'CACHE=/path            downloads and compiled objects ($(CACHE))'
	echo
	echo 'environments: $(BOOTS)'
	echo 'bases: '$$(awk '!/^#/ && NF { print $$1 }' bases)

deps: ## install the packages that are missing
	lab/deps

fetch: ## fetch the source of BASE
	$(if $(LINUX),:,lab/fetch)

tree: ## the series as git commits in build/BASE/tree
tree: fetch
	lab/tree

absorb: ## take the commits of build/BASE/tree back into patches/ and linux/
	lab/absorb

series: ## mails for git am and git send-email in build/BASE/series
series: tree
	lab/series

kernel: ## build the kernel of SIDE
kernel: tree
	lab/kernel

rootfs: ## Xen, dom0's root file system and the guests'
	lab/rootfs

boots: ## boot SIDE in every environment, two at a time
boots: rootfs
	$(MAKE) -j2 $(BOOTS:%=$(OUT)/$(SIDE)/logs/%.ktap)

# What failed inside is for the table and for the tests to judge; no verdict, or
# a splat, ends it here.
$(OUT)/$(SIDE)/logs/%.ktap: $(OUT)/$(SIDE)/bzImage $(ROOTFS) lab/environments lab/boot
	name=$*; vcpus=; \
	[[ $$name != *-*vcpu ]] || { vcpus=$${name##*-}; name=$${name%-*}; }; \
	ENV=$$name VCPUS=$${vcpus%vcpu} lab/boot || [ $$? = 1 ]

boot: ## one boot of ENV with its console on the terminal
boot: kernel rootfs
	lab/boot show

shell: ## the same with a shell; Ctrl-A X leaves it
shell: kernel rootfs
	lab/boot shell

report: ## print the table again
	lab/report

clean: ## remove what was built, keep sources and the cache
	rm -rf build/*/base build/*/patched build/*/series build/xen build/*/report.md

distclean: ## remove everything that was made, the cache too
	rm -rf build $(CACHE)
