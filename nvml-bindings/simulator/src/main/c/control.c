/*
 * Control from outside: exported nvmlsim_* functions for the same process, and files beside the library for another one.
 *
 *   nvmlsim.conf        the profile
 *   nvmlsim.control     sections "generation <n>" followed by rules, in rising order; replaced as a whole by rename
 *   nvmlsim.ack         written by rename: "generation <n>", then "ok" and a report where one was asked for, or "error <reason>"
 *   nvmlsim.violations  one line for each violation, appended
 *   nvmlsim.mig         MIG layouts that were changed since the profile (driver_state.c)
 *
 * A thread watches the directory while NVML is initialised, so that rules reach a process whose only call blocks in an event wait.
 * Every init reads the file too. A process that starts later replays acknowledged sections without what happens only once (events,
 * counter resets, time), so that a restarted agent meets the same node and no old event.
 */
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/inotify.h>
#include <unistd.h>

#include "sim.h"

#define MAX_CONTROL (4u << 20)

static char directory[4096];
static pthread_t watcher;
static bool watching;
static int watch_fd = -1, stop_fd = -1;
static unsigned long long applied_generation;
static bool polled_once;

const char *library_directory(void)
{
    if (!*directory) {
        Dl_info info;
        char *slash = NULL;
        if (dladdr((void *) &world, &info) != 0 && info.dli_fname) {
            snprintf(directory, sizeof directory, "%s", info.dli_fname);
            slash = strrchr(directory, '/');
        }
        if (slash && slash != directory)
            *slash = '\0';
        else
            snprintf(directory, sizeof directory, ".");
    }
    return directory;
}

char *control_read(const char *name, size_t *length)
{
    char path[4200];
    snprintf(path, sizeof path, "%s/%s", library_directory(), name);
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return NULL;
    size_t capacity = 65536;
    char *text = malloc(capacity + 1);
    *length = 0;
    while (text) {
        ssize_t got = read(fd, text + *length, capacity - *length);
        if (got <= 0)
            break;
        *length += (size_t) got;
        if (*length < capacity)
            continue;
        if (capacity >= MAX_CONTROL) {
            free(text);
            text = NULL;
            break;
        }
        capacity *= 2;
        char *larger = realloc(text, capacity + 1);
        if (!larger)
            free(text);
        text = larger;
    }
    close(fd);
    if (text)
        text[*length] = '\0';
    return text;
}

void control_write(const char *name, const char *text, size_t length)
{
    char path[4200], temporary[4220];
    snprintf(path, sizeof path, "%s/%s", library_directory(), name);
    snprintf(temporary, sizeof temporary, "%s.%d", path, (int) getpid());
    int fd = open(temporary, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
    if (fd < 0)
        return;
    size_t done = 0;
    while (done < length) {
        ssize_t put = write(fd, text + done, length - done);
        if (put < 0 && errno != EINTR)
            break;
        done += put > 0 ? (size_t) put : 0;
    }
    close(fd);
    if (done < length || rename(temporary, path) != 0)
        unlink(temporary);
}

void control_note_violation(const char *text)
{
    char path[4200], line[400];
    snprintf(path, sizeof path, "%s/nvmlsim.violations", library_directory());
    int fd = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644);
    if (fd < 0)
        return;
    int length = snprintf(line, sizeof line, "%s[%d]: %s\n", program_invocation_short_name, (int) getpid(), text);
    if (length > 0 && write(fd, line, (size_t) length < sizeof line ? (size_t) length : sizeof line - 1) < 0)
        (void) 0; /* the violation is kept in memory as well */
    close(fd);
}

static void acknowledge(unsigned long long generation_number, const char *error)
{
    size_t size = 262144;
    char *text = malloc(size);
    if (!text)
        return;
    size_t used;
    if (error) {
        used = (size_t) snprintf(text, size, "generation %llu\nerror %s\n", generation_number, error);
    } else {
        used = (size_t) snprintf(text, size, "generation %llu\nok\n", generation_number);
        if (scenario_report_wanted())
            used += control_report(text + used, size - used);
    }
    control_write("nvmlsim.ack", text, used < size ? used : size - 1);
    free(text);
}

static unsigned long long acknowledged_by_others(void)
{
    size_t length;
    char *text = control_read("nvmlsim.ack", &length);
    unsigned long long number = 0;
    if (text && sscanf(text, "generation %llu", &number) != 1)
        number = 0;
    free(text);
    return number;
}

