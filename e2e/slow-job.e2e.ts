import { afterAll, beforeAll, describe, expect, inject, test } from 'vitest';
import * as z from 'zod';
import { machineFrom } from '../src/simulation/machine.ts';
import { LIBRARY, MACHINE_FILE, nodeNamed, putData, putMachine } from './machines.ts';
import { kubectl, leftAfterTenSeconds, withImage } from './plugin.ts';

const JOB = 'e2e-slow';
const NODES = ['node-a', 'node-b'];

/** Two pods of one Job that only wait: what their GPUs do is what the driver of each node tells. */
const MANIFEST = {
  ...{ apiVersion: 'batch/v1', kind: 'Job', metadata: { name: JOB } },
  spec: {
    ...{ parallelism: 2, completions: 2, completionMode: 'Indexed', backoffLimit: 0 },
    template: {
      spec: {
        ...{ restartPolicy: 'Never', terminationGracePeriodSeconds: 0 },
        containers: [
          {
            ...{ name: 'train', image: inject('image'), imagePullPolicy: 'Never' },
            command: ['node', '-e', 'setInterval(() => {}, 1e6)'],
          },
        ],
      },
    },
  },
};

/** Spins in a collective: busy, cold, and its memory at rest; a little goes over its NVLinks. */
const WAITING = {
  answers: {
    deviceGetUtilizationRates: { gpu: 100, memory: 4 },
    deviceGetPowerUsage: 128_000,
    deviceGetCurrentClocksEventReasons: 0,
    deviceGetTemperature: 44,
    'deviceGetClockInfo sm': 1_410,
  },
  moves: {
    'deviceGetFieldValue nvlinkDataTx': { perSecond: 2_048_000 },
    'deviceGetFieldValue nvlinkDataRx': { perSecond: 1_024_000 },
  },
};

/** The one that all wait for: it works, and heat holds it to half of its clock. */
const HOT = {
  answers: {
    deviceGetUtilizationRates: { gpu: 100, memory: 61 },
    deviceGetPowerUsage: 265_000,
    deviceGetTemperature: 91,
    'deviceGetClockInfo sm': 705,
    // hw_slowdown and hw_thermal_slowdown of nvml.h.
    deviceGetCurrentClocksEventReasons: 0x48,
  },
  moves: { 'deviceGetFieldValue hwThermalSlowdown': { perSecond: 970_000_000 } },
};

function putA100(node: string, gpus: object = {}): void {
  const machine = { like: 'a100-sxm4-80gb', everyGpu: WAITING, gpus };
  putData(node, machineFrom('slow', machine));
}

beforeAll(async () => {
  nodeNamed('node-b').writeFile(LIBRARY, { copyOf: inject('library') });
  const made = await kubectl(['create', '-f', '-'], { input: JSON.stringify(MANIFEST) });
  expect(made.code, made.stderr).toBe(0);
  const pods = await until(podNames, names => names.length === 2);
  // This cluster has no scheduler: each pod is bound by hand, as one would do it.
  for (const [at, name] of pods.entries()) {
    const binding = {
      ...{ apiVersion: 'v1', kind: 'Binding', metadata: { name } },
      target: { apiVersion: 'v1', kind: 'Node', name: NODES[at] },
    };
    const path = `/api/v1/namespaces/default/pods/${name}/binding`;
    const bound = await kubectl(['create', '--raw', path, '-f', '-'], {
      input: JSON.stringify(binding),
    });
    expect(bound.code, bound.stderr).toBe(0);
  }
  await until(
    () => podField('{.items[*].status.phase}'),
    phases => phases === 'Running Running',
  );
});

afterAll(async () => {
  await kubectl(['delete', 'job', JOB, '--ignore-not-found', '--cascade=foreground']);
  await nodeNamed('node-b').exec(['rm', '-f', LIBRARY, MACHINE_FILE, '/var/log/kern.log']);
  putMachine('node-a', 'lost-gpu');
});

async function podField(path: string): Promise<string> {
  const of = ['-l', `job-name=${JOB}`, '--sort-by=.metadata.name'];
  return (await kubectl(['get', 'pods', ...of, '-o', `jsonpath=${path}`])).stdout;
}

