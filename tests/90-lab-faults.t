#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# What happens around the lab, happens to it: a clear line and a non-zero exit, or a
# clean wait, and never a wrong result.

. "$(dirname "$0")/tap.sh"

real=$OUT cache=${CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/xen-irqs}
export OUT=$scratch/out
mkdir -p "$OUT/patched"
cp "$real/selftests.cpio.gz" "$OUT/"
cp "$real"/patched/{bzImage,modules.cpio.gz} "$OUT/patched/"

full=$scratch/full
mkdir "$full"
trap 'end_jobs; umount "$full" 2> /dev/null; rm -rf "$scratch"' EXIT

# wait_for_linux OUT: until it is booting there
wait_for_linux()
{
	until grep -aqs 'Linux version' "$1/patched/logs/native.log" || ! kill -0 $boot 2> /dev/null; do
		sleep 0.1
	done
}

# QEMU
env ENV=native SIDE=patched KARGS=lab.shell lab/boot > "$scratch/output" 2>&1 &
boot=$!
qemu=$(wait_for_qemu)
wait_for_linux "$OUT"
kill -KILL "$qemu"
rc=0
wait $boot || rc=$?
fails_with 1 "QEMU failed, exit 137: .*its command line: " "QEMU is killed: that is said"
[ -z "$(find "$OUT/patched/logs" -name 'native.[kv]*' -o -name 'native.??????')" ]
ok $? "QEMU is killed: no verdict, and nothing half-made"

# As by a terminal that is closed: each process has the signal, those that are about to end, too
cat > "$scratch/long" <<'EOF'
. lab/common.sh
status() { sleep 0.05; }
logged "$1" "a long command" status tail -f "$1"
EOF
groups=() hit=0
for i in {1..24}; do
	setsid bash "$scratch/long" "$scratch/log.$i" 2> /dev/null &
	groups+=($!)
done
sleep 4.9
for group in "${groups[@]}"; do
	! kill -TERM -- "-$group" || hit=$((hit + 1))
	sleep 0.01
done
for _ in {1..100}; do
	mapfile -t left < <(pgrep -f "$scratch/log")
	[ "${#left[@]}" != 0 ] || break
	sleep 0.1
done
[ "${#left[@]}" = 0 ] || kill -KILL "${left[@]}"
[ $hit = 24 ] && [ "${#left[@]}" = 0 ]
ok $? "24 groups of processes are ended at a sign of life: none is left"

# Two at once
env ENV=native SIDE=patched lab/boot > "$scratch/first" 2>&1 &
boot=$!
wait_for_qemu > /dev/null
run env ENV=native SIDE=patched lab/boot
wait $boot && [ $rc = 0 ] && said "waiting for another run that holds .*/logs/native.lock"
ok $? "two boots of one environment: one waits for the other"

# Whether the second boots, too: with a QEMU that ends when the second waits
mkdir "$scratch/bin"
cat > "$scratch/bin/qemu-system-x86_64" <<'EOF'
#!/bin/bash
scratch=$(dirname "$0")/..
echo booted >> "$scratch/booted"
for _ in {1..600}; do
	[ "$(wc -l < "$scratch/booted")" = 1 ] && ! grep -q waiting "$scratch/output" || break
	sleep 0.1
done
for ktap; do :; done
printf '1..1\nnot ok 1 stub\n# end\n' > "${ktap#file:}"
EOF
chmod +x "$scratch/bin/qemu-system-x86_64"
stub=(env "PATH=$scratch/bin:$PATH" ENV=native SIDE=patched)

# two FIRST SECOND FILE COMMAND...: lab/boot with the setting FIRST, and, while it boots, FILE
# is touched, and the command called with SECOND
two()
{
	: > "$scratch/booted"
	: > "$scratch/output"
	"${stub[@]}" "$1" lab/boot > "$scratch/first" 2>&1 &
	boot=$!
	until [ -s "$scratch/booted" ] || ! kill -0 $boot 2> /dev/null; do sleep 0.1; done
	touch "$3"
	run "${stub[@]}" "$2" "${@:4}"
	wait $boot
}
# boots TIMES CODE: it was booted so often, and the last run ended with this code
boots() { [ "$rc" = "$2" ] && [ "$(wc -l < "$scratch/booted")" = "$1" ]; }

two ASK= ASK= "$scratch/nothing" lab/boot
boots 1 1 && said "native: fail, booted by the other run"
ok $? "the same boot twice at once: it is booted once, and the other has its verdict"
run "${stub[@]}" lab/boot
boots 2 1
ok $? "and without the other it is booted again"
two ASK= ASK= "$scratch/nothing" make OUT="$OUT" "$OUT/patched/logs/native.ktap"
boots 1 0 && said "native: fail, booted by the other run"
ok $? "make does not take a boot for done that is not"
two ASK= ASK= "$OUT/patched/bzImage" lab/boot
boots 2 1 && said waiting
ok $? "a kernel that is built while the first boots is booted"
two ASK= ASK=5 "$scratch/nothing" lab/boot
boots 2 1 && said waiting
ok $? "a boot with ASK= is booted, whatever the other was"
two ASK=5 ASK= "$scratch/nothing" lab/boot
boots 2 1 && said waiting
ok $? "one with ASK= does not do for one without"

