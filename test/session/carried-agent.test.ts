import { spawnSync } from 'node:child_process';
import { mkdirSync, readFileSync, rmSync, symlinkSync, truncateSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { describe, expect, test } from 'vitest';
import { digestOf } from '../../images/agent/oci.ts';
import { writeTar } from '../../images/agent/tar.ts';
import { VERSION } from '../../src/contract/version.ts';
import { archivedAgents } from '../../src/session/agent-archive.ts';
import { chosenImage, withCarriedAgent } from '../../src/session/carried-agent.ts';
import { carriedWorld, soon } from './carried-world.ts';
import { images, layers } from './small-agent.ts';

const { folder, archiveOf, agentsOf, carried } = carriedWorld();

/** A folder with these programs of the machine alone. */
function only(...programs: readonly string[]): string {
  const bin = join(folder(), 'bin');
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
      const unpacked = join(folder(), 'unpacked');
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
      (word: string) => word.replace('>$d/part &', '>/dev/full &'),
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

  test.each<[string, (file: string) => void, RegExp]>([
    ['is gone', file => rmSync(file), /archive of the agent could not be read on its way.*ENOENT/],
    [
      'became shorter',
      file => truncateSync(file, 4_000),
      /archive of the agent could not be read on its way.*longer when it was checked/,
    ],
  ])('an archive that %s meanwhile is no broken stream', async (_, meanwhile, words) => {
    await expect(carried(archiveOf(), { meanwhile })).rejects.toThrow(words);
  });

  test('nothing that comes any more is told with the limit and the rate', async () => {
    const changed = (word: string) => soon(word).replace('head -c $1', 'sleep 30');
    const refused = carried(archiveOf(), { changed });
    await expect(refused).rejects.toMatchObject({
      message:
        'nothing more of the agent came to node-a for 120 s (20 s for the first byte), after 0 of 0 MB',
      hint: expect.stringContaining('14 KB/s'),
    });
  });
});

function fifo(): string {
  const path = join(folder(), 'fifo');
  spawnSync('mkfifo', [path]);
  return path;
}

/** The head of a file in a tar, with a size that no tar has. */
function header(size: string): Buffer {
  const [block] = [
    writeTar([{ path: 'x', mode: 0o644, content: Buffer.alloc(0) }]).subarray(0, 512),
  ];
  block.write(size.padEnd(12, '\0'), 124, 'latin1');
  return block;
}

/** Other words of the same length in what leads to the layers. */
const CHANGED: readonly (readonly [kind: string, from: string, to: string])[] = [
  ['index', '"architecture":"arm64"', '"architecture":"arm63"'],
  ['manifest', 'application/vnd.oci.image.layer', 'application/vnd.oci.image.lawyr'],
  ['config', '/app/agent.mjs', '/app/other.mjs'],
];

function changedBlob(all: Buffer, from: string, to: string): Buffer {
  const at = all.indexOf(from);
  if (at === -1) throw new Error(`no ${from}`);
  all.write(to, at, 'latin1');
  return all;
}

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
    ['is not there', () => join(folder(), 'none'), /cannot be read: ENOENT/],
    ['is something else', () => archiveOf(() => gzipSync('x')), /holds no image of this program/],
    ['is cut', () => archiveOf(all => all.subarray(0, 2_000)), /is damaged|holds no image/],
    ['is a folder', () => folder(), /is not a file/],
    ['is a FIFO', fifo, /is not a file/],
    ['is no file that has an end', () => '/proc/self/mem', /holds no image of this program/],
    ...['-1000', '-7', '99999999999'].map((size): [string, () => string, RegExp] => [
      `has a file of ${size} bytes`,
      () => archiveOf(all => Buffer.concat([header(size), all])),
      /holds no image of this program|is damaged/,
    ]),
    ...CHANGED.map(([kind, from, to]): [string, () => string, RegExp] => [
      `has other words in its ${kind}`,
      () => archiveOf(all => changedBlob(all, from, to)),
      /is damaged/,
    ]),
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
    await expect(archivedAgents({ folders: [folder()] })).rejects.toThrow('beside this program');
    writeFileSync(join(folder(), `gpu-mcp-${VERSION}.tar`), readFileSync(archiveOf()));
    expect(await archivedAgents({ folders: ['/nowhere', folder()] })).toHaveLength(2);
  });
});

const BUSYBOX = `docker.io/library/busybox@sha256:${'1'.repeat(64)}`;
const EVIL = `evil.example/tenant/busybox@sha256:${'b'.repeat(64)}`;
const NAMED: readonly (readonly [names: readonly string[], chosen: string | undefined])[] = [
  [['docker.io/library/busybox:1.36', BUSYBOX], BUSYBOX],
  [[BUSYBOX], BUSYBOX],
  [['localhost/busybox:1'], undefined],
  [['registry.example:5000/mirror/alpine:3.20'], undefined],
  [[EVIL], undefined],
  [['evil.example/docker.io/library/busybox:1'], undefined],
  [['docker.io/tenant/busybox:1'], undefined],
  [['docker.io/library/tenant/busybox:1'], undefined],
  [['docker.io/tenant/app:1-alpine'], undefined],
  [['evil.example/nvcr.io/nvidia/driver:550.144.03-ubuntu22.04'], undefined],
  [['docker.io/library/python:3.12-slim-bookworm'], undefined],
  // The same image under the name of another is taken by the publisher's.
  [[EVIL, 'docker.io/library/busybox:1.36'], 'docker.io/library/busybox:1.36'],
  [['docker.io/library/alpine:3.20'], 'docker.io/library/alpine:3.20'],
  [
    ['registry.k8s.io/e2e-test-images/busybox:1.36.1-1'],
    'registry.k8s.io/e2e-test-images/busybox:1.36.1-1',
  ],
  [
    ['nvcr.io/nvidia/driver:550.144.03-ubuntu20.04'],
    'nvcr.io/nvidia/driver:550.144.03-ubuntu20.04',
  ],
  [
    ['nvcr.io/nvidia/k8s/dcgm-exporter:3.3.9-3.6.1-ubuntu22.04'],
    'nvcr.io/nvidia/k8s/dcgm-exporter:3.3.9-3.6.1-ubuntu22.04',
  ],
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

test('an image that anybody may have pushed is never taken beside a publisher’s', () => {
  expect(chosenImage([[BUSYBOX], [EVIL, 'evil.example/tenant/busybox:1']])).toBe(BUSYBOX);
});

describe('a node', () => {
  const choices = (image?: string) => ({
    ...{ image: '', carry: { image, archive: { file: archiveOf(), folders: [] } } },
  });
  const node = { name: 'node-a', architecture: 'arm64', images: [['docker.io/library/busybox:1']] };

  test('is sent the agent of its architecture, to an image of its own or the one that is named', async () => {
    const said: string[] = [];
    const found = await withCarriedAgent(choices(), node, words => void said.push(words));
    expect(found).toMatchObject({
      image: 'docker.io/library/busybox:1',
      carried: { architecture: 'arm64' },
    });
    expect(said).toEqual([
      'no image is pulled: docker.io/library/busybox:1 is on the node, the agent is sent to it',
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
