/*
 * The one doorway of all entry points: count, trace, refuse when not initialised, check the handle, match a fault, hang or delay
 * outside the lock, and write results in the way a rule asks for. A new function cannot forget any of it.
 */
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "sim.h"

pthread_mutex_t sim_lock = PTHREAD_MUTEX_INITIALIZER;
unsigned init_count;
unsigned generation;
bool ever_initialized;
unsigned long long total_calls;
unsigned in_flight, max_in_flight, hung;

static unsigned long long calls_of[FUNCTION_COUNT];
static unsigned calls_of_gpu[FUNCTION_COUNT][MAX_GPUS];

#define TRACE_SIZE 1024
static struct trace_entry {
    unsigned seconds, microseconds; /* of the system's monotonic clock */
    int gpu;
    enum function_id function;
    nvmlReturn_t result;
    bool finished;
} trace[TRACE_SIZE];
static unsigned long long traced;

#define MAX_VIOLATIONS 256
static char *violations[MAX_VIOLATIONS];
static unsigned violation_count, violations_dropped;

static pthread_cond_t counts_condition, release_condition;
static unsigned counts_waiters;
static pthread_once_t conditions_once = PTHREAD_ONCE_INIT;

static void make_conditions(void)
{
    pthread_condattr_t attributes;
    pthread_condattr_init(&attributes);
    pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
    pthread_cond_init(&counts_condition, &attributes);
    pthread_cond_init(&release_condition, &attributes);
    pthread_condattr_destroy(&attributes);
}

void violation(const char *format, ...)
{
    char text[256];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    if (violation_count < MAX_VIOLATIONS)
        violations[violation_count++] = strdup(text);
    else
        violations_dropped++;
    control_note_violation(text);
}

void gate_counts_changed(void)
{
    if (counts_waiters > 0)
        pthread_cond_broadcast(&counts_condition);
}

static void count_call(struct call *call, int gpu)
{
    calls_of[call->function]++;
    if (gpu >= 0)
        calls_of_gpu[call->function][gpu]++;
    total_calls++;
    if (++in_flight > max_in_flight)
        max_in_flight = in_flight;
    call->trace_index = traced++;
    struct trace_entry *entry = &trace[call->trace_index % TRACE_SIZE];
    struct timespec now; /* a coarse clock: this is paid by every call */
    clock_gettime(CLOCK_MONOTONIC_COARSE, &now);
    entry->seconds = (unsigned) now.tv_sec;
    entry->microseconds = (unsigned) now.tv_nsec / 1000;
    entry->gpu = gpu;
    entry->function = call->function;
    entry->finished = false;
    gate_counts_changed();
}

static bool refuse(struct call *call, nvmlReturn_t result)
{
    call->result = gate_leave(call, result);
    return false;
}

struct fault *fault_match(enum function_id function, int gpu, int mig, int field, bool count)
{
    for (unsigned i = 0; i < world.fault_end; i++) {
        struct fault *fault = &world.fault[i];
        if (!fault->active || fault->field != field)
            continue;
        if (fault->function >= 0 ? fault->function != (int) function : !(fault->groups >> function_groups[function] & 1))
            continue;
        if ((fault->gpu >= 0 && fault->gpu != gpu) || (fault->mig >= 0 && fault->mig != mig))
            continue;
        if (!count)
            return fault->seen >= fault->after ? fault : NULL;
        if (fault->seen++ < fault->after)
            continue;
        fault->fired++;
        unsigned limit = fault->result_sequence ? fault->result_count : fault->times;
        if (limit > 0 && fault->fired >= limit)
            fault->active = false;
        return fault;
    }
    return NULL;
}

nvmlReturn_t fault_result(struct fault *fault)
{
    if (fault->result_count == 0)
        return NVML_SUCCESS;
    return fault->results[fault->result_sequence ? (fault->fired - 1) % fault->result_count : 0];
}

const struct fault *fault_for_field(struct call *call, unsigned field)
{
    return fault_match(call->function, call->gpu ? (int) gpu_slot(call->gpu) : -1, call->mig, (int) field, true);
}

static void wait_outside(struct fault *fault)
{
    if (fault->hang) {
        unsigned epoch = fault->release_epoch;
        hung++;
        gate_counts_changed();
        while (fault->release_epoch == epoch)
            pthread_cond_wait(&release_condition, &sim_lock);
        hung--;
        gate_counts_changed();
    } else {
        struct timespec pause = {fault->delay_ms / 1000, (long) (fault->delay_ms % 1000) * 1000000L};
        pthread_mutex_unlock(&sim_lock);
        while (nanosleep(&pause, &pause) != 0 && errno == EINTR)
            ;
        pthread_mutex_lock(&sim_lock);
    }
    time_passes();
}