const podNames = async () =>
  (await podField('{.items[*].metadata.name}')).split(' ').filter(Boolean);

async function until<T>(read: () => Promise<T>, isIt: (value: T) => boolean): Promise<T> {
  for (const endMs = Date.now() + 60_000; ; ) {
    const value = await read();
    if (isIt(value)) return value;
    if (Date.now() > endMs) throw new Error(`it is still ${JSON.stringify(value)}`);
    await new Promise(resolve => setTimeout(resolve, 250));
  }
}

const Items = z.array(
  z.looseObject({
    answer: z.looseObject({
      findings: z.array(z.looseObject({ severity: z.string(), blame: z.string().optional() })),
    }),
  }),
);

const triaged = (...args: string[]) => kubectl(withImage('triage', `job/${JOB}`, ...args, '-q'));

describe('a job of two nodes with eight A100 each', () => {
  test('waits for the one that heat holds down: it is named with its reading and its node', async () => {
    putA100('node-a');
    putA100('node-b', { 6: HOT });
    const ran = await triaged('-o', 'json');
    const { job } = JSON.parse(ran.stdout);
    expect(job, ran.stderr).toMatchObject({
      ...{ state: 'running', fault: 'host', confidence: 'high', action: 'drain' },
      takeOut: 'node-b',
      first: { node: 'node-b', pod: (await podNames())[1] },
      pace: {
        ...{ kind: 'straggler', nodes: 2, gpus: 16, silent: 0 },
        stragglers: [{ node: 'node-b', gpus: [6], cause: 'heat' }],
      },
    });
    expect(job.pace.seconds).toBeGreaterThanOrEqual(3.5);
    expect(job.pace.stragglers[0].reading).toMatch(
      /^GPU 6 on node-b: SM clock 705 of 1410 MHz, held by hardware thermal slowdown \d+ % of the time at 91 °C; the 15 others wait$/,
    );
    const page = (await triaged()).stdout;
    expect(page).toMatch(/^RUNNING {2}Job\/e2e-slow /);
    expect(page).toContain('GPU 6 on node-b');
    expect(page).toMatch(/\nFault of the host, high confidence\.\n/);
    expect(page).toMatch(/\nDO +Take node node-b out of the job\./);
    expect(page).toContain('kubectl cordon node-b');
    const [ofJob = ''] = page.split('\n== ');
    expect(ofJob).not.toContain('cordon node-a');
    expect(await leftAfterTenSeconds()).toEqual([]);
  });

  test('waits alike: no GPU is accused, and the traffic of NVLink is told by its counters', async () => {
    putA100('node-a');
    putA100('node-b');
    const ran = await triaged('-o', 'json');
    const { job, items } = JSON.parse(ran.stdout);
    expect(job, ran.stderr).toMatchObject({
      state: 'running',
      pace: { kind: 'waits', nodes: 2, gpus: 16, stragglers: [], fault: 'unknown' },
    });
    expect(job).not.toHaveProperty('takeOut');
    const rate = /NVLink (\d+) MiB\/s by counters/.exec(job.pace.text)?.[1];
    // The busier way moves 2,000 MiB/s, the other 1,000; whole seconds of a window of 4 give 1,500 to 2,500.
    expect(Number(rate), job.pace.text).toBeGreaterThanOrEqual(1_400);
    expect(Number(rate), job.pace.text).toBeLessThanOrEqual(2_600);
    // That these nodes have no device files and no device plugin is said, and accuses no part of them.
    expect(['unknown', 'configuration'], JSON.stringify(job, null, 1)).toContain(job.fault);
    const blamed = Items.parse(items)
      .flatMap(({ answer }) => answer.findings)
      .filter(({ severity }) => severity !== 'info');
    expect(blamed.map(({ blame }) => blame)).not.toContain('hardware');
    const [ofJob = ''] = (await triaged()).stdout.split('\n== ');
    expect(ofJob.replaceAll(/\s+/g, ' ')).toContain('all wait alike');
    expect(ofJob).not.toMatch(/Hardware fault|Take node/);
    expect(await leftAfterTenSeconds()).toEqual([]);
  });
});
