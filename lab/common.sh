# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash
#
# Sourced by the programs of the lab: strict mode, messages, locks, and commands
# that run with their output in a log and a sign of life on the terminal.
#
# in:	V=1 shows the commands and their output
#	CACHE, the directory of downloads, and of what lab/check keeps
# exit:	1 a step failed, 2 it was called wrongly, 130 it was interrupted

set -euo pipefail
export LC_ALL=C

top=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
me=$(basename "$0")
# shellcheck disable=SC2034	# used by the programs that source this file
cache=${CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/xen-irqs}
# shellcheck disable=SC2034
build=$top/build

say() { printf '%s: %s\n' "$me" "$*" >&2; }
die() { say "$*"; exit 1; }
usage() { say "usage: $me $*"; exit 2; }

# The fragments that every kernel of BASE is configured with
base_fragments()
{
	echo "$top/lab/kernel.config"
	[ ! -f "$top/lab/kernel.config.${BASE:?}" ] || echo "$top/lab/kernel.config.$BASE"
}

# lock NAME: wait for other runs in this clone (or with this cache) that do the same; if
# there was one, waited is 1
waited=
# shellcheck disable=SC2034	# used by the programs that source this file
lock()
{
	mkdir -p "$(dirname "$1")"
	exec 9> "$1.lock"
	flock -n 9 && return
	say "waiting for another run that holds $1.lock"
	flock 9
	waited=1
}

# Kill what was started in the background, by its id, however this program ends.
child='' sleeper=
# shellcheck disable=SC2317	# called by the traps
reap()
{
	# A shell that was forked to become sleep may have the traps yet, which it must not run
	[ -z "$sleeper" ] || { kill -KILL "$sleeper" && wait "$sleeper"; } 2>/dev/null || :
	sleeper=
	[ -n "$child" ] || return 0
	kill -TERM -- "-$child" 2>/dev/null || kill -TERM "$child" 2>/dev/null || :
	wait "$child" 2>/dev/null || :
	# A make that has had a signal can wait for ever for its own children
	for _ in {1..20}; do kill -0 -- "-$child" 2>/dev/null || break; sleep 0.1 9>&-; done
	kill -KILL -- "-$child" 2>/dev/null || :
	child=
}
trap reap EXIT
# Once: make passes a signal on that the whole group has had, and it would end reap
trap 'trap "" INT TERM HUP; exit 130' INT TERM HUP

# logged LOG WHAT STATUS COMMAND...: run the command with its output in LOG, and
# say every 5 seconds how far it is, with what the function STATUS prints.
logged()
{
	local logfile=$1 what=$2 status=$3 start=$SECONDS ended='' rc
	shift 3
	mkdir -p "$(dirname "$logfile")"
	[ "${V:-}" != 1 ] || say "+ $*"
	say "$what ..."
	set -m
	"$@" > "$logfile" 2>&1 < /dev/null 9>&- &
	child=$!
	set +m
	while :; do
		sleep 5 9>&- &
		sleeper=$! rc=0
		wait -n -p ended "$child" "$sleeper" || rc=$?
		[ "$ended" != "$child" ] || break
		say "$what: $((SECONDS - start)) s $($status "$logfile" || :)"
	done
	child=
	reap
	[ "${V:-}" != 1 ] || cat "$logfile" >&2
	return "$rc"
}

# why LOG: what a command that failed said last
why()
{
	if [ "$(df -k --output=avail "$(dirname "$1")" | tail -n 1)" -lt 1024 ]; then
		echo "no space left on device"
	else
		last_line "$1"
	fi
}

# first_error LOG: what failed first in a log of make; a file that is called str_error_r.o is not it
first_error() { grep -m 1 -E '[Ee]rror: |ERROR: |\*\*\* .*Error|No space|undefined' "$1" || why "$1"; }

last_line() { tail -n 1 "$1" | tr -cd '[:print:]' | cut -c 1-60; }

# on_series TREE: nobody is at work in it, and what is seen there is its branch series
on_series()
{
	[ "$(git -C "$1" symbolic-ref -q --short HEAD)" = series ] ||
		die "$1 is not on its branch series: git rebase --continue or --abort, git switch series"
	[ -z "$(git -C "$1" status --porcelain --untracked-files=no)" ] ||
		die "$1 has uncommitted changes; commit or drop them first"
}

# own_patches DIRECTORY: a sum of the patches that are its own, not another base's
own_patches() { find "$1" -type f -name '[0-9]*.patch' -print0 | sort -z | xargs -0 cat /dev/null | sha256sum; }

# set_mirrors: set mirror and security to MIRROR and MIRROR-security, or to those
# that the machine's own apt uses
# shellcheck disable=SC2034	# used by the programs that source this file
set_mirrors()
{
	# shellcheck disable=SC2016	# a format of apt
	local uris='$(REPO_URI)'
	uris=$(apt-get indextargets --format "$uris" | sed 's|/$||')
	mirror=${MIRROR:-$(awk '/\/debian$/ && !n++' <<< "$uris")}
	[ "$mirror" ] || die "apt knows no Debian mirror: apt-get update, or MIRROR=http://.../debian"
	security=$mirror-security
	[ "${MIRROR:-}" ] || security=$(awk -v s="$security" '/\/debian-security$/ { s = $0 } END { print s }' <<< "$uris")
}

# out_of BASE: where its results are, or those of a kernel tree of one's own
out_of() { echo "$build/$1${LINUX:+-$(basename "$LINUX")}"; }

# base_row NAME: set base_suites, base_pattern, base_verified, base_test and base_stress from the file bases
base_row()
{
	local row
	row=$(awk -v n="$1" '!/^#/ && $1 == n' "$top/bases")
	[ -n "$row" ] || {
		say "no base '$1'; there are: $(awk '!/^#/ && NF { printf "%s ", $1 }' "$top/bases")"
		exit 2
	}
	# shellcheck disable=SC2034
	read -r _ base_suites base_pattern base_verified base_test base_stress <<< "$row"
}
