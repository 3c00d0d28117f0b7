/* get IPV4 PORT PATH : HTTP GET; body on stdout. Exit 0: 200; 1: no connection or broken answer; 3: 404; 4: other status.
   http PORT          : answers every GET with the host name, the boot id and the addresses of this guest.
   echo PORT          : sends back what it receives, and hangs up after ten silent minutes. */
#include "guest.h"
#include <arpa/inet.h>
#include <errno.h>
#include <ifaddrs.h>
#include <net/if.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <unistd.h>

enum { MAX_ANSWER = 1 << 20, MAX_CHILDREN = 64 };

static void bound_waiting(int fd, int seconds)
{
    struct timeval limit = {.tv_sec = seconds};
    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
    setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof limit);
}

/* Undo chunked coding in place. Returns the body's length or -1. */
static long unchunk(char *body, size_t length)
{
    size_t in = 0, out = 0;
    while (in < length) {
        char *stop;
        unsigned long size = strtoul(body + in, &stop, 16);
        char *line_end = memchr(body + in, '\n', length - in);
        if (line_end == NULL || stop == body + in)
            return -1;
        in = (size_t)(line_end - body) + 1;
        if (size == 0)
            return (long)out;
        if (size > length - in)
            return -1;
        memmove(body + out, body + in, size);
        out += size;
        in += size + 2;
    }
    return -1;
}

int applet_get(int argc, char **argv)
{
    static char answer[MAX_ANSWER + 1];
    struct sockaddr_in to = {.sin_family = AF_INET};
    char request[1024];
    if (argc != 4 || inet_pton(AF_INET, argv[1], &to.sin_addr) != 1)
        return 2;
    to.sin_port = htons((unsigned short)atoi(argv[2]));
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    if (fd < 0)
        return 1;
    bound_waiting(fd, 5);
    int length = snprintf(request, sizeof request,
                          "GET %s HTTP/1.1\r\nHost: %s\r\nUser-Agent: virga-guest\r\nConnection: close\r\n\r\n", argv[3], argv[1]);
    if (length >= (int)sizeof request || connect(fd, (struct sockaddr *)&to, sizeof to) != 0 ||
        write_all(fd, request, (size_t)length) != 0)
        return 1;
    size_t size = 0;
    double deadline = monotonic() + 15;
    for (;;) {
        ssize_t got = read(fd, answer + size, MAX_ANSWER - size);
        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0 || monotonic() > deadline)
            return 1;
        size += (size_t)got;
        if (got == 0 || size == MAX_ANSWER)
            break;
    }
    close(fd);
    answer[size] = '\0';
    char *body = strstr(answer, "\r\n\r\n");
    int status;
    if (body == NULL || sscanf(answer, "HTTP/1.%*1[01] %3d", &status) != 1)
        return 1;
    *body = '\0';
    body += 4;
    long rest = (long)(answer + size - body);
    const char *chunked = strcasestr(answer, "\r\ntransfer-encoding:"), *announced = strcasestr(answer, "\r\ncontent-length:");
    if (chunked != NULL && strcasestr(chunked, "chunked") != NULL)
        rest = unchunk(body, (size_t)rest);
    else if (announced != NULL && strtol(announced + 17, NULL, 10) > rest)
        return 1;
    if (rest < 0)
        return 1;
    if (status != 200)
        return status == 404 ? 3 : 4;
    return write_all(1, body, (size_t)rest) == 0 ? 0 : 1;
}

int serve_tcp(int port, void (*serve)(int fd))
{
    struct sockaddr_in6 at = {.sin6_family = AF_INET6, .sin6_addr = in6addr_any, .sin6_port = htons((unsigned short)port)};
    int listener = socket(AF_INET6, SOCK_STREAM, 0), on = 1, children = 0;
    setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    if (port <= 0 || bind(listener, (struct sockaddr *)&at, sizeof at) != 0 || listen(listener, 64) != 0) {
        perror("virga-guest: listen");
        return 1;
    }
    for (;;) {
        int fd = accept(listener, NULL, NULL);
        while (waitpid(-1, NULL, children >= MAX_CHILDREN ? 0 : WNOHANG) > 0)
            children--;
        if (fd < 0) {
            pause_for(0.1);
            continue;
        }
        pid_t child = fork();
        if (child == 0) {
            close(listener);
            serve(fd);
            _exit(0);
        }
        if (child > 0)
            children++;
        close(fd);
    }
}

static void serve_echo(int fd)
{
    char buffer[16384];
    ssize_t got;
    bound_waiting(fd, 600);
    while ((got = read(fd, buffer, sizeof buffer)) > 0 && write_all(fd, buffer, (size_t)got) == 0)
        ;
}

static void append(char *page, size_t size, const char *name, const char *value)
{
    size_t used = strlen(page);
    snprintf(page + used, size - used, "%s %s\n", name, value);
}

static void serve_page(int fd)
{
    char request[2048], page[4096] = "", head[160], text[INET6_ADDRSTRLEN], name[64 + INET6_ADDRSTRLEN], boot[64] = "";
    struct ifaddrs *all = NULL;
    bound_waiting(fd, 5);
    size_t size = 0;
    request[0] = '\0';
    while (strstr(request, "\r\n\r\n") == NULL && size < sizeof request - 1) {
        ssize_t got = read(fd, request + size, sizeof request - 1 - size);
        if (got <= 0)
            return;
        size += (size_t)got;
        request[size] = '\0';
    }
    gethostname(name, sizeof name - 1);
    append(page, sizeof page, "hostname", name);
    FILE *file = fopen("/proc/sys/kernel/random/boot_id", "r");
    if (file != NULL && fscanf(file, "%63s", boot) == 1)
        append(page, sizeof page, "bootid", boot);
    getifaddrs(&all);
    for (struct ifaddrs *one = all; one != NULL; one = one->ifa_next) {
        if (one->ifa_addr == NULL || one->ifa_flags & IFF_LOOPBACK)
            continue;
        int family = one->ifa_addr->sa_family;
        if (family != AF_INET && family != AF_INET6)
            continue;
        const void *address = family == AF_INET ? (void *)&((struct sockaddr_in *)one->ifa_addr)->sin_addr
                                                : (void *)&((struct sockaddr_in6 *)one->ifa_addr)->sin6_addr;
        snprintf(name, sizeof name, "%s %s", one->ifa_name, inet_ntop(family, address, text, sizeof text));
        append(page, sizeof page, "address", name);
    }
    int length = snprintf(head, sizeof head, "HTTP/1.0 200 OK\r\nContent-Type: text/plain\r\nContent-Length: %zu\r\n\r\n", strlen(page));
    if (write_all(fd, head, (size_t)length) == 0)
        write_all(fd, page, strlen(page));
    shutdown(fd, SHUT_WR);
}

int applet_echo(int argc, char **argv)
{
    return argc == 2 ? serve_tcp(atoi(argv[1]), serve_echo) : 2;
}

int applet_http(int argc, char **argv)
{
    return argc == 2 ? serve_tcp(atoi(argv[1]), serve_page) : 2;
}
