import { expect, test } from 'vitest';
import { mapReading, missing, present } from '../../src/contract/reading.ts';
import type { NodeFacts } from '../../src/findings/facts.ts';
import { gapsOf } from '../../src/findings/gaps.ts';
import type { GpuState } from '../../src/nvml/port.ts';
import { GPU_TYPES } from '../../src/simulation/gpu-types.ts';
import { machineFrom } from '../../src/simulation/machine.ts';
import { factsFor, withGpu } from '../fakes/facts.ts';
import { without } from '../fakes/missing.ts';
import { product } from '../scenarios/machines.ts';

const factsOf = (over: object) => factsFor(machineFrom('a kind of GPU', over));
const types = new Map<string, NodeFacts>();
for (const type of GPU_TYPES) types.set(type, await factsOf({ like: type }));

/** Why a reading that the driver says it does not support should be there. */
const missedOf = (facts: NodeFacts, path: string, gpu?: number) =>
  gapsOf(
    without(facts, {
      part: 'gpu',
      path,
      reason: 'not_supported',
      ...(gpu !== undefined && { gpu }),
    }),
  )
    .map(gap => /which .* (?:gives?)/.exec(gap)?.[0])
    .filter(words => words !== undefined);
const OF_ITS_KIND = ['which a GPU of its kind gives'];

const MODULES = ['a100-sxm4-40gb', 'a100-sxm4-80gb', 'h100-sxm', 'h200', 'b200'];
const SUPERCHIPS = ['gb200', 'gb300'];
const CARDS = ['t4', 'a10', 'l4', 'l40s'];
const ALL = [...CARDS, ...MODULES, ...SUPERCHIPS, 'h100-pcie'];
const PACKAGE_MEMORY = [...MODULES, ...SUPERCHIPS, 'h100-pcie'];
const REMAPS_BY_BANK = PACKAGE_MEMORY.filter(type => !/^g?b/.test(type));

test.each([
  ['memory', ALL],
  ['temperatureC', ALL],
  ['gpuUtilizationPercent', ALL],
  ['powerUsageMw', ALL],
  ['eccUncorrectedVolatile', ALL],
  ['pcieWidthCurrent', [...CARDS, ...MODULES, 'h100-pcie']],
  ['pcieReplayCounter', [...CARDS, ...MODULES, 'h100-pcie']],
  ['eccMode', PACKAGE_MEMORY],
  ['memoryTemperatureC', PACKAGE_MEMORY],
  ['slowdownTemperatureC', REMAPS_BY_BANK],
  ['remapHistogram', REMAPS_BY_BANK],
  ['remappedRows', ALL.filter(type => type !== 't4')],
  ['retiredPagesPending', ['t4']],
  ['nvlinks', [...MODULES, ...SUPERCHIPS]],
  ['fabric', ['h100-sxm', 'h200', 'b200', ...SUPERCHIPS]],
  ['c2c', SUPERCHIPS],
])('%s is missed of the kinds of GPU that have it, and of no other', (path, kinds) => {
  const missed = [...types].filter(([, facts]) => missedOf(facts, path).length > 0);
  expect(missed.map(([type]) => type).sort()).toEqual([...kinds].sort());
  for (const [, facts] of missed) expect(missedOf(facts, path)).toEqual(OF_ITS_KIND);
});

const MIG = { deviceGetMigMode: { current: 1, pending: 1 } };
const ECC_OFF = { deviceGetEccMode: { current: 0, pending: 0 } };
const V100 = {
  ...product('Tesla V100-SXM2-32GB', 5, 7),
  'deviceGetRetiredPages singleBit': [],
  'deviceGetRetiredPages doubleBit': [],
  deviceGetRetiredPagesPendingStatus: 0,
};
const RTX = product('NVIDIA RTX PRO 6000 Blackwell Server Edition', 10, 12);
const B300 = product('NVIDIA B300 SXM6 AC', 10, 10, 3);
const B999 = product('NVIDIA B999 SXM9', 10, 10, 5);
const driver = (version: string) => ({ driver: { answers: { systemGetDriverVersion: version } } });

