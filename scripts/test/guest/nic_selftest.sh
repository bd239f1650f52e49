#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# The kernel's own test of offload drivers, with espnic in netdevsim's place: the function
# kci_test_ipsec_offload of its rtnetlink.sh, as it is but for the paths of netdevsim's
# files. It compares what netdevsim shows of its SAs; an espnic shows no keys, so these are
# judged by what they decrypt of its wire.
#
#     $A  nic0 (espnic) ------------- nic0 (espnic)  $B
#         192.168.123.3
#
# Then that of bonds, bond_ipsec_offload.sh of newer kernels, as a whole and in the same
# manner; and what such a bond is to do beside: features come and go with the mode.

# shellcheck source=scripts/test/lib.sh
. "${TESTDIR:?}/lib.sh"
# shellcheck source=scripts/test/helpers/traffic.sh
. "$TESTDIR/helpers/traffic.sh"
# shellcheck source=scripts/test/helpers/esp.sh
. "$TESTDIR/helpers/esp.sh"
# shellcheck source=scripts/test/helpers/nic.sh
. "$TESTDIR/helpers/nic.sh"

script=${HELPERS:-}/selftests/rtnetlink.sh
is_accel || skip_all nic_selftest "it is ours alone"
[ -e "$script" ] || skip_all nic_selftest "the kernel's sources are not here"
skip_without_python nic_selftest
python3 -c 'import cryptography' 2>/dev/null || skip_all nic_selftest "python3-cryptography is not installed"

# sim: what the function looks for of netdevsim, and tools that look at nic0 for it
sim()
{
	local bus=$TMP/sim/bus/netdevsim dbg=$TMP/sim/debug/netdevsim0/ports/0
	mkdir -p "$bus/devices/netdevsim0/net/nic0" "$dbg" "$TMP/bin"
	touch "$bus/new_device" "$bus/del_device" "$dbg/ipsec"
	printf '#!/bin/sh\nexit 0\n' | tee "$TMP/bin/modprobe" "$TMP/bin/udevadm" "$TMP/bin/lsmod" >"$TMP/bin/rmmod"
	# The expectations, to be judged here.
	cat >"$TMP/bin/diff" <<-END
		#!/bin/bash
		cat >"$TMP/wanted"
		echo "\$(python3 -I "$TESTDIR/helpers/nic.py" show nic0 sa_count)" >"$TMP/had"
		ethtool -S nic0 | awk '\$1 == "ipsec_tx_pkts:" { print \$2 }' >>"$TMP/had"
		ip xfrm state >"$TMP/states"
	END
	# "SA count=0" in netdevsim's file.
	cat >"$TMP/bin/grep" <<-END
		#!/bin/bash
		case "\$*" in
		*"SA count=0"*) [ "\$(python3 -I "$TESTDIR/helpers/nic.py" show nic0 sa_count)" = 0 ] && echo 1 || echo 0 ;;
		*) exec $(command -v grep) "\$@" ;;
		esac
	END
	chmod +x "$TMP"/bin/*
	{
		echo "ret=0 ksft_skip=4"
		sed -n '/^check_err()/,/^}/p; /^kci_test_ipsec_offload()/,/^}/p' "$script" |
			sed "s|/sys/kernel/debug/netdevsim|$TMP/sim/debug|; s|/sys/bus/netdevsim|$bus|"
		echo kci_test_ipsec_offload
	} >"$TMP/run"
}

# expected WORD LINE: "WORD=..." of a line of netdevsim's
expected() { sed -n "$2s/.*\b$1=\([^ ]*\).*/\1/p" "$TMP/wanted"; }

# key LINE SALT-LINE: as ip gives it, from words in the machine's order
key()
{
	python3 -c 'import struct, sys
print("".join(struct.pack("<I", int(w, 16)).hex() for w in sys.argv[1:]))' \
		$(sed -n "$1s/.*key=//p" "$TMP/wanted") "$(expected salt "$2")"
}

offload_test()
{
	new_ns A
	new_ns B
	must ip -n "$A" link add nic0 type espnic
	must ip -n "$A" link add nic1 type espnic peer nic0
	must ip -n "$A" link set nic1 netns "$B" name nic0
	must ip -n "$B" link set nic0 up
	must ip -n "$A" link set nic0 up
	# netdevsim has no neighbours; here there is one, without an answer.
	must ip -n "$A" neigh add 192.168.123.4 dev nic0 lladdr 02:00:00:00:00:04
	sim
	watch_esp wire "$B" nic0 in "0x9=gcm:3132333435363738393031323334353664636261"
	PATH=$TMP/bin:$PATH ip netns exec "$A" bash "$TMP/run" >"$TMP/result" 2>&1 || true
	same "the kernel's test passes" "$(cat "$TMP/result")" "PASS: ipsec_offload"
	same "the SAs that it has, and the packets" "$(paste -sd' ' "$TMP/had")" \
		"$(sed -n '1s/SA count=\([0-9]*\) tx=\([0-9]*\)/\1 \2/p' "$TMP/wanted")"
	same "the SA to send by, and that to receive by" \
		"$(awk '/^src/ { d = $4 } /spi/ { s = $4 } /offload parameters/ { print $NF, d, s }' "$TMP/states" | sort -r)" \
		"$(sed -n 's/^sa.* \(tx\|rx\) ipaddr=\(.*\)/\1 \2/p' "$TMP/wanted" |
			sed 's/^tx/out/; s/^rx/in/; s/$/ 0x00000009/')"
	same "the key is the one expected" "$(key 4 3)" 3132333435363738393031323334353664636261
	ok_if "and what was sent is encrypted by it" dense "$(esp_seen wire)"
	close_talk wire
	del_ns "$A"
	del_ns "$B"
}

