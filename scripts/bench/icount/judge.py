#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""
judge.py SYSTEM ROUND DIR: the results of one boot as JSON lines on stdout.

DIR holds what the boot left: intervals.jsonl, kallsyms, counts.

First it is proved from the counts themselves that the packets took the way they
are said to have taken: see evidence(). Else nothing is printed and the status is 1.
README.md tells what the rows mean.
"""

import json
import re
import sys

from counts import KERNEL, Boot

INTERFACES = ("xfrm_interface", "xfrm_accel")
OFFLOAD = {"esp4_offload", "esp6_offload"}

# The xfrm core: the functions of net/xfrm/, net/ipv4/xfrm4_*.c and net/ipv6/xfrm6_*.c.
# Those whose name does not say it are listed as far as a packet comes through them.
CORE = re.compile(r"_*xfrm|decode_session[46]|policy_hash_|secpath_set|selector_cmp|validate_xmit_xfrm"
                  r"|(ip|ipip|ipip6)_ecn_decapsulate|make_blackhole|xdst_queue_output|skb_dst_pop")

# The ESP engine of xfrm_accel, and its espnic, which the in-tree modules of the interface have not.
ENGINE = re.compile(r"xac_(esp|nic|gro|gso|natt|request|seal|opened|encap_type"
                    r"|ipv[46]_(set_length|total_len|nexthdr_offset|nat_source))")

# Makes and frees bundles.
ALLOC = {"dst_alloc", "dst_init", "dst_release", "dst_release_immediate", "dst_destroy", "dst_destroy_rcu"}

CIPHER_MODULES = {"aes-gcm": ["aesni_intel"], "chacha20-poly1305": ["chacha_x86_64", "poly1305_x86_64"]}


# What a TCP connection went through: trains are cut by the engine, or for the device.
TCP_EVIDENCE = {
    "in-tree": [("xfrm_interface", "xfrmi_xmit"), ("xfrm_interface", "xfrmi_rcv_cb"),
                ("esp{family}_offload", "esp{family}_gso_segment"), ("esp{family}_offload", "esp{family}_gro_receive")],
    "xfrm_accel": [("xfrm_accel", "xac_start_xmit"), ("xfrm_accel", "xac_receive_cb"),
                   ("xfrm_accel", "xac_esp_gso_segment"), ("xfrm_accel", "xac_esp_gro_take")],
    "xfrm_accel+espnic": [("xfrm_accel", "xac_start_xmit"), ("xfrm_accel", "xac_receive_cb"),
                          ("xfrm_accel", "xac_nic_start_xmit"), ("xfrm_accel", "xac_nic_sa_find"),
                          ("xfrm_accel", "xac_nic_gro_receive"), ("xfrm_accel", "xac_esp_gso_segment")],
    "wireguard": [("wireguard", "wg_xmit"), ("wireguard", "wg_packet_receive")],
}
TCP_EVIDENCE["pcrypt"] = TCP_EVIDENCE["in-tree"]
TCP_EVIDENCE["in-tree-policy"] = TCP_EVIDENCE["in-tree"][2:]


def evidence_of_tcp(system, row):
    """The same for a connection: how many packets it had is TCP's."""
    for module, name in TCP_EVIDENCE.get(system, []):
        yield module.format(family=row["family"]), name.format(family=row["family"]), None
    for module in CIPHER_MODULES.get(row["cipher"], []):
        yield module, None, None


def evidence(system, row):
    """(module, function, calls per packet, or None for any number) that must have been executed."""
    if row["case"] == "bulk-tcp":
        yield from evidence_of_tcp(system, row)
        return
    encap = row["case"] != "forward-decap"
    decap = row["case"] != "forward-encap"
    family = row["family"]
    if system == "plain":
        return
    if system == "wireguard":
        if encap:
            yield "wireguard", "wg_xmit", 1
        if decap:
            yield "wireguard", "wg_packet_receive", 1
        yield "chacha_x86_64", None, None
        return
    if encap:
        if system == "xfrm_accel":
            yield "xfrm_accel", "xac_start_xmit", 1
            yield "xfrm_accel", f"xac_ipv{family}_put_header", 1
        elif system == "xfrm_accel+espnic":
            yield "xfrm_accel", "xac_start_xmit", 1
            yield "xfrm_accel", "xac_nic_start_xmit", 1
            yield "xfrm_accel", "xac_nic_has_sa", 1
            yield "xfrm_accel", "xac_nic_count_sealed", 1
            yield "xfrm_accel", f"xac_ipv{family}_put_header", 1
        else:
            yield KERNEL, "xfrm_output", 1
            if system != "in-tree-policy":
                yield "xfrm_interface", "xfrmi_xmit", 1
            yield f"esp{family}_offload", "esp_xmit" if family == 4 else "esp6_xmit", 1
    if decap:
        # Again for what was decrypted in the meantime.
        yield KERNEL, "xfrm_input", 2 if system == "pcrypt" else 1
        if system == "xfrm_accel+espnic":
            yield "xfrm_accel", "xac_nic_gro_receive", 1
            yield "xfrm_accel", "xac_nic_sa_find", 1
            yield "xfrm_accel", "xac_receive_cb", 1
            yield "xfrm_accel", "xac_esp_gro_skip", 1
        elif system == "xfrm_accel":
            yield "xfrm_accel", "xac_receive_cb", 1
            yield "xfrm_accel", "xac_esp_gro_take", 1
        else:
            if system != "in-tree-policy":
                yield "xfrm_interface", "xfrmi_rcv_cb", 1
            yield f"esp{family}_offload", f"esp{family}_gro_receive", 1
    for module in CIPHER_MODULES.get(row["cipher"], []):
        yield module, None, None
    if system == "pcrypt":
        yield "pcrypt", None, None


