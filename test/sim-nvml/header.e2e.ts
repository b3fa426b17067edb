import { expect, test } from 'vitest';
import {
  ADDRESSING_MODES,
  ARCHITECTURES,
  BRANDS,
  CLOCKS_EVENT_REASONS,
  COMPUTE_MODES,
  ENUMS,
  FABRIC_CONFIGURATIONS,
  FABRIC_STATES,
  FABRIC_SUMMARIES,
  GPU_INSTANCE_PROFILES,
  HOST_VGPU_MODES,
  NVLINK_DEVICES,
  NVLINK_STATES,
  P2P_STATUSES,
  PERFORMANCE_STATE_UNKNOWN,
  PROCESS_MODE_ALL,
  TOPOLOGY_LEVELS,
  VIRTUALIZATION_MODES,
} from '../../src/nvml/table/enums.ts';
import { FIELD_IDS, GPM_METRICS, POWER_SCOPES } from '../../src/nvml/table/field-ids.ts';
import { NVML_FUNCTIONS } from '../../src/nvml/table/functions.ts';
import { layoutOf, structVersion } from '../../src/nvml/table/layout.ts';
import { RETURN_CODES } from '../../src/nvml/table/return-codes.ts';
import type { NvmlFunction } from '../../src/nvml/table/shapes.ts';
import { STRUCTS } from '../../src/nvml/table/structs.ts';
import { runWithNvmlHeader } from './build.ts';

/** Facts of our tables: an expression of C, and the number that we take it for. */
const facts: readonly (readonly [string, number])[] = [
  ...STRUCTS.flatMap(struct => {
    const { byteSize, offsets } = layoutOf(struct);
    return [
      [`sizeof(${struct.name})`, byteSize] as const,
      ...Object.entries(offsets).map(
        ([member, offset]) => [`offsetof(${struct.name}, ${member})`, offset] as const,
      ),
      ...(struct.bareVersion === undefined
        ? []
        : [[struct.bareVersion.name, struct.bareVersion.number] as const]),
      ...(struct.version === undefined
        ? []
        : [[struct.name.replace(/_t$/, ''), structVersion(struct, struct.version)] as const]),
    ];
  }),
  ...Object.values(ENUMS).flatMap(members =>
    Object.values(members).map(({ name, number }) => [name, number] as const),
  ),
  ...Object.entries(RETURN_CODES).map(
    ([reason, code]) => [`NVML_ERROR_${reason.toUpperCase()}`, code] as const,
  ),
  ...CLOCKS_EVENT_REASONS.map(({ define, bit }) => [define, Number(bit)] as const),
  ...COMPUTE_MODES.map(
    (name, number) => [`NVML_COMPUTEMODE_${name.toUpperCase()}`, number] as const,
  ),
  ...Object.values(FIELD_IDS).flatMap(({ name, numbers }) =>
    numbers.map((number, link) => [name.replace('#', String(link)), number] as const),
  ),
  ...Object.values(GPM_METRICS).map(({ name, number }) => [name, number] as const),
  ...words('NVML_BRAND', BRANDS),
  ...words('NVML_GPU_VIRTUALIZATION_MODE', VIRTUALIZATION_MODES),
  ...words('NVML_HOST_VGPU_MODE', HOST_VGPU_MODES),
  ...words('NVML_NVLINK_STATE', NVLINK_STATES),
  ...words('NVML_GPU_FABRIC_STATE', FABRIC_STATES),
  ...words('NVML_GPU_FABRIC_HEALTH_SUMMARY', FABRIC_SUMMARIES),
  ...words('NVML_GPU_FABRIC_HEALTH_MASK_INCORRECT_CONFIGURATION', FABRIC_CONFIGURATIONS),
  ...words('NVML_P2P_STATUS', P2P_STATUSES),
  ...words('NVML_DEVICE_ADDRESSING_MODE', ADDRESSING_MODES),
  ...words('NVML_POWER_SCOPE', Object.keys(POWER_SCOPES)),
  ...Object.entries(ARCHITECTURES).map(
    ([number, name]) => [`NVML_DEVICE_ARCH_${name.toUpperCase()}`, Number(number)] as const,
  ),
  ['NVML_NVLINK_DEVICE_TYPE_GPU', NVLINK_DEVICES.indexOf('gpu')],
  ['NVML_NVLINK_DEVICE_TYPE_IBMNPU', NVLINK_DEVICES.indexOf('npu')],
  ['NVML_NVLINK_DEVICE_TYPE_SWITCH', NVLINK_DEVICES.indexOf('switch')],
  ['NVML_TOPOLOGY_INTERNAL', levelOf('internal')],
  ['NVML_TOPOLOGY_SINGLE', levelOf('PIX')],
  ['NVML_TOPOLOGY_MULTIPLE', levelOf('PXB')],
  ['NVML_TOPOLOGY_HOSTBRIDGE', levelOf('PHB')],
  ['NVML_TOPOLOGY_NODE', levelOf('NODE')],
  ['NVML_TOPOLOGY_SYSTEM', levelOf('SYS')],
  ['NVML_GPU_FABRIC_HEALTH_MASK_SHIFT_DEGRADED_BW', 0],
  ['NVML_GPU_FABRIC_HEALTH_MASK_SHIFT_ROUTE_RECOVERY', 2],
  ['NVML_GPU_FABRIC_HEALTH_MASK_SHIFT_ROUTE_UNHEALTHY', 4],
  ['NVML_GPU_FABRIC_HEALTH_MASK_SHIFT_ACCESS_TIMEOUT_RECOVERY', 6],
  ['NVML_GPU_FABRIC_HEALTH_MASK_SHIFT_INCORRECT_CONFIGURATION', 8],
  ['NVML_GPU_FABRIC_HEALTH_MASK_WIDTH_INCORRECT_CONFIGURATION', 0xf],
  ['NVML_GPU_FABRIC_HEALTH_MASK_ROUTE_UNHEALTHY_TRUE', 1],
  ['NVML_GPU_FABRIC_HEALTH_MASK_ROUTE_UNHEALTHY_FALSE', 2],
  ['NVML_AFFINITY_SCOPE_NODE', 0],
  ['NVML_GPU_INSTANCE_PROFILE_COUNT', GPU_INSTANCE_PROFILES],
  ['NVML_PROCESS_MODE_ALL', PROCESS_MODE_ALL],
  ['NVML_PSTATE_UNKNOWN', PERFORMANCE_STATE_UNKNOWN],
  ['NVML_VALUE_TYPE_DOUBLE', 0],
  ['NVML_VALUE_TYPE_UNSIGNED_INT', 1],
  ['NVML_VALUE_TYPE_UNSIGNED_LONG', 2],
  ['NVML_VALUE_TYPE_UNSIGNED_LONG_LONG', 3],
  ['NVML_VALUE_TYPE_SIGNED_LONG_LONG', 4],
  ['NVML_VALUE_TYPE_SIGNED_INT', 5],
  ['NVML_VALUE_TYPE_UNSIGNED_SHORT', 6],
  ['NVML_SYSTEM_DRIVER_VERSION_BUFFER_SIZE', textBytes('systemGetDriverVersion')],
  ['NVML_SYSTEM_NVML_VERSION_BUFFER_SIZE', textBytes('systemGetNVMLVersion')],
  ['NVML_DEVICE_NAME_V2_BUFFER_SIZE', textBytes('deviceGetName')],
  ['NVML_DEVICE_UUID_V2_BUFFER_SIZE', textBytes('deviceGetUUID')],
  ['NVML_DEVICE_SERIAL_BUFFER_SIZE', textBytes('deviceGetSerial')],
  ['NVML_DEVICE_VBIOS_VERSION_BUFFER_SIZE', textBytes('deviceGetVbiosVersion')],
  ['NVML_DEVICE_PART_NUMBER_BUFFER_SIZE', textBytes('deviceGetBoardPartNumber')],
  ['NVML_DEVICE_INFOROM_VERSION_BUFFER_SIZE', textBytes('deviceGetInforomImageVersion')],
  ['NVML_DEVICE_INFOROM_VERSION_BUFFER_SIZE', textBytes('deviceGetInforomVersion')],
  ['NVML_GSP_FIRMWARE_VERSION_BUF_SIZE', textBytes('deviceGetGspFirmwareVersion')],
];

