/*
 * The rule language: profiles and rules are the same text, one directive a line, applied as a whole or not at all. Unknown words,
 * functions, GPUs and values are refused with the number of the line; nothing is guessed.
 */
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "sim.h"

#define MAX_WORDS 96
#define MAX_ACTIONS 4096
#define MAX_BURST 65536

struct word {
    char key[NAME_SIZE];  /* the word itself, or what stands before '=' */
    bool has_value, used;
    char value[TEXT_SIZE];
    unsigned length;      /* of value, which may contain odd bytes */
};

struct line {
    unsigned number;
    struct word word[MAX_WORDS];
    unsigned words;
    char *error;
    size_t error_size;
};

/* What happens once instead of being state: done after the whole text was accepted. */
struct action {
    enum { ACTION_EVENT, ACTION_WAKE } kind;
    struct event event;
    unsigned times;
};

struct change {
    struct world *next;
    bool initial, state_only, report;
    bool mig_done;        /* what these rules say of MIG has happened before */
    double now;
    struct action action[MAX_ACTIONS];
    unsigned actions;
    bool woken;
    unsigned mig_changed; /* bit n: GPU n */
};

static bool fail(struct line *line, const char *format, ...) __attribute__((format(printf, 2, 3)));
static bool fail(struct line *line, const char *format, ...)
{
    char text[400];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    snprintf(line->error, line->error_size, "line %u: %s", line->number, text);
    return false;
}

/* ---- words of a line */

