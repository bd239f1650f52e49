#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# Does the demonstration notice when something is wrong? Runs tunnel.sh in one guest: once as
# it is, then once for each sabotage, which must end in failure at the right place. KTAP, and
# "N passed, N failed, N skipped".

set -euo pipefail
. "$(dirname "$0")/../lab/lib.sh"

in=$(mktemp -d)
trap 'rm -rf "$in"' EXIT
build_module 6.1 build/test/ko-6.1
cp "$XA_TOP/build/test/ko-6.1/xfrm_accel.ko" "$XA_TOP/scripts/demo/tunnel.sh" "$in/"

cat >"$in/run.sh" <<'END'
export BYTES=300000
number=0 failed=0

result() { # result STATUS NAME LOG
	number=$((number + 1))
	if [ "$1" = 0 ]; then
		echo "ok $number - $2"
	else
		failed=1
		echo "not ok $number - $2"
		sed 's/^/# /' "$3"
	fi
}

# caught SABOTAGE REGEX: the run fails, and the line of the table that matches says so
caught() {
	local rc=0
	SABOTAGE=$1 bash ./tunnel.sh >"$OUT/$1" 2>&1 || rc=$?
	[ $rc = 1 ] && grep -qE "$2.*FAILED" "$OUT/$1"
	result $? "noticed: $1" "$OUT/$1"
	lsmod | grep -q xfrm_interface && rmmod xfrm_interface
	! lsmod | grep -q '^xfrm_accel'
	result $? "nothing left behind" "$OUT/$1"
}

bash ./tunnel.sh >$OUT/plain 2>&1
result $? "the demonstration as it is" $OUT/plain
caught no-module 'command: insmod'
caught in-tree 'ipsec0, an interface'
caught wrong-key 'decrypted by tshark'
caught bypass 'only ESP'
caught no-policy 'ping over IPv4'
echo "1..$number"
exit $failed
END
ktap=$XA_TOP/build/demo-selftest/ktap
mkdir -p "${ktap%/*}"
rc=0
"$XA_TOP/scripts/lab/guest.sh" -k 6.1 -t 1200 -i "$in" -o "${ktap%/*}" | tee "$ktap" || rc=$?
failed=$(grep -c '^not ok' "$ktap" || :)
# It did not come to its end.
[ "$rc" = 0 ] || [ "$failed" != 0 ] || failed=1
echo "$(grep -c '^ok' "$ktap" || :) passed, $failed failed, 0 skipped"
exit "$rc"
