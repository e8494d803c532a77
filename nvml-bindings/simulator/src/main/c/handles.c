/*
 * Handles are blocks with a magic word, what they mean, and the generation of the session that gave them out. A caller's pointer is
 * checked to be one of the blocks before it is read. Blocks are handed out in turn and never given back, so that a handle kept over
 * a shutdown is recognised instead of meaning something else by accident.
 */
#include "sim.h"

#define MAGIC 0x4E564D48u
#define CAPACITY 65536u

static struct handle handles[CAPACITY];
static unsigned next;
static struct handle *of_gpu[MAX_GPUS];
static struct handle *of_mig[3][MAX_GPUS][MAX_MIG_DEVICES]; /* device, GPU instance, compute instance */
_Static_assert(MAX_GPU_INSTANCES <= MAX_MIG_DEVICES, "GPU instances fit the places of handles");

static bool live(const struct handle *handle)
{
    return handle->magic == MAGIC && handle->generation == generation && handle->kind != HANDLE_FREE;
}

static struct handle *take(enum handle_kind kind, unsigned gpu, unsigned slot)
{
    for (unsigned tries = 0; tries < CAPACITY; tries++) {
        struct handle *handle = &handles[next++ % CAPACITY];
        if (live(handle))
            continue;
        handle->magic = MAGIC;
        handle->kind = (uint16_t) kind;
        handle->gpu = (uint16_t) gpu;
        handle->generation = generation;
        handle->slot = slot;
        handle->excuse = 0;
        return handle;
    }
    return NULL;
}

static uint32_t looks[3][MAX_GPUS][MAX_MIG_DEVICES]; /* as of_mig; from 1 on */

void handle_looked(enum handle_kind kind, unsigned gpu, int slot)
{
    for (int s = slot < 0 ? 0 : slot; s <= (slot < 0 ? MAX_MIG_DEVICES - 1 : slot); s++)
        looks[kind - HANDLE_MIG][gpu][s]++;
}

static struct handle **place_of(enum handle_kind kind, unsigned gpu, unsigned slot)
{
    return kind == HANDLE_GPU ? &of_gpu[gpu] : &of_mig[kind - HANDLE_MIG][gpu][slot];
}

void *handle_for(enum handle_kind kind, unsigned gpu, unsigned slot)
{
    struct handle **place = place_of(kind, gpu, slot);
    if (!*place || !live(*place) || (*place)->kind != kind || (*place)->gpu != gpu || (*place)->slot != slot)
        *place = take(kind, gpu, slot);
    return *place;
}

void *handle_new(enum handle_kind kind, unsigned slot)
{
    return take(kind, 0, slot);
}

void handle_retire(void *handle)
{
    ((struct handle *) handle)->kind = HANDLE_FREE;
}

static void retire_place(enum handle_kind kind, unsigned gpu, unsigned slot, bool by_others)
{
    struct handle **place = place_of(kind, gpu, slot);
    if (*place) {
        (*place)->excuse = by_others ? looks[kind - HANDLE_MIG][gpu][slot] + 1 : 0;
        (*place)->retired_kind = (uint16_t) kind;
        (*place)->kind = HANDLE_FREE;
    }
    *place = NULL;
}

void handles_retire_gone(const struct gpu *before, const struct gpu *after, unsigned gpu, bool by_others)
{
    for (unsigned slot = 0; slot < MAX_GPU_INSTANCES; slot++)
        if (before->instance[slot].present && (!after->instance[slot].present || after->instance[slot].born != before->instance[slot].born))
            retire_place(HANDLE_GPU_INSTANCE, gpu, slot, by_others);
    for (unsigned slot = 0; slot < MAX_MIG_DEVICES; slot++)
        if (before->mig[slot].present && (!after->mig[slot].present || after->mig[slot].born != before->mig[slot].born)) {
            retire_place(HANDLE_MIG, gpu, slot, by_others);
            retire_place(HANDLE_COMPUTE_INSTANCE, gpu, slot, by_others);
        }
}

static bool excused(const struct handle *handle)
{
    return handle->magic == MAGIC && handle->generation == generation && handle->kind == HANDLE_FREE && handle->excuse > 0
        && looks[handle->retired_kind - HANDLE_MIG][handle->gpu][handle->slot] + 1 == handle->excuse;
}

const struct handle *handle_lookup(const void *pointer, enum function_id function)
{
    uintptr_t address = (uintptr_t) pointer, first = (uintptr_t) handles;
    if (!pointer)
        return NULL;
    if (address < first || address >= first + sizeof handles || (address - first) % sizeof(struct handle) != 0) {
        violation("%s was given a handle that this library never gave out", function_names[function]);
        return NULL;
    }
    const struct handle *handle = pointer;
    if (excused(handle))
        return NULL;
    if (!live(handle)) {
        violation("%s was given a stale handle", function_names[function]);
        return NULL;
    }
    return handle;
}