/** Names in the order of their numbers, with what nvml.h has before each. */
function words(prefix: string, names: readonly string[]) {
  return names.map((name, number) => [`${prefix}_${name.toUpperCase()}`, number] as const);
}

function levelOf(path: string): number {
  return Number(Object.entries(TOPOLOGY_LEVELS).find(([, name]) => name === path)?.[0]);
}

function textBytes(name: keyof typeof NVML_FUNCTIONS): number {
  const row: NvmlFunction = NVML_FUNCTIONS[name];
  return row.output.kind === 'text' || row.output.kind === 'unsizedText' ? row.output.byteSize : 0;
}

/** Prints every expression as the compiler works it out of NVIDIA's header. */
const program = `
#define NVML_NO_UNVERSIONED_FUNC_DEFS
#include <stddef.h>
#include <stdio.h>
#include "nvml.h"
int main(void) {
${facts.map(([expression]) => `  printf("%s %lld\\n", ${JSON.stringify(expression)}, (long long)(${expression}));`).join('\n')}
  return 0;
}
`;

const told = new Map(
  (await runWithNvmlHeader(program))
    .trim()
    .split('\n')
    .map(line => {
      const end = line.lastIndexOf(' ');
      return [line.slice(0, end), Number(line.slice(end + 1))] as const;
    }),
);

test.each(facts)('nvml.h: %s is %i', (expression, number) => {
  expect(told.get(expression)).toBe(number);
});
