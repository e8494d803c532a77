/*
 * The simulated node: GPUs, their load as functions of time, counters as integrals of that load, virtual time.
 */
#include <string.h>
#include <time.h>

#include "sim.h"

struct world world;

/* ---- time */

static double monotonic_seconds(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double) now.tv_sec + (double) now.tv_nsec / 1e9;
}

static double loaded_at, loaded_epoch;

__attribute__((constructor)) static void remember_load_time(void)
{
    struct timespec wall;
    clock_gettime(CLOCK_REALTIME, &wall);
    loaded_at = monotonic_seconds();
    loaded_epoch = (double) wall.tv_sec + (double) wall.tv_nsec / 1e9;
}

double real_seconds(void)
{
    return monotonic_seconds() - loaded_at;
}

/* One moment for all that a call reads: the clock is asked once, and the readings of one call fit together. */
static double moment;
static bool moment_known;

void time_passes(void)
{
    moment_known = false;
}

double virtual_seconds(void)
{
    if (!moment_known) {
        moment = world.time_frozen ? world.time_offset : real_seconds() + world.time_offset;
        moment_known = true;
    }
    return moment;
}

long long virtual_epoch_microseconds(void)
{
    return (long long) ((loaded_epoch + virtual_seconds()) * 1e6);
}

void deadline_after_ms(struct timespec *deadline, unsigned long long milliseconds)
{
    clock_gettime(CLOCK_MONOTONIC, deadline);
    deadline->tv_sec += (time_t) (milliseconds / 1000);
    deadline->tv_nsec += (long) (milliseconds % 1000) * 1000000L;
    if (deadline->tv_nsec >= 1000000000L) {
        deadline->tv_nsec -= 1000000000L;
        deadline->tv_sec++;
    }
}

/* ---- workloads: two shapes over one period, and how much of each every channel takes */

#define POINTS 16
enum { BUSY, TRANSFER, SHAPES };

struct kind {
    const char *name;
    double shape[SHAPES][POINTS];
    double weight[CHANNEL_COUNT][SHAPES];
};

static const struct kind kinds[] = {
    {.name = "idle"},
    {.name = "train", /* long busy steps, a dip for input and checkpoint */
     .shape = {{.97, .98, .99, .98, .97, .99, 1, .99, .98, .97, .98, .99, .96, .55, .30, .70},
               {.35, .40, .38, .42, .40, .37, .41, .39, .40, .42, .38, .40, .50, .85, 1, .70}},
     .weight = {[CH_SM] = {.99, 0}, [CH_MEMORY] = {.55, .05}, [CH_OCCUPANCY] = {.42, 0}, [CH_TENSOR] = {.48, 0}, [CH_FP64] = {.002, 0},
                [CH_FP32] = {.09, 0}, [CH_FP16] = {.06, 0}, [CH_INTEGER] = {.08, .01}, [CH_PCIE_TX] = {.01, .10}, [CH_PCIE_RX] = {.02, .22},
                [CH_LINK_TX] = {.10, .35}, [CH_LINK_RX] = {.10, .35}, [CH_POWER] = {.90, .08}, [CH_THROTTLED] = {.03, 0}}},
    {.name = "infer", /* requests come in waves */
     .shape = {{.20, .28, .42, .55, .68, .78, .85, .88, .85, .76, .66, .54, .42, .32, .24, .20},
               {.25, .30, .40, .52, .60, .70, .76, .80, .76, .70, .60, .50, .42, .34, .28, .25}},
     .weight = {[CH_SM] = {.92, 0}, [CH_MEMORY] = {.62, .04}, [CH_OCCUPANCY] = {.30, 0}, [CH_TENSOR] = {.30, 0}, [CH_FP32] = {.06, 0},
                [CH_FP16] = {.12, 0}, [CH_INTEGER] = {.05, 0}, [CH_PCIE_TX] = {0, .06}, [CH_PCIE_RX] = {0, .08}, [CH_LINK_TX] = {0, .05},
                [CH_LINK_RX] = {0, .05}, [CH_POWER] = {.78, .04}}},
    {.name = "video",
     .shape = {{.30, .32, .35, .33, .31, .34, .36, .35, .33, .32, .34, .36, .35, .33, .31, .30},
               {.60, .64, .70, .66, .62, .68, .72, .70, .66, .64, .68, .72, .70, .66, .62, .60}},
     .weight = {[CH_SM] = {.60, 0}, [CH_MEMORY] = {.25, .10}, [CH_OCCUPANCY] = {.15, 0}, [CH_FP32] = {.10, 0}, [CH_ENCODER] = {0, .85},
                [CH_DECODER] = {0, .95}, [CH_PCIE_TX] = {0, .12}, [CH_PCIE_RX] = {0, .10}, [CH_POWER] = {.35, .20}}},
    {.name = "burn", /* everything at once, all the time */
     .shape = {{1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1}, {1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1}},
     .weight = {[CH_SM] = {1, 0}, [CH_MEMORY] = {.85, 0}, [CH_OCCUPANCY] = {.75, 0}, [CH_TENSOR] = {.80, 0}, [CH_FP64] = {.20, 0},
                [CH_FP32] = {.30, 0}, [CH_FP16] = {.30, 0}, [CH_INTEGER] = {.20, 0}, [CH_PCIE_TX] = {.05, 0}, [CH_PCIE_RX] = {.05, 0},
                [CH_LINK_TX] = {.20, 0}, [CH_LINK_RX] = {.20, 0}, [CH_POWER] = {1, 0}, [CH_THROTTLED] = {.40, 0}}},
};
#define KINDS (sizeof kinds / sizeof kinds[0])