/* Applies a matching rule; false when the rule, or what happened while it held the call, decided the answer. */
static bool pass_faults(struct call *call, bool needs_session)
{
    int gpu = call->gpu ? (int) gpu_slot(call->gpu) : -1;
    struct fault *fault = fault_match(call->function, gpu, call->mig, -1, true);
    if (!fault)
        return true;
    nvmlReturn_t result = fault_result(fault);
    if (fault->hang || fault->delay_ms > 0) {
        wait_outside(fault);
        if (needs_session && (init_count == 0 || generation != call->generation)) {
            violation("library was shut down under %s", function_names[call->function]);
            return refuse(call, NVML_ERROR_UNINITIALIZED);
        }
    }
    if (result != NVML_SUCCESS)
        return refuse(call, result);
    call->fault = fault;
    return true;
}

static void begin(struct call *call, enum function_id function)
{
    pthread_once(&conditions_once, make_conditions);
    call->function = function;
    call->result = NVML_SUCCESS;
    call->gpu = NULL;
    call->mig = -1;
    call->fault = NULL;
    pthread_mutex_lock(&sim_lock);
    call->generation = generation;
    time_passes();
}

static bool initialized(struct call *call)
{
    if (init_count > 0)
        return true;
    if (ever_initialized)
        violation("%s was called after shutdown", function_names[call->function]);
    return refuse(call, NVML_ERROR_UNINITIALIZED);
}

bool gate_enter_uninitialized(struct call *call, enum function_id function)
{
    begin(call, function);
    if (!scenario_loaded())
        scenario_load();
    count_call(call, -1);
    return pass_faults(call, false);
}

bool gate_enter(struct call *call, enum function_id function)
{
    begin(call, function);
    count_call(call, -1);
    if (!initialized(call))
        return false;
    if (function_is_stub[function] && world.stubs_are_violations)
        violation("%s is not modelled and was called", function_names[function]);
    return pass_faults(call, true);
}

bool gate_enter_device(struct call *call, enum function_id function, nvmlDevice_t device, unsigned accepts)
{
    begin(call, function);
    if (init_count == 0) {
        count_call(call, -1);
        return initialized(call);
    }
    const struct handle *handle = handle_lookup(device, function);
    bool known = handle && (handle->kind == HANDLE_GPU || handle->kind == HANDLE_MIG);
    count_call(call, known ? handle->gpu : -1);
    if (!known)
        return refuse(call, NVML_ERROR_INVALID_ARGUMENT);
    call->gpu = &world.gpu[handle->gpu];
    if (handle->kind == HANDLE_MIG)
        call->mig = (int) handle->slot;
    if (!pass_faults(call, true))
        return false;
    if (call->gpu->removed || call->gpu->lost)
        return refuse(call, NVML_ERROR_GPU_IS_LOST);
    if (call->mig >= 0 && !call->gpu->mig[call->mig].present)
        return refuse(call, NVML_ERROR_INVALID_ARGUMENT);
    if (!(accepts & (call->mig >= 0 ? ACCEPT_MIG : ACCEPT_GPU)))
        return refuse(call, NVML_ERROR_INVALID_ARGUMENT);
    return true;
}

nvmlReturn_t gate_leave(struct call *call, nvmlReturn_t result)
{
    in_flight--;
    if (call->trace_index + TRACE_SIZE >= traced) { /* a long wait may have been overwritten since */
        trace[call->trace_index % TRACE_SIZE].result = result;
        trace[call->trace_index % TRACE_SIZE].finished = true;
    }
    pthread_mutex_unlock(&sim_lock);
    return result;
}

/* ---- outputs */

void out_u32(const struct call *call, unsigned *to, unsigned long long value)
{
    enum value_effect effect = call->fault ? call->fault->value : VALUE_NONE;
    *to = effect == VALUE_ZERO ? 0
        : effect == VALUE_NONE ? (value > UINT_MAX ? UINT_MAX : (unsigned) value) : NVML_VALUE_NOT_AVAILABLE_U32;
    if (effect == VALUE_MAXIMUM)
        *to = INT_MAX;
}

void out_u64(const struct call *call, unsigned long long *to, unsigned long long value)
{
    enum value_effect effect = call->fault ? call->fault->value : VALUE_NONE;
    *to = effect == VALUE_ZERO ? 0 : effect == VALUE_NONE ? value : NVML_VALUE_NOT_AVAILABLE_U64;
    if (effect == VALUE_MAXIMUM)
        *to = LLONG_MAX;
}

