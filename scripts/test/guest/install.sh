#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# install.sh - what `make install` lays down makes the kernel ask for the right
# module: by alias when somebody adds a link of type xfrm, beside a loaded
# xfrm_interface, and on a kernel that the module was not built for; and `ip` finds
# the plugin of espnic.
#
# needs: unloaded
#
# /lib/modules gets a writable layer for as long as the test runs.

# shellcheck source=scripts/test/lib.sh
. "${TESTDIR:?}/lib.sh"

is_accel || skip_all "installation" "it is xfrm_accel that is installed"

release=$(uname -r)
settings=/etc/modprobe.d/xfrm_accel.conf
installer=$HELPERS/packaging/install.sh
export PLUGIN=$HELPERS/iproute2/link_espnic.so MANPAGE=$HELPERS/espnic.8
unset IP_LIB_DIR # ip is to look where it looks by itself

has_in_tree() { modinfo xfrm_interface >/dev/null 2>&1; }

forget()
{
	ip link del xa0 2>/dev/null || true
	modprobe -r xfrm_accel 2>/dev/null || true
	modprobe -r xfrm_interface 2>/dev/null || true
	not loaded xfrm_accel && not loaded xfrm_interface
}

writable_modules()
{
	must mkdir "$TMP/modules"
	must mount -t tmpfs tmpfs "$TMP/modules"
	at_exit umount "$TMP/modules"
	must mkdir "$TMP/modules/upper" "$TMP/modules/work"
	must mount -t overlay overlay -o \
		"lowerdir=/lib/modules,upperdir=$TMP/modules/upper,workdir=$TMP/modules/work" \
		/lib/modules
	at_exit umount /lib/modules
	at_exit rm -f $settings
	at_exit forget
}

# Adds a link with nothing loaded, and says which module came.
module_for_link()
{
	forget || { echo "not unloaded before"; return; }
	ip link add xa0 type xfrm if_id 1 2>&1 || return 0
	lsmod | grep -oE '^xfrm_(accel|interface)\b'
}

knows_espnic() { ip link help espnic | grep -q sa-max; }

says_busy() { refused "$1" "busy" "${@:2}"; }

# the kernel log since $mark has a line with REGEX
logged() { log_since "$mark" | grep -E -- "$1"; }

writable_modules
must forget

not_if "ip does not know the options of espnic" knows_espnic
must bash "$installer" "$MODULE" "$release"
ok_if "ip knows the options of espnic" knows_espnic
ok_if "the manual page is there" test -s /usr/local/share/man/man8/espnic.8
same "modprobe finds the installed module" \
	"$(modinfo -n xfrm_accel)" "/lib/modules/$release/updates/xfrm_accel.ko"
ok_if "modprobe knows what it needs" \
	sh -c 'modprobe --show-depends xfrm_accel | grep -q tunnel4'
same "adding a link loads xfrm_accel" "$(module_for_link)" xfrm_accel
not_if "and xfrm_interface is not loaded" loaded xfrm_interface
ok_if "modprobe -r unloads it" sh -c 'ip link del xa0 && modprobe -r xfrm_accel'
ok_if "adding an espnic loads xfrm_accel" ip link add xa0 type espnic sa-max 5
same "with the option" "$(ip -d link show xa0 | grep -o 'sa-max [0-9]*')" "sa-max 5"
must forget

if has_in_tree; then
	must modprobe xfrm_accel
	mark=$(log_mark)
	says_busy "modprobe xfrm_interface is refused while xfrm_accel is loaded" \
		modprobe xfrm_interface
	ok_if "the log says why, and the way out" logged 'rmmod xfrm_accel'

	must forget
	must modprobe xfrm_interface
	mark=$(log_mark)
	says_busy "modprobe xfrm_accel is refused while xfrm_interface is loaded" \
		modprobe xfrm_accel
	ok_if "the log says why, and the way out" logged 'rmmod xfrm_interface'
	ok_if "the way out works" \
		sh -c 'modprobe -r xfrm_interface && modprobe xfrm_accel'
	ok_if "and back again" \
		sh -c 'modprobe -r xfrm_accel && modprobe xfrm_interface'

	must mv "/lib/modules/$release/updates/xfrm_accel.ko" "$TMP/"
	must depmod "$release"
	same "on a kernel without xfrm_accel a link loads xfrm_interface" \
		"$(module_for_link)" xfrm_interface
	must mv "$TMP/xfrm_accel.ko" "/lib/modules/$release/updates/"
else
	skip "beside xfrm_interface" "this kernel has no such module"
fi

ok_if "installed a second time" bash "$installer" "$MODULE" "$release"
ok_if "taken away" bash "$installer" -r "$release"
not_if "no module is left" modinfo xfrm_accel
not_if "no settings are left" test -e $settings
not_if "ip has no plugin any more" knows_espnic
not_if "no manual page is left" test -e /usr/local/share/man/man8/espnic.8
if has_in_tree; then
	same "a link loads xfrm_interface as ever" "$(module_for_link)" xfrm_interface
fi
ok_if "everything can be unloaded" forget

plan_done
