#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# What bad input gets: a clear line, a non-zero exit, nothing half-made and no
# QEMU left.

. "$(dirname "$0")/tap.sh"

real=$OUT
export OUT=$scratch/out
mkdir -p "$OUT"

run make BASE=nonsense tree
fails_with 2 "no base 'nonsense'; there are: 6.1 6.12 mainline" "BASE=nonsense"
run env ENV=nonsense SIDE=patched lab/boot
fails_with 2 "no environment 'nonsense'; there are: native" "ENV=nonsense"
run env ENV=native SIDE=nonsense lab/boot
fails_with 2 "SIDE is base, patched, debug, kasan or kcsan" "SIDE=nonsense"
run env ENV=native+nonsense SIDE=patched lab/boot
fails_with 2 "no variation 'nonsense' of native" "ENV=native+nonsense"
run make ENV=native SIDE=patched VCPUS=many boot
fails_with 2 "VCPUS, ASK and LIMIT are numbers, not 'many'" "VCPUS=many, before anything is built"
run env ENV=native SIDE=patched RUN=irq-probe,nonsense lab/boot
fails_with 2 "RUN is a program of .*, not 'nonsense'" "RUN=nonsense"
run env ENV=dom0-pv SIDE=patched XEN=README.md lab/boot
fails_with 2 "XEN is a hypervisor in ELF format, which 'README.md' is not" "XEN=README.md"
run env LINUX=/nonexistent lab/tree
fails_with 1 "LINUX=/nonexistent is not a kernel tree" "LINUX=/nonexistent"

# Sources
run env CACHE="$scratch/cache" MIRROR=http://127.0.0.1:9/debian lab/fetch
fails_with 1 "cannot read http://127.0.0.1:9/debian: " "no network"
said "is there a network\? log: " && [ ! -e "$OUT/source" ]
ok $? "no network: asks for it, and no source"