static double shape_until[KINDS][SHAPES][POINTS + 1]; /* integral from 0 to a point, in periods */

__attribute__((constructor)) static void integrate_shapes(void)
{
    for (size_t k = 0; k < KINDS; k++)
        for (int s = 0; s < SHAPES; s++)
            for (int p = 0; p < POINTS; p++)
                shape_until[k][s][p + 1] = shape_until[k][s][p]
                    + (kinds[k].shape[s][p] + kinds[k].shape[s][(p + 1) % POINTS]) / 2 / POINTS;
}

int workload_kind(const char *name)
{
    for (size_t k = 0; k < KINDS; k++)
        if (strcmp(kinds[k].name, name) == 0)
            return (int) k;
    return -1;
}

const char *workload_kinds(void)
{
    return "idle, train, infer, video, burn";
}

static long long floor_of(double x)
{
    long long whole = (long long) x;
    return x < (double) whole ? whole - 1 : whole;
}

static double shape_at(unsigned kind, int shape, double periods)
{
    double x = (periods - (double) floor_of(periods)) * POINTS;
    int point = (int) x % POINTS;
    double part = x - (int) x, here = kinds[kind].shape[shape][point];
    return here + (kinds[kind].shape[shape][(point + 1) % POINTS] - here) * part;
}

/* From period zero to the given moment. */
static double shape_integral(unsigned kind, int shape, double periods)
{
    long long whole = floor_of(periods);
    double x = (periods - (double) whole) * POINTS;
    int point = (int) x % POINTS;
    double part = x - (int) x, here = kinds[kind].shape[shape][point];
    double slope = kinds[kind].shape[shape][(point + 1) % POINTS] - here;
    return (double) whole * shape_until[kind][shape][POINTS] + shape_until[kind][shape][point] + (here * part + slope * part * part / 2) / POINTS;
}

static double periods_at(const struct activity *a, double now)
{
    return (now - a->start) / a->period_seconds + a->phase;
}

double activity_channel(const struct activity *a, enum channel c, double now)
{
    const double *weight = kinds[a->kind].weight[c];
    if (a->kind == 0 || (weight[BUSY] == 0 && weight[TRANSFER] == 0))
        return 0;
    double periods = periods_at(a, now);
    return a->level * (weight[BUSY] * shape_at(a->kind, BUSY, periods) + weight[TRANSFER] * shape_at(a->kind, TRANSFER, periods));
}

/* What the activity alone has counted between two moments; both may lie before its start, as if it had always run. */
static double activity_between(const struct activity *a, enum channel c, double from, double to)
{
    const double *weight = kinds[a->kind].weight[c];
    if (a->kind == 0)
        return 0;
    double first = periods_at(a, from), last = periods_at(a, to), sum = 0;
    for (int s = 0; s < SHAPES; s++)
        if (weight[s] != 0)
            sum += weight[s] * (shape_integral(a->kind, s, last) - shape_integral(a->kind, s, first));
    return a->level * sum * a->period_seconds;
}

double activity_integral(const struct activity *a, enum channel c, double now)
{
    return a->counted[c] + activity_between(a, c, a->start, now);
}

const struct mig_table *gpu_mig_table(const struct gpu *g)
{
    long long table = g->number[P_MIG_TABLE];
    return table == UNSUPPORTED ? NULL : &mig_tables[table];
}

