/* watch : prints one line for each thing the kernel announces that the boot script acts on:
             net add DEV | net remove DEV | block add DEV | block remove DEV | addr6 DEV ADDRESS/LENGTH
   power : waits for the ACPI power button on any input device; exit 0 when it was pressed. */
#include "guest.h"
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <glob.h>
#include <linux/input.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <net/if.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

static int open_netlink(int protocol, unsigned groups)
{
    struct sockaddr_nl to = {.nl_family = AF_NETLINK, .nl_groups = groups};
    int fd = socket(AF_NETLINK, SOCK_DGRAM, protocol);
    if (fd >= 0 && bind(fd, (struct sockaddr *)&to, sizeof to) != 0) {
        close(fd);
        return -1;
    }
    return fd;
}

/* A uevent is "ACTION@PATH" and then KEY=VALUE strings, each ended by a zero byte. */
static void print_uevent(const char *message, size_t length)
{
    const char *action = "", *subsystem = "", *device = "", *type = "";
    for (const char *at = message; at < message + length; at += strlen(at) + 1) {
        if (strncmp(at, "ACTION=", 7) == 0)
            action = at + 7;
        else if (strncmp(at, "SUBSYSTEM=", 10) == 0)
            subsystem = at + 10;
        else if (strncmp(at, "INTERFACE=", 10) == 0)
            device = at + 10;
        else if (strncmp(at, "DEVNAME=", 8) == 0 && *device == '\0')
            device = at + 8;
        else if (strncmp(at, "DEVTYPE=", 8) == 0)
            type = at + 8;
    }
    int wanted = strcmp(subsystem, "net") == 0 || (strcmp(subsystem, "block") == 0 && strcmp(type, "disk") == 0);
    if (wanted && (strcmp(action, "add") == 0 || strcmp(action, "remove") == 0))
        printf("%s %s %s\n", subsystem, action, device);
}

/* Duplicate address detection has to be over before an address counts. */
static void print_address(const struct nlmsghdr *header)
{
    const struct ifaddrmsg *address = NLMSG_DATA(header);
    char text[INET6_ADDRSTRLEN], device[IF_NAMESIZE] = "";
    if (header->nlmsg_type != RTM_NEWADDR || address->ifa_family != AF_INET6 || address->ifa_scope > RT_SCOPE_SITE ||
        address->ifa_flags & IFA_F_TENTATIVE)
        return;
    int rest = (int)IFA_PAYLOAD(header);
    for (const struct rtattr *part = IFA_RTA(address); RTA_OK(part, rest); part = RTA_NEXT(part, rest))
        if (part->rta_type == IFA_ADDRESS && inet_ntop(AF_INET6, RTA_DATA(part), text, sizeof text) != NULL &&
            if_indextoname(address->ifa_index, device) != NULL)
            printf("addr6 %s %s/%d\n", device, text, address->ifa_prefixlen);
}

int applet_watch(int argc, char **argv)
{
    (void)argv;
    static char buffer[32768] __attribute__((aligned(16)));
    struct pollfd from[2] = {
        {.fd = open_netlink(NETLINK_KOBJECT_UEVENT, 1), .events = POLLIN},
        {.fd = open_netlink(NETLINK_ROUTE, RTMGRP_IPV6_IFADDR), .events = POLLIN},
    };
    if (argc != 1 || from[0].fd < 0 || from[1].fd < 0)
        return 1;
    setvbuf(stdout, NULL, _IOLBF, 0);
    for (;;) {
        if (poll(from, 2, -1) < 0 && errno != EINTR)
            return 1;
        ssize_t got = recv(from[0].fd, buffer, sizeof buffer - 1, MSG_DONTWAIT);
        if (got > 0) {
            buffer[got] = '\0';
            print_uevent(buffer, (size_t)got);
        }
        got = recv(from[1].fd, buffer, sizeof buffer, MSG_DONTWAIT);
        if (got <= 0)
            continue;
        unsigned rest = (unsigned)got;
        for (struct nlmsghdr *header = (struct nlmsghdr *)buffer; NLMSG_OK(header, rest); header = NLMSG_NEXT(header, rest))
            print_address(header);
    }
}

int applet_power(int argc, char **argv)
{
    (void)argc, (void)argv;
    for (;;) {
        struct pollfd devices[16];
        glob_t found;
        nfds_t count = 0;
        if (glob("/dev/input/event*", 0, NULL, &found) == 0) {
            for (size_t i = 0; i < found.gl_pathc && count < 16; i++) {
                int fd = open(found.gl_pathv[i], O_RDONLY | O_NONBLOCK);
                if (fd >= 0)
                    devices[count++] = (struct pollfd){.fd = fd, .events = POLLIN};
            }
            globfree(&found);
        }
        /* looks for new devices once a minute; until the first appears, every second */
        int ready = poll(devices, count, count > 0 ? 60000 : 1000);
        for (nfds_t i = 0; ready > 0 && i < count; i++) {
            struct input_event event;
            while (read(devices[i].fd, &event, sizeof event) == (ssize_t)sizeof event)
                if (event.type == EV_KEY && event.code == KEY_POWER && event.value == 1)
                    return 0;
        }
        for (nfds_t i = 0; i < count; i++)
            close(devices[i].fd);
    }
}