lists=${CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/xen-irqs}/apt/$BASE/lists
mirror=$scratch/mirror
suites=$(awk -v n="$BASE" '$1 == n { print $2 }' bases)
for suite in ${suites//,/ }; do
	at=$mirror/dists/$suite
	[ "${suite%-security}" = "$suite" ] || at=$mirror-security/dists/$suite
	mkdir -p "$at"
	cp "$lists"/*_dists_"${suite}"_InRelease "$at/InRelease" 2>/dev/null
done
sed -i 's/^Origin: Debian$/Origin: Debiam/' "$mirror/dists/${suites%%,*}/InRelease"
run env CACHE="$scratch/cache" MIRROR="file://$mirror" lab/fetch
fails_with 1 "cannot read .*(not signed|signature|BADSIG)" "a wrong signature"

mkdir -p "$scratch/cache/src"
echo damaged > "$scratch/cache/src/linux_6.1.1.orig.tar.xz"
echo "$(printf '0%.0s' {1..64})  linux_6.1.1.orig.tar.xz" > "$scratch/cache/src/$BASE.sha256"
run env CACHE="$scratch/cache" MIRROR=http://127.0.0.1:9/debian lab/fetch
said "damaged, fetching it again: .*linux_6.1.1.orig.tar.xz" && [ "$rc" = 1 ] && [ ! -e "$OUT/source" ]
ok $? "a damaged tarball is not used"

# The host
mkdir "$scratch/bin"
printf '#!/bin/sh\nexit 1\n' > "$scratch/bin/dpkg-query"
chmod +x "$scratch/bin/dpkg-query"
printf '#!/bin/sh\necho 1000\n' > "$scratch/bin/id"
chmod +x "$scratch/bin/id"
run env PATH="$scratch/bin:$PATH" lab/deps
fails_with 1 "as root: apt-get update && apt-get install .* qemu-system-x86" "a package is missing, not root"
rm "$scratch/bin/dpkg-query"
for tool in bash dirname basename cat; do ln -s "$(command -v $tool)" "$scratch/bin/"; done
run env PATH="$scratch/bin" bash lab/deps
fails_with 1 "not a Debian system" "not Debian"

# The tree: upstream as it is, but for one line that a patch changes
upstream=$scratch/linux
sparse "$real/tree" "$upstream" /Kbuild /Makefile
git -C "$upstream" checkout -q upstream
sed -i 's/for_each_irq_desc(irq, desc)/for_each_irq_desc(nr, desc)/' "$upstream/include/linux/irqnr.h"
rm -rf "$upstream/.git"
run env LINUX="$upstream" lab/tree
fails_with 1 "genirq-Walk-only-.*\.patch does not apply to .*include/linux/irqnr.h" \
	"a patch that no longer applies: its name and the file"
[ "$(git -C "$OUT/tree" rev-parse series)" = "$(git -C "$OUT/tree" rev-parse upstream)" ]
ok $? "and no half of the series stays in the tree"
rm -rf "$OUT/tree"

full=$scratch/full
mkdir "$full"
if mount -t tmpfs -o size=20m none "$full" 2> /dev/null; then
	cp "$real/source" "$full/"
	run env OUT="$full" lab/tree
	fails_with 1 "cannot unpack .*: no space left on device; log: " "disk full"
	[ ! -e "$full/tree" ] && [ ! -e "$full/tree.new" ]
	ok $? "disk full: no half of a tree stays"
	umount "$full"
else
	skip "disk full" "no tmpfs can be mounted here"
fi

# The kernel
git clone -q --shared --no-checkout "$real/tree" "$OUT/tree"
echo 'CONFIG_NO_SUCH_SYMBOL=y' > "$scratch/nonsense.config"
run env SIDE=patched CONFIGS="$scratch/nonsense.config" lab/kernel
fails_with 1 "did not survive olddefconfig: CONFIG_NO_SUCH_SYMBOL=y" "a config symbol that did not survive"

echo 'broken here' >> "$OUT/patched/src/kernel/bounds.c"
git -C "$OUT/patched/src" -c user.name=t -c user.email=t@localhost commit -qam broken
git -C "$OUT/tree" update-ref refs/heads/series "$(git -C "$OUT/patched/src" rev-parse HEAD)"
run env SIDE=patched lab/kernel
fails_with 1 "the kernel does not build: .*kernel/bounds.c:.*error.*log: " "a kernel that does not build"
[ ! -e "$OUT/patched/bzImage" ]
ok $? "and no bzImage"

# The selftests: nothing is checked out
run lab/selftests
fails_with 1 "the selftests do not install: .*log: " "selftests that do not install"
[ ! -e "$OUT/selftests.cpio.gz" ]
ok $? "and nothing is installed"

# The boot
run env ENV=guest-hvm+debug SIDE=kasan lab/boot
fails_with 1 "no kernel .*/kasan/bzImage; make kernel SIDE=kasan BASE=$BASE" "no kernel"
mkdir "$OUT/kasan"
touch "$OUT/kasan/bzImage"
run env ENV=guest-hvm+debug SIDE=kasan lab/boot
fails_with 1 "no kernel .*/patched/bzImage; make kernel SIDE=patched BASE=$BASE" \
	"no kernel for a guest's domain 0"
cp "$real/selftests.cpio.gz" "$OUT/"
cp "$real"/patched/{bzImage,modules.cpio.gz} "$OUT/patched/"
run env ENV=native SIDE=patched KARGS="rdinit=/nonexistent init=/nonexistent" lab/boot
fails_with 3 "native: a splat: Kernel panic.*" "a kernel that panics"
run env ENV=native SIDE=patched KARGS="rdinit=/nonexistent init=/nonexistent panic=0" lab/boot
fails_with 3 "native: silent for a minute after a splat, ended" "a kernel that panics, and stands still"
run env ENV=native SIDE=patched KARGS=lab.shell LIMIT=10 lab/boot
fails_with 3 "native: still running after 10 s, ended" "a machine that hangs"
said "no verdict" && [ "$(cat "$OUT/patched/logs/native.verdict")" = error ]
ok $? "no verdict is an error"
run env ENV=native SIDE=patched RUN=irq-probe KARGS=sysctl.kernel.tainted=512 lab/boot
fails_with 3 "native: no verdict: Bail out! the kernel is tainted, 512" "a kernel that has warned, but not on the console"
run env ENV=native SIDE=patched RUN=irq-probe KARGS="printk.ignore_loglevel=0 loglevel=0" lab/boot
fails_with 3 "native: the console is not complete" "a console without the last words of the kernel"
run env ENV=guest-pv SIDE=patched KARGS="rdinit=/nonexistent init=/nonexistent" lab/boot
fails_with 3 "guest-pv: a splat: \(guest\).*Kernel panic" "a guest that panics"
run env ENV=native SIDE=patched XEN=/dev/null LIMIT=60 KARGS=panic=oops lab/boot
[ $rc = 0 ]
ok $? "no Xen, no use for XEN="
run env ENV=dom0-pv SIDE=patched XEN=/bin/true LIMIT=10 lab/boot
fails_with 1 "QEMU failed, exit 1: .*its command line: " "XEN= that is none"

env ENV=native SIDE=patched KARGS=lab.shell lab/boot > "$scratch/output" 2>&1 &
boot=$!
qemu=$(wait_for_qemu)
kill -TERM $boot
rc=0
wait $boot || rc=$?
sleep 1
[ $rc = 130 ] && [ -n "$qemu" ] && [ -z "$(qemus)" ]
ok $? "interrupted: exit 130, and no QEMU is left"
[ -z "$(find "$OUT/patched/logs" -name 'native.??????')" ]
ok $? "interrupted: nothing half-made is left"

mkdir -p "$OUT/empty"
run env OUT="$OUT/empty" lab/report
fails_with 1 "no verdict under" "a report of nothing"
run env OUT="$OUT/empty" TIER=stress lab/counts
fails_with 1 "nothing was booted under .*; make stress BASE=$BASE" "counts of nothing"
plan
