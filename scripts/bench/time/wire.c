// SPDX-License-Identifier: GPL-2.0
/*
 * wire.c - what the benchmark sends and receives itself.
 *
 *   wire record DEV PROTO COUNT FILE	the next COUNT IP packets of this protocol
 *	that arrive on DEV, whole frames; prints "ready" when it listens
 *   wire replay DEV MAC COUNT FILE CLOCK	sends the frames of FILE round and
 *	round, COUNT in all, to this MAC address; prints the time that took
 *	and how often a queue was full
 *   wire ping ADDR COUNT		COUNT echo requests, one after the other;
 *	prints the 50th and 99th percentile of the round trip, in nanoseconds
 *   wire natt PORT			a socket that takes ESP in UDP, as an IKE
 *	daemon has; prints "ready" and stays until it is killed
 *
 * CLOCK is a file that holds nanoseconds, or "-" for the wall clock.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/if_packet.h>
#include <net/ethernet.h>
#include <net/if.h>
#include <netinet/icmp6.h>
#include <netinet/ip6.h>
#include <netinet/ip.h>
#include <netinet/ip_icmp.h>
#include <netinet/udp.h>
#include <poll.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define BATCH 64
#define LARGEST 2048
#define PATIENCE_MS 5000

static void die(const char *what)
{
	fprintf(stderr, "wire: %s: %s\n", what, strerror(errno));
	exit(1);
}

static long long now_wall(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * 1000000000LL + t.tv_nsec;
}

static long long now(int clock)
{
	char text[32] = "";

	if (clock < 0)
		return now_wall();
	if (pread(clock, text, sizeof(text) - 1, 0) <= 0)
		die("clock");
	return atoll(text);
}

static int packet_socket(const char *dev, int protocol)
{
	struct sockaddr_ll addr = {
		.sll_family = AF_PACKET,
		.sll_protocol = htons(protocol),
		.sll_ifindex = if_nametoindex(dev),
	};
	int fd = socket(AF_PACKET, SOCK_RAW, 0);

	if (fd < 0 || !addr.sll_ifindex || bind(fd, (struct sockaddr *)&addr, sizeof(addr)))
		die(dev);
	return fd;
}

/* The protocol in the IP header of a frame; -1: not IP. */
static int protocol_of(const unsigned char *frame, size_t len)
{
	const struct ether_header *eth = (const void *)frame;
	const unsigned char *ip = frame + sizeof(*eth);

	if (len < sizeof(*eth) + sizeof(struct ip6_hdr))
		return -1;
	if (eth->ether_type == htons(ETHERTYPE_IP))
		return ((const struct iphdr *)ip)->protocol;
	if (eth->ether_type == htons(ETHERTYPE_IPV6))
		return ((const struct ip6_hdr *)ip)->ip6_nxt;
	return -1;
}

static int do_record(const char *dev, int protocol, int count, const char *path)
{
	static unsigned char frame[LARGEST];
	int fd = packet_socket(dev, ETH_P_ALL), room = 64 << 20;
	struct pollfd waiting = { .fd = fd, .events = POLLIN };
	FILE *file = fopen(path, "w");

	if (!file)
		die(path);
	setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &room, sizeof(room));
	puts("ready");
	fflush(stdout);
	while (count) {
		struct sockaddr_ll from;
		socklen_t fromlen = sizeof(from);
		ssize_t len;
		uint16_t size;

		if (poll(&waiting, 1, PATIENCE_MS) != 1) {
			fprintf(stderr, "wire: %d frames did not come\n", count);
			return 1;
		}
		len = recvfrom(fd, frame, sizeof(frame), 0, (struct sockaddr *)&from, &fromlen);
		if (len < 0)
			die("recvfrom");
		if (from.sll_pkttype == PACKET_OUTGOING || protocol_of(frame, len) != protocol)
			continue;
		size = len;
		if (fwrite(&size, sizeof(size), 1, file) != 1 || fwrite(frame, len, 1, file) != 1)
			die(path);
		count--;
	}
	if (fclose(file))
		die(path);
	return 0;
}

