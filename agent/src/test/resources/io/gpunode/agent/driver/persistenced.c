/*
 * Stands in for nvidia-persistenced where there is no GPU: goes into the background as it does, with its pid file, its lock, its socket and the GPU's
 * node held open; its first process ends when it is ready. Everything lies below the directory that it was installed under:
 * ROOT/usr/bin/nvidia-persistenced. ROOT/etc/persistenced-fault says in one word what it does wrong:
 *
 *   no-gpu     fails as the real one does without a driver: its pid file stays, status 1
 *   hang       is never ready
 *   deaf       does not listen to SIGTERM
 *   short      ends by itself soon after it was ready
 *   mute       says that it is ready and has no socket
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

static char root[4096];
static char fault[32];

static char *below(const char *name)
{
    char *path;
    if (asprintf(&path, "%s/%s", root, name) < 0)
        abort();
    return path;
}

static int is(const char *word)
{
    return strcmp(fault, word) == 0;
}

static void locate(void)
{
    ssize_t length = readlink("/proc/self/exe", root, sizeof root - 1);
    if (length < 0)
        abort();
    root[length] = 0;
    for (int i = 0; i < 3; i++)
        *strrchr(root, '/') = 0;
    FILE *file = fopen(below("etc/persistenced-fault"), "r");
    if (file) {
        if (fscanf(file, "%31s", fault) != 1)
            fault[0] = 0;
        fclose(file);
    }
}

static int refuse(int report)
{
    char failed = 1;
    if (write(report, &failed, 1) != 1)
        return 2;
    return 1;
}

static int serve(int report)
{
    setsid();
    mkdir(below("run"), 0755);
    mkdir(below("run/nvidia-persistenced"), 0755);
    int pid_file = open(below("run/nvidia-persistenced/nvidia-persistenced.pid"), O_RDWR | O_CREAT | O_CLOEXEC, 0644);
    if (pid_file < 0 || lockf(pid_file, F_TLOCK, 0) != 0)
        return refuse(report);
    if (ftruncate(pid_file, 0) != 0 || dprintf(pid_file, "%d\n", getpid()) < 0)
        return refuse(report);
    if (is("no-gpu"))
        return refuse(report);
    if (is("hang"))
        for (;;)
            pause();
    sigset_t ends;
    sigemptyset(&ends);
    sigaddset(&ends, SIGTERM);
    sigaddset(&ends, SIGINT);
    sigprocmask(SIG_BLOCK, &ends, NULL);
    open(below("dev/nvidia0"), O_RDWR | O_CLOEXEC);
    char *socket_name = below("run/nvidia-persistenced/socket");
    if (!is("mute")) {
        int listener = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
        struct sockaddr_un address = {.sun_family = AF_UNIX};
        strncpy(address.sun_path, socket_name, sizeof address.sun_path - 1);
        if (bind(listener, (struct sockaddr *)&address, sizeof address) != 0 || listen(listener, 4) != 0) {
            fprintf(stderr, "socket: %s\n", strerror(errno));
            return refuse(report);
        }
    }
    char ready = 0;
    if (write(report, &ready, 1) != 1)
        return 2;
    close(report);
    int nothing = open("/dev/null", O_RDWR);
    for (int i = 0; i < 3; i++)
        dup2(nothing, i);
    if (is("short")) {
        usleep(100000);
        return 3;
    }
    int caught;
    do
        sigwait(&ends, &caught);
    while (is("deaf"));
    unlink(socket_name);
    unlink(below("run/nvidia-persistenced/nvidia-persistenced.pid"));
    rmdir(below("run/nvidia-persistenced"));
    return 0;
}

int main(int count, char **arguments)
{
    locate();
    for (int i = 1; i < count; i++) {
        if (strcmp(arguments[i], "--persistence-mode") != 0 && strcmp(arguments[i], "--no-persistence-mode") != 0
            && strncmp(arguments[i], "--user=", 7) != 0 && strncmp(arguments[i], "--nvidia-cfg-path=", 18) != 0) {
            fprintf(stderr, "unrecognized option '%s'\n", arguments[i]);
            return 1;
        }
    }
    int report[2];
    if (pipe2(report, O_CLOEXEC) != 0)
        return 1;
    pid_t child = fork();
    if (child < 0)
        return 1;
    if (child == 0) {
        close(report[0]);
        return serve(report[1]);
    }
    close(report[1]);
    char answer = 1;
    if (read(report[0], &answer, 1) != 1 || answer != 0) {
        fprintf(stderr, "nvidia-persistenced failed to initialize. Check syslog for more details.\n");
        return 1;
    }
    return 0;
}
