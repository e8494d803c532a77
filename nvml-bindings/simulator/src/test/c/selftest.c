/*
 * The simulator's own test, without a JVM, built under sanitizers. Linked from the sources, so it loads scenarios as it likes.
 * Usage: selftest PROFILE-DIRECTORY; prints the first failure and exits 1.
 */
#include <dirent.h>
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "../../main/c/sim.h"

/* What is called; declared here since only callers need prototypes. */
nvmlReturn_t nvmlInit_v2(void), nvmlShutdown(void);
nvmlReturn_t nvmlDeviceGetCount_v2(unsigned *), nvmlDeviceGetHandleByIndex_v2(unsigned, nvmlDevice_t *);
nvmlReturn_t nvmlDeviceGetHandleByUUID(const char *, nvmlDevice_t *), nvmlDeviceGetName(nvmlDevice_t, char *, unsigned);
nvmlReturn_t nvmlDeviceGetUUID(nvmlDevice_t, char *, unsigned), nvmlDeviceGetIndex(nvmlDevice_t, unsigned *);
nvmlReturn_t nvmlDeviceGetTemperature(nvmlDevice_t, unsigned, unsigned *), nvmlDeviceGetPowerUsage(nvmlDevice_t, unsigned *);
nvmlReturn_t nvmlDeviceGetTotalEnergyConsumption(nvmlDevice_t, unsigned long long *);
nvmlReturn_t nvmlDeviceGetUtilizationRates(nvmlDevice_t, nvmlUtilization_t *), nvmlDeviceGetMemoryInfo_v2(nvmlDevice_t, nvmlMemory_v2_t *);
nvmlReturn_t nvmlDeviceGetComputeRunningProcesses_v3(nvmlDevice_t, unsigned *, nvmlProcessInfo_t *);
nvmlReturn_t nvmlDeviceGetFieldValues(nvmlDevice_t, int, nvmlFieldValue_t *);
nvmlReturn_t nvmlDeviceGetMaxMigDeviceCount(nvmlDevice_t, unsigned *), nvmlDeviceGetMigDeviceHandleByIndex(nvmlDevice_t, unsigned, nvmlDevice_t *);
nvmlReturn_t nvmlDeviceGetAttributes_v2(nvmlDevice_t, nvmlDeviceAttributes_t *);
nvmlReturn_t nvmlDeviceGetMigMode(nvmlDevice_t, unsigned *, unsigned *), nvmlDeviceSetMigMode(nvmlDevice_t, unsigned, nvmlReturn_t *);
nvmlReturn_t nvmlDeviceGetGpuInstanceProfileInfo(nvmlDevice_t, unsigned, nvmlGpuInstanceProfileInfo_t *);
nvmlReturn_t nvmlDeviceGetGpuInstanceProfileInfoV(nvmlDevice_t, unsigned, void *);
nvmlReturn_t nvmlDeviceGetGpuInstancePossiblePlacements_v2(nvmlDevice_t, unsigned, nvmlGpuInstancePlacement_t *, unsigned *);
nvmlReturn_t nvmlDeviceGetGpuInstanceRemainingCapacity(nvmlDevice_t, unsigned, unsigned *);
nvmlReturn_t nvmlDeviceCreateGpuInstance(nvmlDevice_t, unsigned, nvmlGpuInstance_t *), nvmlGpuInstanceDestroy(nvmlGpuInstance_t);
nvmlReturn_t nvmlDeviceCreateGpuInstanceWithPlacement(nvmlDevice_t, unsigned, const nvmlGpuInstancePlacement_t *, nvmlGpuInstance_t *);
nvmlReturn_t nvmlDeviceGetGpuInstances(nvmlDevice_t, unsigned, nvmlGpuInstance_t *, unsigned *);
nvmlReturn_t nvmlDeviceGetGpuInstanceById(nvmlDevice_t, unsigned, nvmlGpuInstance_t *);
nvmlReturn_t nvmlGpuInstanceGetInfo(nvmlGpuInstance_t, nvmlGpuInstanceInfo_t *);
nvmlReturn_t nvmlGpuInstanceGetComputeInstanceProfileInfoV(nvmlGpuInstance_t, unsigned, unsigned, nvmlComputeInstanceProfileInfo_v3_t *);
nvmlReturn_t nvmlGpuInstanceGetComputeInstanceRemainingCapacity(nvmlGpuInstance_t, unsigned, unsigned *);
nvmlReturn_t nvmlGpuInstanceGetComputeInstancePossiblePlacements(nvmlGpuInstance_t, unsigned, nvmlComputeInstancePlacement_t *, unsigned *);
nvmlReturn_t nvmlGpuInstanceGetComputeInstances(nvmlGpuInstance_t, unsigned, nvmlComputeInstance_t *, unsigned *);
nvmlReturn_t nvmlGpuInstanceGetComputeInstanceById(nvmlGpuInstance_t, unsigned, nvmlComputeInstance_t *);
nvmlReturn_t nvmlGpuInstanceCreateComputeInstance(nvmlGpuInstance_t, unsigned, nvmlComputeInstance_t *);
nvmlReturn_t nvmlGpuInstanceCreateComputeInstanceWithPlacement(nvmlGpuInstance_t, unsigned, const nvmlComputeInstancePlacement_t *,
    nvmlComputeInstance_t *);
nvmlReturn_t nvmlComputeInstanceGetInfo_v2(nvmlComputeInstance_t, nvmlComputeInstanceInfo_t *), nvmlComputeInstanceDestroy(nvmlComputeInstance_t);
nvmlReturn_t nvmlEventSetCreate(nvmlEventSet_t *), nvmlEventSetFree(nvmlEventSet_t);
nvmlReturn_t nvmlDeviceRegisterEvents(nvmlDevice_t, unsigned long long, nvmlEventSet_t);
nvmlReturn_t nvmlEventSetWait_v2(nvmlEventSet_t, nvmlEventData_t *, unsigned);
nvmlReturn_t nvmlGpmSampleAlloc(nvmlGpmSample_t *), nvmlGpmSampleFree(nvmlGpmSample_t), nvmlGpmSampleGet(nvmlDevice_t, nvmlGpmSample_t);
nvmlReturn_t nvmlGpmMetricsGet(nvmlGpmMetricsGet_t *), nvmlDeviceResetGpuLockedClocks(void);
nvmlReturn_t nvmlDeviceGetNvLinkState(nvmlDevice_t, unsigned, unsigned *), nvmlDeviceSetPowerManagementLimit(nvmlDevice_t, unsigned);
int nvmlsim_apply(const char *, char *, unsigned), nvmlsim_await_hung(unsigned, unsigned);
unsigned nvmlsim_violations(char *, unsigned), nvmlsim_trace(char *, unsigned), nvmlsim_report(char *, unsigned);
unsigned long long nvmlsim_calls(const char *);
void nvmlsim_release_hangs(void), nvmlsim_forget(void);

