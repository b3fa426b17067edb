/*
 * Reads the machine's file and finds answers in it. Lines have tabs between their fields:
 *
 *   GPU  KEY[:ARGUMENT...][@INDEX]  RETURN-CODE  DELAY-MS  EFFECT  VALUE...
 *
 * GPU is an index or `-`; INDEX is a link, a fan, another GPU or a scope, and a line without it is for all; EFFECT is `-`, `hang` or `crash`; %XX in a value is a byte; ~A~B~C is a
 * number that changes every second, from the first look on. The file is
 * read again when it changes, so that a machine can be broken while it runs.
 */
#define _GNU_SOURCE
#include "machine.h"

#include <dlfcn.h>
#include <limits.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

typedef struct {
    int gpu;
    char *key;
    nvmlReturn_t code;
    long delay_ms;
    char effect;
    values_t values;
} record_t;

struct nvmlDevice_st sim_devices[DEVICES_MAX];
int sim_initialized = 0;

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static record_t *records = NULL;
static size_t record_count = 0;
static time_t first_look = 0;
static struct stat seen;

void sim_path_beside(const char *name, char *path, size_t size)
{
    Dl_info self;
    const char *file = dladdr((void *)&sim_path_beside, &self) ? self.dli_fname : NULL;
    const char *slash = file ? strrchr(file, '/') : NULL;
    snprintf(path, size, "%.*s%s", slash ? (int)(slash - file) + 1 : 0, slash ? file : "", name);
}

/* $SIM_NVML_MACHINE, or `sim-nvml.machine` beside this library. */
static void machine_path(char *path, size_t size)
{
    const char *named = getenv("SIM_NVML_MACHINE");
    if (named && *named)
        snprintf(path, size, "%s", named);
    else
        sim_path_beside("sim-nvml.machine", path, size);
}

static int hex(char digit)
{
    if (digit >= '0' && digit <= '9') return digit - '0';
    if (digit >= 'A' && digit <= 'F') return digit - 'A' + 10;
    return -1;
}

/* Of bytes in hexadecimal, which are written small. */
static int nibble(char digit)
{
    return digit >= 'a' && digit <= 'f' ? digit - 'a' + 10 : hex(digit);
}

static void decode(char *text)
{
    char *to = text;
    for (char *from = text; *from; from++) {
        if (*from == '%' && hex(from[1]) >= 0 && hex(from[2]) >= 0) {
            *to++ = (char)(hex(from[1]) * 16 + hex(from[2]));
            from += 2;
        } else {
            *to++ = *from;
        }
    }
    *to = '\0';
}

/* Takes the line apart in place; 0 when it is no record. */
static int parse(char *line, record_t *record)
{
    char *rest = line;
    char *gpu = strsep(&rest, "\t");
    char *key = strsep(&rest, "\t");
    char *code = strsep(&rest, "\t");
    char *delay = strsep(&rest, "\t");
    char *effect = strsep(&rest, "\t");
    if (!gpu || !key || !code || !delay || !effect) return 0;
    int count = 0;
    for (char *at = rest; at && *at; at++) count += *at == '\t';
    record->gpu = strcmp(gpu, "-") == 0 ? DRIVER_WIDE : atoi(gpu);
    record->key = key;
    record->code = (nvmlReturn_t)atoi(code);
    record->delay_ms = atol(delay);
    record->effect = effect[0];
    record->values.count = rest ? count + 1 : 0;
    record->values.texts = calloc((size_t)count + 1, sizeof(char *));
    for (int place = 0; rest; place++) {
        char *value = strsep(&rest, "\t");
        decode(value);
        record->values.texts[place] = value;
    }
    return 1;
}

static int compare(const void *one, const void *other)
{
    const record_t *a = one;
    const record_t *b = other;
    return a->gpu != b->gpu ? (a->gpu < b->gpu ? -1 : 1) : strcmp(a->key, b->key);
}

static const record_t *find(int gpu, char *key)
{
    record_t wanted = {.gpu = gpu, .key = key};
    return records ? bsearch(&wanted, records, record_count, sizeof(record_t), compare) : NULL;
}

/* Old records are left in memory: another thread may still look at them. */
static void load(const char *path)
{
    FILE *file = fopen(path, "r");
    records = NULL;
    record_count = 0;
    if (!file) return;
    char *line = NULL;
    size_t size = 0;
    ssize_t length;
    while ((length = getline(&line, &size, file)) > 0) {
        if (line[length - 1] == '\n') line[length - 1] = '\0';
        record_t record;
        if (line[0] == '#' || !parse(strdup(line), &record)) continue;
        records = realloc(records, (record_count + 1) * sizeof(record_t));
        records[record_count++] = record;
    }
    free(line);
    fclose(file);
    if (records) qsort(records, record_count, sizeof(record_t), compare);
}

