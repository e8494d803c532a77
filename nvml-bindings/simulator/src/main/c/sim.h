/*
 * What the parts of the simulator share: the simulated node (world.c owns it), the gate that every entry point passes (gate.c),
 * handles, faults, events and control. One mutex guards all of it; a function whose comment says "locked" needs it held.
 */
#ifndef NVMLSIM_SIM_H
#define NVMLSIM_SIM_H

#include <limits.h>
#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "nvml_abi.h"
#include "functions_generated.h" /* enum function_id, enum function_group, from symbols.txt */

#define MAX_GPUS 32
#define MAX_GPU_INSTANCES 8
#define MAX_MIG_DEVICES 8
#define MAX_MODELS 8
#define MAX_SWITCHES 8
#define MAX_PROCESSES 32
#define MAX_FAULTS 128
#define MAX_EVENT_SETS 64
#define MAX_SAMPLES 4096
#define TEXT_SIZE 96
#define NAME_SIZE 48

#define UNSUPPORTED LLONG_MIN
#define AUTOMATIC (LLONG_MIN + 1)
#define MIB 1048576ull

enum property {
#define PROPERTY(constant, name, kind, initial) P_##constant,
#include "properties.def"
#undef PROPERTY
    PROPERTY_COUNT
};

enum text_index {
    T_NAME, T_UUID, T_SERIAL, T_PART_NUMBER, T_VBIOS, T_INFOROM_IMAGE, T_INFOROM_OEM, T_INFOROM_ECC, T_INFOROM_POWER,
    T_GSP_FIRMWARE, T_CLUSTER_UUID, T_CHASSIS_SERIAL, TEXT_COUNT
};

/* Shares of capacity that a workload uses, each 0..1. */
enum channel {
    CH_SM, CH_MEMORY, CH_OCCUPANCY, CH_TENSOR, CH_FP64, CH_FP32, CH_FP16, CH_INTEGER, CH_ENCODER, CH_DECODER,
    CH_PCIE_TX, CH_PCIE_RX, CH_LINK_TX, CH_LINK_RX, CH_POWER, CH_THROTTLED, CHANNEL_COUNT
};

struct text {
    bool supported;
    unsigned short length; /* bytes, which may be odd ones */
    char bytes[TEXT_SIZE];
};

/* A workload as a function of time; its counters are exact integrals, so they do not depend on how often anybody looks. */
struct activity {
    unsigned kind;
    double level;          /* 0..1, scales every channel */
    double period_seconds;
    double phase;          /* 0..1 of a period */
    double start;          /* virtual seconds */
    double memory_bytes;
    double counted[CHANNEL_COUNT]; /* integrals up to start, in seconds at full capacity */
};

enum process_type { PROCESS_COMPUTE = 1, PROCESS_GRAPHICS = 2, PROCESS_MPS = 4 };

struct process {
    unsigned pid;
    unsigned types;
    int mig;                 /* index of the MIG device, -1 for the whole GPU */
    bool of_workload;        /* goes when the workload changes */
    double memory_bytes;
    char name[NAME_SIZE];
};

struct gpu_instance {
    bool present;
    unsigned id;
    unsigned profile;        /* row in the GPU's profile table */
    unsigned start;          /* first memory slice */
    unsigned born;           /* counts what was created on this GPU: the same place created anew is another instance */
};

/* A compute instance, which is what NVML calls a MIG device. */
struct mig_device {
    bool present;
    unsigned instance;       /* slot of its GPU instance */
    unsigned gpu_instance;   /* the id of that */
    unsigned compute_instance;
    unsigned profile;        /* row in the GPU's profile table, of the GPU instance */
    unsigned slices;         /* compute slices of its own */
    unsigned start;          /* the first of them within the GPU instance */
    unsigned born;
    char uuid[TEXT_SIZE];
    struct activity activity;
};

struct gpu {
    bool defined;
    bool removed;            /* off the bus: not enumerated any more */
    bool lost;               /* enumerated, but every call answers GPU_IS_LOST */
    unsigned domain, bus, device;
    long long number[PROPERTY_COUNT];
    struct text text[TEXT_COUNT];
    struct activity activity;
    double temperature_mark; /* virtual seconds of the last change of load */
    double temperature_then; /* degrees at that moment */
    double energy_mark, energy_counted_mj, energy_power_integral; /* since the last change of the power limit */
    struct gpu_instance instance[MAX_GPU_INSTANCES];
    struct mig_device mig[MAX_MIG_DEVICES];
    unsigned births;
    struct process process[MAX_PROCESSES];
    unsigned processes;
};