#define CHECK(condition) \
    do { \
        if (!(condition)) { \
            char trace_text[4000]; \
            nvmlsim_trace(trace_text, sizeof trace_text); \
            fprintf(stderr, "%s:%d: %s failed: %s\n%s", __FILE__, __LINE__, __func__, #condition, trace_text); \
            exit(1); \
        } \
    } while (0)
#define OK(call) CHECK((call) == NVML_SUCCESS)

static const char *profiles;
static char error[500];

static char *contents(const char *path)
{
    FILE *file = fopen(path, "r");
    CHECK(file);
    char *text = calloc(1, 1 << 20);
    CHECK(text && fread(text, 1, (1 << 20) - 1, file) > 0);
    fclose(file);
    return text;
}

static void put(const char *name, const char *text)
{
    char path[4200], temporary[4220];
    snprintf(path, sizeof path, "%s/%s", library_directory(), name);
    snprintf(temporary, sizeof temporary, "%s.part", path);
    FILE *file = fopen(temporary, "w");
    CHECK(file && fputs(text, file) >= 0 && fclose(file) == 0);
    CHECK(rename(temporary, path) == 0);
}

static void forget_file(const char *name)
{
    char path[4200];
    snprintf(path, sizeof path, "%s/%s", library_directory(), name);
    unlink(path);
}

static void load_text(const char *name, const char *text)
{
    forget_file("nvmlsim.mig");
    pthread_mutex_lock(&sim_lock);
    unsigned refused = scenario_apply(text, strlen(text), (struct apply_mode){.initial = true}, error, sizeof error);
    pthread_mutex_unlock(&sim_lock);
    if (refused)
        fprintf(stderr, "%s: %s\n", name, error);
    CHECK(refused == 0);
    nvmlsim_forget();
}

static void load(const char *profile)
{
    char path[4096];
    snprintf(path, sizeof path, "%s/%s.conf", profiles, profile);
    char *text = contents(path);
    load_text(profile, text);
    free(text);
}

static void apply(const char *rules)
{
    if (nvmlsim_apply(rules, error, sizeof error) != 0) {
        fprintf(stderr, "%s\n", error);
        CHECK(!"rules are accepted");
    }
}

static void refuse(const char *rules, const char *reason)
{
    CHECK(nvmlsim_apply(rules, error, sizeof error) != 0);
    if (!strstr(error, reason))
        fprintf(stderr, "got '%s', wanted '%s'\n", error, reason);
    CHECK(strstr(error, reason));
}

static nvmlDevice_t gpu(unsigned index)
{
    nvmlDevice_t device = NULL;
    OK(nvmlDeviceGetHandleByIndex_v2(index, &device));
    return device;
}

static void no_violations(void)
{
    char text[2000] = "";
    if (nvmlsim_violations(text, sizeof text) != 0)
        fprintf(stderr, "%s", text);
    CHECK(*text == '\0');
}

static void one_violation(const char *expected)
{
    char text[2000] = "";
    nvmlsim_violations(text, sizeof text);
    if (!strstr(text, expected))
        fprintf(stderr, "got '%s', wanted '%s'\n", text, expected);
    CHECK(strstr(text, expected));
    nvmlsim_forget();
}

static void every_profile_loads(void)
{
    DIR *directory = opendir(profiles);
    CHECK(directory);
    unsigned seen = 0;
    for (struct dirent *entry; (entry = readdir(directory));) {
        char name[300];
        snprintf(name, sizeof name, "%s", entry->d_name);
        char *dot = strstr(name, ".conf");
        if (!dot)
            continue;
        *dot = '\0';
        load(name);
        seen++;
        if (!world.driver_loaded) {
            CHECK(nvmlInit_v2() == NVML_ERROR_DRIVER_NOT_LOADED);
            continue;
        }
        OK(nvmlInit_v2());
        unsigned count = 0;
        OK(nvmlDeviceGetCount_v2(&count));
        CHECK(count == world.gpus && count > 0);
        for (unsigned i = 0; i < count; i++) {
            char uuid[96], text[96];
            nvmlDevice_t again;
            OK(nvmlDeviceGetName(gpu(i), text, sizeof text));
            OK(nvmlDeviceGetUUID(gpu(i), uuid, sizeof uuid));
            OK(nvmlDeviceGetHandleByUUID(uuid, &again));
            CHECK(again == gpu(i));
        }
        OK(nvmlShutdown());
        no_violations();
    }
    closedir(directory);
    CHECK(seen == 8);
}

static void rules_are_strict(void)
{
    load("8xh100");
    refuse("fault x call=nvmlDeviceGetTemperatur return=UNKNOWN", "line 1: there is no function 'nvmlDeviceGetTemperatur'");
    refuse("\n# comment\nfault x group=thermal return=BROKEN", "line 3: there is no result 'BROKEN'");
    refuse("fault x group=thermal", "no effect");
    refuse("fault x group=telemetri return=UNKNOWN", "there is no group");
    refuse("set gpu=8 temperature=1", "there is no gpu 8, only 0 to 7");
    refuse("set gpu=0 temprature=1", "unknown property 'temprature'");
    refuse("set gpu=0 temperature=warm", "not a whole number");
    apply("fault wide group=telemetry return=UNKNOWN\nclear wide");
    refuse("frobnicate", "unknown directive 'frobnicate'");
    refuse("clear nothing", "there is no fault 'nothing'");
    refuse("workload gpu=0 kind=mine", "kind=mine is not one of");
    refuse("event gpu=0", "either xid=");
    refuse("set gpu=0 temperature=50 nonsense", "unknown word 'nonsense'");
    refuse("set gpu=0 name=\"open", "no closing quote");
    refuse("reorder 0 1", "all 8 GPUs");
    /* as a whole or not at all */
    OK(nvmlInit_v2());
    unsigned before, after;
    OK(nvmlDeviceGetTemperature(gpu(0), 0, &before));
    refuse("set gpu=0 temperature=99\nset gpu=1 nothing=1", "line 2");
    OK(nvmlDeviceGetTemperature(gpu(0), 0, &after));
    CHECK(after == before);
    OK(nvmlShutdown());
    no_violations();
}

static void faults_apply_where_and_when_they_say(void)
{
    load("8xh100");
    OK(nvmlInit_v2());
    unsigned value;
    apply("fault hot gpu=2 call=nvmlDeviceGetTemperature after=1 times=2 return=GPU_IS_LOST");
    OK(nvmlDeviceGetTemperature(gpu(2), 0, &value));
    CHECK(nvmlDeviceGetTemperature(gpu(2), 0, &value) == NVML_ERROR_GPU_IS_LOST);
    OK(nvmlDeviceGetTemperature(gpu(1), 0, &value));
    CHECK(nvmlDeviceGetTemperature(gpu(2), 0, &value) == NVML_ERROR_GPU_IS_LOST);
    OK(nvmlDeviceGetTemperature(gpu(2), 0, &value));
    apply("fault flap call=nvmlDeviceGetPowerUsage results=UNKNOWN,SUCCESS,TIMEOUT");
    CHECK(nvmlDeviceGetPowerUsage(gpu(0), &value) == NVML_ERROR_UNKNOWN);
    OK(nvmlDeviceGetPowerUsage(gpu(0), &value));
    CHECK(nvmlDeviceGetPowerUsage(gpu(0), &value) == NVML_ERROR_TIMEOUT);
    OK(nvmlDeviceGetPowerUsage(gpu(0), &value));
    apply("fault na gpu=0 call=nvmlDeviceGetPowerUsage value=not-available");
    OK(nvmlDeviceGetPowerUsage(gpu(0), &value));
    CHECK(value == 0xFFFFFFFFu);
    apply("clear na\nfault name call=nvmlDeviceGetName string=unterminated");
    char name[97];
    name[96] = '\0';
    OK(nvmlDeviceGetName(gpu(0), name, 96));
    CHECK(strlen(name) == 96);
    apply("fault name call=nvmlDeviceGetName string=odd-bytes");
    OK(nvmlDeviceGetName(gpu(0), name, 96));
    CHECK((unsigned char) name[0] == 0xff);
    apply("clear all\nfault field call=nvmlDeviceGetFieldValues field=82 return=NOT_SUPPORTED");
    nvmlFieldValue_t fields[3] = {{.fieldId = 82}, {.fieldId = 83}, {.fieldId = 9999}};
    OK(nvmlDeviceGetFieldValues(gpu(0), 3, fields));
    CHECK(fields[0].nvmlReturn == NVML_ERROR_NOT_SUPPORTED && fields[1].nvmlReturn == NVML_SUCCESS
        && fields[2].nvmlReturn == NVML_ERROR_INVALID_ARGUMENT);
    apply("fault count call=nvmlDeviceGetCount_v2 times=1 count=9");
    OK(nvmlDeviceGetCount_v2(&value));
    CHECK(value == 9);
    nvmlDevice_t device;
    CHECK(nvmlDeviceGetHandleByIndex_v2(8, &device) == NVML_ERROR_INVALID_ARGUMENT);
    apply("process gpu=0 pid=11 memory=100\nprocess gpu=0 pid=12 memory=200\nfault grow gpu=0 group=process times=2 size=growing");
    nvmlProcessInfo_t infos[16];
    unsigned room = 2;
    CHECK(nvmlDeviceGetComputeRunningProcesses_v3(gpu(0), &room, infos) == NVML_ERROR_INSUFFICIENT_SIZE && room == 3);
    CHECK(nvmlDeviceGetComputeRunningProcesses_v3(gpu(0), &room, infos) == NVML_ERROR_INSUFFICIENT_SIZE && room == 4);
    OK(nvmlDeviceGetComputeRunningProcesses_v3(gpu(0), &room, infos));
    CHECK(room == 2 && infos[1].pid == 12 && infos[1].usedGpuMemory == 200 * MIB);
    OK(nvmlShutdown());
    apply("fault starting group=init times=2 return=DRIVER_NOT_LOADED");
    CHECK(nvmlInit_v2() == NVML_ERROR_DRIVER_NOT_LOADED);
    CHECK(nvmlInit_v2() == NVML_ERROR_DRIVER_NOT_LOADED);
    OK(nvmlInit_v2());
    OK(nvmlShutdown());
    no_violations();
}

static void gpus_come_and_go(void)
{
    load("4xl4");
    OK(nvmlInit_v2());
    nvmlDevice_t second = gpu(1);
    char uuid[96];
    unsigned value;
    OK(nvmlDeviceGetUUID(second, uuid, sizeof uuid));
    apply("remove gpu=1");
    OK(nvmlDeviceGetCount_v2(&value));
    CHECK(value == 3);
    CHECK(nvmlDeviceGetHandleByUUID(uuid, &second) == NVML_ERROR_NOT_FOUND);
    CHECK(nvmlDeviceGetTemperature(second, 0, &value) == NVML_ERROR_GPU_IS_LOST);
    apply("restore gpu=1\nreorder 3 2 1 0");
    OK(nvmlDeviceGetHandleByUUID(uuid, &second));
    OK(nvmlDeviceGetIndex(second, &value));
    CHECK(value == 2);
    apply("lose gpu=1");
    CHECK(nvmlDeviceGetTemperature(second, 0, &value) == NVML_ERROR_GPU_IS_LOST);
    OK(nvmlDeviceGetCount_v2(&value));
    CHECK(value == 4);
    OK(nvmlShutdown());
    no_violations();
}

static void the_referee_sees_misuse(void)
{
    load("1xt4");
    unsigned value;
    OK(nvmlInit_v2());
    nvmlDevice_t device = gpu(0);
    OK(nvmlShutdown());
    CHECK(nvmlDeviceGetTemperature(device, 0, &value) == NVML_ERROR_UNINITIALIZED);
    one_violation("nvmlDeviceGetTemperature was called after shutdown");
    OK(nvmlInit_v2());
    CHECK(nvmlDeviceGetTemperature(device, 0, &value) == NVML_ERROR_INVALID_ARGUMENT);
    one_violation("stale handle");
    CHECK(nvmlDeviceGetTemperature((nvmlDevice_t) (uintptr_t) 0x1234, 0, &value) == NVML_ERROR_INVALID_ARGUMENT);
    one_violation("never gave out");
    nvmlEventSet_t set;
    nvmlGpmSample_t sample;
    OK(nvmlEventSetCreate(&set));
    OK(nvmlGpmSampleAlloc(&sample));
    OK(nvmlShutdown());
    one_violation("1 GPM samples were not freed");
    CHECK(nvmlShutdown() == NVML_ERROR_UNINITIALIZED);
    one_violation("without a matching init");
    OK(nvmlInit_v2());
    CHECK(nvmlDeviceResetGpuLockedClocks() == NVML_ERROR_NOT_SUPPORTED);
    no_violations();
    apply("referee stubs=violation");
    CHECK(nvmlDeviceResetGpuLockedClocks() == NVML_ERROR_NOT_SUPPORTED);
    one_violation("not modelled");
    OK(nvmlShutdown());
}

static double seconds(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double) now.tv_sec + (double) now.tv_nsec / 1e9;
}

