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

run lab/kernel
ok $rc "the patched kernel, built once more"
run cmp "$real/patched/bzImage" "$OUT/patched/bzImage"
ok $rc "it is the same bzImage"

run git -C "$OUT/patched/src" apply --index "$top/tests/broken.patch"
ok $rc "tests/broken.patch applies"
git -C "$OUT/patched/src" -c user.name=t -c user.email=t@localhost commit -qm broken
git -C "$OUT/tree" update-ref refs/heads/series "$(git -C "$OUT/patched/src" rev-parse HEAD)"
run lab/kernel
ok $rc "it builds"
run env ENV=dom0-pv ASK=1200 lab/boot
ok $((rc != 1)) "it boots, and fails"
sed -n 's/^breaks: \([^[:space:]]*\).*/\1/p' tests/broken.patch | sort > "$scratch/want"
sed -n 's/^not ok [0-9]* //p' "$OUT/patched/logs/dom0-pv.ktap" | sort > "$scratch/have"
run diff -u "$scratch/want" "$scratch/have"
ok $rc "it fails what it should, and nothing else"
plan
