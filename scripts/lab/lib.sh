# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash
#
# What the labs share. Source it:  . scripts/lab/lib.sh
#
# The cache holds everything that is fetched or built and does not depend on this tree:
# guest roots, kernels, UML builds. Each entry is a directory named after its inputs, and is
# complete exactly if it holds a file .done (see cached()), so whatever was killed half-way
# is made anew.

shopt -s inherit_errexit

XA_TOP=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd -P)
XA_CACHE=${XFRM_ACCEL_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/xfrm_accel}
mkdir -p "$XA_CACHE"
XA_CACHE=$(cd "$XA_CACHE" && pwd -P)
export XA_TOP XA_CACHE

# dpkg's tools and depmod live in sbin, which a user's PATH need not name.
PATH=$PATH:/usr/sbin:/sbin
export LC_ALL=C.UTF-8

# Progress goes to stderr: the stdout of these scripts is their answer.
say() { printf '%s\n' "$*" >&2; }
die() { say "${0##*/}: $*"; exit 1; }

as_root() {
	if [ "$(id -u)" = 0 ]; then
		"$@"
	else
		sudo -- "$@"
	fi
}

# quietly CMD...: runs CMD, and shows what it printed only if it failed.
quietly() {
	local log rc=0
	log=$(mktemp)
	"$@" >"$log" 2>&1 </dev/null || rc=$?
	if [ $rc != 0 ]; then
		say "failed ($rc): $*"
		tail -n 40 "$log" >&2
	fi
	rm -f "$log"
	return $rc
}

# with_progress WHAT COUNT-COMMAND CMD...: runs CMD quietly; every 20 s a line with the time
# spent and what COUNT-COMMAND (a shell command; empty for none) prints.
with_progress() {
	local what=$1 count=$2 begin=$SECONDS next=20 child rc=0
	shift 2
	set -m # a process group of its own, so that an interrupt ends the whole build
	quietly "$@" &
	child=$!
	set +m
	# shellcheck disable=SC2064  # the process id of now is meant
	trap "kill -- -$child 2>/dev/null; exit 130" INT TERM HUP
	while kill -0 $child 2>/dev/null; do
		sleep 1
		# We may be in a subshell; the script itself, $$, may be killed alone.
		kill -0 $$ 2>/dev/null || kill -- -$child
		[ $((SECONDS - begin)) -ge $next ] || continue
		next=$((next + 20))
		say "  $what: $((SECONDS - begin)) s ${count:+$(eval "$count")}"
	done
	wait $child || rc=$?
	trap - INT TERM HUP
	[ $rc = 0 ] && say "  $what: done in $((SECONDS - begin)) s"
	return $rc
}

# run_bounded SECONDS CMD...: status 124 if CMD took longer; it and its children are killed.
run_bounded() {
	local limit=$1
	shift
	timeout -k 5 "$limit" "$@"
}

# key_of STRING...: a short name for a set of inputs.
key_of() { printf '%s\n' "$@" | sha256sum | cut -c1-12; }

# Tokens say how many things may run at once, whatever script starts them. Without XA_TOKENS,
# a file descriptor, there is no limit.

# token_pool N: makes N tokens for all that is started afterwards
token_pool() {
	local dir i
	dir=$(mktemp -d)
	mkfifo "$dir/tokens"
	exec {XA_TOKENS}<>"$dir/tokens"
	export XA_TOKENS
	rm -r "$dir"
	for ((i = 0; i < $1; i++)); do
		printf x >&"$XA_TOKENS"
	done
}

# token_take: waits for a token, and gives it back when this (sub)shell ends
token_take() {
	[ -n "${XA_TOKENS:-}" ] || return 0
	read -r -N 1 -u "$XA_TOKENS" _
	trap 'printf x >&"$XA_TOKENS"' EXIT
}