struct waiting {
    nvmlEventSet_t set;
    nvmlEventData_t data;
    nvmlReturn_t result;
    double woken;
};

static void *wait_for_event(void *argument)
{
    struct waiting *waiting = argument;
    waiting->result = nvmlEventSetWait_v2(waiting->set, &waiting->data, 20000);
    waiting->woken = seconds();
    return NULL;
}

static void start_waiting(pthread_t *thread, struct waiting *waiting)
{
    unsigned long long before = nvmlsim_calls("nvmlEventSetWait_v2");
    CHECK(pthread_create(thread, NULL, wait_for_event, waiting) == 0);
    while (nvmlsim_calls("nvmlEventSetWait_v2") == before)
        sched_yield();
}

static void events_wake_waiters_at_once(void)
{
    load("8xh100");
    OK(nvmlInit_v2());
    nvmlEventSet_t set;
    nvmlEventData_t data;
    OK(nvmlEventSetCreate(&set));
    OK(nvmlDeviceRegisterEvents(gpu(0), NVML_EVENT_XID, set));
    CHECK(nvmlDeviceRegisterEvents(gpu(0), 1ull << 40, set) == NVML_ERROR_NOT_SUPPORTED);
    CHECK(nvmlEventSetWait_v2(set, &data, 0) == NVML_ERROR_TIMEOUT);
    double begin = seconds();
    CHECK(nvmlEventSetWait_v2(set, &data, 50) == NVML_ERROR_TIMEOUT);
    CHECK(seconds() - begin >= .049);
    apply("event gpu=1 xid=48\nevent gpu=0 type=ecc-double"); /* neither is registered */
    CHECK(nvmlEventSetWait_v2(set, &data, 0) == NVML_ERROR_TIMEOUT);
    struct waiting waiting = {.set = set};
    pthread_t thread;
    start_waiting(&thread, &waiting);
    double sent = seconds();
    apply("event gpu=0 xid=79");
    pthread_join(thread, NULL);
    OK(waiting.result);
    CHECK(waiting.data.eventData == 79 && waiting.data.eventType == NVML_EVENT_XID && waiting.data.device == gpu(0));
    CHECK(waiting.data.gpuInstanceId == 0xFFFFFFFFu && waiting.woken - sent < 2);
    apply("event gpu=0 xid=31 burst=1000");
    for (int i = 0; i < 1000; i++)
        OK(nvmlEventSetWait_v2(set, &data, 0));
    CHECK(nvmlEventSetWait_v2(set, &data, 0) == NVML_ERROR_TIMEOUT);
    /* a rule that breaks the channel reaches a call that waits already */
    start_waiting(&thread, &waiting);
    apply("fault broken call=nvmlEventSetWait_v2 return=UNKNOWN");
    pthread_join(thread, NULL);
    CHECK(waiting.result == NVML_ERROR_UNKNOWN);
    apply("clear broken");
    OK(nvmlEventSetFree(set));
    OK(nvmlShutdown());
    no_violations();
}

