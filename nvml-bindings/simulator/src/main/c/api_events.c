/*
 * Event sets: what is registered, a queue each, and a wait that really blocks on the monotonic clock and wakes at once.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "sim.h"

#define MAX_QUEUE 131072u

struct event_set {
    bool open;
    unsigned waiters;
    void *handle;
    unsigned long long mask[MAX_GPUS];
    struct event *queue; /* a ring that grows up to MAX_QUEUE */
    unsigned first, length, capacity;
    pthread_cond_t arrived;
    bool arrived_made;
};

static struct event_set sets[MAX_EVENT_SETS];
static unsigned long long wakes; /* grows when waiters shall look at the rules again */

static bool push(struct event_set *set, const struct event *event)
{
    if (set->length == set->capacity) {
        unsigned capacity = set->capacity ? set->capacity * 2 : 64;
        if (capacity > MAX_QUEUE)
            return false;
        struct event *queue = malloc(capacity * sizeof *queue);
        if (!queue)
            return false;
        for (unsigned i = 0; i < set->length; i++)
            queue[i] = set->queue[(set->first + i) % set->capacity];
        free(set->queue);
        set->queue = queue;
        set->first = 0;
        set->capacity = capacity;
    }
    set->queue[(set->first + set->length++) % set->capacity] = *event;
    return true;
}

void events_deliver(const struct event *event)
{
    for (int i = 0; i < MAX_EVENT_SETS; i++) {
        struct event_set *set = &sets[i];
        if (!set->open || !(set->mask[event->gpu] & event->type))
            continue;
        if (!push(set, event))
            violation("an event set was not read: more than %u events wait", MAX_QUEUE);
        pthread_cond_broadcast(&set->arrived);
    }
}

void events_wake_all(void)
{
    wakes++;
    for (int i = 0; i < MAX_EVENT_SETS; i++)
        if (sets[i].arrived_made)
            pthread_cond_broadcast(&sets[i].arrived);
}

unsigned events_open_sets(void)
{
    unsigned count = 0;
    for (int i = 0; i < MAX_EVENT_SETS; i++)
        count += sets[i].open;
    return count;
}

bool events_watched(unsigned gpu)
{
    for (int i = 0; i < MAX_EVENT_SETS; i++)
        if (sets[i].open && sets[i].mask[gpu])
            return true;
    return false;
}

static void discard(struct event_set *set)
{
    set->open = false;
    free(set->queue);
    set->queue = NULL;
    set->first = set->length = set->capacity = 0;
    memset(set->mask, 0, sizeof set->mask);
}

void events_forget_all(void)
{
    for (int i = 0; i < MAX_EVENT_SETS; i++)
        discard(&sets[i]);
    events_wake_all();
}

static struct event_set *set_of(struct call *call, nvmlEventSet_t handle)
{
    const struct handle *found = handle_lookup(handle, call->function);
    return found && found->kind == HANDLE_EVENT_SET ? &sets[found->slot] : NULL;
}

nvmlReturn_t nvmlEventSetCreate(nvmlEventSet_t *set)
{
    ENTER(nvmlEventSetCreate);
    if (!set)
        LEAVE(NVML_ERROR_INVALID_ARGUMENT);
    for (unsigned i = 0; i < MAX_EVENT_SETS; i++) {
        if (sets[i].open || sets[i].waiters > 0)
            continue;
        if (!sets[i].arrived_made) {
            pthread_condattr_t attributes;
            pthread_condattr_init(&attributes);
            pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
            pthread_cond_init(&sets[i].arrived, &attributes);
            pthread_condattr_destroy(&attributes);
            sets[i].arrived_made = true;
        }
        sets[i].open = true;
        sets[i].handle = handle_new(HANDLE_EVENT_SET, i);
        *set = sets[i].handle;
        LEAVE(*set ? NVML_SUCCESS : NVML_ERROR_MEMORY);
    }
    LEAVE(NVML_ERROR_INSUFFICIENT_RESOURCES);
}

nvmlReturn_t nvmlEventSetFree(nvmlEventSet_t set)
{
    ENTER(nvmlEventSetFree);
    struct event_set *found = set_of(&call, set);
    if (!found)
        LEAVE(NVML_ERROR_INVALID_ARGUMENT);
    if (found->waiters > 0)
        violation("nvmlEventSetFree under %u waiting calls", found->waiters);
    handle_retire(found->handle);
    discard(found);
    pthread_cond_broadcast(&found->arrived);
    LEAVE(NVML_SUCCESS);
}

