#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# What make package writes: quilt makes the tree of the series from its patches, and
# dpkg-source, which applies them all, a source package of Debian's kernel.

. "$(dirname "$0")/tap.sh"

for base in "${bases[@]}"; do
	use "$base"
	real=$OUT OUT=$scratch/$base
	mkdir "$OUT"
	sparse "$real/tree" "$OUT/tree"
	git -C "$OUT/tree" checkout -q upstream

	run env LINUX="$real/tree" lab/package
	[ $rc = 0 ] && said 'the quilt series only' && [ "$(ls "$OUT/package")" = quilt ]
	ok $? "$BASE: make package LINUX="
	run env -C "$OUT/tree" QUILT_PATCHES="$OUT/package/quilt" QUILT_PC="$OUT/pc" quilt push -a
	ok $rc "$BASE: quilt applies it"
	git -C "$OUT/tree" add --sparse -A
	[ "$(git -C "$OUT/tree" write-tree)" = "$(git -C "$real/tree" rev-parse 'series^{tree}')" ]
	ok $? "$BASE: the tree is that of the series"
done

use "${bases[0]}"
real=$OUT OUT=$scratch/$BASE
cp "$real/source" "$OUT/"
run lab/package
ok $rc "$BASE: make package"
dsc=$(find "$OUT/package" -name '*.dsc')
tar -C "$scratch" -xf "${dsc%.dsc}.debian.tar.xz"
grep -q "^Version: .*+xen1$" "$dsc" && head -n 1 "$scratch/debian/changelog" | grep -q '+xen1) UNRELEASED;'
ok $? "$BASE: the version of the source package says what it is"
run diff <(sed 's|^|xen-nr-irqs/|' "$OUT/package/quilt/series") <(tail -n "$(wc -l < "$OUT/package/quilt/series")" \
	"$scratch/debian/patches/series")
ok $rc "$BASE: the series comes last in it"

# Of a tree that upstream, and so Debian, does not have
in_tree checkout -q -f upstream
echo '/* Not in the tarball. */' >> "$OUT/tree/kernel/irq/irqdesc.c"
in_tree commit -q -a -m 'Linux with one line more'
in_tree tag -f upstream > /dev/null
sed -i '$s/line/change/; $s/Not/Not at all/' "$OUT/tree/kernel/irq/irqdesc.c"
in_tree commit -q -a -m 'lab: Change what is not there' -m 'A changelog.'
in_tree branch -q -f series
run lab/package
fails_with 1 "no source package: .*(FAILED|dpkg-source: error).* log: " "a patch that does not apply to Debian's kernel"
[ ! -e "$OUT/package" ]
ok $? "and nothing half-made"
echo "$scratch/linux_6.1.0.orig.tar.xz" > "$OUT/source"
run lab/package
fails_with 1 "the index of $BASE has no Debian revision of linux_6.1.0.orig.tar.xz; rm .*/src/" \
	"a tarball which Debian does not have any longer"
plan