static void reload_when_changed(void)
{
    char path[PATH_MAX];
    struct stat now;
    machine_path(path, sizeof(path));
    if (stat(path, &now) != 0) memset(&now, 0, sizeof(now));
    if (records && now.st_ino == seen.st_ino && now.st_size == seen.st_size &&
        now.st_mtim.tv_sec == seen.st_mtim.tv_sec && now.st_mtim.tv_nsec == seen.st_mtim.tv_nsec)
        return;
    seen = now;
    load(path);
}

static void sleep_ms(long ms)
{
    struct timespec time = {ms / 1000, (ms % 1000) * 1000000L};
    nanosleep(&time, NULL);
}

/* Without a line of its own, an index has the line of all. */
static const record_t *find_at(int gpu, const char *key, int index)
{
    char indexed[160];
    snprintf(indexed, sizeof(indexed), "%s@%d", key, index);
    const record_t *record = index == NO_INDEX ? NULL : find(gpu, indexed);
    snprintf(indexed, sizeof(indexed), "%s", key);
    return record ? record : find(gpu, indexed);
}

nvmlReturn_t sim_answer(int gpu, const char *key, int index, values_t *values)
{
    record_t found = {.code = NVML_ERROR_NOT_SUPPORTED, .effect = '-'};
    if (sim_note_answer) sim_note_answer(gpu, key, index);
    pthread_mutex_lock(&lock);
    reload_when_changed();
    if (!records) found.code = NVML_ERROR_DRIVER_NOT_LOADED;
    const record_t *record = find_at(gpu, key, index);
    if (record) found = *record;
    pthread_mutex_unlock(&lock);

    if (found.delay_ms > 0) sleep_ms(found.delay_ms);
    while (found.effect == 'h') pause();
    if (found.effect == 'c') abort();
    *values = found.values;
    return found.code;
}

nvmlReturn_t sim_device_answer(nvmlDevice_t device, const char *key, int index, values_t *values)
{
    if (!sim_initialized) return NVML_ERROR_UNINITIALIZED;
    if (device < sim_devices || device >= sim_devices + DEVICES_MAX) return NVML_ERROR_INVALID_ARGUMENT;
    return sim_answer((int)(device - sim_devices), key, index, values);
}

static const char *text_at(const values_t *values, int place)
{
    return place < values->count ? values->texts[place] : "";
}

/* The number as it is by now: of one that moves, that of this second, or the last. */
static const char *number_at(const values_t *values, int place)
{
    struct timespec now;
    const char *text = text_at(values, place);
    if (*text != '~') return text;
    clock_gettime(CLOCK_MONOTONIC, &now);
    if (first_look == 0) first_look = now.tv_sec;
    for (time_t left = now.tv_sec - first_look; left > 0 && strchr(text + 1, '~'); left--)
        text = strchr(text + 1, '~');
    return text + 1;
}

unsigned long long sim_number(const values_t *values, int place)
{
    return strtoull(number_at(values, place), NULL, 10);
}

long long sim_signed(const values_t *values, int place)
{
    return strtoll(number_at(values, place), NULL, 10);
}

void sim_bytes(const values_t *values, int place, unsigned char *bytes, int length)
{
    const char *text = text_at(values, place);
    for (int at = 0; at < length; at++) {
        int high = text[0] ? nibble(text[0]) : -1;
        int low = high >= 0 ? nibble(text[1]) : -1;
        bytes[at] = low >= 0 ? (unsigned char)(high * 16 + low) : 0;
        if (low >= 0) text += 2;
    }
}

void sim_characters(const values_t *values, int place, void *characters, unsigned long size)
{
    const char *text = text_at(values, place);
    memset(characters, 0, size);
    memcpy(characters, text, strnlen(text, size));
}

nvmlReturn_t sim_text(const values_t *values, char *buffer, unsigned int length)
{
    const char *text = text_at(values, 0);
    if (!buffer) return NVML_ERROR_INVALID_ARGUMENT;
    if (strlen(text) + 1 > length) return NVML_ERROR_INSUFFICIENT_SIZE;
    strcpy(buffer, text);
    return NVML_SUCCESS;
}

void sim_bits(const values_t *values, unsigned int words, unsigned long *set)
{
    memset(set, 0, words * sizeof(*set));
    for (int place = 1; place < values->count; place++) {
        unsigned long long bit = sim_number(values, place);
        if (bit / 64 < words) set[bit / 64] |= 1UL << (bit % 64);
    }
}

nvmlReturn_t sim_room(const values_t *values, unsigned int *count, int has_room)
{
    unsigned int room = *count;
    *count = (unsigned int)sim_number(values, 0);
    return *count > 0 && (room < *count || !has_room) ? NVML_ERROR_INSUFFICIENT_SIZE : NVML_SUCCESS;
}
