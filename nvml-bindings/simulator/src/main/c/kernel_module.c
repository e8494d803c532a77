/*
 * A kernel module below the library, where the profile says so: the first init opens the control device and the GPUs' nodes as the real library
 * does, so the module's reference count says who has NVML open, and what the module answers is what init answers. The module is a stand-in, and
 * nothing is asked of it but that it can be opened.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "sim.h"

static int control_fd = -1;
static int gpu_fd[MAX_GPUS];
static bool missed[MAX_GPUS];

/* Whether the module in the kernel is of the library's version, which the driver's file in procfs names. */
static nvmlReturn_t same_version(void)
{
    char path[4200], line[300] = "";
    snprintf(path, sizeof path, "%s/proc/driver/nvidia/version", world.kernel_root);
    FILE *file = fopen(path, "re");
    if (!file)
        return NVML_ERROR_DRIVER_NOT_LOADED;
    bool read = fgets(line, sizeof line, file);
    fclose(file);
    char word[TEXT_SIZE + 4];
    snprintf(word, sizeof word, "  %.90s  ", world.driver_version);
    return !read ? NVML_ERROR_UNKNOWN : strstr(line, word) ? NVML_SUCCESS : NVML_ERROR_LIB_RM_VERSION_MISMATCH;
}

static int open_node(const char *name)
{
    char path[4200];
    snprintf(path, sizeof path, "%s/dev/%s", world.kernel_root, name);
    return open(path, O_RDWR | O_CLOEXEC);
}

nvmlReturn_t kernel_module_open(void)
{
    if (!world.kernel_root[0])
        return NVML_SUCCESS;
    nvmlReturn_t result = same_version();
    if (result != NVML_SUCCESS)
        return result;
    control_fd = open_node("nvidiactl");
    if (control_fd < 0)
        return errno == EACCES || errno == EPERM ? NVML_ERROR_NO_PERMISSION : NVML_ERROR_DRIVER_NOT_LOADED;
    for (unsigned n = 0; n < world.gpus; n++) {
        struct gpu *g = &world.gpu[n];
        char name[32];
        snprintf(name, sizeof name, "nvidia%u", (unsigned) g->number[P_MINOR]);
        gpu_fd[n] = open_node(name);
        /* A GPU whose node cannot be opened is not there, until it can. */
        if (gpu_fd[n] < 0 && !g->removed)
            missed[n] = g->removed = true;
        else if (gpu_fd[n] >= 0 && missed[n])
            missed[n] = g->removed = false;
    }
    return NVML_SUCCESS;
}

void kernel_module_close(void)
{
    if (control_fd < 0)
        return;
    for (unsigned n = 0; n < world.gpus; n++)
        if (gpu_fd[n] >= 0)
            close(gpu_fd[n]);
    close(control_fd);
    control_fd = -1;
}
