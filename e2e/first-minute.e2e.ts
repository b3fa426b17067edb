import { execFileSync, spawn, spawnSync } from 'node:child_process';
import {
  copyFileSync,
  mkdirSync,
  mkdtempSync,
  realpathSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterAll, beforeAll, expect, inject, test } from 'vitest';
import { bundle } from '../kubectl-plugin/build.ts';
import { executable, ownTarget, TARGETS } from '../kubectl-plugin/release/executables.ts';
import { cluster, leftAfterTenSeconds } from './plugin.ts';
import { PROJECT } from './prepare.ts';

/** What a new user is promised: a simulated page, and one of a real node by three commands at most. */
const SIMULATED_MS_MAX = 10_000;
const REAL_MS_MAX = 60_000;

let folder = '';
let bin = '';

/** The single executable as a release has it, under its name beside kubectl, and nothing else: no Node. */
beforeAll(async () => {
  const target = TARGETS.find(known => known === ownTarget());
  if (!target) throw new Error(`no executable is made for ${ownTarget()}`);
  folder = mkdtempSync(join(tmpdir(), 'gpu-mcp-first-'));
  bin = join(folder, 'bin');
  mkdirSync(bin);
  const main = join(folder, 'main.mjs');
  const entry = join(PROJECT, 'kubectl-plugin/release/executable.ts');
  await bundle({ entry, output: main, executable: true });
  const program = await executable(target, main, folder);
  writeFileSync(join(bin, 'kubectl-gpu_mcp'), program, { mode: 0o755 });
  symlinkSync(realpathSync(join(inject('bin'), 'kubectl')), join(bin, 'kubectl'));
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

/** A shell of somebody who has just installed it: an empty home, a PATH without Node. */
function typed(...words: string[]) {
  const began = performance.now();
  const { status, stdout, stderr } = spawnSync(join(bin, 'kubectl'), ['gpu-mcp', ...words], {
    encoding: 'utf8',
    env: environment(),
  });
  return { status, stdout, stderr, ms: performance.now() - began };
}
const environment = () => ({ PATH: bin, HOME: folder, KUBECONFIG: cluster().kubeconfig });

test('a root folder with the executable and its libraries alone shows a simulated page in ten seconds', () => {
  const root = join(folder, 'root');
  const program = join(bin, 'kubectl-gpu_mcp');
  const linked = execFileSync('ldd', [program], { encoding: 'utf8' });
  const libraries = [...linked.matchAll(/(\/\S+) \(/g)].map(([, path = '']) => path);
  for (const path of libraries) {
    mkdirSync(join(root, dirname(path)), { recursive: true });
    copyFileSync(path, join(root, path));
  }
  copyFileSync(program, join(root, 'kubectl-gpu_mcp'));
  const began = performance.now();
  const ran = spawnSync(
    '/usr/sbin/chroot',
    [root, '/kubectl-gpu_mcp', 'triage', '--simulate', 'lost-gpu'],
    {
      encoding: 'utf8',
      env: {},
    },
  );
  expect([ran.status, ran.stderr]).toEqual([0, '']);
  expect(ran.stdout).toMatch(/^CRITICAL {2}lost-gpu .*SIMULATED machine/);
  expect(performance.now() - began).toBeLessThan(SIMULATED_MS_MAX);
});

test('three commands, and the page of a real node is there in a minute; nothing stays', async () => {
  const [nodes, doctor, triage] = [
    typed('nodes'),
    typed('doctor', 'node-a'),
    typed('triage', 'node-a'),
  ];
  // Without a device plugin what then helps is said; an earlier test may have made a node one of GPUs.
  expect(nodes.stdout).toMatch(
    /name a node all the same: kubectl gpu-mcp triage NODE|^node-[ab] /m,
  );
  expect(doctor.status, doctor.stdout).toBe(0);
  expect(triage.stderr).not.toContain('error');
  expect(triage.stdout).toMatch(/^CRITICAL {2}node-a/);
  expect(nodes.ms + doctor.ms + triage.ms).toBeLessThan(REAL_MS_MAX);
  process.stderr.write(`first page of a real node: ${Math.round(triage.ms)} ms\n`);
  expect(await leftAfterTenSeconds()).toEqual([]);
});

test('a local image that no node holds is refused with the line that loads it', () => {
  const { status, stderr } = typed('triage', 'node-a', '--image=localhost/gpu-mcp:0.0.0-absent');
  expect(status).toBe(4);
  expect(stderr).toMatch(/localhost\/gpu-mcp:0\.0\.0-absent cannot be pulled/);
  expect(stderr).toContain('ctr -n k8s.io images import gpu-mcp.tar');
});

test('killed, the executable has its pod removed by itself started again', async () => {
  const words = ['gpu-mcp', 'top', 'node-a', '--interval=1s', '--lifetime=pod'];
  const child = spawn(join(bin, 'kubectl'), words, {
    env: environment(),
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  await new Promise<void>((resolve, reject) => {
    child.stdout.once('data', () => resolve());
    child.once('close', code => reject(new Error(`ended with ${code}`)));
  });
  child.removeAllListeners('close');
  child.kill('SIGKILL');
  expect(await leftAfterTenSeconds()).toEqual([]);
});