struct hanging {
    nvmlDevice_t device;
    nvmlReturn_t result;
    unsigned value;
};

static void *hang(void *argument)
{
    struct hanging *hanging = argument;
    hanging->result = nvmlDeviceGetPowerUsage(hanging->device, &hanging->value);
    return NULL;
}

static void a_hang_holds_one_call_only(void)
{
    load("8xh100");
    OK(nvmlInit_v2());
    apply("fault stuck gpu=1 group=power hang=until-released");
    struct hanging hanging = {.device = gpu(1)};
    pthread_t thread;
    unsigned value;
    CHECK(pthread_create(&thread, NULL, hang, &hanging) == 0);
    CHECK(nvmlsim_await_hung(1, 10000) == 1);
    OK(nvmlDeviceGetPowerUsage(gpu(0), &value));
    OK(nvmlDeviceGetTemperature(gpu(1), 0, &value));
    nvmlsim_release_hangs();
    pthread_join(thread, NULL);
    OK(hanging.result);
    CHECK(pthread_create(&thread, NULL, hang, &hanging) == 0);
    CHECK(nvmlsim_await_hung(1, 10000) == 1);
    apply("clear stuck");
    pthread_join(thread, NULL);
    OK(nvmlDeviceGetPowerUsage(gpu(1), &value));
    apply("fault slow gpu=1 group=power delay=30ms");
    double begin = seconds();
    OK(nvmlDeviceGetPowerUsage(gpu(1), &value));
    CHECK(seconds() - begin >= .029);
    OK(nvmlShutdown());
    no_violations();
}

static void workloads_play_and_counters_add_up(void)
{
    load("8xh100");
    OK(nvmlInit_v2());
    apply("time freeze");
    nvmlUtilization_t rates;
    nvmlMemory_v2_t memory = {.version = NVML_VERSION_WORD(nvmlMemory_v2_t, 2)};
    unsigned idle_power, power, degrees, hot;
    unsigned long long energy, later;
    OK(nvmlDeviceGetUtilizationRates(gpu(0), &rates));
    CHECK(rates.gpu == 0);
    OK(nvmlDeviceGetPowerUsage(gpu(0), &idle_power));
    OK(nvmlDeviceGetTemperature(gpu(0), 0, &degrees));
    apply("workload gpu=0 kind=burn pids=4711 memory=40000");
    apply("time advance=10m");
    OK(nvmlDeviceGetUtilizationRates(gpu(0), &rates));
    CHECK(rates.gpu == 100 && rates.memory == 85);
    OK(nvmlDeviceGetPowerUsage(gpu(0), &power));
    CHECK(power == 692000 && power > idle_power);
    OK(nvmlDeviceGetTemperature(gpu(0), 0, &hot));
    CHECK(hot == 66 && hot > degrees);
    OK(nvmlDeviceGetMemoryInfo_v2(gpu(0), &memory));
    CHECK(memory.used == 40003 * MIB && memory.total == memory.used + memory.free + memory.reserved);
    OK(nvmlDeviceGetTotalEnergyConsumption(gpu(0), &energy));
    apply("time advance=100s");
    OK(nvmlDeviceGetTotalEnergyConsumption(gpu(0), &later));
    CHECK(later - energy >= 69199000 && later - energy <= 69201000); /* 692 W for 100 s */
    OK(nvmlDeviceSetPowerManagementLimit(gpu(0), 300000));
    OK(nvmlDeviceGetTotalEnergyConsumption(gpu(0), &energy));
    CHECK(energy >= later && energy - later < 1000);
    apply("time advance=10s");
    OK(nvmlDeviceGetTotalEnergyConsumption(gpu(0), &later));
    CHECK(later - energy >= 2999000 && later - energy <= 3001000);
    unsigned room = 8;
    nvmlProcessInfo_t infos[8];
    OK(nvmlDeviceGetComputeRunningProcesses_v3(gpu(0), &room, infos));
    CHECK(room == 1 && infos[0].pid == 4711 && infos[0].usedGpuMemory == 40000 * MIB);
    /* the mean of a curve over whole periods does not depend on the moment */
    nvmlGpmSample_t a, b;
    nvmlGpmMetricsGet_t *metrics = calloc(1, sizeof *metrics);
    OK(nvmlGpmSampleAlloc(&a));
    OK(nvmlGpmSampleAlloc(&b));
    apply("workload gpu=1 kind=train period=10\ntime advance=3s");
    OK(nvmlGpmSampleGet(gpu(1), a));
    apply("time advance=20s");
    OK(nvmlGpmSampleGet(gpu(1), b));
    *metrics = (nvmlGpmMetricsGet_t){.version = 1, .numMetrics = 3, .sample1 = a, .sample2 = b};
    metrics->metrics[0].metricId = 2;
    metrics->metrics[1].metricId = 61;
    metrics->metrics[2].metricId = 330;
    OK(nvmlGpmMetricsGet(metrics));
    CHECK(metrics->metrics[0].value > 80 && metrics->metrics[0].value < 99);
    CHECK(metrics->metrics[1].nvmlReturn == NVML_SUCCESS && metrics->metrics[1].value > 1000);
    CHECK(metrics->metrics[2].nvmlReturn == NVML_ERROR_NOT_SUPPORTED);
    OK(nvmlGpmSampleFree(a));
    OK(nvmlGpmSampleFree(b));
    free(metrics);
    apply("counters gpu=0 reset");
    OK(nvmlDeviceGetTotalEnergyConsumption(gpu(0), &energy));
    CHECK(energy == 0);
    apply("workload gpu=0 kind=idle\ntime advance=1h");
    OK(nvmlDeviceGetUtilizationRates(gpu(0), &rates));
    OK(nvmlDeviceGetTemperature(gpu(0), 0, &hot));
    CHECK(rates.gpu == 0 && hot == degrees);
    apply("time resume");
    OK(nvmlShutdown());
    no_violations();
}

static void mig_devices_enumerate(void)
{
    load("8xa100-80gb-mig");
    OK(nvmlInit_v2());
    unsigned count, found = 0;
    for (unsigned g = 0; g < 8; g++) {
        OK(nvmlDeviceGetMaxMigDeviceCount(gpu(g), &count));
        CHECK(count == (g < 7 ? 7 : 0));
        for (unsigned m = 0; m < count; m++) {
            nvmlDevice_t device, again;
            char uuid[96], name[96];
            nvmlDeviceAttributes_t attributes;
            if (nvmlDeviceGetMigDeviceHandleByIndex(gpu(g), m, &device) == NVML_ERROR_NOT_FOUND)
                continue;
            found++;
            OK(nvmlDeviceGetUUID(device, uuid, sizeof uuid));
            CHECK(strlen(uuid) == 40 && strncmp(uuid, "MIG-", 4) == 0);
            OK(nvmlDeviceGetHandleByUUID(uuid, &again));
            CHECK(again == device);
            OK(nvmlDeviceGetName(device, name, sizeof name));
            OK(nvmlDeviceGetAttributes_v2(device, &attributes));
            CHECK(strstr(name, " MIG ") && attributes.memorySizeMB > 9000);
        }
    }
    CHECK(found == 4 * 7 + 2 * 4 + 1);
    nvmlDevice_t slice;
    nvmlUtilization_t rates;
    OK(nvmlDeviceGetMigDeviceHandleByIndex(gpu(0), 3, &slice));
    CHECK(nvmlDeviceGetUtilizationRates(slice, &rates) == NVML_ERROR_NOT_SUPPORTED);
    apply("workload gpu=0 mig=3 kind=train pids=99\ntime advance=10s");
    unsigned room = 4;
    nvmlProcessInfo_t infos[4];
    OK(nvmlDeviceGetComputeRunningProcesses_v3(slice, &room, infos));
    CHECK(room == 1 && infos[0].gpuInstanceId == 10);
    apply("mig gpu=0 clear\nmig gpu=0 profile=7g.80gb");
    CHECK(nvmlDeviceGetUUID(slice, (char[96]){0}, 96) == NVML_ERROR_INVALID_ARGUMENT);
    no_violations(); /* others did it: only who has looked again can know */
    CHECK(nvmlDeviceGetMigDeviceHandleByIndex(gpu(0), 3, &(nvmlDevice_t){0}) == NVML_ERROR_NOT_FOUND);
    CHECK(nvmlDeviceGetUUID(slice, (char[96]){0}, 96) == NVML_ERROR_INVALID_ARGUMENT);
    one_violation("stale handle");
    OK(nvmlShutdown());
}

