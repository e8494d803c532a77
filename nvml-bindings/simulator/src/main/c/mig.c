/*
 * What the driver does about MIG instances: where they may lie, what is free, what is in use. API calls and rules meet here.
 */
#include <stdio.h>
#include <string.h>

#include "sim.h"

int mig_row_by_name(const struct mig_table *table, const char *name)
{
    for (unsigned row = 0; row < table->profiles; row++)
        if (strcmp(table->profile[row].name, name) == 0)
            return (int) row;
    return -1;
}

int mig_process_on(const struct gpu *g, int device)
{
    for (unsigned p = 0; p < g->processes; p++)
        if (device < 0 || g->process[p].mig == device)
            return (int) g->process[p].pid;
    return 0;
}

/* ---- GPU instances */

static unsigned shape(const struct mig_profile *p)
{
    return (1u << p->size) - 1;
}

static unsigned occupied(const struct gpu *g)
{
    const struct mig_table *table = gpu_mig_table(g);
    unsigned used = 0;
    for (unsigned i = 0; i < MAX_GPU_INSTANCES; i++)
        if (g->instance[i].present)
            used |= shape(&table->profile[g->instance[i].profile]) << g->instance[i].start;
    return used;
}

/* Instances of the profile that the compute slices, the engines and the profile's own limit still allow, wherever they would lie. */
static unsigned supplies(const struct gpu *g, const struct mig_profile *p)
{
    const struct mig_table *table = gpu_mig_table(g);
    unsigned left[5] = {table->slices}, needed[5] = {p->slices, p->decoders, p->encoders, p->jpeg, p->ofa}, existing = 0;
    for (unsigned row = 0; row < table->profiles; row++) { /* what the whole GPU has is what the richest profile has */
        const struct mig_profile *all = &table->profile[row];
        unsigned has[5] = {0, all->decoders, all->encoders, all->jpeg, all->ofa};
        for (int s = 1; s < 5; s++)
            left[s] = has[s] > left[s] ? has[s] : left[s];
    }
    for (unsigned i = 0; i < MAX_GPU_INSTANCES; i++) {
        if (!g->instance[i].present)
            continue;
        const struct mig_profile *there = &table->profile[g->instance[i].profile];
        unsigned takes[5] = {there->slices, there->decoders, there->encoders, there->jpeg, there->ofa};
        existing += there == p;
        for (int s = 0; s < 5; s++)
            left[s] -= takes[s] < left[s] ? takes[s] : left[s];
    }
    unsigned most = existing < p->instances ? p->instances - existing : 0;
    for (int s = 0; s < 5; s++)
        if (needed[s] > 0 && left[s] / needed[s] < most)
            most = left[s] / needed[s];
    return most;
}

unsigned mig_room(const struct gpu *g, unsigned row)
{
    const struct mig_profile *p = &gpu_mig_table(g)->profile[row];
    unsigned used = occupied(g), places = 0, most = supplies(g, p);
    for (unsigned place = 0; place <= p->last_start; place += p->start_step)
        if (!(used & shape(p) << place)) {
            used |= shape(p) << place;
            places++;
        }
    return places < most ? places : most;
}

/* GPU instance ids are not counted up, they encode the place. */
static unsigned instance_id(const struct mig_table *table, unsigned size, unsigned start)
{
    if (size == table->memory_slices)
        return 0;
    if (table->memory_slices == 4)
        return size == 2 ? 1 + start / 2 : 3 + start;
    return size == 4 ? (start == 4 ? 1 : 2) : size == 2 ? 3 + start / 2 : 7 + start;
}

/* The driver is greedy: small instances go to the far end, so that 1g, 1g, 2g leave no room for 3g although another order would. */
static int chosen_place(const struct gpu *g, const struct mig_profile *p)
{
    unsigned used = occupied(g);
    int chosen = -1;
    for (unsigned place = 0; place <= p->last_start; place += p->start_step)
        if (!(used & shape(p) << place) && (chosen < 0 || p->size < 4))
            chosen = (int) place;
    return chosen;
}

nvmlReturn_t mig_create_instance(struct gpu *g, unsigned row, int start, unsigned *slot)
{
    const struct mig_table *table = gpu_mig_table(g);
    const struct mig_profile *p = &table->profile[row];
    if (start > (int) p->last_start || (start > 0 && (unsigned) start % p->start_step != 0))
        return NVML_ERROR_INVALID_ARGUMENT;
    int place = start >= 0 ? start : chosen_place(g, p);
    if (place < 0 || occupied(g) & shape(p) << place || supplies(g, p) == 0)
        return NVML_ERROR_INSUFFICIENT_RESOURCES;
    for (unsigned i = 0; i < MAX_GPU_INSTANCES; i++)
        if (!g->instance[i].present) {
            g->instance[i] = (struct gpu_instance){true, instance_id(table, p->size, (unsigned) place), row, (unsigned) place, ++g->births};
            *slot = i;
            return NVML_SUCCESS;
        }
    return NVML_ERROR_INSUFFICIENT_RESOURCES;
}