def allowed_modules(system):
    """Of those that could stand in for one another."""
    return {"in-tree": {"xfrm_interface"} | OFFLOAD, "in-tree-policy": OFFLOAD,
            "pcrypt": {"xfrm_interface", "pcrypt"} | OFFLOAD,
            "xfrm_accel": {"xfrm_accel"}, "xfrm_accel+espnic": {"xfrm_accel"}, "wireguard": {"wireguard"}}.get(system, set())


def faults(system, row, interval):
    """What contradicts that this system carried these packets."""
    packets = row["packets"]
    for module, name, wanted in evidence(system, row):
        if name is None:
            if not interval.of_module(module):
                yield f"module {module} was not used"
            continue
        calls = interval.calls(module, name)
        if wanted is None:
            if not calls:
                yield f"{module}:{name} was not called"
        elif calls != wanted * packets:
            yield f"{module}:{name} was called {calls} times for {packets} packets"
    if system in ("in-tree", "xfrm_accel", "xfrm_accel+espnic", "pcrypt") and not interval.stretch:
        yield "the interface was not seen between its ends"
    for module in ({"xfrm_interface", "xfrm_accel", "wireguard", "pcrypt"} | OFFLOAD) - allowed_modules(system):
        if interval.of_module(module):
            yield f"module {module} was used"


def is_ours(function):
    module, name = function
    if module == KERNEL:
        return CORE.match(name) is not None
    return module in INTERFACES and not ENGINE.match(name)


def lookup_cost(interval):
    """(interface and core, the same with the making and freeing of bundles)"""
    ours = sum(n for function, n in interval.instructions.items() if is_ours(function))
    seeds = {function for function in interval.instructions if function[0] == KERNEL and function[1] in ALLOC}
    shares = interval.shares(seeds)
    alloc = sum(n * shares.get(function, 0) for function, n in interval.instructions.items()
                if not is_ours(function))
    return ours, ours + alloc


def rows(system, number, row, interval):
    variant = row.get("variant")
    base = {"judge": "icount", "case": row["case"], "family": f"v{row['family']}", "cipher": row["cipher"],
            "bytes": row["bytes"], "flows": row["flows"], "interfaces": int(system in (
                "in-tree", "xfrm_accel", "xfrm_accel+espnic", "pcrypt", "wireguard")), "streams": 1, "system": system,
            "metric": "insn_per_packet"}
    values = {variant: interval.total}
    if row["case"] == "bulk-tcp":
        yield {**base, "round": number, "value": round(interval.total / row["packets"], 1)}
        return
    if system not in ("plain", "wireguard"):
        suffix = f"/{variant}" if variant else ""
        values["interface+lookup" + suffix], values["module+core+alloc" + suffix] = lookup_cost(interval)
        if system != "in-tree-policy":
            values["interface-inclusive" + suffix] = sum(interval.stretch.values())
    for name, value in values.items():
        yield {**base, **({"variant": name} if name else {}), "round": number,
               "value": round(value / row["packets"], 1)}


def main():
    system, number, boot = sys.argv[1], int(sys.argv[2]), Boot(sys.argv[3])
    bad = [f"refused: {system}, {row}: {fault}" for row, interval in boot.cases
           for fault in faults(system, row, interval)]
    if bad:
        sys.exit("\n".join(bad[:20]))
    for row, interval in boot.cases:
        for result in rows(system, number, row, interval):
            print(json.dumps(result))


if __name__ == "__main__":
    main()
