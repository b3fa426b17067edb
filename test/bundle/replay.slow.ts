import { describe, expect, test } from 'vitest';
import { packed, unpacked } from '../../src/bundle/bundle-file.ts';
import type { Bundle } from '../../src/bundle/document.ts';
import { replayInstruments } from '../../src/bundle/replay.ts';
import { storedView } from '../../src/cli/replay-sessions.ts';
import { present } from '../../src/contract/reading.ts';
import { MACHINE_NAMES, machineFrom } from '../../src/simulation/machine.ts';
import { TOOLS } from '../../src/tools/index.ts';
import type { Instruments } from '../../src/tools/instruments.ts';
import type { AnyTool } from '../../src/tools/tool.ts';
import { answered } from '../fakes/answers.ts';
import { aPod, aView } from '../fakes/cluster-view.ts';
import { instrumentsFor, instrumentsOf } from '../fakes/instruments.ts';
import { h100 } from '../scenarios/machines.ts';
import { bundleOf, captured } from './bundles.ts';

const MARK = /REPLAY of [\w-]+ captured 2026-03-01T12:\d\d:\d\dZ: /g;

/** What a tool cannot be asked without. */
const NEEDED: Readonly<Record<string, object>> = { explain_failure: { pod: 'train-0' } };
/** Telemetry has a test of its own: it reads several times. */
const TOOLS_OF_A_NODE = TOOLS.filter(
  ({ isLocal, name }) => !isLocal && name !== 'sample_gpu_telemetry',
);

const ask = (tool: AnyTool, instruments: Instruments, input: object = {}) =>
  answered(tool, { ...NEEDED[tool.name], ...input }, instruments);

/** The bundle as it comes out of a file. */
const filed = (bundle: Bundle): Bundle => unpacked(packed(bundle), 'test');

/**
 * A hung driver and a second look are waited for: what ends after the wait does so some seconds later, and
 * so began what is dated by the uptime.
 */
const withoutWait = (json: string) =>
  json.replaceAll(/\d\d s ago/g, '?? s ago').replaceAll(/(T1[12]:00:0)\d(\.\d+)?Z/g, '$1?Z');

describe.each(TOOLS_OF_A_NODE.map(tool => [tool.name, tool] as const))('%s', (_name, tool) => {
  test.each(MACHINE_NAMES)('answers of a bundle of %s as it did live, and says so', async name => {
    const live = await ask(tool, instrumentsOf(name));
    const replay = await ask(tool, replayInstruments(filed(await bundleOf(name))));
    expect(replay.text.split('\n')[0]).toMatch(MARK);
    const told = JSON.stringify(replay).replaceAll(MARK, '');
    expect(withoutWait(told)).toBe(withoutWait(JSON.stringify(live)));
  });
});

test.each([
  ['triage_gpu_node', {}],
  ['get_gpu_health', {}],
  ['analyze_xid_errors', {}],
  ['explain_failure', { pod: 'train-0' }],
])('%s: what was read twice, and who lived when, are replayed', async (name, input) => {
  const machine = machineFrom('node-a', {
    ...h100({
      gpus: { 2: { deviceGetPcieReplayCounter: 5_000 } },
      host: {
        pods: {
          lives: [
            {
              ...{ namespace: 'team-a', pod: 'train-0', container: 'main', pid: 7_194 },
              ...{ startedSecondsAgo: 4_000, endedSecondsAgo: 590, exitCode: 1 },
              source: 'service_log',
            },
          ],
        },
      },
      log: [
        [
          600,
          'NVRM: Xid (PCI:0000:43:00): 94, pid=7194, name=ray::train, Contained: SM (0x1). RST: No, D-RST: No',
        ],
      ],
    }),
  });
  const tool = TOOLS_OF_A_NODE.find(other => other.name === name);
  if (!tool) throw new Error(`no tool ${name}`);
  const live = await ask(tool, instrumentsFor(machine), input);
  const bundle = filed(await captured(instrumentsFor(machine)));
  const replay = await ask(tool, replayInstruments(bundle), input);
  expect(bundle.again?.after.driver?.gpus).toHaveLength(8);
  expect(JSON.stringify(live)).toMatch(/watched counters for|train-0/);
  const told = JSON.stringify(replay).replaceAll(MARK, '');
  expect(withoutWait(told)).toBe(withoutWait(JSON.stringify(live)));
});

describe('telemetry of a bundle', () => {
  const telemetry = TOOLS.find(({ name }) => name === 'sample_gpu_telemetry');
  const sample = async (bundle: Bundle) => {
    if (!telemetry) throw new Error('no telemetry tool');
    return ask(telemetry, replayInstruments(filed(bundle)), { samples: 9 });
  };

  test('is the readings that were taken, and none between them', async () => {
    const { structured, text } = await sample(
      await captured(instrumentsOf('dgx-h100'), { seconds: 3 }),
    );
    expect(structured).toMatchObject({
      window: { from: '2026-03-01T12:00:00Z', to: '2026-03-01T12:00:03Z', samples: 2 },
    });
    expect(text).toMatch(/^REPLAY of dgx-h100 .*: 2 samples of 8 GPUs: /);
  });

  test('says in one sentence that one reading is not enough', async () => {
    await expect(sample(await bundleOf('dgx-h100'))).rejects.toThrow(
      /^this is a replay of one reading of the driver, and telemetry needs two$/,
    );
  });

  test('a driver that hangs is asked once', async () => {
    const { drivers } = await captured(instrumentsOf('hung-driver'), { seconds: 3 });
    expect(drivers).toHaveLength(1);
  });
});

test('what the cluster said is joined, after the words that this is a replay', async () => {
  const gpuPods = [aPod({ name: 'train-0' })];
  const view = aView({ pods: present({ namespace: null, total: 12, gpuPods }) });
  const bundle = filed(await captured(instrumentsOf('lost-gpu'), { cluster: view }));
  expect(bundle.cluster).toEqual(view);
  for (const tool of TOOLS_OF_A_NODE) {
    const { ofCluster } = tool.question(NEEDED[tool.name] ?? {});
    if (!ofCluster) continue;
    const alone = await ask(tool, replayInstruments(bundle));
    const { text, structured } = alone.joined(storedView(view, ofCluster));
    expect(text.split('\n')[0], tool.name).toMatch(MARK);
    expect(tool.output.parse(structured)).toEqual(structured);
  }
});

test('a pod that is not in the bundle is missing, not gone', () => {
  expect(storedView(aView(), { pod: { name: 'other' } }).pod).toEqual({
    ok: false,
    reason: 'not_read',
    detail: 'the bundle holds the GPU pods of its node, and not this one',
  });
});