/* Frames in memory, ready for sendmmsg(). */
struct train {
	struct mmsghdr *msg;
	int length;
};

static struct train load_train(const char *path, const unsigned char *mac)
{
	struct train train = { 0 };
	FILE *file = fopen(path, "r");
	uint16_t size;

	if (!file)
		die(path);
	while (fread(&size, sizeof(size), 1, file) == 1) {
		struct iovec *iov = malloc(sizeof(*iov));

		if (!(train.length % 1024))
			train.msg = realloc(train.msg, (train.length + 1024) * sizeof(*train.msg));
		if (!iov || !train.msg)
			die("memory");
		iov->iov_len = size;
		iov->iov_base = malloc(size);
		if (!iov->iov_base || fread(iov->iov_base, size, 1, file) != 1)
			die(path);
		memcpy(iov->iov_base, mac, ETH_ALEN);
		train.msg[train.length++] = (struct mmsghdr) {
			.msg_hdr = { .msg_iov = iov, .msg_iovlen = 1 },
		};
	}
	fclose(file);
	if (!train.length) {
		fprintf(stderr, "wire: %s is empty\n", path);
		exit(1);
	}
	/* So that few flows come in batches as many flows do. */
	for (int i = 0; train.length < BATCH; i++)
		train.msg[train.length++] = train.msg[i];
	return train;
}

static int do_replay(const char *dev, const char *macaddr, long count, const char *path,
		     const char *clockfile)
{
	int fd = packet_socket(dev, 0), one = 1, clock = -1;
	unsigned char mac[ETH_ALEN];
	long long begin, took;
	struct train train;
	long left = count, jammed = 0;
	int at = 0;

	if (sscanf(macaddr, "%hhx:%hhx:%hhx:%hhx:%hhx:%hhx",
		   mac, mac + 1, mac + 2, mac + 3, mac + 4, mac + 5) != ETH_ALEN) {
		fprintf(stderr, "wire: no MAC address: %s\n", macaddr);
		return 1;
	}
	if (strcmp(clockfile, "-")) {
		clock = open(clockfile, O_RDONLY);
		if (clock < 0)
			die(clockfile);
	}
	train = load_train(path, mac);
	setsockopt(fd, SOL_PACKET, PACKET_QDISC_BYPASS, &one, sizeof(one));

	begin = now(clock);
	while (left) {
		int n = train.length - at;

		if (n > BATCH)
			n = BATCH;
		if (n > left)
			n = left;
		n = sendmmsg(fd, train.msg + at, n, 0);
		if (n < 0 && errno == ENOBUFS) {
			jammed++; /* a queue is full: the same one again */
			continue;
		}
		if (n <= 0)
			die("sendmmsg");
		left -= n;
		at += n;
		if (at == train.length)
			at = 0;
	}
	took = now(clock) - begin;
	printf("%lld %ld\n", took, jammed);
	return 0;
}

static uint16_t checksum(const void *data, size_t len)
{
	const uint16_t *word = data;
	uint32_t sum = 0;

	for (; len > 1; len -= 2)
		sum += *word++;
	sum = (sum >> 16) + (sum & 0xffff);
	return ~(sum + (sum >> 16));
}

static int by_size(const void *a, const void *b)
{
	long long x = *(const long long *)a, y = *(const long long *)b;

	return (x > y) - (x < y);
}

