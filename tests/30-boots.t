#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# Every environment, both sides: on the patched side every assertion holds, on
# the base side exactly those fail that tests/expected-base names.

. "$(dirname "$0")/tap.sh"

boots=$(make -s help | sed -n 's/^environments: //p')
for boot in $boots; do
	env=${boot%-*vcpu}
	for side in base patched; do
		verdict=$(cat "$OUT/$side/logs/$boot.verdict" 2>/dev/null)
		: > "$scratch/output"
		[ "$verdict" = pass ] || [ "$side $verdict" = "base fail" ]
		ok $? "$side $boot: ${verdict:-not booted}"
		[ "$side" = patched ] || continue
		# An expected failure that passes is as wrong as one that is not expected
		awk -v e="$env" '!/^#/ && $1 == e { print $2 }' tests/expected-base | sort > "$scratch/want"
		sed -n 's/^not ok [0-9]* //p' "$OUT/base/logs/$boot.ktap" | sort > "$scratch/have"
		run diff -u "$scratch/want" "$scratch/have"
		ok $rc "base $boot: fails what it should, and nothing else"
	done
done

nr() { sed -n 's/^# nr_irqs: //p' "$OUT/$1/logs/$2.ktap"; }
for boot in native native-1vcpu; do
	[ "$(nr base $boot)" = "$(nr patched $boot)" ]
	ok $? "$boot: the same nr_irqs on both sides, $(nr patched $boot)"
done
for boot in dom0-pv dom0-pv-1vcpu guest-pv guest-pvh guest-hvm; do
	[ $(($(nr base $boot) + 131072)) = "$(nr patched $boot)" ]
	ok $? "$boot: nr_irqs of the base side and 131072 event channels"
done
plan
