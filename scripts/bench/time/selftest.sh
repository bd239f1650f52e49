#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# selftest.sh - does the time judge refuse to report what is not measured as it should be?
# Runs it in a guest as it is, and once for each sabotage (judge.sh: spoil()). KTAP.
set -u
here=$(cd "$(dirname "$0")" && pwd)
number=0 failed=0

result() { # result STATUS NAME
	number=$((number + 1))
	if [ "$1" = 0 ]; then
		echo "ok $number - $2"
	else
		failed=1
		echo "not ok $number - $2"
		sed 's/^/# /' "$OUT/said"
	fi
}

# judge SABOTAGE SETUP: status of judge.sh
judge() {
	SABOTAGE=$1 PLAN=profile PROFILE=$2 PROFILE_MS=20 \
		bash "$here/judge.sh" >"$OUT/said" 2>&1
}

# refused SABOTAGE REGEX SETUP
refused() {
	local rc=0
	judge "$1" "$3" || rc=$?
	[ $rc = 1 ] && grep -qE "REFUSED: .*($2)" "$OUT/said" && [ ! -s "$OUT/time.jsonl" ]
	result $? "refused: $1, $3"
	[ -z "$(ls /run/netns)" ] && ! grep -qE '^(xfrm_accel|xfrm_interface|wireguard) ' /proc/modules
	result $? "nothing is left behind"
}

judge '' "both v4 null 1 - plain,xfrm_accel,xfrm_accel+espnic,in-tree 60:64 latency" && [ "$(wc -l <"$OUT/time.jsonl")" = 10 ]
result $? "as it is, it measures"
refused gro-off "ESP GRO took" "decap v4 null 1 - xfrm_accel 60:64"
refused gro-off "ESP GRO took" "both v4 null 1 - in-tree latency"
refused lossy "of [0-9]+ packets [0-9]+ arrive" "encap v4 null 1 - in-tree 60:64"
refused no-tunnel "nothing arrives|bytes arrive" "encap v4 null 1 - xfrm_accel 60:64"
refused no-sa "nothing comes through|nothing arrives" "both v4 null 1 - in-tree-policy 60:64"
refused other-module "module xfrm_interface is loaded as well" "encap v4 null 1 - xfrm_accel 60:64"
refused no-offload "are not all offloaded" "encap v4 null 1 - xfrm_accel+espnic 60:64"
refused no-offload "are not all offloaded" "decap v4 null 1 - xfrm_accel+espnic 60:64"
refused esp-feature-off "the espnic took" "encap v4 null 1 - xfrm_accel+espnic 60:64"
refused esp-feature-off "ESP GRO took" "decap v4 null 1 - xfrm_accel+espnic 60:64"
refused nic-gro-off "ESP GRO took" "decap v4 null 1 - xfrm_accel+espnic 60:64"
refused no-trains " 0 trains of TCP reach the espnic" "both v4 null 1 - xfrm_accel+espnic tcp:1"
refused inner-gro-off "GRO leaves" "both v4 null 1 - xfrm_accel+espnic tcp:1"
refused other-cipher "bytes arrive instead" "encap v4 aes-gcm 1 - xfrm_accel 60:64"
echo "1..$number"
exit $failed
