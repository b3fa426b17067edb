import { describe, expect, test } from 'vitest';
import { agentArguments } from '../../src/agent/agent-arguments.ts';
import { instrumentsOf as openedBy } from '../../src/agent/open-instruments.ts';
import { restrictedInstruments } from '../../src/agent/restricted.ts';
import { NEEDS } from '../../src/contract/needs.ts';
import type { HostState } from '../../src/host/port.ts';
import type { KernelLog } from '../../src/kernel-log/port.ts';
import { redactedInstruments } from '../../src/redaction/node.ts';
import { triageGpuNode } from '../../src/tools/catalog/triage-gpu-node.ts';
import type { Instruments } from '../../src/tools/instruments.ts';
import { answered } from '../fakes/answers.ts';
import { instrumentsOf } from '../fakes/instruments.ts';
import { FEW, isNotWorseRestricted, restricted } from './smaller-profiles.ts';

const KEY = '0'.repeat(32);
const { signal } = new AbortController();

/** Where a reading is missing, by its path, with the reason and words that it has. */
function lostIn(value: unknown, path = ''): readonly string[] {
  if (typeof value !== 'object' || value === null) return [];
  const entries = Object.entries(value);
  const of = Object.fromEntries(entries);
  if (of['ok'] === false) return [`${path}: ${of['detail'] ?? of['reason']}`];
  return entries.flatMap(([key, held]) =>
    lostIn(held, ['ok', 'value'].includes(key) ? path : [path, key].filter(Boolean).join('.')),
  );
}

test('what a restricted pod cannot read of a host, each with what it needs', async () => {
  const { host } = instrumentsOf('dgx-h100');
  const before = new Set(lostIn(await host.read(signal)));
  const after = await restricted(instrumentsOf('dgx-h100')).host.read(signal);
  expect(lostIn(after).filter(path => !before.has(path))).toMatchInlineSnapshot(`
    [
      "hostname: needs the files of the node: --profile unmounted",
      "os: needs the files of the node: --profile unmounted",
      "deviceNodes: needs hostPID: --profile unmounted",
      "processesLeftOut: needs hostPID: --profile unmounted",
      "blockedTasks: needs hostPID: --profile unmounted",
      "driverFiles.nodes: needs hostPID: --profile unmounted",
      "driverFiles.charLinks: needs the files of the node: --profile unmounted",
      "driverFiles.packages: needs the files of the node: --profile unmounted",
      "daemons: needs hostPID: --profile unmounted",
      "deviceHolders: needs hostPID: --profile unmounted",
      "resources.sharedMemory: needs the files of the node: --profile unmounted",
      "resources.memlockBytes: needs hostPID: --profile unmounted",
      "resources.filesystems: needs the files of the node: --profile unmounted",
      "resources.timeSync: needs hostPID: --profile unmounted",
      "containerToolkit.cdiSpecs: needs the files of the node: --profile unmounted",
      "containerToolkit.runtimes: needs the files of the node: --profile unmounted",
      "pods.allocations: needs the files of the node: --profile unmounted",
      "pods.checkpoint: needs the files of the node: --profile unmounted",
      "pods.allocatable: needs the files of the node: --profile unmounted",
      "pods.names: needs the files of the node: --profile unmounted",
      "containers: needs hostPID: --profile unmounted",
    ]
  `);
});

test('nothing of the pod’s own is left: not its name, its processes, its devices, its disks', async () => {
  const own: Instruments = instrumentsOf('dgx-h100');
  const state = await own.host.read(signal);
  const marked: HostState = { ...state, hostname: { ok: true, value: 'pod-marked' } };
  const { host } = restricted({ ...own, host: { ...own.host, read: async () => marked } });
  expect(JSON.stringify(await host.read(signal))).not.toContain('pod-marked');
  const [owner] = await host.processOwners([7], signal);
  expect(owner).toMatchObject({ pid: 7, name: { ok: false, detail: NEEDS.hostPid } });
  expect(await host.containerLogs(signal)).toMatchObject({ ok: false, detail: NEEDS.files });
  const seen = await host.containers(['1b4e28ba-2fa1-11d2-883f-0016d3cca427'], signal);
  expect(seen).toMatchObject({ ok: false, detail: NEEDS.hostPid });
});

test('the page of a healthy machine is no all-clear, and says what it lacks', async () => {
  const { structured, text } = await answered(
    triageGpuNode,
    {},
    restricted(instrumentsOf('dgx-h100')),
  );
  expect(structured['verdict']).toBe('unknown');
  expect(structured['gaps']).toMatchInlineSnapshot(`
    [
      "GPU 0, 1, 2, 3, 4, 5, 6, 7: processes not read (needs hostPID: --profile unmounted)",
      "host: file systems, the kubelet's devices, the kubelet's allocations, CDI specifications, shared memory not read (needs the files of the node: --profile unmounted)",
      "host: programs of NVIDIA, device nodes, holders of GPU devices, what containers see not read (needs hostPID: --profile unmounted)",
    ]
  `);
  expect(text).toContain('no all-clear');
});