struct model {
    char name[NAME_SIZE];
    struct gpu gpu;
};

enum value_effect { VALUE_NONE, VALUE_NOT_AVAILABLE, VALUE_ZERO, VALUE_MAXIMUM };
enum string_effect { STRING_NONE, STRING_UNTERMINATED, STRING_ODD_BYTES, STRING_EMPTY, STRING_FULL };
enum size_effect { SIZE_NONE, SIZE_INSUFFICIENT, SIZE_GROWING };
#define MAX_RESULTS 16

struct fault {
    bool active;
    char name[NAME_SIZE];
    int function;            /* -1: by group */
    unsigned groups;         /* bit n: group n; used where function is -1 */
    int gpu;                 /* -1: any */
    int mig;                 /* -1: any */
    int field;               /* -1: the whole call; otherwise one entry of nvmlDeviceGetFieldValues */
    unsigned after;          /* calls let through first */
    unsigned times;          /* 0: until cleared */
    unsigned seen, fired;
    nvmlReturn_t results[MAX_RESULTS];
    unsigned result_count;   /* 0: the call goes on */
    bool result_sequence;    /* results are used one after the other, then the rule ends */
    unsigned delay_ms;
    bool hang;
    enum value_effect value;
    enum string_effect string;
    enum size_effect size;
    long long count;         /* UNSUPPORTED: leave the count alone */
    unsigned release_epoch;  /* grows when the hung callers of this rule are let go */
};

struct world {
    bool driver_loaded;
    char kernel_root[TEXT_SIZE]; /* where dev and proc of a kernel module are that is opened; empty: none */
    unsigned branch;
    char driver_version[TEXT_SIZE];
    char nvml_version[TEXT_SIZE];
    int cuda_version;        /* 12080 for 12.8 */
    unsigned numa_nodes, processors;
    struct gpu gpu[MAX_GPUS];
    unsigned gpus;
    unsigned order[MAX_GPUS]; /* what NVML's indices mean */
    struct { unsigned domain, bus, device; } nvswitch[MAX_SWITCHES];
    unsigned switches;
    struct model model[MAX_MODELS];
    unsigned models;
    struct fault fault[MAX_FAULTS];
    unsigned fault_end;      /* no slot from here on is active */
    bool stubs_are_violations;
    bool time_frozen;
    double time_offset;      /* virtual = real + offset, or the frozen moment */
};

extern pthread_mutex_t sim_lock;
extern struct world world;

/* ---- time (world.c) */
double real_seconds(void);                    /* since the library was loaded */
double virtual_seconds(void);                 /* locked; the same, frozen or advanced as rules want */
void time_passes(void);                       /* locked; whoever takes the lock says so before the time is read */
long long virtual_epoch_microseconds(void);   /* locked; wall clock plus what was advanced */
void deadline_after_ms(struct timespec *deadline, unsigned long long milliseconds);

/* ---- world (world.c); all locked */
void world_reset(struct world *w);
void gpu_set_defaults(struct gpu *g);
unsigned gpu_slot(const struct gpu *g);
int gpu_index(const struct gpu *g);           /* position in the order, -1 when removed */
unsigned present_gpus(void);
double gpu_channel(const struct gpu *g, enum channel c);
double gpu_integral(const struct gpu *g, enum channel c);
double activity_channel(const struct activity *a, enum channel c, double now);
double activity_integral(const struct activity *a, enum channel c, double now);
void gpu_change_activity(struct gpu *g, int mig, const struct activity *next, double now);
void gpu_change_power_limit(struct gpu *g, long long watts, double now);
void gpu_reset_counters(struct gpu *g, double now);
double gpu_power_mw(const struct gpu *g);
double gpu_energy_mj(const struct gpu *g, double now);
long long gpu_temperature(const struct gpu *g);
long long gpu_memory_used(const struct gpu *g); /* bytes, without the reserved part */
long long mig_memory_used(const struct gpu *g, int mig);
double pcie_bytes_per_second(const struct gpu *g);
double link_bytes_per_second(const struct gpu *g); /* all links, one direction */
int workload_kind(const char *name);          /* -1 when unknown */
const char *workload_kinds(void);
double mig_share(const struct gpu *g, int mig);
unsigned mig_count(const struct gpu *g);

