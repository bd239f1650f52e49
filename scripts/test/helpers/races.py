#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0
"""Packets on some CPUs while SAs, policies, routes and devices change.

races.py SRC DST ADDR...

UDP to every ADDR and several ports, through an interface with if_id 7. Prints
"ready", then answers each line on its input with one line:

    flood                   each CPU sends without a pause
    stop                    none sends any more: "sent N"
    silent SPI...           from now on nothing may go by these SAs: "silent", or
                            which ones have sent how much after the packets that
                            were on their way already
    quiet DEV               the same for ESP that leaves by DEV: "silent"
    still NETNS DEV...      the same for the packets themselves, on devices of
                            another namespace: "silent", or how many by which
    sa ROUNDS               a newer SA while a bundle is being built
    policy ROUNDS           a policy deleted while a bundle is being built
                            These two: "wrong N of ROUNDS, window N us". The last
                            CPU sends to the first ADDR. In each round a first
                            change makes the kernel resolve policy and SA anew, a
                            second one comes at a random moment of that. Then two
                            packets from that CPU must obey the second change.
                            They expect the SA 0x1000 with reqid 1 and a policy for
                            all that asks for it, and leave things as they were.
"""
import ctypes
import mmap
import os
import random
import signal
import socket
import struct
import sys
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import xfrm_nl  # noqa: E402

SRC, DST, *ADDRS = sys.argv[1:]
ADDR = ADDRS[0]
IF_ID = 7
FAMILY = xfrm_nl.family_of(ADDR)
DICE = random.Random(time.time_ns())
CPUS = sorted(os.sched_getaffinity(0))
PORTS = 9000, 9001, 5001
SIZE = 700
HOME = '/proc/self/ns/net'


class Sender:
    """A process that sends on one CPU. Shared memory: run, running, packets."""

    def __init__(self, cpu, flows):
        self.cpu = cpu
        self.socks = []
        for addr, port in flows:
            sock = socket.socket(xfrm_nl.family_of(addr), socket.SOCK_DGRAM)
            sock.connect((addr, port))
            self.socks.append(sock)
        self.shared = mmap.mmap(-1, 4096)
        self.pid = os.fork()
        if not self.pid:
            try:
                self.loop()
            finally:
                os._exit(1)

    def loop(self):
        os.sched_setaffinity(0, {self.cpu})
        parent = os.getppid()
        while os.getppid() == parent:
            self.shared[1] = self.shared[0]
            if self.shared[0]:
                self.send()
                struct.pack_into('=Q', self.shared, 8, self.sent() + 1)
            else:
                time.sleep(0.0005)

    def send(self):
        """One packet of each flow."""
        for sock in self.socks:
            try:
                sock.send(bytes(SIZE))
            except OSError:
                pass  # about an earlier packet, which was dropped

    def sent(self):
        return struct.unpack_from('=Q', self.shared, 8)[0]

    def run(self, on):
        self.shared[0] = on
        eventually(lambda: self.shared[1] == on)

    def by_hand(self, count):
        os.sched_setaffinity(0, {self.cpu})
        for _ in range(count):
            self.send()
        os.sched_setaffinity(0, {CPUS[0]})


def eventually(condition):
    end = time.monotonic() + 60
    while not condition():
        if time.monotonic() > end:
            raise OSError('a sender is stuck')
        time.sleep(0.0002)


def passed(senders, rounds):
    """Returns when each sender has sent that many times from now on."""
    for sender, goal in [(sender, sender.sent() + rounds) for sender in senders]:
        eventually(lambda: sender.sent() >= goal)


def silent(xfrm, senders, spis):
    passed(senders, 2)
    before = xfrm.packets()
    passed(senders, 10)
    after = xfrm.packets()
    loud = ['%x:%d' % (spi, after[spi] - before.get(spi, 0)) for spi in spis
            if after.get(spi, 0) > before.get(spi, 0)]
    return ' '.join(loud) or 'silent'


def enter(netns):
    if ctypes.CDLL(None, use_errno=True).setns(netns, 0x40000000):
        raise OSError(ctypes.get_errno(), 'setns')


def listen(dev, netns=HOME):
    """Hears from now on, and only that device."""
    home = os.open(HOME, os.O_RDONLY)
    there = os.open(netns, os.O_RDONLY)
    enter(there)
    try:
        sock = socket.socket(socket.AF_PACKET, socket.SOCK_DGRAM, 0)
    finally:
        enter(home)
        os.close(home)
        os.close(there)
    sock.bind((dev, 3))
    return sock


