# SPDX-License-Identifier: GPL-2.0
"""
Two sites and their gateways, joined by what is to be measured.

 joined="direct"

   h1            gw1                                    gw2            h2
   eth0 ------- lan0  wan0 =========================== wan0  lan0 ------- eth0

 joined="split"

   h1            gw1             mid          mid       gw2            h2
   eth0 ------- lan0  wan0 ===== west         east ==== wan0  lan0 ------- eth0

mid has no addresses and forwards nothing: the program takes frames from west
and puts frames into east, so that each gateway can be measured alone.

With an espnic ("+espnic" in the system's name), each gateway has one on its wan0: nic0, with the
outer address, and the SAs are offloaded to it.

Every line is a veth pair. wan0, west and east have TSO off, and wan0 GRO on:
only so does a veth device run GRO. h1 computes checksums itself, so that the
gateways get datagrams as from a real wire. All neighbours are known for good.
Inner and outer addresses are of one family.
"""

import os

import net

SPI = 0x1001
IF_ID = 7
PORT = 51820
MTU = 1420  # of tunnel devices: 1400 bytes fit, and come out below 1500

SITES = {
    4: {"h1": "10.1.0.1", "gw1": "10.1.0.254", "h2": "10.2.0.1", "gw2": "10.2.0.254", "length": 24,
        "net1": "10.1.0.0/24", "net2": "10.2.0.0/24", "any": "0.0.0.0/0"},
    6: {"h1": "fd00:1::1", "gw1": "fd00:1::fe", "h2": "fd00:2::1", "gw2": "fd00:2::fe", "length": 64,
        "net1": "fd00:1::/64", "net2": "fd00:2::/64", "any": "::/0"},
}
OUTER = {4: ("192.0.2.1", "192.0.2.2", 24), 6: ("2001:db8::1", "2001:db8::2", 64)}


PLANT = os.environ.get("PLANT")  # what selftest.sh breaks


def mac(number):
    return f"02:00:00:00:00:{number:02x}"


MACS = {name: mac(n) for n, name in enumerate(
    ("h1", "lan1", "wan1", "west", "east", "wan2", "lan2", "h2"), start=1)}

# What the algorithm is called by `ip xfrm state add`, and how long its key is.
ALGORITHMS = {
    "null": ("", "enc ecb(cipher_null) '' auth digest_null ''", 0),
    "aes-gcm": ("rfc4106(gcm(aes))", "aead rfc4106(gcm(aes)) {key} 128", 20),
    "chacha20-poly1305": ("rfc7539esp(chacha20,poly1305)", "aead rfc7539esp(chacha20,poly1305) {key} 128", 36),
}


