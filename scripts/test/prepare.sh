#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# prepare.sh DIR - builds what the guest tests need into DIR, before a guest
# starts (a guest has no compiler). Pass DIR to in-guest.sh as HELPERS.

set -euo pipefail
dir=${1:?usage: prepare.sh DIR}
here=$(cd "$(dirname "$0")" && pwd)
top=$(cd "$here/../.." && pwd)
mkdir -p "$dir"

for src in "$here"/helpers/*.c; do
	[ -e "$src" ] || continue
	name=$(basename "$src" .c)
	gcc -std=c11 -O2 -Wall -Wextra -Werror -static -I"$top/uapi" \
		-o "$dir/$name" "$src"
done