void control_poll(void)
{
    size_t length;
    driver_state_load();
    char *text = control_read("nvmlsim.control", &length);
    if (!text)
        return; /* there is none yet, or it is beyond what the writer keeps it to */
    unsigned long long replay_until = polled_once ? 0 : acknowledged_by_others();
    polled_once = true;
    char *at = text;
    while (at && *at) {
        unsigned long long number = 0;
        int used = 0;
        if (sscanf(at, "generation %llu%n", &number, &used) != 1 || at[used] != '\n') {
            acknowledge(applied_generation + 1, "the control file does not begin with 'generation <number>'");
            break;
        }
        char *rules = at + used + 1, *next = strncmp(rules, "generation ", 11) == 0 ? rules : strstr(rules, "\ngeneration ");
        size_t rules_length = next ? (size_t) (next - rules) + (next != rules) : strlen(rules);
        if (number > applied_generation) {
            char error[500];
            bool replay = number <= replay_until;
            unsigned refused = scenario_apply(rules, rules_length, (struct apply_mode){false, replay, number}, error, sizeof error);
            applied_generation = number;
            if (!replay)
                acknowledge(number, refused ? error : NULL);
        }
        at = next ? next + (next != rules) : NULL;
    }
    free(text);
}

static void *watch(void *unused)
{
    (void) unused;
    char buffer[8192] __attribute__((aligned(__alignof__(struct inotify_event))));
    pthread_setname_np(pthread_self(), "nvmlsim-control");
    for (;;) {
        struct pollfd ready[2] = {{.fd = watch_fd, .events = POLLIN}, {.fd = stop_fd, .events = POLLIN}};
        if (poll(ready, 2, -1) < 0 && errno != EINTR)
            return NULL;
        if (ready[1].revents)
            return NULL;
        if (!(ready[0].revents & POLLIN))
            continue;
        bool changed = false, kept = false;
        ssize_t got = read(watch_fd, buffer, sizeof buffer);
        for (char *at = buffer; got > 0 && at < buffer + got;) {
            const struct inotify_event *event = (const struct inotify_event *) (const void *) at;
            changed |= event->len > 0 && strcmp(event->name, "nvmlsim.control") == 0;
            kept |= event->len > 0 && strcmp(event->name, "nvmlsim.mig") == 0;
            at += sizeof *event + event->len;
        }
        if (changed || kept) {
            pthread_mutex_lock(&sim_lock);
            if (kept)
                driver_state_load();
            if (changed)
                control_poll();
            pthread_mutex_unlock(&sim_lock);
        }
    }
}

void control_start(void)
{
    if (watching)
        return;
    watch_fd = inotify_init1(IN_CLOEXEC | IN_NONBLOCK);
    stop_fd = eventfd(0, EFD_CLOEXEC);
    if (watch_fd >= 0 && stop_fd >= 0 && inotify_add_watch(watch_fd, library_directory(), IN_MOVED_TO | IN_CLOSE_WRITE) >= 0
        && pthread_create(&watcher, NULL, watch, NULL) == 0)
        watching = true;
    else
        fprintf(stderr, "nvmlsim: cannot watch %s: %s; rules from the control file apply at the next init only\n", library_directory(),
            strerror(errno));
    pthread_mutex_lock(&sim_lock);
    control_poll(); /* what came between the last look and the watch */
    pthread_mutex_unlock(&sim_lock);
}

void control_stop(void)
{
    unsigned long long one = 1;
    if (watching && write(stop_fd, &one, sizeof one) == (ssize_t) sizeof one)
        pthread_join(watcher, NULL);
    watching = false;
    if (watch_fd >= 0)
        close(watch_fd);
    if (stop_fd >= 0)
        close(stop_fd);
    watch_fd = stop_fd = -1;
}

__attribute__((destructor)) static void unload(void)
{
    control_stop();
    if (init_count > 0 && pthread_mutex_trylock(&sim_lock) == 0) {
        violation("unloaded or ended while initialised %u times", init_count);
        pthread_mutex_unlock(&sim_lock);
    }
}

/* ---- exported: the same process */

/* Applies rules as a whole or not at all. Zero, or the number of the refused line and the reason in the buffer. */
int nvmlsim_apply(const char *rules, char *error, unsigned error_size)
{
    char reason[500] = "";
    pthread_mutex_lock(&sim_lock);
    if (!scenario_loaded())
        scenario_load();
    unsigned refused = scenario_apply(rules, strlen(rules), (struct apply_mode){0}, reason, sizeof reason);
    pthread_mutex_unlock(&sim_lock);
    if (error && error_size > 0)
        snprintf(error, error_size, "%s", reason);
    return (int) refused;
}

/* Counts, open things and violations as text; returns the bytes needed. */
unsigned nvmlsim_report(char *buffer, unsigned size)
{
    pthread_mutex_lock(&sim_lock);
    size_t used = control_report(buffer, size);
    pthread_mutex_unlock(&sim_lock);
    return (unsigned) used;
}

double nvmlsim_time(void)
{
    pthread_mutex_lock(&sim_lock);
    time_passes();
    double now = virtual_seconds();
    pthread_mutex_unlock(&sim_lock);
    return now;
}