test.each<
  [what: string, path: string, like: string, answers: object, over: object, missed: boolean]
>([
  ['a V100 has no sensor of its memory', 'memoryTemperatureC', 'h100-sxm', V100, {}, false],
  ['and no histogram of row remaps', 'remapHistogram', 'h100-sxm', V100, {}, false],
  ['but retires pages', 'retiredPagesPending', 'h100-sxm', V100, {}, true],
  ['and knows of no fabric', 'fabric', 'h100-sxm', V100, {}, false],
  ['a B300 remaps rows', 'remappedRows', 'b200', B300, {}, true],
  ['what a newer chip does is not known', 'remappedRows', 'b200', B999, {}, false],
  ['of cards of that generation neither', 'remappedRows', 'l40s', RTX, {}, false],
  ['utilization where MIG is on', 'gpuUtilizationPercent', 'h100-sxm', MIG, {}, false],
  ['links where MIG is on', 'nvlinks', 'h100-sxm', MIG, {}, false],
  ['errors where ECC is off', 'eccUncorrectedVolatile', 'l40s', ECC_OFF, {}, false],
  ['retired pages where ECC is off', 'retiredPagesPending', 't4', ECC_OFF, {}, false],
  ['a fabric, to a driver before it', 'fabric', 'h100-sxm', {}, driver('530.30.02'), false],
  ['a fabric, to the first driver that has it', 'fabric', 'h100-sxm', {}, driver('535.54'), true],
  ['C2C, to a driver before it', 'c2c', 'gb200', {}, driver('565.57.01'), false],
  ['C2C, to the first driver that has it', 'c2c', 'gb200', {}, driver('570.86.10'), true],
  ['C2C, where the driver does not say which it is', 'c2c', 'gb200', {}, driver('?'), false],
  [
    'a share of a GPU in a virtual machine',
    'memory',
    'l40s',
    { deviceGetVirtualizationMode: 2 },
    {},
    false,
  ],
])('%s: %s', async (_what, path, like, answers, over, isMissed) => {
  const facts = await factsOf({ like, everyGpu: { answers }, ...over });
  expect(missedOf(facts, path)).toEqual(isMissed ? OF_ITS_KIND : []);
});

test.each<[what: string, others: object, missed: boolean]>([
  ['of its model', {}, true],
  ['of another model', { deviceGetName: 'NVIDIA H100 NVL' }, false],
  ['reached in another way', { deviceGetVirtualizationMode: 1 }, false],
])('what a GPU beside it gives, %s', async (_what, answers, isMissed) => {
  const gpus = Object.fromEntries([0, 1, 2, 4, 5, 6, 7].map(index => [index, { answers }]));
  const facts = await factsOf({ like: 'h100-sxm', gpus });
  expect(missedOf(facts, 'recoveryAction', 3)).toEqual(
    isMissed ? ['which others beside it give'] : [],
  );
  // Who does not tell its name may be of that model.
  const nameless = without(facts, { part: 'gpu', path: 'name', reason: 'timeout', gpu: 3 });
  if (!isMissed)
    expect(missedOf(nameless, 'recoveryAction', 3).length > 0).toBe('deviceGetName' in answers);
});

/** All GPUs of a kind with other answers; without a chip only their names tell what they are. */
function kindOf(like: string, readings: Partial<GpuState>): NodeFacts {
  const facts = types.get(like);
  if (!facts) throw new Error(`no kind ${like}`);
  const gpus = facts.driver.gpus.map(gpu => ({ ...gpu, ...readings }));
  return { ...facts, driver: { ...facts.driver, gpus } };
}
const NO = missing('not_supported');
const CHIPLESS = { computeCapability: NO, architecture: NO, brand: NO, memoryTemperatureC: NO };
const called = (name: string) => ({ name: present(name) });
const chipOf = (capability: string) => ({ computeCapability: present(capability) });
const OF_EVERY = ['which every GPU gives'];

