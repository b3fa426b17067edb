import { describe, expect, test } from 'vitest';
import { agentArguments } from '../../src/agent/agent-arguments.ts';
import { instrumentsOf as openedBy } from '../../src/agent/open-instruments.ts';
import { NEEDS } from '../../src/contract/needs.ts';
import { triageGpuNode } from '../../src/tools/catalog/triage-gpu-node.ts';
import type { Instruments } from '../../src/tools/instruments.ts';
import { answered } from '../fakes/answers.ts';
import { instrumentsOf } from '../fakes/instruments.ts';
import {
  FEW,
  hasNoLeakWithoutProcesses,
  inPod,
  isNoBetterNorWorseInPod,
  POD,
} from './smaller-profiles.ts';

const { signal } = new AbortController();

/** The paths of what was read, and what the rest of it says. */
function readIn(value: unknown, path = ''): readonly string[] {
  if (typeof value !== 'object' || value === null) return [];
  const of = Object.fromEntries(Object.entries(value));
  if (of['ok'] === false) return of['detail'] === NEEDS.node ? [] : [`${path}: ${of['detail']}`];
  if (of['ok'] === true) return [path];
  return Object.entries(value).flatMap(([key, held]) =>
    readIn(held, [path, key].filter(Boolean).join('.')),
  );
}

test('of the host all is a gap that says who would get it, but the kernel’s version, its module’s and the container', async () => {
  const state = await inPod(instrumentsOf('dgx-h100')).host.read(signal);
  expect(readIn(state)).toEqual(['kernel', 'moduleVersion', 'moduleKind', 'containers']);
});

test('no log of the node is read, and each says who would get it', async () => {
  const { kernelLog, podHistory, host } = inPod(instrumentsOf('lost-gpu'));
  const seen: unknown[] = [];
  const covered = await kernelLog.scan({ sinceMs: 0 }, record => seen.push(record), signal);
  expect([seen, covered]).toMatchObject([[], [{ available: false, unavailable: NEEDS.node }]]);
  const { lives, coverage } = await podHistory.read([], signal);
  expect([lives, coverage]).toMatchObject([[], [{ unavailable: NEEDS.node }]]);
  expect(await host.containerLogs(signal)).toMatchObject({ ok: false, detail: NEEDS.node });
  expect(await host.counters(await host.read(signal), signal)).toEqual({ ports: [], aer: [] });
});

test('the page of a healthy machine is no all-clear, and says what it lacks', async () => {
  const { structured, text } = await answered(triageGpuNode, {}, inPod(instrumentsOf('dgx-h100')));
  expect(structured['verdict']).toBe('unknown');
  expect(structured['gaps']).toMatchInlineSnapshot(`
    [
      "PCI bus: needs the node, for this is a pod’s own word: --profile restricted or unmounted, by who may start pods of ours there",
      "host: file systems, memory of the host, memory errors of the host, kernel taint, network adapters, programs of NVIDIA, 10 more not read (needs the node, for this is a pod’s own word: --profile restricted or unmounted, by who may start pods of ours there)",
      "no kernel log could be read (needs the node, for this is a pod’s own word: --profile restricted or unmounted, by who may start pods of ours there)",
    ]
  `);
  expect(text).toContain('no all-clear');
});

// test/agent/every-machine.slow.ts takes the others.
describe('no machine is called healthy, or worse than it is', () => {
  test.each(FEW)('%s', isNoBetterNorWorseInPod);
});

test('a driver that nobody gave to the container is no driver that fails, and no GPU is no lost GPU', async () => {
  for (const name of ['no-driver', 'gpu-for-vm']) {
    const { structured } = await answered(triageGpuNode, {}, inPod(instrumentsOf(name), false));
    expect(structured['gaps'], name).toContain(`NVML: ${NEEDS.podDevices}`);
    expect(structured['findings'], name).toMatchObject([
      { id: 'driver-not-asked', severity: 'info' },
    ]);
  }
});

test.each(['leaked-memory', 'dgx-h100'])(
  'memory of %s is not called leaked where its processes may be those of others',
  hasNoLeakWithoutProcesses,
);

test('a module that proc does not show to a container is not called absent', async () => {
  const state = await inPod(instrumentsOf('no-driver')).host.read(signal);
  expect(readIn(state)).toEqual(['kernel', 'containers']);
});

test.each(['timeout', 'crashed'] as const)(
  'a driver of which nothing came but %s is told so',
  async reason => {
    const own = instrumentsOf('no-driver');
    const state = await own.nvml.read(signal);
    const initialized = { ok: false, reason } as const;
    const nvml = { ...own.nvml, read: async () => ({ ...state, initialized }) };
    expect(await inPod({ ...own, nvml }, false).nvml.read(signal)).toMatchObject({ initialized });
  },
);

test('a driver that hangs is told as it is', async () => {
  const hung = await inPod(instrumentsOf('hung-driver'), false).nvml.read(signal);
  expect(hung.unresponsive).toBeDefined();
});

test('whose a process is by its own PID is told, and nothing that the node would tell of it', async () => {
  const own = instrumentsOf('training-job');
  const { gpus } = await own.nvml.read(signal);
  const [pid = 0] = gpus.flatMap(({ processes }) =>
    processes.ok ? processes.value.map(each => each.pid) : [],
  );
  const [owner] = await inPod(own).host.processOwners([pid], signal);
  const [before] = await own.host.processOwners([pid], signal);
  expect(owner).toEqual({
    pid,
    name: before?.name,
    state: before?.state,
    startedAfterBootSeconds: before?.startedAfterBootSeconds,
    uid: before?.uid,
    gpuEnvironment: before?.gpuEnvironment,
    cgroup: { ok: false, reason: 'no_permission', detail: NEEDS.node },
  });
});

test('a container that is closed to our user is a gap that says so', async () => {
  const own = instrumentsOf('dgx-h100');
  const closed = { ok: false, reason: 'no_permission', detail: NEEDS.sameUser } as const;
  const asked: (readonly string[])[] = [];
  const containers: Instruments['host']['containers'] = async uids => {
    asked.push(uids);
    return closed;
  };
  const instruments = inPod({ ...own, host: { ...own.host, containers } });
  const { structured } = await answered(triageGpuNode, {}, instruments);
  expect(String(structured['gaps'])).toContain(`(${NEEDS.sameUser})`);
  expect(await instruments.host.read(signal, 'first')).toMatchObject({
    containers: { detail: NEEDS.node },
  });
  expect(asked).toEqual([[POD]]);
});

test('an agent that is told so reads as one', async () => {
  const instruments = await openedBy(
    {
      arguments: agentArguments(['--simulate', 'dgx-h100'], { GPU_MCP_PROFILE: 'ephemeral' }),
      clock: { nowMs: () => 0, monotonicMs: () => 0 },
      spawnChild: () => {
        throw new Error('nobody asks the driver');
      },
    },
    undefined,
  );
  expect(await instruments.host.containerLogs(signal)).toMatchObject({ detail: NEEDS.node });
});
