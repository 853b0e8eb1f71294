#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# Every script is clean under shellcheck, every file has its licence, no patch is there
# twice, every row of lab/variations is booted by something, and with the kernels that it needs.

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

while read -r base _; do
	for side in base patched debug kasan kcsan; do
		for tier in make test all stress bench scale; do
			BASE=$base lab/boots $side $tier
		done
	done
done < <(grep '^[^#]' bases) > "$scratch/booted"
awk '
	/^#/ || !NF { next }
	FILENAME == "lab/environments" { all = all $1 ","; next }
	FILENAME == "lab/variations" {
		n = split($4 == "all" ? all : $4, env, ",")
		for (i = 1; i <= n; i++)
			if (env[i] != "")
				row[env[i] "+" $1] = index("," all, "," env[i] ",")
		next
	}
	$1 in row { booted[$1] = 1 }
	END { for (r in row) if (!row[r] || !(r in booted)) print r }' \
	lab/environments lab/variations "$scratch/booted" > "$scratch/output"
[ ! -s "$scratch/output" ]
ok $? "lab/variations: something boots each row, in an environment that there is"

for patch in patches/*/[0-9]*.patch; do
	[ -L "$patch" ] || echo "$(sed '/^index /d; /^@@ /d' "$patch" | sha256sum | cut -c 1-16) $patch"
done | sort | awk '$1 == last { print $2 " is " patch } { last = $1; patch = $2 }' > "$scratch/output"
[ ! -s "$scratch/output" ]
ok $? "no patch is there twice, for two bases: one series names the other's"

# The domain 0 of a guest of SIDE=debug is that of SIDE=patched
for boot in guest-pv+debug dom0-pv+debug; do
	env -u MAKEFLAGS make -n SIDE=debug ENV=$boot boot | grep -cx lab/kernel
done > "$scratch/output" 2>&1
[ "$(paste -s "$scratch/output")" = 2$'\t'1 ]
ok $? "make boot SIDE=debug builds both kernels for a guest"

mkdir -p "$scratch"/{debug/logs,patched}
touch "$scratch"/{debug,patched}/bzImage "$scratch"/{selftests,guest}.cpio.gz \
	"$scratch"/debug/logs/{dom0,guest}-pv+debug.ktap
again()
{
	run make -n OUT="$scratch" ROOTFS="$scratch/guest.cpio.gz" \
		"$scratch"/debug/logs/{dom0,guest}-pv+debug.ktap
	sed -n 's/^SIDE=\([^ ]*\) ENV=\([^ ]*\) .*/\1 \2/p' "$scratch/output"
}
[ -z "$(again)" ] && touch "$scratch/patched/bzImage" && [ "$(again)" = "debug guest-pv+debug" ]
ok $? "a changed patched kernel boots the guests of SIDE=debug again"

plan
