#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# Composing and absorbing the series lead to the same tree, and every patch becomes
# a mail. (What is in the mails is for lab/check.)

. "$(dirname "$0")/tap.sh"

for base in "${bases[@]}"; do
	use "$base"
	tree=$OUT/tree
	want=$(git -C "$tree" rev-parse 'series^{tree}')

	run lab/series
	ok $rc "$BASE: make series"
	ls "$OUT"/series/0000-cover-letter.txt > /dev/null
	ok $? "$BASE: there is a cover letter"
	[ "$(find "$OUT/series" -name '*.patch' | wc -l)" = "$(grep -vc '^#' "patches/$BASE/series")" ]
	ok $? "$BASE: one mail a patch"

	cp -a "patches/$BASE" "$scratch/before"
	# git keeps no empty directory
	mkdir -p linux
	cp -a linux "$scratch/linux"
	run lab/absorb
	ok $rc "$BASE: absorb"
	run diff -r --no-dereference "$scratch/before" "patches/$BASE"
	ok $rc "$BASE: absorbing an unchanged tree changes no patch"
	mkdir -p linux
	run diff -r "$scratch/linux" linux
	ok $rc "$BASE: and no file under linux/"
	run lab/tree
	ok $rc "$BASE: compose again"
	[ "$(git -C "$tree" rev-parse 'series^{tree}')" = "$want" ]
	ok $? "$BASE: it is the same tree"

	# A change made as a commit comes back as a patch, and goes again with it
	echo "/* $$ */" >> "$tree/kernel/irq/internals.h"
	mkdir -p "$tree/tools/testing/selftests/lab-test"
	echo 'void t(void) {}' > "$tree/tools/testing/selftests/lab-test/t.c"
	git -C "$tree" add -A
	git -C "$tree" -c user.name=t -c user.email=t@localhost commit -q \
		-m 'lab: Try absorb' -m 'A changelog.'
	run lab/absorb
	ok $rc "$BASE: absorb a new commit"
	grep -q 'lab-Try-absorb.patch tools/testing/selftests/lab-test/t.c' "patches/$BASE/series" &&
		[ -f linux/tools/testing/selftests/lab-test/t.c ]
	ok $? "$BASE: the change is a patch, the new file lives in linux/"
	rm -rf "patches/$BASE" linux
	cp -a "$scratch/before" "patches/$BASE"
	cp -a "$scratch/linux" linux
	rmdir --ignore-fail-on-non-empty linux
	run lab/tree
	[ $rc = 0 ] && [ "$(git -C "$tree" rev-parse 'series^{tree}')" = "$want" ]
	ok $? "$BASE: as it was"
	rm -rf "$scratch/before" "$scratch/linux"

	# In the middle of a change nothing is taken, and nothing lost
	git -C "$tree" checkout -q --detach series~
	run lab/absorb
	fails_with 1 "not on its branch series: git rebase --continue" "$BASE: absorb in a rebase"
	cp "$tree/.git/lab-composed" "$scratch/composed"
	rm "$tree/.git/lab-composed"
	run lab/tree
	fails_with 1 "not on its branch series: git rebase --continue" "$BASE: and make tree"
	mv "$scratch/composed" "$tree/.git/lab-composed"
	git -C "$tree" checkout -q series
	git -C "$tree" -c user.name=t -c user.email=t@localhost commit -q --allow-empty -m 'fixup! something'
	run lab/absorb
	fails_with 1 "belongs into another: git rebase -i --autosquash" "$BASE: absorb a commit which is not in its place"
	git -C "$tree" reset -q --hard series~
	patch=$(find "patches/$BASE" -type f -name '[0-9]*.patch' | sort | head -n 1)
	cp "$patch" "$scratch/patch"
	sed -i '3s/$/ More of it./' "$patch"
	run lab/absorb
	fails_with 1 "has changed since .* was composed of it, and that would be lost" "$BASE: absorb over a changed patch"
	cp "$scratch/patch" "$patch"
	run lab/tree
	[ $rc = 0 ] && [ "$(git -C "$tree" rev-parse 'series^{tree}')" = "$want" ]
	ok $? "$BASE: as it was, after all"
done
plan
