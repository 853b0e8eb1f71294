#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# The round trip: make send mails the series through a real mail server on loopback;
# what is read back from the mailbox becomes the same tree, with git am and with b4.

. "$(dirname "$0")/tap.sh"

# The programs in a repository of their own, which has sent nothing yet
repo=$scratch/repo
mkdir "$repo"
cp -a lab patches bases "$repo/"

box=$scratch/box
port=$(python3 -c 'import socket; s = socket.create_server(("127.0.0.1", 0)); print(s.getsockname()[1])')
aiosmtpd -n -c aiosmtpd.handlers.Mailbox "$box" -l "127.0.0.1:$port" > "$scratch/server.log" 2>&1 &
for ((i = 0; i < 100; i++)); do
	! : 2> /dev/null < "/dev/tcp/127.0.0.1/$port" || break
	sleep 0.1
done

# The sender has a name beyond ASCII, and git nothing else to go by
name='Jörg Übermäßig' mail=joerg@lab.example
printf '[user]\n\tname = %s\n\temail = %s\n[sendemail]\n\tsmtpServer = 127.0.0.1\n\tsmtpServerPort = %s\n' \
	"$name" "$mail" "$port" > "$scratch/gitconfig"
export GIT_CONFIG_GLOBAL=$scratch/gitconfig GIT_CONFIG_NOSYSTEM=1

# tree FROM TO: a clone with what get_maintainer.pl knows a kernel tree by
tree()
{
	sparse "$1" "$2" '/*' '!/*/' /scripts/
	git -C "$2" checkout -q -B series "$(git -C "$1" rev-parse series)"
	(cd "$2" && mkdir -p arch Documentation drivers fs include init ipc kernel lib)
}

