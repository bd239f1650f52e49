#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0
"""TCP and UDP traffic whose integrity is checked by SHA-256.

traffic.py serve [--port N]
    Answers until killed, for both families. UDP: every datagram comes back.
    TCP: reads to the end of the stream, then sends back "<bytes> <sha256>".
    Prints "ready" when both sockets listen.

traffic.py check ADDR [--port N] [--src ADDR] [--dev DEV] [--mark N] [--ping BYTES]
                      [--tcp BYTES] [--udp SIZE[,SIZE...]] [--timeout S]
    Data to a server, every second kilobyte of it random. One line per failure, exit status 1 if any.

traffic.py client
    The same and "burst" for many runs without starting an interpreter each time:
    reads the words, one run per line ("check ADDR --tcp 1000 ..."), from its
    input, and answers each line with what the run prints and a last line
    "done 0" or "done 1".

traffic.py stream ADDR --seconds S [--pause S] [--timeout S] [--port N]
    UDP datagrams, numbered, each waited for before the next one leaves, until
    the time is up or SIGTERM comes. Prints "ready" after the first one, and at the
    end "sent N lost N": those that were never answered.

traffic.py burst ADDR --count N --size BYTES [--port N] [--src ADDR] [--df do|dont]
    Sends datagrams and waits for nothing. Prints "sent N" and, where the
    local stack refused one, "errno NAME mtu N".
"""
import argparse
import errno
import hashlib
import os
import random
import select
import selectors
import signal
import socket
import struct
import sys
import time

IP_MTU_DISCOVER, IP_PMTUDISC_DONT, IP_PMTUDISC_DO, IP_MTU = 10, 0, 2, 14
IPV6_MTU_DISCOVER, IPV6_MTU, IPV6_DONTFRAG = 23, 24, 62
SO_MARK = 36
SLOW = int(os.environ.get('SLOW') or 1)
PATIENCE = 5 * SLOW  # seconds in which something must happen
DICE = random.Random(time.time_ns())  # os.urandom() may wait for entropy in a lab


def family_of(addr):
    return socket.AF_INET6 if ':' in addr else socket.AF_INET


