/* inspect DEVICE   : "SIZE FS LABEL" of a block device or file; FS is none, ext, vfat, iso9660, swap, xfs or part.
   clean PREFIX [N] : copies stdin to the consoles, each line behind PREFIX, printable, at most N lines of 200 bytes. */
#include "guest.h"
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static int magic(int fd, off_t offset, const char *bytes, size_t length)
{
    char found[16];
    return length <= sizeof found && pread(fd, found, length, offset) == (ssize_t)length && memcmp(found, bytes, length) == 0;
}

/* Where each format keeps its magic number and its label: facts of the on-disk formats. */
static const struct {
    const char *name, *magic;
    size_t magic_length;
    off_t magic_at, label_at;
    size_t label_length;
} formats[] = {
    {"swap", "SWAPSPACE2", 10, 4086, 1052, 16},
    {"iso9660", "\001CD001", 6, 32768, 32768 + 40, 32},
    {"xfs", "XFSB", 4, 0, 108, 12},
    {"ext", "\x53\xef", 2, 1080, 1144, 16},
    {"vfat", "FAT32   ", 8, 82, 71, 11},
    {"vfat", "FAT16   ", 8, 54, 43, 11},
    {"vfat", "FAT12   ", 8, 54, 43, 11},
    {"part", "EFI PART", 8, 512, 0, 0},
    {"part", "\x55\xaa", 2, 510, 0, 0},
};

int applet_inspect(int argc, char **argv)
{
    if (argc != 2)
        return 2;
    int fd = open(argv[1], O_RDONLY | O_NONBLOCK);
    if (fd < 0)
        return 1;
    off_t size = lseek(fd, 0, SEEK_END);
    const char *name = "none";
    char label[40] = "";
    for (size_t i = 0; i < sizeof formats / sizeof *formats; i++) {
        if (!magic(fd, formats[i].magic_at, formats[i].magic, formats[i].magic_length))
            continue;
        name = formats[i].name;
        ssize_t got = pread(fd, label, formats[i].label_length, formats[i].label_at);
        size_t length = got > 0 ? strnlen(label, (size_t)got) : 0;
        while (length > 0 && label[length - 1] == ' ')
            length--;
        label[length] = '\0';
        break;
    }
    /* ext2, 3 and 4 share the magic; the journal and the extents tell them apart */
    if (strcmp(name, "ext") == 0) {
        unsigned char features[8] = {0};
        if (pread(fd, features, sizeof features, 1024 + 92) == (ssize_t)sizeof features)
            name = (features[4] & 0x40) != 0 ? "ext4" : (features[0] & 4) != 0 ? "ext3" : "ext2";
    }
    make_printable(label, strlen(label));
    for (char *c = label; *c != '\0'; c++)
        if (*c == ' ')
            *c = '_';
    printf("%lld %s %s\n", (long long)size, name, label);
    return 0;
}

int applet_clean(int argc, char **argv)
{
    char line[201];
    size_t length = 0;
    int c, lines = 0, limit = argc > 2 ? atoi(argv[2]) : 100, pending = 0;
    if (argc < 2)
        return 2;
    while ((c = getchar()) != EOF) {
        pending = 1;
        if (c != '\n') {
            if (length < sizeof line - 1 && c != '\r')
                line[length++] = (char)c;
            continue;
        }
        line[length] = '\0';
        make_printable(line, length);
        if (++lines <= limit)
            say("%s%s", argv[1], line);
        length = 0;
        pending = 0;
    }
    if (pending) {
        line[length] = '\0';
        make_printable(line, length);
        if (++lines <= limit)
            say("%s%s", argv[1], line);
    }
    if (lines > limit)
        say("%s[%d more lines]", argv[1], lines - limit);
    return 0;
}
