#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# What `make install` does, for one kernel:
#
#   install.sh MODULE RELEASE [ROOT]	the module to updates/, what beside.sh installs, depmod
#   install.sh -r RELEASE [ROOT]	takes all that away again
#
# ROOT (INSTALL_MOD_PATH) is put before every path. Nothing is loaded or unloaded.

set -euo pipefail
PATH=$PATH:/usr/sbin:/sbin
here=$(cd "$(dirname "$0")" && pwd)

remove=
if [ "${1:-}" = -r ]; then
	remove=1 module=
else
	module=${1:?usage: see the top of this script}
fi
shift
release=${1:?usage: see the top of this script} root=${2:-}
root=${root%/}
modules=$root/lib/modules/$release

if [ -n "$remove" ]; then
	rm -f "$modules/updates/xfrm_accel.ko"
	# Another kernel's module may need the rest still.
	if ! compgen -G "$root/lib/modules/*/updates/xfrm_accel.ko" >/dev/null &&
		! compgen -G "$root/lib/modules/*/updates/dkms/xfrm_accel.ko*" >/dev/null; then
		"$here/beside.sh" remove "$root"
	fi
else
	install -D -m 644 "$module" "$modules/updates/xfrm_accel.ko"
	# Four of its five megabytes are for debuggers.
	if command -v strip >/dev/null; then
		strip --strip-debug "$modules/updates/xfrm_accel.ko"
	fi
	"$here/beside.sh" install "$root"
fi
depmod ${root:+-b "$root"} "$release"
[ -n "$remove" ] || echo "installed for Linux $release; modprobe xfrm_accel loads it"
