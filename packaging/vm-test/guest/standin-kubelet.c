/*
 * As much of a kubelet as a device plugin sees: takes registrations on kubelet.sock, follows each plugin's list of devices, and tells in a file
 * what it would admit pods with. Speaks gRPC by hand, so that it starts at once in an emulated machine.
 *
 *   standin-kubelet [DIRECTORY]      /var/lib/kubelet/device-plugins by default
 *
 * /run/standin-kubelet/log has a line for each event, with seconds since boot: "started" (and which CDI specifications there are then),
 * "registered RESOURCE ENDPOINT", "devices RESOURCE HEALTHY ALL", "lost RESOURCE". As the real one it removes the plugins' sockets at its start.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#define LONGEST_FRAME (1 << 20)
#define STATE "/run/standin-kubelet"

enum { DATA = 0, HEADERS = 1, RESET = 3, SETTINGS = 4, PING = 6, GO_AWAY = 7, WINDOW = 8 };
enum { ACK = 1, END_STREAM = 1, END_HEADERS = 4 };

static const char *directory = "/var/lib/kubelet/device-plugins";

static void tell(const char *format, ...)
{
    static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
    struct timespec now;
    va_list arguments;
    pthread_mutex_lock(&lock);
    FILE *log = fopen(STATE "/log", "a");
    clock_gettime(CLOCK_BOOTTIME, &now);
    if (log) {
        fprintf(log, "%ld.%03ld ", (long) now.tv_sec, now.tv_nsec / 1000000);
        va_start(arguments, format);
        vfprintf(log, format, arguments);
        va_end(arguments);
        fputc('\n', log);
        fclose(log);
    }
    pthread_mutex_unlock(&lock);
}

static void fail(const char *what)
{
    perror(what);
    exit(1);
}

/* ---- HTTP/2 */

struct frame {
    uint32_t length;
    uint8_t type, flags;
    uint32_t stream;
    uint8_t *body;
};

static bool read_all(int fd, void *to, size_t bytes)
{
    for (size_t got = 0; got < bytes;) {
        ssize_t n = read(fd, (char *) to + got, bytes - got);
        if (n <= 0 && !(n < 0 && errno == EINTR))
            return false;
        if (n > 0)
            got += n;
    }
    return true;
}

static bool read_frame(int fd, struct frame *frame)
{
    uint8_t head[9];
    if (!read_all(fd, head, 9))
        return false;
    frame->length = head[0] << 16 | head[1] << 8 | head[2];
    frame->type = head[3];
    frame->flags = head[4];
    frame->stream = (head[5] & 0x7f) << 24 | head[6] << 16 | head[7] << 8 | head[8];
    return frame->length <= LONGEST_FRAME && read_all(fd, frame->body, frame->length);
}

static void write_frame(int fd, uint8_t type, uint8_t flags, uint32_t stream, const void *body, uint32_t length)
{
    uint8_t bytes[9 + 1024] = {length >> 16, length >> 8, length, type, flags, stream >> 24, stream >> 16, stream >> 8, stream};
    memcpy(bytes + 9, body, length);
    if (write(fd, bytes, 9 + length) != (ssize_t) (9 + length))
        shutdown(fd, SHUT_RDWR);
}

/* Answers what every connection must; true for a frame that is about a call. */
static bool about_a_call(int fd, const struct frame *frame)
{
    if (frame->type == SETTINGS && !(frame->flags & ACK))
        write_frame(fd, SETTINGS, ACK, 0, "", 0);
    if (frame->type == PING && !(frame->flags & ACK) && frame->length == 8)
        write_frame(fd, PING, ACK, 0, frame->body, 8);
    if (frame->type == DATA && frame->length > 0) {
        uint32_t more = htonl(frame->length);
        write_frame(fd, WINDOW, 0, 0, &more, 4);
        if (!(frame->flags & END_STREAM))
            write_frame(fd, WINDOW, 0, frame->stream, &more, 4);
    }
    return frame->type == DATA || frame->type == HEADERS || frame->type == RESET || frame->type == GO_AWAY;
}

/* ---- protobuf: fields that are text or messages; others are passed over */