/* Sends echo request number seq and waits for its answer; the time that took. */
static long long ping_once(int fd, int v6, uint16_t seq)
{
	struct pollfd waiting = { .fd = fd, .events = POLLIN };
	struct { struct icmphdr icmp; char data[56]; } echo = {
		.icmp = { .type = v6 ? ICMP6_ECHO_REQUEST : ICMP_ECHO },
	};
	const size_t reply_at = v6 ? 0 : sizeof(struct iphdr);
	const int reply_type = v6 ? ICMP6_ECHO_REPLY : ICMP_ECHOREPLY;
	unsigned char reply[LARGEST];
	long long begin;

	echo.icmp.un.echo.id = htons(getpid() & 0xffff);
	echo.icmp.un.echo.sequence = htons(seq);
	if (!v6)
		echo.icmp.checksum = checksum(&echo, sizeof(echo));
	begin = now_wall();
	if (send(fd, &echo, sizeof(echo), 0) != sizeof(echo))
		die("send");
	for (;;) {
		const struct icmphdr *icmp = (const void *)(reply + reply_at);
		ssize_t len = recv(fd, reply, sizeof(reply), MSG_DONTWAIT);

		if (len >= (ssize_t)(reply_at + sizeof(*icmp)) && icmp->type == reply_type &&
		    icmp->un.echo.id == echo.icmp.un.echo.id &&
		    icmp->un.echo.sequence == echo.icmp.un.echo.sequence)
			return now_wall() - begin;
		if (len < 0 && errno == EAGAIN && poll(&waiting, 1, PATIENCE_MS) != 1) {
			fprintf(stderr, "wire: no answer to echo request %u\n", seq);
			exit(1);
		}
	}
}

static int do_ping(const char *addr, int count)
{
	struct sockaddr_in6 to6 = { .sin6_family = AF_INET6 };
	struct sockaddr_in to4 = { .sin_family = AF_INET };
	int v6 = inet_pton(AF_INET6, addr, &to6.sin6_addr) == 1;
	long long *took = calloc(count, sizeof(*took));
	int fd, i;

	if (count < 1 || !took || (!v6 && inet_pton(AF_INET, addr, &to4.sin_addr) != 1)) {
		fprintf(stderr, "wire: cannot ping %s %d times\n", addr, count);
		return 1;
	}
	fd = v6 ? socket(AF_INET6, SOCK_RAW, IPPROTO_ICMPV6) :
		  socket(AF_INET, SOCK_RAW, IPPROTO_ICMP);
	if (fd < 0 || connect(fd, v6 ? (struct sockaddr *)&to6 : (struct sockaddr *)&to4,
			      v6 ? sizeof(to6) : sizeof(to4)))
		die(addr);
	for (i = 0; i < count; i++)
		took[i] = ping_once(fd, v6, i);
	qsort(took, count, sizeof(*took), by_size);
	printf("%lld %lld\n", took[count / 2], took[count - 1 - count / 100]);
	return 0;
}

static void do_natt(int port)
{
	struct sockaddr_in addr = { .sin_family = AF_INET, .sin_port = htons(port) };
	int fd = socket(AF_INET, SOCK_DGRAM, 0), type = UDP_ENCAP_ESPINUDP;

	if (fd < 0 || bind(fd, (struct sockaddr *)&addr, sizeof(addr)) ||
	    setsockopt(fd, IPPROTO_UDP, UDP_ENCAP, &type, sizeof(type)))
		die("ESP in UDP");
	puts("ready");
	fflush(stdout);
	for (;;)
		pause();
}

int main(int argc, char **argv)
{
	if (argc == 6 && !strcmp(argv[1], "record"))
		return do_record(argv[2], atoi(argv[3]), atoi(argv[4]), argv[5]);
	if (argc == 7 && !strcmp(argv[1], "replay"))
		return do_replay(argv[2], argv[3], atol(argv[4]), argv[5], argv[6]);
	if (argc == 4 && !strcmp(argv[1], "ping"))
		return do_ping(argv[2], atoi(argv[3]));
	if (argc == 3 && !strcmp(argv[1], "natt"))
		do_natt(atoi(argv[2]));
	fprintf(stderr, "usage: see the top of wire.c\n");
	return 2;
}
