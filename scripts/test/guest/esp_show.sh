#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# /proc/net/xfrm_accel: who encrypts and decrypts for each SA, and why it is not
# the engine.
#
# needs: unloaded

# shellcheck source=scripts/test/lib.sh
. "${TESTDIR:?}/lib.sh"

is_accel || skip_all esp_show "it is ours alone"

shown() { in_ns "$1" cat /proc/net/xfrm_accel; }

# line SPI SRC DST: what is shown of that SA of A
line() { shown "$A" | grep "^src $2 dst $3 spi 0x0000$1 " | sed 's/.* if_id/if_id/'; }

two_hosts
must modprobe -a esp4 esp6
sa_pair sides=A if_id=5 spi=0x1000
not_if "there is no file without the module" in_ns "$A" test -e /proc/net/xfrm_accel
must load_impl

sa_pair sides=A spi=0x2000
sa_pair sides=A outer=6 mode=transport spi=0x3000
sa_pair sides=A spi=0x4000 ab="encap espinudp 4500 4500 0.0.0.0" ba="encap espinudp 4500 4500 0.0.0.0"
sa_pair sides=A proto=ah spi=0x5000

same "an SA made before the module was loaded is the kernel's" "$(line 1000 $OUT4_A $OUT4_B)" \
	"if_id 0x5 send kernel (made before the module was loaded, or not by netlink) receive kernel (made before the module was loaded, or not by netlink)"
same "one made afterwards is the engine's" "$(line 2000 $OUT4_A $OUT4_B)" \
	"if_id 0x7 send engine receive engine"
same "so is one over IPv6, in transport mode" "$(line 3000 $OUT6_A $OUT6_B)" \
	"if_id 0x7 send engine receive engine"
same "in UDP, the kernel sends and the engine receives" "$(line 4000 $OUT4_A $OUT4_B)" \
	"if_id 0x7 send kernel (in UDP) receive engine"
same "every ESP SA is shown, and nothing else" "$(shown "$A" | wc -l)" 8
same "another namespace shows its own: none" "$(shown "$B" && echo read)" "read"
not_if "without CAP_NET_ADMIN nothing is shown" in_ns "$A" setpriv --bounding-set -net_admin \
	--inh-caps -net_admin cat /proc/net/xfrm_accel
ok_if "a namespace made later has the file" eval 'ip netns add xa-late-$$ && shown xa-late-$$; ip netns del xa-late-$$'

same "no key is shown" "$(shown "$A" | grep -ci 001122334455 || :)" 0

# SAs hold the module; what is shown of them does not.
refused "an SA that is the engine's holds the module" "in use" rmmod xfrm_accel
must ip -n "$A" xfrm state flush
ok_if "without SAs it unloads" wait_for 10 rmmod xfrm_accel
not_if "and the file is gone" in_ns "$A" test -e /proc/net/xfrm_accel
plan_done