static uint64_t varint(const uint8_t **at, const uint8_t *end)
{
    uint64_t value = 0;
    for (int shift = 0; *at < end && shift < 64; shift += 7) {
        uint8_t byte = *(*at)++;
        value |= (uint64_t) (byte & 0x7f) << shift;
        if (!(byte & 0x80))
            break;
    }
    return value;
}

/* The next field that has bytes; its number, or 0 at the end. */
static unsigned next_field(const uint8_t **at, const uint8_t *end, const uint8_t **bytes, size_t *length)
{
    while (*at < end) {
        uint64_t key = varint(at, end);
        if ((key & 7) == 0) {
            varint(at, end);
        } else if ((key & 7) == 2) {
            uint64_t size = varint(at, end);
            if (size > (uint64_t) (end - *at))
                return 0;
            *bytes = *at;
            *length = size;
            *at += size;
            return key >> 3;
        } else {
            return 0;
        }
    }
    return 0;
}

static void copy(char *to, size_t size, const uint8_t *bytes, size_t length)
{
    snprintf(to, size, "%.*s", (int) length, (const char *) bytes);
}

/* ---- a plugin's devices */

struct plugin {
    char endpoint[100];
    char resource[100];
};

static int connect_to(const char *endpoint)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    snprintf(address.sun_path, sizeof address.sun_path, "%.40s/%.64s", directory, endpoint);
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd >= 0 && connect(fd, (struct sockaddr *) &address, sizeof address) != 0) {
        close(fd);
        return -1;
    }
    return fd;
}

static void count_devices(const struct plugin *plugin, const uint8_t *at, const uint8_t *end)
{
    unsigned healthy = 0, all = 0;
    const uint8_t *device, *text;
    size_t length, size;
    unsigned field;
    while ((field = next_field(&at, end, &device, &length)))
        if (field == 1) {
            all++;
            const uint8_t *inner = device;
            while ((field = next_field(&inner, device + length, &text, &size)))
                healthy += field == 2 && size == 7 && memcmp(text, "Healthy", 7) == 0;
        }
    tell("devices %s %u %u", plugin->resource, healthy, all);
}

static size_t literal(uint8_t *to, const char *name, const char *value)
{
    size_t names = strlen(name), values = strlen(value);
    to[0] = 0;
    to[1] = names;
    memcpy(to + 2, name, names);
    to[2 + names] = values;
    memcpy(to + 3 + names, value, values);
    return 3 + names + values;
}

static void *follow(void *argument)
{
    struct plugin *plugin = argument;
    int fd = connect_to(plugin->endpoint);
    struct frame frame = {.body = malloc(LONGEST_FRAME)};
    uint8_t *message = malloc(LONGEST_FRAME);
    size_t had = 0;
    if (fd >= 0 && frame.body && message) {
        static const char preface[] = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
        uint8_t headers[300];
        size_t length = 0;
        if (write(fd, preface, sizeof preface - 1) < 0)
            shutdown(fd, SHUT_RDWR);
        write_frame(fd, SETTINGS, 0, 0, "", 0);
        headers[length++] = 0x83; /* POST */
        headers[length++] = 0x86; /* http */
        length += literal(headers + length, ":path", "/v1beta1.DevicePlugin/ListAndWatch");
        length += literal(headers + length, ":authority", "localhost");
        length += literal(headers + length, "content-type", "application/grpc");
        length += literal(headers + length, "te", "trailers");
        write_frame(fd, HEADERS, END_HEADERS, 1, headers, length);
        write_frame(fd, DATA, END_STREAM, 1, "\0\0\0\0\0", 5);
        while (read_frame(fd, &frame)) {
            if (!about_a_call(fd, &frame))
                continue;
            if (frame.type != DATA) {
                if (frame.type != HEADERS || (frame.flags & END_STREAM))
                    break;
                continue;
            }
            if (had + frame.length > LONGEST_FRAME)
                break;
            memcpy(message + had, frame.body, frame.length);
            had += frame.length;
            uint32_t size;
            while (had >= 5 && (memcpy(&size, message + 1, 4), size = ntohl(size), had >= 5 + (size_t) size)) {
                count_devices(plugin, message + 5, message + 5 + size);
                had -= 5 + size;
                memmove(message, message + 5 + size, had);
            }
            if (frame.flags & END_STREAM)
                break;
        }
    }
    tell("lost %s", plugin->resource);
    if (fd >= 0)
        close(fd);
    free(frame.body);
    free(message);
    free(plugin);
    return NULL;
}

