import { expect, test } from 'vitest';
import { CLOCKS_EVENT_REASONS } from '../../src/nvml/clocks-event-reasons.ts';
import { COMPUTE_MODES, ENUMS, PERFORMANCE_STATE_UNKNOWN } from '../../src/nvml/enums.ts';
import { NVML_FUNCTIONS } from '../../src/nvml/functions.ts';
import { layoutOf, structVersion } from '../../src/nvml/layout.ts';
import { RETURN_CODES } from '../../src/nvml/return-codes.ts';
import type { NvmlFunction } from '../../src/nvml/shapes.ts';
import { STRUCTS } from '../../src/nvml/structs.ts';
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
];

function textBytes(name: keyof typeof NVML_FUNCTIONS): number {
  const row: NvmlFunction = NVML_FUNCTIONS[name];
  return row.output.kind === 'text' ? row.output.byteSize : 0;
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
