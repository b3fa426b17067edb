import { mkdtempSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { GpuMcpError, UsageError } from '../../src/contract/errors.ts';
import { MACHINE_BYTES_MAX } from '../../src/contract/limits.ts';
import { known } from '../../src/contract/reading.ts';
import { simulatedCluster } from '../../src/simulation/cluster.ts';
import { machineOf, machineOfText } from '../../src/simulation/machine-file.ts';
import { flatten } from '../sim-nvml/flatten.ts';
import { inProcessNvml } from './in-process.ts';

const never = new AbortController().signal;
const own = (over: object = {}) => ({ version: 1, like: 'h100-sxm', title: 'mine', ...over });
const gpu3 = (part: object) => own({ gpus: { 3: part } });
const answer = (key: string, value: unknown) => gpu3({ answers: { [key]: value } });

/** What is refused, as a person reads it: the sentence and the hint. */
function refused(text: string): string {
  try {
    machineOfText(text, 'my.json');
  } catch (error) {
    if (!(error instanceof UsageError)) throw error;
    expect(error.exit).toBe(2);
    expect(error.message).not.toContain('\n');
    return `${error.message}${error.hint === undefined ? '' : `; ${error.hint}`}`;
  }
  throw new Error('it was taken');
}

const NESTED = `${'{"a":'.repeat(40)}1${'}'.repeat(40)}`;

// biome-ignore format: a table
const BROKEN: readonly (readonly [string, object | string, string])[] = [
  ['an empty file', '', 'it is empty'],
  ['no JSON', '{\n  "version": 1,\n  "like": h100\n}', 'it is no JSON at line 3, column 11'],
  ['a comma too much', '{"version": 1,}', 'it is no JSON at line 1, column 15'],
  ['cut off', '{"version": 1, "like": "t4"', 'it is no JSON at line 1, column 28'],
  ['a list', '[]', 'a machine is an object, not a list'],
  ['a number', '7', 'a machine is an object, not 7'],
  ['no version', { like: 't4' }, '"version" is missing'],
  ['a later version', own({ version: 2 }), '"version" is 2, and this plugin knows version 1 alone'],
  ['a version as a text', own({ version: '1' }), '"version" is the text "1"'],
  ['a type that is not there', own({ like: 'h100sxm' }), 'like: there is no machine or GPU type "h100sxm"; there is h100-sxm'],
  ['a trap for a type', own({ like: 'constructor' }), 'like: there is no machine or GPU type "constructor"'],
  ['a type that is no text', own({ like: 7 }), 'like: there is no machine or GPU type "7"'],
  ['no title', { version: 1, gpus: [] }, 'title: is missing (and 3 more); a text'],
  ['a word that is wrong', own({ kernellog: {} }), '"kernellog" is not known here; kernelLog'],
  ['a prototype', '{"version": 1, "like": "t4", "host": {"__proto__": {"polluted": true}}}', 'host: "__proto__" is no word of a machine'],
  ['endless depth', `{"version": 1, "like": "t4", "host": ${NESTED}}`, 'host.a.a.a.a.a.a.a: this is nested too deep'],
  ['a GPU beyond the last', own({ gpus: { 8: {} } }), 'gpus.8: the machine it is like has 0 to 7'],
  ['a GPU by its name', own({ gpus: { first: {} } }), 'gpus.first: the machine it is like has 0 to 7'],
  ['GPUs as a text', own({ gpus: 'all' }), 'gpus: a list belongs here, not the text "all"'],
  ['more GPUs than a machine has', own({ gpus: Array.from({ length: 65 }, () => ({})) }), 'gpus: a list of 64 at most belongs here'],
  ['a function that is not there', answer('deviceGetTemprature', 50), 'gpus.3.answers.deviceGetTemprature: NVML has no function "deviceGetTemprature"; deviceGetTemperature'],
  ['a clock that is not there', answer('deviceGetClockInfo video', 1), 'gpus.3.answers["deviceGetClockInfo video"]: "deviceGetClockInfo video" is no question to NVML; deviceGetClockInfo graphics|sm|memory'],
  ['a field that is not there', answer('deviceGetFieldValue nvlinkStat 3', 1), 'NVML has no field "nvlinkStat"; nvlinkState'],
  ['a number as a text', answer('deviceGetTemperature', 'hot'), 'gpus.3.answers.deviceGetTemperature: a number belongs here, not the text "hot"'],
  ['half a number', answer('deviceGetTemperature', 61.5), 'gpus.3.answers.deviceGetTemperature: a whole number belongs here, not 61.5'],
  ['less than nothing', answer('deviceGetPowerUsage', -5), 'gpus.3.answers.deviceGetPowerUsage: -5 is no uint32: 0 to 4294967295'],
  ['a name longer than nvml.h has', answer('deviceGetName', 'x'.repeat(200)), 'gpus.3.answers.deviceGetName: this text has'],
  ['a number for a struct', answer('deviceGetMemoryInfo', 5), 'gpus.3.answers.deviceGetMemoryInfo: an object of members belongs here, not 5; version, total, reserved, free, used'],
  ['a member that is not there', answer('deviceGetUtilizationRates', { cpu: 5 }), 'gpus.3.answers.deviceGetUtilizationRates: there is no member "cpu"; gpu, memory'],
  ['an object for a list', answer('deviceGetComputeRunningProcesses', { pid: 5 }), 'gpus.3.answers.deviceGetComputeRunningProcesses: a list belongs here, not an object'],
  ['a set without an end', answer('deviceGetCpuAffinity', '0-4000000000'), 'a set of numbers belongs here; "0-47,96-143"'],
  ['null', answer('deviceGetTemperature', null), 'gpus.3.answers.deviceGetTemperature: a number belongs here, not null'],
  ['a code that is no return code', gpu3({ faults: { deviceGetName: { return: 'gpu_is_lots' } } }), 'gpus.3.faults.deviceGetName.return: the text "gpu_is_lots" is none of its values; gpu_is_lost'],
  ['a fault of nothing', gpu3({ faults: { deviceGetNam: { hang: true } } }), 'gpus.3.faults.deviceGetNam: NVML has no function "deviceGetNam"; deviceGetName'],
  ['a hang that is not one', gpu3({ faults: { deviceGetName: { hang: 'yes' } } }), 'gpus.3.faults.deviceGetName.hang: the text "yes" is none of its values; true'],
  ['a wait of a day', gpu3({ faults: { deviceGetName: { delayMs: 86_400_000 } } }), 'gpus.3.faults.deviceGetName.delayMs: 86400000 is too large: 600000 at most'],
  ['a move without a form', gpu3({ moves: { deviceGetTemperature: { perMinute: 1 } } }), 'gpus.3.moves.deviceGetTemperature: "perMinute" is not known here; perSecond'],
  ['a host without a form', own({ host: { hostnam: 'a' } }), 'host: "hostnam" is not known here; hostname'],
  ['a reading of another form', own({ host: { kernel: 5 } }), 'host.kernel: a text belongs here, not 5'],
  ['a reading within a reading', own({ host: { resources: { memory: { totalBytes: 'much', availableBytes: 1 } } } }), 'host.resources.memory.totalBytes: a number belongs here, not the text "much"'],
  ['a reason that is none', own({ host: { kernel: { missing: 'nowhere' } } }), 'host.kernel.missing: the text "nowhere" is none of its values'],
  ['a PCI device beyond the last', own({ host: { pci: { 40: {} } } }), 'host.pci.40: the machine it is like has 0 to 11'],
  ['a boot without digits', own({ host: { bootId: 'yesterday' } }), 'host.bootId: the text "yesterday" is not of its form'],
  ['a line of tomorrow', own({ kernelLog: { lines: [{ secondsAgo: -5, text: 'x' }] } }), 'kernelLog.lines.0.secondsAgo: -5 is too small: 0 at least'],
  ['a line without a text', own({ kernelLog: { lines: [{ secondsAgo: 5 }] } }), 'kernelLog.lines.0.text: is missing; a text'],
  ['too long a log', own({ kernelLog: { lines: Array.from({ length: 10_001 }, () => ({ secondsAgo: 1, text: 'x' })) } }), 'kernelLog.lines: a list of 10000 at most belongs here'],
  ['a pod without a name', own({ pods: [{ namespace: 'ml' }] }), 'pods.0.name: is missing; a text'],
  ['a pod of a phase that is none', own({ pods: [{ namespace: 'ml', name: 'a', phase: 'Runing' }] }), 'pods.0.phase: the text "Runing" is none of its values; Running'],
  ['a pod on a GPU that is not there', own({ pods: [{ namespace: 'ml', name: 'a', gpus: [9] }] }), 'pods.0.gpus.0: the machine has no GPU 9'],
  ['a cluster with a word too much', own({ cluster: { cordonned: true } }), 'cluster: "cordonned" is not known here; cordoned'],
];

describe('a file that is wrong: one sentence, with the place', () => {
  test.each(BROKEN)('%s', (_name, file, told) => {
    const sentence = refused(typeof file === 'string' ? file : JSON.stringify(file));
    expect(sentence).toContain(`machine "my.json": `);
    expect(sentence).toContain(told);
    expect(sentence.length).toBeLessThan(700);
  });

  test('nothing was polluted', () => {
    expect(Object.getPrototypeOf({})).not.toHaveProperty('polluted');
  });

  test('what is hostile in it does not reach the terminal', () => {
    expect(refused(JSON.stringify(own({ '\u001b[31mred\u202e': 1 })))).not.toMatch(
      /[\u001b\u202e]/,
    );
  });

  const folder = mkdtempSync(join(tmpdir(), 'gpu-mcp-machine-'));
  const large = join(folder, 'large.json');
  writeFileSync(large, ' '.repeat(MACHINE_BYTES_MAX + 1));

  test.each([
    [join(folder, 'none.json'), 'could not be read: there is no such file'],
    [`${folder}/`, 'could not be read: it is not a file'],
    ['/dev/zero', 'could not be read: it is not a file'],
    [large, 'could not be read: it is larger than 4 MiB'],
  ])('%s', (path, told) => {
    expect(() => machineOf(path)).toThrow(told);
    expect(() => machineOf(path)).toThrow(GpuMcpError);
  });

  test('random damage of a whole machine never crashes', () => {
    const text = JSON.stringify(own({ pods: [{ namespace: 'a', name: 'b' }], cluster: {} }));
    for (let at = 0; at < text.length; at++) {
      for (const put of ['', '"', '9', '{', 'null']) {
        const damaged = text.slice(0, at) + put + text.slice(at + 1);
        try {
          machineOfText(damaged, 'my.json');
        } catch (error) {
          expect(error).toBeInstanceOf(UsageError);
        }
      }
    }
  });
});

describe('a machine of a file', () => {
  test('is called as its file', () => {
    expect(machineOfText(JSON.stringify(own()), '/tmp/GPU 3 lost!.json').name).toBe('GPU-3-lost-');
  });

  test('has its lines in order, and a log that holds them', () => {
    const lines = [
      { secondsAgo: 1, text: 'b' },
      { secondsAgo: 9e6, text: 'a' },
    ];
    const { kernelLog } = machineOfText(
      JSON.stringify(own({ kernelLog: { records: 0, lines } })),
      'a.json',
    );
    expect(kernelLog).toMatchObject({ records: 2, reachSeconds: 9e6 });
    expect(kernelLog.lines.map(({ text }) => text)).toEqual(['a', 'b']);
  });

  test('texts are plain, as the readers of a real node make them; kernel lines are raw', () => {
    const machine = machineOfText(
      JSON.stringify(
        own({
          host: { hostname: 'a\u001b[31m' },
          kernelLog: { lines: [{ secondsAgo: 1, text: '\u001b' }] },
        }),
      ),
      'a.json',
    );
    expect(known(machine.host.hostname)).toBe('a [31m');
    expect(machine.kernelLog.lines.map(({ text }) => text)).toEqual(['\u001b']);
  });
});

describe('pods are told once', () => {
  const pods = [
    { namespace: 'ml', name: 'train-0', owner: 'Job/train', gpus: [0, 1] },
    {
      namespace: 'ml',
      name: 'old-0',
      phase: 'Failed',
      gpus: [2],
      pid: 777,
      ended: { secondsAgo: 60, exitCode: 134 },
      events: [{ reason: 'BackOff', secondsAgo: 50 }],
    },
  ];
  const machine = machineOfText(JSON.stringify(own({ pods, cluster: {} })), 'a.json');

  test('the kubelet gave their GPUs to those that run', () => {
    const uuids = [0, 1].map(gpu => machine.gpus[gpu]?.answers['deviceGetUUID']);
    expect(known(machine.host.pods.allocations)).toMatchObject([
      { namespace: 'ml', pod: 'train-0', devices: uuids.map(id => ({ id, gpuUuid: id })) },
    ]);
  });

  test('their processes are theirs, and the runtime knows when they lived', () => {
    const uid = known(machine.host.pods.names)?.[0]?.uid;
    expect(machine.host.processDetails['41210']).toMatchObject({
      podUid: uid,
      devices: ['nvidia0', 'nvidiactl', 'nvidia-uvm'],
    });
    expect(machine.host.processDetails['41212']).toBeUndefined();
    expect(machine.host.pods.lives).toMatchObject([
      { pod: 'train-0', startedSecondsAgo: 7_200 },
      { pod: 'old-0', pid: 777, endedSecondsAgo: 60, exitCode: 134 },
    ]);
  });

  test('the cluster shows them, with the one that is asked for', () => {
    const clock = { nowMs: () => Date.parse('2026-03-01T12:00:00Z') };
    const view = simulatedCluster(machine, clock)?.({ pod: { name: 'old-0' } });
    expect(view).toMatchObject({
      node: { value: { name: 'h100-sxm-01', capacity: { 'nvidia.com/gpu': 8 } } },
      pods: { value: { gpuPods: [{ name: 'train-0', phase: 'Running' }, { name: 'old-0' }] } },
      pod: {
        value: {
          phase: 'Failed',
          containers: [
            { state: 'terminated', ended: { exitCode: 134, finishedAt: '2026-03-01T11:59:00Z' } },
          ],
        },
      },
      podEvents: { value: [{ reason: 'BackOff', lastAt: '2026-03-01T11:59:10Z' }] },
    });
    const none = simulatedCluster(machine, clock)?.({ pod: { name: 'no' } });
    expect(none?.pod).toMatchObject({ ok: false, reason: 'not_found' });
  });

  test('where DRA gives GPUs out, they are published, claimed and tainted, and no resource counts them', () => {
    const taint = { key: 'gpu.nvidia.com/xid', value: '94', effect: 'NoSchedule' };
    const domain = { namespace: 'ml', name: 'train', status: 'NotReady', nodes: [] };
    const dra = {
      taints: [{ gpu: 3, ...taint }],
      rules: [{ name: 'all', ...taint }],
      domains: [domain],
    };
    const cluster = { capacity: {}, dra };
    const running = [{ namespace: 'ml', name: 'train-0', gpus: [2, 3] }];
    const held = machineOfText(JSON.stringify(own({ pods: running, cluster })), 'a.json');
    const view = simulatedCluster(held, { nowMs: () => 9e12 })?.({ devices: true });
    const claimed = { claims: ['train-0-gpus'], gpus: {} };
    expect(view).toMatchObject({
      node: { value: { capacity: {}, allocatable: {} } },
      pods: { value: { gpuPods: [claimed], stack: [{ part: 'DRA driver', phase: 'Running' }] } },
      claims: {
        value: [{ name: 'train-0-gpus', devices: [{ name: 'gpu-2' }, { name: 'gpu-3' }] }],
      },
      taintRules: { value: [{ name: 'DeviceTaintRule/all', taint }] },
      computeDomains: { value: [{ name: 'ComputeDomain/train', status: 'NotReady' }] },
    });
    const devices = view?.devices ? (known(view.devices) ?? []) : [];
    expect(devices.filter(({ taints }) => taints).map(({ name }) => name)).toEqual(['gpu-3']);
    expect(devices.filter(({ driver }) => driver === 'compute-domain.nvidia.com')).toHaveLength(2);
    const [allocation] = known(held.host.pods.allocations) ?? [];
    expect(allocation).toMatchObject({
      resource: 'gpu.nvidia.com',
      devices: [{ id: 'gpu-2' }, { id: 'gpu-3' }],
    });
  });

  test('without a cluster there is no view', () => {
    const alone = machineOfText(JSON.stringify(own({ pods })), 'a.json');
    expect(simulatedCluster(alone, { nowMs: () => 0 })).toBeUndefined();
  });
});

describe('numbers that move', () => {
  const moving = {
    answers: { 'deviceGetFieldValue nvlinkCrc 3': 100 },
    moves: {
      deviceGetPowerUsage: { swing: -100_000, periodSeconds: 10 },
      'deviceGetUtilizationRates.gpu': { swing: -40, periodSeconds: 10 },
      'deviceGetFieldValue nvlinkCrc 3': { perSecond: 1_000 },
    },
  };
  const machine = machineOfText(JSON.stringify(gpu3(moving)), 'a.json');

  test('are the same at the start, and then what their form says', async () => {
    const { nvml, time } = inProcessNvml(machine);
    const look = async () => {
      const gpu = (await nvml.read(never)).gpus[3];
      const link = gpu && known(gpu.nvlinks)?.links[3]?.errors.crcFlit;
      return [gpu?.powerUsageMw, gpu?.power.instantMw, gpu?.gpuUtilizationPercent, link].map(
        reading => reading && known(reading),
      );
    };
    const powerMw = Number(machine.gpus[3]?.answers['deviceGetPowerUsage']);
    expect(await look()).toEqual([powerMw, powerMw, 100, 100]);
    time.pass(5_000);
    expect(await look()).toEqual([powerMw - 100_000, powerMw - 100_000, 60, 5_100]);
    time.pass(5_000);
    expect(await look()).toEqual([powerMw, powerMw, 100, 10_100]);
  });

  test('are written down for the library in C second by second', () => {
    const alone = machineOfText(JSON.stringify(own({ gpus: [moving] })), 'a.json');
    const line = flatten(alone)
      .split('\n')
      .find(text => text.startsWith('0\tdeviceGetUtilizationRates\t'));
    const [, , , , , gpu, memory] = line?.split('\t') ?? [];
    expect(gpu).toMatch(/^~100~96~86~74~64~60~64~/);
    expect(gpu?.split('~')).toHaveLength(61);
    expect(memory).not.toContain('~');
  });
});
