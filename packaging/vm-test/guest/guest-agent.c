/*
 * Runs the host's commands in the guest of the VM test: one at a time, over a virtio-serial port, with their output and exit status.
 *
 * A message is a type, a length (32 bits, big-endian) and so many bytes. From the host: 'H' (a number: answered by 'Y' with the same, and ends
 * what still runs), 'I' (bytes of the next command's standard input), 'R' (seconds it may take, 32 bits big-endian, then the text for bash).
 * To the host: 'O' and 'E' (what it wrote), 'X' (its exit status, 128 and the signal, or 124 when the time was over).
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <glob.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define LONGEST (1 << 20)
#define INPUT "/run/vm-test-input"
/* How long what a command left behind may keep its output open. */
#define LEFT_BEHIND_MS 300

static int port;
static unsigned char message[LONGEST];
static uint32_t length;

static void fail(const char *what)
{
    perror(what);
    exit(1);
}

static long long now_ms(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return now.tv_sec * 1000LL + now.tv_nsec / 1000000;
}

/* While no host is connected reads give nothing at once: waits without turning. */
static void wait_for_host(void)
{
    struct pollfd ready = {.fd = port, .events = POLLIN};
    if (poll(&ready, 1, 50) >= 0 && (ready.revents & POLLHUP))
        poll(NULL, 0, 20);
}

static void read_all(void *to, size_t bytes)
{
    for (size_t got = 0; got < bytes;) {
        ssize_t n = read(port, (char *) to + got, bytes - got);
        if (n > 0)
            got += n;
        else if (n == 0 || errno == EAGAIN || errno == EINTR)
            wait_for_host();
        else
            fail("read");
    }
}

static void deliver(char type, const void *bytes, uint32_t count)
{
    char head[5] = {type};
    uint32_t wire = htonl(count);
    memcpy(head + 1, &wire, 4);
    struct {
        const char *at;
        size_t left;
    } parts[2] = {{head, 5}, {bytes, count}};
    for (int i = 0; i < 2; i++)
        while (parts[i].left > 0) {
            ssize_t n = write(port, parts[i].at, parts[i].left);
            if (n > 0) {
                parts[i].at += n;
                parts[i].left -= n;
            } else if (n < 0 && errno == EPIPE)
                return; /* the host has gone: it asks again */
            else if (n < 0 && errno != EAGAIN && errno != EINTR)
                fail("write");
            else {
                struct pollfd ready = {.fd = port, .events = POLLOUT};
                poll(&ready, 1, 50);
            }
        }
}

static char receive(void)
{
    unsigned char head[5];
    read_all(head, 5);
    memcpy(&length, head + 1, 4);
    length = ntohl(length);
    if (length >= LONGEST) {
        fprintf(stderr, "a message of %u bytes\n", length);
        exit(1);
    }
    read_all(message, length);
    message[length] = 0;
    return head[0];
}

static pid_t start(const char *script, int out[2], int err[2])
{
    pid_t child = fork();
    if (child < 0)
        fail("fork");
    if (child > 0)
        return child;
    setsid();
    int in = open(INPUT, O_RDONLY);
    if (in < 0)
        in = open("/dev/null", O_RDONLY);
    dup2(in, 0);
    dup2(out[1], 1);
    dup2(err[1], 2);
    close_range(3, ~0U, 0);
    unlink(INPUT);
    execl("/bin/bash", "bash", "-c", script, (char *) NULL);
    _exit(127);
}

static void forward(struct pollfd *from, char type)
{
    static char buffer[65536];
    if (from->fd < 0 || !from->revents)
        return;
    ssize_t n = read(from->fd, buffer, sizeof buffer);
    if (n > 0)
        deliver(type, buffer, n);
    else
        from->fd = -1;
}

/* True when the host has begun anew meanwhile: the message is read, and not answered. */
static bool run(void)
{
    uint32_t seconds;
    memcpy(&seconds, message, 4);
    seconds = ntohl(seconds);
    int out[2], err[2];
    if (pipe2(out, O_CLOEXEC) || pipe2(err, O_CLOEXEC))
        fail("pipe");
    pid_t child = start((char *) message + 4, out, err);
    close(out[1]);
    close(err[1]);
    long long end = now_ms() + seconds * 1000LL, last = 0;
    int status = 0;
    bool ended = false, over = false, anew = false;
    struct pollfd from[3] = {{.fd = out[0], .events = POLLIN}, {.fd = err[0], .events = POLLIN}, {.fd = port, .events = POLLIN}};
    while (!anew && (!ended || from[0].fd >= 0 || from[1].fd >= 0)) {
        poll(from, 3, ended ? 10 : 20);
        forward(&from[0], 'O');
        forward(&from[1], 'E');
        if (from[2].revents & POLLIN) {
            receive();
            anew = true;
        }
        if (!ended && waitpid(child, &status, WNOHANG) == child) {
            ended = true;
            last = now_ms() + LEFT_BEHIND_MS;
        }
        if (ended && now_ms() > last)
            break;
        if (!ended && !over && now_ms() > end)
            over = true;
        if (over || anew)
            kill(-child, SIGKILL);
    }
    if (!ended)
        waitpid(child, &status, 0);
    close(out[0]);
    close(err[0]);
    uint32_t code = htonl(over ? 124 : WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status));
    if (!anew)
        deliver('X', &code, 4);
    return anew;
}

/* By its name in sysfs: needs no link that udev makes, so commands can be run while the guest still starts. */
static void find_port(const char *name)
{
    glob_t found;
    if (glob("/sys/class/virtio-ports/*/name", 0, NULL, &found))
        fail("/sys/class/virtio-ports");
    for (size_t i = 0; i < found.gl_pathc; i++) {
        char line[128] = "", node[64], device[32];
        FILE *file = fopen(found.gl_pathv[i], "r");
        if (!file || !fgets(line, sizeof line, file) || sscanf(found.gl_pathv[i], "/sys/class/virtio-ports/%31[^/]", device) != 1)
            fail(found.gl_pathv[i]);
        fclose(file);
        line[strcspn(line, "\n")] = 0;
        if (strcmp(line, name) == 0) {
            snprintf(node, sizeof node, "/dev/%s", device);
            port = open(node, O_RDWR | O_NONBLOCK | O_CLOEXEC);
            if (port < 0)
                fail(node);
            return;
        }
    }
    fprintf(stderr, "no port %s\n", name);
    exit(1);
}

int main(int argc, char **argv)
{
    if (argc != 2) {
        fprintf(stderr, "usage: guest-agent NAME-OF-THE-PORT\n");
        return 2;
    }
    signal(SIGPIPE, SIG_IGN);
    find_port(argv[1]);
    int input = -1;
    for (char type = receive();; type = receive()) {
        while (type == 'R' && run())
            type = 'H';
        if (type == 'H') {
            unlink(INPUT);
            deliver('Y', message, length);
        } else if (type == 'I') {
            if (input < 0)
                input = open(INPUT, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
            if (input < 0 || write(input, message, length) != (ssize_t) length)
                fail(INPUT);
        }
        if (type != 'I' && input >= 0) {
            close(input);
            input = -1;
        }
    }
}
