#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# Each pattern of lab/splats finds its line of the recorded log, and a console
# without a splat has none.

. "$(dirname "$0")/tap.sh"

grep -v '^#' lab/splats > "$scratch/patterns"
grep -v '^#' tests/splats.log > "$scratch/lines"
[ "$(wc -l < "$scratch/patterns")" = "$(wc -l < "$scratch/lines")" ]
ok $? "a line for each pattern"
while IFS= read -r pattern <&3 && IFS= read -r line <&4; do
	grep -qE -e "$pattern" <<< "$line"
	ok $? "'$pattern' finds: $line"
done 3< "$scratch/patterns" 4< "$scratch/lines"

run grep -aEc -f "$scratch/patterns" "$OUT/patched/logs/dom0-pv.log"
[ $rc = 1 ]
ok $? "nothing in the console of a good boot"
plan
