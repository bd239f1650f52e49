#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# nic_ip.sh - `ip link` with the plugin of espnic: every option set, changed and
# shown, as text and as JSON, and every wrong one refused with a message.
#
#     $A                                          $B
#     ipsec0                                      ipsec0
#     nic0 (espnic)
#     wire0  --------------- veth --------------  wire0

# shellcheck source=scripts/test/lib.sh
. "${TESTDIR:?}/lib.sh"
# shellcheck source=scripts/test/helpers/nic.sh
. "$TESTDIR/helpers/nic.sh"

is_accel || skip_all nic_ip "it is ours alone"

in_a() { ip -n "$A" "$@"; }

# shows NAME DEV TEXT JSON: what there is to show of its kind, in both forms
shows()
{
	same "$1: text" "$(in_a -d link show dev "$2" |
		sed -n 's/^ *espnic \(.*\) addrgenmode .*/\1/p')" "$3"
	same "$1: JSON" "$(in_a -d -j link show dev "$2" | jq -c '.[0].linkinfo.info_data')" "$4"
}

# change NAME OPTION...: of nic0
change() { ok_if "$1" in_a link change dev nic0 type espnic "${@:2}"; }

# wrong NAME MESSAGE OPTION...: refused for a new device and for one that there is
wrong()
{
	refused "$1: add" "$2" in_a link add link wire0 name bad type espnic "${@:3}"
	refused "$1: change" "$2" in_a link set dev nic0 type espnic "${@:3}"
}

help()
{
	local option
	same "ip link help espnic" "$(ip link help espnic | head -n 1)" \
		"Usage: ... espnic [ sa-max NUMBER ] [ peer DEV ]"
	for option in sa-max peer refuse corrupt reorder stall lose; do
		ok_if "it explains $option" eval "ip link help espnic | grep -qP '\t$option\t'"
	done
	refused "ip link add type espnic help" "^Usage: ... espnic" in_a link add type espnic help
	refused "help after other options" "^Usage: ... espnic" \
		in_a link add name bad type espnic sa-max 4 help
}

add()
{
	ok_if "add without an option" in_a link add link wire0 name nic0 type espnic
	shows "as it is made" nic0 "sa-max 65536 sa-count 0" '{"sa_max":65536,"sa_count":0}'
	must in_a link del nic0
	ok_if "add with every option for one on a wire" in_a link add link wire0 name nic0 type espnic \
		sa-max 16 refuse error corrupt 0x10 reorder 4 stall on
	shows "with every option" nic0 \
		"sa-max 16 sa-count 0 refuse error corrupt 16 reorder 4 stall on" \
		'{"sa_max":16,"sa_count":0,"refuse":"error","corrupt":16,"reorder":4,"stall":true}'
	ok_if "add one without a wire" in_a link add name end1 type espnic
	ok_if "add its peer" in_a link add name end2 type espnic sa-max 0 peer end1
	same "they are a pair" "$(in_a -j link show type espnic | jq -c '[.[] | [.ifname, .link]]')" \
		'[["nic0","wire0"],["end1","end2"],["end2","end1"]]'
	shows "room for none" end2 "sa-max 0 sa-count 0" '{"sa_max":0,"sa_count":0}'
	ok_if "all of them in one JSON" eval 'in_a -d -j link show type espnic |
		jq -e "length == 3 and all(.[]; .linkinfo.info_data.sa_count == 0)"'
	must in_a link del end1
	must in_a link del end2
}

one_by_one()
{
	change "sa-max, the highest" sa-max 4294967295
	change "corrupt, the highest" corrupt 0xffffffff
	change "reorder in capitals" reorder 0XAB
	change "refuse unsupported" refuse unsupported
	shows "changed" nic0 \
		"sa-max 4294967295 sa-count 0 refuse unsupported corrupt 4294967295 reorder 171 stall on" \
		'{"sa_max":4294967295,"sa_count":0,"refuse":"unsupported","corrupt":4294967295,"reorder":171,"stall":true}'
	change "stall off" stall off
	change "refuse none" refuse none
	change "no corrupt, a number with zeros in front" corrupt 0 sa-max 010
	shows "only what is set is shown" nic0 "sa-max 10 sa-count 0 reorder 171" \
		'{"sa_max":10,"sa_count":0,"reorder":171}'
	ok_if "ip link set" in_a link set nic0 type espnic reorder 0 refuse error
	shows "by ip link set" nic0 "sa-max 10 sa-count 0 refuse error" \
		'{"sa_max":10,"sa_count":0,"refuse":"error"}'
	refused "the option is obeyed" "told to fail|failed to offload" in_a xfrm state add src 192.0.2.1 dst 192.0.2.9 \
		proto esp spi 9 mode tunnel aead "rfc4106(gcm(aes))" \
		0x00112233445566778899aabbccddeeff01020304 128 offload dev nic0 dir out
	change "back to what it was" refuse none sa-max 65536
}

