#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# make check has nothing to say about the series of any base, and it finds every
# kind of fault that it looks for: in throwaway commits, each with one of them.

. "$(dirname "$0")/tap.sh"

[ "$TIER" = all ] || TIER='test'
# Half of what it does uses one CPU only
declare -A check
for base in "${bases[@]}"; do
	use "$base"
	! is_left patched || { skip_left "$BASE: check" "$BASE"; continue; }
	lab/check > "$scratch/$BASE" 2>&1 < /dev/null &
	check[$base]=$!
done
for base in "${bases[@]}"; do
	use "$base"
	[ "${check[$base]:-}" ] || continue
	rc=0
	wait "${check[$base]}" || rc=$?
	cp "$scratch/$BASE" "$scratch/output"
	ok $rc "$BASE: check"
	# What was skipped, and why, is part of the result
	sed -n 's/^| \([^ ]*\) .* \(skipped: .*\) |$/# \1 \2/p' "$OUT/check/report.md"
done

use "${bases[0]}"
git clone -q --shared --no-checkout "$OUT/tree" "$scratch/out/tree"
export OUT=$scratch/out GIT_INDEX_FILE=$scratch/index
in_tree read-tree upstream
head=$(in_tree rev-parse upstream)
file=kernel/irq/resend.c
in_tree show "upstream:$file" > "$scratch/resend.c"

# add FILE: what comes in is added to the end of the file
add()
{
	local blob
	cat >> "$scratch/$(basename "$1")"
	blob=$(in_tree hash-object -w --stdin < "$scratch/$(basename "$1")")
	in_tree update-index --add --cacheinfo "100644,$blob,$1"
}

# commit SUBJECT: what was added since the one before
commit()
{
	head=$(printf '%s\n\nA changelog of one line.\n' "$1" | in_tree commit-tree "$(in_tree write-tree)" -p "$head")
	in_tree update-ref refs/heads/series "$head"
}

add $file <<< '
static int lab_upstream;'
commit 'Linux with an unused variable'
in_tree tag -f upstream series > /dev/null
# Upstream's own finding moves
sed -i 1G "$scratch/resend.c"
add $file <<< '
/* Nothing wrong. */'
commit 'lab: good'
add $file <<< '
/* At the end of this line there is a space. */ 

static int lab_unused;

int lab_checkpatch( int i );

int lab_sparse(int __user *p);
int lab_sparse(int __user *p)
{
	return *p;
}

/**
 * lab_doc() - Document half of it
 * @one: documented
 *
 * Return: 0
 */
int lab_doc(int one, int two);
int lab_doc(int one, int two)
{
	return 0;
}

void lab_i386(void);
void lab_i386(void)
{
	pr_info("%lu\n", sizeof(int));
}

int lab_coccinelle(int i);
int lab_coccinelle(int i)
{
	switch (i) {
	default:
		i++;
	};
	return i;
}'
commit 'lab: faulty'
add $file <<< '
int lab_broken(void);
int lab_broken(void)
{
	return lab_missing;
}'
commit 'lab: broken'
sed -i s/lab_missing/0/ "$scratch/resend.c"
add $file < /dev/null
commit 'lab: mended'
add lab/nobody.txt <<< 'Nobody.'
add lab/alone.c <<< '// SPDX-License-Identifier: GPL-2.0'
commit 'lab: strange'
doc=Documentation/pcmcia/driver.rst
for last in $doc MAINTAINERS; do in_tree show "upstream:$last" > "$scratch/$(basename "$last")"; done
add $doc <<< '
===  ====
one  column too many
===  ====

.. nonsense::'
add MAINTAINERS <<< '
AAA LAB
S:	Orphan
F:	lab/'
commit 'lab: documented'
unset GIT_INDEX_FILE

tab=$'\t'
cat > "$scratch/rows" <<-EOF
x86_64${tab}test${tab}directories${tab}x86_64${tab}gcc${tab}C=1${tab}64BIT=y
i386${tab}test${tab}directories${tab}i386${tab}gcc${tab}-${tab}64BIT=n
refused${tab}test${tab}directories${tab}x86_64${tab}gcc${tab}-${tab}X86_IO_APIC=n
EOF
export TIER=all ROWS=$scratch/rows COCCI=$OUT/check/src/scripts/coccinelle/misc/semicolon.cocci
run lab/check
[ $rc = 1 ] && said "^\\| coverage "
ok $? "check fails"
cp "$scratch/output" "$scratch/report"
finds()
{
	cp "$scratch/report" "$scratch/output"
	said "^- $1: \"lab: $2\": $3.* \(log: /"
	ok $? "$1 finds, in the commit '$2': $3"
}
finds x86_64 faulty "$file:[0-9]+:.*lab_unused"
finds x86_64 faulty "$file:[0-9]+:.*noderef"
finds kernel-doc faulty ".*two"
finds i386 faulty "$file: include/.*format"
finds x86_64 broken "$file:[0-9]+:.*error: .*lab_missing"
finds coccicheck faulty "$file:[0-9]+:.*semicolon"
finds whitespace faulty "$file:[0-9]+: trailing whitespace"
finds maintainers strange ".*nobody for lab/alone.c lab/nobody.txt"
finds checkpatch faulty "$file:[0-9]+: ERROR: space prohibited"
said '^- coverage: .*: no row of .* builds lab/alone.c'
ok $? "coverage finds a file that no row builds"
said "^- htmldocs: the series: $doc:[0-9]+: ERROR: "
ok $? "htmldocs finds a table that is none"
said "^- parse-maintainers: the series: .*moves AAA LAB"
ok $? "parse-maintainers finds an entry in the wrong place"
! said '^- x86_64: .*format|"lab: (good|mended)"|lab_upstream'
ok $? "and none that is good, good elsewhere, mended, or upstream's own"
said '^\| refused .* skipped: X86_IO_APIC is y: no choice'
ok $? "a configuration that Kconfig refuses is skipped with the reason"

# As one leaves it that was killed in the middle of the mails
src=$OUT/check/src
git -C "$src" checkout -q -f --detach upstream
mkdir "$src/lab"
echo Somebody. > "$src/lab/nobody.txt"
! git -C "$src" -c user.name=lab -c user.email=lab@localhost am "$OUT"/series/*.patch > "$scratch/output" 2>&1 &&
	git -C "$src" -c user.name=lab -c user.email=lab@localhost am --show-current-patch > /dev/null 2>&1
ok $? "git am stops in the middle"
run lab/check
[ $rc = 1 ] && said 'lab_unused' && ! said '^check: (x86_64|i386),|^- am:'
ok $? "again: the same, and nothing is built"

# Mail ends the changelog where a diff begins
GIT_INDEX_FILE=$scratch/index add $file <<< '
/* Nothing wrong here either. */'
GIT_INDEX_FILE=$scratch/index commit 'lab: unmailable

diff --git a/gone b/gone
--- a/gone
+++ b/gone
@@ -1 +1 @@
-1
+2'
sed -i /^refused/!d "$scratch/rows"
TIER='test' run lab/check
[ $rc = 1 ] && said '^- am: "lab: unmailable": error: gone: '
ok $? "am finds mails that do not apply"
plan
