#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# Composing and absorbing the series lead to the same tree, and every patch becomes
# a mail. (What is in the mails is for lab/check.)

. "$(dirname "$0")/tap.sh"

# The programs and the patches in a repository of their own: what is changed here is a copy
repo=$scratch/repo
mkdir -p "$repo/linux"
cp -a lab patches bases "$repo/"
[ ! -d linux ] || cp -a linux "$repo/"

for base in "${bases[@]}"; do
	use "$base"
	real=$OUT OUT=$scratch/$base
	tree=$OUT/tree
	sparse "$real/tree" "$tree" /kernel/irq/ /tools/testing/selftests/
	git -C "$tree" checkout -q -B series "$(git -C "$real/tree" rev-parse series)"
	cp "$real"/tree/.git/lab-* "$tree/.git/"
	[ ! -f "$real/source" ] || cp "$real/source" "$OUT/"
	want=$(git -C "$tree" rev-parse 'series^{tree}')

	run "$repo/lab/series"
	ok $rc "$BASE: make series"
	ls "$OUT"/series/0000-cover-letter.txt > /dev/null
	ok $? "$BASE: there is a cover letter"
	[ "$(find "$OUT/series" -name '*.patch' | wc -l)" = "$(grep -vc '^#' "$repo/patches/$BASE/series")" ]
	ok $? "$BASE: one mail a patch"

	rm -rf "$scratch/before" "$scratch/linux"
	cp -a "$repo/patches/$BASE" "$scratch/before"
	cp -a "$repo/linux" "$scratch/linux"
	run "$repo/lab/absorb"
	ok $rc "$BASE: absorb"
	run diff -r --no-dereference "$scratch/before" "$repo/patches/$BASE"
	ok $rc "$BASE: absorbing an unchanged tree changes no patch"
	mkdir -p "$repo/linux"
	run diff -r "$scratch/linux" "$repo/linux"
	ok $rc "$BASE: and no file under linux/"
	run "$repo/lab/tree"
	ok $rc "$BASE: compose again"
	[ "$(git -C "$tree" rev-parse 'series^{tree}')" = "$want" ]
	ok $? "$BASE: it is the same tree"

	# What follows is the same for each base
	[ "$base" = "${bases[0]}" ] || continue

	# A change made as a commit comes back as a patch, and goes again with it
	echo "/* $$ */" >> "$tree/kernel/irq/internals.h"
	mkdir -p "$tree/tools/testing/selftests/lab-test"
	echo 'void t(void) {}' > "$tree/tools/testing/selftests/lab-test/t.c"
	git -C "$tree" add -A
	git -C "$tree" -c user.name=t -c user.email=t@localhost commit -q \
		-m 'lab: Try absorb' -m 'A changelog.'
	run "$repo/lab/absorb"
	ok $rc "$BASE: absorb a new commit"
	grep -q 'lab-Try-absorb.patch tools/testing/selftests/lab-test/t.c' "$repo/patches/$BASE/series" &&
		[ -f "$repo/linux/tools/testing/selftests/lab-test/t.c" ]
	ok $? "$BASE: the change is a patch, the new file lives in linux/"
	rm -rf "$repo/patches/$BASE" "$repo/linux"
	cp -a "$scratch/before" "$repo/patches/$BASE"
	cp -a "$scratch/linux" "$repo/linux"
	run "$repo/lab/tree"
	[ $rc = 0 ] && [ "$(git -C "$tree" rev-parse 'series^{tree}')" = "$want" ]
	ok $? "$BASE: as it was"

	# In the middle of a change nothing is taken, and nothing lost
	git -C "$tree" checkout -q --detach series~
	run "$repo/lab/absorb"
	fails_with 1 "not on its branch series: git rebase --continue" "$BASE: absorb in a rebase"
	cp "$tree/.git/lab-composed" "$scratch/composed"
	rm "$tree/.git/lab-composed"
	run "$repo/lab/tree"
	fails_with 1 "not on its branch series: git rebase --continue" "$BASE: and make tree"
	mv "$scratch/composed" "$tree/.git/lab-composed"
	git -C "$tree" checkout -q series
	git -C "$tree" -c user.name=t -c user.email=t@localhost commit -q --allow-empty -m 'fixup! something'
	run "$repo/lab/absorb"
	fails_with 1 "belongs into another: git rebase -i --autosquash" "$BASE: absorb a commit which is not in its place"
	git -C "$tree" reset -q --hard series~
	patch=$(find "$repo/patches/$BASE" -type f -name '[0-9]*.patch' | sort | head -n 1)
	cp "$patch" "$scratch/patch"
	sed -i '3s/$/ More of it./' "$patch"
	run "$repo/lab/absorb"
	fails_with 1 "has changed since .* was composed of it, and that would be lost" "$BASE: absorb over a changed patch"
	cp "$scratch/patch" "$patch"
	run "$repo/lab/tree"
	[ $rc = 0 ] && [ "$(git -C "$tree" rev-parse 'series^{tree}')" = "$want" ]
	ok $? "$BASE: as it was, after all"
done
plan
