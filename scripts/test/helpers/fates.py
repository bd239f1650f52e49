#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0
"""Sends single packets and tells what became of each.

fates.py NETNS DEV...

Starts in the namespace whose SAs, policies and counters count, and watches what
leaves by the devices DEV there. Prints "ready", then answers each line on its
input with one line:

    flow NAME [KEY=VALUE...]  what to send:
        to      address                    ns      namespace to send from (NETNS)
        proto   udp, icmp, gre (udp)       src     source address
        sport   dport                      size    bytes after that header (700)
        mark    tos (or traffic class)     df      dont, do, probe (dont)
        type    code    of ICMP            key     of GRE
        gso     segment size (UDP)         label   of IPv6
        dev     SO_BINDTODEVICE            parts   packets that come of one (1)
        count   counters of NETNS that count: Out, In or any (Out)
    warm NAME [COUNT]   COUNT packets (20) on each CPU, one after the other, behind
                        some of a sibling from another port: a cache may find out
                        what flows have in common before it remembers this one.
                        Then as "one"
    one NAME [SHOW...]  one packet on each CPU: their fate, see below; "cpu0: ...;
                        cpu1: ..." if the CPUs differ
    same CPU NAME[,SHOW...]...  one packet of each flow, on one CPU: their fates,
                        "; " between
    watch DEV           DEV was made anew
    forget [NAME...]    closes the sockets of these flows, of all without a name
    spread NAME...      as warm for many flows, without any fate: "sent"

A fate is a list of words in this order:
    DEV:SPI         an ESP packet left by DEV; *N if there were N. SHOW adds to it:
                    src, dst, tos, label, mac, len
    DEV:plain       the packet itself left, not encrypted
    error           tx_errors of an xfrm interface rose; with xfrm_accel,
                    error:REASON as in `ethtool -S`, without "drop_"
    loop            its collisions rose
    OutPolBlock...  counters of /proc/net/xfrm_stat that rose, without "Xfrm"; see "count"
    mtu=N           the sender was told an MTU
    errno=NAME      the sender's system call failed
    nothing         none of that in five seconds (times SLOW)
Only packets of more than 600 bytes count on the wire: the chatter of IPv6 is
smaller.
"""
import array
import collections
import ctypes
import errno
import fcntl
import os
import socket
import struct
import sys
import time

CLONE_NEWNET = 0x40000000
SIOCETHTOOL, ETHTOOL_GSTRINGS, ETHTOOL_GSTATS, ETHTOOL_GSSET_INFO = 0x8946, 0x1b, 0x1d, 0x37
IP_MTU_DISCOVER, IPV6_MTU_DISCOVER = 10, 23
IP_RECVERR, IPV6_RECVERR, MSG_ERRQUEUE = 11, 25, 0x2000
IPV6_DONTFRAG, IPV6_FLOWINFO_SEND, IPV6_FLOWLABEL_MGR, UDP_SEGMENT = 62, 33, 32, 103
SO_MARK, PACKET_OUTGOING, ETH_P_ALL = 36, 4, 3
DISCOVER = {'dont': 0, 'do': 2, 'probe': 3}
LEAST = 600
SLOW = int(os.environ.get('SLOW', '1'))
libc = ctypes.CDLL(None, use_errno=True)


class Inside:
    """with Inside(NAME): in that network namespace"""
    home = os.open('/proc/self/ns/net', os.O_RDONLY)

    def __init__(self, name):
        self.name = name

    def __enter__(self):
        there = os.open('/run/netns/' + self.name, os.O_RDONLY)
        self.enter(there)
        os.close(there)

    def __exit__(self, *_):
        self.enter(self.home)

    @staticmethod
    def enter(fd):
        if libc.setns(fd, CLONE_NEWNET):
            raise OSError(ctypes.get_errno(), 'setns')