// test/agent/every-machine.slow.ts takes the others.
describe('no machine is called worse than it is', () => {
  test.each(FEW)('%s', isNotWorseRestricted);
});

test('a driver that nobody gave to the pod is no driver that fails', async () => {
  const { structured } = await answered(
    triageGpuNode,
    {},
    restricted(instrumentsOf('no-driver'), false),
  );
  expect(structured['gaps']).toContain(`NVML: ${NEEDS.devices}`);
  expect(JSON.stringify(structured['findings'])).not.toContain('driver-not-loaded');
});

test.each(['timeout', 'crashed', 'not_read'] as const)(
  'a driver of which nothing came but %s is called so, and not one that nobody gave',
  async reason => {
    const own = instrumentsOf('no-driver');
    const state = await own.nvml.read(signal);
    const initialized = { ok: false, reason } as const;
    const nvml = { ...own.nvml, read: async () => ({ ...state, initialized }) };
    const read = await restricted({ ...own, nvml }, false).nvml.read(signal);
    expect(read).toMatchObject({ initialized });
  },
);

test('a driver that hangs or refuses is told as it is where the pod has its devices', async () => {
  const { nvml } = restricted(instrumentsOf('no-driver'));
  const own = (await instrumentsOf('no-driver').nvml.read(signal)).initialized;
  expect((await nvml.read(signal)).initialized).toEqual(own);
  expect(own.ok).toBe(false);
  const hung = await restricted(instrumentsOf('hung-driver'), false).nvml.read(signal);
  expect(hung.unresponsive).toBeDefined();
});

test('what the kernel or the driver refuses such a pod is told with the profile that may', async () => {
  const own = instrumentsOf('dgx-h100');
  const refused = { ok: false, reason: 'no_permission' } as const;
  const state = await own.nvml.read(signal);
  const nvml = { ...own.nvml, read: async () => ({ ...state, errorRecords: refused }) };
  const host = {
    ...own.host,
    read: async () => ({ ...(await own.host.read(signal)), nics: refused }),
  };
  const { nvml: driver, host: machine } = restricted({ ...own, nvml, host });
  expect((await driver.read(signal)).errorRecords).toEqual({ ...refused, detail: NEEDS.root });
  expect((await machine.read(signal)).nics).toEqual({ ...refused, detail: NEEDS.root });
});

test('with tokens for names a gap names what it needs all the same', async () => {
  const instruments = restricted(instrumentsOf('dgx-h100'));
  const { structured } = await answered(triageGpuNode, {}, redactedInstruments(instruments, KEY));
  const plain = await answered(triageGpuNode, {}, instruments);
  expect(structured['gaps']).toEqual(plain.structured['gaps']);
});

test('without CAP_SYSLOG the kernel log is a gap that names it', async () => {
  const own = instrumentsOf('dgx-h100');
  const closed = {
    ...{ source: 'syslog(2)', available: false, unavailable: 'no_permission', notes: [] },
    ...{ records: 0, lost: 0, untrusted: 0, malformed: 0 },
  };
  const kernelLog = { scan: async () => [closed] };
  const { structured } = await answered(triageGpuNode, {}, restricted({ ...own, kernelLog }));
  expect(structured['gaps']).toContain(`no kernel log could be read (${NEEDS.syslog})`);
});

test('of the log the ring is asked for by syslog(2), and no folder of the pod', async () => {
  const asked: unknown[] = [];
  const own = instrumentsOf('dgx-h100');
  const kernelLog: KernelLog = {
    scan: async window => {
      asked.push(window);
      return [];
    },
  };
  const { kernelLog: log } = restrictedInstruments({ ...own, kernelLog });
  const covered = await log.scan({ sinceMs: 5 }, () => {}, signal);
  expect(asked).toEqual([{ sinceMs: 5, sources: ['syslog'] }]);
  expect(covered).toMatchObject([{ available: false, unavailable: NEEDS.files }]);
});

test('an agent that is told its profile reads as one, and any other reads all', async () => {
  const logsOf = async (environment: Readonly<Record<string, string>>) => {
    const instruments = await openedBy(
      {
        arguments: agentArguments(['--simulate', 'dgx-h100'], environment),
        clock: { nowMs: () => 0, monotonicMs: () => 0 },
        spawnChild: () => {
          throw new Error('nobody asks the driver');
        },
      },
      undefined,
    );
    return instruments.host.containerLogs(signal);
  };
  expect(await logsOf({ GPU_MCP_PROFILE: 'restricted' })).toMatchObject({ detail: NEEDS.files });
  expect(await logsOf({})).not.toMatchObject({ detail: NEEDS.files });
});