def heard(sock):
    """How many packets of ours have left."""
    count = 0
    sock.setblocking(False)
    with sock:
        while True:
            try:
                packet, addr = sock.recvfrom(2048)
            except BlockingIOError:
                return count
            count += addr[2] == 4 and len(packet) > SIZE


def quiet(senders, dev):
    passed(senders, 2)
    sock = listen(dev)
    passed(senders, 10)
    loud = heard(sock)
    return 'esp:%d' % loud if loud else 'silent'


def still(senders, netns, devs):
    passed(senders, 2)
    socks = {dev: listen(dev, '/run/netns/' + netns) for dev in devs}
    passed(senders, 10)
    loud = {dev: heard(sock) for dev, sock in socks.items()}
    return ' '.join('%s:%d' % item for item in loud.items() if item[1]) or 'silent'


def building_takes(xfrm, sender):
    """Seconds that a packet takes which has to have its bundle built."""
    longest = 0
    for spi in range(0x1001, 0x1006):
        xfrm.add_sa(SRC, DST, spi, 1, IF_ID)
        begin = time.monotonic()
        sender.by_hand(1)
        longest = max(longest, time.monotonic() - begin)
        xfrm.del_sa(DST, spi)
    return longest


def wait(seconds):
    """Without sleeping, which would take longer than that."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        pass


def obeyed(xfrm, sender, spi):
    """Two packets are sent, by that SA."""
    before = xfrm.packets()
    sender.by_hand(2)
    end = time.monotonic() + 5
    while True:
        after = xfrm.packets()
        moved = {which: after[which] - before.get(which, 0) for which in after}
        if sum(moved.values()) >= 2 or time.monotonic() > end:
            return moved[spi] == 2


def sa_rounds(xfrm, sender, window, rounds):
    wrong, spi = 0, 0x1000
    for _ in range(rounds):
        sender.run(1)
        xfrm.add_sa(SRC, DST, spi + 1, 1, IF_ID)
        wait(DICE.uniform(0, window))
        xfrm.add_sa(SRC, DST, spi + 2, 1, IF_ID)
        sender.run(0)
        wrong += not obeyed(xfrm, sender, spi + 2)
        xfrm.del_sa(DST, spi)
        xfrm.del_sa(DST, spi + 1)
        spi += 2
    xfrm.add_sa(SRC, DST, 0x1000, 1, IF_ID)
    xfrm.del_sa(DST, spi)
    return wrong


def policy_rounds(xfrm, sender, window, rounds):
    wrong = 0
    xfrm.add_sa(SRC, DST, 0x2001, 77, IF_ID)
    for _ in range(rounds):
        sender.run(1)
        xfrm.add_policy(FAMILY, SRC, DST, 77, IF_ID, to=ADDR, priority=1)
        wait(DICE.uniform(0, window))
        xfrm.del_policy(FAMILY, IF_ID, to=ADDR)
        sender.run(0)
        wrong += not obeyed(xfrm, sender, 0x1000)
    xfrm.del_sa(DST, 0x2001)
    return wrong


def race(xfrm, what, rounds):
    sender = Sender(CPUS[-1], [(ADDR, 9000)])
    # The first look at a flow may not be the one whose result is kept.
    window = 3 * building_takes(xfrm, sender)
    wrong = {'sa': sa_rounds, 'policy': policy_rounds}[what](xfrm, sender, window, rounds)
    os.kill(sender.pid, signal.SIGKILL)
    os.waitpid(sender.pid, 0)
    return 'wrong %d of %d, window %d us' % (wrong, rounds, window * 1e6)


def answer(xfrm, senders, what, words):
    if what in ('flood', 'stop'):
        for sender in senders:
            sender.run(what == 'flood')
        return 'sent %d' % sum(sender.sent() for sender in senders)
    if what == 'silent':
        return silent(xfrm, senders, [int(word, 0) for word in words])
    if what == 'quiet':
        return quiet(senders, words[0])
    if what == 'still':
        return still(senders, words[0], words[1:])
    return race(xfrm, what, int(words[0]))


def main():
    xfrm = xfrm_nl.Xfrm()
    flows = [(addr, port) for addr in ADDRS for port in PORTS]
    senders = [Sender(cpu, flows) for cpu in CPUS]
    os.sched_setaffinity(0, {CPUS[0]})
    print('ready', flush=True)
    for line in sys.stdin:
        what, *words = line.split()
        try:
            print(answer(xfrm, senders, what, words), flush=True)
        except (OSError, KeyError) as e:
            print('races.py: %s: %r' % (line.strip(), e), flush=True)


if __name__ == '__main__':
    main()