/* ---- MIG profile tables (mig_tables.c) */
struct mig_profile {
    unsigned constant;       /* the enumeration index */
    unsigned id;
    const char *name;
    unsigned slices, instances, memory_mib, multiprocessors, copy, decoders, encoders, jpeg, ofa;
    unsigned size;           /* memory slices */
    unsigned start_step;     /* placements are 0, step, 2*step … last */
    unsigned last_start;
};
struct mig_table {
    const char *name;
    unsigned slices;         /* for computing */
    unsigned memory_slices;
    unsigned profiles;
    const struct mig_profile *profile;
};
extern const struct mig_table mig_tables[];
extern const unsigned mig_table_count;
const struct mig_table *gpu_mig_table(const struct gpu *g); /* NULL where MIG is not supported */

/* ---- MIG instances (mig.c): what the driver does about them, for API calls and rules alike; all locked, none looks at MIG mode */
int mig_row_by_name(const struct mig_table *table, const char *name); /* -1 */
unsigned mig_room(const struct gpu *g, unsigned row);          /* how many more instances of the profile fit */
/* start -1: the driver's choice. INVALID_ARGUMENT for a place that the profile has not, INSUFFICIENT_RESOURCES for one that is taken. */
nvmlReturn_t mig_create_instance(struct gpu *g, unsigned row, int start, unsigned *slot);
nvmlReturn_t mig_destroy_instance(struct gpu *g, unsigned slot);
nvmlReturn_t mig_create_device(struct gpu *g, unsigned slot, unsigned slices, int start, double now, unsigned *device);
nvmlReturn_t mig_destroy_device(struct gpu *g, unsigned device);
void mig_clear(struct gpu *g);                                 /* with the processes on them, as a reset does */
nvmlReturn_t mig_set_mode(struct gpu *g, bool enabled);        /* the activation status */
/* A compute instance may have this many slices of a GPU instance with that many; places are 0, step, 2*step … */
bool compute_slices_allowed(unsigned slices, unsigned instance_slices);
unsigned compute_places(unsigned slices, unsigned instance_slices);
unsigned compute_step(unsigned slices);
unsigned compute_room(const struct gpu *g, unsigned slot, unsigned slices);
int mig_process_on(const struct gpu *g, int device);           /* a pid; 0 when there is none; device -1: anywhere on the GPU */

/* ---- what the driver keeps while processes come and go (driver_state.c); all locked */
void driver_state_begin(void);                /* takes the other processes' changes in and keeps them out; each begin has one end */
/* changed: bit n for GPU n, whose layout or mode is another one, to be kept and told; by rules of this generation of the control file, or 0. */
void driver_state_end(unsigned changed, unsigned long long control_generation);
bool driver_state_done(unsigned long long control_generation); /* its rules about MIG have been done before, perhaps by another process */
void session_began(void);                     /* NVML is open in this process, which others can find out until session_ended or the process's end */
void session_ended(void);
bool session_elsewhere(void);                 /* whether NVML is open in another process */
void driver_state_load(void);                 /* what another process has kept since */

unsigned gpu_instance_capability(unsigned minor_number, unsigned gpu_instance); /* the N of nvidia-capN; those of compute instances follow */

/* ---- what a process without all device nodes sees (container.c) */
void hide_without_nodes(void);                /* with NVMLSIM_DEVICE_NODES; at init, locked */

/* ---- a kernel module below the library (kernel_module.c): opened by the first init, which gives its result, and closed by the last shutdown; locked */
nvmlReturn_t kernel_module_open(void);
void kernel_module_close(void);

/* ---- gate (gate.c) */
enum { ACCEPT_GPU = 1, ACCEPT_MIG = 2 };

struct call {
    enum function_id function;
    nvmlReturn_t result;     /* the answer when the gate refuses */
    struct gpu *gpu;
    int mig;                 /* index of the MIG device behind the handle, -1 */
    const struct fault *fault; /* an effect on the values of this call */
    unsigned generation;
    unsigned long long trace_index;
};

/* Each returns true with the lock held, or false with call->result to return. */
bool gate_enter(struct call *call, enum function_id function);
bool gate_enter_uninitialized(struct call *call, enum function_id function); /* for calls that work before init */
bool gate_enter_device(struct call *call, enum function_id function, nvmlDevice_t device, unsigned accepts);
nvmlReturn_t gate_leave(struct call *call, nvmlReturn_t result);

