/*
 * Writes down every call that comes from outside of the library, into `sim-nvml.calls` beside it: a
 * line a call, the function's name and what it asked the machine's file for. Linked in where
 * build.ts is asked to count; the compiler then calls the hook below at each function's begin.
 */
#define _GNU_SOURCE
#include "machine.h"

#include <dlfcn.h>
#include <fcntl.h>
#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <unistd.h>

/* The C library has empty hooks of these names: ours must not be visible to be taken. */
#define HOOK __attribute__((no_instrument_function, visibility("hidden")))

HOOK void __cyg_profile_func_enter(void *function, void *call_site);
HOOK void __cyg_profile_func_exit(void *function, void *call_site);

__attribute__((no_instrument_function, format(printf, 1, 2))) static void
note(const char *format, ...)
{
    static int file = -2;
    char text[256];
    if (file == -2) {
        char path[PATH_MAX];
        sim_path_beside("sim-nvml.calls", path, sizeof(path));
        file = open(path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0644);
    }
    va_list arguments;
    va_start(arguments, format);
    int length = vsnprintf(text, sizeof(text), format, arguments);
    va_end(arguments);
    if (write(file, text, (size_t)length) != length) _exit(70);
}

void __cyg_profile_func_enter(void *function, void *call_site)
{
    Dl_info ours, theirs;
    if (!dladdr(function, &ours) || ours.dli_saddr != function || !ours.dli_sname) return;
    if (dladdr(call_site, &theirs) && theirs.dli_fbase == ours.dli_fbase) return;
    note("\n%s", ours.dli_sname);
}

void __cyg_profile_func_exit(void *function, void *call_site)
{
    (void)function;
    (void)call_site;
}

__attribute__((no_instrument_function)) void sim_note_private(int slot)
{
    note("\nprivate:%d", slot);
}

__attribute__((no_instrument_function)) void sim_note_answer(int gpu, const char *key, int index)
{
    if (index == NO_INDEX) note(" %d/%s", gpu, key);
    else note(" %d/%s@%d", gpu, key, index);
}