# Half of it is empty after a send, or what was sent before
fresh() { rm -rf "$box"/new/* "$scratch/am"; }
really() { run env REALLY=1 LINUX="$scratch/am" "$@" "$repo/lab/send"; }
mails() { find "$box/new" -type f | sort -V; }

# Where a maintainer is: upstream
maintainer()
{
	rm -rf "$scratch/am"
	tree "$OUT/tree" "$scratch/am"
	git -C "$scratch/am" checkout -q -B master upstream
}
am() { run git -C "$scratch/am" -c user.name=maintainer -c user.email=m@lab.example am -q "$@"; }

# identical WHAT: what was applied is the series, by its sender
identical()
{
	[ "$rc" = 0 ] && [ "$(git -C "$scratch/am" rev-parse 'master^{tree}')" = "$(in_tree rev-parse 'series^{tree}')" ]
	ok $? "$BASE: $1: the tree is identical"
	[ "$(git -C "$scratch/am" log --format='%an <%ae>%n%(trailers:key=Signed-off-by,valueonly,separator=;)' upstream..master |
		sort -u)" = "$name <$mail>" ]
	ok $? "$BASE: $1: author and sign-off are the sender's"
}

# b4_am WHAT: the same with b4, which wants an mbox, the cover letter's id and, as
# version 0.12 is not up to Python 3.11.2, headers of one line each
b4_am()
{
	local cover
	maintainer
	cover=$(sed -n 's/^Message-I[dD]: <\(.*\)>/\1/p' "$(mails | head -n 1)" | head -n 1)
	mails | while read -r file; do
		printf 'From lab Thu Jan  1 00:00:00 1970'
		awk '/^$/ { body = 1 } !(/^[ \t]/ && !body) { print "" } { sub(/^From /, ">&"); printf "%s", $0 } END { print "\n" }' "$file"
	done > "$scratch/mbox"
	rm -rf "$scratch/b4"
	mkdir "$scratch/b4"
	(cd "$scratch/am" && b4 --offline-mode am -C -m "$scratch/mbox" -o "$scratch/b4" "$cover") > "$scratch/b4.log" 2>&1 ||
		cat "$scratch/b4.log"
	am "$scratch"/b4/*.mbx
	identical "$1"
}

for base in "${bases[@]}"; do
	use "$base"
	! is_left patched || { skip_left "$BASE: make send" "$BASE"; continue; }
	real=$OUT OUT=$scratch/$base
	tree "$real/tree" "$OUT/tree"
	patches=$(in_tree rev-list --count upstream..series)

	fresh
	maintainer
	really
	ok $rc "$BASE: make send"
	[ "$(mails | wc -l)" = $((patches + 1)) ]
	ok $? "$BASE: the mailbox has $patches patches and a cover letter"
	grep -L '^Cc: .*linux-kernel@vger.kernel.org\|^	linux-kernel@vger.kernel.org' "$box"/new/* > "$scratch/output"
	[ ! -s "$scratch/output" ]
	ok $? "$BASE: every mail goes to linux-kernel"
	cover=$(mails | head -n 1)
	sed '/^$/q' "$cover" > "$scratch/header"
	for list in x86@kernel.org xen-devel@lists.xenproject.org linux-doc@vger.kernel.org \
		linux-kselftest@vger.kernel.org linux-fsdevel@vger.kernel.org tglx; do
		grep -q "$list" "$scratch/header"
		ok $? "$BASE: the cover letter goes to $list"
	done
	grep -qx "base-commit: $(in_tree rev-parse upstream)" "$cover"
	ok $? "$BASE: it has the base-commit"
	am --empty=drop "$box"
	identical "git am"
	b4_am "b4 am"
done

# Sent before
use "${bases[0]}"
OUT=$scratch/$BASE
really
fails_with 1 "version 1 has been sent: it is .*/sent/$BASE/v1; V=2" "the same version a second time"
run env V=3 "$repo/lab/send"
fails_with 1 "version 2 of $BASE has not been sent from here" "a version without the one before"

# For what follows two patches are enough
in_tree reset -q --hard "$(in_tree rev-list --reverse upstream..series | sed -n 2p)"
rm -r "$repo/sent/$BASE"
fresh
maintainer
really
ok $rc "version 1, in two patches"

# A second version, with lines that are too long for a mail
file=kernel/irq/irqdesc.c
printf '/* %s */\n' "$(printf 'ä%.0s' {1..1500})" >> "$OUT/tree/$file"
in_tree commit -q -m 'lab: Write a long line' -m 'With umlauts: äöü.' "$file"
fresh
maintainer
really V=2 RFC=1
ok $rc "version 2, RFC"
rm -rf "$repo/sent/$BASE/v2"
cover=$(mails | head -n 1)
grep -q '^Subject: \[RFC PATCH v2 0/3\]' "$cover"
ok $? "its subject says so"
grep -q '^Range-diff against v1:$' "$cover" && grep -q '^ *-: *-* > .*lab: Write a long line' "$cover"
ok $? "its range-diff has what is new"
am --empty=drop "$box"
identical "long lines"

# The same with b4, which sends lines as they are: too long is too long
in_tree reset -q --hard HEAD~1
sed -i '$a /* äöü */' "$OUT/tree/$file"
in_tree commit -q -m 'lab: Write a line' -m 'With umlauts: äöü.' "$file"
fresh
maintainer
really V=2 SEND=b4
ok $rc "SEND=b4"
cover=$(mails | head -n 1)
grep -q '^Subject: \[PATCH v2 0/3\]' "$cover" && grep -q '^ *-: *-* > .*lab: Write a line' "$cover"
ok $? "SEND=b4: version and range-diff"
# git takes the diffstat of b4's cover letter for a broken patch
mapfile -t files < <(mails | tail -n +2)
am "${files[@]}"
identical "SEND=b4"
b4_am "SEND=b4, b4 am"

# What is not sent
fresh
maintainer
run "$repo/lab/send"
[ $rc = 0 ] && said 'nothing was sent' && said "base-commit is the lab's import" && [ ! "$(mails)" ]
ok $? "a dry run sends nothing"
run env REALLY=1 V=3 "$repo/lab/send"
fails_with 1 "base-commit would be known here only: LINUX=" "REALLY=1 without a tree that others have"
git -C "$scratch/am" -c user.name=m -c user.email=m@lab.example commit -q --allow-empty -m 'Mine alone'
really V=3
fails_with 1 "base-commit would be known here only: LINUX=" "and with a commit that the others do not have"
maintainer
run env REALLY=no "$repo/lab/send"
fails_with 2 "REALLY is 1 or not there, not 'no'" "REALLY=no"
run env RFC=0 "$repo/lab/send"
fails_with 2 "RFC is 1 or not there, not '0'" "RFC=0"
run env SEND=carrier-pigeon "$repo/lab/send"
fails_with 2 "SEND is git or b4, not 'carrier-pigeon'" "SEND=carrier-pigeon"
run env V=two "$repo/lab/send"
fails_with 2 "not 'two'" "V=two"
run env GIT_CONFIG_COUNT=1 GIT_CONFIG_KEY_0=user.email GIT_CONFIG_VALUE_0=me@localhost "$repo/lab/send"
fails_with 1 "cannot send: error: unable to extract a valid address" "an address that git refuses"
export GIT_CONFIG_COUNT=2 GIT_CONFIG_KEY_0=user.name GIT_CONFIG_VALUE_0='' GIT_CONFIG_KEY_1=user.email GIT_CONFIG_VALUE_1=''
run "$repo/lab/send"
[ $rc = 0 ] && said 'user.email are not set: no sign-off' && [ ! "$(mails)" ]
ok $? "an empty git configuration: the dry run says that nothing is signed off"
really V=3
fails_with 1 "it is not signed off: git config" "and REALLY=1 refuses"
unset GIT_CONFIG_COUNT
end_jobs
really V=3
fails_with 1 "cannot send: .* log: " "no mail server"
[ ! -e "$repo/sent/$BASE/v3" ] && [ ! "$(mails)" ]
ok $? "and nothing is recorded as sent"
plan