/* ---- registrations */

static void registered(const uint8_t *at, const uint8_t *end)
{
    struct plugin *plugin = calloc(1, sizeof *plugin);
    const uint8_t *bytes;
    size_t length;
    unsigned field;
    pthread_t thread;
    if (!plugin)
        fail("calloc");
    while ((field = next_field(&at, end, &bytes, &length))) {
        if (field == 2)
            copy(plugin->endpoint, sizeof plugin->endpoint, bytes, length);
        if (field == 3)
            copy(plugin->resource, sizeof plugin->resource, bytes, length);
    }
    tell("registered %s %s", plugin->resource, plugin->endpoint);
    if (pthread_create(&thread, NULL, follow, plugin) == 0)
        pthread_detach(thread);
}

static void *serve(void *argument)
{
    int fd = (int) (intptr_t) argument;
    char preface[24];
    struct frame frame = {.body = malloc(LONGEST_FRAME)};
    static const uint8_t trailers[] = "\0\x0bgrpc-status\x01""0";
    if (frame.body && read_all(fd, preface, 24)) {
        write_frame(fd, SETTINGS, 0, 0, "", 0);
        while (read_frame(fd, &frame)) {
            if (!about_a_call(fd, &frame) || frame.type != DATA || frame.length < 5)
                continue;
            uint8_t headers[64] = {0x88}; /* status 200 */
            size_t length = 1 + literal(headers + 1, "content-type", "application/grpc");
            write_frame(fd, HEADERS, END_HEADERS, frame.stream, headers, length);
            write_frame(fd, DATA, 0, frame.stream, "\0\0\0\0\0", 5);
            write_frame(fd, HEADERS, END_HEADERS | END_STREAM, frame.stream, trailers, sizeof trailers - 1);
            registered(frame.body + 5, frame.body + frame.length);
        }
    }
    close(fd);
    free(frame.body);
    return NULL;
}

static void tell_start(void)
{
    char specs[1000] = "";
    const char *const places[] = {"/var/run/cdi", "/etc/cdi"};
    for (int i = 0; i < 2; i++) {
        DIR *folder = opendir(places[i]);
        struct dirent *entry;
        while (folder && (entry = readdir(folder)))
            if (entry->d_name[0] != '.' && strlen(specs) + strlen(entry->d_name) + 2 < sizeof specs) {
                strcat(specs, " ");
                strcat(specs, entry->d_name);
            }
        if (folder)
            closedir(folder);
    }
    tell("started with CDI:%s", *specs ? specs : " none");
}

static void remove_sockets(void)
{
    DIR *folder = opendir(directory);
    struct dirent *entry;
    if (!folder)
        fail(directory);
    while ((entry = readdir(folder))) {
        struct stat status;
        if (fstatat(dirfd(folder), entry->d_name, &status, AT_SYMLINK_NOFOLLOW) == 0 && S_ISSOCK(status.st_mode))
            unlinkat(dirfd(folder), entry->d_name, 0);
    }
    closedir(folder);
}

static void make_folders(const char *path)
{
    char part[200];
    for (size_t i = 1; i <= strlen(path) && i < sizeof part; i++)
        if (path[i] == '/' || path[i] == 0) {
            snprintf(part, i + 1, "%s", path);
            mkdir(part, 0755);
        }
}

int main(int argc, char **argv)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    if (argc > 1)
        directory = argv[1];
    signal(SIGPIPE, SIG_IGN);
    make_folders(directory);
    make_folders(STATE);
    tell_start();
    remove_sockets();
    snprintf(address.sun_path, sizeof address.sun_path, "%.80s/kubelet.sock", directory);
    int door = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (door < 0 || bind(door, (struct sockaddr *) &address, sizeof address) != 0 || listen(door, 16) != 0)
        fail(address.sun_path);
    for (;;) {
        pthread_t thread;
        int fd = accept4(door, NULL, NULL, SOCK_CLOEXEC);
        if (fd >= 0 && pthread_create(&thread, NULL, serve, (void *) (intptr_t) fd) == 0)
            pthread_detach(thread);
    }
}
