/* virga-guest APPLET ARG... : entry point and the few things all applets share. */
#include "guest.h"
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static const struct {
    const char *name;
    int (*run)(int, char **);
    const char *usage;
} applets[] = {
    {"clean", applet_clean, "PREFIX [MAXLINES]"},
    {"dirty", applet_dirty, "MB RATE"},
    {"echo", applet_echo, "PORT"},
    {"get", applet_get, "IPV4 PORT PATH"},
    {"http", applet_http, "PORT"},
    {"inspect", applet_inspect, "DEVICE"},
    {"json", applet_json, "get|list FILE KEY..."},
    {"power", applet_power, ""},
    {"probe", applet_probe, "TARGET,..."},
    {"spoof", applet_spoof, "SOURCE TARGET"},
    {"watch", applet_watch, ""},
};

double monotonic(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

void pause_for(double seconds)
{
    struct timespec rest = {.tv_sec = (time_t)seconds};
    rest.tv_nsec = (long)((seconds - (double)rest.tv_sec) * 1e9);
    while (nanosleep(&rest, &rest) != 0 && errno == EINTR)
        ;
}

int write_all(int fd, const void *data, size_t length)
{
    const char *at = data;
    while (length > 0) {
        ssize_t done = write(fd, at, length);
        if (done < 0 && errno == EINTR)
            continue;
        if (done <= 0)
            return -1;
        at += done;
        length -= (size_t)done;
    }
    return 0;
}

void make_printable(char *text, size_t length)
{
    for (size_t i = 0; i < length; i++) {
        unsigned char c = (unsigned char)text[i];
        /* 0x80-0x9f at the start of a character are terminal controls in 8-bit mode; as continuation bytes they are harmless */
        int follows = 0;
        if (c >= 0xc2 && c < 0xf5)
            follows = c < 0xe0 ? 1 : c < 0xf0 ? 2 : 3;
        if (follows == 0) {
            if (c < 0x20 || c > 0x7e)
                text[i] = '?';
            continue;
        }
        int valid = i + (size_t)follows < length;
        for (int k = 1; valid && k <= follows; k++)
            valid = ((unsigned char)text[i + (size_t)k] & 0xc0) == 0x80;
        /* U+0080..U+009F: the same controls, encoded */
        if (valid && c == 0xc2 && (unsigned char)text[i + 1] < 0xa0)
            valid = 0;
        if (valid)
            i += (size_t)follows;
        else
            text[i] = '?';
    }
}

void say(const char *format, ...)
{
    static const char *const consoles[] = {"/dev/ttyS0", "/dev/tty0"};
    char buffer[1024], *line = buffer + 1;
    const int room = (int)sizeof buffer - 2;
    va_list args;
    va_start(args, format);
    int length = vsnprintf(line, (size_t)room, format, args);
    va_end(args);
    if (length < 0)
        return;
    if (length > room - 1)
        length = room - 1;
    make_printable(line, (size_t)length);
    line[length++] = '\n';
    /* where a shell was opened, the cursor may stand behind a prompt */
    if (access("/run/shell-used", F_OK) == 0) {
        *--line = '\n';
        length++;
    }
    for (size_t i = 0; i < sizeof consoles / sizeof *consoles; i++) {
        int fd = open(consoles[i], O_WRONLY | O_NOCTTY);
        if (fd < 0)
            continue;
        if (write_all(fd, line, (size_t)length) != 0)
            errno = 0;
        close(fd);
    }
}

int ping_once(const char *target, const char *source)
{
    pid_t child = fork();
    if (child < 0)
        return 0;
    if (child == 0) {
        int null = open("/dev/null", O_RDWR);
        dup2(null, 0);
        dup2(null, 1);
        dup2(null, 2);
        if (source != NULL)
            execl("/bin/busybox", "ping", "-c", "1", "-W", "2", "-I", source, target, (char *)NULL);
        else
            execl("/bin/busybox", "ping", "-c", "1", "-W", "2", target, (char *)NULL);
        _exit(127);
    }
    int status = 0;
    while (waitpid(child, &status, 0) < 0 && errno == EINTR)
        ;
    return WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

int main(int argc, char **argv)
{
    const char *name = strrchr(argv[0], '/');
    name = name != NULL ? name + 1 : argv[0];
    /* The binary is set-user-id root for one purpose: ping needs a raw socket and the login user has none. */
    if (strcmp(name, "ping") == 0 || strcmp(name, "ping6") == 0) {
        char *const environment[] = {"PATH=/bin", NULL};
        if (setgid(0) != 0 || setuid(0) != 0)
            return 1;
        argv[0] = (char *)name;
        execve("/bin/busybox", argv, environment);
        return 127;
    }
    if (setgid(getgid()) != 0 || setuid(getuid()) != 0)
        return 1;
    signal(SIGPIPE, SIG_IGN);
    for (size_t i = 0; argc > 1 && i < sizeof applets / sizeof *applets; i++)
        if (strcmp(argv[1], applets[i].name) == 0)
            return applets[i].run(argc - 1, argv + 1);
    for (size_t i = 0; i < sizeof applets / sizeof *applets; i++)
        fprintf(stderr, "virga-guest %s %s\n", applets[i].name, applets[i].usage);
    return 2;
}
