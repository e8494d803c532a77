/*
 * What a driver keeps while processes come and go: MIG mode and instances. They lie in nvmlsim.mig beside the library, so that a process
 * that starts later, or that has the library open too, meets the layout that another one made; a lock on the directory keeps two from
 * changing it at the same time.
 *
 * Where nvmlsim.root names the host's root, the process that changes a layout also does what the kernel module does: files below
 * /proc/driver/nvidia/capabilities come and go with the instances, and nodes below /dev/nvidia-caps come. Nodes stay when instances go, as
 * they do on a real host.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "sim.h"

#define STATE_FILE "nvmlsim.mig"
#define CAPABILITIES_MAJOR 511
#define GPU_INSTANCE_IDS 15    /* what the kernel module reserves numbers for */
#define COMPUTE_INSTANCE_IDS 8
#define GPU_CAPABILITIES 135

struct kept_gpu {
    long long mode, pending;
    unsigned births;
    struct gpu_instance instance[MAX_GPU_INSTANCES];
    struct mig_device mig[MAX_MIG_DEVICES];
};

struct kept_node {
    unsigned long long generation; /* of the control file: its rules about layouts up to this one have been done, by whichever process */
    struct kept_gpu gpu[MAX_GPUS];
};

static unsigned long long done_generation;
static struct timespec known_time;
static ino_t known_file;
static int lock_fd = -1;

/* ---- sessions: each process that has NVML open shares a lock, which the kernel takes back from one that was killed */

static int session_fd = -1;

void session_began(void)
{
    if (world.kernel_root[0])
        return; /* who has the module open is known to the kernel; and the library may lie where nothing else may */
    char path[4200];
    snprintf(path, sizeof path, "%s/nvmlsim.sessions", library_directory());
    session_fd = open(path, O_RDONLY | O_CREAT | O_CLOEXEC, 0644);
    if (session_fd >= 0)
        flock(session_fd, LOCK_SH);
}

void session_ended(void)
{
    if (session_fd >= 0)
        close(session_fd); /* which unlocks */
    session_fd = -1;
}

bool session_elsewhere(void)
{
    if (session_fd < 0)
        return false;
    bool alone = flock(session_fd, LOCK_EX | LOCK_NB) == 0;
    flock(session_fd, LOCK_SH); /* also after a refusal, which costs the lock that there was */
    return !alone;
}

/* ---- between processes */

static size_t kept_bytes(void)
{
    return offsetof(struct kept_node, gpu) + world.gpus * sizeof(struct kept_gpu);
}

static bool file_is_known(void)
{
    char path[4200];
    struct stat status;
    snprintf(path, sizeof path, "%s/" STATE_FILE, library_directory());
    if (stat(path, &status) != 0)
        return true; /* nothing was kept yet */
    bool known = status.st_ino == known_file && status.st_mtim.tv_sec == known_time.tv_sec && status.st_mtim.tv_nsec == known_time.tv_nsec;
    known_file = status.st_ino;
    known_time = status.st_mtim;
    return known;
}

static bool differs(const struct gpu *g, const struct kept_gpu *kept)
{
    bool other = g->number[P_MIG_MODE] != kept->mode || g->number[P_MIG_PENDING] != kept->pending;
    for (int i = 0; i < MAX_GPU_INSTANCES; i++)
        other |= g->instance[i].present != kept->instance[i].present || (g->instance[i].present && g->instance[i].born != kept->instance[i].born);
    for (int m = 0; m < MAX_MIG_DEVICES; m++)
        other |= g->mig[m].present != kept->mig[m].present || (g->mig[m].present && g->mig[m].born != kept->mig[m].born);
    return other;
}

static void tell(unsigned n)
{
    struct event event = {.gpu = n, .type = NVML_EVENT_MIG_CONFIG, .gpu_instance = NVML_VALUE_NOT_AVAILABLE_U32,
        .compute_instance = NVML_VALUE_NOT_AVAILABLE_U32};
    events_deliver(&event);
}

static void take(unsigned n, const struct kept_gpu *kept)
{
    struct gpu *g = &world.gpu[n], before = *g;
    g->number[P_MIG_MODE] = kept->mode;
    g->number[P_MIG_PENDING] = kept->pending;
    g->births = kept->births;
    memcpy(g->instance, kept->instance, sizeof g->instance);
    for (int m = 0; m < MAX_MIG_DEVICES; m++) {
        bool same = before.mig[m].present && kept->mig[m].present && before.mig[m].born == kept->mig[m].born;
        g->mig[m] = kept->mig[m];
        if (same) {
            g->mig[m].activity = before.mig[m].activity; /* loads are each process's own */
            continue;
        }
        g->mig[m].activity = (struct activity){.period_seconds = 60, .start = virtual_seconds()};
        unsigned left = 0;
        for (unsigned p = 0; p < g->processes; p++)
            if (g->process[p].mig != m)
                g->process[left++] = g->process[p];
        g->processes = left;
    }
    handles_retire_gone(&before, g, n, true);
    tell(n);
}

void driver_state_load(void)
{
    size_t length;
    if (file_is_known())
        return;
    char *bytes = control_read(STATE_FILE, &length);
    if (bytes && length == kept_bytes()) {
        const struct kept_node *kept = (const struct kept_node *) (const void *) bytes; /* malloc aligns for anything */
        done_generation = kept->generation;
        for (unsigned n = 0; n < world.gpus; n++)
            if (differs(&world.gpu[n], &kept->gpu[n]))
                take(n, &kept->gpu[n]);
    }
    free(bytes);
}

