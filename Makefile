# SPDX-License-Identifier: GPL-2.0
#
# The verbs. Each calls programs of lab/ in the order of the data's way:
# bases -> tarball -> tree -> kernel -> boot -> KTAP -> table.

SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := all
MAKEFLAGS += --no-print-directory
$(if $(filter 1,$(V)),,$(eval .SILENT:))

BASE ?= 6.1
# What make test goes through: a BASE that is named, or all of them
BASES ?= $(if $(LINUX)$(filter-out file,$(origin BASE)),$(BASE),$(shell awk '!/^\#/ && NF { print $$1 }' bases))
SIDE ?= patched
ENV ?= dom0-pv
TIER ?= make
CACHE ?= $(or $(XDG_CACHE_HOME),$(HOME)/.cache)/xen-irqs
# A tree of the user's own has its results beside those of the base
TREE := $(if $(LINUX),-$(notdir $(abspath $(LINUX))))
OUT := $(CURDIR)/build/$(BASE)$(TREE)
export BASE BASES SIDE TIER ENV CACHE OUT LINUX XEN ACCEL V VCPUS ASK KARGS MIRROR RFC SEND REALLY

SIDES := base patched kasan kcsan debug
ROOTFS := build/xen/guest.cpio.gz
# Two at a time: one of those that boot machines and compose trees, one of the others
PROVE_RULES := --rules='seq=tests/{20,50,60,90}*.t' --rules='seq=**'
BOOTS = $(foreach side,$(SIDE),$(patsubst %,$(OUT)/$(side)/logs/%.ktap,$(shell BASE=$(BASE) lab/boots $(side) $(TIER))))

.PHONY: all test test-all stress tested bench scale help deps fetch tree absorb series send package kernel rootfs \
	selftests boots boot shell report counts check clean distclean

all: ## boot both sides of BASE everywhere, and print one table
all: deps
	$(MAKE) tested
	lab/report

