import { execFileSync } from 'node:child_process';
import { copyFileSync, linkSync, mkdirSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { load } from 'js-yaml';
import * as z from 'zod';
import { SEVERITIES, Severity } from '../../src/contract/finding.ts';
import { known, mapReading, present } from '../../src/contract/reading.ts';
import type { Host, PciDevice } from '../../src/host/port.ts';
import { createNvml } from '../../src/nvml/child/driver.ts';
import { hostedBy } from '../../src/nvml/child/hosted.ts';
import { startNvmlChild } from '../../src/nvml/child/start-child.ts';
import { realTimers } from '../../src/nvml/child/waiting.ts';
import type { DriverState, Nvml } from '../../src/nvml/port.ts';
import { simulatedHost } from '../../src/simulation/host.ts';
import { simulatedKernelLog, simulatedPodHistory } from '../../src/simulation/kernel-log.ts';
import { type Machine, machineFrom } from '../../src/simulation/machine.ts';
import { TOOLS } from '../../src/tools/index.ts';
import type { Instruments } from '../../src/tools/instruments.ts';
import type { AnyTool } from '../../src/tools/tool.ts';
import { answered } from '../../test/fakes/answers.ts';
import { CASES, type Case, HEALTHY, PROFILE_NAMES, PROFILES, type Profile } from './cases.ts';

/**
 * NVIDIA's mock of NVML, with its profiles and failure modes, through the real process that hosts NVML
 * and every tool; around it the host of a healthy machine of that type. It needs Go, a C compiler and
 * a checkout of github.com/NVIDIA/k8s-test-infra (tried with 3b2b865d):
 *
 *     node e2e/nvml-mock/main.ts CHECKOUT [PROFILE...] [--every-tool]
 *
 * A healthy profile is shown to every tool, a failure to triage alone unless every tool is wanted.
 */
const { positionals, values } = parseArgs({
  options: { 'every-tool': { type: 'boolean', default: false } },
  allowPositionals: true,
});
const [checkout, ...wanted] = positionals;
if (checkout === undefined) {
  process.stderr.write('usage: node e2e/nvml-mock/main.ts CHECKOUT [PROFILE...] [--every-tool]\n');
  process.exit(2);
}

const never = new AbortController().signal;
const folder = mkdtempSync(join(tmpdir(), 'gpu-mcp-mock-'));
const say = (line: string) => process.stdout.write(`${line}\n`);

const LIBRARY = 'libnvidia-ml.so.1';
const CHILD = fileURLToPath(new URL('../../test/nvml/child-main.ts', import.meta.url));
const PROFILE_FILES = 'deployments/nvml-mock/helm/nvml-mock/profiles';

function build(source: string): { readonly library: string; readonly control: string } {
  const env = { ...process.env, GOFLAGS: '-mod=vendor -buildvcs=false' };
  const cwd = join(source, 'pkg/gpu/mocknvml');
  execFileSync('make', ['NO_PADDING=1'], { cwd, env, stdio: 'ignore' });
  const control = join(folder, 'nvml-mock-ctl');
  execFileSync('go', ['build', '-o', control, './cmd/nvml-mock-ctl'], { cwd: source, env });
  const library = join(folder, LIBRARY);
  copyFileSync(join(cwd, LIBRARY), library);
  return { library, control };
}

/** The node's file system of one case: the library where it looks for its profile beside itself. */
function rootOf(profile: Profile, { inject }: Pick<Case, 'inject'>, built: Built): string {
  const root = mkdtempSync(join(folder, `${profile}-`));
  mkdirSync(join(root, 'usr/lib64'), { recursive: true });
  mkdirSync(join(root, 'config'));
  linkSync(built.library, join(root, 'usr/lib64', LIBRARY));
  const config = join(root, 'config/config.yaml');
  copyFileSync(join(checkout ?? '', PROFILE_FILES, `${profile}.yaml`), config);
  const file = join(root, 'config/overrides.yaml');
  for (const words of inject) {
    execFileSync(built.control, ['--file', file, '--config', config, ...words]);
  }
  return root;
}
type Built = ReturnType<typeof build>;

const nvmlAt = (root: string): Nvml =>
  createNvml({
    spawnChild: () =>
      hostedBy(startNvmlChild({ file: process.execPath, args: [CHILD, 'host', root], env: {} })),
    clock: { nowMs: Date.now },
    // The mock takes ten times as long for a call as a driver, and a busy machine as much again.
    timers: { after: (ms, run) => realTimers.after(ms * 20, run) },
  });

/** The host of a healthy machine of the type, with the mock's GPUs on its bus. */
function hostFor(machine: Machine, healthy: DriverState): Host {
  const host = simulatedHost(machine);
  return {
    ...host,
    async read(signal) {
      const state = await host.read(signal);
      const addresses = healthy.gpus.flatMap(({ pci }) => known(pci) ?? []);
      const uuids = healthy.gpus.flatMap(({ uuid }) => known(uuid) ?? []);
      const [first, ...rest] = (known(state.pciDevices) ?? []).toSorted(
        (a, b) => Number(b.kind === 'gpu') - Number(a.kind === 'gpu'),
      );
      const others = rest.filter(({ kind }) => kind !== 'gpu');
      const gpus = first ? addresses.map((pci): PciDevice => ({ ...first, pci })) : [];
      const devices = uuids.map(id => ({ id, gpuUuid: id }));
      return {
        ...state,
        pciDevices: present([...gpus, ...others]),
        deviceNodes: present(['nvidiactl', 'nvidia-uvm', ...gpus.map((_, i) => `nvidia${i}`)]),
        driverGpus: mapReading(state.driverGpus, ([like]) =>
          like
            ? addresses.map((pci, index) => ({
                ...like,
                pci,
                uuid: present(uuids[index] ?? ''),
                minor: present(index),
              }))
            : [],
        ),
        moduleVersion: healthy.driverVersion,
        pods: {
          ...state.pods,
          allocatable: present([
            {
              resource: 'nvidia.com/gpu',
              deviceIds: uuids,
              devices,
              source: 'pod_resources' as const,
            },
          ]),
        },
      };
    },
  };
}

const NEEDED: Readonly<Record<string, object>> = {
  explain_xid: { query: '79' },
  explain_failure: { pod: 'train-0' },
  sample_gpu_telemetry: { seconds: 1, samples: 2 },
};

/** What stands around the mock, and who is asked. */
interface Around {
  readonly machine: Machine;
  readonly healthy: DriverState;
  readonly tools: readonly AnyTool[];
}

const MockTriage = z.object({
  verdict: z.string(),
  gaps: z.array(z.string()),
  findings: z.array(
    z.object({
      id: z.string(),
      severity: Severity,
      evidence: z.array(z.object({ what: z.string() })),
    }),
  ),
});
type MockTriage = z.infer<typeof MockTriage>;

/** What triage tells; the other tools may say what they like, but none of them may fail. */
async function told(root: string, { machine, healthy, tools }: Around): Promise<MockTriage> {
  const nvml = nvmlAt(root);
  const clock = { nowMs: Date.now };
  const instruments: Instruments = {
    nvml,
    clock,
    pause: ms => sleep(ms),
    progress: () => {},
    host: hostFor(machine, healthy),
    kernelLog: simulatedKernelLog(machine, clock),
    podHistory: simulatedPodHistory(machine, clock),
    node: undefined,
    simulated: undefined,
  };
  try {
    let triage: unknown;
    for (const tool of tools) {
      const { structured } = await answered(tool, NEEDED[tool.name] ?? {}, instruments);
      if (tool.name === 'triage_gpu_node') triage = structured;
    }
    return MockTriage.parse(triage);
  } finally {
    await nvml.close();
  }
}

/** What a profile says of its GPUs, by its own names, beside what was read of each. */
const Profiled = z.object({
  device_defaults: z.object({
    name: z.string(),
    vbios_version: z.string(),
    memory: z.object({ total_bytes: z.number(), used_bytes: z.number() }),
    pcie: z.object({ max_link_gen: z.number(), current_link_width: z.number() }),
    power: z.object({ default_limit_mw: z.number(), current_draw_mw: z.number() }),
    thermal: z.object({ temperature_gpu_c: z.number(), slowdown_threshold_c: z.number() }),
    clocks: z.object({ sm_max: z.number(), memory_max: z.number() }),
  }),
  devices: z.array(z.object({ uuid: z.string(), pci: z.object({ bus_id: z.string() }) })),
});

function misread(profile: Profile, { gpus }: DriverState): readonly string[] {
  const file = join(checkout ?? '', PROFILE_FILES, `${profile}.yaml`);
  const { device_defaults: said, devices } = Profiled.parse(load(readFileSync(file, 'utf8')));
  return devices.flatMap(({ uuid, pci }, index) => {
    const gpu = gpus[index];
    if (!gpu) return [`GPU ${index} was not read`];
    const pairs = [
      ['UUID', uuid, gpu.uuid],
      ['address', pci.bus_id.replace(/\.0$/, '').toLowerCase(), gpu.pci],
      ['name', said.name, gpu.name],
      ['VBIOS', said.vbios_version, gpu.vbios],
      ['memory', said.memory.total_bytes, mapReading(gpu.memory, ({ totalBytes }) => totalBytes)],
      [
        'memory in use',
        said.memory.used_bytes,
        mapReading(gpu.memory, ({ usedBytes }) => usedBytes),
      ],
      ['PCIe generation', said.pcie.max_link_gen, gpu.pcieGenerationMax],
      ['PCIe width', said.pcie.current_link_width, gpu.pcieWidthCurrent],
      ['power limit', said.power.default_limit_mw, gpu.defaultPowerLimitMw],
      ['power', said.power.current_draw_mw, gpu.powerUsageMw],
      ['temperature', said.thermal.temperature_gpu_c, gpu.temperatureC],
      ['slowdown temperature', said.thermal.slowdown_threshold_c, gpu.slowdownTemperatureC],
      ['SM clock', said.clocks.sm_max, gpu.maxSmClockMhz],
      ['memory clock', said.clocks.memory_max, gpu.maxMemoryClockMhz],
    ] as const;
    return pairs.flatMap(([what, wanted, reading]) => {
      const read = known<string | number>(reading);
      return read === wanted ? [] : [`GPU ${index}: ${what} ${read}, the profile says ${wanted}`];
    });
  });
}

/** What of the case is not told as it should be; nothing where all is. */
function difference(expected: Case, { findings, gaps }: MockTriage): string | undefined {
  const { finding, gap, severity = 'warning' } = expected;
  const found = findings.find(({ id }) => finding?.test(id));
  const isSevere = found && SEVERITIES.indexOf(found.severity) <= SEVERITIES.indexOf(severity);
  if (isSevere || gaps.some(text => gap?.test(text))) return undefined;
  return `${finding ?? gap} not told as ${severity}: ${findings.map(({ id, severity, evidence }) => `${severity} ${id} by ${evidence.map(({ what }) => what).join('; ')}`).join(', ') || 'no finding'}; gaps: ${gaps.join('; ')}`;
}

const triage = TOOLS.filter(({ name }) => name === 'triage_gpu_node');
const tools = values['every-tool'] ? TOOLS : triage;

let differences = 0;
const tell = (profile: string, name: string, problem: string | undefined, seen: MockTriage) => {
  if (problem !== undefined) differences++;
  const findings = seen.findings.map(({ id, severity }) => `${severity} ${id}`).join(', ');
  say(`${problem === undefined ? 'ok  ' : 'DIFF'} ${profile} ${name}: ${seen.verdict} ${findings}`);
  if (problem !== undefined) say(`     ${problem}`);
};

try {
  const built = build(checkout);
  const profiles = PROFILE_NAMES.filter(name => wanted.length === 0 || wanted.includes(name));
  for (const profile of profiles) {
    const machine = machineFrom(profile, { version: 1, like: PROFILES[profile], title: profile });
    const root = rootOf(profile, { inject: [] }, built);
    const nvml = nvmlAt(root);
    const healthy = await nvml.read(never);
    await nvml.close();
    const well = await told(root, { machine, healthy, tools: TOOLS });
    const { verdict, gap } = HEALTHY[profile];
    const odd = well.gaps.filter(text => !gap?.test(text));
    const loud = well.findings.filter(({ severity }) => severity !== 'info');
    const wrong = misread(profile, healthy);
    const problem =
      well.verdict === verdict && odd.length + loud.length + wrong.length === 0
        ? undefined
        : `wanted ${verdict}; gaps ${odd.join('; ')}; ${wrong.slice(0, 9).join('; ')}`;
    tell(profile, 'healthy', problem, well);
    for (const each of CASES.filter(({ on }) => on === undefined || on.includes(profile))) {
      const seen = await told(rootOf(profile, each, built), { machine, healthy, tools });
      tell(profile, each.name, difference(each, seen), seen);
    }
  }
} finally {
  rmSync(folder, { recursive: true, force: true });
}
say(`${differences} differences`);
process.exitCode = differences > 0 ? 1 : 0;
