#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# Everything that was booted of every base: with the series every assertion
# holds, on the base side exactly those fail that tests/expected-base names. Skipped
# is exactly what tests/expected-skips names, for its reason.

. "$(dirname "$0")/tap.sh"

# rows FILE BOOT: what FILE has for a boot of this base, without these two, which are patterns
rows()
{
	local base boot rest
	while read -r base boot rest; do
		# shellcheck disable=SC2053
		[[ $BASE != $base || $2 != $boot ]] || echo "$rest"
	done < <(grep -v '^#\|^$' "$1")
}

# What should fail in a boot, of the assertions that it makes
expected()
{
	local assertion
	rows tests/expected-base "$1" | while read -r assertion _; do
		[ "$assertion" != crash ] && ! grep -qE "^(not )?ok [0-9]+ $assertion( |$)" "$2" ||
			echo "$assertion"
	done | sort
}

# its_splat BOOT LOG: the first splat, with the lines after it, is of what the row has in quotes
its_splat()
{
	local text
	text=$(rows tests/expected-base "$1" | sed -n 's/^crash[[:space:]]*"\([^"]*\)".*/\1/p')
	[ "$text" ] && grep -v '^#' lab/splats | grep -aE -m 1 -A 40 -f - "$2" | grep -aF -e "$text" > /dev/null
}

# What of a boot's assertions has a row in tests/expected-skips, and the reason; both are patterns
skips()
{
	local assertion reason name given
	sed -nE 's/^(not )?ok [0-9]+ ([^ ]+)( # SKIP )?/\2 /p' "$2" | while read -r name given; do
		while read -r assertion reason; do
			# shellcheck disable=SC2053
			[[ $name == $assertion ]] || continue
			# shellcheck disable=SC2053
			[[ $given == $reason ]] || given=$reason
			echo "$name $given"
			break
		done < <(rows tests/expected-skips "$1")
	done
}

# boots SIDE: what was booted of it
boots() { is_left "$1" || lab/boots "$1" "$TIER"; }

nr() { sed -n 's/^# nr_irqs: //p' "$OUT/$1/logs/$2.ktap"; }

for part in ${LEFT:-}; do
	skip_left "${part/:/ }" "${part%:*}"
done
for base in "${bases[@]}"; do
	use "$base"
	for side in patched debug kasan kcsan; do
		for boot in $(boots $side); do
			verdict=$(cat "$OUT/$side/logs/$boot.verdict" 2>/dev/null)
			grep '^not ok' "$OUT/$side/logs/$boot.ktap" > "$scratch/output" 2>&1
			[ "$verdict" = pass ]
			ok $? "$BASE $side $boot: ${verdict:-not booted}"
		done
	done
	for boot in $(boots base); do
		ktap=$OUT/base/logs/$boot.ktap
		verdict=$(cat "$OUT/base/logs/$boot.verdict" 2>/dev/null)
		expected "$boot" "$ktap" > "$scratch/want"
		# An expected failure that passes is as wrong as one that is not expected
		case $verdict in
		pass | fail) sed -nE 's/^not ok [0-9]+ ([^ ]+).*/\1/p' "$ktap" | sort ;;
		crash) its_splat "$boot" "$OUT/base/logs/$boot.log" && echo crash || echo "another crash" ;;
		*) echo "${verdict:-not booted}" ;;
		esac > "$scratch/have"
		run diff -u "$scratch/want" "$scratch/have"
		ok $rc "$BASE base $boot: fails what it should, and nothing else"

		case $boot in
		native*)
			[ "$(nr base "$boot")" ] && [ "$(nr base "$boot")" = "$(nr patched "$boot")" ]
			ok $? "$BASE $boot: the same nr_irqs on both sides, $(nr patched "$boot")"
			;;
		esac
	done
	for side in base patched debug kasan kcsan; do
		for boot in $(boots $side); do
			ktap=$OUT/$side/logs/$boot.ktap
			sed -nE 's/^ok [0-9]+ ([^ ]+) # SKIP /\1 /p' "$ktap" | sort > "$scratch/have"
			skips "$boot" "$ktap" | sort > "$scratch/want"
			run diff -u "$scratch/want" "$scratch/have"
			ok $rc "$BASE $side $boot: skips what it should, and nothing else"
			[[ $boot != @(*+*|native) ]] || continue
			awk '/^[^#]/ { print $3 }' lab/broken/broken.list | sort -u | while read -r name; do
				grep -qE "^(not )?ok [0-9]+ selftest\..*\.$name( |\$)" "$ktap" || echo "no $name"
			done > "$scratch/output"
			[ ! -s "$scratch/output" ]
			ok $? "$BASE $side $boot: each of the selftests has a result"
		done
	done
	! boots base | grep -qx dom0-pv ||
		for boot in dom0-pv dom0-pv+1vcpu dom0-pvh guest-pv guest-pvh guest-hvm; do
			[ $(($(nr base $boot) + 131072)) = "$(nr patched $boot)" ]
			ok $? "$BASE $boot: nr_irqs of the base side and 131072 event channels"
		done
done
plan