/* ---- MIG */

static const char *const mig_chips[] = {"a30", "a100-40gb", "a100-80gb", "h100-80gb", "h200", "b200", "gb200", "rtx-pro-6000"};
#define CHIPS (sizeof mig_chips / sizeof mig_chips[0])

static char chip_text[600];

static void load_chip(const char *chip, const char *more)
{
    snprintf(chip_text, sizeof chip_text, "driver version=580.95.05 cuda=13.0\nmodel X name=X memory=200000 mig-table=%s\n"
        "gpu 0 model=X pci=0000:07:00.0 uuid=GPU-f70f6629-053c-482d-a78a-7717cabc38a8\nset gpu=0 mig-mode=on mig-pending=on\n%s", chip, more);
    load_text(chip, chip_text);
    OK(nvmlInit_v2());
}

static unsigned room_for(nvmlDevice_t device, unsigned profile)
{
    unsigned room = 99;
    OK(nvmlDeviceGetGpuInstanceRemainingCapacity(device, profile, &room));
    return room;
}

static unsigned mig_devices(nvmlDevice_t device)
{
    unsigned most, found = 0;
    OK(nvmlDeviceGetMaxMigDeviceCount(device, &most));
    for (unsigned i = 0; i < most; i++) {
        nvmlDevice_t there;
        found += nvmlDeviceGetMigDeviceHandleByIndex(device, i, &there) == NVML_SUCCESS;
    }
    return found;
}

static void a_process_sees_what_it_has_nodes_of(void)
{
    char directory[] = "/tmp/nvmlsim-nodes-XXXXXX", command[300];
    unsigned count;
    nvmlDevice_t device;
    CHECK(mkdtemp(directory));
    /* the second GPU as a whole, and of the first one the GPU instance 7 with its compute instance 0 */
    snprintf(command, sizeof command, "cd %s && mkdir nvidia-caps && touch nvidia0 nvidia7 nvidia-caps/nvidia-cap66 nvidia-caps/nvidia-cap67", directory);
    CHECK(system(command) == 0);
    load("8xa100-80gb-mig");
    setenv("NVMLSIM_DEVICE_NODES", directory, 1);
    OK(nvmlInit_v2());
    OK(nvmlDeviceGetCount_v2(&count));
    CHECK(count == 2 && mig_devices(gpu(0)) == 1 && mig_devices(gpu(1)) == 0);
    CHECK(nvmlDeviceGetHandleByIndex_v2(2, &device) == NVML_ERROR_INVALID_ARGUMENT);
    OK(nvmlShutdown());
    unsetenv("NVMLSIM_DEVICE_NODES");
    snprintf(command, sizeof command, "rm -r %s", directory);
    CHECK(system(command) == 0);
}

static void a_kernel_module_is_held_while_initialized(void)
{
    char directory[] = "/tmp/nvmlsim-kernel-XXXXXX", command[300], profile[600], link[64], target[300];
    unsigned count;
    CHECK(mkdtemp(directory));
    snprintf(profile, sizeof profile, "driver version=550.163.01 cuda=12.4 kernel=%s\nmodel M name=M\n"
        "gpu 0 model=M pci=0000:01:00.0 uuid=GPU-26484ed2-6012-4f8c-a874-89d062af7f36 serial=1\n"
        "gpu 1 model=M pci=0000:02:00.0 uuid=GPU-26484ed2-6012-4f8c-a874-89d062af7f37 serial=2\n", directory);
    load_text("kernel", profile);
    CHECK(nvmlInit_v2() == NVML_ERROR_DRIVER_NOT_LOADED);
    snprintf(command, sizeof command, "cd %s && mkdir -p proc/driver/nvidia dev && echo 'NVRM version: Module  550.90.07  Date' >proc/driver/nvidia/version", directory);
    CHECK(system(command) == 0);
    CHECK(nvmlInit_v2() == NVML_ERROR_LIB_RM_VERSION_MISMATCH);
    snprintf(command, sizeof command, "cd %s && echo 'NVRM version: Module  550.163.01  Date' >proc/driver/nvidia/version", directory);
    CHECK(system(command) == 0);
    CHECK(nvmlInit_v2() == NVML_ERROR_DRIVER_NOT_LOADED);
    snprintf(command, sizeof command, "cd %s/dev && touch nvidiactl nvidia1", directory);
    CHECK(system(command) == 0);
    OK(nvmlInit_v2());
    OK(nvmlInit_v2());
    OK(nvmlDeviceGetCount_v2(&count));
    CHECK(count == 1);
    OK(nvmlShutdown());
    unsigned open_files[2] = {0, 0};
    for (int round = 0; round < 2; round++) {
        for (int fd = 0; fd < 256; fd++) {
            snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
            ssize_t length = readlink(link, target, sizeof target - 1);
            if (length > 0 && strncmp(target, directory, strlen(directory)) == 0)
                open_files[round]++;
        }
        if (round == 0)
            OK(nvmlShutdown());
    }
    CHECK(open_files[0] == 2 && open_files[1] == 0);
    snprintf(command, sizeof command, "touch %s/dev/nvidia0", directory);
    CHECK(system(command) == 0);
    OK(nvmlInit_v2());
    OK(nvmlDeviceGetCount_v2(&count));
    CHECK(count == 2);
    OK(nvmlShutdown());
    snprintf(command, sizeof command, "rm -r %s", directory);
    CHECK(system(command) == 0);
}

