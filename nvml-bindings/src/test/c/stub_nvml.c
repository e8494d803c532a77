/*
 * The smallest library that the binding takes for NVML, for what no honest library does. Built by StubLibrary with some of:
 *   -DNO_INIT            no nvmlInit at all
 *   -DNO_SHUTDOWN        no nvmlShutdown
 *   -DINIT_CODE=n        what nvmlInit answers
 *   -DSHUTDOWN_HANGS     nvmlShutdown does not come back
 *   -DPROCESS_BYTES=n    the length of a process entry as this library writes it
 *   -DPROCESS_SYMBOL=s   the name under which it exports the list
 *   -DENDLESS            the list is always longer than asked for
 */
#include <string.h>
#include <unistd.h>

#ifndef INIT_CODE
#define INIT_CODE 0
#endif
#ifndef PROCESS_BYTES
#define PROCESS_BYTES 24
#endif
#ifndef PROCESS_SYMBOL
#define PROCESS_SYMBOL nvmlDeviceGetComputeRunningProcesses_v3
#endif

enum { SUCCESS = 0, NOT_SUPPORTED = 3, INSUFFICIENT_SIZE = 7, VERSION_MISMATCH = 25 };

static int device;
static unsigned version_refusals;

#ifndef NO_INIT
int nvmlInit_v2(void)
{
    return INIT_CODE;
}
#endif

#ifndef NO_SHUTDOWN
int nvmlShutdown(void)
{
#ifdef SHUTDOWN_HANGS
    for (;;)
        pause();
#endif
    return SUCCESS;
}
#endif

int nvmlSystemGetNVMLVersion(char *text, unsigned length)
{
    strncpy(text, "1.2.3", length);
    return SUCCESS;
}

int nvmlDeviceGetHandleByIndex_v2(unsigned index, void **result)
{
    (void) index;
    *result = &device;
    return SUCCESS;
}

/* As many bytes as the caller has room for, no end mark, none of them text. */
int nvmlDeviceGetName(void *handle, char *text, unsigned length)
{
    (void) handle;
    memset(text, 0xFF, length);
    return SUCCESS;
}

/* Success without a single byte written. */
int nvmlDeviceGetSerial(void *handle, char *text, unsigned length)
{
    (void) handle, (void) text, (void) length;
    return SUCCESS;
}

int nvmlDeviceGetMemoryInfo_v2(void *handle, void *memory)
{
    (void) handle, (void) memory;
    version_refusals++;
    return VERSION_MISMATCH;
}

int nvmlDeviceGetMemoryInfo(void *handle, unsigned long long memory[3])
{
    (void) handle;
    memory[0] = 300;
    memory[1] = 200;
    memory[2] = 100 + version_refusals;
    return SUCCESS;
}

/* Knows the second version of the structure only. */
int nvmlDeviceGetGpuFabricInfoV(void *handle, unsigned info[9])
{
    (void) handle;
    if (info[0] != (36 | 2u << 24))
        return VERSION_MISMATCH;
    memset(info + 1, 0xAB, 16);
    info[5] = 0;
    info[6] = 7;
    *(unsigned char *) (info + 7) = 3;
    info[8] = 0x2A;
    return SUCCESS;
}

/* Fields: success as a whole, the second entry left untouched, the third of a type nobody knows. */
int nvmlDeviceGetFieldValues(void *handle, int count, unsigned values[][10])
{
    (void) handle;
    for (int i = 0; i < count; i++) {
        if (i == 1)
            continue;
        values[i][6] = i == 2 ? 99 : 5;
        values[i][7] = SUCCESS;
        values[i][8] = (unsigned) -42;
    }
    return SUCCESS;
}

int PROCESS_SYMBOL(void *handle, unsigned *count, unsigned char *infos)
{
    const unsigned processes = 300;
    (void) handle;
    unsigned room = *count;
#ifdef ENDLESS
    *count = room + 1000;
    return INSUFFICIENT_SIZE;
#endif
    *count = processes;
    if (room < processes)
        return INSUFFICIENT_SIZE;
    for (unsigned i = 0; i < processes; i++) {
        unsigned char *info = infos + i * PROCESS_BYTES;
        unsigned pid = 1000 + i, instance = i % 7;
        unsigned long long used = (unsigned long long) i << 20;
        memset(info, 0, PROCESS_BYTES);
        memcpy(info, &pid, 4);
        memcpy(info + 8, &used, 8);
        if (PROCESS_BYTES > 16) {
            memcpy(info + 16, &instance, 4);
            memcpy(info + 20, &instance, 4);
        }
    }
    return SUCCESS;
}