double mig_share(const struct gpu *g, int mig)
{
    const struct mig_table *table = gpu_mig_table(g);
    return table ? (double) g->mig[mig].slices / table->slices : 0;
}

unsigned mig_count(const struct gpu *g)
{
    unsigned count = 0;
    for (int m = 0; m < MAX_MIG_DEVICES; m++)
        count += g->mig[m].present;
    return count;
}

double gpu_channel(const struct gpu *g, enum channel c)
{
    double now = virtual_seconds(), sum = activity_channel(&g->activity, c, now);
    if (g->number[P_MIG_MODE] == 1)
        for (int m = 0; m < MAX_MIG_DEVICES; m++)
            if (g->mig[m].present)
                sum += activity_channel(&g->mig[m].activity, c, now) * mig_share(g, m);
    return sum > 1 ? 1 : sum;
}

static double integral_at(const struct gpu *g, enum channel c, double now)
{
    double sum = activity_integral(&g->activity, c, now);
    for (int m = 0; m < MAX_MIG_DEVICES; m++)
        if (g->mig[m].present)
            sum += activity_integral(&g->mig[m].activity, c, now) * mig_share(g, m);
    return sum;
}

double gpu_integral(const struct gpu *g, enum channel c)
{
    return integral_at(g, c, virtual_seconds());
}

/* ---- heat and power */

#define WINDOW_SECONDS 20.0 /* heat follows the mean load of this window */
#define LAG_SECONDS 15.0    /* and changes of load with this lag */

static double settled_temperature(const struct gpu *g, double now)
{
    double load = activity_between(&g->activity, CH_POWER, now - WINDOW_SECONDS, now);
    for (int m = 0; m < MAX_MIG_DEVICES; m++)
        if (g->mig[m].present)
            load += activity_between(&g->mig[m].activity, CH_POWER, now - WINDOW_SECONDS, now) * mig_share(g, m);
    load /= WINDOW_SECONDS;
    double idle = (double) g->number[P_TEMPERATURE_IDLE], full = (double) g->number[P_TEMPERATURE_LOAD];
    return idle + (full - idle) * (load > 1 ? 1 : load);
}

static double temperature_at(const struct gpu *g, double now)
{
    double settled = settled_temperature(g, now), lag = 1 + (now - g->temperature_mark) / LAG_SECONDS / 4;
    lag = lag < 1 ? 1 : lag * lag * lag * lag; /* close to an exponential, and needs no mathematics library */
    return settled + (g->temperature_then - settled_temperature(g, g->temperature_mark)) / lag;
}

long long gpu_temperature(const struct gpu *g)
{
    long long pinned = g->number[P_TEMPERATURE];
    return pinned != AUTOMATIC ? pinned : (long long) (temperature_at(g, virtual_seconds()) + .5);
}

static double peak_watts(const struct gpu *g)
{
    long long limit = g->number[P_POWER_LIMIT], peak = g->number[P_POWER_PEAK];
    return (double) (limit != UNSUPPORTED && limit < peak ? limit : peak);
}

double gpu_power_mw(const struct gpu *g)
{
    if (g->number[P_POWER] != AUTOMATIC)
        return (double) g->number[P_POWER];
    double idle = (double) g->number[P_POWER_IDLE];
    return (idle + (peak_watts(g) - idle) * gpu_channel(g, CH_POWER)) * 1000;
}

static double counted_energy(const struct gpu *g, double now)
{
    double idle = (double) g->number[P_POWER_IDLE], load_seconds = integral_at(g, CH_POWER, now) - g->energy_power_integral;
    return g->energy_counted_mj + (idle * (now - g->energy_mark) + (peak_watts(g) - idle) * load_seconds) * 1000;
}

double gpu_energy_mj(const struct gpu *g, double now)
{
    return (double) g->number[P_ENERGY] + counted_energy(g, now);
}

void gpu_change_power_limit(struct gpu *g, long long watts, double now)
{
    g->energy_counted_mj = counted_energy(g, now);
    g->energy_mark = now;
    g->energy_power_integral = integral_at(g, CH_POWER, now);
    g->number[P_POWER_LIMIT] = watts;
}

void gpu_change_activity(struct gpu *g, int mig, const struct activity *next, double now)
{
    struct activity *a = mig < 0 ? &g->activity : &g->mig[mig].activity;
    double temperature = temperature_at(g, now), counted[CHANNEL_COUNT];
    for (int c = 0; c < CHANNEL_COUNT; c++)
        counted[c] = activity_integral(a, c, now);
    *a = *next;
    a->start = now;
    memcpy(a->counted, counted, sizeof counted);
    g->temperature_mark = now;
    g->temperature_then = temperature;
}