static void every_chip_can_be_filled_with_each_of_its_profiles(void)
{
    for (size_t chip = 0; chip < CHIPS; chip++) {
        load_chip(mig_chips[chip], "");
        unsigned profiles_found = 0;
        for (unsigned constant = 0;; constant++) {
            nvmlGpuInstanceProfileInfo_t info;
            nvmlGpuInstanceProfileInfo_v3_t named = {.version = NVML_VERSION_WORD(nvmlGpuInstanceProfileInfo_v3_t, 3)};
            nvmlReturn_t result = nvmlDeviceGetGpuInstanceProfileInfo(gpu(0), constant, &info);
            if (result == NVML_ERROR_INVALID_ARGUMENT)
                break;
            if (result == NVML_ERROR_NOT_SUPPORTED)
                continue;
            OK(result);
            profiles_found++;
            OK(nvmlDeviceGetGpuInstanceProfileInfoV(gpu(0), constant, &named));
            CHECK(named.id == info.id && named.memorySizeMB == info.memorySizeMB && strncmp(named.name, "MIG ", 4) == 0);
            nvmlGpuInstancePlacement_t places[8];
            unsigned count = 8, taken = 0;
            OK(nvmlDeviceGetGpuInstancePossiblePlacements_v2(gpu(0), info.id, places, &count));
            CHECK(count >= info.instanceCount && room_for(gpu(0), info.id) == info.instanceCount);
            nvmlGpuInstance_t made[8];
            for (unsigned i = 0; i < info.instanceCount; i++) {
                nvmlGpuInstanceInfo_t where;
                OK(nvmlDeviceCreateGpuInstance(gpu(0), info.id, &made[i]));
                OK(nvmlGpuInstanceGetInfo(made[i], &where));
                unsigned mask = ((1u << where.placement.size) - 1) << where.placement.start;
                CHECK(where.profileId == info.id && !(taken & mask));
                taken |= mask;
            }
            CHECK(room_for(gpu(0), info.id) == 0);
            nvmlGpuInstance_t none;
            CHECK(nvmlDeviceCreateGpuInstance(gpu(0), info.id, &none) == NVML_ERROR_INSUFFICIENT_RESOURCES);
            nvmlGpuInstance_t listed[8];
            OK(nvmlDeviceGetGpuInstances(gpu(0), info.id, listed, &count));
            CHECK(count == info.instanceCount && mig_devices(gpu(0)) == 0);
            for (unsigned i = 0; i < count; i++)
                OK(nvmlGpuInstanceDestroy(listed[i]));
            CHECK(room_for(gpu(0), info.id) == info.instanceCount);
        }
        CHECK(profiles_found >= 5);
        OK(nvmlShutdown());
        no_violations();
    }
}

static nvmlGpuInstance_t create(unsigned profile, unsigned start, unsigned size)
{
    nvmlGpuInstance_t made;
    OK(nvmlDeviceCreateGpuInstanceWithPlacement(gpu(0), profile, &(nvmlGpuInstancePlacement_t){start, size}, &made));
    return made;
}

static void instances_lie_where_there_is_room_for_them(void)
{
    load_chip("a100-80gb", "");
    nvmlGpuInstance_t made, other;
    /* the driver is greedy: another order would have had room for the 3g */
    OK(nvmlDeviceCreateGpuInstance(gpu(0), 19, &made));
    OK(nvmlDeviceCreateGpuInstance(gpu(0), 19, &made));
    OK(nvmlDeviceCreateGpuInstance(gpu(0), 14, &made));
    CHECK(room_for(gpu(0), 9) == 0);
    CHECK(nvmlDeviceCreateGpuInstance(gpu(0), 9, &other) == NVML_ERROR_INSUFFICIENT_RESOURCES);
    apply("mig gpu=0 clear");
    CHECK(nvmlGpuInstanceDestroy(made) == NVML_ERROR_INVALID_ARGUMENT);
    no_violations();
    CHECK(nvmlDeviceGetGpuInstanceById(gpu(0), 4, &other) == NVML_ERROR_NOT_FOUND);
    CHECK(nvmlGpuInstanceDestroy(made) == NVML_ERROR_INVALID_ARGUMENT);
    one_violation("stale handle");
    create(9, 4, 4);
    create(14, 0, 2);
    create(19, 2, 1);
    made = create(19, 3, 1);
    nvmlGpuInstanceInfo_t info;
    OK(nvmlGpuInstanceGetInfo(made, &info));
    CHECK(info.id == 10 && info.placement.start == 3);
    CHECK(nvmlDeviceCreateGpuInstanceWithPlacement(gpu(0), 19, &(nvmlGpuInstancePlacement_t){3, 1}, &made) == NVML_ERROR_INSUFFICIENT_RESOURCES);
    CHECK(nvmlDeviceCreateGpuInstanceWithPlacement(gpu(0), 14, &(nvmlGpuInstancePlacement_t){1, 2}, &made) == NVML_ERROR_INVALID_ARGUMENT);
    CHECK(nvmlDeviceCreateGpuInstanceWithPlacement(gpu(0), 14, &(nvmlGpuInstancePlacement_t){6, 2}, &made) == NVML_ERROR_INVALID_ARGUMENT);
    CHECK(nvmlDeviceCreateGpuInstance(gpu(0), 77, &made) == NVML_ERROR_INVALID_ARGUMENT);
    OK(nvmlDeviceGetGpuInstanceById(gpu(0), 10, &made));
    OK(nvmlGpuInstanceDestroy(made));
    CHECK(nvmlDeviceGetGpuInstanceById(gpu(0), 10, &made) == NVML_ERROR_NOT_FOUND);
    CHECK(room_for(gpu(0), 19) == 1);
    /* only one instance has the media engines */
    create(20, 3, 1);
    apply("mig gpu=0 destroy=9");
    CHECK(room_for(gpu(0), 20) == 0 && room_for(gpu(0), 19) == 1);
    apply("mig gpu=0 clear\nmig gpu=0 mode=off");
    CHECK(nvmlDeviceCreateGpuInstance(gpu(0), 19, &made) == NVML_ERROR_NOT_SUPPORTED);
    OK(nvmlShutdown());
    no_violations();
}

