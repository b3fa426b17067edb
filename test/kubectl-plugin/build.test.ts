import { spawnSync } from 'node:child_process';
import {
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { Address4, Address6 } from 'ip-address';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { buildAll, bundle, bundlesOf, filesOf } from '../../kubectl-plugin/build.ts';

let project = '';

beforeEach(() => {
  project = mkdtempSync(join(tmpdir(), 'gpu-mcp-build-'));
  const modules = fileURLToPath(new URL('../../node_modules', import.meta.url));
  symlinkSync(modules, join(project, 'node_modules'));
  write('src/agent/main.ts', "process.stdout.write('agent');");
  write('src/agent/nvml-main.ts', "process.stdout.write('nvml');");
  write('src/cli/main.ts', "process.stdout.write('plugin');");
});
afterEach(() => rmSync(project, { recursive: true, force: true }));

function write(path: string, text: string): void {
  mkdirSync(dirname(join(project, path)), { recursive: true });
  writeFileSync(join(project, path), text);
}

/** Runs a bundle where it finds no packages. */
function run(file: string): string {
  rmSync(join(project, 'node_modules'), { force: true });
  const { stdout, stderr } = spawnSync(process.execPath, [join(project, file)], {
    encoding: 'utf8',
  });
  return stdout + stderr;
}

test('a bundle loads what it imports lazily only when it is asked to, without packages', async () => {
  write(
    'src/cli/main.ts',
    `const loaded = globalThis;
     process.stdout.write(String('lateLoaded' in loaded));
     const { late } = await import('./late.ts');
     process.stdout.write(' ' + late() + ' ' + ('lateLoaded' in loaded));`,
  );
  write(
    'src/cli/late.ts',
    `import { parse } from 'yaml-of-ours';
     import { createHash } from 'node:crypto';
     Object.assign(globalThis, { lateLoaded: true });
     export const late = () => parse('x') + createHash('sha1').update('').digest('hex').slice(0, 4);`,
  );
  write('src/node_modules/yaml-of-ours/package.json', '{"name":"yaml-of-ours","main":"a.cjs"}');
  write(
    'src/node_modules/yaml-of-ours/a.cjs',
    "const { join } = require('path'); exports.parse = text => join('a', text);",
  );
  await bundle({
    entry: join(project, 'src/cli/main.ts'),
    output: join(project, 'dist/plugin.mjs'),
  });
  rmSync(join(project, 'src'), { recursive: true });
  expect(run('dist/plugin.mjs')).toBe('false a/xda39 true');
});

test('koffi in a bundle calls a library through the native module beside it', async context => {
  const hasNative = process.platform === 'linux' && ['x64', 'arm64'].includes(process.arch);
  context.skip(!hasNative, 'koffi for Linux is not installed on this machine');
  write(
    'src/agent/main.ts',
    `const { default: koffi } = await import('koffi');
     process.stdout.write(String(koffi.load('libc.so.6').func('int abs(int)')(-7)));`,
  );
  const { lines, tooLarge } = await buildAll(project);
  expect(tooLarge).toEqual([]);
  expect(lines.map(line => line.split(' ').at(-1))).toEqual([
    'dist/plugin.mjs',
    'dist/agent.mjs',
    'dist/nvml-agent.mjs',
    `dist/koffi/linux-${process.arch}/koffi.node`,
    'dist/LICENSES.txt',
  ]);
  expect(readFileSync(join(project, 'dist/LICENSES.txt'), 'utf8')).toMatch(
    /^=+\nkoffi \d+\.\d+\.\d+ \(MIT\)\n=+\n[\s\S]*Permission is hereby granted/,
  );
  expect(run('dist/agent.mjs')).toBe('7');
});

test('what is loaded later lies in a file of its own, which is not read before', async () => {
  write('src/late.ts', `export const late = 'late';`);
  write(
    'src/cli/main.ts',
    `if (process.argv.length > 9) console.log((await import('../late.ts')).late);`,
  );
  write('src/agent/main.ts', `process.stdout.write((await import('../late.ts')).late);`);
  await buildAll(project);
  const dist = join(project, 'dist');
  for (const name of ['plugin', 'agent']) {
    const [first = '', part = ''] = filesOf(dist, name).toSorted((a, b) => a.length - b.length);
    expect(first).toBe(`${name}.mjs`);
    expect(part).toMatch(new RegExp(`^${name}-[A-Z0-9]{8}\\.mjs$`));
    expect(readFileSync(join(dist, part), 'utf8')).toContain('late');
  }
  expect(run('dist/agent.mjs')).toBe('late');
  for (const part of filesOf(dist, 'plugin')) if (part !== 'plugin.mjs') rmSync(join(dist, part));
  expect(run('dist/plugin.mjs')).toBe('');
});

test('a bundle is ASCII, also where a pattern is not, and means the same', async () => {
  write(
    'src/agent/main.ts',
    "process.stdout.write([/^[“„…]+$/u.test('„…'), '„'.length, /│|😀/u.exec('a😀')?.[0]].join(' '));",
  );
  const [, agent] = bundlesOf(project);
  if (agent) await bundle(agent);
  expect(readFileSync(join(project, 'dist/agent.mjs'), 'utf8')).toMatch(/^[\0-\x7f]+$/);
  expect(run('dist/agent.mjs')).toBe('true 1 😀');
});

test('what a release decides is in its bundle, and in no other', async () => {
  write(
    'src/cli/main.ts',
    `process.stdout.write([typeof GPU_MCP_RELEASE_IMAGE, typeof GPU_MCP_EXECUTABLE].join());
     if (typeof GPU_MCP_RELEASE_IMAGE === 'string') process.stdout.write(GPU_MCP_RELEASE_IMAGE);`,
  );
  const entry = join(project, 'src/cli/main.ts');
  const output = join(project, 'dist/plugin.mjs');
  await bundle({ entry, output });
  expect(run('dist/plugin.mjs')).toBe('undefined,undefined');
  await bundle({ entry, output, releaseImage: 'example/i@sha256:1', executable: true });
  expect(run('dist/plugin.mjs')).toBe('string,booleanexample/i@sha256:1');
});

test('client-node finds a token by a dotted path in what a command prints, and by nothing else', async () => {
  write('token.json', '{"credential":{"access_token":"tok"},"at":"2031-01-01T00:00:00Z"}');
  const asked = (path: string) => `
    const config = {
      'cmd-path': 'cat',
      'cmd-args': ${JSON.stringify(join(project, 'token.json'))},
      'token-key': '${path}',
      'expiry-key': '{.at}',
    };
    const cluster = { name: 'c', server: 'https://localhost' };
    const kubeconfig = new KubeConfig();
    kubeconfig.loadFromOptions({
      clusters: [cluster],
      users: [{ name: 'u', authProvider: { name: 'gcp', config } }],
      contexts: [{ name: 'x', cluster: 'c', user: 'u' }],
      currentContext: 'x',
    });
    const options = { headers: {} };
    await kubeconfig.applyToHTTPSOptions(options);
    process.stdout.write(String(options.headers.Authorization));`;
  const head = "import { KubeConfig } from '@kubernetes/client-node/dist/config.js';";
  for (const [path, said] of [
    ['{.credential.access_token}', /^Bearer tok$/],
    ['{.credential[?(@.length)]}', /not a dotted path/],
  ] as const) {
    write('src/cli/main.ts', head + asked(path));
    await bundle({
      entry: join(project, 'src/cli/main.ts'),
      output: join(project, 'dist/plugin.mjs'),
    });
    const ran = spawnSync(process.execPath, [join(project, 'dist/plugin.mjs')], {
      encoding: 'utf8',
    });
    expect(ran.stdout + ran.stderr).toMatch(said);
  }
});

test('socks reads addresses as ip-address does', async () => {
  const sixes = [
    '::',
    '::1',
    'fe80::1:2',
    'fe80::1%eth0',
    '1:2:3:4:5:6:7:8',
    '1::',
    '::ffff:10.0.0.1',
  ];
  const bytes = Array.from({ length: 16 }, (_, at) => at * 17);
  const program = `
    import { Address4, Address6 } from 'ip-address';
    process.stdout.write(JSON.stringify([
      new Address4('10.0.200.255').toArray(),
      ${JSON.stringify(sixes)}.map(text => new Address6(text).canonicalForm()),
      Address6.fromByteArray(${JSON.stringify(bytes)}).canonicalForm(),
    ]));`;
  write('src/cli/main.ts', program);
  const output = join(project, 'dist/plugin.mjs');
  await bundle({ entry: join(project, 'src/cli/main.ts'), output });
  const ran = spawnSync(process.execPath, [output], { encoding: 'utf8' });
  expect(JSON.parse(ran.stdout)).toEqual([
    new Address4('10.0.200.255').toArray(),
    sixes.map(text => new Address6(text).canonicalForm()),
    Address6.fromByteArray(bytes).canonicalForm(),
  ]);
});

test('a bundle above its limit is built and told', async () => {
  const bundles = bundlesOf(project).map(one => ({ ...one, bytesMax: 10 }));
  const { lines, tooLarge } = await buildAll(project, bundles);
  expect(lines.length).toBeGreaterThan(2);
  expect(tooLarge).toEqual([
    expect.stringMatching(/^dist\/plugin\.mjs has \d+ bytes, its limit is 10$/),
    expect.stringMatching(/^dist\/agent\.mjs has \d+ bytes, its limit is 10$/),
    expect.stringMatching(/^dist\/nvml-agent\.mjs has \d+ bytes, its limit is 10$/),
  ]);
});

test('an entry that does not exist is named', async () => {
  rmSync(join(project, 'src/agent'), { recursive: true });
  await expect(buildAll(project)).rejects.toThrow(/there is no .*main\.ts to bundle/);
});

test('without checks the tables of readings are what they are with them', async () => {
  const tables = fileURLToPath(new URL('../../src/nvml/readings.ts', import.meta.url));
  write(
    'src/agent/nvml-main.ts',
    `import { DRIVER_FIELDS, fieldsAt, GPU_FIELDS, ON_DEMAND, unread } from ${JSON.stringify(tables)};
     const missing = { ok: false, reason: 'timeout' };
     process.stdout.write(JSON.stringify({
       fields: ['first', 'counters', 'now', 'all'].map(depth => fieldsAt(depth, ON_DEMAND)),
       unread: [...DRIVER_FIELDS, ...GPU_FIELDS].map(field => [field, unread(field, missing)]),
     }));`,
  );
  const [checked, unchecked] = [join(project, 'a.mjs'), join(project, 'b.mjs')];
  const entry = join(project, 'src/agent/nvml-main.ts');
  await bundle({ entry, output: checked });
  await bundle({ entry, output: unchecked, unchecked: true });
  expect(statSync(unchecked).size).toBeLessThan(statSync(checked).size / 2);
  const [theirs, ours] = [run('a.mjs'), run('b.mjs')];
  expect(ours).toBe(theirs);
  expect(JSON.parse(ours)).toMatchObject({ fields: [{}, {}, {}, {}] });
});
