import { execFileSync } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { gunzipSync } from 'node:zlib';
import { describe, expect, test } from 'vitest';
import * as z from 'zod';
import { CONFIGURATION, entrypoint } from '../../images/agent/contents.ts';
import { withoutSections } from '../../images/agent/elf.ts';
import { digestOf, layer, ociArchive } from '../../images/agent/oci.ts';
import { readTar, type TarEntry, writeTar } from '../../images/agent/tar.ts';

const entries: readonly TarEntry[] = [
  { path: 'app', mode: 0o755 },
  { path: 'app/agent.mjs', mode: 0o644, content: Buffer.from('export {};\n') },
  { path: 'usr/bin/node', mode: 0o755, content: Buffer.alloc(1000, 7) },
  { path: 'tmp', mode: 0o1777 },
];

const image = () => ({
  platform: 'linux/arm64' as const,
  version: '1.2.3',
  layers: [layer(entries.slice(2), 'runtime'), layer(entries.slice(0, 2), 'agent')],
  fromSnapshot: false,
});

const Descriptor = z.object({
  mediaType: z.string(),
  digest: z.string(),
  size: z.number(),
  annotations: z.record(z.string(), z.string()).optional(),
});
const Index = z.object({ manifests: z.array(Descriptor) });
const Manifest = z.object({ config: Descriptor, layers: z.array(Descriptor) });
const Config = z.object({
  architecture: z.string(),
  config: z.record(z.string(), z.unknown()),
  rootfs: z.object({ diff_ids: z.array(z.string()) }),
});

describe('the tar', () => {
  test('is the same whatever the order of its entries', () => {
    expect(writeTar([...entries].reverse())).toEqual(writeTar(entries));
  });

  test('gives back the files it was given', () => {
    const read = [...readTar(writeTar(entries)).values()].map(({ path, content }) => [
      path,
      content,
    ]);
    const files = entries.flatMap(({ path, content }) => (content ? [[path, content]] : []));
    expect(read).toEqual(files);
  });

  test('is one that tar(1) understands: modes, owner, time', () => {
    const listing = execFileSync('tar', ['tvf', '-', '--numeric-owner', '--utc'], {
      input: writeTar(entries),
      encoding: 'utf8',
    });
    expect(
      listing
        .trim()
        .split('\n')
        .map(line => line.replaceAll(/\s+/g, ' ')),
    ).toEqual([
      'drwxr-xr-x 0/0 0 1970-01-01 00:00 app/',
      '-rw-r--r-- 0/0 11 1970-01-01 00:00 app/agent.mjs',
      'drwxrwxrwt 0/0 0 1970-01-01 00:00 tmp/',
      '-rwxr-xr-x 0/0 1000 1970-01-01 00:00 usr/bin/node',
    ]);
  });

  test('refuses a path that would be cut', () => {
    const path = 'a'.repeat(101);
    expect(() => writeTar([{ path, mode: 0o644, content: Buffer.alloc(0) }])).toThrow(/too long/);
  });

  test('refuses an archive whose sizes are no numbers', () => {
    const damaged = writeTar(entries);
    damaged.write('not octal', 124);
    expect(() => readTar(damaged)).toThrow('a damaged archive, at byte 0');
  });
});

