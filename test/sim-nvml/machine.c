/*
 * Reads the machine's file and finds answers in it. Lines have tabs between their fields:
 *
 *   GPU  KEY[:ARGUMENT[:ARGUMENT]]  RETURN-CODE  DELAY-MS  EFFECT  VALUE...
 *
 * GPU is an index or `-`; EFFECT is `-`, `hang` or `crash`; %XX in a value is a byte. The file is
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

struct nvmlDevice_st sim_devices[GPUS_MAX];
int sim_initialized = 0;

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static record_t *records = NULL;
static size_t record_count = 0;
static struct stat seen;

/* $SIM_NVML_MACHINE, or `sim-nvml.machine` beside this library. */
static void machine_path(char *path, size_t size)
{
    const char *named = getenv("SIM_NVML_MACHINE");
    if (named && *named) {
        snprintf(path, size, "%s", named);
        return;
    }
    Dl_info self;
    if (!dladdr((void *)&machine_path, &self) || !self.dli_fname) {
        path[0] = '\0';
        return;
    }
    const char *slash = strrchr(self.dli_fname, '/');
    int length = slash ? (int)(slash - self.dli_fname) + 1 : 0;
    snprintf(path, size, "%.*ssim-nvml.machine", length, self.dli_fname);
}

static int hex(char digit)
{
    if (digit >= '0' && digit <= '9') return digit - '0';
    if (digit >= 'A' && digit <= 'F') return digit - 'A' + 10;
    return -1;
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

nvmlReturn_t sim_answer(int gpu, const char *key, int argument, int argument2, values_t *values)
{
    char whole[128];
    if (argument < 0)
        snprintf(whole, sizeof(whole), "%s", key);
    else if (argument2 < 0)
        snprintf(whole, sizeof(whole), "%s:%d", key, argument);
    else
        snprintf(whole, sizeof(whole), "%s:%d:%d", key, argument, argument2);

    record_t found = {.code = NVML_ERROR_NOT_SUPPORTED, .effect = '-'};
    pthread_mutex_lock(&lock);
    reload_when_changed();
    if (!records) found.code = NVML_ERROR_DRIVER_NOT_LOADED;
    for (size_t place = 0; place < record_count; place++) {
        if (records[place].gpu == gpu && strcmp(records[place].key, whole) == 0) {
            found = records[place];
            break;
        }
    }
    pthread_mutex_unlock(&lock);

    if (found.delay_ms > 0) sleep_ms(found.delay_ms);
    while (found.effect == 'h') pause();
    if (found.effect == 'c') abort();
    *values = found.values;
    return found.code;
}

nvmlReturn_t sim_device_answer(nvmlDevice_t device, const char *key, int argument, int argument2,
                               values_t *values)
{
    if (!sim_initialized) return NVML_ERROR_UNINITIALIZED;
    if (device < sim_devices || device >= sim_devices + GPUS_MAX) return NVML_ERROR_INVALID_ARGUMENT;
    return sim_answer((int)(device - sim_devices), key, argument, argument2, values);
}

unsigned long long sim_number(const values_t *values, int place)
{
    return place < values->count ? strtoull(values->texts[place], NULL, 10) : 0;
}

nvmlReturn_t sim_text(nvmlReturn_t code, const values_t *values, char *buffer, unsigned int length)
{
    if (code != NVML_SUCCESS) return code;
    const char *text = values->count > 0 ? values->texts[0] : "";
    if (!buffer) return NVML_ERROR_INVALID_ARGUMENT;
    if (strlen(text) + 1 > length) return NVML_ERROR_INSUFFICIENT_SIZE;
    strcpy(buffer, text);
    return NVML_SUCCESS;
}