nvmlReturn_t out_property(const struct call *call, unsigned *to, long long value)
{
    if (value == UNSUPPORTED)
        return NVML_ERROR_NOT_SUPPORTED;
    out_u32(call, to, value < 0 ? 0 : (unsigned long long) value);
    return NVML_SUCCESS;
}

nvmlReturn_t out_text(const struct call *call, char *to, unsigned length, const char *bytes, size_t bytes_length)
{
    static const char odd[] = {(char) 0xff, (char) 0xfe, '"', '\\', '\n', (char) 0xc3, '(', 0x1b, '[', '7', 'm', (char) 0x80};
    if (length == 0)
        return NVML_ERROR_INSUFFICIENT_SIZE;
    switch (call->fault ? call->fault->string : STRING_NONE) {
    case STRING_UNTERMINATED:
        memset(to, 'x', length);
        memcpy(to, bytes, bytes_length < length ? bytes_length : length);
        return NVML_SUCCESS;
    case STRING_FULL:
        memset(to, 'x', length - 1);
        to[length - 1] = '\0';
        return NVML_SUCCESS;
    case STRING_EMPTY:
        to[0] = '\0';
        return NVML_SUCCESS;
    case STRING_ODD_BYTES:
        bytes = odd;
        bytes_length = sizeof odd < length ? sizeof odd : length - 1;
        break;
    case STRING_NONE:
        break;
    }
    if (bytes_length >= length)
        return NVML_ERROR_INSUFFICIENT_SIZE;
    memcpy(to, bytes, bytes_length);
    to[bytes_length] = '\0';
    return NVML_SUCCESS;
}

nvmlReturn_t out_list(const struct call *call, unsigned *count, unsigned available, const void *array)
{
    unsigned room = *count;
    enum size_effect effect = call->fault ? call->fault->size : SIZE_NONE;
    if (effect == SIZE_GROWING) { /* always one more than there is room for */
        *count = room + 1 > available ? room + 1 : available + 1;
        return NVML_ERROR_INSUFFICIENT_SIZE;
    }
    *count = available;
    if (effect == SIZE_INSUFFICIENT || available > room)
        return NVML_ERROR_INSUFFICIENT_SIZE;
    if (available > 0 && !array)
        return NVML_ERROR_INVALID_ARGUMENT;
    return NVML_SUCCESS;
}

/* ---- what control reads */

int function_by_name(const char *name)
{
    int low = 0, high = FUNCTION_COUNT - 1;
    while (low <= high) {
        int middle = (low + high) / 2, order = strcmp(name, function_names[middle]);
        if (order == 0)
            return middle;
        if (order < 0)
            high = middle - 1;
        else
            low = middle + 1;
    }
    return -1;
}

static int append(char *to, size_t size, size_t *used, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    int length = vsnprintf(*used < size ? to + *used : NULL, *used < size ? size - *used : 0, format, arguments);
    va_end(arguments);
    *used += length > 0 ? (size_t) length : 0;
    return length;
}

size_t control_report(char *to, size_t size)
{
    size_t used = 0;
    append(to, size, &used, "init-count %u\nin-flight %u\nmax-in-flight %u\nhung %u\nevent-sets %u\nsamples %u\ncalls %llu\n",
        init_count, in_flight, max_in_flight, hung, events_open_sets(), samples_open(), total_calls);
    for (unsigned f = 0; f < FUNCTION_COUNT; f++)
        if (calls_of[f] > 0)
            append(to, size, &used, "call %s %llu\n", function_names[f], calls_of[f]);
    for (unsigned i = 0; i < violation_count; i++)
        append(to, size, &used, "violation %s\n", violations[i]);
    return used;
}

/* ---- exported control functions that read counts; the others are in control.c */

unsigned long long nvmlsim_calls(const char *function)
{
    pthread_mutex_lock(&sim_lock);
    int id = function ? function_by_name(function) : -1;
    unsigned long long calls = !function ? total_calls : id < 0 ? NVML_VALUE_NOT_AVAILABLE_U64 : calls_of[id];
    pthread_mutex_unlock(&sim_lock);
    return calls;
}

unsigned long long nvmlsim_gpu_calls(const char *function, unsigned gpu)
{
    unsigned long long calls = 0;
    int id = function ? function_by_name(function) : -1;
    if (gpu >= MAX_GPUS || (function && id < 0))
        return NVML_VALUE_NOT_AVAILABLE_U64;
    pthread_mutex_lock(&sim_lock);
    for (int f = 0; f < FUNCTION_COUNT; f++)
        if (!function || f == id)
            calls += calls_of_gpu[f][gpu];
    pthread_mutex_unlock(&sim_lock);
    return calls;
}