class Flow:
    def __init__(self, words):
        have = dict(word.split('=', 1) for word in words)
        number = lambda key, default=0: int(have.get(key, default), 0)
        self.ns = have.get('ns', NETNS)
        self.to = have['to']
        self.v6 = ':' in self.to
        self.gso, self.label = number('gso', '0'), number('label', '0')
        self.parts = number('parts', '1')
        self.df = 'df' in have
        self.count = 'Xfrm' + have.get('count', 'Out').replace('any', '')
        data = bytes(number('size', '700'))
        proto = have.get('proto', 'udp')
        self.dport = number('dport', '9000') if proto == 'udp' else 0
        if proto == 'icmp':
            head = struct.pack('!BBHHH', number('type', '8'), number('code', '0'), 0, 7, 1)
            data = head[:2] + struct.pack('!H', checksum(head + data)) + head[4:] + data
        elif proto == 'gre':
            data = struct.pack('!HHI', 0x2000, 0x88b5, number('key', '0')) + data
        self.data = data
        self.sibling = None
        with Inside(self.ns):
            self.sock = self.open(proto, have, number)
            if proto == 'udp' and not (self.gso or self.label or 'sport' in have):
                self.sibling = self.open(proto, have, number)

    def open(self, proto, have, number):
        kind, which = {'udp': (socket.SOCK_DGRAM, 0), 'gre': (socket.SOCK_RAW, 47),
                       'icmp': (socket.SOCK_RAW, 58 if self.v6 else 1)}[proto]
        family = socket.AF_INET6 if self.v6 else socket.AF_INET
        level = socket.IPPROTO_IPV6 if self.v6 else socket.IPPROTO_IP
        sock = socket.socket(family, kind, which)
        sock.setsockopt(level, IPV6_MTU_DISCOVER if self.v6 else IP_MTU_DISCOVER,
                        DISCOVER[have.get('df', 'dont')])
        sock.setsockopt(level, IPV6_RECVERR if self.v6 else IP_RECVERR, 1)
        if self.v6 and proto == 'udp':
            sock.setsockopt(level, socket.IPV6_V6ONLY, 1)
        if self.v6 and 'df' in have:
            sock.setsockopt(level, IPV6_DONTFRAG, 1)
        if 'tos' in have:
            sock.setsockopt(level, socket.IPV6_TCLASS if self.v6 else socket.IP_TOS, number('tos'))
        if 'mark' in have:
            sock.setsockopt(socket.SOL_SOCKET, SO_MARK, number('mark'))
        if 'dev' in have:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_BINDTODEVICE, have['dev'].encode())
        if self.gso:
            sock.setsockopt(socket.IPPROTO_UDP, UDP_SEGMENT, self.gso)
        if self.label:
            self.claim_label(sock)
        if 'src' in have or 'sport' in have:
            sock.bind((have.get('src', '::' if self.v6 else '0.0.0.0'),
                       number('sport', '0') if proto == 'udp' else 0))
        sock.setblocking(False)
        return sock

    def claim_label(self, sock):
        # Get it, make it if need be, let anybody share it.
        request = socket.inet_pton(socket.AF_INET6, self.to) + struct.pack('!I', self.label)
        request += struct.pack('=BBHHHI', 0, 255, 1, 6, 60, 0)
        sock.setsockopt(socket.IPPROTO_IPV6, IPV6_FLOWLABEL_MGR, request)
        sock.setsockopt(socket.IPPROTO_IPV6, IPV6_FLOWINFO_SEND, 1)

    def told(self):
        """Empties the error queue: the last MTU in there, or 0."""
        mtu = 0
        while True:
            try:
                _, notes, _, _ = self.sock.recvmsg(0, 512, MSG_ERRQUEUE)
            except BlockingIOError:
                return mtu
            except OSError:
                continue  # an error that was pending
            for _, _, note in notes:
                err, origin, _, _, _, info, _ = struct.unpack_from('=IBBBBII', note)
                if err == errno.EMSGSIZE and origin:
                    mtu = info

    def addr(self):
        return (self.to, self.dport, self.label, 0) if self.v6 else (self.to, self.dport)

    def herald(self):
        """Two packets of the sibling, whatever becomes of them."""
        for _ in range(2 if self.sibling else 0):
            try:
                self.sibling.sendto(self.data, self.addr())
            except OSError:
                pass

    def close(self):
        self.sock.close()
        if self.sibling:
            self.sibling.close()

    def send(self):
        """One packet. Returns the name of the error of the system call, or ''."""
        for attempt in 0, 1:
            self.mtu = self.told()
            try:
                self.sock.sendto(self.data, self.addr())
                return ''
            except OSError as e:
                # The first one may speak of an earlier packet.
                name = errno.errorcode[e.errno]
        return name