void driver_state_begin(void)
{
    lock_fd = open(library_directory(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (lock_fd >= 0)
        flock(lock_fd, LOCK_EX);
    driver_state_load();
}

static void keep(void)
{
    struct kept_node *all = calloc(1, sizeof *all);
    if (!all)
        return;
    all->generation = done_generation;
    for (unsigned n = 0; n < world.gpus; n++) {
        const struct gpu *g = &world.gpu[n];
        struct kept_gpu *kept = &all->gpu[n];
        kept->mode = g->number[P_MIG_MODE];
        kept->pending = g->number[P_MIG_PENDING];
        kept->births = g->births;
        memcpy(kept->instance, g->instance, sizeof g->instance);
        memcpy(kept->mig, g->mig, sizeof g->mig);
    }
    control_write(STATE_FILE, (const char *) all, kept_bytes());
    free(all);
    file_is_known();
}

bool driver_state_done(unsigned long long control_generation)
{
    return control_generation > 0 && control_generation <= done_generation;
}

/* ---- what the kernel module shows */

static void make_directories(char *path, size_t root_length)
{
    for (char *slash = path + root_length + 1; (slash = strchr(slash, '/')); slash++) {
        *slash = '\0';
        if (mkdir(path, 0755) != 0 && errno != EEXIST)
            fprintf(stderr, "nvmlsim: cannot make %s: %s\n", path, strerror(errno));
        *slash = '/';
    }
}

static void show_capability(const char *root, const char *name, unsigned number)
{
    char path[4300];
    snprintf(path, sizeof path, "%s/proc/driver/nvidia/capabilities/%s", root, name);
    if (access(path, F_OK) != 0) {
        make_directories(path, strlen(root));
        FILE *file = fopen(path, "we");
        if (file) {
            fprintf(file, "DeviceFileMinor: %u\nDeviceFileMode: 292\nDeviceFileModify: 1\n", number);
            fclose(file);
        }
    }
    snprintf(path, sizeof path, "%s/dev/nvidia-caps/nvidia-cap%u", root, number);
    if (access(path, F_OK) != 0) {
        make_directories(path, strlen(root));
        int fd;
        if (mknod(path, S_IFCHR | 0444, makedev(CAPABILITIES_MAJOR, number)) != 0 && errno != EEXIST
            && (fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0444)) >= 0)
            close(fd);
    }
}

static void hide_capability(const char *root, const char *directory)
{
    char path[4300];
    snprintf(path, sizeof path, "%s/proc/driver/nvidia/capabilities/%s/access", root, directory);
    unlink(path);
    *strrchr(path, '/') = '\0';
    rmdir(path);
}

unsigned gpu_instance_capability(unsigned minor_number, unsigned gpu_instance)
{
    return 3 + GPU_CAPABILITIES * minor_number + (1 + COMPUTE_INSTANCE_IDS) * gpu_instance;
}

static void show_layout(const char *root, const struct gpu *g)
{
    unsigned minor_number = (unsigned) g->number[P_MINOR];
    if (minor_number >= MAX_GPUS)
        return; /* the kernel module has no numbers for those */
    for (unsigned gi = 0; gi < GPU_INSTANCE_IDS; gi++) {
        unsigned number = gpu_instance_capability(minor_number, gi), compute = 0;
        bool present = false;
        char name[64];
        for (unsigned i = 0; i < MAX_GPU_INSTANCES; i++)
            present |= g->instance[i].present && g->instance[i].id == gi;
        for (unsigned m = 0; m < MAX_MIG_DEVICES; m++)
            if (g->mig[m].present && g->mig[m].gpu_instance == gi)
                compute |= 1u << g->mig[m].compute_instance;
        for (unsigned ci = 0; ci < COMPUTE_INSTANCE_IDS; ci++) {
            snprintf(name, sizeof name, "gpu%u/mig/gi%u/ci%u%s", minor_number, gi, ci, compute & 1u << ci ? "/access" : "");
            if (compute & 1u << ci)
                show_capability(root, name, number + 1 + ci);
            else
                hide_capability(root, name);
        }
        snprintf(name, sizeof name, "gpu%u/mig/gi%u%s", minor_number, gi, present ? "/access" : "");
        if (present)
            show_capability(root, name, number);
        else
            hide_capability(root, name);
    }
}

void driver_state_end(unsigned changed, unsigned long long control_generation)
{
    size_t length;
    char *named = changed ? control_read("nvmlsim.root", &length) : NULL, root[4200];
    if (changed) {
        if (control_generation > done_generation)
            done_generation = control_generation;
        keep();
    }
    if (named) { /* relative to the library, so that a node's whole tree can be moved */
        named[strcspn(named, "\n")] = '\0';
        snprintf(root, sizeof root, "%s%s%s", *named == '/' ? "" : library_directory(), *named == '/' ? "" : "/", named);
    }
    for (unsigned n = 0; n < world.gpus; n++)
        if (changed & 1u << n) {
            if (named)
                show_layout(root, &world.gpu[n]);
            tell(n);
        }
    free(named);
    if (lock_fd >= 0)
        close(lock_fd); /* which unlocks */
    lock_fd = -1;
}