static void compute_instances_share_a_gpu_instance(void)
{
    load_chip("h100-80gb", "");
    nvmlGpuInstance_t half = create(9, 0, 4);
    nvmlComputeInstance_t one, two, none;
    nvmlComputeInstanceProfileInfo_v3_t profile = {.version = NVML_VERSION_WORD(nvmlComputeInstanceProfileInfo_v3_t, 3)};
    OK(nvmlGpuInstanceGetComputeInstanceProfileInfoV(half, 1, 0, &profile));
    CHECK(profile.sliceCount == 2 && profile.instanceCount == 1 && profile.multiprocessorCount == 32 && strcmp(profile.name, "MIG 2c.3g.40gb") == 0);
    CHECK(nvmlGpuInstanceGetComputeInstanceProfileInfoV(half, 3, 0, &profile) == NVML_ERROR_NOT_SUPPORTED);
    nvmlComputeInstancePlacement_t places[8];
    unsigned count = 8;
    OK(nvmlGpuInstanceGetComputeInstancePossiblePlacements(half, 0, places, &count));
    CHECK(count == 3 && places[2].start == 2 && places[2].size == 1);
    OK(nvmlGpuInstanceCreateComputeInstance(half, 1, &two));
    OK(nvmlGpuInstanceCreateComputeInstanceWithPlacement(half, 0, &(nvmlComputeInstancePlacement_t){2, 1}, &one));
    CHECK(nvmlGpuInstanceCreateComputeInstance(half, 0, &none) == NVML_ERROR_INSUFFICIENT_RESOURCES);
    OK(nvmlGpuInstanceGetComputeInstanceRemainingCapacity(half, 0, &count));
    CHECK(count == 0 && mig_devices(gpu(0)) == 2);
    nvmlComputeInstanceInfo_t info;
    OK(nvmlComputeInstanceGetInfo_v2(one, &info));
    CHECK(info.id == 1 && info.gpuInstance == half && info.placement.start == 2 && info.profileId == 0);
    nvmlDevice_t device;
    nvmlDeviceAttributes_t attributes;
    char name[96], uuid[96], first[96];
    OK(nvmlDeviceGetMigDeviceHandleByIndex(gpu(0), 0, &device));
    OK(nvmlDeviceGetUUID(device, first, sizeof first));
    OK(nvmlDeviceGetName(device, name, sizeof name));
    OK(nvmlDeviceGetAttributes_v2(device, &attributes));
    CHECK(strcmp(name, "X MIG 2c.3g.40gb") == 0 && attributes.computeInstanceSliceCount == 2 && attributes.gpuInstanceSliceCount == 3
        && attributes.multiprocessorCount == 32 && attributes.memorySizeMB == 40448);
    OK(nvmlDeviceGetMigDeviceHandleByIndex(gpu(0), 1, &device));
    OK(nvmlDeviceGetUUID(device, uuid, sizeof uuid));
    CHECK(strcmp(uuid, first) != 0);
    /* in use: by compute instances, and by processes */
    CHECK(nvmlGpuInstanceDestroy(half) == NVML_ERROR_IN_USE);
    apply("process gpu=0 mig=1 pid=4711");
    CHECK(nvmlComputeInstanceDestroy(one) == NVML_ERROR_IN_USE);
    refuse("mig gpu=0 destroy=2/1", "instance 2/1 of gpu 0 is in use by process 4711");
    refuse("reset gpu=0", "in use by process 4711");
    apply("process gpu=0 mig=1 pid=4711 end");
    OK(nvmlComputeInstanceDestroy(one));
    CHECK(nvmlDeviceGetUUID(device, uuid, sizeof uuid) == NVML_ERROR_INVALID_ARGUMENT);
    one_violation("stale handle");
    OK(nvmlDeviceGetMigDeviceHandleByIndex(gpu(0), 0, &device)); /* the other one's handle still stands */
    OK(nvmlDeviceGetUUID(device, uuid, sizeof uuid));
    CHECK(strcmp(uuid, first) == 0);
    OK(nvmlGpuInstanceGetComputeInstanceById(half, 0, &none));
    CHECK(none == two);
    OK(nvmlComputeInstanceDestroy(two));
    OK(nvmlGpuInstanceDestroy(half));
    apply("mig gpu=0 profile=3g.40gb start=4 bare\nmig gpu=0 profile=1c.3g.40gb instance=1\nmig gpu=0 profile=2c.3g.40gb start=0");
    CHECK(mig_devices(gpu(0)) == 2);
    refuse("mig gpu=0 profile=2c.3g.40gb instance=7", "no instance 7 of that profile");
    refuse("mig gpu=0 profile=9g.40gb", "has no profile 9g.40gb");
    refuse("mig gpu=0 destroy=13", "has no instance 13");
    refuse("mig gpu=0 destroy=13 mode=on", "mig needs one of");
    OK(nvmlShutdown());
    no_violations();
}

static void the_mode_changes_when_nobody_holds_the_gpu(void)
{
    load_chip("a100-40gb", "mig gpu=0 profile=1g.5gb start=2\n");
    unsigned current, pending;
    nvmlReturn_t activation;
    apply("process gpu=0 mig=0 pid=71");
    OK(nvmlDeviceSetMigMode(gpu(0), 0, &activation));
    OK(nvmlDeviceGetMigMode(gpu(0), &current, &pending));
    CHECK(activation == NVML_ERROR_IN_USE && current == 1 && pending == 0);
    apply("process gpu=0 mig=0 pid=71 end");
    OK(nvmlDeviceSetMigMode(gpu(0), 0, &activation));
    OK(nvmlDeviceGetMigMode(gpu(0), &current, &pending));
    CHECK(activation == NVML_SUCCESS && current == 0 && pending == 0 && mig_devices(gpu(0)) == 0);
    apply("set gpu=0 mig-reset=on");
    OK(nvmlDeviceSetMigMode(gpu(0), 1, &activation));
    OK(nvmlDeviceGetMigMode(gpu(0), &current, &pending));
    CHECK(activation == NVML_ERROR_RESET_REQUIRED && current == 0 && pending == 1);
    apply("reset gpu=0");
    OK(nvmlDeviceGetMigMode(gpu(0), &current, &pending));
    CHECK(current == 1 && pending == 1 && mig_devices(gpu(0)) == 0);
    nvmlEventSet_t set;
    apply("set gpu=0 mig-reset=off mig-held=on");
    OK(nvmlEventSetCreate(&set));
    OK(nvmlDeviceRegisterEvents(gpu(0), 8, set));
    OK(nvmlDeviceSetMigMode(gpu(0), 0, &activation));
    CHECK(activation == NVML_ERROR_IN_USE);
    OK(nvmlEventSetFree(set));
    int from_child[2], to_child[2];
    char byte = 0;
    CHECK(pipe(from_child) == 0 && pipe(to_child) == 0);
    pid_t other = fork();
    if (other == 0) { /* a lock of its own, as a process that opens NVML has it */
        session_ended();
        session_began();
        _exit(write(from_child[1], &byte, 1) == 1 && read(to_child[0], &byte, 1) == 1 ? 0 : 1);
    }
    CHECK(read(from_child[0], &byte, 1) == 1);
    OK(nvmlDeviceSetMigMode(gpu(0), 0, &activation));
    CHECK(activation == NVML_ERROR_IN_USE);
    CHECK(kill(other, SIGKILL) == 0 && waitpid(other, NULL, 0) == other);
    OK(nvmlDeviceSetMigMode(gpu(0), 0, &activation));
    CHECK(activation == NVML_SUCCESS);
    for (int i = 0; i < 2; i++) {
        close(from_child[i]);
        close(to_child[i]);
    }
    OK(nvmlShutdown());
    no_violations();
}

static bool there(const char *format, unsigned number)
{
    char name[200], path[4400];
    snprintf(name, sizeof name, format, number);
    snprintf(path, sizeof path, "%s/node/%s", library_directory(), name);
    return access(path, F_OK) == 0;
}

static void what_a_driver_keeps_is_seen_by_other_processes(void)
{
    char command[9000];
    snprintf(command, sizeof command, "mkdir -p '%s/node'", library_directory());
    CHECK(system(command) == 0);
    put("nvmlsim.root", "node\n");
    load_chip("a100-80gb", "");
    nvmlEventSet_t set;
    nvmlEventData_t event;
    OK(nvmlEventSetCreate(&set));
    OK(nvmlDeviceRegisterEvents(gpu(0), NVML_EVENT_MIG_CONFIG | NVML_EVENT_XID, set));
    apply("mig gpu=0 profile=1g.10gb start=0");
    OK(nvmlEventSetWait_v2(set, &event, 0));
    CHECK(event.eventType == NVML_EVENT_MIG_CONFIG && event.gpuInstanceId == 0xFFFFFFFFu);
    CHECK(there("proc/driver/nvidia/capabilities/gpu0/mig/gi7/ci0/access", 0) && there("dev/nvidia-caps/nvidia-cap%u", 67));
    apply("event gpu=0 xid=94 gi=7 ci=0\nevent gpu=0 xid=95 gi=7");
    OK(nvmlEventSetWait_v2(set, &event, 0));
    CHECK(event.eventData == 94 && event.gpuInstanceId == 7 && event.computeInstanceId == 0);
    OK(nvmlEventSetWait_v2(set, &event, 0));
    CHECK(event.eventData == 95 && event.gpuInstanceId == 7 && event.computeInstanceId == 0xFFFFFFFFu);
    nvmlDevice_t slice, same;
    OK(nvmlDeviceGetMigDeviceHandleByIndex(gpu(0), 0, &slice));
    put("other.conf", chip_text);
    fflush(NULL);
    /* another process adds one and takes the first away; it knows of the first from the file alone */
    snprintf(command, sizeof command, "NVMLSIM_SCENARIO='%s/other.conf' '%s' --other", library_directory(), program_invocation_name);
    CHECK(system(command) == 0);
    OK(nvmlEventSetWait_v2(set, &event, 10000)); /* the control thread has taken the change in */
    CHECK(event.eventType == NVML_EVENT_MIG_CONFIG);
    while (mig_devices(gpu(0)) != 1 || nvmlDeviceGetMigDeviceHandleByIndex(gpu(0), 0, &same) == NVML_SUCCESS)
        CHECK(nvmlEventSetWait_v2(set, &event, 10000) == NVML_SUCCESS);
    CHECK(nvmlDeviceGetUUID(slice, (char[96]){0}, 96) == NVML_ERROR_INVALID_ARGUMENT);
    one_violation("stale handle");
    CHECK(!there("proc/driver/nvidia/capabilities/gpu0/mig/gi%u", 7) && there("proc/driver/nvidia/capabilities/gpu0/mig/gi1/ci%u/access", 0));
    CHECK(there("dev/nvidia-caps/nvidia-cap%u", 67)); /* nodes stay */
    OK(nvmlEventSetFree(set));
    OK(nvmlShutdown());
    no_violations();
    forget_file("nvmlsim.root");
    forget_file("other.conf");
    snprintf(command, sizeof command, "rm -rf '%s/node'", library_directory());
    CHECK(system(command) == 0);
}