nvmlReturn_t mig_destroy_instance(struct gpu *g, unsigned slot)
{
    for (unsigned m = 0; m < MAX_MIG_DEVICES; m++)
        if (g->mig[m].present && g->mig[m].instance == slot)
            return NVML_ERROR_IN_USE;
    g->instance[slot].present = false;
    return NVML_SUCCESS;
}

/* ---- compute instances */

bool compute_slices_allowed(unsigned slices, unsigned instance_slices)
{
    return slices > 0 && (slices == instance_slices || (slices < instance_slices && 2 * slices <= instance_slices + 1));
}

unsigned compute_step(unsigned slices)
{
    return slices == 3 ? 4 : slices;
}

unsigned compute_places(unsigned slices, unsigned instance_slices)
{
    return (instance_slices - slices) / compute_step(slices) + 1;
}

static unsigned compute_occupied(const struct gpu *g, unsigned slot)
{
    unsigned used = 0;
    for (unsigned m = 0; m < MAX_MIG_DEVICES; m++)
        if (g->mig[m].present && g->mig[m].instance == slot)
            used |= ((1u << g->mig[m].slices) - 1) << g->mig[m].start;
    return used;
}

unsigned compute_room(const struct gpu *g, unsigned slot, unsigned slices)
{
    unsigned whole = gpu_mig_table(g)->profile[g->instance[slot].profile].slices, used = compute_occupied(g, slot), room = 0;
    for (unsigned i = 0; i < compute_places(slices, whole); i++)
        room += !(used & ((1u << slices) - 1) << (i * compute_step(slices)));
    return room;
}

nvmlReturn_t mig_create_device(struct gpu *g, unsigned slot, unsigned slices, int start, double now, unsigned *device)
{
    const struct gpu_instance *instance = &g->instance[slot];
    unsigned whole = gpu_mig_table(g)->profile[instance->profile].slices, used = compute_occupied(g, slot), step = compute_step(slices);
    if (!compute_slices_allowed(slices, whole))
        return NVML_ERROR_NOT_SUPPORTED;
    if (start >= 0 && ((unsigned) start % step != 0 || (unsigned) start / step >= compute_places(slices, whole)))
        return NVML_ERROR_INVALID_ARGUMENT;
    int place = -1;
    for (unsigned i = 0; i < compute_places(slices, whole) && place < 0; i++)
        if (!(used & ((1u << slices) - 1) << (i * step)) && (start < 0 || (unsigned) start == i * step))
            place = (int) (i * step);
    unsigned id = 0, free_slot = 0, ids = 0;
    for (unsigned m = 0; m < MAX_MIG_DEVICES; m++)
        if (g->mig[m].present && g->mig[m].instance == slot)
            ids |= 1u << g->mig[m].compute_instance;
    while (ids & 1u << id)
        id++;
    while (free_slot < MAX_MIG_DEVICES && g->mig[free_slot].present)
        free_slot++;
    if (place < 0 || free_slot == MAX_MIG_DEVICES)
        return NVML_ERROR_INSUFFICIENT_RESOURCES;
    struct mig_device *made = &g->mig[free_slot];
    memset(made, 0, sizeof *made);
    *made = (struct mig_device){.present = true, .instance = slot, .gpu_instance = instance->id, .compute_instance = id,
        .profile = instance->profile, .slices = slices, .start = (unsigned) place, .born = ++g->births};
    made->activity.period_seconds = 60;
    made->activity.start = now;
    /* stable: the parent's UUID with the place in it */
    const char *parent = g->text[T_UUID].bytes;
    if (strlen(parent) < 40)
        snprintf(made->uuid, sizeof made->uuid, "MIG-%02x%02x", instance->profile, instance->start | id << 4);
    else
        snprintf(made->uuid, sizeof made->uuid, "MIG-%.23s-%02x%02x%.8s", parent + 4, instance->profile, instance->start | id << 4, parent + 32);
    *device = free_slot;
    return NVML_SUCCESS;
}

nvmlReturn_t mig_destroy_device(struct gpu *g, unsigned device)
{
    if (mig_process_on(g, (int) device))
        return NVML_ERROR_IN_USE;
    g->mig[device].present = false;
    return NVML_SUCCESS;
}

/* ---- the whole GPU */

void mig_clear(struct gpu *g)
{
    unsigned kept = 0;
    for (unsigned p = 0; p < g->processes; p++)
        if (g->process[p].mig < 0)
            g->process[kept++] = g->process[p];
    g->processes = kept;
    for (unsigned m = 0; m < MAX_MIG_DEVICES; m++)
        g->mig[m].present = false;
    for (unsigned i = 0; i < MAX_GPU_INSTANCES; i++)
        g->instance[i].present = false;
}

nvmlReturn_t mig_set_mode(struct gpu *g, bool enabled)
{
    g->number[P_MIG_PENDING] = enabled;
    if (g->number[P_MIG_MODE] == (long long) enabled)
        return NVML_SUCCESS;
    if (mig_process_on(g, -1) || (g->number[P_MIG_HELD] == 1 && (events_watched(gpu_slot(g)) || session_elsewhere())))
        return NVML_ERROR_IN_USE;
    if (g->number[P_MIG_RESET] == 1)
        return NVML_ERROR_RESET_REQUIRED;
    g->number[P_MIG_MODE] = enabled;
    mig_clear(g);
    return NVML_SUCCESS;
}
