/* The machine that the simulated library tells of: a flat file, one line an answer. */
#ifndef SIM_NVML_MACHINE_H
#define SIM_NVML_MACHINE_H

#define NVML_NO_UNVERSIONED_FUNC_DEFS
#include "nvml.h"

#define DRIVER_WIDE (-1)
#define GPUS_MAX 1024
/* MIG device N of GPU G is device G + GPUS_MAX * (N + 1). */
#define MIG_MAX 8
#define DEVICES_MAX (GPUS_MAX * (1 + MIG_MAX))
#define NO_INDEX (-1)

/* nvml.h leaves the type open: a handle is a place in a table. */
struct nvmlDevice_st {
    int index;
};
extern struct nvmlDevice_st sim_devices[DEVICES_MAX];

/* Values as texts, in the order of the output's members; a list begins with its length. */
typedef struct {
    int count;
    char **texts;
} values_t;

/*
 * Finds the answer to one call and does what it does to the process: delay, hang, crash. `index` is a
 * link, a fan, another GPU or a scope: its own answer, else the one for all. Returns the return code;
 * values are set for NVML_SUCCESS and live until the process ends.
 */
nvmlReturn_t sim_answer(int gpu, const char *key, int index, values_t *values);

/* The same for a GPU by its handle; checks that NVML was initialised and that the handle is one. */
nvmlReturn_t sim_device_answer(nvmlDevice_t device, const char *key, int index, values_t *values);

/* One value in the form that C wants; a set has the places of its bits. */
unsigned long long sim_number(const values_t *values, int place);
long long sim_signed(const values_t *values, int place);
void sim_bytes(const values_t *values, int place, unsigned char *bytes, int length);
void sim_characters(const values_t *values, int place, void *characters, unsigned long size);
nvmlReturn_t sim_text(const values_t *values, char *buffer, unsigned int length);
void sim_bits(const values_t *values, unsigned int words, unsigned long *set);

/* Gives a list's length, or says that there is no room for it. */
nvmlReturn_t sim_room(const values_t *values, unsigned int *count, int has_room);

/* The path of a file in this library's folder. */
void sim_path_beside(const char *name, char *path, unsigned long size);

/* In a library that counts (calls.c): notes a call that has no name, and what a call asked for. */
void sim_note_private(int slot) __attribute__((weak));
void sim_note_answer(int gpu, const char *key, int index) __attribute__((weak));

/* How often nvmlInit was called without nvmlShutdown. */
extern int sim_initialized;

#endif