test: ## everything that must hold, of all BASES; prove's summary comes last
test-all: ## the same with more variations, and the base side of every base
test: export TIER = test
test-all: export TIER = all
# The debug kernels come last. With MINUTES nothing is begun after half of them, as the tests
# take their time, too; they skip what is LEFT.
test test-all: deps
	left=; \
	for part in $(BASES:%=%:base,patched) $(BASES:%=%:debug); do \
		export BASE=$${part%:*}; sides=$${part#*:}; sides=$${sides/,/ }; \
		[ "$$(for side in $$sides; do lab/boots $$side $(TIER); done)" ] || continue; \
		if [ "$(MINUTES)" ] && [ $$SECONDS -ge $$(($(MINUTES) * 30)) ]; then \
			left="$$left $$part"; \
			$(MAKE) BASE=$$BASE tree; \
		else \
			$(MAKE) BASE=$$BASE SIDES="$$sides" tested; fi; done; \
	LEFT=$$left prove --timer -j2 $(PROVE_RULES) tests/

stress: ## debug kernels, fault injection, stress, save and restore, of all BASES
stress: export TIER = stress
stress: deps
	for base in $(BASES); do $(MAKE) BASE=$$base tested counts; done
	prove --timer tests/30-boots.t

# Every kernel built and booted that TIER has of BASE. The base side comes first, as it can stand
# still until its limit, then patched, which has the longest boot: it would be left at the end.
tested:
	for side in $(SIDES); do \
		[ -z "$$(lab/boots $$side $(TIER))" ] || $(MAKE) SIDE=$$side kernel; done
	$(MAKE) SIDE="$(SIDES)" boots

help: ## this text
	sed -n 's/^\([a-z-]*\): ## /\1	/p' Makefile | column -t -s '	'
	echo
	echo 'BASE=6.1 SIDE=base|patched|debug|kasan|kcsan ENV=dom0-pv VCPUS=n  what to build and boot ($(BASE) $(SIDE) $(ENV))'
	echo 'BASES="6.1 mainline"   what make test, test-all, stress, bench and scale go through ($(BASES))'
	echo 'MINUTES=n              make test and test-all begin no base after half of them, and skip it'
	echo 'TIER=make|test|all|stress|bench|scale  what make boots boots: rows of lab/variations ($(TIER))'
	echo 'ASK=n LIMIT=n KARGS="..."  channels to bind, seconds, more arguments for the kernel under test'
	echo 'RUN=kselftest,...      what runs there, instead of what the row of ENV says'
	echo 'LINUX=/path XEN=/path  a kernel tree, a hypervisor (ELF) of your own'
	echo 'V=1                    show the commands and their output'
	echo 'ACCEL=kvm              another accelerator than tcg'
	echo 'MIRROR=http://.../debian  instead of that of the machine'
	echo 'V=2 RFC=1              version and kind of the series that is sent'
	echo 'SEND=b4 REALLY=1       with b4 instead of git; not only a dry run'
	echo 'COMPARE=FILE           another run of make bench'
	echo 'CACHE=/path            downloads, and what make check keeps ($(CACHE))'
	echo
	echo 'environments: '$$(lab/boots patched $(TIER))
	echo 'bases:        '$$(awk '!/^#/ && NF { print $$1 }' bases)

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

send: ## mail the series; a dry run, but for REALLY=1
send: deps tree
	lab/send

package: ## a quilt series, and Debian's source package of BASE with it
package: deps tree
	lab/package

kernel: ## build the kernel of SIDE
kernel: tree
	lab/kernel

rootfs: ## Xen, dom0's root file system and the guests'
	lab/rootfs

selftests: ## build and install the kernel's selftests of Xen
selftests: tree
	lab/selftests

boots: ## boot SIDE in every environment, two at a time, all of them
boots: rootfs selftests
	$(MAKE) -k -j2 $(BOOTS)

# What failed inside is for the table and for the tests to judge; no verdict, or
# a splat, is a failure here where the patched kernel is booted. $(2) is how the names of the boots
# begin, $(3) another kernel that they need.
define boots_of
$(OUT)/$(1)/logs/$(2)%.ktap: $(OUT)/$(1)/bzImage $(3) \
		$(OUT)/selftests.cpio.gz $(ROOTFS) lab/environments lab/variations lab/splats lab/boot
	SIDE=$(1) ENV=$(2)$$* lab/boot || { [ $$$$? != 2 ] && \
		grep -qsxE '$(if $(filter base,$(1)),fail|error|crash,fail)' $(OUT)/$(1)/logs/$(2)$$*.verdict; }
endef
$(foreach side,$(SIDES),$(eval $(call boots_of,$(side))))
# The domain 0 of these guests has the patched kernel (lab/boot)
$(foreach side,debug kasan kcsan,$(eval $(call boots_of,$(side),guest-,$(OUT)/patched/bzImage)))

boot: ## one boot of ENV with its console on the terminal
shell: ## the same with a shell; Ctrl-A X leaves it
boot shell: deps
	sides=$$(lab/boot check); for side in $$sides; do $(MAKE) SIDE=$$side kernel; done
	$(MAKE) rootfs selftests
	lab/boot $(@:boot=show)

report: ## print the table again, and write build/report.html with all results
	lab/report
	bench/report

counts: ## print what was counted in every boot of TIER, and write build/BASE/TIER.md
	lab/counts

bench: ## what it costs, counted in instructions: both sides of BASES
bench: export TIER = bench
scale: ## the same for all event channels that there are
scale: export TIER = scale
bench scale: deps
	$(if $(COMPARE),install -D -m 644 $(COMPARE) build/compare.txt)
	for base in $(BASES); do \
		for side in base patched; do \
			$(MAKE) BASE=$$base SIDE=$$side kernel boots; \
			BASE=$$base OUT=$(CURDIR)/build/$$base$(TREE) SIDE=$$side bench/sizes; done; done
	bench/collect
	bench/report
	$(if $(COMPARE),bench/compare build/compare.txt,bench/judge bench/goals build/bench.txt)

check: ## every commit of BASE: checkpatch, kernel-doc, coccinelle, and each row of lab/check.configs
check: export TIER = all
check: deps tree
	lab/check

clean: ## remove what was built, keep sources and the cache
	rm -rf build/*/{base,patched,debug,kasan,kcsan,series,send,b4,b4-cover,package,check,selftests*,*.md} build/xen \
		build/{rootfs,test}.??????

distclean: ## remove everything that was made, the cache too
	rm -rf build "$(CACHE)"/{apt,ccache,check,src,steps,dom0-*,*.lock}
	! [ -d "$(CACHE)" ] || rmdir --ignore-fail-on-non-empty "$(CACHE)"