/* What the test above runs as another process. */
static int other_process(void)
{
    OK(nvmlInit_v2());
    nvmlGpuInstance_t first;
    nvmlComputeInstance_t whole;
    CHECK(mig_devices(gpu(0)) == 1);
    create(9, 4, 4);
    OK(nvmlDeviceGetGpuInstanceById(gpu(0), 1, &first));
    OK(nvmlGpuInstanceCreateComputeInstance(first, 2, &whole));
    OK(nvmlDeviceGetGpuInstanceById(gpu(0), 7, &first));
    OK(nvmlGpuInstanceGetComputeInstanceById(first, 0, &whole));
    OK(nvmlComputeInstanceDestroy(whole));
    OK(nvmlGpuInstanceDestroy(first));
    OK(nvmlShutdown());
    return 0;
}

static bool enough;

static void *hammer(void *argument)
{
    unsigned index = (unsigned) (uintptr_t) argument, value;
    while (!__atomic_load_n(&enough, __ATOMIC_SEQ_CST)) {
        nvmlDevice_t device;
        OK(nvmlInit_v2());
        OK(nvmlDeviceGetHandleByIndex_v2(index, &device));
        for (int i = 0; i < 200; i++) {
            nvmlReturn_t result = nvmlDeviceGetTemperature(device, 0, &value);
            CHECK(result == NVML_SUCCESS || result == NVML_ERROR_GPU_IS_LOST);
        }
        OK(nvmlShutdown());
    }
    return NULL;
}

static void many_threads_at_once(void)
{
    load("8xh100");
    OK(nvmlInit_v2());
    pthread_t threads[6];
    for (uintptr_t i = 0; i < 6; i++)
        CHECK(pthread_create(&threads[i], NULL, hammer, (void *) i) == 0);
    for (int i = 0; i < 100; i++)
        apply(i % 2 ? "clear lost" : "fault lost gpu=0 group=thermal return=GPU_IS_LOST\nevent gpu=all xid=13 burst=3");
    __atomic_store_n(&enough, true, __ATOMIC_SEQ_CST);
    for (int i = 0; i < 6; i++)
        pthread_join(threads[i], NULL);
    OK(nvmlShutdown());
    no_violations();
}

static void the_control_file_reaches_a_waiting_process(void)
{
    load("8xh100");
    OK(nvmlInit_v2());
    nvmlEventSet_t set;
    OK(nvmlEventSetCreate(&set));
    OK(nvmlDeviceRegisterEvents(gpu(3), NVML_EVENT_XID, set));
    struct waiting waiting = {.set = set};
    pthread_t thread;
    start_waiting(&thread, &waiting);
    put("nvmlsim.control", "generation 1\nset gpu=3 temperature=77\ngeneration 2\nevent gpu=3 xid=94\nreport\n");
    pthread_join(thread, NULL);
    OK(waiting.result);
    CHECK(waiting.data.eventData == 94);
    unsigned value;
    OK(nvmlDeviceGetTemperature(gpu(3), 0, &value));
    CHECK(value == 77);
    OK(nvmlEventSetFree(set));
    OK(nvmlShutdown()); /* joins the thread, so the acknowledgement is there */
    char path[4200];
    snprintf(path, sizeof path, "%s/nvmlsim.ack", library_directory());
    char *ack = contents(path);
    CHECK(strncmp(ack, "generation 2\nok\ninit-count 1\n", 28) == 0);
    free(ack);
    put("nvmlsim.control", "generation 3\nset gpu=3 temperatur=77\n");
    OK(nvmlInit_v2());
    ack = contents(path);
    CHECK(strncmp(ack, "generation 3\nerror line 1: unknown property 'temperatur'", 40) == 0);
    free(ack);
    OK(nvmlShutdown());
    /* also where no thread watches, because init never succeeded */
    load("no-driver");
    CHECK(nvmlInit_v2() == NVML_ERROR_DRIVER_NOT_LOADED);
    put("nvmlsim.control", "generation 4\ndriver loaded=yes\n");
    OK(nvmlInit_v2());
    OK(nvmlShutdown());
    no_violations();
}

static void a_call_is_cheap(void)
{
    load("8xh100");
    OK(nvmlInit_v2());
    apply("workload gpu=all kind=train");
    nvmlDevice_t device = gpu(0);
    unsigned value;
    double begin = seconds();
    for (int i = 0; i < 200000; i++)
        OK(nvmlDeviceGetPowerUsage(device, &value));
    double each = (seconds() - begin) / 200000;
    printf("one call: %.0f ns (under a sanitizer)\n", each * 1e9);
    CHECK(each < 50e-6);
    OK(nvmlShutdown());
}

int main(int argc, char **argv)
{
    if (argc == 2 && strcmp(argv[1], "--other") == 0)
        return other_process();
    if (argc != 2) {
        fprintf(stderr, "usage: %s PROFILE-DIRECTORY\n", argv[0]);
        return 2;
    }
    profiles = argv[1];
    char first[4200];
    snprintf(first, sizeof first, "%s/1xt4.conf", profiles);
    setenv("NVMLSIM_SCENARIO", first, 1);
    const char *const left[] = {"nvmlsim.control", "nvmlsim.ack", "nvmlsim.violations", "nvmlsim.mig", "nvmlsim.root"};
    for (int i = 0; i < 5; i++)
        forget_file(left[i]);
    CHECK(nvmlInit_v2() == NVML_SUCCESS && nvmlShutdown() == NVML_SUCCESS);
    every_profile_loads();
    rules_are_strict();
    faults_apply_where_and_when_they_say();
    gpus_come_and_go();
    the_referee_sees_misuse();
    events_wake_waiters_at_once();
    a_hang_holds_one_call_only();
    workloads_play_and_counters_add_up();
    mig_devices_enumerate();
    a_process_sees_what_it_has_nodes_of();
    a_kernel_module_is_held_while_initialized();
    every_chip_can_be_filled_with_each_of_its_profiles();
    instances_lie_where_there_is_room_for_them();
    compute_instances_share_a_gpu_instance();
    the_mode_changes_when_nobody_holds_the_gpu();
    what_a_driver_keeps_is_seen_by_other_processes();
    many_threads_at_once();
    the_control_file_reaches_a_waiting_process();
    a_call_is_cheap();
    for (int i = 0; i < 5; i++)
        forget_file(left[i]);
    puts("self-test passed");
    return 0;
}
