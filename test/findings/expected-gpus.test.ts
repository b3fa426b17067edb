import { expect, test } from 'vitest';
import { expectedGpus } from '../../src/findings/rules/expected-gpus.ts';
import { COUNTS } from '../scenarios/counts.ts';
import { outcomeOf } from '../scenarios/index.ts';

/** The finding on the counts of a scenario, by the beginning of its name. */
async function cluesOf(begins: string) {
  const scenario = COUNTS.find(({ name }) => name.startsWith(begins));
  if (!scenario) throw new Error(`no scenario begins with "${begins}"`);
  return expectedGpus((await outcomeOf(scenario)).facts);
}

test('a GPU that the bus does not show is told with every layer, its name and since when', async () => {
  const [clue] = await cluesOf('the bus shows seven GPUs since');
  expect(clue).toMatchObject({
    title: 'A p5.48xlarge has 8 GPUs (H100), the PCI bus of this node shows 7',
    action: 'power_cycle',
    blame: 'hardware',
    confidence: 'high',
    evidence: [
      {
        what: 'GPUs by layer: PCI bus 7, kernel module 7, /dev 7, NVML 7, kubelet 8, node capacity 8, node allocatable 7, node label 8, instance type 8',
      },
      {
        what: '0000:df:00 was there and is not on the PCI bus now: lost',
        time: '2026-03-01T10:00:00.000Z',
      },
    ],
  });
});

test('a GPU that the driver misses and one that the plugin misses have other causes', async () => {
  expect(await cluesOf('all eight GPUs are on the bus')).toMatchObject([
    {
      title: 'All 8 GPUs of a p5.48xlarge are on the PCI bus, the driver counts 7',
      severity: 'info',
      blame: 'driver',
    },
  ]);
  expect(await cluesOf('the device plugin registered seven')).toMatchObject([
    {
      title: 'The driver has 8 GPUs, the node has a capacity of 7',
      severity: 'warning',
      blame: 'configuration',
    },
  ]);
});