def checksum(data):
    total = sum(struct.unpack('!%dH' % (len(data) // 2), data[:len(data) & ~1]))
    while total >> 16:
        total = (total & 0xffff) + (total >> 16)
    return ~total & 0xffff


class Wire:
    def __init__(self, dev):
        self.dev = dev
        self.sock = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 0)
        self.sock.bind((dev, ETH_P_ALL))
        self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4 << 20)
        self.sock.setblocking(False)

    def left(self, show=()):
        """What has left since the last call: list of words."""
        words = []
        while True:
            try:
                frame, addr = self.sock.recvfrom(256, socket.MSG_TRUNC)
            except BlockingIOError:
                return words
            except OSError:
                return words  # the device has gone down
            if addr[2] == PACKET_OUTGOING:
                words += self.word(frame, addr[1], show)

    def word(self, frame, kind, show):
        ip = frame[14:]
        if kind == 0x0800 and len(ip) >= 20:
            size, proto, rest = struct.unpack('!H', ip[2:4])[0], ip[9], ip[(ip[0] & 15) * 4:]
            src, dst = (socket.inet_ntop(socket.AF_INET, ip[at:at + 4]) for at in (12, 16))
            tos, label = ip[1], 0
        elif kind == 0x86dd and len(ip) >= 40:
            size, proto, rest = struct.unpack('!H', ip[4:6])[0] + 40, ip[6], ip[40:]
            src, dst = (socket.inet_ntop(socket.AF_INET6, ip[at:at + 16]) for at in (8, 24))
            first, = struct.unpack('!I', ip[:4])
            tos, label = first >> 20 & 255, first & 0xfffff
        else:
            return []
        if size < LEAST:
            return []
        name = '%x' % struct.unpack('!I', rest[:4]) if proto == 50 else 'plain'
        have = {'src': src, 'dst': dst, 'tos': '%x' % tos, 'label': '%x' % label,
                'mac': frame[:6].hex(':'), 'len': size}
        return ['/'.join(['%s:%s' % (self.dev, name)] + ['%s=%s' % (key, have[key]) for key in show])]


def reasons(sock, dev):
    """The drop counters of an xfrm_accel interface, by name."""
    def ethtool(data):
        address = data.buffer_info()[0]
        fcntl.ioctl(sock, SIOCETHTOOL, struct.pack('16sP', dev.encode(), address))
        return data.tobytes()
    try:
        info = ethtool(array.array('B', struct.pack('=IIQI', ETHTOOL_GSSET_INFO, 0, 2, 0)))
    except OSError:
        return {}
    if not struct.unpack_from('=Q', info, 8)[0]:
        return {}
    count, = struct.unpack_from('=I', info, 16)
    names = ethtool(array.array('B', struct.pack('=III', ETHTOOL_GSTRINGS, 1, count) + bytes(32 * count)))
    values = ethtool(array.array('B', struct.pack('=II', ETHTOOL_GSTATS, count) + bytes(8 * count)))
    return {names[12 + 32 * i:44 + 32 * i].split(b'\0')[0].decode(): value
            for i, value in enumerate(struct.unpack_from('=%dQ' % count, values, 8))}


def counters(flow):
    """Everything a drop may leave a trace in."""
    have = collections.Counter()
    with open('/proc/self/net/xfrm_stat', encoding='ascii') as file:
        for line in file:
            name, value = line.split()
            if name.startswith(flow.count):
                have[name[4:]] = int(value)
    count_devices(have, HOME)
    if flow.ns != NETNS:
        with Inside(flow.ns):
            count_devices(have, flow.sock)
    return have


def count_devices(have, sock):
    with open('/proc/self/net/dev', encoding='ascii') as file:
        for line in file:
            dev, _, rest = line.partition(':')
            if not dev.strip().startswith('ipsec'):
                continue
            fields = rest.split()
            have['error'] += int(fields[10])
            have['loop'] += int(fields[13])
            for name, value in reasons(sock, dev.strip()).items():
                if name.startswith('drop_tx_'):
                    have['error:' + name[5:]] += value


def one(flow, show=()):
    for wire in WIRES.values():
        wire.left()
    before = counters(flow)
    failed = flow.send()
    end = time.monotonic() + 5 * SLOW
    left = collections.Counter()
    while True:
        for wire in WIRES.values():
            left.update(wire.left(show))
        rose = sorted(counters(flow) - before)
        mtu = flow.told() or flow.mtu
        if failed or (rose and (mtu or not flow.df)) or sum(left.values()) >= flow.parts:
            break
        if rose:
            end = min(end, time.monotonic() + SLOW)  # the sender is still to be told
        if time.monotonic() > end:
            break
        time.sleep(0.002)
    words = [word + ('*%d' % n if n > 1 else '') for word, n in sorted(left.items())]
    if any(word.startswith('error:') for word in rose):
        rose.remove('error')
    words += sorted(rose, key=lambda word: (not word.startswith('error'), word))
    words += ['mtu=%d' % mtu] if mtu else []
    words += ['errno=' + failed] if failed else []
    return ' '.join(words) or 'nothing'


def on_cpu(cpu):
    os.sched_setaffinity(0, {cpu})


def on_each_cpu(flow, show):
    fates = []
    for cpu in CPUS:
        on_cpu(cpu)
        fates.append(one(flow, show))
    if len(set(fates)) == 1:
        return fates[0]
    return '; '.join('cpu%d: %s' % pair for pair in zip(CPUS, fates))


def shower(flows, count):
    if any(flow.sibling for flow in flows):
        for cpu in CPUS:
            on_cpu(cpu)
            for flow in flows:
                flow.herald()
        time.sleep(0.05)
    for cpu in CPUS:
        on_cpu(cpu)
        for flow in flows:
            for _ in range(count):
                flow.send()


def answer(what, words):
    if what == 'flow':
        FLOWS[words[0]] = Flow(words[1:])
        return 'ok'
    if what == 'warm':
        flow = FLOWS[words[0]]
        shower([flow], int(words[1]) if words[1:] else 20)
        return on_each_cpu(flow, ())
    if what == 'one':
        return on_each_cpu(FLOWS[words[0]], words[1:])
    if what == 'same':
        on_cpu(int(words[0]))
        names = [word.split(',') for word in words[1:]]
        return '; '.join(one(FLOWS[name], show) for name, *show in names)
    if what == 'spread':
        shower([FLOWS[name] for name in words], 20)
        return 'sent'
    if what == 'watch':
        WIRES[words[0]] = Wire(words[0])
        return 'ok'
    if what == 'forget':
        for name in words or list(FLOWS):
            FLOWS.pop(name).close()
        return 'ok'
    return 'what is "%s"?' % what


NETNS = sys.argv[1]
CPUS = sorted(os.sched_getaffinity(0))
HOME = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
FLOWS = {}
WIRES = {dev: Wire(dev) for dev in sys.argv[2:]}
print('ready', flush=True)
for line in sys.stdin:
    what, *words = line.split()
    try:
        print(answer(what, words), flush=True)
    except (OSError, KeyError, ValueError) as e:
        print('fates.py: %s: %r' % (line.strip(), e), flush=True)