class World:
    """The topology above, for one system, family and cipher."""

    def __init__(self, number, system, family, cipher, joined):
        self.system, self.family, self.cipher, self.joined = system, family, cipher, joined
        self.site = SITES[family]
        self.wan = "nic0" if system.endswith("+espnic") else "wan0"
        self.ns = {role: f"w{number}-{role}" for role in ("h1", "gw1", "mid", "gw2", "h2")}
        self._topology()
        self.device = SYSTEMS[system](self)  # the tunnel device, or None

    @property
    def has_sa(self):
        return self.system not in ("plain", "wireguard")

    def _topology(self):
        ns, site = self.ns, self.site
        for name in ns.values():
            net.new_ns(name, self.family)
        self._veth("h1", "eth0", "h1", "gw1", "lan0", "lan1")
        self._veth("h2", "eth0", "h2", "gw2", "lan0", "lan2")
        if self.joined == "direct":
            self._veth("gw1", "wan0", "wan1", "gw2", "wan0", "wan2")
        else:
            self._veth("gw1", "wan0", "wan1", "mid", "west", "west")
            self._veth("gw2", "wan0", "wan2", "mid", "east", "east")
            for device in ("west", "east"):
                self.features("mid", device, "gro off tso off")
        near, far, length = OUTER[self.family]
        for role, outer, peer, wan, lan, peer_wan, host in (
                ("gw1", near, far, "wan1", "lan1", "wan2", "h1"), ("gw2", far, near, "wan2", "lan2", "wan1", "h2")):
            self.features(role, "wan0", "gro on tso off" if PLANT != "no-gro" else "gro off")
            self.features(host, "eth0", "tx off")
            if self.wan == "nic0":
                net.ip(ns[role], "link add link wan0 name nic0 type espnic\nlink set nic0 up")
            net.ip(ns[role], f"""
                addr add {outer}/{length} dev {self.wan}
                addr add {site[role]}/{site["length"]} dev lan0
                neigh add {peer} lladdr {MACS[peer_wan]} dev {self.wan} nud permanent
                neigh add {site[host]} lladdr {MACS[host]} dev lan0 nud permanent""")
            net.ip(ns[host], f"""
                addr add {site[host]}/{site["length"]} dev eth0
                neigh add {site[role]} lladdr {MACS[lan]} dev eth0 nud permanent
                route add default via {site[role]}""")

    def _veth(self, role, device, address, peer_role, peer_device, peer_address):
        net.ip(self.ns[role], f"""
            link add {device} address {MACS[address]} type veth peer name {peer_device} \
            address {MACS[peer_address]} netns {self.ns[peer_role]}
            link set {device} up""".replace("\\\n", ""))
        net.ip(self.ns[peer_role], f"link set {peer_device} up")

    def features(self, role, device, words):
        net.run("ip", "netns", "exec", self.ns[role], "ethtool", "-K", device, *words.split())

    def route_sites(self, device=None):
        """Each gateway's route to the other site: into a device, or along the wire."""
        near, far, _ = OUTER[self.family]
        for role, network, peer in (("gw1", "net2", far), ("gw2", "net1", near)):
            hop = f"dev {device}" if device else f"via {peer} dev {self.wan}"
            net.ip(self.ns[role], f"route add {self.site[network]} {hop}")

    def sas(self, words):
        """The SA from gw1 to gw2 and the one back, on both."""
        near, far, _ = OUTER[self.family]
        _, algorithm, length = ALGORITHMS[self.cipher]
        key = "0x" + os.urandom(length).hex()
        if PLANT == "expiry":
            words += " limit packet-hard 400"
        for role, own in (("gw1", near), ("gw2", far)):
            net.ip(self.ns[role], "\n".join(
                f"xfrm state add src {src} dst {dst} proto esp spi {spi:#x} reqid 1 mode tunnel "
                f"replay-window 32 {words} {algorithm.format(key=key)} {self.offload(src == own)}"
                for src, dst, spi in ((near, far, SPI), (far, near, SPI + 1))))

    def offload(self, out):
        """The words that give an SA to the espnic, if there is one."""
        return f"offload dev {self.wan} dir {'out' if out else 'in'}" if self.wan == "nic0" else ""

    def policies(self, words, here, there):
        """Out, in and fwd on both gateways; here, there: selectors as seen from gw1."""
        near, far, _ = OUTER[self.family]
        for role, src, dst, outer, peer in (("gw1", here, there, near, far), ("gw2", there, here, far, near)):
            lines = [f"xfrm policy add src {src} dst {dst} dir out {words} tmpl src {outer} dst {peer} "
                     "proto esp reqid 1 mode tunnel"]
            lines += [f"xfrm policy add src {dst} dst {src} dir {way} {words} tmpl src {peer} dst {outer} "
                      "proto esp reqid 1 mode tunnel" for way in ("in", "fwd")]
            net.ip(self.ns[role], "\n".join(lines))


def plain(world):
    """Routed, without any tunnel."""
    world.route_sites()


def interface(world):
    """An xfrm interface on each gateway, of whichever module is loaded."""
    for role in ("gw1", "gw2"):
        net.ip(world.ns[role], f"""
            link add ipsec0 type xfrm dev {world.wan} if_id {IF_ID}
            link set ipsec0 mtu {MTU} up""")
    world.sas(f"if_id {IF_ID}")
    world.policies(f"if_id {IF_ID}", world.site["any"], world.site["any"])
    world.route_sites("ipsec0")
    return "ipsec0"


def policy(world):
    """Policies alone, for the two networks."""
    world.sas("")
    if PLANT != "plaintext":
        world.policies("", world.site["net1"], world.site["net2"])
    world.route_sites()


def wireguard(world):
    """WireGuard between the gateways."""
    secret = {role: net.run("/in/wg", "genkey") for role in ("gw1", "gw2")}
    public = {role: net.run("/in/wg", "pubkey", stdin=secret[role]).strip() for role in secret}
    near, far, _ = OUTER[world.family]
    for role, peer, address in (("gw1", "gw2", far), ("gw2", "gw1", near)):
        if world.joined == "split":
            # What mid sees and passes on must have its checksum.
            world.features(role, "wan0", "tx off")
        net.ip(world.ns[role], f"link add wg0 mtu {MTU} type wireguard")
        endpoint = f"{address}:{PORT}" if world.family == 4 else f"[{address}]:{PORT}"
        net.run("ip", "netns", "exec", world.ns[role], "/in/wg", "set", "wg0", "listen-port", str(PORT),
                "private-key", "/proc/self/fd/0", "peer", public[peer], "endpoint", endpoint,
                "allowed-ips", world.site["any"], stdin=secret[role])
        net.ip(world.ns[role], "link set wg0 up")
    world.route_sites("wg0")
    return "wg0"


SYSTEMS = {
    "plain": plain,
    "in-tree": interface,
    "in-tree-policy": policy,
    "xfrm_accel": interface,
    "xfrm_accel+espnic": interface,
    "wireguard": wireguard,
    "pcrypt": interface,
}
