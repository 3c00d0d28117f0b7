/* json get FILE KEY...  : the string, number or literal at a path of object keys (or array indexes), on one line.
   json list FILE KEY... : the values of the object or array there, one per line; an object member's "data" or an
                           array element's "data" is taken when the value is itself an object (the form of "keys").
   Values are made printable, so that nothing in them can steer a terminal or a shell. Exit 1: not there or not JSON. */
#include "guest.h"
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { MAX_DEPTH = 64, MAX_BYTES = 1 << 20 };

static const char *end; /* one past the document's last byte */

static const char *blank(const char *at)
{
    while (at < end && (*at == ' ' || *at == '\t' || *at == '\n' || *at == '\r'))
        at++;
    return at;
}

static int hex4(const char *at, unsigned *value)
{
    *value = 0;
    if (end - at < 4)
        return 0;
    for (int i = 0; i < 4; i++) {
        char c = at[i];
        unsigned digit = c >= '0' && c <= '9' ? (unsigned)(c - '0') : c >= 'a' && c <= 'f' ? (unsigned)(c - 'a' + 10)
                       : c >= 'A' && c <= 'F' ? (unsigned)(c - 'A' + 10) : 16;
        if (digit == 16)
            return 0;
        *value = *value * 16 + digit;
    }
    return 1;
}

static size_t utf8(unsigned code, char *out)
{
    if (code < 0x80) {
        out[0] = (char)code;
        return 1;
    }
    if (code < 0x800) {
        out[0] = (char)(0xc0 | code >> 6);
        out[1] = (char)(0x80 | (code & 0x3f));
        return 2;
    }
    if (code < 0x10000) {
        out[0] = (char)(0xe0 | code >> 12);
        out[1] = (char)(0x80 | (code >> 6 & 0x3f));
        out[2] = (char)(0x80 | (code & 0x3f));
        return 3;
    }
    out[0] = (char)(0xf0 | code >> 18);
    out[1] = (char)(0x80 | (code >> 12 & 0x3f));
    out[2] = (char)(0x80 | (code >> 6 & 0x3f));
    out[3] = (char)(0x80 | (code & 0x3f));
    return 4;
}

/* Read the string at `at` (a quote); the decoded text never is longer than the encoded one. out may be NULL. */
static const char *string(const char *at, char *out, size_t *length)
{
    static const char escapes[] = "\"\"\\\\//b\bf\fn\nr\rt\t";
    size_t n = 0;
    char small[4];
    for (at++; at < end && *at != '"'; at++) {
        size_t bytes = 1;
        small[0] = *at;
        if (*at == '\\') {
            if (++at >= end)
                return NULL;
            if (*at == 'u') {
                unsigned code, low;
                if (!hex4(at + 1, &code))
                    return NULL;
                at += 4;
                if (code >= 0xd800 && code < 0xdc00 && end - at > 6 && at[1] == '\\' && at[2] == 'u' && hex4(at + 3, &low) &&
                    low >= 0xdc00 && low < 0xe000) {
                    code = 0x10000 + ((code - 0xd800) << 10) + (low - 0xdc00);
                    at += 6;
                }
                bytes = utf8(code, small);
            } else {
                const char *found = NULL;
                for (const char *e = escapes; *e != '\0'; e += 2)
                    if (*e == *at)
                        found = e;
                if (found == NULL)
                    return NULL;
                small[0] = found[1];
            }
        }
        if (out != NULL)
            memcpy(out + n, small, bytes);
        n += bytes;
    }
    if (length != NULL)
        *length = n;
    return at < end ? at + 1 : NULL;
}

static const char *skip(const char *at, int depth);

/* Walk the members of the object or array at `at`. each() may end the walk by returning 1. Returns what follows it. */
static const char *members(const char *at, int depth, int (*each)(const char *key, size_t key_length, const char *value, void *context),
                           void *context)
{
    char close = *at == '{' ? '}' : ']';
    long index = 0;
    if (depth > MAX_DEPTH)
        return NULL;
    at = blank(at + 1);
    if (at < end && *at == close)
        return at + 1;
    while (at < end) {
        char number[24];
        const char *key = number;
        size_t key_length = (size_t)snprintf(number, sizeof number, "%ld", index++);
        if (close == '}') {
            if (*at != '"')
                return NULL;
            key = at + 1;
            at = string(at, NULL, NULL);
            if (at == NULL)
                return NULL;
            key_length = (size_t)(at - 1 - key);
            at = blank(at);
            if (at >= end || *at != ':')
                return NULL;
            at = blank(at + 1);
        }
        if (each != NULL && each(key, key_length, at, context))
            return NULL;
        at = skip(at, depth + 1);
        if (at == NULL)
            return NULL;
        at = blank(at);
        if (at >= end)
            return NULL;
        if (*at == close)
            return at + 1;
        if (*at != ',')
            return NULL;
        at = blank(at + 1);
    }
    return NULL;
}

static const char *skip(const char *at, int depth)
{
    if (at >= end)
        return NULL;
    if (*at == '"')
        return string(at, NULL, NULL);
    if (*at == '{' || *at == '[')
        return members(at, depth, NULL, NULL);
    const char *start = at;
    while (at < end && strchr("+-.0123456789aeflnrstuE", *at) != NULL && *at != '\0')
        at++;
    return at > start ? at : NULL;
}

struct search {
    const char *key;
    const char *value;
};

static int matches(const char *key, size_t key_length, const char *value, void *context)
{
    struct search *search = context;
    if (strlen(search->key) != key_length || memcmp(search->key, key, key_length) != 0)
        return 0;
    search->value = value;
    return 1;
}

static const char *descend(const char *at, const char *key)
{
    struct search search = {key, NULL};
    if (at < end && (*at == '{' || *at == '['))
        members(at, 0, matches, &search);
    return search.value;
}

static int print(const char *at)
{
    const char *after = skip(at, 0);
    if (after == NULL || *at == '{' || *at == '[')
        return 1;
    char *text = malloc((size_t)(after - at) + 1);
    size_t length = (size_t)(after - at);
    if (text == NULL)
        return 1;
    if (*at == '"')
        string(at, text, &length);
    else
        memcpy(text, at, length);
    while (length > 0 && (text[length - 1] == '\n' || text[length - 1] == '\r'))
        length--;
    make_printable(text, length);
    text[length] = '\n';
    int status = write_all(1, text, length + 1) == 0 ? 0 : 1;
    free(text);
    return status;
}

static int print_member(const char *key, size_t key_length, const char *value, void *context)
{
    (void)key, (void)key_length, (void)context;
    if (value < end && *value == '{')
        value = descend(value, "data");
    if (value != NULL && value < end)
        print(value);
    return 0;
}

int applet_json(int argc, char **argv)
{
    static char document[MAX_BYTES];
    if (argc < 3)
        return 2;
    int fd = open(argv[2], O_RDONLY);
    if (fd < 0)
        return 1;
    size_t size = 0;
    ssize_t got;
    while (size < sizeof document && (got = read(fd, document + size, sizeof document - size)) > 0)
        size += (size_t)got;
    close(fd);
    end = document + size;
    const char *at = blank(document), *after = skip(at, 0);
    if (after == NULL || blank(after) != end)
        return 1;
    for (int i = 3; i < argc && at != NULL; i++)
        at = descend(at, argv[i]);
    if (at == NULL)
        return 1;
    if (strcmp(argv[1], "get") == 0)
        return print(at);
    if (strcmp(argv[1], "list") != 0 || (*at != '{' && *at != '['))
        return 1;
    members(at, 0, print_member, NULL);
    return 0;
}
