#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# Kernels that are broken on purpose fail exactly the assertions that their patches
# name; and a kernel that is built twice, in two places, is the same.

. "$(dirname "$0")/tap.sh"

[[ " ${bases[*]} " = *" 6.1 "* ]] || {
	skip "a broken kernel" "tests/broken*.patch are for 6.1"
	plan
	exit
}
use 6.1
real=$OUT
export SIDE=patched

if [ "$TIER" = all ]; then
	export OUT=$scratch/again
	git clone -q --shared --no-checkout "$real/tree" "$OUT/tree"
	run lab/kernel
	ok $rc "the patched kernel, built once more"
	run cmp "$real/patched/bzImage" "$OUT/patched/bzImage"
	ok $rc "it is the same bzImage"
	use 6.1
else
	skip "the patched kernel, built once more" "for make test-all"
fi

# broken_kernel SIDE PATCH: the series with the patch, in $OUT/SIDE, built where the side
# itself was, so that only what is broken is built again
broken_kernel()
{
	use 6.1
	export GIT_INDEX_FILE=$scratch/index
	in_tree read-tree series
	run in_tree apply --cached "$top/$2"
	ok $rc "$2 applies"
	broken=$(in_tree commit-tree -m broken -p series "$(in_tree write-tree)")
	unset GIT_INDEX_FILE

	export SIDE=$1 OUT=$scratch/$1
	git clone -q --shared --no-checkout "$real/tree" "$OUT/tree"
	in_tree update-ref refs/heads/series "$broken"
	mkdir "$OUT/$1"
	ln -s "$real/$1/src" "$OUT/$1/src"
	run lab/kernel
	ok $rc "it builds"
	flock "$real/$1/kernel.lock" git -C "$real/$1/src" checkout -q -f --detach series
}

broken_kernel patched tests/broken.patch

# breaks BOOT OUTPUT: it fails what the patches say, and nothing else
breaks()
{
	sed -n "s/^breaks: $1 \([^[:space:]]*\).*/\1/p" tests/broken*.patch | sort > "$scratch/want"
	sed -n 's/^not ok [0-9]* //p' "$2/logs/$1.ktap" | sort > "$scratch/have"
	run diff -u "$scratch/want" "$scratch/have"
	ok $rc "$1 fails what it should, and nothing else"
}

run env ENV=dom0-pv ASK=1200 RUN=irq-probe lab/boot
ok $((rc != 1)) "it boots as dom0-pv, and fails"
breaks dom0-pv "$OUT/patched"
if [ "$TIER" = all ]; then
	# The domain 0 of a guest of SIDE=debug is that of SIDE=patched
	export guests=$scratch/guests
	mkdir -p "$guests"/{debug,patched}
	ln -s "$OUT"/patched/{bzImage,modules.cpio.gz} "$guests/debug/"
	ln -s "$real/patched/bzImage" "$guests/patched/"
	printf '%s\n' guest-pv+exhaust guest-pv+memory-short > "$scratch/boots"
	# shellcheck disable=SC2016	# for the shells of xargs
	run xargs -a "$scratch/boots" -n 1 -P 2 sh -c 'OUT=$guests SIDE=debug LIMIT=1800 ENV=$0 lab/boot; [ $? = 1 ]'
	ok $rc "it boots as guest-pv+exhaust and guest-pv+memory-short, and fails"
	breaks guest-pv+exhaust "$guests/debug"
	breaks guest-pv+memory-short "$guests/debug"

	run env SIDE=debug OUT="$real" lab/kernel
	ok $rc "the kernel of SIDE=debug builds"
	broken_kernel debug tests/broken-debug.patch
	mkdir "$OUT/patched"
	ln -s "$real/patched/bzImage" "$OUT/patched/"
	# A leak is a splat: 3
	while read -r code boot ask programs <&3; do
		run env ENV="$boot" ASK="$ask" RUN="$programs" lab/boot
		ok $((rc != code)) "it boots as $boot, and fails"
		breaks "$boot" "$OUT/debug"
	done 3<<-EOF
	3 dom0-pv+debug-suspend 1000 suspend,checkers
	1 dom0-pv+debug-stress 2000 evtchn-stress
	1 dom0-pv+debug-faults 0 bind-faults
	1 guest-pv+debug-saved 100 across-resume
	1 dom0-pv+fuzz 10000 evtchn-fuzz
	EOF
else
	skip "it boots as guest-pv+exhaust and guest-pv+memory-short" "for make test-all"
	skip "a broken kernel of SIDE=debug" "for make test-all"
fi
plan
