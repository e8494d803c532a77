/*
 * What a container has of GPUs, a line each: GPUs and MIG devices that NVML names, and whether device nodes open. It loads the library as programs
 * do, by its SONAME and nothing else. Arguments: paths of nodes; "c:MAJOR:MINOR" is a node that it makes itself, to see whether the container may open
 * a device that it was not given; "--start-only": nothing at all, to time the start.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

typedef int call(void);
typedef int count_call(unsigned *);
typedef int index_call(unsigned, void **);
typedef int mig_call(void *, unsigned, void **);
typedef int uuid_call(void *, char *, unsigned);

static void look(const char *path)
{
    struct stat status;
    if (stat(path, &status) != 0) {
        printf("node %s %s\n", path, strerrorname_np(errno));
        return;
    }
    int file = open(path, O_RDWR);
    if (file < 0 && errno == EACCES)
        file = open(path, O_RDONLY);
    /* ENXIO: it may be opened, and there is no such hardware */
    printf("node %s %u:%u %o %s\n", path, major(status.st_rdev), minor(status.st_rdev), status.st_mode & 07777, file < 0 ? strerrorname_np(errno) : "open");
    if (file >= 0)
        close(file);
}

int main(int argc, char **argv)
{
    if (argc == 2 && strcmp(argv[1], "--start-only") == 0)
        return 0;
    for (int i = 1; i < argc; i++) {
        unsigned major_number, minor_number;
        if (sscanf(argv[i], "c:%u:%u", &major_number, &minor_number) == 2) {
            mknod("/tmp-node", S_IFCHR | 0666, makedev(major_number, minor_number));
            look("/tmp-node");
            unlink("/tmp-node");
        } else {
            look(argv[i]);
        }
    }
    void *library = dlopen("libnvidia-ml.so.1", RTLD_NOW);
    if (!library) {
        printf("no library: %s\n", dlerror());
        return 1;
    }
    call *init = (call *) dlsym(library, "nvmlInit_v2");
    count_call *count = (count_call *) dlsym(library, "nvmlDeviceGetCount_v2");
    index_call *by_index = (index_call *) dlsym(library, "nvmlDeviceGetHandleByIndex_v2");
    mig_call *mig_by_index = (mig_call *) dlsym(library, "nvmlDeviceGetMigDeviceHandleByIndex");
    uuid_call *name = (uuid_call *) dlsym(library, "nvmlDeviceGetUUID");
    unsigned gpus = 0;
    int result = init();
    if (result == 0)
        result = count(&gpus);
    printf("gpus %u (%d)\n", gpus, result);
    for (unsigned i = 0; i < gpus; i++) {
        void *gpu, *mig;
        char uuid[96];
        if (by_index(i, &gpu) == 0 && name(gpu, uuid, sizeof uuid) == 0)
            printf("gpu %s\n", uuid);
        for (unsigned m = 0; m < 7; m++)
            if (mig_by_index(gpu, m, &mig) == 0 && name(mig, uuid, sizeof uuid) == 0)
                printf("mig %s\n", uuid);
    }
    ((call *) dlsym(library, "nvmlShutdown"))();
    return 0;
}
