import { spawn } from 'node:child_process';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { gzipSync } from 'node:zlib';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { digestOf, ociArchive } from '../../images/agent/oci.ts';
import { writeTar } from '../../images/agent/tar.ts';
import { VERSION } from '../../src/contract/version.ts';
import { archivedAgents } from '../../src/session/agent-archive.ts';
import { carriedCommand, carryAgent, withCarriedAgent } from '../../src/session/carried-agent.ts';
import { chosenImage } from '../../src/session/node-images.ts';
import { images, layers } from './small-agent.ts';

let folder = '';
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'gpu-mcp-carried-'));
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

function archiveOf(change: (archive: Buffer) => Buffer = archive => archive, of = images): string {
  const file = join(folder, 'agent.oci.tar');
  writeFileSync(file, change(Buffer.from(ociArchive(of, 'localhost/gpu-mcp:1').archive)));
  return file;
}

const agentsOf = (file: string) => archivedAgents({ file, folders: [] });

/** What a kubelet makes of `$$`; the folder is one of this test. */
const inPod = (word: string) =>
  word.replaceAll('$$', '$').replaceAll('/tmp/gpu-mcp', join(folder, 'unpacked'));

interface Shell {
  readonly shell?: string;
  readonly path?: string;
  readonly environment?: Readonly<Record<string, string>>;
  /** Of what is sent, before it arrives. */
  readonly changed?: (word: string) => string;
}

/** The script in a shell of this machine, sent what the archive holds; all that is said to a person. */
async function carried(file: string, { shell = 'sh', path, environment, changed }: Shell = {}) {
  const [agent] = await agentsOf(file);
  if (!agent) throw new Error('an archive without an agent');
  const { command, args } = carriedCommand(agent);
  const words = [...command.slice(1), ...args, '--flag'].map(inPod);
  const env = { PATH: path ?? '/usr/bin:/bin', SHLVL: '2', ...environment };
  const child = spawn(shell, words.map(changed ?? (word => word)), { env });
  const stderr = text(child.stderr);
  child.stdin.on('error', () => undefined);
  const ended = new Promise<{ kind: 'finished'; detail: string; stderr: string }>(resolve => {
    child.once('close', async () =>
      resolve({ kind: 'finished', detail: 'it ended', stderr: await stderr }),
    );
  });
  const { stdin, stdout } = child;
  const stream = { stdin, stdout, ended, destroy: () => void child.kill('SIGKILL') };
  const said: string[] = [];
  const to = { carried: agent, node: 'node-a', image: 'busybox' };
  const signal = new AbortController().signal;
  const by = { nowMs: () => 0, signal, say: (words: string) => void said.push(words) };
  try {
    await carryAgent(stream, to, by);
    stdin.end('{"id":1}\n');
    return { said, answer: await text(stdout) };
  } finally {
    child.kill('SIGKILL');
    await ended;
  }
}

/** A folder with these programs of the machine alone. */
function only(...programs: readonly string[]): string {
  const bin = join(folder, 'bin');
  mkdirSync(bin);
  for (const name of ['sh', 'mkdir', 'rm', 'cat', ...programs])
    symlinkSync(`/usr/bin/${name}`, join(bin, name));
  return bin;
}

const TOOLS = ['head', 'wc', 'tar', 'gzip', 'sleep'];