#define ENTER(name) \
    struct call call; \
    if (!gate_enter(&call, FN_##name)) \
        return call.result
#define ENTER_DEVICE(name, device, accepts) \
    struct call call; \
    if (!gate_enter_device(&call, FN_##name, device, accepts)) \
        return call.result
#define LEAVE(code) return gate_leave(&call, code)

/* Outputs pass here, so that a rule about values reaches every function. All locked; null pointers have been refused before. */
void out_u32(const struct call *call, unsigned *to, unsigned long long value);
void out_u64(const struct call *call, unsigned long long *to, unsigned long long value);
nvmlReturn_t out_text(const struct call *call, char *to, unsigned length, const char *bytes, size_t bytes_length);
nvmlReturn_t out_property(const struct call *call, unsigned *to, long long value); /* knows UNSUPPORTED */
/* Checks the caller's room for a list: writes the needed number, says whether there is room for it. */
nvmlReturn_t out_list(const struct call *call, unsigned *count, unsigned available, const void *array);

void violation(const char *format, ...) __attribute__((format(printf, 1, 2))); /* locked */
void gate_counts_changed(void);              /* locked; wakes those who await counts */
void faults_released(void);                  /* locked; wakes the hung callers to look again */
const struct fault *fault_for_field(struct call *call, unsigned field); /* locked */
struct fault *fault_match(enum function_id function, int gpu, int mig, int field, bool count); /* locked */
nvmlReturn_t fault_result(struct fault *fault);

extern unsigned init_count;
extern unsigned generation;
extern bool ever_initialized;
extern unsigned long long total_calls;
extern unsigned in_flight, max_in_flight, hung;

/* ---- handles (handles.c); all locked */
enum handle_kind { HANDLE_FREE, HANDLE_GPU, HANDLE_MIG, HANDLE_GPU_INSTANCE, HANDLE_COMPUTE_INSTANCE, HANDLE_EVENT_SET, HANDLE_SAMPLE };
struct handle {
    uint32_t magic;
    uint16_t kind;
    uint16_t gpu;
    uint32_t generation;
    uint32_t slot;
    uint16_t retired_kind;
    uint32_t excuse;         /* of a handle that others made stale: nobody can know before looking again */
};
void handle_looked(enum handle_kind kind, unsigned gpu, int slot); /* somebody asks what there is at the slot; -1: at all of them */
void *handle_for(enum handle_kind kind, unsigned gpu, unsigned slot); /* the same one for the same thing within a generation */
void *handle_new(enum handle_kind kind, unsigned slot);
void handle_retire(void *handle);
/* Of instances that are no more, or others; by the caller's own doing or that of another program. */
void handles_retire_gone(const struct gpu *before, const struct gpu *after, unsigned gpu, bool by_others);
const struct handle *handle_lookup(const void *handle, enum function_id function); /* NULL: refused, violation recorded where it is one */

/* ---- events (events.c); locked */
struct event {
    unsigned gpu;
    unsigned long long type, data;
    unsigned gpu_instance, compute_instance;
};
void events_deliver(const struct event *event);
void events_wake_all(void);
unsigned events_open_sets(void);
bool events_watched(unsigned gpu);             /* whether an event set of this process has registered for the GPU */
void events_forget_all(void);
unsigned samples_open(void);
void samples_forget_all(void);

/* ---- rules (scenario.c) */
/* Locked. Applies rules as a whole or not at all. Zero, or the number of the refused line with the reason in error. */
struct apply_mode {
    bool initial;             /* a profile; otherwise rules that come later */
    bool state_only;          /* without what happens only once */
    unsigned long long generation; /* of the control file; 0: from elsewhere */
};
unsigned scenario_apply(const char *text, size_t length, struct apply_mode mode, char *error, size_t error_size);
bool scenario_loaded(void);
void scenario_load(void);                     /* locked; once, from the file beside the library */
const char *scenario_failure(void);           /* NULL when the scenario is sound */
bool scenario_report_wanted(void);            /* the last rules asked for a report */
nvmlReturn_t result_by_name(const char *name, bool *known);
const char *result_name(nvmlReturn_t result);

/* ---- control (control.c) */
const char *library_directory(void);
void control_start(void);                     /* lifecycle lock held, sim lock not */
void control_stop(void);
void control_poll(void);                      /* reads the control file now; sim lock held */
void control_note_violation(const char *text); /* locked */
size_t control_report(char *to, size_t size); /* locked */
char *control_read(const char *name, size_t *length); /* a file beside the library, to be freed; NULL when there is none */
void control_write(const char *name, const char *text, size_t length); /* by rename */

extern const char *const function_names[];
extern const unsigned char function_groups[];
extern const unsigned char function_is_stub[];
extern const char *const group_names[];
int function_by_name(const char *name);       /* -1 */

#endif