test.each<[like: string, readings: Partial<GpuState>, path: string, missed: readonly string[]]>([
  // A share of a GPU by its name alone.
  ['t4', called('GRID T4-16Q'), 'memory', []],
  ['t4', called('NVIDIA A40-48C'), 'memory', []],
  ['t4', called('NVIDIA A100-1-5C'), 'memory', []],
  ['t4', called('NVIDIA A40-48X'), 'memory', OF_ITS_KIND],
  // A superchip by the memory of its CPU, or by the link to it.
  ['gb200', { ...called('NVIDIA Graphics Device'), numaNode: present(1) }, 'c2c', OF_ITS_KIND],
  ['gb200', { ...called('NVIDIA Graphics Device'), numaNode: NO }, 'pcieWidthCurrent', []],
  ['gb200', { ...called('NVIDIA GB200'), numaNode: NO, c2c: NO }, 'c2c', OF_ITS_KIND],
  // A card for players, by its name or its brand.
  ['l40s', called('NVIDIA GeForce RTX 4090'), 'powerUsageMw', []],
  ['l40s', { ...called('NVIDIA Graphics Device'), brand: present('geforce') }, 'powerUsageMw', []],
  ['l40s', called('NVIDIA CMP 170HX'), 'powerUsageMw', []],
  ['l40s', called('NVIDIA TITAN RTX'), 'eccUncorrectedVolatile', OF_ITS_KIND],
  // A card for servers: by its chip, else by its name.
  ['l40s', called('NVIDIA New'), 'powerUsageMw', OF_ITS_KIND],
  ['l40s', { ...called('NVIDIA New'), ...chipOf('13.0') }, 'powerUsageMw', []],
  ['t4', { ...CHIPLESS, ...called('Tesla T4') }, 'powerUsageMw', OF_ITS_KIND],
  ['t4', { ...CHIPLESS, ...called('Quadro 8000') }, 'powerUsageMw', OF_ITS_KIND],
  ['t4', { ...CHIPLESS, ...called('NVIDIA A10G') }, 'powerUsageMw', OF_ITS_KIND],
  ['t4', { ...CHIPLESS, ...called('NVIDIA L4') }, 'powerUsageMw', OF_ITS_KIND],
  ['t4', { ...CHIPLESS, ...called('NVIDIA T4G') }, 'powerUsageMw', OF_ITS_KIND],
  ['t4', { ...CHIPLESS, ...called('NVIDIA X1') }, 'powerUsageMw', []],
  ['t4', { ...CHIPLESS, ...called('NVIDIA X1') }, 'memory', OF_EVERY],
  // Memory in the package: by the name, or by its thermometer.
  ['t4', { ...CHIPLESS, ...called('NVIDIA H20') }, 'eccMode', OF_ITS_KIND],
  ['t4', { ...CHIPLESS, ...called('NVIDIA B300') }, 'eccMode', OF_ITS_KIND],
  ['t4', { ...CHIPLESS, ...called('NVIDIA X1 SXM') }, 'eccMode', OF_ITS_KIND],
  ['t4', { ...CHIPLESS, ...called('NVIDIA H90') }, 'eccMode', []],
  ['t4', { ...called('NVIDIA H200'), ...chipOf('13.0') }, 'eccMode', OF_ITS_KIND],
  [
    't4',
    { ...CHIPLESS, ...called('NVIDIA X1'), memoryTemperatureC: present(40) },
    'eccMode',
    OF_ITS_KIND,
  ],
  // An architecture that has one chip stands for it.
  [
    'l40s',
    { ...CHIPLESS, ...called('X1'), architecture: present('ada') },
    'remappedRows',
    OF_ITS_KIND,
  ],
  // Parts of a processor.
  ['t4', { ...CHIPLESS, ...called('Orin (nvgpu)') }, 'memory', []],
  ['t4', { ...CHIPLESS, ...called('Orin (nvgpu)') }, 'temperatureC', OF_ITS_KIND],
])('a %s that answers %j: %s', (like, readings, path, missed) => {
  expect(missedOf(kindOf(like, readings), path)).toEqual(missed);
});

