#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# run.sh quick|full - the time judge in User Mode Linux 6.1. Leaves
# build/bench/raw/time-uml.jsonl. Of the environment, ONLY=REGEX and ROUNDS=N reach
# plan.sh. For other scripts:
# run.sh profile   one long measurement, see profile.sh
# run.sh selftest  does the judge refuse what is wrong? See selftest.sh
set -euo pipefail
# shellcheck source=scripts/lab/lib.sh
. "$(dirname "$0")/../../lab/lib.sh"
plan=${1:?usage: run.sh quick|full}
here=$XA_TOP/scripts/bench/time
raw=$XA_TOP/build/bench/raw
out=$XA_TOP/build/bench/time

need_pkgs gcc libc6-dev make
uml=$("$XA_TOP/scripts/lab/uml.sh" build plain)
make -s -C "$XA_TOP" module "KDIR=$uml/build" ARCH=um BUILD=build/bench/module >&2
mkdir -p "$XA_TOP/build/bench/hostcpu"
cp "$here"/hostcpu/* "$XA_TOP/build/bench/hostcpu/"
quietly make -s -C "$uml/build" ARCH=um "M=$XA_TOP/build/bench/hostcpu" modules

# The guest root has no WireGuard tools.
wg=$XA_CACHE/wireguard-tools/$(candidate bookworm wireguard-tools)
cached "$wg" unpack_pkgs bookworm "$wg" wireguard-tools

in=$(mktemp -d "$XA_TOP/build/bench/in.XXXXXX")
trap 'rm -rf "$in"' EXIT
cp -r "$here" "$in/time"
cp "$XA_TOP/build/bench/module/xfrm_accel.ko" "$XA_TOP/build/bench/hostcpu/hostcpu.ko" \
	"$wg/usr/bin/wg" "$in/"
"$here/prepare.sh" "$in/wire"
script=judge.sh
[ "$plan" != selftest ] || script=selftest.sh
{
	echo "export PLAN=$plan VERBOSE='${VERBOSE:-}' ONLY='${ONLY:-}' ROUNDS='${ROUNDS:-}' script=$script"
	echo "export PROFILE='${PROFILE:-}' PROFILE_MS='${PROFILE_MS:-}'"
} >"$in/env"
cat >"$in/run.sh" <<'END'
. "$IN/env"
insmod "$IN/hostcpu.ko" || exit
# Were the packets left to it, it would share the processor with their generator, in turns
# of 10 ms, in which queues overflow.
chrt -f -p 1 $(pgrep ksoftirqd)
export PATH=$IN:$PATH MODULE=$IN/xfrm_accel.ko WIRE=$IN/wire
export CLOCK=/sys/module/hostcpu/parameters/ns
uname -r >"$OUT/kernel"
exec bash "$IN/time/$script"
END
rm -rf "$out"
rc=0
# On a machine that has other work to do, XA_PRIORITY="chrt -r 1" keeps that from disturbing the
# measurement (and the measurement from leaving it anything): only on demand.
"$XA_TOP/scripts/lab/uml.sh" run plain -m 1536 -t 10800 -i "$in" -o "$out" || rc=$?
if [ $script = judge.sh ] && [ "$plan" != profile ] && [ -s "$out/time.jsonl" ]; then
	mkdir -p "$raw"
	cp "$out/time.jsonl" "$raw/time-uml.jsonl"
fi
exit $rc