static int hex_digit(char c)
{
    return c >= '0' && c <= '9' ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

static bool split(struct line *line, const char *text, const char *end)
{
    line->words = 0;
    for (;;) {
        while (text < end && (*text == ' ' || *text == '\t' || *text == '\r'))
            text++;
        if (text >= end || *text == '#')
            return true;
        if (line->words == MAX_WORDS)
            return fail(line, "more than %d words", MAX_WORDS);
        struct word *word = &line->word[line->words++];
        memset(word, 0, sizeof *word);
        size_t length = 0;
        while (text < end && *text != '=' && *text != ' ' && *text != '\t' && *text != '\r') {
            if (length + 1 >= sizeof word->key)
                return fail(line, "the word '%.*s…' is longer than %d bytes", (int) length, word->key, NAME_SIZE - 1);
            word->key[length++] = *text++;
        }
        if (text >= end || *text != '=')
            continue;
        word->has_value = true;
        bool quoted = ++text < end && *text == '"';
        text += quoted;
        for (;; text++) {
            if (text >= end) {
                if (quoted)
                    return fail(line, "the value of %s has no closing quote", word->key);
                break;
            }
            char c = *text;
            if (quoted ? c == '"' : c == ' ' || c == '\t' || c == '\r') {
                text += quoted;
                break;
            }
            if (quoted && c == '\\') {
                if (++text >= end)
                    return fail(line, "the value of %s ends in a backslash", word->key);
                c = *text;
                if (c == 'x') {
                    if (end - text < 3 || hex_digit(text[1]) < 0 || hex_digit(text[2]) < 0)
                        return fail(line, "\\x in the value of %s needs two hexadecimal digits", word->key);
                    c = (char) (hex_digit(text[1]) * 16 + hex_digit(text[2]));
                    text += 2;
                } else if (c == 'n') {
                    c = '\n';
                } else if (c != '"' && c != '\\') {
                    return fail(line, "\\%c in the value of %s: only \\\", \\\\, \\n and \\xHH are known", c, word->key);
                }
            }
            if (word->length + 1 >= sizeof word->value)
                return fail(line, "the value of %s is longer than %d bytes", word->key, TEXT_SIZE - 1);
            word->value[word->length++] = c;
        }
    }
}

static struct word *find(struct line *line, const char *key)
{
    for (unsigned i = 1; i < line->words; i++)
        if (line->word[i].has_value && strcmp(line->word[i].key, key) == 0) {
            line->word[i].used = true;
            return &line->word[i];
        }
    return NULL;
}

static bool flag(struct line *line, const char *key)
{
    for (unsigned i = 1; i < line->words; i++)
        if (!line->word[i].has_value && strcmp(line->word[i].key, key) == 0) {
            line->word[i].used = true;
            return true;
        }
    return false;
}

static bool all_used(struct line *line)
{
    for (unsigned i = 1; i < line->words; i++)
        if (!line->word[i].used)
            return fail(line, "unknown word '%s' after '%s'", line->word[i].key, line->word[0].key);
    return true;
}

static bool number(struct line *line, const char *key, const char *value, long long *result)
{
    char *end;
    errno = 0;
    long long n = strtoll(value, &end, 0);
    if (*value == '\0' || *end != '\0' || errno != 0)
        return fail(line, "%s=%s is not a whole number", key, value);
    *result = n;
    return true;
}

static bool number_of(struct line *line, const char *key, long long low, long long high, long long missing, long long *result)
{
    struct word *word = find(line, key);
    *result = missing;
    if (!word)
        return true;
    if (!number(line, key, word->value, result))
        return false;
    if (*result < low || *result > high)
        return fail(line, "%s=%s is not between %lld and %lld", key, word->value, low, high);
    return true;
}

static bool real_of(struct line *line, const char *key, double low, double high, double missing, double *result)
{
    struct word *word = find(line, key);
    *result = missing;
    if (!word)
        return true;
    char *end;
    *result = strtod(word->value, &end);
    if (word->length == 0 || *end != '\0' || !(*result >= low && *result <= high))
        return fail(line, "%s=%s is not a number between %g and %g", key, word->value, low, high);
    return true;
}

/* 250ms, 10s, 2m, 1h; in seconds */
static bool duration(struct line *line, const char *key, const char *value, double *seconds)
{
    char *end;
    double n = strtod(value, &end);
    double unit = strcmp(end, "us") == 0 ? 1e-6 : strcmp(end, "ms") == 0 ? 1e-3 : strcmp(end, "s") == 0 ? 1
                : strcmp(end, "m") == 0 ? 60 : strcmp(end, "h") == 0 ? 3600 : 0;
    if (end == value || unit == 0 || !(n >= 0))
        return fail(line, "%s=%s is not a duration such as 250ms, 10s, 2m or 1h", key, value);
    *seconds = n * unit;
    return true;
}

static void copy_text(char *to, size_t size, const char *from)
{
    size_t length = strlen(from);
    if (length >= size)
        length = size - 1;
    memcpy(to, from, length);
    to[length] = '\0';
}

/* ---- names */

static const struct { const char *name; nvmlReturn_t code; } results[] = {
    {"SUCCESS", NVML_SUCCESS}, {"UNINITIALIZED", NVML_ERROR_UNINITIALIZED}, {"INVALID_ARGUMENT", NVML_ERROR_INVALID_ARGUMENT},
    {"NOT_SUPPORTED", NVML_ERROR_NOT_SUPPORTED}, {"NO_PERMISSION", NVML_ERROR_NO_PERMISSION},
    {"ALREADY_INITIALIZED", NVML_ERROR_ALREADY_INITIALIZED}, {"NOT_FOUND", NVML_ERROR_NOT_FOUND},
    {"INSUFFICIENT_SIZE", NVML_ERROR_INSUFFICIENT_SIZE}, {"INSUFFICIENT_POWER", NVML_ERROR_INSUFFICIENT_POWER},
    {"DRIVER_NOT_LOADED", NVML_ERROR_DRIVER_NOT_LOADED}, {"TIMEOUT", NVML_ERROR_TIMEOUT}, {"IRQ_ISSUE", NVML_ERROR_IRQ_ISSUE},
    {"LIBRARY_NOT_FOUND", NVML_ERROR_LIBRARY_NOT_FOUND}, {"FUNCTION_NOT_FOUND", NVML_ERROR_FUNCTION_NOT_FOUND},
    {"CORRUPTED_INFOROM", NVML_ERROR_CORRUPTED_INFOROM}, {"GPU_IS_LOST", NVML_ERROR_GPU_IS_LOST},
    {"RESET_REQUIRED", NVML_ERROR_RESET_REQUIRED}, {"OPERATING_SYSTEM", NVML_ERROR_OPERATING_SYSTEM},
    {"LIB_RM_VERSION_MISMATCH", NVML_ERROR_LIB_RM_VERSION_MISMATCH}, {"IN_USE", NVML_ERROR_IN_USE}, {"MEMORY", NVML_ERROR_MEMORY},
    {"NO_DATA", NVML_ERROR_NO_DATA}, {"VGPU_ECC_NOT_SUPPORTED", NVML_ERROR_VGPU_ECC_NOT_SUPPORTED},
    {"INSUFFICIENT_RESOURCES", NVML_ERROR_INSUFFICIENT_RESOURCES}, {"FREQ_NOT_SUPPORTED", NVML_ERROR_FREQ_NOT_SUPPORTED},
    {"ARGUMENT_VERSION_MISMATCH", NVML_ERROR_ARGUMENT_VERSION_MISMATCH}, {"DEPRECATED", NVML_ERROR_DEPRECATED},
    {"NOT_READY", NVML_ERROR_NOT_READY}, {"GPU_NOT_FOUND", NVML_ERROR_GPU_NOT_FOUND}, {"INVALID_STATE", NVML_ERROR_INVALID_STATE},
    {"RESET_TYPE_NOT_SUPPORTED", NVML_ERROR_RESET_TYPE_NOT_SUPPORTED}, {"UNKNOWN", NVML_ERROR_UNKNOWN},
};
#define RESULTS (sizeof results / sizeof results[0])

nvmlReturn_t result_by_name(const char *name, bool *known)
{
    for (size_t i = 0; i < RESULTS; i++)
        if (strcmp(results[i].name, name) == 0) {
            *known = true;
            return results[i].code;
        }
    *known = false;
    return NVML_SUCCESS;
}

const char *result_name(nvmlReturn_t result)
{
    for (size_t i = 0; i < RESULTS; i++)
        if (results[i].code == result)
            return results[i].name;
    return "?";
}

enum kind { NUMBER, HEX, SWITCH, MODE, AUTO, COUNTER };

static const struct { const char *name; enum kind kind; } properties[] = {
#define PROPERTY(constant, name, kind, initial) {name, kind},
#include "properties.def"
#undef PROPERTY
};

static const char *const text_names[] = {
    "name", "uuid", "serial", "part-number", "vbios", "inforom-image", "inforom-oem", "inforom-ecc", "inforom-power", "gsp-firmware",
    "cluster-uuid", "chassis-serial",
};

static const struct { enum property property; const char *word; long long value; } modes[] = {
    {P_ARCHITECTURE, "kepler", 2}, {P_ARCHITECTURE, "maxwell", 3}, {P_ARCHITECTURE, "pascal", 4}, {P_ARCHITECTURE, "volta", 5},
    {P_ARCHITECTURE, "turing", 6}, {P_ARCHITECTURE, "ampere", 7}, {P_ARCHITECTURE, "ada", 8}, {P_ARCHITECTURE, "hopper", 9},
    {P_ARCHITECTURE, "blackwell", 10},
    {P_BRAND, "unknown", 0}, {P_BRAND, "quadro", 1}, {P_BRAND, "tesla", 2}, {P_BRAND, "nvs", 3}, {P_BRAND, "grid", 4},
    {P_BRAND, "geforce", 5}, {P_BRAND, "titan", 6}, {P_BRAND, "quadro-rtx", 12}, {P_BRAND, "nvidia-rtx", 13}, {P_BRAND, "nvidia", 14},
    {P_BRAND, "geforce-rtx", 15}, {P_BRAND, "titan-rtx", 16},
    {P_LINK_REMOTE, "gpu", NVML_NVLINK_DEVICE_GPU}, {P_LINK_REMOTE, "switch", NVML_NVLINK_DEVICE_SWITCH},
    {P_LINK_REMOTE, "none", NVML_NVLINK_DEVICE_UNKNOWN},
};

static bool mode_word(struct line *line, enum property property, const char *value, long long *result)
{
    char known[200] = "";
    for (size_t i = 0; i < sizeof modes / sizeof modes[0]; i++) {
        if (modes[i].property != property)
            continue;
        if (strcmp(modes[i].word, value) == 0) {
            *result = modes[i].value;
            return true;
        }
        snprintf(known + strlen(known), sizeof known - strlen(known), "%s%s", *known ? ", " : "", modes[i].word);
    }
    if (property == P_MIG_TABLE)
        for (unsigned i = 0; i < mig_table_count; i++) {
            if (strcmp(mig_tables[i].name, value) == 0) {
                *result = i;
                return true;
            }
            snprintf(known + strlen(known), sizeof known - strlen(known), "%s%s", *known ? ", " : "", mig_tables[i].name);
        }
    return fail(line, "%s=%s is not one of %s", properties[property].name, value, known);
}

static bool set_pci(struct line *line, const char *value, unsigned *domain, unsigned *bus, unsigned *device)
{
    int end = 0;
    if (sscanf(value, "%x:%x:%x.0%n", domain, bus, device, &end) != 3 || value[end] != '\0' || *bus > 255 || *device > 31)
        return fail(line, "pci=%s is not an address such as 0000:1b:00.0", value);
    return true;
}

static bool set_property(struct change *change, struct line *line, struct gpu *g, struct word *word)
{
    const char *value = word->value;
    for (int t = 0; t < TEXT_COUNT; t++) {
        if (strcmp(text_names[t], word->key) != 0)
            continue;
        g->text[t].supported = strcmp(value, "unsupported") != 0;
        g->text[t].length = (unsigned short) word->length;
        memcpy(g->text[t].bytes, value, sizeof g->text[t].bytes);
        return true;
    }
    for (int p = 0; p < PROPERTY_COUNT; p++) {
        if (strcmp(properties[p].name, word->key) != 0)
            continue;
        long long n = UNSUPPORTED;
        if (strcmp(value, "unsupported") == 0) {
            ; /* as set above */
        } else if (properties[p].kind == SWITCH) {
            if (strcmp(value, "on") != 0 && strcmp(value, "off") != 0)
                return fail(line, "%s=%s is neither on, off nor unsupported", word->key, value);
            n = strcmp(value, "on") == 0;
        } else if (properties[p].kind == MODE) {
            if (!mode_word(line, (enum property) p, value, &n))
                return false;
        } else if (properties[p].kind == AUTO && strcmp(value, "auto") == 0) {
            n = AUTOMATIC;
        } else if (p == P_COMPUTE_CAPABILITY) {
            unsigned major, minor;
            int end = 0;
            if (sscanf(value, "%u.%u%n", &major, &minor, &end) != 2 || value[end] != '\0' || minor > 9)
                return fail(line, "%s=%s is not a version such as 9.0", word->key, value);
            n = major * 10 + minor;
        } else if (!number(line, word->key, value, &n)) {
            return false;
        }
        if ((p == P_LINKS && n > NVML_NVLINK_MAX_LINKS) || (p == P_MEMORY && n < 1) || (p == P_MINOR && (n < 0 || n > 1000000)))
            return fail(line, "%s=%s is out of range", word->key, value);
        if ((p == P_MEMORY || p == P_MEMORY_RESERVED || p == P_POWER_IDLE || p == P_POWER_PEAK || p == P_TEMPERATURE_IDLE
                || p == P_TEMPERATURE_LOAD) && n == UNSUPPORTED)
            return fail(line, "%s cannot be unsupported: other values are computed from it", word->key);
        if ((p == P_MIG_MODE || p == P_MIG_PENDING) && change->mig_done)
            return true;
        if (p == P_POWER_LIMIT && !change->initial)
            gpu_change_power_limit(g, n, change->now);
        else
            g->number[p] = n;
        if ((p == P_MIG_MODE || p == P_MIG_PENDING) && !change->initial)
            change->mig_changed |= 1u << (g - change->next->gpu);
        return true;
    }
    return fail(line, "unknown property '%s'", word->key);
}

/* ---- selecting GPUs */

static bool select_gpus(struct change *change, struct line *line, unsigned *mask, bool wanted)
{
    struct word *word = find(line, "gpu");
    *mask = 0;
    if (!word)
        return wanted ? fail(line, "'%s' needs gpu=<number> or gpu=all", line->word[0].key) : true;
    if (strcmp(word->value, "all") == 0 || strcmp(word->value, "any") == 0) {
        *mask = change->next->gpus >= 32 ? ~0u : (1u << change->next->gpus) - 1;
        return true;
    }
    long long n;
    if (!number(line, "gpu", word->value, &n))
        return false;
    if (n < 0 || n >= change->next->gpus)
        return fail(line, "there is no gpu %lld, only 0 to %d", n, (int) change->next->gpus - 1);
    *mask = 1u << n;
    return true;
}

#define EACH_GPU(mask, index) for (unsigned index = 0; index < change->next->gpus; index++) if ((mask) & (1u << index))

static bool select_mig(struct change *change, struct line *line, unsigned mask, int *mig)
{
    long long n;
    if (!number_of(line, "mig", 0, MAX_MIG_DEVICES - 1, -1, &n))
        return false;
    *mig = (int) n;
    if (n >= 0)
        EACH_GPU(mask, i)
            if (!change->next->gpu[i].mig[n].present)
                return fail(line, "gpu %u has no MIG device %lld", i, n);
    return true;
}

/* ---- directives */

static bool do_driver(struct change *change, struct line *line)
{
    struct world *w = change->next;
    struct word *version = find(line, "version"), *nvml = find(line, "nvml"), *cuda = find(line, "cuda"), *loaded = find(line, "loaded"),
                *kernel = find(line, "kernel");
    long long branch;
    if (version) {
        copy_text(w->driver_version, sizeof w->driver_version, version->value);
        w->branch = (unsigned) atoi(version->value);
        if (w->branch < 400 || w->branch > 999)
            return fail(line, "version=%s does not begin with a driver branch such as 550", version->value);
    }
    if (!number_of(line, "branch", 400, 999, w->branch, &branch))
        return false;
    w->branch = (unsigned) branch;
    if (cuda) {
        unsigned major, minor;
        if (sscanf(cuda->value, "%u.%u", &major, &minor) != 2 || minor > 99)
            return fail(line, "cuda=%s is not a version such as 12.4", cuda->value);
        w->cuda_version = (int) (major * 1000 + minor * 10);
    }
    if (nvml)
        copy_text(w->nvml_version, sizeof w->nvml_version, nvml->value);
    else if (version)
        snprintf(w->nvml_version, sizeof w->nvml_version, "%d.%.80s", w->cuda_version / 1000, w->driver_version);
    if (loaded) {
        if (strcmp(loaded->value, "yes") != 0 && strcmp(loaded->value, "no") != 0)
            return fail(line, "loaded=%s is neither yes nor no", loaded->value);
        w->driver_loaded = strcmp(loaded->value, "yes") == 0;
    }
    if (kernel) {
        if (!change->initial || kernel->value[0] != '/' || strlen(kernel->value) >= sizeof w->kernel_root)
            return fail(line, "kernel=%s is not the absolute path of a root, or does not stand in the profile", kernel->value);
        copy_text(w->kernel_root, sizeof w->kernel_root, kernel->value);
    }
    return true;
}

static bool do_node(struct change *change, struct line *line)
{
    long long numa, processors;
    if (!number_of(line, "numa", 1, 64, change->next->numa_nodes, &numa)
        || !number_of(line, "processors", 1, 4096, change->next->processors, &processors))
        return false;
    change->next->numa_nodes = (unsigned) numa;
    change->next->processors = (unsigned) processors;
    return true;
}

static bool do_nvswitch(struct change *change, struct line *line)
{
    struct world *w = change->next;
    struct word *pci = find(line, "pci");
    if (!pci)
        return fail(line, "nvswitch needs pci=");
    if (w->switches == MAX_SWITCHES)
        return fail(line, "more than %d switches", MAX_SWITCHES);
    unsigned n = w->switches++;
    return set_pci(line, pci->value, &w->nvswitch[n].domain, &w->nvswitch[n].bus, &w->nvswitch[n].device);
}

static bool set_rest(struct change *change, struct line *line, struct gpu *g)
{
    for (unsigned i = 1; i < line->words; i++) {
        if (line->word[i].used || !line->word[i].has_value)
            continue;
        line->word[i].used = true;
        if (!set_property(change, line, g, &line->word[i]))
            return false;
    }
    return true;
}

static bool do_model(struct change *change, struct line *line)
{
    struct world *w = change->next;
    if (line->words < 2 || line->word[1].has_value)
        return fail(line, "model needs a name before its properties");
    if (w->models == MAX_MODELS)
        return fail(line, "more than %d models", MAX_MODELS);
    struct model *model = &w->model[w->models++];
    line->word[1].used = true;
    copy_text(model->name, sizeof model->name, line->word[1].key);
    gpu_set_defaults(&model->gpu);
    return set_rest(change, line, &model->gpu);
}

static bool do_gpu(struct change *change, struct line *line)
{
    struct world *w = change->next;
    long long n;
    if (!change->initial)
        return fail(line, "GPUs are defined in the profile; use 'set gpu=…' or 'remove' and 'restore' later");
    if (line->words < 2 || line->word[1].has_value || !number(line, "gpu", line->word[1].key, &n))
        return fail(line, "gpu needs its number before its properties");
    line->word[1].used = true;
    if (n != w->gpus || n >= MAX_GPUS)
        return fail(line, "gpu %lld: the next number is %u, the last possible %d", n, w->gpus, MAX_GPUS - 1);
    struct gpu *g = &w->gpu[n];
    struct word *name = find(line, "model"), *pci = find(line, "pci");
    if (!pci)
        return fail(line, "gpu needs pci=");
    gpu_set_defaults(g);
    if (name) {
        unsigned m = 0;
        while (m < w->models && strcmp(w->model[m].name, name->value) != 0)
            m++;
        if (m == w->models)
            return fail(line, "there is no model '%s' above", name->value);
        *g = w->model[m].gpu;
    }
    g->defined = true;
    g->number[P_MINOR] = g->number[P_MODULE] = n;
    g->number[P_BOARD] = 0;
    g->temperature_mark = change->now;
    g->temperature_then = (double) g->number[P_TEMPERATURE_IDLE];
    g->energy_mark = change->now;
    g->activity.start = change->now;
    if (!set_pci(line, pci->value, &g->domain, &g->bus, &g->device) || !set_rest(change, line, g))
        return false;
    if (g->number[P_BOARD] == 0)
        g->number[P_BOARD] = (long long) g->domain << 16 | g->bus << 8 | g->device << 3;
    w->order[w->gpus++] = (unsigned) n;
    return true;
}

static bool do_set(struct change *change, struct line *line)
{
    unsigned mask;
    if (!select_gpus(change, line, &mask, true))
        return false;
    for (unsigned i = 1; i < line->words; i++) {
        struct word *word = &line->word[i];
        if (word->used || !word->has_value)
            continue;
        word->used = true;
        EACH_GPU(mask, n)
            if (!set_property(change, line, &change->next->gpu[n], word))
                return false;
    }
    return true;
}

static const char *refusal(nvmlReturn_t result)
{
    return result == NVML_ERROR_IN_USE ? "is in use" : result == NVML_ERROR_INSUFFICIENT_RESOURCES ? "has no room for it there"
        : result == NVML_ERROR_INVALID_ARGUMENT ? "has no such place" : "cannot have it";
}

static int instance_by_id(const struct gpu *g, unsigned id)
{
    for (int i = 0; i < MAX_GPU_INSTANCES; i++)
        if (g->instance[i].present && g->instance[i].id == id)
            return i;
    return -1;
}

/* destroy=<GPU instance>: with its compute instances; destroy=<GPU instance>/<compute instance>: that one */
static bool mig_destroy(struct line *line, struct gpu *g, unsigned n, const char *named)
{
    unsigned gi, ci;
    int end = 0;
    bool one = sscanf(named, "%u/%u%n", &gi, &ci, &end) == 2 && named[end] == '\0';
    if (!one && (sscanf(named, "%u%n", &gi, &end) != 1 || named[end] != '\0'))
        return fail(line, "destroy=%s is neither a GPU instance such as 7 nor a compute instance such as 7/0", named);
    int slot = instance_by_id(g, gi);
    bool found = slot >= 0 && !one;
    for (unsigned m = 0; m < MAX_MIG_DEVICES && slot >= 0; m++) {
        if (!g->mig[m].present || g->mig[m].instance != (unsigned) slot || (one && g->mig[m].compute_instance != ci))
            continue;
        found = true;
        if (mig_destroy_device(g, m) != NVML_SUCCESS)
            return fail(line, "instance %s of gpu %u is in use by process %d", named, n, mig_process_on(g, (int) m));
    }
    if (!found)
        return fail(line, "gpu %u has no instance %s", n, named);
    if (!one)
        mig_destroy_instance(g, (unsigned) slot);
    return true;
}

/* profile=[<c>c.]<GPU instance profile>: a GPU instance with one compute instance, or with instance= another compute instance in that one */
static bool mig_create(struct change *change, struct line *line, struct gpu *g, unsigned n, const char *named, long long start,
    long long instance, bool bare, const struct word *uuid)
{
    const struct mig_table *table = gpu_mig_table(g);
    unsigned slices = 0, slot = 0, device;
    int used = 0;
    if (sscanf(named, "%uc.%n", &slices, &used) != 1 || used == 0)
        slices = 0;
    int row = mig_row_by_name(table, slices ? named + used : named);
    if (row < 0)
        return fail(line, "%s has no profile %s", table->name, named);
    if (strlen(g->text[T_UUID].bytes) < 40)
        return fail(line, "gpu %u needs a full uuid before it can have MIG devices", n);
    nvmlReturn_t result = NVML_SUCCESS;
    if (instance < 0) {
        result = mig_create_instance(g, (unsigned) row, (int) start, &slot);
    } else {
        int there = instance_by_id(g, (unsigned) instance);
        if (there < 0 || g->instance[there].profile != (unsigned) row)
            return fail(line, "gpu %u has no instance %lld of that profile", n, instance);
        slot = (unsigned) there;
    }
    if (result == NVML_SUCCESS && !bare)
        result = mig_create_device(g, slot, slices ? slices : table->profile[row].slices, instance < 0 ? -1 : (int) start, change->now, &device);
    if (result != NVML_SUCCESS)
        return fail(line, "gpu %u %s: %s", n, refusal(result), named);
    if (uuid && !bare)
        copy_text(g->mig[device].uuid, sizeof g->mig[device].uuid, uuid->value);
    return true;
}

static bool do_mig(struct change *change, struct line *line)
{
    unsigned mask;
    long long start, instance;
    struct word *profile = find(line, "profile"), *destroy = find(line, "destroy"), *mode = find(line, "mode"), *uuid = find(line, "uuid");
    if (!select_gpus(change, line, &mask, true) || !number_of(line, "start", 0, 7, -1, &start)
        || !number_of(line, "instance", 0, 14, -1, &instance))
        return false;
    bool clear = flag(line, "clear"), bare = flag(line, "bare");
    if (clear + (profile != NULL) + (destroy != NULL) + (mode != NULL) != 1)
        return fail(line, "mig needs one of profile=, destroy=, mode= and the word clear");
    if (mode && strcmp(mode->value, "on") != 0 && strcmp(mode->value, "off") != 0)
        return fail(line, "mode=%s is neither on nor off", mode->value);
    if (change->mig_done)
        return true;
    EACH_GPU(mask, i) {
        struct gpu *g = &change->next->gpu[i];
        if (!gpu_mig_table(g))
            return fail(line, "gpu %u has no mig-table", i);
        change->mig_changed |= 1u << i;
        if (clear) {
            mig_clear(g);
        } else if (mode) {
            nvmlReturn_t result = mig_set_mode(g, strcmp(mode->value, "on") == 0);
            if (result == NVML_ERROR_IN_USE)
                return fail(line, "gpu %u is in use by process %d", i, mig_process_on(g, -1));
        } else if (destroy ? !mig_destroy(line, g, i, destroy->value)
                           : !mig_create(change, line, g, i, profile->value, start, instance, bare, uuid)) {
            return false;
        }
    }
    return true;
}

/* As nvidia-smi --gpu-reset: refused while somebody holds the GPU; a mode that is pending comes into force, instances do not survive. */
static bool do_reset(struct change *change, struct line *line)
{
    unsigned mask;
    if (!select_gpus(change, line, &mask, true))
        return false;
    if (change->mig_done || change->state_only)
        return true;
    EACH_GPU(mask, i) {
        struct gpu *g = &change->next->gpu[i];
        if (mig_process_on(g, -1))
            return fail(line, "gpu %u is in use by process %d", i, mig_process_on(g, -1));
        gpu_reset_counters(g, change->now);
        if (!gpu_mig_table(g))
            continue;
        g->number[P_MIG_MODE] = g->number[P_MIG_PENDING];
        mig_clear(g);
        change->mig_changed |= 1u << i;
    }
    return true;
}

static bool parse_pids(struct line *line, const char *text, unsigned *pids, unsigned *count)
{
    *count = 0;
    for (;;) {
        char *end;
        unsigned long pid = strtoul(text, &end, 10);
        if (end == text || pid == 0 || pid > 4194304 || (*end != ',' && *end != '\0'))
            return fail(line, "pids=%s is not a list of process ids such as 71,72", text);
        if (*count == MAX_PROCESSES)
            return fail(line, "more than %d processes", MAX_PROCESSES);
        pids[(*count)++] = (unsigned) pid;
        if (*end == '\0')
            return true;
        text = end + 1;
    }
}

static void forget_processes(struct gpu *g, int mig)
{
    unsigned kept = 0;
    for (unsigned p = 0; p < g->processes; p++)
        if (!g->process[p].of_workload || g->process[p].mig != mig)
            g->process[kept++] = g->process[p];
    g->processes = kept;
}

static bool do_workload(struct change *change, struct line *line)
{
    unsigned mask, pids[MAX_PROCESSES], pid_count = 0;
    int mig;
    double period, phase, level, memory;
    long long synthetic;
    struct word *kind_word = find(line, "kind"), *pid_word = find(line, "pids"), *name = find(line, "name");
    if (!select_gpus(change, line, &mask, true) || !select_mig(change, line, mask, &mig)
        || !real_of(line, "period", .1, 86400, 60, &period) || !real_of(line, "phase", 0, 1, 0, &phase)
        || !real_of(line, "level", 0, 1, 1, &level) || !real_of(line, "memory", 0, 1e7, -1, &memory)
        || !number_of(line, "processes", 0, MAX_PROCESSES, -1, &synthetic))
        return false;
    if (!kind_word)
        return fail(line, "workload needs kind=, one of %s", workload_kinds());
    int kind = workload_kind(kind_word->value);
    if (kind < 0)
        return fail(line, "kind=%s is not one of %s", kind_word->value, workload_kinds());
    if (pid_word && synthetic >= 0)
        return fail(line, "pids= and processes= exclude each other");
    if (pid_word && !parse_pids(line, pid_word->value, pids, &pid_count))
        return false;
    EACH_GPU(mask, i) {
        struct gpu *g = &change->next->gpu[i];
        double room = mig < 0 ? (double) (g->number[P_MEMORY] - g->number[P_MEMORY_RESERVED])
                              : (double) gpu_mig_table(g)->profile[g->mig[mig].profile].memory_mib;
        struct activity next = {.kind = (unsigned) kind, .level = level, .period_seconds = period, .phase = phase,
            .memory_bytes = kind == 0 ? 0 : (memory >= 0 && memory < room ? memory : memory < 0 ? room * .72 : room) * (double) MIB};
        gpu_change_activity(g, mig, &next, change->now);
        forget_processes(g, mig);
        unsigned count = pid_word ? pid_count : synthetic >= 0 ? (unsigned) synthetic : kind != 0;
        if (kind == 0)
            count = 0;
        for (unsigned p = 0; p < count; p++) {
            if (g->processes == MAX_PROCESSES)
                return fail(line, "gpu %u would have more than %d processes", i, MAX_PROCESSES);
            struct process *process = &g->process[g->processes++];
            memset(process, 0, sizeof *process);
            process->pid = pid_word ? pids[p] : 40000 + i * 1000 + (unsigned) (mig + 1) * 100 + p;
            process->types = PROCESS_COMPUTE;
            process->mig = mig;
            process->of_workload = true;
            process->memory_bytes = next.memory_bytes / count;
            copy_text(process->name, sizeof process->name, name ? name->value : pid_word ? "" : "python");
        }
    }
    return true;
}

static bool do_process(struct change *change, struct line *line)
{
    unsigned mask;
    int mig;
    long long pid;
    double memory;
    struct word *type = find(line, "type"), *name = find(line, "name");
    if (!select_gpus(change, line, &mask, true) || !select_mig(change, line, mask, &mig) || !number_of(line, "pid", 1, 4194304, 0, &pid)
        || !real_of(line, "memory", 0, 1e7, 0, &memory))
        return false;
    bool end = flag(line, "end");
    unsigned types = !type || strcmp(type->value, "compute") == 0 ? PROCESS_COMPUTE
                   : strcmp(type->value, "graphics") == 0 ? PROCESS_GRAPHICS : strcmp(type->value, "mps") == 0 ? PROCESS_MPS : 0;
    if (types == 0)
        return fail(line, "type=%s is not one of compute, graphics, mps", type->value);
    if (pid == 0)
        return fail(line, "process needs pid=");
    EACH_GPU(mask, i) {
        struct gpu *g = &change->next->gpu[i];
        unsigned kept = 0;
        for (unsigned p = 0; p < g->processes; p++)
            if (g->process[p].pid != pid || g->process[p].mig != mig)
                g->process[kept++] = g->process[p];
        g->processes = kept;
        if (end)
            continue;
        if (kept == MAX_PROCESSES)
            return fail(line, "gpu %u would have more than %d processes", i, MAX_PROCESSES);
        struct process *process = &g->process[g->processes++];
        memset(process, 0, sizeof *process);
        process->pid = (unsigned) pid;
        process->types = types;
        process->mig = mig;
        process->memory_bytes = memory * (double) MIB;
        copy_text(process->name, sizeof process->name, name ? name->value : "");
    }
    return true;
}

static const char *choice(struct line *line, const char *key, const char *const *words, int *chosen)
{
    struct word *word = find(line, key);
    *chosen = 0;
    if (!word)
        return NULL;
    for (int i = 1; words[i]; i++)
        if (strcmp(words[i], word->value) == 0) {
            *chosen = i;
            return NULL;
        }
    return word->value;
}

_Static_assert(GROUP_COUNT <= 32, "groups fit a word");

/* A group of symbols.txt, all of them, or all that a sampler reads. Zero when unknown. */
static unsigned groups_by_name(const char *name)
{
    static const char *const telemetry[] = {"clocks", "ecc", "field", "gpm", "memory", "nvlink", "pcie", "power", "process", "thermal",
        "utilization"};
    unsigned groups = 0;
    if (strcmp(name, "all") == 0)
        return ~0u;
    for (int g = 0; g < GROUP_COUNT; g++) {
        if (strcmp(group_names[g], name) == 0)
            return 1u << g;
        for (size_t t = 0; t < sizeof telemetry / sizeof telemetry[0]; t++)
            if (strcmp(group_names[g], telemetry[t]) == 0)
                groups |= 1u << g;
    }
    return strcmp(name, "telemetry") == 0 ? groups : 0;
}

static bool do_fault(struct change *change, struct line *line)
{
    static const char *const values[] = {"", "not-available", "zero", "maximum", NULL};
    static const char *const strings[] = {"", "unterminated", "odd-bytes", "empty", "full", NULL};
    static const char *const sizes[] = {"", "insufficient", "growing", NULL};
    struct fault fault = {.active = true, .function = -1, .gpu = -1, .count = UNSUPPORTED};
    if (line->words < 2 || line->word[1].has_value)
        return fail(line, "fault needs a name before its conditions");
    line->word[1].used = true;
    copy_text(fault.name, sizeof fault.name, line->word[1].key);

    struct word *call = find(line, "call"), *group = find(line, "group"), *gpu = find(line, "gpu");
    if (!call == !group)
        return fail(line, "fault needs either call=<function> or group=<group>");
    if (call && (fault.function = function_by_name(call->value)) < 0)
        return fail(line, "there is no function '%s'", call->value);
    if (group && (fault.groups = groups_by_name(group->value)) == 0)
        return fail(line, "there is no group '%s'", group->value);
    if (gpu && strcmp(gpu->value, "any") != 0) {
        unsigned mask;
        if (!select_gpus(change, line, &mask, true))
            return false;
        if (strcmp(gpu->value, "all") != 0)
            fault.gpu = __builtin_ctz(mask);
    }
    long long mig, after, times, field, count;
    if (!number_of(line, "mig", 0, MAX_MIG_DEVICES - 1, -1, &mig) || !number_of(line, "after", 0, 1000000000, 0, &after)
        || !number_of(line, "times", 1, 1000000000, 0, &times) || !number_of(line, "field", 0, 100000, -1, &field)
        || !number_of(line, "count", 0, 1000000, UNSUPPORTED, &count))
        return false;
    fault.mig = (int) mig;
    fault.after = (unsigned) after;
    fault.times = (unsigned) times;
    fault.field = (int) field;
    fault.count = count;
    if (field >= 0 && fault.function != function_by_name("nvmlDeviceGetFieldValues"))
        return fail(line, "field= needs call=nvmlDeviceGetFieldValues");

    struct word *result = find(line, "return"), *sequence = find(line, "results"), *delay = find(line, "delay"), *hang = find(line, "hang");
    if (result && sequence)
        return fail(line, "return= and results= exclude each other");
    if (sequence && times > 0)
        return fail(line, "results= says by itself how many times it applies");
    if (result || sequence) {
        char list[TEXT_SIZE], *rest = list, *name;
        copy_text(list, sizeof list, (result ? result : sequence)->value);
        fault.result_sequence = sequence != NULL;
        while ((name = strsep(&rest, ","))) {
            bool known;
            if (fault.result_count == (sequence ? MAX_RESULTS : 1))
                return fail(line, "too many results, at most %d", sequence ? MAX_RESULTS : 1);
            fault.results[fault.result_count++] = result_by_name(name, &known);
            if (!known)
                return fail(line, "there is no result '%s'", name);
        }
    }
    if (delay) {
        double seconds;
        if (!duration(line, "delay", delay->value, &seconds))
            return false;
        if (seconds > 3600)
            return fail(line, "delay=%s is longer than an hour", delay->value);
        fault.delay_ms = (unsigned) (seconds * 1000 + .999);
    }
    if (hang) {
        if (strcmp(hang->value, "until-released") != 0)
            return fail(line, "hang=%s is not until-released", hang->value);
        fault.hang = true;
    }
    int chosen;
    const char *wrong = choice(line, "value", values, &chosen);
    fault.value = (enum value_effect) chosen;
    if (!wrong) {
        wrong = choice(line, "string", strings, &chosen);
        fault.string = (enum string_effect) chosen;
    }
    if (!wrong) {
        wrong = choice(line, "size", sizes, &chosen);
        fault.size = (enum size_effect) chosen;
    }
    if (wrong)
        return fail(line, "unknown effect '%s'", wrong);
    if (fault.result_count == 0 && fault.delay_ms == 0 && !fault.hang && !fault.value && !fault.string && !fault.size && count == UNSUPPORTED)
        return fail(line, "fault %s has no effect: give return=, results=, delay=, hang=, value=, string=, size= or count=", fault.name);

    struct fault *place = NULL;
    for (int i = MAX_FAULTS - 1; i >= 0; i--) { /* the same name replaces */
        struct fault *other = &change->next->fault[i];
        if (other->active && strcmp(other->name, fault.name) == 0) {
            place = other;
            break;
        }
        if (!other->active)
            place = other;
    }
    if (!place)
        return fail(line, "more than %d faults", MAX_FAULTS);
    fault.release_epoch = place->release_epoch + (place->active ? 1 : 0);
    *place = fault;
    change->woken = true;
    return true;
}

static bool do_clear_or_release(struct change *change, struct line *line, bool clear)
{
    if (line->words != 2 || line->word[1].has_value)
        return fail(line, "%s needs the name of a fault, or all", line->word[0].key);
    line->word[1].used = true;
    const char *name = line->word[1].key;
    bool all = strcmp(name, "all") == 0, found = all;
    for (int i = 0; i < MAX_FAULTS; i++) {
        struct fault *fault = &change->next->fault[i];
        if (!all && strcmp(fault->name, name) != 0)
            continue;
        found = true;
        fault->release_epoch++; /* clearing lets go of those who hang in it */
        if (clear)
            fault->active = false;
    }
    change->woken = true;
    return found || fail(line, "there is no fault '%s'", name);
}

static const struct { const char *name; unsigned long long type; } event_types[] = {
    {"ecc-single", NVML_EVENT_SINGLE_BIT_ECC}, {"ecc-double", NVML_EVENT_DOUBLE_BIT_ECC}, {"performance-state", NVML_EVENT_PSTATE},
    {"xid", NVML_EVENT_XID}, {"clock", NVML_EVENT_CLOCK}, {"power-source", NVML_EVENT_POWER_SOURCE}, {"mig", NVML_EVENT_MIG_CONFIG},
    {"ecc-storm", NVML_EVENT_SBE_STORM}, {"retirement", NVML_EVENT_DRAM_RETIREMENT},
    {"retirement-failure", NVML_EVENT_DRAM_RETIREMENT_FAILURE}, {"poison", NVML_EVENT_NON_FATAL_POISON},
    {"poison-fatal", NVML_EVENT_FATAL_POISON}, {"unavailable", NVML_EVENT_GPU_UNAVAILABLE},
    {"recovery-action", NVML_EVENT_RECOVERY_ACTION},
};

static bool do_event(struct change *change, struct line *line)
{
    unsigned mask;
    int mig;
    long long xid, data, burst, gi, ci;
    struct word *type = find(line, "type");
    if (!select_gpus(change, line, &mask, true) || !select_mig(change, line, mask, &mig) || !number_of(line, "xid", 0, 1000000, -1, &xid)
        || !number_of(line, "data", 0, LLONG_MAX, 0, &data) || !number_of(line, "burst", 1, MAX_BURST, 1, &burst)
        || !number_of(line, "gi", 0, UINT_MAX, NVML_VALUE_NOT_AVAILABLE_U32, &gi)
        || !number_of(line, "ci", 0, UINT_MAX, NVML_VALUE_NOT_AVAILABLE_U32, &ci))
        return false;
    if ((xid >= 0) == (type != NULL))
        return fail(line, "event needs either xid=<number> or type=<kind of event>");
    struct event event = {.type = NVML_EVENT_XID, .data = (unsigned long long) (xid >= 0 ? xid : data),
        .gpu_instance = (unsigned) gi, .compute_instance = (unsigned) ci}; /* also of instances that are not there */
    if (type) {
        size_t i = 0;
        while (i < sizeof event_types / sizeof event_types[0] && strcmp(event_types[i].name, type->value) != 0)
            i++;
        if (i == sizeof event_types / sizeof event_types[0])
            return fail(line, "there is no type of event '%s'", type->value);
        event.type = event_types[i].type;
    }
    if (change->state_only)
        return true;
    EACH_GPU(mask, n) {
        if (change->actions == MAX_ACTIONS)
            return fail(line, "more than %d events at once; use burst=", MAX_ACTIONS);
        event.gpu = n;
        if (mig >= 0) {
            event.gpu_instance = change->next->gpu[n].mig[mig].gpu_instance;
            event.compute_instance = change->next->gpu[n].mig[mig].compute_instance;
        }
        change->action[change->actions++] = (struct action){ACTION_EVENT, event, (unsigned) burst};
    }
    return true;
}

static bool do_presence(struct change *change, struct line *line, const char *verb)
{
    unsigned mask;
    if (!select_gpus(change, line, &mask, true))
        return false;
    EACH_GPU(mask, n) {
        struct gpu *g = &change->next->gpu[n];
        g->removed = strcmp(verb, "remove") == 0 || (g->removed && strcmp(verb, "lose") == 0);
        g->lost = strcmp(verb, "lose") == 0 || (g->lost && strcmp(verb, "remove") == 0);
    }
    return true;
}

static bool do_reorder(struct change *change, struct line *line)
{
    unsigned order[MAX_GPUS], seen = 0;
    if (line->words != change->next->gpus + 1)
        return fail(line, "reorder needs all %u GPUs in their new order", change->next->gpus);
    for (unsigned i = 0; i < change->next->gpus; i++) {
        long long n;
        line->word[i + 1].used = true;
        if (line->word[i + 1].has_value || !number(line, "gpu", line->word[i + 1].key, &n))
            return fail(line, "reorder takes numbers");
        if (n < 0 || n >= change->next->gpus || seen & 1u << n)
            return fail(line, "gpu %lld is not there, or is named twice", n);
        seen |= 1u << n;
        order[i] = (unsigned) n;
    }
    memcpy(change->next->order, order, sizeof order[0] * change->next->gpus);
    return true;
}

static bool do_counters(struct change *change, struct line *line)
{
    unsigned mask;
    if (!select_gpus(change, line, &mask, true))
        return false;
    if (!flag(line, "reset"))
        return fail(line, "counters needs the word reset");
    if (!change->state_only)
        EACH_GPU(mask, n)
            gpu_reset_counters(&change->next->gpu[n], change->now);
    return true;
}

static bool do_time(struct change *change, struct line *line)
{
    struct word *advance = find(line, "advance");
    bool freeze = flag(line, "freeze"), resume = flag(line, "resume");
    struct world *w = change->next;
    double seconds = 0;
    if (freeze + resume + (advance != NULL) != 1)
        return fail(line, "time needs one of freeze, resume, advance=<duration>");
    if (advance && !duration(line, "advance", advance->value, &seconds))
        return false;
    if (change->state_only)
        return true;
    double now = virtual_seconds(); /* of the world as it is */
    if (freeze && !w->time_frozen) {
        w->time_offset = now;
        w->time_frozen = true;
    } else if (resume && w->time_frozen) {
        w->time_offset -= real_seconds();
        w->time_frozen = false;
    }
    w->time_offset += seconds;
    return true;
}

static bool do_referee(struct change *change, struct line *line)
{
    struct word *stubs = find(line, "stubs");
    if (!stubs || (strcmp(stubs->value, "allowed") != 0 && strcmp(stubs->value, "violation") != 0))
        return fail(line, "referee needs stubs=allowed or stubs=violation");
    change->next->stubs_are_violations = strcmp(stubs->value, "violation") == 0;
    return true;
}

static bool do_line(struct change *change, struct line *line)
{
    const char *directive = line->word[0].key;
    bool done;
    if (line->word[0].has_value)
        return fail(line, "a line begins with a directive, not with '%s='", directive);
    if (!change->initial
        && (strcmp(directive, "model") == 0 || strcmp(directive, "nvswitch") == 0 || strcmp(directive, "node") == 0))
        return fail(line, "'%s' belongs into the profile and cannot be applied later", directive);
    if (strcmp(directive, "driver") == 0)
        done = do_driver(change, line);
    else if (strcmp(directive, "node") == 0)
        done = do_node(change, line);
    else if (strcmp(directive, "nvswitch") == 0)
        done = do_nvswitch(change, line);
    else if (strcmp(directive, "model") == 0)
        done = do_model(change, line);
    else if (strcmp(directive, "gpu") == 0)
        done = do_gpu(change, line);
    else if (strcmp(directive, "set") == 0)
        done = do_set(change, line);
    else if (strcmp(directive, "mig") == 0)
        done = do_mig(change, line);
    else if (strcmp(directive, "reset") == 0)
        done = do_reset(change, line);
    else if (strcmp(directive, "workload") == 0)
        done = do_workload(change, line);
    else if (strcmp(directive, "process") == 0)
        done = do_process(change, line);
    else if (strcmp(directive, "fault") == 0)
        done = do_fault(change, line);
    else if (strcmp(directive, "clear") == 0)
        done = do_clear_or_release(change, line, true);
    else if (strcmp(directive, "release") == 0)
        done = do_clear_or_release(change, line, false);
    else if (strcmp(directive, "event") == 0)
        done = do_event(change, line);
    else if (strcmp(directive, "remove") == 0 || strcmp(directive, "restore") == 0 || strcmp(directive, "lose") == 0)
        done = do_presence(change, line, directive);
    else if (strcmp(directive, "reorder") == 0)
        done = do_reorder(change, line);
    else if (strcmp(directive, "counters") == 0)
        done = do_counters(change, line);
    else if (strcmp(directive, "time") == 0)
        done = do_time(change, line);
    else if (strcmp(directive, "referee") == 0)
        done = do_referee(change, line);
    else if (strcmp(directive, "report") == 0)
        done = change->report = true;
    else
        return fail(line, "unknown directive '%s'", directive);
    return done && all_used(line);
}

static bool report_wanted;

bool scenario_report_wanted(void)
{
    return report_wanted;
}

unsigned scenario_apply(const char *text, size_t length, struct apply_mode mode, char *error, size_t error_size)
{
    if (!mode.initial)
        driver_state_begin();
    struct change *change = calloc(1, sizeof *change);
    struct world *next = malloc(sizeof *next);
    struct line *line = malloc(sizeof *line);
    char *joined = malloc(length + 1);
    unsigned refused = 0;
    if (!change || !next || !line || !joined) {
        snprintf(error, error_size, "out of memory");
        refused = 1;
        goto done;
    }
    if (mode.initial)
        world_reset(next);
    else
        *next = world;
    change->next = next;
    change->initial = mode.initial;
    change->state_only = mode.state_only;
    change->mig_done = driver_state_done(mode.generation);
    time_passes();
    change->now = virtual_seconds();
    line->error = error;
    line->error_size = error_size;
    unsigned number = 1;
    for (const char *at = text, *end = text + length; at < end && refused == 0;) {
        size_t used = 0;
        unsigned first = number;
        bool more = true;
        while (more) { /* a backslash at the end of a line joins the next one */
            const char *stop = memchr(at, '\n', (size_t) (end - at));
            size_t part = (size_t) ((stop ? stop : end) - at);
            more = part > 0 && at[part - 1] == '\\' && stop && stop + 1 < end;
            memcpy(joined + used, at, part - more);
            used += part - more;
            at = stop ? stop + 1 : end;
            number++;
        }
        line->number = first;
        if (!split(line, joined, joined + used) || (line->words > 0 && !do_line(change, line)))
            refused = first;
    }
    if (refused == 0) {
        next->fault_end = MAX_FAULTS;
        while (next->fault_end > 0 && !next->fault[next->fault_end - 1].active)
            next->fault_end--;
        for (unsigned n = 0; n < next->gpus; n++)
            if (!mode.initial && change->mig_changed & 1u << n)
                handles_retire_gone(&world.gpu[n], &next->gpu[n], n, true);
        world = *next;
        time_passes();
        for (unsigned i = 0; i < change->actions; i++)
            for (unsigned k = 0; k < change->action[i].times; k++)
                events_deliver(&change->action[i].event);
        if (change->woken) {
            faults_released();
            events_wake_all();
        }
        report_wanted = change->report;
    }
done:
    if (!mode.initial)
        driver_state_end(refused || !change ? 0 : change->mig_changed, mode.generation);
    free(joined);
    free(line);
    free(next);
    free(change);
    return refused;
}

/* ---- the scenario beside the library */

static bool loaded;
static char failure[600];

bool scenario_loaded(void)
{
    return loaded;
}

const char *scenario_failure(void)
{
    return *failure ? failure : NULL;
}

void scenario_load(void)
{
    char path[4096];
    const char *named = getenv("NVMLSIM_SCENARIO");
    loaded = true;
    if (named && *named)
        snprintf(path, sizeof path, "%s", named);
    else
        snprintf(path, sizeof path, "%s/nvmlsim.conf", library_directory());
    FILE *file = fopen(path, "re");
    if (!file) {
        world_reset(&world);
        snprintf(failure, sizeof failure, "cannot read the scenario %.300s: %s. Put a profile there or name one in NVMLSIM_SCENARIO",
            path, strerror(errno));
    } else {
        size_t capacity = 1 << 20;
        char *text = malloc(capacity), reason[450];
        size_t length = text ? fread(text, 1, capacity, file) : 0;
        fclose(file);
        if (!text || length == capacity)
            snprintf(failure, sizeof failure, "the scenario %.300s is larger than 1 MiB", path);
        else if (scenario_apply(text, length, (struct apply_mode){.initial = true}, reason, sizeof reason) != 0)
            snprintf(failure, sizeof failure, "the scenario %.100s: %.450s", path, reason);
        free(text);
    }
    if (*failure) {
        fprintf(stderr, "nvmlsim: %s\n", failure);
        violation("%s", failure);
    }
}
