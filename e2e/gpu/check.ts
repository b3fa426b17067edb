/**
 * The product beside nvidia-smi on a machine with a real GPU: idle, under load, with programs
 * that wait, are stopped or killed, and with programs that fault. Starts itself again for what calls the driver's libraries.
 *
 *   node check.mjs OUT_DIR
 */
import { mkdtempSync, readFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { kernelsAsPtx, launch } from './cuda.ts';
import { driverPlace } from './driver-place.ts';
import { faultPhase } from './fault-phase.ts';
import { factsPhase, idlePhase } from './idle-phase.ts';
import { overlappedCalls } from './inforom-calls.ts';
import { loadPhase, startLoad } from './load-phase.ts';
import { programsPhase } from './programs-phase.ts';
import { readRawNvml } from './raw-nvml.ts';
import { json, Results } from './results.ts';
import { runStep } from './step.ts';
import { World } from './world.ts';

const [command = '', first = '', second = '', third = ''] = process.argv.slice(2);

if (command === 'raw-nvml') {
  const { default: koffi } = await import('koffi');
  process.stdout.write(json(readRawNvml(koffi, first, second)));
} else if (command === 'hold') {
  const { default: koffi } = await import('koffi');
  const nvml = koffi.load(first);
  nvml.func('nvmlInit_v2', 'int', [])();
  const handle = Buffer.alloc(8);
  nvml.func('nvmlDeviceGetHandleByIndex_v2', 'int', ['uint32_t', 'void *'])(0, handle);
  setInterval(() => undefined, 60_000);
} else if (command === 'launch') {
  const { default: koffi } = await import('koffi');
  const { calls, code } = launch(koffi, first, second, Number(third));
  process.stdout.write(json({ calls, code }));
  process.exitCode = code === 0 ? 0 : 1;
} else if (command === 'inforom-calls') {
  const { default: koffi } = await import('koffi');
  process.stdout.write(json(await overlappedCalls(koffi, first)));
} else if (command === 'ptx') {
  process.stdout.write(kernelsAsPtx());
} else {
  process.exitCode = await check(command);
}

function read(path: string): string {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return '';
  }
}

async function check(folder: string): Promise<number> {
  if (folder === '') {
    process.stderr.write('name a folder for the results: check.mjs OUT_DIR\n');
    return 2;
  }
  const work = mkdtempSync(join(tmpdir(), 'gpu-check-'));
  const driver = await driverPlace(work, process.env);
  const seen = driver
    ? await runStep('nvidia-smi -L', [driver.nvidiaSmi, '-L'], {
        timeoutMs: 30_000,
        env: { LD_LIBRARY_PATH: driver.folder },
      })
    : undefined;
  if (!driver || seen?.code !== 0) {
    const why = driver
      ? `nvidia-smi -L says: ${(seen?.stdout || seen?.stderr || 'nothing').trim().slice(0, 300)}`
      : 'no libnvidia-ml.so.1 was found';
    process.stderr.write(`There is no working NVIDIA GPU on this machine: ${why}\n`);
    return 1;
  }
  const results = new Results(folder);
  const pack = dirname(dirname(dirname(fileURLToPath(import.meta.url))));
  const [, name = '', uuid = ''] = /^GPU 0: (.*) \(UUID: (GPU-[\w-]+)\)/m.exec(seen.stdout) ?? [];
  const [, loaded = ''] = / (\d+\.\d+[.\d]*) /.exec(read('/proc/driver/nvidia/version')) ?? [];
  const gpu = { name, uuid, driver: loaded };
  const world = new World({ results, work, pack, driver, gpu });
  results.step(seen);
  await world.phase('facts', () => factsPhase(world));
  const load = startLoad(world);
  await world.phase('idle', () => idlePhase(world));
  await world.phase('load', () => loadPhase(world, load));
  await world.phase('programs', () => programsPhase(world));
  await world.phase('fault', () => faultPhase(world));
  world.end();
  return world.conclude();
}
