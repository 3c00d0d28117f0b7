/* probe TARGET,...    : every 2 s pings each IP, or connects to each IP:PORT ([IPV6]:PORT), and prints
                         "VIRGA-PROBE TARGET ok|fail" at first and at every change.
   spoof SOURCE TARGET : takes SOURCE as a further address and pings TARGET from it: "VIRGA-SPOOF SOURCE TARGET ok|fail". */
#include "guest.h"
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

enum { MAX_TARGETS = 16, PERIOD = 2 };

struct target {
    const char *text;
    char host[64];
    int port; /* 0: ping */
    int family;
};

static int parse(const char *text, struct target *target)
{
    unsigned char binary[16];
    const char *colon = strrchr(text, ':');
    size_t host_length = strlen(text);
    *target = (struct target){.text = text};
    if (text[0] == '[') {
        const char *closing = strchr(text, ']');
        if (closing == NULL || (closing[1] != '\0' && closing[1] != ':'))
            return 0;
        host_length = (size_t)(closing - ++text);
        target->port = closing[1] == ':' ? atoi(closing + 2) : 0;
        if (closing[1] == ':' && (target->port < 1 || target->port > 65535))
            return 0;
    } else if (colon != NULL && strchr(text, ':') == colon) {
        host_length = (size_t)(colon - text);
        target->port = atoi(colon + 1);
        if (target->port < 1 || target->port > 65535)
            return 0;
    }
    if (host_length == 0 || host_length >= sizeof target->host)
        return 0;
    memcpy(target->host, text, host_length);
    target->family = strchr(target->host, ':') != NULL ? AF_INET6 : AF_INET;
    return inet_pton(target->family, target->host, binary) == 1;
}

static int connects(const struct target *target)
{
    struct sockaddr_in v4 = {.sin_family = AF_INET, .sin_port = htons((unsigned short)target->port)};
    struct sockaddr_in6 v6 = {.sin6_family = AF_INET6, .sin6_port = htons((unsigned short)target->port)};
    int error = 0, fd = socket(target->family, SOCK_STREAM | SOCK_NONBLOCK, 0);
    socklen_t length = sizeof error;
    if (fd < 0)
        return 0;
    inet_pton(target->family, target->host, target->family == AF_INET ? (void *)&v4.sin_addr : (void *)&v6.sin6_addr);
    int done = target->family == AF_INET ? connect(fd, (struct sockaddr *)&v4, sizeof v4) : connect(fd, (struct sockaddr *)&v6, sizeof v6);
    if (done != 0 && errno == EINPROGRESS) {
        struct pollfd wait = {.fd = fd, .events = POLLOUT};
        if (poll(&wait, 1, PERIOD * 1000) == 1 && getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &length) == 0 && error == 0)
            done = 0;
    }
    close(fd);
    return done == 0;
}

static void watch_target(const struct target *target)
{
    for (int before = -1;;) {
        int now = target->port != 0 ? connects(target) : ping_once(target->host, NULL);
        if (now != before)
            say("VIRGA-PROBE %s %s", target->text, now ? "ok" : "fail");
        before = now;
        pause_for(PERIOD);
    }
}

int applet_probe(int argc, char **argv)
{
    struct target target;
    int count = 0;
    if (argc != 2)
        return 2;
    for (char *text = strtok(argv[1], ", "); text != NULL; text = strtok(NULL, ", ")) {
        if (!parse(text, &target) || count == MAX_TARGETS) {
            say("VIRGA-PROBE %.80s refused", text);
            continue;
        }
        count++;
        if (fork() == 0) {
            watch_target(&target);
            _exit(0);
        }
    }
    while (wait(NULL) > 0)
        ;
    return 0;
}

int applet_spoof(int argc, char **argv)
{
    struct target source, target;
    if (argc != 3 || !parse(argv[1], &source) || !parse(argv[2], &target) || source.port != 0 || target.port != 0) {
        say("VIRGA-SPOOF refused");
        return 2;
    }
    for (int before = -1;;) {
        int now = ping_once(target.host, source.host);
        if (now != before)
            say("VIRGA-SPOOF %s %s %s", source.host, target.host, now ? "ok" : "fail");
        before = now;
        pause_for(PERIOD);
    }
}