describe('the archive', () => {
  const reference = 'localhost/gpu-mcp:1.2.3';
  const { archive, digest } = ociArchive([image()], reference);
  const files = readTar(archive);
  const read = (path: string): Buffer => files.get(path)?.content ?? Buffer.alloc(0);
  const blob = (wanted: string) => read(`blobs/sha256/${wanted.replace('sha256:', '')}`);
  const parse = (content: Buffer): unknown => JSON.parse(content.toString('utf8'));

  test('is the same when it is made again', () => {
    const again = ociArchive([image()], reference);
    expect([again.digest, digestOf(again.archive)]).toEqual([digest, digestOf(archive)]);
  });

  test('names its manifest as containerd, podman and docker look for it', () => {
    const [top] = Index.parse(parse(read('index.json'))).manifests;
    expect(top).toMatchObject({
      digest,
      annotations: {
        'io.containerd.image.name': reference,
        'org.opencontainers.image.ref.name': reference,
      },
    });
    expect(parse(read('manifest.json'))).toMatchObject([{ RepoTags: [reference] }]);
    expect(parse(read('oci-layout'))).toEqual({ imageLayoutVersion: '1.0.0' });
  });

  test('holds every blob that is named, with its size and digest', () => {
    const manifest = Manifest.parse(parse(blob(digest)));
    for (const one of [manifest.config, ...manifest.layers]) {
      expect([digestOf(blob(one.digest)), blob(one.digest).length]).toEqual([one.digest, one.size]);
    }
    const config = Config.parse(parse(blob(manifest.config.digest)));
    const unpacked = manifest.layers.map(one => digestOf(gunzipSync(blob(one.digest))));
    expect(config.rootfs.diff_ids).toEqual(unpacked);
  });

  test('is configured as contents.ts says', () => {
    const manifest = Manifest.parse(parse(blob(digest)));
    const config = Config.parse(parse(blob(manifest.config.digest)));
    expect(config.architecture).toBe('arm64');
    expect(config.config).toEqual({
      User: CONFIGURATION.user,
      Env: ['PATH=/usr/bin'],
      Entrypoint: [...entrypoint(false)],
      WorkingDir: '/',
      Labels: { ...CONFIGURATION.labels, 'org.opencontainers.image.version': '1.2.3' },
    });
  });

  test('that holds a snapshot starts Node from it', () => {
    const made = ociArchive([{ ...image(), fromSnapshot: true }], reference);
    const blobs = readTar(made.archive);
    const at = (wanted: string) =>
      blobs.get(`blobs/sha256/${wanted.slice(7)}`)?.content ?? Buffer.alloc(0);
    const config: unknown = parse(at(Manifest.parse(parse(at(made.digest))).config.digest));
    const started = ['--snapshot-blob', '/app/agent.blob', '/app/agent.mjs'];
    expect(config).toMatchObject({ config: { Entrypoint: expect.arrayContaining(started) } });
  });

  test('of a release says where it comes from and when that was committed', () => {
    const time = '2026-11-27T12:00:00.000Z';
    const source = { address: 'https://example.com/o/n', commit: 'c0ffee', time };
    const made = ociArchive([{ ...image(), source }], reference);
    const blobs = readTar(made.archive);
    const at = (wanted: string) =>
      blobs.get(`blobs/sha256/${wanted.slice(7)}`)?.content ?? Buffer.alloc(0);
    const config: unknown = parse(at(Manifest.parse(parse(at(made.digest))).config.digest));
    expect(config).toMatchObject({
      created: time,
      config: {
        Labels: {
          'org.opencontainers.image.source': 'https://example.com/o/n',
          'org.opencontainers.image.revision': 'c0ffee',
          'org.opencontainers.image.created': time,
        },
      },
    });
  });

  test('of two platforms has an index that names both', () => {
    const both = ociArchive([image(), { ...image(), platform: 'linux/amd64' }], reference);
    const blobs = readTar(both.archive);
    const list = blobs.get(`blobs/sha256/${both.digest.slice(7)}`)?.content ?? Buffer.alloc(0);
    expect(parse(list)).toMatchObject({
      manifests: [
        { platform: { os: 'linux', architecture: 'arm64' } },
        { platform: { os: 'linux', architecture: 'amd64' } },
      ],
    });
  });
});

describe('a program without its sections', () => {
  test('is smaller and still runs', context => {
    const program = '/usr/bin/true';
    context.skip(
      process.platform !== 'linux' || !existsSync(program),
      'there is no ELF program here',
    );
    const original = readFileSync(program);
    const stripped = withoutSections(original);
    expect(stripped.length).toBeLessThan(original.length);
    const folder = mkdtempSync(join(tmpdir(), 'gpu-mcp-elf-'));
    try {
      const file = join(folder, 'true');
      writeFileSync(file, stripped, { mode: 0o755 });
      expect(execFileSync(file, { encoding: 'utf8' })).toBe('');
    } finally {
      rmSync(folder, { recursive: true });
    }
  });

  test.each([
    ['a script', Buffer.from('#!/bin/sh\n'.repeat(20))],
    ['a 32-bit program', Buffer.concat([Buffer.from('\x7fELF\x01\x01'), Buffer.alloc(100)])],
  ])('cannot be made of %s', (_, file) => {
    expect(() => withoutSections(file)).toThrow('not a 64-bit little-endian ELF file');
  });

  test('cannot be made of a file that is cut', context => {
    context.skip(process.platform !== 'linux', 'there is no ELF program here');
    const node = readFileSync('/usr/bin/true');
    expect(() => withoutSections(node.subarray(0, 4096))).toThrow(/that needs/);
  });
});