# make goes on after a boot that fails, but not without one
printf '#!/bin/sh\necho no machine >&2\nexit 1\n' > "$scratch/bin/qemu-system-x86_64"
touch "$OUT/patched/bzImage"
run "${stub[@]}" make OUT="$OUT" "$OUT/patched/logs/native.ktap"
fails_with 2 "QEMU failed, exit 1: no machine" "make ends where QEMU fails"

# As tests/60-broken.t builds, while make does
mkdir -p "$OUT/patched/src" "$scratch/broken/patched"
ln -s "$OUT/patched/src" "$scratch/broken/patched/src"
run flock "$OUT/patched/kernel.lock" env OUT="$scratch/broken" SIDE=patched timeout 5 lab/kernel
fails_with 124 "waiting for another run that holds .*/out/patched/kernel.lock" \
	"two kernels in one source: one waits for the other"

# Nothing is left to build and boot of this tier
if [ "$(lab/boots base "$TIER")" ]; then
	make TIER=make > "$scratch/first" 2>&1 &
	first=$!
	run make TIER=make
	wait $first && [ $rc = 0 ] && diff <(grep -v : "$scratch/first") <(grep -v : "$scratch/output") > "$scratch/diff" &&
		said '^dom0-pv .*pass'
	ok $? "two make at once: both end well, with the same table"
else
	skip "two make at once" "make $TIER builds no base side of $BASE"
fi

upstream=$scratch/linux
sparse "$real/tree" "$upstream" /Kbuild /Makefile
git -C "$upstream" checkout -q upstream
env LINUX="$upstream" lab/tree > "$scratch/first" 2>&1 &
first=$!
run env LINUX="$upstream" lab/tree
wait $first && [ $rc = 0 ] &&
	[ "$(git -C "$OUT/tree" rev-parse 'series^{tree}')" = "$(git -C "$real/tree" rev-parse 'series^{tree}')" ]
ok $? "two that compose one tree: both find it whole"
[ "$(cat "$scratch/first" "$scratch/output" | grep -c composing)" = 1 ]
ok $? "and it was composed once"

# Ended in its middle: there are some of the commits, not yet all
all=$(git -C "$OUT/tree" rev-list --count upstream..series)
echo older > "$OUT/tree/.git/lab-composed"
git -C "$OUT/tree" rev-parse series >> "$OUT/tree/.git/lab-composed"
env LINUX="$upstream" lab/tree > "$scratch/first" 2>&1 &
first=$!
until commits=$(git -C "$OUT/tree" rev-list --count upstream..series) &&
	[ "$commits" -gt 2 ] && [ "$commits" -lt "$all" ] || ! kill -0 $first 2> /dev/null; do :; done
kill -KILL $first
wait $first || :
run env LINUX="$upstream" lab/absorb
fails_with 1 "is not composed to its end; make tree" "a composition is killed: absorb takes nothing"
run env LINUX="$upstream" lab/tree
[ $rc = 0 ] && [ "$(git -C "$OUT/tree" rev-parse 'series^{tree}')" = "$(git -C "$real/tree" rev-parse 'series^{tree}')" ]
ok $? "make tree makes it whole"
[ -z "$(find "$OUT" -maxdepth 1 -name 'compose.*')" ]
ok $? "and nothing is left of the first"
rm -rf "$OUT/tree"