def blob(size):
    """Half of it random, half of it something that IPComp can make smaller."""
    parts = [DICE.randbytes(1024) if i % 2 else b'compress me ' * 86 for i in range(size // 1024 + 1)]
    return b''.join(parts)[:size]


def client_socket(args, kind, proto=0):
    sock = socket.socket(family_of(args.addr), kind, proto)
    sock.settimeout(args.timeout)
    if args.dev:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_BINDTODEVICE, args.dev.encode())
    if args.mark:
        sock.setsockopt(socket.SOL_SOCKET, SO_MARK, args.mark)
    if args.src:
        sock.bind((args.src, 0))
    return sock


def serve(args):
    poll = selectors.DefaultSelector()
    listener = socket.socket(socket.AF_INET6, socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    udp = socket.socket(socket.AF_INET6, socket.SOCK_DGRAM)
    for sock in (listener, udp):
        sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
        sock.bind(('::', args.port))
        sock.setblocking(False)
    udp.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4 << 20)
    listener.listen(64)
    poll.register(listener, selectors.EVENT_READ, None)
    poll.register(udp, selectors.EVENT_READ, None)
    print('ready', flush=True)
    while True:
        for key, _ in poll.select():
            if key.fileobj is listener:
                conn, _ = listener.accept()
                conn.setblocking(False)
                poll.register(conn, selectors.EVENT_READ, [hashlib.sha256(), 0])
            elif key.fileobj is udp:
                echo(udp)
            else:
                absorb(poll, key)


def echo(udp):
    try:
        data, peer = udp.recvfrom(65536)
        udp.sendto(data, peer)
    except OSError:
        pass  # an ICMP error of an earlier answer: the client notices the loss


def absorb(poll, key):
    conn, state = key.fileobj, key.data
    try:
        data = conn.recv(1 << 18)
        if data:
            state[0].update(data)
            state[1] += len(data)
            return
        conn.setblocking(True)
        conn.settimeout(PATIENCE)
        conn.sendall(b'%d %s' % (state[1], state[0].hexdigest().encode()))
    except OSError:
        pass
    poll.unregister(conn)
    conn.close()


def check_tcp(args):
    data = blob(args.tcp)
    with client_socket(args, socket.SOCK_STREAM) as sock:
        sock.connect((args.addr, args.port))
        left = memoryview(data)
        while left:  # the timeout of sendall() would be for the whole of it
            left = left[sock.send(left):]
        sock.shutdown(socket.SHUT_WR)
        answer = b''
        while part := sock.recv(4096):
            answer += part
    want = b'%d %s' % (len(data), hashlib.sha256(data).hexdigest().encode())
    if answer != want:
        raise OSError('TCP: sent %s, server saw %s' % (want, answer))


def check_udp(args, size):
    data = blob(size)
    with client_socket(args, socket.SOCK_DGRAM) as sock:
        sock.connect((args.addr, args.port))
        sock.send(data)
        if sock.recv(65536) != data:
            raise OSError('UDP: %d bytes came back changed' % size)


def check_ping(args):
    v6 = family_of(args.addr) == socket.AF_INET6
    data = struct.pack('!HH', DICE.getrandbits(16), 1) + blob(args.ping)
    request, reply, skip = (8, 0, 20)
    if v6:
        request, reply, skip = (128, 129, 0)  # the kernel fills in the checksum
    packet = struct.pack('!BBH', request, 0, 0) + data
    packet = struct.pack('!BBH', request, 0, 0 if v6 else checksum(packet)) + data
    with client_socket(args, socket.SOCK_RAW, 58 if v6 else 1) as sock:
        sock.connect((args.addr, 0))
        sock.send(packet)
        end = time.monotonic() + args.timeout
        while time.monotonic() < end:
            answer = sock.recv(65536)[skip:]
            if answer[0] == reply and answer[4:] == data:
                return
    raise OSError('no answer')


def checksum(data):
    total = sum(struct.unpack('!%dH' % (len(data) // 2), data[:len(data) & ~1]))
    total += data[-1] << 8 if len(data) & 1 else 0
    while total >> 16:
        total = (total & 0xffff) + (total >> 16)
    return ~total & 0xffff


def check(args):
    failed = False
    work = [('ping %d' % args.ping, lambda: check_ping(args))] if args.ping else []
    work += [('UDP %d' % int(s), lambda s=s: check_udp(args, int(s)))
            for s in args.udp.split(',') if s]
    if args.tcp:
        work.append(('TCP %d' % args.tcp, lambda: check_tcp(args)))
    for name, test in work:
        try:
            test()
        except OSError as e:
            print('%s to %s: %s' % (name, args.addr, e or 'timed out'))
            failed = True
    return failed


def client(parser):
    print('ready', flush=True)
    for line in sys.stdin:
        try:
            args = parser.parse_args(line.split())
            failed = {'check': check, 'burst': burst}[args.what](args)
        except (OSError, SystemExit) as e:
            print(e)
            failed = True
        print('done %d' % bool(failed), flush=True)


def stream(args):
    waited = set()  # a late answer is no loss
    sent = 0
    stop = []
    signal.signal(signal.SIGTERM, lambda *_: stop.append(True))
    sock = client_socket(args, socket.SOCK_DGRAM)
    sock.connect((args.addr, args.port))
    end = time.monotonic() + args.seconds
    while time.monotonic() < end and not stop:
        waited.add(sent)
        try:
            sock.send(struct.pack('!I', sent) + bytes(60))
            while sent in waited:
                waited.discard(struct.unpack_from('!I', sock.recv(65536))[0])
        except OSError:
            pass
        sent += 1
        if sent == 1:
            print('ready', flush=True)
        time.sleep(args.pause)
    print('sent %d lost %d' % (sent, len(waited)))
    return bool(waited)


def send_anyway(sock, data):
    """Until it has left: an error about an earlier datagram takes the place of a send."""
    while True:
        try:
            return sock.send(data)
        except ConnectionRefusedError:
            pass


def burst(args):
    sock = client_socket(args, socket.SOCK_DGRAM)
    v6 = sock.family == socket.AF_INET6
    discover = IP_PMTUDISC_DO if args.df == 'do' else IP_PMTUDISC_DONT
    level = socket.IPPROTO_IPV6 if v6 else socket.IPPROTO_IP
    sock.setsockopt(level, IPV6_MTU_DISCOVER if v6 else IP_MTU_DISCOVER, discover)
    if v6 and args.df == 'do':
        sock.setsockopt(level, IPV6_DONTFRAG, 1)
    sock.connect((args.addr, args.port))
    # On two CPUs a train overtakes itself, and a replay window drops what is late.
    os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
    sent = 0
    for _ in range(args.count):
        try:
            send_anyway(sock, bytes(args.size))
            sent += 1
        except OSError as e:
            mtu = sock.getsockopt(level, IPV6_MTU if v6 else IP_MTU)
            print('errno %s mtu %d' % (errno.errorcode[e.errno], mtu))
            if e.errno not in (errno.EMSGSIZE, errno.EHOSTUNREACH, errno.ENOBUFS):
                break
    # Who is told an MTU is a socket: it has to be there still when the news comes.
    waiting = select.poll()
    waiting.register(sock, select.POLLERR)
    waiting.poll(args.linger * SLOW * 1000)
    print('sent %d' % sent)
    return sent != args.count


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument('what', choices=('serve', 'check', 'client', 'stream', 'burst'))
    parser.add_argument('addr', nargs='?')
    parser.add_argument('--port', type=int, default=7000)
    parser.add_argument('--src')
    parser.add_argument('--dev')
    parser.add_argument('--mark', type=lambda s: int(s, 0), default=0)
    parser.add_argument('--tcp', type=int, default=0)
    parser.add_argument('--udp', default='')
    parser.add_argument('--ping', type=int, default=0)
    parser.add_argument('--timeout', type=float, default=PATIENCE)
    parser.add_argument('--seconds', type=float, default=1)
    parser.add_argument('--pause', type=float, default=0)
    parser.add_argument('--count', type=int, default=1)
    parser.add_argument('--size', type=int, default=100)
    parser.add_argument('--linger', type=float, default=0)
    parser.add_argument('--df', choices=('do', 'dont'), default='dont')
    args = parser.parse_args()
    if args.what == 'client':
        return client(parser)
    run = {'serve': serve, 'check': check, 'stream': stream, 'burst': burst}[args.what]
    return 1 if run(args) else 0


if __name__ == '__main__':
    sys.exit(main())
