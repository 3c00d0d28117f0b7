#!/usr/bin/env python3
"""link.py LISTEN_PORT QEMU_PORT: the far end of a QEMU "-netdev dgram" link, without any privilege.

A DHCP server that ignores the first three DISCOVERs and then hands out 10.77.0.5/24 with MTU 1442 (option 26), a
router (option 3) that a client must ignore, and option 121 with the default route, one by a gateway and one on the
link; and a router advertisement with the prefix fd77::/64 once a second.
"""
import select
import socket
import struct
import sys

SERVER_MAC = bytes.fromhex("520000000001")
SERVER_IP = socket.inet_aton("10.77.0.1")
GIVEN_IP = socket.inet_aton("10.77.0.5")
IGNORED_DISCOVERS = 3


def checksum(data):
    data += b"\0" * (len(data) % 2)
    total = sum(struct.unpack("!%dH" % (len(data) // 2), data))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return ~total & 0xFFFF


def option(code, value):
    return bytes([code, len(value)]) + value


def dhcp_reply(request, kind):
    ip = socket.inet_aton
    routes = (
        bytes([0]) + ip("10.77.0.9")
        + bytes([16, 172, 20]) + ip("10.77.0.8")
        + bytes([32]) + ip("192.0.2.9") + ip("0.0.0.0")
    )
    options = (
        option(53, bytes([kind])) + option(54, SERVER_IP) + option(51, struct.pack("!I", 3600))
        + option(1, ip("255.255.255.0")) + option(3, ip("10.77.0.254")) + option(26, struct.pack("!H", 1442))
        + option(6, ip("10.77.0.53")) + option(121, routes) + b"\xff"
    )
    body = (
        bytes([2, 1, 6, 0]) + request[4:8] + b"\0\0" + request[10:12] + b"\0" * 4 + GIVEN_IP + SERVER_IP + b"\0" * 4
        + request[28:44] + b"\0" * 192 + b"\x63\x82\x53\x63" + options
    )
    udp = struct.pack("!4H", 67, 68, 8 + len(body), 0) + body
    head = struct.pack("!BBHHHBBH4s4s", 0x45, 0, 20 + len(udp), 0, 0, 64, 17, 0, SERVER_IP, b"\xff" * 4)
    head = head[:10] + struct.pack("!H", checksum(head)) + head[12:]
    return b"\xff" * 6 + SERVER_MAC + b"\x08\x00" + head + udp


def message_type(body):
    at = 240
    while at + 2 < len(body) and body[at] != 255:
        if body[at] == 0:
            at += 1
        elif body[at] == 53:
            return body[at + 2]
        else:
            at += 2 + body[at + 1]
    return 0


def advertisement():
    source = socket.inet_pton(socket.AF_INET6, "fe80::1")
    to = socket.inet_pton(socket.AF_INET6, "ff02::1")
    prefix = struct.pack("!BBBBIII", 3, 4, 64, 0xC0, 3600, 3600, 0) + socket.inet_pton(socket.AF_INET6, "fd77::")
    body = struct.pack("!BBHBBHII", 134, 0, 0, 64, 0, 1800, 0, 0) + prefix
    pseudo = source + to + struct.pack("!II", len(body), 58)
    body = body[:2] + struct.pack("!H", checksum(pseudo + body)) + body[4:]
    head = struct.pack("!IHBB", 0x60000000, len(body), 58, 255) + source + to
    return bytes.fromhex("333300000001") + SERVER_MAC + b"\x86\xdd" + head + body


def main():
    link = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    link.bind(("127.0.0.1", int(sys.argv[1])))
    peer = ("127.0.0.1", int(sys.argv[2]))
    discovers = 0
    while True:
        if not select.select([link], [], [], 1)[0]:
            link.sendto(advertisement(), peer)
            continue
        try:
            frame = link.recv(65536)
        except ConnectionRefusedError:
            continue
        if frame[12:14] != b"\x08\x00" or frame[23] != 17 or frame[36:38] != b"\0\x43":
            continue
        body = frame[42:]
        kind = message_type(body)
        if kind == 1:
            discovers += 1
            if discovers > IGNORED_DISCOVERS:
                link.sendto(dhcp_reply(body, 2), peer)
        elif kind == 3:
            link.sendto(dhcp_reply(body, 5), peer)


main()