# cached DIR FUNCTION ARG...: FUNCTION ARG... fills the empty directory DIR, unless an earlier
# call has done so completely. Two callers at once: the second waits for the first.
# Call it as a statement of its own: within 'if' or '||' bash would ignore errors in FUNCTION.
cached() {
	local dir=$1 lock rc
	shift
	if [ -e "$dir/.done" ]; then
		touch "$dir/.used" # clean.sh asks
		return
	fi
	mkdir -p "$(dirname "$dir")"
	exec {lock}>"$(dirname "$dir")/.${dir##*/}.lock"
	if ! flock -n "$lock"; then
		say "waiting for another process that makes $dir"
		flock "$lock"
	fi
	if [ ! -e "$dir/.done" ]; then
		remove_tree "$dir"
		mkdir -p "$dir"
		set +e
		(
			set -e
			"$@"
		)
		rc=$?
		set -e
		[ $rc = 0 ] || die "could not make $dir"
		date -u +%FT%TZ >"$dir/.done"
	fi
	touch "$dir/.used"
	exec {lock}>&-
}

# A tree may hold files of root's (a chroot).
remove_tree() {
	[ -e "$1" ] || return 0
	rm -rf "$1" 2>/dev/null || as_root rm -rf --one-file-system "$1"
}

# build_module LAB DIR [VAR=VALUE...]: xfrm_accel.ko for a lab (a stock kernel's series, uml-plain
# and so on) into DIR, a path in the tree. With STRICT=1 in the environment a warning, be it
# sparse's, is an error. Whoever comes second finds the work done.
build_module() {
	local lab=$1 dir=$2 kernel lock cmd said=$XA_TOP/$2.said
	shift 2
	need_pkgs make gcc
	cmd=(make -s -C "$XA_TOP" -j"$(nproc)" module "BUILD=$dir" W=1 "$@")
	case $lab in
	uml-*)
		kernel=$("$XA_TOP/scripts/lab/uml.sh" build "${lab#uml-}")
		cmd+=("KDIR=$kernel/build" ARCH=um)
		;;
	*)
		kernel=$("$XA_TOP/scripts/lab/kernel.sh" "$lab")
		cmd=("$kernel/build-in" "$XA_TOP" "${cmd[@]}")
		;;
	esac
	mkdir -p "$(dirname "$XA_TOP/$dir")"
	exec {lock}>"$XA_TOP/$dir.lock"
	flock "$lock"
	if [ -n "${STRICT:-}" ]; then
		# What was built without judgement would not be looked at again.
		[ ! -e "$XA_TOP/$dir/.unjudged" ] || rm -rf "${XA_TOP:?}/$dir"
		# There is no sparse among the packages that 7.3 is built with.
		[ "$lab" = 7.3 ] || { need_pkgs sparse && cmd+=(C=1); }
	else
		mkdir -p "$XA_TOP/$dir"
		: >"$XA_TOP/$dir/.unjudged"
	fi
	# A make that called us has its own idea of jobs.
	env -u MAKEFLAGS -u MFLAGS -u MAKELEVEL nice "${cmd[@]}" 2>&1 </dev/null |
		grep -vE 'Skipping BTF|^  [A-Z]+ ' >"$said" || :
	if [ ! -s "$XA_TOP/$dir/xfrm_accel.ko" ] || { [ -n "${STRICT:-}" ] && [ -s "$said" ]; }; then
		say "the module for $lab does not build${STRICT:+ silently}:"
		head -n 40 "$said" >&2
		# What was said would not be said again.
		[ -z "${STRICT:-}" ] || rm -rf "${XA_TOP:?}/$dir"
		return 1
	fi
	exec {lock}>&-
}

# --- packages -------------------------------------------------------------------------------

installed() {
	[ "$(dpkg-query -W -f '${db:Status-Status}' "$1" 2>/dev/null)" = installed ]
}

