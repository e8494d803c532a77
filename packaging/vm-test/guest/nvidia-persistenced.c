/*
 * Stand-in for the program of the same name: goes into the background, its first process ends with status 0 when its socket listens, writes and
 * locks its pid file, holds every GPU open until it is told to end, and tells its reasons to the system log alone.
 *
 *   nvidia-persistenced [--persistence-mode|--no-persistence-mode] [--user=NAME] [--nvidia-cfg-path=DIRECTORY] [--verbose]
 *
 * /var/lib/standin/persistenced may say "fail" (it ends with status 1 before it is ready), "hang" (it is never ready) or "deaf" (SIGTERM does not end it).
 */
#define _GNU_SOURCE
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <syslog.h>
#include <unistd.h>

#define DIRECTORY "/var/run/nvidia-persistenced"
#define PID_FILE DIRECTORY "/nvidia-persistenced.pid"
#define SOCKET DIRECTORY "/socket"

static int die(const char *what)
{
    syslog(LOG_ERR, "%s: %s", what, strerror(errno));
    return 1;
}

static bool told(const char *fault)
{
    char text[100] = "";
    FILE *file = fopen("/var/lib/standin/persistenced", "r");
    if (file) {
        if (!fgets(text, sizeof text, file))
            text[0] = 0;
        fclose(file);
    }
    return strncmp(text, fault, strlen(fault)) == 0;
}

static void open_gpus(void)
{
    DIR *gpus = opendir("/proc/driver/nvidia/gpus");
    struct dirent *entry;
    while (gpus && (entry = readdir(gpus))) {
        char path[400], line[200];
        int minor = -1;
        snprintf(path, sizeof path, "/proc/driver/nvidia/gpus/%s/information", entry->d_name);
        FILE *information = fopen(path, "r");
        while (information && fgets(line, sizeof line, information))
            sscanf(line, "Device Minor: %d", &minor);
        if (information)
            fclose(information);
        if (minor < 0)
            continue;
        snprintf(path, sizeof path, "/dev/nvidia%d", minor);
        if (open(path, O_RDWR | O_CLOEXEC) < 0)
            syslog(LOG_ERR, "device %s - failed to open: %s", entry->d_name, strerror(errno));
        else
            syslog(LOG_INFO, "device %s - registered", entry->d_name);
    }
    if (gpus)
        closedir(gpus);
}

static int serve(int ready)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX, .sun_path = SOCKET};
    struct flock lock = {.l_type = F_WRLCK, .l_whence = SEEK_SET};
    sigset_t ends;
    int signal_number;
    setsid();
    mkdir(DIRECTORY, 0755);
    int pid_file = open(PID_FILE, O_RDWR | O_CREAT | O_CLOEXEC, 0644);
    if (pid_file < 0 || fcntl(pid_file, F_SETLK, &lock) != 0)
        return die("Failed to lock PID file: " PID_FILE);
    if (ftruncate(pid_file, 0) != 0 || dprintf(pid_file, "%d\n", getpid()) < 0)
        return die(PID_FILE);
    if (told("fail")) {
        syslog(LOG_ERR, "Failed to query NVIDIA devices. Please ensure that the NVIDIA device files (/dev/nvidia*) exist, and that user 0 has read and write permissions.");
        return 1;
    }
    while (told("hang"))
        pause();
    open_gpus();
    unlink(SOCKET);
    int door = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (door < 0 || bind(door, (struct sockaddr *) &address, sizeof address) != 0 || listen(door, 4) != 0)
        return die(SOCKET);
    sigemptyset(&ends);
    sigaddset(&ends, SIGTERM);
    sigaddset(&ends, SIGINT);
    sigprocmask(SIG_BLOCK, &ends, NULL);
    syslog(LOG_NOTICE, "Started (%d)", getpid());
    if (write(ready, "", 1) != 1)
        return die("parent");
    close(ready);
    do
        sigwait(&ends, &signal_number);
    while (told("deaf"));
    unlink(SOCKET);
    unlink(PID_FILE);
    syslog(LOG_NOTICE, "Shutdown (%d)", getpid());
    return 0;
}

int main(int argc, char **argv)
{
    int pipe_ends[2];
    char byte;
    openlog("nvidia-persistenced", LOG_PID, LOG_DAEMON);
    for (int i = 1; i < argc; i++)
        if (strncmp(argv[i], "--user=", 7) != 0 && strncmp(argv[i], "--nvidia-cfg-path=", 18) != 0 && strcmp(argv[i], "--persistence-mode") != 0 &&
                   strcmp(argv[i], "--no-persistence-mode") != 0 && strcmp(argv[i], "--verbose") != 0) {
            fprintf(stderr, "ERROR: unknown option %s\n", argv[i]);
            return 1;
        }
    if (pipe2(pipe_ends, O_CLOEXEC) != 0)
        return die("pipe");
    pid_t child = fork();
    if (child < 0)
        return die("fork");
    if (child == 0) {
        close(pipe_ends[0]);
        return serve(pipe_ends[1]);
    }
    close(pipe_ends[1]);
    /* Its end without a byte: the child has ended. */
    return read(pipe_ends[0], &byte, 1) == 1 ? 0 : 1;
}
