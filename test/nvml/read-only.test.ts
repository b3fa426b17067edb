import { expect, test } from 'vitest';
import { NVML_FUNCTIONS } from '../../src/nvml/table/functions.ts';
import type { NvmlFunction } from '../../src/nvml/table/shapes.ts';

/** What only looks, by nvml.h's own naming; anything that sets, clears, resets or frees does not match. */
const GETTER =
  /^nvml(?:Init(?:WithFlags)?|Shutdown|ErrorString|SystemGet\w+|DeviceGet\w+|Unit(?:Get\w+)|EventSet(?:Create|Wait|Free)|Gpm(?:\w*Get)\w*)(?:_v\d+)?$/;
/** Words of setters that could hide behind a getter's first word. */
const CHANGES =
  /Set|Clear|Reset|Create|Destroy|Enable|Disable|Inject|Remove|Modify|Freeze|Activate|Validate/;

/**
 * The one thing that is taken and given back: a GPM sample is memory of the calling process (nvml.h:
 * "Allocate a sample buffer"), and nothing of the GPU changes with it. Metrics come from two of them.
 */
const OWN_MEMORY = ['nvmlGpmSampleAlloc', 'nvmlGpmSampleFree'];
/**
 * Getters by other names: whether a GPU can be sampled, what a GPU instance of MIG is, and whether the
 * InfoROM is whole (nvml.h: "Reads the infoROM from the flash and verifies the checksums").
 */
const OTHER_GETTERS = [
  'nvmlGpmQueryDeviceSupport',
  'nvmlGpuInstanceGetInfo',
  'nvmlDeviceValidateInforom',
];

const symbols: readonly string[] = Object.values(NVML_FUNCTIONS).flatMap(row => [...row.symbols]);

test.each(symbols)('%s only reads', symbol => {
  if (OWN_MEMORY.includes(symbol) || OTHER_GETTERS.includes(symbol)) return;
  expect(symbol).toMatch(GETTER);
  expect(symbol.replace(/^nvml(?:System|Device|Unit)Get/, '')).not.toMatch(CHANGES);
});

test.each([
  'nvmlDeviceSetPowerManagementLimit',
  'nvmlDeviceClearEccErrorCounts',
  'nvmlDeviceResetGpuLockedClocks',
  'nvmlSystemSetConfComputeGpusReadyState',
  'nvmlDeviceCreateGpuInstance',
  'nvmlGpuInstanceDestroy',
  'nvmlGpmSetStreamingEnabled',
])('the pattern refuses %s', symbol => {
  expect(symbol).not.toMatch(GETTER);
});

test('every symbol stands in one row only, but for those that take several versions of a struct', () => {
  const rows: readonly NvmlFunction[] = Object.values(NVML_FUNCTIONS);
  const uses = rows.flatMap(({ symbols, output }) =>
    symbols.map(symbol => ({
      symbol,
      version: output.kind === 'struct' ? output.struct.version : undefined,
    })),
  );
  const several = uses.filter(({ symbol }, place) => symbols.indexOf(symbol) !== place);
  expect(several.filter(({ version }) => version === undefined)).toEqual([]);
});
