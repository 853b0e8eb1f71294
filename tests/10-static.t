#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# Every script is clean under shellcheck, every file has its licence.

. "$(dirname "$0")/tap.sh"

mapfile -t scripts < <(git ls-files | while read -r f; do
	! head -n 1 "$f" | grep -qE '^#!/bin/(ba)?sh' || echo "$f"
done)
for script in "${scripts[@]}" lab/common.sh tests/tap.sh; do
	run shellcheck -x -P SCRIPTDIR "$script"
	ok $rc "shellcheck $script"
done

for f in $(git ls-files | grep -v '^patches/'); do
	grep -q 'SPDX-License-Identifier: GPL-2.0' "$f" || echo "$f"
done > "$scratch/output"
[ ! -s "$scratch/output" ]
ok $? "an SPDX line in every file"

plan
