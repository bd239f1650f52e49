#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# Does the instruction judge refuse what it should not measure? Each line below breaks one
# thing in a guest; the judge must fail, and say why.
#
#   selftest.sh [PLANT...]
set -euo pipefail
# shellcheck source=scripts/bench/icount/lib.sh
. "$(dirname "$0")/lib.sh"

wanted=("$@")
failed=0

# plant NAME SYSTEM CIPHER REGEX: SYSTEM with NAME broken is refused with what REGEX describes.
plant() {
	local name=$1 system=$2 cipher=$3 regex=$4 dir=$ICOUNT_WORK/plant-$1
	[ ${#wanted[@]} = 0 ] || [[ " ${wanted[*]} " == *" $name "* ]] || return 0
	if { icount_boot "$dir" "$(icount_plan "$system" "[\"$cipher\"]" '[4]' '[1300]' \
		'["forward-both","forward-encap","forward-decap"]' '[]' 100 400)" \
		"$name" && python3 "$ICOUNT/judge.py" "$system" 1 "$dir"; } >"$ICOUNT_WORK/said" 2>&1; then
		echo "refused: nothing" >"$ICOUNT_WORK/said"
	fi
	if grep -qE "refused: $regex" "$ICOUNT_WORK/said"; then
		echo "ok   $name: $(grep -m1 -oE "refused: .*" "$ICOUNT_WORK/said")"
	else
		echo "FAIL $name"
		sed 's/^/     /' "$ICOUNT_WORK/said" | tail -n 5
		failed=1
	fi
}

icount_prepare
plant none in-tree null nothing
plant wrong-system xfrm_accel null '.*xfrm_accel:xac_start_xmit was called 0 times'
plant plaintext in-tree-policy null '.*not on the wire as in-tree-policy should'
plant expiry in-tree null '.*packet [0-9]+ did not arrive'
plant no-gro in-tree null '.*esp4_gro_receive was called 0 times'
plant slow-cipher in-tree aes-gcm '.*module aesni_intel was not used'
exit $failed
