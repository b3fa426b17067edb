/* GPU performance monitoring: samples remember their GPU, and metrics are the machine's. */
#include "machine.h"

#include <stdlib.h>

struct nvmlGpmSample_st {
    nvmlDevice_t device;
};

nvmlReturn_t nvmlGpmQueryDeviceSupport(nvmlDevice_t device, nvmlGpmSupport_t *support)
{
    values_t values;
    if (support->version != NVML_GPM_SUPPORT_VERSION) return NVML_ERROR_ARGUMENT_VERSION_MISMATCH;
    nvmlReturn_t code = sim_device_answer(device, "gpmQueryDeviceSupport", -1, -1, &values);
    if (code == NVML_SUCCESS) support->isSupportedDevice = (unsigned int)sim_number(&values, 1);
    return code;
}

nvmlReturn_t nvmlGpmSampleAlloc(nvmlGpmSample_t *sample)
{
    values_t values;
    if (!sim_initialized) return NVML_ERROR_UNINITIALIZED;
    nvmlReturn_t code = sim_answer(DRIVER_WIDE, "gpmSampleAlloc", -1, -1, &values);
    if (code != NVML_SUCCESS) return code;
    *sample = calloc(1, sizeof(**sample));
    return *sample ? NVML_SUCCESS : NVML_ERROR_MEMORY;
}

nvmlReturn_t nvmlGpmSampleFree(nvmlGpmSample_t sample)
{
    if (!sample) return NVML_ERROR_INVALID_ARGUMENT;
    free(sample);
    return NVML_SUCCESS;
}

nvmlReturn_t nvmlGpmSampleGet(nvmlDevice_t device, nvmlGpmSample_t sample)
{
    values_t values;
    if (!sample) return NVML_ERROR_INVALID_ARGUMENT;
    nvmlReturn_t code = sim_device_answer(device, "gpmSampleGet", -1, -1, &values);
    if (code == NVML_SUCCESS) sample->device = device;
    return code;
}

nvmlReturn_t nvmlGpmMetricsGet(nvmlGpmMetricsGet_t *asked)
{
    values_t values;
    if (asked->version != NVML_GPM_METRICS_GET_VERSION) return NVML_ERROR_ARGUMENT_VERSION_MISMATCH;
    if (!asked->sample1 || !asked->sample2 || asked->sample1 == asked->sample2)
        return NVML_ERROR_INVALID_ARGUMENT;
    nvmlDevice_t device = asked->sample2->device;
    if (!device || asked->sample1->device != device) return NVML_ERROR_INVALID_ARGUMENT;
    nvmlReturn_t code = sim_device_answer(device, "gpmMetricsGet", -1, -1, &values);
    if (code != NVML_SUCCESS) return code;
    for (unsigned int place = 0; place < asked->numMetrics; place++) {
        nvmlGpmMetric_t *metric = &asked->metrics[place];
        metric->nvmlReturn =
            sim_device_answer(device, "gpmMetric", (int)metric->metricId, -1, &values);
        if (metric->nvmlReturn == NVML_SUCCESS && values.count > 0)
            metric->value = strtod(values.texts[0], NULL);
    }
    return NVML_SUCCESS;
}
