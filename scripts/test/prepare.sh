#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# prepare.sh DIR - builds what the guest tests need into DIR, before a guest
# starts (a guest has no compiler). Pass DIR to in-guest.sh as HELPERS.

set -euo pipefail
dir=${1:?usage: prepare.sh DIR}
here=$(cd "$(dirname "$0")" && pwd)
top=$(cd "$here/../.." && pwd)
strict=(-O2 -Wall -Wextra -Wpedantic -Werror -I"$top/uapi")
mkdir -p "$dir"

for src in "$here"/helpers/*.c; do
	[[ $src != *.bpf.c ]] || continue
	name=$(basename "$src" .c)
	gcc -std=c11 "${strict[@]}" -static -o "$dir/$name" "$src"
done

# Programs for the kernel's BPF machine. One that lacks where it is needed is a
# failure of the test.
if command -v clang >/dev/null && [ -e /usr/include/bpf/bpf_helpers.h ]; then
	for src in "$here"/helpers/*.bpf.c; do
		clang --target=bpf -O2 -g -Wall -Werror -I"/usr/include/$(gcc -print-multiarch)" \
			-c -o "$dir/$(basename "$src" .c).o" "$src"
	done
fi

# The header is for C++ programs too.
if command -v g++ >/dev/null; then
	g++ -x c++ -std=c++11 "${strict[@]}" -fsyntax-only "$here/helpers/drop_names.c"
fi

# With it the guest's ip knows the options of espnic: lib.sh tells ip where it lies.
env -u MAKEFLAGS -u MFLAGS -u MAKELEVEL make -s -C "$top" plugin \
	PLUGIN="$(realpath "$dir")/iproute2/link_espnic.so" CFLAGS=-Werror

# What a user gets: the commands of the README, and what make install runs.
sed -n '/^<!-- first tunnel/,/^```$/{ /^<!--/d; /^```/d; p }' "$top/README.md" >"$dir/first_tunnel.sh"
cp -r "$top/scripts/packaging" "$top/Documentation/espnic.8" "$dir/"
