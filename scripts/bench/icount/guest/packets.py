# SPDX-License-Identifier: GPL-2.0
"""
Datagrams through a world, one at a time: each has arrived before the next one
is sent; or a TCP connection, of which a piece has arrived before the next one is
sent. Between the marks nothing happens but this.
"""

import array
import ctypes
import mmap
import select
import socket
import struct
import time

import net
from net import Failure
from world import PORT, SPI

_HEADERS = {4: 20 + 8, 6: 40 + 8}  # IP and UDP
_FRAME = 2048  # room for one recorded frame
_SERVICE = 9999
_ESP, _UDP = 50, 17


def _marker(instruction):
    """A function that executes an instruction which the plugin looks for."""
    page = mmap.mmap(-1, mmap.PAGESIZE, prot=mmap.PROT_READ | mmap.PROT_WRITE | mmap.PROT_EXEC)
    page.write(instruction + b"\xc3")  # ret
    function = ctypes.CFUNCTYPE(None)(ctypes.addressof(ctypes.c_char.from_buffer(page)))
    function.page = page  # lives as long
    return function


_begin = _marker(b"\x4d\x87\xed")
_end = _marker(b"\x4d\x87\xe4")
_intervals = 0

# The interface's own part of a packet's way: out, from its transmit function to where
# encapsulation begins; in, from the core's question whose packet this is to where the packet
# goes on. To be told before the first mark.
_STRETCH_BEGINS = {"xfrmi_xmit", "xac_start_xmit", "xfrm_rcv_cb"}
_STRETCH_ENDS = {"xfrm4_output", "xfrm6_output", "xac_short_output", "gro_cells_receive"}


def announce_stretches():
    """Tells the plugin; the modules must be there."""
    with open("/proc/kallsyms", encoding="ascii") as file:
        for line in file:
            address, _, name = line.split()[:3]
            if name in _STRETCH_BEGINS | _STRETCH_ENDS:
                mark = b"\x4d\x87\xdb" if name in _STRETCH_BEGINS else b"\x4d\x87\xd2"
                _marker(mark + b"\x48\xb8" + int(address, 16).to_bytes(8, "little"))()


def _rest():
    """
    Until what the packets left for later is done: bundles are freed by RCU. So each
    interval pays for all of its own packets and for no others. In this guest idle time
    passes at once, and costs a few ticks of the clock.
    """
    time.sleep(0.1)


def _measured(loop, warmup, packets):
    """Calls loop(first, last) for the warm-up, then between the marks. The interval's number."""
    global _intervals
    _begin()  # its page is there from now on
    loop(0, warmup)
    _rest()
    _begin()
    loop(warmup, warmup + packets)
    _rest()
    _end()
    _intervals += 1
    return _intervals - 1


class Sender:
    """UDP sockets on h1, one for each flow, connected to h2."""

    def __init__(self, world, size, flows):
        self.payload = bytearray(size - _HEADERS[world.family])
        self.sockets = []
        for port in range(flows):
            sock = net.udp(world.ns["h1"], world.family)
            sock.bind((world.site["h1"], 10000 + port))
            sock.connect((world.site["h2"], _SERVICE))
            self.sockets.append(sock)

    def send(self, number):
        struct.pack_into("!I", self.payload, 0, number)
        self.sockets[number % len(self.sockets)].send(self.payload)

    def close(self):
        for sock in self.sockets:
            sock.close()


class Receiver:
    """The UDP socket on h2."""

    def __init__(self, world):
        self.socket = net.udp(world.ns["h2"], world.family)
        self.socket.bind((world.site["h2"], _SERVICE))
        self.overhead = _HEADERS[world.family]
        self.buffer = bytearray(b"\xff" * _FRAME)

    def expect(self, number, size):
        try:
            length = self.socket.recv_into(self.buffer)
        except BlockingIOError:
            raise Failure(f"packet {number} did not arrive") from None
        if length + self.overhead != size or struct.unpack_from("!I", self.buffer)[0] != number:
            raise Failure(f"instead of packet {number} another one arrived")


