/* dirty MB RATE : change one word in every 4 KiB page of an MB-sized buffer, round and round, RATE megabytes of pages a
   second (0: as fast as it goes). The buffer holds no two equal pages and no zero page, so that a migration has to
   send all of it. Prints VIRGA-DIRTY with the measured rate every 5 s for the first 5 minutes, then every minute. */
#include "guest.h"
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

enum { PAGE = 4096, PAGES_PER_MB = 256 };

/* Megabytes that may be taken without driving the guest out of memory. */
static unsigned long affordable(void)
{
    char line[128];
    unsigned long kilobytes = 0;
    FILE *file = fopen("/proc/meminfo", "r");
    while (file != NULL && fgets(line, sizeof line, file) != NULL)
        if (sscanf(line, "MemAvailable: %lu", &kilobytes) == 1)
            break;
    if (file != NULL)
        fclose(file);
    return kilobytes / 1024 > 16 ? kilobytes / 1024 - 16 : 0;
}

int applet_dirty(int argc, char **argv)
{
    if (argc != 3)
        return 2;
    unsigned long megabytes = strtoul(argv[1], NULL, 10), limit = affordable();
    double wanted = strtod(argv[2], NULL);
    if (megabytes > limit) {
        say("VIRGA-DIRTY reduced from=%lu to=%lu", megabytes, limit);
        megabytes = limit;
    }
    if (megabytes == 0)
        return 1;
    size_t pages = megabytes * PAGES_PER_MB, at = 0;
    uint64_t *buffer = mmap(NULL, pages * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (buffer == MAP_FAILED)
        return 1;
    uint64_t noise = 88172645463325252u, count = 0;
    for (size_t i = 0; i < pages * PAGE / sizeof *buffer; i++) {
        noise ^= noise << 13;
        noise ^= noise >> 7;
        noise ^= noise << 17;
        buffer[i] = noise;
    }
    double started = monotonic(), schedule = started, reported = started;
    uint64_t at_schedule = 0, at_report = 0;
    for (;;) {
        for (int i = 0; i < PAGES_PER_MB; i++) {
            *(volatile uint64_t *)(buffer + at * (PAGE / sizeof *buffer)) = ++count;
            at = at + 1 == pages ? 0 : at + 1;
        }
        double now = monotonic();
        if (wanted > 0) {
            double ahead = (double)(count - at_schedule) / PAGES_PER_MB / wanted - (now - schedule);
            if (ahead > 0.004)
                pause_for(ahead);
            /* after a pause of the whole guest there is nothing to catch up with */
            if (ahead < -1) {
                schedule = now;
                at_schedule = count;
            }
        }
        if (now - reported >= (now - started < 300 ? 5 : 60)) {
            say("VIRGA-DIRTY mb=%lu want=%.0f rate=%.1f", megabytes, wanted, (double)(count - at_report) / PAGES_PER_MB / (now - reported));
            reported = now;
            at_report = count;
        }
    }
}
