/*
 * What a process sees that has not all device nodes, as in a container: NVML enumerates the GPUs that it can open, and the MIG devices whose two
 * capability nodes it can. Real nodes need a real driver, so it is looked at permissions instead of opening them.
 */
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "sim.h"

static bool openable(const char *directory, const char *name, unsigned number, int how)
{
    char path[4200];
    snprintf(path, sizeof path, "%s/%s%u", directory, name, number);
    return access(path, how) == 0;
}

void hide_without_nodes(void)
{
    const char *directory = getenv("NVMLSIM_DEVICE_NODES");
    if (!directory || !*directory)
        return;
    for (unsigned n = 0; n < world.gpus; n++) {
        struct gpu *g = &world.gpu[n];
        unsigned number = (unsigned) g->number[P_MINOR];
        if (!openable(directory, "nvidia", number, R_OK | W_OK))
            g->removed = true;
        for (unsigned m = 0; m < MAX_MIG_DEVICES; m++) {
            struct mig_device *mig = &g->mig[m];
            unsigned instance = gpu_instance_capability(number, mig->gpu_instance);
            if (mig->present
                && (!openable(directory, "nvidia-caps/nvidia-cap", instance, R_OK)
                    || !openable(directory, "nvidia-caps/nvidia-cap", instance + 1 + mig->compute_instance, R_OK)))
                mig->present = false;
        }
    }
}
