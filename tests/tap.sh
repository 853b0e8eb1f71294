# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash
#
# Sourced by the tests: TAP on standard output, a scratch directory that goes
# away, and what the tests ask of the lab.
#
# in:	BASES, BASE, OUT, TIER and CACHE, as make exports them; LEFT, the BASE:SIDE,... for
#	which MINUTES were not enough
# exit:	that of the test: 0 when every "ok" was printed and the plan was kept

set -uo pipefail
export LC_ALL=C
top=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
export BASE=${BASE:-6.1} TIER=${TIER:-make}
cd "$top" || exit 1
mkdir -p build
scratch=$(mktemp -d "$top/build/test.XXXXXX")
# What is in the background does not get the signals of a terminal
end_jobs()
{
	local jobs
	mapfile -t jobs < <(jobs -p)
	[ ${#jobs[@]} = 0 ] || { kill "${jobs[@]}"; wait; } 2> /dev/null
}
trap 'end_jobs; rm -rf "$scratch"' EXIT
n=0

# use BASE: its tree, kernels and boots from now on
use()
{
	export BASE=$1 OUT=$top/build/$1${LINUX:+-$(basename "$LINUX")}
}
read -r -a bases <<< "${BASES:-$BASE}"
use "${bases[0]}"

# in_tree COMMAND...: a git command in the tree of the series, by nobody in particular
in_tree() { git -C "$OUT/tree" -c user.name=lab -c user.email=lab@localhost "$@"; }

# sparse FROM TO PATTERN...: a clone of a tree which will have the files that the series
# changes, and those of the patterns, when something is checked out
sparse()
{
	git clone -q --shared --no-checkout "$1" "$2"
	{
		printf '%s\n' "${@:3}"
		git -C "$1" diff --name-only upstream series | sed 's|^|/|'
	} | git -C "$2" sparse-checkout set --no-cone --stdin
}

# qemus: the ids of the processes whose command line names this test's logs
qemus()
{
	# Processes go away meanwhile, which is no error
	{ grep -alE "^qemu.*$OUT/patched/logs" /proc/[0-9]*/cmdline 2> /dev/null || :; } | cut -d / -f 3
}

wait_for_qemu()
{
	for _ in $(seq 300); do
		sleep 0.2
		qemus | grep . && break
	done
}

# ok CONDITION-EXIT-CODE NAME: one result
ok()
{
	n=$((n + 1))
	if [ "$1" = 0 ]; then
		echo "ok $n - $2"
	else
		echo "not ok $n - $2"
		[ ! -s "$scratch/output" ] || sed 's/^/# /' "$scratch/output" | tail -n 20
	fi
}

skip() { n=$((n + 1)); echo "ok $n - $1 # SKIP $2"; }
plan() { echo "1..$n"; }

# is_left SIDE: for want of time that of BASE was neither built nor booted
is_left() { [[ " ${LEFT:-} " == *" $BASE:"?(*,)"$1"?(,*)" "* ]]; }
# skip_left NAME BASE: and so is that
skip_left() { skip "$1" "not begun within half of MINUTES; make test BASES=$2"; }

# run COMMAND...: run it with its output in $scratch/output; the exit code in $rc
run()
{
	rc=0
	"$@" > "$scratch/output" 2>&1 < /dev/null || rc=$?
}

# said PATTERN: the last run printed it, in one line
said() { grep -qE "$1" "$scratch/output"; }

# fails_with CODE PATTERN NAME: the last run failed that way
fails_with()
{
	[ "$rc" = "$1" ] && said "$2"
	ok $? "$3"
}