unsigned nvmlsim_max_in_flight(void)
{
    pthread_mutex_lock(&sim_lock);
    unsigned most = max_in_flight;
    pthread_mutex_unlock(&sim_lock);
    return most;
}

unsigned nvmlsim_init_count(void)
{
    pthread_mutex_lock(&sim_lock);
    unsigned count = init_count;
    pthread_mutex_unlock(&sim_lock);
    return count;
}

/* Fills the buffer with one violation a line; returns the bytes that all of them need, without a terminator. */
unsigned nvmlsim_violations(char *buffer, unsigned size)
{
    size_t used = 0;
    pthread_mutex_lock(&sim_lock);
    for (unsigned i = 0; i < violation_count; i++)
        append(buffer, size, &used, "%s\n", violations[i]);
    if (violations_dropped > 0)
        append(buffer, size, &used, "and %u more\n", violations_dropped);
    pthread_mutex_unlock(&sim_lock);
    return (unsigned) used;
}

/* The last calls, oldest first: seconds, function, GPU, result. Returns the bytes needed. */
unsigned nvmlsim_trace(char *buffer, unsigned size)
{
    size_t used = 0;
    pthread_mutex_lock(&sim_lock);
    unsigned long long first = traced > TRACE_SIZE ? traced - TRACE_SIZE : 0;
    for (unsigned long long i = first; i < traced; i++) {
        const struct trace_entry *entry = &trace[i % TRACE_SIZE];
        append(buffer, size, &used, "%u.%06u %s ", entry->seconds, entry->microseconds, function_names[entry->function]);
        if (entry->gpu >= 0)
            append(buffer, size, &used, "gpu=%d ", entry->gpu);
        append(buffer, size, &used, "%s\n", entry->finished ? result_name(entry->result) : "running");
    }
    pthread_mutex_unlock(&sim_lock);
    return (unsigned) used;
}

/* Forgets counts, trace and violations: a test begins. */
void nvmlsim_forget(void)
{
    pthread_mutex_lock(&sim_lock);
    memset(calls_of, 0, sizeof calls_of);
    memset(calls_of_gpu, 0, sizeof calls_of_gpu);
    total_calls = 0;
    max_in_flight = in_flight;
    traced = 0;
    for (unsigned i = 0; i < violation_count; i++)
        free(violations[i]);
    violation_count = violations_dropped = 0;
    pthread_mutex_unlock(&sim_lock);
}

static int await(bool (*reached)(const void *), const void *what, unsigned timeout_ms)
{
    struct timespec deadline;
    pthread_once(&conditions_once, make_conditions);
    deadline_after_ms(&deadline, timeout_ms);
    pthread_mutex_lock(&sim_lock);
    counts_waiters++;
    int status = 0;
    while (!reached(what) && status == 0)
        status = pthread_cond_timedwait(&counts_condition, &sim_lock, &deadline);
    bool done = reached(what);
    counts_waiters--;
    pthread_mutex_unlock(&sim_lock);
    return done;
}

static bool hung_reached(const void *what)
{
    return hung >= *(const unsigned *) what;
}

/* One when at least so many calls hang in a rule, zero when the time ran out before. */
int nvmlsim_await_hung(unsigned calls, unsigned timeout_ms)
{
    return await(hung_reached, &calls, timeout_ms);
}

struct awaited_calls {
    int function;
    unsigned long long calls;
};

static bool calls_reached(const void *what)
{
    const struct awaited_calls *awaited = what;
    return (awaited->function < 0 ? total_calls : calls_of[awaited->function]) >= awaited->calls;
}

/* One when the function has been called so often, zero when the time ran out before, minus one for an unknown function. */
int nvmlsim_await_calls(const char *function, unsigned long long calls, unsigned timeout_ms)
{
    struct awaited_calls awaited = {function ? function_by_name(function) : -1, calls};
    if (function && awaited.function < 0)
        return -1;
    return await(calls_reached, &awaited, timeout_ms);
}

void faults_released(void)
{
    pthread_once(&conditions_once, make_conditions);
    pthread_cond_broadcast(&release_condition);
}

void nvmlsim_release_hangs(void)
{
    pthread_mutex_lock(&sim_lock);
    for (unsigned i = 0; i < MAX_FAULTS; i++)
        world.fault[i].release_epoch++;
    faults_released();
    pthread_mutex_unlock(&sim_lock);
}