# The disk
if mount -t tmpfs -o size=20m none "$full" 2> /dev/null; then
	mkdir "$full/patched"
	cp "$OUT/patched/bzImage" "$OUT/patched/modules.cpio.gz" "$full/patched/"
	cp "$OUT/selftests.cpio.gz" "$full/"
	run env OUT="$full" ENV=dom0-pv SIDE=patched lab/boot
	fails_with 1 "cannot make the initial RAM disk: no space left on device" "disk full: a boot"
	[ -z "$(find "$full/patched/logs" -name '*.verdict' -o -name 'dom0-pv.??????')" ]
	ok $? "disk full: no verdict, and nothing half-made"
	rm -rf "${full:?}"/*
	git clone -q --shared --no-checkout "$real/tree" "$full/tree"
	run env OUT="$full" SIDE=patched lab/kernel
	fails_with 1 "cannot check out series: no space left on device; log: " "disk full: a kernel"
	[ ! -e "$full/patched/src" ] && [ ! -e "$full/patched/bzImage" ]
	ok $? "disk full: no half of its source stays"
	rm -rf "${full:?}"/*
	cp -a lab bench "$full/"
	run "$full/lab/rootfs"
	fails_with 1 "cannot pack .*: no space left on device; log: " "disk full: dom0's root file system"
	[ ! -e "$full/build/xen/dom0.cpio.gz" ]
	ok $? "disk full: no half of it stays"
	rm -rf "${full:?}"/*
	mount -o remount,size=100m "$full"
	cp -r "$OUT/patched" "$OUT/selftests.cpio.gz" "$full/"
	rm -rf "$full/patched/logs"
	env OUT="$full" ENV=native SIDE=patched lab/boot > "$scratch/output" 2>&1 &
	boot=$!
	wait_for_linux "$full"
	cat /dev/zero > "$full/fill" 2> /dev/null
	rc=0
	wait $boot || rc=$?
	fails_with 1 "cannot keep .*: no space left on device; console: " \
		"the disk becomes full while Linux boots"
	[ -z "$(find "$full/patched/logs" -name 'native.[kv]*' -o -name 'native.??????')" ]
	ok $? "no verdict, and nothing half-made"
	umount "$full"
else
	skip "disk full" "no tmpfs can be mounted here"
fi

# What is in the cache
mkdir "$scratch/cache"
tar=$(find "$cache" -maxdepth 1 -name 'dom0-*.tar' -printf '%T@ %p\n' | sort -n | sed -n '$s/^[^ ]* //p')
cp "$tar" "$tar.sha256" "$scratch/cache/"
truncate -s -1 "$scratch/cache/$(basename "$tar")"
mkdir "$scratch/repo"
cp -a lab bench "$scratch/repo/"
run env CACHE="$scratch/cache" http_proxy=http://127.0.0.1:9 https_proxy=http://127.0.0.1:9 "$scratch/repo/lab/rootfs"
fails_with 1 "mmdebstrap failed: .*" "a damaged root file system, and no network to make it again"
said "damaged, making it again: .*/dom0-.*\.tar" && [ ! -e "$scratch/repo/build/xen/dom0.cpio.gz" ] &&
	[ ! -e "$scratch/cache/$(basename "$tar")" ]
ok $? "it is not used, and does not stay"

# The network: a mirror that has the index as it is in the cache, and half of the tarball
tarball=$(awk '{ print $2 }' "$cache/src/$BASE.sha256")
cat > "$scratch/mirror.py" <<'EOF'
import http.server, os, sys
lists, tarball, port_file = sys.argv[1:4]
class Mirror(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        name = self.path.split("/dists/")[-1].replace("/", "_")
        index = [f for f in os.listdir(lists) if f.endswith("_dists_" + name)]
        path = os.path.join(lists, index[0]) if index else \
            tarball if self.path.endswith(os.path.basename(tarball)) else None
        if not path:
            self.send_error(404)
            return
        data = open(path, "rb").read()
        self.send_response(200)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data if index or os.path.exists(port_file + ".whole") else data[:len(data) // 2])
    def log_message(self, *args):
        pass
server = http.server.HTTPServer(("127.0.0.1", 0), Mirror)
with open(port_file + ".new", "w") as f:
    f.write(str(server.server_port))
os.rename(port_file + ".new", port_file)
server.serve_forever()
EOF
python3 "$scratch/mirror.py" "$cache/apt/$BASE/lists" "$cache/src/$tarball" "$scratch/port" 2> "$scratch/mirror.log" &
for _ in $(seq 600); do
	[ ! -e "$scratch/port" ] || break
	sleep 0.1
done
port=$(cat "$scratch/port")
lists=$scratch/cut/apt/$BASE/lists
mkdir -p "$lists"
for f in "$cache/apt/$BASE/lists"/*_dists_*; do
	name=$(basename "$f") root=debian
	case $name in *-security_*) root=debian-security ;; esac
	cp -p "$f" "$lists/127.0.0.1:${port}_${root}_dists_${name#*_dists_}"
done
run env CACHE="$scratch/cut" MIRROR="http://127.0.0.1:$port/debian" no_proxy=127.0.0.1 lab/fetch
fails_with 1 "cannot fetch $tarball: E: .*log: " "the network is cut in the middle of a tarball"
[ ! -e "$OUT/source" ] && [ ! -e "$scratch/cut/src/$tarball" ] && [ ! -e "$scratch/cut/src/$BASE.sha256" ]
ok $? "it is not taken for a tarball"
touch "$scratch/port.whole"
run env CACHE="$scratch/cut" MIRROR="http://127.0.0.1:$port/debian" no_proxy=127.0.0.1 lab/fetch
[ $rc = 0 ] && cmp -s "$cache/src/$tarball" "$(cat "$OUT/source")"
ok $? "with the network back it is whole"
plan