# need_pkgs PKG...: installs on this machine those that are missing.
need_pkgs() {
	local p missing=() lock
	for p in "$@"; do
		installed "$p" || missing+=("$p")
	done
	[ ${#missing[@]} = 0 ] && return
	exec {lock}>"$XA_CACHE/apt.lock"
	flock "$lock"
	say "installing by apt: ${missing[*]}"
	if ! as_root env DEBIAN_FRONTEND=noninteractive apt-get install -qq -y --no-install-recommends \
		-o DPkg::Lock::Timeout=300 "${missing[@]}" >"$XA_CACHE/apt.log" 2>&1 </dev/null; then
		quietly as_root apt-get update -q || :
		quietly as_root env DEBIAN_FRONTEND=noninteractive apt-get install -qq -y \
			--no-install-recommends -o DPkg::Lock::Timeout=300 "${missing[@]}" ||
			die "apt could not install: ${missing[*]}"
	fi
	exec {lock}>&-
}

# The labs use packages of several Debian releases and leave /etc/apt as it is: every release
# has an apt configuration of its own in the cache. Where the archive is, this machine's own
# apt source says; another release is looked for at the same place.

# machine_repo LABEL: the URI from which this machine takes Debian packages of that label.
machine_repo() {
	# shellcheck disable=SC2016  # apt expands it
	apt-get indextargets --format '$(REPO_URI)' 'Created-By: Packages' 'Origin: Debian' \
		"Label: $1" 2>/dev/null | sed -n 1p
}

# sources_of RELEASE: its sources.list. RELEASE is bookworm, trixie-backports and the like.
sources_of() {
	local base=${1%-backports} main security opt
	main=$(machine_repo Debian)
	if [ -z "$main" ]; then # apt knows its sources only once it has read their lists
		quietly as_root apt-get -q update
		main=$(machine_repo Debian)
	fi
	security=$(machine_repo Debian-Security)
	opt='[signed-by=/usr/share/keyrings/debian-archive-keyring.gpg]'
	[ -n "$main" ] || die "this machine's apt has no Debian archive among its sources"
	echo "deb $opt $main $base main"
	echo "deb $opt $main $base-updates main"
	[ -z "$security" ] || echo "deb $opt $security $base-security main"
	[ "$base" = "$1" ] || echo "deb $opt $main $1 main"
}

# apt_of RELEASE: prints the path of the apt configuration for it, its package lists no older
# than a day (or as old as they are, if the archive cannot be reached).
apt_of() {
	local dir=$XA_CACHE/apt/$1 lock
	mkdir -p "$dir"/{lists/partial,archives/partial}
	exec {lock}>"$dir/lock"
	flock "$lock"
	if [ -z "$(find "$dir/updated" -mtime -1 2>/dev/null)" ]; then
		need_pkgs debian-archive-keyring
		sources_of "$1" >"$dir/sources.list"
		: >"$dir/status"
		cat >"$dir/apt.conf" <<-EOF
			Dir::Etc::SourceList "$dir/sources.list";
			Dir::Etc::SourceParts "/dev/null";
			Dir::Etc::Preferences "/dev/null";
			Dir::Etc::PreferencesParts "/dev/null";
			Dir::State "$dir";
			Dir::State::Lists "$dir/lists";
			Dir::State::Status "$dir/status";
			Dir::Cache "$dir";
			Dir::Cache::Archives "$dir/archives";
			Dir::Log "$dir";
			APT::Sandbox::User "root";
			APT::Architecture "amd64";
			APT::Architectures { "amd64"; };
			#clear APT::Update::Post-Invoke-Success;
			#clear APT::Update::Post-Invoke;
		EOF
		say "reading the package lists of $1"
		if quietly apt-get -c "$dir/apt.conf" -qq update; then
			touch "$dir/updated"
		elif [ -z "$(find "$dir/lists" -name '*Packages*')" ]; then
			die "no package lists of $1"
		else
			say "using the package lists of an earlier day"
		fi
	fi
	exec {lock}>&-
	echo "$dir/apt.conf"
}

# newest RELEASE REGEX: 'name version' of the package matching REGEX whose name and version are
# the highest.
newest() {
	local conf
	conf=$(apt_of "$1")
	apt-cache -c "$conf" search --names-only "$2" | cut -d' ' -f1 | sort -V | tail -n1 |
		while read -r name; do
			echo "$name $(candidate "$1" "$name")"
		done
}

candidate() {
	local conf
	conf=$(apt_of "$1")
	apt-cache -c "$conf" policy "$2" | awk '/Candidate:/ { print $2 }'
}

# unpack_pkgs RELEASE DIR PKG...: downloads and extracts packages into DIR; installs nothing.
unpack_pkgs() {
	local conf dir=$2 deb
	conf=$(apt_of "$1")
	shift 2
	mkdir -p "$dir/.debs"
	(cd "$dir/.debs" && quietly apt-get -c "$conf" -qq download "$@")
	for deb in "$dir"/.debs/*.deb; do
		dpkg-deb -x "$deb" "$dir"
	done
	rm -rf "$dir/.debs"
}

# --- what both labs do before and after a run -----------------------------------------------

# lab_options ARG...: sets MEM LIMIT INDIR OUTDIR and, for QEMU, KERNEL ROOT CPUS APPEND.
# shellcheck disable=SC2034  # the callers use them
lab_options() {
	local opt OPTIND=1
	while getopts k:r:s:m:t:a:i:o: opt; do
		case $opt in
		k) KERNEL=$OPTARG ;;
		r) ROOT=$OPTARG ;;
		s) CPUS=$OPTARG ;;
		m) MEM=$OPTARG ;;
		t) LIMIT=$OPTARG ;;
		a) APPEND=$OPTARG ;;
		i) INDIR=$OPTARG ;;
		o) OUTDIR=$OPTARG ;;
		*) die "see the top of this script for its options" ;;
		esac
	done
	[ -f "${INDIR:-}/run.sh" ] || die "-i must name a directory with a run.sh"
	[ -n "${OUTDIR:-}" ] || die "-o must name the directory for the results"
}

# The disks of a run lie in WORK: one brings INDIR in, one brings the guest's /out back, both
# tar files. An unfinished run leaves nothing: WORK goes and the guest dies with this shell.
lab_prepare() {
	WORK=$(mktemp -d "${TMPDIR:-/tmp}/xa-lab.XXXXXX")
	GUEST='' WATCHDOG=''
	trap lab_clean EXIT
	trap 'exit 130' INT
	trap 'exit 143' TERM HUP
	mkdir -p "$OUTDIR"
	rm -f "$OUTDIR"/{rc,dmesg.txt,console.txt}
	tar -C "$INDIR" --dereference --owner=0 --group=0 -cf "$WORK/in.tar" .
	tar -C "$XA_TOP/scripts/lab" --owner=0 --group=0 --transform 's,^,.lab/,' \
		-rf "$WORK/in.tar" guest-init.sh
	truncate -s %1M "$WORK/in.tar"
	truncate -s "${XA_OUT_MB:-512}M" "$WORK/out.tar"
}

lab_clean() {
	lab_kill
	rm -rf "$WORK"
}

lab_kill() {
	# SIGKILL: nothing in a guest is worth saving, and its helpers must not survive it.
	if [ -n "$GUEST" ]; then
		kill -KILL -- "-$GUEST" 2>/dev/null || :
		wait "$GUEST" 2>/dev/null || : # reaped here, lest bash reports it killed
	fi
	[ -z "$WATCHDOG" ] || kill "$WATCHDOG" 2>/dev/null || :
	GUEST='' WATCHDOG=''
}

# Ends the guest when its time is over, and leaves a file that says so. Should this script be
# killed too hard to clean up after itself, its watchdog does.
watchdog() {
	local end=$((SECONDS + LIMIT + BOOT_ALLOWANCE))
	trap - EXIT INT TERM HUP
	while [ $SECONDS -lt $end ]; do
		sleep 1
		if ! kill -0 $$; then
			kill -KILL -- "-$GUEST"
			rm -rf "$WORK"
			return
		fi
	done
	: >"$WORK/late"
	kill -KILL -- "-$GUEST"
}

# lab_boot CMD...: runs the guest as CMD in a process group of its own. Its stdout is the
# output of run.sh, its stderr the kernel's console. Sets TIMED_OUT.
lab_boot() {
	local sink cat
	ulimit -c 0
	# cat keeps a guest that makes its stdout non-blocking from doing so to the caller's.
	exec {sink}> >(exec cat)
	cat=$!
	# CMD leads its session, or UML would start one and be out of lab_kill's reach.
	setsid "$@" </dev/null >&"$sink" 2>>"$OUTDIR/console.txt" {sink}>&- &
	GUEST=$!
	exec {sink}>&-
	watchdog >/dev/null 2>&1 &
	WATCHDOG=$!
	# For the guest alone: where another child ends in the same moment, wait -n can miss both.
	{ wait "$GUEST" || :; } 2>/dev/null # lab_verdict tells the rest
	TIMED_OUT=0
	[ ! -e "$WORK/late" ] || TIMED_OUT=1
	lab_kill
	wait "$cat" || :
}

# Exits with the status of run.sh, 124 (too long) or 125 (the guest died without a verdict).
lab_verdict() {
	tar -C "$OUTDIR" --no-same-owner -xf "$WORK/out.tar" 2>/dev/null || :
	[ ! -f "$OUTDIR/rc" ] || exit "$(cat "$OUTDIR/rc")"
	if [ "$TIMED_OUT" = 1 ]; then
		say "lab: the guest did not end within $LIMIT s"
		exit 124
	fi
	say "lab: the guest died; the end of its console:"
	if grep -q 'Kernel panic' "$OUTDIR/console.txt"; then
		awk '/Kernel panic/ { show = 1 } show && shown++ < 60' "$OUTDIR/console.txt" >&2
	else
		tail -n 30 "$OUTDIR/console.txt" >&2
	fi
	exit 125
}

# busybox: prints the path of a static busybox for initial ramdisks.
busybox_path() {
	local version dir
	version=$(candidate bookworm busybox-static)
	dir=$XA_CACHE/busybox/$version
	cached "$dir" unpack_pkgs bookworm "$dir" busybox-static
	echo "$dir/bin/busybox"
}

# make_initrd FILE MODULE-FILE...: busybox, our init and the modules, loaded in this order.
# Made anew when one of its inputs changed.
make_initrd() {
	local file=$1 busybox key dir lock n=10 m
	shift
	busybox=$(busybox_path)
	key=$(key_of "$(cat "$XA_TOP/scripts/lab/initrd-init.sh")" "$busybox" "$@")
	exec {lock}>"$(dirname "$file")/.${file##*/}.lock"
	flock "$lock"
	if [ "$(cat "$file.key" 2>/dev/null)" != "$key" ]; then
		need_pkgs cpio
		dir=$(mktemp -d)
		mkdir -p "$dir"/{bin,dev,proc,sys,lower,rw,new,modules}
		cp "$busybox" "$dir/bin/busybox"
		install -m 755 "$XA_TOP/scripts/lab/initrd-init.sh" "$dir/init"
		for m in "$@"; do
			case $m in
			*.xz) xz -dc "$m" >"$dir/modules/$n-$(basename "$m" .xz)" ;;
			*.zst) zstd -dcq "$m" >"$dir/modules/$n-$(basename "$m" .zst)" ;;
			*) cp "$m" "$dir/modules/$n-$(basename "$m")" ;;
			esac
			n=$((n + 1))
		done
		(cd "$dir" && find . | cpio -o -H newc --quiet --owner 0:0 | gzip -1) >"$file.new"
		rm -rf "$dir"
		mv "$file.new" "$file"
		echo "$key" >"$file.key"
	fi
	exec {lock}>&-
}