void gpu_reset_counters(struct gpu *g, double now)
{
    for (int m = -1; m < MAX_MIG_DEVICES; m++) {
        struct activity *a = m < 0 ? &g->activity : &g->mig[m].activity;
        struct activity same = *a;
        same.phase = periods_at(a, now);
        same.phase -= (double) floor_of(same.phase);
        gpu_change_activity(g, m, &same, now);
        memset(a->counted, 0, sizeof a->counted);
    }
    g->energy_counted_mj = g->energy_power_integral = 0;
    g->energy_mark = now;
#define NUMBER(constant)
#define HEX(constant)
#define SWITCH(constant)
#define MODE(constant)
#define AUTO(constant)
#define COUNTER(constant) g->number[P_##constant] = 0;
#define PROPERTY(constant, name, kind, initial) kind(constant)
#include "properties.def"
#undef PROPERTY
#undef NUMBER
#undef HEX
#undef SWITCH
#undef MODE
#undef AUTO
#undef COUNTER
}

/* ---- memory */

static double filled(const struct activity *a)
{
    double age = virtual_seconds() - a->start;
    return a->memory_bytes * (age >= 2 ? 1 : age < 0 ? 0 : age / 2); /* allocation takes two seconds */
}

long long mig_memory_used(const struct gpu *g, int mig)
{
    double used = filled(&g->mig[mig].activity) + 14 * (double) MIB;
    for (unsigned p = 0; p < g->processes; p++)
        if (!g->process[p].of_workload && g->process[p].mig == mig)
            used += g->process[p].memory_bytes;
    return (long long) used;
}

long long gpu_memory_used(const struct gpu *g)
{
    if (g->number[P_MEMORY_USED] != AUTOMATIC)
        return g->number[P_MEMORY_USED] == UNSUPPORTED ? UNSUPPORTED : g->number[P_MEMORY_USED] * (long long) MIB;
    double used = filled(&g->activity) + 3 * (double) MIB;
    for (unsigned p = 0; p < g->processes; p++)
        if (!g->process[p].of_workload && g->process[p].mig < 0)
            used += g->process[p].memory_bytes;
    for (int m = 0; m < MAX_MIG_DEVICES; m++)
        if (g->mig[m].present && g->number[P_MIG_MODE] == 1)
            used += (double) mig_memory_used(g, m);
    double most = (double) (g->number[P_MEMORY] - g->number[P_MEMORY_RESERVED]) * (double) MIB;
    return (long long) (used < most ? used : most);
}

/* ---- links */

double pcie_bytes_per_second(const struct gpu *g)
{
    static const double lane[] = {0, .25e9, .5e9, .985e9, 1.969e9, 3.938e9, 7.563e9};
    long long generation_number = g->number[P_PCIE_GENERATION];
    if (generation_number < 1 || generation_number > 6)
        return 0;
    return lane[generation_number] * (double) g->number[P_PCIE_WIDTH];
}

double link_bytes_per_second(const struct gpu *g)
{
    return g->number[P_LINKS] > 0 ? (double) g->number[P_LINKS] * (double) g->number[P_LINK_SPEED] * 1e6 : 0;
}

/* ---- the node */

unsigned gpu_slot(const struct gpu *g)
{
    return (unsigned) (g - world.gpu);
}

int gpu_index(const struct gpu *g)
{
    int index = 0;
    for (unsigned i = 0; i < world.gpus; i++) {
        const struct gpu *other = &world.gpu[world.order[i]];
        if (other == g)
            return g->removed ? -1 : index;
        index += !other->removed;
    }
    return -1;
}

unsigned present_gpus(void)
{
    unsigned count = 0;
    for (unsigned i = 0; i < world.gpus; i++)
        count += !world.gpu[i].removed;
    return count;
}

void gpu_set_defaults(struct gpu *g)
{
    memset(g, 0, sizeof *g);
#define PROPERTY(constant, name, kind, initial) g->number[P_##constant] = initial;
#include "properties.def"
#undef PROPERTY
    g->activity.period_seconds = 60;
    for (int m = 0; m < MAX_MIG_DEVICES; m++)
        g->mig[m].activity.period_seconds = 60;
}

void world_reset(struct world *w)
{
    memset(w, 0, sizeof *w);
    w->driver_loaded = true;
    w->branch = 550;
    w->numa_nodes = 1;
    w->processors = 8;
    w->stubs_are_violations = false;
}
