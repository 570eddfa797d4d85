/* What this way of tunnelling allows at most: packets between a TUN device and a UDP socket, with every offload and no cipher.
 *
 *     limit DEVICE LOCAL PEER PORT      both addresses are IPv6; the device is left for the caller to configure
 *
 * One packet, or super-packet with its virtio header, is one frame. It leaves by one sendmsg, cut into datagrams that each begin
 * with the frame's number, an offset and the frame's length, and enters the device by one writev. A frame that lost a part is lost.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/if.h>
#include <linux/if_tun.h>
#include <linux/udp.h>
#include <poll.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

#ifndef TUN_F_USO4
#define TUN_F_USO4 0x20
#define TUN_F_USO6 0x40
#endif

enum { DATAGRAM = 1452, FRAME = 65536, PARTS = 64, AT_ONCE = 64, BUFFER = 8 << 20 };

struct part {
    uint32_t number, offset, total;
};

enum { ROOM = DATAGRAM - sizeof(struct part) };

static int tun, udp;

static void check(int ok, const char *what) {
    if (!ok) {
        perror(what);
        exit(1);
    }
}

static void open_tun(const char *name) {
    struct ifreq request = {.ifr_flags = IFF_TUN | IFF_NO_PI | IFF_VNET_HDR};
    unsigned offloads = TUN_F_CSUM | TUN_F_TSO4 | TUN_F_TSO6 | TUN_F_TSO_ECN;
    strncpy(request.ifr_name, name, IFNAMSIZ - 1);
    tun = open("/dev/net/tun", O_RDWR | O_NONBLOCK);
    check(tun >= 0 && ioctl(tun, TUNSETIFF, &request) == 0, name);
    if (ioctl(tun, TUNSETOFFLOAD, offloads | TUN_F_USO4 | TUN_F_USO6) != 0)
        check(ioctl(tun, TUNSETOFFLOAD, offloads) == 0, "offloads");
}

static void open_udp(const char *local, const char *peer, const char *port) {
    struct sockaddr_in6 here = {.sin6_family = AF_INET6, .sin6_port = htons(atoi(port))}, there = here;
    int on = 1, buffer = BUFFER;
    check(inet_pton(AF_INET6, local, &here.sin6_addr) == 1, local);
    check(inet_pton(AF_INET6, peer, &there.sin6_addr) == 1, peer);
    udp = socket(AF_INET6, SOCK_DGRAM, 0);
    check(udp >= 0 && bind(udp, (void *)&here, sizeof here) == 0, local);
    check(connect(udp, (void *)&there, sizeof there) == 0, peer);
    check(setsockopt(udp, IPPROTO_UDP, UDP_GRO, &on, sizeof on) == 0, "UDP_GRO");
    setsockopt(udp, SOL_SOCKET, SO_SNDBUFFORCE, &buffer, sizeof buffer);
    setsockopt(udp, SOL_SOCKET, SO_RCVBUFFORCE, &buffer, sizeof buffer);
}

static void send_frame(uint8_t *frame, uint32_t total) {
    static uint32_t number;
    static struct part heads[PARTS];
    struct iovec pieces[2 * PARTS];
    union {
        struct cmsghdr head;
        char room[CMSG_SPACE(sizeof(uint16_t))];
    } control = {0};
    struct msghdr message = {.msg_iov = pieces};
    int parts = 0;
    for (uint32_t offset = 0; offset < total; offset += ROOM, parts++) {
        uint32_t length = total - offset < ROOM ? total - offset : ROOM;
        heads[parts] = (struct part){number, offset, total};
        pieces[2 * parts] = (struct iovec){&heads[parts], sizeof(struct part)};
        pieces[2 * parts + 1] = (struct iovec){frame + offset, length};
    }
    number++;
    message.msg_iovlen = 2 * parts;
    if (parts > 1) {
        uint16_t size = DATAGRAM;
        message.msg_control = &control;
        message.msg_controllen = sizeof control;
        control.head = (struct cmsghdr){.cmsg_len = CMSG_LEN(sizeof size), .cmsg_level = IPPROTO_UDP, .cmsg_type = UDP_SEGMENT};
        memcpy(CMSG_DATA(&control.head), &size, sizeof size);
    }
    sendmsg(udp, &message, 0); /* what the kernel refuses is lost */
}

static void from_tun(void) {
    static uint8_t frame[FRAME];
    for (int i = 0; i < AT_ONCE; i++) {
        ssize_t length = read(tun, frame, sizeof frame);
        if (length < 0)
            return;
        send_frame(frame, length);
    }
}

/* The frame that is being received: its pieces lie in the receive buffer, those of earlier calls in `kept`. */
static struct iovec pieces[PARTS + 1];
static int count;
static uint32_t number, have, total;
static uint8_t kept[FRAME];

static void take_part(uint8_t *datagram, uint32_t length) {
    struct part head;
    if (length <= sizeof head)
        return;
    memcpy(&head, datagram, sizeof head);
    length -= sizeof head;
    if (head.offset == 0) {
        number = head.number;
        total = head.total;
        count = have = 0;
    }
    if (head.number != number || head.offset != have || head.total != total || have + length > total || count > PARTS)
        return;
    pieces[count++] = (struct iovec){datagram + sizeof head, length};
    have += length;
    if (have == total) {
        if (writev(tun, pieces, count) < 0) { /* what the kernel refuses is lost */
        }
        count = have = total = 0;
    }
}

static void keep(void) {
    uint32_t filled = 0;
    for (int i = 0; i < count; i++) {
        if (pieces[i].iov_base != kept)
            memcpy(kept + filled, pieces[i].iov_base, pieces[i].iov_len);
        filled += pieces[i].iov_len;
    }
    pieces[0] = (struct iovec){kept, filled};
    count = count > 0;
}

static int from_udp(void) {
    static uint8_t burst[FRAME];
    union {
        struct cmsghdr head;
        char room[CMSG_SPACE(sizeof(int))];
    } control;
    struct iovec whole = {burst, sizeof burst};
    struct msghdr message = {.msg_iov = &whole, .msg_iovlen = 1, .msg_control = &control, .msg_controllen = sizeof control};
    ssize_t length = recvmsg(udp, &message, MSG_DONTWAIT);
    struct cmsghdr *told = CMSG_FIRSTHDR(&message);
    int size = length;
    if (length < 0)
        return 0;
    if (told != NULL && told->cmsg_level == IPPROTO_UDP && told->cmsg_type == UDP_GRO)
        memcpy(&size, CMSG_DATA(told), sizeof size);
    for (ssize_t at = 0; at < length; at += size)
        take_part(burst + at, length - at < size ? length - at : size);
    keep();
    return 1;
}

int main(int arguments, char **words) {
    if (arguments != 5) {
        fprintf(stderr, "usage: limit DEVICE LOCAL PEER PORT\n");
        return 2;
    }
    open_tun(words[1]);
    open_udp(words[2], words[3], words[4]);
    struct pollfd ready[] = {{.fd = tun, .events = POLLIN}, {.fd = udp, .events = POLLIN}};
    for (;;) {
        check(poll(ready, 2, -1) >= 0, "poll");
        if (ready[0].revents)
            from_tun();
        if (ready[1].revents)
            for (int i = 0; i < AT_ONCE && from_udp(); i++) {
            }
    }
}