# sim_bond: netdevsim's files, of which the one that makes devices makes an espnic for each
# of two ports, and "ipsec" shows what the kernel knows of their SAs
sim_bond()
{
	local sim=$TMP/simbond port
	for port in 0 1; do
		mkdir -p "$sim/bus/devices/netdevsim0/net/nic$port" "$sim/debug/netdevsim0/ports/$port"
	done
	mkdir "$sim/bin"
	touch "$sim/bus/new_device"
	cat >"$sim/bin/tee" <<-END
		#!/bin/bash
		cat >"$sim/ports"
		ip netns identify >"$sim/ns"
		for port in 0 1; do
			ip link add nic\$port type espnic &&
				ip link add end\$port type espnic peer nic\$port && ip link set end\$port up || exit
		done
	END
	cat >"$sim/bin/grep" <<-END
		#!/bin/bash
		file=\${!#}
		if [[ \$file == $sim/debug/*/ipsec ]]; then
			port=\${file%/ipsec}
			ip netns exec "\$(cat "$sim/ns")" bash "$sim/shown" nic\${port##*/} >"\$file"
		fi
		exec $(command -v grep) "\$@"
	END
	cat >"$sim/shown" <<-END
		echo "SA count=\$(python3 -I "$TESTDIR/helpers/nic.py" show \$1 sa_count)" \
			"tx=\$(ethtool -S \$1 | awk '\$1 == "ipsec_tx_pkts:" { print \$2 }')"
		ip xfrm state | awk '/^src/ { dst = \$4 } /offload parameters.* dir out/ { print "tx ipaddr=" dst }'
	END
	chmod +x "$sim"/bin/*
	cp -r "$HELPERS/selftests/newer" "$sim/selftests"
	sed -i "s|/sys/kernel/debug/netdevsim|$sim/debug|; s|/sys/bus/netdevsim|$sim/bus|" "$sim/selftests/$bond_script"
}

bond_script=drivers/net/bonding/bond_ipsec_offload.sh

bond_offload_test()
{
	local rc=0
	[ -e "$HELPERS/selftests/newer/$bond_script" ] ||
		{ skip "the kernel's test of bonds" "the sources of a newer kernel are not here"; return; }
	modprobe bonding 2>/dev/null || { skip "the kernel's test of bonds" "this kernel has no bonds"; return; }
	sim_bond
	PATH=$TMP/simbond/bin:$PATH bash "$TMP/simbond/selftests/$bond_script" >"$TMP/result" 2>&1 || rc=$?
	same "the kernel's test of bonds: by one slave, then by the other" \
		"$(sed -nE 's/^TEST: bond_ipsec_offload \(active_slave (nic[01])\) *\[ *([A-Z]+) *\].*/\1 \2/p' "$TMP/result" | xargs)" \
		"nic0 OK nic1 OK"
	same "it passes, and the SAs are gone" "$rc $(grep -v '^TEST' "$TMP/result")" "0 "
}

# held: SAs in both slaves
held() { echo "$(nic "$A" show nic0 sa_count) $(nic "$A" show nic1 sa_count)"; }

# bond_sa SRC DST DIR
bond_sa()
{
	ip -n "$A" xfrm state add src "$1" dst "$2" proto esp spi 0x42 reqid 0x42 mode transport \
		aead "rfc4106(gcm(aes))" 0x3132333435363738393031323334353664636261 128 offload dev bond0 dir "$3"
}

feature() { in_ns "$A" ethtool -k bond0 | grep -q "^esp-hw-offload: $1"; }

bond_test()
{
	modprobe bonding 2>/dev/null || { skip "a bond" "this kernel has none"; return; }
	new_ns A
	must ip -n "$A" -batch - <<-END
		link add nic0 type espnic
		link add end0 type espnic peer nic0
		link add nic1 type espnic
		link add end1 type espnic peer nic1
	END
	must ip -n "$A" -batch - <<-END
		link set end0 up
		link set end1 up
		link add bond0 type bond miimon 50
		link set bond0 type bond mode active-backup
		link set nic0 master bond0
		link set nic1 master bond0
		addr add 192.168.123.3/24 dev bond0
		link set bond0 up
	END
	ok_if "a bond that becomes active-backup has the feature" feature on
	must ip -n "$A" link set bond0 type bond active_slave nic0
	ok_if "an SA to send by" bond_sa 192.168.123.3 192.168.123.4 out
	ok_if "an SA to receive by" bond_sa 192.168.123.4 192.168.123.3 in
	same "they are in the active slave" "$(held)" "2 0"
	must ip -n "$A" link set bond0 type bond active_slave nic1
	same "they move" "$(held)" "0 2"
	must ip -n "$A" link set bond0 type bond active_slave nic0
	same "and back" "$(held)" "2 0"
	must in_ns "$A" ethtool -K bond0 esp-hw-offload off
	ok_if "the bond's feature can be turned off" feature off
	must in_ns "$A" ethtool -K bond0 esp-hw-offload on
	must ip -n "$A" xfrm state flush
	same "flushed" "$(held)" "0 0"
	ok_if "an SA again" bond_sa 192.168.123.3 192.168.123.4 out
	same "it is in the active slave" "$(held)" "1 0"
	must ip -n "$A" link set bond0 down
	same "the bond goes down: it has none" "$(held)" "0 0"
	must ip -n "$A" link set nic0 nomaster
	must ip -n "$A" link set nic1 nomaster
	must ip -n "$A" link set bond0 type bond mode balance-rr
	ok_if "in another mode it has no such feature" feature off
}

offload_test
bond_offload_test
bond_test
plan_done
