import { existsSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { hostname } from 'node:os';
import { join } from 'node:path';
import { gunzipSync, gzipSync } from 'node:zlib';
import { openReplay } from '../../src/bundle/replay.ts';
import { compared } from './comparison.ts';
import { missingIn } from './expected-answers.ts';
import { askImage } from './image-session.ts';
import { PARTS } from './raw-nvml.ts';
import { withoutIdentity } from './replaced.ts';
import type { Step } from './step.ts';
import type { World } from './world.ts';

/** What the machine is, by no tool of ours or NVIDIA's. */
export async function factsPhase(world: World): Promise<void> {
  const { results, driver } = world;
  results.fact('driver', driver);
  results.fact('version', world.file('/proc/driver/nvidia/version'));
  results.fact('os', world.file('/etc/os-release'));
  results.fact(
    'devices',
    filesOf('/dev').filter(name => name.startsWith('nvidia')),
  );
  results.fact(
    'libraries',
    filesOf(driver.folder).filter(name => /nvidia|cuda/.test(name)),
  );
  results.fact('pci', pciDevices(world));
  results.fact('modules', world.file('/proc/modules'));
  for (const gpu of filesOf('/proc/driver/nvidia/gpus')) {
    results.fact(`proc ${gpu}`, world.file(`/proc/driver/nvidia/gpus/${gpu}/information`));
  }
  results.fact('params', world.file('/proc/driver/nvidia/params'));
  await world.run('uname', ['uname', '-a']);
  await world.run('kmsg is readable', ['dd', 'if=/dev/kmsg', 'iflag=nonblock', 'bs=8k', 'count=1']);
  const log = await keepKernelLog(world, 'dmesg at start');
  world.earlierXids = xidsOf(log).length;
  const { driverRoot, library } = driver;
  const found = driverRoot === undefined ? library : `only with --driver-root ${driverRoot}`;
  world.verdict('the product finds the library', driverRoot === undefined, found);
}

export const xidsOf = (log: string): string[] =>
  log.split('\n').filter(line => /NVRM: Xid \(/.test(line));

const kernelLogs: string[] = [];

/** dmesg as it is now; the file has them all, one after the other. */
export async function keepKernelLog(world: World, name: string): Promise<string> {
  const dmesg = await world.run(name, ['dmesg']);
  const { stdout } =
    dmesg.code === 0
      ? dmesg
      : await world.run(`${name}, of kmsg`, ['timeout', '2', 'cat', '/dev/kmsg']);
  kernelLogs.push(`=== ${name}\n${stdout}`);
  world.results.write('kernel-log.txt', kernelLogs.join('\n'));
  return stdout;
}

function pciDevices(world: World): unknown[] {
  const root = '/sys/bus/pci/devices';
  return filesOf(root)
    .filter(name => world.file(join(root, name, 'vendor')).trim() === '0x10de')
    .map(name => {
      const read = (file: string) => world.file(join(root, name, file)).trim();
      const files = ['class', 'device', 'subsystem_device', 'current_link_speed'];
      const more = ['current_link_width', 'max_link_speed', 'max_link_width', 'numa_node'];
      return { name, ...Object.fromEntries([...files, ...more].map(file => [file, read(file)])) };
    });
}

function filesOf(folder: string): string[] {
  return existsSync(folder) ? readdirSync(folder).sort() : [];
}

const QUERY = [
  ...['name', 'uuid', 'serial', 'pci.bus_id', 'driver_version', 'vbios_version', 'pstate'],
  ...['temperature.gpu', 'temperature.memory', 'temperature.gpu.tlimit', 'power.draw.instant'],
  ...['power.draw.average', 'power.limit', 'enforced.power.limit', 'power.max_limit'],
  ...['clocks.sm', 'clocks.mem', 'clocks.max.sm', 'clocks_event_reasons.active'],
  ...['clocks_event_reasons.supported', 'utilization.gpu', 'utilization.memory', 'memory.total'],
  ...['memory.reserved', 'memory.used', 'memory.free', 'ecc.mode.current', 'persistence_mode'],
  ...['ecc.errors.corrected.volatile.total', 'ecc.errors.uncorrected.volatile.total'],
  ...['ecc.errors.corrected.aggregate.total', 'ecc.errors.uncorrected.aggregate.total'],
  ...['pcie.link.gen.current', 'pcie.link.gen.max', 'pcie.link.width.current', 'compute_cap'],
  ...['fabric.state', 'fabric.status', 'mig.mode.current', 'gsp.mode.current'],
].join(',');

const SMI = [
  ...[
    ['-q', '-x'],
    ['nvlink', '-s'],
    ['nvlink', '-e'],
    ['nvlink', '-c'],
    ['nvlink', '-R'],
  ],
  ...[
    ['topo', '-m'],
    ['topo', '-p2p', 'n'],
    [`--query-gpu=${QUERY}`, '--format=csv'],
  ],
  ...[
    ['-q', '-d', 'SUPPORTED_CLOCKS'],
    ['-q', '-d', 'RESET_STATUS'],
    ['conf-compute', '-f'],
    ['mig', '-lgip'],
  ],
];

/** Each tool with an input, where it cannot be asked without one. */
const INPUTS: Readonly<Record<string, Readonly<Record<string, unknown>>>> = {
  explain_xid: { query: '31' },
  explain_failure: { pod: 'default/none' },
  get_gpu_inventory: { detail: 'full' },
  sample_gpu_telemetry: { seconds: 2 },
};

const wordsOf = (tool: string): string[] =>
  Object.entries(INPUTS[tool] ?? {}).flatMap(([key, value]) => [`--${key}`, String(value)]);

/** Everything once on a GPU that does nothing. */
export async function idlePhase(world: World): Promise<void> {
  // Before anything holds the device open: without a persistence daemon each program initializes it.
  await world.smi(['-q']);
  await world.plugin('triage, nothing holds the GPU', ['triage', '--local']);
  world.backgroundAgain(['hold', world.driver.library]);
  await new Promise(resolve => setTimeout(resolve, 2_500));
  for (const words of SMI) await world.smi(words);
  const idle = await triages(world, 'idle');
  judgeHealthy(world, 'idle', idle.stdout);
  if (world.driver.driverRoot !== undefined) {
    const file = join(world.pack, 'plugin/kubectl-plugin/kubectl-gpu_mcp.mjs');
    await world.run('triage without --driver-root', [process.execPath, file, 'triage', '--local']);
  }
  await rawPhase(world);
  await captured(world, 'idle');
  for (const tool of await toolsOf(world)) {
    const input = wordsOf(tool);
    const step = await world.plugin(`tool ${tool}`, [
      'call',
      '--local',
      tool,
      ...input,
      '-o',
      'json',
    ]);
    judgeAnswer(world, `tool ${tool}`, tool, step.stdout, step.stderr);
  }
  await imagePhase(world);
}

/** That a machine without a fault is called so. */
export function judgeHealthy(world: World, when: string, triage: string): void {
  const verdict = /"verdict": ?"(\w+)"/.exec(triage)?.[1];
  const passed = verdict === 'healthy' || (world.earlierXids > 0 && verdict === 'warning');
  const earlier =
    world.earlierXids > 0 ? `, ${world.earlierXids} XIDs are older than the check` : '';
  world.verdict(`triage, ${when}`, passed, `it says ${verdict}${earlier}`);
}

/** What an answer must hold, whoever gave it. */
function judgeAnswer(world: World, name: string, tool: string, answer: string, why: string): void {
  const lacks = missingIn(tool, answer, world.gpu, world.earlierXids > 0);
  const said = lacks.length === 0 ? 'holds what it must' : `lacks ${lacks.join(', ')}; ${why}`;
  world.verdict(name, lacks.length === 0, said.slice(0, 600));
}

/** The driver's answers as they are, in one file. */
async function rawPhase(world: World): Promise<void> {
  const parts: string[] = [];
  for (const part of PARTS) {
    const step = await world.again(`raw NVML, ${part}`, ['raw-nvml', world.driver.library, part]);
    world.verdict(`raw NVML, ${part}`, step.code === 0, step.stderr.slice(-300) || 'read');
    if (step.code !== 0) continue;
    parts.push(`${JSON.stringify(part)}: ${step.stdout}`);
    world.results.write('raw-nvml.json', `{${parts.join(',')}}\n`);
  }
}

async function toolsOf(world: World): Promise<string[]> {
  const { stdout } = await world.plugin('tools', ['tools', '-o', 'json']);
  return [...stdout.matchAll(/^ {6}"name": "(\w+)"/gm)].map(([, name = '']) => name);
}

/** The report for a person and the same as data. */
export async function triages(world: World, when: string): Promise<Step> {
  await world.plugin(`triage, ${when}, text`, ['triage', '--local', '--no-color']);
  return world.plugin(`triage, ${when}, json`, ['triage', '--local', '-o', 'json']);
}

/** Of about 105 lines that we print too. */
const SAME_MIN = 80;

/** A bundle, its replay, and its readings beside nvidia-smi -q of the same second. */
export async function captured(world: World, when: string): Promise<void> {
  const { results } = world;
  const file = join(world.work, `${when}.json.gz`);
  await world.plugin(`capture, ${when}`, ['capture', '--local', '--seconds', '0', '-f', file]);
  const page = await world.smi(['-q']);
  const json = ['-o', 'json'];
  await world.plugin(`triage of the bundle, ${when}`, ['triage', '--from', file, ...json]);
  const text = gunzipSync(readFileSync(file)).toString('utf8');
  results.write(`bundle-${when}.json.gz`, gzipSync(withoutIdentity(text, hostname())));
  const { nvml } = await openReplay(file);
  const { gpus } = await nvml.read(new AbortController().signal);
  const lines = compared(page.stdout, gpus);
  const count = (is: string) => lines.filter(line => line.is === is).length;
  results.fact(`comparison, ${when}`, lines);
  for (const { line, is, theirs, ours } of lines) {
    if (is === 'same' || is === 'only theirs') continue;
    results.say(`  ${is}: ${line}: theirs ${theirs ?? '-'}, ours ${ours ?? '-'}`);
  }
  const counts = ['same', 'drifted', 'different', 'only ours', 'only theirs'].map(
    is => `${count(is)} ${is}`,
  );
  const passed = count('same') >= SAME_MIN && count('different') + count('only ours') === 0;
  world.verdict(`nvidia-smi -q, ${when}`, passed, counts.join(', '));
  rmSync(file);
}

/** What ships: the image's own root, as a pod has it. */
async function imagePhase(world: World): Promise<void> {
  const { answers, startMs, error, stderr, memory } = await askImage({
    root: join(world.pack, 'rootfs'),
    driverRoot: world.driver.driverRoot,
    inputs: tool => INPUTS[tool] ?? {},
    timeoutMs: Math.min(40_000, world.leftMs),
  });
  world.results.fact('image', { startMs, answers, error, stderr, memory });
  for (const { tool, wallMs } of answers) world.results.say(`image: ${tool} ${wallMs} ms`);
  for (const { name, rssKb, pssKb } of memory) {
    world.results.say(`image: ${name} has ${rssKb} kB, ${pssKb} kB with shared pages once`);
  }
  const why = error ?? `ready in ${startMs} ms, ${answers.length} tools answered`;
  world.verdict('image', error === undefined && answers.length > 0, `${why} ${stderr.slice(-300)}`);
  for (const { tool, answer } of answers) {
    judgeAnswer(world, `image: ${tool}`, tool, JSON.stringify(answer), '');
  }
}