wrong_ones()
{
	local option value
	for option in sa-max corrupt reorder lose; do
		for value in '' ' ' x 12x -1 +1 1.5 ' 1' 0x 0xg 4294967296 0x100000000 \
			99999999999999999999999; do
			wrong "$option '$value'" "^espnic: $option: \"${value/+/\\+}\" is not .*a number from 0 to" \
				$option "$value"
		done
	done
	for value in '' maybe Error 1 none,error; do
		wrong "refuse '$value'" \
			"^espnic: refuse: \"$value\" is not one of none, error, unsupported" refuse "$value"
	done
	for value in '' yes ON 1; do
		wrong "stall '$value'" "^espnic: stall: \"$value\" is not on or off" stall "$value"
	done
	for value in '' nobody; do
		wrong "peer '$value'" \
			"^espnic: peer: \"$value\" is not the name of a device" peer "$value"
	done
	for option in sa-max peer refuse corrupt reorder stall lose; do
		wrong "$option without a value" "^espnic: $option wants " $option
	done
	for option in sa-count sa_max sa sa-maximum '' -; do
		wrong "option '$option'" "^espnic: there is no option \"$option\"" "$option" 1
	done
	wrong "an option twice" "^espnic: corrupt is there twice" corrupt 1 stall on corrupt 1
	wrong "a wrong one after right ones" "^espnic: stall: " sa-max 5 corrupt 5 stall maybe
	refused "what the kernel refuses: a peer that is none" "the peer is no espnic" \
		in_a link add name bad type espnic peer wire0
	refused "what the kernel refuses: another peer" "the peer cannot be changed" \
		in_a link set dev nic0 type espnic peer wire0
	refused "what the kernel refuses: an SPI before there is an SA" "no SA to lose" \
		in_a link add link wire0 name bad type espnic lose 1
	not_if "nothing of this was made" exists "$A" bad
	shows "nothing of this has changed nic0" nic0 "sa-max 65536 sa-count 0" \
		'{"sa_max":65536,"sa_count":0}'

	not_if "a batch with a wrong line" in_a -force -batch - <<-'END'
		link set dev nic0 type espnic corrupt never
		link set dev nic0 type espnic sa-max 77
	END
	shows "its other line is done" nic0 "sa-max 77 sa-count 0" '{"sa_max":77,"sa_count":0}'
}

# From A to B the SPI is 0x1000.
lose()
{
	takes_addresses A nic0
	if ! takes_inbound; then
		skip "lose" "this kernel gives no inbound SA with an if_id to a device"
		return
	fi
	nic_sas A
	sa_pair sides=B
	policy_pair
	xfrm_link A link=nic0
	xfrm_link B
	shows "two SAs" nic0 "sa-max 77 sa-count 2" '{"sa_max":77,"sa_count":2}'
	ok_if "a packet arrives" wait_for 10 pings "$A" 10.7.0.2 1
	change "lose another SPI" lose 0x1000000
	ok_if "a packet arrives as before" pings "$A" 10.7.0.2 1
	change "lose the SPI" lose 4096
	ok_if "no packet arrives" no_ping "$A" 10.7.0.2
	ok_if "the device says why" test "$(count "$A" ipsec_tx_drop_no_state)" -gt 0
	flush_xfrm
	shows "without SAs" nic0 "sa-max 77 sa-count 0" '{"sa_max":77,"sa_count":0}'
}

two_hosts
help
add
one_by_one
wrong_ones
lose
plan_done
