#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# A kernel that is broken on purpose fails exactly the assertions that its patch
# names; and a kernel that is built twice, in two places, is the same.

. "$(dirname "$0")/tap.sh"

[[ " ${bases[*]} " = *" 6.1 "* ]] || {
	skip "a broken kernel" "tests/broken.patch is for 6.1"
	plan
	exit
}
use 6.1
real=$OUT
export OUT=$scratch/broken SIDE=patched

git clone -q --shared --no-checkout "$real/tree" "$OUT/tree"

if [ "$TIER" = all ]; then
	run lab/kernel
	ok $rc "the patched kernel, built once more"
	run cmp "$real/patched/bzImage" "$OUT/patched/bzImage"
	ok $rc "it is the same bzImage"
else
	skip "the patched kernel, built once more" "for make test-all"
fi

export GIT_INDEX_FILE=$scratch/index
in_tree read-tree series
run in_tree apply --cached "$top/tests/broken.patch"
ok $rc "tests/broken.patch applies"
in_tree update-ref refs/heads/series \
	"$(in_tree commit-tree -m broken -p series "$(in_tree write-tree)")"
unset GIT_INDEX_FILE
run lab/kernel
ok $rc "it builds"
run env ENV=dom0-pv ASK=1200 RUN=irq-probe lab/boot
ok $((rc != 1)) "it boots, and fails"
sed -n 's/^breaks: \([^[:space:]]*\).*/\1/p' tests/broken.patch | sort > "$scratch/want"
sed -n 's/^not ok [0-9]* //p' "$OUT/patched/logs/dom0-pv.ktap" | sort > "$scratch/have"
run diff -u "$scratch/want" "$scratch/have"
ok $rc "it fails what it should, and nothing else"
plan
