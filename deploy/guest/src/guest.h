/* Shared declarations of virga-guest, the multi-call helper of the tiny guest. */
#ifndef VIRGA_GUEST_H
#define VIRGA_GUEST_H
#include <stddef.h>

/* Applets. Each takes its own argv (argv[0] is the applet's name) and returns an exit status. */
int applet_clean(int argc, char **argv);
int applet_dirty(int argc, char **argv);
int applet_echo(int argc, char **argv);
int applet_get(int argc, char **argv);
int applet_http(int argc, char **argv);
int applet_inspect(int argc, char **argv);
int applet_json(int argc, char **argv);
int applet_power(int argc, char **argv);
int applet_probe(int argc, char **argv);
int applet_spoof(int argc, char **argv);
int applet_watch(int argc, char **argv);

/* One console line, written with a single write() to ttyS0 and tty0. A console that is absent is skipped. */
void say(const char *format, ...) __attribute__((format(printf, 1, 2)));
/* Seconds of CLOCK_MONOTONIC. */
double monotonic(void);
/* Sleep for some seconds; signals do not cut it short. */
void pause_for(double seconds);
/* Replace everything that is not printable ASCII or valid-looking UTF-8 by '?', in place. */
void make_printable(char *text, size_t length);
/* write() until done; -1 when the peer is gone. */
int write_all(int fd, const void *data, size_t length);
/* Accept connections on a TCP port and fork serve() for each, at most 64 at a time. Returns only on error. */
int serve_tcp(int port, void (*serve)(int fd));
/* Run a busybox ping of one packet; 1 when it was answered. source may be NULL. */
int ping_once(const char *target, const char *source);
#endif