describe('the shell that becomes the agent', () => {
  test.each(['sh', 'bash'])(
    '%s takes each part, checks it, and hands the stream over',
    async shell => {
      const { said, answer } = await carried(archiveOf(), { shell });
      const unpacked = join(folder, 'unpacked');
      expect(answer).toBe(
        `/app/agent.mjs --flag`
          .replace('/app', `${unpacked}/app`)
          .replace(/^/, '--max-semi-space-size=1 --heap-growing-percent=20 --no-opt --no-maglev ') +
          ` ${unpacked}/lib/any-linux-gnu []\n{"id":1}\n`,
      );
      expect(said).toEqual(['the agent is on node-a: 0 MB in 0.0 s']);
      expect(readFileSync(join(unpacked, 'app.mjs'), 'utf8')).toHaveLength(300_000);
    },
  );

  test('what the image tells a loader or Node is not told to ours', async () => {
    const environment = { NODE_OPTIONS: '--inspect', LD_LIBRARY_PATH: '/nowhere' };
    expect((await carried(archiveOf(), { environment })).answer).toContain(' []\n');
  });

  test('without sha256sum it says that gzip alone checked', async () => {
    const { said } = await carried(archiveOf(), { path: only(...TOOLS) });
    expect(said.at(-1)).toContain('the image has no sha256sum, so gzip alone checked it');
  });

  test.each(TOOLS)('an image without %s is named', async tool => {
    const path = only(...TOOLS.filter(name => name !== tool));
    await expect(carried(archiveOf(), { path })).rejects.toThrow(
      `the image busybox has no ${tool}, which unpacks the agent`,
    );
  });

  test.each([
    [
      'a folder that is there',
      (word: string) => word.replace('mkdir $d', 'mkdir /proc/none/d'),
      /cannot be written: .*none/,
    ],
    [
      'a full disk',
      (word: string) => word.replace('>$d/part ||', '>/dev/full ||'),
      /could not be written to the disk of node-a after 0 of 0 MB: .*No space left/,
    ],
    [
      'other bytes',
      (word: string) => word.replace(/^[0-9a-f]{64}$/, '0'.repeat(64)),
      /what arrived on node-a is not the agent that was sent/,
    ],
    [
      'a disk that is full later',
      (word: string) => word.replace('tar -xzof $d/part', 'tar -xzof /dev/null'),
      /could not be unpacked on node-a: /,
    ],
    [
      'a file system without programs',
      (word: string) => word.replace('"$1" --version', '/nowhere'),
      /node-a does not run what was unpacked/,
    ],
    [
      'a shell that ends',
      (word: string) => word.replace('say taken', 'exit 3'),
      /did not reach node-a, the stream broke after .*: it ended/,
    ],
    [
      'a stream that is cut',
      (word: string) => word.replace('head -c $1', 'head -c 5'),
      /did not reach node-a, the stream broke/,
    ],
  ])('%s is told in a sentence', async (_, changed, words) => {
    await expect(carried(archiveOf(), { changed })).rejects.toThrow(words);
  });

  test('whoever attaches to it and sends nothing leaves no shell behind', async () => {
    const changed = (word: string) => word.replace(/-lt 20 /, '-lt 1 ');
    const [agent] = await agentsOf(archiveOf());
    const { command, args } = carriedCommand(agent ?? expect.fail());
    const child = spawn('sh', [...command.slice(1), ...args].map(inPod).map(changed));
    const signal = await new Promise(resolve => child.once('exit', (_code, by) => resolve(by)));
    expect(signal).toBe('SIGKILL');
  });
});

describe('an archive', () => {
  test('holds the agent of each architecture, by the digests of its image', async () => {
    const agents = await agentsOf(archiveOf());
    expect(agents.map(({ architecture }) => architecture)).toEqual(['amd64', 'arm64']);
    for (const { layers: found } of agents) {
      expect(found.map(({ digest }) => digest)).toEqual(
        layers.map(one => digestOf(one.compressed)),
      );
    }
  });

  test.each<[string, () => string, RegExp]>([
    ['is not there', () => join(folder, 'none'), /cannot be read: ENOENT/],
    ['is something else', () => archiveOf(() => gzipSync('x')), /holds no image of this program/],
    ['is cut', () => archiveOf(all => all.subarray(0, 2_000)), /is damaged|holds no image/],
    [
      'has another byte in a layer',
      () =>
        archiveOf(all => {
          const at = all.indexOf(layers[0]?.compressed ?? '');
          all[at + 40] = (all[at + 40] ?? 0) ^ 1;
          return all;
        }),
      /is damaged/,
    ],
    [
      'is of another version',
      () =>
        archiveOf(
          all => all,
          images.map(image => ({ ...image, version: '0.0.9' })),
        ),
      /is of version 0\.0\.9, this plugin is/,
    ],
    [
      'is of another image',
      () =>
        archiveOf(() =>
          writeTar([
            { path: 'index.json', mode: 0o644, content: Buffer.from('{"manifests":[{}]}') },
          ]),
        ),
      /holds no image of this program/,
    ],
  ])('that %s is refused', async (_, file, words) => {
    await expect(agentsOf(file())).rejects.toThrow(words);
  });

  test('is looked for beside the program, and named where there is none', async () => {
    await expect(archivedAgents({ folders: [folder] })).rejects.toThrow('beside this program');
    writeFileSync(join(folder, `gpu-mcp-${VERSION}.tar`), readFileSync(archiveOf()));
    expect(await archivedAgents({ folders: ['/nowhere', folder] })).toHaveLength(2);
  });
});

