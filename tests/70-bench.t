#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# What make bench says about its figures: a goal that is missed is said to be.

. "$(dirname "$0")/tap.sh"

# figures: some that reach their goals, and those on standard input
figures()
{
	cat - > "$scratch/bench.txt" <<-EOF
	# base environment figure base-1 base-2 patched-1 patched-2
	6.1 dom0-pv read.stat.idle 20000 20000 10000 10000
	6.1 dom0-pv read.stat.1000 30000 30300 30000 30200
	6.1 dom0-pv read.stat.after 50000 50000 10000 10000
	6.1 dom0-pv bind-kernel.100 25000 25000 25000 25000
	6.1 dom0-pv+scale bind-kernel.100 25000 - 25000 -
	6.1 dom0-pv+scale bind-kernel.10000 26000 - 25000 -
	6.1 dom0-pv+scale bound 12509 - 131052 -
	6.1 vmlinux data 1000000 - 1002000 -
	EOF
	cat >> "$scratch/bench.txt"
	run bench/judge bench/goals "$scratch/bench.txt"
}

figures < /dev/null
! said 'not reached' && [ "$(grep -c ' reached ' "$scratch/output")" = 7 ]
ok $? "goals that are reached"
said 'differ by 1.00 % at most \(6.1 dom0-pv read.stat.1000\)'
ok $? "by how much two passes differ"

while read -r goal row; do
	figures <<< "$row"
	grep '\*\*not reached\*\*' "$scratch/output" | grep -q "${goal//_/ }"
	ok $? "not reached: ${row% *}"
done <<'EOF'
a_walk_over_all_interrupts 6.1 native walk.suspend.idle 1000 1000 1001 1001
a_read_at_idle 6.1 native read.stat.idle 1000 1000 960 960
a_walk_after_a_peak 6.1 dom0-pv read.stat.after 50000 50000 11000 11000
share_of_a_bind 6.1 dom0-pv bind-kernel.1000 1000 1000 1100 1090
up_to_all_that_can_be_bound 6.1 dom0-pv+scale bind-kernel.120000 - - 31000 -
channels_bound 6.1 dom0-pv+scale bound 12509 - 12509 -
static_memory_without_Xen 6.1 no-xen data 1000 - 1001 -
EOF

figures <<< '6.1 guest-pv bind-kernel.1000 1000 1200 1100 1100'
said "share of a bind \| 6.1 \| guest-pv bind-kernel.1000 \| 1.1000 \| ≤ 1.00 \| as two passes differ"
ok $? "what is no further from a goal than two passes are from each other"
plan