class Stream:
    """A TCP connection from h1 to h2, both ends in one thread. It sends in trains."""

    SEGMENT = 1340  # fits the tunnel, with all options
    PIECE = 65536

    def __init__(self, world):
        world.features("h1", "eth0", "tx on tso on")
        world.features("h2", "eth0", "tx on tso on")
        family = socket.AF_INET if world.family == 4 else socket.AF_INET6
        net.enter(world.ns["h2"])
        listener = net.patient(socket.socket(family, socket.SOCK_STREAM))
        listener.bind((world.site["h2"], _SERVICE))
        listener.listen()
        net.enter(world.ns["h1"])
        self.near = net.patient(socket.socket(family, socket.SOCK_STREAM))
        self.near.setsockopt(socket.IPPROTO_TCP, socket.TCP_MAXSEG, self.SEGMENT)
        self.near.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.near.connect((world.site["h2"], _SERVICE))
        self.far = net.patient(listener.accept()[0])
        listener.close()
        self.piece, self.room = bytes(range(256)) * (self.PIECE // 256), bytearray(self.PIECE)
        self.payload = self.near.getsockopt(socket.IPPROTO_TCP, socket.TCP_MAXSEG)

    def carry(self, number):
        """A piece goes from h1 to h2."""
        view, left = memoryview(self.room), self.PIECE
        try:
            if self.near.send(self.piece) != self.PIECE:
                raise Failure(f"piece {number} does not fit the socket")
            while left:
                left -= self.far.recv_into(view[self.PIECE - left:])
        except BlockingIOError:
            raise Failure(f"piece {number} did not arrive") from None

    def close(self):
        if self.room != self.piece:
            raise Failure("what arrived is not what was sent")
        self.near.close()
        self.far.close()


class Recorder:
    """Frames that came out of gw1, kept to be put into gw2."""

    def __init__(self, count):
        memory = bytearray(count * _FRAME)
        memory[:] = b"\xff" * len(memory)  # every page is there from now on
        self._rooms = [memoryview(memory)[i * _FRAME:(i + 1) * _FRAME] for i in range(count)]
        self._lengths = array.array("H", [0]) * count

    def receive(self, sock, number):
        try:
            self._lengths[number] = sock.recv_into(self._rooms[number])
        except BlockingIOError:
            raise Failure(f"packet {number} did not come out of gw1") from None

    def frames(self):
        return [room[:length] for room, length in zip(self._rooms, self._lengths)]


def check_on_wire(world, frames):
    """Every frame is what the system should send."""
    for number, frame in enumerate(frames):
        ip = frame[14:]
        protocol, header = (ip[9], 20) if world.family == 4 else (ip[6], 40)
        body = ip[header:]
        if world.has_sa:
            good = protocol == _ESP and struct.unpack_from("!I", body)[0] == SPI
        elif world.system == "wireguard":
            good = protocol == _UDP and struct.unpack_from("!H", body, 2)[0] == PORT and body[8] == 4
        else:
            good = protocol == _UDP and struct.unpack_from("!H", body, 2)[0] == _SERVICE
        if not good:
            raise Failure(f"packet {number} is not on the wire as {world.system} should send it")


class Counters:
    """That so many packets went through tunnel device and SA, and none had an error."""

    def __init__(self, world, roles):
        self.world, self.roles = world, roles
        self.before = self._read()

    def _read(self):
        world, now = self.world, {}
        for role in self.roles:
            ns = world.ns[role]
            if world.device:
                received, sent = net.link_packets(ns, world.device)
                # The in-tree interface takes it for an error that a packet is encrypted later.
                if role != "gw1" or world.system != "pcrypt":
                    now[f"packets of {world.device} on {role}"] = sent if role == "gw1" else received
            if world.has_sa:
                now[f"packets of the SA on {role}"] = net.sa_packets(ns, SPI)
                errors = net.xfrm_errors(ns)
                if errors:
                    raise Failure(f"{role} has {errors}")
        return now

    def check(self, packets):
        for name, value in self._read().items():
            if value - self.before[name] != packets:
                raise Failure(f"{packets} packets were sent, but {name}: {value - self.before[name]}")


class Runner:
    """Measures one world."""

    def __init__(self, world, warmup, packets):
        self.world, self.warmup, self.packets = world, warmup, packets
        self.receiver = Receiver(world)
        if world.joined == "split":
            self.west, self.east = net.wire(world.ns["mid"], "west"), net.wire(world.ns["mid"], "east")
        self.recorded = {}  # by size
        self._first_contact()

    def _first_contact(self):
        """A packet makes its way (WireGuard: after a handshake); then everything comes to rest."""
        sender = Sender(self.world, 100, 1)
        if self.world.joined == "split":
            sender.send(0)
            self._relay_until(self.receiver.socket)
        else:
            tap = net.wire(self.world.ns["gw1"], "wan0")
            sender.send(0)
        self.receiver.expect(0, 100)
        if self.world.joined == "direct":
            sender.send(1)
            self.receiver.expect(1, 100)
            check_on_wire(self.world, [self._last_frame(tap)])
            tap.close()
        sender.close()
        # In this guest idle time passes at once: timers of the set-up fire now.
        time.sleep(2)
        if self.world.joined == "split":
            self._drain(self.west)
            self._drain(self.east)

    def _relay_until(self, arrived):
        """mid as a wire: frames go from west to east and back until h2 has the packet."""
        deadline = time.monotonic() + net.PATIENCE
        across = {self.west: self.east, self.east: self.west}
        while time.monotonic() < deadline:
            ready, _, _ = select.select([self.west, self.east, arrived], [], [], 1)
            if arrived in ready:
                return
            for sock in ready:
                across[sock].send(sock.recv(65536))
        raise Failure("the first packet did not arrive")

    @staticmethod
    def _drain(sock):
        while select.select([sock], [], [], 0)[0]:
            sock.recv(65536)

    @staticmethod
    def _last_frame(tap):
        frame = None
        while select.select([tap], [], [], 0)[0]:
            frame = tap.recv(65536)
        if frame is None:
            raise Failure("nothing was seen on the wire")
        return memoryview(frame)

    def _all(self):
        return self.warmup + self.packets

    def both(self, size, flows):
        """h1 -> gw1 -> gw2 -> h2"""
        sender, receiver = Sender(self.world, size, flows), self.receiver
        counters = Counters(self.world, ("gw1", "gw2"))

        def loop(first, last):
            for number in range(first, last):
                sender.send(number)
                receiver.expect(number, size)

        interval = _measured(loop, self.warmup, self.packets)
        counters.check(self._all())
        sender.close()
        return interval

    def tcp(self):
        """The same with TCP: the interval, and how many segments of full size it had"""
        stream = Stream(self.world)
        pieces = self.packets // 4

        def loop(first, last):
            for number in range(first, last):
                stream.carry(number)

        # What the window needs to become as wide as it gets.
        interval = _measured(loop, self.warmup, pieces)
        stream.close()
        return interval, pieces * stream.PIECE / stream.payload

    def encap(self, size, flows):
        """h1 -> gw1 -> west; the frames are kept for decap()"""
        sender, west, recorder = Sender(self.world, size, flows), self.west, Recorder(self._all())
        counters = Counters(self.world, ("gw1",))

        def loop(first, last):
            for number in range(first, last):
                sender.send(number)
                recorder.receive(west, number)

        interval = _measured(loop, self.warmup, self.packets)
        counters.check(self._all())
        sender.close()
        self.recorded[size] = recorder.frames()
        check_on_wire(self.world, self.recorded[size])
        return interval

    def decap(self, size, _flows):
        """east -> gw2 -> h2, with the frames of encap(), each of which can be used once"""
        east, receiver, frames = self.east, self.receiver, self.recorded.pop(size)
        counters = Counters(self.world, ("gw2",))

        def loop(first, last):
            for number in range(first, last):
                east.send(frames[number])
                receiver.expect(number, size)

        interval = _measured(loop, self.warmup, self.packets)
        counters.check(self._all())
        return interval
