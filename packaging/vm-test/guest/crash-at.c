/*
 * Crashes at one step of a change of the driver: waits until the journal names that step, and then kills the agent, or the machine, at once.
 *
 *   crash-at JOURNAL [back:]STEP kill|power [MILLISECONDS]
 *
 * "back:" counts the steps of the way back, after one of the way there has failed.
 *
 * "kill" ends every process of the agent's Java runtime with SIGKILL; "power" resets the machine without writing anything to its disk (qemu ends
 * then). So many milliseconds later, when some are given: in the middle of the step, or after it. Says when, in seconds since boot, and before what.
 */
#define _GNU_SOURCE
#include <ctype.h>
#include <dirent.h>
#include <fcntl.h>
#include <libgen.h>
#include <limits.h>
#include <sched.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/inotify.h>
#include <time.h>
#include <unistd.h>

#define RUNTIME "/usr/lib/gpu-node-agent/"

static char text[65536];

static void fail(const char *what)
{
    perror(what);
    exit(1);
}

/* What follows a member's name in the journal. */
static const char *member(const char *name)
{
    const char *at = strstr(text, name);
    if (at)
        for (at += strlen(name); *at == ':' || isspace((unsigned char) *at); at++) {
        }
    return at;
}

static bool at_step(const char *journal, const char *step)
{
    bool goes_back = strncmp(step, "back:", 5) == 0;
    int fd = open(journal, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return false;
    ssize_t length = read(fd, text, sizeof text - 1);
    close(fd);
    text[length > 0 ? length : 0] = 0;
    const char *number = member("\"step\"");
    const char *direction = member("\"direction\"");
    return number && direction && (strncmp(direction, "\"back\"", 6) == 0) == goes_back &&
           atoi(number) == atoi(goes_back ? step + 5 : step);
}

static void kill_all(void)
{
    DIR *processes = opendir("/proc");
    struct dirent *entry;
    while (processes && (entry = readdir(processes))) {
        char link[300], target[PATH_MAX];
        snprintf(link, sizeof link, "/proc/%s/exe", entry->d_name);
        ssize_t length = isdigit((unsigned char) entry->d_name[0]) ? readlink(link, target, sizeof target - 1) : -1;
        if (length > 0 && strncmp(target, RUNTIME, sizeof RUNTIME - 1) == 0)
            kill(atoi(entry->d_name), SIGKILL);
    }
}

int main(int argc, char **argv)
{
    struct sched_param first = {.sched_priority = 50};
    char folder[PATH_MAX];
    struct timespec now;
    if (argc < 4) {
        fprintf(stderr, "usage: crash-at JOURNAL [back:]STEP kill|power [MILLISECONDS]\n");
        return 2;
    }
    sched_setscheduler(0, SCHED_FIFO, &first);
    snprintf(folder, sizeof folder, "%s", argv[1]);
    int changes = inotify_init1(IN_CLOEXEC);
    if (changes < 0 || inotify_add_watch(changes, dirname(folder), IN_MOVED_TO | IN_CLOSE_WRITE) < 0)
        fail(argv[1]);
    int trigger = strcmp(argv[3], "power") == 0 ? open("/proc/sysrq-trigger", O_WRONLY | O_CLOEXEC) : -1;
    while (!at_step(argv[1], argv[2])) {
        char events[4096];
        if (read(changes, events, sizeof events) < 0)
            fail("inotify");
    }
    if (argc > 4)
        usleep(1000 * atoi(argv[4]));
    if (trigger >= 0 && write(trigger, "b", 1) != 1)
        fail("/proc/sysrq-trigger");
    kill_all();
    clock_gettime(CLOCK_BOOTTIME, &now);
    const char *next = strstr(text, "\"next\"");
    printf("%ld.%03ld %.*s\n", (long) now.tv_sec, now.tv_nsec / 1000000, next ? (int) strcspn(next, "\n") : 0, next ? next : "");
    return 0;
}