const BUSYBOX = `docker.io/library/busybox@sha256:${'1'.repeat(64)}`;
const NAMED: readonly (readonly [names: readonly string[], chosen: string | undefined])[] = [
  [['docker.io/library/busybox:1.36', BUSYBOX], BUSYBOX],
  [[BUSYBOX], BUSYBOX],
  [['localhost/busybox:1'], 'localhost/busybox:1'],
  [['registry.example:5000/mirror/alpine:3.20'], 'registry.example:5000/mirror/alpine:3.20'],
  [
    ['nvcr.io/nvidia/driver:550.144.03-ubuntu20.04'],
    'nvcr.io/nvidia/driver:550.144.03-ubuntu20.04',
  ],
  [
    ['nvcr.io/nvidia/k8s/dcgm-exporter:3.3.9-3.6.1-ubuntu22.04'],
    'nvcr.io/nvidia/k8s/dcgm-exporter:3.3.9-3.6.1-ubuntu22.04',
  ],
  [['docker.io/library/python:3.12-slim-bookworm'], 'docker.io/library/python:3.12-slim-bookworm'],
  [['nvcr.io/nvidia/pytorch:25.04-py3'], 'nvcr.io/nvidia/pytorch:25.04-py3'],
  [['registry.k8s.io/pause:3.10'], undefined],
  [['gcr.io/distroless/static-debian12:latest'], undefined],
  [['nvcr.io/nvidia/k8s-device-plugin:v0.17.0'], undefined],
  [['nvcr.io/nvidia/cuda:12.6.3-base-ubi9'], undefined],
  [['example.com/not-busybox:1'], undefined],
  [['<none>@<none>', '<none>:<none>'], undefined],
  [[], undefined],
];

test.each(NAMED)('of a node with %j the image is %s', (names, chosen) => {
  expect(chosenImage([['registry.k8s.io/pause:3.10'], names])).toBe(chosen);
});

test('what is smaller, and needs less, is taken first', () => {
  const names = NAMED.map(([of]) => of).toReversed();
  expect(chosenImage(names)).toBe(BUSYBOX);
});

describe('a node', () => {
  const choices = (image?: string) => ({
    ...{ image: '', carry: { image, archive: { file: archiveOf(), folders: [] } } },
  });
  const node = { name: 'node-a', architecture: 'arm64', images: [['localhost/busybox:1']] };

  test('is sent the agent of its architecture, to an image of its own or the one that is named', async () => {
    const said: string[] = [];
    const found = await withCarriedAgent(choices(), node, words => void said.push(words));
    expect(found).toMatchObject({
      image: 'localhost/busybox:1',
      carried: { architecture: 'arm64' },
    });
    expect(said).toEqual([
      'no image is pulled: localhost/busybox:1 is on the node, the agent is sent to it',
    ]);
    const named = await withCarriedAgent(choices('mine:1'), node, () => undefined);
    expect(named.image).toBe('mine:1');
  });

  test('with no image that would do, or of an architecture that the archive lacks, is told', async () => {
    const bare = withCarriedAgent(
      choices(),
      { ...node, images: [['registry.k8s.io/pause:3.10']] },
      () => undefined,
    );
    await expect(bare).rejects.toThrow('none of the 1 images that node "node-a" reports');
    const other = withCarriedAgent(choices(), { ...node, architecture: 's390x' }, () => undefined);
    await expect(other).rejects.toThrow(
      'holds the agent for amd64, arm64, and node "node-a" is s390x',
    );
  });
});