const H100 = kindOf('h100-sxm', {});
const [module] = H100.driver.gpus;
if (!module) throw new Error('no GPU');
const linkless = mapReading(module.nvlinks, ({ links, ...all }) => ({
  ...all,
  links: links.map(link => ({ ...link, remoteType: missing('timeout') })),
}));
const fabric = (state: string) =>
  mapReading(module.fabric, info => ({
    ...info,
    state: state === '' ? info.state : 'not_supported',
  }));

/** So many modules of a board, whose bus shows switches or none. */
function board(readings: Partial<GpuState>, { count = 8, switches = false }): NodeFacts {
  const { host, driver, ...facts } = kindOf('h100-sxm', readings);
  const [gpu] = (host.pciDevices.ok ? host.pciDevices.value : []).filter(
    ({ kind }) => kind === 'gpu',
  );
  if (!gpu) throw new Error('no GPU on the bus');
  const pciDevices = mapReading(host.pciDevices, devices => [
    ...devices.filter(({ kind }) => kind === 'gpu'),
    ...(switches ? [{ ...gpu, pci: '0000:07:00', kind: 'nvswitch' as const }] : []),
  ]);
  const gpus = driver.gpus.slice(0, count);
  return { ...facts, host: { ...host, pciDevices }, driver: { ...driver, gpus } };
}

const GIVEN_TO_A_MACHINE = {
  virtualizationMode: present('passthrough' as const),
  nvlinks: linkless,
};

test.each<[what: string, facts: NodeFacts, path: string, missed: readonly string[]]>([
  [
    'switches on the bus, a fabric',
    board({ nvlinks: linkless }, { switches: true }),
    'fabric',
    OF_ITS_KIND,
  ],
  ['no switch in sight, no fabric', board({ nvlinks: linkless }, {}), 'fabric', []],
  ['at the end of a link, a fabric', board({}, {}), 'fabric', OF_ITS_KIND],
  ['a whole board, links', board({ fabric: fabric('none') }, {}), 'nvlinks', OF_ITS_KIND],
  [
    'some modules in a virtual machine without a fabric, no links',
    board({ ...GIVEN_TO_A_MACHINE, fabric: fabric('none') }, { count: 4 }),
    'nvlinks',
    [],
  ],
  [
    'a board of them, links',
    board({ ...GIVEN_TO_A_MACHINE, fabric: fabric('none') }, {}),
    'nvlinks',
    OF_ITS_KIND,
  ],
  [
    'some of them whose fabric was not read, links',
    board({ ...GIVEN_TO_A_MACHINE, fabric: missing('timeout') }, { count: 4 }),
    'nvlinks',
    OF_ITS_KIND,
  ],
  [
    'one of them, no links',
    board({ ...GIVEN_TO_A_MACHINE, fabric: missing('timeout') }, { count: 1 }),
    'nvlinks',
    [],
  ],
  ['in a fabric, links', board({ ...GIVEN_TO_A_MACHINE }, { count: 4 }), 'nvlinks', OF_ITS_KIND],
])('of modules: %s', (_, facts, path, missed) => {
  expect(missedOf(facts, path)).toEqual(missed);
});

test('NVLinks that no GPU of a tray gives are missed as long as one is in the fabric', () => {
  const tray = types.get('gb200');
  const [first] = tray?.driver.gpus ?? [];
  if (!tray || !first) throw new Error('no gb200');
  const fabric = mapReading(first.fabric, each => ({ ...each, state: 'not_supported' as const }));
  expect(missedOf(withGpu(tray, 0, { fabric }), 'nvlinks')).toEqual(OF_ITS_KIND);
});