static unsigned long long supported_types(const struct gpu *g)
{
    long long types = g->number[P_EVENTS];
    if (types == UNSUPPORTED)
        return 0;
    if (gpu_mig_table(g))
        types |= (long long) NVML_EVENT_MIG_CONFIG;
    if (world.branch >= 570)
        types |= (long long) (NVML_EVENT_SBE_STORM | NVML_EVENT_DRAM_RETIREMENT | NVML_EVENT_DRAM_RETIREMENT_FAILURE
            | NVML_EVENT_NON_FATAL_POISON | NVML_EVENT_FATAL_POISON | NVML_EVENT_GPU_UNAVAILABLE | NVML_EVENT_RECOVERY_ACTION);
    return (unsigned long long) types;
}

nvmlReturn_t nvmlDeviceGetSupportedEventTypes(nvmlDevice_t device, unsigned long long *eventTypes)
{
    ENTER_DEVICE(nvmlDeviceGetSupportedEventTypes, device, ACCEPT_GPU);
    if (!eventTypes)
        LEAVE(NVML_ERROR_INVALID_ARGUMENT);
    *eventTypes = supported_types(call.gpu);
    LEAVE(NVML_SUCCESS);
}

nvmlReturn_t nvmlDeviceRegisterEvents(nvmlDevice_t device, unsigned long long eventTypes, nvmlEventSet_t set)
{
    ENTER_DEVICE(nvmlDeviceRegisterEvents, device, ACCEPT_GPU);
    struct event_set *found = set_of(&call, set);
    if (!found)
        LEAVE(NVML_ERROR_INVALID_ARGUMENT);
    if (eventTypes & ~supported_types(call.gpu))
        LEAVE(NVML_ERROR_NOT_SUPPORTED);
    found->mask[gpu_slot(call.gpu)] |= eventTypes;
    LEAVE(NVML_SUCCESS);
}

/* The first variant's structure ends before the instance ids. */
static nvmlReturn_t wait_for_event(struct call *call, nvmlEventSet_t handle, nvmlEventData_t *data, unsigned timeout_ms, bool with_instances)
{
    struct event_set *set = set_of(call, handle);
    if (!set || !data)
        return NVML_ERROR_INVALID_ARGUMENT;
    struct timespec deadline;
    deadline_after_ms(&deadline, timeout_ms);
    unsigned long long seen_wakes = wakes;
    int status = 0;
    set->waiters++;
    while (set->length == 0 && status != ETIMEDOUT) {
        status = pthread_cond_timedwait(&set->arrived, &sim_lock, &deadline);
        if (!set->open || generation != call->generation || init_count == 0) {
            set->waiters--;
            return NVML_ERROR_UNINITIALIZED;
        }
        if (seen_wakes != wakes) { /* rules changed under the wait: one about this call applies to it too */
            seen_wakes = wakes;
            struct fault *fault = set->length == 0 ? fault_match(call->function, -1, -1, -1, false) : NULL;
            if (fault && fault->result_count > 0) {
                fault_match(call->function, -1, -1, -1, true);
                set->waiters--;
                return fault_result(fault);
            }
        }
    }
    set->waiters--;
    if (set->length == 0)
        return NVML_ERROR_TIMEOUT;
    struct event event = set->queue[set->first];
    set->first = (set->first + 1) % set->capacity;
    set->length--;
    data->device = handle_for(HANDLE_GPU, event.gpu, 0);
    data->eventType = event.type;
    data->eventData = event.data;
    if (with_instances) {
        data->gpuInstanceId = event.gpu_instance;
        data->computeInstanceId = event.compute_instance;
    }
    return NVML_SUCCESS;
}

nvmlReturn_t nvmlEventSetWait(nvmlEventSet_t set, nvmlEventData_t *data, unsigned timeoutms)
{
    ENTER(nvmlEventSetWait);
    LEAVE(wait_for_event(&call, set, data, timeoutms, false));
}

nvmlReturn_t nvmlEventSetWait_v2(nvmlEventSet_t set, nvmlEventData_t *data, unsigned timeoutms)
{
    ENTER(nvmlEventSetWait_v2);
    LEAVE(wait_for_event(&call, set, data, timeoutms, true));
}
